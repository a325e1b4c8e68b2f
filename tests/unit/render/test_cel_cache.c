/* Programs are found again by all that they depend on, and by nothing less. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "render/cel/cache.h"

struct fixture {
    struct cel_cache cache;
    struct arena arena;
    uint32_t offset;
    struct err err;
};

static int setup(void **state)
{
    *state = mem_zero(sizeof(struct fixture));
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    cel_cache_free(&f->cache);
    arena_free(&f->arena);
    free(f);
    return 0;
}

static const struct cel_program *compiled(struct fixture *f, const struct cel_env *env,
                                          const char *source)
{
    const struct cel_program *program = NULL;
    assert_ok(cel_cache_compile(&f->cache, &f->arena, env, slice_of(source), &program, &f->offset,
                                &f->err),
              &f->err);
    assert_non_null(program);
    return program;
}

/* The value of an expression over integers. */
static int64_t value_of(struct fixture *f, const struct cel_program *program, const int64_t *values,
                        size_t count)
{
    struct cel_value variables[4];
    struct cel_value value;
    uint64_t cost;
    for (size_t i = 0; i < count; i++) {
        variables[i] = cel_int(values[i]);
    }
    const struct cel_input input = {.variables = variables};
    assert_ok(cel_eval(program, &input, &f->arena, &value, &cost, &f->offset, &f->err), &f->err);
    assert_int_equal(value.type, CEL_INT);
    return value.as.integer;
}

static bool seven(struct cel_ctx *ctx, const struct cel_value *args, size_t count,
                  struct cel_value *out)
{
    (void)ctx;
    (void)args;
    (void)count;
    *out = cel_int(7);
    return true;
}

static bool eight(struct cel_ctx *ctx, const struct cel_value *args, size_t count,
                  struct cel_value *out)
{
    (void)ctx;
    (void)args;
    (void)count;
    *out = cel_int(8);
    return true;
}

static void the_same_is_compiled_once(void **state)
{
    struct fixture *f = *state;
    const struct slice names[] = {SLICE("a"), SLICE("b")};
    const struct cel_env env = {.names = names, .count = 2};
    char source[] = "a - b";
    const struct cel_program *first = compiled(f, &env, source);
    arena_free(&f->arena); /* what the caller had is gone, */
    source[2] = '+';       /* and the source is another text */
    assert_ptr_equal(compiled(f, &env, "a - b"), first);
    assert_int_equal(value_of(f, first, (int64_t[]){5, 3}, 2), 2);
    assert_int_equal(value_of(f, compiled(f, &env, source), (int64_t[]){5, 3}, 2), 8);
}

static void names_in_another_order_are_another_program(void **state)
{
    struct fixture *f = *state;
    const struct slice ab[] = {SLICE("a"), SLICE("b")};
    const struct slice ba[] = {SLICE("b"), SLICE("a")};
    const struct slice joined[] = {SLICE("a1:b")};
    const struct cel_env env_ab = {.names = ab, .count = 2};
    const struct cel_env env_ba = {.names = ba, .count = 2};
    const struct cel_env env_a = {.names = ab, .count = 1};
    const struct cel_env env_joined = {.names = joined, .count = 1};
    const int64_t values[] = {5, 3};
    assert_int_equal(value_of(f, compiled(f, &env_ab, "a - b"), values, 2), 2);
    assert_int_equal(value_of(f, compiled(f, &env_ba, "a - b"), values, 2), -2);
    const struct cel_program *program = NULL;
    assert_int_equal(cel_cache_compile(&f->cache, &f->arena, &env_a, SLICE("a - b"), &program,
                                       &f->offset, &f->err),
                     ERR_UNPROCESSABLE);
    assert_int_equal(cel_cache_compile(&f->cache, &f->arena, &env_joined, SLICE("a - b"), &program,
                                       &f->offset, &f->err),
                     ERR_UNPROCESSABLE);
}

static void other_functions_are_another_program(void **state)
{
    struct fixture *f = *state;
    const struct cel_function one = {"f", "() int", seven};
    const struct cel_function two = {"f", "() int", eight};
    const struct cel_env env_one = {.functions = &one, .function_count = 1};
    const struct cel_env env_two = {.functions = &two, .function_count = 1};
    assert_int_equal(value_of(f, compiled(f, &env_one, "f()"), NULL, 0), 7);
    assert_int_equal(value_of(f, compiled(f, &env_two, "f()"), NULL, 0), 8);
}

static void errors_are_told_each_time_and_not_kept(void **state)
{
    struct fixture *f = *state;
    const struct cel_env env = {0};
    const struct cel_program *program = NULL;
    for (int i = 0; i < 2; i++) {
        f->offset = 0;
        assert_int_equal(cel_cache_compile(&f->cache, &f->arena, &env, SLICE("1 + nobody"),
                                           &program, &f->offset, &f->err),
                         ERR_UNPROCESSABLE);
        assert_int_equal(f->offset, 4);
    }
    assert_int_equal(f->cache.arena.used_bytes, 0);
}

static void a_full_cache_compiles_on_and_is_emptied_by_trim(void **state)
{
    struct fixture *f = *state;
    const struct cel_env env = {0};
    const struct cel_program *first = compiled(f, &env, "0 + 1");
    cel_cache_trim(&f->cache); /* there is room: nothing goes */
    assert_ptr_equal(compiled(f, &env, "0 + 1"), first);
    for (int i = 1; f->cache.arena.used_bytes < CEL_CACHE_BYTES_MAX; i++) {
        compiled(f, &env, arena_printf(&f->arena, "%d + 1", i));
    }
    size_t kept = f->cache.programs.count;
    assert_int_equal(value_of(f, compiled(f, &env, "20 + 3"), NULL, 0), 23);
    assert_int_equal(value_of(f, compiled(f, &env, "-20 + 3"), NULL, 0), -17);
    assert_int_equal(f->cache.programs.count, kept);
    assert_ptr_equal(compiled(f, &env, "0 + 1"), first);
    cel_cache_trim(&f->cache);
    assert_int_equal(f->cache.programs.count, 0);
    assert_int_equal(f->cache.arena.used_bytes, 0);
    assert_int_equal(value_of(f, compiled(f, &env, "0 + 1"), NULL, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_is_compiled_once, setup, teardown),
        cmocka_unit_test_setup_teardown(names_in_another_order_are_another_program, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(other_functions_are_another_program, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_are_told_each_time_and_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_cache_compiles_on_and_is_emptied_by_trim, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
