/* controller_feed.c: for each resource: list it, then watch it; again from the list if that broke.
 *
 * Happy path: pages until the end, then a watch from the list's version.
 * Failure path: a watch that was cut goes on from its last version; one whose history is gone, or a
 * list that failed, starts over after a moment. Items that a complete list did not show are
 * dropped. Invariant: exactly one of list, watch and retry is under way for a source, until it is
 * closed. */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "plane/controller_internal.h"

enum { RETRY_MS = 200, PAGE_ROWS = 200 };

static void start_list(struct controller_source *s);
static void start_watch(struct controller_source *s, uint64_t since);

static void on_retry_closed(struct loop_timer *timer)
{
    struct controller_source *s = CONTAINER_OF(timer, struct controller_source, retry);
    buf_free(&s->after_ns);
    buf_free(&s->after_name);
    controller__part_closed(s->controller);
}

/* Nothing is under way any more: go on later, or end. */
static void rest(struct controller_source *s)
{
    if (s->controller->closing) {
        loop_timer_close(&s->retry, on_retry_closed);
    } else {
        loop_timer_start(&s->retry, RETRY_MS, 0);
    }
}

static void on_retry(struct loop_timer *timer)
{
    start_list(CONTAINER_OF(timer, struct controller_source, retry));
}

/* ---- the list ---- */

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct controller_source *s = list->user;
    struct item *item = controller__take(s->controller, s->kind, object);
    if (item != NULL) {
        item->scan = s->scan;
    }
    buf_clear(&s->after_ns);
    buf_add(&s->after_ns, object->key.ns);
    buf_clear(&s->after_name);
    buf_add(&s->after_name, object->key.name);
}

/* Looks at every item of the source; those that the list did not show are gone. */
static void settle(struct controller_source *s)
{
    struct controller *c = s->controller;
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->items, &cursor, &key, &value)) {
        struct item *item = value;
        if (item->kind == s->kind && item->scan != s->scan) {
            controller__drop(c, item);
        } else if (item->kind == s->kind) {
            controller__look(c, item);
        }
    }
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct controller_source *s = list->user;
    s->listing = false;
    if (rc != 0 || s->controller->closing) {
        if (rc != 0 && !s->controller->closing) {
            log_warn("plane.list", "resource=%s error=%s", workload_resources[s->kind],
                     log_q(err->message));
        }
        rest(s);
        return;
    }
    if (list->more) {
        uint64_t version = list->read_version;
        list->consistency = BACKEND_EXACT;
        list->version = version;
        list->after_ns = buf_slice(&s->after_ns);
        list->after_name = buf_slice(&s->after_name);
        s->listing = true;
        s->controller->config.backend->ops->list(s->controller->config.backend, list);
        return;
    }
    settle(s);
    start_watch(s, list->read_version);
}

static void start_list(struct controller_source *s)
{
    if (s->controller->closing) {
        rest(s);
        return;
    }
    s->scan = ++s->controller->scans;
    s->listing = true;
    s->list = (struct backend_list){.loop = s->controller->loop,
                                    .resource = slice_of(workload_resources[s->kind]),
                                    .limit = PAGE_ROWS,
                                    .user = s,
                                    .row = on_row,
                                    .done = on_listed};
    s->controller->config.backend->ops->list(s->controller->config.backend, &s->list);
}

/* ---- the watch ---- */

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    struct controller_source *s = watch->user;
    struct controller *c = s->controller;
    watch->since = object->version;
    if (c->closing) {
        return;
    }
    if (event == BACKEND_DELETED) {
        struct item *gone = controller__find(c, s->kind, &object->key);
        if (gone != NULL) {
            controller__drop(c, gone);
        }
        return;
    }
    struct item *item = controller__take(c, s->kind, object);
    if (item != NULL) {
        item->scan = s->scan;
        controller__look(c, item);
    }
}

static void on_progress(struct backend_watch *watch, uint64_t version)
{
    watch->since = version;
}

static void on_ended(struct backend_watch *watch, int rc, const struct err *err)
{
    struct controller_source *s = watch->user;
    (void)err;
    s->watching = false;
    if (rc == ERR_UNAVAILABLE && !s->controller->closing) {
        start_watch(s, watch->since);
    } else {
        rest(s);
    }
}

static void start_watch(struct controller_source *s, uint64_t since)
{
    s->watching = true;
    s->watch = (struct backend_watch){.loop = s->controller->loop,
                                      .resource = slice_of(workload_resources[s->kind]),
                                      .since = since,
                                      .user = s,
                                      .on_event = on_event,
                                      .on_progress = on_progress,
                                      .ended = on_ended};
    s->controller->config.backend->ops->watch_start(s->controller->config.backend, &s->watch);
}

void controller__feed_start(struct controller *c)
{
    c->sources = mem_zero(WORKLOAD_KINDS * sizeof *c->sources);
    for (int i = 0; i < WORKLOAD_KINDS; i++) {
        struct controller_source *s = &c->sources[i];
        s->controller = c;
        s->kind = (enum workload_kind)i;
        loop_timer_init(c->loop, &s->retry, on_retry);
        loop_timer_start(&s->retry, 0, 0); /* the loop may not run yet */
        c->parts_open++;
    }
}

void controller__feed_stop(struct controller *c)
{
    for (int i = 0; i < WORKLOAD_KINDS; i++) {
        struct controller_source *s = &c->sources[i];
        if (s->watching) {
            c->config.backend->ops->watch_stop(c->config.backend, &s->watch);
        } else if (!s->listing) {
            loop_timer_stop(&s->retry);
            rest(s);
        }
    }
}
