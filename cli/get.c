/* get.c: `choreo get` and `choreo watch`.
 *
 * Lists come page by page at one version. Tables are the server's (its columns for the kind), so a
 * kind that this program does not know prints as well. A watch that breaks goes on where it ended,
 * on another node; if the history is gone it starts over, and says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/category.h"
#include "cli/get_internal.h"
#include "cli/print.h"

enum { ENDLESS = 0 };

/* ---- get ---- */

static int get_one(struct getting *g, struct err *err)
{
    Choreo__V1__GetRequest request = CHOREO__V1__GET_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.ref = &g->ref;
    request.has_form = true;
    request.form = get__form(g);
    int rc = client_call(&g->cli->client, "choreo.v1.ResourceService/Get", &request.base,
                         &choreo__v1__object_response__descriptor, &g->cli->arena, &message, err);
    if (rc == 0) {
        const Choreo__V1__ObjectResponse *response = (const Choreo__V1__ObjectResponse *)message;
        g->version = response->resource_version;
        rc = get__take(g, response->object, NULL);
    }
    return rc;
}

static int on_listed(const Choreo__V1__Object *object, void *user, struct err *err)
{
    struct getting *g = user;
    int rc = get__take(g, object, NULL);
    if (rc != 0) {
        *err = g->err;
    }
    return rc;
}

static int get_list(struct getting *g, struct err *err)
{
    struct ask_list list = {.ref = &g->ref,
                            .form = get__form(g),
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

/* One that is not there does not hide the others. */
static int get_named(struct getting *g, bool *single, struct err *err)
{
    struct cli *c = g->cli;
    struct targets t = {0};
    struct err first = {0};
    int rc = ask_targets(c, 0, SIZE_MAX, &t, err);
    for (size_t i = 0; rc == 0 && i < t.count; i++) {
        if (i > 0 && strcmp(g->ref.resource, t.refs[i].resource) != 0) {
            get__end_table(g);
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
            get__end_table(g);
        }
        ask_ref(g->cli, arena_cstr(&g->cli->arena, kind), ns, &g->ref);
        rc = get_list(g, err);
        if (rc == 0 && !g->titled && get__form(g) == CHOREO__V1__FORM__FORM_TABLE) {
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
            get__end_table(g);
        }
        g->prefix = category.prefixes[i];
        ask_ref(g->cli, category.resources[i], ns, &g->ref);
        rc = get_list(g, err);
        any |= g->titled;
    }
    if (rc == 0 && !any && get__form(g) == CHOREO__V1__FORM__FORM_TABLE) {
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
    get__flush(g);
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
        g->rc = get__take(g, event->object, names[event->type]);
        get__flush(g);
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
        request.form = get__form(g);
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
