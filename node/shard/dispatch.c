/* dispatch.c: finds a shard's leader for a call, and asks again when there is another.
 *
 *   new --> led here --> leader_take() ------------------------------> done
 *    |        ^                    \--lost--> again                     ^
 *    |--> led elsewhere --> forwarded ----------------------------------|
 *    |                         \--refused, disconnected--> waiting      |
 *    '--> no leader known --> waiting --leader seen, 20 ms--> again     |
 *                                 \--deadline, 10 s without leader------'
 *
 * A call that came from another node is never forwarded a second time: that node is told
 * ERR_NOT_LEADER and looks for the leader itself.
 *
 * Failure path: what may have reached a leader ends with ERR_TIMEOUT (outcome unknown) at the
 * deadline, what certainly did not with ERR_UNAVAILABLE. A write is sent again with the same bytes,
 * so with the same request id: it is executed once.
 *
 * Invariants: a call is in exactly one place: the leader's hands, `forwarded`, `waiting`. */
#include <assert.h>
#include <string.h>

#include "node/shard/internal.h"

enum { RETRY_MS = 10, RESPONSE_MAX = 64 };

static void run_done(struct loop_msg *msg)
{
    struct call *call = CONTAINER_OF(msg, struct call, msg);
    call->done(call);
}

void dispatch_done(struct call *call, int rc, const struct err *err)
{
    list_remove(&call->link);
    call_set(call, rc, err);
    if (call->home == NULL) {
        call->done(call);
        return;
    }
    call->msg.run = run_done;
    loop_post(call->home, &call->msg);
}

void dispatch_need_tick(struct node_impl *n)
{
    if (!n->tick_running && !n->stopping) {
        n->tick_running = true;
        loop_timer_start(&n->tick, NODE_TICK_MS, NODE_TICK_MS);
    }
}

static void wait_for_leader(struct replica *r, struct call *call, uint64_t delay_ms)
{
    call->retry_at_ms = node_now_ms(r->node) + delay_ms;
    list_remove(&call->link);
    list_push_back(&r->waiting, &call->link);
    dispatch_need_tick(r->node);
}

static bool on_remote_data(struct transport_call *remote, struct slice bytes)
{
    struct call *call = CONTAINER_OF(remote, struct call, remote);
    if (call->response.len + bytes.len <= RESPONSE_MAX) {
        buf_add(&call->response, bytes);
    }
    return true;
}

static bool may_ask_again(int status)
{
    return status == ERR_NOT_LEADER || status == ERR_UNAVAILABLE || status == ERR_CLOSED;
}

static void on_remote_done(struct transport_call *remote, int status, const struct err *err)
{
    struct call *call = CONTAINER_OF(remote, struct call, remote);
    struct err own;
    call->forwarded = false;
    call->tried = call->tried || (remote->sent && status != ERR_NOT_LEADER);
    if (may_ask_again(status)) {
        wait_for_leader(call->replica, call, RETRY_MS);
        return;
    }
    if (status == 0) {
        status = call_decode_response(buf_slice(&call->response), call, &own);
        err = &own;
    }
    dispatch_done(call, status, err);
}

static void forward(struct replica *r, struct call *call)
{
    struct node_impl *n = r->node;
    struct buf bytes = {0};
    call_encode(call, &bytes);
    buf_clear(&call->response);
    uint64_t now = node_now_ms(n);
    uint32_t timeout_ms = call->deadline_ms > now ? (uint32_t)(call->deadline_ms - now) : 1;
    call->remote = (struct transport_call){.data = on_remote_data, .done = on_remote_done};
    call->forwarded = true;
    memcpy(call->peer, r->leader_name, sizeof(call->peer));
    list_push_back(&r->forwarded, &call->link);
    transport_call(n->transport, &call->remote, call->peer, NODE_CALLS_CHANNEL, buf_slice(&bytes),
                   timeout_ms);
    buf_free(&bytes);
}

/* Starts, or starts again, a call that is nowhere. */
static void place(struct call *call)
{
    struct replica *r = call->replica;
    struct node_impl *n = r->node;
    list_remove(&call->link);
    if (n->stopping) {
        dispatch_done(call, ERR_CLOSED, NULL);
    } else if (r->leader.sm.state != LEADER_IDLE) {
        leader_take(r, call);
    } else if (call->user_served) {
        dispatch_done(call, ERR_NOT_LEADER, NULL);
    } else if (r->leader_name[0] != '\0' && strcmp(r->leader_name, n->identity.self.name) != 0 &&
               transport_connected(n->transport, r->leader_name)) {
        forward(r, call);
    } else {
        wait_for_leader(r, call, NODE_TICK_MS);
    }
}

void dispatch_here(struct call *call)
{
    struct node_impl *n = call->node;
    if (call->shard >= n->identity.shards) {
        struct err err;
        err_set(&err, ERR_INVALID, "shard %u: this cluster has %u", call->shard,
                n->identity.shards);
        dispatch_done(call, ERR_INVALID, &err);
        return;
    }
    call->replica = &n->replicas[call->shard];
    place(call);
}

static void run_here(struct loop_msg *msg)
{
    dispatch_here(CONTAINER_OF(msg, struct call, msg));
}

void dispatch_call(struct node_impl *n, struct call *call)
{
    call->node = n;
    call->msg.run = run_here;
    loop_post(&n->consensus, &call->msg);
}

void dispatch_again(struct call *call, bool tried)
{
    call->tried = call->tried || tried;
    if (call->user_served || call->own || call->node->stopping) {
        dispatch_done(call, call->node->stopping ? ERR_CLOSED : ERR_NOT_LEADER, NULL);
    } else {
        wait_for_leader(call->replica, call, RETRY_MS);
    }
}

void dispatch_leader_changed(struct replica *r)
{
    struct list again;
    list_init(&again);
    LIST_FOREACH(link, &r->forwarded)
    {
        struct call *call = CONTAINER_OF(link, struct call, link);
        if (strcmp(call->peer, r->leader_name) != 0) {
            transport_call_cancel(&call->remote);
            call->tried = call->tried || call->remote.sent;
            call->forwarded = false;
            list_remove(&call->link);
            list_push_back(&again, &call->link);
        }
    }
    if (r->leader_name[0] != '\0' || r->leader.sm.state != LEADER_IDLE) {
        list_splice_back(&again, &r->waiting);
    }
    struct list *link;
    while ((link = list_pop_front(&again)) != NULL) {
        place(CONTAINER_OF(link, struct call, link));
    }
}

static void give_up(struct replica *r, struct call *call, uint64_t leaderless_ms)
{
    struct err err;
    bool unknown = call->kind == CALL_SUBMIT && call->tried;
    if (unknown) {
        err_set(&err, ERR_TIMEOUT,
                "shard %u: its leader was lost; whether the write was carried "
                "out is unknown",
                r->shard);
    } else if (leaderless_ms > 0) {
        err_set(&err, ERR_UNAVAILABLE, "shard %u has had no leader for %llu ms", r->shard,
                (unsigned long long)leaderless_ms);
    } else {
        err_set(&err, ERR_UNAVAILABLE, "shard %u's leader, %s, cannot be reached", r->shard,
                r->leader_name);
    }
    dispatch_done(call, err.code, &err);
}

bool dispatch_tick(struct replica *r, uint64_t now_ms)
{
    struct list again;
    list_init(&again);
    uint64_t leaderless = r->leaderless_ms != 0 ? now_ms - r->leaderless_ms : 0;
    LIST_FOREACH(link, &r->waiting)
    {
        struct call *call = CONTAINER_OF(link, struct call, link);
        bool unknown = call->kind == CALL_SUBMIT && call->tried;
        if (now_ms >= call->deadline_ms ||
            (leaderless > r->node->config.leaderless_ms && !unknown)) {
            give_up(r, call, leaderless);
        } else if (now_ms >= call->retry_at_ms) {
            list_remove(&call->link);
            list_push_back(&again, &call->link);
        }
    }
    struct list *link;
    while ((link = list_pop_front(&again)) != NULL) {
        place(CONTAINER_OF(link, struct call, link));
    }
    return !list_empty(&r->waiting);
}

/* ---- calls from other nodes ---- */

static void on_served_done(struct call *call)
{
    struct transport_served *served = call->user;
    if (served != NULL) {
        if (call->rc == 0) {
            struct buf bytes = {0};
            call_encode_response(call, &bytes);
            (void)transport_respond(served, buf_slice(&bytes));
            buf_free(&bytes);
        }
        transport_end(served, call->rc, call->rc != 0 ? call->err.message : "");
    }
    call_free(call);
}

static void on_served_canceled(struct transport_served *served)
{
    struct call *call = served->user;
    call->user = NULL; /* it goes on; nobody listens */
}

void dispatch_serve(struct node_impl *n, struct transport_served *served, struct slice request)
{
    struct call *call = NULL;
    struct err err;
    int rc = call_decode(request, &call, &err);
    if (rc != 0) {
        transport_end(served, rc, err.message);
        return;
    }
    call->node = n;
    call->user_served = true;
    call->user = served;
    call->done = on_served_done;
    call->deadline_ms =
        served->deadline_ms != 0 ? served->deadline_ms : node_now_ms(n) + NODE_LEADERLESS_MS;
    served->user = call;
    served->canceled = on_served_canceled;
    dispatch_here(call);
}

void dispatch_close(struct node_impl *n, const struct loop *home)
{
    for (uint32_t i = 0; i < n->identity.shards; i++) {
        struct replica *r = &n->replicas[i];
        LIST_FOREACH(link, &r->waiting)
        {
            struct call *call = CONTAINER_OF(link, struct call, link);
            if (home == NULL || call->home == home) {
                dispatch_done(call, ERR_CLOSED, NULL);
            }
        }
        LIST_FOREACH(link, &r->forwarded)
        {
            struct call *call = CONTAINER_OF(link, struct call, link);
            if (home == NULL || call->home == home) {
                transport_call_cancel(&call->remote);
                call->forwarded = false;
                dispatch_done(call, ERR_CLOSED, NULL);
            }
        }
    }
}
