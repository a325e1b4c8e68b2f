/* events.h: Events (Kubernetes' kind of resource "events"), the objects that go by themselves.
 *
 * Beside the rows that every object has there is one per live Event, in order of its last write and
 * by the object that it is about: so what is old, and which object has too many, is found without
 * looking at anything else. The row follows from the Event's own: it is a replicated table like the
 * others. Private to store/.
 * Thread: the db's. */
#ifndef STORE_EVENTS_H
#define STORE_EVENTS_H

#include "store/apply_internal.h"

enum {
    EVENTS_PER_OBJECT_MAX = 100, /* newest ones that are kept; part of the replicated rules */
    EVENTS_OBJECT_BYTES = 16,
};

/* The key of what an Event is about: a digest of kind, namespace, name and uid. */
void events__object(struct slice ns, struct slice body, uint8_t object[EVENTS_OBJECT_BYTES]);
/* A write of any object was stored; before: the version that it replaced, 0: none. */
int events__track(struct apply *a, const struct command_write *w, uint64_t before, struct err *err);
/* Fills in what the state says of Events, which is no column of its own. */
int events__look(struct db *db, struct db_state *state, struct err *err);
/* The same from nothing, when a database is opened. */
int events__look_hard(struct db *db, struct err *err);
/* The rows of a database that had none, in its migration. */
int events__fill(sqlite3 *sql, struct err *err);

int apply__expire_events(struct apply *a, const struct command_events *c, struct outcome *out,
                         struct err *err);

#endif
