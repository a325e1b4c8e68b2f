/* trace.c: trees of origins.
 *
 * A node without "in" speaks for its whole value, so a map or list that one expression made is one
 * node; members that a patch adds later get nodes of their own beside it. Elements of lists move:
 * before one is touched, the list's node is given a child for each, all of the same origin.
 *
 * Recursion is as deep as the rendered object, which the template engine bounds. */
#include "render/trace.h"

#include "render/members.h"

void trace_init(struct trace *t)
{
    *t = (struct trace){json_array(), json_array(), json_array()};
}

void trace_free(struct trace *t)
{
    json_decref(t->sources);
    json_decref(t->values);
    json_decref(t->manifests);
    *t = (struct trace){0};
}

static json_t *node_of(json_t *by)
{
    json_t *node = json_object();
    json_object_set(node, "by", by);
    return node;
}

json_t *trace_node(struct trace *t, struct slice template_name, struct slice path,
                   struct slice text)
{
    if (t == NULL) {
        return NULL;
    }
    json_t *source =
        json_pack("{s:o, s:o}", "template", json_str(template_name), "path", json_str(path));
    if (text.len > 0) {
        json_object_set_new(source, "text", json_str(text));
    }
    json_array_append_new(t->sources, source);
    return json_pack("{s:I}", "by", (json_int_t)json_array_size(t->sources) - 1);
}

json_t *trace_builtin(struct trace *t, const char *what)
{
    return trace_node(t, SLICE("built-in"), slice_of(what), SLICE(""));
}

static json_t *members_of(json_t *node)
{
    json_t *in = json_object_get(node, "in");
    if (!json_is_object(in)) {
        in = json_object();
        json_object_set_new(node, "in", in);
    }
    return in;
}

static json_t *elements_of(json_t *node, size_t count)
{
    json_t *in = json_object_get(node, "in");
    if (!json_is_array(in)) {
        in = json_array();
        json_object_set_new(node, "in", in);
    }
    while (json_array_size(in) < count) {
        json_array_append_new(in, node_of(json_object_get(node, "by")));
    }
    return in;
}

json_t *trace_member(json_t *node, struct slice key)
{
    if (node == NULL) {
        return NULL;
    }
    json_t *in = members_of(node);
    json_t *child = json_object_getn(in, key.data, key.len);
    if (child == NULL) {
        child = node_of(json_object_get(node, "by"));
        json_object_setn_new(in, key.data, key.len, child);
    }
    return child;
}

json_t *trace_element(json_t *node, size_t index, size_t count)
{
    return node != NULL ? json_array_get(elements_of(node, count), index) : NULL;
}

void trace_set(json_t *node, struct slice key, json_t *child)
{
    if (node != NULL) {
        json_object_setn_new(members_of(node), key.data, key.len, child);
    }
}

void trace_unset(json_t *node, struct slice key)
{
    if (node != NULL) {
        json_object_deln(members_of(node), key.data, key.len);
    }
}

void trace_replace(json_t *node, size_t index, size_t count, json_t *child)
{
    if (node != NULL) {
        json_array_set_new(elements_of(node, count), index, child);
    }
}

void trace_insert(json_t *node, size_t index, size_t count, json_t *child)
{
    if (node != NULL) {
        json_array_insert_new(elements_of(node, count), index, child);
    }
}

void trace_remove(json_t *node, size_t index, size_t count)
{
    if (node != NULL) {
        json_array_remove(elements_of(node, count), index);
    }
}

void trace_become(json_t *node, json_t *from)
{
    if (node != NULL && from != NULL) {
        json_object_clear(node);
        json_object_update(node, from);
    }
}

struct walk {
    const struct trace *trace;
    struct arena arena;
    struct buf path;
    trace_leaf each;
    void *user;
};

static void walk(struct walk *w, const json_t *node, const json_t *by, const json_t *value);

static void enter_key(struct walk *w, struct slice key)
{
    bool plain = slice_find(key, SLICE(".")) == SIZE_MAX && slice_find(key, SLICE("/")) == SIZE_MAX;
    buf_addf(&w->path, plain ? "%s%.*s" : "%.0s[%.*s]", w->path.len > 0 ? "." : "", SLICE_ARG(key));
}

static void walk_members(struct walk *w, const json_t *in, const json_t *by, const json_t *value)
{
    struct member *members;
    size_t count = members_sorted(&w->arena, value, &members);
    size_t len = w->path.len;
    for (size_t i = 0; i < count; i++) {
        struct slice key = members[i].key;
        enter_key(w, key);
        walk(w, json_object_getn(in, key.data, key.len), by, members[i].value);
        w->path.len = len;
    }
}

static void walk_elements(struct walk *w, const json_t *in, const json_t *by, const json_t *value)
{
    size_t len = w->path.len;
    for (size_t i = 0; i < json_array_size(value); i++) {
        buf_addf(&w->path, "[%zu]", i);
        walk(w, json_array_get(in, i), by, json_array_get(value, i));
        w->path.len = len;
    }
}

static void walk(struct walk *w, const json_t *node, const json_t *by, const json_t *value)
{
    const json_t *in = json_object_get(node, "in");
    by = node != NULL ? json_object_get(node, "by") : by;
    if (json_object_size(value) > 0) {
        walk_members(w, in, by, value);
    } else if (json_array_size(value) > 0) {
        walk_elements(w, in, by, value);
    } else {
        w->each(w->user, buf_slice(&w->path), value,
                json_array_get(w->trace->sources, (size_t)json_integer_value(by)));
    }
}

void trace_each(const struct trace *t, const json_t *node, const json_t *value, trace_leaf each,
                void *user)
{
    struct walk w = {.trace = t, .each = each, .user = user};
    walk(&w, node, NULL, value);
    arena_free(&w.arena);
    buf_free(&w.path);
}
