/* tracking.c: the engine polls, the newest commit comes into status.source, and a run is made of
 * each commit that is new. */
#include "reconcile/controllers/tracking.h"

#include "reconcile/controllers/common.h"

/* spec.source.git of the component, else of its project. */
static const json_t *git_of(const json_t *component, const json_t *project)
{
    const json_t *git = json_at(component, "spec", "source", "git", NULL);
    return git != NULL ? git : json_at(project, "spec", "source", "git", NULL);
}

void tracking_plan(const struct snapshot *s, const struct snapshot_entry *component,
                   const json_t *project, struct plan *plan)
{
    const json_t *object = snapshot_tree(s, component);
    const json_t *git = git_of(object, project);
    bool fixed = json_text_at(git, "tag").len > 0 || json_text_at(git, "commit").len > 0;
    if (git == NULL || fixed || !json_is_true(json_at(object, "spec", "autoBuild", NULL))) {
        return;
    }
    plan_follow(plan, json_text_at(git, "repository"), json_text_at(git, "branch"),
                json_text_at(git, "secretRef"), TRACKING_POLL_MS);
}
