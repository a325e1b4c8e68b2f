/* project_order.c: stages of components, circles among them, and who waits.
 *
 * A stage is all components whose needs are in the stages before it. What is left when there is no
 * further stage is in a circle, or needs one that is: from the first of those by name, going to the
 * first of its needs that is left, the way comes back to itself; that is the circle that is named.
 */
#include "reconcile/controllers/project_order.h"

#include <stdlib.h>

#define START_ORDER "StartOrder"

enum { NO_STAGE = -1, WAITING_MAX = 100 };

struct node {
    struct slice name;
    size_t *needs; /* numbers of other members */
    size_t need_count;
    int stage;
};

struct order {
    const struct snapshot *s;
    struct arena *arena;
    struct slice ns;
    struct slice project;
    struct node *nodes; /* by name */
    size_t count;
    size_t edge_count;
    int stage_count;
};

static int by_name(const void *key, const void *node)
{
    return slice_cmp(*(const struct slice *)key, ((const struct node *)node)->name);
}

/* Adds a need, unless it is of another project, of itself, or there already. */
static void add_need(struct order *o, struct node *node, struct slice project,
                     struct slice component)
{
    const struct node *found = bsearch(&component, o->nodes, o->count, sizeof *o->nodes, by_name);
    if (found == NULL || found == node || (project.len > 0 && !slice_eq(project, o->project))) {
        return;
    }
    size_t number = (size_t)(found - o->nodes);
    for (size_t i = 0; i < node->need_count; i++) {
        if (node->needs[i] == number) {
            return;
        }
    }
    node->needs[node->need_count++] = number;
    o->edge_count++;
}

/* Of `dependencies` as our components have them, and of a workload's. */
static void read_needs(struct order *o, struct node *node, const json_t *component)
{
    const json_t *ours = json_at(component, "spec", "dependencies", NULL);
    const json_t *theirs =
        json_at(component, "spec", "workload", "dependencies", "endpoints", NULL);
    size_t room = json_array_size(ours) + json_array_size(theirs) + 1;
    node->needs = arena_alloc(o->arena, room * sizeof *node->needs);
    for (size_t i = 0; i < json_array_size(ours); i++) {
        const json_t *one = json_array_get(ours, i);
        struct slice type = json_text_at(one, "type");
        struct slice named = json_text_at(one, "component");
        if (named.len > 0 || slice_eq_cstr(type, "component") || slice_eq_cstr(type, "service")) {
            add_need(o, node, json_text_at(one, "project"),
                     named.len > 0 ? named : json_text_at(one, "name"));
        }
    }
    for (size_t i = 0; i < json_array_size(theirs); i++) {
        const json_t *one = json_array_get(theirs, i);
        add_need(o, node, json_text_at(one, "project"), json_text_at(one, "component"));
    }
}

static bool may_start(const struct order *o, const struct node *node)
{
    for (size_t i = 0; i < node->need_count; i++) {
        int stage = o->nodes[node->needs[i]].stage;
        if (stage == NO_STAGE || stage == o->stage_count) {
            return false;
        }
    }
    return true;
}

/* Returns how many are in no stage. */
static size_t find_stages(struct order *o)
{
    size_t left = o->count;
    size_t before = left + 1;
    while (left > 0 && left < before) {
        before = left;
        for (size_t i = 0; i < o->count; i++) {
            if (o->nodes[i].stage == NO_STAGE && may_start(o, &o->nodes[i])) {
                o->nodes[i].stage = o->stage_count;
                left--;
            }
        }
        o->stage_count += left < before ? 1 : 0;
    }
    return left;
}

/* The first of a node's needs by name that is in no stage. */
static size_t next_left(const struct order *o, size_t from)
{
    size_t next = SIZE_MAX;
    for (size_t i = 0; i < o->nodes[from].need_count; i++) {
        size_t need = o->nodes[from].needs[i];
        next = o->nodes[need].stage == NO_STAGE && need < next ? need : next;
    }
    return next;
}

/* Appends "api -> web -> api", from its first by name. */
static void tell_circle(const struct order *o, struct buf *out)
{
    size_t at = 0;
    while (o->nodes[at].stage != NO_STAGE) {
        at++;
    }
    for (size_t steps = 0; steps < o->count; steps++) { /* into the circle */
        at = next_left(o, at);
    }
    size_t first = at;
    for (size_t i = next_left(o, at); i != at; i = next_left(o, i)) {
        first = i < first ? i : first;
    }
    size_t i = first;
    do {
        buf_addf(out, "%.*s -> ", SLICE_ARG(o->nodes[i].name));
        i = next_left(o, i);
    } while (i != first);
    buf_add(out, o->nodes[first].name);
}

static json_t *stages_tree(const struct order *o)
{
    json_t *stages = json_array();
    for (int stage = 0; stage < o->stage_count; stage++) {
        json_t *names = json_array();
        for (size_t i = 0; i < o->count; i++) {
            if (o->nodes[i].stage == stage) {
                json_array_append_new(names, json_str(o->nodes[i].name));
            }
        }
        json_array_append_new(stages, json_pack("{s:o}", "components", names));
    }
    return stages;
}

static const json_t *binding_in(const struct order *o, struct slice component,
                                struct slice environment)
{
    struct view v;
    view_init(&v, o->s, o->arena);
    return v.platform.binding(&v, o->ns, o->project, component, environment);
}

static struct slice deployed(const json_t *binding)
{
    return json_text(json_at(binding, "status", "releaseName", NULL));
}

/* A row if the node is to be in an environment where something that it needs is not deployed. */
static void add_waiting(const struct order *o, const struct node *node, const json_t *binding,
                        json_t *rows)
{
    struct slice environment = spec_text(binding, "environment");
    json_t *names = json_array();
    for (size_t i = 0; i < node->need_count; i++) {
        struct slice name = o->nodes[node->needs[i]].name;
        if (deployed(binding_in(o, name, environment)).len == 0) {
            json_array_append_new(names, json_str(name));
        }
    }
    if (json_array_size(names) > 0 && json_array_size(rows) < WAITING_MAX) {
        json_array_append_new(rows,
                              json_pack("{s:o, s:o, s:O}", "component", json_str(node->name),
                                        "environment", json_str(environment), "waitsFor", names));
    }
    json_decref(names);
}

static json_t *waiting_tree(const struct order *o)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < o->count; i++) {
        const struct node *node = &o->nodes[i];
        const struct snapshot_entry **bindings;
        size_t count = node->need_count == 0
                           ? 0
                           : snapshot_list(o->s, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, o->ns,
                                           node->name, o->arena, &bindings);
        for (size_t k = 0; k < count; k++) {
            const json_t *binding = snapshot_tree(o->s, bindings[k]);
            bool undeploy = slice_eq_cstr(spec_text(binding, "state"), "Undeploy");
            bool there = condition_is(binding, READY, "True"); /* with what it had before */
            if (!bindings[k]->deleting && !undeploy && !there) {
                add_waiting(o, node, binding, rows);
            }
        }
    }
    return rows;
}

static void set_list(json_t *edit, const char *key, json_t *list)
{
    if (json_array_size(list) > 0) {
        status_set(edit, key, list);
    } else {
        json_decref(list);
        status_set(edit, key, NULL);
    }
}

static void report(struct order *o, json_t *edit)
{
    struct buf circle = {0};
    size_t left = find_stages(o);
    if (left == 0) {
        condition_set(edit, o->s, START_ORDER, STATUS_TRUE, "Ordered",
                      "%zu components in %d stages", o->count, o->stage_count);
    } else {
        tell_circle(o, &circle);
        condition_set(
            edit, o->s, START_ORDER, STATUS_FALSE, "Cycle",
            "components need each other in a circle, so that none can be there before the "
            "others: %s; take one of these dependencies away",
            buf_cstr(&circle));
    }
    buf_free(&circle);
    set_list(edit, "startOrder", stages_tree(o));
    set_list(edit, "waiting", waiting_tree(o));
}

void project_order(const struct snapshot *s, const struct snapshot_entry *const *members,
                   size_t count, struct arena *arena, json_t *edit)
{
    struct order o = {.s = s,
                      .arena = arena,
                      .ns = object_ns(edit),
                      .project = object_name(edit),
                      .nodes = arena_zero(arena, (count + 1) * sizeof *o.nodes),
                      .count = count};
    for (size_t i = 0; i < count; i++) {
        o.nodes[i] = (struct node){.name = members[i]->name, .stage = NO_STAGE};
    }
    for (size_t i = 0; i < count; i++) {
        read_needs(&o, &o.nodes[i], snapshot_tree(s, members[i]));
    }
    if (o.edge_count > 0) {
        report(&o, edit);
        return;
    }
    condition_drop(edit, START_ORDER);
    status_set(edit, "startOrder", NULL);
    status_set(edit, "waiting", NULL);
}
