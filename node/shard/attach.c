/* attach.c: introducing loops to a node, and letting go of them.
 *
 * Happy path: a front is made with a view of each shard, takes a slot in the table by which the
 * backend finds it, and subscribes to the consensus loop's news. Detaching goes the same way back:
 * watches and requests end, the consensus loop forgets the front and says so, and when the last
 * call has ended the views are closed.
 *
 * Invariants: a front's memory outlives every message to it; a slot's front is its own loop's. */
#include <assert.h>
#include <stdlib.h>

#include "node/shard/front.h"

struct front *front_of(struct node_impl *n, const struct loop *loop)
{
    for (size_t i = 0; i < NODE_FRONTS_MAX; i++) {
        if (atomic_load_explicit(&n->front_table[i].loop, memory_order_acquire) == loop) {
            return n->front_table[i].front;
        }
    }
    return NULL;
}

struct subscription {
    struct loop_msg msg;
    struct front *front;
};

static void run_subscribe(struct loop_msg *msg)
{
    struct subscription *sub = CONTAINER_OF(msg, struct subscription, msg);
    struct node_impl *n = sub->front->node;
    assert(n->front_count < NODE_FRONTS_MAX);
    n->fronts[n->front_count++] = sub->front;
    for (uint32_t i = 0; i < n->identity.shards; i++) {
        front__tell(sub->front, &n->replicas[i]);
    }
    free(sub);
}

static void on_closed(struct front *f)
{
    if (--f->closing > 0) {
        return;
    }
    void (*detached)(void *user) = f->detached;
    void *user = f->detached_user;
    free(f->shards);
    free(f);
    detached(user);
}

static void on_view_closed(struct view *view)
{
    on_closed(view->user);
}

static void on_merge_closed(struct merge *merge)
{
    struct front *f = CONTAINER_OF(merge, struct front, merge);
    for (uint32_t i = 0; i < f->shard_count; i++) {
        view_close(&f->shards[i].view, on_view_closed);
    }
}

static void on_timer_closed(struct loop_timer *timer)
{
    on_closed(CONTAINER_OF(timer, struct front, timer));
}

/* Nothing more comes: the consensus loop has forgotten us and every call has ended. */
void front__close_if_quiet(struct front *f)
{
    bool quiet = list_empty(&f->ready) && list_empty(&f->runs) && !f->wake_posted;
    if (!f->detaching || f->subscribed || f->calls > 0 || !quiet || f->closing > 0) {
        return;
    }
    f->closing = 1 + f->shard_count;
    loop_timer_close(&f->timer, on_timer_closed);
    merge_close(&f->merge, on_merge_closed);
}

static void run_forgotten(struct loop_msg *msg)
{
    struct subscription *sub = CONTAINER_OF(msg, struct subscription, msg);
    sub->front->subscribed = false;
    front__close_if_quiet(sub->front);
    free(sub);
}

static void run_end_operations(struct loop_msg *msg)
{
    struct subscription *sub = CONTAINER_OF(msg, struct subscription, msg);
    struct front *f = sub->front;
    operations_end(f->node, f->loop);
    sub->msg.run = run_forgotten;
    loop_post(f->loop, &sub->msg); /* behind their answers */
}

static void run_unsubscribe(struct loop_msg *msg)
{
    struct subscription *sub = CONTAINER_OF(msg, struct subscription, msg);
    struct front *f = sub->front;
    struct node_impl *n = f->node;
    for (size_t i = 0; i < n->front_count; i++) {
        if (n->fronts[i] == f) {
            n->fronts[i] = n->fronts[--n->front_count];
            break;
        }
    }
    if (n->config.hooks != NULL && n->config.hooks->loop == f->loop) {
        n->hooks_off = true;
    }
    dispatch_close(n, f->loop);
    sub->msg.run = run_end_operations;
    loop_post(&n->internal, &sub->msg);
}

static void post_subscription(struct front *f, void (*run)(struct loop_msg *msg))
{
    struct subscription *sub = mem_zero(sizeof(*sub));
    *sub = (struct subscription){.msg.run = run, .front = f};
    loop_post(&f->node->consensus, &sub->msg);
}

static int open_views(struct front *f, struct err *err)
{
    struct node_impl *n = f->node;
    struct view **views = mem_alloc(f->shard_count * sizeof(*views));
    uint32_t opened = 0;
    int rc = 0;
    while (rc == 0 && opened < f->shard_count) {
        struct front_shard *s = &f->shards[opened];
        list_init(&s->applying);
        for (int kind = 0; kind < 3; kind++) {
            list_init(&s->next[kind]);
        }
        rc = view_open(&s->view, f->loop, n->replicas[opened].path, opened, err);
        s->view.user = f;
        views[opened] = &s->view;
        opened += rc == 0;
    }
    if (rc == 0) {
        merge_init(&f->merge, f->loop, views, f->shard_count);
    } else {
        while (opened > 0) {
            view_close(&f->shards[--opened].view, NULL);
        }
    }
    free(views);
    return rc;
}

/* Two loops may be attached at once: a slot is claimed before it is filled in. Only the loop itself
 * looks for its own slot, so it cannot see it half-made. */
static bool take_slot(struct node_impl *n, struct front *f)
{
    for (size_t i = 0; i < NODE_FRONTS_MAX; i++) {
        const struct loop *expected = NULL;
        if (atomic_compare_exchange_strong(&n->front_table[i].loop, &expected, f->loop)) {
            n->front_table[i].front = f;
            return true;
        }
    }
    return false;
}

static void leave_slot(struct node_impl *n, const struct front *f)
{
    for (size_t i = 0; i < NODE_FRONTS_MAX; i++) {
        if (atomic_load(&n->front_table[i].loop) == f->loop) {
            n->front_table[i].front = NULL;
            atomic_store(&n->front_table[i].loop, NULL);
        }
    }
}

int node_attach(struct node *handle, struct loop *loop, struct err *err)
{
    struct node_impl *n = handle->impl;
    assert(front_of(n, loop) == NULL);
    struct front *f = mem_zero(sizeof(*f));
    f->node = n;
    f->loop = loop;
    f->shard_count = n->identity.shards;
    f->shards = mem_zero(f->shard_count * sizeof(*f->shards));
    f->wake.run = front__on_wake;
    list_init(&f->ready);
    list_init(&f->runs);
    int rc = open_views(f, err);
    if (rc != 0) {
        free(f->shards);
        free(f);
        return rc;
    }
    if (!take_slot(n, f)) {
        merge_close(&f->merge, NULL);
        for (uint32_t i = 0; i < f->shard_count; i++) {
            view_close(&f->shards[i].view, NULL);
        }
        return err_set(err, ERR_FULL, "more than %d loops", NODE_FRONTS_MAX);
    }
    loop_timer_init(loop, &f->timer, front__on_timer);
    loop_timer_start(&f->timer, FRONT_TICK_MS, FRONT_TICK_MS);
    f->subscribed = true;
    post_subscription(f, run_subscribe);
    return 0;
}

void node_detach(struct node *handle, struct loop *loop, void (*detached)(void *user), void *user)
{
    struct node_impl *n = handle->impl;
    struct front *f = front_of(n, loop);
    assert(f != NULL && !f->detaching && loop_is_current(loop));
    f->detached = detached;
    f->detached_user = user;
    leave_slot(n, f);
    merge_end_watches(&f->merge, ERR_CLOSED, "the node is shutting down");
    for (uint32_t i = 0; i < f->shard_count; i++) {
        view_end_watches(&f->shards[i].view, ERR_CLOSED, "the node is shutting down");
    }
    router_close(f);
    front__fail_wants(f, 0, ERR_CLOSED);
    f->detaching = true;
    front_wake(f);
    post_subscription(f, run_unsubscribe);
}
