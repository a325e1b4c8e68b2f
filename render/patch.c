/* patch.c: walks a path, splitting where a selector chooses several elements.
 *
 * A path is segments; "containers[?(...)]" is two of them, a name and a selector. Only "add" makes
 * what is missing on the way: a trait can set an annotation on an object that has none yet. Chosen
 * elements are visited from the last to the first, so that none moves before its turn. The tree of
 * origins, if there is one, is walked and changed beside the tree itself. Recursion is as deep as
 * the path has segments, which are limited. */
#include "render/patch.h"

#include <string.h>

#include "base/arena.h"
#include "render/template.h"

enum { SEGMENTS_MAX = 64 };

enum segment_kind { SEGMENT_NAME, SEGMENT_FILTER, SEGMENT_ALL };

struct segment {
    enum segment_kind kind;
    struct slice text; /* a decoded name, or a filter: "@.name=='main'" */
};

struct patch {
    struct arena arena;
    const struct patch_operation *operation;
    bool add;
    bool remove;
    struct segment segments[SEGMENTS_MAX];
    size_t count;
    struct err *err;
};

static int fail(struct patch *p, const char *what)
{
    return err_set(p->err, ERR_UNPROCESSABLE, "%.*s %.*s: %s", SLICE_ARG(p->operation->op),
                   SLICE_ARG(p->operation->path), what);
}

/* ---- the path ---- */

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

/* The end of the piece that starts at from: the next '/' outside brackets. */
static size_t piece_end(struct slice path, size_t from)
{
    int brackets = 0;
    size_t at = from;
    for (; at < path.len && (path.data[at] != '/' || brackets > 0); at++) {
        brackets += path.data[at] == '[' ? 1 : path.data[at] == ']' ? -1 : 0;
    }
    return at;
}

/* "@.a.b=='text'", or a number, true, false without quotes. */
static int split_filter(struct patch *p, struct slice filter, struct slice *left,
                        struct slice *right)
{
    size_t equals = slice_find(filter, SLICE("=="));
    *left = slice_trim(slice_sub(filter, 0, equals));
    *right = equals == SIZE_MAX ? SLICE("") : slice_trim(slice_sub(filter, equals + 2, SIZE_MAX));
    if (equals == SIZE_MAX || !slice_starts_with(*left, SLICE("@.")) || right->len == 0) {
        return fail(p, "a filter must look like [?(@.name=='x')]");
    }
    char quote = right->data[0];
    if ((quote == '\'' || quote == '"') &&
        (right->len < 2 || right->data[right->len - 1] != quote)) {
        return fail(p, "a filter's text has no closing quote");
    }
    return 0;
}

static int add_segment(struct patch *p, enum segment_kind kind, struct slice text)
{
    struct slice left;
    struct slice right;
    if (p->count == SEGMENTS_MAX) {
        return fail(p, "the path is too long");
    }
    struct segment *s = &p->segments[p->count++];
    s->kind = kind;
    s->text = decode(&p->arena, text);
    return kind == SEGMENT_FILTER ? split_filter(p, s->text, &left, &right) : 0;
}

/* What is between brackets: a filter, '*', or an element's number. */
static int add_bracket(struct patch *p, struct slice inner)
{
    if (slice_starts_with(inner, SLICE("?("))) {
        return slice_ends_with(inner, SLICE(")"))
                   ? add_segment(p, SEGMENT_FILTER, slice_sub(inner, 2, inner.len - 3))
                   : fail(p, "a filter must look like [?(@.name=='x')]");
    }
    uint64_t index;
    if (slice_eq_cstr(inner, "*")) {
        return add_segment(p, SEGMENT_ALL, inner);
    }
    return slice_u64(inner, &index) || slice_eq_cstr(inner, "-")
               ? add_segment(p, SEGMENT_NAME, inner)
               : fail(p, "brackets hold a number, * or a filter: [?(@.name=='x')]");
}

/* A name, then selectors: "containers[?(@.name=='main')][0]". A name that merely holds brackets is
 * a name: "a[b" */
static int add_piece(struct patch *p, struct slice piece)
{
    size_t open = slice_find(piece, SLICE("["));
    int rc = 0;
    if (open == SIZE_MAX || open > 0 || piece.len == 0) {
        rc = add_segment(p, SEGMENT_NAME, slice_sub(piece, 0, open));
    }
    while (rc == 0 && open < piece.len) {
        struct slice rest = slice_sub(piece, open, SIZE_MAX);
        bool filter = slice_starts_with(rest, SLICE("[?("));
        size_t close = slice_find(rest, filter ? SLICE(")]") : SLICE("]"));
        if (rest.data[0] != '[' || close == SIZE_MAX) {
            return fail(p, filter ? "a filter must look like [?(@.name=='x')]"
                                  : "brackets hold a number, * or a filter: [?(@.name=='x')]");
        }
        close += filter ? 1 : 0;
        rc = add_bracket(p, slice_sub(rest, 1, close - 1));
        open += close + 1;
    }
    return rc;
}

static int split(struct patch *p)
{
    struct slice path = p->operation->path;
    if (path.len == 0 || path.data[0] != '/') {
        return fail(p, "a path starts with '/'");
    }
    int rc = 0;
    for (size_t at = 1; rc == 0 && at <= path.len;) {
        size_t end = piece_end(path, at);
        rc = add_piece(p, slice_sub(path, at, end - at));
        at = end + 1;
    }
    return rc;
}

static int start(struct patch *p, const struct patch_operation *operation, struct err *err)
{
    *p = (struct patch){.operation = operation,
                        .add = slice_eq_cstr(operation->op, "add"),
                        .remove = slice_eq_cstr(operation->op, "remove"),
                        .err = err};
    if (!p->add && !p->remove && !slice_eq_cstr(operation->op, "replace")) {
        return fail(p, "op must be add, replace or remove");
    }
    if (!p->remove && operation->value == NULL) {
        return fail(p, "there is no value");
    }
    return split(p);
}

int patch_check(const struct patch_operation *operation, struct err *err)
{
    struct patch p;
    int rc = start(&p, operation, err);
    arena_free(&p.arena);
    return rc;
}

/* ---- changes ---- */

/* One operation may choose any number of elements, and put its value into each. */
static int spend(struct patch *p, uint64_t cost)
{
    uint64_t *left = p->operation->cost_left;
    if (left == NULL) {
        return 0;
    }
    bool enough = cost < *left;
    *left = enough ? *left - cost : 0;
    return enough ? 0
                  : err_set(p->err, ERR_TOO_LARGE, "%.*s %.*s: " TEMPLATE_OVER_BUDGET,
                            SLICE_ARG(p->operation->op), SLICE_ARG(p->operation->path));
}

static bool list_index(struct slice name, size_t limit, size_t *index)
{
    uint64_t v;
    bool ok = slice_u64(name, &v) && v < limit && (name.len == 1 || name.data[0] != '0');
    *index = ok ? (size_t)v : 0;
    return ok;
}

/* A new node for the value's origin, or NULL. */
static json_t *origin_of(const struct patch *p)
{
    return json_deep_copy(p->operation->origin);
}

static int change_element(struct patch *p, json_t *list, json_t *origins, size_t index)
{
    size_t count = json_array_size(list);
    if (p->remove) {
        json_array_remove(list, index);
        trace_remove(origins, index, count);
        return 0;
    }
    int rc = spend(p, p->operation->copy_cost);
    if (rc != 0) {
        return rc;
    }
    if (p->add) {
        json_array_insert_new(list, index, json_deep_copy(p->operation->value));
        trace_insert(origins, index, count, origin_of(p));
    } else {
        json_array_set_new(list, index, json_deep_copy(p->operation->value));
        trace_replace(origins, index, count, origin_of(p));
    }
    return 0;
}

static int change_list(struct patch *p, json_t *list, json_t *origins, struct slice name)
{
    size_t count = json_array_size(list);
    size_t index = count;
    bool behind = p->add && slice_eq_cstr(name, "-");
    if (!behind && !list_index(name, count + (p->add ? 1 : 0), &index)) {
        return fail(p, "the list is shorter");
    }
    return change_element(p, list, origins, index);
}

static int change_object(struct patch *p, json_t *object, json_t *origins, struct slice name)
{
    bool there = json_object_getn(object, name.data, name.len) != NULL;
    if (p->remove) {
        json_object_deln(object, name.data, name.len);
        trace_unset(origins, name);
        return 0;
    }
    if (!there && !p->add) {
        return fail(p, "there is no such member");
    }
    int rc = spend(p, p->operation->copy_cost);
    json_t *value = rc == 0 ? json_deep_copy(p->operation->value) : NULL;
    if (rc != 0) {
        return rc;
    }
    if (json_object_setn_new(object, name.data, name.len, value) != 0) {
        return fail(p, "the member's name is no valid text");
    }
    trace_set(origins, name, origin_of(p));
    return 0;
}

/* ---- the way ---- */

static int walk(struct patch *p, json_t *tree, json_t *origins, size_t at);

/* Makes the member that "add" needs on its way; NULL: none can be. */
static json_t *make_step(struct patch *p, json_t *object, json_t *origins, size_t at)
{
    const struct segment *next = &p->segments[at + 1];
    struct slice name = p->segments[at].text;
    if (!p->add || next->kind != SEGMENT_NAME) {
        return NULL;
    }
    json_t *made = slice_eq_cstr(next->text, "-") ? json_array() : json_object();
    if (json_object_setn_new(object, name.data, name.len, made) != 0) {
        return NULL;
    }
    trace_set(origins, name, origin_of(p));
    /* Only what is put into it comes from the value. */
    json_object_del(trace_member(origins, name), "in");
    return made;
}

static int walk_name(struct patch *p, json_t *tree, json_t *origins, size_t at)
{
    struct slice name = p->segments[at].text;
    size_t index;
    if (json_is_array(tree)) {
        size_t count = json_array_size(tree);
        return list_index(name, count, &index) ? walk(p, json_array_get(tree, index),
                                                      trace_element(origins, index, count), at + 1)
                                               : fail(p, "there is no such path");
    }
    json_t *member = json_object_getn(tree, name.data, name.len);
    if (member == NULL && json_is_object(tree)) {
        if (p->remove && p->segments[at + 1].kind == SEGMENT_NAME) {
            return 0; /* what is not there need not be removed */
        }
        member = make_step(p, tree, origins, at);
    }
    return member != NULL ? walk(p, member, trace_member(origins, name), at + 1)
                          : fail(p, "there is no such path");
}

static bool fits(struct patch *p, const struct segment *s, const json_t *element)
{
    struct slice left;
    struct slice right;
    struct slice part;
    if (s->kind == SEGMENT_ALL) {
        return true;
    }
    (void)split_filter(p, s->text, &left, &right); /* it was right when it was read */
    struct slice rest = slice_sub(left, 2, left.len);
    const json_t *member = element;
    while (member != NULL && slice_split(&rest, '.', &part)) {
        member = json_object_getn(member, part.data, part.len);
    }
    if (right.data[0] == '\'' || right.data[0] == '"') {
        return json_is_string(member) &&
               slice_eq(json_text(member), slice_sub(right, 1, right.len - 2));
    }
    struct buf text = {0};
    if (member != NULL && !json_is_object(member) && !json_is_array(member)) {
        json_canonical(member, &text);
    }
    bool fit = slice_eq(buf_slice(&text), right);
    buf_free(&text);
    return fit;
}

/* Every element that the selector chooses. */
static int walk_selected(struct patch *p, json_t *list, json_t *origins, size_t at)
{
    const struct segment *s = &p->segments[at];
    bool last = at + 1 == p->count;
    size_t hits = 0;
    if (!json_is_array(list)) {
        return fail(p, "a filter wants a list");
    }
    for (size_t i = json_array_size(list); i > 0; i--) {
        json_t *element = json_array_get(list, i - 1);
        int rc = spend(p, 1);
        if (rc == 0 && fits(p, s, element)) {
            hits++;
            rc = last ? change_element(p, list, origins, i - 1)
                      : walk(p, element, trace_element(origins, i - 1, json_array_size(list)),
                             at + 1);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return hits > 0 ? 0
                    : fail(p, s->kind == SEGMENT_ALL ? "the list is empty"
                                                     : "no element fits the filter");
}

static int walk(struct patch *p, json_t *tree, json_t *origins, size_t at)
{
    const struct segment *s = &p->segments[at];
    if (s->kind != SEGMENT_NAME) {
        return walk_selected(p, tree, origins, at);
    }
    if (at + 1 < p->count) {
        return walk_name(p, tree, origins, at);
    }
    return json_is_array(tree)    ? change_list(p, tree, origins, s->text)
           : json_is_object(tree) ? change_object(p, tree, origins, s->text)
                                  : fail(p, "there is no such path");
}

int patch_apply(json_t *tree, json_t *origins, const struct patch_operation *operation,
                struct err *err)
{
    struct patch p;
    int rc = start(&p, operation, err);
    if (rc == 0) {
        rc = walk(&p, tree, origins, 0);
    }
    arena_free(&p.arena);
    return rc;
}
