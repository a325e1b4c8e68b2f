/* settings.c: finds, reads and checks the file of contexts. */
#include "cli/settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/yaml.h"

enum { FILE_MAX = 1 << 20 };

static const char *find_file(struct settings *s, const char *given)
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
        arena_printf(&s->arena, "%s/.config/choreo/config.yaml", home != NULL ? home : "");
    if (access(own, F_OK) == 0) {
        return own;
    }
    static const char dev[] = ".choreod/choreo.yaml";
    return access(dev, F_OK) == 0 ? dev : NULL;
}

static const json_t *find_context(const json_t *tree, const char *name)
{
    const json_t *contexts = json_at(tree, "contexts", NULL);
    for (size_t i = 0; i < json_array_size(contexts); i++) {
        const json_t *context = json_array_get(contexts, i);
        if (slice_eq_cstr(json_text_at(context, "name"), name)) {
            return context;
        }
    }
    return NULL;
}

static const char *text_at(struct settings *s, const json_t *context, const char *key)
{
    struct slice text = json_text_at(context, key);
    return text.len > 0 ? arena_cstr(&s->arena, text) : NULL;
}

/* KEY is a path, KEY + "Data" the same in base64. */
static int read_pem(struct settings *s, const json_t *context, const char *key, struct buf *pem,
                    struct err *err)
{
    const char *data_key = arena_printf(&s->arena, "%sData", key);
    const char *path = text_at(s, context, key);
    const char *data = text_at(s, context, data_key);
    int rc = 0;
    if (data != NULL && !base64_decode(pem, slice_of(data))) {
        rc = err_set(err, ERR_INVALID, "%s: not base64", data_key);
    } else if (data == NULL && path != NULL) {
        rc = file_read(path, FILE_MAX, pem, err);
    }
    return rc;
}

static bool is_endpoint(struct slice url)
{
    return slice_starts_with(url, SLICE("https://")); /* a token is never sent in the clear */
}

static int read_context(struct settings *s, const json_t *context, struct err *err)
{
    const json_t *endpoints = json_at(context, "endpoints", NULL);
    for (size_t i = 0; i < json_array_size(endpoints) && i < SETTINGS_ENDPOINTS_MAX; i++) {
        struct slice url = json_text(json_array_get(endpoints, i));
        if (!is_endpoint(url)) {
            return err_set(err, ERR_INVALID, "endpoints[%zu]: must be https://HOST:PORT", i);
        }
        s->endpoints[s->endpoint_count++] = arena_cstr(&s->arena, url);
    }
    s->token = text_at(s, context, "token");
    s->ns = text_at(s, context, "namespace");
    int rc = read_pem(s, context, "certificateAuthority", &s->ca_pem, err);
    rc = rc != 0 ? rc : read_pem(s, context, "clientCertificate", &s->cert_pem, err);
    return rc != 0 ? rc : read_pem(s, context, "clientKey", &s->key_pem, err);
}

static int parse_file(struct settings *s, struct err *err)
{
    struct buf text = {0};
    int rc = file_read(s->file, FILE_MAX, &text, err);
    rc = rc != 0 ? rc : yaml_parse(buf_slice(&text), s->file, &s->tree, err);
    buf_free(&text);
    if (rc == 0) {
        s->context = text_at(s, s->tree, "current-context");
    }
    return rc;
}

static int no_file(struct err *err)
{
    return err_set(err, ERR_NOT_FOUND,
                   "no cluster is configured: start one with `choreod dev`, or name a file with "
                   "--config or CHOREO_CONFIG");
}

static int read_file(struct settings *s, const char *context, struct err *err)
{
    int rc = parse_file(s, err);
    if (rc != 0) {
        return rc;
    }
    s->context = context != NULL ? context : s->context;
    if (s->context == NULL) {
        return err_set(err, ERR_INVALID, "%s: no current-context: choreo context use NAME",
                       s->file);
    }
    const json_t *found = find_context(s->tree, s->context);
    if (found == NULL) {
        return err_set(err, ERR_NOT_FOUND, "%s: no context named %s (choreo context)", s->file,
                       s->context);
    }
    rc = read_context(s, found, err);
    return rc == 0 ? 0 : err_wrap(err, "%s: context %s", s->file, s->context);
}

int settings_load(struct settings *s, const char *file, const char *context, const char *endpoint,
                  struct err *err)
{
    *s = (struct settings){0};
    s->file = find_file(s, file);
    int rc = 0;
    if (endpoint != NULL && !is_endpoint(slice_of(endpoint))) {
        rc = err_set(err, ERR_INVALID, "--endpoint %s: must be https://HOST:PORT", endpoint);
    } else if (s->file != NULL) {
        rc = read_file(s, context, err);
    } else if (endpoint == NULL) {
        rc = no_file(err);
    }
    if (rc == 0 && endpoint != NULL) {
        s->endpoints[0] = endpoint;
        s->endpoint_count = 1;
    }
    if (rc == 0 && s->endpoint_count == 0) {
        rc = err_set(err, ERR_INVALID, "%s: context %s has no endpoints", s->file, s->context);
    }
    if (s->ns == NULL) {
        s->ns = "default";
    }
    if (rc != 0) {
        settings_free(s);
    }
    return rc;
}

int settings_open(struct settings *s, const char *file, struct err *err)
{
    *s = (struct settings){0};
    s->file = find_file(s, file);
    int rc = s->file != NULL ? parse_file(s, err) : no_file(err);
    if (rc != 0) {
        settings_free(s);
    }
    return rc;
}

void settings_free(struct settings *s)
{
    buf_free(&s->ca_pem);
    buf_free(&s->cert_pem);
    buf_free(&s->key_pem);
    json_decref(s->tree);
    s->tree = NULL;
    arena_free(&s->arena);
}

int settings_use(struct settings *s, const char *context, struct err *err)
{
    if (find_context(s->tree, context) == NULL) {
        return err_set(err, ERR_NOT_FOUND, "%s: no context named %s", s->file, context);
    }
    struct buf text = {0};
    json_object_set_new(s->tree, "current-context", json_string(context));
    yaml_emit(s->tree, &text);
    int rc = file_write(s->file, buf_slice(&text), 0600, err);
    buf_free(&text);
    return rc;
}

void settings_contexts(const struct settings *s, struct args_list *names)
{
    const json_t *contexts = json_at(s->tree, "contexts", NULL);
    for (size_t i = 0; i < json_array_size(contexts) && names->count < ARGS_LIST_MAX; i++) {
        const json_t *name = json_at(json_array_get(contexts, i), "name", NULL);
        if (json_is_string(name)) {
            names->items[names->count++] = json_string_value(name);
        }
    }
}
