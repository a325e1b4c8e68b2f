/* The engine, end to end in one process: objects in memory, controllers, the Kubernetes driver over
 * real HTTP, and a small Kubernetes server. From a Component to a Deployment and back to Ready. */
#include <signal.h>
#include <stdio.h>

#include "tests/lib/test.h"

#include "base/crypto.h"
#include "base/metrics.h"
#include "base/yaml.h"
#include "proto/admit.h"
#include "reconcile/drivers/driver.h"
#include "tests/lib/kube.h"
#include "tests/unit/reconcile/memory.h"

enum { LIMIT_MS = 10 * 1000 };

struct fixture {
    struct loop loop;
    struct engine engine;
    struct memory memory;
    struct kube kube;
    struct kube second;
    struct kind_registry kinds;
    struct kind_board board;
    struct engine_config config;
    uint64_t confirmed_age_ms;
    uint64_t term;
    bool done;
    struct loop_timer poll;
    bool (*until)(struct fixture *f);
    uint64_t give_up_ms;
    bool gave_up;
    bool stopped;
    const char *component; /* what conditions look at */
    json_t *tree;          /* of the last object looked up */
    size_t quiet_writes;
    uint64_t quiet_since_ms;
};

/* ---- on the loop ---- */

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

/* ---- waiting ---- */

static void on_poll(struct loop_timer *timer)
{
    struct fixture *f = CONTAINER_OF(timer, struct fixture, poll);
    f->gave_up = loop_now_ms(&f->loop) > f->give_up_ms;
    if (f->until(f) || f->gave_up) {
        loop_timer_stop(&f->poll);
        f->done = true;
    }
}

static bool happens(struct fixture *f, bool (*until)(struct fixture *f), uint64_t limit_ms)
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

static void wait_ms(struct fixture *f, uint64_t ms)
{
    assert_false(happens(f, never, ms));
}

/* ---- objects ---- */

static const json_t *look(struct fixture *f, const char *resource, const char *ns, const char *name)
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

static const json_t *component(struct fixture *f)
{
    return look(f, "components.choreo.dev", "acme", f->component);
}

static bool is_ready(struct fixture *f)
{
    return object_condition_true(component(f), "Ready");
}

static bool is_gone(struct fixture *f)
{
    return component(f) == NULL;
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

static void put(struct fixture *f, const char *yaml)
{
    struct err err;
    assert_ok(yaml_each(slice_of(yaml), "test", put_document, f, &err), &err);
    call(f, tell_change);
}

/* Changes an object as a client would: op on what is there. */
static void change(struct fixture *f, enum admit_op op, const char *resource, const char *ns,
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
    call(f, tell_change);
}

static void put_secret(struct fixture *f, const char *plane, const char *cluster,
                       const struct kube *kube)
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

/* ---- the fixture ---- */

static uint64_t confirmed_age(void *user, uint32_t shard)
{
    struct fixture *f = user;
    (void)shard;
    return f->confirmed_age_ms;
}

static int setup(void **state)
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

static int teardown(void **state)
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

static const char platform[] =
    "apiVersion: choreo.dev/v1\nkind: Organization\nmetadata: {name: acme}\n"
    "spec: {isolation: strict, networkPolicies: {defaultDeny: true}}\n"
    "---\napiVersion: choreo.dev/v1\nkind: DataPlane\nmetadata: {name: development}\n"
    "spec: {type: single-cluster}\n";

static const char web[] = "apiVersion: choreo.dev/v1\nkind: Component\n"
                          "metadata: {name: web, namespace: acme}\n"
                          "spec:\n  image: nginx:1\n  endpoints: [{name: http, port: 80}]\n";

#define CELL "dp-acme-default-development-c7cb87e9"

static void lead(struct fixture *f)
{
    call(f, lead_now);
}

/* A component running on one cluster. */
static void start_web(struct fixture *f)
{
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, web);
    assert_true(happens(f, is_ready, LIMIT_MS));
}

/* The only object of that kind on the cluster, in the component's cell. */
static json_t *on_cluster(struct kube *k, const char *kind)
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

/* ---- tests ---- */

static void test_a_component_goes_live(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    json_t *deployment = on_cluster(&f->kube, "Deployment");
    assert_non_null(deployment);
    assert_non_null(on_cluster(&f->kube, "Service"));
    assert_non_null(on_cluster(&f->kube, "Namespace"));
    assert_non_null(on_cluster(&f->kube, "NetworkPolicy"));
    assert_slice(object_annotation(deployment, "choreo.dev/epoch"), "cluster-1/1/0/1");
    assert_slice(object_label(deployment, "choreo.dev/shard"), "0");
    assert_slice(json_text(json_at(component(f), "status", "project", NULL)), "default");
    const json_t *plane = look(f, "dataplanes.choreo.dev", "", "development");
    assert_true(object_condition_true(plane, "Ready"));
    /* Mutations say who sends them. */
    assert_true(slice_find(buf_slice(&f->kube.agents), SLICE("(epoch cluster-1/1/0/1)")) !=
                SIZE_MAX);
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
static void settle(struct fixture *f)
{
    f->quiet_writes = SIZE_MAX;
    assert_true(happens(f, settled, LIMIT_MS));
}

static void test_a_new_leader_applies_nothing_again(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    size_t patches = f->kube.patches;
    size_t writes = f->memory.writes;
    call(f, unlead_now);
    lead(f);
    wait_ms(f, 600);
    assert_int_equal(f->kube.patches, patches);
    assert_int_equal(f->kube.deletes, 0);
    assert_int_equal(f->memory.writes, writes);
}

static bool any_left(struct fixture *f, const char *resource)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&f->memory.live, &cursor, &key, &value)) {
        const struct row *row = value;
        if (strcmp(row->resource, resource) == 0) {
            return true;
        }
    }
    return false;
}

/* What is on the cluster goes first, then what stood for it. */
static bool nothing_left(struct fixture *f)
{
    return json_object_size(f->kube.objects) == 0 && is_gone(f) &&
           !any_left(f, "releasebindings.choreo.dev") &&
           !any_left(f, "renderedreleases.choreo.dev") && !any_left(f, "releases.choreo.dev");
}

static void test_deleting_removes_everything(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    assert_true(any_left(f, "releasebindings.choreo.dev"));
    assert_true(any_left(f, "renderedreleases.choreo.dev"));
    assert_true(any_left(f, "releases.choreo.dev"));
    change(f, ADMIT_DELETE, "components.choreo.dev", "acme", "web", NULL);
    assert_true(happens(f, nothing_left, LIMIT_MS));
    assert_true(slice_find(buf_slice(&f->kube.log), SLICE("DELETE apps/v1/Deployment")) !=
                SIZE_MAX);
    assert_true(slice_find(buf_slice(&f->kube.log), SLICE("fenced\nDELETE")) != SIZE_MAX);
}

static bool organization_gone(struct fixture *f)
{
    return look(f, "organizations.choreo.dev", "", "acme") == NULL &&
           json_object_size(f->kube.objects) == 0;
}

static void test_deleting_the_organization_drains_it(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    put(f, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra, namespace: acme}\ndata: {}\n");
    change(f, ADMIT_DELETE, "organizations.choreo.dev", "", "acme", NULL);
    assert_true(happens(f, organization_gone, LIMIT_MS));
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&f->memory.live, &cursor, &key, &value)) {
        assert_true(slice_find(key, SLICE("|acme|")) == SIZE_MAX ||
                    slice_starts_with(key, SLICE("events|")));
    }
}

static bool image_is_back(struct fixture *f)
{
    json_t *d = on_cluster(&f->kube, "Deployment");
    const json_t *c = json_array_get(json_at(d, "spec", "template", "spec", "containers", NULL), 0);
    return slice_eq_cstr(json_text_at(c, "image"), "nginx:1");
}

static bool service_is_back(struct fixture *f)
{
    return on_cluster(&f->kube, "Service") != NULL;
}

static void test_drift_is_corrected_within_a_second(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    json_t *changed = json_deep_copy(on_cluster(&f->kube, "Deployment"));
    json_t *c = json_array_get(json_at(changed, "spec", "template", "spec", "containers", NULL), 0);
    json_object_set_new(c, "image", json_string("evil:1"));
    kube_set(&f->kube, changed);
    assert_false(image_is_back(f));
    assert_true(happens(f, image_is_back, 1000));
    struct buf key = {0};
    json_t *service = on_cluster(&f->kube, "Service");
    buf_addf(&key, "v1/Service/%s/%s",
             json_string_value(json_at(service, "metadata", "namespace", NULL)),
             json_string_value(json_at(service, "metadata", "name", NULL)));
    kube_remove(&f->kube, buf_cstr(&key));
    assert_true(happens(f, service_is_back, 1000));
    buf_free(&key);
}

/* Somebody else changes the Service as soon as it was applied, while the rest still is. */
static void meddle(struct kube *k, const char *key, const char *field, json_t *value)
{
    if (slice_starts_with(slice_of(key), SLICE("v1/Service/"))) {
        k->meddle = NULL;
        json_t *changed = json_deep_copy(kube_get(k, key));
        json_object_set(json_object_get(changed, "spec"), field, value);
        kube_set(k, changed);
    }
    json_decref(value);
}

static void turn_away(struct kube *k, const char *key)
{
    meddle(k, key, "type", json_string("ExternalName"));
}

static void give_address(struct kube *k, const char *key)
{
    meddle(k, key, "clusterIP", json_string("10.0.0.9"));
}

static bool is_meddled_with(struct fixture *f)
{
    return f->kube.meddle == NULL;
}

static bool serves_again(struct fixture *f)
{
    struct slice type = json_text(json_at(on_cluster(&f->kube, "Service"), "spec", "type", NULL));
    return slice_eq_cstr(type, "ClusterIP");
}

static void test_drift_during_an_apply_is_corrected(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    assert_true(serves_again(f));
    f->kube.meddle = turn_away;
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
           "{\"spec\": {\"image\": \"nginx:2\"}}");
    assert_true(happens(f, is_meddled_with, LIMIT_MS));
    assert_true(happens(f, serves_again, LIMIT_MS));
}

static size_t times_patched(struct fixture *f, struct slice what)
{
    struct slice rest = buf_slice(&f->kube.log);
    size_t times = 0;
    size_t at;
    while ((at = slice_find(rest, what)) != SIZE_MAX) {
        rest = slice_sub(rest, at + what.len, SIZE_MAX);
        times++;
    }
    return times;
}

static void test_what_is_added_during_an_apply_is_no_drift(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    size_t deployments = times_patched(f, SLICE("PATCH apps/v1/Deployment/"));
    size_t services = times_patched(f, SLICE("PATCH v1/Service/"));
    f->kube.meddle = give_address;
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
           "{\"spec\": {\"image\": \"nginx:2\"}}");
    assert_true(happens(f, is_meddled_with, LIMIT_MS));
    settle(f);
    assert_int_equal(times_patched(f, SLICE("PATCH apps/v1/Deployment/")), deployments + 1);
    assert_int_equal(times_patched(f, SLICE("PATCH v1/Service/")), services + 1);
}

static void test_what_went_while_nobody_led_comes_back(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    call(f, unlead_now);
    json_t *service = on_cluster(&f->kube, "Service");
    struct buf key = {0};
    manifest_key(service, &key);
    kube_remove(&f->kube, buf_cstr(&key));
    lead(f);
    assert_true(happens(f, service_is_back, LIMIT_MS));
    buf_free(&key);
}

static bool second_has_it(struct fixture *f)
{
    return on_cluster(&f->second, "Deployment") != NULL &&
           on_cluster(&f->second, "Service") != NULL;
}

static void test_new_credentials_may_lead_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct buf config = {0};
    struct buf encoded = {0};
    struct buf patch = {0};
    start_web(f);
    settle(f);
    kube_config(&f->second, &config);
    base64_encode(&encoded, buf_slice(&config));
    buf_addf(&patch, "{\"data\": {\"kubeconfig\": \"%s\"}}", buf_cstr(&encoded));
    change(f, ADMIT_PATCH_MERGE, "secrets", "choreo-system", "cluster-development-development",
           buf_cstr(&patch));
    assert_true(happens(f, second_has_it, LIMIT_MS));
    buf_free(&config);
    buf_free(&encoded);
    buf_free(&patch);
}

static void test_what_others_add_is_no_drift(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    size_t patches = f->kube.patches;
    json_t *changed = json_deep_copy(on_cluster(&f->kube, "Deployment"));
    json_object_set_new(json_at(changed, "metadata", "annotations", NULL),
                        "deployment.kubernetes.io/revision", json_string("1"));
    kube_set(&f->kube, changed);
    wait_ms(f, 300);
    assert_int_equal(f->kube.patches, patches);
}

static bool unreachable(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_find(json_text_at(c, "message"), SLICE("does not answer")) != SIZE_MAX ||
           slice_eq_cstr(json_text_at(c, "reason"), "ClusterUnreachable");
}

static const char two_clusters[] =
    "apiVersion: choreo.dev/v1\nkind: Organization\nmetadata: {name: acme}\nspec: {}\n"
    "---\napiVersion: choreo.dev/v1\nkind: DataPlane\nmetadata: {name: development}\n"
    "spec: {type: multi-cluster, clusters: [{name: live}, {name: dead}]}\n";

static bool live_has_it(struct fixture *f)
{
    return on_cluster(&f->kube, "Deployment") != NULL && unreachable(f);
}

static void test_a_dead_cluster_delays_no_other(void **state)
{
    struct fixture *f = *state;
    put(f, two_clusters);
    put_secret(f, "development", "live", &f->kube);
    put_secret(f, "development", "dead", &f->second);
    kube_stop(&f->second);
    lead(f);
    put(f, web);
    assert_true(happens(f, live_has_it, LIMIT_MS));
    const json_t *plane = look(f, "dataplanes.choreo.dev", "", "development");
    assert_slice(json_text_at(object_condition(plane, "Ready"), "reason"), "Unreachable");
    /* It comes back, and gets its share. */
    kube_restart(&f->second);
    assert_true(happens(f, is_ready, LIMIT_MS));
    assert_non_null(on_cluster(&f->second, "Deployment"));
}

static bool refused(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_eq_cstr(json_text_at(c, "reason"), "ManifestRefused");
}

static void test_a_refused_manifest_is_told_and_tried_again(void **state)
{
    struct fixture *f = *state;
    f->kube.fail_status = 422;
    f->kube.fail_count = 2;
    f->kube.fail_message = "spec.replicas: Invalid value";
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, web);
    assert_true(happens(f, refused, LIMIT_MS));
    const json_t *c = object_condition(component(f), "Ready");
    assert_true(slice_find(json_text_at(c, "message"), SLICE("spec.replicas: Invalid value")) !=
                SIZE_MAX);
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static uint64_t drifts(void)
{
    struct buf text = {0};
    uint64_t count = UINT64_MAX;
    metrics_render(&text);
    struct slice rest = buf_slice(&text);
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        if (slice_starts_with(line, SLICE("choreod_reconcile_drifts_total "))) {
            slice_u64(slice_sub(line, strlen("choreod_reconcile_drifts_total "), SIZE_MAX), &count);
        }
    }
    buf_free(&text);
    assert_true(count != UINT64_MAX);
    return count;
}

/* What is there fits what was applied; that something else is wanted by now is nobody's drift. */
static void test_what_is_yet_to_be_applied_is_no_drift(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    settle(f);
    f->kube.fail_kind = "Deployment";
    f->kube.fail_status = 422;
    f->kube.fail_count = 1000;
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
           "{\"spec\": {\"image\": \"nginx:2\"}}");
    assert_true(happens(f, refused, LIMIT_MS));
    uint64_t before = drifts();
    for (int i = 0; i < 20; i++) {
        json_t *changed = json_deep_copy(on_cluster(&f->kube, "Deployment"));
        json_object_set_new(json_at(changed, "metadata", "annotations", NULL), "example.com/seen",
                            json_sprintf("%d", i));
        kube_set(&f->kube, changed);
        wait_ms(f, 20);
    }
    assert_int_equal(drifts(), before);
    f->kube.fail_count = 0;
    assert_true(happens(f, is_ready, LIMIT_MS));
}

/* A component whose password is a Secret's, and the Secret. */
static const char with_password[] =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: acme}\n"
    "data: {password: aHVudGVyMg==}\n"
    "---\napiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: web, namespace: acme}\n"
    "spec:\n  type: worker\n  image: nginx:1\n"
    "  env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]\n";

static void test_what_a_cluster_says_of_a_secret_is_not_told(void **state)
{
    struct fixture *f = *state;
    f->kube.fail_kind = "Secret";
    f->kube.fail_status = 422;
    f->kube.fail_count = 2;
    f->kube.fail_message = "data.PASSWORD: Invalid value: \"hunter2\"";
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, with_password);
    assert_true(happens(f, refused, LIMIT_MS));
    struct slice told = json_text_at(object_condition(component(f), "Ready"), "message");
    assert_true(slice_find(told, SLICE("in words that may quote the secret")) != SIZE_MAX);
    assert_true(slice_find(told, SLICE("hunter2")) == SIZE_MAX);
    assert_true(happens(f, is_ready, LIMIT_MS));
    assert_slice(json_text(json_at(on_cluster(&f->kube, "Secret"), "data", "PASSWORD", NULL)),
                 "aHVudGVyMg==");
}

static bool reference_is_missing(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_eq_cstr(json_text_at(c, "reason"), "ReferenceNotFound");
}

/* What should be there is not known for a while: nobody may take what is there for it. */
static void test_drift_is_found_also_of_what_cannot_be_rendered(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, with_password);
    assert_true(happens(f, is_ready, LIMIT_MS));
    settle(f);
    change(f, ADMIT_DELETE, "secrets", "acme", "db", NULL);
    assert_true(happens(f, reference_is_missing, LIMIT_MS));
    json_t *changed = json_deep_copy(on_cluster(&f->kube, "Deployment"));
    json_t *c = json_array_get(json_at(changed, "spec", "template", "spec", "containers", NULL), 0);
    json_object_set_new(c, "image", json_string("evil:1"));
    kube_set(&f->kube, changed);
    wait_ms(f, 300);
    assert_false(image_is_back(f));
    put(f, "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: acme}\n"
           "data: {password: aHVudGVyMg==}\n");
    assert_true(happens(f, image_is_back, LIMIT_MS));
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static bool unreachable_for_the_secret(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_eq_cstr(json_text_at(c, "reason"), "ClusterUnreachable") &&
           slice_find(json_text_at(c, "message"), SLICE("Secret web")) != SIZE_MAX;
}

static void test_a_secret_that_did_not_arrive_was_not_refused(void **state)
{
    struct fixture *f = *state;
    f->kube.fail_kind = "Secret";
    f->kube.fail_count = 3;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, with_password);
    assert_true(happens(f, unreachable_for_the_secret, LIMIT_MS));
    struct slice told = json_text_at(object_condition(component(f), "Ready"), "message");
    assert_true(slice_find(told, SLICE("refuses")) == SIZE_MAX);
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static void test_conflicts_and_busy_clusters_pass(void **state)
{
    struct fixture *f = *state;
    f->kube.fail_status = 409;
    f->kube.fail_count = 3;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, web);
    assert_true(happens(f, is_ready, LIMIT_MS));
    f->kube.fail_status = 429;
    f->kube.retry_after_s = 1;
    f->kube.fail_count = 1;
    change(f, ADMIT_PATCH_MERGE, "components.choreo.dev", "acme", "web",
           "{\"spec\": {\"image\": \"nginx:2\"}}");
    wait_ms(f, 500);
    assert_true(image_is_back(f)); /* still the old one: nothing is asked before Retry-After */
    assert_true(happens(f, is_ready, LIMIT_MS));
    wait_ms(f, 1500);
    assert_false(image_is_back(f));
}

static void test_nothing_is_created_without_a_majority(void **state)
{
    struct fixture *f = *state;
    f->confirmed_age_ms = 501;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, web);
    wait_ms(f, 500);
    assert_int_equal(f->kube.patches, 0);
    f->confirmed_age_ms = 10;
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static bool no_left_over(struct fixture *f)
{
    return kube_get(&f->kube, "v1/Namespace//left-over") == NULL;
}

static void test_left_overs_are_swept_but_not_at_once(void **state)
{
    struct fixture *f = *state;
    kube_set(&f->kube, json_pack("{s:s, s:s, s:{s:s, s:{s:s, s:s}, s:{s:s}}}", "apiVersion", "v1",
                                 "kind", "Namespace", "metadata", "name", "left-over", "labels",
                                 "choreo.dev/control-plane", "cluster-1", "choreo.dev/shard", "0",
                                 "annotations", "choreo.dev/release", "acme/gone"));
    kube_set(&f->kube, json_pack("{s:s, s:s, s:{s:s, s:{s:s, s:s}}}", "apiVersion", "v1", "kind",
                                 "Namespace", "metadata", "name", "of-others", "labels",
                                 "choreo.dev/control-plane", "cluster-2", "choreo.dev/shard", "0"));
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    wait_ms(f, 200);
    assert_false(no_left_over(f));
    assert_true(happens(f, no_left_over, LIMIT_MS));
    assert_non_null(kube_get(&f->kube, "v1/Namespace//of-others"));
}

static bool degraded(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_eq_cstr(json_text_at(c, "reason"), "Degraded");
}

static void test_health_rolls_up(void **state)
{
    struct fixture *f = *state;
    start_web(f);
    f->kube.stuck = true;
    kube_set(&f->kube, json_deep_copy(on_cluster(&f->kube, "Deployment")));
    assert_true(happens(f, degraded, LIMIT_MS));
    const json_t *c = object_condition(component(f), "Ready");
    assert_true(slice_find(json_text_at(c, "message"), SLICE("ProgressDeadlineExceeded")) !=
                SIZE_MAX);
    f->kube.stuck = false;
    kube_set(&f->kube, json_deep_copy(on_cluster(&f->kube, "Deployment")));
    assert_true(happens(f, is_ready, LIMIT_MS));
}

static bool plane_complains(struct fixture *f)
{
    const json_t *plane = look(f, "dataplanes.choreo.dev", "", "development");
    const json_t *c = object_condition(plane, "Ready");
    return slice_find(json_text_at(c, "message"), SLICE("kubeconfig")) != SIZE_MAX &&
           slice_eq_cstr(json_text_at(c, "reason"), "Unreachable");
}

static void test_a_bad_kubeconfig_is_explained(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    put(f, "apiVersion: v1\nkind: Secret\n"
           "metadata: {name: cluster-development-development, namespace: choreo-system}\n"
           "data: {kubeconfig: bm9uc2Vuc2U=}\n");
    lead(f);
    put(f, web);
    assert_true(happens(f, plane_complains, LIMIT_MS));
}

static void test_refused_writes_are_tried_again(void **state)
{
    struct fixture *f = *state;
    f->memory.fail = ERR_UNAVAILABLE;
    f->memory.fail_count = 5;
    start_web(f);
}

static bool waits_for_api(struct fixture *f)
{
    const json_t *c = object_condition(component(f), "Ready");
    return slice_eq_cstr(json_text_at(c, "reason"), "DependencyNotFound");
}

static void test_a_dependency_that_comes_later_is_waited_for(void **state)
{
    struct fixture *f = *state;
    put(f, platform);
    put_secret(f, "development", "development", &f->kube);
    lead(f);
    put(f, "apiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: web, namespace: acme}\n"
           "spec:\n  image: nginx:1\n  endpoints: [{name: http, port: 80}]\n"
           "  dependencies: [{name: backend, type: component, component: api, endpoint: rest}]\n");
    assert_true(happens(f, waits_for_api, LIMIT_MS));
    put(f, "apiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: api, namespace: acme}\n"
           "spec:\n  image: nginx:1\n  endpoints: [{name: rest, port: 8080}]\n");
    assert_true(happens(f, is_ready, LIMIT_MS));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_component_goes_live),
        TEST(test_a_new_leader_applies_nothing_again),
        TEST(test_deleting_removes_everything),
        TEST(test_deleting_the_organization_drains_it),
        TEST(test_drift_is_corrected_within_a_second),
        TEST(test_drift_during_an_apply_is_corrected),
        TEST(test_what_is_added_during_an_apply_is_no_drift),
        TEST(test_what_went_while_nobody_led_comes_back),
        TEST(test_new_credentials_may_lead_elsewhere),
        TEST(test_what_others_add_is_no_drift),
        TEST(test_a_dead_cluster_delays_no_other),
        TEST(test_a_refused_manifest_is_told_and_tried_again),
        TEST(test_what_is_yet_to_be_applied_is_no_drift),
        TEST(test_what_a_cluster_says_of_a_secret_is_not_told),
        TEST(test_a_secret_that_did_not_arrive_was_not_refused),
        TEST(test_drift_is_found_also_of_what_cannot_be_rendered),
        TEST(test_conflicts_and_busy_clusters_pass),
        TEST(test_nothing_is_created_without_a_majority),
        TEST(test_left_overs_are_swept_but_not_at_once),
        TEST(test_health_rolls_up),
        TEST(test_a_bad_kubeconfig_is_explained),
        TEST(test_refused_writes_are_tried_again),
        TEST(test_a_dependency_that_comes_later_is_waited_for),
    };
    signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
