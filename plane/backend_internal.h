/* backend_internal.h: one request on its way, shared by the loops' side and the writer's.
 * Thread: it belongs to one loop at a time, handed over by message. */
#ifndef PLANE_BACKEND_INTERNAL_H
#define PLANE_BACKEND_INTERNAL_H

#include "base/list.h"
#include "plane/backend.h"
#include "store/outcome.h"

enum plane_op_kind { OP_GET, OP_LIST, OP_SUBMIT, OP_OUTCOME };

struct plane_op {
    struct loop_msg msg;
    struct list all;  /* the front's, on its loop */
    struct list link; /* in the front's waiting list, or the writer's queue */
    struct plane_front *front;
    enum plane_op_kind kind;
    void *request; /* which of these: */
    union {
        struct backend_get *get;
        struct backend_list *list;
        struct backend_submit *submit;
    };
    bool canceled;
    uint64_t wait_until_ms;
    uint64_t version; /* a submit's result */
    int rc;
    struct err err;
};

/* The writer's side. */
int plane__writer_open(struct plane_backend *b, struct err *err);
void plane__writer_close(struct plane_backend *b);
/* On the writer's loop: op->submit is to be applied; ends in plane__op_done(). */
void plane__writer_take(struct loop_msg *msg);
/* On the writer's loop: applies everything that has come in. */
void plane__writer_flush(struct plane_backend *b);
/* Sends the op home; its rc, err and version are set. */
void plane__op_done(struct plane_op *op);
/* Tells every loop that the database has more. */
void plane__advance_all(struct plane_backend *b);

#endif
