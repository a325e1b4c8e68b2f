/* number.h: floating-point numbers as OpenChoreo's templates write them, which are Go's ways.
 * Thread: any. */
#ifndef RENDER_NUMBER_H
#define RENDER_NUMBER_H

#include "base/json.h"

/* In a text: the fewest digits that mean the same, "0.5", "3", "1e+06", "1.234567e-07". Appends. */
void number_text(double value, struct buf *out);

/* A copy of a scalar; of a number without a fraction the integer, 3 and not 3.0, which Kubernetes'
 * integer fields refuse. */
json_t *number_settle(const json_t *scalar);

#endif
