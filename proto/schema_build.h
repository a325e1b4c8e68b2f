/* schema_build.h: schemas of custom kinds, from the OpenAPI v3 schemas that definitions carry.
 *
 * schema_check() names everything for which a schema is refused: Kubernetes' rules for *structural*
 * schemas. schema_build() makes the table of one that passed; of one that did not, it makes what it
 * can.
 * Owner: the caller's arena, which the table lives in with all that it points to. Thread: any. */
#ifndef PROTO_SCHEMA_BUILD_H
#define PROTO_SCHEMA_BUILD_H

#include "proto/schema.h"

enum {
    SCHEMA_NODES_MAX = 10000, /* schemas in one schema */
    SCHEMA_ENUM_MAX = 1000,   /* values of one enum */
    SCHEMA_RULES_MAX = 1000,  /* expressions in one schema */
    SCHEMA_RULE_BYTES_MAX = 10 * 1024,
};

/* path is the schema's place in the definition: "spec.versions[0].schema.openAPIV3Schema".
 * x may be NULL: expressions are then not compiled. */
void schema_check(const json_t *tree, struct slice path, const struct expressions *x,
                  struct causes *causes);
/* Keywords that no schema has: taken out, and named in unknown. */
void schema_check_keywords(json_t *tree, struct slice path, struct causes *unknown);

/* The schema of a kind's objects, with apiVersion, kind and metadata. */
const struct schema *schema_build(struct arena *arena, const json_t *tree,
                                  const struct expressions *x);

#endif
