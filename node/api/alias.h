/* alias.h: one stored resource, shown under a second name.
 *
 * A backend laid over another. A request for the resource `shown` becomes one for the resource
 * `stored`; objects are turned on the way out and turned back on the way in, so that every verb of
 * both doors follows. Everything else passes through untouched.
 * Owner:  the view of one such resource embeds struct alias and keeps it until the doors have
 *         closed.
 * Thread: any front loop; immutable once the view is made. */
#ifndef NODE_API_ALIAS_H
#define NODE_API_ALIAS_H

#include "base/json.h"
#include "proto/backend.h"

struct alias;

/* What differs from one alias to the next. */
struct alias_form {
    struct slice shown; /* GroupResources */
    struct slice stored;
    /* The shown object of a stored one, a tree that is taken. Reads, so it may not fail. */
    json_t *(*show)(json_t *stored);
    /* The stored object after a write of the shown one. Takes both trees; old is what was stored,
     * NULL if nothing was or if reads_old is not set. */
    json_t *(*store)(struct alias *a, json_t *shown, json_t *old);
    /* A write reads what is stored first, and is made under the version that was read: a change in
     * between is a conflict of the server's making, which the gate retries. */
    bool reads_old;
    /* The caller's selector of stored objects for one of shown ones. NULL: the same fits both. */
    struct selector *(*select)(const struct selector *shown);
    /* Whether a write of either resource may be tried; not 0 ends it so. NULL: any. */
    int (*permit)(const struct backend_submit *write, struct err *err);
};

struct alias {
    struct backend backend; /* what the doors get */
    struct backend *under;
    const struct alias_form *form;
    /* A cluster-scoped object of `shown` that is always there though it is not stored, or NULL.
     * Gets and lists have it; watches never hear of it, because it never changes. The view sees
     * to it, by permit(), that it is never written. */
    const struct backend_object *always;
};

void alias_init(struct alias *a, struct backend *under, const struct alias_form *form);

#endif
