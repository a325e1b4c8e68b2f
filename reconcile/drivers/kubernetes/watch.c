/* watch.c: one kind of this shard's objects on the cluster, listed and then watched.
 *
 *     LISTING --all pages--> WATCHING --stream ends--> WATCHING (from the last version)
 *        ^   \--error--> WAITING <--error--/  |
 *        '------ after backoff ----/          '--410--> LISTING
 *
 * The selector names this control plane and shard, so that every leader watches its own objects
 * only. A list that has been read whole also tells what is gone: whatever was seen of the kind and
 * is not in it. Watches end by themselves after 5 to 10 minutes and go on from the last version;
 * bookmarks keep that version young. A kind that the cluster goes on not knowing is not watched any
 * more: anybody can make one up, and each would cost the cluster's requests for ever. */
#include "reconcile/drivers/kubernetes/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "base/sm.h"
#include "proto/object.h"

enum {
    BACKOFF_MIN_MS = 200,
    BACKOFF_MAX_MS = 30 * 1000,
    WATCH_MIN_S = 300,
    LINE_BYTES_MAX = 8 * 1024 * 1024,
    SHORT_MS = 1000, /* a watch that ends so soon is not begun again at once */
    LIST_PAGES_MAX = 10 * 1000,
    UNKNOWN_MAX = 8, /* times that a kind is not found before it is given up, some two minutes */
    WATCH_SILENCE_MS = 120 * 1000, /* bookmarks come once a minute */
};

enum watch_state { LOOKING, LISTING, WATCHING, WAITING };

static const struct sm_state states[] = {
    [LOOKING] = {"looking", SM_TO(LISTING) | SM_TO(WAITING)},
    [LISTING] = {"listing", SM_TO(LISTING) | SM_TO(WATCHING) | SM_TO(WAITING)},
    [WATCHING] = {"watching", SM_TO(WATCHING) | SM_TO(LISTING) | SM_TO(WAITING)},
    [WAITING] = {"waiting", SM_TO(LOOKING) | SM_TO(LISTING) | SM_TO(WATCHING)},
};

struct watch {
    struct driver_cluster *c;
    struct list link;
    char *api_version;
    char *kind;
    struct sm sm;
    struct lookup lookup;
    const struct resource_kind *resource;
    struct map listed;     /* keys of the list being read */
    uint64_t listed_since; /* what was seen later may be too new for it */
    char *version;         /* to watch from; NULL: list first */
    struct fetch fetch;
    char *url;
    const char *headers[5];
    struct buf line;
    struct loop_timer backoff;
    uint32_t wait_ms;
    uint64_t started_ms;
    uint32_t pages; /* of the list being read */
    uint32_t unknown;
    bool fetching;
    bool synced; /* a list has been read whole, or there is no such kind */
    bool closing;
};

static void begin(struct watch *w);
static void list_page(struct watch *w, struct slice next);

static void watch_free(struct loop_timer *timer)
{
    struct watch *w = CONTAINER_OF(timer, struct watch, backoff);
    struct driver_cluster *c = w->c;
    list_remove(&w->link);
    lookup_free(&w->lookup);
    map_free(&w->listed);
    fetch_clear(&w->fetch);
    buf_free(&w->line);
    free(w->api_version);
    free(w->kind);
    free(w->version);
    free(w->url);
    free(w);
    c->posted--;
    cluster_check_closed(c);
}

static void set_version(struct watch *w, struct slice version)
{
    if (version.len > 0) {
        free(w->version);
        w->version = slice_dup(version);
    }
}

static void retry(struct watch *w, const struct err *why)
{
    if (w->c->closing) {
        return;
    }
    uint32_t random;
    crypto_random(&random, sizeof(random));
    w->wait_ms = w->wait_ms == 0 ? BACKOFF_MIN_MS : w->wait_ms * 2;
    w->wait_ms = w->wait_ms < BACKOFF_MAX_MS ? w->wait_ms : BACKOFF_MAX_MS;
    log_debug("reconcile.watch", "plane=%s cluster=%s kind=%s retry_ms=%u error=%s",
              w->c->config.plane, w->c->config.cluster, w->kind, w->wait_ms, log_q(why->message));
    sm_move(&w->sm, WAITING);
    loop_timer_start(&w->backoff, w->wait_ms / 2 + random % (w->wait_ms / 2 + 1), 0);
}

/* ---- watching ---- */

static void on_event(struct watch *w, const json_t *event)
{
    struct slice type = json_text_at(event, "type");
    const json_t *object = json_object_get(event, "object");
    struct slice version = json_text(json_at(object, "metadata", "resourceVersion", NULL));
    if (slice_eq_cstr(type, "ERROR")) {
        free(w->version); /* 410 or worse: begin with a list */
        w->version = NULL;
        return;
    }
    set_version(w, version);
    if (slice_eq_cstr(type, "BOOKMARK")) {
        return;
    }
    if (slice_eq_cstr(type, "DELETED")) {
        struct buf key = {0};
        manifest_key(object, &key);
        const struct driver_seen *seen = seen_find(w->c, buf_slice(&key));
        if (seen == NULL || slice_eq_cstr(object_uid(object), seen->uid)) {
            seen_drop(w->c, buf_slice(&key), true);
        } /* else another has come in its place already */
        buf_free(&key);
        return;
    }
    seen_put(w->c, object, true, NULL, NULL);
}

static void on_data(struct fetch *f, struct slice in)
{
    struct watch *w = f->user;
    size_t looked = w->line.len; /* there is no end of a line before */
    size_t from = 0;
    buf_add(&w->line, in);
    for (;;) {
        struct slice rest = slice_sub(buf_slice(&w->line), from, SIZE_MAX);
        size_t end = slice_find(slice_sub(rest, looked, SIZE_MAX), SLICE("\n"));
        if (end == SIZE_MAX) {
            break;
        }
        json_t *event = NULL;
        end += looked;
        looked = 0;
        if (end > 0 && f->status < 300 && json_parse(slice_sub(rest, 0, end), &event, NULL) == 0) {
            on_event(w, event);
            json_decref(event);
        }
        from += end + 1;
    }
    buf_shift(&w->line, from);
    if (w->line.len > LINE_BYTES_MAX) {
        fetch_cancel(f);
    }
}

static void on_watch_end(struct fetch *f, int rc, const struct err *why)
{
    struct watch *w = f->user;
    struct err err = {0};
    w->fetching = false;
    if (rc == 0) {
        rc = response_error(f->status, buf_slice(&w->line), &err);
    } else {
        err = *why;
    }
    buf_clear(&w->line);
    fetch_clear(f);
    if (w->c->closing) {
        cluster_check_closed(w->c);
        return;
    }
    if (rc == ERR_GONE || w->version == NULL) {
        free(w->version);
        w->version = NULL;
    }
    /* One that ends at once is a refusal in disguise, or ill will. */
    bool brief = loop_now_ms(w->c->config.loop) - w->started_ms < SHORT_MS;
    w->wait_ms = brief ? w->wait_ms : 0;
    if ((rc != 0 && rc != ERR_TIMEOUT) || brief) {
        retry(w, &err);
    } else {
        begin(w);
    }
}

static void watch_from_version(struct watch *w)
{
    uint32_t random;
    struct buf url = {0};
    size_t n = 0;
    crypto_random(&random, sizeof(random));
    sm_move(&w->sm, WATCHING);
    buf_add_cstr(&url, w->c->kubeconfig.server);
    resource_path(&url, slice_of(w->api_version), w->resource, (struct slice){0},
                  (struct slice){0});
    buf_addf(&url,
             "?watch=true&allowWatchBookmarks=true&timeoutSeconds=%u&labelSelector=%s"
             "&resourceVersion=%s",
             WATCH_MIN_S + random % WATCH_MIN_S, w->c->selector, w->version);
    free(w->url);
    w->url = buf_take(&url);
    w->headers[n++] = w->c->user_agent;
    w->headers[n++] = "accept: application/json";
    w->headers[n++] = w->c->authorization; /* may be NULL: the end */
    w->headers[n] = NULL;
    w->fetch = (struct fetch){.method = "GET",
                              .url = w->url,
                              .headers = w->headers,
                              .idle_timeout_ms = WATCH_SILENCE_MS,
                              .user = w,
                              .on_data = on_data,
                              .done = on_watch_end};
    w->fetching = true;
    w->started_ms = loop_now_ms(w->c->config.loop);
    fetch_start(&w->c->fetcher, &w->fetch);
}

/* ---- listing ---- */

/* Forgets what was seen of the kind before the list was asked for, and is not in it. */
static void drop_unlisted(struct watch *w)
{
    struct buf prefix = {0};
    buf_addf(&prefix, "%s/%s/", w->api_version, w->kind);
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&w->c->seen, &cursor, &key, &value)) {
        const struct driver_seen *seen = value;
        if (slice_starts_with(key, buf_slice(&prefix)) && seen->at <= w->listed_since &&
            map_get(&w->listed, key) == NULL) {
            seen_drop(w->c, key, true);
        }
    }
    buf_free(&prefix);
}

static void tell_synced(struct watch *w)
{
    const struct driver_config *config = &w->c->config;
    w->synced = true;
    if (config->on_synced != NULL && !w->c->closing) {
        config->on_synced(config->user, slice_of(w->api_version), slice_of(w->kind));
    }
}

static void on_page(struct request *r, int rc, const struct err *err)
{
    struct watch *w = r->user;
    if (rc != 0) {
        retry(w, err);
        return;
    }
    size_t i;
    json_t *item;
    struct buf key = {0};
    json_array_foreach(json_object_get(r->tree, "items"), i, item)
    {
        /* Items of a list need not say what they are. */
        json_object_set_new(item, "apiVersion", json_string(w->api_version));
        json_object_set_new(item, "kind", json_string(w->kind));
        /* The first list is no news of single objects: on_synced() is the news. */
        seen_put(w->c, item, w->synced, NULL, NULL);
        buf_clear(&key);
        manifest_key(item, &key);
        if (seen_find(w->c, buf_slice(&key)) != NULL) {
            map_put(&w->listed, buf_slice(&key), w);
        }
    }
    buf_free(&key);
    struct slice next = json_text(json_at(r->tree, "metadata", "continue", NULL));
    if (next.len > 0 && ++w->pages < LIST_PAGES_MAX) {
        list_page(w, next);
        return;
    }
    if (next.len > 0) {
        struct err endless;
        err_set(&endless, ERR_UNAVAILABLE, "the list does not end");
        retry(w, &endless);
        return;
    }
    set_version(w, json_text(json_at(r->tree, "metadata", "resourceVersion", NULL)));
    drop_unlisted(w);
    map_free(&w->listed);
    w->listed = (struct map){0};
    w->wait_ms = 0;
    tell_synced(w);
    if (w->version == NULL) {
        struct err none;
        err_set(&none, ERR_UNAVAILABLE, "the list has no resourceVersion");
        retry(w, &none);
    } else if (!w->c->closing) {
        watch_from_version(w);
    }
}

static void list_page(struct watch *w, struct slice next)
{
    struct buf path = {0};
    sm_move(&w->sm, LISTING);
    resource_path(&path, slice_of(w->api_version), w->resource, (struct slice){0},
                  (struct slice){0});
    buf_addf(&path, "?labelSelector=%s&limit=%d", w->c->selector, SELECTOR_PAGE);
    if (next.len > 0) {
        buf_add_cstr(&path, "&continue=");
        url_encode(&path, next);
    }
    request_start(request_new(w->c, "GET", buf_slice(&path), w, on_page), true);
    buf_free(&path);
}

static void end(struct watch *w)
{
    w->closing = true;
    w->c->posted++;
    loop_timer_close(&w->backoff, watch_free);
}

static void on_kind(struct lookup *l, int rc, const struct err *err)
{
    struct watch *w = l->user;
    w->resource = l->resource;
    lookup_free(l);
    if (rc == ERR_NOT_FOUND && !w->synced) {
        tell_synced(w); /* nothing of an unknown kind is there */
    }
    if (rc == ERR_NOT_FOUND && ++w->unknown == UNKNOWN_MAX && !w->c->closing) {
        end(w); /* who applies one begins anew */
        return;
    }
    if (rc != 0) {
        retry(w, err);
        return;
    }
    begin(w);
}

static void begin(struct watch *w)
{
    if (w->c->closing) {
        return;
    }
    if (w->resource == NULL) {
        if (w->sm.state != LOOKING) {
            sm_move(&w->sm, LOOKING);
        }
        w->lookup = (struct lookup){.user = w, .found = on_kind};
        discovery_find(w->c, &w->lookup, slice_of(w->api_version), slice_of(w->kind));
    } else if (w->version == NULL) {
        map_free(&w->listed);
        w->listed = (struct map){0};
        w->listed_since = w->c->sights;
        w->pages = 0;
        list_page(w, (struct slice){0});
    } else {
        watch_from_version(w);
    }
}

static void on_backoff(struct loop_timer *timer)
{
    begin(CONTAINER_OF(timer, struct watch, backoff));
}

void watch_kind(struct driver_cluster *c, struct slice api_version, struct slice kind)
{
    LIST_FOREACH(link, &c->watches)
    {
        struct watch *w = CONTAINER_OF(link, struct watch, link);
        if (!w->closing && slice_eq_cstr(api_version, w->api_version) &&
            slice_eq_cstr(kind, w->kind)) {
            return;
        }
    }
    struct watch *w = mem_zero(sizeof(*w));
    w->c = c;
    w->api_version = slice_dup(api_version);
    w->kind = slice_dup(kind);
    sm_init(&w->sm, states, LOOKING);
    loop_timer_init(c->config.loop, &w->backoff, on_backoff);
    list_push_back(&c->watches, &w->link);
    begin(w);
}

bool watches_synced(struct driver_cluster *c)
{
    LIST_FOREACH(link, &c->watches)
    {
        if (!CONTAINER_OF(link, struct watch, link)->synced) {
            return false;
        }
    }
    return true;
}

bool watch_synced(struct driver_cluster *c, struct slice api_version, struct slice kind)
{
    LIST_FOREACH(link, &c->watches)
    {
        struct watch *w = CONTAINER_OF(link, struct watch, link);
        if (slice_eq_cstr(api_version, w->api_version) && slice_eq_cstr(kind, w->kind)) {
            return w->sm.state == WATCHING && w->fetching;
        }
    }
    return false;
}

/* Called with c->closing set, when no request and no lookup is under way any more. Those whose
 * stream is still ending come back here when it has. */
void watches_close(struct driver_cluster *c)
{
    LIST_FOREACH(link, &c->watches)
    {
        struct watch *w = CONTAINER_OF(link, struct watch, link);
        if (!w->closing && !w->fetching) {
            end(w);
        }
    }
}
