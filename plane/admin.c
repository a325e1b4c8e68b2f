/* admin.c: the admin endpoint's routes.
 *
 * Numbers are atomics, read where they matter. The record belongs to the writer's loop and the
 * image patterns to the controllers': those calls travel there as a message and come home with the
 * answer, the stream waiting meanwhile. Touching goes through the door's own gate, so generation,
 * managed fields and validation are as for any client. */
#include "plane/admin.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/api/gate.h"

enum { LIFE_MAX_MS = 3600000, DELAY_MAX_MS = 3600000 };

static void respond_json(struct api_call *call, json_t *tree)
{
    struct buf text = {0};
    json_pretty(tree, &text);
    buf_add_char(&text, '\n');
    api_call_respond(call, 200, "application/json", buf_slice(&text));
    buf_free(&text);
    json_decref(tree);
}

static struct admin *admin_of(struct api_call *call)
{
    return call->route->user;
}

/* ---- faults ---- */

/* A new list of patterns on its way to the controllers' loop. */
struct patterns {
    struct loop_msg msg;
    struct controller *controller;
    const char *items[CONTROLLER_PATTERNS_MAX];
    size_t count;
    bool set; /* else only the delay changed */
    uint64_t ready_delay_ms;
};

static void take_patterns(struct loop_msg *msg)
{
    struct patterns *p = CONTAINER_OF(msg, struct patterns, msg);
    p->controller->config.ready_delay_ms = p->ready_delay_ms;
    if (p->set) {
        controller_set_never_ready(p->controller, p->items, p->count);
    }
    for (size_t i = 0; i < p->count; i++) {
        free((void *)(uintptr_t)p->items[i]);
    }
    free(p);
}

static int read_patterns(const json_t *wanted, struct patterns *p, struct err *err)
{
    const json_t *list = json_object_get(wanted, "neverReady");
    p->set = list != NULL;
    if (list != NULL && (!json_is_array(list) || json_array_size(list) > CONTROLLER_PATTERNS_MAX)) {
        return err_set(err, ERR_INVALID, "neverReady: must be a list of at most %d image patterns",
                       CONTROLLER_PATTERNS_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct slice text = json_text(json_array_get(list, i));
        if (text.len == 0) {
            return err_set(err, ERR_INVALID, "neverReady: a pattern must be a string");
        }
        p->items[p->count++] = slice_dup(text);
    }
    return 0;
}

static int set_faults(struct admin *a, const json_t *wanted, struct err *err)
{
    struct patterns *p = mem_zero(sizeof *p);
    uint64_t life = atomic_load(&a->watch_life_ms);
    uint64_t delay = atomic_load(&a->ready_delay_ms);
    p->controller = a->controller;
    p->msg.run = take_patterns;
    int rc = read_patterns(wanted, p, err);
    rc = rc != 0 ? rc : faults_read_ms(wanted, "watchLifeMs", LIFE_MAX_MS, &life, err);
    rc = rc != 0 ? rc : faults_read_ms(wanted, "readyDelayMs", DELAY_MAX_MS, &delay, err);
    rc = rc != 0 ? rc : faults_set(a->faults, wanted, err);
    if (rc != 0) {
        for (size_t i = 0; i < p->count; i++) {
            free((void *)(uintptr_t)p->items[i]);
        }
        free(p);
        return rc;
    }
    atomic_store(&a->watch_life_ms, life);
    atomic_store(&a->ready_delay_ms, delay);
    p->ready_delay_ms = delay;
    loop_post(a->control, &p->msg);
    if (json_object_get(wanted, "downMs") != NULL) {
        plane_backend_cut_watches(a->backend);
    }
    return 0;
}

static json_t *describe(struct admin *a)
{
    json_t *tree = faults_get(a->faults);
    json_object_set_new(tree, "watchLifeMs",
                        json_integer((json_int_t)atomic_load(&a->watch_life_ms)));
    json_object_set_new(tree, "readyDelayMs",
                        json_integer((json_int_t)atomic_load(&a->ready_delay_ms)));
    return tree;
}

static void serve_get_faults(struct api_call *call)
{
    respond_json(call, describe(admin_of(call)));
}

static void serve_set_faults(struct api_call *call)
{
    struct admin *a = admin_of(call);
    struct err err;
    json_t *wanted;
    if (json_parse_body(call->stream->body, &wanted, &err) != 0) {
        api_call_error(call, &err);
        return;
    }
    int rc = json_is_object(wanted) ? set_faults(a, wanted, &err)
                                    : err_set(&err, ERR_INVALID, "the body must be a JSON object");
    if (rc != 0) {
        api_call_error(call, &err);
    } else {
        struct buf text = {0};
        json_canonical(wanted, &text);
        log_info("plane.faults", "set=%s", log_q(buf_cstr(&text)));
        buf_free(&text);
        respond_json(call, describe(a));
    }
    json_decref(wanted);
}

static void serve_cut(struct api_call *call)
{
    plane_backend_cut_watches(admin_of(call)->backend);
    respond_json(call, json_pack("{s:b}", "cut", true));
}

/* ---- the record ---- */

struct reading {
    struct loop_msg msg;
    struct api_call *call;
    uint64_t since;
    struct buf text;
};

static void answer_mutations(struct loop_msg *msg)
{
    struct reading *r = CONTAINER_OF(msg, struct reading, msg);
    api_call_respond(r->call, 200, "application/x-ndjson", buf_slice(&r->text));
    buf_free(&r->text);
    free(r);
}

static void read_mutations(struct loop_msg *msg)
{
    struct reading *r = CONTAINER_OF(msg, struct reading, msg);
    uint64_t last;
    record_read(admin_of(r->call)->record, r->since, &r->text, &last);
    r->msg.run = answer_mutations;
    loop_post(r->call->stream->loop, &r->msg);
}

static void serve_mutations(struct api_call *call)
{
    struct reading *r = mem_zero(sizeof *r);
    struct slice text;
    struct err err;
    r->call = call;
    if (http_stream_param(call->stream, "since", &text) && !slice_u64(text, &r->since)) {
        (void)err_set(&err, ERR_INVALID, "since: must be a number");
        free(r);
        api_call_error(call, &err);
        return;
    }
    r->msg.run = read_mutations;
    loop_post(&admin_of(call)->backend->writer, &r->msg);
}

/* ---- behind the control plane's back ---- */

struct touch {
    struct gate_write write;
    struct api_call *call;
    json_t *patch;
};

static void on_touched(struct gate_write *w, int rc, const struct err *err)
{
    struct touch *t = CONTAINER_OF(w, struct touch, write);
    struct api_call *call = t->call;
    json_decref(t->patch);
    if (rc != 0) {
        api_call_error(call, err);
    } else {
        char version[24];
        (void)snprintf(version, sizeof version, "%llu", (unsigned long long)w->object.version);
        respond_json(call, json_pack("{s:b, s:s}", "changed", w->changed, "version", version));
    }
}

static void serve_touch(struct api_call *call)
{
    struct http_stream *s = call->stream;
    bool removes = slice_eq_cstr(s->path, PLANE_ADMIN_PATH "remove");
    struct touch *t = ARENA_NEW(&s->arena, struct touch);
    struct slice resource = {0};
    struct err err;
    *t = (struct touch){.call = call,
                        .write = {.api = call->api,
                                  .loop = s->loop,
                                  .arena = &s->arena,
                                  .subject = call->subject,
                                  .op = removes ? ADMIT_DELETE : ADMIT_PATCH_MERGE,
                                  .field_manager = SLICE("plane-admin"),
                                  .user_agent = SLICE("plane-admin"),
                                  .remote = slice_of(s->remote),
                                  .raw = s->body,
                                  .done = on_touched}};
    (void)http_stream_param(s, "resource", &resource);
    (void)http_stream_param(s, "namespace", &t->write.ns);
    (void)http_stream_param(s, "name", &t->write.name);
    t->write.kind = kind_by_resource(api_kinds(call->api, &call->stream->arena), resource);
    if (t->write.kind == NULL || t->write.name.len == 0) {
        (void)err_set(&err, ERR_INVALID, "resource (like deployments.apps) and name are required");
        api_call_error(call, &err);
        return;
    }
    if (!removes && json_parse_body(s->body, &t->patch, &err) != 0) {
        api_call_error(call, &err);
        return;
    }
    t->write.incoming = t->patch;
    gate_write(&t->write);
}

void admin_routes(struct admin *a)
{
    const struct api_route routes[] = {
        {.method = "GET", .path = PLANE_ADMIN_PATH "faults", .serve = serve_get_faults},
        {.method = "PUT", .path = PLANE_ADMIN_PATH "faults", .serve = serve_set_faults},
        {.method = "POST", .path = PLANE_ADMIN_PATH "cut-watches", .serve = serve_cut},
        {.method = "GET", .path = PLANE_ADMIN_PATH "mutations", .serve = serve_mutations},
        {.method = "POST", .path = PLANE_ADMIN_PATH "touch", .serve = serve_touch},
        {.method = "POST", .path = PLANE_ADMIN_PATH "remove", .serve = serve_touch},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        struct api_route route = routes[i];
        route.user = a;
        api_add_route(a->api, &route);
    }
}
