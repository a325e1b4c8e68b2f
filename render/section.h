/* section.h: a type's or trait's parameters or environmentConfigs: what several places say, with
 * the schema's defaults, checked, as a variable. Owner: the scope's arena holds what is made.
 * Thread: the scope's. */
#ifndef RENDER_SECTION_H
#define RENDER_SECTION_H

#include "render/layers.h"
#include "render/template.h"

/* spec.NAME.openAPIV3Schema, or NULL. */
const json_t *section_schema(const json_t *spec, const char *name);

/* Binds the variable `name`. path is its place in messages: "parameters", "traits[tls].parameters".
 * Errors: schema_apply()'s. */
int section_bind(struct template_scope *scope, const json_t *spec, const char *name,
                 const struct layers *layers, struct slice path, struct err *err);

#endif
