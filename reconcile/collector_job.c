/* collector_job.c: looking at one object: what becomes of it follows from its owners.
 *
 *   READ it here -- it waits for the collector itself --> collector_owner.c
 *        |
 *   OWNERS, one by one: here, and unless it is here and stays, CONFIRMED by its shard's leader
 *        |
 *        +-- one stays: the references to those that do not are taken off it
 *        +-- none stays, one waits, and it has dependents: DELETE in the foreground
 *        |     (one of those waits itself: a circle; first it stops blocking its owners)
 *        +-- none stays: DELETE
 *
 * Failure path: an owner that cannot be confirmed, a write that meets another version: it is looked
 * at again after a while. An owner whose kind is not served: nothing is done.
 * Invariants: one request is under way at a time; every write carries uid and version of what was
 * read, so what changed meanwhile is never acted upon. */
#include "reconcile/collector_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "proto/object.h"

static void next_owner(struct collector_job *job);

static void release_tree(void *tree)
{
    json_decref(tree);
}

/* ---- the end ---- */

void collector__job_end(struct collector_job *job, bool retry)
{
    struct collector_impl *c = job->c;
    struct collector_item *item = job->item;
    list_remove(&job->link);
    loop_task_cancel(&job->more);
    c->job_count--;
    collector__key_free(&job->after);
    arena_free(&job->written);
    arena_free(&job->arena);
    free(job);
    collector__unpin(c);
    collector__looked(c, item, retry);
    collector__check_stopped(c);
}

void collector__job_cancel(struct collector_job *job)
{
    struct backend *b = job->c->config.backend;
    if (job->request != NULL) {
        b->ops->cancel(b, job->request);
    }
}

static void on_more(struct loop_task *task)
{
    struct collector_job *job = CONTAINER_OF(task, struct collector_job, more);
    if (job->c->stopping) {
        collector__job_end(job, false);
    } else {
        job->go_on(job);
    }
}

void collector__job_later(struct collector_job *job, void (*go_on)(struct collector_job *job))
{
    job->go_on = go_on;
    loop_defer(job->c->config.loop, &job->more);
}

void collector__job_failed(struct collector_job *job, const char *what, int rc,
                           const struct err *err)
{
    bool common = rc == ERR_CONFLICT || rc == ERR_NOT_FOUND || rc == ERR_UNAVAILABLE ||
                  rc == ERR_TIMEOUT || job->c->stopping;
    job->item->refusals += common ? 0 : 1; /* what is only not there for now is waited for */
    log_event(common ? LOG_DEBUG : LOG_WARN, "collector.failed", "key=%s what=%s error=%s",
              log_q(job->item->key.text), what, log_q(err->message));
    collector__job_end(job, true);
}

/* ---- reading ---- */

bool collector__job_read(struct collector_job *job, int *rc, struct err *err)
{
    struct reader *r = collector__reader(job->c, job->item->shard);
    struct reader_row row;
    *rc = r != NULL ? reader_get(r, &job->item->key.key, 0, &row, err)
                    : err_set(err, ERR_IO, "the shard's database cannot be read");
    if (*rc == 0) {
        job->object = (struct backend_object){.key = job->item->key.key,
                                              .body = arena_copy(&job->arena, row.object.body),
                                              .splice = row.object.splice,
                                              .version = row.object.version};
        *rc = object_parse(job->object.body, job->object.version, &job->tree, err);
    }
    if (*rc == 0) {
        arena_own(&job->arena, job->tree, release_tree);
    }
    collector__unpin(job->c);
    bool there = *rc == 0;
    *rc = *rc == ERR_NOT_FOUND ? 0 : *rc;
    return there;
}

/* ---- writing ---- */

static void on_submitted(struct backend_submit *submit, int rc, const struct err *err)
{
    struct collector_job *job = submit->user;
    job->request = NULL;
    if (rc == 0) {
        metric_add(submit->verb == BACKEND_DELETE ? job->c->deleted : job->c->updated, 1);
    }
    job->then(job, rc, err);
}

static void submit(struct collector_job *job, const struct collector_write *w,
                   const struct admit_result *result)
{
    struct collector_impl *c = job->c;
    crypto_uuid(job->request_id);
    crypto_sha256(result->body, job->digest);
    (void)snprintf(job->subject, sizeof(job->subject), "system:shard-%u", job->item->shard);
    job->submit = (struct backend_submit){
        .loop = c->config.loop,
        .key = {.resource = w->kind->resource,
                .ns = arena_copy(&job->written, w->old->key.ns),
                .name = arena_copy(&job->written, w->old->key.name)},
        .verb = result->verb,
        .body = result->body,
        .splice = result->splice,
        .if_version = result->if_version,
        .if_uid = result->if_uid,
        .subject = slice_of(job->subject),
        .request_id = slice_of(job->request_id),
        .issued_ms = c->clock->wall_ms(c->clock),
        .request_digest = slice_make(job->digest, sizeof(job->digest)),
        .audit = slice_of(arena_printf(&job->written,
                                       "{\"from\":\"collector\",\"user\":\"%s\",\"verb\":\"%s\"}",
                                       job->subject, w->op == ADMIT_DELETE ? "delete" : "patch")),
        .deadline_ms = loop_now_ms(c->config.loop) + COLLECTOR_CALL_MS,
        .user = job,
        .done = on_submitted,
    };
    job->request = &job->submit;
    c->config.backend->ops->submit(c->config.backend, &job->submit);
}

int collector__job_write(struct collector_job *job, const struct collector_write *w,
                         void (*then)(struct collector_job *job, int rc, const struct err *err),
                         struct err *err)
{
    struct collector_impl *c = job->c;
    arena_free(&job->written);
    if (c->stopping) {
        return err_set(err, ERR_CANCELED, "the collector stops");
    }
    const struct admit_request request = {.arena = &job->written,
                                          .kind = w->kind,
                                          .op = w->op,
                                          .ns = w->old->key.ns,
                                          .name = w->old->key.name,
                                          .old = w->old,
                                          .incoming = w->incoming,
                                          .field_manager = SLICE("choreod"),
                                          .collected = true,
                                          .validation = ADMIT_IGNORE,
                                          .now_ms = c->clock->wall_ms(c->clock)};
    struct admit_result result = {0};
    int rc = admit(&request, &result, err);
    if (rc == 0 && !result.changed) {
        return err_set(err, ERR_EXISTS, "nothing to change");
    }
    if (rc == 0) {
        job->then = then;
        submit(job, w, &result);
    }
    return rc;
}

static void on_written(struct collector_job *job, int rc, const struct err *err)
{
    if (rc != 0 && rc != ERR_NOT_FOUND) {
        collector__job_failed(job, "write", rc, err);
    } else {
        collector__job_end(job, false);
    }
}

/* The object's own write, which ends the job; takes incoming. */
static void write_last(struct collector_job *job, enum admit_op op, json_t *incoming)
{
    struct err err = {0};
    arena_own(&job->arena, incoming, release_tree);
    const struct collector_write w = {
        .kind = job->kind, .old = &job->object, .op = op, .incoming = incoming};
    int rc = collector__job_write(job, &w, on_written, &err);
    if (rc == ERR_EXISTS) {
        collector__job_end(job, false);
    } else if (rc != 0) {
        collector__job_failed(job, "admit", rc, &err);
    }
}

json_t *collector__patch(const char *field, json_t *list)
{
    if (json_array_size(list) == 0) {
        json_decref(list);
        list = json_null();
    }
    return json_pack("{s:{s:o}}", "metadata", field, list);
}

json_t *collector__without(const json_t *refs, const bool *keep)
{
    json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(refs); i++) {
        if (keep[i]) {
            json_array_append(kept, json_array_get(refs, i));
        }
    }
    return collector__patch("ownerReferences", kept);
}

/* ---- deciding ---- */

static size_t count_owners(const struct collector_job *job, enum collector_owner state)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(job->refs); i++) {
        count += job->owners[i] == state ? 1 : 0;
    }
    return count;
}

/* Those owners stay, and keep it. */
static void keep_solid(struct collector_job *job)
{
    size_t count = json_array_size(job->refs);
    bool *keep = arena_zero(&job->arena, count * sizeof(*keep));
    for (size_t i = 0; i < count; i++) {
        keep[i] = job->owners[i] == OWNER_SOLID;
    }
    write_last(job, ADMIT_PATCH_MERGE, collector__without(job->refs, keep));
}

static bool blocks_any(const json_t *refs)
{
    bool any = false;
    for (size_t i = 0; i < json_array_size(refs); i++) {
        any |= json_is_true(json_object_get(json_array_get(refs, i), "blockOwnerDeletion"));
    }
    return any;
}

void collector__job_unblock(struct collector_job *job)
{
    json_t *refs = json_deep_copy(json_at(job->tree, "metadata", "ownerReferences", NULL));
    for (size_t i = 0; i < json_array_size(refs); i++) {
        json_object_set_new(json_array_get(refs, i), "blockOwnerDeletion", json_false());
    }
    write_last(job, ADMIT_PATCH_MERGE, collector__patch("ownerReferences", refs));
}

/* It is to go, for an owner that waits. */
static void on_counted(struct collector_job *job)
{
    if (job->circle && blocks_any(job->refs)) {
        collector__job_unblock(job);
    } else if (job->dependents) {
        write_last(job, ADMIT_DELETE, json_pack("{s:s}", "propagationPolicy", "Foreground"));
    } else {
        write_last(job, ADMIT_DELETE, json_object());
    }
}

static void decide(struct collector_job *job)
{
    size_t count = json_array_size(job->refs);
    size_t solid = count_owners(job, OWNER_SOLID);
    if (count_owners(job, OWNER_UNKNOWN) > 0) {
        collector__note_undecided(job->c, job->item->shard, job->set);
        collector__job_end(job, false);
    } else if (count_owners(job, OWNER_INVALID) > 0 || solid == count) {
        collector__job_end(job, false);
    } else if (solid > 0) {
        keep_solid(job);
    } else if (count_owners(job, OWNER_WAITING) > 0) {
        collector__job_dependents(job, on_counted);
    } else {
        write_last(job, ADMIT_DELETE, json_object());
    }
}

/* ---- owners ---- */

static void on_owner(struct backend_get *get, int rc, const struct err *err)
{
    struct collector_job *job = get->user;
    job->request = NULL;
    collector__asked(job->c, collector__shard_of(job->c, job->owner_ns), rc);
    if (rc != 0 && rc != ERR_NOT_FOUND) {
        collector__job_failed(job, "owner", rc, err);
        return;
    }
    job->owners[job->next] =
        rc != 0 ? OWNER_ABSENT
                : collector__owner_is(get->object.body, json_array_get(job->refs, job->next));
    job->next++;
    next_owner(job);
}

static void confirm_owner(struct collector_job *job, const struct backend_key *key)
{
    struct collector_impl *c = job->c;
    uint32_t shard = collector__shard_of(c, key->ns);
    if (!collector__may_ask(c, shard)) {
        struct err err;
        int rc = err_set(&err, ERR_UNAVAILABLE, "shard %u, the owner's, has no leader", shard);
        collector__job_failed(job, "owner", rc, &err);
        return;
    }
    job->owner_ns = key->ns;
    job->get = (struct backend_get){.loop = c->config.loop,
                                    .key = *key,
                                    .consistency = BACKEND_LINEARIZABLE,
                                    .deadline_ms = loop_now_ms(c->config.loop) + COLLECTOR_CALL_MS,
                                    .user = job,
                                    .done = on_owner};
    job->request = &job->get;
    c->config.backend->ops->get(c->config.backend, &job->get);
}

static void next_owner(struct collector_job *job)
{
    struct collector_impl *c = job->c;
    struct slice ns = job->object.key.ns;
    for (; job->next < json_array_size(job->refs) && !c->stopping; job->next++) {
        const json_t *ref = json_array_get(job->refs, job->next);
        const struct kind *kind;
        struct backend_key key;
        enum collector_owner nowhere;
        bool certain;
        enum collector_owner here = collector__owner_here(c, job->kinds, ref, ns, &certain);
        job->owners[job->next] = here;
        if (!certain && here != OWNER_SOLID &&
            collector__resolve(job->kinds, ref, ns, &kind, &key, &nowhere)) {
            collector__unpin(c);
            confirm_owner(job, &key);
            return;
        }
    }
    collector__unpin(c);
    if (c->stopping) {
        collector__job_end(job, false);
    } else {
        decide(job);
    }
}

/* ---- the beginning ---- */

static void look(struct collector_job *job)
{
    struct collector_shape shape = collector__shape(job->object.body);
    job->refs = json_at(job->tree, "metadata", "ownerReferences", NULL);
    if (shape.deleting && shape.foreground) {
        collector__job_foreground(job);
    } else if (shape.deleting && shape.orphan) {
        collector__job_orphan(job);
    } else if (shape.deleting || json_array_size(job->refs) == 0) {
        collector__job_end(job, false);
    } else {
        job->owners = arena_zero(&job->arena, json_array_size(job->refs) * sizeof(*job->owners));
        next_owner(job);
    }
}

void collector__job_start(struct collector_impl *c, struct collector_item *item)
{
    struct collector_job *job = mem_zero(sizeof(*job));
    struct err err = {0};
    int rc = 0;
    job->c = c;
    job->item = item;
    list_push_back(&c->jobs, &job->link);
    c->job_count++;
    loop_task_init(&job->more, on_more);
    job->set = kind_board_use(c->config.kinds, &job->arena);
    job->kinds = &job->set->registry;
    job->kind = kind_by_resource(job->kinds, item->key.key.resource);
    if (!collector__job_read(job, &rc, &err)) {
        if (rc != 0) {
            collector__job_failed(job, "read", rc, &err);
        } else {
            collector__job_end(job, false);
        }
    } else if (job->kind == NULL) { /* nobody can write it */
        collector__note_undecided(c, item->shard, job->set);
        collector__job_end(job, false);
    } else {
        look(job);
    }
}
