/* schema.h: openAPIV3Schema of parameters and environmentConfigs: defaults, then validation.
 *
 * Known: type, properties, required, default, enum, items, additionalProperties, $ref to
 * "#/$defs/...", $defs, nullable, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf,
 * minLength, maxLength, pattern, minItems, maxItems, uniqueItems, minProperties, maxProperties,
 * allOf, anyOf, oneOf, not, x-kubernetes-preserve-unknown-fields, x-kubernetes-int-or-string; what
 * only describes is ignored. Defaults are Kubernetes': a missing member takes its schema's default,
 * within which further defaults apply; null counts as missing unless nullable. Fields that the
 * schema does not know are errors, for a misspelt one would otherwise be lost silently.
 *
 * Schemas are a tenant's, and small ones can ask for much: defaults within defaults double with
 * every level. So all work is paid for, in CEL's units (cel/value.h). Owner: results are new trees.
 * Thread: any. */
#ifndef RENDER_SCHEMA_H
#define RENDER_SCHEMA_H

#include "proto/cause.h"

enum {
    SCHEMA_DEPTH_MAX = 64,
    SCHEMA_COST_MAX = 200 * 1000 /* of one call: some 3 MB, and tenths of a second at worst */
};

/* The value (NULL: {}) with defaults, checked. path is the value's place in messages: "parameters".
 * schema may be NULL: then only an empty value is right. What it takes goes off *cost_left. Errors:
 * ERR_UNPROCESSABLE, naming every wrong field: "parameters.replicas: must be at least 0;
 * parameters.x: unknown field"; ERR_TOO_LARGE (schemas that refer to themselves without end; more
 * than *cost_left, or than SCHEMA_COST_MAX). */
int schema_apply(const json_t *schema, const json_t *value, struct slice path, uint64_t *cost_left,
                 json_t **out, struct err *err);

/* Takes out of value what schema_apply() would call unknown, as OpenChoreo does. */
void schema_drop_unknown(const json_t *schema, json_t *value);
/* Puts defaults alone into value, an object, as far as the schema goes. */
void schema_fill(const json_t *schema, json_t *value);

/* Whether the schema itself can mean anything: its $refs point somewhere and in no circle, types
 * are known, patterns compile, what is required is a property, defaults and enumerations are right.
 * path is its place: "spec.parameters.openAPIV3Schema". */
void schema_examine(const json_t *schema, struct slice path, struct causes *causes);

/* Whether an object schema has a property of this name. */
bool schema_has(const json_t *schema, const char *property);

#endif
