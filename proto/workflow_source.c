/* workflow_source.c: a walk over the properties of a schema, and paths into parameters.
 *
 * The walk keeps its own stack: schemas are nested at a client's word. A key with a dot in it can
 * be in no path; nothing below it counts as marked. */
#include "proto/workflow_source.h"

#include "base/str.h"

#define MARK "x-openchoreo-component-parameter-repository-"

static const struct {
    const char *key; /* of a git source */
    const char *mark;
} marks[] = {
    {"repository", MARK "url"}, {"branch", MARK "branch"},        {"commit", MARK "commit"},
    {"path", MARK "app-path"},  {"secretRef", MARK "secret-ref"},
};

enum { MARKS = sizeof(marks) / sizeof(marks[0]) };

struct level {
    json_t *properties;
    void *next;
    size_t path_len; /* of the path that leads here */
};

static const json_t *schema_of(const json_t *workflow)
{
    return json_at(workflow, "spec", "parameters", "openAPIV3Schema", NULL);
}

static size_t push(struct level *levels, size_t depth, const json_t *schema, size_t path_len)
{
    json_t *properties = json_object_get(schema, "properties");
    if (depth == WORKFLOW_SOURCE_DEPTH_MAX || json_object_size(properties) == 0) {
        return depth;
    }
    levels[depth] = (struct level){properties, json_object_iter(properties), path_len};
    return depth + 1;
}

static void note(json_t *paths, const json_t *schema, struct slice path)
{
    for (size_t i = 0; path.len <= WORKFLOW_SOURCE_PATH_MAX && i < MARKS; i++) {
        if (json_is_true(json_object_get(schema, marks[i].mark)) &&
            json_object_get(paths, marks[i].key) == NULL) {
            json_object_set_new(paths, marks[i].key, json_str(path));
        }
    }
}

json_t *workflow_source_paths(const json_t *workflow)
{
    struct level levels[WORKFLOW_SOURCE_DEPTH_MAX];
    struct buf path = {0};
    json_t *paths = json_object();
    size_t depth = push(levels, 0, schema_of(workflow), 0);
    while (depth > 0) {
        struct level *l = &levels[depth - 1];
        if (l->next == NULL) {
            depth--;
            continue;
        }
        struct slice key = slice_of(json_object_iter_key(l->next));
        const json_t *schema = json_object_iter_value(l->next);
        l->next = json_object_iter_next(l->properties, l->next);
        path.len = l->path_len;
        if (slice_find(key, SLICE(".")) == SIZE_MAX) {
            buf_addf(&path, "%s%.*s", path.len > 0 ? "." : "", SLICE_ARG(key));
            note(paths, schema, buf_slice(&path));
            depth = push(levels, depth, schema, path.len);
        }
    }
    buf_free(&path);
    if (json_object_get(paths, "repository") == NULL) {
        json_decref(paths);
        return NULL;
    }
    return paths;
}

/* What lies at path; within a schema, each step goes over its properties. */
static json_t *find(const json_t *tree, struct slice path, bool is_schema)
{
    struct slice key;
    while (tree != NULL && slice_split(&path, '.', &key)) {
        tree = is_schema ? json_object_get(tree, "properties") : tree;
        tree = json_object_getn(tree, key.data, key.len);
    }
    return (json_t *)(uintptr_t)tree;
}

json_t *workflow_source_read(const json_t *workflow, const json_t *parameters)
{
    json_t *paths = workflow_source_paths(workflow);
    json_t *git = json_object();
    for (size_t i = 0; paths != NULL && i < MARKS; i++) {
        struct slice path = json_text_at(paths, marks[i].key);
        const json_t *said = path.len > 0 ? find(parameters, path, false) : NULL;
        if (said == NULL && path.len > 0) {
            said = json_object_get(find(schema_of(workflow), path, true), "default");
        }
        struct slice text = json_text(said);
        if (text.len > 0 && text.len <= WORKFLOW_SOURCE_VALUE_MAX) {
            json_object_set_new(git, marks[i].key, json_str(text));
        }
    }
    json_decref(paths);
    if (json_object_get(git, "repository") == NULL) {
        json_decref(git);
        return NULL;
    }
    return json_pack("{s:o}", "git", git);
}

/* A component may be given paths by anybody who writes it: none makes a tree that is too deep. */
static bool is_shallow(struct slice path)
{
    size_t keys = 0;
    struct slice key;
    while (keys <= WORKFLOW_SOURCE_DEPTH_MAX && slice_split(&path, '.', &key)) {
        keys++;
    }
    return keys <= WORKFLOW_SOURCE_DEPTH_MAX;
}

/* Sets (or, value empty, takes away) the parameter at path. What is in the way and no object stays.
 */
static void set(json_t *parameters, struct slice path, struct slice value)
{
    struct slice key = {0};
    json_t *into = parameters;
    (void)slice_split(&path, '.', &key);
    for (struct slice next; json_is_object(into) && slice_split(&path, '.', &next); key = next) {
        json_t *child = json_object_getn(into, key.data, key.len);
        if (child == NULL && value.len > 0) {
            child = json_object();
            (void)json_object_setn_new(into, key.data, key.len, child);
        }
        into = child;
    }
    if (!json_is_object(into)) {
        return;
    }
    if (value.len > 0) {
        (void)json_object_setn_new(into, key.data, key.len, json_str(value));
    } else {
        (void)json_object_deln(into, key.data, key.len);
    }
}

void workflow_source_write(json_t *parameters, const json_t *paths, const json_t *git)
{
    static const char *const keys[] = {"branch", "commit"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct slice path = json_text_at(paths, keys[i]);
        if (path.len > 0 && is_shallow(path)) {
            set(parameters, path, json_text_at(git, keys[i]));
        }
    }
}
