/* faults.h: what a simulated cluster does wrong on purpose, between the server and the door.
 *
 * Every request but those of the admin endpoint (below PLANE_ADMIN_PATH) passes faults_route(): it
 * may be dropped without an answer, delayed, or answered with an error; else it goes to
 * api_accept().
 * Owner:  the program.
 * Thread: any may change the numbers; routing on the front loops. */
#ifndef PLANE_FAULTS_H
#define PLANE_FAULTS_H

#include <stdatomic.h>

#include "base/json.h"
#include "node/api/api.h"

#define PLANE_ADMIN_PATH "/plane/"

enum { FAULT_429 = 1, FAULT_500 = 2, FAULT_409 = 4, FAULT_PER_MILLE = 1000 };

struct faults {
    atomic_uint latency_ms; /* before every answer */
    atomic_uint jitter_ms;  /* up to so much more */
    atomic_uint error_per_mille;
    atomic_uint error_codes;             /* FAULT_* bits; 409 only to writes */
    atomic_uint_least64_t down_until_ms; /* monotonic: until then nothing is answered */
    atomic_uint_least64_t dropped;       /* counts */
    atomic_uint_least64_t refused;
};

/* Goes on with api_accept(), now or after the latency, or ends the stream by itself. */
void faults_route(struct faults *f, struct api *api, struct http_stream *stream);

/* From {"latencyMs", "jitterMs", "errorRate": 0..1, "errorCodes": [429, 500, 409], "downMs"}: what
 * is absent stays. Errors: ERR_INVALID, naming the field; nothing is changed then. */
int faults_set(struct faults *f, const json_t *wanted, struct err *err);
/* One number of such a form, in milliseconds from 0 to most; absent, *value stays. Errors: as
 * faults_set(). */
int faults_read_ms(const json_t *wanted, const char *key, uint64_t most, uint64_t *value,
                   struct err *err);
/* The form that faults_set() takes, with what is left of downMs and the counts. */
json_t *faults_get(const struct faults *f);

#endif
