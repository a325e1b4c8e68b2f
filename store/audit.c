/* audit.c: links are hashed here, for apply and for whoever checks. */
#include "store/audit.h"

#include <assert.h>

#include "store/db_internal.h"

void audit_hash(struct slice before, const struct audit_link *link, uint8_t hash[SHA256_BYTES])
{
    struct buf chained = {0};
    buf_add(&chained, before);
    buf_add_be64(&chained, link->seq);
    buf_add_be64(&chained, link->time_ms);
    buf_add_be64(&chained, link->version);
    buf_add_be32(&chained, (uint32_t)link->subject.len);
    buf_add(&chained, link->subject);
    buf_add(&chained, link->record);
    crypto_sha256(buf_slice(&chained), hash);
    buf_free(&chained);
}

/* One row against the chain so far; *before becomes its hash. */
static int check_link(sqlite3_stmt *stmt, uint64_t *last, struct buf *before, struct err *err)
{
    const struct audit_link link = {.seq = sql_u64(stmt, 0),
                                    .time_ms = sql_u64(stmt, 1),
                                    .version = sql_u64(stmt, 2),
                                    .subject = sql_slice(stmt, 3),
                                    .record = sql_slice(stmt, 4)};
    struct slice stored = sql_slice(stmt, 5);
    uint8_t hash[SHA256_BYTES];
    bool first = *last == 0;
    if (!first && link.seq != *last + 1) {
        return err_set(err, ERR_CORRUPT, "audit: link %llu is missing",
                       (unsigned long long)(*last + 1));
    }
    audit_hash(buf_slice(before), &link, hash);
    bool known = !first || link.seq == 1; /* what stood before a cut chain is gone */
    if (stored.len != SHA256_BYTES || (known && !slice_eq(stored, slice_make(hash, sizeof hash)))) {
        return err_set(err, ERR_CORRUPT, "audit: link %llu was changed",
                       (unsigned long long)link.seq);
    }
    buf_clear(before);
    buf_add(before, stored);
    *last = link.seq;
    return 0;
}

static int check_head(struct reader *r, uint64_t last, const struct buf *before, struct err *err)
{
    sqlite3_stmt *stmt;
    int rc = sql_prepare(r->sql, META_SELECT, &stmt, err);
    if (rc != 0) {
        return rc;
    }
    bool row;
    rc = sql_step(stmt, &row, err);
    bool whole = last == 0 || (last == r->state.audit_count && row &&
                               slice_eq(sql_slice(stmt, META_AUDIT_HEAD), buf_slice(before)));
    if (rc == 0 && !whole) {
        rc = err_set(err, ERR_CORRUPT, "audit: the chain ends at link %llu, not at %llu",
                     (unsigned long long)last, (unsigned long long)r->state.audit_count);
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}

int audit_verify(struct reader *r, uint64_t *count, struct err *err)
{
    assert(r->pinned);
    sqlite3_stmt *stmt;
    int rc = sql_prepare(
        r->sql, "SELECT seq, time_ms, version, subject, record, hash FROM audit ORDER BY seq",
        &stmt, err);
    if (rc != 0) {
        return rc;
    }
    struct buf before = {0};
    uint64_t last = 0;
    bool row = true;
    *count = 0;
    while (rc == 0 && row) {
        rc = sql_step(stmt, &row, err);
        if (rc == 0 && row) {
            rc = check_link(stmt, &last, &before, err);
            ++*count;
        }
    }
    (void)sqlite3_finalize(stmt);
    rc = rc != 0 ? rc : check_head(r, last, &before, err);
    buf_free(&before);
    return rc;
}
