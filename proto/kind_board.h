/* kind_board.h: the kinds that a process serves now: its fixed ones, and the custom ones.
 *
 * The set is immutable and replaced as a whole when a definition changes; who works with one keeps
 * a reference to it for as long.
 * Owner:  the caller embeds struct kind_board; sets belong to their references.
 * Thread: any, but for init and free. */
#ifndef PROTO_KIND_BOARD_H
#define PROTO_KIND_BOARD_H

#include "base/shared.h"
#include "proto/crd.h"

struct kind_set {
    struct shared_value shared;
    struct kind_registry registry; /* over the fixed one */
    /* private */
    struct crd **crds;
    size_t crd_count;
};

struct kind_board {
    const struct kind_registry *fixed;
    struct shared sets; /* private */
};

/* fixed is borrowed, and grows no more. */
void kind_board_init(struct kind_board *b, const struct kind_registry *fixed);
void kind_board_free(struct kind_board *b);
/* A reference of the caller's. */
const struct kind_set *kind_board_get(struct kind_board *b);
/* The same, given back by the arena. */
const struct kind_set *kind_board_use(struct kind_board *b, struct arena *arena);
const struct kind_set *kind_set_ref(const struct kind_set *set);
void kind_set_unref(const struct kind_set *set);
/* Replaces the custom kinds by those of these definitions, in this order; each is kept by a
 * reference of the set's. A kind that is there already is left out. */
void kind_board_publish(struct kind_board *b, struct crd *const *crds, size_t count);

#endif
