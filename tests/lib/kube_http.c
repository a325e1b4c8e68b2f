/* kube_http.c: requests are parsed by hand (the only client is libcurl), answered at once.
 *
 * A connection gathers bytes until a whole request is there, has it answered and goes on. */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/lib/kube_internal.h"

/* ---- out ---- */

struct out {
    uv_write_t req;
    char *data;
};

static void on_written(uv_write_t *req, int status)
{
    struct out *o = CONTAINER_OF(req, struct out, req);
    (void)status;
    free(o->data);
    free(o);
}

void kube__send(struct kube_conn *c, struct slice bytes)
{
    struct out *o = mem_zero(sizeof(*o));
    o->data = slice_dup(bytes);
    uv_buf_t b = uv_buf_init(o->data, (unsigned)bytes.len);
    if (c->closing || uv_write(&o->req, (uv_stream_t *)&c->tcp, &b, 1, on_written) != 0) {
        free(o->data);
        free(o);
    }
}

void kube__answer(struct kube_conn *c, int status, const json_t *body)
{
    struct buf text = {0};
    struct buf all = {0};
    json_canonical(body, &text);
    buf_addf(&all, "HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n",
             status, text.len);
    if (c->k->retry_after_s > 0 && (status == 429 || status == 503)) {
        buf_addf(&all, "retry-after: %d\r\n", c->k->retry_after_s);
    }
    buf_add_cstr(&all, "\r\n");
    buf_add(&all, buf_slice(&text));
    kube__send(c, buf_slice(&all));
    buf_free(&text);
    buf_free(&all);
}

void kube__answer_status(struct kube_conn *c, int status, const char *message)
{
    json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:i}", "kind", "Status", "apiVersion", "v1",
                             "status", "Failure", "message", message, "code", status);
    kube__answer(c, status, body);
    json_decref(body);
}

static void conn_closed(uv_handle_t *handle)
{
    struct kube_conn *c = CONTAINER_OF((uv_tcp_t *)handle, struct kube_conn, tcp);
    if (c->watch_kind != NULL) {
        c->k->watches_open--;
    }
    c->k->logs_open -= c->log != NULL ? 1 : 0;
    list_remove(&c->link);
    buf_free(&c->in);
    free(c->log);
    free(c->watch_kind);
    free(c->watch_selector);
    free(c);
}

void kube__close(struct kube_conn *c)
{
    if (!c->closing) {
        c->closing = true;
        uv_close((uv_handle_t *)&c->tcp, conn_closed);
    }
}

void kube__send_chunk(struct kube_conn *c, const char *text)
{
    struct buf chunk = {0};
    buf_addf(&chunk, "%zx\r\n", strlen(text));
    buf_add_cstr(&chunk, text);
    buf_add_cstr(&chunk, "\r\n");
    kube__send(c, buf_slice(&chunk));
    buf_free(&chunk);
}

/* ---- in ---- */

char *kube__parameter(struct slice query, const char *name)
{
    struct slice rest = query;
    struct slice pair;
    while (slice_split(&rest, '&', &pair)) {
        struct slice value = pair;
        struct slice key;
        slice_split(&value, '=', &key);
        if (!slice_eq_cstr(key, name)) {
            continue;
        }
        struct buf out = {0};
        for (size_t i = 0; i < value.len; i++) {
            unsigned code;
            if (value.data[i] == '%' && i + 2 < value.len &&
                sscanf(value.data + i + 1, "%2x", &code) == 1) {
                buf_add_char(&out, (char)code);
                i += 2;
            } else {
                buf_add_char(&out, value.data[i]);
            }
        }
        return buf_take(&out);
    }
    return mem_strdup("");
}

static struct slice header(struct slice head, const char *name)
{
    struct slice rest = head;
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        struct slice value = line;
        struct slice key;
        slice_split(&value, ':', &key);
        if (key.len == strlen(name) && strncasecmp(key.data, name, key.len) == 0) {
            return slice_trim(value);
        }
    }
    return (struct slice){0};
}

/* Serves the first whole request of what came; false if there is none. */
static bool serve_one(struct kube_conn *c)
{
    struct slice all = buf_slice(&c->in);
    size_t end = slice_find(all, SLICE("\r\n\r\n"));
    if (end == SIZE_MAX) {
        return false;
    }
    struct slice head = slice_sub(all, 0, end);
    uint64_t length = 0;
    slice_u64(header(head, "content-length"), &length);
    if (all.len < end + 4 + length) {
        return false;
    }
    struct kube_request r = {0};
    struct slice rest = head;
    struct slice target;
    slice_split(&rest, ' ', &r.method);
    slice_split(&rest, ' ', &target);
    r.query = target;
    slice_split(&r.query, '?', &r.path);
    r.agent = header(head, "user-agent");
    r.body = slice_sub(all, end + 4, length);
    kube__serve(c, &r);
    buf_shift(&c->in, end + 4 + length);
    return true;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(mem_alloc(size), (unsigned)size);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct kube_conn *c = CONTAINER_OF((uv_tcp_t *)stream, struct kube_conn, tcp);
    if (n > 0) {
        buf_add(&c->in, slice_make(buf->base, (size_t)n));
    }
    free(buf->base);
    if (n < 0) {
        kube__close(c);
        return;
    }
    while (!c->closing && serve_one(c)) {
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct kube *k = CONTAINER_OF((uv_tcp_t *)listener, struct kube, listener);
    struct kube_conn *c = mem_zero(sizeof(*c));
    assert(status == 0);
    c->k = k;
    uv_tcp_init(&k->loop->uv, &c->tcp);
    list_push_back(&k->conns, &c->link);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
        kube__close(c);
    }
}

static void listen_on(struct kube *k, uint16_t port)
{
    struct sockaddr_in address;
    int len = sizeof(address);
    uv_tcp_init(&k->loop->uv, &k->listener);
    uv_ip4_addr("127.0.0.1", port, &address);
    int rc = uv_tcp_bind(&k->listener, (const struct sockaddr *)&address, 0);
    rc = rc != 0 ? rc : uv_listen((uv_stream_t *)&k->listener, 64, on_connection);
    rc = rc != 0 ? rc : uv_tcp_getsockname(&k->listener, (struct sockaddr *)&address, &len);
    assert(rc == 0);
    k->port = ntohs(address.sin_port);
    k->listening = true;
}

void kube_start(struct kube *k, struct loop *loop)
{
    *k = (struct kube){.loop = loop, .version = 100};
    k->objects = json_object();
    list_init(&k->conns);
    listen_on(k, 0);
}

void kube_restart(struct kube *k)
{
    listen_on(k, k->port);
}

void kube_stop(struct kube *k)
{
    if (k->listening) {
        k->listening = false;
        uv_close((uv_handle_t *)&k->listener, NULL);
    }
    LIST_FOREACH(link, &k->conns)
    {
        kube__close(CONTAINER_OF(link, struct kube_conn, link));
    }
}

void kube_free(struct kube *k)
{
    json_decref(k->objects);
    json_decref(k->logs);
    buf_free(&k->logs_asked);
    buf_free(&k->log);
    buf_free(&k->agents);
}

void kube_config(const struct kube *k, struct buf *out)
{
    buf_addf(out,
             "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
             "clusters: [{name: c, cluster: {server: \"http://127.0.0.1:%u\"}}]\n"
             "users: [{name: u, user: {token: secret}}]\n"
             "contexts: [{name: c, context: {cluster: c, user: u}}]\n",
             k->port);
}
