/* yaml_internal.h: between yaml.c (documents), yaml_scalar.c (the core schema) and yaml_text.c.
 * Thread: any. */
#ifndef BASE_YAML_INTERNAL_H
#define BASE_YAML_INTERNAL_H

#include "base/yaml.h"

struct fy_token;

/* What a plain scalar means: a new value; or NULL into *value, and the reason why not is returned:
 * "is too large". */
const char *yaml__resolve(struct slice s, json_t **value);
/* A token's text as libfyaml gives it; empty for NULL. */
struct slice yaml__token_text(struct fy_token *token);
/* A scalar's value; text is the whole document's. Valid until decoded is used again. */
struct slice yaml__scalar_text(struct slice text, struct fy_token *token, struct buf *decoded);

#endif
