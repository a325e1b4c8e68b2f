/* Reading: newest and as-of, pages, changes, compaction's floor, outcomes. */
#include "tests/unit/store/fixture.h"
#include "tests/lib/test.h"

struct reading {
    struct fixture *f;
    struct reader r;
};

static int setup(void **state)
{
    struct reading *t = mem_zero(sizeof *t);
    t->f = fixture_new();
    make_namespace(t->f, "a", NAMESPACE_ACTIVE);
    make_namespace(t->f, "b", NAMESPACE_ACTIVE);
    assert_int_equal(reader_open(&t->r, t->f->path, SHARD, &t->f->err), 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct reading *t = *state;
    reader_close(&t->r);
    fixture_free(t->f);
    free(t);
    return 0;
}

static uint64_t put(struct reading *t, enum backend_verb verb, const char *ns, const char *name)
{
    struct outcome o = apply_1(t->f, write_of(t->f, verb, ns, name, "u1"));
    assert_int_equal(o.kind, OUTCOME_DONE);
    return o.version;
}

static void compact(struct reading *t, uint64_t before, uint32_t rows_max)
{
    struct command c = {.kind = COMMAND_COMPACT,
                        .compact = {.before = before, .rows_max = rows_max}};
    assert_int_equal(apply_1(t->f, c).kind, OUTCOME_DONE);
}

static struct backend_key key(const char *ns, const char *name)
{
    return (struct backend_key){SLICE("things.test"), slice_of(ns), slice_of(name)};
}

/* "a/x b/y" as of a version (0: newest), at most rows of them behind ns/name. */
static const char *page(struct reading *t, struct reader_page q, size_t rows)
{
    struct buf out = {0};
    struct reader_row row;
    q.resource = SLICE("things.test");
    assert_int_equal(reader_begin(&t->r, &t->f->err), 0);
    int rc = reader_page_start(&t->r, &q, &t->f->err);
    bool found = rc == 0;
    for (size_t i = 0; found && i < rows; i++) {
        assert_int_equal(reader_page_next(&t->r, &row, &found, &t->f->err), 0);
        if (found) {
            buf_addf(&out, "%s%.*s/%.*s", out.len > 0 ? " " : "", SLICE_ARG(row.object.key.ns),
                     SLICE_ARG(row.object.key.name));
        }
    }
    reader_page_end(&t->r);
    reader_end(&t->r);
    const char *text = rc == 0 ? arena_cstr(&t->f->arena, buf_slice(&out))
                               : arena_printf(&t->f->arena, "%s", err_name(rc));
    buf_free(&out);
    return text;
}

static int get_rc(struct reading *t, const char *ns, const char *name, uint64_t as_of,
                  uint64_t *version)
{
    struct reader_row row;
    struct backend_key k = key(ns, name);
    assert_int_equal(reader_begin(&t->r, &t->f->err), 0);
    int rc = reader_get(&t->r, &k, as_of, &row, &t->f->err);
    *version = rc == 0 ? row.object.version : 0;
    reader_end(&t->r);
    return rc;
}

static void a_view_stays_while_it_is_pinned(void **state)
{
    struct reading *t = *state;
    uint64_t v1 = put(t, BACKEND_CREATE, "a", "x");
    struct backend_key k = key("a", "x");
    struct reader_row row;
    assert_int_equal(reader_begin(&t->r, &t->f->err), 0);
    (void)put(t, BACKEND_UPDATE, "a", "x");
    assert_int_equal(reader_get(&t->r, &k, 0, &row, &t->f->err), 0);
    assert_true(row.object.version == v1 && t->r.state.last_version == v1);
    assert_memory_equal(row.object.body.data + row.object.splice, "\"uid\":", 6);
    reader_end(&t->r);
    uint64_t now;
    assert_int_equal(get_rc(t, "a", "x", 0, &now), 0);
    assert_true(now > v1);
}

static void pages_are_ordered_and_continue(void **state)
{
    struct reading *t = *state;
    (void)put(t, BACKEND_CREATE, "b", "m");
    (void)put(t, BACKEND_CREATE, "a", "z");
    (void)put(t, BACKEND_CREATE, "", "c");
    (void)put(t, BACKEND_CREATE, "a", "k");
    (void)put(t, BACKEND_CREATE, "b", "gone");
    (void)put(t, BACKEND_DELETE, "b", "gone");
    struct reader_page all = {.all_namespaces = true};
    assert_string_equal(page(t, all, 10), "/c a/k a/z b/m");
    assert_string_equal(page(t, all, 2), "/c a/k");
    all.after_ns = SLICE("a");
    all.after_name = SLICE("k");
    assert_string_equal(page(t, all, 10), "a/z b/m");
    struct reader_page one = {.ns = SLICE("a")};
    assert_string_equal(page(t, one, 10), "a/k a/z");
    one.after_name = SLICE("k");
    assert_string_equal(page(t, one, 10), "a/z");

    uint64_t count;
    all.resource = one.resource = SLICE("things.test");
    assert_int_equal(reader_begin(&t->r, &t->f->err), 0);
    assert_int_equal(reader_count(&t->r, &all, &count, &t->f->err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(reader_count(&t->r, &one, &count, &t->f->err), 0);
    assert_int_equal(count, 1);
    reader_end(&t->r);
}

static void history_can_be_read_as_of_a_version(void **state)
{
    struct reading *t = *state;
    uint64_t v1 = put(t, BACKEND_CREATE, "a", "x");
    uint64_t v2 = put(t, BACKEND_CREATE, "a", "y");
    uint64_t v3 = put(t, BACKEND_UPDATE, "a", "x");
    uint64_t v4 = put(t, BACKEND_DELETE, "a", "x");
    uint64_t v5 = put(t, BACKEND_CREATE, "a", "x");
    uint64_t got;
    assert_int_equal(get_rc(t, "a", "x", v1, &got), 0);
    assert_true(got == v1);
    assert_int_equal(get_rc(t, "a", "x", v3, &got), 0);
    assert_true(got == v3);
    assert_int_equal(get_rc(t, "a", "x", v4, &got), ERR_NOT_FOUND);
    assert_int_equal(get_rc(t, "a", "x", v5, &got), 0);
    assert_int_equal(get_rc(t, "a", "x", v1 - 1, &got), ERR_NOT_FOUND);
    struct reader_page all = {.all_namespaces = true, .as_of = v1};
    assert_string_equal(page(t, all, 10), "a/x");
    all.as_of = v2;
    assert_string_equal(page(t, all, 10), "a/x a/y");
    all.as_of = v4;
    assert_string_equal(page(t, all, 10), "a/y");
    all.as_of = v5;
    assert_string_equal(page(t, all, 10), "a/x a/y");
}

static void compaction_removes_what_was_replaced_and_raises_the_floor(void **state)
{
    struct reading *t = *state;
    uint64_t v1 = put(t, BACKEND_CREATE, "a", "x");
    uint64_t v2 = put(t, BACKEND_CREATE, "a", "y");
    compact(t, v2, 100);
    assert_true(t->f->db.state.floor == 0); /* nothing was replaced: nothing is gone */
    uint64_t v3 = put(t, BACKEND_UPDATE, "a", "x");
    uint64_t v4 = put(t, BACKEND_DELETE, "a", "x");
    uint64_t v5 = put(t, BACKEND_CREATE, "a", "x");
    compact(t, v3, 100);
    assert_true(t->f->db.state.floor == v3);
    uint64_t got;
    assert_int_equal(get_rc(t, "a", "x", v2, &got), ERR_GONE);
    assert_int_equal(get_rc(t, "a", "x", v3, &got), 0);
    assert_true(got == v3);
    compact(t, v4, 100);
    assert_true(t->f->db.state.floor == v4);
    /* The deletion itself is gone; the creation after it still leads nowhere. */
    assert_int_equal(get_rc(t, "a", "x", v4, &got), ERR_NOT_FOUND);
    compact(t, UINT64_C(1) << 62, 100);
    assert_true(t->f->db.state.floor == v4);
    assert_int_equal(get_rc(t, "a", "x", v5, &got), 0);
    assert_string_equal(page(t, (struct reader_page){.all_namespaces = true, .as_of = v1}, 9),
                        "ERR_GONE");
    assert_string_equal(page(t, (struct reader_page){.all_namespaces = true}, 9), "a/x a/y");
}

static void compaction_in_steps_ends_where_one_would(void **state)
{
    struct reading *t = *state;
    for (int i = 0; i < 20; i++) {
        (void)put(t, BACKEND_CREATE, "a", "x");
        (void)put(t, BACKEND_UPDATE, "a", "x");
        (void)put(t, BACKEND_DELETE, "a", "x");
    }
    uint64_t last = t->f->version;
    for (int i = 0; i < 30; i++) {
        compact(t, last, 2);
    }
    assert_true(t->f->db.state.compacted == last && t->f->db.state.floor == last);
    struct reader_row row;
    bool found;
    assert_int_equal(reader_begin(&t->r, &t->f->err), 0);
    assert_int_equal(reader_changes_start(&t->r, last - 1, last, &t->f->err), ERR_GONE);
    assert_int_equal(reader_changes_start(&t->r, last, INT64_MAX, &t->f->err), 0);
    assert_int_equal(reader_changes_next(&t->r, &row, &found, &t->f->err), 0);
    assert_false(found);
    struct slice resource;
    assert_int_equal(reader_resource_next(&t->r, SLICE(""), &resource, &found, &t->f->err), 0);
    assert_false(found); /* not even the key is left */
    reader_end(&t->r);
}

static void changes_come_in_version_order(void **state)
{
    struct reading *t = *state;
    uint64_t v1 = put(t, BACKEND_CREATE, "a", "x");
    uint64_t v2 = put(t, BACKEND_CREATE, "b", "y");
    uint64_t v3 = put(t, BACKEND_DELETE, "a", "x");
    (void)put(t, BACKEND_CREATE, "b", "z");
    struct reader_row row;
    bool found;
    assert_int_equal(reader_begin(&t->r, &t->f->err), 0);
    assert_int_equal(reader_changes_start(&t->r, v1, v3, &t->f->err), 0);
    assert_int_equal(reader_changes_next(&t->r, &row, &found, &t->f->err), 0);
    assert_true(found && row.object.version == v2 && row.verb == BACKEND_CREATE && row.prev == 0);
    assert_int_equal(reader_changes_next(&t->r, &row, &found, &t->f->err), 0);
    assert_true(found && row.object.version == v3 && row.verb == BACKEND_DELETE && row.prev == v1);
    assert_int_equal(reader_changes_next(&t->r, &row, &found, &t->f->err), 0);
    assert_false(found);
    reader_changes_end(&t->r);
    assert_int_equal(reader_version(&t->r, v1, &row, &t->f->err), 0);
    assert_int_equal(reader_version(&t->r, v1 + 1, &row, &t->f->err), ERR_NOT_FOUND);
    reader_end(&t->r);
}

static void outcomes_and_namespaces_are_found(void **state)
{
    struct reading *t = *state;
    struct command c = write_of(t->f, BACKEND_CREATE, "a", "x", "u1");
    struct outcome o = apply_1(t->f, c);
    struct slice digest;
    struct outcome found;
    assert_int_equal(reader_begin(&t->r, &t->f->err), 0);
    assert_int_equal(reader_outcome(&t->r, c.write.subject, c.write.request_id, c.write.issued_ms,
                                    &found, &digest, &t->f->err),
                     0);
    assert_true(found.kind == OUTCOME_DONE && found.version == o.version && found.repeated);
    assert_true(slice_eq(digest, c.write.request_digest));
    assert_int_equal(reader_outcome(&t->r, SLICE("eve"), c.write.request_id, c.write.issued_ms,
                                    &found, NULL, &t->f->err),
                     ERR_NOT_FOUND);
    enum namespace_state ns;
    assert_int_equal(reader_namespace(&t->r, SLICE("a"), &ns, &t->f->err), 0);
    assert_int_equal(ns, NAMESPACE_ACTIVE);
    assert_int_equal(reader_namespace(&t->r, SLICE("none"), &ns, &t->f->err), 0);
    assert_int_equal(ns, NAMESPACE_GONE);
    struct slice meta;
    assert_int_equal(reader_raft_meta(&t->r, &meta, &t->f->err), 0);
    assert_true(slice_eq_cstr(meta, "conf"));
    reader_end(&t->r);
}

static void refuses_a_file_that_is_not_this_shards(void **state)
{
    struct reading *t = *state;
    struct reader other;
    struct err err;
    assert_int_equal(reader_open(&other, t->f->path, SHARD + 1, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "shard 3"));
    assert_int_equal(reader_open(&other, "/nonexistent/state.db", SHARD, &err), ERR_IO);
}

static struct err damage;
static unsigned damages;

static void damaged(const struct err *why)
{
    damage = *why;
    damages++;
}

static void damage_that_a_reader_meets_is_told(void **state)
{
    struct reading *t = *state;
    uint64_t index;
    struct reader_row row;
    struct backend_key k = key("a", "y");
    (void)put(t, BACKEND_CREATE, "a", "y");
    assert_int_equal(db_checkpoint(&t->f->db, &index, &t->f->err), 0);
    reader_close(&t->r);
    db_close(&t->f->db); /* whoever opens now has no page in its cache, nor in SQLite's log */
    char wal[128];
    (void)snprintf(wal, sizeof wal, "%s-wal", t->f->path);
    assert_int_equal(unlink(wal), 0);
    FILE *file = fopen(t->f->path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long end = ftell(file);
    for (long at = 4096; at < end; at += 4096) { /* the schema stays, on page one */
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_int_equal(fwrite("damage", 6, 1, file), 1);
    }
    assert_int_equal(fclose(file), 0);
    damages = 0;
    db_on_damage(damaged);
    int rc = reader_open(&t->r, t->f->path, SHARD, &t->f->err);
    if (rc == 0) {
        rc = reader_begin(&t->r, &t->f->err);
        rc = rc != 0 ? rc : reader_get(&t->r, &k, 0, &row, &t->f->err);
    }
    db_on_damage(NULL);
    assert_int_equal(rc, ERR_CORRUPT);
    assert_true(damages > 0);
    assert_err(damage.code, &damage, ERR_CORRUPT, "state.db: database disk image is malformed");
    reader_close(&t->r);
    fixture_remove_files(t->f);
    fixture_open(t->f);
    assert_int_equal(reader_open(&t->r, t->f->path, SHARD, &t->f->err), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_view_stays_while_it_is_pinned),
        TEST(pages_are_ordered_and_continue),
        TEST(history_can_be_read_as_of_a_version),
        TEST(compaction_removes_what_was_replaced_and_raises_the_floor),
        TEST(compaction_in_steps_ends_where_one_would),
        TEST(changes_come_in_version_order),
        TEST(outcomes_and_namespaces_are_found),
        TEST(refuses_a_file_that_is_not_this_shards),
        TEST(damage_that_a_reader_meets_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
