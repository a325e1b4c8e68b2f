/* fn_url.c: URLs, as Kubernetes' rules know them: an absolute URI, or an absolute path, read as
 * Go's net/url reads the target of a request.
 *
 *   scheme ":" opaque | [scheme ":"] ["//" [user "@"] host [":" port]] path ["?" query] */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "render/cel/kubernetes.h"

struct url {
    struct cel_opaque opaque;
    struct slice text; /* as it was written */
    struct slice scheme;
    struct slice host; /* with its port and brackets */
    struct slice path;
    struct slice query;
};

static bool same(const struct cel_opaque *a, const struct cel_opaque *b)
{
    return slice_eq(((const struct url *)a)->text, ((const struct url *)b)->text);
}

static const struct cel_opaque_type url_type = {{"kubernetes.URL", 14}, same};

/* ---- parsing ---- */

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* Every '%' is followed by two digits. */
static bool escapes_are_whole(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '%' &&
            (i + 2 >= s.len || hex_digit(s.data[i + 1]) < 0 || hex_digit(s.data[i + 2]) < 0)) {
            return false;
        }
    }
    return true;
}

static bool is_port(struct slice s) /* "", ":", ":80" */
{
    for (size_t i = 1; i < s.len; i++) {
        if (!isdigit((unsigned char)s.data[i])) {
            return false;
        }
    }
    return s.len == 0 || s.data[0] == ':';
}

static size_t last_of(struct slice s, char c)
{
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < s.len; i++) {
        at = s.data[i] == c ? i : at;
    }
    return at;
}

static const char *parse_host(struct slice host)
{
    static const char never[] = " \"<>\\^`{|}/?#@";
    if (slice_starts_with(host, SLICE("["))) {
        size_t close = last_of(host, ']');
        return close == SIZE_MAX                                ? "']' is missing in the host"
               : !is_port(slice_sub(host, close + 1, SIZE_MAX)) ? "the port is no number"
                                                                : NULL;
    }
    for (size_t i = 0; i < host.len; i++) {
        if (strchr(never, host.data[i]) != NULL) {
            return "the host holds a character that no host has";
        }
    }
    size_t colon = last_of(host, ':');
    if (colon != SIZE_MAX && !is_port(slice_sub(host, colon, SIZE_MAX))) {
        return "the port is no number";
    }
    return escapes_are_whole(host) ? NULL : "an escape is not whole";
}

static const char *parse_authority(struct url *url, struct slice authority)
{
    size_t at = last_of(authority, '@');
    struct slice user = slice_sub(authority, 0, at != SIZE_MAX ? at : 0);
    for (size_t i = 0; i < user.len; i++) {
        if (!isalnum((unsigned char)user.data[i]) &&
            strchr("-._:~!$&'()*+,;=%@", user.data[i]) == NULL) {
            return "the user holds a character that must be escaped";
        }
    }
    url->host = at != SIZE_MAX ? slice_sub(authority, at + 1, SIZE_MAX) : authority;
    return escapes_are_whole(user) ? parse_host(url->host) : "an escape is not whole";
}

/* Cuts "https:" off. */
static const char *parse_scheme(struct slice *rest, struct slice *scheme)
{
    size_t i = 0;
    while (i < rest->len &&
           (isalpha((unsigned char)rest->data[i]) ||
            (i > 0 && (isdigit((unsigned char)rest->data[i]) ||
                       (rest->data[i] != '\0' && strchr("+-.", rest->data[i]) != NULL))))) {
        i++;
    }
    if (i < rest->len && rest->data[i] == ':') {
        *scheme = slice_sub(*rest, 0, i);
        *rest = slice_sub(*rest, i + 1, SIZE_MAX);
        return i > 0 ? NULL : "the scheme is missing";
    }
    return NULL;
}

static const char *parse(struct slice text, struct url *url)
{
    *url = (struct url){.opaque = {&url_type}, .text = text};
    struct slice rest = text;
    if (text.len == 0) {
        return "it is empty";
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f) {
            return "it holds a control character";
        }
    }
    const char *why = parse_scheme(&rest, &url->scheme);
    size_t mark = slice_find(rest, SLICE("?"));
    if (mark != SIZE_MAX) {
        url->query = slice_sub(rest, mark + 1, SIZE_MAX);
        rest = slice_sub(rest, 0, mark);
    }
    if (why != NULL || (!slice_starts_with(rest, SLICE("/")) && url->scheme.len > 0)) {
        return why; /* "mailto:me": neither host nor path */
    }
    if (!slice_starts_with(rest, SLICE("/"))) {
        return "it is neither an absolute URI nor an absolute path";
    }
    if (url->scheme.len > 0 && slice_starts_with(rest, SLICE("//"))) {
        rest = slice_sub(rest, 2, SIZE_MAX);
        size_t slash = slice_find(rest, SLICE("/"));
        struct slice authority = slice_sub(rest, 0, slash);
        rest = slice_sub(rest, authority.len, SIZE_MAX);
        why = parse_authority(url, authority);
    }
    url->path = rest;
    return why != NULL               ? why
           : escapes_are_whole(rest) ? NULL
                                     : "an escape of the path is not whole";
}

CEL_FN(cel_fn_url)
{
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "url", args, count);
    }
    struct url *url = ARENA_NEW(ctx->arena, struct url);
    const char *why = parse(args[0].as.text, url);
    *out = cel_opaque(&url->opaque);
    return (why == NULL || cel_fail(ctx, "url(\"%.*s\"): %s",
                                    SLICE_ARG(slice_sub(args[0].as.text, 0, 100)), why)) &&
           cel_charge_bytes(ctx, args[0].as.text.len);
}

CEL_FN(cel_fn_is_url)
{
    struct url url;
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "isURL", args, count);
    }
    *out = cel_bool(parse(args[0].as.text, &url) == NULL);
    return cel_charge_bytes(ctx, args[0].as.text.len);
}

/* ---- its parts ---- */

static const struct url *url_of(struct cel_ctx *ctx, const char *name, const struct cel_value *args)
{
    if (!cel_is_opaque(args[0], &url_type)) {
        cel_no_overload(ctx, name, args, 1);
        return NULL;
    }
    const struct url *url = (const struct url *)args[0].as.opaque;
    return cel_charge_bytes(ctx, url->text.len) ? url : NULL;
}

CEL_FN(cel_fn_url_scheme)
{
    const struct url *url = url_of(ctx, "getScheme", args);
    (void)count;
    if (url == NULL) {
        return false;
    }
    char *lower = arena_cstr(ctx->arena, url->scheme);
    for (char *p = lower; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    *out = cel_string(slice_of(lower));
    return true;
}

CEL_FN(cel_fn_url_host)
{
    const struct url *url = url_of(ctx, "getHost", args);
    (void)count;
    *out = cel_string(url != NULL ? url->host : SLICE(""));
    return url != NULL;
}

/* "[::1]:80" to "::1" and "80". */
static void split_host(struct slice host, struct slice *name, struct slice *port)
{
    bool six = slice_starts_with(host, SLICE("["));
    size_t end = six ? last_of(host, ']') : last_of(host, ':');
    *name = six ? slice_sub(host, 1, end - 1) : slice_sub(host, 0, end);
    *port = end != SIZE_MAX ? slice_sub(host, end + (six ? 2 : 1), SIZE_MAX) : SLICE("");
}

CEL_FN(cel_fn_url_hostname)
{
    const struct url *url = url_of(ctx, "getHostname", args);
    struct slice name = {0};
    struct slice port;
    (void)count;
    if (url != NULL) {
        split_host(url->host, &name, &port);
    }
    *out = cel_string(name);
    return url != NULL;
}

CEL_FN(cel_fn_url_port)
{
    const struct url *url = url_of(ctx, "getPort", args);
    struct slice name;
    struct slice port = {0};
    (void)count;
    if (url != NULL) {
        split_host(url->host, &name, &port);
    }
    *out = cel_string(port);
    return url != NULL;
}

/* As it was written; what must be escaped is. */
CEL_FN(cel_fn_url_path)
{
    const struct url *url = url_of(ctx, "getEscapedPath", args);
    struct buf text = {0};
    (void)count;
    for (size_t i = 0; url != NULL && i < url->path.len; i++) {
        unsigned char c = (unsigned char)url->path.data[i];
        if (isalnum(c) || (c != '\0' && strchr("-._~!$&'()*+,;=:@[]/%", c) != NULL)) {
            buf_add_char(&text, (char)c);
        } else {
            buf_addf(&text, "%%%02X", c);
        }
    }
    *out = cel_string(arena_copy(ctx->arena, buf_slice(&text)));
    buf_free(&text);
    return url != NULL;
}

/* ---- the query: a map of lists ---- */

/* False for an escape that is not whole, or what is no UTF-8. */
static bool unescape(struct arena *arena, struct slice raw, struct slice *out)
{
    char *text = arena_alloc(arena, raw.len + 1);
    size_t len = 0;
    if (!escapes_are_whole(raw)) {
        return false;
    }
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] == '%') {
            text[len++] = (char)(hex_digit(raw.data[i + 1]) << 4 | hex_digit(raw.data[i + 2]));
            i += 2;
        } else {
            text[len++] = raw.data[i] == '+' ? ' ' : raw.data[i];
        }
    }
    *out = slice_make(text, len);
    return slice_utf8(*out) == len;
}

struct param {
    struct slice name;
    struct slice value;
    bool taken;
};

/* Those that cannot be read are left out, as Go does. */
static struct param *read_params(struct cel_ctx *ctx, struct slice query, size_t *count)
{
    size_t most = 1;
    struct slice one;
    for (size_t i = 0; i < query.len; i++) {
        most += query.data[i] == '&' ? 1 : 0;
    }
    struct param *params = arena_zero(ctx->arena, most * sizeof *params);
    *count = 0;
    while (slice_split(&query, '&', &one)) {
        size_t equal = slice_find(one, SLICE("="));
        struct slice value = equal != SIZE_MAX ? slice_sub(one, equal + 1, SIZE_MAX) : SLICE("");
        struct param *p = &params[*count];
        if (one.len > 0 && slice_find(one, SLICE(";")) == SIZE_MAX &&
            unescape(ctx->arena, slice_sub(one, 0, equal), &p->name) &&
            unescape(ctx->arena, value, &p->value)) {
            (*count)++;
        }
    }
    return params;
}

CEL_FN(cel_fn_url_query)
{
    const struct url *url = url_of(ctx, "getQuery", args);
    size_t entries = 0;
    (void)count;
    if (url == NULL) {
        return false;
    }
    size_t n = 0;
    struct param *params = read_params(ctx, url->query, &n);
    struct cel_entry *map = arena_alloc(ctx->arena, (n + 1) * sizeof *map);
    for (size_t i = 0; i < n; i++) {
        if (params[i].taken) {
            continue;
        }
        struct cel_value *values = arena_alloc(ctx->arena, (n - i) * sizeof *values);
        size_t same_name = 0;
        if (!cel_charge(ctx, n - i)) {
            return false;
        }
        for (size_t k = i; k < n; k++) {
            if (slice_eq(params[k].name, params[i].name)) {
                params[k].taken = true;
                values[same_name++] = cel_string(params[k].value);
            }
        }
        map[entries].key = cel_string(params[i].name);
        map[entries++].value = cel_list_of(ctx->arena, values, same_name);
    }
    *out = cel_map_of(ctx->arena, map, entries);
    return true;
}
