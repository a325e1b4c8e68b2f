/* apply.c: how fast one shard's store applies, reads and compacts; one thread.
 *
 *   bench_store_apply [OBJECTS] [BODY_BYTES] [COMMANDS_PER_ENTRY] [DIR]
 *
 * Prints a line per measure: name, operations per second, microseconds each. Every entry is its own
 * transaction; request ids and audit records are kept as in production. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/apply.h"
#include "store/reader.h"
#include "store/version.h"

enum { SHARD = 1, BATCH_MAX = 1024 };

struct bench {
    struct db db;
    char path[256];
    size_t objects;
    size_t body_bytes;
    size_t batch;
    uint64_t now_ms;
    uint64_t version;
    struct buf body;
    uint32_t splice;
};

static _Noreturn void die(const struct err *err)
{
    (void)fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static void report(const char *name, size_t count, uint64_t ns)
{
    double seconds = (double)ns / 1e9;
    (void)printf("%-24s %10.0f /s %9.2f us\n", name, (double)count / seconds,
                 1e6 * seconds / (double)count);
}

static void make_body(struct bench *b)
{
    buf_add_cstr(&b->body,
                 "{\"apiVersion\":\"v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"x\",");
    b->splice = (uint32_t)b->body.len;
    buf_add_cstr(&b->body, "\"uid\":\"00000000-0000-4000-8000-000000000000\"},\"spec\":\"");
    while (b->body.len < b->body_bytes) {
        buf_add_char(&b->body, (char)('a' + b->body.len % 26));
    }
    buf_add_cstr(&b->body, "\"}");
}

/* Names in a shuffled order, so that the key's index is hit all over. */
static size_t shuffled(const struct bench *b, size_t i)
{
    return i * 7368787 % b->objects;
}

static void apply_batch(struct bench *b, enum backend_verb verb, size_t from, size_t count)
{
    static char names[BATCH_MAX][24];
    static char ids[BATCH_MAX][40];
    static struct command commands[BATCH_MAX];
    struct err err;
    for (size_t i = 0; i < count; i++) {
        size_t n = shuffled(b, from + i);
        int name_len = snprintf(names[i], sizeof names[i], "object-%08zu", n);
        int id_len = snprintf(ids[i], sizeof ids[i], "%08zu%d-%020llu", n, (int)verb,
                              (unsigned long long)b->version);
        b->version = version_next(b->version, b->now_ms, SHARD);
        commands[i] = (struct command){
            .kind = COMMAND_WRITE,
            .write = {.verb = verb,
                      .key = {SLICE("things.bench.dev"), SLICE("team"),
                              slice_make(names[i], (size_t)name_len)},
                      .body = buf_slice(&b->body),
                      .splice = b->splice,
                      .version = b->version,
                      .subject = SLICE("bench"),
                      .request_id = slice_make(ids[i], (size_t)id_len),
                      .issued_ms = b->now_ms,
                      .request_digest = SLICE("0123456789abcdef0123456789abcdef"),
                      .audit =
                          SLICE("{\"from\":\"127.0.0.1\",\"user\":\"bench\",\"verb\":\"create\"}")},
        };
    }
    struct entry entry = {
        .time_ms = b->now_ms, .compressed = true, .commands = commands, .count = count};
    struct buf bytes = {0};
    struct arena arena = {0};
    struct apply_result result;
    if (entry_encode(&entry, &bytes, &err) != 0) {
        die(&err);
    }
    struct apply_entry one = {
        .index = b->db.state.applied_index + 1, .term = 1, .payload = buf_slice(&bytes)};
    if (apply_entries(&b->db, &one, 1, SLICE("m"), &arena, &result, &err) != 0) {
        die(&err);
    }
    for (size_t i = 0; i < result.outcome_count; i++) {
        if (result.outcomes[i].kind != OUTCOME_DONE) {
            (void)outcome_err(&result.outcomes[i], &err);
            die(&err);
        }
    }
    arena_free(&arena);
    buf_free(&bytes);
}

static void checkpoint(struct bench *b)
{
    struct err err;
    uint64_t index;
    if (db_checkpoint(&b->db, &index, &err) != 0) {
        die(&err);
    }
}

static void measure_writes(struct bench *b, enum backend_verb verb, const char *name)
{
    uint64_t in_checkpoints = 0;
    uint64_t start = clock_mono_ns();
    for (size_t at = 0; at < b->objects; at += b->batch) {
        b->now_ms += 1;
        apply_batch(b, verb, at, b->batch < b->objects - at ? b->batch : b->objects - at);
        if (db_wal_bytes(&b->db) > 32 * 1024 * 1024) {
            uint64_t from = clock_mono_ns();
            checkpoint(b);
            in_checkpoints += clock_mono_ns() - from;
        }
    }
    uint64_t all = clock_mono_ns() - start;
    report(name, b->objects, all);
    (void)printf("%-24s %10.1f %%\n", "  of it checkpoints",
                 100.0 * (double)in_checkpoints / (double)all);
}

static void measure_reads(struct bench *b)
{
    struct err err;
    struct reader r;
    struct reader_row row;
    if (reader_open(&r, b->path, SHARD, &err) != 0) {
        die(&err);
    }
    uint64_t start = clock_mono_ns();
    for (size_t i = 0; i < b->objects; i++) {
        char name[24];
        int len = snprintf(name, sizeof name, "object-%08zu", shuffled(b, i));
        struct backend_key key = {SLICE("things.bench.dev"), SLICE("team"),
                                  slice_make(name, (size_t)len)};
        if (reader_begin(&r, &err) != 0 || reader_get(&r, &key, 0, &row, &err) != 0) {
            die(&err);
        }
        reader_end(&r);
    }
    report("get", b->objects, clock_mono_ns() - start);

    struct reader_page page = {.resource = SLICE("things.bench.dev"), .all_namespaces = true};
    bool found = true;
    size_t rows = 0;
    start = clock_mono_ns();
    if (reader_begin(&r, &err) != 0 || reader_page_start(&r, &page, &err) != 0) {
        die(&err);
    }
    while (found) {
        if (reader_page_next(&r, &row, &found, &err) != 0) {
            die(&err);
        }
        rows += found ? 1 : 0;
    }
    reader_page_end(&r);
    report("list, rows", rows, clock_mono_ns() - start);
    rows = 0;
    found = true;
    start = clock_mono_ns();
    if (reader_changes_start(&r, 0, INT64_MAX, &err) != 0) {
        die(&err);
    }
    while (found) {
        if (reader_changes_next(&r, &row, &found, &err) != 0) {
            die(&err);
        }
        rows += found ? 1 : 0;
    }
    reader_changes_end(&r);
    report("changes, rows", rows, clock_mono_ns() - start);
    reader_end(&r);
    reader_close(&r);
}

static void apply_upkeep(struct bench *b, struct command *command, struct outcome *outcome)
{
    struct err err;
    struct buf bytes = {0};
    struct arena arena = {0};
    struct apply_result result;
    struct entry entry = {
        .time_ms = b->now_ms, .compressed = true, .commands = command, .count = 1};
    if (entry_encode(&entry, &bytes, &err) != 0) {
        die(&err);
    }
    struct apply_entry one = {
        .index = b->db.state.applied_index + 1, .term = 1, .payload = buf_slice(&bytes)};
    if (apply_entries(&b->db, &one, 1, SLICE("m"), &arena, &result, &err) != 0) {
        die(&err);
    }
    if (outcome != NULL) {
        *outcome = result.outcomes[0];
    }
    arena_free(&arena);
    buf_free(&bytes);
}

static void measure_compaction(struct bench *b)
{
    struct outcome outcome = {0};
    uint64_t longest = 0;
    uint64_t start = clock_mono_ns();
    while (outcome.version < b->version) {
        struct command c = {.kind = COMMAND_COMPACT,
                            .compact = {.before = b->version, .rows_max = 1000}};
        uint64_t from = clock_mono_ns();
        apply_upkeep(b, &c, &outcome);
        uint64_t took = clock_mono_ns() - from;
        longest = took > longest ? took : longest;
    }
    report("compact, rows", 2 * b->objects, clock_mono_ns() - start);
    (void)printf("%-24s %10.2f ms\n", "  longest step of 1000", (double)longest / 1e6);
}

static size_t argument(int argc, char **argv, int at, size_t otherwise)
{
    uint64_t value = otherwise;
    if (argc > at && (!slice_u64(slice_of(argv[at]), &value) || value == 0)) {
        (void)fprintf(stderr, "usage: %s [OBJECTS] [BODY_BYTES] [COMMANDS_PER_ENTRY] [DIR]\n",
                      argv[0]);
        exit(2);
    }
    return (size_t)value;
}

int main(int argc, char **argv)
{
    struct err err;
    struct bench b = {.objects = argument(argc, argv, 1, 50000),
                      .body_bytes = argument(argc, argv, 2, 1500),
                      .batch = argument(argc, argv, 3, 128),
                      .now_ms = VERSION_EPOCH_WALL_MS + UINT64_C(200000000000)};
    if (b.batch > BATCH_MAX) {
        b.batch = BATCH_MAX;
    }
    char dir[128];
    (void)snprintf(dir, sizeof dir, "%s/bench-store-XXXXXX", argc > 4 ? argv[4] : "/tmp");
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 1;
    }
    (void)snprintf(b.path, sizeof b.path, "%s/state.db", dir);
    make_body(&b);
    struct db_config config = {.path = b.path, .shard = SHARD};
    if (db_open(&b.db, &config, &err) != 0) {
        die(&err);
    }
    struct command mark = {.kind = COMMAND_NAMESPACE, .mark = {SLICE("team"), NAMESPACE_ACTIVE}};
    apply_upkeep(&b, &mark, NULL);
    measure_writes(&b, BACKEND_CREATE, "create");
    measure_writes(&b, BACKEND_UPDATE, "update");
    measure_reads(&b);
    measure_compaction(&b);
    db_close(&b.db);
    buf_free(&b.body);
    const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[300];
        (void)snprintf(path, sizeof path, "%s%s", b.path, suffixes[i]);
        (void)unlink(path);
    }
    return rmdir(dir) == 0 ? 0 : 1;
}
