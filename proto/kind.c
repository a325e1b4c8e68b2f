/* A registry is four maps over the same kinds, and their order of registration.
 *
 * Built-in kinds are rows that proto/gen made; what clusters serve besides is in workloads.c.
 * Invariant: a kind is in all maps or in none; a registry never holds what it lies over holds. */
#include "proto/kind.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "proto/kind_internal.h"

static const char *const verb_names[KIND_VERB_COUNT] = {
    "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"};

enum { KEY_MAX = 1024 };

const char *kind_verb_name(int index)
{
    return index >= 0 && index < KIND_VERB_COUNT ? verb_names[index] : "";
}

struct slice kind_descriptor_set(void)
{
    return slice_make(kind__descriptors, kind__descriptors_len);
}

const struct schema *kind_metadata_schema(void)
{
    return schema_field(kind__builtin[0].schema, SLICE("metadata"))->schema;
}

void kind_registry_init(struct kind_registry *r)
{
    memset(r, 0, sizeof(*r));
}

void kind_registry_init_over(struct kind_registry *r, const struct kind_registry *under)
{
    kind_registry_init(r);
    r->under = under;
}

void kind_registry_free(struct kind_registry *r)
{
    map_free(&r->by_plural);
    map_free(&r->by_kind);
    map_free(&r->by_resource);
    map_free(&r->by_message);
    free(r->kinds);
    arena_free(&r->arena);
    memset(r, 0, sizeof(*r));
}

struct arena *kind_registry_arena(struct kind_registry *r)
{
    return &r->arena;
}

/* "group/version/name" in a caller's buffer; empty if it is too long to be any kind's. */
static struct slice triple(char key[KEY_MAX], struct slice group, struct slice version,
                           struct slice name)
{
    if (group.len + version.len + name.len + 3 > KEY_MAX) {
        return (struct slice){0};
    }
    int len = snprintf(key, KEY_MAX, "%.*s/%.*s/%.*s", SLICE_ARG(group), SLICE_ARG(version),
                       SLICE_ARG(name));
    return slice_make(key, len > 0 ? (size_t)len : 0);
}

enum index { PLURALS, KINDS, RESOURCES, MESSAGES };

/* In the registry, or in those that it lies over. */
static const struct kind *find(const struct kind_registry *r, enum index index, struct slice key)
{
    const struct kind *kind = NULL;
    for (; r != NULL && kind == NULL; r = r->under) {
        const struct map *const maps[] = {&r->by_plural, &r->by_kind, &r->by_resource,
                                          &r->by_message};
        kind = map_get(maps[index], key);
    }
    return kind;
}

/* The maps hold pointers to const kinds; struct map's values are void *. */
static void *value_of(const struct kind *kind)
{
    union {
        const struct kind *in;
        void *out;
    } u = {.in = kind};
    return u.out;
}

static void list_kind(struct kind_registry *r, const struct kind *kind)
{
    if (kind->part_of.len > 0) {
        assert(r->part_count < KIND_PARTS_MAX); /* built in, all of them */
        r->parts[r->part_count++] = kind;
        return;
    }
    if (r->count == r->cap) {
        r->cap = r->cap == 0 ? 64 : r->cap * 2;
        r->kinds = mem_resize(r->kinds, r->cap * sizeof(*r->kinds));
    }
    r->kinds[r->count++] = kind;
}

int kind_registry_add(struct kind_registry *r, const struct kind *kind, struct err *err)
{
    char plural[KEY_MAX];
    char name[KEY_MAX];
    struct slice by_plural = triple(plural, kind->group, kind->version, kind->plural);
    struct slice by_kind = triple(name, kind->group, kind->version, kind->kind);
    if (by_plural.len == 0 || by_kind.len == 0) {
        return err_set(err, ERR_INVALID, "kind %.*s: its names are too long",
                       SLICE_ARG(kind->kind));
    }
    if (kind->part_of.len > 0) {
        by_plural = kind->part_of;
    }
    if (find(r, PLURALS, by_plural) != NULL || find(r, KINDS, by_kind) != NULL) {
        return err_set(err, ERR_EXISTS, "kind %.*s of %.*s (%.*s) is registered already",
                       SLICE_ARG(kind->kind), SLICE_ARG(kind->api_version),
                       SLICE_ARG(kind->plural));
    }
    list_kind(r, kind);
    map_put(&r->by_plural, by_plural, value_of(kind));
    map_put(&r->by_kind, by_kind, value_of(kind));
    if (find(r, RESOURCES, kind->resource) == NULL) {
        map_put(&r->by_resource, kind->resource, value_of(kind));
    }
    if (kind->message.len > 0) {
        map_put(&r->by_message, kind->message, value_of(kind));
    }
    return 0;
}

void kind_registry_add_unserved(struct kind_registry *r, const struct kind *kind)
{
    if (find(r, RESOURCES, kind->resource) == NULL) {
        map_put(&r->by_resource, kind->resource, value_of(kind));
    }
}

/* Our own groups come first in discovery, then Kubernetes'. */
void kind_registry_builtin(struct kind_registry *r)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < kind__builtin_count; i++) {
            bool own = slice_eq(kind__builtin[i].group, SLICE("choreo.dev"));
            struct err err;
            if (own == (pass == 0)) {
                (void)kind_registry_add(r, &kind__builtin[i], &err); /* again: no change */
            }
        }
    }
}

static struct slice lower_copy(struct arena *arena, struct slice s)
{
    struct slice copy = arena_copy(arena, s);
    char *text = arena_cstr(arena, copy);
    for (size_t i = 0; i < copy.len; i++) {
        text[i] = (char)tolower((unsigned char)text[i]);
    }
    return slice_make(text, copy.len);
}

static struct slice join(struct arena *arena, struct slice a, char separator, struct slice b)
{
    if (a.len == 0 || b.len == 0) {
        return arena_copy(arena, a.len == 0 ? b : a);
    }
    return slice_of(arena_printf(arena, "%.*s%c%.*s", SLICE_ARG(a), separator, SLICE_ARG(b)));
}

static int check_names(struct slice group, struct slice version, struct slice kind,
                       struct slice plural, struct err *err)
{
    const char *wrong = group.len > 0 ? schema_dns_name(group) : NULL;
    if (wrong == NULL) {
        wrong = schema_dns_1035(version);
    }
    if (wrong == NULL) {
        wrong = schema_dns_1035(plural);
    }
    if (wrong == NULL &&
        (kind.len == 0 || kind.len > 63 || !isalpha((unsigned char)kind.data[0]))) {
        wrong = "a kind is at most 63 letters and digits";
    }
    for (size_t i = 0; wrong == NULL && i < kind.len; i++) {
        wrong = isalnum((unsigned char)kind.data[i]) ? NULL : "a kind is letters and digits";
    }
    if (wrong != NULL) {
        return err_set(err, ERR_INVALID, "kind \"%.*s\" (%.*s.%.*s/%.*s): %s", SLICE_ARG(kind),
                       SLICE_ARG(plural), SLICE_ARG(group), SLICE_ARG(version), wrong);
    }
    return 0;
}

static const struct kind_column age_column = {
    .name = {"Age", 3}, .type = {"date", 4}, .path = {".metadata.creationTimestamp", 27}};

int kind_registry_define(struct kind_registry *r, struct slice group, struct slice version,
                         struct slice kind, struct slice plural, bool namespaced,
                         const struct kind **out, struct err *err)
{
    int rc = check_names(group, version, kind, plural, err);
    if (rc != 0) {
        return rc;
    }
    struct arena *a = &r->arena;
    struct kind *k = ARENA_NEW(a, struct kind);
    k->group = arena_copy(a, group);
    k->version = arena_copy(a, version);
    k->kind = arena_copy(a, kind);
    k->plural = arena_copy(a, plural);
    k->singular = lower_copy(a, kind);
    k->list_kind = slice_of(arena_printf(a, "%.*sList", SLICE_ARG(kind)));
    k->api_version = join(a, group, '/', version);
    k->resource = join(a, plural, '.', group);
    k->namespaced = namespaced;
    k->status = true;
    k->generation = true;
    k->lenient = true;
    k->verbs = KIND_VERBS_ALL;
    k->columns = &age_column;
    k->column_count = 1;
    rc = kind_registry_add(r, k, err);
    if (rc == 0 && out != NULL) {
        *out = k;
    }
    return rc;
}

size_t kind_registry_count(const struct kind_registry *r)
{
    size_t count = 0;
    for (; r != NULL; r = r->under) {
        count += r->count;
    }
    return count;
}

const struct kind *kind_registry_at(const struct kind_registry *r, size_t i)
{
    for (; r != NULL; r = r->under) {
        size_t before = kind_registry_count(r->under);
        if (i >= before) {
            return i - before < r->count ? r->kinds[i - before] : NULL;
        }
    }
    return NULL;
}

const struct kind *kind_by_plural(const struct kind_registry *r, struct slice group,
                                  struct slice version, struct slice plural)
{
    char key[KEY_MAX];
    return find(r, PLURALS, triple(key, group, version, plural));
}

/* The subresource's name, if it is one of kind's. */
static bool is_part(const struct kind *part, const struct kind *kind, struct slice *subresource)
{
    char key[KEY_MAX];
    struct slice of = triple(key, kind->group, kind->version, kind->plural);
    struct slice rest = slice_sub(part->part_of, of.len, SIZE_MAX);
    *subresource = slice_sub(rest, 1, SIZE_MAX);
    return slice_starts_with(part->part_of, of) && slice_starts_with(rest, SLICE("/"));
}

const struct kind *kind_part_at(const struct kind_registry *r, const struct kind *kind, size_t i,
                                struct slice *subresource)
{
    for (; r != NULL; r = r->under) {
        for (size_t j = 0; j < r->part_count; j++) {
            if (is_part(r->parts[j], kind, subresource) && i-- == 0) {
                return r->parts[j];
            }
        }
    }
    return NULL;
}

const struct kind *kind_part(const struct kind_registry *r, const struct kind *kind,
                             struct slice subresource)
{
    struct slice name;
    const struct kind *part;
    for (size_t i = 0; (part = kind_part_at(r, kind, i, &name)) != NULL; i++) {
        if (slice_eq(name, subresource)) {
            return part;
        }
    }
    return NULL;
}

const struct kind *kind_by_kind(const struct kind_registry *r, struct slice group,
                                struct slice version, struct slice kind)
{
    char key[KEY_MAX];
    return find(r, KINDS, triple(key, group, version, kind));
}

void kind_split_api_version(struct slice api_version, struct slice *group, struct slice *version)
{
    size_t slash = slice_find(api_version, SLICE("/"));
    if (slash == SIZE_MAX) {
        *group = (struct slice){0};
        *version = api_version;
        return;
    }
    *group = slice_sub(api_version, 0, slash);
    *version = slice_sub(api_version, slash + 1, SIZE_MAX);
}

const struct kind *kind_by_type(const struct kind_registry *r, struct slice api_version,
                                struct slice kind)
{
    struct slice group;
    struct slice version;
    kind_split_api_version(api_version, &group, &version);
    return kind_by_kind(r, group, version, kind);
}

const struct kind *kind_by_resource(const struct kind_registry *r, struct slice resource)
{
    return find(r, RESOURCES, resource);
}

const struct kind *kind_by_message(const struct kind_registry *r, struct slice name)
{
    for (size_t i = name.len; i > 0; i--) {
        if (name.data[i - 1] == '/') {
            name = slice_sub(name, i, SIZE_MAX);
            break;
        }
    }
    return find(r, MESSAGES, name);
}

static bool equal_nocase(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.data, b.data, a.len) == 0);
}

static bool is_named(const struct kind *k, struct slice name)
{
    if (equal_nocase(name, k->plural) || equal_nocase(name, k->singular) ||
        equal_nocase(name, k->kind)) {
        return true;
    }
    for (size_t i = 0; i < k->short_name_count; i++) {
        if (equal_nocase(name, k->short_names[i])) {
            return true;
        }
    }
    return false;
}

/* rest: "", "group" or "version.group". */
static bool is_qualified(const struct kind *k, struct slice rest)
{
    if (rest.len == 0 || equal_nocase(rest, k->group)) {
        return true;
    }
    size_t dot = slice_find(rest, SLICE("."));
    return dot != SIZE_MAX && equal_nocase(slice_sub(rest, 0, dot), k->version) &&
           equal_nocase(slice_sub(rest, dot + 1, SIZE_MAX), k->group);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as registries lie over each other, which is twice. */
const struct kind *kind_by_name(const struct kind_registry *r, struct slice name)
{
    size_t dot = slice_find(name, SLICE("."));
    struct slice first = dot == SIZE_MAX ? name : slice_sub(name, 0, dot);
    struct slice rest = dot == SIZE_MAX ? SLICE("") : slice_sub(name, dot + 1, SIZE_MAX);
    const struct kind *kind = r->under != NULL ? kind_by_name(r->under, name) : NULL;
    for (size_t i = 0; i < r->count && kind == NULL; i++) {
        if (is_named(r->kinds[i], first) && is_qualified(r->kinds[i], rest)) {
            kind = r->kinds[i];
        }
    }
    return kind;
}
