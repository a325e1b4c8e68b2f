/* fieldset.h: sets of fields of an object, and the walks that make and use them.
 *
 * A set is a tree of nodes: JSON objects whose keys are path elements as FieldsV1 writes them
 * (f:name, k:{"key":...}, v:value) and ".", which says that the node itself is in the set. FieldsV1
 * on disk leaves the "." out where a node has nothing below it (fieldset_read, fieldset_write).
 * Functions return new references; the sets and values that go in are never changed, but results
 * may share parts of them: treat results as immutable.
 * Thread: the trees'. */
#ifndef PROTO_FIELDSET_H
#define PROTO_FIELDSET_H

#include "proto/schema.h"

/* NULL if it is no FieldsV1. */
json_t *fieldset_read(const json_t *fields_v1);
json_t *fieldset_write(const json_t *set);

bool fieldset_empty(const json_t *set);
json_t *fieldset_union(const json_t *a, const json_t *b);
json_t *fieldset_intersection(const json_t *a, const json_t *b);
json_t *fieldset_difference(const json_t *a, const json_t *b);
/* Also takes away from a what lies below members of b. */
json_t *fieldset_difference_below(const json_t *a, const json_t *b);
/* With the named fields (not map or list items) on the way to members as members too. */
json_t *fieldset_with_parents(const json_t *set, const struct schema *schema);
/* Calls each(".spec.ports[name=\"a\"]") for every member. */
void fieldset_each(const json_t *set, void (*each)(struct slice path, void *user), void *user);

/* The fields that a value states. */
json_t *fieldset_of(const json_t *value, const struct schema *schema);
/* What differs: all that is new, the maps and lists around it that are new too; leaves that have
 * another value; tops of what is gone. */
struct fieldset_change {
    json_t *added;
    json_t *modified;
    json_t *removed;
};
void fieldset_compare(const json_t *before, const json_t *after, const struct schema *schema,
                      struct fieldset_change *change);
/* live with intent laid over it. Duplicate or keyless items of intent's lists become causes. */
json_t *fieldset_merge(const json_t *live, const json_t *intent, const struct schema *schema,
                       struct causes *causes);
/* value without the members of set. Maps and lists that lose all they had go too, unless they are
 * members of keep (may be NULL) themselves; NULL if nothing is left. */
json_t *fieldset_remove(const json_t *value, const json_t *set, const json_t *keep,
                        const struct schema *schema);

#endif
