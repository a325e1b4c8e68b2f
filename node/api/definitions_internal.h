/* definitions_internal.h: between definitions.c (following) and definitions_keep.c (the leader's
 * work).
 * Thread: the loop's. */
#ifndef NODE_API_DEFINITIONS_INTERNAL_H
#define NODE_API_DEFINITIONS_INTERNAL_H

#include "node/api/definitions.h"

enum { DEFINITIONS_TICK_MS = 200, DEFINITIONS_CALL_MS = 10000 };

/* One definition, as last seen. */
struct definition {
    char *name;      /* "crontabs.example.com": the resource, too */
    json_t *outline; /* metadata, spec.group, spec.names, status: what judging needs */
    struct crd *crd; /* NULL: not established */
    uint64_t hash;   /* of what crd was compiled from */
    bool seen;       /* by the list under way */
    bool judged;     /* has the status that it should have */
    bool deleting;
    uint64_t deleting_ms;   /* since when we know that, of the loop's clock */
    uint64_t rest_until_ms; /* the leader's last attempt came to nothing: not before */
};

/* The leader's work: starts what is to be done next, if nothing is under way. */
void definitions__look(struct definitions *d);
/* Another definition changed: who was refused a name may get it now. */
void definitions__reconsider(struct definitions *d);
/* Gives up; true if nothing is under way (any more). */
bool definitions__idle(struct definitions *d);
/* What is under way has ended: go on, or close. */
void definitions__settled(struct definitions *d);
void definitions__keeping_init(struct definitions *d);
void definitions__keeping_free(struct definitions *d);

#endif
