/* world_node.c: nodes: one log and disk each for all its groups, and how they live and die.
 *
 * After every event the node's log is pumped: what is queued, by whichever group, is written at
 * once, and an event some milliseconds later syncs it all; a crash in between loses it. */
#include "tests/lib/world_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

struct world_node *world__node_named(struct world *w, const char *name)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        if (strcmp(w->nodes[i].name, name) == 0) {
            return &w->nodes[i];
        }
    }
    return NULL;
}

static void on_wal_failed(void *user, const struct err *err)
{
    struct world_node *n = user;
    (void)err;
    n->broken = true;
}

void world__pump(struct world_node *n)
{
    struct world *w = n->world;
    if (n->up && !n->broken && wal_pending(n->wal)) {
        wal_write(n->wal);
        n->last_write_us = w->now_us;
        if (wal_writing(n->wal)) {
            world__push_for(n, 100 + world_random(w, (uint64_t)w->options.disk_max_ms * 1000),
                            EVENT_SYNC);
        }
    }
    if (n->up && n->broken) {
        world_crash(w, n->number);
    }
}

static void find_peers(struct world_node *n)
{
    struct world *w = n->world;
    for (int i = 0; i < WORLD_NODES; i++) {
        if (i == n->number || !w->nodes[i].up || world_random(w, 4) == 0) {
            continue;
        }
        int pair[2] = {i, n->number};
        for (int k = 0; k < 2; k++) {
            world__push(w, world_random(w, 20000),
                        (struct world_event){.kind = EVENT_PEER_FOUND,
                                             .node = pair[k],
                                             .from = pair[1 - k],
                                             .life = w->nodes[pair[k]].life});
        }
    }
}

/* ---- starting ---- */

static int open_wal(struct world_node *n, struct err *err)
{
    struct world *w = n->world;
    struct wal_config config = {
        .fs = &n->disk.fs,
        .identity = slice_of(n->name),
        .segment_bytes = w->options.segment_bytes != 0 ? w->options.segment_bytes : 16384,
        .salt = 1 + world_random(w, 1 << 30),
        .failed = on_wal_failed,
        .user = n,
        .test_faults = w->options.wal_faults};
    return wal_open(&config, &n->wal, err);
}

static uint32_t group_id(const struct world_replica *r)
{
    return (uint32_t)r->number + 1;
}

static int bootstrap(struct world_replica *r, struct err *err)
{
    struct world *w = r->node->world;
    struct group_server servers[WORLD_NODES] = {0};
    for (int i = 0; i < w->options.voters; i++) {
        servers[i].id = w->nodes[i].replicas[r->number].server_id;
        servers[i].role = GROUP_VOTER;
        (void)snprintf(servers[i].name, sizeof servers[i].name, "%s", w->nodes[i].name);
    }
    return group_bootstrap(r->node->wal, group_id(r), r->server_id, servers,
                           (size_t)w->options.voters, err);
}

static int open_group(struct world_replica *r, struct err *err)
{
    struct world *w = r->node->world;
    struct group_config config = {
        .id = group_id(r),
        .wal = r->node->wal,
        .server_id = r->server_id,
        .name = r->node->name,
        .ops = &world__group_ops,
        .user = r,
        .applied = {r->now.index, r->now.term, buf_slice(&r->now.configuration)},
        .election_timeout_ms = 150,
        .heartbeat_ms = 30,
        .install_timeout_ms = 5000,
        .append_bytes = w->options.append_bytes,
        .trailing_entries = 1 + (uint32_t)world_random(w, 12),
        .random_seed = (uint32_t)world_random(w, 1u << 31),
        .test_guards_off = w->options.guards_off,
        .test_faults = w->options.group_faults,
    };
    r->life = ++w->lives;
    if (w->options.hooks != NULL) {
        w->options.hooks->start(r);
    }
    return group_new(&config, &r->group, err);
}

/* A log that was cut off before it knew that the membership had ended still has the old one. */
static void drop_old_membership(struct world_replica *r)
{
    struct wal_group *kept = wal_group(r->node->wal, group_id(r));
    if (kept != NULL && (!r->member || kept->server_id != r->server_id)) {
        wal_group_remove(kept);
    }
}

static int open_groups(struct world_node *n, bool founding, struct err *err)
{
    struct world *w = n->world;
    int rc = 0;
    for (int g = 0; rc == 0 && founding && g < w->options.groups; g++) {
        rc = bootstrap(&n->replicas[g], err);
    }
    if (rc == 0 && founding) {
        wal_write(n->wal);
        wal_finish(n->wal);
    }
    for (int g = 0; rc == 0 && g < w->options.groups; g++) {
        drop_old_membership(&n->replicas[g]);
        rc = n->replicas[g].member ? open_group(&n->replicas[g], err) : 0;
    }
    return rc;
}

void world__start_replica(struct world_replica *r)
{
    struct err err;
    drop_old_membership(r);
    if (open_group(r, &err) != 0) {
        oracle_violation(&r->node->world->oracle, "group %d: %s does not start: %s", r->number,
                         r->node->name, err.message);
    }
}

void world__start_life(struct world *w, int node, bool founding)
{
    struct world_node *n = &w->nodes[node];
    assert(!n->up);
    n->life++;
    struct err err;
    int rc = open_wal(n, &err);
    n->up = rc == 0;
    rc = rc != 0 ? rc : open_groups(n, founding, &err);
    if (rc != 0) {
        oracle_violation(&w->oracle, "%s does not start: %s", n->name, err.message);
        if (n->up) {
            world__end_life(n);
        }
        return;
    }
    world__push_for(n, 50000, EVENT_MARK);
    find_peers(n);
    world__pump(n);
}

void world_start(struct world *w, int node)
{
    world__start_life(w, node, false);
}

bool world_is_member(const struct world *w, int node)
{
    bool member = false;
    for (int g = 0; g < w->options.groups; g++) {
        member = member || w->nodes[node].replicas[g].member;
    }
    return member;
}

/* ---- ending ---- */

void world_break(struct world *w, int node, int from)
{
    world__push(
        w, world_random(w, 5000),
        (struct world_event){
            .kind = EVENT_PEER_LOST, .node = node, .from = from, .life = w->nodes[node].life});
}

static void end_replica(struct world_replica *r)
{
    if (r->group == NULL) {
        return;
    }
    group_free(r->group);
    r->group = NULL;
    r->ready = false;
    r->leading_term = 0;
    r->installing = false;
    world__drop_apply_queue(r);
    if (r->node->world->options.hooks != NULL) {
        r->node->world->options.hooks->stop(r);
    }
}

void world__end_life(struct world_node *n)
{
    struct world *w = n->world;
    assert(n->up);
    n->up = false;
    n->broken = false;
    for (int g = 0; g < w->options.groups; g++) {
        end_replica(&n->replicas[g]);
    }
    wal_free(n->wal);
    n->wal = NULL;
    for (int i = 0; i < WORLD_NODES; i++) {
        if (i != n->number && world_random(w, 2) == 0) {
            world_break(w, i, n->number);
        }
    }
}

void world_crash(struct world *w, int node)
{
    struct world_node *n = &w->nodes[node];
    world__end_life(n);
    disk_crash(&n->disk);
    for (int g = 0; g < w->options.groups; g++) {
        struct world_replica *r = &n->replicas[g];
        bool rolled_back = world_random(w, 2) == 0;
        if (!r->member) {
            continue;
        }
        if (rolled_back) {
            machine_copy(&r->now, &r->durable);
        }
        if (w->options.hooks != NULL) {
            w->options.hooks->power_cut(r, rolled_back);
        }
    }
}

void world_kill(struct world *w, int node)
{
    world__end_life(&w->nodes[node]);
    w->nodes[node].disk.fail_at = 0;
}

void world_heal(struct world *w)
{
    w->calm = true;
    memset(w->blocked, 0, sizeof w->blocked);
    for (int i = 0; i < WORLD_NODES; i++) {
        w->nodes[i].disk.fail_at = 0;
        if (world_is_member(w, i) && !w->nodes[i].up) {
            world_start(w, i);
        }
    }
}

static void lose_disk(struct world_node *n)
{
    if (n->up) {
        world__end_life(n);
    }
    disk_free(&n->disk);
    disk_init(&n->disk, world_random(n->world, UINT64_MAX));
}

void world__forget(struct world_replica *r)
{
    struct world_node *n = r->node;
    struct world *w = n->world;
    r->member = false;
    if (!world_is_member(w, n->number)) {
        lose_disk(n);
    } else if (n->up) {
        end_replica(r);
        drop_old_membership(r);
        world__pump(n);
    }
    machine_free(&r->now);
    machine_free(&r->durable);
    r->snapshot_at = 0;
    if (w->options.hooks != NULL) {
        w->options.hooks->wipe(r);
    }
    r->server_id += 100; /* never the same again */
}
