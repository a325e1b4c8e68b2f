/* world_ask.c: what is asked of the cluster: requests, reads, changes; and what must hold at the
 * end.
 */
#include "tests/lib/world_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

/* ---- clients ---- */

void world__client_next(struct world_client *c, uint64_t delay)
{
    world__push(
        c->world, delay,
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
        if (w->options.hooks != NULL) {
            w->options.hooks->acknowledged(n, &c->command);
        }
        oracle_acknowledged(&w->oracle, &c->command, p->index,
                            n->now.last_result[c->command.client]);
        c->sum += c->command.amount;
        c->command.sequence++;
        c->command.key = (uint32_t)world_random(w, MACHINE_KEYS);
        c->command.amount = 1 + (uint32_t)world_random(w, 9);
    }
    world__client_next(c, 1000 + world_random(w, 20000));
}

void world__client_turn(struct world_client *c)
{
    struct world *w = c->world;
    if (c->busy || w->stop_clients) {
        world__client_next(c, 20000);
        return;
    }
    int node = world_leader(w);
    if (world_random(w, 8) == 0) {
        node = (int)world_random(w, WORLD_NODES); /* one that believes what it believes */
    }
    if (node < 0 || !w->nodes[node].up) {
        world__client_next(c, 20000);
        return;
    }
    c->node = node;
    c->busy = true;
    c->proposal.done = client_done;
    struct buf entry = {0};
    machine_entry(&c->command, &entry);
    if (w->options.hooks != NULL) {
        w->options.hooks->encode(&w->nodes[node], &c->command, &entry);
    }
    group_propose(w->nodes[node].group, &c->proposal, buf_slice(&entry));
    buf_free(&entry);
    world__pump(&w->nodes[node]);
}

static void read_answered(struct group_read *read, int status)
{
    struct world_read *r = CONTAINER_OF(read, struct world_read, read);
    struct world *w = r->world;
    if (status != 0) {
        free(r);
        return;
    }
    world__push(
        w, world__delay_us(w),
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
        world__pump(&w->nodes[at]);
        return;
    }
}

void world__read_turn(struct world *w, struct world_node *n, struct world_read *r)
{
    if (n->now.index < r->read.commit_index) {
        world__push(w, 3000,
                    (struct world_event){
                        .kind = EVENT_READ, .node = n->number, .life = n->life, .pointer = r});
        return;
    }
    oracle_read(&w->oracle, r->least, n->now.index);
    free(r);
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
        struct world_node *n = world__node_named(w, status.servers[i].server.name);
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
        world__wipe(&c->world->nodes[c->forget]);
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
    world__pump(leader);
    return true;
}

bool world_promote(struct world *w, int node)
{
    struct world_node *leader = begin_change(w);
    if (leader == NULL) {
        return false;
    }
    group_promote(leader->group, &w->change.change, w->nodes[node].server_id);
    world__pump(leader);
    return true;
}

bool world_demote(struct world *w, int node)
{
    struct world_node *leader = begin_change(w);
    if (leader == NULL) {
        return false;
    }
    group_demote(leader->group, &w->change.change, w->nodes[node].server_id);
    world__pump(leader);
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
    world__pump(leader);
    return true;
}

bool world_transfer(struct world *w, int node)
{
    struct world_node *leader = begin_change(w);
    if (leader == NULL) {
        return false;
    }
    group_transfer(leader->group, &w->change.change, node >= 0 ? w->nodes[node].name : NULL);
    world__pump(leader);
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
    if (w->options.hooks != NULL) {
        w->options.hooks->compare(w);
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
