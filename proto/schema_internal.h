/* schema_internal.h: between schema.c, validate.c, format.c and apply.
 * Thread: any. */
#ifndef PROTO_SCHEMA_INTERNAL_H
#define PROTO_SCHEMA_INTERNAL_H

#include "base/map.h"
#include "proto/schema.h"

/* A validation under way (validate.c, validate_more.c). */
struct checking {
    struct causes *causes;
    struct buf path;
    uint64_t steps;    /* since the clock was looked at */
    uint64_t until_ms; /* monotonic: afterwards nothing more is looked at */
    bool late;
    bool strangers; /* some object has members that its schema does not know */
};

/* old is what the value was: what broke a rule before, and is the same, may stay as it is. NULL:
 * all must hold. */
void schema__check(struct checking *c, const struct schema *schema, const json_t *value,
                   const json_t *old);
/* One cause; the value is shown in it. */
void schema__invalid(struct checking *c, const json_t *value, const char *rule);
/* schema->more's share of it. */
void schema__check_more(struct checking *c, const struct schema *schema, const json_t *value,
                        const json_t *old);

/* Which item of an old list an item of the new one was: of map lists by their keys; items of other
 * lists have no identity. */
struct correlation {
    const struct schema *list;
    struct map index;
    struct buf key;
    bool keyed;
};

void schema__correlate(struct correlation *c, const struct schema *list, const json_t *old);
const json_t *schema__old_item(struct correlation *c, const json_t *item); /* NULL: it is new */
void schema__correlate_end(struct correlation *c);

/* Each appends a step and returns the length to go back to. */
size_t schema__path_member(struct buf *path, struct slice name); /* a.b */
size_t schema__path_key(struct buf *path, struct slice key);     /* a[key] */
size_t schema__path_index(struct buf *path, size_t index);       /* a[0] */

/* True if the text matches; a pattern that does not compile or that takes too long matches nothing.
 */
bool schema__matches(struct schema_pattern *pattern, struct slice text);
/* Does it compile? The message says where not. */
bool schema__pattern_check(struct slice text, struct err *err);
/* Frees what it compiled to: arena_own()'s release for patterns in an arena. */
void schema__pattern_free(void *pattern);
/* The identity of an item of a map list, from its keys (with their defaults), or of a set's item:
 * canonical JSON. False if a key is missing. */
bool schema__item_key(const struct schema *list, const json_t *item, struct buf *key);

#endif
