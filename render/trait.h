/* trait.h: traits change what a type made: creates, patches, removes.
 *
 * Patches are JSON Patch (add, replace, remove) on every object that the target selects; a path's
 * segment may select elements of a list by what they hold: "containers[?(@.name=='main')]". Missing
 * parents of an added member are created.
 * Thread: the scope's. */
#ifndef RENDER_TRAIT_H
#define RENDER_TRAIT_H

#include "render/resources.h"

/* spec is the Trait's; path names it: "traits[logging]". *patches counts operations applied, over
 * all calls of one rendering. Errors: ERR_UNPROCESSABLE, ERR_TOO_LARGE (RENDER_PATCHES_MAX). */
int trait_apply(struct template_scope *scope, const json_t *spec, struct slice path,
                struct resource_list *list, size_t *patches, struct err *err);

#endif
