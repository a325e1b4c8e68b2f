/* docs.h: the documents made from a set of kinds, each at its first use.
 *
 * Immutable but for the documents, which are filled in once, atomically, by whichever loop asks
 * first. Whoever asks about a newer set of kinds gets new documents; the older ones go with their
 * last reader.
 * Owner: references (base/shared.h). Thread: any. */
#ifndef NODE_API_DOCS_H
#define NODE_API_DOCS_H

#include <stdatomic.h>

#include "proto/kind_board.h"

struct api;

struct docs_text {
    struct buf bytes;
    char etag[72]; /* "\"<hex>\"" */
};

struct docs_group_version {
    struct slice group;
    struct slice version;
    _Atomic(struct docs_text *) text;
};

struct api_docs {
    struct shared_value shared;
    /* private */
    const struct kind_set *set;
    _Atomic(struct docs_text *) v3_index;
    _Atomic(struct docs_text *) v2_json;
    _Atomic(struct docs_text *) v2_proto;
    struct docs_group_version *v3;
    size_t v3_count;
};

/* One reference; keeps one to the set. */
struct api_docs *docs_new(const struct kind_set *set);
/* Of the kinds that are served now, as long as the arena. */
struct api_docs *docs_use(struct api *api, struct arena *arena);

const struct docs_text *docs_v3_index(struct api_docs *docs);
const struct docs_text *docs_v3(struct api_docs *docs, struct slice group,
                                struct slice version); /* NULL: none */
const struct docs_text *docs_v2_json(struct api_docs *docs);
/* As gnostic's openapi.v2.Document, which kubectl asks for. */
const struct docs_text *docs_v2_proto(struct api_docs *docs);

#endif
