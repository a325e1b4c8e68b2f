/* Server reflection, both versions: services, files, symbols. */
#include "tests/unit/node/api/grpc/caller.h"

#include "proto/google/protobuf/descriptor.pb-c.h"
#include "proto/grpc/reflection/v1/reflection.pb-c.h"

#define INFO "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define INFO_ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;
#define ASKS(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##what
#define ANSWERS(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##what

static question asks_symbol(const char *symbol)
{
    question q;
    grpc__reflection__v1__server_reflection_request__init(&q);
    q.message_request_case = ASKS(FILE_CONTAINING_SYMBOL);
    q.file_containing_symbol = (char *)(uintptr_t)symbol;
    return q;
}

static question asks_file(const char *name)
{
    question q;
    grpc__reflection__v1__server_reflection_request__init(&q);
    q.message_request_case = ASKS(FILE_BY_FILENAME);
    q.file_by_filename = (char *)(uintptr_t)name;
    return q;
}

static const answer *ask(struct caller *c, const char *path, question q)
{
    caller_ask(c, path, &q.base);
    caller_expect(c, 0, "");
    const answer *a =
        caller_message(c, 0, &grpc__reflection__v1__server_reflection_response__descriptor);
    assert_non_null(a);
    return a;
}

/* The answer's first file has this name; it comes with all that it imports, each once. */
static void assert_file(const answer *a, const char *name)
{
    assert_int_equal(a->message_response_case, ANSWERS(FILE_DESCRIPTOR_RESPONSE));
    const Grpc__Reflection__V1__FileDescriptorResponse *f = a->file_descriptor_response;
    Google__Protobuf__FileDescriptorProto *files[64];
    assert_in_range(f->n_file_descriptor_proto, 1, 64);
    for (size_t i = 0; i < f->n_file_descriptor_proto; i++) {
        files[i] = google__protobuf__file_descriptor_proto__unpack(
            NULL, f->file_descriptor_proto[i].len, f->file_descriptor_proto[i].data);
        assert_non_null(files[i]);
    }
    assert_string_equal(files[0]->name, name);
    for (size_t i = 0; i < f->n_file_descriptor_proto; i++) {
        for (size_t d = 0; d < files[i]->n_dependency; d++) {
            size_t found = 0;
            for (size_t k = 0; k < f->n_file_descriptor_proto; k++) {
                found += strcmp(files[k]->name, files[i]->dependency[d]) == 0;
            }
            assert_int_equal(found, 1);
        }
    }
    for (size_t i = 0; i < f->n_file_descriptor_proto; i++) {
        google__protobuf__file_descriptor_proto__free_unpacked(files[i], NULL);
    }
}

static void assert_refused(const answer *a, uint32_t code)
{
    assert_int_equal(a->message_response_case, ANSWERS(ERROR_RESPONSE));
    assert_int_equal(a->error_response->error_code, code);
    assert_true(strlen(a->error_response->error_message) > 0);
}

static void services_are_listed(void **state)
{
    struct caller *c = *state;
    static const char *const paths[] = {INFO, INFO_ALPHA};
    caller_open(c);
    for (size_t p = 0; p < 2; p++) {
        question q;
        grpc__reflection__v1__server_reflection_request__init(&q);
        char everything[] = "*";
        char host[] = "example.com";
        q.host = host;
        q.message_request_case = ASKS(LIST_SERVICES);
        q.list_services = everything;
        const answer *a = ask(c, paths[p], q);
        assert_int_equal(a->message_response_case, ANSWERS(LIST_SERVICES_RESPONSE));
        assert_string_equal(a->valid_host, "example.com");
        assert_int_equal(a->original_request->message_request_case, ASKS(LIST_SERVICES));
        const Grpc__Reflection__V1__ListServiceResponse *list = a->list_services_response;
        assert_int_equal(list->n_service, 4);
        assert_string_equal(list->service[0]->name, "choreo.v1.ResourceService");
        assert_string_equal(list->service[3]->name, "grpc.health.v1.Health");
    }
}

static void files_come_with_their_imports(void **state)
{
    struct caller *c = *state;
    caller_open(c);
    assert_file(ask(c, INFO, asks_file("choreo/v1/services.proto")), "choreo/v1/services.proto");
    assert_file(ask(c, INFO_ALPHA, asks_file("google/protobuf/any.proto")),
                "google/protobuf/any.proto");
    assert_refused(ask(c, INFO, asks_file("choreo/v1/absent.proto")), 5);
    assert_refused(ask(c, INFO, asks_file("")), 5);
}

static void symbols_of_every_sort_are_found(void **state)
{
    struct caller *c = *state;
    static const char *const symbols[] = {
        "choreo.v1.ResourceService",     /* a service */
        "choreo.v1.ResourceService.Get", /* a method */
        "choreo.v1.WatchEvent",          /* a message */
        "choreo.v1.WatchEvent.object",   /* a field */
        "choreo.v1.WatchEvent.Type",     /* an enumeration in a message */
        "choreo.v1.WatchEvent.ADDED",    /* whose values stand beside it */
        "choreo.v1.Form",                /* an enumeration */
        "choreo.v1.FORM_TYPED",          /* likewise */
    };
    caller_open(c);
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        assert_file(ask(c, INFO, asks_symbol(symbols[i])), "choreo/v1/services.proto");
    }
    assert_file(ask(c, INFO, asks_symbol("choreo.v1.Component")), "choreo/v1/component.proto");
    assert_file(ask(c, INFO, asks_symbol("google.protobuf.Any")), "google/protobuf/any.proto");
}

static void what_is_no_symbol_is_not_found(void **state)
{
    struct caller *c = *state;
    static const char *const symbols[] = {"",
                                          ".",
                                          "choreo",
                                          "choreo.v1",
                                          "choreo.v1.",
                                          "choreo.v1.Nothing",
                                          "choreo.v1.WatchEventual",
                                          "choreo.v1.WatchEvent.nothing",
                                          "choreo.v1.WatchEvent.Type.ADDED",
                                          "choreo.v1.ResourceService.Nothing",
                                          "choreo.v1.ResourceService.Get.more",
                                          "choreo.v1.Form.FORM_TYPED",
                                          "WatchEvent"};
    caller_open(c);
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        const answer *a = ask(c, INFO, asks_symbol(symbols[i]));
        if (a->message_response_case != ANSWERS(ERROR_RESPONSE)) {
            fail_msg("\"%s\" is found", symbols[i]);
        }
        assert_refused(a, 5);
    }
}

static void other_questions_are_answered_too(void **state)
{
    struct caller *c = *state;
    question q;
    grpc__reflection__v1__server_reflection_request__init(&q);
    char type[] = "choreo.v1.Component";
    caller_open(c);
    assert_refused(ask(c, INFO, q), 3); /* none */
    Grpc__Reflection__V1__ExtensionRequest extension;
    grpc__reflection__v1__extension_request__init(&extension);
    extension.containing_type = type;
    q.message_request_case = ASKS(FILE_CONTAINING_EXTENSION);
    q.file_containing_extension = &extension;
    assert_refused(ask(c, INFO, q), 5);
}

static question asks_numbers(char *type)
{
    question q;
    grpc__reflection__v1__server_reflection_request__init(&q);
    q.message_request_case = ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE);
    q.all_extension_numbers_of_type = type;
    return q;
}

/* The options that the contract's files use are extensions, and are told like anything else. */
static void extensions_are_found(void **state)
{
    struct caller *c = *state;
    static const char *const paths[] = {INFO, INFO_ALPHA};
    char options[] = "google.protobuf.MessageOptions";
    char component[] = "choreo.v1.Component";
    char nothing[] = "choreo.v1.Nothing";
    Grpc__Reflection__V1__ExtensionRequest extension;
    grpc__reflection__v1__extension_request__init(&extension);
    question q;
    grpc__reflection__v1__server_reflection_request__init(&q);
    q.message_request_case = ASKS(FILE_CONTAINING_EXTENSION);
    q.file_containing_extension = &extension;
    extension.containing_type = options;
    extension.extension_number = 50002;
    caller_open(c);
    for (size_t i = 0; i < 2; i++) {
        assert_file(ask(c, paths[i], q), "choreo/v1/options.proto");
        const answer *a = ask(c, paths[i], asks_numbers(options));
        assert_int_equal(a->message_response_case, ANSWERS(ALL_EXTENSION_NUMBERS_RESPONSE));
        assert_string_equal(a->all_extension_numbers_response->base_type_name, options);
        assert_int_equal(a->all_extension_numbers_response->n_extension_number, 2);
        assert_int_equal(a->all_extension_numbers_response->extension_number[1], 50002);
        a = ask(c, paths[i], asks_numbers(component));
        assert_int_equal(a->message_response_case, ANSWERS(ALL_EXTENSION_NUMBERS_RESPONSE));
        assert_int_equal(a->all_extension_numbers_response->n_extension_number, 0);
        assert_refused(ask(c, paths[i], asks_numbers(nothing)), 5);
        assert_file(ask(c, paths[i], asks_symbol("choreo.v1.rule")), "choreo/v1/options.proto");
        assert_file(ask(c, paths[i], asks_symbol("choreo.v1.Object.form")),
                    "choreo/v1/services.proto");
    }
}

/* Several questions on one call, answered in order; one that is cut short ends it. */
static void questions_are_answered_in_order(void **state)
{
    struct caller *c = *state;
    struct buf body = {0};
    question first = asks_file("choreo/v1/services.proto");
    question second = asks_symbol("choreo.v1.Nothing");
    caller_open(c);
    caller_pack(&body, &first.base);
    caller_pack(&body, &second.base);
    caller_call(c, INFO, buf_slice(&body));
    caller_expect(c, 0, "");
    const ProtobufCMessageDescriptor *type =
        &grpc__reflection__v1__server_reflection_response__descriptor;
    assert_file(caller_message(c, 0, type), "choreo/v1/services.proto");
    assert_refused(caller_message(c, 1, type), 5);
    assert_null(caller_message(c, 2, type));
    buf_add_cstr(&body, "cut");
    caller_call(c, INFO, buf_slice(&body));
    caller_expect(c, 3, "ends inside a message");
    buf_free(&body);
}

int main(void)
{
#define REFLECTION_TEST(name) cmocka_unit_test_setup_teardown(name, caller_setup, caller_teardown)
    const struct CMUnitTest tests[] = {
        REFLECTION_TEST(services_are_listed),
        REFLECTION_TEST(files_come_with_their_imports),
        REFLECTION_TEST(symbols_of_every_sort_are_found),
        REFLECTION_TEST(what_is_no_symbol_is_not_found),
        REFLECTION_TEST(other_questions_are_answered_too),
        REFLECTION_TEST(extensions_are_found),
        REFLECTION_TEST(questions_are_answered_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
