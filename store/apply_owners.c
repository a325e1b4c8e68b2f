/* apply_owners.c: who depends on whom, kept beside the objects for the garbage collector.
 *
 * Happy path: what a write's object says of its owners, and whether it waits for the collector, is
 * what the object before it said: two scans of stored bytes, no row changes. Else the rows of the
 * one before go and those of the new one come. A deletion leaves none.
 * Failure path: references that make no sense (no list, no uid) have no rows: nobody can be found
 * to own them.
 * Invariant: the rows of a live object follow from its bytes alone, so replicas agree, and the
 * migration that first made the table (db.c) made the same. */
#include "base/json.h"
#include "store/apply_internal.h"

/* What rows follow from, as it stands in canonical bytes. */
struct ties {
    struct slice owners; /* metadata.ownerReferences, raw */
    bool waits;          /* being deleted, and held by a finalizer of the collector's */
};

static struct ties ties_of(struct slice body)
{
    struct ties t = {0};
    struct slice metadata;
    struct slice value;
    if (!json_scan(body, &metadata, "metadata", NULL)) {
        return t;
    }
    (void)json_scan(metadata, &t.owners, "ownerReferences", NULL);
    if (json_scan(metadata, &value, "deletionTimestamp", NULL) &&
        json_scan(metadata, &value, "finalizers", NULL)) {
        t.waits = slice_find(value, SLICE("\"foregroundDeletion\"")) < value.len ||
                  slice_find(value, SLICE("\"orphan\"")) < value.len;
    }
    return t;
}

static int set_row(struct apply *a, enum db_stmt which, struct slice owner,
                   const struct backend_key *key, struct err *err)
{
    sqlite3_stmt *stmt = a->db->stmts[which];
    sql_bind_slice(stmt, 1, owner);
    sql_bind_slice(stmt, 2, key->resource);
    sql_bind_slice(stmt, 3, key->ns);
    sql_bind_slice(stmt, 4, key->name);
    return sql_run(stmt, err);
}

static int set_rows(struct apply *a, enum db_stmt which, const struct ties *ties,
                    const struct backend_key *key, struct err *err)
{
    int rc = ties->waits ? set_row(a, which, SLICE(""), key, err) : 0;
    json_t *owners = NULL;
    if (ties->owners.len == 0 || json_parse(ties->owners, &owners, NULL) != 0) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(owners); i++) {
        struct slice uid = json_text_at(json_array_get(owners, i), "uid");
        rc = uid.len > 0 ? set_row(a, which, uid, key, err) : 0;
    }
    json_decref(owners);
    return rc;
}

int apply__owners(struct apply *a, const struct command_write *w, uint64_t before, struct err *err)
{
    struct ties now = w->verb == BACKEND_DELETE ? (struct ties){0} : ties_of(w->body);
    struct ties was = {0};
    sqlite3_stmt *stmt = a->db->stmts[DB_VERSION_BODY];
    bool row = false;
    int rc = 0;
    if (before != 0) {
        sql_bind_u64(stmt, 1, before);
        rc = sql_step(stmt, &row, err);
        was = rc == 0 && row ? ties_of(sql_slice(stmt, 1)) : was;
    }
    if (rc == 0 && (was.waits != now.waits || !slice_eq(was.owners, now.owners))) {
        rc = set_rows(a, DB_DEPENDENT_DROP, &was, &w->key, err);
        rc = rc == 0 ? set_rows(a, DB_DEPENDENT_NEW, &now, &w->key, err) : rc;
    }
    if (before != 0) {
        sql_reset(stmt);
    }
    return rc;
}
