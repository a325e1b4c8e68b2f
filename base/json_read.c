/* json_read.c: stored bytes to a tree, the short way (declared in json.h).
 *
 * What json_canonical() wrote has no white space, its keys ascend, and nearly all of its strings
 * are plain ASCII: one look at eight bytes at a time finds a string's end and that it may be taken
 * as it lies. Nothing is assumed, all is checked on the way; where anything is not as it should be,
 * the reader gives up, and json_parse() takes the document or says what is wrong with it. */
#include "base/json.h"

#include <string.h>

struct reader {
    struct slice text;
    size_t at;
    struct arena arena; /* of strings that were escaped */
};

static json_t *read_value(struct reader *r, unsigned depth);

static bool take(struct reader *r, char c)
{
    if (r->at >= r->text.len || r->text.data[r->at] != c) {
        return false;
    }
    r->at++;
    return true;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Are all of eight bytes plain? Below 0x80, (b ^ n) - 1 and b - 0x20 borrow only where b is n, or
 * is less than 0x20; from there on the high bit itself says no. */
static bool all_plain(uint64_t w)
{
    const uint64_t each = UINT64_MAX / 255;
    uint64_t quote = (w ^ (each * '"')) - each;
    uint64_t backslash = (w ^ (each * '\\')) - each;
    uint64_t control = w - each * 0x20;
    return ((w | quote | backslash | control) & (each * 0x80)) == 0;
}

/* A string with escapes or more than ASCII. */
static bool read_odd(struct reader *r, struct slice *s)
{
    struct slice rest = slice_sub(r->text, r->at, SIZE_MAX);
    size_t end = 1;
    while (end < rest.len && rest.data[end] != '"' && (unsigned char)rest.data[end] >= 0x20) {
        end += rest.data[end] == '\\' ? 2 : 1;
    }
    *s = json_unquote(slice_sub(rest, 0, end + 1), &r->arena);
    r->at += end + 1;
    return s->data != NULL && slice_utf8(*s) == s->len && memchr(s->data, '\0', s->len) == NULL;
}

static bool read_text(struct reader *r, struct slice *s)
{
    const char *data = r->text.data;
    size_t begin = r->at + 1;
    size_t end = begin;
    uint64_t w;
    if (r->at >= r->text.len || data[r->at] != '"') {
        return false;
    }
    while (r->text.len - end >= sizeof(w)) {
        memcpy(&w, data + end, sizeof(w));
        if (!all_plain(w)) {
            break;
        }
        end += sizeof(w);
    }
    while (end < r->text.len && is_plain((unsigned char)data[end])) {
        end++;
    }
    if (end >= r->text.len || data[end] != '"') {
        return read_odd(r, s);
    }
    *s = slice_make(data + begin, end - begin);
    r->at = end + 1;
    return true;
}

static bool read_members(struct reader *r, json_t *object, unsigned depth)
{
    struct slice before = {0};
    bool first = true;
    r->at++;
    if (take(r, '}')) {
        return true;
    }
    do {
        struct slice key;
        if (!read_text(r, &key) || !take(r, ':') || (!first && slice_cmp(before, key) >= 0)) {
            return false;
        }
        json_t *value = read_value(r, depth);
        if (value == NULL || json_object_setn_new_nocheck(object, key.data, key.len, value) != 0) {
            return false;
        }
        before = key;
        first = false;
    } while (take(r, ','));
    return take(r, '}');
}

static bool read_items(struct reader *r, json_t *array, unsigned depth)
{
    r->at++;
    if (take(r, ']')) {
        return true;
    }
    do {
        json_t *value = read_value(r, depth);
        if (value == NULL || json_array_append_new(array, value) != 0) {
            return false;
        }
    } while (take(r, ','));
    return take(r, ']');
}

/* NULL if it is none, as all here. */
static json_t *read_nested(struct reader *r, bool object, unsigned depth)
{
    if (depth == JSON_DEPTH_MAX) {
        return NULL;
    }
    json_t *value = object ? json_object() : json_array();
    bool whole = object ? read_members(r, value, depth + 1) : read_items(r, value, depth + 1);
    if (!whole) {
        json_decref(value);
        return NULL;
    }
    return value;
}

/* A number or a word. */
static json_t *read_word(struct reader *r)
{
    size_t begin = r->at;
    while (r->at < r->text.len && strchr(",]}", r->text.data[r->at]) == NULL) {
        r->at++;
    }
    struct slice word = slice_sub(r->text, begin, r->at - begin);
    int64_t number;
    json_t *value = NULL;
    if (word.len > 0 && word.data[0] >= '1' && word.data[0] <= '9' && slice_i64(word, &number)) {
        return json_integer(number);
    }
    if (slice_eq_cstr(word, "true") || slice_eq_cstr(word, "false")) {
        return json_boolean(word.data[0] == 't');
    }
    return json_parse(word, &value, NULL) == 0 ? value : NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static json_t *read_value(struct reader *r, unsigned depth)
{
    struct slice text;
    char c = r->at < r->text.len ? r->text.data[r->at] : '\0';
    if (c == '{' || c == '[') {
        return read_nested(r, c == '{', depth);
    }
    if (c == '"') {
        return read_text(r, &text) ? json_stringn_nocheck(text.data, text.len) : NULL;
    }
    return read_word(r);
}

int json_read(struct slice canonical, json_t **tree, struct err *err)
{
    struct reader r = {.text = canonical};
    *tree = read_value(&r, 0);
    arena_free(&r.arena);
    if (*tree != NULL && r.at == canonical.len) {
        return 0;
    }
    json_decref(*tree);
    return json_parse(canonical, tree, err);
}
