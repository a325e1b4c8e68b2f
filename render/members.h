/* members.h: the members of a JSON object in the order of their keys, for output that never depends
 * on how a tree was built. Owner: the arena; keys and values borrow the tree. Thread: the tree's.
 */
#ifndef RENDER_MEMBERS_H
#define RENDER_MEMBERS_H

#include "base/json.h"

struct member {
    struct slice key; /* NUL-terminated too */
    json_t *value;
};

/* How many there are; none of anything that is no object. */
size_t members_sorted(struct arena *arena, const json_t *object, struct member **members);

/* The same in the order in which order, a list of keys, names them; then the others by their keys.
 */
size_t members_listed(struct arena *arena, const json_t *object, const json_t *order,
                      struct member **members);

#endif
