/* consensus.c: what drives the consensus loop: the peers' news and the clock.
 *
 * Messages go to their group, calls to dispatch, notes to the clocks, images to their shard; the
 * timers go over all shards. Nothing here waits.
 *
 * Invariants: a group that is not there yet, or no more, is sent nothing. */
#include <string.h>

#include "base/log.h"
#include "node/shard/internal.h"

static void on_message(void *user, const char *peer, uint32_t group, struct slice bytes)
{
    struct node_impl *n = user;
    if (group < n->identity.shards && n->replicas[group].group != NULL) {
        group_receive(n->replicas[group].group, peer, bytes);
        replica_confirmed(&n->replicas[group]);
    }
}

static void on_note(void *user, const char *peer, uint32_t kind, struct slice bytes)
{
    clocks_note(user, peer, kind, bytes);
}

static void on_connected(void *user, const char *peer)
{
    struct node_impl *n = user;
    log_info("node.connected", "peer=%s", peer);
    n->stirred_ms = node_now_ms(n);
    for (uint32_t i = 0; i < n->identity.shards; i++) {
        if (strcmp(n->replicas[i].leader_name, peer) == 0) {
            dispatch_leader_changed(&n->replicas[i]);
        }
        if (n->replicas[i].group != NULL) {
            group_peer_found(n->replicas[i].group, peer);
        }
    }
}

static void on_disconnected(void *user, const char *peer, const struct err *why)
{
    struct node_impl *n = user;
    n->stirred_ms = node_now_ms(n);
    if (!n->stopping) {
        log_info("node.disconnected", "peer=%s why=%s", peer,
                 log_q(why != NULL ? why->message : "closed"));
    }
    for (uint32_t i = 0; i < n->identity.shards; i++) {
        if (n->replicas[i].group != NULL) {
            group_peer_lost(n->replicas[i].group, peer);
        }
    }
}

static void on_request(void *user, struct transport_served *served, const char *peer,
                       uint32_t channel, struct slice request)
{
    (void)peer;
    if (channel != NODE_CALLS_CHANNEL) {
        transport_end(served, ERR_UNSUPPORTED, "a channel that this node's release does not know");
        return;
    }
    dispatch_serve(user, served, request);
}

static void on_image(void *user, struct transport_arrival *arrival, const char *peer,
                     uint32_t group, struct slice header)
{
    images_arrive(user, arrival, peer, group, header);
}

static void on_ousted(void *user, const char *peer, const struct err *why)
{
    (void)peer;
    node_fatal(user, why);
}

const struct transport_ops node__transport_ops = {
    .message = on_message,
    .note = on_note,
    .connected = on_connected,
    .disconnected = on_disconnected,
    .request = on_request,
    .image = on_image,
    .ousted = on_ousted,
};

void node__tick(struct loop_timer *timer)
{
    struct node_impl *n = CONTAINER_OF(timer, struct node_impl, tick);
    uint64_t now = node_now_ms(n);
    bool more = false;
    for (uint32_t i = 0; i < n->identity.shards; i++) {
        more = dispatch_tick(&n->replicas[i], now) || more;
        more = leader_tick(&n->replicas[i], now) || more;
    }
    if (!more) {
        n->tick_running = false;
        loop_timer_stop(&n->tick);
    }
}

void node__slow_tick(struct loop_timer *timer)
{
    struct node_impl *n = CONTAINER_OF(timer, struct node_impl, slow_tick);
    uint64_t now = node_now_ms(n);
    clocks_tick(n);
    for (uint32_t i = 0; i < n->identity.shards; i++) {
        const struct replica *r = &n->replicas[i];
        leader_housekeep(&n->replicas[i], now);
        if (r->leaderless_ms != 0 && now - r->leaderless_ms > n->config.leaderless_ms) {
            fronts_leaderless(r);
        }
    }
    members_balance(n);
    status_publish(n);
}

void node__pulse(struct loop_timer *timer)
{
    struct node_impl *n = CONTAINER_OF(timer, struct node_impl, pulse);
    for (uint32_t i = 0; i < n->identity.shards; i++) {
        replica_pulse(&n->replicas[i]);
    }
}
