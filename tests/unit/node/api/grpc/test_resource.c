/* choreo.v1.ResourceService: refs in words, objects in both forms and back, and what of them is
 * refused. */
#include "tests/unit/node/api/grpc/caller.h"

#include "proto/choreo/v1/services.pb-c.h"
#include "proto/grpc/reflection/v1/reflection.pb-c.h"
#include "proto/typed.h"

#define SERVICE "/choreo.v1.ResourceService/"

enum {
    OK,
    INVALID_ARGUMENT = 3,
    NOT_FOUND = 5,
    ALREADY_EXISTS = 6,
    PERMISSION_DENIED = 7,
    ABORTED = 10,
    UNIMPLEMENTED = 12,
    UNAUTHENTICATED = 16,
};

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static Choreo__V1__Ref ref_of(const char *resource, const char *name)
{
    Choreo__V1__Ref ref;
    choreo__v1__ref__init(&ref);
    ref.resource = text(resource);
    ref.name = text(name);
    return ref;
}

static Choreo__V1__Object json_object_of(const char *json)
{
    Choreo__V1__Object o;
    choreo__v1__object__init(&o);
    o.form_case = CHOREO__V1__OBJECT__FORM_JSON;
    o.json = (ProtobufCBinaryData){strlen(json), (uint8_t *)text(json)};
    return o;
}

static void write_object(struct caller *c, const char *method, Choreo__V1__Object *object,
                         Choreo__V1__Ref *ref)
{
    Choreo__V1__WriteRequest request;
    char path[128];
    Choreo__V1__WriteOptions options;
    choreo__v1__write_request__init(&request);
    choreo__v1__write_options__init(&options);
    options.field_manager = text("test");
    request.options = &options;
    request.object = object;
    request.ref = ref;
    (void)snprintf(path, sizeof path, SERVICE "%s", method);
    caller_ask(c, path, &request.base);
}

static void write_json(struct caller *c, const char *method, const char *json)
{
    Choreo__V1__Object o = json_object_of(json);
    write_object(c, method, &o, NULL);
}

static void get(struct caller *c, Choreo__V1__Ref *ref, Choreo__V1__Form form)
{
    Choreo__V1__GetRequest request;
    choreo__v1__get_request__init(&request);
    request.ref = ref;
    request.has_form = true;
    request.form = form;
    caller_ask(c, SERVICE "Get", &request.base);
}

static const Choreo__V1__Object *object_of(struct caller *c)
{
    const Choreo__V1__ObjectResponse *r =
        caller_message(c, 0, &choreo__v1__object_response__descriptor);
    assert_non_null(r);
    assert_non_null(r->object);
    return r->object;
}

static json_t *json_of(const Choreo__V1__Object *o)
{
    struct err err;
    json_t *tree;
    assert_int_equal(o->form_case, CHOREO__V1__OBJECT__FORM_JSON);
    assert_ok(json_parse(slice_make(o->json.data, o->json.len), &tree, &err), &err);
    return tree;
}

static const char web[] =
    "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Component\",\"metadata\":{\"name\":\"web\","
    "\"namespace\":\"acme\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"type\":\"service\","
    "\"image\":\"nginx:1\",\"endpoints\":[{\"name\":\"http\",\"port\":80}]}}";

static int open_with_web(void **state)
{
    int rc = caller_setup(state);
    struct caller *c = *state;
    caller_open(c);
    write_json(c, "Create", web);
    caller_expect(c, 0, "");
    return rc;
}

static void objects_come_back_in_every_form(void **state)
{
    struct caller *c = *state;
    Choreo__V1__Ref ref = ref_of("components", "web");
    ref.namespace_ = text("acme");
    get(c, &ref, CHOREO__V1__FORM__FORM_JSON);
    caller_expect(c, 0, "");
    json_t *tree = json_of(object_of(c));
    assert_slice(json_text(json_at(tree, "spec", "image", NULL)), "nginx:1");
    assert_slice(json_text(json_at(tree, "metadata", "resourceVersion", NULL)), "1001");
    json_decref(tree);

    get(c, &ref, CHOREO__V1__FORM__FORM_TYPED);
    caller_expect(c, 0, "");
    const Choreo__V1__Object *o = object_of(c);
    assert_int_equal(o->form_case, CHOREO__V1__OBJECT__FORM_TYPED);
    assert_string_equal(o->typed->type_url, "type.googleapis.com/choreo.v1.Component");
    struct err err;
    const struct kind *kind = kind_by_message(&c->kinds, slice_of(o->typed->type_url));
    assert_non_null(kind);
    assert_ok(
        typed_to_json(kind, slice_make(o->typed->value.data, o->typed->value.len), &tree, &err),
        &err);
    assert_slice(json_text(json_at(tree, "metadata", "name", NULL)), "web");
    assert_slice(json_text(json_at(tree, "spec", "image", NULL)), "nginx:1");
    const json_t *endpoint = json_array_get(json_at(tree, "spec", "endpoints", NULL), 0);
    assert_int_equal(json_integer_value(json_at(endpoint, "port", NULL)), 80);
    json_decref(tree);

    get(c, &ref, CHOREO__V1__FORM__FORM_TABLE);
    caller_expect(c, 0, "");
    tree = json_of(object_of(c));
    assert_slice(json_text_at(tree, "kind"), "Table");
    assert_int_equal(json_array_size(json_at(tree, "rows", NULL)), 1);
    const json_t *cells = json_at(json_array_get(json_at(tree, "rows", NULL), 0), "cells", NULL);
    assert_slice(json_text(json_array_get(cells, 0)), "web");
    json_decref(tree);

    get(c, &ref, CHOREO__V1__FORM__FORM_METADATA);
    caller_expect(c, 0, "");
    tree = json_of(object_of(c));
    assert_slice(json_text_at(tree, "kind"), "PartialObjectMetadata");
    assert_null(json_object_get(tree, "spec"));
    json_decref(tree);
}

/* What is read typed is written typed, and is the same. */
static void typed_objects_go_in_as_they_came_out(void **state)
{
    struct caller *c = *state;
    Choreo__V1__Ref ref = ref_of("components", "web");
    ref.namespace_ = text("acme");
    get(c, &ref, CHOREO__V1__FORM__FORM_TYPED);
    Choreo__V1__Object copy = *object_of(c); /* lives in the caller's arena */
    write_object(c, "Update", &copy, NULL);
    caller_expect(c, 0, "");
    const Choreo__V1__ObjectResponse *r =
        caller_message(c, 0, &choreo__v1__object_response__descriptor);
    assert_true(r->has_changed && !r->changed);
    write_object(c, "Create", &copy, NULL);
    assert_true(c->status == ALREADY_EXISTS || c->status == INVALID_ARGUMENT);
    Choreo__V1__DeleteRequest request;
    choreo__v1__delete_request__init(&request);
    request.ref = &ref;
    caller_ask(c, SERVICE "Delete", &request.base);
    caller_expect(c, 0, "");
    get(c, &ref, CHOREO__V1__FORM__FORM_JSON);
    caller_expect(c, NOT_FOUND, "web");
}

static void refs_are_in_words(void **state)
{
    struct caller *c = *state;
    static const char *const words[] = {"components", "component", "comp", "Component",
                                        "components.choreo.dev"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        Choreo__V1__Ref ref = ref_of(words[i], "web");
        ref.namespace_ = text("acme");
        get(c, &ref, CHOREO__V1__FORM__FORM_METADATA);
        caller_expect(c, 0, "");
    }
    /* With a group they are exact. */
    Choreo__V1__Ref ref = ref_of("components", "web");
    ref.namespace_ = text("acme");
    ref.group = text("choreo.dev");
    get(c, &ref, CHOREO__V1__FORM__FORM_METADATA);
    caller_expect(c, 0, "");
    ref.version = text("v1");
    get(c, &ref, CHOREO__V1__FORM__FORM_METADATA);
    caller_expect(c, 0, "");
    ref.version = text("v9");
    get(c, &ref, CHOREO__V1__FORM__FORM_METADATA);
    caller_expect(c, NOT_FOUND, "no kind \"components\" in group choreo.dev");
    ref.version = NULL;
    ref.resource = NULL;
    ref.kind = text("Component");
    get(c, &ref, CHOREO__V1__FORM__FORM_METADATA);
    caller_expect(c, 0, "");
    ref.group = text("apps");
    get(c, &ref, CHOREO__V1__FORM__FORM_METADATA);
    caller_expect(c, NOT_FOUND, "no kind \"Component\" in group apps");
}

static void refs_that_name_nothing_are_refused(void **state)
{
    struct caller *c = *state;
    get(c, NULL, CHOREO__V1__FORM__FORM_JSON);
    caller_expect(c, INVALID_ARGUMENT, "ref is required");
    Choreo__V1__Ref ref = ref_of(NULL, "web");
    get(c, &ref, CHOREO__V1__FORM__FORM_JSON);
    caller_expect(c, INVALID_ARGUMENT, "neither resource nor kind");
    ref = ref_of("", "web");
    get(c, &ref, CHOREO__V1__FORM__FORM_JSON);
    caller_expect(c, INVALID_ARGUMENT, "neither resource nor kind");
    ref = ref_of("gizmos", "web");
    get(c, &ref, CHOREO__V1__FORM__FORM_JSON);
    caller_expect(c, NOT_FOUND, "no kind \"gizmos\"");
    ref = ref_of("components", NULL);
    get(c, &ref, CHOREO__V1__FORM__FORM_JSON);
    caller_expect(c, INVALID_ARGUMENT, "name");
    ref = ref_of("components", "web"); /* of no namespace: default's, where it is not */
    get(c, &ref, CHOREO__V1__FORM__FORM_JSON);
    caller_expect(c, NOT_FOUND, "web");
}

static void objects_that_are_none_are_refused(void **state)
{
    struct caller *c = *state;
    static const struct {
        const char *json;
        int status;
        const char *message;
    } cases[] = {
        {"", INVALID_ARGUMENT, "empty where JSON is expected"},
        {"{", INVALID_ARGUMENT, "line 1"},
        {"[]", NOT_FOUND, "no kind"},
        {"7", NOT_FOUND, "no kind"},
        {"\"x\"", NOT_FOUND, "no kind"},
        {"null", NOT_FOUND, "no kind"},
        {"{}", NOT_FOUND, "no kind"},
        {"{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Gizmo\"}", NOT_FOUND,
         "no kind \"Gizmo\" in \"choreo.dev/v1\""},
        {"{\"apiVersion\":7,\"kind\":[]}", NOT_FOUND, "no kind"},
        {"{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Component\"}", INVALID_ARGUMENT, "name"},
        {"{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Component\",\"metadata\":7}",
         INVALID_ARGUMENT, "metadata"},
        {"{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Component\",\"metadata\":{\"name\":"
         "\"Bad Name\"},\"spec\":{\"type\":\"service\"}}",
         INVALID_ARGUMENT, "metadata.name"},
        {"{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Component\",\"metadata\":{\"name\":"
         "\"x\",\"namespace\":\"acme\"},\"spec\":{\"type\":\"service\",\"endpoints\":"
         "[{\"name\":\"a\",\"port\":0}]}}",
         INVALID_ARGUMENT, "port"},
    };
    static const char *const methods[] = {"Create", "Apply"};
    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            write_json(c, methods[m], cases[i].json);
            if (c->status != cases[i].status) {
                print_error("%s of %s\n", methods[m], cases[i].json);
            }
            caller_expect(c, cases[i].status, cases[i].message);
        }
        Choreo__V1__Object nothing;
        choreo__v1__object__init(&nothing);
        write_object(c, methods[m], NULL, NULL);
        caller_expect(c, INVALID_ARGUMENT, "object is required");
        write_object(c, methods[m], &nothing, NULL);
        caller_expect(c, INVALID_ARGUMENT, "object is required");
    }
}

static void typed_objects_that_are_none_are_refused(void **state)
{
    struct caller *c = *state;
    static const struct {
        const char *url;
        const char *value;
        int status;
        const char *message;
    } cases[] = {
        {"", "", NOT_FOUND, "message type \"\""},
        {"type.googleapis.com/choreo.v1.Nothing", "", NOT_FOUND, "choreo.v1.Nothing"},
        {"type.googleapis.com/choreo.v1.Ref", "", NOT_FOUND, "choreo.v1.Ref"}, /* no kind's */
        {"type.googleapis.com/choreo.v1.Component", "\xff\xff", INVALID_ARGUMENT, ""},
        {"type.googleapis.com/choreo.v1.Component", "", INVALID_ARGUMENT, "name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Google__Protobuf__Any any;
        Choreo__V1__Object o;
        google__protobuf__any__init(&any);
        choreo__v1__object__init(&o);
        any.type_url = text(cases[i].url);
        any.value = (ProtobufCBinaryData){strlen(cases[i].value), (uint8_t *)text(cases[i].value)};
        o.form_case = CHOREO__V1__OBJECT__FORM_TYPED;
        o.typed = &any;
        write_object(c, "Create", &o, NULL);
        caller_expect(c, cases[i].status, cases[i].message);
    }
}

/* Whoever may create one thing does not create another in its name. */
static void a_ref_that_contradicts_its_object_is_refused(void **state)
{
    struct caller *c = *state;
    static const char *const methods[] = {"Create", "Apply"};
    const Choreo__V1__Ref refs[] = {
        {.base = ref_of(NULL, NULL).base, .resource = text("components"), .name = text("other")},
        {.base = ref_of(NULL, NULL).base, .resource = text("projects")},
        {.base = ref_of(NULL, NULL).base,
         .resource = text("components"),
         .namespace_ = text("elsewhere")}};
    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < sizeof refs / sizeof refs[0]; i++) {
            Choreo__V1__Object o = json_object_of(web);
            Choreo__V1__Ref ref = refs[i];
            write_object(c, methods[m], &o, &ref);
            caller_expect(c, INVALID_ARGUMENT, "");
        }
    }
}

static void selectors_that_are_none_are_refused(void **state)
{
    struct caller *c = *state;
    Choreo__V1__Ref ref = ref_of("components", NULL);
    Choreo__V1__ListRequest request;
    choreo__v1__list_request__init(&request);
    request.ref = &ref;
    request.label_selector = text("a in (");
    caller_ask(c, SERVICE "List", &request.base);
    caller_expect(c, INVALID_ARGUMENT, "");
    request.label_selector = NULL;
    request.field_selector = text("spec.nothing=1");
    caller_ask(c, SERVICE "List", &request.base);
    caller_expect(c, INVALID_ARGUMENT, "spec.nothing");
    request.field_selector = NULL;
    request.label_selector = text("a=b");
    caller_ask(c, SERVICE "List", &request.base); /* of all namespaces, since none is named */
    caller_expect(c, 0, "");
    const Choreo__V1__ListResponse *list =
        caller_message(c, 0, &choreo__v1__list_response__descriptor);
    assert_int_equal(list->n_objects, 1);
}

static void kinds_are_listed_with_their_messages(void **state)
{
    struct caller *c = *state;
    Choreo__V1__KindsRequest request;
    choreo__v1__kinds_request__init(&request);
    caller_ask(c, SERVICE "Kinds", &request.base);
    caller_expect(c, 0, "");
    const Choreo__V1__KindsResponse *kinds =
        caller_message(c, 0, &choreo__v1__kinds_response__descriptor);
    size_t components = 0;
    assert_int_equal(kinds->n_kinds, kind_registry_count(&c->kinds));
    for (size_t i = 0; i < kinds->n_kinds; i++) {
        const Choreo__V1__KindInfo *k = kinds->kinds[i];
        if (strcmp(k->kind, "Component") == 0 && strcmp(k->group, "choreo.dev") == 0) {
            components++;
            assert_string_equal(k->plural, "components");
            assert_string_equal(k->message, "choreo.v1.Component");
            assert_true(k->namespaced && k->status);
        }
    }
    assert_int_equal(components, 1);
}

/* The call was refused for this field of its request, and google.rpc.BadRequest says so. */
static void expect_field(struct caller *c, const char *field)
{
    caller_expect(c, INVALID_ARGUMENT, "");
    for (size_t i = 0; c->details != NULL && i < c->details->n_details; i++) {
        const Google__Protobuf__Any *any = c->details->details[i];
        if (strcmp(any->type_url, "type.googleapis.com/google.rpc.BadRequest") == 0) {
            Google__Rpc__BadRequest *bad =
                google__rpc__bad_request__unpack(NULL, any->value.len, any->value.data);
            assert_int_equal(bad->n_field_violations, 1);
            assert_string_equal(bad->field_violations[0]->field, field);
            assert_true(strlen(bad->field_violations[0]->description) > 0);
            google__rpc__bad_request__free_unpacked(bad, NULL);
            return;
        }
    }
    fail_msg("nothing says that it is \"%s\"", field);
}

/* Where a list goes on is said by the server, and means that list alone. */
static void a_continue_belongs_to_its_list(void **state)
{
    struct caller *c = *state;
    Choreo__V1__Ref components = ref_of("components", NULL);
    Choreo__V1__Ref others = ref_of("projects", NULL);
    Choreo__V1__ListRequest list = CHOREO__V1__LIST_REQUEST__INIT;
    list.ref = &components;
    list.has_limit = true;
    list.limit = 1;
    write_json(c, "Create",
               "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Component\",\"metadata\":{"
               "\"name\":\"web2\",\"namespace\":\"default\"},\"spec\":{\"type\":\"service\"}}");
    caller_expect(c, OK, "");
    caller_ask(c, SERVICE "List", &list.base);
    caller_expect(c, OK, "");
    const Choreo__V1__ListResponse *page =
        caller_message(c, 0, &choreo__v1__list_response__descriptor);
    assert_non_null(page);
    assert_int_equal(page->n_objects, 1);
    list.continue_ = arena_cstr(&c->arena, slice_of(page->continue_));
    caller_ask(c, SERVICE "List", &list.base);
    caller_expect(c, OK, "");
    page = caller_message(c, 0, &choreo__v1__list_response__descriptor);
    assert_int_equal(page->n_objects, 1);
    assert_true(page->continue_ == NULL || *page->continue_ == '\0');
    list.label_selector = text("a=b");
    caller_ask(c, SERVICE "List", &list.base);
    expect_field(c, "continue");
    list.label_selector = NULL;
    list.ref = &others;
    caller_ask(c, SERVICE "List", &list.base);
    expect_field(c, "continue");
}

static void wrong_fields_of_requests_are_named(void **state)
{
    struct caller *c = *state;
    Choreo__V1__Ref nameless = ref_of("components", NULL);
    Choreo__V1__Ref wordless = ref_of(NULL, "web");
    Choreo__V1__Ref named = ref_of("components", "web");
    Choreo__V1__ListRequest list = CHOREO__V1__LIST_REQUEST__INIT;
    Choreo__V1__PatchRequest patch = CHOREO__V1__PATCH_REQUEST__INIT;
    Choreo__V1__WriteOptions options = CHOREO__V1__WRITE_OPTIONS__INIT;
    get(c, NULL, CHOREO__V1__FORM__FORM_JSON);
    expect_field(c, "ref");
    get(c, &wordless, CHOREO__V1__FORM__FORM_JSON);
    expect_field(c, "ref");
    get(c, &nameless, CHOREO__V1__FORM__FORM_JSON);
    expect_field(c, "ref.name");
    list.ref = &nameless;
    list.label_selector = text("a in");
    caller_ask(c, SERVICE "List", &list.base);
    expect_field(c, "label_selector");
    list.label_selector = text("a in (b)");
    list.field_selector = text("spec.nothing=1");
    caller_ask(c, SERVICE "List", &list.base);
    expect_field(c, "field_selector");
    list.field_selector = NULL;
    list.continue_ = text("x");
    caller_ask(c, SERVICE "List", &list.base);
    expect_field(c, "continue");
    patch.ref = &named;
    patch.has_patch = options.has_request_id = true;
    patch.patch = (ProtobufCBinaryData){1, (uint8_t *)text("{")};
    caller_ask(c, SERVICE "Patch", &patch.base);
    expect_field(c, "patch");
    patch.patch = (ProtobufCBinaryData){2, (uint8_t *)text("{}")};
    options.request_id = (ProtobufCBinaryData){3, (uint8_t *)text("abc")};
    patch.options = &options;
    caller_ask(c, SERVICE "Patch", &patch.base);
    expect_field(c, "options.request_id");
    write_object(c, "Create", NULL, NULL);
    expect_field(c, "object");
    write_json(c, "Update", "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{}}");
    expect_field(c, "object.metadata.name");
}

static void what_is_answered_and_not_stored(void **state)
{
    struct caller *c = *state;
    c->authorization = "Bearer viewer";
    write_json(c, "Create",
               "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\","
               "\"spec\":{\"resourceAttributes\":{\"verb\":\"delete\",\"resource\":\"secrets\"}}}");
    caller_expect(c, 0, "");
    const Choreo__V1__Object *typed = object_of(c);
    assert_int_equal(typed->form_case, CHOREO__V1__OBJECT__FORM_TYPED);
    assert_string_equal(typed->typed->type_url,
                        "type.googleapis.com/k8s.io.api.authorization.v1.SelfSubjectAccessReview");
    json_t *tree = NULL;
    assert_ok(typed_to_json(kind_by_message(&c->kinds, slice_of(typed->typed->type_url)),
                            slice_make(typed->typed->value.data, typed->typed->value.len), &tree,
                            &c->err),
              &c->err);
    assert_true(json_is_false(json_at(tree, "status", "allowed", NULL)));
    json_decref(tree);
    write_json(c, "Create",
               "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\"}");
    caller_expect(c, INVALID_ARGUMENT, "spec: Required value");
    c->authorization = NULL;
    write_json(c, "Apply",
               "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\","
               "\"metadata\":{\"name\":\"x\"}}");
    caller_expect(c, UNIMPLEMENTED, "does not support the verb patch");
    Choreo__V1__Ref ref = ref_of("tokenreviews", "x");
    get(c, &ref, CHOREO__V1__FORM__FORM_JSON);
    caller_expect(c, UNIMPLEMENTED, "does not support the verb get");
}

static void another_name_is_taken_from_metadata(void **state)
{
    struct caller *c = *state;
    static const char self[] = "{\"apiVersion\":\"authentication.k8s.io/v1\","
                               "\"kind\":\"SelfSubjectReview\"}";
    c->as = "ann";
    write_json(c, "Create", self);
    caller_expect(c, 0, "");
    assert_true(
        slice_find(slice_make(object_of(c)->typed->value.data, object_of(c)->typed->value.len),
                   SLICE("ann")) != SIZE_MAX);
    write_json(c, "Create", web);
    caller_expect(c, PERMISSION_DENIED, "User \"ann\" cannot create resource \"components\"");
    c->authorization = "Bearer viewer";
    write_json(c, "Create", self);
    caller_expect(c, PERMISSION_DENIED, "User \"viewer\" cannot impersonate resource \"users\"");
}

static const char robot[] = "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":"
                            "{\"name\":\"robot\",\"namespace\":\"acme\"}}";

/* A call of two directions, whose messages wait until it is known who asks. */
static void ask_services(struct caller *c)
{
    Grpc__Reflection__V1__ServerReflectionRequest question;
    grpc__reflection__v1__server_reflection_request__init(&question);
    question.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
    question.list_services = text("");
    caller_ask(c, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &question.base);
}

static void a_token_of_an_account(void **state)
{
    struct caller *c = *state;
    Choreo__V1__Ref ref = ref_of("serviceaccounts", "robot");
    ref.namespace_ = text("acme");
    ref.subresource = text("token");
    Choreo__V1__Object request =
        json_object_of("{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\"}");
    write_object(c, "Create", &request, &ref);
    caller_expect(c, NOT_FOUND, "serviceaccounts \"robot\" not found");
    write_json(c, "Create", robot);
    write_object(c, "Create", &request, &ref);
    caller_expect(c, 0, "");
    json_t *tree = NULL;
    const Choreo__V1__Object *typed = object_of(c);
    assert_ok(typed_to_json(kind_by_message(&c->kinds, slice_of(typed->typed->type_url)),
                            slice_make(typed->typed->value.data, typed->typed->value.len), &tree,
                            &c->err),
              &c->err);
    struct slice token = json_text(json_at(tree, "status", "token", NULL));
    char bearer[2048];
    (void)snprintf(bearer, sizeof bearer, "Bearer %.*s", SLICE_ARG(token));
    c->authorization = bearer;
    write_json(c, "Create", web);
    caller_expect(c, PERMISSION_DENIED,
                  "User \"system:serviceaccount:acme:robot\" cannot create resource");
    ask_services(c);
    caller_expect(c, 0, "");
    assert_non_null(
        caller_message(c, 0, &grpc__reflection__v1__server_reflection_response__descriptor));
    c->authorization = NULL;
    Choreo__V1__DeleteRequest gone;
    choreo__v1__delete_request__init(&gone);
    ref.subresource = NULL;
    gone.ref = &ref;
    caller_ask(c, SERVICE "Delete", &gone.base);
    caller_expect(c, 0, "");
    c->authorization = bearer;
    write_json(c, "Create", web);
    caller_expect(c, UNAUTHENTICATED, "has been deleted");
    ask_services(c);
    caller_expect(c, UNAUTHENTICATED, "has been deleted");
    assert_int_equal(c->body.len, 0);
    json_decref(tree);
}

int main(void)
{
#define RESOURCE_TEST(name) cmocka_unit_test_setup_teardown(name, open_with_web, caller_teardown)
    const struct CMUnitTest tests[] = {
        RESOURCE_TEST(a_continue_belongs_to_its_list),
        RESOURCE_TEST(wrong_fields_of_requests_are_named),
        RESOURCE_TEST(objects_come_back_in_every_form),
        RESOURCE_TEST(typed_objects_go_in_as_they_came_out),
        RESOURCE_TEST(refs_are_in_words),
        RESOURCE_TEST(refs_that_name_nothing_are_refused),
        RESOURCE_TEST(objects_that_are_none_are_refused),
        RESOURCE_TEST(typed_objects_that_are_none_are_refused),
        RESOURCE_TEST(a_ref_that_contradicts_its_object_is_refused),
        RESOURCE_TEST(selectors_that_are_none_are_refused),
        RESOURCE_TEST(kinds_are_listed_with_their_messages),
        RESOURCE_TEST(what_is_answered_and_not_stored),
        RESOURCE_TEST(another_name_is_taken_from_metadata),
        RESOURCE_TEST(a_token_of_an_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
