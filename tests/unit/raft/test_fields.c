/* Fields of records, whole and cut short. */
#include "raft/fields.h"

#include "tests/lib/test.h"

static const char record[] = "\x07\x00\x00\x01\x02\x00\x00\x00\x00\x00\x00\x03\x04name!";

static void whole_records_are_read_in_order(void **state)
{
    (void)state;
    struct fields f = fields_of(slice_make(record, sizeof record - 1));
    assert_int_equal(fields_u8(&f), 7);
    assert_int_equal(fields_be32(&f), 0x0102);
    assert_int_equal(fields_be64(&f), 0x0304);
    assert_slice(fields_bytes(&f, 4), "name");
    assert_true(f.ok);
    assert_slice(f.rest, "!");
    assert_slice(fields_bytes(&f, 0), "");
    assert_true(f.ok);
}

static void what_is_cut_short_is_nothing(void **state)
{
    (void)state;
    for (size_t len = 0; len < 17; len++) {
        struct fields f = fields_of(slice_make(record, len));
        (void)fields_u8(&f);
        (void)fields_be32(&f);
        uint64_t number = fields_be64(&f);
        assert_int_equal(number, len >= 13 ? 0x0304 : 0);
        struct slice name = fields_bytes(&f, 4);
        assert_int_equal(name.len, 0);
        assert_false(f.ok);
    }
}

static void nothing_comes_after_the_end(void **state)
{
    (void)state;
    struct fields f = fields_of(slice_make(record, 3));
    assert_int_equal(fields_be32(&f), 0);
    assert_false(f.ok);
    assert_int_equal(fields_u8(&f), 0); /* though there are bytes: of what did not fit */
    assert_false(f.ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_records_are_read_in_order),
        cmocka_unit_test(what_is_cut_short_is_nothing),
        cmocka_unit_test(nothing_comes_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
