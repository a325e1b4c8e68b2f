/* dataplane.c: what is known of a plane's clusters.
 *
 * The system shard's leader tells it. A cluster is NotConnected without credentials, else what the
 * last probe found. Only a change of state, reason or version is written.
 *
 * Every shard holds the plane that it has something on (plane_hold.h), so one that is being deleted
 * is looked after as before until nobody is on it any more. */
#include "reconcile/controllers/plane_hold.h"

#define PROVISIONED "Provisioned"

static void set_text(json_t *o, const char *key, struct slice value)
{
    if (value.len > 0) {
        json_object_set_new(o, key, json_str(value));
    }
}

/* state and message of one cluster, as a probe or the lack of one tells. */
static json_t *cluster_state(const struct snapshot *s, struct slice plane, struct slice cluster,
                             const json_t *before, struct arena *arena)
{
    const char *taken = cluster_secret_taken(s, plane, cluster, arena);
    if (taken != NULL) {
        return json_pack("{s:s, s:s}", "state", "NotConnected", "message", taken);
    }
    if (cluster_secret(s, plane, cluster, arena) == NULL) {
        const char *place = cluster_secret_place(s, plane, cluster, arena);
        return json_pack(
            "{s:s, s:o}", "state", "NotConnected", "message",
            json_str(slice_of(arena_printf(
                arena, "no credentials: put a kubeconfig into Secret %s, key \"kubeconfig\"",
                place))));
    }
    json_t *probed = s->world != NULL && s->world->cluster != NULL
                         ? s->world->cluster(s->world->user, plane, cluster)
                         : NULL;
    if (probed != NULL) {
        return probed;
    }
    if (before != NULL && !slice_eq_cstr(json_text_at(before, "state"), "NotConnected")) {
        return json_pack("{s:o, s:o, s:o, s:O*}", "state", json_str(json_text_at(before, "state")),
                         "message", json_str(json_text_at(before, "message")), "version",
                         json_str(json_text_at(before, "version")), "argoWorkflows",
                         json_object_get(before, "argoWorkflows"));
    }
    return json_pack("{s:s, s:s}", "state", "NotConnected", "message", "has not answered yet");
}

static json_t *cluster_row(const struct snapshot *s, const json_t *plane,
                           const struct plane_cluster *c, struct arena *arena)
{
    const json_t *before = cluster_status(plane, c->name);
    json_t *state = cluster_state(s, object_name(plane), c->name, before, arena);
    char now[21];
    clock_rfc3339(s->now_ms, now);
    bool moved =
        before == NULL || !slice_eq(json_text_at(before, "state"), json_text_at(state, "state"));
    json_t *row = json_object();
    set_text(row, "name", c->name);
    set_text(row, "region", c->region);
    set_text(row, "state", json_text_at(state, "state"));
    set_text(row, "message", json_text_at(state, "message"));
    set_text(row, "version", json_text_at(state, "version"));
    set_text(row, "clusterID", json_text_at(state, "clusterID"));
    if (json_is_true(json_object_get(state, "argoWorkflows"))) {
        json_object_set_new(row, "argoWorkflows", json_true());
    }
    set_text(row, "since", moved ? slice_of(now) : json_text_at(before, "since"));
    json_decref(state);
    return row;
}

static void set_ready(const struct snapshot *s, json_t *edit, const json_t *rows, size_t connected)
{
    size_t total = json_array_size(rows);
    if (connected == total) {
        condition_set(edit, s, READY, STATUS_TRUE, "AllClustersReady",
                      "%zu of %zu cluster%s answer%s", connected, total, total == 1 ? "" : "s",
                      total == 1 ? "s" : "");
        return;
    }
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        struct slice state = json_text_at(row, "state");
        if (slice_eq_cstr(state, "Ready")) {
            continue;
        }
        const char *reason = slice_eq_cstr(state, "NotConnected") ? "NotConnected" : "Unreachable";
        condition_set(edit, s, READY, STATUS_FALSE, reason,
                      "%zu of %zu clusters answer; %.*s: %.*s", connected, total,
                      SLICE_ARG(json_text_at(row, "name")),
                      SLICE_ARG(json_text_at(row, "message")));
        return;
    }
}

static bool wants_machines(const json_t *plane)
{
    if (json_array_size(json_at(plane, "spec", "kubernetes", "nodeGroups", NULL)) > 0) {
        return true;
    }
    size_t i;
    json_t *cluster;
    json_array_foreach(json_at(plane, "spec", "clusters", NULL), i, cluster)
    {
        if (json_array_size(json_at(cluster, "kubernetes", "nodeGroups", NULL)) > 0) {
            return true;
        }
    }
    return false;
}

void dataplane_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan)
{
    const json_t *plane = snapshot_tree(s, entry);
    json_t *edit = plan_edit(plan, s, entry);
    plane_hold(s, entry, edit, plan);
    if (s->system != s) {
        return;
    }
    struct plane_cluster *clusters;
    size_t count = plane_clusters(plane, &plan->arena, &clusters);
    json_t *rows = json_array();
    size_t connected = 0;
    for (size_t i = 0; i < count; i++) {
        json_t *row = cluster_row(s, plane, &clusters[i], &plan->arena);
        connected += slice_eq_cstr(json_text_at(row, "state"), "Ready") ? 1 : 0;
        json_array_append_new(rows, row);
    }
    status_set(edit, "clusters", rows);
    status_set(edit, "clusterCount", json_integer((json_int_t)count));
    status_set(edit, "connectedClusters", json_integer((json_int_t)connected));
    if (entry->deleting) {
        plane_hold_tell(s, edit);
    } else {
        set_ready(s, edit, rows, connected);
    }
    if (wants_machines(plane)) {
        condition_set(edit, s, PROVISIONED, STATUS_FALSE, "NotProvisioned",
                      "nodeGroups are recorded, but nothing makes machines of them yet: "
                      "connect clusters that exist");
    } else {
        condition_drop(edit, PROVISIONED);
    }
    status_observe(edit);
}
