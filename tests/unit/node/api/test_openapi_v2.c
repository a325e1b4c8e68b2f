/* OpenAPI v2 as protobuf: small documents against bytes written by hand, field numbers as in
 * gnostic's openapiv2.proto. */
#include "base/crypto.h"
#include "node/api/openapi_v2.h"
#include "node/api/docs.h"
#include "tests/lib/test.h"

static void assert_encodes(const char *json, const char *hex)
{
    struct buf out = {0};
    struct buf text = {0};
    openapi_v2_encode(slice_of(json), &out);
    hex_encode(&text, buf_slice(&out));
    assert_slice(buf_slice(&text), hex);
    buf_free(&out);
    buf_free(&text);
}

/* swagger "2.0" is field 1, info 2, paths 8, definitions 9. */
static void info_paths_and_definitions_have_their_places(void **state)
{
    (void)state;
    assert_encodes("{\"info\":{\"title\":\"t\",\"version\":\"1\"},\"paths\":{},\"definitions\":{}}",
                   "0a03322e30"
                   "1206"
                   "0a0174"
                   "120131"
                   "4200"
                   "4a00");
}

/* Definitions{1: NamedSchema{1: "D", 2: Schema{22: TypeItem{1: "string"}, 31: NamedAny}}} */
static void schemas_carry_types_and_extensions(void **state)
{
    (void)state;
    const char *json = "{\"definitions\":{\"D\":{\"type\":\"string\",\"x-a\":1}}}";
    assert_encodes(json, "0a03322e30"
                         "1200"
                         "4200"
                         "4a20"
                         "0a1e"
                         "0a0144"
                         "1219"
                         "b20108"
                         "0a06737472696e67"
                         "fa010b"
                         "0a03782d61"
                         "1204"
                         "1202310a");
}

/* Paths{2: Named{1: "/p", 2: PathItem{8: Operation(patch){8: Parameters{1: {2: {3: query}}}}}}} */
static void query_parameters_are_found_where_kubectl_looks(void **state)
{
    (void)state;
    assert_encodes("{\"paths\":{\"/p\":{\"patch\":{\"parameters\":["
                   "{\"in\":\"query\",\"name\":\"dryRun\",\"type\":\"string\"}]}}}}",
                   "0a03322e30"
                   "1200"
                   "422b"
                   "1229"
                   "0a022f70"
                   "1223"
                   "4221"
                   "421d"
                   "0a1b"
                   "1219"
                   "1a17"
                   "12057175657279"
                   "220664727952756e"
                   "3206737472696e67"
                   "4a00"
                   "4a00");
}

static void documents_are_made_once_and_tagged_by_content(void **state)
{
    (void)state;
    struct kind_registry kinds;
    kind_registry_init(&kinds);
    kind_registry_builtin(&kinds);
    struct kind_board board;
    kind_board_init(&board, &kinds);
    const struct kind_set *set = kind_board_get(&board);
    struct api_docs *docs = docs_new(set);
    const struct docs_text *proto = docs_v2_proto(docs);
    assert_ptr_equal(proto, docs_v2_proto(docs));
    assert_true(proto->bytes.len > 10000);
    assert_true(slice_find(buf_slice(&proto->bytes), SLICE("x-kubernetes-group-version-kind")) !=
                SIZE_MAX);
    const struct docs_text *choreo = docs_v3(docs, SLICE("choreo.dev"), SLICE("v1"));
    assert_non_null(choreo);
    assert_null(docs_v3(docs, SLICE("nobody.dev"), SLICE("v1")));
    struct api_docs *again = docs_new(set);
    assert_string_equal(choreo->etag, docs_v3(again, SLICE("choreo.dev"), SLICE("v1"))->etag);
    assert_string_not_equal(choreo->etag, proto->etag);
    shared_value_unref(&again->shared);
    shared_value_unref(&docs->shared);
    kind_set_unref(set);
    kind_board_free(&board);
    kind_registry_free(&kinds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_paths_and_definitions_have_their_places),
        cmocka_unit_test(schemas_carry_types_and_extensions),
        cmocka_unit_test(query_parameters_are_found_where_kubectl_looks),
        cmocka_unit_test(documents_are_made_once_and_tagged_by_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
