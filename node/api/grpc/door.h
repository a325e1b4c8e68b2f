/* door.h: the gRPC door: gRPC over HTTP/2, as its protocol document says it.
 *
 *   application/grpc -> method found by path -> subject -> messages in -> the service's function
 *     -> grpc_send() ... -> grpc_finish(): trailers with status and details
 *
 * A service is protobuf-c's descriptor and one function a method; what all have in common (framing,
 * deadlines, cancellation, limits, status details, flow control) is here.
 * Owner:  the caller embeds struct grpc and keeps it until the servers have closed. A call lives
 *         from its first message until it is finished and every grpc_hold() was dropped.
 * Thread: grpc_init() and grpc_add(): before servers run. Calls: their front loop. */
#ifndef NODE_API_GRPC_DOOR_H
#define NODE_API_GRPC_DOOR_H

#include "node/api/accounts.h"
#include "node/api/grpc/frames.h"
#include "proto/cause.h"

enum {
    GRPC_SERVICES_MAX = 8,
    GRPC_MESSAGE_MAX = 4 * 1024 * 1024, /* bytes of one message from a client, unpacked or not:
                                           beyond it RESOURCE_EXHAUSTED */
    GRPC_MESSAGES_MAX = 1000,           /* of one bidirectional call */
    GRPC_DEADLINE_MS = 30 * 1000,       /* of a call that names none, unless its service streams:
                                           then of its request's coming */
};

struct grpc_call;
/* Borrows the request for the call's life. Answers now or later, with grpc_finish(). */
typedef void (*grpc_method)(struct grpc_call *call, const ProtobufCMessage *request);

struct grpc_service {
    const ProtobufCServiceDescriptor *descriptor;
    const grpc_method *methods; /* in the descriptor's order; NULL: UNIMPLEMENTED */
    /* A method is called for every message of a call, and answers before it returns: the message
     * and what it allocates in the call's arena are gone then. */
    bool bidirectional;
    uint32_t message_max; /* bytes; 0: GRPC_MESSAGE_MAX */
    bool open_ended;      /* no deadline of ours */
    uint32_t watches;     /* methods whose calls do not end by themselves: a bit each */
    /* Anyone known may call a path that auth.c allows; a service that checks per resource itself
     * sets this. */
    bool authorizes;
    void *user;
};

struct grpc {
    const struct grpc_service *services[GRPC_SERVICES_MAX]; /* private */
    size_t count;
};

void grpc_init(struct grpc *g);
void grpc_add(struct grpc *g, const struct grpc_service *service); /* borrowed */
/* api_config.grpc; api_config.grpc_user is the struct grpc. */
void grpc_accept(struct api *api, struct http_stream *stream);

struct grpc_call {
    struct api *api;
    struct http_stream *stream;
    struct loop *loop;
    struct arena *arena; /* of the call */
    const struct grpc_service *service;
    struct subject subject;
    struct quota_ticket *ticket; /* what the call has of the subject's share */
    uint64_t deadline_ms;        /* of the loop's clock; UINT64_MAX: none */
    void *state;                 /* the method's */
    /* Set by a method whose response ends only with its client: UNAVAILABLE ends it, and cancel
     * comes, when the server stops. Bidirectional calls are such from the start. */
    bool endless;
    /* Set by a method that has something under way: the client went away or the deadline passed.
     * Comes at most once, never inside a call of this header; the call is finished already. */
    void (*cancel)(struct grpc_call *call);
    /* grpc_send() had said false; now there is room again. */
    void (*writable)(struct grpc_call *call);
    /* private */
    unsigned method;
    struct frames frames;
    struct buf in; /* not yet a message */
    bool started;
    bool finished;
    bool released;
    bool whole;    /* the client has said all */
    bool checking; /* whether the account of the caller's token is there: nothing is served yet */
    struct account_check check;
    unsigned messages;
    struct err *refusal; /* told when the request is whole; NULL: not refused */
    size_t refused_bytes;
    int holds;
    struct loop_timer timer;
};

/* The response's head, before any message: that there will be some. */
void grpc_open(struct grpc_call *call);
/* False: enough for now, writable will come. */
bool grpc_send(struct grpc_call *call, const ProtobufCMessage *message);
/* The end: rc 0, or err's; causes (may be NULL) become google.rpc.BadRequest. */
void grpc_finish(struct grpc_call *call, int rc, const struct err *err,
                 const struct causes *causes);
/* The same, about one field of the request: a google.rpc.BadRequest names it, if rc says that it is
 * the request that is wrong. */
void grpc_finish_field(struct grpc_call *call, int rc, const struct err *err, const char *field);
/* ERR_INVALID for a field; message is the whole sentence. */
void grpc_bad_field(struct grpc_call *call, const char *field, const char *message);
/* One message and the end. */
void grpc_reply(struct grpc_call *call, const ProtobufCMessage *message);
/* The call stays until dropped: around everything asynchronous. */
void grpc_hold(struct grpc_call *call);
void grpc_drop(struct grpc_call *call);
bool grpc_done(const struct grpc_call *call); /* finished, or the client is gone */

/* choreo.v1.ResourceService, choreo.v1.LogService, grpc.health.v1.Health, grpc.reflection.v1 and
 * v1alpha. */
extern const struct grpc_service grpc_resource_service;
extern const struct grpc_service grpc_log_service;
extern const struct grpc_service grpc_health_service;
extern const struct grpc_service grpc_reflection_service;
extern const struct grpc_service grpc_reflection_alpha_service;

#endif
