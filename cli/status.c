/* status.c: `choreo status`: is anything wrong? Nodes, clusters, components, on one screen.
 *
 * Three questions to one node: the cluster's status, all DataPlanes, all Components. --watch asks
 * again every second and redraws. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/print.h"
#include "proto/object.h"

enum { REFRESH_MS = 1000 };

static int print_nodes(struct cli *c, struct err *err)
{
    static const char *const titles[] = {"NODE", "REGION", "STATE", "LEADS SHARDS", "API"};
    Choreo__V1__MembersRequest request = CHOREO__V1__MEMBERS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    struct print_table table;
    int rc = client_call(&c->client, "choreo.v1.ClusterService/Members", &request.base,
                         &choreo__v1__members_response__descriptor, &c->arena, &message, err);
    if (rc != 0) {
        return rc;
    }
    const Choreo__V1__MembersResponse *response = (const Choreo__V1__MembersResponse *)message;
    print_init(&table, titles, 5);
    for (size_t i = 0; i < response->n_members; i++) {
        const Choreo__V1__Member *m = response->members[i];
        struct buf leads = {0};
        for (size_t s = 0; s < m->n_leads; s++) {
            buf_addf(&leads, "%s%u", s > 0 ? ", " : "", m->leads[s]);
        }
        const char *cells[] = {m->name, m->region, m->reachable ? m->role : "unreachable",
                               m->n_leads > 0 ? buf_cstr(&leads) : "-", m->api_address};
        print_row(&table, cells);
        buf_free(&leads);
    }
    print_flush(&table, true);
    print_free(&table);
    return 0;
}

static const char *text_or(struct cli *c, struct slice s, const char *otherwise)
{
    return s.len > 0 ? arena_cstr(&c->arena, s) : otherwise;
}

static void print_planes(struct cli *c, const json_t *planes)
{
    static const char *const titles[] = {"CLUSTER", "PLANE", "REGION", "STATE", "DETAIL"};
    struct print_table table;
    print_init(&table, titles, 5);
    table.sentence = true;
    for (size_t p = 0; p < json_array_size(planes); p++) {
        const json_t *plane = json_array_get(planes, p);
        const json_t *clusters = json_at(plane, "status", "clusters", NULL);
        const char *name = text_or(c, object_name(plane), "");
        for (size_t i = 0; i < json_array_size(clusters); i++) {
            const json_t *cluster = json_array_get(clusters, i);
            const char *cells[] = {text_or(c, json_text_at(cluster, "name"), ""), name,
                                   text_or(c, json_text_at(cluster, "region"), "-"),
                                   text_or(c, json_text_at(cluster, "state"), "Unknown"),
                                   text_or(c, json_text_at(cluster, "message"), "")};
            print_row(&table, cells);
        }
        if (json_array_size(clusters) == 0) {
            const char *cells[] = {"-", name, "-", "Unknown", "not looked at yet"};
            print_row(&table, cells);
        }
    }
    print_flush(&table, true);
    print_free(&table);
}

static void print_components(struct cli *c, const json_t *components)
{
    static const char *const titles[] = {"COMPONENT", "NAMESPACE", "PROJECT",
                                         "READY",     "REASON",    "DETAIL"};
    struct print_table table;
    print_init(&table, titles, 6);
    table.sentence = true;
    for (size_t i = 0; i < json_array_size(components); i++) {
        const json_t *component = json_array_get(components, i);
        const json_t *ready = object_condition(component, "Ready");
        struct slice project = json_text(json_at(component, "status", "project", NULL));
        if (project.len == 0) {
            project = json_text(json_at(component, "spec", "project", NULL));
        }
        const char *cells[] = {text_or(c, object_name(component), ""),
                               text_or(c, object_ns(component), ""),
                               text_or(c, project, "-"),
                               text_or(c, json_text_at(ready, "status"), "Unknown"),
                               text_or(c, json_text_at(ready, "reason"), "-"),
                               text_or(c, json_text_at(ready, "message"), "")};
        print_row(&table, cells);
    }
    print_flush(&table, true);
    print_free(&table);
}

static int list_all(struct cli *c, const char *kind, const char *ns, json_t **items,
                    struct err *err)
{
    Choreo__V1__Ref ref;
    ask_ref(c, kind, ns, &ref);
    return ask_items(c, &ref, NULL, NULL, items, err);
}

static int show(struct cli *c, struct err *err)
{
    json_t *planes = NULL;
    json_t *components = NULL;
    const char *ns = c->options.ns != NULL ? c->options.ns : ""; /* not the context's */
    int rc = list_all(c, "dataplanes", "", &planes, err);
    rc = rc != 0 ? rc : list_all(c, "components", ns, &components, err);
    if (rc == 0 && output_is_tree(&c->output)) {
        json_t *tree = json_pack("{s:O, s:O}", "components", components, "dataPlanes", planes);
        rc = output_tree(&c->output, tree, err);
        json_decref(tree);
    } else if (rc == 0 && (rc = print_nodes(c, err)) == 0) {
        print_out("\n");
        print_planes(c, planes);
        print_out("\n");
        print_components(c, components);
    }
    json_decref(planes);
    json_decref(components);
    return rc;
}

static int run(struct cli *c, struct err *err)
{
    int rc = show(c, err);
    while (c->options.watch && (rc == 0 || rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT)) {
        uv_sleep(REFRESH_MS);
        if (isatty(STDOUT_FILENO)) {
            (void)fputs("\033[H\033[2J", stdout);
        }
        arena_free(&c->arena);
        rc = show(c, err);
        if (rc != 0) {
            print_err("choreo status: %s\n", err->message);
        }
    }
    return rc;
}

const struct command command_status = {
    .name = "status",
    .summary = "the platform at a glance: nodes, clusters, components",
    .usage = "[-n NAMESPACE] [-w]",
    .about =
        "Is anything wrong? Nodes with the shards they lead, clusters with their state, and the\n"
        "components of every namespace, or of NAMESPACE. -w asks again each second.",
    .examples = "  choreo status\n"
                "  choreo status -w -n acme-corp",
    .options = {OPTION_watch},
    .forms = OUTPUT_TREES,
    .run = run,
};
