/* yaml_internal.h: between yaml.c (documents) and yaml_scalar.c (the core schema). Thread: any. */
#ifndef BASE_YAML_INTERNAL_H
#define BASE_YAML_INTERNAL_H

#include "base/yaml.h"

/* What a plain scalar means: a new value; or NULL into *value, and the reason why not is returned:
 * "is too large". */
const char *yaml__resolve(struct slice s, json_t **value);

#endif
