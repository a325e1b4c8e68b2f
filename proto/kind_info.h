/* kind_info.h: a kind as ResourceService tells it, for the door and for clients without a server.
 * Owner: the arena. Thread: any. */
#ifndef PROTO_KIND_INFO_H
#define PROTO_KIND_INFO_H

#include "proto/choreo/v1/services.pb-c.h"
#include "proto/kind.h"

Choreo__V1__KindInfo *kind_info(struct arena *arena, const struct kind *kind);

#endif
