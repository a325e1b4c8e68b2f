/* Is a definition valid? (crd_prepare(), crd_prune(), crd_check() of crd.h)
 *
 * What the tables of proto/k8s/apiextensions.proto cannot say: names that fit each other, one
 * storage version, paths that lead somewhere, schemas that are structural, and what may not change
 * once it is stored. */
#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "proto/crd.h"
#include "proto/object.h"
#include "proto/schema_build.h"
#include "proto/schema_internal.h"
#include "proto/selector.h"
#include "proto/tree_internal.h"

/* Definitions are prepared before they are checked: one that has more versions than any may have is
 * refused, and is not worth the square of their number. */
enum { PATH_BYTES_MAX = 256, VERSIONS_LOOKED_AT = 100 };

/* A field's path, for a cause. */
struct field {
    char text[PATH_BYTES_MAX];
};

__attribute__((format(printf, 1, 2))) static struct field at(const char *format, ...)
{
    struct field f;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(f.text, sizeof(f.text), format, args);
    va_end(args);
    return f;
}

#define REFUSE(causes, kind, field, ...)                                                           \
    cause_add((causes), (kind), slice_of((field).text), __VA_ARGS__)

static const json_t *versions_of(const json_t *object)
{
    return json_at(object, "spec", "versions", NULL);
}

/* ---- before: what follows from the rest ---- */

void crd_prepare(json_t *object)
{
    json_t *names = json_at(object, "spec", "names", NULL);
    json_t *status = json_child(object, "status");
    json_t *stored = json_object_get(status, "storedVersions");
    struct slice kind = json_text_at(names, "kind");
    if (kind.len > 0 && json_text_at(names, "singular").len == 0) {
        json_t *singular = json_str(kind);
        for (char *c = (char *)(uintptr_t)json_string_value(singular); *c != '\0'; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
        json_object_set_new(names, "singular", singular);
    }
    if (kind.len > 0 && json_text_at(names, "listKind").len == 0) {
        json_object_set_new(names, "listKind", json_sprintf("%.*sList", SLICE_ARG(kind)));
    }
    if (status != NULL && !json_is_array(stored)) {
        stored = json_array();
        json_object_set_new(status, "storedVersions", stored);
    }
    for (size_t i = 0; i < json_array_size(versions_of(object)) && i < VERSIONS_LOOKED_AT; i++) {
        const json_t *version = json_array_get(versions_of(object), i);
        struct slice name = json_text_at(version, "name");
        bool known = !json_is_true(json_object_get(version, "storage"));
        for (size_t k = 0; k < json_array_size(stored); k++) {
            known = known || slice_eq(json_text(json_array_get(stored, k)), name);
        }
        if (!known) {
            json_array_append_new(stored, json_str(name));
        }
    }
}

void crd_prune(json_t *object, struct causes *unknown)
{
    for (size_t i = 0; i < json_array_size(versions_of(object)); i++) {
        json_t *schema =
            json_at(json_array_get(versions_of(object), i), "schema", "openAPIV3Schema", NULL);
        struct field path = at("spec.versions[%zu].schema.openAPIV3Schema", i);
        schema_check_keywords(schema, slice_of(path.text), unknown);
    }
}

void crd_begin_deletion(json_t *object, uint64_t now_ms)
{
    char now[21];
    json_t *conditions = json_at(object, "status", "conditions", NULL);
    object_add_finalizer(object, CRD_FINALIZER);
    if (!json_is_array(conditions)) {
        conditions = json_array();
        json_object_set_new(json_child(object, "status"), "conditions", conditions);
    }
    for (size_t i = 0; i < json_array_size(conditions); i++) {
        if (slice_eq_cstr(json_text_at(json_array_get(conditions, i), "type"), "Terminating")) {
            return;
        }
    }
    clock_rfc3339(now_ms, now);
    json_array_append_new(
        conditions, json_pack("{s:s,s:s,s:s,s:s,s:s}", "type", "Terminating", "status", "True",
                              "reason", "InstanceDeletionInProgress", "message",
                              "CustomResource deletion is in progress", "lastTransitionTime", now));
}

/* ---- names ---- */

static bool is_kind_name(struct slice name)
{
    bool good = name.len > 0 && name.len <= 63 && isalpha((unsigned char)name.data[0]);
    for (size_t i = 0; good && i < name.len; i++) {
        good = isalnum((unsigned char)name.data[i]) || name.data[i] == '-';
    }
    return good;
}

static void check_names(const json_t *object, struct causes *causes)
{
    const json_t *names = json_at(object, "spec", "names", NULL);
    struct slice group = json_text_at(json_object_get(object, "spec"), "group");
    struct slice plural = json_text_at(names, "plural");
    struct slice name = object_name(object);
    static const char *const kinds[] = {"kind", "listKind"};
    if (name.len != plural.len + 1 + group.len || !slice_starts_with(name, plural) ||
        name.data[plural.len] != '.' || !slice_ends_with(name, group)) {
        cause_add(causes, CAUSE_INVALID, SLICE("metadata.name"),
                  "Invalid value: \"%.*s\": must be spec.names.plural+\".\"+spec.group",
                  SLICE_ARG(slice_sub(name, 0, 253)));
    }
    if (slice_find(group, SLICE(".")) == SIZE_MAX) {
        cause_add(causes, CAUSE_INVALID, SLICE("spec.group"),
                  "Invalid value: \"%.*s\": should be a domain with at least one dot",
                  SLICE_ARG(slice_sub(group, 0, 253)));
    }
    bool ours = slice_eq_cstr(group, "k8s.io") || slice_ends_with(group, SLICE(".k8s.io")) ||
                slice_eq_cstr(group, "kubernetes.io") ||
                slice_ends_with(group, SLICE(".kubernetes.io"));
    if (ours && object_annotation(object, "api-approved.kubernetes.io").len == 0) {
        cause_add(causes, CAUSE_REQUIRED, SLICE("metadata.annotations[api-approved.kubernetes.io]"),
                  "Required value: protected groups must have approval annotation "
                  "\"api-approved.kubernetes.io\"");
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct slice kind = json_text_at(names, kinds[i]);
        if (kind.len > 0 && !is_kind_name(kind)) {
            REFUSE(causes, CAUSE_INVALID, at("spec.names.%s", kinds[i]),
                   "Invalid value: \"%.*s\": must be at most 63 letters and digits, and start "
                   "with a letter (e.g. 'MyKind')",
                   SLICE_ARG(slice_sub(kind, 0, 100)));
        }
    }
    struct slice singular = json_text_at(names, "singular");
    if (singular.len > 0 && schema_dns_1035(singular) != NULL) {
        cause_add(causes, CAUSE_INVALID, SLICE("spec.names.singular"),
                  "Invalid value: \"%.*s\": %s", SLICE_ARG(slice_sub(singular, 0, 100)),
                  schema_dns_1035(singular));
    }
    if (slice_eq(json_text_at(names, "kind"), json_text_at(names, "listKind"))) {
        cause_add(causes, CAUSE_INVALID, SLICE("spec.names.listKind"),
                  "Invalid value: \"%.*s\": kind and listKind may not be the same",
                  SLICE_ARG(json_text_at(names, "listKind")));
    }
}

/* ---- paths ---- */

/* ".a.b['c']", and with arrays also [0], [*] and [?(@.x=="y")]. */
static bool is_path(struct slice path, bool arrays)
{
    size_t depth = 0;
    char quote = '\0';
    if (path.len < 2 || (path.data[0] != '.' && path.data[0] != '[')) {
        return false;
    }
    for (size_t i = 0; i < path.len; i++) {
        char c = path.data[i];
        if ((unsigned char)c < 0x20 || c == '{' || c == '}') {
            return false;
        }
        if (quote != '\0') {
            quote = c == quote ? '\0' : quote;
        } else if (depth > 0 && (c == '\'' || c == '"')) {
            quote = c;
        } else if (c == '[') {
            depth++;
            char next = i + 1 < path.len ? path.data[i + 1] : '\0';
            if (!arrays && next != '\'' && next != '"') {
                return false;
            }
        } else if (c == ']') {
            if (depth-- == 0) {
                return false;
            }
        }
    }
    return depth == 0 && quote == '\0' && path.data[path.len - 1] != '.';
}

static void check_columns(const json_t *version, size_t v, struct causes *causes)
{
    const json_t *columns = json_object_get(version, "additionalPrinterColumns");
    for (size_t i = 0; i < json_array_size(columns); i++) {
        struct slice path = json_text_at(json_array_get(columns, i), "jsonPath");
        if (path.len > 0 && !is_path(path, true)) {
            REFUSE(causes, CAUSE_INVALID,
                   at("spec.versions[%zu].additionalPrinterColumns[%zu].jsonPath", v, i),
                   "Invalid value: \"%.*s\": is no JSONPath: must begin with '.', like "
                   ".spec.replicas",
                   SLICE_ARG(slice_sub(path, 0, 200)));
        }
    }
}

/* The schema that a path of member names leads to; NULL: none. */
static const json_t *described(const json_t *schema, struct slice path)
{
    struct slice name;
    path = slice_sub(path, 1, SIZE_MAX);
    while (schema != NULL && slice_split(&path, '.', &name)) {
        schema = tree_get(json_object_get(schema, "properties"), name);
    }
    return schema;
}

static size_t count_steps(struct slice path)
{
    size_t steps = 0;
    for (size_t i = 0; i < path.len; i++) {
        steps += path.data[i] == '.' ? 1 : 0;
    }
    return steps;
}

static void check_selectables(const json_t *version, size_t v, struct causes *causes)
{
    const json_t *fields = json_object_get(version, "selectableFields");
    const json_t *schema = json_at(version, "schema", "openAPIV3Schema", NULL);
    for (size_t i = 0; i < json_array_size(fields); i++) {
        struct slice path = json_text_at(json_array_get(fields, i), "jsonPath");
        const json_t *field =
            is_path(path, false) && path.data[0] == '.' ? described(schema, path) : NULL;
        struct slice type = json_text_at(field, "type");
        bool shallow = count_steps(path) <= SELECTOR_STEPS_MAX;
        bool scalar = slice_eq_cstr(type, "string") || slice_eq_cstr(type, "boolean") ||
                      slice_eq_cstr(type, "integer");
        if (!scalar || !shallow || slice_starts_with(path, SLICE(".metadata."))) {
            REFUSE(causes, CAUSE_INVALID,
                   at("spec.versions[%zu].selectableFields[%zu].jsonPath", v, i),
                   "Invalid value: \"%.*s\": must be the path of a field of type string, boolean "
                   "or integer in the schema, at most %d deep, not in metadata",
                   SLICE_ARG(slice_sub(path, 0, 200)), SELECTOR_STEPS_MAX);
        }
    }
}

static void check_scale(const json_t *version, size_t v, struct causes *causes)
{
    static const struct {
        const char *name;
        const char *under;
        const char *also;
    } paths[] = {{"specReplicasPath", ".spec.", ".spec."},
                 {"statusReplicasPath", ".status.", ".status."},
                 {"labelSelectorPath", ".spec.", ".status."}};
    const json_t *scale = json_at(version, "subresources", "scale", NULL);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct slice path = json_text_at(scale, paths[i].name);
        bool good = is_path(path, false) && (slice_starts_with(path, slice_of(paths[i].under)) ||
                                             slice_starts_with(path, slice_of(paths[i].also)));
        if (path.len > 0 && !good) {
            REFUSE(causes, CAUSE_INVALID,
                   at("spec.versions[%zu].subresources.scale.%s", v, paths[i].name),
                   "Invalid value: \"%.*s\": should be a JSONPath without arrays under %s",
                   SLICE_ARG(slice_sub(path, 0, 200)), paths[i].under);
        }
    }
}

/* ---- versions ---- */

static void check_version(const json_t *version, size_t v, const struct expressions *x,
                          struct causes *causes)
{
    const json_t *schema = json_at(version, "schema", "openAPIV3Schema", NULL);
    struct field path = at("spec.versions[%zu].schema.openAPIV3Schema", v);
    if (schema == NULL) {
        REFUSE(causes, CAUSE_REQUIRED, path, "Required value: schemas are required");
    } else {
        schema_check(schema, slice_of(path.text), x, causes);
    }
    if (json_text_at(version, "deprecationWarning").len > 0 &&
        !json_is_true(json_object_get(version, "deprecated"))) {
        REFUSE(causes, CAUSE_INVALID, at("spec.versions[%zu].deprecationWarning", v),
               "Invalid value: can only be set for deprecated versions");
    }
    check_columns(version, v, causes);
    check_selectables(version, v, causes);
    check_scale(version, v, causes);
}

static void check_versions(const json_t *object, const struct expressions *x, struct causes *causes)
{
    const json_t *versions = versions_of(object);
    size_t stored = 0;
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *version = json_array_get(versions, i);
        struct slice name = json_text_at(version, "name");
        stored += json_is_true(json_object_get(version, "storage")) ? 1 : 0;
        for (size_t k = 0; k < i; k++) {
            if (slice_eq(json_text_at(json_array_get(versions, k), "name"), name)) {
                REFUSE(causes, CAUSE_DUPLICATE, at("spec.versions[%zu].name", i),
                       "Duplicate value: \"%.*s\"", SLICE_ARG(slice_sub(name, 0, 100)));
            }
        }
        check_version(version, i, x, causes);
    }
    if (stored != 1 && json_array_size(versions) > 0) {
        cause_add(causes, CAUSE_INVALID, SLICE("spec.versions"),
                  "Invalid value: must have exactly one version marked as storage version");
    }
}

/* ---- changes ---- */

static void check_same(const json_t *object, const json_t *before, const char *outer,
                       const char *name, struct causes *causes)
{
    const json_t *new = json_object_get(object, "spec");
    const json_t *old = json_object_get(before, "spec");
    if (outer != NULL) {
        new = json_object_get(new, outer);
        old = json_object_get(old, outer);
    }
    struct slice value = json_text_at(new, name);
    if (!slice_eq(value, json_text_at(old, name))) {
        REFUSE(causes, CAUSE_INVALID,
               at("spec.%s%s%s", outer != NULL ? outer : "", outer != NULL ? "." : "", name),
               "Invalid value: \"%.*s\": field is immutable", SLICE_ARG(slice_sub(value, 0, 253)));
    }
}

/* Objects are stored in every one of status.storedVersions: none of them may vanish. */
static void check_stored(const json_t *object, struct causes *causes)
{
    const json_t *stored = json_at(object, "status", "storedVersions", NULL);
    for (size_t i = 0; i < json_array_size(stored); i++) {
        struct slice name = json_text(json_array_get(stored, i));
        bool there = false;
        for (size_t k = 0; k < json_array_size(versions_of(object)); k++) {
            struct slice version = json_text_at(json_array_get(versions_of(object), k), "name");
            there = there || slice_eq(version, name);
        }
        if (!there) {
            REFUSE(causes, CAUSE_INVALID, at("status.storedVersions[%zu]", i),
                   "Invalid value: \"%.*s\": must appear in spec.versions",
                   SLICE_ARG(slice_sub(name, 0, 100)));
        }
    }
}

void crd_check(const json_t *object, const json_t *before, const struct expressions *x,
               struct causes *causes)
{
    check_stored(object, causes);
    if (before != NULL &&
        json_equal(json_object_get(object, "spec"), json_object_get(before, "spec"))) {
        return; /* it was checked, and deleting it must always be possible */
    }
    check_names(object, causes);
    check_versions(object, x, causes);
    if (json_is_true(json_at(object, "spec", "preserveUnknownFields", NULL))) {
        cause_add(causes, CAUSE_INVALID, SLICE("spec.preserveUnknownFields"),
                  "Invalid value: true: cannot set to true, set "
                  "x-kubernetes-preserve-unknown-fields to true in "
                  "spec.versions[*].schema instead");
    }
    if (before != NULL) {
        check_same(object, before, NULL, "group", causes);
        check_same(object, before, "names", "plural", causes);
        if (crd_established(before)) {
            check_same(object, before, NULL, "scope", causes);
            check_same(object, before, "names", "kind", causes);
        }
    }
}
