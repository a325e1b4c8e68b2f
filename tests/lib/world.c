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

static void take_snapshot(struct world_node *n)
{
    unsigned every = n->world->options.snapshot_every;
    if (every != 0 && !n->installing && n->now.index >= n->snapshot_at + every) {
        n->snapshot_at = n->now.index;
        machine_copy(&n->durable, &n->now);
        if (n->world->options.hooks != NULL) {
            n->world->options.hooks->checkpoint(n);
        }
        group_snapshot_taken(n->group, n->now.index);
    }
}

static void apply_turn(struct world_node *n)
{
    struct buf queue = n->apply_queue;
    n->apply_queue = (struct buf){0};
    n->applying = false;
    if (n->world->options.hooks != NULL) {
        n->world->options.hooks->apply(n, (const struct group_entry *)(const void *)queue.data,
                                       queue.len / sizeof(struct group_entry));
    }
    for (size_t at = 0; at < queue.len; at += sizeof(struct group_entry)) {
        struct group_entry e;
        memcpy(&e, queue.data + at, sizeof e);
        struct slice data = e.data != NULL ? payload_slice(e.data) : (struct slice){0};
        if (e.index != n->now.index + 1) {
            oracle_violation(&n->world->oracle, "%s was handed %llu after %llu", n->name,
                             (unsigned long long)e.index, (unsigned long long)n->now.index);
        }
        machine_apply(&n->now, e.index, e.term, data, payload_slice(e.configuration),
                      n->world->options.confuse_requests);
        oracle_applied(&n->world->oracle, n->number, &n->now, data);
        payload_unref(e.data);
        payload_unref(e.configuration);
    }
    buf_free(&queue);
    group_applied(n->group, n->now.index);
    take_snapshot(n);
}

static void installed(struct world_node *n, struct image *image)
{
    machine_copy(&n->now, &image->state);
    machine_copy(&n->durable, &image->state);
    if (image->store != NULL) {
        image->hooks->install(n, image->store);
        image->store = NULL;
    }
    world__image_free(image);
    n->installing = false;
    n->snapshot_at = n->now.index;
    group_installed(n->group);
}

static void offer(struct world_node *n, struct image *image)
{
    struct group_point point = {image->state.index, image->state.term,
                                buf_slice(&image->state.configuration)};
    group_snapshot_offer(n->group, image, &point);
}

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

static void on_node(struct world *w, struct world_node *n, struct world_event *e)
{
    switch (e->kind) {
    case EVENT_TICK:
        if (w->now_us / 1000 >= n->armed_ms) {
            group_tick(n->group);
        }
        break;
    case EVENT_SYNC:
        if (wal_writing(n->wal)) {
            wal_finish(n->wal);
        }
        break;
    case EVENT_MARK:
        mark_turn(n);
        break;
    case EVENT_APPLY:
        apply_turn(n);
        break;
    case EVENT_MESSAGE:
        group_receive(n->group, w->nodes[e->from].name, payload_slice(e->bytes));
        payload_unref(e->bytes);
        break;
    case EVENT_IMAGE:
        offer(n, e->pointer);
        break;
    case EVENT_IMAGE_SENT:
        group_snapshot_sent(n->group, e->number);
        break;
    case EVENT_INSTALLED:
        installed(n, e->pointer);
        break;
    case EVENT_READ:
        world__read_turn(w, n, e->pointer);
        break;
    case EVENT_PEER_LOST:
        group_peer_lost(n->group, w->nodes[e->from].name);
        break;
    case EVENT_PEER_FOUND:
        group_peer_found(n->group, w->nodes[e->from].name);
        break;
    case EVENT_CLIENT:
        break;
    }
    world__pump(n);
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
    bool any_life = e.kind == EVENT_MESSAGE;
    bool cut = any_life && w->blocked[e.from][e.node];
    if (!n->up || cut || (!any_life && e.life != n->life)) {
        discard(&e);
        return;
    }
    on_node(w, n, &e);
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

struct world *world_new(const struct world_options *options)
{
    struct world *w = mem_zero(sizeof *w);
    w->options = *options;
    w->random = options->seed * 0x2545f4914f6cdd1du + 1;
    w->now_us = 1000000;
    for (int i = 0; i < WORLD_NODES; i++) {
        struct world_node *n = &w->nodes[i];
        n->world = w;
        n->number = i;
        n->server_id = (uint64_t)(101 + i);
        (void)snprintf(n->name, sizeof n->name, "node-%d", i);
        disk_init(&n->disk, world_random(w, UINT64_MAX));
    }
    for (int i = 0; i < options->voters; i++) {
        w->nodes[i].member = true;
        world__start_life(w, i, true);
    }
    for (unsigned i = 0; i < options->clients; i++) {
        w->clients[i] = (struct world_client){
            .world = w, .command = {.client = i, .sequence = 1, .amount = 3}, .node = -1};
        world__client_next(&w->clients[i], world_random(w, 100000));
    }
    return w;
}

void world_free(struct world *w)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        struct world_node *n = &w->nodes[i];
        if (n->up) {
            world__end_life(n);
        }
        disk_free(&n->disk);
        free(n->store);
        machine_free(&n->now);
        machine_free(&n->durable);
        buf_free(&n->apply_queue);
    }
    while (w->heap_count > 0) {
        struct world_event e = world__pop(w);
        discard(&e);
    }
    free(w->heap);
    free(w);
}
