/* rollback.c: `choreo rollback`: points a binding back at the last healthy release before it. */
#include "cli/release_sets.h"
#include "cli/releases.h"

/* As the server goes back by itself (promotion.h), but from what is asked for. */
static struct slice former(const json_t *binding)
{
    size_t at = 0;
    return json_text_at(promotion_next_back(binding, promotion_asked(binding), &at), "release");
}

static int run(struct cli *c, struct err *err)
{
    struct releases r = {0};
    const json_t *binding = NULL;
    const char *environment = c->options.environment;
    const char *release = c->options.release;
    if (environment == NULL) {
        return err_set(err, ERR_INVALID, "where? --environment ENVIRONMENT is required");
    }
    if (c->options.project != NULL) {
        return release_sets_rollback(c, err);
    }
    int rc = releases_open(&r, c, err);
    rc = rc != 0 ? rc : releases_binding(&r, environment, &binding, err);
    if (rc == 0 && release == NULL) {
        release = arena_cstr(&c->arena, former(binding));
        if (release[0] == '\0') {
            rc = err_set(err, ERR_NOT_FOUND,
                         "no release of \"%s\" before this one was healthy in \"%s\" and not taken "
                         "back (choreo history %s -e %s)",
                         r.owner, environment, c->args.items[0], environment);
        }
    }
    rc = rc != 0 ? rc : releases_bind(&r, environment, release, err);
    releases_close(&r);
    return rc;
}

const struct command command_rollback = {
    .name = "rollback",
    .summary = "go back to the last healthy release",
    .usage = "COMPONENT|resource/RESOURCE -e ENVIRONMENT [OPTION...]\n"
             "--project PROJECT -e ENVIRONMENT [OPTION...]",
    .about = "Binds the last release before this one that was healthy there and not taken back,\n"
             "or RELEASE. What was healthy in an environment may come back to it without asking\n"
             "its gates again.\n"
             "Where a deadline is set (progressDeadline), the server goes back by itself; of a\n"
             "resource never, for what it holds does not go back with it.\n"
             "With --project it makes a ReleaseSet of what ran before the project's last set.",
    .examples = "  choreo rollback web -e production --wait\n"
                "  choreo rollback web -e production --reason 'the cart loses items'",
    .options = {OPTION_environment, OPTION_release, OPTION_project, OPTION_reason, OPTION_wait,
                OPTION_dry_run},
    .forms = OUTPUT_TREES | 1 << OUTPUT_NAME,
    .args = COMPLETE_COMPONENT,
    .run = run,
};
