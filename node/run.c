/* run.c: `choreod run`, the node as a process: puts the parts together and takes them apart.
 *
 *   main loop ......... signals, joining, the order of things
 *   front loops ....... one HTTP server each on the shared port; doors; the backend's front side;
 *                       the first follows the definitions of custom kinds, too
 *   reconcile loop .... the engine and the collector (reconciler.h)
 *   node's own loops .. consensus, log, shards (node/shard)
 *
 * Start: configuration, identity, keys, node (its log and databases are checked here), then
 * reconciler and servers. Everything that can be wrong is found before the first request is taken;
 * it is one line on stderr and an exit code. Stop (SIGTERM, SIGINT): servers drain for some
 * seconds, the reconciler gives up its shards, then the node hands its leaderships over, syncs and
 * marks its log. A second signal skips the waiting. A lost disk or a damaged database ends the
 * process at once (node_config.fatal, db_on_damage): what is acknowledged lies elsewhere. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/log.h"
#include "base/pki.h"
#include "base/signals.h"
#include "node/api/api.h"
#include "node/api/definitions.h"
#include "node/api/events_view.h"
#include "node/api/grpc/door.h"
#include "node/api/hooks/alerts.h"
#include "node/api/hooks/hooks.h"
#include "node/api/namespaces.h"
#include "node/cluster.h"
#include "node/cluster_service.h"
#include "node/commands.h"
#include "node/config.h"
#include "node/http/fronts.h"
#include "node/join.h"
#include "node/logs.h"
#include "node/reconciler.h"
#include "node/setup.h"
#include "render/check.h"
#include "render/expressions.h"
#include "store/db.h"

enum { DRAIN_MS = 3000, PEM_BYTES_MAX = 1 << 20, READY_TICK_MS = 100 };

struct run {
    struct config config;
    struct node_identity identity;
    struct credentials credentials;
    struct auth auth;
    struct kind_registry kinds; /* the built-in ones */
    struct kind_board board;
    struct definitions definitions;
    struct { /* the first front's loop, and how it goes once the definitions are closed */
        struct loop *loop;
        void (*detached)(void *arg);
        void *arg;
    } defining;
    struct tls *tls;
    struct node node;
    struct cluster cluster;
    struct grpc_service cluster_service;
    struct grpc grpc;
    struct namespaces namespaces;
    struct quota quota;        /* of subjects */
    struct quota strangers;    /* of who has no credentials */
    struct events_view events; /* over the namespaces */
    struct api api;
    struct hooks hooks;
    struct logs logs;
    struct fronts fronts;
    struct reconciler reconciler;
    struct loop main;
    struct join join;
    struct stop_signals signals;
    struct loop_timer ready_tick;
    int parts_left; /* the fronts and the reconciler, while stopping */
};

/* ---- what the doors ask of us ---- */

static int check_shards(struct api *api, void *user, struct err *err)
{
    (void)api;
    struct run *r = user;
    return cluster_check_ready(&r->node, err);
}

/* The board is the process's: node/shard asks from any of its threads. */
static struct kind_board *process_kinds;

static bool cluster_scoped(struct slice resource)
{
    const struct kind_set *set = kind_board_get(process_kinds);
    const struct kind *kind = kind_by_resource(&set->registry, resource);
    bool scoped = kind == NULL || !kind->namespaced;
    kind_set_unref(set);
    return scoped;
}

static bool leads_definitions(void *user)
{
    return node_confirmed_age_ms(user, 0) != UINT64_MAX;
}

static void on_fatal(const struct err *err)
{
    _exit(err_exit_code(err->code));
}

/* The process's, for what store/ tells of no node in particular. */
static struct node *process_node;

static void on_damage(const struct err *err)
{
    node_fail(process_node, err);
    for (;;) {
        (void)pause(); /* another thread is ending us; this one must not go on with what it read */
    }
}

static void route(struct http_server *server, struct http_stream *stream)
{
    struct run *r = server->user;
    api_accept(&r->api, stream);
}

/* ---- starting ---- */

static int load(struct run *r, const char *file, struct err *err)
{
    int rc = config_load(&r->config, file, err);
    if (rc != 0) {
        return rc;
    }
    log_setup(r->config.log_level, r->config.log_format);
    rc = node_load(r->config.data_dir, &r->identity, err);
    if (rc == ERR_NOT_FOUND) {
        return err_set(err, ERR_INVALID,
                       "%s holds no node: `choreod init` or `choreod join` makes one",
                       r->config.data_dir);
    }
    return rc != 0 ? rc : credentials_load(&r->credentials, r->config.data_dir, err);
}

static int load_tls(struct run *r, struct err *err)
{
    const struct config *c = &r->config;
    struct tls_config config = {.server = true,
                                .ca_pem = buf_slice(&r->credentials.ca_cert),
                                .peer = TLS_PEER_OPTIONAL,
                                .alpn = http_alpn};
    if (c->api_cert_file != NULL) {
        config.cert_file = c->api_cert_file;
        config.key_file = c->api_key_file;
    } else {
        config.cert_pem = buf_slice(&r->credentials.node_cert);
        config.key_pem = buf_slice(&r->credentials.node_key);
    }
    return tls_new(&config, &r->tls, err);
}

static int start_node(struct run *r, struct err *err)
{
    const struct node_config config = {.dir = r->config.data_dir,
                                       .peer_listen = r->config.peer_listen,
                                       .ca_pem = buf_slice(&r->credentials.ca_cert),
                                       .cert_pem = buf_slice(&r->credentials.node_cert),
                                       .key_pem = buf_slice(&r->credentials.node_key),
                                       .shard_loops = r->config.shard_loops,
                                       .history_ms = r->config.history_ms,
                                       .event_ttl_ms = r->config.event_ttl_ms,
                                       .hooks = r->config.reconcile ? &r->reconciler.hooks : NULL,
                                       .cluster_scoped = cluster_scoped,
                                       .fatal = on_fatal};
    int rc = node_start(&r->node, &config, err);
    if (rc == 0) {
        process_node = &r->node;
        db_on_damage(on_damage); /* until here, the start itself tells of it */
    }
    return rc;
}

static int start_reconciler(struct run *r, struct err *err)
{
    const struct reconciler_config config = {.node = &r->node,
                                             .backend = &r->events.backend,
                                             .kinds = &r->board,
                                             .cluster_requests_per_second =
                                                 r->config.cluster_requests_per_second,
                                             .allow_local_sources = r->config.allow_local_sources};
    /* A cluster is as old as its CA; that of a certificate we cannot read is not worth failing. */
    uint64_t since_ms = 0;
    (void)pki_cert_since(buf_slice(&r->credentials.ca_cert), &since_ms, NULL);
    namespaces_init(&r->namespaces, node_backend(&r->node), &r->kinds, since_ms);
    events_view_init(&r->events, &r->namespaces.backend);
    return r->config.reconcile ? reconciler_start(&r->reconciler, &config, err) : 0;
}

/* Ours sees to objects of all resources. */
static bool everything(struct slice resource)
{
    (void)resource;
    return true;
}

static void prepare_api(struct run *r)
{
    const struct quota_limits limits = {
        .per_second = r->config.subject_rate,
        .most = {[QUOTA_REQUESTS] = r->config.subject_requests,
                 [QUOTA_WATCHES] = r->config.subject_watches},
        .bytes = (uint64_t)r->config.subject_megabytes << 20,
    };
    /* Health checks and the first steps of a join: little, and never the others' share. */
    static const struct quota_limits few = {
        .per_second = 200,
        .most = {[QUOTA_REQUESTS] = 20, [QUOTA_WATCHES] = 20},
        .bytes = 1 << 20,
    };
    quota_init(&r->quota, "", &limits);
    quota_init(&r->strangers, "callers=\"anonymous\"", &few);
    logs_init(&r->logs, &r->events.backend, &r->board, r->config.allow_local_sources);
    const struct api_config config = {.backend = &r->events.backend,
                                      .kinds = &r->board,
                                      .logs = &r->logs.source,
                                      .expressions = &expressions_cel,
                                      .auth = &r->auth,
                                      .validate = check_object,
                                      .quota = &r->quota,
                                      .strangers = &r->strangers,
                                      .collected = r->config.reconcile ? everything : NULL,
                                      .name = "choreod",
                                      .grpc = grpc_accept,
                                      .grpc_user = &r->grpc,
                                      .user = r};
    api_init(&r->api, &config);
    r->cluster = (struct cluster){.node = &r->node, .credentials = &r->credentials};
    cluster_routes(&r->cluster, &r->api);
    hooks_init(&r->hooks, &r->api);
    alerts_init(&r->api);
    cluster_service_init(&r->cluster_service, &r->cluster);
    grpc_init(&r->grpc);
    grpc_add(&r->grpc, &grpc_resource_service);
    grpc_add(&r->grpc, &grpc_log_service);
    grpc_add(&r->grpc, &r->cluster_service);
    grpc_add(&r->grpc, &grpc_health_service);
    grpc_add(&r->grpc, &grpc_reflection_service);
    grpc_add(&r->grpc, &grpc_reflection_alpha_service);
    const struct api_check shards = {.name = "shards", .check = check_shards, .user = r};
    api_add_check(&r->api, &shards);
    /* Every node derives the same key, so that a list begun on one can go on on another. */
    struct buf jwk = {0};
    uint8_t key[SHA256_BYTES];
    token_key_save(r->credentials.token_key, &jwk);
    crypto_hmac_sha256(buf_slice(&jwk), SLICE("continue tokens"), key);
    api_set_token_key(&r->api, key);
    buf_free(&jwk);
}

static int attach_front(void *user, struct loop *loop, struct err *err)
{
    struct run *r = user;
    int rc = node_attach(&r->node, loop, err);
    if (rc == 0 && r->defining.loop == NULL) {
        const struct definitions_config definitions = {
            .api = &r->api, .loop = loop, .leads = leads_definitions, .user = &r->node};
        r->defining.loop = loop;
        definitions_start(&r->definitions, &definitions);
    }
    return rc;
}

static void definitions_closed(struct definitions *d)
{
    struct run *r = CONTAINER_OF(d, struct run, definitions);
    node_detach(&r->node, r->defining.loop, r->defining.detached, r->defining.arg);
}

static void detach_front(void *user, struct loop *loop, void (*detached)(void *arg), void *arg)
{
    struct run *r = user;
    if (loop == r->defining.loop) {
        r->defining.detached = detached;
        r->defining.arg = arg;
        definitions_close(&r->definitions, definitions_closed);
        return;
    }
    node_detach(&r->node, loop, detached, arg);
}

static int start_fronts(struct run *r, struct err *err)
{
    const struct fronts_config config = {
        .home = &r->main,
        .count = r->config.api_loops,
        .tls = r->tls,
        .address = r->config.api_listen != NULL ? r->config.api_listen : r->identity.self.api,
        .user = r,
        .attach = attach_front,
        .detach = detach_front,
        .route = route,
        .limits = {.connections = r->config.api_connections},
    };
    prepare_api(r);
    int rc = fronts_start(&r->fronts, &config, err);
    if (rc == 0) {
        log_info("api.listen", "address=%s loops=%u", log_q(config.address), config.count);
    }
    return rc;
}

/* ---- stopping ---- */

static void end_main(struct join *join)
{
    struct run *r = CONTAINER_OF(join, struct run, join);
    stop_signals_close(&r->signals);
    loop_timer_close(&r->ready_tick, NULL);
    loop_stop(&r->main);
}

static void part_gone(struct run *r)
{
    if (--r->parts_left == 0) {
        join_close(&r->join, end_main);
    }
}

static void fronts_closed(struct fronts *fronts)
{
    part_gone(CONTAINER_OF(fronts, struct run, fronts));
}

static void reconciler_stopped(struct reconciler *reconciler)
{
    part_gone(CONTAINER_OF(reconciler, struct run, reconciler));
}

static void on_stop_signal(struct stop_signals *signals, int signal, bool again)
{
    struct run *r = CONTAINER_OF(signals, struct run, signals);
    if (again) {
        log_warn("node.stop", "signal=%d again=true", signal);
        _exit(1);
    }
    log_info("node.stop", "signal=%d", signal);
    (void)sd_notify(0, "STOPPING=1");
    r->parts_left = 1;
    fronts_close(&r->fronts, DRAIN_MS, fronts_closed);
    if (r->config.reconcile) {
        r->parts_left++;
        reconciler_stop(&r->reconciler, &r->main, reconciler_stopped);
    }
}

/* ---- the process ---- */

static void on_ready_tick(struct loop_timer *timer)
{
    struct run *r = CONTAINER_OF(timer, struct run, ready_tick);
    struct err err;
    if (cluster_check_ready(&r->node, &err) == 0) {
        loop_timer_stop(timer);
        log_info("node.ready", "node=%s region=%s", r->identity.self.name, r->identity.self.region);
        (void)sd_notify(0, "READY=1");
        heap_trim(); /* what starting took */
    }
}

static int start_main(struct run *r, struct err *err)
{
    stop_signals_init(&r->signals, &r->main, on_stop_signal);
    loop_timer_init(&r->main, &r->ready_tick, on_ready_tick);
    loop_timer_start(&r->ready_tick, 0, READY_TICK_MS);
    return join_start(&r->join, &r->main, &r->node, r->config.data_dir, &r->credentials, err);
}

static void close_all(struct run *r)
{
    fronts_join(&r->fronts);
    reconciler_join(&r->reconciler);
    node_stop(&r->node);
    api_free(&r->api);
    quota_free(&r->quota);
    quota_free(&r->strangers);
    hooks_free(&r->hooks);
    logs_free(&r->logs);
    namespaces_free(&r->namespaces);
    loop_join(&r->main);
    tls_unref(r->tls);
    kind_board_free(&r->board);
    kind_registry_free(&r->kinds);
    credentials_free(&r->credentials);
    config_free(&r->config);
}

static int start(struct run *r, const char *file, struct err *err)
{
    int rc = load(r, file, err);
    rc = rc != 0 ? rc : load_tls(r, err);
    rc = rc != 0 ? rc : loop_init(&r->main, "main", err);
    rc = rc != 0 ? rc : reconciler_init(&r->reconciler, err);
    if (rc != 0) {
        return rc;
    }
    r->auth = (struct auth){.cluster = r->identity.cluster, .token_key = r->credentials.token_key};
    kind_registry_init(&r->kinds);
    kind_registry_builtin(&r->kinds);
    kind_board_init(&r->board, &r->kinds);
    process_kinds = &r->board;
    log_info("node.start", "version=%s node=%s cluster=%s shards=%u", CHOREO_VERSION,
             r->identity.self.name, r->identity.cluster, r->identity.shards);
    rc = start_node(r, err);
    rc = rc != 0 ? rc : start_reconciler(r, err);
    rc = rc != 0 ? rc : start_fronts(r, err);
    return rc != 0 ? rc : start_main(r, err);
}

static const char help[] =
    "usage: choreod run --config FILE\n"
    "       choreod run --dir DIR      the same as --config DIR/choreod.yaml\n"
    "\n"
    "Runs the node that `choreod init` or `choreod join` made, until SIGTERM or SIGINT: requests "
    "end,\n"
    "leaderships are handed over. A second signal ends it at once. Logs to stderr. Every key of "
    "FILE\n"
    "is documented in deploy/choreod.yaml.\n"
    "\n"
    "Exit codes: 0 stopped, 1 failed (the disk, the network), 2 wrong configuration.\n";

int command_run(int argc, char **argv)
{
    static struct run r; /* large */
    const char *file = NULL;
    const char *dir = NULL;
    char path[PATH_MAX];
    const struct args_option options[] = {{"config", 0, ARGS_STRING, &file, 0, 0},
                                          {"dir", 0, ARGS_STRING, &dir, 0, 0}};
    struct args_list rest;
    struct err err = {0};
    int code;
    if (!command_options(argc, argv, options, 2, help, &rest, &code)) {
        return code;
    }
    if ((file == NULL) == (dir == NULL) || rest.count > 0) {
        (void)err_set(&err, ERR_INVALID, "one of --config and --dir is required");
        return command_fail("run", &err);
    }
    if (file == NULL) {
        (void)snprintf(path, sizeof path, "%s/choreod.yaml", dir);
        file = path;
    }
    if (start(&r, file, &err) != 0) {
        /* Threads may run already; the process is what ends them. Nothing was acknowledged yet. */
        code = command_fail("run", &err);
        (void)fflush(stderr);
        _exit(code);
    }
    loop_run(&r.main);
    close_all(&r);
    log_info("node.stopped", "exit=0");
    return 0;
}
