/* audit.h: the record of who wrote what, as a chain of hashes.
 *
 * Every write that carried an audit record adds one link:
 *   hash = sha256(hash before | seq | time | version | length of subject | subject | record)
 * Numbers are big-endian (8 bytes; the length 4). The newest hash stands in the state (db), is
 * covered by digests and images, and so is the same on every node: changing, dropping or adding a
 * record anywhere breaks the chain behind it. Compaction may cut the chain at its old end.
 * Thread: the reader's. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "base/crypto.h"
#include "store/reader.h"

struct audit_link {
    uint64_t seq; /* from 1, without gaps */
    uint64_t time_ms;
    uint64_t version;
    struct slice subject;
    struct slice record;
};

/* The link's hash behind the one before (empty for the first). */
void audit_hash(struct slice before, const struct audit_link *link, uint8_t hash[SHA256_BYTES]);

/* Recomputes the chain of the reader's pinned view; *count is the number of links kept. The oldest
 * kept link is taken as it stands. Errors: ERR_CORRUPT (naming the first link that does not fit),
 * ERR_IO. */
int audit_verify(struct reader *r, uint64_t *count, struct err *err);

#endif
