/* schema_build_internal.h: between schema_build.c, schema_check.c and
 * schema_rule.c.
 * Thread: any. */
#ifndef PROTO_SCHEMA_BUILD_INTERNAL_H
#define PROTO_SCHEMA_BUILD_INTERNAL_H

#include "proto/schema_build.h"

/* "object", "array", ... False if it is none. */
bool schema__type_named(struct slice name, enum schema_type *type);
/* Of an item of x-kubernetes-validations: does its rule name oldSelf? */
bool schema__rule_transition(const json_t *rule);
enum cause_kind schema__rule_kind(struct slice reason);
/* An expression about a value of the schema, as `self`, and what it was, as `oldSelf`. */
struct schema_rule_source {
    struct slice text;
    const struct schema *self;
    bool optional_old; /* oldSelf is an optional */
    bool message;      /* gives a text; else a rule, true or false */
    bool stored;       /* of a definition that was accepted once */
};
/* *out is NULL, without an error, where there is no evaluator or nothing to compile. */
int schema__rule_compile(struct arena *arena, const struct expressions *x,
                         const struct schema_rule_source *source, const struct expression **out,
                         struct err *err);
/* The schema of one place, without its expressions; object: of the root. */
const struct schema *schema__shape(struct arena *arena, const json_t *tree, bool object);

#endif
