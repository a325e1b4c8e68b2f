/* patch.c: `choreo patch`. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/yaml.h"
#include "cli/ask.h"
#include "proto/object.h"

enum { PATCH_MAX = 4 << 20 };

enum patch_type { PATCH_MERGE, PATCH_JSON, PATCH_STRATEGIC, PATCH_APPLY };

static int type_of(struct cli *c, enum patch_type *type, struct err *err)
{
    static const char *const names[] = {"merge", "json", "strategic", "apply"};
    const char *given = c->options.type != NULL ? c->options.type : names[0];
    for (int i = 0; i < 4; i++) {
        if (strcmp(given, names[i]) == 0) {
            *type = (enum patch_type)i;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "--type %s: must be merge, json, apply or strategic", given);
}

static int read_stdin(struct buf *text, struct err *err)
{
    buf_reserve(text, PATCH_MAX + 1);
    text->len = fread(text->data, 1, PATCH_MAX + 1, stdin);
    return text->len > PATCH_MAX ? err_set(err, ERR_TOO_LARGE, "the patch is too large") : 0;
}

static int read_patch(struct cli *c, json_t **patch, struct err *err)
{
    const struct options *o = &c->options;
    struct buf text = {0};
    const char *name = o->patch_file != NULL ? o->patch_file : "-p";
    int rc = 0;
    if ((o->patch == NULL) == (o->patch_file == NULL)) {
        return err_set(err, ERR_INVALID, "the patch is -p TEXT or --patch-file FILE");
    }
    if (o->patch != NULL) {
        buf_add_cstr(&text, o->patch);
    } else if (strcmp(o->patch_file, "-") == 0) {
        rc = read_stdin(&text, err);
    } else {
        rc = file_read(o->patch_file, PATCH_MAX, &text, err);
    }
    rc = rc != 0 ? rc : yaml_parse(buf_slice(&text), name, patch, err);
    buf_free(&text);
    return rc;
}

/* Server-side apply wants to be told what it is; the patch may leave that to the command line. */
static int complete(struct cli *c, Choreo__V1__Ref *ref, json_t *body, struct err *err)
{
    Choreo__V1__KindInfo *kind = NULL;
    json_t *schema = NULL;
    int rc = 0;
    if (!json_is_object(body)) {
        return err_set(err, ERR_INVALID, "the patch is no object");
    }
    if (object_kind(body).len == 0 || object_api_version(body).len == 0) {
        rc = ask_schema(c, ref->resource != NULL ? ref->resource : ref->kind, &kind, &schema, err);
        json_decref(schema);
    }
    if (rc == 0 && kind != NULL) {
        bool core = kind->group == NULL || *kind->group == '\0';
        const char *version = arena_printf(&c->arena, "%s%s%s", core ? "" : kind->group,
                                           core ? "" : "/", kind->version);
        json_object_set_new(body, "apiVersion", json_string(version));
        json_object_set_new(body, "kind", json_string(kind->kind));
    }
    return rc;
}

static int patch_one(struct cli *c, Choreo__V1__Ref *ref, enum patch_type type, json_t *body,
                     bool dry, struct err *err)
{
    struct ask_write w = {
        .ref = ref, .body = body, .dry_run = dry, .patch = (Choreo__V1__PatchType)type};
    int rc = 0;
    ref->subresource = arena_cstr(&c->arena, slice_of(c->options.subresource));
    if (type == PATCH_APPLY) {
        rc = complete(c, ref, body, err);
        rc = rc != 0 ? rc : ask_apply(c, &w, err);
    } else {
        rc = ask_patch(c, &w, err);
    }
    return rc != 0 ? rc
                   : ask_show_written(c, &w,
                                      w.created   ? "created"
                                      : w.changed ? "patched"
                                                  : "unchanged",
                                      err);
}

static int run(struct cli *c, struct err *err)
{
    struct targets t = {0};
    json_t *body = NULL;
    enum patch_type type = PATCH_MERGE;
    enum ask_dry dry = ASK_FOR_REAL;
    int rc = type_of(c, &type, err);
    rc = rc != 0 ? rc : ask_dry_run(c, &dry, err);
    if (rc == 0 && dry == ASK_DRY_CLIENT) {
        rc = err_set(err, ERR_INVALID, "--dry-run=client: a patch needs the server's object");
    }
    rc = rc != 0 ? rc : read_patch(c, &body, err);
    rc = rc != 0 ? rc : ask_targets(c, 0, SIZE_MAX, &t, err);
    for (size_t i = 0; rc == 0 && i < t.count; i++) {
        rc = patch_one(c, &t.refs[i], type, body, dry == ASK_DRY_SERVER, err);
    }
    json_decref(body);
    targets_free(&t);
    return rc;
}

const struct command command_patch = {
    .name = "patch",
    .summary = "change fields of an object",
    .usage = "KIND NAME... | KIND/NAME... -p TEXT | --patch-file FILE [--type TYPE]",
    .about =
        "TYPE is merge (RFC 7396: null removes), json (RFC 6902: a list of operations), apply\n"
        "(server-side apply) or strategic (Kubernetes' own kinds only).",
    .examples = "  choreo patch component web -p '{\"spec\":{\"image\":\"nginx:1.27\"}}'\n"
                "  choreo patch comp web --type json \\\n"
                "      -p '[{\"op\":\"remove\",\"path\":\"/spec/endpoints/0\"}]'\n"
                "  choreo patch comp web --type apply --field-manager ci -p 'spec: {replicas: 3}'",
    .options = {OPTION_type, OPTION_patch, OPTION_patch_file, OPTION_subresource, OPTION_dry_run,
                OPTION_field_manager, OPTION_force_conflicts},
    .forms = OUTPUT_TREES | 1 << OUTPUT_NAME,
    .args = COMPLETE_OBJECTS,
    .run = run,
};
