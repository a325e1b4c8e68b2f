/* health.c: the paths that every server has.
 *
 * /livez and /readyz run the program's checks, each for itself too (/readyz/NAME), and say "ok" or
 * 503 with what failed; ?verbose lists them all. /version is what clients compare themselves with,
 * /metrics what the process has counted.
 * /openapi serves the documents of docs.h with an ETag, so that clients fetch each once. */
#include "node/api/health.h"

#include <string.h>
#include <sys/utsname.h>

#include "base/metrics.h"
#include "node/api/docs.h"

/* The Kubernetes API level that the REST door follows. */
#define VERSION_MINOR "32"

static bool is_health(struct slice path, struct slice *rest)
{
    static const char *const roots[] = {"/livez", "/readyz", "/healthz"};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        struct slice root = slice_of(roots[i]);
        if (slice_starts_with(path, root)) {
            *rest = slice_sub(path, root.len, path.len);
            return rest->len == 0 || rest->data[0] == '/';
        }
    }
    return false;
}

bool health_serves(struct slice path)
{
    struct slice rest;
    return is_health(path, &rest) || slice_eq_cstr(path, "/version") ||
           slice_eq_cstr(path, "/version/") || slice_eq_cstr(path, "/metrics") ||
           slice_starts_with(path, SLICE("/openapi/"));
}

/* ---- checks ---- */

static void serve_checks(struct api_call *call, struct slice only)
{
    struct api *api = call->api;
    struct slice path = call->stream->path;
    bool live = slice_starts_with(path, SLICE("/livez"));
    struct buf text = {0};
    bool failed = false;
    bool found = only.len == 0;
    struct slice value;
    bool verbose = http_stream_param(call->stream, "verbose", &value);
    if (only.len == 0) {
        buf_add_cstr(&text, "[+]ping ok\n");
    }
    for (size_t i = 0; i < api->check_count; i++) {
        const struct api_check *check = &api->checks[i];
        struct err err = {0};
        if ((live && !check->live) || (only.len != 0 && !slice_eq_cstr(only, check->name))) {
            continue;
        }
        found = true;
        if (check->check(api, check->user, &err) == 0) {
            buf_addf(&text, "[+]%s ok\n", check->name);
        } else {
            failed = true;
            buf_addf(&text, "[-]%s failed: %s\n", check->name, err.message);
        }
    }
    if (failed || verbose) {
        buf_addf(&text, "%.*s check %s\n", (int)(path.len - 1), path.data + 1,
                 failed ? "failed" : "passed");
    } else {
        buf_clear(&text);
        buf_add_cstr(&text, "ok");
    }
    api_call_respond(call,
                     !found   ? 404
                     : failed ? 503
                              : 200,
                     "text/plain; charset=utf-8", buf_slice(&text));
    buf_free(&text);
}

static void serve_version(struct api_call *call)
{
    struct utsname host;
    bool known = uname(&host) == 0;
    struct buf text = {0};
    buf_addf(&text,
             "{\"major\":\"1\",\"minor\":\"" VERSION_MINOR "\",\"gitVersion\":\"v1." VERSION_MINOR
             ".0+%s-" CHOREO_VERSION "\",\"gitCommit\":\"\",\"gitTreeState\":\"clean\","
             "\"buildDate\":\"\",\"goVersion\":\"\",\"compiler\":\"gcc\","
             "\"platform\":\"linux/%s\"}\n",
             call->api->config.name, known ? host.machine : "unknown");
    api_call_respond(call, 200, "application/json", buf_slice(&text));
    buf_free(&text);
}

static void serve_metrics(struct api_call *call)
{
    struct buf text = {0};
    metrics_render(&text);
    api_call_respond(call, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&text));
    buf_free(&text);
}

/* ---- documents ---- */

static void send_document(struct api_call *call, const struct docs_text *text, const char *type)
{
    struct http_stream *s = call->stream;
    const struct http_header headers[] = {
        {SLICE("content-type"), slice_of(type)},
        {SLICE("etag"), slice_of(text->etag)},
        {SLICE("vary"), SLICE("accept")},
        {SLICE("cache-control"), SLICE("public, no-cache")},
    };
    if (slice_eq_cstr(http_stream_header(s, "if-none-match"), text->etag)) {
        http_stream_respond(s, 304, headers, 4, (struct slice){0});
    } else {
        http_stream_respond(s, 200, headers, 4, buf_slice(&text->bytes));
    }
    http_stream_release(s);
}

static void not_found(struct api_call *call)
{
    struct err err;
    (void)err_set(&err, ERR_NOT_FOUND, "the server could not find the requested resource");
    api_call_error(call, &err);
}

/* "api/v1" or "apis/GROUP/VERSION" */
static bool cut_group_version(struct slice rest, struct slice *group, struct slice *version)
{
    struct slice parts[4] = {{0}};
    size_t count = 0;
    while (count < 4 && slice_split(&rest, '/', &parts[count])) {
        count++;
    }
    bool core = count == 2 && slice_eq_cstr(parts[0], "api");
    bool grouped = count == 3 && slice_eq_cstr(parts[0], "apis");
    *group = grouped ? parts[1] : (struct slice){0};
    *version = grouped ? parts[2] : parts[1];
    return core || grouped;
}

static void serve_openapi(struct api_call *call)
{
    struct api_docs *docs = docs_use(call->api, &call->stream->arena);
    struct slice path = call->stream->path;
    struct slice accept = http_stream_header(call->stream, "accept");
    struct slice v3 = SLICE("/openapi/v3/");
    struct slice group;
    struct slice version;
    if (slice_eq_cstr(path, "/openapi/v2")) {
        bool proto = slice_find(accept, SLICE("com.github.proto-openapi.spec.v2")) != SIZE_MAX;
        if (proto) {
            send_document(call, docs_v2_proto(docs),
                          "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
        } else {
            send_document(call, docs_v2_json(docs), "application/json");
        }
    } else if (slice_eq_cstr(path, "/openapi/v3")) {
        send_document(call, docs_v3_index(docs), "application/json");
    } else if (slice_starts_with(path, v3) &&
               cut_group_version(slice_sub(path, v3.len, path.len), &group, &version)) {
        const struct docs_text *text = docs_v3(docs, group, version);
        if (text == NULL) {
            not_found(call);
        } else {
            send_document(call, text, "application/json");
        }
    } else {
        not_found(call);
    }
}

void health_serve(struct api_call *call)
{
    struct slice path = call->stream->path;
    struct slice rest;
    bool reads =
        slice_eq_cstr(call->stream->method, "GET") || slice_eq_cstr(call->stream->method, "HEAD");
    if (!reads) {
        struct err err;
        (void)err_set(&err, ERR_METHOD, "only GET is served here");
        api_call_error(call, &err);
    } else if (is_health(path, &rest)) {
        serve_checks(call, rest.len != 0 ? slice_sub(rest, 1, rest.len) : rest);
    } else if (slice_starts_with(path, SLICE("/version"))) {
        serve_version(call);
    } else if (slice_eq_cstr(path, "/metrics")) {
        serve_metrics(call);
    } else {
        serve_openapi(call);
    }
}
