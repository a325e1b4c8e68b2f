/* sql.h: the little that store/ needs of SQLite's interface, with every result checked.
 *
 * Owner: the caller of each. Thread: one at a time per connection. */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include <sqlite3.h>

#include "base/err.h"
#include "base/str.h"

enum { SQL_APPLICATION_ID = 0x43485244 }; /* "CHRD" in the file's header: a database of ours */

/* SQLite's result as ours: ERR_FULL, ERR_CORRUPT, ERR_BUSY, else ERR_IO. */
int sql_error(sqlite3 *sql, int result, const char *what, struct err *err);
int sql_exec(sqlite3 *sql, const char *text, struct err *err);
int sql_prepare(sqlite3 *sql, const char *text, sqlite3_stmt **stmt, struct err *err);
/* 0, with *row telling whether there is one. */
int sql_step(sqlite3_stmt *stmt, bool *row, struct err *err);
/* Runs a statement that gives no rows, and resets it. */
int sql_run(sqlite3_stmt *stmt, struct err *err);
/* Ends a statement's use; its error, if any, was sql_step()'s. */
void sql_reset(sqlite3_stmt *stmt);

/* Binding cannot fail by SQLite's contract (in range, not running, bytes borrowed): asserted. The
 * bytes stay put until the statement is reset. */
void sql_bind_slice(sqlite3_stmt *stmt, int at, struct slice s);
/* Keeps its own copy of the bytes. */
void sql_bind_copy(sqlite3_stmt *stmt, int at, struct slice s);
void sql_bind_u64(sqlite3_stmt *stmt, int at, uint64_t value);
/* Columns of the current row; a slice lives until the next step or reset. */
struct slice sql_slice(sqlite3_stmt *stmt, int column);
uint64_t sql_u64(sqlite3_stmt *stmt, int column);

#endif
