/* findings.c: findings, each once, told in the order of their places. */
#include "cli/findings.h"

#include <stdlib.h>
#include <string.h>

#include "cli/print.h"
#include "proto/object.h"

static const char *const severities[] = {"error", "warning", "note"};

static const char *copied(struct findings *f, const char *text)
{
    return text != NULL ? arena_cstr(&f->arena, slice_of(text)) : NULL;
}

/* What a finding says of its object, f's. */
static const json_t *named(struct findings *f, const json_t *object)
{
    if (object == NULL) {
        return NULL;
    }
    json_t *name =
        json_pack("{s:o, s:o, s:{s:o, s:o}}", "apiVersion", json_str(object_api_version(object)),
                  "kind", json_str(object_kind(object)), "metadata", "namespace",
                  json_str(object_ns(object)), "name", json_str(object_name(object)));
    f->objects = f->objects != NULL ? f->objects : json_array();
    json_array_append_new(f->objects, name);
    return name;
}

/* By what one finding is the same as another: all but where it came up. */
static const char *key_of(struct findings *f, const struct finding *one)
{
    return arena_printf(
        &f->arena, "%s:%d:%s:%s:%s", one->file != NULL ? one->file : "", one->line,
        one->file != NULL || one->object == NULL ? "" : manifest_title(one->object, &f->arena),
        one->field != NULL ? one->field : "", one->same != NULL ? one->same : one->message);
}

void findings_add(struct findings *f, const struct finding *finding)
{
    const char *key = key_of(f, finding);
    f->seen = f->seen != NULL ? f->seen : json_object();
    const json_t *before = json_object_get(f->seen, key);
    if (before != NULL) {
        f->more[json_integer_value(before)]++;
        return;
    }
    if (f->count == f->cap) {
        f->cap = f->cap > 0 ? 2 * f->cap : 16;
        f->items = mem_resize(f->items, f->cap * sizeof *f->items);
        f->more = mem_resize(f->more, f->cap * sizeof *f->more);
    }
    json_object_set_new(f->seen, key, json_integer((json_int_t)f->count));
    f->errors += finding->severity == SEVERITY_ERROR;
    f->warnings += finding->severity == SEVERITY_WARNING;
    f->more[f->count] = 0;
    f->items[f->count++] = (struct finding){
        .severity = finding->severity,
        .file = copied(f, finding->file),
        .line = finding->line,
        .column = finding->column,
        .object = named(f, finding->object),
        .field = copied(f, finding->field),
        .condition = copied(f, finding->condition),
        .reason = copied(f, finding->reason),
        .message = copied(f, finding->message),
        .where = copied(f, finding->where),
        .hint = copied(f, finding->hint),
    };
}

/* The number behind the last colon, which is cut off; 0: there is none. */
static int cut_number(struct slice *place)
{
    size_t at = place->len;
    uint64_t number = 0;
    while (at > 0 && place->data[at - 1] != ':') {
        at--;
    }
    if (at == 0 || at == place->len || !slice_u64(slice_sub(*place, at, SIZE_MAX), &number)) {
        return 0;
    }
    *place = slice_sub(*place, 0, at - 1);
    return (int)number;
}

void findings_add_fault(struct findings *f, struct slice text)
{
    size_t end = slice_find(text, SLICE(": "));
    struct slice place = slice_sub(text, 0, end);
    int last = end != SIZE_MAX ? cut_number(&place) : 0;
    int first = last > 0 ? cut_number(&place) : 0;
    struct finding one = {.reason = "Unreadable", .message = arena_cstr(&f->arena, text)};
    if (last > 0) {
        one.file = arena_cstr(&f->arena, place);
        one.line = first > 0 ? first : last;
        one.column = first > 0 ? last : 0;
        one.message = arena_cstr(&f->arena, slice_sub(text, end + 2, SIZE_MAX));
    }
    findings_add(f, &one);
}

/* ---- in order ---- */

struct ranked {
    const struct finding *finding;
    size_t number;
    size_t more;
};

/* By the file's name and the line; what is in no file comes last. */
static int order(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;
    const char *in_x = x->finding->file;
    const char *in_y = y->finding->file;
    if (in_x == NULL || in_y == NULL) {
        return in_x != in_y ? (in_x == NULL) - (in_y == NULL)
                            : (x->number > y->number) - (x->number < y->number);
    }
    int files = strcmp(in_x, in_y);
    int lines = (x->finding->line > y->finding->line) - (x->finding->line < y->finding->line);
    return files != 0   ? files
           : lines != 0 ? lines
                        : (x->number > y->number) - (x->number < y->number);
}

static struct ranked *ranked(struct findings *f)
{
    struct ranked *all = arena_alloc(&f->arena, (f->count + 1) * sizeof *all);
    for (size_t i = 0; i < f->count; i++) {
        all[i] = (struct ranked){&f->items[i], i, f->more[i]};
    }
    qsort(all, f->count, sizeof *all, order);
    return all;
}

/* ---- for people ---- */

static void add_place(struct buf *out, const struct finding *one)
{
    if (one->file != NULL && one->column > 0) {
        buf_addf(out, "%s:%d:%d: ", one->file, one->line, one->column);
    } else if (one->file != NULL) {
        buf_addf(out, "%s:%d: ", one->file, one->line);
    }
}

/* The message without a place at its beginning that is the end of the field: said twice, it would
 * be no clearer. */
static const char *unplaced(const struct finding *one)
{
    const char *field = one->field != NULL ? one->field : "";
    for (const char *end = field; *end != '\0'; end++) {
        size_t length = strlen(end);
        bool step = end == field || end[-1] == '.';
        if (step && strncmp(one->message, end, length) == 0) {
            const char *rest = one->message + length;
            return strncmp(rest, ": ", 2) == 0 || strncmp(rest, ", ", 2) == 0 ? rest + 2
                                                                              : one->message;
        }
    }
    return one->message;
}

static void print_one(struct findings *f, const struct ranked *r)
{
    const struct finding *one = r->finding;
    struct buf out = {0};
    add_place(&out, one);
    if (one->severity != SEVERITY_ERROR) {
        buf_addf(&out, "%s: ", severities[one->severity]);
    }
    if (one->object != NULL) {
        buf_addf(&out, "%s: ", manifest_title(one->object, &f->arena));
    }
    if (one->field != NULL && one->field[0] != '\0') {
        buf_addf(&out, "%s: ", one->field);
    }
    buf_addf(&out, "%s", unplaced(one));
    if (one->where != NULL) {
        buf_addf(&out, " (%s", one->where);
        if (r->more > 0) {
            buf_addf(&out, ", and %zu more", r->more);
        }
        buf_addf(&out, ")");
    }
    if (one->hint != NULL) {
        buf_addf(&out, ": %s", one->hint);
    }
    if (one->condition != NULL) {
        buf_addf(&out, " [%s]", one->reason);
    }
    print_err("%s\n", buf_cstr(&out));
    buf_free(&out);
}

void findings_print(struct findings *f)
{
    struct ranked *all = ranked(f);
    for (size_t i = 0; i < f->count; i++) {
        print_one(f, &all[i]);
    }
    f->count = 0;
    json_decref(f->seen);
    f->seen = NULL;
}

/* ---- for programs ---- */

static void set_text(json_t *into, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        json_object_set_new(into, key, json_str(slice_of(text)));
    }
}

static void set_slice(json_t *into, const char *key, struct slice text)
{
    if (text.len > 0) {
        json_object_set_new(into, key, json_str(text));
    }
}

static void set_number(json_t *into, const char *key, json_int_t number)
{
    if (number > 0) {
        json_object_set_new(into, key, json_integer(number));
    }
}

static json_t *object_tree(const json_t *object)
{
    json_t *tree = json_object();
    set_slice(tree, "apiVersion", object_api_version(object));
    set_slice(tree, "kind", object_kind(object));
    set_slice(tree, "namespace", object_ns(object));
    set_slice(tree, "name", object_name(object));
    return tree;
}

/* The number behind "column " in a message; 0: there is none. */
static uint64_t column_of(struct slice message)
{
    static const char mark[] = "column ";
    size_t at = slice_find(message, slice_of(mark));
    struct slice digits = at == SIZE_MAX ? SLICE("") : slice_sub(message, at + sizeof mark - 1, 8);
    size_t end = 0;
    uint64_t column = 0;
    while (end < digits.len && digits.data[end] >= '0' && digits.data[end] <= '9') {
        end++;
    }
    return end > 0 && slice_u64(slice_sub(digits, 0, end), &column) ? column : 0;
}

json_t *findings_tree(struct findings *f)
{
    json_t *tree = json_array();
    struct ranked *all = ranked(f);
    for (size_t i = 0; i < f->count; i++) {
        const struct finding *one = all[i].finding;
        uint64_t column = column_of(slice_of(one->message));
        json_t *row = json_pack("{s:s}", "severity", severities[one->severity]);
        set_text(row, "file", one->file);
        set_number(row, "line", one->line);
        set_number(row, "column", one->column);
        if (one->object != NULL) {
            json_object_set_new(row, "object", object_tree(one->object));
        }
        set_text(row, "field", one->field);
        set_text(row, "condition", one->condition);
        set_text(row, "reason", one->reason);
        set_text(row, "message", one->message);
        set_number(row, "expressionColumn", (json_int_t)column);
        set_text(row, "where", one->where);
        set_number(row, "others", (json_int_t)all[i].more);
        set_text(row, "hint", one->hint);
        json_array_append_new(tree, row);
    }
    return tree;
}

void findings_free(struct findings *f)
{
    free(f->items);
    free(f->more);
    json_decref(f->seen);
    json_decref(f->objects);
    arena_free(&f->arena);
    *f = (struct findings){0};
}
