/* schema_refs.c: follows $ref, merging on the way; each place is merged once. */
#include "render/schema_refs.h"

#include <inttypes.h>
#include <stdio.h>

/* Jansson counts references even where it only reads. */
static json_t *loose(const json_t *tree)
{
    return (json_t *)(uintptr_t)tree;
}

static const json_t *target_of(const json_t *root, struct slice ref)
{
    if (!slice_starts_with(ref, SLICE("#/"))) {
        return NULL;
    }
    struct slice rest = slice_sub(ref, 2, ref.len);
    struct slice part;
    while (root != NULL && slice_split(&rest, '/', &part)) {
        root = json_object_getn(root, part.data, part.len);
    }
    return root;
}

bool schema_pay(struct schema_refs *refs, uint64_t cost)
{
    refs->cost_left -= cost < refs->cost_left ? cost : refs->cost_left;
    return refs->cost_left > 0;
}

const json_t *schema_resolve(struct schema_refs *refs, const json_t *schema)
{
    char key[32];
    const json_t *at = schema;
    json_t *beside = NULL;
    struct slice ref = json_text_at(at, "$ref");
    if (ref.len == 0) {
        return schema;
    }
    (void)snprintf(key, sizeof key, "%" PRIxPTR, (uintptr_t)schema);
    const json_t *known = json_object_get(refs->merged, key);
    if (known != NULL) {
        return known;
    }
    for (int i = 0; i < SCHEMA_REFS_MAX && at != NULL && ref.len > 0; i++) {
        if (json_object_size(at) > 1) {
            beside = beside != NULL ? beside : json_object();
            json_object_update_missing(beside, loose(at));
        }
        at = target_of(refs->root, ref);
        ref = json_text_at(at, "$ref");
    }
    if (at == NULL || ref.len > 0 || beside == NULL) {
        json_decref(beside);
        return ref.len > 0 ? NULL : at;
    }
    size_t bytes = JSON_WEIGHT_OBJECT + JSON_WEIGHT_MEMBER * json_object_size(at);
    if (!schema_pay(refs, bytes / SCHEMA_COST_BYTES)) {
        json_decref(beside);
        return NULL;
    }
    json_object_update_missing(beside, loose(at));
    json_object_del(beside, "$ref");
    refs->merged = refs->merged != NULL ? refs->merged : json_object();
    json_object_set_new(refs->merged, key, beside);
    return beside;
}

void schema_refs_free(struct schema_refs *refs)
{
    json_decref(refs->merged);
    refs->merged = NULL;
}
