/* history.c: `choreo history`: which releases were where, who asked and who approved, and what
 * became of them: read from the bindings. */
#include "cli/print.h"
#include "cli/releases.h"

#include "proto/object.h"

/* What is asked for and was not let in yet, as a row of its own. */
static json_t *waiting(const json_t *binding)
{
    const json_t *promoted = object_condition(binding, "Promoted");
    struct slice asked = promotion_asked(binding);
    struct slice runs = json_text(json_at(binding, "status", "releaseName", NULL));
    if (!slice_eq_cstr(json_text_at(promoted, "status"), "False") || slice_eq(asked, runs)) {
        return NULL;
    }
    struct slice by = object_annotation(binding, PROMOTION_REQUESTED_BY);
    json_t *row = json_pack("{s:o, s:s, s:o}", "release", json_str(asked), "outcome", "Waiting",
                            "message", json_str(json_text_at(promoted, "message")));
    if (by.len > 0) {
        json_object_set_new(row, "by", json_str(by));
    }
    return row;
}

static void add_row(json_t *rows, struct slice environment, json_t *row)
{
    json_object_set_new(row, "environment", json_str(environment));
    json_array_append_new(rows, row);
}

static void add_binding(json_t *rows, const json_t *binding)
{
    struct slice environment = json_text(json_at(binding, "spec", "environment", NULL));
    json_t *held = waiting(binding);
    size_t i;
    json_t *rollout;
    if (held != NULL) {
        add_row(rows, environment, held);
    }
    json_array_foreach(json_at(binding, "status", "history", NULL), i, rollout)
    {
        add_row(rows, environment, json_copy(rollout));
    }
}

static const char *joined(struct cli *c, const json_t *list)
{
    struct buf text = {0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        buf_addf(&text, "%s%.*s", i > 0 ? "," : "", SLICE_ARG(json_text(json_array_get(list, i))));
    }
    const char *kept = arena_cstr(&c->arena, buf_slice(&text));
    buf_free(&text);
    return kept;
}

static void show(struct cli *c, const json_t *rows)
{
    static const char *const titles[] = {"ENVIRONMENT", "RELEASE", "OUTCOME",     "STARTED",
                                         "HEALTHY",     "BY",      "APPROVED-BY", "REASON"};
    static const char *const keys[] = {"environment", "release",   "outcome",
                                       "startedAt",   "healthyAt", "by"};
    enum { COLUMNS = sizeof(titles) / sizeof(titles[0]), KEYS = sizeof(keys) / sizeof(keys[0]) };
    struct print_table t;
    print_init(&t, titles, COLUMNS);
    t.sentence = true;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        struct slice why = json_text_at(row, "message");
        const char *cells[COLUMNS];
        for (size_t k = 0; k < KEYS; k++) {
            cells[k] = arena_cstr(&c->arena, json_text_at(row, keys[k]));
        }
        cells[KEYS] = joined(c, json_object_get(row, "approvedBy"));
        cells[KEYS + 1] = arena_cstr(&c->arena, why.len > 0 ? why : json_text_at(row, "reason"));
        print_row(&t, cells);
    }
    print_flush(&t, !c->options.no_headers);
    print_free(&t);
}

/* Until what was asked for last in one of its environments has come to an end there, or never began
 * since it waits for a gate. */
static int settle(const struct releases *r, const json_t *binding, uint64_t end_ms, struct err *err)
{
    struct await await = {.cli = r->cli,
                          .end_ms = end_ms,
                          .quiet = true,
                          .generation = object_generation(binding),
                          .other = true};
    Choreo__V1__Ref ref;
    ask_ref(r->cli, r->track->parts[PROMOTION_BINDING], r->cli->ns, &ref);
    ref.name = arena_cstr(&r->cli->arena, object_name(binding));
    int rc = await_parse(&await, "jsonpath={.status.history[0].outcome}=Progressing", err);
    rc = rc != 0 ? rc : await_one(&await, &ref, ref.name, err);
    await_free(&await);
    return rc;
}

/* What is to be shown: all of its bindings, or the one in the environment that is asked for. */
static int open_shown(struct releases *r, struct cli *c, const json_t **only, struct err *err)
{
    int rc = releases_open(r, c, err);
    *only = NULL;
    return rc == 0 && c->options.environment != NULL
               ? releases_binding(r, c->options.environment, only, err)
               : rc;
}

/* Shows what came of it, and not what was there before. */
static int wait_for_all(struct releases *r, struct cli *c, const json_t **only, struct err *err)
{
    uint64_t end_ms = await_deadline(c);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(r->bindings); i++) {
        const json_t *binding = json_array_get(r->bindings, i);
        rc = *only == NULL || *only == binding ? settle(r, binding, end_ms, err) : 0;
    }
    if (rc == 0) {
        releases_close(r);
        *r = (struct releases){0};
        rc = open_shown(r, c, only, err);
    }
    return rc;
}

static int run(struct cli *c, struct err *err)
{
    struct releases r = {0};
    const json_t *only = NULL;
    json_t *rows = json_array();
    int rc = open_shown(&r, c, &only, err);
    if (rc == 0 && c->options.wait) {
        rc = wait_for_all(&r, c, &only, err);
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(r.bindings); i++) {
        const json_t *binding = json_array_get(r.bindings, i);
        if (only == NULL || only == binding) {
            add_binding(rows, binding);
        }
    }
    if (rc == 0 && output_is_tree(&c->output)) {
        rc = output_tree(&c->output, rows, err);
    } else if (rc == 0 && json_array_size(rows) == 0) {
        print_err("%s \"%s\" has been nowhere yet.\n", r.track->kinds[PROMOTION_OWNER], r.owner);
    } else if (rc == 0) {
        show(c, rows);
    }
    json_decref(rows);
    releases_close(&r);
    return rc;
}

const struct command command_history = {
    .name = "history",
    .summary = "show which releases were where, and why",
    .usage = "COMPONENT|resource/RESOURCE [-e ENVIRONMENT] [--wait] [-o FORM]",
    .about =
        "The newest first, for each environment. OUTCOME is Waiting (not let in yet: REASON says\n"
        "what is missing), Progressing, Healthy, Superseded (by a newer one), RolledBack (for an\n"
        "older one: it proves nothing any more to where the pipeline leads), or Failed: not\n"
        "healthy by its deadline, with nothing to go back to.\n"
        "With --wait it returns when nothing of it is Progressing any more, and shows what came\n"
        "of it: one that failed is shown, and no error (as of promote --wait and rollback "
        "--wait);\n"
        "what waits for a gate is not waited for.",
    .examples = "  choreo history web\n"
                "  choreo history web -e production --wait --timeout 10m\n"
                "  choreo history web -e production -o json",
    .options = {OPTION_environment, OPTION_wait, OPTION_no_headers},
    .forms = OUTPUT_TREES | 1 << OUTPUT_TABLE,
    .args = COMPLETE_COMPONENT,
    .run = run,
};
