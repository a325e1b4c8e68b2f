/* common.c: conditions, memberships and roll-ups.
 *
 * A roll-up tells a person what to look at: how many are ready, and of the first that is not, its
 * name and its own reason and message. "Progressing" outranks nothing: a part that failed is told
 * before one that is only on its way. */
#include "reconcile/controllers/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/promotion.h"
#include "render/deployment.h"
#include "render/plane_access.h"

static const char *const statuses[] = {
    [STATUS_FALSE] = "False", [STATUS_TRUE] = "True", [STATUS_UNKNOWN] = "Unknown"};

enum { CONDITION_MESSAGE_MAX = 1024 };

void condition_set(json_t *edit, const struct snapshot *s, const char *type,
                   enum condition_status status, const char *reason, const char *format, ...)
{
    char message[CONDITION_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    object_set_condition(edit, type, statuses[status], reason, message, s->now_ms);
}

void condition_drop(json_t *edit, const char *type)
{
    json_t *list = json_at(edit, "status", "conditions", NULL);
    for (size_t i = json_array_size(list); i-- > 0;) {
        if (slice_eq_cstr(json_text_at(json_array_get(list, i), "type"), type)) {
            json_array_remove(list, i);
        }
    }
}

struct condition condition_of(const json_t *object, const char *type)
{
    struct condition c = {.status = SLICE("Unknown")};
    const json_t *found = object_condition(object, type);
    if (found == NULL) {
        return c;
    }
    const json_t *observed = json_at(object, "status", "observedGeneration", NULL);
    if (json_is_integer(observed) && json_integer_value(observed) != object_generation(object)) {
        return c;
    }
    c.status = json_text_at(found, "status");
    c.reason = json_text_at(found, "reason");
    c.message = json_text_at(found, "message");
    return c;
}

bool condition_is(const json_t *object, const char *type, const char *status)
{
    return slice_eq_cstr(condition_of(object, type).status, status);
}

json_t *status_of(json_t *edit)
{
    return json_child(edit, "status");
}

void status_set(json_t *edit, const char *key, json_t *value)
{
    json_t *status = status_of(edit);
    if (value == NULL) {
        json_object_del(status, key);
    } else {
        json_object_set_new(status, key, value);
    }
}

void status_observe(json_t *edit)
{
    status_set(edit, "observedGeneration", json_integer(object_generation(edit)));
}

struct slice spec_text(const json_t *object, const char *key)
{
    return json_text(json_at(object, "spec", key, NULL));
}

struct slice owner_text(const json_t *object, const char *key)
{
    return json_text(json_at(object, "spec", "owner", key, NULL));
}

/* ---- the snapshot as a platform ---- */

/* Those of which render/ reads the spec, and at most who they are. (An environment's status says
 * where it was, from which follows where it is.) */
static bool read_for_spec(enum snapshot_kind kind)
{
    static const enum snapshot_kind kinds[] = {
        SNAPSHOT_ORGANIZATION,     SNAPSHOT_COMPONENT,     SNAPSHOT_RELEASE,
        SNAPSHOT_BINDING,          SNAPSHOT_TYPE,          SNAPSHOT_TRAIT,
        SNAPSHOT_CLUSTER_TYPE,     SNAPSHOT_CLUSTER_TRAIT, SNAPSHOT_CLUSTER_PROJECT_TYPE,
        SNAPSHOT_OC_TYPE,          SNAPSHOT_OC_TRAIT,      SNAPSHOT_OC_CLUSTER_TYPE,
        SNAPSHOT_OC_CLUSTER_TRAIT, SNAPSHOT_OC_CELL,       SNAPSHOT_OC_PROJECT_RELEASE};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i] == kind) {
            return true;
        }
    }
    return false;
}

static const json_t *view_get(void *user, const char *named, struct slice ns, struct slice name)
{
    const struct view *v = user;
    enum snapshot_kind kind = snapshot_kind_named(slice_of(named));
    if (!read_for_spec(kind)) {
        return snapshot_get(v->s, kind, ns, name);
    }
    const struct snapshot_entry *e = snapshot_find_spec(v->s, kind, ns, name);
    return e != NULL ? snapshot_tree(v->s, e) : NULL;
}

static struct slice view_uid(void *user, const char *kind, struct slice ns, struct slice name)
{
    const struct view *v = user;
    const struct snapshot_entry *e =
        snapshot_find_spec(v->s, snapshot_kind_named(slice_of(kind)), ns, name);
    const char *made_up = v->s->made_up;
    bool told = e != NULL && (made_up == NULL || !slice_starts_with(e->uid, slice_of(made_up)));
    return told ? e->uid : (struct slice){0};
}

static size_t view_listing(void *user, struct slice ns, struct slice component,
                           struct slice names[2])
{
    const struct view *v = user;
    const struct snapshot_entry **projects;
    size_t count = snapshot_list(v->s, SNAPSHOT_PROJECT, SNAPSHOT_BY_LISTED, ns, component,
                                 v->arena, &projects);
    for (size_t i = 0; i < count && i < 2; i++) {
        names[i] = projects[i]->name;
    }
    return count;
}

static const json_t *view_binding(void *user, struct slice ns, struct slice project,
                                  struct slice component, struct slice environment)
{
    const struct view *v = user;
    const struct snapshot_entry *first =
        binding_first(v->s, SNAPSHOT_BINDING, ns, component, environment, v->arena);
    const json_t *binding = first != NULL ? snapshot_tree(v->s, first) : NULL;
    return slice_eq(owner_text(binding, "projectName"), project) ? binding : NULL;
}

static const json_t *view_resource_binding(void *user, struct slice ns, struct slice resource,
                                           struct slice environment)
{
    const struct view *v = user;
    const struct snapshot_entry *first =
        binding_first(v->s, SNAPSHOT_RESOURCE_BINDING, ns, resource, environment, v->arena);
    return first != NULL ? snapshot_tree(v->s, first) : NULL;
}

void view_init(struct view *v, const struct snapshot *s, struct arena *arena)
{
    *v = (struct view){.platform = {.user = v,
                                    .get = view_get,
                                    .uid = view_uid,
                                    .listing = view_listing,
                                    .binding = view_binding,
                                    .resource_binding = view_resource_binding},
                       .s = s,
                       .arena = arena};
}

void environment_find(const struct snapshot *s, struct slice ns, struct slice name,
                      struct arena *arena, struct environment *out)
{
    struct view v;
    view_init(&v, s, arena);
    environment_read(&v.platform, ns, name, arena, out);
}

const char *environment_lacks(const struct environment *e, struct arena *arena)
{
    return arena_printf(arena,
                        "there is no EnvironmentTemplate \"%.*s\", which environment \"%.*s\" "
                        "names: create it, or change spec.template; what runs stays as it is",
                        SLICE_ARG(e->missing), SLICE_ARG(object_name(e->object)));
}

/* ---- memberships ---- */

bool component_membership(const struct snapshot *s, const json_t *component, struct arena *arena,
                          struct membership *out)
{
    struct view v;
    view_init(&v, s, arena);
    struct platform_project project = platform_project(&v.platform, component);
    *out =
        (struct membership){.project = project.name, .also = project.also, .named = project.named};
    out->entry = snapshot_find(s, SNAPSHOT_PROJECT, object_ns(component), project.name);
    return project.also.len == 0;
}

static size_t members_add(const struct snapshot *s, struct slice project, struct arena *arena,
                          const struct snapshot_entry **found, size_t count,
                          const struct snapshot_entry *component)
{
    struct membership m;
    const json_t *tree = component != NULL ? snapshot_tree(s, component) : NULL;
    if (tree != NULL && component_membership(s, tree, arena, &m) && slice_eq(m.project, project)) {
        found[count++] = component;
    }
    return count;
}

static int entry_by_name(const void *a, const void *b)
{
    return slice_cmp((*(const struct snapshot_entry *const *)a)->name,
                     (*(const struct snapshot_entry *const *)b)->name);
}

size_t project_members(const struct snapshot *s, const json_t *project, struct arena *arena,
                       const struct snapshot_entry ***out)
{
    struct slice ns = object_ns(project);
    struct slice name = object_name(project);
    const struct snapshot_entry **explicit;
    size_t explicit_count =
        snapshot_list(s, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, ns, name, arena, &explicit);
    const struct snapshot_entry **floating = NULL;
    size_t floating_count = 0;
    if (slice_eq_cstr(name, "default")) {
        floating_count = snapshot_list(s, SNAPSHOT_COMPONENT, SNAPSHOT_BY_PROJECT, ns, SLICE("-"),
                                       arena, &floating);
    }
    const json_t *listed = json_at(project, "spec", "components", NULL);
    size_t room = explicit_count + floating_count + json_array_size(listed) + 1;
    const struct snapshot_entry **found = arena_alloc(arena, room * sizeof(*found));
    size_t count = explicit_count;
    if (count > 0) {
        memcpy(found, explicit, count * sizeof(*found));
    }
    for (size_t i = 0; i < floating_count; i++) {
        count = members_add(s, name, arena, found, count, floating[i]);
    }
    for (size_t i = 0; floating == NULL && i < json_array_size(listed); i++) {
        struct slice member = json_text_at(json_array_get(listed, i), "name");
        const struct snapshot_entry *e = snapshot_find(s, SNAPSHOT_COMPONENT, ns, member);
        if (e != NULL && spec_text(snapshot_tree(s, e), "project").len == 0) {
            count = members_add(s, name, arena, found, count, e);
        }
    }
    qsort(found, count, sizeof(*found), entry_by_name);
    *out = found;
    return count;
}

const json_t *plane_find(const struct snapshot *s, struct slice ns, struct slice name)
{
    const json_t *plane = snapshot_get(s, SNAPSHOT_DATAPLANE, (struct slice){0}, name);
    return plane != NULL && plane_allows(plane, ns) ? plane : NULL;
}

bool plane_has_cluster(const json_t *plane, struct slice cluster)
{
    const json_t *list = json_at(plane, "spec", "clusters", NULL);
    bool has = json_array_size(list) == 0 && slice_eq(object_name(plane), cluster);
    for (size_t i = 0; i < json_array_size(list); i++) {
        has = has || slice_eq(json_text_at(json_array_get(list, i), "name"), cluster);
    }
    return has;
}

const char *cluster_secret_taken(const struct snapshot *s, struct slice plane, struct slice cluster,
                                 struct arena *arena)
{
    const json_t *own = snapshot_get(s, SNAPSHOT_DATAPLANE, (struct slice){0}, plane);
    struct slice joined =
        slice_of(arena_printf(arena, "%.*s-%.*s", SLICE_ARG(plane), SLICE_ARG(cluster)));
    for (size_t i = 1; i < joined.len; i++) {
        struct slice name = slice_sub(joined, 0, i);
        struct slice rest = slice_sub(joined, i + 1, SIZE_MAX);
        if (joined.data[i] != '-' || name.len == plane.len) {
            continue;
        }
        const json_t *other = snapshot_get(s, SNAPSHOT_DATAPLANE, (struct slice){0}, name);
        if (other != NULL && plane_has_cluster(other, rest) &&
            (own == NULL || !plane_has_cluster(own, cluster) || object_age_order(other, own) < 0)) {
            return arena_printf(arena,
                                "its Secret would be that of cluster \"%.*s\" of data plane "
                                "\"%.*s\", which has it already: give this one another name",
                                SLICE_ARG(rest), SLICE_ARG(name));
        }
    }
    return NULL;
}

const struct snapshot_entry *cluster_secret(const struct snapshot *s, struct slice plane,
                                            struct slice cluster, struct arena *arena)
{
    if (cluster_secret_taken(s, plane, cluster, arena) != NULL) {
        return NULL;
    }
    const char *name =
        arena_printf(arena, "cluster-%.*s-%.*s", SLICE_ARG(plane), SLICE_ARG(cluster));
    return snapshot_find(s, SNAPSHOT_SECRET, SLICE(SNAPSHOT_SYSTEM_NS), slice_of(name));
}

const char *cluster_secret_place(const struct snapshot *s, struct slice plane, struct slice cluster,
                                 struct arena *arena)
{
    const json_t *object = snapshot_get(s, SNAPSHOT_DATAPLANE, (struct slice){0}, plane);
    struct slice name = object_annotation(object, PLANE_MADE_OF);
    struct slice ns;
    if (!slice_split(&name, '/', &ns)) {
        ns = SLICE(SNAPSHOT_SYSTEM_NS);
        name = plane;
    } else {
        cluster = name;
    }
    return arena_printf(arena, "%.*s/cluster-%.*s-%.*s", SLICE_ARG(ns), SLICE_ARG(name),
                        SLICE_ARG(cluster));
}

const json_t *cluster_status(const json_t *plane, struct slice cluster)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_at(plane, "status", "clusters", NULL), i, item)
    {
        if (slice_eq(json_text_at(item, "name"), cluster)) {
            return item;
        }
    }
    return NULL;
}

void rollup_add(struct rollup *r, const json_t *object, struct slice name)
{
    struct condition ready = condition_of(object, READY);
    bool progressing = condition_is(object, PROGRESSING, "True");
    r->total++;
    r->progressing += progressing ? 1 : 0;
    if (slice_eq_cstr(ready.status, "True")) {
        r->ready++;
        return;
    }
    size_t before = r->total - 1 - r->ready; /* that are not ready */
    if (before < ROLLUP_NAMES_MAX) {
        r->not_ready[before] = name;
    }
    bool worst_only_progresses =
        r->worst.reason.len == 0 || slice_eq_cstr(r->worst.reason, "Progressing");
    if (r->worst_name.len == 0 || (worst_only_progresses && !progressing)) {
        r->worst_name = name;
        r->worst = ready;
    }
}

/* "; nor is cart", "; nor are cart, web and 3 more", or nothing. */
static void add_others(const struct rollup *r, struct buf *text)
{
    size_t others = r->total - r->ready - 1;
    size_t told = 0;
    for (size_t i = 0; i < ROLLUP_NAMES_MAX && i <= others; i++) {
        if (!slice_eq(r->not_ready[i], r->worst_name)) {
            const char *before = told > 0 ? ", " : others == 1 ? "; nor is " : "; nor are ";
            buf_addf(text, "%s%.*s", before, SLICE_ARG(r->not_ready[i]));
            told++;
        }
    }
    if (told > 0 && told < others) {
        buf_addf(text, " and %zu more", others - told);
    }
}

void rollup_set(json_t *edit, const struct snapshot *s, const struct rollup *r, const char *noun)
{
    const char *plural = r->total == 1 ? "" : "s";
    const char *verb = r->ready == 1 || r->total == 1 ? "is" : "are";
    if (r->ready == r->total) {
        condition_set(edit, s, READY, STATUS_TRUE, "AllReady", "%zu of %zu %s%s %s ready", r->ready,
                      r->total, noun, plural, verb);
        condition_set(edit, s, PROGRESSING, STATUS_FALSE, "Settled", "nothing is under way");
        return;
    }
    struct slice reason = r->worst.reason.len > 0 ? r->worst.reason : SLICE("Progressing");
    struct slice message =
        r->worst.message.len > 0 ? r->worst.message : SLICE("has not been looked at yet");
    char text[128];
    struct buf others = {0};
    add_others(r, &others);
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(reason));
    condition_set(edit, s, READY, STATUS_FALSE, text, "%zu of %zu %s%s %s ready; %.*s: %.*s%.*s",
                  r->ready, r->total, noun, plural, verb, SLICE_ARG(r->worst_name),
                  SLICE_ARG(message), SLICE_ARG(buf_slice(&others)));
    buf_free(&others);
    bool moving = r->progressing > 0 || r->worst.reason.len == 0;
    condition_set(edit, s, PROGRESSING, moving ? STATUS_TRUE : STATUS_FALSE,
                  moving ? "Progressing" : "Stuck",
                  moving ? "work is under way" : "waiting for what stands in the way of Ready");
}

void placed_set(json_t *edit, const struct snapshot *s, const char *reason, const char *message,
                const struct rollup *r, size_t clusters)
{
    if (reason == NULL && r->total >= clusters) {
        rollup_set(edit, s, r, "cluster");
        return;
    }
    bool moving = reason == NULL || slice_eq_cstr(slice_of(reason), PROGRESSING);
    if (reason != NULL) {
        condition_set(edit, s, READY, STATUS_FALSE, reason, "%s", message);
    } else {
        condition_set(edit, s, READY, STATUS_FALSE, PROGRESSING, "being placed on %zu cluster%s",
                      clusters, clusters == 1 ? "" : "s");
    }
    condition_set(edit, s, PROGRESSING, moving ? STATUS_TRUE : STATUS_FALSE,
                  moving ? PROGRESSING : "Stuck",
                  moving ? "work is under way" : "waiting for what stands in the way of Ready");
}

/* The oldest of those in an environment and first, which may be NULL. */
static const struct snapshot_entry *oldest_in(const struct snapshot *s,
                                              const struct snapshot_entry *const *all, size_t count,
                                              struct slice environment,
                                              const struct snapshot_entry *first)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *tree = snapshot_tree(s, all[i]);
        if (slice_eq(spec_text(tree, "environment"), environment) &&
            (first == NULL || object_age_order(tree, snapshot_tree(s, first)) < 0)) {
            first = all[i];
        }
    }
    return first;
}

const struct snapshot_entry *binding_before(const struct snapshot *s,
                                            const struct snapshot_entry *entry, struct arena *arena)
{
    const json_t *binding = snapshot_tree(s, entry);
    struct slice environment = spec_text(binding, "environment");
    const struct snapshot_entry **all;
    struct slice of = owner_text(binding, "componentName");
    enum snapshot_index index = SNAPSHOT_BY_COMPONENT;
    if (entry->kind == SNAPSHOT_OC_CELL) {
        of =
            slice_of(arena_printf(arena, "%.*s/%.*s", SLICE_ARG(owner_text(binding, "projectName")),
                                  SLICE_ARG(environment)));
        index = SNAPSHOT_BY_CELL;
    } else if (owner_text(binding, "resourceName").len > 0) {
        of = owner_text(binding, "resourceName");
        index = SNAPSHOT_BY_RESOURCE;
    }
    size_t count = snapshot_list(s, entry->kind, index, entry->ns, of, arena, &all);
    const struct snapshot_entry *first = oldest_in(s, all, count, environment, entry);
    return first != entry ? first : NULL;
}

const struct snapshot_entry *binding_first(const struct snapshot *s, enum snapshot_kind kind,
                                           struct slice ns, struct slice owner,
                                           struct slice environment, struct arena *arena)
{
    const struct snapshot_entry **all;
    enum snapshot_index index =
        kind == SNAPSHOT_BINDING ? SNAPSHOT_BY_COMPONENT : SNAPSHOT_BY_RESOURCE;
    size_t count = snapshot_list(s, kind, index, ns, owner, arena, &all);
    return oldest_in(s, all, count, environment, NULL);
}

/* Where even the default one is missing, it is mostly because there is no plane yet. */
static const char *pipeline_lacks(const struct snapshot *s, struct slice ns, struct slice name,
                                  struct arena *arena)
{
    const struct snapshot_entry **planes;
    bool first =
        slice_eq_cstr(name, "default") && snapshot_all(s, SNAPSHOT_DATAPLANE, arena, &planes) == 0;
    return arena_printf(arena, "there is no deployment pipeline \"%.*s\" in namespace \"%.*s\"%s",
                        SLICE_ARG(name), SLICE_ARG(ns),
                        first ? ", and no data plane: it comes by itself with the first one" : "");
}

struct slice first_environment(const struct snapshot *s, struct slice ns,
                               const struct snapshot_entry *project, struct arena *arena,
                               const char **reason, const char **message)
{
    struct slice name =
        project != NULL ? spec_text(snapshot_tree(s, project), "deploymentPipeline") : SLICE("");
    name = name.len > 0 ? name : SLICE("default");
    const json_t *pipeline = snapshot_get(s, SNAPSHOT_PIPELINE, ns, name);
    struct slice first = pipeline_first(pipeline);
    const struct snapshot_entry *env =
        first.len > 0 ? snapshot_find(s, SNAPSHOT_ENVIRONMENT, ns, first) : NULL;
    if (env != NULL && !env->deleting) {
        return first;
    }
    *reason = pipeline == NULL ? "PipelineNotFound"
              : first.len == 0 ? "PipelineInvalid"
                               : "EnvironmentNotFound";
    *message = pipeline == NULL ? pipeline_lacks(s, ns, name, arena)
               : first.len == 0
                   ? arena_printf(arena,
                                  "deployment pipeline \"%.*s\" has no environment that releases "
                                  "start in",
                                  SLICE_ARG(name))
                   : arena_printf(arena, "environment \"%.*s\", where pipeline \"%.*s\" starts, %s",
                                  SLICE_ARG(first), SLICE_ARG(name),
                                  env == NULL ? "does not exist" : "is being deleted");
    return SLICE("");
}

struct slice binding_name(const struct snapshot *s, struct arena *arena, struct slice ns,
                          struct slice component, struct slice environment)
{
    struct slice name = deployment_binding_name(arena, component, environment);
    const json_t *there = snapshot_get(s, SNAPSHOT_BINDING, ns, name);
    bool another = there != NULL && (!slice_eq(owner_text(there, "componentName"), component) ||
                                     !slice_eq(spec_text(there, "environment"), environment));
    return another ? deployment_binding_name_apart(arena, component, environment) : name;
}

void binding_requested_by(json_t *edit, struct slice user)
{
    if (user.len > 0) {
        object_set_annotation(edit, PROMOTION_REQUESTED_BY, user);
    } else {
        object_remove_annotation(edit, PROMOTION_REQUESTED_BY);
    }
}

bool has_owner(const json_t *object)
{
    return json_array_size(json_at(object, "metadata", "ownerReferences", NULL)) > 0;
}

bool owned_by(const json_t *object, struct slice uid)
{
    size_t i;
    json_t *ref;
    json_array_foreach(json_at(object, "metadata", "ownerReferences", NULL), i, ref)
    {
        if (slice_eq(json_text_at(ref, "uid"), uid)) {
            return true;
        }
    }
    return false;
}
