/* explain_render.c: `choreo explain-render`: which template made each field of what is rendered,
 * and who set each parameter.
 *
 * The renderer itself notes it while it renders (render/trace.h); nothing is guessed here. */
#include <stdio.h>
#include <strings.h>

#include "base/suggest.h"
#include "cli/offline.h"
#include "cli/print.h"
#include "proto/object.h"
#include "render/trace.h"

struct explaining {
    struct cli *cli;
    struct offline offline;
    struct trace trace;
    json_t *manifests;
    struct slice kind; /* what is asked for; empty: all */
    struct slice name;
    struct slice path;
    json_t *fields; /* of the object at hand */
};

/* "KIND" or "KIND/NAME", and ".PATH" behind it. A name may hold dots, so where it ends is decided
 * when an object is compared with it. */
static void parse_field(struct explaining *e, const char *field)
{
    struct slice rest = slice_of(field);
    size_t slash = slice_find(rest, SLICE("/"));
    size_t dot = slice_find(rest, SLICE("."));
    if (slash < dot) {
        e->kind = slice_sub(rest, 0, slash);
        e->name = slice_sub(rest, slash + 1, SIZE_MAX); /* and the path, for now */
    } else {
        e->kind = slice_sub(rest, 0, dot);
        e->path = dot == SIZE_MAX ? SLICE("") : slice_sub(rest, dot + 1, SIZE_MAX);
    }
}

static bool is_kind(struct slice asked, struct slice kind)
{
    bool plural = asked.len == kind.len + 1 && asked.data[asked.len - 1] == 's';
    return (asked.len == kind.len || plural) && strncasecmp(asked.data, kind.data, kind.len) == 0;
}

/* Whether the object is meant; *path is what of it. */
static bool is_object(const struct explaining *e, const json_t *manifest, struct slice *path)
{
    struct slice name = object_name(manifest);
    *path = e->path;
    if (e->kind.len == 0) {
        return true;
    }
    if (!is_kind(e->kind, object_kind(manifest))) {
        return false;
    }
    if (e->name.len == 0) {
        return true;
    }
    bool named = slice_starts_with(e->name, name) &&
                 (e->name.len == name.len || e->name.data[name.len] == '.');
    *path = named ? slice_sub(e->name, name.len + 1, SIZE_MAX) : SLICE("");
    return named;
}

/* Whether a field is path, or below it. */
static bool is_below(struct slice field, struct slice path)
{
    return path.len == 0 ||
           (slice_starts_with(field, path) &&
            (field.len == path.len || field.data[path.len] == '.' || field.data[path.len] == '['));
}

struct gathering {
    struct explaining *e;
    struct slice path;
};

static void on_field(void *user, struct slice path, const json_t *value, const json_t *source)
{
    struct gathering *g = user;
    if (!is_below(path, g->path)) {
        return;
    }
    json_t *field = json_pack("{s:o, s:o}", "path", json_str(path), "value", json_deep_copy(value));
    struct slice text = json_text_at(source, "text");
    json_object_set_new(field, "template", json_str(json_text_at(source, "template")));
    json_object_set_new(field, "templatePath", json_str(json_text_at(source, "path")));
    if (slice_find(text, SLICE("${")) != SIZE_MAX) {
        json_object_set_new(field, "expression", json_str(slice_trim(text)));
    }
    json_array_append_new(g->e->fields, field);
}

/* [{apiVersion, kind, name, fields}] of what is asked for. */
static json_t *objects_of(struct explaining *e)
{
    json_t *objects = json_array();
    for (size_t i = 0; i < json_array_size(e->manifests); i++) {
        const json_t *manifest = json_array_get(e->manifests, i);
        struct gathering g = {.e = e};
        if (!is_object(e, manifest, &g.path)) {
            continue;
        }
        e->fields = json_array();
        trace_each(&e->trace, json_array_get(e->trace.manifests, i), manifest, on_field, &g);
        if (json_array_size(e->fields) > 0) {
            json_array_append_new(objects,
                                  json_pack("{s:o, s:o, s:o, s:O}", "apiVersion",
                                            json_str(object_api_version(manifest)), "kind",
                                            json_str(object_kind(manifest)), "name",
                                            json_str(object_name(manifest)), "fields", e->fields));
        }
        json_decref(e->fields);
    }
    return objects;
}

/* ---- for eyes ---- */

/* On one line: white space of any length becomes a blank. */
static const char *one_line(struct explaining *e, struct slice text)
{
    struct buf line = {0};
    for (size_t i = 0; i < text.len; i++) {
        bool blank = text.data[i] == ' ' || text.data[i] == '\n' || text.data[i] == '\t';
        if (!blank) {
            buf_add_char(&line, text.data[i]);
        } else if (line.len > 0 && line.data[line.len - 1] != ' ') {
            buf_add_char(&line, ' ');
        }
    }
    const char *copy = arena_cstr(&e->offline.arena, buf_slice(&line));
    buf_free(&line);
    return copy;
}

static const char *shown(struct explaining *e, const json_t *value)
{
    struct buf text = {0};
    if (json_is_string(value)) {
        buf_add(&text, json_text(value));
    } else {
        json_canonical(value, &text);
    }
    const char *line = one_line(e, buf_slice(&text));
    buf_free(&text);
    return line;
}

static const char *cell(struct explaining *e, const json_t *row, const char *key)
{
    return arena_cstr(&e->offline.arena, json_text_at(row, key));
}

static void print_fields(struct explaining *e, const json_t *object)
{
    static const char *const titles[] = {"FIELD", "VALUE", "TEMPLATE", "FROM"};
    struct print_table table;
    const json_t *fields = json_object_get(object, "fields");
    print_out("%s %s\n", cell(e, object, "kind"), cell(e, object, "name"));
    print_init(&table, titles, 4);
    table.indent = 2;
    table.sentence = true;
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        struct slice expression = json_text_at(field, "expression");
        const char *from = arena_printf(&e->offline.arena, "%s%s%s", cell(e, field, "templatePath"),
                                        expression.len > 0 ? ": " : "", one_line(e, expression));
        const char *const cells[] = {cell(e, field, "path"),
                                     shown(e, json_object_get(field, "value")),
                                     cell(e, field, "template"), from};
        print_row(&table, cells);
    }
    print_flush(&table, !e->cli->options.no_headers);
    print_free(&table);
}

/* "environment: 3, default: 1" */
static const char *hidden(struct explaining *e, const json_t *hides)
{
    struct buf text = {0};
    for (size_t i = 0; i < json_array_size(hides); i++) {
        const json_t *one = json_array_get(hides, i);
        buf_addf(&text, "%s%s: %s", i > 0 ? ", " : "", cell(e, one, "layer"),
                 shown(e, json_object_get(one, "value")));
    }
    const char *copy = arena_cstr(&e->offline.arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

static void print_values(struct explaining *e)
{
    static const char *const titles[] = {"PARAMETER", "VALUE", "OF", "SET BY", "HIDES"};
    struct print_table table;
    if (json_array_size(e->trace.values) == 0) {
        return;
    }
    print_out("Parameters\n");
    print_init(&table, titles, 5);
    table.indent = 2;
    for (size_t i = 0; i < json_array_size(e->trace.values); i++) {
        const json_t *row = json_array_get(e->trace.values, i);
        const char *const cells[] = {cell(e, row, "path"), shown(e, json_object_get(row, "value")),
                                     cell(e, row, "scope"), cell(e, row, "layer"),
                                     hidden(e, json_object_get(row, "hides"))};
        print_row(&table, cells);
    }
    print_flush(&table, !e->cli->options.no_headers);
    print_free(&table);
}

/* As many steps of a field's path as the one that is asked for has. */
static struct slice as_deep(struct slice field, struct slice asked)
{
    size_t steps = 0;
    size_t end = 0;
    for (size_t i = 0; i < asked.len; i++) {
        steps += asked.data[i] == '.';
    }
    while (end < field.len && (field.data[end] != '.' || steps > 0)) {
        steps -= field.data[end] == '.';
        end++;
    }
    return slice_sub(field, 0, end);
}

/* The field of an object whose path is one edit away from that which is asked for; empty: none. */
static struct slice meant_field(const json_t *object, struct slice asked)
{
    const json_t *fields = json_object_get(object, "fields");
    for (size_t i = 0; i < json_array_size(fields); i++) {
        struct slice path = as_deep(json_text_at(json_array_get(fields, i), "path"), asked);
        if (suggest_close(path, asked)) {
            return path;
        }
    }
    return SLICE("");
}

/* No object has it: says which was meant, or which objects there are. */
static int fail_unknown(struct explaining *e, struct err *err)
{
    struct arena *arena = &e->offline.arena;
    struct slice asked = e->path;
    struct slice kind = e->kind;
    const char *hint = "";
    bool there = false;
    struct buf kinds = {0};
    e->kind = SLICE("");
    e->path = SLICE("");
    json_t *objects = objects_of(e);
    for (size_t i = 0; i < json_array_size(objects) && hint[0] == '\0'; i++) {
        const json_t *object = json_array_get(objects, i);
        struct slice of = json_text_at(object, "kind");
        struct slice field = is_kind(kind, of) ? meant_field(object, asked) : SLICE("");
        if (field.len > 0) {
            hint =
                arena_printf(arena, ": did you mean %.*s.%.*s?", SLICE_ARG(kind), SLICE_ARG(field));
        } else if (!is_kind(kind, of) && suggest_close(of, kind)) {
            hint = arena_printf(arena, ": did you mean %.*s?", SLICE_ARG(of));
        }
        there |= is_kind(kind, of);
        buf_addf(&kinds, "%s%.*s", i > 0 ? ", " : "; there are ", SLICE_ARG(of));
    }
    if (hint[0] == '\0') {
        hint = there ? arena_printf(arena, "; %.*s alone shows all that it has", SLICE_ARG(kind))
                     : arena_cstr(arena, buf_slice(&kinds));
    }
    int rc = err_set(err, ERR_NOT_FOUND, "nothing that is rendered has the field %s%s",
                     e->cli->args.items[0], hint);
    buf_free(&kinds);
    json_decref(objects);
    return rc;
}

static int print_all(struct explaining *e, const struct deployment *d, struct err *err)
{
    json_t *objects = objects_of(e);
    bool all = e->kind.len == 0;
    bool cell = deployment_is_cell(d);
    int rc = 0;
    if (json_array_size(objects) == 0) {
        rc = fail_unknown(e, err);
    } else if (output_is_tree(&e->cli->output)) {
        const char *of = cell ? "project" : d->resource.len > 0 ? "resource" : "component";
        struct slice name = cell ? d->project : d->resource.len > 0 ? d->resource : d->component;
        json_t *tree = json_pack("{s:o, s:o, s:o, s:o, s:O}", "namespace", json_str(d->ns), of,
                                 json_str(name), "environment", json_str(d->environment), "cluster",
                                 json_str(d->cluster), "objects", objects);
        if (all) {
            json_object_set(tree, "parameters", e->trace.values);
        }
        rc = output_tree(&e->cli->output, tree, err);
        json_decref(tree);
    } else {
        for (size_t i = 0; i < json_array_size(objects); i++) {
            print_fields(e, json_array_get(objects, i));
        }
        if (all) {
            print_values(e);
        }
    }
    json_decref(objects);
    return rc;
}

/* ---- the command ---- */

/* One component in one environment; of several clusters the first. */
static int choose(struct explaining *e, struct offline_target **target, struct err *err)
{
    size_t count;
    int rc = offline_targets(&e->offline, e->cli, target, &count, err);
    if (rc != 0) {
        return rc;
    }
    while (count > 0 && deployment_is_cell(&(*target)[count - 1].deployment)) {
        count--; /* those alone come last */
    }
    const struct deployment *first = &(*target)[0].deployment;
    for (size_t i = 1; i < count; i++) {
        const struct deployment *other = &(*target)[i].deployment;
        if (!slice_eq(other->component, first->component) ||
            !slice_eq(other->resource, first->resource)) {
            return err_set(err, ERR_INVALID,
                           "--component NAME or --resource NAME is required: there are several, "
                           "which choreo render -o table lists");
        }
    }
    return count > 0 ? 0 : err_set(err, ERR_NOT_FOUND, "it is not deployed in this environment");
}

static int explain(struct explaining *e, struct err *err)
{
    struct offline_target *target;
    const char *reason;
    int rc = choose(e, &target, err);
    if (rc != 0) {
        return rc;
    }
    const struct deployment *d = e->cli->options.cell ? &target->cell : &target->deployment;
    rc = deployment_render(&e->offline.view.platform, d, &e->offline.arena, NULL, &e->trace,
                           &e->manifests, &reason, err);
    return rc == 0 ? print_all(e, d, err) : offline_place(&e->offline, target, err);
}

static int run(struct cli *c, struct err *err)
{
    struct explaining e = {.cli = c};
    if (c->args.count > 1) {
        return err_set(err, ERR_INVALID, "one field at a time: KIND[/NAME][.PATH]");
    }
    if (c->args.count == 1) {
        parse_field(&e, c->args.items[0]);
    }
    int rc = offline_open(&e.offline, c, err);
    if (rc != 0) {
        return rc;
    }
    trace_init(&e.trace);
    rc = explain(&e, err);
    trace_free(&e.trace);
    json_decref(e.manifests);
    offline_free(&e.offline);
    return rc;
}

const struct command command_explain_render = {
    .name = "explain-render",
    .summary = "which template made each field; who set each parameter",
    .usage = "-f PATH --component NAME [KIND[/NAME][.PATH]] [OPTION...]",
    .about =
        "Renders one component, or one --resource, as `choreo render` does (with --cell what "
        "comes\n"
        "before it) and tells, for every field of every object, which template made it (the\n"
        "type's, a trait's, a ClusterProjectType's, or one of ours), the path in that template,\n"
        "and the expression. Then every parameter: its effective value, which layer set it (a\n"
        "default, the component, the environment, the binding), and the values that this hides.\n"
        "With a field, only it and what is below it.",
    .examples = "  choreo explain-render -f deploy/samples --component user-service\n"
                "  choreo explain-render -f platform --component web deployment.spec.replicas\n"
                "  choreo explain-render -f platform --component web --cell resourcequota\n"
                "  choreo explain-render -f platform --component web --environment production \\\n"
                "      -o json | jq '.parameters[] | select(.layer == \"binding\")'",
    .options = {OPTION_filename, OPTION_recursive, OPTION_component, OPTION_resource, OPTION_cell,
                OPTION_environment, OPTION_cluster, OPTION_no_headers},
    .forms = OUTPUT_TREES | 1 << OUTPUT_TABLE,
    .offline = true,
    .run = run,
};
