/* offline_locate.c: where in the files an error of a rendering is, by the path that its message
 * begins with: in a type or a trait, or with who gave the value that these do not take. And what
 * was sent to a cluster, or why not. */
#include "cli/offline_internal.h"

#include "cli/manifest.h"
#include "render/environment.h"

static const json_t *get(struct offline *o, struct slice kind, struct slice ns, struct slice name)
{
    enum snapshot_kind of = snapshot_kind_named(kind);
    return of == SNAPSHOT_KIND_COUNT
               ? NULL
               : snapshot_get(&o->rehearsal.snapshot, of,
                              snapshot_cluster_scoped(of) ? SLICE("") : ns, name);
}

/* What is called so in the namespace or in the cluster: a type or a trait of ours; where
 * OpenChoreo's count, of theirs if there is one. */
static const json_t *template_named(struct offline *o, bool theirs, struct slice kind,
                                    struct slice ns, struct slice name)
{
    const char *full = arena_printf(&o->arena, OPENCHOREO_GROUP "/%.*s", SLICE_ARG(kind));
    const json_t *found = theirs ? get(o, slice_of(full), ns, name) : NULL;
    return found != NULL ? found : get(o, kind, ns, name);
}

/* The trait object of a use, by its instance's name; NULL: none. */
static const json_t *trait_named(struct offline *o, bool theirs, const json_t *release,
                                 struct slice instance)
{
    const json_t *lists[] = {json_at(release, "spec", "componentType", "spec", "traits", NULL),
                             json_at(release, "spec", "componentProfile", "traits", NULL)};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < json_array_size(lists[k]); i++) {
            const json_t *use = json_array_get(lists[k], i);
            struct slice name = json_text_at(use, "name");
            if (slice_eq(json_text_at(use, "instanceName"), instance)) {
                const json_t *local =
                    template_named(o, theirs, SLICE("Trait"), object_ns(release), name);
                const json_t *shared =
                    template_named(o, theirs, SLICE("ClusterTrait"), SLICE(""), name);
                bool own = k == 1 && slice_eq_cstr(json_text_at(use, "kind"), "Trait");
                return own || shared == NULL ? local : shared;
            }
        }
    }
    return NULL;
}

/* "resources[x].template.y" of "resources[x].template.y, column 3: what". */
static struct slice path_of(struct slice message)
{
    static const char *const ends[] = {", column ", ", line ", ": "};
    size_t end = message.len;
    for (size_t i = 0; i < 3; i++) {
        size_t at = slice_find(message, slice_of(ends[i]));
        end = at < end ? at : end;
    }
    return slice_sub(message, 0, end);
}

/* What is deployed, and the type that is frozen in it. */
struct frozen {
    const char *noun;
    struct slice name;
    const json_t *release;
    const json_t *type;
    bool theirs; /* that may be one of OpenChoreo's */
};

static void find_frozen(struct offline *o, const struct deployment *d, struct frozen *f)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    const char *member = "componentType";
    enum snapshot_kind kind = SNAPSHOT_RELEASE;
    *f = (struct frozen){.noun = "component", .name = d->component};
    if (d->resource.len > 0) {
        *f = (struct frozen){.noun = "resource", .name = d->resource};
        member = "resourceType";
        kind = SNAPSHOT_RESOURCE_RELEASE;
    } else if (deployment_is_cell(d)) {
        *f = (struct frozen){.noun = "the cell of project", .name = d->project};
        member = "projectType";
        kind = SNAPSHOT_OC_PROJECT_RELEASE;
    }
    f->release = snapshot_get(s, kind, d->ns, d->release);
    f->type = json_at(f->release, "spec", member, NULL);
    const json_t *of = snapshot_get(s, SNAPSHOT_COMPONENT, d->ns, d->component);
    struct slice group = d->component.len > 0
                             ? json_text(json_at(of, "spec", "componentType", "group", NULL))
                             : json_text_at(f->type, "group");
    f->theirs = deployment_is_cell(d) || slice_eq_cstr(group, OPENCHOREO_GROUP);
}

/* Whether a trait of that instance is the component's own, and not one that its type brings. */
static bool is_own_trait(const struct frozen *f, struct slice instance)
{
    const json_t *uses = json_at(f->release, "spec", "componentProfile", "traits", NULL);
    for (size_t i = 0; i < json_array_size(uses); i++) {
        if (slice_eq(json_text_at(json_array_get(uses, i), "instanceName"), instance)) {
            return true;
        }
    }
    return false;
}

/* What is said of an environment alone, its binding says. */
static const json_t *binding_of(struct offline *o, const struct deployment *d)
{
    enum snapshot_kind kind = d->resource.len > 0 ? SNAPSHOT_RESOURCE_BINDING : SNAPSHOT_BINDING;
    return snapshot_get(&o->rehearsal.snapshot, kind, d->ns, d->binding);
}

static bool has(const json_t *object, struct slice key)
{
    return json_object_getn(object, key.data, key.len) != NULL;
}

/* Where the overrides of an environment or a template set the value at a path: of the component, or
 * of all (whose replicas and resources alone are values); NULL: nowhere. */
static const char *override_field(struct offline *o, const json_t *object, struct slice component,
                                  struct slice path, bool of_all)
{
    const json_t *overrides = json_at(object, "spec", "overrides", NULL);
    const json_t *one = of_all ? overrides : environment_component(overrides, component);
    struct slice key = offline__first_key(path);
    bool direct = slice_eq_cstr(key, "replicas") || slice_eq_cstr(key, "resources");
    if (of_all) {
        return direct && has(one, key)
                   ? arena_printf(&o->arena, "spec.overrides.%.*s", SLICE_ARG(path))
                   : NULL;
    }
    bool parameter = has(json_object_get(one, "parameters"), key);
    return parameter || (direct && has(one, key))
               ? arena_printf(&o->arena, "spec.overrides.components[%.*s].%s%.*s",
                              SLICE_ARG(component), parameter ? "parameters." : "", SLICE_ARG(path))
               : NULL;
}

/* Whoever of environment and template gave the value at a path, the environment first; NULL: none
 * of them. */
static const json_t *overrider_of(struct offline *o, const struct deployment *d, struct slice path,
                                  const char **field)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    const json_t *environment = snapshot_get(s, SNAPSHOT_ENVIRONMENT, d->ns, d->environment);
    const json_t *template = snapshot_get(s, SNAPSHOT_ENVIRONMENT_TEMPLATE, SLICE(""),
                                          spec_text(environment, "template"));
    const json_t *levels[] = {environment, template};
    for (size_t i = 0; i < 4; i++) {
        const char *at = override_field(o, levels[i % 2], d->component, path, i >= 2);
        if (at != NULL) {
            *field = at;
            return levels[i % 2];
        }
    }
    return NULL;
}

/* Does the binding itself set the value at a path? */
static bool binding_gives(const json_t *binding, struct slice path)
{
    return has(json_at(binding, "spec", "componentTypeEnvironmentConfigs", NULL),
               offline__first_key(path));
}

/* The object that gave the value at a path like "traits[x].parameters.y" or "environmentConfigs.y",
 * and its field there; NULL: the path is no value's. */
static const json_t *giver_of(struct offline *o, const struct deployment *d, const struct frozen *f,
                              struct slice path, const char **field)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    struct slice instance = {0};
    struct slice rest = path;
    if (slice_starts_with(path, SLICE("traits["))) {
        size_t close = slice_find(path, SLICE("]"));
        instance = slice_sub(path, 7, close - 7);
        rest = slice_sub(path, close + 2, SIZE_MAX);
    }
    *field = arena_printf(&o->arena, "spec.%.*s", SLICE_ARG(path));
    if (slice_starts_with(rest, SLICE("parameters"))) {
        if (instance.len > 0 && !is_own_trait(f, instance)) {
            return template_named(o, f->theirs, json_text_at(f->type, "kind"), d->ns,
                                  json_text_at(f->type, "name"));
        }
        return d->resource.len > 0 ? snapshot_get(s, SNAPSHOT_RESOURCE, d->ns, d->resource)
                                   : snapshot_get(s, SNAPSHOT_COMPONENT, d->ns, d->component);
    }
    if (!slice_starts_with(rest, SLICE("environmentConfigs")) || deployment_is_cell(d)) {
        return NULL;
    }
    rest = slice_sub(rest, sizeof "environmentConfigs" - 1, SIZE_MAX);
    *field = instance.len > 0
                 ? arena_printf(&o->arena, "spec.traitEnvironmentConfigs.%.*s%.*s",
                                SLICE_ARG(instance), SLICE_ARG(rest))
                 : arena_printf(&o->arena, "spec.%s%.*s",
                                d->resource.len > 0 ? "resourceTypeEnvironmentConfigs"
                                                    : "componentTypeEnvironmentConfigs",
                                SLICE_ARG(rest));
    const json_t *binding = binding_of(o, d);
    struct slice path_there = slice_sub(rest, 1, SIZE_MAX);
    bool open = instance.len == 0 && d->resource.len == 0 && !binding_gives(binding, path_there);
    const json_t *overrider = open ? overrider_of(o, d, path_there, field) : NULL;
    return overrider != NULL ? overrider : binding;
}

/* The template that the path of a rendering's error leads to, and its field there; NULL: none. */
static const json_t *template_of(struct offline *o, struct slice ns, const struct frozen *f,
                                 struct slice path, const char **field)
{
    const json_t *object = NULL;
    if (slice_starts_with(path, SLICE("traits["))) {
        size_t close = slice_find(path, SLICE("]"));
        object = trait_named(o, f->theirs, f->release, slice_sub(path, 7, close - 7));
        path = slice_sub(path, close + 2, SIZE_MAX);
    } else if (slice_starts_with(path, SLICE("resources[")) ||
               slice_find(path, SLICE("alidations[")) != SIZE_MAX) {
        object = template_named(o, f->theirs, json_text_at(f->type, "kind"), ns,
                                json_text_at(f->type, "name"));
    }
    *field = arena_printf(&o->arena, "spec.%.*s", SLICE_ARG(path));
    return object;
}

bool offline__locate(struct offline *o, const struct deployment *d, const char *message,
                     struct finding *out)
{
    struct frozen f;
    const char *field;
    find_frozen(o, d, &f);
    struct slice path = path_of(slice_of(message));
    const json_t *object = giver_of(o, d, &f, path, &field);
    if (object != NULL) {
        out->where = arena_printf(&o->arena, "in environment %.*s", SLICE_ARG(d->environment));
        return offline__place(o, object, field, out) != NULL;
    }
    object = template_of(o, d->ns, &f, path, &field);
    if (object == NULL) {
        return false;
    }
    (void)offline__place(o, object, field, out);
    out->where = out->file != NULL
                     ? arena_printf(&o->arena, "%s %.*s in environment %.*s", f.noun,
                                    SLICE_ARG(f.name), SLICE_ARG(d->environment))
                     : arena_printf(&o->arena, "%s in environment %.*s",
                                    manifest_title(object, &o->arena), SLICE_ARG(d->environment));
    return out->file != NULL;
}

static int place_error(struct offline *o, const struct deployment *d, const char *place,
                       struct err *err)
{
    struct finding at = {0};
    const char *message = arena_cstr(&o->arena, slice_of(err->message));
    if (offline__locate(o, d, message, &at)) {
        return err_set(err, err->code, "%s:%d: %s: %s (%s)", at.file, at.line,
                       manifest_title(at.object, &o->arena), message, at.where);
    }
    if (at.where != NULL) {
        return err_set(err, err->code, "%s: %s (%s)", place, message, at.where);
    }
    return err_set(err, err->code, "%s in environment %.*s: %s", place, SLICE_ARG(d->environment),
                   message);
}

int offline_place(struct offline *o, const struct offline_target *target, struct err *err)
{
    return place_error(o, &target->deployment, target->place, err);
}

/* ---- what was sent, or why not ---- */

/* Nothing is there, and one does not qualify: all else is wrong in itself. */
static int code_of(struct slice reason)
{
    bool absent = slice_ends_with(reason, SLICE("NotFound"));
    return absent || slice_eq_cstr(reason, "NoClusterQualifies") ? ERR_NOT_FOUND
                                                                 : ERR_UNPROCESSABLE;
}

int offline__condition(const json_t *object, const char *type, struct err *err)
{
    const json_t *c = object_condition(object, type);
    struct slice message = c != NULL ? json_text_at(c, "message") : SLICE("nothing came of it");
    /* What a cluster has not told yet, there is none to tell. */
    size_t yet = slice_find(message, SLICE(" yet on cluster "));
    return err_set(err, code_of(json_text_at(c, "reason")), "%.*s%s",
                   SLICE_ARG(slice_sub(message, 0, yet)),
                   yet == SIZE_MAX ? "" : " without its cluster");
}

int offline_manifests(struct offline *o, const struct offline_target *target, bool cell,
                      const json_t **manifests, const char **revision, struct err *err)
{
    const struct deployment *d = cell ? &target->cell : &target->deployment;
    struct slice name = deployment_name_on(&o->view.platform, &o->arena, d);
    const json_t *rendered = snapshot_get(&o->rehearsal.snapshot, SNAPSHOT_RENDERED, d->ns, name);
    *manifests = rehearsal_manifests(&o->rehearsal, d->ns, name);
    *revision = rehearsal_revision(&o->rehearsal, d->ns, name);
    const json_t *applied = object_condition(rendered, "Applied");
    bool refused = slice_eq_cstr(json_text_at(applied, "status"), "False");
    if (*manifests != NULL && !refused) {
        return 0;
    }
    (void)offline__condition(rendered, refused ? "Applied" : READY, err);
    return place_error(o, d, target->place, err);
}
