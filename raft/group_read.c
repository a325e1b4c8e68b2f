/* group_read.c: linearizable reads without writing.
 *
 * Happy path: a read joins the next round to start. A round notes the commit index and asks every
 * voter, by our own (group, term, number) messages, whether it knows a higher term. Once a
 * majority, ourselves included, has answered that it does not, no later leader had been elected
 * when the round began: a later one needs a majority that knows its term, and any two majorities
 * share a voter. So the noted commit index covers every write acknowledged before the read arrived.
 * Failure path: unanswered rounds are asked again; they end with the leadership.
 * Invariants: answers count for the round of the very term and number that they name. Rounds start
 * only once an entry of our term is applied (before that, the commit index may lag behind what the
 * last leader acknowledged). */
#include "raft/group_internal.h"

static void finish(struct group *g, struct group_read *r, int status)
{
    list_remove(&r->link);
    r->status = status;
    r->term = g->led_term;
    r->commit_index = g->round_commit;
    list_push_back(&g->reads_done, &r->link);
}

static void finish_all(struct group *g, struct list *reads, int status)
{
    LIST_FOREACH(link, reads)
    {
        finish(g, CONTAINER_OF(link, struct group_read, link), status);
    }
}

void group__lose_reads(struct group *g, int status)
{
    g->round = false;
    finish_all(g, &g->round_reads, status);
    finish_all(g, &g->reads, status);
}

void group_read(struct group *g, struct group_read *read)
{
    *read = (struct group_read){.done = read->done};
    list_push_back(&g->reads, &read->link);
    if (g->dead || g->led_term == 0) {
        finish(g, read, ERR_NOT_LEADER);
    }
    if (!g->dead) {
        group__soon(g);
    }
}

void group_read_cancel(struct group *g, struct group_read *read)
{
    (void)g;
    if (list_linked(&read->link)) {
        list_remove(&read->link);
    }
}

uint64_t group_confirmed_ms(const struct group *g)
{
    return g->led_term != 0 ? g->confirmed_ms : 0;
}

static void ask(struct group *g)
{
    g->round_sent_ms = group__now(g);
    for (size_t i = 0; i < g->conf.count; i++) {
        const struct group_server *s = &g->conf.servers[i];
        struct group__peer *peer = group__peer(g, s->id);
        bool answered = peer != NULL && peer->read_number == g->round_number;
        if (s->role != GROUP_VOTER || s->id == g->config.server_id || answered) {
            continue;
        }
        struct message m = {.kind = MESSAGE_READ,
                            .from = g->config.server_id,
                            .to = s->id,
                            .term = g->led_term,
                            .read = {.number = g->round_number, .round_term = g->led_term}};
        group__tell_commit(g, s);
        group__emit(g, s->name, &m);
    }
}

static bool majority_confirms(struct group *g)
{
    size_t confirming = 0;
    for (size_t i = 0; i < g->conf.count; i++) {
        const struct group_server *s = &g->conf.servers[i];
        struct group__peer *peer = group__peer(g, s->id);
        bool answered = peer != NULL && peer->read_number == g->round_number;
        if (s->role == GROUP_VOTER && (s->id == g->config.server_id || answered)) {
            confirming++;
        }
    }
    return confirming > conf_voters(&g->conf) / 2;
}

void group__settle_reads(struct group *g)
{
    bool alone = (g->config.test_faults & GROUP_TEST_READ_ALONE) != 0;
    while (!g->dead && group_ready(g)) {
        if (g->round && (alone || majority_confirms(g))) {
            g->round = false;
            g->confirmed_ms = g->round_started_ms;
            finish_all(g, &g->round_reads, 0);
        }
        if (g->round || list_empty(&g->reads)) {
            return;
        }
        g->round = true;
        g->round_number++;
        g->round_commit = g->raft->commit_index;
        g->round_started_ms = group__now(g);
        list_splice_back(&g->round_reads, &g->reads);
        ask(g);
    }
}

uint64_t group__read_deadline(const struct group *g)
{
    return g->round ? g->round_sent_ms + g->config.heartbeat_ms : UINT64_MAX;
}

void group__retry_reads(struct group *g)
{
    if (g->round && group_ready(g) && group__now(g) >= group__read_deadline(g)) {
        ask(g);
    }
}

void group__receive_read(struct group *g, const char *from, const struct message *m)
{
    if (m->kind == MESSAGE_READ) {
        struct message answer = {.kind = MESSAGE_READ_RESULT,
                                 .from = g->config.server_id,
                                 .to = m->from,
                                 .term = g->raft->current_term,
                                 .read = m->read};
        group__emit(g, from, &answer);
        return;
    }
    struct group__peer *peer = group__peer(g, m->from);
    if (peer != NULL && g->led_term != 0 && m->term <= g->led_term &&
        m->read.round_term == g->led_term && m->read.number == g->round_number) {
        peer->read_number = m->read.number;
    }
}
