/* signature.c: a recursive descent over texts of our own tables. */
#include "render/cel/signature.h"

#include <string.h>

static const enum cel_shape_kind ordered[] = {
    CEL_S_INT,  CEL_S_UINT,  CEL_S_DOUBLE,    CEL_S_STRING,
    CEL_S_BOOL, CEL_S_BYTES, CEL_S_TIMESTAMP, CEL_S_DURATION,
};
enum { NUMBERS = 3, ORDERED = sizeof ordered / sizeof *ordered, LETTERS = 26 };

struct reading {
    struct cel_unify *u;
    struct slice text;
    size_t at;
    const struct cel_shape *letters[LETTERS];
};

static const struct cel_shape *read_type(struct reading *r);

bool cel_signature_next(const char **types, struct slice *overload)
{
    size_t len = strcspn(*types, "|");
    *overload = slice_trim(slice_make(*types, len));
    *types += len + ((*types)[len] == '|' ? 1 : 0);
    return overload->len > 0;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Whether text[at..at+len) is a name as it stands there, not a part of one. */
static bool is_whole(struct slice text, size_t at, size_t len)
{
    size_t end = at + len;
    bool begins = at == 0 || (!is_word(text.data[at - 1]) && text.data[at - 1] != '.');
    bool ends = end == text.len || (!is_word(text.data[end]) && text.data[end] != '.') ||
                slice_starts_with(slice_sub(text, end, SIZE_MAX), SLICE(".("));
    return begins && ends;
}

bool cel_signature_names(const char *types, struct slice name)
{
    enum cel_shape_kind kind;
    struct slice text = slice_of(types);
    if (name.len < 2 || cel_shape_kind_of(name, &kind)) {
        return false;
    }
    for (size_t at = 0; at < text.len; at++) {
        size_t next = slice_find(slice_sub(text, at, SIZE_MAX), name);
        if (next == SIZE_MAX) {
            return false;
        }
        at += next;
        if (is_whole(text, at, name.len)) {
            return true;
        }
    }
    return false;
}

/* Whether the letter stands in the text as a word of its own. */
static bool has_letter(struct slice text, char letter)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == letter && (i == 0 || !is_word(text.data[i - 1])) &&
            (i + 1 == text.len || !is_word(text.data[i + 1]))) {
            return true;
        }
    }
    return false;
}

size_t cel_signature_variants(struct slice overload)
{
    return has_letter(overload, 'C') ? ORDERED : has_letter(overload, 'N') ? NUMBERS : 1;
}

bool cel_signature_takes(struct slice overload, bool receiver, size_t count)
{
    size_t params = overload.data[0] == '(' ? 0 : 1;
    size_t from = slice_find(overload, params == 1 ? SLICE(".(") : SLICE("("));
    if (from == SIZE_MAX || receiver != (params == 1)) {
        return false;
    }
    size_t depth = 0;
    bool any = false;
    for (size_t i = from + params + 1; i < overload.len; i++) {
        char c = overload.data[i];
        if (c == ')' && depth == 0) {
            break;
        }
        depth += c == '(' ? 1 : 0;
        depth -= c == ')' ? 1 : 0;
        params += c == ',' && depth == 0 ? 1 : 0;
        any = true;
    }
    bool variadic = slice_find(overload, SLICE("...")) != SIZE_MAX;
    params += any ? 1 : 0;
    return variadic ? count + 1 >= params : count == params;
}

static bool take(struct reading *r, const char *token)
{
    while (r->at < r->text.len && r->text.data[r->at] == ' ') {
        r->at++;
    }
    if (!slice_starts_with(slice_sub(r->text, r->at, SIZE_MAX), slice_of(token))) {
        return false;
    }
    r->at += strlen(token);
    return true;
}

/* A dotted name; a dot that no name follows is not of it. */
static struct slice take_name(struct reading *r)
{
    (void)take(r, "");
    size_t from = r->at;
    while (r->at < r->text.len && (is_word(r->text.data[r->at]) ||
                                   (r->text.data[r->at] == '.' && r->at + 1 < r->text.len &&
                                    is_word(r->text.data[r->at + 1])))) {
        r->at++;
    }
    return slice_sub(r->text, from, r->at - from);
}

static const struct cel_shape *of_letter(struct reading *r, char letter)
{
    const struct cel_shape **of = &r->letters[letter - 'A'];
    if (*of == NULL) {
        *of = cel_unify_variable(r->u);
    }
    return *of;
}

static bool read_parts(struct reading *r, struct cel_shape *shape)
{
    do {
        const struct cel_shape *part = read_type(r);
        if (part == NULL || shape->count == CEL_SHAPE_PARTS_MAX) {
            return false;
        }
        shape->parts[shape->count++] = part;
    } while (take(r, ","));
    return take(r, ")");
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as our tables' types. */
static const struct cel_shape *read_type(struct reading *r)
{
    enum cel_shape_kind kind;
    struct slice name = take_name(r);
    if (name.len == 1 && name.data[0] >= 'A' && name.data[0] <= 'Z') {
        return of_letter(r, name.data[0]);
    }
    bool ours = cel_shape_kind_of(name, &kind);
    bool parts = name.len > 0 && r->at < r->text.len && r->text.data[r->at] == '(';
    if (ours && !parts) {
        return kind < CEL_S_LIST ? cel_shape_of(kind) : NULL;
    }
    struct cel_shape *shape = ARENA_NEW(r->u->arena, struct cel_shape);
    shape->kind = ours ? kind : CEL_S_OPAQUE;
    shape->name = ours ? SLICE("") : name;
    if (name.len == 0 || (ours && kind < CEL_S_LIST)) {
        return NULL;
    }
    return !parts || (take(r, "(") && read_parts(r, shape)) ? shape : NULL;
}

static bool read_params(struct reading *r, struct cel_signature *out)
{
    if (take(r, ")")) {
        return true;
    }
    do {
        if (take(r, "...")) {
            out->variadic = true;
            break;
        }
        const struct cel_shape *param = read_type(r);
        if (param == NULL || out->count == CEL_PARAMS_MAX) {
            return false;
        }
        out->params[out->count++] = param;
    } while (take(r, ","));
    return take(r, ")");
}

bool cel_signature_read(struct cel_unify *u, struct slice overload, size_t variant,
                        struct cel_signature *out)
{
    struct reading r = {.u = u, .text = overload};
    r.letters['C' - 'A'] = cel_shape_of(ordered[variant]);
    r.letters['N' - 'A'] = cel_shape_of(ordered[variant < NUMBERS ? variant : 0]);
    *out = (struct cel_signature){.receiver = !take(&r, "(")};
    if (out->receiver) {
        out->params[out->count++] = read_type(&r);
        if (out->params[0] == NULL || !take(&r, ".(")) {
            return false;
        }
    }
    if (!read_params(&r, out)) {
        return false;
    }
    out->result = read_type(&r);
    (void)take(&r, "");
    return out->result != NULL && r.at == overload.len;
}
