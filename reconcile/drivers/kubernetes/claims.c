/* claims.c: the claims of a resource's volumes off the cluster, when the resource has gone for
 * good.
 *
 *   list those of its label, all pages -> DELETE each, with uid and resourceVersion as
 * preconditions
 *
 * Kubernetes leaves the claims that a StatefulSet made; and the next database of that name would be
 * given the old one's volume, with passwords that nobody knows any more. One that pods still use
 * goes after them (kubernetes.io/pvc-protection): that is not waited for. */
#include "reconcile/drivers/kubernetes/cluster.h"

#include <stdlib.h>

#include "base/log.h"
#include "proto/object.h"

struct claims {
    struct driver_cluster *c;
    struct driver_op *op;
    json_t *found;
    size_t next;
};

static void finish(struct claims *k, const struct request *r, int rc, const struct err *err)
{
    struct driver_op *op = k->op;
    struct err told = {0};
    if (rc != 0) {
        told = *err;
        err_wrap(&told, "the claims of its volumes");
    }
    op->retry_after_ms = r->retry_after_ms;
    json_decref(k->found);
    free(k);
    op->done(op, rc, &told);
}

static void claims_path(const struct claims *k, struct buf *out)
{
    buf_add_cstr(out, "/api/v1/namespaces/");
    url_encode(out, json_text_at(k->op->resource, "namespace"));
    buf_add_cstr(out, "/persistentvolumeclaims");
}

static void go_on(struct claims *k, const struct request *r);

static void on_delete(struct request *r, int rc, const struct err *err)
{
    struct claims *k = r->user;
    if (rc != 0 && rc != ERR_NOT_FOUND) {
        finish(k, r, rc, err);
        return;
    }
    k->next++;
    go_on(k, r);
}

static void go_on(struct claims *k, const struct request *r)
{
    const json_t *claim = json_array_get(k->found, k->next);
    if (claim == NULL) {
        finish(k, r, 0, NULL);
        return;
    }
    struct slice version = json_text(json_at(claim, "metadata", "resourceVersion", NULL));
    json_t *body = json_pack("{s:s, s:s, s:{s:o, s:o}}", "kind", "DeleteOptions", "apiVersion",
                             "v1", "preconditions", "uid", json_str(object_uid(claim)),
                             "resourceVersion", json_str(version));
    struct buf path = {0};
    claims_path(k, &path);
    buf_add_char(&path, '/');
    url_encode(&path, object_name(claim));
    buf_add_cstr(&path, "?timeout=5s");
    struct request *next = request_new(k->c, "DELETE", buf_slice(&path), k, on_delete);
    request_body(next, BODY_JSON, body);
    json_decref(body);
    buf_free(&path);
    request_start(next, false);
}

static void list_page(struct claims *k, struct slice next);

static void on_list(struct request *r, int rc, const struct err *err)
{
    struct claims *k = r->user;
    if (rc != 0 && rc != ERR_NOT_FOUND) {
        finish(k, r, rc, err);
        return;
    }
    size_t i;
    json_t *claim;
    json_array_foreach(json_object_get(r->tree, "items"), i, claim)
    {
        if (!object_deleting(claim)) {
            json_array_append(k->found, claim);
        }
    }
    struct slice next = json_text(json_at(r->tree, "metadata", "continue", NULL));
    if (next.len > 0) {
        list_page(k, next);
        return;
    }
    if (json_array_size(k->found) > 0) {
        log_info("reconcile.claims", "cluster=%s release=%s claims=%zu", k->c->config.cluster,
                 k->op->release, json_array_size(k->found));
    }
    go_on(k, r);
}

static void list_page(struct claims *k, struct slice next)
{
    struct buf path = {0};
    claims_path(k, &path);
    buf_addf(&path, "?limit=%d&labelSelector=", SELECTOR_PAGE);
    url_encode(&path, SLICE(DRIVER_LABEL_RESOURCE "="));
    url_encode(&path, json_text_at(k->op->resource, "name"));
    if (next.len > 0) {
        buf_add_cstr(&path, "&continue=");
        url_encode(&path, next);
    }
    request_start(request_new(k->c, "GET", buf_slice(&path), k, on_list), false);
    buf_free(&path);
}

void claims_start(struct driver_cluster *c, struct driver_op *op)
{
    struct claims *k = mem_zero(sizeof(*k));
    k->c = c;
    k->op = op;
    k->found = json_array();
    list_page(k, (struct slice){0});
}
