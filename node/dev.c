/* dev.c: `choreod dev`, a whole cluster on one machine: real nodes, simulated Kubernetes clusters,
 * each a process that can be killed for real.
 *
 *   STARTING -- all answer /readyz --> CONNECTING -- credentials applied --> READY
 *       \______________\________ signal, or a failure ______/                  |
 *                                v                                             |
 *                        STOPPING_NODES <-------- signal ---------------------'
 *                                | all nodes gone
 *                        STOPPING_PLANES -- all gone --> exit
 *
 * Happy path: dev_setup() makes or finds the directory; planes and nodes start together; a tick
 * asks those that are not ready yet; dev.json is written, `ready` printed.
 * Failure path: a child that dies while STARTING ends the start, with the last lines of its log;
 * one that dies when READY is reported and left dead (that is what a kill test wants) unless
 * --supervise. Whoever does not end within 10 s of SIGTERM is killed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/list.h"
#include "node/commands.h"
#include "node/dev_internal.h"

enum {
    TICK_MS = 50,
    PROBE_TIMEOUT_MS = 2000,
    STOP_LIMIT_MS = 10 * 1000,
    RESTART_DELAY_MS = 500,
    LOG_TAIL_BYTES = 2000,
};

static const struct sm_state states[] = {
    [DEV_STARTING] = {"starting", SM_TO(DEV_CONNECTING) | SM_TO(DEV_STOPPING_NODES)},
    [DEV_CONNECTING] = {"connecting", SM_TO(DEV_READY) | SM_TO(DEV_STOPPING_NODES)},
    [DEV_READY] = {"ready", SM_TO(DEV_STOPPING_NODES)},
    [DEV_STOPPING_NODES] = {"stopping nodes", SM_TO(DEV_STOPPING_PLANES)},
    [DEV_STOPPING_PLANES] = {"stopping clusters", 0},
};

static const char help[] =
    "usage: choreod dev [OPTION...]\n"
    "       choreod dev restart NAME [--dir DIR]\n"
    "\n"
    "Runs a whole cluster on this machine until Ctrl-C: nodes in made-up regions, and simulated\n"
    "Kubernetes clusters for them to drive. Each is a process of its own; kill one and watch.\n"
    "State lives in DIR, and a later start with the same DIR goes on where this one ended.\n"
    "`restart NAME` starts a node or a simulated cluster again that has died.\n"
    "\n"
    "  --dir DIR         default: ./.choreod\n"
    "  --nodes N         control-plane nodes, 1 to 5; default: 3\n"
    "  --shards N        shards, 1 to 64; default: 4\n"
    "  --planes LIST     simulated clusters, [PLANE/]CLUSTER[:REGION],...; default: the samples'\n"
    "  --base-port PORT  node-1 listens on PORT (API) and PORT+1 (peers), node-2 on PORT+10 and\n"
    "                    PORT+11, and so on; clusters on the ports after the last node's ten;\n"
    "                    default: 7443\n"
    "  --supervise       start children again that die\n"
    "\n"
    "When all answers, it writes DIR/dev.json (who, where, pid, kubeconfig, token, CA) and prints\n"
    "`ready` on standard output. What the children say is in DIR/log/. Then, in the same folder:\n"
    "\n"
    "  choreo status                                  finds ./.choreod/choreo.yaml by itself\n"
    "  kubectl --kubeconfig .choreod/kubeconfig get components -A\n"
    "  choreo apply -f deploy/samples                 something to look at\n";

static void begin_stop(struct dev *d, int exit_code);

/* ---- children ---- */

static void print_log_tail(const struct dev_child *c)
{
    char path[DEV_PATH_MAX + NODE_NAME_MAX + 16];
    struct buf text = {0};
    (void)snprintf(path, sizeof path, "%s/log/%s.log", c->dev->dir, c->name);
    if (file_read(path, SIZE_MAX / 2, &text, NULL) == 0) {
        struct slice tail = buf_slice(&text);
        if (tail.len > LOG_TAIL_BYTES) {
            tail = slice_sub(tail, tail.len - LOG_TAIL_BYTES, SIZE_MAX);
        }
        (void)fprintf(stderr, "--- the end of %s:\n%.*s\n", path, SLICE_ARG(tail));
    }
    buf_free(&text);
}

static const char *how_it_ended(int64_t status, int signal, char *out, size_t size)
{
    if (signal != 0) {
        (void)snprintf(out, size, "was ended by signal %d (%s)", signal, strsignal(signal));
    } else {
        (void)snprintf(out, size, "exited with code %lld", (long long)status);
    }
    return out;
}

void dev_child_exited(struct dev_child *c, int64_t status, int signal)
{
    struct dev *d = c->dev;
    char how[96];
    if (c->probing) {
        fetch_cancel(&c->probe);
    }
    dev_control_ready(d, c, ERR_UNAVAILABLE);
    if (d->sm.state == DEV_STOPPING_NODES || d->sm.state == DEV_STOPPING_PLANES) {
        return;
    }
    (void)fprintf(stderr, "choreod dev: %s %s\n", c->name,
                  how_it_ended(status, signal, how, sizeof how));
    if (d->sm.state != DEV_READY) {
        print_log_tail(c);
        begin_stop(d, 1);
    } else if (d->supervise) {
        c->restart_at_ms = loop_now_ms(&d->loop) + RESTART_DELAY_MS;
    } else {
        (void)fprintf(stderr, "  start it again: choreod dev restart %s --dir %s\n", c->name,
                      d->dir);
    }
}

int dev_restart(struct dev *d, const char *name, struct dev_child **child, struct err *err)
{
    for (size_t i = 0; i < d->child_count; i++) {
        struct dev_child *c = &d->children[i];
        if (strcmp(c->name, name) != 0) {
            continue;
        }
        if (d->sm.state != DEV_READY) {
            return err_set(err, ERR_UNAVAILABLE, "the cluster is %s", sm_name(&d->sm));
        }
        if (c->running || c->spawned) {
            return err_set(err, ERR_EXISTS, "%s runs already, as process %d", name, c->process.pid);
        }
        *child = c;
        c->restart_at_ms = 0;
        return dev_child_start(c, err);
    }
    return err_set(err, ERR_NOT_FOUND, "no child is named %s", name);
}

/* ---- readiness ---- */

static void on_probed(struct fetch *f, int rc, const struct err *err)
{
    (void)err; /* asked again at the next tick */
    struct dev_child *c = f->user;
    struct dev *d = c->dev;
    c->probing = false;
    bool was_ready = c->ready;
    c->ready = rc == 0 && f->status == 200 && c->running;
    fetch_clear(f);
    if (c->ready && !was_ready && d->sm.state == DEV_READY) {
        struct err why = {0};
        if (dev_write_json(d, &why) != 0) {
            (void)fprintf(stderr, "choreod dev: %s\n", why.message);
        }
        (void)fprintf(stderr, "choreod dev: %s is back, as process %d\n", c->name, c->process.pid);
        dev_control_ready(d, c, 0);
    }
}

static void probe(struct dev_child *c)
{
    static char urls[DEV_CHILDREN_MAX][sizeof c->url + 16];
    char *url = urls[c - c->dev->children];
    (void)snprintf(url, sizeof urls[0], "%s/readyz", c->url);
    c->probe = (struct fetch){.method = "GET",
                              .url = url,
                              .timeout_ms = PROBE_TIMEOUT_MS,
                              .response_max = 65536,
                              .user = c,
                              .done = on_probed};
    c->probing = true;
    fetch_start(&c->dev->fetcher, &c->probe);
}

static bool all_ready(struct dev *d)
{
    bool all = true;
    for (size_t i = 0; i < d->child_count; i++) {
        struct dev_child *c = &d->children[i];
        all = all && c->ready;
        if (!c->ready && c->running && !c->probing) {
            probe(c);
        }
    }
    return all;
}

static void give_up(struct dev *d)
{
    (void)fprintf(stderr, "choreod dev: not ready within %d s; still waiting for:",
                  DEV_START_LIMIT_MS / 1000);
    for (size_t i = 0; i < d->child_count; i++) {
        if (!d->children[i].ready) {
            (void)fprintf(stderr, " %s (%s/log/%s.log)", d->children[i].name, d->dir,
                          d->children[i].name);
        }
    }
    (void)fputc('\n', stderr);
    begin_stop(d, 3);
}

void dev_connected(struct dev *d, int rc, const struct err *err)
{
    struct err why = {0};
    if (d->sm.state != DEV_CONNECTING) {
        return;
    }
    if (rc != 0) {
        (void)fprintf(stderr, "choreod dev: %s\n", err->message);
        begin_stop(d, err_exit_code(rc));
        return;
    }
    if (dev_write_json(d, &why) != 0) {
        (void)fprintf(stderr, "choreod dev: %s\n", why.message);
        begin_stop(d, err_exit_code(why.code));
        return;
    }
    sm_move(&d->sm, DEV_READY);
    (void)fprintf(stderr, "choreod dev: %zu nodes and %zu simulated clusters after %llu ms\n",
                  d->node_count, d->child_count - d->node_count,
                  (unsigned long long)(loop_now_ms(&d->loop) - d->started_ms));
    (void)printf("ready\n");
    (void)fflush(stdout);
}

/* ---- stopping ---- */

static bool any_left(const struct dev *d, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (d->children[i].running || d->children[i].spawned || d->children[i].probing) {
            return true;
        }
    }
    return false;
}

static void signal_children(struct dev *d, size_t from, size_t to, int signal)
{
    for (size_t i = from; i < to; i++) {
        dev_child_stop(&d->children[i], signal);
    }
    d->stop_limit_ms = loop_now_ms(&d->loop) + STOP_LIMIT_MS;
}

static void begin_stop(struct dev *d, int exit_code)
{
    if (d->sm.state == DEV_STOPPING_NODES || d->sm.state == DEV_STOPPING_PLANES) {
        return;
    }
    char path[DEV_PATH_MAX];
    dev_path(d, "dev.json", path);
    (void)unlink(path); /* what it says is true no more; it may not be there yet */
    sm_move(&d->sm, DEV_STOPPING_NODES);
    d->exit_code = exit_code;
    signal_children(d, 0, d->node_count, SIGTERM);
}

static void end(struct dev *d)
{
    char path[DEV_PATH_MAX];
    dev_path(d, "dev.sock", path);
    (void)unlink(path);
    dev_control_close(d);
    loop_timer_close(&d->tick, NULL);
    stop_signals_close(&d->signals);
    if (d->fetcher.impl != NULL) {
        fetcher_close(&d->fetcher, NULL);
    }
    loop_stop(&d->loop);
}

static void continue_stop(struct dev *d)
{
    bool nodes = d->sm.state == DEV_STOPPING_NODES;
    size_t from = nodes ? 0 : d->node_count;
    size_t to = nodes ? d->node_count : d->child_count;
    if (!any_left(d, from, to)) {
        if (nodes) {
            sm_move(&d->sm, DEV_STOPPING_PLANES);
            signal_children(d, d->node_count, d->child_count, SIGTERM);
        } else {
            end(d);
        }
    } else if (loop_now_ms(&d->loop) > d->stop_limit_ms) {
        (void)fprintf(stderr, "choreod dev: killing what has not ended after %d s\n",
                      STOP_LIMIT_MS / 1000);
        signal_children(d, from, to, SIGKILL);
    }
}

/* ---- the loop ---- */

static void restart_due(struct dev *d)
{
    struct err err = {0};
    for (size_t i = 0; i < d->child_count; i++) {
        struct dev_child *c = &d->children[i];
        if (c->restart_at_ms == 0 || c->spawned || c->restart_at_ms > loop_now_ms(&d->loop)) {
            continue;
        }
        c->restart_at_ms = 0;
        if (dev_child_start(c, &err) != 0) {
            (void)fprintf(stderr, "choreod dev: %s\n", err.message);
        }
    }
}

static void on_tick(struct loop_timer *timer)
{
    struct dev *d = CONTAINER_OF(timer, struct dev, tick);
    switch ((enum dev_state)d->sm.state) {
    case DEV_STARTING:
        if (all_ready(d)) {
            sm_move(&d->sm, DEV_CONNECTING);
            dev_connect(d);
        } else if (loop_now_ms(&d->loop) - d->started_ms > DEV_START_LIMIT_MS) {
            give_up(d);
        }
        break;
    case DEV_CONNECTING:
        dev_connect_again(d);
        break;
    case DEV_READY:
        restart_due(d);
        (void)all_ready(d);
        break;
    case DEV_STOPPING_NODES:
    case DEV_STOPPING_PLANES:
        continue_stop(d);
        break;
    }
}

static void on_stop_signal(struct stop_signals *signals, int signal, bool again)
{
    (void)signal;
    (void)again;
    begin_stop(CONTAINER_OF(signals, struct dev, signals), 0);
}

static int start(struct dev *d, struct err *err)
{
    const struct fetcher_config fetcher = {.ca_pem = buf_slice(&d->credentials.ca_cert),
                                           .connect_timeout_ms = PROBE_TIMEOUT_MS};
    sm_init(&d->sm, states, DEV_STARTING);
    loop_timer_init(&d->loop, &d->tick, on_tick);
    stop_signals_init(&d->signals, &d->loop, on_stop_signal);
    (void)snprintf(d->authorization, sizeof d->authorization, "authorization: Bearer %s", d->token);
    d->started_ms = loop_now_ms(&d->loop);
    loop_timer_start(&d->tick, TICK_MS, TICK_MS);
    int rc = fetcher_init(&d->fetcher, &d->loop, &fetcher, err);
    rc = rc != 0 ? rc : dev_control_open(d, err);
    /* Clusters first: nodes then find them answering. */
    for (size_t i = d->child_count; rc == 0 && i-- > 0;) {
        rc = dev_child_start(&d->children[i], err);
    }
    return rc;
}

static int run(struct dev *d, const struct dev_settings *asked)
{
    struct err err = {0};
    int rc = dev_setup(d, asked, &err);
    rc = rc != 0 ? rc : loop_init(&d->loop, "dev", &err);
    if (rc != 0) {
        return command_fail("dev", &err);
    }
    rc = start(d, &err);
    if (rc != 0) {
        (void)command_fail("dev", &err);
        begin_stop(d, err_exit_code(rc));
    }
    loop_run(&d->loop);
    loop_join(&d->loop);
    return d->exit_code;
}

int command_dev(int argc, char **argv)
{
    static struct dev d; /* large */
    struct dev_settings asked = {0};
    const char *dir = ".choreod";
    const struct args_option options[] = {
        {"dir", 0, ARGS_STRING, &dir, 0, 0},
        {"nodes", 0, ARGS_COUNT, &asked.nodes, 1, DEV_NODES_MAX},
        {"shards", 0, ARGS_COUNT, &asked.shards, 1, DEV_SHARDS_MAX},
        {"planes", 0, ARGS_STRING, &asked.planes, 0, 0},
        {"base-port", 0, ARGS_COUNT, &asked.base_port, DEV_PORT_MIN, DEV_PORT_MAX},
        {"supervise", 0, ARGS_FLAG, &d.supervise, 0, 0},
    };
    struct args_list rest;
    struct err err = {0};
    int code;
    if (!command_options(argc, argv, options, sizeof options / sizeof options[0], help, &rest,
                         &code)) {
        return code;
    }
    if (rest.count == 2 && strcmp(rest.items[0], "restart") == 0) {
        return dev_control_restart(dir, rest.items[1], &err) == 0 ? 0 : command_fail("dev", &err);
    }
    if (rest.count > 0) {
        (void)err_set(&err, ERR_INVALID, "unknown argument \"%s\" (choreod dev --help)",
                      rest.items[0]);
        return command_fail("dev", &err);
    }
    d.dir = dir;
    code = run(&d, &asked);
    credentials_free(&d.credentials);
    buf_free(&d.connect_url);
    buf_free(&d.connect_body);
    free((char *)(uintptr_t)d.settings.planes);
    return code;
}
