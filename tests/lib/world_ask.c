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
        struct world_replica *r = &w->nodes[c->node].replicas[c->group];
        if (r->now.last_sequence[c->command.client] != c->command.sequence) {
            oracle_violation(&w->oracle, "%s acknowledged request %u:%u and has not applied it",
                             r->node->name, c->command.client, c->command.sequence);
        }
        if (w->options.hooks != NULL) {
            w->options.hooks->acknowledged(r, &c->command);
        }
        oracle_acknowledged(&w->oracle, c->group, &c->command, p->index,
                            r->now.last_result[c->command.client]);
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
    int node = world_leader(w, c->group);
    if (world_random(w, 8) == 0) {
        node = (int)world_random(w, WORLD_NODES); /* one that believes what it believes */
    }
    if (node < 0 || w->nodes[node].replicas[c->group].group == NULL) {
        world__client_next(c, 20000);
        return;
    }
    c->node = node;
    c->busy = true;
    c->proposal.done = client_done;
    struct buf entry = {0};
    machine_entry(&c->command, &entry);
    if (w->options.hooks != NULL) {
        w->options.hooks->encode(&w->nodes[node].replicas[c->group], &c->command, &entry);
    }
    group_propose(w->nodes[node].replicas[c->group].group, &c->proposal, buf_slice(&entry));
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
        (struct world_event){
            .kind = EVENT_READ, .node = r->node, .group = r->group, .life = r->life, .pointer = r});
}

void world_read(struct world *w, int group, int serve)
{
    int leader = (int)world_random(w, WORLD_NODES);
    for (int i = 0; i < WORLD_NODES; i++) { /* any that thinks it leads */
        int at = (leader + i) % WORLD_NODES;
        serve = serve >= 0 ? serve : at;
        struct world_replica *asked = &w->nodes[at].replicas[group];
        if (!asked->ready || w->nodes[serve].replicas[group].group == NULL) {
            continue;
        }
        struct world_read *r = mem_zero(sizeof *r);
        r->world = w;
        r->group = group;
        r->least = w->oracle.histories[group].acknowledged_index;
        r->node = serve;
        r->life = w->nodes[serve].replicas[group].life;
        r->read.done = read_answered;
        group_read(asked->group, &r->read);
        world__pump(&w->nodes[at]);
        return;
    }
}

void world__read_turn(struct world *w, struct world_replica *r, struct world_read *read)
{
    if (r->now.index < read->read.commit_index) {
        world__push(w, 3000,
                    (struct world_event){.kind = EVENT_READ,
                                         .node = r->node->number,
                                         .group = r->number,
                                         .life = r->life,
                                         .pointer = read});
        return;
    }
    oracle_read(&w->oracle, r->number, read->least, r->now.index);
    free(read);
}

/* ---- asking and changing ---- */

int world_leader(struct world *w, int group)
{
    int best = -1;
    uint64_t best_term = 0;
    for (int i = 0; i < WORLD_NODES; i++) {
        const struct world_replica *r = &w->nodes[i].replicas[group];
        if (r->ready && r->leading_term > best_term) {
            best = i;
            best_term = r->leading_term;
        }
    }
    return best;
}

bool world_has_leader(struct world *w)
{
    bool all = true;
    for (int g = 0; g < w->options.groups; g++) {
        all = all && world_leader(w, g) >= 0;
    }
    return all;
}

static bool converged(struct world *w, int group)
{
    int leader = world_leader(w, group);
    if (leader < 0) {
        return false;
    }
    struct group_status status;
    group_status(w->nodes[leader].replicas[group].group, &status);
    for (size_t i = 0; i < status.server_count; i++) {
        const struct world_replica *r =
            &world__node_named(w, status.servers[i].server.name)->replicas[group];
        if (r->group == NULL || r->now.index != status.last || r->installing) {
            return false;
        }
    }
    return status.commit == status.last;
}

bool world_converged(struct world *w)
{
    bool all = true;
    for (int g = 0; g < w->options.groups; g++) {
        all = all && converged(w, g);
    }
    return all;
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
        world__forget(&c->world->nodes[c->forget].replicas[c->group]);
    }
}

static struct world_replica *begin_change(struct world *w, int group)
{
    int leader = world_leader(w, group);
    struct world_change *c = &w->changes[group];
    if (leader < 0 || c->busy) {
        return NULL;
    }
    *c = (struct world_change){.world = w,
                               .group = group,
                               .change.done = change_done,
                               .busy = true,
                               .forget = -1,
                               .node = leader};
    return &w->nodes[leader].replicas[group];
}

bool world_join(struct world *w, int group, int node)
{
    struct world_replica *r = &w->nodes[node].replicas[group];
    struct world_replica *leader = begin_change(w, group);
    if (leader == NULL) {
        return false;
    }
    if (!r->member) {
        r->member = true;
        if (r->node->up) {
            world__start_replica(r);
        } else {
            world_start(w, node);
        }
    }
    group_add(leader->group, &w->changes[group].change, r->server_id, r->node->name);
    world__pump(leader->node);
    return true;
}

bool world_promote(struct world *w, int group, int node)
{
    struct world_replica *leader = begin_change(w, group);
    if (leader == NULL) {
        return false;
    }
    group_promote(leader->group, &w->changes[group].change,
                  w->nodes[node].replicas[group].server_id);
    world__pump(leader->node);
    return true;
}

bool world_demote(struct world *w, int group, int node)
{
    struct world_replica *leader = begin_change(w, group);
    if (leader == NULL) {
        return false;
    }
    group_demote(leader->group, &w->changes[group].change,
                 w->nodes[node].replicas[group].server_id);
    world__pump(leader->node);
    return true;
}

bool world_remove(struct world *w, int group, int node)
{
    struct world_replica *leader = begin_change(w, group);
    if (leader == NULL) {
        return false;
    }
    w->changes[group].forget = node;
    group_remove(leader->group, &w->changes[group].change,
                 w->nodes[node].replicas[group].server_id);
    world__pump(leader->node);
    return true;
}

bool world_transfer(struct world *w, int group, int node)
{
    struct world_replica *leader = begin_change(w, group);
    if (leader == NULL) {
        return false;
    }
    group_transfer(leader->group, &w->changes[group].change,
                   node >= 0 ? w->nodes[node].name : NULL);
    world__pump(leader->node);
    return true;
}

static void print_replica(const struct world_replica *r)
{
    struct group_status s;
    group_status(r->group, &s);
    printf("%s/%d id %llu state %d%s%s term %llu log %llu..%llu durable %llu commit %llu applied "
           "%llu snapshot %llu leader %s dropped %llu:",
           r->node->name, r->number, (unsigned long long)r->server_id, (int)s.state,
           s.quarantined ? " quarantined" : "", s.installing ? " installing" : "",
           (unsigned long long)s.term, (unsigned long long)s.first, (unsigned long long)s.last,
           (unsigned long long)s.durable, (unsigned long long)s.commit,
           (unsigned long long)s.applied, (unsigned long long)s.snapshot, s.leader,
           (unsigned long long)s.dropped_messages);
    for (size_t k = 0; k < s.server_count; k++) {
        printf(" %s=%llu/%s", s.servers[k].server.name, (unsigned long long)s.servers[k].server.id,
               s.servers[k].server.role == GROUP_VOTER ? "voter" : "standby");
    }
    printf("\n");
}

void world_print(struct world *w)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        const struct world_node *n = &w->nodes[i];
        for (int g = 0; g < w->options.groups; g++) {
            const struct world_replica *r = &n->replicas[g];
            if (r->group != NULL) {
                print_replica(r);
            } else {
                printf("%s/%d %s\n", n->name, g, r->member ? "down" : "no member");
            }
        }
    }
}

/* The counters hold what clients were told, and at most what they did not hear of yet. */
static void check_counters(struct world *w, int group, const struct machine *m)
{
    uint64_t total = 0;
    for (int i = 0; i < MACHINE_KEYS; i++) {
        total += m->counters[i];
    }
    uint64_t least = 0;
    uint64_t most = 0;
    for (unsigned i = 0; i < w->options.clients; i++) {
        const struct world_client *c = &w->clients[i];
        least += c->group == group ? c->sum : 0;
        most += c->group == group ? c->sum + c->command.amount : 0;
    }
    if (total < least || total > most) {
        oracle_violation(
            &w->oracle, "group %d: counters hold %llu, clients were told %llu (to %llu)", group,
            (unsigned long long)total, (unsigned long long)least, (unsigned long long)most);
    }
}

void world_final_checks(struct world *w)
{
    for (int g = 0; g < w->options.groups; g++) {
        int leader = world_leader(w, g);
        if (leader < 0) {
            oracle_violation(&w->oracle, "group %d: no leader after healing", g);
            return;
        }
        check_counters(w, g, &w->nodes[leader].replicas[g].now);
    }
    if (w->options.hooks != NULL) {
        w->options.hooks->compare(w);
    }
}
