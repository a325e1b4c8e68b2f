/* shape.h: are the fields that an expression selects there? Checked against schemas, where those
 * are known, before anything is evaluated.
 *
 * Only what cannot be is refused: a field that an object's schema does not have, or a field of a
 * scalar. What has no known shape (free-form values, results of functions) may be anything.
 * Thread: any. */
#ifndef RENDER_CEL_SHAPE_H
#define RENDER_CEL_SHAPE_H

#include "proto/schema.h"
#include "render/cel/cel.h"

/* shapes stand parallel to the environment's names; NULL: unknown. *offset is the byte of the
 * source that the error is about. Errors: ERR_UNPROCESSABLE. */
int cel_check_shapes(const struct cel_program *program, const struct schema *const *shapes,
                     uint32_t *offset, struct err *err);

#endif
