/* apply_write.c: one write, by the rules of apply.h.
 *
 * Happy path: not seen before, namespace there, preconditions hold: a row of history, the key's
 * newest version, the audit record chained to the one before, the outcome kept for retries.
 * Failure path: a refusal is an outcome, kept unless the gate will try again by itself. A stamp
 * that does not rise, or lies at or below what an older leader may have closed, stops the replica.
 */
#include <assert.h>

#include "store/apply_internal.h"
#include "store/audit.h"
#include "store/events.h"
#include "store/version.h"

/* What is stored under a write's key before it. */
struct current {
    uint64_t version; /* 0: no row; else of the object or, if gone, of its deletion */
    bool gone;
};

static bool is_there(const struct current *c)
{
    return c->version != 0 && !c->gone;
}

static void bind_key(sqlite3_stmt *stmt, int at, const struct backend_key *key)
{
    sql_bind_slice(stmt, at, key->resource);
    sql_bind_slice(stmt, at + 1, key->ns);
    sql_bind_slice(stmt, at + 2, key->name);
}

int apply__check_stamp(const struct apply *a, uint64_t version, struct err *err)
{
    if (version <= a->state.last_version || version <= a->state.stamp_floor) {
        return err_set(err, ERR_CORRUPT,
                       "version %llu goes backwards: behind %llu, or a closed time below %llu",
                       (unsigned long long)version, (unsigned long long)a->state.last_version,
                       (unsigned long long)a->state.stamp_floor);
    }
    if (version_shard(version) != a->state.shard) {
        return err_set(err, ERR_CORRUPT, "version %llu is of shard %u", (unsigned long long)version,
                       version_shard(version));
    }
    return 0;
}

/* Rules 1 and 2. *decided tells whether that settled it. */
static int check_request(struct apply *a, const struct command_write *w, struct outcome *out,
                         bool *decided, struct err *err)
{
    *decided = true;
    if (w->issued_ms + REQUEST_WINDOW_MS < a->time_ms || w->issued_ms < a->state.expired_ms) {
        out->kind = OUTCOME_REQUEST_OLD;
        return 0;
    }
    if (w->issued_ms > a->time_ms + REQUEST_AHEAD_MS) {
        out->kind = OUTCOME_REQUEST_AHEAD;
        return 0;
    }
    sqlite3_stmt *stmt = a->db->stmts[DB_REQUEST_GET];
    sql_bind_u64(stmt, 1, w->issued_ms);
    sql_bind_slice(stmt, 2, w->subject);
    sql_bind_slice(stmt, 3, w->request_id);
    bool row;
    int rc = sql_step(stmt, &row, err);
    *decided = row;
    if (rc == 0 && row) {
        int64_t kind = sqlite3_column_int64(stmt, 0);
        if (!outcome_known(kind)) {
            rc = err_set(err, ERR_CORRUPT, "a kept outcome has number %lld", (long long)kind);
        } else if (!slice_eq(sql_slice(stmt, 2), w->request_digest)) {
            out->kind = OUTCOME_REQUEST_REUSED;
        } else {
            *out = (struct outcome){
                .kind = (enum outcome_kind)kind, .repeated = true, .version = sql_u64(stmt, 1)};
        }
    }
    sql_reset(stmt);
    return rc;
}

/* Rule 3. */
static int check_namespace(struct apply *a, const struct command_write *w, struct outcome *out,
                           struct err *err)
{
    if (w->key.ns.len == 0 || a->state.namespaces_open) {
        return 0;
    }
    enum namespace_state state;
    int rc = apply__namespace_state(a, w->key.ns, &state, err);
    if (rc == 0 && state == NAMESPACE_GONE) {
        out->kind = OUTCOME_NAMESPACE_ABSENT;
    } else if (rc == 0 && state == NAMESPACE_TERMINATING && w->verb == BACKEND_CREATE) {
        out->kind = OUTCOME_NAMESPACE_TERMINATING;
    }
    return rc;
}

static int get_current(struct apply *a, const struct backend_key *key, struct current *current,
                       struct err *err)
{
    sqlite3_stmt *stmt = a->db->stmts[DB_LIVE_GET];
    bind_key(stmt, 1, key);
    bool row;
    int rc = sql_step(stmt, &row, err);
    *current = (struct current){0};
    if (rc == 0 && row) {
        current->version = sql_u64(stmt, 0);
        current->gone = sql_u64(stmt, 1) != 0;
    }
    sql_reset(stmt);
    return rc;
}

/* Stored bytes have `"uid":"..."` at their splice. */
static bool uid_is(struct slice from_splice, struct slice uid)
{
    const struct slice before = SLICE("\"uid\":\"");
    if (!slice_starts_with(from_splice, before)) {
        return false;
    }
    struct slice rest = slice_sub(from_splice, before.len, SIZE_MAX);
    return slice_starts_with(rest, uid) && rest.len > uid.len && rest.data[uid.len] == '"';
}

static int check_uid(struct apply *a, const struct command_write *w, const struct current *current,
                     struct outcome *out, struct err *err)
{
    sqlite3_stmt *stmt = a->db->stmts[DB_VERSION_UID];
    sql_bind_u64(stmt, 1, current->version);
    bool row;
    int rc = sql_step(stmt, &row, err);
    if (rc == 0 && !row) {
        rc = err_set(err, ERR_CORRUPT, "live version %llu has no row",
                     (unsigned long long)current->version);
    } else if (rc == 0 && !uid_is(sql_slice(stmt, 0), w->if_uid)) {
        out->kind = OUTCOME_OTHER_UID;
    }
    sql_reset(stmt);
    return rc;
}

/* Rule 4. */
static int check_preconditions(struct apply *a, const struct command_write *w,
                               const struct current *current, struct outcome *out, struct err *err)
{
    out->version = is_there(current) ? current->version : 0;
    if (w->verb == BACKEND_CREATE) {
        if (is_there(current)) {
            out->kind = OUTCOME_EXISTS;
        }
        return 0;
    }
    if (!is_there(current)) {
        out->kind = OUTCOME_ABSENT;
        return 0;
    }
    if (w->if_uid.len > 0) {
        int rc = check_uid(a, w, current, out, err);
        if (rc != 0 || out->kind != OUTCOME_DONE) {
            return rc;
        }
    }
    if (w->if_version != 0 && w->if_version != current->version) {
        out->kind = OUTCOME_OTHER_VERSION;
    }
    return 0;
}

int apply__store_row(struct apply *a, const struct command_write *w, uint64_t before,
                     struct err *err)
{
    sqlite3_stmt *stmt = a->db->stmts[DB_VERSION_NEW];
    sql_bind_u64(stmt, 1, w->version);
    sql_bind_u64(stmt, 2, before);
    sql_bind_u64(stmt, 3, (uint64_t)w->verb);
    sql_bind_u64(stmt, 4, w->splice);
    bind_key(stmt, 5, &w->key);
    sql_bind_slice(stmt, 8, w->body);
    int rc = sql_run(stmt, err);
    if (rc != 0) {
        return rc;
    }
    stmt = a->db->stmts[before == 0 ? DB_LIVE_NEW : DB_LIVE_SET];
    bind_key(stmt, 1, &w->key);
    sql_bind_u64(stmt, 4, w->version);
    if (before != 0) {
        sql_bind_u64(stmt, 5, w->verb == BACKEND_DELETE ? 1 : 0);
    }
    rc = sql_run(stmt, err);
    return rc == 0 ? events__track(a, w, before, err) : rc;
}

static int store_audit(struct apply *a, const struct command_write *w, struct err *err)
{
    if (w->audit.len == 0) {
        return 0;
    }
    const struct audit_link link = {.seq = a->state.audit_count + 1,
                                    .time_ms = a->time_ms,
                                    .version = w->version,
                                    .subject = w->subject,
                                    .record = w->audit};
    uint8_t hash[SHA256_BYTES];
    audit_hash(buf_slice(&a->audit_head), &link, hash);

    sqlite3_stmt *stmt = a->db->stmts[DB_AUDIT_NEW];
    sql_bind_u64(stmt, 1, link.seq);
    sql_bind_u64(stmt, 2, a->time_ms);
    sql_bind_u64(stmt, 3, w->version);
    sql_bind_slice(stmt, 4, w->subject);
    sql_bind_slice(stmt, 5, w->audit);
    sql_bind_slice(stmt, 6, slice_make(hash, sizeof hash));
    a->state.audit_count = link.seq;
    buf_clear(&a->audit_head);
    buf_add(&a->audit_head, slice_make(hash, sizeof hash));
    return sql_run(stmt, err);
}

/* A conflict on what the server itself assumed is not kept: the gate reads again and retries. */
static bool is_kept(const struct command_write *w, enum outcome_kind kind)
{
    switch (kind) {
    case OUTCOME_EXISTS:
    case OUTCOME_ABSENT:
    case OUTCOME_OTHER_VERSION:
    case OUTCOME_OTHER_UID:
        return w->client_made;
    case OUTCOME_DONE:
    case OUTCOME_NAMESPACE_ABSENT:
    case OUTCOME_NAMESPACE_TERMINATING:
        return true;
    case OUTCOME_NAMESPACE_NOT_EMPTY:
    case OUTCOME_REQUEST_OLD:
    case OUTCOME_REQUEST_AHEAD:
    case OUTCOME_REQUEST_REUSED:
    case OUTCOME_STALE:
        break;
    }
    return false;
}

static int keep_outcome(struct apply *a, const struct command_write *w, const struct outcome *out,
                        struct err *err)
{
    if (w->request_id.len == 0 || !is_kept(w, out->kind)) {
        return 0;
    }
    sqlite3_stmt *stmt = a->db->stmts[DB_REQUEST_NEW];
    sql_bind_u64(stmt, 1, w->issued_ms);
    sql_bind_slice(stmt, 2, w->subject);
    sql_bind_slice(stmt, 3, w->request_id);
    sql_bind_u64(stmt, 4, (uint64_t)out->kind);
    sql_bind_u64(stmt, 5, out->version);
    sql_bind_slice(stmt, 6, w->request_digest);
    return sql_run(stmt, err);
}

/* Rules 3 and 4, and the effect. */
static int execute(struct apply *a, const struct command_write *w, struct outcome *out,
                   struct err *err)
{
    int rc = check_namespace(a, w, out, err);
    if (rc != 0 || out->kind != OUTCOME_DONE) {
        return rc;
    }
    struct current current;
    rc = get_current(a, &w->key, &current, err);
    if (rc == 0) {
        rc = check_preconditions(a, w, &current, out, err);
    }
    if (rc != 0 || out->kind != OUTCOME_DONE) {
        return rc;
    }
    out->version = w->version;
    rc = apply__owners(a, w, is_there(&current) ? current.version : 0, err);
    rc = rc == 0 ? apply__store_row(a, w, current.version, err) : rc;
    return rc == 0 ? store_audit(a, w, err) : rc;
}

int apply__write(struct apply *a, const struct command_write *w, struct outcome *out,
                 struct err *err)
{
    int rc = apply__check_stamp(a, w->version, err);
    if (rc != 0) {
        return rc;
    }
    a->state.last_version = w->version;
    if (w->request_id.len > 0) {
        bool decided;
        rc = check_request(a, w, out, &decided, err);
        if (rc != 0 || decided) {
            return rc;
        }
    }
    rc = execute(a, w, out, err);
    return rc == 0 ? keep_outcome(a, w, out, err) : rc;
}
