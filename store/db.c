/* db.c: opening, migrating and checkpointing a shard's database.
 *
 * Happy path: finish an interrupted install, open, check that the file is ours, set the pragmas and
 * read each back, migrate step by step (each step and its schema version in one transaction),
 * prepare every statement, read the state.
 * Failure path: whatever fails closes the connection and names the file. A file without our
 * application id, or of a newer schema, is never touched.
 * Invariants: this connection is the only one that writes and the only one that checkpoints (SQLite
 * before 3.51.3 may damage the file when two connections reset the WAL); automatic checkpoints are
 * off on every connection. */
#include "store/db.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "store/events.h"

enum {
    BUSY_TIMEOUT_MS = 5000,
    WAL_KEEP_BYTES = 8 * 1024 * 1024,
    CHECKPOINT_TRIES = 4, /* ordinary reads end within microseconds */
    CHECKPOINT_PAUSE_US = 500,
};

/* For migrations: each live object's body as SQLite's JSON functions want it, one element a row. */
#define LIVE_TEXTS                                                                                 \
    "live AS l CROSS JOIN versions AS v USING (version) CROSS JOIN json_each("                     \
    "CASE WHEN json_valid(CAST(v.body AS TEXT)) THEN CAST(v.body AS TEXT) ELSE '{}' END"

/* Step i makes schema version i + 1. */
static const char *const migrations[] = {
    /* versions: the objects' history and the change feed, in version order; bodies last, so that a
     *   scan that does not want them never touches their overflow pages.
     * live: each key's newest version; deleted keys stay (gone) until compaction, so that reads as
     *   of a version find their way back along versions.prev.
     * requests: in order of issue, so that keeping one is an append. */
    "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), shard INTEGER NOT NULL,"
    " cluster BLOB NOT NULL, namespaces_open INTEGER NOT NULL,"
    " applied_index INTEGER NOT NULL DEFAULT 0, applied_term INTEGER NOT NULL DEFAULT 0,"
    " last_version INTEGER NOT NULL DEFAULT 0, stamp_floor INTEGER NOT NULL DEFAULT 0,"
    " ceiling INTEGER NOT NULL DEFAULT 0, open_term INTEGER NOT NULL DEFAULT 0,"
    " incarnation INTEGER NOT NULL DEFAULT 0, floor INTEGER NOT NULL DEFAULT 0,"
    " compacted INTEGER NOT NULL DEFAULT 0, expired_ms INTEGER NOT NULL DEFAULT 0,"
    " time_ms INTEGER NOT NULL DEFAULT 0, audit_count INTEGER NOT NULL DEFAULT 0,"
    " audit_head BLOB NOT NULL DEFAULT x'', raft_meta BLOB NOT NULL DEFAULT x'');"
    "CREATE TABLE versions (version INTEGER PRIMARY KEY, prev INTEGER NOT NULL,"
    " verb INTEGER NOT NULL, splice INTEGER NOT NULL, resource BLOB NOT NULL, ns BLOB NOT NULL,"
    " name BLOB NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE live (resource BLOB NOT NULL, ns BLOB NOT NULL, name BLOB NOT NULL,"
    " version INTEGER NOT NULL, gone INTEGER NOT NULL,"
    " PRIMARY KEY (resource, ns, name)) WITHOUT ROWID;"
    "CREATE TABLE requests (issued_ms INTEGER NOT NULL, subject BLOB NOT NULL, id BLOB NOT NULL,"
    " kind INTEGER NOT NULL, version INTEGER NOT NULL, digest BLOB NOT NULL,"
    " PRIMARY KEY (issued_ms, subject, id)) WITHOUT ROWID;"
    "CREATE TABLE namespaces (name BLOB PRIMARY KEY, state INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE audit (seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL,"
    " version INTEGER NOT NULL, subject BLOB NOT NULL, record BLOB NOT NULL, hash BLOB NOT NULL);",
    /* dependents: whom the garbage collector may have to look at (apply_owners.c keeps them). A row
     *   for each uid that a live object names as an owner; of one with an empty owner, the object
     *   is being deleted and waits for the collector itself. */
    "CREATE TABLE dependents (owner BLOB NOT NULL, resource BLOB NOT NULL, ns BLOB NOT NULL,"
    " name BLOB NOT NULL, PRIMARY KEY (owner, resource, ns, name)) WITHOUT ROWID;"
    "INSERT OR IGNORE INTO dependents SELECT CAST(json_extract(o.value, '$.uid') AS BLOB),"
    " l.resource, l.ns, l.name FROM " LIVE_TEXTS ", '$.metadata.ownerReferences') AS o"
    " WHERE l.gone = 0 AND o.type = 'object' AND json_type(o.value, '$.uid') = 'text'"
    " AND json_extract(o.value, '$.uid') <> '';"
    "INSERT OR IGNORE INTO dependents SELECT x'', l.resource, l.ns, l.name"
    " FROM " LIVE_TEXTS ", '$.metadata.finalizers') AS f WHERE l.gone = 0"
    " AND f.value IN ('foregroundDeletion', 'orphan')"
    " AND json_type(CAST(v.body AS TEXT), '$.metadata.deletionTimestamp') IS NOT NULL",
    /* events: one row per live Event (events.h), filled by events__fill(). */
    "CREATE TABLE events (version INTEGER PRIMARY KEY, object BLOB NOT NULL, ns BLOB NOT NULL,"
    " name BLOB NOT NULL);"
    "CREATE INDEX events_of ON events (object, version);",
};
_Static_assert(sizeof migrations / sizeof migrations[0] == DB_SCHEMA_VERSION, "one step a version");

static const char *const stmt_texts[DB_STMT_COUNT] = {
#define STMT(name, text) [name] = (text),
#include "store/db_stmt.def"
#undef STMT
};
_Static_assert((int)DB_STMT_COUNT <= (int)DB_STMTS_MAX, "struct db has room for all statements");

void db__state(sqlite3_stmt *stmt, struct db_state *state)
{
    *state = (struct db_state){
        .shard = (uint32_t)sql_u64(stmt, 0),
        .applied_index = sql_u64(stmt, 1),
        .applied_term = sql_u64(stmt, 2),
        .last_version = sql_u64(stmt, 3),
        .stamp_floor = sql_u64(stmt, 4),
        .ceiling = sql_u64(stmt, 5),
        .open_term = sql_u64(stmt, 6),
        .incarnation = sql_u64(stmt, 7),
        .floor = sql_u64(stmt, 8),
        .compacted = sql_u64(stmt, 9),
        .expired_ms = sql_u64(stmt, 10),
        .time_ms = sql_u64(stmt, 11),
        .audit_count = sql_u64(stmt, 12),
        .namespaces_open = sql_u64(stmt, 13) != 0,
    };
}

int db__pragma(sqlite3 *sql, const char *name, int64_t *value, struct err *err)
{
    char text[64];
    (void)snprintf(text, sizeof text, "PRAGMA %s", name);
    sqlite3_stmt *stmt;
    int rc = sql_prepare(sql, text, &stmt, err);
    if (rc != 0) {
        return rc;
    }
    bool row;
    rc = sql_step(stmt, &row, err);
    if (rc == 0 && !row) {
        rc = err_set(err, ERR_IO, "%s gives no value", text);
    }
    if (rc == 0) {
        *value = sqlite3_column_int64(stmt, 0);
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}

int db__settle(sqlite3 *sql, struct err *err)
{
    (void)sqlite3_extended_result_codes(sql, 1);
    (void)sqlite3_busy_timeout(sql, BUSY_TIMEOUT_MS);
    int done = 0;
    int rc = sqlite3_db_config(sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &done);
    if (rc != SQLITE_OK || done != 1) {
        return sql_error(sql, rc, "turn checkpoints on close off", err);
    }
    /* A database may come from a peer: its schema is data, not a program. */
    rc = sqlite3_db_config(sql, SQLITE_DBCONFIG_DEFENSIVE, 1, &done);
    if (rc != SQLITE_OK || done != 1) {
        return sql_error(sql, rc, "turn defensive mode on", err);
    }
    return sql_exec(sql,
                    "PRAGMA wal_autocheckpoint = 0; PRAGMA trusted_schema = OFF;"
                    "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY",
                    err);
}

int db__check_schema(sqlite3 *sql, uint32_t *schema_version, struct err *err)
{
    int64_t application;
    int64_t version;
    int64_t objects;
    int rc = db__pragma(sql, "application_id", &application, err);
    if (rc == 0) {
        rc = db__pragma(sql, "user_version", &version, err);
    }
    if (rc == 0) {
        rc = db__pragma(sql, "page_count", &objects, err);
    }
    if (rc != 0) {
        return rc;
    }
    bool fresh = application == 0 && version == 0 && objects == 0;
    if (!fresh && application != SQL_APPLICATION_ID) {
        return err_set(err, ERR_CORRUPT, "not a shard's database (application id %lld)",
                       (long long)application);
    }
    if (version > DB_SCHEMA_VERSION) {
        return err_set(err, ERR_UNSUPPORTED,
                       "schema version %lld is newer than this release's %d: upgrade this node",
                       (long long)version, DB_SCHEMA_VERSION);
    }
    *schema_version = (uint32_t)version;
    return 0;
}

static int set_journal(sqlite3 *sql, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = sql_prepare(sql, "PRAGMA journal_mode = WAL", &stmt, err);
    if (rc != 0) {
        return rc;
    }
    bool row;
    rc = sql_step(stmt, &row, err);
    if (rc == 0 && (!row || !slice_eq_cstr(sql_slice(stmt, 0), "wal"))) {
        rc = err_set(err, ERR_IO, "this file system does not allow SQLite's WAL mode");
    }
    (void)sqlite3_finalize(stmt);
    if (rc != 0) {
        return rc;
    }
    char text[160];
    (void)snprintf(text, sizeof text,
                   "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -2048;"
                   "PRAGMA secure_delete = OFF; PRAGMA journal_size_limit = %d",
                   WAL_KEEP_BYTES);
    rc = sql_exec(sql, text, err);
    int64_t synchronous = 0;
    if (rc == 0) {
        rc = db__pragma(sql, "synchronous", &synchronous, err);
    }
    if (rc == 0 && synchronous != 1) {
        rc = err_set(err, ERR_IO, "synchronous=NORMAL was not taken");
    }
    return rc;
}

static int insert_meta(sqlite3 *sql, const struct db_config *config, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = sql_prepare(
        sql, "INSERT INTO meta (id, shard, cluster, namespaces_open) VALUES (1, ?1, ?2, ?3)", &stmt,
        err);
    if (rc != 0) {
        return rc;
    }
    sql_bind_u64(stmt, 1, config->shard);
    sql_bind_slice(stmt, 2, config->cluster);
    sql_bind_u64(stmt, 3, config->namespaces_open ? 1 : 0);
    rc = sql_run(stmt, err);
    (void)sqlite3_finalize(stmt);
    return rc;
}

/* One step, with its schema version, in one transaction. */
static int migrate_step(sqlite3 *sql, uint32_t from, const struct db_config *config,
                        struct err *err)
{
    char text[96];
    (void)snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %u",
                   SQL_APPLICATION_ID, from + 1);
    int rc = sql_exec(sql, "BEGIN IMMEDIATE", err);
    if (rc != 0) {
        return rc;
    }
    rc = sql_exec(sql, migrations[from], err);
    if (rc == 0 && from == 0) {
        rc = insert_meta(sql, config, err);
    }
    if (rc == 0 && from == 2) {
        rc = events__fill(sql, err);
    }
    if (rc == 0) {
        rc = sql_exec(sql, text, err);
    }
    if (rc == 0) {
        rc = sql_exec(sql, "COMMIT", err);
    }
    if (rc != 0) {
        (void)sqlite3_exec(sql, "ROLLBACK", NULL, NULL, NULL);
        return err_wrap(err, "migrate to schema version %u", from + 1);
    }
    return 0;
}

static int migrate(sqlite3 *sql, const struct db_config *config, struct err *err)
{
    uint32_t version;
    int rc = db__check_schema(sql, &version, err);
    if (rc == 0 && version == 0) {
        /* Entries of a few commands, the usual ones, apply 1.3 times as fast with pages of 4 KB
         * as with 8 KB, and large ones no slower (bench/store). */
        rc = sql_exec(sql, "PRAGMA page_size = 4096", err);
    }
    if (rc == 0) {
        rc = set_journal(sql, err);
    }
    for (uint32_t from = version; rc == 0 && from < DB_SCHEMA_VERSION; from++) {
        rc = migrate_step(sql, from, config, err);
    }
    return rc;
}

/* Frames in the WAL after a commit. */
static int on_commit(void *user, sqlite3 *sql, const char *name, int frames)
{
    (void)sql;
    (void)name;
    struct db *db = user;
    db->wal_frames = (uint64_t)frames;
    return SQLITE_OK;
}

static int prepare_all(struct db *db, struct err *err)
{
    for (int i = 0; i < DB_STMT_COUNT; i++) {
        int rc = sql_prepare(db->sql, stmt_texts[i], &db->stmts[i], err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int load_state(struct db *db, const struct db_config *config, struct err *err)
{
    sqlite3_stmt *stmt = db->stmts[DB_META_GET];
    bool row;
    int rc = sql_step(stmt, &row, err);
    if (rc == 0 && !row) {
        rc = err_set(err, ERR_CORRUPT, "the state's row is missing");
    }
    if (rc == 0) {
        db__state(stmt, &db->state);
        buf_add(&db->raft_meta, sql_slice(stmt, META_RAFT_META));
        buf_add(&db->audit_head, sql_slice(stmt, META_AUDIT_HEAD));
        struct slice cluster = sql_slice(stmt, META_CLUSTER);
        if (db->state.shard != config->shard) {
            rc = err_set(err, ERR_INVALID, "it belongs to shard %u, not %u", db->state.shard,
                         config->shard);
        } else if (!slice_eq(cluster, config->cluster)) {
            rc = err_set(err, ERR_INVALID,
                         "it belongs to cluster '%.*s', not '%.*s': this is another cluster's data "
                         "directory",
                         SLICE_ARG(cluster), SLICE_ARG(config->cluster));
        }
    }
    sql_reset(stmt);
    return rc == 0 ? events__look_hard(db, err) : rc;
}

static int open_connection(struct db *db, const struct db_config *config, struct err *err)
{
    int rc = image__finish_install(config->path, err);
    if (rc != 0) {
        return rc;
    }
    if (fault_hit("store.open")) {
        return err_set(err, ERR_IO, "refused by fault point store.open");
    }
    if (fault_hit("store.open.full")) {
        return err_set(err, ERR_FULL, "refused by fault point store.open.full");
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int result = sqlite3_open_v2(config->path, &db->sql, flags, NULL);
    if (result != SQLITE_OK) {
        return sql_error(db->sql, result, "open", err);
    }
    rc = db__settle(db->sql, err);
    if (rc == 0) {
        rc = migrate(db->sql, config, err);
    }
    if (rc == 0) {
        (void)sqlite3_wal_hook(db->sql, on_commit, db);
        rc = prepare_all(db, err);
    }
    if (rc == 0) {
        rc = load_state(db, config, err);
    }
    if (rc == 0) {
        int64_t page_bytes = 0;
        rc = db__pragma(db->sql, "page_size", &page_bytes, err);
        db->page_bytes = (uint64_t)page_bytes;
    }
    return rc;
}

int db_open(struct db *db, const struct db_config *config, struct err *err)
{
    assert(config->cluster.len <= DB_CLUSTER_MAX);
    *db = (struct db){.path = mem_strdup(config->path)};
    int rc = open_connection(db, config, err);
    if (rc == ERR_BUSY) {
        rc = err_set(err, ERR_IO, "another process holds it: is a node running on this folder?");
    }
    if (rc != 0) {
        db_close(db);
        return err_wrap(err, "database %s", config->path);
    }
    return 0;
}

void db_close(struct db *db)
{
    for (int i = 0; i < DB_STMT_COUNT; i++) {
        (void)sqlite3_finalize(db->stmts[i]);
    }
    int rc = sqlite3_close(db->sql);
    assert(rc == SQLITE_OK); /* every statement is finalized */
    free(db->path);
    buf_free(&db->raft_meta);
    buf_free(&db->audit_head);
    *db = (struct db){0};
}

uint64_t db_present(const struct db_state *state)
{
    return state->last_version > 0 ? state->last_version : 1;
}

int db_checkpoint(struct db *db, uint64_t *index, struct err *err)
{
    uint64_t before = db->state.applied_index;
    if (fault_hit("store.checkpoint")) {
        return err_set(err, ERR_IO, "checkpoint %s: refused by fault point", db->path);
    }
    int frames = 0;
    int copied = 0;
    for (int tries = 0; tries < CHECKPOINT_TRIES && (tries == 0 || copied < frames); tries++) {
        if (tries > 0) {
            (void)usleep(CHECKPOINT_PAUSE_US); /* a read that began before the last commit */
        }
        int rc =
            sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &copied);
        if (rc != SQLITE_OK) {
            (void)sql_error(db->sql, rc, "checkpoint", err);
            return err_wrap(err, "database %s", db->path);
        }
    }
    if (copied < frames) {
        return err_set(err, ERR_BUSY, "checkpoint %s: a reader pins %d of %d frames", db->path,
                       frames - copied, frames);
    }
    db->wal_frames = 0;
    *index = before;
    return 0;
}

uint64_t db_wal_bytes(const struct db *db)
{
    return db->wal_frames * db->page_bytes;
}

int db_verify(struct db *db, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = sql_prepare(db->sql, "PRAGMA integrity_check(1)", &stmt, err);
    if (rc != 0) {
        return rc;
    }
    bool row;
    rc = sql_step(stmt, &row, err);
    if (rc == 0 && (!row || !slice_eq_cstr(sql_slice(stmt, 0), "ok"))) {
        struct slice found = row ? sql_slice(stmt, 0) : SLICE("no answer");
        rc = err_set(err, ERR_CORRUPT, "database %s: %.*s", db->path, SLICE_ARG(found));
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}
