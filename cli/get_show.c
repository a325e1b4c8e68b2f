/* get_show.c: objects as `choreo get` and `choreo watch` show them: rows of the server's table, or
 * of columns that were asked for, names, or trees. */
#include "cli/get_internal.h"

#include <stdlib.h>
#include <string.h>

#include "cli/print.h"

enum { COLUMN_NAMESPACE = -1, COLUMN_EVENT = -2, COLUMN_LABELS = -3 };

Choreo__V1__Form get__form(const struct getting *g)
{
    switch (g->cli->output.form) {
    case OUTPUT_TABLE:
    case OUTPUT_WIDE:
        return CHOREO__V1__FORM__FORM_TABLE;
    case OUTPUT_NAME:
        return CHOREO__V1__FORM__FORM_METADATA;
    case OUTPUT_JSON:
    case OUTPUT_YAML:
    case OUTPUT_JSONPATH:
    case OUTPUT_COLUMNS:
        break;
    }
    return CHOREO__V1__FORM__FORM_JSON;
}

/* ---- tables ---- */

static void choose_columns(struct getting *g, const json_t *table)
{
    const json_t *definitions = json_at(table, "columnDefinitions", NULL);
    const char *titles[PRINT_COLUMNS_MAX];
    size_t count = 0;
    if (g->events) {
        g->wanted[count] = COLUMN_EVENT;
        titles[count++] = "EVENT";
    }
    if (g->all) {
        g->wanted[count] = COLUMN_NAMESPACE;
        titles[count++] = "NAMESPACE";
    }
    for (size_t i = 0; i < json_array_size(definitions) && count + 1 < PRINT_COLUMNS_MAX; i++) {
        const json_t *d = json_array_get(definitions, i);
        if (json_integer_value(json_at(d, "priority", NULL)) == 0 ||
            g->cli->output.form == OUTPUT_WIDE) {
            char *title = arena_cstr(&g->cli->arena, json_text_at(d, "name"));
            for (char *p = title; *p != '\0'; p++) {
                *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
            }
            g->wanted[count] = (int)i;
            titles[count++] = title;
        }
    }
    if (g->cli->options.show_labels) {
        g->wanted[count] = COLUMN_LABELS;
        titles[count++] = "LABELS";
    }
    print_init(&g->table, titles, count);
    g->table.whole = g->cli->output.form == OUTPUT_WIDE;
    g->titled = true;
}

static const char *cell_text(struct arena *arena, const json_t *cell)
{
    struct buf text = {0};
    if (cell == NULL || json_is_null(cell)) {
        return "<none>";
    }
    if (json_is_string(cell)) {
        return json_string_value(cell);
    }
    json_canonical(cell, &text);
    const char *copy = arena_cstr(arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

/* "app=web,tier=db" */
static const char *labels_text(struct arena *arena, const json_t *object)
{
    const char *key;
    json_t *value;
    struct buf text = {0};
    json_object_foreach(json_at(object, "metadata", "labels", NULL), key, value)
    {
        buf_addf(&text, "%s%s=%.*s", text.len > 0 ? "," : "", key, SLICE_ARG(json_text(value)));
    }
    const char *copy = text.len > 0 ? arena_cstr(arena, buf_slice(&text)) : "<none>";
    buf_free(&text);
    return copy;
}

static const char *cell_of(struct arena *arena, const json_t *row, int wanted, const char *event)
{
    const json_t *object = json_at(row, "object", NULL);
    switch (wanted) {
    case COLUMN_EVENT:
        return event;
    case COLUMN_NAMESPACE:
        return cell_text(arena, json_at(object, "metadata", "namespace", NULL));
    case COLUMN_LABELS:
        return labels_text(arena, object);
    default:
        return cell_text(arena, json_array_get(json_at(row, "cells", NULL), (size_t)wanted));
    }
}

static void add_rows(struct getting *g, const json_t *table, const char *event)
{
    const json_t *rows = json_at(table, "rows", NULL);
    struct arena arena = {0};
    if (!g->titled) {
        choose_columns(g, table);
    }
    for (size_t r = 0; r < json_array_size(rows); r++) {
        const char *cells[PRINT_COLUMNS_MAX];
        for (size_t i = 0; i < g->table.columns; i++) {
            cells[i] = cell_of(&arena, json_array_get(rows, r), g->wanted[i], event);
            if (g->wanted[i] == 0 && g->prefix != NULL) { /* the name, of every kind */
                cells[i] = arena_printf(&arena, "%s%s", g->prefix, cells[i]);
            }
        }
        print_row(&g->table, cells);
    }
    arena_free(&arena);
}

/* -o custom-columns: ours, from the whole object. */
static int add_own_row(struct getting *g, const json_t *object)
{
    const struct columns *columns = &g->cli->output.columns;
    struct arena arena = {0};
    const char *cells[PRINT_COLUMNS_MAX];
    if (!g->titled) {
        print_init(&g->table, columns->titles, columns->count);
        g->table.whole = true; /* as they were asked for */
        g->titled = true;
    }
    int rc = columns_row(columns, object, &arena, cells, &g->err);
    if (rc == 0) {
        print_row(&g->table, cells);
    }
    arena_free(&arena);
    return rc;
}

void get__flush(struct getting *g)
{
    if (g->titled) {
        print_flush(&g->table, !g->printed_titles && !g->cli->options.no_headers);
        g->printed_titles = true;
    }
}

void get__end_table(struct getting *g)
{
    get__flush(g);
    if (g->titled) {
        print_free(&g->table);
        print_out("%s", "\n");
    }
    g->titled = g->printed_titles = false;
}

/* ---- objects of any form ---- */

static void print_name(const struct getting *g, const json_t *object)
{
    print_out("%s/%s\n", g->ref.resource,
              json_string_value(json_at(object, "metadata", "name", NULL)));
}

static void drop_managed_fields(const struct getting *g, json_t *object)
{
    if (!g->cli->options.show_managed_fields) {
        (void)json_object_del(json_object_get(object, "metadata"), "managedFields");
    }
}

/* A change, in a form for programs. */
static int show_event(struct getting *g, json_t *tree, const char *event)
{
    struct buf line = {0};
    json_t *both = json_pack("{s:s, s:O}", "type", event, "object", tree);
    int rc = 0;
    if (!g->events || g->cli->output.form == OUTPUT_JSONPATH) {
        print_out("%s", g->cli->output.form == OUTPUT_YAML ? "---\n" : "");
        rc = output_tree(&g->cli->output, tree, &g->err);
        print_out("%s", g->cli->output.form == OUTPUT_YAML ? "" : "\n");
    } else if (g->cli->output.form == OUTPUT_JSON) {
        json_canonical(both, &line);
        print_out("%.*s\n", SLICE_ARG(buf_slice(&line)));
    } else {
        print_out("---\n# %s\n", event);
        print_yaml(tree);
    }
    json_decref(both);
    buf_free(&line);
    return rc;
}

int get__take(struct getting *g, const Choreo__V1__Object *object, const char *event)
{
    json_t *tree = NULL;
    int rc = ask_tree(object, &tree, &g->err);
    if (rc != 0) {
        return rc;
    }
    switch (g->cli->output.form) {
    case OUTPUT_TABLE:
    case OUTPUT_WIDE:
        add_rows(g, tree, event);
        break;
    case OUTPUT_COLUMNS:
        rc = add_own_row(g, tree);
        break;
    case OUTPUT_NAME:
        print_name(g, tree);
        break;
    case OUTPUT_JSON:
    case OUTPUT_YAML:
    case OUTPUT_JSONPATH:
        drop_managed_fields(g, tree);
        if (event == NULL) {
            json_array_append(g->items, tree);
        } else {
            rc = show_event(g, tree, event);
        }
        break;
    }
    json_decref(tree);
    return rc;
}
