/* The bytes of a call between nodes: there and back, and nothing of another shape gets through. */
#include "node/shard/call.h"

#include "tests/lib/test.h"

static struct call *there_and_back(struct call *call)
{
    struct buf bytes = {0};
    struct call *back = NULL;
    struct err err;
    call_encode(call, &bytes);
    assert_ok(call_decode(buf_slice(&bytes), &back, &err), &err);
    assert_int_equal(back->kind, call->kind);
    assert_int_equal(back->shard, call->shard);
    buf_free(&bytes);
    call_free(call);
    return back;
}

static void calls_come_back_as_they_were(void **state)
{
    (void)state;
    struct err err;
    struct call *call = call_new(CALL_SUBMIT, 511, 0);
    buf_add(&call->request, SLICE("a\0command"));
    call = there_and_back(call);
    assert_true(slice_eq(buf_slice(&call->request), SLICE("a\0command")));
    call_free(call);

    call = call_new(CALL_CLOSE, 3, 0);
    call->close_version = UINT64_C(0x7edcba9876543210);
    call->close_trusted = true;
    call = there_and_back(call);
    assert_true(call->close_version == UINT64_C(0x7edcba9876543210) && call->close_trusted);
    call_free(call);

    call = call_new(CALL_ADD, 0, 0);
    call_set_server(call, UINT64_MAX, "node-4");
    call = there_and_back(call);
    uint64_t id = 0;
    char name[GROUP_NAME_MAX + 1];
    assert_ok(call_server(call, &id, name, &err), &err);
    assert_true(id == UINT64_MAX);
    assert_string_equal(name, "node-4");

    struct buf response = {0};
    call->index = 7;
    call->version = UINT64_MAX - 1;
    call_encode_response(call, &response);
    call->index = call->version = 0;
    assert_ok(call_decode_response(buf_slice(&response), call, &err), &err);
    assert_int_equal(call->index, 7);
    assert_true(call->version == UINT64_MAX - 1);
    buf_free(&response);
    call_free(call);
}

static void other_bytes_are_refused(void **state)
{
    (void)state;
    struct err err;
    struct call *call = NULL;
    assert_err(call_decode(SLICE("\0\0\0\1"), &call, &err), &err, ERR_CORRUPT, "4 bytes");
    assert_err(call_decode(SLICE("\0\0\0\1\0"), &call, &err), &err, ERR_UNSUPPORTED, "kind 0");
    assert_err(call_decode(SLICE("\0\0\0\1\377"), &call, &err), &err, ERR_UNSUPPORTED, "kind 255");
    assert_err(call_decode(SLICE("\0\0\0\1\3short"), &call, &err), &err, ERR_CORRUPT, "closing");
    assert_null(call);

    call = call_new(CALL_REMOVE, 0, 0);
    uint64_t id = 0;
    char name[GROUP_NAME_MAX + 1];
    buf_add_cstr(&call->request, "seven b");
    assert_err(call_server(call, &id, name, &err), &err, ERR_CORRUPT, "7 bytes");
    for (int i = 0; i < GROUP_NAME_MAX + 2; i++) {
        buf_add_char(&call->request, 'x');
    }
    assert_err(call_server(call, &id, name, &err), &err, ERR_CORRUPT, "72 bytes");
    assert_err(call_decode_response(SLICE("x"), call, &err), &err, ERR_CORRUPT, "1 bytes");
    call_free(call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_come_back_as_they_were),
        cmocka_unit_test(other_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
