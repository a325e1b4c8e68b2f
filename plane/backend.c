/* backend.c: the loops' side: requests in, answers out, views kept up to date.
 *
 * Happy path: a call allocates an op and posts it (to its own loop for reads, so that nothing calls
 * back inside the call; to the writer for submits); it comes home as a message and ends in done().
 * A read that wants a version from the future waits in the front's list, looked through at each
 * advance and by a timer.
 * Failure path: cancel marks the op; a submit that the writer already has ends with its outcome.
 * Invariant: a front's view is advanced before any submit that it contains is answered, because the
 * writer posts the two in that order. */
#include "plane/backend.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "plane/backend_internal.h"

enum { WAIT_MS = 3000, PATIENCE_MS = 100 };

static struct plane_backend *self(struct backend *b)
{
    return CONTAINER_OF(b, struct plane_backend, backend);
}

static struct plane_front *front_of(struct plane_backend *b, const struct loop *loop)
{
    for (size_t i = 0; i < PLANE_FRONTS_MAX; i++) {
        if (atomic_load(&b->fronts[i].loop) == loop) {
            return &b->fronts[i];
        }
    }
    return NULL;
}

/* ---- ops ---- */

static void **impl_of(struct plane_op *op)
{
    switch (op->kind) {
    case OP_GET:
        return &op->get->impl;
    case OP_LIST:
        return &op->list->impl;
    case OP_SUBMIT:
    case OP_OUTCOME:
        break;
    }
    return &op->submit->impl;
}

static void end_op(struct plane_op *op, int rc, const struct err *why)
{
    struct err err = {0};
    if (rc != 0) {
        err = *why;
    }
    struct plane_op ended = *op;
    list_remove(&op->all);
    *impl_of(op) = NULL;
    free(op);
    const struct err *told = rc != 0 ? &err : NULL;
    switch (ended.kind) {
    case OP_GET:
        ended.get->done(ended.get, rc, told);
        break;
    case OP_LIST:
        ended.list->done(ended.list, rc, told);
        break;
    case OP_SUBMIT:
    case OP_OUTCOME:
        ended.submit->version = ended.version;
        ended.submit->done(ended.submit, rc, told);
        break;
    }
}

static void end_with(struct plane_op *op, int code, const char *message)
{
    struct err err;
    (void)err_set(&err, code, "%s", message);
    end_op(op, code, &err);
}

/* The version that a read must wait for, or 0. */
static uint64_t wanted(const struct plane_op *op)
{
    if (op->kind == OP_GET && op->get->consistency == BACKEND_AT_LEAST) {
        return op->get->version;
    }
    if (op->kind == OP_LIST && op->list->consistency == BACKEND_AT_LEAST) {
        return op->list->version;
    }
    return 0;
}

static void read_now(struct plane_op *op)
{
    struct view *view = &op->front->view;
    struct plane_op read = *op;
    list_remove(&op->all);
    *impl_of(op) = NULL;
    free(op);
    switch (read.kind) {
    case OP_GET:
        view_get(view, read.get);
        break;
    case OP_LIST:
        view_list(view, read.list);
        break;
    case OP_OUTCOME:
        view_outcome(view, read.submit);
        break;
    case OP_SUBMIT:
        assert(0 && "submits are the writer's");
        break;
    }
}

static void run_read(struct loop_msg *msg)
{
    struct plane_op *op = CONTAINER_OF(msg, struct plane_op, msg);
    struct plane_front *f = op->front;
    if (op->canceled) {
        end_with(op, ERR_CANCELED, "canceled");
    } else if (f->closing) {
        end_with(op, ERR_CLOSED, "shutting down");
    } else if (wanted(op) > view_present(&f->view)) {
        op->wait_until_ms = loop_now_ms(f->loop) + WAIT_MS;
        if (list_empty(&f->waiting)) {
            loop_timer_start(&f->patience, PATIENCE_MS, PATIENCE_MS);
        }
        list_push_back(&f->waiting, &op->link);
    } else {
        read_now(op);
    }
}

/* Looks through the waiting reads: served, canceled or out of time ones leave. */
static void serve_waiting(struct plane_front *f)
{
    struct list due;
    list_init(&due);
    list_splice_back(&due, &f->waiting);
    struct list *link;
    while ((link = list_pop_front(&due)) != NULL) {
        struct plane_op *op = CONTAINER_OF(link, struct plane_op, link);
        if (op->canceled) {
            end_with(op, ERR_CANCELED, "canceled");
        } else if (f->closing) {
            end_with(op, ERR_CLOSED, "shutting down");
        } else if (wanted(op) <= view_present(&f->view)) {
            read_now(op);
        } else if (loop_now_ms(f->loop) >= op->wait_until_ms) {
            end_with(op, ERR_TIMEOUT, "Too large resource version: it is ahead of the present");
        } else {
            list_push_back(&f->waiting, link);
        }
    }
    if (list_empty(&f->waiting)) {
        loop_timer_stop(&f->patience);
    }
}

static void on_patience(struct loop_timer *timer)
{
    serve_waiting(CONTAINER_OF(timer, struct plane_front, patience));
}

static void come_home(struct loop_msg *msg)
{
    struct plane_op *op = CONTAINER_OF(msg, struct plane_op, msg);
    struct err err = op->err;
    end_op(op, op->rc, &err);
}

void plane__op_done(struct plane_op *op)
{
    op->msg.run = come_home;
    loop_post(op->front->loop, &op->msg);
}

static struct plane_op *op_new(struct backend *b, struct loop *loop, enum plane_op_kind kind,
                               void *request)
{
    struct plane_op *op = mem_zero(sizeof *op);
    op->front = front_of(self(b), loop);
    assert(op->front != NULL && "the loop is not attached");
    op->kind = kind;
    op->request = request;
    list_push_back(&op->front->ops, &op->all);
    switch (kind) {
    case OP_GET:
        op->get = request;
        break;
    case OP_LIST:
        op->list = request;
        break;
    case OP_SUBMIT:
    case OP_OUTCOME:
        op->submit = request;
        break;
    }
    op->msg.run = run_read;
    *impl_of(op) = op;
    return op;
}

/* ---- backend_ops ---- */

static void get(struct backend *b, struct backend_get *request)
{
    loop_post(request->loop, &op_new(b, request->loop, OP_GET, request)->msg);
}

static void list(struct backend *b, struct backend_list *request)
{
    loop_post(request->loop, &op_new(b, request->loop, OP_LIST, request)->msg);
}

static void outcome(struct backend *b, struct backend_submit *request)
{
    loop_post(request->loop, &op_new(b, request->loop, OP_OUTCOME, request)->msg);
}

static void submit(struct backend *b, struct backend_submit *request)
{
    struct plane_op *op = op_new(b, request->loop, OP_SUBMIT, request);
    op->msg.run = plane__writer_take;
    loop_post(&self(b)->writer, &op->msg);
}

static void cancel(struct backend *b, void *request)
{
    struct plane_front *f = front_of(self(b), loop_current());
    assert(f != NULL);
    LIST_FOREACH(link, &f->ops)
    {
        struct plane_op *op = CONTAINER_OF(link, struct plane_op, all);
        if (op->request == request) {
            op->canceled = true; /* a submit ends with its outcome: the writer may have it */
        }
    }
    if (!list_empty(&f->waiting)) {
        loop_timer_start(&f->patience, 0, PATIENCE_MS);
    }
}

static void watch_start(struct backend *b, struct backend_watch *watch)
{
    struct plane_front *f = front_of(self(b), watch->loop);
    assert(f != NULL && "the loop is not attached");
    view_watch_start(&f->view, watch);
}

static void watch_stop(struct backend *b, struct backend_watch *watch)
{
    view_watch_stop(&front_of(self(b), watch->loop)->view, watch);
}

static void watch_resume(struct backend *b, struct backend_watch *watch)
{
    view_watch_resume(&front_of(self(b), watch->loop)->view, watch);
}

static const struct backend_ops ops = {
    .get = get,
    .list = list,
    .watch_start = watch_start,
    .watch_stop = watch_stop,
    .watch_resume = watch_resume,
    .submit = submit,
    .outcome = outcome,
    .cancel = cancel,
};

/* ---- loops come and go ---- */

static void on_advance(struct loop_msg *msg)
{
    struct plane_front *f = CONTAINER_OF(msg, struct plane_front, advance);
    atomic_store(&f->advancing, false); /* before the load: what comes later posts again */
    view_advance(&f->view, atomic_load(&f->backend->present), 0);
    serve_waiting(f);
}

static void on_cut(struct loop_msg *msg)
{
    struct plane_front *f = CONTAINER_OF(msg, struct plane_front, cut);
    atomic_store(&f->cutting, false);
    view_end_watches(&f->view, ERR_UNAVAILABLE, "the watch was cut");
}

void plane__advance_all(struct plane_backend *b)
{
    for (size_t i = 0; i < PLANE_FRONTS_MAX; i++) {
        struct plane_front *f = &b->fronts[i];
        if (atomic_load(&f->open) && !atomic_exchange(&f->advancing, true)) {
            loop_post(f->loop, &f->advance);
        }
    }
}

static void cut_all(struct loop_msg *msg)
{
    struct plane_backend *b = CONTAINER_OF(msg, struct plane_backend, cut);
    atomic_store(&b->cutting, false);
    for (size_t i = 0; i < PLANE_FRONTS_MAX; i++) {
        struct plane_front *f = &b->fronts[i];
        if (atomic_load(&f->open) && !atomic_exchange(&f->cutting, true)) {
            loop_post(f->loop, &f->cut);
        }
    }
}

void plane_backend_cut_watches(struct plane_backend *b)
{
    /* By way of the writer: it alone knows which loops still take messages. */
    if (!atomic_exchange(&b->cutting, true)) {
        b->cut.run = cut_all;
        loop_post(&b->writer, &b->cut);
    }
}

int plane_backend_attach(struct plane_backend *b, struct loop *loop, struct err *err)
{
    unsigned slot = atomic_fetch_add(&b->front_count, 1);
    if (slot >= PLANE_FRONTS_MAX) {
        return err_set(err, ERR_FULL, "at most %d loops can be attached", PLANE_FRONTS_MAX);
    }
    struct plane_front *f = &b->fronts[slot];
    f->backend = b;
    list_init(&f->ops);
    list_init(&f->waiting);
    f->advance.run = on_advance;
    f->cut.run = on_cut;
    int rc = view_open(&f->view, loop, b->config.path, 0, err);
    if (rc != 0) {
        return rc;
    }
    f->view.user = f;
    loop_timer_init(loop, &f->patience, on_patience);
    atomic_store(&f->loop, loop);
    atomic_store(&f->open, true);
    plane__advance_all(b); /* what was applied since view_open() */
    return 0;
}

static void part_closed(struct plane_front *f)
{
    if (--f->parts_open == 0) {
        f->detached(f->user);
    }
}

static void on_view_closed(struct view *view)
{
    part_closed(view->user);
}

static void on_patience_closed(struct loop_timer *timer)
{
    part_closed(CONTAINER_OF(timer, struct plane_front, patience));
}

/* Back on the loop: the writer posts nothing here any more. */
static void left(struct loop_msg *msg)
{
    struct plane_front *f = CONTAINER_OF(msg, struct plane_front, leave);
    serve_waiting(f);
    f->parts_open = 2;
    view_close(&f->view, on_view_closed);
    loop_timer_close(&f->patience, on_patience_closed);
}

static void leave(struct loop_msg *msg)
{
    struct plane_front *f = CONTAINER_OF(msg, struct plane_front, leave);
    plane__writer_flush(f->backend); /* its submits go home first */
    atomic_store(&f->open, false);
    f->leave.run = left;
    loop_post(f->loop, &f->leave);
}

void plane_backend_detach(struct plane_backend *b, struct loop *loop, void (*detached)(void *user),
                          void *user)
{
    assert(loop_is_current(loop));
    struct plane_front *f = front_of(b, loop);
    assert(f != NULL && !f->closing);
    f->closing = true;
    f->detached = detached;
    f->user = user;
    f->leave.run = leave;
    loop_post(&b->writer, &f->leave);
}

/* ---- the backend ---- */

int plane_backend_open(struct plane_backend *b, const struct plane_backend_config *config,
                       struct err *err)
{
    *b = (struct plane_backend){.backend = {.ops = &ops}, .config = *config};
    if (b->config.clock == NULL) {
        b->config.clock = &clock_system;
    }
    return plane__writer_open(b, err);
}

void plane_backend_close(struct plane_backend *b)
{
    for (size_t i = 0; i < PLANE_FRONTS_MAX; i++) {
        assert(!atomic_load(&b->fronts[i].open) && "a loop is still attached");
    }
    plane__writer_close(b);
}
