/* front.c: what one loop knows of the shards, kept up to date by the consensus loop.
 *
 * Happy path: a want joins the next question of its kind to the shard's leader; the answer names an
 * index; once the consensus loop has told that it is applied here, the want is done and the router
 * reads the view. Merged watches make lagging shards close what the foremost has reached.
 *
 * Failure path: dispatch looks for a leader for NODE_LEADERLESS_MS, then the question and all that
 * wait for it fail with ERR_UNAVAILABLE; each want has a deadline of its own, looked at every
 * FRONT_TICK_MS. Merged watches end when a nudge fails so.
 *
 * Invariants: a question that is under way is never joined (a read may only ride on a round that
 * starts after it arrived); news of a shard come in order; a front's memory outlives every message
 * to it, because detaching makes a round through the consensus loop. */
#include "node/shard/front.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"

enum { NUDGE_MS = 4, CALL_GRACE_MS = 1000, KEEP_UP_MS = 1000 };

/* ---- wants ---- */

void front_wake(struct front *f)
{
    if (!f->wake_posted) {
        f->wake_posted = true;
        loop_post(f->loop, &f->wake);
    }
}

static void finish(struct front *f, struct want *want, int rc, const struct err *err)
{
    list_remove(&want->link);
    want->rc = rc;
    want->err = err != NULL ? *err : (struct err){0};
    list_push_back(&f->ready, &want->link);
}

/* The answer named an index: done once that is applied. */
static void wait_applied(struct front *f, struct want *want)
{
    struct front_shard *s = &f->shards[want->shard];
    list_remove(&want->link);
    if (want->index > s->applied) {
        list_push_back(&s->applying, &want->link);
        return;
    }
    if (want->kind == WANT_CLOSED) {
        view_advance(&s->view, s->present, want->closed);
        merge_advance(&f->merge);
    }
    finish(f, want, 0, NULL);
}

static void ask(struct front *f, uint32_t shard, enum want_kind kind, struct list *wants,
                bool shared);
static void drain(struct front *f);

static void on_answer(struct call *call)
{
    struct ask *a = call->user;
    struct front *f = a->front;
    struct front_shard *s = &f->shards[a->shard];
    struct list *link;
    while ((link = list_pop_front(&a->riders)) != NULL) {
        struct want *want = CONTAINER_OF(link, struct want, link);
        if (call->rc != 0) {
            finish(f, want, call->rc, &call->err);
            continue;
        }
        want->index = call->index;
        want->clock = call->version;
        want->closed = call->version;
        if (want->kind == WANT_CLOCK) {
            finish(f, want, 0, NULL);
        } else {
            wait_applied(f, want);
        }
    }
    enum want_kind kind = a->kind;
    uint32_t shard = a->shard;
    if (a->shared) {
        s->asking[kind] = NULL;
        if (!list_empty(&s->next[kind])) {
            ask(f, shard, kind, &s->next[kind], true);
        }
    }
    free(a);
    call_free(call);
    f->calls--;
    drain(f);
}

static void ask(struct front *f, uint32_t shard, enum want_kind kind, struct list *wants,
                bool shared)
{
    struct ask *a = mem_zero(sizeof(*a));
    *a = (struct ask){.front = f, .shard = shard, .kind = kind, .shared = shared};
    list_init(&a->riders);
    list_splice_back(&a->riders, wants);
    struct call *call =
        call_new(kind == WANT_CLOSED ? CALL_CLOSE : CALL_READ, shard,
                 loop_now_ms(f->loop) + f->node->config.leaderless_ms + CALL_GRACE_MS);
    call->home = f->loop;
    call->user = a;
    call->done = on_answer;
    LIST_FOREACH(link, &a->riders)
    {
        const struct want *want = CONTAINER_OF(link, struct want, link);
        if (want->version > call->close_version) {
            call->close_version = want->version;
        }
        call->close_trusted = want->trusted;
    }
    if (shared) {
        f->shards[shard].asking[kind] = a;
    }
    front_call(f, call);
}

void front_want(struct front *f, struct want *want)
{
    struct front_shard *s = &f->shards[want->shard];
    list_init(&want->link);
    if (f->detaching) {
        struct err err;
        err_set(&err, ERR_CLOSED, "the node is shutting down");
        finish(f, want, ERR_CLOSED, &err);
        front_wake(f);
        return;
    }
    if (want->kind == WANT_CLOSED && want->version <= view_present(&s->view)) {
        finish(f, want, 0, NULL);
        front_wake(f);
        return;
    }
    if (want->kind == WANT_CLOSED && !want->trusted) {
        /* A client's version may be far ahead: it waits alone. */
        struct list alone;
        list_init(&alone);
        list_push_back(&alone, &want->link);
        ask(f, want->shard, want->kind, &alone, false);
        return;
    }
    list_push_back(&s->next[want->kind], &want->link);
    if (s->asking[want->kind] == NULL) {
        ask(f, want->shard, want->kind, &s->next[want->kind], true);
    }
}

void front_want_cancel(struct want *want)
{
    if (want->link.next != NULL) {
        list_remove(&want->link);
    }
}

void front_call(struct front *f, struct call *call)
{
    f->calls++;
    dispatch_call(f->node, call);
}

void front_call_done(struct front *f)
{
    f->calls--;
    front__close_if_quiet(f);
}

/* ---- merged watches ---- */

static void nudge(struct front *f);

static void on_nudged(struct want *want, int rc, const struct err *err)
{
    struct front_shard *s = CONTAINER_OF(want, struct front_shard, nudge);
    struct front *f = s->view.user;
    s->nudging = false;
    s->nudge_at_ms = loop_now_ms(f->loop) + NUDGE_MS;
    if (rc == ERR_UNAVAILABLE) {
        merge_end_watches(&f->merge, rc, err->message);
        return;
    }
    nudge(f);
}

static void nudge(struct front *f)
{
    bool watched = merge_watch_count(&f->merge) > 0 || loop_now_ms(f->loop) < f->keep_up_until_ms;
    if (!watched || f->detaching) {
        return;
    }
    uint64_t foremost = 0;
    for (uint32_t i = 0; i < f->shard_count; i++) {
        uint64_t present = view_present(&f->shards[i].view);
        foremost = present > foremost ? present : foremost;
    }
    uint64_t now = loop_now_ms(f->loop);
    uint64_t soonest = UINT64_MAX;
    for (uint32_t i = 0; i < f->shard_count; i++) {
        struct front_shard *s = &f->shards[i];
        if (s->nudging || view_present(&s->view) >= foremost) {
            continue;
        }
        if (now < s->nudge_at_ms) {
            soonest = s->nudge_at_ms < soonest ? s->nudge_at_ms : soonest;
            continue;
        }
        s->nudging = true;
        s->nudge = (struct want){.kind = WANT_CLOSED,
                                 .shard = i,
                                 .deadline_ms = UINT64_MAX,
                                 .version = foremost,
                                 .trusted = true,
                                 .done = on_nudged};
        front_want(f, &s->nudge);
    }
    if (soonest != UINT64_MAX) {
        loop_timer_start(&f->timer, soonest - now, FRONT_TICK_MS);
    }
}

void front_nudge(struct front *f)
{
    nudge(f);
}

void front_keep_up(struct front *f)
{
    f->keep_up_until_ms = loop_now_ms(f->loop) + KEEP_UP_MS;
    nudge(f);
}

/* ---- the loop's own turns ---- */

static void fail_all(struct front *f, struct list *wants, uint64_t now, int rc)
{
    LIST_FOREACH(link, wants)
    {
        struct want *want = CONTAINER_OF(link, struct want, link);
        if (rc == 0 && now < want->deadline_ms) {
            continue;
        }
        struct err err;
        int code = rc != 0 ? rc : ERR_TIMEOUT;
        err_set(&err, code, "shard %u: %s", want->shard,
                code == ERR_CLOSED ? "the node is shutting down" : "no answer in time");
        finish(f, want, code, &err);
    }
}

/* Those past their deadline; with rc, all. */
void front__fail_wants(struct front *f, uint64_t now, int rc)
{
    for (uint32_t i = 0; i < f->shard_count; i++) {
        struct front_shard *s = &f->shards[i];
        fail_all(f, &s->applying, now, rc);
        for (int kind = 0; kind < 3; kind++) {
            fail_all(f, &s->next[kind], now, rc);
            if (s->asking[kind] != NULL) {
                fail_all(f, &s->asking[kind]->riders, now, rc);
            }
        }
    }
}

void front__on_timer(struct loop_timer *timer)
{
    struct front *f = CONTAINER_OF(timer, struct front, timer);
    uint64_t now = loop_now_ms(f->loop);
    front__fail_wants(f, now, 0);
    router_tick(f, now);
    nudge(f);
    drain(f);
}

/* Ends what is due, on the loop's own turn; f may be gone afterwards. */
static void drain(struct front *f)
{
    struct list due;
    list_init(&due);
    list_splice_back(&due, &f->ready);
    struct list *link;
    while ((link = list_pop_front(&due)) != NULL) {
        struct want *want = CONTAINER_OF(link, struct want, link);
        struct err err = want->err;
        want->done(want, want->rc, &err);
    }
    router_wake(f);
    front__close_if_quiet(f);
}

void front__on_wake(struct loop_msg *msg)
{
    struct front *f = CONTAINER_OF(msg, struct front, wake);
    f->wake_posted = false;
    drain(f);
}

/* ---- news from the consensus loop ---- */

enum news_kind { NEWS_APPLIED, NEWS_RESET, NEWS_LEADERLESS };

struct news {
    struct loop_msg msg;
    struct front *front;
    uint32_t shard;
    enum news_kind kind;
    uint64_t applied;
    uint64_t present;
};

static void take_applied(struct front *f, struct front_shard *s, const struct news *news)
{
    s->applied = news->applied;
    s->present = news->present;
    view_advance(&s->view, s->present, s->present);
    LIST_FOREACH(link, &s->applying)
    {
        struct want *want = CONTAINER_OF(link, struct want, link);
        if (want->index <= s->applied) {
            wait_applied(f, want);
        }
    }
    merge_advance(&f->merge);
    nudge(f);
}

static void take_news(struct loop_msg *msg)
{
    static const char alone[] = "the shard has had no leader for too long: watch again later";
    struct news *news = CONTAINER_OF(msg, struct news, msg);
    struct front *f = news->front;
    struct front_shard *s = &f->shards[news->shard];
    if (f->detaching) {
        /* too late */
    } else if (news->kind == NEWS_RESET) {
        struct err err;
        if (view_reopen(&s->view, &err) != 0) {
            node_fatal(f->node, &err);
        }
    } else if (news->kind == NEWS_LEADERLESS) {
        view_end_watches(&s->view, ERR_UNAVAILABLE, alone);
        merge_end_watches(&f->merge, ERR_UNAVAILABLE, alone);
    } else if (news->applied >= s->applied) {
        take_applied(f, s, news);
    }
    free(news);
    drain(f);
}

static void tell(struct front *f, const struct replica *r, enum news_kind kind)
{
    struct news *news = mem_zero(sizeof(*news));
    *news = (struct news){.msg.run = take_news,
                          .front = f,
                          .shard = r->shard,
                          .kind = kind,
                          .applied = r->state.applied_index,
                          .present = r->present};
    loop_post(f->loop, &news->msg);
}

void front__tell(struct front *f, const struct replica *r)
{
    tell(f, r, NEWS_APPLIED);
}

static void tell_all(const struct replica *r, enum news_kind kind)
{
    for (size_t i = 0; i < r->node->front_count; i++) {
        tell(r->node->fronts[i], r, kind);
    }
}

void fronts_applied(const struct replica *r)
{
    tell_all(r, NEWS_APPLIED);
}

void fronts_reset(const struct replica *r)
{
    tell_all(r, NEWS_RESET);
}

void fronts_leaderless(const struct replica *r)
{
    tell_all(r, NEWS_LEADERLESS);
}
