/* apply.h: server-side apply: who owns which field.
 *
 * Kubernetes' structured merge: each manager's set of fields (FieldsV1) per operation, apiVersion
 * and subresource is kept in metadata.managedFields. Applying sets what the manager names, takes
 * away what it named before and nobody else owns, and conflicts where another manager owns a field
 * with another value. Lists merge by list-type, maps by map-type; without a schema, maps are
 * granular and lists atomic.
 * Thread: any. */
#ifndef PROTO_APPLY_H
#define PROTO_APPLY_H

#include "proto/cause.h"
#include "proto/schema.h"

struct apply_context {
    const struct schema *schema; /* NULL: unknown */
    struct slice api_version;
    struct slice manager;     /* "": nobody's: what is written has no owner from then on */
    struct slice subresource; /* "" or "status", "scale" */
    struct slice now;         /* RFC 3339 */
    bool force;
    bool unowned; /* what has no manager is nobody's, and gives way: controllers write it */
};

/* live (NULL: absent) with the manager's intent applied: a new tree, managedFields kept in it.
 * Errors: ERR_CONFLICT (causes), ERR_UNPROCESSABLE (duplicate keys in a list: causes). */
int apply_merge(const struct apply_context *ctx, const json_t *live, const json_t *intent,
                json_t **out, struct causes *causes, struct err *err);
/* After an update or patch: records what changed from before (NULL: created) to after as the
 * manager's (or nobody's), takes it from others. after's managedFields are replaced; the client's
 * own edit of them ([{}] clears, another list replaces) is honoured first. Of an object that nobody
 * owns anything of nothing is recorded: unless it is unowned, its first apply gives all of it to
 * the manager "before-first-apply". */
void apply_track_update(const struct apply_context *ctx, const json_t *before, json_t *after);

#endif
