/* sql.c: SQLite's results as ours, and word of a damaged database to whom it may concern. */
#include "store/sql.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "store/db.h"

/* Every connection has a page cache, and a node has some thirty connections: pages are allocated as
 * they come, not twenty at once. Nobody asks SQLite for its statistics, which cost a lock for each
 * allocation. */
__attribute__((constructor)) static void configure(void)
{
    int rc = sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    assert(rc == SQLITE_OK);
    rc = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    assert(rc == SQLITE_OK);
    (void)rc;
}

static void (*_Atomic on_damage)(const struct err *why);

void db_on_damage(void (*damaged)(const struct err *why))
{
    atomic_store(&on_damage, damaged);
}

static void tell_damage(sqlite3 *sql, int result, int code)
{
    void (*damaged)(const struct err *why) = atomic_load(&on_damage);
    const char *file = sqlite3_db_filename(sql, NULL);
    struct err why;
    if (damaged != NULL) {
        (void)err_set(&why, code, "database %s: %s (SQLite %d)", file != NULL ? file : "?",
                      sqlite3_errmsg(sql), result);
        damaged(&why);
    }
}

int sql_error(sqlite3 *sql, int result, const char *what, struct err *err)
{
    int code = ERR_IO;
    bool damage = (result & 0xff) == SQLITE_IOERR;
    switch (result & 0xff) {
    case SQLITE_FULL:
        code = ERR_FULL;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        code = ERR_CORRUPT;
        damage = true;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        code = ERR_BUSY;
        break;
    default:
        break;
    }
    int extended = sql != NULL ? sqlite3_extended_errcode(sql) : result;
    if (damage && sql != NULL) {
        tell_damage(sql, extended, code);
    }
    return err_set(err, code, "%s: %s (SQLite %d)", what,
                   sql != NULL ? sqlite3_errmsg(sql) : sqlite3_errstr(result), extended);
}

int sql_exec(sqlite3 *sql, const char *text, struct err *err)
{
    int rc = sqlite3_exec(sql, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sql_error(sql, rc, text, err);
}

int sql_prepare(sqlite3 *sql, const char *text, sqlite3_stmt **stmt, struct err *err)
{
    int rc = sqlite3_prepare_v3(sql, text, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    return rc == SQLITE_OK ? 0 : sql_error(sql, rc, text, err);
}

int sql_step(sqlite3_stmt *stmt, bool *row, struct err *err)
{
    int rc = sqlite3_step(stmt);
    *row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        return 0;
    }
    return sql_error(sqlite3_db_handle(stmt), rc, sqlite3_sql(stmt), err);
}

int sql_run(sqlite3_stmt *stmt, struct err *err)
{
    bool row;
    int rc = sql_step(stmt, &row, err);
    sql_reset(stmt);
    return rc;
}

void sql_reset(sqlite3_stmt *stmt)
{
    (void)sqlite3_reset(stmt); /* repeats the last step's error, already reported */
}

void sql_bind_slice(sqlite3_stmt *stmt, int at, struct slice s)
{
    /* A NULL pointer would bind NULL, which is equal to nothing. */
    int rc = sqlite3_bind_blob64(stmt, at, s.len > 0 ? s.data : "", (sqlite3_uint64)s.len,
                                 SQLITE_STATIC);
    assert(rc == SQLITE_OK);
}

void sql_bind_copy(sqlite3_stmt *stmt, int at, struct slice s)
{
    /* SQLite's SQLITE_TRANSIENT without its cast of an integer. */
    char *copy = slice_dup(s);
    int rc = sqlite3_bind_blob64(stmt, at, copy, (sqlite3_uint64)s.len, free);
    assert(rc == SQLITE_OK);
}

void sql_bind_u64(sqlite3_stmt *stmt, int at, uint64_t value)
{
    assert(value <= INT64_MAX);
    int rc = sqlite3_bind_int64(stmt, at, (sqlite3_int64)value);
    assert(rc == SQLITE_OK);
}

struct slice sql_slice(sqlite3_stmt *stmt, int column)
{
    const void *data = sqlite3_column_blob(stmt, column);
    return slice_make(data, (size_t)sqlite3_column_bytes(stmt, column));
}

uint64_t sql_u64(sqlite3_stmt *stmt, int column)
{
    return (uint64_t)sqlite3_column_int64(stmt, column);
}
