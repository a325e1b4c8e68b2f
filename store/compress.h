/* compress.h: bytes made smaller, by Zstandard (RFC 8878).
 *
 * What the control plane writes is JSON of one schema, often the same type over and over: a batch
 * of it takes a fifth and less. One frame each, with its content's size in it.
 * Owner: the caller. Thread: any. */
#ifndef STORE_COMPRESS_H
#define STORE_COMPRESS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* Appends the frame of bytes to out, if it is smaller than they are by an eighth at least. Returns
 * whether it did. */
bool compress(struct slice bytes, struct buf *out);
/* *out: what frame holds, of at most max bytes; in the arena. Never takes more memory than that,
 * whatever the frame claims. Errors: ERR_CORRUPT. */
int decompress(struct slice frame, size_t max, struct arena *arena, struct slice *out,
               struct err *err);

#endif
