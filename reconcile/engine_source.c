/* engine_source.c: looking up in git repositories what plans ask for.
 *
 *   plan.source -> wish (of one key) -> question (shared by all keys that ask the same)
 *     -> git_lookup -> answer kept with the question -> its keys come back
 *     -> source_answer(): the answer as an edit of the object's status, instead of a plan
 *     -> written with the version that was read as its precondition -> the key is planned
 *
 * A wish is answered by a lookup that began after it was made, never by an older one: what was
 * pushed before a build was asked for is built. What is asked every so often is asked again at
 * about that distance; failures come back with growing distance, and as late as the server says. A
 * wish ends when it is answered (unless it is to be asked again) or when a plan of its key asks
 * something else or nothing; a question ends with its last wish.
 *
 * An answer that says what the status says already is not written. Nothing is remembered beyond
 * leadership: what a new leader finds answered, but asks every so often, it spreads over that time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "proto/object.h"
#include "reconcile/engine_internal.h"

enum {
    LOOKUPS_PER_HOST_MAX = 2,      /* at a time, of a shard's SOURCE_LOOKUPS_MAX */
    LOOKUPS_PER_TENANT_MAX = 4,    /* likewise: the others are not kept waiting by its hosts */
    ASK_AGAIN_MIN_MS = 2000,       /* from one start to the next of the same question */
    FAILED_MIN_MS = 2000,          /* after a first failure, doubled with each */
    FAILED_MAX_MS = 5 * 60 * 1000, /* unless the server asks for more */
};

struct question {
    struct engine_shard *s;
    char *key; /* namespace, secret, repository and ref, a line each */
    struct slice ns;
    struct slice secret;
    struct slice repository;
    struct slice ref;
    char *host;
    struct list wishes;
    bool busy;
    uint64_t started_ms; /* of the last lookup; 0: none yet */
    uint64_t due_ms;     /* of the next; UINT64_MAX: none */
    /* the last answer */
    int rc;
    uint64_t answered_ms; /* wall clock */
    uint32_t failures;
    char commit[65];
    char *message;
    struct git_lookup lookup;
    struct buf user;
    struct buf password;
    struct buf ca;
};

struct wish {
    struct list link; /* in question.wishes */
    struct question *question;
    char *key; /* kind letter, ns/name */
    enum snapshot_kind kind;
    struct slice ns;
    struct slice name;
    uint64_t made_ms;
    uint64_t every_ms;
    bool pending; /* an answer that the object may not show yet */
};

static void pump_soon(struct engine_shard *s)
{
    if (!s->closing) {
        loop_timer_start(&s->sources.timer, 0, 0);
    }
}

/* ---- questions and wishes ---- */

static void question_free(struct question *q)
{
    map_remove(&q->s->sources.questions, slice_of(q->key));
    buf_free(&q->user);
    buf_free(&q->password);
    buf_free(&q->ca);
    free(q->message);
    free(q->host);
    free(q->key);
    free(q);
}

/* Nobody wants to know any more? One that is being looked up goes when that has ended. */
static void question_release(struct question *q)
{
    if (list_empty(&q->wishes) && q->busy) {
        git_cancel(&q->lookup);
    } else if (list_empty(&q->wishes)) {
        question_free(q);
    }
}

static char *host_of(struct slice repository)
{
    struct arena arena = {0};
    struct git_url url;
    char *host =
        git_url_parse(repository, &arena, &url, NULL) == 0 ? slice_dup(url.host) : mem_strdup("");
    arena_free(&arena);
    return host;
}

static struct question *question_get(struct engine_shard *s, struct slice ns,
                                     const struct plan_source *source)
{
    struct buf key = {0};
    buf_addf(&key, "%.*s\n%.*s\n%.*s\n%.*s", SLICE_ARG(ns), SLICE_ARG(source->secret),
             SLICE_ARG(source->repository), SLICE_ARG(source->ref));
    struct question *q = map_get(&s->sources.questions, buf_slice(&key));
    if (q == NULL) {
        q = mem_zero(sizeof(*q));
        q->s = s;
        q->key = slice_dup(buf_slice(&key));
        struct slice rest = slice_of(q->key);
        q->ns = slice_sub(rest, 0, ns.len);
        q->secret = slice_sub(rest, ns.len + 1, source->secret.len);
        q->repository = slice_sub(rest, ns.len + source->secret.len + 2, source->repository.len);
        q->ref = slice_sub(rest, rest.len - source->ref.len, SIZE_MAX);
        q->host = host_of(q->repository);
        q->message = mem_strdup("");
        q->due_ms = UINT64_MAX;
        list_init(&q->wishes);
        map_put(&s->sources.questions, buf_slice(&key), q);
    }
    buf_free(&key);
    return q;
}

/* Something in [half, whole] of ms. */
static uint64_t jittered(uint64_t ms)
{
    uint64_t random;
    crypto_random(&random, sizeof(random));
    return ms / 2 + random % (ms / 2 + 1);
}

static void due_at(struct question *q, uint64_t at_ms)
{
    uint64_t least_ms = q->started_ms > 0 ? q->started_ms + ASK_AGAIN_MIN_MS : 0;
    at_ms = at_ms < least_ms ? least_ms : at_ms;
    q->due_ms = at_ms < q->due_ms ? at_ms : q->due_ms;
    pump_soon(q->s);
}

static void wish_key(struct buf *out, enum snapshot_kind kind, struct slice ns, struct slice name)
{
    buf_addf(out, "%c%.*s/%.*s", 'A' + (int)kind, SLICE_ARG(ns), SLICE_ARG(name));
}

static struct wish *wish_find(struct engine_shard *s, enum snapshot_kind kind, struct slice ns,
                              struct slice name)
{
    struct buf key = {0};
    if (s->sources.wishes.count == 0) {
        return NULL; /* as it is on most shards, most of the time */
    }
    wish_key(&key, kind, ns, name);
    struct wish *w = map_get(&s->sources.wishes, buf_slice(&key));
    buf_free(&key);
    return w;
}

static struct wish *wish_new(struct engine_shard *s, const struct snapshot_entry *entry)
{
    struct buf key = {0};
    struct wish *w = mem_zero(sizeof(*w));
    wish_key(&key, entry->kind, entry->ns, entry->name);
    w->key = slice_dup(buf_slice(&key));
    w->kind = entry->kind;
    w->ns = slice_make(w->key + 1, entry->ns.len);
    w->name = slice_of(w->key + entry->ns.len + 2);
    list_init(&w->link);
    map_put(&s->sources.wishes, buf_slice(&key), w);
    buf_free(&key);
    return w;
}

/* To another question, or to none. */
static void wish_move(struct wish *w, struct question *to)
{
    struct question *from = w->question;
    list_remove(&w->link);
    w->question = to;
    w->pending = false;
    if (to != NULL) {
        list_push_back(&to->wishes, &w->link);
    }
    if (from != NULL) {
        question_release(from);
    }
}

static void wish_free(struct engine_shard *s, struct wish *w)
{
    map_remove(&s->sources.wishes, slice_of(w->key));
    wish_move(w, NULL);
    free(w->key);
    free(w);
}

void source_wish(struct engine_shard *s, const struct snapshot_entry *entry,
                 const struct plan_source *source)
{
    struct wish *w = wish_find(s, entry->kind, entry->ns, entry->name);
    const json_t *seen =
        plan_source_of(snapshot_tree(s->snap, entry), source->repository, source->ref);
    bool known = json_text_at(seen, "commit").len > 0 && json_object_get(seen, "error") == NULL;
    if (source->repository.len == 0 || (known && source->every_ms == 0) || s->closing) {
        if (w != NULL) {
            wish_free(s, w);
        }
        return;
    }
    struct question *q = question_get(s, entry->ns, source);
    if (w != NULL && w->question == q && w->every_ms == source->every_ms) {
        return; /* it is being seen to */
    }
    uint64_t now_ms = engine_mono_ms(s->e);
    w = w != NULL ? w : wish_new(s, entry);
    w->made_ms = now_ms;
    w->every_ms = source->every_ms;
    if (w->question != q) {
        wish_move(w, q);
    }
    due_at(q, known ? now_ms + jittered(w->every_ms) : now_ms);
}

void source_forget(struct engine_shard *s, enum snapshot_kind kind, struct slice ns,
                   struct slice name)
{
    struct wish *w = wish_find(s, kind, ns, name);
    if (w != NULL) {
        wish_free(s, w);
    }
}

/* ---- answers ---- */

/* status.source as it should be. */
static json_t *answer_tree(const struct question *q, const json_t *object)
{
    const json_t *before = plan_source_of(object, q->repository, q->ref);
    json_t *tree = json_object();
    char at[21];
    clock_rfc3339(q->answered_ms, at);
    json_object_set_new(tree, "repository", json_str(q->repository));
    if (q->ref.len > 0) {
        json_object_set_new(tree, "ref", json_str(q->ref));
    }
    bool same = q->rc != 0 || slice_eq_cstr(json_text_at(before, "commit"), q->commit);
    if (!same) {
        json_object_set_new(tree, "commit", json_string(q->commit));
        json_object_set_new(tree, "resolvedAt", json_string(at));
    } else if (json_text_at(before, "commit").len > 0) {
        json_object_set(tree, "commit", json_object_get(before, "commit"));
        json_object_set(tree, "resolvedAt", json_object_get(before, "resolvedAt"));
    }
    if (q->rc != 0) {
        json_t *error = json_object_get(before, "error");
        bool told = slice_eq_cstr(json_text_at(error, "message"), q->message);
        json_object_set_new(
            tree, "error",
            told ? json_incref(error)
                 : json_pack("{s:o, s:s}", "message", json_str(slice_of(q->message)), "at", at));
    }
    return tree;
}

bool source_answer(struct engine_shard *s, const struct snapshot_entry *entry, struct plan *plan)
{
    struct wish *w = wish_find(s, entry->kind, entry->ns, entry->name);
    const json_t *object = w != NULL && w->pending ? snapshot_tree(s->snap, entry) : NULL;
    if (object == NULL) {
        return false;
    }
    const struct question *q = w->question;
    json_t *source = answer_tree(q, object);
    bool told = json_equal(source, json_at(object, "status", "source", NULL));
    if (told) {
        json_decref(source);
        w->pending = false;
        if (q->rc == 0 && w->every_ms == 0) {
            wish_free(s, w);
        }
        return false;
    }
    json_object_set_new(json_child(plan_edit(plan, s->snap, entry), "status"), "source", source);
    plan_finish(plan);
    return true;
}

/* When it is to be asked again, as its wishes want it. */
static void plan_next(struct question *q, uint64_t retry_after_ms)
{
    uint64_t now_ms = engine_mono_ms(q->s->e);
    q->due_ms = UINT64_MAX;
    if (q->rc != 0) {
        uint32_t shift = q->failures < 10 ? q->failures : 10;
        uint64_t delay_ms = (uint64_t)FAILED_MIN_MS << shift;
        delay_ms = jittered(delay_ms < FAILED_MAX_MS ? delay_ms : FAILED_MAX_MS);
        q->failures++;
        due_at(q, now_ms + (delay_ms > retry_after_ms ? delay_ms : retry_after_ms));
        return;
    }
    q->failures = 0;
    LIST_FOREACH(link, &q->wishes)
    {
        const struct wish *w = CONTAINER_OF(link, struct wish, link);
        if (w->made_ms > q->started_ms) {
            due_at(q, now_ms); /* it came too late for this one */
        } else if (w->every_ms > 0) {
            due_at(q, now_ms + w->every_ms / 10 * 9 + jittered(w->every_ms / 5));
        }
    }
}

static void answered(struct question *q, int rc, const char *message, uint64_t retry_after_ms)
{
    struct engine_shard *s = q->s;
    metric_add(s->e->metrics.lookups, 1);
    metric_add(s->e->metrics.lookup_failures, rc != 0 ? 1 : 0);
    if (rc != 0 && strcmp(q->message, message) != 0) {
        log_info("reconcile.source", "shard=%u namespace=%.*s error=%s", s->id, SLICE_ARG(q->ns),
                 log_q(message));
    }
    q->rc = rc;
    q->answered_ms = engine_wall_ms(s->e);
    free(q->message);
    q->message = mem_strdup(message);
    plan_next(q, retry_after_ms);
    LIST_FOREACH(link, &q->wishes)
    {
        struct wish *w = CONTAINER_OF(link, struct wish, link);
        if (w->made_ms <= q->started_ms) {
            w->pending = true;
            shard_enqueue(s, w->kind, w->ns, w->name);
        }
    }
}

static void on_looked_up(struct git_lookup *l, int rc, const struct err *err)
{
    struct question *q = CONTAINER_OF(l, struct question, lookup);
    struct engine_shard *s = q->s;
    struct sources *sources = &s->sources;
    size_t at = 0;
    while (sources->busy[at] != q) {
        at++;
    }
    sources->busy[at] = sources->busy[--sources->busy_count];
    q->busy = false;
    if (s->closing) {
        shard_check_closed(s);
        return;
    }
    if (list_empty(&q->wishes)) {
        question_free(q);
    } else if (rc == ERR_CANCELED) { /* nobody wanted it for a while */
        due_at(q, engine_mono_ms(s->e));
    } else {
        memcpy(q->commit, l->commit, sizeof(q->commit));
        answered(q, rc, rc != 0 ? err->message : "", l->retry_after_ms);
    }
    pump_soon(s);
}

/* ---- asking ---- */

static void take(struct buf *out, const json_t *secret, const char *key)
{
    const json_t *data = json_object_get(secret, "data");
    buf_clear(out);
    (void)base64_decode(out, json_text_at(data, key));
    while (out->len > 0 && strchr("\r\n", out->data[out->len - 1]) != NULL) {
        out->len--; /* of a file that an editor wrote */
    }
}

/* username and password, or token alone; ca.crt. False: there is no such Secret, or nothing in it
 * that is a component's to send to a host. */
static bool read_secret(struct question *q)
{
    const json_t *secret = snapshot_get(q->s->snap, SNAPSHOT_SECRET, q->ns, q->secret);
    buf_clear(&q->user);
    buf_clear(&q->password);
    buf_clear(&q->ca);
    if (q->secret.len == 0) {
        return true;
    }
    if (object_is_kept_secret(secret)) {
        return false;
    }
    take(&q->user, secret, "username");
    take(&q->password, secret, "password");
    take(&q->ca, secret, "ca.crt");
    if (q->password.len == 0) {
        take(&q->password, secret, "token");
    }
    if (q->user.len == 0 && q->password.len > 0) { /* what forges want beside a token */
        bool bitbucket = slice_eq_cstr(slice_of(q->host), "bitbucket.org");
        buf_add_cstr(&q->user, bitbucket ? "x-token-auth" : "x-access-token");
    }
    return q->password.len > 0 || q->ca.len > 0;
}

static void ask(struct question *q)
{
    struct engine_shard *s = q->s;
    q->busy = true;
    s->sources.busy[s->sources.busy_count++] = q;
    q->lookup = (struct git_lookup){.repository = q->repository,
                                    .ref = q->ref,
                                    .user = buf_slice(&q->user),
                                    .password = buf_slice(&q->password),
                                    .ca_pem = buf_slice(&q->ca),
                                    .done = on_looked_up};
    git_lookup(&s->e->git, &q->lookup);
}

static void refuse(struct question *q)
{
    struct err err;
    err_set(&err, ERR_NOT_FOUND,
            "repository %.*s: there is no Secret \"%.*s\" with username and password, or token, in "
            "namespace \"%.*s\"",
            SLICE_ARG(slice_sub(q->repository, 0, 200)), SLICE_ARG(q->secret), SLICE_ARG(q->ns));
    answered(q, err.code, err.message, 0);
}

/* Are as many asked of its host, or for its tenant, as may be at a time? */
static bool has_to_wait(const struct engine_shard *s, const struct question *q)
{
    size_t of_host = 0;
    size_t of_tenant = 0;
    for (size_t i = 0; i < s->sources.busy_count; i++) {
        of_host += strcmp(s->sources.busy[i]->host, q->host) == 0 ? 1 : 0;
        of_tenant += slice_eq(s->sources.busy[i]->ns, q->ns) ? 1 : 0;
    }
    return of_host >= LOOKUPS_PER_HOST_MAX || of_tenant >= LOOKUPS_PER_TENANT_MAX;
}

/* Of the questions that are due and may be asked now, the one that has waited longest; NULL: none.
 * *next_ms is when to look again, at the latest. */
static struct question *pick(struct engine_shard *s, uint64_t *next_ms)
{
    uint64_t now_ms = engine_mono_ms(s->e);
    struct question *best = NULL;
    size_t cursor = 0;
    struct slice key;
    void *value;
    *next_ms = UINT64_MAX;
    while (map_next(&s->sources.questions, &cursor, &key, &value)) {
        struct question *q = value;
        if (q->busy || q->due_ms == UINT64_MAX) {
            continue;
        }
        if (q->due_ms > now_ms) {
            *next_ms = q->due_ms < *next_ms ? q->due_ms : *next_ms;
        } else if ((best == NULL || q->due_ms < best->due_ms) && !has_to_wait(s, q)) {
            best = q;
        }
    }
    return best;
}

static void on_timer(struct loop_timer *timer)
{
    struct sources *sources = CONTAINER_OF(timer, struct sources, timer);
    struct engine_shard *s = CONTAINER_OF(sources, struct engine_shard, sources);
    struct question *q;
    uint64_t next_ms = UINT64_MAX;
    struct err err;
    if (!s->e->git_open && git_client_init(&s->e->git, s->e->config.loop,
                                           s->e->config.allow_local_sources, &err) != 0) {
        log_error("reconcile.source", "error=%s", log_q(err.message));
        loop_timer_start(timer, FAILED_MIN_MS, 0);
        return;
    }
    s->e->git_open = true;
    while (sources->busy_count < SOURCE_LOOKUPS_MAX && (q = pick(s, &next_ms)) != NULL) {
        q->started_ms = engine_mono_ms(s->e);
        q->due_ms = UINT64_MAX;
        if (read_secret(q)) {
            ask(q);
        } else {
            refuse(q);
        }
    }
    if (next_ms != UINT64_MAX) { /* what only waits for others to end is looked at then */
        uint64_t now_ms = engine_mono_ms(s->e);
        loop_timer_start(timer, next_ms > now_ms ? next_ms - now_ms : 0, 0);
    }
}

void source_secret_changed(struct engine_shard *s, struct slice ns, struct slice name)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&s->sources.questions, &cursor, &key, &value)) {
        struct question *q = value;
        if (q->rc != 0 && slice_eq(q->secret, name) && slice_eq(q->ns, ns)) {
            q->failures = 0;
            due_at(q, engine_mono_ms(s->e));
        }
    }
}

/* ---- with the shard ---- */

void sources_open(struct engine_shard *s)
{
    loop_timer_init(s->e->config.loop, &s->sources.timer, on_timer);
    s->timers_open++;
}

static void on_timer_closed(struct loop_timer *timer)
{
    struct sources *sources = CONTAINER_OF(timer, struct sources, timer);
    struct engine_shard *s = CONTAINER_OF(sources, struct engine_shard, sources);
    s->timers_open--;
    shard_check_closed(s);
}

void sources_close(struct engine_shard *s)
{
    for (size_t i = 0; i < s->sources.busy_count; i++) {
        git_cancel(&s->sources.busy[i]->lookup);
    }
    loop_timer_close(&s->sources.timer, on_timer_closed);
}

void sources_free(struct engine_shard *s)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&s->sources.wishes, &cursor, &key, &value)) {
        wish_free(s, value);
    }
    cursor = 0; /* those that nobody wanted any more as they were looked up */
    while (map_next(&s->sources.questions, &cursor, &key, &value)) {
        question_free(value);
    }
    map_free(&s->sources.wishes);
    map_free(&s->sources.questions);
}
