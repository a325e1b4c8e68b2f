/* engine_apply.c: what was done for a RenderedRelease, and doing it.
 *
 * A run applies the manifests in order, then deletes what is not wanted any more; or deletes an
 * inventory backwards, and then a resource's claims. It stops at the first failure, which is
 * remembered with the time before which it is not tried again. Whatever was put on the cluster is
 * in the inventory from then on, also when the run failed half-way, so that nothing is forgotten.
 *
 * A conflict (somebody changed the object between our look and our write) is not told to anybody:
 * it is tried again after a majority has confirmed this leader anew. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proto/object.h"
#include "reconcile/engine_internal.h"

enum {
    RETRY_MIN_MS = 200,
    RETRY_MAX_MS = 60 * 1000,
    CONFLICT_RETRY_MS = 100,
};

struct run {
    struct task *task;
    struct engine_shard *s;
    struct work *work;
    struct engine_cluster *cluster;
    json_t *manifests; /* NULL: a removal */
    json_t *prune;
    json_t *claims_of; /* NULL: nothing's */
    json_t *applied;   /* inventory rows */
    size_t next;
    char hash[65];
    char *release; /* "ns/name" */
    struct driver_op op;
};

static void work_key(struct buf *out, struct slice ns, struct slice name)
{
    buf_add(out, ns);
    buf_add_char(out, '/');
    buf_add(out, name);
}

struct work *work_get(struct engine_shard *s, struct slice ns, struct slice name, bool make)
{
    struct buf key = {0};
    work_key(&key, ns, name);
    struct work *w = map_get(&s->works, buf_slice(&key));
    if (w == NULL && make) {
        w = mem_zero(sizeof(*w));
        w->shard = s;
        w->key = slice_dup(buf_slice(&key));
        w->ns = slice_make(w->key, ns.len);
        w->name = slice_make(w->key + ns.len + 1, name.len);
        w->message = mem_strdup("");
        map_put(&s->works, buf_slice(&key), w);
    }
    buf_free(&key);
    return w;
}

static void work_free(struct work *w)
{
    map_remove(&w->shard->works, slice_of(w->key));
    json_decref(w->resources);
    json_decref(w->met);
    buf_free(&w->undoes);
    free(w->message);
    free(w->key);
    free(w);
}

void works_free(struct engine_shard *s)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&s->works, &cursor, &key, &value)) {
        work_free(value);
    }
    map_free(&s->works);
}

void work_forget(struct engine_shard *s, struct slice ns, struct slice name)
{
    struct work *w = work_get(s, ns, name, false);
    if (w == NULL || w->busy) {
        return;
    }
    const json_t *o = snapshot_get(s->snap, SNAPSHOT_RENDERED, ns, name);
    struct slice told = json_text(json_at(o, "status", "appliedHash", NULL));
    bool quiet = w->reason[0] == '\0' && !w->drifted && !w->gone && w->conflict_at_ms == 0;
    /* The status must show this inventory, fingerprints included, before ours may go. */
    bool same = w->resources == NULL;
    const json_t *rows = json_at(o, "status", "resources", NULL);
    if (!same && json_array_size(rows) == json_array_size(w->resources)) {
        same = true;
        for (size_t i = 0; i < json_array_size(rows); i++) {
            const json_t *a = json_array_get(rows, i);
            const json_t *b = json_array_get(w->resources, i);
            same = same && slice_eq(json_text_at(a, "id"), json_text_at(b, "id")) &&
                   slice_eq(json_text_at(a, "hash"), json_text_at(b, "hash")) &&
                   slice_eq(json_text_at(a, "uid"), json_text_at(b, "uid"));
        }
    }
    quiet = quiet && engine_wall_ms(s->e) >= dispute_over_ms(&w->dispute);
    if (o == NULL || (quiet && same && slice_eq_cstr(told, w->hash))) {
        work_free(w);
    }
}

/* May a conflict be tried again? Only on a confirmation newer than it. */
static bool confirmed_since(const struct engine_shard *s, uint64_t at_ms)
{
    const struct engine_config *c = &s->e->config;
    if (at_ms == 0 || c->confirmed_age_ms == NULL) {
        return true;
    }
    return c->confirmed_age_ms(c->user, s->id) < engine_mono_ms(s->e) - at_ms;
}

void work_undone(struct work *w, const json_t *row, bool deleted)
{
    w->drifted = true;
    buf_clear(&w->undoes);
    buf_addf(&w->undoes, "%s %.*s \"%.*s\"", deleted ? "deletes" : "changes",
             SLICE_ARG(json_text_at(row, "kind")), SLICE_ARG(json_text_at(row, "name")));
}

bool work_world(void *user, struct slice ns, struct slice name, struct world_release *out)
{
    struct engine_shard *s = user;
    struct work *w = work_get(s, ns, name, false);
    if (w == NULL) {
        return false;
    }
    *out = (struct world_release){.busy = w->busy,
                                  .gone = w->gone,
                                  .drifted = w->drifted,
                                  .hash = w->hash,
                                  .epoch = buf_cstr(&s->epoch_text),
                                  .resources = w->resources,
                                  .reason = w->reason,
                                  .message = w->message,
                                  .failed_hash = w->failed_hash,
                                  .retry_at_ms = w->retry_at_ms,
                                  .correct_at_ms = dispute_due_ms(&w->dispute),
                                  .undoes = buf_cstr(&w->undoes)};
    uint64_t now_ms = engine_wall_ms(s->e);
    if (dispute_is_plain(&w->dispute, now_ms)) {
        out->disputed_for_ms = dispute_over_ms(&w->dispute) - now_ms;
    }
    if (!confirmed_since(s, w->conflict_at_ms)) {
        uint64_t soon_ms = now_ms + CONFLICT_RETRY_MS;
        out->retry_at_ms = out->retry_at_ms > soon_ms ? out->retry_at_ms : soon_ms;
    }
    return true;
}

/* ---- outcomes ---- */

static const char *reason_of(int rc)
{
    static const struct {
        int code;
        const char *reason;
    } reasons[] = {
        {ERR_UNAVAILABLE, "ClusterUnreachable"},     {ERR_TIMEOUT, "ClusterUnreachable"},
        {ERR_UNAUTHENTICATED, "CredentialsRefused"}, {ERR_FORBIDDEN, "CredentialsRefused"},
        {ERR_UNPROCESSABLE, "ManifestRefused"},      {ERR_NOT_FOUND, "NotOnCluster"},
        {ERR_EXISTS, WORLD_OWNED_ELSEWHERE},         {ERR_BUSY, WORLD_STILL_THERE},
        {ERR_INVALID, "CredentialsInvalid"}};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].code == rc) {
            return reasons[i].reason;
        }
    }
    return "ApplyFailed";
}

static bool passing(int rc)
{
    return rc == ERR_CONFLICT || rc == ERR_NOT_LEADER || rc == ERR_CANCELED;
}

static void note_failure(struct work *w, const struct run *r, int rc, const struct err *err,
                         uint64_t retry_after_ms)
{
    struct engine_impl *e = w->shard->e;
    uint64_t delay_ms = CONFLICT_RETRY_MS;
    if (passing(rc)) {
        w->conflict_at_ms = engine_mono_ms(e);
    } else {
        snprintf(w->reason, sizeof(w->reason), "%s", reason_of(rc));
        free(w->message);
        w->message = mem_strdup(err->message);
        delay_ms = queue_backoff_ms(&w->shard->queue, w->failures + 1);
        delay_ms = delay_ms < RETRY_MIN_MS ? RETRY_MIN_MS : delay_ms;
        delay_ms = delay_ms > RETRY_MAX_MS ? RETRY_MAX_MS : delay_ms;
        delay_ms = delay_ms < retry_after_ms ? retry_after_ms : delay_ms;
        w->failures++;
    }
    memcpy(w->failed_hash, r->hash, sizeof(w->failed_hash));
    w->retry_at_ms = engine_wall_ms(e) + delay_ms;
}

static void note_success(struct work *w)
{
    w->reason[0] = '\0';
    w->failed_hash[0] = '\0';
    w->failures = 0;
    w->retry_at_ms = 0;
    w->conflict_at_ms = 0;
    w->drifted = false;
}

/* Rows of what was there before that the run did not replace, and those that it applied. */
static json_t *merged_inventory(const struct run *r, const json_t *before)
{
    json_t *merged = json_copy(r->applied);
    json_t *replaced = json_object();
    size_t i;
    json_t *row;
    json_array_foreach(r->applied, i, row)
    {
        struct slice id = json_text_at(row, "id");
        json_object_setn_new(replaced, id.data, id.len, json_true());
    }
    json_array_foreach((json_t *)(uintptr_t)before, i, row)
    {
        struct slice id = json_text_at(row, "id");
        if (json_object_getn(replaced, id.data, id.len) == NULL) {
            json_array_append(merged, row);
        }
    }
    json_decref(replaced);
    return merged;
}

static void set_resources(struct work *w, json_t *rows)
{
    json_decref(w->resources);
    w->resources = rows;
}

void work_met(struct work *w, const struct driver_object *object, const char *fingerprint)
{
    char *id = slice_dup(object->key);
    if (w->met == NULL) {
        w->met = json_object();
    }
    json_object_set_new(w->met, id,
                        json_pack("{s:s, s:O}", "fingerprint", fingerprint, "live",
                                  (json_t *)(uintptr_t)object->live));
    free(id);
}

/* What the cluster's own controllers made of an object after it was applied (an address, say) is
 * part of what it should be like, as long as it still says what the manifest says. */
static void take_met(struct run *r)
{
    struct work *w = r->work;
    json_t *keys = manifest_keys(r->manifests);
    size_t i;
    json_t *row;
    json_array_foreach(r->applied, i, row)
    {
        struct slice id = json_text_at(row, "id");
        const json_t *met = id.len > 0 ? json_object_getn(w->met, id.data, id.len) : NULL;
        json_t *fingerprint = json_object_get(met, "fingerprint");
        if (fingerprint == NULL || json_equal(fingerprint, json_object_get(row, "hash"))) {
            continue;
        }
        const struct driver_seen *seen = driver_kubernetes.seen(r->cluster->driver, id);
        char now[17];
        snprintf(now, sizeof(now), "%016" PRIx64, seen != NULL ? seen->fingerprint : 0);
        const json_t *at = json_object_getn(keys, id.data, id.len);
        if (seen != NULL && slice_eq_cstr(json_text(fingerprint), now) && at != NULL &&
            driver_kubernetes.satisfies(
                json_object_get(met, "live"),
                json_array_get(r->manifests, (size_t)json_integer_value(at)))) {
            json_object_set(row, "hash", fingerprint);
        }
    }
    json_decref(keys);
}

static const json_t *known_inventory(const struct work *w)
{
    if (w->resources != NULL) {
        return w->resources;
    }
    return json_at(snapshot_get(w->shard->snap, SNAPSHOT_RENDERED, w->ns, w->name), "status",
                   "resources", NULL);
}

/* What was applied before, as far as is known, is applied again only to put it right. */
static bool corrects(const struct run *r)
{
    const struct work *w = r->work;
    const json_t *o = snapshot_get(w->shard->snap, SNAPSHOT_RENDERED, w->ns, w->name);
    struct slice told = json_text(json_at(o, "status", "appliedHash", NULL));
    return slice_eq_cstr(w->hash[0] != '\0' ? slice_of(w->hash) : told, r->hash);
}

static void finish(struct run *r, int rc, const struct err *err)
{
    struct engine_shard *s = r->s;
    struct work *w = r->work;
    struct task *task = r->task;
    w->busy = false;
    if (r->cluster != NULL && r->cluster->driver != NULL) {
        take_met(r);
    }
    json_decref(w->met);
    w->met = NULL;
    if (rc == 0 && r->manifests != NULL) {
        if (corrects(r)) {
            dispute_note(&w->dispute, engine_wall_ms(s->e));
        }
        set_resources(w, json_incref(r->applied));
        memcpy(w->hash, r->hash, sizeof(w->hash));
        note_success(w);
    } else if (rc == 0) {
        set_resources(w, json_array());
        note_success(w);
        w->gone = true;
        w->hash[0] = '\0';
    } else {
        if (json_array_size(r->applied) > 0) {
            set_resources(w, merged_inventory(r, known_inventory(w)));
        }
        note_failure(w, r, rc, err, r->op.retry_after_ms);
        log_event(passing(rc) ? LOG_DEBUG : LOG_INFO, "reconcile.apply",
                  "shard=%u release=%s cluster=%s failures=%u error=%s", s->id, r->release,
                  r->cluster != NULL ? r->cluster->name : "", w->failures, log_q(err->message));
    }
    s->applies--;
    shard_enqueue(s, SNAPSHOT_RENDERED, w->ns, w->name);
    json_decref(r->manifests);
    json_decref(r->prune);
    json_decref(r->claims_of);
    json_decref(r->applied);
    free(r->release);
    free(r);
    task_applied(task, false);
}

/* ---- the run ---- */

static void proceed(struct run *r);

static void on_step(struct driver_op *op, int rc, const struct err *err)
{
    struct run *r = op->user;
    struct engine_metrics *metrics = &r->s->e->metrics;
    metric_add(rc == 0 ? metrics->applies : metrics->apply_failures, 1);
    if (rc == 0 && op->verb == DRIVER_APPLY) {
        json_array_append_new(r->applied, resource_new(op->object.live, op->object.fingerprint));
    }
    if (rc == 0 && !r->cluster->closing) {
        r->next++;
        proceed(r);
        return;
    }
    struct err told = {0};
    if (rc == 0) {
        rc = err_set(&told, ERR_CANCELED, "the connection to the cluster was closed");
    } else {
        told = *err;
        const json_t *m = op->verb == DRIVER_APPLY ? op->manifest : op->resource;
        struct slice kind = json_text_at(m, "kind");
        struct slice name = op->verb == DRIVER_APPLY ? object_name(m) : json_text_at(m, "name");
        if (slice_eq_cstr(kind, "Secret") && op->quoted) { /* never into a log or a status */
            err_set(&told, rc, "the cluster refuses it, in words that may quote the secret");
        }
        err_wrap(&told, "%.*s %.*s", SLICE_ARG(kind), SLICE_ARG(name));
    }
    finish(r, rc, &told);
}

static void proceed(struct run *r)
{
    size_t manifests = json_array_size(r->manifests);
    size_t prune = json_array_size(r->prune);
    size_t claims = r->claims_of != NULL ? 1 : 0;
    if (r->next == manifests + prune + claims) {
        finish(r, 0, NULL);
        return;
    }
    r->op = (struct driver_op){.release = r->release, .user = r, .done = on_step};
    if (r->next < manifests) {
        r->op.verb = DRIVER_APPLY;
        r->op.manifest = json_array_get(r->manifests, r->next);
        r->op.revision = r->hash;
        r->op.look_first = r->work->conflict_at_ms != 0;
        cluster_watch_one(r->cluster, r->op.manifest);
    } else if (r->next == manifests + prune) {
        r->op.verb = DRIVER_DELETE_CLAIMS;
        r->op.resource = r->claims_of;
    } else {
        r->op.verb = DRIVER_DELETE;
        r->op.resource = json_array_get(r->prune, prune - 1 - (r->next - manifests));
    }
    driver_kubernetes.start(r->cluster->driver, &r->op);
}

void apply_begin(struct task *t, struct engine_shard *s, struct slice ns, struct slice name,
                 struct plan_desired *desired)
{
    struct run *r = mem_zero(sizeof(*r));
    struct err err = {0};
    r->task = t;
    r->s = s;
    r->work = work_get(s, ns, name, true);
    r->work->busy = true;
    r->work->gone = false;
    r->cluster = cluster_find(s, desired->plane, desired->cluster);
    if (r->cluster == NULL) { /* one that left its plane with something of ours on it */
        clusters_refresh(s);
        r->cluster = cluster_find(s, desired->plane, desired->cluster);
    }
    r->manifests = json_incref(desired->manifests);
    r->prune = json_incref(desired->prune);
    r->claims_of = json_incref(desired->claims_of);
    r->applied = json_array();
    r->release = mem_strdup(r->work->key);
    memcpy(r->hash, desired->hash, sizeof(r->hash));
    s->applies++;
    if (r->cluster == NULL || r->cluster->driver == NULL || r->cluster->closing) {
        if (r->cluster != NULL && r->cluster->error.code != 0) {
            err = r->cluster->error;
        } else {
            err_set(&err, ERR_UNAVAILABLE, "there is no connection to cluster \"%.*s\" yet",
                    SLICE_ARG(desired->cluster));
        }
        finish(r, err.code, &err);
        return;
    }
    proceed(r);
}
