/* openchoreo_run.c: OpenChoreo's WorkflowRuns, and the workflows that they name.
 *
 * A WorkflowRun has a counterpart; whose it is, its labels say, and which commit it is of, its
 * parameters. It goes when its counterpart goes: nothing is run twice. A workflow has none: it is
 * read where it lies, so that OpenChoreo's dockerfile-builder may stand beside the built-in one of
 * that name. */
#include "reconcile/controllers/openchoreo.h"

#include "proto/schema.h"
#include "proto/workflow_run.h"
#include "proto/workflow_source.h"

#define LABEL "openchoreo.dev/"

enum { TRIGGER_MAX = 253 }; /* of WorkflowRun.spec.triggeredBy */

static json_t *copy_at(const json_t *object, const char *section, const char *key)
{
    const json_t *value = json_at(object, section, key, NULL);
    return value != NULL ? json_deep_copy(value) : json_null();
}

static const json_t *workflow_of(const struct translation *t)
{
    const json_t *ref = json_at(t->object, "spec", "workflow", NULL);
    bool local = slice_eq_cstr(json_text_at(ref, "kind"), "Workflow");
    return snapshot_get(t->s, local ? SNAPSHOT_OC_WORKFLOW : SNAPSHOT_OC_CLUSTER_WORKFLOW,
                        local ? t->entry->ns : (struct slice){0}, json_text_at(ref, "name"));
}

/* A label may hold what is no name: then it names nothing. */
static void set_owner(json_t *owner, const char *key, struct slice label)
{
    if (label.len > 0 && schema_dns_name(label) == NULL) {
        json_object_set_new(owner, key, json_str(label));
    }
}

static json_t *run_spec(const struct translation *t, const json_t *template)
{
    const json_t *run = t->object;
    json_t *workflow = json_deep_copy(json_at(run, "spec", "workflow", NULL));
    json_object_set_new(workflow, "group", json_string(OPENCHOREO_GROUP));
    struct slice asked = object_annotation(run, WORKFLOW_RUN_TRIGGER);
    json_t *spec = json_pack(
        "{s:o, s:o, s:o, s:o*}", "workflow", workflow, "ttlAfterCompletion",
        copy_at(run, "spec", "ttlAfterCompletion"), "triggeredBy",
        json_str(asked.len > 0 && asked.len <= TRIGGER_MAX ? asked : SLICE(OPENCHOREO_GROUP)),
        "source", workflow_source_read(template, json_object_get(workflow, "parameters")));
    json_t *owner = json_child(spec, "owner");
    set_owner(owner, "projectName", object_label(run, LABEL "project"));
    set_owner(owner, "componentName", object_label(run, LABEL "component"));
    return spec;
}

/* How it went, in OpenChoreo's words, which are the same. */
static void tell(struct translation *t, const json_t *ours)
{
    static const char *const keys[] = {"startedAt", "completedAt", "tasks"};
    static const char *const conditions[] = {"WorkflowRunning", "WorkflowCompleted",
                                             "WorkflowSucceeded"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const json_t *value = json_at(ours, "status", keys[i], NULL);
        status_set(t->edit, keys[i], value != NULL ? json_deep_copy(value) : NULL);
    }
    const json_t *reference = json_at(ours, "status", "runReference", NULL);
    if (reference != NULL) {
        json_t *copy = json_deep_copy(reference);
        json_object_del(copy, "dataPlane");
        json_object_del(copy, "cluster");
        status_set(t->edit, "runReference", copy);
    }
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        const json_t *c = object_condition(ours, conditions[i]);
        if (c != NULL) {
            struct arena *arena = &t->plan->arena;
            object_set_condition(t->edit, conditions[i],
                                 arena_cstr(arena, json_text_at(c, "status")),
                                 arena_cstr(arena, json_text_at(c, "reason")),
                                 arena_cstr(arena, json_text_at(c, "message")), t->s->now_ms);
        }
    }
}

/* What a run is of is read in its workflow's schema: it waits for that. NULL: it is not there. */
static const json_t *start(struct translation *t)
{
    const json_t *workflow = workflow_of(t);
    if (workflow == NULL) {
        struct slice kind = json_text(json_at(t->object, "spec", "workflow", "kind", NULL));
        struct slice name = json_text(json_at(t->object, "spec", "workflow", "name", NULL));
        translation_fail(t, "WorkflowNotFound", "there is no %.*s \"%.*s\" yet",
                         SLICE_ARG(kind.len > 0 ? kind : SLICE("ClusterWorkflow")),
                         SLICE_ARG(name));
        return NULL;
    }
    return translation_counterpart(t, SNAPSHOT_RUN, run_spec(t, workflow));
}

/* Which push it is of, which a second telling of it may have added. */
static void copy_push(struct translation *t, const struct snapshot_entry *ours)
{
    static const char *const keys[] = {WORKFLOW_RUN_PUSHED_FROM, WORKFLOW_RUN_PUSHED_OVER};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct slice said = object_annotation(t->object, keys[i]);
        if (said.len > 0) {
            object_set_annotation(plan_edit(t->plan, t->s, ours), keys[i], said);
        }
    }
}

void openchoreo_run_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                         struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return; /* the counterpart goes with it */
    }
    translation_begin(&t, s, entry, plan);
    const struct snapshot_entry *there = snapshot_find(s, SNAPSHOT_RUN, entry->ns, entry->name);
    const json_t *ours = there != NULL ? snapshot_tree(s, there) : NULL;
    if (ours == NULL && object_condition(t.object, "WorkflowCompleted") != NULL) {
        plan_delete(plan, entry); /* it ran, and its time was over: not a second time */
        return;
    }
    if (ours == NULL || !owned_by(ours, entry->uid)) {
        ours = start(&t);
    }
    if (ours != NULL) { /* what runs stays what it was when it began */
        tell(&t, ours);
        copy_push(&t, there);
    }
    translation_end(&t, ours);
}
