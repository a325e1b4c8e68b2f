/* watch.c: ResourceService.Watch.
 *
 *   LISTING -- pages of what is there, as ADDED --> SYNCED event --> FOLLOWING --> end
 *      \____ resource_version given: straight to FOLLOWING ____/
 *
 * Flow control: when the stream's queue is full the listing stops after its page, and the watch is
 * paused; both go on when the client has read. A watch that ends finishes the call with the reason:
 * OUT_OF_RANGE means list again, UNAVAILABLE means ask again from the last version. */
#include <string.h>

#include "node/api/grpc/resource.h"

enum watch_state { LISTING, FOLLOWING, ENDED };

enum { WATCH_PAGE_ROWS = 200, LIST_LIMIT_MS = 30 * 1000 };

struct watching {
    struct grpc_call *call;
    const struct kind *kind;
    Choreo__V1__Form form;
    struct selector *selector;
    struct slice ns;
    enum watch_state state;
    bool waiting; /* LISTING: for room before the next page */
    bool in_page; /* a page has been asked for and not ended */
    struct backend_list list;
    struct backend_watch watch;
    struct backend_cursor last;
};

static void next_page(struct watching *w);

/* Events are made in an arena of their own, for a watch outlives any number of them. */
static bool send_event(struct watching *w, Choreo__V1__WatchEvent__Type type,
                       const struct backend_object *object, uint64_t version)
{
    struct grpc_call *call = w->call;
    struct arena *calls = call->arena;
    struct arena event_arena = {0};
    Choreo__V1__WatchEvent event = CHOREO__V1__WATCH_EVENT__INIT;
    struct err err = {0};
    bool room = true;
    event.has_type = true;
    event.type = type;
    event.has_resource_version = true;
    event.resource_version = version;
    call->arena = &event_arena;
    int rc =
        object != NULL ? resource_pack(call, w->kind, w->form, object, &event.object, &err) : 0;
    call->arena = calls;
    if (rc != 0) {
        grpc_finish(call, rc, &err, NULL);
    } else {
        room = grpc_send(call, &event.base);
    }
    arena_free(&event_arena);
    return room;
}

/* ---- following ---- */

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    struct watching *w = watch->user;
    static const Choreo__V1__WatchEvent__Type types[] = {
        [BACKEND_ADDED] = CHOREO__V1__WATCH_EVENT__TYPE__ADDED,
        [BACKEND_MODIFIED] = CHOREO__V1__WATCH_EVENT__TYPE__MODIFIED,
        [BACKEND_DELETED] = CHOREO__V1__WATCH_EVENT__TYPE__DELETED,
    };
    if (!grpc_done(w->call) && !send_event(w, types[event], object, object->version)) {
        watch->paused = true;
    }
}

static void on_progress(struct backend_watch *watch, uint64_t version)
{
    struct watching *w = watch->user;
    if (!grpc_done(w->call)) {
        (void)send_event(w, CHOREO__V1__WATCH_EVENT__TYPE__BOOKMARK, NULL, version);
    }
}

static void on_ended(struct backend_watch *watch, int rc, const struct err *err)
{
    struct watching *w = watch->user;
    w->state = ENDED;
    if (!grpc_done(w->call)) {
        grpc_finish(w->call, rc, err, NULL);
    }
    grpc_drop(w->call);
}

static void follow(struct watching *w, uint64_t since)
{
    w->state = FOLLOWING;
    w->watch = (struct backend_watch){.loop = w->call->loop,
                                      .resource = w->kind->resource,
                                      .ns = w->ns,
                                      .selector = w->selector,
                                      .since = since,
                                      .user = w,
                                      .on_event = on_event,
                                      .on_progress = on_progress,
                                      .ended = on_ended};
    grpc_hold(w->call);
    w->call->api->backend->ops->watch_start(w->call->api->backend, &w->watch);
}

/* ---- listing ---- */

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct watching *w = list->user;
    if (!grpc_done(w->call)) {
        w->waiting = !send_event(w, CHOREO__V1__WATCH_EVENT__TYPE__ADDED, object, object->version);
    }
    backend_cursor_set(&w->last, &object->key);
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct watching *w = list->user;
    struct grpc_call *call = w->call;
    w->in_page = false;
    if (rc != 0) {
        grpc_finish(call, rc, err, NULL);
    } else if (!grpc_done(call) && !list->more) {
        w->waiting = false;
        (void)send_event(w, CHOREO__V1__WATCH_EVENT__TYPE__SYNCED, NULL, list->read_version);
        follow(w, list->read_version);
    } else if (!grpc_done(call)) {
        backend_list_next(list, &w->last);
        if (!w->waiting) {
            next_page(w);
        }
    }
    grpc_drop(call);
}

static void next_page(struct watching *w)
{
    w->list.deadline_ms = loop_now_ms(w->call->loop) + LIST_LIMIT_MS;
    w->in_page = true;
    grpc_hold(w->call);
    w->call->api->backend->ops->list(w->call->api->backend, &w->list);
}

/* ---- the call ---- */

static void on_writable(struct grpc_call *call)
{
    struct watching *w = call->state;
    if (w->state == LISTING && w->waiting) {
        w->waiting = false;
        if (!w->in_page) {
            next_page(w);
        }
    } else if (w->state == FOLLOWING && w->watch.paused) {
        w->watch.paused = false;
        call->api->backend->ops->watch_resume(call->api->backend, &w->watch);
    }
}

static void on_cancel(struct grpc_call *call)
{
    struct watching *w = call->state;
    if (w->state == FOLLOWING) {
        call->api->backend->ops->watch_stop(call->api->backend, &w->watch);
    } else if (w->state == LISTING && w->in_page) {
        call->api->backend->ops->cancel(call->api->backend, &w->list);
    }
}

void resource_watch(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Choreo__V1__WatchRequest *request = (const Choreo__V1__WatchRequest *)message;
    struct target t = {0};
    struct selector *selector;
    if (!resource_target(call, request->ref, "watch", true, &t) ||
        !resource_selector(call, t.kind, request->label_selector, request->field_selector,
                           &selector)) {
        return;
    }
    struct watching *w = ARENA_NEW(call->arena, struct watching);
    w->call = call;
    w->kind = t.kind;
    w->form = request->form;
    w->selector = selector;
    w->ns = t.ns;
    call->state = w;
    call->cancel = on_cancel;
    call->endless = true;
    call->writable = on_writable;
    if (request->resource_version != 0) {
        follow(w, request->resource_version);
        return;
    }
    w->state = LISTING;
    w->list = (struct backend_list){.loop = call->loop,
                                    .resource = t.kind->resource,
                                    .ns = t.ns,
                                    .selector = selector,
                                    .consistency = BACKEND_LINEARIZABLE,
                                    .limit = WATCH_PAGE_ROWS,
                                    .bytes = BACKEND_PAGE_BYTES_FEW,
                                    .whose = slice_hash(call->subject.user),
                                    .user = w,
                                    .row = on_row,
                                    .done = on_listed};
    next_page(w);
}
