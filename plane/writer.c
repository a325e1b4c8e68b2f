/* writer.c: the one thread that writes: group commit, namespaces, upkeep.
 *
 * Happy path: submits gather in the queue while the loop runs its mailbox; the batch timer then
 * takes as many as fit into one entry, stamps them, applies the entry in one transaction, lets
 * namespaces follow (in a second one, before anybody is answered), tells the loops that there is
 * more to read, and sends each op home with its outcome.
 * Failure path: a full disk is each submit's ERR_FULL. Anything else that apply refuses means that
 * the database cannot be trusted: the process ends.
 * A crash between the two transactions leaves a namespace's row behind its object; opening mends
 * that before the first request. */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/log.h"
#include "plane/backend_internal.h"
#include "proto/object.h"
#include "store/apply.h"
#include "store/version.h"

enum {
    UPKEEP_MS = 5000,
    UPKEEP_ROWS = 2000,
    WAL_BYTES = 4 * 1024 * 1024,
    HISTORY_MS = 600000,
    PURGE_ROWS = 1000, /* deletions in one entry */
    MEND_MAX = 4096,   /* namespaces looked at when opening */
};

#define SUBJECT SLICE("system:namespace-controller")

static uint64_t wall_ms(const struct plane_backend *b)
{
    return b->config.clock->wall_ms(b->config.clock);
}

static _Noreturn void die(const struct err *err)
{
    log_error("plane.write", "error=%s", log_q(err->message));
    _exit(err_exit_code(err->code));
}

static void stamp_all(struct plane_backend *b, struct command *commands, size_t count, uint64_t now)
{
    uint64_t last = b->db.state.last_version;
    for (size_t i = 0; i < count; i++) {
        if (commands[i].kind == COMMAND_WRITE) {
            last = version_next(last, now, 0);
            commands[i].write.version = last;
        }
    }
}

static void tell_mutations(const struct plane_backend *b, const struct command *commands,
                           const struct apply_result *result, uint64_t now)
{
    for (size_t i = 0; b->config.on_mutation != NULL && i < result->outcome_count; i++) {
        const struct command_write *w = &commands[i].write;
        if (commands[i].kind != COMMAND_WRITE || result->outcomes[i].kind != OUTCOME_DONE ||
            result->outcomes[i].repeated) {
            continue;
        }
        const struct backend_object object = {
            .key = w->key, .body = w->body, .splice = w->splice, .version = w->version};
        const struct plane_mutation mutation = {.verb = w->verb,
                                                .object = &object,
                                                .subject = w->subject,
                                                .audit = w->audit,
                                                .time_ms = now};
        b->config.on_mutation(b->config.user, &mutation);
    }
}

/* Stamps and applies commands as one entry. ERR_FULL, or 0. */
static int apply_commands(struct plane_backend *b, struct command *commands, size_t count,
                          struct arena *arena, struct apply_result *result, struct err *err)
{
    uint64_t now = wall_ms(b);
    stamp_all(b, commands, count, now);
    struct entry entry = {.time_ms = now, .commands = commands, .count = count};
    struct buf bytes = {0};
    int rc = entry_encode(&entry, &bytes, err);
    assert(rc == 0); /* each was checked when it came in */
    struct apply_entry applied = {
        .index = b->db.state.applied_index + 1, .term = 1, .payload = buf_slice(&bytes)};
    rc = apply_entries(&b->db, &applied, 1, slice_make(NULL, 0), arena, result, err);
    buf_free(&bytes);
    if (rc == ERR_FULL) {
        return rc;
    }
    if (rc != 0) {
        die(err);
    }
    tell_mutations(b, commands, result, now);
    return 0;
}

/* ---- namespaces ---- */

static void mark(struct plane_backend *b, struct slice name, enum namespace_state state)
{
    struct arena arena = {0};
    struct apply_result result;
    struct err err;
    struct command c = {.kind = COMMAND_NAMESPACE, .mark = {name, state}};
    if (apply_commands(b, &c, 1, &arena, &result, &err) != 0) {
        die(&err);
    }
    if (result.outcomes[0].kind != OUTCOME_DONE) {
        log_warn("plane.namespace", "name=%.*s error=%s", SLICE_ARG(name),
                 log_q(outcome_message(result.outcomes[0].kind)));
    }
    arena_free(&arena);
}

static struct command deletion_of(const struct reader_row *row, struct arena *arena)
{
    const struct backend_object *o = &row->object;
    return (struct command){
        .kind = COMMAND_WRITE,
        .write = {.verb = BACKEND_DELETE,
                  .key = {.resource = arena_copy(arena, o->key.resource),
                          .ns = arena_copy(arena, o->key.ns),
                          .name = arena_copy(arena, o->key.name)},
                  .body = arena_copy(arena, o->body),
                  .splice = o->splice,
                  .subject = SUBJECT},
    };
}

/* Up to PURGE_ROWS deletions of what lives in the namespace, of all resources. */
static int collect(struct plane_backend *b, struct slice ns, struct arena *arena,
                   struct command *commands, size_t *count, struct err *err)
{
    struct slice resource = SLICE("");
    size_t bytes = 0;
    bool more = true;
    int rc = 0;
    while (rc == 0 && more && *count < PURGE_ROWS && bytes < ENTRY_BATCH_BYTES) {
        rc = reader_resource_next(&b->reader, resource, &resource, &more, err);
        if (rc != 0 || !more) {
            break;
        }
        resource = arena_copy(arena, resource);
        const struct reader_page page = {.resource = resource, .ns = ns};
        struct reader_row row;
        bool found = true;
        rc = reader_page_start(&b->reader, &page, err);
        while (rc == 0 && found && *count < PURGE_ROWS && bytes < ENTRY_BATCH_BYTES) {
            rc = reader_page_next(&b->reader, &row, &found, err);
            if (rc == 0 && found) {
                bytes += row.object.body.len;
                commands[(*count)++] = deletion_of(&row, arena);
            }
        }
        reader_page_end(&b->reader);
    }
    return rc;
}

/* Deletes everything in the namespace, then its row. */
static void purge(struct plane_backend *b, struct slice ns)
{
    struct command *commands = mem_alloc(PURGE_ROWS * sizeof *commands);
    size_t count = 1;
    while (count > 0) {
        struct arena arena = {0};
        struct err err;
        struct apply_result result;
        count = 0;
        int rc = reader_begin(&b->reader, &err);
        if (rc == 0) {
            rc = collect(b, ns, &arena, commands, &count, &err);
            reader_end(&b->reader);
        }
        if (rc == 0 && count > 0) {
            rc = apply_commands(b, commands, count, &arena, &result, &err);
        }
        if (rc != 0) {
            die(&err);
        }
        arena_free(&arena);
    }
    free(commands);
    mark(b, ns, NAMESPACE_GONE);
}

static void follow_namespace(struct plane_backend *b, const struct command_write *w)
{
    if (w->verb == BACKEND_CREATE) {
        mark(b, w->key.name, NAMESPACE_ACTIVE);
    } else if (w->verb == BACKEND_DELETE) {
        purge(b, w->key.name);
    }
}

/* ---- batches ---- */

/* Takes queued ops as long as they fit into one entry; what breaks a limit goes home at once. */
static size_t take_batch(struct plane_backend *b, struct plane_op **ops, struct command *commands)
{
    size_t count = 0;
    size_t bytes = 0;
    while (!list_empty(&b->queue) && count < ENTRY_COMMANDS_MAX) {
        struct plane_op *op = CONTAINER_OF(b->queue.next, struct plane_op, link);
        command_from_submit(op->submit, &commands[count]);
        size_t more = command_bytes(&commands[count]);
        if (count > 0 && bytes + more > ENTRY_BATCH_BYTES) {
            break;
        }
        list_remove(&op->link);
        op->rc = command_check(&commands[count], &op->err);
        if (op->rc != 0) {
            plane__op_done(op);
            continue;
        }
        bytes += more;
        ops[count++] = op;
    }
    return count;
}

static void settle(struct plane_op *op, const struct outcome *outcome)
{
    op->rc = outcome_err_for(outcome, &op->submit->key, &op->err);
    op->version = outcome->version;
}

static void apply_batch(struct plane_backend *b, struct plane_op **ops, struct command *commands,
                        size_t count)
{
    struct arena arena = {0};
    struct apply_result result;
    struct err err;
    int rc = apply_commands(b, commands, count, &arena, &result, &err);
    for (size_t i = 0; i < count; i++) {
        if (rc != 0) {
            ops[i]->rc = rc;
            ops[i]->err = err;
            continue;
        }
        settle(ops[i], &result.outcomes[i]);
        if (ops[i]->rc == 0 && !result.outcomes[i].repeated &&
            slice_eq_cstr(commands[i].write.key.resource, PLANE_NAMESPACES)) {
            follow_namespace(b, &commands[i].write);
        }
    }
    arena_free(&arena);
    atomic_store(&b->present, db_present(&b->db.state));
    plane__advance_all(b);
    for (size_t i = 0; i < count; i++) {
        plane__op_done(ops[i]);
    }
}

static void make_batch_due(struct plane_backend *b)
{
    if (!b->batch_due) {
        b->batch_due = true;
        loop_timer_start(&b->batch, 0, 0);
    }
}

static void run_batch(struct plane_backend *b)
{
    struct plane_op **ops = mem_alloc(ENTRY_COMMANDS_MAX * sizeof(struct plane_op *));
    struct command *commands = mem_alloc(ENTRY_COMMANDS_MAX * sizeof *commands);
    size_t count = take_batch(b, ops, commands);
    if (count > 0) {
        apply_batch(b, ops, commands, count);
    }
    free(ops);
    free(commands);
}

static void on_batch(struct loop_timer *timer)
{
    struct plane_backend *b = CONTAINER_OF(timer, struct plane_backend, batch);
    b->batch_due = false;
    run_batch(b);
    if (!list_empty(&b->queue)) {
        make_batch_due(b);
    }
}

void plane__writer_flush(struct plane_backend *b)
{
    while (!list_empty(&b->queue)) {
        run_batch(b);
    }
}

void plane__writer_take(struct loop_msg *msg)
{
    struct plane_op *op = CONTAINER_OF(msg, struct plane_op, msg);
    struct plane_backend *b = op->front->backend;
    list_push_back(&b->queue, &op->link);
    make_batch_due(b);
}

/* ---- upkeep ---- */

static void on_upkeep(struct loop_timer *timer)
{
    struct plane_backend *b = CONTAINER_OF(timer, struct plane_backend, upkeep);
    uint64_t now = wall_ms(b);
    uint64_t kept = b->config.history_ms > 0 ? b->config.history_ms : HISTORY_MS;
    struct arena arena = {0};
    struct apply_result result;
    struct err err;
    struct command commands[] = {
        {.kind = COMMAND_COMPACT,
         .compact = {.before = version_at(now > kept ? now - kept : 0, 0),
                     .rows_max = UPKEEP_ROWS,
                     .audit_before_ms = now > kept ? now - kept : 0}},
        {.kind = COMMAND_EXPIRE_REQUESTS, .expire = {.before_ms = now, .rows_max = UPKEEP_ROWS}},
    };
    if (b->db.state.compacted < b->db.state.last_version &&
        apply_commands(b, commands, 2, &arena, &result, &err) != 0) {
        log_warn("plane.upkeep", "error=%s", log_q(err.message));
    }
    arena_free(&arena);
    uint64_t index;
    if (db_wal_bytes(&b->db) > WAL_BYTES && db_checkpoint(&b->db, &index, &err) != 0 &&
        err.code != ERR_BUSY) {
        die(&err);
    }
}

/* ---- opening and closing ---- */

static int make_namespace(struct plane_backend *b, const char *name, struct err *err)
{
    struct arena arena = {0};
    struct buf body = {0};
    struct apply_result result;
    char uid[37];
    char created[21];
    crypto_uuid(uid);
    clock_rfc3339(wall_ms(b), created);
    json_t *tree =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:{s:s}}, s:{s:[s]}, s:{s:s}}", "apiVersion", "v1",
                  "kind", "Namespace", "metadata", "name", name, "uid", uid, "creationTimestamp",
                  created, "labels", "kubernetes.io/metadata.name", name, "spec", "finalizers",
                  "kubernetes", "status", "phase", "Active");
    struct command commands[] = {
        {.kind = COMMAND_WRITE,
         .write = {.verb = BACKEND_CREATE,
                   .key = {SLICE(PLANE_NAMESPACES), SLICE(""), slice_of(name)},
                   .subject = SUBJECT}},
        {.kind = COMMAND_NAMESPACE, .mark = {slice_of(name), NAMESPACE_ACTIVE}},
    };
    int rc = object_canonical(tree, &body, &commands[0].write.splice, err);
    commands[0].write.body = buf_slice(&body);
    if (rc == 0) {
        rc = apply_commands(b, commands, 2, &arena, &result, err);
    }
    json_decref(tree);
    buf_free(&body);
    arena_free(&arena);
    return rc;
}

/* Namespace rows without a Namespace object. */
static int list_orphans(struct plane_backend *b, struct arena *arena, struct slice *names,
                        size_t *count, struct err *err)
{
    enum namespace_state state;
    struct reader_row row;
    struct slice name;
    bool found = true;
    int rc = reader_namespaces_start(&b->reader, SLICE(""), err);
    while (rc == 0 && *count < MEND_MAX) {
        rc = reader_namespaces_next(&b->reader, &name, &state, &found, err);
        if (rc != 0 || !found) {
            break;
        }
        const struct backend_key key = {SLICE(PLANE_NAMESPACES), SLICE(""), name};
        rc = reader_get(&b->reader, &key, 0, &row, err);
        if (rc == ERR_NOT_FOUND) {
            names[(*count)++] = arena_copy(arena, name);
            rc = 0;
        }
    }
    return rc;
}

static int list_objects(struct plane_backend *b, struct arena *arena, struct slice *names,
                        size_t *count, struct err *err)
{
    const struct reader_page page = {.resource = SLICE(PLANE_NAMESPACES), .all_namespaces = true};
    struct reader_row row;
    bool found = true;
    int rc = reader_page_start(&b->reader, &page, err);
    while (rc == 0 && found && *count < MEND_MAX) {
        rc = reader_page_next(&b->reader, &row, &found, err);
        if (rc == 0 && found) {
            names[(*count)++] = arena_copy(arena, row.object.key.name);
        }
    }
    reader_page_end(&b->reader);
    return rc;
}

/* A crash may have come between a Namespace object's write and what follows from it. */
static int mend_namespaces(struct plane_backend *b, struct err *err)
{
    struct arena arena = {0};
    struct slice *objects = arena_alloc(&arena, MEND_MAX * sizeof *objects);
    struct slice *orphans = arena_alloc(&arena, MEND_MAX * sizeof *orphans);
    size_t object_count = 0;
    size_t orphan_count = 0;
    int rc = reader_begin(&b->reader, err);
    if (rc == 0) {
        rc = list_objects(b, &arena, objects, &object_count, err);
        rc = rc != 0 ? rc : list_orphans(b, &arena, orphans, &orphan_count, err);
        reader_end(&b->reader);
    }
    for (size_t i = 0; rc == 0 && i < object_count; i++) {
        mark(b, objects[i], NAMESPACE_ACTIVE);
    }
    for (size_t i = 0; rc == 0 && i < orphan_count; i++) {
        purge(b, orphans[i]);
    }
    arena_free(&arena);
    return rc;
}

static int prepare(struct plane_backend *b, struct err *err)
{
    static const char *const always[] = {"default", "kube-system", "kube-public",
                                         "kube-node-lease"};
    int rc = reader_open(&b->reader, b->config.path, 0, err);
    if (rc != 0) {
        return rc;
    }
    b->has_reader = true;
    for (size_t i = 0; rc == 0 && i < sizeof always / sizeof always[0]; i++) {
        if (b->db.state.applied_index < i + 1) { /* a new database */
            rc = make_namespace(b, always[i], err);
        }
    }
    rc = rc != 0 ? rc : mend_namespaces(b, err);
    atomic_store(&b->present, db_present(&b->db.state));
    return rc;
}

static int start_loop(struct plane_backend *b, struct err *err)
{
    int rc = loop_init(&b->writer, "writer", err);
    if (rc != 0) {
        return rc;
    }
    list_init(&b->queue);
    loop_timer_init(&b->writer, &b->batch, on_batch);
    loop_timer_init(&b->writer, &b->upkeep, on_upkeep);
    loop_timer_start(&b->upkeep, UPKEEP_MS, UPKEEP_MS);
    return loop_start(&b->writer, err);
}

static void close_files(struct plane_backend *b)
{
    if (b->has_reader) {
        reader_close(&b->reader);
    }
    db_close(&b->db);
}

int plane__writer_open(struct plane_backend *b, struct err *err)
{
    const struct db_config config = {.path = b->config.path, .shard = 0};
    int rc = db_open(&b->db, &config, err);
    if (rc != 0) {
        return rc;
    }
    rc = prepare(b, err);
    rc = rc != 0 ? rc : start_loop(b, err);
    if (rc != 0) {
        close_files(b);
    }
    return rc;
}

static void stop_writer(struct loop_msg *msg)
{
    struct plane_backend *b = CONTAINER_OF(msg, struct plane_backend, stop);
    assert(list_empty(&b->queue)); /* every loop has left, each with its requests ended */
    loop_timer_close(&b->batch, NULL);
    loop_timer_close(&b->upkeep, NULL);
    loop_stop(&b->writer);
}

void plane__writer_close(struct plane_backend *b)
{
    b->stop.run = stop_writer;
    loop_post(&b->writer, &b->stop);
    loop_join(&b->writer);
    struct err err;
    uint64_t index;
    if (db_checkpoint(&b->db, &index, &err) != 0) {
        log_warn("plane.close", "error=%s", log_q(err.message));
    }
    close_files(b);
}
