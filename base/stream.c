/* stream.c: a TLS connection's life.
 *
 *                       failure (of TLS: through LINGERING), stream_close()
 *          +-----------+------------+-----------+-----------+
 *          |           |            |           |           v
 *     CONNECTING -> HANDSHAKE -> OPEN -> FINISHING -> LINGERING -> CLOSING -> on_close
 *                      stream_finish(),      queue empty,    peer's end
 *                      the peer's end        goodbye said    or time is up
 *
 * Happy path: stream_connect.c makes the TCP connection, stream_io.c carries its bytes, and here a
 * stream is made, finished, closed and given back.
 *
 * Failure path: the first error is kept, the handles are closed, on_close tells it. When TLS fails,
 * its alert gets a second to arrive. libuv's callbacks come after all that too, and find CLOSING.
 *
 * Invariants: user callbacks come from libuv's callbacks or the turn only; impl lives until
 * held_count is 0. */
#include "base/stream_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FINISH_LIMIT_MS = 5000, HANDSHAKE_DEFAULT_MS = 10000, KEEPALIVE_S = 30 };

static const struct sm_state states[] = {
    [CONNECTING] = {"connecting", SM_TO(HANDSHAKE) | SM_TO(CLOSING)},
    [HANDSHAKE] = {"handshake", SM_TO(OPEN) | SM_TO(LINGERING) | SM_TO(CLOSING)},
    [OPEN] = {"open", SM_TO(FINISHING) | SM_TO(LINGERING) | SM_TO(CLOSING)},
    [FINISHING] = {"finishing", SM_TO(LINGERING) | SM_TO(CLOSING)},
    [LINGERING] = {"lingering", SM_TO(CLOSING)},
    [CLOSING] = {"closing", 0},
};

/* ---- the end ---- */

void stream__release(struct stream_impl *i)
{
    assert(i->held_count > 0);
    if (--i->held_count > 0) {
        return;
    }
    assert(stream__is_closing(i));
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

void stream__begin_close(struct stream_impl *i)
{
    if (stream__is_closing(i)) {
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
    if (stream__is_closing(i)) {
        return;
    }
    /* While lingering all has been said: how the peer hangs up does not matter. */
    if (i->sm.state != LINGERING) {
        i->failed = true;
        i->why = *why;
    }
    stream__begin_close(i);
}

void stream__failf(struct stream_impl *i, int code, const char *format, ...)
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

/* ---- the beginning ---- */

static void on_timer(struct loop_timer *timer)
{
    struct stream_impl *i = CONTAINER_OF(timer, struct stream_impl, timer);
    if (i->sm.state == FINISHING) {
        stream__failf(i, ERR_TIMEOUT, "the peer did not take the last %zu bytes",
                      stream_pending_bytes(i->stream));
    } else if (i->sm.state == LINGERING) {
        stream__begin_close(i);
    } else {
        stream__failf(i, ERR_TIMEOUT, "no %s in time",
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
    i->plain_answer = config->plain_answer;
    i->reading = true;
    sm_init(&i->sm, states, CONNECTING);
    loop_task_init(&i->turn, stream__turn);
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
    stream__start_reading(i);
    if (!stream__is_closing(i) && !i->tls.tls->server) {
        stream__handshake(i);
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
    stream__take_spare(&i->plain);
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
        stream__stop_reading(i);
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
        stream__send_cipher(i);
        i->failed = false; /* a goodbye that nobody takes is no failure */
    }
    stream__begin_close(i);
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
