/* settings.c: resolves and checks one context. */
#include "cli/settings.h"

#include <string.h>

#include "base/crypto.h"
#include "base/file.h"

enum { PEM_MAX = 1 << 20 };

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
        rc = file_read(path, PEM_MAX, pem, err);
    }
    return rc;
}

static int add_endpoint(struct settings *s, struct slice url, struct err *err)
{
    if (!slice_starts_with(url, SLICE("https://")) || url.len == 8) {
        return err_set(err, ERR_INVALID, "endpoint \"%.*s\": must be https://HOST:PORT",
                       SLICE_ARG(url));
    }
    if (s->endpoint_count == SETTINGS_ENDPOINTS_MAX) {
        return err_set(err, ERR_INVALID, "more than %d endpoints", SETTINGS_ENDPOINTS_MAX);
    }
    while (slice_ends_with(url, SLICE("/"))) {
        url.len--;
    }
    s->endpoints[s->endpoint_count++] = arena_cstr(&s->arena, url);
    return 0;
}

int settings_read(struct settings *s, const json_t *context, struct err *err)
{
    const json_t *endpoints = json_at(context, "endpoints", NULL);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(endpoints); i++) {
        rc = add_endpoint(s, json_text(json_array_get(endpoints, i)), err);
    }
    s->context = text_at(s, context, "name");
    s->token = text_at(s, context, "token");
    s->ns = text_at(s, context, "namespace");
    rc = rc != 0 ? rc : read_pem(s, context, "certificateAuthority", &s->ca_pem, err);
    rc = rc != 0 ? rc : read_pem(s, context, "clientCertificate", &s->cert_pem, err);
    return rc != 0 ? rc : read_pem(s, context, "clientKey", &s->key_pem, err);
}

static int read_context(struct settings *s, const char *name, struct err *err)
{
    struct contexts *c = &s->contexts;
    name = name != NULL ? name : contexts_current(c);
    if (name == NULL) {
        return err_set(err, ERR_INVALID, "%s: no current-context: choreo context use NAME",
                       c->file);
    }
    const json_t *found = contexts_find(c, name);
    if (found == NULL) {
        return err_set(err, ERR_NOT_FOUND, "%s: no context named %s (choreo context list)", c->file,
                       name);
    }
    int rc = settings_read(s, found, err);
    return rc == 0 ? 0 : err_wrap(err, "%s: context %s", c->file, name);
}

static int replace_endpoints(struct settings *s, const struct args_list *given, struct err *err)
{
    int rc = 0;
    s->endpoint_count = given->count > 0 ? 0 : s->endpoint_count;
    for (size_t i = 0; rc == 0 && i < given->count; i++) {
        rc = add_endpoint(s, slice_of(given->items[i]), err);
    }
    return rc;
}

int settings_load(struct settings *s, const char *file, const char *context,
                  const struct args_list *endpoints, struct err *err)
{
    *s = (struct settings){0};
    int rc = contexts_open(&s->contexts, file, err);
    if (rc == 0 && (s->contexts.found || context != NULL)) {
        rc = read_context(s, context, err);
    } else if (rc == 0 && endpoints->count == 0) {
        rc =
            err_set(err, ERR_NOT_FOUND,
                    file != NULL ? "%s: no such file"
                                 : "no cluster is configured: start one with `choreod dev`, choose "
                                   "one with `choreo login`, or name a file with --config or "
                                   "CHOREO_CONFIG",
                    file);
    }
    rc = rc != 0 ? rc : replace_endpoints(s, endpoints, err);
    if (rc == 0 && s->endpoint_count == 0) {
        rc = err_set(err, ERR_INVALID, "%s: context %s has no endpoints", s->contexts.file,
                     s->context);
    }
    if (s->ns == NULL) {
        s->ns = "default";
    }
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
    contexts_free(&s->contexts);
    arena_free(&s->arena);
}
