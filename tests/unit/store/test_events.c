/* Events go by themselves: the old ones, and what one object has too many of. */
#include "tests/unit/store/fixture.h"

#include <sqlite3.h>

#include "store/digest.h"
#include "store/events.h"

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    make_namespace(f, "team", NAMESPACE_ACTIVE);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static struct command event_of(struct fixture *f, enum backend_verb verb, const char *name,
                               const char *about)
{
    struct command c = write_of(f, verb, "team", name, "u1");
    char *body = arena_printf(&f->arena,
                              "{\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"%s\",\"namespace\":"
                              "\"team\"},\"metadata\":{\"name\":\"%s\",\"uid\":\"u1\"}}",
                              about, name);
    c.write.key.resource = SLICE("events");
    c.write.body = slice_of(body);
    c.write.splice = (uint32_t)(strstr(body, "\"uid\"") - body);
    return c;
}

static uint64_t write_event(struct fixture *f, enum backend_verb verb, const char *name,
                            const char *about)
{
    struct outcome o = apply_1(f, event_of(f, verb, name, about));
    assert_int_equal(o.kind, OUTCOME_DONE);
    return o.version;
}

static struct command expiry(struct fixture *f, uint64_t before_ms, uint32_t rows_max)
{
    struct command c = {.kind = COMMAND_EXPIRE_EVENTS,
                        .events = {.before = version_at(before_ms, SHARD),
                                   .rows_max = rows_max,
                                   .version = stamp(f)}};
    f->version += (rows_max - 1) * (uint64_t)VERSION_STEP; /* left free for it */
    return c;
}

static bool is_live(struct fixture *f, const char *resource, const char *name)
{
    struct reader r;
    struct reader_row row;
    const struct backend_key key = {slice_of(resource), SLICE("team"), slice_of(name)};
    assert_int_equal(reader_open(&r, f->path, SHARD, &f->err), 0);
    assert_int_equal(reader_begin(&r, &f->err), 0);
    int rc = reader_get(&r, &key, 0, &row, &f->err);
    assert_true(rc == 0 || rc == ERR_NOT_FOUND);
    reader_end(&r);
    reader_close(&r);
    return rc == 0;
}

static void what_was_written_long_ago_goes(void **state)
{
    struct fixture *f = *state;
    uint64_t then = f->now_ms;
    assert_true(f->db.state.events_oldest == 0);
    uint64_t first = write_event(f, BACKEND_CREATE, "a", "web");
    (void)write_event(f, BACKEND_CREATE, "b", "web");
    assert_int_equal(apply_1(f, write_of(f, BACKEND_CREATE, "team", "thing", "u1")).kind,
                     OUTCOME_DONE);
    assert_true(f->db.state.events_oldest == first);
    f->now_ms += 1000;
    (void)write_event(f, BACKEND_UPDATE, "a", "web"); /* counted again: young */
    f->now_ms += 1000;
    uint64_t before = f->version;
    struct outcome o = apply_1(f, expiry(f, then + 500, 10));
    assert_int_equal(o.kind, OUTCOME_DONE);
    assert_true(o.version == 1);
    assert_true(is_live(f, "events", "a") && !is_live(f, "events", "b"));
    assert_true(is_live(f, "things.test", "thing"));

    /* Watchers see a deletion, like any other. */
    struct reader r;
    struct reader_row row;
    bool found;
    assert_int_equal(reader_open(&r, f->path, SHARD, &f->err), 0);
    assert_int_equal(reader_begin(&r, &f->err), 0);
    assert_int_equal(reader_changes_start(&r, before, UINT64_MAX >> 1, &f->err), 0);
    assert_int_equal(reader_changes_next(&r, &row, &found, &f->err), 0);
    assert_true(found && row.verb == BACKEND_DELETE);
    assert_true(slice_eq_cstr(row.object.key.name, "b"));
    assert_true(slice_find(row.object.body, SLICE("\"name\":\"web\"")) != SIZE_MAX);
    assert_true(row.object.version == f->db.state.last_version);
    assert_int_equal(reader_changes_next(&r, &row, &found, &f->err), 0);
    assert_false(found);
    reader_changes_end(&r);
    reader_end(&r);
    reader_close(&r);

    /* A name that is free again can be used again, and a client's deletion settles its account. */
    (void)write_event(f, BACKEND_CREATE, "b", "web");
    (void)write_event(f, BACKEND_DELETE, "b", "web");
    (void)write_event(f, BACKEND_DELETE, "a", "web");
    assert_true(f->db.state.events_oldest == 0);
    assert_true(apply_1(f, expiry(f, f->now_ms, 10)).version == 1);
}

static void one_command_removes_so_many(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        (void)write_event(f, BACKEND_CREATE, arena_printf(&f->arena, "e%d", i), "web");
    }
    f->now_ms += 1000;
    assert_true(apply_1(f, expiry(f, f->now_ms, 3)).version == 0); /* more is left */
    assert_true(!is_live(f, "events", "e2") && is_live(f, "events", "e3"));
    assert_true(apply_1(f, expiry(f, f->now_ms, 3)).version == 1);
    assert_false(is_live(f, "events", "e4"));
    assert_true(f->db.state.events_oldest == 0);
}

static void an_object_keeps_its_newest(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < EVENTS_PER_OBJECT_MAX + 7; i++) {
        (void)write_event(f, BACKEND_CREATE, arena_printf(&f->arena, "e%03d", i), "loud");
        assert_int_equal(f->db.state.events_crowded, i >= EVENTS_PER_OBJECT_MAX);
    }
    (void)write_event(f, BACKEND_CREATE, "quiet", "other");
    assert_true(apply_1(f, expiry(f, T0 - 1000, 4)).version == 0);
    assert_true(!is_live(f, "events", "e003") && is_live(f, "events", "e004"));
    assert_true(f->db.state.events_crowded);
    db_close(&f->db); /* that some have too many is found again */
    fixture_open(f);
    assert_true(f->db.state.events_crowded && f->db.state.events_oldest != 0);
    assert_true(apply_1(f, expiry(f, T0 - 1000, 500)).version == 1);
    assert_true(!is_live(f, "events", "e006") && is_live(f, "events", "e007"));
    assert_true(is_live(f, "events", "quiet"));
    assert_false(f->db.state.events_crowded);
}

static void a_command_without_a_stamp_stops_the_replica(void **state)
{
    struct fixture *f = *state;
    struct apply_result result;
    (void)write_event(f, BACKEND_CREATE, "a", "web");
    struct command c = expiry(f, f->now_ms + 1000, 1);
    c.events.version = f->db.state.last_version;
    assert_int_equal(apply_commands(f, &c, 1, &result), ERR_CORRUPT);
    assert_non_null(strstr(f->err.message, "goes backwards"));
    assert_true(is_live(f, "events", "a"));
}

/* A database of the release before, which kept no account: migrated to what it would hold. */
static void a_database_without_the_account_gets_it(void **state)
{
    struct fixture *f = *state;
    uint8_t before[SHA256_BYTES];
    uint8_t after[SHA256_BYTES];
    struct reader r;
    uint64_t index;
    sqlite3 *sql = NULL;
    (void)write_event(f, BACKEND_CREATE, "a", "web");
    (void)write_event(f, BACKEND_CREATE, "b", "web");
    (void)write_event(f, BACKEND_UPDATE, "a", "web");
    (void)write_event(f, BACKEND_DELETE, "b", "web");
    assert_int_equal(reader_open(&r, f->path, SHARD, &f->err), 0);
    assert_int_equal(digest_rows(&r, before, &index, &f->err), 0);
    reader_close(&r);
    uint64_t oldest = f->db.state.events_oldest;
    db_close(&f->db);
    assert_int_equal(sqlite3_open(f->path, &sql), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(sql, "DROP TABLE events; PRAGMA user_version = 2", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(sql), SQLITE_OK);
    fixture_open(f);
    assert_true(oldest != 0 && f->db.state.events_oldest == oldest);
    assert_int_equal(reader_open(&r, f->path, SHARD, &f->err), 0);
    assert_int_equal(digest_rows(&r, after, &index, &f->err), 0);
    reader_close(&r);
    assert_memory_equal(before, after, sizeof before);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_written_long_ago_goes),
        T(one_command_removes_so_many),
        T(an_object_keeps_its_newest),
        T(a_command_without_a_stamp_stops_the_replica),
        T(a_database_without_the_account_gets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
