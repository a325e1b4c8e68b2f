/* engine_watch.c: what a shard does about what it sees on clusters: drift and left-overs.
 *
 * What a watch tells of an object is compared with the inventory of its RenderedRelease: an unknown
 * fingerprint is looked at closely (does the object still say what the manifest says?), and if it
 * does not, or the object is gone, that is drift, and the release is applied again: at once, unless
 * that was undone before (dispute.h). What cannot be judged, or changed or went while nobody
 * watched, is found by the releases' plans. Objects whose release is not there any more are
 * left-overs: they are deleted, but not before the shard has been led for sweep_delay_ms, when
 * nothing of a former leader is under way any more.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "reconcile/controllers/rendered.h"
#include "reconcile/engine_internal.h"

enum { PROGRESS_DELAY_MS = 500 };

/* ---- drift ---- */

static const json_t *inventory_of(struct engine_shard *s, const struct snapshot_entry *e)
{
    struct work *w = work_get(s, e->ns, e->name, false);
    if (w != NULL && w->resources != NULL) {
        return w->resources;
    }
    return json_at(snapshot_tree(s->snap, e), "status", "resources", NULL);
}

static const json_t *inventory_row(const json_t *inventory, struct slice key)
{
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)inventory, i, row)
    {
        if (slice_eq(json_text_at(row, "id"), key)) {
            return row;
        }
    }
    return NULL;
}

/* What a change of an object on a cluster is to its release. */
enum change { CHANGE_FITS, CHANGE_DRIFTS, CHANGE_UNJUDGED };

static bool was_applied(struct engine_shard *s, const struct snapshot_entry *e,
                        const json_t *manifests)
{
    const struct work *w = work_get(s, e->ns, e->name, false);
    struct slice told =
        json_text(json_at(snapshot_tree(s->snap, e), "status", "appliedHash", NULL));
    char hash[65];
    deployment_hash(manifests, hash);
    return slice_eq_cstr(w != NULL && w->hash[0] != '\0' ? slice_of(w->hash) : told, hash);
}

/* As long as the release cannot be rendered (a Secret is missing, say), or is yet to be applied,
 * nobody knows what is right: the inventory stays as it is, so that the plan after it finds the
 * difference. */
static enum change judge(struct engine_shard *s, const struct snapshot_entry *e,
                         const struct driver_object *object)
{
    struct arena arena = {0};
    struct buf key = {0};
    json_t *manifests = NULL;
    const char *reason;
    struct err err;
    enum change change = CHANGE_UNJUDGED;
    if (rendered_manifests(s->snap, snapshot_tree(s->snap, e), &arena, &manifests, &reason, &err) ==
            0 &&
        was_applied(s, e, manifests)) {
        size_t i;
        json_t *manifest;
        change = CHANGE_FITS; /* what is not wanted goes anyway */
        json_array_foreach(manifests, i, manifest)
        {
            buf_clear(&key);
            manifest_key(manifest, &key);
            if (slice_eq(buf_slice(&key), object->key)) {
                change = driver_kubernetes.satisfies(object->live, manifest) ? CHANGE_FITS
                                                                             : CHANGE_DRIFTS;
            }
        }
    }
    json_decref(manifests);
    buf_free(&key);
    arena_free(&arena);
    return change;
}

static const struct snapshot_entry *release_of(struct engine_shard *s, struct slice release)
{
    struct slice rest = release;
    struct slice ns;
    if (!slice_split(&rest, '/', &ns)) {
        return NULL;
    }
    return snapshot_find(s->snap, SNAPSHOT_RENDERED, ns, rest);
}

/* Does the release's status say of the object what is seen of it? Numbers in flux do not count. */
static bool told(const json_t *rendered, const struct driver_object *object)
{
    const json_t *row = inventory_row(json_at(rendered, "status", "resources", NULL), object->key);
    return slice_eq_cstr(json_text_at(row, "healthStatus"), world_health_name(object->health));
}

/* Notes in the inventory that the object is like this now, and rightly so. */
static void accept_change(struct engine_shard *s, const struct snapshot_entry *e, struct slice key,
                          const char *fingerprint)
{
    struct work *w = work_get(s, e->ns, e->name, true);
    const json_t *before = inventory_of(s, e);
    json_t *after = json_deep_copy(before);
    json_t *row = (json_t *)(uintptr_t)inventory_row(after, key);
    json_object_set_new(row, "hash", json_string(fingerprint));
    if (w->hash[0] == '\0') {
        struct slice hash =
            json_text(json_at(snapshot_tree(s->snap, e), "status", "appliedHash", NULL));
        snprintf(w->hash, sizeof(w->hash), "%.*s", SLICE_ARG(hash));
    }
    json_decref(w->resources);
    w->resources = after;
}

/* A cluster may mark its objects as it likes: of what is on another one it knows nothing. */
static bool is_on(const struct engine_shard *s, const struct snapshot_entry *e,
                  const struct engine_cluster *c)
{
    const json_t *rendered = snapshot_tree(s->snap, e);
    return slice_eq_cstr(spec_text(rendered, "dataPlane"), c->plane) &&
           slice_eq_cstr(spec_text(rendered, "cluster"), c->name);
}

void cluster_on_object(void *user, const struct driver_object *object, bool deleted)
{
    struct engine_cluster *c = user;
    struct engine_shard *s = c->shard;
    const struct snapshot_entry *e = release_of(s, object->release);
    if (s->closing || e == NULL || !is_on(s, e, c)) {
        return; /* a left-over: the sweep sees to it */
    }
    if (object->live == NULL && !deleted) { /* what its pods say */
        shard_enqueue(s, SNAPSHOT_RENDERED, e->ns, e->name);
        return;
    }
    struct work *w = work_get(s, e->ns, e->name, false);
    const json_t *row = inventory_row(inventory_of(s, e), object->key);
    char fingerprint[17];
    snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64, object->fingerprint);
    bool known = slice_eq_cstr(json_text_at(row, "hash"), fingerprint);
    bool busy = w != NULL && w->busy;
    if (busy && !deleted) {
        work_met(w, object, fingerprint); /* the run's end judges it */
    }
    enum change change = CHANGE_FITS;
    if (!busy && !e->deleting && row != NULL && (deleted || !known)) {
        change = deleted ? CHANGE_DRIFTS : judge(s, e, object);
    }
    if (w != NULL && deleted && e->deleting) {
        w->retry_at_ms = 0; /* it may be what the removal waits for */
    }
    bool drift = change == CHANGE_DRIFTS;
    if (drift) {
        log_info("reconcile.drift", "shard=%u cluster=%s release=%.*s object=%.*s %s", s->id,
                 c->name, SLICE_ARG(object->release), SLICE_ARG(object->key),
                 deleted ? "deleted=true" : "changed=true");
        metric_add(s->e->metrics.drifts, 1);
        work_undone(work_get(s, e->ns, e->name, true), row, deleted);
    }
    bool accepted = change == CHANGE_FITS && !deleted && !busy && row != NULL && !known;
    if (accepted) {
        accept_change(s, e, object->key, fingerprint);
    }
    bool news = !told(snapshot_tree(s->snap, e), object);
    if (change != CHANGE_FITS || deleted || object->status_changed || object->replicas_changed ||
        (news && object->health != HEALTH_PROGRESSING)) {
        shard_enqueue(s, SNAPSHOT_RENDERED, e->ns, e->name);
    } else if (accepted || news) { /* on the way: what comes of it is told, most often, instead */
        snapshot_forget(s->snap, SNAPSHOT_RENDERED, e->ns, e->name);
        shard_enqueue_after(s, SNAPSHOT_RENDERED, e->ns, e->name, PROGRESS_DELAY_MS);
    }
}

/* Every release on the cluster is compared with what is there, in the background. */
void cluster_on_synced(void *user, struct slice api_version, struct slice kind)
{
    struct engine_cluster *c = user;
    struct engine_shard *s = c->shard;
    struct arena arena = {0};
    log_debug("reconcile.synced", "shard=%u cluster=%s kind=%.*s/%.*s", s->id, c->name,
              SLICE_ARG(api_version), SLICE_ARG(kind));
    if (s->closing || c->driver == NULL || !driver_kubernetes.synced(c->driver)) {
        return;
    }
    const char *place = arena_printf(&arena, "%s/%s", c->plane, c->name);
    const struct snapshot_entry **rendered;
    size_t count = snapshot_list(s->snap, SNAPSHOT_RENDERED, SNAPSHOT_BY_CLUSTER, (struct slice){0},
                                 slice_of(place), &arena, &rendered);
    for (size_t i = 0; i < count; i++) {
        shard_enqueue_later(s, SNAPSHOT_RENDERED, rendered[i]->ns, rendered[i]->name);
    }
    arena_free(&arena);
}

/* ---- left-overs ---- */

struct sweep_op {
    struct driver_op op;
    json_t *resource;
    char *release;
};

static void on_swept(struct driver_op *op, int rc, const struct err *err)
{
    struct sweep_op *w = CONTAINER_OF(op, struct sweep_op, op);
    struct buf key = {0};
    resource_key(w->resource, &key);
    log_info("reconcile.swept", "object=%s release=%s error=%s", buf_cstr(&key), w->release,
             log_q(rc != 0 ? err->message : ""));
    buf_free(&key);
    json_decref(w->resource);
    free(w->release);
    free(w);
}

/* "apps/v1/Deployment/ns/name" taken apart again. */
static json_t *resource_of_key(struct slice key, const struct driver_seen *seen)
{
    struct slice parts[5] = {0};
    size_t count = 0;
    struct slice rest = key;
    while (count < 5 && slice_split(&rest, '/', &parts[count])) {
        count++;
    }
    size_t at = count == 5 ? 1 : 0;
    json_t *resource =
        json_pack("{s:o, s:o, s:o, s:s}", "version", json_str(parts[at]), "kind",
                  json_str(parts[at + 1]), "name", json_str(parts[at + 3]), "uid", seen->uid);
    if (count == 5) {
        json_object_set_new(resource, "group", json_str(parts[0]));
    }
    if (parts[at + 2].len > 0) {
        json_object_set_new(resource, "namespace", json_str(parts[at + 2]));
    }
    return resource;
}

struct sweep {
    struct engine_cluster *c;
    json_t *found; /* [{resource, release}] */
};

static void sweep_object(void *user, struct slice key, const struct driver_seen *seen)
{
    struct sweep *sweep = user;
    struct engine_shard *s = sweep->c->shard;
    if (slice_starts_with(key, SLICE("v1/Pod/"))) {
        return; /* goes with the Job that made it */
    }
    const struct snapshot_entry *e = release_of(s, slice_of(seen->release));
    if (e != NULL) {
        struct work *w = work_get(s, e->ns, e->name, false);
        const json_t *tree = snapshot_tree(s->snap, e);
        bool settled = (w == NULL || (!w->busy && w->reason[0] == '\0')) &&
                       condition_is(tree, "Applied", "True");
        if (!settled || inventory_row(inventory_of(s, e), key) != NULL) {
            return;
        }
    }
    json_array_append_new(
        sweep->found,
        json_pack("{s:o, s:s}", "resource", resource_of_key(key, seen), "release", seen->release));
}

static void sweep_cluster(struct engine_cluster *c)
{
    struct sweep sweep = {.c = c, .found = json_array()};
    driver_kubernetes.each(c->driver, &sweep, sweep_object);
    size_t i;
    json_t *found;
    json_array_foreach(sweep.found, i, found)
    {
        struct sweep_op *w = mem_zero(sizeof(*w));
        w->resource = json_incref(json_object_get(found, "resource"));
        w->release = slice_dup(json_text_at(found, "release"));
        metric_add(c->shard->e->metrics.swept, 1);
        w->op = (struct driver_op){.verb = DRIVER_DELETE,
                                   .resource = w->resource,
                                   .release = w->release,
                                   .done = on_swept};
        driver_kubernetes.start(c->driver, &w->op);
    }
    json_decref(sweep.found);
}

void clusters_sweep(struct loop_timer *timer)
{
    struct engine_shard *s = CONTAINER_OF(timer, struct engine_shard, sweep_tick);
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&s->clusters, &cursor, &key, &value)) {
        struct engine_cluster *c = value;
        if (c->driver != NULL && !c->closing) {
            sweep_cluster(c);
        }
    }
}
