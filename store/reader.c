/* reader.c: reading a shard's rows while another connection writes them.
 *
 * Happy path: reader_begin() starts a read transaction and loads the state's row, which fixes the
 * view; every statement is prepared once, bound, stepped, and reset when its rows are done with.
 * As-of reads start at a key's newest version and follow prev back; within the kept history that is
 * as many steps as there were changes since.
 * Failure path: an error of SQLite ends the statement; the view stays pinned until reader_end().
 * Invariant: this connection never writes and never checkpoints. */
#include "store/reader.h"

#include <assert.h>

#include "store/db_internal.h"

enum reader_stmt {
#define STMT(name, text) name,
#include "store/reader_stmt.def"
#undef STMT
    READER_STMT_COUNT
};

/* What read_row() reads, in that order. */
#define ROW_COLUMNS "v.version, v.prev, v.verb, v.splice, v.resource, v.ns, v.name, v.body"
#define ROW_OF_LIVE "SELECT " ROW_COLUMNS " FROM live AS l LEFT JOIN versions AS v USING (version) "
static const char *const stmt_texts[READER_STMT_COUNT] = {
#define STMT(name, text) [name] = (text),
#include "store/reader_stmt.def"
#undef STMT
};
_Static_assert((int)READER_STMT_COUNT <= (int)READER_STMTS_MAX, "struct reader has room");

static int open_connection(struct reader *r, const char *path, struct err *err)
{
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    int result = sqlite3_open_v2(path, &r->sql, flags, NULL);
    if (result != SQLITE_OK) {
        return sql_error(r->sql, result, "open", err);
    }
    int rc = db__settle(r->sql, err);
    if (rc == 0) {
        rc = sql_exec(r->sql, "PRAGMA query_only = ON; PRAGMA cache_size = -256", err);
    }
    uint32_t schema;
    if (rc == 0) {
        rc = db__check_schema(r->sql, &schema, err);
    }
    if (rc == 0 && schema != DB_SCHEMA_VERSION) {
        rc = err_set(err, ERR_CORRUPT, "schema version %u: not opened for writing first", schema);
    }
    for (int i = 0; rc == 0 && i < READER_STMT_COUNT; i++) {
        rc = sql_prepare(r->sql, stmt_texts[i], &r->stmts[i], err);
    }
    return rc;
}

int reader_open(struct reader *r, const char *path, uint32_t shard, struct err *err)
{
    *r = (struct reader){.shard = shard};
    int rc = open_connection(r, path, err);
    if (rc == 0) {
        rc = reader_begin(r, err);
    }
    if (rc == 0) {
        if (r->state.shard != shard) {
            rc = err_set(err, ERR_INVALID, "it belongs to shard %u, not %u", r->state.shard, shard);
        }
        reader_end(r);
    }
    if (rc != 0) {
        reader_close(r);
        return err_wrap(err, "read %s", path);
    }
    return 0;
}

void reader_close(struct reader *r)
{
    if (r->pinned) {
        reader_end(r);
    }
    for (int i = 0; i < READER_STMT_COUNT; i++) {
        (void)sqlite3_finalize(r->stmts[i]);
    }
    int rc = sqlite3_close(r->sql);
    assert(rc == SQLITE_OK); /* every statement is finalized */
    *r = (struct reader){0};
}

int reader_begin(struct reader *r, struct err *err)
{
    assert(!r->pinned);
    int rc = sql_run(r->stmts[READER_BEGIN], err);
    if (rc != 0) {
        return rc;
    }
    r->pinned = true;
    sqlite3_stmt *stmt = r->stmts[READER_META];
    bool row;
    rc = sql_step(stmt, &row, err);
    if (rc == 0 && !row) {
        rc = err_set(err, ERR_CORRUPT, "shard %u: the state's row is missing", r->shard);
    }
    if (rc == 0) {
        db__state(stmt, &r->state);
    }
    sql_reset(stmt);
    if (rc != 0) {
        reader_end(r);
    }
    return rc;
}

void reader_end(struct reader *r)
{
    assert(r->pinned);
    for (int i = 0; i < READER_STMT_COUNT; i++) {
        sql_reset(r->stmts[i]); /* an open scan would keep the view */
    }
    struct err ignored; /* ending a read transaction has nothing that could fail */
    (void)sql_run(r->stmts[READER_END], &ignored);
    r->page.stmt = NULL;
    r->dependents = NULL;
    r->pinned = false;
}

static struct backend_key key_of(sqlite3_stmt *stmt)
{
    return (struct backend_key){
        .resource = sql_slice(stmt, 4), .ns = sql_slice(stmt, 5), .name = sql_slice(stmt, 6)};
}

/* The current row of a statement over ROW_COLUMNS. */
static int read_row(sqlite3_stmt *stmt, struct reader_row *row, struct err *err)
{
    uint64_t verb = sql_u64(stmt, 2);
    uint64_t splice = sql_u64(stmt, 3);
    *row = (struct reader_row){
        .object = {.key = key_of(stmt),
                   .body = sql_slice(stmt, 7),
                   .splice = (uint32_t)splice,
                   .version = sql_u64(stmt, 0)},
        .verb = (enum backend_verb)verb,
        .prev = sql_u64(stmt, 1),
    };
    if (sqlite3_column_type(stmt, 0) == SQLITE_NULL) {
        return err_set(err, ERR_CORRUPT, "a live object's version has no row");
    }
    if (verb > BACKEND_DELETE || splice > row->object.body.len) {
        return err_set(err, ERR_CORRUPT, "version %llu: its row makes no sense",
                       (unsigned long long)row->object.version);
    }
    return 0;
}

/* From row, a key's newest, back to what was there as of a version; *found tells whether anything
 * was. past is the statement to walk with. */
static int walk_back(struct reader *r, sqlite3_stmt *past, uint64_t as_of, struct reader_row *row,
                     bool *found, struct err *err)
{
    *found = true;
    while (row->object.version > as_of) {
        uint64_t prev = row->prev;
        if (prev == 0) {
            *found = false;
            return 0;
        }
        sql_reset(past);
        sql_bind_u64(past, 1, prev);
        int rc = sql_step(past, found, err);
        if (rc != 0) {
            return rc;
        }
        if (!*found) {
            /* Only a compacted deletion may be missing. */
            return prev <= r->state.floor ? 0
                                          : err_set(err, ERR_CORRUPT, "version %llu is missing",
                                                    (unsigned long long)prev);
        }
        rc = read_row(past, row, err);
        if (rc != 0) {
            return rc;
        }
    }
    *found = row->verb != BACKEND_DELETE;
    return 0;
}

static int check_floor(const struct reader *r, uint64_t version, struct err *err)
{
    if (version >= r->state.floor) {
        return 0;
    }
    return err_set(err, ERR_GONE, "too old resource version: %llu (history starts at %llu)",
                   (unsigned long long)version, (unsigned long long)r->state.floor);
}

int reader_get(struct reader *r, const struct backend_key *key, uint64_t as_of,
               struct reader_row *row, struct err *err)
{
    assert(r->pinned);
    int rc = as_of != 0 ? check_floor(r, as_of, err) : 0;
    if (rc != 0) {
        return rc;
    }
    sqlite3_stmt *stmt = r->stmts[READER_GET];
    sql_reset(stmt);
    sql_bind_slice(stmt, 1, key->resource);
    sql_bind_slice(stmt, 2, key->ns);
    sql_bind_slice(stmt, 3, key->name);
    bool found;
    rc = sql_step(stmt, &found, err);
    if (rc == 0 && found) {
        rc = read_row(stmt, row, err);
        if (rc == 0) {
            rc = walk_back(r, r->stmts[READER_GET_PAST], as_of != 0 ? as_of : UINT64_MAX, row,
                           &found, err);
        }
    }
    if (rc == 0 && !found) {
        rc = err_set(err, ERR_NOT_FOUND, "%.*s \"%.*s\" not found", SLICE_ARG(key->resource),
                     SLICE_ARG(key->name));
    }
    return rc;
}

int reader_version(struct reader *r, uint64_t version, struct reader_row *row, struct err *err)
{
    assert(r->pinned);
    sqlite3_stmt *stmt = r->stmts[READER_VERSION];
    sql_reset(stmt);
    sql_bind_u64(stmt, 1, version);
    bool found;
    int rc = sql_step(stmt, &found, err);
    if (rc == 0 && !found) {
        rc = err_set(err, ERR_NOT_FOUND, "no row has version %llu", (unsigned long long)version);
    }
    return rc == 0 ? read_row(stmt, row, err) : rc;
}

/* Copies: a caller may well keep the last row's key where the page's after-key was. */
static void bind_page(sqlite3_stmt *stmt, const struct reader_page *page)
{
    sql_reset(stmt);
    sql_bind_copy(stmt, 1, page->resource);
    sql_bind_copy(stmt, 2, page->all_namespaces ? page->after_ns : page->ns);
    sql_bind_copy(stmt, 3, page->after_name);
    if (page->name.len > 0) {
        sql_bind_copy(stmt, 4, page->name);
    }
}

static enum reader_stmt page_stmt(const struct reader_page *page)
{
    if (page->name.len > 0) {
        return page->all_namespaces ? READER_PAGE_NAMED_ALL : READER_PAGE_NAMED_NS;
    }
    return page->all_namespaces ? READER_PAGE_ALL : READER_PAGE_NS;
}

int reader_page_start(struct reader *r, const struct reader_page *page, struct err *err)
{
    assert(r->pinned && r->page.stmt == NULL);
    int rc = page->as_of != 0 ? check_floor(r, page->as_of, err) : 0;
    if (rc != 0) {
        return rc;
    }
    r->page.stmt = r->stmts[page_stmt(page)];
    r->page.as_of = page->as_of != 0 ? page->as_of : UINT64_MAX;
    r->page.misses_left = page->misses_max != 0 ? page->misses_max : SIZE_MAX;
    bind_page(r->page.stmt, page);
    return 0;
}

int reader_page_next(struct reader *r, struct reader_row *row, bool *found, struct err *err)
{
    assert(r->page.stmt != NULL);
    bool more = true;
    *found = false;
    int rc = 0;
    while (rc == 0 && more && !*found) {
        rc = sql_step(r->page.stmt, &more, err);
        if (rc == 0 && more) {
            rc = read_row(r->page.stmt, row, err);
            if (rc == 0) {
                rc = walk_back(r, r->stmts[READER_PAGE_PAST], r->page.as_of, row, found, err);
            }
            if (rc == 0 && !*found && --r->page.misses_left == 0) {
                row->verb = BACKEND_DELETE;
                *found = true;
            }
        }
    }
    return rc;
}

void reader_page_end(struct reader *r)
{
    if (r->page.stmt == NULL) {
        return;
    }
    sql_reset(r->page.stmt);
    sql_reset(r->stmts[READER_PAGE_PAST]);
    r->page.stmt = NULL;
}

int reader_changes_start(struct reader *r, uint64_t since, uint64_t upto, struct err *err)
{
    assert(r->pinned);
    int rc = check_floor(r, since, err);
    if (rc != 0) {
        return rc;
    }
    sqlite3_stmt *stmt = r->stmts[READER_CHANGES];
    sql_reset(stmt);
    sql_bind_u64(stmt, 1, since);
    sql_bind_u64(stmt, 2, upto);
    return 0;
}

int reader_changes_next(struct reader *r, struct reader_row *row, bool *found, struct err *err)
{
    sqlite3_stmt *stmt = r->stmts[READER_CHANGES];
    int rc = sql_step(stmt, found, err);
    return rc == 0 && *found ? read_row(stmt, row, err) : rc;
}

void reader_changes_end(struct reader *r)
{
    sql_reset(r->stmts[READER_CHANGES]);
}

int reader_count(struct reader *r, const struct reader_page *page, uint64_t *count, struct err *err)
{
    assert(r->pinned);
    sqlite3_stmt *stmt = r->stmts[page->all_namespaces ? READER_COUNT_ALL : READER_COUNT_NS];
    bind_page(stmt, page);
    bool row;
    int rc = sql_step(stmt, &row, err);
    *count = rc == 0 && row ? sql_u64(stmt, 0) : 0;
    sql_reset(stmt);
    return rc;
}

int reader_outcome(struct reader *r, struct slice subject, struct slice request_id,
                   uint64_t issued_ms, struct outcome *outcome, struct slice *digest,
                   struct err *err)
{
    assert(r->pinned);
    if (issued_ms > INT64_MAX) {
        return err_set(err, ERR_NOT_FOUND, "no such request");
    }
    sqlite3_stmt *stmt = r->stmts[READER_OUTCOME];
    sql_reset(stmt);
    sql_bind_u64(stmt, 1, issued_ms);
    sql_bind_slice(stmt, 2, subject);
    sql_bind_slice(stmt, 3, request_id);
    bool row;
    int rc = sql_step(stmt, &row, err);
    if (rc != 0) {
        return rc;
    }
    if (!row) {
        return err_set(err, ERR_NOT_FOUND, "no such request");
    }
    int64_t kind = sqlite3_column_int64(stmt, 0);
    if (!outcome_known(kind)) {
        return err_set(err, ERR_CORRUPT, "a kept outcome has number %lld", (long long)kind);
    }
    *outcome = (struct outcome){
        .kind = (enum outcome_kind)kind, .repeated = true, .version = sql_u64(stmt, 1)};
    if (digest != NULL) {
        *digest = sql_slice(stmt, 2);
    }
    return 0;
}

static int state_of(uint64_t stored, enum namespace_state *state, struct err *err)
{
    if (stored != NAMESPACE_ACTIVE && stored != NAMESPACE_TERMINATING) {
        return err_set(err, ERR_CORRUPT, "a namespace's row has state %llu",
                       (unsigned long long)stored);
    }
    *state = (enum namespace_state)stored;
    return 0;
}

int reader_namespace(struct reader *r, struct slice name, enum namespace_state *state,
                     struct err *err)
{
    assert(r->pinned);
    sqlite3_stmt *stmt = r->stmts[READER_NAMESPACE];
    sql_bind_slice(stmt, 1, name);
    bool row;
    int rc = sql_step(stmt, &row, err);
    *state = NAMESPACE_GONE;
    if (rc == 0 && row) {
        rc = state_of(sql_u64(stmt, 0), state, err);
    }
    sql_reset(stmt);
    return rc;
}

int reader_namespaces_start(struct reader *r, struct slice after, struct err *err)
{
    assert(r->pinned);
    (void)err;
    sqlite3_stmt *stmt = r->stmts[READER_NAMESPACES];
    sql_reset(stmt);
    sql_bind_slice(stmt, 1, after);
    return 0;
}

int reader_namespaces_next(struct reader *r, struct slice *name, enum namespace_state *state,
                           bool *found, struct err *err)
{
    sqlite3_stmt *stmt = r->stmts[READER_NAMESPACES];
    int rc = sql_step(stmt, found, err);
    if (rc != 0 || !*found) {
        sql_reset(stmt);
        return rc;
    }
    *name = sql_slice(stmt, 0);
    return state_of(sql_u64(stmt, 1), state, err);
}

void reader_dependents_start(struct reader *r, const struct reader_dependent *after, bool all)
{
    assert(r->pinned);
    r->dependents = r->stmts[all ? READER_DEPENDENTS : READER_DEPENDENTS_OF];
    sql_reset(r->dependents);
    sql_bind_copy(r->dependents, 1, after->owner);
    sql_bind_copy(r->dependents, 2, after->key.resource);
    sql_bind_copy(r->dependents, 3, after->key.ns);
    sql_bind_copy(r->dependents, 4, after->key.name);
}

int reader_dependents_next(struct reader *r, struct reader_dependent *row, bool *found,
                           struct err *err)
{
    assert(r->dependents != NULL);
    int rc = sql_step(r->dependents, found, err);
    if (rc == 0 && *found) {
        *row = (struct reader_dependent){.owner = sql_slice(r->dependents, 0),
                                         .key = {.resource = sql_slice(r->dependents, 1),
                                                 .ns = sql_slice(r->dependents, 2),
                                                 .name = sql_slice(r->dependents, 3)}};
    }
    return rc;
}

int reader_resource_next(struct reader *r, struct slice after, struct slice *resource, bool *found,
                         struct err *err)
{
    assert(r->pinned);
    sqlite3_stmt *stmt = r->stmts[READER_RESOURCE];
    sql_reset(stmt);
    sql_bind_slice(stmt, 1, after);
    int rc = sql_step(stmt, found, err);
    if (rc == 0 && *found) {
        *resource = sql_slice(stmt, 0);
    }
    return rc;
}

int reader_raft_meta(struct reader *r, struct slice *meta, struct err *err)
{
    assert(r->pinned);
    sqlite3_stmt *stmt = r->stmts[READER_META];
    sql_reset(stmt);
    bool row;
    int rc = sql_step(stmt, &row, err);
    if (rc == 0) {
        *meta = row ? sql_slice(stmt, META_RAFT_META) : SLICE("");
    }
    return rc;
}
