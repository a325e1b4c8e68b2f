/* db.h: one shard's SQLite database: the one connection that writes and checkpoints.
 *
 * Opening migrates to this release's schema. Writing is apply's (store/apply.h) alone; whoever else
 * wants rows opens a reader (store/reader.h). WAL mode, synchronous=NORMAL: a power cut may roll
 * the database back to an earlier applied index, never tear it; the log replays the rest, so the
 * log is cut only up to what db_checkpoint() returned.
 * Owner: the caller embeds struct db. Thread: one at a time (the shard's loop). */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/err.h"
#include "base/str.h"

struct sqlite3;
struct sqlite3_stmt;

enum { DB_SCHEMA_VERSION = 3, DB_CLUSTER_MAX = 64, DB_STMTS_MAX = 40 };

struct db_config {
    const char *path;     /* .../shards/003/state.db; its folder exists */
    uint32_t shard;       /* checked against the one that made the file */
    struct slice cluster; /* cluster id, likewise; at most DB_CLUSTER_MAX bytes, may be empty */
    bool namespaces_open; /* when made: do not check namespace rows on writes */
};

/* What the last committed transaction left; also readable by any reader. */
struct db_state {
    uint32_t shard;
    uint64_t applied_index;
    uint64_t applied_term;
    uint64_t last_version; /* greatest stamp applied, of refused writes too; 0: none */
    uint64_t stamp_floor;  /* greatest ceiling applied before the newest Open */
    uint64_t ceiling;      /* greatest ceiling ever applied */
    uint64_t open_term;    /* of the newest Open */
    uint64_t incarnation;
    uint64_t floor;      /* below this version history is incomplete: ERR_GONE */
    uint64_t compacted;  /* how far compaction has looked */
    uint64_t expired_ms; /* requests issued before this are forgotten, and refused */
    uint64_t time_ms;    /* greatest entry time seen */
    uint64_t audit_count;
    bool namespaces_open;
    /* Of Events; what their rows say, no columns of their own. Not a reader's. */
    uint64_t events_oldest; /* version of the one written longest ago; 0: there is none */
    bool events_crowded;    /* some object may have more than its share of them */
};

struct db {
    struct db_state state;
    struct buf raft_meta; /* opaque bytes of raft/, stored with the applied index */
    /* private */
    struct sqlite3 *sql;
    struct sqlite3_stmt *stmts[DB_STMTS_MAX];
    char *path;
    struct buf audit_head;
    uint64_t wal_frames;
    uint64_t page_bytes;
};

/* Opens, or makes. On error nothing is held.
 * Errors: ERR_IO, ERR_FULL, ERR_CORRUPT (damaged, or no database of ours), ERR_UNSUPPORTED (written
 * by a newer release), ERR_INVALID (of another shard or cluster). */
int db_open(struct db *db, const struct db_config *config, struct err *err);
/* From now on, damage and disk errors that any connection of this process meets, reading or writing
 * (SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_IOERR), are told to damaged, on the thread that met them,
 * before they are returned: what to do about a lost database is the process's business. why names
 * the file; ERR_CORRUPT or ERR_IO. NULL: nobody. Thread: any. */
void db_on_damage(void (*damaged)(const struct err *why));
void db_close(struct db *db);

/* The version that is present: nothing at or below it will still come. At least 1. */
uint64_t db_present(const struct db_state *state);

/* Copies every frame of the write-ahead log into the database file and syncs it. *index is the
 * applied index that is now durable in SQLite.
 * Errors: ERR_BUSY (a reader pins old frames for longer than a moment; try again later), ERR_IO,
 * ERR_FULL. */
int db_checkpoint(struct db *db, uint64_t *index, struct err *err);
/* Frames waiting to be checkpointed, in bytes: for deciding when. */
uint64_t db_wal_bytes(const struct db *db);
/* The whole of SQLite's integrity check; slow. Errors: ERR_CORRUPT. */
int db_verify(struct db *db, struct err *err);

#endif
