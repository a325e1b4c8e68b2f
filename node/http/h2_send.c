/* h2_send.c: responses over HTTP/2.
 *
 * A response's DATA frames are read from the stream's own queue and go to the wire without passing
 * through the library (NO_COPY). A stream without ready bytes is deferred and resumed by wake().
 * Failure path: a stream that is gone ends as its data is pulled; a full wire stops the pulling.
 * Invariant: what was named to the library as ready is still at the queue's front when it is sent.
 */
#include <assert.h>
#include <stdio.h>

#include "node/http/h2_internal.h"

enum { NV_MAX = 40 };

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)to;
    (void)user;
    struct http_stream *s = source->ptr;
    struct slice ready = http_stream_ready(s);
    size_t take = ready.len < len ? ready.len : len;
    if (s->send.state == HTTP_SEND_GONE) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    bool ended = s->send.state == HTTP_SEND_ENDED;
    if (take == 0 && !ended) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags = NGHTTP2_DATA_FLAG_NO_COPY;
    if (ended && take == ready.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->trailer_count != 0) {
            nghttp2_nv nv[NV_MAX];
            size_t count = s->trailer_count < NV_MAX ? s->trailer_count : NV_MAX;
            for (size_t i = 0; i < count; i++) {
                const struct http_header *t = &s->trailers[i];
                nv[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)t->name.data,
                                     (uint8_t *)(uintptr_t)t->value.data, t->name.len, t->value.len,
                                     NGHTTP2_NV_FLAG_NONE};
            }
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (nghttp2_submit_trailer(session, id, nv, count) != 0) {
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
            }
        }
    }
    return (ssize_t)take;
}

int h2__send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t len,
                  nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)frame; /* we ask for no padding */
    struct h2 *h = user;
    struct http_stream *s = source->ptr;
    if (http_conn_full(h->conn)) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    flood_answered(&h->conn->flood);
    http_conn_write(h->conn, slice_make(head, 9));
    http_conn_write(h->conn, slice_sub(http_stream_ready(s), 0, len));
    http_stream_sent(s, len);
    return 0;
}

static void set_nv(nghttp2_nv *nv, struct slice name, struct slice value)
{
    *nv = (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data, name.len,
                       value.len, NGHTTP2_NV_FLAG_NONE};
}

void h2__head(struct http_conn *conn, struct http_stream *s, int status,
              const struct http_header *headers, size_t count, bool whole)
{
    struct h2 *h = conn->impl;
    assert(count + 3 <= NV_MAX);
    nghttp2_nv nv[NV_MAX];
    char code[12];
    char length[24];
    size_t n = 0;
    (void)snprintf(code, sizeof(code), "%d", status);
    set_nv(&nv[n++], SLICE(":status"), slice_of(code));
    set_nv(&nv[n++], SLICE("date"), http_conn_date(conn));
    for (size_t i = 0; i < count; i++) {
        set_nv(&nv[n++], headers[i].name, headers[i].value);
    }
    bool no_body = status == 204 || status == 304 || (s->head_only && whole);
    if (whole && status != 204 && status != 304) {
        (void)snprintf(length, sizeof(length), "%zu", s->out.len);
        set_nv(&nv[n++], SLICE("content-length"), slice_of(length));
    }
    flood_answered(&conn->flood);
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    bool ends = no_body || (whole && s->out.len == 0);
    if (nghttp2_submit_response(h->session, s->id, nv, n, ends ? NULL : &body) != 0) {
        (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id,
                                        NGHTTP2_INTERNAL_ERROR);
    }
}

void h2__wake(struct http_conn *conn, struct http_stream *s)
{
    struct h2 *h = conn->impl;
    if (s->deferred) {
        s->deferred = false;
        (void)nghttp2_session_resume_data(h->session, s->id);
    }
    http_conn_dirty(conn);
}

void h2__reset(struct http_conn *conn, struct http_stream *s)
{
    struct h2 *h = conn->impl;
    /* gRPC reads the first as RESOURCE_EXHAUSTED: of bandwidth. */
    uint32_t code = s->slow ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_INTERNAL_ERROR;
    (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, code);
    http_conn_dirty(conn);
}

void h2__consumed(struct http_conn *conn, struct http_stream *s, size_t bytes)
{
    struct h2 *h = conn->impl;
    (void)nghttp2_session_consume_stream(h->session, s->id, bytes);
    http_conn_dirty(conn);
}
