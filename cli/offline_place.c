/* offline_place.c: where an object stands in the files, or what it was made of or for. */
#include "cli/offline_internal.h"

#include <string.h>

static void add_key(struct buf *key, const char *kind, struct slice ns, struct slice name)
{
    buf_addf(key, "%s/%.*s/%.*s", kind, SLICE_ARG(ns), SLICE_ARG(name));
}

/* Of two manifests of one object that are applied together the later holds. */
static void tell_twice(struct offline *o, const json_t *before, size_t manifest)
{
    const struct manifest *first = &o->files.items[json_integer_value(before)];
    const struct manifest *second = &o->files.items[manifest];
    if (object_name(second->tree).len == 0 || json_equal(first->tree, second->tree)) {
        return; /* each gets a name of its own; whichever it is */
    }
    const struct finding finding = {
        .severity = SEVERITY_WARNING,
        .file = second->file,
        .line = second->line,
        .object = second->tree,
        .reason = "Duplicate",
        .message = arena_printf(&o->arena, "%s:%d is a manifest of the same object: this one holds",
                                first->file, first->line)};
    findings_add(&o->findings, &finding);
}

void offline__note(struct offline *o, const json_t *object, size_t manifest)
{
    struct buf key = {0};
    enum snapshot_kind kind = rehearsal_kind(&o->rehearsal, object);
    if (kind != SNAPSHOT_KIND_COUNT) {
        add_key(&key, snapshot_kind_name(kind), object_ns(object), object_name(object));
        const json_t *before = json_object_get(o->places, buf_cstr(&key));
        if (before != NULL && o->judged) {
            tell_twice(o, before, manifest);
        }
        json_object_set_new(o->places, buf_cstr(&key), json_integer((json_int_t)manifest));
        o->held[kind]++;
    }
    buf_free(&key);
}

#define THEIRS OPENCHOREO_GROUP "/"

static const struct manifest *manifest_of(const struct offline *o, const char *group,
                                          struct slice kind, struct slice ns, struct slice name)
{
    struct buf key = {0};
    struct buf full = {0};
    buf_addf(&full, "%s%.*s", group, SLICE_ARG(kind));
    add_key(&key, buf_cstr(&full), ns, name);
    const json_t *place = json_object_get(o->places, buf_cstr(&key));
    buf_free(&full);
    buf_free(&key);
    return place != NULL ? &o->files.items[json_integer_value(place)] : NULL;
}

/* Of that name; ours may be made of one of OpenChoreo's of the same name. */
static const struct manifest *manifest_named(const struct offline *o, struct slice api_version,
                                             struct slice kind, struct slice ns, struct slice name)
{
    const struct manifest *ours =
        slice_starts_with(api_version, SLICE(THEIRS)) ? NULL : manifest_of(o, "", kind, ns, name);
    return ours != NULL ? ours : manifest_of(o, THEIRS, kind, ns, name);
}

/* What stands in no file is made for what owns it, or listed by its project. */
static const struct manifest *manifest_above(struct offline *o, const json_t *object,
                                             const char **field)
{
    const json_t *owner = json_array_get(json_at(object, "metadata", "ownerReferences", NULL), 0);
    const struct manifest *m =
        manifest_named(o, json_text_at(owner, "apiVersion"), json_text_at(owner, "kind"),
                       object_ns(object), json_text_at(owner, "name"));
    *field = "";
    if (m == NULL && slice_eq_cstr(object_kind(object), "Component")) {
        m = manifest_of(o, "", SLICE("Project"), object_ns(object), spec_text(object, "project"));
        *field = arena_printf(&o->arena, "spec.components[%.*s]", SLICE_ARG(object_name(object)));
    }
    return m;
}

struct slice offline__first_key(struct slice path)
{
    size_t dot = slice_find(path, SLICE("."));
    size_t bracket = slice_find(path, SLICE("["));
    return slice_sub(path, 0, dot < bracket ? dot : bracket);
}

/* A field as who wrote the manifest of a component wrote it: what it says beside its parameters is
 * told as one of them. */
static const char *as_written(struct offline *o, const json_t *manifest, const char *field)
{
    static const struct slice parameters = {"spec.parameters.", 16};
    struct slice rest = slice_of(field);
    if (!slice_starts_with(rest, parameters) ||
        !slice_eq_cstr(object_kind(manifest), "Component")) {
        return field;
    }
    rest = slice_sub(rest, parameters.len, SIZE_MAX);
    struct slice key = offline__first_key(rest);
    const json_t *spec = json_object_get(manifest, "spec");
    const json_t *own = json_object_get(spec, "parameters");
    bool beside = json_object_getn(own, key.data, key.len) == NULL &&
                  json_object_getn(spec, key.data, key.len) != NULL;
    return beside ? arena_printf(&o->arena, "spec.%.*s", SLICE_ARG(rest)) : field;
}

const struct manifest *offline__place(struct offline *o, const json_t *object, const char *field,
                                      struct finding *out)
{
    const struct manifest *m = manifest_named(o, object_api_version(object), object_kind(object),
                                              object_ns(object), object_name(object));
    field = m != NULL ? as_written(o, m->tree, field) : field;
    out->object = m != NULL ? m->tree : object;
    out->field = m != NULL ? field : NULL;
    if (m == NULL) {
        m = manifest_above(o, object, &field);
    }
    out->file = m != NULL ? m->file : NULL;
    out->line = m != NULL ? manifest_line(&o->files, m, slice_of(field)) : 0;
    return m;
}

/* Whether a text is that name, or a path to it: "deployment/service". */
static bool says(const json_t *value, struct slice name)
{
    struct slice text = json_text(value);
    return name.len > 0 && slice_ends_with(text, name) &&
           (text.len == name.len || text.data[text.len - name.len - 1] == '/');
}

/* NOLINTNEXTLINE(misc-no-recursion): what was parsed is JSON_DEPTH_MAX deep at most. */
static const char *find_name(struct arena *arena, const json_t *value, struct slice name,
                             const char *path)
{
    const char *found = json_is_string(value) && says(value, name) ? path : NULL;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        found = found != NULL
                    ? found
                    : find_name(arena, member, name, arena_printf(arena, "%s.%s", path, key));
    }
    for (size_t i = 0; found == NULL && i < json_array_size(value); i++) {
        found = find_name(arena, json_array_get(value, i), name,
                          arena_printf(arena, "%s[%zu]", path, i));
    }
    return found;
}

const char *offline__field_naming(struct offline *o, const json_t *object, struct slice name)
{
    return find_name(&o->arena, json_object_get(object, "spec"), name, "spec");
}

const char *offline__place_text(struct offline *o, const json_t *object, struct slice field)
{
    struct finding at = {0};
    (void)offline__place(o, object, arena_cstr(&o->arena, field), &at);
    const char *title = manifest_title(at.object, &o->arena);
    return at.file != NULL ? arena_printf(&o->arena, "%s:%d: %s", at.file, at.line, title) : title;
}
