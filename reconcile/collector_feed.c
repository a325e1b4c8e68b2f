/* collector_feed.c: whom to look at: from changes, and from the index of dependents.
 *
 *   an object went      -> its dependents; owners of its that wait for it
 *   ... waits for us    -> itself; in the foreground, its dependents, too
 *   ... names owners    -> itself, unless all of them are here and stay
 *   the index, a sweep  -> whoever stands there, likewise
 *
 * A node that leads a shard follows that one and the system shard, where cluster-scoped owners
 * live; the system shard's leader follows all, where dependents of those live. Happy path: most
 * changes name no owner and cost two scans of their bytes; a reference to an owner that is here
 * costs a read of it. What is seen here need not be the present: it decides only whom to look at,
 * and the change that makes the difference is read when it arrives. Failure path: history that was
 * compacted away before it was read: the shards' indexes are gone through again. */
#include "reconcile/collector_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proto/object.h"

#define NAMESPACES "namespaces"
/* A view: stored, and looked at, as the other. */
#define NEW_EVENTS "events.events.k8s.io"
#define EVENTS "events"

/* ---- bodies and references ---- */

static bool has_text(struct slice raw, const char *quoted)
{
    return slice_find(raw, slice_of(quoted)) != SIZE_MAX;
}

struct collector_shape collector__shape(struct slice body)
{
    struct collector_shape s = {0};
    struct slice metadata;
    struct slice value;
    if (!json_scan(body, &metadata, "metadata", NULL)) {
        return s;
    }
    s.deleting = json_scan(metadata, &value, "deletionTimestamp", NULL);
    if (s.deleting && json_scan(metadata, &value, "finalizers", NULL)) {
        s.foreground = has_text(value, "\"" OBJECT_FINALIZER_FOREGROUND "\"");
        s.orphan = has_text(value, "\"" OBJECT_FINALIZER_ORPHAN "\"");
    }
    (void)json_scan(metadata, &s.owners, "ownerReferences", NULL);
    if (json_scan(metadata, &value, "uid", NULL) && value.len > 2) {
        s.uid = slice_sub(value, 1, value.len - 2);
    }
    return s;
}

bool collector__waits(const struct collector_shape *s)
{
    return s->deleting && s->foreground;
}

bool collector__resolve(const struct kind_registry *kinds, const json_t *ref, struct slice ns,
                        const struct kind **kind, struct backend_key *key,
                        enum collector_owner *state)
{
    const struct kind *k =
        kind_by_type(kinds, json_text_at(ref, "apiVersion"), json_text_at(ref, "kind"));
    *state = k == NULL                      ? OWNER_UNKNOWN
             : k->namespaced && ns.len == 0 ? OWNER_INVALID
                                            : OWNER_UNREAD;
    if (*state != OWNER_UNREAD) {
        return false;
    }
    *kind = k;
    bool view = slice_eq_cstr(k->resource, NEW_EVENTS);
    *key = (struct backend_key){.resource = view ? SLICE(EVENTS) : k->resource,
                                .ns = k->namespaced ? ns : SLICE(""),
                                .name = json_text_at(ref, "name")};
    return true;
}

enum collector_owner collector__owner_is(struct slice body, const json_t *ref)
{
    struct collector_shape shape = collector__shape(body);
    if (!slice_eq(shape.uid, json_text_at(ref, "uid"))) {
        return OWNER_ABSENT; /* another of that name */
    }
    return collector__waits(&shape) ? OWNER_WAITING : OWNER_SOLID;
}

enum collector_owner collector__owner_here(struct collector_impl *c,
                                           const struct kind_registry *kinds, const json_t *ref,
                                           struct slice ns, bool *certain)
{
    const struct kind *kind;
    struct backend_key key;
    enum collector_owner state;
    *certain = true;
    bool leads = collector__resolve(kinds, ref, ns, &kind, &key, &state);
    if (state != OWNER_INVALID && collector__is_gone(c, json_text_at(ref, "uid"), ns)) {
        return OWNER_ABSENT;
    }
    if (!leads) {
        return state;
    }
    *certain = false;
    if (slice_eq_cstr(key.resource, NAMESPACES)) {
        return OWNER_UNREAD; /* not stored as such: the backend knows */
    }
    struct reader *r = collector__reader(c, collector__shard_of(c, key.ns));
    struct reader_row row;
    struct err err;
    int rc = r != NULL ? reader_get(r, &key, 0, &row, &err) : ERR_IO;
    if (rc != 0) {
        return rc == ERR_NOT_FOUND ? OWNER_ABSENT : OWNER_UNREAD;
    }
    return collector__owner_is(row.object.body, ref);
}

/* ---- one object ---- */

/* Whom a change, or a row of the index, concerns. */
struct sight {
    struct collector_impl *c;
    const struct kind_set *kinds;
    const struct backend_key *key;
    uint32_t shard;
};

/* One reference of the object's. True: the object is to be looked at. An owner that waits may have
 * waited for just this change. */
static bool see_owner(const struct sight *s, const json_t *ref)
{
    struct collector_impl *c = s->c;
    const struct kind *kind;
    struct backend_key key;
    enum collector_owner state;
    bool certain;
    bool led = c->shards[s->shard].led;
    const struct kind_registry *kinds = &s->kinds->registry;
    bool leads = collector__resolve(kinds, ref, s->key->ns, &kind, &key, &state);
    if (!led && (!leads || kind->namespaced)) {
        return false; /* another leader's business */
    }
    enum collector_owner owner = collector__owner_here(c, kinds, ref, s->key->ns, &certain);
    if (owner == OWNER_WAITING) {
        collector__add(c, &key);
    } else if (owner == OWNER_UNKNOWN) {
        collector__note_undecided(c, s->shard, s->kinds);
    }
    return owner == OWNER_ABSENT || owner == OWNER_WAITING || owner == OWNER_UNREAD;
}

/* Looks at a dependent's references; live: it is there itself. */
static void see_owners(const struct sight *s, struct slice raw, bool live)
{
    json_t *refs = NULL;
    bool suspicious = false;
    if (raw.len == 0 || json_parse(raw, &refs, NULL) != 0) {
        return;
    }
    for (size_t i = 0; i < json_array_size(refs); i++) {
        suspicious |= see_owner(s, json_array_get(refs, i));
    }
    if (suspicious && live) {
        collector__add(s->c, s->key);
    }
    json_decref(refs);
}

static void sweep_add(struct collector_impl *c, struct slice uid, struct slice ns)
{
    struct collector_sweep *sweep = mem_zero(sizeof(*sweep));
    sweep->uid = slice_dup(uid);
    sweep->shard = ns.len > 0 ? collector__shard_of(c, ns) : 0;
    sweep->end = ns.len > 0 ? sweep->shard + 1 : c->config.shard_count;
    list_push_back(&c->sweeps, &sweep->link);
}

void collector__sweep_free(struct collector_sweep *sweep)
{
    free(sweep->uid);
    collector__key_free(&sweep->after);
    free(sweep);
}

static void see_object(const struct sight *s, struct slice body, bool gone)
{
    struct collector_shape shape = collector__shape(body);
    if (gone) {
        collector__seen_gone(s->c, shape.uid, s->key->ns);
        sweep_add(s->c, shape.uid, s->key->ns);
        see_owners(s, shape.owners, false);
        return;
    }
    if (shape.foreground || shape.orphan) {
        collector__add(s->c, s->key);
    }
    if (collector__waits(&shape)) {
        sweep_add(s->c, shape.uid, s->key->ns);
    }
    see_owners(s, shape.owners, !shape.deleting);
}

/* ---- changes ---- */

static bool is_wanted(const struct collector_impl *c, uint32_t shard)
{
    bool any = c->shards[0].led || c->shards[shard].led;
    for (uint32_t i = 0; i < c->config.shard_count && !any && shard == 0; i++) {
        any = c->shards[i].led;
    }
    return any;
}

/* Begins with the present; true if all that are wanted are followed. */
static bool follow(struct collector_impl *c)
{
    c->behind = false;
    for (uint32_t i = 0; i < c->config.shard_count; i++) {
        struct collector_shard *s = &c->shards[i];
        bool wanted = is_wanted(c, i);
        if (wanted && !s->followed) {
            const struct reader *r = collector__reader(c, i);
            s->followed = r != NULL;
            s->at = r != NULL ? r->state.last_version : 0;
        }
        s->followed = s->followed && wanted;
        c->behind = c->behind || s->followed != wanted;
    }
    return !c->behind;
}

/* What was missed may concern every shard that is led, if it was the system's. */
static void start_over(struct collector_impl *c, uint32_t shard, uint64_t present)
{
    log_info("collector.behind", "shard=%u", shard);
    c->shards[shard].at = present;
    for (uint32_t i = 0; i < c->config.shard_count; i++) {
        if (c->shards[i].led && (i == shard || shard == 0)) {
            collector__scan(c, i, true);
        }
    }
}

/* True: there is more. */
static bool read_changes(struct collector_impl *c, const struct kind_set *kinds, uint32_t shard,
                         size_t *rows)
{
    struct collector_shard *s = &c->shards[shard];
    struct reader *r = collector__reader(c, shard);
    struct reader_row row;
    struct err err;
    bool found = true;
    if (r == NULL || r->state.last_version <= s->at) {
        return false;
    }
    int rc = reader_changes_start(r, s->at, r->state.last_version, &err);
    while (rc == 0 && found && *rows > 0) {
        rc = reader_changes_next(r, &row, &found, &err);
        if (rc == 0 && found) {
            struct sight sight = {c, kinds, &row.object.key, shard};
            see_object(&sight, row.object.body, row.verb == BACKEND_DELETE);
            s->at = row.object.version;
            (*rows)--;
        }
    }
    reader_changes_end(r);
    if (rc == ERR_GONE) {
        start_over(c, shard, r->state.last_version);
    } else if (rc != 0) {
        log_warn("collector.changes", "shard=%u error=%s", shard, log_q(err.message));
    } else if (!found) {
        s->at = r->state.last_version;
    }
    return rc == 0 && found;
}

/* ---- the index ---- */

void collector__scan(struct collector_impl *c, uint32_t shard, bool all)
{
    struct collector_shard *s = &c->shards[shard];
    s->scan_all = all || (s->scanning && s->scan_all);
    s->scanning = true;
    free(s->after_owner);
    s->after_owner = mem_strdup("");
    collector__key_free(&s->after);
}

/* Looks at the object behind a row of the index. */
static void see_row(struct collector_impl *c, const struct kind_set *kinds, struct reader *r,
                    uint32_t shard, const struct backend_key *key)
{
    struct reader_row row;
    struct err err;
    if (reader_get(r, key, 0, &row, &err) == 0) {
        struct sight sight = {c, kinds, key, shard};
        struct collector_shape shape = collector__shape(row.object.body);
        if (shape.foreground || shape.orphan) {
            collector__add(c, key);
        }
        see_owners(&sight, shape.owners, !shape.deleting);
    }
}

/* True: there is more. */
static bool read_index(struct collector_impl *c, const struct kind_set *kinds, uint32_t shard,
                       size_t *rows)
{
    struct collector_shard *s = &c->shards[shard];
    struct reader *r = collector__reader(c, shard);
    struct reader_dependent row = {0};
    struct err err;
    bool found = true;
    int rc = r == NULL ? ERR_IO : 0;
    if (rc == 0) {
        const struct reader_dependent after = {slice_of(s->after_owner), s->after.key};
        reader_dependents_start(r, &after, s->scan_all);
    }
    while (rc == 0 && found && *rows > 0 && collector__room(c)) {
        rc = reader_dependents_next(r, &row, &found, &err);
        if (rc == 0 && found) {
            see_row(c, kinds, r, shard, &row.key);
            free(s->after_owner);
            s->after_owner = slice_dup(row.owner);
            collector__key_set(&s->after, &row.key);
            (*rows)--;
        }
    }
    if (rc != 0 && r != NULL) {
        log_warn("collector.index", "shard=%u error=%s", shard, log_q(err.message));
    }
    s->scanning = rc != 0 || found;
    return rc == 0 && found;
}

/* Some of the sweep's dependents. True: there are more. */
static bool read_sweep(struct collector_impl *c, struct collector_sweep *sweep, size_t *rows)
{
    bool found = false;
    while (sweep->shard<sweep->end && * rows> 0 && collector__room(c)) {
        bool led = c->shards[sweep->shard].led;
        struct reader *r = led ? collector__reader(c, sweep->shard) : NULL;
        struct reader_dependent row;
        struct err err;
        found = false;
        if (led && r == NULL) {
            collector__scan(c, sweep->shard, true);
        } else if (led) {
            const struct reader_dependent after = {slice_of(sweep->uid), sweep->after.key};
            reader_dependents_start(r, &after, false);
            if (reader_dependents_next(r, &row, &found, &err) != 0) {
                log_warn("collector.sweep", "shard=%u error=%s", sweep->shard, log_q(err.message));
                collector__scan(c, sweep->shard, true);
                found = false;
            }
        }
        if (found) {
            collector__key_set(&sweep->after, &row.key);
            collector__add(c, &sweep->after.key);
            (*rows)--;
        } else {
            sweep->shard++;
            collector__key_free(&sweep->after);
        }
    }
    return sweep->shard < sweep->end;
}

static void read_sweeps(struct collector_impl *c, size_t *rows)
{
    while (!list_empty(&c->sweeps) && *rows > 0 && collector__room(c)) {
        struct collector_sweep *sweep = CONTAINER_OF(c->sweeps.next, struct collector_sweep, link);
        if (!read_sweep(c, sweep, rows)) {
            list_remove(&sweep->link);
            collector__sweep_free(sweep);
        }
    }
}

bool collector__feed(struct collector_impl *c)
{
    struct arena arena = {0};
    const struct kind_set *kinds = kind_board_use(c->config.kinds, &arena);
    size_t rows = COLLECTOR_ROWS_PER_TURN;
    bool more = false;
    bool ready = follow(c);
    read_sweeps(c, &rows);
    for (uint32_t i = 0; ready && i < c->config.shard_count; i++) {
        if (c->shards[i].followed && rows > 0 && list_empty(&c->sweeps) && collector__room(c)) {
            more |= read_changes(c, kinds, i, &rows);
            read_sweeps(c, &rows); /* else the next shard would have to wait */
        } else if (c->shards[i].followed) {
            more = true;
        }
    }
    for (uint32_t i = 0; ready && i < c->config.shard_count; i++) {
        if (c->shards[i].led && c->shards[i].scanning && rows > 0) {
            more |= read_index(c, kinds, i, &rows);
        }
    }
    more |= rows == 0 || !list_empty(&c->sweeps);
    arena_free(&arena);
    return more && collector__room(c);
}
