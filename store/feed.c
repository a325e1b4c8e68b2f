/* feed.c: watches and the pump that serves them.
 *
 * Happy path: feed_advance() makes the pump due; at the loop's next turn it reads the new rows once
 * into the tail and gives each to the live watches of its topic, then tells those the progress.
 * A watch that is not live catches up by a step per turn until it stands at feed->read.
 * Failure path: an error of the source ends the watches that it concerns: all, if it came while
 * reading news; the one, while it caught up. ended() is only ever called from the pump.
 * Invariants: a watch gets every change of its resource behind `since` once, in order: a live one
 * is only given rows above feed->read at the time it became live, and feed->read moves in the same
 * turn in which the rows up to it are given. Lists are walked by moving them aside and putting each
 * watch back before its callback runs, so callbacks may change them at will. */
#include "store/feed.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "proto/selector.h"
#include "store/feed_internal.h"

enum { STEPS_PER_TURN = 16 };

static void pump(struct loop_timer *timer);
static void tell_progress(struct loop_timer *timer);

static void make_pump_due(struct feed *f)
{
    if (!f->pump_due) {
        f->pump_due = true;
        loop_timer_start(&f->pump, 0, 0);
    }
}

void feed_init(struct feed *f, struct loop *loop, const struct feed_source *source, void *user,
               uint64_t limit)
{
    *f = (struct feed){.loop = loop,
                       .source = source,
                       .user = user,
                       .limit = limit,
                       .read = limit,
                       .tail_since = limit,
                       .timers_open = 2};
    list_init(&f->all);
    list_init(&f->behind);
    list_init(&f->ahead);
    list_init(&f->ending);
    loop_timer_init(loop, &f->pump, pump);
    loop_timer_init(loop, &f->progress, tell_progress);
}

void feed_advance(struct feed *f, uint64_t limit)
{
    if (limit > f->limit && !f->closing) {
        f->limit = limit;
        if (f->watch_count > 0) {
            make_pump_due(f);
        }
    }
}

/* ---- starting and ending ---- */

static struct feed_topic *topic_of(struct feed *f, struct slice resource)
{
    struct feed_topic *topic = map_get(&f->topics, resource);
    if (topic == NULL) {
        topic = mem_zero(sizeof *topic);
        topic->resource = slice_dup(resource);
        topic->since = f->read;
        list_init(&topic->live);
        (void)map_put(&f->topics, resource, topic);
    }
    return topic;
}

static void leave_topic(struct feed_watch *w)
{
    struct feed_topic *topic = w->topic;
    topic->watch_count--;
    topic->selector_count -= w->watch->selector != NULL ? 1 : 0;
    if (topic->watch_count == 0) {
        (void)map_remove(&w->feed->topics, slice_of(topic->resource));
        free(topic->resource);
        free(topic);
    }
}

static void move_to(struct feed_watch *w, enum feed_watch_state state)
{
    if (list_linked(&w->link)) {
        list_remove(&w->link);
    }
    w->state = state;
    switch (state) {
    case WATCH_AHEAD:
        list_push_back(&w->feed->ahead, &w->link);
        break;
    case WATCH_BEHIND:
        list_push_back(&w->feed->behind, &w->link);
        make_pump_due(w->feed);
        break;
    case WATCH_LIVE:
        list_push_back(&w->topic->live, &w->link);
        break;
    case WATCH_ENDING:
        list_push_back(&w->feed->ending, &w->link);
        make_pump_due(w->feed);
        break;
    case WATCH_PAUSED:
        list_init(&w->link);
        break;
    }
}

void feed_watch_start(struct feed *f, struct backend_watch *watch)
{
    assert(loop_is_current(f->loop));
    if (f->watch_count == 0) {
        f->read = f->limit;
        feed__tail_clear(f);
        loop_timer_start(&f->progress, FEED_PROGRESS_MS, FEED_PROGRESS_MS);
    }
    struct feed_watch *w = mem_zero(sizeof *w);
    w->feed = f;
    w->watch = watch;
    w->cursor = watch->since;
    w->progress = watch->since;
    w->topic = topic_of(f, watch->resource);
    w->topic->watch_count++;
    w->topic->selector_count += watch->selector != NULL ? 1 : 0;
    w->deadline_ms = loop_now_ms(f->loop) + FEED_AHEAD_MS;
    list_init(&w->link);
    list_push_back(&f->all, &w->all);
    f->watch_count++;
    watch->impl = w;
    if (f->closing) {
        (void)err_set(&w->end, ERR_CLOSED, "shutting down");
        move_to(w, WATCH_ENDING);
    } else {
        move_to(w, w->cursor > f->limit ? WATCH_AHEAD : WATCH_BEHIND);
    }
}

static void end_watch(struct feed_watch *w, int code, const char *message)
{
    if (w->state != WATCH_ENDING) {
        (void)err_set(&w->end, code, "%s", message);
        move_to(w, WATCH_ENDING);
    }
}

void feed_watch_stop(struct backend_watch *watch)
{
    struct feed_watch *w = watch->impl;
    assert(loop_is_current(w->feed->loop));
    end_watch(w, ERR_CANCELED, "stopped");
}

void feed_watch_resume(struct backend_watch *watch)
{
    struct feed_watch *w = watch->impl;
    watch->paused = false;
    if (w->state == WATCH_PAUSED) {
        move_to(w, WATCH_BEHIND);
    }
}

void feed_end_watches(struct feed *f, int code, const char *message)
{
    LIST_FOREACH(link, &f->all)
    {
        end_watch(CONTAINER_OF(link, struct feed_watch, all), code, message);
    }
}

static void finish_ending(struct feed *f)
{
    struct list due;
    list_init(&due);
    list_splice_back(&due, &f->ending);
    struct list *link;
    while ((link = list_pop_front(&due)) != NULL) {
        struct feed_watch *w = CONTAINER_OF(link, struct feed_watch, link);
        struct backend_watch *watch = w->watch;
        struct err end = w->end;
        list_remove(&w->all);
        leave_topic(w);
        f->watch_count--;
        free(w);
        watch->impl = NULL;
        watch->ended(watch, end.code, &end);
    }
    if (f->watch_count == 0) {
        loop_timer_stop(&f->progress);
        f->read = f->limit;
        feed__tail_clear(f);
    }
}

/* ---- giving ---- */

/* What a row means to a watch with a selector; false: nothing. */
static bool select_event(const struct selector *selector, const struct feed_row *row,
                         enum backend_event *event, struct backend_object *object)
{
    bool is = row->verb != BACKEND_DELETE && selector_matches(selector, row->object.body);
    bool was = row->verb != BACKEND_CREATE && selector_matches(selector, row->prev_body);
    *object = row->object;
    if (is) {
        *event = was ? BACKEND_MODIFIED : BACKEND_ADDED;
    } else {
        *event = BACKEND_DELETED;
        if (row->verb != BACKEND_DELETE) { /* it left: its last state that matched */
            object->body = row->prev_body;
            object->splice = row->prev_splice;
        }
    }
    return is || was;
}

static enum backend_event event_of(enum backend_verb verb)
{
    switch (verb) {
    case BACKEND_CREATE:
        return BACKEND_ADDED;
    case BACKEND_UPDATE:
        return BACKEND_MODIFIED;
    case BACKEND_DELETE:
        break;
    }
    return BACKEND_DELETED;
}

/* Gives one row to a watch that stands before it. Afterwards look at w->state: the callback may
 * have stopped it. */
static void give(struct feed_watch *w, const struct feed_row *row)
{
    struct backend_watch *watch = w->watch;
    w->cursor = row->object.version;
    if (watch->ns.len > 0 && !slice_eq(watch->ns, row->object.key.ns)) {
        return;
    }
    struct backend_object object = row->object;
    enum backend_event event = event_of(row->verb);
    if (watch->selector != NULL) {
        assert(row->has_prev || row->verb == BACKEND_CREATE);
        if (!select_event(watch->selector, row, &event, &object)) {
            return;
        }
    }
    w->given = true;
    watch->on_event(watch, event, &object);
}

static void give_progress(struct feed_watch *w, uint64_t version)
{
    if (!w->watch->paused && version > w->progress) {
        w->progress = version;
        w->given = false;
        w->watch->on_progress(w->watch, version);
    }
}

static void give_live(struct feed *f, const struct feed_row *row)
{
    struct feed_topic *topic = map_get(&f->topics, row->object.key.resource);
    if (topic == NULL) {
        return; /* an earlier row's callbacks ended its last watch */
    }
    struct list due;
    list_init(&due);
    list_splice_back(&due, &topic->live);
    struct list *link;
    while ((link = list_pop_front(&due)) != NULL) {
        struct feed_watch *w = CONTAINER_OF(link, struct feed_watch, link);
        list_push_back(&topic->live, link);
        if (w->cursor >= row->object.version) {
            continue;
        }
        if (w->watch->paused) {
            w->cursor = row->object.version - 1;
            move_to(w, WATCH_PAUSED);
        } else {
            give(w, row);
        }
    }
}

/* Reads news and gives them; true if more is left. */
static bool give_news(struct feed *f)
{
    if (f->read >= f->limit || f->watch_count == 0) {
        return false;
    }
    struct feed_batch batch;
    struct err err;
    int rc = feed__read(f, NULL, f->read, f->limit, false, &batch, &err);
    if (rc != 0) {
        log_error("feed.read", "since=%llu error=%s", (unsigned long long)f->read,
                  log_q(err.message));
        feed_end_watches(f, rc, err.message);
        return false;
    }
    size_t count = batch.count;
    f->read = batch.upto;
    feed__tail_add(f, &batch);
    size_t first = f->row_count - count;
    for (size_t i = 0; i < count; i++) {
        give_live(f, feed__tail_row(f, first + i));
    }
    return f->read < f->limit;
}

/* Gives rows to a watch that catches up, until it is paused or stopped. */
static void give_rows(struct feed_watch *w, struct feed_row *const *rows, size_t count)
{
    for (size_t i = 0; i < count && w->state == WATCH_BEHIND; i++) {
        if (w->watch->paused) {
            w->cursor = rows[i]->object.version - 1;
            move_to(w, WATCH_PAUSED);
            return;
        }
        give(w, rows[i]);
    }
}

static void step_in_tail(struct feed_watch *w)
{
    struct feed *f = w->feed;
    struct feed_row *rows[FEED_STEP_ROWS];
    size_t count = 0;
    size_t at = feed__tail_find(f, w->cursor);
    for (; at < f->row_count && count < FEED_STEP_ROWS; at++) {
        struct feed_row *row = feed__tail_row(f, at);
        if (row->topic == w->topic) {
            rows[count++] = row;
        }
    }
    uint64_t upto = at == f->row_count ? f->read : rows[count - 1]->object.version;
    give_rows(w, rows, count);
    if (w->state == WATCH_BEHIND) {
        w->cursor = upto;
    }
}

static void step_in_source(struct feed_watch *w)
{
    struct feed *f = w->feed;
    struct feed_batch batch;
    struct err err;
    int rc = feed__read(f, w->topic, w->cursor, f->read, w->watch->selector != NULL, &batch, &err);
    if (rc != 0) {
        end_watch(w, rc, err.message);
        return;
    }
    give_rows(w, batch.rows, batch.count);
    if (w->state == WATCH_BEHIND) {
        w->cursor = batch.upto;
    }
    feed__batch_free(&batch);
}

/* One step for a watch that catches up. */
static void catch_up(struct feed_watch *w)
{
    struct feed *f = w->feed;
    if (w->cursor < f->read) {
        uint64_t since = w->topic->since > f->tail_since ? w->topic->since : f->tail_since;
        /* Rows in the tail may lack what a selector needs. */
        if (w->watch->selector == NULL && w->cursor >= since) {
            step_in_tail(w);
        } else {
            step_in_source(w);
        }
    }
    if (w->state != WATCH_BEHIND) {
        return;
    }
    if (w->cursor >= f->read) {
        move_to(w, WATCH_LIVE);
        w->given = true; /* tell where it stands */
    } else {
        move_to(w, WATCH_BEHIND);
    }
    give_progress(w, w->cursor);
}

static void catch_up_all(struct feed *f)
{
    struct list due;
    list_init(&due);
    list_splice_back(&due, &f->behind);
    struct list *link;
    for (int steps = 0; steps < STEPS_PER_TURN && (link = list_pop_front(&due)) != NULL; steps++) {
        list_push_back(&f->behind, link);
        catch_up(CONTAINER_OF(link, struct feed_watch, link));
    }
    /* Those that had no turn come first at the next. */
    list_splice_back(&due, &f->behind);
    list_splice_back(&f->behind, &due);
}

static void greet_arrived(struct feed *f)
{
    LIST_FOREACH(link, &f->ahead)
    {
        struct feed_watch *w = CONTAINER_OF(link, struct feed_watch, link);
        if (w->cursor <= f->limit) {
            move_to(w, WATCH_BEHIND);
        }
    }
}

/* To live watches: all whose position moved, or only those that were given something. */
static void progress_all(struct feed *f, bool only_given)
{
    LIST_FOREACH(link, &f->all) /* callbacks only ever add to it */
    {
        struct feed_watch *w = CONTAINER_OF(link, struct feed_watch, all);
        if (w->state == WATCH_LIVE && (w->given || !only_given)) {
            give_progress(w, f->read);
        }
    }
}

static void on_timer_closed(struct loop_timer *timer)
{
    struct feed *f = timer->fire == pump ? CONTAINER_OF(timer, struct feed, pump)
                                         : CONTAINER_OF(timer, struct feed, progress);
    f->timers_open--;
    if (f->timers_open == 0) {
        feed__tail_clear(f);
        map_free(&f->topics);
        if (f->closed != NULL) {
            f->closed(f);
        }
    }
}

static void pump(struct loop_timer *timer)
{
    struct feed *f = CONTAINER_OF(timer, struct feed, pump);
    f->pump_due = false;
    finish_ending(f);
    if (f->closing) {
        if (f->watch_count == 0) {
            loop_timer_close(&f->pump, on_timer_closed);
            loop_timer_close(&f->progress, on_timer_closed);
        }
        return;
    }
    uint64_t before = f->read;
    bool more = give_news(f);
    if (f->read > before) {
        progress_all(f, true);
    }
    greet_arrived(f);
    catch_up_all(f);
    if (more || !list_empty(&f->behind) || !list_empty(&f->ending)) {
        make_pump_due(f);
    }
}

static void tell_progress(struct loop_timer *timer)
{
    struct feed *f = CONTAINER_OF(timer, struct feed, progress);
    progress_all(f, false);
    uint64_t now = loop_now_ms(f->loop);
    LIST_FOREACH(link, &f->ahead)
    {
        struct feed_watch *w = CONTAINER_OF(link, struct feed_watch, link);
        if (now >= w->deadline_ms) {
            end_watch(w, ERR_TIMEOUT, "Too large resource version: it is ahead of the present");
        }
    }
}

void feed_close(struct feed *f, void (*closed)(struct feed *feed))
{
    assert(!f->closing);
    f->closing = true;
    f->closed = closed;
    feed_end_watches(f, ERR_CLOSED, "shutting down");
    make_pump_due(f);
}
