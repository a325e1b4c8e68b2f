/* transport_internal.h: what the files of the transport share.
 *
 * A frame is its length (of what follows), a type, and the type's fields; numbers are big-endian.
 * On a connection, the dialler says HELLO, the other side WELCOME, both with a number that their
 * process made up when it began; from then on frames flow from the dialler, and only answers to its
 * PINGs come back. A peer has two lanes: `urgent` (small messages, notes, windows) always goes
 * before `bulk` (parts of large messages, calls, responses), which goes before images. The stream
 * is fed little by little, so nothing urgent waits behind more than TRANSPORT__AHEAD_BYTES. */
#ifndef RAFT_TRANSPORT_INTERNAL_H
#define RAFT_TRANSPORT_INTERNAL_H

#include "base/log.h"
#include "base/map.h"
#include "raft/fields.h"
#include "raft/transport.h"

enum {
    TRANSPORT__VERSION = 1,
    TRANSPORT__AHEAD_BYTES = 256 << 10, /* given to the stream before the kernel took them */
    TRANSPORT__SMALL = 32 << 10,        /* larger messages and requests are cut into parts */
    TRANSPORT__URGENT_MAX = 32 << 20,
    TRANSPORT__KEPT_BYTES = 256 << 10,   /* of a lane's memory when it is empty */
    TRANSPORT__GROUP_BULK_MAX = 8 << 20, /* of one group's messages waiting for one peer */
    TRANSPORT__PARTIAL_MAX = 64,         /* messages and requests of a peer half received */
    TRANSPORT__FRAME_MAX = TRANSPORT_CHUNK_MAX + 256,
    TRANSPORT__ACK_BYTES = TRANSPORT_RESPONSE_WINDOW / 4,
};

enum frame_type {
    FRAME_HELLO = 1,
    FRAME_WELCOME,
    FRAME_PING,
    FRAME_PONG,
    FRAME_MESSAGE,      /* group, bytes */
    FRAME_MESSAGE_PART, /* id, group, total, bytes */
    FRAME_NOTE,         /* kind, bytes */
    FRAME_CALL,         /* id, channel, timeout, total, bytes: the first of them */
    FRAME_CALL_PART,    /* id, bytes */
    FRAME_CANCEL,       /* id */
    FRAME_DATA,         /* id, bytes */
    FRAME_END,          /* id, code, text */
    FRAME_WINDOW,       /* id, bytes taken */
    FRAME_IMAGE,        /* id, group, header */
    FRAME_IMAGE_PART,   /* id, bytes */
    FRAME_IMAGE_END,    /* id, 0: whole, 1: given up */
    FRAME_IMAGE_WINDOW, /* id, bytes taken */
    FRAME_IMAGE_RESULT, /* id, code, text */
    FRAME_REFUSED, /* back, instead of WELCOME or any time after: another process has your name */
};

struct conn {
    struct stream stream;
    struct transport *t;
    struct peer *peer;                 /* of an accepted one: once it has said who it is */
    char name[TRANSPORT_NAME_MAX + 1]; /* accepted: the node that its certificate names */
    uint64_t boot;                     /* the other side's process; 0: not known */
    uint32_t features;                 /* what the other side's program can */
    bool dialled;
    bool open;    /* TLS stands */
    bool welcome; /* dialled: the other side took us */
    bool refused; /* dialled: as a second process */
    bool closing;
    struct buf in;
    uint64_t heard_ms;
    uint64_t pinged_ms;
    struct list link; /* transport.conns */
};

struct frame {
    struct list link;
    bool of_message;
    uint32_t group;
    size_t len;
    char bytes[];
};

/* A message or request that comes in parts. */
struct partial {
    struct list link;
    uint64_t id;
    bool call;
    uint32_t group; /* or channel */
    uint32_t timeout_ms;
    size_t total;
    struct buf bytes;
};

struct bulk_use {
    uint32_t group;
    size_t bytes;
};

struct served {
    struct transport_served pub;
    struct peer *peer;
    uint64_t id;
    uint64_t inflight;
    bool full;
    struct list link;
};

struct arrival {
    struct transport_arrival pub;
    struct peer *peer;
    uint64_t id;
    uint64_t unacknowledged;
    struct list link;
};

struct peer {
    struct transport *t;
    char name[TRANSPORT_NAME_MAX + 1];
    char address[128]; /* "": not to be dialled */
    char uri[256];
    bool removed;
    bool told_connected;
    uint32_t features; /* what it said last; 0: nothing yet */
    struct conn *out;
    struct conn *in;
    unsigned failures; /* of dialling, in a row */
    uint64_t redial_at_ms;
    uint64_t connected_ms;
    uint64_t refused_ms; /* since when it takes us for a second process; 0: it does not */
    uint64_t round_trip_us;
    struct buf urgent;
    struct list bulk; /* struct frame */
    size_t bulk_bytes;
    struct bulk_use *bulk_use;
    size_t bulk_use_count;
    size_t fed_pending; /* the stream's queue at the last look: falling is a sign of life */
    struct list partials;
    size_t partial_count;
    size_t partial_bytes;
    struct map calls; /* by id: struct transport_call */
    struct list call_list;
    struct map served; /* by id: struct served */
    struct list served_list;
    struct list images;
    struct list arrivals;
    struct list link;
};

struct transport {
    struct transport_config config;
    char cluster[TRANSPORT_NAME_MAX + 1];
    char node[TRANSPORT_NAME_MAX + 1];
    struct stream_listener listener;
    bool listening;
    struct list peers;
    struct list conns;
    size_t conn_count;
    uint64_t next_id;
    uint64_t boot; /* tells this process from others under the same name */
    struct log_limit handshakes_failed;
    struct log_limit refusals;
    struct log_limit dials_failed;
    uint32_t random;
    struct loop_timer timer;
    uint64_t timer_due_ms; /* 0: not running */
    struct loop_task task;
    struct list over_calls;  /* their done() is due */
    struct list over_images; /* likewise */
    struct list resumed;     /* calls whose held bytes are due */
    bool closing;
    unsigned closing_handles;
    void (*closed)(void *user);
    void *closed_user;
};

/* transport.c */
struct peer *transport__peer(const struct transport *t, const char *name);
struct peer *transport__peer_add(struct transport *t, const char *name); /* NULL: too many */
void transport__defer(struct transport *t);
void transport__wake_by(struct transport *t, uint64_t at_ms);
uint64_t transport__now(const struct transport *t);
/* Everything that was open with the peer ends: its conversation cannot be continued. */
void transport__reset(struct peer *p, int code, const char *why);
void transport__conn_gone(struct transport *t); /* one connection less */
uint32_t transport__random(struct transport *t);
struct slice transport__key(const uint64_t *id);

/* transport_conn.c */
void transport__dial(struct peer *p);
int transport__listen(struct transport *t, struct err *err);
void transport__hang_up(struct conn *c);
bool transport__can_send(const struct peer *p);
/* Starts a frame in out; transport__frame_end() writes its length. */
size_t transport__frame_begin(struct buf *out, enum frame_type type);
void transport__frame_end(struct buf *out, size_t begin);
bool transport__urgent(struct peer *p, struct slice frames); /* false: too slow; hung up */
bool transport__bulk(struct peer *p, struct slice frame, bool of_message, uint32_t group);
void transport__feed(struct peer *p, bool images);
void transport__drop_queues(struct peer *p);
void transport__conn_tick(struct peer *p, uint64_t now);
void transport__check_silence(struct transport *t, uint64_t now);

void transport__told_connected(struct peer *p);

/* transport_hello.c */
void transport__hello(struct conn *c); /* or WELCOME */
/* Hangs up, and logs why, at most once a second. False. */
bool transport__refuse(struct conn *c, const char *why);
/* Finds the node that an accepted connection's certificate names. NULL, or why it may not speak. */
const char *transport__identify(struct conn *c);
/* False: it breaks the protocol, or may not speak. */
bool transport__on_hello(struct conn *c, struct slice fields);
bool transport__on_welcome(struct conn *c, struct slice fields);
void transport__on_refused(struct conn *c);

/* transport_message.c */
/* One frame from a peer; false: it breaks the protocol. */
bool transport__frame(struct peer *p, enum frame_type type, struct slice fields);
struct partial *transport__partial(struct peer *p, uint64_t id, bool call);
struct partial *transport__partial_add(struct peer *p, uint64_t id, bool call, size_t total);
bool transport__partial_more(struct peer *p, struct partial *part, struct slice bytes);
void transport__partial_drop(struct peer *p, struct partial *part);

/* transport_call.c */
bool transport__on_call(struct peer *p, struct fields *r);
bool transport__on_call_part(struct peer *p, struct fields *r);
bool transport__on_cancel(struct peer *p, struct fields *r);
bool transport__on_data(struct peer *p, struct fields *r);
bool transport__on_end(struct peer *p, struct fields *r);
bool transport__on_window(struct peer *p, struct fields *r);
void transport__end_calls(struct peer *p, int code, const char *why);
void transport__run_calls(struct transport *t);
uint64_t transport__call_tick(struct peer *p, uint64_t now); /* when the next deadline is due */

/* transport_image.c */
bool transport__on_image(struct peer *p, struct fields *r);
bool transport__on_image_part(struct peer *p, struct fields *r);
bool transport__on_image_end(struct peer *p, struct fields *r);
bool transport__on_image_window(struct peer *p, struct fields *r);
bool transport__on_image_result(struct peer *p, struct fields *r);
void transport__end_images(struct peer *p, int code, const char *why);
void transport__run_images(struct transport *t);
bool transport__pull_image(struct peer *p); /* puts the next chunk in the stream; false: none */

#endif
