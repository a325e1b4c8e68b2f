/* door.h: the doors over memory, spoken to in HTTP/1.1 bytes, without sockets.
 *
 * The clock stands at 2026-01-02T03:04:05Z. "Bearer admin" may do everything, "Bearer viewer" look.
 * Owner: the test. Thread: the test's; the loop has one of its own. */
#ifndef TESTS_UNIT_NODE_API_DOOR_H
#define TESTS_UNIT_NODE_API_DOOR_H

#include <stdlib.h>

#include "base/clock.h"
#include "node/api/gate.h"
#include "node/http/conn.h"
#include "tests/lib/memory.h"
#include "tests/lib/onloop.h"
#include "tests/lib/people.h"
#include "tests/lib/test.h"

struct door {
    struct onloop o;
    struct memory memory;
    struct kind_registry kinds;
    struct kind_board board;
    struct clock_fake clock;
    struct auth auth; /* of tokens, once door_accept_tokens() was called */
    struct token_key *key;
    struct api api;
    struct http_server server;
    struct http_conn conn;
    struct http_wire wire;
    struct buf sent; /* the loop's */
    struct buf seen; /* what it was when the wait was over: the test's */
    struct loop_timer look;
    bool waiting;
    struct slice request;
    const char *awaited; /* what the test asks for as until */
    const char *until;   /* the loop's: stop when this has been sent; NULL: a whole response */
    size_t pending;
};

static void door_write(struct http_wire *wire, struct slice bytes)
{
    buf_add(&CONTAINER_OF(wire, struct door, wire)->sent, bytes);
}

static size_t door_pending(const struct http_wire *wire)
{
    return CONTAINER_OF((struct http_wire *)(uintptr_t)wire, struct door, wire)->pending;
}

static void door_read(struct http_wire *wire, bool on)
{
    (void)wire;
    (void)on;
}

static void door_nothing(struct http_wire *wire)
{
    (void)wire;
}

static const struct http_wire_ops door_wire_ops = {door_write, door_pending, door_read,
                                                   door_nothing, door_nothing};

static void door_route(struct http_server *server, struct http_stream *stream)
{
    struct door *d = server->user;
    api_accept(&d->api, stream);
}

/* Has a whole response been sent? */
static bool door_complete(struct door *d)
{
    struct slice sent = buf_slice(&d->sent);
    if (d->until != NULL) {
        return slice_find(sent, slice_of(d->until)) != SIZE_MAX;
    }
    size_t head = slice_find(sent, SLICE("\r\n\r\n"));
    size_t length = slice_find(sent, SLICE("content-length: "));
    if (head == SIZE_MAX) {
        return false;
    }
    if (length != SIZE_MAX && length < head) {
        return sent.len >= head + 4 + strtoul(sent.data + length + 16, NULL, 10);
    }
    return slice_ends_with(sent, SLICE("0\r\n\r\n"));
}

static void door_look(struct loop_timer *timer)
{
    struct door *d = CONTAINER_OF(timer, struct door, look);
    if (d->waiting && door_complete(d)) {
        d->waiting = false;
        buf_clear(&d->seen);
        buf_add(&d->seen, buf_slice(&d->sent));
        onloop_done(&d->o);
    }
}

static void door_open_conn(struct door *d)
{
    http_conn_init(&d->conn, &d->server, &d->wire, false, NULL, "192.0.2.1:9");
}

static void door_start(void *arg)
{
    struct door *d = arg;
    const struct http_server_config server = {.route = door_route};
    d->server.user = d;
    d->wire.ops = &door_wire_ops;
    http_server_init(&d->server, &d->o.loop, &server);
    door_open_conn(d);
    loop_timer_init(&d->o.loop, &d->look, door_look);
    loop_timer_start(&d->look, 1, 1);
}

static inline int door_setup(void **state)
{
    struct door *d = calloc(1, sizeof(*d));
    assert_non_null(d);
    onloop_start(&d->o);
    kind_registry_init(&d->kinds);
    kind_registry_builtin(&d->kinds);
    kind_board_init(&d->board, &d->kinds);
    memory_init(&d->memory, &d->o.loop);
    clock_fake_init(&d->clock, UINT64_C(1767323045000));
    const struct api_config config = {
        .backend = &d->memory.backend,
        .kinds = &d->board,
        .authenticate = people_authenticate,
        .clock = &d->clock.clock,
        .name = "test",
    };
    api_init(&d->api, &config);
    const uint8_t key[32] = {7};
    api_set_token_key(&d->api, key);
    onloop_call(&d->o, door_start, d);
    *state = d;
    return 0;
}

/* Bearer tokens of cluster "test" are accepted, and issued. */
static inline void door_accept_tokens(struct door *d)
{
    struct err err;
    assert_ok(token_key_new(&d->key, &err), &err);
    d->auth = (struct auth){.cluster = "test", .token_key = d->key};
    d->api.config.auth = &d->auth;
}

static void door_feed(void *arg)
{
    struct door *d = arg;
    buf_clear(&d->sent);
    d->until = d->awaited;
    d->waiting = true;
    http_conn_input(&d->conn, d->request);
}

/* As if the client had closed the connection and opened another. */
static inline void door_hang_up(void *arg)
{
    struct door *d = arg;
    struct err why = {.code = ERR_CANCELED, .message = "the test hangs up"};
    http_conn_free(&d->conn, &why);
    door_open_conn(d);
}

/* The answer stands in d->seen. */
static inline void door_send(struct door *d, struct slice request, const char *until)
{
    d->request = request;
    d->awaited = until;
    onloop_call(&d->o, door_feed, d);
    onloop_wait(&d->o, "an answer");
}

static void door_again(void *arg)
{
    struct door *d = arg;
    d->until = d->awaited;
    d->waiting = true;
}

/* Waits for more of the same answer. */
static inline void door_wait(struct door *d, const char *until)
{
    d->awaited = until;
    onloop_call(&d->o, door_again, d);
    onloop_wait(&d->o, until);
}

/* A request with the administrator's token; headers are whole lines, body may be NULL. */
static inline void door_ask_until(struct door *d, const char *method, const char *target,
                                  const char *headers, const char *body, const char *until)
{
    struct buf text = {0};
    bool authorized = strstr(headers, "authorization:") != NULL;
    buf_addf(&text, "%s %s HTTP/1.1\r\nhost: h\r\n%s%s", method, target,
             authorized ? "" : "authorization: Bearer admin\r\n", headers);
    if (body != NULL) {
        buf_addf(&text, "content-length: %zu\r\n", strlen(body));
    }
    buf_addf(&text, "\r\n%s", body != NULL ? body : "");
    door_send(d, buf_slice(&text), until);
    buf_free(&text);
}

static inline void door_ask(struct door *d, const char *method, const char *target,
                            const char *headers, const char *body)
{
    bool no_body = strcmp(method, "HEAD") == 0;
    door_ask_until(d, method, target, headers, body, no_body ? "\r\n\r\n" : NULL);
}

static inline struct slice door_body(struct door *d)
{
    struct slice sent = buf_slice(&d->seen);
    size_t head = slice_find(sent, SLICE("\r\n\r\n"));
    assert_true(head != SIZE_MAX);
    return slice_sub(sent, head + 4, sent.len);
}

static inline int door_status(struct door *d)
{
    assert_true(d->seen.len > 12);
    return (int)strtol(d->seen.data + 9, NULL, 10);
}

static inline void door_says(struct door *d, const char *text)
{
    if (slice_find(buf_slice(&d->seen), slice_of(text)) == SIZE_MAX) {
        fail_msg("\"%s\" is not in: %s", text, buf_cstr(&d->seen));
    }
}

static inline void door_hides(struct door *d, const char *text)
{
    if (slice_find(buf_slice(&d->seen), slice_of(text)) != SIZE_MAX) {
        fail_msg("\"%s\" is in: %s", text, buf_cstr(&d->seen));
    }
}

struct door_put {
    struct door *d;
    struct backend_submit submit;
    struct buf body;
    uint32_t splice;
};

static void door_on_put(struct backend_submit *submit, int rc, const struct err *err)
{
    struct door_put *p = submit->user;
    assert_ok(rc, err);
    onloop_done(&p->d->o);
}

static void door_start_put(void *arg)
{
    struct door_put *p = arg;
    p->submit.loop = &p->d->o.loop;
    p->d->memory.backend.ops->submit(&p->d->memory.backend, &p->submit);
}

/* Creates an object as the control plane itself does, status and all. */
static inline void door_put(struct door *d, const char *resource, json_t *object)
{
    struct door_put p = {.d = d};
    struct err err;
    char id[64];
    (void)snprintf(id, sizeof id, "a put of an object: %.*s", SLICE_ARG(object_name(object)));
    assert_ok(object_canonical(object, &p.body, &p.splice, &err), &err);
    p.submit = (struct backend_submit){.key = {.resource = slice_of(resource),
                                               .ns = object_ns(object),
                                               .name = object_name(object)},
                                       .verb = BACKEND_CREATE,
                                       .body = buf_slice(&p.body),
                                       .splice = p.splice,
                                       .subject = SLICE("system:shard-1"),
                                       .request_id = slice_of(id),
                                       .request_digest = SLICE("0123456789abcdef0123456789abcdef"),
                                       .user = &p,
                                       .done = door_on_put};
    onloop_call(&d->o, door_start_put, &p);
    onloop_wait(&d->o, "a put");
    buf_free(&p.body);
}

static void door_stop(void *arg)
{
    struct door *d = arg;
    struct err why = {.code = ERR_CANCELED, .message = "the test is over"};
    http_conn_free(&d->conn, &why);
    memory_end_watches(&d->memory);
    loop_task_cancel(&d->server.flush);
    loop_timer_close(&d->look, NULL);
}

static inline int door_teardown(void **state)
{
    struct door *d = *state;
    onloop_call(&d->o, door_stop, d);
    onloop_stop(&d->o);
    api_free(&d->api);
    memory_free(&d->memory);
    kind_board_free(&d->board);
    kind_registry_free(&d->kinds);
    token_key_free(d->key);
    buf_free(&d->sent);
    buf_free(&d->seen);
    free(d);
    return 0;
}

#endif
