/* route_workflow.c: whom runs concern, and what concerns them. See route.c. */
#include "reconcile/controllers/workflow_run.h"
#include "reconcile/route_internal.h"

/* Runs that wait for something, of a namespace or (ns empty) of all. */
static void add_waiting(struct route *r, struct slice ns)
{
    const struct snapshot_entry **runs;
    size_t count = ns.len > 0
                       ? snapshot_list(r->s, SNAPSHOT_RUN, SNAPSHOT_BY_NS, ns, ns, &r->arena, &runs)
                       : snapshot_all(r->s, SNAPSHOT_RUN, &r->arena, &runs);
    for (size_t i = 0; i < count; i++) {
        if (!run_ended(snapshot_tree(r->s, runs[i]))) {
            r->add(r->user, SNAPSHOT_RUN, runs[i]->ns, runs[i]->name, 0);
        }
    }
}

static void route_run(struct route *r, struct slice ns, struct slice name, const json_t *run,
                      bool whole)
{
    const struct snapshot_entry **rendered;
    size_t count = whole ? snapshot_list(r->s, SNAPSHOT_RENDERED, SNAPSHOT_BY_RUN, ns, name,
                                         &r->arena, &rendered)
                         : 0;
    for (size_t i = 0; i < count; i++) {
        r->add(r->user, SNAPSHOT_RENDERED, ns, rendered[i]->name, 0);
    }
    /* Whose image it makes; and the cell, which goes with its last run. */
    route__named(r, SNAPSHOT_COMPONENT, ns, owner_text(run, "componentName"));
}

void route_workflows(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                     struct slice name, bool whole, route_add add, void *user)
{
    struct route r = {.s = s, .add = add, .user = user};
    const json_t *o;
    switch ((int)kind) {
    case SNAPSHOT_RUN:
        route_run(&r, ns, name, snapshot_get(s, kind, ns, name), whole);
        break;
    case SNAPSHOT_RENDERED:
        o = snapshot_get(s, kind, ns, name);
        route__named(&r, SNAPSHOT_RUN, ns, spec_text(o, "workflowRun"));
        break;
    case SNAPSHOT_CLUSTER_WORKFLOW:
    case SNAPSHOT_DATAPLANE:
    case SNAPSHOT_WORKFLOW:
    case SNAPSHOT_OC_WORKFLOW:
    case SNAPSHOT_OC_CLUSTER_WORKFLOW:
    case SNAPSHOT_OC_WORKFLOW_PLANE:
    case SNAPSHOT_OC_CLUSTER_WORKFLOW_PLANE:
    case SNAPSHOT_SECRET:
    case SNAPSHOT_SECRET_REFERENCE:
        if (whole) {
            add_waiting(&r, ns);
        }
        break;
    case SNAPSHOT_PROJECT:
    case SNAPSHOT_PIPELINE:
    case SNAPSHOT_ENVIRONMENT:
        if (whole) {
            add_waiting(&r, ns);
        }
        break;
    default:
        break;
    }
    arena_free(&r.arena);
}
