/* Paths, queries, Accept headers and continue tokens as values. */
#include <stdio.h>

#include "node/api/rest/path.h"
#include "node/api/page_token.h"
#include "tests/lib/test.h"

static void paths_are_cut_as_kubernetes_cuts_them(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum rest_path_kind kind;
        const char *parts; /* group version ns plural name sub */
    } cases[] = {
        {"/api", REST_PATH_VERSIONS, "|||||"},
        {"/apis/", REST_PATH_GROUPS, "|||||"},
        {"/apis/g.io", REST_PATH_GROUP, "g.io|||||"},
        {"/apis/g.io/v1", REST_PATH_RESOURCES, "g.io|v1||||"},
        {"/api/v1/namespaces", REST_PATH_OBJECTS, "|v1||namespaces||"},
        {"/api/v1/namespaces/n", REST_PATH_OBJECTS, "|v1||namespaces|n|"},
        {"/api/v1/namespaces/n/status", REST_PATH_OBJECTS, "|v1||namespaces|n|status"},
        {"/api/v1/namespaces/n/finalize", REST_PATH_OBJECTS, "|v1||namespaces|n|finalize"},
        {"/api/v1/namespaces/n/pods", REST_PATH_OBJECTS, "|v1|n|pods||"},
        {"/apis/g.io/v1/namespaces/n/things/a%2Fb/scale", REST_PATH_OBJECTS,
         "g.io|v1|n|things|a/b|scale"},
        {"/apis/g.io/v1/things/x", REST_PATH_OBJECTS, "g.io|v1||things|x|"},
        {"/metrics", REST_PATH_NONE, "|||||"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = {0};
        struct rest_path p;
        struct err err;
        char parts[256];
        assert_ok(rest_path_parse(slice_of(cases[i].path), &arena, &p, &err), &err);
        (void)snprintf(parts, sizeof(parts), "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s", SLICE_ARG(p.group),
                       SLICE_ARG(p.version), SLICE_ARG(p.ns), SLICE_ARG(p.plural),
                       SLICE_ARG(p.name), SLICE_ARG(p.sub));
        assert_int_equal(p.kind, cases[i].kind);
        assert_string_equal(parts, cases[i].parts);
        arena_free(&arena);
    }
}

static void malformed_paths_are_not_found(void **state)
{
    (void)state;
    static const char *const paths[] = {"/api//v1", "/api/v1/a/b/c/d", "/api/v1/%zz",
                                        "/api/v1/x%00", "/apis/g/v/namespaces/n/p/x/s/t"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct arena arena = {0};
        struct rest_path p;
        struct err err;
        assert_err(rest_path_parse(slice_of(paths[i]), &arena, &p, &err), &err, ERR_NOT_FOUND,
                   "could not find");
        arena_free(&arena);
    }
}

static void queries_are_decoded_and_checked(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct rest_query q;
    struct err err;
    assert_ok(rest_query_parse(SLICE("watch=1&labelSelector=a%3Db%2Cc&limit=5&pretty=&unknown=x&"
                                     "fieldManager=k+l&dryRun=All&sendInitialEvents=false"),
                               &arena, &q, &err),
              &err);
    assert_true(q.watch && q.dry_run && q.limit == 5 && q.has_send_initial && !q.send_initial);
    assert_slice(q.labels, "a=b,c");
    assert_slice(q.manager, "k l");
    assert_ok(rest_query_parse(SLICE("watch=0&watch=1&limit=&limit=5&dryRun=All&dryRun=None"),
                               &arena, &q, &err),
              &err);
    assert_true(!q.watch && q.limit == 0 && q.dry_run);
    assert_err(rest_query_parse(SLICE("limit=-1"), &arena, &q, &err), &err, ERR_INVALID, "limit");
    assert_err(rest_query_parse(SLICE("dryRun=Perhaps"), &arena, &q, &err), &err, ERR_UNPROCESSABLE,
               "dryRun");
    assert_err(rest_query_parse(SLICE("includeObject=Some"), &arena, &q, &err), &err, ERR_INVALID,
               "includeObject");
    assert_err(rest_query_parse(SLICE("timeoutSeconds=1e3"), &arena, &q, &err), &err, ERR_INVALID,
               "timeoutSeconds");
    arena_free(&arena);
}

static void the_first_form_that_is_served_wins(void **state)
{
    (void)state;
    const unsigned all = 15;
    static const struct {
        const char *accept;
        enum rest_form form;
        const char *version;
    } cases[] = {
        {"", REST_OBJECT, ""},
        {"*/*", REST_OBJECT, ""},
        {"text/html, application/json;q=0.5", REST_OBJECT, ""},
        {"application/vnd.kubernetes.protobuf,application/json", REST_OBJECT, ""},
        {"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", REST_TABLE, "v1"},
        {"application/json;as=Table;g=meta.k8s.io;v=v1beta1", REST_TABLE, "v1beta1"},
        {"application/json;as=Table;v=v9;g=meta.k8s.io,application/json", REST_OBJECT, ""},
        {"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", REST_PARTIAL, "v1"},
        {"application/json;profile=nopeer;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io",
         REST_AGGREGATED, "v2"},
    };
    struct rest_accept a;
    struct err err;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_ok(rest_accept_parse(slice_of(cases[i].accept), all, &a, &err), &err);
        assert_int_equal(a.form, cases[i].form);
        assert_slice(a.version, cases[i].version);
    }
    assert_err(rest_accept_parse(SLICE("text/html"), all, &a, &err), &err, ERR_NOT_ACCEPTABLE,
               "application/json");
    assert_err(
        rest_accept_parse(SLICE("application/json;as=Table;v=v1;g=meta.k8s.io"), 1, &a, &err), &err,
        ERR_NOT_ACCEPTABLE, "application/json");
}

static void tokens_return_as_they_left_and_only_to_their_list(void **state)
{
    (void)state;
    struct arena arena = {0};
    const uint8_t key[32] = {1};
    const uint8_t other_key[32] = {2};
    const struct page_token token = {77, SLICE("ns"), SLICE("name")};
    struct page_token back;
    struct buf text = {0};
    struct err err;
    page_token_write(&token, key, SLICE("list"), &text);
    assert_ok(page_token_read(buf_slice(&text), key, SLICE("list"), &arena, &back, &err), &err);
    assert_true(back.version == 77);
    assert_slice(back.ns, "ns");
    assert_slice(back.name, "name");
    assert_err(page_token_read(buf_slice(&text), key, SLICE("other"), &arena, &back, &err), &err,
               ERR_INVALID, "continue key is not valid");
    assert_err(page_token_read(buf_slice(&text), other_key, SLICE("list"), &arena, &back, &err),
               &err, ERR_INVALID, "continue key is not valid");
    for (size_t i = 0; i < text.len; i++) {
        text.data[i] ^= 1;
        assert_err(page_token_read(buf_slice(&text), key, SLICE("list"), &arena, &back, &err), &err,
                   ERR_INVALID, "continue key is not valid");
        text.data[i] ^= 1;
        assert_err(page_token_read(slice_sub(buf_slice(&text), 0, i), key, SLICE("list"), &arena,
                                   &back, &err),
                   &err, ERR_INVALID, "continue key is not valid");
    }
    buf_free(&text);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_cut_as_kubernetes_cuts_them),
        cmocka_unit_test(malformed_paths_are_not_found),
        cmocka_unit_test(queries_are_decoded_and_checked),
        cmocka_unit_test(the_first_form_that_is_served_wins),
        cmocka_unit_test(tokens_return_as_they_left_and_only_to_their_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
