/* namespaces.c: turning Organizations into Namespaces and back.
 *
 * Happy path: a request for "namespaces" gets a twin for "organizations.choreo.dev" with our
 * callbacks; what comes back is turned and handed on. The twin lives in request->impl, as a
 * backend's private state does, until the request's last callback. A write first reads the
 * Organization that the Namespace was made from, puts the new metadata over it and submits it under
 * the version that was read: a change in between is a conflict of the server's making, which the
 * gate retries. choreo-system is not stored: gets are answered here, lists get it slipped in where
 * its name belongs, watches never hear of it because it never changes.
 * Invariants: uid, version and metadata are the same in both; the spec is never touched here. */
#include "node/api/namespaces.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "proto/object.h"
#include "proto/schema.h"
#include "proto/selector.h"

#define OWN_NAME "choreo-system"
#define OWN_UID "63686f72-656f-4000-8000-73797374656d"

static const struct slice namespaces_resource = {"namespaces", sizeof "namespaces" - 1};

static struct namespaces *of(struct backend *b)
{
    return CONTAINER_OF(b, struct namespaces, backend);
}

static bool is_view(struct slice resource)
{
    return slice_eq(resource, namespaces_resource);
}

static bool is_own(struct slice name)
{
    return slice_eq_cstr(name, OWN_NAME);
}

/* ---- bodies ---- */

/* An Organization's stored bytes as a Namespace's. */
static int to_namespace(const struct backend_object *organization, struct buf *body,
                        struct backend_object *out, struct err *err)
{
    json_t *tree = NULL;
    int rc = object_parse(organization->body, 0, &tree, err);
    if (rc != 0) {
        return rc;
    }
    json_t *metadata = json_incref(json_at(tree, "metadata", NULL));
    const char *phase = object_deleting(tree) ? "Terminating" : "Active";
    json_object_del(metadata, "generation");
    json_t *ns = json_pack("{s:s, s:s, s:o, s:{s:[s]}, s:{s:s}}", "apiVersion", "v1", "kind",
                           "Namespace", "metadata", metadata, "spec", "finalizers", "kubernetes",
                           "status", "phase", phase);
    object_set_label(ns, SELECTOR_NAMESPACE_LABEL, object_name(ns));
    buf_clear(body);
    *out = *organization;
    out->key.resource = namespaces_resource;
    struct buf bytes = {0};
    json_canonical(ns, &bytes);
    buf_free(body);
    *body = bytes;
    out->body = buf_slice(body);
    rc = object_splice(out->body, &out->splice, err);
    json_decref(ns);
    json_decref(tree);
    return rc;
}

/* The Organization after a write of its Namespace; old is NULL when there was none. */
static int to_organization(const struct kind *kind, struct slice ns_body,
                           const struct backend_object *old, struct buf *body, uint32_t *splice,
                           struct err *err)
{
    json_t *ns = NULL;
    json_t *organization = NULL;
    int rc = object_parse(ns_body, 0, &ns, err);
    if (rc == 0 && old != NULL) {
        rc = object_parse(old->body, 0, &organization, err);
    } else if (rc == 0) {
        organization = json_pack("{s:s, s:s, s:{}}", "apiVersion", "choreo.dev/v1", "kind",
                                 "Organization", "spec");
        schema_default(kind->schema, organization);
    }
    if (rc == 0) {
        json_t *metadata = json_deep_copy(json_at(ns, "metadata", NULL));
        json_int_t generation = object_generation(organization);
        json_object_set_new(metadata, "generation", json_integer(generation > 0 ? generation : 1));
        json_t *labels = json_object_get(metadata, "labels");
        json_object_del(labels, SELECTOR_NAMESPACE_LABEL);
        if (labels != NULL && json_object_size(labels) == 0) {
            json_object_del(metadata, "labels");
        }
        json_object_set_new(organization, "metadata", metadata);
        rc = object_canonical(organization, body, splice, err);
    }
    json_decref(ns);
    json_decref(organization);
    return rc;
}

/* ---- get ---- */

struct get_twin {
    struct backend_get get;
    struct backend_get *asked;
    struct namespaces *view;
    struct buf body;
};

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct get_twin *t = get->user;
    struct backend_get *asked = t->asked;
    struct err why = {0};
    asked->read_version = get->read_version;
    if (is_own(asked->key.name) && (rc == 0 || rc == ERR_NOT_FOUND)) {
        asked->object = t->view->own;
        rc = 0;
    } else if (rc == 0) {
        rc = to_namespace(&get->object, &t->body, &asked->object, &why);
        err = &why;
    }
    asked->done(asked, rc, err);
    buf_free(&t->body);
    free(t);
}

static void view_get(struct backend *b, struct backend_get *asked)
{
    struct namespaces *n = of(b);
    if (!is_view(asked->key.resource)) {
        n->under->ops->get(n->under, asked);
        return;
    }
    struct get_twin *t = mem_zero(sizeof *t);
    t->asked = asked;
    t->view = n;
    t->get = *asked;
    t->get.key.resource = n->organization->resource;
    t->get.user = t;
    t->get.done = on_got;
    asked->impl = t;
    n->under->ops->get(n->under, &t->get);
}

/* ---- list ---- */

struct list_twin {
    struct backend_list list;
    struct backend_list *asked;
    struct selector *selector;
    struct namespaces *view;
    struct buf body;
    size_t given; /* rows */
    bool own_due; /* choreo-system belongs into this page or a later one */
    bool cut;     /* the page was full before all rows were given */
    int rc;
    struct err err;
};

static void give_row(struct list_twin *t, const struct backend_object *ns)
{
    if (t->given == t->asked->limit) {
        t->cut = true;
        return;
    }
    t->given++;
    t->asked->row(t->asked, ns);
}

static void give_own(struct list_twin *t)
{
    t->own_due = false;
    give_row(t, &t->view->own);
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct list_twin *t = list->user;
    struct backend_object ns;
    if (is_own(object->key.name)) {
        return; /* an Organization cannot have that name */
    }
    if (t->own_due && slice_cmp(object->key.name, SLICE(OWN_NAME)) > 0) {
        give_own(t);
    }
    if (t->rc == 0) {
        t->rc = to_namespace(object, &t->body, &ns, &t->err);
    }
    if (t->rc == 0) {
        give_row(t, &ns);
    }
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct list_twin *t = list->user;
    struct backend_list *asked = t->asked;
    bool behind = t->own_due; /* and not among the rows */
    if (rc == 0 && behind && !list->more) {
        give_own(t);
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

static void view_list(struct backend *b, struct backend_list *asked)
{
    struct namespaces *n = of(b);
    if (!is_view(asked->resource)) {
        n->under->ops->list(n->under, asked);
        return;
    }
    struct list_twin *t = mem_zero(sizeof *t);
    t->asked = asked;
    t->view = n;
    t->own_due = slice_cmp(asked->after_name, SLICE(OWN_NAME)) < 0 &&
                 selector_matches(asked->selector, n->own.body);
    t->list = *asked;
    t->list.resource = n->organization->resource;
    t->list.selector = t->selector = selector_for_organizations(asked->selector);
    t->list.user = t;
    t->list.row = on_row;
    t->list.done = on_listed;
    asked->impl = t;
    n->under->ops->list(n->under, &t->list);
}

/* ---- watch ---- */

struct watch_twin {
    struct backend_watch watch;
    struct backend_watch *asked;
    struct selector *selector;
    struct namespaces *view;
    struct buf body;
};

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    struct watch_twin *t = watch->user;
    struct backend_object ns;
    struct err err;
    if (to_namespace(object, &t->body, &ns, &err) != 0) {
        /* A damaged row: the client must not believe that nothing happened. */
        t->view->under->ops->watch_stop(t->view->under, watch);
        return;
    }
    t->asked->on_event(t->asked, event, &ns);
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
    selector_free(t->selector);
    buf_free(&t->body);
    free(t);
    asked->ended(asked, rc, err);
}

static void view_watch_start(struct backend *b, struct backend_watch *asked)
{
    struct namespaces *n = of(b);
    if (!is_view(asked->resource)) {
        n->under->ops->watch_start(n->under, asked);
        return;
    }
    struct watch_twin *t = mem_zero(sizeof *t);
    t->asked = asked;
    t->view = n;
    t->watch = *asked;
    t->watch.resource = n->organization->resource;
    t->watch.selector = t->selector = selector_for_organizations(asked->selector);
    t->watch.user = t;
    t->watch.on_event = on_event;
    t->watch.on_progress = on_progress;
    t->watch.ended = on_ended;
    asked->impl = t;
    n->under->ops->watch_start(n->under, &t->watch);
}

static void view_watch_stop(struct backend *b, struct backend_watch *asked)
{
    struct namespaces *n = of(b);
    struct watch_twin *t = asked->impl;
    n->under->ops->watch_stop(n->under, is_view(asked->resource) ? &t->watch : asked);
}

static void view_watch_resume(struct backend *b, struct backend_watch *asked)
{
    struct namespaces *n = of(b);
    struct watch_twin *t = asked->impl;
    if (is_view(asked->resource)) {
        t->watch.paused = false;
        n->under->ops->watch_resume(n->under, &t->watch);
    } else {
        n->under->ops->watch_resume(n->under, asked);
    }
}

/* ---- submit ---- */

struct submit_twin {
    struct namespaces *view;
    struct backend_submit *asked;
    struct backend_get get; /* the Organization as it is */
    struct backend_submit submit;
    struct buf body;
};

static void finish_submit(struct submit_twin *t, int rc, const struct err *err)
{
    struct backend_submit *asked = t->asked;
    asked->version = t->submit.version;
    asked->done(asked, rc, err);
    buf_free(&t->body);
    free(t);
}

static void on_submitted(struct backend_submit *submit, int rc, const struct err *err)
{
    finish_submit(submit->user, rc, err);
}

static void submit_organization(struct submit_twin *t, const struct backend_object *old)
{
    struct namespaces *n = t->view;
    const struct backend_submit *asked = t->asked;
    struct err err = {0};
    t->submit = *asked;
    int rc = to_organization(n->organization, asked->body, old, &t->body, &t->submit.splice, &err);
    if (rc != 0) {
        finish_submit(t, rc, &err);
        return;
    }
    t->submit.key.resource = n->organization->resource;
    t->submit.body = buf_slice(&t->body);
    t->submit.user = t;
    t->submit.done = on_submitted;
    if (old != NULL && t->submit.if_version == 0) {
        t->submit.if_version = old->version;
        t->submit.client_made = false;
    }
    n->under->ops->submit(n->under, &t->submit);
}

static void on_old(struct backend_get *get, int rc, const struct err *err)
{
    struct submit_twin *t = get->user;
    if (rc == ERR_NOT_FOUND) {
        submit_organization(t, NULL);
    } else if (rc != 0) {
        finish_submit(t, rc, err);
    } else {
        submit_organization(t, &get->object);
    }
}

/* ---- choreo-system ---- */

struct refusal {
    struct loop_msg msg;
    struct backend_submit *asked;
};

static void refuse_now(struct loop_msg *msg)
{
    struct refusal *r = CONTAINER_OF(msg, struct refusal, msg);
    struct backend_submit *asked = r->asked;
    struct err err;
    int rc = asked->verb == BACKEND_CREATE && is_view(asked->key.resource)
                 ? err_set(&err, ERR_EXISTS, "namespaces \"" OWN_NAME "\" already exists")
                 : err_set(&err, ERR_FORBIDDEN,
                           "%.*s \"" OWN_NAME "\" is forbidden: the namespace is the control "
                           "plane's own and cannot be changed",
                           SLICE_ARG(asked->key.resource));
    free(r);
    asked->done(asked, rc, &err);
}

static void refuse(struct backend_submit *asked)
{
    struct refusal *r = mem_zero(sizeof *r);
    r->asked = asked;
    r->msg.run = refuse_now;
    loop_post(asked->loop, &r->msg);
}

static void view_submit(struct backend *b, struct backend_submit *asked)
{
    struct namespaces *n = of(b);
    bool view = is_view(asked->key.resource);
    if ((view || slice_eq(asked->key.resource, n->organization->resource)) &&
        is_own(asked->key.name)) {
        refuse(asked);
        return;
    }
    if (!view) {
        n->under->ops->submit(n->under, asked);
        return;
    }
    struct submit_twin *t = mem_zero(sizeof *t);
    t->view = n;
    t->asked = asked;
    t->get = (struct backend_get){.loop = asked->loop,
                                  .key = {n->organization->resource, {0}, asked->key.name},
                                  .consistency = BACKEND_LINEARIZABLE,
                                  .deadline_ms = asked->deadline_ms,
                                  .user = t,
                                  .done = on_old};
    asked->impl = t;
    n->under->ops->get(n->under, &t->get);
}

static void view_outcome(struct backend *b, struct backend_submit *asked)
{
    struct namespaces *n = of(b);
    if (!is_view(asked->key.resource)) {
        n->under->ops->outcome(n->under, asked);
        return;
    }
    struct submit_twin *t = mem_zero(sizeof *t);
    t->view = n;
    t->asked = asked;
    t->submit = *asked;
    t->submit.key.resource = n->organization->resource;
    t->submit.user = t;
    t->submit.done = on_submitted;
    asked->impl = t;
    n->under->ops->outcome(n->under, &t->submit);
}

/* ---- cancel ---- */

/* A twin is left to end by itself, within its deadline: its done comes all the same, with what came
 * of it. The kinds of request begin alike: a loop, then the resource (of the key, or alone). */
static void view_cancel(struct backend *b, void *request)
{
    struct namespaces *n = of(b);
    const struct backend_get *as_get = request;
    static_assert(offsetof(struct backend_get, key.resource) ==
                          offsetof(struct backend_list, resource) &&
                      offsetof(struct backend_get, key.resource) ==
                          offsetof(struct backend_submit, key.resource),
                  "requests begin alike");
    if (!is_view(as_get->key.resource)) {
        n->under->ops->cancel(n->under, request);
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

static void make_own(struct namespaces *n, uint64_t since_ms)
{
    char since[21];
    struct err err;
    clock_rfc3339(since_ms, since);
    json_t *ns =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:s}, s:{s:[s]}, s:{s:s}}", "apiVersion", "v1", "kind",
                  "Namespace", "metadata", "name", OWN_NAME, "uid", OWN_UID, "creationTimestamp",
                  since, "spec", "finalizers", "kubernetes", "status", "phase", "Active");
    object_set_label(ns, SELECTOR_NAMESPACE_LABEL, SLICE(OWN_NAME));
    json_canonical(ns, &n->own_body);
    n->own = (struct backend_object){.key = {namespaces_resource, {0}, SLICE(OWN_NAME)},
                                     .body = buf_slice(&n->own_body),
                                     .version = 1};
    int rc = object_splice(n->own.body, &n->own.splice, &err);
    assert(rc == 0);
    (void)rc;
    json_decref(ns);
}

void namespaces_init(struct namespaces *n, struct backend *under, const struct kind_registry *kinds,
                     uint64_t since_ms)
{
    *n = (struct namespaces){.backend = {.ops = &ops}, .under = under};
    n->organization = kind_by_kind(kinds, SLICE("choreo.dev"), SLICE("v1"), SLICE("Organization"));
    assert(n->organization != NULL);
    make_own(n, since_ms);
}

void namespaces_free(struct namespaces *n)
{
    buf_free(&n->own_body);
}
