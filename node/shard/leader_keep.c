/* leader_keep.c: the promises and the chores of a shard's leader.
 *
 * Happy path: a closing at t is answered at once when t is at or below an applied version, or below
 * an applied ceiling (then nothing is stamped at or below t any more); else a higher ceiling is
 * committed first. While closings are asked for, the ceiling is renewed before it runs out. Every
 * LEADER_HOUSEKEEPING_MS superseded versions, old requests and old Events are removed, in bounded
 * commands, if there are any: an idle shard writes nothing.
 *
 * Failure path: a t ahead of the clock waits, or is refused; with lost leadership what waits is
 * asked of the next leader, and chores are the next leader's.
 *
 * Invariants: at most one ceiling, and one chore, is being committed. */
#include <assert.h>

#include "base/log.h"
#include "node/shard/internal.h"
#include "store/command.h"
#include "store/version.h"

enum {
    CEILING_RENEW_MS = 1500, /* what must be left of a used one */
    CEILING_USED_MS = 2000,  /* used: asked for a closing so lately */
    HOUSEKEEPING_AGAIN_MS = 50,
    HOUSEKEEPING_ROWS = 1000,
};

static const uint64_t AUDIT_KEPT_MS = UINT64_C(90) * 24 * 3600 * 1000;
static const uint64_t HISTORY_LEAST_MS = UINT64_C(5) * 60 * 1000;

uint64_t leader__now(const struct replica *r)
{
    return version_at(node_wall_ms(r->node), r->shard);
}

uint64_t leader__housekeeping_ms(const struct replica *r)
{
    uint32_t asked_ms = r->node->config.housekeeping_ms;
    return asked_ms != 0 ? asked_ms : (uint32_t)LEADER_HOUSEKEEPING_MS;
}

/* ---- internal commands ---- */

static void on_internal(struct call *call)
{
    struct leader *l = &call->replica->leader;
    if (call->user == &l->ceiling_asked) {
        l->ceiling_asked = 0;
        bool done = call->rc == 0 && l->sm.state == LEADER_SERVING &&
                    !leader_tick(call->replica, node_now_ms(call->node));
        if (!done) {
            dispatch_need_tick(
                call->node); /* not at once after a failure: that could go in circles */
        }
    } else if (call->user == &l->housekeeping) {
        l->housekeeping = false;
        l->housekeeping_ms = node_now_ms(call->node) + HOUSEKEEPING_AGAIN_MS;
        if (call->rc != 0 || call->version >= l->housekeeping_goal) {
            l->housekeeping_turn++;
        }
    }
    if (call->rc != 0 && call->rc != ERR_CLOSED && call->rc != ERR_NOT_LEADER) {
        log_warn("shard.housekeeping", "shard=%u error=%s", call->shard, log_q(call->err.message));
    }
    call_free(call);
}

/* Queues a command of the leader's own. token tells on_internal() whose it was. */
static void submit_own(struct replica *r, const struct command *command, void *token)
{
    struct call *call = call_new(CALL_SUBMIT, r->shard, 0);
    call->deadline_ms = node_now_ms(r->node) + 10000;
    call->node = r->node;
    call->replica = r;
    call->own = true;
    call->user = token;
    call->done = on_internal;
    struct err err;
    int rc = command_encode(command, &call->request, &err);
    assert(rc == 0);
    leader_take(r, call);
}

/* ---- closings ---- */

static void ask_ceiling(struct replica *r, uint64_t at_least)
{
    struct leader *l = &r->leader;
    uint64_t ceiling = version_at(node_wall_ms(r->node) + LEADER_CEILING_MS, r->shard);
    if (at_least >= ceiling) {
        ceiling = at_least + 1;
    }
    if (l->ceiling_asked != 0 || ceiling <= l->ceiling) {
        return;
    }
    l->ceiling_asked = ceiling;
    submit_own(r, &(struct command){.kind = COMMAND_CEILING, .ceiling = ceiling},
               &l->ceiling_asked);
}

static uint64_t last_index(const struct replica *r)
{
    struct group_status status;
    group_status(r->group, &status);
    return status.last;
}

/* Answers a closing, or says false: it has to wait. */
static bool try_close(struct replica *r, struct call *call, uint64_t now_ms)
{
    struct leader *l = &r->leader;
    uint64_t t = call->close_version;
    if (t <= l->applied) {
        call->index = r->state.applied_index;
        call->version = l->applied;
        dispatch_done(call, 0, NULL);
        return true;
    }
    uint64_t now = leader__now(r);
    uint64_t least = call->close_trusted
                         ? version_at(node_wall_ms(r->node) + LEADER_SKEW_MAX_MS, r->shard)
                         : now;
    if (t > least && t > l->last) { /* ahead of the clock */
        bool wait = !call->close_trusted && now_ms < call->wait_until_ms;
        if (!wait) {
            struct err err;
            err_set(&err, ERR_TIMEOUT, "version %llu is ahead of the clock of shard %u's leader",
                    (unsigned long long)t, r->shard);
            dispatch_done(call, ERR_TIMEOUT, &err);
        }
        return !wait;
    }
    if (t >= l->ceiling) {
        ask_ceiling(r, t);
        return false;
    }
    if (t > l->last) {
        l->last = t;
    }
    call->index = last_index(r);
    call->version = t;
    dispatch_done(call, 0, NULL);
    return true;
}

bool leader_tick(struct replica *r, uint64_t now_ms)
{
    struct leader *l = &r->leader;
    if (l->sm.state != LEADER_SERVING) {
        return !list_empty(&l->closes);
    }
    struct list waiting;
    list_init(&waiting);
    list_splice_back(&waiting, &l->closes);
    struct list *link;
    while ((link = list_pop_front(&waiting)) != NULL) {
        struct call *call = CONTAINER_OF(link, struct call, link);
        if (!try_close(r, call, now_ms)) {
            list_push_back(&l->closes, &call->link);
        }
    }
    return !list_empty(&l->closes);
}

/* ---- housekeeping ---- */

static bool compact(struct replica *r, uint64_t wall_ms)
{
    uint64_t history_ms = r->node->config.history_ms;
    if (history_ms < HISTORY_LEAST_MS) {
        history_ms = HISTORY_LEAST_MS;
    }
    uint64_t before = version_at(wall_ms - history_ms, r->shard);
    if (r->state.compacted >= r->state.last_version || r->state.compacted >= before) {
        return false;
    }
    r->leader.housekeeping_goal = before;
    submit_own(r,
               &(struct command){.kind = COMMAND_COMPACT,
                                 .compact = {.before = before,
                                             .rows_max = HOUSEKEEPING_ROWS,
                                             .audit_before_ms = wall_ms - AUDIT_KEPT_MS}},
               &r->leader.housekeeping);
    return true;
}

static bool expire(struct replica *r, uint64_t wall_ms)
{
    uint64_t before_ms = wall_ms - REQUEST_WINDOW_MS - REQUEST_AHEAD_MS;
    if (r->state.expired_ms >= before_ms ||
        r->state.expired_ms > version_wall_ms(r->state.last_version) + REQUEST_AHEAD_MS) {
        return false;
    }
    r->leader.housekeeping_goal = before_ms;
    submit_own(r,
               &(struct command){.kind = COMMAND_EXPIRE_REQUESTS,
                                 .expire = {.before_ms = before_ms, .rows_max = HOUSEKEEPING_ROWS}},
               &r->leader.housekeeping);
    return true;
}

static bool expire_events(struct replica *r, uint64_t wall_ms)
{
    uint64_t ttl_ms = r->node->config.event_ttl_ms;
    ttl_ms = ttl_ms != 0 ? ttl_ms : LEADER_EVENT_TTL_MS;
    uint64_t before = version_at(wall_ms - ttl_ms, r->shard);
    bool old = r->state.events_oldest != 0 && r->state.events_oldest <= before;
    if (!old && !r->state.events_crowded) {
        return false;
    }
    r->leader.housekeeping_goal = 1;
    submit_own(r,
               &(struct command){.kind = COMMAND_EXPIRE_EVENTS,
                                 .events = {.before = before, .rows_max = COMMAND_EVENTS_MAX}},
               &r->leader.housekeeping);
    return true;
}

/* Each true if its command is on its way. */
static bool (*const chores[])(struct replica *r, uint64_t wall_ms) = {compact, expire,
                                                                      expire_events};
enum { CHORE_COUNT = sizeof chores / sizeof chores[0] };

void leader_housekeep(struct replica *r, uint64_t now_ms)
{
    struct leader *l = &r->leader;
    if (l->sm.state != LEADER_SERVING) {
        return;
    }
    leader_pump(r); /* should ever a word from the group be missed */
    uint64_t wall_ms = node_wall_ms(r->node);
    bool used = l->closed_at_ms != 0 && now_ms - l->closed_at_ms < CEILING_USED_MS;
    if (used && l->ceiling < version_at(wall_ms + CEILING_RENEW_MS, r->shard)) {
        ask_ceiling(r, 0);
    }
    if (l->housekeeping || now_ms < l->housekeeping_ms) {
        return;
    }
    while (!l->housekeeping && l->housekeeping_turn < CHORE_COUNT) {
        l->housekeeping = chores[l->housekeeping_turn](r, wall_ms);
        l->housekeeping_turn += l->housekeeping ? 0 : 1;
    }
    if (!l->housekeeping) {
        l->housekeeping_turn = 0;
        l->housekeeping_ms = now_ms + leader__housekeeping_ms(r);
    }
}
