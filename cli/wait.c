/* wait.c: `choreo wait`: until every named object reaches a condition, or is gone.
 *
 * One watch an object, one object after the other, all against the same deadline: what became true
 * meanwhile is seen at once. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/print.h"
#include "proto/object.h"

static const char help[] =
    "usage: choreo wait KIND/NAME... [--for condition=TYPE[=STATUS] | --for delete] [OPTION...]\n"
    "\n"
    "Waits until each object has the condition, or is gone; on a terminal it says what is still\n"
    "missing. `choreo get KIND/NAME -o yaml` shows an object's conditions under status.\n"
    "\n"
    "  --for WHAT          default: condition=Ready\n"
    "  -n, --namespace NS  default: the context's\n"
    "  --timeout DURATION  for all of them together; default: 30s; then exit code 3\n"
    "\n"
    "example: choreo wait component/user-service --for condition=Ready --timeout 2m\n";

struct waiting {
    struct cli cli;
    const char *what;
    bool gone;          /* waits for deletion */
    char type[128];     /* of the condition */
    const char *status; /* and its status */
    char last[512];     /* why not yet, for the message */
    bool reached;
    struct err err;
    int rc;
};

static int parse_what(struct waiting *w, struct err *err)
{
    struct slice s = slice_of(w->what);
    struct slice part;
    if (slice_eq_cstr(s, "delete")) {
        w->gone = true;
        return 0;
    }
    if (!slice_split(&s, '=', &part) || !slice_eq_cstr(part, "condition") ||
        !slice_split(&s, '=', &part) || part.len == 0 || part.len >= sizeof w->type) {
        return err_set(err, ERR_INVALID,
                       "--for %s: must be condition=TYPE, condition=TYPE=STATUS or delete",
                       w->what);
    }
    (void)snprintf(w->type, sizeof w->type, "%.*s", SLICE_ARG(part));
    w->status = s.len > 0 ? arena_cstr(&w->cli.arena, s) : "True";
    return 0;
}

/* Progress goes to a person's terminal only. */
static void note(struct waiting *w, const json_t *object)
{
    const json_t *condition = object_condition(object, w->type);
    char text[sizeof w->last];
    (void)snprintf(text, sizeof text, "%s is %.*s: %.*s", w->type,
                   SLICE_ARG(condition != NULL ? json_text_at(condition, "status")
                                               : SLICE("not reported yet")),
                   SLICE_ARG(json_text_at(condition, "message")));
    if (strcmp(text, w->last) != 0 && isatty(STDERR_FILENO)) {
        print_err("  %.*s: %s\n", SLICE_ARG(object_name(object)), text);
    }
    (void)snprintf(w->last, sizeof w->last, "%s", text);
}

static bool on_event(const ProtobufCMessage *message, void *user)
{
    struct waiting *w = user;
    const Choreo__V1__WatchEvent *event = (const Choreo__V1__WatchEvent *)message;
    json_t *tree = NULL;
    bool deleted = event->type == CHOREO__V1__WATCH_EVENT__TYPE__DELETED;
    if (w->gone && event->type == CHOREO__V1__WATCH_EVENT__TYPE__SYNCED && w->last[0] == '\0') {
        w->reached = true; /* nothing was there */
    }
    if (event->object != NULL && (w->rc = cli_object(event->object, &tree, &w->err)) == 0) {
        if (w->gone) {
            w->reached = deleted;
            (void)snprintf(w->last, sizeof w->last, "it is still there");
        } else if (!deleted) {
            const json_t *condition = object_condition(tree, w->type);
            w->reached =
                condition != NULL && slice_eq_cstr(json_text_at(condition, "status"), w->status);
            note(w, tree);
        }
    }
    json_decref(tree);
    return !w->reached && w->rc == 0;
}

static int wait_one(struct waiting *w, const char *words, uint64_t end_ms, struct err *err)
{
    Choreo__V1__WatchRequest request = CHOREO__V1__WATCH_REQUEST__INIT;
    Choreo__V1__Ref ref;
    cli_ref(&w->cli, words, w->cli.ns, &ref);
    if (ref.name == NULL) {
        return err_set(err, ERR_INVALID, "\"%s\" must be KIND/NAME", words);
    }
    request.ref = &ref;
    request.has_form = true;
    request.form = CHOREO__V1__FORM__FORM_JSON;
    request.field_selector = arena_printf(&w->cli.arena, "metadata.name=%s", ref.name);
    w->reached = false;
    w->last[0] = '\0';
    int rc = 0;
    while (!w->reached && w->rc == 0) {
        uint64_t now_ms = uv_hrtime() / 1000000;
        if (now_ms >= end_ms) {
            rc = ERR_TIMEOUT;
        } else {
            rc = client_stream(&w->cli.client, "choreo.v1.ResourceService/Watch", &request.base,
                               &choreo__v1__watch_event__descriptor, (uint32_t)(end_ms - now_ms),
                               on_event, w, err);
        }
        if (rc == ERR_TIMEOUT) {
            return err_set(err, ERR_TIMEOUT, "%s: timed out waiting: %s", words,
                           w->last[0] != '\0' ? w->last : "it is not there");
        }
        if (rc != 0 && rc != ERR_UNAVAILABLE && rc != ERR_GONE && rc != ERR_CLOSED) {
            return rc;
        }
    }
    if (w->rc != 0) {
        *err = w->err;
        return w->rc;
    }
    print_out("%s %s\n", words, w->gone ? "deleted" : "condition met");
    return 0;
}

int command_wait(int argc, char **argv)
{
    struct waiting w = {.what = "condition=Ready"};
    struct err err = {0};
    int code;
    const struct args_option options[] = {{"for", 0, ARGS_STRING, &w.what, 0, 0}};
    if (!cli_begin(&w.cli, argc, argv, options, 1, help, false, &code)) {
        return code;
    }
    uint64_t end_ms = uv_hrtime() / 1000000 + w.cli.timeout_ms;
    int rc = parse_what(&w, &err);
    if (rc == 0 && w.cli.args.count == 0) {
        rc = err_set(&err, ERR_INVALID, "KIND/NAME is required (choreo wait --help)");
    }
    for (size_t i = 0; rc == 0 && i < w.cli.args.count; i++) {
        rc = wait_one(&w, w.cli.args.items[i], end_ms, &err);
    }
    return cli_end(&w.cli, rc, &err);
}
