/* schema.h: openAPIV3Schema of parameters and environmentConfigs: defaults, then validation.
 *
 * Known: type, properties, required, default, enum, items, additionalProperties, $ref to
 * "#/$defs/...", $defs, nullable, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf,
 * minLength, maxLength, pattern, minItems, maxItems, uniqueItems, minProperties, maxProperties,
 * allOf, anyOf, oneOf, not, x-kubernetes-preserve-unknown-fields, x-kubernetes-int-or-string; what
 * only describes is ignored. Defaults are Kubernetes': a missing member takes its schema's default,
 * within which further defaults apply; null counts as missing unless nullable. Fields that the
 * schema does not know are errors, for a misspelt one would otherwise be lost silently. Owner:
 * results are new trees. Thread: any. */
#ifndef RENDER_SCHEMA_H
#define RENDER_SCHEMA_H

#include "base/json.h"

enum { SCHEMA_DEPTH_MAX = 64, SCHEMA_STEPS_MAX = 100 * 1000 };

/* The value (NULL: {}) with defaults, checked. path is the value's place in messages: "parameters".
 * schema may be NULL: then only an empty value is right. Errors: ERR_UNPROCESSABLE, naming every
 * wrong field: "parameters.replicas: must be at least 0; parameters.x: unknown field";
 * ERR_TOO_LARGE (schemas that refer to themselves without end). */
int schema_apply(const json_t *schema, const json_t *value, struct slice path, json_t **out,
                 struct err *err);

/* Puts defaults alone into value, an object, as far as the schema goes. */
void schema_fill(const json_t *schema, json_t *value);

/* Whether an object schema has a property of this name. */
bool schema_has(const json_t *schema, const char *property);

#endif
