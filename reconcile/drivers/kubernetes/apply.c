/* apply.c: one manifest onto the cluster, by server-side apply, fenced.
 *
 *   kind -> plural
 *     -> seen before?  yes: PATCH with the uid and resourceVersion that were seen
 *                      no:  GET; found: the same; not found: PATCH without them, which creates, and
 *                           only while a majority has just confirmed that we lead
 *
 * What says nothing of its replicas any more is looked at first: as long as nobody but us has said
 * how many there are, they are said again, until an autoscaler says another number.
 *
 * What of a StatefulSet or a claim stays as it was made is compared before anything is sent
 * (frozen.h): they are always got first. If all that differs is that volumes are to be larger, they
 * grow (growth.h), and the StatefulSet is made again.
 *
 * The GET is spared for what lives in a namespace, all of whose objects are ours, while a watch
 * shows that there is no such object.
 *
 * An update whose object changed meanwhile is refused by the cluster (409) and reported as
 * ERR_CONFLICT: the engine tries again, looking first, once it has been confirmed anew. Objects of
 * another control plane are left alone, and so are those of another RenderedRelease: names of cells
 * are joined of names that tenants choose, and a type may call its objects as it likes, so two may
 * come to one name. Whose it is already keeps it, until it has given it up. */
#include "reconcile/drivers/kubernetes/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "proto/object.h"
#include "reconcile/drivers/kubernetes/frozen.h"
#include "reconcile/drivers/kubernetes/growth.h"
#include "reconcile/drivers/kubernetes/live.h"
#include "render/run.h"

struct apply {
    struct driver_cluster *c;
    struct driver_op *op;
    struct lookup lookup;
    struct list link; /* in c->applies */
    struct buf key;
    bool gone; /* it went meanwhile, as a watch saw */
    char *uid; /* NULL: to be created */
    char *version;
    int64_t replicas; /* that are kept; less than 0: none */
    struct buf grown; /* what of its volumes, if it is made again for that */
};

static void finish(struct apply *a, int rc, const struct err *err)
{
    struct driver_op *op = a->op;
    list_remove(&a->link);
    lookup_free(&a->lookup);
    buf_free(&a->key);
    buf_free(&a->grown);
    free(a->uid);
    free(a->version);
    free(a);
    op->done(op, rc, err);
}

static json_t *copied_child(json_t *parent, const char *key)
{
    json_t *child = json_copy(json_object_get(parent, key));
    if (child == NULL) {
        child = json_object();
    }
    json_object_set_new(parent, key, child);
    return child;
}

/* Pods of a run's Job have no manifest of their own; what they say when they end is looked for, so
 * they are marked through it. Nothing of it changes from leader to leader: a Job's template may
 * not.
 */
static void mark_pods(const struct apply *a, json_t *body, const char *shard)
{
    if (!slice_eq_cstr(object_kind(body), "Job") || object_label(body, RUN_LABEL).len == 0) {
        return;
    }
    json_t *template = copied_child(copied_child(body, "spec"), "template");
    json_t *metadata = copied_child(template, "metadata");
    json_t *labels = copied_child(metadata, "labels");
    json_object_set_new(labels, DRIVER_LABEL_CONTROL_PLANE,
                        json_string(a->c->config.epoch.cluster));
    json_object_set_new(labels, DRIVER_LABEL_SHARD, json_string(shard));
    json_t *annotations = copied_child(metadata, "annotations");
    json_object_set_new(annotations, DRIVER_ANNOTATION_RELEASE, json_string(a->op->release));
}

/* The manifest with our marks, and with the preconditions of an update. */
static json_t *stamped(const struct apply *a)
{
    const struct driver_config *config = &a->c->config;
    char shard[16];
    snprintf(shard, sizeof(shard), "%u", config->epoch.shard);
    json_t *body = json_copy((json_t *)(uintptr_t)a->op->manifest);
    json_t *metadata = copied_child(body, "metadata");
    json_t *labels = copied_child(metadata, "labels");
    json_object_set_new(labels, DRIVER_LABEL_CONTROL_PLANE, json_string(config->epoch.cluster));
    json_object_set_new(labels, DRIVER_LABEL_SHARD, json_string(shard));
    json_t *annotations = copied_child(metadata, "annotations");
    json_object_set_new(annotations, DRIVER_ANNOTATION_EPOCH, json_str(buf_slice(&a->c->epoch)));
    json_object_set_new(annotations, DRIVER_ANNOTATION_RELEASE, json_string(a->op->release));
    json_object_set_new(annotations, DRIVER_ANNOTATION_REVISION, json_string(a->op->revision));
    if (a->grown.len > 0) {
        json_object_set_new(annotations, DRIVER_ANNOTATION_GROWN, json_str(buf_slice(&a->grown)));
    }
    mark_pods(a, body, shard);
    if (a->replicas >= 0) {
        json_object_set_new(copied_child(body, "spec"), "replicas", json_integer(a->replicas));
    }
    if (a->uid != NULL) {
        json_object_set_new(metadata, "uid", json_string(a->uid));
        json_object_set_new(metadata, "resourceVersion", json_string(a->version));
    }
    return body;
}

/* An answer of success that is about something else is none. */
static int check_answer(struct apply *a, const json_t *live, struct err *err)
{
    struct buf key = {0};
    manifest_key(live, &key);
    bool same = slice_eq(buf_slice(&key), buf_slice(&a->key));
    buf_free(&key);
    return same ? 0
                : err_set(err, ERR_UNAVAILABLE,
                          "the cluster answers, but not with what was applied");
}

static void on_patch(struct request *r, int rc, const struct err *err)
{
    struct apply *a = r->user;
    struct buf message = {0};
    struct err other;
    if (rc == 0) {
        rc = check_answer(a, r->tree, &other);
        err = &other;
    }
    a->op->retry_after_ms = r->retry_after_ms;
    a->op->quoted = rc != 0 && r->status != 0;
    if (rc == ERR_NOT_FOUND) {
        seen_drop(a->c, buf_slice(&a->key), false);
    }
    if (rc == 0 && a->gone && seen_find(a->c, buf_slice(&a->key)) == NULL) {
        /* If it is there all the same, the watch will say so. */
        a->op->object = (struct driver_object){
            .fingerprint = live_fingerprint(r->tree), .message = "", .live = r->tree};
    } else if (rc == 0) {
        seen_put(a->c, r->tree, false, &a->op->object, &message);
    }
    finish(a, rc, err);
    buf_free(&message);
}

static void path_of(const struct apply *a, struct buf *path)
{
    const json_t *m = a->op->manifest;
    resource_path(path, object_api_version(m), a->lookup.resource, object_ns(m), object_name(m));
}

static void send_patch(struct apply *a)
{
    struct err err;
    const struct driver_config *config = &a->c->config;
    if (a->uid == NULL && config->may_create != NULL && !config->may_create(config->user)) {
        err_set(&err, ERR_NOT_LEADER,
                "not created: no majority has confirmed this leader just now");
        finish(a, ERR_NOT_LEADER, &err);
        return;
    }
    struct buf path = {0};
    path_of(a, &path);
    buf_add_cstr(&path, "?fieldManager=" DRIVER_FIELD_MANAGER "&force=true&timeout=5s");
    struct request *r = request_new(a->c, "PATCH", buf_slice(&path), a, on_patch);
    json_t *body = stamped(a);
    request_body(r, BODY_APPLY, body);
    json_decref(body);
    buf_free(&path);
    request_start(r, false);
}

static bool is_anothers(const struct apply *a, struct slice release)
{
    return release.len > 0 && !slice_eq_cstr(release, a->op->release);
}

static void on_room(void *user, int rc, const struct err *err, uint64_t retry_after_ms)
{
    struct apply *a = user;
    a->op->retry_after_ms = retry_after_ms;
    if (rc != 0) {
        finish(a, rc, err);
    } else {
        send_patch(a);
    }
}

/* What was there goes; what is not said of it stays as it was: an autoscaler's number. */
static void grow(struct apply *a, const json_t *live)
{
    const json_t *replicas = json_at(live, "spec", "replicas", NULL);
    if (live_may_keep_replicas(a->op->manifest) && json_is_integer(replicas)) {
        a->replicas = json_integer_value(replicas);
    }
    growth_note(live, a->op->manifest, &a->grown);
    growth_start(a->c, live, a->op->manifest, a->op->release, a, on_room);
}

/* What is there is ours, or nobody's. */
static void apply_to(struct apply *a, const json_t *live)
{
    struct err kept;
    bool grows = false;
    int rc = frozen_check(live, a->op->manifest, &grows, &kept);
    if (rc != 0) {
        finish(a, rc, &kept);
    } else if (grows) {
        grow(a, live);
    } else {
        a->uid = slice_dup(object_uid(live));
        a->version = slice_dup(json_text(json_at(live, "metadata", "resourceVersion", NULL)));
        (void)live_kept_replicas(live, a->op->manifest, &a->replicas);
        send_patch(a);
    }
}

static void on_get(struct request *r, int rc, const struct err *err)
{
    struct apply *a = r->user;
    a->op->retry_after_ms = r->retry_after_ms;
    if (rc == ERR_NOT_FOUND) {
        send_patch(a);
        return;
    }
    if (rc != 0) {
        finish(a, rc, err);
        return;
    }
    struct slice owner = object_label(r->tree, DRIVER_LABEL_CONTROL_PLANE);
    if (owner.len > 0 && !slice_eq_cstr(owner, a->c->config.epoch.cluster)) {
        struct err theirs;
        err_set(&theirs, ERR_EXISTS, "%s belongs to another control plane (%.*s)",
                buf_cstr(&a->key), SLICE_ARG(owner));
        finish(a, ERR_EXISTS, &theirs);
        return;
    }
    struct slice release = object_annotation(r->tree, DRIVER_ANNOTATION_RELEASE);
    if (owner.len > 0 && is_anothers(a, release)) {
        struct err theirs;
        finish(
            a,
            driver_refuse_anothers(buf_slice(&a->key), slice_of(a->op->release), release, &theirs),
            &theirs);
        return;
    }
    apply_to(a, r->tree);
}

static void on_kind(struct lookup *l, int rc, const struct err *err)
{
    struct apply *a = l->user;
    if (rc != 0) {
        finish(a, rc, err);
        return;
    }
    const json_t *m = a->op->manifest;
    if (!l->resource->namespaced && object_ns(m).len > 0) { /* render/ cannot know every kind */
        struct err global;
        err_set(&global, ERR_UNPROCESSABLE,
                "kind %s belongs to no namespace on this cluster: types may make namespaced "
                "objects only",
                l->kind);
        finish(a, ERR_UNPROCESSABLE, &global);
        return;
    }
    const struct driver_seen *seen = map_get(&a->c->seen, buf_slice(&a->key));
    bool anothers = seen != NULL && is_anothers(a, slice_of(seen->release));
    bool look = a->op->look_first || live_may_keep_replicas(m) || frozen_kind(object_kind(m));
    if (seen != NULL && !anothers && !look) {
        a->uid = mem_strdup(seen->uid);
        a->version = mem_strdup(seen->version);
        send_patch(a);
        return;
    }
    if (l->resource->namespaced && seen == NULL && !a->op->look_first &&
        watch_synced(a->c, object_api_version(m), object_kind(m))) {
        send_patch(a);
        return;
    }
    struct buf path = {0};
    path_of(a, &path);
    request_start(request_new(a->c, "GET", buf_slice(&path), a, on_get), false);
    buf_free(&path);
}

void applies_note_gone(struct driver_cluster *c, struct slice key)
{
    LIST_FOREACH(link, &c->applies)
    {
        struct apply *a = CONTAINER_OF(link, struct apply, link);
        a->gone |= slice_eq(buf_slice(&a->key), key);
    }
}

void apply_start(struct driver_cluster *c, struct driver_op *op)
{
    struct apply *a = mem_zero(sizeof(*a));
    a->c = c;
    a->op = op;
    a->replicas = -1;
    a->lookup.user = a;
    a->lookup.found = on_kind;
    manifest_key(op->manifest, &a->key);
    list_push_back(&c->applies, &a->link);
    discovery_find(c, &a->lookup, object_api_version(op->manifest), object_kind(op->manifest));
}
