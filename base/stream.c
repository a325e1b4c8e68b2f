/* stream.c: a TLS connection's life.
 *
 *                       failure (of TLS: through LINGERING), stream_close()
 *          +-----------+------------+-----------+-----------+
 *          |           |            |           |           v
 *     CONNECTING -> HANDSHAKE -> OPEN -> FINISHING -> LINGERING -> CLOSING -> on_close
 *                      stream_finish(),      queue empty,    peer's end
 *                      the peer's end        goodbye said    or time is up
 *
 * Happy path, in: libuv reads into a buffer that all streams of the thread share; TLS decrypts into
 * another; the user sees up to 64 KB at once. Out: stream_write() appends to plain and asks for a
 * turn; at the end of the iteration everything queued is encrypted together and offered to the
 * kernel at once. Only what the kernel does not take is kept, and no more is encrypted until it
 * has: so memory beyond the user's own queue is one batch.
 *
 * Failure path: the first error is kept, the handles are closed, on_close tells it. When TLS fails,
 * its alert gets a second to arrive. libuv's callbacks come after all that too, and find CLOSING.
 *
 * Invariants: user callbacks come from libuv's callbacks or the turn only; impl lives until
 * held_count is 0; buffers of an idle stream are empty and unallocated. */
#include "base/stream_internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INPUT_BYTES = 64 * 1024,
    RECORD_BYTES = 16 * 1024,
    BATCH_BYTES = 256 * 1024,       /* encrypted at a time */
    KEPT_BUFFER_BYTES = 512 * 1024, /* a larger one is freed, not kept for the next stream */
    FINISH_LIMIT_MS = 5000,
    REFUSE_LIMIT_MS = 1000,
    HANDSHAKE_DEFAULT_MS = 10000,
    KEEPALIVE_S = 30,
};

static const struct sm_state states[] = {
    [CONNECTING] = {"connecting", SM_TO(HANDSHAKE) | SM_TO(CLOSING)},
    [HANDSHAKE] = {"handshake", SM_TO(OPEN) | SM_TO(LINGERING) | SM_TO(CLOSING)},
    [OPEN] = {"open", SM_TO(FINISHING) | SM_TO(LINGERING) | SM_TO(CLOSING)},
    [FINISHING] = {"finishing", SM_TO(LINGERING) | SM_TO(CLOSING)},
    [LINGERING] = {"lingering", SM_TO(CLOSING)},
    [CLOSING] = {"closing", 0},
};

/* What the streams of one thread share, since only one of them is in a callback at a time. */
struct scratch {
    char input[INPUT_BYTES];
    char plain[INPUT_BYTES];
    struct buf spare[2]; /* emptied buffers, for the next stream that writes */
};

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void free_scratch(void *memory)
{
    struct scratch *scratch = memory;
    buf_free(&scratch->spare[0]);
    buf_free(&scratch->spare[1]);
    free(scratch);
}

static void make_scratch_key(void)
{
    int rc = pthread_key_create(&scratch_key, free_scratch);
    assert(rc == 0);
}

static struct scratch *scratch(void)
{
    (void)pthread_once(&scratch_once, make_scratch_key);
    struct scratch *mine = pthread_getspecific(scratch_key);
    if (mine == NULL) {
        mine = mem_alloc(sizeof *mine);
        mine->spare[0] = (struct buf){0};
        mine->spare[1] = (struct buf){0};
        (void)pthread_setspecific(scratch_key, mine);
    }
    return mine;
}

static void take_spare(struct buf *b)
{
    struct scratch *mine = scratch();
    for (size_t i = 0; i < 2 && b->cap == 0; i++) {
        *b = mine->spare[i];
        mine->spare[i] = (struct buf){0};
    }
}

/* An empty buffer's memory goes to the next that needs one. */
static void give_spare(struct buf *b)
{
    struct scratch *mine = scratch();
    buf_clear(b);
    for (size_t i = 0; i < 2 && b->cap <= KEPT_BUFFER_BYTES; i++) {
        if (mine->spare[i].cap < b->cap) {
            struct buf smaller = mine->spare[i];
            mine->spare[i] = *b;
            *b = smaller;
        }
    }
    buf_free(b);
}

static bool is_closing(const struct stream_impl *i)
{
    return i->sm.state == CLOSING;
}

/* ---- the end ---- */

void stream__release(struct stream_impl *i)
{
    assert(i->held_count > 0);
    if (--i->held_count > 0) {
        return;
    }
    assert(is_closing(i));
    i->ops->on_close(i->stream, i->failed ? &i->why : NULL);
    tls__session_free(&i->tls);
    buf_free(&i->plain);
    buf_free(&i->cipher);
    buf_free(&i->flight);
    buf_free(&i->undecrypted);
    free(i);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    stream__release(handle->data);
}

static void on_timer_closed(struct loop_timer *timer)
{
    stream__release(CONTAINER_OF(timer, struct stream_impl, timer));
}

static void begin_close(struct stream_impl *i)
{
    if (is_closing(i)) {
        return;
    }
    sm_move(&i->sm, CLOSING);
    loop_task_cancel(&i->turn);
    if (i->resolve_busy) {
        (void)uv_cancel((uv_req_t *)&i->resolving); /* if too late, its callback comes anyway */
    }
    if (i->tcp_open) {
        i->tcp_open = false;
        uv_close((uv_handle_t *)&i->tcp, on_tcp_closed);
    }
    loop_timer_close(&i->timer, on_timer_closed);
}

void stream__fail(struct stream_impl *i, const struct err *why)
{
    if (is_closing(i)) {
        return;
    }
    /* While lingering all has been said: how the peer hangs up does not matter. */
    if (i->sm.state != LINGERING) {
        i->failed = true;
        i->why = *why;
    }
    begin_close(i);
}

__attribute__((format(printf, 3, 4))) static void fail(struct stream_impl *i, int code,
                                                       const char *format, ...)
{
    struct err why;
    char text[ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)err_set(&why, code, "%s: %s", i->remote, text);
    stream__fail(i, &why);
}

/* ---- out ---- */

static void send_all(struct stream_impl *i);
static void refuse(struct stream_impl *i, struct err *why);

static void on_written(uv_write_t *req, int status)
{
    struct stream_impl *i = req->data;
    i->write_busy = false;
    give_spare(&i->flight);
    if (is_closing(i)) {
        return;
    }
    if (status != 0) {
        fail(i, ERR_UNAVAILABLE, "write: %s", uv_strerror(status));
        return;
    }
    send_all(i);
}

/* Offers the ciphertext to the kernel; what it does not take now is in flight. */
static void send_cipher(struct stream_impl *i)
{
    if (i->cipher.len == 0) {
        give_spare(&i->cipher);
        return;
    }
    if (i->write_busy || is_closing(i)) {
        return;
    }
    uv_buf_t piece = uv_buf_init(i->cipher.data, (unsigned)i->cipher.len);
    int taken = uv_try_write((uv_stream_t *)&i->tcp, &piece, 1);
    if (taken < 0 && taken != UV_EAGAIN) {
        fail(i, ERR_UNAVAILABLE, "write: %s", uv_strerror(taken));
        return;
    }
    if (taken == (int)i->cipher.len) {
        give_spare(&i->cipher);
        return;
    }
    size_t gone = taken > 0 ? (size_t)taken : 0;
    i->flight = i->cipher;
    i->cipher = (struct buf){0};
    i->write_busy = true;
    i->writing.data = i;
    piece = uv_buf_init(i->flight.data + gone, (unsigned)(i->flight.len - gone));
    int rc = uv_write(&i->writing, (uv_stream_t *)&i->tcp, &piece, 1, on_written);
    if (rc != 0) {
        i->write_busy = false;
        fail(i, ERR_UNAVAILABLE, "write: %s", uv_strerror(rc));
    }
}

static bool encrypt_batch(struct stream_impl *i)
{
    struct slice queued = slice_sub(buf_slice(&i->plain), i->plain_at, BATCH_BYTES);
    struct err why;
    take_spare(&i->cipher);
    if (tls__write(&i->tls, queued, &why) != TLS_DONE) {
        refuse(i, &why);
        return false;
    }
    i->plain_at += queued.len;
    if (i->plain_at == i->plain.len) {
        give_spare(&i->plain);
        i->plain_at = 0;
    } else if (i->plain_at > i->plain.len / 2) {
        buf_shift(&i->plain, i->plain_at);
        i->plain_at = 0;
    }
    return true;
}

static void on_shut(uv_shutdown_t *req, int status)
{
    (void)req;
    (void)status; /* the timer or the peer's end closes, whatever came of it */
}

/* Sends the last words and waits for the peer's end. Closing with unread input would make the
 * kernel reset the connection, and the peer might lose what we said last. */
static void linger(struct stream_impl *i)
{
    sm_move(&i->sm, LINGERING);
    send_cipher(i);
    if (is_closing(i)) {
        return;
    }
    i->shutting.data = i;
    if (i->peer_ended || uv_shutdown(&i->shutting, (uv_stream_t *)&i->tcp, on_shut) != 0) {
        begin_close(i);
    }
}

/* TLS has failed. What it wants the peer to know (an alert: which certificate was refused, and why)
 * should arrive before we close. */
static void refuse(struct stream_impl *i, struct err *why)
{
    if (i->sm.state == LINGERING) {
        return; /* what comes now is thrown away */
    }
    i->failed = true;
    i->why = *why;
    (void)err_wrap(&i->why, "%s", i->remote);
    loop_timer_start(&i->timer, REFUSE_LIMIT_MS, 0);
    if (!i->receiving) {
        loop_defer(i->loop, &i->turn); /* to notice the peer's end */
    }
    linger(i);
}

static void settle(struct stream_impl *i)
{
    bool idle = i->plain.len == 0 && i->cipher.len == 0 && !i->write_busy;
    if (i->sm.state == FINISHING && idle) {
        tls__say_goodbye(&i->tls);
        linger(i);
    } else if (i->sm.state == OPEN && i->above_low_water &&
               stream_pending_bytes(i->stream) <= i->low_water_bytes) {
        i->above_low_water = false;
        if (i->ops->on_drain != NULL) {
            i->ops->on_drain(i->stream);
        }
    }
}

/* Encrypts and sends until the queue is empty or the kernel is full. */
static void send_all(struct stream_impl *i)
{
    send_cipher(i);
    while ((i->sm.state == OPEN || i->sm.state == FINISHING) && !i->write_busy &&
           i->plain.len > 0) {
        if (!encrypt_batch(i)) {
            return;
        }
        send_cipher(i);
    }
    settle(i);
}

/* ---- in ---- */

static void stop_reading(struct stream_impl *i)
{
    if (i->receiving) {
        i->receiving = false;
        (void)uv_read_stop((uv_stream_t *)&i->tcp);
    }
}

static void peer_end(struct stream_impl *i)
{
    i->peer_ended = true;
    stop_reading(i);
    if (i->sm.state == LINGERING) {
        begin_close(i);
    } else if (i->sm.state == OPEN || i->sm.state == FINISHING) {
        stream_finish(i->stream);
    }
}

/* Decrypts as much as fits; the result of the call that ended it. */
static enum tls_result decrypt(struct stream_impl *i, char *data, size_t *len, struct err *why)
{
    enum tls_result result = TLS_DONE;
    *len = 0;
    while (result == TLS_DONE && INPUT_BYTES - *len >= RECORD_BYTES) {
        size_t more = 0;
        result = tls__read(&i->tls, data + *len, INPUT_BYTES - *len, &more, why);
        *len += result == TLS_DONE ? more : 0;
    }
    return result;
}

static bool wants_input(const struct stream_impl *i)
{
    return (i->sm.state == OPEN && i->reading) || i->sm.state == FINISHING ||
           i->sm.state == LINGERING;
}

static void read_open(struct stream_impl *i)
{
    char *data = scratch()->plain;
    while (wants_input(i)) {
        struct err why;
        size_t len;
        enum tls_result result = decrypt(i, data, &len, &why);
        if (len > 0 && i->sm.state == OPEN) {
            i->ops->on_data(i->stream, slice_make(data, len));
        }
        if (!wants_input(i)) {
            return; /* an end or a failure is told again when reading goes on */
        }
        if (result == TLS_FAILED) {
            refuse(i, &why);
            return;
        } else if (result == TLS_END) {
            peer_end(i);
            return;
        } else if (result == TLS_WANT_INPUT) {
            return;
        }
    }
}

static void handshake(struct stream_impl *i)
{
    struct err why = {0};
    take_spare(&i->cipher);
    enum tls_result result = tls__handshake(&i->tls, &why);
    if (result == TLS_END) {
        result = TLS_FAILED;
        (void)err_set(&why, ERR_CLOSED, "the peer ended the handshake");
    }
    if (result == TLS_FAILED) {
        refuse(i, &why);
        return;
    }
    send_cipher(i);
    if (result == TLS_WANT_INPUT || is_closing(i)) {
        return;
    }
    loop_timer_stop(&i->timer);
    sm_move(&i->sm, OPEN);
    if (i->plain.len > 0) {
        loop_defer(i->loop, &i->turn);
    }
    if (i->ops->on_open != NULL) {
        i->ops->on_open(i->stream);
    }
}

/* Feeds ciphertext; keeps what the user does not want yet. */
static void input(struct stream_impl *i, struct slice bytes)
{
    i->tls.in = bytes;
    if (i->sm.state == HANDSHAKE) {
        handshake(i);
    }
    read_open(i);
    send_cipher(i); /* TLS may have had to answer */
    if (i->sm.state == OPEN && i->tls.in.len > 0) {
        assert(!i->reading && i->undecrypted.len == 0);
        buf_add(&i->undecrypted, i->tls.in);
    }
    i->tls.in = (struct slice){NULL, 0};
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(scratch()->input, INPUT_BYTES);
}

static void on_read(uv_stream_t *tcp, ssize_t len, const uv_buf_t *buffer)
{
    struct stream_impl *i = tcp->data;
    if (len > 0) {
        input(i, slice_make(buffer->base, (size_t)len));
    } else if (len == UV_EOF) {
        fail(i, ERR_CLOSED, "the peer closed the connection without TLS's goodbye");
    } else if (len < 0) {
        fail(i, ERR_UNAVAILABLE, "read: %s", uv_strerror((int)len));
    }
}

static void start_reading(struct stream_impl *i)
{
    int rc = uv_read_start((uv_stream_t *)&i->tcp, on_alloc, on_read);
    i->receiving = rc == 0;
    if (rc != 0) {
        fail(i, ERR_UNAVAILABLE, "read: %s", uv_strerror(rc));
    }
}

/* Goes on with what came before reading was stopped: in OpenSSL, and in undecrypted. */
static void resume(struct stream_impl *i)
{
    struct buf kept = i->undecrypted;
    i->undecrypted = (struct buf){0};
    input(i, buf_slice(&kept));
    buf_free(&kept);
    if (wants_input(i) && !i->peer_ended) {
        start_reading(i);
    }
}

static void on_turn(struct loop_task *task)
{
    struct stream_impl *i = CONTAINER_OF(task, struct stream_impl, turn);
    if (wants_input(i) && !i->peer_ended && !i->receiving) {
        resume(i);
    }
    if (!is_closing(i)) {
        send_all(i);
    }
}

/* ---- the beginning ---- */

static void on_timer(struct loop_timer *timer)
{
    struct stream_impl *i = CONTAINER_OF(timer, struct stream_impl, timer);
    if (i->sm.state == FINISHING) {
        fail(i, ERR_TIMEOUT, "the peer did not take the last %zu bytes",
             stream_pending_bytes(i->stream));
    } else if (i->sm.state == LINGERING) {
        begin_close(i);
    } else {
        fail(i, ERR_TIMEOUT, "no %s in time",
             i->sm.state == CONNECTING ? "connection" : "TLS handshake");
    }
}

struct stream_impl *stream__new(struct stream *s, struct loop *loop, const char *server_name,
                                const struct stream_config *config)
{
    assert(loop_is_current(loop));
    struct stream_impl *i = mem_zero(sizeof *i);
    s->loop = loop;
    s->impl = i;
    i->stream = s;
    i->loop = loop;
    i->ops = config->ops;
    i->low_water_bytes = config->low_water_bytes;
    i->reading = true;
    sm_init(&i->sm, states, CONNECTING);
    loop_task_init(&i->turn, on_turn);
    loop_timer_init(loop, &i->timer, on_timer);
    i->held_count = 1; /* the timer */
    loop_timer_start(
        &i->timer,
        config->handshake_timeout_ms > 0 ? config->handshake_timeout_ms : HANDSHAKE_DEFAULT_MS, 0);
    struct err why;
    if (tls__session_init(&i->tls, config->tls, server_name, &i->cipher, &why) != 0) {
        stream__fail(i, &why);
    }
    return i;
}

void stream__open_tcp(struct stream_impl *i)
{
    int rc = uv_tcp_init(&i->loop->uv, &i->tcp);
    assert(rc == 0); /* takes no resource before there is an address */
    i->tcp.data = i;
    i->tcp_open = true;
    i->held_count++;
}

static void name_remote(struct stream_impl *i)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    char ip[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;
    if (uv_tcp_getpeername(&i->tcp, (struct sockaddr *)&address, &len) == 0) {
        (void)uv_ip_name((struct sockaddr *)&address, ip, sizeof ip);
        port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                   : ((struct sockaddr_in *)&address)->sin_port);
    }
    bool v6 = strchr(ip, ':') != NULL;
    (void)snprintf(i->remote, sizeof i->remote, "%s%s%s:%u", v6 ? "[" : "", ip, v6 ? "]" : "",
                   port);
}

void stream__connected(struct stream_impl *i)
{
    sm_move(&i->sm, HANDSHAKE);
    name_remote(i);
    /* Both only refuse when the peer has gone already, which reading will tell. */
    (void)uv_tcp_nodelay(&i->tcp, 1);
    (void)uv_tcp_keepalive(&i->tcp, 1, KEEPALIVE_S);
    start_reading(i);
    if (!is_closing(i) && !i->tls.tls->server) {
        handshake(i);
    }
}

/* ---- the user's calls ---- */

void stream_write(struct stream *s, struct slice bytes)
{
    struct stream_impl *i = s->impl;
    assert(loop_is_current(i->loop));
    if (i->sm.state > OPEN || bytes.len == 0) {
        return;
    }
    take_spare(&i->plain);
    buf_add(&i->plain, bytes);
    if (stream_pending_bytes(s) > i->low_water_bytes) {
        i->above_low_water = true;
    }
    if (i->sm.state == OPEN && !i->write_busy) {
        loop_defer(i->loop, &i->turn);
    }
}

size_t stream_pending_bytes(const struct stream *s)
{
    const struct stream_impl *i = s->impl;
    size_t in_flight =
        i->write_busy ? uv_stream_get_write_queue_size((const uv_stream_t *)&i->tcp) : 0;
    return i->plain.len - i->plain_at + i->cipher.len + in_flight;
}

void stream_read_stop(struct stream *s)
{
    struct stream_impl *i = s->impl;
    if (i->sm.state > OPEN || !i->reading) {
        return;
    }
    i->reading = false;
    if (i->sm.state == OPEN) {
        stop_reading(i);
    }
}

void stream_read_start(struct stream *s)
{
    struct stream_impl *i = s->impl;
    if (i->sm.state > OPEN || i->reading) {
        return;
    }
    i->reading = true;
    if (i->sm.state == OPEN) {
        loop_defer(i->loop, &i->turn);
    }
}

void stream_finish(struct stream *s)
{
    struct stream_impl *i = s->impl;
    if (i->sm.state > OPEN) {
        return;
    }
    if (i->sm.state != OPEN) {
        stream_close(s); /* nobody to flush to */
        return;
    }
    sm_move(&i->sm, FINISHING);
    loop_timer_start(&i->timer, FINISH_LIMIT_MS, 0);
    loop_defer(i->loop, &i->turn);
}

void stream_close(struct stream *s)
{
    struct stream_impl *i = s->impl;
    assert(loop_is_current(i->loop));
    if (i->sm.state == OPEN && !i->write_busy && i->cipher.len == 0) {
        tls__say_goodbye(&i->tls);
        send_cipher(i);
        i->failed = false; /* a goodbye that nobody takes is no failure */
    }
    begin_close(i);
}

const struct tls_peer *stream_peer(const struct stream *s)
{
    return &s->impl->tls.peer;
}

struct slice stream_alpn(const struct stream *s)
{
    const unsigned char *name = NULL;
    unsigned len = 0;
    if (s->impl->tls.ssl != NULL) {
        SSL_get0_alpn_selected(s->impl->tls.ssl, &name, &len);
    }
    return slice_make(name, len);
}

const char *stream_remote(const struct stream *s)
{
    return s->impl->remote;
}
