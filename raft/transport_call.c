/* transport_call.c: calls: a request, and a stream of response bytes.
 *
 * Happy path: CALL goes on our connection to the peer; the peer's ops.request answers with DATA and
 * END on its connection to us. Who reads tells WINDOW what it has taken, so one slow reader holds
 * up neither the connection nor the peer's memory: the server is told when a window is full.
 * Failure path: a deadline or a cancellation sends CANCEL; the peer forgets the call. A broken
 * connection ends calls on both sides (transport__reset).
 * Invariants: done is called once, not inside transport_call(), and nothing of the call is touched
 * after it; ids are never reused, so late frames of dead calls find nothing. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "raft/transport_internal.h"

/* ---- the calling side ---- */

static struct transport_call *find_call(struct peer *p, uint64_t id)
{
    return map_get(&p->calls, transport__key(&id));
}

static void forget_call(struct transport_call *call)
{
    list_remove(&call->link);
    if (call->peer != NULL) {
        (void)map_remove(&call->peer->calls, transport__key(&call->id));
        call->peer = NULL;
    }
}

/* done() in the deferred task. */
static void end_later(struct transport_call *call, int status, const char *why)
{
    struct transport *t = call->transport;
    forget_call(call);
    call->status = status;
    if (status != 0) {
        (void)err_set(&call->err, status, "%s", why);
    }
    list_push_back(&t->over_calls, &call->link);
    transport__defer(t);
}

static bool send_request(struct peer *p, const struct transport_call *call, uint32_t channel,
                         struct slice request, uint32_t timeout_ms)
{
    struct buf frame = {0};
    size_t begin = transport__frame_begin(&frame, FRAME_CALL);
    buf_add_be64(&frame, call->id);
    buf_add_be32(&frame, channel);
    buf_add_be32(&frame, timeout_ms);
    buf_add_be32(&frame, (uint32_t)request.len);
    buf_add(&frame, slice_sub(request, 0, TRANSPORT__SMALL));
    transport__frame_end(&frame, begin);
    bool small = request.len <= TRANSPORT__SMALL;
    bool ok = small ? transport__urgent(p, buf_slice(&frame))
                    : transport__bulk(p, buf_slice(&frame), false, 0);
    for (size_t at = TRANSPORT__SMALL; ok && at < request.len; at += TRANSPORT_CHUNK_MAX) {
        buf_clear(&frame);
        begin = transport__frame_begin(&frame, FRAME_CALL_PART);
        buf_add_be64(&frame, call->id);
        buf_add(&frame, slice_sub(request, at, TRANSPORT_CHUNK_MAX));
        transport__frame_end(&frame, begin);
        ok = transport__bulk(p, buf_slice(&frame), false, 0);
    }
    buf_free(&frame);
    transport__feed(p, false);
    return ok;
}

void transport_call(struct transport *t, struct transport_call *call, const char *peer,
                    uint32_t channel, struct slice request, uint32_t timeout_ms)
{
    struct peer *p = transport__peer(t, peer);
    *call = (struct transport_call){
        .user = call->user, .data = call->data, .done = call->done, .transport = t};
    list_init(&call->link);
    call->id = t->next_id++;
    if (t->closing || request.len > TRANSPORT_REQUEST_MAX) {
        end_later(call, t->closing ? ERR_CLOSED : ERR_TOO_LARGE, "the request is too large");
        return;
    }
    /* Both ways must stand: the answer comes on the peer's own connection. */
    if (p == NULL || !transport__can_send(p) || p->in == NULL) {
        end_later(call, ERR_UNAVAILABLE, "the peer is not connected");
        return;
    }
    call->peer = p;
    call->deadline_ms = timeout_ms != 0 ? transport__now(t) + timeout_ms : 0;
    (void)map_put(&p->calls, transport__key(&call->id), call);
    list_push_back(&p->call_list, &call->link);
    call->sent = true;
    if (!send_request(p, call, channel, request, timeout_ms)) {
        end_later(call, ERR_UNAVAILABLE, "the peer does not keep up");
        return;
    }
    if (call->deadline_ms != 0) {
        transport__wake_by(t, call->deadline_ms);
    }
}

static void send_number(struct peer *p, enum frame_type type, uint64_t id, uint64_t number)
{
    struct buf frame = {0};
    size_t begin = transport__frame_begin(&frame, type);
    buf_add_be64(&frame, id);
    buf_add_be64(&frame, number);
    transport__frame_end(&frame, begin);
    (void)transport__urgent(p, buf_slice(&frame)); /* if not, the connection is gone */
    buf_free(&frame);
}

/* Behind the call itself, which may still wait in the bulk lane. */
static void send_cancel(struct peer *p, uint64_t id)
{
    struct buf frame = {0};
    size_t begin = transport__frame_begin(&frame, FRAME_CANCEL);
    buf_add_be64(&frame, id);
    transport__frame_end(&frame, begin);
    (void)transport__bulk(p, buf_slice(&frame), false, 0);
    buf_free(&frame);
    transport__feed(p, false);
}

void transport_call_cancel(struct transport_call *call)
{
    if (call->peer != NULL) {
        struct peer *p = call->peer;
        uint64_t id = call->id;
        forget_call(call);
        send_cancel(p, id);
    } else if (list_linked(&call->link)) {
        list_remove(&call->link);
    }
    buf_free(&call->held);
}

static void taken(struct transport_call *call, size_t bytes)
{
    call->unacknowledged += bytes;
    if (call->unacknowledged >= TRANSPORT__ACK_BYTES) {
        uint64_t number = call->unacknowledged;
        call->unacknowledged = 0;
        send_number(call->peer, FRAME_WINDOW, call->id, number);
    }
}

bool transport__on_data(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    struct transport_call *call = r->ok ? find_call(p, id) : NULL;
    if (call == NULL || call->ended) {
        return r->ok;
    }
    if (call->paused || call->held.len > 0) {
        if (call->held.len + r->rest.len > 2 * TRANSPORT_RESPONSE_WINDOW + TRANSPORT_REQUEST_MAX) {
            return false; /* far beyond its window */
        }
        buf_add(&call->held, r->rest);
        return true;
    }
    bool more = call->data(call, r->rest);
    if (find_call(p, id) == call) { /* not canceled in the callback */
        call->paused = !more;
        taken(call, r->rest.len);
    }
    return true;
}

bool transport__on_end(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    uint32_t code = fields_be32(r);
    struct transport_call *call = r->ok ? find_call(p, id) : NULL;
    if (call == NULL) {
        return r->ok;
    }
    call->status = code < ERR_COUNT ? (int)code : ERR_INTERNAL;
    if (call->status != 0) {
        (void)err_set(&call->err, call->status, "%.*s", SLICE_ARG(r->rest));
    }
    call->ended = true;
    if (!call->paused && call->held.len == 0) {
        forget_call(call);
        call->done(call, call->status, call->status != 0 ? &call->err : NULL);
    }
    return true;
}

void transport_call_resume(struct transport_call *call)
{
    if (!call->paused || call->peer == NULL) {
        return;
    }
    call->paused = false;
    /* Into the list of calls to be gone on with: the peer's list is found again by the map. */
    list_remove(&call->link);
    list_push_back(&call->transport->resumed, &call->link);
    transport__defer(call->transport);
}

static void go_on(struct transport_call *call)
{
    struct peer *p = call->peer;
    uint64_t id = call->id;
    list_push_back(&p->call_list, &call->link);
    if (call->held.len > 0) {
        struct buf held = call->held;
        call->held = (struct buf){0};
        bool more = call->data(call, buf_slice(&held));
        if (find_call(p, id) != call) {
            buf_free(&held);
            return;
        }
        call->paused = !more;
        taken(call, held.len);
        buf_free(&held);
    }
    if (call->ended && !call->paused && call->held.len == 0) {
        forget_call(call);
        call->done(call, call->status, call->status != 0 ? &call->err : NULL);
    }
}

void transport__run_calls(struct transport *t)
{
    struct list *link;
    while ((link = list_pop_front(&t->resumed)) != NULL) {
        go_on(CONTAINER_OF(link, struct transport_call, link));
    }
    while ((link = list_pop_front(&t->over_calls)) != NULL) {
        struct transport_call *call = CONTAINER_OF(link, struct transport_call, link);
        buf_free(&call->held);
        call->done(call, call->status, call->status != 0 ? &call->err : NULL);
    }
}

uint64_t transport__call_tick(struct peer *p, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    LIST_FOREACH(link, &p->call_list)
    {
        struct transport_call *call = CONTAINER_OF(link, struct transport_call, link);
        if (call->deadline_ms == 0) {
            continue;
        }
        if (now >= call->deadline_ms) {
            uint64_t id = call->id;
            end_later(call, ERR_TIMEOUT, "the peer did not answer in time");
            send_cancel(p, id);
        } else if (call->deadline_ms < next) {
            next = call->deadline_ms;
        }
    }
    return next;
}

/* ---- the serving side ---- */

static struct served *find_served(struct peer *p, uint64_t id)
{
    return map_get(&p->served, transport__key(&id));
}

static void free_served(struct served *s)
{
    list_remove(&s->link);
    (void)map_remove(&s->peer->served, transport__key(&s->id));
    free(s);
}

static void send_end(struct peer *p, uint64_t id, int code, const char *message)
{
    struct buf frame = {0};
    size_t begin = transport__frame_begin(&frame, FRAME_END);
    buf_add_be64(&frame, id);
    buf_add_be32(&frame, (uint32_t)code);
    buf_add(&frame, slice_sub(slice_of(message), 0, ERR_MESSAGE_MAX - 1));
    transport__frame_end(&frame, begin);
    (void)transport__bulk(p, buf_slice(&frame), false, 0);
    buf_free(&frame);
    transport__feed(p, false);
}

static void serve(struct peer *p, uint64_t id, uint32_t channel, uint32_t timeout_ms,
                  struct slice request)
{
    if (p->served.count >= TRANSPORT_CALLS_MAX) {
        send_end(p, id, ERR_BUSY, "too many calls at once");
        return;
    }
    if (!transport__can_send(p) || find_served(p, id) != NULL) {
        return; /* the caller hears of it by its own connection */
    }
    struct served *s = mem_zero(sizeof *s);
    s->peer = p;
    s->id = id;
    s->pub.deadline_ms = timeout_ms != 0 ? transport__now(p->t) + timeout_ms : 0;
    (void)map_put(&p->served, transport__key(&s->id), s);
    list_push_back(&p->served_list, &s->link);
    p->t->config.ops->request(p->t->config.user, &s->pub, p->name, channel, request);
}

bool transport__on_call(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    uint32_t channel = fields_be32(r);
    uint32_t timeout_ms = fields_be32(r);
    size_t total = fields_be32(r);
    if (!r->ok || r->rest.len > total || total > TRANSPORT_REQUEST_MAX) {
        return false;
    }
    if (r->rest.len == total) {
        serve(p, id, channel, timeout_ms, r->rest);
        return true;
    }
    struct partial *part = transport__partial_add(p, id, true, total);
    if (part == NULL) {
        send_end(p, id, ERR_BUSY, "too many large requests at once");
        return true;
    }
    part->group = channel;
    part->timeout_ms = timeout_ms;
    return transport__partial_more(p, part, r->rest);
}

bool transport__on_call_part(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    struct partial *part = r->ok ? transport__partial(p, id, true) : NULL;
    if (part == NULL) {
        return r->ok; /* refused, canceled, or of a conversation that was cut */
    }
    if (!transport__partial_more(p, part, r->rest)) {
        return false;
    }
    if (part->bytes.len == part->total) {
        struct partial whole = *part;
        part->bytes = (struct buf){0};
        transport__partial_drop(p, part);
        serve(p, id, whole.group, whole.timeout_ms, buf_slice(&whole.bytes));
        buf_free(&whole.bytes);
    }
    return true;
}

static void cancel_served(struct served *s)
{
    struct transport_served pub = s->pub;
    if (pub.canceled != NULL) {
        pub.canceled(&s->pub);
    }
    free_served(s);
}

bool transport__on_cancel(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    struct partial *part = r->ok ? transport__partial(p, id, true) : NULL;
    struct served *s = r->ok ? find_served(p, id) : NULL;
    if (part != NULL) {
        transport__partial_drop(p, part);
    }
    if (s != NULL) {
        cancel_served(s);
    }
    return r->ok;
}

bool transport__on_window(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    uint64_t bytes = fields_be64(r);
    struct served *s = r->ok ? find_served(p, id) : NULL;
    if (s == NULL) {
        return r->ok;
    }
    if (bytes > s->inflight) {
        return false;
    }
    s->inflight -= bytes;
    if (s->full && s->inflight <= TRANSPORT_RESPONSE_WINDOW / 2) {
        s->full = false;
        if (s->pub.drained != NULL) {
            s->pub.drained(&s->pub);
        }
    }
    return true;
}

bool transport_respond(struct transport_served *served, struct slice bytes)
{
    struct served *s = CONTAINER_OF(served, struct served, pub);
    struct peer *p = s->peer;
    struct buf frame = {0};
    bool ok = true;
    for (size_t at = 0; ok && at < bytes.len; at += TRANSPORT_CHUNK_MAX) {
        buf_clear(&frame);
        size_t begin = transport__frame_begin(&frame, FRAME_DATA);
        buf_add_be64(&frame, s->id);
        buf_add(&frame, slice_sub(bytes, at, TRANSPORT_CHUNK_MAX));
        transport__frame_end(&frame, begin);
        ok = transport__bulk(p, buf_slice(&frame), false,
                             0); /* if not, it is hung up, and canceled */
    }
    buf_free(&frame);
    transport__feed(p, false);
    s->inflight += bytes.len;
    s->full = s->inflight >= TRANSPORT_RESPONSE_WINDOW;
    return !s->full;
}

void transport_end(struct transport_served *served, int code, const char *message)
{
    struct served *s = CONTAINER_OF(served, struct served, pub);
    assert(code >= 0 && code < ERR_COUNT);
    send_end(s->peer, s->id, code, message != NULL ? message : "");
    free_served(s);
}

/* ---- both ---- */

void transport__end_calls(struct peer *p, int code, const char *why)
{
    LIST_FOREACH(link, &p->t->resumed)
    {
        struct transport_call *call = CONTAINER_OF(link, struct transport_call, link);
        if (call->peer == p) {
            end_later(call, code, why);
        }
    }
    while (!list_empty(&p->call_list)) {
        end_later(CONTAINER_OF(p->call_list.next, struct transport_call, link), code, why);
    }
    while (!list_empty(&p->served_list)) {
        cancel_served(CONTAINER_OF(p->served_list.next, struct served, link));
    }
}
