/* promote.c: `choreo promote`: points the target environment's binding at a release. Whether that
 * may be is the server's to say; here it is only found out which release is meant. */
#include "cli/release_sets.h"
#include "cli/releases.h"

static int run(struct cli *c, struct err *err)
{
    struct releases r = {0};
    const char *release = c->options.release;
    if (c->options.to == NULL) {
        return err_set(err, ERR_INVALID, "where to? --to ENVIRONMENT is required");
    }
    if (c->options.project != NULL) {
        return release_sets_promote(c, err);
    }
    int rc = releases_open(&r, c, err);
    if (rc == 0 && release == NULL) {
        rc = releases_before(&r, c->options.to, &release, err);
    }
    rc = rc != 0 ? rc : releases_bind(&r, c->options.to, release, err);
    releases_close(&r);
    return rc;
}

const struct command command_promote = {
    .name = "promote",
    .summary = "let a release go to the next environment",
    .usage = "COMPONENT|resource/RESOURCE --to ENVIRONMENT [OPTION...]\n"
             "--project PROJECT --to ENVIRONMENT [OPTION...]",
    .about =
        "The release is what runs healthily where the project's pipeline comes from, or RELEASE.\n"
        "The server refuses one that was never healthy there, and holds one whose gates are not\n"
        "open yet (approval, time, tests): what runs stays until they are. One that was rolled\n"
        "back is tried again. With --wait it returns when the release is ready there; if it is\n"
        "rolled back, with exit code 1; after --timeout, with 3, saying what is still missing.\n"
        "\n"
        "With --project it makes a ReleaseSet of what runs where the pipeline comes from: all of\n"
        "the project's components go, once each of them may, or none does; and when one is not\n"
        "healthy by its deadline, all go back.",
    .examples =
        "  choreo promote web --to staging --wait\n"
        "  choreo promote web --to production --reason 'fixes the cart' --timeout 1h --wait\n"
        "  choreo promote web --to production --release web-4d2c1a9f03 --dry-run\n"
        "  choreo promote resource/shop-database --to production\n"
        "  choreo promote --project shop --to production --timeout 10m --wait",
    .options = {OPTION_to, OPTION_release, OPTION_project, OPTION_reason, OPTION_wait,
                OPTION_dry_run},
    .forms = OUTPUT_TREES | 1 << OUTPUT_NAME,
    .args = COMPLETE_COMPONENT,
    .run = run,
};
