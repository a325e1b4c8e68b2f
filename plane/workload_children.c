/* workload_children.c: what a simulated cluster's workloads make: ReplicaSets, Pods, Jobs, claims.
 *
 * A child follows from its owner: its name is the owner's with a suffix that the owner's template,
 * uid or minute decides, so that looking again gives the same children, and a new template gives a
 * new ReplicaSet. What a Pod runs is the template's, placed on one of the made-up nodes. */
#include "plane/workload.h"

#include <stdio.h>
#include <stdlib.h>

#include "plane/cron.h"
#include "plane/workload_internal.h"
#include "proto/object.h"
#include "render/run.h"

/* Letters and digits without vowels, as Kubernetes' own suffixes. */
static void suffix_of(uint64_t hash, size_t len, char *out)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    for (size_t i = 0; i < len; i++) {
        out[i] = letters[hash % (sizeof letters - 1)];
        hash /= sizeof letters - 1;
    }
    out[len] = '\0';
}

static uint64_t hash_tree(const json_t *tree)
{
    struct buf text = {0};
    json_canonical(tree, &text);
    uint64_t hash = slice_hash(buf_slice(&text));
    buf_free(&text);
    return hash;
}

static json_t *named_child(const char *api_version, const char *kind, const json_t *owner,
                           const char *suffix)
{
    struct buf name = {0};
    buf_addf(&name, "%.*s-%s", SLICE_ARG(slice_sub(object_name(owner), 0, 240)), suffix);
    json_t *child = object_new(api_version, kind, object_ns(owner), buf_slice(&name));
    buf_free(&name);
    return child;
}

/* Labels and annotations of the template, its spec. */
static json_t *pod_of(const json_t *owner, const char *suffix)
{
    const json_t *template = json_at(owner, "spec", "template", NULL);
    json_t *pod = named_child("v1", "Pod", owner, suffix);
    json_t *meta = json_child(pod, "metadata");
    static const char *const copied[] = {"labels", "annotations"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *from = json_at(template, "metadata", copied[i], NULL);
        if (from != NULL) {
            json_object_set_new(meta, copied[i], json_deep_copy(from));
        }
    }
    const json_t *spec = json_object_get(template, "spec");
    json_t *copy = spec != NULL ? json_deep_copy(spec) : json_object();
    char node[32];
    (void)snprintf(node, sizeof node, "node-%u",
                   1 + (unsigned)(slice_hash(object_name(pod)) % WORKLOAD_NODES));
    json_object_set_new(copy, "nodeName", json_string(node));
    json_object_set_new(pod, "spec", copy);
    return pod;
}

/* One for each step that is a container, which Argo calls "main". */
static void add_argo_pods(const json_t *workflow, json_t *children)
{
    const json_t *spec = json_object_get(workflow, "spec");
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(spec, "templates"), i, step)
    {
        json_t *container = json_object_get(step, "container");
        json_t *init = json_object_get(step, "initContainers");
        const json_t *labels = json_at(spec, "podMetadata", "labels", NULL);
        const json_t *annotations = json_at(workflow, "metadata", "annotations", NULL);
        if (container == NULL) {
            continue;
        }
        char *suffix = slice_dup(json_text_at(step, "name"));
        json_t *pod = named_child("v1", "Pod", workflow, suffix);
        json_t *main = json_deep_copy(container);
        json_object_set_new(main, "name", json_string("main"));
        json_object_set_new(pod, "spec", json_pack("{s:[o]}", "containers", main));
        if (init != NULL) {
            json_object_set(json_object_get(pod, "spec"), "initContainers", init);
        }
        if (labels != NULL) {
            json_object_set_new(json_child(pod, "metadata"), "labels", json_deep_copy(labels));
        }
        if (annotations != NULL) {
            json_object_set_new(json_child(pod, "metadata"), "annotations",
                                json_deep_copy(annotations));
        }
        json_array_append_new(children, pod);
        free(suffix);
    }
}

static json_t *replica_set_of(const json_t *deployment)
{
    const json_t *spec = json_object_get(deployment, "spec");
    const json_t *template = json_object_get(spec, "template");
    char suffix[16];
    suffix_of(template != NULL ? hash_tree(template) : 0, 10, suffix);
    json_t *set = named_child("apps/v1", "ReplicaSet", deployment, suffix);
    const json_t *labels = json_at(template, "metadata", "labels", NULL);
    if (labels != NULL) {
        json_object_set_new(json_child(set, "metadata"), "labels", json_deep_copy(labels));
    }
    object_set_label(set, "pod-template-hash", slice_of(suffix));
    json_t *own = json_child(set, "spec");
    json_object_set_new(own, "replicas", json_integer(workload__number(spec, "replicas", 1)));
    static const char *const copied[] = {"selector", "template"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *from = json_object_get(spec, copied[i]);
        if (from != NULL) {
            json_object_set_new(own, copied[i], json_deep_copy(from));
        }
    }
    return set;
}

static void add_pods(enum workload_kind kind, const json_t *object,
                     const struct workload_view *view, json_t *children)
{
    const json_t *spec = json_object_get(object, "spec");
    int64_t wanted = kind == WORKLOAD_JOB ? workload__number(spec, "parallelism", 1)
                                          : workload__number(spec, "replicas", 1);
    int64_t most = view->pods_max < WORKLOAD_PODS_MAX ? view->pods_max : WORKLOAD_PODS_MAX;
    most = most == 0 ? 1 : most;
    for (int64_t i = 0; i < wanted && i < most; i++) {
        char suffix[24];
        if (kind == WORKLOAD_STATEFUL_SET) {
            (void)snprintf(suffix, sizeof suffix, "%lld", (long long)i);
        } else {
            suffix_of(slice_hash(object_uid(object)) + (uint64_t)i * 2654435761U, 5, suffix);
        }
        json_array_append_new(children, pod_of(object, suffix));
    }
}

/* "data-db-0": a template's labels and those by which the set knows its own; the spec is the
 * template's. */
static json_t *claim_of(const json_t *set, const json_t *template, int64_t ordinal)
{
    struct buf name = {0};
    buf_addf(&name, "%.*s-%.*s-%lld", SLICE_ARG(object_name(template)), SLICE_ARG(object_name(set)),
             (long long)ordinal);
    json_t *claim = object_new("v1", "PersistentVolumeClaim", object_ns(set), buf_slice(&name));
    buf_free(&name);
    const json_t *const labels[] = {json_at(template, "metadata", "labels", NULL),
                                    json_at(set, "spec", "selector", "matchLabels", NULL)};
    for (size_t i = 0; i < 2; i++) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)labels[i], key, value)
        {
            object_set_label(claim, key, json_text(value));
        }
    }
    const json_t *spec = json_object_get(template, "spec");
    json_object_set_new(claim, "spec", spec != NULL ? json_deep_copy(spec) : json_object());
    return claim;
}

/* Of each replica's pod, whether it is made or not. */
static void add_claims(const json_t *set, json_t *children)
{
    const json_t *spec = json_object_get(set, "spec");
    const json_t *templates = json_object_get(spec, "volumeClaimTemplates");
    int64_t wanted = workload__number(spec, "replicas", 1);
    for (int64_t i = 0; i < wanted && i < WORKLOAD_PODS_MAX; i++) {
        for (size_t k = 0; k < json_array_size(templates); k++) {
            json_array_append_new(children, claim_of(set, json_array_get(templates, k), i));
        }
    }
}

json_t *workload_children(enum workload_kind kind, const json_t *object,
                          const struct workload_view *view)
{
    json_t *children = json_array();
    /* How a run went, its pod alone says. */
    bool run =
        (kind == WORKLOAD_JOB || kind == WORKLOAD_ARGO) && object_label(object, RUN_LABEL).len > 0;
    if (kind == WORKLOAD_STATEFUL_SET && !object_deleting(object)) {
        add_claims(object, children);
    }
    if ((view->pods_max == 0 && !run) || object_deleting(object)) {
        return children;
    }
    if (kind == WORKLOAD_DEPLOYMENT) {
        json_array_append_new(children, replica_set_of(object));
    } else if (kind == WORKLOAD_ARGO) {
        add_argo_pods(object, children);
    } else if (kind == WORKLOAD_REPLICA_SET || kind == WORKLOAD_STATEFUL_SET ||
               (kind == WORKLOAD_JOB && !json_is_true(json_at(object, "spec", "suspend", NULL)))) {
        add_pods(kind, object, view, children);
    }
    return children;
}

enum workload_kind workload_kind_of(const json_t *child)
{
    struct slice kind = object_kind(child);
    if (slice_eq_cstr(kind, "ReplicaSet")) {
        return WORKLOAD_REPLICA_SET;
    }
    if (slice_eq_cstr(kind, "PersistentVolumeClaim")) {
        return WORKLOAD_CLAIM;
    }
    return slice_eq_cstr(kind, "Job") ? WORKLOAD_JOB : WORKLOAD_POD;
}

json_t *workload_due_job(const json_t *cron_job, uint64_t minute)
{
    const json_t *spec = json_object_get(cron_job, "spec");
    const json_t *template = json_object_get(spec, "jobTemplate");
    if (json_is_true(json_object_get(spec, "suspend")) || object_deleting(cron_job) ||
        template == NULL || !cron_due(json_text_at(spec, "schedule"), minute)) {
        return NULL;
    }
    char suffix[24];
    (void)snprintf(suffix, sizeof suffix, "%llu", (unsigned long long)minute);
    json_t *job = named_child("batch/v1", "Job", cron_job, suffix);
    const json_t *labels = json_at(template, "metadata", "labels", NULL);
    if (labels != NULL) {
        json_object_set_new(json_child(job, "metadata"), "labels", json_deep_copy(labels));
    }
    const json_t *own = json_object_get(template, "spec");
    json_object_set_new(job, "spec", own != NULL ? json_deep_copy(own) : json_object());
    return job;
}
