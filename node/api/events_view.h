/* events_view.h: events.k8s.io's Events as a view of the core group's.
 *
 * There is one stored object, "events", in the core group's form. This backend, laid over another,
 * shows it under "events.events.k8s.io" too, with the members that the newer form names otherwise
 * renamed on the way out and back on the way in, so that every verb of both doors follows.
 * Everything else passes through untouched.
 * Owner:  the caller embeds struct events_view and keeps it until the doors have closed.
 * Thread: any front loop; immutable after events_view_init(). */
#ifndef NODE_API_EVENTS_VIEW_H
#define NODE_API_EVENTS_VIEW_H

#include "proto/backend.h"

struct events_view {
    struct backend backend; /* what the doors get */
    struct backend *under;
};

void events_view_init(struct events_view *v, struct backend *under);

#endif
