/* cluster_ask.c: requests, operations and watches, made on a node's front loop and waited for. */
#include "tests/unit/node/shard/cluster.h"

#include "base/crypto.h"

static uint32_t within_ms(const struct cluster *c)
{
    return c->deadline_ms != 0 ? c->deadline_ms : (uint32_t)CLUSTER_WAIT_MS;
}

static void on_submitted(struct backend_submit *submit, int rc, const struct err *err)
{
    struct sync *s = CONTAINER_OF(submit, struct sync, submit);
    s->rc = rc;
    s->err = rc != 0 ? *err : (struct err){0};
    s->version = submit->version;
    onloop_done(&s->member->front);
}

static void do_submit(void *arg)
{
    struct sync *s = arg;
    struct backend *b = node_backend(&s->member->node);
    s->submit.deadline_ms = loop_now_ms(&s->member->front.loop) + s->within_ms;
    b->ops->submit(b, &s->submit);
}

int put(struct cluster *c, size_t i, struct write w, uint64_t *version)
{
    char body[2048];
    char id[37];
    crypto_uuid(id);
    const char *resource = w.resource != NULL ? w.resource : "configmaps";
    (void)snprintf(body, sizeof(body),
                   "{\"apiVersion\":\"v1\",\"data\":{\"v\":\"%s\"},\"kind\":\"ConfigMap\","
                   "\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"u-%s\"}}",
                   w.value != NULL ? w.value : "", w.name, w.ns, w.name);
    uint8_t digest[SHA256_BYTES];
    crypto_sha256(slice_of(body), digest);
    struct err err;
    uint32_t splice = 0;
    assert_ok(object_splice(slice_of(body), &splice, &err), &err);
    struct sync s = {.member = &c->members[i], .within_ms = within_ms(c)};
    s.submit = (struct backend_submit){
        .loop = &c->members[i].front.loop,
        .key = {slice_of(resource), slice_of(w.ns), slice_of(w.name)},
        .verb = w.verb,
        .body = slice_of(body),
        .splice = splice,
        .if_version = w.if_version,
        .client_made = true,
        .subject = SLICE("system:test"),
        .request_id = slice_of(w.request_id != NULL ? w.request_id : id),
        .issued_ms = w.issued_ms != 0 ? w.issued_ms : clock_system.wall_ms(&clock_system),
        .request_digest = slice_make(digest, sizeof(digest)),
        .audit = SLICE("{}"),
        .done = on_submitted,
    };
    onloop_post(&s.member->front, do_submit, &s);
    onloop_wait(&s.member->front, "a write");
    if (version != NULL) {
        *version = s.version;
    }
    if (s.rc != 0 && getenv("CHOREO_TEST_LOG") != NULL) {
        (void)fprintf(stderr, "put %s/%s: %s\n", w.ns, w.name, s.err.message);
    }
    return s.rc;
}

/* The same request, until the outcome is another than these two (they may be one), or the time is
 * over. */
static int put_while(struct cluster *c, size_t i, struct write w, int one, int other)
{
    char id[37];
    crypto_uuid(id);
    w.request_id = w.request_id != NULL ? w.request_id : id;
    w.issued_ms = w.issued_ms != 0 ? w.issued_ms : clock_system.wall_ms(&clock_system);
    uint64_t until_ns = clock_mono_ns() + CLUSTER_WAIT_MS * UINT64_C(1000000);
    int rc = put(c, i, w, NULL);
    while ((rc == one || rc == other) && clock_mono_ns() < until_ns) {
        uv_sleep(20);
        rc = put(c, i, w, NULL);
    }
    return rc;
}

int put_once_led(struct cluster *c, size_t i, struct write w)
{
    return put_while(c, i, w, ERR_UNAVAILABLE, ERR_UNAVAILABLE);
}

int put_until_known(struct cluster *c, size_t i, struct write w)
{
    return put_while(c, i, w, ERR_UNAVAILABLE, ERR_TIMEOUT);
}

void make_organization(struct cluster *c, size_t i, const char *name)
{
    const struct write organization = {
        .verb = BACKEND_CREATE, .resource = "organizations.choreo.dev", .ns = "", .name = name};
    assert_int_equal(put_until_known(c, i, organization), 0);
}

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct sync *s = CONTAINER_OF(get, struct sync, get);
    s->rc = rc;
    s->err = rc != 0 ? *err : (struct err){0};
    if (rc == 0) {
        s->version = get->object.version;
        struct slice v = {0};
        bool found = json_scan(get->object.body, &v, "data", "v", NULL);
        (void)snprintf(s->body, sizeof(s->body), "%.*s", found && v.len >= 2 ? (int)v.len - 2 : 0,
                       v.data + 1);
    }
    onloop_done(&s->member->front);
}

static void do_get(void *arg)
{
    struct sync *s = arg;
    struct backend *b = node_backend(&s->member->node);
    s->get.deadline_ms = loop_now_ms(&s->member->front.loop) + s->within_ms;
    b->ops->get(b, &s->get);
}

int get(struct cluster *c, size_t i, const char *ns, const char *name,
        enum backend_consistency consistency, uint64_t version, struct sync *s)
{
    return get_of(c, i, "configmaps", ns, name, consistency, version, s);
}

int get_of(struct cluster *c, size_t i, const char *resource, const char *ns, const char *name,
           enum backend_consistency consistency, uint64_t version, struct sync *s)
{
    *s = (struct sync){.member = &c->members[i], .within_ms = within_ms(c)};
    s->get = (struct backend_get){.loop = &c->members[i].front.loop,
                                  .key = {slice_of(resource), slice_of(ns), slice_of(name)},
                                  .consistency = consistency,
                                  .version = version,
                                  .done = on_got};
    onloop_post(&s->member->front, do_get, s);
    onloop_wait(&s->member->front, "a read");
    return s->rc;
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct sync *s = CONTAINER_OF(list, struct sync, list);
    size_t len = strlen(s->names);
    (void)snprintf(s->names + len, sizeof(s->names) - len, "%.*s/%.*s ", SLICE_ARG(object->key.ns),
                   SLICE_ARG(object->key.name));
    s->rows++;
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct sync *s = CONTAINER_OF(list, struct sync, list);
    s->rc = rc;
    s->err = rc != 0 ? *err : (struct err){0};
    s->version = list->read_version;
    onloop_done(&s->member->front);
}

static void do_list(void *arg)
{
    struct sync *s = arg;
    struct backend *b = node_backend(&s->member->node);
    s->list.deadline_ms = loop_now_ms(&s->member->front.loop) + s->within_ms;
    b->ops->list(b, &s->list);
}

int list(struct cluster *c, size_t i, const char *ns, enum backend_consistency consistency,
         uint64_t version, struct sync *s)
{
    *s = (struct sync){.member = &c->members[i], .within_ms = within_ms(c)};
    s->list = (struct backend_list){.loop = &c->members[i].front.loop,
                                    .resource = SLICE("configmaps"),
                                    .ns = slice_of(ns),
                                    .consistency = consistency,
                                    .version = version,
                                    .limit = BACKEND_PAGE_ROWS_MAX,
                                    .row = on_row,
                                    .done = on_listed};
    onloop_post(&s->member->front, do_list, s);
    onloop_wait(&s->member->front, "a list");
    return s->rc;
}

/* ---- operations ---- */

static void op_done(struct node_op *op, int rc, const struct err *err)
{
    struct member *m = op->user;
    op->rc = rc;
    op->err = rc != 0 ? *err : (struct err){0};
    onloop_done(&m->front);
}

struct node_op op_for(struct member *m)
{
    return (struct node_op){.loop = &m->front.loop,
                            .deadline_ms = clock_mono_ns() / 1000000 + CLUSTER_WAIT_MS,
                            .user = m,
                            .done = op_done};
}

void op_wait(struct node_op *op, const char *what)
{
    struct member *m = op->user;
    onloop_wait(&m->front, what);
}

int transfer(struct cluster *c, size_t through, uint32_t shard, size_t to)
{
    struct member *m = &c->members[through];
    struct node_op op = op_for(m);
    node_transfer(&m->node, &op, shard, c->members[to].info.name);
    op_wait(&op, "a transfer");
    return op.rc;
}

/* ---- a watch that records ---- */

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    struct watching *w = CONTAINER_OF(watch, struct watching, watch);
    size_t at = atomic_load(&w->count);
    if (at < SEEN_MAX) {
        w->versions[at] = object->version;
        (void)snprintf(w->names[at], sizeof(w->names[at]), "%c %.*s",
                       event == BACKEND_DELETED ? '-' : '+', SLICE_ARG(object->key.name));
        atomic_store(&w->count, at + 1);
    }
}

static void on_progress(struct backend_watch *watch, uint64_t version)
{
    struct watching *w = CONTAINER_OF(watch, struct watching, watch);
    atomic_store(&w->progress, version);
}

static void on_ended(struct backend_watch *watch, int rc, const struct err *err)
{
    (void)err;
    struct watching *w = CONTAINER_OF(watch, struct watching, watch);
    atomic_store(&w->ended, rc != 0 ? rc : -1);
}

static void do_watch(void *arg)
{
    struct watching *w = arg;
    struct backend *b = node_backend(&w->member->node);
    b->ops->watch_start(b, &w->watch);
}

struct watching *watch_start(struct cluster *c, size_t i, const char *ns, uint64_t since)
{
    struct watching *w = mem_zero(sizeof(*w));
    w->member = &c->members[i];
    w->ns = mem_strdup(ns);
    w->watch = (struct backend_watch){.loop = &w->member->front.loop,
                                      .resource = SLICE("configmaps"),
                                      .ns = slice_of(w->ns),
                                      .since = since,
                                      .on_event = on_event,
                                      .on_progress = on_progress,
                                      .ended = on_ended};
    onloop_call(&w->member->front, do_watch, w);
    return w;
}

static void do_watch_stop(void *arg)
{
    struct watching *w = arg;
    struct backend *b = node_backend(&w->member->node);
    b->ops->watch_stop(b, &w->watch);
}

void watch_free(struct watching *w)
{
    if (atomic_load(&w->ended) == 0) {
        onloop_call(&w->member->front, do_watch_stop, w);
        for (int i = 0; i < 500 && atomic_load(&w->ended) == 0; i++) {
            uv_sleep(10);
        }
    }
    assert_int_not_equal(atomic_load(&w->ended), 0);
    free(w->ns);
    free(w);
}

void await_count(const struct watching *w, size_t count)
{
    for (int i = 0; i < CLUSTER_WAIT_MS / 5 && atomic_load(&w->count) < count; i++) {
        uv_sleep(5);
    }
    assert_int_equal(atomic_load(&w->count), count);
}
