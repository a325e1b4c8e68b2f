/* group_propose.c: entries in, entries out.
 *
 * Happy path: a proposal becomes an entry of libraft's log; it commits; it is handed to apply with
 * all before it; the caller says applied; the proposal is answered.
 * Failure path: when leadership is lost, proposals that have not committed are answered "unknown":
 * the next leader may hold them. Those that have committed wait for their application as before.
 * Invariant: an entry is handed once, in order, when committed and durable here. */
#include <assert.h>

#include "raft/group_internal.h"

static char token;

/* ---- out: to apply ---- */

static void hand(struct group *g, uint64_t index)
{
    const struct wal_entry *e = wal_entry(g->log, index);
    assert(e != NULL);
    if (e->type == WAL_ENTRY_CHANGE) {
        payload_unref(g->applied_conf);
        g->applied_conf = conf_opaque(index, payload_slice(e->data));
    }
    assert(g->applied_conf != NULL); /* the first entry is a CHANGE */
    struct group_entry entry = {
        .index = index,
        .term = e->term,
        .command = e->type == WAL_ENTRY_COMMAND,
        .data = e->type == WAL_ENTRY_COMMAND ? e->data : NULL,
        .configuration = g->applied_conf,
    };
    g->handed = index;
    g->applying_bytes += e->data->len;
    g->ops->apply(g->user, &entry);
}

/* The planted bug: entries of older terms commit once a majority holds them. */
static void commit_by_counting(struct group *g)
{
    for (uint64_t i = g->log->last; group__is_leader(g) && i > g->raft->commit_index; i--) {
        size_t votes = 0;
        for (size_t s = 0; s < g->conf.count; s++) {
            raft_index match = 0;
            (void)raft_match_index(g->raft, g->conf.servers[s].id, &match);
            votes += g->conf.servers[s].role == GROUP_VOTER && match >= i ? 1 : 0;
        }
        if (votes > conf_voters(&g->conf) / 2) {
            g->raft->commit_index = i;
        }
    }
}

void group__hand_entries(struct group *g)
{
    if (g->config.test_faults & GROUP_TEST_COMMIT_BY_COUNTING) {
        commit_by_counting(g);
    }
    while (g->raft != NULL && g->install == INSTALL_NONE && !g->dead) {
        uint64_t limit = g->raft->commit_index < g->raft->last_stored ? g->raft->commit_index
                                                                      : g->raft->last_stored;
        limit = limit < g->log->last ? limit : g->log->last;
        if (g->handed >= limit || g->applying_bytes >= GROUP_APPLYING_MAX) {
            return;
        }
        hand(g, g->handed + 1);
    }
}

void group_applied(struct group *g, uint64_t index)
{
    if (g->dead) {
        return;
    }
    assert(index <= g->handed);
    while (g->applied < index) {
        g->applied++;
        const struct wal_entry *e = wal_entry(g->log, g->applied);
        if (e != NULL) {
            g->applying_bytes -= e->data->len;
        }
    }
    if (g->applied == g->handed) {
        g->applying_bytes = 0;
    }
    group__settle(g);
}

/* ---- in: proposals ---- */

int group__submit(struct group *g, enum wal_entry_type type, struct slice data, uint64_t *index)
{
    struct payload *p = payload_new(data);
    struct raft_entry entry = {.term = g->raft->current_term,
                               .type = (enum raft_entry_type)type,
                               .buf = {.base = p->bytes, .len = p->len},
                               .batch = &token};
    struct raft_event event = {.type = RAFT_SUBMIT};
    event.submit.entries = &entry;
    event.submit.n = 1;
    *index = g->log->last + 1;
    int rv = group__step(g, &event, NULL);
    payload_unref(p);
    return rv == 0 ? 0 : rv == RAFT_CANTCHANGE ? ERR_BUSY : ERR_NOT_LEADER;
}

static void finish(struct group *g, struct group_proposal *p, int status)
{
    if (list_linked(&p->link)) {
        list_remove(&p->link);
    }
    p->status = status;
    list_push_back(&g->proposals_done, &p->link);
}

bool group_can_propose(const struct group *g)
{
    if (g->dead || g->told_term == 0 || g->led_term != g->told_term ||
        (g->change.request != NULL && g->change.kind == CHANGE_TRANSFER)) {
        return false;
    }
    if (!g->told_ready) {
        return g->open_index == 0;
    }
    return g->proposed <= g->raft->commit_index;
}

void group_propose(struct group *g, struct group_proposal *p, struct slice data)
{
    *p = (struct group_proposal){.done = p->done};
    list_init(&p->link);
    if (g->dead || g->led_term == 0) {
        finish(g, p, ERR_NOT_LEADER);
    } else if (data.len > GROUP_ENTRY_MAX) {
        finish(g, p, ERR_TOO_LARGE);
    } else if (!group_can_propose(g)) {
        finish(g, p, ERR_BUSY);
    } else {
        g->told_can_propose = false;
        p->term = g->led_term;
        int rc = group__submit(g, WAL_ENTRY_COMMAND, data, &p->index);
        if (rc != 0) {
            finish(g, p, rc);
        } else {
            list_push_back(&g->proposals, &p->link);
            g->proposed = p->index;
            if (g->open_index == 0) {
                g->open_index = p->index;
            }
        }
    }
    if (!g->dead) {
        group__soon(g);
    }
}

void group__lose_proposals(struct group *g)
{
    uint64_t commit = g->raft != NULL ? g->raft->commit_index : g->handed;
    LIST_FOREACH(link, &g->proposals)
    {
        struct group_proposal *p = CONTAINER_OF(link, struct group_proposal, link);
        if (p->index > commit) {
            finish(g, p, ERR_TIMEOUT);
        }
    }
}

void group__settle_proposals(struct group *g)
{
    LIST_FOREACH(link, &g->proposals)
    {
        struct group_proposal *p = CONTAINER_OF(link, struct group_proposal, link);
        if (p->index > g->applied) {
            break;
        }
        bool ours = wal_term_at(g->log, p->index) == p->term;
        finish(g, p, ours ? 0 : ERR_TIMEOUT);
    }
    if (!g->told_can_propose && g->told_ready && group_can_propose(g)) {
        g->told_can_propose = true;
        g->ops->on_can_propose(g->user);
    }
}
