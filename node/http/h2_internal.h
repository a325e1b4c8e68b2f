/* h2_internal.h: what the halves of HTTP/2 share: h2.c takes, h2_send.c answers.
 * Owner: the connection (impl). Thread: the loop's. */
#ifndef NODE_HTTP_H2_INTERNAL_H
#define NODE_HTTP_H2_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "node/http/conn.h"

struct h2 {
    nghttp2_session *session;
    struct http_conn *conn;
    struct http_stream *heading; /* whose head is coming */
    struct slice target;
    uint32_t begun;    /* requests, since the last pump */
    struct buf left;   /* input for the next turn */
    size_t left_taken; /* of it */
    const char *flood; /* what there was too much of: the connection ends */
    bool calmed;       /* and the client was told */
};

/* The library pulls a stream's DATA frame: it goes to the wire from the stream's own queue. */
int h2__send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t len,
                  nghttp2_data_source *source, void *user);
/* struct http_proto's. */
void h2__head(struct http_conn *conn, struct http_stream *s, int status,
              const struct http_header *headers, size_t count, bool whole);
void h2__wake(struct http_conn *conn, struct http_stream *s);
void h2__reset(struct http_conn *conn, struct http_stream *s);
void h2__consumed(struct http_conn *conn, struct http_stream *s, size_t bytes);

#endif
