/* status.h: an error as Kubernetes' clients read it: the Status object.
 * Thread: any. */
#ifndef NODE_API_STATUS_H
#define NODE_API_STATUS_H

#include "base/err.h"
#include "base/str.h"
#include "proto/cause.h"

struct status {
    int code;             /* enum err_code: gives HTTP's code and the reason */
    struct slice message; /* empty: err.def's meaning */
    const char *reason;   /* NULL: err.def's */
    int http;             /* 0: err.def's */
    struct slice name;
    struct slice group;
    struct slice kind; /* the plural, as Kubernetes puts it into details.kind */
    struct slice uid;
    const struct causes *causes; /* none, of what is invalid: one is made of the message */
    const char *cause_reason;    /* one more cause, without a field */
    struct slice continued;      /* a list's fresh continue token */
    int retry_after_s;           /* 0: none */
};

int status_http(const struct status *status);
/* {"kind":"Status","apiVersion":"v1",...}; status->code 0 is Success. */
void status_write(const struct status *status, struct buf *out);

#endif
