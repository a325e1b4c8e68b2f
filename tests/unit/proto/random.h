/* random.h: random values that fit a schema, from a seed. Thread: the test's. */
#ifndef TESTS_UNIT_PROTO_RANDOM_H
#define TESTS_UNIT_PROTO_RANDOM_H

#include <stdlib.h>

#include "proto/schema.h"

struct random {
    uint64_t state;
};

static inline uint32_t random_below(struct random *r, uint32_t limit)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 33) % limit;
}

static inline json_t *random_json(struct random *r, int depth)
{
    static const char *const texts[] = {"", "a", "\xc3\xa9\xe2\x82\xac", "quote\"\\\n", "${x}"};
    uint32_t pick = random_below(r, depth > 0 ? 9 : 7);
    switch (pick) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(random_below(r, 2));
    case 2:
        return json_integer((json_int_t)random_below(r, 1000) - 500);
    case 3:
        return json_integer(random_below(r, 2) ? INT64_MAX : INT64_MIN + 1);
    case 4:
        return json_real((double)random_below(r, 100) / 4);
    case 5:
    case 6:
        return json_string(texts[random_below(r, 5)]);
    default: {
        json_t *value = pick == 7 ? json_object() : json_array();
        for (uint32_t i = random_below(r, 4); i > 0; i--) {
            char key[8];
            (void)snprintf(key, sizeof(key), "k%u", random_below(r, 9));
            if (pick == 7) {
                json_object_set_new(value, key, random_json(r, depth - 1));
            } else {
                json_array_append_new(value, random_json(r, depth - 1));
            }
        }
        return value;
    }
    }
}

static inline json_t *random_text(struct random *r, const struct schema *s)
{
    static const char *const times[] = {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456Z",
                                        "2026-01-02T03:04:05+02:00", "1999-12-31T23:59:59.5Z"};
    char text[24];
    if (s->enum_count > 0) {
        return json_str(s->enums[random_below(r, (uint32_t)s->enum_count)]);
    }
    if (s->format == SCHEMA_FORMAT_DATE_TIME || s->format == SCHEMA_FORMAT_MICRO_TIME) {
        return json_string(times[random_below(r, 4)]);
    }
    if (s->format == SCHEMA_FORMAT_BYTE) {
        return json_string(random_below(r, 2) ? "aGVsbG8=" : "");
    }
    (void)snprintf(text, sizeof(text), "t%u", random_below(r, 5));
    return json_string(random_below(r, 8) == 0 ? "" : text);
}

/* Fits the schema's types, though not all of its rules. */
static inline json_t *random_value(struct random *r, const struct schema *s, int depth)
{
    json_t *value;
    char key[8];
    switch (s->type) {
    case SCHEMA_STRING:
        return random_text(r, s);
    case SCHEMA_BOOLEAN:
        return json_boolean(random_below(r, 2));
    case SCHEMA_INTEGER:
        return json_integer((json_int_t)random_below(r, 70000) - (s->has_min ? 0 : 100));
    case SCHEMA_NUMBER:
        return json_real((double)random_below(r, 1000) + 0.25);
    case SCHEMA_INT_OR_STRING:
        return random_below(r, 2) ? json_string("500Mi") : json_integer(random_below(r, 99));
    case SCHEMA_ARRAY:
        value = json_array();
        for (uint32_t i = random_below(r, 3); depth > 0 && i > 0; i--) {
            json_array_append_new(value, s->items != NULL ? random_value(r, s->items, depth - 1)
                                                          : random_json(r, 2));
        }
        return value;
    case SCHEMA_OBJECT:
        value = json_object();
        for (size_t i = 0; i < s->field_count; i++) {
            if (depth > 0 && random_below(r, 3) > 0) {
                json_object_set_new(value, s->fields[i].name.data,
                                    random_value(r, s->fields[i].schema, depth - 1));
            }
        }
        for (uint32_t i = random_below(r, 3); i > 0 && (s->values || s->preserve_unknown); i--) {
            (void)snprintf(key, sizeof(key), "m%u", random_below(r, 5));
            json_object_set_new(
                value, key, s->values ? random_value(r, s->values, depth - 1) : random_json(r, 2));
        }
        return value;
    case SCHEMA_ANY:
        break;
    }
    return random_json(r, 2);
}

#endif
