/* clocks.c: how far this node's wall clock is from the others'.
 *
 * Twice a second each node sends its peers a note with its monotonic time; the peer returns it with
 * its own wall clock; half the way there and back is the error. A node whose clock is more than
 * NODE_CLOCK_OFFSET_MAX_MS from the majority's median gives its leaderships away and says so:
 * stamps would run ahead, or be held up by others' ceilings.
 *
 * Invariants: a measurement older than HEARD_MS does not count; without a majority there is no
 * judgement. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "node/shard/internal.h"

enum { NOTE_ASK = 1, NOTE_ANSWER = 2, ASK_BYTES = 8, ANSWER_BYTES = 16, HEARD_MS = 5000 };

static struct node_clock *clock_slot(struct node_impl *n, const char *peer)
{
    for (size_t i = 0; i < n->clock_count; i++) {
        if (strcmp(n->clocks[i].name, peer) == 0) {
            return &n->clocks[i];
        }
    }
    if (n->clock_count == NODE_MEMBERS_MAX || strlen(peer) > NODE_NAME_MAX) {
        return NULL;
    }
    struct node_clock *clock = &n->clocks[n->clock_count++];
    *clock = (struct node_clock){0};
    memcpy(clock->name, peer, strlen(peer) + 1);
    return clock;
}

void clocks_note(struct node_impl *n, const char *peer, uint32_t kind, struct slice bytes)
{
    if (kind == NOTE_ASK && bytes.len == ASK_BYTES) {
        struct buf answer = {0};
        buf_add(&answer, bytes);
        buf_add_be64(&answer, node_wall_ms(n));
        (void)transport_note(n->transport, peer, NOTE_ANSWER, buf_slice(&answer));
        buf_free(&answer);
        return;
    }
    struct node_clock *clock = clock_slot(n, peer);
    uint64_t now = node_now_ms(n);
    if (kind != NOTE_ANSWER || bytes.len != ANSWER_BYTES || clock == NULL) {
        return;
    }
    uint64_t asked = be64_get(bytes.data);
    uint64_t theirs = be64_get(bytes.data + 8);
    if (asked > now || now - asked > HEARD_MS) {
        return;
    }
    uint64_t expected = theirs + (now - asked) / 2;
    clock->offset_ms = (int64_t)(expected - node_wall_ms(n));
    clock->heard_ms = now;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The median of all clocks heard, ours (0) among them; false without a majority. */
static bool median(const struct node_impl *n, int64_t *out)
{
    int64_t offsets[NODE_MEMBERS_MAX + 1] = {0};
    size_t count = 1;
    uint64_t now = node_now_ms(n);
    for (size_t i = 0; i < n->clock_count; i++) {
        if (n->clocks[i].heard_ms != 0 && now - n->clocks[i].heard_ms < HEARD_MS) {
            offsets[count++] = n->clocks[i].offset_ms;
        }
    }
    if (count * 2 <= n->member_count) {
        return false;
    }
    qsort(offsets, count, sizeof(offsets[0]), compare);
    int64_t low = offsets[(count - 1) / 2];
    int64_t high = offsets[count / 2];
    *out = llabs(low) < llabs(high) ? low : high; /* even: the kinder one */
    return true;
}

static void yield_leaderships(struct node_impl *n)
{
    for (uint32_t i = 0; i < n->identity.shards; i++) {
        if (n->replicas[i].leader.sm.state == LEADER_SERVING) {
            members_transfer_away(&n->replicas[i], NULL);
        }
    }
}

void clocks_tick(struct node_impl *n)
{
    struct buf ask = {0};
    buf_add_be64(&ask, node_now_ms(n));
    for (size_t i = 0; i < n->member_count; i++) {
        const char *name = n->members[i].name;
        if (strcmp(name, n->identity.self.name) != 0) {
            (void)transport_note(n->transport, name, NOTE_ASK, buf_slice(&ask));
        }
    }
    buf_free(&ask);
    int64_t offset = 0;
    if (!median(n, &offset)) {
        return;
    }
    n->clock_offset_ms = offset;
    metric_set(n->clock_metric, offset);
    bool bad = llabs(offset) > NODE_CLOCK_OFFSET_MAX_MS;
    if (bad && !n->clock_bad) {
        log_error("node.clock", "offset_ms=%lld error=%s", (long long)offset,
                  log_q("this node's clock is far from the majority's: leaderships are given away "
                        "until it is set right"));
    } else if (!bad && n->clock_bad) {
        log_info("node.clock", "offset_ms=%lld", (long long)offset);
    }
    n->clock_bad = bad;
    if (bad) {
        yield_leaderships(n);
    }
}
