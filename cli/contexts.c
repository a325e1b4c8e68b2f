/* contexts.c: finds, reads, edits and writes the file of contexts. */
#include "cli/contexts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"

enum { FILE_MAX = 1 << 20 };

static const char *find_file(struct contexts *c, const char *given)
{
    if (given != NULL) {
        return given;
    }
    const char *environment = getenv("CHOREO_CONFIG"); // NOLINT(concurrency-mt-unsafe)
    if (environment != NULL && *environment != '\0') {
        return environment;
    }
    const char *home = getenv("HOME"); // NOLINT(concurrency-mt-unsafe)
    const char *own =
        arena_printf(&c->arena, "%s/.config/choreo/config.yaml", home != NULL ? home : "");
    static const char dev[] = ".choreod/choreo.yaml";
    return access(own, F_OK) != 0 && access(dev, F_OK) == 0 ? dev : own;
}

int contexts_open(struct contexts *c, const char *given, struct err *err)
{
    struct buf text = {0};
    *c = (struct contexts){0};
    c->file = find_file(c, given);
    int rc = file_read(c->file, FILE_MAX, &text, err);
    c->found = rc == 0;
    if (rc == 0 && slice_trim(buf_slice(&text)).len > 0) {
        rc = yaml_parse(buf_slice(&text), c->file, &c->tree, err);
        if (rc == 0 && !json_is_object(c->tree)) {
            rc = err_set(err, ERR_INVALID, "%s: not a file of contexts", c->file);
        }
    } else if (rc == 0 || rc == ERR_NOT_FOUND) {
        c->tree = json_object();
        rc = 0;
    }
    buf_free(&text);
    if (rc != 0) {
        contexts_free(c);
    }
    return rc;
}

void contexts_free(struct contexts *c)
{
    json_decref(c->tree);
    c->tree = NULL;
    arena_free(&c->arena);
}

int contexts_save(struct contexts *c, struct err *err)
{
    struct buf text = {0};
    const char *slash = strrchr(c->file, '/');
    int rc = 0;
    if (!c->found && slash != NULL && slash != c->file) {
        const char *dir = arena_cstr(&c->arena, slice_make(c->file, (size_t)(slash - c->file)));
        rc = file_make_dir(dir, 0700, err);
    }
    yaml_emit(c->tree, &text);
    rc = rc != 0 ? rc : file_write(c->file, buf_slice(&text), 0600, err);
    buf_free(&text);
    return rc;
}

const char *contexts_current(const struct contexts *c)
{
    return json_string_value(json_at(c->tree, "current-context", NULL));
}

json_t *contexts_list(const struct contexts *c)
{
    json_t *list = json_object_get(c->tree, "contexts");
    return json_is_array(list) ? list : NULL;
}

static size_t index_of(const struct contexts *c, const char *name)
{
    const json_t *list = contexts_list(c);
    size_t i = 0;
    while (i < json_array_size(list) &&
           !slice_eq_cstr(json_text_at(json_array_get(list, i), "name"), name)) {
        i++;
    }
    return i;
}

json_t *contexts_find(const struct contexts *c, const char *name)
{
    return json_array_get(contexts_list(c), index_of(c, name));
}

json_t *contexts_need(struct contexts *c, const char *name)
{
    json_t *context = contexts_find(c, name);
    if (context == NULL) {
        if (contexts_list(c) == NULL) {
            json_object_set_new(c->tree, "contexts", json_array());
        }
        context = json_pack("{s:s}", "name", name);
        json_array_append_new(contexts_list(c), context);
    }
    if (contexts_current(c) == NULL) {
        json_object_set_new(c->tree, "current-context", json_string(name));
    }
    return context;
}

static int not_there(const struct contexts *c, const char *name, struct err *err)
{
    struct buf names = {0};
    for (size_t i = 0; i < json_array_size(contexts_list(c)); i++) {
        buf_addf(&names, "%s%.*s", i > 0 ? ", " : "",
                 SLICE_ARG(json_text_at(json_array_get(contexts_list(c), i), "name")));
    }
    int rc = err_set(err, ERR_NOT_FOUND, "%s: no context named %s (there %s%s)", c->file, name,
                     names.len > 0 ? "are: " : "is none", names.len > 0 ? buf_cstr(&names) : "");
    buf_free(&names);
    return rc;
}

int contexts_use(struct contexts *c, const char *name, struct err *err)
{
    if (contexts_find(c, name) == NULL) {
        return not_there(c, name, err);
    }
    json_object_set_new(c->tree, "current-context", json_string(name));
    return 0;
}

int contexts_remove(struct contexts *c, const char *name, struct err *err)
{
    if (contexts_find(c, name) == NULL) {
        return not_there(c, name, err);
    }
    const char *current = contexts_current(c);
    json_array_remove(contexts_list(c), index_of(c, name));
    if (current != NULL && strcmp(current, name) == 0) {
        (void)json_object_del(c->tree, "current-context");
    }
    return 0;
}
