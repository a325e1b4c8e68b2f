/* world.c: the simulated cluster.
 *
 * Events stand in a heap by virtual time; each belongs to a life of a node and is void once that
 * life is over. Messages are lost, doubled and delayed at random. */
#include "tests/lib/world_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

static void mark_turn(struct world_node *n)
{
    if (n->world->now_us - n->last_write_us > 50000) {
        wal_mark(n->wal);
    }
    world__push_for(n, 50000, EVENT_MARK);
}

static void discard(struct world_event *e)
{
    payload_unref(e->bytes);
    if (e->kind == EVENT_IMAGE || e->kind == EVENT_INSTALLED) {
        world__image_free(e->pointer);
    } else if (e->kind == EVENT_READ) {
        free(e->pointer);
    }
}

static void on_replica(struct world *w, struct world_replica *r, struct world_event *e)
{
    switch (e->kind) {
    case EVENT_TICK:
        if (w->now_us / 1000 >= r->armed_ms) {
            group_tick(r->group);
        }
        break;
    case EVENT_APPLY:
        world__apply_turn(r);
        break;
    case EVENT_MESSAGE:
        group_receive(r->group, w->nodes[e->from].name, payload_slice(e->bytes));
        payload_unref(e->bytes);
        break;
    case EVENT_IMAGE:
        world__offer(r, e->pointer);
        break;
    case EVENT_IMAGE_SENT:
        group_snapshot_sent(r->group, e->number);
        break;
    case EVENT_INSTALLED:
        world__installed(r, e->pointer);
        break;
    case EVENT_READ:
        world__read_turn(w, r, e->pointer);
        break;
    case EVENT_SYNC:
    case EVENT_MARK:
    case EVENT_PEER_LOST:
    case EVENT_PEER_FOUND:
    case EVENT_CLIENT:
        break;
    }
}

/* A connection carries all groups' messages. */
static void on_peer(struct world_node *n, const char *peer, bool found)
{
    for (int g = 0; g < n->world->options.groups; g++) {
        struct group *group = n->replicas[g].group;
        if (group != NULL && found) {
            group_peer_found(group, peer);
        } else if (group != NULL) {
            group_peer_lost(group, peer);
        }
    }
}

/* False: the event is a replica's. */
static bool on_node(struct world *w, struct world_node *n, const struct world_event *e)
{
    switch (e->kind) {
    case EVENT_SYNC:
        if (wal_writing(n->wal)) {
            wal_finish(n->wal);
        }
        return true;
    case EVENT_MARK:
        mark_turn(n);
        return true;
    case EVENT_PEER_LOST:
    case EVENT_PEER_FOUND:
        on_peer(n, w->nodes[e->from].name, e->kind == EVENT_PEER_FOUND);
        return true;
    case EVENT_TICK:
    case EVENT_APPLY:
    case EVENT_MESSAGE:
    case EVENT_IMAGE:
    case EVENT_IMAGE_SENT:
    case EVENT_INSTALLED:
    case EVENT_CLIENT:
    case EVENT_READ:
        break;
    }
    return false;
}

static bool of_node(enum event_kind kind)
{
    return kind == EVENT_SYNC || kind == EVENT_MARK || kind == EVENT_PEER_LOST ||
           kind == EVENT_PEER_FOUND;
}

/* Is there still somebody whom it is for? A message is for whoever has the place now. */
static bool is_due(const struct world *w, const struct world_event *e)
{
    const struct world_node *n = &w->nodes[e->node];
    const struct world_replica *r = &n->replicas[e->group];
    if (of_node(e->kind)) {
        return n->up && e->life == n->life;
    }
    if (e->kind == EVENT_MESSAGE) {
        return r->group != NULL && !w->blocked[e->from][e->node];
    }
    return r->group != NULL && e->life == r->life;
}

static void turn(struct world *w)
{
    struct world_event e = world__pop(w);
    w->now_us = e.at_us;
    w->events++;
    if (e.kind == EVENT_CLIENT) {
        world__client_turn(&w->clients[e.number]);
        return;
    }
    struct world_node *n = &w->nodes[e.node];
    if (!is_due(w, &e)) {
        discard(&e);
        return;
    }
    if (!on_node(w, n, &e)) {
        on_replica(w, &n->replicas[e.group], &e);
    }
    world__pump(n);
}

void world_run(struct world *w, uint64_t ms)
{
    uint64_t end = w->now_us + ms * 1000;
    while (w->heap_count > 0 && w->heap[0].at_us <= end && w->oracle.violations == 0) {
        turn(w);
    }
    w->now_us = end;
}

bool world_run_until(struct world *w, bool (*done)(struct world *w), uint64_t ms)
{
    for (uint64_t i = 0; i < ms && w->oracle.violations == 0; i += 5) {
        if (done(w)) {
            return true;
        }
        world_run(w, 5);
    }
    return done(w);
}

/* ---- life of the world ---- */

static void make_node(struct world *w, int number)
{
    struct world_node *n = &w->nodes[number];
    n->world = w;
    n->number = number;
    (void)snprintf(n->name, sizeof n->name, "node-%d", number);
    disk_init(&n->disk, world_random(w, UINT64_MAX));
    for (int g = 0; g < w->options.groups; g++) {
        n->replicas[g] = (struct world_replica){.node = n,
                                                .number = g,
                                                .server_id = (uint64_t)(101 + number),
                                                .member = number < w->options.voters};
    }
}

struct world *world_new(const struct world_options *options)
{
    struct world *w = mem_zero(sizeof *w);
    w->options = *options;
    w->options.groups = options->groups != 0 ? options->groups : 1;
    assert(w->options.groups <= WORLD_GROUPS && options->clients <= MACHINE_CLIENTS);
    w->random = options->seed * 0x2545f4914f6cdd1du + 1;
    w->now_us = 1000000;
    for (int i = 0; i < WORLD_NODES; i++) {
        make_node(w, i);
    }
    for (int i = 0; i < options->voters; i++) {
        world__start_life(w, i, true);
    }
    for (unsigned i = 0; i < options->clients; i++) {
        w->clients[i] = (struct world_client){.world = w,
                                              .group = (int)i % w->options.groups,
                                              .command = {.client = i, .sequence = 1, .amount = 3},
                                              .node = -1};
        world__client_next(&w->clients[i], world_random(w, 100000));
    }
    return w;
}

static void free_replica(struct world_replica *r)
{
    free(r->store);
    machine_free(&r->now);
    machine_free(&r->durable);
    buf_free(&r->apply_queue);
}

void world_free(struct world *w)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        struct world_node *n = &w->nodes[i];
        if (n->up) {
            world__end_life(n);
        }
        disk_free(&n->disk);
        for (int g = 0; g < w->options.groups; g++) {
            free_replica(&n->replicas[g]);
        }
    }
    while (w->heap_count > 0) {
        struct world_event e = world__pop(w);
        discard(&e);
    }
    free(w->heap);
    free(w);
}
