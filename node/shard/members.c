/* members.c: the consensus loop's view of who is in the cluster, and the spread of leaderships.
 *
 * Addresses come from the system shard's member objects (tenants.c reads them); a changed address
 * is dialled anew, a member gone is hung up on. When all has been calm for a while, a node that
 * leads at least two shards more than another voter gives it one. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "node/shard/internal.h"

enum { BALANCE_MS = 500, CALM_MS = 2000, TRANSFER_MS = 5000, BALANCE_LAG_MAX = 256 };

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

/* A voter of the group that could take over at once and leads the fewest shards. */
static bool choose(const struct replica *r, char name[GROUP_NAME_MAX + 1], size_t *least)
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
            strcmp(s->server.name, r->node->identity.self.name) == 0) {
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

void members_balance(struct node_impl *n)
{
    uint64_t now = node_now_ms(n);
    bool calm = now - n->stirred_ms >= CALM_MS; /* who has just died may still look in touch */
    if (n->balancing != NULL || n->stopping || n->clock_bad || now < n->balance_ms || !calm) {
        return;
    }
    size_t own = led_by(n, n->identity.self.name);
    for (uint32_t i = 0; own >= 2 && i < n->identity.shards; i++) {
        struct replica *r = &n->replicas[i];
        char to[GROUP_NAME_MAX + 1];
        size_t least = 0;
        if (r->leader.sm.state == LEADER_SERVING && choose(r, to, &least) && own >= least + 2) {
            log_info("shard.balance", "shard=%u to=%s", r->shard, to);
            members_transfer_away(r, to);
            return;
        }
    }
}
