/* yaml_text.c: the value of a scalar token.
 *
 * Mostly it is libfyaml's. What libfyaml 0.7.12 gets wrong is decoded here, by YAML 1.2, sections
 * 7.3.2 and 8.1.3, from the bytes as they stand in the document. In single quotes it loses memory
 * over runs of quotes (up to 45 times the text), miscounts them before a line break, and drops a
 * break at the end. In folded blocks it reads beyond the text after lines that are indented more;
 * with an indentation indicator, which is rare, its reading is kept. */
#include "base/yaml_internal.h"

#include <libfyaml.h>
#include <string.h>

struct slice yaml__token_text(struct fy_token *token)
{
    size_t len = 0;
    const char *text = token != NULL ? fy_token_get_text(token, &len) : NULL;
    return slice_make(text, text != NULL ? len : 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The line break at raw[at], with the blanks and further breaks that follow it: one break is folded
 * into a space, of more the first is dropped. Returns where the next line's text starts. */
static size_t fold(struct slice raw, size_t at, struct buf *out)
{
    size_t breaks = 0;
    while (out->len > 0 && is_blank(out->data[out->len - 1])) {
        out->len--;
    }
    for (; at < raw.len; at++) {
        bool crlf = raw.data[at] == '\r' && at + 1 < raw.len && raw.data[at + 1] == '\n';
        if (!crlf && (raw.data[at] == '\n' || raw.data[at] == '\r')) {
            breaks++;
        } else if (!crlf && !is_blank(raw.data[at])) {
            break;
        }
    }
    if (breaks == 1) {
        buf_add_char(out, ' ');
    }
    for (size_t i = 1; i < breaks; i++) {
        buf_add_char(out, '\n');
    }
    return at;
}

static void unquote_single(struct slice raw, struct buf *out)
{
    for (size_t i = 0; i < raw.len;) {
        char c = raw.data[i];
        if (c == '\n' || c == '\r') {
            i = fold(raw, i, out);
        } else {
            buf_add_char(out, c);
            i += c == '\'' ? 2 : 1; /* a quote comes twice */
        }
    }
}

static void add_breaks(struct buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_add_char(out, '\n');
    }
}

static size_t leading_spaces(struct slice line)
{
    size_t n = 0;
    while (n < line.len && line.data[n] == ' ') {
        n++;
    }
    return n;
}

/* Cuts the next line, without its break. */
static bool next_line(struct slice *rest, struct slice *line)
{
    if (rest->len == 0) {
        return false;
    }
    size_t end = slice_find(*rest, SLICE("\n"));
    *line = slice_sub(*rest, 0, end);
    *rest = slice_sub(*rest, line->len + 1, SIZE_MAX);
    if (line->len > 0 && line->data[line->len - 1] == '\r') {
        line->len--;
    }
    return true;
}

/* The block's indentation is that of its first line with text. */
static size_t block_indent(struct slice raw)
{
    struct slice line;
    while (next_line(&raw, &line)) {
        size_t spaces = leading_spaces(line);
        if (spaces < line.len) {
            return spaces;
        }
    }
    return SIZE_MAX;
}

static void fold_block(struct slice raw, char chomping, struct buf *out)
{
    size_t indent = block_indent(raw);
    size_t empty = 0;          /* lines since the last with text */
    bool any = false;          /* there was one with text */
    bool spaced_before = true; /* it was indented more, so that breaks around it stay */
    struct slice line;
    while (next_line(&raw, &line)) {
        if (leading_spaces(line) == line.len && line.len <= indent) {
            empty++;
            continue;
        }
        struct slice text = slice_sub(line, indent, SIZE_MAX);
        if (text.len == 0) { /* a tab before the indentation is reached */
            empty++;
            continue;
        }
        bool spaced = is_blank(text.data[0]);
        if (!any) {
            add_breaks(out, empty);
        } else if (spaced || spaced_before) {
            add_breaks(out, empty + 1);
        } else if (empty > 0) {
            add_breaks(out, empty);
        } else {
            buf_add_char(out, ' ');
        }
        buf_add(out, text);
        empty = 0;
        any = true;
        spaced_before = spaced;
    }
    if (chomping == '+') {
        add_breaks(out, empty + (any ? 1 : 0));
    } else if (chomping != '-' && any) {
        buf_add_char(out, '\n');
    }
}

/* The header, from '>' on, of the folded block whose text starts at that offset; empty if unclear.
 */
static struct slice block_header(struct slice text, size_t start)
{
    size_t end = start;
    while (end > 0 && (text.data[end - 1] == '\n' || text.data[end - 1] == '\r')) {
        end--;
        if (text.data[end] == '\n') {
            break;
        }
    }
    size_t from = end;
    while (from > 0 && text.data[from - 1] != '\n') {
        from--;
    }
    for (; from < end; from++) {
        size_t at = from + 1;
        while (at < end && strchr("+-0123456789", text.data[at]) != NULL) {
            at++;
        }
        struct slice rest = slice_trim(slice_sub(text, at, end - at));
        bool comment = rest.len > 0 && rest.data[0] == '#' && text.data[at] != '#';
        if (text.data[from] == '>' && (rest.len == 0 || comment)) {
            return slice_sub(text, from, at - from);
        }
    }
    return (struct slice){NULL, 0};
}

struct slice yaml__scalar_text(struct slice text, struct fy_token *token, struct buf *decoded)
{
    const struct fy_mark *start = token != NULL ? fy_token_start_mark(token) : NULL;
    const struct fy_mark *end = token != NULL ? fy_token_end_mark(token) : NULL;
    enum fy_scalar_style style = token != NULL ? fy_token_scalar_style(token) : FYSS_PLAIN;
    if (start == NULL || end == NULL || end->input_pos <= start->input_pos) {
        return yaml__token_text(token);
    }
    struct slice raw = slice_sub(text, start->input_pos, end->input_pos - start->input_pos);
    buf_clear(decoded);
    if (style == FYSS_SINGLE_QUOTED) {
        unquote_single(raw, decoded);
        return buf_slice(decoded);
    }
    struct slice header =
        style == FYSS_FOLDED ? block_header(text, start->input_pos) : (struct slice){NULL, 0};
    if (header.len == 1 || (header.len == 2 && (header.data[1] == '+' || header.data[1] == '-'))) {
        fold_block(raw, header.len == 2 ? header.data[1] : ' ', decoded);
        return buf_slice(decoded);
    }
    return yaml__token_text(token);
}
