/* Definitions: what admission makes of them, the kinds that they become, and who gets which name.
 */
#include "tests/unit/proto/fixture.h"

#include "proto/kind_board.h"
#include "proto/patch.h"
#include "proto/table.h"

#define NAME "gadgets.example.com"

static json_t *definition(struct fixture *f, const char *versions)
{
    char *text = arena_printf(
        &f->arena,
        "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{"
        "'name':'" NAME "'},'spec':{'group':'example.com','scope':'Namespaced','names':{"
        "'plural':'gadgets','kind':'Gadget','shortNames':['gd']},'versions':%s}}",
        versions);
    return tree(f, text);
}

static const char two_versions[] =
    "[{'name':'v1beta1','served':true,'storage':true,'schema':{'openAPIV3Schema':{"
    "'type':'object','x-kubernetes-preserve-unknown-fields':true}}},"
    "{'name':'v1','served':true,'storage':false,'deprecated':true,"
    "'additionalPrinterColumns':[{'name':'N','type':'integer','jsonPath':'.spec.n'}],"
    "'selectableFields':[{'jsonPath':'.spec.colour'}],"
    "'subresources':{'status':{}},"
    "'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':'object',"
    "'properties':{'n':{'type':'integer','default':7},'colour':{'type':'string'}}}}}}},"
    "{'name':'v2alpha1','served':false,'storage':false,'schema':{'openAPIV3Schema':{"
    "'type':'object'}}}]";

static int define(struct fixture *f, enum admit_op op, const json_t *incoming)
{
    struct admit_request request = request_of(f, "crd", op, incoming);
    request.name = op == ADMIT_CREATE ? SLICE("") : SLICE(NAME);
    return write_request(f, &request);
}

/* As the leader would leave it. */
static json_t *established(struct fixture *f, const char *versions)
{
    struct crd_taken taken = {.fixed = &f->registry};
    json_t *object = definition(f, versions);
    crd_prepare(object);
    json_object_set_new(object, "status", crd_judge(object, &taken, f->now_ms));
    return object;
}

/* ---- admission ---- */

static void what_follows_is_filled_in(void **state)
{
    struct fixture *f = *state;
    assert_ok(define(f, ADMIT_CREATE, definition(f, two_versions)), &f->err);
    assert_string_equal(stored_at(f, ".spec.names.singular"), "'gadget'");
    assert_string_equal(stored_at(f, ".spec.names.listKind"), "'GadgetList'");
    assert_string_equal(stored_at(f, ".spec.conversion"), "{'strategy':'None'}");
    assert_string_equal(stored_at(f, ".status.storedVersions"), "['v1beta1']");
}

struct refusal {
    const char *path; /* of what is replaced, by a JSON patch */
    const char *value;
    const char *field;
    const char *text;
};

static const struct refusal refusals[] = {
    {"/metadata/name", "'x.example.com'", "metadata.name", "must be spec.names.plural+"},
    {"/spec/group", "'com'", "spec.group", "should be a domain with at least one dot"},
    {"/spec/names/kind", "'a_b'", "spec.names.kind", "letters and digits"},
    {"/spec/names/listKind", "'Gadget'", "spec.names.listKind", "may not be the same"},
    {"/spec/names/singular", "'A'", "spec.names.singular", "DNS-1035"},
    {"/spec/versions/1/storage", "true", "spec.versions", "exactly one version"},
    {"/spec/versions/0/storage", "false", "spec.versions", "exactly one version"},
    {"/spec/versions/1/name", "'v1beta1'", "spec.versions[1].name", "Duplicate value"},
    {"/spec/versions/1/schema", "{}", "spec.versions[1].schema.openAPIV3Schema",
     "schemas are required"},
    {"/spec/versions/0/deprecationWarning", "'x'", "spec.versions[0].deprecationWarning",
     "only be set for deprecated versions"},
    {"/spec/versions/1/additionalPrinterColumns/0/jsonPath", "'spec.n'",
     "spec.versions[1].additionalPrinterColumns[0].jsonPath", "is no JSONPath"},
    {"/spec/versions/1/additionalPrinterColumns/0/jsonPath", "'{.spec.n}'",
     "spec.versions[1].additionalPrinterColumns[0].jsonPath", "is no JSONPath"},
    {"/spec/versions/1/selectableFields/0/jsonPath", "'.spec.nothing'",
     "spec.versions[1].selectableFields[0].jsonPath", "must be the path of a field"},
    {"/spec/versions/1/selectableFields/0/jsonPath", "'.spec'",
     "spec.versions[1].selectableFields[0].jsonPath", "must be the path of a field"},
    {"/spec/versions/1/subresources/scale",
     "{'specReplicasPath':'.n','statusReplicasPath':'.status.n'}",
     "spec.versions[1].subresources.scale.specReplicasPath", "under .spec."},
    {"/spec/preserveUnknownFields", "true", "spec.preserveUnknownFields", "cannot set to true"},
    {"/spec/versions/1/schema/openAPIV3Schema/properties/spec/properties/n/type", "'number?'",
     "spec.versions[1].schema.openAPIV3Schema.properties[spec].properties[n].type",
     "Unsupported value"},
};

static void what_is_wrong_is_named_with_its_path(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *r = &refusals[i];
        json_t *object = json_deep_copy(definition(f, two_versions));
        char *patch =
            arena_printf(&f->arena, "[{'op':'add','path':'%s','value':%s}]", r->path, r->value);
        assert_ok(patch_json(&object, tree(f, patch), &f->err), &f->err);
        arena_own(&f->arena, object, (void (*)(void *))json_decref);
        assert_int_equal(define(f, ADMIT_CREATE, object), ERR_UNPROCESSABLE);
        if (!has_cause(&f->result.causes, r->field, r->text)) {
            print_error("%s: no \"%s: %s\" in: %.*s\n", r->path, r->field, r->text,
                        SLICE_ARG(f->result.message));
            fail();
        }
    }
}

static void deletion_waits_for_the_objects(void **state)
{
    struct fixture *f = *state;
    assert_ok(define(f, ADMIT_CREATE, definition(f, two_versions)), &f->err);
    assert_ok(define(f, ADMIT_DELETE, NULL), &f->err);
    assert_true(f->stored);
    assert_string_equal(stored_at(f, ".metadata.finalizers"), "['" CRD_FINALIZER "']");
    assert_string_equal(stored_at(f, ".status.conditions[?(@.type==\"Terminating\")].status"),
                        "'True'");
    assert_ok(define(f, ADMIT_DELETE, NULL), &f->err); /* again: nothing new */
    assert_true(f->stored);
    assert_ok(define(f, ADMIT_PATCH_MERGE, tree(f, "{'metadata':{'finalizers':null}}")), &f->err);
    assert_false(f->stored);
}

/* ---- kinds ---- */

static void a_definition_becomes_its_served_versions(void **state)
{
    struct fixture *f = *state;
    struct crd *crd = crd_compile(established(f, two_versions), NULL);
    assert_int_equal(crd->kind_count, 2);
    const struct kind *v1 = &crd->kinds[0]; /* before its betas */
    const struct kind *beta = &crd->kinds[1];
    assert_slice(v1->api_version, "example.com/v1");
    assert_slice(beta->api_version, "example.com/v1beta1");
    assert_slice(v1->stored_as, "example.com/v1beta1");
    assert_slice(v1->resource, NAME);
    assert_slice(v1->list_kind, "GadgetList");
    assert_slice(v1->short_names[0], "gd");
    assert_slice(v1->warning, "example.com/v1 Gadget is deprecated");
    assert_slice(v1->columns[0].path, ".spec.n");
    assert_slice(beta->columns[0].name, "Age");
    assert_slice(v1->selectables[0].field, "spec.colour");
    assert_true(v1->status && !beta->status && v1->namespaced && !v1->ending);
    assert_ptr_equal(crd->stored, beta);
    shared_value_unref(&crd->shared);
}

static void one_object_has_several_versions(void **state)
{
    struct fixture *f = *state;
    struct crd *crd = crd_compile(established(f, two_versions), NULL);
    struct admit_request request = request_of(
        f, "configmaps", ADMIT_CREATE, tree(f, "{'metadata':{'name':'x'},'spec':{'odd':1}}"));
    request.kind = &crd->kinds[0]; /* v1, which prunes and defaults */
    assert_ok(write_request(f, &request), &f->err);
    assert_string_equal(stored_at(f, ".apiVersion"), "'example.com/v1beta1'");
    assert_string_equal(stored_at(f, ".spec"), "{'n':7}");
    for (size_t i = 0; i < 2; i++) {
        struct buf out = {0};
        json_t *seen = NULL;
        object_emit_as(&out, &crd->kinds[i], &f->old);
        assert_ok(json_parse(buf_slice(&out), &seen, &f->err), &f->err);
        assert_true(slice_eq(object_api_version(seen), crd->kinds[i].api_version));
        assert_int_equal(object_version(seen), f->old.version);
        json_decref(seen);
        buf_free(&out);
    }
    /* Written by the other version: what that one does not change changes nothing. */
    request = request_of(f, "configmaps", ADMIT_PATCH_MERGE, tree(f, "{'spec':{'n':7}}"));
    request.kind = &crd->kinds[1];
    assert_ok(write_request(f, &request), &f->err);
    assert_false(f->result.changed);
    shared_value_unref(&crd->shared);
}

static void store_as_v1(json_t *object)
{
    json_t *versions = json_at(object, "spec", "versions", NULL);
    json_object_set_new(json_array_get(versions, 0), "storage", json_false());
    json_object_set_new(json_array_get(versions, 1), "storage", json_true());
}

static void a_change_of_the_storage_version_is_taken_up_by_the_next_write(void **state)
{
    struct fixture *f = *state;
    json_t *object = established(f, two_versions);
    struct crd *before = crd_compile(object, NULL);
    struct admit_request request =
        request_of(f, "configmaps", ADMIT_CREATE, tree(f, "{'metadata':{'name':'x'},'spec':{}}"));
    request.kind = &before->kinds[0];
    assert_ok(write_request(f, &request), &f->err);
    store_as_v1(object);
    struct crd *after = crd_compile(object, NULL);
    request = request_of(f, "configmaps", ADMIT_PATCH_MERGE, tree(f, "{}"));
    request.kind = &after->kinds[0];
    assert_ok(write_request(f, &request), &f->err);
    assert_true(f->result.changed);
    assert_string_equal(stored_at(f, ".apiVersion"), "'example.com/v1'");
    shared_value_unref(&before->shared);
    shared_value_unref(&after->shared);
}

/* What a client reads of f->old. */
static void expect_read(struct fixture *f, const struct kind *kind, const char *n)
{
    struct buf out = {0};
    json_t *seen = NULL;
    object_emit_as(&out, kind, &f->old);
    assert_ok(json_parse(buf_slice(&out), &seen, &f->err), &f->err);
    const json_t *value = object_path(seen, SLICE(".spec.n"));
    struct buf text = {0};
    if (value != NULL) {
        json_canonical(value, &text);
    }
    assert_string_equal(buf_cstr(&text), n);
    assert_int_equal(object_version(seen), f->old.version);
    json_decref(seen);
    buf_free(&text);
    buf_free(&out);
}

static void defaults_that_come_later_are_read(void **state)
{
    struct fixture *f = *state;
    json_t *object = established(f, two_versions);
    store_as_v1(object);
    json_t *n = json_at(json_array_get(json_at(object, "spec", "versions", NULL), 1), "schema",
                        "openAPIV3Schema", "properties", "spec", "properties", "n", NULL);
    json_t *seven = json_incref(json_object_get(n, "default"));
    json_object_del(n, "default");
    json_object_set_new(json_object_get(object, "metadata"), "resourceVersion", json_string("40"));
    struct crd *crd = crd_compile(object, NULL);
    struct admit_request request =
        request_of(f, "configmaps", ADMIT_CREATE, tree(f, "{'metadata':{'name':'x'},'spec':{}}"));
    request.kind = &crd->kinds[0];
    assert_ok(write_request(f, &request), &f->err);
    expect_read(f, &crd->kinds[0], "");
    shared_value_unref(&crd->shared);

    json_object_set_new(n, "default", seven);
    char version[24];
    (void)snprintf(version, sizeof version, "%llu", (unsigned long long)f->old.version + 1);
    json_object_set_new(json_object_get(object, "metadata"), "resourceVersion",
                        json_string(version));
    crd = crd_compile(object, NULL);
    expect_read(f, &crd->kinds[0], "7");
    f->old.version += UINT64_C(60000) << 21; /* written long after: as it was stored */
    expect_read(f, &crd->kinds[0], "");
    shared_value_unref(&crd->shared);
}

static void nothing_is_created_of_a_kind_that_ends(void **state)
{
    struct fixture *f = *state;
    json_t *object = established(f, two_versions);
    json_object_set_new(json_object_get(object, "metadata"), "deletionTimestamp",
                        json_string("2026-01-01T00:00:00Z"));
    struct crd *crd = crd_compile(object, NULL);
    struct admit_request request =
        request_of(f, "configmaps", ADMIT_CREATE, tree(f, "{'metadata':{'name':'x'}}"));
    request.kind = &crd->kinds[0];
    assert_err(write_request(f, &request), &f->err, ERR_METHOD, "terminating");
    shared_value_unref(&crd->shared);
}

static void what_no_longer_fits_can_still_go(void **state)
{
    struct fixture *f = *state;
    struct crd *crd = crd_compile(established(f, two_versions), NULL);
    struct admit_request request =
        request_of(f, "configmaps", ADMIT_CREATE,
                   tree(f, "{'metadata':{'name':'x','finalizers':['a.com/b']},'spec':{'n':3}}"));
    request.kind = &crd->kinds[0];
    assert_ok(write_request(f, &request), &f->err);
    json_t *object = established(f, two_versions);
    json_t *n = json_at(json_array_get(json_at(object, "spec", "versions", NULL), 1), "schema",
                        "openAPIV3Schema", "properties", "spec", "properties", "n", NULL);
    json_object_set_new(n, "minimum", json_integer(4)); /* stricter now */
    struct crd *strict = crd_compile(object, NULL);
    const json_t *let_go = tree(f, "{'metadata':{'finalizers':null}}");
    request = request_of(f, "configmaps", ADMIT_PATCH_MERGE, tree(f, "{'spec':{'n':2}}"));
    request.kind = &strict->kinds[0];
    assert_err(write_request(f, &request), &f->err, ERR_UNPROCESSABLE, "spec.n");
    request = request_of(f, "configmaps", ADMIT_PATCH_MERGE,
                         tree(f, "{'metadata':{'labels':{'a':'b'}}}"));
    request.kind = &strict->kinds[0];
    assert_ok(write_request(f, &request), &f->err); /* it is as bad as it was */
    request = request_of(f, "configmaps", ADMIT_DELETE, NULL);
    request.kind = &strict->kinds[0];
    assert_ok(write_request(f, &request), &f->err);
    request = request_of(f, "configmaps", ADMIT_PATCH_MERGE, tree(f, "{'spec':{'n':2}}"));
    request.kind = &strict->kinds[0];
    assert_err(write_request(f, &request), &f->err, ERR_UNPROCESSABLE, "spec.n");
    request = request_of(f, "configmaps", ADMIT_PATCH_MERGE, let_go);
    request.kind = &strict->kinds[0];
    assert_ok(write_request(f, &request), &f->err);
    assert_false(f->stored);
    shared_value_unref(&crd->shared);
    shared_value_unref(&strict->shared);
}

static void printer_columns_are_filled(void **state)
{
    struct fixture *f = *state;
    struct crd *crd = crd_compile(
        established(f, "[{'name':'v1','served':true,'storage':true,'additionalPrinterColumns':["
                       "{'name':'N','type':'integer','jsonPath':'.spec.n'},"
                       "{'name':'Ready','type':'string',"
                       "'jsonPath':'.status.conditions[?(@.type==\\\"Ready\\\")].status'},"
                       "{'name':'Key','type':'string','jsonPath':'.spec.map.a\\\\.b'},"
                       "{'name':'First','type':'string','jsonPath':'.spec.list[0]'},"
                       "{'name':'None','type':'string','jsonPath':'.spec.none.at.all'},"
                       "{'name':'Old','type':'date','jsonPath':'.metadata.creationTimestamp'}],"
                       "'schema':{'openAPIV3Schema':{'type':'object'}}}]"),
        NULL);
    const json_t *object =
        tree(f, "{'metadata':{'name':'x','creationTimestamp':'2023-11-14T22:11:20Z'},'spec':{'n':3,"
                "'map':{'a.b':'dotted'},'list':['f','g']},'status':{'conditions':[{'type':'Synced',"
                "'status':'False'},{'type':'Ready','status':'True'}]}}");
    struct slice cells[7];
    assert_ok(table_cells(&crd->kinds[0], object, f->now_ms, &f->arena, cells, &f->err), &f->err);
    static const char *const expected[] = {"x", "3", "True", "dotted", "f", "", "2m"};
    for (size_t i = 0; i < 7; i++) {
        assert_slice(cells[i], expected[i]);
    }
    shared_value_unref(&crd->shared);
}

/* ---- names ---- */

static void names_are_granted_once(void **state)
{
    struct fixture *f = *state;
    json_t *first = established(f, two_versions);
    assert_true(crd_established(first));
    const json_t *others[] = {json_pack("{s:s,s:O}", "group", "example.com", "names",
                                        json_at(first, "status", "acceptedNames", NULL))};
    struct crd_taken taken = {.others = others, .other_count = 1, .fixed = &f->registry};
    json_t *second =
        tree(f, "{'spec':{'group':'example.com','names':{'plural':'widgets','kind':'Widget',"
                "'singular':'gadget','listKind':'WidgetList','shortNames':['gd','wd']}}}");
    json_object_set_new(second, "status", crd_judge(second, &taken, f->now_ms));
    assert_false(crd_established(second));
    assert_string_equal(text_of(f, json_at(second, "status", "acceptedNames", NULL)),
                        "{'kind':'Widget','listKind':'WidgetList','plural':'widgets'}");
    const json_t *refused = object_condition(second, "NamesAccepted");
    assert_slice(json_text_at(refused, "reason"), "SingularConflict");
    assert_slice(json_text_at(refused, "message"),
                 "\"gadget\" is already in use, \"gd\" is already in use");
    assert_slice(json_text_at(object_condition(second, "Established"), "reason"), "NotAccepted");
    /* The same again changes nothing; in another group there is no conflict. */
    json_t *again = crd_judge(second, &taken, f->now_ms + 60000);
    assert_true(json_equal(again, json_object_get(second, "status")));
    json_decref(again);
    json_object_set_new(json_object_get(second, "spec"), "group", json_string("other.com"));
    json_object_set_new(second, "status", crd_judge(second, &taken, f->now_ms));
    assert_true(crd_established(second));
    json_decref((json_t *)(uintptr_t)others[0]);
}

static void the_fixed_kinds_keep_theirs(void **state)
{
    struct fixture *f = *state;
    struct crd_taken taken = {.fixed = &f->registry};
    json_t *rival = tree(f, "{'spec':{'group':'choreo.dev','names':{'plural':'components',"
                            "'kind':'Thing','singular':'thing','listKind':'ThingList'}}}");
    json_object_set_new(rival, "status", crd_judge(rival, &taken, f->now_ms));
    assert_false(crd_established(rival));
    assert_slice(json_text_at(object_condition(rival, "NamesAccepted"), "reason"),
                 "PluralConflict");
}

static void a_built_in_kind_may_be_defined(void **state)
{
    struct fixture *f = *state;
    struct crd_taken taken = {.fixed = &f->registry, .full = true};
    json_t *object = tree(f, "{'spec':{'group':'choreo.dev','versions':[{'name':'v1'}],'names':{"
                             "'plural':'components','kind':'Component','singular':'component',"
                             "'listKind':'ComponentList','shortNames':['proj']}}}");
    assert_true(crd_built_in(object, &f->registry));
    json_object_set_new(object, "status", crd_judge(object, &taken, f->now_ms));
    assert_true(crd_established(object));
    assert_slice(json_text_at(object_condition(object, "Established"), "reason"), "BuiltIn");
    assert_true(json_equal(json_at(object, "status", "acceptedNames", NULL),
                           json_at(object, "spec", "names", NULL)));
    json_t *again = crd_judge(object, &taken, f->now_ms + 60000);
    assert_true(json_equal(again, json_object_get(object, "status")));
    json_decref(again);
    /* Of another version, it is another kind, and its names are taken. */
    json_t *other = tree(f, "{'spec':{'group':'choreo.dev','versions':[{'name':'v2'}],'names':{"
                            "'plural':'components','kind':'Component'}}}");
    assert_false(crd_built_in(other, &f->registry));
    json_object_set_new(other, "status", crd_judge(other, &taken, f->now_ms));
    assert_false(crd_established(other));
}

static void what_was_established_stays_so(void **state)
{
    struct fixture *f = *state;
    json_t *object = established(f, two_versions);
    struct crd_taken taken = {.fixed = &f->registry};
    json_t *names = json_at(object, "spec", "names", NULL);
    const json_t *others[] = {
        tree(f, "{'group':'example.com','names':{'shortNames':['taken'],'plural':'others'}}")};
    taken.others = others;
    taken.other_count = 1;
    json_object_set_new(names, "shortNames", json_pack("[s]", "taken"));
    json_object_set_new(object, "status", crd_judge(object, &taken, f->now_ms));
    assert_true(crd_established(object));
    assert_false(object_condition_true(object, "NamesAccepted"));
    assert_string_equal(text_of(f, json_at(object, "status", "acceptedNames", "shortNames", NULL)),
                        "['gd']"); /* what it had */
}

static void there_is_an_end_to_definitions(void **state)
{
    struct fixture *f = *state;
    struct crd_taken taken = {.fixed = &f->registry, .full = true};
    json_t *object = definition(f, two_versions);
    json_object_set_new(object, "status", crd_judge(object, &taken, f->now_ms));
    assert_false(crd_established(object));
    assert_slice(json_text_at(object_condition(object, "NamesAccepted"), "reason"),
                 "TooManyDefinitions");
}

/* ---- sets ---- */

static void a_set_lasts_as_long_as_it_is_used(void **state)
{
    struct fixture *f = *state;
    struct kind_board board;
    struct arena request = {0};
    struct crd *crd = crd_compile(established(f, two_versions), NULL);
    kind_board_init(&board, &f->registry);
    size_t fixed = kind_registry_count(&f->registry);
    kind_board_publish(&board, &crd, 1);
    shared_value_unref(&crd->shared); /* the set keeps it */
    const struct kind_registry *kinds = &kind_board_use(&board, &request)->registry;
    kind_board_publish(&board, NULL, 0);
    assert_int_equal(kind_registry_count(kinds), fixed + 2);
    assert_ptr_equal(kind_registry_at(kinds, 0), kind_registry_at(&f->registry, 0));
    assert_ptr_equal(kind_by_resource(kinds, SLICE(NAME)), kind_registry_at(kinds, fixed));
    assert_ptr_equal(kind_by_name(kinds, SLICE("gd")), kind_registry_at(kinds, fixed));
    assert_non_null(kind_by_type(kinds, SLICE("example.com/v1beta1"), SLICE("Gadget")));
    assert_non_null(kind_by_plural(kinds, SLICE(""), SLICE("v1"), SLICE("secrets")));
    assert_null(kind_registry_at(kinds, fixed + 2));
    const char unserved[] = "[{'name':'v1','served':false,'storage':true,'schema':{"
                            "'openAPIV3Schema':{'type':'object'}}}]";
    crd = crd_compile(established(f, unserved), NULL);
    kind_board_publish(&board, &crd, 1);
    shared_value_unref(&crd->shared);
    const struct kind_set *hidden = kind_board_get(&board);
    assert_int_equal(kind_registry_count(&hidden->registry), fixed);
    assert_null(
        kind_by_plural(&hidden->registry, SLICE("example.com"), SLICE("v1"), SLICE("gadgets")));
    assert_true(kind_by_resource(&hidden->registry, SLICE(NAME))->namespaced);
    kind_set_unref(hidden);
    kind_board_publish(&board, NULL, 0);
    const struct kind_set *now = kind_board_get(&board);
    assert_int_equal(kind_registry_count(&now->registry), fixed);
    kind_set_unref(now);
    arena_free(&request);
    kind_board_free(&board);
}

/* Comparing each with each would take a quarter of a minute. */
static void very_many_versions_are_refused_at_once(void **state)
{
    struct fixture *f = *state;
    struct buf versions = {0};
    buf_add_cstr(&versions, "[{'name':'v','served':true,'storage':true}");
    for (int i = 0; i < 50000; i++) {
        buf_addf(&versions, ",{'name':'v%d','served':true,'storage':true}", i);
    }
    buf_add_char(&versions, ']');
    double began = test_cpu_seconds();
    assert_err(define(f, ADMIT_CREATE, definition(f, buf_cstr(&versions))), &f->err,
               ERR_UNPROCESSABLE, "must have at most 16 items");
    assert_true(test_cpu_seconds() - began < 8);
    buf_free(&versions);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(what_follows_is_filled_in),
        T(what_is_wrong_is_named_with_its_path),
        T(deletion_waits_for_the_objects),
        T(a_definition_becomes_its_served_versions),
        T(one_object_has_several_versions),
        T(a_change_of_the_storage_version_is_taken_up_by_the_next_write),
        T(defaults_that_come_later_are_read),
        T(nothing_is_created_of_a_kind_that_ends),
        T(what_no_longer_fits_can_still_go),
        T(printer_columns_are_filled),
        T(names_are_granted_once),
        T(the_fixed_kinds_keep_theirs),
        T(a_built_in_kind_may_be_defined),
        T(what_was_established_stays_so),
        T(there_is_an_end_to_definitions),
        T(a_set_lasts_as_long_as_it_is_used),
        T(very_many_versions_are_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
