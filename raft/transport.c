/* transport.c: peers, deferred callbacks, time, opening and closing.
 *
 * Happy path: each peer with an address is dialled until it answers, and again when it hangs up,
 * with growing, jittered pauses. What users submit is queued in the peer's lanes; what comes in is
 * dispatched by transport_message.c. Callbacks that a submission would cause run at the end of the
 * loop's iteration.
 * Failure path: when either connection of a pair closes, every call, response and image between the
 * two ends (transport__reset), for parts of them may be lost; both sides see the same connection
 * close, so both forget the same things. Raft's messages just go on. */
#include "raft/transport.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "raft/conf.h"
#include "raft/transport_internal.h"

uint64_t transport__now(const struct transport *t)
{
    return loop_now_ms(t->config.loop);
}

uint32_t transport__random(struct transport *t)
{
    t->random = t->random * 1664525u + 1013904223u;
    return t->random >> 8;
}

struct slice transport__key(const uint64_t *id)
{
    return slice_make(id, sizeof *id);
}

/* ---- deferred work ---- */

static void run_task(struct loop_task *task)
{
    struct transport *t = CONTAINER_OF(task, struct transport, task);
    transport__run_calls(t);
    transport__run_images(t);
    LIST_FOREACH(link, &t->peers)
    {
        struct peer *p = CONTAINER_OF(link, struct peer, link);
        if (!list_empty(&p->images)) {
            transport__feed(p, true);
        }
    }
}

void transport__defer(struct transport *t)
{
    if (!t->closing) {
        loop_defer(t->config.loop, &t->task);
    }
}

/* ---- time ---- */

static void on_timer(struct loop_timer *timer)
{
    struct transport *t = CONTAINER_OF(timer, struct transport, timer);
    t->timer_due_ms = 0;
    uint64_t now = transport__now(t);
    uint64_t next = now + t->config.ping_ms;
    transport__check_silence(t, now);
    LIST_FOREACH(link, &t->peers)
    {
        struct peer *p = CONTAINER_OF(link, struct peer, link);
        transport__conn_tick(p, now);
        uint64_t deadline = transport__call_tick(p, now);
        next = deadline < next ? deadline : next;
        if (p->out == NULL && p->redial_at_ms > now && p->redial_at_ms < next) {
            next = p->redial_at_ms;
        }
    }
    transport__wake_by(t, next);
}

void transport__wake_by(struct transport *t, uint64_t at_ms)
{
    if (t->closing || (t->timer_due_ms != 0 && t->timer_due_ms <= at_ms)) {
        return;
    }
    uint64_t now = transport__now(t);
    t->timer_due_ms = at_ms > now ? at_ms : now + 1;
    loop_timer_start(&t->timer, t->timer_due_ms - now, 0);
}

/* ---- peers ---- */

struct peer *transport__peer(const struct transport *t, const char *name)
{
    LIST_FOREACH(link, (struct list *)(uintptr_t)&t->peers)
    {
        struct peer *p = CONTAINER_OF(link, struct peer, link);
        if (strcmp(p->name, name) == 0) {
            return p;
        }
    }
    return NULL;
}

struct peer *transport__peer_add(struct transport *t, const char *name)
{
    size_t count = 0;
    LIST_FOREACH(link, &t->peers)
    {
        count++;
    }
    if (count >= TRANSPORT_PEERS_MAX) {
        return NULL;
    }
    struct peer *p = mem_zero(sizeof *p);
    p->t = t;
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    (void)snprintf(p->uri, sizeof p->uri, "choreod://%s/node/%s", t->cluster, name);
    struct list *lists[] = {&p->bulk,        &p->partials, &p->call_list,
                            &p->served_list, &p->images,   &p->arrivals};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        list_init(lists[i]);
    }
    list_push_back(&t->peers, &p->link);
    return p;
}

int transport_set_peer(struct transport *t, const char *name, const char *address, struct err *err)
{
    if (!conf_name_ok(name) || strcmp(name, t->node) == 0) {
        return err_set(err, ERR_INVALID, "peer \"%s\": not the name of another node", name);
    }
    if (address == NULL || strlen(address) == 0 ||
        strlen(address) >= sizeof((struct peer *)NULL)->address || strchr(address, ':') == NULL) {
        return err_set(err, ERR_INVALID, "peer %s: address \"%s\" is not host:port", name,
                       address != NULL ? address : "");
    }
    struct peer *p = transport__peer(t, name);
    if (p == NULL) {
        p = transport__peer_add(t, name);
    }
    if (p == NULL) {
        return err_set(err, ERR_FULL, "peer %s: there are %d peers already", name,
                       TRANSPORT_PEERS_MAX);
    }
    p->removed = false;
    if (strcmp(p->address, address) == 0 && (p->out != NULL || p->redial_at_ms != 0)) {
        return 0;
    }
    (void)snprintf(p->address, sizeof p->address, "%s", address);
    p->failures = 0;
    p->redial_at_ms = transport__now(t);
    if (p->out != NULL) {
        transport__hang_up(p->out);
    }
    transport__wake_by(t, p->redial_at_ms);
    return 0;
}

void transport_remove_peer(struct transport *t, const char *name)
{
    struct peer *p = transport__peer(t, name);
    if (p == NULL) {
        return;
    }
    p->removed = true;
    p->address[0] = 0;
    p->redial_at_ms = 0;
    if (p->out != NULL) {
        transport__hang_up(p->out);
    }
    if (p->in != NULL) {
        transport__hang_up(p->in);
    }
}

bool transport_all_can(const struct transport *t, uint32_t features)
{
    if ((t->config.features & features) != features) {
        return false;
    }
    LIST_FOREACH(link, &t->peers)
    {
        const struct peer *p = CONTAINER_OF(link, struct peer, link);
        if (!p->removed && (p->features & features) != features) {
            return false;
        }
    }
    return true;
}

bool transport_connected(const struct transport *t, const char *peer)
{
    const struct peer *p = transport__peer(t, peer);
    return p != NULL && transport__can_send(p);
}

void transport__reset(struct peer *p, int code, const char *why)
{
    while (!list_empty(&p->partials)) {
        transport__partial_drop(p, CONTAINER_OF(p->partials.next, struct partial, link));
    }
    transport__end_calls(p, code, why);
    transport__end_images(p, code, why);
}

/* ---- life ---- */

int transport_open(const struct transport_config *config, struct transport **transport,
                   struct err *err)
{
    if (!conf_name_ok(config->cluster) || !conf_name_ok(config->node)) {
        return err_set(err, ERR_INVALID, "transport: bad name of cluster or node");
    }
    struct transport *t = mem_zero(sizeof *t);
    t->config = *config;
    t->config.ping_ms = config->ping_ms ? config->ping_ms : 500;
    t->config.redial_min_ms = config->redial_min_ms ? config->redial_min_ms : 20;
    t->config.redial_max_ms = config->redial_max_ms ? config->redial_max_ms : 1000;
    t->config.ousted_ms = config->ousted_ms ? config->ousted_ms : 5000;
    (void)snprintf(t->cluster, sizeof t->cluster, "%s", config->cluster);
    (void)snprintf(t->node, sizeof t->node, "%s", config->node);
    crypto_random(&t->random, sizeof t->random);
    crypto_random(&t->boot, sizeof t->boot);
    t->boot |= 1; /* 0 is no number */
    crypto_random(&t->next_id, sizeof t->next_id);
    t->next_id >>= 1; /* room to grow; and not a number of the last life's */
    struct list *lists[] = {&t->peers, &t->conns, &t->over_calls, &t->over_images, &t->resumed};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        list_init(lists[i]);
    }
    int rc = transport__listen(t, err);
    if (rc != 0) {
        free(t);
        return rc;
    }
    loop_task_init(&t->task, run_task);
    loop_timer_init(config->loop, &t->timer, on_timer);
    transport__wake_by(t, transport__now(t) + t->config.ping_ms);
    *transport = t;
    return 0;
}

uint16_t transport_port(const struct transport *t)
{
    return stream_listener_port(&t->listener);
}

static void free_peer(struct peer *p)
{
    transport__drop_queues(p);
    buf_free(&p->urgent);
    map_free(&p->calls);
    map_free(&p->served);
    free(p->bulk_use);
    list_remove(&p->link);
    free(p);
}

static void maybe_closed(struct transport *t)
{
    if (!t->closing || t->closing_handles > 0 || t->conn_count > 0) {
        return;
    }
    while (!list_empty(&t->peers)) {
        free_peer(CONTAINER_OF(t->peers.next, struct peer, link));
    }
    void (*closed)(void *user) = t->closed;
    void *user = t->closed_user;
    free(t);
    closed(user);
}

void transport__conn_gone(struct transport *t)
{
    t->conn_count--;
    maybe_closed(t);
}

static void on_timer_closed(struct loop_timer *timer)
{
    struct transport *t = CONTAINER_OF(timer, struct transport, timer);
    t->closing_handles--;
    maybe_closed(t);
}

static void on_listener_closed(struct stream_listener *l)
{
    struct transport *t = l->user;
    t->closing_handles--;
    maybe_closed(t);
}

void transport_close(struct transport *t, void (*closed)(void *user), void *user)
{
    assert(!t->closing);
    LIST_FOREACH(link, &t->peers)
    {
        transport__reset(CONTAINER_OF(link, struct peer, link), ERR_CLOSED, "shutting down");
    }
    transport__run_calls(t);
    transport__run_images(t);
    t->closing = true;
    t->closed = closed;
    t->closed_user = user;
    loop_task_cancel(&t->task);
    t->closing_handles = 2;
    LIST_FOREACH(link, &t->conns)
    {
        struct conn *c = CONTAINER_OF(link, struct conn, link);
        c->closing = true;
        stream_close(&c->stream); /* also one that is being told why */
    }
    loop_timer_close(&t->timer, on_timer_closed);
    stream_listener_close(&t->listener, on_listener_closed);
}

size_t transport_status(const struct transport *t, struct transport_peer_status *out, size_t cap)
{
    size_t count = 0;
    LIST_FOREACH(link, (struct list *)(uintptr_t)&t->peers)
    {
        const struct peer *p = CONTAINER_OF(link, struct peer, link);
        if (p->removed || count == cap) {
            continue;
        }
        struct transport_peer_status *s = &out[count++];
        *s = (struct transport_peer_status){.connected = transport__can_send(p),
                                            .accepted = p->in != NULL,
                                            .queued_bytes = p->urgent.len + p->bulk_bytes,
                                            .round_trip_us = p->round_trip_us};
        (void)snprintf(s->name, sizeof s->name, "%s", p->name);
        (void)snprintf(s->address, sizeof s->address, "%s", p->address);
    }
    return count;
}
