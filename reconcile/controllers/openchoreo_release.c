/* openchoreo_release.c: ComponentReleases, and releases of ours.
 *
 * One that somebody wrote becomes a Release of ours that belongs to it, and stays as long as it
 * does. A Release that our component made is shown as a ComponentRelease that belongs to it: what
 * OpenChoreo's users read, and promote by naming it. Which of the two an object is, its owner
 * tells.
 *
 * A Release that has a ComponentRelease is not cleaned away (release.c). So those are shown that a
 * binding uses, the latest, and the newest; what is none of these is no longer shown, and may go.
 */
#include "proto/object.h"
#include "reconcile/controllers/openchoreo.h"
#include "reconcile/controllers/rollout.h"

enum { SHOWN = 10 }; /* at most as many as are kept anyway */

/* Of the newest? What is made in one second is ordered by name, as where they are cleaned away. */
static bool is_recent(const struct snapshot *s, const struct snapshot_entry *release,
                      const struct snapshot_entry *const *all, size_t count)
{
    if (count <= SHOWN) {
        return true;
    }
    const json_t *own = snapshot_tree(s, release);
    size_t newer = 0;
    for (size_t i = 0; i < count; i++) {
        newer += object_age_order(snapshot_tree(s, all[i]), own) > 0 ? 1 : 0;
    }
    return newer < SHOWN;
}

static bool is_used(const struct translation *t, struct slice release)
{
    const struct snapshot_entry **bindings;
    const json_t *component = snapshot_get(t->s, SNAPSHOT_COMPONENT, t->entry->ns, t->entry->name);
    bool used =
        slice_eq(json_text(json_at(component, "status", "latestRelease", "name", NULL)), release);
    size_t count = snapshot_list(t->s, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, t->entry->ns,
                                 t->entry->name, &t->plan->arena, &bindings);
    for (size_t i = 0; !used && i < count; i++) {
        used = rollout_uses(snapshot_tree(t->s, bindings[i]), release);
    }
    return used;
}

static void show(struct translation *t, const struct snapshot_entry *release)
{
    static const char *const keys[] = {"owner", "componentType", "traits", "componentProfile",
                                       "workload"};
    const json_t *ours = snapshot_tree(t->s, release);
    json_t *o =
        object_new(OPENCHOREO_GROUP "/v1alpha1", "ComponentRelease", release->ns, release->name);
    json_t *spec = json_child(o, "spec");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        json_t *value = json_at(ours, "spec", keys[i], NULL);
        if (value != NULL && !json_is_null(value)) {
            json_object_set(spec, keys[i], value);
        }
    }
    object_add_owner(o, ours, true);
    plan_create(t->plan, SNAPSHOT_OC_RELEASE, o);
}

void openchoreo_releases_show(struct translation *t)
{
    const struct snapshot_entry **all;
    size_t count = snapshot_list(t->s, SNAPSHOT_RELEASE, SNAPSHOT_BY_COMPONENT, t->entry->ns,
                                 t->entry->name, &t->plan->arena, &all);
    for (size_t i = 0; i < count; i++) {
        const struct snapshot_entry *theirs =
            snapshot_find(t->s, SNAPSHOT_OC_RELEASE, t->entry->ns, all[i]->name);
        bool shown = is_recent(t->s, all[i], all, count) || is_used(t, all[i]->name);
        if (shown && theirs == NULL && !all[i]->deleting) {
            show(t, all[i]);
        } else if (!shown && theirs != NULL && !theirs->deleting &&
                   owned_by(snapshot_tree(t->s, theirs), all[i]->uid)) {
            plan_delete(t->plan, theirs);
        }
    }
}

void openchoreo_release_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                             struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return;
    }
    translation_begin(&t, s, entry, plan);
    const struct snapshot_entry *ours = snapshot_find(s, SNAPSHOT_RELEASE, entry->ns, entry->name);
    bool is_shown = ours != NULL && owned_by(t.object, ours->uid);
    const json_t *made =
        is_shown ? snapshot_tree(s, ours)
                 : translation_counterpart(&t, SNAPSHOT_RELEASE,
                                           json_deep_copy(json_at(t.object, "spec", NULL)));
    if (made != NULL) {
        condition_set(t.edit, s, READY, STATUS_TRUE, "Released", "it can be bound");
    }
    translation_end(&t, NULL);
}
