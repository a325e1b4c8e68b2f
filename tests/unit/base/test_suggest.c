/* Names one edit away. */
#include "tests/lib/test.h"

#include "base/suggest.h"

static bool is_close(const char *a, const char *b)
{
    bool close = suggest_close(slice_of(a), slice_of(b));
    assert_int_equal(suggest_close(slice_of(b), slice_of(a)), close);
    return close;
}

static void one_edit_is_close(void **state)
{
    (void)state;
    assert_true(is_close("service", "servce"));
    assert_true(is_close("service", "serviice"));
    assert_true(is_close("service", "servixe"));
    assert_true(is_close("service", "sevrice"));
    assert_true(is_close("service", "esrvice"));
    assert_true(is_close("service", "servicee"));
    assert_true(is_close("service", "ervice"));
    assert_true(is_close("service", "Service"));
    assert_true(is_close("Component", "componnet"));
    assert_true(is_close("aab", "ab"));
    assert_true(is_close("web", "web"));
}

static void two_edits_are_not(void **state)
{
    (void)state;
    assert_false(is_close("service", "servc"));
    assert_false(is_close("service", "sxrvixe"));
    assert_false(is_close("service", "ecivres"));
    assert_false(is_close("service", ""));
    assert_false(is_close("worker", "service"));
    assert_false(is_close("abcd", "badc"));
    assert_false(is_close("abc", "cba"));
}

static void short_names_are_close_to_nothing(void **state)
{
    (void)state;
    assert_false(is_close("a", "b"));
    assert_false(is_close("ab", "ac"));
    assert_false(is_close("", ""));
    assert_true(is_close("ab", "abc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_edit_is_close),
        cmocka_unit_test(two_edits_are_not),
        cmocka_unit_test(short_names_are_close_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
