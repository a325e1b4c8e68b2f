/* docs.h: the kinds that are served, with the documents made from them at first use.
 *
 * One snapshot is immutable but for its documents, which are filled in once, atomically, by
 * whichever loop asks first. A newer registry is a newer snapshot; older ones are kept until
 * api_free(), since another loop may be reading them.
 * Owner: struct api. Thread: any. */
#ifndef NODE_API_DOCS_H
#define NODE_API_DOCS_H

#include <stdatomic.h>

#include "proto/kind.h"

enum { DOCS_GROUP_VERSIONS_MAX = 64 };

struct docs_text {
    struct buf bytes;
    char etag[72]; /* "\"<hex>\"" */
};

struct api_docs {
    const struct kind_registry *kinds;
    struct api_docs *older;
    /* private */
    _Atomic(struct docs_text *) v3_index;
    _Atomic(struct docs_text *) v2_json;
    _Atomic(struct docs_text *) v2_proto;
    struct {
        struct slice group;
        struct slice version;
        _Atomic(struct docs_text *) text;
    } v3[DOCS_GROUP_VERSIONS_MAX];
    size_t v3_count;
};

struct api_docs *docs_new(const struct kind_registry *kinds);
void docs_free(struct api_docs *docs); /* and all older ones */

const struct docs_text *docs_v3_index(struct api_docs *docs);
const struct docs_text *docs_v3(struct api_docs *docs, struct slice group,
                                struct slice version); /* NULL: none */
const struct docs_text *docs_v2_json(struct api_docs *docs);
/* As gnostic's openapi.v2.Document, which kubectl asks for. */
const struct docs_text *docs_v2_proto(struct api_docs *docs);

#endif
