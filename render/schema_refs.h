/* schema_refs.h: what a schema's $ref means.
 *
 * A $ref is local: "#/$defs/NAME". What stands beside it takes the place of the definition's member
 * of that name, as in JSON Schema 2020-12. Owner: the caller; schema_refs_free(). Schemas handed
 * out live as long. Thread: root's. */
#ifndef RENDER_SCHEMA_REFS_H
#define RENDER_SCHEMA_REFS_H

#include "base/json.h"

enum { SCHEMA_REFS_MAX = 64 };

struct schema_refs {
    const json_t *root;
    json_t *merged; /* private: definitions with what stands beside their $ref, by its address */
};

/* The schema that is meant, itself without a $ref. NULL: it points nowhere, or in a circle. */
const json_t *schema_resolve(struct schema_refs *refs, const json_t *schema);
void schema_refs_free(struct schema_refs *refs);

#endif
