/* build_allowed.c: read where a run is made, and again where one begins: anybody may have made it.
 */
#include "reconcile/controllers/build_allowed.h"

const char *build_workflow_kind(const json_t *ref)
{
    return slice_eq_cstr(json_text_at(ref, "kind"), "Workflow") ? "Workflow" : "ClusterWorkflow";
}

static const json_t *find(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                          struct slice name)
{
    const struct snapshot_entry *e = snapshot_find_spec(s, kind, ns, name);
    return e != NULL ? snapshot_tree(s, e) : NULL;
}

/* Of the namespace, else of the cluster, as a release takes it (render/release.c). */
static const json_t *find_either(const struct snapshot *s, enum snapshot_kind local,
                                 enum snapshot_kind shared, struct slice ns, const json_t *ref,
                                 struct slice name)
{
    struct slice kind = json_text_at(ref, "kind");
    bool of_cluster = slice_eq_cstr(kind, "ClusterComponentType");
    const json_t *found = of_cluster ? NULL : find(s, local, ns, name);
    bool ask = found == NULL && (kind.len == 0 || of_cluster);
    return ask ? find(s, shared, (struct slice){0}, name) : found;
}

const json_t *build_type(const struct snapshot *s, const json_t *component)
{
    const json_t *ref = json_at(component, "spec", "componentType", NULL);
    struct slice ns = object_ns(component);
    struct slice name = ref != NULL ? json_text_at(ref, "name") : spec_text(component, "type");
    name = name.len > 0 ? name : SLICE("service");
    return slice_eq_cstr(json_text_at(ref, "group"), OPENCHOREO_GROUP)
               ? find_either(s, SNAPSHOT_OC_TYPE, SNAPSHOT_OC_CLUSTER_TYPE, ns, ref, name)
               : find_either(s, SNAPSHOT_TYPE, SNAPSHOT_CLUSTER_TYPE, ns, ref, name);
}

bool build_allowed(const json_t *type, const json_t *ref)
{
    const json_t *names = json_at(type, "spec", "allowedWorkflows", NULL);
    bool theirs = slice_starts_with(object_api_version(type), SLICE(OPENCHOREO_GROUP "/"));
    size_t i;
    json_t *allowed;
    json_array_foreach((json_t *)(uintptr_t)names, i, allowed)
    {
        if (slice_eq(json_text_at(allowed, "name"), json_text_at(ref, "name")) &&
            slice_eq_cstr(slice_of(build_workflow_kind(allowed)), build_workflow_kind(ref))) {
            return true;
        }
    }
    return type == NULL || (!theirs && json_array_size(names) == 0);
}

const char *build_forbidden(struct plan *plan, const json_t *type, const json_t *ref)
{
    return build_allowed(type, ref)
               ? NULL
               : arena_printf(&plan->arena,
                              "%s \"%.*s\" is none of spec.allowedWorkflows of the component's "
                              "type \"%.*s\"",
                              build_workflow_kind(ref), SLICE_ARG(json_text_at(ref, "name")),
                              SLICE_ARG(object_name(type)));
}
