/* definitions.c: following CustomResourceDefinitions.
 *
 *   LIST (this process's view) --> WATCH from there --> its end --> after a moment, LIST again
 *
 * Happy path: each change of a definition compiles its kinds, if what they follow from changed;
 * once the loop has dealt with a batch of changes, the kinds of all established definitions are
 * published as one new set.
 * Failure path: a list that fails, or a watch that ends, begins again after a tick; what a list
 * does not show any more is gone.
 * Invariants: an object that cannot be read changes nothing; the published set holds what items
 * hold, in order of group and name. */
#include "node/api/definitions_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static void start_list(struct definitions *d);

/* ---- what is known ---- */

static void definition_free(struct definition *def)
{
    if (def->crd != NULL) {
        shared_value_unref(&def->crd->shared);
    }
    json_decref(def->outline);
    free(def->name);
    free(def);
}

/* Group, then plural: "b.a.com" sorts before "a.b.com". */
static int compare(struct slice a, struct slice b)
{
    size_t dot_a = slice_find(a, SLICE("."));
    size_t dot_b = slice_find(b, SLICE("."));
    int order = slice_cmp(slice_sub(a, dot_a, SIZE_MAX), slice_sub(b, dot_b, SIZE_MAX));
    return order != 0 ? order : slice_cmp(a, b);
}

/* The place of name, or where it belongs. */
static size_t place_of(const struct definitions *d, struct slice name, bool *found)
{
    size_t low = 0;
    size_t high = d->count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = compare(name, slice_of(d->items[middle]->name));
        *found = order == 0;
        low = order > 0 ? middle + 1 : order == 0 ? middle : low;
        high = order < 0 ? middle : high;
    }
    return low;
}

static struct definition *definition_of(struct definitions *d, struct slice name)
{
    bool found;
    size_t at = place_of(d, name, &found);
    if (found) {
        return d->items[at];
    }
    if (d->count == d->cap) {
        d->cap = d->cap == 0 ? 16 : d->cap * 2;
        d->items = mem_resize(d->items, d->cap * sizeof(*d->items));
    }
    memmove(&d->items[at + 1], &d->items[at], (d->count - at) * sizeof(*d->items));
    d->items[at] = mem_zero(sizeof(**d->items));
    d->items[at]->name = slice_dup(name);
    d->count++;
    return d->items[at];
}

static void forget_at(struct definitions *d, size_t at)
{
    struct definition *def = d->items[at];
    log_info("definitions.gone", "name=%s", def->name);
    d->changed = d->changed || def->crd != NULL;
    definition_free(def);
    d->count--;
    memmove(&d->items[at], &d->items[at + 1], (d->count - at) * sizeof(*d->items));
    definitions__reconsider(d);
}

/* ---- one object ---- */

static uint64_t hash_of(const json_t *object)
{
    struct buf text = {0};
    const json_t *parts[] = {json_object_get(object, "spec"),
                             json_at(object, "status", "acceptedNames", NULL)};
    for (size_t i = 0; i < 2; i++) {
        if (parts[i] != NULL) {
            json_canonical(parts[i], &text);
        }
    }
    buf_add_char(&text, object_deleting(object) ? 'd' : 'l');
    uint64_t hash = slice_hash(buf_slice(&text));
    buf_free(&text);
    return hash;
}

/* Its versions by name: schemas are large. */
static json_t *version_names(const json_t *object)
{
    const json_t *versions = json_at(object, "spec", "versions", NULL);
    json_t *names = json_array();
    for (size_t i = 0; i < json_array_size(versions); i++) {
        struct slice name = json_text_at(json_array_get(versions, i), "name");
        json_array_append_new(names, json_pack("{s:o}", "name", json_str(name)));
    }
    return names;
}

static json_t *outline_of(const json_t *object)
{
    json_t *out =
        json_pack("{s:O*,s:{s:O*,s:O*,s:o},s:O*}", "metadata", json_object_get(object, "metadata"),
                  "spec", "group", json_at(object, "spec", "group", NULL), "names",
                  json_at(object, "spec", "names", NULL), "versions", version_names(object),
                  "status", json_object_get(object, "status"));
    (void)json_object_del(json_object_get(out, "metadata"), "managedFields");
    (void)json_object_del(json_object_get(out, "metadata"), "annotations");
    return out;
}

static void compile(struct definitions *d, struct definition *def, const json_t *object)
{
    struct crd *before = def->crd;
    uint64_t hash = hash_of(object);
    if (!crd_established(object) || crd_built_in(object, d->config.api->config.kinds->fixed)) {
        def->crd = NULL; /* nothing is served by it, and nothing goes with it */
    } else if (before == NULL || hash != def->hash) {
        def->crd = crd_compile(object, d->config.api->config.expressions);
        def->hash = hash;
    }
    if (def->crd != before) {
        log_info("definitions.kinds", "name=%s versions=%zu bytes=%zu", def->name,
                 def->crd != NULL ? def->crd->kind_count : 0,
                 def->crd != NULL ? def->crd->arena.used_bytes : 0);
        d->changed = true;
    }
    if (before != NULL && def->crd != before) {
        shared_value_unref(&before->shared);
    }
}

static void take(struct definitions *d, const struct backend_object *object)
{
    json_t *tree = NULL;
    struct err err;
    if (object_parse(object->body, object->version, &tree, &err) != 0) {
        log_error("definitions.read", "name=%.*s error=%s", SLICE_ARG(object->key.name),
                  log_q(err.message));
        return;
    }
    struct definition *def = definition_of(d, object->key.name);
    compile(d, def, tree);
    json_decref(def->outline);
    def->outline = outline_of(tree);
    def->seen = true;
    def->judged = false;
    bool deleting = object_deleting(tree);
    if (deleting && !def->deleting) {
        def->deleting_ms = loop_now_ms(d->config.loop);
    }
    def->deleting = deleting; /* one of that name may have been made anew while nobody watched */
    json_decref(tree);
    definitions__reconsider(d);
}

/* ---- after a batch ---- */

static void publish(struct definitions *d)
{
    struct crd **crds = mem_alloc((d->count + 1) * sizeof(*crds));
    size_t count = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (d->items[i]->crd != NULL) {
            crds[count++] = d->items[i]->crd;
        }
    }
    kind_board_publish(d->config.api->config.kinds, crds, count);
    free(crds);
    d->changed = false;
}

static void on_task(struct loop_task *task)
{
    struct definitions *d = CONTAINER_OF(task, struct definitions, task);
    if (d->changed) {
        publish(d);
    }
    definitions__look(d);
}

/* ---- watch and list ---- */

static void rest(struct definitions *d)
{
    d->retry_at_ms = loop_now_ms(d->config.loop) + DEFINITIONS_TICK_MS;
    definitions__settled(d);
}

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    struct definitions *d = watch->user;
    if (event != BACKEND_DELETED) {
        take(d, object);
    } else {
        bool found;
        size_t at = place_of(d, object->key.name, &found);
        if (found) {
            forget_at(d, at);
        }
    }
    loop_defer(d->config.loop, &d->task);
}

static void on_progress(struct backend_watch *watch, uint64_t version)
{
    (void)watch;
    (void)version;
}

static void on_ended(struct backend_watch *watch, int rc, const struct err *err)
{
    struct definitions *d = watch->user;
    d->watching = false;
    if (rc != ERR_CANCELED && rc != ERR_CLOSED) {
        log_debug("definitions.watch", "error=%s", log_q(err->message));
    }
    rest(d);
}

static void start_watch(struct definitions *d, uint64_t since)
{
    struct backend *backend = d->config.api->backend;
    d->watching = true;
    d->watch = (struct backend_watch){.loop = d->config.loop,
                                      .resource = d->kind->resource,
                                      .since = since,
                                      .user = d,
                                      .on_event = on_event,
                                      .on_progress = on_progress,
                                      .ended = on_ended};
    backend->ops->watch_start(backend, &d->watch);
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct definitions *d = list->user;
    take(d, object);
    backend_cursor_set(&d->last, &object->key);
}

static void read_page(struct definitions *d)
{
    struct backend *backend = d->config.api->backend;
    d->listing = true;
    d->list.deadline_ms = loop_now_ms(d->config.loop) + DEFINITIONS_CALL_MS;
    backend->ops->list(backend, &d->list);
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct definitions *d = list->user;
    d->listing = false;
    if (rc != 0 || d->closing) {
        log_debug("definitions.list", "error=%s", log_q(rc != 0 ? err->message : "closing"));
        rest(d);
        return;
    }
    if (list->more) {
        backend_list_next(list, &d->last);
        read_page(d);
        return;
    }
    for (size_t i = d->count; i-- > 0;) {
        if (!d->items[i]->seen) {
            forget_at(d, i);
        }
    }
    start_watch(d, list->read_version);
    loop_defer(d->config.loop, &d->task);
}

static void start_list(struct definitions *d)
{
    for (size_t i = 0; i < d->count; i++) {
        d->items[i]->seen = false;
    }
    d->list = (struct backend_list){.loop = d->config.loop,
                                    .resource = d->kind->resource,
                                    .consistency = BACKEND_STALE,
                                    .limit = 50, /* a definition may be large */
                                    .user = d,
                                    .row = on_row,
                                    .done = on_listed};
    read_page(d);
}

/* ---- the course of it ---- */

static void on_timer_closed(struct loop_timer *timer)
{
    struct definitions *d = CONTAINER_OF(timer, struct definitions, timer);
    while (d->count > 0) {
        definition_free(d->items[--d->count]);
    }
    free(d->items);
    definitions__keeping_free(d);
    d->closed(d);
}

void definitions__settled(struct definitions *d)
{
    if (!d->closing) {
        return;
    }
    if (!d->listing && !d->watching && definitions__idle(d)) {
        loop_task_cancel(&d->task);
        loop_timer_close(&d->timer, on_timer_closed);
    }
}

static void on_timer(struct loop_timer *timer)
{
    struct definitions *d = CONTAINER_OF(timer, struct definitions, timer);
    if (d->closing) {
        return;
    }
    if (!d->listing && !d->watching && loop_now_ms(timer->loop) >= d->retry_at_ms) {
        start_list(d);
    }
    definitions__look(d);
}

void definitions_start(struct definitions *d, const struct definitions_config *config)
{
    *d = (struct definitions){.config = *config};
    d->kind = kind_by_resource(config->api->config.kinds->fixed, SLICE(CRD_RESOURCE));
    d->self = (struct subject){.user = SLICE("system:definitions")};
    assert(d->kind != NULL);
    definitions__keeping_init(d);
    loop_task_init(&d->task, on_task);
    loop_timer_init(config->loop, &d->timer, on_timer);
    loop_timer_start(&d->timer, 0, DEFINITIONS_TICK_MS);
}

void definitions_close(struct definitions *d, void (*closed)(struct definitions *d))
{
    struct backend *backend = d->config.api->backend;
    d->closing = true;
    d->closed = closed;
    loop_timer_stop(&d->timer);
    if (d->watching) {
        backend->ops->watch_stop(backend, &d->watch);
    } else if (d->listing) {
        backend->ops->cancel(backend, &d->list);
    }
    definitions__settled(d);
}
