/* pipeline.c: checks a promotion graph and says where it starts.
 *
 * It changes nothing but its own status: components ask pipeline_first() themselves. */
#include "reconcile/controllers/common.h"

static bool missing(const struct snapshot *s, struct slice ns, struct slice name)
{
    return snapshot_find(s, SNAPSHOT_ENVIRONMENT, ns, name) == NULL;
}

/* The first environment that the pipeline names and that is not there. */
static struct slice first_missing(const struct snapshot *s, const json_t *pipeline)
{
    struct slice ns = object_ns(pipeline);
    struct slice found = {0};
    size_t i;
    json_t *path;
    json_array_foreach(json_at(pipeline, "spec", "promotionPaths", NULL), i, path)
    {
        struct slice source = json_text(json_at(path, "sourceEnvironmentRef", "name", NULL));
        if (found.len == 0 && missing(s, ns, source)) {
            found = source;
        }
        size_t k;
        json_t *target;
        json_array_foreach(json_object_get(path, "targetEnvironmentRefs"), k, target)
        {
            if (found.len == 0 && missing(s, ns, json_text_at(target, "name"))) {
                found = json_text_at(target, "name");
            }
        }
    }
    return found;
}

void pipeline_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan)
{
    const json_t *pipeline = snapshot_tree(s, entry);
    if (entry->deleting) {
        return;
    }
    json_t *edit = plan_edit(plan, s, entry);
    struct slice absent = first_missing(s, pipeline);
    struct slice first = pipeline_first(pipeline);
    if (json_array_size(json_at(pipeline, "spec", "promotionPaths", NULL)) == 0) {
        condition_set(edit, s, READY, STATUS_FALSE, "Empty",
                      "spec.promotionPaths is empty: nothing can be deployed through it");
    } else if (first.len == 0) {
        condition_set(edit, s, READY, STATUS_FALSE, "Cycle",
                      "every environment is the target of another: releases have nowhere to start");
    } else if (absent.len > 0) {
        condition_set(edit, s, READY, STATUS_FALSE, "EnvironmentNotFound",
                      "there is no environment \"%.*s\" in this namespace", SLICE_ARG(absent));
    } else {
        condition_set(edit, s, READY, STATUS_TRUE, "Valid", "releases start in \"%.*s\"",
                      SLICE_ARG(first));
    }
    condition_drop(edit, "GatesEnforced"); /* of an earlier version, which did not */
    status_observe(edit);
}
