/* Hostile expressions, and the limit that stops each: none takes more than its cost, nor more
 * memory than the cost pays for. Time is not measured: the cost stands for it. */
#include "tests/lib/test.h"

#include "render/cel/cel.h"
#include "render/cel/parser.h"
#include "render/oc_functions.h"

enum {
    TEXT_BYTES = 256 * 1024,
    ITEMS = 100 * 1000,
    BYTES_PER_UNIT = 60, /* of an evaluation */
    BYTES_PER_SOURCE_BYTE = 500,
};

struct inputs {
    json_t *tree;
    struct arena arena;
    struct slice names[8];
    struct cel_value values[8];
    size_t count;
};

static json_t *repeated(char c, size_t count)
{
    char *text = mem_alloc(count);
    memset(text, c, count);
    json_t *s = json_str(slice_make(text, count));
    free(text);
    return s;
}

/* text, digits: long ones; list: of many ints; nested: of as many empty lists; map: of many; keys:
 * few, but long. */
static int setup(void **state)
{
    struct inputs *in = mem_zero(sizeof *in);
    json_t *list = json_array();
    json_t *nested = json_array();
    json_t *map = json_object();
    json_t *keys = json_object();
    for (int i = 0; i < ITEMS; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "k%d", i);
        json_array_append_new(list, json_integer(i));
        json_array_append_new(nested, json_array());
        json_object_set_new(map, key, json_integer(i));
    }
    for (int i = 0; i < 20; i++) {
        json_t *key = repeated((char)('a' + i), TEXT_BYTES / 8);
        json_object_set_new(keys, json_string_value(key), json_null());
        json_decref(key);
    }
    in->tree = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "text", repeated('a', TEXT_BYTES), "digits",
                         repeated('9', TEXT_BYTES), "list", list, "nested", nested, "map", map,
                         "keys", keys);
    const char *name;
    json_t *member;
    json_object_foreach(in->tree, name, member)
    {
        in->names[in->count] = slice_of(name);
        in->values[in->count++] = cel_of_json(&in->arena, member);
    }
    *state = in;
    return 0;
}

static int teardown(void **state)
{
    struct inputs *in = *state;
    json_decref(in->tree);
    arena_free(&in->arena);
    free(in);
    return 0;
}

#define COST "costs more than the limit of 250000 units"
#define LOOP(body) "lists.range(9999).all(i, " body ")"
/* What fails is absorbed, and tried again. */
#define RETRY(body) "lists.range(9999).exists(i, " body ")"

static const struct {
    const char *expression;
    const char *limit; /* in the message; NULL: it ends within its cost */
} hostile[] = {
    /* loops */
    {"lists.range(9999).map(a, lists.range(9999).map(b, a * b)).size()", COST},
    {"[1,2,3,4,5,6,7,8].all(a, [1,2,3,4,5,6,7,8].all(b, [1,2,3,4,5,6,7,8].all(c, "
     "[1,2,3,4,5,6,7,8].all(d, [1,2,3,4,5,6,7,8].all(e, [1,2,3,4,5,6,7,8].all(f, "
     "[1,2,3,4,5,6,7,8].all(g, a + b + c + d + e + f + g > 0)))))))",
     COST},
    {"list.map(x, x + 1).map(x, list)", COST},
    {"list.filter(x, x in list)", COST},
    {"map.map(k, map[k]).size() + map.transformMapEntry(k, v, {k: v}).size()", COST},
    {"list.sortBy(x, -x)", COST},
    {LOOP("list.sortBy(x, x).size() > 0"), COST},
    {RETRY("1 / 0 > 0"), "division by zero"},
    {"lists.range(10001)", "lists.range(): at most 10000"},
    /* values that grow */
    {"cel.bind(a, text + text, cel.bind(b, a + a, cel.bind(c, b + b, cel.bind(d, c + c, d + d))))",
     COST},
    {"cel.bind(a, list + list, cel.bind(b, a + a, b + b)).size()", COST},
    {"cel.bind(a, [list, list, list, list], cel.bind(b, [a, a, a, a], cel.bind(c, [b, b, b, b], "
     "c == [b, b, b, b])))",
     COST},
    {"cel.bind(a, lists.range(9999).map(x, 'x'), cel.bind(b, a.join(text), b.size()))", COST},
    {"text.replace('', text)", COST},
    {"text.replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').size()", COST},
    {"text.split('').map(c, text.split('')).size()", COST},
    {LOOP("text.split('a').join(text).size() > 0"), COST},
    {LOOP("text.upperAscii().lowerAscii() == text"), COST},
    {LOOP("text.reverse() != ''"), COST},
    {LOOP("strings.quote(text) != ''"), COST},
    {LOOP("base64.encode(bytes(text)) != ''"), COST},
    {LOOP("base64.decode(text) != b''"), COST},
    {LOOP("dyn(text).matches('b') == false"), COST},
    /* format */
    {"cel.bind(p, lists.range(9999).map(x, '%.100f').join(), cel.bind(v, lists.range(9999).map(x, "
     "1e300), lists.range(99).all(i, p.format(v) != '')))",
     COST},
    {LOOP("'%s'.format([list]) != ''"), COST},
    {LOOP("'%x'.format([text]) != ''"), COST},
    {RETRY("'%d'.format([text]) == ''"), "does not show a value of type string"},
    {"'%.101f'.format([1.0])", "format()"},
    /* conversions that read a text to its end */
    {RETRY("double(digits) > 0.0 && false"), COST},
    {RETRY("int(digits) > 0"), COST},
    {RETRY("uint(digits) > 0u"), COST},
    {RETRY("timestamp(digits) > timestamp(0)"), COST},
    {RETRY("duration(digits) > duration('0s')"), COST},
    {RETRY("string(bytes(text)) == ''"), COST},
    {RETRY("quantity(digits) == quantity('1')"), COST},
    {RETRY("isQuantity(text)"), COST},
    {RETRY("isSemver(digits)"), COST},
    {RETRY("isIP(digits) || isCIDR(digits) || isURL(digits)"), COST},
    {RETRY("format.dns1123Label().validate(text) == optional.none()"), COST},
    /* searches */
    {LOOP("text.lastIndexOf(text + 'b') == -1"), COST},
    {"text.lastIndexOf(text.substring(131072) + 'b')", COST},
    {LOOP("text.indexOf('b') == -1 && !text.contains('b')"), COST},
    {LOOP("text.charAt(262143) == 'a' && text.substring(262143) == 'a'"), COST},
    {LOOP("text.size() > 0"), COST},
    /* lists and sets */
    {"list.distinct().size()", COST},
    {"sets.contains(list, list)", COST},
    {"sets.equivalent(list, list)", COST},
    {LOOP("!sets.intersects([], list)"), COST},
    {LOOP("list.slice(0, 100000).size() > 0"), COST},
    {LOOP("list.reverse().size() > 0"), COST},
    {LOOP("nested.flatten().size() == 0"), COST},
    {LOOP("list.sort().size() > 0"), COST},
    {LOOP("list.max() > list.min() && list.sum() > 0 && list.isSorted()"), COST},
    {LOOP("math.greatest(list) > 0"), COST},
    {LOOP("list.map(x, optional.of(x)).unwrapOpt().size() > 0"), COST},
    {LOOP("list.indexOf(-1) == -1 && !(-1 in list)"), COST},
    {LOOP("map == map"), COST},
    /* regular expressions */
    {"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.find('(a+)+$')", "takes too many steps"},
    {"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('(a+)+$')", NULL},
    {"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('((?=a)a+)+$')", "takes too many steps"},
    {"text.substring(0, 200).matches('(a+)+[b$]$')", NULL},
    {"text.substring(0, 5000).matches('(a+)+[b$]$')", "takes too many steps"},
    {RETRY("text.substring(0, 5000).matches('(a+)+[b$]$')"), COST},
    {"text.substring(0, 60000).matches('^(a|aa)+[b$]$')", NULL},
    {RETRY("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('(a+)+$')"), COST},
    {"'a'.matches(text.substring(0, 5000))", "the pattern is longer than 4096 bytes"},
    {"'a'.matches('((((a{1,99}){1,99}){1,99}){1,99}){1,99}')", "matches(): "},
    {LOOP("'a'.matches('(([a-z]{1,50}){1,50}|b)')"), COST},
    {LOOP("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.findAll('(a?){20}b|a').size() > 0"), COST},
    /* errors that are absorbed take nothing */
    {RETRY("keys.nothing == 1"), "no such key: nothing; there are: aaa"},
    {RETRY("keys[text] == 1"), COST},
    {RETRY("{text: 1, text: 2} == {}"), COST},
    /* what is large and harmless */
    {"list.size() + map.size() + size(nested)", NULL},
    {"text.startsWith('a') && text.endsWith('a')", NULL},
    {"list.all(x, x >= 0) ? 1 : 2", COST},
};

/* Whether what stops the expression is said, and took no more than it may. */
static bool is_stopped(const struct inputs *in, const struct cel_env *env, const char *expression,
                       const char *limit)
{
    const struct cel_input input = {.variables = in->values};
    struct arena arena = {0};
    const struct cel_program *program;
    struct cel_value v;
    uint64_t cost = 0;
    uint32_t offset;
    struct err err = {0};
    int rc = cel_compile(&arena, env, slice_of(expression), &program, &offset, &err);
    rc = rc != 0 ? rc : cel_eval(program, &input, &arena, &v, &cost, &offset, &err);
    size_t bytes = arena.used_bytes;
    arena_free(&arena);
    bool said = limit == NULL ? rc == 0 : strstr(err.message, limit) != NULL;
    bool ok =
        said && cost <= CEL_COST_DEFAULT && bytes <= (size_t)CEL_COST_DEFAULT * BYTES_PER_UNIT;
    if (!ok) {
        print_message("%.200s: \"%s\", %llu units, %zu bytes\n", expression,
                      rc == 0 ? "it ended well" : err.message, (unsigned long long)cost, bytes);
    }
    return ok;
}

static void the_limit_that_stops_them_is_said(void **state)
{
    struct inputs *in = *state;
    const struct cel_env env = {.names = in->names,
                                .count = in->count,
                                .functions = cel_kubernetes_functions(),
                                .function_count = cel_kubernetes_function_count()};
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        wrong += is_stopped(in, &env, hostile[i].expression, hostile[i].limit) ? 0 : 1;
    }
    assert_int_equal(wrong, 0);
}

/* The same of what templates have beside the language. */
static void functions_of_templates_are_stopped_too(void **state)
{
    static const char *const expressions[] = {
        RETRY("oc_merge(map, map).size() > 0 && false"),
        RETRY("oc_hash(text) == ''"),
        RETRY("oc_generate_name(text, text) == ''"),
        RETRY("oc_dns_label([text, text]) == ''"),
    };
    struct inputs *in = *state;
    const struct cel_env env = {.names = in->names,
                                .count = in->count,
                                .functions = oc_functions(),
                                .function_count = oc_function_count()};
    struct buf many = {0};
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        wrong += is_stopped(in, &env, expressions[i], COST) ? 0 : 1;
    }
    buf_add_cstr(&many, "oc_merge(map");
    for (int i = 0; i < 1000; i++) {
        buf_add_cstr(&many, ", map");
    }
    buf_add_cstr(&many, ")");
    wrong += is_stopped(in, &env, buf_cstr(&many), COST) ? 0 : 1;
    buf_free(&many);
    assert_int_equal(wrong, 0);
}

/* Sources of the greatest length and of the greatest depth. */
static void sources_that_are_too_much_are_refused(void **state)
{
    static const struct {
        const char *first;
        const char *again;
        size_t times;
        const char *last;
        const char *limit; /* NULL: it compiles */
    } sources[] = {
        {"", "(", 5000, "", "nested too deeply"},
        {"1", "+1", 5000, "", "nested too deeply"},
        {"", "[", 5000, "", "nested too deeply"},
        {"", "{1:", 5000, "", "nested too deeply"},
        {"text", ".a", 5000, "", "nested too deeply"},
        {"text", "[0]", 5000, "", "nested too deeply"},
        {"", "true?1:", 5000, "1", "nested too deeply"},
        {"", "size(", 5000, "", "nested too deeply"},
        {"", "[1].map(x,", 5000, "", "nested too deeply"},
        {"true", "||true", 5000, "", "nested too deeply"},
        {"", "!", 60000, "true", NULL},
        {"-", "-", 60000, "1", NULL},
        {"[", "1,", 9999, "1]", NULL},
        {"[", "1,", 10000, "1]", "too many elements"},
        {"math.greatest(1", ",1", 10000, ")", "too many arguments"},
        {"'", "x", CEL_SOURCE_MAX, "'", "longer than 65536 bytes"},
        {"[", "[1]+[1],", 7000, "[1]]", NULL},
        {"[", "1<2,", 9000, "true]", NULL},
        {"[", "{'a':[]}==d,", 5000, "true]", NULL},
    };
    const struct slice names[] = {SLICE("text"), SLICE("d")};
    const struct cel_env env = {.names = names, .count = 2};
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        struct arena arena = {0};
        struct buf source = {0};
        const struct cel_program *program;
        uint32_t offset;
        struct err err = {0};
        buf_add_cstr(&source, sources[i].first);
        for (size_t k = 0; k < sources[i].times; k++) {
            buf_add_cstr(&source, sources[i].again);
        }
        buf_add_cstr(&source, sources[i].last);
        int rc = cel_compile(&arena, &env, buf_slice(&source), &program, &offset, &err);
        size_t bytes = arena.used_bytes;
        arena_free(&arena);
        const char *limit = sources[i].limit;
        if (limit == NULL ? rc != 0 : rc != ERR_TOO_LARGE || strstr(err.message, limit) == NULL) {
            fail_msg("%s...: \"%s\"", sources[i].again, rc == 0 ? "it compiles" : err.message);
        }
        if (bytes > source.len * BYTES_PER_SOURCE_BYTE) {
            fail_msg("%s... takes %zu bytes for %zu", sources[i].again, bytes, source.len);
        }
        buf_free(&source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_limit_that_stops_them_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(functions_of_templates_are_stopped_too, setup, teardown),
        cmocka_unit_test(sources_that_are_too_much_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
