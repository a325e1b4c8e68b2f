/* A definition as kinds (crd_compile() of crd.h).
 *
 * One kind for each served version, all for the same resource; objects are stored under the storage
 * version's name, which the kinds of the others know (stored_as), so that the doors can say
 * another. The names are those that were granted, not those that are asked for. */
#include "proto/crd.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "proto/object.h"
#include "proto/schema_build.h"
#include "proto/tree_internal.h"

enum { SETTLE_MS = 5000, VERSION_MS_SHIFT = 21 /* a resourceVersion's milliseconds stand there */ };

static void release(struct shared_value *value)
{
    struct crd *crd = CONTAINER_OF(value, struct crd, shared);
    struct arena arena = crd->arena; /* crd lives in it */
    arena_free(&arena);
}

static struct slice keep(struct crd *crd, struct slice text)
{
    return arena_copy(&crd->arena, text);
}

static const struct slice *keep_all(struct crd *crd, const json_t *list, size_t *count)
{
    *count = json_array_size(list);
    struct slice *all = arena_alloc(&crd->arena, (*count + 1) * sizeof(*all));
    for (size_t i = 0; i < *count; i++) {
        all[i] = keep(crd, json_text(json_array_get(list, i)));
    }
    return all;
}

/* ---- versions in order ---- */

struct rank {
    int stage; /* 3: v1; 2: v1beta1; 1: v1alpha1; 0: anything else */
    unsigned long major;
    unsigned long minor;
};

/* v1 before v1beta2 before v1beta1 before v1alpha1 before what has another form. */
static struct rank rank_of(struct slice name)
{
    struct rank r = {0};
    char text[80];
    char *end;
    (void)snprintf(text, sizeof(text), "%.*s", SLICE_ARG(slice_sub(name, 0, 79)));
    if (text[0] != 'v' || !isdigit((unsigned char)text[1])) {
        return r;
    }
    r.major = strtoul(text + 1, &end, 10);
    if (*end == '\0') {
        r.stage = 3;
        return r;
    }
    int stage = strncmp(end, "beta", 4) == 0 ? 2 : strncmp(end, "alpha", 5) == 0 ? 1 : 0;
    end += stage == 2 ? 4 : stage == 1 ? 5 : 0;
    if (stage == 0 || !isdigit((unsigned char)*end)) {
        return (struct rank){0};
    }
    r.minor = strtoul(end, &end, 10);
    r.stage = *end == '\0' ? stage : 0;
    return r;
}

static int by_version(const void *a, const void *b)
{
    const struct kind *x = a;
    const struct kind *y = b;
    struct rank r = rank_of(x->version);
    struct rank s = rank_of(y->version);
    if (r.stage != s.stage) {
        return s.stage - r.stage;
    }
    if (r.stage == 0) {
        return slice_cmp(x->version, y->version);
    }
    if (r.major != s.major) {
        return r.major > s.major ? -1 : 1;
    }
    return r.minor > s.minor ? -1 : r.minor < s.minor;
}

/* ---- one version ---- */

static const struct kind_column age_column = {
    .name = {"Age", 3}, .type = {"date", 4}, .path = {".metadata.creationTimestamp", 27}};

static void compile_columns(struct crd *crd, const json_t *version, struct kind *k)
{
    const json_t *list = json_object_get(version, "additionalPrinterColumns");
    size_t count = json_array_size(list);
    k->columns = &age_column;
    k->column_count = 1;
    if (count == 0) {
        return;
    }
    struct kind_column *columns = arena_zero(&crd->arena, count * sizeof(*columns));
    for (size_t i = 0; i < count; i++) {
        const json_t *column = json_array_get(list, i);
        columns[i] = (struct kind_column){
            .name = keep(crd, json_text_at(column, "name")),
            .type = keep(crd, json_text_at(column, "type")),
            .format = keep(crd, json_text_at(column, "format")),
            .doc = keep(crd, json_text_at(column, "description")),
            .path = keep(crd, json_text_at(column, "jsonPath")),
            .priority = (int)json_integer_value(json_object_get(column, "priority"))};
    }
    k->columns = columns;
    k->column_count = count;
}

static void compile_selectables(struct crd *crd, const json_t *version, struct kind *k)
{
    const json_t *list = json_object_get(version, "selectableFields");
    size_t count = json_array_size(list);
    struct kind_selectable *fields = arena_zero(&crd->arena, (count + 1) * sizeof(*fields));
    for (size_t i = 0; i < count; i++) {
        struct slice path = json_text_at(json_array_get(list, i), "jsonPath");
        fields[i].field = keep(crd, slice_sub(path, 1, SIZE_MAX)); /* ".spec.color" */
        fields[i].path = fields[i].field;
    }
    k->selectables = fields;
    k->selectable_count = count;
}

static void compile_subresources(struct crd *crd, const json_t *version, struct kind *k)
{
    const json_t *status = json_at(version, "subresources", "status", NULL);
    const json_t *scale = json_at(version, "subresources", "scale", NULL);
    k->status = json_is_object(status);
    k->scale_spec_replicas = keep(crd, json_text_at(scale, "specReplicasPath"));
    k->scale_status_replicas = keep(crd, json_text_at(scale, "statusReplicasPath"));
    k->scale_selector = keep(crd, json_text_at(scale, "labelSelectorPath"));
}

static void compile_warning(struct crd *crd, const json_t *version, struct kind *k)
{
    struct slice text = json_text_at(version, "deprecationWarning");
    if (!json_is_true(json_object_get(version, "deprecated"))) {
        return;
    }
    k->warning = text.len > 0
                     ? keep(crd, text)
                     : slice_of(arena_printf(&crd->arena, "%.*s %.*s is deprecated",
                                             SLICE_ARG(k->api_version), SLICE_ARG(k->kind)));
}

static bool has_default(const struct schema *s)
{
    if (s == NULL) {
        return false;
    }
    for (size_t i = 0; i < s->field_count; i++) {
        if (s->fields[i].default_json.len > 0 || has_default(s->fields[i].schema)) {
            return true;
        }
    }
    return has_default(s->values) || has_default(s->items);
}

/* A write that a node with the former definition let in may come after the new one. An object that
 * is stored as another version has that one's defaults. */
static uint64_t defaults_until(const struct kind *k, uint64_t version)
{
    bool as_stored = slice_eq(k->stored_as, k->api_version);
    uint64_t until = as_stored ? version + ((uint64_t)SETTLE_MS << VERSION_MS_SHIFT) : UINT64_MAX;
    return has_default(k->schema) ? until : 0;
}

static void compile_version(struct crd *crd, const json_t *version, const struct kind *names,
                            const struct expressions *x, struct kind *k)
{
    const json_t *schema = json_at(version, "schema", "openAPIV3Schema", NULL);
    *k = *names;
    k->version = keep(crd, json_text_at(version, "name"));
    k->api_version = slice_of(
        arena_printf(&crd->arena, "%.*s/%.*s", SLICE_ARG(names->group), SLICE_ARG(k->version)));
    if (slice_eq(k->stored_as, k->api_version)) {
        k->stored_as = k->api_version;
    }
    k->schema = schema_build(&crd->arena, schema, x);
    k->doc = k->schema->doc;
    k->defaults_until = defaults_until(k, names->defaults_until);
    compile_columns(crd, version, k);
    compile_selectables(crd, version, k);
    compile_subresources(crd, version, k);
    compile_warning(crd, version, k);
}

/* ---- all of them ---- */

static const json_t *storage_version(const json_t *versions)
{
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *version = json_array_get(versions, i);
        if (json_is_true(json_object_get(version, "storage"))) {
            return version;
        }
    }
    return NULL;
}

/* What all versions share. */
static struct kind shared_names(struct crd *crd, const json_t *object)
{
    const json_t *spec = json_object_get(object, "spec");
    const json_t *names = json_at(object, "status", "acceptedNames", NULL);
    const json_t *versions = json_object_get(spec, "versions");
    struct kind k = {.defaults_until = object_version(object), /* the definition's, to begin with */
                     .group = keep(crd, json_text_at(spec, "group")),
                     .kind = keep(crd, json_text_at(names, "kind")),
                     .list_kind = keep(crd, json_text_at(names, "listKind")),
                     .plural = keep(crd, json_text_at(names, "plural")),
                     .singular = keep(crd, json_text_at(names, "singular")),
                     .namespaced = slice_eq_cstr(json_text_at(spec, "scope"), "Namespaced"),
                     .generation = true,
                     .ending = object_deleting(object),
                     .verbs = KIND_VERBS_ALL};
    k.resource =
        slice_of(arena_printf(&crd->arena, "%.*s.%.*s", SLICE_ARG(k.plural), SLICE_ARG(k.group)));
    k.short_names = keep_all(crd, json_object_get(names, "shortNames"), &k.short_name_count);
    k.categories = keep_all(crd, json_object_get(names, "categories"), &k.category_count);
    k.stored_as =
        slice_of(arena_printf(&crd->arena, "%.*s/%.*s", SLICE_ARG(k.group),
                              SLICE_ARG(json_text_at(storage_version(versions), "name"))));
    return k;
}

struct crd *crd_compile(const json_t *object, const struct expressions *x)
{
    struct arena arena = {0};
    struct crd *crd = ARENA_NEW(&arena, struct crd);
    crd->arena = arena;
    shared_value_init(&crd->shared, release);
    const json_t *versions = json_at(object, "spec", "versions", NULL);
    struct kind names = shared_names(crd, object);
    crd->kinds = arena_zero(&crd->arena, (json_array_size(versions) + 1) * sizeof(struct kind));
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *version = json_array_get(versions, i);
        if (json_is_true(json_object_get(version, "served"))) {
            compile_version(crd, version, &names, x, &crd->kinds[crd->kind_count++]);
        }
    }
    qsort(crd->kinds, crd->kind_count, sizeof(struct kind), by_version);
    for (size_t i = 0; i < crd->kind_count; i++) {
        if (slice_eq(crd->kinds[i].api_version, names.stored_as)) {
            crd->stored = &crd->kinds[i];
        }
    }
    if (crd->stored == NULL && storage_version(versions) != NULL) {
        struct kind *stored = ARENA_NEW(&crd->arena, struct kind);
        compile_version(crd, storage_version(versions), &names, x, stored);
        crd->stored = stored;
    }
    return crd;
}
