/* delete.c: `choreo delete`, by name, by label, or by the manifests that made the objects.
 *
 * --wait watches each object, after all have been asked for, until it is gone; an object of the
 * same name made meanwhile has another uid and counts as gone. */
#include <stdio.h>
#include <string.h>

#include "cli/await.h"
#include "cli/print.h"

static int propagation_of(struct cli *c, Choreo__V1__Propagation *how, struct err *err)
{
    static const char *const names[] = {"background", "foreground", "orphan"};
    const char *given = c->options.cascade != NULL ? c->options.cascade : names[0];
    for (int i = 0; i < 3; i++) {
        if (strcmp(given, names[i]) == 0) {
            *how = (Choreo__V1__Propagation)i;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "--cascade %s: must be background, foreground or orphan",
                   given);
}

static void show(struct cli *c, const struct targets *t, size_t i, bool held)
{
    if (c->output.form == OUTPUT_NAME) {
        print_out("%s\n", t->titles[i]);
    } else {
        print_out("%s %s%s\n", t->titles[i], held ? "is being deleted" : "deleted",
                  c->options.dry_run != NULL ? " (dry run)" : "");
    }
}

/* *uid: what to wait for, or NULL. */
static int delete_one(struct cli *c, const struct targets *t, size_t i, Choreo__V1__Propagation how,
                      enum ask_dry dry, const char **uid, struct err *err)
{
    Choreo__V1__DeleteRequest request = CHOREO__V1__DELETE_REQUEST__INIT;
    Choreo__V1__WriteOptions options = CHOREO__V1__WRITE_OPTIONS__INIT;
    ProtobufCMessage *message = NULL;
    char id[37];
    if (dry == ASK_DRY_CLIENT) {
        show(c, t, i, false);
        return 0;
    }
    client_request_id(id);
    options.has_request_id = options.has_dry_run = true;
    options.request_id = (ProtobufCBinaryData){sizeof id - 1, (uint8_t *)id};
    options.dry_run = dry == ASK_DRY_SERVER;
    request.ref = &t->refs[i];
    request.options = &options;
    request.has_form = request.has_propagation = true;
    request.form = CHOREO__V1__FORM__FORM_JSON;
    request.propagation = how;
    int rc = client_call(&c->client, "choreo.v1.ResourceService/Delete", &request.base,
                         &choreo__v1__delete_response__descriptor, &c->arena, &message, err);
    if (rc == ERR_NOT_FOUND && c->options.ignore_not_found) {
        return 0;
    }
    if (rc == 0) {
        const Choreo__V1__DeleteResponse *response = (const Choreo__V1__DeleteResponse *)message;
        show(c, t, i, response->object != NULL);
        *uid = response->object != NULL && !options.dry_run ? response->uid : NULL;
    }
    return rc;
}

static int run(struct cli *c, struct err *err)
{
    struct targets t = {0};
    Choreo__V1__Propagation how = CHOREO__V1__PROPAGATION__PROPAGATION_BACKGROUND;
    enum ask_dry dry = ASK_FOR_REAL;
    struct await await = {.cli = c, .end_ms = await_deadline(c), .quiet = true};
    struct err first = {0};
    int rc = propagation_of(c, &how, err);
    rc = rc != 0 ? rc : ask_dry_run(c, &dry, err);
    rc = rc != 0 ? rc : await_parse(&await, "delete", err);
    rc = rc != 0 ? rc : ask_targets(c, 0, SIZE_MAX, &t, err);
    const char **uids = arena_zero(&c->arena, (t.count + 1) * sizeof *uids);
    for (size_t i = 0; rc == 0 && i < t.count; i++) {
        if (delete_one(c, &t, i, how, dry, &uids[i], err) != 0) {
            if (first.code == 0) {
                first = *err;
            } else {
                print_err("choreo delete: %s\n", err->message);
            }
        }
    }
    if (rc == 0 && t.count == 0) {
        print_err("No object matches.\n");
    }
    for (size_t i = 0; rc == 0 && c->options.wait && i < t.count; i++) {
        await.uid = uids[i];
        rc = uids[i] != NULL ? await_one(&await, &t.refs[i], t.titles[i], err) : 0;
    }
    targets_free(&t);
    await_free(&await);
    if (rc == 0 && first.code != 0) {
        *err = first;
        rc = first.code;
    }
    return rc;
}

const struct command command_delete = {
    .name = "delete",
    .summary = "delete objects",
    .usage = "KIND NAME... | KIND/NAME... | KIND -l LABELS | KIND --all\n-f PATH [-f PATH...]",
    .about = "Asks for deletion and returns; what the objects made on clusters is removed in the\n"
             "background. --wait returns when they are gone.",
    .examples = "  choreo delete component user-service\n"
                "  choreo delete -f deploy/samples --ignore-not-found --wait --timeout 2m\n"
                "  choreo delete components -l team=web --dry-run",
    .options = {OPTION_filename, OPTION_recursive, OPTION_all_namespaces, OPTION_selector,
                OPTION_field_selector, OPTION_all, OPTION_dry_run, OPTION_ignore_not_found,
                OPTION_cascade, OPTION_wait},
    .forms = 1 << OUTPUT_NAME,
    .args = COMPLETE_OBJECTS,
    .run = run,
};
