/* The controllers, by golden files: data/NAME.in.yaml holds objects and one document `test:` that
 * says what to reconcile and how the world looks; data/NAME.out.yaml is the plan, told briefly.
 * UPDATE_GOLDEN=1 writes the out files anew: read the difference before you commit it.
 *
 * Names and hashes that follow from rendering are written as @CELL@ (the cell of project shop,
 * environment development, on cluster dev/dev), @HASH@ and @DEPLOYMENT@ (of what RenderedRelease r
 * renders to), @RELEASE@ (what component web's spec amounts to); a first run finds them out.
 *
 * A plan is told like this: of an update only what it changes (annotations, finalizers, spec,
 * status), conditions as "Status Reason: message", manifests as "kind namespace/name", frozen types
 * as
 * "...". */
#include "tests/lib/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/yaml.h"
#include "proto/object.h"
#include "reconcile/controllers/rendered.h"
#include "reconcile/drivers/driver.h"
#include "reconcile/plan.h"

#define NOW_MS UINT64_C(1767323045000) /* 2026-01-02T03:04:05Z */

struct golden {
    struct snapshot system;
    struct snapshot shard; /* unused where everything is in one */
    struct snapshot *s;
    struct world world;
    json_t *test;
    const char *name;
    struct arena arena;
};

/* ---- the world of a test ---- */

static bool world_release(void *user, struct slice ns, struct slice name, struct world_release *out)
{
    struct golden *g = user;
    char key[256];
    snprintf(key, sizeof(key), "%.*s/%.*s", SLICE_ARG(ns), SLICE_ARG(name));
    const json_t *r = json_at(g->test, "releases", key, NULL);
    if (r == NULL) {
        return false;
    }
#define TEXT(key) (json_string_value(json_object_get(r, key)) ?: "")
    *out = (struct world_release){
        .busy = json_is_true(json_object_get(r, "busy")),
        .gone = json_is_true(json_object_get(r, "gone")),
        .drifted = json_is_true(json_object_get(r, "drifted")),
        .hash = TEXT("hash"),
        .epoch = TEXT("epoch"),
        .resources = json_object_get(r, "resources"),
        .reason = TEXT("reason"),
        .message = TEXT("message"),
        .failed_hash = TEXT("failedHash"),
        .retry_at_ms = NOW_MS + (uint64_t)json_integer_value(json_object_get(r, "retryInMs")),
        .correct_at_ms = NOW_MS + (uint64_t)json_integer_value(json_object_get(r, "correctInMs")),
        .disputed_for_ms = (uint64_t)json_integer_value(json_object_get(r, "disputedForMs")),
        .undoes = TEXT("undoes")};
    return true;
}

static bool world_object(void *user, struct slice plane, struct slice cluster,
                         const json_t *resource, struct world_object *out)
{
    struct golden *g = user;
    (void)plane;
    (void)cluster;
    const char *id = json_string_value(json_object_get(resource, "id"));
    const json_t *o = json_at(g->test, "objects", id, NULL);
    if (o == NULL) {
        return false;
    }
    for (int h = HEALTH_UNKNOWN; h <= HEALTH_DEGRADED; h++) {
        if (slice_eq_cstr(json_text_at(o, "health"), world_health_name((enum world_health)h))) {
            out->health = (enum world_health)h;
        }
    }
    out->message = json_string_value(json_object_get(o, "message")) ?: "";
    out->pods = json_string_value(json_object_get(o, "pods"));
    out->volumes = json_string_value(json_object_get(o, "volumes"));
    out->volumes_open = json_is_true(json_object_get(o, "volumesOpen"));
    out->missing = json_is_true(json_object_get(o, "missing"));
    out->has_replicas = json_object_get(o, "replicas") != NULL;
    out->replicas = (uint32_t)json_integer_value(json_object_get(o, "replicas"));
    out->ready_replicas = (uint32_t)json_integer_value(json_object_get(o, "ready"));
    if (json_object_get(o, "status") != NULL) {
        struct buf text = {0};
        json_canonical(json_object_get(o, "status"), &text);
        out->status = arena_cstr(&g->arena, buf_slice(&text));
        buf_free(&text);
    }
    const char *hash =
        json_string_value(json_object_get(o, "changed") ?: json_object_get(resource, "hash"));
    out->fingerprint = strtoull(hash, NULL, 16);
    return true;
}

static json_t *world_run(void *user, struct slice plane, struct slice cluster, struct slice release,
                         struct slice ns)
{
    (void)ns;
    struct golden *g = user;
    (void)plane;
    (void)cluster;
    (void)release;
    const json_t *run = json_object_get(g->test, "run");
    return run != NULL ? json_deep_copy(run) : NULL;
}

static json_t *world_cluster(void *user, struct slice plane, struct slice cluster)
{
    struct golden *g = user;
    char key[256];
    snprintf(key, sizeof(key), "%.*s/%.*s", SLICE_ARG(plane), SLICE_ARG(cluster));
    json_t *state = json_at(g->test, "clusters", key, NULL);
    return state != NULL ? json_deep_copy(state) : NULL;
}

static bool world_owns(void *user, struct slice ns)
{
    struct golden *g = user;
    (void)ns;
    return !json_is_true(json_object_get(g->test, "elsewhere"));
}

/* ---- reading ---- */

/* Every object gets a uid, a creation time and a generation, unless it states its own. */
static void complete(json_t *object)
{
    json_t *metadata = json_object_get(object, "metadata");
    char uid[80];
    snprintf(uid, sizeof(uid), "uid-%.*s-%.*s", SLICE_ARG(object_kind(object)),
             SLICE_ARG(object_name(object)));
    json_t *defaults = json_pack("{s:s, s:s, s:i}", "uid", uid, "creationTimestamp",
                                 "2026-01-01T00:00:00Z", "generation", 1);
    json_object_update_missing(metadata, defaults);
    json_decref(defaults);
}

/* OpenChoreo's kinds that ours are made of are named with their group. */
static enum snapshot_kind kind_of(const json_t *object)
{
    char name[128];
    (void)snprintf(name, sizeof name, "openchoreo.dev/%.*s", SLICE_ARG(object_kind(object)));
    enum snapshot_kind theirs = snapshot_kind_named(slice_of(name));
    bool is = slice_starts_with(object_api_version(object), SLICE("openchoreo.dev/"));
    return is && theirs != SNAPSHOT_KIND_COUNT ? theirs : snapshot_kind_named(object_kind(object));
}

static int on_document(json_t *document, int line, void *user, struct err *err)
{
    struct golden *g = user;
    (void)line;
    if (json_object_get(document, "test") != NULL) {
        g->test = json_incref(json_object_get(document, "test"));
        return 0;
    }
    enum snapshot_kind kind = kind_of(document);
    if (kind == SNAPSHOT_KIND_COUNT) {
        return err_set(err, ERR_INVALID, "unknown kind");
    }
    struct buf body = {0};
    uint32_t splice;
    json_t *copy = json_deep_copy(document);
    complete(copy);
    int rc = object_canonical(copy, &body, &splice, err);
    if (rc == 0) {
        bool system =
            snapshot_cluster_scoped(kind) || slice_eq_cstr(object_ns(copy), SNAPSHOT_SYSTEM_NS);
        rc = snapshot_put(system ? &g->system : &g->shard, kind, object_ns(copy), object_name(copy),
                          buf_slice(&body), 1000, err);
    }
    buf_free(&body);
    json_decref(copy);
    return rc;
}

/* ---- telling a plan ---- */

static json_t *told_conditions(const json_t *list)
{
    json_t *told = json_object();
    size_t i;
    json_t *c;
    json_array_foreach((json_t *)(uintptr_t)list, i, c)
    {
        struct buf line = {0};
        buf_addf(&line, "%.*s %.*s: %.*s", SLICE_ARG(json_text_at(c, "status")),
                 SLICE_ARG(json_text_at(c, "reason")), SLICE_ARG(json_text_at(c, "message")));
        json_object_set_new(told, json_string_value(json_object_get(c, "type")),
                            json_str(buf_slice(&line)));
        buf_free(&line);
    }
    return told;
}

static json_t *told_status(const json_t *status)
{
    json_t *told = json_copy((json_t *)(uintptr_t)status);
    if (json_object_get(told, "conditions") != NULL) {
        json_object_set_new(told, "conditions",
                            told_conditions(json_object_get(status, "conditions")));
    }
    return told;
}

static void elide(json_t *object, const char *const *path)
{
    json_t *at = object;
    for (; path[1] != NULL && at != NULL; path++) {
        at = json_object_get(at, path[0]);
    }
    if (json_object_get(at, path[0]) != NULL) {
        json_object_set_new(at, path[0], json_string("..."));
    }
}

static bool same(const json_t *a, const json_t *b)
{
    return (a == NULL && b == NULL) || json_equal(a, b);
}

static json_t *told_update(const json_t *before, const json_t *after)
{
    json_t *told = json_pack("{s:o, s:o}", "update", json_str(object_kind(after)), "name",
                             json_str(object_name(after)));
    json_t *annotations = json_at(after, "metadata", "annotations", NULL);
    if (!same(json_at(before, "metadata", "annotations", NULL), annotations)) {
        json_object_set_new(told, "annotations",
                            annotations != NULL ? json_deep_copy(annotations) : json_object());
    }
    json_t *finalizers = json_at(after, "metadata", "finalizers", NULL);
    if (!same(json_at(before, "metadata", "finalizers", NULL), finalizers)) {
        json_object_set_new(told, "finalizers",
                            finalizers != NULL ? json_deep_copy(finalizers) : json_array());
    }
    json_t *owners = json_at(after, "metadata", "ownerReferences", NULL);
    if (!same(json_at(before, "metadata", "ownerReferences", NULL), owners)) {
        json_object_set(told, "owners", owners);
    }
    json_t *spec = json_object_get(after, "spec");
    if (!same(json_object_get(before, "spec"), spec)) {
        json_object_set(told, "spec", spec);
    }
    json_t *data = json_object_get(after, "data");
    if (!same(json_object_get(before, "data"), data)) {
        json_object_set(told, "data", data);
    }
    json_t *status = json_object_get(after, "status");
    if (!same(json_object_get(before, "status"), status)) {
        json_object_set_new(told, "status", told_status(status));
    }
    return told;
}

static json_t *told_write(const struct golden *g, const struct plan_write *w)
{
    static const char *const frozen[] = {"spec", "componentType", "spec", NULL};
    static const char *const frozen_resource[] = {"spec", "resourceType", "spec", NULL};
    static const char *const resources[] = {"spec", "resources", NULL};
    if (w->verb == PLAN_DELETE) {
        return json_pack("{s:s, s:o}", "delete", snapshot_kind_name(w->kind), "name",
                         json_str(w->name));
    }
    if (w->verb == PLAN_UPDATE) {
        json_t *change = told_update(snapshot_get(g->s, w->kind, w->ns, w->name), w->object);
        if (w->credentials != NULL) {
            json_object_set(change, "credentials", w->credentials);
        }
        return change;
    }
    json_t *told = json_deep_copy(w->object);
    if (w->credentials != NULL) {
        json_object_set(told, "credentials", w->credentials);
    }
    elide(told, frozen);
    elide(told, frozen_resource);
    if (json_at(told, "status", "builtIn", NULL) != NULL) { /* test_builtin.c looks at it */
        static const char *const status[] = {"status", NULL};
        static const char *const spec[] = {"spec", NULL};
        elide(told, spec);
        elide(told, status);
        json_object_del(json_object_get(told, "metadata"), "generation");
    }
    elide(told, resources);
    json_object_del(told, "apiVersion");
    json_object_set_new(told, "create", json_str(object_kind(told)));
    json_object_del(told, "kind");
    return told;
}

static json_t *told_manifests(const json_t *manifests)
{
    json_t *told = json_array();
    size_t i;
    json_t *m;
    json_array_foreach((json_t *)(uintptr_t)manifests, i, m)
    {
        struct buf line = {0};
        struct slice ns = object_ns(m);
        struct slice name = object_name(m);
        if (name.len == 0) {
            ns = json_text_at(m, "namespace");
            name = json_text_at(m, "name");
        }
        buf_addf(&line, "%.*s %.*s%s%.*s", SLICE_ARG(object_kind(m)), SLICE_ARG(ns),
                 ns.len > 0 ? "/" : "", SLICE_ARG(name));
        json_array_append_new(told, json_str(buf_slice(&line)));
        buf_free(&line);
    }
    return told;
}

static json_t *tell(const struct golden *g, const struct plan *plan)
{
    json_t *told = plan_tree(plan);
    json_t *writes = json_array();
    for (size_t i = 0; i < plan->write_count; i++) {
        json_array_append_new(writes, told_write(g, &plan->writes[i]));
    }
    json_object_del(told, "writes");
    if (plan->write_count > 0) {
        json_object_set_new(told, "writes", writes);
    } else {
        json_decref(writes);
    }
    static const char *const sides[] = {"apply", "remove"};
    static const char *const lists[] = {"manifests", "prune"};
    for (size_t i = 0; i < 4; i++) {
        json_t *side = json_object_get(told, sides[i / 2]);
        const json_t *list = json_object_get(side, lists[i % 2]);
        if (list != NULL) {
            json_object_set_new(side, lists[i % 2], told_manifests(list));
        }
    }
    if (plan->drain_ns.len > 0) {
        json_object_set_new(told, "drain", json_str(plan->drain_ns));
    }
    return told;
}

/* ---- running ---- */

static void run(struct golden *g, struct plan *plan)
{
    struct err err;
    struct slice rest = json_text_at(g->test, "reconcile");
    struct slice kind;
    struct slice ns = {0};
    if (slice_eq_cstr(rest, "bootstrap")) {
        bootstrap_plan(g->s, plan);
        plan_finish(plan);
        return;
    }
    assert_true(slice_split(&rest, ' ', &kind));
    if (slice_find(rest, SLICE("/")) != SIZE_MAX) {
        slice_split(&rest, '/', &ns);
    }
    enum snapshot_kind what = snapshot_kind_named(kind);
    assert_int_not_equal(what, SNAPSHOT_KIND_COUNT);
    assert_ok(plan_run(g->s, what, ns, rest, plan, &err), &err);
}

/* Planning is pure: twice the same plan, and the snapshot's trees are what they were. */
static void check_pure(struct golden *g, const json_t *first)
{
    struct plan plan;
    plan_init(&plan);
    run(g, &plan);
    json_t *second = tell(g, &plan);
    assert_true(json_equal(first, second));
    json_decref(second);
    plan_free(&plan);
}

/* ---- names that are found out ---- */

enum { FOUND_MAX = 5 };

struct found {
    const char *placeholder;
    struct buf value;
};

static void substitute(struct buf *text, struct slice from, struct slice to)
{
    struct buf out = {0};
    struct slice rest = buf_slice(text);
    size_t at;
    while (from.len > 0 && (at = slice_find(rest, from)) != SIZE_MAX) {
        buf_add(&out, slice_sub(rest, 0, at));
        buf_add(&out, to);
        rest = slice_sub(rest, at + from.len, SIZE_MAX);
    }
    buf_add(&out, rest);
    buf_free(text);
    *text = out;
}

static void find_rendered(const struct golden *g, struct found *hash, struct found *deployment)
{
    const struct snapshot_entry *e =
        snapshot_find(g->s, SNAPSHOT_RENDERED, SLICE("acme"), SLICE("r"));
    struct arena arena = {0};
    json_t *manifests = NULL;
    const char *reason;
    struct err err;
    if (e != NULL &&
        rendered_manifests(g->s, snapshot_tree(g->s, e), &arena, &manifests, &reason, &err) == 0) {
        char hex[65];
        deployment_hash(manifests, hex);
        buf_add_cstr(&hash->value, hex);
        manifest_key(json_array_get(manifests, 0), &deployment->value);
        json_decref(manifests);
    }
    arena_free(&arena);
}

static void find_names(struct golden *g, const struct plan *plan, struct found found[FOUND_MAX])
{
    struct arena arena = {0};
    const struct deployment cell = {.project = SLICE("shop"),
                                    .environment = SLICE("development"),
                                    .plane = SLICE("dev"),
                                    .cluster = SLICE("dev")};
    buf_add(&found[0].value, deployment_name(&arena, &cell));
    find_rendered(g, &found[1], &found[2]);
    buf_add(&found[3].value, slice_sub(buf_slice(&found[1].value), 0, 12));
    for (size_t i = 0; i < plan->write_count; i++) {
        if (plan->writes[i].verb == PLAN_CREATE && plan->writes[i].kind == SNAPSHOT_RELEASE) {
            buf_add(&found[4].value, plan->writes[i].name);
        }
    }
    arena_free(&arena);
}

/* ---- one file ---- */

static void compare(const char *path, const json_t *told, struct found found[FOUND_MAX])
{
    struct buf text = {0};
    struct buf expected = {0};
    struct err err;
    yaml_emit(told, &text);
    for (size_t i = 0; i < FOUND_MAX - 1; i++) {
        substitute(&text, buf_slice(&found[i].value), slice_of(found[i].placeholder));
    }
    if (getenv("UPDATE_GOLDEN") != NULL) {
        assert_ok(file_write(path, buf_slice(&text), 0644, &err), &err);
    }
    assert_ok(file_read(path, 1 << 20, &expected, &err), &err);
    if (!slice_eq(buf_slice(&text), buf_slice(&expected))) {
        fail_msg("%s: the plan is\n%s\nbut was to be\n%s", path, buf_cstr(&text),
                 buf_cstr(&expected));
    }
    buf_free(&text);
    buf_free(&expected);
}

static void load(struct golden *g, const char *name, const struct buf *text)
{
    struct err err;
    *g = (struct golden){.name = name};
    snapshot_init(&g->system, NULL);
    snapshot_init(&g->shard, &g->system);
    assert_ok(yaml_each(buf_slice(text), name, on_document, g, &err), &err);
    assert_non_null(g->test);
    g->s = json_is_true(json_object_get(g->test, "system")) ? &g->system : &g->shard;
    g->s->shard = (uint32_t)json_integer_value(json_object_get(g->test, "shard"));
    g->world = (struct world){.user = g,
                              .owns = world_owns,
                              .object = world_object,
                              .run = world_run,
                              .release = world_release,
                              .cluster = world_cluster};
    g->s->world = &g->world;
    g->s->now_ms = NOW_MS;
    g->s->abandon_after_ms = 600 * 1000;
}

static void unload(struct golden *g)
{
    json_decref(g->test);
    arena_free(&g->arena);
    snapshot_free(&g->shard);
    snapshot_free(&g->system);
}

static void golden(void **state)
{
    const char *name = *state;
    struct golden g;
    struct buf text = {0};
    struct err err;
    struct plan plan;
    char path[512];
    struct found found[FOUND_MAX] = {{.placeholder = "@CELL@"},
                                     {.placeholder = "@HASH@"},
                                     {.placeholder = "@DEPLOYMENT@"},
                                     {.placeholder = "@SHORT@"},
                                     {.placeholder = "@RELEASE@"}};
    snprintf(path, sizeof(path), "%s/%s.in.yaml", TEST_DATA_DIR, name);
    assert_ok(file_read(path, 1 << 20, &text, &err), &err);
    load(&g, name, &text);
    plan_init(&plan);
    run(&g, &plan);
    find_names(&g, &plan, found);
    plan_free(&plan);
    unload(&g);
    for (size_t i = 0; i < FOUND_MAX; i++) {
        substitute(&text, slice_of(found[i].placeholder), buf_slice(&found[i].value));
    }
    load(&g, name, &text);
    plan_init(&plan);
    run(&g, &plan);
    json_t *told = tell(&g, &plan);
    check_pure(&g, told);
    snprintf(path, sizeof(path), "%s/%s.out.yaml", TEST_DATA_DIR, name);
    compare(path, told, found);
    json_decref(told);
    plan_free(&plan);
    unload(&g);
    buf_free(&text);
    for (size_t i = 0; i < FOUND_MAX; i++) {
        buf_free(&found[i].value);
    }
}

/* ---- edits ---- */

static void an_edit_leaves_who_owns_what_to_the_gate(void **state)
{
    (void)state;
    static const char body[] = "{\"kind\":\"Component\",\"metadata\":{\"labels\":{\"a\":\"b\"},"
                               "\"managedFields\":[{\"manager\":"
                               "\"m\"}],\"name\":\"web\",\"uid\":\"u\"},\"spec\":{\"image\":\"i\"},"
                               "\"status\":{\"image\":\"i\"}}";
    struct snapshot s;
    struct plan plan;
    struct err err;
    snapshot_init(&s, NULL);
    plan_init(&plan);
    assert_ok(
        snapshot_put(&s, SNAPSHOT_COMPONENT, SLICE("ns"), SLICE("web"), slice_of(body), 7, &err),
        &err);
    const struct snapshot_entry *entry =
        snapshot_find(&s, SNAPSHOT_COMPONENT, SLICE("ns"), SLICE("web"));
    json_t *before = json_deep_copy(snapshot_tree(&s, entry));
    json_t *edit = plan_edit(&plan, &s, entry);
    assert_true(json_equal(edit, before));
    plan_finish(&plan);
    assert_int_equal(plan.write_count, 0);
    /* Whatever a controller may change is a copy. */
    json_object_set_new(json_at(edit, "metadata", "labels", NULL), "a", json_string("c"));
    json_object_set_new(json_object_get(edit, "metadata"), "finalizers", json_array());
    json_object_set_new(json_object_get(edit, "spec"), "image", json_string("j"));
    json_object_set_new(json_object_get(edit, "status"), "image", json_string("j"));
    plan_finish(&plan);
    assert_int_equal(plan.write_count, 1);
    assert_null(json_at(plan.writes[0].object, "metadata", "managedFields", NULL));
    assert_slice(json_text(json_at(plan.writes[0].object, "metadata", "labels", "a", NULL)), "c");
    assert_true(json_equal(snapshot_tree(&s, entry), before));
    json_decref(before);
    plan_free(&plan);
    snapshot_free(&s);
}

enum { FILES_MAX = 1000 };

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(void)
{
    static struct CMUnitTest tests[FILES_MAX];
    size_t count = 0;
    DIR *dir = opendir(TEST_DATA_DIR);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct slice name = slice_of(entry->d_name);
        if (slice_ends_with(name, SLICE(".in.yaml"))) {
            char *copy = slice_dup(slice_sub(name, 0, name.len - strlen(".in.yaml")));
            assert_true(count < FILES_MAX - 1);
            tests[count++] =
                (struct CMUnitTest){.name = copy, .test_func = golden, .initial_state = copy};
        }
    }
    if (dir == NULL || count == 0 || closedir(dir) != 0) {
        fprintf(stderr, "no golden files in %s\n", TEST_DATA_DIR);
        return 1;
    }
    qsort(tests, count, sizeof(tests[0]), by_text);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(an_edit_leaves_who_owns_what_to_the_gate);
    return _cmocka_run_group_tests("plans", tests, count, NULL, NULL);
}
