/* delete.c: `choreo delete`, by name or by the manifests that made the objects. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/yaml.h"
#include "cli/commands.h"
#include "cli/print.h"

enum { FILE_MAX = 64 << 20 };

static const char help[] =
    "usage: choreo delete KIND NAME... | KIND/NAME... | -f FILE [OPTION...]\n"
    "\n"
    "Asks for deletion and returns; what the objects made on clusters is removed in the\n"
    "background (`choreo wait KIND/NAME --for delete` waits for it).\n"
    "\n"
    "  -f, --filename FILE    delete what its manifests name\n"
    "  -n, --namespace NS     default: the context's\n"
    "  --ignore-not-found     absent already is success\n"
    "  --dry-run              the server checks and changes nothing\n"
    "\n"
    "examples: choreo delete component/user-service -n acme-corp\n"
    "          choreo delete -f deploy/samples/05-components.yaml\n";

struct deleting {
    struct cli cli;
    bool ignore;
    bool dry_run;
};

static int delete_one(struct deleting *d, const char *words, const char *ns, const char *name,
                      struct err *err)
{
    Choreo__V1__DeleteRequest request = CHOREO__V1__DELETE_REQUEST__INIT;
    Choreo__V1__WriteOptions options = CHOREO__V1__WRITE_OPTIONS__INIT;
    Choreo__V1__Ref ref;
    ProtobufCMessage *message = NULL;
    char id[37];
    cli_ref(&d->cli, words, ns, &ref);
    if (name != NULL) {
        ref.name = arena_cstr(&d->cli.arena, slice_of(name));
    }
    client_request_id(id);
    options.has_request_id = options.has_dry_run = true;
    options.request_id = (ProtobufCBinaryData){sizeof id - 1, (uint8_t *)id};
    options.dry_run = d->dry_run;
    request.ref = &ref;
    request.options = &options;
    request.has_form = true;
    request.form = CHOREO__V1__FORM__FORM_JSON;
    int rc = client_call(&d->cli.client, "choreo.v1.ResourceService/Delete", &request.base,
                         &choreo__v1__delete_response__descriptor, &d->cli.arena, &message, err);
    if (rc == ERR_NOT_FOUND && d->ignore) {
        return 0;
    }
    if (rc == 0) {
        const Choreo__V1__DeleteResponse *response = (const Choreo__V1__DeleteResponse *)message;
        print_out("%s \"%s\" %s%s\n", ref.resource, ref.name != NULL ? ref.name : "",
                  response->object != NULL ? "is being deleted" : "deleted",
                  d->dry_run ? " (dry run)" : "");
    }
    return rc;
}

static int on_document(json_t *tree, int line, void *user, struct err *err)
{
    struct deleting *d = user;
    struct slice ns = json_text(json_at(tree, "metadata", "namespace", NULL));
    const char *name = json_string_value(json_at(tree, "metadata", "name", NULL));
    const char *kind = json_string_value(json_at(tree, "kind", NULL));
    if (name == NULL || kind == NULL) {
        return err_set(err, ERR_INVALID, "line %d: a manifest needs kind and metadata.name", line);
    }
    return delete_one(d, kind, ns.len > 0 ? arena_cstr(&d->cli.arena, ns) : d->cli.ns, name, err);
}

static int delete_files(struct deleting *d, const struct args_list *files, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < files->count; i++) {
        struct buf text = {0};
        rc = file_read(files->items[i], FILE_MAX, &text, err);
        rc = rc != 0 ? rc : yaml_each(buf_slice(&text), files->items[i], on_document, d, err);
        buf_free(&text);
    }
    return rc;
}

static int delete_names(struct deleting *d, struct err *err)
{
    const struct args_list *args = &d->cli.args;
    bool slashes = args->count > 0 && strchr(args->items[0], '/') != NULL;
    int rc = 0;
    if (args->count < (slashes ? 1 : 2)) {
        return err_set(err, ERR_INVALID, "KIND and NAME, or -f, are required");
    }
    for (size_t i = slashes ? 0 : 1; rc == 0 && i < args->count; i++) {
        rc = slashes ? delete_one(d, args->items[i], d->cli.ns, NULL, err)
                     : delete_one(d, args->items[0], d->cli.ns, args->items[i], err);
    }
    return rc;
}

int command_delete(int argc, char **argv)
{
    struct deleting d = {0};
    struct args_list files = {0};
    struct err err = {0};
    int code;
    const struct args_option options[] = {
        {"filename", 'f', ARGS_LIST, &files, 0, 0},
        {"ignore-not-found", 0, ARGS_FLAG, &d.ignore, 0, 0},
        {"dry-run", 0, ARGS_FLAG, &d.dry_run, 0, 0},
    };
    if (!cli_begin(&d.cli, argc, argv, options, 3, help, false, &code)) {
        return code;
    }
    int rc = files.count > 0 ? delete_files(&d, &files, &err) : delete_names(&d, &err);
    return cli_end(&d.cli, rc, &err);
}
