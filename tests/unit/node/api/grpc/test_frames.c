/* Packed messages: gzip both ways, what is not known, and what claims to be larger than it may. */
#include "tests/unit/node/api/grpc/caller.h"

#include "proto/choreo/v1/services.pb-c.h"
#include "proto/grpc/health/v1/health.pb-c.h"

#define CHECK "/grpc.health.v1.Health/Check"
#define KINDS "/choreo.v1.ResourceService/Kinds"

enum { OK = 0, INVALID_ARGUMENT = 3, RESOURCE_EXHAUSTED = 8, UNIMPLEMENTED = 12, INTERNAL = 13 };

static uint8_t first_flag(const struct caller *c)
{
    assert_true(c->body.len > FRAME_HEAD_BYTES);
    return (uint8_t)c->body.data[0];
}

static void packed_requests_are_understood(void **state)
{
    struct caller *c = *state;
    struct buf body = {0};
    caller_open(c);
    c->encoding = "gzip";
    caller_frame_packed(&body, SLICE(""));
    caller_call(c, CHECK, buf_slice(&body));
    caller_expect(c, OK, "");
    caller_call(c, CHECK, SLICE("\0\0\0\0\0")); /* may pack, and did not */
    caller_expect(c, OK, "");
    assert_slice(fetch_header(&c->fetch, "grpc-accept-encoding"), "identity,gzip");
    assert_slice(fetch_header(&c->fetch, "grpc-encoding"), "");
    buf_free(&body);
}

/* Where it is worth it, and only for who packs and takes it. */
static void answers_are_packed_for_who_packs(void **state)
{
    struct caller *c = *state;
    static const struct {
        const char *encoding;
        const char *accepts;
        bool packed;
    } cases[] = {{NULL, NULL, false},         {NULL, "gzip", false},
                 {"gzip", NULL, false},       {"gzip", "identity", false},
                 {"identity", "gzip", false}, {"gzip", "identity, deflate , gzip", true},
                 {"gzip", "gzip", true}};
    size_t plain = 0;
    caller_open(c);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        c->encoding = cases[i].encoding;
        c->accepts = cases[i].accepts;
        caller_call(c, KINDS, SLICE("\0\0\0\0\0"));
        caller_expect(c, OK, "");
        assert_int_equal(first_flag(c), cases[i].packed);
        const Choreo__V1__KindsResponse *r =
            caller_message(c, 0, &choreo__v1__kinds_response__descriptor);
        assert_true(r->n_kinds > 10);
        plain = cases[i].packed ? plain : c->body.len;
        assert_true(!cases[i].packed || c->body.len < plain / 2);
    }
    caller_call(c, CHECK, SLICE("\0\0\0\0\0")); /* two bytes are not worth it */
    caller_expect(c, OK, "");
    assert_int_equal(first_flag(c), 0);
}

static void what_is_not_known_is_unimplemented(void **state)
{
    struct caller *c = *state;
    static const char *const unknown[] = {"deflate", "snappy", "GZIP", "gzip,gzip", "x"};
    caller_open(c);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        c->encoding = unknown[i];
        caller_call(c, CHECK, SLICE("\1\0\0\0\0"));
        caller_expect(c, UNIMPLEMENTED, unknown[i]);
        assert_slice(fetch_header(&c->fetch, "grpc-accept-encoding"), "identity,gzip");
    }
    c->encoding = "identity";
    caller_call(c, CHECK, SLICE("\1\0\0\0\0"));
    caller_expect(c, INTERNAL, "Compressed-Flag");
}

static void what_is_no_gzip_is_refused(void **state)
{
    struct caller *c = *state;
    struct buf body = {0};
    caller_open(c);
    c->encoding = "gzip";
    caller_call(c, CHECK, SLICE("\1\0\0\0\4abcd"));
    caller_expect(c, INVALID_ARGUMENT, "no whole gzip stream");
    caller_frame_packed(&body, SLICE("\xff\xff\xff"));
    caller_call(c, CHECK, buf_slice(&body));
    caller_expect(c, INVALID_ARGUMENT, "does not decode");
    buf_free(&body);
}

/* A bomb is refused at its first look: 300 KB that turn out to be 64 MiB, in one message and in
 * many.
 */
static void bombs_are_resource_exhausted(void **state)
{
    struct caller *c = *state;
    struct buf zeros = {0};
    struct buf body = {0};
    size_t bytes = 64 * 1024 * 1024;
    buf_reserve(&zeros, bytes);
    memset(zeros.data, 0, bytes);
    zeros.len = bytes;
    caller_open(c);
    c->encoding = "gzip";
    caller_frame_packed(&body, buf_slice(&zeros));
    assert_true(body.len < bytes / 200);
    caller_call(c, "/choreo.v1.ResourceService/Create", buf_slice(&body));
    caller_expect(c, RESOURCE_EXHAUSTED, "unpacked it is larger than 4194304 bytes");
    caller_call(c, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", buf_slice(&body));
    caller_expect(c, RESOURCE_EXHAUSTED, "at most 8192"); /* as it is */
    buf_clear(&body);
    zeros.len = 100 * 1024;
    caller_frame_packed(&body, buf_slice(&zeros));
    caller_call(c, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", buf_slice(&body));
    caller_expect(c, RESOURCE_EXHAUSTED, "unpacked it is larger than 8192 bytes");
    buf_free(&zeros);
    buf_free(&body);
}

int main(void)
{
#define FRAMES_TEST(name) cmocka_unit_test_setup_teardown(name, caller_setup, caller_teardown)
    const struct CMUnitTest tests[] = {
        FRAMES_TEST(packed_requests_are_understood),
        FRAMES_TEST(answers_are_packed_for_who_packs),
        FRAMES_TEST(what_is_not_known_is_unimplemented),
        FRAMES_TEST(what_is_no_gzip_is_refused),
        FRAMES_TEST(bombs_are_resource_exhausted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
