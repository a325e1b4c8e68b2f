/* world.c: the simulated cluster.
 *
 * Events stand in a heap by virtual time; each belongs to a life of a node and is void once that
 * life is over. After every event, the node's log is pumped: what is queued is written at once,
 * and an event some milliseconds later syncs it; a crash in between loses it. The store is the
 * machine: `now` is what was applied, `durable` what was last checkpointed; a power cut keeps
 * either. Messages are lost, doubled and delayed at random. */
#include "tests/lib/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

enum event_kind {
    EVENT_TICK,
    EVENT_SYNC,
    EVENT_MARK,
    EVENT_APPLY,
    EVENT_MESSAGE,
    EVENT_IMAGE,
    EVENT_IMAGE_SENT,
    EVENT_INSTALLED,
    EVENT_CLIENT,
    EVENT_READ,
    EVENT_PEER_LOST,
};

struct image {
    struct machine state;
};

struct world_event {
    uint64_t at_us;
    uint64_t sequence;
    enum event_kind kind;
    int node;
    uint64_t life;
    int from;
    uint64_t number;
    struct payload *bytes;
    void *pointer;
};

/* ---- time ---- */

uint64_t world_random(struct world *w, uint64_t below)
{
    w->random += 0x9e3779b97f4a7c15u;
    uint64_t z = w->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return below == 0 ? 0 : z % below;
}

static bool earlier(const struct world_event *a, const struct world_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void push(struct world *w, uint64_t delay_us, struct world_event e)
{
    e.at_us = w->now_us + delay_us;
    e.sequence = w->sequence++;
    if (w->heap_count == w->heap_cap) {
        w->heap_cap = w->heap_cap == 0 ? 256 : w->heap_cap * 2;
        w->heap = mem_resize(w->heap, w->heap_cap * sizeof *w->heap);
    }
    size_t i = w->heap_count++;
    while (i > 0 && earlier(&e, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = e;
}

static struct world_event pop(struct world *w)
{
    struct world_event top = w->heap[0];
    struct world_event last = w->heap[--w->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heap_count) {
            break;
        }
        if (child + 1 < w->heap_count && earlier(&w->heap[child + 1], &w->heap[child])) {
            child++;
        }
        if (!earlier(&w->heap[child], &last)) {
            break;
        }
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

static void push_for(struct world_node *n, uint64_t delay_us, enum event_kind kind)
{
    push(n->world, delay_us,
         (struct world_event){.kind = kind, .node = n->number, .life = n->life});
}

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
    push_for(n, at_us > n->world->now_us ? at_us - n->world->now_us : 0, EVENT_TICK);
}

static struct world_node *node_named(struct world *w, const char *name)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        if (strcmp(w->nodes[i].name, name) == 0) {
            return &w->nodes[i];
        }
    }
    return NULL;
}

static uint64_t delay_us(struct world *w)
{
    uint64_t max_us = (uint64_t)w->options.delay_max_ms * 1000;
    uint64_t us = 50 + world_random(w, max_us);
    return !w->calm && world_random(w, 100) == 0 ? us * 50 : us;
}

static void send_message(void *user, const char *name, struct slice message)
{
    struct world_node *n = user;
    struct world *w = n->world;
    struct world_node *to = node_named(w, name);
    assert(to != NULL);
    int copies = 1;
    if (!w->calm && world_random(w, 100) < w->options.loss_percent) {
        copies = 0;
    } else if (!w->calm && world_random(w, 100) < w->options.duplicate_percent) {
        copies = 2;
    }
    for (; copies > 0 && !w->blocked[n->number][to->number]; copies--) {
        push(w, delay_us(w),
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
        push_for(n, world_random(n->world, 2000), EVENT_APPLY);
    }
}

static void send_snapshot(void *user, const char *name, uint64_t server_id, uint64_t index)
{
    struct world_node *n = user;
    struct world *w = n->world;
    struct world_node *to = node_named(w, name);
    struct image *image = mem_zero(sizeof *image);
    machine_copy(&image->state, &n->now);
    assert(n->now.index >= index);
    uint64_t us = delay_us(w) * 5;
    bool lost = w->blocked[n->number][to->number] ||
                (!w->calm && world_random(w, 100) < 3 * w->options.loss_percent);
    if (lost) {
        machine_free(&image->state);
        free(image);
    } else {
        push(w, us,
             (struct world_event){.kind = EVENT_IMAGE,
                                  .node = to->number,
                                  .from = n->number,
                                  .life = to->life,
                                  .pointer = image});
    }
    push(w, us + 100,
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
    push(n->world, 1000 + world_random(n->world, 20000),
         (struct world_event){
             .kind = EVENT_INSTALLED, .node = n->number, .life = n->life, .pointer = image});
}

static void refuse(void *user, void *token)
{
    (void)user;
    struct image *image = token;
    machine_free(&image->state);
    free(image);
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
    group_propose(n->group, &n->open, SLICE("open"));
}

static void on_ready(void *user, uint64_t term)
{
    struct world_node *n = user;
    assert(n->leading_term == term);
    n->ready = true;
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

static void pump(struct world_node *n)
{
    struct world *w = n->world;
    if (n->up && !n->broken && wal_pending(n->wal)) {
        wal_write(n->wal);
        n->last_write_us = w->now_us;
        if (wal_writing(n->wal)) {
            push_for(n, 100 + world_random(w, (uint64_t)w->options.disk_max_ms * 1000), EVENT_SYNC);
        }
    }
    if (n->up && n->broken) {
        world_crash(w, n->number);
    }
}

static void start_life(struct world *w, int node, bool bootstrap)
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
    push_for(n, 50000, EVENT_MARK);
    pump(n);
}

void world_start(struct world *w, int node)
{
    start_life(w, node, false);
}

void world_break(struct world *w, int node, int from)
{
    push(w, world_random(w, 5000),
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

static void end_life(struct world_node *n)
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
    for (int i = 0; i < WORLD_NODES; i++) {
        if (i != n->number && world_random(w, 2) == 0) {
            push(w, world_random(w, 5000),
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
    end_life(n);
    disk_crash(&n->disk);
    if (world_random(w, 2) == 0) {
        machine_copy(&n->now, &n->durable);
    }
}

void world_kill(struct world *w, int node)
{
    end_life(&w->nodes[node]);
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

static void wipe(struct world_node *n)
{
    if (n->up) {
        end_life(n);
    }
    n->member = false;
    disk_free(&n->disk);
    disk_init(&n->disk, world_random(n->world, UINT64_MAX));
    machine_free(&n->now);
    machine_free(&n->durable);
    n->snapshot_at = 0;
    n->server_id += 100; /* never the same again */
}

/* ---- clients ---- */

static void client_next(struct world_client *c, uint64_t delay)
{
    push(c->world, delay,
         (struct world_event){.kind = EVENT_CLIENT, .number = (uint64_t)(c - c->world->clients)});
}

static void client_done(struct group_proposal *p, int status)
{
    struct world_client *c = CONTAINER_OF(p, struct world_client, proposal);
    struct world *w = c->world;
    c->busy = false;
    if (status == 0) {
        struct world_node *n = &w->nodes[c->node];
        if (n->now.last_sequence[c->command.client] != c->command.sequence) {
            oracle_violation(&w->oracle, "%s acknowledged request %u:%u and has not applied it",
                             n->name, c->command.client, c->command.sequence);
        }
        oracle_acknowledged(&w->oracle, &c->command, p->index,
                            n->now.last_result[c->command.client]);
        c->sum += c->command.amount;
        c->command.sequence++;
        c->command.key = (uint32_t)world_random(w, MACHINE_KEYS);
        c->command.amount = 1 + (uint32_t)world_random(w, 9);
    }
    client_next(c, 1000 + world_random(w, 20000));
}

static void client_turn(struct world_client *c)
{
    struct world *w = c->world;
    if (c->busy || w->stop_clients) {
        client_next(c, 20000);
        return;
    }
    int node = world_leader(w);
    if (world_random(w, 8) == 0) {
        node = (int)world_random(w, WORLD_NODES); /* one that believes what it believes */
    }
    if (node < 0 || !w->nodes[node].up) {
        client_next(c, 20000);
        return;
    }
    c->node = node;
    c->busy = true;
    c->proposal.done = client_done;
    group_propose(w->nodes[node].group, &c->proposal, slice_make(&c->command, sizeof c->command));
    pump(&w->nodes[node]);
}

static void read_answered(struct group_read *read, int status)
{
    struct world_read *r = CONTAINER_OF(read, struct world_read, read);
    struct world *w = r->world;
    if (status != 0) {
        free(r);
        return;
    }
    push(w, delay_us(w),
         (struct world_event){.kind = EVENT_READ, .node = r->node, .life = r->life, .pointer = r});
}

void world_read(struct world *w, int serve)
{
    int leader = (int)world_random(w, WORLD_NODES);
    for (int i = 0; i < WORLD_NODES; i++) { /* any that thinks it leads */
        int at = (leader + i) % WORLD_NODES;
        if (!w->nodes[at].up || !w->nodes[at].ready || (serve >= 0 && !w->nodes[serve].up)) {
            continue;
        }
        serve = serve >= 0 ? serve : at;
        struct world_read *r = mem_zero(sizeof *r);
        r->world = w;
        r->least = w->oracle.acknowledged_index;
        r->node = serve;
        r->life = w->nodes[serve].life;
        r->read.done = read_answered;
        group_read(w->nodes[at].group, &r->read);
        pump(&w->nodes[at]);
        return;
    }
}

static void read_turn(struct world *w, struct world_node *n, struct world_read *r)
{
    if (n->now.index < r->read.commit_index) {
        push(w, 3000,
             (struct world_event){
                 .kind = EVENT_READ, .node = n->number, .life = n->life, .pointer = r});
        return;
    }
    oracle_read(&w->oracle, r->least, n->now.index);
    free(r);
}

/* ---- events ---- */

static void take_snapshot(struct world_node *n)
{
    unsigned every = n->world->options.snapshot_every;
    if (every != 0 && !n->installing && n->now.index >= n->snapshot_at + every) {
        n->snapshot_at = n->now.index;
        machine_copy(&n->durable, &n->now);
        group_snapshot_taken(n->group, n->now.index);
    }
}

static void apply_turn(struct world_node *n)
{
    struct buf queue = n->apply_queue;
    n->apply_queue = (struct buf){0};
    n->applying = false;
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
    machine_free(&image->state);
    free(image);
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
    push_for(n, 50000, EVENT_MARK);
}

static void discard(struct world_event *e)
{
    payload_unref(e->bytes);
    if (e->kind == EVENT_IMAGE || e->kind == EVENT_INSTALLED) {
        struct image *image = e->pointer;
        machine_free(&image->state);
        free(image);
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
        read_turn(w, n, e->pointer);
        break;
    case EVENT_PEER_LOST:
        group_peer_lost(n->group, w->nodes[e->from].name);
        break;
    case EVENT_CLIENT:
        break;
    }
    pump(n);
}

static void turn(struct world *w)
{
    struct world_event e = pop(w);
    w->now_us = e.at_us;
    w->events++;
    if (e.kind == EVENT_CLIENT) {
        client_turn(&w->clients[e.number]);
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

/* ---- asking and changing ---- */

int world_leader(struct world *w)
{
    int best = -1;
    uint64_t best_term = 0;
    for (int i = 0; i < WORLD_NODES; i++) {
        struct world_node *n = &w->nodes[i];
        if (n->up && n->ready && n->leading_term > best_term) {
            best = i;
            best_term = n->leading_term;
        }
    }
    return best;
}

bool world_has_leader(struct world *w)
{
    return world_leader(w) >= 0;
}

bool world_converged(struct world *w)
{
    int leader = world_leader(w);
    if (leader < 0) {
        return false;
    }
    struct group_status status;
    group_status(w->nodes[leader].group, &status);
    for (size_t i = 0; i < status.server_count; i++) {
        struct world_node *n = node_named(w, status.servers[i].server.name);
        if (!n->up || n->now.index != status.last || n->installing) {
            return false;
        }
    }
    return status.commit == status.last;
}

static void change_done(struct group_change *change, int status, const struct err *err)
{
    struct world_change *c = CONTAINER_OF(change, struct world_change, change);
    c->busy = false;
    c->status = status;
    if (c->world->options.trace) {
        printf("%10llu change: %s\n", (unsigned long long)c->world->now_us,
               status == 0 ? "done" : err->message);
    }
    if (status == 0 && c->forget >= 0) {
        wipe(&c->world->nodes[c->forget]);
    }
}

static struct world_node *begin_change(struct world *w)
{
    int leader = world_leader(w);
    if (leader < 0 || w->change.busy) {
        return NULL;
    }
    w->change = (struct world_change){
        .world = w, .change.done = change_done, .busy = true, .forget = -1, .node = leader};
    return &w->nodes[leader];
}

bool world_join(struct world *w, int node)
{
    struct world_node *n = &w->nodes[node];
    struct world_node *leader = begin_change(w);
    if (leader == NULL) {
        return false;
    }
    if (!n->member) {
        n->member = true;
        world_start(w, node);
    }
    group_add(leader->group, &w->change.change, n->server_id, n->name);
    pump(leader);
    return true;
}

bool world_promote(struct world *w, int node)
{
    struct world_node *leader = begin_change(w);
    if (leader == NULL) {
        return false;
    }
    group_promote(leader->group, &w->change.change, w->nodes[node].server_id);
    pump(leader);
    return true;
}

bool world_demote(struct world *w, int node)
{
    struct world_node *leader = begin_change(w);
    if (leader == NULL) {
        return false;
    }
    group_demote(leader->group, &w->change.change, w->nodes[node].server_id);
    pump(leader);
    return true;
}

bool world_remove(struct world *w, int node)
{
    struct world_node *leader = begin_change(w);
    if (leader == NULL) {
        return false;
    }
    w->change.forget = node;
    group_remove(leader->group, &w->change.change, w->nodes[node].server_id);
    pump(leader);
    return true;
}

bool world_transfer(struct world *w, int node)
{
    struct world_node *leader = begin_change(w);
    if (leader == NULL) {
        return false;
    }
    group_transfer(leader->group, &w->change.change, node >= 0 ? w->nodes[node].name : NULL);
    pump(leader);
    return true;
}

void world_print(struct world *w)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        struct world_node *n = &w->nodes[i];
        if (!n->up) {
            printf("%s%s down\n", n->name, n->member ? "" : " (no member)");
            continue;
        }
        struct group_status s;
        group_status(n->group, &s);
        printf("%s id %llu state %d%s%s term %llu log %llu..%llu durable %llu commit %llu applied "
               "%llu snapshot %llu leader %s dropped %llu:",
               n->name, (unsigned long long)n->server_id, (int)s.state,
               s.quarantined ? " quarantined" : "", s.installing ? " installing" : "",
               (unsigned long long)s.term, (unsigned long long)s.first, (unsigned long long)s.last,
               (unsigned long long)s.durable, (unsigned long long)s.commit,
               (unsigned long long)s.applied, (unsigned long long)s.snapshot, s.leader,
               (unsigned long long)s.dropped_messages);
        for (size_t k = 0; k < s.server_count; k++) {
            printf(" %s=%llu/%s", s.servers[k].server.name,
                   (unsigned long long)s.servers[k].server.id,
                   s.servers[k].server.role == GROUP_VOTER ? "voter" : "standby");
        }
        printf("\n");
    }
}

void world_final_checks(struct world *w)
{
    int leader = world_leader(w);
    if (leader < 0) {
        oracle_violation(&w->oracle, "no leader after healing");
        return;
    }
    const struct machine *m = &w->nodes[leader].now;
    uint64_t total = 0;
    for (int i = 0; i < MACHINE_KEYS; i++) {
        total += m->counters[i];
    }
    uint64_t least = 0;
    uint64_t most = 0;
    for (unsigned i = 0; i < w->options.clients; i++) {
        least += w->clients[i].sum;
        most += w->clients[i].sum + w->clients[i].command.amount;
    }
    if (total < least || total > most) {
        oracle_violation(&w->oracle, "counters hold %llu, clients were told %llu (to %llu)",
                         (unsigned long long)total, (unsigned long long)least,
                         (unsigned long long)most);
    }
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
        start_life(w, i, true);
    }
    for (unsigned i = 0; i < options->clients; i++) {
        w->clients[i] = (struct world_client){
            .world = w, .command = {.client = i, .sequence = 1, .amount = 3}, .node = -1};
        client_next(&w->clients[i], world_random(w, 100000));
    }
    return w;
}

void world_free(struct world *w)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        struct world_node *n = &w->nodes[i];
        if (n->up) {
            end_life(n);
        }
        disk_free(&n->disk);
        machine_free(&n->now);
        machine_free(&n->durable);
        buf_free(&n->apply_queue);
    }
    while (w->heap_count > 0) {
        struct world_event e = pop(w);
        discard(&e);
    }
    free(w->heap);
    free(w);
}
