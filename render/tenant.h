/* tenant.h: what types of a namespace may put on a cluster.
 *
 * A ClusterComponentType, ClusterTrait or the like is the platform engineer's word. Those of a
 * namespace (ComponentType, Trait, ResourceType, ProjectType, Workflow) are a tenant's, and must
 * not undo what the platform confines its cell with. They may make objects of some kinds, whose
 * pods keep to Kubernetes' Pod Security Standard "baseline", whose Services are of the cluster, and
 * whose routes, claims and secrets are their own; Organization.spec.ownTypes says what more.
 *
 * What the platform said stays allowed when a tenant's trait changes the object around it: whoever
 * applies such a trait looks at all objects before (tenant_see()) and has what came of it judged.
 * Owner: as said. Thread: any. */
#ifndef RENDER_TENANT_H
#define RENDER_TENANT_H

#include "render/pipeline.h"
#include "render/resources.h"

struct tenancy {
    const struct render_identity *id;
    const struct render_maker *maker; /* the type or trait that is judged */
    struct slice cell;
    const json_t *own_types; /* Organization.spec.ownTypes, or NULL */
    const json_t *variables; /* what templates see: gateway, workload, dataplane, workflowplane */
    const json_t *dataplane; /* DataPlane.spec, or NULL: which keys of its secret store there are */
    /* What a built-in type would make of the same, and nobody has to be allowed; or NULL. */
    const struct resource_list *built_in;
};

/* What the templates of a built-in type make in the scope, each by itself: one that fails makes
 * nothing. The scope is left as it is. */
void tenant_built_in(const struct template_scope *scope, const json_t *templates,
                     struct resource_list *list);

/* Whether that is a tenant's: of a namespace, or written by hand. */
bool tenant_is(const struct render_maker *maker);

/* What is there by the platform's word. */
struct tenant_seen {
    struct tenant_mark *marks;
    size_t count;
    size_t cap;
};
void tenant_see(const struct tenancy *t, const struct resource_list *list,
                struct tenant_seen *seen);
void tenant_forget(struct tenant_seen *seen);

/* Whether a tenant may have made what is there beyond what was seen (NULL: nothing was), and taken
 * away what is not there any more. Errors: ERR_UNPROCESSABLE: the message names template, object,
 * field and type, and who can allow it. */
int tenant_judge(const struct tenancy *t, const struct resource_list *list,
                 const struct tenant_seen *seen, struct err *err);

#endif
