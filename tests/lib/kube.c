/* kube.c: the objects, and what may be asked of them. A watch turns its connection into a chunked
 * stream of events that match its kind and selector. */
#include "tests/lib/kube_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct route {
    const char *prefix; /* "/api/v1" */
    const char *api_version;
    const char *kind;
    const char *plural;
    bool namespaced;
};

static const struct route routes[] = {
    {"/api/v1", "v1", "Namespace", "namespaces", false},
    {"/api/v1", "v1", "Service", "services", true},
    {"/api/v1", "v1", "ConfigMap", "configmaps", true},
    {"/api/v1", "v1", "Secret", "secrets", true},
    {"/api/v1", "v1", "Pod", "pods", true},
    {"/api/v1", "v1", "ResourceQuota", "resourcequotas", true},
    {"/api/v1", "v1", "LimitRange", "limitranges", true},
    {"/api/v1", "v1", "ServiceAccount", "serviceaccounts", true},
    {"/api/v1", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true},
    {"/apis/apps/v1", "apps/v1", "Deployment", "deployments", true},
    {"/apis/apps/v1", "apps/v1", "StatefulSet", "statefulsets", true},
    {"/apis/batch/v1", "batch/v1", "CronJob", "cronjobs", true},
    {"/apis/autoscaling/v2", "autoscaling/v2", "HorizontalPodAutoscaler",
     "horizontalpodautoscalers", true},
    {"/apis/policy/v1", "policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true},
    {"/apis/networking.k8s.io/v1", "networking.k8s.io/v1", "NetworkPolicy", "networkpolicies",
     true},
    {"/apis/capsule.clastix.io/v1beta2", "capsule.clastix.io/v1beta2", "Tenant", "tenants", false},
};
enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

const char *kube__text(const json_t *o, const char *a, const char *b)
{
    const char *s = json_string_value(b != NULL ? json_at(o, a, b, NULL) : json_at(o, a, NULL));
    return s != NULL ? s : "";
}

static void key_of(const json_t *o, struct buf *out)
{
    buf_addf(out, "%s/%s/%s/%s", kube__text(o, "apiVersion", NULL), kube__text(o, "kind", NULL),
             kube__text(o, "metadata", "namespace"), kube__text(o, "metadata", "name"));
}

/* ---- objects and watches ---- */

/* "a=b,c=d" against the object's labels. */
static bool selected(const json_t *object, const char *selector)
{
    struct slice rest = slice_of(selector);
    struct slice term;
    while (slice_split(&rest, ',', &term)) {
        struct slice value = term;
        struct slice name;
        slice_split(&value, '=', &name);
        char *key = slice_dup(name);
        bool same = slice_eq(json_text(json_at(object, "metadata", "labels", key, NULL)), value);
        free(key);
        if (!same) {
            return false;
        }
    }
    return true;
}

static void tell(struct kube *k, const char *type, const json_t *object)
{
    struct buf kind = {0};
    buf_addf(&kind, "%s/%s", kube__text(object, "apiVersion", NULL),
             kube__text(object, "kind", NULL));
    json_t *event = json_pack("{s:s, s:O}", "type", type, "object", object);
    struct buf line = {0};
    struct buf chunk = {0};
    json_canonical(event, &line);
    buf_addf(&chunk, "%zx\r\n%.*s\n\r\n", line.len + 1, SLICE_ARG(buf_slice(&line)));
    LIST_FOREACH(link, &k->conns)
    {
        struct kube_conn *c = CONTAINER_OF(link, struct kube_conn, link);
        if (c->watch_kind != NULL && slice_eq_cstr(buf_slice(&kind), c->watch_kind) &&
            selected(object, c->watch_selector)) {
            kube__send(c, buf_slice(&chunk));
        }
    }
    json_decref(event);
    buf_free(&kind);
    buf_free(&line);
    buf_free(&chunk);
}

json_t *kube_get(struct kube *k, const char *key)
{
    return json_object_get(k->objects, key);
}

static void stamp(struct kube *k, json_t *object)
{
    char version[24];
    snprintf(version, sizeof(version), "%llu", (unsigned long long)++k->version);
    json_t *metadata = json_object_get(object, "metadata");
    json_object_set_new(metadata, "resourceVersion", json_string(version));
    if (json_object_get(metadata, "uid") == NULL) {
        snprintf(version, sizeof(version), "uid-%llu", (unsigned long long)++k->uids);
        json_object_set_new(metadata, "uid", json_string(version));
        json_object_set_new(metadata, "generation", json_integer(1));
    }
}

/* What the controller of a Deployment or StatefulSet would say. */
static void run(struct kube *k, json_t *object)
{
    const char *kind = kube__text(object, "kind", NULL);
    if (strcmp(kind, "Deployment") != 0 && strcmp(kind, "StatefulSet") != 0) {
        return;
    }
    json_t *replicas = json_at(object, "spec", "replicas", NULL);
    json_int_t wanted = replicas != NULL ? json_integer_value(replicas) : 1;
    json_int_t there = k->not_ready || k->stuck ? 0 : wanted;
    json_t *status = json_pack("{s:O, s:I, s:I, s:I}", "observedGeneration",
                               json_at(object, "metadata", "generation", NULL), "replicas", there,
                               "updatedReplicas", there, "availableReplicas", there);
    if (kind[0] == 'S') {
        json_object_set_new(status, "readyReplicas", json_integer(there));
    }
    if (k->stuck) {
        json_object_set_new(status, "conditions",
                            json_pack("[{s:s, s:s, s:s, s:s}]", "type", "Progressing", "status",
                                      "False", "reason", "ProgressDeadlineExceeded", "message",
                                      k->stuck_message != NULL ? k->stuck_message
                                                               : "it has timed out progressing"));
    }
    json_object_set_new(object, "status", status);
}

void kube_set(struct kube *k, json_t *object)
{
    struct buf key = {0};
    key_of(object, &key);
    bool there = json_object_get(k->objects, buf_cstr(&key)) != NULL;
    stamp(k, object);
    run(k, object);
    json_object_set(k->objects, buf_cstr(&key), object);
    tell(k, there ? "MODIFIED" : "ADDED", object);
    json_decref(object);
    buf_free(&key);
}

void kube_remove(struct kube *k, const char *key)
{
    json_t *object = json_incref(json_object_get(k->objects, key));
    if (object == NULL) {
        return;
    }
    json_object_del(k->objects, key);
    stamp(k, object);
    tell(k, "DELETED", object);
    /* A namespace takes what it holds along. */
    if (strcmp(kube__text(object, "kind", NULL), "Namespace") == 0) {
        const char *other;
        json_t *value;
        void *next;
        json_object_foreach_safe(k->objects, next, other, value)
        {
            if (strcmp(kube__text(value, "metadata", "namespace"),
                       kube__text(object, "metadata", "name")) == 0) {
                char *copy = mem_strdup(other);
                kube_remove(k, copy);
                free(copy);
            }
        }
    }
    json_decref(object);
}

void kube_say(struct kube *k, const char *line)
{
    struct buf chunk = {0};
    buf_addf(&chunk, "%zx\r\n%s\n\r\n", strlen(line) + 1, line);
    LIST_FOREACH(link, &k->conns)
    {
        struct kube_conn *c = CONTAINER_OF(link, struct kube_conn, link);
        if (c->watch_kind != NULL) {
            kube__send(c, buf_slice(&chunk));
        }
    }
    buf_free(&chunk);
}

void kube_cut_watches(struct kube *k)
{
    LIST_FOREACH(link, &k->conns)
    {
        struct kube_conn *c = CONTAINER_OF(link, struct kube_conn, link);
        if (c->watch_kind != NULL) {
            kube__close(c);
        }
    }
}

/* ---- requests ---- */

static void merge(json_t *into, const json_t *from)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        json_t *there = json_object_get(into, key);
        if (json_is_object(there) && json_is_object(value)) {
            merge(there, value);
        } else {
            json_object_set_new(into, key, json_deep_copy(value));
        }
    }
}

static void note(struct kube *k, const struct kube_request *r, const char *key, bool preconditions)
{
    buf_addf(&k->log, "%.*s %s%s\n", SLICE_ARG(r->method), key, preconditions ? " fenced" : "");
    buf_addf(&k->agents, "%.*s\n", SLICE_ARG(r->agent));
}

static bool violates(const json_t *there, const char *uid, const char *version)
{
    return (uid[0] != '\0' && strcmp(uid, kube__text(there, "metadata", "uid")) != 0) ||
           (version[0] != '\0' &&
            strcmp(version, kube__text(there, "metadata", "resourceVersion")) != 0);
}

static void serve_patch(struct kube_conn *c, const struct kube_request *r, const char *key)
{
    struct kube *k = c->k;
    json_t *patch = NULL;
    struct err err;
    k->patches++;
    if (json_parse(r->body, &patch, &err) != 0) {
        kube__answer_status(c, 400, err.message);
        return;
    }
    const char *uid = kube__text(patch, "metadata", "uid");
    json_t *there = json_object_get(k->objects, key);
    char *ns_key = NULL;
    const char *ns = kube__text(patch, "metadata", "namespace");
    if (ns[0] != '\0') {
        struct buf b = {0};
        buf_addf(&b, "v1/Namespace//%s", ns);
        ns_key = buf_take(&b);
    }
    note(k, r, key, uid[0] != '\0');
    if (ns_key != NULL && json_object_get(k->objects, ns_key) == NULL) {
        kube__answer_status(c, 404, "namespaces not found");
    } else if ((there == NULL && uid[0] != '\0') ||
               (there != NULL &&
                violates(there, uid, kube__text(patch, "metadata", "resourceVersion")))) {
        kube__answer_status(c, 409, "the object has been modified");
    } else {
        json_t *next = there != NULL ? json_deep_copy(there) : json_object();
        json_object_del(json_object_get(patch, "metadata"), "resourceVersion");
        merge(next, patch);
        if (there != NULL && json_equal(next, there)) {
            kube__answer(c, 200, there);
            json_decref(next);
        } else {
            if (there != NULL &&
                !json_equal(json_object_get(next, "spec"), json_object_get(there, "spec"))) {
                json_t *g = json_at(there, "metadata", "generation", NULL);
                json_object_set_new(json_object_get(next, "metadata"), "generation",
                                    json_integer(json_integer_value(g) + 1));
            }
            kube_set(k, json_incref(next));
            if (k->meddle != NULL) {
                k->meddle(k, key);
            }
            kube__answer(c, there != NULL ? 200 : 201, next);
            json_decref(next);
        }
    }
    free(ns_key);
    json_decref(patch);
}

static void serve_delete(struct kube_conn *c, const struct kube_request *r, const char *key)
{
    struct kube *k = c->k;
    json_t *options = NULL;
    json_t *there = json_object_get(k->objects, key);
    k->deletes++;
    if (json_parse(r->body, &options, NULL) != 0) {
        options = json_object();
    }
    const json_t *p = json_object_get(options, "preconditions");
    const char *uid = json_string_value(json_object_get(p, "uid"));
    const char *version = json_string_value(json_object_get(p, "resourceVersion"));
    bool orphans = strcmp(kube__text(options, "propagationPolicy", NULL), "Orphan") == 0;
    note(k, r, key, uid != NULL && version != NULL);
    if (orphans) {
        k->log.len--;
        buf_add_cstr(&k->log, " orphans\n");
    }
    if (there == NULL) {
        kube__answer_status(c, 404, "not found");
    } else if (violates(there, uid != NULL ? uid : "", version != NULL ? version : "")) {
        kube__answer_status(c, 409,
                            "the UID or resourceVersion in the precondition does not match");
    } else if (json_array_size(json_at(there, "metadata", "finalizers", NULL)) > 0) {
        json_object_set_new(json_object_get(there, "metadata"), "deletionTimestamp",
                            json_string("2026-01-01T00:00:00Z"));
        kube_set(k, json_incref(there));
        kube__answer(c, 200, there);
    } else {
        kube_remove(k, key);
        json_t *ok = json_pack("{s:s, s:s}", "kind", "Status", "status", "Success");
        kube__answer(c, 200, ok);
        json_decref(ok);
    }
    json_decref(options);
}

static void end_watch(struct kube_conn *c)
{
    char line[160];
    int len = snprintf(
        line, sizeof(line),
        "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"%llu\"}}}\n",
        (unsigned long long)c->k->version);
    struct buf all = {0};
    buf_addf(&all,
             "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
             len, line);
    kube__send(c, buf_slice(&all));
    buf_free(&all);
}

static void serve_list(struct kube_conn *c, const struct route *route, const struct kube_request *r)
{
    struct kube *k = c->k;
    char *selector = kube__parameter(r->query, "labelSelector");
    char *watch = kube__parameter(r->query, "watch");
    char version[24];
    if (strcmp(watch, "true") == 0) {
        struct buf kind = {0};
        buf_addf(&kind, "%s/%s", route->api_version, route->kind);
        if (k->watches_end) {
            end_watch(c);
            buf_free(&kind);
            free(selector);
            free(watch);
            return;
        }
        c->watch_kind = buf_take(&kind);
        c->watch_selector = selector;
        k->watches_open++;
        kube__send(c, SLICE("HTTP/1.1 200 X\r\ncontent-type: application/json\r\n"
                            "transfer-encoding: chunked\r\n\r\n"));
        free(watch);
        return;
    }
    k->lists++;
    snprintf(version, sizeof(version), "%llu", (unsigned long long)k->version);
    json_t *list = json_pack("{s:{s:s}, s:[]}", "metadata", "resourceVersion", version, "items");
    const char *key;
    json_t *object;
    json_object_foreach(k->objects, key, object)
    {
        if (strcmp(kube__text(object, "apiVersion", NULL), route->api_version) == 0 &&
            strcmp(kube__text(object, "kind", NULL), route->kind) == 0 &&
            selected(object, selector)) {
            json_array_append(json_object_get(list, "items"), object);
        }
    }
    kube__answer(c, 200, list);
    json_decref(list);
    free(selector);
    free(watch);
}

static bool serve_discovery(struct kube_conn *c, struct slice path)
{
    json_t *list = json_pack("{s:[]}", "resources");
    bool found = false;
    for (size_t i = 0; i < ROUTES; i++) {
        if (slice_eq_cstr(path, routes[i].prefix)) {
            found = true;
            json_array_append_new(json_object_get(list, "resources"),
                                  json_pack("{s:s, s:s, s:b}", "name", routes[i].plural, "kind",
                                            routes[i].kind, "namespaced", routes[i].namespaced));
        }
    }
    if (found) {
        kube__answer(c, 200, list);
    }
    json_decref(list);
    return found;
}

/* "/apis/apps/v1/namespaces/ns/deployments/name" */
static const struct route *find_route(struct slice path, struct slice *ns, struct slice *name)
{
    for (size_t i = 0; i < ROUTES; i++) {
        struct slice rest = path;
        struct slice part;
        *ns = *name = (struct slice){0};
        if (!slice_starts_with(path, slice_of(routes[i].prefix))) {
            continue;
        }
        rest = slice_sub(path, strlen(routes[i].prefix) + 1, path.len);
        if (!slice_split(&rest, '/', &part)) {
            continue;
        }
        if (slice_eq_cstr(part, "namespaces") && routes[i].namespaced) {
            if (!slice_split(&rest, '/', ns) || !slice_split(&rest, '/', &part)) {
                continue;
            }
        }
        if (slice_eq_cstr(part, routes[i].plural)) {
            slice_split(&rest, '/', name);
            if (rest.len == 0) { /* else what is in a namespace, not the namespace */
                return &routes[i];
            }
        }
    }
    return NULL;
}

static void serve_object(struct kube_conn *c, const struct kube_request *r)
{
    struct slice ns;
    struct slice name;
    const struct route *route = find_route(r->path, &ns, &name);
    if (route == NULL) {
        kube__answer_status(c, 404, "the server could not find the requested resource");
        return;
    }
    if (name.len == 0) {
        serve_list(c, route, r);
        return;
    }
    struct buf key = {0};
    buf_addf(&key, "%s/%s/%.*s/%.*s", route->api_version, route->kind, SLICE_ARG(ns),
             SLICE_ARG(name));
    json_t *there = json_object_get(c->k->objects, buf_cstr(&key));
    bool mutation = !slice_eq_cstr(r->method, "GET");
    bool meant = c->k->fail_kind == NULL || strcmp(c->k->fail_kind, route->kind) == 0;
    if (mutation && meant && c->k->fail_count > 0) {
        c->k->fail_count--;
        if (c->k->fail_status == 0) {
            kube__close(c);
        } else {
            kube__answer_status(c, c->k->fail_status,
                                c->k->fail_message != NULL ? c->k->fail_message : "told to fail");
        }
    } else if (slice_eq_cstr(r->method, "PATCH")) {
        serve_patch(c, r, buf_cstr(&key));
    } else if (slice_eq_cstr(r->method, "DELETE")) {
        serve_delete(c, r, buf_cstr(&key));
    } else if (there == NULL) {
        kube__answer_status(c, 404, "not found");
    } else {
        kube__answer(c, 200, there);
    }
    buf_free(&key);
}

void kube__serve(struct kube_conn *c, const struct kube_request *r)
{
    c->k->requests++;
    if (c->k->silent) {
        return;
    }
    if (c->k->unauthorized) {
        kube__answer_status(c, 401, "Unauthorized");
    } else if (slice_eq_cstr(r->path, "/version")) {
        json_t *v = json_pack("{s:s}", "gitVersion", "v1.32.5");
        kube__answer(c, 200, v);
        json_decref(v);
    } else if (slice_ends_with(r->path, SLICE("/log"))) {
        kube__serve_log(c, r);
    } else if (!serve_discovery(c, r->path)) {
        serve_object(c, r);
    }
}
