/* template.c: one walk over a tree.
 *
 * Members are visited in the order of their keys, so that the first error of a template is always
 * the same one, whatever order its text had. The end of an expression is found by counting braces
 * outside quotes, as OpenChoreo does; an expression that never ends is an error rather than text,
 * for it can only be a mistake. What is copied is paid for like what is evaluated: a large literal
 * in a loop must not grow without end. Invariant: path holds the place of the value being rendered,
 * and is restored on the way out. */
#include "render/template.h"

#include <stdlib.h>
#include <string.h>

#include "render/number.h"

struct walk {
    struct template_scope *scope;
    struct buf path;
    bool check_only;
    bool traced;
    template_fault fault; /* of a check: takes errors of texts, and goes on */
    void *user;
    int depth;
    struct err *err;
};

struct span {
    size_t start; /* of "${" */
    size_t end;   /* behind "}" */
};

static int walk_tree(struct walk *w, const json_t *tree, json_t **out, json_t **origin);

void template_init(struct template_scope *scope, struct arena *arena, uint64_t cost)
{
    *scope = (struct template_scope){.arena = arena, .cost_left = cost};
}

void template_set(struct template_scope *scope, struct slice name, struct cel_value value)
{
    size_t i = 0;
    while (i < scope->count && !slice_eq(scope->names[i], name)) {
        i++;
    }
    if (i == TEMPLATE_VARIABLES_MAX) {
        abort(); /* the pipeline's own variables are few */
    }
    scope->names[i] = name;
    scope->values[i] = value;
    scope->count += i == scope->count ? 1 : 0;
}

void template_unset(struct template_scope *scope, struct slice name)
{
    for (size_t i = 0; i < scope->count; i++) {
        if (slice_eq(scope->names[i], name)) {
            scope->count--;
            scope->names[i] = scope->names[scope->count];
            scope->values[i] = scope->values[scope->count];
            return;
        }
    }
}

/* Puts the path and the column before an error's message. */
static int at_place(struct walk *w, struct slice text, size_t offset)
{
    (void)cel_locate(w->err, text, offset);
    return err_set(w->err, w->err->code, "%.*s, %s", SLICE_ARG(buf_slice(&w->path)),
                   w->err->message);
}

static int fail_at(struct walk *w, struct slice text, size_t offset, const char *what)
{
    err_set(w->err, ERR_UNPROCESSABLE, "%s", what);
    return at_place(w, text, offset);
}

/* Behind the '}' that closes the "${" at start; 0 if there is none, with *nested set where another
 * "${" stands inside outside quotes. */
static size_t close_of(struct slice text, size_t start, size_t *nested)
{
    int braces = 1;
    char quote = '\0';
    *nested = SIZE_MAX;
    for (size_t at = start + 2; at < text.len; at++) {
        char c = text.data[at];
        if (quote != '\0') {
            at += c == '\\' ? 1 : 0;
            quote = c == quote ? '\0' : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '$' && at + 1 < text.len && text.data[at + 1] == '{') {
            *nested = at;
            return 0;
        } else if (c == '{') {
            braces++;
        } else if (c == '}' && --braces == 0) {
            return at + 1;
        }
    }
    return 0;
}

/* The next expression at or behind from. *found is false if there is none. */
static int next_span(struct walk *w, struct slice text, size_t from, struct span *span, bool *found)
{
    size_t nested;
    size_t at = slice_find(slice_sub(text, from, text.len), SLICE("${"));
    *found = at != SIZE_MAX;
    if (!*found) {
        return 0;
    }
    span->start = from + at;
    span->end = close_of(text, span->start, &nested);
    if (nested != SIZE_MAX) {
        return fail_at(w, text, nested, "\"${\" inside an expression: it is one already");
    }
    return span->end != 0 ? 0 : fail_at(w, text, span->start, "\"${\" without its \"}\"");
}

static int evaluate(struct walk *w, struct slice text, struct span span, struct cel_value *value)
{
    struct template_scope *s = w->scope;
    const struct cel_env env = {.names = s->names,
                                .count = s->count,
                                .functions = s->functions,
                                .function_count = s->function_count};
    struct slice source = slice_sub(text, span.start + 2, span.end - span.start - 3);
    const struct cel_program *program;
    uint32_t offset = 0;
    int rc = cel_cache_compile(s->programs, s->arena, &env, source, &program, &offset, w->err);
    if (rc == 0 && !w->check_only) {
        bool rest = s->cost_left < CEL_COST_DEFAULT;
        const struct cel_input input = {.variables = s->values,
                                        .host = s->host,
                                        .cost_limit = rest ? s->cost_left : CEL_COST_DEFAULT};
        uint64_t cost = 0;
        if (s->cost_left == 0) {
            rc = err_set(w->err, ERR_TOO_LARGE, TEMPLATE_OVER_BUDGET);
        } else {
            rc = cel_eval(program, &input, s->arena, value, &cost, &offset, w->err);
        }
        s->cost_left -= cost;
        if (rc == ERR_TOO_LARGE && rest) {
            err_set(w->err, ERR_TOO_LARGE, TEMPLATE_OVER_BUDGET);
        }
    }
    return rc == 0 ? 0 : at_place(w, text, span.start + 2 + offset);
}

int template_charge(struct template_scope *scope, struct slice path, uint64_t cost, struct err *err)
{
    if (cost >= scope->cost_left) {
        scope->cost_left = 0;
        return err_set(err, ERR_TOO_LARGE, "%.*s: " TEMPLATE_OVER_BUDGET, SLICE_ARG(path));
    }
    scope->cost_left -= cost;
    return 0;
}

/* What a text or a node of the template takes, beside its expressions. */
static int charge(struct walk *w, size_t bytes)
{
    return template_charge(w->scope, buf_slice(&w->path), 1 + bytes / TEMPLATE_COST_BYTES, w->err);
}

/* A value as a tree; its cost is the scope's too. */
static int to_tree(struct walk *w, struct slice text, struct span span, struct cel_value value,
                   json_t **out)
{
    struct cel_ctx ctx = {.arena = w->scope->arena, .cost_limit = w->scope->cost_left};
    bool ok = cel_to_json(&ctx, value, out);
    w->scope->cost_left -= ctx.cost;
    if (ok) {
        return 0;
    }
    err_set(w->err, ctx.err.code, "%s",
            ctx.err.code == ERR_TOO_LARGE ? TEMPLATE_OVER_BUDGET : ctx.err.message);
    return at_place(w, text, span.start);
}

/* Appends a value as text: strings as they are, all else as JSON. */
static int add_text(struct walk *w, struct slice text, struct span span, struct cel_value value,
                    struct buf *out)
{
    if (value.type == CEL_STRING) {
        buf_add(out, value.as.text);
        return charge(w, value.as.text.len);
    }
    if (value.type == CEL_DOUBLE) {
        number_text(value.as.real, out);
        return 0;
    }
    json_t *tree = NULL;
    int rc = to_tree(w, text, span, value, &tree);
    if (rc != 0) {
        return rc;
    }
    if (tree == NULL) {
        return fail_at(w, text, span.start, "an omitted value cannot be part of a text");
    }
    if (json_is_string(tree)) {
        buf_add(out, json_text(tree));
    } else {
        json_canonical(tree, out);
    }
    json_decref(tree);
    return 0;
}

/* All of text but its expressions as it is. */
static int interpolate(struct walk *w, struct slice text, struct span span, json_t **out)
{
    struct buf result = {0};
    size_t from = 0;
    bool found = true;
    int rc = 0;
    while (rc == 0 && found) {
        struct cel_value value = {.type = CEL_NULL};
        buf_add(&result, slice_sub(text, from, span.start - from));
        rc = evaluate(w, text, span, &value);
        if (rc == 0 && !w->check_only) {
            rc = add_text(w, text, span, value, &result);
        }
        from = span.end;
        if (rc == 0) {
            rc = next_span(w, text, from, &span, &found);
        }
    }
    if (rc == 0) {
        buf_add(&result, slice_sub(text, from, text.len - from));
        *out = json_str(buf_slice(&result));
    }
    buf_free(&result);
    return rc;
}

/* Whether span is all of text but white space. */
static bool is_whole(struct slice text, struct span span)
{
    return slice_trim(text).len == span.end - span.start;
}

static int walk_string(struct walk *w, struct slice text, json_t **out)
{
    struct span span;
    bool found;
    int rc = next_span(w, text, 0, &span, &found);
    if (rc != 0) {
        return rc;
    }
    if (!found) {
        *out = json_str(text);
        return 0;
    }
    if (!is_whole(text, span)) {
        return interpolate(w, text, span, out);
    }
    struct cel_value value = {.type = CEL_NULL};
    rc = evaluate(w, text, span, &value);
    if (rc == 0 && w->check_only) {
        *out = json_null();
        return 0;
    }
    return rc != 0 ? rc : to_tree(w, text, span, value, out);
}

/* A node for what stands at the path; NULL without a trace. */
static json_t *origin_here(const struct walk *w, struct slice text)
{
    return w->traced
               ? trace_node(w->scope->trace, w->scope->trace_template, buf_slice(&w->path), text)
               : NULL;
}

/* A text's error: the walk's end, or of a check a fault among others. */
static int told(struct walk *w, int rc)
{
    if (rc != 0 && w->fault != NULL) {
        w->fault(w->user, w->err);
        rc = 0;
    }
    return rc;
}

static int walk_array(struct walk *w, const json_t *array, json_t **out, json_t **origin)
{
    size_t len = w->path.len;
    int rc = 0;
    json_t *result = json_array();
    *origin = origin_here(w, SLICE(""));
    for (size_t i = 0; rc == 0 && i < json_array_size(array); i++) {
        json_t *item = NULL;
        json_t *from = NULL;
        size_t count = json_array_size(result);
        buf_addf(&w->path, "[%zu]", i);
        rc = walk_tree(w, json_array_get(array, i), &item, &from);
        if (item != NULL) {
            json_array_append_new(result, item);
            trace_insert(*origin, count, count, json_incref(from));
        }
        json_decref(from);
        w->path.len = len;
    }
    *out = result;
    return rc;
}

/* A key that an expression made; plain keys are the caller's. */
static int walk_key(struct walk *w, struct slice key, json_t **out)
{
    int rc = walk_string(w, key, out);
    if (rc == 0 && !w->check_only && !json_is_string(*out)) {
        rc = fail_at(w, key, 0, "a key must be a string");
    }
    return rc;
}

static int walk_member(struct walk *w, struct slice key, const json_t *value, json_t *result,
                       json_t *origin)
{
    json_t *rendered_key = NULL;
    json_t *rendered = NULL;
    json_t *from = NULL;
    int rc = told(w, walk_key(w, key, &rendered_key));
    if (rc == 0) {
        rc = walk_tree(w, value, &rendered, &from);
    }
    if (rc == 0 && rendered != NULL && !w->check_only) {
        struct slice name = json_text(rendered_key);
        if (json_object_getn(result, name.data, name.len) != NULL) {
            rc = fail_at(w, key, 0, "this key is there already");
        } else {
            json_object_setn_new(result, name.data, name.len, json_incref(rendered));
            trace_set(origin, name, json_incref(from));
        }
    }
    json_decref(rendered_key);
    json_decref(rendered);
    json_decref(from);
    return rc;
}

static int walk_object(struct walk *w, const json_t *object, json_t **out, json_t **origin)
{
    struct cel_ctx ctx = {.arena = w->scope->arena, .cost_limit = UINT64_MAX};
    struct cel_value map = cel_of_json(w->scope->arena, object);
    const struct cel_entry *entries;
    size_t len = w->path.len;
    int rc = cel_map_entries(&ctx, map.as.map, &entries) ? 0 : ctx.err.code;
    json_t *result = json_object();
    *origin = origin_here(w, SLICE(""));
    for (size_t i = 0; rc == 0 && i < map.as.map->count; i++) {
        struct slice key = entries[i].key.as.text;
        buf_addf(&w->path, "%s%.*s", len > 0 ? "." : "", SLICE_ARG(key));
        rc = walk_member(w, key, json_object_getn(object, key.data, key.len), result, *origin);
        w->path.len = len;
    }
    *out = result;
    return rc;
}

/* What is no string, map or list is as the template has it. */
static void copy_literal(struct walk *w, const json_t *tree, json_t **out, json_t **origin)
{
    struct buf text = {0};
    *out = number_settle(tree);
    if (w->traced) {
        json_canonical(tree, &text);
        *origin = origin_here(w, buf_slice(&text));
        buf_free(&text);
    }
}

static int walk_tree(struct walk *w, const json_t *tree, json_t **out, json_t **origin)
{
    int rc = 0;
    *out = NULL;
    *origin = NULL;
    if (w->depth == TEMPLATE_DEPTH_MAX) {
        return err_set(w->err, ERR_TOO_LARGE, "%.*s: nested too deeply",
                       SLICE_ARG(buf_slice(&w->path)));
    }
    w->depth++;
    rc = w->check_only ? 0 : charge(w, json_text(tree).len);
    if (rc == 0 && json_is_string(tree)) {
        rc = told(w, walk_string(w, json_text(tree), out));
        *origin = origin_here(w, json_text(tree));
    } else if (rc == 0 && json_is_array(tree)) {
        rc = walk_array(w, tree, out, origin);
    } else if (rc == 0 && json_is_object(tree)) {
        rc = walk_object(w, tree, out, origin);
    } else if (rc == 0) {
        copy_literal(w, tree, out, origin);
    }
    w->depth--;
    if (rc != 0) {
        json_decref(*out);
        json_decref(*origin);
        *out = NULL;
        *origin = NULL;
    }
    return rc;
}

static int walk_from(struct walk *w, const json_t *tree, struct slice path, json_t **out,
                     json_t **origin, struct err *err)
{
    struct err local = {0};
    w->err = err != NULL ? err : &local;
    buf_add(&w->path, path);
    int rc = walk_tree(w, tree, out, origin);
    buf_free(&w->path);
    return rc;
}

int template_render(struct template_scope *scope, const json_t *tree, struct slice path,
                    json_t **out, struct err *err)
{
    struct walk w = {.scope = scope};
    json_t *origin;
    return walk_from(&w, tree, path, out, &origin, err);
}

int template_render_traced(struct template_scope *scope, const json_t *tree, struct slice path,
                           json_t **out, json_t **origin, struct err *err)
{
    struct walk w = {.scope = scope, .traced = scope->trace != NULL};
    return walk_from(&w, tree, path, out, origin, err);
}

/* text must be one expression: its value. */
static int single_value(struct walk *w, struct slice text, struct cel_value *value)
{
    struct span span;
    bool found;
    int rc = next_span(w, text, 0, &span, &found);
    if (rc == 0 && (!found || !is_whole(text, span))) {
        rc = fail_at(w, text, 0, "one expression is wanted here: ${...}");
    }
    return rc == 0 ? evaluate(w, text, span, value) : rc;
}

void template_check(struct template_scope *scope, const json_t *tree, struct slice path,
                    template_fault each, void *user)
{
    struct walk w = {.scope = scope, .check_only = true, .fault = each, .user = user};
    struct err err = {0};
    json_t *out;
    json_t *origin;
    if (walk_from(&w, tree, path, &out, &origin, &err) != 0) {
        each(user, &err); /* of the tree itself: too deep */
    }
    json_decref(out);
}

void template_check_value(struct template_scope *scope, struct slice text, struct slice path,
                          template_fault each, void *user)
{
    struct err err = {0};
    struct walk w = {.scope = scope, .check_only = true, .err = &err};
    struct cel_value unknown;
    buf_add(&w.path, path);
    if (single_value(&w, text, &unknown) != 0) {
        each(user, &err);
    }
    buf_free(&w.path);
}

bool template_dynamic(struct slice text)
{
    return slice_find(text, SLICE("${")) != SIZE_MAX;
}

int template_value(struct template_scope *scope, struct slice text, struct slice path,
                   struct cel_value *value, struct err *err)
{
    struct err local = {0};
    struct walk w = {.scope = scope, .err = err != NULL ? err : &local};
    buf_add(&w.path, path);
    int rc = single_value(&w, text, value);
    buf_free(&w.path);
    return rc;
}

int template_bool(struct template_scope *scope, struct slice text, struct slice path, bool *value,
                  struct err *err)
{
    struct cel_value v;
    int rc = template_value(scope, text, path, &v, err);
    if (rc == 0 && v.type != CEL_BOOL) {
        rc = err_set(err, ERR_UNPROCESSABLE, "%.*s: must be a bool, not %.*s", SLICE_ARG(path),
                     SLICE_ARG(cel_type_name(v)));
    }
    *value = rc == 0 && v.as.boolean;
    return rc;
}
