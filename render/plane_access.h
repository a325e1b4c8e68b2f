/* plane_access.h: what a DataPlane lets a namespace have of it: its clusters, and the keys of its
 * secret store. Data planes are an operator's; environments, workflows and secret references that
 * name them are a tenant's.
 *
 * Pure. Owner: texts are the arena's. Thread: the tree's. */
#ifndef RENDER_PLANE_ACCESS_H
#define RENDER_PLANE_ACCESS_H

#include "base/arena.h"
#include "base/json.h"

/* Whether environments and runs of the namespace may be on the plane (an object). It is judged by
 * what the plane says, and never by how it is called. */
bool plane_allows(const json_t *plane, struct slice ns);
/* Whether it is for some namespaces, and not for all. */
bool plane_is_reserved(const json_t *plane);
/* "data plane "eu" is not for namespace "acme": its spec.allowedNamespaces does not name it". */
const char *plane_forbids(const json_t *plane, struct slice ns, struct arena *arena);

/* Whether it may take the key from the plane's store; spec is the plane's, or NULL. A key with a
 * segment ".." may mean any other, and is none of those that begin as they are to. */
bool plane_allows_key(const json_t *spec, struct slice ns, struct slice key);
/* Whether it may take any key. */
bool plane_allows_all_keys(const json_t *spec);
/* "acme/, shared/": how keys have to begin. */
const char *plane_key_prefixes(const json_t *spec, struct slice ns, struct arena *arena);

#endif
