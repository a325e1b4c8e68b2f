/* rest.c: the Kubernetes door: from path and method to one of the verbs, and the answers.
 *
 * Happy path: path -> kind -> verb -> authorize -> the verb's file, which answers.
 * Failure path: every error is a Status object with the kind and name in its details; kubectl and
 * controllers decide by its reason and code.
 * Invariants: a call is answered once, and its stream released once, by rest_done(). A verb that
 * waits sets job and gone, and still ends in rest_done() when its backend request has come back. */
#include "node/api/rest/rest.h"

#include <assert.h>
#include <string.h>

#include "proto/crd.h"

/* ---- answers ---- */

void rest_done(struct rest_call *call)
{
    call->gone = NULL;
    call->writable = NULL;
    call->drain = NULL;
    http_stream_release(call->stream);
}

void rest_respond(struct rest_call *call, int status, const char *content_type, struct slice body)
{
    const struct http_header type = {SLICE("content-type"), slice_of(content_type)};
    http_stream_respond(call->stream, status, &type, 1, body);
    rest_done(call);
}

/* Warning: 299 - "text": quotes and backslashes are escaped, controls dropped (RFC 9110, 5.5). */
struct slice rest_warning_value(struct arena *arena, struct slice text)
{
    struct buf value = {0};
    buf_add_cstr(&value, "299 - \"");
    for (size_t i = 0; i < text.len && i < 1000; i++) {
        char c = text.data[i];
        if (c == '"' || c == '\\') {
            buf_add_char(&value, '\\');
        }
        buf_add_char(&value, (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c);
    }
    buf_add_char(&value, '"');
    struct slice copy = arena_copy(arena, buf_slice(&value));
    buf_free(&value);
    return copy;
}

enum { WARNINGS_MAX = 20 };

/* What every answer about a kind has; returns how many, two at most. */
static size_t add_headers(struct rest_call *call, struct http_header *headers)
{
    size_t count = 0;
    headers[count++] = (struct http_header){SLICE("content-type"), SLICE("application/json")};
    if (call->kind != NULL && call->kind->warning.len > 0) {
        headers[count++] = (struct http_header){
            SLICE("warning"), rest_warning_value(call->arena, call->kind->warning)};
    }
    return count;
}

void rest_start(struct rest_call *call)
{
    struct http_header headers[2];
    http_stream_start(call->stream, 200, headers, add_headers(call, headers));
}

void rest_respond_out(struct rest_call *call, int status, const struct slice *warnings,
                      size_t warning_count)
{
    struct http_header headers[2 + WARNINGS_MAX];
    size_t count = add_headers(call, headers);
    for (size_t i = 0; i < warning_count && i < WARNINGS_MAX; i++) {
        headers[count++] =
            (struct http_header){SLICE("warning"), rest_warning_value(call->arena, warnings[i])};
    }
    http_stream_respond(call->stream, status, headers, count, (struct slice){0});
    rest_done(call);
}

void rest_status_init(struct rest_call *call, int rc, const struct err *err, struct status *status)
{
    *status = (struct status){.code = rc, .name = call->path.name};
    if (err != NULL && err->code != 0) {
        status->message = slice_of(err->message);
    }
    if (call->kind != NULL) {
        status->group = call->kind->group;
        status->kind = call->kind->plural;
    }
    if (rc == ERR_BUSY || rc == ERR_UNAVAILABLE || rc == ERR_NOT_LEADER || rc == ERR_CLOSED ||
        rc == ERR_TIMEOUT) {
        status->retry_after_s = 1;
    }
}

void rest_send_status(struct rest_call *call, const struct status *status)
{
    api_respond_status(call->stream, status);
}

void rest_fail_status(struct rest_call *call, const struct status *status)
{
    rest_send_status(call, status);
    rest_done(call);
}

void rest_fail(struct rest_call *call, int rc, const struct err *err)
{
    struct status status;
    struct err text;
    rest_status_init(call, rc, err, &status);
    if (rc == ERR_NOT_FOUND && call->kind != NULL && call->path.name.len != 0) {
        (void)err_set(&text, rc, "%.*s \"%.*s\" not found", SLICE_ARG(call->kind->resource),
                      SLICE_ARG(call->path.name));
        status.message = slice_of(text.message);
    }
    rest_fail_status(call, &status);
}

uint64_t rest_deadline(struct rest_call *call)
{
    return loop_now_ms(call->loop) + call->api->config.timeout_ms;
}

/* ---- routing ---- */

static const char *verb_of(const struct rest_call *call)
{
    struct slice method = call->stream->method;
    bool one = call->path.name.len != 0;
    if (slice_eq_cstr(method, "GET") || slice_eq_cstr(method, "HEAD")) {
        return call->query.watch && !one ? "watch" : one ? "get" : "list";
    }
    if (slice_eq_cstr(method, "POST")) {
        return one && call->path.sub.len == 0 ? NULL : "create";
    }
    if (slice_eq_cstr(method, "PUT")) {
        return one ? "update" : NULL;
    }
    if (slice_eq_cstr(method, "PATCH")) {
        return one ? "patch" : NULL;
    }
    if (slice_eq_cstr(method, "DELETE")) {
        return one ? "delete" : "deletecollection";
    }
    return NULL;
}

static int not_found(struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "the server could not find the requested resource");
}

/* The kind and whether its scope and subresources fit the path. */
static int find_kind(struct rest_call *call, struct err *err)
{
    const struct rest_path *p = &call->path;
    const struct kind *kind =
        kind_by_plural(api_kinds(call->api, call->arena), p->group, p->version, p->plural);
    if (kind == NULL || (!kind->namespaced && p->ns.len != 0)) {
        return not_found(err);
    }
    bool status = kind->status && slice_eq_cstr(p->sub, "status");
    bool scale = kind->scale_spec_replicas.len != 0 && slice_eq_cstr(p->sub, "scale");
    bool log = kind->log && slice_eq_cstr(p->sub, "log");
    bool finalize = slice_eq_cstr(p->sub, "finalize") && slice_eq_cstr(p->plural, "namespaces");
    call->kind = kind;
    if (p->sub.len != 0 && !status && !scale && !log && !finalize) {
        call->kind = kind_part(api_kinds(call->api, call->arena), kind, p->sub);
    }
    if (call->kind == NULL) {
        return not_found(err);
    }
    if (kind->namespaced && p->ns.len == 0 && p->name.len != 0) {
        call->kind = NULL;
        return not_found(err);
    }
    return 0;
}

static int authorize(struct rest_call *call, const char *verb, struct err *err)
{
    const struct rest_path *p = &call->path;
    const struct auth_request request = {
        .subject = call->subject,
        .verb = slice_of(verb),
        .group = p->group,
        .resource = p->plural,
        .subresource = p->sub,
        .ns = p->ns,
        .name = p->name,
    };
    return api_authorize(call->api, &request, err);
}

static int authorize_path(struct rest_call *call, struct err *err)
{
    const struct auth_request request = {
        .subject = call->subject,
        .verb = SLICE("get"),
        .path = call->stream->path,
    };
    return api_authorize(call->api, &request, err);
}

static bool verb_served(const struct kind *kind, const char *verb)
{
    for (int i = 0; i < KIND_VERB_COUNT; i++) {
        if (strcmp(kind_verb_name(i), verb) == 0) {
            return (kind->verbs & (1U << i)) != 0;
        }
    }
    return false;
}

/* Only read, and by nothing but its own verb. */
static bool is_log(const struct rest_call *call)
{
    return call->kind->log && slice_eq_cstr(call->path.sub, "log");
}

static void serve_verb(struct rest_call *call, const char *verb)
{
    if (is_log(call)) {
        rest_log(call);
    } else if (strcmp(verb, "get") == 0) {
        rest_get(call);
    } else if (strcmp(verb, "list") == 0) {
        rest_list(call);
    } else if (strcmp(verb, "watch") == 0) {
        rest_watch(call);
    } else if (strcmp(verb, "deletecollection") == 0) {
        rest_delete_collection(call);
    } else {
        rest_write(call);
    }
}

/* A custom kind that is not served, or not yet. */
static bool may_be_defined(struct rest_call *call)
{
    const struct rest_path *p = &call->path;
    const struct kind_registry *kinds = api_kinds(call->api, call->arena);
    return !call->awaited && kind_by_plural(kinds, p->group, p->version, p->plural) == NULL &&
           slice_find(p->group, SLICE(".")) != SIZE_MAX &&
           kind_by_resource(kinds, SLICE(CRD_RESOURCE)) != NULL;
}

static void serve_objects(struct rest_call *call)
{
    struct err err = {0};
    const char *verb = verb_of(call);
    int rc = verb == NULL ? err_set(&err, ERR_METHOD,
                                    "the server does not allow this method on "
                                    "the requested resource")
                          : authorize(call, verb, &err);
    if (rc == 0 && may_be_defined(call)) {
        call->awaited = true;
        rest_await_kind(call, serve_objects);
        return;
    }
    rc = rc != 0 ? rc : find_kind(call, &err);
    bool served =
        rc == 0 && verb_served(call->kind, verb) && (!is_log(call) || strcmp(verb, "get") == 0);
    if (rc == 0 && !served) {
        rc = err_set(&err, ERR_METHOD, "%.*s does not support the verb %s",
                     SLICE_ARG(call->kind->resource), verb);
    }
    if (rc == 0 && call->kind->namespaced && call->path.ns.len == 0 &&
        (strcmp(verb, "create") == 0 || strcmp(verb, "deletecollection") == 0)) {
        rc = err_set(&err, ERR_METHOD,
                     "the server does not allow this method on the requested "
                     "resource: name a namespace in the path");
    }
    if (rc != 0) {
        struct status status;
        rest_status_init(call, rc, &err, &status);
        rest_fail_status(call, &status);
        return;
    }
    serve_verb(call, verb);
}

static bool reads_only(const struct rest_call *call)
{
    return slice_eq_cstr(call->stream->method, "GET") ||
           slice_eq_cstr(call->stream->method, "HEAD");
}

void rest_serve(struct rest_call *call)
{
    struct err err = {0};
    int rc = rest_query_parse(call->stream->query, call->arena, &call->query, &err);
    rc = rc != 0 ? rc : rest_path_parse(call->stream->path, call->arena, &call->path, &err);
    if (rc != 0) {
        struct status status;
        rest_status_init(call, rc, &err, &status);
        rest_fail_status(call, &status);
        return;
    }
    if (call->path.kind == REST_PATH_OBJECTS) {
        serve_objects(call);
        return;
    }
    rc = authorize_path(call, &err);
    if (rc == 0 && call->path.kind == REST_PATH_NONE) {
        rc = not_found(&err);
    }
    if (rc == 0 && !reads_only(call)) {
        rc = err_set(&err, ERR_METHOD, "only GET is served here");
    }
    if (rc != 0) {
        struct status status;
        rest_status_init(call, rc, &err, &status);
        rest_fail_status(call, &status);
        return;
    }
    rest_discovery(call);
}
