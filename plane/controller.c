/* controller.c: items, and what is done about them.
 *
 * Happy path: an event makes or renews an item; looking at it parses its bytes, brings the status
 * up to date and, if that changed something, submits it; its children are made once per generation.
 * A tick looks at the items whose time has come and starts the CronJobs' Jobs.
 * Failure path: a write that does not succeed is forgotten: the event of what came between, or the
 * next look, mends it; its owner looks at its children again.
 * Invariant: at most one write per item is under way. */
#include "plane/controller.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "plane/controller_internal.h"
#include "proto/object.h"

enum { TICK_MS = 25, IDLE_TICK_MS = 1000, HISTORY_JOBS = 3 };

uint64_t controller__now(const struct controller *c)
{
    return c->config.clock->wall_ms(c->config.clock);
}

static struct workload_view view_of(const struct controller *c, const struct item *item)
{
    return (struct workload_view){.now_ms = controller__now(c),
                                  .since_ms = item->since_ms,
                                  .delay_ms = c->config.ready_delay_ms,
                                  .never_ready = c->never_ready,
                                  .pods_max = c->config.pods_max};
}

/* ---- items ---- */

static void key_text(enum workload_kind kind, const struct backend_key *key, struct buf *out)
{
    buf_addf(out, "%s/%.*s/%.*s", workload_resources[kind], SLICE_ARG(key->ns),
             SLICE_ARG(key->name));
}

struct item *controller__find(struct controller *c, enum workload_kind kind,
                              const struct backend_key *key)
{
    struct buf text = {0};
    key_text(kind, key, &text);
    struct item *item = map_get(&c->items, buf_slice(&text));
    buf_free(&text);
    return item;
}

static struct item *item_of(struct controller *c, enum workload_kind kind,
                            const struct backend_key *key)
{
    struct item *item = controller__find(c, kind, key);
    if (item == NULL) {
        struct buf text = {0};
        key_text(kind, key, &text);
        item = mem_zero(sizeof *item);
        item->kind = kind;
        item->key = buf_take(&text);
        list_init(&item->timed);
        (void)map_put(&c->items, slice_of(item->key), item);
    }
    return item;
}

static void free_item(struct controller *c, struct item *item)
{
    (void)map_remove(&c->items, slice_of(item->key));
    list_remove(&item->timed);
    buf_free(&item->body);
    free(item->key);
    free(item);
}

/* An object that is ready as it is stays so: this process may be younger than it. */
static void renew(struct item *item, const json_t *tree, uint64_t now_ms)
{
    const json_t *owners = json_at(tree, "metadata", "ownerReferences", NULL);
    struct slice uid = object_uid(tree);
    struct slice owner = json_text_at(json_array_get(owners, 0), "uid");
    if (!slice_eq_cstr(uid, item->uid) || object_generation(tree) != item->generation) {
        item->since_ms = workload_settled(item->kind, tree) ? 0 : now_ms;
        item->childless = true;
    }
    item->generation = object_generation(tree);
    (void)snprintf(item->uid, sizeof item->uid, "%.*s", SLICE_ARG(uid));
    (void)snprintf(item->owner_uid, sizeof item->owner_uid, "%.*s", SLICE_ARG(owner));
}

struct item *controller__take(struct controller *c, enum workload_kind kind,
                              const struct backend_object *object)
{
    struct item *item = item_of(c, kind, &object->key);
    json_t *tree;
    struct err err;
    if (object_parse(object->body, 0, &tree, &err) != 0) {
        log_warn("plane.object", "key=%s error=%s", item->key, log_q(err.message));
        free_item(c, item);
        return NULL;
    }
    renew(item, tree, controller__now(c));
    item->version = object->version;
    buf_clear(&item->body);
    buf_add(&item->body, object->body);
    json_decref(tree);
    return item;
}

/* Has the item looked at again at its due time. */
static void await(struct controller *c, struct item *item)
{
    if (!list_linked(&item->timed)) {
        list_push_back(&c->timed, &item->timed);
    }
    if (!c->ticking_fast && !c->closing) {
        c->ticking_fast = true;
        loop_timer_start(&c->tick, TICK_MS, TICK_MS);
    }
}

/* Has the children of an item made, or changed, again. */
static void renew_children(struct controller *c, struct item *item)
{
    item->childless = true;
    item->due_ms = controller__now(c);
    await(c, item);
}

static void renew_owner(struct controller *c, const struct item *item)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (item->owner_uid[0] != '\0' && map_next(&c->items, &cursor, &key, &value)) {
        struct item *other = value;
        if (strcmp(other->uid, item->owner_uid) == 0) {
            renew_children(c, other);
        }
    }
}

void controller__drop(struct controller *c, struct item *item)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    renew_owner(c, item);
    while (map_next(&c->items, &cursor, &key, &value)) {
        struct item *other = value;
        if (item->uid[0] != '\0' && strcmp(other->owner_uid, item->uid) == 0) {
            controller__delete(c, other);
        }
    }
    if (item->busy) {
        item->uid[0] = '\0'; /* freed by the write under way */
        item->body.len = 0;
        return;
    }
    free_item(c, item);
}

/* ---- looking ---- */

static bool is_wanted(const json_t *children, const struct item *item)
{
    for (size_t i = 0; i < json_array_size(children); i++) {
        const json_t *child = json_array_get(children, i);
        struct slice name = object_name(child);
        const char *last = strrchr(item->key, '/');
        if (item->kind == workload_kind_of(child) && last != NULL &&
            slice_eq_cstr(name, last + 1)) {
            return true;
        }
    }
    return false;
}

/* Deletes the children that are wanted no longer. */
static void delete_surplus(struct controller *c, const struct item *item, const json_t *children)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->items, &cursor, &key, &value)) {
        struct item *other = value;
        if (strcmp(other->owner_uid, item->uid) == 0 && !is_wanted(children, other)) {
            controller__delete(c, other);
        }
    }
}

/* A ReplicaSet's replicas follow its Deployment's; as soon as it is known what they are, if a write
 * of it is under way. */
static void follow_replicas(struct controller *c, struct item *deployment, struct item *set,
                            const json_t *child)
{
    if (set->busy) {
        renew_children(c, deployment);
        return;
    }
    const json_t *wanted = json_at(child, "spec", "replicas", NULL);
    json_t *live;
    struct err err;
    if (object_parse(buf_slice(&set->body), 0, &live, &err) != 0) {
        return;
    }
    json_t *spec = json_child(live, "spec");
    if (spec != NULL && !json_equal(json_object_get(spec, "replicas"), wanted)) {
        json_object_set_new(spec, "replicas", json_deep_copy(wanted));
        json_object_set_new(json_child(live, "metadata"), "generation",
                            json_integer(set->generation + 1));
        controller__update(c, set, live);
    }
    json_decref(live);
}

static void look_children(struct controller *c, struct item *item, const json_t *tree)
{
    struct workload_view view = view_of(c, item);
    item->childless = false;
    bool ends = item->kind == WORKLOAD_JOB || item->kind == WORKLOAD_ARGO;
    bool parent = item->kind < WORKLOAD_POD && item->kind != WORKLOAD_CRON_JOB;
    if (ends ? workload_settled(item->kind, tree) : !parent) {
        return;
    }
    json_t *children = workload_children(item->kind, tree, &view);
    delete_surplus(c, item, children);
    for (size_t i = 0; i < json_array_size(children); i++) {
        json_t *child = json_array_get(children, i);
        struct buf key = {0};
        buf_addf(&key, "%s/%.*s/%.*s", workload_resources[workload_kind_of(child)],
                 SLICE_ARG(object_ns(child)), SLICE_ARG(object_name(child)));
        struct item *there = map_get(&c->items, buf_slice(&key));
        if (there == NULL) {
            /* Volumes outlive the StatefulSet whose templates they are made from. */
            bool volume = workload_kind_of(child) == WORKLOAD_CLAIM;
            controller__create(c, workload_kind_of(child), child, volume ? NULL : tree);
        } else if (there->kind == WORKLOAD_REPLICA_SET) {
            follow_replicas(c, item, there, child);
        } else if (!controller__adopt(c, there, tree)) {
            renew_children(c, item);
        }
        buf_free(&key);
    }
    json_decref(children);
}

/* `kubectl delete --cascade=foreground` waits for its dependents by a finalizer that is ours. */
static bool end_foreground(struct controller *c, struct item *item, json_t *tree)
{
    if (!object_deleting(tree) || !object_has_finalizer(tree, "foregroundDeletion")) {
        return false;
    }
    object_remove_finalizer(tree, "foregroundDeletion");
    const json_t *left = json_at(tree, "metadata", "finalizers", NULL);
    if (json_array_size(left) == 0) {
        controller__delete(c, item);
    } else {
        controller__update(c, item, tree);
    }
    return true;
}

void controller__look(struct controller *c, struct item *item)
{
    json_t *tree;
    struct err err;
    if (item->busy) {
        item->again = true;
        return;
    }
    if (c->closing || item->body.len == 0 ||
        object_parse(buf_slice(&item->body), 0, &tree, &err) != 0) {
        return;
    }
    struct workload_view view = view_of(c, item);
    if (!end_foreground(c, item, tree) && !controller__end_orphan(c, item, tree)) {
        if (workload_look(item->kind, tree, &view, &item->due_ms)) {
            controller__update(c, item, tree);
        }
        if (item->childless && !object_deleting(tree)) {
            look_children(c, item, tree);
        }
    }
    json_decref(tree);
    if (item->due_ms > 0) {
        await(c, item);
    }
}

void controller__written(struct controller *c, const char *item_key, int rc)
{
    struct item *item = item_key != NULL ? map_get(&c->items, slice_of(item_key)) : NULL;
    if (item == NULL) {
        return;
    }
    item->busy = false;
    if (rc != 0) {
        renew_owner(c, item); /* whose wish it may have been */
    }
    if (item->uid[0] == '\0') {
        free_item(c, item);
    } else if (item->again) {
        item->again = false;
        controller__look(c, item);
    }
}

/* ---- time ---- */

/* The oldest finished Jobs of a CronJob go. */
static void trim_jobs(struct controller *c, const struct item *cron_job)
{
    struct item *oldest = NULL;
    size_t count = 0;
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->items, &cursor, &key, &value)) {
        struct item *other = value;
        if (strcmp(other->owner_uid, cron_job->uid) == 0) {
            count++;
            if (oldest == NULL || strcmp(other->key, oldest->key) < 0) {
                oldest = other; /* the minute is in the name */
            }
        }
    }
    if (count > HISTORY_JOBS) {
        controller__delete(c, oldest);
    }
}

static void run_cron_job(struct controller *c, struct item *item, uint64_t minute)
{
    json_t *tree;
    struct err err;
    if (item->busy || object_parse(buf_slice(&item->body), 0, &tree, &err) != 0) {
        return;
    }
    json_t *job = workload_due_job(tree, minute);
    if (job != NULL) {
        char text[21];
        clock_rfc3339(minute * 60000, text);
        controller__create(c, WORKLOAD_JOB, job, tree);
        trim_jobs(c, item);
        json_object_set_new(json_child(tree, "status"), "lastScheduleTime", json_string(text));
        controller__update(c, item, tree);
        json_decref(job);
    }
    json_decref(tree);
}

static void run_cron_jobs(struct controller *c, uint64_t minute)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->items, &cursor, &key, &value)) {
        struct item *item = value;
        if (item->kind == WORKLOAD_CRON_JOB) {
            run_cron_job(c, item, minute);
        }
    }
}

static void on_tick(struct loop_timer *timer)
{
    struct controller *c = CONTAINER_OF(timer, struct controller, tick);
    uint64_t now = controller__now(c);
    LIST_FOREACH(link, &c->timed)
    {
        struct item *item = CONTAINER_OF(link, struct item, timed);
        if (now >= item->due_ms) {
            list_remove(&item->timed);
            item->due_ms = 0;
            controller__look(c, item);
        }
    }
    if (list_empty(&c->timed) && c->ticking_fast) {
        c->ticking_fast = false;
        loop_timer_start(&c->tick, IDLE_TICK_MS, IDLE_TICK_MS);
    }
    if (now / 60000 != c->minute) {
        c->minute = now / 60000;
        run_cron_jobs(c, c->minute);
    }
}

/* ---- settings, start, end ---- */

static void free_patterns(struct controller *c)
{
    for (size_t i = 0; i < CONTROLLER_PATTERNS_MAX; i++) {
        free((void *)(uintptr_t)c->never_ready[i]);
        c->never_ready[i] = NULL;
    }
}

void controller_set_never_ready(struct controller *c, const char *const *patterns, size_t count)
{
    free_patterns(c);
    for (size_t i = 0; i < count && i < CONTROLLER_PATTERNS_MAX; i++) {
        c->never_ready[i] = mem_strdup(patterns[i]);
    }
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->items, &cursor, &key, &value)) {
        controller__look(c, value);
    }
}

void controller_start(struct controller *c, struct loop *loop,
                      const struct controller_config *config)
{
    *c = (struct controller){.loop = loop, .config = *config};
    if (c->config.clock == NULL) {
        c->config.clock = &clock_system;
    }
    list_init(&c->timed);
    c->minute = controller__now(c) / 60000;
    loop_timer_init(loop, &c->tick, on_tick);
    loop_timer_start(&c->tick, IDLE_TICK_MS, IDLE_TICK_MS);
    c->parts_open = 1; /* the tick; each source is one more */
    controller__feed_start(c);
}

void controller__part_closed(struct controller *c)
{
    if (--c->parts_open > 0) {
        return;
    }
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->items, &cursor, &key, &value)) {
        struct item *item = value;
        list_remove(&item->timed);
        buf_free(&item->body);
        free(item->key);
        free(item);
    }
    map_free(&c->items);
    free_patterns(c);
    free(c->sources);
    c->closed(c);
}

static void on_tick_closed(struct loop_timer *timer)
{
    controller__part_closed(CONTAINER_OF(timer, struct controller, tick));
}

void controller_close(struct controller *c, void (*closed)(struct controller *c))
{
    assert(!c->closing);
    c->closing = true;
    c->closed = closed;
    controller__feed_stop(c);
    loop_timer_close(&c->tick, on_tick_closed);
}
