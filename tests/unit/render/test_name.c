/* Names must stay what OpenChoreo's are: another name replaces a live object. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "render/name.h"

static struct arena arena;

static void known_names_of_openchoreo_come_out(void **state)
{
    (void)state;
    assert_string_equal(
        name_cell(&arena, SLICE("default"), SLICE("default"), SLICE("development")).data,
        "dp-default-default-development-f8e58905");
    assert_string_equal(name_component(&arena, SLICE("greeter-service"), SLICE("development")).data,
                        "greeter-service-development-a9f97fde");
    const struct slice route[] = {SLICE("greeter-service"), SLICE("http")};
    assert_string_equal(name_join(&arena, NAME_SUBDOMAIN_MAX, route, 2).data,
                        "greeter-service-http-c952733e");
    const struct slice secret[] = {SLICE("greeter-service-development"), SLICE("env-secrets")};
    struct slice refs = name_hash(&arena, SLICE("GITHUB_TOKEN\0github-pat\0\0\0"));
    assert_string_equal(name_join_extra(&arena, NAME_SUBDOMAIN_MAX, secret, 2, refs).data,
                        "greeter-service-development-env-secrets-89185774");
    assert_string_equal(name_hash(&arena, SLICE("test")).data, "afd071e5");
}

static void long_parts_are_cut_to_equal_shares_within_the_limit(void **state)
{
    (void)state;
    char text[301];
    memset(text, 'x', sizeof text);
    struct slice part = slice_make(text, 300);
    struct slice cell = name_cell(&arena, part, SLICE("shop"), part);
    assert_true(cell.len <= NAME_LABEL_MAX);
    assert_true(slice_starts_with(cell, SLICE("dp-xxxxxxxxxxxxx-shop-xxxxxxxxxxxx-")));
    assert_int_equal(name_component(&arena, part, part).len, NAME_SUBDOMAIN_MAX);
}

static void cleaned_parts_that_look_alike_get_different_names(void **state)
{
    (void)state;
    const struct slice plain[] = {SLICE("my-app")};
    const struct slice fancy[] = {SLICE("My App!")};
    struct slice a = name_join(&arena, NAME_LABEL_MAX, plain, 1);
    struct slice b = name_join(&arena, NAME_LABEL_MAX, fancy, 1);
    assert_true(slice_starts_with(a, SLICE("my-app-")) && slice_starts_with(b, SLICE("my-app-")));
    assert_false(slice_eq(a, b));
}

static void nothing_to_show_still_gives_a_valid_name(void **state)
{
    (void)state;
    const struct slice empty[] = {SLICE("!!"), SLICE("")};
    struct slice name = name_join(&arena, NAME_LABEL_MAX, empty, 2);
    assert_int_equal(name.len, 8);
    assert_int_equal(name_join(&arena, NAME_LABEL_MAX, NULL, 0).len, 8);
    struct slice many[100];
    for (size_t i = 0; i < 100; i++) {
        many[i] = SLICE("part");
    }
    assert_true(name_join(&arena, NAME_LABEL_MAX, many, 100).len <= NAME_LABEL_MAX);
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_names_of_openchoreo_come_out),
        cmocka_unit_test(long_parts_are_cut_to_equal_shares_within_the_limit),
        cmocka_unit_test(cleaned_parts_that_look_alike_get_different_names),
        cmocka_unit_test(nothing_to_show_still_gives_a_valid_name),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
