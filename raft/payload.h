/* payload.h: the bytes of a log entry: immutable, shared, counted.
 *
 * An entry's bytes are wanted by the log (until it is trimmed), by the peers it is sent to and by
 * the shard that applies it, on different loops; so they are made once and counted.
 * Owner: whoever holds a reference. Thread: any; the bytes never change after payload_new(). */
#ifndef RAFT_PAYLOAD_H
#define RAFT_PAYLOAD_H

#include <stdatomic.h>

#include "base/str.h"

struct payload {
    _Atomic uint32_t references; /* private */
    uint32_t len;
    char bytes[];
};

/* A copy of bytes (at most 4 GB - 1), with one reference, the caller's. */
struct payload *payload_new(struct slice bytes);
struct payload *payload_ref(struct payload *p); /* p, with one reference more */
void payload_unref(struct payload *p);          /* NULL is accepted */
struct slice payload_slice(const struct payload *p);

#endif
