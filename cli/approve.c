/* approve.c: `choreo approve`: creates a ReleaseApproval. Who approves is not said here: the server
 * knows. */
#include "cli/release_sets.h"
#include "cli/releases.h"

#include "proto/object.h"

struct asked {
    const char *noun; /* "component" or "resource" */
    const char *owner;
    const char *release;
    const char *environment;
};

static json_t *approval(struct cli *c, const struct asked *a)
{
    json_t *o = object_new("choreo.dev/v1", "ReleaseApproval", slice_of(c->ns), (struct slice){0});
    json_t *meta = json_object_get(o, "metadata");
    (void)json_object_del(meta, "name");
    json_object_set_new(meta, "generateName", json_sprintf("%s-", a->release));
    json_object_set_new(o, "spec",
                        json_pack("{s:s, s:s, s:s}", a->noun, a->owner, "release", a->release,
                                  "environment", a->environment));
    if (c->options.reason != NULL) {
        json_object_set_new(json_object_get(o, "spec"), "reason",
                            json_str(slice_of(c->options.reason)));
    }
    return o;
}

static int create(struct cli *c, const struct asked *a, struct ask_write *w, struct err *err)
{
    json_t *body = approval(c, a);
    w->body = body;
    int rc = ask_create(c, w, err);
    json_decref(body);
    return rc;
}

static int approve(struct cli *c, const struct asked *a, bool dry, struct err *err)
{
    struct ask_write w = {.dry_run = dry};
    int rc = create(c, a, &w, err);
    return rc != 0 ? rc
                   : ask_show_written(c, &w,
                                      arena_printf(&c->arena, "approves release %s for %s",
                                                   a->release, a->environment),
                                      err);
}

/* ---- all that wait of a set ---- */

/* What a member of a set asks for; false: it waits for nothing. */
static bool waits(struct cli *c, const json_t *set, size_t i, struct asked *out)
{
    const json_t *member = json_array_get(json_at(set, "status", "members", NULL), i);
    *out = (struct asked){
        .noun = "component",
        .owner = arena_cstr(&c->arena, json_text_at(member, "component")),
        .release = arena_cstr(&c->arena, json_text_at(member, "release")),
        .environment = arena_cstr(&c->arena, json_text(json_at(set, "spec", "environment", NULL)))};
    return slice_eq_cstr(json_text_at(member, "state"), "Waiting") &&
           json_text_at(member, "message").len > 0;
}

/* All are tried before the first is given, so that a set is not half approved for one of them. */
static int try_all(struct cli *c, const json_t *set, size_t *count, struct err *err)
{
    struct buf refused = {0};
    struct asked a;
    int first = 0;
    *count = 0;
    for (size_t i = 0; i < json_array_size(json_at(set, "status", "members", NULL)); i++) {
        struct ask_write w = {.dry_run = true};
        struct err why;
        int rc = waits(c, set, i, &a) ? create(c, &a, &w, &why) : 0;
        *count += waits(c, set, i, &a) ? 1 : 0;
        if (rc != 0) {
            first = first != 0 ? first : rc;
            buf_addf(&refused, "%s%s: %s", refused.len > 0 ? "; " : "", a.owner, why.message);
        }
        json_decref(w.tree);
    }
    if (first != 0) {
        (void)err_set(err, first, "none is approved, since not all can be: %s", buf_cstr(&refused));
    }
    buf_free(&refused);
    return first;
}

static int approve_set(struct cli *c, const char *name, bool dry, struct err *err)
{
    json_t *set = NULL;
    struct asked a;
    size_t count = 0;
    int rc = release_sets_read(c, name, &set, err);
    rc = rc != 0 ? rc : try_all(c, set, &count, err);
    if (rc == 0 && count == 0) {
        rc = err_set(err, ERR_NOT_FOUND, "no release of set \"%s\" waits: it is %.*s", name,
                     SLICE_ARG(json_text(json_at(set, "status", "state", NULL))));
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(json_at(set, "status", "members", NULL));
         i++) {
        rc = waits(c, set, i, &a) ? approve(c, &a, dry, err) : 0;
    }
    if (rc == 0 && c->options.wait && !dry) {
        rc = release_sets_await(c, set, err);
    }
    json_decref(set);
    return rc;
}

/* ---- one ---- */

static int approve_one(struct cli *c, bool dry, struct err *err)
{
    struct releases r = {0};
    const json_t *binding = NULL;
    const char *release = c->options.release;
    if (c->options.to == NULL) {
        return err_set(err, ERR_INVALID, "for where? --to ENVIRONMENT is required");
    }
    int rc = releases_open(&r, c, err);
    if (rc == 0 && (release == NULL || c->options.wait)) {
        rc = releases_binding(&r, c->options.to, &binding, err);
    }
    if (rc == 0 && release == NULL) {
        release = arena_cstr(&c->arena, promotion_asked(binding));
    }
    if (rc == 0) {
        const struct asked a = {r.track->noun, r.owner, release, c->options.to};
        rc = approve(c, &a, dry, err);
    }
    if (rc == 0 && c->options.wait && !dry) {
        rc = releases_await(&r, binding, err);
    }
    releases_close(&r);
    return rc;
}

static int run(struct cli *c, struct err *err)
{
    static const char of_set[] = "releaseset/";
    enum ask_dry dry = ASK_FOR_REAL;
    int rc = ask_dry_run(c, &dry, err);
    if (rc == 0 && dry == ASK_DRY_CLIENT) {
        rc = err_set(err, ERR_INVALID, "--dry-run=client: only the server knows who may approve");
    }
    if (rc != 0) {
        return rc;
    }
    struct slice what = c->args.count == 1 ? slice_of(c->args.items[0]) : SLICE("");
    if (!slice_starts_with(what, slice_of(of_set))) {
        return approve_one(c, dry == ASK_DRY_SERVER, err);
    }
    if (c->options.to != NULL || c->options.release != NULL) {
        return err_set(err, ERR_INVALID,
                       "a set says itself what goes where: no --to, no --release");
    }
    return approve_set(c, c->args.items[0] + sizeof of_set - 1, dry == ASK_DRY_SERVER, err);
}

const struct command command_approve = {
    .name = "approve",
    .summary = "approve a release for an environment",
    .usage = "COMPONENT|resource/RESOURCE --to ENVIRONMENT [OPTION...]\n"
             "releaseset/SET [OPTION...]",
    .about =
        "The release is what the environment's binding asks for, or RELEASE. The approval says "
        "who\n"
        "gave it, when and why; the server fills in who. It refuses (exit code 4) an author of "
        "the\n"
        "release, whoever asked for its promotion, and who is in none of the pipeline's groups.\n"
        "With --wait it returns when the release is ready there.\n"
        "Of a set all releases that wait are approved, or none, and it says which were refused.",
    .examples = "  choreo approve web --to production --reason 'tested by hand'\n"
                "  choreo approve web --to production --release web-4d2c1a9f03 --wait\n"
                "  choreo approve releaseset/shop-production-x7k2p",
    .options = {OPTION_to, OPTION_release, OPTION_reason, OPTION_wait, OPTION_dry_run},
    .forms = OUTPUT_TREES | 1 << OUTPUT_NAME,
    .args = COMPLETE_COMPONENT,
    .run = run,
};
