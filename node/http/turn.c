/* turn.c: what a server does once per turn of its loop: pump the connections that have news.
 *
 * Whoever writes marks its connection dirty; an idle handle, active only then, runs before the loop
 * polls again, so that everything written in one turn leaves together and no write waits for the
 * next event.
 * Invariants: the idle handle is active exactly while `flushing`; a connection is in `dirty` at
 * most once. */
#include <assert.h>

#include "node/http/conn.h"

static void on_flush(uv_idle_t *handle)
{
    struct http_server *server = handle->data;
    struct list dirty;
    list_init(&dirty);
    list_splice_back(&dirty, &server->dirty);
    struct list *link;
    while ((link = list_pop_front(&dirty)) != NULL) {
        http_conn_pump(CONTAINER_OF(link, struct http_conn, dirty_link));
    }
    if (list_empty(&server->dirty)) {
        server->flushing = false;
        (void)uv_idle_stop(&server->flush);
    }
}

void http_server_wake(struct http_server *server)
{
    if (!server->flushing) {
        server->flushing = true;
        int rc = uv_idle_start(&server->flush, on_flush);
        assert(rc == 0);
    }
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

void http_limits_default(struct http_limits *l)
{
    l->streams = or_default(l->streams, 250);
    l->header_bytes = or_default(l->header_bytes, 64 * 1024);
    l->header_count = or_default(l->header_count, 100);
    l->connections = or_default(l->connections, 4096);
    l->resets_per_minute = or_default(l->resets_per_minute, 600);
    l->control_per_minute = or_default(l->control_per_minute, 3000);
    l->out_bytes = or_default(l->out_bytes, 1024 * 1024);
    l->handshake_ms = or_default(l->handshake_ms, 10000);
    l->head_ms = or_default(l->head_ms, 10000);
    l->stall_ms = or_default(l->stall_ms, 60000);
    l->idle_ms = or_default(l->idle_ms, 300000);
}

void http_server_init(struct http_server *server, struct loop *loop,
                      const struct http_server_config *config)
{
    *server = (struct http_server){.loop = loop,
                                   .user = server->user,
                                   .limits = config->limits,
                                   .route = config->route,
                                   .listener = server->listener};
    http_limits_default(&server->limits);
    list_init(&server->conns);
    list_init(&server->dirty);
    int rc = uv_idle_init(&loop->uv, &server->flush);
    assert(rc == 0);
    server->flush.data = server;
    server->handles_open = 1;
}
