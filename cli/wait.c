/* wait.c: `choreo wait`: one object after the other, all against the same deadline; what became
 * true meanwhile is seen at once. */
#include <stdio.h>

#include "cli/await.h"
#include "cli/print.h"

static int run(struct cli *c, struct err *err)
{
    struct await await = {.cli = c, .end_ms = await_deadline(c)};
    struct targets t = {0};
    int rc =
        await_parse(&await, c->options.about != NULL ? c->options.about : "condition=Ready", err);
    rc = rc != 0 ? rc : ask_targets(c, 0, SIZE_MAX, &t, err);
    if (rc == 0 && t.count == 0) {
        print_err("No object matches.\n");
    }
    for (size_t i = 0; rc == 0 && i < t.count; i++) {
        rc = await_one(&await, &t.refs[i], t.titles[i], err);
    }
    targets_free(&t);
    await_free(&await);
    return rc;
}

const struct command command_wait = {
    .name = "wait",
    .summary = "wait until objects reach a condition",
    .usage = "KIND NAME... | KIND/NAME... | KIND -l LABELS | KIND --all [--for WHAT]\n"
             "-f PATH [-f PATH...] [--for WHAT]",
    .about = "WHAT is one of:\n"
             "  condition=TYPE[=STATUS]   status.conditions says so; default: condition=Ready\n"
             "  jsonpath={PATH}[=VALUE]   the path is there, or has the value\n"
             "  create, delete            the object is there, or gone\n"
             "--timeout is for all of them together.",
    .examples = "  choreo wait component/user-service --timeout 2m\n"
                "  choreo wait component web --for 'jsonpath={.status.environments[0].urls}'\n"
                "  choreo wait components --all --for delete",
    .options = {OPTION_filename, OPTION_recursive, OPTION_all_namespaces, OPTION_selector,
                OPTION_field_selector, OPTION_all, OPTION_about},
    .args = COMPLETE_OBJECTS,
    .run = run,
};
