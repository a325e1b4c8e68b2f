/* world_time.c: the event heap and the one source of randomness. */
#include "tests/lib/world_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

uint64_t world_random(struct world *w, uint64_t below)
{
    w->random += 0x9e3779b97f4a7c15u;
    uint64_t z = w->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return below == 0 ? 0 : z % below;
}

uint64_t world__delay_us(struct world *w)
{
    uint64_t max_us = (uint64_t)w->options.delay_max_ms * 1000;
    uint64_t us = 50 + world_random(w, max_us);
    return !w->calm && world_random(w, 100) == 0 ? us * 50 : us;
}

static bool earlier(const struct world_event *a, const struct world_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

void world__push(struct world *w, uint64_t delay_us, struct world_event e)
{
    e.at_us = w->now_us + delay_us;
    e.sequence = w->sequence++;
    if (w->heap_count == w->heap_cap) {
        w->heap_cap = w->heap_cap == 0 ? 256 : w->heap_cap * 2;
        w->heap = mem_resize(w->heap, w->heap_cap * sizeof *w->heap);
    }
    size_t i = w->heap_count++;
    while (i > 0 && earlier(&e, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = e;
}

struct world_event world__pop(struct world *w)
{
    struct world_event top = w->heap[0];
    struct world_event last = w->heap[--w->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heap_count) {
            break;
        }
        if (child + 1 < w->heap_count && earlier(&w->heap[child + 1], &w->heap[child])) {
            child++;
        }
        if (!earlier(&w->heap[child], &last)) {
            break;
        }
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

void world__push_for_replica(struct world_replica *r, uint64_t delay_us, enum event_kind kind)
{
    world__push(r->node->world, delay_us,
                (struct world_event){
                    .kind = kind, .node = r->node->number, .group = r->number, .life = r->life});
}

void world__push_for(struct world_node *n, uint64_t delay_us, enum event_kind kind)
{
    world__push(n->world, delay_us,
                (struct world_event){.kind = kind, .node = n->number, .life = n->life});
}
