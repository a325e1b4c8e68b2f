/* The feed over a shard's real database: scans, changes, and what was compacted away. */
#include "tests/unit/store/fixture.h"

#include "reconcile/engine_internal.h"

struct feeding {
    struct fixture *f;
    struct engine_config config;
    struct feed feed;
    struct buf told; /* "+a/x" for an object, "-a/x" for a deletion */
};

static const char *path_of(void *user, uint32_t shard)
{
    struct feeding *t = user;
    (void)shard;
    return t->f->path;
}

static int setup(void **state)
{
    struct feeding *t = mem_zero(sizeof *t);
    t->f = fixture_new();
    make_namespace(t->f, "a", NAMESPACE_ACTIVE);
    t->config = (struct engine_config){.user = t, .database = path_of};
    feed_store_init(&t->feed, &t->config);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct feeding *t = *state;
    feed_store_free(&t->feed);
    fixture_free(t->f);
    buf_free(&t->told);
    free(t);
    return 0;
}

static uint64_t put(struct feeding *t, const char *resource, enum backend_verb verb,
                    const char *name)
{
    struct command c = write_of(t->f, verb, "a", name, "u1");
    c.write.key.resource = slice_of(resource);
    struct outcome o = apply_1(t->f, c);
    assert_int_equal(o.kind, OUTCOME_DONE);
    return o.version;
}

static void on_row(void *arg, const struct feed_row *row)
{
    struct feeding *t = arg;
    buf_addf(&t->told, "%s%c%.*s/%.*s", t->told.len > 0 ? " " : "", row->deleted ? '-' : '+',
             SLICE_ARG(row->ns), SLICE_ARG(row->name));
    assert_true(row->version > 0 && row->body.len > 0);
}

static const char *changes(struct feeding *t, uint64_t since, uint64_t to)
{
    buf_clear(&t->told);
    int rc = t->feed.changes(t->feed.user, SHARD, since, to, on_row, t, &t->f->err);
    return rc == 0 ? buf_cstr(&t->told) : err_name(rc);
}

#define COMPONENTS "components.choreo.dev"

static void scans_hold_what_lives_and_controllers_read(void **state)
{
    struct feeding *t = *state;
    put(t, COMPONENTS, BACKEND_CREATE, "web");
    put(t, COMPONENTS, BACKEND_CREATE, "gone");
    put(t, COMPONENTS, BACKEND_DELETE, "gone");
    put(t, "events", BACKEND_CREATE, "noise");
    uint64_t last = put(t, "projects.choreo.dev", BACKEND_CREATE, "shop");
    uint64_t version = 0;
    assert_int_equal(t->feed.scan(t->feed.user, SHARD, on_row, t, &version, &t->f->err), 0);
    assert_string_equal(buf_cstr(&t->told), "+a/shop +a/web");
    assert_true(version == last);
}

static void changes_come_in_order_within_bounds(void **state)
{
    struct feeding *t = *state;
    uint64_t one = put(t, COMPONENTS, BACKEND_CREATE, "one");
    uint64_t two = put(t, COMPONENTS, BACKEND_CREATE, "two");
    uint64_t gone = put(t, COMPONENTS, BACKEND_DELETE, "one");
    assert_string_equal(changes(t, 0, gone), "+a/one +a/two -a/one");
    assert_string_equal(changes(t, one, two), "+a/two");
    assert_string_equal(changes(t, gone, gone), "");
}

static void a_compacted_history_is_told(void **state)
{
    struct feeding *t = *state;
    uint64_t one = put(t, COMPONENTS, BACKEND_CREATE, "x");
    put(t, COMPONENTS, BACKEND_UPDATE, "x");
    uint64_t last = put(t, COMPONENTS, BACKEND_UPDATE, "x");
    struct command c = {.kind = COMMAND_COMPACT, .compact = {.before = last, .rows_max = 100}};
    assert_int_equal(apply_1(t->f, c).kind, OUTCOME_DONE);
    assert_string_equal(changes(t, one - 1, last), "ERR_GONE");
}

static void a_reset_opens_the_file_anew(void **state)
{
    struct feeding *t = *state;
    uint64_t one = put(t, COMPONENTS, BACKEND_CREATE, "x");
    assert_string_equal(changes(t, 0, one), "+a/x");
    t->feed.reset(t->feed.user, SHARD);
    assert_string_equal(changes(t, 0, one), "+a/x");
    assert_int_equal(t->feed.changes(t->feed.user, SHARD + 1, 0, one, on_row, t, &t->f->err),
                     ERR_INVALID); /* another shard's file */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scans_hold_what_lives_and_controllers_read),
        TEST(changes_come_in_order_within_bounds),
        TEST(a_compacted_history_is_told),
        TEST(a_reset_opens_the_file_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
