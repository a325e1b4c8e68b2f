/* engine_cluster.c: a led shard's connections to clusters, and probes.
 *
 * There is a connection for each cluster of a plane whose credentials exist; new credentials make a
 * new one. One that cannot be made says why to whoever asks for it. The system shard's leader alone
 * probes: its findings become the planes' status. A cluster that answered before is asked once more
 * before it is called unreachable. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "reconcile/controllers/rendered.h"
#include "reconcile/drivers/kubernetes/kubeconfig.h"
#include "reconcile/engine_internal.h"
#include "render/plane_access.h"
#include "render/run.h"

static void cluster_key(struct buf *out, struct slice plane, struct slice cluster)
{
    buf_addf(out, "%.*s/%.*s", SLICE_ARG(plane), SLICE_ARG(cluster));
}

struct engine_cluster *cluster_find(struct engine_shard *s, struct slice plane,
                                    struct slice cluster)
{
    struct buf key = {0};
    cluster_key(&key, plane, cluster);
    struct engine_cluster *c = map_get(&s->clusters, buf_slice(&key));
    buf_free(&key);
    return c;
}

/* ---- probes ---- */

static void set_state(struct engine_cluster *c, const char *state, const char *message)
{
    json_t *next = json_pack("{s:s, s:o}", "state", state, "message", json_str(slice_of(message)));
    if (strcmp(state, "Ready") == 0) {
        json_object_set_new(next, "version", json_str(slice_of(c->probe.version)));
        if (c->probe.identity[0] != '\0') {
            json_object_set_new(next, "clusterID", json_str(slice_of(c->probe.identity)));
        }
        if (c->probe.argo) {
            json_object_set_new(next, "argoWorkflows", json_true());
        }
    } else if (c->state != NULL) { /* what was known of it is still true */
        json_object_set(next, "version", json_object_get(c->state, "version"));
        json_object_set(next, "clusterID", json_object_get(c->state, "clusterID"));
        json_object_set(next, "argoWorkflows", json_object_get(c->state, "argoWorkflows"));
    }
    bool news = c->state == NULL || !json_equal(c->state, next);
    json_decref(c->state);
    c->state = next;
    if (news) {
        shard_enqueue(c->shard, SNAPSHOT_DATAPLANE, (struct slice){0}, slice_of(c->plane));
    }
}

static void probe(struct engine_cluster *c);

static void on_probed(struct driver_op *op, int rc, const struct err *err)
{
    struct engine_cluster *c = op->user;
    c->probing = false;
    if (c->closing || c->shard->closing) {
        return;
    }
    if (rc == 0) {
        c->failures = 0;
        set_state(c, "Ready", "answers");
        return;
    }
    c->failures++;
    bool was_ready = c->state != NULL && slice_eq_cstr(json_text_at(c->state, "state"), "Ready");
    if (!was_ready || c->failures >= UNREACHABLE_AFTER_FAILURES) {
        struct arena arena = {0};
        const char *place =
            cluster_secret_place(c->shard->snap, slice_of(c->plane), slice_of(c->name), &arena);
        set_state(c, "Unreachable",
                  arena_printf(&arena,
                               "%s (is the cluster up, and the kubeconfig in Secret %s right?)",
                               err->message, place));
        arena_free(&arena);
    } else {
        probe(c); /* once more before anybody is alarmed */
    }
}

static void probe(struct engine_cluster *c)
{
    if (c->driver == NULL) { /* its credentials are none */
        set_state(c, "Unreachable", c->error.message);
        return;
    }
    if (c->probing || c->closing) {
        return;
    }
    c->probing = true;
    c->probe = (struct driver_op){.verb = DRIVER_PROBE, .user = c, .done = on_probed};
    driver_kubernetes.start(c->driver, &c->probe);
}

static void on_probe_tick(struct loop_timer *timer)
{
    struct engine_shard *s = CONTAINER_OF(timer, struct engine_shard, probe_tick);
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&s->clusters, &cursor, &key, &value)) {
        probe(value);
    }
}

void clusters_tick_start(struct engine_shard *s)
{
    const struct engine_config *c = &s->e->config;
    loop_timer_init(c->loop, &s->sweep_tick, clusters_sweep);
    loop_timer_start(&s->sweep_tick, c->sweep_delay_ms, c->sweep_interval_ms);
    loop_timer_init(c->loop, &s->probe_tick, on_probe_tick);
    if (s->id == 0) {
        loop_timer_start(&s->probe_tick, c->probe_interval_ms, c->probe_interval_ms);
    }
    s->timers_open += 2;
}

/* ---- what plans see ---- */

bool cluster_world_object(void *user, struct slice plane, struct slice cluster,
                          const json_t *resource, struct world_object *out)
{
    struct engine_cluster *c = cluster_find(user, plane, cluster);
    if (c == NULL || c->driver == NULL) {
        return false;
    }
    const struct driver_seen *seen =
        driver_kubernetes.seen(c->driver, json_text_at(resource, "id"));
    if (seen == NULL) {
        *out = (struct world_object){.missing = true, .message = ""};
        return driver_kubernetes.synced(c->driver);
    }
    *out = (struct world_object){.fingerprint = seen->fingerprint,
                                 .health = seen->health,
                                 .message = seen->message,
                                 .pods = seen->pods,
                                 .volumes = seen->volumes,
                                 .volumes_open = seen->volumes_open,
                                 .status = seen->status,
                                 .has_replicas = seen->has_replicas,
                                 .replicas = seen->replicas,
                                 .ready_replicas = seen->ready_replicas};
    return true;
}

struct run_sight {
    struct slice release;
    struct slice ns;
    json_t *objects;
};

/* Marks are not enough, for a template of somebody else's may put them on its pods: but none
 * reaches into the namespace of runs. */
static void see_run(void *user, struct slice key, const struct driver_seen *seen)
{
    struct run_sight *sight = user;
    json_t *status = NULL;
    if (seen->status == NULL || !slice_eq_cstr(sight->release, seen->release)) {
        return;
    }
    /* "v1/Pod/NS/NAME", "batch/v1/Job/NS/NAME" */
    struct slice parts[5] = {0};
    size_t count = 0;
    while (count < 5 && slice_split(&key, '/', &parts[count])) {
        count++;
    }
    size_t kind = count == 5 ? 2 : 1;
    if (!slice_eq(parts[kind + 1], sight->ns) ||
        json_parse(slice_of(seen->status), &status, NULL) != 0) {
        return;
    }
    json_array_append_new(sight->objects,
                          json_pack("{s:o, s:o, s:o}", "kind", json_str(parts[kind]), "name",
                                    json_str(parts[kind + 2]), "status", status));
}

json_t *cluster_world_run(void *user, struct slice plane, struct slice cluster,
                          struct slice release, struct slice ns)
{
    struct engine_cluster *c = cluster_find(user, plane, cluster);
    if (c == NULL || c->driver == NULL) {
        return NULL;
    }
    struct run_sight sight = {.release = release, .ns = ns, .objects = json_array()};
    driver_kubernetes.each(c->driver, &sight, see_run);
    return sight.objects;
}

json_t *cluster_world_state(void *user, struct slice plane, struct slice cluster)
{
    struct engine_cluster *c = cluster_find(user, plane, cluster);
    return c != NULL && c->state != NULL ? json_deep_copy(c->state) : NULL;
}

/* ---- connections ---- */

static bool may_create(void *user)
{
    struct engine_cluster *c = user;
    const struct engine_config *config = &c->shard->e->config;
    return config->confirmed_age_ms == NULL ||
           config->confirmed_age_ms(config->user, c->shard->id) <= config->election_timeout_ms;
}

static void cluster_free(struct engine_cluster *c)
{
    json_decref(c->state);
    free(c->plane);
    free(c->name);
    free(c);
}

static void on_closed(void *user)
{
    struct engine_cluster *c = user;
    struct engine_shard *s = c->shard;
    cluster_free(c);
    s->clusters_open--;
    shard_check_closed(s);
}

static void cluster_close(struct engine_cluster *c)
{
    struct buf key = {0};
    cluster_key(&key, slice_of(c->plane), slice_of(c->name));
    map_remove(&c->shard->clusters, buf_slice(&key));
    buf_free(&key);
    c->closing = true;
    if (c->driver != NULL) {
        driver_kubernetes.close(c->driver, c, on_closed);
        c->driver = NULL;
    } else {
        cluster_free(c);
    }
}

/* At least so much that a shard of many is not starved by those that are idle. */
static uint32_t share_of_budget(const struct engine_impl *e)
{
    enum { LEAST = 100 };
    uint32_t share = e->config.cluster_requests_per_second / e->config.shard_count;
    return share > LEAST ? share : LEAST;
}

static void cluster_open(struct engine_shard *s, struct slice plane, struct slice name,
                         const struct snapshot_entry *secret)
{
    struct engine_cluster *c = mem_zero(sizeof(*c));
    struct buf kubeconfig = {0};
    struct buf key = {0};
    c->shard = s;
    c->plane = slice_dup(plane);
    c->name = slice_dup(name);
    c->secret_version = secret->version;
    c->wanted = true;
    struct driver_config config = {.loop = s->e->config.loop,
                                   .plane = c->plane,
                                   .cluster = c->name,
                                   .epoch = s->epoch,
                                   .requests_per_second = share_of_budget(s->e),
                                   .pods_after_ms = s->e->config.pods_after_ms,
                                   .user = c,
                                   .may_create = may_create,
                                   .on_object = cluster_on_object,
                                   .on_synced = cluster_on_synced};
    const json_t *tree = snapshot_tree(s->snap, secret);
    config.refuse_local = plane_made_in(tree).len > 0 && !s->e->config.allow_local_sources;
    int rc = kubeconfig_of_secret(tree, &kubeconfig, &c->error);
    if (rc == 0) {
        config.kubeconfig = buf_slice(&kubeconfig);
        rc = driver_kubernetes.open(&config, &c->driver, &c->error);
    }
    if (rc == 0) {
        s->clusters_open++;
        driver_kubernetes.watch(c->driver, SLICE("v1"), SLICE("Namespace"));
    } else {
        struct arena arena = {0};
        err_wrap(&c->error, "Secret %s", cluster_secret_place(s->snap, plane, name, &arena));
        arena_free(&arena);
        log_warn("reconcile.cluster", "shard=%u plane=%s cluster=%s error=%s", s->id, c->plane,
                 c->name, log_q(c->error.message));
    }
    cluster_key(&key, plane, name);
    map_put(&s->clusters, buf_slice(&key), c);
    buf_free(&key);
    if (kubeconfig.data != NULL) {
        explicit_bzero(kubeconfig.data, kubeconfig.len);
    }
    buf_free(&kubeconfig);
    if (s->id == 0) {
        probe(c);
    }
}

static void watch_inventory(struct engine_cluster *c, const json_t *rendered)
{
    cluster_watch(c, json_at(rendered, "status", "resources", NULL));
    if (c != NULL && c->driver != NULL && !c->closing &&
        spec_text(rendered, "workflowRun").len > 0) {
        driver_kubernetes.watch(c->driver, SLICE("v1"), SLICE("Pod"));
    }
}

static void want_cluster(struct engine_shard *s, struct slice plane, struct slice name,
                         struct arena *arena)
{
    const struct snapshot_entry *secret = cluster_secret(s->snap, plane, name, arena);
    struct engine_cluster *c = cluster_find(s, plane, name);
    if (secret == NULL) {
        return;
    }
    if (c != NULL && c->secret_version == secret->version) {
        c->wanted = true;
        return;
    }
    if (c != NULL) {
        cluster_close(c);
    }
    cluster_open(s, plane, name, secret);
    const char *key = arena_printf(arena, "%.*s/%.*s", SLICE_ARG(plane), SLICE_ARG(name));
    const struct snapshot_entry **rendered;
    size_t count = snapshot_list(s->snap, SNAPSHOT_RENDERED, SNAPSHOT_BY_CLUSTER, (struct slice){0},
                                 slice_of(key), arena, &rendered);
    c = cluster_find(s, plane, name);
    for (size_t i = 0; i < count; i++) {
        watch_inventory(c, snapshot_tree(s->snap, rendered[i]));
        shard_enqueue(s, SNAPSHOT_RENDERED, rendered[i]->ns, rendered[i]->name);
    }
}

/* One of some namespaces is the business of their shards; and of the system's, which probes. */
static bool concerns(struct engine_shard *s, const json_t *plane)
{
    const json_t *allowed = json_at(plane, "spec", "allowedNamespaces", NULL);
    bool found = s->id == 0 || !plane_is_reserved(plane);
    for (size_t i = 0; i < json_array_size(allowed) && !found; i++) {
        found = shard_owns(s, json_text(json_array_get(allowed, i)));
    }
    return found;
}

void clusters_refresh(struct engine_shard *s)
{
    struct arena arena = {0};
    struct slice key;
    void *value;
    size_t cursor = 0;
    if (s->closing) {
        return;
    }
    while (map_next(&s->clusters, &cursor, &key, &value)) {
        ((struct engine_cluster *)value)->wanted = false;
    }
    const struct snapshot_entry **planes;
    size_t count = snapshot_all(s->snap, SNAPSHOT_DATAPLANE, &arena, &planes);
    for (size_t i = 0; i < count; i++) {
        struct plane_cluster *clusters;
        const json_t *plane = snapshot_tree(s->snap, planes[i]);
        if (!concerns(s, plane)) {
            continue;
        }
        size_t n = plane_clusters(plane, &arena, &clusters);
        for (size_t k = 0; k < n; k++) {
            want_cluster(s, planes[i]->name, clusters[k].name, &arena);
        }
    }
    /* Clusters that left their plane, but have something of ours on them still. */
    const struct snapshot_entry **rendered;
    count = snapshot_all(s->snap, SNAPSHOT_RENDERED, &arena, &rendered);
    for (size_t i = 0; i < count; i++) {
        if (rendered[i]->deleting) {
            const json_t *o = snapshot_tree(s->snap, rendered[i]);
            want_cluster(s, spec_text(o, "dataPlane"), spec_text(o, "cluster"), &arena);
        }
    }
    cursor = 0;
    while (map_next(&s->clusters, &cursor, &key, &value)) {
        struct engine_cluster *c = value;
        if (!c->wanted) {
            cluster_close(c);
        }
    }
    arena_free(&arena);
}

static void on_tick_closed(struct loop_timer *timer)
{
    struct engine_shard *s = CONTAINER_OF(timer, struct engine_shard, probe_tick);
    s->timers_open--;
    shard_check_closed(s);
}

static void on_sweep_closed(struct loop_timer *timer)
{
    struct engine_shard *s = CONTAINER_OF(timer, struct engine_shard, sweep_tick);
    s->timers_open--;
    shard_check_closed(s);
}

void clusters_close(struct engine_shard *s)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    loop_timer_close(&s->probe_tick, on_tick_closed);
    loop_timer_close(&s->sweep_tick, on_sweep_closed);
    while (map_next(&s->clusters, &cursor, &key, &value)) {
        cluster_close(value);
    }
}

void cluster_watch_one(struct engine_cluster *c, const json_t *item)
{
    struct slice whole = json_text_at(item, "apiVersion");
    struct buf api_version = {0};
    if (c == NULL || c->driver == NULL || c->closing) {
        return;
    }
    if (whole.len > 0) {
        buf_add(&api_version, whole);
    } else {
        resource_api_version(item, &api_version);
    }
    driver_kubernetes.watch(c->driver, buf_slice(&api_version), json_text_at(item, "kind"));
    buf_free(&api_version);
    if (object_label(item, RUN_LABEL).len > 0) { /* how it went, its pods know */
        driver_kubernetes.watch(c->driver, SLICE("v1"), SLICE("Pod"));
    }
}

void cluster_watch(struct engine_cluster *c, const json_t *inventory)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)inventory, i, item)
    {
        cluster_watch_one(c, item);
    }
}

void clusters_watch_inventories(struct engine_shard *s)
{
    struct arena arena = {0};
    const struct snapshot_entry **rendered;
    size_t count = snapshot_all(s->snap, SNAPSHOT_RENDERED, &arena, &rendered);
    for (size_t i = 0; i < count; i++) {
        const json_t *o = snapshot_tree(s->snap, rendered[i]);
        watch_inventory(cluster_find(s, spec_text(o, "dataPlane"), spec_text(o, "cluster")), o);
    }
    arena_free(&arena);
}
