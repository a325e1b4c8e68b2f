/* Rows of a Table.
 *
 * A column's path is one of four: a JSONPath (object_path()); "first(.a,.b)", the first of them
 * that is there; "len(.a,.b)", the members of a and b together; or a text with paths in braces,
 * "{.status.readyReplicas:0}/{.spec.replicas}", where
 * ":x" stands in for what is absent and "|lower" gives lower case. To fill the cells, the stored
 * bytes are parsed without managedFields, which are the largest part of most objects and in no
 * column. What goes out as the row's object is spliced from stored bytes. */
#include "proto/table.h"

#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "proto/object.h"
#include "proto/tree_internal.h"

enum { TIME_BYTES = 64, CELL_BYTES_MAX = 64 * 1024 };

void table_age(uint64_t since_ms, uint64_t now_ms, struct buf *out)
{
    if (since_ms > now_ms + 1000) {
        buf_add_cstr(out, "<invalid>");
        return;
    }
    uint64_t seconds = since_ms > now_ms ? 0 : (now_ms - since_ms) / 1000;
    uint64_t minutes = seconds / 60;
    uint64_t hours = minutes / 60;
    uint64_t days = hours / 24;
    struct {
        uint64_t major;
        char major_unit;
        uint64_t minor;
        char minor_unit;
    } t;
    if (seconds < 120) {
        t.major = seconds, t.major_unit = 's', t.minor = 0, t.minor_unit = ' ';
    } else if (minutes < 10) {
        t.major = minutes, t.major_unit = 'm', t.minor = seconds % 60, t.minor_unit = 's';
    } else if (minutes < 180) {
        t.major = minutes, t.major_unit = 'm', t.minor = 0, t.minor_unit = ' ';
    } else if (hours < 8) {
        t.major = hours, t.major_unit = 'h', t.minor = minutes % 60, t.minor_unit = 'm';
    } else if (hours < 48) {
        t.major = hours, t.major_unit = 'h', t.minor = 0, t.minor_unit = ' ';
    } else if (days < 8) {
        t.major = days, t.major_unit = 'd', t.minor = hours % 24, t.minor_unit = 'h';
    } else if (days < 2 * 365) {
        t.major = days, t.major_unit = 'd', t.minor = 0, t.minor_unit = ' ';
    } else if (days < 8 * 365) {
        t.major = days / 365, t.major_unit = 'y', t.minor = days % 365, t.minor_unit = 'd';
    } else {
        t.major = days / 365, t.major_unit = 'y', t.minor = 0, t.minor_unit = ' ';
    }
    buf_add_u64(out, t.major);
    buf_add_char(out, t.major_unit);
    if (t.minor > 0) {
        buf_add_u64(out, t.minor);
        buf_add_char(out, t.minor_unit);
    }
}

/* ---- cells ---- */

static void add_lower(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        buf_add_char(out, (char)tolower((unsigned char)text.data[i]));
    }
}

/* A value as text; what is no scalar is JSON. */
static void add_text(struct buf *out, const json_t *value)
{
    if (json_is_string(value)) {
        buf_add(out, json_text(value));
    } else if (value != NULL && !json_is_null(value)) {
        json_canonical(value, out);
    }
}

/* The inside of one pair of braces. */
static void add_placeholder(struct buf *out, const json_t *object, struct slice inner)
{
    struct slice fallback = {0};
    bool lower = slice_ends_with(inner, SLICE("|lower"));
    if (lower) {
        inner = slice_sub(inner, 0, inner.len - 6);
    }
    size_t colon = slice_find(inner, SLICE(":"));
    if (colon != SIZE_MAX) {
        fallback = slice_sub(inner, colon + 1, SIZE_MAX);
        inner = slice_sub(inner, 0, colon);
    }
    const json_t *value = object_path(object, inner);
    struct buf text = {0};
    add_text(&text, value);
    if (text.len == 0) {
        buf_add(&text, fallback);
    }
    if (lower) {
        add_lower(out, buf_slice(&text));
    } else {
        buf_add(out, buf_slice(&text));
    }
    buf_free(&text);
}

static void add_template(struct buf *out, const json_t *object, struct slice path)
{
    while (path.len > 0) {
        size_t open = slice_find(path, SLICE("{"));
        size_t close = slice_find(path, SLICE("}"));
        if (open == SIZE_MAX || close == SIZE_MAX || close < open) {
            buf_add(out, path);
            return;
        }
        buf_add(out, slice_sub(path, 0, open));
        add_placeholder(out, object, slice_sub(path, open + 1, close - open - 1));
        path = slice_sub(path, close + 1, SIZE_MAX);
    }
}

static size_t count_members(const json_t *object, struct slice paths)
{
    size_t count = 0;
    struct slice path;
    while (slice_split(&paths, ',', &path)) {
        const json_t *value = object_path(object, slice_trim(path));
        count += json_is_array(value) ? json_array_size(value) : json_object_size(value);
    }
    return count;
}

static bool is_call(struct slice path, const char *name, struct slice *paths)
{
    size_t len = strlen(name);
    *paths = path.len > len ? slice_sub(path, len, path.len - len - 1) : path;
    return slice_starts_with(path, slice_of(name)) && slice_ends_with(path, SLICE(")"));
}

static const json_t *first_of(const json_t *object, struct slice paths)
{
    const json_t *value = NULL;
    struct slice path;
    while ((value == NULL || json_is_null(value)) && slice_split(&paths, ',', &path)) {
        value = object_path(object, slice_trim(path));
    }
    return value;
}

static void add_date(struct buf *out, const json_t *value, uint64_t now_ms)
{
    char copy[TIME_BYTES];
    struct slice text = json_text(value);
    uint64_t since = 0;
    if (text.len == 0 || text.len >= sizeof(copy)) {
        return;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (clock_parse_rfc3339(copy, &since) == 0) {
        table_age(since, now_ms, out);
    } else {
        buf_add_cstr(out, "<unknown>");
    }
}

/* The cell's text in out, or a value to be shown as it is (a number, a boolean); NULL with no text:
 * there is nothing. */
static const json_t *cell(const struct kind_column *column, const json_t *object, uint64_t now_ms,
                          struct buf *out)
{
    struct slice path = column->path;
    struct slice paths;
    if (is_call(path, "len(", &paths)) {
        buf_add_u64(out, count_members(object, paths));
        return NULL;
    }
    if (slice_find(path, SLICE("{")) != SIZE_MAX) {
        add_template(out, object, path);
        return NULL;
    }
    const json_t *value =
        is_call(path, "first(", &paths) ? first_of(object, paths) : object_path(object, path);
    if (slice_eq_cstr(column->type, "date")) {
        add_date(out, value, now_ms);
        return NULL;
    }
    if (json_is_number(value) || json_is_boolean(value)) {
        return value;
    }
    add_text(out, value);
    return NULL;
}

static void add_cell(struct buf *out, const struct kind_column *column, const json_t *object,
                     uint64_t now_ms, struct buf *scratch)
{
    buf_clear(scratch);
    const json_t *value = cell(column, object, now_ms, scratch);
    bool number = slice_eq_cstr(column->type, "integer");
    int64_t integer = 0;
    if (value != NULL) {
        json_canonical(value, out);
    } else if (scratch->len == 0) {
        buf_add_cstr(out, "null");
    } else if (number && slice_i64(buf_slice(scratch), &integer)) {
        buf_addf(out, "%lld", (long long)integer);
    } else {
        struct slice text = slice_sub(buf_slice(scratch), 0, CELL_BYTES_MAX);
        json_quote(out, slice_sub(text, 0, slice_utf8(text)));
    }
}

/* ---- documents ---- */

static void add_definition(struct buf *out, const struct kind_column *column)
{
    buf_add_cstr(out, "{\"name\":");
    json_quote(out, column->name);
    buf_add_cstr(out, ",\"type\":");
    json_quote(out, column->type);
    buf_add_cstr(out, ",\"format\":");
    json_quote(out, column->format);
    buf_add_cstr(out, ",\"description\":");
    json_quote(out, column->doc);
    buf_addf(out, ",\"priority\":%d}", column->priority);
}

void table_columns(const struct kind *kind, struct buf *out)
{
    static const struct kind_column name = {
        .name = {"Name", 4},
        .type = {"string", 6},
        .format = {"name", 4},
        .doc = {"Name must be unique within a namespace.", 39},
    };
    buf_add_char(out, '[');
    add_definition(out, &name);
    for (size_t i = 0; i < kind->column_count; i++) {
        buf_add_char(out, ',');
        add_definition(out, &kind->columns[i]);
    }
    buf_add_char(out, ']');
}

/* Parses stored bytes without metadata.managedFields. */
static int parse_light(struct slice body, json_t **tree, struct err *err)
{
    static const struct slice key = {"\"managedFields\":", 16};
    struct slice managed;
    if (!json_scan(body, &managed, "metadata", "managedFields", NULL)) {
        return object_parse(body, 0, tree, err);
    }
    size_t from = (size_t)(managed.data - body.data) - key.len;
    size_t to = (size_t)(managed.data - body.data) + managed.len;
    struct buf light = {0};
    buf_add(&light, slice_sub(body, 0, from));
    /* Members follow it always: uid sorts behind it. */
    buf_add(&light, slice_sub(body, to + 1, SIZE_MAX));
    int rc = object_parse(buf_slice(&light), 0, tree, err);
    buf_free(&light);
    return rc;
}

int table_partial(const struct backend_object *object, struct slice version, struct buf *out,
                  struct err *err)
{
    struct slice meta;
    if (!json_scan(object->body, &meta, "metadata", NULL)) {
        return err_set(err, ERR_CORRUPT, "stored object has no metadata");
    }
    size_t from = (size_t)(meta.data - object->body.data);
    buf_addf(out,
             "{\"apiVersion\":\"meta.k8s.io/%.*s\",\"kind\":\"PartialObjectMetadata\","
             "\"metadata\":",
             SLICE_ARG(version));
    if (object->splice < from || object->splice > from + meta.len) {
        return err_set(err, ERR_CORRUPT, "stored object's splice is not in its metadata");
    }
    object_emit(out, meta, (uint32_t)(object->splice - from), object->version);
    buf_add_char(out, '}');
    return 0;
}

int table_row(const struct kind *kind, const struct backend_object *object,
              const struct table_form *form, struct buf *out, struct err *err)
{
    json_t *tree = NULL;
    struct buf room = {0};
    struct backend_object read = object_as_read(kind, object, &room);
    int rc = parse_light(read.body, &tree, err);
    buf_free(&room);
    if (rc != 0) {
        return rc;
    }
    struct buf scratch = {0};
    buf_add_cstr(out, "{\"cells\":[");
    json_quote(out, object_name(tree));
    for (size_t i = 0; i < kind->column_count; i++) {
        buf_add_char(out, ',');
        add_cell(out, &kind->columns[i], tree, form->now_ms, &scratch);
    }
    buf_add_char(out, ']');
    if (form->include == TABLE_METADATA) {
        buf_add_cstr(out, ",\"object\":");
        rc = table_partial(object, form->version, out, err);
    } else if (form->include == TABLE_OBJECT) {
        buf_add_cstr(out, ",\"object\":");
        object_emit_as(out, kind, object);
    }
    buf_add_char(out, '}');
    buf_free(&scratch);
    json_decref(tree);
    return rc;
}

int table_cells(const struct kind *kind, const json_t *object, uint64_t now_ms, struct arena *arena,
                struct slice *cells, struct err *err)
{
    if (!json_is_object(object)) {
        return err_set(err, ERR_CORRUPT, "no object");
    }
    struct buf scratch = {0};
    cells[0] = arena_copy(arena, object_name(object));
    for (size_t i = 0; i < kind->column_count; i++) {
        buf_clear(&scratch);
        const json_t *value = cell(&kind->columns[i], object, now_ms, &scratch);
        add_text(&scratch, value);
        cells[i + 1] = arena_copy(arena, buf_slice(&scratch));
    }
    buf_free(&scratch);
    return 0;
}
