/* yaml.c: YAML into JSON trees.
 *
 * Happy path: libfyaml's events drive a stack of open collections; each finished value is put into
 * the collection on top, and a finished document goes to the caller. Plain scalars are resolved by
 * the core schema, quoted ones are strings.
 * Failure path: the first error ends it, with name, line and column in front. libfyaml prints
 * nothing: its diagnostics are collected and the first is ours.
 * Invariants: no recursion; depth at most JSON_DEPTH_MAX; aliases are copies, counted before they
 * are made; an anchor is known only once its value is complete, so nothing contains itself. */
#include "base/yaml_internal.h"

#include <assert.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct frame {
    json_t *collection;  /* borrowed from the one below, owned by the lowest */
    struct slice anchor; /* what to call it once complete; in the arena */
    bool has_key;        /* of a mapping: a key waits for its value */
    struct slice key;    /* in the arena */
    size_t path_len;     /* length of reader.path at this collection */
};

struct place {
    int line; /* both from 1 */
    int column;
};

struct reader {
    const char *name;
    struct slice text;
    struct place last;
    struct err *err;
    struct fy_parser *parser;
    struct fy_diag *diag;
    struct arena arena; /* of one document */
    struct map anchors; /* name -> json_t, borrowed from the document */
    size_t node_count;
    size_t nodes_max;
    size_t alias_bytes; /* what copies of anchored values take, in all documents */
    struct frame stack[JSON_DEPTH_MAX];
    size_t depth;
    json_t *root;
    int root_line;
    /* for yaml_line_of() */
    const char *wanted;
    struct buf path;
    int found_line;
    struct buf decoded; /* of the scalar at hand */
};

/* Where an event is. An empty node with only a tag has no mark: then it is where the last one was.
 */
static struct place place_of(struct reader *r, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    if (mark != NULL) {
        r->last = (struct place){mark->line + 1, mark->column + 1};
    }
    return r->last;
}

static int refuse(struct reader *r, struct fy_event *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(struct reader *r, struct fy_event *event, const char *format, ...)
{
    struct place at = place_of(r, event);
    char text[ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(r->err, ERR_INVALID, "%s:%d:%d: %s", r->name, at.line, at.column, text);
}

static bool one_of(struct slice s, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (slice_eq_cstr(s, *words)) {
            return true;
        }
    }
    return false;
}

enum tag { TAG_NONE, TAG_STR, TAG_OTHER_CORE, TAG_UNKNOWN };

static enum tag tag_of(struct fy_token *token)
{
    static const char *const core[] = {"tag:yaml.org,2002:null",
                                       "tag:yaml.org,2002:bool",
                                       "tag:yaml.org,2002:int",
                                       "tag:yaml.org,2002:float",
                                       "tag:yaml.org,2002:map",
                                       "tag:yaml.org,2002:seq",
                                       NULL};
    struct slice tag = yaml__token_text(token);
    if (token == NULL) {
        return TAG_NONE;
    }
    if (slice_eq(tag, SLICE("tag:yaml.org,2002:str")) || slice_eq(tag, SLICE("!"))) {
        return TAG_STR;
    }
    return one_of(tag, core) ? TAG_OTHER_CORE : TAG_UNKNOWN;
}

static int refuse_tag(struct reader *r, struct fy_event *event, struct fy_token *token)
{
    return refuse(r, event, "tag %.*s is not of the core schema",
                  SLICE_ARG(yaml__token_text(token)));
}

static int read_scalar(struct reader *r, struct fy_event *event, json_t **value)
{
    struct slice s = yaml__scalar_text(r->text, event->scalar.value, &r->decoded);
    enum tag tag = tag_of(event->scalar.tag);
    if (tag == TAG_UNKNOWN) {
        return refuse_tag(r, event, event->scalar.tag);
    }
    if (memchr(s.data != NULL ? s.data : "", '\0', s.len) != NULL) {
        return refuse(r, event, "a string holds a NUL character");
    }
    bool plain =
        event->scalar.value == NULL || fy_token_scalar_style(event->scalar.value) == FYSS_PLAIN;
    if (tag == TAG_STR || (tag == TAG_NONE && !plain)) {
        *value = json_str(s);
        return 0;
    }
    const char *why = yaml__resolve(s, value);
    if (why != NULL) {
        return refuse(r, event, "%.*s %s; quote it if it is text", SLICE_ARG(slice_sub(s, 0, 40)),
                      why);
    }
    if (tag == TAG_OTHER_CORE && json_is_string(*value)) {
        json_decref(*value);
        return refuse(r, event, "\"%.*s\" is not what its tag says",
                      SLICE_ARG(slice_sub(s, 0, 40)));
    }
    return 0;
}

static int count_node(struct reader *r, struct fy_event *event)
{
    return ++r->node_count <= r->nodes_max ? 0
                                           : refuse(r, event, "more than %zu values", r->nodes_max);
}

static int read_alias(struct reader *r, struct fy_event *event, json_t **value)
{
    struct slice name = yaml__token_text(event->alias.anchor);
    json_t *target = map_get(&r->anchors, name);
    if (target == NULL) {
        return refuse(r, event, "alias *%.*s has no anchor before it", SLICE_ARG(name));
    }
    int rc = 0;
    r->alias_bytes += json_tree_bytes(target, YAML_ALIASES_MAX);
    if (r->alias_bytes > YAML_ALIASES_MAX) {
        rc = refuse(r, event, "aliases add more than %d bytes of values", YAML_ALIASES_MAX);
    }
    if (rc == 0 && r->depth + (size_t)json_depth(target) > JSON_DEPTH_MAX) {
        rc = refuse(r, event, "nested more than %d deep", JSON_DEPTH_MAX);
    }
    if (rc == 0) {
        *value = json_deep_copy(target);
    }
    return rc;
}

static void remember(struct reader *r, struct slice anchor, json_t *value)
{
    if (anchor.len > 0) {
        (void)map_put(&r->anchors, anchor, value);
    }
}

/* Puts a value (taken) where it belongs. */
static int put(struct reader *r, struct fy_event *event, json_t *value)
{
    if (r->depth == 0) {
        r->root = value;
        r->root_line = place_of(r, event).line;
        return 0;
    }
    struct frame *top = &r->stack[r->depth - 1];
    int rc;
    if (json_is_array(top->collection)) {
        rc = json_array_append_new(top->collection, value);
    } else {
        rc = json_object_setn_new_nocheck(top->collection, top->key.data, top->key.len, value);
        top->has_key = false;
    }
    assert(rc == 0);
    return 0;
}

/* yaml_line_of(): is this where the wanted path leads? */
static void note_path(struct reader *r, struct fy_event *event)
{
    if (r->wanted != NULL && r->found_line == 0 && strcmp(buf_cstr(&r->path), r->wanted) == 0) {
        r->found_line = place_of(r, event).line;
    }
}

static int read_key(struct reader *r, struct fy_event *event, struct frame *top)
{
    if (event->type != FYET_SCALAR) {
        return refuse(r, event, "a key must be a string");
    }
    json_t *key;
    int rc = read_scalar(r, event, &key);
    if (rc != 0) {
        return rc;
    }
    bool is_string = json_is_string(key);
    top->key =
        arena_copy(&r->arena, is_string ? json_text(key) : yaml__token_text(event->scalar.value));
    json_decref(key);
    if (!is_string) {
        return refuse(r, event, "key %.*s is not a string: quote it", SLICE_ARG(top->key));
    }
    if (json_object_getn(top->collection, top->key.data, top->key.len) != NULL) {
        return refuse(r, event, "key \"%.*s\" is given twice",
                      SLICE_ARG(slice_sub(top->key, 0, 80)));
    }
    top->has_key = true;
    if (r->wanted != NULL) {
        r->path.len = top->path_len;
        buf_addf(&r->path, "%s%s", top->path_len > 0 ? "." : "", top->key.data);
        note_path(r, event);
    }
    return 0;
}

static int open_collection(struct reader *r, struct fy_event *event, struct slice anchor)
{
    if (r->depth == JSON_DEPTH_MAX) {
        return refuse(r, event, "nested more than %d deep", JSON_DEPTH_MAX);
    }
    json_t *collection = event->type == FYET_MAPPING_START ? json_object() : json_array();
    int rc = put(r, event, collection);
    r->stack[r->depth++] = (struct frame){
        .collection = collection, .anchor = arena_copy(&r->arena, anchor), .path_len = r->path.len};
    return rc;
}

/* A value, or the start of one. */
static int read_node(struct reader *r, struct fy_event *event)
{
    struct frame *top = r->depth > 0 ? &r->stack[r->depth - 1] : NULL;
    if (top != NULL && json_is_object(top->collection) && !top->has_key) {
        return read_key(r, event, top);
    }
    int rc = count_node(r, event);
    if (rc != 0) {
        return rc;
    }
    if (top != NULL && json_is_array(top->collection) && r->wanted != NULL) {
        r->path.len = top->path_len;
        buf_addf(&r->path, "[%zu]", json_array_size(top->collection));
        note_path(r, event);
    }
    if (event->type == FYET_MAPPING_START || event->type == FYET_SEQUENCE_START) {
        bool mapping = event->type == FYET_MAPPING_START;
        struct fy_token *tag = mapping ? event->mapping_start.tag : event->sequence_start.tag;
        struct fy_token *anchor =
            mapping ? event->mapping_start.anchor : event->sequence_start.anchor;
        if (tag_of(tag) == TAG_UNKNOWN) {
            return refuse_tag(r, event, tag);
        }
        return open_collection(r, event, yaml__token_text(anchor));
    }
    json_t *value = NULL;
    rc = event->type == FYET_ALIAS ? read_alias(r, event, &value) : read_scalar(r, event, &value);
    if (rc != 0) {
        return rc;
    }
    if (event->type == FYET_SCALAR) {
        remember(r, yaml__token_text(event->scalar.anchor), value);
    }
    return put(r, event, value);
}

static void close_collection(struct reader *r)
{
    assert(r->depth > 0);
    struct frame *top = &r->stack[--r->depth];
    remember(r, top->anchor, top->collection);
    r->path.len = top->path_len;
}

static void end_document(struct reader *r)
{
    json_decref(r->root);
    r->root = NULL;
    r->depth = 0;
    r->path.len = 0;
    map_free(&r->anchors);
    arena_free(&r->arena);
}

typedef int (*document_fn)(json_t *document, int line, void *user, struct err *err);

static int on_event(struct reader *r, struct fy_event *event, document_fn each, void *user)
{
    (void)place_of(r, event);
    switch (event->type) {
    case FYET_SCALAR:
    case FYET_ALIAS:
    case FYET_MAPPING_START:
    case FYET_SEQUENCE_START:
        return read_node(r, event);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        close_collection(r);
        return 0;
    case FYET_DOCUMENT_END: {
        int rc = r->root != NULL && !json_is_null(r->root)
                     ? each(r->root, r->root_line, user, r->err)
                     : 0;
        end_document(r);
        return rc;
    }
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_START:
        break;
    }
    return 0;
}

/* The first of libfyaml's complaints, as ours. */
static int syntax_error(struct reader *r)
{
    void *cursor = NULL;
    struct fy_diag_error *first = fy_diag_errors_iterate(r->diag, &cursor);
    if (first == NULL) {
        return err_set(r->err, ERR_INVALID, "%s: malformed YAML", r->name);
    }
    return err_set(r->err, ERR_INVALID, "%s:%d:%d: %s", r->name, first->line, first->column,
                   first->msg);
}

static int start(struct reader *r, struct slice text)
{
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    diag_config.colorize = false;
    r->diag = fy_diag_create(&diag_config);
    if (r->diag == NULL) {
        return err_set(r->err, ERR_INTERNAL, "%s: cannot set up the YAML parser", r->name);
    }
    fy_diag_set_collect_errors(r->diag, true);
    struct fy_parse_cfg config = {
        .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
        .diag = r->diag,
    };
    r->parser = fy_parser_create(&config);
    if (r->parser == NULL || fy_parser_set_string(r->parser, text.data, text.len) != 0) {
        return err_set(r->err, ERR_INTERNAL, "%s: cannot set up the YAML parser", r->name);
    }
    return 0;
}

/* libfyaml lets malformed UTF-8 through. */
static int check_utf8(struct reader *r, struct slice text)
{
    size_t valid = slice_utf8(text);
    if (valid == text.len) {
        return 0;
    }
    int line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < valid; i++) {
        if (text.data[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    return err_set(r->err, ERR_INVALID, "%s:%d:%zu: this is not UTF-8 text", r->name, line,
                   valid - line_start + 1);
}

static int read_all(struct reader *r, struct slice text, document_fn each, void *user)
{
    if (text.len == 0) {
        return 0;
    }
    r->last = (struct place){1, 1};
    r->text = text;
    int rc = check_utf8(r, text);
    if (rc == 0) {
        rc = start(r, text);
    }
    bool ended = false;
    while (rc == 0 && !ended) {
        struct fy_event *event = fy_parser_parse(r->parser);
        if (event == NULL) {
            rc = syntax_error(r);
            break;
        }
        rc = on_event(r, event, each, user);
        ended = event->type == FYET_STREAM_END;
        fy_parser_event_free(r->parser, event);
    }
    end_document(r);
    buf_free(&r->path);
    buf_free(&r->decoded);
    if (r->parser != NULL) {
        fy_parser_destroy(r->parser);
    }
    if (r->diag != NULL) {
        fy_diag_destroy(r->diag);
    }
    return rc;
}

static int each_of(struct slice text, const char *name, size_t nodes_max, document_fn each,
                   void *user, struct err *err)
{
    struct reader *r = mem_zero(sizeof *r);
    r->name = name;
    r->nodes_max = nodes_max;
    r->err = err;
    int rc = read_all(r, text, each, user);
    free(r);
    return rc;
}

int yaml_each(struct slice text, const char *name, document_fn each, void *user, struct err *err)
{
    return each_of(text, name, YAML_NODES_MAX, each, user, err);
}

struct single {
    const char *name;
    json_t *tree;
};

static int keep_one(json_t *document, int line, void *user, struct err *err)
{
    struct single *s = user;
    if (s->tree != NULL) {
        return err_set(err, ERR_INVALID, "%s:%d:1: a second document where one is expected",
                       s->name, line);
    }
    s->tree = json_incref(document);
    return 0;
}

static int parse_one(struct slice text, const char *name, size_t nodes_max, json_t **tree,
                     struct err *err)
{
    struct single s = {.name = name};
    int rc = each_of(text, name, nodes_max, keep_one, &s, err);
    if (rc == 0 && s.tree == NULL) {
        rc = err_set(err, ERR_INVALID, "%s:1:1: empty where a document is expected", name);
    }
    if (rc != 0) {
        json_decref(s.tree);
        s.tree = NULL;
    }
    *tree = s.tree;
    return rc;
}

int yaml_parse(struct slice text, const char *name, json_t **tree, struct err *err)
{
    return parse_one(text, name, YAML_NODES_MAX, tree, err);
}

int yaml_parse_body(struct slice text, const char *name, json_t **tree, struct err *err)
{
    struct err not_json;
    bool maybe = slice_starts_with(slice_trim(text), SLICE("{"));
    int rc = maybe ? json_parse_body(text, tree, &not_json) : ERR_INVALID;
    if (rc == ERR_TOO_LARGE) {
        *err = not_json;
    }
    return rc == ERR_INVALID ? parse_one(text, name, YAML_BODY_NODES_MAX, tree, err) : rc;
}

static int ignore(json_t *document, int line, void *user, struct err *err)
{
    (void)document;
    (void)line;
    (void)user;
    (void)err;
    return 0;
}

int yaml_line_of(struct slice text, const char *path)
{
    struct reader *r = mem_zero(sizeof *r);
    r->name = "";
    r->nodes_max = YAML_NODES_MAX;
    r->wanted = path;
    (void)read_all(r, text, ignore, NULL); /* a malformed rest does not matter to what was found */
    int line = r->found_line;
    free(r);
    return line;
}
