/* node.c: starts and stops the parts of a node.
 *
 * Start, in order: identity, certificates, loops, databases, log; then the threads; then, on the
 * consensus loop, the peers' port and every shard's group; last the internal front. Stop is the
 * reverse, after leaderships were handed over: groups and transport, databases (checkpointed), log
 * (synced and marked), threads.
 *
 * Failure path: whatever cannot start is undone by the same code that stops; the error names it.
 * A fatal error later (log lost, database damaged) goes to config.fatal, which ends the process.
 *
 * Invariants: `started` exists once the log is known to hold the groups: from then on, a log
 * without them has been lost, and this identity must not vote again. */
#include "node/shard/node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/pki.h"
#include "base/tls.h"
#include "node/shard/front.h"
#include "node/shard/identity.h"
#include "node/shard/internal.h"

enum { ELECTION_MS = 500, PULSES = 5 };
enum { HAND_OVER_MS = 2000, HAND_OVER_POLL_MS = 5 };

#define STARTED_FILE "started"

/* ---- helpers ---- */

struct run_on {
    struct loop_msg msg;
    void (*fn)(void *arg);
    void *arg;
    uv_sem_t done;
};

static void run_and_tell(struct loop_msg *msg)
{
    struct run_on *run = CONTAINER_OF(msg, struct run_on, msg);
    run->fn(run->arg);
    uv_sem_post(&run->done);
}

void node_run_on(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct run_on run = {.msg.run = run_and_tell, .fn = fn, .arg = arg};
    int rc = uv_sem_init(&run.done, 0);
    assert(rc == 0);
    loop_post(loop, &run.msg);
    uv_sem_wait(&run.done);
    uv_sem_destroy(&run.done);
}

void node_fatal(struct node_impl *n, const struct err *err)
{
    if (atomic_flag_test_and_set(&n->fatal_said)) {
        return; /* another thread is ending us: one line is enough */
    }
    log_error("node.fatal", "node=%s error=%s", n->identity.self.name, log_q(err->message));
    if (n->config.fatal != NULL) {
        n->config.fatal(err);
    } else {
        abort();
    }
}

void node_fail(struct node *n, const struct err *why)
{
    node_fatal(n->impl, why);
}

uint64_t node_now_ms(const struct node_impl *n)
{
    return uv_now(&n->consensus.uv);
}

uint64_t node_wall_ms(const struct node_impl *n)
{
    return n->clock->wall_ms(n->clock);
}

/* ---- starting ---- */

static void on_wal_failed(void *user, const struct err *err)
{
    node_fatal(user, err);
}

static void on_founded(struct wal_waiter *waiter)
{
    struct node_impl *n = CONTAINER_OF(waiter, struct node_impl, founded);
    struct buf path = {0};
    struct err err;
    buf_addf(&path, "%s/" STARTED_FILE, n->dir);
    if (access(buf_cstr(&path), F_OK) != 0 &&
        file_write(buf_cstr(&path), SLICE("The log holds this node's votes.\n"), 0600, &err) != 0) {
        node_fatal(n, &err);
    }
    buf_free(&path);
}

struct starting {
    struct node_impl *node;
    struct group_server founders[NODE_VOTERS_MAX];
    size_t founder_count;
    int rc;
    struct err *err;
};

static int start_transport(struct node_impl *n, struct err *err)
{
    const char *listen = n->config.peer_listen;
    struct transport_config config = {
        .loop = &n->consensus,
        .cluster = n->identity.cluster,
        .node = n->identity.self.name,
        .listen = listen != NULL ? listen : n->identity.self.peer,
        .server_tls = n->server_tls,
        .client_tls = n->client_tls,
        .ops = &node__transport_ops,
        .user = n,
        .features = NODE_READS_COMPRESSED & ~n->config.denied_features,
    };
    return transport_open(&config, &n->transport, err);
}

static void start_consensus(void *arg)
{
    struct starting *s = arg;
    struct node_impl *n = s->node;
    s->rc = start_transport(n, s->err);
    if (s->rc != 0) {
        return;
    }
    loop_timer_init(&n->consensus, &n->tick, node__tick);
    loop_timer_init(&n->consensus, &n->slow_tick, node__slow_tick);
    loop_timer_start(&n->slow_tick, NODE_SLOW_TICK_MS, NODE_SLOW_TICK_MS);
    loop_timer_init(&n->consensus, &n->pulse, node__pulse);
    if (n->config.hooks != NULL) {
        uint64_t election_ms = n->identity.election_timeout_ms;
        uint64_t every_ms = (election_ms != 0 ? election_ms : ELECTION_MS) / PULSES;
        loop_timer_start(&n->pulse, every_ms, every_ms);
    }
    for (uint32_t i = 0; i < n->identity.shards && s->rc == 0; i++) {
        s->rc = replica_start(&n->replicas[i], s->founders, s->founder_count, s->err);
    }
    if (s->rc != 0) {
        return;
    }
    n->founded.fire = on_founded;
    wal_wait(n->wal, &n->founded);
    struct node_member known[NODE_MEMBERS_MAX];
    memcpy(known, n->members, sizeof(known));
    size_t count = n->member_count;
    n->member_count = 0;
    members_set(n, known, count);
}

/* Peers would refuse another node's certificate; better said here, once. */
static int check_certificate(const struct node_impl *n, struct err *err)
{
    struct buf uri = {0};
    buf_addf(&uri, "choreod://%s/node/%s", n->identity.cluster, n->identity.self.name);
    int rc = pki_cert_check_uri(n->config.cert_pem, buf_cstr(&uri), err);
    buf_free(&uri);
    if (rc == ERR_NOT_FOUND) {
        err_wrap(err, "the peer certificate is another node's");
        rc = err->code = ERR_INVALID;
    }
    return rc;
}

static int open_tls(struct node_impl *n, struct err *err)
{
    struct tls_config config = {
        .server = true,
        .ca_pem = n->config.ca_pem,
        .cert_pem = n->config.cert_pem,
        .key_pem = n->config.key_pem,
        .peer = TLS_PEER_REQUIRED,
    };
    int rc = tls_new(&config, &n->server_tls, err);
    config.server = false;
    return rc != 0 ? rc : tls_new(&config, &n->client_tls, err);
}

static int open_loops(struct node_impl *n, struct err *err)
{
    static const char *const names[] = {"shards-0", "shards-1", "shards-2", "shards-3"};
    size_t most = sizeof(n->shard_loops) / sizeof(n->shard_loops[0]);
    size_t want = n->config.shard_loops != 0 ? n->config.shard_loops : (n->identity.shards + 1) / 2;
    want = want > most ? most : want;
    int rc = loop_init(&n->consensus, "consensus", err);
    if (rc != 0) {
        return rc;
    }
    rc = loop_init(&n->internal, "internal", err);
    if (rc != 0) {
        loop_join(&n->consensus);
        return rc;
    }
    while (rc == 0 && n->shard_loop_count < want) {
        rc = loop_init(&n->shard_loops[n->shard_loop_count], names[n->shard_loop_count], err);
        n->shard_loop_count += rc == 0;
    }
    n->loops_open = true;
    return rc;
}

static int open_log(struct node_impl *n, struct err *err)
{
    struct buf path = {0};
    buf_addf(&path, "%s/wal", n->dir);
    int rc = wal_fs_dir_new(buf_cstr(&path), &n->wal_fs, err);
    buf_clear(&path);
    buf_addf(&path, "%s/%s", n->identity.cluster, n->identity.self.name);
    if (rc == 0) {
        rc = wal_open(&(struct wal_config){.loop = &n->consensus,
                                           .fs = n->wal_fs,
                                           .identity = buf_slice(&path),
                                           .failed = on_wal_failed,
                                           .user = n},
                      &n->wal, err);
    }
    buf_clear(&path);
    buf_addf(&path, "%s/" STARTED_FILE, n->dir);
    if (rc == 0 && access(buf_cstr(&path), F_OK) == 0 && wal_group(n->wal, 0) == NULL) {
        rc = err_set(err, ERR_CORRUPT,
                     "%s/wal is empty, but this node has run before: its votes are lost. Remove "
                     "the node from the cluster, and its data directory, and join anew",
                     n->dir);
    }
    buf_free(&path);
    return rc;
}

static int open_shards(struct node_impl *n, struct err *err)
{
    n->replicas = mem_zero(n->identity.shards * sizeof(struct replica));
    int rc = 0;
    while (rc == 0 && n->replica_count < n->identity.shards) {
        rc = replica_open(&n->replicas[n->replica_count], n, n->replica_count, err);
        n->replica_count += rc == 0;
    }
    return rc;
}

static int open_all(struct node_impl *n, struct err *err)
{
    int rc = check_certificate(n, err);
    if (rc == 0) {
        rc = open_tls(n, err);
    }
    if (rc == 0) {
        rc = open_loops(n, err);
    }
    if (rc == 0) {
        rc = open_log(n, err); /* first: it locks the directory */
    }
    if (rc == 0) {
        rc = open_shards(n, err);
    }
    return rc;
}

static int start_threads(struct node_impl *n, struct err *err)
{
    int rc = loop_start(&n->consensus, err);
    for (size_t i = 0; rc == 0 && i < n->shard_loop_count; i++) {
        rc = loop_start(&n->shard_loops[i], err);
    }
    return rc == 0 ? loop_start(&n->internal, err) : rc;
}

static int start_all(struct node_impl *n, struct err *err)
{
    struct starting s = {.node = n, .err = err};
    struct node_member founders[NODE_VOTERS_MAX];
    int rc = identity_read_members(n->dir, IDENTITY_FOUNDERS, founders, NODE_VOTERS_MAX,
                                   &s.founder_count, err);
    if (rc == 0) {
        rc = identity_read_members(n->dir, IDENTITY_PEERS, n->members, NODE_MEMBERS_MAX,
                                   &n->member_count, err);
    }
    if (rc == 0) {
        rc = open_all(n, err);
    }
    if (rc == 0) {
        rc = start_threads(n, err);
    }
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < s.founder_count; i++) {
        s.founders[i] = (struct group_server){.id = founders[i].id, .role = GROUP_VOTER};
        memcpy(s.founders[i].name, founders[i].name, sizeof(s.founders[i].name));
    }
    node_run_on(&n->consensus, start_consensus, &s);
    if (s.rc == 0) {
        s.rc = tenants_start(n, err);
    }
    return s.rc;
}

static void stop_all(struct node_impl *n, bool clean);

int node_start(struct node *handle, const struct node_config *config, struct err *err)
{
    struct node_impl *n = mem_zero(sizeof(*n));
    handle->impl = n;
    n->handle = handle;
    n->config = *config;
    if (n->config.leaderless_ms == 0) {
        n->config.leaderless_ms = NODE_LEADERLESS_MS;
    }
    n->clock = config->clock != NULL ? config->clock : &clock_system;
    n->dir = mem_strdup(config->dir);
    n->board = status_board_new();
    list_init(&n->operations);
    n->backend.ops = &router_ops;
    n->clock_metric = metric_gauge("choreod_node_clock_offset_milliseconds", NULL,
                                   "The majority's median wall clock minus this node's.");
    kind_registry_init(&n->kinds);
    kind_registry_builtin(&n->kinds);
    (void)uv_sem_init(&n->closed, 0);
    int rc = node_load(config->dir, &n->identity, err);
    if (rc == 0) {
        rc = start_all(n, err);
    }
    if (rc != 0) {
        stop_all(n, false);
        handle->impl = NULL;
    }
    return rc;
}

/* ---- stopping ---- */

struct handing {
    struct node_impl *node;
    bool any;
};

/* Each shard once: nodes that stop together would else pass it round for ever. */
static void hand_over(void *arg)
{
    struct handing *h = arg;
    struct node_impl *n = h->node;
    h->any = n->balancing != NULL;
    for (uint32_t i = 0; i < n->identity.shards && !h->any; i++) {
        struct replica *r = &n->replicas[i];
        struct group_status status;
        group_status(r->group, &status);
        if (r->leader.sm.state != LEADER_IDLE && status.server_count > 1 && !r->handed_over) {
            r->handed_over = true;
            h->any = true;
            members_transfer_away(r, NULL);
        }
    }
}

static void hand_over_all(struct node_impl *n)
{
    struct handing h = {.node = n};
    for (int waited = 0; waited < HAND_OVER_MS; waited += HAND_OVER_POLL_MS) {
        node_run_on(&n->consensus, hand_over, &h);
        if (!h.any) {
            return;
        }
        uv_sleep(HAND_OVER_POLL_MS);
    }
    log_warn("node.stop", "error=%s", log_q("leaderships could not be handed over in time"));
}

static void one_closed(void *user)
{
    struct node_impl *n = user;
    uv_sem_post(&n->closed);
}

static void stop_groups(void *arg)
{
    struct node_impl *n = arg;
    n->stopping = true;
    dispatch_close(n, NULL);
    for (uint32_t i = 0; i < n->replica_count; i++) {
        replica_stop(&n->replicas[i]);
    }
    if (n->transport != NULL) {
        loop_timer_close(&n->tick, NULL);
        loop_timer_close(&n->slow_tick, NULL);
        loop_timer_close(&n->pulse, NULL);
        transport_close(n->transport, one_closed, n);
    } else {
        uv_sem_post(&n->closed);
    }
    wal_wait_cancel(n->wal, &n->founded);
}

static void stop_log(void *arg)
{
    struct node_impl *n = arg;
    wal_close(n->wal, one_closed, n);
}

/* Whatever of it runs; also after a start that failed half-way. */
static void stop_threads(struct node_impl *n, bool clean)
{
    if (n->consensus.started) {
        node_run_on(&n->consensus, stop_groups, n);
        uv_sem_wait(&n->closed);
    }
    for (uint32_t i = 0; i < n->replica_count; i++) {
        keeper_close(&n->replicas[i].keeper, clean, one_closed, n);
    }
    for (size_t i = 0; i < n->shard_loop_count; i++) {
        if (!n->shard_loops[i].started) { /* a start that failed: let the keepers close */
            (void)loop_start(&n->shard_loops[i], NULL);
        }
    }
    for (uint32_t i = 0; i < n->replica_count; i++) {
        uv_sem_wait(&n->closed);
    }
    if (n->wal != NULL) {
        if (!n->consensus.started) {
            (void)loop_start(&n->consensus, NULL);
        }
        node_run_on(&n->consensus, stop_log, n);
        uv_sem_wait(&n->closed);
    }
    for (size_t i = 0; i < n->shard_loop_count; i++) {
        loop_stop(&n->shard_loops[i]);
        loop_join(&n->shard_loops[i]);
    }
    loop_stop(&n->internal);
    loop_join(&n->internal);
    loop_stop(&n->consensus);
    loop_join(&n->consensus);
}

static void stop_all(struct node_impl *n, bool clean)
{
    if (n->tenants != NULL) {
        tenants_stop(n);
    }
    if (clean) {
        hand_over_all(n);
    }
    if (n->loops_open) {
        stop_threads(n, clean);
    }
    wal_free(n->wal);
    wal_fs_dir_free(n->wal_fs);
    for (uint32_t i = 0; i < n->replica_count; i++) {
        replica_free(&n->replicas[i]);
    }
    free(n->replicas);
    if (n->server_tls != NULL) {
        tls_unref(n->server_tls);
    }
    if (n->client_tls != NULL) {
        tls_unref(n->client_tls);
    }
    status_board_free(n->board);
    kind_registry_free(&n->kinds);
    uv_sem_destroy(&n->closed);
    free(n->dir);
    free(n);
}

void node_stop(struct node *handle)
{
    stop_all(handle->impl, true);
    handle->impl = NULL;
}

void node_abandon(struct node *handle)
{
    stop_all(handle->impl, false);
    handle->impl = NULL;
}

/* ---- looking ---- */

const struct node_identity *node_identity(const struct node *handle)
{
    return &handle->impl->identity;
}

uint16_t node_peer_port(const struct node *handle)
{
    return transport_port(handle->impl->transport);
}

struct backend *node_backend(struct node *handle)
{
    return &handle->impl->backend;
}

const char *node_shard_database(const struct node *handle, uint32_t shard)
{
    const struct node_impl *n = handle->impl;
    return shard < n->identity.shards ? n->replicas[shard].path : NULL;
}
