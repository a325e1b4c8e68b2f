/* git_url.c: one parser for URLs, for scp's form (user@host:path), and for bare host/path.
 *
 * What stands before an @ is dropped for ssh, where it is the name of an account that everybody
 * uses; over http it would be a secret in an object that many may read, so it is refused. */
#include "base/git_url.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The bytes that a host, or a path that is sent as it is, may have. */
static bool is_host_byte(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_';
}

static bool is_path_byte(char c)
{
    return c > ' ' && c < 0x7f && strchr("?#\"<>\\^`{|}", c) == NULL;
}

static bool valid_host(struct slice host)
{
    bool six = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    if (host.len == 0 || host.len > 253) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        bool bracket = six && (i == 0 || i == host.len - 1);
        bool hex = six && (isxdigit((unsigned char)host.data[i]) || host.data[i] == ':' ||
                           host.data[i] == '.');
        if (!bracket && !(six ? hex : is_host_byte(host.data[i]))) {
            return false;
        }
    }
    return true;
}

static bool valid_path(struct slice path)
{
    struct slice rest = path;
    struct slice part;
    for (size_t i = 0; i < path.len; i++) {
        if (!is_path_byte(path.data[i])) {
            return false;
        }
    }
    while (slice_split(&rest, '/', &part)) {
        if (slice_eq_cstr(part, "..") || slice_eq_cstr(part, ".")) {
            return false;
        }
    }
    return path.len > 0;
}

static struct slice lower(struct arena *arena, struct slice s)
{
    char *copy = arena_cstr(arena, s);
    for (size_t i = 0; i < s.len; i++) {
        copy[i] = (char)tolower((unsigned char)copy[i]);
    }
    return slice_make(copy, s.len);
}

static struct slice strip_slashes(struct slice path)
{
    while (path.len > 0 && path.data[0] == '/') {
        path = slice_sub(path, 1, SIZE_MAX);
    }
    while (path.len > 0 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    return path;
}

/* host[:port]; a colon inside brackets is the address's. */
static bool read_host(struct slice authority, struct arena *arena, struct git_url *out)
{
    size_t from = slice_find(authority, SLICE("]"));
    from = from == SIZE_MAX ? 0 : from;
    size_t colon = slice_find(slice_sub(authority, from, SIZE_MAX), SLICE(":"));
    struct slice host = authority;
    if (colon != SIZE_MAX) {
        uint64_t port;
        host = slice_sub(authority, 0, from + colon);
        if (!slice_u64(slice_sub(authority, from + colon + 1, SIZE_MAX), &port) || port == 0 ||
            port > UINT16_MAX) {
            return false;
        }
        out->port = (uint32_t)port;
    }
    static const uint32_t usual[] = {[GIT_HTTPS] = 443, [GIT_HTTP] = 80, [GIT_SSH] = 22};
    out->port = out->port == usual[out->scheme] ? 0 : out->port;
    out->host = lower(arena, host);
    return valid_host(host);
}

static struct slice cut_scheme(struct slice text, struct git_url *out, bool *named)
{
    static const struct {
        const char *prefix;
        enum git_scheme scheme;
    } schemes[] = {{"https://", GIT_HTTPS},
                   {"http://", GIT_HTTP},
                   {"ssh://", GIT_SSH},
                   {"git+ssh://", GIT_SSH}};
    *named = false;
    out->scheme = GIT_HTTPS;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = strlen(schemes[i].prefix);
        if (text.len > len && strncasecmp(text.data, schemes[i].prefix, len) == 0) {
            *named = true;
            out->scheme = schemes[i].scheme;
            return slice_sub(text, len, SIZE_MAX);
        }
    }
    return text;
}

int git_url_parse(struct slice text, struct arena *arena, struct git_url *out, struct err *err)
{
    bool named;
    *out = (struct git_url){0};
    text = slice_trim(text);
    if (text.len == 0 || text.len > GIT_URL_MAX) {
        return err_set(err, ERR_INVALID, "it is empty, or longer than %d bytes", GIT_URL_MAX);
    }
    struct slice rest = cut_scheme(text, out, &named);
    if (!named && slice_find(rest, SLICE("://")) != SIZE_MAX) {
        return err_set(err, ERR_INVALID, "only https, http and ssh addresses are understood");
    }
    size_t slash = slice_find(rest, SLICE("/"));
    struct slice authority = slice_sub(rest, 0, slash);
    size_t at = slice_find(authority, SLICE("@"));
    size_t colon = slice_find(authority, SLICE(":"));
    bool scp = !named && at != SIZE_MAX && colon != SIZE_MAX && colon > at;
    struct slice path = slash == SIZE_MAX ? (struct slice){0} : slice_sub(rest, slash, SIZE_MAX);
    if (scp) {
        out->scheme = GIT_SSH;
        path = slice_sub(rest, colon + 1, SIZE_MAX);
        authority = slice_sub(rest, 0, colon);
    }
    if (at != SIZE_MAX && out->scheme != GIT_SSH) {
        return err_set(err, ERR_INVALID,
                       "it holds credentials: keep them in a Secret that secretRef names");
    }
    if (at != SIZE_MAX) {
        authority = slice_sub(authority, at + 1, SIZE_MAX);
    }
    out->path = arena_copy(arena, strip_slashes(path));
    if (!read_host(authority, arena, out) || !valid_path(out->path)) {
        return err_set(err, ERR_INVALID,
                       "it is no address of a repository: "
                       "https://github.com/acme/shop is one");
    }
    return 0;
}

void git_url_text(const struct git_url *u, struct buf *out)
{
    static const char *const names[] = {
        [GIT_HTTPS] = "https", [GIT_HTTP] = "http", [GIT_SSH] = "ssh"};
    buf_addf(out, "%s://%.*s", names[u->scheme], SLICE_ARG(u->host));
    if (u->port != 0) {
        buf_addf(out, ":%u", u->port);
    }
    buf_addf(out, "/%.*s", SLICE_ARG(u->path));
}

static struct slice bare_path(struct slice path)
{
    return path.len > 4 && strncasecmp(path.data + path.len - 4, ".git", 4) == 0
               ? slice_sub(path, 0, path.len - 4)
               : path;
}

bool git_url_same(const struct git_url *a, const struct git_url *b)
{
    struct slice pa = bare_path(a->path);
    struct slice pb = bare_path(b->path);
    return slice_eq(a->host, b->host) && (a->scheme != b->scheme || a->port == b->port) &&
           pa.len == pb.len && strncasecmp(pa.data, pb.data, pa.len) == 0;
}

bool git_ref_valid(struct slice ref)
{
    if (ref.len == 0 || ref.len > GIT_REF_MAX || ref.data[0] == '-' || ref.data[0] == '/' ||
        ref.data[ref.len - 1] == '/' || ref.data[ref.len - 1] == '.' || slice_eq_cstr(ref, "@")) {
        return false;
    }
    for (size_t i = 0; i < ref.len; i++) {
        unsigned char c = (unsigned char)ref.data[i];
        char next = i + 1 < ref.len ? ref.data[i + 1] : '\0';
        bool pair = (c == '.' && next == '.') || (c == '@' && next == '{') ||
                    (c == '/' && (next == '/' || next == '.'));
        if (c <= ' ' || c == 0x7f || strchr("~^:?*[\\", c) != NULL || pair) {
            return false;
        }
    }
    return slice_utf8(ref) == ref.len && ref.data[0] != '.' &&
           !slice_ends_with(ref, SLICE(".lock"));
}

bool git_commit_valid(struct slice commit)
{
    for (size_t i = 0; i < commit.len; i++) {
        if (strchr("0123456789abcdef", commit.data[i]) == NULL || commit.data[i] == '\0') {
            return false;
        }
    }
    return commit.len == 40 || commit.len == 64;
}
