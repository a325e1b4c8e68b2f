/* promotion.h: what the gate asks of other objects before a promotion, an approval, a test result
 * or a run that will report one is written.
 *
 *   release -> component or resource -> Project -> pipeline -> its bindings -> yes, or why not
 *
 * It refuses what cannot be right: a set of releases that are not there, or not of its project, or
 * to where no pipeline leads (promotion_set.c); a binding to where the pipeline does not lead, or
 * of a release that was never healthy where it leads from; an approval by an author, by who asked
 * for the promotion, or by somebody in none of the groups; a run that reports a test for somebody
 * who may not (promotion_run.c). What may only be early is let through (objects may come in any
 * order, gates open with time), and a warning says what it waits for: the controller judges every
 * binding again, from one consistent view, before anything is rolled out
 * (reconcile/controllers/promotion.h).
 * Owner:  the caller embeds struct promotion_check; it and all it borrows stay until done, which
 *         comes exactly once, never inside promotion_check_start().
 * Thread: the loop's. */
#ifndef NODE_API_PROMOTION_H
#define NODE_API_PROMOTION_H

#include "node/auth/subject.h"
#include "proto/backend.h"
#include "proto/kind.h"
#include "proto/object.h"

struct promotion_check {
    struct backend *backend;
    struct loop *loop;
    struct arena *arena;
    const struct subject *subject; /* who really asks */
    const struct kind *kind;
    const struct kind_registry *kinds;
    struct slice ns;
    json_t *object; /* as it would become; an approval or result comes to be owned by its release */
    uint64_t deadline_ms;
    void *user;
    /* Errors: ERR_UNPROCESSABLE (it cannot be so), ERR_FORBIDDEN (not by this subject), and
     * backend_get's. */
    void (*done)(struct promotion_check *check, int rc, const struct err *err);
    struct slice warning; /* then, the arena's: what a write that is let through waits for */
    /* private */
    struct backend_get get;
    struct backend_list list;
    struct backend_cursor cursor;
    int step;
    const struct promotion_track *track;
    size_t member; /* of a set */
    json_t *release, *owner, *project, *pipeline, *bindings, *workflow;
    struct buf name; /* of what is read */
    struct err err;
};

/* Whether a write from before (NULL: a create) to after has to be checked. */
bool promotion_concerns(const struct kind *kind, const json_t *before, const json_t *after);
void promotion_check_start(struct promotion_check *check);

#endif
