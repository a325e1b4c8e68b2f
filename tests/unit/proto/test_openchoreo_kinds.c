/* Our openchoreo.dev kinds are OpenChoreo's: compared with its definitions, field by field, where
 * OPENCHOREO_DIR says that a checkout of it lies. Each way in which ours differ is listed with its
 * reason, and must still be one. Not compared: conditions, which are Kubernetes' own, and the
 * expressions of x-kubernetes-validations, which options cannot say, but for `self == oldSelf`. */
#include "tests/unit/proto/fixture.h"

#include <dirent.h>
#include <stdio.h>

#include "base/yaml.h"

enum { FILE_MAX_BYTES = 1024 * 1024, KINDS = 37 };

static struct difference {
    const char *text;
    const char *reason;
    size_t seen;
} differences[] = {
    {"column Message: only ours", "wide output says what is not acted on", 0},
    {"column Age: only ours", "every table tells ages", 0},
    {"status.conditions: only ours", "what nothing acts on says so", 0},
    {"status.observedGeneration: only ours", "as above", 0},
    {"column Release: only ours", "and the release that was let in", 0},
    {"column Release: other", "a release is told where no spec names it, too", 0},
    {"status.releaseName: only ours", "as above", 0},
    {"status.projectRelease: only ours", "as above", 0},
    {"spec.workloadOverrides: keeps unknown fields there alone", "nothing reads any other", 0},
};

static void differ(const char *kind, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void differ(const char *kind, const char *path, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_addf(&text, "%s: ", path);
    buf_vaddf(&text, format, args);
    va_end(args);
    bool listed = false;
    for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]) && !listed; i++) {
        listed = strcmp(differences[i].text, buf_cstr(&text)) == 0;
        differences[i].seen += listed ? 1 : 0;
    }
    if (!listed) {
        fail_msg("%s: %s", kind, buf_cstr(&text));
    }
    buf_free(&text);
}

static bool lists(const json_t *list, struct slice text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (slice_eq(json_text(json_array_get(list, i)), text)) {
            return true;
        }
    }
    return false;
}

/* Theirs and ours hold the same texts. */
static void same_texts(const char *kind, const char *path, const char *what, const json_t *theirs,
                       const struct slice *ours, size_t count)
{
    bool same = json_array_size(theirs) == count;
    for (size_t i = 0; i < count && same; i++) {
        same = lists(theirs, ours[i]);
    }
    if (!same) {
        differ(kind, path, "other %s", what);
    }
}

static enum schema_type type_of(const json_t *theirs)
{
    static const struct {
        const char *name;
        enum schema_type type;
    } types[] = {{"object", SCHEMA_OBJECT}, {"array", SCHEMA_ARRAY},
                 {"string", SCHEMA_STRING}, {"integer", SCHEMA_INTEGER},
                 {"number", SCHEMA_NUMBER}, {"boolean", SCHEMA_BOOLEAN}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (slice_eq_cstr(json_text_at(theirs, "type"), types[i].name)) {
            return types[i].type;
        }
    }
    return SCHEMA_ANY;
}

static enum schema_format format_of(const json_t *theirs)
{
    static const struct {
        const char *name;
        enum schema_format format;
    } formats[] = {{"int32", SCHEMA_FORMAT_INT32},
                   {"int64", SCHEMA_FORMAT_INT64},
                   {"date-time", SCHEMA_FORMAT_DATE_TIME},
                   {"uri", SCHEMA_FORMAT_URI}};
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (slice_eq_cstr(json_text_at(theirs, "format"), formats[i].name)) {
            return formats[i].format;
        }
    }
    /* An integer of no stated width has one in protobuf. */
    return type_of(theirs) == SCHEMA_INTEGER ? SCHEMA_FORMAT_INT64 : SCHEMA_FORMAT_NONE;
}

/* A number that both have, or neither. */
static void same_number(const char *kind, const char *path, const json_t *theirs, const char *key,
                        bool has, double ours)
{
    const json_t *value = json_object_get(theirs, key);
    if (has != (value != NULL) || (has && json_number_value(value) != ours)) {
        differ(kind, path, "other %s", key);
    }
}

static void same_limits(const char *kind, const char *path, const json_t *theirs,
                        const struct schema *ours)
{
    const char *least = ours->type == SCHEMA_ARRAY    ? "minItems"
                        : ours->type == SCHEMA_OBJECT ? "minProperties"
                                                      : "minLength";
    const char *most = ours->type == SCHEMA_ARRAY    ? "maxItems"
                       : ours->type == SCHEMA_OBJECT ? "maxProperties"
                                                     : "maxLength";
    same_number(kind, path, theirs, "minimum", ours->has_min, ours->min);
    same_number(kind, path, theirs, "maximum", ours->has_max, ours->max);
    same_number(kind, path, theirs, least, ours->min_len > 0, ours->min_len);
    same_number(kind, path, theirs, most, ours->has_max_len, ours->max_len);
    struct slice pattern = json_text_at(theirs, "pattern");
    if (!slice_eq(pattern, ours->pattern != NULL ? ours->pattern->text : (struct slice){0})) {
        differ(kind, path, "other pattern");
    }
    same_texts(kind, path, "enum", json_object_get(theirs, "enum"), ours->enums, ours->enum_count);
}

static void same_list(const char *kind, const char *path, const json_t *theirs,
                      const struct schema *ours)
{
    static const char *const names[] = {
        [SCHEMA_LIST_ATOMIC] = "atomic", [SCHEMA_LIST_SET] = "set", [SCHEMA_LIST_MAP] = "map"};
    struct slice list = json_text_at(theirs, "x-kubernetes-list-type");
    if (!slice_eq_cstr(list.len > 0 ? list : SLICE("atomic"), names[ours->list])) {
        differ(kind, path, "other list type");
    }
    same_texts(kind, path, "keys", json_object_get(theirs, "x-kubernetes-list-map-keys"),
               ours->map_keys, ours->map_key_count);
}

static void compare(const char *kind, const char *path, const json_t *theirs,
                    const struct schema *ours);

static bool never_changes(const json_t *theirs)
{
    const json_t *rules = json_object_get(theirs, "x-kubernetes-validations");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        if (slice_eq_cstr(json_text_at(json_array_get(rules, i), "rule"), "self == oldSelf")) {
            return true;
        }
    }
    return false;
}

static void compare_default(const char *kind, const char *path, const json_t *theirs,
                            const struct schema_field *ours)
{
    struct buf text = {0};
    const json_t *value = json_object_get(theirs, "default");
    if (value != NULL) {
        json_canonical(value, &text);
    }
    if (!slice_eq(buf_slice(&text), ours->default_json)) {
        differ(kind, path, "other default");
    }
    buf_free(&text);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the definitions. */
static void compare_fields(const char *kind, const char *path, const json_t *theirs,
                           const struct schema *ours)
{
    const json_t *properties = json_object_get(theirs, "properties");
    const json_t *required = json_object_get(theirs, "required");
    const char *name;
    json_t *property;
    char below[512];
    json_object_foreach((json_t *)(uintptr_t)properties, name, property)
    {
        const struct schema_field *field = schema_field(ours, slice_of(name));
        (void)snprintf(below, sizeof below, "%s.%s", path, name);
        if (field == NULL) {
            differ(kind, below, "only theirs");
            continue;
        }
        if (field->required != lists(required, slice_of(name))) {
            differ(kind, below, "other requiredness");
        }
        if (field->immutable != never_changes(property)) {
            differ(kind, below, "immutable in one only");
        }
        compare_default(kind, below, property, field);
        if (strcmp(name, "conditions") != 0 || strcmp(path, "status") != 0) {
            compare(kind, below, property, field->schema);
        }
    }
    for (size_t i = 0; i < ours->field_count; i++) {
        const struct schema_field *field = &ours->fields[i];
        (void)snprintf(below, sizeof below, "%s.%.*s", path, SLICE_ARG(field->name));
        if (json_object_getn(properties, field->name.data, field->name.len) == NULL) {
            differ(kind, below, "only ours");
        }
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the definitions. */
static void compare(const char *kind, const char *path, const json_t *theirs,
                    const struct schema *ours)
{
    char below[512];
    if (type_of(theirs) != ours->type || format_of(theirs) != ours->format) {
        differ(kind, path, "other type");
        return;
    }
    bool open = json_is_true(json_object_get(theirs, "x-kubernetes-preserve-unknown-fields"));
    if (open != (ours->preserve_unknown || ours->type == SCHEMA_ANY)) {
        differ(kind, path, "keeps unknown fields %s alone", open ? "there" : "here");
    }
    same_limits(kind, path, theirs, ours);
    (void)snprintf(below, sizeof below, "%s[]", path);
    if (ours->type == SCHEMA_ARRAY) {
        same_list(kind, path, theirs, ours);
        compare(kind, below, json_object_get(theirs, "items"), ours->items);
    } else if (ours->type == SCHEMA_OBJECT) {
        const json_t *values = json_object_get(theirs, "additionalProperties");
        if ((values != NULL) != (ours->values != NULL)) {
            differ(kind, path, "a map in one only");
        } else if (values != NULL) {
            compare(kind, below, values, ours->values);
        }
        compare_fields(kind, path, theirs, ours);
    }
}

static void compare_columns(const struct kind *ours, const json_t *version)
{
    const json_t *theirs = json_object_get(version, "additionalPrinterColumns");
    char path[128];
    for (size_t i = 0; i < ours->column_count; i++) {
        const struct kind_column *c = &ours->columns[i];
        const json_t *column = json_array_get(theirs, i);
        (void)snprintf(path, sizeof path, "column %.*s", SLICE_ARG(c->name));
        if (column == NULL) {
            differ(ours->kind.data, path, "only ours");
        } else if (!slice_eq(json_text_at(column, "name"), c->name) ||
                   !slice_eq(json_text_at(column, "type"), c->type) ||
                   !slice_eq(json_text_at(column, "jsonPath"), c->path)) {
            differ(ours->kind.data, path, "other");
        }
    }
    assert_true(json_array_size(theirs) <= ours->column_count);
}

static int compare_kind(json_t *definition, int line, void *user, struct err *err)
{
    struct fixture *f = user;
    const json_t *spec = json_object_get(definition, "spec");
    const json_t *names = json_object_get(spec, "names");
    const json_t *version = json_array_get(json_object_get(spec, "versions"), 0);
    const struct kind *ours =
        kind_by_kind(&f->registry, json_text_at(spec, "group"), json_text_at(version, "name"),
                     json_text_at(names, "kind"));
    (void)line;
    (void)err;
    if (ours == NULL) {
        fail_msg("%.*s is not served", SLICE_ARG(json_text_at(names, "kind")));
        return 0;
    }
    const char *kind = ours->kind.data;
    assert_slice(json_text_at(names, "plural"), ours->plural.data);
    assert_slice(json_text_at(names, "singular"), ours->singular.data);
    assert_slice(json_text_at(names, "listKind"), ours->list_kind.data);
    assert_int_equal(slice_eq_cstr(json_text_at(spec, "scope"), "Namespaced"), ours->namespaced);
    assert_int_equal(json_at(version, "subresources", "status", NULL) != NULL, ours->status);
    same_texts(kind, "names", "short names", json_object_get(names, "shortNames"),
               ours->short_names, ours->short_name_count);
    compare_columns(ours, version);
    const json_t *schema = json_at(version, "schema", "openAPIV3Schema", NULL);
    static const char *const parts[] = {"spec", "status"};
    for (size_t i = 0; i < 2; i++) {
        const struct schema_field *field = schema_field(ours->schema, slice_of(parts[i]));
        const json_t *theirs = json_at(schema, "properties", parts[i], NULL);
        assert_int_equal(field != NULL, theirs != NULL);
        if (field != NULL) {
            assert_int_equal(field->required,
                             lists(json_object_get(schema, "required"), slice_of(parts[i])));
            assert_int_equal(field->immutable, never_changes(theirs));
            compare(kind, parts[i], theirs, field->schema);
        }
    }
    f->version++;
    return 0;
}

static void compare_file(struct fixture *f, const char *path)
{
    struct buf text = {0};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    buf_reserve(&text, FILE_MAX_BYTES);
    text.len = fread(text.data, 1, FILE_MAX_BYTES, file);
    assert_int_equal(fclose(file), 0);
    assert_ok(yaml_each(buf_slice(&text), path, compare_kind, f, &f->err), &f->err);
    buf_free(&text);
}

static void they_are_the_definitions(void **state)
{
    struct fixture *f = *state;
    char folder[400];
    char path[700];
    if (getenv("OPENCHOREO_DIR") == NULL) {
        print_message("skipped: OPENCHOREO_DIR is not set\n");
        skip();
    }
    (void)snprintf(folder, sizeof folder, "%s/config/crd/bases", getenv("OPENCHOREO_DIR"));
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    f->version = 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): this process has one thread. */
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (strstr(e->d_name, ".yaml") != NULL) {
            (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            compare_file(f, path);
        }
    }
    assert_int_equal(closedir(dir), 0);
    assert_int_equal(f->version, KINDS);
    for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
        if (differences[i].seen == 0) {
            fail_msg("no difference any more: %s", differences[i].text);
        }
    }
}

/* Ours come first where a name alone is said, and none of theirs is missing. */
static void ours_come_first(void **state)
{
    struct fixture *f = *state;
    size_t theirs = 0;
    for (size_t i = 0; i < kind_registry_count(&f->registry); i++) {
        const struct kind *k = kind_registry_at(&f->registry, i);
        theirs += slice_eq_cstr(k->group, "openchoreo.dev") ? 1 : 0;
    }
    assert_int_equal(theirs, KINDS);
    assert_slice(kind_by_name(&f->registry, SLICE("components"))->group, "choreo.dev");
    assert_slice(kind_by_name(&f->registry, SLICE("workloads"))->group, "openchoreo.dev");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(they_are_the_definitions, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(ours_come_first, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
