/* unify.h: can a value of this type stand where one of that type is wanted?
 *
 * Answers as gradual typing does: dyn fits everywhere and everything fits dyn. Variables learn what
 * they stand for on the way; what was learned in an attempt that fails is forgotten.
 *
 * Types can be made to look exponentially large, so all work is counted: once `spent` is true,
 * every answer is worthless and the expression is to be refused.
 * Owner: the caller; a zeroed struct with an arena and steps is ready. Thread: the caller's. */
#ifndef RENDER_CEL_UNIFY_H
#define RENDER_CEL_UNIFY_H

#include "render/cel/shape.h"

enum {
    CEL_UNIFY_STEPS = 10 * 1000,   /* of an expression, */
    CEL_UNIFY_STEPS_PER_NODE = 30, /* and for every node of it: a comparison takes up to 24 */
    CEL_UNIFY_DEPTH_MAX = 1000
};

/* What a variable was before it learned more. */
struct cel_learned {
    uint32_t variable;
    const struct cel_shape *before;
};

struct cel_unify {
    struct arena *arena;
    uint64_t steps; /* left; may be added to */
    bool spent;
    bool loose; /* something fitted only because it was dyn or null; cleared by who asks */
    /* private */
    const struct cel_shape **bound; /* by variable; NULL: not known */
    uint32_t count;
    uint32_t cap;
    struct cel_learned *trail;
    size_t trail_count;
    size_t trail_cap;
    uint32_t depth;
};

const struct cel_shape *cel_unify_variable(struct cel_unify *u);
/* Whether a value of `is` fits where `wanted` is expected. */
bool cel_unify_fits(struct cel_unify *u, const struct cel_shape *is,
                    const struct cel_shape *wanted);
/* The type of either of two values; NULL if nothing but dyn is. */
const struct cel_shape *cel_unify_join(struct cel_unify *u, const struct cel_shape *a,
                                       const struct cel_shape *b);
/* What a variable is known to be by now; its parts are as they were. */
const struct cel_shape *cel_unify_known(struct cel_unify *u, const struct cel_shape *shape);
/* Without variables; what is still unknown is dyn. In the arena. */
const struct cel_shape *cel_unify_final(struct cel_unify *u, struct arena *arena,
                                        const struct cel_shape *shape);
/* The same type, as far as is known. */
bool cel_unify_same(struct cel_unify *u, const struct cel_shape *a, const struct cel_shape *b);

/* To try something: everything learned since the mark is forgotten by undo. */
size_t cel_unify_mark(const struct cel_unify *u);
void cel_unify_undo(struct cel_unify *u, size_t mark);
/* What was learned stays; marks are void. */
void cel_unify_keep(struct cel_unify *u);

#endif
