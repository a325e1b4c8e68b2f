/* schema_patterns.h: texts against the patterns of a schema, each compiled once.
 * Owner: the caller; schema_patterns_free(). A zeroed struct has none. Thread: the schema's. */
#ifndef RENDER_SCHEMA_PATTERNS_H
#define RENDER_SCHEMA_PATTERNS_H

#include "base/map.h"
#include "render/cel/value.h"
#include "render/schema_refs.h"

struct schema_patterns {
    struct map compiled; /* private: by the pattern's address */
    struct cel_ctx cel;
    struct arena arena;
};

/* Whether text matches the pattern, a member of a schema of refs, whose budget pays. Errors:
 * ERR_UNPROCESSABLE (malformed, or takes too many steps on this text), ERR_TOO_LARGE (the budget is
 * spent). */
int schema_patterns_test(struct schema_patterns *p, struct schema_refs *refs, const json_t *pattern,
                         struct slice text, bool *match, struct err *err);
void schema_patterns_free(struct schema_patterns *p);

#endif
