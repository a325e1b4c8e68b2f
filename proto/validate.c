/* Checking a value against its schema: every broken rule, with its path.
 *
 * The walk never stops at the first: each check adds a cause and the walk goes on, except below a
 * value of the wrong type. Duplicates in sets and map lists are found by hashing, so a long list
 * costs no more than its length. A schema may have become stricter since a value was written: what
 * an update leaves as it was may stay so. Schemas of custom kinds are strangers' too: after
 * SCHEMA_CHECK_MS nothing more is looked at, and the value is refused for that. */
#include <math.h>

#include "base/clock.h"
#include "base/map.h"
#include "proto/schema_internal.h"
#include "proto/tree_internal.h"

enum { SHOWN_MAX = 120, ENUM_SHOWN_MAX = 30, STEPS_PER_LOOK = 512, PATTERN_STEPS = 64 };

static struct slice here(const struct checking *c)
{
    return buf_slice(&c->path);
}

/* The value as a message shows it: JSON, shortened. */
static struct slice shown(const json_t *value, struct buf *scratch)
{
    buf_clear(scratch);
    if (json_is_object(value) || json_is_array(value)) {
        buf_add_cstr(scratch, json_is_object(value) ? "an object" : "a list");
    } else {
        json_canonical(value, scratch);
    }
    if (scratch->len > SHOWN_MAX) {
        scratch->len = slice_utf8(slice_sub(buf_slice(scratch), 0, SHOWN_MAX));
        buf_add_cstr(scratch, "...");
    }
    return buf_slice(scratch);
}

void schema__invalid(struct checking *c, const json_t *value, const char *rule)
{
    struct buf scratch = {0};
    struct slice text = shown(value, &scratch);
    cause_add(c->causes, CAUSE_INVALID, here(c), "Invalid value: %.*s: %s", SLICE_ARG(text), rule);
    buf_free(&scratch);
}

static const char *type_rule(const struct schema *schema)
{
    switch (schema->type) {
    case SCHEMA_ANY:
        return "";
    case SCHEMA_OBJECT:
        return "must be an object";
    case SCHEMA_ARRAY:
        return "must be a list";
    case SCHEMA_STRING:
        return "must be a string";
    case SCHEMA_INTEGER:
        return "must be an integer";
    case SCHEMA_NUMBER:
        return "must be a number";
    case SCHEMA_BOOLEAN:
        return "must be true or false";
    case SCHEMA_INT_OR_STRING:
        return schema->format == SCHEMA_FORMAT_QUANTITY ? "must be a quantity, like \"500Mi\" or 2"
                                                        : "must be an integer or a string";
    }
    return "";
}

static bool has_type(const struct schema *schema, const json_t *value)
{
    switch (schema->type) {
    case SCHEMA_ANY:
        return true;
    case SCHEMA_OBJECT:
        return json_is_object(value);
    case SCHEMA_ARRAY:
        return json_is_array(value);
    case SCHEMA_STRING:
        return json_is_string(value);
    case SCHEMA_INTEGER:
        return json_is_integer(value);
    case SCHEMA_NUMBER:
        return json_is_number(value);
    case SCHEMA_BOOLEAN:
        return json_is_boolean(value);
    case SCHEMA_INT_OR_STRING:
        return json_is_string(value) || json_is_integer(value) ||
               (schema->format == SCHEMA_FORMAT_QUANTITY && json_is_real(value));
    }
    return false;
}

static bool among(const struct schema *schema, const json_t *value, struct buf *scratch)
{
    const struct schema_more *more = schema->more;
    if (more == NULL) {
        for (size_t i = 0; i < schema->enum_count; i++) {
            if (slice_eq(json_text(value), schema->enums[i])) {
                return true;
            }
        }
        return false;
    }
    buf_clear(scratch);
    json_canonical(value, scratch);
    size_t low = 0;
    size_t high = more->value_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_cmp(buf_slice(scratch), more->values[middle]);
        if (order == 0) {
            return true;
        }
        high = order < 0 ? middle : high;
        low = order < 0 ? low : middle + 1;
    }
    return false;
}

static void check_enum(struct checking *c, const struct schema *schema, const json_t *value)
{
    struct buf scratch = {0};
    struct buf list = {0};
    if (!among(schema, value, &scratch)) {
        const char *quote = schema->more == NULL ? "\"" : "";
        for (size_t i = 0; i < schema->enum_count && i < ENUM_SHOWN_MAX; i++) {
            buf_addf(&list, "%s%s%.*s%s", i > 0 ? ", " : "", quote, SLICE_ARG(schema->enums[i]),
                     quote);
        }
        if (schema->enum_count > ENUM_SHOWN_MAX) {
            buf_addf(&list, ", and %zu more", schema->enum_count - ENUM_SHOWN_MAX);
        }
        struct slice text = shown(value, &scratch);
        cause_add(c->causes, CAUSE_NOT_SUPPORTED, here(c),
                  "Unsupported value: %.*s: supported values: %.*s", SLICE_ARG(text),
                  SLICE_ARG(buf_slice(&list)));
    }
    buf_free(&scratch);
    buf_free(&list);
}

/* Characters, as JSON Schema counts. */
static size_t characters(struct slice s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++) {
        count += ((unsigned char)s.data[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return count;
}

static void check_string(struct checking *c, const struct schema *schema, const json_t *value)
{
    struct slice text = json_text(value);
    size_t length = characters(text);
    if (length < schema->min_len) {
        if (length == 0) {
            cause_add(c->causes, CAUSE_REQUIRED, here(c), "Required value: must not be empty");
        } else {
            cause_add(c->causes, CAUSE_INVALID, here(c),
                      "Invalid value: must be at least %u characters long", schema->min_len);
        }
        return;
    }
    if (schema->has_max_len && length > schema->max_len) {
        cause_add(c->causes, CAUSE_TOO_LONG, here(c),
                  "Too long: may not be more than %u characters", schema->max_len);
        return;
    }
    c->steps += schema->pattern != NULL ? PATTERN_STEPS : 0;
    if (schema->pattern != NULL && !schema__matches(schema->pattern, text)) {
        char rule[256];
        (void)snprintf(rule, sizeof(rule), "must match '%.*s'", SLICE_ARG(schema->pattern->text));
        schema__invalid(c, value, rule);
    }
    const char *rule = schema_format_rule(schema->format, text);
    if (rule != NULL) {
        schema__invalid(c, value, rule);
    }
}

static void check_number(struct checking *c, const struct schema *schema, const json_t *value)
{
    double number = json_number_value(value);
    bool above = schema->more != NULL && schema->more->exclusive_min;
    bool below = schema->more != NULL && schema->more->exclusive_max;
    char rule[96];
    if (schema->has_min && above && number <= schema->min) {
        (void)snprintf(rule, sizeof(rule), "must be greater than %.15g", schema->min);
        schema__invalid(c, value, rule);
    } else if (schema->has_max && below && number >= schema->max) {
        (void)snprintf(rule, sizeof(rule), "must be less than %.15g", schema->max);
        schema__invalid(c, value, rule);
    } else if (schema->has_min && number < schema->min) {
        (void)snprintf(rule, sizeof(rule), "must be greater than or equal to %.15g", schema->min);
        schema__invalid(c, value, rule);
    } else if (schema->has_max && number > schema->max) {
        (void)snprintf(rule, sizeof(rule), "must be less than or equal to %.15g", schema->max);
        schema__invalid(c, value, rule);
    } else if (schema->format == SCHEMA_FORMAT_INT32 &&
               (number < (double)INT32_MIN || number > (double)INT32_MAX)) {
        schema__invalid(c, value, "must fit in 32 bits");
    }
}

bool schema__item_key(const struct schema *list, const json_t *item, struct buf *key)
{
    if (list->list == SCHEMA_LIST_SET) {
        json_canonical(item, key);
        return true;
    }
    buf_add_char(key, '{');
    for (size_t i = 0; i < list->map_key_count; i++) {
        const json_t *value = tree_get(item, list->map_keys[i]);
        const struct schema_field *field = schema_field(list->items, list->map_keys[i]);
        if (i > 0) {
            buf_add_char(key, ',');
        }
        json_quote(key, list->map_keys[i]);
        buf_add_char(key, ':');
        if (value != NULL) {
            json_canonical(value, key);
        } else if (field != NULL && field->default_json.len > 0) {
            buf_add(key, field->default_json);
        } else {
            return false;
        }
    }
    buf_add_char(key, '}');
    return true;
}

static void check_unique(struct checking *c, const struct schema *schema, const json_t *list)
{
    static char present;
    struct map seen = {0};
    struct buf key = {0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        buf_clear(&key);
        if (schema__item_key(schema, json_array_get(list, i), &key) &&
            map_put(&seen, buf_slice(&key), &present) != NULL) {
            size_t before = schema__path_index(&c->path, i);
            cause_add(c->causes, CAUSE_DUPLICATE, here(c), "Duplicate value: %.*s",
                      SLICE_ARG(buf_slice(&key)));
            c->path.len = before;
        }
    }
    buf_free(&key);
    map_free(&seen);
}

static bool check_count(struct checking *c, const struct schema *schema, size_t count,
                        const char *what)
{
    if (count < schema->min_len) {
        cause_add(c->causes, CAUSE_INVALID, here(c), "Invalid value: must have at least %u %s",
                  schema->min_len, what);
    }
    if (schema->has_max_len && count > schema->max_len) {
        cause_add(c->causes, CAUSE_TOO_MANY, here(c), "Too many: %zu: must have at most %u %s",
                  count, schema->max_len, what);
        return false;
    }
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void check_list(struct checking *c, const struct schema *schema, const json_t *list,
                       const json_t *old)
{
    if (!check_count(c, schema, json_array_size(list), "items")) {
        return;
    }
    struct correlation were;
    schema__correlate(&were, schema, old);
    for (size_t i = 0; schema->items != NULL && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        size_t before = schema__path_index(&c->path, i);
        schema__check(c, schema->items, item, schema__old_item(&were, item));
        c->path.len = before;
    }
    schema__correlate_end(&were);
    if (schema->list != SCHEMA_LIST_ATOMIC) {
        check_unique(c, schema, list);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void check_object(struct checking *c, const struct schema *schema, const json_t *object,
                         const json_t *old)
{
    if (!check_count(c, schema, json_object_size(object), "members")) {
        return;
    }
    size_t known = 0;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct schema_field *field = &schema->fields[i];
        const json_t *value = tree_get(object, field->name);
        size_t before = schema__path_member(&c->path, field->name);
        known += value != NULL ? 1 : 0;
        if (value != NULL) {
            schema__check(c, field->schema, value, tree_get(old, field->name));
        } else if (field->required) {
            cause_add(c->causes, CAUSE_REQUIRED, here(c), "Required value");
        }
        c->path.len = before;
    }
    if (schema->values == NULL) {
        c->strangers |= !schema->preserve_unknown && known < json_object_size(object);
        return;
    }
    TREE_EACH(it, object)
    {
        struct slice name = tree_key(it);
        if (schema_field(schema, name) == NULL) {
            size_t before = schema__path_key(&c->path, name);
            schema__check(c, schema->values, json_object_iter_value(it), tree_get(old, name));
            c->path.len = before;
        }
    }
}

/* Looks at the clock now and then; true once it is too late. */
static bool too_late(struct checking *c)
{
    if (c->late || ++c->steps < STEPS_PER_LOOK) {
        return c->late;
    }
    c->steps = 0;
    c->late = clock_system.mono_ms(&clock_system) > c->until_ms;
    if (c->late) {
        cause_add(c->causes, CAUSE_FORBIDDEN, here(c),
                  "Forbidden: checking the value against its schema takes longer than %d ms",
                  SCHEMA_CHECK_MS);
    }
    return c->late;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
void schema__check(struct checking *c, const struct schema *schema, const json_t *value,
                   const json_t *old)
{
    if (too_late(c) || (old != NULL && json_equal(old, value))) {
        return;
    }
    if (json_is_null(value) && (schema->nullable || schema->type == SCHEMA_ANY)) {
        return;
    }
    if (!has_type(schema, value)) {
        struct buf scratch = {0};
        struct slice text = shown(value, &scratch);
        cause_add(c->causes, CAUSE_TYPE, here(c), "Invalid value: %.*s: %s", SLICE_ARG(text),
                  type_rule(schema));
        buf_free(&scratch);
        return;
    }
    if (schema->enum_count > 0) {
        check_enum(c, schema, value);
    }
    if (json_is_object(value)) {
        check_object(c, schema, value, old);
    } else if (json_is_array(value)) {
        check_list(c, schema, value, old);
    } else if (json_is_string(value)) {
        check_string(c, schema, value);
    } else if (json_is_number(value)) {
        check_number(c, schema, value);
    }
    if (schema->more != NULL) {
        schema__check_more(c, schema, value, old);
    }
}

bool schema_validate(const struct schema *schema, const json_t *value, const json_t *old,
                     struct slice path, struct causes *causes)
{
    const struct causes before = *causes;
    struct checking c = {.causes = causes,
                         .until_ms = clock_system.mono_ms(&clock_system) + SCHEMA_CHECK_MS};
    if (schema == NULL) {
        return true;
    }
    buf_add(&c.path, path);
    schema__check(&c, schema, value, NULL);
    if (old != NULL && !c.late && causes->count + causes->dropped > before.count + before.dropped) {
        causes->count = before.count; /* it is worth comparing now */
        causes->dropped = before.dropped;
        schema__check(&c, schema, value, old);
    }
    buf_free(&c.path);
    return !c.strangers;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX. */
static void check_change(struct checking *c, const struct schema *schema, const json_t *before,
                         const json_t *after)
{
    if (schema == NULL || !json_is_object(before) || !json_is_object(after)) {
        return;
    }
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct schema_field *field = &schema->fields[i];
        const json_t *old = tree_get(before, field->name);
        const json_t *new = tree_get(after, field->name);
        size_t length = schema__path_member(&c->path, field->name);
        if (field->immutable && old != NULL && (new == NULL || !json_equal(old, new))) {
            if (new != NULL) {
                schema__invalid(c, new, "field is immutable");
            } else {
                cause_add(c->causes, CAUSE_INVALID, here(c),
                          "Invalid value: null: field is immutable");
            }
        } else if (old != NULL && new != NULL) {
            check_change(c, field->schema, old, new);
        }
        c->path.len = length;
    }
}

void schema_validate_change(const struct schema *schema, const json_t *before, const json_t *after,
                            struct slice path, struct causes *causes)
{
    struct checking c = {.causes = causes};
    buf_add(&c.path, path);
    check_change(&c, schema, before, after);
    buf_free(&c.path);
}
