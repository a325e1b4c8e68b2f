/* component_environments.c: a row for each environment, and what is wrong in any of them. */
#include "reconcile/controllers/component_environments.h"

#include "reconcile/controllers/replicas.h"

/* The URLs from outside, those that people are told first; NULL: none. */
static json_t *urls_of(const json_t *binding)
{
    json_t *urls = json_array();
    size_t i;
    json_t *endpoint;
    json_array_foreach(json_at(binding, "status", "endpoints", NULL), i, endpoint)
    {
        json_t *url = json_object_get(endpoint, "invokeURL");
        if (url != NULL) {
            json_array_append(urls, url);
        }
    }
    if (json_array_size(urls) == 0) {
        json_decref(urls);
        return NULL;
    }
    return urls;
}

static json_t *row_of(const json_t *binding)
{
    struct condition ready = condition_of(binding, READY);
    json_t *row = json_object();
    json_object_set_new(row, "name", json_str(spec_text(binding, "environment")));
    struct slice release = spec_text(binding, "releaseName");
    if (release.len > 0) {
        json_object_set_new(row, "release", json_str(release));
    }
    json_object_set_new(row, "ready", json_str(ready.status));
    if (ready.reason.len > 0) {
        json_object_set_new(row, "reason", json_str(ready.reason));
    }
    json_t *urls = urls_of(binding);
    if (urls != NULL) {
        json_object_set_new(row, "urls", urls);
    }
    return row;
}

/* What the bindings say of routes from outside: the first that lacks one, else any that has all.
 */
struct exposure {
    struct condition worst; /* without a status: none says anything */
    bool outdated;          /* one speaks of an older spec */
};

static void exposure_add(struct exposure *e, const json_t *binding)
{
    struct condition c = condition_of(binding, ENDPOINTS_EXPOSED);
    if (object_condition(binding, ENDPOINTS_EXPOSED) == NULL ||
        slice_eq_cstr(e->worst.status, "False")) {
        return;
    }
    if (c.reason.len == 0) {
        e->outdated = true;
    } else {
        e->worst = c;
    }
}

static void exposure_report(const struct exposure *e, const struct snapshot *s, json_t *edit,
                            struct arena *arena)
{
    bool lacking = slice_eq_cstr(e->worst.status, "False");
    if (!lacking && e->outdated) {
        return; /* what was said stays until it speaks again */
    }
    if (e->worst.status.len == 0) {
        condition_drop(edit, ENDPOINTS_EXPOSED);
        return;
    }
    condition_set(edit, s, ENDPOINTS_EXPOSED, lacking ? STATUS_FALSE : STATUS_TRUE,
                  arena_cstr(arena, e->worst.reason), "%.*s", SLICE_ARG(e->worst.message));
}

/* What the scale subresource points at; the labels are those of the pods of the built-in types. */
static void report_scale(const struct replicas *sum, const struct snapshot_entry *entry,
                         json_t *edit, struct arena *arena)
{
    if (!sum->any) {
        status_set(edit, "replicas", NULL);
        status_set(edit, "selector", NULL);
        return;
    }
    struct slice project = json_text(json_at(edit, "status", "project", NULL));
    const char *selector = arena_printf(
        arena,
        "openchoreo.dev/namespace=%.*s,openchoreo.dev/project=%.*s,openchoreo.dev/component=%.*s",
        SLICE_ARG(entry->ns), SLICE_ARG(project), SLICE_ARG(entry->name));
    status_set(edit, "replicas", json_integer(sum->ready));
    status_set(edit, "selector", json_string(selector));
}

/* The binding as it will be once the plan is carried out: what it says is of the spec before. */
static const json_t *binding_of(const struct snapshot *s, const struct snapshot_entry *entry,
                                struct plan *plan)
{
    json_t *edited = plan_edited(plan, entry);
    if (edited == NULL) {
        return snapshot_tree(s, entry);
    }
    json_t *copy = json_copy(edited);
    json_t *meta = json_copy(json_object_get(edited, "metadata"));
    arena_own(&plan->arena, copy, (void (*)(void *))json_decref);
    json_object_set_new(meta, "generation", json_integer(object_generation(edited) + 1));
    json_object_set_new(copy, "metadata", meta);
    return copy;
}

size_t component_environments(const struct snapshot *s, const struct snapshot_entry *entry,
                              json_t *edit, struct plan *plan, struct rollup *roll)
{
    struct arena *arena = &plan->arena;
    const struct snapshot_entry **bindings;
    size_t count = snapshot_list(s, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, entry->ns, entry->name,
                                 arena, &bindings);
    struct exposure exposure = {0};
    struct replicas replicas = {0};
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++) {
        const json_t *binding = binding_of(s, bindings[i], plan);
        if (binding_before(s, bindings[i], arena) != NULL) {
            continue; /* of two of one environment the older counts */
        }
        json_array_append_new(rows, row_of(binding));
        rollup_add(roll, binding, spec_text(binding, "environment"));
        exposure_add(&exposure, binding);
        replicas_add(&replicas, binding);
    }
    bool any = json_array_size(rows) > 0;
    status_set(edit, "environments", any ? rows : NULL);
    if (!any) {
        json_decref(rows);
    }
    report_scale(&replicas, entry, edit, arena);
    exposure_report(&exposure, s, edit, arena);
    return count;
}
