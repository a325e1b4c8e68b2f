/* events_view.c: turning the members of Events.
 *
 * Happy path: a request for the view gets a twin for the core group's Events with our callbacks;
 * what comes back is turned and handed on. The twin lives in request->impl until the request's last
 * callback. Selectors need no turning: the kind's selectable fields name places in the stored form.
 * Failure path: a stored object that cannot be read is the request's error, or ends the watch.
 * Invariant: the members of one form and of the other are the same, one to one, so nothing is lost
 * either way, and a write needs no look at what was there. */
#include "node/api/events_view.h"

#include <assert.h>
#include <stdlib.h>

#include "base/list.h"
#include "proto/object.h"

static const struct slice view_resource = {"events.events.k8s.io",
                                           sizeof "events.events.k8s.io" - 1};
static const struct slice core_resource = {"events", sizeof "events" - 1};

static struct events_view *of(struct backend *b)
{
    return CONTAINER_OF(b, struct events_view, backend);
}

static bool is_view(struct slice resource)
{
    return slice_eq(resource, view_resource);
}

/* ---- bodies ---- */

static const struct {
    const char *core;
    const char *view;
} names[] = {
    {"count", "deprecatedCount"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"involvedObject", "regarding"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"message", "note"},
    {"reportingComponent", "reportingController"},
    {"source", "deprecatedSource"},
};

static int turn(struct slice body, bool to_core, struct buf *out, uint32_t *splice, struct err *err)
{
    json_t *tree = NULL;
    int rc = object_parse(body, 0, &tree, err);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *from = to_core ? names[i].view : names[i].core;
        json_t *value = json_object_get(tree, from);
        if (value != NULL) {
            json_object_set(tree, to_core ? names[i].core : names[i].view, value);
            (void)json_object_del(tree, from);
        }
    }
    json_object_set_new(tree, "apiVersion", json_string(to_core ? "v1" : "events.k8s.io/v1"));
    struct buf bytes = {0};
    if (to_core) {
        rc = object_canonical(tree, &bytes, splice, err);
    } else { /* no limit is looked at: what could be stored can be read in this form too */
        json_canonical(tree, &bytes);
        rc = object_splice(buf_slice(&bytes), splice, err);
    }
    buf_free(out);
    *out = bytes;
    json_decref(tree);
    return rc;
}

static int to_view(const struct backend_object *core, struct buf *body, struct backend_object *out,
                   struct err *err)
{
    *out = *core;
    int rc = turn(core->body, false, body, &out->splice, err);
    out->key.resource = view_resource;
    out->body = buf_slice(body);
    return rc;
}

/* ---- get ---- */

struct get_twin {
    struct backend_get get;
    struct backend_get *asked;
    struct buf body;
};

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct get_twin *t = get->user;
    struct backend_get *asked = t->asked;
    struct err why = {0};
    asked->read_version = get->read_version;
    if (rc == 0) {
        rc = to_view(&get->object, &t->body, &asked->object, &why);
        err = &why;
    }
    asked->done(asked, rc, err);
    buf_free(&t->body);
    free(t);
}

static void view_get(struct backend *b, struct backend_get *asked)
{
    struct events_view *v = of(b);
    if (!is_view(asked->key.resource)) {
        v->under->ops->get(v->under, asked);
        return;
    }
    struct get_twin *t = mem_zero(sizeof *t);
    t->asked = asked;
    t->get = *asked;
    t->get.key.resource = core_resource;
    t->get.user = t;
    t->get.done = on_got;
    asked->impl = t;
    v->under->ops->get(v->under, &t->get);
}

/* ---- list ---- */

struct list_twin {
    struct backend_list list;
    struct backend_list *asked;
    struct buf body;
    int rc;
    struct err err;
};

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct list_twin *t = list->user;
    struct backend_object row;
    t->rc = t->rc != 0 ? t->rc : to_view(object, &t->body, &row, &t->err);
    if (t->rc == 0) {
        t->asked->row(t->asked, &row);
    }
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct list_twin *t = list->user;
    struct backend_list *asked = t->asked;
    asked->read_version = list->read_version;
    asked->more = list->more;
    asked->remaining = list->remaining;
    if (rc == 0 && t->rc != 0) {
        rc = t->rc;
        err = &t->err;
    }
    asked->done(asked, rc, err);
    buf_free(&t->body);
    free(t);
}

static void view_list(struct backend *b, struct backend_list *asked)
{
    struct events_view *v = of(b);
    if (!is_view(asked->resource)) {
        v->under->ops->list(v->under, asked);
        return;
    }
    struct list_twin *t = mem_zero(sizeof *t);
    t->asked = asked;
    t->list = *asked;
    t->list.resource = core_resource;
    t->list.user = t;
    t->list.row = on_row;
    t->list.done = on_listed;
    asked->impl = t;
    v->under->ops->list(v->under, &t->list);
}

/* ---- watch ---- */

struct watch_twin {
    struct backend_watch watch;
    struct backend_watch *asked;
    struct events_view *view;
    struct buf body;
};

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    struct watch_twin *t = watch->user;
    struct backend_object row;
    struct err err;
    if (to_view(object, &t->body, &row, &err) != 0) {
        /* A damaged row: the client must not believe that nothing happened. */
        t->view->under->ops->watch_stop(t->view->under, watch);
        return;
    }
    t->asked->on_event(t->asked, event, &row);
    watch->paused = t->asked->paused;
}

static void on_progress(struct backend_watch *watch, uint64_t version)
{
    struct watch_twin *t = watch->user;
    if (t->asked->on_progress != NULL) {
        t->asked->on_progress(t->asked, version);
    }
    watch->paused = t->asked->paused;
}

static void on_ended(struct backend_watch *watch, int rc, const struct err *err)
{
    struct watch_twin *t = watch->user;
    struct backend_watch *asked = t->asked;
    buf_free(&t->body);
    free(t);
    asked->ended(asked, rc, err);
}

static void view_watch_start(struct backend *b, struct backend_watch *asked)
{
    struct events_view *v = of(b);
    if (!is_view(asked->resource)) {
        v->under->ops->watch_start(v->under, asked);
        return;
    }
    struct watch_twin *t = mem_zero(sizeof *t);
    t->asked = asked;
    t->view = v;
    t->watch = *asked;
    t->watch.resource = core_resource;
    t->watch.user = t;
    t->watch.on_event = on_event;
    t->watch.on_progress = on_progress;
    t->watch.ended = on_ended;
    asked->impl = t;
    v->under->ops->watch_start(v->under, &t->watch);
}

static void view_watch_stop(struct backend *b, struct backend_watch *asked)
{
    struct events_view *v = of(b);
    struct watch_twin *t = asked->impl;
    v->under->ops->watch_stop(v->under, is_view(asked->resource) ? &t->watch : asked);
}

static void view_watch_resume(struct backend *b, struct backend_watch *asked)
{
    struct events_view *v = of(b);
    struct watch_twin *t = asked->impl;
    if (is_view(asked->resource)) {
        t->watch.paused = false;
        v->under->ops->watch_resume(v->under, &t->watch);
    } else {
        v->under->ops->watch_resume(v->under, asked);
    }
}

/* ---- submit ---- */

struct submit_twin {
    struct backend_submit submit;
    struct backend_submit *asked;
    struct buf body;
    struct loop_msg msg; /* a body that cannot be turned */
    struct err err;
};

static void finish(struct submit_twin *t, int rc, const struct err *err)
{
    struct backend_submit *asked = t->asked;
    asked->version = t->submit.version;
    asked->done(asked, rc, err);
    buf_free(&t->body);
    free(t);
}

static void on_submitted(struct backend_submit *submit, int rc, const struct err *err)
{
    finish(submit->user, rc, err);
}

static void refuse(struct loop_msg *msg)
{
    struct submit_twin *t = CONTAINER_OF(msg, struct submit_twin, msg);
    finish(t, t->err.code, &t->err);
}

static struct submit_twin *submit_twin(struct backend_submit *asked)
{
    struct submit_twin *t = mem_zero(sizeof *t);
    t->asked = asked;
    t->submit = *asked;
    t->submit.key.resource = core_resource;
    t->submit.user = t;
    t->submit.done = on_submitted;
    asked->impl = t;
    return t;
}

static void view_submit(struct backend *b, struct backend_submit *asked)
{
    struct events_view *v = of(b);
    if (!is_view(asked->key.resource)) {
        v->under->ops->submit(v->under, asked);
        return;
    }
    struct submit_twin *t = submit_twin(asked);
    if (turn(asked->body, true, &t->body, &t->submit.splice, &t->err) != 0) {
        t->msg.run = refuse;
        loop_post(asked->loop, &t->msg);
        return;
    }
    t->submit.body = buf_slice(&t->body);
    v->under->ops->submit(v->under, &t->submit);
}

static void view_outcome(struct backend *b, struct backend_submit *asked)
{
    struct events_view *v = of(b);
    if (!is_view(asked->key.resource)) {
        v->under->ops->outcome(v->under, asked);
        return;
    }
    v->under->ops->outcome(v->under, &submit_twin(asked)->submit);
}

/* ---- cancel ---- */

/* A twin is left to end by itself, within its deadline: its done comes all the same, with what came
 * of it. The kinds of request begin alike: a loop, then the resource (of the key, or alone). */
static void view_cancel(struct backend *b, void *request)
{
    struct events_view *v = of(b);
    const struct backend_get *as_get = request;
    static_assert(offsetof(struct backend_get, key.resource) ==
                          offsetof(struct backend_list, resource) &&
                      offsetof(struct backend_get, key.resource) ==
                          offsetof(struct backend_submit, key.resource),
                  "requests begin alike");
    if (!is_view(as_get->key.resource)) {
        v->under->ops->cancel(v->under, request);
    }
}

static const struct backend_ops ops = {
    .get = view_get,
    .list = view_list,
    .watch_start = view_watch_start,
    .watch_stop = view_watch_stop,
    .watch_resume = view_watch_resume,
    .submit = view_submit,
    .outcome = view_outcome,
    .cancel = view_cancel,
};

void events_view_init(struct events_view *v, struct backend *under)
{
    *v = (struct events_view){.backend = {.ops = &ops}, .under = under};
}
