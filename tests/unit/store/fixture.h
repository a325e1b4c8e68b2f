/* fixture.h: a database in a folder of its own, and short ways to say commands.
 * Owner: the test. Thread: the test's. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "store/apply.h"
#include "store/reader.h"
#include "store/version.h"

enum { SHARD = 3 };
#define T0 (VERSION_EPOCH_WALL_MS + UINT64_C(200000000000)) /* wall clock of the tests */

struct fixture {
    char dir[64];
    char path[96];
    struct db db;
    struct arena arena;
    struct err err;
    uint64_t now_ms;
    uint64_t version; /* last stamped */
    uint64_t request; /* last request id */
};

/* Field by field: the struct has padding. */
__attribute__((unused)) static void assert_same_state(const struct db_state *a,
                                                      const struct db_state *b)
{
    assert_true(a->shard == b->shard && a->namespaces_open == b->namespaces_open);
    assert_true(a->applied_index == b->applied_index && a->applied_term == b->applied_term);
    assert_true(a->last_version == b->last_version && a->stamp_floor == b->stamp_floor);
    assert_true(a->ceiling == b->ceiling && a->open_term == b->open_term);
    assert_true(a->incarnation == b->incarnation && a->floor == b->floor);
    assert_true(a->compacted == b->compacted && a->expired_ms == b->expired_ms);
    assert_true(a->time_ms == b->time_ms && a->audit_count == b->audit_count);
}

__attribute__((unused)) static void fixture_open(struct fixture *f)
{
    struct db_config config = {.path = f->path, .shard = SHARD, .cluster = SLICE("c1")};
    if (db_open(&f->db, &config, &f->err) != 0) {
        fail_msg("%s", f->err.message);
    }
}

__attribute__((unused)) static struct fixture *fixture_new(void)
{
    struct fixture *f = mem_zero(sizeof *f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/choreo-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/state.db", f->dir);
    f->now_ms = T0;
    fixture_open(f);
    return f;
}

__attribute__((unused)) static void fixture_remove_files(const struct fixture *f)
{
    const char *const suffixes[] = {"", "-wal", "-shm", ".new", ".image"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s", f->path, suffixes[i]);
        (void)unlink(path);
    }
}

__attribute__((unused)) static void fixture_free(struct fixture *f)
{
    fault_disarm_all();
    if (f->db.sql != NULL) {
        db_close(&f->db);
    }
    fixture_remove_files(f);
    (void)rmdir(f->dir);
    arena_free(&f->arena);
    free(f);
}

__attribute__((unused)) static uint64_t stamp(struct fixture *f)
{
    f->version = version_next(f->version, f->now_ms, SHARD);
    return f->version;
}

/* A write with a fresh request id, stamped now. */
__attribute__((unused)) static struct command write_of(struct fixture *f, enum backend_verb verb,
                                                       const char *ns, const char *name,
                                                       const char *uid)
{
    char *body =
        arena_printf(&f->arena, "{\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\"}}", name, uid);
    char *id = arena_printf(&f->arena, "request-%012llu", (unsigned long long)++f->request);
    return (struct command){
        .kind = COMMAND_WRITE,
        .write = {.verb = verb,
                  .key = {.resource = SLICE("things.test"),
                          .ns = slice_of(arena_printf(&f->arena, "%s", ns)),
                          .name = slice_of(arena_printf(&f->arena, "%s", name))},
                  .body = slice_of(body),
                  .splice = (uint32_t)(strstr(body, "\"uid\"") - body),
                  .version = stamp(f),
                  .client_made = true,
                  .subject = SLICE("anna"),
                  .request_id = slice_of(id),
                  .issued_ms = f->now_ms,
                  .request_digest = SLICE("0123456789abcdef0123456789abcdef")},
    };
}

__attribute__((unused)) static struct slice encode_entry(struct fixture *f,
                                                         struct command *commands, size_t count)
{
    struct entry entry = {.time_ms = f->now_ms, .commands = commands, .count = count};
    struct buf out = {0};
    assert_int_equal(entry_encode(&entry, &out, &f->err), 0);
    struct slice copy = arena_copy(&f->arena, buf_slice(&out));
    buf_free(&out);
    return copy;
}

/* Applies the commands as the next entry; outcomes live in the fixture's arena. */
__attribute__((unused)) static int apply_commands(struct fixture *f, struct command *commands,
                                                  size_t count, struct apply_result *result)
{
    struct apply_entry entry = {.index = f->db.state.applied_index + 1,
                                .term = 1,
                                .payload = encode_entry(f, commands, count)};
    return apply_entries(&f->db, &entry, 1, SLICE("conf"), &f->arena, result, &f->err);
}

/* Applies one command, which must not stop the replica. */
__attribute__((unused)) static struct outcome apply_1(struct fixture *f, struct command command)
{
    struct apply_result result;
    if (apply_commands(f, &command, 1, &result) != 0) {
        fail_msg("%s", f->err.message);
    }
    assert_int_equal(result.outcome_count, 1);
    return result.outcomes[0];
}

__attribute__((unused)) static void make_namespace(struct fixture *f, const char *name,
                                                   enum namespace_state state)
{
    struct outcome o =
        apply_1(f, (struct command){.kind = COMMAND_NAMESPACE, .mark = {slice_of(name), state}});
    assert_int_equal(o.kind, OUTCOME_DONE);
}

#endif
