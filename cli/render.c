/* render.c: `choreo render`: what the server would send to clusters, without a server. */
#include <stdio.h>

#include "cli/offline.h"
#include "cli/print.h"

struct rendering {
    struct cli *cli;
    struct offline offline;
    struct print_table table;
    json_t *items;    /* of -o json */
    json_t *cells;    /* the names of those that were shown */
    struct err first; /* failure */
};

static void show_yaml(const struct deployment *d, const json_t *manifests, const char *revision)
{
    const char *what = deployment_is_cell(d) ? "the cell of project"
                       : d->resource.len > 0 ? "resource"
                                             : "component";
    struct slice name = deployment_is_cell(d) ? d->project
                        : d->resource.len > 0 ? d->resource
                                              : d->component;
    print_out("# %s %.*s in environment %.*s of %.*s, on cluster %.*s/%.*s; revision %.12s\n", what,
              SLICE_ARG(name), SLICE_ARG(d->environment), SLICE_ARG(d->ns), SLICE_ARG(d->plane),
              SLICE_ARG(d->cluster), revision);
    for (size_t i = 0; i < json_array_size(manifests); i++) {
        print_out("---\n");
        print_yaml(json_array_get(manifests, i));
    }
}

static void show_row(struct rendering *r, const struct deployment *d, const json_t *manifests,
                     const char *revision)
{
    struct arena *arena = &r->offline.arena;
    const char *const cells[] = {
        arena_cstr(arena, d->ns),
        d->resource.len > 0 ? arena_printf(arena, "resource/%.*s", SLICE_ARG(d->resource))
                            : arena_cstr(arena, d->component.len > 0 ? d->component : SLICE("-")),
        arena_cstr(arena, d->environment),
        arena_printf(arena, "%.*s/%.*s", SLICE_ARG(d->plane), SLICE_ARG(d->cluster)),
        arena_cstr(arena, deployment_name(arena, d)),
        arena_printf(arena, "%zu", json_array_size(manifests)),
        arena_cstr(arena, slice_of(revision))};
    print_row(&r->table, cells);
}

static int show(struct rendering *r, const struct offline_target *target, bool cell)
{
    struct err err = {0};
    const struct deployment *d = cell ? &target->cell : &target->deployment;
    const char *revision;
    const json_t *manifests;
    if (offline_manifests(&r->offline, target, cell, &manifests, &revision, &err) != 0) {
        if (r->first.code == 0) {
            r->first = err;
        } else {
            print_err("choreo %s: %s\n", r->cli->command->name, err.message);
        }
        return err.code;
    }
    if (r->cli->output.form == OUTPUT_JSON) {
        json_array_extend(r->items, (json_t *)(uintptr_t)manifests);
    } else if (r->cli->output.form == OUTPUT_TABLE) {
        show_row(r, d, manifests, revision);
    } else {
        show_yaml(d, manifests, revision);
    }
    return 0;
}

/* The cell comes first, once. */
static void show_target(struct rendering *r, const struct offline_target *target)
{
    struct arena *arena = &r->offline.arena;
    const char *name = arena_printf(arena, "%.*s/%.*s", SLICE_ARG(target->cell.ns),
                                    SLICE_ARG(deployment_name(arena, &target->cell)));
    if (json_object_get(r->cells, name) == NULL) {
        json_object_set_new(r->cells, name, json_true());
        if (show(r, target, true) != 0) {
            return;
        }
    }
    if (!deployment_is_cell(&target->deployment)) {
        (void)show(r, target, false);
    }
}

static void finish(struct rendering *r)
{
    if (r->cli->output.form == OUTPUT_JSON) {
        json_t *all =
            json_pack("{s:s, s:s, s:O}", "apiVersion", "v1", "kind", "List", "items", r->items);
        print_json(all);
        json_decref(all);
    } else if (r->cli->output.form == OUTPUT_TABLE) {
        print_flush(&r->table, !r->cli->options.no_headers);
    }
}

static int run(struct cli *c, struct err *err)
{
    static const char *const titles[] = {"NAMESPACE",       "COMPONENT", "ENVIRONMENT", "CLUSTER",
                                         "RENDEREDRELEASE", "OBJECTS",   "REVISION"};
    struct rendering r = {.cli = c};
    struct offline_target *targets;
    size_t count;
    if (c->args.count > 0) {
        return err_set(err, ERR_INVALID, "what is \"%s\"? Files are named with -f",
                       c->args.items[0]);
    }
    c->output.form = c->options.output == NULL ? OUTPUT_YAML : c->output.form;
    int rc = offline_open(&r.offline, c, err);
    if (rc != 0) {
        return rc;
    }
    r.items = json_array();
    r.cells = json_object();
    print_init(&r.table, titles, sizeof titles / sizeof *titles);
    r.table.whole = true;
    (void)offline_targets(&r.offline, c, &targets, &count, &r.first);
    for (size_t i = 0; i < count; i++) {
        show_target(&r, &targets[i]);
    }
    finish(&r);
    *err = r.first;
    print_free(&r.table);
    json_decref(r.items);
    json_decref(r.cells);
    offline_free(&r.offline);
    return err->code;
}

const struct command command_render = {
    .name = "render",
    .summary = "what the server would send to clusters, without a server",
    .usage = "-f PATH [-f PATH...] [--environment NAME | --all] [OPTION...]",
    .about =
        "Takes manifests of the whole platform, or as much of it as matters: organizations, data\n"
        "planes, environments, pipelines, projects, components, and component types, traits,\n"
        "bindings, Secrets and ConfigMaps of yours; of openchoreo.dev, too. Has the control "
        "plane's\n"
        "own controllers work on them, and prints, byte for byte, the objects that the server "
        "would\n"
        "apply for each resource and component in the first environment of its pipeline, or in\n"
        "those that are asked for, without waiting for gates; the cell that they live in first. "
        "The\n"
        "built-in types, and what an organization and a project bring along, are there by\n"
        "themselves; and a data plane, if the files hold none.\n\n"
        "Labels with uids are made of the uids that manifests say in metadata.uid, as those that\n"
        "`get -o yaml` prints do; without them they are left out. The labels and annotations of\n"
        "choreo.dev/, by which the server finds its objects again, are not part of it. -o table\n"
        "shows a line for each RenderedRelease, with the revision that its status.appliedHash\n"
        "has when it is applied. A resource's credentials are made up when it is deployed: they\n"
        "read made-when-deployed, unless the Secret that holds them is among the manifests.\n\n"
        "An error names the file and line of the type, trait or component that it is in, the\n"
        "path in its template and the column of the expression. What can be rendered is printed\n"
        "all the same.",
    .examples = "  choreo render -f deploy/samples --component user-service\n"
                "  choreo render -f platform -f web.yaml --environment production --cluster eu\n"
                "  choreo render -f platform --all -o table\n"
                "  choreo render -f platform -o json | jq '.items[].kind'",
    .options = {OPTION_filename, OPTION_recursive, OPTION_component, OPTION_resource,
                OPTION_environment, OPTION_everywhere, OPTION_cluster, OPTION_no_headers},
    .forms = 1 << OUTPUT_YAML | 1 << OUTPUT_JSON | 1 << OUTPUT_TABLE,
    .offline = true,
    .run = run,
};
