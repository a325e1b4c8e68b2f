/* test_wal.c: the log keeps what it synced, tells damage from torn tails, and sheds old segments.
 */
#include "raft/wal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/log.h"
#include "tests/lib/disk.h"
#include "tests/lib/tmpdir.h"

enum { STATES_MAX = 4096 };

struct fixture {
    struct disk disk;
    struct wal *wal;
    uint64_t random;
    bool failed;
    /* the groups, spelled out, after each batch; states[0] is the empty log */
    char *states[STATES_MAX];
    size_t ends[STATES_MAX]; /* length of the newest file then */
    size_t state_count;
    size_t acknowledged; /* the state that a waiter has reported durable */
};

static uint64_t dice(struct fixture *f, uint64_t sides)
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (f->random >> 33) % sides;
}

static void on_failed(void *user, const struct err *err)
{
    struct fixture *f = user;
    assert_true(err->code == ERR_IO || err->code == ERR_FULL);
    f->failed = true;
}

static int open_log(struct fixture *f, struct disk *disk, struct err *err)
{
    struct wal_config config = {.fs = &disk->fs,
                                .identity = SLICE("test/node-1"),
                                .segment_bytes = 4096,
                                .salt = 77,
                                .failed = on_failed,
                                .user = f};
    return wal_open(&config, &f->wal, err);
}

static char *spell(struct wal *w)
{
    struct buf out = {0};
    for (struct wal_group *g = wal_group_next(w, NULL); g != NULL; g = wal_group_next(w, g)) {
        buf_addf(&out, "group %u server %llu term %llu vote %llu snapshot %llu^%llu install %llu ",
                 g->id, (unsigned long long)g->server_id, (unsigned long long)g->term,
                 (unsigned long long)g->vote, (unsigned long long)g->snapshot.index,
                 (unsigned long long)g->snapshot.term, (unsigned long long)g->install.index);
        if (g->snapshot.configuration != NULL) {
            buf_add(&out, payload_slice(g->snapshot.configuration));
        }
        buf_addf(&out, " %llu..%llu\n", (unsigned long long)g->first, (unsigned long long)g->last);
        for (uint64_t i = g->first; i <= g->last; i++) {
            const struct wal_entry *e = wal_entry(g, i);
            assert_non_null(e);
            buf_addf(&out, "  %llu %d %.*s\n", (unsigned long long)e->term, (int)e->type,
                     SLICE_ARG(payload_slice(e->data)));
        }
    }
    return buf_take(&out);
}

static size_t newest_length(struct disk *d)
{
    struct disk_file *newest = NULL;
    for (struct disk_file *file = d->files; file != NULL; file = file->next) {
        if (file->exists && (newest == NULL || strcmp(file->name, newest->name) > 0)) {
            newest = file;
        }
    }
    return newest != NULL ? newest->content.len : 0;
}

static struct disk_file *newest_file(struct disk *d)
{
    struct disk_file *newest = NULL;
    for (struct disk_file *file = d->files; file != NULL; file = file->next) {
        if (file->exists && (newest == NULL || strcmp(file->name, newest->name) > 0)) {
            newest = file;
        }
    }
    assert_non_null(newest);
    return newest;
}

static void note_state(struct fixture *f)
{
    assert_true(f->state_count < STATES_MAX);
    f->ends[f->state_count] = newest_length(&f->disk);
    f->states[f->state_count++] = spell(f->wal);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    disk_init(&f->disk, 5);
    f->random = 12345;
    *state = f;
    return open_log(f, &f->disk, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    wal_free(f->wal);
    disk_free(&f->disk);
    for (size_t i = 0; i < f->state_count; i++) {
        free(f->states[i]);
    }
    free(f);
    fault_disarm_all();
    return 0;
}

static void append_text(struct wal_group *g, uint64_t term, const char *text)
{
    struct payload *p = payload_new(slice_of(text));
    wal_append(g, term, WAL_ENTRY_COMMAND, p);
    payload_unref(p);
}

static struct wal_group *any_group(struct fixture *f)
{
    uint32_t id = (uint32_t)dice(f, 3);
    struct wal_group *g = wal_group(f->wal, id);
    return g != NULL ? g : wal_group_create(f->wal, id, 100 + id);
}

/* One change of the kinds that a group makes. */
static void change(struct fixture *f)
{
    struct wal_group *g = any_group(f);
    char text[80];
    switch (dice(f, 10)) {
    case 0:
        wal_set_term(g, g->term + 1, dice(f, 4));
        break;
    case 1:
        if (g->last > g->snapshot.index && g->last >= g->first) {
            uint64_t low = g->snapshot.index + 1 > g->first ? g->snapshot.index + 1 : g->first;
            wal_truncate(g, low + dice(f, g->last - low + 1));
        }
        break;
    case 2:
        if (g->last > g->snapshot.index) {
            wal_snapshot(g, g->snapshot.index + 1 + dice(f, g->last - g->snapshot.index),
                         SLICE("conf"), dice(f, 5));
        }
        break;
    case 3:
        if (g->install.index == 0) {
            wal_install_begin(g, g->last + 1 + dice(f, 3), g->term + 1, SLICE("installed"));
        } else if (dice(f, 2) == 0) {
            wal_install_finish(g);
        } else {
            wal_install_cancel(g);
        }
        break;
    default:
        if (g->install.index == 0) {
            (void)snprintf(text, sizeof text, "entry %llu %*s", (unsigned long long)f->random,
                           (int)dice(f, 40), "");
            append_text(g, g->term + 1, text);
        }
        break;
    }
}

static void sync_all(struct fixture *f)
{
    while (wal_pending(f->wal)) {
        wal_write(f->wal);
        if (wal_writing(f->wal)) {
            wal_finish(f->wal);
        }
    }
}

/* Batches of one to four changes, each durable before the next. */
static void fill(struct fixture *f, int batches)
{
    note_state(f);
    for (int i = 0; i < batches; i++) {
        for (uint64_t n = 1 + dice(f, 4); n > 0; n--) {
            change(f);
        }
        sync_all(f);
        note_state(f);
    }
}

/* The recovered state, which must be one of the noted ones; SIZE_MAX if refused as damaged. */
static size_t recover_copy(struct fixture *f, struct disk *copy)
{
    struct fixture g = {.random = 1};
    struct err err = {0};
    int rc = open_log(&g, copy, &err);
    if (rc != 0) {
        assert_int_equal(rc, ERR_CORRUPT);
        assert_non_null(strstr(err.message, "wal"));
        return SIZE_MAX;
    }
    char *text = spell(g.wal);
    wal_free(g.wal);
    size_t found = SIZE_MAX - 1;
    for (size_t i = f->state_count; i-- > 0 && found == SIZE_MAX - 1;) {
        if (strcmp(text, f->states[i]) == 0) {
            found = i;
        }
    }
    if (found == SIZE_MAX - 1) {
        print_error("recovered a state that never was:\n%s", text);
    }
    free(text);
    assert_int_not_equal(found, SIZE_MAX - 1);
    return found;
}

static void test_reopens_as_it_was(void **state)
{
    struct fixture *f = *state;
    fill(f, 300);
    struct disk copy;
    disk_copy(&copy, &f->disk);
    size_t found = recover_copy(f, &copy);
    assert_string_equal(f->states[found], f->states[f->state_count - 1]);
    disk_free(&copy);
}

static void test_cut_at_every_byte(void **state)
{
    struct fixture *f = *state;
    fill(f, 12);
    struct disk_file *file = newest_file(&f->disk);
    for (size_t cut = 0; cut < file->content.len; cut++) {
        struct disk copy;
        disk_copy(&copy, &f->disk);
        disk_put(&copy, file->name, slice_sub(buf_slice(&file->content), 0, cut));
        size_t expected = 0;
        for (size_t i = 0; i < f->state_count; i++) {
            if (f->ends[i] <= cut) {
                expected = i;
            }
        }
        size_t found = recover_copy(f, &copy);
        assert_int_not_equal(found, SIZE_MAX);
        assert_string_equal(f->states[found], f->states[expected]);
        disk_free(&copy);
    }
}

static void test_flip_every_bit(void **state)
{
    struct fixture *f = *state;
    fill(f, 6);
    struct disk_file *file = newest_file(&f->disk);
    size_t last_start = f->ends[f->state_count - 2];
    for (size_t at = 0; at < file->content.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            struct disk copy;
            disk_copy(&copy, &f->disk);
            struct disk_file *copied = disk_find(&copy, file->name);
            copied->content.data[at] = (char)(copied->content.data[at] ^ (1 << bit));
            size_t found = recover_copy(f, &copy);
            if (at < last_start) {
                assert_int_equal(found, SIZE_MAX); /* a later batch proves that it was synced */
            } else {
                assert_string_equal(f->states[found], f->states[f->state_count - 2]);
            }
            disk_free(&copy);
        }
    }
}

static void test_mark_turns_torn_tail_into_damage(void **state)
{
    struct fixture *f = *state;
    fill(f, 6);
    size_t data_end = newest_length(&f->disk);
    wal_mark(f->wal);
    sync_all(f);
    struct disk_file *file = newest_file(&f->disk);
    assert_true(file->content.len > data_end);
    size_t marked = file->content.len;
    wal_mark(f->wal);
    sync_all(f);
    assert_int_equal(file->content.len, marked); /* one mark is enough */
    for (size_t at = f->ends[f->state_count - 2]; at < data_end; at++) {
        struct disk copy;
        disk_copy(&copy, &f->disk);
        struct disk_file *copied = disk_find(&copy, file->name);
        copied->content.data[at] = (char)(copied->content.data[at] ^ 4);
        assert_int_equal(recover_copy(f, &copy), SIZE_MAX);
        disk_free(&copy);
    }
}

static void test_whole_sectors_of_garbage(void **state)
{
    struct fixture *f = *state;
    fill(f, 40);
    struct disk_file *file = newest_file(&f->disk);
    for (int round = 0; round < 300; round++) {
        struct disk copy;
        disk_copy(&copy, &f->disk);
        struct disk_file *copied = disk_find(&copy, file->name);
        size_t at = (size_t)dice(f, copied->content.len);
        size_t len = (size_t)dice(f, 700);
        for (size_t i = at; i < at + len && i < copied->content.len; i++) {
            copied->content.data[i] = (char)dice(f, 256);
        }
        size_t found = recover_copy(f, &copy);
        if (found != SIZE_MAX) {
            size_t whole = 0;
            for (size_t i = 0; i < f->state_count; i++) {
                whole = f->ends[i] <= at ? i : whole;
            }
            assert_true(found + 2 >= f->state_count || len == 0);
            assert_true(found >= whole || strcmp(f->states[found], f->states[whole]) == 0);
        }
        disk_free(&copy);
    }
}

static void test_old_segments_go(void **state)
{
    struct fixture *f = *state;
    struct wal_group *idle = wal_group_create(f->wal, 9, 109);
    wal_set_term(idle, 4, 2);
    append_text(idle, 4, "the idle group's only entry");
    struct wal_group *busy = wal_group_create(f->wal, 1, 101);
    for (int i = 0; i < 2000; i++) {
        append_text(busy, 1, "some entry of the busy group, long enough to fill segments");
        if (i % 10 == 0) {
            wal_snapshot(busy, busy->last, SLICE("c"), 5);
        }
        sync_all(f);
    }
    int files = 0;
    for (struct disk_file *file = f->disk.files; file != NULL; file = file->next) {
        files += file->exists ? 1 : 0;
    }
    assert_true(files <= 2);
    note_state(f);
    struct disk copy;
    disk_copy(&copy, &f->disk);
    assert_int_equal(recover_copy(f, &copy), 0);
    disk_free(&copy);
    assert_non_null(strstr(f->states[0], "the idle group's only entry"));
}

struct ack {
    struct wal_waiter waiter;
    struct fixture *f;
    size_t state;
};

static void on_durable(struct wal_waiter *waiter)
{
    struct ack *a = CONTAINER_OF(waiter, struct ack, waiter);
    a->f->acknowledged = a->state;
}

/* Runs until the disk fails at operation `fail_at`, cuts the power, recovers: nothing acknowledged
 * may be missing. False once the disk outlives the run. */
static bool crash_run(unsigned fail_at, uint64_t seed)
{
    struct fixture f = {.random = 99};
    disk_init(&f.disk, seed);
    f.disk.fail_at = fail_at;
    static struct ack acks[80];
    bool opened = open_log(&f, &f.disk, NULL) == 0;
    if (opened) {
        note_state(&f);
    }
    for (int i = 0; opened && i < 80 && !f.failed; i++) {
        for (uint64_t n = 1 + dice(&f, 6); n > 0; n--) {
            change(&f);
        }
        note_state(&f);
        acks[i] = (struct ack){.waiter.fire = on_durable, .f = &f, .state = f.state_count - 1};
        wal_wait(f.wal, &acks[i].waiter);
        while (wal_pending(f.wal)) {
            wal_write(f.wal);
            if (wal_writing(f.wal)) {
                wal_finish(f.wal);
            }
        }
    }
    bool failed = f.failed || !opened;
    wal_free(opened ? f.wal : NULL);
    disk_crash(&f.disk);
    struct fixture again = {0};
    struct err err = {0};
    int rc = open_log(&again, &f.disk, &err);
    if (rc != 0) {
        print_error("fail_at %u seed %llu: %s\n", fail_at, (unsigned long long)seed, err.message);
    }
    assert_int_equal(rc, 0);
    char *text = spell(again.wal);
    bool known = f.state_count == 0;
    for (size_t i = f.acknowledged; i < f.state_count; i++) {
        known = known || strcmp(text, f.states[i]) == 0;
    }
    assert_true(known);
    free(text);
    wal_free(again.wal);
    for (size_t i = 0; i < f.state_count; i++) {
        free(f.states[i]);
    }
    disk_free(&f.disk);
    return failed;
}

static void test_crash_at_every_operation(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        unsigned n = 1;
        while (crash_run(n, seed)) {
            n++;
        }
        assert_true(n > 100);
    }
}

static void test_failure_is_final(void **state)
{
    struct fixture *f = *state;
    struct wal_group *g = wal_group_create(f->wal, 1, 101);
    sync_all(f);
    f->disk.fail_at = f->disk.operations + 2; /* the sync behind the next write */
    append_text(g, 1, "never durable");
    struct ack a = {.waiter.fire = on_durable, .f = f, .state = 7};
    wal_wait(f->wal, &a.waiter);
    sync_all(f);
    assert_true(f->failed);
    assert_int_equal(f->acknowledged, 0);
    f->disk.fail_at = 0;
    append_text(g, 1, "nor this");
    assert_false(wal_pending(f->wal));
}

static void test_refuses_another_nodes_log(void **state)
{
    struct fixture *f = *state;
    sync_all(f);
    struct wal_config config = {.fs = &f->disk.fs, .identity = SLICE("test/node-2")};
    struct wal *other = NULL;
    struct err err = {0};
    assert_int_equal(wal_open(&config, &other, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "test/node-1"));
}

static void test_missing_segment_is_damage(void **state)
{
    struct fixture *f = *state;
    struct wal_group *g = wal_group_create(f->wal, 1, 101);
    /* Stop right after a rotation, before the live entries are carried over. */
    while (f->disk.files->next == NULL) {
        append_text(g, 1, "an entry that only the first segment holds");
        wal_write(f->wal);
        wal_finish(f->wal);
    }
    note_state(f);
    struct disk copy;
    disk_copy(&copy, &f->disk);
    assert_int_equal(copy.fs.remove(&copy.fs, "0000000000000000.log"), 0);
    assert_int_equal(recover_copy(f, &copy), SIZE_MAX);
    disk_free(&copy);
}

/* ---- with a loop, a log thread and a real directory ---- */

struct threaded {
    struct loop loop;
    struct loop_timer timer;
    struct wal *wal;
    struct wal_fs *fs;
    struct wal_waiter waiters[500];
    size_t fired;
    size_t next;
    bool closed;
    bool failed;
};

static struct threaded *the_test;

static void threaded_closed(void *user)
{
    struct threaded *t = user;
    t->closed = true;
    loop_stop(&t->loop);
}

static void on_timer_gone(struct loop_timer *timer)
{
    (void)timer;
    wal_close(the_test->wal, threaded_closed, the_test);
}

static void threaded_durable(struct wal_waiter *waiter)
{
    struct threaded *t = the_test;
    assert_ptr_equal(waiter, &t->waiters[t->fired]); /* in order */
    t->fired++;
    if (t->fired == 500) {
        loop_timer_close(&t->timer, on_timer_gone);
    }
}

static void threaded_step(struct loop_timer *timer)
{
    struct threaded *t = CONTAINER_OF(timer, struct threaded, timer);
    for (int i = 0; i < 5 && t->next < 500; i++) {
        append_text(wal_group(t->wal, 1), 3, "threaded entry");
        t->waiters[t->next].fire = threaded_durable;
        wal_wait(t->wal, &t->waiters[t->next++]);
    }
}

static void threaded_failed(void *user, const struct err *err)
{
    struct threaded *t = user;
    assert_int_equal(err->code, ERR_IO);
    t->failed = true;
    loop_timer_close(&t->timer, on_timer_gone);
}

static void run_threaded(struct threaded *t, const char *dir)
{
    the_test = t;
    assert_int_equal(wal_fs_dir_new(dir, &t->fs, NULL), 0);
    assert_int_equal(loop_init(&t->loop, "test", NULL), 0);
    struct wal_config config = {.loop = &t->loop,
                                .fs = t->fs,
                                .identity = SLICE("test/node-1"),
                                .segment_bytes = 8192,
                                .failed = threaded_failed,
                                .user = t};
    assert_int_equal(wal_open(&config, &t->wal, NULL), 0);
    wal_group_create(t->wal, 1, 101);
    loop_timer_init(&t->loop, &t->timer, threaded_step);
    loop_timer_start(&t->timer, 0, 1);
    loop_run(&t->loop);
    assert_true(t->closed);
    wal_free(t->wal);
    loop_join(&t->loop);
    wal_fs_dir_free(t->fs);
}

static void test_log_thread(void **state)
{
    (void)state;
    struct tmpdir tmp;
    tmpdir_make(&tmp);
    const char *dir = tmp.path;
    struct threaded t = {0};
    run_threaded(&t, dir);
    assert_int_equal(t.fired, 500);

    struct wal_fs *fs;
    struct wal_fs *second;
    assert_int_equal(wal_fs_dir_new(dir, &fs, NULL), 0);
    assert_int_equal(wal_fs_dir_new(dir, &second, NULL), ERR_CONFLICT);
    struct wal_config config = {.fs = fs, .identity = SLICE("test/node-1")};
    struct wal *w;
    assert_int_equal(wal_open(&config, &w, NULL), 0);
    assert_int_equal(wal_group(w, 1)->last, 500);
    wal_free(w);
    wal_fs_dir_free(fs);
    tmpdir_remove(&tmp);
}

static void test_log_thread_failure(void **state)
{
    (void)state;
    struct tmpdir tmp;
    tmpdir_make(&tmp);
    const char *dir = tmp.path;
    struct threaded t = {0};
    fault_arm("wal.sync", 5, true);
    run_threaded(&t, dir);
    assert_true(t.failed);
    assert_true(t.fired < 500);
    fault_disarm_all();
    tmpdir_remove(&tmp);
}

int main(void)
{
    log_setup(LOG_ERROR, LOG_TEXT); /* torn tails are what this is about */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reopens_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flip_every_bit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mark_turns_torn_tail_into_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whole_sectors_of_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_segments_go, setup, teardown),
        cmocka_unit_test(test_crash_at_every_operation),
        cmocka_unit_test_setup_teardown(test_failure_is_final, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_another_nodes_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_segment_is_damage, setup, teardown),
        cmocka_unit_test(test_log_thread),
        cmocka_unit_test(test_log_thread_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
