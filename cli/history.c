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

static int run(struct cli *c, struct err *err)
{
    struct releases r = {0};
    const json_t *only = NULL;
    json_t *rows = json_array();
    int rc = releases_open(&r, c, err);
    if (rc == 0 && c->options.environment != NULL) {
        rc = releases_binding(&r, c->options.environment, &only, err);
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
    .usage = "COMPONENT|resource/RESOURCE [-e ENVIRONMENT] [-o FORM]",
    .about =
        "The newest first, for each environment. OUTCOME is Waiting (not let in yet: REASON says\n"
        "what is missing), Progressing, Healthy, Superseded, RolledBack, or Failed: not healthy\n"
        "by its deadline, with nothing to go back to.",
    .examples = "  choreo history web\n"
                "  choreo history web -e production -o json",
    .options = {OPTION_environment, OPTION_no_headers},
    .forms = OUTPUT_TREES | 1 << OUTPUT_TABLE,
    .args = COMPLETE_COMPONENT,
    .run = run,
};
