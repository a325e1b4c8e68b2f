/* definitions_keep.c: what the leader does for definitions: it judges them, and cleans up behind
 * those that are deleted.
 *
 *            .-- status is not what it should be --> WRITE status ----.
 *   LOOK ----+-- being deleted --> LIST its objects, page by page -----+--> LOOK
 *            |      some: DELETE each;  none, for long enough: WRITE --'
 *            `-- nothing to do: until the next change or tick
 *
 * One request is under way at a time. Writes go through the gate like any client's, with the
 * version that was judged as precondition: what changed meanwhile is judged again when the change
 * arrives.
 * Failure path: whatever fails is tried again on the next tick.
 * Why "for long enough": another node refuses new objects of a kind that is being deleted as soon
 * as it has seen the deletion; until all have had time to, an empty list proves nothing. */
#include "node/api/definitions_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { DRAIN_PAGE_ROWS = 100, QUIET_MS = 1000, REST_MS = 500 };

struct row {
    char *ns;
    char *name;
};

struct definitions_keeping {
    struct arena arena; /* of the write under way */
    struct gate_write write;
    struct backend_list list;
    char *name;      /* of the definition that is dealt with */
    struct crd *crd; /* being emptied: keeps the kind */
    struct row *rows;
    size_t row_count;
    size_t next_row;
    bool busy;
    bool writing;
    json_t **others; /* scratch of judging */
};

/* ---- pieces ---- */

static struct definition *current(struct definitions *d)
{
    for (size_t i = 0; i < d->count && d->keeping->name != NULL; i++) {
        if (strcmp(d->items[i]->name, d->keeping->name) == 0) {
            return d->items[i];
        }
    }
    return NULL;
}

/* Is the one that is dealt with still being deleted, and no other of its name? */
static bool still_ends(struct definitions *d)
{
    const struct definition *def = current(d);
    return def != NULL && def->deleting;
}

static void begin(struct definitions *d, const struct definition *def)
{
    d->keeping->busy = true;
    free(d->keeping->name);
    d->keeping->name = mem_strdup(def->name);
}

static void forget_rows(struct definitions_keeping *k)
{
    for (size_t i = 0; i < k->row_count; i++) {
        free(k->rows[i].ns);
        free(k->rows[i].name);
    }
    free(k->rows);
    k->rows = NULL;
    k->row_count = 0;
    k->next_row = 0;
}

static void end(struct definitions *d, bool again)
{
    struct definitions_keeping *k = d->keeping;
    k->busy = false;
    forget_rows(k);
    if (k->crd != NULL) {
        shared_value_unref(&k->crd->shared);
        k->crd = NULL;
    }
    if (again && !d->closing) {
        loop_defer(d->config.loop, &d->task);
    }
    definitions__settled(d);
}

static void release_tree(void *tree)
{
    json_decref(tree);
}

/* A write of ours through the gate; takes incoming. */
static void write_start(struct definitions *d, const struct kind *kind, struct slice ns,
                        struct slice name, enum admit_op op, enum admit_subresource sub,
                        json_t *incoming,
                        void (*done)(struct gate_write *w, int rc, const struct err *err))
{
    struct definitions_keeping *k = d->keeping;
    k->writing = true;
    if (incoming != NULL) {
        arena_own(&k->arena, incoming, release_tree);
    }
    k->write = (struct gate_write){.api = d->config.api,
                                   .loop = d->config.loop,
                                   .arena = &k->arena,
                                   .subject = &d->self,
                                   .kind = kind,
                                   .op = op,
                                   .sub = sub,
                                   .ns = arena_copy(&k->arena, ns),
                                   .name = arena_copy(&k->arena, name),
                                   .incoming = incoming,
                                   .field_manager = SLICE("choreod"),
                                   .user_agent = SLICE("choreod"),
                                   .deadline_ms = loop_now_ms(d->config.loop) + DEFINITIONS_CALL_MS,
                                   .user = d,
                                   .done = done};
    gate_write(&k->write);
}

static bool written(struct definitions *d, const char *what, int rc, const struct err *err)
{
    struct definitions_keeping *k = d->keeping;
    struct definition *def = current(d);
    k->writing = false;
    if (rc != 0 && def != NULL) {
        def->rest_until_ms = loop_now_ms(d->config.loop) + REST_MS;
    }
    if (rc != 0 && rc != ERR_CONFLICT && rc != ERR_NOT_FOUND) {
        log_warn("definitions.write", "name=%s what=%s error=%s", k->name, what,
                 log_q(err->message));
    }
    return rc == 0;
}

/* The metadata of a patch that holds for what was judged alone. */
static json_t *as_judged(const struct definition *def)
{
    const json_t *metadata = json_object_get(def->outline, "metadata");
    return json_pack("{s:O*,s:O*}", "resourceVersion", json_object_get(metadata, "resourceVersion"),
                     "uid", json_object_get(metadata, "uid"));
}

/* ---- judging ---- */

static void on_judged(struct gate_write *w, int rc, const struct err *err)
{
    struct definitions *d = w->user;
    struct definition *def = current(d);
    bool good = written(d, "status", rc, err);
    if (good && def != NULL && object_version(def->outline) < w->object.version) {
        def->judged = true; /* until the change arrives, which is looked at anew */
    }
    arena_free(&d->keeping->arena);
    end(d, true);
}

static json_t *judge(struct definitions *d, const struct definition *def)
{
    struct definitions_keeping *k = d->keeping;
    size_t count = 0;
    size_t established = 0;
    k->others = mem_resize(k->others, (d->count + 1) * sizeof(*k->others));
    for (size_t i = 0; i < d->count; i++) {
        const struct definition *other = d->items[i];
        established += other->crd != NULL ? 1 : 0;
        if (other != def) {
            k->others[count++] =
                json_pack("{s:O*,s:O*}", "group", json_at(other->outline, "spec", "group", NULL),
                          "names", json_at(other->outline, "status", "acceptedNames", NULL));
        }
    }
    const struct crd_taken taken = {.others = (const json_t *const *)k->others,
                                    .other_count = count,
                                    .fixed = d->config.api->config.kinds->fixed,
                                    .full = established >= CRD_COUNT_MAX};
    const struct clock *clock = d->config.api->clock;
    json_t *status = crd_judge(def->outline, &taken, clock->wall_ms(clock));
    while (count > 0) {
        json_decref(k->others[--count]);
    }
    return status;
}

/* True if there was something to write. */
static bool settle_status(struct definitions *d, struct definition *def)
{
    json_t *status = judge(d, def);
    bool same = json_equal(status, json_object_get(def->outline, "status"));
    if (same) {
        def->judged = true;
        json_decref(status);
        return false;
    }
    begin(d, def);
    json_t *patch = json_pack("{s:o,s:o}", "metadata", as_judged(def), "status", status);
    write_start(d, d->kind, SLICE(""), slice_of(def->name), ADMIT_PATCH_MERGE, ADMIT_STATUS, patch,
                on_judged);
    return true;
}

/* ---- cleaning up ---- */

static void delete_next(struct definitions *d);
static void drain_page(struct definitions *d);

static void on_released(struct gate_write *w, int rc, const struct err *err)
{
    struct definitions *d = w->user;
    if (written(d, "finalizer", rc, err)) {
        log_info("definitions.removed", "name=%s", d->keeping->name);
    }
    arena_free(&d->keeping->arena);
    end(d, false);
}

/* Nothing is left of it: the definition itself may go. */
static void let_go(struct definitions *d, const struct definition *def)
{
    const json_t *had = json_at(def->outline, "metadata", "finalizers", NULL);
    json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(had); i++) {
        if (!slice_eq_cstr(json_text(json_array_get(had, i)), CRD_FINALIZER)) {
            json_array_append(kept, json_array_get(had, i));
        }
    }
    json_t *metadata = as_judged(def);
    json_object_set_new(metadata, "finalizers", kept);
    write_start(d, d->kind, SLICE(""), slice_of(def->name), ADMIT_PATCH_MERGE, ADMIT_MAIN,
                json_pack("{s:o}", "metadata", metadata), on_released);
}

static void on_object_deleted(struct gate_write *w, int rc, const struct err *err)
{
    struct definitions *d = w->user;
    struct definitions_keeping *k = d->keeping;
    (void)written(d, "delete", rc, err);
    struct definition *def = current(d);
    if (rc == 0 && !w->deleted && def != NULL) { /* finalizers hold it */
        def->rest_until_ms = loop_now_ms(d->config.loop) + REST_MS;
    }
    arena_free(&k->arena);
    delete_next(d);
}

static void delete_next(struct definitions *d)
{
    struct definitions_keeping *k = d->keeping;
    if (d->closing || k->crd->stored == NULL || !still_ends(d)) {
        end(d, false);
    } else if (k->next_row < k->row_count) {
        const struct row *row = &k->rows[k->next_row++];
        write_start(d, k->crd->stored, slice_of(row->ns), slice_of(row->name), ADMIT_DELETE,
                    ADMIT_MAIN, NULL, on_object_deleted);
    } else if (k->list.more) {
        drain_page(d);
    } else {
        end(d, false); /* the next tick looks whether anything is left */
    }
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct definitions *d = list->user;
    struct definitions_keeping *k = d->keeping;
    k->rows = mem_resize(k->rows, (k->row_count + 1) * sizeof(*k->rows));
    k->rows[k->row_count++] =
        (struct row){.ns = slice_dup(object->key.ns), .name = slice_dup(object->key.name)};
}

static void on_page(struct backend_list *list, int rc, const struct err *err)
{
    struct definitions *d = list->user;
    struct definitions_keeping *k = d->keeping;
    struct definition *def = current(d);
    bool first = list->after_ns.len + list->after_name.len == 0;
    if (rc != 0 || d->closing || !still_ends(d)) {
        log_debug("definitions.drain", "error=%s", log_q(rc != 0 ? err->message : "gone"));
        end(d, false);
    } else if (k->row_count > 0) {
        delete_next(d);
    } else if (first && loop_now_ms(list->loop) >= def->deleting_ms + QUIET_MS) {
        let_go(d, def);
    } else {
        end(d, false);
    }
}

static void drain_page(struct definitions *d)
{
    struct definitions_keeping *k = d->keeping;
    struct backend *backend = d->config.api->backend;
    arena_free(&k->arena);
    struct slice ns = {0};
    struct slice name = {0};
    if (k->row_count > 0) { /* go on behind what was dealt with, held or not */
        ns = arena_copy(&k->arena, slice_of(k->rows[k->row_count - 1].ns));
        name = arena_copy(&k->arena, slice_of(k->rows[k->row_count - 1].name));
    }
    forget_rows(k);
    k->list =
        (struct backend_list){.loop = d->config.loop,
                              .resource = k->crd->stored->resource,
                              .after_ns = ns,
                              .after_name = name,
                              .limit = DRAIN_PAGE_ROWS,
                              .deadline_ms = loop_now_ms(d->config.loop) + DEFINITIONS_CALL_MS,
                              .user = d,
                              .row = on_row,
                              .done = on_page};
    backend->ops->list(backend, &k->list);
}

/* True if something is under way now. */
static bool clean_up(struct definitions *d, struct definition *def)
{
    struct definitions_keeping *k = d->keeping;
    const json_t *finalizers = json_at(def->outline, "metadata", "finalizers", NULL);
    bool ours = false;
    for (size_t i = 0; i < json_array_size(finalizers); i++) {
        ours = ours || slice_eq_cstr(json_text(json_array_get(finalizers, i)), CRD_FINALIZER);
    }
    if (!ours) {
        return false;
    }
    begin(d, def);
    if (def->crd == NULL || def->crd->stored == NULL) {
        let_go(d, def); /* it was never established: there are no objects */
        return true;
    }
    k->crd = def->crd;
    (void)shared_value_ref(&k->crd->shared);
    drain_page(d);
    return true;
}

/* ---- what is next ---- */

void definitions__look(struct definitions *d)
{
    const struct definitions_config *c = &d->config;
    bool leads = c->leads == NULL || c->leads(c->user);
    if (leads && !d->leading) {
        for (size_t i = 0; i < d->count; i++) {
            d->items[i]->judged = false;
        }
    }
    d->leading = leads;
    if (!leads || d->keeping->busy || d->closing) {
        return;
    }
    for (size_t i = 0; i < d->count; i++) {
        struct definition *def = d->items[i];
        bool rests = loop_now_ms(c->loop) < def->rest_until_ms;
        if (!rests && (def->deleting ? clean_up(d, def) : !def->judged && settle_status(d, def))) {
            return;
        }
    }
}

void definitions__reconsider(struct definitions *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct definition *def = d->items[i];
        if (!object_condition_true(def->outline, "NamesAccepted")) {
            def->judged = false;
        }
    }
}

bool definitions__idle(struct definitions *d)
{
    if (d->keeping->writing) {
        gate_cancel(&d->keeping->write);
    }
    return !d->keeping->busy;
}

void definitions__keeping_init(struct definitions *d)
{
    d->keeping = mem_zero(sizeof(*d->keeping));
}

void definitions__keeping_free(struct definitions *d)
{
    forget_rows(d->keeping);
    free(d->keeping->others);
    free(d->keeping->name);
    arena_free(&d->keeping->arena);
    free(d->keeping);
    d->keeping = NULL;
}
