/* schema_patterns.c: a map from patterns to what they compiled to. */
#include "render/schema_patterns.h"

#include "render/cel/regex.h"

enum { TEST_COST = 10 }; /* the steps that no match is charged for, some 20 microseconds */

static struct cel_regex *compiled(struct schema_patterns *p, const json_t *pattern)
{
    struct slice address = slice_make((const char *)&pattern, sizeof pattern);
    struct cel_regex *regex = map_get(&p->compiled, address);
    if (regex == NULL) {
        regex = cel_regex_new(&p->cel, "matches", json_text(pattern));
        if (regex != NULL) {
            map_put(&p->compiled, address, regex);
        }
    }
    return regex;
}

int schema_patterns_test(struct schema_patterns *p, struct schema_refs *refs, const json_t *pattern,
                         struct slice text, bool *match, struct err *err)
{
    p->cel = (struct cel_ctx){.arena = &p->arena, .cost_limit = refs->cost_left};
    struct cel_regex *regex =
        cel_charge(&p->cel, TEST_COST + text.len / SCHEMA_COST_BYTES) ? compiled(p, pattern) : NULL;
    bool known = regex != NULL && cel_regex_test(regex, text, match);
    if (!schema_pay(refs, p->cel.cost)) {
        return err_set(err, ERR_TOO_LARGE, "its patterns take too many steps");
    }
    return known ? 0 : err_set(err, ERR_UNPROCESSABLE, "%s", p->cel.err.message);
}

void schema_patterns_free(struct schema_patterns *p)
{
    size_t cursor = 0;
    struct slice address;
    void *regex;
    while (map_next(&p->compiled, &cursor, &address, &regex)) {
        cel_regex_free(regex);
    }
    map_free(&p->compiled);
    arena_free(&p->arena);
}
