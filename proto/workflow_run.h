/* workflow_run.h: the WorkflowRun that builds a component's image.
 *
 * The component's controller, webhooks and `choreo build` make runs by this alone, so that all of
 * them mean the same build by the same name. Pure. Owner: results are the caller's to
 * json_decref(). Thread: any. */
#ifndef PROTO_WORKFLOW_RUN_H
#define PROTO_WORKFLOW_RUN_H

#include "base/arena.h"
#include "base/json.h"

struct workflow_run_request {
    const json_t *component;
    const json_t *project; /* the Project object, whose source may be the component's; or NULL */
    struct slice project_name;
    struct slice branch; /* empty: the component's */
    struct slice commit; /* empty: the component's, else whatever branch or tag leads to then */
    struct slice before; /* of a push: the commit that the branch was at; empty: not known */
    bool forced;         /* and that was thrown away */
    struct slice triggered_by;
    struct slice suffix; /* tells several runs of one commit apart; most often empty */
};

/* Of a run that a push was built by: the commit that the branch was at before, and whether it went
 * on from there or threw that away. Pushes are told in any order; this is their own. */
#define WORKFLOW_RUN_PUSHED_FROM "choreo.dev/pushed-from"
#define WORKFLOW_RUN_PUSHED_OVER "choreo.dev/pushed-over"

/* Where the component's source is: {git: {repository, branch | tag | commit, path, secretRef}}, a
 * new tree; NULL: it names no repository, and neither does its project. */
json_t *workflow_run_source(const json_t *component, const json_t *project);

/* "COMPONENT-build-FIRST 12 OF COMMIT"; without a commit, of a hash of what is to be built; behind
 * it the first 7 of what was thrown away for it, so that a branch that goes back is built again.
 * The object has no more than 63 characters in its name, and the component as its owner if that has
 * a uid. Of a component whose workflow is OpenChoreo's it is OpenChoreo's WorkflowRun, whose
 * parameters say the source, and which belongs to whom the component belongs. NULL: it has no
 * source. */
json_t *workflow_run_of(const struct workflow_run_request *request);

/* What a push did, as status.pushes of a component has it: "BRANCH OLD..NEW", "BRANCH OLD...NEW"
 * where OLD was thrown away, "BRANCH ..NEW" where it is not known; of a tag without BRANCH.
 * Appends.
 */
void workflow_run_push(struct slice branch, struct slice before, bool forced, struct slice commit,
                       struct buf *out);
/* Was the push built before, and has the branch been pushed on since, so far as the component's
 * status.pushes tell? Then it is told again, and its run may be gone. */
bool workflow_run_was_pushed(const struct workflow_run_request *request);

/* What builds it: {group, kind, name, parameters, sourceParameters}, a new tree. spec.workflow,
 * else what spec.build says, else buildpacks for a component with a runtime and a Dockerfile for
 * others. */
json_t *workflow_run_target(const json_t *component);

/* Who or what asked for a run of OpenChoreo's. */
#define WORKFLOW_RUN_TRIGGER "choreo.dev/triggered-by"
/* Is the run of OpenChoreo's kind? And the component that either kind is for; or empty. */
bool workflow_run_is_openchoreo(const json_t *run);
struct slice workflow_run_component(const json_t *run);

#endif
