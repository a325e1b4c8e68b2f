/* wal_memory.c: the live entries of each group, in a ring.
 *
 * Index first stands at ring_head, last at ring_head + (last - first), modulo a power of two. A
 * slot without data is *owed*: during recovery, an entry known to be live whose bytes a later
 * record will carry.
 * Invariant: first <= last + 1; the ring holds exactly first..last. */
#include "raft/wal_internal.h"

#include <assert.h>
#include <stdlib.h>

struct wal_group *wal__group_add(struct wal *w, uint32_t id, uint64_t server_id)
{
    struct wal_group *g = mem_zero(sizeof *g);
    g->id = id;
    g->server_id = server_id;
    g->first = 1;
    g->wal = w;
    struct list *at = &w->groups;
    LIST_FOREACH(link, &w->groups)
    {
        struct wal_group *other = CONTAINER_OF(link, struct wal_group, link);
        assert(other->id != id);
        if (other->id > id) {
            at = link;
            break;
        }
    }
    list_insert_before(at, &g->link);
    return g;
}

void wal__group_drop(struct wal_group *g)
{
    list_remove(&g->link);
    if (g->last >= g->first) {
        wal__pop_to(g, g->first - 1);
    }
    wal__snapshot_set(&g->snapshot, 0, 0, NULL);
    wal__snapshot_set(&g->install, 0, 0, NULL);
    free(g->ring);
    free(g);
}

static size_t ring_size(const struct wal_group *g)
{
    return (size_t)(g->last + 1 - g->first);
}

struct wal_entry *wal__slot(struct wal_group *g, uint64_t index)
{
    assert(index >= g->first && index <= g->last);
    return &g->ring[(g->ring_head + (size_t)(index - g->first)) & (g->ring_cap - 1)];
}

static void grow(struct wal_group *g)
{
    size_t count = ring_size(g);
    size_t cap = g->ring_cap == 0 ? 64 : g->ring_cap * 2;
    struct wal_entry *ring = mem_zero(cap * sizeof *ring);
    for (size_t i = 0; i < count; i++) {
        ring[i] = *wal__slot(g, g->first + i);
    }
    free(g->ring);
    g->ring = ring;
    g->ring_cap = cap;
    g->ring_head = 0;
}

struct wal_entry *wal__push(struct wal_group *g)
{
    if (ring_size(g) == g->ring_cap) {
        grow(g);
    }
    g->last++;
    struct wal_entry *slot = wal__slot(g, g->last);
    *slot = (struct wal_entry){0};
    return slot;
}

static void empty(struct wal_group *g, struct wal_entry *slot)
{
    if (slot->data != NULL) {
        g->bytes -= slot->data->len;
        payload_unref(slot->data);
    }
    *slot = (struct wal_entry){0};
}

void wal__pop_to(struct wal_group *g, uint64_t last)
{
    assert(last + 1 >= g->first);
    while (g->last > last) {
        empty(g, wal__slot(g, g->last));
        g->last--;
    }
}

void wal__shift_to(struct wal_group *g, uint64_t first)
{
    while (g->first < first && g->first <= g->last) {
        empty(g, wal__slot(g, g->first));
        g->ring_head = (g->ring_head + 1) & (g->ring_cap - 1);
        g->first++;
    }
    assert(g->first <= g->last + 1);
}

void wal__fill(struct wal_group *g, struct wal_entry *slot, uint64_t term, enum wal_entry_type type,
               struct payload *data, uint64_t segment)
{
    assert(slot->data == NULL && data != NULL);
    *slot = (struct wal_entry){.term = term, .type = type, .data = data, .segment = segment};
    g->bytes += data->len;
}

void wal__snapshot_set(struct wal_snapshot *s, uint64_t index, uint64_t term,
                       struct payload *configuration)
{
    payload_unref(s->configuration);
    *s = (struct wal_snapshot){.index = index, .term = term, .configuration = configuration};
}

uint64_t wal__live_bytes(const struct wal *w)
{
    uint64_t bytes = 0;
    LIST_FOREACH(link, (struct list *)(uintptr_t)&w->groups)
    {
        bytes += CONTAINER_OF(link, struct wal_group, link)->bytes;
    }
    return bytes;
}

struct wal_group *wal_group(struct wal *w, uint32_t id)
{
    LIST_FOREACH(link, &w->groups)
    {
        struct wal_group *g = CONTAINER_OF(link, struct wal_group, link);
        if (g->id == id) {
            return g;
        }
    }
    return NULL;
}

struct wal_group *wal_group_next(struct wal *w, const struct wal_group *previous)
{
    struct list *next = previous == NULL ? w->groups.next : previous->link.next;
    return next == &w->groups ? NULL : CONTAINER_OF(next, struct wal_group, link);
}

const struct wal_entry *wal_entry(const struct wal_group *g, uint64_t index)
{
    if (index < g->first || index > g->last) {
        return NULL;
    }
    return &g->ring[(g->ring_head + (size_t)(index - g->first)) & (g->ring_cap - 1)];
}

uint64_t wal_term_at(const struct wal_group *g, uint64_t index)
{
    const struct wal_entry *e = wal_entry(g, index);
    if (e != NULL) {
        return e->term;
    }
    return index != 0 && index == g->snapshot.index ? g->snapshot.term : 0;
}

uint64_t wal_group_bytes(const struct wal_group *g)
{
    return g->bytes;
}
