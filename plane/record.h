/* record.h: every mutation that came to a simulated cluster, for tests to look at afterwards.
 *
 * One JSON object a line: {"seq", "time", "verb", "resource", "namespace", "name", "uid",
 * "version", "epoch" (the object's choreo.dev/epoch annotation), "agent" (the request's
 * User-Agent), "user", "from"}. The cluster's own controllers are left out. The newest RECORD_LINES
 * are kept.
 * Owner: the caller (record_free). Thread: one: the backend's writer. */
#ifndef PLANE_RECORD_H
#define PLANE_RECORD_H

#include "plane/backend.h"

enum { RECORD_LINES = 65536 };

struct record {
    uint64_t next_seq; /* of the next line; the first is 1 */
    char **lines;      /* private: a ring */
    size_t count;
};

void record_init(struct record *r);
void record_free(struct record *r);
void record_add(struct record *r, const struct plane_mutation *m);
/* Lines with a seq above since, at most RECORD_READ_BYTES of them; *last is the greatest seq given
 * (since: none). */
enum { RECORD_READ_BYTES = 4 * 1024 * 1024 };
void record_read(const struct record *r, uint64_t since, struct buf *out, uint64_t *last);

#endif
