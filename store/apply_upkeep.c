/* apply_upkeep.c: compaction, forgetting of requests, namespace rows.
 *
 * Compaction walks the history once, in version order, a bounded piece a command: at each version s
 * up to `before` it removes the version that s replaced and, if s is a deletion, s itself with its
 * key. A removal makes reads below s incomplete, so the floor rises to s; a shard whose newest
 * versions replaced nothing keeps its floor.
 * Invariant: prev of a kept version names a row that exists, or (at or below the floor) a removed
 * deletion; so a reader that follows prev to a missing row finds "absent". */
#include <assert.h>

#include "store/apply_internal.h"

struct scanned {
    uint64_t version;
    uint64_t prev;
    bool deletion;
};

/* Up to rows_max history rows with after < version <= upto. */
static int scan_history(struct apply *a, uint64_t upto, uint32_t rows_max, struct scanned **rows,
                        size_t *count, struct err *err)
{
    sqlite3_stmt *stmt = a->db->stmts[DB_VERSION_SCAN];
    sql_bind_u64(stmt, 1, a->state.compacted);
    sql_bind_u64(stmt, 2, upto);
    sql_bind_u64(stmt, 3, rows_max);
    size_t cap = 0;
    bool row = true;
    int rc = 0;
    *rows = NULL;
    *count = 0;
    while (rc == 0 && row) {
        rc = sql_step(stmt, &row, err);
        if (rc != 0 || !row) {
            break;
        }
        if (*count == cap) {
            cap = cap > 0 ? 2 * cap : 64;
            struct scanned *grown = arena_alloc(a->arena, cap * sizeof *grown);
            for (size_t i = 0; i < *count; i++) {
                grown[i] = (*rows)[i];
            }
            *rows = grown;
        }
        (*rows)[(*count)++] = (struct scanned){.version = sql_u64(stmt, 0),
                                               .prev = sql_u64(stmt, 1),
                                               .deletion = sql_u64(stmt, 2) == BACKEND_DELETE};
    }
    sql_reset(stmt);
    return rc;
}

static int drop_version(struct apply *a, uint64_t version, bool *dropped, struct err *err)
{
    sqlite3_stmt *stmt = a->db->stmts[DB_VERSION_DROP];
    sql_bind_u64(stmt, 1, version);
    int rc = sql_run(stmt, err);
    *dropped = rc == 0 && sqlite3_changes(a->db->sql) > 0;
    return rc;
}

/* The key's row, if this deletion is still the newest that happened to it. */
static int drop_key(struct apply *a, uint64_t version, struct err *err)
{
    sqlite3_stmt *get = a->db->stmts[DB_VERSION_KEY];
    sql_bind_u64(get, 1, version);
    bool row;
    int rc = sql_step(get, &row, err);
    if (rc == 0 && !row) {
        rc = err_set(err, ERR_CORRUPT, "deletion %llu has vanished", (unsigned long long)version);
    }
    if (rc == 0) {
        sqlite3_stmt *drop = a->db->stmts[DB_LIVE_DROP];
        for (int i = 0; i < 3; i++) {
            sql_bind_slice(drop, i + 1, sql_slice(get, i));
        }
        sql_bind_u64(drop, 4, version);
        rc = sql_run(drop, err);
    }
    sql_reset(get);
    return rc;
}

static int compact_row(struct apply *a, const struct scanned *s, struct err *err)
{
    bool dropped = false;
    int rc = 0;
    if (s->prev != 0) {
        rc = drop_version(a, s->prev, &dropped, err);
    }
    if (rc == 0 && s->deletion) {
        rc = drop_key(a, s->version, err);
        if (rc == 0) {
            rc = drop_version(a, s->version, &dropped, err);
        }
    }
    if (dropped) {
        a->state.floor = s->version;
    }
    return rc;
}

static int trim_audit(struct apply *a, const struct command_compact *c, struct err *err)
{
    sqlite3_stmt *stmt = a->db->stmts[DB_AUDIT_OLDEST];
    sql_bind_u64(stmt, 1, c->rows_max);
    uint64_t upto = 0;
    bool row = true;
    int rc = 0;
    while (rc == 0 && row) {
        rc = sql_step(stmt, &row, err);
        if (rc == 0 && row && sql_u64(stmt, 1) < c->audit_before_ms) {
            upto = sql_u64(stmt, 0);
        } else {
            row = false; /* the chain is only ever cut at its old end */
        }
    }
    sql_reset(stmt);
    if (rc != 0 || upto == 0) {
        return rc;
    }
    stmt = a->db->stmts[DB_AUDIT_DROP];
    sql_bind_u64(stmt, 1, upto);
    return sql_run(stmt, err);
}

int apply__compact(struct apply *a, const struct command_compact *c, struct outcome *out,
                   struct err *err)
{
    uint64_t upto = c->before < a->state.last_version ? c->before : a->state.last_version;
    struct scanned *rows;
    size_t count;
    int rc = scan_history(a, upto, c->rows_max, &rows, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = compact_row(a, &rows[i], err);
    }
    if (rc != 0) {
        return rc;
    }
    if (count == c->rows_max) {
        upto = rows[count - 1].version; /* more is left for the next command */
    }
    if (upto > a->state.compacted) {
        a->state.compacted = upto;
    }
    out->version = a->state.compacted;
    return c->audit_before_ms > 0 ? trim_audit(a, c, err) : 0;
}

int apply__expire(struct apply *a, const struct command_expire *c, struct outcome *out,
                  struct err *err)
{
    /* Whatever the leader asks, an outcome is kept for its window. */
    uint64_t oldest = a->time_ms > REQUEST_WINDOW_MS ? a->time_ms - (uint64_t)REQUEST_WINDOW_MS : 0;
    uint64_t cut = c->before_ms < oldest ? c->before_ms : oldest;
    sqlite3_stmt *stmt = a->db->stmts[DB_REQUEST_CUT];
    sql_bind_u64(stmt, 1, cut);
    sql_bind_u64(stmt, 2, (uint64_t)c->rows_max - 1);
    bool row;
    int rc = sql_step(stmt, &row, err);
    if (rc == 0 && row) {
        cut = sql_u64(stmt, 0) + 1; /* whole milliseconds only: what is refused is what is gone */
    }
    sql_reset(stmt);
    if (rc == 0) {
        stmt = a->db->stmts[DB_REQUEST_DROP];
        sql_bind_u64(stmt, 1, cut);
        rc = sql_run(stmt, err);
    }
    if (cut > a->state.expired_ms) {
        a->state.expired_ms = cut;
    }
    out->version = a->state.expired_ms;
    return rc;
}

int apply__namespace_state(struct apply *a, struct slice name, enum namespace_state *state,
                           struct err *err)
{
    sqlite3_stmt *stmt = a->db->stmts[DB_NAMESPACE_GET];
    sql_bind_slice(stmt, 1, name);
    bool row;
    int rc = sql_step(stmt, &row, err);
    *state = NAMESPACE_GONE;
    if (rc == 0 && row) {
        uint64_t stored = sql_u64(stmt, 0);
        if (stored != NAMESPACE_ACTIVE && stored != NAMESPACE_TERMINATING) {
            rc = err_set(err, ERR_CORRUPT, "a namespace's row has state %llu",
                         (unsigned long long)stored);
        } else {
            *state = (enum namespace_state)stored;
        }
    }
    sql_reset(stmt);
    return rc;
}

/* Whether any resource has a live object there: one look per resource. */
static int has_objects(struct apply *a, struct slice ns, bool *found, struct err *err)
{
    sqlite3_stmt *next = a->db->stmts[DB_LIVE_RESOURCE];
    sqlite3_stmt *any = a->db->stmts[DB_LIVE_IN_NS];
    struct buf resource = {0};
    bool row = true;
    int rc = 0;
    *found = false;
    while (rc == 0 && row && !*found) {
        sql_bind_slice(next, 1, buf_slice(&resource));
        rc = sql_step(next, &row, err);
        if (rc == 0 && row) {
            struct slice s = sql_slice(next, 0);
            struct buf copy = {0};
            buf_add(&copy, s);
            buf_free(&resource);
            resource = copy;
            sql_bind_slice(any, 1, buf_slice(&resource));
            sql_bind_slice(any, 2, ns);
            rc = sql_step(any, found, err);
            sql_reset(any);
        }
        sql_reset(next);
    }
    buf_free(&resource);
    return rc;
}

static int put_namespace(struct apply *a, const struct command_namespace *c, struct err *err)
{
    sqlite3_stmt *stmt =
        a->db->stmts[c->state == NAMESPACE_GONE ? DB_NAMESPACE_DROP : DB_NAMESPACE_PUT];
    sql_bind_slice(stmt, 1, c->name);
    if (c->state != NAMESPACE_GONE) {
        sql_bind_u64(stmt, 2, (uint64_t)c->state);
    }
    return sql_run(stmt, err);
}

int apply__namespace(struct apply *a, const struct command_namespace *c, struct outcome *out,
                     struct err *err)
{
    enum namespace_state before;
    int rc = apply__namespace_state(a, c->name, &before, err);
    if (rc != 0 || before == c->state) {
        return rc;
    }
    if (c->state == NAMESPACE_ACTIVE && before == NAMESPACE_TERMINATING) {
        out->kind = OUTCOME_NAMESPACE_TERMINATING;
        return 0;
    }
    if (c->state == NAMESPACE_TERMINATING && before == NAMESPACE_GONE) {
        out->kind = OUTCOME_NAMESPACE_ABSENT;
        return 0;
    }
    if (c->state == NAMESPACE_GONE) {
        bool found;
        rc = has_objects(a, c->name, &found, err);
        if (rc != 0 || found) {
            out->kind = found ? OUTCOME_NAMESPACE_NOT_EMPTY : OUTCOME_DONE;
            return rc;
        }
    }
    return put_namespace(a, c, err);
}
