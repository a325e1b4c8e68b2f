/* kinds.c: registries in generations.
 *
 * Happy path: list the definitions, build a registry of the fixed kinds and theirs, publish it if
 * it is new, then wait in a watch for the next definition and begin again. Failure path: a
 * definition that names a kind which is taken, or makes no sense, is skipped with a line in the
 * log; a broken list or watch begins again after a moment. Definitions are only ever added: a
 * deleted one's kind is served until the process ends. */
#include "plane/kinds.h"

#include <stdlib.h>

#include "base/log.h"
#include "proto/object.h"

enum { RETRY_MS = 200 };

struct kinds_generation {
    struct kinds_generation *older;
    struct kind_registry registry;
    uint64_t hash; /* of the definitions */
};

static void start_list(struct kinds *k);

/* ---- registries ---- */

static void add_fixed(struct kinds *k, struct kind_registry *r)
{
    struct err err;
    for (size_t i = 0; i < kind_registry_count(&k->builtin); i++) {
        const struct kind *kind = kind_registry_at(&k->builtin, i);
        if (!slice_ends_with(kind->group, SLICE("choreo.dev")) &&
            kind_registry_add(r, kind, &err) != 0) {
            log_warn("plane.kinds", "kind=%.*s error=%s", SLICE_ARG(kind->kind),
                     log_q(err.message));
        }
    }
    kind_registry_workloads(r);
    if (kind_by_resource(r, SLICE(KINDS_CRD)) == NULL) {
        const struct kind *crd;
        if (kind_registry_define(r, SLICE("apiextensions.k8s.io"), SLICE("v1"),
                                 SLICE("CustomResourceDefinition"),
                                 SLICE("customresourcedefinitions"), false, &crd, &err) != 0) {
            log_warn("plane.kinds", "error=%s", log_q(err.message));
        }
    }
}

/* Every served version of one definition. */
static void add_definition(struct kind_registry *r, const json_t *spec)
{
    const json_t *names = json_object_get(spec, "names");
    const json_t *versions = json_object_get(spec, "versions");
    bool namespaced = slice_eq_cstr(json_text_at(spec, "scope"), "Namespaced");
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *version = json_array_get(versions, i);
        const struct kind *kind;
        struct err err;
        if (json_is_false(json_object_get(version, "served"))) {
            continue;
        }
        /* Names are copied: the tree goes, the registry stays. */
        struct arena *arena = kind_registry_arena(r);
        int rc = kind_registry_define(r, arena_copy(arena, json_text_at(spec, "group")),
                                      arena_copy(arena, json_text_at(version, "name")),
                                      arena_copy(arena, json_text_at(names, "kind")),
                                      arena_copy(arena, json_text_at(names, "plural")), namespaced,
                                      &kind, &err);
        if (rc != 0) {
            log_warn("plane.kinds", "error=%s", log_q(err.message));
        }
    }
}

static struct kinds_generation *build(struct kinds *k, const json_t *definitions, uint64_t hash)
{
    struct kinds_generation *g = mem_zero(sizeof *g);
    kind_registry_init(&g->registry);
    add_fixed(k, &g->registry);
    for (size_t i = 0; i < json_array_size(definitions); i++) {
        add_definition(&g->registry, json_array_get(definitions, i));
    }
    g->hash = hash;
    g->older = k->newest;
    k->newest = g;
    return g;
}

static uint64_t hash_of(const json_t *definitions)
{
    struct buf text = {0};
    json_canonical(definitions, &text);
    uint64_t hash = slice_hash(buf_slice(&text));
    buf_free(&text);
    return hash;
}

void kinds_init(struct kinds *k)
{
    *k = (struct kinds){0};
    kind_registry_init(&k->builtin);
    kind_registry_builtin(&k->builtin);
    json_t *none = json_array();
    (void)build(k, none, hash_of(none));
    json_decref(none);
}

void kinds_free(struct kinds *k)
{
    while (k->newest != NULL) {
        struct kinds_generation *older = k->newest->older;
        kind_registry_free(&k->newest->registry);
        free(k->newest);
        k->newest = older;
    }
    kind_registry_free(&k->builtin);
}

const struct kind_registry *kinds_first(const struct kinds *k)
{
    return &k->newest->registry;
}

/* ---- following definitions ---- */

static void on_retry_closed(struct loop_timer *timer)
{
    struct kinds *k = CONTAINER_OF(timer, struct kinds, retry);
    json_decref(k->found);
    k->closed(k);
}

/* Nothing is under way any more: begin again later, or end. */
static void rest(struct kinds *k)
{
    if (k->closing) {
        loop_timer_close(&k->retry, on_retry_closed);
    } else {
        loop_timer_start(&k->retry, RETRY_MS, 0);
    }
}

static void on_retry(struct loop_timer *timer)
{
    start_list(CONTAINER_OF(timer, struct kinds, retry));
}

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    struct kinds *k = watch->user;
    (void)object;
    if (event != BACKEND_DELETED && !watch->paused) {
        watch->paused = true; /* one is enough: the list tells all */
        k->api->backend->ops->watch_stop(k->api->backend, watch);
    }
}

static void on_progress(struct backend_watch *watch, uint64_t version)
{
    (void)watch;
    (void)version;
}

static void on_ended(struct backend_watch *watch, int rc, const struct err *err)
{
    struct kinds *k = watch->user;
    (void)err;
    k->watching = false;
    if (rc == ERR_CANCELED && !k->closing) {
        start_list(k);
    } else {
        rest(k);
    }
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct kinds *k = list->user;
    json_t *tree;
    struct err err;
    if (object_parse(object->body, 0, &tree, &err) == 0) {
        json_t *spec = json_object_get(tree, "spec");
        if (spec != NULL) {
            json_array_append(k->found, spec);
        }
        json_decref(tree);
    }
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct kinds *k = list->user;
    (void)err;
    k->listing = false;
    if (rc != 0 || k->closing) {
        rest(k);
        return;
    }
    uint64_t hash = hash_of(k->found);
    if (hash != k->newest->hash) {
        api_publish_kinds(k->api, &build(k, k->found, hash)->registry);
        log_info("plane.kinds", "definitions=%zu", json_array_size(k->found));
    }
    k->watching = true;
    k->watch = (struct backend_watch){.loop = k->loop,
                                      .resource = SLICE(KINDS_CRD),
                                      .since = list->read_version,
                                      .user = k,
                                      .on_event = on_event,
                                      .on_progress = on_progress,
                                      .ended = on_ended};
    k->api->backend->ops->watch_start(k->api->backend, &k->watch);
}

static void start_list(struct kinds *k)
{
    if (k->closing) {
        rest(k);
        return;
    }
    json_decref(k->found);
    k->found = json_array();
    k->listing = true;
    k->list = (struct backend_list){.loop = k->loop,
                                    .resource = SLICE(KINDS_CRD),
                                    .limit = BACKEND_PAGE_ROWS_MAX,
                                    .user = k,
                                    .row = on_row,
                                    .done = on_listed};
    k->api->backend->ops->list(k->api->backend, &k->list);
}

void kinds_watch(struct kinds *k, struct api *api, struct loop *loop)
{
    k->api = api;
    k->loop = loop;
    loop_timer_init(loop, &k->retry, on_retry);
    loop_timer_start(&k->retry, 0, 0);
}

void kinds_close(struct kinds *k, void (*closed)(struct kinds *kinds))
{
    k->closing = true;
    k->closed = closed;
    if (k->watching) {
        k->api->backend->ops->watch_stop(k->api->backend, &k->watch);
    } else if (!k->listing) {
        loop_timer_stop(&k->retry);
        rest(k);
    }
}
