/* engine_rig.c: the engine's world in one process, as its tests want it. */
#include "tests/unit/reconcile/engine_rig.h"

#include <stdio.h>

#include "base/crypto.h"
#include "base/yaml.h"
#include "proto/admit.h"

struct call {
    struct loop_msg msg;
    struct fixture *f;
    void (*fn)(struct fixture *f);
};

static void on_call(struct loop_msg *msg)
{
    struct call *call = CONTAINER_OF(msg, struct call, msg);
    call->fn(call->f);
    call->f->done = true;
}

/* The engine may only be called there. */
static void call(struct fixture *f, void (*fn)(struct fixture *f))
{
    struct call c = {.msg.run = on_call, .f = f, .fn = fn};
    f->done = false;
    loop_post(&f->loop, &c.msg);
    loop_run_until(&f->loop, &f->done);
}

static void tell_change(struct fixture *f)
{
    engine_on_change(&f->engine, 0, memory_version(&f->memory));
}

static void lead_now(struct fixture *f)
{
    engine_on_lead(&f->engine, 0, f->term++, 1, 1);
}

static void unlead_now(struct fixture *f)
{
    engine_on_unlead(&f->engine, 0);
}

static void on_poll(struct loop_timer *timer)
{
    struct fixture *f = CONTAINER_OF(timer, struct fixture, poll);
    f->gave_up = loop_now_ms(&f->loop) > f->give_up_ms;
    if (f->until(f) || f->gave_up) {
        loop_timer_stop(&f->poll);
        f->done = true;
    }
}

bool happens(struct fixture *f, bool (*until)(struct fixture *f), uint64_t limit_ms)
{
    f->until = until;
    f->done = false;
    f->gave_up = false;
    loop_timer_start(&f->poll, 0, 5);
    f->give_up_ms = loop_now_ms(&f->loop) + limit_ms;
    loop_run_until(&f->loop, &f->done);
    return !f->gave_up;
}

static bool never(struct fixture *f)
{
    (void)f;
    return false;
}

void wait_ms(struct fixture *f, uint64_t ms)
{
    assert_false(happens(f, never, ms));
}

const json_t *look(struct fixture *f, const char *resource, const char *ns, const char *name)
{
    struct row *row = memory_find(&f->memory, resource, ns, name);
    struct err err;
    json_decref(f->tree);
    f->tree = NULL;
    if (row != NULL) {
        assert_ok(object_parse(slice_of(row->body), row->version, &f->tree, &err), &err);
    }
    return f->tree;
}

const json_t *component(struct fixture *f)
{
    return look(f, "components.choreo.dev", "acme", f->component);
}

bool is_ready(struct fixture *f)
{
    return object_condition_true(component(f), "Ready");
}

bool is_gone(struct fixture *f)
{
    return component(f) == NULL;
}

void tell_written(struct fixture *f)
{
    call(f, tell_change);
}

static int put_document(json_t *document, int line, void *user, struct err *err)
{
    struct fixture *f = user;
    struct arena arena = {0};
    const struct kind *kind =
        kind_by_type(&f->kinds, object_api_version(document), object_kind(document));
    (void)line;
    if (kind == NULL) {
        return err_set(err, ERR_INVALID, "no such kind");
    }
    struct admit_request request = {.arena = &arena,
                                    .kind = kind,
                                    .op = ADMIT_CREATE,
                                    .ns = object_ns(document),
                                    .incoming = document,
                                    .field_manager = SLICE("test"),
                                    .validation = ADMIT_STRICT,
                                    .now_ms = clock_system.wall_ms(&clock_system)};
    struct admit_result result = {0};
    crypto_uuid(request.uid);
    int rc = admit(&request, &result, err);
    if (rc == 0) {
        memory_write(&f->memory, kind->resource, object_ns(document), object_name(document),
                     result.body, false);
    }
    arena_free(&arena);
    return rc;
}

void put(struct fixture *f, const char *yaml)
{
    struct err err;
    assert_ok(yaml_each(slice_of(yaml), "test", put_document, f, &err), &err);
    tell_written(f);
}

/* Changes an object as a client would: op on what is there. */
void change(struct fixture *f, enum admit_op op, const char *resource, const char *ns,
            const char *name, const char *patch)
{
    struct arena arena = {0};
    struct err err;
    struct row *row = memory_find(&f->memory, resource, ns, name);
    json_t *incoming = NULL;
    assert_non_null(row);
    struct backend_object old = {
        .key = {.resource = slice_of(resource), .ns = slice_of(ns), .name = slice_of(name)},
        .body = slice_of(row->body),
        .version = row->version};
    assert_ok(object_splice(old.body, &old.splice, &err), &err);
    if (patch != NULL) {
        assert_ok(json_parse(slice_of(patch), &incoming, &err), &err);
    }
    struct admit_request request = {.arena = &arena,
                                    .kind = kind_by_resource(&f->kinds, slice_of(resource)),
                                    .op = op,
                                    .ns = slice_of(ns),
                                    .name = slice_of(name),
                                    .old = &old,
                                    .incoming = incoming,
                                    .field_manager = SLICE("test"),
                                    .now_ms = clock_system.wall_ms(&clock_system)};
    struct admit_result result = {0};
    assert_ok(admit(&request, &result, &err), &err);
    assert_true(result.changed);
    memory_write(&f->memory, slice_of(resource), slice_of(ns), slice_of(name), result.body,
                 result.verb == BACKEND_DELETE);
    json_decref(incoming);
    arena_free(&arena);
    tell_written(f);
}

void put_secret(struct fixture *f, const char *plane, const char *cluster, const struct kube *kube)
{
    struct buf config = {0};
    struct buf encoded = {0};
    struct buf yaml = {0};
    kube_config(kube, &config);
    base64_encode(&encoded, buf_slice(&config));
    buf_addf(&yaml,
             "apiVersion: v1\nkind: Secret\nmetadata: {name: cluster-%s-%s, namespace: "
             "choreo-system}\ndata: {kubeconfig: \"%s\"}\n",
             plane, cluster, buf_cstr(&encoded));
    put(f, buf_cstr(&yaml));
    buf_free(&config);
    buf_free(&encoded);
    buf_free(&yaml);
}

static uint64_t confirmed_age(void *user, uint32_t shard)
{
    struct fixture *f = user;
    (void)shard;
    return f->confirmed_age_ms;
}

int setup(void **state)
{
    static struct fixture f;
    struct err err;
    f = (struct fixture){.term = 1, .component = "web"};
    assert_ok(loop_init(&f.loop, "test", &err), &err);
    loop_timer_init(&f.loop, &f.poll, on_poll);
    kind_registry_init(&f.kinds);
    kind_registry_builtin(&f.kinds);
    kind_board_init(&f.board, &f.kinds);
    memory_init(&f.memory, &f.loop, &f.engine);
    kube_start(&f.kube, &f.loop);
    kube_start(&f.second, &f.loop);
    f.config = (struct engine_config){.loop = &f.loop,
                                      .backend = &f.memory.backend,
                                      .kinds = &f.board,
                                      .cluster = "cluster-1",
                                      .shard_count = 1,
                                      .election_timeout_ms = 500,
                                      .feed = &f.memory.feed,
                                      .probe_interval_ms = 100,
                                      .sweep_delay_ms = 1500,
                                      .sweep_interval_ms = 200,
                                      .pods_after_ms = 50,
                                      .allow_local_sources = true,
                                      .user = &f,
                                      .confirmed_age_ms = confirmed_age};
    assert_ok(engine_start(&f.engine, &f.config, &err), &err);
    *state = &f;
    return 0;
}

static void on_stopped(struct engine *e)
{
    struct fixture *f = CONTAINER_OF(e, struct fixture, engine);
    f->stopped = true;
}

static void stop_now(struct fixture *f)
{
    engine_stop(&f->engine, on_stopped);
}

static bool is_stopped(struct fixture *f)
{
    return f->stopped;
}

int teardown(void **state)
{
    struct fixture *f = *state;
    call(f, stop_now);
    assert_true(happens(f, is_stopped, LIMIT_MS));
    kube_stop(&f->kube);
    kube_stop(&f->second);
    loop_timer_close(&f->poll, NULL);
    loop_stop(&f->loop);
    loop_run(&f->loop);
    loop_join(&f->loop);
    kube_free(&f->kube);
    kube_free(&f->second);
    memory_free(&f->memory);
    kind_board_free(&f->board);
    kind_registry_free(&f->kinds);
    json_decref(f->tree);
    return 0;
}

const char platform[] =
    "apiVersion: choreo.dev/v1\nkind: Organization\nmetadata: {name: acme}\n"
    "spec: {isolation: strict, networkPolicies: {defaultDeny: true}}\n"
    "---\napiVersion: choreo.dev/v1\nkind: DataPlane\nmetadata: {name: development}\n"
    "spec: {type: single-cluster}\n";

const char web[] = "apiVersion: choreo.dev/v1\nkind: Component\n"
                   "metadata: {name: web, namespace: acme}\n"
                   "spec:\n  image: nginx:1\n  endpoints: [{name: http, port: 80}]\n";

void lead(struct fixture *f)
{
    call(f, lead_now);
}

void unlead(struct fixture *f)
{
    call(f, unlead_now);
}

/* A component running on one cluster. */
void start_web(struct fixture *f)
{
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, web);
    assert_true(happens(f, is_ready, LIMIT_MS));
}

/* The only object of that kind on the cluster, in the component's cell. */
json_t *on_cluster(struct kube *k, const char *kind)
{
    const char *key;
    json_t *object;
    json_object_foreach(k->objects, key, object)
    {
        if (slice_eq_cstr(object_kind(object), kind)) {
            return object;
        }
    }
    return NULL;
}

static bool settled(struct fixture *f)
{
    if (f->memory.writes != f->quiet_writes) {
        f->quiet_writes = f->memory.writes;
        f->quiet_since_ms = loop_now_ms(&f->loop);
    }
    return loop_now_ms(&f->loop) - f->quiet_since_ms > 300;
}

/* Waits until nothing has been written for a while from now on. */
void settle(struct fixture *f)
{
    f->quiet_writes = SIZE_MAX;
    assert_true(happens(f, settled, LIMIT_MS));
}

bool image_is_back(struct fixture *f)
{
    json_t *d = on_cluster(&f->kube, "Deployment");
    const json_t *c = json_array_get(json_at(d, "spec", "template", "spec", "containers", NULL), 0);
    return slice_eq_cstr(json_text_at(c, "image"), "nginx:1");
}

bool refused(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_eq_cstr(json_text_at(c, "reason"), "ManifestRefused");
}

/* A component whose password is a Secret's, and the Secret. */
const char with_password[] =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: acme}\n"
    "data: {password: aHVudGVyMg==}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: web, namespace: acme}\n"
    "spec:\n  type: worker\n  image: nginx:1\n"
    "  env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]\n";
