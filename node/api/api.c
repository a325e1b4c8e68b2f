/* api.c: from a stream to its door.
 *
 * Happy path: gRPC streams go to their door with the head; everything else waits for its body, is
 * authenticated, and is then served by a route of the program's, one of the paths that every server
 * has (health.c), or the Kubernetes door (rest/).
 * Failure path: no credentials, or bad ones, are 401 before anything is looked at; what nobody
 * serves is 404, both as Status objects.
 * Invariants: the call lives in the stream's arena; whoever answers releases the stream. */
#include "node/api/api.h"

#include <assert.h>
#include <string.h>

#include "base/crypto.h"
#include "node/api/docs.h"
#include "node/api/health.h"
#include "node/api/rest/rest.h"

enum { TIMEOUT_DEFAULT_MS = 30000 };

struct door_call {
    struct rest_call rest;
    struct api_call route;
    struct subject subject;
    struct api *api;
};

/* ---- set-up ---- */

void api_init(struct api *api, const struct api_config *config)
{
    *api = (struct api){.config = *config, .backend = config->backend, .user = config->user};
    api->clock = config->clock != NULL ? config->clock : &clock_system;
    if (api->config.timeout_ms == 0) {
        api->config.timeout_ms = TIMEOUT_DEFAULT_MS;
    }
    crypto_random(api->token_key, sizeof(api->token_key));
    const struct kind_set *set = kind_board_get(config->kinds);
    shared_init(&api->docs, &docs_new(set)->shared);
    kind_set_unref(set);
}

void api_free(struct api *api)
{
    shared_free(&api->docs);
}

void api_set_token_key(struct api *api, const uint8_t key[32])
{
    memcpy(api->token_key, key, sizeof(api->token_key));
}

void api_add_route(struct api *api, const struct api_route *route)
{
    assert(api->route_count < API_ROUTES_MAX);
    api->routes[api->route_count++] = *route;
}

void api_add_check(struct api *api, const struct api_check *check)
{
    assert(api->check_count < API_CHECKS_MAX);
    api->checks[api->check_count++] = *check;
}

const struct kind_registry *api_kinds(struct api *api, struct arena *arena)
{
    return &kind_board_use(api->config.kinds, arena)->registry;
}

/* ---- who and whether ---- */

int api_authenticate(struct api *api, struct http_stream *stream, struct subject *subject,
                     struct err *err)
{
    struct slice authorization = http_stream_header(stream, "authorization");
    if (api->config.authenticate != NULL) {
        return api->config.authenticate(api, stream->peer, authorization, &stream->arena, subject,
                                        err);
    }
    return auth_authenticate(api->config.auth, stream->peer, authorization,
                             api->clock->wall_ms(api->clock), &stream->arena, subject, err);
}

int api_authorize(struct api *api, const struct auth_request *request, struct err *err)
{
    (void)api;
    return auth_authorize(request, err);
}

/* ---- routes ---- */

static bool route_fits(const struct api_route *route, struct slice method, struct slice path)
{
    struct slice prefix = slice_of(route->path);
    bool below = slice_ends_with(prefix, SLICE("/"));
    return (route->method == NULL || slice_eq_cstr(method, route->method)) &&
           (below ? slice_starts_with(path, prefix) : slice_eq(path, prefix));
}

static const struct api_route *find_route(const struct api *api, const struct http_stream *s)
{
    for (size_t i = 0; i < api->route_count; i++) {
        if (route_fits(&api->routes[i], s->method, s->path)) {
            return &api->routes[i];
        }
    }
    return NULL;
}

void api_call_respond(struct api_call *call, int status, const char *content_type,
                      struct slice body)
{
    const struct http_header type = {SLICE("content-type"), slice_of(content_type)};
    http_stream_respond(call->stream, status, &type, 1, body);
    http_stream_release(call->stream);
}

void api_respond_status(struct http_stream *stream, const struct status *status)
{
    struct buf body = {0};
    char seconds[16];
    struct http_header headers[3];
    size_t count = 0;
    status_write(status, &body);
    headers[count++] = (struct http_header){SLICE("content-type"), SLICE("application/json")};
    if (status->retry_after_s != 0) {
        (void)snprintf(seconds, sizeof(seconds), "%d", status->retry_after_s);
        headers[count++] = (struct http_header){SLICE("retry-after"), slice_of(seconds)};
    }
    if (status_http(status) == 401) {
        headers[count++] =
            (struct http_header){SLICE("www-authenticate"), SLICE("Bearer realm=\"choreo\"")};
    }
    buf_clear(http_stream_out(stream)); /* what was begun before the error */
    http_stream_respond(stream, status_http(status), headers, count, buf_slice(&body));
    buf_free(&body);
}

void api_call_error(struct api_call *call, const struct err *err)
{
    const struct status status = {.code = err->code, .message = slice_of(err->message)};
    api_respond_status(call->stream, &status);
    http_stream_release(call->stream);
}

static struct slice lower(struct arena *arena, struct slice method)
{
    struct slice copy = arena_copy(arena, method);
    char *text = arena_cstr(arena, copy);
    for (size_t i = 0; i < copy.len; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z') {
            text[i] = (char)(text[i] | 0x20);
        }
    }
    return slice_make(text, copy.len);
}

static int authorize_path(struct door_call *d, struct http_stream *s, struct err *err)
{
    const struct auth_request request = {
        .subject = &d->subject,
        .verb = lower(&s->arena, s->method),
        .path = s->path,
    };
    return api_authorize(d->api, &request, err);
}

static void serve(struct door_call *d, struct http_stream *s)
{
    struct err err = {0};
    const struct api_route *route = find_route(d->api, s);
    bool health = health_serves(s->path);
    d->route = (struct api_call){d->api, s, &d->subject, route};
    if (route != NULL || health) {
        if (authorize_path(d, s, &err) != 0) {
            api_call_error(&d->route, &err);
        } else if (route != NULL) {
            route->serve(&d->route);
        } else {
            health_serve(&d->route);
        }
        return;
    }
    d->rest = (struct rest_call){
        .api = d->api,
        .stream = s,
        .arena = &s->arena,
        .loop = s->loop,
        .subject = &d->subject,
    };
    rest_serve(&d->rest);
}

/* ---- the stream's calls ---- */

static void on_request(struct http_stream *s, int rc)
{
    struct door_call *d = s->user;
    struct err err = {0};
    d->route = (struct api_call){.api = d->api, .stream = s, .subject = &d->subject};
    if (rc == ERR_TOO_LARGE) {
        (void)err_set(&err, rc, "the request's body is over the limit of %zu bytes", s->body_max);
    } else if (rc != 0) {
        (void)err_set(&err, rc, "the request's body stopped coming");
    } else {
        rc = api_authenticate(d->api, s, &d->subject, &err);
    }
    if (rc != 0) {
        api_call_error(&d->route, &err);
        return;
    }
    serve(d, s);
}

static void on_writable(struct http_stream *s)
{
    struct door_call *d = s->user;
    if (d->rest.writable != NULL) {
        d->rest.writable(&d->rest);
    }
}

static void on_reset(struct http_stream *s, const struct err *why)
{
    struct door_call *d = s->user;
    (void)why; /* a client's going away is no news */
    if (d->rest.gone != NULL) {
        d->rest.gone(&d->rest);
    } else if (d->route.stream == NULL) {
        http_stream_release(s); /* nobody has been told of it */
    }
}

static void on_drain(struct http_stream *s)
{
    struct door_call *d = s->user;
    if (d->rest.drain != NULL) {
        d->rest.drain(&d->rest);
    }
}

static const struct http_handler handler = {
    .on_request = on_request,
    .on_writable = on_writable,
    .on_reset = on_reset,
    .on_drain = on_drain,
};

void api_accept(struct api *api, struct http_stream *stream)
{
    struct slice type = http_stream_header(stream, "content-type");
    if (api->config.grpc != NULL && slice_starts_with(type, SLICE("application/grpc"))) {
        api->config.grpc(api, stream);
        return;
    }
    struct door_call *d = ARENA_NEW(&stream->arena, struct door_call);
    d->api = api;
    stream->handler = &handler;
    stream->user = d;
}
