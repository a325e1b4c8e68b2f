/* kind_internal.h: what proto/gen makes, for kind.c alone.
 * Owner: static. Thread: any; immutable. */
#ifndef PROTO_KIND_INTERNAL_H
#define PROTO_KIND_INTERNAL_H

#include "proto/kind.h"

extern const struct kind kind__builtin[];
extern const size_t kind__builtin_count;
/* What clusters serve and the control plane does not; linked only where workloads.c is. */
extern const struct kind kind__workloads[];
extern const size_t kind__workloads_count;
extern const unsigned char kind__descriptors[];
extern const size_t kind__descriptors_len;

#endif
