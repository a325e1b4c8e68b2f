/* One writer that applies, compacts and checkpoints; readers that find every view consistent. */
#include "tests/unit/store/fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ENTRIES = 250, COMMANDS = 12, NAMES = 40, READERS = 3 };

struct crowd {
    struct fixture *f;
    atomic_bool done;
};

struct onlooker {
    pthread_t thread;
    struct crowd *crowd;
    unsigned views;
    const char *fault; /* what did not hold; NULL: all did */
    struct err err;
};

/* Every row of a page is the newest of its key, in order, and not from the future. */
static const char *check_page(struct reader *r, uint64_t *rows, struct err *err)
{
    const struct reader_page page = {.resource = SLICE("things.test"), .all_namespaces = true};
    struct reader_row row;
    struct reader_row again;
    struct buf before = {0};
    bool found = true;
    const char *fault = NULL;
    *rows = 0;
    if (reader_page_start(r, &page, err) != 0) {
        return "page_start";
    }
    while (fault == NULL && found) {
        if (reader_page_next(r, &row, &found, err) != 0) {
            fault = "page_next";
        } else if (found) {
            ++*rows;
            if (slice_cmp(buf_slice(&before), row.object.key.name) >= 0) {
                fault = "order of names";
            } else if (row.object.version > r->state.last_version) {
                fault = "a row from the future";
            } else if (reader_get(r, &row.object.key, 0, &again, err) != 0 ||
                       again.object.version != row.object.version) {
                fault = "get and page differ";
            }
            buf_clear(&before);
            buf_add(&before, row.object.key.name);
        }
    }
    reader_page_end(r);
    buf_free(&before);
    return fault;
}

static const char *check_changes(struct reader *r, struct err *err)
{
    struct reader_row row;
    bool found = true;
    uint64_t last = r->state.floor;
    if (reader_changes_start(r, last, r->state.last_version, err) != 0) {
        return "changes_start";
    }
    while (found) {
        if (reader_changes_next(r, &row, &found, err) != 0) {
            return "changes_next";
        }
        if (found && (row.object.version <= last || row.prev >= row.object.version)) {
            return "order of changes";
        }
        last = found ? row.object.version : last;
    }
    return NULL;
}

static const char *check_view(struct reader *r, struct err *err)
{
    const struct reader_page all = {.resource = SLICE("things.test"), .all_namespaces = true};
    uint64_t rows;
    uint64_t count;
    const char *fault = check_page(r, &rows, err);
    if (fault == NULL && (reader_count(r, &all, &count, err) != 0 || count != rows)) {
        fault = "count and page differ";
    }
    return fault != NULL ? fault : check_changes(r, err);
}

static void *look_on(void *arg)
{
    struct onlooker *o = arg;
    struct reader r;
    uint64_t applied = 0;
    if (reader_open(&r, o->crowd->f->path, SHARD, &o->err) != 0) {
        o->fault = "open";
        return NULL;
    }
    while (o->fault == NULL && !atomic_load(&o->crowd->done)) {
        if (reader_begin(&r, &o->err) != 0) {
            o->fault = "begin";
            break;
        }
        if (r.state.applied_index < applied) {
            o->fault = "the applied index went back";
        } else {
            o->fault = check_view(&r, &o->err);
        }
        applied = r.state.applied_index;
        reader_end(&r);
        o->views++;
    }
    reader_close(&r);
    return NULL;
}

static void write_on(struct fixture *f)
{
    unsigned seed = 7;
    for (int i = 0; i < ENTRIES; i++) {
        struct command commands[COMMANDS + 1];
        struct apply_result result;
        uint64_t index;
        f->now_ms += 50;
        for (int c = 0; c < COMMANDS; c++) {
            char name[8];
            seed = seed * 1103515245 + 12345;
            (void)snprintf(name, sizeof name, "n%02u", (seed >> 16) % NAMES);
            commands[c] = write_of(f, (enum backend_verb)((seed >> 8) % 3), "", name, "u1");
        }
        commands[COMMANDS] = (struct command){
            .kind = COMMAND_COMPACT,
            .compact = {.before = version_at(f->now_ms - 500, SHARD), .rows_max = 100}};
        assert_int_equal(apply_commands(f, commands, COMMANDS + 1, &result), 0);
        if (i % 10 == 9 && db_checkpoint(&f->db, &index, &f->err) != 0) {
            assert_int_equal(f->err.code, ERR_BUSY);
        }
        arena_free(&f->arena);
    }
}

static void readers_see_whole_transactions_only(void **state)
{
    (void)state;
    struct crowd crowd = {.f = fixture_new()};
    struct onlooker onlookers[READERS] = {0};
    for (int i = 0; i < READERS; i++) {
        onlookers[i].crowd = &crowd;
        assert_int_equal(pthread_create(&onlookers[i].thread, NULL, look_on, &onlookers[i]), 0);
    }
    write_on(crowd.f);
    atomic_store(&crowd.done, true);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(onlookers[i].thread, NULL), 0);
        if (onlookers[i].fault != NULL) {
            fail_msg("%s: %s", onlookers[i].fault, onlookers[i].err.message);
        }
        assert_true(onlookers[i].views > 0);
    }
    assert_int_equal(db_verify(&crowd.f->db, &crowd.f->err), 0);
    fixture_free(crowd.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(readers_see_whole_transactions_only)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
