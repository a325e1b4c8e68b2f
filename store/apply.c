/* apply.c: committed entries into rows, one transaction a call.
 *
 * Happy path: BEGIN; decode each entry above the applied index and run its commands in order on a
 * working copy of the state; write that copy with the applied index, term and raft's bytes; COMMIT;
 * the copy becomes the state.
 * Failure path: anything that a correct log cannot hold, and any refusal of SQLite or the operating
 * system, rolls the transaction back and leaves db as it was. The caller may repeat the call after
 * ERR_FULL; otherwise it ends the process, and the log is replayed at the next start.
 * Invariants: rows and the applied index change together or not at all; stamps only rise; nothing
 * here depends on how entries are split into calls. */
#include "store/apply.h"

#include <assert.h>

#include "base/fault.h"
#include "store/events.h"

static int apply_open(struct apply *a, const struct command_open *open, struct outcome *out)
{
    if (open->term < a->state.open_term) {
        out->kind = OUTCOME_STALE;
        return 0;
    }
    if (a->state.ceiling > a->state.stamp_floor) {
        a->state.stamp_floor = a->state.ceiling; /* every ceiling before this Open */
    }
    if (open->ceiling > a->state.ceiling) {
        a->state.ceiling = open->ceiling;
    }
    a->state.open_term = open->term;
    if (open->incarnation > a->state.incarnation) {
        a->state.incarnation = open->incarnation;
    }
    out->version =
        a->state.stamp_floor > a->state.last_version ? a->state.stamp_floor : a->state.last_version;
    return 0;
}

static int apply_ceiling(struct apply *a, uint64_t ceiling, struct outcome *out)
{
    if (ceiling > a->state.ceiling) {
        a->state.ceiling = ceiling;
    }
    out->version = a->state.ceiling;
    return 0;
}

static int apply_command(struct apply *a, const struct command *c, struct outcome *out,
                         struct err *err)
{
    switch (c->kind) {
    case COMMAND_WRITE:
        return apply__write(a, &c->write, out, err);
    case COMMAND_OPEN:
        return apply_open(a, &c->open, out);
    case COMMAND_CEILING:
        return apply_ceiling(a, c->ceiling, out);
    case COMMAND_COMPACT:
        return apply__compact(a, &c->compact, out, err);
    case COMMAND_EXPIRE_REQUESTS:
        return apply__expire(a, &c->expire, out, err);
    case COMMAND_NAMESPACE:
        return apply__namespace(a, &c->mark, out, err);
    case COMMAND_EXPIRE_EVENTS:
        return apply__expire_events(a, &c->events, out, err);
    }
    return err_set(err, ERR_INTERNAL, "apply: no command kind %d", (int)c->kind);
}

/* Makes room for count more outcomes in the result; the arena keeps the old array till its end. */
static struct outcome *more_outcomes(struct apply_result *r, size_t count, struct arena *arena,
                                     size_t *cap)
{
    if (r->outcome_count + count > *cap) {
        *cap = 2 * (r->outcome_count + count);
        struct outcome *grown = arena_zero(arena, *cap * sizeof *grown);
        for (size_t i = 0; i < r->outcome_count; i++) {
            grown[i] = r->outcomes[i];
        }
        r->outcomes = grown;
    }
    r->outcome_count += count;
    return r->outcomes + r->outcome_count - count;
}

static int apply_payload(struct apply *a, struct slice payload, struct apply_result *result,
                         struct apply_span *span, size_t *cap, struct err *err)
{
    struct entry entry;
    int rc = entry_decode(payload, a->arena, &entry, err);
    if (rc != 0) {
        return rc;
    }
    a->time_ms = entry.time_ms;
    if (entry.time_ms > a->state.time_ms) {
        a->state.time_ms = entry.time_ms;
    }
    span->count = entry.count;
    struct outcome *outcomes = more_outcomes(result, entry.count, a->arena, cap);
    for (size_t i = 0; i < entry.count; i++) {
        outcomes[i] = (struct outcome){.kind = OUTCOME_DONE};
        rc = apply_command(a, &entry.commands[i], &outcomes[i], err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int apply_one(struct apply *a, const struct apply_entry *e, struct apply_result *result,
                     struct apply_span *span, size_t *cap, struct err *err)
{
    *span = (struct apply_span){.index = e->index, .first = result->outcome_count};
    if (e->index <= a->state.applied_index) {
        return 0;
    }
    if (e->index != a->state.applied_index + 1 || e->term < a->state.applied_term) {
        return err_set(err, ERR_CORRUPT,
                       "entry %llu of term %llu does not follow applied index %llu of term %llu",
                       (unsigned long long)e->index, (unsigned long long)e->term,
                       (unsigned long long)a->state.applied_index,
                       (unsigned long long)a->state.applied_term);
    }
    a->state.applied_index = e->index;
    a->state.applied_term = e->term;
    if (e->payload.len == 0) {
        return 0;
    }
    int rc = apply_payload(a, e->payload, result, span, cap, err);
    return rc == 0 ? 0 : err_wrap(err, "entry %llu", (unsigned long long)e->index);
}

static int write_state(struct apply *a, struct slice raft_meta, struct err *err)
{
    sqlite3_stmt *stmt = a->db->stmts[DB_META_PUT];
    const struct db_state *s = &a->state;
    const uint64_t columns[] = {s->applied_index, s->applied_term, s->last_version, s->stamp_floor,
                                s->ceiling,       s->open_term,    s->incarnation,  s->floor,
                                s->compacted,     s->expired_ms,   s->time_ms,      s->audit_count};
    enum { COLUMN_COUNT = sizeof columns / sizeof columns[0] };
    for (int i = 0; i < COLUMN_COUNT; i++) {
        sql_bind_u64(stmt, i + 1, columns[i]);
    }
    sql_bind_slice(stmt, COLUMN_COUNT + 1, buf_slice(&a->audit_head));
    sql_bind_slice(stmt, COLUMN_COUNT + 2, raft_meta);
    return sql_run(stmt, err);
}

static int commit(struct apply *a, struct err *err)
{
    if (fault_hit("store.full")) {
        return err_set(err, ERR_FULL, "commit: refused by fault point store.full");
    }
    if (fault_hit("store.commit")) {
        return err_set(err, ERR_IO, "commit: refused by fault point store.commit");
    }
    return sql_run(a->db->stmts[DB_COMMIT], err);
}

static int apply_all(struct apply *a, const struct apply_entry *entries, size_t count,
                     struct slice raft_meta, struct apply_result *result, struct err *err)
{
    size_t cap = 0;
    for (size_t i = 0; i < count; i++) {
        int rc = apply_one(a, &entries[i], result, &result->spans[i], &cap, err);
        if (rc != 0) {
            return rc;
        }
    }
    int rc = write_state(a, raft_meta, err);
    return rc == 0 ? commit(a, err) : rc;
}

int apply_entries(struct db *db, const struct apply_entry *entries, size_t count,
                  struct slice raft_meta, struct arena *arena, struct apply_result *result,
                  struct err *err)
{
    *result = (struct apply_result){.spans = arena_zero(arena, count * sizeof *result->spans),
                                    .span_count = count};
    struct apply a = {.db = db, .state = db->state, .arena = arena};
    buf_add(&a.audit_head, buf_slice(&db->audit_head));
    struct slice meta = raft_meta.data != NULL ? raft_meta : buf_slice(&db->raft_meta);

    int rc = sql_run(db->stmts[DB_BEGIN], err);
    if (rc == 0) {
        rc = apply_all(&a, entries, count, meta, result, err);
        if (rc != 0 && !sqlite3_get_autocommit(db->sql)) {
            struct err ignored; /* the first error is the one that tells */
            (void)sql_run(db->stmts[DB_ROLLBACK], &ignored);
        }
    }
    if (rc == 0) {
        db->state = a.state;
        buf_clear(&db->audit_head);
        buf_add(&db->audit_head, buf_slice(&a.audit_head));
        if (raft_meta.data != NULL) {
            buf_clear(&db->raft_meta);
            buf_add(&db->raft_meta, raft_meta);
        }
    } else {
        *result = (struct apply_result){0};
        (void)err_wrap(err, "shard %u", db->state.shard);
    }
    buf_free(&a.audit_head);
    return rc;
}
