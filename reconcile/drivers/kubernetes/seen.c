/* seen.c: what is remembered of a cluster's objects, for preconditions, health and drift.
 *
 * A cluster may say what it likes, and as much as it likes: texts for people are cut, and all that
 * is remembered of one cluster has a limit, beyond which its objects are not known. That is the
 * cluster's own loss, and nobody else's. */
#include "reconcile/drivers/kubernetes/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "proto/object.h"
#include "reconcile/drivers/kubernetes/live.h"
#include "render/run.h"

enum {
    TEXT_BYTES_MAX = 512, /* of a uid, a version, a release's "ns/name" */
    KEY_BYTES_MAX = 1024,
    MESSAGE_BYTES_MAX = 1024,
    OBJECTS_MAX = 250 * 1000,
    STATUS_BYTES_MAX = 256 * 1024 * 1024, /* of all statuses that are kept */
};

static void one_free(struct driver_seen *s)
{
    free(s->uid);
    free(s->version);
    free(s->release);
    free(s->message);
    free(s->pods);
    free(s->volumes);
    free(s->status);
    free(s);
}

static bool replace(char **owned, struct slice value)
{
    if (*owned != NULL && slice_eq_cstr(value, *owned)) {
        return false;
    }
    free(*owned);
    *owned = slice_dup(value);
    return true;
}

/* Keeps the status of a resource's object, which its type may ask for, and of what belongs to a
 * run, whose outcome is in it. True if it changed. */
static bool keep_status(struct driver_cluster *c, struct driver_seen *s, const json_t *live)
{
    const json_t *labels = json_at(live, "metadata", "labels", NULL);
    const json_t *status = json_object_get(live, "status");
    struct buf text = {0};
    bool kept = json_object_get(labels, DRIVER_LABEL_RESOURCE) != NULL ||
                json_object_get(labels, RUN_LABEL) != NULL;
    if (!kept || status == NULL) {
        return false;
    }
    json_canonical(status, &text);
    size_t most = c->config.status_bytes_max != 0 ? c->config.status_bytes_max : STATUS_BYTES_MAX;
    size_t others = c->status_bytes - (s->status != NULL ? strlen(s->status) : 0);
    bool fits = others <= most && text.len <= most - others;
    bool changed = fits && replace(&s->status, buf_slice(&text));
    c->status_bytes = changed ? others + text.len : c->status_bytes;
    buf_free(&text);
    return changed;
}

/* What of its replicas is news: that it settled with another number of them. */
static bool keep_replicas(struct driver_seen *s, const json_t *live, enum world_health health)
{
    bool first = s->uid == NULL;
    s->has_replicas = live_replicas(live, &s->replicas, &s->ready_replicas);
    if (!s->has_replicas || health != HEALTH_HEALTHY) {
        return false;
    }
    bool changed = !first && s->settled_replicas != s->ready_replicas;
    s->settled_replicas = s->ready_replicas;
    return changed;
}

static void status_drop(struct driver_cluster *c, struct driver_seen *s)
{
    c->status_bytes -= s->status != NULL ? strlen(s->status) : 0;
    free(s->status);
    s->status = NULL;
}

/* So much of a text of the cluster's, and no half of a character. */
static void cut(struct buf *text)
{
    if (text->len > MESSAGE_BYTES_MAX) {
        text->len = slice_utf8(slice_sub(buf_slice(text), 0, MESSAGE_BYTES_MAX));
    }
}

static struct slice short_text(struct slice text)
{
    return slice_sub(text, 0, TEXT_BYTES_MAX);
}

/* NULL: more than is remembered of one cluster, unless it is an object that was just applied. */
static struct driver_seen *seen_get(struct driver_cluster *c, struct slice key, bool applied)
{
    struct driver_seen *s = map_get(&c->seen, key);
    size_t most = c->config.objects_max != 0 ? c->config.objects_max : OBJECTS_MAX;
    if (s != NULL || (!applied && (c->seen.count >= most || key.len > KEY_BYTES_MAX))) {
        return s;
    }
    s = mem_zero(sizeof(*s));
    map_put(&c->seen, key, s);
    return s;
}

/* Is a resourceVersion later than another? A guess where versions are not numbers; it only decides
 * which of two sights of an object is believed until the next one. */
static bool later(const char *a, struct slice b)
{
    struct slice x = slice_of(a);
    return x.len != b.len ? x.len > b.len : slice_cmp(x, b) > 0;
}

void seen_put(struct driver_cluster *c, const json_t *live, bool tell, struct driver_object *out,
              struct buf *message)
{
    struct buf key = {0};
    struct buf own_message = {0};
    struct buf *why = message != NULL ? message : &own_message;
    if (!json_is_object(live)) { /* said of nothing */
        return;
    }
    manifest_key(live, &key);
    struct driver_seen *s = seen_get(c, buf_slice(&key), out != NULL);
    if (s == NULL) {
        buf_free(&key);
        return;
    }
    bool news = s->uid == NULL;
    uint64_t fingerprint = live_fingerprint(live);
    enum world_health health = live_health(live, why);
    struct slice uid = short_text(object_uid(live));
    struct slice version =
        short_text(json_text(json_at(live, "metadata", "resourceVersion", NULL)));
    cut(why);
    /* The watch may be ahead of an answer. */
    bool stale =
        out != NULL && s->uid != NULL && slice_eq_cstr(uid, s->uid) && later(s->version, version);
    if (stale) {
        *out = (struct driver_object){.release = slice_of(s->release),
                                      .uid = slice_of(s->uid),
                                      .fingerprint = fingerprint,
                                      .health = s->health,
                                      .message = s->message,
                                      .live = live};
        buf_free(&key);
        buf_free(&own_message);
        return;
    }
    bool replicas_changed = keep_replicas(s, live, health);
    news |= s->fingerprint != fingerprint || s->health != health || replicas_changed;
    if (replace(&s->uid, uid)) { /* another object: what was asked was of the former */
        news = true;
        s->pods_asked = s->volumes_asked = s->volumes_open = false;
        free(s->volumes);
        s->volumes = NULL;
    }
    replace(&s->version, version);
    news |= replace(&s->release, short_text(object_annotation(live, DRIVER_ANNOTATION_RELEASE)));
    /* Progress in numbers is told while it lasts, and is no news by itself. */
    replace(&s->message, buf_slice(why));
    bool status_changed = keep_status(c, s, live);
    news |= status_changed;
    s->fingerprint = fingerprint;
    s->health = health;
    s->at = ++c->sights;
    pod_look(c, buf_slice(&key), s, live);
    volume_look(c, buf_slice(&key), s, live);
    struct driver_object object = {.key = buf_slice(&key),
                                   .release = slice_of(s->release),
                                   .uid = slice_of(s->uid),
                                   .fingerprint = fingerprint,
                                   .health = health,
                                   .message = s->message,
                                   .status_changed = status_changed,
                                   .replicas_changed = replicas_changed,
                                   .live = live};
    if (out != NULL) {
        *out = object;
        out->key = (struct slice){0}; /* the caller knows it; ours goes */
    }
    if (tell && news && c->config.on_object != NULL && !c->closing) {
        c->config.on_object(c->config.user, &object, false);
    }
    buf_free(&key);
    buf_free(&own_message);
}

void seen_drop(struct driver_cluster *c, struct slice key, bool tell)
{
    struct buf copy = {0};
    buf_add(&copy, key);
    struct driver_seen *s = map_remove(&c->seen, buf_slice(&copy));
    if (tell) {
        applies_note_gone(c, buf_slice(&copy));
    }
    if (s != NULL && tell && c->config.on_object != NULL && !c->closing) {
        struct driver_object object = {.key = buf_slice(&copy),
                                       .release = slice_of(s->release),
                                       .uid = slice_of(s->uid),
                                       .fingerprint = s->fingerprint,
                                       .message = ""};
        c->config.on_object(c->config.user, &object, true);
    }
    if (s != NULL) {
        status_drop(c, s);
        one_free(s);
    }
    buf_free(&copy);
}

const struct driver_seen *seen_find(struct driver_cluster *c, struct slice key)
{
    return map_get(&c->seen, key);
}

void seen_each(struct driver_cluster *c, void *user,
               void (*object)(void *user, struct slice key, const struct driver_seen *seen))
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->seen, &cursor, &key, &value)) {
        object(user, key, value);
    }
}

void seen_free(struct driver_cluster *c)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->seen, &cursor, &key, &value)) {
        one_free(value);
    }
    map_free(&c->seen);
}
