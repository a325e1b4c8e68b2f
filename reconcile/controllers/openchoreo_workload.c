/* openchoreo_workload.c: what a source says of how it runs.
 *
 * OpenChoreo's build workflows make a Workload of the descriptor in the source (workload.yaml), and
 * put it out as JSON, {metadata, spec}: in an annotation of the WorkflowRun, beside one that says
 * whether there was a descriptor at all; or as an output of a step, called workload. What it says
 * of container, endpoints and dependencies is then the Workload's. Whose the Workload is, and which
 * image runs, no source says.
 *
 * It is a stranger's word, and held to what a client's write is held to, here: a write that the
 * door refused would be tried for ever and told to nobody. */
#include "reconcile/controllers/openchoreo.h"

#include "proto/admit.h"
#include "proto/kind.h"

#define PUT_OUT "openchoreo.dev/workload"
#define FROM_SOURCE "openchoreo.dev/workload-from-source"

/* The text; empty: none. generated: there was no descriptor, and it is what comes of none. */
static struct slice put_out(const struct translation *t, struct slice run, bool *generated)
{
    const json_t *theirs = snapshot_get(t->s, SNAPSHOT_OC_WORKFLOW_RUN, t->entry->ns, run);
    const json_t *ours = snapshot_get(t->s, SNAPSHOT_RUN, t->entry->ns, run);
    struct slice annotated = object_annotation(theirs, PUT_OUT);
    *generated = slice_eq_cstr(object_annotation(theirs, FROM_SOURCE), "false");
    return annotated.len > 0 ? annotated : json_text(json_at(ours, "status", "workload", NULL));
}

static void refuse(struct translation *t, struct slice run, const char *why)
{
    translation_refuse(t, "WorkloadInvalid",
                       "run \"%.*s\" put out a Workload that cannot be taken, and what runs stays: "
                       "%s; put it right in the source, and build it again",
                       SLICE_ARG(run), why);
}

/* What the text says, over spec; false, with the condition set, if that is nothing. */
static bool take(struct translation *t, struct slice text, struct slice run, json_t *spec)
{
    static const char *const keys[] = {"container", "endpoints", "dependencies"};
    json_t *said = NULL;
    struct err err;
    if (json_parse(text, &said, &err) != 0 || !json_is_object(json_object_get(said, "spec"))) {
        refuse(t, run, said == NULL ? err.message : "it is no object with a spec");
        json_decref(said);
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        json_t *value = json_at(said, "spec", keys[i], NULL);
        if (value != NULL && !json_is_null(value)) {
            json_object_set(spec, keys[i], value);
        } else {
            json_object_del(spec, keys[i]);
        }
    }
    json_decref(said);
    return true;
}

/* The spec as the door would make it of a client's; NULL, with the condition set, if it would not.
 */
static json_t *admitted(struct translation *t, struct slice run, struct slice name, json_t *spec)
{
    struct kind_registry kinds;
    struct err err;
    kind_registry_init(&kinds);
    kind_registry_builtin(&kinds);
    json_t *o = object_new(OPENCHOREO_GROUP "/v1alpha1", "Workload", t->entry->ns, name);
    json_object_set(o, "spec", spec);
    const struct admit_request request = {
        .arena = &t->plan->arena,
        .kind = kind_by_type(&kinds, SLICE(OPENCHOREO_GROUP "/v1alpha1"), SLICE("Workload")),
        .op = ADMIT_CREATE,
        .ns = t->entry->ns,
        .incoming = o,
        .validation = ADMIT_IGNORE,
        .now_ms = t->s->now_ms,
        .uid = "00000000-0000-0000-0000-000000000000",
        .suffix = "00000"};
    struct admit_result result = {0};
    json_t *clean = NULL;
    if (admit(&request, &result, &err) == 0) {
        clean = json_deep_copy(json_object_get(result.object, "spec"));
    } else {
        refuse(t, run, err.message);
    }
    json_decref(o);
    kind_registry_free(&kinds);
    return clean;
}

json_t *openchoreo_workload_of(struct translation *t, const struct snapshot_entry *workload,
                               struct slice run, struct slice image)
{
    const json_t *before = workload != NULL ? snapshot_tree(t->s, workload) : NULL;
    json_t *spec = json_deep_copy(json_object_get(before, "spec"));
    bool generated;
    struct slice text = put_out(t, run, &generated);
    bool said = text.len > 0 && (workload == NULL || !generated);
    spec = spec != NULL ? spec : json_object();
    if (workload == NULL) {
        json_object_set_new(spec, "owner",
                            json_pack("{s:o, s:o}", "projectName",
                                      json_str(owner_text(t->object, "projectName")),
                                      "componentName", json_str(t->entry->name)));
    }
    if (said && !take(t, text, run, spec)) {
        json_decref(spec);
        return NULL;
    }
    json_t *container = json_child(spec, "container");
    if (container == NULL) { /* what was said of it is no object: the check says where */
        container = json_object_get(spec, "container");
    }
    json_object_set_new(container, "image", json_str(image));
    if (said) {
        json_t *clean = admitted(t, run, workload != NULL ? workload->name : t->entry->name, spec);
        json_decref(spec);
        spec = clean;
    }
    return spec;
}
