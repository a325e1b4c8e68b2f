/* snapshot_trace.c: knowing that planning again would come to nothing.
 *
 * Everything that can be read (an object by its key, a list by its index and value, all of a kind)
 * hashes to one of STAMPS slots, and each change stamps its slots with a clock that counts changes.
 * A plan's trace is the set of slots that it read; nothing of it has changed since if none of them
 * has a later stamp. Different things may share a slot: then a plan is made once too often, never
 * once too seldom. A trace holds slots of two snapshots, its own shard's and the system's. */
#include "reconcile/snapshot_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    STAMPS = 1 << 16,
    TRACE_MAX = 4096, /* a plan that reads more than that is not remembered */
    SYSTEM_SLOT = 1 << 16,
};

struct snapshot_trace {
    uint32_t *slots;
    size_t count;
    size_t cap;
    bool over;
};

struct snapshot_memo {
    uint32_t clock;
    uint32_t system_clock;
    uint32_t count;
    uint32_t slots[];
};

static uint32_t slot_of(struct slice key)
{
    uint64_t h = slice_hash(key);
    return (uint32_t)(h ^ (h >> 16) ^ (h >> 32) ^ (h >> 48)) & (STAMPS - 1);
}

void snapshot_stamp(struct snapshot *s, struct slice key)
{
    if (s->stamps == NULL) {
        s->stamps = mem_zero(STAMPS * sizeof(*s->stamps));
    }
    s->stamps[slot_of(key)] = s->clock;
}

void snapshot_read(const struct snapshot *s, const struct snapshot *home, struct slice key)
{
    struct snapshot_trace *t = s->trace;
    if (t == NULL || t->over) {
        return;
    }
    uint32_t slot = slot_of(key) | (home != s ? SYSTEM_SLOT : 0);
    for (size_t i = t->count; i-- > 0 && i + 16 > t->count;) {
        if (t->slots[i] == slot) {
            return; /* just read */
        }
    }
    if (t->count == TRACE_MAX) {
        t->over = true;
        return;
    }
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 64 : t->cap * 2;
        t->slots = mem_resize(t->slots, t->cap * sizeof(*t->slots));
    }
    t->slots[t->count++] = slot;
}

void snapshot_trace_begin(struct snapshot *s)
{
    s->trace = mem_zero(sizeof(*s->trace));
}

void snapshot_trace_end(struct snapshot *s, const struct snapshot_entry *entry, bool keep)
{
    struct snapshot_trace *t = s->trace;
    s->trace = NULL;
    if (keep && entry != NULL && !t->over) {
        /* The memory of a plan is no part of what the entry says. */
        struct snapshot_entry *e = (struct snapshot_entry *)(uintptr_t)entry;
        free(e->memo);
        e->memo = mem_alloc(sizeof(*e->memo) + t->count * sizeof(t->slots[0]));
        *e->memo = (struct snapshot_memo){
            .clock = s->clock, .system_clock = s->system->clock, .count = (uint32_t)t->count};
        if (t->count > 0) {
            memcpy(e->memo->slots, t->slots, t->count * sizeof(t->slots[0]));
        }
    }
    free(t->slots);
    free(t);
}

bool snapshot_unchanged(const struct snapshot *s, const struct snapshot_entry *entry)
{
    const struct snapshot_memo *m = entry->memo;
    if (m == NULL) {
        return false;
    }
    if (m->clock == s->clock && m->system_clock == s->system->clock) {
        return true;
    }
    for (size_t i = 0; i < m->count; i++) {
        uint32_t slot = m->slots[i];
        const struct snapshot *home = (slot & SYSTEM_SLOT) != 0 ? s->system : s;
        uint32_t since = (slot & SYSTEM_SLOT) != 0 ? m->system_clock : m->clock;
        if (home->stamps != NULL && home->stamps[slot & (STAMPS - 1)] > since) {
            return false;
        }
    }
    return true;
}

void snapshot_forget(struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                     struct slice name)
{
    struct snapshot_entry *e = (struct snapshot_entry *)(uintptr_t)snapshot_find(s, kind, ns, name);
    if (e != NULL) {
        free(e->memo);
        e->memo = NULL;
    }
}
