/* managers.h: whose fields are whose, as metadata.managedFields says it.
 *
 * A manager is a name, an operation and a subresource, and of an updater also the version that it
 * writes. Its set of fields is fieldset.h's.
 * Owner: the caller; texts borrow from the list that was read. Thread: the trees'. */
#ifndef PROTO_MANAGERS_H
#define PROTO_MANAGERS_H

#include "base/json.h"

enum { MANAGERS_MAX = 256 };

struct manager {
    struct slice name;
    struct slice operation; /* "Apply" or "Update" */
    struct slice api_version;
    struct slice subresource; /* "": the object itself */
    struct slice time;        /* RFC 3339 */
    json_t *set;              /* owned */
};

struct managers {
    struct manager *items; /* NULL while there is none */
    size_t count;
    /* private */
    size_t cap;
};

void managers_free(struct managers *m);
/* Into m, which is zeroed. False if the list is malformed; m is then empty. Of entries of one
 * manager, which only a client can have written, the last counts. */
bool managers_read(const json_t *list, struct managers *m);
/* As object's managedFields, sorted; managers that own nothing go, and the oldest updaters become
 * one where there are many. */
void managers_write(struct managers *m, json_t *object);
/* Room for one more, to be filled in; what points into the items is void then. */
struct manager *managers_add(struct managers *m);
/* The one that is like it, added without fields if there is none; NULL if there are too many. */
struct manager *managers_mine(struct managers *m, const struct manager *like);

#endif
