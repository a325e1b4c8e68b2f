/* openchoreo_resource.c: OpenChoreo's resources, their releases and their bindings, each of which
 * has a counterpart. Types have none: a release freezes its type from where it lies.
 *
 * OpenChoreo binds a resource only where a ResourceReleaseBinding says so; ours, made of it, is
 * therefore not deployed by itself. A binding that names no release takes the newest that there is,
 * once: what runs is never exchanged because nobody said what it was to be. */
#include "reconcile/controllers/openchoreo.h"

static json_t *copied(const json_t *value)
{
    return value != NULL && !json_is_null(value) ? json_deep_copy(value) : json_null();
}

void openchoreo_resource_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                              struct plan *plan)
{
    struct translation t;
    translation_begin(&t, s, entry, plan);
    if (entry->deleting) {
        translation_finish(&t, SNAPSHOT_RESOURCE);
        return;
    }
    object_add_finalizer(t.edit, FINALIZER);
    const json_t *type = json_at(t.object, "spec", "type", NULL);
    struct slice kind = json_text_at(type, "kind");
    struct slice name = json_text_at(type, "name");
    kind = kind.len > 0 ? kind : SLICE("ResourceType");
    json_t *spec = json_pack(
        "{s:o, s:o, s:{s:s, s:o, s:o}, s:o, s:b}", "project",
        json_str(owner_text(t.object, "projectName")), "type", json_str(name), "resourceType",
        "group", OPENCHOREO_GROUP, "kind", json_str(kind), "name", json_str(name), "parameters",
        copied(json_at(t.object, "spec", "parameters", NULL)), "autoDeploy", false);
    const json_t *counterpart = translation_counterpart(&t, SNAPSHOT_RESOURCE, spec);
    const json_t *latest = json_at(counterpart, "status", "latestRelease", "name", NULL);
    if (latest != NULL) {
        struct slice release = json_text(latest);
        size_t dash = release.len;
        while (dash > 0 && release.data[dash - 1] != '-') {
            dash--;
        }
        status_set(t.edit, "latestRelease",
                   json_pack("{s:o, s:o}", "name", json_str(release), "hash",
                             json_str(slice_sub(release, dash, SIZE_MAX))));
    }
    translation_end(&t, counterpart);
}

void openchoreo_resource_release_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                                      struct plan *plan)
{
    struct translation t;
    if (entry->deleting) {
        return;
    }
    translation_begin(&t, s, entry, plan);
    json_t *spec = json_deep_copy(json_at(t.object, "spec", NULL));
    json_t *type = json_object_get(spec, "resourceType");
    if (type != NULL) {
        json_object_set_new(type, "group", json_string(OPENCHOREO_GROUP));
    }
    if (translation_counterpart(&t, SNAPSHOT_RESOURCE_RELEASE, spec) != NULL) {
        condition_set(t.edit, s, READY, STATUS_TRUE, "Released", "it can be bound");
    }
    translation_end(&t, NULL);
}

/* The release that it names; else what is bound already; else the newest. */
static struct slice release_of(const struct translation *t)
{
    struct slice name = spec_text(t->object, "resourceRelease");
    const struct snapshot *s = t->s;
    if (name.len == 0) {
        name = spec_text(snapshot_get(s, SNAPSHOT_RESOURCE_BINDING, t->entry->ns, t->entry->name),
                         "resourceRelease");
    }
    if (name.len == 0) {
        const json_t *resource =
            snapshot_get(s, SNAPSHOT_RESOURCE, t->entry->ns, owner_text(t->object, "resourceName"));
        name = json_text(json_at(resource, "status", "latestRelease", "name", NULL));
    }
    return name;
}

/* While ours retains what it made, this is where a client says that it need not. */
static void end_binding(struct translation *t)
{
    const struct snapshot_entry *ours =
        snapshot_find(t->s, SNAPSHOT_RESOURCE_BINDING, t->entry->ns, t->entry->name);
    if (ours != NULL && ours->deleting && owned_by(snapshot_tree(t->s, ours), t->entry->uid)) {
        translation_give_up(t, ours, json_object_get(t->object, "spec"));
    }
    translation_finish(t, SNAPSHOT_RESOURCE_BINDING);
}

void openchoreo_resource_binding_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                                      struct plan *plan)
{
    struct translation t;
    translation_begin(&t, s, entry, plan);
    if (entry->deleting) {
        end_binding(&t);
        return;
    }
    object_add_finalizer(t.edit, FINALIZER);
    struct slice release = release_of(&t);
    json_t *spec = json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "owner", copied(json_at(t.object, "spec", "owner", NULL)),
        "environment", copied(json_at(t.object, "spec", "environment", NULL)), "resourceRelease",
        release.len > 0 ? json_str(release) : json_null(), "resourceTypeEnvironmentConfigs",
        copied(json_at(t.object, "spec", "resourceTypeEnvironmentConfigs", NULL)), "retainPolicy",
        copied(json_at(t.object, "spec", "retainPolicy", NULL)));
    const json_t *counterpart = translation_counterpart(&t, SNAPSHOT_RESOURCE_BINDING, spec);
    const json_t *outputs = json_at(counterpart, "status", "outputs", NULL);
    status_set(t.edit, "outputs", outputs != NULL ? json_deep_copy(outputs) : NULL);
    translation_end(&t, counterpart);
}
