/* call.h: one question to a shard's leader, wherever that is.
 *
 * Made on any loop, handed to dispatch (dispatch.h), which finds the leader, forwards to another
 * node when need be and asks again when leadership moves, with the same bytes, until the deadline.
 * What is asked can be asked twice: writes carry their request id.
 *
 *   SUBMIT     an encoded command           -> version, index of its entry
 *   READ       nothing                      -> index to have applied, version: the leader's clock
 *   CLOSE      version, trusted             -> version closed, index to have applied for that
 *   TRANSFER   name, or nothing             -> done
 *   ADD        server id, name              -> standby
 *   PROMOTE / REMOVE   server id            -> done
 *
 * Owner:  heap; whoever made it, again from done() on. Thread: home's, in dispatch the consensus
 *         loop's. */
#ifndef NODE_SHARD_CALL_H
#define NODE_SHARD_CALL_H

#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/str.h"
#include "raft/group.h"
#include "raft/transport.h"

enum call_kind {
    CALL_SUBMIT = 1,
    CALL_READ,
    CALL_CLOSE,
    CALL_TRANSFER,
    CALL_ADD,
    CALL_PROMOTE,
    CALL_REMOVE,
    CALL_KIND_COUNT,
};

struct front;
struct replica;

struct call {
    enum call_kind kind;
    uint32_t shard;
    uint64_t deadline_ms; /* loop_now_ms(), the same on all loops */
    struct buf request;
    uint64_t close_version; /* CLOSE, instead of request */
    bool close_trusted;     /* it comes from a leader or a row, not from a client */
    struct loop *home;      /* where done runs; NULL: on the consensus loop, at once */
    struct front *front;    /* of home, for its own count */
    void *user;
    void (*done)(struct call *call);
    /* results */
    int rc;
    struct err err;
    uint64_t index;
    uint64_t version;
    /* private: dispatch's and the leader's */
    struct loop_msg msg;
    struct list link;
    struct node_impl *node;
    struct replica *replica;
    struct transport_call remote;
    struct buf response;
    struct group_read read;
    struct group_change change;
    bool own;         /* the leader's own: never asked of another */
    bool user_served; /* user is the transport_served of another node */
    bool forwarded;   /* remote is under way */
    bool tried;       /* a leader may have got it */
    uint64_t retry_at_ms;
    uint64_t wait_until_ms; /* CLOSE: for the leader's clock */
    char peer[GROUP_NAME_MAX + 1];
};

struct call *call_new(enum call_kind kind, uint32_t shard, uint64_t deadline_ms);
void call_free(struct call *call);
/* Sets the result; err may be NULL (then the code's meaning). Returns rc. */
int call_set(struct call *call, int rc, const struct err *err);

/* The way between nodes. Request: shard (4 bytes), kind (1), the kind's own; response: index,
 * version. Errors: ERR_CORRUPT. */
void call_encode(const struct call *call, struct buf *out);
int call_decode(struct slice bytes, struct call **call, struct err *err);
void call_encode_response(const struct call *call, struct buf *out);
int call_decode_response(struct slice bytes, struct call *call, struct err *err);

/* Requests of ADD, PROMOTE, REMOVE. */
void call_set_server(struct call *call, uint64_t server_id, const char *name);
int call_server(const struct call *call, uint64_t *server_id, char name[GROUP_NAME_MAX + 1],
                struct err *err);

#endif
