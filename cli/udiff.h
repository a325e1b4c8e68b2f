/* udiff.h: two texts as a unified diff, by lines.
 * Thread: any; pure. */
#ifndef CLI_UDIFF_H
#define CLI_UDIFF_H

#include "base/str.h"

enum { UDIFF_CONTEXT = 3 };

/* Appends "--- old", "+++ new" and hunks to out; nothing if the texts are the same. True if they
 * differ. colours: with the terminal's escape sequences. */
bool udiff(struct slice before, struct slice after, const char *before_name, const char *after_name,
           bool colours, struct buf *out);

#endif
