/* snapshot.c: entries, their references, and trees on demand.
 *
 * An entry is one allocation for itself, its names and its body. What it refers to is read from the
 * bytes (snapshot_index.c) when it is put, and kept as refs: links in buckets,
 * one bucket for each (index, kind, namespace, value). Removing an entry unlinks its refs; an empty
 * bucket is freed. Trees hang on their entries, in order of use, and are forgotten by
 * snapshot_trim(), so that none vanishes under a plan.
 *
 * Where there is a source, ConfigMaps and Secrets are entries without a body; their trees are read
 * when a plan asks, hang in `passing`, and go with the next trim. The bytes in between are wiped.
 *
 * Of a Release, spec.componentType.spec is cut out of the bytes (`null` stands there) and kept once
 * for all that have the same: as bytes, and, once needed, as one tree that all their trees share.
 */
#include "reconcile/snapshot_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proto/object.h"

static const struct {
    const char *kind;
    const char *resource;
    bool cluster;
} kinds[SNAPSHOT_KIND_COUNT] = {
#define X(id, name, resource, cluster) [id] = {name, resource, cluster},
    SNAPSHOT_KINDS(X)
#undef X
};

/* Bytes cut out of several objects. */
struct snapshot_shared {
    size_t users;
    char *raw;
    size_t len;
    json_t *tree; /* NULL until needed */
};

enum { SHARED_BYTES_MIN = 256 };

struct bucket {
    struct list refs;
    char *key;
    size_t key_len;
};

struct snapshot_ref {
    struct list link; /* in its bucket */
    struct snapshot_entry *entry;
    struct bucket *bucket;
};

const char *snapshot_kind_name(enum snapshot_kind kind)
{
    return kinds[kind].kind;
}

const char *snapshot_resource(enum snapshot_kind kind)
{
    return kinds[kind].resource;
}

bool snapshot_cluster_scoped(enum snapshot_kind kind)
{
    return kinds[kind].cluster;
}

enum snapshot_kind snapshot_kind_of(struct slice resource)
{
    size_t i = 0;
    while (i < SNAPSHOT_KIND_COUNT && !slice_eq_cstr(resource, kinds[i].resource)) {
        i++;
    }
    return (enum snapshot_kind)i;
}

enum snapshot_kind snapshot_kind_named(struct slice kind)
{
    size_t i = 0;
    while (i < SNAPSHOT_KIND_COUNT && !slice_eq_cstr(kind, kinds[i].kind)) {
        i++;
    }
    return (enum snapshot_kind)i;
}

const char *world_health_name(enum world_health health)
{
    static const char *const names[] = {[HEALTH_UNKNOWN] = "Unknown",
                                        [HEALTH_PROGRESSING] = "Progressing",
                                        [HEALTH_HEALTHY] = "Healthy",
                                        [HEALTH_DEGRADED] = "Degraded"};
    return names[health];
}

static bool is_passing(const struct snapshot *home, enum snapshot_kind kind)
{
    return home->source.read != NULL && (kind == SNAPSHOT_SECRET || kind == SNAPSHOT_CONFIG_MAP);
}

void snapshot_init(struct snapshot *s, struct snapshot *system)
{
    *s = (struct snapshot){.system = system != NULL ? system : s};
    list_init(&s->recent);
    list_init(&s->passing);
}

static void entry_key(struct buf *out, struct slice ns, struct slice name)
{
    buf_add(out, ns);
    buf_add_char(out, '/');
    buf_add(out, name);
}

static void index_key(struct buf *out, enum snapshot_index index, enum snapshot_kind kind,
                      struct slice ns, struct slice value)
{
    buf_add_u8(out, (uint8_t)index);
    buf_add_u8(out, (uint8_t)kind);
    buf_add(out, ns);
    buf_add_char(out, '/');
    buf_add(out, value);
}

/* what: 'K', the object, or 'S', its spec. */
static void read_key(struct buf *out, char what, enum snapshot_kind kind, struct slice ns,
                     struct slice name)
{
    buf_add_char(out, what);
    buf_add_u8(out, (uint8_t)kind);
    entry_key(out, ns, name);
}

static void all_key(struct buf *out, enum snapshot_kind kind)
{
    buf_add_char(out, 'A');
    buf_add_u8(out, (uint8_t)kind);
}

static void tree_drop(struct snapshot *s, struct snapshot_entry *e)
{
    if (e->tree != NULL) {
        json_decref(e->tree);
        e->tree = NULL;
        list_remove(&e->recent);
        s->tree_bytes -= is_passing(s, e->kind) ? 0 : e->body.len;
    }
}

static void ref_drop(struct snapshot *s, struct snapshot_ref *ref)
{
    struct bucket *bucket = ref->bucket;
    list_remove(&ref->link);
    if (list_empty(&bucket->refs)) {
        map_remove(&s->index, slice_make(bucket->key, bucket->key_len));
        free(bucket->key);
        free(bucket);
    }
}

static void shared_drop(struct snapshot *s, struct snapshot_shared *shared)
{
    if (shared != NULL && --shared->users == 0) {
        map_remove(&s->shared, slice_make(shared->raw, shared->len));
        json_decref(shared->tree);
        free(shared->raw);
        free(shared);
    }
}

static struct snapshot_shared *shared_get(struct snapshot *s, struct slice raw)
{
    struct snapshot_shared *shared = map_get(&s->shared, raw);
    if (shared == NULL) {
        shared = mem_zero(sizeof(*shared));
        shared->raw = slice_dup(raw);
        shared->len = raw.len;
        map_put(&s->shared, raw, shared);
    }
    shared->users++;
    return shared;
}

/* Everything by which the entry may have been read; spec: that too. */
static void stamp_entry(struct snapshot *s, const struct snapshot_entry *e, bool spec)
{
    struct buf key = {0};
    read_key(&key, 'K', e->kind, e->ns, e->name);
    snapshot_stamp(s, buf_slice(&key));
    if (spec) {
        key.data[0] = 'S';
        snapshot_stamp(s, buf_slice(&key));
    }
    buf_clear(&key);
    all_key(&key, e->kind);
    snapshot_stamp(s, buf_slice(&key));
    buf_free(&key);
    for (size_t i = 0; i < e->ref_count; i++) {
        snapshot_stamp(s, slice_make(e->refs[i].bucket->key, e->refs[i].bucket->key_len));
    }
}

static void entry_free(struct snapshot *s, struct snapshot_entry *e)
{
    shared_drop(s, e->shared);
    free(e->memo);
    free(e->computed);
    tree_drop(s, e);
    for (size_t i = 0; i < e->ref_count; i++) {
        ref_drop(s, &e->refs[i]);
    }
    free(e->refs);
    s->body_bytes -= e->body.len;
    free(e);
}

void snapshot_free(struct snapshot *s)
{
    for (size_t kind = 0; kind < SNAPSHOT_KIND_COUNT; kind++) {
        size_t cursor = 0;
        struct slice key;
        void *value;
        while (map_next(&s->kinds[kind], &cursor, &key, &value)) {
            entry_free(s, value);
        }
        map_free(&s->kinds[kind]);
    }
    map_free(&s->index);
    map_free(&s->shared);
    free(s->stamps);
    s->stamps = NULL;
}

static bool over_all_namespaces(enum snapshot_index index)
{
    return index == SNAPSHOT_BY_PLANE || index == SNAPSHOT_BY_CLUSTER ||
           index == SNAPSHOT_BY_TYPE || index == SNAPSHOT_BY_TEMPLATE;
}

static void link_refs(struct snapshot *s, struct snapshot_entry *e, const struct gather *g)
{
    e->ref_count = g->count;
    e->refs = mem_zero((g->count + 1) * sizeof(*e->refs));
    struct buf key = {0};
    for (size_t i = 0; i < g->count; i++) {
        enum snapshot_index index = g->items[i].index;
        buf_clear(&key);
        index_key(&key, index, e->kind, over_all_namespaces(index) ? (struct slice){0} : e->ns,
                  g->items[i].value);
        struct bucket *bucket = map_get(&s->index, buf_slice(&key));
        if (bucket == NULL) {
            bucket = mem_zero(sizeof(*bucket));
            list_init(&bucket->refs);
            bucket->key_len = key.len;
            bucket->key = slice_dup(buf_slice(&key));
            map_put(&s->index, buf_slice(&key), bucket);
        }
        e->refs[i] = (struct snapshot_ref){.entry = e, .bucket = bucket};
        list_push_back(&bucket->refs, &e->refs[i].link);
    }
    buf_free(&key);
}

/* The part of a Release's bytes that is worth sharing; empty if there is none. */
static struct slice sharable(enum snapshot_kind kind, struct slice body)
{
    struct slice raw = {0};
    bool freezes = kind == SNAPSHOT_RELEASE || kind == SNAPSHOT_OC_RELEASE;
    if (!freezes || !json_scan(body, &raw, "spec", "componentType", "spec", NULL) ||
        raw.len < SHARED_BYTES_MIN) {
        return (struct slice){0};
    }
    return raw;
}

static void cut_out(struct buf *out, struct slice body, struct slice part)
{
    size_t at = (size_t)(part.data - body.data);
    buf_add(out, slice_sub(body, 0, at));
    buf_add_cstr(out, "null");
    buf_add(out, slice_sub(body, at + part.len, body.len));
}

static const struct snapshot *home_of(const struct snapshot *s, enum snapshot_kind kind,
                                      struct slice ns)
{
    bool system = kinds[kind].cluster || slice_eq_cstr(ns, SNAPSHOT_SYSTEM_NS);
    return system ? s->system : s;
}

int snapshot_body(const struct snapshot *s, const struct snapshot_entry *e, struct buf *out,
                  struct err *err)
{
    const struct snapshot *home = home_of(s, e->kind, e->ns);
    if (is_passing(home, e->kind)) {
        return home->source.read(home->source.user, e->kind, e->ns, e->name, out, err);
    }
    if (e->shared == NULL) {
        buf_add(out, e->body);
        return 0;
    }
    buf_add(out, slice_sub(e->body, 0, e->cut));
    buf_add(out, slice_make(e->shared->raw, e->shared->len));
    buf_add(out, slice_sub(e->body, e->cut + strlen("null"), e->body.len));
    return 0;
}

static struct snapshot_entry *entry_new(enum snapshot_kind kind, struct slice ns, struct slice name,
                                        struct slice uid, struct slice body, uint64_t version)
{
    struct snapshot_entry *e = mem_alloc(sizeof(*e) + ns.len + name.len + uid.len + body.len);
    char *at = (char *)(e + 1);
    *e = (struct snapshot_entry){.kind = kind, .version = version};
    struct slice *into[] = {&e->ns, &e->name, &e->uid, &e->body};
    const struct slice from[] = {ns, name, uid, body};
    for (size_t i = 0; i < 4; i++) {
        if (from[i].len > 0) {
            memcpy(at, from[i].data, from[i].len);
        }
        *into[i] = slice_make(at, from[i].len);
        at += from[i].len;
    }
    return e;
}

struct snapshot_shape snapshot_shape_of(enum snapshot_kind kind, struct slice body)
{
    static const char *const parts[] = {"metadata", "status", NULL};
    static const char *const of_metadata[] = {"deletionTimestamp", "generation", NULL};
    static const char *const of_status[] = {"appliedHash", "observedGeneration", NULL};
    struct slice part[2];
    struct slice metadata[2];
    struct slice status[2];
    struct snapshot_shape shape = {0};
    uint64_t observed = 0;
    json_scan_members(body, parts, part);
    json_scan_members(part[0], of_metadata, metadata);
    json_scan_members(part[1], of_status, status);
    slice_u64(metadata[1], &shape.generation);
    slice_u64(status[1], &observed);
    shape.deleting = metadata[0].len > 0;
    bool counts = shape.generation != 0 && kind != SNAPSHOT_RELEASE;
    shape.settled = !shape.deleting && (!counts || observed == shape.generation);
    shape.applied = kind == SNAPSHOT_RENDERED && status[0].len > 0;
    return shape;
}

static struct snapshot_entry *stored(const struct snapshot *s, enum snapshot_kind kind,
                                     struct slice ns, struct slice name)
{
    struct buf key = {0};
    entry_key(&key, ns, name);
    struct snapshot_entry *e = map_get(&s->kinds[kind], buf_slice(&key));
    buf_free(&key);
    return e;
}

static void remove_entry(struct snapshot *s, struct snapshot_entry *e, bool spec)
{
    struct buf key = {0};
    entry_key(&key, e->ns, e->name);
    map_remove(&s->kinds[e->kind], buf_slice(&key));
    buf_free(&key);
    s->clock++;
    stamp_entry(s, e, spec);
    entry_free(s, e);
}

/* Puts e in the place of what is there under its name. */
static void replace(struct snapshot *s, struct snapshot_entry *e)
{
    struct snapshot_entry *before = stored(s, e->kind, e->ns, e->name);
    bool spec = true;
    if (before != NULL) {
        spec = e->generation == 0 || e->generation != before->generation ||
               e->deleting != before->deleting || !slice_eq(e->uid, before->uid);
        e->computed = before->computed;
        before->computed = NULL;
        remove_entry(s, before, spec);
    }
    struct buf key = {0};
    entry_key(&key, e->ns, e->name);
    map_put(&s->kinds[e->kind], buf_slice(&key), e);
    buf_free(&key);
    s->body_bytes += e->body.len;
    s->clock++;
    stamp_entry(s, e, spec);
}

int snapshot_put(struct snapshot *s, enum snapshot_kind kind, struct slice ns, struct slice name,
                 struct slice body, uint64_t version, struct err *err)
{
    assert(kind < SNAPSHOT_KIND_COUNT);
    struct gather g = {0};
    struct slice uid;
    if (!json_scan(body, &uid, "metadata", "uid", NULL)) {
        return err_set(err, ERR_CORRUPT, "%s %.*s/%.*s: no metadata.uid in the stored object",
                       kinds[kind].kind, SLICE_ARG(ns), SLICE_ARG(name));
    }
    uid = json_unquote(uid, &g.arena);
    struct snapshot_shape shape = snapshot_shape_of(kind, body);
    if (is_passing(s, kind)) {
        body = SLICE("{}");
    }
    struct slice part = sharable(kind, body);
    struct buf rest = {0};
    if (part.len > 0) {
        cut_out(&rest, body, part);
    }
    struct snapshot_entry *e =
        entry_new(kind, ns, name, uid, part.len > 0 ? buf_slice(&rest) : body, version);
    if (part.len > 0) {
        e->shared = shared_get(s, part);
        e->cut = (size_t)(part.data - body.data);
        buf_free(&rest);
    }
    e->generation = shape.generation;
    e->deleting = shape.deleting;
    e->applied = shape.applied;
    e->settled = shape.settled;
    gather_refs(&g, e);
    link_refs(s, e, &g);
    replace(s, e);
    free(g.items);
    arena_free(&g.arena);
    return 0;
}

void snapshot_remove(struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                     struct slice name)
{
    struct snapshot_entry *e = stored(s, kind, ns, name);
    if (e != NULL) {
        remove_entry(s, e, true);
    }
}

void snapshot_trim(struct snapshot *s, size_t max_bytes)
{
    while (!list_empty(&s->passing)) {
        tree_drop(s, CONTAINER_OF(s->passing.next, struct snapshot_entry, recent));
    }
    while (s->tree_bytes > max_bytes) {
        tree_drop(s, CONTAINER_OF(s->recent.prev, struct snapshot_entry, recent));
    }
}

static const struct snapshot_entry *find(const struct snapshot *s, char what,
                                         enum snapshot_kind kind, struct slice ns,
                                         struct slice name)
{
    const struct snapshot *home = home_of(s, kind, ns);
    struct buf key = {0};
    read_key(&key, what, kind, ns, name);
    if (s->trace != NULL) {
        snapshot_read(s, home, buf_slice(&key));
    }
    /* The map's key is the same without what tells kinds apart. */
    const struct snapshot_entry *e =
        map_get(&home->kinds[kind], slice_sub(buf_slice(&key), 2, key.len));
    buf_free(&key);
    return e;
}

const struct snapshot_entry *snapshot_find(const struct snapshot *s, enum snapshot_kind kind,
                                           struct slice ns, struct slice name)
{
    return find(s, 'K', kind, ns, name);
}

const struct snapshot_entry *snapshot_find_spec(const struct snapshot *s, enum snapshot_kind kind,
                                                struct slice ns, struct slice name)
{
    return find(s, 'S', kind, ns, name);
}

/* Hangs the shared part into a tree that was parsed without it. */
static void hang_in(struct snapshot_entry *e)
{
    struct snapshot_shared *shared = e->shared;
    struct err err;
    if (shared->tree == NULL &&
        json_read(slice_make(shared->raw, shared->len), &shared->tree, &err) != 0) {
        return;
    }
    json_object_set(json_at(e->tree, "spec", "componentType", NULL), "spec", shared->tree);
}

static json_t *parsed(const struct snapshot *home, const struct snapshot_entry *e)
{
    struct buf fresh = {0};
    struct slice body = e->body;
    json_t *tree = NULL;
    struct err err;
    int rc = 0;
    if (is_passing(home, e->kind)) {
        rc = snapshot_body(home, e, &fresh, &err);
        body = buf_slice(&fresh);
    }
    rc = rc == 0 ? object_parse(body, e->version, &tree, &err) : rc;
    if (rc != 0 && rc != ERR_NOT_FOUND) {
        log_error("reconcile.read", "kind=%s namespace=%.*s name=%.*s error=%s",
                  kinds[e->kind].kind, SLICE_ARG(e->ns), SLICE_ARG(e->name), log_q(err.message));
    }
    if (fresh.len > 0) {
        explicit_bzero(fresh.data, fresh.len);
    }
    buf_free(&fresh);
    return tree;
}

const json_t *snapshot_tree(const struct snapshot *s, const struct snapshot_entry *entry)
{
    /* Parsing is memory of what the bytes say, not a change of them. */
    struct snapshot_entry *e = (struct snapshot_entry *)(uintptr_t)entry;
    struct snapshot *home = (struct snapshot *)(uintptr_t)home_of(s, e->kind, e->ns);
    bool passing = is_passing(home, e->kind);
    if (e->tree == NULL) {
        e->tree = parsed(home, e);
        if (e->tree == NULL) {
            return NULL;
        }
        if (e->shared != NULL) {
            hang_in(e);
        }
        home->tree_bytes += passing ? 0 : e->body.len;
        list_init(&e->recent);
    }
    list_remove(&e->recent);
    list_push_front(passing ? &home->passing : &home->recent, &e->recent);
    return e->tree;
}

const json_t *snapshot_get(const struct snapshot *s, enum snapshot_kind kind, struct slice ns,
                           struct slice name)
{
    const struct snapshot_entry *e = snapshot_find(s, kind, ns, name);
    return e != NULL ? snapshot_tree(s, e) : NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct snapshot_entry *x = *(const struct snapshot_entry *const *)a;
    const struct snapshot_entry *y = *(const struct snapshot_entry *const *)b;
    int order = slice_cmp(x->name, y->name);
    return order != 0 ? order : slice_cmp(x->ns, y->ns);
}

static int by_ns_name(const void *a, const void *b)
{
    const struct snapshot_entry *x = *(const struct snapshot_entry *const *)a;
    const struct snapshot_entry *y = *(const struct snapshot_entry *const *)b;
    int order = slice_cmp(x->ns, y->ns);
    return order != 0 ? order : slice_cmp(x->name, y->name);
}

size_t snapshot_list(const struct snapshot *s, enum snapshot_kind kind, enum snapshot_index index,
                     struct slice ns, struct slice value, struct arena *arena,
                     const struct snapshot_entry ***out)
{
    const struct snapshot *home = home_of(s, kind, ns);
    struct buf key = {0};
    index_key(&key, index, kind, over_all_namespaces(index) ? (struct slice){0} : ns, value);
    struct bucket *bucket = map_get(&home->index, buf_slice(&key));
    if (s->trace != NULL) {
        snapshot_read(s, home, buf_slice(&key));
    }
    buf_free(&key);
    *out = NULL;
    if (bucket == NULL) {
        return 0;
    }
    size_t count = 0;
    LIST_FOREACH(link, &bucket->refs)
    {
        count++;
    }
    const struct snapshot_entry **found =
        arena_alloc(arena, count * sizeof(struct snapshot_entry *));
    size_t i = 0;
    LIST_FOREACH(link, &bucket->refs)
    {
        found[i++] = CONTAINER_OF(link, struct snapshot_ref, link)->entry;
    }
    qsort(found, count, sizeof(*found), by_name);
    *out = found;
    return count;
}

size_t snapshot_all(const struct snapshot *s, enum snapshot_kind kind, struct arena *arena,
                    const struct snapshot_entry ***out)
{
    const struct snapshot *home = home_of(s, kind, (struct slice){0});
    const struct map *map = &home->kinds[kind];
    struct buf all = {0};
    all_key(&all, kind);
    snapshot_read(s, home, buf_slice(&all));
    buf_free(&all);
    const struct snapshot_entry **found =
        arena_alloc(arena, (map->count + 1) * sizeof(struct snapshot_entry *));
    size_t count = 0;
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(map, &cursor, &key, &value)) {
        found[count++] = value;
    }
    qsort(found, count, sizeof(*found), by_ns_name);
    *out = found;
    return count;
}

size_t snapshot_count(const struct snapshot *s, enum snapshot_kind kind)
{
    return home_of(s, kind, (struct slice){0})->kinds[kind].count;
}
