/* context.c: `choreo context`: list, use, set, remove. */
#include <stdio.h>
#include <string.h>

#include "cli/login.h"
#include "cli/print.h"

static int open_file(struct cli *c, struct contexts *contexts, size_t words, struct err *err)
{
    if (c->args.count != words) {
        return err_set(err, ERR_INVALID, "usage: choreo context %s %s", c->command->name,
                       c->command->usage);
    }
    return contexts_open(contexts, c->options.config, err);
}

/* "https://a:7443 (+2)" */
static const char *endpoints_text(struct cli *c, const json_t *endpoints)
{
    size_t count = json_array_size(endpoints);
    struct slice first = json_text(json_array_get(endpoints, 0));
    return count > 1 ? arena_printf(&c->arena, "%.*s (+%zu)", SLICE_ARG(first), count - 1)
                     : arena_cstr(&c->arena, first);
}

static void list_table(struct cli *c, const struct contexts *contexts)
{
    static const char *const titles[] = {"CURRENT", "NAME", "ENDPOINTS", "NAMESPACE", "AS"};
    const char *current = contexts_current(contexts);
    struct print_table table;
    print_init(&table, titles, 5);
    for (size_t i = 0; i < json_array_size(contexts_list(contexts)); i++) {
        const json_t *one = json_array_get(contexts_list(contexts), i);
        const char *name = arena_cstr(&c->arena, json_text_at(one, "name"));
        struct slice ns = json_text_at(one, "namespace");
        const char *as = json_text_at(one, "token").len > 0 ? "token"
                         : json_at(one, "clientCertificate", NULL) != NULL ||
                                 json_at(one, "clientCertificateData", NULL) != NULL
                             ? "certificate"
                             : "nobody";
        const char *cells[] = {current != NULL && strcmp(current, name) == 0 ? "*" : "", name,
                               endpoints_text(c, json_at(one, "endpoints", NULL)),
                               ns.len > 0 ? arena_cstr(&c->arena, ns) : "default", as};
        print_row(&table, cells);
    }
    print_flush(&table, !c->options.no_headers);
    print_free(&table);
}

static int run_list(struct cli *c, struct err *err)
{
    struct contexts contexts = {0};
    int rc = open_file(c, &contexts, 0, err);
    if (rc != 0) {
        return rc;
    }
    if (json_array_size(contexts_list(&contexts)) == 0) {
        print_err("There is no context in %s: choreo login makes one.\n", contexts.file);
    } else if (c->output.form == OUTPUT_NAME) {
        for (size_t i = 0; i < json_array_size(contexts_list(&contexts)); i++) {
            print_out("%s\n", arena_cstr(&c->arena,
                                         json_text_at(json_array_get(contexts_list(&contexts), i),
                                                      "name")));
        }
    } else {
        list_table(c, &contexts);
    }
    contexts_free(&contexts);
    return 0;
}

static int change(struct cli *c,
                  int (*how)(struct contexts *contexts, const char *name, struct err *err),
                  const char *done, struct err *err)
{
    struct contexts contexts = {0};
    int rc = open_file(c, &contexts, 1, err);
    rc = rc != 0 ? rc : how(&contexts, c->args.items[0], err);
    rc = rc != 0 ? rc : contexts_save(&contexts, err);
    if (rc == 0) {
        print_err("Context %s %s.\n", c->args.items[0], done);
    }
    contexts_free(&contexts);
    return rc;
}

static int run_use(struct cli *c, struct err *err)
{
    return change(c, contexts_use, "is the current one", err);
}

static int run_remove(struct cli *c, struct err *err)
{
    return change(c, contexts_remove, "removed", err);
}

static int run_set(struct cli *c, struct err *err)
{
    struct contexts contexts = {0};
    struct settings tried = {0};
    int rc = open_file(c, &contexts, 1, err);
    if (rc == 0) {
        json_t *context = contexts_need(&contexts, c->args.items[0]);
        rc = login_fill(c, context, err);
        rc = rc != 0 ? rc : settings_read(&tried, context, err);
        if (rc == 0 && tried.endpoint_count == 0) {
            rc = err_set(err, ERR_INVALID, "a context needs an --endpoint");
        }
        settings_free(&tried);
    }
    if (rc == 0 && c->options.use) {
        rc = contexts_use(&contexts, c->args.items[0], err);
    }
    rc = rc != 0 ? rc : contexts_save(&contexts, err);
    if (rc == 0) {
        print_err("Context %s is in %s.\n", c->args.items[0], contexts.file);
    }
    contexts_free(&contexts);
    return rc;
}

static const struct command command_list = {
    .name = "list",
    .summary = "every context; * is the current one",
    .usage = "[-o name]",
    .examples = "  choreo context list\n"
                "  choreo context list -o name",
    .options = {OPTION_no_headers},
    .forms = 1 << OUTPUT_NAME,
    .offline = true,
    .run = run_list,
};

static const struct command command_use = {
    .name = "use",
    .summary = "make another the current one",
    .usage = "NAME",
    .examples = "  choreo context use production\n"
                "  choreo --context staging get components    once, without a change",
    .args = COMPLETE_CONTEXT,
    .offline = true,
    .run = run_use,
};

static const struct command command_set = {
    .name = "set",
    .summary = "make a context, or change what is given",
    .usage = "NAME [--endpoint URL...] [-n NS] [OPTION...]",
    .about =
        "Changes what the options name and leaves the rest. A token is set by `choreo login`,\n"
        "which tries it first. Several endpoints are several nodes of one cluster: whichever\n"
        "answers is asked.",
    .examples = "  choreo context set production -n acme-corp\n"
                "  choreo context set production --endpoint https://cp1:7443 \\\n"
                "      --endpoint https://cp2:7443 --certificate-authority ca.crt --use",
    .options = {OPTION_ca, OPTION_client_certificate, OPTION_client_key, OPTION_use},
    .args = COMPLETE_CONTEXT,
    .offline = true,
    .run = run_set,
};

static const struct command command_remove = {
    .name = "remove",
    .summary = "forget a context and its credentials",
    .usage = "NAME",
    .examples = "  choreo context remove staging\n"
                "  choreo context remove old --config team.yaml",
    .args = COMPLETE_CONTEXT,
    .offline = true,
    .run = run_remove,
};

const struct command command_context = {
    .name = "context",
    .summary = "clusters and credentials: list, use, set, remove",
    .usage = "COMMAND [OPTION...]",
    .about =
        "A context is a cluster's endpoints, who asks, and the namespace that is meant when none\n"
        "is named. They live in one file, which only you can read.",
    .subcommands = (const struct command *const[]){&command_list, &command_use, &command_set,
                                                   &command_remove, NULL},
};
