/* reconciler.c: the node's hooks, told to the engine and to the collector.
 *
 * Stop: both parts give up what they have under way, then the loop leaves the backend. */
#include "node/reconciler.h"

static uint64_t confirmed_age(void *user, uint32_t shard)
{
    return node_confirmed_age_ms(user, shard);
}

static uint32_t shard_of(void *user, struct slice ns)
{
    return node_shard_of(user, ns);
}

static const char *database_of(void *user, uint32_t shard)
{
    return node_shard_database(user, shard);
}

/* ---- hooks ---- */

static void on_lead(void *user, uint32_t shard, uint64_t term, uint64_t incarnation, uint64_t index)
{
    struct reconciler *r = user;
    engine_on_lead(&r->engine, shard, term, incarnation, index);
    collector_on_lead(&r->collector, shard, term, incarnation, index);
}

static void on_unlead(void *user, uint32_t shard)
{
    struct reconciler *r = user;
    engine_on_unlead(&r->engine, shard);
    collector_on_unlead(&r->collector, shard);
}

static void on_change(void *user, uint32_t shard, uint64_t version)
{
    struct reconciler *r = user;
    engine_on_change(&r->engine, shard, version);
    collector_on_change(&r->collector, shard, version);
}

static void on_reset(void *user, uint32_t shard)
{
    struct reconciler *r = user;
    engine_on_reset(&r->engine, shard);
    collector_on_reset(&r->collector, shard);
}

/* ---- start and stop ---- */

int reconciler_init(struct reconciler *r, struct err *err)
{
    r->hooks = (struct node_hooks){.loop = &r->loop,
                                   .user = r,
                                   .on_lead = on_lead,
                                   .on_unlead = on_unlead,
                                   .on_change = on_change,
                                   .on_reset = on_reset};
    return loop_init(&r->loop, "reconcile", err);
}

int reconciler_start(struct reconciler *r, const struct reconciler_config *config, struct err *err)
{
    const struct node_identity *identity = node_identity(config->node);
    const struct engine_config engine = {.loop = &r->loop,
                                         .backend = node_backend(config->node),
                                         .kinds = config->kinds,
                                         .cluster = identity->cluster,
                                         .shard_count = identity->shards,
                                         .election_timeout_ms = identity->election_timeout_ms,
                                         .cluster_requests_per_second =
                                             config->cluster_requests_per_second,
                                         .allow_local_sources = config->allow_local_sources,
                                         .user = config->node,
                                         .confirmed_age_ms = confirmed_age,
                                         .shard_of = shard_of,
                                         .database = database_of};
    const struct collector_config collector = {.loop = &r->loop,
                                               .backend = config->backend,
                                               .kinds = config->kinds,
                                               .shard_count = identity->shards,
                                               .user = config->node,
                                               .shard_of = shard_of,
                                               .database = database_of};
    r->node = config->node;
    int rc = node_attach(config->node, &r->loop, err);
    rc = rc != 0 ? rc : engine_start(&r->engine, &engine, err);
    if (rc != 0) {
        return rc;
    }
    collector_start(&r->collector, &collector);
    return loop_start(&r->loop, err);
}

static void say_gone(struct loop_msg *msg)
{
    struct reconciler *r = CONTAINER_OF(msg, struct reconciler, gone);
    r->stopped(r);
}

static void detached(void *user)
{
    struct reconciler *r = user;
    loop_stop(&r->loop);
    r->gone.run = say_gone;
    loop_post(r->home, &r->gone);
}

static void part_stopped(struct reconciler *r)
{
    if (--r->parts == 0) {
        node_detach(r->node, &r->loop, detached, r);
    }
}

static void engine_stopped(struct engine *engine)
{
    part_stopped(CONTAINER_OF(engine, struct reconciler, engine));
}

static void collector_stopped(struct collector *collector)
{
    part_stopped(CONTAINER_OF(collector, struct reconciler, collector));
}

static void stop(struct loop_msg *msg)
{
    struct reconciler *r = CONTAINER_OF(msg, struct reconciler, stop);
    r->parts = 2;
    collector_stop(&r->collector, collector_stopped);
    engine_stop(&r->engine, engine_stopped);
}

void reconciler_stop(struct reconciler *r, struct loop *home, void (*stopped)(struct reconciler *r))
{
    r->home = home;
    r->stopped = stopped;
    r->stop.run = stop;
    loop_post(&r->loop, &r->stop);
}

void reconciler_join(struct reconciler *r)
{
    loop_join(&r->loop);
}
