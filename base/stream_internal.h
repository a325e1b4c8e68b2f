/* stream_internal.h: between stream.c (a connection's life), stream_connect.c (how it begins) and
 * stream_io.c (its bytes).
 * Owner: stream.c allocates, and frees after on_close. Thread: the stream's loop's. */
#ifndef BASE_STREAM_INTERNAL_H
#define BASE_STREAM_INTERNAL_H

#include "base/sm.h"
#include "base/tls_internal.h"

enum { STREAM_REMOTE_MAX = 64 };

enum stream_state { CONNECTING, HANDSHAKE, OPEN, FINISHING, LINGERING, CLOSING };

struct stream_impl {
    struct stream *stream; /* the user's */
    struct loop *loop;
    const struct stream_ops *ops;
    struct sm sm;
    size_t low_water_bytes;
    struct slice plain_answer;

    uv_tcp_t tcp;
    struct loop_timer timer; /* of the handshake, later of the finish */
    struct loop_task turn;   /* resume reading, send: at the end of the iteration */
    /* What libuv still holds of ours: handles, and requests that do not end with their handle. The
     * memory goes when CLOSING and this is 0. */
    unsigned held_count;
    bool tcp_open; /* tcp was initialised and not closed yet */

    /* connecting */
    bool resolve_busy;
    uv_getaddrinfo_t resolving;
    uv_connect_t connecting;
    struct addrinfo *addresses;  /* of a name; NULL for numeric ones */
    const struct addrinfo *next; /* to be tried after this one */

    struct tls_session tls;
    struct buf plain; /* queued by the user, from plain_at on */
    size_t plain_at;
    struct buf cipher; /* encrypted, to be sent next */
    struct buf flight; /* being sent, while write_busy */
    uv_write_t writing;
    uv_shutdown_t shutting;
    bool write_busy;
    bool above_low_water; /* on_drain is owed */

    bool reading;           /* the user wants on_data */
    bool receiving;         /* libuv reads */
    bool peer_ended;        /* nothing more will come */
    struct buf undecrypted; /* came while the user stopped reading */

    bool failed;
    struct err why;
    char remote[STREAM_REMOTE_MAX];
};

/* A stream that is not connected yet; sets s->impl. server_name is NULL on a server. If TLS cannot
 * be set up, the stream is failing when this returns. */
struct stream_impl *stream__new(struct stream *s, struct loop *loop, const char *server_name,
                                const struct stream_config *config);
/* Initialises the TCP handle. */
void stream__open_tcp(struct stream_impl *i);
/* The TCP connection stands: starts the handshake. */
void stream__connected(struct stream_impl *i);
/* Takes why (whose code is set) and begins to close. Does nothing to a stream that is closing. */
void stream__fail(struct stream_impl *i, const struct err *why);
/* The same with "remote: " before the message. */
void stream__failf(struct stream_impl *i, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void stream__begin_close(struct stream_impl *i);

static inline bool stream__is_closing(const struct stream_impl *i)
{
    return i->sm.state == CLOSING;
}

/* stream_io.c. The turn resumes reading and sends; the handshake goes on with what has come. */
void stream__turn(struct loop_task *task);
void stream__handshake(struct stream_impl *i);
void stream__start_reading(struct stream_impl *i);
void stream__stop_reading(struct stream_impl *i);
void stream__send_cipher(struct stream_impl *i);
void stream__take_spare(struct buf *b); /* memory for an unallocated buffer, if there is some */

/* One thing less is held. */
void stream__release(struct stream_impl *i);
/* Cuts "host:port" or "[v6]:port". host gets the part without brackets. */
int stream__split_address(const char *address, char *host, size_t host_max, char *port,
                          size_t port_max, struct err *err);

#endif
