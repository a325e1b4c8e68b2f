/* get.c: `choreo get` and `choreo watch`.
 *
 * Lists come page by page at one version. Tables are the server's (its columns for the kind), so a
 * kind that this program does not know prints as well. A watch that breaks goes on where it ended,
 * on another node; if the history is gone it starts over, and says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/category.h"
#include "cli/print.h"

enum { ENDLESS = 0 };
enum { COLUMN_NAMESPACE = -1, COLUMN_EVENT = -2, COLUMN_LABELS = -3 };

struct getting {
    struct cli *cli;
    bool all;
    bool watch;
    bool events; /* a column, or a line, tells what happened */
    const char *fields;
    const char *prefix; /* of names in tables, where several kinds are looked at; or NULL */
    Choreo__V1__Ref ref;
    struct print_table table;
    bool titled; /* the table has its columns */
    bool printed_titles;
    int wanted[PRINT_COLUMNS_MAX]; /* the server's column for each of ours; < 0: COLUMN_* */
    json_t *items;                 /* json, yaml and jsonpath: collected */
    uint64_t version;              /* seen up to here */
    struct err err;
    int rc;
};

static Choreo__V1__Form form_of(const struct getting *g)
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

static void flush_table(struct getting *g)
{
    if (g->titled) {
        print_flush(&g->table, !g->printed_titles && !g->cli->options.no_headers);
        g->printed_titles = true;
    }
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

/* event is NULL for a list. */
static int take_object(struct getting *g, const Choreo__V1__Object *object, const char *event)
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

/* ---- get ---- */

static int get_one(struct getting *g, struct err *err)
{
    Choreo__V1__GetRequest request = CHOREO__V1__GET_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.ref = &g->ref;
    request.has_form = true;
    request.form = form_of(g);
    int rc = client_call(&g->cli->client, "choreo.v1.ResourceService/Get", &request.base,
                         &choreo__v1__object_response__descriptor, &g->cli->arena, &message, err);
    if (rc == 0) {
        const Choreo__V1__ObjectResponse *response = (const Choreo__V1__ObjectResponse *)message;
        g->version = response->resource_version;
        rc = take_object(g, response->object, NULL);
    }
    return rc;
}

static int on_listed(const Choreo__V1__Object *object, void *user, struct err *err)
{
    struct getting *g = user;
    int rc = take_object(g, object, NULL);
    if (rc != 0) {
        *err = g->err;
    }
    return rc;
}

static int get_list(struct getting *g, struct err *err)
{
    struct ask_list list = {.ref = &g->ref,
                            .form = form_of(g),
                            .labels = g->cli->options.selector,
                            .fields = g->fields,
                            .each = on_listed,
                            .user = g};
    int rc = ask_list(g->cli, &list, err);
    g->version = list.version;
    return rc;
}

static int print_items(struct getting *g, bool single, struct err *err)
{
    json_t *tree;
    if (single) {
        tree = json_incref(json_array_get(g->items, 0));
    } else {
        char version[24];
        (void)snprintf(version, sizeof version, "%llu", (unsigned long long)g->version);
        tree = json_pack("{s:s, s:O, s:s, s:{s:s}}", "apiVersion", "v1", "items", g->items, "kind",
                         "List", "metadata", "resourceVersion", version);
    }
    int rc = output_tree(&g->cli->output, tree, err);
    json_decref(tree);
    return rc;
}

/* Another kind has other columns: its rows make a table of their own. */
static void end_table(struct getting *g)
{
    flush_table(g);
    if (g->titled) {
        print_free(&g->table);
        print_out("%s", "\n");
    }
    g->titled = g->printed_titles = false;
}

/* One that is not there does not hide the others. */
static int get_named(struct getting *g, bool *single, struct err *err)
{
    struct cli *c = g->cli;
    struct targets t = {0};
    struct err first = {0};
    int rc = ask_targets(c, 0, SIZE_MAX, &t, err);
    for (size_t i = 0; rc == 0 && i < t.count; i++) {
        if (i > 0 && strcmp(g->ref.resource, t.refs[i].resource) != 0) {
            end_table(g);
        }
        g->ref = t.refs[i];
        rc = get_one(g, err);
        if (rc == ERR_NOT_FOUND && first.code == 0) {
            first = *err;
            rc = 0;
        } else if (rc == ERR_NOT_FOUND) {
            print_err("choreo get: %s\n", err->message);
            rc = 0;
        }
    }
    *single = t.count == 1;
    targets_free(&t);
    if (rc == 0 && first.code != 0) {
        *err = first;
    }
    return rc != 0 ? rc : first.code;
}

static void say_none(const struct getting *g)
{
    print_err("No %s found%s%s.\n", g->ref.resource, g->all ? "" : " in namespace ",
              g->all ? "" : g->cli->ns);
}

/* "components,projects": one list after another, each a table of its own. */
static int get_lists(struct getting *g, struct err *err)
{
    const char *ns = g->ref.namespace_;
    struct slice rest = slice_of(g->ref.resource);
    struct slice kind;
    int rc = 0;
    for (bool first = true; rc == 0 && slice_split(&rest, ',', &kind); first = false) {
        if (!first) {
            end_table(g);
        }
        ask_ref(g->cli, arena_cstr(&g->cli->arena, kind), ns, &g->ref);
        rc = get_list(g, err);
        if (rc == 0 && !g->titled && form_of(g) == CHOREO__V1__FORM__FORM_TABLE) {
            say_none(g);
        }
    }
    return rc;
}

/* The first word is no kind: it may stand for several. Else what was wrong with it stays. */
static int get_category(struct getting *g, struct err *err)
{
    const char *word = g->ref.resource;
    const char *ns = g->ref.namespace_;
    struct category category;
    struct err ignored;
    if (category_find(g->cli, word, &category, &ignored) != 0 || category.count == 0) {
        return ERR_NOT_FOUND;
    }
    int rc = 0;
    bool any = false;
    for (size_t i = 0; rc == 0 && i < category.count; i++) {
        if (g->titled) {
            end_table(g);
        }
        g->prefix = category.prefixes[i];
        ask_ref(g->cli, category.resources[i], ns, &g->ref);
        rc = get_list(g, err);
        any |= g->titled;
    }
    if (rc == 0 && !any && form_of(g) == CHOREO__V1__FORM__FORM_TABLE) {
        g->ref.resource = (char *)(uintptr_t) "resources";
        say_none(g);
    }
    return rc;
}

static int get_all(struct getting *g, struct err *err)
{
    struct cli *c = g->cli;
    bool several = strchr(g->ref.resource, ',') != NULL;
    bool named = c->args.count > 1 || g->ref.name != NULL;
    bool single = false;
    if (named && g->all) {
        return err_set(err, ERR_INVALID, "-A lists a kind; a name is of one namespace (-n)");
    }
    int rc = 0;
    if (named) {
        rc = get_named(g, &single, err);
    } else if (several) {
        rc = get_lists(g, err);
    } else {
        rc = get_list(g, err);
        if (rc == ERR_NOT_FOUND) {
            several = true;
            rc = get_category(g, err);
        }
    }
    flush_table(g);
    if (output_is_tree(&c->output) && (rc == 0 || (!single && json_array_size(g->items) > 0))) {
        int printed = print_items(g, single, rc == 0 ? err : NULL);
        rc = rc != 0 ? rc : printed;
    } else if (rc == 0 && !named && !several && !g->titled && c->output.form != OUTPUT_NAME) {
        say_none(g);
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
        request.label_selector = arena_cstr(&g->cli->arena, slice_of(g->cli->options.selector));
        request.field_selector = arena_cstr(&g->cli->arena, slice_of(g->fields));
        request.has_resource_version = true;
        request.resource_version = g->version;
        rc = client_stream(&g->cli->client, "choreo.v1.ResourceService/Watch", &request.base,
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

/* One name of a watch, as a selector. */
static int name_to_watch(struct getting *g, struct err *err)
{
    struct cli *c = g->cli;
    const char *name = c->args.count == 2 ? c->args.items[1] : g->ref.name;
    if (c->args.count > 2 || (c->args.count == 2 && g->ref.name != NULL)) {
        return err_set(err, ERR_INVALID, "a watch wants a kind, or one name of it");
    }
    if (name != NULL && *name != '\0') {
        g->fields =
            arena_printf(&c->arena, "%s%smetadata.name=%s", g->fields != NULL ? g->fields : "",
                         g->fields != NULL ? "," : "", name);
        g->ref.name = NULL;
    }
    return 0;
}

static int get_or_watch(struct cli *c, bool watch, struct err *err)
{
    struct getting g = {.cli = c,
                        .all = c->options.all_namespaces,
                        .watch = watch || c->options.watch,
                        .events = watch,
                        .fields = c->options.field_selector,
                        .items = json_array()};
    int rc = c->args.count == 0 ? err_set(err, ERR_INVALID, "KIND is required (choreo %s --help)",
                                          c->command->name)
                                : 0;
    if (rc == 0) {
        ask_ref(c, c->args.items[0], g.all ? "" : c->ns, &g.ref);
        rc = g.watch ? name_to_watch(&g, err) : 0;
    }
    if (rc == 0) {
        rc = g.watch ? watch_all(&g, err) : get_all(&g, err);
    }
    if (rc != 0 && err->code == 0) {
        *err = g.err;
    }
    if (g.titled) {
        print_free(&g.table);
    }
    json_decref(g.items);
    return rc;
}

static int run_get(struct cli *c, struct err *err)
{
    return get_or_watch(c, false, err);
}

static int run_watch(struct cli *c, struct err *err)
{
    return get_or_watch(c, true, err);
}

const struct command command_get = {
    .name = "get",
    .summary = "show objects",
    .usage = "KIND[,KIND...] [OPTION...]\nKIND NAME... [OPTION...]\nKIND/NAME... [OPTION...]",
    .about = "KIND is as people say it: component, components, comp, component.choreo.dev; or a\n"
             "category (all, choreo): every kind of it that a namespace holds.",
    .examples = "  choreo get components -A\n"
                "  choreo get all\n"
                "  choreo get components,releasebindings\n"
                "  choreo get component user-service -o yaml\n"
                "  choreo get component/user-service environment/production\n"
                "  choreo get comp -o 'jsonpath={range .items[*]}{.metadata.name}{\"\\n\"}{end}'\n"
                "  choreo get comp -o custom-columns=NAME:.metadata.name,TYPE:.spec.type",
    .options = {OPTION_all_namespaces, OPTION_selector, OPTION_field_selector, OPTION_watch,
                OPTION_no_headers, OPTION_show_labels, OPTION_show_managed_fields},
    .forms = OUTPUT_ALL,
    .args = COMPLETE_OBJECTS,
    .run = run_get,
};

const struct command command_watch = {
    .name = "watch",
    .summary = "show objects and every change of them",
    .usage = "KIND [NAME] [OPTION...]",
    .about = "What is there, then every change, each once and in order, until Ctrl-C.\n"
             "With -o json each line is {\"type\", \"object\"}.",
    .examples = "  choreo watch components -A\n"
                "  choreo watch releasebindings -l choreo.dev/component=web -o json | jq .type",
    .options = {OPTION_all_namespaces, OPTION_selector, OPTION_field_selector, OPTION_no_headers,
                OPTION_show_labels, OPTION_show_managed_fields},
    .forms = OUTPUT_ALL,
    .args = COMPLETE_OBJECTS,
    .run = run_watch,
};
