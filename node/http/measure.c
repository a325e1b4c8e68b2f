/* measure.c: what /metrics says of HTTP.
 *
 * Names and label sets are registered when a server starts; registering again finds the same
 * metric, so that servers on several loops add to the same numbers. */
#include "node/http/measure.h"

#include <stdio.h>

#include "base/clock.h"

static const char *const methods[MEASURE_METHODS] = {"GET",   "POST",   "PUT",
                                                     "PATCH", "DELETE", "other"};

void http_measure_init(struct http_measure *m)
{
    char labels[64];
    for (int i = 0; i < MEASURE_METHODS; i++) {
        (void)snprintf(labels, sizeof(labels), "method=\"%s\"", methods[i]);
        m->seconds[i] = metric_histogram("choreod_http_answer_seconds", labels,
                                         "From the head of a request to the head of its answer.");
        for (int class = 1; class < MEASURE_CLASSES; class ++) {
            (void)snprintf(labels, sizeof(labels), "method=\"%s\",code=\"%dxx\"", methods[i],
                           class);
            m->requests[i][class] = metric_counter("choreod_http_requests_total", labels,
                                                   "Requests answered, by class of status.");
        }
    }
    m->connections = metric_gauge("choreod_http_connections", "", "Open client connections.");
    m->handshakes_failed =
        metric_counter("choreod_http_handshakes_failed_total", "",
                       "Connections to the API that ended before TLS was established.");
    m->refused = metric_counter("choreod_http_connections_refused_total", "",
                                "Connections closed at once because there are too many.");
    m->floods = metric_counter("choreod_http_floods_total", "",
                               "Connections ended because the client sent too much of nothing.");
}

void http_measure_answer(struct http_measure *m, struct slice method, int status,
                         uint64_t started_ns)
{
    int i = 0;
    while (i < MEASURE_METHODS - 1 && !slice_eq_cstr(method, methods[i])) {
        i++;
    }
    int class = status / 100;
    if (class >= 1 && class < MEASURE_CLASSES) {
        metric_add(m->requests[i][class], 1);
    }
    metric_observe_ns(m->seconds[i], clock_mono_ns() - started_ns);
}
