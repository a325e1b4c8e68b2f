/* json.c: what jansson lacks.
 *
 * Parsing: one pass over the bytes finds depth (jansson's own limit is 2048 and fixed) and weight,
 * then jansson parses, refusing duplicates and bad UTF-8. Its allocations go through mem_alloc(),
 * so it never fails for memory. Writing: our own, because the canonical form must never change
 * under a library's update: replicas and stored rows compare by bytes.
 * Invariant: json_parse(json_canonical(t)) equals t, types of numbers included. */
#include "base/json.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/text.h"

enum { KEYS_ON_STACK = 48, WRITE_DEPTH_MAX = 8 * JSON_DEPTH_MAX };

__attribute__((constructor)) static void use_aborting_allocator(void)
{
    json_set_alloc_funcs(mem_alloc, free);
}

static int parse(struct slice text, size_t bytes_max, json_t **tree, struct err *err)
{
    size_t bytes = 0;
    *tree = NULL;
    if (text.len == 0) {
        return err_set(err, ERR_INVALID, "line 1, column 1: empty where JSON is expected");
    }
    int rc = json_weigh(text, &bytes, err);
    if (rc != 0) {
        return rc;
    }
    if (bytes > bytes_max) {
        return err_set(err, ERR_TOO_LARGE,
                       "too many values: as a tree they would take %zu MiB of memory, over the "
                       "limit of %zu MiB",
                       bytes >> 20, bytes_max >> 20);
    }
    json_error_t why;
    *tree = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (*tree == NULL) {
        return err_set(err, ERR_INVALID, "line %d, column %d: %s", why.line, why.column, why.text);
    }
    return 0;
}

int json_parse(struct slice text, json_t **tree, struct err *err)
{
    return parse(text, SIZE_MAX, tree, err);
}

int json_parse_body(struct slice text, json_t **tree, struct err *err)
{
    return parse(text, JSON_BODY_TREE_MAX, tree, err);
}

struct writer {
    struct buf *out;
    bool pretty; /* indented and in insertion order; else compact and sorted */
};

struct member {
    struct slice key;
    const json_t *value;
};

static void write_value(struct writer *w, const json_t *value, unsigned depth);

static void write_escape(struct buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[32] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (c == '"' || c == '\\') {
        buf_add(out, slice_make((char[]){'\\', (char)c}, 2));
    } else if (shorts[c] != 0) {
        buf_add(out, slice_make((char[]){'\\', shorts[c]}, 2));
    } else {
        buf_add(out, slice_make((char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6));
    }
}

static bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* Does one of eight bytes need an escape? A byte of (w - n) & ~w has its high bit if one
 * at or below it was less than n. */
static bool any_needs_escape(uint64_t w)
{
    const uint64_t each = UINT64_MAX / 255;
    uint64_t quote = w ^ (each * '"');
    uint64_t backslash = w ^ (each * '\\');
    uint64_t control = (w - each * 0x20) & ~w;
    return ((control | ((quote - each) & ~quote) | ((backslash - each) & ~backslash)) &
            (each * 0x80)) != 0;
}

/* The first byte from there on that needs an escape, or the end. */
static size_t plain_until(struct slice s, size_t at)
{
    uint64_t w;
    while (s.len - at >= sizeof(w)) {
        memcpy(&w, s.data + at, sizeof(w));
        if (any_needs_escape(w)) {
            break;
        }
        at += sizeof(w);
    }
    while (at < s.len && !needs_escape((unsigned char)s.data[at])) {
        at++;
    }
    return at;
}

void json_quote(struct buf *out, struct slice s)
{
    buf_reserve(out, s.len + 2);
    buf_add_char(out, '"');
    size_t from = 0;
    size_t at;
    while ((at = plain_until(s, from)) < s.len) {
        buf_add(out, slice_sub(s, from, at - from));
        write_escape(out, (unsigned char)s.data[at]);
        from = at + 1;
    }
    buf_add(out, slice_sub(s, from, SIZE_MAX));
    buf_add_char(out, '"');
}

/* The shortest form that reads back the same. Fifteen digits are the shortest for every normal
 * number that has a form so short (%g drops trailing zeros); subnormals have fewer digits. */
static void write_real(struct buf *out, double value)
{
    char text[40];
    bool subnormal = value != 0 && fabs(value) < DBL_MIN;
    for (int digits = subnormal ? 1 : 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    buf_add_cstr(out, text);
    if (strpbrk(text, ".e") == NULL) {
        buf_add_cstr(out, ".0"); /* else it would come back as an integer */
    }
}

/* Pretty text is for people. */
static void write_string(struct writer *w, struct slice s)
{
    if (!w->pretty || text_shown(s) == s.len) {
        json_quote(w->out, s);
        return;
    }
    struct buf quoted = {0};
    json_quote(&quoted, s);
    text_add_escaped(w->out, buf_slice(&quoted), TEXT_JSON);
    buf_free(&quoted);
}

static void write_break(struct writer *w, unsigned depth)
{
    if (w->pretty) {
        buf_add_char(w->out, '\n');
        for (unsigned i = 0; i < depth; i++) {
            buf_add_cstr(w->out, "  ");
        }
    }
}

static int by_key(const void *a, const void *b)
{
    const struct member *x = a;
    const struct member *y = b;
    return slice_cmp(x->key, y->key);
}

/* Gathers the members in insertion order; true if that is sorted order too. */
static bool gather(const json_t *object, struct member *members)
{
    json_t *o = (json_t *)(uintptr_t)object; /* jansson's iterators take no const */
    bool sorted = true;
    size_t n = 0;
    for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
        members[n].key = slice_make(json_object_iter_key(it), json_object_iter_key_len(it));
        members[n].value = json_object_iter_value(it);
        sorted = sorted && (n == 0 || slice_cmp(members[n - 1].key, members[n].key) < 0);
        n++;
    }
    return sorted;
}

static void write_object(struct writer *w, const json_t *object, unsigned depth)
{
    size_t count = json_object_size(object);
    struct member few[KEYS_ON_STACK];
    struct member *members = count <= KEYS_ON_STACK ? few : mem_alloc(count * sizeof *members);
    if (!gather(object, members) && !w->pretty) {
        qsort(members, count, sizeof *members, by_key);
    }
    buf_add_char(w->out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buf_add_char(w->out, ',');
        }
        write_break(w, depth + 1);
        write_string(w, members[i].key);
        buf_add_cstr(w->out, w->pretty ? ": " : ":");
        write_value(w, members[i].value, depth + 1);
    }
    if (count > 0) {
        write_break(w, depth);
    }
    buf_add_char(w->out, '}');
    if (members != few) {
        free(members);
    }
}

static void write_array(struct writer *w, const json_t *array, unsigned depth)
{
    size_t count = json_array_size(array);
    buf_add_char(w->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buf_add_char(w->out, ',');
        }
        write_break(w, depth + 1);
        write_value(w, json_array_get(array, i), depth + 1);
    }
    if (count > 0) {
        write_break(w, depth);
    }
    buf_add_char(w->out, ']');
}

static void write_value(struct writer *w, const json_t *value, unsigned depth)
{
    assert(depth < WRITE_DEPTH_MAX);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(w, value, depth);
        break;
    case JSON_ARRAY:
        write_array(w, value, depth);
        break;
    case JSON_STRING:
        write_string(w, json_text(value));
        break;
    case JSON_INTEGER:
        buf_addf(w->out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        write_real(w->out, json_real_value(value));
        break;
    case JSON_TRUE:
        buf_add_cstr(w->out, "true");
        break;
    case JSON_FALSE:
        buf_add_cstr(w->out, "false");
        break;
    case JSON_NULL:
        buf_add_cstr(w->out, "null");
        break;
    }
}

void json_canonical(const json_t *tree, struct buf *out)
{
    write_value(&(struct writer){.out = out}, tree, 0);
}

void json_pretty(const json_t *tree, struct buf *out)
{
    write_value(&(struct writer){.out = out, .pretty = true}, tree, 0);
}

static int depth_of(const json_t *tree, int budget)
{
    int deepest = 0;
    if (budget == 0 || !(json_is_object(tree) || json_is_array(tree))) {
        return 0;
    }
    if (json_is_array(tree)) {
        for (size_t i = 0; i < json_array_size(tree) && deepest < budget - 1; i++) {
            int d = depth_of(json_array_get(tree, i), budget - 1);
            deepest = d > deepest ? d : deepest;
        }
        return deepest + 1;
    }
    json_t *o = (json_t *)(uintptr_t)tree;
    for (void *it = json_object_iter(o); it != NULL && deepest < budget - 1;
         it = json_object_iter_next(o, it)) {
        int d = depth_of(json_object_iter_value(it), budget - 1);
        deepest = d > deepest ? d : deepest;
    }
    return deepest + 1;
}

int json_depth(const json_t *tree)
{
    return depth_of(tree, JSON_DEPTH_MAX + 1);
}

json_t *json_at(const json_t *tree, ...)
{
    va_list keys;
    va_start(keys, tree);
    const json_t *at = tree;
    for (const char *key = va_arg(keys, const char *); key != NULL && at != NULL;
         key = va_arg(keys, const char *)) {
        at = json_object_get(at, key);
    }
    va_end(keys);
    return (json_t *)(uintptr_t)at;
}

struct slice json_text(const json_t *tree)
{
    if (!json_is_string(tree)) {
        return (struct slice){NULL, 0};
    }
    return slice_make(json_string_value(tree), json_string_length(tree));
}

struct slice json_text_at(const json_t *tree, const char *key)
{
    return json_text(json_object_get(tree, key));
}

json_t *json_str(struct slice s)
{
    json_t *string = json_stringn(s.data != NULL ? s.data : "", s.len);
    if (string != NULL) {
        return string;
    }
    struct buf clean = {0};
    while (s.len > 0) {
        size_t valid = slice_utf8(s);
        buf_add(&clean, slice_sub(s, 0, valid));
        if (valid < s.len) {
            buf_add(&clean, SLICE("\xef\xbf\xbd"));
            valid++;
        }
        s = slice_sub(s, valid, SIZE_MAX);
    }
    string = json_stringn_nocheck(clean.data, clean.len);
    buf_free(&clean);
    return string;
}

json_t *json_base64(struct slice bytes)
{
    struct buf text = {0};
    base64_encode(&text, bytes);
    json_t *value = json_str(buf_slice(&text));
    buf_free(&text);
    return value;
}

json_t *json_child(json_t *object, const char *key)
{
    json_t *child = json_object_get(object, key);
    if (child == NULL && json_is_object(object)) {
        child = json_object();
        int rc = json_object_set_new(object, key, child);
        assert(rc == 0); /* keys come from our code and are UTF-8 */
    }
    return json_is_object(child) ? child : NULL;
}
