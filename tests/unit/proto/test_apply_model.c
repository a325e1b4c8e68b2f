/* Random histories of one object, written through admit() and held against the model: after every
 * write the object, each manager's fields, the conflicts, and whether anything changed at all must
 * be what the model says. A failing history is repeated with CHOREO_SEED=N. */
#include "tests/unit/proto/apply_model.h"
#include "tests/unit/proto/fixture.h"
#include "tests/unit/proto/random.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proto/schema_build.h"

enum { STEPS = 25, MANAGERS = 3, BUDGET_MS = 4000, ROUNDS_MIN = 60 };

static const char *const managers[MANAGERS] = {"a", "b", "c"};

struct history {
    struct fixture *f;
    struct kind kind;
    struct random random;
    uint64_t seed;
    struct model model;
    struct buf log; /* what was done so far */
};

/* ---- saying what went wrong ---- */

static void print_set(const char *title, uint64_t set)
{
    print_error("  %s:", title);
    for (int i = 0; i < model_field_count(); i++) {
        char path[128];
        if (set >> i & 1) {
            model_path(i, path, sizeof(path));
            print_error(" %s", path);
        }
    }
    print_error("\n");
}

static void complain(struct history *h, const char *what)
{
    print_error("CHOREO_SEED=%llu: %s, after\n", (unsigned long long)h->seed, what);
    struct slice log = buf_slice(&h->log);
    for (struct slice line; log.len > 0;) { /* a line a time: cmocka cuts long texts */
        size_t end = slice_find(log, SLICE("\n"));
        line = slice_sub(log, 0, end);
        log = end == SIZE_MAX ? SLICE("") : slice_sub(log, end + 1, SIZE_MAX);
        print_error("%.*s\n", SLICE_ARG(line));
    }
}

/* ---- checking ---- */

static json_t *stored(struct history *h)
{
    json_t *object = NULL;
    assert_ok(object_parse(h->f->old.body, 0, &object, &h->f->err), &h->f->err);
    arena_own(&h->f->arena, object, (void (*)(void *))json_decref);
    return object;
}

static struct model_owner *owner_of(struct history *h, const json_t *entry)
{
    struct slice manager = json_text_at(entry, "manager");
    bool update = slice_eq_cstr(json_text_at(entry, "operation"), "Update");
    bool status = slice_eq_cstr(json_text_at(entry, "subresource"), "status");
    for (int i = 0; i < h->model.owner_count; i++) {
        struct model_owner *o = &h->model.owners[i];
        if (slice_eq_cstr(manager, o->manager) && update == o->update &&
            status == (o->scope == MODEL_STATUS)) {
            return o;
        }
    }
    return NULL;
}

static bool in_order(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"operation", "time", "manager", "subresource"};
    int order = 0;
    for (size_t i = 0; order == 0 && i < 4; i++) {
        order = slice_cmp(json_text_at(a, keys[i]), json_text_at(b, keys[i]));
    }
    return order < 0;
}

/* managedFields say what the model does, each entry once, none of them empty, in order. */
static void check_owners(struct history *h, const json_t *object)
{
    const json_t *list = json_at(object, "metadata", "managedFields", NULL);
    size_t expected = 0;
    for (int i = 0; i < h->model.owner_count; i++) {
        expected += h->model.owners[i].set != 0;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct model_owner *o = owner_of(h, entry);
        uint64_t set = 0;
        bool read = model_read_set(json_object_get(entry, "fieldsV1"), &set);
        bool sorted = i == 0 || in_order(json_array_get(list, i - 1), entry);
        if (!read || !sorted || o == NULL || o->set != set) {
            complain(h, read && sorted ? "another owner or other fields" : "malformed");
            print_error("  %s\n  in %s\n", text_of(h->f, entry), text_of(h->f, list));
            print_set("has", set);
            print_set("should have", o != NULL ? o->set : 0);
        }
        assert_true(read && sorted && o != NULL && o->set == set && set != 0);
        assert_int_equal(set & ~h->model.state.present, 0); /* nobody owns what is not there */
        assert_true(slice_eq_cstr(json_text_at(entry, "apiVersion"), "example.com/v1"));
        assert_true(slice_eq_cstr(json_text_at(entry, "fieldsType"), "FieldsV1"));
    }
    if (json_array_size(list) != expected) {
        complain(h, "an owner is missing");
        print_error("  %s\n", text_of(h->f, list));
    }
    assert_int_equal(json_array_size(list), expected);
}

static void check_object(struct history *h)
{
    struct model_state state;
    const json_t *object = stored(h);
    bool read = model_read(object, &state);
    bool same = state.present == h->model.state.present;
    for (int i = 0; i < model_field_count(); i++) {
        bool leaf = state.present >> i & 1 && model_varies(i);
        same = same && (!leaf || state.value[i] == h->model.state.value[i]);
    }
    if (!read || !same) {
        complain(h, "another object");
        print_error("  %s\n", text_of(h->f, object));
        print_set("has", state.present);
        print_set("should have", h->model.state.present);
    }
    assert_true(read && same);
    check_owners(h, object);
}

static void check_conflicts(struct history *h, const struct model_owner *conflicts, int count)
{
    size_t expected = 0;
    for (int i = 0; i < count; i++) {
        const struct model_owner *o = &conflicts[i];
        char message[128];
        (void)snprintf(message, sizeof(message), "conflict with \"%s\"%s using example.com/v1",
                       o->manager, o->scope == MODEL_STATUS ? " with subresource \"status\"" : "");
        for (int n = 0; n < model_field_count(); n++) {
            char path[128];
            model_path(n, path, sizeof(path));
            if (o->set >> n & 1) {
                expected++;
                if (!has_cause(&h->f->result.causes, path, message)) {
                    complain(h, "a conflict is missing");
                    print_error("  %s: %s\n", path, message);
                }
                assert_true(has_cause(&h->f->result.causes, path, message));
            }
        }
    }
    if (h->f->result.causes.count != expected) {
        complain(h, "more conflicts than there are");
        print_error("  %s\n", h->f->err.message);
    }
    assert_int_equal(h->f->result.causes.count, expected);
}

/* ---- writing ---- */

static struct admit_request request(struct history *h, enum admit_op op, enum model_scope scope,
                                    const char *manager, const json_t *incoming)
{
    struct admit_request r = {
        .arena = &h->f->arena,
        .kind = &h->kind,
        .op = op,
        .sub = scope == MODEL_STATUS ? ADMIT_STATUS : ADMIT_MAIN,
        .ns = SLICE("acme"),
        .name = op == ADMIT_CREATE ? SLICE("") : SLICE("x"),
        .old = h->f->stored ? &h->f->old : NULL,
        .incoming = incoming,
        .field_manager = slice_of(manager),
        .now_ms = h->f->now_ms,
        .uid = "11111111-2222-4333-8444-555555555555",
        .suffix = "bcdfg",
    };
    return r;
}

static void note(struct history *h, const char *what, const char *manager, const json_t *body)
{
    buf_addf(&h->log, "  %s by %s: %s\n", what, manager, text_of(h->f, body));
}

/* The same once more, an hour later: nothing to do. */
static void check_idempotent(struct history *h, struct admit_request *r)
{
    r->old = &h->f->old;
    r->now_ms += 3600000;
    assert_ok(admit(r, &h->f->result, &h->f->err), &h->f->err);
    if (h->f->result.changed) {
        complain(h, "the same again changes something");
        print_error("  %.*s\n  %.*s\n", SLICE_ARG(h->f->old.body), SLICE_ARG(h->f->result.body));
    }
    assert_false(h->f->result.changed);
}

static bool same_books(const struct model *a, const struct model *b)
{
    bool same = a->exists == b->exists && a->state.present == b->state.present;
    for (int i = 0; i < model_field_count(); i++) {
        bool leaf = a->state.present >> i & 1 && model_varies(i);
        same = same && (!leaf || a->state.value[i] == b->state.value[i]);
    }
    for (int i = 0; i < b->owner_count; i++) {
        same = same && (i < a->owner_count ? a->owners[i].set : 0) == b->owners[i].set;
    }
    return same;
}

/* The write was made: it changed the object if it changed the model. */
static void check_written(struct history *h, const struct model *before, bool changed)
{
    bool differs = !same_books(before, &h->model);
    if (changed != differs) {
        complain(h, changed ? "a write that should change nothing did" : "a change was lost");
    }
    assert_int_equal(changed, differs);
    check_object(h);
}

static struct model_state random_state(struct history *h, enum model_scope scope)
{
    struct model_state s = {0};
    uint32_t one_of = 2 + random_below(&h->random, 5);
    for (int i = 0; i < model_field_count(); i++) {
        s.present |= random_below(&h->random, one_of) == 0 ? (uint64_t)1 << i : 0;
        s.value[i] = (uint8_t)random_below(&h->random, MODEL_VALUES);
    }
    s.present = model_closed(s.present & model_scope_mask(scope));
    return s;
}

static void apply_step(struct history *h, const char *manager, enum model_scope scope)
{
    struct model before = h->model;
    struct model_state intent = random_state(h, scope);
    bool force = random_below(&h->random, 2);
    json_t *body = model_render(&intent);
    struct admit_request r = request(h, ADMIT_APPLY, scope, manager, body);
    r.force = force;
    note(h,
         scope == MODEL_STATUS ? "apply status"
         : force               ? "apply --force"
                               : "apply",
         manager, body);
    struct model_owner conflicts[MODEL_OWNERS_MAX];
    int count = model_apply(&h->model, manager, scope, force, &intent, conflicts);
    int rc = write_request(h->f, &r);
    if (rc != (count > 0 ? ERR_CONFLICT : 0)) {
        complain(h, count > 0 ? "a conflict was expected" : "no error was expected");
        print_error("  %s\n", rc != 0 ? h->f->err.message : "");
    }
    assert_int_equal(rc, count > 0 ? ERR_CONFLICT : 0);
    if (count > 0) {
        check_conflicts(h, conflicts, count);
    } else {
        check_written(h, &before, h->f->result.changed);
        check_idempotent(h, &r);
    }
    json_decref(body);
}

/* The object with some of a scope's fields gone, set or set to other values. */
static struct model_state edited(struct history *h, enum model_scope scope)
{
    struct model_state s = h->model.state;
    uint64_t mask = model_scope_mask(scope);
    for (uint32_t i = random_below(&h->random, 6); i > 0; i--) {
        int field = (int)random_below(&h->random, (uint32_t)model_field_count());
        if (!(mask >> field & 1)) {
            continue;
        }
        if (random_below(&h->random, 3) == 0) {
            s.present &= ~model_below(field);
        } else {
            s.present |= (uint64_t)1 << field;
            s.value[field] = (uint8_t)random_below(&h->random, MODEL_VALUES);
        }
    }
    uint64_t rest = s.present & ~mask;
    s.present = rest | (model_closed(s.present & mask) & mask);
    return s;
}

/* Items, of which lists have two at most, in the order in which the object has them: another order
 * is another object, though nobody else's. */
static void keep_order(json_t *body, const json_t *object)
{
    static const char *const lists[][2] = {{"ml", "name"}, {"set", ""}, {"ports", "port"}};
    for (int i = 0; i < 3; i++) {
        json_t *list = json_at(body, "spec", lists[i][0], NULL);
        const json_t *first = json_array_get(json_at(object, "spec", lists[i][0], NULL), 0);
        const json_t *last = json_array_get(list, 1);
        const json_t *key = json_object_get(first, lists[i][1]);
        bool turned = first != NULL && last != NULL &&
                      (key != NULL ? json_equal(key, json_object_get(last, lists[i][1]))
                                   : json_equal(first, last));
        if (turned) {
            json_array_insert_new(list, 0, json_incref(json_array_get(list, 1)));
            json_array_remove(list, 2);
        }
    }
}

/* A JSON patch that makes the object's spec, metadata or status what they are in body. */
static json_t *replacing(const json_t *object, const json_t *body, enum model_scope scope)
{
    static const char *const parts[] = {"/spec", "/metadata/labels", "/metadata/finalizers",
                                        "/status"};
    json_t *patch = json_array();
    for (int i = scope == MODEL_STATUS ? 3 : 0; i < (scope == MODEL_STATUS ? 4 : 3); i++) {
        const char *name = strrchr(parts[i], '/') + 1;
        bool meta = strchr(parts[i] + 1, '/') != NULL;
        json_t *now = meta ? json_at(body, "metadata", name, NULL) : json_object_get(body, name);
        json_t *was =
            meta ? json_at(object, "metadata", name, NULL) : json_object_get(object, name);
        if (now != NULL) {
            json_array_append_new(
                patch, json_pack("{s:s,s:s,s:O}", "op", "add", "path", parts[i], "value", now));
        } else if (was != NULL) {
            json_array_append_new(patch, json_pack("{s:s,s:s}", "op", "remove", "path", parts[i]));
        }
    }
    return patch;
}

static void update_step(struct history *h, const char *manager, enum model_scope scope)
{
    struct model before = h->model;
    struct model_state after = edited(h, scope);
    json_t *body = model_render(&after);
    if (h->f->stored) {
        keep_order(body, stored(h));
    }
    bool patch = h->f->stored && random_below(&h->random, 2);
    enum admit_op op = !h->f->stored ? ADMIT_CREATE : patch ? ADMIT_PATCH_JSON : ADMIT_UPDATE;
    if (patch) {
        json_t *ops = replacing(stored(h), body, scope);
        json_decref(body);
        body = ops;
    }
    struct admit_request r = request(h, op, scope, manager, body);
    note(h, scope == MODEL_STATUS ? "update status" : patch ? "patch" : "update", manager, body);
    model_update(&h->model, manager, scope, &after);
    assert_ok(write_request(h->f, &r), &h->f->err);
    check_written(h, &before, h->f->result.changed);
    json_decref(body);
}

static void step(struct history *h)
{
    const char *manager = managers[random_below(&h->random, MANAGERS)];
    bool status = h->f->stored && random_below(&h->random, 4) == 0;
    h->f->now_ms += 1000 * random_below(&h->random, 3);
    if (h->f->stored && random_below(&h->random, 20) == 0) {
        buf_addf(&h->log, "  deleted\n");
        h->f->stored = false;
        h->model = (struct model){0};
    } else if (random_below(&h->random, 2)) {
        apply_step(h, manager, status ? MODEL_STATUS : MODEL_MAIN);
    } else {
        update_step(h, manager, status ? MODEL_STATUS : MODEL_MAIN);
    }
}

static void live(struct fixture *f, uint64_t seed)
{
    struct history h = {.f = f, .seed = seed, .random = {seed * 0x9e3779b97f4a7c15u}};
    h.kind = (struct kind){
        .group = SLICE("example.com"),
        .version = SLICE("v1"),
        .kind = SLICE("Thing"),
        .api_version = SLICE("example.com/v1"),
        .plural = SLICE("things"),
        .resource = SLICE("things.example.com"),
        .namespaced = true,
        .status = true,
        .generation = true,
        .schema = schema_build(&f->arena, tree(f, model_schema), NULL),
    };
    f->stored = false;
    for (int i = 0; i < STEPS; i++) {
        step(&h);
    }
    buf_free(&h.log);
    arena_free(&f->arena);
}

static void every_history_goes_as_the_model_says(void **state)
{
    struct fixture *f = *state;
    const char *given = getenv("CHOREO_SEED");
    if (given != NULL) {
        live(f, strtoull(given, NULL, 10));
        return;
    }
    uint64_t began = clock_mono_ns();
    uint64_t first = began / 1000000;
    uint64_t rounds = 0;
    while (rounds < ROUNDS_MIN || clock_mono_ns() - began < BUDGET_MS * UINT64_C(1000000)) {
        live(f, rounds < ROUNDS_MIN ? rounds + 1 : first + rounds);
        rounds++;
    }
    print_message("%llu histories, seeds 1 to %d and from %llu on\n", (unsigned long long)rounds,
                  ROUNDS_MIN, (unsigned long long)first + ROUNDS_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_history_goes_as_the_model_says, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
