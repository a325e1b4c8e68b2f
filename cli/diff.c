/* diff.c: `choreo diff`: what `choreo apply` would change.
 *
 * The server merges and checks as if it applied (a dry run); what came of it is compared with what
 * is there, as YAML without what the server keeps books of. */
#include <stdio.h>

#include "base/yaml.h"
#include "cli/ask.h"
#include "cli/udiff.h"
#include "cli/print.h"

/* Takes out what changes by itself. */
static void strip(json_t *object)
{
    json_t *meta = json_object_get(object, "metadata");
    (void)json_object_del(meta, "managedFields");
    (void)json_object_del(meta, "resourceVersion");
    (void)json_object_del(meta, "generation");
}

/* A new object's uid and time are made up. */
static void strip_new(json_t *object)
{
    json_t *meta = json_object_get(object, "metadata");
    (void)json_object_del(meta, "uid");
    (void)json_object_del(meta, "creationTimestamp");
}

static bool show(struct cli *c, json_t *before, json_t *after)
{
    const char *title = manifest_title(after, &c->arena);
    struct buf old = {0};
    struct buf new = {0};
    struct buf out = {0};
    strip(after);
    if (before != NULL) {
        strip(before);
        yaml_emit(before, &old);
    } else {
        strip_new(after);
    }
    yaml_emit(after, &new);
    bool differs = udiff(buf_slice(&old), buf_slice(&new),
                         before != NULL ? arena_printf(&c->arena, "live/%s", title) : "/dev/null",
                         arena_printf(&c->arena, "applied/%s", title), output_colours(), &out);
    (void)fputs(buf_cstr(&out), stdout);
    buf_free(&old);
    buf_free(&new);
    buf_free(&out);
    return differs;
}

static int diff_one(struct cli *c, const struct manifest *m, bool *differs, struct err *err)
{
    Choreo__V1__Ref ref;
    struct ask_write w = {.ref = &ref, .body = m->tree, .dry_run = true};
    json_t *before = NULL;
    ask_ref_of(c, m->tree, c->ns, &ref);
    int rc = ask_get(c, &ref, CHOREO__V1__FORM__FORM_JSON, &before, NULL, err);
    rc = rc == ERR_NOT_FOUND ? 0 : rc;
    rc = rc != 0 ? rc : ask_apply(c, &w, err);
    if (rc == 0) {
        *differs = show(c, before, w.tree) || *differs;
    } else {
        (void)err_wrap(err, "%s:%d: %s", m->file, m->line, manifest_title(m->tree, &c->arena));
    }
    json_decref(before);
    json_decref(w.tree);
    return rc;
}

static int run(struct cli *c, struct err *err)
{
    struct manifests all = {0};
    struct err first = {0};
    bool differs = false;
    int rc =
        c->args.count > 0
            ? err_set(err, ERR_INVALID, "what is \"%s\"? Files are named with -f", c->args.items[0])
            : manifests_read(&all, &c->options.filename, c->options.recursive, err);
    for (size_t i = 0; rc == 0 && i < all.count; i++) {
        if (diff_one(c, &all.items[i], &differs, err) == 0) {
            continue;
        }
        if (first.code == 0) {
            first = *err;
        } else {
            print_err("choreo diff: %s\n", err->message);
        }
    }
    manifests_free(&all);
    c->exit_code = differs ? 1 : 0;
    if (rc == 0 && first.code != 0) {
        *err = first;
    }
    return rc != 0 ? rc : first.code;
}

const struct command command_diff = {
    .name = "diff",
    .summary = "what apply would change",
    .usage = "-f PATH [-f PATH...] [OPTION...]",
    .about =
        "Lets the server merge and check the manifests without keeping anything, and shows the\n"
        "result against what is there. Exit codes: 0 the same, 1 differs, 2 failed.",
    .examples = "  choreo diff -f deploy/samples\n"
                "  choreo diff -f web.yaml || choreo apply -f web.yaml",
    .options = {OPTION_filename, OPTION_recursive, OPTION_field_manager, OPTION_force_conflicts},
    .failure_exit = 2,
    .run = run,
};
