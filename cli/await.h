/* await.h: waiting until an object is as it should be, or gone.
 *
 * One watch an object, on any node; a watch that breaks begins anew until the deadline.
 * Owner: the caller; await_free(). Thread: main's. */
#ifndef CLI_AWAIT_H
#define CLI_AWAIT_H

#include "cli/ask.h"

enum await_for { AWAIT_CONDITION, AWAIT_DELETED, AWAIT_CREATED, AWAIT_PATH };

struct await {
    struct cli *cli;
    uint64_t end_ms; /* of the monotonic clock */
    const char *uid; /* of the object that should go; NULL: whichever has the name */
    bool quiet;      /* prints nothing when it is reached */
    /* What is said counts if it is said of this generation or a later one; 0: in any case. */
    int64_t generation;
    bool other;           /* of a path: it is to be anything but the value, or nothing */
    const char *fails_on; /* a condition which, once True, ends the wait as failed; NULL: none */
    /* private */
    enum await_for what;
    const char *type;   /* of the condition */
    const char *wanted; /* its status, or the path's value; NULL: any value */
    struct jsonpath path;
    char last[512]; /* why not yet */
    bool reached, seen;
    struct err err;
    int rc;
};

/* Now and --timeout. */
uint64_t await_deadline(const struct cli *c);
/* "condition=Ready", "condition=Ready=False", "delete", "create", "jsonpath={.spec.x}",
 * "jsonpath={.spec.x}=y". Errors: ERR_INVALID. */
int await_parse(struct await *a, const char *what, struct err *err);
/* Errors: ERR_TIMEOUT (says how it is instead), ERR_UNPROCESSABLE (fails_on), client_stream()'s. */
int await_one(struct await *a, Choreo__V1__Ref *ref, const char *title, struct err *err);
void await_free(struct await *a);

#endif
