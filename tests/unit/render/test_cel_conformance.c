/* The language's own conformance files (cel-spec, tests/simple/testdata), where they are at hand:
 * set CEL_SPEC_DIR to their folder. Prints per file what passes, fails and is skipped, and holds to
 * a floor of what passes, which only ever rises. CEL_SPEC_VERBOSE=1 names every failure.
 *
 * Skipped are tests that need protobuf messages, enums, the type checker's deductions, or functions
 * of the test's own. */
#include "tests/lib/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "render/cel/cel.h"
#include "render/cel/time.h"

enum { FILE_MAX_BYTES = 1024 * 1024, VARIABLES_MAX = 16 };

/* A small reader of protobuf's text format: fields in order, values as text. */

struct field {
    struct slice name;
    struct slice text; /* of a scalar, unescaped if it was quoted */
    bool quoted;
    struct field *first; /* of a message */
    struct field *next;
    bool message;
};

struct reader {
    struct slice in;
    size_t at;
    struct arena *arena;
};

static char peek(const struct reader *r)
{
    return r->at < r->in.len ? r->in.data[r->at] : '\0';
}

static void skip_space(struct reader *r)
{
    for (;;) {
        char c = peek(r);
        if (c == '#') {
            while (r->at < r->in.len && peek(r) != '\n') {
                r->at++;
            }
        } else if (c != '\0' && strchr(" \t\r\n,;", c) != NULL) {
            r->at++;
        } else {
            return;
        }
    }
}

static void unescape(struct reader *r, struct buf *out)
{
    char c = r->in.data[r->at++];
    static const char names[] = "abfnrtv";
    static const char values[] = "\a\b\f\n\r\t\v";
    const char *found = strchr(names, c);
    if (found != NULL) {
        buf_add_char(out, values[found - names]);
    } else if (c >= '0' && c <= '7') {
        int v = c - '0';
        for (int i = 0; i < 2 && peek(r) >= '0' && peek(r) <= '7'; i++) {
            v = v * 8 + (r->in.data[r->at++] - '0');
        }
        buf_add_char(out, (char)v);
    } else if (c == 'x' || c == 'u' || c == 'U') {
        size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        char text[9] = "";
        memcpy(text, r->in.data + r->at, digits);
        r->at += digits;
        uint32_t v = (uint32_t)strtoul(text, NULL, 16);
        if (c == 'x') {
            buf_add_char(out, (char)v);
        } else {
            cel_utf8_add(out, v);
        }
    } else {
        buf_add_char(out, c);
    }
}

/* One or more adjacent quoted strings. */
static struct slice read_string(struct reader *r)
{
    struct buf text = {0};
    while (peek(r) == '"' || peek(r) == '\'') {
        char quote = r->in.data[r->at++];
        while (peek(r) != quote && r->at < r->in.len) {
            if (peek(r) == '\\') {
                r->at++;
                unescape(r, &text);
            } else {
                buf_add_char(&text, r->in.data[r->at++]);
            }
        }
        r->at++;
        size_t before = r->at;
        skip_space(r);
        if (peek(r) != '"' && peek(r) != '\'') {
            r->at = before;
        }
    }
    struct slice copy = arena_copy(r->arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

static struct slice read_word(struct reader *r)
{
    size_t from = r->at;
    if (peek(r) == '[') {
        while (r->at < r->in.len && peek(r) != ']') {
            r->at++;
        }
        r->at++;
    } else {
        while (peek(r) != '\0' && strchr(" \t\r\n,;:{}<>[]#\"'", peek(r)) == NULL) {
            r->at++;
        }
    }
    return slice_sub(r->in, from, r->at - from);
}

static struct field *read_fields(struct reader *r);

static struct field *read_field(struct reader *r)
{
    struct field *f = ARENA_NEW(r->arena, struct field);
    f->name = read_word(r);
    skip_space(r);
    if (peek(r) == ':') {
        r->at++;
        skip_space(r);
    }
    if (peek(r) == '{') {
        r->at++;
        f->message = true;
        f->first = read_fields(r);
        r->at++; /* '}' */
    } else if (peek(r) == '"' || peek(r) == '\'') {
        f->text = read_string(r);
        f->quoted = true;
    } else {
        f->text = read_word(r);
    }
    return f;
}

static struct field *read_fields(struct reader *r)
{
    struct field *first = NULL;
    struct field **last = &first;
    for (skip_space(r); r->at < r->in.len && peek(r) != '}'; skip_space(r)) {
        *last = read_field(r);
        last = &(*last)->next;
    }
    return first;
}

static const struct field *get(const struct field *message, const char *name)
{
    const struct field *f = message != NULL ? message->first : NULL;
    while (f != NULL && !slice_eq_cstr(f->name, name)) {
        f = f->next;
    }
    return f;
}

static struct slice text_of(const struct field *message, const char *name)
{
    const struct field *f = get(message, name);
    return f != NULL ? f->text : SLICE("");
}

/* Values of the tests as ours. */

static double real_of(struct arena *arena, struct slice text)
{
    bool negative = slice_starts_with(text, SLICE("-"));
    struct slice rest = slice_sub(text, negative ? 1 : 0, text.len);
    if (slice_eq_cstr(rest, "inf") || slice_eq_cstr(rest, "Infinity")) {
        return negative ? -INFINITY : INFINITY;
    }
    return slice_eq_cstr(rest, "nan") ? (double)NAN : strtod(arena_cstr(arena, text), NULL);
}

static bool value_of(struct arena *arena, const struct field *value, struct cel_value *out);

static bool list_of(struct arena *arena, const struct field *list, struct cel_value *out)
{
    size_t count = 0;
    for (const struct field *f = list->first; f != NULL; f = f->next) {
        count++;
    }
    struct cel_value *items = arena_alloc(arena, (count + 1) * sizeof *items);
    size_t n = 0;
    for (const struct field *f = list->first; f != NULL; f = f->next) {
        if (!value_of(arena, f, &items[n++])) {
            return false;
        }
    }
    *out = cel_list_of(arena, items, count);
    return true;
}

static bool map_of(struct arena *arena, const struct field *map, struct cel_value *out)
{
    struct cel_entry *entries = arena_alloc(arena, 64 * sizeof *entries);
    size_t n = 0;
    for (const struct field *f = map->first; f != NULL; f = f->next) {
        assert_true(n < 64);
        if (!value_of(arena, get(f, "key"), &entries[n].key) ||
            !value_of(arena, get(f, "value"), &entries[n].value)) {
            return false;
        }
        n++;
    }
    *out = cel_map_of(arena, entries, n);
    return true;
}

static bool time_of(struct arena *arena, const struct field *object, struct cel_value *out)
{
    const struct field *any = object->first;
    bool timestamp = any != NULL && slice_find(any->name, SLICE("Timestamp")) != SIZE_MAX;
    bool duration = any != NULL && slice_find(any->name, SLICE("Duration")) != SIZE_MAX;
    if (!timestamp && !duration) {
        return false;
    }
    out->type = timestamp ? CEL_TIMESTAMP : CEL_DURATION;
    out->as.time.seconds = strtoll(arena_cstr(arena, text_of(any, "seconds")), NULL, 10);
    out->as.time.nanos = (int32_t)strtol(arena_cstr(arena, text_of(any, "nanos")), NULL, 10);
    return true;
}

static bool scalar_of(struct arena *arena, const struct field *f, struct cel_value *out)
{
    if (slice_eq_cstr(f->name, "null_value")) {
        *out = (struct cel_value){.type = CEL_NULL};
    } else if (slice_eq_cstr(f->name, "bool_value")) {
        *out = cel_bool(slice_eq_cstr(f->text, "true"));
    } else if (slice_eq_cstr(f->name, "int64_value")) {
        *out = cel_int(strtoll(arena_cstr(arena, f->text), NULL, 0));
    } else if (slice_eq_cstr(f->name, "uint64_value")) {
        *out = cel_uint(strtoull(arena_cstr(arena, f->text), NULL, 0));
    } else if (slice_eq_cstr(f->name, "double_value")) {
        *out = cel_double(real_of(arena, f->text));
    } else if (slice_eq_cstr(f->name, "string_value")) {
        *out = cel_string(f->text);
    } else if (slice_eq_cstr(f->name, "bytes_value")) {
        *out = cel_bytes(f->text);
    } else if (slice_eq_cstr(f->name, "type_value")) {
        *out = cel_type_value(f->text);
    } else {
        return false;
    }
    return true;
}

/* False for what we have no value for: messages, enums. */
static bool value_of(struct arena *arena, const struct field *value, struct cel_value *out)
{
    const struct field *f = value != NULL ? value->first : NULL;
    if (f == NULL) {
        return false;
    }
    if (slice_eq_cstr(f->name, "list_value")) {
        return list_of(arena, f, out);
    }
    if (slice_eq_cstr(f->name, "map_value")) {
        return map_of(arena, f, out);
    }
    if (slice_eq_cstr(f->name, "object_value")) {
        return time_of(arena, f, out);
    }
    return scalar_of(arena, f, out);
}

/* Running one test. */

enum outcome { PASSED, FAILED, SKIPPED };

struct tally {
    int count[3];
};

/* Equal, and of the same type all through: 1 is not 1.0 here. */
static bool same(struct arena *arena, struct cel_value a, struct cel_value b)
{
    struct cel_ctx ctx = {.arena = arena, .cost_limit = UINT64_MAX};
    bool equal;
    if (a.type != b.type) {
        return false;
    }
    if (a.type == CEL_DOUBLE && isnan(a.as.real) && isnan(b.as.real)) {
        return true;
    }
    if (a.type == CEL_LIST && a.as.list->count == b.as.list->count) {
        for (size_t i = 0; i < a.as.list->count; i++) {
            if (!same(arena, cel_list_at(&ctx, a.as.list, i), cel_list_at(&ctx, b.as.list, i))) {
                return false;
            }
        }
        return true;
    }
    return cel_equal(&ctx, a, b, &equal) && equal;
}

struct variables {
    struct slice names[VARIABLES_MAX];
    struct cel_value values[VARIABLES_MAX];
    size_t count;
};

static void declare(struct variables *v, struct slice name, struct cel_value value)
{
    size_t i = 0;
    while (i < v->count && !slice_eq(v->names[i], name)) {
        i++;
    }
    assert_true(i < VARIABLES_MAX);
    v->names[i] = name;
    v->values[i] = value;
    v->count += i == v->count ? 1 : 0;
}

/* False if the test needs what we do not have. */
static bool read_variables(struct arena *arena, const struct field *test, struct variables *v)
{
    for (const struct field *f = test->first; f != NULL; f = f->next) {
        if (slice_eq_cstr(f->name, "type_env")) {
            if (get(f, "function") != NULL) {
                return false;
            }
            declare(v, text_of(f, "name"), (struct cel_value){.type = CEL_OMIT});
        }
    }
    for (const struct field *f = test->first; f != NULL; f = f->next) {
        struct cel_value value;
        if (slice_eq_cstr(f->name, "bindings")) {
            if (!value_of(arena, get(get(f, "value"), "value"), &value)) {
                return false;
            }
            declare(v, text_of(f, "key"), value);
        }
    }
    return true;
}

static bool uses_messages(const struct field *test)
{
    static const char *const marks[] = {"TestAllTypes",
                                        "google.protobuf.Any",
                                        "Value{",
                                        "google.protobuf.Value",
                                        "Enum",
                                        "proto2",
                                        "proto3",
                                        "google.protobuf.Struct",
                                        "google.protobuf.ListValue"};
    struct slice expr = text_of(test, "expr");
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (slice_find(expr, slice_of(marks[i])) != SIZE_MAX) {
            return true;
        }
    }
    return false;
}

static void report(const char *file, const struct field *test, const char *what)
{
    if (getenv("CEL_SPEC_VERBOSE") != NULL) {
        print_message("  %s %.*s: %.*s: %s\n", file, SLICE_ARG(text_of(test, "name")),
                      SLICE_ARG(text_of(test, "expr")), what);
    }
}

static enum outcome try_test(struct arena *arena, const char *file, const struct field *test)
{
    struct variables v = {.count = 0};
    struct cel_value expected = {.type = CEL_BOOL, .as.boolean = true};
    const struct field *value = get(test, "value");
    bool wants_error = get(test, "eval_error") != NULL || get(test, "any_eval_errors") != NULL;
    if (uses_messages(test) || get(test, "typed_result") != NULL ||
        get(test, "check_only") != NULL || get(test, "unknown") != NULL ||
        get(test, "any_unknowns") != NULL || !read_variables(arena, test, &v) ||
        (value != NULL && !value_of(arena, value, &expected))) {
        return SKIPPED;
    }
    const struct cel_env env = {.names = v.names,
                                .count = v.count,
                                .container = text_of(test, "container"),
                                .unchecked = slice_eq_cstr(text_of(test, "disable_check"), "true")};
    const struct cel_input input = {.variables = v.values};
    const struct cel_program *program;
    struct cel_value actual;
    uint32_t offset;
    uint64_t cost;
    struct err err = {0};
    int rc = cel_compile(arena, &env, text_of(test, "expr"), &program, &offset, &err);
    if (rc == 0) {
        rc = cel_eval(program, &input, arena, &actual, &cost, &offset, &err);
    }
    if (wants_error) {
        if (rc == 0) {
            report(file, test, "does not fail");
        }
        return rc != 0 ? PASSED : FAILED;
    }
    if (rc != 0) {
        report(file, test, err.message);
        return FAILED;
    }
    if (!same(arena, actual, expected)) {
        report(file, test, "gives another value");
        return FAILED;
    }
    return PASSED;
}

static void run_file(const char *dir, const char *name, struct tally *tally)
{
    char path[600];
    struct arena arena = {0};
    struct buf text = {0};
    (void)snprintf(path, sizeof path, "%s/%s.textproto", dir, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s is missing", path);
        return;
    }
    buf_reserve(&text, FILE_MAX_BYTES);
    text.len = fread(text.data, 1, FILE_MAX_BYTES, file);
    assert_int_equal(fclose(file), 0);
    struct reader r = {.in = buf_slice(&text), .arena = &arena};
    const struct field root = {.first = read_fields(&r)};
    for (const struct field *s = root.first; s != NULL; s = s->next) {
        for (const struct field *t = s->first; t != NULL; t = t->next) {
            if (slice_eq_cstr(s->name, "section") && slice_eq_cstr(t->name, "test")) {
                tally->count[try_test(&arena, name, t)]++;
            }
        }
    }
    buf_free(&text);
    arena_free(&arena);
}

static void each_file_passes_no_less_than_before(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int floor;
    } files[] = {
        {"basic", 43},       {"bindings_ext", 8},   {"comparisons", 334}, {"conversions", 109},
        {"encoders_ext", 4}, {"fields", 60},        {"fp_math", 30},      {"integer_math", 64},
        {"lists", 39},       {"logic", 30},         {"macros", 44},       {"namespace", 14},
        {"optionals", 59},   {"parse", 193},        {"plumbing", 5},      {"string", 51},
        {"timestamps", 73},  {"type_deduction", 0},
    };
    const char *dir = getenv("CEL_SPEC_DIR");
    bool worse = false;
    if (dir == NULL) {
        print_message("skipped: CEL_SPEC_DIR is not set to cel-spec's tests/simple/testdata\n");
        skip();
    }
    struct tally all = {{0}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct tally one = {{0}};
        run_file(dir, files[i].name, &one);
        bool below = one.count[PASSED] < files[i].floor;
        print_message("%-16s %4d passed %4d failed %4d skipped%s\n", files[i].name,
                      one.count[PASSED], one.count[FAILED], one.count[SKIPPED],
                      below ? "  BELOW ITS FLOOR" : "");
        worse = worse || below;
        for (int k = 0; k < 3; k++) {
            all.count[k] += one.count[k];
        }
    }
    print_message("%-16s %4d passed %4d failed %4d skipped\n", "all", all.count[PASSED],
                  all.count[FAILED], all.count[SKIPPED]);
    assert_false(worse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_file_passes_no_less_than_before)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
