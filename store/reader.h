/* reader.h: a read-only connection to a shard's database.
 *
 * Everything read between reader_begin() and reader_end() is one consistent view, whatever the
 * writer does meanwhile. Keep it short: a pinned view holds back the checkpoint, and with it the
 * log. A reader never checkpoints.
 * Owner:  the caller embeds struct reader. Rows borrow from SQLite: until the next call of the same
 *         function family on this reader, or reader_end().
 * Thread: one at a time. */
#ifndef STORE_READER_H
#define STORE_READER_H

#include "proto/backend.h"
#include "store/command.h"
#include "store/db.h"
#include "store/outcome.h"

enum { READER_STMTS_MAX = 32 };

struct reader {
    struct db_state state; /* of the pinned view; valid between begin and end */
    /* private */
    struct sqlite3 *sql;
    struct sqlite3_stmt *stmts[READER_STMTS_MAX];
    uint32_t shard;
    bool pinned;
    struct sqlite3_stmt *dependents; /* the scan of them; NULL: none runs */
    struct reader_page_scan {
        struct sqlite3_stmt *stmt; /* NULL: none runs */
        uint64_t as_of;
        size_t misses_left;
    } page;
};

/* One change: a row of the history. */
struct reader_row {
    struct backend_object object; /* DELETE: the last state, and the version of the deletion */
    enum backend_verb verb;
    uint64_t prev; /* version that this one replaced; 0: none */
};

/* The file must exist. Errors: ERR_IO, ERR_CORRUPT, ERR_INVALID (another shard's). */
int reader_open(struct reader *r, const char *path, uint32_t shard, struct err *err);
void reader_close(struct reader *r);

/* Pins the newest committed view and fills r->state. Errors: ERR_IO, ERR_CORRUPT. */
int reader_begin(struct reader *r, struct err *err);
void reader_end(struct reader *r);

/* The object as of version (0: newest; the caller made sure that it is not above the present).
 * Errors: ERR_NOT_FOUND, ERR_GONE (below the floor), ERR_IO, ERR_CORRUPT. */
int reader_get(struct reader *r, const struct backend_key *key, uint64_t as_of,
               struct reader_row *row, struct err *err);
/* The row of exactly this version, deletions too. Errors: ERR_NOT_FOUND, ERR_IO, ERR_CORRUPT. */
int reader_version(struct reader *r, uint64_t version, struct reader_row *row, struct err *err);

/* Live objects of a resource in order of (namespace, name), strictly behind (after_ns, after_name);
 * ns restricts to one namespace; as_of 0: newest. One scan at a time.
 * start's errors: ERR_GONE, ERR_IO. next: 0 with *found telling, or ERR_IO, ERR_CORRUPT. */
struct reader_page {
    struct slice resource;
    struct slice ns;
    bool all_namespaces; /* ns is then not looked at */
    struct slice name;   /* objects of this name only, found by it; empty: of any */
    /* After so many keys in a row at which nothing lives, next gives a row of verb DELETE: so far
     * (its key) the scan has come. 0: it goes on. */
    size_t misses_max;
    struct slice after_ns;
    struct slice after_name;
    uint64_t as_of;
};
int reader_page_start(struct reader *r, const struct reader_page *page, struct err *err);
int reader_page_next(struct reader *r, struct reader_row *row, bool *found, struct err *err);
void reader_page_end(struct reader *r);

/* Changes with since < version <= upto in version order, of every resource. One scan at a time.
 * start's errors: ERR_GONE (since is below the floor), ERR_IO. */
int reader_changes_start(struct reader *r, uint64_t since, uint64_t upto, struct err *err);
int reader_changes_next(struct reader *r, struct reader_row *row, bool *found, struct err *err);
void reader_changes_end(struct reader *r);

/* Objects of a resource that are live now behind the page's after-key; as_of is not looked at. */
int reader_count(struct reader *r, const struct reader_page *page, uint64_t *count,
                 struct err *err);
/* What a request came to. Errors: ERR_NOT_FOUND (unknown here), ERR_IO. digest gets the recorded
 * one (borrowed) and may be NULL. */
int reader_outcome(struct reader *r, struct slice subject, struct slice request_id,
                   uint64_t issued_ms, struct outcome *outcome, struct slice *digest,
                   struct err *err);
/* NAMESPACE_GONE when there is no row. */
int reader_namespace(struct reader *r, struct slice name, enum namespace_state *state,
                     struct err *err);
/* Namespace rows in name order, strictly behind after. next as reader_page_next(). */
int reader_namespaces_start(struct reader *r, struct slice after, struct err *err);
int reader_namespaces_next(struct reader *r, struct slice *name, enum namespace_state *state,
                           bool *found, struct err *err);
/* Who depends on whom, by the owner's uid: live objects that name it in metadata.ownerReferences,
 * whether it exists or not. With an empty owner: objects that are being deleted and held by a
 * finalizer of the garbage collector's (foregroundDeletion, orphan). In order, strictly behind
 * `after`: of its owner only, or of all owners. One scan at a time; next's slices live until the
 * next call. */
struct reader_dependent {
    struct slice owner;
    struct backend_key key;
};
void reader_dependents_start(struct reader *r, const struct reader_dependent *after, bool all);
int reader_dependents_next(struct reader *r, struct reader_dependent *row, bool *found,
                           struct err *err);
/* Resources that have had rows, in order, strictly behind after. */
int reader_resource_next(struct reader *r, struct slice after, struct slice *resource, bool *found,
                         struct err *err);
/* raft/'s opaque bytes beside the applied index (borrowed). */
int reader_raft_meta(struct reader *r, struct slice *meta, struct err *err);

#endif
