/* digest.h: an ordered digest of a shard's rows, to compare nodes at equal applied index.
 *
 * Covers every replicated row and the replicated part of the state, in key order; not page layout,
 * nor what a node keeps for itself. Reads all rows: a second for some hundred MB.
 * Thread: the reader's. */
#ifndef STORE_DIGEST_H
#define STORE_DIGEST_H

#include "base/crypto.h"
#include "store/reader.h"

/* *index tells at which applied index. Takes its own view; the reader must not be pinned.
 * Errors: ERR_IO, ERR_CORRUPT. */
int digest_rows(struct reader *r, uint8_t digest[SHA256_BYTES], uint64_t *index, struct err *err);

#endif
