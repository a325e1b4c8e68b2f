/* build.c: `choreo build`: makes a WorkflowRun of a component, and tells how it goes.
 *
 * What is run is the component's to say (proto/workflow_run.h), as when the control plane builds by
 * itself; here only the commit or branch may be another. A run of that commit that is there already
 * is left as it is: the new one has a number behind its name.
 *
 * With --wait the log is followed first, if it is wanted: it ends when the run does. Then, or
 * without it, the run itself is watched, and says how it ended. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "cli/await.h"
#include "cli/log_stream.h"
#include "cli/print.h"
#include "proto/object.h"
#include "proto/workflow_run.h"

enum { TRIES_MAX = 100, LAST_LINES = 20 };

/* ---- its log ---- */

/* The last lines; the oldest is at next. */
struct last_lines {
    char *lines[LAST_LINES];
    size_t next;
};

static void show_line(struct log_stream *s, const struct log_line *line)
{
    (void)s;
    bool labelled = line->label[0] != '\0';
    print_err("%s%s%s%.*s\n", labelled ? "[" : "", line->label, labelled ? "] " : "",
              SLICE_ARG(line->text));
}

static void keep_line(struct log_stream *s, const struct log_line *line)
{
    struct last_lines *last = s->user;
    free(last->lines[last->next]);
    last->lines[last->next] = slice_dup(line->text);
    last->next = (last->next + 1) % LAST_LINES;
}

static void tell_notice(struct log_stream *s, const char *text)
{
    (void)s;
    print_err("%s\n", text);
}

static void no_notice(struct log_stream *s, const char *text)
{
    (void)s;
    (void)text;
}

static struct log_stream log_of(struct cli *c, Choreo__V1__Ref *ref, struct slice name)
{
    struct log_stream s = {.cli = c, .request = CHOREO__V1__LOG_REQUEST__INIT};
    ask_ref(c, "workflowruns.choreo.dev", c->ns, ref);
    ref->name = arena_cstr(&c->arena, name);
    s.request.ref = ref;
    return s;
}

/* Until the run has ended, or there is no more time. What is wrong with its log is no failure. */
static void follow_log(struct cli *c, struct slice name, uint64_t end_ms)
{
    Choreo__V1__Ref ref;
    struct err err;
    int rc = ERR_TIMEOUT;
    while (rc == ERR_TIMEOUT && uv_hrtime() / 1000000 < end_ms) { /* it may take long to begin */
        struct log_stream s = log_of(c, &ref, name);
        s.request.has_follow = s.request.follow = true;
        s.end_ms = end_ms;
        s.line = show_line;
        s.notice = tell_notice;
        rc = log_stream_read(&s, &err);
    }
    if (rc != 0 && rc != ERR_TIMEOUT) {
        print_err("its log: %s\n", err.message);
    }
}

static void show_last(struct cli *c, struct slice name)
{
    struct last_lines last = {.next = 0};
    Choreo__V1__Ref ref;
    struct err err;
    struct log_stream s = log_of(c, &ref, name);
    s.request.has_tail_lines = true;
    s.request.tail_lines = LAST_LINES;
    s.user = &last;
    s.line = keep_line;
    s.notice = no_notice;
    if (log_stream_read(&s, &err) != 0) {
        print_err("its log: %s\n", err.message);
    }
    for (size_t i = 0; i < LAST_LINES; i++) {
        char *line = last.lines[(last.next + i) % LAST_LINES];
        if (line != NULL) {
            print_err("  %s\n", line);
        }
        free(line);
    }
}

/* ---- how it goes ---- */

struct progress {
    struct cli *cli;
    const char *name;
    json_t *told; /* step -> phase */
    char message[512];
    bool ended, failed, no_image;
    struct err err;
    int rc;
};

static void tell_tasks(struct progress *p, const json_t *run)
{
    size_t i;
    json_t *task;
    json_array_foreach(json_at(run, "status", "tasks", NULL), i, task)
    {
        const char *name = arena_cstr(&p->cli->arena, json_text_at(task, "name"));
        struct slice phase = json_text_at(task, "phase");
        struct slice why = json_text_at(task, "message");
        if (!slice_eq(phase, json_text_at(p->told, name))) {
            json_object_set_new(p->told, name, json_str(phase));
            print_err("%s: %.*s%s%.*s\n", name, SLICE_ARG(phase), why.len > 0 ? ": " : "",
                      SLICE_ARG(why));
        }
    }
}

static void tell(struct progress *p, const json_t *run)
{
    struct slice phase = json_text(json_at(run, "status", "phase", NULL));
    struct slice message = json_text(json_at(run, "status", "message", NULL));
    bool news = message.len > 0 && !slice_eq_cstr(message, p->message);
    tell_tasks(p, run);
    snprintf(p->message, sizeof(p->message), "%.*s", SLICE_ARG(message));
    p->failed = slice_eq_cstr(phase, "Failed");
    p->ended = p->failed || slice_eq_cstr(phase, "Succeeded");
    p->no_image = json_text(json_at(run, "status", "image", NULL)).len == 0;
    if (news && !p->failed) {
        print_err("%s: %s\n", p->name, p->message);
    }
}

static bool on_event(const ProtobufCMessage *message, void *user)
{
    struct progress *p = user;
    const Choreo__V1__WatchEvent *event = (const Choreo__V1__WatchEvent *)message;
    json_t *run = NULL;
    if (event->object == NULL || (p->rc = ask_tree(event->object, &run, &p->err)) != 0) {
        return p->rc == 0;
    }
    if (event->type == CHOREO__V1__WATCH_EVENT__TYPE__DELETED) {
        p->rc = err_set(&p->err, ERR_NOT_FOUND, "run \"%s\" was deleted", p->name);
    } else {
        tell(p, run);
    }
    json_decref(run);
    return !p->ended && p->rc == 0;
}

static int judge(const struct progress *p, struct err *err)
{
    if (p->failed) {
        return err_set(err, ERR_UNPROCESSABLE, "run \"%s\" failed: %s", p->name, p->message);
    }
    return p->no_image ? err_set(err, ERR_UNPROCESSABLE,
                                 "run \"%s\" ended well, but put out no image: its workflow names "
                                 "none, neither in spec.image nor by an output parameter \"image\"",
                                 p->name)
                       : 0;
}

static int follow(struct cli *c, struct slice name, struct err *err)
{
    bool logs = c->options.logs || isatty(STDERR_FILENO);
    struct progress p = {.cli = c, .name = arena_cstr(&c->arena, name), .told = json_object()};
    Choreo__V1__WatchRequest request = CHOREO__V1__WATCH_REQUEST__INIT;
    Choreo__V1__Ref ref;
    uint64_t end_ms = await_deadline(c);
    int rc = 0;
    if (logs) {
        follow_log(c, name, end_ms);
    }
    ask_ref(c, "workflowruns.choreo.dev", c->ns, &ref);
    request.ref = &ref;
    request.has_form = true;
    request.form = CHOREO__V1__FORM__FORM_JSON;
    request.field_selector = arena_printf(&c->arena, "metadata.name=%s", p.name);
    while (!p.ended && p.rc == 0 && rc == 0) {
        uint64_t now_ms = uv_hrtime() / 1000000;
        rc = now_ms >= end_ms ? ERR_TIMEOUT
                              : client_stream(&c->client, "choreo.v1.ResourceService/Watch",
                                              &request.base, &choreo__v1__watch_event__descriptor,
                                              (uint32_t)(end_ms - now_ms), on_event, &p, err);
        bool passes = rc == ERR_UNAVAILABLE || rc == ERR_GONE || rc == ERR_CLOSED;
        rc = passes ? 0 : rc;
    }
    json_decref(p.told);
    if (rc == ERR_TIMEOUT) {
        return err_set(err, rc, "run \"%s\" goes on; timed out waiting: %s", p.name, p.message);
    }
    if (p.rc != 0) {
        *err = p.err;
        return p.rc;
    }
    if (rc == 0 && p.failed && !logs) {
        show_last(c, name);
    }
    return rc == 0 ? judge(&p, err) : rc;
}

/* ---- making it ---- */

static int read_one(struct cli *c, const char *resource, const char *name, json_t **object,
                    struct err *err)
{
    Choreo__V1__Ref ref;
    ask_ref(c, resource, c->ns, &ref);
    ref.name = (char *)(uintptr_t)name;
    return ask_get(c, &ref, CHOREO__V1__FORM__FORM_JSON, object, NULL, err);
}

/* Under the first name that is free. */
static int create(struct cli *c, struct workflow_run_request *request, struct ask_write *w,
                  struct err *err)
{
    Choreo__V1__Ref ref;
    int rc = ERR_EXISTS;
    for (int i = 1; rc == ERR_EXISTS && i < TRIES_MAX; i++) {
        request->suffix = i > 1 ? slice_of(arena_printf(&c->arena, "%d", i)) : SLICE("");
        json_t *run = workflow_run_of(request);
        if (run == NULL) {
            return err_set(err, ERR_INVALID,
                           "component \"%.*s\" has no spec.source.git, and neither has its "
                           "project: there is nothing to build",
                           SLICE_ARG(object_name(request->component)));
        }
        ask_ref_of(c, run, c->ns, &ref);
        *w = (struct ask_write){.ref = &ref, .body = run, .dry_run = w->dry_run};
        rc = ask_create(c, w, err);
        json_decref(run);
    }
    return rc;
}

static int run_for(struct cli *c, const char *name, struct ask_write *w, struct err *err)
{
    json_t *component = NULL;
    json_t *project = NULL;
    struct workflow_run_request request = {.triggered_by = SLICE("choreo build")};
    int rc = read_one(c, "components.choreo.dev", name, &component, err);
    if (rc == 0) {
        struct slice of = json_text(json_at(component, "status", "project", NULL));
        request.component = component;
        request.project_name = of;
        request.commit = c->options.commit != NULL ? slice_of(c->options.commit) : SLICE("");
        request.branch = c->options.branch != NULL ? slice_of(c->options.branch) : SLICE("");
        if (of.len > 0) {
            rc = read_one(c, "projects.choreo.dev", arena_cstr(&c->arena, of), &project, err);
            rc = rc == ERR_NOT_FOUND ? 0 : rc; /* its source may be its own */
        }
    }
    request.project = project;
    rc = rc == 0 ? create(c, &request, w, err) : rc;
    json_decref(component);
    json_decref(project);
    return rc;
}

static int run(struct cli *c, struct err *err)
{
    struct ask_write w = {0};
    enum ask_dry dry;
    int rc = ask_dry_run(c, &dry, err);
    if (rc != 0) {
        return rc;
    }
    if (c->args.count != 1) {
        return err_set(err, ERR_INVALID, "which component? one COMPONENT (choreo build --help)");
    }
    const char *name = c->args.items[0];
    if (slice_starts_with(slice_of(name), SLICE("component/"))) {
        name += strlen("component/");
    }
    w.dry_run = dry != ASK_FOR_REAL;
    rc = run_for(c, name, &w, err);
    if (rc != 0) {
        return rc;
    }
    struct slice made = arena_copy(&c->arena, object_name(w.tree));
    rc = ask_show_written(c, &w, "created", err);
    return rc == 0 && c->options.wait && dry == ASK_FOR_REAL ? follow(c, made, err) : rc;
}

const struct command command_build = {
    .name = "build",
    .summary = "build a component from its source",
    .usage = "COMPONENT [--commit COMMIT | --branch BRANCH] [--wait] [OPTION...]",
    .about =
        "Makes a WorkflowRun: the source of the component (or of its project), built by its\n"
        "spec.workflow, else as spec.build says, on the data plane that builds are given to. An\n"
        "image that comes of it is what the component runs from then on, unless spec.image\n"
        "names another; if it fails, what runs stays. Without --commit and --branch it is the\n"
        "component's own commit, tag or branch, as it is now.\n"
        "\n"
        "With --wait it tells each step and returns when the run has ended; if it failed, or put\n"
        "out no image, with exit code 1; after --timeout, with 3, and the run goes on. On a\n"
        "terminal, or with --logs, its log is shown as it goes; else, if it fails, the last 20\n"
        "lines. All that goes to standard error. choreo logs run/NAME shows the log at any time.",
    .examples = "  choreo build web --wait --logs --timeout 20m\n"
                "  choreo build web --commit 4d2c1a9f03b7c0a1e5d6f7081920a3b4c5d6e7f8\n"
                "  choreo build web --branch fix-the-cart --wait\n"
                "  choreo get workflowruns --field-selector spec.owner.componentName=web",
    .options = {OPTION_commit, OPTION_branch, OPTION_wait, OPTION_logs, OPTION_dry_run},
    .forms = OUTPUT_TREES | 1 << OUTPUT_NAME,
    .args = COMPLETE_COMPONENT,
    .run = run,
};
