/* transport_image.c: snapshot streams.
 *
 * Happy path: IMAGE with the header; then parts, read from the user only as the stream has room and
 * nothing else waits, at most a window beyond what the other side has taken; IMAGE_END; the other
 * side's finish() decides, IMAGE_RESULT tells.
 * Failure path: a reader's error sends IMAGE_END "given up"; a writer's error sends IMAGE_RESULT at
 * once. A broken connection ends both sides (transport__reset). */
#include <stdlib.h>

#include "raft/transport_internal.h"

/* ---- sending ---- */

static void end_later(struct transport_image *image, int status, const char *why)
{
    struct transport *t = image->transport;
    list_remove(&image->link);
    image->peer = NULL;
    image->status = status;
    if (status != 0) {
        (void)err_set(&image->err, status, "%s", why);
    }
    list_push_back(&t->over_images, &image->link);
    transport__defer(t);
}

void transport_image_send(struct transport *t, struct transport_image *image, const char *peer,
                          uint32_t group, struct slice header)
{
    struct peer *p = transport__peer(t, peer);
    *image = (struct transport_image){
        .user = image->user, .read = image->read, .done = image->done, .transport = t};
    list_init(&image->link);
    image->id = t->next_id++;
    if (header.len > TRANSPORT_IMAGE_HEADER_MAX) {
        end_later(image, ERR_TOO_LARGE, "the image's header is too large");
        return;
    }
    if (p == NULL || !transport__can_send(p) || p->in == NULL) {
        end_later(image, ERR_UNAVAILABLE, "the peer is not connected");
        return;
    }
    image->peer = p;
    list_push_back(&p->images, &image->link);
    struct buf frame = {0};
    size_t begin = transport__frame_begin(&frame, FRAME_IMAGE);
    buf_add_be64(&frame, image->id);
    buf_add_be32(&frame, group);
    buf_add(&frame, header);
    transport__frame_end(&frame, begin);
    (void)transport__bulk(p, buf_slice(&frame), false, 0); /* if not, it is hung up */
    buf_free(&frame);
    transport__defer(t);
}

static void send_image_end(struct peer *p, uint64_t id, bool given_up)
{
    struct buf frame = {0};
    size_t begin = transport__frame_begin(&frame, FRAME_IMAGE_END);
    buf_add_be64(&frame, id);
    buf_add_u8(&frame, given_up ? 1 : 0);
    transport__frame_end(&frame, begin);
    (void)transport__bulk(p, buf_slice(&frame), false, 0);
    buf_free(&frame);
}

void transport_image_cancel(struct transport_image *image)
{
    if (image->peer != NULL) {
        send_image_end(image->peer, image->id, true);
        image->peer = NULL;
    }
    if (list_linked(&image->link)) {
        list_remove(&image->link);
    }
}

static bool pull(struct peer *p, struct transport_image *image)
{
    struct buf frame = {0};
    struct err err = {0};
    size_t begin = transport__frame_begin(&frame, FRAME_IMAGE_PART);
    buf_add_be64(&frame, image->id);
    buf_reserve(&frame, TRANSPORT_CHUNK_MAX);
    size_t len = 0;
    int rc = image->read(image, frame.data + frame.len, TRANSPORT_CHUNK_MAX, &len, &err);
    if (rc != 0) {
        send_image_end(p, image->id, true);
        end_later(image, rc, err.message);
    } else if (len == 0) {
        image->ended = true;
        send_image_end(p, image->id, false);
    } else {
        frame.len += len;
        transport__frame_end(&frame, begin);
        image->inflight += len;
        stream_write(&p->out->stream, buf_slice(&frame));
        list_remove(&image->link); /* the next one's turn */
        list_push_back(&p->images, &image->link);
    }
    buf_free(&frame);
    return true;
}

bool transport__pull_image(struct peer *p)
{
    LIST_FOREACH(link, &p->images)
    {
        struct transport_image *image = CONTAINER_OF(link, struct transport_image, link);
        if (!image->ended && image->inflight < TRANSPORT_RESPONSE_WINDOW) {
            return pull(p, image);
        }
    }
    return false;
}

static struct transport_image *find_image(struct peer *p, uint64_t id)
{
    LIST_FOREACH(link, &p->images)
    {
        struct transport_image *image = CONTAINER_OF(link, struct transport_image, link);
        if (image->id == id) {
            return image;
        }
    }
    return NULL;
}

bool transport__on_image_window(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    uint64_t bytes = fields_be64(r);
    struct transport_image *image = r->ok ? find_image(p, id) : NULL;
    if (image == NULL) {
        return r->ok;
    }
    if (bytes > image->inflight) {
        return false;
    }
    image->inflight -= bytes;
    transport__defer(p->t);
    return true;
}

bool transport__on_image_result(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    uint32_t code = fields_be32(r);
    struct transport_image *image = r->ok ? find_image(p, id) : NULL;
    if (image == NULL) {
        return r->ok;
    }
    char text[ERR_MESSAGE_MAX];
    struct slice why = slice_sub(r->rest, 0, sizeof text - 1);
    for (size_t i = 0; i < why.len; i++) {
        text[i] = why.data[i];
    }
    text[why.len] = 0;
    end_later(image, code < ERR_COUNT ? (int)code : ERR_INTERNAL, text);
    return true;
}

void transport__run_images(struct transport *t)
{
    struct list *link;
    while ((link = list_pop_front(&t->over_images)) != NULL) {
        struct transport_image *image = CONTAINER_OF(link, struct transport_image, link);
        image->done(image, image->status, image->status != 0 ? &image->err : NULL);
    }
}

/* ---- receiving ---- */

static struct arrival *find_arrival(struct peer *p, uint64_t id)
{
    LIST_FOREACH(link, &p->arrivals)
    {
        struct arrival *a = CONTAINER_OF(link, struct arrival, link);
        if (a->id == id) {
            return a;
        }
    }
    return NULL;
}

static void send_result(struct peer *p, uint64_t id, int code, const char *message)
{
    struct buf frame = {0};
    size_t begin = transport__frame_begin(&frame, FRAME_IMAGE_RESULT);
    buf_add_be64(&frame, id);
    buf_add_be32(&frame, (uint32_t)code);
    buf_add(&frame, slice_of(message));
    transport__frame_end(&frame, begin);
    (void)transport__urgent(p, buf_slice(&frame)); /* if not, the sender hears by its connection */
    buf_free(&frame);
}

static void free_arrival(struct arrival *a)
{
    list_remove(&a->link);
    free(a);
}

bool transport__on_image(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    uint32_t group = fields_be32(r);
    if (!r->ok || r->rest.len > TRANSPORT_IMAGE_HEADER_MAX || find_arrival(p, id) != NULL) {
        return false;
    }
    if (!transport__can_send(p)) {
        return true; /* no way to tell what became of it */
    }
    struct arrival *a = mem_zero(sizeof *a);
    a->peer = p;
    a->id = id;
    list_push_back(&p->arrivals, &a->link);
    p->t->config.ops->image(p->t->config.user, &a->pub, p->name, group, r->rest);
    if (a->pub.write == NULL) {
        free_arrival(a);
        send_result(p, id, ERR_UNAVAILABLE, "the image was refused");
    }
    return true;
}

bool transport__on_image_part(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    struct arrival *a = r->ok ? find_arrival(p, id) : NULL;
    if (a == NULL) {
        return r->ok;
    }
    struct err err = {0};
    int rc = a->pub.write(&a->pub, r->rest, &err);
    if (rc != 0) {
        struct transport_arrival pub = a->pub;
        free_arrival(a);
        pub.abort(&pub);
        send_result(p, id, rc, err.message);
        return true;
    }
    a->unacknowledged += r->rest.len;
    if (a->unacknowledged >= TRANSPORT__ACK_BYTES) {
        struct buf frame = {0};
        size_t begin = transport__frame_begin(&frame, FRAME_IMAGE_WINDOW);
        buf_add_be64(&frame, id);
        buf_add_be64(&frame, a->unacknowledged);
        transport__frame_end(&frame, begin);
        a->unacknowledged = 0;
        (void)transport__urgent(p, buf_slice(&frame));
        buf_free(&frame);
    }
    return true;
}

bool transport__on_image_end(struct peer *p, struct fields *r)
{
    uint64_t id = fields_be64(r);
    uint8_t given_up = fields_u8(r);
    struct arrival *a = r->ok ? find_arrival(p, id) : NULL;
    if (a == NULL) {
        return r->ok;
    }
    struct transport_arrival pub = a->pub;
    free_arrival(a);
    if (given_up != 0) {
        pub.abort(&pub);
        return true;
    }
    struct err err = {0};
    int rc = pub.finish(&pub, &err);
    send_result(p, id, rc, err.message);
    return true;
}

void transport__end_images(struct peer *p, int code, const char *why)
{
    while (!list_empty(&p->images)) {
        end_later(CONTAINER_OF(p->images.next, struct transport_image, link), code, why);
    }
    while (!list_empty(&p->arrivals)) {
        struct arrival *a = CONTAINER_OF(p->arrivals.next, struct arrival, link);
        struct transport_arrival pub = a->pub;
        free_arrival(a);
        pub.abort(&pub);
    }
}
