/* apply_internal.h: one call of apply_entries(), as its parts see it.
 *
 * Each apply__*() decides a command's outcome and changes rows; a nonzero return means that this
 * replica cannot go on (or that the disk is full), never that a client asked for something refused.
 * Thread: the db's. */
#ifndef STORE_APPLY_INTERNAL_H
#define STORE_APPLY_INTERNAL_H

#include "store/apply.h"
#include "store/db_internal.h"

struct apply {
    struct db *db;
    struct db_state state; /* becomes db->state on commit */
    struct buf audit_head; /* likewise */
    struct arena *arena;
    uint64_t time_ms; /* of the entry being applied */
};

int apply__write(struct apply *a, const struct command_write *w, struct outcome *out,
                 struct err *err);
/* A stamp must rise, above all that an older leader may have closed, and be this shard's. */
int apply__check_stamp(const struct apply *a, uint64_t version, struct err *err);
/* The rows of a write that holds; before: the version under its key so far, 0: none. */
int apply__store_row(struct apply *a, const struct command_write *w, uint64_t before,
                     struct err *err);
int apply__compact(struct apply *a, const struct command_compact *c, struct outcome *out,
                   struct err *err);
int apply__expire(struct apply *a, const struct command_expire *c, struct outcome *out,
                  struct err *err);
int apply__namespace(struct apply *a, const struct command_namespace *c, struct outcome *out,
                     struct err *err);
/* Keeps the rows of `dependents` true to a write's object; before is the live version that it
 * replaces, 0: none. */
int apply__owners(struct apply *a, const struct command_write *w, uint64_t before, struct err *err);
/* NAMESPACE_GONE without a row. */
int apply__namespace_state(struct apply *a, struct slice name, enum namespace_state *state,
                           struct err *err);

#endif
