/* transport.h: everything that goes between nodes.
 *
 * Each node dials each other node: one mutual-TLS connection each way per pair, the dialler's
 * frames flow on it. What is multiplexed on it:
 *
 *   messages   of Raft groups: small, or chunked so that others interleave; may be dropped
 *   notes      one-way, small, of a kind the user numbers (clocks)
 *   calls      request bytes -> a stream of response bytes, with deadline and cancellation
 *   images     snapshot streams, pulled from a reader, pushed into a writer, at low priority
 *
 * A peer's certificate must carry the URI "choreod://CLUSTER/node/NAME"; any other certificate of
 * the same CA is refused. So is a second process under one name (a data directory that was copied):
 * the one at the peer's address is the peer, failing that the one that came first. Queues are
 * bounded: a peer that does not read is disconnected. Lost connections are dialled again with
 * backoff and jitter; what was queued on them is dropped, calls and images on them end with
 * ERR_UNAVAILABLE.
 *
 * Owner:  whoever called transport_open(). Calls and images are embedded by callers, theirs again
 *         from their last callback on. Callbacks are never made inside the submitting call.
 * Thread: the loop's. */
#ifndef RAFT_TRANSPORT_H
#define RAFT_TRANSPORT_H

#include "base/list.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/tls.h"

struct transport;

enum transport_limit {
    TRANSPORT_NAME_MAX = 63,
    TRANSPORT_PEERS_MAX = 32,
    TRANSPORT_MESSAGE_MAX = 16 << 20, /* bytes of a message */
    TRANSPORT_NOTE_MAX = 4 << 10,
    TRANSPORT_REQUEST_MAX = 8 << 20,     /* bytes of a call's request */
    TRANSPORT_CHUNK_MAX = 64 << 10,      /* bytes of a frame: what heartbeats wait for at most */
    TRANSPORT_QUEUE_MAX = 96 << 20,      /* bytes waiting for one peer */
    TRANSPORT_CALLS_MAX = 16384,         /* open calls from one peer */
    TRANSPORT_RESPONSE_WINDOW = 1 << 20, /* bytes of one call's response in flight */
    TRANSPORT_IMAGE_HEADER_MAX = 64 << 10,
};

struct transport_call;
struct transport_served;
struct transport_image;
struct transport_arrival;

struct transport_ops {
    /* A whole message for a group; borrowed for the call. peer is verified. */
    void (*message)(void *user, const char *peer, uint32_t group, struct slice bytes);
    void (*note)(void *user, const char *peer, uint32_t kind, struct slice bytes);
    /* Frames can be sent to the peer (again), or no longer. When the peer's own connection to us
     * closes, that is the news that its process may have died: disconnected is called then too, and
     * connected right after it if our own connection still stands. */
    void (*connected)(void *user, const char *peer);
    void (*disconnected)(void *user, const char *peer, const struct err *why);
    /* A call from peer. The request is borrowed for the call. Answer, now or later, with
     * transport_respond() and transport_end(). */
    void (*request)(void *user, struct transport_served *served, const char *peer, uint32_t channel,
                    struct slice request);
    /* An image is coming. Set arrival's callbacks to take it, leave them to refuse it. */
    void (*image)(void *user, struct transport_arrival *arrival, const char *peer, uint32_t group,
                  struct slice header);
    /* The peer goes on refusing us because another live process has our name: this one must end. */
    void (*ousted)(void *user, const char *peer, const struct err *why);
};

struct transport_config {
    struct loop *loop;
    const char *cluster; /* CLUSTER and NAME of our own certificate */
    const char *node;
    const char *listen;     /* "host:port"; port 0: the kernel chooses */
    struct tls *server_tls; /* both require and verify the peer's certificate */
    struct tls *client_tls;
    const struct transport_ops *ops;
    void *user;
    uint32_t ping_ms;       /* 0: 500; a silent connection is closed after four of them */
    uint32_t redial_min_ms; /* 0: 20 */
    uint32_t redial_max_ms; /* 0: 1,000 */
    uint32_t ousted_ms;     /* 0: 5,000; refused for so long as a second process: ousted */
    uint32_t features;      /* bits of the user's, told to every peer: what this program can */
};

/* Errors: ERR_IO (address in use), ERR_INVALID (names). */
int transport_open(const struct transport_config *config, struct transport **transport,
                   struct err *err);
uint16_t transport_port(const struct transport *t);
/* Ends every call and image with ERR_CLOSED, flushes nothing, frees, then calls closed. */
void transport_close(struct transport *t, void (*closed)(void *user), void *user);

/* Where to dial that node; a changed address is dialled anew. Errors: ERR_INVALID, ERR_FULL. */
int transport_set_peer(struct transport *t, const char *name, const char *address, struct err *err);
/* Hangs up and refuses it from now on. */
void transport_remove_peer(struct transport *t, const char *name);
bool transport_connected(const struct transport *t, const char *peer);
/* Can this node, and has every peer there is said of itself that it can, all of that? One that has
 * not been heard since this process began has not. */
bool transport_all_can(const struct transport *t, uint32_t features);

/* Copied. False: dropped, the peer is unknown, not connected or too slow. */
bool transport_send(struct transport *t, const char *peer, uint32_t group, struct slice message);
bool transport_note(struct transport *t, const char *peer, uint32_t kind, struct slice bytes);

/* ---- calls ---- */

struct transport_call {
    void *user;
    /* Response bytes, borrowed, any number of times before done. Return false to be sent no more
     * until transport_call_resume() (these bytes count as taken). */
    bool (*data)(struct transport_call *call, struct slice bytes);
    /* The last callback. 0: the peer ended the response. Else the peer's own code and message, or
     * ERR_UNAVAILABLE (certainly not sent, or the connection broke: then outcome unknown, sent is
     * true), ERR_TIMEOUT (the deadline), ERR_CLOSED. */
    void (*done)(struct transport_call *call, int status, const struct err *err);
    bool sent;                   /* bytes of it may have reached the peer */
    struct transport *transport; /* private */
    struct peer *peer;
    uint64_t id;
    uint64_t deadline_ms;
    uint64_t unacknowledged;
    struct buf held; /* came while paused */
    bool paused;
    bool ended; /* the peer's end has come, behind what is held */
    int status;
    struct err err;
    struct list link;
};

/* channel is the user's number. timeout_ms of 0 waits for ever; the peer is told the deadline. */
void transport_call(struct transport *t, struct transport_call *call, const char *peer,
                    uint32_t channel, struct slice request, uint32_t timeout_ms);
void transport_call_resume(struct transport_call *call);
/* Tells the peer; done is not called; the memory is the caller's at once. */
void transport_call_cancel(struct transport_call *call);

/* The serving side of a call. Lives until transport_end() or until canceled has been called. */
struct transport_served {
    void *user;                                        /* both set by the user in ops.request */
    void (*canceled)(struct transport_served *served); /* the caller, its deadline or connection is
                                                          gone; forget it; may be NULL */
    void (*drained)(struct transport_served *served);  /* the window has room again; may be NULL */
    uint64_t deadline_ms;                              /* loop_now_ms() time; 0: none */
};

/* Queues response bytes (copied). False: the window is full; what was given is queued all the
 * same, wait for drained before giving more. */
bool transport_respond(struct transport_served *served, struct slice bytes);
/* Ends the response, code 0 or an error with its message; served is gone. */
void transport_end(struct transport_served *served, int code, const char *message);

/* ---- images ---- */

struct transport_image {
    void *user;
    /* Fills at most cap bytes, sets *len; *len of 0 is the end. Called as the connection has room.
     * Errors end the image on both sides. */
    int (*read)(struct transport_image *image, char *bytes, size_t cap, size_t *len,
                struct err *err);
    /* The last callback. 0: the peer took it whole and its finish() succeeded. */
    void (*done)(struct transport_image *image, int status, const struct err *err);
    struct transport *transport; /* private */
    struct peer *peer;
    uint64_t id;
    uint64_t inflight;
    bool ended; /* all of it is sent */
    int status;
    struct err err;
    struct list link;
};

void transport_image_send(struct transport *t, struct transport_image *image, const char *peer,
                          uint32_t group, struct slice header);
void transport_image_cancel(struct transport_image *image); /* done is not called */

struct transport_arrival {
    void *user; /* these are set by the user in ops.image */
    int (*write)(struct transport_arrival *arrival, struct slice bytes, struct err *err);
    /* All of it has come: the user's last callback; its result is sent back. */
    int (*finish)(struct transport_arrival *arrival, struct err *err);
    /* It will never be whole: the user's last callback. */
    void (*abort)(struct transport_arrival *arrival);
};

/* ---- looking ---- */

struct transport_peer_status {
    char name[TRANSPORT_NAME_MAX + 1];
    char address[128];
    bool connected; /* we to it */
    bool accepted;  /* it to us */
    uint64_t queued_bytes;
    uint64_t round_trip_us; /* of the last ping; 0: unknown */
};

size_t transport_status(const struct transport *t, struct transport_peer_status *out, size_t cap);

#endif
