/* remove.c: one object off the cluster, fenced, and waited for.
 *
 *   kind -> plural -> GET (its uid and resourceVersion now) -> DELETE with both as preconditions
 *     -> GET until it is gone
 *
 * What has not gone within seconds is given up for now, with what holds it: whoever asked for it
 * has to tell that, and others wait for their turn.
 *
 * Gone already, or an object of that name that belongs to somebody else: done. A kind that the
 * cluster does not know any more took its objects along. */
#include "reconcile/drivers/kubernetes/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "proto/object.h"
#include "reconcile/drivers/kubernetes/live.h"

enum { POLL_FIRST_MS = 100, POLL_MAX_MS = 2000, GONE_WITHIN_MS = 5 * 1000 };

struct removal {
    struct driver_cluster *c;
    struct driver_op *op;
    struct lookup lookup;
    struct buf api_version;
    struct buf key;
    struct buf path;
    struct list link; /* in c->waits while polling */
    struct loop_timer poll;
    bool sent; /* the DELETE was taken */
    uint64_t started_ms;
    uint32_t wait_ms;
    int rc;
    struct err err;
};

static void on_closed(struct loop_timer *timer)
{
    struct removal *m = CONTAINER_OF(timer, struct removal, poll);
    struct driver_cluster *c = m->c;
    struct driver_op *op = m->op;
    int rc = m->rc;
    struct err err = m->err;
    lookup_free(&m->lookup);
    buf_free(&m->api_version);
    buf_free(&m->key);
    buf_free(&m->path);
    free(m);
    c->posted--;
    op->done(op, rc, &err);
    cluster_check_closed(c);
}

static void finish(struct removal *m, int rc, const struct err *err)
{
    m->rc = rc;
    if (rc != 0) {
        m->err = *err;
    } else {
        seen_drop(m->c, buf_slice(&m->key), false);
    }
    list_remove(&m->link);
    m->c->posted++;
    loop_timer_close(&m->poll, on_closed);
}

static void look(struct removal *m);

static void on_poll(struct loop_timer *timer)
{
    struct removal *m = CONTAINER_OF(timer, struct removal, poll);
    list_remove(&m->link);
    look(m);
}

static void give_up(struct removal *m, const json_t *live)
{
    struct buf why = {0};
    struct err err;
    live_held(live, &why);
    err_set(&err, ERR_BUSY, "the cluster has not removed it yet%s", buf_cstr(&why));
    finish(m, ERR_BUSY, &err);
    buf_free(&why);
}

/* Looks again after a while. */
static void wait_more(struct removal *m, const json_t *live)
{
    struct err err;
    if (m->c->closing) {
        err_set(&err, ERR_CANCELED, "the connection to the cluster was closed");
        finish(m, ERR_CANCELED, &err);
        return;
    }
    if (loop_now_ms(m->c->config.loop) - m->started_ms > GONE_WITHIN_MS) {
        give_up(m, live);
        return;
    }
    list_push_back(&m->c->waits, &m->link);
    loop_timer_start(&m->poll, m->wait_ms, 0);
    m->wait_ms = m->wait_ms * 2 < POLL_MAX_MS ? m->wait_ms * 2 : POLL_MAX_MS;
}

static void on_delete(struct request *r, int rc, const struct err *err)
{
    struct removal *m = r->user;
    m->op->retry_after_ms = r->retry_after_ms;
    if (rc == ERR_NOT_FOUND) {
        finish(m, 0, NULL);
    } else if (rc != 0) {
        finish(m, rc, err);
    } else {
        m->sent = true;
        look(m);
    }
}

static void send_delete(struct removal *m, const json_t *live)
{
    struct slice version = json_text(json_at(live, "metadata", "resourceVersion", NULL));
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:{s:o, s:o}}", "kind", "DeleteOptions", "apiVersion", "v1",
                  "propagationPolicy", m->op->orphans ? "Orphan" : "Background", "preconditions",
                  "uid", json_str(object_uid(live)), "resourceVersion", json_str(version));
    struct buf path = {0};
    buf_add(&path, buf_slice(&m->path));
    buf_add_cstr(&path, "?timeout=5s");
    struct request *r = request_new(m->c, "DELETE", buf_slice(&path), m, on_delete);
    request_body(r, BODY_JSON, body);
    json_decref(body);
    buf_free(&path);
    request_start(r, false);
}

/* Ours: by uid, or by our marks (it may have been made again since the inventory was written); but
 * not what another release's marks say is that one's by now. */
static bool is_ours(const struct removal *m, const json_t *live)
{
    bool marked =
        slice_eq_cstr(object_label(live, DRIVER_LABEL_CONTROL_PLANE), m->c->config.epoch.cluster);
    struct slice release = object_annotation(live, DRIVER_ANNOTATION_RELEASE);
    if (marked && release.len > 0 && !m->op->orphans) {
        return slice_eq_cstr(release, m->op->release);
    }
    return slice_eq(object_uid(live), json_text_at(m->op->resource, "uid"));
}

static void on_get(struct request *r, int rc, const struct err *err)
{
    struct removal *m = r->user;
    if (rc == ERR_NOT_FOUND || (rc == 0 && !is_ours(m, r->tree))) {
        finish(m, 0, NULL);
    } else if (rc != 0) {
        finish(m, rc, err);
    } else if (m->sent || object_deleting(r->tree)) {
        wait_more(m, r->tree);
    } else {
        send_delete(m, r->tree);
    }
}

static void look(struct removal *m)
{
    request_start(request_new(m->c, "GET", buf_slice(&m->path), m, on_get), false);
}

static void on_kind(struct lookup *l, int rc, const struct err *err)
{
    struct removal *m = l->user;
    if (rc == ERR_NOT_FOUND) {
        finish(m, 0, NULL);
        return;
    }
    if (rc != 0) {
        finish(m, rc, err);
        return;
    }
    const json_t *resource = m->op->resource;
    resource_path(&m->path, buf_slice(&m->api_version), l->resource,
                  json_text_at(resource, "namespace"), json_text_at(resource, "name"));
    look(m);
}

void remove_start(struct driver_cluster *c, struct driver_op *op)
{
    struct removal *m = mem_zero(sizeof(*m));
    m->c = c;
    m->op = op;
    m->lookup.user = m;
    m->lookup.found = on_kind;
    m->started_ms = loop_now_ms(c->config.loop);
    m->wait_ms = POLL_FIRST_MS;
    list_init(&m->link);
    loop_timer_init(c->config.loop, &m->poll, on_poll);
    resource_key(op->resource, &m->key);
    resource_api_version(op->resource, &m->api_version);
    discovery_find(c, &m->lookup, buf_slice(&m->api_version), json_text_at(op->resource, "kind"));
}

void removes_drop(struct driver_cluster *c)
{
    struct list *link;
    struct err err;
    err_set(&err, ERR_CANCELED, "the connection to the cluster was closed");
    while ((link = list_pop_front(&c->waits)) != NULL) {
        finish(CONTAINER_OF(link, struct removal, link), ERR_CANCELED, &err);
    }
}
