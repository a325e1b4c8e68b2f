/* fronts.c: the threads that serve, from their first loop to their last goodbye.
 *
 * Happy path: loop by loop, attach, listen, run. The first one takes the port, the others share it.
 * Closing posts `leave` to every loop: its server drains, the loop detaches and ends; the last one
 * to go tells the home loop.
 * Failure path: a loop that could not do it all takes its leave too, run by the caller's thread if
 * it has none of its own; those before it are closed without grace and waited for.
 * Invariants: `opened` loops are to be joined; of these, `serving` have not yet left. A thread's
 * step says what is taken from it, in reverse. */
#include "node/http/fronts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- leaving ---- */

static void on_all_gone(struct loop_msg *msg)
{
    struct fronts *fronts = CONTAINER_OF(msg, struct fronts, all_gone);
    fronts->closed(fronts);
}

static void left(void *arg)
{
    struct front_thread *t = arg;
    struct fronts *fronts = t->fronts;
    loop_stop(&t->loop);
    if (atomic_fetch_sub(&fronts->serving, 1) == 1 && fronts->closed != NULL) {
        fronts->all_gone.run = on_all_gone;
        loop_post(fronts->config.home, &fronts->all_gone);
    }
}

static void detach(struct front_thread *t)
{
    if (t->step >= FRONT_ATTACHED) {
        t->fronts->config.detach(t->fronts->config.user, &t->loop, left, t);
    } else {
        left(t);
    }
}

static void on_server_closed(struct http_server *server)
{
    detach(CONTAINER_OF(server, struct front_thread, server));
}

static void run_leave(struct loop_msg *msg)
{
    struct front_thread *t = CONTAINER_OF(msg, struct front_thread, leave);
    if (t->step >= FRONT_LISTENING) {
        http_server_close(&t->server, t->fronts->grace_ms, on_server_closed);
    } else {
        detach(t);
    }
}

static void post_leave(struct fronts *fronts)
{
    for (uint32_t i = 0; i < fronts->opened; i++) {
        fronts->threads[i].leave.run = run_leave;
        loop_post(&fronts->threads[i].loop, &fronts->threads[i].leave);
    }
}

void fronts_close(struct fronts *fronts, uint32_t grace_ms, void (*closed)(struct fronts *fronts))
{
    assert(fronts->opened > 0 && fronts->closed == NULL);
    fronts->grace_ms = grace_ms;
    fronts->closed = closed;
    post_leave(fronts);
}

void fronts_join(struct fronts *fronts)
{
    for (uint32_t i = 0; i < fronts->opened; i++) {
        loop_join(&fronts->threads[i].loop);
    }
    fronts->opened = 0;
}

/* ---- starting ---- */

static int start_thread(struct fronts *fronts, const char *address, struct err *err)
{
    struct front_thread *t = &fronts->threads[fronts->opened];
    const struct fronts_config *config = &fronts->config;
    const struct http_server_config server = {.tls = config->tls,
                                              .address = address,
                                              .port = fronts->opened == 0 ? STREAM_PORT_FIRST
                                                                          : STREAM_PORT_SHARED,
                                              .limits = config->limits,
                                              .route = config->route};
    t->fronts = fronts;
    t->server.user = config->user;
    int rc = loop_init(&t->loop, "front", err);
    if (rc != 0) {
        return rc;
    }
    t->step = FRONT_OPEN;
    fronts->opened++;
    atomic_fetch_add(&fronts->serving, 1);
    rc = config->attach(config->user, &t->loop, err);
    if (rc != 0) {
        return rc;
    }
    t->step = FRONT_ATTACHED;
    rc = http_server_start(&t->server, &t->loop, &server, err);
    if (rc != 0) {
        return rc;
    }
    t->step = FRONT_LISTENING;
    rc = loop_start(&t->loop, err);
    if (rc == 0) {
        t->step = FRONT_RUNNING;
    }
    return rc;
}

static void undo(struct fronts *fronts)
{
    post_leave(fronts);
    for (uint32_t i = 0; i < fronts->opened; i++) {
        if (fronts->threads[i].step != FRONT_RUNNING) {
            loop_run(&fronts->threads[i].loop);
        }
    }
    fronts_join(fronts);
}

int fronts_start(struct fronts *fronts, const struct fronts_config *config, struct err *err)
{
    char address[300];
    assert(config->count >= 1 && config->count <= FRONTS_MAX);
    *fronts = (struct fronts){.config = *config};
    const char *colon = strrchr(config->address, ':');
    int rc = start_thread(fronts, config->address, err);
    if (rc == 0 && config->count > 1) {
        (void)snprintf(address, sizeof address, "%.*s:%u", (int)(colon - config->address),
                       config->address, fronts_port(fronts));
    }
    for (uint32_t i = 1; rc == 0 && i < config->count; i++) {
        rc = start_thread(fronts, address, err);
    }
    if (rc != 0) {
        undo(fronts);
    }
    return rc;
}

uint16_t fronts_port(const struct fronts *fronts)
{
    return http_server_port(&fronts->threads[0].server);
}
