/* alias.c: requests for one resource as requests for another.
 *
 * Happy path: a request for the shown resource gets a twin for the stored one with our callbacks;
 * what comes back is turned and handed on. The twin lives in request->impl, as a backend's private
 * state does, until the request's last callback.
 * Failure path: a stored object that cannot be read is the request's error, or ends the watch. A
 * write that cannot be turned, or that the form does not permit, ends without going further.
 * Invariant: a shown object has its stored one's name, uid and version. */
#include "node/api/alias.h"

#include <assert.h>
#include <stdlib.h>

#include "base/list.h"
#include "proto/object.h"
#include "proto/selector.h"

static struct alias *of(struct backend *b)
{
    return CONTAINER_OF(b, struct alias, backend);
}

static bool is_shown(const struct alias *a, struct slice resource)
{
    return slice_eq(resource, a->form->shown);
}

static bool is_always(const struct alias *a, struct slice name)
{
    return a->always != NULL && slice_eq(name, a->always->key.name);
}

/* No limit is looked at: what could be stored can be read under its other name too. */
static int show(const struct alias *a, const struct backend_object *stored, struct buf *body,
                struct backend_object *out, struct err *err)
{
    json_t *tree = NULL;
    int rc = object_parse(stored->body, 0, &tree, err);
    if (rc != 0) {
        return rc;
    }
    tree = a->form->show(tree);
    buf_clear(body);
    json_canonical(tree, body);
    json_decref(tree);
    *out = *stored;
    out->key.resource = a->form->shown;
    out->body = buf_slice(body);
    return object_splice(out->body, &out->splice, err);
}

/* ---- get ---- */

struct get_twin {
    struct backend_get get;
    struct backend_get *asked;
    const struct alias *alias;
};

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct get_twin *t = get->user;
    struct backend_get *asked = t->asked;
    struct buf body = {0};
    struct err why = {0};
    asked->read_version = get->read_version;
    if (is_always(t->alias, asked->key.name) && (rc == 0 || rc == ERR_NOT_FOUND)) {
        asked->object = *t->alias->always;
        rc = 0;
    } else if (rc == 0) {
        rc = show(t->alias, &get->object, &body, &asked->object, &why);
        err = &why;
    }
    asked->done(asked, rc, err);
    buf_free(&body);
    free(t);
}

static void alias_get(struct backend *b, struct backend_get *asked)
{
    struct alias *a = of(b);
    if (!is_shown(a, asked->key.resource)) {
        a->under->ops->get(a->under, asked);
        return;
    }
    struct get_twin *t = mem_zero(sizeof *t);
    t->asked = asked;
    t->alias = a;
    t->get = *asked;
    t->get.key.resource = a->form->stored;
    t->get.user = t;
    t->get.done = on_got;
    asked->impl = t;
    a->under->ops->get(a->under, &t->get);
}

/* ---- lists and watches: of what is stored, by a selector of it ---- */

/* *made is the caller's, if there is need of one. */
static const struct selector *select_stored(const struct alias *a, const struct selector *asked,
                                            struct selector **made)
{
    if (a->form->select == NULL) {
        return asked;
    }
    *made = a->form->select(asked);
    return *made;
}

struct list_twin {
    struct backend_list list;
    struct backend_list *asked;
    const struct alias *alias;
    struct selector *selector; /* made for it, or NULL */
    struct buf body;
    size_t given;    /* rows */
    bool always_due; /* the object that is always there belongs into this page or a later one */
    bool cut;        /* the page was full before all rows were given */
    int rc;
    struct err err;
};

static void give_row(struct list_twin *t, const struct backend_object *row)
{
    if (t->given == t->asked->limit) {
        t->cut = true;
        return;
    }
    t->given++;
    t->asked->row(t->asked, row);
}

static void give_always(struct list_twin *t)
{
    t->always_due = false;
    give_row(t, t->alias->always);
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct list_twin *t = list->user;
    const struct alias *a = t->alias;
    struct backend_object row;
    if (is_always(a, object->key.name)) {
        return; /* nothing is stored by that name */
    }
    if (t->always_due && slice_cmp(object->key.name, a->always->key.name) > 0) {
        give_always(t);
    }
    if (t->rc == 0) {
        t->rc = show(a, object, &t->body, &row, &t->err);
    }
    if (t->rc == 0) {
        give_row(t, &row);
    }
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct list_twin *t = list->user;
    struct backend_list *asked = t->asked;
    bool behind = t->always_due; /* and not among the rows */
    if (rc == 0 && behind && !list->more) {
        give_always(t);
    }
    asked->read_version = list->read_version;
    asked->more = list->more || t->cut;
    asked->remaining = list->remaining;
    if (list->remaining >= 0 && (t->cut || (behind && list->more))) {
        asked->remaining++;
    }
    if (rc == 0 && t->rc != 0) {
        rc = t->rc;
        err = &t->err;
    }
    asked->done(asked, rc, err);
    selector_free(t->selector);
    buf_free(&t->body);
    free(t);
}

static void alias_list(struct backend *b, struct backend_list *asked)
{
    struct alias *a = of(b);
    if (!is_shown(a, asked->resource)) {
        a->under->ops->list(a->under, asked);
        return;
    }
    struct list_twin *t = mem_zero(sizeof *t);
    t->asked = asked;
    t->alias = a;
    t->always_due = a->always != NULL && slice_cmp(asked->after_name, a->always->key.name) < 0 &&
                    selector_matches(asked->selector, a->always->body);
    t->list = *asked;
    t->list.resource = a->form->stored;
    t->list.selector = select_stored(a, asked->selector, &t->selector);
    t->list.user = t;
    t->list.row = on_row;
    t->list.done = on_listed;
    asked->impl = t;
    a->under->ops->list(a->under, &t->list);
}

struct watch_twin {
    struct backend_watch watch;
    struct backend_watch *asked;
    const struct alias *alias;
    struct selector *selector; /* made for it, or NULL */
};

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    struct watch_twin *t = watch->user;
    struct backend *under = t->alias->under;
    struct backend_object row;
    struct buf body = {0};
    struct err err;
    if (show(t->alias, object, &body, &row, &err) == 0) {
        t->asked->on_event(t->asked, event, &row);
        watch->paused = t->asked->paused;
    } else {
        /* A damaged row: the client must not believe that nothing happened. */
        under->ops->watch_stop(under, watch);
    }
    buf_free(&body);
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
    selector_free(t->selector);
    free(t);
    asked->ended(asked, rc, err);
}

static void alias_watch_start(struct backend *b, struct backend_watch *asked)
{
    struct alias *a = of(b);
    if (!is_shown(a, asked->resource)) {
        a->under->ops->watch_start(a->under, asked);
        return;
    }
    struct watch_twin *t = mem_zero(sizeof *t);
    t->asked = asked;
    t->alias = a;
    t->watch = *asked;
    t->watch.resource = a->form->stored;
    t->watch.selector = select_stored(a, asked->selector, &t->selector);
    t->watch.user = t;
    t->watch.on_event = on_event;
    t->watch.on_progress = on_progress;
    t->watch.ended = on_ended;
    asked->impl = t;
    a->under->ops->watch_start(a->under, &t->watch);
}

static void alias_watch_stop(struct backend *b, struct backend_watch *asked)
{
    struct alias *a = of(b);
    struct watch_twin *t = asked->impl;
    a->under->ops->watch_stop(a->under, is_shown(a, asked->resource) ? &t->watch : asked);
}

static void alias_watch_resume(struct backend *b, struct backend_watch *asked)
{
    struct alias *a = of(b);
    struct watch_twin *t = asked->impl;
    if (is_shown(a, asked->resource)) {
        t->watch.paused = false;
        a->under->ops->watch_resume(a->under, &t->watch);
    } else {
        a->under->ops->watch_resume(a->under, asked);
    }
}

/* ---- submit ---- */

struct submit_twin {
    struct backend_submit submit;
    struct backend_submit *asked;
    struct alias *alias;
    struct backend_get get; /* the object as it is stored */
    struct buf body;
    struct loop_msg msg; /* a write that goes no further */
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

static struct submit_twin *submit_twin(struct alias *a, struct backend_submit *asked)
{
    struct submit_twin *t = mem_zero(sizeof *t);
    t->asked = asked;
    t->alias = a;
    t->submit = *asked;
    t->submit.key.resource = a->form->stored;
    t->submit.user = t;
    t->submit.done = on_submitted;
    asked->impl = t;
    return t;
}

static void refuse_now(struct loop_msg *msg)
{
    struct submit_twin *t = CONTAINER_OF(msg, struct submit_twin, msg);
    finish(t, t->err.code, &t->err);
}

/* Ends it with t->err, but never inside the call that submitted it. */
static void refuse(struct submit_twin *t)
{
    t->msg.run = refuse_now;
    loop_post(t->asked->loop, &t->msg);
}

static int store(struct submit_twin *t, const struct backend_object *old)
{
    struct alias *a = t->alias;
    json_t *shown = NULL;
    json_t *stored = NULL;
    int rc = object_parse(t->asked->body, 0, &shown, &t->err);
    if (rc == 0 && old != NULL) {
        rc = object_parse(old->body, 0, &stored, &t->err);
    }
    if (rc != 0) {
        json_decref(shown);
        return rc;
    }
    stored = a->form->store(a, shown, stored);
    rc = object_canonical(stored, &t->body, &t->submit.splice, &t->err);
    json_decref(stored);
    t->submit.body = buf_slice(&t->body);
    return rc;
}

static void submit_stored(struct submit_twin *t, const struct backend_object *old)
{
    struct backend *under = t->alias->under;
    if (store(t, old) != 0) {
        refuse(t);
        return;
    }
    if (old != NULL && t->submit.if_version == 0) {
        t->submit.if_version = old->version;
        t->submit.client_made = false;
    }
    under->ops->submit(under, &t->submit);
}

static void on_old(struct backend_get *get, int rc, const struct err *err)
{
    struct submit_twin *t = get->user;
    if (rc == 0 || rc == ERR_NOT_FOUND) {
        submit_stored(t, rc == 0 ? &get->object : NULL);
    } else {
        finish(t, rc, err);
    }
}

static void read_old(struct submit_twin *t)
{
    struct backend *under = t->alias->under;
    t->get = (struct backend_get){.loop = t->submit.loop,
                                  .key = t->submit.key,
                                  .consistency = BACKEND_LINEARIZABLE,
                                  .deadline_ms = t->submit.deadline_ms,
                                  .user = t,
                                  .done = on_old};
    under->ops->get(under, &t->get);
}

static bool permitted(struct alias *a, struct backend_submit *asked)
{
    struct err err = {0};
    bool ours = is_shown(a, asked->key.resource) || slice_eq(asked->key.resource, a->form->stored);
    if (!ours || a->form->permit == NULL || a->form->permit(asked, &err) == 0) {
        return true;
    }
    struct submit_twin *t = submit_twin(a, asked);
    t->err = err;
    refuse(t);
    return false;
}

static void alias_submit(struct backend *b, struct backend_submit *asked)
{
    struct alias *a = of(b);
    if (!permitted(a, asked)) {
        return;
    }
    if (!is_shown(a, asked->key.resource)) {
        a->under->ops->submit(a->under, asked);
    } else if (a->form->reads_old) {
        read_old(submit_twin(a, asked));
    } else {
        submit_stored(submit_twin(a, asked), NULL);
    }
}

static void alias_outcome(struct backend *b, struct backend_submit *asked)
{
    struct alias *a = of(b);
    struct backend_submit *submit =
        is_shown(a, asked->key.resource) ? &submit_twin(a, asked)->submit : asked;
    a->under->ops->outcome(a->under, submit);
}

/* ---- cancel ---- */

/* A twin is left to end by itself, within its deadline: its done comes all the same, with what came
 * of it. The kinds of request begin alike: a loop, then the resource (of the key, or alone). */
static void alias_cancel(struct backend *b, void *request)
{
    struct alias *a = of(b);
    const struct backend_get *as_get = request;
    static_assert(offsetof(struct backend_get, key.resource) ==
                          offsetof(struct backend_list, resource) &&
                      offsetof(struct backend_get, key.resource) ==
                          offsetof(struct backend_submit, key.resource),
                  "requests begin alike");
    if (!is_shown(a, as_get->key.resource)) {
        a->under->ops->cancel(a->under, request);
    }
}

static const struct backend_ops ops = {
    .get = alias_get,
    .list = alias_list,
    .watch_start = alias_watch_start,
    .watch_stop = alias_watch_stop,
    .watch_resume = alias_watch_resume,
    .submit = alias_submit,
    .outcome = alias_outcome,
    .cancel = alias_cancel,
};

void alias_init(struct alias *a, struct backend *under, const struct alias_form *form)
{
    *a = (struct alias){.backend = {.ops = &ops}, .under = under, .form = form};
}
