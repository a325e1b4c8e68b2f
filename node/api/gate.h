/* gate.h: the write path, the same for every door.
 *
 *   read the object (local view) -> admit (merge, default, check) -> submit -> answer
 *
 * "Not found", "no change" and "conflict" are answered only from a confirmed (linearizable) view,
 * and after looking up the request id's outcome if the client gave the id. A conflict on a
 * precondition that the server made is read and admitted again, GATE_ATTEMPTS_MAX times; a
 * generated name that exists gets another suffix.
 * A promotion, an approval or a test result is checked against other objects (promotion.h) between
 * the two halves of admission.
 * What is answered and not stored (struct kind's `answered`) goes from admission to reviews.h.
 * The caller has authenticated and authorized.
 * Owner:  the caller embeds struct gate_write; it and all it borrows stay until done, which comes
 *         exactly once, never inside gate_write() or gate_cancel(). Results live in the arena.
 * Thread: the loop's. */
#ifndef NODE_API_GATE_H
#define NODE_API_GATE_H

#include "node/api/promotion.h"
#include "node/api/reviews.h"
#include "proto/admit.h"

enum { GATE_ATTEMPTS_MAX = 12, GATE_NAME_ATTEMPTS_MAX = 8 };

struct gate_write {
    /* what is asked */
    struct api *api;
    struct loop *loop;
    struct arena *arena;
    const struct subject *subject;
    const struct kind *kind;
    enum admit_op op;
    enum admit_subresource sub;
    struct slice ns;
    struct slice name;      /* empty: create by POST */
    const json_t *incoming; /* borrowed; NULL: none */
    struct slice field_manager;
    struct slice user_agent;
    struct slice remote; /* for the audit record */
    bool force;
    bool dry_run;
    bool create_on_update;
    enum admit_validation validation;
    struct slice request_id; /* 16..64 bytes; empty: the gate makes one */
    uint64_t issued_ms;      /* of request_id; 0: now */
    struct slice raw;        /* the client's bytes, for the request's digest */
    uint64_t deadline_ms;    /* of the loop's clock; 0: the api's timeout */
    void *user;
    /* rc: admit's and backend_submit's errors. result.causes, .message and .warnings are filled
     * where admission had something to say. */
    void (*done)(struct gate_write *w, int rc, const struct err *err);
    /* results */
    struct backend_object object; /* after the write; for a delete the last state */
    bool created;
    bool changed;
    bool deleted; /* the object is gone (not only marked) */
    struct admit_result result;
    int result_rc; /* what admission said; result.message belongs to it */

    /* private */
    struct backend_get get;
    struct backend_submit submit;
    struct review review;
    struct admit_request request; /* of the attempt under way */
    struct admit_author author;
    struct promotion_check check;
    struct backend_object old;
    bool have_old;
    bool confirmed;
    bool asked_outcome;
    bool submitting;
    bool canceled;
    int attempts;
    int name_attempts;
    uint8_t digest[32];
    char id[37];
    struct buf audit;
    struct loop_msg defer;
    bool asked_id; /* the client gave the id */
    int rc;
    struct err err;
};

void gate_write(struct gate_write *w);
/* Gives up; done comes with ERR_CANCELED, or with the outcome if it was on its way. */
void gate_cancel(struct gate_write *w);

#endif
