/* validate.c: `choreo validate`: all that can be said of manifests without a server. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/offline.h"
#include "cli/print.h"

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static int show_tree(const struct cli *c, struct offline *o, bool valid, struct err *err)
{
    json_t *tree =
        json_pack("{s:b, s:I, s:I, s:I, s:o}", "valid", valid, "manifests",
                  (json_int_t)o->files.count, "errors", (json_int_t)o->findings.errors, "warnings",
                  (json_int_t)o->findings.warnings, "findings", findings_tree(&o->findings));
    int rc = output_tree(&c->output, tree, err);
    json_decref(tree);
    return rc;
}

/* "4 errors and 1 warning in 30 manifests". */
static const char *summary(struct offline *o)
{
    const struct findings *f = &o->findings;
    size_t count = o->files.count;
    const char *in = arena_printf(&o->arena, "in %zu manifest%s", count, plural(count));
    const char *errors = arena_printf(&o->arena, "%zu error%s", f->errors, plural(f->errors));
    const char *warnings =
        arena_printf(&o->arena, "%zu warning%s", f->warnings, plural(f->warnings));
    if (f->errors == 0 && f->warnings == 0) {
        return arena_printf(&o->arena, "%zu manifest%s valid", count, count == 1 ? " is" : "s are");
    }
    return f->errors == 0     ? arena_printf(&o->arena, "%s %s", warnings, in)
           : f->warnings == 0 ? arena_printf(&o->arena, "%s %s", errors, in)
                              : arena_printf(&o->arena, "%s and %s %s", errors, warnings, in);
}

static int run(struct cli *c, struct err *err)
{
    struct offline o;
    if (c->args.count > 0) {
        return err_set(err, ERR_INVALID, "what is \"%s\"? Files are named with -f",
                       c->args.items[0]);
    }
    int rc = offline_judge(&o, c, err);
    if (rc != 0) {
        return rc;
    }
    size_t bad = o.findings.errors + (c->options.strict ? o.findings.warnings : 0);
    const char *verdict = summary(&o);
    if (output_is_tree(&c->output)) {
        rc = show_tree(c, &o, bad == 0, err);
    } else {
        findings_print(&o.findings);
    }
    if (rc == 0 && bad > 0) {
        rc = err_set(err, ERR_UNPROCESSABLE, "%s", verdict);
    } else if (rc == 0) {
        print_err("%s\n", verdict);
    }
    offline_free(&o);
    return rc;
}

const struct command command_validate = {
    .name = "validate",
    .summary = "say all that is wrong with files, without a server",
    .usage = "-f PATH [-f PATH...] [--strict] [-o json]",
    .about =
        "First what a server would refuse: unknown fields, broken rules, bad names, templates\n"
        "that do not parse. Then what it would say once it had tried: the control plane's own\n"
        "controllers work on the files, deploy every component in every environment, and each\n"
        "condition that would hold something up is told with its reason: an unknown type, a\n"
        "parameter that a type does not take, an expression that fails, an environment without a\n"
        "place, a tenant's type that goes beyond what it may.\n"
        "\n"
        "A line each: file:line: object: field: what, what to do, and [Reason], which is the\n"
        "condition's on a server. A line of a template also has the expression's column. What\n"
        "lies in things that the files do not hold is a warning: a component of others, a Secret,\n"
        "a data plane. Of a kind that the files hold none of, what they name is taken to be on\n"
        "the server; where they hold some, a name that is not among them is an error. So give\n"
        "all files that belong together at once.\n"
        "\n"
        "-o json is {valid, manifests, errors, warnings, findings}; a finding has severity, file,\n"
        "line, column, object, field, condition, reason, message, expressionColumn, where, others\n"
        "(where it also came up) and hint, as far as there are.\n"
        "\n"
        "Nothing is asked of anybody, so it fits a commit hook or CI. Exit code 1: there are\n"
        "errors, or with --strict warnings; 2: the command line is wrong, or there is nothing to\n"
        "read. What only a server knows (who may, what is immutable), `choreo apply --dry-run`\n"
        "tells. Custom kinds that the manifests define are checked, too, with their rules.",
    .examples = "  choreo validate -f deploy/samples\n"
                "  choreo validate -R -f platform -f teams --strict\n"
                "  kustomize build overlays/production | choreo validate -f -\n"
                "  choreo validate -f platform -o json | jq -r '.findings[].reason'",
    .options = {OPTION_filename, OPTION_recursive, OPTION_strict},
    .forms = OUTPUT_TREES | 1 << OUTPUT_TABLE,
    .offline = true,
    .run = run,
};
