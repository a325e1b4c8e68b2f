/* logs.c: `choreo logs`: what a run or a component writes, wherever it runs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/log_stream.h"
#include "cli/print.h"
#include "cli/releases.h"
#include "proto/object.h"

struct showing {
    struct cli *cli;
    struct buf out; /* lines not yet printed */
};

/* ---- out ---- */

static void show_json(const struct log_line *line)
{
    json_t *row = json_pack("{s:o}", "line", json_str(line->text));
    const struct {
        const char *key;
        struct slice value;
    } members[] = {{"cluster", slice_of(line->cluster)},
                   {"pod", slice_of(line->pod)},
                   {"container", slice_of(line->container)},
                   {"time", line->time}};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (members[i].value.len > 0) {
            json_object_set_new(row, members[i].key, json_str(members[i].value));
        }
    }
    print_json_line(row);
    json_decref(row);
}

static void on_line(struct log_stream *s, const struct log_line *line)
{
    struct showing *w = s->user;
    if (output_is_tree(&w->cli->output)) {
        show_json(line);
        return;
    }
    if (line->label[0] != '\0') {
        buf_addf(&w->out, "[%s] ", line->label);
    }
    if (w->cli->options.timestamps && line->time.len > 0) {
        buf_addf(&w->out, "%.*s ", SLICE_ARG(line->time));
    }
    buf_add(&w->out, line->text);
    buf_add_char(&w->out, '\n');
}

static void on_flush(struct log_stream *s)
{
    struct showing *w = s->user;
    if (w->out.len > 0) {
        print_out("%.*s", (int)w->out.len, w->out.data);
        buf_clear(&w->out);
    }
    s->stop = ferror(stdout) != 0; /* nobody reads any more: choreo logs ... -f | head */
}

static void on_notice(struct log_stream *s, const char *text)
{
    (void)s;
    print_err("choreo logs: %s\n", text);
}

/* ---- what is meant ---- */

static bool is_component(struct slice word, struct slice *name)
{
    static const char *const words[] = {"component", "components", "comp"};
    struct slice rest = word;
    struct slice kind;
    *name = word;
    if (slice_find(word, SLICE("/")) == SIZE_MAX) {
        return true;
    }
    (void)slice_split(&rest, '/', &kind);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_eq_cstr(kind, words[i])) {
            *name = rest;
            return true;
        }
    }
    return false;
}

/* The binding of the component that the command line names. */
static int find_binding(struct cli *c, const char **name, struct err *err)
{
    struct releases r = {0};
    const json_t *binding = NULL;
    int rc = releases_open(&r, c, err);
    size_t count = rc == 0 ? json_array_size(r.bindings) : 0;
    if (rc == 0 && c->options.environment == NULL && count == 1) {
        binding = json_array_get(r.bindings, 0);
    } else if (rc == 0 && c->options.environment == NULL) {
        struct buf where = {0};
        for (size_t i = 0; i < count; i++) {
            buf_addf(&where, "%s%.*s", i > 0 ? ", " : "",
                     SLICE_ARG(json_text(
                         json_at(json_array_get(r.bindings, i), "spec", "environment", NULL))));
        }
        rc = count == 0
                 ? err_set(err, ERR_NOT_FOUND, "component \"%s\" is in no environment yet", r.owner)
                 : err_set(err, ERR_INVALID,
                           "component \"%s\" is in several environments: say which, "
                           "--environment (%s)",
                           r.owner, buf_cstr(&where));
        buf_free(&where);
    } else if (rc == 0) {
        rc = releases_binding(&r, c->options.environment, &binding, err);
    }
    if (rc == 0) {
        *name = arena_cstr(&c->arena, object_name(binding));
    }
    releases_close(&r);
    return rc;
}

static int find_target(struct cli *c, Choreo__V1__Ref *ref, struct err *err)
{
    struct slice name;
    if (c->args.count != 1) {
        return err_set(err, ERR_INVALID,
                       "whose log? one run/NAME or component/NAME (choreo logs --help)");
    }
    if (!is_component(slice_of(c->args.items[0]), &name)) {
        ask_ref(c, c->args.items[0], c->ns, ref);
        bool named = ref->name != NULL && *ref->name != '\0';
        return named ? 0
                     : err_set(err, ERR_INVALID, "\"%s\" has no name: run/NAME or component/NAME",
                               c->args.items[0]);
    }
    const char *binding = NULL;
    /* releases_open() reads the name from the command line, where it may have another prefix. */
    c->args.items[0] = arena_cstr(&c->arena, name);
    int rc = find_binding(c, &binding, err);
    if (rc == 0) {
        ask_ref(c, "releasebindings.choreo.dev", c->ns, ref);
        ref->name = (char *)(uintptr_t)binding;
    }
    return rc;
}

static int read_options(struct cli *c, Choreo__V1__LogRequest *request, struct err *err)
{
    const struct options *o = &c->options;
    if (o->tail != NULL && !slice_u64(slice_of(o->tail), &request->tail_lines)) {
        return err_set(err, ERR_INVALID, "--tail: must be a number of lines, not \"%s\"", o->tail);
    }
    request->has_tail_lines = o->tail != NULL;
    request->has_follow = request->follow = o->follow;
    request->has_previous = request->previous = o->previous;
    request->has_since_seconds = o->since > 0;
    request->since_seconds = (o->since + 999) / 1000;
    request->container = (char *)(uintptr_t)o->container;
    return 0;
}

static int run(struct cli *c, struct err *err)
{
    struct showing w = {.cli = c};
    Choreo__V1__Ref ref;
    struct log_stream s = {.cli = c,
                           .request = CHOREO__V1__LOG_REQUEST__INIT,
                           .user = &w,
                           .line = on_line,
                           .flush = on_flush,
                           .notice = on_notice};
    int rc = read_options(c, &s.request, err);
    rc = rc != 0 ? rc : find_target(c, &ref, err);
    if (rc == 0) {
        s.request.ref = &ref;
        rc = log_stream_read(&s, err);
    }
    buf_free(&w.out);
    return rc;
}

const struct command command_logs = {
    .name = "logs",
    .summary = "show what a build or a component writes",
    .usage = "run/NAME [-f] [OPTION...]\n"
             "component/NAME [-e ENVIRONMENT] [-f] [OPTION...]",
    .about =
        "Any node reads it from the cluster where it runs; nobody needs access to that cluster.\n"
        "\n"
        "Of a run (choreo get workflowruns) each step comes after the other; of one that failed,\n"
        "whose pod or cluster is gone, what its status keeps of the end. Of a component all pods\n"
        "come at once: those that are there, and with -f those that come. Where there are "
        "several,\n"
        "a line begins with its step or pod in brackets. -f goes on until the run has ended, or\n"
        "until Ctrl-C; if the node that answers goes away, at another, and no line comes twice.\n"
        "\n"
        "With -o json each line is {\"cluster\", \"pod\", \"container\", \"time\", \"line\"}. "
        "Words "
        "about the\n"
        "log, such as what is waited for, go to standard error.",
    .examples = "  choreo logs run/web-build-4d2c1a9f03b7 -f\n"
                "  choreo logs component/web -e production --since 10m --timestamps\n"
                "  choreo logs component/web -e production --tail 100 -f | grep ERROR\n"
                "  choreo logs run/web-build-4d2c1a9f03b7 --container build -o json | jq -r .line",
    .options = {OPTION_follow, OPTION_environment, OPTION_tail, OPTION_since, OPTION_timestamps,
                OPTION_container, OPTION_previous},
    .forms = 1 << OUTPUT_JSON | 1 << OUTPUT_TABLE,
    .args = COMPLETE_OBJECTS,
    .run = run,
};
