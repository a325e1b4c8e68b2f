/* cluster.c: nodes that are made, started, stopped and found again. */
#include "tests/unit/node/shard/cluster.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pki.h"

#define CLUSTER_ID "11111111-2222-3333-4444-555555555555"

/* A port that is free now, and that the kernel gives to no outgoing connection later on: a hundred
 * to each of the test programs that run side by side, below those that it hands out. */
static uint16_t free_port(void)
{
    static unsigned next;
    int rc = -1;
    uint16_t port = 0;
    while (rc != 0) {
        port = (uint16_t)(15000 + (unsigned)getpid() % 170 * 100 + next++ % 100);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in addr = {
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
        rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
        (void)close(fd);
    }
    return port;
}

static void member_prepare(struct cluster *c, size_t i)
{
    struct member *m = &c->members[i];
    struct err err;
    m->info.id = i + 1;
    (void)snprintf(m->info.name, sizeof(m->info.name), "node-%zu", i + 1);
    (void)snprintf(m->info.region, sizeof(m->info.region), "region-%zu", i + 1);
    (void)snprintf(m->info.peer, sizeof(m->info.peer), "127.0.0.1:%u", free_port());
    char uri[128];
    (void)snprintf(uri, sizeof(uri), "choreod://" CLUSTER_ID "/node/%s", m->info.name);
    struct pki_subject subject = {.common_name = m->info.name,
                                  .dns = {"localhost"},
                                  .dns_count = 1,
                                  .ips = {"127.0.0.1"},
                                  .ip_count = 1,
                                  .uris = {uri},
                                  .uri_count = 1,
                                  .server = true,
                                  .client = true};
    struct buf csr = {0};
    assert_ok(pki_new_key(&m->key, &err), &err);
    assert_ok(pki_new_csr(buf_slice(&m->key), &subject, &csr, &err), &err);
    assert_ok(pki_sign(buf_slice(&c->ca), buf_slice(&c->ca_key), buf_slice(&csr), &subject, 86400,
                       &m->cert, &err),
              &err);
    buf_free(&csr);
    m->dir = tmpdir_path(&c->tmp, m->info.name);
}

static void member_create(struct cluster *c, size_t i, size_t founders)
{
    struct member *m = &c->members[i];
    struct node_member all[CLUSTER_NODES_MAX];
    for (size_t k = 0; k < c->count; k++) {
        all[k] = c->members[k].info;
    }
    struct node_identity identity = {.cluster = CLUSTER_ID,
                                     .self = m->info,
                                     .shards = c->shards,
                                     .incarnation = 1,
                                     .election_timeout_ms = 300,
                                     .heartbeat_ms = 30};
    struct err err;
    assert_ok(node_create(m->dir, &identity, all, i < founders ? founders : 0, all,
                          i < founders ? founders : i + 1, &err),
              &err);
}

void cluster_make(struct cluster *c, size_t nodes, size_t founders, uint32_t shards)
{
    *c = (struct cluster){.count = nodes, .shards = shards};
    log_setup(getenv("CHOREO_TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR, LOG_TEXT);
    tmpdir_make(&c->tmp);
    struct err err;
    assert_ok(pki_new_key(&c->ca_key, &err), &err);
    assert_ok(pki_new_ca(buf_slice(&c->ca_key), "test", 1, &c->ca, &err), &err);
    for (size_t i = 0; i < nodes; i++) {
        member_prepare(c, i);
    }
    for (size_t i = 0; i < nodes; i++) {
        member_create(c, i, founders);
    }
}

static bool all_namespaced(struct slice resource)
{
    return slice_eq(resource, SLICE(NODE_MEMBER_RESOURCE)) ||
           slice_eq(resource, SLICE("organizations.choreo.dev")) ||
           slice_eq(resource, SLICE("namespaces"));
}

struct attach {
    struct member *m;
    int rc;
    struct err *err;
};

static void do_attach(void *arg)
{
    struct attach *a = arg;
    a->rc = node_attach(&a->m->node, &a->m->front.loop, a->err);
}

int member_start(struct cluster *c, size_t i, const struct node_hooks *hooks, struct err *err)
{
    struct member *m = &c->members[i];
    struct node_config config = {.dir = m->dir,
                                 .ca_pem = buf_slice(&c->ca),
                                 .cert_pem = buf_slice(&m->cert),
                                 .key_pem = buf_slice(&m->key),
                                 .cluster_scoped = all_namespaced,
                                 .hooks = hooks};
    if (c->tune != NULL) {
        c->tune(&config);
    }
    int rc = node_start(&m->node, &config, err);
    if (rc == 0) {
        onloop_start(&m->front);
        struct attach attach = {.m = m, .err = err};
        onloop_call(&m->front, do_attach, &attach);
        rc = attach.rc;
        m->up = true;
    }
    return rc;
}

void cluster_start(struct cluster *c, size_t i)
{
    struct err err;
    assert_ok(member_start(c, i, NULL, &err), &err);
}

void cluster_found(struct cluster *c, size_t nodes, uint32_t shards,
                   void (*tune)(struct node_config *config))
{
    cluster_make(c, nodes, nodes, shards);
    c->tune = tune;
    for (size_t i = 0; i < nodes; i++) {
        cluster_start(c, i);
    }
}

static void on_detached(void *user)
{
    onloop_done(user);
}

static void detach(void *arg)
{
    struct member *m = arg;
    node_detach(&m->node, &m->front.loop, on_detached, &m->front);
}

void cluster_stop(struct cluster *c, size_t i, bool clean)
{
    struct member *m = &c->members[i];
    onloop_post(&m->front, detach, m);
    onloop_wait(&m->front, "detached");
    if (clean) {
        node_stop(&m->node);
    } else {
        node_abandon(&m->node);
    }
    onloop_stop(&m->front);
    m->up = false;
}

void cluster_end(struct cluster *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->members[i].up) {
            cluster_stop(c, i, false);
        }
        buf_free(&c->members[i].key);
        buf_free(&c->members[i].cert);
    }
    buf_free(&c->ca_key);
    buf_free(&c->ca);
    tmpdir_remove(&c->tmp);
}

size_t leader_of(struct cluster *c, uint32_t shard)
{
    for (size_t i = 0; i < c->count; i++) {
        if (!c->members[i].up) {
            continue;
        }
        struct node_status status;
        node_status(&c->members[i].node, &status);
        bool leads = shard < status.shard_count && status.shards[shard].serving;
        free(status.shards);
        if (leads) {
            return i;
        }
    }
    return SIZE_MAX;
}

size_t await_leader(struct cluster *c, uint32_t shard)
{
    for (int waited = 0; waited < CLUSTER_WAIT_MS; waited += 10) {
        size_t leader = leader_of(c, shard);
        if (leader != SIZE_MAX) {
            return leader;
        }
        uv_sleep(10);
    }
    fail_msg("shard %u has no leader", shard);
    return SIZE_MAX;
}

size_t another(const struct cluster *c, size_t i)
{
    for (size_t k = 1; k < c->count; k++) {
        if (c->members[(i + k) % c->count].up) {
            return (i + k) % c->count;
        }
    }
    return i;
}

/* ---- time ---- */

_Atomic uint64_t cluster_clock_ahead_ms;

static uint64_t ahead_wall_ms(const struct clock *clock)
{
    (void)clock;
    return clock_system.wall_ms(&clock_system) + atomic_load(&cluster_clock_ahead_ms);
}

static uint64_t plain_mono_ms(const struct clock *clock)
{
    (void)clock;
    return clock_system.mono_ms(&clock_system);
}

const struct clock cluster_clock = {.mono_ms = plain_mono_ms, .wall_ms = ahead_wall_ms};
