/* shape.c: types and forms come from the tables of proto/k8s. What is required does not: those
 * tables say what protobuf does, where everything is optional, and so it is listed here. */
#include "render/shape.h"

#include <stdio.h>
#include <string.h>

#include "proto/kind.h"
#include "proto/schema.h"
#include "proto/cron.h"
#include "render/manifest.h"

enum { PATH_MAX_DEPTH = 8 };

struct requirement {
    const char *kind;
    const char *path; /* of a member; the kind's name is enough, since its schema was found */
};

static const struct requirement required[] = {
    {"Deployment", "spec.selector"},
    {"Deployment", "spec.template"},
    {"StatefulSet", "spec.selector"},
    {"StatefulSet", "spec.template"},
    {"DaemonSet", "spec.selector"},
    {"DaemonSet", "spec.template"},
    {"ReplicaSet", "spec.selector"},
    {"ReplicaSet", "spec.template"},
    {"Job", "spec.template"},
    {"CronJob", "spec.schedule"},
    {"CronJob", "spec.jobTemplate"},
    {"HorizontalPodAutoscaler", "spec.scaleTargetRef.kind"},
    {"HorizontalPodAutoscaler", "spec.scaleTargetRef.name"},
    {"HorizontalPodAutoscaler", "spec.maxReplicas"},
    {"PersistentVolumeClaim", "spec.accessModes"},
    {"PersistentVolumeClaim", "spec.resources.requests.storage"},
    {"NetworkPolicy", "spec"},
    {"RoleBinding", "roleRef.kind"},
    {"RoleBinding", "roleRef.name"},
};

/* Where kinds have the spec of their pods. */
static const struct requirement pods[] = {
    {"Pod", "spec"},
    {"Deployment", "spec.template.spec"},
    {"StatefulSet", "spec.template.spec"},
    {"DaemonSet", "spec.template.spec"},
    {"ReplicaSet", "spec.template.spec"},
    {"Job", "spec.template.spec"},
    {"CronJob", "spec.jobTemplate.spec.template.spec"},
};

/* The value at "a.b.c", or NULL; null is absent. */
static const json_t *at_path(const json_t *value, const char *path)
{
    for (size_t i = 0; value != NULL && i < PATH_MAX_DEPTH && *path != '\0'; i++) {
        size_t len = strcspn(path, ".");
        value = json_object_getn(value, path, len);
        path += len + (path[len] == '.' ? 1 : 0);
    }
    return json_is_null(value) ? NULL : value;
}

static void need(struct causes *causes, const json_t *value, const char *path)
{
    if (value == NULL || (json_is_string(value) && json_string_length(value) == 0)) {
        cause_add(causes, CAUSE_REQUIRED, slice_of(path), "Required value");
    }
}

static void check_required(struct causes *causes, const json_t *object, struct slice kind)
{
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        if (slice_eq_cstr(kind, required[i].kind)) {
            need(causes, at_path(object, required[i].path), required[i].path);
        }
    }
}

/* ---- pods ---- */

static bool quantity_at(const json_t *amounts, const char *name, char text[64], schema_nano *nano)
{
    const json_t *value = json_object_get(amounts, name);
    if (json_is_integer(value)) {
        snprintf(text, 64, "%lld", (long long)json_integer_value(value));
    } else {
        snprintf(text, 64, "%.*s", SLICE_ARG(json_text(value)));
    }
    return schema_quantity(slice_of(text), nano);
}

/* Nothing may ask for more than it may use. */
static void check_limits(struct causes *causes, const json_t *container, const char *path)
{
    const json_t *resources = json_object_get(container, "resources");
    const json_t *limits = json_object_get(resources, "limits");
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(resources, "requests"), name, value)
    {
        char asked_text[64];
        char limit_text[64];
        schema_nano asked;
        schema_nano limit;
        if (quantity_at(json_object_get(resources, "requests"), name, asked_text, &asked) &&
            quantity_at(limits, name, limit_text, &limit) && asked > limit) {
            cause_add(causes, CAUSE_INVALID,
                      slice_of(arena_printf(causes->arena, "%s.resources.requests", path)),
                      "Invalid value: \"%s\": must be less than or equal to %s limit of %s",
                      asked_text, name, limit_text);
        }
    }
}

static void check_containers(struct causes *causes, const json_t *spec, const char *path,
                             const char *list)
{
    const json_t *containers = json_object_get(spec, list);
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *one = json_array_get(containers, i);
        need(causes, at_path(one, "name"),
             arena_printf(causes->arena, "%s.%s[%zu].name", path, list, i));
        need(causes, at_path(one, "image"),
             arena_printf(causes->arena, "%s.%s[%zu].image", path, list, i));
        check_limits(causes, one, arena_printf(causes->arena, "%s.%s[%zu]", path, list, i));
    }
}

static void check_pods(struct causes *causes, const json_t *object, struct slice kind)
{
    size_t i = 0;
    size_t count = sizeof pods / sizeof *pods;
    while (i < count && !slice_eq_cstr(kind, pods[i].kind)) {
        i++;
    }
    if (i == count) {
        return;
    }
    const json_t *spec = at_path(object, pods[i].path);
    if (json_array_size(json_object_get(spec, "containers")) == 0) {
        need(causes, NULL, arena_printf(causes->arena, "%s.containers", pods[i].path));
    }
    check_containers(causes, spec, pods[i].path, "containers");
    check_containers(causes, spec, pods[i].path, "initContainers");
}

/* A controller's selector must choose the pods that it makes. (A Job's is the cluster's to set.) */
static void check_selector(struct causes *causes, const json_t *object)
{
    const json_t *selector = at_path(object, "spec.selector");
    const json_t *labels = at_path(object, "spec.template.metadata.labels");
    const char *name;
    json_t *value;
    if (json_object_size(json_object_get(selector, "matchLabels")) == 0 &&
        json_array_size(json_object_get(selector, "matchExpressions")) == 0) {
        cause_add(causes, CAUSE_INVALID, SLICE("spec.selector"),
                  "Invalid value: {}: an empty selector chooses every pod");
        return;
    }
    json_object_foreach(json_object_get(selector, "matchLabels"), name, value)
    {
        if (!json_equal(json_object_get(labels, name), value)) {
            cause_add(causes, CAUSE_INVALID, SLICE("spec.template.metadata.labels"),
                      "Invalid value: the selector says %s: %s, which the pods do not have", name,
                      json_string_value(value));
        }
    }
}

/* ---- the rest ---- */

static void check_service(struct causes *causes, const json_t *object)
{
    const json_t *spec = json_object_get(object, "spec");
    const json_t *ports = json_object_get(spec, "ports");
    bool may_have_none = slice_eq_cstr(json_text_at(spec, "clusterIP"), "None") ||
                         slice_eq_cstr(json_text_at(spec, "type"), "ExternalName");
    if (json_array_size(ports) == 0 && !may_have_none) {
        need(causes, NULL, "spec.ports");
    }
    for (size_t i = 0; i < json_array_size(ports); i++) {
        need(causes, at_path(json_array_get(ports, i), "port"),
             arena_printf(causes->arena, "spec.ports[%zu].port", i));
    }
}

static void check_schedule(struct causes *causes, const json_t *object)
{
    struct slice schedule = json_text(json_at(object, "spec", "schedule", NULL));
    if (schedule.len > 0 && !cron_valid(schedule)) {
        cause_add(causes, CAUSE_INVALID, SLICE("spec.schedule"),
                  "Invalid value: \"%.*s\": " CRON_RULE, SLICE_ARG(schedule));
    }
}

static void check_kind(struct causes *causes, const json_t *object, struct slice kind)
{
    check_required(causes, object, kind);
    if (causes->count > 0) {
        return; /* the rest is about what is not there */
    }
    check_pods(causes, object, kind);
    if (slice_eq_cstr(kind, "Service")) {
        check_service(causes, object);
    } else if (slice_eq_cstr(kind, "CronJob")) {
        check_schedule(causes, object);
    } else if (!slice_eq_cstr(kind, "Job") && at_path(object, "spec.template") != NULL) {
        check_selector(causes, object);
    }
}

/* Kubernetes reads null as absent, wherever it stands. */
static void forgive_nulls(struct causes *causes)
{
    size_t kept = 0;
    for (size_t i = 0; i < causes->count; i++) {
        bool null = causes->items[i].kind == CAUSE_TYPE &&
                    slice_starts_with(causes->items[i].message, SLICE("Invalid value: null:"));
        if (!null) {
            causes->items[kept++] = causes->items[i];
        }
    }
    causes->count = kept;
}

/* What is wrong with a Secret is told in conditions, which others read than may read it. */
static void hide_values(struct causes *causes)
{
    for (size_t i = 0; i < causes->count; i++) {
        causes->items[i].message = SLICE("Invalid value: (not shown: it may be secret)");
    }
}

int shape_check(const struct resource *r, struct err *err)
{
    struct slice name = json_text_at(r->object, "kind");
    const struct kind *kind = kind_of_kubernetes(json_text_at(r->object, "apiVersion"), name);
    if (kind == NULL || kind->schema == NULL) {
        return 0;
    }
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    int rc = 0;
    schema_validate(kind->schema, r->object, NULL, SLICE(""), &causes);
    forgive_nulls(&causes);
    if (causes.count == 0) { /* members are of their types from here on */
        check_kind(&causes, r->object, name);
    }
    if (slice_eq_cstr(name, "Secret")) {
        hide_values(&causes);
    }
    if (causes.count > 0) {
        struct buf text = {0};
        causes_text(&causes, &text);
        rc = manifest_refuse(
            err, r, arena_printf(&arena, "would be refused by its cluster: %s", buf_cstr(&text)));
        buf_free(&text);
    }
    arena_free(&arena);
    return rc;
}
