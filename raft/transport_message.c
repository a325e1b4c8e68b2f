/* transport_message.c: messages and notes, and the dispatch of every frame from a peer.
 *
 * A small message is one urgent frame. A large one is parts in the bulk lane, put together again at
 * the other end; a group may have only so many bytes there, for libraft repeats what is not
 * acknowledged. What a peer can make us keep is bounded: number, size and sum of half-received
 * things. */
#include <stdlib.h>

#include "raft/transport_internal.h"

/* ---- things in parts ---- */

struct partial *transport__partial(struct peer *p, uint64_t id, bool call)
{
    LIST_FOREACH(link, &p->partials)
    {
        struct partial *part = CONTAINER_OF(link, struct partial, link);
        if (part->id == id && part->call == call) {
            return part;
        }
    }
    return NULL;
}

struct partial *transport__partial_add(struct peer *p, uint64_t id, bool call, size_t total)
{
    size_t limit = call ? TRANSPORT_REQUEST_MAX : TRANSPORT_MESSAGE_MAX;
    if (total > limit || p->partial_count >= TRANSPORT__PARTIAL_MAX ||
        p->partial_bytes + total > TRANSPORT_QUEUE_MAX) {
        return NULL;
    }
    struct partial *part = mem_zero(sizeof *part);
    part->id = id;
    part->call = call;
    part->total = total;
    list_push_back(&p->partials, &part->link);
    p->partial_count++;
    p->partial_bytes += total;
    return part;
}

bool transport__partial_more(struct peer *p, struct partial *part, struct slice bytes)
{
    (void)p;
    if (bytes.len > part->total - part->bytes.len) {
        return false;
    }
    buf_add(&part->bytes, bytes);
    return true;
}

void transport__partial_drop(struct peer *p, struct partial *part)
{
    list_remove(&part->link);
    p->partial_count--;
    p->partial_bytes -= part->total;
    buf_free(&part->bytes);
    free(part);
}

/* ---- messages ---- */

static size_t waiting(const struct peer *p, uint32_t group)
{
    for (size_t i = 0; i < p->bulk_use_count; i++) {
        if (p->bulk_use[i].group == group) {
            return p->bulk_use[i].bytes;
        }
    }
    return 0;
}

static bool send_parts(struct transport *t, struct peer *p, uint32_t group, struct slice message)
{
    size_t queued = waiting(p, group);
    if (queued > 0 && queued + message.len > TRANSPORT__GROUP_BULK_MAX) {
        return false;
    }
    uint64_t id = t->next_id++;
    struct buf frame = {0};
    bool ok = true;
    for (size_t at = 0; ok && at < message.len; at += TRANSPORT_CHUNK_MAX) {
        buf_clear(&frame);
        size_t begin = transport__frame_begin(&frame, FRAME_MESSAGE_PART);
        buf_add_be64(&frame, id);
        buf_add_be32(&frame, group);
        buf_add_be32(&frame, (uint32_t)message.len);
        buf_add(&frame, slice_sub(message, at, TRANSPORT_CHUNK_MAX));
        transport__frame_end(&frame, begin);
        ok = transport__bulk(p, buf_slice(&frame), true, group);
    }
    buf_free(&frame);
    transport__feed(p, false);
    return ok;
}

bool transport_send(struct transport *t, const char *peer, uint32_t group, struct slice message)
{
    struct peer *p = transport__peer(t, peer);
    if (p == NULL || !transport__can_send(p) || message.len > TRANSPORT_MESSAGE_MAX) {
        return false;
    }
    if (message.len > TRANSPORT__SMALL) {
        return send_parts(t, p, group, message);
    }
    struct buf frame = {0};
    size_t begin = transport__frame_begin(&frame, FRAME_MESSAGE);
    buf_add_be32(&frame, group);
    buf_add(&frame, message);
    transport__frame_end(&frame, begin);
    bool ok = transport__urgent(p, buf_slice(&frame));
    buf_free(&frame);
    return ok;
}

bool transport_note(struct transport *t, const char *peer, uint32_t kind, struct slice bytes)
{
    struct peer *p = transport__peer(t, peer);
    if (p == NULL || !transport__can_send(p) || bytes.len > TRANSPORT_NOTE_MAX) {
        return false;
    }
    struct buf frame = {0};
    size_t begin = transport__frame_begin(&frame, FRAME_NOTE);
    buf_add_be32(&frame, kind);
    buf_add(&frame, bytes);
    transport__frame_end(&frame, begin);
    bool ok = transport__urgent(p, buf_slice(&frame));
    buf_free(&frame);
    return ok;
}

static bool on_message(struct peer *p, struct fields *r)
{
    uint32_t group = fields_be32(r);
    if (r->ok) {
        p->t->config.ops->message(p->t->config.user, p->name, group, r->rest);
    }
    return r->ok;
}

static bool on_message_part(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    uint32_t group = fields_be32(r);
    size_t total = fields_be32(r);
    struct partial *part = r->ok ? transport__partial(p, id, false) : NULL;
    if (r->ok && part == NULL) {
        part = transport__partial_add(p, id, false, total);
    }
    if (part == NULL || part->total != total || !transport__partial_more(p, part, r->rest)) {
        return false;
    }
    if (part->bytes.len == part->total) {
        struct buf whole = part->bytes;
        part->bytes = (struct buf){0};
        transport__partial_drop(p, part);
        p->t->config.ops->message(p->t->config.user, p->name, group, buf_slice(&whole));
        buf_free(&whole);
    }
    return true;
}

static bool on_note(struct peer *p, struct fields *r)
{
    uint32_t kind = fields_be32(r);
    if (!r->ok || r->rest.len > TRANSPORT_NOTE_MAX) {
        return false;
    }
    p->t->config.ops->note(p->t->config.user, p->name, kind, r->rest);
    return true;
}

bool transport__frame(struct peer *p, enum frame_type type, struct slice fields)
{
    struct fields r = fields_of(fields);
    switch (type) {
    case FRAME_MESSAGE:
        return on_message(p, &r);
    case FRAME_MESSAGE_PART:
        return on_message_part(p, &r);
    case FRAME_NOTE:
        return on_note(p, &r);
    case FRAME_CALL:
        return transport__on_call(p, &r);
    case FRAME_CALL_PART:
        return transport__on_call_part(p, &r);
    case FRAME_CANCEL:
        return transport__on_cancel(p, &r);
    case FRAME_DATA:
        return transport__on_data(p, &r);
    case FRAME_END:
        return transport__on_end(p, &r);
    case FRAME_WINDOW:
        return transport__on_window(p, &r);
    case FRAME_IMAGE:
        return transport__on_image(p, &r);
    case FRAME_IMAGE_PART:
        return transport__on_image_part(p, &r);
    case FRAME_IMAGE_END:
        return transport__on_image_end(p, &r);
    case FRAME_IMAGE_WINDOW:
        return transport__on_image_window(p, &r);
    case FRAME_IMAGE_RESULT:
        return transport__on_image_result(p, &r);
    case FRAME_HELLO:
    case FRAME_WELCOME:
    case FRAME_PING:
    case FRAME_PONG:
    case FRAME_REFUSED:
        break;
    }
    return false;
}
