/* machine.h: a small state machine to replicate, and the oracle that judges its replicas, group by
 * group.
 *
 * Commands add to counters under request ids, so that a lost, doubled or reordered one shows. The
 * state is chained by a hash: equal index means equal digest, or the replicas have diverged.
 * The oracle sees every application, acknowledgement and read of all nodes, and knows what must
 * hold; a violation is printed with what was expected and counted.
 * Owner: the simulation. Thread: one. */
#ifndef TESTS_LIB_MACHINE_H
#define TESTS_LIB_MACHINE_H

#include "base/str.h"

enum {
    MACHINE_KEYS = 8,
    MACHINE_CLIENTS = 8,
    MACHINE_GROUPS = 4,
    MACHINE_HISTORY = 1 << 16,
    MACHINE_TERMS = 1 << 14,
};

struct machine_command {
    uint32_t client;
    uint32_t sequence; /* the request id: (client, sequence) */
    uint32_t key;
    uint32_t amount;
};

struct machine {
    uint64_t index;
    uint64_t term;
    uint64_t hash;
    uint64_t counters[MACHINE_KEYS];
    uint32_t last_sequence[MACHINE_CLIENTS]; /* outcomes kept: each client's last */
    uint64_t last_result[MACHINE_CLIENTS];
    struct buf configuration; /* opaque */
};

/* An entry is the length of the machine's commands, those, and whatever else it carries. */
void machine_entry(const struct machine_command *c, struct buf *out); /* NULL: none */
struct slice machine_part(struct slice entry);
struct slice machine_rest(struct slice entry);

void machine_copy(struct machine *to, const struct machine *from); /* to is zeroed or a machine */
void machine_free(struct machine *m);
/* confuse: the planted bug: an outcome is found by client alone, whatever the request. */
void machine_apply(struct machine *m, uint64_t index, uint64_t term, struct slice data,
                   struct slice configuration, bool confuse);

/* What one group's replicas have done. */
struct history {
    uint64_t entries[MACHINE_HISTORY]; /* digest of each applied entry with its term; 0: none yet */
    uint64_t states[MACHINE_HISTORY];  /* the state's hash at each index */
    uint64_t last;                     /* greatest index that any node has applied */
    int leaders[MACHINE_TERMS];        /* node + 1 that led each term */
    uint64_t expected[MACHINE_CLIENTS][4096]; /* result of each request in the one history */
    uint64_t acknowledged_index;              /* greatest of writes and reads answered so far */
};

struct oracle {
    struct history histories[MACHINE_GROUPS];
    uint64_t acknowledged;
    uint64_t reads;
    unsigned violations;
    char first[256]; /* the first violation */
};

void oracle_violation(struct oracle *o, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* After machine_apply() on any node. */
void oracle_applied(struct oracle *o, int group, int node, const struct machine *m,
                    struct slice data);
void oracle_leading(struct oracle *o, int group, int node, uint64_t term);
/* A client was told: this command is done, by entry index, with this result. */
void oracle_acknowledged(struct oracle *o, int group, const struct machine_command *c,
                         uint64_t index, uint64_t result);
/* A read that began when `least` was the acknowledged index was served at index. */
void oracle_read(struct oracle *o, int group, uint64_t least, uint64_t index);

#endif
