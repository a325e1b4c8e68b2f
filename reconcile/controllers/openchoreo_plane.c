/* openchoreo_plane.c: a DataPlane of one namespace.
 *
 * Its counterpart is a DataPlane of ours in the system shard, NAMESPACE.NAME, which says that what
 * is in that namespace alone may be on it (spec.allowedNamespaces); from there on it is a plane
 * like any other. The kubeconfig lies in the namespace; whoever probes the cluster, or reads a log
 * there, looks into choreo-system. So a copy is kept there, marked as one, which follows the
 * original.
 *
 * An object without a namespace can have no owner that has one: what is made here carries an
 * annotation, and goes by this controller's finalizer. The copy goes last, because what is on the
 * cluster is taken away with it; the original may be gone by then, with its namespace. */
#include "reconcile/controllers/openchoreo.h"

/* "cluster-NAME-NAME" of the counterpart must be a name, too. */
enum { NAME_MAX_LEN = 120, LOOK_AGAIN_MS = 60 * 1000 };

struct slice openchoreo_plane_name(struct arena *arena, struct slice ns, struct slice name)
{
    return slice_of(arena_printf(arena, "%.*s.%.*s", SLICE_ARG(ns), SLICE_ARG(name)));
}

bool openchoreo_plane_parts(struct slice ours, struct slice *ns, struct slice *name)
{
    *name = ours;
    return slice_find(ours, SLICE(".")) != SIZE_MAX && slice_split(name, '.', ns);
}

struct slice openchoreo_plane_secret(struct arena *arena, struct slice name)
{
    return slice_of(arena_printf(arena, "cluster-%.*s-%.*s", SLICE_ARG(name), SLICE_ARG(name)));
}

struct own_plane {
    struct translation t;
    struct arena *arena;
    struct slice name;                 /* the counterpart's */
    const struct snapshot_entry *ours; /* the counterpart; NULL: none, or not made for this */
    const struct snapshot_entry *copy; /* the Secret's; the same */
    bool taken;                        /* there is a plane, or a Secret, of that name */
    struct slice mark;
};

static const struct snapshot_entry *find_made(struct own_plane *o, enum snapshot_kind kind,
                                              struct slice ns, struct slice name)
{
    const struct snapshot_entry *there = snapshot_find(o->t.s, kind, ns, name);
    bool made = there != NULL &&
                slice_eq(object_annotation(snapshot_tree(o->t.s, there), PLANE_MADE_OF), o->mark);
    if (there != NULL && !made) {
        o->taken = true;
        translation_fail(&o->t, "Conflict",
                         "%s \"%.*s\"%s is there, and was not made for this: it is left as it is; "
                         "delete one of them",
                         kind == SNAPSHOT_SECRET ? "Secret" : "choreo.dev DataPlane",
                         SLICE_ARG(name), ns.len > 0 ? " in " SNAPSHOT_SYSTEM_NS : "");
    }
    return made ? there : NULL;
}

/* What people say of it in annotations is said of the counterpart, too: which builder, which
 * registry, which operators. */
static json_t *annotations(const struct own_plane *o)
{
    json_t *all = json_object();
    const char *key;
    json_t *value;
    json_object_foreach(json_at(o->t.object, "metadata", "annotations", NULL), key, value)
    {
        if (slice_find(slice_of(key), SLICE("kubernetes.io/")) == SIZE_MAX) {
            json_object_set(all, key, value);
        }
    }
    json_object_set_new(all, PLANE_MADE_OF, json_str(o->mark));
    return all;
}

static void put_counterpart(struct own_plane *o)
{
    json_t *spec = json_pack("{s:s, s:[o]}", "type", "single-cluster", "allowedNamespaces",
                             json_str(o->t.entry->ns));
    static const char *const copied[] = {"gateway", "secretStoreRef"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *value = json_at(o->t.object, "spec", copied[i], NULL);
        if (value != NULL || o->ours != NULL) {
            json_object_set_new(spec, copied[i],
                                value != NULL ? json_deep_copy(value) : json_null());
        }
    }
    if (o->ours == NULL) {
        json_t *made = object_new("choreo.dev/v1", "DataPlane", (struct slice){0}, o->name);
        json_object_set_new(json_object_get(made, "metadata"), "annotations", annotations(o));
        json_object_set_new(made, "spec", spec);
        plan_create(o->t.plan, SNAPSHOT_DATAPLANE, made);
        translation_fail(&o->t, "Progressing", "being taken up");
        return;
    }
    if (o->ours->deleting) {
        translation_fail(&o->t, "Terminating",
                         "choreo.dev DataPlane \"%.*s\" is being deleted first",
                         SLICE_ARG(o->name));
        json_decref(spec);
        return;
    }
    json_t *edit = plan_edit(o->t.plan, o->t.s, o->ours);
    json_object_set_new(json_child(edit, "metadata"), "annotations", annotations(o));
    translation_merge(&o->t, o->ours, spec);
}

/* Something is on the cluster, and is only taken away by whoever can reach it. */
static bool is_in_use(const struct own_plane *o)
{
    const struct snapshot_entry **found;
    return snapshot_list(o->t.s, SNAPSHOT_RENDERED, SNAPSHOT_BY_PLANE, (struct slice){0}, o->name,
                         o->arena, &found) > 0;
}

/* A kubeconfig that is taken away goes with the last that is on the cluster; one that is renewed is
 * copied to the end. */
static void put_copy(struct own_plane *o)
{
    const struct snapshot_entry *original =
        snapshot_find(o->t.s, SNAPSHOT_SECRET, o->t.entry->ns,
                      openchoreo_plane_secret(o->arena, o->t.entry->name));
    const json_t *is = original != NULL ? snapshot_tree(o->t.s, original) : NULL;
    if (is == NULL) {
        if (o->copy != NULL && is_in_use(o)) {
            plan_requeue(o->t.plan, LOOK_AGAIN_MS);
        } else if (o->copy != NULL && !o->t.entry->deleting) {
            plan_delete(o->t.plan, o->copy);
        }
        return;
    }
    json_t *data = json_object_get(is, "data");
    if (o->copy != NULL) {
        json_t *edit = plan_edit(o->t.plan, o->t.s, o->copy);
        json_object_set_new(edit, "data", data != NULL ? json_deep_copy(data) : json_object());
        return;
    }
    json_t *made = object_new("v1", "Secret", SLICE(SNAPSHOT_SYSTEM_NS),
                              openchoreo_plane_secret(o->arena, o->name));
    object_set_annotation(made, PLANE_MADE_OF, o->mark);
    json_object_set_new(made, "type", json_string("Opaque"));
    json_object_set_new(made, "data", data != NULL ? json_deep_copy(data) : json_object());
    plan_create(o->t.plan, SNAPSHOT_SECRET, made);
}

static void plan_end(struct own_plane *o)
{
    if (!object_has_finalizer(o->t.object, FINALIZER)) {
        return;
    }
    if (o->ours != NULL) {
        plan_delete(o->t.plan, o->ours);
        return;
    }
    if (o->copy != NULL) {
        plan_delete(o->t.plan, o->copy);
    }
    object_remove_finalizer(o->t.edit, FINALIZER);
}

void openchoreo_own_plane_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                               struct plan *plan)
{
    struct own_plane o = {.arena = &plan->arena};
    translation_begin(&o.t, s, entry, plan);
    o.name = openchoreo_plane_name(o.arena, entry->ns, entry->name);
    o.mark =
        slice_of(arena_printf(o.arena, "%.*s/%.*s", SLICE_ARG(entry->ns), SLICE_ARG(entry->name)));
    struct slice secret = openchoreo_plane_secret(o.arena, entry->name);
    translation_ignore(&o.t, "clusterAgent");
    translation_ignore(&o.t, "planeID");
    translation_ignore(&o.t, "observabilityPlaneRef");
    o.t.hint =
        arena_printf(o.arena, "; the cluster is reached by the kubeconfig in Secret %.*s/%.*s",
                     SLICE_ARG(entry->ns), SLICE_ARG(secret));
    if (o.name.len > NAME_MAX_LEN) {
        translation_fail(&o.t, "NameTooLong",
                         "with its namespace, its name has %zu characters, and "
                         "%d at most are possible: give it a shorter one",
                         o.name.len - 1, NAME_MAX_LEN - 1);
    } else {
        o.ours = find_made(&o, SNAPSHOT_DATAPLANE, (struct slice){0}, o.name);
        o.copy = find_made(&o, SNAPSHOT_SECRET, SLICE(SNAPSHOT_SYSTEM_NS),
                           openchoreo_plane_secret(o.arena, o.name));
    }
    if (entry->deleting) {
        plan_end(&o);
    } else {
        object_add_finalizer(o.t.edit, FINALIZER);
    }
    if (!o.taken && o.name.len <= NAME_MAX_LEN && (!entry->deleting || o.ours != NULL)) {
        put_copy(&o);
    }
    if (!entry->deleting && !o.taken && o.name.len <= NAME_MAX_LEN) {
        put_counterpart(&o);
    }
    bool told = o.ours != NULL && !o.taken && (entry->deleting || !o.ours->deleting);
    translation_end(&o.t, told ? snapshot_tree(s, o.ours) : NULL);
}
