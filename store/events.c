/* events.c: keeping account of Events, and removing them.
 *
 * Happy path: each write of an Event moves its row to the end of the order of versions; the leader
 * sends ExpireEvents when the oldest has had its time, or an object has more than its share, and
 * here the oldest go, each by a deletion like any client's, which watchers see and compaction
 * removes. Versions for the deletions are reserved by the leader: the command holds the first.
 * Failure path: a row whose Event is not live as it says is damage.
 * Invariant: the rows are those of the live Events, whatever order entries were applied in calls.
 */
#include "store/events.h"

#include <string.h>

#include "base/crypto.h"
#include "base/json.h"
#include "store/version.h"

static const struct slice events_resource = {"events", sizeof "events" - 1};

void events__object(struct slice ns, struct slice body, uint8_t object[EVENTS_OBJECT_BYTES])
{
    static const char *const members[] = {"kind", "namespace", "name", "uid"};
    struct buf text = {0};
    uint8_t hash[SHA256_BYTES];
    buf_add_be32(&text, (uint32_t)ns.len);
    buf_add(&text, ns);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct slice value = {0};
        (void)json_scan(body, &value, "involvedObject", members[i], NULL);
        buf_add_be32(&text, (uint32_t)value.len);
        buf_add(&text, value);
    }
    crypto_sha256(buf_slice(&text), hash);
    memcpy(object, hash, EVENTS_OBJECT_BYTES);
    buf_free(&text);
}

/* ---- the account ---- */

static int drop(struct db *db, uint64_t version, struct err *err)
{
    sqlite3_stmt *stmt = db->stmts[DB_EVENT_DROP];
    sql_bind_u64(stmt, 1, version);
    return sql_run(stmt, err);
}

static int add(struct apply *a, const struct command_write *w, struct err *err)
{
    uint8_t object[EVENTS_OBJECT_BYTES];
    struct slice key = slice_make(object, sizeof object);
    events__object(w->key.ns, w->body, object);
    sqlite3_stmt *stmt = a->db->stmts[DB_EVENT_NEW];
    sql_bind_u64(stmt, 1, w->version);
    sql_bind_slice(stmt, 2, key);
    sql_bind_slice(stmt, 3, w->key.ns);
    sql_bind_slice(stmt, 4, w->key.name);
    int rc = sql_run(stmt, err);
    if (rc != 0) {
        return rc;
    }
    stmt = a->db->stmts[DB_EVENT_COUNT];
    sql_bind_slice(stmt, 1, key);
    sql_bind_u64(stmt, 2, EVENTS_PER_OBJECT_MAX + 1);
    bool row;
    rc = sql_step(stmt, &row, err);
    if (rc == 0 && row && sql_u64(stmt, 0) > EVENTS_PER_OBJECT_MAX) {
        a->state.events_crowded = true;
    }
    sql_reset(stmt);
    return rc;
}

int events__track(struct apply *a, const struct command_write *w, uint64_t before, struct err *err)
{
    if (!slice_eq(w->key.resource, events_resource)) {
        return 0;
    }
    int rc = before != 0 ? drop(a->db, before, err) : 0;
    if (rc == 0 && w->verb != BACKEND_DELETE) {
        rc = add(a, w, err);
    }
    return rc == 0 ? events__look(a->db, &a->state, err) : rc;
}

int events__look(struct db *db, struct db_state *state, struct err *err)
{
    sqlite3_stmt *stmt = db->stmts[DB_EVENT_OLDEST];
    bool row;
    sql_bind_u64(stmt, 1, INT64_MAX);
    int rc = sql_step(stmt, &row, err);
    if (rc == 0) {
        state->events_oldest = row ? sql_u64(stmt, 0) : 0;
    }
    sql_reset(stmt);
    return rc;
}

int events__look_hard(struct db *db, struct err *err)
{
    sqlite3_stmt *stmt = db->stmts[DB_EVENT_CROWDED];
    bool row;
    sql_bind_u64(stmt, 1, EVENTS_PER_OBJECT_MAX);
    sql_bind_slice(stmt, 2, SLICE(""));
    int rc = sql_step(stmt, &row, err);
    if (rc == 0) {
        db->state.events_crowded = row;
    }
    sql_reset(stmt);
    return rc == 0 ? events__look(db, &db->state, err) : rc;
}

int events__fill(sqlite3 *sql, struct err *err)
{
    sqlite3_stmt *from = NULL;
    sqlite3_stmt *to = NULL;
    bool row = true;
    int rc = sql_prepare(sql,
                         "SELECT v.version, v.ns, v.name, v.body FROM live AS l"
                         " JOIN versions AS v USING (version) WHERE l.resource = ?1 AND l.gone = 0",
                         &from, err);
    rc = rc != 0 ? rc
                 : sql_prepare(sql,
                               "INSERT INTO events (version, object, ns, name)"
                               " VALUES (?1, ?2, ?3, ?4)",
                               &to, err);
    if (rc == 0) {
        sql_bind_slice(from, 1, events_resource);
    }
    while (rc == 0 && row) {
        uint8_t object[EVENTS_OBJECT_BYTES];
        rc = sql_step(from, &row, err);
        if (rc == 0 && row) {
            events__object(sql_slice(from, 1), sql_slice(from, 3), object);
            sql_bind_u64(to, 1, sql_u64(from, 0));
            sql_bind_slice(to, 2, slice_make(object, sizeof object));
            sql_bind_slice(to, 3, sql_slice(from, 1));
            sql_bind_slice(to, 4, sql_slice(from, 2));
            rc = sql_run(to, err);
        }
    }
    (void)sqlite3_finalize(from);
    (void)sqlite3_finalize(to);
    return rc;
}

/* ---- removing ---- */

struct removal {
    struct apply *a;
    uint64_t version; /* of the next deletion */
    uint32_t left;    /* that this command may still remove */
};

/* The last state of an Event. */
static int read_body(struct apply *a, uint64_t version, struct command_write *w, struct err *err)
{
    sqlite3_stmt *stmt = a->db->stmts[DB_VERSION_BODY];
    sql_bind_u64(stmt, 1, version);
    bool row;
    int rc = sql_step(stmt, &row, err);
    if (rc == 0 && !row) {
        rc = err_set(err, ERR_CORRUPT, "an Event's version %llu has no row",
                     (unsigned long long)version);
    }
    if (rc == 0) {
        w->splice = (uint32_t)sql_u64(stmt, 0);
        w->body = arena_copy(a->arena, sql_slice(stmt, 1));
    }
    sql_reset(stmt);
    return rc;
}

/* stmt gives version, ns and name of one; false in *found: none. Resets it. */
static int remove_one(struct removal *r, sqlite3_stmt *stmt, bool *found, struct err *err)
{
    struct command_write w = {.verb = BACKEND_DELETE, .version = r->version};
    uint64_t before = 0;
    int rc = sql_step(stmt, found, err);
    if (rc == 0 && *found) {
        before = sql_u64(stmt, 0);
        w.key = (struct backend_key){.resource = events_resource,
                                     .ns = arena_copy(r->a->arena, sql_slice(stmt, 1)),
                                     .name = arena_copy(r->a->arena, sql_slice(stmt, 2))};
    }
    sql_reset(stmt);
    if (rc != 0 || !*found) {
        return rc;
    }
    rc = read_body(r->a, before, &w, err);
    rc = rc != 0 ? rc : apply__owners(r->a, &w, before, err);
    rc = rc != 0 ? rc : apply__store_row(r->a, &w, before, err);
    r->a->state.last_version = r->version;
    r->version += VERSION_STEP;
    r->left--;
    return rc;
}

static int remove_old(struct removal *r, uint64_t before, struct err *err)
{
    bool found = true;
    int rc = 0;
    while (rc == 0 && found && r->left > 0) {
        sqlite3_stmt *stmt = r->a->db->stmts[DB_EVENT_OLDEST];
        sql_bind_u64(stmt, 1, before);
        rc = remove_one(r, stmt, &found, err);
    }
    return rc;
}

/* The oldest of the next object, behind *last, that has too many; false in *crowded: there is none.
 */
static int thin_out(struct removal *r, struct slice *last, bool *crowded, struct err *err)
{
    uint64_t surplus = 0;
    sqlite3_stmt *stmt = r->a->db->stmts[DB_EVENT_CROWDED];
    sql_bind_u64(stmt, 1, EVENTS_PER_OBJECT_MAX);
    sql_bind_slice(stmt, 2, *last);
    int rc = sql_step(stmt, crowded, err);
    if (rc == 0 && *crowded) {
        *last = arena_copy(r->a->arena, sql_slice(stmt, 0));
        surplus = sql_u64(stmt, 1) - EVENTS_PER_OBJECT_MAX;
    }
    sql_reset(stmt);
    bool found = true;
    for (; rc == 0 && found && surplus > 0 && r->left > 0; surplus--) {
        stmt = r->a->db->stmts[DB_EVENT_OF];
        sql_bind_slice(stmt, 1, *last);
        rc = remove_one(r, stmt, &found, err);
    }
    return rc;
}

int apply__expire_events(struct apply *a, const struct command_events *c, struct outcome *out,
                         struct err *err)
{
    struct removal r = {.a = a, .version = c->version, .left = c->rows_max};
    struct slice last = SLICE("");
    int rc = apply__check_stamp(a, c->version, err);
    if (rc != 0) {
        return rc;
    }
    a->state.last_version = c->version;
    rc = remove_old(&r, c->before, err);
    while (rc == 0 && r.left > 0 && a->state.events_crowded) {
        rc = thin_out(&r, &last, &a->state.events_crowded, err);
    }
    out->version = r.left > 0 ? 1 : 0; /* 1: no more is due */
    return rc;
}
