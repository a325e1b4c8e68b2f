/* shared.h: one immutable value that many threads read and one replaces as a whole.
 *
 * A value is made, published with shared_set(), and read by whoever took a reference; it goes when
 * the last reference does. The house counts references here, of TLS contexts (tls.h) and of log
 * entries (raft/payload.h), and nowhere else.
 * Owner:  the caller embeds struct shared; a struct shared_value is the first member of what is
 *         shared, and belongs to its references.
 * Thread: any, for every call but init and free. */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

#include <stdatomic.h>
#include <uv.h>

struct shared_value {
    /* private */
    atomic_size_t references;
    void (*release)(struct shared_value *value);
};

/* One reference, the caller's. release() runs with the last one's end, on whichever thread that is.
 */
void shared_value_init(struct shared_value *value, void (*release)(struct shared_value *value));
struct shared_value *shared_value_ref(struct shared_value *value);
void shared_value_unref(struct shared_value *value); /* takes NULL */

struct shared {
    /* private */
    uv_mutex_t mutex;
    struct shared_value *value;
};

void shared_init(struct shared *s, struct shared_value *first); /* takes the reference */
void shared_free(struct shared *s);
struct shared_value *shared_get(struct shared *s);             /* a reference of the caller's */
void shared_set(struct shared *s, struct shared_value *value); /* takes the reference */

#endif
