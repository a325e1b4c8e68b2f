/* promotion.h: what pipelines, bindings and releases say about where a release may go: read from
 * trees alone, so that the doors, the controllers and the client tell the same.
 *
 *   where it starts:  an environment that is a source and nobody's target takes any release
 *   an edge:          source -> target, open to a release that is proven in the source, once the
 *                     target's gates are (PromotionTarget)
 *   a return:         a release that has been healthy in an environment may come back to it
 *
 * Proven is a release in an environment by its newest rollout there alone, if it became healthy in
 * it and is what runs there still, or was well until a newer release took its place. What was taken
 * back proves nothing, however long it had been well before, nor does any test that it passed by
 * then: not before it was deployed there again, and is healthy. Taken back is what the control
 * plane rolled back, what failed and stayed because there was nothing to go back to, and what had
 * to make way for an older release, whoever bound that. So was in effect what was not healthy
 * when another came in its place, and so is what is undeployed.
 *
 * Components' releases and resources' go the same way; a track is what the two call their parts.
 *
 * Who wrote what is on the objects, in annotations that the server alone writes (admit_author.c).
 * Thread: any. Trees are borrowed, slices point into them. */
#ifndef PROTO_PROMOTION_H
#define PROTO_PROMOTION_H

#include "base/arena.h"
#include "base/json.h"

/* Of a Component or Resource: a JSON array of who changed its spec since its last release. Of a
 * release: whose changes it holds. */
#define PROMOTION_AUTHORS "choreo.dev/authors"
/* Among them in place of those whom PROMOTION_AUTHORS_MAX has no room for: anybody may be one. */
#define PROMOTION_ANYBODY "*"
/* Of a release, likewise: whose changes those before it held that are not there any more. */
#define PROMOTION_AUTHORS_BEFORE "choreo.dev/authors-before"
/* Of a binding: who bound its release there; absent: the control plane. */
#define PROMOTION_REQUESTED_BY "choreo.dev/requested-by"

/* Of a release, "true": a client wrote it. Of which types it is frozen is then nobody's word but
 * that client's. */
#define PROMOTION_BY_HAND "choreo.dev/by-hand"
bool promotion_by_hand(const json_t *release);

/* Who may approve where an edge names no group. */
#define PROMOTION_APPROVERS "system:masters"

enum { PROMOTION_AUTHORS_MAX = 64 };

enum promotion_part { PROMOTION_OWNER, PROMOTION_RELEASE, PROMOTION_BINDING, PROMOTION_PARTS };

struct promotion_track {
    const char *noun;    /* "component", "resource": a member of approvals and results, too */
    const char *owner;   /* the member of spec.owner that names one */
    const char *release; /* the member of a binding's spec that names its release */
    const char *parts[PROMOTION_PARTS]; /* "components.choreo.dev", ... */
    const char *kinds[PROMOTION_PARTS]; /* "Component", ... */
};
/* That of a binding, a release, an approval or a result. */
const struct promotion_track *promotion_track_of(const json_t *object);
/* "component" or "resource"; NULL: neither. */
const struct promotion_track *promotion_track_named(struct slice noun);
/* What of a track "releases.choreo.dev" or the like is; PROMOTION_PARTS: nothing. */
enum promotion_part promotion_part_of(struct slice resource);
/* The component or resource that a binding, a release, an approval or a result is of. */
struct slice promotion_owner(const json_t *object);
/* The release that a binding asks for. */
struct slice promotion_asked(const json_t *binding);

/* The project's pipeline by name: "default" where it names none, or is not there (NULL). */
struct slice promotion_pipeline_of(const json_t *project);

bool promotion_is_target(const json_t *pipeline, struct slice environment);
/* Any release may go there. */
bool promotion_starts_in(const json_t *pipeline, struct slice environment);

struct promotion_edge {
    struct slice source;
    const json_t *target; /* the PromotionTarget */
    size_t path, at;      /* private */
};
/* The edges that lead to an environment, one after another: begin with a zeroed edge. False behind
 * the last. */
bool promotion_next_to(const json_t *pipeline, struct slice environment,
                       struct promotion_edge *edge);
/* Those that lead there from a source: one, but for what was stored before that was held to. */
bool promotion_next_between(const json_t *pipeline, struct slice source, struct slice environment,
                            struct promotion_edge *edge);
/* Those that leave it. */
bool promotion_next_from(const json_t *pipeline, struct slice environment,
                         struct promotion_edge *edge);

/* Whether what is recorded of a release is about the one with that uid. Names can be given again,
 * uids cannot; empty ones are any. */
bool promotion_same_uid(struct slice recorded, struct slice uid);

/* The newest rollout of a release, of that uid or any, in a binding's history in which it was
 * healthy; or NULL. */
const json_t *promotion_healthy(const json_t *binding, struct slice release, struct slice uid);

/* Whether a rollout, of a history, is one of what was taken back. */
bool promotion_taken_back(const json_t *rollout);

/* The rollout that proves a release, of that uid or any, where the binding is; or NULL. */
const json_t *promotion_proven(const json_t *binding, struct slice release, struct slice uid);
/* When that rollout began, if the release was taken back there before: what was found out about it
 * earlier does not count. Empty: all does. */
struct slice promotion_proven_anew(const json_t *binding, struct slice release, struct slice uid);

/* The release that was healthy there last, or is, and was not taken back; empty: none. */
struct slice promotion_last_healthy(const json_t *binding);

/* What to go back to from a release, one after another: rollouts, of a binding's history, in which
 * others were healthy that were not taken back since, the newest first, and behind them likewise
 * those that were not well any more when another came in their place. Begin at 0; NULL: no more. */
const json_t *promotion_next_back(const json_t *binding, struct slice from, size_t *at);

/* Whether user is one of the authors that object names, or may be (PROMOTION_ANYBODY). */
bool promotion_is_author(const json_t *object, struct slice user);
/* Adds a name to the authors of object, which begins anew with `fresh`. */
void promotion_add_author(json_t *object, struct slice user, bool fresh);

/* Adds the authors that `from` names to those of object. */
void promotion_add_authors(json_t *object, const json_t *from);

/* Whether user is an author of what was before a release (PROMOTION_AUTHORS_BEFORE). */
bool promotion_is_author_before(const json_t *release, struct slice user);
/* Whether `next` has room to tell of all authors that `gone`, the release before it, tells of. */
bool promotion_has_room(const json_t *next, const json_t *gone);
/* Has it do so, which has room. False: it does already, and is as it was. */
bool promotion_inherit_authors(json_t *next, const json_t *gone);

/* Is the spec of a Component or Resource, as it is, in a release? The next change begins with new
 * authors. */
bool promotion_is_released(const json_t *component);

/* The latest of them, or empty. */
struct slice promotion_last_author(struct arena *arena, const json_t *object);

/* Whether someone of these groups may approve what goes over an edge. */
bool promotion_may_approve(const json_t *target, const json_t *groups);
/* "group \"a\"", "one of the groups \"a\", \"b\"": who may. Appends. */
void promotion_approvers(const json_t *target, struct buf *out);

/* Why a release may not even be asked to go to an environment, or false: appends a sentence that
 * names the edge and what is missing. bindings: an array of those of the release's owner. */
bool promotion_refused(const json_t *pipeline, const json_t *bindings, struct slice environment,
                       struct slice release, struct slice uid, struct buf *why,
                       const char **reason);
/* The binding in an environment: of several the oldest, which alone is deployed. Or NULL. */
const json_t *promotion_binding_in(const json_t *bindings, struct slice environment);

#endif
