/* Routes out of API descriptions. */
#include "tests/lib/test.h"

#include "render/routes.h"

static void gives(const char *type, const char *schema_type, const char *content,
                  const char *expected)
{
    struct buf out = {0};
    json_t *endpoint = json_pack("{s:s, s:{s:s}}", "type", type, "schema", "content", content);
    if (schema_type != NULL) {
        json_object_set_new(json_object_get(endpoint, "schema"), "type", json_string(schema_type));
    }
    json_t *routes = routes_of(endpoint);
    json_canonical(routes, &out);
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
    json_decref(routes);
    json_decref(endpoint);
}

static void an_openapi_document_gives_paths_and_methods(void **state)
{
    (void)state;
    gives("HTTP", NULL,
          "openapi: 3.0.0\n"
          "paths:\n"
          "  /pets/{id}: {parameters: [], put: {}, get: {summary: x}}\n"
          "  /pets: {get: {}, x-note: {}}\n",
          "[{\"kind\":\"HTTP\",\"method\":\"GET\",\"path\":\"/pets\"},"
          "{\"kind\":\"HTTP\",\"method\":\"GET\",\"path\":\"/pets/{id}\"},"
          "{\"kind\":\"HTTP\",\"method\":\"PUT\",\"path\":\"/pets/{id}\"}]");
    gives("gRPC", " Swagger ", "{\"paths\":{\"/a\":{\"post\":{}}}}",
          "[{\"kind\":\"HTTP\",\"method\":\"POST\",\"path\":\"/a\"}]");
}

static void a_proto_file_gives_services_and_methods(void **state)
{
    (void)state;
    static const char file[] = "// service Not { rpc This (A) returns (B); }\n"
                               "syntax = \"proto3\"; /* package no; */ package greeter.v1;\n"
                               "option go_package = \"service X { rpc Y\";\n"
                               "message rpc { string service = 1; }\n"
                               "service Greeter {\n"
                               "  option (x) = { a: 1 };\n"
                               "  rpc SayHello (stream A) returns (B) { option (y) = {rpc: 1}; }\n"
                               "  rpc Bye(A) returns(B);\n"
                               "}\n"
                               "service Admin{rpc Stop(A)returns(B);}";
    gives("gRPC", NULL, file,
          "[{\"kind\":\"gRPC\",\"method\":\"Stop\",\"service\":\"greeter.v1.Admin\"},"
          "{\"kind\":\"gRPC\",\"method\":\"Bye\",\"service\":\"greeter.v1.Greeter\"},"
          "{\"kind\":\"gRPC\",\"method\":\"SayHello\",\"service\":\"greeter.v1.Greeter\"}]");
    gives("HTTP", "proto", "service S { rpc M (A) returns (B); }",
          "[{\"kind\":\"gRPC\",\"method\":\"M\",\"service\":\"S\"}]");
}

static void what_cannot_be_read_has_no_routes(void **state)
{
    (void)state;
    gives("HTTP", NULL, "", "[]");
    gives("HTTP", NULL, ": : {", "[]");
    gives("HTTP", NULL, "paths: [1]", "[]");
    gives("HTTP", NULL, "paths: {/a: null, /b: {get: 1}}", "[]");
    gives("HTTP", "asyncapi", "paths: {/a: {get: {}}}", "[]");
    gives("TCP", NULL, "paths: {/a: {get: {}}}", "[]");
    gives("gRPC", NULL, "service S { rpc M (A) returns (B);", "[]");
    gives("gRPC", NULL, "service S { rpc M (A) } } \" /* ", "[]");
}

/* A package's name is repeated with each service: none is that long. */
static void names_that_are_too_long_give_nothing(void **state)
{
    (void)state;
    struct buf file = {0};
    buf_add_cstr(&file, "package ");
    for (int i = 0; i < 500 * 1000; i++) {
        buf_add_char(&file, 'p');
    }
    buf_add_cstr(&file, ";");
    for (int i = 0; i < 50 * 1000; i++) {
        buf_add_cstr(&file, "service s{rpc M}");
    }
    gives("gRPC", NULL, buf_cstr(&file), "[]");
    buf_clear(&file);
    buf_add_cstr(&file, "paths: {/a: {get: {}}, /");
    for (int i = 0; i < 2000; i++) {
        buf_add_char(&file, 'p');
    }
    buf_add_cstr(&file, ": {get: {}}}");
    gives("HTTP", NULL, buf_cstr(&file),
          "[{\"kind\":\"HTTP\",\"method\":\"GET\",\"path\":\"/a\"}]");
    buf_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_openapi_document_gives_paths_and_methods),
        cmocka_unit_test(a_proto_file_gives_services_and_methods),
        cmocka_unit_test(what_cannot_be_read_has_no_routes),
        cmocka_unit_test(names_that_are_too_long_give_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
