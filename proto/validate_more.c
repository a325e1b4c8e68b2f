/* What only schemas of custom kinds ask of a value: multipleOf, and allOf, anyOf, oneOf, not.
 *
 * Whether a value fits a branch is found by checking it with causes that are full already: they
 * count and keep nothing, so that branches which do not fit cost no memory. */
#include <math.h>

#include "proto/schema_internal.h"

static bool fits(struct checking *c, const struct schema *branch, const json_t *value)
{
    struct causes *causes = c->causes;
    struct causes probe = {.count = CAUSES_MAX};
    c->causes = &probe;
    schema__check(c, branch, value, NULL);
    c->causes = causes;
    return probe.dropped == 0;
}

static size_t count_fitting(struct checking *c, const struct schema *branches, size_t count,
                            const json_t *value)
{
    size_t fitting = 0;
    for (size_t i = 0; i < count; i++) {
        fitting += fits(c, &branches[i], value) ? 1 : 0;
    }
    return fitting;
}

static void check_multiple(struct checking *c, const struct schema_more *more, const json_t *value)
{
    double quotient = json_number_value(value) / more->multiple_of;
    if (fabs(quotient - round(quotient)) > 1e-9 * fmax(1, fabs(quotient))) {
        char rule[64];
        (void)snprintf(rule, sizeof(rule), "must be a multiple of %.15g", more->multiple_of);
        schema__invalid(c, value, rule);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
void schema__check_more(struct checking *c, const struct schema *schema, const json_t *value,
                        const json_t *old)
{
    const struct schema_more *more = schema->more;
    if (more->multiple_of > 0 && json_is_number(value)) {
        check_multiple(c, more, value);
    }
    for (size_t i = 0; i < more->all_of_count; i++) {
        schema__check(c, &more->all_of[i], value, old); /* its causes say what is wrong */
    }
    if (more->any_of_count > 0 && count_fitting(c, more->any_of, more->any_of_count, value) == 0) {
        schema__invalid(c, value, "must validate at least one schema (anyOf)");
    }
    if (more->one_of_count > 0 && count_fitting(c, more->one_of, more->one_of_count, value) != 1) {
        schema__invalid(c, value, "must validate one and only one schema (oneOf)");
    }
    if (more->not_of != NULL && fits(c, more->not_of, value)) {
        schema__invalid(c, value, "must not validate the schema (not)");
    }
}
