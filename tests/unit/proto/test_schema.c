/* Rules by themselves: names, quantities, durations, patterns; and every sample manifest is valid.
 */
#include "tests/unit/proto/fixture.h"

#include "base/file.h"
#include "base/yaml.h"
#include "proto/schema_internal.h"

static void names(void **state)
{
    (void)state;
    assert_null(schema_dns_label(SLICE("a-1")));
    assert_null(schema_dns_label(SLICE("1a")));
    assert_non_null(schema_dns_label(SLICE("-a")));
    assert_non_null(schema_dns_label(SLICE("a.b")));
    assert_non_null(schema_dns_label(SLICE("")));
    assert_non_null(schema_dns_label(SLICE("A")));
    assert_non_null(schema_dns_1035(SLICE("1a")));
    assert_null(schema_dns_name(SLICE("a.b-c.d")));
    assert_non_null(schema_dns_name(SLICE("a..b")));
    assert_non_null(schema_dns_name(SLICE("a.")));
    assert_non_null(schema_dns_name(SLICE(".a")));
    assert_null(schema_label_key(SLICE("app.kubernetes.io/name")));
    assert_null(schema_label_key(SLICE("A_b.c")));
    assert_non_null(schema_label_key(SLICE("a/b/c")));
    assert_non_null(schema_label_key(SLICE("/b")));
    assert_non_null(schema_label_key(SLICE("a/")));
    assert_null(schema_label_value(SLICE("")));
    assert_non_null(schema_label_value(SLICE("a b")));
    char long_name[300];
    memset(long_name, 'a', sizeof(long_name));
    assert_null(schema_dns_label(slice_make(long_name, 63)));
    assert_non_null(schema_dns_label(slice_make(long_name, 64)));
    assert_null(schema_dns_name(slice_make(long_name, 253)));
    assert_non_null(schema_dns_name(slice_make(long_name, 254)));
    assert_non_null(schema_label_value(slice_make(long_name, 64)));
}

static void quantities(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t milli;
    } good[] = {
        {"0", 0},
        {"1", 1000},
        {"100m", 100},
        {"0.5", 500},
        {"1Ki", 1024000},
        {"500Mi", 524288000000},
        {"1k", 1000000},
        {"1e3", 1000000},
        {"2E1", 20000},
        {"-1", -1000},
        {"1Ti", 1099511627776000},
        {"1n", 1},
        {"9Ei", INT64_MAX},
        {".5", 500},
        {"1.", 1000},
        {"0.1", 100},
        {"-1.0001", -1001},
        {"1.5Ki", 1536000},
        {"0000000000000000000000000000000.5", 500},
        {"123456789012.345", 123456789012345},
        {"0.00000000000000000000000000000000000000001E", 1},
        {"1e-100", 1},
        {"1e100", INT64_MAX},
        {"-1e100", -INT64_MAX},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t milli = 0;
        assert_true(schema_quantity_milli(slice_of(good[i].text), &milli));
        assert_int_equal(milli, good[i].milli);
    }
    static const char *const bad[] = {"",     "m",   "1x", "1 Mi", "Mi",
                                      "1..2", "--1", "1e", "e3",   "1mi"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t milli = 0;
        assert_false(schema_quantity_milli(slice_of(bad[i]), &milli));
    }
}

static void durations(void **state)
{
    (void)state;
    int64_t ms = 0;
    assert_true(schema_duration_ms(SLICE("1h30m"), &ms));
    assert_int_equal(ms, 5400000);
    assert_true(schema_duration_ms(SLICE("1.5s"), &ms));
    assert_int_equal(ms, 1500);
    assert_true(schema_duration_ms(SLICE("20ms"), &ms));
    assert_int_equal(ms, 20);
    assert_true(schema_duration_ms(SLICE("0"), &ms));
    assert_false(schema_duration_ms(SLICE("5"), &ms));
    assert_false(schema_duration_ms(SLICE(""), &ms));
    assert_false(schema_duration_ms(SLICE("h"), &ms));
    assert_false(schema_duration_ms(SLICE("1d"), &ms));
}

static void patterns(void **state)
{
    (void)state;
    static struct schema_pattern cel = {.text = {"^\\$\\{[\\s\\S]+\\}\\s*$", 18}};
    assert_true(schema__matches(&cel, SLICE("${a.b}\n")));
    assert_false(schema__matches(&cel, SLICE("${}")));
    assert_false(schema__matches(&cel, SLICE("x${a}")));
    /* one that would take for ever ends as "does not match" */
    static struct schema_pattern slow = {.text = {"^(a+)+$", 7}};
    assert_false(schema__matches(&slow, SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")));
    static struct schema_pattern broken = {.text = {"(", 1}};
    assert_false(schema__matches(&broken, SLICE("(")));
}

static void check_schema(const struct schema *s, int depth);

/* Tables are sorted, defaults parse and fit, patterns compile. */
static void check_fields(const struct schema *s, int depth)
{
    for (size_t i = 0; i < s->field_count; i++) {
        const struct schema_field *field = &s->fields[i];
        if (i > 0) {
            assert_true(slice_cmp(s->fields[i - 1].name, field->name) < 0);
        }
        assert_int_equal(field->name.data[field->name.len], '\0');
        assert_true(field->doc.len > 0);
        if (field->default_json.len > 0) {
            json_t *value = NULL;
            struct err err;
            struct arena arena = {0};
            struct causes causes = {.arena = &arena};
            assert_ok(json_parse(field->default_json, &value, &err), &err);
            schema_validate(field->schema, value, NULL, SLICE(""), &causes);
            assert_int_equal(causes.count, 0);
            json_decref(value);
            arena_free(&arena);
        }
        check_schema(field->schema, depth + 1);
    }
}

static void check_schema(const struct schema *s, int depth)
{
    assert_true(depth < 20);
    if (s->pattern != NULL) {
        (void)schema__matches(s->pattern, SLICE(""));
        assert_non_null(s->pattern->code);
    }
    if (s->list == SCHEMA_LIST_MAP) {
        for (size_t i = 0; i < s->map_key_count; i++) {
            assert_non_null(schema_field(s->items, s->map_keys[i]));
        }
    }
    check_fields(s, depth);
    if (s->items != NULL) {
        check_schema(s->items, depth + 1);
    }
    if (s->values != NULL) {
        check_schema(s->values, depth + 1);
    }
}

static void tables_are_sound(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < kind_registry_count(&f->registry); i++) {
        check_schema(kind_registry_at(&f->registry, i)->schema, 0);
    }
}

static int admit_document(json_t *document, int line, void *user, struct err *err)
{
    struct fixture *f = user;
    const struct kind *k =
        kind_by_type(&f->registry, object_api_version(document), object_kind(document));
    assert_non_null(k);
    struct admit_request request = {
        .arena = &f->arena,
        .kind = k,
        .op = ADMIT_CREATE,
        .ns = k->namespaced ? SLICE("default") : SLICE(""),
        .incoming = document,
        .validation = ADMIT_STRICT,
        .uid = "11111111-2222-4333-8444-555555555555",
        .now_ms = f->now_ms,
    };
    if (object_ns(document).len > 0) {
        request.ns = object_ns(document);
    }
    int rc = admit(&request, &f->result, err);
    if (rc != 0) {
        print_error("line %d: %s\n", line, err->message);
    }
    f->version++;
    return rc;
}

/* Strictly: no field of a sample is unknown. The seed's are printed in the architecture document.
 */
static void samples_are_valid(void **state)
{
    struct fixture *f = *state;
    static const char *const files[] = {"01-organization.yaml",
                                        "02-dataplanes.yaml",
                                        "03-environments.yaml",
                                        "04-pipelines.yaml",
                                        "05-components.yaml",
                                        "06-projects.yaml",
                                        "07-regions.yaml",
                                        "seed/component-user-service.yaml",
                                        "seed/dataplane-development.yaml",
                                        "seed/dataplane-hybrid.yaml",
                                        "seed/dataplane-production.yaml",
                                        "seed/organization-acme-corp.yaml",
                                        "seed/project-e-commerce-platform.yaml"};
    uint64_t before = f->version;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct buf text = {0};
        char path[512];
        int root = (int)slice_find(slice_of(TEST_DATA_DIR), SLICE("/tests/unit/"));
        (void)snprintf(path, sizeof(path), "%.*s/deploy/samples/%s", root, TEST_DATA_DIR, files[i]);
        assert_ok(file_read(path, 1 << 20, &text, &f->err), &f->err);
        assert_ok(yaml_each(buf_slice(&text), files[i], admit_document, f, &f->err), &f->err);
        buf_free(&text);
    }
    assert_true(f->version - before >= 20);
}

/* What an operator allows a tenant is taken at its word, so a word that means nothing is refused.
 */
static void what_tenants_are_allowed(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *kind;
        const char *spec;
        const char *field; /* NULL: it is well */
    } rows[] = {
        {"organization",
         "{'ownTypes':{'podSecurity':'privileged','kinds':[{'kind':'Endpoints'},{'group':'apps',"
         "'kind':'DaemonSet'}],'serviceTypes':['LoadBalancer'],'hostnames':['a.example.com',"
         "'*.example.org']}}",
         NULL},
        {"organization", "{'ownTypes':{'podSecurity':'restricted'}}", "spec.ownTypes.podSecurity"},
        {"organization", "{'ownTypes':{'kinds':[{'group':'apps'}]}}",
         "spec.ownTypes.kinds[0].kind"},
        {"organization", "{'ownTypes':{'kinds':[{'kind':'A'},{'group':'','kind':'A'}]}}",
         "spec.ownTypes.kinds[1]"},
        {"organization", "{'ownTypes':{'serviceTypes':['ClusterIP']}}",
         "spec.ownTypes.serviceTypes[0]"},
        {"organization", "{'ownTypes':{'hostnames':['*']}}", "spec.ownTypes.hostnames[0]"},
        {"organization", "{'ownTypes':{'hostnames':['a.*.com']}}", "spec.ownTypes.hostnames[0]"},
        {"dataplane",
         "{'type':'hybrid','allowedNamespaces':['acme'],'secretKeyPrefixes':['${namespace}/']}",
         NULL},
        {"dataplane", "{'type':'hybrid','allowedNamespaces':['Acme']}",
         "spec.allowedNamespaces[0]"},
        {"dataplane", "{'type':'hybrid','secretKeyPrefixes':['${namespace}']}",
         "spec.secretKeyPrefixes[0]"},
        {"dataplane", "{'type':'hybrid','secretKeyPrefixes':['']}", "spec.secretKeyPrefixes[0]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[400];
        (void)snprintf(text, sizeof text, "{'metadata':{'name':'x'},'spec':%s}", rows[i].spec);
        struct admit_request request = request_of(f, rows[i].kind, ADMIT_CREATE, tree(f, text));
        request.dry_run = true;
        struct err err = {0};
        int rc = admit(&request, &f->result, &err);
        if ((rc == 0) != (rows[i].field == NULL) ||
            (rc != 0 && strstr(err.message, rows[i].field) == NULL)) {
            fail_msg("%s: %d %s", rows[i].spec, rc, err.message);
        }
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {T(names),
                                       T(quantities),
                                       T(durations),
                                       T(patterns),
                                       T(tables_are_sound),
                                       T(samples_are_valid),
                                       T(what_tenants_are_allowed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
