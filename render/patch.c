/* patch.c: walks a path, splitting where a filter selects several elements.
 *
 * Only "add" creates what is missing on the way, as objects: a trait can set an annotation on an
 * object that has none yet. Recursion is as deep as the path has segments, which are limited. */
#include "render/patch.h"

#include <string.h>

enum { SEGMENTS_MAX = 64 };

struct segment {
    struct slice name;   /* decoded */
    struct slice filter; /* "@.name=='main'"; empty: none */
};

struct patch {
    struct arena arena;
    struct slice op;
    struct slice path;
    const json_t *value;
    struct segment segments[SEGMENTS_MAX];
    size_t count;
    struct err *err;
};

static int fail(struct patch *p, const char *what)
{
    return err_set(p->err, ERR_UNPROCESSABLE, "%.*s %.*s: %s", SLICE_ARG(p->op), SLICE_ARG(p->path),
                   what);
}

static struct slice decode(struct arena *arena, struct slice s)
{
    char *text = arena_alloc(arena, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        bool escape = s.data[i] == '~' && i + 1 < s.len;
        char next = escape ? s.data[i + 1] : '\0';
        if (escape && (next == '0' || next == '1')) {
            text[n++] = next == '0' ? '~' : '/';
            i++;
        } else {
            text[n++] = s.data[i];
        }
    }
    text[n] = '\0';
    return slice_make(text, n);
}

/* The end of the segment that starts at from: the next '/' outside a filter. */
static size_t segment_end(struct slice path, size_t from)
{
    int brackets = 0;
    size_t at = from;
    for (; at < path.len && (path.data[at] != '/' || brackets > 0); at++) {
        brackets += path.data[at] == '[' ? 1 : path.data[at] == ']' ? -1 : 0;
    }
    return at;
}

static int add_segment(struct patch *p, struct slice text)
{
    struct segment s = {.name = text};
    size_t open = slice_find(text, SLICE("[?("));
    if (open != SIZE_MAX) {
        if (!slice_ends_with(text, SLICE(")]"))) {
            return fail(p, "a filter must look like [?(@.name=='x')]");
        }
        s.name = slice_sub(text, 0, open);
        s.filter = slice_sub(text, open + 3, text.len - open - 5);
    }
    bool filter_alone = s.name.len == 0 && s.filter.len > 0;
    if (p->count + 2 > SEGMENTS_MAX) {
        return fail(p, "the path is too long");
    }
    s.name = decode(&p->arena, s.name);
    if (filter_alone && p->count > 0 && p->segments[p->count - 1].filter.len == 0) {
        /* "containers/[?(...)]" is "containers[?(...)]". */
        p->segments[p->count - 1].filter = s.filter;
        return 0;
    }
    p->segments[p->count++] = s;
    return 0;
}

static int split(struct patch *p)
{
    if (p->path.len == 0 || p->path.data[0] != '/') {
        return fail(p, "a path starts with '/'");
    }
    int rc = 0;
    for (size_t at = 1; rc == 0 && at <= p->path.len;) {
        size_t end = segment_end(p->path, at);
        rc = add_segment(p, slice_sub(p->path, at, end - at));
        at = end + 1;
    }
    return rc;
}

/* Whether element fits "@.a.b=='text'" (or a number, true, false without quotes). */
static int fits(struct patch *p, struct slice filter, const json_t *element, bool *fit)
{
    size_t equals = slice_find(filter, SLICE("=="));
    struct slice left = slice_trim(slice_sub(filter, 0, equals));
    struct slice right =
        equals == SIZE_MAX ? SLICE("") : slice_trim(slice_sub(filter, equals + 2, filter.len));
    if (equals == SIZE_MAX || !slice_starts_with(left, SLICE("@.")) || right.len == 0) {
        return fail(p, "a filter must look like [?(@.name=='x')]");
    }
    struct slice rest = slice_sub(left, 2, left.len);
    struct slice part;
    const json_t *member = element;
    while (member != NULL && slice_split(&rest, '.', &part)) {
        member = json_object_getn(member, part.data, part.len);
    }
    char quote = right.data[0];
    if (quote == '\'' || quote == '"') {
        if (right.len < 2 || right.data[right.len - 1] != quote) {
            return fail(p, "a filter's text has no closing quote");
        }
        *fit = json_is_string(member) &&
               slice_eq(json_text(member), slice_sub(right, 1, right.len - 2));
        return 0;
    }
    struct buf text = {0};
    if (member != NULL) {
        json_canonical(member, &text);
    }
    *fit = slice_eq(buf_slice(&text), right);
    buf_free(&text);
    return 0;
}

static bool list_index(struct slice name, size_t limit, size_t *index)
{
    uint64_t v;
    bool ok = slice_u64(name, &v) && v < limit && (name.len == 1 || name.data[0] != '0');
    *index = ok ? (size_t)v : 0;
    return ok;
}

static int change_list(struct patch *p, json_t *list, struct slice name)
{
    size_t index;
    size_t count = json_array_size(list);
    if (slice_eq_cstr(p->op, "add")) {
        if (slice_eq_cstr(name, "-")) {
            json_array_append_new(list, json_deep_copy(p->value));
            return 0;
        }
        if (!list_index(name, count + 1, &index)) {
            return fail(p, "the list is shorter");
        }
        json_array_insert_new(list, index, json_deep_copy(p->value));
        return 0;
    }
    if (!list_index(name, count, &index)) {
        return fail(p, "the list is shorter");
    }
    if (slice_eq_cstr(p->op, "remove")) {
        json_array_remove(list, index);
    } else {
        json_array_set_new(list, index, json_deep_copy(p->value));
    }
    return 0;
}

static int change_object(struct patch *p, json_t *object, struct slice name)
{
    bool there = json_object_getn(object, name.data, name.len) != NULL;
    bool add = slice_eq_cstr(p->op, "add");
    if (!there && !add) {
        return fail(p, "there is no such member");
    }
    if (slice_eq_cstr(p->op, "remove")) {
        json_object_deln(object, name.data, name.len);
    } else if (json_object_setn_new(object, name.data, name.len, json_deep_copy(p->value)) != 0) {
        return fail(p, "the member's name is no valid text");
    }
    return 0;
}

/* The member or element that a segment names; made for "add" where missing. */
static json_t *step(struct patch *p, json_t *tree, const struct segment *s, size_t at)
{
    if (json_is_array(tree)) {
        size_t index;
        return list_index(s->name, json_array_size(tree), &index) ? json_array_get(tree, index)
                                                                  : NULL;
    }
    if (!json_is_object(tree)) {
        return NULL;
    }
    json_t *member = json_object_getn(tree, s->name.data, s->name.len);
    if (member == NULL && slice_eq_cstr(p->op, "add") && s->filter.len == 0) {
        bool list = at + 1 < p->count && slice_eq_cstr(p->segments[at + 1].name, "-");
        member = list ? json_array() : json_object();
        if (json_object_setn_new(tree, s->name.data, s->name.len, member) != 0) {
            return NULL;
        }
    }
    return member;
}

static int walk(struct patch *p, json_t *tree, size_t at);

/* Every element of list that the filter selects. */
static int walk_filtered(struct patch *p, json_t *list, const struct segment *s, size_t at)
{
    bool last = at + 1 == p->count;
    size_t hits = 0;
    if (!json_is_array(list)) {
        return fail(p, "a filter wants a list");
    }
    for (size_t i = json_array_size(list); i > 0; i--) {
        bool fit = false;
        int rc = fits(p, s->filter, json_array_get(list, i - 1), &fit);
        if (rc == 0 && fit) {
            hits++;
            if (!last) {
                rc = walk(p, json_array_get(list, i - 1), at + 1);
            } else if (slice_eq_cstr(p->op, "remove")) {
                json_array_remove(list, i - 1);
            } else {
                json_array_set_new(list, i - 1, json_deep_copy(p->value));
            }
        }
        if (rc != 0) {
            return rc;
        }
    }
    return hits > 0 ? 0 : fail(p, "no element fits the filter");
}

static int walk(struct patch *p, json_t *tree, size_t at)
{
    const struct segment *s = &p->segments[at];
    if (at + 1 == p->count && s->filter.len == 0) {
        return json_is_array(tree)    ? change_list(p, tree, s->name)
               : json_is_object(tree) ? change_object(p, tree, s->name)
                                      : fail(p, "there is no such path");
    }
    json_t *next = step(p, tree, s, at);
    if (next == NULL) {
        return fail(p, "there is no such path");
    }
    return s->filter.len > 0 ? walk_filtered(p, next, s, at) : walk(p, next, at + 1);
}

int patch_apply(json_t *tree, struct slice op, struct slice path, const json_t *value,
                struct err *err)
{
    struct patch p = {.op = op, .path = path, .value = value, .err = err};
    bool add = slice_eq_cstr(op, "add") || slice_eq_cstr(op, "replace");
    int rc = 0;
    if (!add && !slice_eq_cstr(op, "remove")) {
        rc = fail(&p, "op must be add, replace or remove");
    } else if (add && value == NULL) {
        rc = fail(&p, "there is no value");
    }
    if (rc == 0) {
        rc = split(&p);
    }
    if (rc == 0) {
        rc = walk(&p, tree, 0);
    }
    arena_free(&p.arena);
    return rc;
}
