/* environment.c: a template below an environment.
 *
 * How two values of a field become one is said by shapes, once for each field that is not simply
 * the environment's where it has one. The depth is that of the shapes. */
#include "render/environment.h"

#include "proto/object.h"
#include "render/members.h"

enum how {
    WHOLE,   /* one's own, if there is one */
    MEMBERS, /* of both; where both have one, by its shape */
    BY_NAME, /* a list of items with names, of both */
};

struct shape {
    enum how how;
    const struct shape_member *members; /* those that are not WHOLE; ends with a NULL key */
    const struct shape *item;           /* of two of one name */
};

struct shape_member {
    const char *key;
    const struct shape *shape;
};

static const struct shape whole = {.how = WHOLE};
static const struct shape map = {.how = MEMBERS};
static const struct shape list = {.how = BY_NAME, .item = &whole};

static const struct shape_member component_members[] = {
    {"env", &list}, {"parameters", &map}, {NULL, NULL}};
static const struct shape component = {.how = MEMBERS, .members = component_members};
static const struct shape components = {.how = BY_NAME, .item = &component};
static const struct shape_member override_members[] = {
    {"env", &list}, {"components", &components}, {NULL, NULL}};
static const struct shape overrides = {.how = MEMBERS, .members = override_members};
static const struct shape_member limit_members[] = {
    {"default", &map}, {"defaultRequest", &map}, {"max", &map}, {"min", &map}, {NULL, NULL}};
static const struct shape limits = {.how = MEMBERS, .members = limit_members};
static const struct shape_member observability_members[] = {{"podAnnotations", &map}, {NULL, NULL}};
static const struct shape observability = {.how = MEMBERS, .members = observability_members};

static const struct shape_member cell_members[] = {{"environmentConfigs", &map}, {NULL, NULL}};
static const struct shape cell = {.how = MEMBERS, .members = cell_members};

static const struct shape_member spec_members[] = {{"placement", &map},
                                                   {"quotas", &map},
                                                   {"networkPolicy", &map},
                                                   {"backup", &map},
                                                   {"cell", &cell},
                                                   {"overrides", &overrides},
                                                   {"limits", &limits},
                                                   {"observability", &observability},
                                                   {NULL, NULL}};
static const struct shape spec_shape = {.how = MEMBERS, .members = spec_members};

/* Of the template itself. */
static bool is_inherited(struct slice key)
{
    return !slice_eq_cstr(key, "description") && !slice_eq_cstr(key, "displayName");
}

struct merge {
    json_t *taken;
    struct buf path;
    struct arena arena;
};

static json_t *merge(struct merge *m, const json_t *own, const json_t *theirs,
                     const struct shape *shape);

static const struct shape *shape_of(const struct shape *shape, struct slice key)
{
    const struct shape_member *at = shape->members;
    while (at != NULL && at->key != NULL) {
        if (slice_eq_cstr(key, at->key)) {
            return at->shape;
        }
        at++;
    }
    return &whole;
}

static json_t *take(struct merge *m, const json_t *theirs)
{
    if (m->taken != NULL) {
        json_array_append_new(m->taken, json_str(buf_slice(&m->path)));
    }
    return json_deep_copy(theirs);
}

static json_t *merge_members(struct merge *m, const json_t *own, const json_t *theirs,
                             const struct shape *shape)
{
    json_t *result = json_deep_copy(own);
    struct member *members;
    size_t count = members_sorted(&m->arena, theirs, &members);
    for (size_t i = 0; i < count; i++) {
        struct slice key = members[i].key;
        size_t len = m->path.len;
        buf_addf(&m->path, "%s%.*s", len > 0 ? "." : "", SLICE_ARG(key));
        json_object_setn_new(result, key.data, key.len,
                             merge(m, json_object_getn(own, key.data, key.len), members[i].value,
                                   shape_of(shape, key)));
        m->path.len = len;
    }
    return result;
}

static size_t named(const json_t *items, struct slice name)
{
    size_t at = 0;
    while (at < json_array_size(items) &&
           !slice_eq(json_text_at(json_array_get(items, at), "name"), name)) {
        at++;
    }
    return at;
}

/* The template's items in their order, then what the environment adds. */
static json_t *merge_named(struct merge *m, const json_t *own, const json_t *theirs,
                           const struct shape *shape)
{
    json_t *result = json_array();
    size_t len = m->path.len;
    for (size_t i = 0; i < json_array_size(theirs); i++) {
        const json_t *item = json_array_get(theirs, i);
        struct slice name = json_text_at(item, "name");
        buf_addf(&m->path, "[%.*s]", SLICE_ARG(name));
        const json_t *ours = json_array_get(own, named(own, name));
        json_array_append_new(result,
                              ours == NULL ? take(m, item) : merge(m, ours, item, shape->item));
        m->path.len = len;
    }
    for (size_t i = 0; i < json_array_size(own); i++) {
        json_t *item = json_array_get(own, i);
        if (named(theirs, json_text_at(item, "name")) == json_array_size(theirs)) {
            json_array_append_new(result, json_deep_copy(item));
        }
    }
    return result;
}

/* As deep as the shapes are. */
static json_t *merge(struct merge *m, const json_t *own, const json_t *theirs,
                     const struct shape *shape)
{
    if (json_is_null(theirs) || theirs == NULL) {
        return own != NULL ? json_deep_copy(own) : json_null();
    }
    bool nothing = own == NULL || json_is_null(own);
    if (shape->how == MEMBERS && json_is_object(theirs) && (nothing || json_is_object(own))) {
        json_t *empty = json_object();
        json_t *result = merge_members(m, nothing ? empty : own, theirs, shape);
        json_decref(empty);
        return result;
    }
    if (shape->how == BY_NAME && json_is_array(theirs) && (nothing || json_is_array(own))) {
        return merge_named(m, nothing ? NULL : own, theirs, shape);
    }
    return nothing ? take(m, theirs) : json_deep_copy(own);
}

json_t *environment_merge(const json_t *own, const json_t *template, json_t *taken)
{
    struct merge m = {.taken = taken};
    json_t *inherited = json_object();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t) template, key, value)
    {
        if (is_inherited(slice_of(key))) {
            json_object_set(inherited, key, value);
        }
    }
    json_t *result = merge(&m, own, inherited, &spec_shape);
    json_decref(inherited);
    buf_free(&m.path);
    arena_free(&m.arena);
    return result;
}

static void release_tree(void *tree)
{
    json_decref(tree);
}

void environment_read(const struct platform *p, struct slice ns, struct slice name,
                      struct arena *arena, struct environment *out)
{
    const json_t *object = p->get(p->user, "Environment", ns, name);
    const json_t *own = json_object_get(object, "spec");
    *out = (struct environment){.object = object, .own = own, .spec = own};
    struct slice wanted = json_text_at(own, "template");
    if (wanted.len == 0) {
        return;
    }
    const json_t *template = p->get(p->user, "EnvironmentTemplate", SLICE(""), wanted);
    if (template == NULL) {
        out->missing = wanted;
        return;
    }
    json_t *spec = environment_merge(own, json_object_get(template, "spec"), NULL);
    arena_own(arena, spec, release_tree);
    out->template = json_object_get(template, "spec");
    out->spec = spec;
}

void environment_place(const struct environment *e, const json_t *plane, struct arena *arena,
                       struct placement *out)
{
    placement_choose(plane, json_object_get(e->spec, "placement"),
                     json_at(e->object, "status", "clusters", NULL),
                     json_at(e->object, "status", "lost", NULL), arena, out);
}

size_t environment_levels(const json_t *spec, const json_t *own, const json_t *template,
                          struct environment_level out[ENVIRONMENT_LEVELS])
{
    size_t count = 0;
    if (template != NULL) {
        out[count++] = (struct environment_level){"template", "template.components",
                                                  json_object_get(template, "overrides")};
    }
    out[count++] =
        (struct environment_level){"environment", "environment.components",
                                   json_object_get(template != NULL ? own : spec, "overrides")};
    return count;
}

const json_t *environment_component(const json_t *overrides_of, struct slice name)
{
    const json_t *all = json_object_get(overrides_of, "components");
    return json_array_get(all, named(all, name));
}
