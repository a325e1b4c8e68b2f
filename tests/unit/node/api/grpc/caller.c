/* caller.c: a gRPC client of few words. */
#include "tests/unit/node/api/grpc/caller.h"

#include <signal.h>

#include "base/gzip.h"
#include "base/crypto.h"
#include "base/log.h"
#include "tests/lib/people.h"

static int check_health(struct api *api, void *user, struct err *err)
{
    const struct caller *c = user;
    (void)api;
    return c->unhealthy ? err_set(err, ERR_UNAVAILABLE, "unwell") : 0;
}

static void route(struct http_server *server, struct http_stream *stream)
{
    struct caller *c = server->user;
    api_accept(&c->api, stream);
}

static void open_client_fn(void *arg)
{
    struct caller *c = arg;
    const struct fetcher_config client = {.ca_pem = buf_slice(&c->certs.ca_cert)};
    c->rc = fetcher_init(&c->fetcher, &c->o.loop, &client, &c->err);
}

static void open_fn(void *arg)
{
    struct caller *c = arg;
    const struct http_server_config server = {
        .tls = c->tls, .address = "127.0.0.1:0", .route = route};
    c->server.user = c;
    c->rc = http_server_start(&c->server, &c->o.loop, &server, &c->err);
    if (c->rc == 0) {
        open_client_fn(c);
    }
}

void caller_open(struct caller *c)
{
    grpc_add(&c->grpc, c->service != NULL ? c->service : &grpc_health_service);
    onloop_call(&c->o, open_fn, c);
    assert_ok(c->rc, &c->err);
}

int caller_setup(void **state)
{
    struct caller *c = mem_zero(sizeof *c);
    (void)signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_ERROR, LOG_TEXT);
    onloop_start(&c->o);
    certs_make(&c->certs);
    c->tls = certs_server(&c->certs, TLS_PEER_NONE, NULL, http_alpn);
    kind_registry_init(&c->kinds);
    kind_registry_builtin(&c->kinds);
    kind_board_init(&c->board, &c->kinds);
    memory_init(&c->memory, &c->o.loop);
    grpc_init(&c->grpc);
    grpc_add(&c->grpc, &grpc_resource_service);
    grpc_add(&c->grpc, &grpc_reflection_service);
    grpc_add(&c->grpc, &grpc_reflection_alpha_service);
    assert_ok(token_key_new(&c->key, &c->err), &c->err);
    c->auth = (struct auth){.cluster = "test", .token_key = c->key};
    const struct api_config config = {.auth = &c->auth,
                                      .backend = &c->memory.backend,
                                      .kinds = &c->board,
                                      .authenticate = people_authenticate,
                                      .name = "test",
                                      .grpc = grpc_accept,
                                      .grpc_user = &c->grpc};
    api_init(&c->api, &config);
    const struct api_check check = {.name = "health", .check = check_health, .user = c};
    api_add_check(&c->api, &check);
    *state = c;
    return 0;
}

static void on_fetcher_closed(struct fetcher *fetcher)
{
    onloop_done(&CONTAINER_OF(fetcher, struct caller, fetcher)->o);
}

static void close_client_fn(void *arg)
{
    struct caller *c = arg;
    fetcher_close(&c->fetcher, on_fetcher_closed);
}

static void on_server_closed(struct http_server *server)
{
    struct caller *c = server->user;
    onloop_done(&c->o);
}

static void close_server_fn(void *arg)
{
    struct caller *c = arg;
    http_server_close(&c->server, 0, on_server_closed);
}

static void forget(struct caller *c)
{
    fetch_clear(&c->fetch);
    buf_clear(&c->message);
    google__rpc__status__free_unpacked(c->details, NULL);
    c->details = NULL;
    c->status = -1;
    c->body = (struct slice){0};
}

int caller_teardown(void **state)
{
    struct caller *c = *state;
    onloop_call(&c->o, close_client_fn, c);
    onloop_wait(&c->o, "the client's end");
    onloop_call(&c->o, close_server_fn, c);
    onloop_wait(&c->o, "the server's end");
    onloop_stop(&c->o);
    forget(c);
    buf_free(&c->message);
    api_free(&c->api);
    memory_free(&c->memory);
    kind_board_free(&c->board);
    token_key_free(c->key);
    kind_registry_free(&c->kinds);
    tls_unref(c->tls);
    certs_free(&c->certs);
    arena_free(&c->arena);
    free(c);
    return 0;
}

/* ---- calls ---- */

static void on_done(struct fetch *fetch, int rc, const struct err *err)
{
    struct caller *c = fetch->user;
    c->rc = rc;
    c->err = err != NULL ? *err : (struct err){0};
    onloop_done(&c->o);
}

static void start_fn(void *arg)
{
    struct caller *c = arg;
    fetch_start(&c->fetcher, &c->fetch);
}

void caller_begin(struct caller *c, const char *path, struct slice body)
{
    const char *who = c->authorization != NULL ? c->authorization : "Bearer admin";
    size_t count = 0;
    forget(c);
    (void)snprintf(c->url, sizeof c->url, "https://127.0.0.1:%u%s", http_server_port(&c->server),
                   path);
    c->header_list[count++] = "content-type: application/grpc";
    c->header_list[count++] = "te: trailers";
    if (*who != '\0') {
        (void)snprintf(c->headers[0], sizeof c->headers[0], "authorization: %s", who);
        c->header_list[count++] = c->headers[0];
    }
    if (c->timeout != NULL) {
        (void)snprintf(c->headers[1], sizeof c->headers[1], "grpc-timeout: %s", c->timeout);
        c->header_list[count++] = c->headers[1];
    }
    if (c->encoding != NULL) {
        (void)snprintf(c->headers[2], sizeof c->headers[2], "grpc-encoding: %s", c->encoding);
        c->header_list[count++] = c->headers[2];
    }
    if (c->accepts != NULL) {
        (void)snprintf(c->headers[3], sizeof c->headers[3], "grpc-accept-encoding: %s", c->accepts);
        c->header_list[count++] = c->headers[3];
    }
    if (c->as != NULL) {
        (void)snprintf(c->headers[4], sizeof c->headers[4], "impersonate-user: %s", c->as);
        c->header_list[count++] = c->headers[4];
    }
    c->header_list[count] = NULL;
    c->fetch = (struct fetch){.method = c->method != NULL ? c->method : "POST",
                              .url = c->url,
                              .headers = c->header_list,
                              .body = body,
                              .timeout_ms = ONLOOP_LIMIT_MS / 2,
                              .response_max = 64 << 20,
                              .user = c,
                              .done = on_done};
    onloop_call(&c->o, start_fn, c);
}

static void read_status(struct caller *c)
{
    uint64_t status;
    struct slice text = fetch_header(&c->fetch, "grpc-message");
    struct buf packed = {0};
    if (slice_u64(fetch_header(&c->fetch, "grpc-status"), &status)) {
        c->status = (int)status;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '%') {
            assert_true(hex_decode(&c->message, slice_sub(text, i + 1, 2)));
            i += 2;
        } else {
            buf_add_char(&c->message, text.data[i]);
        }
    }
    struct slice details = fetch_header(&c->fetch, "grpc-status-details-bin");
    if (details.len > 0) {
        assert_true(base64_decode(&packed, details));
        c->details = google__rpc__status__unpack(NULL, packed.len, (const uint8_t *)packed.data);
        assert_non_null(c->details);
    }
    c->body = buf_slice(&c->fetch.response);
    buf_free(&packed);
}

void caller_end(struct caller *c)
{
    onloop_wait(&c->o, "the call's end");
    read_status(c);
}

void caller_hang_up(struct caller *c)
{
    onloop_call(&c->o, close_client_fn, c);
    onloop_wait(&c->o, "the call's end, or the client's");
    onloop_wait(&c->o, "the other of the two");
    onloop_call(&c->o, open_client_fn, c);
    assert_ok(c->rc, &c->err);
}

void caller_call(struct caller *c, const char *path, struct slice body)
{
    caller_begin(c, path, body);
    caller_end(c);
}

void caller_frame(struct buf *out, struct slice message)
{
    buf_add_u8(out, 0);
    buf_add_be32(out, (uint32_t)message.len);
    buf_add(out, message);
}

void caller_frame_packed(struct buf *out, struct slice message)
{
    struct buf packed = {0};
    gzip_pack(message, &packed);
    buf_add_u8(out, 1);
    buf_add_be32(out, (uint32_t)packed.len);
    buf_add(out, buf_slice(&packed));
    buf_free(&packed);
}

void caller_pack(struct buf *out, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = mem_alloc(len + 1);
    (void)protobuf_c_message_pack(message, packed);
    caller_frame(out, slice_make(packed, len));
    free(packed);
}

void caller_ask(struct caller *c, const char *path, const ProtobufCMessage *request)
{
    struct buf body = {0};
    caller_pack(&body, request);
    caller_call(c, path, buf_slice(&body));
    buf_free(&body);
}

static void *take(void *arena, size_t bytes)
{
    return arena_alloc(arena, bytes);
}

static void give_back(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

const void *caller_message(struct caller *c, size_t n, const ProtobufCMessageDescriptor *type)
{
    ProtobufCAllocator allocator = {take, give_back, &c->arena};
    struct slice rest = c->body;
    for (size_t i = 0; rest.len >= 5; i++) {
        size_t len = be32_get(rest.data + 1);
        struct slice bytes = slice_sub(rest, 5, len);
        assert_int_equal(bytes.len, len);
        if (i == n && rest.data[0] != 0) {
            struct err err;
            assert_slice(fetch_header(&c->fetch, "grpc-encoding"), "gzip");
            assert_ok(gzip_unpack(bytes, 64 << 20, &c->arena, &bytes, &err), &err);
        }
        if (i == n) {
            const void *message =
                protobuf_c_message_unpack(type, &allocator, bytes.len, (const uint8_t *)bytes.data);
            assert_non_null(message);
            return message;
        }
        rest = slice_sub(rest, 5 + len, SIZE_MAX);
    }
    assert_int_equal(rest.len, 0);
    return NULL;
}

void caller_expect(struct caller *c, int status, const char *text)
{
    if (c->rc != 0 || c->status != status || strstr(buf_cstr(&c->message), text) == NULL) {
        print_error("%s: grpc-status %d, \"%s\"; HTTP %d, transport: %s\n", c->url, c->status,
                    buf_cstr(&c->message), c->fetch.status, c->rc != 0 ? c->err.message : "fine");
    }
    assert_int_equal(c->rc, 0);
    assert_int_equal(c->fetch.status, 200);
    assert_int_equal(c->status, status);
    assert_non_null(strstr(buf_cstr(&c->message), text));
}
