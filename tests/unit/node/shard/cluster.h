/* cluster.h: a cluster of real nodes in one test: loopback sockets, TLS, disks in a temporary
 * directory. Each node has one front loop of the test's, on which requests are made.
 *
 * Use: cluster_make(&c, nodes, shards); cluster_start(&c, i) ...; put(), get(), ...; cluster_end().
 * Thread: the test's. Requests block until their callback has come. */
#ifndef TESTS_NODE_SHARD_CLUSTER_H
#define TESTS_NODE_SHARD_CLUSTER_H

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/log.h"
#include "base/pki.h"
#include "node/shard/node.h"
#include "proto/object.h"
#include "tests/lib/onloop.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

enum { CLUSTER_NODES_MAX = 6, CLUSTER_WAIT_MS = 15000 };

#define UNUSED __attribute__((unused))
#define CLUSTER_ID "11111111-2222-3333-4444-555555555555"

struct member {
    struct node node;
    struct onloop front;
    struct node_member info;
    struct buf key;
    struct buf cert;
    const char *dir;
    bool up;
};

struct cluster {
    struct tmpdir tmp;
    struct buf ca_key;
    struct buf ca;
    struct member members[CLUSTER_NODES_MAX];
    size_t count;
    uint32_t shards;
    void (*tune)(struct node_config *config); /* may be NULL */
    uint32_t deadline_ms;                     /* of requests; 0: CLUSTER_WAIT_MS */
};

/* A port that is free now, and that the kernel gives to no outgoing connection later on. */
/* A hundred ports to each of the test programs that run side by side, below those that the kernel
 * hands out to connections. */
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

static UNUSED void member_create(struct cluster *c, size_t i, size_t founders)
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

/* nodes directories, of which the first `founders` found the cluster. */
static UNUSED void cluster_make(struct cluster *c, size_t nodes, size_t founders, uint32_t shards)
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

static UNUSED int member_start(struct cluster *c, size_t i, const struct node_hooks *hooks,
                               struct err *err)
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
        rc = node_attach(&m->node, &m->front.loop, err);
        m->up = true;
    }
    return rc;
}

static UNUSED void cluster_start(struct cluster *c, size_t i)
{
    struct err err;
    assert_ok(member_start(c, i, NULL, &err), &err);
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

/* clean: an orderly stop; else as if killed. */
static UNUSED void cluster_stop(struct cluster *c, size_t i, bool clean)
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

static UNUSED void cluster_end(struct cluster *c)
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

/* Who leads and serves the shard, or SIZE_MAX. */
static UNUSED size_t leader_of(struct cluster *c, uint32_t shard)
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

static UNUSED size_t await_leader(struct cluster *c, uint32_t shard)
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

static UNUSED size_t another(const struct cluster *c, size_t i)
{
    for (size_t k = 1; k < c->count; k++) {
        if (c->members[(i + k) % c->count].up) {
            return (i + k) % c->count;
        }
    }
    return i;
}

/* ---- requests that wait ---- */

struct sync {
    union {
        struct backend_submit submit;
        struct backend_get get;
        struct backend_list list;
    };
    struct member *member;
    uint32_t within_ms;
    int rc;
    struct err err;
    uint64_t version; /* of the write, the object, the list */
    char body[256];   /* of the object read */
    char names[4096]; /* of the objects listed: "ns/name@version " each */
    size_t rows;
};

static uint32_t within_ms(const struct cluster *c)
{
    return c->deadline_ms != 0 ? c->deadline_ms : (uint32_t)CLUSTER_WAIT_MS;
}

static void on_submitted(struct backend_submit *submit, int rc, const struct err *err)
{
    struct sync *s = CONTAINER_OF(submit, struct sync, submit);
    s->rc = rc;
    s->err = rc != 0 ? *err : (struct err){0};
    s->version = submit->version;
    onloop_done(&s->member->front);
}

static void do_submit(void *arg)
{
    struct sync *s = arg;
    struct backend *b = node_backend(&s->member->node);
    s->submit.deadline_ms = loop_now_ms(&s->member->front.loop) + s->within_ms;
    b->ops->submit(b, &s->submit);
}

struct write {
    enum backend_verb verb;
    const char *resource; /* NULL: configmaps */
    const char *ns;
    const char *name;
    const char *value;
    uint64_t if_version;
    const char *request_id; /* NULL: a new one */
    uint64_t issued_ms;     /* 0: now */
};

/* The outcome; *version may be NULL. */
static UNUSED int put(struct cluster *c, size_t i, struct write w, uint64_t *version)
{
    char body[512];
    char id[37];
    crypto_uuid(id);
    const char *resource = w.resource != NULL ? w.resource : "configmaps";
    (void)snprintf(body, sizeof(body),
                   "{\"apiVersion\":\"v1\",\"data\":{\"v\":\"%s\"},\"kind\":\"ConfigMap\","
                   "\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"u-%s\"}}",
                   w.value != NULL ? w.value : "", w.name, w.ns, w.name);
    uint8_t digest[SHA256_BYTES];
    crypto_sha256(slice_of(body), digest);
    struct err err;
    uint32_t splice = 0;
    assert_ok(object_splice(slice_of(body), &splice, &err), &err);
    struct sync s = {.member = &c->members[i], .within_ms = within_ms(c)};
    s.submit = (struct backend_submit){
        .loop = &c->members[i].front.loop,
        .key = {slice_of(resource), slice_of(w.ns), slice_of(w.name)},
        .verb = w.verb,
        .body = slice_of(body),
        .splice = splice,
        .if_version = w.if_version,
        .client_made = true,
        .subject = SLICE("system:test"),
        .request_id = slice_of(w.request_id != NULL ? w.request_id : id),
        .issued_ms = w.issued_ms != 0 ? w.issued_ms : clock_system.wall_ms(&clock_system),
        .request_digest = slice_make(digest, sizeof(digest)),
        .audit = SLICE("{}"),
        .done = on_submitted,
    };
    onloop_post(&s.member->front, do_submit, &s);
    onloop_wait(&s.member->front, "a write");
    if (version != NULL) {
        *version = s.version;
    }
    if (s.rc != 0 && getenv("CHOREO_TEST_LOG") != NULL) {
        (void)fprintf(stderr, "put %s/%s: %s\n", w.ns, w.name, s.err.message);
    }
    return s.rc;
}

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct sync *s = CONTAINER_OF(get, struct sync, get);
    s->rc = rc;
    s->err = rc != 0 ? *err : (struct err){0};
    if (rc == 0) {
        s->version = get->object.version;
        struct slice v = {0};
        bool found = json_scan(get->object.body, &v, "data", "v", NULL);
        (void)snprintf(s->body, sizeof(s->body), "%.*s", found && v.len >= 2 ? (int)v.len - 2 : 0,
                       v.data + 1);
    }
    onloop_done(&s->member->front);
}

static void do_get(void *arg)
{
    struct sync *s = arg;
    struct backend *b = node_backend(&s->member->node);
    s->get.deadline_ms = loop_now_ms(&s->member->front.loop) + s->within_ms;
    b->ops->get(b, &s->get);
}

/* The object's data.v and version, in s. */
static UNUSED int get(struct cluster *c, size_t i, const char *ns, const char *name,
                      enum backend_consistency consistency, uint64_t version, struct sync *s)
{
    *s = (struct sync){.member = &c->members[i], .within_ms = within_ms(c)};
    s->get = (struct backend_get){.loop = &c->members[i].front.loop,
                                  .key = {SLICE("configmaps"), slice_of(ns), slice_of(name)},
                                  .consistency = consistency,
                                  .version = version,
                                  .done = on_got};
    onloop_post(&s->member->front, do_get, s);
    onloop_wait(&s->member->front, "a read");
    return s->rc;
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct sync *s = CONTAINER_OF(list, struct sync, list);
    size_t len = strlen(s->names);
    (void)snprintf(s->names + len, sizeof(s->names) - len, "%.*s/%.*s ", SLICE_ARG(object->key.ns),
                   SLICE_ARG(object->key.name));
    s->rows++;
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct sync *s = CONTAINER_OF(list, struct sync, list);
    s->rc = rc;
    s->err = rc != 0 ? *err : (struct err){0};
    s->version = list->read_version;
    onloop_done(&s->member->front);
}

static void do_list(void *arg)
{
    struct sync *s = arg;
    struct backend *b = node_backend(&s->member->node);
    s->list.deadline_ms = loop_now_ms(&s->member->front.loop) + s->within_ms;
    b->ops->list(b, &s->list);
}

/* ns "": all. */
static UNUSED int list(struct cluster *c, size_t i, const char *ns,
                       enum backend_consistency consistency, uint64_t version, struct sync *s)
{
    *s = (struct sync){.member = &c->members[i], .within_ms = within_ms(c)};
    s->list = (struct backend_list){.loop = &c->members[i].front.loop,
                                    .resource = SLICE("configmaps"),
                                    .ns = slice_of(ns),
                                    .consistency = consistency,
                                    .version = version,
                                    .limit = BACKEND_PAGE_ROWS_MAX,
                                    .row = on_row,
                                    .done = on_listed};
    onloop_post(&s->member->front, do_list, s);
    onloop_wait(&s->member->front, "a list");
    return s->rc;
}

/* ---- a watch that records ---- */

enum { SEEN_MAX = 8192 };

struct watching {
    struct backend_watch watch;
    struct member *member;
    char *ns;
    _Atomic size_t count;
    _Atomic uint64_t progress;
    _Atomic int ended; /* 0: no; else the code, -1 for 0 */
    uint64_t versions[SEEN_MAX];
    char names[SEEN_MAX][24];
};

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    struct watching *w = CONTAINER_OF(watch, struct watching, watch);
    size_t at = atomic_load(&w->count);
    if (at < SEEN_MAX) {
        w->versions[at] = object->version;
        (void)snprintf(w->names[at], sizeof(w->names[at]), "%c %.*s",
                       event == BACKEND_DELETED ? '-' : '+', SLICE_ARG(object->key.name));
        atomic_store(&w->count, at + 1);
    }
}

static void on_progress(struct backend_watch *watch, uint64_t version)
{
    struct watching *w = CONTAINER_OF(watch, struct watching, watch);
    atomic_store(&w->progress, version);
}

static void on_ended(struct backend_watch *watch, int rc, const struct err *err)
{
    (void)err;
    struct watching *w = CONTAINER_OF(watch, struct watching, watch);
    atomic_store(&w->ended, rc != 0 ? rc : -1);
}

static void do_watch(void *arg)
{
    struct watching *w = arg;
    struct backend *b = node_backend(&w->member->node);
    b->ops->watch_start(b, &w->watch);
}

static UNUSED struct watching *watch_start(struct cluster *c, size_t i, const char *ns,
                                           uint64_t since)
{
    struct watching *w = mem_zero(sizeof(*w));
    w->member = &c->members[i];
    w->ns = mem_strdup(ns);
    w->watch = (struct backend_watch){.loop = &w->member->front.loop,
                                      .resource = SLICE("configmaps"),
                                      .ns = slice_of(w->ns),
                                      .since = since,
                                      .on_event = on_event,
                                      .on_progress = on_progress,
                                      .ended = on_ended};
    onloop_call(&w->member->front, do_watch, w);
    return w;
}

static void do_watch_stop(void *arg)
{
    struct watching *w = arg;
    struct backend *b = node_backend(&w->member->node);
    b->ops->watch_stop(b, &w->watch);
}

static UNUSED void watch_free(struct watching *w)
{
    if (atomic_load(&w->ended) == 0) {
        onloop_call(&w->member->front, do_watch_stop, w);
        for (int i = 0; i < 500 && atomic_load(&w->ended) == 0; i++) {
            uv_sleep(10);
        }
    }
    assert_int_not_equal(atomic_load(&w->ended), 0);
    free(w->ns);
    free(w);
}

static UNUSED void await_count(const struct watching *w, size_t count)
{
    for (int i = 0; i < CLUSTER_WAIT_MS / 5 && atomic_load(&w->count) < count; i++) {
        uv_sleep(5);
    }
    assert_int_equal(atomic_load(&w->count), count);
}

#endif
