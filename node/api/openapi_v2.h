/* openapi_v2.h: an OpenAPI v2 document as protobuf: gnostic's openapi.v2.Document.
 *
 * kubectl asks for /openapi/v2 in this form only, and validates and explains by it.
 * Thread: any. Pure. */
#ifndef NODE_API_OPENAPI_V2_H
#define NODE_API_OPENAPI_V2_H

#include "base/str.h"

/* json is what openapi_v2() made. Members without a place in the message are left out. */
void openapi_v2_encode(struct slice json, struct buf *out);

#endif
