/* apply.c: `choreo apply`: files, folders and standard input, by server-side apply.
 *
 * Everything is read before the first is sent. Then they go one by one, what others live in or name
 * first (manifests_sort()), else in order of the files' names; the first that the server refuses
 * does not stop the others, but the exit code says so. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/check.h"
#include "cli/print.h"

static int apply_one(struct cli *c, const struct manifest *m, enum ask_dry dry, struct err *err)
{
    Choreo__V1__Ref ref;
    struct ask_write w = {.body = m->tree, .dry_run = dry == ASK_DRY_SERVER};
    ask_ref_of(c, m->tree, c->ns, &ref);
    w.ref = &ref;
    int rc = ask_apply(c, &w, err);
    if (rc == 0) {
        const char *done = w.created ? "created" : w.changed ? "configured" : "unchanged";
        return ask_show_written(c, &w, done, err);
    }
    bool nowhere =
        rc == ERR_NOT_FOUND && slice_starts_with(slice_of(err->message), SLICE("namespaces \""));
    if (nowhere) {
        err_set(err, rc, "%s: an Organization or a Namespace of that name makes it", err->message);
    }
    return err_wrap(err, "%s:%d: %s", m->file, m->line, manifest_title(m->tree, &c->arena));
}

static int send_all(struct cli *c, const struct manifests *all, enum ask_dry dry, struct err *err)
{
    struct err first = {0};
    for (size_t i = 0; i < all->count; i++) {
        if (apply_one(c, &all->items[i], dry, err) == 0) {
            continue;
        }
        if (first.code == 0) {
            first = *err;
        } else {
            print_err("choreo apply: %s\n", err->message);
        }
    }
    *err = first;
    return first.code;
}

/* As far as this program alone can. */
static int check(const struct cli *c, const struct manifests *all, struct err *err)
{
    struct findings findings = {0};
    check_all(all, c->ns, NULL, &findings);
    findings_print(&findings);
    int rc = check_verdict(all, &findings, err);
    findings_free(&findings);
    return rc;
}

static int run(struct cli *c, struct err *err)
{
    struct manifests all = {0};
    enum ask_dry dry = ASK_FOR_REAL;
    int rc =
        c->args.count > 0
            ? err_set(err, ERR_INVALID, "what is \"%s\"? Files are named with -f", c->args.items[0])
            : ask_dry_run(c, &dry, err);
    rc = rc != 0 ? rc : manifests_read(&all, &c->options.filename, c->options.recursive, err);
    if (rc == 0 && dry == ASK_DRY_CLIENT) {
        rc = check(c, &all, err);
        for (size_t i = 0; rc == 0 && i < all.count; i++) {
            print_out("%s checked (dry run)\n", manifest_title(all.items[i].tree, &c->arena));
        }
    } else if (rc == 0 && (rc = cli_connect(c, err)) == 0) {
        manifests_sort(&all);
        rc = send_all(c, &all, dry, err);
    }
    manifests_free(&all);
    return rc;
}

const struct command command_apply = {
    .name = "apply",
    .summary = "make the cluster hold what files say",
    .usage = "-f PATH [-f PATH...] [OPTION...]",
    .about =
        "Makes the cluster hold what the manifests say (server-side apply): creates what is\n"
        "absent, changes what differs, leaves alone what others own. Whatever their order, what\n"
        "others live in or name is sent first: organizations, definitions, types, data planes,\n"
        "environments, pipelines, projects.",
    .examples = "  choreo apply -f deploy/samples\n"
                "  choreo apply -f web.yaml --dry-run\n"
                "  kustomize build . | choreo apply -n acme -f -",
    .options = {OPTION_filename, OPTION_recursive, OPTION_field_manager, OPTION_force_conflicts,
                OPTION_dry_run},
    .forms = OUTPUT_TREES | 1 << OUTPUT_NAME,
    .offline = true, /* --dry-run=client asks nobody */
    .run = run,
};
