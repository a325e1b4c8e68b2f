/* schema_examine.c: one walk over a schema, through its $refs.
 *
 * A definition is walked where it is referred to first, so its faults are named by a place that
 * leads to it; one that is met inside of itself is a circle, which no value could be checked by.
 * Walked once, since the ways that lead to it double with every level that refers to the one below
 * twice. */
#include <stdio.h>

#include "base/map.h"
#include "render/cel/regex.h"
#include "render/members.h"
#include "render/schema.h"
#include "render/schema_refs.h"

struct looking {
    struct schema_refs refs;
    struct arena arena;
    struct buf path;
    struct causes *causes;
    struct map met; /* by a schema's address: &being_walked, or &walked */
    int depth;
};

static char being_walked;
static char walked;

static void look(struct looking *l, const json_t *schema);

static void complain(struct looking *l, const char *member, const char *what)
{
    struct buf field = {0};
    buf_add(&field, buf_slice(&l->path));
    buf_addf(&field, "%s%s", member[0] != '\0' ? "." : "", member);
    cause_add(l->causes, CAUSE_INVALID, buf_slice(&field), "Invalid value: %s", what);
    buf_free(&field);
}

static void look_below(struct looking *l, const char *member, const json_t *schema)
{
    size_t len = l->path.len;
    buf_addf(&l->path, ".%s", member);
    look(l, schema);
    l->path.len = len;
}

static void look_properties(struct looking *l, const json_t *schema)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *required = json_object_get(schema, "required");
    struct member *members;
    size_t count = members_sorted(&l->arena, properties, &members);
    if (properties != NULL && !json_is_object(properties)) {
        complain(l, "properties", "must be a map of schemas");
    }
    for (size_t i = 0; i < count; i++) {
        look_below(l, arena_printf(&l->arena, "properties.%s", members[i].key.data),
                   members[i].value);
    }
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (name == NULL || (count > 0 && json_object_get(properties, name) == NULL)) {
            complain(l, arena_printf(&l->arena, "required[%zu]", i),
                     "names no property, so nothing can fulfil it");
        }
    }
    if (required != NULL && !json_is_array(required)) {
        complain(l, "required", "must be a list of properties' names");
    }
}

static void look_alternatives(struct looking *l, const json_t *schema)
{
    static const char *const keys[] = {"allOf", "anyOf", "oneOf"};
    for (size_t k = 0; k < 3; k++) {
        const json_t *list = json_object_get(schema, keys[k]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            look_below(l, arena_printf(&l->arena, "%s[%zu]", keys[k], i), json_array_get(list, i));
        }
    }
    if (json_object_get(schema, "not") != NULL) {
        look_below(l, "not", json_object_get(schema, "not"));
    }
}

static void look_type(struct looking *l, const json_t *schema)
{
    static const char *const known[] = {"object",  "array",  "string", "integer",
                                        "boolean", "number", "null"};
    const json_t *type = json_object_get(schema, "type");
    bool found = type == NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        found = found || slice_eq_cstr(json_text(type), known[i]);
    }
    if (!found) {
        complain(l, "type", "must be object, array, string, integer, number or boolean");
    }
}

static void look_pattern(struct looking *l, const json_t *schema)
{
    const json_t *pattern = json_object_get(schema, "pattern");
    struct cel_ctx ctx = {.arena = &l->arena, .cost_limit = UINT64_MAX};
    bool match;
    if (pattern != NULL && !json_is_string(pattern)) {
        complain(l, "pattern", "must be a text");
    } else if (pattern != NULL && !cel_regex_match(&ctx, SLICE(""), json_text(pattern), &match)) {
        complain(l, "pattern", ctx.err.message);
    }
}

/* A default must be what its own schema takes, defaults within it filled in. */
static void look_default(struct looking *l, const json_t *schema)
{
    const json_t *value = json_object_get(schema, "default");
    struct err err = {0};
    json_t *full = NULL;
    if (value == NULL) {
        return;
    }
    json_t *whole = json_pack("{s:s, s:{s:O}}", "type", "object", "properties", "default", schema);
    json_t *definitions = json_object_get(l->refs.root, "$defs");
    if (definitions != NULL) {
        json_object_set(whole, "$defs", definitions);
    }
    json_t *input = json_pack("{s:O}", "default", value);
    if (schema_apply(whole, input, SLICE(""), &l->refs.cost_left, &full, &err) != 0) {
        complain(l, "default", err.message);
    }
    json_decref(full);
    json_decref(input);
    json_decref(whole);
}

static void look_inside(struct looking *l, const json_t *schema)
{
    const json_t *items = json_object_get(schema, "items");
    const json_t *additional = json_object_get(schema, "additionalProperties");
    const json_t *allowed = json_object_get(schema, "enum");
    size_t before = l->causes->count + l->causes->dropped;
    look_type(l, schema);
    look_pattern(l, schema);
    look_properties(l, schema);
    look_alternatives(l, schema);
    if (items != NULL) {
        look_below(l, "items", items);
    }
    if (additional != NULL && !json_is_boolean(additional)) {
        look_below(l, "additionalProperties", additional);
    }
    if (allowed != NULL && json_array_size(allowed) == 0) {
        complain(l, "enum", "must list the values that are allowed");
    }
    if (l->causes->count + l->causes->dropped == before) {
        look_default(l, schema);
    }
}

static void look(struct looking *l, const json_t *schema)
{
    if (l->refs.cost_left == 0) {
        return; /* whoever spent the last of it said so */
    }
    const json_t *target = schema_resolve(&l->refs, schema);
    if (!json_is_object(schema)) {
        complain(l, "", "must be a schema");
        return;
    }
    if (target == NULL && l->refs.cost_left > 0) {
        complain(l, "$ref", "points nowhere: it must be #/$defs/NAME, and NAME be defined");
        return;
    }
    struct slice key = slice_make((const char *)&target, sizeof target);
    const char *before = target != NULL ? map_get(&l->met, key) : NULL;
    if (before == &being_walked) {
        complain(l, "$ref", "leads back to itself");
    }
    if (before != NULL) {
        return;
    }
    if (l->depth == SCHEMA_DEPTH_MAX || !schema_pay(&l->refs, 1)) {
        complain(l, "", "is nested too deeply, or too large");
        return;
    }
    map_put(&l->met, key, &being_walked);
    l->depth++;
    look_inside(l, target);
    l->depth--;
    map_put(&l->met, key, &walked);
}

void schema_examine(const json_t *schema, struct slice path, struct causes *causes)
{
    struct looking l = {.refs = {.root = schema, .cost_left = SCHEMA_COST_MAX}, .causes = causes};
    buf_add(&l.path, path);
    look(&l, schema);
    if (!slice_eq_cstr(json_text_at(schema, "type"), "object") &&
        json_object_get(schema, "$ref") == NULL) {
        complain(&l, "type", "must be object: parameters are a map");
    }
    schema_refs_free(&l.refs);
    map_free(&l.met);
    arena_free(&l.arena);
    buf_free(&l.path);
}
