/* get.c: `choreo get` and `choreo watch`.
 *
 * Lists come page by page at one version. Tables are the server's (its columns for the kind), so a
 * kind that this program does not know prints as well. A watch that breaks goes on where it ended,
 * on another node; if the history is gone it starts over, and says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/print.h"

enum { ENDLESS = 0 };

static const char get_help[] =
    "usage: choreo get KIND [NAME...] [OPTION...]\n"
    "       choreo get KIND/NAME\n"
    "\n"
    "KIND is as people say it: component, components, comp, component.choreo.dev.\n"
    "\n"
    "  -n, --namespace NS      default: the context's\n"
    "  -A, --all-namespaces\n"
    "  -l, --selector LABELS   app=web,tier!=db,'env in (a,b)'\n"
    "  --field-selector F      metadata.name=web\n"
    "  -w, --watch             afterwards every change, until Ctrl-C\n"
    "  -o, --output FORM       table, wide, json, yaml or name\n"
    "  --no-headers            rows only\n"
    "\n"
    "examples: choreo get components -A\n"
    "          choreo get component/user-service -n acme-corp -o yaml\n";

static const char watch_help[] =
    "usage: choreo watch KIND [NAME] [OPTION...]\n"
    "\n"
    "What is there, then every change, each once and in order, until Ctrl-C. Options as `choreo "
    "get`'s.\n"
    "With -o json each line is {\"type\", \"object\"}.\n"
    "\n"
    "example: choreo watch releasebindings -n acme-corp\n";

struct getting {
    struct cli cli;
    bool all;
    bool watch;
    bool no_headers;
    const char *labels;
    const char *fields;
    Choreo__V1__Ref ref;
    struct print_table table;
    bool titled; /* the table has its columns */
    bool printed_titles;
    int wanted[PRINT_COLUMNS_MAX]; /* the server's column for each of ours; -1: namespace */
    json_t *items;                 /* json and yaml: collected */
    uint64_t version;              /* seen up to here */
    struct err err;
    int rc;
};

static Choreo__V1__Form form_of(const struct getting *g)
{
    bool table = g->cli.output == OUTPUT_TABLE || g->cli.output == OUTPUT_WIDE;
    return table                          ? CHOREO__V1__FORM__FORM_TABLE
           : g->cli.output == OUTPUT_NAME ? CHOREO__V1__FORM__FORM_METADATA
                                          : CHOREO__V1__FORM__FORM_JSON;
}

/* ---- tables ---- */

static void choose_columns(struct getting *g, const json_t *table)
{
    const json_t *definitions = json_at(table, "columnDefinitions", NULL);
    const char *titles[PRINT_COLUMNS_MAX];
    size_t count = 0;
    if (g->watch) {
        g->wanted[count] = -2;
        titles[count++] = "EVENT";
    }
    if (g->all) {
        g->wanted[count] = -1;
        titles[count++] = "NAMESPACE";
    }
    for (size_t i = 0; i < json_array_size(definitions) && count < PRINT_COLUMNS_MAX; i++) {
        const json_t *d = json_array_get(definitions, i);
        if (json_integer_value(json_at(d, "priority", NULL)) == 0 || g->cli.output == OUTPUT_WIDE) {
            char *title = arena_cstr(&g->cli.arena, json_text_at(d, "name"));
            for (char *p = title; *p != '\0'; p++) {
                *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
            }
            g->wanted[count] = (int)i;
            titles[count++] = title;
        }
    }
    print_init(&g->table, titles, count);
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

static void add_rows(struct getting *g, const json_t *table, const char *event)
{
    const json_t *rows = json_at(table, "rows", NULL);
    struct arena arena = {0};
    if (!g->titled) {
        choose_columns(g, table);
    }
    for (size_t r = 0; r < json_array_size(rows); r++) {
        const json_t *row = json_array_get(rows, r);
        const char *cells[PRINT_COLUMNS_MAX];
        for (size_t i = 0; i < g->table.columns; i++) {
            const json_t *cell =
                g->wanted[i] == -1
                    ? json_at(row, "object", "metadata", "namespace", NULL)
                    : json_array_get(json_at(row, "cells", NULL), (size_t)g->wanted[i]);
            cells[i] = g->wanted[i] == -2 ? event : cell_text(&arena, cell);
        }
        print_row(&g->table, cells);
    }
    arena_free(&arena);
}

static void flush_table(struct getting *g)
{
    if (g->titled) {
        print_flush(&g->table, !g->printed_titles && !g->no_headers);
        g->printed_titles = true;
    }
}

/* ---- objects of any form ---- */

static void print_name(const struct getting *g, const json_t *object)
{
    struct slice words = slice_of(g->ref.resource);
    print_out("%.*s/%s\n", SLICE_ARG(words),
              json_string_value(json_at(object, "metadata", "name", NULL)));
}

/* event is NULL for a list. */
static int take_object(struct getting *g, const Choreo__V1__Object *object, const char *event)
{
    json_t *tree = NULL;
    int rc = cli_object(object, &tree, &g->err);
    if (rc != 0) {
        return rc;
    }
    switch (g->cli.output) {
    case OUTPUT_TABLE:
    case OUTPUT_WIDE:
        add_rows(g, tree, event);
        break;
    case OUTPUT_NAME:
        print_name(g, tree);
        break;
    case OUTPUT_JSON:
    case OUTPUT_YAML:
        if (event == NULL) {
            json_array_append(g->items, tree);
        } else if (g->cli.output == OUTPUT_JSON) {
            json_t *both = json_pack("{s:s, s:O}", "type", event, "object", tree);
            print_json_line(both);
            json_decref(both);
        } else {
            print_out("---\n# %s\n", event);
            print_yaml(tree);
        }
        break;
    }
    json_decref(tree);
    return 0;
}

/* ---- get ---- */

static int get_one(struct getting *g, struct err *err)
{
    Choreo__V1__GetRequest request = CHOREO__V1__GET_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.ref = &g->ref;
    request.has_form = true;
    request.form = form_of(g);
    int rc = client_call(&g->cli.client, "choreo.v1.ResourceService/Get", &request.base,
                         &choreo__v1__object_response__descriptor, &g->cli.arena, &message, err);
    if (rc == 0) {
        const Choreo__V1__ObjectResponse *response = (const Choreo__V1__ObjectResponse *)message;
        g->version = response->resource_version;
        rc = take_object(g, response->object, NULL);
    }
    return rc;
}

static int get_list(struct getting *g, struct err *err)
{
    char *next = NULL;
    int rc = 0;
    do {
        Choreo__V1__ListRequest request = CHOREO__V1__LIST_REQUEST__INIT;
        ProtobufCMessage *message = NULL;
        request.ref = &g->ref;
        request.has_form = true;
        request.form = form_of(g);
        request.label_selector = arena_cstr(&g->cli.arena, slice_of(g->labels));
        request.field_selector = arena_cstr(&g->cli.arena, slice_of(g->fields));
        request.continue_ = next;
        rc = client_call(&g->cli.client, "choreo.v1.ResourceService/List", &request.base,
                         &choreo__v1__list_response__descriptor, &g->cli.arena, &message, err);
        if (rc != 0) {
            return rc;
        }
        const Choreo__V1__ListResponse *response = (const Choreo__V1__ListResponse *)message;
        g->version = response->resource_version;
        for (size_t i = 0; rc == 0 && i < response->n_objects; i++) {
            rc = take_object(g, response->objects[i], NULL);
        }
        next = response->continue_;
    } while (rc == 0 && next != NULL && *next != '\0');
    return rc;
}

static void print_items(struct getting *g, bool single)
{
    json_t *tree = json_incref(g->items);
    if (single) {
        json_decref(tree);
        tree = json_incref(json_array_get(g->items, 0));
    } else {
        json_decref(tree);
        tree = json_pack("{s:s, s:O, s:s, s:{s:o}}", "apiVersion", "v1", "items", g->items, "kind",
                         "List", "metadata", "resourceVersion",
                         json_sprintf("%llu", (unsigned long long)g->version));
    }
    if (g->cli.output == OUTPUT_JSON) {
        print_json(tree);
    } else {
        print_yaml(tree);
    }
    json_decref(tree);
}

static int get_all(struct getting *g, struct err *err)
{
    bool named = g->ref.name != NULL && *g->ref.name != '\0';
    bool trees = g->cli.output == OUTPUT_JSON || g->cli.output == OUTPUT_YAML;
    int rc = 0;
    if (g->cli.args.count > 1) {
        for (size_t i = 1; rc == 0 && i < g->cli.args.count; i++) {
            g->ref.name = arena_cstr(&g->cli.arena, slice_of(g->cli.args.items[i]));
            rc = get_one(g, err);
        }
        named = g->cli.args.count == 2;
    } else {
        rc = named ? get_one(g, err) : get_list(g, err);
    }
    flush_table(g);
    if (rc == 0 && trees) {
        print_items(g, named);
    } else if (rc == 0 && !named && !g->titled && g->cli.output != OUTPUT_NAME) {
        print_err("No %s found%s%s.\n", g->ref.resource, g->all ? "" : " in namespace ",
                  g->all ? "" : g->cli.ns);
    }
    return rc;
}

/* ---- watch ---- */

static bool on_event(const ProtobufCMessage *message, void *user)
{
    struct getting *g = user;
    const Choreo__V1__WatchEvent *event = (const Choreo__V1__WatchEvent *)message;
    static const char *const names[] = {"UNKNOWN", "ADDED", "MODIFIED", "DELETED"};
    if (event->object != NULL && event->type <= CHOREO__V1__WATCH_EVENT__TYPE__DELETED) {
        g->rc = take_object(g, event->object, names[event->type]);
        flush_table(g);
        (void)fflush(stdout);
    }
    /* What comes before SYNCED is in order of names, not of versions. */
    if (event->type != CHOREO__V1__WATCH_EVENT__TYPE__ADDED || g->version != 0) {
        g->version = event->resource_version;
    }
    return g->rc == 0;
}

static int watch_all(struct getting *g, struct err *err)
{
    int rc = 0;
    do {
        Choreo__V1__WatchRequest request = CHOREO__V1__WATCH_REQUEST__INIT;
        request.ref = &g->ref;
        request.has_form = true;
        request.form = form_of(g);
        request.label_selector = arena_cstr(&g->cli.arena, slice_of(g->labels));
        request.field_selector = arena_cstr(&g->cli.arena, slice_of(g->fields));
        request.has_resource_version = true;
        request.resource_version = g->version;
        rc = client_stream(&g->cli.client, "choreo.v1.ResourceService/Watch", &request.base,
                           &choreo__v1__watch_event__descriptor, ENDLESS, on_event, g, err);
        if (rc == ERR_GONE) {
            print_err("choreo: the history is gone; starting over\n");
            g->version = 0;
        }
    } while (g->rc == 0 &&
             (rc == 0 || rc == ERR_GONE || rc == ERR_UNAVAILABLE || rc == ERR_CLOSED));
    if (g->rc != 0) {
        *err = g->err;
    }
    return g->rc != 0 ? g->rc : rc;
}

/* ---- the commands ---- */

static int run(struct getting *g, int argc, char **argv, const char *help)
{
    struct err err = {0};
    int code;
    const struct args_option options[] = {
        {"all-namespaces", 'A', ARGS_FLAG, &g->all, 0, 0},
        {"selector", 'l', ARGS_STRING, &g->labels, 0, 0},
        {"field-selector", 0, ARGS_STRING, &g->fields, 0, 0},
        {"watch", 'w', ARGS_FLAG, &g->watch, 0, 0},
        {"no-headers", 0, ARGS_FLAG, &g->no_headers, 0, 0},
    };
    if (!cli_begin(&g->cli, argc, argv, options, sizeof options / sizeof options[0], help, false,
                   &code)) {
        return code;
    }
    g->items = json_array();
    int rc = 0;
    if (g->cli.args.count == 0) {
        rc = err_set(&err, ERR_INVALID, "KIND is required (choreo %s --help)", argv[0]);
    } else {
        cli_ref(&g->cli, g->cli.args.items[0], g->all ? "" : g->cli.ns, &g->ref);
        if (g->watch && g->cli.args.count == 2) {
            g->fields = arena_printf(&g->cli.arena, "metadata.name=%s", g->cli.args.items[1]);
        }
        rc = g->watch ? watch_all(g, &err) : get_all(g, &err);
    }
    if (rc != 0 && err.code == 0) {
        err = g->err;
    }
    if (g->titled) {
        print_free(&g->table);
    }
    json_decref(g->items);
    return cli_end(&g->cli, rc, &err);
}

int command_get(int argc, char **argv)
{
    struct getting g = {0};
    return run(&g, argc, argv, get_help);
}

int command_watch(int argc, char **argv)
{
    struct getting g = {.watch = true};
    return run(&g, argc, argv, watch_help);
}
