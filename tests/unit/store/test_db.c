/* Opening, migrating, checkpoints, damage, and what a crash leaves. */
#include "tests/unit/store/fixture.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <signal.h>
#include <sys/wait.h>

#include "store/digest.h"

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

static int open_rc(struct fixture *f, uint32_t shard, const char *cluster)
{
    struct db db;
    struct db_config config = {.path = f->path, .shard = shard, .cluster = slice_of(cluster)};
    int rc = db_open(&db, &config, &f->err);
    if (rc == 0) {
        db_close(&db);
    }
    return rc;
}

static void state_survives_closing(void **state)
{
    struct fixture *f = *state;
    (void)apply_1(f, write_of(f, BACKEND_CREATE, "team", "a", "u1"));
    struct db_state before = f->db.state;
    db_close(&f->db);
    fixture_open(f);
    assert_same_state(&before, &f->db.state);
    assert_true(slice_eq_cstr(buf_slice(&f->db.raft_meta), "conf"));
    assert_int_equal(db_verify(&f->db, &f->err), 0);
}

static void another_shards_or_clusters_file_is_refused(void **state)
{
    struct fixture *f = *state;
    db_close(&f->db);
    assert_int_equal(open_rc(f, SHARD + 1, "c1"), ERR_INVALID);
    assert_int_equal(open_rc(f, SHARD, "c2"), ERR_INVALID);
    assert_non_null(strstr(f->err.message, "another cluster"));
    assert_int_equal(open_rc(f, SHARD, "c1"), 0);
    fault_arm("store.open", 1, false);
    assert_int_equal(open_rc(f, SHARD, "c1"), ERR_IO);
    fault_arm("store.open.full", 1, false);
    assert_int_equal(open_rc(f, SHARD, "c1"), ERR_FULL);
}

static void damaged_foreign_and_newer_files_are_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t index;
    assert_int_equal(db_checkpoint(&f->db, &index, &f->err), 0);
    assert_int_equal(sqlite3_exec(f->db.sql, "PRAGMA user_version = 99", NULL, NULL, NULL), 0);
    db_close(&f->db);
    assert_int_equal(open_rc(f, SHARD, "c1"), ERR_UNSUPPORTED);

    fixture_remove_files(f);
    sqlite3 *foreign;
    assert_int_equal(sqlite3_open(f->path, &foreign), SQLITE_OK);
    assert_int_equal(sqlite3_exec(foreign, "CREATE TABLE t (x)", NULL, NULL, NULL), 0);
    sqlite3_close(foreign);
    assert_int_equal(open_rc(f, SHARD, "c1"), ERR_CORRUPT);
    struct reader reader;
    assert_int_equal(reader_open(&reader, f->path, SHARD, &f->err), ERR_CORRUPT);

    fixture_remove_files(f);
    int fd = open(f->path, O_CREAT | O_WRONLY, 0600);
    char rubbish[8192];
    memset(rubbish, 'x', sizeof rubbish);
    assert_int_equal(write(fd, rubbish, sizeof rubbish), sizeof rubbish);
    close(fd);
    assert_int_equal(open_rc(f, SHARD, "c1"), ERR_CORRUPT);
    fixture_remove_files(f);
    struct db_config config = {.path = "/nonexistent/state.db"};
    struct db db;
    assert_int_equal(db_open(&db, &config, &f->err), ERR_IO);
    assert_non_null(strstr(f->err.message, "/nonexistent/state.db"));
}

static void a_checkpoint_is_complete_or_says_busy(void **state)
{
    struct fixture *f = *state;
    struct reader r;
    uint64_t index = 0;
    assert_int_equal(reader_open(&r, f->path, SHARD, &f->err), 0);
    assert_int_equal(reader_begin(&r, &f->err), 0);
    (void)apply_1(f, write_of(f, BACKEND_CREATE, "team", "a", "u1"));
    assert_true(db_wal_bytes(&f->db) > 0);
    assert_int_equal(db_checkpoint(&f->db, &index, &f->err), ERR_BUSY);
    assert_int_equal(index, 0);
    reader_end(&r);
    assert_int_equal(db_checkpoint(&f->db, &index, &f->err), 0);
    assert_int_equal(index, f->db.state.applied_index);
    assert_int_equal(db_wal_bytes(&f->db), 0);
    fault_arm("store.checkpoint", 1, false);
    assert_int_equal(db_checkpoint(&f->db, &index, &f->err), ERR_IO);
    reader_close(&r);

    /* What was checkpointed is in the file alone. */
    char wal[128];
    (void)snprintf(wal, sizeof wal, "%s-wal", f->path);
    struct db_state before = f->db.state;
    db_close(&f->db);
    (void)unlink(wal);
    fixture_open(f);
    assert_same_state(&before, &f->db.state);
}

/* The entries 1..count, always the same. */
static struct apply_entry *make_entries(struct fixture *f, size_t count)
{
    struct apply_entry *entries = arena_zero(&f->arena, count * sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        const char *name = arena_printf(&f->arena, "o%zu", i % 7);
        enum backend_verb verb = i % 14 < 7 ? BACKEND_CREATE : BACKEND_DELETE;
        struct command c = write_of(f, verb, "", name, "u1");
        entries[i] =
            (struct apply_entry){.index = i + 1, .term = 1, .payload = encode_entry(f, &c, 1)};
    }
    return entries;
}

static void digest_of(struct fixture *f, uint8_t digest[SHA256_BYTES])
{
    struct reader r;
    uint64_t index;
    assert_int_equal(reader_open(&r, f->path, SHARD, &f->err), 0);
    assert_int_equal(digest_rows(&r, digest, &index, &f->err), 0);
    assert_int_equal(index, f->db.state.applied_index);
    reader_close(&r);
}

static int apply_some(struct fixture *f, const struct apply_entry *entries, size_t count)
{
    struct arena arena = {0};
    struct apply_result result;
    int rc = apply_entries(&f->db, entries, count, SLICE("m"), &arena, &result, &f->err);
    arena_free(&arena);
    return rc;
}

static struct command tied(struct fixture *f, enum backend_verb verb, const char *name,
                           const char *ties)
{
    struct command c = write_of(f, verb, "team", name, name);
    char *body = arena_printf(&f->arena, "{\"metadata\":{%s,\"uid\":\"%s\"}}", ties, name);
    c.write.body = slice_of(body);
    c.write.splice = (uint32_t)(strstr(body, ",\"uid\":\"") + 1 - body);
    return c;
}

/* "owner<name " for each row, in order. */
static const char *dependents(struct fixture *f)
{
    struct reader r;
    struct reader_dependent row = {0};
    struct buf out = {0};
    bool found = true;
    assert_int_equal(reader_open(&r, f->path, SHARD, &f->err), 0);
    assert_int_equal(reader_begin(&r, &f->err), 0);
    reader_dependents_start(&r, &row, true);
    while (reader_dependents_next(&r, &row, &found, &f->err) == 0 && found) {
        buf_addf(&out, "%.*s<%.*s ", SLICE_ARG(row.owner), SLICE_ARG(row.key.name));
    }
    reader_end(&r);
    reader_close(&r);
    struct slice text = arena_copy(&f->arena, buf_slice(&out));
    buf_free(&out);
    return arena_printf(&f->arena, "%.*s", SLICE_ARG(text));
}

static void who_depends_on_whom_is_kept_and_migrated(void **state)
{
    struct fixture *f = *state;
    static const char *const refs =
        "\"ownerReferences\":[{\"uid\":\"o1\"},{\"uid\":\"o2\"},{\"uid\":\"o1\"},{\"uid\":\"\"},7]";
    (void)apply_1(f, tied(f, BACKEND_CREATE, "a", refs));
    (void)apply_1(f, tied(f, BACKEND_CREATE, "b", "\"ownerReferences\":[{\"uid\":\"o\\u00e41\"}]"));
    (void)apply_1(f, tied(f, BACKEND_CREATE, "c", "\"finalizers\":[\"orphan\"]"));
    (void)apply_1(
        f, tied(f, BACKEND_CREATE, "d",
                "\"deletionTimestamp\":\"x\",\"finalizers\":[\"z\",\"foregroundDeletion\"]"));
    (void)apply_1(f, tied(f, BACKEND_CREATE, "e", "\"ownerReferences\":\"no list\""));
    (void)apply_1(f, tied(f, BACKEND_CREATE, "g", "\"ownerReferences\":[{\"uid\":\"o1\"}]"));
    assert_string_equal(dependents(f), "<d o1<a o1<g o2<a o\xc3\xa4"
                                       "1<b ");
    (void)apply_1(f, tied(f, BACKEND_UPDATE, "a", "\"ownerReferences\":[{\"uid\":\"o2\"}]"));
    (void)apply_1(
        f, tied(f, BACKEND_UPDATE, "c", "\"deletionTimestamp\":\"x\",\"finalizers\":[\"orphan\"]"));
    (void)apply_1(f, tied(f, BACKEND_UPDATE, "d",
                          "\"deletionTimestamp\":\"x\",\"finalizers\":[\"orphans\"]"));
    (void)apply_1(f, tied(f, BACKEND_DELETE, "g", "\"ownerReferences\":[{\"uid\":\"o1\"}]"));
    assert_string_equal(dependents(f), "<c o2<a o\xc3\xa4"
                                       "1<b ");

    uint8_t kept[SHA256_BYTES];
    uint8_t migrated[SHA256_BYTES];
    digest_of(f, kept);
    assert_int_equal(
        sqlite3_exec(f->db.sql, "DROP TABLE dependents; DROP TABLE events; PRAGMA user_version = 1",
                     NULL, NULL, NULL),
        0);
    db_close(&f->db);
    fixture_open(f);
    digest_of(f, migrated);
    assert_string_equal(dependents(f), "<c o2<a o\xc3\xa4"
                                       "1<b ");
    assert_memory_equal(kept, migrated, SHA256_BYTES);
}

/* A child applies entries until it is killed; what it left is replayed from the start. */
static void a_killed_writer_leaves_whole_entries(void **state)
{
    struct fixture *f = *state;
    db_close(&f->db);
    fixture_remove_files(f);
    enum { ENTRIES = 600 };
    struct apply_entry *entries = make_entries(f, ENTRIES);
    for (int round = 0; round < 4; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0) {
            struct db_config config = {.path = f->path, .shard = SHARD, .cluster = SLICE("c1")};
            if (db_open(&f->db, &config, &f->err) != 0) {
                _exit(1);
            }
            size_t from = f->db.state.applied_index;
            for (size_t i = from; i < ENTRIES; i += 3) {
                size_t count = ENTRIES - i < 3 ? ENTRIES - i : 3;
                if (apply_some(f, entries + i, count) != 0 || write(pipes[1], "x", 1) != 1) {
                    _exit(1);
                }
                uint64_t index;
                if (i % 30 == 0 && db_checkpoint(&f->db, &index, &f->err) != 0) {
                    _exit(1);
                }
            }
            _exit(0);
        }
        close(pipes[1]);
        char seen;
        for (int i = 0; i < 15 + 7 * round; i++) {
            assert_int_equal(read(pipes[0], &seen, 1), 1);
        }
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        close(pipes[0]);
        fixture_open(f);
        assert_int_equal(db_verify(&f->db, &f->err), 0);
        assert_true(f->db.state.applied_index >= 3 * (uint64_t)(15 + 7 * round));
        db_close(&f->db);
    }
    fixture_open(f);
    assert_int_equal(apply_some(f, entries, ENTRIES), 0); /* from the start: skips what is there */
    uint8_t after[SHA256_BYTES];
    digest_of(f, after);

    struct fixture *calm = fixture_new();
    assert_int_equal(apply_some(calm, entries, ENTRIES), 0);
    uint8_t expected[SHA256_BYTES];
    digest_of(calm, expected);
    assert_memory_equal(after, expected, SHA256_BYTES);
    fixture_free(calm);
}

static void a_second_writer_is_turned_away(void **state)
{
    struct fixture *f = *state;
    struct db other;
    struct db_config config = {.path = f->path, .shard = SHARD, .cluster = SLICE("c1")};
    assert_int_equal(db_open(&other, &config, &f->err), 0); /* SQLite lets it in ... */
    assert_int_equal(sqlite3_busy_timeout(other.sql, 1), SQLITE_OK);
    assert_int_equal(sqlite3_exec(f->db.sql, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct apply_entry entry = {.index = other.state.applied_index + 1, .term = 1};
    struct apply_result result;
    assert_int_equal(apply_entries(&other, &entry, 1, SLICE(""), &f->arena, &result, &f->err),
                     ERR_BUSY);
    assert_int_equal(sqlite3_exec(f->db.sql, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    db_close(&other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(state_survives_closing),
        TEST(another_shards_or_clusters_file_is_refused),
        TEST(damaged_foreign_and_newer_files_are_refused),
        TEST(a_checkpoint_is_complete_or_says_busy),
        TEST(who_depends_on_whom_is_kept_and_migrated),
        TEST(a_killed_writer_leaves_whole_entries),
        TEST(a_second_writer_is_turned_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
