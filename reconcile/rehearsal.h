/* rehearsal.h: the controllers at work without a server: objects in, what clusters would be sent
 * out.
 *
 * Objects lie in a snapshot in memory. Each is planned again and again, and what plans write is put
 * there through the admission that the engine uses, until nothing is left to write. Clusters are
 * all connected, take at once whatever is sent unless it is another's already, and are well; what
 * only a real one knows
 * (addresses, statuses) stays unknown. No gate is asked: a binding deploys the release that it asks
 * for. No repository is asked, nothing waits for time, which stands still, and credentials are not
 * made up, but have a text in their place that says so.
 *
 * An object without a uid gets one that is made up (snapshot.made_up).
 * Owner: the caller embeds; trees are borrowed until the next put or run. Thread: one. */
#ifndef RECONCILE_REHEARSAL_H
#define RECONCILE_REHEARSAL_H

#include "proto/kind.h"
#include "reconcile/snapshot.h"
#include "render/cel/cache.h"

struct rehearsal {
    struct snapshot snapshot; /* to be read */
    /* Whether somebody wants to know what becomes of a Component, of ours or OpenChoreo's, or what
     * a component's RenderedRelease puts on its cluster; of all else nobody is asked. NULL: of all.
     */
    bool (*wanted)(void *user, enum snapshot_kind kind, const json_t *object);
    void *user;
    /* private */
    struct kind_registry kinds;
    struct world world;
    struct cel_cache programs;
    json_t *sent;   /* "NS/NAME" of a RenderedRelease: {hash, manifests}, {gone}, or {refused} */
    json_t *owners; /* of objects, "PLANE/CLUSTER/KEY": "NS/NAME" */
    json_t *faults; /* of the round */
    uint64_t version;
    bool changed; /* in this round, or since the last */
};

void rehearsal_init(struct rehearsal *r);
void rehearsal_free(struct rehearsal *r);

/* SNAPSHOT_KIND_COUNT: controllers do not know its kind. */
enum snapshot_kind rehearsal_kind(const struct rehearsal *r, const json_t *object);
/* Puts an object as it was admitted, in the place of one that is there: as a change of that, unless
 * it has another uid. One of a kind that controllers do not know is left out.
 * Errors: object_canonical()'s, admit()'s. */
int rehearsal_put(struct rehearsal *r, const json_t *object, struct err *err);
/* Takes an object that controllers know, and admits it as one of theirs; if one of its name is
 * there, that stays. Errors: admit()'s. */
int rehearsal_create(struct rehearsal *r, json_t *object, struct err *err);
/* Adds what a cluster starts with, then plans until nothing is left to write. Whatever of it could
 * not be written is in rehearsal_faults(). Errors: ERR_INTERNAL (it does not come to an end). */
int rehearsal_run(struct rehearsal *r, struct err *err);
/* Nothing was put or created since the last run. */
bool rehearsal_settled(const struct rehearsal *r);
/* [{kind, namespace, name, message}] of what the last run could not write: the object that is
 * refused, and why. */
const json_t *rehearsal_faults(const struct rehearsal *r);
/* What a RenderedRelease puts on its cluster, in order of application; NULL: nothing was sent. */
const json_t *rehearsal_manifests(const struct rehearsal *r, struct slice ns, struct slice name);
/* The revision of that, or "". */
const char *rehearsal_revision(const struct rehearsal *r, struct slice ns, struct slice name);

#endif
