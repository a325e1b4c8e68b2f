/* db_internal.h: what db, apply and reader share: the schema's statements and the state's row.
 * Thread: as db.h. */
#ifndef STORE_DB_INTERNAL_H
#define STORE_DB_INTERNAL_H

#include "store/db.h"
#include "store/sql.h"

/* The state's columns, in the order that db__state() reads. */
#define META_SELECT                                                                                \
    "SELECT shard, applied_index, applied_term, last_version, stamp_floor, ceiling, open_term,"    \
    " incarnation, floor, compacted, expired_ms, time_ms, audit_count, namespaces_open,"           \
    " audit_head, raft_meta, cluster FROM meta WHERE id = 1"
enum { META_AUDIT_HEAD = 14, META_RAFT_META, META_CLUSTER };

enum db_stmt {
#define STMT(name, text) name,
#include "store/db_stmt.def"
#undef STMT
    DB_STMT_COUNT
};

/* Reads the current row of a META_SELECT. */
void db__state(sqlite3_stmt *stmt, struct db_state *state);
/* Settings that every connection wants, writer or reader. */
int db__settle(sqlite3 *sql, struct err *err);
/* Checks that the file is of ours and of this release's schema. */
int db__check_schema(sqlite3 *sql, uint32_t *schema_version, struct err *err);
/* PRAGMA name: its one integer. */
int db__pragma(sqlite3 *sql, const char *name, int64_t *value, struct err *err);
/* Finishes what a crash left of image_install(); nothing to do is fine. Errors: ERR_IO. */
int image__finish_install(const char *db_path, struct err *err);

#endif
