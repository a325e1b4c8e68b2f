/* apply_model.h: server-side apply, said a second time: over a kind with so few fields that a set
 * of them is a word of bits.
 *
 * What structured merge specifies, stated as arithmetic on such words and sharing no code with
 * proto/apply.c: who owns what after each write, what goes when an owner leaves it out, which
 * fields conflict with whom. The kind has every sort of value: structs in structs, a map, a map of
 * structs, a list that is a map, one with two keys of which one has a default, sets, an atomic
 * list, an atomic map, a default, a status. Thread: the test's. */
#ifndef TESTS_UNIT_PROTO_APPLY_MODEL_H
#define TESTS_UNIT_PROTO_APPLY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

/* The schema of the kind, with single quotes; of example.com/v1. */
extern const char model_schema[];

enum { MODEL_FIELDS_MAX = 64, MODEL_VALUES = 3, MODEL_OWNERS_MAX = 16 };
enum model_scope { MODEL_MAIN, MODEL_STATUS };

/* What an object, or an intent, holds. */
struct model_state {
    uint64_t present;
    uint8_t value[MODEL_FIELDS_MAX]; /* of those that vary */
};

struct model_owner {
    const char *manager;
    bool update; /* else apply */
    enum model_scope scope;
    uint64_t set;
};

struct model {
    bool exists;
    struct model_state state;
    struct model_owner owners[MODEL_OWNERS_MAX]; /* one may own nothing */
    int owner_count;
};

int model_field_count(void);
/* ".spec.ml[name=\"A\"].v", as conflicts name it. */
void model_path(int field, char *out, size_t size);
bool model_varies(int field); /* may have one of MODEL_VALUES */
/* Those of a scope, its root included; metadata itself belongs to nobody and is in none. */
uint64_t model_scope_mask(enum model_scope scope);
/* With all that its members imply: what they are in, the keys of items. */
uint64_t model_closed(uint64_t present);
uint64_t model_below(int field); /* and itself */

/* {"metadata": {"name": "x", ...}, "spec": ...} and back; false if the tree holds anything that no
 * field describes. */
json_t *model_render(const struct model_state *state);
bool model_read(const json_t *object, struct model_state *state);
/* False if it is no FieldsV1 of these fields. */
bool model_read_set(const json_t *fields_v1, uint64_t *set);

/* The object became `after` by a create, an update or a patch of the manager. */
void model_update(struct model *m, const char *manager, enum model_scope scope,
                  const struct model_state *after);
/* An apply. Returns how many other owners it conflicts with, each with the fields in question in
 * its set, and has then changed nothing; forced there are none. */
int model_apply(struct model *m, const char *manager, enum model_scope scope, bool force,
                const struct model_state *intent, struct model_owner conflicts[MODEL_OWNERS_MAX]);

#endif
