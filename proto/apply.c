/* Server-side apply and the tracking of updates, over the sets of fieldset.h.
 *
 * Applying:   merged = live + intent. What the manager applied last time, does not apply now, and
 *             nobody else owns, is taken out again. Leaves that thereby change and that others own
 *             are conflicts, or, forced, taken from them.
 * Updating:   leaves that changed become the writer's; owners lose what changed or went.
 * Disowning:  what the control plane itself writes is nobody's; owners lose what it changed.
 * Invariants: a manager's set never names a field that the object has not; a field that is applied
 *             with the value it has has several owners; the same apply twice changes nothing, the
 *             time included.
 * What the server itself keeps in metadata (and apiVersion, kind) is nobody's: it is stripped
 * before, and put back after. */
#include "proto/apply.h"

#include "proto/fieldset.h"
#include "proto/managers.h"
#include "proto/tree_internal.h"

static const char *const stripped_root[] = {"apiVersion", "kind"};
static const char *const stripped_meta[] = {
    "name",     "namespace", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    "selfLink", "uid",       "generation",        "managedFields",     "resourceVersion"};

/* ---- stripping ---- */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A shallow copy without what is nobody's. */
static json_t *strip(const json_t *object)
{
    json_t *out = json_is_object(object) ? json_copy(tree_mutable(object)) : json_object();
    for (size_t i = 0; i < COUNT(stripped_root); i++) {
        (void)json_object_del(out, stripped_root[i]);
    }
    const json_t *meta = json_object_get(object, "metadata");
    if (json_is_object(meta)) {
        json_t *rest = json_copy(tree_mutable(meta));
        for (size_t i = 0; i < COUNT(stripped_meta); i++) {
            (void)json_object_del(rest, stripped_meta[i]);
        }
        if (json_object_size(rest) > 0) {
            json_object_set_new(out, "metadata", rest);
        } else {
            (void)json_object_del(out, "metadata");
            json_decref(rest);
        }
    }
    return out;
}

/* Puts what strip() took from `from` into out, which is deeply the caller's own. */
static void unstrip(json_t *out, const json_t *from)
{
    for (size_t i = 0; i < COUNT(stripped_root); i++) {
        const json_t *value = json_object_get(from, stripped_root[i]);
        if (value != NULL) {
            json_object_set_new(out, stripped_root[i], tree_copy(value));
        }
    }
    json_t *meta = json_child(out, "metadata");
    for (size_t i = 0; meta != NULL && i < COUNT(stripped_meta); i++) {
        const json_t *value = json_at(from, "metadata", stripped_meta[i], NULL);
        if (value != NULL) {
            json_object_set_new(meta, stripped_meta[i], tree_copy(value));
        }
    }
}

/* ---- changes ---- */

/* Who writes. */
static struct manager writer(const struct apply_context *ctx, const char *operation)
{
    return (struct manager){
        .name = ctx->manager,
        .operation = slice_of(operation),
        .api_version = ctx->api_version,
        .subresource = ctx->subresource,
    };
}

static void set_replace(struct manager *m, json_t *set)
{
    json_decref(m->set);
    m->set = set;
}

/* Takes from every manager but mine what changed or went. */
static void take_from_others(struct managers *m, const struct manager *mine,
                             const struct fieldset_change *change)
{
    json_t *changed = fieldset_union(change->added, change->modified);
    for (size_t i = 0; i < m->count; i++) {
        struct manager *other = &m->items[i];
        if (other != mine) {
            set_replace(other, fieldset_difference(other->set, changed));
            set_replace(other, fieldset_difference_below(other->set, change->removed));
        }
    }
    json_decref(changed);
}

static void change_free(struct fieldset_change *change)
{
    json_decref(change->added);
    json_decref(change->modified);
    json_decref(change->removed);
}

/* ---- apply ---- */

struct conflict {
    struct causes *causes;
    const struct manager *manager;
};

static void add_conflict(struct slice path, void *user)
{
    struct conflict *c = user;
    const struct manager *m = c->manager;
    if (m->subresource.len > 0) {
        cause_add(c->causes, CAUSE_CONFLICT, path,
                  "conflict with \"%.*s\" with subresource \"%.*s\" using %.*s", SLICE_ARG(m->name),
                  SLICE_ARG(m->subresource), SLICE_ARG(m->api_version));
    } else {
        cause_add(c->causes, CAUSE_CONFLICT, path, "conflict with \"%.*s\" using %.*s",
                  SLICE_ARG(m->name), SLICE_ARG(m->api_version));
    }
}

static void find_conflicts(const struct managers *m, const struct manager *mine,
                           const struct fieldset_change *change, struct causes *causes)
{
    json_t *changed = fieldset_union(change->added, change->modified);
    for (size_t i = 0; i < m->count; i++) {
        if (&m->items[i] != mine) {
            struct conflict c = {causes, &m->items[i]};
            json_t *both = fieldset_intersection(m->items[i].set, changed);
            fieldset_each(both, add_conflict, &c);
            json_decref(both);
        }
    }
    json_decref(changed);
}

/* The fields of value, named parents included. */
static json_t *full_set(const json_t *value, const struct schema *schema)
{
    json_t *set = fieldset_of(value, schema);
    json_t *full = fieldset_with_parents(set, schema);
    json_decref(set);
    return full;
}

/* What anybody owns. */
static json_t *all_owned(const struct managers *m)
{
    json_t *all = json_object();
    for (size_t i = 0; i < m->count; i++) {
        json_t *more = fieldset_union(all, m->items[i].set);
        json_decref(all);
        all = more;
    }
    return all;
}

/* value without the members of gone (taken); {} if nothing is left. */
static json_t *without(const json_t *value, json_t *gone, const json_t *owned,
                       const struct schema *schema)
{
    json_t *out = fieldset_remove(value, gone, owned, schema);
    json_decref(gone);
    return out != NULL ? out : json_object();
}

/* That metadata is there at all is nobody's doing: it takes no part, only what is in it. */
static void leave_metadata(json_t *set)
{
    json_t *meta = json_object_get(set, "f:metadata");
    (void)json_object_del(meta, ".");
    if (meta != NULL && fieldset_empty(meta)) {
        (void)json_object_del(set, "f:metadata");
    }
}

/* Takes out of merged what the manager applied last time, does not now, and nobody owns: first all
 * of last is removed, then what anybody owns is added back, then what last never held. */
static json_t *prune(const json_t *merged, const json_t *last, const struct managers *m,
                     const struct schema *schema)
{
    if (fieldset_empty(last)) {
        return tree_share(merged);
    }
    json_t *owned = all_owned(m);
    json_t *owned_full = fieldset_with_parents(owned, schema);
    json_t *last_full = fieldset_with_parents(last, schema);
    leave_metadata(last_full);
    json_t *merged_full = full_set(merged, schema);
    json_t *pruned = without(merged, json_incref(last_full), NULL, schema);
    json_t *pruned_full = full_set(pruned, schema);
    json_t *keep = fieldset_union(pruned_full, owned_full);
    json_t *back = without(merged, fieldset_difference(merged_full, keep), owned, schema);
    json_t *back_full = full_set(back, schema);
    json_t *gone = fieldset_difference(merged_full, back_full);
    json_t *out = without(merged, fieldset_intersection(gone, last_full), owned, schema);
    json_t *all[] = {gone,   back_full,   back,      keep,       pruned_full,
                     pruned, merged_full, last_full, owned_full, owned};
    for (size_t i = 0; i < COUNT(all); i++) {
        json_decref(all[i]);
    }
    return out;
}

/* What differs between two stripped objects. */
static void compare(const json_t *before, const json_t *after, const struct schema *schema,
                    struct fieldset_change *change)
{
    fieldset_compare(before, after, schema, change);
    leave_metadata(change->added);
}

/* An object from before anybody was tracked: all of it belongs to one updater. */
static void adopt_untracked(struct managers *m, const json_t *live, const json_t *bare,
                            const struct apply_context *ctx)
{
    if (live == NULL || m->count > 0 || ctx->unowned) {
        return;
    }
    struct fieldset_change change;
    json_t *nothing = json_object();
    compare(nothing, bare, ctx->schema, &change);
    *managers_add(m) = (struct manager){
        .name = SLICE("before-first-apply"),
        .operation = SLICE("Update"),
        .api_version = ctx->api_version,
        .time = ctx->now,
        .set = json_incref(change.added),
    };
    change_free(&change);
    json_decref(nothing);
}

struct applying {
    const struct apply_context *ctx;
    struct managers managers;
    struct manager *mine;
    json_t *live; /* stripped */
    json_t *intent;
    json_t *result;
};

/* Merges, prunes, and settles with the other managers. */
static int merge_and_settle(struct applying *a, struct causes *causes, struct err *err)
{
    const struct apply_context *ctx = a->ctx;
    json_t *merged = fieldset_merge(a->live, a->intent, ctx->schema, causes);
    if (causes->count > 0) {
        json_decref(merged);
        return err_set(err, ERR_UNPROCESSABLE, "the applied object's lists are not well-formed");
    }
    bool moved = !slice_eq(a->mine->api_version, ctx->api_version);
    json_t *last = json_incref(a->mine->set);
    a->mine->api_version = ctx->api_version;
    set_replace(a->mine, fieldset_of(a->intent, ctx->schema));
    json_t *pruned = prune(merged, last, &a->managers, ctx->schema);
    json_decref(merged);
    /* What is live has its defaults, so the result is compared with them too: else an item of an
     * atomic list that leaves a default out would differ every time. */
    a->result = json_deep_copy(pruned);
    json_decref(pruned);
    if (ctx->schema != NULL) {
        schema_default(ctx->schema, a->result);
    }
    struct fieldset_change change;
    compare(a->live, a->result, ctx->schema, &change);
    if (!ctx->force) {
        find_conflicts(&a->managers, a->mine, &change, causes);
    }
    take_from_others(&a->managers, a->mine, &change);
    bool same = json_equal(last, a->mine->set) && json_equal(a->live, a->result);
    if (!same || moved || a->mine->time.len == 0) {
        a->mine->time = ctx->now;
    }
    change_free(&change);
    json_decref(last);
    if (causes->count > 0) {
        return err_set(err, ERR_CONFLICT, "Apply failed with %zu conflict%s", causes->count,
                       causes->count == 1 ? "" : "s");
    }
    return 0;
}

int apply_merge(const struct apply_context *ctx, const json_t *live, const json_t *intent,
                json_t **out, struct causes *causes, struct err *err)
{
    *out = NULL;
    struct applying a = {.ctx = ctx};
    a.live = strip(live);
    a.intent = strip(intent);
    (void)managers_read(json_at(live, "metadata", "managedFields", NULL), &a.managers);
    if (json_object_size(a.intent) > 0) {
        adopt_untracked(&a.managers, live, a.live, ctx);
    }
    const struct manager me = writer(ctx, "Apply");
    a.mine = managers_mine(&a.managers, &me);
    int rc = a.mine != NULL
                 ? merge_and_settle(&a, causes, err)
                 : err_set(err, ERR_TOO_LARGE, "more than %d field managers", MANAGERS_MAX);
    if (rc == 0) {
        *out = tree_copy(a.result);
        unstrip(*out, live != NULL ? live : intent);
        managers_write(&a.managers, *out);
    }
    managers_free(&a.managers);
    json_decref(a.result);
    json_decref(a.intent);
    json_decref(a.live);
    return rc;
}

/* ---- updates ---- */

static bool is_reset(const json_t *list)
{
    return json_array_size(list) == 1 && json_is_object(json_array_get(list, 0)) &&
           json_object_size(json_array_get(list, 0)) == 0;
}

static bool changes_any(const struct fieldset_change *change)
{
    return !fieldset_empty(change->added) || !fieldset_empty(change->modified) ||
           !fieldset_empty(change->removed);
}

static void track(const struct apply_context *ctx, struct managers *m, const json_t *before,
                  const json_t *after)
{
    json_t *old = strip(before);
    json_t *new = strip(after);
    struct fieldset_change change;
    compare(old, new, ctx->schema, &change);
    bool any = changes_any(&change);
    const struct manager me = writer(ctx, "Update");
    struct manager *mine = any ? managers_mine(m, &me) : NULL;
    if (mine != NULL) {
        take_from_others(m, mine, &change);
        json_t *rest = fieldset_difference_below(mine->set, change.removed);
        json_t *more = fieldset_union(rest, change.modified);
        set_replace(mine, fieldset_union(more, change.added));
        mine->time = ctx->now;
        json_decref(more);
        json_decref(rest);
    }
    change_free(&change);
    json_decref(new);
    json_decref(old);
}

static bool owned(const struct managers *m, const char *element)
{
    bool any = false;
    for (size_t i = 0; i < m->count && !any; i++) {
        any = json_object_get(m->items[i].set, element) != NULL;
    }
    return any;
}

/* What nobody in particular changed is not its owners' any more. Nearly every status is nobody's,
 * and is not even compared then. */
static void disown(const struct apply_context *ctx, const json_t *before, json_t *after)
{
    struct managers m = {0};
    json_t *list = json_at(before, "metadata", "managedFields", NULL);
    json_t *meta = json_child(after, "metadata");
    if (list == NULL || !managers_read(list, &m)) {
        (void)json_object_del(meta, "managedFields");
        return;
    }
    json_object_set(meta, "managedFields", list);
    json_t *old = strip(before);
    json_t *new = strip(after);
    if (!owned(&m, "f:status")) {
        (void)json_object_del(old, "status");
        (void)json_object_del(new, "status");
    }
    struct fieldset_change change;
    compare(old, new, ctx->schema, &change);
    if (changes_any(&change)) {
        take_from_others(&m, NULL, &change);
        managers_write(&m, after);
    }
    change_free(&change);
    json_decref(new);
    json_decref(old);
    managers_free(&m);
}

void apply_track_update(const struct apply_context *ctx, const json_t *before, json_t *after)
{
    struct managers m = {0};
    if (ctx->manager.len == 0) {
        disown(ctx, before, after);
        return;
    }
    /* Held: the managers' texts point into it while after's own is replaced. */
    json_t *sent = json_incref(json_at(after, "metadata", "managedFields", NULL));
    if (!is_reset(sent)) {
        if (json_array_size(sent) == 0 || !managers_read(sent, &m)) {
            (void)managers_read(json_at(before, "metadata", "managedFields", NULL), &m);
        }
        if (before == NULL || m.count > 0) {
            track(ctx, &m, before, after);
        }
    }
    managers_write(&m, after);
    managers_free(&m);
    json_decref(sent);
}
