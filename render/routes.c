/* routes.c: OpenAPI by its tree, .proto by its words.
 *
 * Of a .proto only "package P;" and "service S { rpc M (...) ... }" matter, so words, punctuation
 * and quoted texts are told apart, comments skipped, and braces counted; a file whose braces do not
 * match has no routes. */
#include "render/routes.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/yaml.h"

enum { NAME_MAX_BYTES = 1024 }; /* of a path or a service: routes take no longer ones */

enum language { LANGUAGE_NONE, LANGUAGE_OPENAPI, LANGUAGE_PROTO };

static enum language language_of(const json_t *endpoint)
{
    static const struct {
        const char *name;
        enum language language;
    } names[] = {
        {"openapi", LANGUAGE_OPENAPI}, {"openapiv3", LANGUAGE_OPENAPI}, {"oas", LANGUAGE_OPENAPI},
        {"oas3", LANGUAGE_OPENAPI},    {"swagger", LANGUAGE_OPENAPI},   {"proto", LANGUAGE_PROTO},
        {"protobuf", LANGUAGE_PROTO},  {"grpc", LANGUAGE_PROTO},
    };
    struct slice said = slice_trim(json_text(json_at(endpoint, "schema", "type", NULL)));
    struct slice type = json_text_at(endpoint, "type");
    for (size_t i = 0; said.len > 0 && i < sizeof names / sizeof *names; i++) {
        if (said.len == strlen(names[i].name) &&
            strncasecmp(said.data, names[i].name, said.len) == 0) {
            return names[i].language;
        }
    }
    return said.len > 0                  ? LANGUAGE_NONE
           : slice_eq_cstr(type, "HTTP") ? LANGUAGE_OPENAPI
           : slice_eq_cstr(type, "gRPC") ? LANGUAGE_PROTO
                                         : LANGUAGE_NONE;
}

static void add(json_t *routes, const char *kind, const char *of, struct slice owner,
                struct slice method)
{
    bool fits = owner.len <= NAME_MAX_BYTES && method.len <= NAME_MAX_BYTES;
    if (fits && json_array_size(routes) < ROUTES_MAX) {
        json_array_append_new(routes, json_pack("{s:s, s:o, s:o}", "kind", kind, of,
                                                json_str(owner), "method", json_str(method)));
    }
}

static void from_openapi(struct slice content, json_t *routes)
{
    static const char *const methods[][2] = {
        {"connect", "CONNECT"}, {"delete", "DELETE"},   {"get", "GET"},
        {"head", "HEAD"},       {"options", "OPTIONS"}, {"patch", "PATCH"},
        {"post", "POST"},       {"put", "PUT"},         {"trace", "TRACE"}};
    json_t *document = NULL;
    const char *path;
    json_t *item;
    if (yaml_parse_body(content, "schema", &document, NULL) != 0) {
        return;
    }
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
            if (json_is_object(json_object_get(item, methods[i][0]))) {
                add(routes, "HTTP", "path", slice_of(path), slice_of(methods[i][1]));
            }
        }
    }
    json_decref(document);
}

/* ---- .proto ---- */

struct words {
    struct slice text;
    size_t at;
};

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

/* Past a comment that starts here; where it is, if none does. */
static size_t past_comment(struct slice text, size_t at)
{
    struct slice rest = slice_sub(text, at, SIZE_MAX);
    bool line = slice_starts_with(rest, SLICE("//"));
    if (!line && !slice_starts_with(rest, SLICE("/*"))) {
        return at;
    }
    size_t end = slice_find(rest, line ? SLICE("\n") : SLICE("*/"));
    return end == SIZE_MAX ? text.len : at + end + (line ? 1 : 2);
}

/* The next word, quoted text, or single character; empty at the end. */
static struct slice next_word(struct words *w)
{
    struct slice text = w->text;
    size_t start = w->at;
    for (size_t at = start;; start = at) {
        while (at < text.len && strchr(" \t\r\n\f\v", text.data[at]) != NULL) {
            at++;
        }
        at = past_comment(text, at);
        if (at == start) {
            break;
        }
    }
    size_t end = start;
    if (start < text.len && (text.data[start] == '"' || text.data[start] == '\'')) {
        for (end++; end < text.len && text.data[end] != text.data[start]; end++) {
            end += text.data[end] == '\\' ? 1 : 0;
        }
        end = end < text.len ? end + 1 : text.len;
    } else if (start < text.len && !in_word(text.data[start])) {
        end++;
    }
    while (end < text.len && in_word(text.data[start]) && in_word(text.data[end])) {
        end++;
    }
    w->at = end;
    return slice_sub(text, start, end - start);
}

static void from_proto(struct slice content, json_t *routes)
{
    struct words w = {.text = content};
    struct arena arena = {0};
    struct slice package = {0};
    struct slice service = {0};
    int depth = 0;
    for (struct slice word = next_word(&w); word.len > 0; word = next_word(&w)) {
        if (slice_eq_cstr(word, "{")) {
            depth++;
        } else if (slice_eq_cstr(word, "}")) {
            depth--;
            service = depth == 0 ? SLICE("") : service;
        } else if (depth == 0 && slice_eq_cstr(word, "package")) {
            package = next_word(&w);
        } else if (depth == 0 && slice_eq_cstr(word, "service")) {
            service = next_word(&w);
            if (package.len + service.len >= NAME_MAX_BYTES) {
                service = SLICE("");
            } else if (package.len > 0) {
                service = slice_of(
                    arena_printf(&arena, "%.*s.%.*s", SLICE_ARG(package), SLICE_ARG(service)));
            }
        } else if (depth == 1 && service.len > 0 && slice_eq_cstr(word, "rpc")) {
            add(routes, "gRPC", "service", service, next_word(&w));
        }
    }
    if (depth != 0) {
        json_array_clear(routes);
    }
    arena_free(&arena);
}

static int by_order(const void *a, const void *b)
{
    static const char *const keys[] = {"service", "path", "method"};
    int order = 0;
    for (size_t i = 0; order == 0 && i < sizeof keys / sizeof *keys; i++) {
        order = slice_cmp(json_text_at(*(json_t *const *)a, keys[i]),
                          json_text_at(*(json_t *const *)b, keys[i]));
    }
    return order;
}

json_t *routes_of(const json_t *endpoint)
{
    struct slice content = json_text(json_at(endpoint, "schema", "content", NULL));
    enum language language = language_of(endpoint);
    json_t *routes = json_array();
    if (language == LANGUAGE_OPENAPI && slice_trim(content).len > 0) {
        from_openapi(content, routes);
    } else if (language == LANGUAGE_PROTO) {
        from_proto(content, routes);
    }
    size_t count = json_array_size(routes);
    json_t **sorted = mem_alloc((count + 1) * sizeof *sorted);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = json_incref(json_array_get(routes, i));
    }
    qsort(sorted, count, sizeof *sorted, by_order);
    json_array_clear(routes);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(routes, sorted[i]);
    }
    free(sorted);
    return routes;
}
