/* apply.c: `choreo apply`: files, folders and standard input, by server-side apply.
 *
 * Every document is read and checked for its form before the first is sent, so that a typing error
 * in the last file leaves nothing half done. Then they go in order of the files' names, one by one;
 * the first that the server refuses does not stop the others, but the exit code says so. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/yaml.h"
#include "cli/commands.h"
#include "cli/print.h"

enum { FILE_MAX = 64 << 20, DOCUMENTS_MAX = 10000 };

static const char help[] =
    "usage: choreo apply -f FILE|FOLDER|- [-f ...] [OPTION...]\n"
    "\n"
    "Makes the cluster hold what the manifests say (server-side apply): creates what is absent,\n"
    "changes what differs, leaves alone what others own. FOLDER means its *.yaml, *.yml and "
    "*.json,\n"
    "in order of name; - is standard input.\n"
    "\n"
    "  -f, --filename PATH     may be given several times\n"
    "  -n, --namespace NS      for manifests that name none\n"
    "  --field-manager NAME    who owns the fields; default: choreo\n"
    "  --force-conflicts       take over fields that others own\n"
    "  --dry-run               the server checks everything and changes nothing\n"
    "  -o, --output FORM       json, yaml or name: print the objects as they became\n"
    "\n"
    "example: choreo apply -f deploy/samples\n";

struct document {
    json_t *tree;
    const char *place; /* "file.yaml:12" */
};

struct applying {
    struct cli cli;
    struct document *documents;
    size_t count;
    const char *manager;
    bool force;
    bool dry_run;
    const char *file; /* being read */
};

/* ---- reading ---- */

static int add_document(struct applying *a, json_t *tree, int line, struct err *err)
{
    if (a->count == DOCUMENTS_MAX) {
        return err_set(err, ERR_TOO_LARGE, "more than %d manifests", DOCUMENTS_MAX);
    }
    if (json_text_at(tree, "apiVersion").len == 0 || json_text_at(tree, "kind").len == 0) {
        return err_set(err, ERR_INVALID, "%s:%d: a manifest needs apiVersion and kind", a->file,
                       line);
    }
    a->documents = mem_resize(a->documents, (a->count + 1) * sizeof *a->documents);
    a->documents[a->count++] =
        (struct document){json_incref(tree), arena_printf(&a->cli.arena, "%s:%d", a->file, line)};
    return 0;
}

/* A List's items are documents of their own. */
static int on_document(json_t *tree, int line, void *user, struct err *err)
{
    struct applying *a = user;
    const json_t *items = json_at(tree, "items", NULL);
    int rc = 0;
    if (!json_is_object(tree)) {
        return err_set(err, ERR_INVALID, "%s:%d: a manifest is a map of keys", a->file, line);
    }
    if (!slice_ends_with(json_text_at(tree, "kind"), SLICE("List")) || !json_is_array(items)) {
        return add_document(a, tree, line, err);
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(items); i++) {
        rc = add_document(a, json_array_get(items, i), line, err);
    }
    return rc;
}

static int read_text(struct applying *a, const char *name, struct buf *text, struct err *err)
{
    a->file = arena_cstr(&a->cli.arena, slice_of(name));
    int rc = yaml_each(buf_slice(text), name, on_document, a, err);
    buf_free(text);
    return rc;
}

static int read_stdin(struct applying *a, struct err *err)
{
    struct buf text = {0};
    size_t got;
    do {
        buf_reserve(&text, 65536);
        got = fread(text.data + text.len, 1, 65536, stdin);
        text.len += got;
    } while (got > 0 && text.len <= FILE_MAX);
    if (text.len > FILE_MAX) {
        buf_free(&text);
        return err_set(err, ERR_TOO_LARGE, "standard input: larger than %d bytes", FILE_MAX);
    }
    return read_text(a, "-", &text, err);
}

static int read_one(struct applying *a, const char *path, struct err *err)
{
    struct buf text = {0};
    int rc = file_read(path, FILE_MAX, &text, err);
    if (rc != 0) {
        buf_free(&text);
        return rc;
    }
    return read_text(a, path, &text, err);
}

static int is_manifest(const struct dirent *entry)
{
    struct slice name = slice_of(entry->d_name);
    return name.len > 0 && name.data[0] != '.' &&
           (slice_ends_with(name, SLICE(".yaml")) || slice_ends_with(name, SLICE(".yml")) ||
            slice_ends_with(name, SLICE(".json")));
}

static int read_folder(struct applying *a, const char *path, struct err *err)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_manifest, alphasort);
    int rc = 0;
    if (count < 0) {
        return err_errno(err, ERR_IO, errno, "read folder %s", path);
    }
    for (int i = 0; i < count; i++) {
        if (rc == 0) {
            rc = read_one(a, arena_printf(&a->cli.arena, "%s/%s", path, entries[i]->d_name), err);
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int read_all(struct applying *a, const struct args_list *files, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < files->count; i++) {
        struct stat st;
        const char *path = files->items[i];
        if (strcmp(path, "-") == 0) {
            rc = read_stdin(a, err);
        } else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            rc = read_folder(a, path, err);
        } else {
            rc = read_one(a, path, err);
        }
    }
    if (rc == 0 && a->count == 0) {
        rc = err_set(err, ERR_INVALID, "no manifest found");
    }
    return rc;
}

/* ---- sending ---- */

static const char *title_of(struct applying *a, const json_t *object)
{
    struct slice version = json_text_at(object, "apiVersion");
    struct slice kind = json_text_at(object, "kind");
    struct slice name = json_text(json_at(object, "metadata", "name", NULL));
    struct slice group = {0};
    if (slice_find(version, SLICE("/")) != SIZE_MAX) {
        (void)slice_split(&version, '/', &group);
    }
    char *lower = arena_cstr(&a->cli.arena, kind);
    for (char *p = lower; *p != '\0'; p++) {
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    }
    return arena_printf(&a->cli.arena, "%s%s%.*s/%.*s", lower, group.len > 0 ? "." : "",
                        SLICE_ARG(group), SLICE_ARG(name));
}

static void print_result(struct applying *a, const Choreo__V1__ObjectResponse *response,
                         const json_t *sent)
{
    struct err err;
    json_t *tree = NULL;
    const char *what = response->created   ? "created"
                       : response->changed ? "configured"
                                           : "unchanged";
    for (size_t i = 0; i < response->n_warnings; i++) {
        print_err("Warning: %s\n", response->warnings[i]);
    }
    if (a->cli.output == OUTPUT_NAME) {
        print_out("%s\n", title_of(a, sent));
    } else if (a->cli.output == OUTPUT_TABLE || a->cli.output == OUTPUT_WIDE) {
        print_out("%s %s%s\n", title_of(a, sent), what, a->dry_run ? " (dry run)" : "");
        (void)fflush(stdout);
    } else if (cli_object(response->object, &tree, &err) == 0) {
        (a->cli.output == OUTPUT_JSON ? print_json : print_yaml)(tree);
    }
    json_decref(tree);
}

static int apply_one(struct applying *a, const struct document *d, struct err *err)
{
    struct arena arena = {0};
    struct buf json = {0};
    Choreo__V1__WriteRequest request = CHOREO__V1__WRITE_REQUEST__INIT;
    Choreo__V1__WriteOptions options = CHOREO__V1__WRITE_OPTIONS__INIT;
    Choreo__V1__Object object = CHOREO__V1__OBJECT__INIT;
    Choreo__V1__Ref ref = CHOREO__V1__REF__INIT;
    ProtobufCMessage *response = NULL;
    char id[37];
    client_request_id(id);
    json_canonical(d->tree, &json);
    object.form_case = CHOREO__V1__OBJECT__FORM_JSON;
    object.json = (ProtobufCBinaryData){json.len, (uint8_t *)json.data};
    options.field_manager = arena_cstr(&arena, slice_of(a->manager));
    options.has_force = options.has_dry_run = options.has_request_id = true;
    options.has_validation = true;
    options.validation = CHOREO__V1__VALIDATION__VALIDATION_STRICT; /* a typing error is an error */
    options.force = a->force;
    options.dry_run = a->dry_run;
    options.request_id = (ProtobufCBinaryData){sizeof id - 1, (uint8_t *)id};
    request.object = &object;
    request.options = &options;
    request.has_form = true;
    request.form = CHOREO__V1__FORM__FORM_JSON;
    if (json_text(json_at(d->tree, "metadata", "namespace", NULL)).len == 0) {
        ref.namespace_ = arena_cstr(&arena, slice_of(a->cli.ns));
        request.ref = &ref;
    }
    int rc = client_call(&a->cli.client, "choreo.v1.ResourceService/Apply", &request.base,
                         &choreo__v1__object_response__descriptor, &arena, &response, err);
    if (rc == 0) {
        print_result(a, (const Choreo__V1__ObjectResponse *)response, d->tree);
    } else {
        (void)err_wrap(err, "%s: %s", d->place, title_of(a, d->tree));
    }
    buf_free(&json);
    arena_free(&arena);
    return rc;
}

int command_apply(int argc, char **argv)
{
    struct applying a = {.manager = "choreo"};
    struct args_list files = {0};
    struct err err = {0};
    struct err first = {0};
    int code;
    const struct args_option options[] = {
        {"filename", 'f', ARGS_LIST, &files, 0, 0},
        {"field-manager", 0, ARGS_STRING, &a.manager, 0, 0},
        {"force-conflicts", 0, ARGS_FLAG, &a.force, 0, 0},
        {"dry-run", 0, ARGS_FLAG, &a.dry_run, 0, 0},
    };
    if (!cli_begin(&a.cli, argc, argv, options, 4, help, false, &code)) {
        return code;
    }
    int rc = a.cli.args.count > 0
                 ? err_set(&err, ERR_INVALID, "what is \"%s\"? Files are named with -f",
                           a.cli.args.items[0])
                 : read_all(&a, &files, &err);
    size_t failures = 0;
    first = err;
    for (size_t i = 0; rc == 0 && i < a.count; i++) {
        if (apply_one(&a, &a.documents[i], &err) == 0) {
            continue;
        }
        if (failures++ == 0) {
            first = err;
        } else {
            print_err("choreo apply: %s\n", err.message);
        }
    }
    for (size_t i = 0; i < a.count; i++) {
        json_decref(a.documents[i].tree);
    }
    free(a.documents);
    return cli_end(&a.cli, first.code, &first);
}
