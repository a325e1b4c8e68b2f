/* logs.h: what the doors ask for logs: the seam between the log subresource and who has logs.
 *
 * Logs are not objects: they lie on clusters, come as they are made, and end when they end. Behind
 * the doors (node/api) stands either the node, which reads pods of its clusters (node/logs), or the
 * simulated cluster, whose pods make them up (plane/logs).
 *
 * Owner:  a read is embedded by the caller, filled in and started; its memory and all that it
 *         borrows stay put until done runs: exactly once, never inside a call of log_ops.
 * Thread: the read's loop, for calls and callbacks. A source serves many loops at once. */
#ifndef PROTO_LOGS_H
#define PROTO_LOGS_H

#include "proto/backend.h"

/* Kubernetes' PodLogOptions, as far as they mean something here. */
struct log_options {
    bool follow;     /* until there will be no more */
    bool previous;   /* of the container's life before this one */
    bool timestamps; /* each line begins with one, and a space */
    bool has_tail;   /* only so many of each container's last lines */
    uint64_t tail_lines;
    uint64_t since_s;        /* only lines of the last so many seconds; 0: all */
    struct slice since_time; /* only lines since then, RFC 3339; empty: all */
    uint64_t limit_bytes;    /* of each container; 0: all */
    struct slice container;  /* this one alone; empty: all */
};

/* Errors: ERR_UNPROCESSABLE (two that forbid each other, a time that is none), naming them. */
int log_options_check(const struct log_options *options, struct err *err);

/* Whose lines they are; empty where it does not matter. */
struct log_origin {
    struct slice cluster;
    struct slice pod;
    struct slice container;
    /* What tells it from the others of this read, for people: "build"; empty: there is no other. */
    struct slice label;
};

struct log_read {
    struct loop *loop;
    struct backend_key key;
    struct log_options options;
    void *user;
    /* The log was found: lines follow, though perhaps not soon. Before the first of them, once. */
    void (*on_open)(struct log_read *read);
    /* Whole lines, each with its newline. May set paused: no more than is under way already (some
     * KB of each container) comes until resume(), and the source is read no further. */
    void (*on_lines)(struct log_read *read, const struct log_origin *origin, struct slice lines);
    /* A word about the log, for people: what is waited for, what is missing. At any time. */
    void (*on_notice)(struct log_read *read, struct slice text);
    /* rc 0: that was all. Errors: ERR_NOT_FOUND (no such object, or nothing of it is left),
     * ERR_INVALID (it has not begun, no such container), ERR_TIMEOUT (followed, and it has not
     * begun in time), ERR_UPSTREAM (the cluster cannot be read, or no longer), ERR_BUSY (too many
     * at once), ERR_CANCELED (stop()), those of backend_get. */
    void (*done)(struct log_read *read, int rc, const struct err *err);
    bool paused;
    void *impl; /* the source's */
};

struct log_source;

struct log_ops {
    void (*start)(struct log_source *source, struct log_read *read);
    void (*resume)(struct log_source *source, struct log_read *read); /* after paused was cleared */
    /* done follows with ERR_CANCELED, unless it was on its way; nothing else does. */
    void (*stop)(struct log_source *source, struct log_read *read);
};

struct log_source {
    const struct log_ops *ops;
};

#endif
