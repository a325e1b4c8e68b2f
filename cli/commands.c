/* commands.c: what choreo's commands share: options, connection, refs, the last word. */
#include "cli/commands.h"
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

enum { TIMEOUT_MS = 30 * 1000, TIMEOUT_MAX_MS = 500 * 3600 * 1000, OWN_OPTIONS_MAX = 16 };

void cli_command_first(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0') {
        bool help = strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0;
        bool joined = strchr(argv[at], '=') != NULL || (argv[at][1] != '-' && argv[at][2] != '\0');
        at += help || joined ? 1 : 2;
    }
    if (at > 1 && at < argc) {
        char *command = argv[at];
        memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv);
        argv[1] = command;
    }
}

static int output_of(struct cli *c, struct err *err)
{
    static const char *const names[] = {"table", "wide", "json", "yaml", "name"};
    for (int i = 0; i < 5; i++) {
        if (strcmp(c->output_name, names[i]) == 0) {
            c->output = (enum output)i;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "-o %s: must be table, wide, json, yaml or name",
                   c->output_name);
}

static int check_common(struct cli *c, int argc, char **argv, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        struct slice word = slice_of(argv[i]);
        if (slice_utf8(word) != word.len) {
            return err_set(err, ERR_INVALID, "argument %d is not UTF-8", i);
        }
    }
    if (c->timeout_ms == 0 || c->timeout_ms > TIMEOUT_MAX_MS) {
        return err_set(err, ERR_INVALID, "--timeout: must be from 1ms to 500h");
    }
    return output_of(c, err);
}

int cli_connect(struct cli *c, struct err *err)
{
    int rc = settings_load(&c->settings, c->config, c->context, c->endpoint, err);
    if (rc != 0) {
        return rc;
    }
    c->ns = c->ns != NULL ? c->ns : c->settings.ns;
    rc = client_open(&c->client, &c->settings, (uint32_t)c->timeout_ms, err);
    if (rc != 0) {
        settings_free(&c->settings);
        return rc;
    }
    c->connected = true;
    return 0;
}

bool cli_begin(struct cli *c, int argc, char **argv, const struct args_option *own, size_t count,
               const char *help, bool offline, int *exit_code)
{
    const struct args_option common[] = {
        {"config", 0, ARGS_STRING, &c->config, 0, 0},
        {"context", 0, ARGS_STRING, &c->context, 0, 0},
        {"endpoint", 0, ARGS_STRING, &c->endpoint, 0, 0},
        {"namespace", 'n', ARGS_STRING, &c->ns, 0, 0},
        {"output", 'o', ARGS_STRING, &c->output_name, 0, 0},
        {"timeout", 0, ARGS_DURATION, &c->timeout_ms, 0, 0},
    };
    enum { COMMON = sizeof common / sizeof common[0] };
    struct args_option all[COMMON + OWN_OPTIONS_MAX];
    struct err err = {0};
    bool asked = false;
    *c = (struct cli){.command = argv[0], .output_name = "table", .timeout_ms = TIMEOUT_MS};
    memcpy(all, common, sizeof common);
    if (count > 0) {
        memcpy(all + COMMON, own, count * sizeof *own);
    }
    int rc = args_parse(argc, argv, all, COMMON + count, &c->args, &asked, &err);
    if (rc == 0 && asked) {
        (void)fputs(help, stdout);
        *exit_code = 0;
        return false;
    }
    rc = rc != 0 ? rc : check_common(c, argc, argv, &err);
    rc = rc != 0 || offline ? rc : cli_connect(c, &err);
    if (rc != 0) {
        *exit_code = cli_end(c, rc, &err);
        return false;
    }
    return true;
}

int cli_end(struct cli *c, int rc, const struct err *err)
{
    if (c->connected) {
        client_close(&c->client);
        settings_free(&c->settings);
        c->connected = false;
    }
    arena_free(&c->arena);
    if (rc == 0) {
        return 0;
    }
    print_err("choreo %s: %s\n", c->command, err->message);
    return err_exit_code(rc);
}

void cli_ref(struct cli *c, const char *words, const char *ns, Choreo__V1__Ref *ref)
{
    choreo__v1__ref__init(ref);
    struct slice s = slice_of(words);
    size_t slash = slice_find(s, SLICE("/"));
    if (slash != SIZE_MAX) {
        ref->name = arena_cstr(&c->arena, slice_sub(s, slash + 1, SIZE_MAX));
        s = slice_sub(s, 0, slash);
    }
    ref->resource = arena_cstr(&c->arena, s);
    ref->namespace_ = arena_cstr(&c->arena, slice_of(ns));
}

int cli_object(const Choreo__V1__Object *object, json_t **tree, struct err *err)
{
    *tree = NULL;
    if (object == NULL || object->form_case != CHOREO__V1__OBJECT__FORM_JSON) {
        return err_set(err, ERR_INTERNAL, "the server sent no JSON object");
    }
    return json_parse(slice_make(object->json.data, object->json.len), tree, err);
}
