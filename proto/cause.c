/* Causes are appended to an array in the caller's arena that doubles; beyond CAUSES_MAX they are
 * only counted, so that a hostile input cannot make its own refusal expensive. */
#include "proto/cause.h"

#include <string.h>

static const char *const reasons[] = {
    [CAUSE_INVALID] = "FieldValueInvalid",
    [CAUSE_REQUIRED] = "FieldValueRequired",
    [CAUSE_NOT_SUPPORTED] = "FieldValueNotSupported",
    [CAUSE_DUPLICATE] = "FieldValueDuplicate",
    [CAUSE_FORBIDDEN] = "FieldValueForbidden",
    [CAUSE_TOO_LONG] = "FieldValueTooLong",
    [CAUSE_TOO_MANY] = "FieldValueTooMany",
    [CAUSE_TYPE] = "FieldValueTypeInvalid",
    [CAUSE_CONFLICT] = "FieldManagerConflict",
    [CAUSE_NOT_FOUND] = "FieldValueNotFound",
};

enum { CAUSE_MESSAGE_MAX = 1024, CAUSES_TEXT_MAX = 20 };

const char *cause_reason(enum cause_kind kind)
{
    return reasons[kind];
}

void cause_add(struct causes *causes, enum cause_kind kind, struct slice field, const char *format,
               ...)
{
    if (causes->count == CAUSES_MAX) {
        causes->dropped++;
        return;
    }
    if (causes->count == causes->cap) {
        size_t cap = causes->cap == 0 ? 8 : causes->cap * 2;
        struct cause *items = arena_alloc(causes->arena, cap * sizeof(*items));
        if (causes->count > 0) {
            memcpy(items, causes->items, causes->count * sizeof(*items));
        }
        causes->items = items;
        causes->cap = cap;
    }
    char text[CAUSE_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len < 0) {
        len = 0;
    }
    size_t used = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    /* Cut at a character's start, so that the text stays UTF-8. */
    while (used < (size_t)len && used > 0 && ((unsigned char)text[used] & 0xc0) == 0x80) {
        used--;
    }
    causes->items[causes->count++] = (struct cause){
        .kind = kind,
        .field = arena_copy(causes->arena, field),
        .message = arena_copy(causes->arena, slice_make(text, used)),
    };
}

static void add_one(const struct cause *cause, struct buf *out)
{
    if (cause->field.len > 0) {
        buf_add(out, cause->field);
        buf_add_cstr(out, ": ");
    }
    buf_add(out, cause->message);
}

void causes_text(const struct causes *causes, struct buf *out)
{
    if (causes->count == 0) {
        return;
    }
    if (causes->count == 1 && causes->dropped == 0) {
        add_one(&causes->items[0], out);
        return;
    }
    size_t shown = causes->count < CAUSES_TEXT_MAX ? causes->count : CAUSES_TEXT_MAX;
    buf_add_char(out, '[');
    for (size_t i = 0; i < shown; i++) {
        if (i > 0) {
            buf_add_cstr(out, ", ");
        }
        add_one(&causes->items[i], out);
    }
    size_t more = causes->count - shown + causes->dropped;
    if (more > 0) {
        buf_addf(out, ", and %zu more", more);
    }
    buf_add_char(out, ']');
}

json_t *causes_json(const struct causes *causes)
{
    json_t *list = json_array();
    for (size_t i = 0; i < causes->count; i++) {
        const struct cause *cause = &causes->items[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s%, s:s%}", "reason", cause_reason(cause->kind),
                                        "message", cause->message.data, cause->message.len, "field",
                                        cause->field.data, cause->field.len));
    }
    return list;
}
