/* plan.c: gathering what a controller wants, and choosing the controller.
 *
 * Edits are copies: plan_finish() compares each with what it was copied from and turns those that
 * differ into writes, after the writes that the controller asked for itself, its own object's last,
 * so that what a status tells of exists before the status does.
 *
 * Who owns which field (managedFields) is the gate's book, and half of most objects. An edit shares
 * it with the snapshot, and is written without it: the gate then goes on from what is stored. */
#include "reconcile/plan.h"

#include <stdlib.h>
#include <string.h>

#include "proto/object.h"

#define MANAGED "managedFields"

enum { GROW = 8 };

struct plan_edit {
    struct plan_edit *next; /* newest first */
    const struct snapshot_entry *entry;
    const json_t *before;
    json_t *after;
};

void plan_init(struct plan *plan)
{
    *plan = (struct plan){0};
    arena_init(&plan->arena);
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->write_count; i++) {
        json_decref(plan->writes[i].object);
        json_decref(plan->writes[i].credentials);
    }
    for (struct plan_edit *e = plan->edits; e != NULL; e = e->next) {
        json_decref(e->after);
    }
    free(plan->writes);
    free(plan->events);
    json_decref(plan->desired.manifests);
    json_decref(plan->desired.prune);
    json_decref(plan->desired.claims_of);
    arena_free(&plan->arena);
    *plan = (struct plan){0};
}

static struct plan_write *write_new(struct plan *plan)
{
    if (plan->write_count % GROW == 0) {
        plan->writes = mem_resize(plan->writes, (plan->write_count + GROW) * sizeof(*plan->writes));
    }
    return &plan->writes[plan->write_count++];
}

void plan_create(struct plan *plan, enum snapshot_kind kind, json_t *object)
{
    *write_new(plan) = (struct plan_write){.verb = PLAN_CREATE,
                                           .kind = kind,
                                           .ns = object_ns(object),
                                           .name = object_name(object),
                                           .object = object};
}

void plan_create_secret(struct plan *plan, json_t *secret, const json_t *wanted)
{
    plan_create(plan, SNAPSHOT_SECRET, secret);
    plan->writes[plan->write_count - 1].credentials = json_deep_copy(wanted);
}

/* A deep copy but for one member, which is shared. */
static json_t *copy_sharing(const json_t *object, const char *shared)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)object);
    for (void *it = json_object_iter(copy); it != NULL; it = json_object_iter_next(copy, it)) {
        if (strcmp(json_object_iter_key(it), shared) != 0 &&
            json_object_iter_set_new(copy, it, json_deep_copy(json_object_iter_value(it))) != 0) {
            abort();
        }
    }
    return copy;
}

static json_t *copy_for_edit(const json_t *object)
{
    json_t *copy = copy_sharing(object, "metadata");
    const json_t *metadata = json_object_get(object, "metadata");
    if (metadata != NULL) {
        json_object_set_new(copy, "metadata", copy_sharing(metadata, MANAGED));
    }
    return copy;
}

void plan_complete_secret(struct plan *plan, const struct snapshot *s,
                          const struct snapshot_entry *entry, const json_t *wanted)
{
    json_t *secret = copy_for_edit(snapshot_tree(s, entry));
    (void)json_object_del(json_object_get(secret, "metadata"), MANAGED);
    *write_new(plan) = (struct plan_write){.verb = PLAN_UPDATE,
                                           .kind = entry->kind,
                                           .ns = entry->ns,
                                           .name = entry->name,
                                           .if_version = entry->version,
                                           .object = secret,
                                           .credentials = json_deep_copy(wanted)};
}

json_t *plan_edited(const struct plan *plan, const struct snapshot_entry *entry)
{
    const struct plan_edit *e = plan->edits;
    while (e != NULL && e->entry != entry) {
        e = e->next;
    }
    return e != NULL ? e->after : NULL;
}

json_t *plan_edit(struct plan *plan, const struct snapshot *s, const struct snapshot_entry *entry)
{
    json_t *edited = plan_edited(plan, entry);
    if (edited != NULL) {
        return edited;
    }
    struct plan_edit *e = ARENA_NEW(&plan->arena, struct plan_edit);
    e->entry = entry;
    e->before = snapshot_tree(s, entry);
    e->after = copy_for_edit(e->before);
    e->next = plan->edits;
    plan->edits = e;
    return e->after;
}

void plan_delete(struct plan *plan, const struct snapshot_entry *entry)
{
    if (entry->deleting) {
        return; /* its finalizers are at work */
    }
    *write_new(plan) = (struct plan_write){.verb = PLAN_DELETE,
                                           .kind = entry->kind,
                                           .ns = entry->ns,
                                           .name = entry->name,
                                           .if_version = entry->version};
}

void plan_event(struct plan *plan, const json_t *regarding, bool warning, const char *reason,
                const char *format, ...)
{
    va_list args;
    struct buf text = {0};
    va_start(args, format);
    buf_vaddf(&text, format, args);
    va_end(args);
    if (plan->event_count % GROW == 0) {
        plan->events = mem_resize(plan->events, (plan->event_count + GROW) * sizeof(*plan->events));
    }
    plan->events[plan->event_count++] =
        (struct plan_event){.regarding = regarding,
                            .warning = warning,
                            .reason = reason,
                            .message = arena_cstr(&plan->arena, buf_slice(&text))};
    buf_free(&text);
}

void plan_requeue(struct plan *plan, uint64_t after_ms)
{
    if (plan->requeue_after_ms == 0 || after_ms < plan->requeue_after_ms) {
        plan->requeue_after_ms = after_ms > 0 ? after_ms : 1;
    }
}

void plan_follow(struct plan *plan, struct slice repository, struct slice ref, struct slice secret,
                 uint64_t every_ms)
{
    plan->source = (struct plan_source){.repository = arena_copy(&plan->arena, repository),
                                        .ref = arena_copy(&plan->arena, ref),
                                        .secret = arena_copy(&plan->arena, secret),
                                        .every_ms = every_ms};
}

void plan_resolve(struct plan *plan, struct slice repository, struct slice ref, struct slice secret)
{
    plan_follow(plan, repository, ref, secret, 0);
}

const json_t *plan_source_of(const json_t *object, struct slice repository, struct slice ref)
{
    const json_t *source = json_at(object, "status", "source", NULL);
    bool same = slice_eq(json_text_at(source, "repository"), repository) &&
                slice_eq(json_text_at(source, "ref"), ref);
    return same ? source : NULL;
}

static void finish_edit(struct plan *plan, struct plan_edit *e)
{
    if (!json_equal(e->before, e->after)) {
        (void)json_object_del(json_object_get(e->after, "metadata"), MANAGED);
        *write_new(plan) = (struct plan_write){.verb = PLAN_UPDATE,
                                               .kind = e->entry->kind,
                                               .ns = e->entry->ns,
                                               .name = e->entry->name,
                                               .if_version = e->entry->version,
                                               .object = json_incref(e->after)};
    }
}

/* Newest first: a controller edits its own object before any other, and what its status tells must
 * have been written before. */
void plan_finish(struct plan *plan)
{
    for (struct plan_edit *e = plan->edits; e != NULL; e = e->next) {
        finish_edit(plan, e);
    }
}

static json_t *write_tree(const struct plan_write *w)
{
    static const char *const verbs[] = {
        [PLAN_CREATE] = "create", [PLAN_UPDATE] = "update", [PLAN_DELETE] = "delete"};
    json_t *tree = json_object();
    json_object_set_new(tree, "verb", json_string(verbs[w->verb]));
    if (w->object != NULL) {
        json_object_set(tree, "object", w->object);
        if (w->credentials != NULL) {
            json_object_set(tree, "credentials", w->credentials);
        }
        return tree;
    }
    json_object_set_new(tree, "kind", json_string(snapshot_kind_name(w->kind)));
    if (w->ns.len > 0) {
        json_object_set_new(tree, "namespace", json_str(w->ns));
    }
    json_object_set_new(tree, "name", json_str(w->name));
    return tree;
}

static void desired_tree(const struct plan_desired *d, json_t *tree)
{
    if (d->action == PLAN_NOTHING) {
        return;
    }
    json_t *o = json_object();
    json_object_set_new(o, "plane", json_str(d->plane));
    json_object_set_new(o, "cluster", json_str(d->cluster));
    if (d->manifests != NULL) {
        json_object_set(o, "manifests", d->manifests);
    }
    if (json_array_size(d->prune) > 0) {
        json_object_set(o, "prune", d->prune);
    }
    if (d->claims_of != NULL) {
        json_object_set(o, "claimsOf", d->claims_of);
    }
    json_object_set_new(tree, d->action == PLAN_APPLY ? "apply" : "remove", o);
}

static void source_tree(const struct plan_source *source, json_t *tree)
{
    if (source->repository.len == 0) {
        return;
    }
    json_t *o = json_object();
    json_object_set_new(o, "repository", json_str(source->repository));
    if (source->ref.len > 0) {
        json_object_set_new(o, "ref", json_str(source->ref));
    }
    if (source->secret.len > 0) {
        json_object_set_new(o, "secret", json_str(source->secret));
    }
    if (source->every_ms > 0) {
        json_object_set_new(o, "everyMs", json_integer((json_int_t)source->every_ms));
    }
    json_object_set_new(tree, "source", o);
}

json_t *plan_tree(const struct plan *plan)
{
    json_t *tree = json_object();
    if (plan->write_count > 0) {
        json_t *writes = json_array();
        for (size_t i = 0; i < plan->write_count; i++) {
            json_array_append_new(writes, write_tree(&plan->writes[i]));
        }
        json_object_set_new(tree, "writes", writes);
    }
    desired_tree(&plan->desired, tree);
    source_tree(&plan->source, tree);
    if (plan->event_count > 0) {
        json_t *events = json_array();
        for (size_t i = 0; i < plan->event_count; i++) {
            const struct plan_event *e = &plan->events[i];
            json_array_append_new(events, json_pack("{s:s, s:s, s:s}", "type",
                                                    e->warning ? "Warning" : "Normal", "reason",
                                                    e->reason, "message", e->message));
        }
        json_object_set_new(tree, "events", events);
    }
    if (plan->requeue_after_ms > 0) {
        json_object_set_new(tree, "requeueAfterMs",
                            json_integer((json_int_t)plan->requeue_after_ms));
    }
    return tree;
}

typedef void (*controller)(const struct snapshot *s, const struct snapshot_entry *entry,
                           struct plan *plan);

static const controller controllers[SNAPSHOT_KIND_COUNT] = {
    [SNAPSHOT_ORGANIZATION] = organization_plan,
    [SNAPSHOT_DATAPLANE] = dataplane_plan,
    [SNAPSHOT_CLUSTER_TYPE] = builtin_plan,
    [SNAPSHOT_CLUSTER_TRAIT] = builtin_plan,
    [SNAPSHOT_CLUSTER_RESOURCE_TYPE] = builtin_plan,
    [SNAPSHOT_CLUSTER_PROJECT_TYPE] = builtin_plan,
    [SNAPSHOT_CLUSTER_WORKFLOW] = builtin_plan,
    [SNAPSHOT_PROJECT] = project_plan,
    [SNAPSHOT_COMPONENT] = component_plan,
    [SNAPSHOT_ENVIRONMENT] = environment_plan,
    [SNAPSHOT_PIPELINE] = pipeline_plan,
    [SNAPSHOT_RELEASE] = release_plan,
    [SNAPSHOT_BINDING] = binding_plan,
    [SNAPSHOT_RELEASE_SET] = release_set_plan,
    [SNAPSHOT_APPROVAL] = verdict_plan,
    [SNAPSHOT_TEST] = verdict_plan,
    [SNAPSHOT_RENDERED] = rendered_plan,
    [SNAPSHOT_RESOURCE] = resource_plan,
    [SNAPSHOT_RESOURCE_BINDING] = resource_binding_plan,
    [SNAPSHOT_RUN] = workflow_run_plan,
    [SNAPSHOT_OC_PROJECT] = openchoreo_project_plan,
    [SNAPSHOT_OC_ENVIRONMENT] = openchoreo_environment_plan,
    [SNAPSHOT_OC_PIPELINE] = openchoreo_pipeline_plan,
    [SNAPSHOT_OC_CLUSTER_PLANE] = openchoreo_plane_plan,
    [SNAPSHOT_OC_PLANE] = openchoreo_own_plane_plan,
    [SNAPSHOT_OC_WORKFLOW_PLANE] = openchoreo_workflow_plane_plan,
    [SNAPSHOT_OC_CLUSTER_WORKFLOW_PLANE] = openchoreo_workflow_plane_plan,
    [SNAPSHOT_OC_RELEASE] = openchoreo_release_plan,
    [SNAPSHOT_OC_CELL] = openchoreo_cell_plan,
    [SNAPSHOT_OC_COMPONENT] = openchoreo_component_plan,
    [SNAPSHOT_SECRET_REFERENCE] = openchoreo_known_plan,
    [SNAPSHOT_OC_WORKFLOW] = openchoreo_known_plan,
    [SNAPSHOT_OC_CLUSTER_WORKFLOW] = openchoreo_known_plan,
    [SNAPSHOT_OC_PROJECT_TYPE] = openchoreo_known_plan,
    [SNAPSHOT_OC_CLUSTER_PROJECT_TYPE] = openchoreo_known_plan,
    [SNAPSHOT_OC_PROJECT_RELEASE] = openchoreo_known_plan,
    [SNAPSHOT_OC_WORKFLOW_RUN] = openchoreo_run_plan,
    [SNAPSHOT_OC_BINDING] = openchoreo_binding_plan,
    [SNAPSHOT_OC_RESOURCE] = openchoreo_resource_plan,
    [SNAPSHOT_OC_RESOURCE_RELEASE] = openchoreo_resource_release_plan,
    [SNAPSHOT_OC_RESOURCE_BINDING] = openchoreo_resource_binding_plan,
#define X(id, kind, resource, cluster) [id] = openchoreo_idle_plan,
    SNAPSHOT_OPENCHOREO_IDLE(X)
#undef X
};

bool plan_has_controller(enum snapshot_kind kind)
{
    return kind < SNAPSHOT_KIND_COUNT && controllers[kind] != NULL;
}

bool plan_of_every_shard(enum snapshot_kind kind)
{
    return kind == SNAPSHOT_ORGANIZATION || kind == SNAPSHOT_DATAPLANE;
}

int plan_run(const struct snapshot *s, enum snapshot_kind kind, struct slice ns, struct slice name,
             struct plan *plan, struct err *err)
{
    const struct snapshot_entry *entry = snapshot_find(s, kind, ns, name);
    if (entry == NULL || controllers[kind] == NULL) {
        return 0;
    }
    if (snapshot_tree(s, entry) == NULL) {
        return err_set(err, ERR_CORRUPT, "%s %.*s/%.*s: the stored object cannot be parsed",
                       snapshot_kind_name(kind), SLICE_ARG(ns), SLICE_ARG(name));
    }
    controllers[kind](s, entry, plan);
    plan_finish(plan);
    return 0;
}
