/* pod_look.c: why a workload does not come up: its pods are asked; and how far volumes have grown:
 * its claims are.
 *
 * A Deployment says that so many of its replicas are available, and its pods why not: an image that
 * cannot be pulled, a container that ends at once, no node with room. Pods are not watched, there
 * are too many that are well. Those of a workload that has not come up within some seconds are
 * listed, and again after ever longer times until it has. A cluster that does not allow it is not
 * told of: then there is only what the workload says itself.
 *
 * Claims are watched as little. Those of a StatefulSet that says that it was made so that they grow
 * are listed at once, and again until each has what it asked for. */
#include "reconcile/drivers/kubernetes/cluster.h"

#include <stdlib.h>

#include "proto/object.h"
#include "reconcile/drivers/kubernetes/growth.h"

enum {
    LOOK_AFTER_MS = 5 * 1000,
    LOOK_MAX_MS = 5 * 60 * 1000,
    LOOK_TICK_MS = 1000,
    LOOKS_MAX = 1000, /* workloads at once: more than that have one cause */
    PODS_MAX = 20,    /* of a workload */
    TROUBLE_BYTES_MAX = 300,
};

struct pod_look {
    struct list link;
    struct driver_cluster *c;
    char *key;
    char *uid;
    char *path;
    json_t *set; /* whose claims are asked; NULL: pods are */
    uint64_t due_ms;
    uint64_t wait_ms;
    bool asking;
    bool over; /* there is nothing more to ask */
};

static bool is_on_its_way(struct slice reason)
{
    return reason.len == 0 || slice_eq_cstr(reason, "ContainerCreating") ||
           slice_eq_cstr(reason, "PodInitializing");
}

static bool container_trouble(const json_t *pod, const char *list, struct buf *out)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_at(pod, "status", list, NULL), i, row)
    {
        const json_t *waiting = json_at(row, "state", "waiting", NULL);
        struct slice reason = json_text_at(waiting, "reason");
        struct slice message = json_text_at(waiting, "message");
        if (is_on_its_way(reason)) {
            continue;
        }
        buf_addf(out, "pod %.*s, container %.*s: %.*s%s%.*s", SLICE_ARG(object_name(pod)),
                 SLICE_ARG(json_text_at(row, "name")), SLICE_ARG(reason),
                 message.len > 0 ? ": " : "", SLICE_ARG(message));
        return true;
    }
    return false;
}

void pod_trouble(const json_t *pods, struct buf *out)
{
    size_t before = out->len;
    size_t i;
    json_t *pod;
    json_array_foreach(json_object_get(pods, "items"), i, pod)
    {
        const json_t *scheduled = object_condition(pod, "PodScheduled");
        if (slice_eq_cstr(json_text_at(scheduled, "status"), "False")) {
            buf_addf(out, "pod %.*s: %.*s: %.*s", SLICE_ARG(object_name(pod)),
                     SLICE_ARG(json_text_at(scheduled, "reason")),
                     SLICE_ARG(json_text_at(scheduled, "message")));
            break;
        }
        if (container_trouble(pod, "initContainerStatuses", out) ||
            container_trouble(pod, "containerStatuses", out)) {
            break;
        }
    }
    if (out->len - before > TROUBLE_BYTES_MAX) {
        struct slice text = slice_sub(buf_slice(out), before, TROUBLE_BYTES_MAX);
        out->len = before + slice_utf8(text);
    }
}

static void look_free(struct pod_look *l)
{
    l->c->look_count--;
    list_remove(&l->link);
    free(l->key);
    free(l->uid);
    free(l->path);
    json_decref(l->set);
    free(l);
}

/* The workload, while it is the one that was to be looked at. */
static struct driver_seen *seen_of(const struct pod_look *l)
{
    struct driver_seen *s = map_get(&l->c->seen, slice_of(l->key));
    return s != NULL && slice_eq_cstr(slice_of(l->uid), s->uid) ? s : NULL;
}

static void tell(const struct pod_look *l, const struct driver_seen *s)
{
    const struct driver_object object = {.key = slice_of(l->key),
                                         .release = slice_of(s->release),
                                         .uid = slice_of(s->uid),
                                         .fingerprint = s->fingerprint,
                                         .health = s->health,
                                         .message = s->message,
                                         .status_changed = true};
    if (l->c->config.on_object != NULL && !l->c->closing) {
        l->c->config.on_object(l->c->config.user, &object, false);
    }
}

/* Notes what pods say now; true if it was something else before. */
static bool note_pods(struct driver_seen *s, const struct buf *text)
{
    bool same = text->len == 0 ? s->pods == NULL
                               : s->pods != NULL && slice_eq_cstr(buf_slice(text), s->pods);
    if (!same) {
        free(s->pods);
        s->pods = text->len > 0 ? slice_dup(buf_slice(text)) : NULL;
    }
    return !same;
}

/* The same of volumes; all having what they asked for is worth saying too. */
static bool note_volumes(struct driver_seen *s, const struct buf *text)
{
    bool same = s->volumes != NULL && slice_eq_cstr(buf_slice(text), s->volumes);
    if (!same) {
        free(s->volumes);
        s->volumes = slice_dup(buf_slice(text));
    }
    s->volumes_open = false;
    return !same;
}

static void on_answer(struct request *r, int rc, const struct err *err)
{
    struct pod_look *l = r->user;
    struct driver_seen *s = seen_of(l);
    struct buf text = {0};
    (void)err;
    l->asking = false;
    l->wait_ms = l->wait_ms * 2 < LOOK_MAX_MS ? l->wait_ms * 2 : LOOK_MAX_MS;
    l->due_ms = loop_now_ms(l->c->config.loop) + l->wait_ms;
    if (rc != 0 || s == NULL) {
        return;
    }
    bool news = false;
    if (l->set != NULL) {
        growth_progress(l->set, json_object_get(r->tree, "items"), &text);
        l->over = text.len == 0;
        news = note_volumes(s, &text);
    } else if (s->health != HEALTH_HEALTHY) {
        pod_trouble(r->tree, &text);
        news = note_pods(s, &text);
    }
    if (news) {
        tell(l, s);
    }
    buf_free(&text);
}

static bool is_over(struct pod_look *l, struct driver_seen *s)
{
    if (l->set == NULL && s != NULL && s->health == HEALTH_HEALTHY) {
        s->pods_asked = false;
        l->over = true;
    }
    return s == NULL || l->over;
}

static void on_tick(struct loop_timer *timer)
{
    struct driver_cluster *c = CONTAINER_OF(timer, struct driver_cluster, look_tick);
    uint64_t now_ms = loop_now_ms(c->config.loop);
    LIST_FOREACH(link, &c->looks)
    {
        struct pod_look *l = CONTAINER_OF(link, struct pod_look, link);
        struct driver_seen *s = seen_of(l);
        if (l->asking || c->closing) {
            continue;
        }
        if (is_over(l, s)) {
            look_free(l);
        } else if (now_ms >= l->due_ms) {
            l->asking = true;
            request_start(request_new(c, "GET", slice_of(l->path), l, on_answer), false);
        }
    }
    if (c->look_count == 0) {
        loop_timer_stop(timer);
    }
}

/* "/api/v1/namespaces/NS/pods?limit=20&labelSelector=a%3Db"; false: it selects by no labels. */
static bool pods_path(const json_t *live, struct buf *out)
{
    struct buf selector = {0};
    const char *key;
    json_t *value;
    json_object_foreach(json_at(live, "spec", "selector", "matchLabels", NULL), key, value)
    {
        buf_addf(&selector, "%s%s=%.*s", selector.len > 0 ? "," : "", key,
                 SLICE_ARG(json_text(value)));
    }
    bool any = selector.len > 0;
    buf_add_cstr(out, "/api/v1/namespaces/");
    url_encode(out, object_ns(live));
    buf_addf(out, "/pods?limit=%d&labelSelector=", PODS_MAX);
    url_encode(out, buf_slice(&selector));
    buf_free(&selector);
    return any;
}

void pod_looks_init(struct driver_cluster *c)
{
    list_init(&c->looks);
    loop_timer_init(c->config.loop, &c->look_tick, on_tick);
    c->look_open = true;
}

static struct pod_look *look_add(struct driver_cluster *c, struct slice key,
                                 const struct driver_seen *seen, struct buf *path)
{
    struct pod_look *l = mem_zero(sizeof(*l));
    l->c = c;
    l->key = slice_dup(key);
    l->uid = slice_dup(slice_of(seen->uid));
    l->path = buf_take(path);
    l->wait_ms = c->config.pods_after_ms != 0 ? c->config.pods_after_ms : LOOK_AFTER_MS;
    l->due_ms = loop_now_ms(c->config.loop) + l->wait_ms;
    list_push_back(&c->looks, &l->link);
    if (c->look_count++ == 0) {
        loop_timer_start(&c->look_tick, LOOK_TICK_MS, LOOK_TICK_MS);
    }
    return l;
}

void pod_look(struct driver_cluster *c, struct slice key, struct driver_seen *seen,
              const json_t *live)
{
    struct buf path = {0};
    if (seen->health == HEALTH_HEALTHY) {
        free(seen->pods);
        seen->pods = NULL;
        return;
    }
    if (!seen->has_replicas || seen->pods_asked || !c->look_open || c->closing ||
        c->look_count >= LOOKS_MAX || !pods_path(live, &path)) {
        buf_free(&path);
        return;
    }
    look_add(c, key, seen, &path);
    seen->pods_asked = true;
}

void volume_look(struct driver_cluster *c, struct slice key, struct driver_seen *seen,
                 const json_t *live)
{
    struct buf path = {0};
    if (seen->volumes_asked || object_annotation(live, DRIVER_ANNOTATION_GROWN).len == 0) {
        return;
    }
    seen->volumes_open = true; /* though there be no room to ask: with its next sight, then */
    if (!c->look_open || c->closing || c->look_count >= LOOKS_MAX) {
        return;
    }
    growth_claims_path(live, &path);
    struct pod_look *l = look_add(c, key, seen, &path);
    l->set = json_incref((json_t *)(uintptr_t)live);
    l->due_ms = 0;
    seen->volumes_asked = true;
}

void pod_looks_free(struct driver_cluster *c)
{
    if (c->look_count == 0) {
        return; /* it may never have begun */
    }
    LIST_FOREACH(link, &c->looks)
    {
        look_free(CONTAINER_OF(link, struct pod_look, link));
    }
}
