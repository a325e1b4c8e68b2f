/* cluster.c: opening, probing and closing one cluster's connection.
 *
 * Closing, in order: nothing new is sent; queued requests, waiting deletes and lookups end with
 * ERR_CANCELED; the fetcher cancels what is under way; watches close their timers; when nothing is
 * left, the memory goes and closed() runs. */
#include "reconcile/drivers/kubernetes/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/object.h"
#include "reconcile/drivers/kubernetes/live.h"

enum { DEFAULT_REQUESTS_PER_SECOND = 50, CONNECT_TIMEOUT_MS = 4000, PROBE_TIMEOUT_MS = 4000 };

/* ---- probing ---- */

/* Being forbidden to see something is no reason to call a cluster unreachable. */
static bool answers(int rc)
{
    return rc == 0 || rc == ERR_NOT_FOUND || rc == ERR_FORBIDDEN;
}

static void on_argo(struct request *r, int rc, const struct err *err)
{
    struct driver_op *op = r->user;
    size_t i;
    json_t *resource;
    json_array_foreach(json_object_get(r->tree, "resources"), i, resource)
    {
        op->argo |= slice_eq_cstr(json_text_at(resource, "kind"), "Workflow");
    }
    op->done(op, answers(rc) ? 0 : rc, err);
}

static void on_identity(struct request *r, int rc, const struct err *err)
{
    struct driver_op *op = r->user;
    if (rc == 0) {
        snprintf(op->identity, sizeof(op->identity), "%.*s", SLICE_ARG(object_uid(r->tree)));
    }
    if (!answers(rc)) {
        op->done(op, rc, err);
        return;
    }
    struct request *next =
        request_new(r->c, "GET", SLICE("/apis/argoproj.io/v1alpha1"), op, on_argo);
    next->fetch.timeout_ms = PROBE_TIMEOUT_MS;
    request_start(next, true);
}

static void on_version(struct request *r, int rc, const struct err *err)
{
    struct driver_op *op = r->user;
    op->retry_after_ms = r->retry_after_ms;
    if (rc != 0) {
        op->done(op, rc, err);
        return;
    }
    struct slice version = json_text_at(r->tree, "gitVersion");
    if (version.len == 0) {
        struct err not_one;
        err_set(&not_one, ERR_UNAVAILABLE,
                "the address answers, but not as a Kubernetes API server does");
        op->done(op, ERR_UNAVAILABLE, &not_one);
        return;
    }
    snprintf(op->version, sizeof(op->version), "%.*s", SLICE_ARG(version));
    struct request *next =
        request_new(r->c, "GET", SLICE("/api/v1/namespaces/kube-system"), op, on_identity);
    next->fetch.timeout_ms = PROBE_TIMEOUT_MS;
    request_start(next, true);
}

static void probe_start(struct driver_cluster *c, struct driver_op *op)
{
    struct request *r = request_new(c, "GET", SLICE("/version"), op, on_version);
    r->fetch.timeout_ms = PROBE_TIMEOUT_MS;
    op->version[0] = '\0';
    op->identity[0] = '\0';
    op->argo = false;
    request_start(r, true);
}

static void start(struct driver_cluster *c, struct driver_op *op)
{
    op->retry_after_ms = 0;
    if (op->verb == DRIVER_APPLY) {
        apply_start(c, op);
    } else if (op->verb == DRIVER_DELETE) {
        remove_start(c, op);
    } else if (op->verb == DRIVER_DELETE_CLAIMS) {
        claims_start(c, op);
    } else {
        probe_start(c, op);
    }
}

/* ---- open and close ---- */

static void copy_config(struct driver_cluster *c, const struct driver_config *config)
{
    c->config = *config;
    c->config.plane = mem_strdup(config->plane);
    c->config.cluster = mem_strdup(config->cluster);
    c->config.epoch.cluster = mem_strdup(config->epoch.cluster);
    c->config.kubeconfig = (struct slice){0};
    if (c->config.requests_per_second == 0) {
        c->config.requests_per_second = DEFAULT_REQUESTS_PER_SECOND;
    }
}

static char *header(const char *format, const char *value)
{
    struct buf line = {0};
    buf_addf(&line, "%s%s", format, value);
    return buf_take(&line);
}

static void prepare(struct driver_cluster *c)
{
    struct buf text = {0};
    epoch_text(&c->config.epoch, &c->epoch);
    buf_addf(&text, "user-agent: choreod/%s (epoch %s)", CHOREO_VERSION, buf_cstr(&c->epoch));
    c->user_agent = buf_take(&text);
    if (c->kubeconfig.token != NULL) {
        c->authorization = header("authorization: Bearer ", c->kubeconfig.token);
    }
    struct buf selector = {0};
    buf_addf(&text, "%s=%s,%s=%u", DRIVER_LABEL_CONTROL_PLANE, c->config.epoch.cluster,
             DRIVER_LABEL_SHARD, c->config.epoch.shard);
    url_encode(&selector, buf_slice(&text));
    c->selector = buf_take(&selector);
    buf_free(&text);
    list_init(&c->queued);
    list_init(&c->sent);
    list_init(&c->watches);
    list_init(&c->applies);
    list_init(&c->waits);
    pod_looks_init(c);
    c->tokens = 2.0 * c->config.requests_per_second;
    c->tokens_at_ms = loop_now_ms(c->config.loop);
    loop_timer_init(c->config.loop, &c->pace, requests_pace);
    c->pace_open = true;
}

static void cluster_free(struct driver_cluster *c)
{
    seen_free(c);
    pod_looks_free(c);
    discovery_free(c);
    kubeconfig_free(&c->kubeconfig);
    buf_free(&c->epoch);
    free(c->user_agent);
    free(c->authorization);
    free(c->selector);
    free((void *)(uintptr_t)c->config.plane);
    free((void *)(uintptr_t)c->config.cluster);
    free((void *)(uintptr_t)c->config.epoch.cluster);
    free(c);
}

static int open_cluster(const struct driver_config *config, struct driver_cluster **out,
                        struct err *err)
{
    struct driver_cluster *c = mem_zero(sizeof(*c));
    copy_config(c, config);
    int rc = kubeconfig_parse(config->kubeconfig, &c->kubeconfig, err);
    if (rc != 0) {
        cluster_free(c);
        return rc;
    }
    struct fetcher_config fetcher = {.connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                     .refuse_local = config->refuse_local};
    kubeconfig_trust(&c->kubeconfig, &fetcher);
    rc = fetcher_init(&c->fetcher, config->loop, &fetcher, err);
    if (rc != 0) {
        cluster_free(c);
        return err_wrap(err, "kubeconfig");
    }
    prepare(c);
    *out = c;
    return 0;
}

static void on_pace_closed(struct loop_timer *timer)
{
    struct driver_cluster *c = CONTAINER_OF(timer, struct driver_cluster, pace);
    c->pace_open = false;
    cluster_check_closed(c);
}

static void on_look_closed(struct loop_timer *timer)
{
    struct driver_cluster *c = CONTAINER_OF(timer, struct driver_cluster, look_tick);
    c->look_open = false;
    cluster_check_closed(c);
}

static void on_fetcher_closed(struct fetcher *f)
{
    struct driver_cluster *c = CONTAINER_OF(f, struct driver_cluster, fetcher);
    loop_timer_close(&c->pace, on_pace_closed);
    loop_timer_close(&c->look_tick, on_look_closed);
}

void cluster_check_closed(struct driver_cluster *c)
{
    if (!c->closing) {
        return;
    }
    if (c->sent_count > 0 || c->posted > 0 || !list_empty(&c->queued)) {
        requests_drop(c);
        removes_drop(c);
        return;
    }
    if (!list_empty(&c->watches)) {
        watches_close(c);
        return;
    }
    if (c->pace_open || c->look_open) {
        return;
    }
    void *user = c->close_user;
    void (*closed)(void *) = c->closed;
    cluster_free(c);
    if (closed != NULL) {
        closed(user);
    }
}

static void close_cluster(struct driver_cluster *c, void *user, void (*closed)(void *user))
{
    c->closing = true;
    c->close_user = user;
    c->closed = closed;
    requests_drop(c);
    removes_drop(c);
    fetcher_close(&c->fetcher, on_fetcher_closed);
}

const struct driver_ops driver_kubernetes = {
    .name = "kubernetes",
    .open = open_cluster,
    .start = start,
    .watch = watch_kind,
    .seen = seen_find,
    .synced = watches_synced,
    .each = seen_each,
    .satisfies = live_satisfies,
    .close = close_cluster,
};
