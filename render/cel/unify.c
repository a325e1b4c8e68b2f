/* unify.c: assignability with type variables.
 *
 * A variable takes the first type that it must be, and a more general one when another must fit,
 * too: [] + [1] makes the variable int, then a dyn makes it dyn. It never takes a type that it
 * occurs in. Invariants: the trail holds every binding that changed, in order; recursion ends with
 * the depth or the steps. */
#include "render/cel/unify.h"

#include <string.h>

enum { FINAL_STEPS = 20 }; /* for each part that is copied: it takes memory */

static bool fits(struct cel_unify *u, const struct cel_shape *is, const struct cel_shape *wanted);

/* Takes steps, if there are so many. */
static bool spend(struct cel_unify *u, uint64_t steps)
{
    u->spent = u->spent || u->steps < steps;
    u->steps -= u->spent ? 0 : steps;
    return !u->spent;
}

static bool enter(struct cel_unify *u)
{
    (void)spend(u, 1);
    u->spent = u->spent || u->depth >= CEL_UNIFY_DEPTH_MAX;
    u->depth += u->spent ? 0 : 1;
    return !u->spent;
}

static bool leave(struct cel_unify *u, bool answer)
{
    u->depth--;
    return answer;
}

/* An array of the arena, with room for one more. */
static void *grown(struct cel_unify *u, void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) {
        return items;
    }
    *cap = *cap == 0 ? 32 : *cap * 2;
    void *larger = arena_alloc(u->arena, *cap * size);
    if (count > 0) {
        memcpy(larger, items, count * size);
    }
    return larger;
}

const struct cel_shape *cel_unify_variable(struct cel_unify *u)
{
    size_t cap = u->cap;
    u->bound = grown(u, u->bound, u->count, &cap, sizeof(*u->bound));
    u->cap = (uint32_t)cap;
    struct cel_shape *shape = ARENA_NEW(u->arena, struct cel_shape);
    shape->kind = CEL_S_VARIABLE;
    shape->variable = u->count;
    u->bound[u->count++] = NULL;
    return shape;
}

static void bind(struct cel_unify *u, uint32_t variable, const struct cel_shape *shape)
{
    u->trail = grown(u, u->trail, u->trail_count, &u->trail_cap, sizeof(*u->trail));
    u->trail[u->trail_count++] = (struct cel_learned){variable, u->bound[variable]};
    u->bound[variable] = shape;
}

size_t cel_unify_mark(const struct cel_unify *u)
{
    return u->trail_count;
}

void cel_unify_undo(struct cel_unify *u, size_t mark)
{
    while (u->trail_count > mark) {
        const struct cel_learned *last = &u->trail[--u->trail_count];
        u->bound[last->variable] = last->before;
    }
}

void cel_unify_keep(struct cel_unify *u)
{
    u->trail_count = 0;
}

const struct cel_shape *cel_unify_known(struct cel_unify *u, const struct cel_shape *shape)
{
    while (shape->kind == CEL_S_VARIABLE && u->bound[shape->variable] != NULL && spend(u, 1)) {
        shape = u->bound[shape->variable];
    }
    return shape;
}

static bool same_head(const struct cel_shape *a, const struct cel_shape *b)
{
    return a->kind == b->kind && a->count == b->count && slice_eq(a->name, b->name) &&
           a->record == b->record && (a->kind != CEL_S_VARIABLE || a->variable == b->variable);
}

bool cel_unify_same(struct cel_unify *u, const struct cel_shape *a, const struct cel_shape *b)
{
    if (!enter(u)) {
        return false;
    }
    a = cel_unify_known(u, a);
    b = cel_unify_known(u, b);
    bool same = a == b || (same_head(a, b) && a->nullable == b->nullable);
    for (size_t i = 0; same && a != b && i < a->count; i++) {
        same = cel_unify_same(u, a->parts[i], b->parts[i]);
    }
    return leave(u, same);
}

/* Whether the variable stands anywhere in within. */
static bool occurs(struct cel_unify *u, uint32_t variable, const struct cel_shape *within)
{
    if (!enter(u)) {
        return true;
    }
    within = cel_unify_known(u, within);
    bool found = within->kind == CEL_S_VARIABLE && within->variable == variable;
    for (size_t i = 0; !found && i < within->count; i++) {
        found = occurs(u, variable, within->parts[i]);
    }
    return leave(u, found);
}

/* Of two types that fit each other: is a the more general, or the same? */
static bool general(struct cel_unify *u, const struct cel_shape *a, const struct cel_shape *b)
{
    if (a->kind == CEL_S_DYN || a->kind == CEL_S_VARIABLE || b->kind == CEL_S_NULL) {
        return true;
    }
    if (!enter(u)) {
        return false;
    }
    bool more = same_head(a, b) && (a->nullable || !b->nullable);
    for (size_t i = 0; more && a->kind != CEL_S_TYPE && i < a->count; i++) {
        more = general(u, a->parts[i], b->parts[i]);
    }
    return leave(u, more);
}

/* Whether the variable may be (or become) shape; *known: it was something already. */
static bool may_be(struct cel_unify *u, const struct cel_shape *variable,
                   const struct cel_shape *shape, bool *known)
{
    uint32_t v = variable->variable;
    const struct cel_shape *now = u->bound[v];
    *known = now != NULL;
    if (shape->kind == CEL_S_VARIABLE && shape->variable == v) {
        *known = true;
        return true;
    }
    if (now == NULL) {
        if (occurs(u, v, shape)) {
            return false;
        }
        bind(u, v, shape);
        return true;
    }
    if (now == shape) {
        return true;
    }
    if (!fits(u, shape, now)) {
        return false;
    }
    const struct cel_shape *wider = general(u, shape, now) ? shape : now;
    if (wider != now && !occurs(u, v, wider)) {
        bind(u, v, wider);
    }
    return true;
}

/* null is a value of many types, for historical reasons. */
static bool takes_null(struct cel_unify *u, const struct cel_shape *shape)
{
    switch (shape->kind) {
    case CEL_S_NULL:
        return true;
    case CEL_S_TIMESTAMP:
    case CEL_S_DURATION:
    case CEL_S_OPTIONAL:
    case CEL_S_OPAQUE:
    case CEL_S_RECORD:
        u->loose = true;
        return true;
    case CEL_S_DYN:
    case CEL_S_BOOL:
    case CEL_S_INT:
    case CEL_S_UINT:
    case CEL_S_DOUBLE:
    case CEL_S_STRING:
    case CEL_S_BYTES:
    case CEL_S_NUMBER:
    case CEL_S_LIST:
    case CEL_S_MAP:
    case CEL_S_TYPE:
    case CEL_S_VARIABLE:
        break;
    }
    u->loose = u->loose || shape->nullable;
    return shape->nullable;
}

static bool is_number(const struct cel_shape *shape)
{
    return shape->kind == CEL_S_INT || shape->kind == CEL_S_UINT || shape->kind == CEL_S_DOUBLE;
}

/* Neither is a variable. */
static bool fits_known(struct cel_unify *u, const struct cel_shape *is,
                       const struct cel_shape *wanted)
{
    if (wanted->kind == CEL_S_DYN || is->kind == CEL_S_DYN) {
        u->loose = u->loose || wanted->kind != CEL_S_DYN;
        return true;
    }
    if (wanted->kind == CEL_S_NUMBER) {
        return is_number(is);
    }
    if (is->kind == CEL_S_NULL || wanted->kind == CEL_S_NULL) {
        return takes_null(u, is->kind == CEL_S_NULL ? wanted : is);
    }
    if (is->kind == CEL_S_TYPE && wanted->kind == CEL_S_TYPE) {
        return true;
    }
    bool ok = same_head(is, wanted);
    u->loose = u->loose || (ok && is->nullable);
    for (size_t i = 0; ok && i < is->count; i++) {
        ok = fits(u, is->parts[i], wanted->parts[i]);
    }
    return ok;
}

static bool fits(struct cel_unify *u, const struct cel_shape *is, const struct cel_shape *wanted)
{
    bool known;
    if (!enter(u)) {
        return false;
    }
    if (wanted->kind == CEL_S_VARIABLE) {
        if (may_be(u, wanted, is, &known)) {
            return leave(u, true);
        }
        if (known) {
            return leave(u, false);
        }
    }
    if (is->kind == CEL_S_VARIABLE) {
        const struct cel_shape *other =
            wanted->kind == CEL_S_NUMBER ? cel_shape_of(CEL_S_DYN) : wanted;
        const struct cel_shape *now = cel_unify_known(u, is);
        bool number = wanted->kind == CEL_S_NUMBER && now->kind != CEL_S_VARIABLE;
        return leave(u, number ? fits_known(u, now, wanted) : may_be(u, is, other, &known));
    }
    return leave(u, fits_known(u, is, wanted));
}

bool cel_unify_fits(struct cel_unify *u, const struct cel_shape *is, const struct cel_shape *wanted)
{
    size_t mark = cel_unify_mark(u);
    bool loose = u->loose;
    if (fits(u, is, wanted) && !u->spent) {
        return true;
    }
    cel_unify_undo(u, mark);
    u->loose = loose;
    return false;
}

const struct cel_shape *cel_unify_join(struct cel_unify *u, const struct cel_shape *a,
                                       const struct cel_shape *b)
{
    if (a == b) {
        return a;
    }
    if (!cel_unify_fits(u, a, b)) {
        return NULL;
    }
    return general(u, a, b) ? a : b;
}

const struct cel_shape *cel_unify_final(struct cel_unify *u, struct arena *arena,
                                        const struct cel_shape *shape)
{
    const struct cel_shape *known = cel_unify_known(u, shape);
    if (known->kind == CEL_S_VARIABLE || !enter(u)) {
        return cel_shape_of(CEL_S_DYN);
    }
    if (known->kind < CEL_S_LIST && !known->nullable) {
        u->depth--;
        return cel_shape_of(known->kind);
    }
    struct cel_shape *copy = ARENA_NEW(arena, struct cel_shape);
    *copy = *known;
    (void)spend(u, FINAL_STEPS);
    for (size_t i = 0; i < copy->count; i++) {
        copy->parts[i] = cel_unify_final(u, arena, known->parts[i]);
    }
    u->depth--;
    return copy;
}
