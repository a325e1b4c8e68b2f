/* reviews.h: kinds that are answered and not stored: who may do what, who is who, and tokens of
 * service accounts.
 *
 * The gate calls it in place of the store, with an object that admission has found good; both doors
 * follow. Every answer is auth.h's: no rule is known here.
 * Owner:  the caller embeds struct review; it and all it borrows stay until done, which comes
 *         exactly once, never inside review_start().
 * Thread: the loop's. */
#ifndef NODE_API_REVIEWS_H
#define NODE_API_REVIEWS_H

#include "node/api/accounts.h"

struct review {
    struct api *api;
    struct loop *loop;
    struct arena *arena;
    const struct subject *subject; /* who asks */
    const struct kind *kind;
    struct slice ns;
    struct slice name;
    bool dry_run;   /* a token is not issued then; nothing else has an effect */
    json_t *object; /* as asked; with its status when done */
    uint64_t deadline_ms;
    void *user;
    /* Errors: ERR_METHOD (nothing here answers this kind), ERR_NOT_FOUND (its account is not
     * there), and backend_get's. */
    void (*done)(struct review *r, int rc, const struct err *err);
    /* private */
    struct loop_msg defer;
    bool waits; /* for one of these */
    struct account_check check;
    struct backend_get get;
    struct subject found; /* whom a token names */
    struct token_audiences audiences;
    int rc;
    struct err err;
};

void review_start(struct review *r);

/* status of a SelfSubjectRulesReview, new: all that subject may do in ns, of what is served. */
json_t *review_rules(struct api *api, struct arena *arena, const struct subject *subject,
                     struct slice ns);

#endif
