/* validate.c: `choreo validate`: manifests against the server's rules, without a server. */
#include <stdio.h>

#include "cli/check.h"
#include "cli/commands.h"
#include "cli/print.h"

static int run(struct cli *c, struct err *err)
{
    struct manifests all = {0};
    struct err unread = {0};
    int rc =
        c->args.count > 0
            ? err_set(err, ERR_INVALID, "what is \"%s\"? Files are named with -f", c->args.items[0])
            : 0;
    if (rc == 0) {
        rc = manifests_read(&all, &c->options.filename, c->options.recursive, &unread);
        if (rc != 0 && all.fault_count == 0) {
            *err = unread; /* nothing to read at all */
        } else {
            rc = check_all(&all, c->ns, NULL, err);
        }
    }
    if (rc == 0) {
        print_err("%zu manifest%s valid\n", all.count, all.count == 1 ? " is" : "s are");
    }
    manifests_free(&all);
    return rc;
}

const struct command command_validate = {
    .name = "validate",
    .summary = "check files against the server's rules, without a server",
    .usage = "-f PATH [-f PATH...]",
    .about =
        "Names every fault with its file, line and field: unknown fields, broken rules, bad\n"
        "names, templates that do not parse. Asks no server, so it fits a commit hook; what\n"
        "depends on the cluster's state, `choreo apply --dry-run` tells. Custom kinds that the\n"
        "manifests define are checked, too, with their rules.",
    .examples = "  choreo validate -f deploy/samples\n"
                "  choreo validate -f - < web.yaml",
    .options = {OPTION_filename, OPTION_recursive},
    .offline = true,
    .run = run,
};
