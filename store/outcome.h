/* outcome.h: how a command ended; decided by apply, the same on every node.
 * Thread: any; pure functions. */
#ifndef STORE_OUTCOME_H
#define STORE_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/backend.h"

enum outcome_kind {
#define OUTCOME(name, number, code, message) name = (number),
#include "store/outcome.def"
#undef OUTCOME
};

struct outcome {
    enum outcome_kind kind;
    bool repeated; /* a retry: this is what its first execution came to */
    /* A write: its version when done (the first execution's when repeated), else the version that
     * is there (0: none). Open: the version above which this leader stamps. Compact and
     * ExpireRequests: how far they came (a version; milliseconds). */
    uint64_t version;
};

bool outcome_known(int64_t number); /* of a stored number */
int outcome_code(enum outcome_kind kind);
const char *outcome_message(enum outcome_kind kind);
/* Fills err with code and message; returns the code. */
int outcome_err(const struct outcome *outcome, struct err *err);
/* The same in Kubernetes' words, naming the object of a write or its namespace. */
int outcome_err_for(const struct outcome *outcome, const struct backend_key *key, struct err *err);

#endif
