/* payload.c: counted bytes.
 *
 * The count is the only thing that changes; the last reference frees. Dropping a reference
 * releases, taking the last one acquires, so that every use on another loop is over by then. */
#include "raft/payload.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct payload *payload_new(struct slice bytes)
{
    assert(bytes.len < UINT32_MAX);
    struct payload *p = mem_alloc(sizeof *p + bytes.len);
    atomic_init(&p->references, 1);
    p->len = (uint32_t)bytes.len;
    if (bytes.len > 0) {
        memcpy(p->bytes, bytes.data, bytes.len);
    }
    return p;
}

struct payload *payload_ref(struct payload *p)
{
    atomic_fetch_add_explicit(&p->references, 1, memory_order_relaxed);
    return p;
}

void payload_unref(struct payload *p)
{
    if (p == NULL) {
        return;
    }
    uint32_t before = atomic_fetch_sub_explicit(&p->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        free(p);
    }
}

struct slice payload_slice(const struct payload *p)
{
    return slice_make(p->bytes, p->len);
}
