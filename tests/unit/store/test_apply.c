/* The rules of a write, of upkeep, and of what stops a replica. */
#include "tests/unit/store/fixture.h"

#include <sqlite3.h>

#include "store/audit.h"

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

static struct outcome create(struct fixture *f, const char *name)
{
    return apply_1(f, write_of(f, BACKEND_CREATE, "team", name, "u1"));
}

static void creates_updates_and_deletes_with_preconditions(void **state)
{
    struct fixture *f = *state;
    struct outcome made = create(f, "a");
    assert_int_equal(made.kind, OUTCOME_DONE);
    assert_true(made.version == f->version);

    struct outcome again = create(f, "a");
    assert_int_equal(again.kind, OUTCOME_EXISTS);
    assert_true(again.version == made.version);

    struct command c = write_of(f, BACKEND_UPDATE, "team", "a", "u1");
    c.write.if_version = made.version - 1;
    assert_int_equal(apply_1(f, c).kind, OUTCOME_OTHER_VERSION);
    c = write_of(f, BACKEND_UPDATE, "team", "a", "u1");
    c.write.if_uid = SLICE("u2");
    assert_int_equal(apply_1(f, c).kind, OUTCOME_OTHER_UID);
    c = write_of(f, BACKEND_UPDATE, "team", "a", "u1");
    c.write.if_uid = SLICE("u"); /* a prefix is another uid */
    assert_int_equal(apply_1(f, c).kind, OUTCOME_OTHER_UID);
    c = write_of(f, BACKEND_UPDATE, "team", "a", "u1");
    c.write.if_uid = SLICE("u1");
    c.write.if_version = made.version;
    struct outcome updated = apply_1(f, c);
    assert_int_equal(updated.kind, OUTCOME_DONE);

    c = write_of(f, BACKEND_DELETE, "team", "a", "u1");
    c.write.if_version = updated.version;
    assert_int_equal(apply_1(f, c).kind, OUTCOME_DONE);
    assert_int_equal(apply_1(f, write_of(f, BACKEND_DELETE, "team", "a", "u1")).kind,
                     OUTCOME_ABSENT);
    assert_int_equal(apply_1(f, write_of(f, BACKEND_UPDATE, "team", "a", "u1")).kind,
                     OUTCOME_ABSENT);
    assert_int_equal(create(f, "a").kind, OUTCOME_DONE);
}

static void a_retry_gets_the_first_outcome(void **state)
{
    struct fixture *f = *state;
    struct command first = write_of(f, BACKEND_CREATE, "team", "a", "u1");
    struct outcome done = apply_1(f, first);
    struct command retry = first;
    retry.write.version = stamp(f);
    struct outcome repeated = apply_1(f, retry);
    assert_int_equal(repeated.kind, OUTCOME_DONE);
    assert_true(repeated.repeated && repeated.version == done.version);

    /* Also a conflict that the client asked for, even when it would succeed by now. */
    struct command refused = write_of(f, BACKEND_CREATE, "team", "a", "u1");
    assert_int_equal(apply_1(f, refused).kind, OUTCOME_EXISTS);
    assert_int_equal(apply_1(f, write_of(f, BACKEND_DELETE, "team", "a", "u1")).kind, OUTCOME_DONE);
    refused.write.version = stamp(f);
    repeated = apply_1(f, refused);
    assert_true(repeated.kind == OUTCOME_EXISTS && repeated.repeated);
    /* The same id of another subject is another request. */
    refused.write.version = stamp(f);
    refused.write.subject = SLICE("bert");
    assert_int_equal(apply_1(f, refused).kind, OUTCOME_DONE);
}

static void a_conflict_that_the_server_made_is_not_kept(void **state)
{
    struct fixture *f = *state;
    (void)create(f, "a");
    struct command c = write_of(f, BACKEND_UPDATE, "team", "a", "u1");
    c.write.client_made = false;
    c.write.if_version = 7;
    assert_int_equal(apply_1(f, c).kind, OUTCOME_OTHER_VERSION);
    c.write.version = stamp(f);
    c.write.if_version = 0;
    struct outcome o = apply_1(f, c);
    assert_true(o.kind == OUTCOME_DONE && !o.repeated);
}

static void ids_outside_the_window_or_reused_are_refused(void **state)
{
    struct fixture *f = *state;
    struct command c = write_of(f, BACKEND_CREATE, "team", "a", "u1");
    c.write.issued_ms = f->now_ms - REQUEST_WINDOW_MS - 1;
    assert_int_equal(apply_1(f, c).kind, OUTCOME_REQUEST_OLD);
    c = write_of(f, BACKEND_CREATE, "team", "a", "u1");
    c.write.issued_ms = f->now_ms + REQUEST_AHEAD_MS + 1;
    assert_int_equal(apply_1(f, c).kind, OUTCOME_REQUEST_AHEAD);
    c = write_of(f, BACKEND_CREATE, "team", "a", "u1");
    c.write.issued_ms = f->now_ms - REQUEST_WINDOW_MS;
    assert_int_equal(apply_1(f, c).kind, OUTCOME_DONE);
    c.write.version = stamp(f);
    c.write.request_digest = SLICE("another-digest-0123456789abcdef!");
    assert_int_equal(c.write.request_digest.len, REQUEST_DIGEST_BYTES);
    assert_int_equal(apply_1(f, c).kind, OUTCOME_REQUEST_REUSED);
}

static void forgotten_requests_are_never_executed_again(void **state)
{
    struct fixture *f = *state;
    struct command old = write_of(f, BACKEND_CREATE, "team", "a", "u1");
    assert_int_equal(apply_1(f, old).kind, OUTCOME_DONE);
    struct command recent = write_of(f, BACKEND_CREATE, "team", "b", "u1");
    recent.write.issued_ms = f->now_ms + 1000;
    assert_int_equal(apply_1(f, recent).kind, OUTCOME_DONE);

    /* Kept for its window, whatever the leader asks. */
    struct command expire = {.kind = COMMAND_EXPIRE_REQUESTS,
                             .expire = {.before_ms = f->now_ms * 2, .rows_max = 100}};
    (void)apply_1(f, expire);
    old.write.version = stamp(f);
    assert_true(apply_1(f, old).repeated);

    uint64_t then = f->now_ms;
    f->now_ms += REQUEST_WINDOW_MS + 500;
    assert_true(apply_1(f, expire).version == f->now_ms - REQUEST_WINDOW_MS);
    /* A new leader's clock may be behind: the id is inside its window, but no longer known. */
    f->now_ms = then;
    old.write.version = stamp(f);
    assert_int_equal(apply_1(f, old).kind, OUTCOME_REQUEST_OLD);
    recent.write.version = stamp(f);
    assert_true(apply_1(f, recent).repeated);
}

static void expiry_goes_in_steps(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 10; i++) {
        f->now_ms++;
        (void)create(f, i % 2 == 0 ? "a" : "b");
    }
    uint64_t first = f->now_ms - 9;
    f->now_ms += 2 * (uint64_t)REQUEST_WINDOW_MS;
    struct command expire = {.kind = COMMAND_EXPIRE_REQUESTS,
                             .expire = {.before_ms = first + 5, .rows_max = 3}};
    assert_true(apply_1(f, expire).version == first + 3);
    assert_true(apply_1(f, expire).version == first + 5);
}

static void namespaces_guard_their_objects(void **state)
{
    struct fixture *f = *state;
    struct command c = write_of(f, BACKEND_CREATE, "nowhere", "a", "u1");
    assert_int_equal(apply_1(f, c).kind, OUTCOME_NAMESPACE_ABSENT);
    c = write_of(f, BACKEND_CREATE, "", "cluster-scoped", "u1");
    assert_int_equal(apply_1(f, c).kind, OUTCOME_DONE);
    (void)create(f, "a");

    make_namespace(f, "team", NAMESPACE_TERMINATING);
    assert_int_equal(create(f, "b").kind, OUTCOME_NAMESPACE_TERMINATING);
    assert_int_equal(apply_1(f, write_of(f, BACKEND_UPDATE, "team", "a", "u1")).kind, OUTCOME_DONE);
    struct command mark = {.kind = COMMAND_NAMESPACE, .mark = {SLICE("team"), NAMESPACE_ACTIVE}};
    assert_int_equal(apply_1(f, mark).kind, OUTCOME_NAMESPACE_TERMINATING);
    mark.mark.state = NAMESPACE_GONE;
    assert_int_equal(apply_1(f, mark).kind, OUTCOME_NAMESPACE_NOT_EMPTY);
    assert_int_equal(apply_1(f, write_of(f, BACKEND_DELETE, "team", "a", "u1")).kind, OUTCOME_DONE);
    assert_int_equal(apply_1(f, mark).kind, OUTCOME_DONE);
    assert_int_equal(create(f, "b").kind, OUTCOME_NAMESPACE_ABSENT);
    mark.mark.state = NAMESPACE_TERMINATING;
    assert_int_equal(apply_1(f, mark).kind, OUTCOME_NAMESPACE_ABSENT);
    make_namespace(f, "team", NAMESPACE_ACTIVE);
    assert_int_equal(create(f, "b").kind, OUTCOME_DONE);
}

static void a_new_leader_stamps_above_the_ceilings_before_it(void **state)
{
    struct fixture *f = *state;
    uint64_t ceiling = version_at(f->now_ms + 3000, SHARD);
    struct command c = {.kind = COMMAND_OPEN,
                        .open = {.term = 1, .incarnation = 1, .ceiling = ceiling}};
    assert_true(apply_1(f, c).version < ceiling); /* its own ceiling does not bind it */
    assert_int_equal(create(f, "a").kind, OUTCOME_DONE);
    uint64_t higher = ceiling + VERSION_SHARDS_MAX;
    c = (struct command){.kind = COMMAND_CEILING, .ceiling = higher};
    assert_true(apply_1(f, c).version == higher);
    assert_int_equal(create(f, "b").kind, OUTCOME_DONE);

    c = (struct command){.kind = COMMAND_OPEN, .open = {.term = 2, .incarnation = 1, .ceiling = 1}};
    assert_true(apply_1(f, c).version == higher);
    struct command below = write_of(f, BACKEND_CREATE, "team", "c", "u1");
    struct apply_result result;
    assert_int_equal(apply_commands(f, &below, 1, &result), ERR_CORRUPT);
    f->version = higher;
    assert_int_equal(create(f, "c").kind, OUTCOME_DONE);
    c.open.term = 1;
    assert_int_equal(apply_1(f, c).kind, OUTCOME_STALE);
}

static void stops_at_what_no_leader_writes(void **state)
{
    struct fixture *f = *state;
    (void)create(f, "a");
    struct db_state before = f->db.state;
    struct apply_result result;

    struct command two[2] = {write_of(f, BACKEND_CREATE, "team", "b", "u1"),
                             write_of(f, BACKEND_CREATE, "team", "c", "u1")};
    two[1].write.version = two[0].write.version;
    assert_int_equal(apply_commands(f, two, 2, &result), ERR_CORRUPT);
    two[1].write.version = stamp(f) ^ 1; /* another shard's */
    assert_int_equal(apply_commands(f, two, 2, &result), ERR_CORRUPT);

    struct apply_entry entry = {.index = before.applied_index + 2, .term = 1};
    assert_int_equal(apply_entries(&f->db, &entry, 1, SLICE(""), &f->arena, &result, &f->err),
                     ERR_CORRUPT);
    entry = (struct apply_entry){.index = before.applied_index + 1, .term = 0};
    assert_int_equal(apply_entries(&f->db, &entry, 1, SLICE(""), &f->arena, &result, &f->err),
                     ERR_CORRUPT);
    entry = (struct apply_entry){
        .index = before.applied_index + 1, .term = 1, .payload = SLICE("rubbish")};
    assert_int_equal(apply_entries(&f->db, &entry, 1, SLICE(""), &f->arena, &result, &f->err),
                     ERR_CORRUPT);
    /* Field 2 (commands), 2 bytes: field 9, a message of length 0. */
    entry.payload = SLICE("\x08\x01\x12\x02\x4a\x00");
    assert_int_equal(apply_entries(&f->db, &entry, 1, SLICE(""), &f->arena, &result, &f->err),
                     ERR_UNSUPPORTED);

    assert_same_state(&before, &f->db.state);
    f->version = before.last_version;
    assert_int_equal(create(f, "b").kind, OUTCOME_DONE);
}

static void entries_already_applied_are_skipped(void **state)
{
    struct fixture *f = *state;
    struct command c = write_of(f, BACKEND_CREATE, "team", "a", "u1");
    uint64_t at = f->db.state.applied_index;
    struct apply_entry entries[2] = {
        {.index = at + 1, .term = 1, .payload = encode_entry(f, &c, 1)},
        {.index = at + 2, .term = 1}, /* one of raft's own */
    };
    struct apply_result result;
    assert_int_equal(apply_entries(&f->db, entries, 1, SLICE("m1"), &f->arena, &result, &f->err),
                     0);
    assert_int_equal(apply_entries(&f->db, entries, 2, SLICE("m2"), &f->arena, &result, &f->err),
                     0);
    assert_int_equal(result.outcome_count, 0);
    assert_int_equal(result.span_count, 2);
    assert_int_equal(result.spans[1].index, at + 2);
    assert_int_equal(f->db.state.applied_index, at + 2);
    assert_true(slice_eq_cstr(buf_slice(&f->db.raft_meta), "m2"));
}

static void a_refused_commit_leaves_everything_as_it_was(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *point;
        int code;
    } faults[] = {{"store.full", ERR_FULL}, {"store.commit", ERR_IO}};
    for (size_t i = 0; i < 2; i++) {
        struct db_state before = f->db.state;
        struct command c = write_of(f, BACKEND_CREATE, "team", i == 0 ? "a" : "b", "u1");
        struct apply_result result;
        fault_arm(faults[i].point, 1, false);
        assert_int_equal(apply_commands(f, &c, 1, &result), faults[i].code);
        assert_same_state(&before, &f->db.state);
        assert_int_equal(apply_1(f, c).kind, OUTCOME_DONE);
    }
}

static void a_full_disk_is_said_and_survived(void **state)
{
    struct fixture *f = *state;
    /* SQLite's own limit stands in for the disk's. */
    struct err err;
    assert_int_equal(sqlite3_exec(f->db.sql, "PRAGMA max_page_count = 24", NULL, NULL, NULL), 0);
    char *big = arena_printf(&f->arena, "{\"metadata\":{\"uid\":\"u1\"},\"z\":\"%0200000d\"}", 1);
    struct command c = write_of(f, BACKEND_CREATE, "team", "big", "u1");
    c.write.body = slice_of(big);
    c.write.splice = 13;
    struct apply_result result;
    struct apply_entry entry = {
        .index = f->db.state.applied_index + 1, .term = 1, .payload = encode_entry(f, &c, 1)};
    assert_int_equal(apply_entries(&f->db, &entry, 1, SLICE(""), &f->arena, &result, &err),
                     ERR_FULL);
    assert_int_equal(sqlite3_exec(f->db.sql, "PRAGMA max_page_count = 100000", NULL, NULL, NULL),
                     0);
    assert_int_equal(apply_entries(&f->db, &entry, 1, SLICE(""), &f->arena, &result, &err), 0);
}

static int verify(struct fixture *f, uint64_t *count)
{
    struct reader r;
    assert_int_equal(reader_open(&r, f->path, SHARD, &f->err), 0);
    assert_int_equal(reader_begin(&r, &f->err), 0);
    int rc = audit_verify(&r, count, &f->err);
    reader_close(&r);
    return rc;
}

static const char restore[] = "DELETE FROM audit; INSERT INTO audit SELECT * FROM temp.kept";

/* Keeps the table for `restore`. */
static void keep_audit(struct fixture *f)
{
    const char *text = "DROP TABLE IF EXISTS temp.kept;"
                       "CREATE TEMP TABLE kept AS SELECT * FROM audit";
    assert_int_equal(sqlite3_exec(f->db.sql, text, NULL, NULL, NULL), 0);
}

static void audit_records_are_chained(void **state)
{
    struct fixture *f = *state;
    uint64_t count;
    assert_int_equal(verify(f, &count), 0);
    assert_int_equal(count, 0);
    for (int i = 0; i < 5; i++) {
        char name[] = {(char)('a' + i), '\0'};
        struct command c = write_of(f, BACKEND_CREATE, "team", name, "u1");
        c.write.audit = SLICE("{\"who\":\"anna\"}");
        f->now_ms += 10;
        (void)apply_1(f, c);
    }
    (void)create(f, "unrecorded"); /* no record, no link */
    assert_int_equal(verify(f, &count), 0);
    assert_int_equal(count, 5);
    assert_int_equal(f->db.audit_head.len, 32);

    /* Cut at its old end it still holds. */
    struct command c = {.kind = COMMAND_COMPACT,
                        .compact = {.before = 1, .rows_max = 10, .audit_before_ms = T0 + 30}};
    (void)apply_1(f, c);
    assert_int_equal(verify(f, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(f->db.state.audit_count, 5);

    static const char *const tricks[] = {
        "UPDATE audit SET record = '{}' WHERE seq = 4",
        "UPDATE audit SET subject = 'eve' WHERE seq = 5",
        "DELETE FROM audit WHERE seq = 4",
        "DELETE FROM audit WHERE seq = 5",
        "UPDATE audit SET hash = '' WHERE seq = 3",
    };
    for (size_t i = 0; i < sizeof tricks / sizeof tricks[0]; i++) {
        keep_audit(f);
        assert_int_equal(sqlite3_exec(f->db.sql, tricks[i], NULL, NULL, NULL), 0);
        assert_int_equal(verify(f, &count), ERR_CORRUPT);
        assert_non_null(strstr(f->err.message, "audit: "));
        assert_int_equal(sqlite3_exec(f->db.sql, restore, NULL, NULL, NULL), 0);
        assert_int_equal(verify(f, &count), 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(creates_updates_and_deletes_with_preconditions),
        TEST(a_retry_gets_the_first_outcome),
        TEST(a_conflict_that_the_server_made_is_not_kept),
        TEST(ids_outside_the_window_or_reused_are_refused),
        TEST(forgotten_requests_are_never_executed_again),
        TEST(expiry_goes_in_steps),
        TEST(namespaces_guard_their_objects),
        TEST(a_new_leader_stamps_above_the_ceilings_before_it),
        TEST(stops_at_what_no_leader_writes),
        TEST(entries_already_applied_are_skipped),
        TEST(a_refused_commit_leaves_everything_as_it_was),
        TEST(a_full_disk_is_said_and_survived),
        TEST(audit_records_are_chained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
