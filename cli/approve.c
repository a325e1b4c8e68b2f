/* approve.c: `choreo approve`: creates a ReleaseApproval. Who approves is not said here: the server
 * knows. */
#include "cli/releases.h"

#include "proto/object.h"

static json_t *approval(const struct releases *r, const char *environment, const char *release)
{
    struct cli *c = r->cli;
    json_t *o = object_new("choreo.dev/v1", "ReleaseApproval", slice_of(c->ns), (struct slice){0});
    json_t *meta = json_object_get(o, "metadata");
    (void)json_object_del(meta, "name");
    json_object_set_new(meta, "generateName", json_sprintf("%s-", release));
    json_object_set_new(o, "spec",
                        json_pack("{s:s, s:s, s:s}", r->track->noun, r->owner, "release", release,
                                  "environment", environment));
    if (c->options.reason != NULL) {
        json_object_set_new(json_object_get(o, "spec"), "reason",
                            json_str(slice_of(c->options.reason)));
    }
    return o;
}

static int approve(struct releases *r, const char *release, bool dry, struct err *err)
{
    struct cli *c = r->cli;
    json_t *body = approval(r, c->options.to, release);
    struct ask_write w = {.body = body, .dry_run = dry};
    int rc = ask_create(c, &w, err);
    json_decref(body);
    return rc != 0 ? rc
                   : ask_show_written(c, &w,
                                      arena_printf(&c->arena, "approves release %s for %s", release,
                                                   c->options.to),
                                      err);
}

static int run(struct cli *c, struct err *err)
{
    struct releases r = {0};
    const json_t *binding = NULL;
    const char *release = c->options.release;
    enum ask_dry dry = ASK_FOR_REAL;
    if (c->options.to == NULL) {
        return err_set(err, ERR_INVALID, "for where? --to ENVIRONMENT is required");
    }
    int rc = ask_dry_run(c, &dry, err);
    if (rc == 0 && dry == ASK_DRY_CLIENT) {
        rc = err_set(err, ERR_INVALID, "--dry-run=client: only the server knows who may approve");
    }
    rc = rc != 0 ? rc : releases_open(&r, c, err);
    if (rc == 0 && (release == NULL || c->options.wait)) {
        rc = releases_binding(&r, c->options.to, &binding, err);
    }
    if (rc == 0 && release == NULL) {
        release = arena_cstr(&c->arena, promotion_asked(binding));
    }
    rc = rc != 0 ? rc : approve(&r, release, dry == ASK_DRY_SERVER, err);
    if (rc == 0 && c->options.wait && dry == ASK_FOR_REAL) {
        rc = releases_await(&r, binding, err);
    }
    releases_close(&r);
    return rc;
}

const struct command command_approve = {
    .name = "approve",
    .summary = "approve a release for an environment",
    .usage = "COMPONENT|resource/RESOURCE --to ENVIRONMENT [--release RELEASE] [OPTION...]",
    .about =
        "The release is what the environment's binding asks for, or RELEASE. The approval says "
        "who\n"
        "gave it, when and why; the server fills in who. It refuses (exit code 4) an author of "
        "the\n"
        "release, whoever asked for its promotion, and who is in none of the pipeline's groups.\n"
        "With --wait it returns when the release is ready there.",
    .examples = "  choreo approve web --to production --reason 'tested by hand'\n"
                "  choreo approve web --to production --release web-4d2c1a9f03 --wait",
    .options = {OPTION_to, OPTION_release, OPTION_reason, OPTION_wait, OPTION_dry_run},
    .forms = OUTPUT_TREES | 1 << OUTPUT_NAME,
    .args = COMPLETE_COMPONENT,
    .run = run,
};
