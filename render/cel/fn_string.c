/* fn_string.c: the standard string functions and the strings extension.
 *
 * Positions count code points. What a function builds is charged by its bytes before it is built
 * where its size is known, and as it grows where it is not. */
#include "render/cel/functions.h"

#include <string.h>

#include "base/crypto.h"

static bool all_strings(const struct cel_value *args, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (args[i].type != CEL_STRING) {
            return false;
        }
    }
    return true;
}

/* Takes what was built out of the buffer, into the arena. */
static struct cel_value take(struct cel_ctx *ctx, struct buf *text)
{
    struct cel_value v = cel_string(arena_copy(ctx->arena, buf_slice(text)));
    buf_free(text);
    return v;
}

/* The byte at which code point number position starts; SIZE_MAX behind the end. */
static size_t byte_at(struct slice text, int64_t position)
{
    size_t at = 0;
    uint32_t point;
    for (; position > 0 && at < text.len; position--) {
        at += cel_utf8_next(text, at, &point);
    }
    return position == 0 ? at : SIZE_MAX;
}

static struct slice behind(struct slice text, size_t at)
{
    return slice_sub(text, at, text.len - at);
}

CEL_FN(cel_fn_contains)
{
    if (!all_strings(args, count)) {
        return cel_no_overload(ctx, "contains", args, count);
    }
    *out = cel_bool(slice_find(args[0].as.text, args[1].as.text) != SIZE_MAX);
    return cel_charge_bytes(ctx, args[0].as.text.len + args[1].as.text.len);
}

CEL_FN(cel_fn_starts_with)
{
    if (!all_strings(args, count)) {
        return cel_no_overload(ctx, "startsWith", args, count);
    }
    *out = cel_bool(slice_starts_with(args[0].as.text, args[1].as.text));
    return cel_charge_bytes(ctx, args[1].as.text.len);
}

CEL_FN(cel_fn_ends_with)
{
    if (!all_strings(args, count)) {
        return cel_no_overload(ctx, "endsWith", args, count);
    }
    *out = cel_bool(slice_ends_with(args[0].as.text, args[1].as.text));
    return cel_charge_bytes(ctx, args[1].as.text.len);
}

CEL_FN(cel_fn_char_at)
{
    if (args[0].type != CEL_STRING || args[1].type != CEL_INT) {
        return cel_no_overload(ctx, "charAt", args, count);
    }
    struct slice text = args[0].as.text;
    size_t at = args[1].as.integer >= 0 ? byte_at(text, args[1].as.integer) : SIZE_MAX;
    uint32_t point;
    if (at == SIZE_MAX) {
        return cel_fail(ctx, "index out of range: %lld", (long long)args[1].as.integer);
    }
    size_t len = at < text.len ? cel_utf8_next(text, at, &point) : 0;
    *out = cel_string(slice_sub(text, at, len));
    return cel_charge_bytes(ctx, text.len);
}

CEL_FN(cel_fn_index_of)
{
    if (!all_strings(args, 2) || (count == 3 && args[2].type != CEL_INT)) {
        return cel_no_overload(ctx, "indexOf", args, count);
    }
    struct slice text = args[0].as.text;
    int64_t from = count == 3 ? args[2].as.integer : 0;
    size_t start = from >= 0 ? byte_at(text, from) : SIZE_MAX;
    if (start == SIZE_MAX) {
        return cel_fail(ctx, "index out of range: %lld", (long long)from);
    }
    size_t at = slice_find(behind(text, start), args[1].as.text);
    *out =
        cel_int(at == SIZE_MAX ? -1 : from + (int64_t)cel_utf8_count(slice_sub(text, start, at)));
    return cel_charge_bytes(ctx, text.len + args[1].as.text.len);
}

CEL_FN(cel_fn_last_index_of)
{
    if (!all_strings(args, 2) || (count == 3 && args[2].type != CEL_INT)) {
        return cel_no_overload(ctx, "lastIndexOf", args, count);
    }
    struct slice text = args[0].as.text;
    struct slice needle = args[1].as.text;
    size_t last = text.len;
    if (count == 3) {
        last = args[2].as.integer >= 0 ? byte_at(text, args[2].as.integer) : SIZE_MAX;
        if (last == SIZE_MAX) {
            return cel_fail(ctx, "index out of range: %lld", (long long)args[2].as.integer);
        }
    }
    *out = cel_int(-1);
    if (!cel_charge(ctx, (text.len / 16 + 1) * (needle.len / 16 + 1))) {
        return false;
    }
    for (size_t at = last + 1; at > 0; at--) {
        if (slice_starts_with(behind(text, at - 1), needle)) {
            *out = cel_int((int64_t)cel_utf8_count(slice_sub(text, 0, at - 1)));
            break;
        }
    }
    return true;
}

static bool map_ascii(struct cel_ctx *ctx, const char *name, char from, char to, int shift,
                      const struct cel_value *args, size_t count, struct cel_value *out)
{
    if (!all_strings(args, count)) {
        return cel_no_overload(ctx, name, args, count);
    }
    struct slice text = args[0].as.text;
    if (!cel_charge_bytes(ctx, text.len)) {
        return false;
    }
    char *data = arena_cstr(ctx->arena, text);
    for (size_t i = 0; i < text.len; i++) {
        if (data[i] >= from && data[i] <= to) {
            data[i] = (char)(data[i] + shift);
        }
    }
    *out = cel_string(slice_make(data, text.len));
    return true;
}

CEL_FN(cel_fn_lower_ascii)
{
    return map_ascii(ctx, "lowerAscii", 'A', 'Z', 'a' - 'A', args, count, out);
}

CEL_FN(cel_fn_upper_ascii)
{
    return map_ascii(ctx, "upperAscii", 'a', 'z', 'A' - 'a', args, count, out);
}

CEL_FN(cel_fn_replace)
{
    if (!all_strings(args, 3) || (count == 4 && args[3].type != CEL_INT)) {
        return cel_no_overload(ctx, "replace", args, count);
    }
    struct slice text = args[0].as.text;
    struct slice old = args[1].as.text;
    int64_t limit = count == 4 ? args[3].as.integer : -1;
    struct buf result = {0};
    size_t at = 0;
    bool ok = true;
    while (ok && limit != 0) {
        /* An empty old text is found before every code point and at the end. */
        size_t next = slice_find(behind(text, at), old);
        if (next == SIZE_MAX) {
            break;
        }
        buf_add(&result, slice_sub(text, at, next));
        buf_add(&result, args[2].as.text);
        ok = cel_charge_bytes(ctx, next + args[2].as.text.len);
        at += next + old.len;
        limit--;
        if (old.len == 0) {
            if (at >= text.len) {
                break;
            }
            uint32_t point;
            size_t len = cel_utf8_next(text, at, &point);
            buf_add(&result, slice_sub(text, at, len));
            at += len;
        }
    }
    buf_add(&result, behind(text, at < text.len ? at : text.len));
    *out = take(ctx, &result);
    return ok && cel_charge_bytes(ctx, text.len);
}

struct parts {
    struct cel_value *items;
    size_t count;
    size_t cap;
};

static bool add_part(struct cel_ctx *ctx, struct parts *parts, struct slice text)
{
    if (parts->count == parts->cap) {
        size_t cap = parts->cap == 0 ? 8 : parts->cap * 2;
        struct cel_value *larger = arena_alloc(ctx->arena, cap * sizeof *larger);
        if (parts->count > 0) {
            memcpy(larger, parts->items, parts->count * sizeof *larger);
        }
        parts->items = larger;
        parts->cap = cap;
    }
    parts->items[parts->count++] = cel_string(text);
    return cel_charge_bytes(ctx, text.len);
}

CEL_FN(cel_fn_split)
{
    if (!all_strings(args, 2) || (count == 3 && args[2].type != CEL_INT)) {
        return cel_no_overload(ctx, "split", args, count);
    }
    struct slice text = args[0].as.text;
    struct slice separator = args[1].as.text;
    int64_t limit = count == 3 ? args[2].as.integer : -1;
    struct parts parts = {0};
    size_t at = 0;
    bool ok = true;
    while (ok && limit != 0) {
        struct slice rest = behind(text, at);
        size_t next = slice_find(rest, separator);
        if (separator.len == 0) {
            uint32_t point;
            next = rest.len > 0 ? cel_utf8_next(rest, 0, &point) : 0;
            if (rest.len == 0) {
                break;
            }
            next = next == rest.len ? SIZE_MAX : next;
        }
        limit--;
        if (next == SIZE_MAX || limit == 0) {
            ok = add_part(ctx, &parts, rest);
            break;
        }
        ok = add_part(ctx, &parts, slice_sub(rest, 0, next));
        at += next + separator.len;
    }
    static const struct cel_value none[1];
    *out = cel_list_of(ctx->arena, parts.items != NULL ? parts.items : none, parts.count);
    return ok;
}

CEL_FN(cel_fn_substring)
{
    if (args[0].type != CEL_STRING || args[1].type != CEL_INT ||
        (count == 3 && args[2].type != CEL_INT)) {
        return cel_no_overload(ctx, "substring", args, count);
    }
    struct slice text = args[0].as.text;
    size_t from = args[1].as.integer >= 0 ? byte_at(text, args[1].as.integer) : SIZE_MAX;
    size_t to = text.len;
    if (count == 3) {
        to = args[2].as.integer >= 0 ? byte_at(text, args[2].as.integer) : SIZE_MAX;
    }
    if (from == SIZE_MAX || to == SIZE_MAX || from > to) {
        return cel_fail(ctx, "index out of range in substring()");
    }
    *out = cel_string(slice_sub(text, from, to - from));
    return cel_charge_bytes(ctx, text.len);
}

static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

CEL_FN(cel_fn_trim)
{
    if (!all_strings(args, count)) {
        return cel_no_overload(ctx, "trim", args, count);
    }
    struct slice text = args[0].as.text;
    size_t from = 0;
    size_t end = 0;
    uint32_t point;
    bool leading = true;
    for (size_t at = 0; at < text.len;) {
        size_t len = cel_utf8_next(text, at, &point);
        if (!is_space(point)) {
            from = leading ? at : from;
            leading = false;
            end = at + len;
        }
        at += len;
    }
    *out = cel_string(slice_sub(text, from, end - from));
    return cel_charge_bytes(ctx, text.len);
}

CEL_FN(cel_fn_join)
{
    if (args[0].type != CEL_LIST || (count == 2 && args[1].type != CEL_STRING)) {
        return cel_no_overload(ctx, "join", args, count);
    }
    const struct cel_list *list = args[0].as.list;
    struct slice separator = count == 2 ? args[1].as.text : SLICE("");
    struct buf text = {0};
    for (size_t i = 0; i < list->count; i++) {
        struct cel_value v = cel_list_at(ctx, list, i);
        bool ok = v.type == CEL_STRING ? cel_charge_bytes(ctx, v.as.text.len + separator.len)
                                       : cel_no_overload(ctx, "join", &v, 1);
        if (!ok) {
            buf_free(&text);
            return false;
        }
        buf_add(&text, i > 0 ? separator : SLICE(""));
        buf_add(&text, v.as.text);
    }
    *out = take(ctx, &text);
    return true;
}

static void reverse_text(struct slice text, char *result)
{
    size_t end = text.len;
    uint32_t point;
    for (size_t at = 0; at < text.len;) {
        size_t len = cel_utf8_next(text, at, &point);
        end -= len;
        memcpy(result + end, text.data + at, len);
        at += len;
    }
}

/* Of a string or of a list. */
CEL_FN(cel_fn_reverse)
{
    if (args[0].type == CEL_STRING) {
        struct slice text = args[0].as.text;
        if (!cel_charge_bytes(ctx, text.len)) {
            return false;
        }
        char *result = arena_alloc(ctx->arena, text.len + 1);
        reverse_text(text, result);
        *out = cel_string(slice_make(result, text.len));
        return true;
    }
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, "reverse", args, count);
    }
    const struct cel_list *list = args[0].as.list;
    if (!cel_charge(ctx, list->count)) {
        return false;
    }
    struct cel_value *items = arena_alloc(ctx->arena, (list->count + 1) * sizeof *items);
    for (size_t i = 0; i < list->count; i++) {
        items[i] = cel_list_at(ctx, list, list->count - 1 - i);
    }
    *out = cel_list_of(ctx->arena, items, list->count);
    return true;
}

CEL_FN(cel_fn_quote)
{
    static const char special[] = "\a\b\f\n\r\t\v\\\"";
    static const char letters[] = "abfnrtv\\\"";
    if (!all_strings(args, count)) {
        return cel_no_overload(ctx, "strings.quote", args, count);
    }
    struct slice text = args[0].as.text;
    struct buf quoted = {0};
    if (!cel_charge_bytes(ctx, text.len)) {
        return false;
    }
    buf_add_char(&quoted, '"');
    for (size_t i = 0; i < text.len; i++) {
        const char *found = text.data[i] != '\0' ? strchr(special, text.data[i]) : NULL;
        if (found != NULL) {
            buf_add_char(&quoted, '\\');
            buf_add_char(&quoted, letters[found - special]);
        } else {
            buf_add_char(&quoted, text.data[i]);
        }
    }
    buf_add_char(&quoted, '"');
    *out = take(ctx, &quoted);
    return true;
}

CEL_FN(cel_fn_base64_encode)
{
    if (args[0].type != CEL_BYTES && args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "base64.encode", args, count);
    }
    struct buf text = {0};
    if (!cel_charge_bytes(ctx, args[0].as.text.len)) {
        return false;
    }
    base64_encode(&text, args[0].as.text);
    *out = take(ctx, &text);
    return true;
}

CEL_FN(cel_fn_base64_decode)
{
    if (!all_strings(args, count)) {
        return cel_no_overload(ctx, "base64.decode", args, count);
    }
    struct buf bytes = {0};
    if (!cel_charge_bytes(ctx, args[0].as.text.len)) {
        return false;
    }
    if (!base64_decode(&bytes, args[0].as.text)) {
        buf_free(&bytes);
        return cel_fail(ctx, "base64.decode(): malformed text");
    }
    *out = take(ctx, &bytes);
    out->type = CEL_BYTES;
    return true;
}
