/* turn.c: what a server does once per turn of its loop: pump the connections that have news.
 *
 * Whoever writes marks its connection dirty; a task of the loop's runs when all that had come in
 * this turn was handled, so that everything written in one turn leaves together and no write waits
 * for the next event.
 * Invariant: a connection is in `dirty` at most once. */
#include "node/http/conn.h"

static void on_flush(struct loop_task *task)
{
    struct http_server *server = CONTAINER_OF(task, struct http_server, flush);
    struct list dirty;
    list_init(&dirty);
    list_splice_back(&dirty, &server->dirty);
    struct list *link;
    while ((link = list_pop_front(&dirty)) != NULL) {
        http_conn_pump(CONTAINER_OF(link, struct http_conn, dirty_link));
    }
}

void http_server_wake(struct http_server *server)
{
    if (!server->by_hand) {
        loop_defer(server->loop, &server->flush);
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
    l->control_per_minute = or_default(l->control_per_minute, 6000);
    l->out_bytes = or_default(l->out_bytes, 1024 * 1024);
    l->handshake_ms = or_default(l->handshake_ms, 10000);
    l->head_ms = or_default(l->head_ms, 10000);
    l->body_ms = or_default(l->body_ms, 60000);
    l->stall_ms = or_default(l->stall_ms, 60000);
    l->idle_ms = or_default(l->idle_ms, 300000);
    l->ping_ms = or_default(l->ping_ms, 5000);
    l->keepalive_ms = or_default(l->keepalive_ms, 60000);
    l->dead_ms = or_default(l->dead_ms, 20000);
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
    http_measure_init(&server->measure);
    loop_task_init(&server->flush, on_flush);
}
