/* cause.h: every reason for which an input was refused, each with the field it is about.
 *
 * What Kubernetes calls Status.details.causes, gRPC BadRequest.field_violations. Collected, not
 * thrown: one pass over an input names all that is wrong with it, up to CAUSES_MAX.
 * Owner: the caller, with the arena that the texts live in. Thread: the arena's. */
#ifndef PROTO_CAUSE_H
#define PROTO_CAUSE_H

#include "base/json.h"

/* Kubernetes' names for them (cause_reason()), spelt out in messages by causes_text(). */
enum cause_kind {
    CAUSE_INVALID,       /* FieldValueInvalid */
    CAUSE_REQUIRED,      /* FieldValueRequired */
    CAUSE_NOT_SUPPORTED, /* FieldValueNotSupported */
    CAUSE_DUPLICATE,     /* FieldValueDuplicate */
    CAUSE_FORBIDDEN,     /* FieldValueForbidden */
    CAUSE_TOO_LONG,      /* FieldValueTooLong */
    CAUSE_TOO_MANY,      /* FieldValueTooMany */
    CAUSE_TYPE,          /* FieldValueTypeInvalid */
    CAUSE_CONFLICT,      /* FieldManagerConflict */
    CAUSE_NOT_FOUND,     /* FieldValueNotFound */
};

struct cause {
    enum cause_kind kind;
    struct slice field;   /* "spec.endpoints[0].port"; ".spec.replicas" for CAUSE_CONFLICT */
    struct slice message; /* "Invalid value: 0: must be at least 1" */
};

enum { CAUSES_MAX = 100 };

struct causes {
    struct arena *arena; /* set by the caller; all else zero */
    struct cause *items;
    size_t count;
    size_t dropped; /* found beyond CAUSES_MAX */
    size_t cap;     /* private */
};

/* Adds one; field is copied. */
void cause_add(struct causes *causes, enum cause_kind kind, struct slice field, const char *format,
               ...) __attribute__((format(printf, 4, 5)));
const char *cause_reason(enum cause_kind kind);
/* "spec.type: Required value" or "[a: ..., b: ..., and 3 more]". */
void causes_text(const struct causes *causes, struct buf *out);
/* Kubernetes' details.causes: [{"reason","message","field"}], new. */
json_t *causes_json(const struct causes *causes);

#endif
