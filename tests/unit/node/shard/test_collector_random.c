/* Random owners and dependents, deleted in random ways while leaders move: what is left is what a
 * simple model says. CHOREO_SEED=N repeats a run (but for the machine's timing). */
#include "tests/unit/node/shard/collect_rig.h"

enum { OBJECTS_MAX = 90, REFS_MAX = 4, STEPS = 22, SPACES = 3, NAMES = 8 };

static const char *const spaces[SPACES] = {"", "acme", "birch"};

struct ref {
    int owner; /* index; -1: one whose kind nobody knows */
    bool blocks;
};

struct object {
    bool alive;
    int space;
    int name;
    struct ref refs[REFS_MAX];
    int ref_count;
};

struct world {
    struct rig r;
    struct object objects[OBJECTS_MAX];
    int count;
    uint64_t random;
};

static int below(struct world *w, int limit)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)((uint32_t)(w->random >> 33) % (uint32_t)limit);
}

/* ---- the model ---- */

enum verdict { SOLID, ABSENT, UNDECIDED };

static enum verdict judge(const struct world *w, const struct object *o, const struct ref *ref)
{
    if (ref->owner < 0) {
        return UNDECIDED;
    }
    const struct object *owner = &w->objects[ref->owner];
    if (owner->space != 0 && o->space == 0) {
        return UNDECIDED; /* not valid: left alone */
    }
    bool near = owner->space == 0 || owner->space == o->space;
    return near && owner->alive ? SOLID : ABSENT;
}

static bool decidable(const struct world *w, const struct object *o)
{
    bool all = true;
    for (int i = 0; i < o->ref_count; i++) {
        all = all && judge(w, o, &o->refs[i]) != UNDECIDED;
    }
    return all;
}

/* True if that changed anything. */
static bool collect(struct world *w, struct object *o)
{
    int solid = 0;
    if (!o->alive || o->ref_count == 0 || !decidable(w, o)) {
        return false;
    }
    for (int i = 0; i < o->ref_count; i++) {
        if (judge(w, o, &o->refs[i]) == SOLID) {
            o->refs[solid++] = o->refs[i];
        }
    }
    bool changed = solid < o->ref_count;
    o->alive = solid > 0;
    o->ref_count = solid;
    return changed;
}

static void settle(struct world *w)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (int i = 0; i < w->count; i++) {
            changed |= collect(w, &w->objects[i]);
        }
    }
}

static void orphan(struct world *w, int gone)
{
    for (int i = 0; i < w->count; i++) {
        struct object *o = &w->objects[i];
        int space = w->objects[gone].space;
        int kept = 0;
        for (int k = 0; k < o->ref_count; k++) {
            bool its = o->refs[k].owner == gone && (space == 0 || space == o->space);
            o->refs[kept] = o->refs[k];
            kept += its ? 0 : 1;
        }
        o->ref_count = kept;
    }
}

static int by_place(const void *a, const void *b)
{
    const struct object *x = *(const struct object *const *)a;
    const struct object *y = *(const struct object *const *)b;
    return x->space != y->space ? x->space - y->space : x->name - y->name;
}

static const char *model_text(struct world *w)
{
    const struct object *order[OBJECTS_MAX];
    size_t count = 0;
    struct buf text = {0};
    for (int i = 0; i < w->count; i++) {
        if (w->objects[i].alive) {
            order[count++] = &w->objects[i];
        }
    }
    qsort(order, count, sizeof(order[0]), by_place);
    for (size_t i = 0; i < count; i++) {
        const struct object *o = order[i];
        buf_addf(&text, "%s%s/o%d", i > 0 ? " " : "", spaces[o->space], o->name);
        for (int k = 0; k < o->ref_count; k++) {
            buf_addf(&text, "%su%d", k == 0 ? "<" : ",", o->refs[k].owner);
        }
    }
    const char *copy = arena_cstr(&w->r.arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

/* ---- steps ---- */

static const char *refs_json(struct world *w, const struct object *o)
{
    struct buf text = {0};
    buf_addf(&text, "'ownerReferences':[");
    for (int i = 0; i < o->ref_count; i++) {
        const struct ref *ref = &o->refs[i];
        struct arena *arena = &w->r.arena;
        const char *uid = arena_printf(arena, "u%d", ref->owner);
        const struct object *owner = ref->owner >= 0 ? &w->objects[ref->owner] : NULL;
        buf_addf(&text, "%s%s", i > 0 ? "," : "",
                 owner == NULL
                     ? "{'apiVersion':'none.dev/v1','kind':'None','name':'n','uid':'u-1'}"
                     : rig_ref(&w->r, spaces[owner->space], arena_printf(arena, "o%d", owner->name),
                               uid, ref->blocks));
    }
    buf_add_cstr(&text, "]");
    const char *copy = arena_cstr(&w->r.arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

static bool has_ref(const struct object *o, int owner)
{
    bool has = false;
    for (int i = 0; i < o->ref_count; i++) {
        has |= o->refs[i].owner == owner;
    }
    return has;
}

/* Whom nobody will ever collect must not block anybody: that would be for ever. */
static void mind_blocking(const struct world *w, struct object *o)
{
    for (int i = 0; i < o->ref_count && !decidable(w, o); i++) {
        o->refs[i].blocks = false;
    }
}

static void create(struct world *w)
{
    struct object *o = &w->objects[w->count];
    *o = (struct object){.space = below(w, SPACES), .name = below(w, NAMES)};
    for (int i = 0; i < w->count; i++) {
        const struct object *other = &w->objects[i];
        if (other->alive && other->space == o->space && other->name == o->name) {
            return; /* the name is taken */
        }
    }
    for (int wanted = below(w, REFS_MAX); wanted > 0 && w->count > 0; wanted--) {
        int owner = below(w, 12) == 0 ? -1 : below(w, w->count);
        if (!has_ref(o, owner)) {
            o->refs[o->ref_count++] = (struct ref){owner, below(w, 2) == 0};
        }
    }
    mind_blocking(w, o);
    const char *name = arena_printf(&w->r.arena, "o%d", o->name);
    const char *uid = arena_printf(&w->r.arena, "u%d", w->count);
    int rc = rig_create(&w->r, spaces[o->space], name, uid, refs_json(w, o));
    /* One of that name may still be on its way out: then nothing was made. */
    o->alive = rc == 0;
    w->count += rc == 0 ? 1 : 0;
    assert_true(rc == 0 || rc == ERR_EXISTS);
}

static int some_alive(struct world *w)
{
    int start = w->count > 0 ? below(w, w->count) : 0;
    for (int i = 0; i < w->count; i++) {
        int at = (start + i) % w->count;
        if (w->objects[at].alive) {
            return at;
        }
    }
    return -1;
}

static void remove_one(struct world *w, const char *policy)
{
    int at = some_alive(w);
    if (at < 0) {
        return;
    }
    struct object *o = &w->objects[at];
    int rc = rig_delete(&w->r, spaces[o->space], arena_printf(&w->r.arena, "o%d", o->name),
                        arena_printf(&w->r.arena,
                                     "{'propagationPolicy':'%s','preconditions':{'uid':'u%d'}}",
                                     policy, at));
    assert_true(rc == 0 || rc == ERR_NOT_FOUND); /* it may have been collected already */
    if (strcmp(policy, "Orphan") == 0) {
        orphan(w, at);
    }
    o->alive = false;
}

/* One more owner: a circle, perhaps. */
static void adopt(struct world *w)
{
    int at = some_alive(w);
    int owner = some_alive(w);
    if (at < 0 || owner < 0) {
        return;
    }
    struct object o = w->objects[at];
    if (o.ref_count == REFS_MAX || has_ref(&o, owner)) {
        return;
    }
    o.refs[o.ref_count++] = (struct ref){owner, below(w, 2) == 0};
    mind_blocking(w, &o);
    assert_int_equal(rig_patch(&w->r, spaces[o.space], arena_printf(&w->r.arena, "o%d", o.name),
                               arena_printf(&w->r.arena, "{'metadata':{%s}}", refs_json(w, &o))),
                     0);
    w->objects[at] = o;
}

static void move_a_leader(struct world *w)
{
    struct cluster *c = &w->r.c;
    uint32_t shard = (uint32_t)below(w, (int)c->shards);
    size_t leader = await_leader(c, shard);
    (void)transfer(c, leader, shard, (leader + 1 + (size_t)below(w, 2)) % c->count);
}

static void step(struct world *w)
{
    int pick = below(w, 10);
    if (pick == 0) {
        remove_one(w, "Orphan");
    } else if (pick <= 2) {
        adopt(w);
    } else {
        for (int more = 1 + below(w, 4); more > 0 && w->count < OBJECTS_MAX; more--) {
            if (below(w, 3) > 0) {
                create(w);
            } else {
                remove_one(w, below(w, 2) == 0 ? "Background" : "Foreground");
            }
        }
    }
    if (below(w, 4) == 0) {
        move_a_leader(w);
    }
    settle(w);
    rig_await(&w->r, model_text(w));
}

static void what_is_left_is_what_the_model_says(void **state)
{
    (void)state;
    struct world *w = mem_zero(sizeof(*w));
    const char *given = getenv("CHOREO_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : clock_mono_ns() % 1000000;
    (void)fprintf(stderr, "CHOREO_SEED=%llu\n", (unsigned long long)seed);
    w->random = seed;
    rig_begin(&w->r, 3, 4);
    make_organization(&w->r.c, 0, "acme");
    make_organization(&w->r.c, 0, "birch");
    for (int i = 0; i < STEPS; i++) {
        step(w);
    }
    uv_sleep(1500);
    assert_string_equal(rig_text(&w->r), model_text(w));
    rig_end(&w->r);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_what_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
