/* validate.h: rules of component types and traits: before rendering on the context, after it on the
 * objects. All rules are asked; the error names every one that fails.
 * Thread: the scope's. */
#ifndef RENDER_VALIDATE_H
#define RENDER_VALIDATE_H

#include "render/resources.h"

/* spec.validations and spec.preRenderValidations ([{rule, message}]). Errors: ERR_UNPROCESSABLE:
 * the messages of the rules that do not hold, or what is wrong with a rule. */
int validate_before(struct template_scope *scope, const json_t *spec, struct slice path,
                    struct err *err);
/* spec.postRenderValidations, with `resource` bound to each object that the target selects. */
int validate_after(struct template_scope *scope, const json_t *spec, struct slice path,
                   const struct resource_list *list, struct err *err);

/* Whether object is of target's group, version and kind and its `where`, if any, holds. Errors:
 * ERR_UNPROCESSABLE, ERR_TOO_LARGE. */
int validate_selects(struct template_scope *scope, const json_t *target, const json_t *object,
                     struct slice path, bool *selected, struct err *err);

#endif
