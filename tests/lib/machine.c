/* machine.c: the replicated counters and the judge.
 *
 * The judge's history is written by whichever node applies an index first; everyone else, and
 * every replay after a crash, must agree with it. A request's result is recorded at its first
 * execution in that history: a second execution, or an acknowledgement with another result, is
 * a violation. */
#include "tests/lib/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void machine_entry(const struct machine_command *c, struct buf *out)
{
    buf_add_be32(out, c != NULL ? sizeof *c : 0);
    if (c != NULL) {
        buf_add(out, slice_make(c, sizeof *c));
    }
}

struct slice machine_part(struct slice entry)
{
    return entry.len < 4 ? entry : slice_sub(entry, 4, be32_get(entry.data));
}

struct slice machine_rest(struct slice entry)
{
    return entry.len < 4 ? entry : slice_sub(entry, 4 + (size_t)be32_get(entry.data), SIZE_MAX);
}

void machine_copy(struct machine *to, const struct machine *from)
{
    struct buf configuration = to->configuration;
    *to = *from;
    to->configuration = configuration;
    buf_clear(&to->configuration);
    buf_add(&to->configuration, buf_slice(&from->configuration));
}

void machine_free(struct machine *m)
{
    buf_free(&m->configuration);
    *m = (struct machine){0};
}

static void execute(struct machine *m, const struct machine_command *c, bool confuse)
{
    uint32_t client = c->client % MACHINE_CLIENTS;
    if (c->sequence == m->last_sequence[client] ||
        (confuse && m->last_sequence[client] != 0 && c->sequence % 16 == 0)) {
        return; /* the outcome is kept */
    }
    if (c->sequence < m->last_sequence[client]) {
        return; /* older than what is kept: unknown */
    }
    uint64_t *counter = &m->counters[c->key % MACHINE_KEYS];
    *counter += c->amount;
    m->last_sequence[client] = c->sequence;
    m->last_result[client] = *counter;
}

void machine_apply(struct machine *m, uint64_t index, uint64_t term, struct slice data,
                   struct slice configuration, bool confuse)
{
    struct slice part = machine_part(data);
    for (size_t at = 0; at + sizeof(struct machine_command) <= part.len;
         at += sizeof(struct machine_command)) {
        struct machine_command c;
        memcpy(&c, part.data + at, sizeof c);
        execute(m, &c, confuse);
    }
    m->index = index;
    m->term = term;
    buf_clear(&m->configuration);
    buf_add(&m->configuration, configuration);
    uint64_t parts[4] = {m->hash, index, term, slice_hash(data)};
    m->hash = slice_hash(slice_make(parts, sizeof parts)) | 1;
}

void oracle_violation(struct oracle *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char text[sizeof o->first];
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (o->violations++ == 0) {
        memcpy(o->first, text, sizeof text);
    }
}

void oracle_applied(struct oracle *o, int group, int node, const struct machine *m,
                    struct slice data)
{
    struct history *h = &o->histories[group];
    if (m->index >= MACHINE_HISTORY) {
        oracle_violation(o, "group %d: history is full", group);
        return;
    }
    uint64_t digest = (slice_hash(data) ^ m->term * 0x9e3779b97f4a7c15u) | 1;
    if (h->entries[m->index] == 0) {
        h->entries[m->index] = digest;
        h->states[m->index] = m->hash;
        h->last = m->index > h->last ? m->index : h->last;
        struct slice part = machine_part(data);
        for (size_t at = 0; at + sizeof(struct machine_command) <= part.len;
             at += sizeof(struct machine_command)) {
            struct machine_command c;
            memcpy(&c, part.data + at, sizeof c);
            uint64_t *expected = &h->expected[c.client % MACHINE_CLIENTS][c.sequence % 4096];
            if (*expected == 0) {
                *expected = m->last_result[c.client % MACHINE_CLIENTS];
            }
        }
        return;
    }
    if (h->entries[m->index] != digest) {
        oracle_violation(o, "group %d: two histories: node %d applies another entry at %llu", group,
                         node, (unsigned long long)m->index);
    } else if (h->states[m->index] != m->hash) {
        oracle_violation(o, "group %d: digests differ: node %d at %llu", group, node,
                         (unsigned long long)m->index);
    }
}

void oracle_leading(struct oracle *o, int group, int node, uint64_t term)
{
    struct history *h = &o->histories[group];
    int *leader = &h->leaders[term % MACHINE_TERMS];
    if (*leader != 0 && *leader != node + 1) {
        oracle_violation(o, "group %d: two leaders in term %llu: nodes %d and %d", group,
                         (unsigned long long)term, *leader - 1, node);
    }
    *leader = node + 1;
}

void oracle_acknowledged(struct oracle *o, int group, const struct machine_command *c,
                         uint64_t index, uint64_t result)
{
    struct history *h = &o->histories[group];
    o->acknowledged++;
    uint64_t expected = h->expected[c->client % MACHINE_CLIENTS][c->sequence % 4096];
    if (expected != result) {
        oracle_violation(
            o, "group %d: client %u request %u was answered %llu, the history says %llu", group,
            c->client, c->sequence, (unsigned long long)result, (unsigned long long)expected);
    }
    h->acknowledged_index = index > h->acknowledged_index ? index : h->acknowledged_index;
}

void oracle_read(struct oracle *o, int group, uint64_t least, uint64_t index)
{
    struct history *h = &o->histories[group];
    o->reads++;
    if (index < least) {
        oracle_violation(
            o, "group %d: stale read: served at %llu, %llu was acknowledged before it began", group,
            (unsigned long long)index, (unsigned long long)least);
    }
    h->acknowledged_index = index > h->acknowledged_index ? index : h->acknowledged_index;
}
