/* The answer to a join: what it holds is taken over, and what is out of range refused by name. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "base/json.h"
#include "node/welcome.h"

struct fixture {
    json_t *answer;
    struct credentials credentials;
    struct welcome welcome;
    struct err err;
};

static json_t *member(const char *name)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", "17", "name", name, "region", "eu", "peer",
                     "h:7444", "api", "h:7443");
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    struct token_key *key;
    struct buf jwk = {0};
    assert_ok(token_key_new(&key, &f->err), &f->err);
    token_key_save(key, &jwk);
    token_key_free(key);
    f->answer = json_pack("{s:s, s:i, s:I, s:i, s:i, s:o, s:[o,o], s:s, s:s, s:s}", "cluster",
                          "c-1", "shards", 4, "incarnation", (json_int_t)1 << 40,
                          "electionTimeoutMs", 500, "heartbeatMs", 50, "member", member("two"),
                          "members", member("one"), member("two"), "caKey", "-----BEGIN A", "cert",
                          "-----BEGIN B", "tokenKey", buf_cstr(&jwk));
    assert_non_null(f->answer);
    buf_free(&jwk);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    json_decref(f->answer);
    credentials_free(&f->credentials);
    free(f);
    return 0;
}

static int parse(struct fixture *f)
{
    struct buf text = {0};
    json_canonical(f->answer, &text);
    credentials_free(&f->credentials);
    f->credentials = (struct credentials){0};
    int rc = welcome_parse(&f->welcome, buf_slice(&text), &f->credentials, &f->err);
    buf_free(&text);
    return rc;
}

static void everything_is_taken_over(void **state)
{
    struct fixture *f = *state;
    assert_ok(parse(f), &f->err);
    const struct node_identity *id = &f->welcome.identity;
    assert_string_equal(id->cluster, "c-1");
    assert_int_equal(id->shards, 4);
    assert_int_equal(id->incarnation, (uint64_t)1 << 40);
    assert_int_equal(id->election_timeout_ms, 500);
    assert_int_equal(id->heartbeat_ms, 50);
    assert_string_equal(id->self.name, "two");
    assert_int_equal(f->welcome.known_count, 2);
    assert_string_equal(f->welcome.known[0].name, "one");
    assert_slice(buf_slice(&f->credentials.ca_key), "-----BEGIN A");
    assert_slice(buf_slice(&f->credentials.node_cert), "-----BEGIN B");
    assert_non_null(f->credentials.token_key);
}

/* With key set to value (taken) the answer is refused by that key's name. */
static void refused(struct fixture *f, const char *key, json_t *value)
{
    json_t *before = json_incref(json_object_get(f->answer, key));
    json_object_set_new(f->answer, key, value);
    assert_err(parse(f), &f->err, ERR_INVALID, "the cluster's answer: ");
    if (strstr(f->err.message, key) == NULL) {
        fail_msg("\"%s\" is not in: %s", key, f->err.message);
    }
    json_object_set_new(f->answer, key, before);
}

static void numbers_out_of_range_are_refused(void **state)
{
    static const char *const keys[] = {"shards", "incarnation", "electionTimeoutMs", "heartbeatMs"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        refused(f, keys[i], json_integer(-1));
        refused(f, keys[i], json_real(1.5));
        refused(f, keys[i], json_string("4"));
        refused(f, keys[i], json_null());
    }
    refused(f, "shards", json_integer(0));
    refused(f, "shards", json_integer(NODE_SHARDS_MAX + 1));
    refused(f, "shards", json_integer(((json_int_t)1 << 32) + 4)); /* 4, were it cut to 32 bits */
    refused(f, "incarnation", json_integer(0));
    refused(f, "electionTimeoutMs", json_integer(((json_int_t)1 << 32) + 500));
    assert_ok(parse(f), &f->err);
}

static void the_rest_is_checked_too(void **state)
{
    struct fixture *f = *state;
    refused(f, "cluster", json_string(""));
    refused(f, "cluster",
            json_stringn_nocheck("0123456789012345678901234567890123456789"
                                 "0123456789012345678901234567890123456789",
                                 80));
    refused(f, "members", json_array());
    json_t *many = json_array();
    for (int i = 0; i <= NODE_MEMBERS_MAX; i++) {
        json_array_append_new(many, member("one"));
    }
    refused(f, "members", many);
    refused(f, "caKey", json_string("no key"));
    refused(f, "cert", json_null());
    assert_ok(parse(f), &f->err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(everything_is_taken_over),
        TEST(numbers_out_of_range_are_refused),
        TEST(the_rest_is_checked_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
