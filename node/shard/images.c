/* images.c: a shard's database streamed to a follower that the log can no longer serve.
 *
 * Sending: a worker copies the database through a pinned view into a file (store/image), the
 * transport pulls it from there in chunks between heartbeats, the file goes when it has ended.
 *
 * Receiving: chunks go into a file; when it is whole a worker checks every byte of it, and the
 * group is offered it; the group then has it installed, or refuses it.
 *
 * Failure path: whatever breaks ends this one stream and removes its file; the group asks again.
 *
 * Invariants: nothing is offered that was not checked whole; files are named by peer and shard, so
 * a later attempt replaces what a crash left behind. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "node/shard/internal.h"

enum { IMAGE_HOLD_MS = 60000, IMAGE_STEP_PAGES = 256, HEADER_VERSION = 1 };

struct image_sending {
    struct loop_job job;
    struct transport_image stream;
    struct list link; /* replica.images; self-linked once the replica has stopped */
    struct replica *replica;
    char name[GROUP_NAME_MAX + 1];
    uint64_t server_id;
    char *path;
    int file;
    bool stopped; /* the replica is gone: only clean up */
    bool streaming;
    struct buf header; /* what the peer is told beforehand */
    uint64_t bytes;
    int rc;
    struct err err;
};

static void sending_end(struct image_sending *s, int rc, const struct err *err)
{
    struct replica *r = s->replica;
    if (s->file >= 0) {
        (void)close(s->file);
    }
    (void)unlink(s->path);
    if (!s->stopped) {
        if (rc != 0) {
            log_warn("shard.image", "shard=%u to=%s error=%s", r->shard, s->name,
                     log_q(err->message));
        } else {
            log_info("shard.image", "shard=%u to=%s bytes=%llu", r->shard, s->name,
                     (unsigned long long)s->bytes);
        }
        list_remove(&s->link);
        if (r->group != NULL) {
            group_snapshot_sent(r->group, s->server_id);
        }
    }
    buf_free(&s->header);
    free(s->path);
    free(s);
}

static void encode_header(const struct image_header *h, struct buf *out)
{
    buf_add_u8(out, HEADER_VERSION);
    buf_add_be64(out, h->index);
    buf_add_be64(out, h->term);
    buf_add(out, buf_slice(&h->raft_meta));
}

static void make_image(struct loop_job *job)
{
    struct image_sending *s = CONTAINER_OF(job, struct image_sending, job);
    struct image image;
    (void)unlink(s->path);
    s->rc =
        image_start(&image, s->replica->path, s->replica->shard, s->path, IMAGE_HOLD_MS, &s->err);
    if (s->rc != 0) {
        return;
    }
    while (s->rc == 0 && !image.done) {
        s->rc = image_step(&image, IMAGE_STEP_PAGES, &s->err);
    }
    if (s->rc == 0) {
        encode_header(&image.header, &s->header);
        s->bytes = image.header.bytes;
    }
    image_end(&image);
}

static int read_image(struct transport_image *stream, char *bytes, size_t cap, size_t *len,
                      struct err *err)
{
    struct image_sending *s = CONTAINER_OF(stream, struct image_sending, stream);
    ssize_t got = read(s->file, bytes, cap); /* just written: from memory */
    if (got < 0) {
        return err_errno(err, ERR_IO, errno, "read %s", s->path);
    }
    *len = (size_t)got;
    return 0;
}

static void on_stream_done(struct transport_image *stream, int status, const struct err *err)
{
    struct image_sending *s = CONTAINER_OF(stream, struct image_sending, stream);
    s->streaming = false;
    sending_end(s, status, err);
}

static void on_made(struct loop_job *job)
{
    struct image_sending *s = CONTAINER_OF(job, struct image_sending, job);
    if (s->rc != 0 || s->stopped) {
        sending_end(s, s->rc, &s->err);
        return;
    }
    s->file = open(s->path, O_RDONLY | O_CLOEXEC);
    if (s->file < 0) {
        struct err err;
        int rc = err_errno(&err, ERR_IO, errno, "open %s", s->path);
        sending_end(s, rc, &err);
        return;
    }
    s->streaming = true;
    s->stream = (struct transport_image){.read = read_image, .done = on_stream_done};
    transport_image_send(s->replica->node->transport, &s->stream, s->name, s->replica->shard,
                         buf_slice(&s->header));
}

void images_send(struct replica *r, const char *name, uint64_t server_id)
{
    struct image_sending *s = mem_zero(sizeof(*s));
    s->replica = r;
    s->server_id = server_id;
    s->file = -1;
    (void)snprintf(s->name, sizeof(s->name), "%s", name);
    struct buf path = {0};
    buf_addf(&path, "%s/image-%llu.tmp", r->dir, (unsigned long long)server_id);
    s->path = buf_take(&path);
    list_push_back(&r->images, &s->link);
    loop_submit(&r->node->consensus, &s->job, make_image, on_made);
}

void images_stop(struct replica *r)
{
    struct list *link;
    while ((link = list_pop_front(&r->images)) != NULL) {
        struct image_sending *s = CONTAINER_OF(link, struct image_sending, link);
        s->stopped = true;
        if (s->streaming) {
            transport_image_cancel(&s->stream);
            sending_end(s, 0, NULL);
        } /* else its job is still running and ends it */
    }
}

/* ---- receiving ---- */

struct image_arriving {
    struct loop_job job;
    struct replica *replica;
    char *path;
    int file;
    uint64_t index;
    uint64_t term;
    struct buf configuration;
    int rc;
    struct err err;
};

static void arriving_free(struct image_arriving *a)
{
    if (a->file >= 0) {
        (void)close(a->file);
    }
    (void)unlink(a->path);
    buf_free(&a->configuration);
    free(a->path);
    free(a);
}

static int on_write(struct transport_arrival *arrival, struct slice bytes, struct err *err)
{
    struct image_arriving *a = arrival->user;
    while (bytes.len > 0) {
        ssize_t put = write(a->file, bytes.data, bytes.len);
        if (put < 0 && errno != EINTR) {
            int code = errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
            return err_errno(err, code, errno, "write %s", a->path);
        }
        bytes = slice_sub(bytes, put > 0 ? (size_t)put : 0, SIZE_MAX);
    }
    return 0;
}

static void check_image(struct loop_job *job)
{
    struct image_arriving *a = CONTAINER_OF(job, struct image_arriving, job);
    struct image_header header = {0};
    if (fsync(a->file) != 0) {
        a->rc = err_errno(&a->err, ERR_IO, errno, "sync %s", a->path);
        return;
    }
    a->rc = image_check(a->path, &header, &a->err);
    if (a->rc != 0) {
        return;
    }
    if (header.index != a->index || header.term != a->term ||
        !slice_eq(buf_slice(&header.raft_meta), buf_slice(&a->configuration)) ||
        header.shard != a->replica->shard) {
        a->rc = err_set(&a->err, ERR_CORRUPT, "%s: the image is not what was announced", a->path);
    }
    image_header_free(&header);
}

static void on_checked(struct loop_job *job)
{
    struct image_arriving *a = CONTAINER_OF(job, struct image_arriving, job);
    if (a->rc != 0 || a->replica->group == NULL) {
        if (a->rc != 0) {
            log_warn("shard.image", "shard=%u error=%s", a->replica->shard, log_q(a->err.message));
        }
        arriving_free(a);
        return;
    }
    struct group_point point = {
        .index = a->index, .term = a->term, .configuration = buf_slice(&a->configuration)};
    group_snapshot_offer(a->replica->group, a, &point);
}

static int on_finish(struct transport_arrival *arrival, struct err *err)
{
    (void)err;
    struct image_arriving *a = arrival->user;
    loop_submit(&a->replica->node->consensus, &a->job, check_image, on_checked);
    return 0;
}

static void on_abort(struct transport_arrival *arrival)
{
    arriving_free(arrival->user);
}

void images_arrive(struct node_impl *n, struct transport_arrival *arrival, const char *peer,
                   uint32_t shard, struct slice header)
{
    enum { FIXED_BYTES = 17 };
    if (shard >= n->identity.shards || header.len < FIXED_BYTES ||
        header.data[0] != HEADER_VERSION || n->stopping) {
        log_warn("shard.image", "from=%s shard=%u error=%s", peer, shard,
                 log_q("an image that this release does not know"));
        return;
    }
    struct replica *r = &n->replicas[shard];
    struct image_arriving *a = mem_zero(sizeof(*a));
    a->replica = r;
    a->index = be64_get(header.data + 1);
    a->term = be64_get(header.data + 9);
    buf_add(&a->configuration, slice_sub(header, FIXED_BYTES, SIZE_MAX));
    struct buf path = {0};
    buf_addf(&path, "%s/incoming-%s-%u.tmp", r->dir, peer, n->image_serial++ % 8);
    a->path = buf_take(&path);
    a->file = open(a->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (a->file < 0) {
        log_error("shard.image", "shard=%u path=%s errno=%d", shard, log_q(a->path), errno);
        arriving_free(a);
        return;
    }
    arrival->user = a;
    arrival->write = on_write;
    arrival->finish = on_finish;
    arrival->abort = on_abort;
}

void images_install(struct replica *r, void *token)
{
    struct image_arriving *a = token;
    if (a == NULL) {
        log_error("shard.install", "shard=%u error=%s", r->shard, log_q("no image"));
        return;
    }
    keeper_install(&r->keeper, a->path);
    /* The file is the keeper's now. */
    (void)close(a->file);
    buf_free(&a->configuration);
    free(a->path);
    free(a);
}

void images_refuse(void *token)
{
    if (token != NULL) {
        arriving_free(token);
    }
}
