/* The language's own conformance files (cel-spec, tests/simple/testdata), where they are at hand:
 * set CEL_SPEC_DIR to their folder. Prints per file what passes, fails and is skipped, and holds to
 * exactly how many those are. CEL_SPEC_VERBOSE=1 names every failure and every skip.
 *
 * Skipped are tests that need protobuf messages or their enums, and nothing else. */
#include "tests/lib/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "render/cel/cel.h"
#include "render/cel/signature.h"

enum { FILE_MAX_BYTES = 1024 * 1024, VARIABLES_MAX = 16, FUNCTIONS_MAX = 4 };

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

/* Types of the tests as the texts of ours. */

static bool type_text(const struct field *type, struct buf *out);

static bool part_text(const struct field *part, const char *separator, struct buf *out)
{
    buf_add_cstr(out, separator);
    return type_text(part, out);
}

static bool abstract_text(const struct field *type, struct buf *out)
{
    bool first = true;
    buf_add(out, text_of(type, "name"));
    for (const struct field *f = type->first; f != NULL; f = f->next) {
        if (slice_eq_cstr(f->name, "parameter_types")) {
            if (!part_text(f, first ? "(" : ", ", out)) {
                return false;
            }
            first = false;
        }
    }
    buf_add_cstr(out, first ? "" : ")");
    return true;
}

/* False for messages and their wrappers. */
static bool type_text(const struct field *type, struct buf *out)
{
    static const char *const simple[][2] = {{"BOOL", "bool"},
                                            {"INT64", "int"},
                                            {"UINT64", "uint"},
                                            {"DOUBLE", "double"},
                                            {"STRING", "string"},
                                            {"BYTES", "bytes"},
                                            {"TIMESTAMP", "timestamp"},
                                            {"DURATION", "duration"},
                                            {"NULL_VALUE", "null"},
                                            {"google.protobuf.Timestamp", "timestamp"},
                                            {"google.protobuf.Duration", "duration"}};
    const struct field *f = type != NULL ? type->first : NULL;
    bool ok = f != NULL && !slice_eq_cstr(f->name, "wrapper");
    if (ok && slice_eq_cstr(f->name, "list_type")) {
        ok = part_text(get(f, "elem_type"), "list(", out);
        buf_add_char(out, ')');
    } else if (ok && slice_eq_cstr(f->name, "map_type")) {
        ok = part_text(get(f, "key_type"), "map(", out) &&
             part_text(get(f, "value_type"), ", ", out);
        buf_add_char(out, ')');
    } else if (ok && slice_eq_cstr(f->name, "abstract_type")) {
        ok = abstract_text(f, out);
    } else if (ok && slice_eq_cstr(f->name, "type_param")) {
        buf_add(out, f->text);
    } else if (ok && slice_eq_cstr(f->name, "dyn")) {
        buf_add_cstr(out, "dyn");
    } else if (ok && slice_eq_cstr(f->name, "type")) {
        buf_add_cstr(out, "type(dyn)");
    } else if (ok) {
        size_t i = 0;
        while (i < sizeof simple / sizeof *simple && !slice_eq_cstr(f->text, simple[i][0])) {
            i++;
        }
        ok = i < sizeof simple / sizeof *simple;
        buf_add_cstr(out, ok ? simple[i][1] : "");
    }
    return ok;
}

/* The world of one test: its variables, with their types, and its functions. */
struct world {
    struct arena *arena;
    struct cel_unify unify;
    struct slice names[VARIABLES_MAX];
    const struct cel_shape *shapes[VARIABLES_MAX];
    struct cel_value values[VARIABLES_MAX];
    size_t count;
    struct cel_function functions[FUNCTIONS_MAX];
    size_t function_count;
};

static size_t declare(struct world *w, struct slice name)
{
    size_t i = 0;
    while (i < w->count && !slice_eq(w->names[i], name)) {
        i++;
    }
    assert_true(i < VARIABLES_MAX);
    if (i == w->count) {
        w->names[w->count++] = name;
        w->shapes[i] = NULL;
        w->values[i] = (struct cel_value){.type = CEL_OMIT};
    }
    return i;
}

static bool declare_variable(struct world *w, struct slice name, const struct field *ident)
{
    struct buf text = {0};
    struct cel_signature s;
    buf_add_cstr(&text, "() ");
    bool ok = type_text(get(ident, "type"), &text);
    if (ok) {
        struct slice copy = arena_copy(w->arena, buf_slice(&text));
        assert_true(cel_signature_read(&w->unify, copy, 0, &s));
        w->shapes[declare(w, name)] = s.result;
    }
    buf_free(&text);
    return ok;
}

static bool declare_function(struct world *w, struct slice name, const struct field *function)
{
    struct buf text = {0};
    bool ok = true;
    for (const struct field *o = function->first; o != NULL && ok; o = o->next) {
        bool first = true;
        buf_add_cstr(&text, text.len > 0 ? " | (" : "(");
        for (const struct field *f = o->first; f != NULL && ok; f = f->next) {
            if (slice_eq_cstr(f->name, "params")) {
                ok = part_text(f, first ? "" : ", ", &text);
                first = false;
            }
        }
        ok = ok && part_text(get(o, "result_type"), ") ", &text);
    }
    assert_true(w->function_count < FUNCTIONS_MAX);
    w->functions[w->function_count++] = (struct cel_function){
        .name = arena_cstr(w->arena, name), .types = arena_cstr(w->arena, buf_slice(&text))};
    buf_free(&text);
    return ok;
}

/* False if the test needs messages. */
static bool read_world(const struct field *test, struct world *w)
{
    for (const struct field *f = test->first; f != NULL; f = f->next) {
        if (slice_eq_cstr(f->name, "type_env")) {
            const struct field *function = get(f, "function");
            if (function != NULL ? !declare_function(w, text_of(f, "name"), function)
                                 : !declare_variable(w, text_of(f, "name"), get(f, "ident"))) {
                return false;
            }
        }
    }
    for (const struct field *f = test->first; f != NULL; f = f->next) {
        if (slice_eq_cstr(f->name, "bindings")) {
            size_t i = declare(w, text_of(f, "key"));
            if (!value_of(w->arena, get(get(f, "value"), "value"), &w->values[i])) {
                return false;
            }
        }
    }
    return true;
}

static bool names_messages(const struct field *test)
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

static enum outcome report(const char *file, const struct field *test, enum outcome outcome,
                           const char *what)
{
    if (getenv("CEL_SPEC_VERBOSE") != NULL) {
        print_message("  %s %.*s: %.*s: %s\n", file, SLICE_ARG(text_of(test, "name")),
                      SLICE_ARG(text_of(test, "expr")), what);
    }
    return outcome;
}

/* What the checker deduced against what it should have. */
static bool deduced(const struct cel_program *program, const struct field *type)
{
    struct buf wanted = {0};
    struct buf found = {0};
    assert_true(type_text(type, &wanted));
    cel_shape_text(cel_program_shape(program), &found);
    bool same = slice_eq(buf_slice(&wanted), buf_slice(&found));
    buf_free(&wanted);
    buf_free(&found);
    return same;
}

static enum outcome judge(struct world *w, const char *file, const struct field *test)
{
    const struct field *typed = get(test, "typed_result");
    const struct field *value = typed != NULL ? get(typed, "result") : get(test, "value");
    const bool wants_error =
        get(test, "eval_error") != NULL || get(test, "any_eval_errors") != NULL;
    struct cel_value expected = {.type = CEL_BOOL, .as.boolean = true};
    const struct cel_env env = {.names = w->names,
                                .shapes = w->shapes,
                                .count = w->count,
                                .container = text_of(test, "container"),
                                .functions = w->functions,
                                .function_count = w->function_count,
                                .unchecked = slice_eq_cstr(text_of(test, "disable_check"), "true")};
    const struct cel_input input = {.variables = w->values};
    const struct cel_program *program;
    struct cel_value actual;
    uint32_t offset;
    uint64_t cost;
    struct err err = {0};
    int rc = cel_compile(w->arena, &env, text_of(test, "expr"), &program, &offset, &err);
    if (rc == 0 && typed != NULL && !deduced(program, get(typed, "deduced_type"))) {
        return report(file, test, FAILED, "another type is deduced");
    }
    if (get(test, "check_only") != NULL) {
        return rc == 0 ? PASSED : report(file, test, FAILED, err.message);
    }
    if (rc == 0) {
        rc = cel_eval(program, &input, w->arena, &actual, &cost, &offset, &err);
    }
    if (wants_error) {
        return rc != 0 ? PASSED : report(file, test, FAILED, "does not fail");
    }
    if (rc != 0) {
        return report(file, test, FAILED, err.message);
    }
    if (value != NULL && !value_of(w->arena, value, &expected)) {
        return report(file, test, FAILED, "wants a value that there is not");
    }
    return same(w->arena, actual, expected) ? PASSED
                                            : report(file, test, FAILED, "gives another value");
}

static enum outcome try_test(struct arena *arena, const char *file, const struct field *test)
{
    struct world w = {.arena = arena, .unify.arena = arena};
    struct cel_value value;
    struct buf type = {0};
    const struct field *typed = get(test, "typed_result");
    const struct field *result = typed != NULL ? get(typed, "result") : get(test, "value");
    bool messages = names_messages(test) || !read_world(test, &w) ||
                    (result != NULL && !value_of(arena, result, &value)) ||
                    (typed != NULL && !type_text(get(typed, "deduced_type"), &type));
    buf_free(&type);
    return messages ? report(file, test, SKIPPED, "needs protobuf's messages")
                    : judge(&w, file, test);
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

static void each_file_passes_as_much_as_it_did(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct tally is;
    } files[] = {
        {"basic", {{43, 0, 0}}},         {"bindings_ext", {{8, 0, 0}}},
        {"comparisons", {{334, 0, 72}}}, {"conversions", {{109, 0, 0}}},
        {"encoders_ext", {{4, 0, 0}}},   {"fields", {{60, 0, 0}}},
        {"fp_math", {{30, 0, 0}}},       {"integer_math", {{64, 0, 0}}},
        {"lists", {{39, 0, 0}}},         {"logic", {{30, 0, 0}}},
        {"macros", {{44, 0, 0}}},        {"namespace", {{14, 0, 0}}},
        {"optionals", {{59, 0, 11}}},    {"parse", {{193, 0, 26}}},
        {"plumbing", {{5, 0, 0}}},       {"string", {{51, 0, 0}}},
        {"timestamps", {{78, 0, 0}}},    {"type_deduction", {{26, 0, 21}}},
    };
    const char *dir = getenv("CEL_SPEC_DIR");
    bool changed = false;
    if (dir == NULL) {
        print_message("skipped: CEL_SPEC_DIR is not set to cel-spec's tests/simple/testdata\n");
        skip();
    }
    struct tally all = {{0}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct tally one = {{0}};
        run_file(dir, files[i].name, &one);
        bool same = memcmp(&one, &files[i].is, sizeof one) == 0;
        print_message("%-16s %4d passed %4d failed %4d skipped (messages)%s\n", files[i].name,
                      one.count[PASSED], one.count[FAILED], one.count[SKIPPED],
                      same ? "" : "  NOT AS IT WAS");
        changed = changed || !same;
        for (int k = 0; k < 3; k++) {
            all.count[k] += one.count[k];
        }
    }
    print_message("%-16s %4d passed %4d failed %4d skipped\n", "all", all.count[PASSED],
                  all.count[FAILED], all.count[SKIPPED]);
    assert_false(changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_file_passes_as_much_as_it_did)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
