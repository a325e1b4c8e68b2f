/* schema_refs.h: what a schema's $ref means.
 *
 * A $ref is local: "#/$defs/NAME". What stands beside it takes the place of the definition's member
 * of that name, as in JSON Schema 2020-12. Owner: the caller; schema_refs_free(). Schemas handed
 * out live as long. Thread: root's.
 *
 * References are where a small schema becomes a large one, so what is left of the budget is here,
 * in units of CEL: a node visited, or SCHEMA_COST_BYTES copied. */
#ifndef RENDER_SCHEMA_REFS_H
#define RENDER_SCHEMA_REFS_H

#include "base/json.h"

enum { SCHEMA_REFS_MAX = 64, SCHEMA_COST_BYTES = 16 };

struct schema_refs {
    const json_t *root;
    uint64_t cost_left; /* 0: spent, all that was computed is incomplete */
    json_t *merged; /* private: definitions with what stands beside their $ref, by its address */
};

/* Takes cost out of the budget. False once it is spent. */
bool schema_pay(struct schema_refs *refs, uint64_t cost);
/* The schema that is meant, itself without a $ref. NULL: it points nowhere, or in a circle; or the
 * budget is spent. */
const json_t *schema_resolve(struct schema_refs *refs, const json_t *schema);
void schema_refs_free(struct schema_refs *refs);

#endif
