/* noop.c: how fast a shard's leader sees that there is nothing to do; one thread.
 *
 *   bench_reconcile_noop [COMPONENTS]      (default 10000, a hundred to a tenant)
 *
 * First it brings that many Components to life in a snapshot: the real controllers plan, the real
 * gate admits what they write, and a make-believe cluster takes every apply and reports all well.
 * That goes round until no plan wants anything. Then it plans each object again, kind by kind, and
 * prints a line per kind, name and plans a second of CPU time; `known` is what the engine does
 * first: asking whether anything that the last plan read has changed. `resync` is what a new leader
 * does: it reads all objects into a snapshot of its own and plans each of them once; plans a
 * second, reading included, and `resync_ms` how long it took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "proto/admit.h"
#include "reconcile/drivers/driver.h"
#include "reconcile/plan.h"
#include "render/cel/cache.h"

enum { PER_TENANT = 100, ROUNDS_MAX = 20 };

struct bench {
    struct snapshot snap;
    struct cel_cache programs;
    struct world world;
    struct kind_registry kinds;
    struct map applied; /* "ns/name" of a RenderedRelease -> struct applied */
    uint64_t version;
    size_t tenants;
    size_t components;
};

struct applied {
    char hash[65];
    json_t *resources;
};

struct key {
    struct slice ns;
    struct slice name;
};

static _Noreturn void die(const struct err *err)
{
    (void)fprintf(stderr, "%s\n", err->message);
    exit(1);
}

/* ---- the world ---- */

static const char *key_of(struct arena *arena, struct slice ns, struct slice name)
{
    return arena_printf(arena, "%.*s/%.*s", SLICE_ARG(ns), SLICE_ARG(name));
}

static bool world_release(void *user, struct slice ns, struct slice name, struct world_release *out)
{
    struct bench *b = user;
    struct arena arena = {0};
    const struct applied *a = map_get(&b->applied, slice_of(key_of(&arena, ns, name)));
    arena_free(&arena);
    if (a != NULL) {
        *out = (struct world_release){.hash = a->hash,
                                      .undoes = "",
                                      .epoch = "bench/1/1/1",
                                      .resources = a->resources,
                                      .reason = "",
                                      .message = "",
                                      .failed_hash = ""};
    }
    return a != NULL;
}

static bool world_object(void *user, struct slice plane, struct slice cluster,
                         const json_t *resource, struct world_object *out)
{
    (void)user;
    (void)plane;
    (void)cluster;
    *out = (struct world_object){
        .health = HEALTH_HEALTHY,
        .message = "",
        .fingerprint = strtoull(json_string_value(json_object_get(resource, "hash")), NULL, 16)};
    return true;
}

static json_t *world_cluster(void *user, struct slice plane, struct slice cluster)
{
    (void)user;
    (void)plane;
    (void)cluster;
    return json_pack("{s:s, s:s}", "state", "Ready", "version", "v1.30.0");
}

/* What a cluster would answer to an apply: an inventory row for each manifest. */
static void take_apply(struct bench *b, const struct key *key, const struct plan_desired *d)
{
    struct arena arena = {0};
    struct slice id = slice_of(key_of(&arena, key->ns, key->name));
    struct applied *a = map_get(&b->applied, id);
    if (a == NULL) {
        a = mem_zero(sizeof *a);
        map_put(&b->applied, id, a);
    }
    memcpy(a->hash, d->hash, sizeof a->hash);
    json_decref(a->resources);
    a->resources = json_array();
    size_t i;
    json_t *manifest;
    json_array_foreach(d->manifests, i, manifest)
    {
        struct buf row_id = {0};
        char uid[37];
        crypto_uuid(uid);
        manifest_key(manifest, &row_id);
        struct slice version = object_api_version(manifest);
        struct slice group = {0};
        if (slice_find(version, SLICE("/")) != SIZE_MAX) {
            (void)slice_split(&version, '/', &group);
        }
        json_t *row = json_pack(
            "{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s}", "id", json_str(buf_slice(&row_id)), "group",
            json_str(group), "version", json_str(version), "kind", json_str(object_kind(manifest)),
            "namespace", json_str(object_ns(manifest)), "name", json_str(object_name(manifest)),
            "uid", uid, "hash", "00000000000000aa");
        json_array_append_new(a->resources, row);
        buf_free(&row_id);
    }
    arena_free(&arena);
}

/* ---- writes, through the gate into the snapshot ---- */

static void put(struct bench *b, const struct kind *kind, enum admit_op op, const json_t *object,
                const struct snapshot_entry *entry)
{
    struct arena arena = {0};
    struct buf before = {0};
    struct err err;
    struct backend_object old = {0};
    struct admit_request request = {.arena = &arena,
                                    .kind = kind,
                                    .op = op,
                                    .ns = object_ns(object),
                                    .name = op == ADMIT_CREATE ? (struct slice){0}
                                                               : object_name(object),
                                    .incoming = object,
                                    .system = true,
                                    .now_ms = b->snap.now_ms};
    crypto_uuid(request.uid);
    if (entry != NULL) {
        if (snapshot_body(&b->snap, entry, &before, &err) != 0) {
            die(&err);
        }
        old = (struct backend_object){.key = {kind->resource, entry->ns, entry->name},
                                      .body = buf_slice(&before),
                                      .version = entry->version};
        request.old = &old;
        if (object_splice(old.body, &old.splice, &err) != 0) {
            die(&err);
        }
    }
    struct admit_result result = {0};
    int rc = admit(&request, &result, &err);
    if (rc == 0 && result.changed) {
        rc = snapshot_put(&b->snap, snapshot_kind_of(kind->resource), request.ns, result.name,
                          result.body, ++b->version, &err);
    }
    if (rc != 0) {
        die(&err);
    }
    arena_free(&arena);
    buf_free(&before);
}

static void put_text(struct bench *b, const char *text)
{
    json_t *object = NULL;
    struct err err;
    if (json_parse(slice_of(text), &object, &err) != 0) {
        die(&err);
    }
    put(b, kind_by_type(&b->kinds, object_api_version(object), object_kind(object)), ADMIT_CREATE,
        object, NULL);
    json_decref(object);
}

static void carry_out(struct bench *b, const struct plan *plan, const struct key *key)
{
    for (size_t i = 0; i < plan->write_count; i++) {
        const struct plan_write *w = &plan->writes[i];
        const struct snapshot_entry *entry = snapshot_find(&b->snap, w->kind, w->ns, w->name);
        const struct kind *kind = kind_by_resource(&b->kinds, slice_of(snapshot_resource(w->kind)));
        if (w->verb == PLAN_UPDATE) {
            put(b, kind, ADMIT_UPDATE, w->object, entry);
        } else if (w->verb == PLAN_CREATE && entry == NULL) {
            put(b, kind, ADMIT_CREATE, w->object, NULL);
        }
    }
    if (plan->desired.action == PLAN_APPLY) {
        take_apply(b, key, &plan->desired);
        snapshot_forget(&b->snap, SNAPSHOT_RENDERED, key->ns, key->name);
    }
}

/* ---- coming to rest ---- */

static size_t keys_of(struct bench *b, enum snapshot_kind kind, struct arena *arena,
                      struct key **keys)
{
    const struct snapshot_entry **entries;
    size_t count = snapshot_all(&b->snap, kind, arena, &entries);
    *keys = arena_alloc(arena, (count + 1) * sizeof **keys);
    for (size_t i = 0; i < count; i++) {
        (*keys)[i] =
            (struct key){arena_copy(arena, entries[i]->ns), arena_copy(arena, entries[i]->name)};
    }
    return count;
}

static bool plan_one(struct bench *b, enum snapshot_kind kind, const struct key *key)
{
    struct err err;
    struct plan plan;
    plan_init(&plan);
    const struct snapshot_entry *entry = snapshot_find(&b->snap, kind, key->ns, key->name);
    snapshot_trace_begin(&b->snap);
    if (plan_run(&b->snap, kind, key->ns, key->name, &plan, &err) != 0) {
        die(&err);
    }
    bool nothing = plan.write_count == 0 && plan.desired.action == PLAN_NOTHING;
    snapshot_trace_end(&b->snap, entry, nothing);
    if (!nothing) {
        carry_out(b, &plan, key);
    }
    plan_free(&plan);
    snapshot_trim(&b->snap, SNAPSHOT_TREES_MAX_BYTES);
    return !nothing;
}

/* again: also those for which nothing that the last plan read has changed. */
static size_t plan_kind(struct bench *b, enum snapshot_kind kind, bool again, size_t *planned)
{
    struct arena arena = {0};
    struct key *keys;
    size_t moved = 0;
    size_t count = keys_of(b, kind, &arena, &keys);
    for (size_t i = 0; i < count; i++) {
        const struct snapshot_entry *entry =
            snapshot_find(&b->snap, kind, keys[i].ns, keys[i].name);
        if (again || !snapshot_unchanged(&b->snap, entry)) {
            moved += plan_one(b, kind, &keys[i]) ? 1 : 0;
        }
    }
    *planned += count;
    arena_free(&arena);
    return moved;
}

static void settle(struct bench *b)
{
    size_t moved = 1;
    for (int round = 0; round < ROUNDS_MAX && moved > 0; round++) {
        moved = 0;
        for (int kind = 0; kind < SNAPSHOT_KIND_COUNT; kind++) {
            size_t planned = 0;
            moved += plan_has_controller((enum snapshot_kind)kind)
                         ? plan_kind(b, (enum snapshot_kind)kind, false, &planned)
                         : 0;
        }
    }
    struct arena arena = {0};
    const struct snapshot_entry **entries;
    size_t count = snapshot_all(&b->snap, SNAPSHOT_COMPONENT, &arena, &entries);
    for (size_t i = 0; i < count && moved == 0; i++) {
        moved += object_condition_true(snapshot_tree(&b->snap, entries[i]), "Ready") ? 0 : 1;
        snapshot_trim(&b->snap, SNAPSHOT_TREES_MAX_BYTES);
    }
    if (moved > 0 || snapshot_count(&b->snap, SNAPSHOT_RENDERED) < b->components) {
        (void)fprintf(stderr, "the components did not come to life: %zu moved, %zu rendered\n",
                      moved, snapshot_count(&b->snap, SNAPSHOT_RENDERED));
        exit(1);
    }
    arena_free(&arena);
}

static void fill(struct bench *b)
{
    struct plan plan;
    plan_init(&plan);
    bootstrap_plan(&b->snap, &plan);
    plan_finish(&plan);
    carry_out(b, &plan, &(struct key){0});
    plan_free(&plan);
    put_text(b, "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"DataPlane\",\"metadata\":{\"name\":"
                "\"development\"},\"spec\":{\"type\":\"single-cluster\"}}");
    put_text(b,
             "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":"
             "\"cluster-development-development\",\"namespace\":\"choreo-system\"},\"data\":{}}");
    for (size_t i = 0; i < b->components; i++) {
        char text[512];
        if (i % PER_TENANT == 0) {
            (void)snprintf(text, sizeof text,
                           "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Organization\","
                           "\"metadata\":{\"name\":\"tenant-%zu\"},\"spec\":{}}",
                           i / PER_TENANT);
            put_text(b, text);
        }
        (void)snprintf(text, sizeof text,
                       "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Component\",\"metadata\":"
                       "{\"name\":\"web-%zu\",\"namespace\":\"tenant-%zu\"},\"spec\":{\"type\":"
                       "\"service\",\"image\":\"nginx:1.27\",\"endpoints\":[{\"name\":\"http\","
                       "\"port\":80}]}}",
                       i, i / PER_TENANT);
        put_text(b, text);
    }
}

/* ---- measuring ---- */

/* What this thread has had: other programs on the machine do not count. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void report(const char *name, size_t count, uint64_t ns)
{
    (void)printf("%-12s %10.0f\n", name, (double)count * 1e9 / (double)ns);
}

static void measure(struct bench *b, const char *name, enum snapshot_kind kind)
{
    size_t planned = 0;
    uint64_t start = cpu_ns();
    size_t moved = plan_kind(b, kind, true, &planned);
    report(name, planned, cpu_ns() - start);
    if (moved > 0) {
        (void)fprintf(stderr, "%s: %zu plans were not empty\n", name, moved);
        exit(1);
    }
}

static void measure_known(struct bench *b)
{
    struct arena arena = {0};
    struct key *keys;
    size_t count = keys_of(b, SNAPSHOT_COMPONENT, &arena, &keys);
    size_t known = 0;
    uint64_t start = cpu_ns();
    for (size_t i = 0; i < count; i++) {
        const struct snapshot_entry *entry =
            snapshot_find(&b->snap, SNAPSHOT_COMPONENT, keys[i].ns, keys[i].name);
        known += snapshot_unchanged(&b->snap, entry) ? 1 : 0;
    }
    report("known", count, cpu_ns() - start);
    if (known != count) {
        (void)fprintf(stderr, "known: only %zu of %zu\n", known, count);
        exit(1);
    }
    arena_free(&arena);
}

/* Takes over what b has, as another node would. */
static void take_over(struct bench *b)
{
    struct snapshot before = b->snap;
    struct arena arena = {0};
    struct buf body = {0};
    struct err err;
    snapshot_init(&b->snap, NULL);
    b->snap.world = before.world;
    b->snap.programs = before.programs;
    b->snap.now_ms = before.now_ms;
    before.system = &before;
    for (int kind = 0; kind < SNAPSHOT_KIND_COUNT; kind++) {
        const struct snapshot_entry **all;
        size_t count = snapshot_all(&before, (enum snapshot_kind)kind, &arena, &all);
        for (size_t i = 0; i < count; i++) {
            buf_clear(&body);
            if (snapshot_body(&before, all[i], &body, &err) != 0 ||
                snapshot_put(&b->snap, all[i]->kind, all[i]->ns, all[i]->name, buf_slice(&body),
                             all[i]->version, &err) != 0) {
                die(&err);
            }
        }
    }
    buf_free(&body);
    arena_free(&arena);
}

static void measure_resync(struct bench *b)
{
    size_t planned = 0;
    size_t moved = 0;
    uint64_t start = cpu_ns();
    take_over(b);
    for (int kind = 0; kind < SNAPSHOT_KIND_COUNT; kind++) {
        moved += plan_has_controller((enum snapshot_kind)kind)
                     ? plan_kind(b, (enum snapshot_kind)kind, true, &planned)
                     : 0;
    }
    uint64_t ns = cpu_ns() - start;
    report("resync", planned, ns);
    (void)printf("%-12s %10.0f\n", "resync_ms", (double)ns / 1e6);
    if (moved > 0) {
        (void)fprintf(stderr, "resync: %zu plans were not empty\n", moved);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    uint64_t components = 10000;
    if (argc > 2 ||
        (argc == 2 && (!slice_u64(slice_of(argv[1]), &components) || components == 0))) {
        (void)fprintf(stderr, "usage: %s [COMPONENTS]\n", argv[0]);
        return 2;
    }
    struct bench b = {.components = (size_t)components};
    b.world = (struct world){
        .user = &b, .object = world_object, .release = world_release, .cluster = world_cluster};
    kind_registry_init(&b.kinds);
    kind_registry_builtin(&b.kinds);
    snapshot_init(&b.snap, NULL);
    b.snap.world = &b.world;
    b.snap.programs = &b.programs;
    b.snap.now_ms = clock_system.wall_ms(&clock_system);
    fill(&b);
    settle(&b);
    measure(&b, "component", SNAPSHOT_COMPONENT);
    measure(&b, "binding", SNAPSHOT_BINDING);
    measure(&b, "rendered", SNAPSHOT_RENDERED);
    measure_known(&b);
    measure_resync(&b);
    return 0; /* and all memory with it */
}
