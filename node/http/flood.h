/* flood.h: what a client may make a connection do that brings neither of them anything.
 *
 * A request, and a kilobyte of body, is work, which others bound (streams, bytes, the subject's
 * share). All else is cheap to send and not quite so cheap to take, so a connection has a budget of
 * it, as struct http_limits says:
 *
 *   frames  HTTP/2 frames that do no work: SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, small or
 *           empty DATA. Work earns some: a request 4, a kilobyte either way 1.
 *   resets  streams that end before their answer: the client resets them (CVE-2023-44487), has us
 *           reset them by a mistake of its own, or opens more than there may be. A head that is too
 *           large costs fifty: a few KB of it may name a table's entry ten thousand times.
 *   pings   PINGs closer than ping_ms to the one before, while we send nothing (as gRPC servers
 *           count them): more than two. Their word for it is "too_many_pings".
 *
 * Whoever spends it is told GOAWAY(ENHANCE_YOUR_CALM) with the reason, and the connection closes.
 * What HTTP/2 itself bounds is the library's: CONTINUATION frames (8), acknowledgements that nobody
 * reads (1000), entries of one SETTINGS (32). Frames of unknown types are skipped unread.
 * Owner: struct http_conn embeds it. Thread: the loop's. */
#ifndef NODE_HTTP_FLOOD_H
#define NODE_HTTP_FLOOD_H

#include "base/bucket.h"
#include "node/http/measure.h"

struct http_limits;

enum {
    FLOOD_SMALL_BYTES = 64,
    FLOOD_PING_STRIKES = 2,
    FLOOD_REQUEST_EARNS = 4,
    FLOOD_HEAD_COSTS = 50
};

struct flood {
    struct bucket frames;
    struct bucket resets;
    uint64_t pinged_ms; /* when the last PING came; 0: none */
    uint32_t strikes;
    uint32_t moved_bytes; /* that have not yet earned a frame */
};

/* Each says what there is too much of, or NULL. */
const char *flood_frame(struct flood *f, const struct http_limits *limits, uint64_t now_ms);
const char *flood_reset(struct flood *f, const struct http_limits *limits, uint64_t now_ms);
const char *flood_head(struct flood *f, const struct http_limits *limits, uint64_t now_ms);
const char *flood_ping(struct flood *f, const struct http_limits *limits, uint64_t now_ms);

/* Work was done. */
void flood_request(struct flood *f);
void flood_moved(struct flood *f, size_t bytes);
/* We sent HEADERS or DATA: PINGs may be about them. */
void flood_answered(struct flood *f);

/* The connection ends for this: a metric, and one line a second at most. */
void flood_tell(struct http_measure *m, const char *what, const char *remote, uint64_t now_ms);

#endif
