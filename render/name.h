/* name.h: the names that come out on a data plane.
 *
 * OpenChoreo's naming algorithm, to the byte, so that its live objects can be adopted without being
 * renamed: each part is lowercased, anything but a-z, 0-9, '-' and '.' becomes '-' (leading and
 * trailing '-' and '.' go), parts are cut to an equal share of the limit, joined with '-', and
 * followed by '-' and the first 8 hex digits of the SHA-256 of the parts as they were given, joined
 * with '-'. A name never exceeds its limit.
 * Owner: the caller's arena holds the result (NUL-terminated too). Thread: any. */
#ifndef RENDER_NAME_H
#define RENDER_NAME_H

#include "base/arena.h"
#include "base/str.h"

enum {
    NAME_LABEL_MAX = 63,      /* namespaces, labels, services */
    NAME_SUBDOMAIN_MAX = 253, /* everything else */
    NAME_SHORT_MAX = 52       /* StatefulSets: their pods' labels have a hash behind it */
};

/* limit is NAME_LABEL_MAX or NAME_SUBDOMAIN_MAX. With more parts than the limit has room for, each
 * keeps nothing but the hash tells them apart. */
struct slice name_join(struct arena *arena, size_t limit, const struct slice *parts, size_t count);
/* The same, with extra hashed behind the parts ("parts-extra") but not shown. */
struct slice name_join_extra(struct arena *arena, size_t limit, const struct slice *parts,
                             size_t count, struct slice extra);

/* The namespace of one (namespace, project, environment) on a cluster: "dp-NS-PROJECT-ENV-hash",
 * at most 63 bytes. default, default, development: "dp-default-default-development-f8e58905". */
struct slice name_cell(struct arena *arena, struct slice ns, struct slice project,
                       struct slice environment);
/* The base name of a component's objects: "COMPONENT-ENV-hash". Its Service alone is named
 * COMPONENT, because that is its address. */
struct slice name_component(struct arena *arena, struct slice component, struct slice environment);

/* The name, if it is at most NAME_SHORT_MAX; else its beginning and the hash at its end, and then
 * at most 50, since CloudNativePG takes no longer ones. */
struct slice name_short(struct arena *arena, struct slice name);

/* FNV-1a, 32 bits, as 8 hex digits: oc_hash(). */
struct slice name_hash(struct arena *arena, struct slice text);

#endif
