/* The body of a batch of the write-ahead log, as if its checksum were right. Whatever it holds: no
 * crash; what is replayed is a state that holds together. */
#include "raft/wal_internal.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wal w = {0};
    struct err err;
    list_init(&w.groups);
    buf_add(&w.identity, SLICE("fuzz"));
    bool sound = wal__replay(&w, slice_make(data, size), 0, &err) == 0;
    while (!list_empty(&w.groups)) {
        struct wal_group *g = CONTAINER_OF(w.groups.next, struct wal_group, link);
        PROPERTY(g->first >= 1 && g->first <= g->last + 1 && g->server_id != 0);
        PROPERTY(!sound || (g->snapshot.index <= g->last && g->first <= g->snapshot.index + 1));
        wal__group_drop(g);
    }
    buf_free(&w.identity);
    return 0;
}
