/* What single kinds want besides their schemas: Secret, ConfigMap, Namespace, Lease, Event,
 * Component, DeploymentPipeline, CustomResourceDefinition; and Scale. */
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "proto/admit_internal.h"
#include "proto/crd.h"
#include "proto/kube_rules.h"
#include "proto/schema_internal.h"
#include "proto/tree_internal.h"

/* stringData is for writing only: it goes into data. */
static void prepare_secret(json_t *object)
{
    json_t *texts = json_object_get(object, "stringData");
    json_t *data =
        json_is_object(texts) && json_object_size(texts) > 0 ? json_child(object, "data") : NULL;
    if (data != NULL) {
        TREE_EACH(it, texts)
        {
            struct buf encoded = {0};
            base64_encode(&encoded, json_text(json_object_iter_value(it)));
            tree_set(data, tree_key(it), json_str(buf_slice(&encoded)));
            buf_free(&encoded);
        }
    }
    (void)json_object_del(object, "stringData");
}

static void prepare_namespace(struct admit_result *result)
{
    object_set_label(result->object, "kubernetes.io/metadata.name", result->name);
    json_t *status = json_child(result->object, "status");
    if (status != NULL && json_text_at(status, "phase").len == 0) {
        json_object_set_new(status, "phase", json_string("Active"));
    }
}

void admit__prepare_kind(const struct admit_request *request, struct admit_result *result)
{
    struct slice resource = request->kind->resource;
    if (slice_eq_cstr(resource, "secrets")) {
        prepare_secret(result->object);
    } else if (slice_eq_cstr(resource, "namespaces") && request->sub == ADMIT_MAIN) {
        prepare_namespace(result);
    } else if (slice_eq_cstr(resource, "rolebindings.rbac.authorization.k8s.io") ||
               slice_eq_cstr(resource, "clusterrolebindings.rbac.authorization.k8s.io")) {
        admit__prepare_binding(result->object);
    } else if (slice_eq_cstr(resource, CRD_RESOURCE)) {
        crd_prepare(result->object);
    }
}

static void check_frozen(struct admit_result *result, const char *field)
{
    const json_t *before = json_object_get(result->before, field);
    const json_t *after = json_object_get(result->object, field);
    bool same = before == NULL || after == NULL ? before == after : json_equal(before, after);
    if (json_is_true(json_object_get(result->before, "immutable")) && !same) {
        cause_add(&result->causes, CAUSE_FORBIDDEN, slice_of(field),
                  "Forbidden: field is immutable when `immutable` is set");
    }
}

/* What they hold is looked at by kube_rules_check(). */
static void check_data(const struct admit_request *request, struct admit_result *result)
{
    if (slice_eq_cstr(request->kind->resource, "secrets")) {
        admit__check_secret_type(result);
    }
    check_frozen(result, "data");
    check_frozen(result, "binaryData");
    check_frozen(result, "immutable");
}

static void check_lease(const struct admit_request *request, struct admit_result *result)
{
    (void)request;
    const json_t *spec = json_object_get(result->object, "spec");
    if (json_text_at(spec, "preferredHolder").len > 0 && json_text_at(spec, "strategy").len == 0) {
        cause_add(&result->causes, CAUSE_FORBIDDEN, SLICE("spec.preferredHolder"),
                  "Forbidden: may only be specified when `strategy` is defined");
    }
}

/* What a reporter of the newer form must say of a new one. */
static void check_reported(struct admit_result *result)
{
    static const struct {
        const char *name;
        size_t bytes_max; /* 0: any */
    } required[] = {{"eventTime", 0},
                    {"reportingController", 0},
                    {"reportingInstance", 128},
                    {"action", 128},
                    {"reason", 128}};
    enum { NOTE_BYTES_MAX = 1024 };
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        struct slice text = json_text_at(result->object, required[i].name);
        size_t most = required[i].bytes_max;
        if (text.len == 0) {
            cause_add(&result->causes, CAUSE_REQUIRED, slice_of(required[i].name),
                      "Required value");
        } else if (most != 0 && text.len > most) {
            cause_add(&result->causes, CAUSE_INVALID, slice_of(required[i].name),
                      "Invalid value: can have at most %zu characters", most);
        }
    }
    if (json_text_at(result->object, "note").len > NOTE_BYTES_MAX) {
        cause_add(&result->causes, CAUSE_INVALID, SLICE("note"),
                  "Invalid value: can have at most %d characters", NOTE_BYTES_MAX);
    }
    struct slice type = json_text_at(result->object, "type");
    if (!slice_eq_cstr(type, "Normal") && !slice_eq_cstr(type, "Warning")) {
        cause_add(&result->causes, CAUSE_NOT_SUPPORTED, SLICE("type"),
                  "Unsupported value: \"%.*s\": supported values: \"Normal\", \"Warning\"",
                  SLICE_ARG(slice_sub(type, 0, 100)));
    }
}

/* It is where the object is that it is about; of an object that is nowhere, in default. */
static void check_event(const struct admit_request *request, struct admit_result *result)
{
    bool newer = request->kind->group.len > 0;
    const char *member = newer ? "regarding" : "involvedObject";
    struct slice about = json_text(json_at(result->object, member, "namespace", NULL));
    bool fits =
        slice_eq(about, request->ns) || (about.len == 0 && slice_eq_cstr(request->ns, "default"));
    if (!fits) {
        cause_add(&result->causes, CAUSE_INVALID,
                  newer ? SLICE("regarding.namespace") : SLICE("involvedObject.namespace"),
                  "Invalid value: \"%.*s\": does not match event.namespace",
                  SLICE_ARG(slice_sub(about, 0, 300)));
    }
    if (newer && result->before == NULL) {
        check_reported(result);
    }
}

/* What comes of a Secret is no build's to bake into an image. What was so already may stay. */
static void check_build(struct admit_result *result)
{
    const json_t *before = json_at(result->before, "spec", "build", "env", NULL);
    json_t *env = json_at(result->object, "spec", "build", "env", NULL);
    size_t i;
    json_t *item;
    if (before != NULL && env != NULL && json_equal(before, env)) {
        return;
    }
    json_array_foreach(env, i, item)
    {
        if (json_object_get(item, "valueFrom") != NULL) {
            char field[64];
            (void)snprintf(field, sizeof(field), "spec.build.env[%zu].valueFrom", i);
            cause_add(&result->causes, CAUSE_FORBIDDEN, slice_of(field),
                      "Forbidden: a build takes values alone, as images keep them; what is secret "
                      "belongs in spec.env");
        }
    }
}

static bool says(const json_t *component, const char *field)
{
    const json_t *value = json_at(component, "spec", field, NULL);
    bool list = json_is_array(value);
    return value != NULL && !json_is_null(value) && (!list || json_array_size(value) > 0);
}

/* Is a field, dropped for the sake of a workload, what it was before? */
static bool was_dropped(const json_t *before, const json_t *after, const char *field)
{
    return says(before, "workload") && says(before, field) &&
           json_equal(json_at(before, "spec", field, NULL), json_at(after, "spec", field, NULL));
}

/* A workload is taken whole, and what stands beside it is not looked at. What was so already may
 * stay. */
static void check_workload(struct admit_result *result)
{
    static const struct {
        const char *field;
        const char *place; /* in a workload */
    } dropped[] = {{"image", "container.image"},    {"command", "container.command"},
                   {"args", "container.args"},      {"env", "container.env"},
                   {"files", "container.files"},    {"endpoints", "endpoints"},
                   {"dependencies", "dependencies"}};
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        const char *name = dropped[i].field;
        if (says(result->object, "workload") && says(result->object, name) &&
            !was_dropped(result->before, result->object, name)) {
            char field[64];
            (void)snprintf(field, sizeof(field), "spec.%s", name);
            cause_add(&result->causes, CAUSE_FORBIDDEN, slice_of(field),
                      "Forbidden: spec.workload is in its place: say it in spec.workload.%s",
                      dropped[i].place);
        }
    }
}

/* The built-in types that are called make a Service of the component's name. A component that is
 * there cannot change it. */
static void check_service_name(struct admit_result *result)
{
    const json_t *spec = json_object_get(result->object, "spec");
    struct slice type = json_text_at(spec, "type");
    struct slice name = object_name(result->object);
    bool called = slice_eq_cstr(type, "service") || slice_eq_cstr(type, "web-application");
    if (result->before != NULL || !called || json_object_get(spec, "componentType") != NULL ||
        schema_dns_label(name) != NULL) { /* which is said already */
        return;
    }
    const char *rule = schema_dns_1035(name);
    if (rule != NULL) {
        cause_add(
            &result->causes, CAUSE_INVALID, SLICE("metadata.name"),
            "Invalid value: \"%.*s\": the Service of a component of type %.*s has its name: %s",
            SLICE_ARG(slice_sub(name, 0, 300)), SLICE_ARG(type), rule);
    }
}

static void check_component(const struct admit_request *request, struct admit_result *result)
{
    (void)request;
    check_build(result);
    check_workload(result);
    check_service_name(result);
}

/* A target that is there already is a second word on the same gates, of which one may be none.
 * Names are kept in `seen`. */
static void check_target(struct admit_result *result, json_t *seen, struct slice name, size_t path,
                         size_t at)
{
    char field[96];
    (void)snprintf(field, sizeof(field), "spec.promotionPaths[%zu].targetEnvironmentRefs[%zu].name",
                   path, at);
    if (tree_get(seen, name) != NULL) {
        cause_add(&result->causes, CAUSE_DUPLICATE, slice_of(field),
                  "Duplicate value: \"%.*s\": its source leads there already: say in one place "
                  "what must hold",
                  SLICE_ARG(slice_sub(name, 0, 100)));
    }
    tree_set(seen, name, json_true());
}

/* Each source names a target once. What was so already may stay, and what comes of OpenChoreo's:
 * the gates add up (reconcile/controllers/promotion.c). */
static void check_pipeline(const struct admit_request *request, struct admit_result *result)
{
    const json_t *before = json_at(result->before, "spec", "promotionPaths", NULL);
    const json_t *paths = json_at(result->object, "spec", "promotionPaths", NULL);
    if (request->system || (before != NULL && paths != NULL && json_equal(before, paths))) {
        return;
    }
    json_t *sources = json_object(); /* and the targets of each */
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const json_t *path = json_array_get(paths, i);
        const json_t *targets = json_object_get(path, "targetEnvironmentRefs");
        struct slice source = json_text(json_at(path, "sourceEnvironmentRef", "name", NULL));
        if (tree_get(sources, source) == NULL) {
            tree_set(sources, source, json_object());
        }
        for (size_t k = 0; k < json_array_size(targets); k++) {
            struct slice name = json_text_at(json_array_get(targets, k), "name");
            check_target(result, tree_get(sources, source), name, i, k);
        }
    }
    json_decref(sources);
}

static void check_definition(const struct admit_request *request, struct admit_result *result)
{
    if (result->causes.count == 0) {
        crd_check(result->object, result->before, request->expressions, &result->causes);
    }
}

static const struct {
    const char *resource;
    void (*check)(const struct admit_request *request, struct admit_result *result);
} checks[] = {
    {"secrets", check_data},
    {"configmaps", check_data},
    {"events", check_event},
    {"events.events.k8s.io", check_event},
    {"leases.coordination.k8s.io", check_lease},
    {"components.choreo.dev", check_component},
    {"deploymentpipelines.choreo.dev", check_pipeline},
    {CRD_RESOURCE, check_definition},
    {"daemonsets.apps", admit__check_selector},
    {"deployments.apps", admit__check_selector},
    {"jobs.batch", admit__check_job},
    {"replicasets.apps", admit__check_selector},
    {"services", admit__check_service},
    {"statefulsets.apps", admit__check_stateful_set},
    {"persistentvolumeclaims", admit__check_claim},
    {"rolebindings.rbac.authorization.k8s.io", admit__check_binding},
    {"clusterrolebindings.rbac.authorization.k8s.io", admit__check_binding},
    {"selfsubjectaccessreviews.authorization.k8s.io", admit__check_self_access},
    {"subjectaccessreviews.authorization.k8s.io", admit__check_access},
    {"localsubjectaccessreviews.authorization.k8s.io", admit__check_local_access},
    {"tokenrequests.authentication.k8s.io", admit__check_token_request},
    {"selfsubjectrulesreviews.authorization.k8s.io", admit__check_rules_review},
};

/* Whether anything but metadata and status is new. */
static bool spec_is_new(const struct admit_result *result)
{
    TREE_EACH(it, result->object)
    {
        struct slice name = tree_key(it);
        const json_t *before = tree_get(result->before, name);
        if (!slice_eq_cstr(name, "metadata") && !slice_eq_cstr(name, "status") &&
            (before == NULL || !json_equal(before, json_object_iter_value(it)))) {
            return true;
        }
    }
    return false;
}

void admit__check_kube(struct admit_result *result)
{
    if (spec_is_new(result)) {
        kube_rules_check(result->object, &result->causes);
    }
}

void admit__check_kind(const struct admit_request *request, struct admit_result *result)
{
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (slice_eq_cstr(request->kind->resource, checks[i].resource)) {
            checks[i].check(request, result);
        }
    }
}

/* ---- what a write brings about ---- */

/* The data plane of an environment: ours names it, OpenChoreo's its kind, too, or none at all. */
static const char *plane_of(const struct admit_request *request, const json_t *environment)
{
    const json_t *spec = json_object_get(environment, "spec");
    const json_t *ref = json_object_get(spec, "dataPlaneRef");
    struct slice name = json_text_at(spec, "dataPlane");
    if (ref != NULL) {
        return arena_printf(request->arena, "%.*s/%.*s", SLICE_ARG(json_text_at(ref, "kind")),
                            SLICE_ARG(json_text_at(ref, "name")));
    }
    return name.len > 0 ? arena_cstr(request->arena, name) : "default";
}

/* Nobody means to lose a database by changing a name. */
static void warn_of_move(const struct admit_request *request, struct admit_result *result,
                         const char *field)
{
    const char *from = plane_of(request, result->before);
    const char *to = plane_of(request, result->object);
    if (result->before == NULL || strcmp(from, to) == 0) {
        return;
    }
    admit_warn(request, result,
               slice_of(arena_printf(
                   request->arena,
                   "spec.%s: what runs in environment \"%.*s\" moves from data plane \"%s\" to "
                   "\"%s\": it is deployed anew there; where it was it stays until all is healthy, "
                   "at most for placement.drainWithin (default: 10m), and is deleted then. Data "
                   "does not move: volumes and databases begin empty, and what was in them is "
                   "deleted unless its resource is retained",
                   field, SLICE_ARG(object_name(result->object)), from, to)));
}

/* They have no status to say it in, and nobody may think that access is granted, or denied. */
static void warn_of_no_effect(const struct admit_request *request, struct admit_result *result)
{
    admit_warn(request, result,
               slice_of(arena_printf(
                   request->arena, "%.*s \"%.*s\" is stored; grants and denies nothing",
                   SLICE_ARG(request->kind->kind), SLICE_ARG(object_name(result->object)))));
}

void admit__warn_kind(const struct admit_request *request, struct admit_result *result)
{
    struct slice resource = request->kind->resource;
    if (slice_eq_cstr(resource, "environments.choreo.dev")) {
        warn_of_move(request, result, "dataPlane");
    } else if (slice_eq_cstr(resource, "environments.openchoreo.dev")) {
        warn_of_move(request, result, "dataPlaneRef");
    } else if (slice_eq_cstr(request->kind->group, OPENCHOREO_GROUP) &&
               slice_find(request->kind->kind, SLICE("AuthzRole")) != SIZE_MAX) {
        warn_of_no_effect(request, result);
    }
}

/* ---- Scale ---- */

/* ".spec.replicas": the object that holds the last step, made if asked; the step in *last. */
static json_t *holder(json_t *object, struct slice path, bool make, struct slice *last)
{
    json_t *at = object;
    struct slice step = {0};
    struct slice next;
    if (path.len > 0 && path.data[0] == '.') {
        path = slice_sub(path, 1, SIZE_MAX);
    }
    while (slice_split(&path, '.', &next)) {
        if (step.len > 0) {
            json_t *child = tree_get(at, step);
            if (child == NULL && make && json_is_object(at)) {
                child = json_object();
                tree_set(at, step, child);
            }
            at = child;
        }
        step = next;
    }
    *last = step;
    return json_is_object(at) ? at : NULL;
}

bool admit__scale_take(const struct kind *kind, const json_t *scale, json_t *object)
{
    const json_t *replicas = json_at(scale, "spec", "replicas", NULL);
    struct slice last;
    json_t *at = holder(object, kind->scale_spec_replicas, true, &last);
    if (!json_is_integer(replicas) || json_integer_value(replicas) < 0 ||
        json_integer_value(replicas) > INT32_MAX || at == NULL) {
        return false;
    }
    tree_set(at, last, json_integer(json_integer_value(replicas)));
    return true;
}

static json_t *number_at(const json_t *object, struct slice path)
{
    const json_t *value = path.len > 0 ? object_path(object, path) : NULL;
    return json_integer(json_integer_value(value));
}

json_t *admit__scale_view(const struct kind *kind, const json_t *object)
{
    static const char *const shown[] = {"name", "namespace", "uid", "resourceVersion",
                                        "creationTimestamp"};
    json_t *meta = json_object();
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        const json_t *value = json_at(object, "metadata", shown[i], NULL);
        if (value != NULL) {
            json_object_set_new(meta, shown[i], tree_copy(value));
        }
    }
    json_t *status = json_object();
    json_object_set_new(status, "replicas", number_at(object, kind->scale_status_replicas));
    struct slice selector =
        json_text(kind->scale_selector.len > 0 ? object_path(object, kind->scale_selector) : NULL);
    if (selector.len > 0) {
        json_object_set_new(status, "selector", json_str(selector));
    }
    json_t *spec = json_object();
    json_object_set_new(spec, "replicas", number_at(object, kind->scale_spec_replicas));
    json_t *scale = json_object();
    json_object_set_new(scale, "apiVersion", json_string("autoscaling/v1"));
    json_object_set_new(scale, "kind", json_string("Scale"));
    json_object_set_new(scale, "metadata", meta);
    json_object_set_new(scale, "spec", spec);
    json_object_set_new(scale, "status", status);
    return scale;
}

int admit_scale(const struct kind *kind, const struct backend_object *object, struct buf *out,
                struct err *err)
{
    json_t *tree = NULL;
    if (kind->scale_spec_replicas.len == 0) {
        return err_set(err, ERR_METHOD, "%.*s have no scale", SLICE_ARG(kind->resource));
    }
    struct buf room = {0};
    struct backend_object read = object_as_read(kind, object, &room);
    int rc = object_parse(read.body, object->version, &tree, err);
    buf_free(&room);
    if (rc != 0) {
        return rc;
    }
    json_t *scale = admit__scale_view(kind, tree);
    json_canonical(scale, out);
    json_decref(scale);
    json_decref(tree);
    return 0;
}
