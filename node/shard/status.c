/* status.c: what a node tells about itself, from any thread.
 *
 * The consensus loop writes a fresh copy onto the board at every change of leadership and twice a
 * second; readers copy it. The board has a mutex of its own, the one outside base/: a status must
 * be had while a loop is stuck, which a message to that loop could not do.
 *
 * Invariants: the mutex is held for copying only. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "node/shard/internal.h"

struct status_board {
    pthread_mutex_t mutex;
    struct node_status status; /* under mutex */
    uint64_t at_ms;            /* under mutex: monotonic */
};

struct status_board *status_board_new(void)
{
    struct status_board *board = mem_zero(sizeof(*board));
    pthread_mutex_init(&board->mutex, NULL);
    return board;
}

void status_board_free(struct status_board *board)
{
    if (board != NULL) {
        pthread_mutex_destroy(&board->mutex);
        free(board->status.shards);
        free(board);
    }
}

static const struct node_clock *clock_of(const struct node_impl *n, const char *name)
{
    for (size_t i = 0; i < n->clock_count; i++) {
        if (strcmp(n->clocks[i].name, name) == 0) {
            return &n->clocks[i];
        }
    }
    return NULL;
}

static void fill_peer(const struct node_impl *n, const struct group_server_status *server,
                      struct node_peer_status *out)
{
    memcpy(out->name, server->server.name, sizeof(out->name));
    out->voter = server->server.role == GROUP_VOTER;
    out->match_index = server->match;
    out->heard_age_ms = UINT64_MAX;
    if (strcmp(out->name, n->identity.self.name) == 0) {
        out->connected = true;
        out->heard_age_ms = 0;
        return;
    }
    out->connected = transport_connected(n->transport, out->name);
    const struct node_clock *clock = clock_of(n, out->name);
    if (clock != NULL && clock->heard_ms != 0) {
        out->heard_age_ms = node_now_ms(n) - clock->heard_ms;
        out->clock_offset_ms = clock->offset_ms;
    }
}

static enum node_role role_of(const struct group_status *g)
{
    if (g->server_count == 0) {
        return NODE_ABSENT;
    }
    if (g->state == GROUP_LEADER) {
        return NODE_LEADER;
    }
    return g->state == GROUP_CANDIDATE ? NODE_CANDIDATE : NODE_FOLLOWER;
}

static void fill_shard(const struct replica *r, struct node_shard_status *out)
{
    struct group_status g;
    group_status(r->group, &g);
    *out = (struct node_shard_status){
        .shard = r->shard,
        .role = role_of(&g),
        .serving = r->leader.sm.state == LEADER_SERVING,
        .term = g.term,
        .last_index = g.last,
        .commit_index = g.commit,
        .applied_index = r->state.applied_index,
        .snapshot_index = g.snapshot,
        .applied_version = r->state.last_version,
        .confirmed_age_ms = UINT64_MAX,
        .peer_count = g.server_count,
    };
    memcpy(out->leader, r->leader_name, sizeof(out->leader));
    memcpy(out->prefers, r->prefers, sizeof(out->prefers));
    if (r->leaderless_ms != 0) {
        out->leaderless_ms = node_now_ms(r->node) - r->leaderless_ms + 1;
    }
    for (size_t i = 0; i < g.server_count && i < NODE_MEMBERS_MAX; i++) {
        fill_peer(r->node, &g.servers[i], &out->peers[i]);
    }
}

void status_publish(struct node_impl *n)
{
    size_t count = n->identity.shards;
    struct node_status fresh = {
        .ready = true,
        .clock_offset_ms = -n->clock_offset_ms,
        .member_count = n->member_count,
        .shard_count = count,
        .shards = mem_zero(count * sizeof(struct node_shard_status)),
    };
    memcpy(fresh.members, n->members, sizeof(fresh.members));
    for (size_t i = 0; i < count; i++) {
        struct node_shard_status *s = &fresh.shards[i];
        if (n->replicas[i].group == NULL) {
            free(fresh.shards);
            return; /* starting or stopping: the board keeps what it had */
        }
        fill_shard(&n->replicas[i], s);
        bool caught_up =
            s->applied_index >= s->commit_index || s->commit_index - s->applied_index < 64;
        fresh.ready = fresh.ready && s->leader[0] != '\0' && s->applied_index > 0 && caught_up &&
                      (s->role != NODE_LEADER || s->serving);
    }
    pthread_mutex_lock(&n->board->mutex);
    struct node_shard_status *old = n->board->status.shards;
    n->board->status = fresh;
    n->board->at_ms = node_now_ms(n);
    pthread_mutex_unlock(&n->board->mutex);
    free(old);
}

void node_status(struct node *handle, struct node_status *out)
{
    struct node_impl *n = handle->impl;
    pthread_mutex_lock(&n->board->mutex);
    *out = n->board->status;
    out->shards = mem_alloc(out->shard_count * sizeof(*out->shards) + 1);
    if (out->shard_count > 0) {
        memcpy(out->shards, n->board->status.shards, out->shard_count * sizeof(*out->shards));
    }
    pthread_mutex_unlock(&n->board->mutex);
    for (size_t i = 0; i < out->shard_count; i++) {
        out->shards[i].confirmed_age_ms = node_confirmed_age_ms(handle, (uint32_t)i);
    }
}

uint64_t node_confirmed_age_ms(struct node *handle, uint32_t shard)
{
    struct node_impl *n = handle->impl;
    if (shard >= n->identity.shards) {
        return UINT64_MAX;
    }
    uint64_t at = atomic_load_explicit(&n->replicas[shard].confirmed_ms, memory_order_relaxed);
    uint64_t now = clock_mono_ns() / 1000000;
    if (at == 0) {
        return UINT64_MAX;
    }
    return now > at ? now - at : 0;
}
