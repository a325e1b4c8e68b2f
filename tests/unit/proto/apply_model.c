/* The model's fields are a table in which whatever contains comes before what it contains, so walks
 * over trees are loops over indices. */
#include "tests/unit/proto/apply_model.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
const char model_schema[] =
    "{'type':'object','properties':{"
    "'spec':{'type':'object','properties':{"
        "'a':{'type':'string'},"
        "'n':{'type':'object','properties':{'x':{'type':'integer'},"
            "'deep':{'type':'object','properties':{'z':{'type':'integer'}}}}},"
        "'m':{'type':'object','additionalProperties':{'type':'string'}},"
        "'ml':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['name'],"
            "'items':{'type':'object','required':['name'],'properties':{"
                "'name':{'type':'string'},'v':{'type':'integer'},"
                "'tags':{'type':'array','x-kubernetes-list-type':'set',"
                    "'items':{'type':'string'}}}}},"
        "'ports':{'type':'array','x-kubernetes-list-type':'map',"
            "'x-kubernetes-list-map-keys':['port','protocol'],"
            "'items':{'type':'object','required':['port'],'properties':{"
                "'port':{'type':'integer'},"
                "'protocol':{'type':'string','default':'TCP'}}}},"
        "'set':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}},"
        "'al':{'type':'array','items':{'type':'integer'}},"
        "'am':{'type':'object','x-kubernetes-map-type':'atomic',"
            "'additionalProperties':{'type':'integer'}},"
        "'mm':{'type':'object','additionalProperties':{'type':'object','properties':{"
            "'p':{'type':'integer'},'q':{'type':'integer','default':2}}}}}},"
    "'status':{'type':'object','properties':{'phase':{'type':'string'},"
        "'conditions':{'type':'array','x-kubernetes-list-type':'map',"
            "'x-kubernetes-list-map-keys':['type'],'items':{'type':'object','required':['type'],"
                "'properties':{'type':{'type':'string'},'status':{'type':'string'}}}}}}}}";
/* clang-format on */

/* KEY: it identifies its item. CONSTANT: it has one value. */
enum shape { TEXT, NUMBER, ATOMIC_LIST, ATOMIC_MAP, KEY, CONSTANT, MAP, LIST };

struct field {
    int in;              /* -1: the object */
    const char *element; /* as FieldsV1 says it */
    const char *text;    /* as conflicts do */
    enum shape shape;
    bool item; /* of a map or a list, else a struct's */
};

enum { METADATA };

static const struct field fields[] = {
    {-1, "f:metadata", ".metadata", MAP, false},
    {-1, "f:spec", ".spec", MAP, false},
    {-1, "f:status", ".status", MAP, false},
    {0, "f:labels", ".labels", MAP, false},
    {3, "f:l1", ".l1", TEXT, true},
    {3, "f:l2", ".l2", TEXT, true},
    {0, "f:finalizers", ".finalizers", LIST, false},
    {6, "v:\"q/f\"", "[=\"q/f\"]", KEY, true},
    {1, "f:a", ".a", TEXT, false},
    {1, "f:n", ".n", MAP, false},
    {9, "f:x", ".x", NUMBER, false},
    {9, "f:deep", ".deep", MAP, false},
    {11, "f:z", ".z", NUMBER, false},
    {1, "f:m", ".m", MAP, false},
    {13, "f:k1", ".k1", TEXT, true},
    {13, "f:k2", ".k2", TEXT, true},
    {1, "f:ml", ".ml", LIST, false},
    {16, "k:{\"name\":\"A\"}", "[name=\"A\"]", MAP, true},
    {17, "f:name", ".name", KEY, false},
    {17, "f:v", ".v", NUMBER, false},
    {16, "k:{\"name\":\"B\"}", "[name=\"B\"]", MAP, true},
    {20, "f:name", ".name", KEY, false},
    {20, "f:v", ".v", NUMBER, false},
    {1, "f:mm", ".mm", MAP, false},
    {23, "f:k1", ".k1", MAP, true},
    {24, "f:q", ".q", NUMBER, false},
    {24, "f:p", ".p", NUMBER, false},
    {1, "f:set", ".set", LIST, false},
    {27, "v:\"s\"", "[=\"s\"]", KEY, true},
    {27, "v:\"t\"", "[=\"t\"]", KEY, true},
    {1, "f:al", ".al", ATOMIC_LIST, false},
    {1, "f:am", ".am", ATOMIC_MAP, false},
    {2, "f:phase", ".phase", TEXT, false},
    {2, "f:conditions", ".conditions", LIST, false},
    {33, "k:{\"type\":\"R\"}", "[type=\"R\"]", MAP, true},
    {34, "f:type", ".type", KEY, false},
    {34, "f:status", ".status", TEXT, false},
    {17, "f:tags", ".tags", LIST, false},
    {37, "v:\"u\"", "[=\"u\"]", KEY, true},
    {1, "f:ports", ".ports", LIST, false},
    {39, "k:{\"port\":80,\"protocol\":\"TCP\"}", "[port=80,protocol=\"TCP\"]", MAP, true},
    {40, "f:port", ".port", KEY, false},
    {40, "f:protocol", ".protocol", CONSTANT, false},
    {39, "k:{\"port\":81,\"protocol\":\"TCP\"}", "[port=81,protocol=\"TCP\"]", MAP, true},
    {43, "f:port", ".port", KEY, false},
    {43, "f:protocol", ".protocol", CONSTANT, false},
};

/* Filled in where the object around them is. */
static const struct {
    int field;
    uint8_t value;
} defaults[] = {{25, 2}, {42, 0}, {45, 0}};

enum { COUNT = sizeof(fields) / sizeof(fields[0]) };
static_assert((int)COUNT <= (int)MODEL_FIELDS_MAX, "a set of fields is a word");

static uint64_t bit(int field)
{
    return (uint64_t)1 << field;
}

int model_field_count(void)
{
    return COUNT;
}

bool model_varies(int field)
{
    return fields[field].shape < KEY;
}

/* What it is in, and itself; metadata itself is nobody's. */
static uint64_t up(int field)
{
    uint64_t all = 0;
    for (int f = field; f >= 0; f = fields[f].in) {
        all |= bit(f);
    }
    return all & ~bit(METADATA);
}

uint64_t model_below(int field)
{
    uint64_t all = bit(field);
    for (int f = field + 1; f < COUNT; f++) {
        all |= fields[f].in >= 0 && (all & bit(fields[f].in)) ? bit(f) : 0;
    }
    return all;
}

void model_path(int field, char *out, size_t size)
{
    char rest[128] = "";
    for (int f = field; f >= 0; f = fields[f].in) {
        (void)snprintf(out, size, "%s%s", fields[f].text, rest);
        (void)snprintf(rest, sizeof(rest), "%s", out);
    }
}

uint64_t model_scope_mask(enum model_scope scope)
{
    uint64_t status = model_below(2);
    uint64_t all = (bit(COUNT - 1) - 1) | bit(COUNT - 1);
    return scope == MODEL_STATUS ? status : all & ~status & ~bit(METADATA);
}

uint64_t model_closed(uint64_t present)
{
    for (int f = COUNT - 1; f >= 0; f--) {
        present |= present & bit(f) ? up(f) : 0;
    }
    for (int f = 0; f < COUNT; f++) {
        bool key = fields[f].shape == KEY && !fields[f].item;
        present |= key && (present & bit(fields[f].in)) ? bit(f) : 0;
    }
    return present & ~bit(METADATA);
}

/* ---- as JSON ---- */

/* A of k:{"name":"A"}, for the member name; s of v:"s". */
static json_t *render_key(int field)
{
    bool item = fields[field].item;
    const char *element = fields[item ? field : fields[field].in].element + 2;
    json_t *key = json_loads(element, JSON_DECODE_ANY, NULL);
    json_t *value =
        item ? json_incref(key) : json_incref(json_object_get(key, fields[field].element + 2));
    json_decref(key);
    assert(value != NULL);
    return value;
}

static json_t *render_field(int field, uint8_t value)
{
    static const char *const texts[] = {"one", "two", "three"};
    switch (fields[field].shape) {
    case TEXT:
        return json_string(texts[value]);
    case NUMBER:
        return json_integer(value);
    case ATOMIC_LIST:
        return value == 0 ? json_pack("[i]", 1) : json_pack("[i,i]", (int)value, 1);
    case ATOMIC_MAP:
        return value == 0 ? json_pack("{s:i}", "x", 1)
                          : json_pack("{s:i,s:i}", "x", 1, "y", (int)value);
    case KEY:
        return render_key(field);
    case CONSTANT:
        return json_string("TCP");
    case MAP:
        return json_object();
    case LIST:
        break;
    }
    return json_array();
}

json_t *model_render(const struct model_state *state)
{
    json_t *made[COUNT] = {0};
    json_t *object = json_pack("{s:{s:s}}", "metadata", "name", "x");
    made[METADATA] = json_object_get(object, "metadata");
    for (int f = 0; f < COUNT; f++) {
        if (f != METADATA && (state->present & bit(f))) {
            json_t *into = fields[f].in < 0 ? object : made[fields[f].in];
            made[f] = render_field(f, state->value[f]);
            if (json_is_array(into)) {
                json_array_append_new(into, made[f]);
            } else {
                json_object_set_new(into, fields[f].element + 2, made[f]);
            }
        }
    }
    return object;
}

/* The item of a list that the field is: the text, or the object with its key. */
static json_t *find_item(json_t *list, int field)
{
    int key = field;
    for (int f = field + 1; fields[field].shape == MAP && key == field; f++) {
        key = fields[f].in == field && fields[f].shape == KEY ? f : key;
    }
    json_t *wanted = render_key(key);
    json_t *found = NULL;
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const json_t *value = key == field ? item : json_object_get(item, fields[key].element + 2);
        found = value != NULL && json_equal(value, wanted) ? item : found;
    }
    json_decref(wanted);
    return found;
}

/* NOLINTNEXTLINE(misc-no-recursion): the model's own trees. */
static bool same_but_for_order(const json_t *a, const json_t *b)
{
    if (json_typeof(a) != json_typeof(b) || json_array_size(a) != json_array_size(b) ||
        json_object_size(a) != json_object_size(b)) {
        return false;
    }
    if (!json_is_array(a) && !json_is_object(a)) {
        return json_equal(a, b);
    }
    for (void *it = json_object_iter((json_t *)(uintptr_t)a); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)a, it)) {
        const json_t *other = json_object_get(b, json_object_iter_key(it));
        if (other == NULL || !same_but_for_order(json_object_iter_value(it), other)) {
            return false;
        }
    }
    for (size_t i = 0; i < json_array_size(a); i++) {
        bool found = false;
        for (size_t j = 0; !found && j < json_array_size(b); j++) {
            found = same_but_for_order(json_array_get(a, i), json_array_get(b, j));
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* The object without what is the server's. */
static json_t *bare(const json_t *object)
{
    static const char *const own[] = {"namespace",  "uid",           "creationTimestamp",
                                      "generation", "managedFields", "resourceVersion"};
    json_t *copy = json_deep_copy(object);
    (void)json_object_del(copy, "apiVersion");
    (void)json_object_del(copy, "kind");
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        (void)json_object_del(json_object_get(copy, "metadata"), own[i]);
    }
    return copy;
}

bool model_read(const json_t *object, struct model_state *state)
{
    json_t *seen[COUNT] = {0};
    memset(state, 0, sizeof(*state));
    for (int f = 0; f < COUNT; f++) {
        const json_t *in = fields[f].in < 0 ? object : seen[fields[f].in];
        seen[f] = json_is_array(in) ? find_item((json_t *)(uintptr_t)in, f)
                                    : json_object_get(in, fields[f].element + 2);
        for (uint8_t v = 0; seen[f] != NULL && model_varies(f) && v < MODEL_VALUES; v++) {
            json_t *value = render_field(f, v);
            state->value[f] = json_equal(value, seen[f]) ? v : state->value[f];
            json_decref(value);
        }
        state->present |= seen[f] != NULL && f != METADATA ? bit(f) : 0;
    }
    json_t *rendered = model_render(state);
    json_t *rest = bare(object);
    bool same = same_but_for_order(rendered, rest);
    json_decref(rendered);
    json_decref(rest);
    return same;
}

bool model_read_set(const json_t *fields_v1, uint64_t *set)
{
    const json_t *seen[COUNT] = {0};
    size_t known[COUNT] = {0};
    size_t roots = 0;
    *set = 0;
    for (int f = 0; f < COUNT; f++) {
        const json_t *in = fields[f].in < 0 ? fields_v1 : seen[fields[f].in];
        seen[f] = json_object_get(in, fields[f].element);
        if (seen[f] != NULL) {
            bool self = json_object_get(seen[f], ".") != NULL;
            *set |= self || json_object_size(seen[f]) == 0 ? bit(f) : 0;
            known[f] = self ? 1 : 0;
            *(fields[f].in < 0 ? &roots : &known[fields[f].in]) += 1;
        }
    }
    for (int f = 0; f < COUNT; f++) {
        if (seen[f] != NULL && json_object_size(seen[f]) != known[f]) {
            return false;
        }
    }
    return json_is_object(fields_v1) && json_object_size(fields_v1) == roots;
}

/* ---- ownership ---- */

/* What a state says by itself: leaves, items, and whatever is empty. */
static uint64_t stated(uint64_t present)
{
    uint64_t set = 0;
    for (int f = 0; f < COUNT; f++) {
        bool alone = (model_below(f) & present) == bit(f);
        set |= (present & bit(f)) && (alone || fields[f].item) ? bit(f) : 0;
    }
    return set & ~bit(METADATA);
}

/* With the structs' members on the way to what is in the set. */
static uint64_t with_parents(uint64_t set)
{
    uint64_t all = set;
    for (int f = 0; f < COUNT; f++) {
        for (uint64_t way = set & bit(f) ? up(f) : 0; way != 0; way &= way - 1) {
            int at = __builtin_ctzll(way);
            all |= fields[at].item ? 0 : bit(at);
        }
    }
    return all;
}

struct change {
    uint64_t written; /* added or given another value */
    uint64_t removed;
};

static struct change compare(const struct model_state *before, const struct model_state *after)
{
    struct change c = {after->present & ~before->present, before->present & ~after->present};
    for (int f = 0; f < COUNT; f++) {
        bool both = before->present & after->present & bit(f);
        c.written |= both && model_varies(f) && before->value[f] != after->value[f] ? bit(f) : 0;
    }
    return c;
}

static void fill_defaults(struct model_state *state)
{
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        int f = defaults[i].field;
        if ((state->present & bit(fields[f].in)) && !(state->present & bit(f))) {
            state->present |= bit(f);
            state->value[f] = defaults[i].value;
        }
    }
}

static struct model_owner *owner(struct model *m, const char *manager, bool update,
                                 enum model_scope scope)
{
    for (int i = 0; i < m->owner_count; i++) {
        struct model_owner *o = &m->owners[i];
        if (strcmp(o->manager, manager) == 0 && o->update == update && o->scope == scope) {
            return o;
        }
    }
    assert(m->owner_count < MODEL_OWNERS_MAX);
    struct model_owner *o = &m->owners[m->owner_count++];
    *o = (struct model_owner){manager, update, scope, 0};
    return o;
}

static uint64_t all_owned(const struct model *m)
{
    uint64_t all = 0;
    for (int i = 0; i < m->owner_count; i++) {
        all |= m->owners[i].set;
    }
    return all;
}

static void take_from_others(struct model *m, const struct model_owner *mine,
                             const struct change *c)
{
    for (int i = 0; i < m->owner_count; i++) {
        if (&m->owners[i] != mine) {
            m->owners[i].set &= ~(c->written | c->removed);
        }
    }
}

void model_update(struct model *m, const char *manager, enum model_scope scope,
                  const struct model_state *after)
{
    struct model_state now = *after;
    fill_defaults(&now);
    struct change c = compare(&m->state, &now);
    bool untracked = m->exists && all_owned(m) == 0;
    if (!untracked && (c.written | c.removed) != 0) {
        struct model_owner *mine = owner(m, manager, true, scope);
        take_from_others(m, mine, &c);
        mine->set = (mine->set & ~c.removed) | c.written;
    }
    m->state = now;
    m->exists = true;
}

/* What goes, of merged, since its manager leaves it out: whatever it stated last and nobody states
 * now, itself or, for a member of a struct, below it; and what thereby becomes empty, unless
 * somebody states just that. */
static uint64_t left_out(uint64_t merged, uint64_t last, uint64_t owned)
{
    uint64_t gone = 0;
    uint64_t last_full = with_parents(last);
    uint64_t owned_full = with_parents(owned);
    for (int f = 0; f < COUNT; f++) {
        bool mine = last_full & merged & bit(f);
        gone |= mine && (up(f) & ~owned_full) != 0 ? model_below(f) : 0;
    }
    for (int f = COUNT - 1; f > METADATA; f--) {
        uint64_t inside = model_below(f) & ~bit(f) & merged;
        bool emptied = inside != 0 && (inside & ~gone) == 0;
        gone |= (merged & bit(f)) && emptied && !(owned & bit(f)) ? bit(f) : 0;
    }
    return gone & merged;
}

int model_apply(struct model *m, const char *manager, enum model_scope scope, bool force,
                const struct model_state *intent, struct model_owner conflicts[MODEL_OWNERS_MAX])
{
    struct model next = *m;
    struct model_state *state = &next.state;
    if (next.exists && all_owned(&next) == 0 && intent->present != 0 && state->present != 0) {
        owner(&next, "before-first-apply", true, MODEL_MAIN)->set = state->present;
    }
    struct model_owner *mine = owner(&next, manager, false, scope);
    uint64_t last = mine->set;
    mine->set = stated(intent->present);
    state->present |= intent->present;
    for (int f = 0; f < COUNT; f++) {
        state->value[f] = intent->present & bit(f) ? intent->value[f] : state->value[f];
    }
    if (last != 0) {
        state->present &= ~left_out(state->present, last, all_owned(&next));
    }
    fill_defaults(state);
    struct change c = compare(&m->state, state);
    int count = 0;
    for (int i = 0; i < next.owner_count && !force; i++) {
        struct model_owner *other = &next.owners[i];
        if (other != mine && (other->set & c.written) != 0) {
            conflicts[count] = *other;
            conflicts[count++].set &= c.written;
        }
    }
    if (count == 0) {
        take_from_others(&next, mine, &c);
        next.exists = true;
        *m = next;
    }
    return count;
}
