/* log_stream.h: a log, line by line, from whichever node answers.
 *
 * Each line comes once: when the node that streams goes away, another is asked for what followed
 * the last line, which the lines' times tell. Owner: the caller. Thread: main's; calls block. */
#ifndef CLI_LOG_STREAM_H
#define CLI_LOG_STREAM_H

#include "cli/ask.h"
#include "proto/choreo/v1/logs.pb-c.h"

struct log_line {
    const char *cluster; /* "" where it is not known */
    const char *pod;
    const char *container;
    const char *label; /* what tells it from the other lines of this log; "": nothing does */
    struct slice time; /* RFC 3339; empty: not known */
    struct slice text; /* without newline; any bytes */
};

struct log_stream {
    struct cli *cli;
    /* What is asked: ref and options. Its timestamps are this module's. */
    Choreo__V1__LogRequest request;
    uint64_t end_ms; /* of the monotonic clock; 0: as long as it takes */
    void *user;
    void (*line)(struct log_stream *s, const struct log_line *line);
    void (*flush)(struct log_stream *s); /* after the lines of a message; may be NULL */
    void (*notice)(struct log_stream *s, const char *text); /* words about it, each once */
    bool stop; /* set by line() or flush(): that is enough */
    /* private */
    json_t *origins; /* "cluster/pod/container" -> {time, same, left} */
    char *told;
    uint64_t lines;
};

/* Errors: the server's; ERR_TIMEOUT at end_ms. */
int log_stream_read(struct log_stream *s, struct err *err);

#endif
