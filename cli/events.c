/* events.c: `choreo events`. */
#include "cli/events.h"
#include "cli/print.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/object.h"
#include "proto/table.h"

enum { COLUMNS = 6 };

/* The time of its last occurrence, RFC 3339. */
static struct slice time_of(const json_t *event)
{
    static const char *const keys[] = {"lastTimestamp", "eventTime", "firstTimestamp"};
    for (size_t i = 0; i < 3; i++) {
        struct slice text = json_text_at(event, keys[i]);
        if (text.len > 0) {
            return text;
        }
    }
    return json_text(json_at(event, "metadata", "creationTimestamp", NULL));
}

static const char *age_of(struct cli *c, const json_t *event)
{
    struct buf text = {0};
    uint64_t then_ms;
    const char *when = arena_cstr(&c->arena, time_of(event));
    if (clock_parse_rfc3339(when, &then_ms) != 0) {
        return "<unknown>";
    }
    table_age(then_ms, clock_system.wall_ms(&clock_system), &text);
    json_int_t times = json_integer_value(json_at(event, "count", NULL));
    if (times > 1) {
        buf_addf(&text, " (x%lld)", (long long)times);
    }
    const char *copy = arena_cstr(&c->arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

static int by_time(const void *a, const void *b)
{
    return slice_cmp(time_of(*(json_t *const *)a), time_of(*(json_t *const *)b));
}

static void init_table(struct print_table *table, bool namespaces, bool objects)
{
    const char *titles[COLUMNS];
    size_t count = 0;
    if (namespaces) {
        titles[count++] = "NAMESPACE";
    }
    titles[count++] = "LAST SEEN";
    titles[count++] = "TYPE";
    titles[count++] = "REASON";
    if (objects) {
        titles[count++] = "OBJECT";
    }
    titles[count++] = "MESSAGE";
    print_init(table, titles, count);
    table->sentence = true;
}

static void add_row(struct cli *c, struct print_table *table, const json_t *event, bool namespaces,
                    bool objects)
{
    const json_t *about = json_at(event, "involvedObject", NULL);
    const char *cells[COLUMNS];
    size_t count = 0;
    if (namespaces) {
        cells[count++] = arena_cstr(&c->arena, object_ns(event));
    }
    cells[count++] = age_of(c, event);
    cells[count++] = arena_cstr(&c->arena, json_text_at(event, "type"));
    cells[count++] = arena_cstr(&c->arena, json_text_at(event, "reason"));
    if (objects) {
        cells[count++] =
            arena_printf(&c->arena, "%.*s/%.*s", SLICE_ARG(json_text_at(about, "kind")),
                         SLICE_ARG(json_text_at(about, "name")));
    }
    cells[count] = arena_cstr(&c->arena, slice_trim(json_text_at(event, "message")));
    print_row(table, cells);
}

int events_print(struct cli *c, const char *ns, const char *fields, int indent, bool objects,
                 size_t *count, struct err *err)
{
    Choreo__V1__Ref ref;
    json_t *items = NULL;
    struct print_table table;
    ask_ref(c, "events", ns, &ref);
    int rc = ask_items(c, &ref, NULL, fields, &items, err);
    *count = json_array_size(items);
    json_t **sorted = mem_alloc((*count + 1) * sizeof(json_t *));
    for (size_t i = 0; i < *count; i++) {
        sorted[i] = json_array_get(items, i);
    }
    qsort(sorted, *count, sizeof *sorted, by_time);
    bool namespaces = c->options.all_namespaces;
    init_table(&table, namespaces, objects);
    table.indent = indent;
    for (size_t i = 0; rc == 0 && i < *count; i++) {
        add_row(c, &table, sorted[i], namespaces, objects);
    }
    if (rc == 0 && *count > 0) {
        print_flush(&table, !c->options.no_headers);
    }
    print_free(&table);
    free(sorted);
    json_decref(items);
    return rc;
}

/* ---- choreo events ---- */

struct watching {
    struct cli *cli;
    struct print_table table;
    bool titled;
    uint64_t version;
    int rc;
    struct err err;
};

static bool on_event(const ProtobufCMessage *message, void *user)
{
    struct watching *w = user;
    struct cli *c = w->cli;
    const Choreo__V1__WatchEvent *event = (const Choreo__V1__WatchEvent *)message;
    json_t *tree = NULL;
    if (event->object != NULL && event->type != CHOREO__V1__WATCH_EVENT__TYPE__DELETED &&
        (w->rc = ask_tree(event->object, &tree, &w->err)) == 0) {
        add_row(c, &w->table, tree, c->options.all_namespaces, true);
        print_flush(&w->table, !w->titled && !c->options.no_headers);
        w->titled = true;
    }
    json_decref(tree);
    if (event->type != CHOREO__V1__WATCH_EVENT__TYPE__ADDED || w->version != 0) {
        w->version = event->resource_version;
    }
    return w->rc == 0;
}

static int watch(struct cli *c, const char *fields, struct err *err)
{
    struct watching w = {.cli = c};
    Choreo__V1__WatchRequest request = CHOREO__V1__WATCH_REQUEST__INIT;
    Choreo__V1__Ref ref;
    int rc = 0;
    ask_ref(c, "events", c->options.all_namespaces ? "" : c->ns, &ref);
    request.ref = &ref;
    request.has_form = request.has_resource_version = true;
    request.form = CHOREO__V1__FORM__FORM_JSON;
    request.field_selector = arena_cstr(&c->arena, slice_of(fields));
    init_table(&w.table, c->options.all_namespaces, true);
    do {
        request.resource_version = w.version;
        rc = client_stream(&c->client, "choreo.v1.ResourceService/Watch", &request.base,
                           &choreo__v1__watch_event__descriptor, 0, on_event, &w, err);
        w.version = rc == ERR_GONE ? 0 : w.version;
    } while (w.rc == 0 && (rc == 0 || rc == ERR_GONE || rc == ERR_UNAVAILABLE || rc == ERR_CLOSED));
    print_free(&w.table);
    if (w.rc != 0) {
        *err = w.err;
    }
    return w.rc != 0 ? w.rc : rc;
}

/* --for KIND/NAME as a field selector. */
static int selector_of(struct cli *c, const char **fields, struct err *err)
{
    Choreo__V1__KindInfo *kind;
    json_t *schema;
    Choreo__V1__Ref ref;
    *fields = "";
    if (c->options.about == NULL) {
        return 0;
    }
    ask_ref(c, c->options.about, c->ns, &ref);
    if (ref.name == NULL || *ref.name == '\0') {
        return err_set(err, ERR_INVALID, "--for %s: must be KIND/NAME", c->options.about);
    }
    int rc = ask_schema(c, ref.resource, &kind, &schema, err);
    if (rc == 0) {
        *fields = arena_printf(&c->arena, "involvedObject.kind=%s,involvedObject.name=%s",
                               kind->kind, ref.name);
        json_decref(schema);
    }
    return rc;
}

static int run(struct cli *c, struct err *err)
{
    const char *fields = NULL;
    size_t count = 0;
    int rc = c->args.count > 0
                 ? err_set(err, ERR_INVALID, "what is \"%s\"? --for KIND/NAME narrows it",
                           c->args.items[0])
                 : selector_of(c, &fields, err);
    if (rc == 0 && c->options.watch) {
        return watch(c, fields, err);
    }
    rc = rc != 0 ? rc
                 : events_print(c, c->options.all_namespaces ? "" : c->ns, fields, 0, true, &count,
                                err);
    if (rc == 0 && count == 0) {
        print_err("No events%s%s.\n", c->options.all_namespaces ? "" : " in namespace ",
                  c->options.all_namespaces ? "" : c->ns);
    }
    return rc;
}

const struct command command_events = {
    .name = "events",
    .summary = "what happened lately, oldest first",
    .usage = "[--for KIND/NAME] [-w] [OPTION...]",
    .about =
        "Events are kept for a while. --for shows those about one object. `choreo get events -o\n"
        "json` gives them to programs.",
    .examples = "  choreo events -n acme-corp\n"
                "  choreo events --for component/user-service --watch",
    .options = {OPTION_about, OPTION_all_namespaces, OPTION_watch, OPTION_no_headers},
    .run = run,
};
