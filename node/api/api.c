/* api.c: from a stream to its door.
 *
 * Happy path: gRPC streams go to their door with the head; everything else is authenticated and
 * counted (base/quota.h), waits for its body (and, with a service account's token, for a look at
 * the account), and is then served by a route of the program's, one of the paths that every server
 * has (health.c), or the Kubernetes door (rest/).
 * Failure path: no credentials, or bad ones, are 401 before anything is looked at, a subject that
 * has its share gets 429; what nobody serves is 404, all as Status objects.
 * Invariants: the call lives in the stream's arena; whoever answers releases the stream. */
#include "node/api/api.h"

#include <assert.h>
#include <string.h>

#include "base/crypto.h"
#include "node/api/accounts.h"
#include "node/api/docs.h"
#include "node/api/health.h"
#include "node/api/impersonation.h"
#include "node/api/rest/rest.h"

enum { TIMEOUT_DEFAULT_MS = 30000 };

struct door_call {
    struct rest_call rest;
    struct api_call route;
    struct subject subject;
    struct account_check check;
    struct api *api;
    struct quota_ticket *ticket;
    struct err refusal; /* by the head already: nothing of the body is kept */
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

int api_identify(struct api *api, const struct tls_peer *peer, struct slice authorization,
                 struct arena *arena, struct subject *subject, struct err *err)
{
    if (api->config.authenticate != NULL) {
        return api->config.authenticate(api, peer, authorization, arena, subject, err);
    }
    return auth_authenticate(api->config.auth, peer, authorization, api->clock->wall_ms(api->clock),
                             arena, subject, err);
}

int api_authenticate(struct api *api, struct http_stream *stream, struct subject *subject,
                     struct err *err)
{
    int rc = api_identify(api, stream->peer, http_stream_header(stream, "authorization"),
                          &stream->arena, subject, err);
    return rc != 0 ? rc : impersonate(api, stream, subject, err);
}

int api_authorize(struct api *api, const struct auth_request *request, struct err *err)
{
    (void)api;
    return auth_authorize(request, err);
}

static void leave(void *ticket)
{
    quota_leave(ticket);
}

/* "system:anonymous@192.0.2.1" */
static struct slice anonymous_at(struct arena *arena, const char *remote)
{
    const char *colon = strrchr(remote, ':');
    int len = colon != NULL ? (int)(colon - remote) : 0;
    return slice_of(arena_printf(arena, USER_ANONYMOUS "@%.*s", len, remote));
}

static int enter_quota(struct http_stream *stream, struct quota *quota, struct slice name,
                       enum quota_kind kind, struct quota_ticket *ticket, struct err *err)
{
    int rc = quota_enter(quota, name, kind, loop_now_ms(stream->loop), ticket, err);
    arena_own(&stream->arena, ticket, leave);
    return rc;
}

int api_enter(struct api *api, struct http_stream *stream, const struct subject *subject,
              bool endless, struct quota_ticket **ticket, struct err *err)
{
    *ticket = ARENA_NEW(&stream->arena, struct quota_ticket);
    if (api->config.quota == NULL) {
        return 0;
    }
    bool anonymous = slice_eq_cstr(subject->user, USER_ANONYMOUS);
    struct slice name = anonymous ? anonymous_at(&stream->arena, stream->remote) : subject->user;
    enum quota_kind kind = endless ? QUOTA_WATCHES : QUOTA_REQUESTS;
    bool apart = anonymous && api->config.strangers != NULL;
    struct quota *quota = apart ? api->config.strangers : api->config.quota;
    return enter_quota(stream, quota, name, kind, *ticket, err);
}

int api_hold_tree(struct quota_ticket *ticket, struct slice json, struct err *err)
{
    size_t bytes = 0;
    struct err ignored;
    if (ticket->quota == NULL || json_weigh(json, &bytes, &ignored) != 0) {
        return 0; /* it will not become one */
    }
    return quota_hold(ticket, bytes, err);
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
    const struct status status = {.code = err->code,
                                  .message = slice_of(err->message),
                                  .retry_after_s = err->code == ERR_BUSY ? 1 : 0};
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
    if (route != NULL && route->open != NULL) {
        route->serve(&d->route);
        return;
    }
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
        .ticket = d->ticket,
    };
    rest_serve(&d->rest);
}

/* ---- the stream's calls ---- */

static void on_account(struct account_check *check, int rc, const struct err *err)
{
    struct door_call *d = CONTAINER_OF(check, struct door_call, check);
    struct http_stream *s = check->user;
    if (!http_stream_alive(s)) {
        http_stream_release(s);
    } else if (rc != 0) {
        api_call_error(&d->route, err);
    } else {
        serve(d, s);
    }
}

static void on_request(struct http_stream *s, int rc)
{
    struct door_call *d = s->user;
    struct err err = d->refusal;
    d->route = (struct api_call){.api = d->api, .stream = s, .subject = &d->subject};
    if (err.code == 0 && rc == ERR_TOO_LARGE) {
        (void)err_set(&err, rc, "the request's body is over the limit of %zu bytes", s->body_max);
    } else if (err.code == 0 && rc != 0) {
        (void)err_set(&err, rc, "the request's body did not come in time");
    }
    if (err.code != 0) {
        api_call_error(&d->route, &err);
        return;
    }
    const struct subject *bound = account_bound(&d->subject);
    if (bound == NULL) {
        serve(d, s);
        return;
    }
    d->check = (struct account_check){
        .api = d->api, .loop = s->loop, .subject = bound, .user = s, .done = on_account};
    account_check_start(&d->check);
}

static int on_keep(struct http_stream *s, size_t bytes)
{
    struct door_call *d = s->user;
    return quota_hold(d->ticket, bytes, &d->refusal);
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
    .on_keep = on_keep,
    .on_writable = on_writable,
    .on_reset = on_reset,
    .on_drain = on_drain,
};

/* An open route's: nobody is asked who they are. */
static void enter_open(struct door_call *d, struct http_stream *s, const struct api_route *route)
{
    d->subject.user = SLICE(USER_ANONYMOUS);
    (void)subject_add_group(&d->subject, SLICE(GROUP_ANONYMOUS));
    d->ticket = ARENA_NEW(&s->arena, struct quota_ticket);
    int rc = enter_quota(s, route->open, anonymous_at(&s->arena, s->remote), QUOTA_REQUESTS,
                         d->ticket, &d->refusal);
    s->body_max = rc == 0 ? route->body_max : 0;
}

static bool wants(struct http_stream *s, const char *name)
{
    struct slice value;
    return http_stream_param(s, name, &value) && value.len > 0 && !slice_eq_cstr(value, "0") &&
           !slice_eq_cstr(value, "false");
}

/* Who asks, and may they now: known by the head. What is refused is answered when it is whole, for
 * HTTP/1.1's sake, but of its body nothing is kept; nor much of a stranger's. */
static void enter(struct door_call *d, struct http_stream *s)
{
    bool endless = slice_eq_cstr(s->method, "GET") && (wants(s, "watch") || wants(s, "follow"));
    int rc = api_authenticate(d->api, s, &d->subject, &d->refusal);
    if (rc == 0) {
        rc = api_enter(d->api, s, &d->subject, endless, &d->ticket, &d->refusal);
    }
    if (rc != 0) {
        s->body_max = 0;
    } else if (subject_in(&d->subject, GROUP_ANONYMOUS)) {
        s->body_max = API_STRANGER_BYTES_MAX;
    }
}

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
    const struct api_route *route = find_route(api, stream);
    if (route != NULL && route->open != NULL) {
        enter_open(d, stream, route);
    } else {
        enter(d, stream);
    }
}
