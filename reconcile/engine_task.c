/* engine_task.c: carrying one plan out.
 *
 *   [drain] -> write, write, ... -> [events] -> [apply or remove on a cluster] -> settle -> done
 *
 * Writes go through the same admission as a client's (defaults, validation, the books of metadata)
 * and through the backend to whichever shard they belong to, with what the plan read as their
 * precondition. The first that fails ends the task, and the key comes back after a while: it will
 * be planned on what is there then. A task settles when the snapshot shows its writes; until then
 * its key is not planned again, so no plan is made on a view older than its own doing. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "proto/admit.h"
#include "reconcile/credentials.h"
#include "reconcile/engine_internal.h"

struct task {
    struct engine_shard *s;
    struct queue_item item; /* the key, while worked on; entry NULL: bootstrap has none */
    enum snapshot_kind kind;
    struct plan *plan;
    size_t next;        /* write */
    json_t *events;     /* Event objects yet to be written */
    struct arena arena; /* of the write under way */
    struct backend_submit submit;
    struct buf old;
    struct buf body;
    char request_id[33];
    uint8_t digest[SHA256_BYTES];
    char subject[32];
    struct buf audit;
    enum plan_verb verb;
    void (*written)(struct task *t, int rc, const struct err *err);
    uint64_t last_version; /* of our writes to this shard */
    uint64_t settle_until_ms;
    struct list link; /* in shard.settling */
    enum queue_result result;
    /* draining */
    const struct kind_set *drain_kinds; /* NULL until it drains */
    size_t drain_kind;
    struct backend_list list;
    json_t *found; /* names of the page */
    bool drained_any;
    bool refused;          /* a write is, and nothing is left but to tell it */
    struct buf drain_name; /* the last one of a page that is not the last */
};

static void step(struct task *t);

/* ---- the end ---- */

static void end(struct task *t)
{
    struct engine_shard *s = t->s;
    if (t->item.entry != NULL) {
        queue_done(&s->queue, &t->item, t->result, engine_mono_ms(s->e));
    } else if (t->result != QUEUE_DONE) {
        s->bootstrap_due_ms = engine_mono_ms(s->e) + BOOTSTRAP_RETRY_MS;
    }
    plan_free(t->plan);
    free(t->plan);
    json_decref(t->events);
    json_decref(t->found);
    buf_free(&t->old);
    buf_free(&t->body);
    buf_free(&t->audit);
    buf_free(&t->drain_name);
    if (t->drain_kinds != NULL) {
        kind_set_unref(t->drain_kinds);
    }
    arena_free(&t->arena);
    free(t);
    s->tasks--;
    shard_pump(s);
    shard_check_closed(s);
}

static void settle(struct task *t, enum queue_result result)
{
    struct engine_shard *s = t->s;
    t->result = result;
    if (!s->closing && t->last_version > s->version) {
        t->settle_until_ms = engine_mono_ms(s->e) + SETTLE_TIMEOUT_MS;
        list_push_back(&s->settling, &t->link);
        shard_pump(s);
        return;
    }
    end(t);
}

void tasks_settle(struct engine_shard *s)
{
    uint64_t now_ms = engine_mono_ms(s->e);
    struct list ready;
    struct list *link;
    list_init(&ready);
    LIST_FOREACH(l, &s->settling)
    {
        struct task *t = CONTAINER_OF(l, struct task, link);
        if (s->closing || t->last_version <= s->version || now_ms >= t->settle_until_ms) {
            list_remove(l);
            list_push_back(&ready, l);
        }
    }
    while ((link = list_pop_front(&ready)) != NULL) {
        end(CONTAINER_OF(link, struct task, link));
    }
}

/* ---- one write ---- */

static void on_submitted(struct backend_submit *submit, int rc, const struct err *err)
{
    struct task *t = submit->user;
    const struct engine_config *c = &t->s->e->config;
    struct slice ns = submit->key.ns;
    bool here = ns.len == 0 || c->shard_of == NULL ? t->s->id == 0 || c->shard_count == 1
                                                   : c->shard_of(c->user, ns) == t->s->id;
    metric_add(t->s->e->metrics.writes[snapshot_kind_of(submit->key.resource)], 1);
    metric_add(t->s->e->metrics.conflicts, rc != 0 ? 1 : 0);
    if (rc == 0 && here && submit->version > t->last_version) {
        t->last_version = submit->version;
    }
    t->written(t, rc, err);
}

static void submit(struct task *t, const struct kind *kind, const struct admit_result *result)
{
    struct engine_shard *s = t->s;
    uint8_t random[16];
    struct buf hex = {0};
    crypto_random(random, sizeof(random));
    hex_encode(&hex, slice_make(random, sizeof(random)));
    memcpy(t->request_id, buf_cstr(&hex), sizeof(t->request_id));
    buf_free(&hex);
    buf_clear(&t->body);
    buf_add(&t->body, result->body);
    crypto_sha256(buf_slice(&t->body), t->digest);
    snprintf(t->subject, sizeof(t->subject), "system:shard-%u", s->id);
    static const char *const verbs[] = {
        [BACKEND_CREATE] = "create", [BACKEND_UPDATE] = "update", [BACKEND_DELETE] = "delete"};
    buf_clear(&t->audit);
    buf_addf(&t->audit, "{\"from\":\"reconcile\",\"user\":\"%s\",\"verb\":\"%s\"}", t->subject,
             verbs[result->verb]);
    /* Names live in the plan or the request's arena: both outlive the write. */
    t->submit.loop = s->e->config.loop;
    t->submit.key.resource = kind->resource;
    t->submit.key.name = result->name;
    t->submit.verb = result->verb;
    t->submit.body = buf_slice(&t->body);
    t->submit.splice = result->splice;
    t->submit.if_version = result->if_version;
    t->submit.if_uid = result->if_uid;
    t->submit.client_made = result->client_made;
    t->submit.subject = slice_of(t->subject);
    t->submit.request_id = slice_of(t->request_id);
    t->submit.issued_ms = engine_wall_ms(s->e);
    t->submit.request_digest = slice_make(t->digest, sizeof(t->digest));
    t->submit.audit = buf_slice(&t->audit);
    t->submit.deadline_ms = engine_mono_ms(s->e) + SUBMIT_TIMEOUT_MS;
    t->submit.user = t;
    t->submit.done = on_submitted;
    struct backend *b = s->e->config.backend;
    b->ops->submit(b, &t->submit);
}

struct write {
    enum plan_verb verb;
    const struct kind *kind;
    struct slice ns;
    struct slice name;
    const struct backend_object *old;
    const json_t *before; /* old as a tree; NULL: not at hand */
    const json_t *object;
};

/* Admits and submits; t->written runs later, unless this returns non-zero. */
static int write_start(struct task *t, const struct write *w, struct err *err)
{
    static const enum admit_op ops[] = {
        [PLAN_CREATE] = ADMIT_CREATE, [PLAN_UPDATE] = ADMIT_UPDATE, [PLAN_DELETE] = ADMIT_DELETE};
    arena_free(&t->arena);
    struct admit_request request = {.arena = &t->arena,
                                    .kind = w->kind,
                                    .op = ops[w->verb],
                                    .ns = arena_copy(&t->arena, w->ns),
                                    .name = w->verb == PLAN_CREATE ? (struct slice){0}
                                                                   : arena_copy(&t->arena, w->name),
                                    .old = w->old,
                                    .before = (json_t *)(uintptr_t)w->before,
                                    .incoming = w->object,
                                    .system = true,
                                    .validation = ADMIT_IGNORE,
                                    .now_ms = engine_wall_ms(t->s->e)};
    uint8_t random[5];
    crypto_uuid(request.uid);
    crypto_random(random, sizeof(random));
    admit_suffix(random, request.suffix);
    struct admit_result result = {0};
    int rc = admit(&request, &result, err);
    if (rc == 0 && result.changed) {
        t->submit = (struct backend_submit){.key = {.ns = request.ns}};
        submit(t, w->kind, &result);
        return 0;
    }
    return rc != 0 ? rc : ERR_EXISTS; /* nothing to change: as good as done */
}

/* ---- the plan's writes ---- */

static bool harmless(enum plan_verb verb, int rc)
{
    return (verb == PLAN_CREATE && rc == ERR_EXISTS) ||
           (verb == PLAN_DELETE && rc == ERR_NOT_FOUND);
}

/* Refused for what it says: the next plan will say the same, until somebody changes something. */
static bool is_refusal(int rc)
{
    return rc == ERR_UNPROCESSABLE || rc == ERR_INVALID || rc == ERR_FORBIDDEN ||
           rc == ERR_TOO_LARGE;
}

/* Now and then: what is told already is found there, but to look costs the log an entry. */
static bool is_to_be_told(const struct queue_item *item)
{
    enum { FIRST = 4, EVERY = 16 };
    return item->entry != NULL && (item->failures < FIRST || item->failures % EVERY == 0);
}

/* Nothing else of the plan is carried out but an Event on the key's object, which says why. */
static void tell_refusal(struct task *t, const struct plan_write *w, const struct err *err)
{
    struct slice rest = slice_sub(t->item.key, 1, t->item.key.len);
    struct slice ns;
    slice_split(&rest, '/', &ns);
    const json_t *regarding = snapshot_get(t->s->snap, t->kind, ns, rest);
    json_array_clear(t->events);
    if (regarding != NULL) {
        json_array_append_new(t->events, event_of_refusal(t->s, regarding, w, err->message));
    }
    t->refused = true;
    t->next = t->plan->write_count;
    step(t);
}

static void on_written(struct task *t, int rc, const struct err *err)
{
    if (rc != 0 && !harmless(t->verb, rc)) {
        const struct plan_write *w = &t->plan->writes[t->next];
        bool common = rc == ERR_CONFLICT || rc == ERR_NOT_FOUND || t->s->closing;
        log_event(common ? LOG_DEBUG : LOG_WARN, "reconcile.write",
                  "shard=%u kind=%s object=%.*s/%.*s error=%s", t->s->id,
                  snapshot_kind_name(w->kind), SLICE_ARG(w->ns), SLICE_ARG(w->name),
                  log_q(err->message));
        if (is_refusal(rc) && is_to_be_told(&t->item) && !t->s->closing) {
            tell_refusal(t, w, err);
        } else {
            settle(t, QUEUE_RETRY);
        }
        return;
    }
    t->next++;
    step(t);
}

static void write_next(struct task *t)
{
    struct engine_shard *s = t->s;
    const struct plan_write *w = &t->plan->writes[t->next];
    const struct snapshot_entry *entry = snapshot_find(s->snap, w->kind, w->ns, w->name);
    struct backend_object old = {0};
    struct err err = {0};
    int rc = 0;
    struct write write = {.verb = w->verb, .ns = w->ns, .name = w->name, .object = w->object};
    write.kind = kind_by_resource(s->e->config.kinds->fixed, slice_of(snapshot_resource(w->kind)));
    t->verb = w->verb;
    t->written = on_written;
    if (w->credentials != NULL) {
        credentials_make(w->object, w->credentials);
    }
    if (write.kind == NULL) {
        rc = err_set(&err, ERR_INTERNAL, "kind %s is not served", snapshot_kind_name(w->kind));
    } else if (w->verb != PLAN_CREATE) {
        if (entry == NULL) {
            rc = err_set(&err, ERR_NOT_FOUND, "it is gone");
        } else if (w->if_version != 0 && entry->version != w->if_version) {
            rc = err_set(&err, ERR_CONFLICT, "it changed since it was planned");
        } else {
            buf_clear(&t->old);
            rc = snapshot_body(s->snap, entry, &t->old, &err);
            old = (struct backend_object){
                .key = {.resource = write.kind->resource, .ns = entry->ns, .name = entry->name},
                .body = buf_slice(&t->old),
                .version = entry->version};
            rc = rc == 0 ? object_splice(old.body, &old.splice, &err) : rc;
            write.old = &old;
            write.before = snapshot_tree(s->snap, entry);
        }
    }
    if (rc == 0) {
        rc = write_start(t, &write, &err);
        rc = rc == ERR_EXISTS && w->verb != PLAN_CREATE ? -1 : rc; /* changes nothing */
    }
    if (rc == -1) {
        t->next++;
        step(t);
    } else if (rc != 0) {
        on_written(t, rc, &err);
    }
}

/* ---- events: told once, never retried ---- */

static void on_event(struct task *t, int rc, const struct err *err)
{
    if (rc != 0) {
        log_debug("reconcile.event", "shard=%u error=%s", t->s->id, log_q(err->message));
    }
    json_array_remove(t->events, 0);
    step(t);
}

static void write_event(struct task *t)
{
    const json_t *event = json_array_get(t->events, 0);
    struct err err = {0};
    struct write write = {
        .verb = PLAN_CREATE,
        .kind = kind_by_type(t->s->e->config.kinds->fixed, SLICE("v1"), SLICE("Event")),
        .ns = object_ns(event),
        .name = object_name(event),
        .object = event};
    t->written = on_event;
    int rc = write.kind == NULL ? err_set(&err, ERR_NOT_FOUND, "events are not served")
                                : write_start(t, &write, &err);
    if (rc != 0) {
        on_event(t, rc, &err);
    }
}

/* ---- draining a namespace of the kinds that snapshots do not hold ---- */

static void drain_next(struct task *t);

static void drain_row(struct backend_list *list, const struct backend_object *object)
{
    struct task *t = list->user;
    json_array_append_new(
        t->found, json_pack("{s:o, s:o, s:I, s:I}", "name", json_str(object->key.name), "body",
                            json_str(object->body), "splice", (json_int_t)object->splice, "version",
                            (json_int_t)object->version));
}

static void on_drained(struct task *t, int rc, const struct err *err)
{
    if (rc != 0 && rc != ERR_NOT_FOUND) {
        log_debug("reconcile.drain", "shard=%u error=%s", t->s->id, log_q(err->message));
    }
    json_array_remove(t->found, 0);
    drain_next(t);
}

static void drain_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct task *t = list->user;
    if (rc != 0 || t->s->closing) {
        log_debug("reconcile.drain", "shard=%u error=%s", t->s->id,
                  log_q(rc != 0 ? err->message : "closing"));
        settle(t, QUEUE_RETRY);
        return;
    }
    /* A long list goes on behind this page's last name, so that what cannot go (a finalizer holds
     * it) is met once. */
    size_t count = json_array_size(t->found);
    buf_clear(&t->drain_name);
    if (list->more && count > 0) {
        const json_t *last = json_array_get(t->found, count - 1);
        buf_add(&t->drain_name, json_text_at(last, "name"));
    } else {
        t->drain_kind++;
    }
    drain_next(t);
}

static void drain_one(struct task *t)
{
    const json_t *row = json_array_get(t->found, 0);
    const struct kind *kind = kind_by_resource(&t->drain_kinds->registry, t->list.resource);
    const struct backend_object old = {
        .key = {.resource = kind->resource,
                .ns = t->plan->drain_ns,
                .name = json_text_at(row, "name")},
        .body = json_text_at(row, "body"),
        .splice = (uint32_t)json_integer_value(json_object_get(row, "splice")),
        .version = (uint64_t)json_integer_value(json_object_get(row, "version"))};
    const struct write write = {
        .verb = PLAN_DELETE, .kind = kind, .ns = old.key.ns, .name = old.key.name, .old = &old};
    struct err err = {0};
    t->drained_any = true;
    t->written = on_drained;
    int rc = write_start(t, &write, &err);
    if (rc != 0) {
        on_drained(t, rc, &err);
    }
}

static void drain_next(struct task *t)
{
    const struct engine_config *c = &t->s->e->config;
    if (json_array_size(t->found) > 0) {
        drain_one(t);
        return;
    }
    if (t->drain_kinds == NULL) {
        t->drain_kinds = kind_board_get(c->kinds);
    }
    const struct kind_registry *kinds = &t->drain_kinds->registry;
    for (; t->drain_kind < kind_registry_count(kinds); t->drain_kind++) {
        const struct kind *kind = kind_registry_at(kinds, t->drain_kind);
        bool first = kind_by_resource(kinds, kind->resource) == kind; /* of its versions */
        if (first && kind->namespaced && (kind->verbs & KIND_LIST) != 0 &&
            (kind->verbs & KIND_DELETE) != 0 &&
            snapshot_kind_of(kind->resource) == SNAPSHOT_KIND_COUNT) {
            t->list = (struct backend_list){
                .loop = c->loop,
                .resource = kind->resource,
                .ns = t->plan->drain_ns,
                .after_ns = t->drain_name.len > 0 ? t->plan->drain_ns : (struct slice){0},
                .after_name = buf_slice(&t->drain_name),
                .limit = 100,
                .deadline_ms = engine_mono_ms(t->s->e) + SUBMIT_TIMEOUT_MS,
                .user = t,
                .row = drain_row,
                .done = drain_listed};
            c->backend->ops->list(c->backend, &t->list);
            return;
        }
    }
    if (t->drained_any) {
        settle(t, QUEUE_RETRY); /* look whether anything is left */
        return;
    }
    t->plan->drain_ns = (struct slice){0};
    step(t);
}

/* ---- the course of a task ---- */

static void step(struct task *t)
{
    struct plan *plan = t->plan;
    if (t->s->closing) {
        settle(t, QUEUE_RETRY);
    } else if (plan->drain_ns.len > 0) {
        drain_next(t);
    } else if (t->next < plan->write_count) {
        write_next(t);
    } else if (json_array_size(t->events) > 0) {
        write_event(t);
    } else if (t->refused) {
        settle(t, QUEUE_RETRY);
    } else if (plan->desired.action != PLAN_NOTHING) {
        struct slice rest = slice_sub(t->item.key, 1, t->item.key.len);
        struct slice ns;
        slice_split(&rest, '/', &ns);
        apply_begin(t, t->s, ns, rest, &plan->desired);
    } else {
        settle(t, QUEUE_DONE);
    }
}

void task_applied(struct task *t, bool again)
{
    t->plan->desired.action = PLAN_NOTHING;
    settle(t, again ? QUEUE_RETRY : QUEUE_DONE);
}

/* Copies what the plan borrows from the snapshot, which moves on while the task is under way. */
static void detach(struct plan *plan)
{
    struct arena *a = &plan->arena;
    for (size_t i = 0; i < plan->write_count; i++) {
        plan->writes[i].ns = arena_copy(a, plan->writes[i].ns);
        plan->writes[i].name = arena_copy(a, plan->writes[i].name);
    }
    plan->desired.plane = arena_copy(a, plan->desired.plane);
    plan->desired.cluster = arena_copy(a, plan->desired.cluster);
    plan->drain_ns = arena_copy(a, plan->drain_ns);
}

void task_start(struct engine_shard *s, const struct queue_item *item, enum snapshot_kind kind,
                struct plan *plan)
{
    struct task *t = mem_zero(sizeof(*t));
    t->s = s;
    t->kind = kind;
    t->plan = plan;
    t->events = json_array();
    t->found = json_array();
    list_init(&t->link);
    if (item != NULL) {
        t->item = *item;
    }
    for (size_t i = 0; i < plan->event_count; i++) {
        const struct plan_event *e = &plan->events[i];
        if (e->warning) { /* on record also where the namespace takes no events any more */
            log_warn("reconcile.warning", "shard=%u object=%.*s/%.*s reason=%s message=%s", s->id,
                     SLICE_ARG(object_ns(e->regarding)), SLICE_ARG(object_name(e->regarding)),
                     e->reason, log_q(e->message));
        }
        json_array_append_new(t->events, event_of_plan(s, e));
    }
    detach(plan);
    s->tasks++;
    step(t);
}
