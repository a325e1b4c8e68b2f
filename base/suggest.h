/* suggest.h: the name that was meant by one that is not there: one edit away from it.
 *
 * An edit is a letter too many, too few, another, or two that changed places; case does not count.
 * Names of one or two letters are close to anything, so to nothing. Thread: any. */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#include "base/str.h"

bool suggest_close(struct slice a, struct slice b);

#endif
