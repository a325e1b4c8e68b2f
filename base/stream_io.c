/* stream_io.c: a connection's bytes, in and out.
 *
 * In: libuv reads into a buffer that all streams of the thread share; TLS decrypts into another;
 * the user sees up to 64 KB at once. What comes while the user has stopped reading is kept
 * undecrypted. Out: stream_write() appends to plain and asks for a turn; at the end of the
 * iteration everything queued is encrypted together and offered to the kernel at once. Only what
 * the kernel does not take is kept, and no more is encrypted until it has: so memory beyond the
 * user's own queue is one batch. Buffers of an idle stream are empty and unallocated.
 *
 * Failure path: the first error is kept. When TLS fails, its alert gets a second to arrive, and so
 * does the answer to a client that never spoke TLS. */
#include "base/stream_internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    INPUT_BYTES = 64 * 1024,
    RECORD_BYTES = 16 * 1024,
    BATCH_BYTES = 256 * 1024,       /* encrypted at a time */
    KEPT_BUFFER_BYTES = 512 * 1024, /* a larger one is freed, not kept for the next stream */
    LINGER_LIMIT_MS = 1000, /* an idle peer does not notice our end, and may never hang up */
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

void stream__take_spare(struct buf *b)
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

/* ---- out ---- */

static void send_all(struct stream_impl *i);
static void refuse(struct stream_impl *i, struct err *why);

static void on_written(uv_write_t *req, int status)
{
    struct stream_impl *i = req->data;
    i->write_busy = false;
    give_spare(&i->flight);
    if (stream__is_closing(i)) {
        return;
    }
    if (status != 0) {
        stream__failf(i, ERR_UNAVAILABLE, "write: %s", uv_strerror(status));
        return;
    }
    send_all(i);
}

/* Offers the ciphertext to the kernel; what it does not take now is in flight. */
void stream__send_cipher(struct stream_impl *i)
{
    if (i->cipher.len == 0) {
        give_spare(&i->cipher);
        return;
    }
    if (i->write_busy || stream__is_closing(i)) {
        return;
    }
    uv_buf_t piece = uv_buf_init(i->cipher.data, (unsigned)i->cipher.len);
    int taken = uv_try_write((uv_stream_t *)&i->tcp, &piece, 1);
    if (taken < 0 && taken != UV_EAGAIN) {
        stream__failf(i, ERR_UNAVAILABLE, "write: %s", uv_strerror(taken));
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
        stream__failf(i, ERR_UNAVAILABLE, "write: %s", uv_strerror(rc));
    }
}

static bool encrypt_batch(struct stream_impl *i)
{
    struct slice queued = slice_sub(buf_slice(&i->plain), i->plain_at, BATCH_BYTES);
    struct err why;
    stream__take_spare(&i->cipher);
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
    stream__send_cipher(i);
    if (stream__is_closing(i)) {
        return;
    }
    i->shutting.data = i;
    if (i->peer_ended || uv_shutdown(&i->shutting, (uv_stream_t *)&i->tcp, on_shut) != 0) {
        stream__begin_close(i);
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
    loop_timer_start(&i->timer, LINGER_LIMIT_MS, 0);
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
        loop_timer_start(&i->timer, LINGER_LIMIT_MS, 0);
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
    stream__send_cipher(i);
    while ((i->sm.state == OPEN || i->sm.state == FINISHING) && !i->write_busy &&
           i->plain.len > 0) {
        if (!encrypt_batch(i)) {
            return;
        }
        stream__send_cipher(i);
    }
    settle(i);
}

/* ---- in ---- */

void stream__stop_reading(struct stream_impl *i)
{
    if (i->receiving) {
        i->receiving = false;
        (void)uv_read_stop((uv_stream_t *)&i->tcp);
    }
}

static void peer_end(struct stream_impl *i)
{
    i->peer_ended = true;
    stream__stop_reading(i);
    if (i->sm.state == LINGERING) {
        stream__begin_close(i);
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

void stream__handshake(struct stream_impl *i)
{
    struct err why = {0};
    stream__take_spare(&i->cipher);
    enum tls_result result = tls__handshake(&i->tls, &why);
    if (result == TLS_END) {
        result = TLS_FAILED;
        (void)err_set(&why, ERR_CLOSED, "the peer ended the handshake");
    }
    if (result == TLS_FAILED) {
        refuse(i, &why);
        return;
    }
    stream__send_cipher(i);
    if (result == TLS_WANT_INPUT || stream__is_closing(i)) {
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

/* Is this the beginning of an HTTP request? A TLS handshake begins with the byte 22. */
static bool is_plain_http(struct slice in)
{
    static const char *const begins[] = {"GET ",    "HEAD ",    "POST ",    "PUT ", "PATCH ",
                                         "DELETE ", "OPTIONS ", "CONNECT ", "PRI "};
    for (size_t n = 0; n < sizeof begins / sizeof begins[0]; n++) {
        if (slice_starts_with(in, slice_of(begins[n]))) {
            return true;
        }
    }
    return false;
}

/* Feeds ciphertext; keeps what the user does not want yet. */
static void input(struct stream_impl *i, struct slice bytes)
{
    bool first = i->sm.state == HANDSHAKE && SSL_in_before(i->tls.ssl) == 1;
    if (first && i->plain_answer.len > 0 && is_plain_http(bytes)) {
        struct err why;
        buf_add(&i->cipher, i->plain_answer);
        (void)err_set(&why, ERR_INVALID, "HTTP without TLS");
        refuse(i, &why);
        return;
    }
    i->tls.in = bytes;
    if (i->sm.state == HANDSHAKE) {
        stream__handshake(i);
    }
    read_open(i);
    stream__send_cipher(i); /* TLS may have had to answer */
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
        stream__failf(i, ERR_CLOSED, "the peer closed the connection without TLS's goodbye");
    } else if (len < 0) {
        stream__failf(i, ERR_UNAVAILABLE, "read: %s", uv_strerror((int)len));
    }
}

void stream__start_reading(struct stream_impl *i)
{
    int rc = uv_read_start((uv_stream_t *)&i->tcp, on_alloc, on_read);
    i->receiving = rc == 0;
    if (rc != 0) {
        stream__failf(i, ERR_UNAVAILABLE, "read: %s", uv_strerror(rc));
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
        stream__start_reading(i);
    }
}

void stream__turn(struct loop_task *task)
{
    struct stream_impl *i = CONTAINER_OF(task, struct stream_impl, turn);
    if (wants_input(i) && !i->peer_ended && !i->receiving) {
        resume(i);
    }
    if (!stream__is_closing(i)) {
        send_all(i);
    }
}
