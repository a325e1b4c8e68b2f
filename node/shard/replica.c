/* replica.c: a shard's group on the consensus loop and its database on a shard loop, joined.
 *
 * Happy path: the group hands committed, durable entries to the keeper; the keeper's transactions
 * come back as messages; their outcomes go to the leader, their index to the group, the present to
 * the fronts. A complete checkpoint lets the group cut its log.
 *
 * Failure path: an inconsistency in the group or the database ends the process (node_fatal): the
 * log and SQLite are made to be reopened after that.
 *
 * Invariants: the group's applied index never passes the keeper's; outcomes reach the leader before
 * the group says that the entry is applied. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "node/shard/internal.h"

/* ---- the group's operations ---- */

static uint64_t op_now(void *user)
{
    struct replica *r = user;
    return node_now_ms(r->node);
}

static void op_arm(void *user, uint64_t at_ms)
{
    struct replica *r = user;
    uint64_t now = node_now_ms(r->node);
    loop_timer_start(&r->timer, at_ms > now ? at_ms - now : 0, 0);
}

static void op_send(void *user, const char *name, struct slice message)
{
    struct replica *r = user;
    (void)transport_send(r->node->transport, name, r->shard, message); /* Raft sends again */
}

static void op_apply(void *user, const struct group_entry *entry)
{
    struct replica *r = user;
    keeper_apply(&r->keeper, entry, r->leader.sm.state != LEADER_IDLE);
}

static void op_send_snapshot(void *user, const char *name, uint64_t server_id, uint64_t index)
{
    (void)index; /* applied here long ago, or the group would not have cut its log there */
    images_send(user, name, server_id);
}

static void op_install(void *user, void *token, const struct group_point *point)
{
    struct replica *r = user;
    log_info("shard.install", "shard=%u index=%llu", r->shard, (unsigned long long)point->index);
    images_install(r, token);
}

static void op_refuse(void *user, void *token)
{
    (void)user;
    images_refuse(token);
}

static void set_leader(struct replica *r, const char *name)
{
    if (name == NULL) {
        name = "";
    }
    if (strcmp(r->leader_name, name) == 0) {
        return;
    }
    (void)snprintf(r->leader_name, sizeof(r->leader_name), "%s", name);
    r->node->stirred_ms = node_now_ms(r->node);
    if (name[0] != '\0') {
        r->leaderless_ms = 0;
    } else if (r->leaderless_ms == 0) {
        r->leaderless_ms = node_now_ms(r->node);
    }
    log_info("shard.leader", "shard=%u leader=%s term=%llu", r->shard,
             name[0] != '\0' ? name : "none", (unsigned long long)group_term(r->group));
    dispatch_leader_changed(r);
    status_publish(r->node);
}

static void op_leading(void *user, uint64_t term)
{
    struct replica *r = user;
    leader_begin(r, term);
    dispatch_leader_changed(r);
}

struct hook_msg {
    struct loop_msg msg;
    const struct node_hooks *hooks;
    uint32_t shard;
    enum { HOOK_LEAD, HOOK_UNLEAD, HOOK_CHANGE, HOOK_RESET } kind;
    uint64_t term; /* LEAD; CHANGE: version */
    uint64_t incarnation;
    uint64_t index;
};

static void run_hook(struct loop_msg *msg)
{
    struct hook_msg *m = CONTAINER_OF(msg, struct hook_msg, msg);
    const struct node_hooks *h = m->hooks;
    if (m->kind == HOOK_LEAD && h->on_lead != NULL) {
        h->on_lead(h->user, m->shard, m->term, m->incarnation, m->index);
    } else if (m->kind == HOOK_UNLEAD && h->on_unlead != NULL) {
        h->on_unlead(h->user, m->shard);
    } else if (m->kind == HOOK_CHANGE && h->on_change != NULL) {
        h->on_change(h->user, m->shard, m->term);
    } else if (m->kind == HOOK_RESET && h->on_reset != NULL) {
        h->on_reset(h->user, m->shard);
    }
    free(m);
}

static void post_hook(struct replica *r, struct hook_msg fields)
{
    const struct node_hooks *hooks = r->node->config.hooks;
    if (hooks == NULL || r->node->hooks_off) {
        return;
    }
    struct hook_msg *m = mem_alloc(sizeof(*m));
    *m = fields;
    m->msg.run = run_hook;
    m->hooks = hooks;
    m->shard = r->shard;
    loop_post(hooks->loop, &m->msg);
}

static void op_ready(void *user, uint64_t term)
{
    struct replica *r = user;
    leader_ready(r);
    log_info("shard.serving", "shard=%u term=%llu index=%llu", r->shard, (unsigned long long)term,
             (unsigned long long)r->leader.open_index);
    post_hook(r, (struct hook_msg){.kind = HOOK_LEAD,
                                   .term = term,
                                   .incarnation = r->node->identity.incarnation,
                                   .index = r->leader.open_index});
    status_publish(r->node);
}

static void op_following(void *user, uint64_t term)
{
    struct replica *r = user;
    bool led = r->leader.sm.state == LEADER_SERVING;
    log_info("shard.following", "shard=%u term=%llu", r->shard, (unsigned long long)term);
    leader_end(r);
    atomic_store_explicit(&r->confirmed_ms, 0, memory_order_relaxed);
    if (led) {
        post_hook(r, (struct hook_msg){.kind = HOOK_UNLEAD});
    }
    status_publish(r->node);
}

static void op_leader(void *user, uint64_t term, const char *name)
{
    (void)term;
    set_leader(user, name);
}

static void op_can_propose(void *user)
{
    leader_pump(user);
}

static void op_failed(void *user, const struct err *err)
{
    struct replica *r = user;
    struct err wrapped = *err;
    err_wrap(&wrapped, "shard %u", r->shard);
    node_fatal(r->node, &wrapped);
}

static const struct group_ops group_ops = {
    .now_ms = op_now,
    .arm = op_arm,
    .send = op_send,
    .apply = op_apply,
    .send_snapshot = op_send_snapshot,
    .install = op_install,
    .refuse = op_refuse,
    .on_leading = op_leading,
    .on_ready = op_ready,
    .on_following = op_following,
    .on_leader = op_leader,
    .on_can_propose = op_can_propose,
    .failed = op_failed,
};

void replica_confirmed(struct replica *r)
{
    atomic_store_explicit(&r->confirmed_ms, group_confirmed_ms(r->group), memory_order_relaxed);
}

static void on_pulse(struct group_read *read, int status)
{
    (void)status; /* confirmed or not, the group's own time tells */
    struct replica *r = CONTAINER_OF(read, struct replica, pulse);
    r->pulsing = false;
    if (r->group != NULL) {
        replica_confirmed(r);
    }
}

void replica_pulse(struct replica *r)
{
    if (!r->pulsing && r->leader.sm.state == LEADER_SERVING) {
        r->pulsing = true;
        r->pulse.done = on_pulse;
        group_read(r->group, &r->pulse);
    }
}

static void on_timer(struct loop_timer *timer)
{
    struct replica *r = CONTAINER_OF(timer, struct replica, timer);
    if (r->group != NULL) {
        group_tick(r->group);
        replica_confirmed(r);
    }
}

/* ---- the keeper's answers, on their way to the consensus loop ---- */

static void run_applied(struct loop_msg *msg)
{
    struct keeper_applied *applied = CONTAINER_OF(msg, struct keeper_applied, msg);
    struct replica *r = applied->user;
    if (r->group != NULL) {
        uint64_t before = r->present;
        r->state = applied->state;
        r->present = applied->present;
        leader_applied(r, applied);
        group_applied(r->group, applied->index);
        fronts_applied(r);
        if (r->present != before) {
            post_hook(r, (struct hook_msg){.kind = HOOK_CHANGE, .term = r->present});
        }
        if (r->leader.sm.state == LEADER_SERVING && leader_tick(r, node_now_ms(r->node))) {
            dispatch_need_tick(r->node);
        }
    }
    free(applied);
}

static void on_applied(void *user, struct keeper_applied *applied)
{
    struct replica *r = user;
    applied->msg.run = run_applied;
    loop_post(&r->node->consensus, &applied->msg);
}

struct keeper_msg {
    struct loop_msg msg;
    struct replica *replica;
    uint64_t index;
    int rc;
    struct db_state state;
};

static void run_durable(struct loop_msg *msg)
{
    struct keeper_msg *m = CONTAINER_OF(msg, struct keeper_msg, msg);
    if (m->replica->group != NULL) {
        group_snapshot_taken(m->replica->group, m->index);
    }
    free(m);
}

static void on_durable(void *user, uint64_t index)
{
    struct replica *r = user;
    struct keeper_msg *m = mem_zero(sizeof(*m));
    *m = (struct keeper_msg){.msg.run = run_durable, .replica = r, .index = index};
    loop_post(&r->node->consensus, &m->msg);
}

static void run_installed(struct loop_msg *msg)
{
    struct keeper_msg *m = CONTAINER_OF(msg, struct keeper_msg, msg);
    struct replica *r = m->replica;
    if (m->rc != 0) {
        /* The log has announced this install, and a restart tells what became of it. */
        struct err err;
        err_set(&err, m->rc, "shard %u: a snapshot could not be installed: %s", r->shard,
                err_meaning(m->rc));
        node_fatal(r->node, &err);
    } else if (r->group != NULL) {
        r->state = m->state;
        r->present = db_present(&m->state);
        fronts_reset(r);
        group_installed(r->group);
        fronts_applied(r);
        post_hook(r, (struct hook_msg){.kind = HOOK_RESET});
        post_hook(r, (struct hook_msg){.kind = HOOK_CHANGE, .term = r->present});
    }
    free(m);
}

static void on_installed(void *user, int rc, const struct db_state *state)
{
    struct replica *r = user;
    struct keeper_msg *m = mem_zero(sizeof(*m));
    *m = (struct keeper_msg){.msg.run = run_installed, .replica = r, .rc = rc, .state = *state};
    loop_post(&r->node->consensus, &m->msg);
}

static void on_keeper_failed(void *user, const struct err *err)
{
    struct replica *r = user;
    node_fatal(r->node, err);
}

static const struct keeper_ops keeper_ops = {
    .applied = on_applied,
    .durable = on_durable,
    .installed = on_installed,
    .failed = on_keeper_failed,
};

/* ---- life ---- */

int replica_open(struct replica *r, struct node_impl *n, uint32_t shard, struct err *err)
{
    r->node = n;
    r->shard = shard;
    list_init(&r->waiting);
    list_init(&r->forwarded);
    list_init(&r->images);
    leader_init(&r->leader);
    struct buf path = {0};
    buf_addf(&path, "%s/shards/%03u", n->dir, shard);
    r->dir = buf_take(&path);
    buf_addf(&path, "%s/state.db", r->dir);
    r->path = buf_take(&path);
    int rc = file_make_dir(r->dir, 0700, err);
    if (rc == 0) {
        rc = keeper_open(&r->keeper,
                         &(struct keeper_config){
                             .loop = &n->shard_loops[shard % n->shard_loop_count],
                             .path = r->path,
                             .shard = shard,
                             .cluster = slice_of(n->identity.cluster),
                             .checkpoint_ms = n->config.checkpoint_ms,
                             .ops = &keeper_ops,
                             .user = r,
                         },
                         err);
    }
    if (rc != 0) {
        return err_wrap(err, "shard %u", shard);
    }
    r->state = r->keeper.db.state;
    r->present = db_present(&r->state);
    return 0;
}

int replica_start(struct replica *r, const struct group_server *founders, size_t founder_count,
                  struct err *err)
{
    struct node_impl *n = r->node;
    r->leaderless_ms = node_now_ms(n);
    loop_timer_init(&n->consensus, &r->timer, on_timer);
    r->timer_open = true;
    if (founder_count > 0 && wal_group(n->wal, r->shard) == NULL && r->state.applied_index == 0) {
        int rc =
            group_bootstrap(n->wal, r->shard, n->identity.self.id, founders, founder_count, err);
        if (rc != 0) {
            return err_wrap(err, "shard %u", r->shard);
        }
    }
    uint32_t seed = 0;
    crypto_random(&seed, sizeof(seed));
    struct group_config config = {
        .id = r->shard,
        .wal = n->wal,
        .server_id = n->identity.self.id,
        .name = n->identity.self.name,
        .ops = &group_ops,
        .user = r,
        .applied = {.index = r->state.applied_index,
                    .term = r->state.applied_term,
                    .configuration = buf_slice(&r->keeper.db.raft_meta)},
        .election_timeout_ms = n->identity.election_timeout_ms,
        .heartbeat_ms = n->identity.heartbeat_ms,
        .trailing_entries = n->config.trailing_entries,
        .random_seed = seed,
    };
    int rc = group_new(&config, &r->group, err);
    return rc != 0 ? err_wrap(err, "shard %u", r->shard) : 0;
}

void replica_stop(struct replica *r)
{
    images_stop(r);
    if (r->leader.sm.state == LEADER_SERVING) {
        post_hook(r, (struct hook_msg){.kind = HOOK_UNLEAD});
    }
    leader_end(r);
    struct group *group = r->group;
    r->group = NULL;
    group_free(group);
    if (r->timer_open) {
        loop_timer_close(&r->timer, NULL);
    }
}

void replica_free(struct replica *r)
{
    free(r->dir);
    free(r->path);
}
