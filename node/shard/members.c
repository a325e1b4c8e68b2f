/* members.c: the consensus loop's view of who is in the cluster, and the spread of leaderships.
 *
 * Addresses come from the system shard's member objects (tenants.c reads them); a changed address
 * is dialled anew, a member gone is hung up on. When all has been calm for a while, a node gives a
 * shard away that prefers another region and has had a fit voter there for PREFER_MS on end; and a
 * node that leads at least two shards more than another voter gives it one, but none out of the
 * region that it prefers.
 *
 * Invariants: leadership goes only to a voter that is in touch, connected and caught up, of a group
 * whose members are not being changed; after a transfer that failed, fitness is proven anew. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "node/shard/internal.h"

enum {
    BALANCE_MS = 500,
    CALM_MS = 2000,
    PREFER_MS = 3000,
    TRANSFER_MS = 5000,
    BALANCE_LAG_MAX = 256,
};

static const struct node_member *find(const struct node_member *members, size_t count,
                                      const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(members[i].name, name) == 0) {
            return &members[i];
        }
    }
    return NULL;
}

void members_set(struct node_impl *n, const struct node_member *members, size_t count)
{
    const char *self = n->identity.self.name;
    for (size_t i = 0; i < n->member_count; i++) {
        const char *name = n->members[i].name;
        if (find(members, count, name) == NULL && strcmp(name, self) != 0) {
            log_info("node.member", "name=%s change=removed", name);
            transport_remove_peer(n->transport, name);
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct node_member *m = &members[i];
        struct err err;
        if (strcmp(m->name, self) != 0 &&
            transport_set_peer(n->transport, m->name, m->peer, &err) != 0) {
            log_error("node.member", "name=%s error=%s", m->name, log_q(err.message));
        }
    }
    memcpy(n->members, members, count * sizeof(members[0]));
    n->member_count = count;
    status_publish(n);
}

static void on_transferred(struct call *call)
{
    struct node_impl *n = call->node;
    n->balancing = NULL;
    if (call->rc != 0 && call->rc != ERR_CLOSED) {
        log_info("shard.transfer", "shard=%u error=%s", call->shard, log_q(call->err.message));
        n->replicas[call->shard].preferred_ms = 0;
    }
    call_free(call);
}

void members_transfer_away(struct replica *r, const char *to)
{
    struct node_impl *n = r->node;
    if (n->balancing != NULL || n->stopping) {
        return;
    }
    struct call *call = call_new(CALL_TRANSFER, r->shard, node_now_ms(n) + TRANSFER_MS);
    call->node = n;
    call->done = on_transferred;
    if (to != NULL) {
        buf_add_cstr(&call->request, to);
    }
    n->balancing = call;
    n->balance_ms = node_now_ms(n) + BALANCE_MS;
    dispatch_here(call);
}

static size_t led_by(const struct node_impl *n, const char *name)
{
    size_t count = 0;
    for (uint32_t i = 0; i < n->identity.shards; i++) {
        count += strcmp(n->replicas[i].leader_name, name) == 0;
    }
    return count;
}

/* A shard whose members are being changed keeps its leader: with the leadership would go what it
 * knows of how far a newcomer has caught up, and the change would begin anew. */
static bool settled(const struct group_status *status)
{
    size_t voters = 0;
    bool newcomer = false;
    for (size_t i = 0; i < status->server_count; i++) {
        bool votes = status->servers[i].server.role == GROUP_VOTER;
        voters += votes;
        newcomer = newcomer || (!votes && status->servers[i].in_touch);
    }
    return !status->changing && (!newcomer || voters >= GROUP_VOTERS_MAX);
}

static const char *region_of(const struct node_impl *n, const char *name)
{
    const struct node_member *m = find(n->members, n->member_count, name);
    return m != NULL ? m->region : "";
}

/* A voter of the group, of that region (empty: any), that could take over at once and leads the
 * fewest shards. */
static bool choose(const struct replica *r, const char *region, char name[GROUP_NAME_MAX + 1],
                   size_t *least)
{
    struct group_status status;
    group_status(r->group, &status);
    if (!settled(&status)) {
        return false;
    }
    bool found = false;
    for (size_t i = 0; i < status.server_count; i++) {
        const struct group_server_status *s = &status.servers[i];
        if (s->server.role != GROUP_VOTER || !s->in_touch ||
            s->match + BALANCE_LAG_MAX < status.last ||
            !transport_connected(r->node->transport, s->server.name) ||
            strcmp(s->server.name, r->node->identity.self.name) == 0 ||
            (region[0] != '\0' && strcmp(region_of(r->node, s->server.name), region) != 0)) {
            continue;
        }
        size_t led = led_by(r->node, s->server.name);
        if (!found || led < *least) {
            found = true;
            *least = led;
            memcpy(name, s->server.name, sizeof(s->server.name));
        }
    }
    return found;
}

static bool at_home(const struct replica *r)
{
    return strcmp(r->node->identity.self.region, r->prefers) == 0;
}

/* Whom to give the shard to because it prefers that region, if that has been so for long enough. */
static bool preferred(struct replica *r, uint64_t now_ms, char name[GROUP_NAME_MAX + 1])
{
    size_t least;
    bool away = r->leader.sm.state == LEADER_SERVING && r->prefers[0] != '\0' && !at_home(r);
    if (!away || !choose(r, r->prefers, name, &least)) {
        r->preferred_ms = 0;
        return false;
    }
    if (r->preferred_ms == 0) {
        r->preferred_ms = now_ms;
    }
    return now_ms - r->preferred_ms >= PREFER_MS;
}

/* Whom to give the shard to because this node leads so many more: but not away from home, and not
 * while it is about to go there. */
static bool relieving(const struct replica *r, size_t own, char name[GROUP_NAME_MAX + 1])
{
    size_t least;
    const char *region = r->prefers[0] != '\0' && at_home(r) ? r->prefers : "";
    return r->leader.sm.state == LEADER_SERVING && r->preferred_ms == 0 &&
           choose(r, region, name, &least) && own >= least + 2;
}

void members_balance(struct node_impl *n)
{
    uint64_t now = node_now_ms(n);
    bool calm = now - n->stirred_ms >= CALM_MS; /* who has just died may still look in touch */
    bool able = n->balancing == NULL && !n->stopping && !n->clock_bad && now >= n->balance_ms;
    size_t own = led_by(n, n->identity.self.name);
    for (uint32_t i = 0; i < n->identity.shards; i++) {
        struct replica *r = &n->replicas[i];
        char to[GROUP_NAME_MAX + 1];
        bool prefers = preferred(r, now, to);
        if (calm && able && (prefers || relieving(r, own, to))) {
            log_info("shard.balance", "shard=%u to=%s why=%s", r->shard, to,
                     prefers ? "region" : "spread");
            members_transfer_away(r, to);
            return;
        }
    }
}
