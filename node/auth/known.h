/* known.h: tokens whose signature verified lately, so that a client's next requests do not pay for
 * it again (an ES256 verification costs more than serving a small GET).
 *
 * One small table per thread; an entry is found by the digest of key, cluster and token, so another
 * key's or cluster's token never matches. Times are checked by the caller, each time.
 * Thread: each has its own; nothing is shared. */
#ifndef NODE_AUTH_KNOWN_H
#define NODE_AUTH_KNOWN_H

#include "base/arena.h"
#include "base/crypto.h"
#include "node/auth/subject.h"

struct known_times {
    int64_t issued_s;
    int64_t expires_s;
};

/* Fills subject, its strings copied into the arena. */
bool known_find(const uint8_t digest[SHA256_BYTES], struct arena *arena, struct subject *subject,
                struct known_times *times);
/* Remembers it, in place of another if need be; subjects with very long names are not kept. */
void known_keep(const uint8_t digest[SHA256_BYTES], const struct subject *subject,
                const struct known_times *times);

#endif
