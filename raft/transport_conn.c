/* transport_conn.c: connections and their lanes.
 *
 * What they say first is in transport_hello.c.
 *
 *     dialled:   connecting -> TLS open, HELLO sent -> WELCOME: the peer is connected -> closed
 *     accepted:  TLS open, certificate names a node -> HELLO: is the peer's `in` -> closed
 *
 * Failure path: any error, a silent other side, a full queue or a broken frame closes the
 * connection; on_close is the one place where its end is handled. A dialled one is dialled again.
 * Invariant: a peer has at most one of each kind; a new accepted one replaces the old, which is
 * then dead, whether we have been told or not. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "raft/conf.h"
#include "raft/transport_internal.h"

/* ---- frames out ---- */

size_t transport__frame_begin(struct buf *out, enum frame_type type)
{
    size_t begin = out->len;
    buf_add_be32(out, 0);
    buf_add_u8(out, (uint8_t)type);
    return begin;
}

void transport__frame_end(struct buf *out, size_t begin)
{
    uint32_t len = (uint32_t)(out->len - begin - 4);
    for (int i = 0; i < 4; i++) {
        out->data[begin + (size_t)i] = (char)(len >> (24 - 8 * i));
    }
}

bool transport__can_send(const struct peer *p)
{
    return p->out != NULL && p->out->welcome && !p->out->closing;
}

static void too_slow(struct peer *p)
{
    log_warn("transport.slow_peer", "peer=%s queued=%zu", p->name, p->urgent.len + p->bulk_bytes);
    transport__hang_up(p->out);
}

bool transport__urgent(struct peer *p, struct slice frames)
{
    if (!transport__can_send(p)) {
        return false;
    }
    if (p->urgent.len + frames.len > TRANSPORT__URGENT_MAX) {
        too_slow(p);
        return false;
    }
    buf_add(&p->urgent, frames);
    transport__feed(p, false);
    return true;
}

static struct bulk_use *bulk_use(struct peer *p, uint32_t group)
{
    for (size_t i = 0; i < p->bulk_use_count; i++) {
        if (p->bulk_use[i].group == group) {
            return &p->bulk_use[i];
        }
    }
    p->bulk_use = mem_resize(p->bulk_use, (p->bulk_use_count + 1) * sizeof *p->bulk_use);
    p->bulk_use[p->bulk_use_count] = (struct bulk_use){.group = group};
    return &p->bulk_use[p->bulk_use_count++];
}

bool transport__bulk(struct peer *p, struct slice bytes, bool of_message, uint32_t group)
{
    if (!transport__can_send(p)) {
        return false;
    }
    if (p->bulk_bytes + bytes.len > TRANSPORT_QUEUE_MAX) {
        too_slow(p);
        return false;
    }
    struct frame *f = mem_alloc(sizeof *f + bytes.len);
    *f = (struct frame){.of_message = of_message, .group = group, .len = bytes.len};
    memcpy(f->bytes, bytes.data, bytes.len);
    list_init(&f->link);
    list_push_back(&p->bulk, &f->link);
    p->bulk_bytes += bytes.len;
    if (of_message) {
        bulk_use(p, group)->bytes += bytes.len;
    }
    return true;
}

static void drop_frame(struct peer *p, struct frame *f)
{
    list_remove(&f->link);
    p->bulk_bytes -= f->len;
    if (f->of_message) {
        bulk_use(p, f->group)->bytes -= f->len;
    }
    free(f);
}

void transport__drop_queues(struct peer *p)
{
    while (!list_empty(&p->bulk)) {
        drop_frame(p, CONTAINER_OF(p->bulk.next, struct frame, link));
    }
    buf_clear(&p->urgent);
}

/* Keeps the memory for the next time, unless a flood made it large. */
static void empty(struct buf *b)
{
    if (b->cap > TRANSPORT__KEPT_BYTES) {
        buf_free(b);
    } else {
        buf_clear(b);
    }
}

void transport__feed(struct peer *p, bool images)
{
    while (transport__can_send(p) &&
           stream_pending_bytes(&p->out->stream) < TRANSPORT__AHEAD_BYTES) {
        if (p->urgent.len > 0) {
            stream_write(&p->out->stream, buf_slice(&p->urgent));
            empty(&p->urgent);
        } else if (!list_empty(&p->bulk)) {
            struct frame *f = CONTAINER_OF(p->bulk.next, struct frame, link);
            stream_write(&p->out->stream, slice_make(f->bytes, f->len));
            drop_frame(p, f);
        } else if (!images || !transport__pull_image(p)) {
            break;
        }
    }
}

/* ---- frames in ---- */

static void answer_ping(struct conn *c, struct slice fields)
{
    struct buf out = {0};
    size_t begin = transport__frame_begin(&out, FRAME_PONG);
    buf_add(&out, fields);
    transport__frame_end(&out, begin);
    stream_write(&c->stream, buf_slice(&out));
    buf_free(&out);
}

void transport__told_connected(struct peer *p)
{
    if (!p->told_connected) {
        p->told_connected = true;
        p->t->config.ops->connected(p->t->config.user, p->name);
    }
}

static void told_disconnected(struct peer *p, const struct err *why)
{
    if (p->told_connected) {
        p->told_connected = false;
        p->t->config.ops->disconnected(p->t->config.user, p->name, why);
    }
}

static bool on_back_frame(struct conn *c, enum frame_type type, struct slice fields)
{
    struct fields r = fields_of(fields);
    if (type == FRAME_REFUSED) {
        transport__on_refused(c);
        return true;
    }
    if (type == FRAME_WELCOME && !c->welcome) {
        return transport__on_welcome(c, fields);
    }
    if (type == FRAME_PONG) {
        uint64_t sent_ns = fields_be64(&r);
        uint64_t now_ns = clock_mono_ns();
        if (r.ok && sent_ns <= now_ns) {
            c->peer->round_trip_us = (now_ns - sent_ns) / 1000;
        }
        return r.ok;
    }
    return false;
}

static bool on_frame(struct conn *c, enum frame_type type, struct slice fields)
{
    if (c->dialled) {
        return on_back_frame(c, type, fields);
    }
    if (c->peer == NULL) {
        return type == FRAME_HELLO && transport__on_hello(c, fields);
    }
    if (type == FRAME_PING) {
        answer_ping(c, fields);
        return true;
    }
    return transport__frame(c->peer, type, fields);
}

static void on_data(struct stream *s, struct slice in)
{
    struct conn *c = s->user;
    if (c->closing) {
        return;
    }
    c->heard_ms = transport__now(c->t);
    buf_add(&c->in, in);
    size_t at = 0;
    while (!c->closing && c->in.len - at >= 5) {
        size_t len = be32_get(c->in.data + at);
        if (len < 1 || len > TRANSPORT__FRAME_MAX) {
            (void)transport__refuse(c, "a frame of impossible length");
            break;
        }
        if (c->in.len - at - 4 < len) {
            break;
        }
        enum frame_type type = (enum frame_type)(uint8_t)c->in.data[at + 4];
        if (!on_frame(c, type, slice_make(c->in.data + at + 5, len - 1)) && !c->closing) {
            log_warn("transport.bad_frame", "remote=%s type=%d", stream_remote(s), (int)type);
            transport__hang_up(c);
        }
        at += 4 + len;
    }
    buf_shift(&c->in, at < c->in.len ? at : c->in.len);
}

/* ---- life ---- */

static void on_open(struct stream *s)
{
    struct conn *c = s->user;
    c->heard_ms = transport__now(c->t);
    c->open = true;
    if (c->closing) {
        return;
    }
    const char *why = c->dialled ? NULL : transport__identify(c);
    if (why != NULL) {
        (void)transport__refuse(c, why);
    } else if (c->dialled) {
        transport__hello(c);
    }
}

static void on_drain(struct stream *s)
{
    struct conn *c = s->user;
    if (c->dialled && !c->closing) {
        transport__feed(c->peer, true);
    }
}

static void plan_redial(struct peer *p, bool was_connected, uint64_t now)
{
    if (was_connected && now - p->connected_ms > 1000) {
        p->failures = 0;
    }
    uint64_t pause = (uint64_t)p->t->config.redial_min_ms << (p->failures < 10 ? p->failures : 10);
    pause = pause < p->t->config.redial_max_ms ? pause : p->t->config.redial_max_ms;
    p->failures++;
    p->redial_at_ms = now + pause / 2 + transport__random(p->t) % (pause / 2 + 1);
    transport__wake_by(p->t, p->redial_at_ms);
}

static void out_closed(struct conn *c, const struct err *why)
{
    struct peer *p = c->peer;
    p->out = NULL;
    p->refused_ms = c->refused ? p->refused_ms : 0;
    transport__drop_queues(p);
    if (c->welcome) {
        log_info("transport.disconnected", "peer=%s why=%s", p->name,
                 log_q(why != NULL ? why->message : "closed"));
        transport__reset(p, ERR_UNAVAILABLE, "the connection to the peer broke");
    } else if (why != NULL && why->code == ERR_UNAUTHENTICATED) {
        uint64_t times = log_limit(&p->t->dials_failed, transport__now(p->t));
        if (times > 0) {
            log_warn("transport.dial", "peer=%s times=%llu error=%s", p->name,
                     (unsigned long long)times, log_q(why->message));
        }
    }
    if (p->address[0] != 0) {
        plan_redial(p, c->welcome, transport__now(c->t));
    }
    told_disconnected(p, why);
}

static void in_closed(struct conn *c, const struct err *why)
{
    struct peer *p = c->peer;
    p->in = NULL;
    transport__reset(p, ERR_UNAVAILABLE, "the connection from the peer broke");
    told_disconnected(p, why);
    if (transport__can_send(p)) {
        transport__told_connected(p);
    }
}

/* The world may knock as often as it likes. */
static void handshake_failed(struct transport *t, const struct err *why)
{
    uint64_t times = log_limit(&t->handshakes_failed, transport__now(t));
    if (times > 0) {
        log_warn("transport.handshake", "failed=%llu error=%s", (unsigned long long)times,
                 log_q(why->message));
    }
}

static void on_close(struct stream *s, const struct err *why)
{
    struct conn *c = s->user;
    struct transport *t = c->t;
    list_remove(&c->link);
    if (!c->dialled && !c->open && why != NULL && !t->closing) {
        handshake_failed(t, why);
    }
    if (!t->closing && c->peer != NULL) {
        if (c->dialled) {
            out_closed(c, why);
        } else {
            in_closed(c, why);
        }
    }
    buf_free(&c->in);
    free(c);
    transport__conn_gone(t);
}

static const struct stream_ops stream_ops = {
    .on_open = on_open, .on_data = on_data, .on_drain = on_drain, .on_close = on_close};

static struct conn *new_conn(struct transport *t, bool dialled)
{
    struct conn *c = mem_zero(sizeof *c);
    c->t = t;
    c->dialled = dialled;
    c->heard_ms = transport__now(t);
    c->stream.user = c;
    list_push_back(&t->conns, &c->link);
    t->conn_count++;
    return c;
}

void transport__hang_up(struct conn *c)
{
    if (!c->closing) {
        c->closing = true;
        stream_close(&c->stream);
    }
}

void transport__dial(struct peer *p)
{
    struct transport *t = p->t;
    assert(p->out == NULL);
    struct conn *c = new_conn(t, true);
    c->peer = p;
    p->out = c;
    p->redial_at_ms = 0;
    struct stream_config config = {.tls = t->config.client_tls,
                                   .ops = &stream_ops,
                                   .low_water_bytes = TRANSPORT__AHEAD_BYTES / 4,
                                   .handshake_timeout_ms = 4 * t->config.ping_ms};
    stream_connect(&c->stream, t->config.loop, p->address, p->uri, &config);
}

static void on_accept(struct stream_listener *l)
{
    struct transport *t = l->user;
    if (t->closing || t->conn_count >= 4 * TRANSPORT_PEERS_MAX) {
        stream_reject(l);
        return;
    }
    struct conn *c = new_conn(t, false);
    struct stream_config config = {.tls = t->config.server_tls,
                                   .ops = &stream_ops,
                                   .low_water_bytes = TRANSPORT__AHEAD_BYTES / 4,
                                   .handshake_timeout_ms = 4 * t->config.ping_ms};
    stream_accept(l, &c->stream, &config);
}

int transport__listen(struct transport *t, struct err *err)
{
    t->listener.user = t;
    t->listener.on_accept = on_accept;
    return stream_listen(&t->listener, t->config.loop, t->config.listen, STREAM_PORT_OWN, err);
}

static void ping(struct conn *c, uint64_t now)
{
    if (now - c->pinged_ms < c->t->config.ping_ms) {
        return;
    }
    c->pinged_ms = now;
    struct buf out = {0};
    size_t begin = transport__frame_begin(&out, FRAME_PING);
    buf_add_be64(&out, clock_mono_ns());
    transport__frame_end(&out, begin);
    (void)transport__urgent(c->peer, buf_slice(&out));
    buf_free(&out);
}

/* A connection is alive while something comes, or what we send is being taken. */
static void check_silence(struct conn *c, uint64_t now)
{
    if (c->dialled && c->welcome) {
        size_t pending = stream_pending_bytes(&c->stream);
        if (pending < c->peer->fed_pending) {
            c->heard_ms = now;
        }
        c->peer->fed_pending = pending;
    }
    if (!c->closing && now - c->heard_ms > 4 * (uint64_t)c->t->config.ping_ms + 100) {
        log_warn("transport.silent", "remote=%s", stream_remote(&c->stream));
        transport__hang_up(c);
    }
}

void transport__conn_tick(struct peer *p, uint64_t now)
{
    if (p->out == NULL && p->address[0] != 0 && now >= p->redial_at_ms) {
        transport__dial(p);
        return;
    }
    if (transport__can_send(p)) {
        ping(p->out, now);
    }
}

void transport__check_silence(struct transport *t, uint64_t now)
{
    LIST_FOREACH(link, &t->conns)
    {
        check_silence(CONTAINER_OF(link, struct conn, link), now);
    }
}
