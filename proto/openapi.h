/* openapi.h: the contract as OpenAPI documents and JSON Schema, from the same tables.
 * Thread: any. Pure; a caller that serves them often keeps the bytes. */
#ifndef PROTO_OPENAPI_H
#define PROTO_OPENAPI_H

#include "proto/kind.h"

/* /openapi/v3: {"paths":{"apis/choreo.dev/v1":{"serverRelativeURL":"...?hash=..."}}}. */
void openapi_v3_index(const struct kind_registry *r, struct buf *out);
/* /openapi/v3/apis/GROUP/VERSION or /openapi/v3/api/v1. Errors: ERR_NOT_FOUND. */
int openapi_v3(const struct kind_registry *r, struct slice group, struct slice version,
               struct buf *out, struct err *err);
/* /openapi/v2, JSON. */
void openapi_v2(const struct kind_registry *r, struct buf *out);
/* JSON Schema (draft 7) of one kind, for editors. Errors: ERR_UNSUPPORTED (no schema). */
int openapi_json_schema(const struct kind *kind, struct buf *out, struct err *err);

#endif
