/* openapi_internal.h: between openapi.c and openapi_paths.c.
 * Thread: any. */
#ifndef PROTO_OPENAPI_INTERNAL_H
#define PROTO_OPENAPI_INTERNAL_H

#include "proto/openapi.h"

enum openapi_dialect { OPENAPI_V2, OPENAPI_V3, OPENAPI_JSON_SCHEMA };

struct openapi_doc {
    enum openapi_dialect dialect;
    json_t *definitions; /* by name */
    json_t *paths;
};

/* A reference if the schema is named, and its definition; else the schema itself. New. */
json_t *openapi__schema(struct openapi_doc *doc, const struct schema *s);
/* The schema itself. New. */
json_t *openapi__inline(struct openapi_doc *doc, const struct schema *s);
json_t *openapi__ref(const struct openapi_doc *doc, struct slice name);
/* Sets it unless it is empty. */
void openapi__set_text(json_t *object, const char *key, struct slice text);

#endif
