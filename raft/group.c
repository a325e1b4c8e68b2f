/* group.c: a group's time, its settling and its end (its beginning: group_start.c).
 *
 * Happy path: every entry point steps libraft with what happened and then settles: whatever has
 * become due is done, in a loop until nothing is, and the timer is armed for what comes next.
 * Requests settle in the next tick instead, so that no callback is made inside the request.
 * Failure path: a promise that cannot be kept (group__fail) ends the group: ops.failed, and from
 * then on it does nothing.
 * Early election: when a peer is reached and no leader is known, or when the leader's connection
 * closes, the follower forgets its leader (so that it will vote) and starts an election after a
 * short random pause. Pre-vote makes that harmless: if a majority still hears the leader, nobody's
 * term changes. */
#include "raft/group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "raft/group_internal.h"

uint64_t group__now(const struct group *g)
{
    return g->ops->now_ms(g->user);
}

void group__fail(struct group *g, const char *what)
{
    if (g->dead) {
        return;
    }
    g->dead = true;
    struct err err;
    (void)err_set(&err, ERR_CORRUPT, "group %u: %s", g->config.id, what);
    log_error("raft.failed", "group=%u what=%s", g->config.id, log_q(what));
    if (g->ops->failed == NULL) {
        abort();
    }
    g->ops->failed(g->user, &err);
}

struct group__peer *group__peer(struct group *g, uint64_t id)
{
    struct group__peer *room = NULL;
    for (size_t i = 0; i < GROUP_SERVERS_MAX; i++) {
        if (g->peers[i].id == id) {
            return &g->peers[i];
        }
        bool gone = g->peers[i].id != 0 && conf_find(&g->conf, g->peers[i].id) == NULL;
        if (room == NULL && (g->peers[i].id == 0 || gone)) {
            room = &g->peers[i];
        }
    }
    if (room != NULL) {
        *room = (struct group__peer){.id = id};
    }
    return room;
}

/* ---- time ---- */

static void arm(struct group *g, uint64_t at_ms)
{
    if (g->armed_ms != at_ms) {
        g->armed_ms = at_ms;
        g->ops->arm(g->user, at_ms);
    }
}

void group__soon(struct group *g)
{
    g->again = true;
    arm(g, group__now(g));
}

static uint64_t raft_due(const struct group *g)
{
    uint64_t due = raft_timeout(g->raft);
    uint64_t least = g->last_timeout_ms + GROUP__TIMEOUT_GAP_MS;
    return due > least ? due : least;
}

static bool has_leader(const struct group *g)
{
    return g->raft->state == RAFT_FOLLOWER && g->raft->follower_state.current_leader.id != 0;
}

static void arm_next(struct group *g)
{
    if (g->raft == NULL) {
        return;
    }
    uint64_t next = raft_due(g);
    uint64_t other = group__read_deadline(g);
    next = other < next ? other : next;
    other = group__change_deadline(g);
    next = other < next ? other : next;
    other = group__tell_deadline(g);
    next = other < next ? other : next;
    if (g->early_election_ms != 0 && g->early_election_ms < next) {
        next = g->early_election_ms;
    }
    other = g->raft->election_timer_start + g->config.election_timeout_ms;
    if (has_leader(g) && other < next) {
        next = other;
    }
    arm(g, next);
}

/* A follower that no longer believes in its leader gives its vote. */
static void forget_leader(struct group *g)
{
    g->raft->follower_state.current_leader.id = 0;
    raft_free(g->raft->follower_state.current_leader.address);
    g->raft->follower_state.current_leader.address = NULL;
}

static uint32_t next_random(struct group *g)
{
    g->random = g->random * 1664525u + 1013904223u;
    return g->random >> 8;
}

/* A candidate that already asks for real votes is let be: asking again would cost a term. */
static bool may_elect_early(const struct group *g)
{
    const struct group_server *self = conf_find(&g->conf, g->config.server_id);
    bool free_to = g->raft->state == RAFT_FOLLOWER ||
                   (g->raft->state == RAFT_CANDIDATE && g->raft->candidate_state.in_pre_vote);
    return free_to && !has_leader(g) && g->install == INSTALL_NONE && self != NULL &&
           self->role == GROUP_VOTER;
}

static void elect_early(struct group *g, uint64_t now)
{
    g->early_election_ms = 0; /* a leader may have spoken since */
    if (may_elect_early(g) && now < raft_timeout(g->raft)) {
        g->raft->election_timer_start -= raft_timeout(g->raft) - now;
    }
}

static void step_timeout(struct group *g, uint64_t now)
{
    g->last_timeout_ms = now;
    struct raft *r = g->raft;
    if (r->state == RAFT_FOLLOWER &&
        guard_sole_voter(g->config.test_guards_off, &g->conf, g->config.server_id)) {
        /* G9: it would lead the term that it has. */
        r->current_term++;
        r->voted_for = g->config.server_id;
        wal_set_term(g->log, r->current_term, r->voted_for);
        g->term_position = wal_position(g->wal);
    }
    struct raft_event event = {.type = RAFT_TIMEOUT};
    (void)group__step(g, &event, NULL);
}

void group_tick(struct group *g)
{
    g->armed_ms = 0;
    if (g->dead) {
        return;
    }
    uint64_t now = group__now(g);
    if (g->raft != NULL) {
        if (g->early_election_ms != 0 && now >= g->early_election_ms) {
            elect_early(g, now);
        }
        uint64_t quiet = g->raft->election_timer_start + g->config.election_timeout_ms;
        if (has_leader(g) && now >= quiet) {
            forget_leader(g);
        }
        if (now >= raft_due(g) && now >= raft_timeout(g->raft)) {
            step_timeout(g, now);
        }
        group__retry_reads(g);
    }
    group__settle(g);
}

void group_peer_lost(struct group *g, const char *name)
{
    if (g->raft == NULL || g->dead) {
        return;
    }
    for (size_t i = 0; i < GROUP_SERVERS_MAX; i++) {
        if (g->peers[i].id != 0 && strcmp(g->peers[i].name, name) == 0) {
            g->peers[i].heard = false; /* until it answers again */
        }
    }
    group__target_lost(g, name);
    if (!has_leader(g) || g->install != INSTALL_NONE) {
        return;
    }
    const struct group_server *leader =
        conf_find(&g->conf, g->raft->follower_state.current_leader.id);
    if (leader == NULL || strcmp(leader->name, name) != 0) {
        return;
    }
    forget_leader(g);
    if (may_elect_early(g)) {
        uint32_t spread = g->config.election_timeout_ms / 4 + 1;
        g->early_election_ms = group__now(g) + 5 + next_random(g) % spread;
    }
    group__soon(g);
}

void group_peer_found(struct group *g, const char *name)
{
    const struct group_server *peer = conf_find_name(&g->conf, name);
    if (g->raft == NULL || g->dead || peer == NULL || peer->role != GROUP_VOTER ||
        !may_elect_early(g) || g->early_election_ms != 0) {
        return;
    }
    /* A heartbeat first, if there is a leader to send one. */
    uint32_t spread = g->config.election_timeout_ms / 5 + 1;
    g->early_election_ms = group__now(g) + g->config.heartbeat_ms + 5 + next_random(g) % spread;
    group__soon(g);
}

/* ---- settling ---- */

static void tell_leadership(struct group *g)
{
    if (g->lost_term != 0) {
        uint64_t term = g->lost_term;
        g->lost_term = 0;
        if (g->told_term != 0) {
            g->told_term = 0;
            g->told_ready = false;
            g->ops->on_following(g->user, term);
        }
    }
    if (g->led_term != 0 && g->told_term == 0) {
        g->told_term = g->led_term;
        g->told_can_propose = true;
        g->ops->on_leading(g->user, g->told_term);
    }
    if (g->told_term != 0 && g->led_term == g->told_term && !g->told_ready && g->open_index != 0 &&
        g->applied >= g->open_index) {
        g->told_ready = true;
        g->ops->on_ready(g->user, g->told_term);
    }
}

static void tell_leader(struct group *g)
{
    uint64_t id = 0;
    uint64_t term = g->log->term;
    if (g->raft != NULL) {
        raft_id leader;
        const char *name;
        raft_leader(g->raft, &leader, &name);
        id = g->raft->state == RAFT_LEADER ? g->config.server_id : leader;
        term = g->raft->current_term;
    }
    if (id == g->told_leader_id && (term == g->told_leader_term || id == 0)) {
        return;
    }
    g->told_leader_id = id;
    g->told_leader_term = term;
    const struct group_server *server = conf_find(&g->conf, id);
    const char *name = server != NULL ? server->name : NULL;
    if (id != 0 && name == NULL) {
        struct group__peer *peer = group__peer(g, id);
        name = peer != NULL && peer->name[0] != 0 ? peer->name : NULL;
    }
    g->ops->on_leader(g->user, term, id != 0 ? name : NULL);
}

static bool something_is_done(const struct group *g)
{
    return !list_empty(&g->proposals_done) || !list_empty(&g->reads_done) ||
           !list_empty(&g->changes_done) || g->lost_term != 0;
}

static void answer(struct group *g)
{
    struct list *link;
    while ((link = list_pop_front(&g->proposals_done)) != NULL) {
        struct group_proposal *p = CONTAINER_OF(link, struct group_proposal, link);
        p->done(p, p->status);
    }
    while ((link = list_pop_front(&g->reads_done)) != NULL) {
        struct group_read *r = CONTAINER_OF(link, struct group_read, link);
        r->done(r, r->status);
    }
    while ((link = list_pop_front(&g->changes_done)) != NULL) {
        struct group_change *c = CONTAINER_OF(link, struct group_change, link);
        c->done(c, c->status, c->status != 0 ? &c->err : NULL);
    }
}

void group__settle(struct group *g)
{
    if (g->settling || g->dead) {
        return;
    }
    g->settling = true;
    do {
        g->again = false;
        if (g->config.test_faults & GROUP_TEST_ACK_EARLY) {
            group__report_stored(g);
        }
        group__hand_entries(g);
        group__settle_snapshots(g);
        group__settle_proposals(g);
        tell_leadership(g);
        group__settle_reads(g);
        group__settle_change(g);
        group__settle_commits(g);
        tell_leader(g);
        answer(g);
    } while (!g->dead && (g->again || something_is_done(g)));
    g->settling = false;
    if (!g->dead) {
        arm_next(g);
    }
}

/* ---- the end ---- */

void group_free(struct group *g)
{
    if (g == NULL) {
        return;
    }
    g->dead = true;
    group__lose_proposals(g);
    LIST_FOREACH(link, &g->proposals)
    {
        CONTAINER_OF(link, struct group_proposal, link)->status = ERR_CLOSED;
    }
    list_splice_back(&g->proposals_done, &g->proposals);
    group__lose_reads(g, ERR_CLOSED);
    group__lose_change(g, ERR_CLOSED);
    answer(g);
    group__stop_raft(g);
    group__drop_offer(g);
    if (g->waiting) {
        wal_wait_cancel(g->wal, &g->waiter);
    }
    struct list *link;
    while ((link = list_pop_front(&g->held)) != NULL) {
        struct group__held *h = CONTAINER_OF(link, struct group__held, link);
        buf_free(&h->bytes);
        free(h);
    }
    while ((link = list_pop_front(&g->stored)) != NULL) {
        free(CONTAINER_OF(link, struct group__stored, link));
    }
    payload_unref(g->applied_conf);
    free(g);
}

/* ---- looking ---- */

uint64_t group_term(const struct group *g)
{
    return g->log->term;
}

bool group_leading(const struct group *g)
{
    return g->told_term != 0;
}

bool group_ready(const struct group *g)
{
    return g->told_ready && g->led_term == g->told_term;
}

static void server_status(const struct group *g, size_t i, struct group_server_status *out)
{
    *out = (struct group_server_status){.server = g->conf.servers[i]};
    if (!group__is_leader(g)) {
        return;
    }
    raft_index match = 0;
    if (raft_match_index(g->raft, out->server.id, &match) == 0) {
        out->match = match;
    }
    out->in_touch = out->server.id == g->config.server_id;
    for (size_t p = 0; p < GROUP_SERVERS_MAX; p++) {
        const struct group__peer *peer = &g->peers[p];
        if (peer->id == out->server.id) {
            out->in_touch = peer->heard && group__now(g) - peer->heard_ms <
                                               2 * (uint64_t)g->config.election_timeout_ms;
            out->snapshot = peer->snapshot_sending;
        }
    }
}

void group_status(const struct group *g, struct group_status *status)
{
    *status = (struct group_status){
        .ready = group_ready(g),
        .quarantined = g->raft == NULL,
        .installing = g->install != INSTALL_NONE,
        .changing = g->change.request != NULL,
        .term = g->log->term,
        .applied = g->applied,
        .first = g->log->first,
        .last = g->log->last,
        .snapshot = g->log->snapshot.index,
        .log_bytes = wal_group_bytes(g->log),
        .leader_id = g->told_leader_id,
        .dropped_messages = g->dropped,
        .server_count = g->conf.count,
    };
    if (g->raft != NULL) {
        status->state = g->raft->state == RAFT_LEADER      ? GROUP_LEADER
                        : g->raft->state == RAFT_CANDIDATE ? GROUP_CANDIDATE
                                                           : GROUP_FOLLOWER;
        status->commit = g->raft->commit_index;
        status->durable = g->raft->last_stored;
    }
    const struct group_server *leader = conf_find(&g->conf, g->told_leader_id);
    if (leader != NULL) {
        (void)snprintf(status->leader, sizeof status->leader, "%s", leader->name);
    }
    for (size_t i = 0; i < g->conf.count; i++) {
        server_status(g, i, &status->servers[i]);
    }
}

int group_configuration(struct slice configuration, struct group_server *servers, size_t *count,
                        struct err *err)
{
    struct conf conf;
    uint64_t index;
    int rc = conf_read_opaque(configuration, &conf, &index, err);
    if (rc == 0) {
        memcpy(servers, conf.servers, conf.count * sizeof *servers);
        *count = conf.count;
    }
    return rc;
}
