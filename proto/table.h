/* table.h: what people and light clients see of an object: rows and metadata.
 *
 * Kubernetes' Table (meta.k8s.io/v1) and PartialObjectMetadata, written straight from stored bytes.
 * Thread: any. */
#ifndef PROTO_TABLE_H
#define PROTO_TABLE_H

#include "proto/backend.h"
#include "proto/kind.h"

enum table_include { TABLE_METADATA, TABLE_OBJECT, TABLE_NONE };

struct table_form {
    enum table_include include;
    struct slice version; /* of meta.k8s.io: "v1" or "v1beta1" */
    uint64_t now_ms;
};

/* The array for "columnDefinitions". */
void table_columns(const struct kind *kind, struct buf *out);
/* One element of "rows": {"cells":[...],"object":...}. Dates are ages at form's now ("2m7s").
 * Errors: ERR_CORRUPT. */
int table_row(const struct kind *kind, const struct backend_object *object,
              const struct table_form *form, struct buf *out, struct err *err);
/* The cells alone, as text, for the CLI; count is column_count + 1. Texts are the arena's.
 * Errors: ERR_CORRUPT. */
int table_cells(const struct kind *kind, const json_t *object, uint64_t now_ms, struct arena *arena,
                struct slice *cells, struct err *err);
/* {"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{...}}; version is that
 * of meta.k8s.io. Errors: ERR_CORRUPT. */
int table_partial(const struct backend_object *object, struct slice version, struct buf *out,
                  struct err *err);
/* kubectl's short duration: "5s", "2m7s", "3h", "4d2h", "3y". */
void table_age(uint64_t since_ms, uint64_t now_ms, struct buf *out);

#endif
