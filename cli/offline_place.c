/* offline_place.c: where an object stands in the files, and where an error of its template. */
#include "cli/offline_internal.h"

#include <string.h>

static void add_key(struct buf *key, const char *kind, struct slice ns, struct slice name)
{
    buf_addf(key, "%s/%.*s/%.*s", kind, SLICE_ARG(ns), SLICE_ARG(name));
}

void offline__note(struct offline *o, const json_t *object, size_t manifest)
{
    struct buf key = {0};
    enum snapshot_kind kind = rehearsal_kind(&o->rehearsal, object);
    if (kind != SNAPSHOT_KIND_COUNT) {
        add_key(&key, snapshot_kind_name(kind), object_ns(object), object_name(object));
        json_object_set_new(o->places, buf_cstr(&key), json_integer((json_int_t)manifest));
    }
    buf_free(&key);
}

static const struct manifest *manifest_of(const struct offline *o, const char *group,
                                          const json_t *object)
{
    struct buf key = {0};
    struct buf kind = {0};
    buf_addf(&kind, "%s%.*s", group, SLICE_ARG(object_kind(object)));
    add_key(&key, buf_cstr(&kind), object_ns(object), object_name(object));
    const json_t *place = json_object_get(o->places, buf_cstr(&key));
    buf_free(&kind);
    buf_free(&key);
    return place != NULL ? &o->files.items[json_integer_value(place)] : NULL;
}

const char *offline__place_text(struct offline *o, const json_t *object, struct slice field)
{
    const char *theirs = OPENCHOREO_GROUP "/";
    bool is_theirs = slice_starts_with(object_api_version(object), slice_of(theirs));
    const struct manifest *m = manifest_of(o, is_theirs ? theirs : "", object);
    if (m == NULL && !is_theirs) { /* ours may be made of one of the same name */
        m = manifest_of(o, theirs, object);
    }
    return m == NULL
               ? manifest_title(object, &o->arena)
               : arena_printf(&o->arena, "%s:%d: %s", m->file, manifest_line(&o->files, m, field),
                              manifest_title(m->tree, &o->arena));
}

/* ---- errors of templates ---- */

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

static int place_error(struct offline *o, const struct deployment *d, const char *place,
                       struct err *err)
{
    struct frozen f;
    find_frozen(o, d, &f);
    struct slice message = slice_of(arena_cstr(&o->arena, slice_of(err->message)));
    struct slice path = path_of(message);
    const json_t *object = NULL;
    if (slice_starts_with(path, SLICE("traits["))) {
        size_t close = slice_find(path, SLICE("]"));
        object = trait_named(o, f.theirs, f.release, slice_sub(path, 7, close - 7));
        path = slice_sub(path, close + 2, SIZE_MAX);
    } else if (slice_starts_with(path, SLICE("resources[")) ||
               slice_find(path, SLICE("alidations[")) != SIZE_MAX) {
        object = template_named(o, f.theirs, json_text_at(f.type, "kind"), d->ns,
                                json_text_at(f.type, "name"));
    }
    if (object == NULL) {
        return err_set(err, err->code, "%s in environment %.*s: %.*s", place,
                       SLICE_ARG(d->environment), SLICE_ARG(message));
    }
    const char *field = arena_printf(&o->arena, "spec.%.*s", SLICE_ARG(path));
    return err_set(err, err->code, "%s: %.*s (%s %.*s in environment %.*s)",
                   offline__place_text(o, object, slice_of(field)), SLICE_ARG(message), f.noun,
                   SLICE_ARG(f.name), SLICE_ARG(d->environment));
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
