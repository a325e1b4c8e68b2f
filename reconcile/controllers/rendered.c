/* rendered.c: one release (or cell) on one cluster: apply, watch over it, take it away.
 *
 * What should be there is rendered anew when what it is made of changes, and told apart by its
 * hash. If the hash is the one that was applied last, by this leader or one before it, nothing is
 * sent. Otherwise the plan asks the engine to apply; the engine does, tells the outcome through the
 * snapshot's world, and the next plan writes it down. A status is written when a condition, the
 * inventory or an object's health changes, never for numbers in flux. */
#include "reconcile/controllers/rendered_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "reconcile/controllers/dependency_hint.h"
#include "reconcile/controllers/rendered_resource.h"
#include "reconcile/controllers/replicas.h"
#include "reconcile/controllers/resizing.h"
#include "reconcile/controllers/workflow_run.h"
#include "reconcile/drivers/driver.h"
#include "render/deployment.h"
#include "render/plane_access.h"

#define APPLIED "Applied"
#define DISPUTED "Disputed"

static void look(struct rendered_work *w)
{
    w->world = (struct world_release){
        .hash = "", .epoch = "", .reason = "", .failed_hash = "", .undoes = ""};
    const struct world *world = w->s->world;
    if (world != NULL && world->release != NULL) {
        world->release(world->user, w->entry->ns, w->entry->name, &w->world);
    }
    w->inventory = w->world.resources != NULL ? w->world.resources
                                              : json_at(w->rendered, "status", "resources", NULL);
    w->applied = w->world.hash[0] != '\0'
                     ? w->world.hash
                     : arena_cstr(&w->plan->arena,
                                  json_text(json_at(w->rendered, "status", "appliedHash", NULL)));
}

const json_t *rendered__plane_of(const struct rendered_work *w)
{
    return snapshot_get(w->s, SNAPSHOT_DATAPLANE, (struct slice){0}, w->plane);
}

bool rendered__answers(const struct rendered_work *w, struct slice *why)
{
    const json_t *status = cluster_status(rendered__plane_of(w), w->cluster);
    struct slice state = json_text_at(status, "state");
    *why = json_text_at(status, "message");
    return !slice_eq_cstr(state, "Unreachable") && !slice_eq_cstr(state, "Lost");
}

void rendered__not_ready(struct rendered_work *w, enum condition_status ready, bool progressing,
                         const char *reason, struct slice message)
{
    json_t *edit = plan_edit(w->plan, w->s, w->entry);
    condition_set(edit, w->s, READY, ready, reason, "%.*s", SLICE_ARG(message));
    condition_set(edit, w->s, PROGRESSING, progressing ? STATUS_TRUE : STATUS_FALSE,
                  progressing ? "Progressing" : "Stuck",
                  progressing ? "work is under way"
                              : "waiting for what stands in the way of Ready");
    status_observe(edit);
}

/* ---- health ---- */

static enum world_health health_of(const struct rendered_work *w, const json_t *resource,
                                   const char **why)
{
    struct world_object object = {.health = HEALTH_UNKNOWN, .message = ""};
    const struct world *world = w->s->world;
    if (world != NULL && world->object != NULL &&
        world->object(world->user, w->plane, w->cluster, resource, &object)) {
        *why = object.pods != NULL
                   ? arena_printf(&w->plan->arena, "%s; %s", object.message, object.pods)
                   : object.message;
        return w->type == NULL || object.missing
                   ? object.health
                   : rendered_resource_health(w->type, resource, object.health, &w->plan->arena,
                                              why);
    }
    /* Not seen by this leader yet: what the one before it saw. */
    size_t i;
    json_t *known;
    json_array_foreach(json_at(w->rendered, "status", "resources", NULL), i, known)
    {
        if (slice_eq(json_text_at(known, "id"), json_text_at(resource, "id"))) {
            *why = arena_cstr(&w->plan->arena, json_text_at(known, "message"));
            for (int h = HEALTH_UNKNOWN; h <= HEALTH_DEGRADED; h++) {
                if (slice_eq_cstr(json_text_at(known, "healthStatus"),
                                  world_health_name((enum world_health)h))) {
                    return (enum world_health)h;
                }
            }
        }
    }
    return HEALTH_UNKNOWN;
}

struct health {
    size_t total;
    size_t well;
    enum world_health worst;
    const char *message;
    struct slice worst_id;
};

static int badness(enum world_health health)
{
    static const int order[] = {[HEALTH_HEALTHY] = 0,
                                [HEALTH_UNKNOWN] = 1,
                                [HEALTH_PROGRESSING] = 2,
                                [HEALTH_DEGRADED] = 3};
    return order[health];
}

static json_t *resources_with_health(const struct rendered_work *w, struct health *sum)
{
    json_t *rows = json_array();
    size_t i;
    json_t *resource;
    *sum = (struct health){.worst = HEALTH_HEALTHY, .message = ""};
    json_array_foreach((json_t *)(uintptr_t)w->inventory, i, resource)
    {
        const char *why = "";
        enum world_health health = health_of(w, resource, &why);
        json_t *row = json_copy(resource);
        json_object_set_new(row, "healthStatus", json_string(world_health_name(health)));
        json_object_del(row, "message");
        if (health != HEALTH_HEALTHY && why[0] != '\0') {
            json_object_set_new(row, "message", json_string(why));
        }
        json_array_append_new(rows, row);
        sum->total++;
        sum->well += health == HEALTH_HEALTHY ? 1 : 0;
        if (badness(health) > badness(sum->worst)) {
            sum->worst = health;
            sum->message = why;
            sum->worst_id = json_text_at(resource, "id");
        }
    }
    return rows;
}

/* ---- the report ---- */

static void report_health(struct rendered_work *w, json_t *edit, const struct health *sum)
{
    if (sum->worst == HEALTH_HEALTHY) {
        condition_set(edit, w->s, READY, STATUS_TRUE, "Running",
                      "%zu object%s on cluster \"%.*s\" %s well", sum->total,
                      sum->total == 1 ? "" : "s", SLICE_ARG(w->cluster),
                      sum->total == 1 ? "is" : "are");
        condition_set(edit, w->s, PROGRESSING, STATUS_FALSE, "Settled", "nothing is under way");
        return;
    }
    bool bad = sum->worst == HEALTH_DEGRADED;
    const char *reason = bad ? "Degraded" : "Progressing";
    const char *message =
        sum->message != NULL && sum->message[0] != '\0' ? sum->message : "not seen running yet";
    condition_set(edit, w->s, READY, STATUS_FALSE, reason, "%.*s: %s", SLICE_ARG(sum->worst_id),
                  message);
    condition_set(edit, w->s, PROGRESSING, bad ? STATUS_FALSE : STATUS_TRUE,
                  bad ? "Stuck" : "Progressing",
                  bad ? "waiting for what stands in the way of Ready" : "work is under way");
}

/* Somebody else undoes what is applied as often as it is. In the words in which it was told first:
 * which object it is may change each time. */
static bool tell_dispute(struct rendered_work *w)
{
    struct condition before = condition_of(w->rendered, READY);
    bool told = slice_eq_cstr(before.reason, DISPUTED);
    const char *undoes = w->world.undoes[0] != '\0' ? w->world.undoes : "changes its objects";
    if (w->world.disputed_for_ms == 0) {
        return false;
    }
    const char *message = arena_printf(
        &w->plan->arena,
        "somebody else %s on cluster \"%.*s\" as often as it is put right, which is done again "
        "after longer and longer pauses, of up to a minute",
        undoes, SLICE_ARG(w->cluster));
    if (!told) {
        plan_event(w->plan, w->rendered, true, DISPUTED, "%s", message);
    }
    rendered__not_ready(w, STATUS_FALSE, false, DISPUTED,
                        told ? before.message : slice_of(message));
    plan_requeue(w->plan, w->world.disputed_for_ms);
    return true;
}

/* What an operator looks for: told when it changes, not each time that it is found so again. */
static void tell_applied(struct rendered_work *w, const char *hash)
{
    struct slice told = json_text(json_at(w->rendered, "status", "appliedHash", NULL));
    if (!w->cell && !slice_eq_cstr(told, hash)) {
        plan_event(w->plan, w->rendered, false, "Applied",
                   "revision %.12s: %zu object%s on cluster \"%.*s\"", hash,
                   json_array_size(w->inventory), json_array_size(w->inventory) == 1 ? "" : "s",
                   SLICE_ARG(w->cluster));
    }
}

static void tell_failure(struct rendered_work *w, const char *reason, const char *message)
{
    struct condition before = condition_of(w->rendered, APPLIED);
    if (!slice_eq_cstr(before.status, "False") || !slice_eq_cstr(before.reason, reason)) {
        plan_event(w->plan, w->rendered, true, reason, "%s", message);
    }
}

/* The inventory and its health; of a resource, what it puts out too. */
static void report_objects(struct rendered_work *w, json_t *edit, struct health *sum)
{
    struct rendered_resource type;
    if (rendered_is_resource(w->rendered) &&
        rendered_resource_open(&type, w->s, w->rendered, w->inventory, &w->plan->arena)) {
        w->type = &type;
        json_t *outputs =
            rendered_resource_outputs(&type, json_at(w->rendered, "status", "outputs", NULL));
        status_set(edit, "outputs", outputs);
        status_set(edit, "resources", resources_with_health(w, sum));
        w->type = NULL;
        rendered_resource_close(&type);
        return;
    }
    status_set(edit, "resources", resources_with_health(w, sum));
    if (!w->cell && !rendered_is_run(w->rendered)) {
        replicas_observe(w->s, w->rendered, w->inventory, edit);
    }
}

static void report(struct rendered_work *w, const char *hash)
{
    tell_applied(w, hash);
    json_t *edit = plan_edit(w->plan, w->s, w->entry);
    struct health sum;
    report_objects(w, edit, &sum);
    resizing_observe(w->s, w->rendered, w->inventory, edit, &w->plan->arena);
    status_set(edit, "appliedHash", json_string(hash));
    if (rendered_is_run(w->rendered)) {
        rendered_report_run(w->s, w->rendered, w->inventory, edit, w->plan);
    }
    if (w->world.epoch[0] != '\0' && strcmp(w->world.hash, hash) == 0) {
        status_set(edit, "epoch", json_string(w->world.epoch));
    }
    condition_set(edit, w->s, APPLIED, STATUS_TRUE, "Applied", "revision %.12s", hash);
    struct slice why;
    if (!rendered__answers(w, &why)) {
        rendered__not_ready(
            w, STATUS_UNKNOWN, false, RENDERED_UNREACHABLE,
            slice_of(arena_printf(&w->plan->arena,
                                  "cluster \"%.*s\" does not answer, so what runs there is "
                                  "not known: %.*s",
                                  SLICE_ARG(w->cluster), SLICE_ARG(why))));
        return;
    }
    if (!tell_dispute(w)) {
        report_health(w, edit, &sum);
        status_observe(edit);
    }
}

static void report_failure(struct rendered_work *w)
{
    json_t *edit = plan_edit(w->plan, w->s, w->entry);
    tell_failure(w, w->world.reason, w->world.message);
    condition_set(edit, w->s, APPLIED, STATUS_FALSE, w->world.reason, "%s", w->world.message);
    if (json_array_size(w->world.resources) > 0) {
        struct health sum;
        status_set(edit, "resources", resources_with_health(w, &sum));
    }
    rendered__not_ready(w, STATUS_FALSE, false, w->world.reason, slice_of(w->world.message));
}

/* ---- applying ---- */

static void want(struct rendered_work *w, json_t *manifests, const char *hash)
{
    struct plan_desired *d = &w->plan->desired;
    d->action = PLAN_APPLY;
    d->plane = w->plane;
    d->cluster = w->cluster;
    d->manifests = json_incref(manifests);
    d->prune = json_array();
    memcpy(d->hash, hash, sizeof(d->hash));
    json_t *keys = manifest_keys(manifests);
    size_t i;
    json_t *resource;
    json_array_foreach((json_t *)(uintptr_t)w->inventory, i, resource)
    {
        struct slice id = json_text_at(resource, "id");
        if (json_object_getn(keys, id.data, id.len) == NULL) {
            json_array_append(d->prune, resource);
        }
    }
    json_decref(keys);
}

/* Is something of the inventory gone from the cluster, or not what it was when it was applied? What
 * others may change of an object is noted in the inventory as it happens. */
static bool changed_there(const struct rendered_work *w)
{
    const struct world *world = w->s->world;
    size_t i;
    json_t *row;
    if (world == NULL || world->object == NULL) {
        return false;
    }
    json_array_foreach((json_t *)(uintptr_t)w->inventory, i, row)
    {
        struct world_object object = {0};
        char fingerprint[17];
        if (!world->object(world->user, w->plane, w->cluster, row, &object)) {
            continue;
        }
        snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64, object.fingerprint);
        if (object.missing || !slice_eq_cstr(json_text_at(row, "hash"), fingerprint)) {
            return true;
        }
    }
    return false;
}

/* The cell that was there has gone since. */
static void make_cell(struct rendered_work *w, struct slice name)
{
    json_t *cell = object_new("choreo.dev/v1", "RenderedRelease", w->entry->ns, name);
    json_object_set_new(cell, "spec",
                        json_pack("{s:{s:o}, s:o, s:o, s:o, s:o}", "owner", "projectName",
                                  json_str(w->project), "environmentName", json_str(w->environment),
                                  "dataPlane", json_str(w->plane), "cluster", json_str(w->cluster),
                                  "namespace", json_str(spec_text(w->rendered, "namespace"))));
    object_add_finalizer(cell, FINALIZER);
    plan_create(w->plan, SNAPSHOT_RENDERED, cell);
}

/* A component's objects need their cell's namespace first. */
static bool cell_is_there(struct rendered_work *w)
{
    if (w->cell) {
        return true;
    }
    const struct deployment own = {.ns = w->entry->ns,
                                   .project = w->project,
                                   .environment = w->environment,
                                   .plane = w->plane,
                                   .cluster = w->cluster};
    struct view v;
    view_init(&v, w->s, &w->plan->arena);
    struct slice name = deployment_name_on(&v.platform, &w->plan->arena, &own);
    const struct snapshot_entry *cell = snapshot_find(w->s, SNAPSHOT_RENDERED, w->entry->ns, name);
    if (cell != NULL && !cell->deleting) {
        if (cell->applied) {
            return true;
        }
        const json_t *tree = snapshot_tree(w->s, cell);
        struct condition ready = condition_of(tree, READY);
        bool failed = slice_eq_cstr(ready.status, "False") && ready.message.len > 0;
        rendered__not_ready(
            w, STATUS_FALSE, !failed,
            failed ? arena_cstr(&w->plan->arena, ready.reason) : "WaitingForNamespace",
            failed ? ready.message : SLICE("waiting for its namespace on the cluster"));
        return false;
    }
    if (cell == NULL) {
        make_cell(w, name);
    }
    rendered__not_ready(w, STATUS_FALSE, true, "WaitingForNamespace",
                        SLICE("waiting for its namespace on the cluster"));
    return false;
}

/* Whose cluster it is, its plane says: what is on one that has left may stay there, and no more. */
static bool is_of_its_plane(struct rendered_work *w)
{
    const json_t *plane = rendered__plane_of(w);
    if (plane == NULL || plane_has_cluster(plane, w->cluster)) {
        return true;
    }
    rendered__not_ready(
        w, STATUS_FALSE, false, "NoSuchCluster",
        slice_of(arena_printf(&w->plan->arena, "data plane \"%.*s\" has no cluster \"%.*s\"",
                              SLICE_ARG(w->plane), SLICE_ARG(w->cluster))));
    return false;
}

/* manifests: NULL while only their hash is known. */
static void plan_apply(struct rendered_work *w, const char *hash, json_t *manifests)
{
    bool current = strcmp(hash, w->applied) == 0;
    bool drifted = current && (w->world.drifted || changed_there(w));
    if (current && !drifted) {
        report(w, hash);
        return;
    }
    if (drifted && w->s->now_ms < w->world.correct_at_ms) {
        (void)tell_dispute(w);
        plan_requeue(w->plan, w->world.correct_at_ms - w->s->now_ms);
        return;
    }
    if (!is_of_its_plane(w) || !cell_is_there(w)) {
        return;
    }
    struct slice why;
    if (!rendered__answers(w, &why)) {
        rendered__not_ready(w, STATUS_FALSE, false, RENDERED_UNREACHABLE, why);
        return; /* the system shard's news of the cluster brings it back */
    }
    bool failed_before = strcmp(w->world.failed_hash, hash) == 0;
    if (failed_before && w->world.reason[0] != '\0') {
        report_failure(w);
    }
    if (failed_before && w->s->now_ms < w->world.retry_at_ms) {
        plan_requeue(w->plan, w->world.retry_at_ms - w->s->now_ms);
        return;
    }
    const char *reason = NULL;
    struct err err;
    json_t *made = json_incref(manifests);
    if (made != NULL || rendered_manifests(w->s, w->rendered, &w->plan->arena, &made, &reason,
                                           &err) == 0) { /* it was before */
        want(w, made, hash);
    }
    json_decref(made);
}

/* Nothing goes to a plane of another namespace, whoever made this object. */
static bool may_be_there(struct rendered_work *w)
{
    const json_t *plane = rendered__plane_of(w);
    if (plane == NULL || plane_allows(plane, w->entry->ns)) {
        return true;
    }
    rendered__not_ready(w, STATUS_FALSE, false, "DataPlaneNotAllowed",
                        slice_of(plane_forbids(plane, w->entry->ns, &w->plan->arena)));
    return false;
}

static void not_rendered(struct rendered_work *w, const char *reason, const struct err *err)
{
    bool waits = strcmp(reason, DEPLOYMENT_WAITS) == 0;
    struct slice why = slice_of(err->message);
    if (owner_text(w->rendered, "componentName").len > 0) {
        const struct deployment d = rendered_deployment(w->rendered);
        why = dependency_explain(w->s, &d, why, &w->plan->arena);
    }
    if (!waits) {
        tell_failure(w, reason, arena_cstr(&w->plan->arena, why));
    }
    condition_set(plan_edit(w->plan, w->s, w->entry), w->s, APPLIED, STATUS_FALSE, reason, "%.*s",
                  SLICE_ARG(why));
    rendered__not_ready(w, STATUS_FALSE, waits, reason, why);
}

void rendered_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan)
{
    const json_t *rendered = snapshot_tree(s, entry);
    struct rendered_work w = {.s = s,
                              .entry = entry,
                              .rendered = rendered,
                              .plan = plan,
                              .cell = rendered_is_cell(rendered),
                              .project = owner_text(rendered, "projectName"),
                              .environment = spec_text(rendered, "environmentName"),
                              .plane = spec_text(rendered, "dataPlane"),
                              .cluster = spec_text(rendered, "cluster")};
    look(&w);
    if (entry->deleting) {
        rendered__end(&w);
        return;
    }
    if (rendered__orphaned(&w)) {
        plan_delete(plan, entry);
        return;
    }
    if (w.world.busy) {
        return; /* its end brings the key back */
    }
    if (!may_be_there(&w)) {
        return;
    }
    if (rendered_is_run(rendered) && w.applied[0] != '\0') {
        report(&w, w.applied); /* what ran, or runs, is not sent again */
        return;
    }
    json_t *manifests = NULL;
    const char *reason = NULL;
    struct err err;
    char hash[65];
    if (rendered_hash(s, entry, &plan->arena, hash, &manifests, &reason, &err) != 0) {
        not_rendered(&w, reason, &err);
    } else if (cluster_secret(s, w.plane, w.cluster, &plan->arena) == NULL) {
        rendered__not_ready(
            &w, STATUS_FALSE, false, "NotConnected",
            slice_of(arena_printf(
                &plan->arena, "cluster \"%.*s\" is not connected: there is no Secret %s",
                SLICE_ARG(w.cluster), cluster_secret_place(s, w.plane, w.cluster, &plan->arena))));
    } else {
        plan_apply(&w, hash, manifests);
    }
    json_decref(manifests);
}
