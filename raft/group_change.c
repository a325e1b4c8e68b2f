/* group_change.c: leadership handed over, servers added, promoted, demoted, removed.
 *
 * Happy path of a transfer: proposals stop; once everything has committed and the target holds it
 * all, libraft tells the target to stand for election at once; it wins, and we step down.
 * Happy path of a change: the new configuration is one CHANGE entry, submitted alone; it is done
 * when committed. A promotion first waits until the server has caught up. Failure path: what the
 * leadership outlives is answered "unknown" if its entry may survive. Invariants: one at a time;
 * none before an entry of our term is applied (single-server changes are unsafe otherwise); one
 * server differs between successive configurations. */
#include <stdio.h>
#include <string.h>

#include "raft/group_internal.h"

static void finish(struct group *g, struct group_change *c, int status)
{
    c->status = status;
    list_push_back(&g->changes_done, &c->link);
}

static void end(struct group *g, int status, const char *what)
{
    struct group_change *c = g->change.request;
    g->change = (struct group__change){0};
    if (status != 0) {
        (void)err_set(&c->err, status, "group %u: %s", g->config.id, what);
    }
    finish(g, c, status);
}

static bool begin(struct group *g, struct group_change *c, enum group__change_kind kind)
{
    *c = (struct group_change){.done = c->done};
    int status = 0;
    const char *what = "";
    if (g->dead || g->led_term == 0) {
        status = ERR_NOT_LEADER;
        what = "this node does not lead it";
    } else if (g->change.request != NULL || !group_ready(g) ||
               g->raft->configuration_uncommitted_index != 0) {
        status = ERR_BUSY;
        what = g->change.request != NULL ? "another change is under way" : "it is not settled yet";
    }
    if (!g->dead) {
        group__soon(g);
    }
    if (status != 0) {
        (void)err_set(&c->err, status, "group %u: %s", g->config.id, what);
        finish(g, c, status);
        return false;
    }
    g->change = (struct group__change){.request = c, .kind = kind};
    return true;
}

static void submit(struct group *g, const struct conf *after)
{
    struct err err;
    int rc = guard_change(g->config.test_guards_off, &g->conf, after, &err);
    if (rc != 0) {
        end(g, rc, err.message);
        return;
    }
    struct buf bytes = {0};
    conf_write(after, &bytes);
    uint64_t index;
    rc = group__submit(g, WAL_ENTRY_CHANGE, buf_slice(&bytes), &index);
    buf_free(&bytes);
    if (g->change.request == NULL) {
        return; /* leadership went with it */
    }
    if (rc != 0) {
        end(g, rc, "libraft refuses the change");
        return;
    }
    g->change.index = index;
}

static uint64_t match_of(const struct group *g, uint64_t id)
{
    raft_index match = 0;
    return raft_match_index(g->raft, id, &match) == 0 ? match : 0;
}

/* ---- transfer ---- */

static const struct group_server *best_target(const struct group *g)
{
    const struct group_server *best = NULL;
    uint64_t best_match = 0;
    for (size_t i = 0; i < GROUP_SERVERS_MAX; i++) {
        const struct group__peer *peer = &g->peers[i];
        const struct group_server *s = peer->id != 0 ? conf_find(&g->conf, peer->id) : NULL;
        bool in_touch =
            peer->heard && group__now(g) - peer->heard_ms < g->config.election_timeout_ms;
        if (s == NULL || s->role != GROUP_VOTER || s->id == g->config.server_id || !in_touch) {
            continue;
        }
        if (best == NULL || match_of(g, s->id) > best_match) {
            best = s;
            best_match = match_of(g, s->id);
        }
    }
    return best;
}

void group_transfer(struct group *g, struct group_change *c, const char *name)
{
    if (!begin(g, c, CHANGE_TRANSFER)) {
        return;
    }
    const struct group_server *target =
        name != NULL ? conf_find_name(&g->conf, name) : best_target(g);
    if (target == NULL) {
        end(g, ERR_NOT_FOUND, "no voter to hand over to");
    } else if (target->role != GROUP_VOTER || target->id == g->config.server_id) {
        end(g, ERR_CONFLICT, "the target is not another voter");
    } else {
        g->change.server_id = target->id;
        (void)snprintf(g->change.name, sizeof g->change.name, "%s", target->name);
        g->change.deadline_ms = group__now(g) + g->config.election_timeout_ms;
    }
}

/* It cannot take over now: go on leading at once, rather than after libraft's own time-out. Should
 * it have been told to stand already and win after all, that is an election like any other. */
void group__target_lost(struct group *g, const char *name)
{
    struct group__change *c = &g->change;
    if (c->request == NULL || c->kind != CHANGE_TRANSFER || !group__is_leader(g) ||
        strcmp(c->name, name) != 0) {
        return;
    }
    g->raft->leader_state.transferee = 0;
    g->raft->leader_state.transferring = false;
    end(g, ERR_TIMEOUT, "the target cannot be reached");
    group__soon(g);
}

static void settle_transfer(struct group *g)
{
    struct group__change *c = &g->change;
    if (c->sent) {
        if (raft_transferee(g->raft) == 0) {
            end(g, ERR_TIMEOUT, "the target did not take over in time");
        }
        return;
    }
    if (g->raft->commit_index == g->log->last && match_of(g, c->server_id) == g->log->last) {
        struct raft_event event = {.type = RAFT_TRANSFER};
        event.transfer.server_id = c->server_id;
        c->sent = true;
        if (group__step(g, &event, NULL) != 0 && g->change.request != NULL) {
            end(g, ERR_CONFLICT, "libraft refuses the transfer");
        }
    } else if (group__now(g) >= c->deadline_ms) {
        end(g, ERR_TIMEOUT, "the target does not hold everything");
    }
}

/* ---- servers ---- */

void group_add(struct group *g, struct group_change *c, uint64_t server_id, const char *name)
{
    if (!begin(g, c, CHANGE_ADD)) {
        return;
    }
    struct conf after = g->conf;
    if (server_id == 0 || !conf_name_ok(name)) {
        end(g, ERR_CONFLICT, "bad server id or name");
    } else if (conf_find(&after, server_id) != NULL || conf_find_name(&after, name) != NULL) {
        end(g, ERR_EXISTS, "that server is a member already");
    } else if (after.count == GROUP_SERVERS_MAX) {
        end(g, ERR_CONFLICT, "it has as many servers as it can have");
    } else {
        struct group_server *s = &after.servers[after.count++];
        *s = (struct group_server){.id = server_id, .role = GROUP_STANDBY};
        (void)snprintf(s->name, sizeof s->name, "%s", name);
        submit(g, &after);
    }
}

/* The configuration with that server's role changed; false, with the request ended, if not so. */
static bool with_role(struct group *g, uint64_t server_id, enum group_role role, struct conf *after)
{
    *after = g->conf;
    for (size_t i = 0; i < after->count; i++) {
        if (after->servers[i].id == server_id) {
            if (after->servers[i].role == role) {
                end(g, 0, "");
                return false;
            }
            after->servers[i].role = role;
            return true;
        }
    }
    end(g, ERR_NOT_FOUND, "no such server");
    return false;
}

void group_promote(struct group *g, struct group_change *c, uint64_t server_id)
{
    struct conf after;
    struct err err;
    if (!begin(g, c, CHANGE_PROMOTE) || !with_role(g, server_id, GROUP_VOTER, &after)) {
        return;
    }
    int rc = guard_change(g->config.test_guards_off, &g->conf, &after, &err);
    if (rc != 0) {
        end(g, rc, err.message);
        return;
    }
    g->change.server_id = server_id; /* settling does the rest */
}

static void settle_promotion(struct group *g)
{
    struct group__change *c = &g->change;
    int status = RAFT_CATCH_UP_NONE;
    bool holds_all = match_of(g, c->server_id) == g->log->last;
    if (c->sent) {
        (void)raft_catch_up(g->raft, c->server_id, &status);
        if (status == RAFT_CATCH_UP_ABORTED) {
            end(g, ERR_TIMEOUT, "the server does not catch up");
            return;
        }
    }
    if (status == RAFT_CATCH_UP_FINISHED || (!c->sent && holds_all)) {
        struct conf after;
        if (with_role(g, c->server_id, GROUP_VOTER, &after)) {
            submit(g, &after);
        }
    } else if (!c->sent) {
        struct raft_event event = {.type = RAFT_CATCH_UP};
        event.catch_up.server_id = c->server_id;
        c->sent = true;
        (void)group__step(g, &event, NULL);
    }
}

void group_demote(struct group *g, struct group_change *c, uint64_t server_id)
{
    struct conf after;
    if (!begin(g, c, CHANGE_DEMOTE)) {
        return;
    }
    if (server_id == g->config.server_id) {
        end(g, ERR_CONFLICT, "the leader does not demote itself: transfer first");
    } else if (with_role(g, server_id, GROUP_STANDBY, &after)) {
        submit(g, &after);
    }
}

void group_remove(struct group *g, struct group_change *c, uint64_t server_id)
{
    if (!begin(g, c, CHANGE_REMOVE)) {
        return;
    }
    struct conf after = {0};
    for (size_t i = 0; i < g->conf.count; i++) {
        if (g->conf.servers[i].id != server_id) {
            after.servers[after.count++] = g->conf.servers[i];
        }
    }
    if (server_id == g->config.server_id) {
        end(g, ERR_CONFLICT, "the leader does not remove itself: transfer first");
    } else if (after.count == g->conf.count) {
        end(g, ERR_NOT_FOUND, "no such server");
    } else {
        submit(g, &after);
    }
}

/* ---- settling ---- */

void group__settle_change(struct group *g)
{
    if (g->change.request == NULL || g->raft == NULL || g->led_term == 0) {
        return;
    }
    if (g->change.index != 0) {
        if (g->raft->commit_index >= g->change.index) {
            end(g, 0, "");
        }
    } else if (g->change.kind == CHANGE_TRANSFER) {
        settle_transfer(g);
    } else if (g->change.kind == CHANGE_PROMOTE) {
        settle_promotion(g);
    }
}

void group__lose_change(struct group *g, int status)
{
    if (g->change.request == NULL) {
        return;
    }
    bool committed =
        g->change.index != 0 && g->raft != NULL && g->raft->commit_index >= g->change.index;
    bool handed_over = g->change.kind == CHANGE_TRANSFER && g->change.sent;
    if (status == ERR_CLOSED) {
        end(g, ERR_CLOSED, "closing");
    } else if (committed || handed_over) {
        end(g, 0, "");
    } else if (g->change.index != 0) {
        end(g, ERR_TIMEOUT, "leadership was lost; whether the change holds will show");
    } else {
        end(g, ERR_NOT_LEADER, "leadership was lost");
    }
}

uint64_t group__change_deadline(const struct group *g)
{
    bool waits = g->change.request != NULL && g->change.kind == CHANGE_TRANSFER && !g->change.sent;
    return waits ? g->change.deadline_ms : UINT64_MAX;
}
