/* schema.c: a copy with defaults, then one pass that collects all that is wrong.
 *
 * Both walks follow $ref; a schema that refers to itself is met by a limit on depth, and one that
 * multiplies work (anyOf and its kin) or memory (defaults) by the budget that both walks spend: for
 * what they visit, copy and compare. Complaints go into one text, the error's message, as far as it
 * holds them. */
#include "render/schema.h"

#include <math.h>
#include <string.h>

#include "base/suggest.h"
#include "render/members.h"
#include "render/schema_patterns.h"

struct walk {
    struct schema_refs refs;
    int depth;
    bool too_deep;
};

struct check {
    struct walk walk;
    struct arena arena;
    struct buf path;
    struct buf complaints;
    bool quiet; /* trying an alternative: count, do not tell */
    size_t wrong;
    struct schema_patterns patterns;
    struct buf spender; /* whose pattern spent the last of the budget; empty: none did */
};

/* For one unit, as nothing is made: */
enum { LOOKUPS = 16, COMPARED_BYTES = 16 * SCHEMA_COST_BYTES };

static void check_value(struct check *c, const json_t *schema, const json_t *value);

bool schema_has(const json_t *schema, const char *property)
{
    return json_at(schema, "properties", property, NULL) != NULL;
}

static void complain(struct check *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether a complaint would be read. */
static bool is_heard(const struct check *c)
{
    return !c->quiet && c->complaints.len < ERR_MESSAGE_MAX;
}

static void complain(struct check *c, const char *format, ...)
{
    c->wrong++;
    if (!is_heard(c)) {
        return;
    }
    if (c->complaints.len > 0) {
        buf_add_cstr(&c->complaints, "; ");
    }
    buf_add(&c->complaints, buf_slice(&c->path));
    buf_add_cstr(&c->complaints, ": ");
    va_list args;
    va_start(args, format);
    buf_vaddf(&c->complaints, format, args);
    va_end(args);
}

/* Pays for one more value; what is in it (properties to look for, members to sort) costs too.
 * False when it is deeper than anything may be, or the budget is spent. */
static bool may_enter(struct walk *w, size_t cost)
{
    w->too_deep = w->too_deep || w->depth == SCHEMA_DEPTH_MAX;
    return !w->too_deep && schema_pay(&w->refs, 1 + cost);
}

/* Defaults. */

static void fill_value(struct walk *w, const json_t *schema, json_t *value);

/* A copy that is paid for; NULL: it is too dear. */
static json_t *copy_default(struct walk *w, const json_t *fallback)
{
    size_t bytes = json_tree_bytes(fallback, w->refs.cost_left * SCHEMA_COST_BYTES);
    return schema_pay(&w->refs, bytes / SCHEMA_COST_BYTES) ? json_deep_copy(fallback) : NULL;
}

static bool is_nullable(const json_t *schema)
{
    return json_is_true(json_object_get(schema, "nullable"));
}

/* A property that is missing, or null where null means nothing, takes its default. */
static void fill_property(struct walk *w, const json_t *schema, const char *name, json_t *object)
{
    json_t *member = json_object_get(object, name);
    const json_t *target = schema_resolve(&w->refs, schema);
    if (json_is_null(member) && !is_nullable(target)) {
        json_object_del(object, name);
        member = NULL;
    }
    if (member == NULL) {
        const json_t *fallback = json_object_get(target, "default");
        if (fallback == NULL) {
            return;
        }
        member = copy_default(w, fallback);
        if (member == NULL) {
            return;
        }
        json_object_set_new(object, name, member);
    }
    /* 3.0 is how 3 comes out of a protobuf Struct; expressions want the integer. */
    double real = json_real_value(member);
    if (json_is_real(member) && slice_eq_cstr(json_text_at(target, "type"), "integer") &&
        real == floor(real) && fabs(real) < 9007199254740992.0) {
        json_object_set_new(object, name, json_integer((json_int_t)real));
        return;
    }
    fill_value(w, target, member);
}

static void fill_object(struct walk *w, const json_t *schema, json_t *value)
{
    json_t *properties = json_object_get(schema, "properties");
    const json_t *additional = json_object_get(schema, "additionalProperties");
    const char *name;
    json_t *member;
    json_object_foreach(properties, name, member)
    {
        fill_property(w, member, name, value);
    }
    if (json_is_object(additional)) {
        json_object_foreach(value, name, member)
        {
            if (json_object_get(properties, name) == NULL) {
                fill_value(w, additional, member);
            }
        }
    }
}

static void fill_value(struct walk *w, const json_t *schema, json_t *value)
{
    schema = schema_resolve(&w->refs, schema);
    if (schema == NULL ||
        !may_enter(w, json_object_size(json_object_get(schema, "properties")) / LOOKUPS)) {
        return;
    }
    w->depth++;
    if (json_is_object(value)) {
        fill_object(w, schema, value);
    } else if (json_is_array(value)) {
        const json_t *items = json_object_get(schema, "items");
        for (size_t i = 0; items != NULL && i < json_array_size(value); i++) {
            fill_value(w, items, json_array_get(value, i));
        }
    }
    w->depth--;
}

void schema_fill(const json_t *schema, json_t *value)
{
    struct walk w = {.refs = {.root = schema, .cost_left = SCHEMA_COST_MAX}};
    fill_value(&w, schema, value);
    schema_refs_free(&w.refs);
}

/* Validation. */

static bool has_type(const json_t *value, struct slice type)
{
    if (slice_eq_cstr(type, "integer")) {
        return json_is_integer(value) ||
               (json_is_real(value) && json_real_value(value) == floor(json_real_value(value)));
    }
    return slice_eq_cstr(type, "number")    ? json_is_number(value)
           : slice_eq_cstr(type, "string")  ? json_is_string(value)
           : slice_eq_cstr(type, "boolean") ? json_is_boolean(value)
           : slice_eq_cstr(type, "array")   ? json_is_array(value)
           : slice_eq_cstr(type, "object")  ? json_is_object(value)
           : slice_eq_cstr(type, "null")    ? json_is_null(value)
                                            : false;
}

static bool limit_of(const json_t *schema, const char *key, double *limit)
{
    const json_t *v = json_object_get(schema, key);
    *limit = json_number_value(v);
    return json_is_number(v);
}

static void check_number(struct check *c, const json_t *schema, const json_t *value)
{
    double v = json_number_value(value);
    double limit;
    bool above = json_is_true(json_object_get(schema, "exclusiveMinimum"));
    bool below = json_is_true(json_object_get(schema, "exclusiveMaximum"));
    if (limit_of(schema, "minimum", &limit) && (above ? v <= limit : v < limit)) {
        complain(c, "must be %s %.15g", above ? "greater than" : "at least", limit);
    }
    if (limit_of(schema, "maximum", &limit) && (below ? v >= limit : v > limit)) {
        complain(c, "must be %s %.15g", below ? "less than" : "at most", limit);
    }
    if (limit_of(schema, "exclusiveMinimum", &limit) && v <= limit) {
        complain(c, "must be greater than %.15g", limit);
    }
    if (limit_of(schema, "exclusiveMaximum", &limit) && v >= limit) {
        complain(c, "must be less than %.15g", limit);
    }
    if (limit_of(schema, "multipleOf", &limit) && limit > 0 &&
        fabs(v / limit - round(v / limit)) > 1e-9) {
        complain(c, "must be a multiple of %.15g", limit);
    }
}

static void check_pattern(struct check *c, struct slice text, const json_t *pattern)
{
    struct err err = {0};
    bool match = false;
    int rc = schema_patterns_test(&c->patterns, &c->walk.refs, pattern, text, &match, &err);
    if (rc == ERR_TOO_LARGE) {
        buf_add(&c->spender, buf_slice(&c->path));
    } else if (rc != 0) {
        complain(c, "cannot be checked: %s", err.message);
    } else if (!match) {
        complain(c, "must match %.*s", SLICE_ARG(json_text(pattern)));
    }
}

static void check_size(struct check *c, const json_t *schema, const char *least, const char *most,
                       size_t size, const char *what)
{
    double limit;
    if (limit_of(schema, least, &limit) && (double)size < limit) {
        complain(c, "must have at least %.0f %s", limit, what);
    }
    if (limit_of(schema, most, &limit) && (double)size > limit) {
        complain(c, "must have at most %.0f %s", limit, what);
    }
}

static void check_string(struct check *c, const json_t *schema, const json_t *value)
{
    struct slice text = json_text(value);
    check_size(c, schema, "minLength", "maxLength", cel_utf8_count(text), "characters");
    if (json_object_get(schema, "pattern") != NULL) {
        check_pattern(c, text, json_object_get(schema, "pattern"));
    }
}

/* seen has the items before this one, as they are written. */
static void check_unique(struct check *c, json_t *seen, const json_t *item, size_t i)
{
    struct buf text = {0};
    json_canonical(item, &text);
    json_t *first = json_object_getn(seen, buf_cstr(&text), text.len);
    if (first != NULL) {
        complain(c, "is the same as element %lld", (long long)json_integer_value(first));
    } else if (schema_pay(&c->walk.refs, 1 + text.len / SCHEMA_COST_BYTES)) {
        json_object_setn_new(seen, buf_cstr(&text), text.len, json_integer((json_int_t)i));
    }
    buf_free(&text);
}

static void check_array(struct check *c, const json_t *schema, const json_t *value)
{
    const json_t *items = json_object_get(schema, "items");
    json_t *seen = json_is_true(json_object_get(schema, "uniqueItems")) ? json_object() : NULL;
    size_t count = json_array_size(value);
    size_t len = c->path.len;
    check_size(c, schema, "minItems", "maxItems", count, "items");
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(value, i);
        buf_addf(&c->path, "[%zu]", i);
        if (items != NULL) {
            check_value(c, items, item);
        }
        if (seen != NULL) {
            check_unique(c, seen, item, i);
        }
        c->path.len = len;
    }
    json_decref(seen);
}

static void enter(struct check *c, const char *name)
{
    buf_addf(&c->path, "%s%s", c->path.len > 0 ? "." : "", name);
}

static void check_required(struct check *c, const json_t *schema, const json_t *value)
{
    const json_t *required = json_object_get(schema, "required");
    size_t len = c->path.len;
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (name != NULL && json_object_get(value, name) == NULL) {
            enter(c, name);
            complain(c, "is required");
            c->path.len = len;
        }
    }
}

/* Whether members may be there that the schema does not speak of. inner: below the whole. */
static bool is_open(const json_t *schema, bool inner)
{
    const json_t *additional = json_object_get(schema, "additionalProperties");
    return json_is_true(additional) ||
           json_is_true(json_object_get(schema, "x-kubernetes-preserve-unknown-fields")) ||
           (additional == NULL && json_object_get(schema, "properties") == NULL &&
            json_object_get(schema, "type") != NULL && inner);
}

/* The first property, by name, whose name is nearly that; NULL: none. */
static const char *meant(const json_t *properties, struct slice name)
{
    const char *found = NULL;
    const char *key;
    json_t *property;
    json_object_foreach((json_t *)(uintptr_t)properties, key, property)
    {
        if (suggest_close(slice_of(key), name) && (found == NULL || strcmp(key, found) < 0)) {
            found = key;
        }
    }
    return found;
}

/* What a member that is no property may be: anything, something, nothing. */
static void check_additional(struct check *c, const json_t *schema, struct slice name,
                             const json_t *member)
{
    const json_t *additional = json_object_get(schema, "additionalProperties");
    if (json_is_object(additional)) {
        check_value(c, additional, member);
    } else if (!is_open(schema, c->walk.depth > 1)) {
        const char *other = meant(json_object_get(schema, "properties"), name);
        complain(c, "unknown field%s%s%s", other != NULL ? " (did you mean " : "",
                 other != NULL ? other : "", other != NULL ? "?)" : "");
    }
}

/* In the order of the members' keys, so that complaints never depend on how the value was written.
 */
static void check_object(struct check *c, const json_t *schema, const json_t *value)
{
    const json_t *properties = json_object_get(schema, "properties");
    size_t len = c->path.len;
    struct member *members;
    size_t count = members_sorted(&c->arena, value, &members);
    check_size(c, schema, "minProperties", "maxProperties", json_object_size(value), "members");
    check_required(c, schema, value);
    for (size_t i = 0; i < count; i++) {
        struct slice name = members[i].key;
        const json_t *property = json_object_getn(properties, name.data, name.len);
        enter(c, name.data);
        if (property != NULL) {
            check_value(c, property, members[i].value);
        } else if (!c->quiet) { /* alternatives speak only of what they mention */
            check_additional(c, schema, name, members[i].value);
        }
        c->path.len = len;
    }
}

/* Whether value satisfies schema, without a word. Alternatives see only what they mention. */
static bool satisfies(struct check *c, const json_t *schema, const json_t *value)
{
    bool quiet = c->quiet;
    size_t wrong = c->wrong;
    c->quiet = true;
    check_value(c, schema, value);
    bool ok = c->wrong == wrong;
    c->quiet = quiet;
    c->wrong = wrong;
    return ok;
}

static void check_alternatives(struct check *c, const json_t *schema, const json_t *value)
{
    static const char *const keys[] = {"allOf", "anyOf", "oneOf"};
    for (size_t k = 0; k < 3; k++) {
        const json_t *list = json_object_get(schema, keys[k]);
        size_t count = json_array_size(list);
        size_t hits = 0;
        for (size_t i = 0; i < count; i++) {
            hits += satisfies(c, json_array_get(list, i), value) ? 1 : 0;
        }
        bool ok = k == 0   ? hits == count
                  : k == 1 ? hits > 0 || count == 0
                           : hits == 1 || count == 0;
        if (!ok) {
            complain(c, "must satisfy %s of %s",
                     k == 0   ? "all"
                     : k == 1 ? "one"
                              : "exactly one",
                     keys[k]);
        }
    }
    const json_t *not_this = json_object_get(schema, "not");
    if (not_this != NULL && satisfies(c, not_this, value)) {
        complain(c, "must not be this");
    }
}

static void check_enum(struct check *c, const json_t *schema, const json_t *value)
{
    const json_t *allowed = json_object_get(schema, "enum");
    size_t count = json_array_size(allowed);
    if (!json_is_array(allowed)) {
        return;
    }
    size_t bytes = json_tree_bytes(value, c->walk.refs.cost_left * COMPARED_BYTES);
    if (!schema_pay(&c->walk.refs, bytes * count / COMPARED_BYTES)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (json_equal(json_array_get(allowed, i), value)) {
            return;
        }
    }
    struct buf text = {0};
    if (is_heard(c)) {
        json_canonical(allowed, &text);
    }
    complain(c, "must be one of %.*s", SLICE_ARG(buf_slice(&text)));
    buf_free(&text);
}

static bool check_type(struct check *c, const json_t *schema, const json_t *value)
{
    struct slice type = json_text_at(schema, "type");
    if (json_is_true(json_object_get(schema, "x-kubernetes-int-or-string"))) {
        if (!json_is_integer(value) && !json_is_string(value)) {
            complain(c, "must be an integer or a string");
            return false;
        }
        return true;
    }
    if (type.len > 0 && !has_type(value, type)) {
        complain(c, "must be of type %.*s", SLICE_ARG(type));
        return false;
    }
    return true;
}

static void check_value(struct check *c, const json_t *schema, const json_t *value)
{
    schema = schema_resolve(&c->walk.refs, schema);
    if (schema == NULL) {
        complain(c, "its schema's $ref points nowhere");
        return;
    }
    size_t required = json_array_size(json_object_get(schema, "required"));
    if (!may_enter(&c->walk, json_object_size(value) + required / LOOKUPS)) {
        return;
    }
    if ((json_is_null(value) && is_nullable(schema)) || !check_type(c, schema, value)) {
        return;
    }
    c->walk.depth++;
    check_enum(c, schema, value);
    if (json_is_number(value)) {
        check_number(c, schema, value);
    } else if (json_is_string(value)) {
        check_string(c, schema, value);
    } else if (json_is_array(value)) {
        check_array(c, schema, value);
    } else if (json_is_object(value)) {
        check_object(c, schema, value);
    }
    check_alternatives(c, schema, value);
    c->walk.depth--;
}

static void drop(struct walk *w, const json_t *schema, json_t *value);

static void drop_members(struct walk *w, const json_t *schema, json_t *value)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *additional = json_object_get(schema, "additionalProperties");
    bool open = is_open(schema, w->depth > 1);
    const char *name;
    json_t *member;
    void *next;
    json_object_foreach_safe(value, next, name, member)
    {
        const json_t *known = json_object_get(properties, name);
        known = known == NULL && json_is_object(additional) ? additional : known;
        if (known != NULL) {
            drop(w, known, member);
        } else if (!open) {
            json_object_del(value, name);
        }
    }
}

static void drop(struct walk *w, const json_t *schema, json_t *value)
{
    schema = schema_resolve(&w->refs, schema);
    if (schema == NULL || !may_enter(w, json_object_size(value))) {
        return; /* schema_apply() will say so */
    }
    w->depth++;
    if (json_is_object(value)) {
        drop_members(w, schema, value);
    }
    const json_t *items = json_object_get(schema, "items");
    for (size_t i = 0; items != NULL && i < json_array_size(value); i++) {
        drop(w, items, json_array_get(value, i));
    }
    w->depth--;
}

void schema_drop_unknown(const json_t *schema, json_t *value)
{
    struct walk w = {.refs = {.root = schema, .cost_left = SCHEMA_COST_MAX}};
    if (schema != NULL) {
        drop(&w, schema, value);
    } else {
        json_object_clear(value);
    }
    schema_refs_free(&w.refs);
}

/* Why the walks did not come to their end; NULL: they did. */
static const char *unfinished(const struct walk *w)
{
    return w->too_deep              ? "the schema refers to itself too often"
           : w->refs.cost_left == 0 ? "it is too large, with what its schema's defaults add"
                                    : NULL;
}

static int result_of(const struct check *c, struct slice path, struct err *err)
{
    const char *why = unfinished(&c->walk);
    if (c->spender.len > 0) {
        return err_set(err, ERR_TOO_LARGE,
                       "%.*s: up to here, the schema's patterns take too many steps",
                       SLICE_ARG(buf_slice(&c->spender)));
    }
    if (why != NULL) {
        return err_set(err, ERR_TOO_LARGE, "%.*s%s%s", SLICE_ARG(path), path.len > 0 ? ": " : "",
                       why);
    }
    return c->wrong == 0
               ? 0
               : err_set(err, ERR_UNPROCESSABLE, "%.*s", SLICE_ARG(buf_slice(&c->complaints)));
}

int schema_apply(const json_t *schema, const json_t *value, struct slice path, uint64_t *cost_left,
                 json_t **out, struct err *err)
{
    json_t *empty = json_object();
    uint64_t budget = *cost_left < SCHEMA_COST_MAX ? *cost_left : SCHEMA_COST_MAX;
    struct check c = {
        .walk.refs = {.root = schema != NULL ? schema : empty, .cost_left = budget},
    };
    int rc;
    *out = value != NULL && !json_is_null(value) ? json_deep_copy(value) : json_object();
    buf_add(&c.path, path);
    if (!json_is_object(*out)) {
        rc = err_set(err, ERR_UNPROCESSABLE, "%.*s: must be an object", SLICE_ARG(path));
    } else {
        fill_value(&c.walk, c.walk.refs.root, *out);
        check_value(&c, c.walk.refs.root, *out);
        rc = result_of(&c, path, err);
    }
    if (rc != 0) {
        json_decref(*out);
        *out = NULL;
    }
    *cost_left -= budget - c.walk.refs.cost_left;
    schema_refs_free(&c.walk.refs);
    schema_patterns_free(&c.patterns);
    buf_free(&c.spender);
    arena_free(&c.arena);
    buf_free(&c.path);
    buf_free(&c.complaints);
    json_decref(empty);
    return rc;
}
