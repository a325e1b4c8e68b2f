/* columns.c: titles, paths, cells. Commas inside brackets and quotes belong to the path. */
#include "cli/columns.h"

#include <string.h>

static int add_column(struct columns *c, struct slice title, struct slice path, struct err *err)
{
    if (c->count == PRINT_COLUMNS_MAX) {
        return err_set(err, ERR_INVALID, "custom-columns: more than %d", PRINT_COLUMNS_MAX);
    }
    int rc = jsonpath_parse_path(&c->paths[c->count], path, err);
    if (rc != 0) {
        return err_wrap(err, "column %.*s", SLICE_ARG(title));
    }
    c->titles[c->count++] = arena_cstr(&c->arena, title);
    return 0;
}

/* Up to a comma that is neither in brackets nor in quotes. */
static size_t spec_length(struct slice text)
{
    int depth = 0;
    char quote = '\0';
    size_t i = 0;
    for (; i < text.len; i++) {
        char ch = text.data[i];
        if (quote != '\0') {
            quote = ch == quote ? '\0' : quote;
        } else if (ch == '"' || ch == '\'') {
            quote = ch;
        } else if (ch == '[' || ch == '(' || ch == '{') {
            depth++;
        } else if (ch == ']' || ch == ')' || ch == '}') {
            depth--;
        } else if (ch == ',' && depth <= 0) {
            break;
        }
    }
    return i;
}

int columns_parse(struct columns *c, struct slice text, struct err *err)
{
    int rc = text.len == 0 ? err_set(err, ERR_INVALID, "custom-columns: want TITLE:PATH,...") : 0;
    *c = (struct columns){0};
    while (rc == 0 && text.len > 0) {
        struct slice spec = slice_sub(text, 0, spec_length(text));
        size_t colon = slice_find(spec, SLICE(":"));
        text = slice_sub(text, spec.len + 1, SIZE_MAX);
        if (colon == SIZE_MAX || colon == 0) {
            rc = err_set(err, ERR_INVALID, "custom-columns: \"%.*s\" must be TITLE:PATH",
                         SLICE_ARG(spec));
        } else {
            rc = add_column(c, slice_trim(slice_sub(spec, 0, colon)),
                            slice_sub(spec, colon + 1, SIZE_MAX), err);
        }
    }
    if (rc != 0) {
        columns_free(c);
    }
    return rc;
}

/* Cuts the next word of a line. */
static bool next_word(struct slice *line, struct slice *word)
{
    *line = slice_trim(*line);
    size_t len = 0;
    while (len < line->len && strchr(" \t", line->data[len]) == NULL) {
        len++;
    }
    *word = slice_sub(*line, 0, len);
    *line = slice_sub(*line, len, SIZE_MAX);
    return len > 0;
}

int columns_parse_file(struct columns *c, struct slice text, struct err *err)
{
    struct slice titles = {0};
    struct slice paths = {0};
    struct slice title;
    struct slice path;
    int rc = 0;
    *c = (struct columns){0};
    (void)slice_split(&text, '\n', &titles);
    (void)slice_split(&text, '\n', &paths);
    while (rc == 0 && next_word(&titles, &title)) {
        rc = next_word(&paths, &path)
                 ? add_column(c, title, path, err)
                 : err_set(err, ERR_INVALID, "custom-columns: no path for %.*s in the second line",
                           SLICE_ARG(title));
    }
    if (rc == 0 && (c->count == 0 || next_word(&paths, &path))) {
        rc = err_set(err, ERR_INVALID, "custom-columns: want a line of titles, a line of paths");
    }
    if (rc != 0) {
        columns_free(c);
    }
    return rc;
}

void columns_free(struct columns *c)
{
    for (size_t i = 0; i < c->count; i++) {
        jsonpath_free(&c->paths[i]);
    }
    arena_free(&c->arena);
    c->count = 0;
}

int columns_row(const struct columns *c, const json_t *object, struct arena *arena,
                const char **cells, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->count; i++) {
        struct jsonpath_values values = {0};
        struct buf text = {0};
        rc = jsonpath_find(&c->paths[i], object, &values, err);
        for (size_t v = 0; v < values.count; v++) {
            if (v > 0) {
                buf_add_char(&text, ',');
            }
            jsonpath_value_text(values.items[v], &text);
        }
        cells[i] = values.count > 0 ? arena_cstr(arena, buf_slice(&text)) : "<none>";
        jsonpath_values_free(&values);
        buf_free(&text);
    }
    return rc;
}
