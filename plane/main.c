/* main.c: choreo-plane, a simulated Kubernetes cluster as a process.
 *
 *   main loop ...... signals
 *   front loops .... HTTPS, the Kubernetes door, faults, the admin endpoint
 *   control loop ... controllers that pretend that pods start
 *   writer loop .... the database (plane/backend)
 *
 * Start: database, control loop, servers; then "ready URL" on stdout. Stop (SIGTERM, SIGINT):
 * servers drain, loops leave the backend, the database is checkpointed and closed. A second signal
 * skips the waiting. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/args.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/signals.h"
#include "node/api/events_view.h"
#include "node/http/fronts.h"
#include "plane/admin.h"
#include "plane/kinds.h"
#include "plane/logs.h"
#include "render/expressions.h"

enum { LOOPS_MAX = 8, DRAIN_MS = 1000, TOKEN_FILE_MAX = 4096, CUT_TICK_MS = 250 };

struct program {
    /* from the command line */
    const char *name;
    const char *region;
    const char *dir;
    const char *listen;
    const char *cert;
    const char *key;
    const char *client_ca;
    const char *token_file;
    uint64_t ready_delay_ms;
    uint64_t latency_ms;
    uint64_t watch_life_ms;
    uint32_t error_percent;
    uint32_t pods;
    uint32_t loops;
    struct args_list never_ready;

    struct buf token;
    struct auth auth;
    struct tls *tls;
    struct kinds kinds;
    struct plane_backend backend;
    struct events_view events; /* over it, for the doors */
    struct plane_logs logs;
    struct record record;
    struct faults faults;
    struct controller controller;
    struct admin admin;
    struct api api;
    struct loop main;
    struct loop control;
    struct loop_msg control_stop;
    struct loop_timer cut_tick; /* on the control loop */
    uint64_t cut_at_ms;
    struct fronts fronts;
    struct stop_signals signals;
    int parts_left; /* the fronts and the control loop, while stopping */
    struct loop_msg control_gone;
};

/* ---- what the door asks ---- */

static void route(struct http_server *server, struct http_stream *stream)
{
    struct program *p = server->user;
    faults_route(&p->faults, &p->api, stream);
}

static void on_mutation(void *user, const struct plane_mutation *mutation)
{
    struct program *p = user;
    if (!slice_eq_cstr(mutation->subject, CONTROLLER_SUBJECT)) {
        record_add(&p->record, mutation);
    }
}

/* ---- starting ---- */

static int load_credentials(struct program *p, struct err *err)
{
    int rc = file_read(p->token_file, TOKEN_FILE_MAX, &p->token, err);
    if (rc != 0) {
        return err_wrap(err, "--token-file");
    }
    struct slice token = slice_trim(buf_slice(&p->token));
    if (token.len == 0) {
        return err_set(err, ERR_INVALID, "--token-file %s: it is empty", p->token_file);
    }
    char *text = slice_dup(token);
    buf_clear(&p->token);
    buf_add_cstr(&p->token, text);
    free(text);
    p->auth = (struct auth){.cluster = p->name, .static_token = buf_cstr(&p->token)};
    const struct tls_config config = {.server = true,
                                      .ca_file = p->client_ca,
                                      .cert_file = p->cert,
                                      .key_file = p->key,
                                      .peer =
                                          p->client_ca != NULL ? TLS_PEER_OPTIONAL : TLS_PEER_NONE,
                                      .alpn = http_alpn};
    return tls_new(&config, &p->tls, err);
}

static int start_backend(struct program *p, struct err *err)
{
    char path[4096];
    int rc = file_make_dir(p->dir, 0700, err);
    if (rc != 0) {
        return rc;
    }
    (void)snprintf(path, sizeof path, "%s/state.db", p->dir);
    const struct plane_backend_config config = {
        .path = mem_strdup(path), .on_mutation = on_mutation, .user = p};
    record_init(&p->record);
    return plane_backend_open(&p->backend, &config, err);
}

/* Watches live no longer than they are allowed to. */
static void on_cut_tick(struct loop_timer *timer)
{
    struct program *p = CONTAINER_OF(timer, struct program, cut_tick);
    uint64_t life = atomic_load(&p->admin.watch_life_ms);
    uint64_t now = loop_now_ms(&p->control);
    if (life == 0) {
        p->cut_at_ms = 0;
    } else if (p->cut_at_ms == 0) {
        p->cut_at_ms = now + life;
    } else if (now >= p->cut_at_ms) {
        p->cut_at_ms = now + life;
        plane_backend_cut_watches(&p->backend);
    }
}

static int start_control(struct program *p, struct err *err)
{
    const struct controller_config config = {
        .backend = &p->backend.backend, .ready_delay_ms = p->ready_delay_ms, .pods_max = p->pods};
    int rc = loop_init(&p->control, "control", err);
    rc = rc != 0 ? rc : plane_backend_attach(&p->backend, &p->control, err);
    if (rc != 0) {
        return rc;
    }
    controller_start(&p->controller, &p->control, &config);
    controller_set_never_ready(&p->controller, p->never_ready.items, p->never_ready.count);
    kinds_watch(&p->kinds, &p->api, &p->control);
    loop_timer_init(&p->control, &p->cut_tick, on_cut_tick);
    loop_timer_start(&p->cut_tick, CUT_TICK_MS, CUT_TICK_MS);
    return loop_start(&p->control, err);
}

static void prepare_api(struct program *p)
{
    kinds_init(&p->kinds);
    events_view_init(&p->events, &p->backend.backend);
    plane_logs_init(&p->logs, &p->backend.backend, NULL, &p->admin.ready_delay_ms);
    const struct api_config config = {.backend = &p->events.backend,
                                      .kinds = &p->kinds.board,
                                      .logs = &p->logs.source,
                                      .expressions = &expressions_cel,
                                      .auth = &p->auth,
                                      .collected = workload_is_one,
                                      .name = "choreo-plane",
                                      .user = p};
    api_init(&p->api, &config);
    p->admin = (struct admin){.api = &p->api,
                              .faults = &p->faults,
                              .backend = &p->backend,
                              .record = &p->record,
                              .controller = &p->controller,
                              .control = &p->control};
    atomic_store(&p->admin.watch_life_ms, p->watch_life_ms);
    atomic_store(&p->admin.ready_delay_ms, p->ready_delay_ms);
    atomic_store(&p->faults.latency_ms, (unsigned)p->latency_ms);
    atomic_store(&p->faults.error_per_mille, p->error_percent * 10);
    atomic_store(&p->faults.error_codes, FAULT_429 | FAULT_500 | FAULT_409);
    admin_routes(&p->admin);
}

static int attach_front(void *user, struct loop *loop, struct err *err)
{
    struct program *p = user;
    return plane_backend_attach(&p->backend, loop, err);
}

static void detach_front(void *user, struct loop *loop, void (*detached)(void *arg), void *arg)
{
    struct program *p = user;
    plane_backend_detach(&p->backend, loop, detached, arg);
}

/* The address that clients use: the port is known once it is listened on. */
static void say_ready(struct program *p)
{
    char address[300];
    const char *colon = strrchr(p->listen, ':');
    (void)snprintf(address, sizeof address, "%.*s:%u", (int)(colon - p->listen), p->listen,
                   fronts_port(&p->fronts));
    log_info("plane.ready", "name=%s region=%s address=%s", p->name, p->region, address);
    (void)printf("ready https://%s\n", address);
    (void)fflush(stdout);
}

static int start_fronts(struct program *p, struct err *err)
{
    const struct fronts_config config = {.home = &p->main,
                                         .count = p->loops,
                                         .tls = p->tls,
                                         .address = p->listen,
                                         .user = p,
                                         .attach = attach_front,
                                         .detach = detach_front,
                                         .route = route};
    int rc = fronts_start(&p->fronts, &config, err);
    if (rc == 0) {
        say_ready(p);
    }
    return rc;
}

/* ---- stopping ---- */

static void part_gone(struct program *p)
{
    if (--p->parts_left == 0) {
        stop_signals_close(&p->signals);
        loop_stop(&p->main);
    }
}

static void fronts_closed(struct fronts *fronts)
{
    part_gone(CONTAINER_OF(fronts, struct program, fronts));
}

static void control_gone(struct loop_msg *msg)
{
    part_gone(CONTAINER_OF(msg, struct program, control_gone));
}

static void control_detached(void *user)
{
    struct program *p = user;
    loop_stop(&p->control);
    p->control_gone.run = control_gone;
    loop_post(&p->main, &p->control_gone);
}

static void kinds_closed(struct kinds *kinds)
{
    struct program *p = CONTAINER_OF(kinds, struct program, kinds);
    plane_backend_detach(&p->backend, &p->control, control_detached, p);
}

static void controller_closed(struct controller *c)
{
    struct program *p = CONTAINER_OF(c, struct program, controller);
    loop_timer_close(&p->cut_tick, NULL);
    kinds_close(&p->kinds, kinds_closed);
}

static void stop_control(struct loop_msg *msg)
{
    struct program *p = CONTAINER_OF(msg, struct program, control_stop);
    controller_close(&p->controller, controller_closed);
}

static void on_stop_signal(struct stop_signals *signals, int signal, bool again)
{
    struct program *p = CONTAINER_OF(signals, struct program, signals);
    if (again) {
        _exit(1);
    }
    log_info("plane.stop", "signal=%d", signal);
    p->parts_left = 2;
    fronts_close(&p->fronts, DRAIN_MS, fronts_closed);
    p->control_stop.run = stop_control;
    loop_post(&p->control, &p->control_stop);
}

/* ---- the process ---- */

static const char help[] =
    "usage: choreo-plane --dir DIR --cert FILE --key FILE --token-file FILE [OPTION...]\n"
    "\n"
    "A simulated Kubernetes cluster: the real API (discovery, server-side apply, watch) over "
    "HTTPS,\n"
    "with controllers that pretend that pods start. Prints \"ready URL\" once it answers.\n"
    "\n"
    "  --name NAME           of the cluster; default: plane\n"
    "  --region REGION       where it pretends to be; default: local\n"
    "  --dir DIR             where its database lives\n"
    "  --listen HOST:PORT    default: 127.0.0.1:0, a port that the kernel chooses\n"
    "  --cert FILE           certificate chain, PEM\n"
    "  --key FILE            its key, PEM\n"
    "  --token-file FILE     holds the administrator's bearer token\n"
    "  --client-ca FILE      also take client certificates of this CA\n"
    "  --loops N             threads that serve, 1 to 8; default: 1\n"
    "  --ready-delay TIME    until a workload is ready; default: 1s\n"
    "  --pods N              Pods shown per workload, 0 to 50; default: 2\n"
    "Faults (also at run time: PUT /plane/faults):\n"
    "  --never-ready PATTERN images that cannot be pulled, like '*broken*'; may be repeated\n"
    "  --latency TIME        before every answer\n"
    "  --error-rate PERCENT  of the requests end with 429, 500 or 409\n"
    "  --watch-life TIME     watches are cut after it\n"
    "\n"
    "Exit codes: 0 stopped, 1 failed, 2 wrong usage.\n";

static int parse(struct program *p, int argc, char **argv, bool *asked_help, struct err *err)
{
    const struct args_option options[] = {
        {"name", 0, ARGS_STRING, &p->name, 0, 0},
        {"region", 0, ARGS_STRING, &p->region, 0, 0},
        {"dir", 0, ARGS_STRING, &p->dir, 0, 0},
        {"listen", 0, ARGS_STRING, &p->listen, 0, 0},
        {"cert", 0, ARGS_STRING, &p->cert, 0, 0},
        {"key", 0, ARGS_STRING, &p->key, 0, 0},
        {"token-file", 0, ARGS_STRING, &p->token_file, 0, 0},
        {"client-ca", 0, ARGS_STRING, &p->client_ca, 0, 0},
        {"loops", 0, ARGS_COUNT, &p->loops, 1, LOOPS_MAX},
        {"ready-delay", 0, ARGS_DURATION, &p->ready_delay_ms, 0, 0},
        {"pods", 0, ARGS_COUNT, &p->pods, 0, WORKLOAD_PODS_MAX},
        {"never-ready", 0, ARGS_LIST, &p->never_ready, 0, 0},
        {"latency", 0, ARGS_DURATION, &p->latency_ms, 0, 0},
        {"error-rate", 0, ARGS_COUNT, &p->error_percent, 0, 100},
        {"watch-life", 0, ARGS_DURATION, &p->watch_life_ms, 0, 0},
    };
    struct args_list rest = {0};
    int rc =
        args_parse(argc, argv, options, sizeof options / sizeof options[0], &rest, asked_help, err);
    if (rc != 0 || *asked_help) {
        return rc;
    }
    if (rest.count > 0) {
        return err_set(err, ERR_INVALID, "\"%s\": takes options only", rest.items[0]);
    }
    if (p->dir == NULL || p->cert == NULL || p->key == NULL || p->token_file == NULL) {
        return err_set(err, ERR_INVALID, "--dir, --cert, --key and --token-file are required");
    }
    return 0;
}

static int start(struct program *p, struct err *err)
{
    int rc = load_credentials(p, err);
    rc = rc != 0 ? rc : loop_init(&p->main, "main", err);
    rc = rc != 0 ? rc : start_backend(p, err);
    if (rc != 0) {
        return rc;
    }
    stop_signals_init(&p->signals, &p->main, on_stop_signal);
    prepare_api(p);
    rc = start_control(p, err);
    return rc != 0 ? rc : start_fronts(p, err);
}

static void close_all(struct program *p)
{
    fronts_join(&p->fronts);
    loop_join(&p->control);
    free((void *)(uintptr_t)p->backend.config.path);
    plane_backend_close(&p->backend);
    loop_join(&p->main);
    api_free(&p->api);
    kinds_free(&p->kinds);
    record_free(&p->record);
    tls_unref(p->tls);
    buf_free(&p->token);
}

int main(int argc, char **argv)
{
    static struct program program = {.name = "plane",
                                     .region = "local",
                                     .listen = "127.0.0.1:0",
                                     .ready_delay_ms = 1000,
                                     .pods = 2,
                                     .loops = 1};
    struct err err = {0};
    bool asked_help = false;
    /* A client that goes away is an error of a write, not a signal. */
    (void)signal(SIGPIPE, SIG_IGN);
    fault_from_environment();
    if (parse(&program, argc, argv, &asked_help, &err) != 0) {
        (void)fprintf(stderr, "choreo-plane: %s; --help tells more\n", err.message);
        return 2;
    }
    if (asked_help) {
        (void)fputs(help, stdout);
        return 0;
    }
    if (start(&program, &err) != 0) {
        (void)fprintf(stderr, "choreo-plane: %s\n", err.message);
        (void)fflush(stderr);
        _exit(err_exit_code(err.code)); /* threads may run already; nothing was acknowledged */
    }
    loop_run(&program.main);
    close_all(&program);
    return 0;
}
