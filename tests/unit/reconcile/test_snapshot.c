/* The snapshot: lookups, indexes that follow changes, the system shard behind it, bounded trees. */
#include <stdio.h>

#include "tests/lib/test.h"

#include "proto/object.h"
#include "reconcile/snapshot.h"

struct fixture {
    struct snapshot system;
    struct snapshot shard;
    struct arena arena;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    snapshot_init(&f.system, NULL);
    snapshot_init(&f.shard, &f.system);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    snapshot_free(&f->shard);
    snapshot_free(&f->system);
    arena_free(&f->arena);
    return 0;
}

/* An object with this spec; takes it. */
static void put(struct snapshot *s, enum snapshot_kind kind, const char *ns, const char *name,
                uint64_t version, json_t *spec)
{
    struct buf body = {0};
    struct err err;
    uint32_t splice;
    char uid[64];
    json_t *o = object_new("choreo.dev/v1", snapshot_kind_name(kind), slice_of(ns), slice_of(name));
    snprintf(uid, sizeof(uid), "uid-%s-%u", name, (unsigned)version);
    json_object_set_new(json_object_get(o, "metadata"), "uid", json_string(uid));
    json_object_set_new(o, "spec", spec);
    assert_ok(object_canonical(o, &body, &splice, &err), &err);
    assert_ok(snapshot_put(s, kind, slice_of(ns), slice_of(name), buf_slice(&body), version, &err),
              &err);
    buf_free(&body);
    json_decref(o);
}

static size_t count(struct fixture *f, enum snapshot_kind kind, enum snapshot_index index,
                    const char *ns, const char *value)
{
    const struct snapshot_entry **found;
    return snapshot_list(&f->shard, kind, index, slice_of(ns), slice_of(value), &f->arena, &found);
}

static void test_objects_come_change_and_go(void **state)
{
    struct fixture *f = *state;
    put(&f->shard, SNAPSHOT_COMPONENT, "a", "web", 7, json_pack("{s:s}", "project", "shop"));
    const struct snapshot_entry *e =
        snapshot_find(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), SLICE("web"));
    assert_non_null(e);
    assert_slice(e->uid, "uid-web-7");
    assert_int_equal(object_version(snapshot_tree(&f->shard, e)), 7);
    assert_null(snapshot_find(&f->shard, SNAPSHOT_COMPONENT, SLICE("b"), SLICE("web")));
    put(&f->shard, SNAPSHOT_COMPONENT, "a", "web", 9, json_pack("{s:s}", "project", "other"));
    assert_int_equal(count(f, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, "a", "shop"), 0);
    assert_int_equal(count(f, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, "a", "other"), 1);
    snapshot_remove(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), SLICE("web"));
    assert_int_equal(count(f, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, "a", "other"), 0);
    assert_int_equal(f->shard.index.count, 0);
    assert_int_equal(f->shard.body_bytes, 0);
}

static void test_indexes_by_reference(void **state)
{
    struct fixture *f = *state;
    put(&f->shard, SNAPSHOT_COMPONENT, "a", "none", 1, json_object());
    put(&f->shard, SNAPSHOT_PROJECT, "a", "shop", 2,
        json_pack("{s:[{s:s}, {s:s}, {s:s}]}", "components", "name", "web", "name", "api", "name",
                  "web"));
    put(&f->shard, SNAPSHOT_RENDERED, "a", "r", 3,
        json_pack("{s:{s:s, s:s}, s:s, s:s, s:s, s:s}", "owner", "projectName", "shop",
                  "componentName", "web", "environmentName", "dev", "dataPlane", "p", "cluster",
                  "c", "bindingName", "b"));
    put(&f->shard, SNAPSHOT_PIPELINE, "a", "pipe", 4,
        json_pack("{s:[{s:{s:s}, s:[{s:s}]}]}", "promotionPaths", "sourceEnvironmentRef", "name",
                  "dev", "targetEnvironmentRefs", "name", "prod"));
    put(&f->shard, SNAPSHOT_ENVIRONMENT, "a", "dev", 5, json_pack("{s:s}", "template", "team"));
    put(&f->shard, SNAPSHOT_ENVIRONMENT, "b", "dev", 6,
        json_pack("{s:s, s:{s:[{s:s}]}}", "template", "team", "overrides", "components", "name",
                  "web"));
    put(&f->shard, SNAPSHOT_RELEASE_SET, "a", "friday", 7,
        json_pack("{s:s, s:s}", "project", "shop", "environment", "prod"));
    assert_int_equal(count(f, SNAPSHOT_ENVIRONMENT, SNAPSHOT_BY_TEMPLATE, "", "team"), 2);
    assert_int_equal(count(f, SNAPSHOT_ENVIRONMENT, SNAPSHOT_BY_COMPONENT, "b", "web"), 1);
    assert_int_equal(count(f, SNAPSHOT_RELEASE_SET, SNAPSHOT_BY_CELL, "a", "shop/prod"), 1);
    assert_int_equal(count(f, SNAPSHOT_RELEASE_SET, SNAPSHOT_BY_PROJECT, "a", "shop"), 1);
    assert_int_equal(count(f, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, "a", "-"), 1);
    assert_int_equal(count(f, SNAPSHOT_PROJECT, SNAPSHOT_BY_LISTED, "a", "web"), 1);
    assert_int_equal(count(f, SNAPSHOT_PROJECT, SNAPSHOT_BY_LISTED, "b", "web"), 0);
    assert_int_equal(count(f, SNAPSHOT_RENDERED, SNAPSHOT_BY_CELL, "a", "shop/dev"), 0);
    assert_int_equal(count(f, SNAPSHOT_RENDERED, SNAPSHOT_BY_MEMBER, "a", "shop/dev/p/c"), 1);
    assert_int_equal(count(f, SNAPSHOT_RENDERED, SNAPSHOT_BY_CLUSTER, "", "p/c"), 1);
    assert_int_equal(count(f, SNAPSHOT_RENDERED, SNAPSHOT_BY_BINDING, "a", "b"), 1);
    assert_int_equal(count(f, SNAPSHOT_RENDERED, SNAPSHOT_BY_PLANE, "", "p"), 1);
    assert_int_equal(count(f, SNAPSHOT_PIPELINE, SNAPSHOT_BY_ENVIRONMENT, "a", "prod"), 1);
    assert_int_equal(count(f, SNAPSHOT_PIPELINE, SNAPSHOT_BY_NS, "a", "a"), 1);
}

static void test_lists_are_in_order_of_name(void **state)
{
    struct fixture *f = *state;
    const struct snapshot_entry **found;
    put(&f->shard, SNAPSHOT_COMPONENT, "a", "c", 1, json_pack("{s:s}", "project", "p"));
    put(&f->shard, SNAPSHOT_COMPONENT, "a", "a", 2, json_pack("{s:s}", "project", "p"));
    put(&f->shard, SNAPSHOT_COMPONENT, "a", "b", 3, json_pack("{s:s}", "project", "p"));
    assert_int_equal(snapshot_list(&f->shard, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, SLICE("a"),
                                   SLICE("p"), &f->arena, &found),
                     3);
    assert_slice(found[0]->name, "a");
    assert_slice(found[2]->name, "c");
}

static void test_the_system_shard_is_behind_it(void **state)
{
    struct fixture *f = *state;
    put(&f->system, SNAPSHOT_DATAPLANE, "", "p", 1, json_object());
    put(&f->system, SNAPSHOT_SECRET, "choreo-system", "s", 2, json_object());
    put(&f->shard, SNAPSHOT_SECRET, "a", "t", 3, json_object());
    assert_non_null(snapshot_get(&f->shard, SNAPSHOT_DATAPLANE, (struct slice){0}, SLICE("p")));
    assert_non_null(snapshot_get(&f->shard, SNAPSHOT_SECRET, SLICE("choreo-system"), SLICE("s")));
    assert_non_null(snapshot_get(&f->shard, SNAPSHOT_SECRET, SLICE("a"), SLICE("t")));
    assert_null(snapshot_get(&f->system, SNAPSHOT_SECRET, SLICE("a"), SLICE("t")));
}

static void test_damaged_bodies_are_refused(void **state)
{
    struct fixture *f = *state;
    struct err err;
    put(&f->shard, SNAPSHOT_COMPONENT, "a", "web", 1, json_object());
    int rc = snapshot_put(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), SLICE("web"),
                          SLICE("{\"metadata\":{}}"), 2, &err);
    assert_err(rc, &err, ERR_CORRUPT, "no metadata.uid");
    assert_int_equal(
        snapshot_find(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), SLICE("web"))->version, 1);
}

static void test_trees_are_bounded(void **state)
{
    struct fixture *f = *state;
    char name[32];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        put(&f->shard, SNAPSHOT_COMPONENT, "a", name, i + 1, json_object());
        assert_non_null(snapshot_get(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), slice_of(name)));
    }
    assert_int_equal(f->shard.tree_bytes, f->shard.body_bytes);
    size_t half = f->shard.body_bytes / 2;
    snapshot_trim(&f->shard, half);
    assert_in_range(f->shard.tree_bytes, half - 1000, half);
    /* The newest stay, the oldest are parsed again on demand. */
    assert_non_null(snapshot_find(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), slice_of(name))->tree);
    assert_null(snapshot_find(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), SLICE("c0"))->tree);
    assert_non_null(snapshot_get(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), SLICE("c0")));
}

/* What a plan that looks at these things would read. */
static void read_some(struct fixture *f)
{
    snapshot_find(&f->shard, SNAPSHOT_PROJECT, SLICE("a"), SLICE("shop"));
    snapshot_find(&f->shard, SNAPSHOT_DATAPLANE, (struct slice){0}, SLICE("p"));
    count(f, SNAPSHOT_BINDING, SNAPSHOT_BY_COMPONENT, "a", "web");
}

static const struct snapshot_entry *traced(struct fixture *f)
{
    const struct snapshot_entry *e =
        snapshot_find(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), SLICE("web"));
    snapshot_trace_begin(&f->shard);
    read_some(f);
    snapshot_trace_end(&f->shard, e, true);
    assert_true(snapshot_unchanged(&f->shard, e));
    return e;
}

static void test_what_a_plan_has_read_is_known(void **state)
{
    struct fixture *f = *state;
    put(&f->shard, SNAPSHOT_COMPONENT, "a", "web", 1, json_object());
    const struct snapshot_entry *e =
        snapshot_find(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), SLICE("web"));
    assert_false(snapshot_unchanged(&f->shard, e)); /* never planned */
    e = traced(f);
    put(&f->shard, SNAPSHOT_PIPELINE, "a", "other", 2, json_object());
    assert_true(snapshot_unchanged(&f->shard, e));
    /* One that was looked for and absent comes; a list grows; the system shard's changes. */
    put(&f->shard, SNAPSHOT_PROJECT, "a", "shop", 3, json_object());
    assert_false(snapshot_unchanged(&f->shard, e));
    e = traced(f);
    put(&f->shard, SNAPSHOT_BINDING, "a", "b", 4,
        json_pack("{s:{s:s}}", "owner", "componentName", "web"));
    assert_false(snapshot_unchanged(&f->shard, e));
    e = traced(f);
    snapshot_remove(&f->shard, SNAPSHOT_BINDING, SLICE("a"), SLICE("b"));
    assert_false(snapshot_unchanged(&f->shard, e));
    e = traced(f);
    put(&f->system, SNAPSHOT_DATAPLANE, "", "p", 5, json_object());
    assert_false(snapshot_unchanged(&f->shard, e));
    e = traced(f);
    snapshot_forget(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), SLICE("web"));
    assert_false(snapshot_unchanged(&f->shard, e));
    /* A plan that came to something is not remembered. */
    snapshot_trace_begin(&f->shard);
    snapshot_trace_end(&f->shard, e, false);
    assert_false(snapshot_unchanged(&f->shard, e));
}

/* An object with this generation of its spec, of one uid always. */
static void put_generation(struct snapshot *s, enum snapshot_kind kind, const char *name,
                           uint64_t version, int generation)
{
    struct buf body = {0};
    struct err err;
    buf_addf(&body, "{\"metadata\":{\"generation\":%d,\"uid\":\"%s\"},\"status\":{\"v\":%d}}",
             generation, name, (int)version);
    struct slice ns = snapshot_cluster_scoped(kind) ? (struct slice){0} : SLICE("a");
    assert_ok(snapshot_put(s, kind, ns, slice_of(name), buf_slice(&body), version, &err), &err);
    buf_free(&body);
}

static const struct snapshot_entry *component_web(struct fixture *f)
{
    return snapshot_find(&f->shard, SNAPSHOT_COMPONENT, SLICE("a"), SLICE("web"));
}

/* Computes the component's text from a project, an environment's spec and a type's. */
static const struct snapshot_entry *compute(struct fixture *f)
{
    const struct snapshot_entry *e = component_web(f);
    assert_int_equal(snapshot_computed(&f->shard, e).len, 0);
    snapshot_compute_begin(&f->shard, e);
    snapshot_find(&f->shard, SNAPSHOT_PROJECT, SLICE("a"), SLICE("shop"));
    snapshot_find_spec(&f->shard, SNAPSHOT_ENVIRONMENT, SLICE("a"), SLICE("dev"));
    snapshot_find_spec(&f->shard, SNAPSHOT_CLUSTER_TYPE, (struct slice){0}, SLICE("service"));
    snapshot_compute_end(&f->shard, e, SLICE("text"));
    assert_slice(snapshot_computed(&f->shard, e), "text");
    return e;
}

static void test_what_was_computed_holds_while_its_specs_do(void **state)
{
    struct fixture *f = *state;
    put_generation(&f->shard, SNAPSHOT_COMPONENT, "web", 1, 1);
    put_generation(&f->shard, SNAPSHOT_PROJECT, "shop", 2, 1);
    put_generation(&f->shard, SNAPSHOT_ENVIRONMENT, "dev", 3, 1);
    put_generation(&f->system, SNAPSHOT_CLUSTER_TYPE, "service", 4, 1);
    compute(f);
    /* Statuses, its own too. */
    put_generation(&f->shard, SNAPSHOT_COMPONENT, "web", 5, 1);
    put_generation(&f->shard, SNAPSHOT_ENVIRONMENT, "dev", 6, 1);
    put_generation(&f->system, SNAPSHOT_CLUSTER_TYPE, "service", 7, 1);
    assert_slice(snapshot_computed(&f->shard, component_web(f)), "text");
    /* What was read whole; specs, near and far; its own. */
    put_generation(&f->shard, SNAPSHOT_PROJECT, "shop", 8, 1);
    compute(f);
    put_generation(&f->shard, SNAPSHOT_ENVIRONMENT, "dev", 9, 2);
    compute(f);
    put_generation(&f->system, SNAPSHOT_CLUSTER_TYPE, "service", 10, 2);
    compute(f);
    put_generation(&f->shard, SNAPSHOT_COMPONENT, "web", 11, 2);
    compute(f);
    /* One that goes, comes back, or is another of the same name. */
    snapshot_remove(&f->shard, SNAPSHOT_ENVIRONMENT, SLICE("a"), SLICE("dev"));
    compute(f);
    put_generation(&f->shard, SNAPSHOT_ENVIRONMENT, "dev", 12, 2);
    compute(f);
    put(&f->shard, SNAPSHOT_COMPONENT, "a", "web", 13, json_object());
    const struct snapshot_entry *e = compute(f);
    snapshot_compute_begin(&f->shard, e);
    snapshot_compute_end(&f->shard, e, SLICE(""));
    assert_int_equal(snapshot_computed(&f->shard, e).len, 0);
}

/* Computed or remembered, a plan has read what the text is made of. */
static void test_a_plan_reads_what_it_remembers(void **state)
{
    struct fixture *f = *state;
    put_generation(&f->shard, SNAPSHOT_COMPONENT, "web", 1, 1);
    put_generation(&f->shard, SNAPSHOT_ENVIRONMENT, "dev", 2, 1);
    for (int round = 1; round <= 2; round++) {
        snapshot_trace_begin(&f->shard);
        const struct snapshot_entry *e = round == 1 ? compute(f) : component_web(f);
        assert_slice(snapshot_computed(&f->shard, e), "text");
        snapshot_trace_end(&f->shard, e, true);
        put_generation(&f->shard, SNAPSHOT_ENVIRONMENT, "dev", 2 * (uint64_t)round + 1, round);
        assert_true(snapshot_unchanged(&f->shard, e));
        put_generation(&f->shard, SNAPSHOT_ENVIRONMENT, "dev", 2 * (uint64_t)round + 2, round + 1);
        assert_false(snapshot_unchanged(&f->shard, e));
        if (round == 1) {
            compute(f);
        }
    }
}

static json_t *release_spec(void)
{
    json_t *resources = json_array();
    for (int i = 0; i < 50; i++) {
        json_array_append_new(resources, json_pack("{s:s, s:i}", "id", "deployment", "number", i));
    }
    return json_pack("{s:{s:s, s:s}, s:{s:s, s:{s:o}}, s:{s:s}}", "owner", "projectName", "shop",
                     "componentName", "web", "componentType", "name", "service", "spec",
                     "resources", resources, "workload", "zz", "after the type");
}

static void test_frozen_types_are_kept_once(void **state)
{
    struct fixture *f = *state;
    struct buf body = {0};
    struct buf expected = {0};
    struct err err;
    put(&f->shard, SNAPSHOT_RELEASE, "a", "r1", 1, release_spec());
    put(&f->shard, SNAPSHOT_RELEASE, "a", "r2", 2, release_spec());
    const struct snapshot_entry *r1 =
        snapshot_find(&f->shard, SNAPSHOT_RELEASE, SLICE("a"), SLICE("r1"));
    const struct snapshot_entry *r2 =
        snapshot_find(&f->shard, SNAPSHOT_RELEASE, SLICE("a"), SLICE("r2"));
    assert_int_equal(f->shard.shared.count, 1);
    assert_true(f->shard.body_bytes < 1000);
    const json_t *one =
        json_at(snapshot_tree(&f->shard, r1), "spec", "componentType", "spec", NULL);
    const json_t *two =
        json_at(snapshot_tree(&f->shard, r2), "spec", "componentType", "spec", NULL);
    assert_ptr_equal(one, two);
    json_t *spec = release_spec();
    assert_true(json_equal(json_at(snapshot_tree(&f->shard, r1), "spec", NULL), spec));
    /* Whole again, byte by byte. */
    json_canonical(spec, &expected);
    assert_ok(snapshot_body(&f->shard, r1, &body, &err), &err);
    assert_true(slice_find(buf_slice(&body), buf_slice(&expected)) != SIZE_MAX);
    json_decref(spec);
    snapshot_remove(&f->shard, SNAPSHOT_RELEASE, SLICE("a"), SLICE("r1"));
    assert_int_equal(f->shard.shared.count, 1);
    snapshot_remove(&f->shard, SNAPSHOT_RELEASE, SLICE("a"), SLICE("r2"));
    assert_int_equal(f->shard.shared.count, 0);
    buf_free(&body);
    buf_free(&expected);
}

static int read_secret(void *user, enum snapshot_kind kind, struct slice ns, struct slice name,
                       struct buf *out, struct err *err)
{
    const char *const *body = user;
    assert_int_equal(kind, SNAPSHOT_SECRET);
    assert_true(slice_eq_cstr(ns, "a") && slice_eq_cstr(name, "hidden"));
    if (*body == NULL) {
        return err_set(err, ERR_NOT_FOUND, "it is gone");
    }
    buf_add_cstr(out, *body);
    return 0;
}

static void test_secrets_are_read_when_needed_and_not_kept(void **state)
{
    struct fixture *f = *state;
    struct buf body = {0};
    struct err err;
    const char *stored = "{\"data\":{\"k\":\"dg==\"},\"metadata\":{\"uid\":\"u\"}}";
    f->shard.source = (struct snapshot_source){.user = &stored, .read = read_secret};
    assert_ok(snapshot_put(&f->shard, SNAPSHOT_SECRET, SLICE("a"), SLICE("hidden"),
                           slice_of(stored), 5, &err),
              &err);
    const struct snapshot_entry *e =
        snapshot_find(&f->shard, SNAPSHOT_SECRET, SLICE("a"), SLICE("hidden"));
    assert_slice(e->uid, "u");
    assert_slice(e->body, "{}");
    const json_t *tree = snapshot_tree(&f->shard, e);
    assert_slice(json_text(json_at(tree, "data", "k", NULL)), "dg==");
    assert_ptr_equal(snapshot_tree(&f->shard, e), tree);
    assert_ok(snapshot_body(&f->shard, e, &body, &err), &err);
    assert_slice(buf_slice(&body), stored);
    snapshot_trim(&f->shard, SNAPSHOT_TREES_MAX_BYTES);
    assert_null(e->tree);
    stored = NULL; /* its removal is on its way */
    assert_null(snapshot_tree(&f->shard, e));
    assert_int_equal(snapshot_body(&f->shard, e, &body, &err), ERR_NOT_FOUND);
    assert_int_equal(f->shard.tree_bytes, 0);
    buf_free(&body);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_objects_come_change_and_go),
        TEST(test_indexes_by_reference),
        TEST(test_lists_are_in_order_of_name),
        TEST(test_the_system_shard_is_behind_it),
        TEST(test_damaged_bodies_are_refused),
        TEST(test_trees_are_bounded),
        TEST(test_what_a_plan_has_read_is_known),
        TEST(test_what_was_computed_holds_while_its_specs_do),
        TEST(test_a_plan_reads_what_it_remembers),
        TEST(test_frozen_types_are_kept_once),
        TEST(test_secrets_are_read_when_needed_and_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
