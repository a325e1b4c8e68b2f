/* Errors: messages that wrap and are cut, and the one mapping of codes. */
#include "tests/lib/test.h"

#include <errno.h>

static void set_wrap_and_errno_build_one_sentence(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_errno(&err, ERR_IO, ENOSPC, "write %s", "wal/1"), ERR_IO);
    assert_int_equal(err_wrap(&err, "shard %d", 2), ERR_IO);
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.message, "shard 2: write wal/1: No space left on device");
    assert_int_equal(err_set(NULL, ERR_BUSY, "nobody listens"), ERR_BUSY);
}

static void a_message_may_be_built_from_itself(void **state)
{
    (void)state;
    struct err err;
    (void)err_set(&err, ERR_INVALID, "inner");
    (void)err_set(&err, ERR_CONFLICT, "outer: %s", err.message);
    assert_string_equal(err.message, "outer: inner");
}

static void long_messages_are_cut_and_keep_their_beginning(void **state)
{
    (void)state;
    struct err err;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)err_set(&err, ERR_IO, "%s", text);
    for (int i = 0; i < 100; i++) {
        (void)err_wrap(&err, "layer %d", i);
    }
    assert_int_equal(strlen(err.message), ERR_MESSAGE_MAX - 1);
    assert_int_equal(strncmp(err.message, "layer 99: layer 98: ", 20), 0);
}

static void every_code_maps_to_all_that_is_outside(void **state)
{
    (void)state;
    assert_int_equal(err_grpc_status(ERR_OK), 0);
    assert_int_equal(err_http_status(ERR_OK), 200);
    assert_int_equal(err_exit_code(ERR_OK), 0);
    for (int code = ERR_OK + 1; code < ERR_COUNT; code++) {
        assert_in_range(err_grpc_status(code), 1, 16);
        assert_in_range(err_http_status(code), 400, 599);
        assert_in_range(err_exit_code(code), 1, 5);
        assert_true(err_reason(code)[0] != '\0');
        assert_true(err_meaning(code)[0] != '\0');
        assert_int_equal(strncmp(err_name(code), "ERR_", 4), 0);
    }
    assert_int_equal(err_http_status(ERR_CONFLICT), 409);
    assert_string_equal(err_reason(ERR_GONE), "Expired");
    assert_int_equal(err_grpc_status(ERR_TIMEOUT), 4);
    assert_int_equal(err_exit_code(ERR_INVALID), 2);
    assert_string_equal(err_name(ERR_NOT_LEADER), "ERR_NOT_LEADER");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_wrap_and_errno_build_one_sentence),
        cmocka_unit_test(a_message_may_be_built_from_itself),
        cmocka_unit_test(long_messages_are_cut_and_keep_their_beginning),
        cmocka_unit_test(every_code_maps_to_all_that_is_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
