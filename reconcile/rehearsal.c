/* rehearsal.c: rounds of plans, over all keys, until one writes nothing.
 *
 * A round goes through the kinds in the order in which one makes the next, so few are needed; what
 * a plan that came to nothing has read is remembered (snapshot_unchanged()), so the later ones cost
 * little. What is sent to a cluster is kept, and told to the next plan as applied. An object
 * belongs to whoever sends it first, as on a cluster; what is refused for that is tried again when
 * nothing else is left to do, since its owner may have let go of it. */
#include "reconcile/rehearsal.h"

#include "base/crypto.h"
#include "proto/admit.h"
#include "reconcile/controllers/promotion.h"
#include "reconcile/controllers/rendered.h"
#include "reconcile/drivers/driver.h"

#define MADE_UP "made-up-"
#define CREDENTIAL "made-when-deployed" /* in the place of each */

/* Any moment would do, as long as it is always the same: 2026-01-01. */
#define NOW_MS UINT64_C(1767225600000)

enum { ROUNDS_MAX = 100 };

/* ---- the clusters ---- */

static const json_t *sent_of(const struct rehearsal *r, struct slice ns, struct slice name)
{
    struct buf key = {0};
    buf_addf(&key, "%.*s/%.*s", SLICE_ARG(ns), SLICE_ARG(name));
    const json_t *sent = json_object_get(r->sent, buf_cstr(&key));
    buf_free(&key);
    return sent;
}

static void note_sent(struct rehearsal *r, struct slice ns, struct slice name, json_t *what)
{
    struct buf key = {0};
    buf_addf(&key, "%.*s/%.*s", SLICE_ARG(ns), SLICE_ARG(name));
    json_object_set_new(r->sent, buf_cstr(&key), what);
    buf_free(&key);
    r->changed = true;
}

static bool world_release(void *user, struct slice ns, struct slice name, struct world_release *out)
{
    const struct rehearsal *r = user;
    const json_t *sent = sent_of(r, ns, name);
    if (!json_is_true(json_object_get(sent, "told"))) {
        return false;
    }
    const char *refused = json_string_value(json_object_get(sent, "refused"));
    *out = (struct world_release){
        .gone = json_is_true(json_object_get(sent, "gone")),
        .hash = rehearsal_revision(r, ns, name),
        .epoch = "",
        .resources = json_object_get(sent, "resources"),
        .reason = refused == NULL ? "" : WORLD_OWNED_ELSEWHERE,
        .message = refused == NULL ? "" : refused,
        .failed_hash = refused == NULL ? "" : json_string_value(json_object_get(sent, "failed")),
        .retry_at_ms = refused == NULL ? 0 : UINT64_MAX,
        .undoes = "",
    };
    return true;
}

const json_t *rehearsal_manifests(const struct rehearsal *r, struct slice ns, struct slice name)
{
    return json_object_get(sent_of(r, ns, name), "manifests");
}

const char *rehearsal_revision(const struct rehearsal *r, struct slice ns, struct slice name)
{
    const json_t *hash = json_object_get(sent_of(r, ns, name), "hash");
    return hash != NULL ? json_string_value(hash) : "";
}

/* That a cell or a resource was applied, others wait for. A component is never told that it was:
 * all that could come of it is a status. So it is planned again only when it may be something else.
 */
static bool is_awaited(const struct rehearsal *r, struct slice ns, struct slice name)
{
    const json_t *rendered = snapshot_get(&r->snapshot, SNAPSHOT_RENDERED, ns, name);
    return rendered_is_cell(rendered) || rendered_is_resource(rendered);
}

static void disown(struct rehearsal *r, const char *release)
{
    const char *key;
    json_t *owner;
    void *next;
    json_object_foreach_safe(r->owners, next, key, owner)
    {
        if (slice_eq_cstr(json_text(owner), release)) {
            json_object_del(r->owners, key);
        }
    }
}

/* Whose an object on a cluster is; empty: nobody's, or of a RenderedRelease that is no more. */
static struct slice owner_of(const struct rehearsal *r, const char *key)
{
    struct slice owner = json_text(json_object_get(r->owners, key));
    struct slice name = owner;
    struct slice ns = {0};
    bool is = slice_split(&name, '/', &ns) &&
              snapshot_find(&r->snapshot, SNAPSHOT_RENDERED, ns, name) != NULL;
    return is ? owner : (struct slice){0};
}

/* Takes one after the other, as they are applied. key is that of the one that is another's.
 * Errors: ERR_EXISTS, in the engine's words. */
static int own(struct rehearsal *r, const char *release, const struct plan_desired *d,
               struct buf *key, struct err *err)
{
    int rc = 0;
    buf_addf(key, "%.*s/%.*s/", SLICE_ARG(d->plane), SLICE_ARG(d->cluster));
    size_t len = key->len;
    for (size_t i = 0; rc == 0 && i < json_array_size(d->manifests); i++) {
        const json_t *manifest = json_array_get(d->manifests, i);
        key->len = len;
        manifest_key(manifest, key);
        struct slice owner = owner_of(r, buf_cstr(key));
        if (owner.len == 0) {
            json_object_set_new(r->owners, buf_cstr(key), json_string(release));
        } else if (!slice_eq_cstr(owner, release)) {
            driver_refuse_anothers(slice_sub(buf_slice(key), len, SIZE_MAX), slice_of(release),
                                   owner, err);
            rc = err_wrap(err, "%.*s %.*s", SLICE_ARG(object_kind(manifest)),
                          SLICE_ARG(object_name(manifest)));
        }
    }
    return rc;
}

static void apply(struct rehearsal *r, struct slice ns, struct slice name,
                  const struct plan_desired *d)
{
    struct buf release = {0};
    struct buf key = {0};
    struct err err = {0};
    buf_addf(&release, "%.*s/%.*s", SLICE_ARG(ns), SLICE_ARG(name));
    if (sent_of(r, ns, name) != NULL) {
        disown(r, buf_cstr(&release));
    }
    if (own(r, buf_cstr(&release), d, &key, &err) == 0) {
        note_sent(r, ns, name,
                  json_pack("{s:s, s:O, s:[], s:b}", "hash", d->hash, "manifests", d->manifests,
                            "resources", "told", is_awaited(r, ns, name)));
    } else {
        note_sent(r, ns, name,
                  json_pack("{s:s, s:s, s:s, s:o, s:b}", "failed", d->hash, "refused", err.message,
                            "key", buf_cstr(&key), "owner", json_str(owner_of(r, buf_cstr(&key))),
                            "told", 1));
        snapshot_forget(&r->snapshot, SNAPSHOT_RENDERED, ns, name);
    }
    buf_free(&release);
    buf_free(&key);
}

/* What was refused for an object whose owner has let go of it since. */
static bool try_again(struct rehearsal *r)
{
    bool any = false;
    const char *release;
    json_t *sent;
    void *next;
    json_object_foreach_safe(r->sent, next, release, sent)
    {
        const char *key = json_string_value(json_object_get(sent, "key"));
        if (key == NULL || slice_eq(owner_of(r, key), json_text_at(sent, "owner"))) {
            continue;
        }
        struct slice name = slice_of(release);
        struct slice ns;
        slice_split(&name, '/', &ns);
        snapshot_forget(&r->snapshot, SNAPSHOT_RENDERED, ns, name);
        json_object_del(r->sent, release);
        any = true;
    }
    return any;
}

/* Of what is on a cluster there is no inventory: nothing is ever looked for there. */
static void carry_out(struct rehearsal *r, struct slice ns, struct slice name,
                      const struct plan_desired *d)
{
    bool same = slice_eq_cstr(slice_of(rehearsal_revision(r, ns, name)), d->hash);
    if (d->action == PLAN_APPLY && !same) {
        apply(r, ns, name, d);
    } else if (d->action == PLAN_REMOVE) {
        note_sent(r, ns, name, json_pack("{s:b, s:s, s:b}", "gone", 1, "hash", "", "told", 1));
    }
}

/* ---- writes ---- */

static int put_bytes(struct rehearsal *r, enum snapshot_kind kind, struct slice ns,
                     struct slice name, struct slice body, struct err *err)
{
    r->changed = true;
    return snapshot_put(&r->snapshot, kind, ns, name, body, ++r->version, err);
}

enum snapshot_kind rehearsal_kind(const struct rehearsal *r, const json_t *object)
{
    const struct kind *kind =
        kind_by_type(&r->kinds, object_api_version(object), object_kind(object));
    return kind != NULL ? snapshot_kind_of(kind->resource) : SNAPSHOT_KIND_COUNT;
}

static void made_when_deployed(json_t *secret, const json_t *wanted)
{
    json_t *data = json_child(secret, "data");
    struct buf encoded = {0};
    base64_encode(&encoded, SLICE(CREDENTIAL));
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        struct slice name = json_text_at(json_array_get(wanted, i), "name");
        if (name.len > 0 && json_object_getn(data, name.data, name.len) == NULL) {
            json_object_setn_new(data, name.data, name.len, json_str(buf_slice(&encoded)));
        }
    }
    buf_free(&encoded);
}

static int admit_write(struct rehearsal *r, const struct plan_write *w,
                       const struct snapshot_entry *entry, struct arena *arena, struct err *err)
{
    static const enum admit_op ops[] = {
        [PLAN_CREATE] = ADMIT_CREATE, [PLAN_UPDATE] = ADMIT_UPDATE, [PLAN_DELETE] = ADMIT_DELETE};
    struct backend_object old = {0};
    struct buf body = {0};
    struct admit_result result = {0};
    struct admit_request request = {
        .arena = arena,
        .kind = kind_by_resource(&r->kinds, slice_of(snapshot_resource(w->kind))),
        .op = ops[w->verb],
        .ns = w->ns,
        .name = w->verb == PLAN_CREATE ? (struct slice){0} : w->name,
        .incoming = w->object,
        .system = true,
        .validation = ADMIT_IGNORE,
        .now_ms = NOW_MS,
        .suffix = "00000"};
    snprintf(request.uid, sizeof request.uid, MADE_UP "%zu", (size_t)r->version);
    int rc = 0;
    if (entry != NULL) {
        rc = snapshot_body(&r->snapshot, entry, &body, err);
        old = (struct backend_object){
            .key = {.resource = request.kind->resource, .ns = entry->ns, .name = entry->name},
            .body = buf_slice(&body),
            .version = entry->version};
        rc = rc == 0 ? object_splice(old.body, &old.splice, err) : rc;
        request.old = &old;
        request.before = (json_t *)(uintptr_t)snapshot_tree(&r->snapshot, entry);
    }
    rc = rc == 0 ? admit(&request, &result, err) : rc;
    if (rc == 0 && result.changed && result.verb == BACKEND_DELETE) {
        snapshot_remove(&r->snapshot, w->kind, w->ns, w->name);
        r->changed = true;
    } else if (rc == 0 && result.changed) {
        rc = put_bytes(r, w->kind, w->ns, w->name, result.body, err);
    }
    buf_free(&body);
    return rc;
}

/* Every cluster of a plane has its credentials. */
static int give_credentials(struct rehearsal *r, struct slice plane, struct err *err)
{
    struct arena arena = {0};
    struct slice ns = SLICE(SNAPSHOT_SYSTEM_NS);
    const json_t *tree = snapshot_get(&r->snapshot, SNAPSHOT_DATAPLANE, SLICE(""), plane);
    struct plane_cluster *clusters;
    size_t count = plane_clusters(tree, &arena, &clusters);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (cluster_secret(&r->snapshot, plane, clusters[i].name, &arena) == NULL) {
            const char *name = arena_printf(&arena, "cluster-%.*s-%.*s", SLICE_ARG(plane),
                                            SLICE_ARG(clusters[i].name));
            json_t *secret = object_new("v1", "Secret", ns, slice_of(name));
            rc = rehearsal_put(r, secret, err);
            json_decref(secret);
        }
    }
    arena_free(&arena);
    return rc;
}

/* As it is, but for what every object has. */
static int put_as_is(struct rehearsal *r, enum snapshot_kind kind, const json_t *object,
                     struct err *err)
{
    struct buf body = {0};
    uint32_t splice;
    json_t *copy = json_deep_copy(object);
    json_t *metadata = json_child(copy, "metadata");
    if (object_uid(copy).len == 0) {
        json_object_set_new(metadata, "uid", json_sprintf(MADE_UP "%zu", (size_t)r->version));
    }
    if (json_object_get(metadata, "creationTimestamp") == NULL) {
        json_object_set_new(metadata, "creationTimestamp", promotion_time(NOW_MS));
    }
    int rc = object_canonical(copy, &body, &splice, err);
    if (rc == 0) {
        rc = put_bytes(r, kind, object_ns(copy), object_name(copy), buf_slice(&body), err);
    }
    buf_free(&body);
    json_decref(copy);
    return rc;
}

int rehearsal_put(struct rehearsal *r, const json_t *object, struct err *err)
{
    enum snapshot_kind kind = rehearsal_kind(r, object);
    if (kind == SNAPSHOT_KIND_COUNT) {
        return 0;
    }
    struct arena arena = {0};
    const struct plan_write w = {.verb = PLAN_UPDATE,
                                 .kind = kind,
                                 .ns = object_ns(object),
                                 .name = object_name(object),
                                 .object = (json_t *)(uintptr_t)object};
    const struct snapshot_entry *entry = snapshot_find(&r->snapshot, kind, w.ns, w.name);
    struct slice uid = object_uid(object);
    bool same = entry != NULL && (uid.len == 0 || slice_eq(uid, entry->uid));
    int rc = same ? admit_write(r, &w, entry, &arena, err) : put_as_is(r, kind, object, err);
    if (rc == 0 && kind == SNAPSHOT_DATAPLANE) {
        rc = give_credentials(r, w.name, err);
    }
    arena_free(&arena);
    return rc;
}

int rehearsal_create(struct rehearsal *r, json_t *object, struct err *err)
{
    struct arena arena = {0};
    const struct plan_write w = {.verb = PLAN_CREATE,
                                 .kind = rehearsal_kind(r, object),
                                 .ns = object_ns(object),
                                 .name = object_name(object),
                                 .object = object};
    int rc = snapshot_find(&r->snapshot, w.kind, w.ns, w.name) == NULL
                 ? admit_write(r, &w, NULL, &arena, err)
                 : 0;
    rc = rc == 0 && w.kind == SNAPSHOT_DATAPLANE ? give_credentials(r, w.name, err) : rc;
    arena_free(&arena);
    json_decref(object);
    return rc;
}

static void note_fault(struct rehearsal *r, const struct plan_write *w, const struct err *err)
{
    json_array_append_new(r->faults,
                          json_pack("{s:s, s:o, s:o, s:s}", "kind", snapshot_kind_name(w->kind),
                                    "namespace", json_str(w->ns), "name", json_str(w->name),
                                    "message", err->message));
}

/* ns and name are not the snapshot's. False: it was refused, which ends its plan. */
static bool write_one(struct rehearsal *r, const struct plan_write *w)
{
    struct arena arena = {0};
    struct err err = {0};
    const struct snapshot_entry *entry = snapshot_find(&r->snapshot, w->kind, w->ns, w->name);
    int rc = 0;
    if (w->credentials != NULL) {
        made_when_deployed(w->object, w->credentials);
    }
    if ((entry != NULL) != (w->verb == PLAN_CREATE)) {
        rc = admit_write(r, w, entry, &arena, &err);
    }
    if (rc == 0 && w->kind == SNAPSHOT_DATAPLANE && w->verb != PLAN_DELETE) {
        rc = give_credentials(r, w->name, &err);
    }
    if (rc != 0) {
        note_fault(r, w, &err);
    }
    arena_free(&arena);
    return rc == 0;
}

/* ---- plans ---- */

/* Its status says that what it asks for was let in, which no gate takes back. */
static void let_in(struct rehearsal *r, const struct snapshot_entry *entry)
{
    const json_t *binding = snapshot_tree(&r->snapshot, entry);
    const struct promotion_kinds kinds = promotion_kinds_of(binding);
    struct slice asked = promotion_asked(binding);
    const struct snapshot_entry *release =
        snapshot_find(&r->snapshot, kinds.release, entry->ns, asked);
    const json_t *status = json_object_get(binding, "status");
    if (release == NULL || (slice_eq(json_text_at(status, "releaseName"), asked) &&
                            slice_eq(json_text_at(status, "releaseUID"), release->uid))) {
        return;
    }
    json_t *copy = json_deep_copy(binding);
    status_set(copy, "releaseName", json_str(asked));
    status_set(copy, "releaseUID", json_str(release->uid));
    /* A status alone: there is nothing to admit. */
    (void)put_as_is(r, entry->kind, copy, NULL);
    json_decref(copy);
}

static bool is_wanted(const struct rehearsal *r, const struct snapshot_entry *entry)
{
    const json_t *object = snapshot_tree(&r->snapshot, entry);
    bool asked = entry->kind == SNAPSHOT_COMPONENT || entry->kind == SNAPSHOT_OC_COMPONENT ||
                 (entry->kind == SNAPSHOT_RENDERED && !rendered_is_cell(object) &&
                  !rendered_is_resource(object));
    return !asked || r->wanted(r->user, entry->kind, object);
}

static void carry_out_plan(struct rehearsal *r, struct plan *plan, struct slice ns,
                           struct slice name)
{
    bool written = true;
    for (size_t i = 0; i < plan->write_count; i++) { /* the snapshot's texts end with a write */
        plan->writes[i].ns = arena_copy(&plan->arena, plan->writes[i].ns);
        plan->writes[i].name = arena_copy(&plan->arena, plan->writes[i].name);
    }
    for (size_t i = 0; written && i < plan->write_count; i++) {
        written = write_one(r, &plan->writes[i]);
    }
    if (written) {
        carry_out(r, ns, name, &plan->desired);
    }
}

/* ns and name are not the snapshot's. */
static int plan_one(struct rehearsal *r, enum snapshot_kind kind, struct slice ns,
                    struct slice name, struct err *err)
{
    struct snapshot *s = &r->snapshot;
    struct plan plan;
    const struct snapshot_entry *entry = snapshot_find(s, kind, ns, name);
    if (entry != NULL && (kind == SNAPSHOT_BINDING || kind == SNAPSHOT_RESOURCE_BINDING)) {
        let_in(r, entry);
        entry = snapshot_find(s, kind, ns, name);
    }
    if (entry == NULL || snapshot_unchanged(s, entry) ||
        (r->wanted != NULL && !is_wanted(r, entry))) {
        return 0;
    }
    plan_init(&plan);
    snapshot_trace_begin(s);
    int rc = plan_run(s, kind, ns, name, &plan, err);
    bool ends = plan.desired.action == PLAN_NOTHING ||
                (plan.desired.action == PLAN_APPLY && !is_awaited(r, ns, name));
    snapshot_trace_end(s, entry, plan.write_count == 0 && ends);
    if (rc == 0) {
        carry_out_plan(r, &plan, ns, name);
    }
    plan_free(&plan);
    snapshot_trim(s, SNAPSHOT_TREES_MAX_BYTES);
    cel_cache_trim(&r->programs);
    return rc;
}

static int plan_kind(struct rehearsal *r, enum snapshot_kind kind, struct err *err)
{
    struct arena arena = {0};
    const struct snapshot_entry **all;
    size_t count = plan_has_controller(kind) ? snapshot_all(&r->snapshot, kind, &arena, &all) : 0;
    struct slice *keys = arena_alloc(&arena, (2 * count + 1) * sizeof *keys);
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        keys[2 * i] = arena_copy(&arena, all[i]->ns);
        keys[2 * i + 1] = arena_copy(&arena, all[i]->name);
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = plan_one(r, kind, keys[2 * i], keys[2 * i + 1], err);
    }
    arena_free(&arena);
    return rc;
}

/* Those that others are made of, in this order; then all the rest. */
static const enum snapshot_kind first[] = {
    SNAPSHOT_OC_CLUSTER_PLANE, SNAPSHOT_DATAPLANE,  SNAPSHOT_ORGANIZATION, SNAPSHOT_OC_ENVIRONMENT,
    SNAPSHOT_OC_PIPELINE,      SNAPSHOT_OC_PROJECT, SNAPSHOT_OC_COMPONENT, SNAPSHOT_COMPONENT,
};
enum { FIRST = sizeof first / sizeof *first };

static bool is_first(enum snapshot_kind kind)
{
    size_t i = 0;
    while (i < FIRST && first[i] != kind) {
        i++;
    }
    return i < FIRST;
}

static int plan_round(struct rehearsal *r, struct err *err)
{
    int rc = 0;
    r->changed = false;
    json_array_clear(r->faults);
    for (size_t i = 0; rc == 0 && i < FIRST; i++) {
        rc = plan_kind(r, first[i], err);
    }
    for (int kind = 0; rc == 0 && kind < SNAPSHOT_KIND_COUNT; kind++) {
        rc = is_first((enum snapshot_kind)kind) ? 0 : plan_kind(r, (enum snapshot_kind)kind, err);
    }
    return rc;
}

int rehearsal_run(struct rehearsal *r, struct err *err)
{
    struct plan plan;
    plan_init(&plan);
    bootstrap_plan(&r->snapshot, &plan);
    carry_out_plan(r, &plan, SLICE(""), SLICE(""));
    plan_free(&plan);
    for (size_t i = 0; i < ROUNDS_MAX; i++) {
        int rc = plan_round(r, err);
        if (rc != 0 || (!r->changed && !try_again(r))) {
            return rc;
        }
    }
    return err_set(err, ERR_INTERNAL, "controllers do not come to an end with these objects");
}

bool rehearsal_settled(const struct rehearsal *r)
{
    return !r->changed;
}

const json_t *rehearsal_faults(const struct rehearsal *r)
{
    return r->faults;
}

void rehearsal_init(struct rehearsal *r)
{
    *r = (struct rehearsal){.sent = json_object(),
                            .owners = json_object(),
                            .faults = json_array(),
                            .version = 1,
                            .changed = true};
    snapshot_init(&r->snapshot, NULL);
    kind_registry_init(&r->kinds);
    kind_registry_builtin(&r->kinds);
    r->world = (struct world){.user = r, .release = world_release};
    r->snapshot.world = &r->world;
    r->snapshot.programs = &r->programs;
    r->snapshot.made_up = MADE_UP;
    r->snapshot.now_ms = NOW_MS;
}

void rehearsal_free(struct rehearsal *r)
{
    snapshot_free(&r->snapshot);
    kind_registry_free(&r->kinds);
    cel_cache_free(&r->programs);
    json_decref(r->sent);
    json_decref(r->owners);
    json_decref(r->faults);
    *r = (struct rehearsal){0};
}
