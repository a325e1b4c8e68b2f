/* events_view.h: events.k8s.io's Events as a view of the core group's.
 *
 * There is one stored object, "events", in the core group's form. This alias of it shows it under
 * "events.events.k8s.io" too, with the members that the newer form names otherwise renamed.
 * Owner:  the caller embeds struct events_view and keeps it until the doors have closed.
 * Thread: any front loop; immutable after events_view_init(). */
#ifndef NODE_API_EVENTS_VIEW_H
#define NODE_API_EVENTS_VIEW_H

#include "node/api/alias.h"

struct events_view {
    union {
        struct backend backend; /* what the doors get: */
        struct alias alias;     /* the first member of this */
    };
};

void events_view_init(struct events_view *v, struct backend *under);

#endif
