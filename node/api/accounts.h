/* accounts.h: whether the service account that a token is bound to is still there.
 *
 * Such a token is good while there is an account of its name with its uid, which is not being
 * deleted. Every node finds that out in its own view of the account's shard, by one read for each
 * request; once in ACCOUNT_CONFIRM_MS for each account and loop the view is confirmed by the
 * shard's leader first. So a deletion ends a token as soon as this node has applied it, and at the
 * latest after that time on a node that is cut off; an account that this node has not heard of yet
 * is looked for where it must be known.
 * Owner:  the caller embeds struct account_check; it and all it borrows stay until done, which
 *         comes exactly once, never inside account_check_start().
 * Thread: the loop's. */
#ifndef NODE_API_ACCOUNTS_H
#define NODE_API_ACCOUNTS_H

#include "node/api/api.h"

enum { ACCOUNT_CONFIRM_MS = 10000 };

struct account_check {
    struct api *api;
    struct loop *loop;
    const struct subject *subject; /* account_bound()'s */
    void *user;
    /* Errors: ERR_UNAUTHENTICATED (it is gone, or another of its name is there), and
     * backend_get's. */
    void (*done)(struct account_check *c, int rc, const struct err *err);
    /* private */
    struct backend_get get;
};

/* The one of a request that must be checked before anything is done for it: the subject itself, or
 * who really asks in its name. NULL: neither. */
const struct subject *account_bound(const struct subject *subject);
void account_check_start(struct account_check *c);

#endif
