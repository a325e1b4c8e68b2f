/* measure.h: what /metrics says of HTTP: requests by method and class of answer, the time from a
 * request's head to its answer's, connections.
 * Owner: struct http_server embeds it. Thread: the loop's; the metrics behind it are shared. */
#ifndef NODE_HTTP_MEASURE_H
#define NODE_HTTP_MEASURE_H

#include "base/metrics.h"

enum { MEASURE_METHODS = 6, MEASURE_CLASSES = 6 };

struct http_measure {
    struct metric *requests[MEASURE_METHODS][MEASURE_CLASSES];
    struct metric *seconds[MEASURE_METHODS];
    struct metric *connections;
    struct metric *handshakes_failed;
    struct metric *floods;
    struct metric *refused;
};

void http_measure_init(struct http_measure *m);
void http_measure_answer(struct http_measure *m, struct slice method, int status,
                         uint64_t started_ns);

#endif
