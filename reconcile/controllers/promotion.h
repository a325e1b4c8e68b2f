/* promotion.h: may a release come to an environment now, and if not, what is it waiting for?
 *
 * The rules are proto/promotion.h's; here they meet the objects: the component's project and its
 * pipeline, the other environments' bindings, approvals, tests, and the time.
 * Pure, over a snapshot. Owner: texts and trees are the plan's arena's, or the snapshot's. Thread:
 * the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_PROMOTION_H
#define RECONCILE_CONTROLLERS_PROMOTION_H

#include "proto/promotion.h"
#include "reconcile/controllers/common.h"

/* Whether the release of a binding's spec was let in, as its condition. */
#define PROMOTED "Promoted"

/* Promoted's reason where any release may go. */
#define PROMOTION_STARTED "Started"

/* What goes one way through pipelines (proto/promotion.h), in a snapshot. */
struct promotion_kinds {
    const struct promotion_track *track;
    enum snapshot_kind owner, release, binding;
    enum snapshot_index by_owner;
};
struct promotion_kinds promotion_kinds_of(const json_t *binding);

struct promotion {
    bool open;
    const char *reason;        /* of the condition, either way */
    const char *message;       /* a sentence: why it is open, or the edge and all that is missing */
    struct slice *approved_by; /* whose approvals opened it */
    size_t approved_count;
};

/* Judges the release that binding's spec asks for, which is there and of binding's owner. What
 * opens by time alone is asked of the plan: plan_requeue(). */
void promotion_judge(const struct snapshot *s, const json_t *binding, struct plan *plan,
                     struct promotion *out);

/* The pipeline of binding's owner, by its project: NULL if there is none yet. */
const json_t *promotion_pipeline(const struct snapshot *s, const json_t *binding,
                                 struct arena *arena);

/* Above 0 if a counts before b, of the results of a test or the approvals of a person: what ran
 * says more than what never began, and what is newer more than what is older. */
int promotion_compare_verdicts(const struct snapshot *s, const struct snapshot_entry *a,
                               const struct snapshot_entry *b);
/* The one that counts of a test of a release in an environment, or NULL. */
const json_t *promotion_result(const struct snapshot *s, const json_t *release,
                               struct slice environment, struct slice test, struct arena *arena);

/* Offers the release that is healthy in binding's environment to those that take it by themselves
 * (PromotionTarget.automatic), each once, and none that was made before what is or was there, or
 * was offered. A component is bound there for it if it is not yet; a resource is not, for it is
 * where something needs it. */
void promotion_offer(const struct snapshot *s, const json_t *binding, struct slice release,
                     struct plan *plan);

/* Milliseconds of the wall clock; 0 if text is no time. */
uint64_t promotion_time_ms(struct arena *arena, struct slice text);
/* Milliseconds; 0 if text is empty or no duration. */
uint64_t promotion_duration_ms(struct slice text);
/* now, and the last second that is not before `at_ms`, as the API has times. */
json_t *promotion_time(uint64_t at_ms);
json_t *promotion_time_after(uint64_t at_ms);

#endif
