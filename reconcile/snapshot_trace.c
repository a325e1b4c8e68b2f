/* snapshot_trace.c: knowing that planning again, or computing again, would come to the same.
 *
 * Everything that can be read (an object by its key, a list by its index and value, all of a kind)
 * hashes to one of STAMPS slots, and each change stamps its slots with a clock that counts changes.
 * A plan's trace is the set of slots that it read; nothing of it has changed since if none of them
 * has a later stamp. Different things may share a slot: then a plan is made once too often, never
 * once too seldom. A trace holds slots of two snapshots, its own shard's and the system's.
 *
 * What is computed during a plan has a trace inside the plan's, which goes on into it: the plan
 * read all that, whether it was computed now or remembered. */
#include "reconcile/snapshot_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    STAMPS = 1 << 16,
    TRACE_MAX = 4096, /* a plan that reads more than that is not remembered */
    SYSTEM_SLOT = 1 << 16,
};

struct snapshot_trace {
    struct snapshot_trace *outer;
    uint32_t *slots;
    size_t count;
    size_t cap;
    bool over;
};

struct snapshot_memo {
    uint32_t clock;
    uint32_t system_clock;
    uint32_t count;
    struct slice text; /* of a computation; behind the slots */
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

static void note(struct snapshot_trace *t, uint32_t slot)
{
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

void snapshot_read(const struct snapshot *s, const struct snapshot *home, struct slice key)
{
    if (s->trace != NULL && !s->trace->over) {
        note(s->trace, slot_of(key) | (home != s ? SYSTEM_SLOT : 0));
    }
}

void snapshot_trace_begin(struct snapshot *s)
{
    struct snapshot_trace *t = mem_zero(sizeof(*t));
    t->outer = s->trace;
    s->trace = t;
}

/* Ends the innermost trace, whose slots the one around it has read too. NULL: too many. */
static struct snapshot_memo *trace_end(struct snapshot *s, struct slice text)
{
    struct snapshot_trace *t = s->trace;
    struct snapshot_memo *m = NULL;
    s->trace = t->outer;
    for (size_t i = 0; s->trace != NULL && i < t->count; i++) {
        note(s->trace, t->slots[i]);
    }
    if (t->over && s->trace != NULL) {
        s->trace->over = true;
    }
    if (!t->over) {
        size_t slots = t->count * sizeof(t->slots[0]);
        m = mem_alloc(sizeof(*m) + slots + text.len);
        *m = (struct snapshot_memo){
            .clock = s->clock, .system_clock = s->system->clock, .count = (uint32_t)t->count};
        char *at = (char *)m->slots + slots;
        if (slots > 0) {
            memcpy(m->slots, t->slots, slots);
        }
        if (text.len > 0) {
            memcpy(at, text.data, text.len);
        }
        m->text = slice_make(at, text.len);
    }
    free(t->slots);
    free(t);
    return m;
}

void snapshot_trace_end(struct snapshot *s, const struct snapshot_entry *entry, bool keep)
{
    struct snapshot_memo *m = trace_end(s, (struct slice){0});
    if (!keep || entry == NULL || m == NULL) {
        free(m);
        return;
    }
    /* The memory of a plan is no part of what the entry says. */
    struct snapshot_entry *e = (struct snapshot_entry *)(uintptr_t)entry;
    free(e->memo);
    e->memo = m;
}

static bool holds(const struct snapshot *s, const struct snapshot_memo *m)
{
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

bool snapshot_unchanged(const struct snapshot *s, const struct snapshot_entry *entry)
{
    return holds(s, entry->memo);
}

void snapshot_compute_begin(const struct snapshot *s, const struct snapshot_entry *entry)
{
    snapshot_trace_begin((struct snapshot *)(uintptr_t)s);
    (void)snapshot_find_spec(s, entry->kind, entry->ns, entry->name);
}

void snapshot_compute_end(const struct snapshot *s, const struct snapshot_entry *entry,
                          struct slice text)
{
    struct snapshot_entry *e = (struct snapshot_entry *)(uintptr_t)entry;
    struct snapshot_memo *m = trace_end((struct snapshot *)(uintptr_t)s, text);
    free(e->computed);
    e->computed = text.len > 0 ? m : NULL;
    if (e->computed == NULL) {
        free(m);
    }
}

struct slice snapshot_computed(const struct snapshot *s, const struct snapshot_entry *entry)
{
    const struct snapshot_memo *m = entry->computed;
    if (!holds(s, m)) {
        return (struct slice){0};
    }
    for (size_t i = 0; s->trace != NULL && !s->trace->over && i < m->count; i++) {
        note(s->trace, m->slots[i]);
    }
    return m->text;
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
