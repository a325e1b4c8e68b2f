/* world_node.c: nodes: what their groups ask of the world, and how they live and die.
 *
 * After every event the node's log is pumped: what is queued is written at once, and an event some
 * milliseconds later syncs it; a crash in between loses it. The store is the machine: `now` is
 * what was applied, `durable` what was last checkpointed; a power cut keeps either. */
#include "tests/lib/world_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

/* ---- what a group asks of its world ---- */

static uint64_t now_ms(void *user)
{
    return ((struct world_node *)user)->world->now_us / 1000;
}

static void arm(void *user, uint64_t at_ms)
{
    struct world_node *n = user;
    n->armed_ms = at_ms;
    uint64_t at_us = at_ms * 1000;
    world__push_for(n, at_us > n->world->now_us ? at_us - n->world->now_us : 0, EVENT_TICK);
}

struct world_node *world__node_named(struct world *w, const char *name)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        if (strcmp(w->nodes[i].name, name) == 0) {
            return &w->nodes[i];
        }
    }
    return NULL;
}

uint64_t world__delay_us(struct world *w)
{
    uint64_t max_us = (uint64_t)w->options.delay_max_ms * 1000;
    uint64_t us = 50 + world_random(w, max_us);
    return !w->calm && world_random(w, 100) == 0 ? us * 50 : us;
}

static void send_message(void *user, const char *name, struct slice message)
{
    struct world_node *n = user;
    struct world *w = n->world;
    struct world_node *to = world__node_named(w, name);
    assert(to != NULL);
    int copies = 1;
    if (!w->calm && world_random(w, 100) < w->options.loss_percent) {
        copies = 0;
    } else if (!w->calm && world_random(w, 100) < w->options.duplicate_percent) {
        copies = 2;
    }
    for (; copies > 0 && !w->blocked[n->number][to->number]; copies--) {
        world__push(w, world__delay_us(w),
                    (struct world_event){.kind = EVENT_MESSAGE,
                                         .node = to->number,
                                         .from = n->number,
                                         .bytes = payload_new(message)});
    }
}

static void apply(void *user, const struct group_entry *entry)
{
    struct world_node *n = user;
    struct group_entry e = *entry;
    if (e.data != NULL) {
        payload_ref(e.data);
    }
    payload_ref(e.configuration);
    buf_add(&n->apply_queue, slice_make(&e, sizeof e));
    if (!n->applying) {
        n->applying = true;
        world__push_for(n, world_random(n->world, 2000), EVENT_APPLY);
    }
}

static void send_snapshot(void *user, const char *name, uint64_t server_id, uint64_t index)
{
    struct world_node *n = user;
    struct world *w = n->world;
    struct world_node *to = world__node_named(w, name);
    struct image *image = mem_zero(sizeof *image);
    machine_copy(&image->state, &n->now);
    assert(n->now.index >= index);
    uint64_t us = world__delay_us(w) * 5;
    bool lost = w->blocked[n->number][to->number] ||
                (!w->calm && world_random(w, 100) < 3 * w->options.loss_percent);
    if (w->options.hooks != NULL && !lost) {
        image->hooks = w->options.hooks;
        image->store = image->hooks->image(n);
        lost = image->store == NULL;
    }
    if (lost) {
        world__image_free(image);
    } else {
        world__push(w, us,
                    (struct world_event){.kind = EVENT_IMAGE,
                                         .node = to->number,
                                         .from = n->number,
                                         .life = to->life,
                                         .pointer = image});
    }
    world__push(
        w, us + 100,
        (struct world_event){
            .kind = EVENT_IMAGE_SENT, .node = n->number, .life = n->life, .number = server_id});
}

static void install(void *user, void *token, const struct group_point *point)
{
    struct world_node *n = user;
    struct image *image = token;
    assert(image->state.index == point->index && n->apply_queue.len == 0);
    n->installing = true;
    n->world->installs++;
    world__push(n->world, 1000 + world_random(n->world, 20000),
                (struct world_event){
                    .kind = EVENT_INSTALLED, .node = n->number, .life = n->life, .pointer = image});
}

void world__image_free(struct image *image)
{
    if (image->store != NULL) {
        image->hooks->image_free(image->store);
    }
    machine_free(&image->state);
    free(image);
}

static void refuse(void *user, void *token)
{
    (void)user;
    world__image_free(token);
}

static void open_done(struct group_proposal *p, int status)
{
    (void)p;
    (void)status;
}

static void on_leading(void *user, uint64_t term)
{
    struct world_node *n = user;
    n->leading_term = term;
    n->leading_since_us = n->world->now_us;
    n->world->elections++;
    oracle_leading(&n->world->oracle, n->number, term);
    n->open.done = open_done;
    struct buf entry = {0};
    machine_entry(NULL, &entry);
    if (n->world->options.hooks != NULL) {
        n->world->options.hooks->encode(n, NULL, &entry);
    }
    group_propose(n->group, &n->open, buf_slice(&entry));
    buf_free(&entry);
}

static void on_ready(void *user, uint64_t term)
{
    struct world_node *n = user;
    assert(n->leading_term == term);
    n->ready = true;
    if (n->world->options.hooks != NULL) {
        n->world->options.hooks->ready(n);
    }
}

static void on_following(void *user, uint64_t term)
{
    struct world_node *n = user;
    assert(n->leading_term == term);
    n->leading_term = 0;
    n->ready = false;
}

static void on_leader(void *user, uint64_t term, const char *name)
{
    struct world_node *n = user;
    if (n->world->options.trace) {
        printf("%10llu %s sees %s lead term %llu\n", (unsigned long long)n->world->now_us, n->name,
               name != NULL ? name : "nobody", (unsigned long long)term);
    }
}

static void on_can_propose(void *user)
{
    (void)user;
}

static void on_group_failed(void *user, const struct err *err)
{
    struct world_node *n = user;
    oracle_violation(&n->world->oracle, "%s gave up: %s", n->name, err->message);
    n->broken = true;
}

static const struct group_ops ops = {
    .now_ms = now_ms,
    .arm = arm,
    .send = send_message,
    .apply = apply,
    .send_snapshot = send_snapshot,
    .install = install,
    .refuse = refuse,
    .on_leading = on_leading,
    .on_ready = on_ready,
    .on_following = on_following,
    .on_leader = on_leader,
    .on_can_propose = on_can_propose,
    .failed = on_group_failed,
};

static void on_wal_failed(void *user, const struct err *err)
{
    struct world_node *n = user;
    (void)err;
    n->broken = true;
}

/* ---- lives ---- */

static int open_wal(struct world_node *n, struct err *err)
{
    struct world *w = n->world;
    struct wal_config config = {.fs = &n->disk.fs,
                                .identity = slice_of(n->name),
                                .segment_bytes = 16384,
                                .salt = 1 + world_random(w, 1 << 30),
                                .failed = on_wal_failed,
                                .user = n,
                                .test_faults = w->options.wal_faults};
    return wal_open(&config, &n->wal, err);
}

static int open_group(struct world_node *n, struct err *err)
{
    struct world *w = n->world;
    struct group_config config = {
        .id = 1,
        .wal = n->wal,
        .server_id = n->server_id,
        .name = n->name,
        .ops = &ops,
        .user = n,
        .applied = {n->now.index, n->now.term, buf_slice(&n->now.configuration)},
        .election_timeout_ms = 150,
        .heartbeat_ms = 30,
        .install_timeout_ms = 5000,
        .append_bytes = w->options.append_bytes,
        .trailing_entries = 1 + (uint32_t)world_random(w, 12),
        .random_seed = (uint32_t)world_random(w, 1u << 31),
        .test_guards_off = w->options.guards_off,
        .test_faults = w->options.group_faults,
    };
    return group_new(&config, &n->group, err);
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

void world__start_life(struct world *w, int node, bool bootstrap)
{
    struct world_node *n = &w->nodes[node];
    assert(!n->up);
    n->life++;
    struct err err;
    int rc = open_wal(n, &err);
    if (rc == 0 && bootstrap) {
        struct group_server servers[WORLD_NODES] = {0};
        for (int i = 0; i < w->options.voters; i++) {
            servers[i].id = w->nodes[i].server_id;
            servers[i].role = GROUP_VOTER;
            (void)snprintf(servers[i].name, sizeof servers[i].name, "%s", w->nodes[i].name);
        }
        rc = group_bootstrap(n->wal, 1, n->server_id, servers, (size_t)w->options.voters, &err);
        wal_write(n->wal);
        wal_finish(n->wal);
    }
    if (rc == 0) {
        n->up = true;
        if (w->options.hooks != NULL) {
            w->options.hooks->start(n);
        }
        rc = open_group(n, &err);
    }
    if (rc != 0) {
        n->up = false;
        oracle_violation(&w->oracle, "%s does not start: %s", n->name, err.message);
        wal_free(n->wal);
        n->wal = NULL;
        n->member = false;
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

void world_break(struct world *w, int node, int from)
{
    world__push(
        w, world_random(w, 5000),
        (struct world_event){
            .kind = EVENT_PEER_LOST, .node = node, .from = from, .life = w->nodes[node].life});
}

static void drop_apply_queue(struct world_node *n)
{
    for (size_t at = 0; at < n->apply_queue.len; at += sizeof(struct group_entry)) {
        struct group_entry e;
        memcpy(&e, n->apply_queue.data + at, sizeof e);
        payload_unref(e.data);
        payload_unref(e.configuration);
    }
    buf_clear(&n->apply_queue);
    n->applying = false;
}

void world__end_life(struct world_node *n)
{
    assert(n->up);
    n->up = false;
    n->broken = false;
    group_free(n->group);
    wal_free(n->wal);
    n->group = NULL;
    n->wal = NULL;
    n->ready = false;
    n->leading_term = 0;
    n->installing = false;
    drop_apply_queue(n);
    struct world *w = n->world;
    if (w->options.hooks != NULL) {
        w->options.hooks->stop(n);
    }
    for (int i = 0; i < WORLD_NODES; i++) {
        if (i != n->number && world_random(w, 2) == 0) {
            world__push(w, world_random(w, 5000),
                        (struct world_event){.kind = EVENT_PEER_LOST,
                                             .node = i,
                                             .from = n->number,
                                             .life = w->nodes[i].life});
        }
    }
}

void world_crash(struct world *w, int node)
{
    struct world_node *n = &w->nodes[node];
    world__end_life(n);
    disk_crash(&n->disk);
    bool rolled_back = world_random(w, 2) == 0;
    if (rolled_back) {
        machine_copy(&n->now, &n->durable);
    }
    if (w->options.hooks != NULL) {
        w->options.hooks->power_cut(n, rolled_back);
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
        if (w->nodes[i].member && !w->nodes[i].up) {
            world_start(w, i);
        }
    }
}

void world__wipe(struct world_node *n)
{
    if (n->up) {
        world__end_life(n);
    }
    n->member = false;
    disk_free(&n->disk);
    disk_init(&n->disk, world_random(n->world, UINT64_MAX));
    machine_free(&n->now);
    machine_free(&n->durable);
    n->snapshot_at = 0;
    if (n->world->options.hooks != NULL) {
        n->world->options.hooks->wipe(n);
    }
    n->server_id += 100; /* never the same again */
}
