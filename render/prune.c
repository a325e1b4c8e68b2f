/* prune.c: conditions that a release settles for good.
 *
 * A release freezes its parameters and its workload, so a condition on these alone has one answer
 * for ever. What is never made need not be stored with every release, read and hashed: the built-in
 * types can do much more than most components ask for. A condition that names anything else (what
 * an environment says) is not decided here; nor is one that fails. */
#include "render/prune.h"

#include "render/derived.h"
#include "render/section.h"

/* Variables that the place of deployment decides; a binding changes what is in the container. */
static const char *const later[] = {"environment",    "organization", "gateway",
                                    "dataplane",      "dependencies", "metadata",
                                    "configurations", "container",    "oc_"};

static bool settled(struct slice condition)
{
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        if (slice_find(condition, slice_of(later[i])) != SIZE_MAX) {
            return false;
        }
    }
    return condition.len > 0;
}

static bool never(struct template_scope *scope, const json_t *resource)
{
    struct slice condition = json_text_at(resource, "includeWhen");
    struct err ignored = {0};
    bool made = true;
    return settled(condition) &&
           template_bool(scope, condition, SLICE("includeWhen"), &made, &ignored) == 0 && !made;
}

/* The same type with those resources only that may be made. */
static json_t *without(struct template_scope *scope, const json_t *type)
{
    json_t *pruned = json_copy((json_t *)(uintptr_t)type);
    json_t *spec = json_copy(json_object_get(type, "spec"));
    json_t *kept = json_array();
    size_t i;
    json_t *resource;
    json_array_foreach(json_object_get(spec, "resources"), i, resource)
    {
        if (!never(scope, resource)) {
            json_array_append(kept, resource);
        }
    }
    if (json_array_size(kept) > 0) { /* a type that makes nothing is another fault */
        json_object_set(spec, "resources", kept);
    }
    json_decref(kept);
    json_object_set_new(pruned, "spec", spec);
    return pruned;
}

void prune_release(json_t *spec)
{
    struct arena arena = {0};
    struct template_scope scope;
    struct layers parameters = {0};
    struct err ignored = {0};
    const struct render_component in = {.release = spec};
    const json_t *type = json_object_get(spec, "componentType");
    json_t *variables = json_object();
    json_t *derived = json_object();
    template_init(&scope, &arena, RENDER_COST_MAX);
    layers_add(&parameters, "component", json_at(spec, "componentProfile", "parameters", NULL));
    if (json_is_array(json_at(type, "spec", "resources", NULL)) &&
        derive_workload(&arena, &in, variables, derived, &ignored) == 0 &&
        section_bind(&scope, json_object_get(type, "spec"), "parameters", &parameters,
                     SLICE("parameters"), &ignored) == 0) {
        template_set(&scope, SLICE("workload"),
                     cel_of_json(&arena, json_object_get(variables, "workload")));
        json_object_set_new(spec, "componentType", without(&scope, type));
    }
    json_decref(variables);
    json_decref(derived);
    arena_free(&arena);
}
