/* digest.c: rows, in key order, each folded into a running sha256.
 *
 * digest = sha256(digest | length-prefixed columns) over the rows of every replicated table. What a
 * node keeps for itself (raft's bytes, the applied term) is left out; the replicated numbers of the
 * state are in. */
#include "store/digest.h"

#include <assert.h>
#include <string.h>

#include "store/db_internal.h"

static const char *const tables[] = {
    "SELECT shard, cluster, applied_index, last_version, stamp_floor, ceiling, open_term,"
    " incarnation, floor, compacted, expired_ms, time_ms, audit_count, audit_head, namespaces_open"
    " FROM meta",
    "SELECT version, prev, verb, splice, resource, ns, name, body FROM versions ORDER BY version",
    "SELECT resource, ns, name, version, gone FROM live ORDER BY resource, ns, name",
    "SELECT issued_ms, subject, id, kind, version, digest FROM requests ORDER BY 1, 2, 3",
    "SELECT name, state FROM namespaces ORDER BY name",
    "SELECT owner, resource, ns, name FROM dependents ORDER BY 1, 2, 3, 4",
    "SELECT version, object, ns, name FROM events ORDER BY version",
    "SELECT seq, time_ms, version, subject, record, hash FROM audit ORDER BY seq",
};

static void add_column(sqlite3_stmt *stmt, int column, struct buf *out)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_INTEGER) {
        buf_add_u8(out, 'i');
        buf_add_be64(out, sql_u64(stmt, column));
    } else {
        struct slice s = sql_slice(stmt, column);
        buf_add_u8(out, 'b');
        buf_add_be64(out, s.len);
        buf_add(out, s);
    }
}

static int digest_table(sqlite3 *sql, const char *text, uint8_t digest[SHA256_BYTES],
                        struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = sql_prepare(sql, text, &stmt, err);
    if (rc != 0) {
        return rc;
    }
    struct buf folded = {0};
    bool row = true;
    while (rc == 0 && row) {
        rc = sql_step(stmt, &row, err);
        if (rc == 0 && row) {
            buf_clear(&folded);
            buf_add(&folded, slice_make(digest, SHA256_BYTES));
            for (int i = 0; i < sqlite3_column_count(stmt); i++) {
                add_column(stmt, i, &folded);
            }
            crypto_sha256(buf_slice(&folded), digest);
        }
    }
    buf_free(&folded);
    (void)sqlite3_finalize(stmt);
    return rc;
}

int digest_rows(struct reader *r, uint8_t digest[SHA256_BYTES], uint64_t *index, struct err *err)
{
    int rc = reader_begin(r, err);
    if (rc != 0) {
        return rc;
    }
    memset(digest, 0, SHA256_BYTES);
    *index = r->state.applied_index;
    for (size_t i = 0; rc == 0 && i < sizeof tables / sizeof tables[0]; i++) {
        crypto_sha256(slice_make(digest, SHA256_BYTES), digest); /* marks where a table ends */
        rc = digest_table(r->sql, tables[i], digest, err);
    }
    reader_end(r);
    return rc;
}
