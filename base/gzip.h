/* gzip.h: gzip in memory, within a limit (zlib; owner of its header).
 *
 * What is unpacked is measured first, through a fixed window: a kilobyte that claims to be a
 * gigabyte costs a few milliseconds and no memory.
 * Thread: any. */
#ifndef BASE_GZIP_H
#define BASE_GZIP_H

#include "base/arena.h"
#include "base/err.h"

/* One gzip member and nothing behind it; *text is the arena's, and all that is taken of it.
 * Errors: ERR_TOO_LARGE (more than limit bytes), ERR_INVALID (damaged, cut, or something behind).
 */
int gzip_unpack(struct slice packed, size_t limit, struct arena *arena, struct slice *text,
                struct err *err);
/* Appends text, packed: quickly rather than small. */
void gzip_pack(struct slice text, struct buf *out);

#endif
