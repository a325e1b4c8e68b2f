/* label.c: `choreo label` and `choreo annotate`: one merge patch an object.
 *
 * Without --overwrite the object is read first, and the patch holds its version: a value that comes
 * between is not overwritten either. */
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "proto/object.h"

enum { TRIES = 5 };

/* "key=value" and "key-" as a merge patch of the map. */
static int read_changes(struct cli *c, size_t from, json_t *map, struct err *err)
{
    for (size_t i = from; i < c->args.count; i++) {
        struct slice word = slice_of(c->args.items[i]);
        size_t equal = slice_find(word, SLICE("="));
        bool removes = equal == SIZE_MAX && slice_ends_with(word, SLICE("-"));
        struct slice key = slice_sub(word, 0, removes ? word.len - 1 : equal);
        if ((equal == SIZE_MAX && !removes) || key.len == 0) {
            return err_set(err, ERR_INVALID, "\"%s\" must be KEY=VALUE, or KEY- to remove it",
                           c->args.items[i]);
        }
        json_t *value = removes ? json_null() : json_str(slice_sub(word, equal + 1, SIZE_MAX));
        json_object_set_new(map, arena_cstr(&c->arena, key), value);
    }
    return 0;
}

/* The first argument that is a change. */
static size_t first_change(const struct cli *c)
{
    size_t i = 0;
    while (i < c->args.count && strchr(c->args.items[i], '=') == NULL &&
           !slice_ends_with(slice_of(c->args.items[i]), SLICE("-"))) {
        i++;
    }
    return i;
}

static int refuse_overwriting(const json_t *object, const char *map, const json_t *changes,
                              struct err *err)
{
    const char *key;
    json_t *value;
    const json_t *present = json_at(object, "metadata", map, NULL);
    json_object_foreach((json_t *)(uintptr_t)changes, key, value)
    {
        const json_t *old = json_object_get(present, key);
        if (old != NULL && !json_is_null(value) && !json_equal(old, value)) {
            return err_set(err, ERR_CONFLICT, "%s is \"%.*s\" already: --overwrite replaces it",
                           key, SLICE_ARG(json_text(old)));
        }
    }
    return 0;
}

static int change_once(struct cli *c, Choreo__V1__Ref *ref, const char *map, const json_t *changes,
                       bool dry, struct ask_write *w, struct err *err)
{
    json_t *object = NULL;
    json_t *patch = json_pack("{s:{s:O}}", "metadata", map, (json_t *)(uintptr_t)changes);
    int rc = 0;
    if (!c->options.overwrite) {
        rc = ask_get(c, ref, CHOREO__V1__FORM__FORM_METADATA, &object, NULL, err);
        rc = rc != 0 ? rc : refuse_overwriting(object, map, changes, err);
        json_object_set(json_object_get(patch, "metadata"), "resourceVersion",
                        json_at(object, "metadata", "resourceVersion", NULL));
        rc = rc == ERR_CONFLICT ? ERR_EXISTS : rc; /* of no use to try again */
    }
    *w = (struct ask_write){.ref = ref, .body = patch, .dry_run = dry};
    rc = rc != 0 ? rc : ask_patch(c, w, err);
    json_decref(object);
    json_decref(patch);
    return rc;
}

static int change(struct cli *c, const char *map, const char *done, struct err *err)
{
    struct targets t = {0};
    json_t *changes = json_object();
    size_t first = first_change(c);
    enum ask_dry dry = ASK_FOR_REAL;
    int rc = ask_dry_run(c, &dry, err);
    if (rc == 0 && dry == ASK_DRY_CLIENT) {
        rc = err_set(err, ERR_INVALID, "--dry-run=client: it needs the server's object");
    }
    rc = rc != 0 ? rc : read_changes(c, first, changes, err);
    if (rc == 0 && json_object_size(changes) == 0) {
        rc = err_set(err, ERR_INVALID, "KEY=VALUE, or KEY- to remove it, is required");
    }
    rc = rc != 0 ? rc : ask_targets(c, 0, first, &t, err);
    for (size_t i = 0; rc == 0 && i < t.count; i++) {
        struct ask_write w = {0};
        int tries = 0;
        do {
            rc = change_once(c, &t.refs[i], map, changes, dry == ASK_DRY_SERVER, &w, err);
        } while (rc == ERR_CONFLICT && ++tries < TRIES);
        rc = rc != 0 ? err_wrap(err, "%s", t.titles[i])
                     : ask_show_written(c, &w, w.changed ? done : "unchanged", err);
    }
    json_decref(changes);
    targets_free(&t);
    return rc;
}

static int run_label(struct cli *c, struct err *err)
{
    return change(c, "labels", "labeled", err);
}

static int run_annotate(struct cli *c, struct err *err)
{
    return change(c, "annotations", "annotated", err);
}

const struct command command_label = {
    .name = "label",
    .summary = "set or remove labels",
    .usage = "KIND NAME... KEY=VALUE... KEY-... [OPTION...]\n"
             "KIND -l LABELS | KIND --all | -f PATH KEY=VALUE... KEY-...",
    .about =
        "KEY- removes a label. A value that is there stays, unless --overwrite is given: exit\n"
        "code 5.",
    .examples = "  choreo label component web team=shop\n"
                "  choreo label components --all -n acme-corp tier=2 --overwrite\n"
                "  choreo label component web team-",
    .options = {OPTION_filename, OPTION_recursive, OPTION_all_namespaces, OPTION_selector,
                OPTION_field_selector, OPTION_all, OPTION_overwrite, OPTION_dry_run,
                OPTION_field_manager},
    .forms = OUTPUT_TREES | 1 << OUTPUT_NAME,
    .args = COMPLETE_OBJECTS,
    .run = run_label,
};

const struct command command_annotate = {
    .name = "annotate",
    .summary = "set or remove annotations",
    .usage = "KIND NAME... KEY=VALUE... KEY-... [OPTION...]\n"
             "KIND -l LABELS | KIND --all | -f PATH KEY=VALUE... KEY-...",
    .about =
        "KEY- removes an annotation. A value that is there stays, unless --overwrite is given:\n"
        "exit code 5.",
    .examples = "  choreo annotate component web owner='Ada Lovelace'\n"
                "  choreo annotate component web owner- note='see runbook 7'",
    .options = {OPTION_filename, OPTION_recursive, OPTION_all_namespaces, OPTION_selector,
                OPTION_field_selector, OPTION_all, OPTION_overwrite, OPTION_dry_run,
                OPTION_field_manager},
    .forms = OUTPUT_TREES | 1 << OUTPUT_NAME,
    .args = COMPLETE_OBJECTS,
    .run = run_annotate,
};
