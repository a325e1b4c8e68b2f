/* yaml_emit.c: trees as YAML for people (declared in yaml.h).
 *
 * Block style; a sequence stands at its key's indentation, as kubectl prints it. A string is plain
 * where every reader takes it for that string (YAML 1.1 readers too: "yes", 0755 and 1:20 are
 * quoted), a literal block where it has lines, else in double quotes, whose escapes are
 * JSON's but beyond U+FFFF. What may not be shown (text.h) is always an escape.
 * Invariant: yaml_parse() of the output gives the tree back. */
#include "base/yaml.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

enum {
    KEY_MAX_BYTES = 1000,
    EMIT_DEPTH_MAX = 8 * JSON_DEPTH_MAX
}; /* YAML: simple keys end at 1024 */

static void emit_value(struct buf *out, const json_t *value, unsigned indent, bool after_key);

/* Words that some schema of YAML takes for no string. */
static bool is_special_word(struct slice s)
{
    static const char *const words[] = {"null",  "true", "false", "yes",  "no",   "on",
                                        "off",   "y",    "n",     ".nan", ".inf", "-.inf",
                                        "+.inf", "~",    "<<",    "=",    "---",  "..."};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (s.len == strlen(words[i]) && strncasecmp(s.data, words[i], s.len) == 0) {
            return true;
        }
    }
    return false;
}

/* A superset of the numbers and dates of all schemas; addresses like 10.0.0.1 are none. */
static bool resembles_number(struct slice s)
{
    static const char first[] = "0123456789+-.";
    static const char others[] = "0123456789+-._:xXoOabcdefABCDEFTtZz";
    size_t dots = 0;
    if (strchr(first, s.data[0]) == NULL) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (strchr(others, s.data[i]) == NULL) {
            return false;
        }
        dots += s.data[i] == '.';
    }
    return dots < 2 || memchr(s.data, ':', s.len) != NULL;
}

static bool plain_is_safe(struct slice s)
{
    if (s.len == 0 || s.data[0] == ' ' || s.data[s.len - 1] == ' ' || s.data[s.len - 1] == ':' ||
        strchr("-?:,[]{}#&*!|>'\"%@`=~", s.data[0]) != NULL) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        bool breaks = (c == ':' && i + 1 < s.len && s.data[i + 1] == ' ') ||
                      (c == '#' && i > 0 && s.data[i - 1] == ' ');
        /* Beyond ASCII there are blanks and breaks of old readers; quoting is always right. */
        if (c < ' ' || c >= 0x7f || breaks) {
            return false;
        }
    }
    return !slice_starts_with(s, SLICE("...")) && !is_special_word(s) && !resembles_number(s);
}

/* Whether a literal block gives the string back: it has lines, the first is not indented or empty
 * (which would need an indentation indicator), and nothing needs an escape. */
static bool literal_is_safe(struct slice s)
{
    if (slice_find(s, SLICE("\n")) == SIZE_MAX || s.data[0] == ' ' || s.data[0] == '\n' ||
        s.data[0] == '\t') {
        return false;
    }
    for (size_t i = text_shown(s); i < s.len; i += 1 + text_shown(slice_sub(s, i + 1, SIZE_MAX))) {
        if (s.data[i] != '\n' && s.data[i] != '\t') {
            return false;
        }
    }
    return slice_find(s, SLICE("\xef\xbf\xbe")) == SIZE_MAX &&
           slice_find(s, SLICE("\xef\xbf\xbf")) == SIZE_MAX;
}

static void emit_quoted(struct buf *out, struct slice s)
{
    struct buf quoted = {0};
    json_quote(&quoted, s);
    text_add_escaped(out, buf_slice(&quoted), TEXT_YAML);
    buf_free(&quoted);
}

static void emit_indent(struct buf *out, unsigned indent)
{
    for (unsigned i = 0; i < indent; i++) {
        buf_add_cstr(out, "  ");
    }
}

static void emit_literal(struct buf *out, struct slice s, unsigned indent)
{
    size_t breaks = 0;
    while (breaks < s.len && s.data[s.len - 1 - breaks] == '\n') {
        breaks++;
    }
    buf_add_cstr(out, breaks == 0 ? "|-\n" : breaks == 1 ? "|\n" : "|+\n");
    if (breaks > 0) {
        s.len--; /* the last break ends the last line below */
    }
    struct slice rest = s;
    for (;;) {
        size_t end = slice_find(rest, SLICE("\n"));
        struct slice line = slice_sub(rest, 0, end);
        if (line.len > 0) {
            emit_indent(out, indent);
            buf_add(out, line);
        }
        buf_add_char(out, '\n');
        if (end == SIZE_MAX) {
            return;
        }
        rest = slice_sub(rest, end + 1, SIZE_MAX);
    }
}

/* A string as a value, with the end of its line. */
static void emit_string(struct buf *out, struct slice s, unsigned indent)
{
    if (plain_is_safe(s)) {
        buf_add(out, s);
    } else if (literal_is_safe(s)) {
        emit_literal(out, s, indent > 0 ? indent : 1);
        return;
    } else {
        emit_quoted(out, s);
    }
    buf_add_char(out, '\n');
}

static void emit_key(struct buf *out, struct slice key, unsigned indent)
{
    size_t before = out->len;
    if (plain_is_safe(key)) {
        buf_add(out, key);
    } else {
        emit_quoted(out, key);
    }
    if (out->len - before > KEY_MAX_BYTES) {
        struct buf quoted = {0};
        buf_add(&quoted, slice_make(out->data + before, out->len - before));
        out->len = before;
        buf_add_cstr(out, "? ");
        buf_add(out, buf_slice(&quoted));
        buf_add_char(out, '\n');
        emit_indent(out, indent);
        buf_free(&quoted);
    }
    buf_add_char(out, ':');
}

/* The first line is already indented by the caller, who wrote "- " or nothing there. */
static void emit_object(struct buf *out, const json_t *object, unsigned indent)
{
    json_t *o = (json_t *)(uintptr_t)object; /* jansson's iterators take no const */
    bool first = true;
    for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
        if (!first) {
            emit_indent(out, indent);
        }
        first = false;
        emit_key(out, slice_make(json_object_iter_key(it), json_object_iter_key_len(it)), indent);
        emit_value(out, json_object_iter_value(it), indent, true);
    }
}

static void emit_array(struct buf *out, const json_t *array, unsigned indent)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0) {
            emit_indent(out, indent);
        }
        buf_add_cstr(out, "- ");
        emit_value(out, json_array_get(array, i), indent + 1, false);
    }
}

static void emit_value(struct buf *out, const json_t *value, unsigned indent, bool after_key)
{
    assert(indent < EMIT_DEPTH_MAX);
    bool object = json_object_size(value) > 0;
    bool array = json_array_size(value) > 0;
    if (!object && !array) {
        buf_add_cstr(out, after_key ? " " : "");
        if (json_is_string(value)) {
            emit_string(out, json_text(value), after_key ? indent + 1 : indent);
        } else {
            json_canonical(value, out);
            buf_add_char(out, '\n');
        }
        return;
    }
    unsigned inner = after_key && object ? indent + 1 : indent;
    if (after_key) {
        buf_add_char(out, '\n');
        emit_indent(out, inner);
    }
    if (object) {
        emit_object(out, value, inner);
    } else {
        emit_array(out, value, inner);
    }
}

void yaml_emit(const json_t *tree, struct buf *out)
{
    emit_value(out, tree, 0, false);
}
