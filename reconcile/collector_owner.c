/* collector_owner.c: an owner that is being deleted, and held by a finalizer of the collector's.
 *
 *   foregroundDeletion: FIND one that blocks it -- some: wait for the change that takes it away
 *   orphan:             FIND one that names it --- some: TAKE the reference off it --> FIND
 *                         |      (all of a circle may wait: it stops blocking its own owners)
 *                       none: CONFIRM that nothing is missing here, FIND again
 *                         |
 *                       none: TAKE the finalizer off
 *
 * A namespaced owner's dependents live in its namespace, a cluster-scoped one's anywhere; those of
 * other shards are found in this node's replicas, which are as far as the present once a read over
 * them all has been confirmed.
 * Failure path: whatever fails is begun again after a while.
 * Invariant: no finalizer is taken off before a confirmed view shows that its work is done. */
#include "reconcile/collector_internal.h"

#include <string.h>

#include "base/log.h"
#include "proto/object.h"

enum { ADDED_BLOCKERS_MAX = 32 };

struct found {
    struct collector_key key;
    struct backend_object object; /* in the arena given */
    json_t *refs;                 /* likewise, its own */
    struct collector_shape shape;
};

enum finding {
    FOUND,
    NONE,
    NOT_YET, /* so many rows were looked at: go on in another turn */
};

static void release_tree(void *tree)
{
    json_decref(tree);
}

static uint32_t shards_end(const struct collector_job *job)
{
    return job->object.key.ns.len > 0 ? job->item->shard + 1 : job->c->config.shard_count;
}

/* Whom a confirmation asks: the owner's shard, or all. */
static uint32_t confirms(const struct collector_job *job)
{
    return job->object.key.ns.len > 0 ? job->item->shard : job->c->config.shard_count;
}

static void rewind_search(struct collector_job *job)
{
    job->shard = job->item->shard;
    if (job->object.key.ns.len == 0) {
        job->shard = 0;
    }
    collector__key_free(&job->after);
}

/* ---- finding dependents ---- */

/* The next row of the index that names the job's object. Its shard's reader stays pinned. */
static int next_row(struct collector_job *job, struct reader **reader, struct reader_row *row,
                    bool *found, struct err *err)
{
    struct slice uid = object_uid(job->tree);
    int rc = 0;
    *found = false;
    while (rc == 0 && !*found && job->shard < shards_end(job)) {
        struct reader *r = collector__reader(job->c, job->shard);
        struct reader_dependent dependent;
        if (r == NULL) {
            return err_set(err, ERR_IO, "the database of shard %u cannot be read", job->shard);
        }
        const struct reader_dependent after = {uid, job->after.key};
        reader_dependents_start(r, &after, false);
        rc = reader_dependents_next(r, &dependent, found, err);
        if (rc == 0 && *found) {
            collector__key_set(&job->after, &dependent.key);
            *reader = r;
            rc = reader_get(r, &job->after.key, 0, row, err);
        } else if (rc == 0) {
            job->shard++;
            collector__key_free(&job->after);
        }
    }
    return rc;
}

/* Does one of refs lead from ns to the job's object? In blocking: one that blocks its deletion. */
static bool names_owner(const struct collector_job *job, const json_t *refs, struct slice ns,
                        bool blocking)
{
    for (size_t i = 0; i < json_array_size(refs); i++) {
        const json_t *ref = json_array_get(refs, i);
        bool same = slice_eq(json_text_at(ref, "uid"), object_uid(job->tree));
        bool near = job->object.key.ns.len == 0 || slice_eq(ns, job->object.key.ns);
        bool blocks = json_is_true(json_object_get(ref, "blockOwnerDeletion"));
        if (same && near && (blocks || !blocking)) {
            return true;
        }
    }
    return false;
}

static bool is_itself(const struct collector_job *job)
{
    return strcmp(job->after.text, job->item->key.text) == 0;
}

/* Is it a dependent that is looked for? Then out is it, in the arena. */
static bool take_row(struct collector_job *job, const struct reader_row *row, bool blocking,
                     struct arena *arena, struct found *out)
{
    json_t *refs = NULL;
    struct collector_shape shape = collector__shape(row->object.body);
    if (is_itself(job) || shape.owners.len == 0 || json_parse(shape.owners, &refs, NULL) != 0) {
        return false;
    }
    arena_own(arena, refs, release_tree);
    if (!names_owner(job, refs, row->object.key.ns, blocking)) {
        return false;
    }
    out->object = row->object;
    out->object.key = job->after.key;
    out->object.body = arena_copy(arena, row->object.body);
    out->shape = collector__shape(out->object.body);
    out->refs = refs;
    return true;
}

/* The next dependent but itself, from where the search is, among the next *rows rows. */
static int find(struct collector_job *job, bool blocking, size_t *rows, struct arena *arena,
                struct found *out, enum finding *finding, struct err *err)
{
    struct reader *reader;
    struct reader_row row;
    bool more = true;
    int rc = 0;
    *finding = NOT_YET;
    while (rc == 0 && *finding == NOT_YET && *rows > 0) {
        (*rows)--;
        rc = next_row(job, &reader, &row, &more, err);
        if (rc == 0 && !more) {
            *finding = NONE;
        } else if (rc == 0 && take_row(job, &row, blocking, arena, out)) {
            *finding = FOUND;
        }
    }
    return rc;
}

/* ---- counting ---- */

static void count_on(struct collector_job *job)
{
    size_t rows = COLLECTOR_ROWS_PER_TURN;
    enum finding finding = FOUND;
    struct err err = {0};
    int rc = 0;
    while (rc == 0 && finding == FOUND && !job->circle) {
        struct found dependent = {0};
        struct arena row = {0}; /* there may be many, and large ones */
        rc = find(job, false, &rows, &row, &dependent, &finding, &err);
        if (rc == 0 && finding == FOUND) {
            job->dependents = true;
            job->circle = collector__waits(&dependent.shape);
        }
        arena_free(&row);
    }
    collector__unpin(job->c);
    if (rc != 0) {
        collector__job_failed(job, "dependents", rc, &err);
    } else if (finding == NOT_YET) {
        collector__job_later(job, count_on);
    } else {
        job->counted(job);
    }
}

void collector__job_dependents(struct collector_job *job, void (*then)(struct collector_job *job))
{
    job->counted = then;
    job->dependents = job->circle = false;
    rewind_search(job);
    count_on(job);
}

/* ---- confirming ---- */

static void confirmed(struct collector_job *job, int rc, const struct err *err)
{
    job->request = NULL;
    collector__asked(job->c, confirms(job), rc);
    struct err why = {0};
    if (rc != 0 && rc != ERR_NOT_FOUND) {
        collector__job_failed(job, "confirm", rc, err);
        return;
    }
    job->confirmed = true;
    bool there = collector__job_read(job, &rc, &why);
    struct collector_shape shape = {0};
    if (there) {
        shape = collector__shape(job->object.body);
    }
    if (rc != 0) {
        collector__job_failed(job, "read", rc, &why);
    } else if (there && shape.deleting && shape.foreground) {
        collector__job_foreground(job);
    } else if (there && shape.deleting && shape.orphan) {
        collector__job_orphan(job);
    } else {
        collector__job_end(job, false);
    }
}

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    confirmed(get->user, rc, err);
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    (void)list;
    (void)object;
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    confirmed(list->user, rc, err);
}

/* Whatever was acknowledged before now is here when this ends: in the owner's shard, or in all. */
static void confirm(struct collector_job *job)
{
    struct collector_impl *c = job->c;
    struct backend *b = c->config.backend;
    uint64_t deadline_ms = loop_now_ms(c->config.loop) + COLLECTOR_CALL_MS;
    if (c->stopping) {
        collector__job_end(job, false); /* nobody would cancel it */
        return;
    }
    if (!collector__may_ask(c, confirms(job))) {
        struct err err;
        int rc = err_set(&err, ERR_UNAVAILABLE, "a shard that may hold dependents has no leader");
        collector__job_failed(job, "confirm", rc, &err);
        return;
    }
    if (job->object.key.ns.len > 0) {
        job->get = (struct backend_get){.loop = c->config.loop,
                                        .key = job->item->key.key,
                                        .consistency = BACKEND_LINEARIZABLE,
                                        .deadline_ms = deadline_ms,
                                        .user = job,
                                        .done = on_got};
        job->request = &job->get;
        b->ops->get(b, &job->get);
        return;
    }
    job->list = (struct backend_list){.loop = c->config.loop,
                                      .resource = SLICE("configmaps"), /* any that lives anywhere */
                                      .consistency = BACKEND_LINEARIZABLE,
                                      .limit = 1,
                                      .deadline_ms = deadline_ms,
                                      .user = job,
                                      .row = on_row,
                                      .done = on_listed};
    job->request = &job->list;
    b->ops->list(b, &job->list);
}

/* ---- letting it go ---- */

static void on_released(struct collector_job *job, int rc, const struct err *err)
{
    if (rc != 0 && rc != ERR_NOT_FOUND) {
        collector__job_failed(job, "finalizer", rc, err);
    } else {
        collector__job_end(job, false);
    }
}

static void release(struct collector_job *job, const char *finalizer)
{
    struct err err = {0};
    const json_t *had = json_at(job->tree, "metadata", "finalizers", NULL);
    json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(had); i++) {
        if (!slice_eq_cstr(json_text(json_array_get(had, i)), finalizer)) {
            json_array_append(kept, json_array_get(had, i));
        }
    }
    json_t *patch = collector__patch("finalizers", kept);
    arena_own(&job->arena, patch, release_tree);
    const struct collector_write w = {
        .kind = job->kind, .old = &job->object, .op = ADMIT_PATCH_MERGE, .incoming = patch};
    int rc = collector__job_write(job, &w, on_released, &err);
    if (rc != 0) {
        collector__job_failed(job, "finalizer", rc, &err);
    }
}

/* ---- foreground ---- */

/* Does it block an owner that waits, as it waits itself? */
static bool blocks_waiting(struct collector_job *job)
{
    const json_t *refs = json_at(job->tree, "metadata", "ownerReferences", NULL);
    bool any = false;
    for (size_t i = 0; i < json_array_size(refs); i++) {
        const json_t *ref = json_array_get(refs, i);
        bool certain;
        any |= json_is_true(json_object_get(ref, "blockOwnerDeletion")) &&
               collector__owner_here(job->c, job->kinds, ref, job->object.key.ns, &certain) ==
                   OWNER_WAITING;
    }
    collector__unpin(job->c);
    return any;
}

static void settle_foreground(struct collector_job *job)
{
    if (job->circle && blocks_waiting(job)) {
        collector__job_unblock(job);
    } else if (job->blockers > 0) {
        collector__note_waiting(job->c, job->item->shard);
        collector__job_end(job, false);
    } else if (!job->confirmed) {
        confirm(job);
    } else {
        release(job, OBJECT_FINALIZER_FOREGROUND);
    }
}

static void foreground_on(struct collector_job *job)
{
    size_t rows = COLLECTOR_ROWS_PER_TURN;
    enum finding finding = FOUND;
    struct err err = {0};
    int rc = 0;
    while (rc == 0 && finding == FOUND && job->blockers < ADDED_BLOCKERS_MAX) {
        struct found dependent = {0};
        struct arena row = {0};
        rc = find(job, true, &rows, &row, &dependent, &finding, &err);
        if (rc == 0 && finding == FOUND) {
            job->blockers++;
            job->circle |= collector__waits(&dependent.shape);
            if (!dependent.shape.deleting) { /* nobody may have told it yet */
                collector__add(job->c, &dependent.object.key);
            }
        }
        arena_free(&row);
    }
    collector__unpin(job->c);
    if (rc != 0) {
        collector__job_failed(job, "blockers", rc, &err);
    } else if (finding == NOT_YET) {
        collector__job_later(job, foreground_on);
    } else {
        settle_foreground(job);
    }
}

void collector__job_foreground(struct collector_job *job)
{
    job->blockers = 0;
    job->circle = false;
    rewind_search(job);
    foreground_on(job);
}

/* ---- orphans ---- */

static void orphan_next(struct collector_job *job);

static void on_orphaned(struct collector_job *job, int rc, const struct err *err)
{
    if (rc != 0 && rc != ERR_NOT_FOUND && rc != ERR_CONFLICT) {
        collector__job_failed(job, "orphan", rc, err);
    } else {
        orphan_next(job); /* one that changed meanwhile is found again in the next pass */
    }
}

static int let_live(struct collector_job *job, const struct found *dependent, struct err *err)
{
    const struct kind *kind = kind_by_resource(job->kinds, dependent->object.key.resource);
    size_t count = json_array_size(dependent->refs);
    bool *keep = arena_zero(&job->arena, count * sizeof(*keep));
    if (kind == NULL) {
        return err_set(err, ERR_NOT_FOUND, "%.*s is not served",
                       SLICE_ARG(dependent->object.key.resource));
    }
    for (size_t i = 0; i < count; i++) {
        keep[i] = !slice_eq(json_text_at(json_array_get(dependent->refs, i), "uid"),
                            object_uid(job->tree));
    }
    json_t *patch = collector__without(dependent->refs, keep);
    const struct collector_write w = {
        .kind = kind, .old = &dependent->object, .op = ADMIT_PATCH_MERGE, .incoming = patch};
    int rc = collector__job_write(job, &w, on_orphaned, err);
    json_decref(patch);
    return rc;
}

static void orphan_next(struct collector_job *job)
{
    size_t rows = COLLECTOR_ROWS_PER_TURN;
    struct found dependent = {0};
    struct err err = {0};
    struct arena arena = {0};
    enum finding finding;
    int rc = find(job, false, &rows, &arena, &dependent, &finding, &err);
    collector__unpin(job->c);
    if (rc == 0 && finding == FOUND) {
        job->touched = true;
        rc = let_live(job, &dependent, &err);
    }
    arena_free(&arena);
    if (rc != 0) {
        collector__job_failed(job, "orphan", rc, &err);
    } else if (finding == FOUND) {
        return; /* on_orphaned() goes on */
    } else if (finding == NOT_YET) {
        collector__job_later(job, orphan_next);
    } else if (!job->confirmed || job->touched) {
        confirm(job);
    } else {
        release(job, OBJECT_FINALIZER_ORPHAN);
    }
}

void collector__job_orphan(struct collector_job *job)
{
    job->touched = false;
    rewind_search(job);
    orphan_next(job);
}
