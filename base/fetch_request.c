/* fetch_request.c: what curl is told of a request, and what it tells of the response.
 *
 * Headers of interim (1xx) responses are dropped when the next status line comes; those that come
 * once there was a body are trailers and are kept behind the others. A callback that may not go on
 * (cancelled, too large) marks why and refuses its bytes, which makes curl give up. */
#include "base/fetch_internal.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "base/address.h"

enum { HEADERS_MAX_BYTES = 256 * 1024 };

static size_t on_body(char *data, size_t one, size_t len, void *user)
{
    (void)one;
    struct fetch_impl *i = user;
    struct fetch *f = i->fetch;
    if (i->paused && !i->canceled) {
        i->held = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    i->in_body = true;
    i->last_byte_ms = loop_now_ms(i->owner->loop);
    if (i->canceled) {
        return 0;
    }
    if (f->on_data != NULL) {
        f->on_data(f, slice_make(data, len));
        return i->canceled ? 0 : len;
    }
    if (len > f->response_max - f->response.len) {
        i->too_large = true;
        return 0;
    }
    buf_add(&f->response, slice_make(data, len));
    return len;
}

static void add_header(struct buf *out, struct slice line)
{
    size_t colon = slice_find(line, SLICE(":"));
    if (colon == SIZE_MAX) {
        return;
    }
    for (size_t i = 0; i < colon; i++) {
        buf_add_char(out, (char)tolower((unsigned char)line.data[i]));
    }
    buf_add_cstr(out, ": ");
    buf_add(out, slice_trim(slice_sub(line, colon + 1, SIZE_MAX)));
    buf_add_char(out, '\n');
}

static size_t on_header(char *data, size_t one, size_t len, void *user)
{
    (void)one;
    struct fetch_impl *i = user;
    struct fetch *f = i->fetch;
    struct slice line = slice_trim(slice_make(data, len));
    i->last_byte_ms = loop_now_ms(i->owner->loop);
    if (!i->in_body && slice_starts_with(line, SLICE("HTTP/"))) {
        buf_clear(&f->response_headers); /* those before belonged to a 1xx response */
        long status = 0;
        (void)curl_easy_getinfo(i->easy, CURLINFO_RESPONSE_CODE, &status);
        f->status = (int)status;
        return len;
    }
    if (line.len == 0 && !i->in_body && f->status >= 200 && f->on_head != NULL && !i->canceled) {
        f->on_head(f);
        return len;
    }
    if (len > HEADERS_MAX_BYTES - f->response_headers.len) {
        i->too_large = true;
        return 0;
    }
    add_header(&f->response_headers, line);
    return len;
}

static bool has_header(const struct fetch *f, struct slice name)
{
    for (const char *const *h = f->headers; h != NULL && *h != NULL; h++) {
        if (strncasecmp(*h, name.data, name.len) == 0) {
            return true;
        }
    }
    return false;
}

static void add_line(struct fetch_impl *i, const char *line)
{
    struct curl_slist *longer = curl_slist_append(i->headers, line);
    assert(longer != NULL); /* out of memory */
    i->headers = longer;
}

static void add_headers(struct fetch_impl *i)
{
    const struct fetch *f = i->fetch;
    for (const char *const *h = f->headers; h != NULL && *h != NULL; h++) {
        add_line(i, *h);
    }
    add_line(i, "Expect:"); /* a round trip that we do not want */
    if (!has_header(f, SLICE("content-type:"))) {
        add_line(i, "Content-Type:"); /* curl would say that it is a form */
    }
}

static struct curl_blob blob_of(const struct buf *pem)
{
    return (struct curl_blob){.data = pem->data, .len = pem->len, .flags = CURL_BLOB_NOCOPY};
}

static bool set_tls(const struct fetcher_impl *o, CURL *e)
{
    struct curl_blob ca = blob_of(&o->ca);
    struct curl_blob cert = blob_of(&o->cert);
    struct curl_blob key = blob_of(&o->key);
    bool ok = true;
    if (o->insecure) {
        ok = curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK;
    } else if (ca.len > 0) {
        ok = curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK;
    }
    if (cert.len > 0) {
        ok = ok && curl_easy_setopt(e, CURLOPT_SSLCERT_BLOB, &cert) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_SSLKEY_BLOB, &key) == CURLE_OK;
    }
    return ok && curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
}

/* Asked with the address that is about to be connected to, after its name was looked up: a name
 * that means something else the second time gains nothing. */
static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fetch_impl *i = user;
    (void)purpose;
    if (address_is_local(&address->addr)) {
        i->local = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool set_addresses(struct fetch_impl *i, CURL *e)
{
    return !i->owner->refuse_local ||
           (curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
            curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, i) == CURLE_OK);
}

static bool set_request(struct fetch_impl *i, CURL *e)
{
    const struct fetch *f = i->fetch;
    bool head = strcmp(f->method, "HEAD") == 0;
    bool bare = strcmp(f->method, "GET") == 0 || strcmp(f->method, "DELETE") == 0;
    if (curl_easy_setopt(e, CURLOPT_URL, f->url) != CURLE_OK ||
        curl_easy_setopt(e, CURLOPT_HTTPHEADER, i->headers) != CURLE_OK) {
        return false;
    }
    if (head) {
        return curl_easy_setopt(e, CURLOPT_NOBODY, 1L) == CURLE_OK;
    }
    if (f->body.len > 0 || !bare) {
        const char *body = f->body.data != NULL ? f->body.data : "";
        if (curl_easy_setopt(e, CURLOPT_POSTFIELDS, body) != CURLE_OK ||
            curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->body.len) != CURLE_OK) {
            return false;
        }
    }
    return curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, f->method) == CURLE_OK;
}

static bool set_transfer(struct fetch_impl *i, CURL *e)
{
    return curl_easy_setopt(e, CURLOPT_PRIVATE, i) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_ERRORBUFFER, i->why) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                            i->owner->http1 ? (long)CURL_HTTP_VERSION_1_1
                                            : (long)CURL_HTTP_VERSION_2TLS) == CURLE_OK &&
           /* Rather wait for a connection that is coming up than open one each. */
           curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_USERAGENT, "choreod/" CHOREO_VERSION) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)i->owner->connect_timeout_ms) ==
               CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)i->fetch->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEDATA, i) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERDATA, i) == CURLE_OK;
}

bool fetch__prepare(struct fetch_impl *i)
{
    add_headers(i);
    return set_transfer(i, i->easy) && set_addresses(i, i->easy) && set_tls(i->owner, i->easy) &&
           set_request(i, i->easy);
}

struct slice fetch_header(const struct fetch *f, const char *name)
{
    struct slice rest = buf_slice(&f->response_headers);
    struct slice wanted = slice_of(name);
    struct slice value = {NULL, 0};
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        if (slice_starts_with(line, wanted) && line.len >= wanted.len + 2 &&
            line.data[wanted.len] == ':') {
            value = slice_sub(line, wanted.len + 2, SIZE_MAX);
        }
    }
    return value;
}
