/* metrics.h: counters, gauges and histograms, in Prometheus' text format 0.0.4.
 *
 * Metrics are registered once at start, by static name and help, with at most one bounded label
 * set rendered beforehand ("shard=\"3\""). Updates are relaxed atomics.
 * Names:  choreod_<subsystem>_<name>_<unit>[_total]; base units (seconds, bytes).
 * Thread: any. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>

#include "base/str.h"

struct metric; /* lives for the process; registering a name and labels again gives the same one */

struct metric *metric_counter(const char *name, const char *labels, const char *help);
struct metric *metric_gauge(const char *name, const char *labels, const char *help);
/* Buckets: 1, 2.5, 5 x powers of ten from 100 us to 100 s. */
struct metric *metric_histogram(const char *name, const char *labels, const char *help);

void metric_add(struct metric *m, int64_t n);
void metric_set(struct metric *m, int64_t value);
void metric_observe_ns(struct metric *m, uint64_t ns);

/* Everything registered, and the process's own (resident memory, CPU, file descriptors, start). */
void metrics_render(struct buf *out);

#endif
