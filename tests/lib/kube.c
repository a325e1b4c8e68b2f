/* kube.c: requests are parsed by hand (the only client is libcurl), answered at once.
 *
 * A connection gathers bytes until a whole request is there, answers it and goes on; a watch turns
 * its connection into a chunked stream of events that match its kind and selector. */
#include "tests/lib/kube.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct conn {
    uv_tcp_t tcp;
    struct kube *k;
    struct list link;
    struct buf in;
    char *watch_kind; /* "apps/v1/Deployment" while it is a watch */
    char *watch_selector;
    char *log; /* "POD/CONTAINER" while it follows that */
    bool closing;
};

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
    {"/apis/apps/v1", "apps/v1", "Deployment", "deployments", true},
    {"/apis/batch/v1", "batch/v1", "CronJob", "cronjobs", true},
    {"/apis/autoscaling/v2", "autoscaling/v2", "HorizontalPodAutoscaler",
     "horizontalpodautoscalers", true},
    {"/apis/policy/v1", "policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true},
    {"/apis/networking.k8s.io/v1", "networking.k8s.io/v1", "NetworkPolicy", "networkpolicies",
     true},
    {"/apis/capsule.clastix.io/v1beta2", "capsule.clastix.io/v1beta2", "Tenant", "tenants", false},
};
enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

struct request {
    struct slice method;
    struct slice path;
    struct slice query;
    struct slice agent;
    struct slice body;
};

static const char *text(const json_t *o, const char *a, const char *b)
{
    const char *s = json_string_value(b != NULL ? json_at(o, a, b, NULL) : json_at(o, a, NULL));
    return s != NULL ? s : "";
}

static void key_of(const json_t *o, struct buf *out)
{
    buf_addf(out, "%s/%s/%s/%s", text(o, "apiVersion", NULL), text(o, "kind", NULL),
             text(o, "metadata", "namespace"), text(o, "metadata", "name"));
}

/* ---- writing ---- */

struct out {
    uv_write_t req;
    char *data;
};

static void on_written(uv_write_t *req, int status)
{
    struct out *o = CONTAINER_OF(req, struct out, req);
    (void)status;
    free(o->data);
    free(o);
}

static void send_bytes(struct conn *c, struct slice bytes)
{
    struct out *o = mem_zero(sizeof(*o));
    o->data = slice_dup(bytes);
    uv_buf_t b = uv_buf_init(o->data, (unsigned)bytes.len);
    if (c->closing || uv_write(&o->req, (uv_stream_t *)&c->tcp, &b, 1, on_written) != 0) {
        free(o->data);
        free(o);
    }
}

static void answer(struct conn *c, int status, const json_t *body)
{
    struct buf text = {0};
    struct buf all = {0};
    json_canonical(body, &text);
    buf_addf(&all, "HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n",
             status, text.len);
    if (c->k->retry_after_s > 0 && (status == 429 || status == 503)) {
        buf_addf(&all, "retry-after: %d\r\n", c->k->retry_after_s);
    }
    buf_add_cstr(&all, "\r\n");
    buf_add(&all, buf_slice(&text));
    send_bytes(c, buf_slice(&all));
    buf_free(&text);
    buf_free(&all);
}

static void answer_status(struct conn *c, int status, const char *message)
{
    json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:i}", "kind", "Status", "apiVersion", "v1",
                             "status", "Failure", "message", message, "code", status);
    answer(c, status, body);
    json_decref(body);
}

static void conn_closed(uv_handle_t *handle)
{
    struct conn *c = CONTAINER_OF((uv_tcp_t *)handle, struct conn, tcp);
    if (c->watch_kind != NULL) {
        c->k->watches_open--;
    }
    c->k->logs_open -= c->log != NULL ? 1 : 0;
    list_remove(&c->link);
    buf_free(&c->in);
    free(c->log);
    free(c->watch_kind);
    free(c->watch_selector);
    free(c);
}

static void conn_close(struct conn *c)
{
    if (!c->closing) {
        c->closing = true;
        uv_close((uv_handle_t *)&c->tcp, conn_closed);
    }
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
    buf_addf(&kind, "%s/%s", text(object, "apiVersion", NULL), text(object, "kind", NULL));
    json_t *event = json_pack("{s:s, s:O}", "type", type, "object", object);
    struct buf line = {0};
    struct buf chunk = {0};
    json_canonical(event, &line);
    buf_addf(&chunk, "%zx\r\n%.*s\n\r\n", line.len + 1, SLICE_ARG(buf_slice(&line)));
    LIST_FOREACH(link, &k->conns)
    {
        struct conn *c = CONTAINER_OF(link, struct conn, link);
        if (c->watch_kind != NULL && slice_eq_cstr(buf_slice(&kind), c->watch_kind) &&
            selected(object, c->watch_selector)) {
            send_bytes(c, buf_slice(&chunk));
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

/* What a Deployment's controller would say. */
static void run(struct kube *k, json_t *object)
{
    if (strcmp(text(object, "kind", NULL), "Deployment") != 0) {
        return;
    }
    json_t *replicas = json_at(object, "spec", "replicas", NULL);
    json_int_t wanted = replicas != NULL ? json_integer_value(replicas) : 1;
    json_int_t there = k->not_ready || k->stuck ? 0 : wanted;
    json_t *status = json_pack("{s:O, s:I, s:I, s:I}", "observedGeneration",
                               json_at(object, "metadata", "generation", NULL), "replicas", there,
                               "updatedReplicas", there, "availableReplicas", there);
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
    if (strcmp(text(object, "kind", NULL), "Namespace") == 0) {
        const char *other;
        json_t *value;
        void *next;
        json_object_foreach_safe(k->objects, next, other, value)
        {
            if (strcmp(text(value, "metadata", "namespace"), text(object, "metadata", "name")) ==
                0) {
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
        struct conn *c = CONTAINER_OF(link, struct conn, link);
        if (c->watch_kind != NULL) {
            send_bytes(c, buf_slice(&chunk));
        }
    }
    buf_free(&chunk);
}

void kube_cut_watches(struct kube *k)
{
    LIST_FOREACH(link, &k->conns)
    {
        struct conn *c = CONTAINER_OF(link, struct conn, link);
        if (c->watch_kind != NULL) {
            conn_close(c);
        }
    }
}

/* ---- requests ---- */

static char *parameter(struct slice query, const char *name)
{
    struct slice rest = query;
    struct slice pair;
    while (slice_split(&rest, '&', &pair)) {
        struct slice value = pair;
        struct slice key;
        slice_split(&value, '=', &key);
        if (!slice_eq_cstr(key, name)) {
            continue;
        }
        struct buf out = {0};
        for (size_t i = 0; i < value.len; i++) {
            unsigned code;
            if (value.data[i] == '%' && i + 2 < value.len &&
                sscanf(value.data + i + 1, "%2x", &code) == 1) {
                buf_add_char(&out, (char)code);
                i += 2;
            } else {
                buf_add_char(&out, value.data[i]);
            }
        }
        return buf_take(&out);
    }
    return mem_strdup("");
}

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

static void note(struct kube *k, const struct request *r, const char *key, bool preconditions)
{
    buf_addf(&k->log, "%.*s %s%s\n", SLICE_ARG(r->method), key, preconditions ? " fenced" : "");
    buf_addf(&k->agents, "%.*s\n", SLICE_ARG(r->agent));
}

static bool violates(const json_t *there, const char *uid, const char *version)
{
    return (uid[0] != '\0' && strcmp(uid, text(there, "metadata", "uid")) != 0) ||
           (version[0] != '\0' && strcmp(version, text(there, "metadata", "resourceVersion")) != 0);
}

static void serve_patch(struct conn *c, const struct request *r, const char *key)
{
    struct kube *k = c->k;
    json_t *patch = NULL;
    struct err err;
    k->patches++;
    if (json_parse(r->body, &patch, &err) != 0) {
        answer_status(c, 400, err.message);
        return;
    }
    const char *uid = text(patch, "metadata", "uid");
    json_t *there = json_object_get(k->objects, key);
    char *ns_key = NULL;
    const char *ns = text(patch, "metadata", "namespace");
    if (ns[0] != '\0') {
        struct buf b = {0};
        buf_addf(&b, "v1/Namespace//%s", ns);
        ns_key = buf_take(&b);
    }
    note(k, r, key, uid[0] != '\0');
    if (ns_key != NULL && json_object_get(k->objects, ns_key) == NULL) {
        answer_status(c, 404, "namespaces not found");
    } else if ((there == NULL && uid[0] != '\0') ||
               (there != NULL &&
                violates(there, uid, text(patch, "metadata", "resourceVersion")))) {
        answer_status(c, 409, "the object has been modified");
    } else {
        json_t *next = there != NULL ? json_deep_copy(there) : json_object();
        json_object_del(json_object_get(patch, "metadata"), "resourceVersion");
        merge(next, patch);
        if (there != NULL && json_equal(next, there)) {
            answer(c, 200, there);
            json_decref(next);
        } else {
            if (there != NULL &&
                !json_equal(json_object_get(next, "spec"), json_object_get(there, "spec"))) {
                json_t *g = json_at(there, "metadata", "generation", NULL);
                json_object_set_new(json_object_get(next, "metadata"), "generation",
                                    json_integer(json_integer_value(g) + 1));
            }
            kube_set(k, next);
            answer(c, there != NULL ? 200 : 201, json_object_get(k->objects, key));
            if (k->meddle != NULL) {
                k->meddle(k, key);
            }
        }
    }
    free(ns_key);
    json_decref(patch);
}

static void serve_delete(struct conn *c, const struct request *r, const char *key)
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
    note(k, r, key, uid != NULL && version != NULL);
    if (there == NULL) {
        answer_status(c, 404, "not found");
    } else if (violates(there, uid != NULL ? uid : "", version != NULL ? version : "")) {
        answer_status(c, 409, "the UID or resourceVersion in the precondition does not match");
    } else if (k->keep_deleted) {
        json_object_set_new(json_object_get(there, "metadata"), "deletionTimestamp",
                            json_string("2026-01-01T00:00:00Z"));
        kube_set(k, json_incref(there));
        answer(c, 200, there);
    } else {
        kube_remove(k, key);
        json_t *ok = json_pack("{s:s, s:s}", "kind", "Status", "status", "Success");
        answer(c, 200, ok);
        json_decref(ok);
    }
    json_decref(options);
}

static void end_watch(struct conn *c)
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
    send_bytes(c, buf_slice(&all));
    buf_free(&all);
}

static void serve_list(struct conn *c, const struct route *route, const struct request *r)
{
    struct kube *k = c->k;
    char *selector = parameter(r->query, "labelSelector");
    char *watch = parameter(r->query, "watch");
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
        send_bytes(c, SLICE("HTTP/1.1 200 X\r\ncontent-type: application/json\r\n"
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
        if (strcmp(text(object, "apiVersion", NULL), route->api_version) == 0 &&
            strcmp(text(object, "kind", NULL), route->kind) == 0 && selected(object, selector)) {
            json_array_append(json_object_get(list, "items"), object);
        }
    }
    answer(c, 200, list);
    json_decref(list);
    free(selector);
    free(watch);
}

static void send_chunk(struct conn *c, const char *text)
{
    struct buf chunk = {0};
    buf_addf(&chunk, "%zx\r\n", strlen(text));
    buf_add_cstr(&chunk, text);
    buf_add_cstr(&chunk, "\r\n");
    send_bytes(c, buf_slice(&chunk));
    buf_free(&chunk);
}

void kube_log(struct kube *k, const char *key, const char *said)
{
    struct buf all = {0};
    buf_add_cstr(&all, text(k->logs, key, NULL));
    buf_add_cstr(&all, said);
    k->logs = k->logs != NULL ? k->logs : json_object();
    json_object_set_new(k->logs, key, json_str(buf_slice(&all)));
    buf_free(&all);
    LIST_FOREACH(link, &k->conns)
    {
        struct conn *c = CONTAINER_OF(link, struct conn, link);
        if (c->log != NULL && strcmp(c->log, key) == 0) {
            send_chunk(c, said);
        }
    }
}

void kube_log_end(struct kube *k, const char *key)
{
    LIST_FOREACH(link, &k->conns)
    {
        struct conn *c = CONTAINER_OF(link, struct conn, link);
        if (c->log != NULL && strcmp(c->log, key) == 0) {
            send_bytes(c, SLICE("0\r\n\r\n"));
            free(c->log);
            c->log = NULL;
            k->logs_open--;
        }
    }
}

size_t kube_log_unsent(const struct kube *k)
{
    size_t bytes = 0;
    LIST_FOREACH(link, &k->conns)
    {
        const struct conn *c = CONTAINER_OF(link, struct conn, link);
        bytes += uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
    }
    return bytes;
}

/* .../pods/POD/log?container=C&follow=true */
static void serve_log(struct conn *c, const struct request *r)
{
    struct kube *k = c->k;
    struct slice pod = slice_sub(r->path, 0, r->path.len - strlen("/log"));
    char *container = parameter(r->query, "container");
    char *follow = parameter(r->query, "follow");
    struct buf key = {0};
    while (slice_find(pod, SLICE("/")) != SIZE_MAX) {
        pod = slice_sub(pod, slice_find(pod, SLICE("/")) + 1, SIZE_MAX);
    }
    buf_addf(&k->logs_asked, "%.*s?%.*s\n", SLICE_ARG(pod), SLICE_ARG(r->query));
    buf_addf(&key, "%.*s/%s", SLICE_ARG(pod), container);
    if (json_object_get(k->logs, buf_cstr(&key)) == NULL) {
        answer_status(c, 400, "container is waiting to start");
    } else {
        send_bytes(c, SLICE("HTTP/1.1 200 X\r\ncontent-type: text/plain\r\n"
                            "transfer-encoding: chunked\r\n\r\n"));
        if (text(k->logs, buf_cstr(&key), NULL)[0] != '\0') {
            send_chunk(c, text(k->logs, buf_cstr(&key), NULL));
        }
        if (strcmp(follow, "true") == 0) {
            c->log = buf_take(&key);
            k->logs_open++;
        } else {
            send_bytes(c, SLICE("0\r\n\r\n"));
        }
    }
    buf_free(&key);
    free(container);
    free(follow);
}

static bool serve_discovery(struct conn *c, struct slice path)
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
        answer(c, 200, list);
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

static void serve_object(struct conn *c, const struct request *r)
{
    struct slice ns;
    struct slice name;
    const struct route *route = find_route(r->path, &ns, &name);
    if (route == NULL) {
        answer_status(c, 404, "the server could not find the requested resource");
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
            conn_close(c);
        } else {
            answer_status(c, c->k->fail_status,
                          c->k->fail_message != NULL ? c->k->fail_message : "told to fail");
        }
    } else if (slice_eq_cstr(r->method, "PATCH")) {
        serve_patch(c, r, buf_cstr(&key));
    } else if (slice_eq_cstr(r->method, "DELETE")) {
        serve_delete(c, r, buf_cstr(&key));
    } else if (there == NULL) {
        answer_status(c, 404, "not found");
    } else {
        answer(c, 200, there);
    }
    buf_free(&key);
}

static void serve(struct conn *c, const struct request *r)
{
    c->k->requests++;
    if (c->k->silent) {
        return;
    }
    if (c->k->unauthorized) {
        answer_status(c, 401, "Unauthorized");
    } else if (slice_eq_cstr(r->path, "/version")) {
        json_t *v = json_pack("{s:s}", "gitVersion", "v1.32.5");
        answer(c, 200, v);
        json_decref(v);
    } else if (slice_ends_with(r->path, SLICE("/log"))) {
        serve_log(c, r);
    } else if (!serve_discovery(c, r->path)) {
        serve_object(c, r);
    }
}

static struct slice header(struct slice head, const char *name)
{
    struct slice rest = head;
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        struct slice value = line;
        struct slice key;
        slice_split(&value, ':', &key);
        if (key.len == strlen(name) && strncasecmp(key.data, name, key.len) == 0) {
            return slice_trim(value);
        }
    }
    return (struct slice){0};
}

/* Serves the first whole request of what came; false if there is none. */
static bool serve_one(struct conn *c)
{
    struct slice all = buf_slice(&c->in);
    size_t end = slice_find(all, SLICE("\r\n\r\n"));
    if (end == SIZE_MAX) {
        return false;
    }
    struct slice head = slice_sub(all, 0, end);
    uint64_t length = 0;
    slice_u64(header(head, "content-length"), &length);
    if (all.len < end + 4 + length) {
        return false;
    }
    struct request r = {0};
    struct slice rest = head;
    struct slice target;
    slice_split(&rest, ' ', &r.method);
    slice_split(&rest, ' ', &target);
    r.query = target;
    slice_split(&r.query, '?', &r.path);
    r.agent = header(head, "user-agent");
    r.body = slice_sub(all, end + 4, length);
    serve(c, &r);
    buf_shift(&c->in, end + 4 + length);
    return true;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(mem_alloc(size), (unsigned)size);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = CONTAINER_OF((uv_tcp_t *)stream, struct conn, tcp);
    if (n > 0) {
        buf_add(&c->in, slice_make(buf->base, (size_t)n));
    }
    free(buf->base);
    if (n < 0) {
        conn_close(c);
        return;
    }
    while (!c->closing && serve_one(c)) {
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct kube *k = CONTAINER_OF((uv_tcp_t *)listener, struct kube, listener);
    struct conn *c = mem_zero(sizeof(*c));
    assert(status == 0);
    c->k = k;
    uv_tcp_init(&k->loop->uv, &c->tcp);
    list_push_back(&k->conns, &c->link);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
        conn_close(c);
    }
}

static void listen_on(struct kube *k, uint16_t port)
{
    struct sockaddr_in address;
    int len = sizeof(address);
    uv_tcp_init(&k->loop->uv, &k->listener);
    uv_ip4_addr("127.0.0.1", port, &address);
    int rc = uv_tcp_bind(&k->listener, (const struct sockaddr *)&address, 0);
    rc = rc != 0 ? rc : uv_listen((uv_stream_t *)&k->listener, 64, on_connection);
    rc = rc != 0 ? rc : uv_tcp_getsockname(&k->listener, (struct sockaddr *)&address, &len);
    assert(rc == 0);
    k->port = ntohs(address.sin_port);
    k->listening = true;
}

void kube_start(struct kube *k, struct loop *loop)
{
    *k = (struct kube){.loop = loop, .version = 100};
    k->objects = json_object();
    list_init(&k->conns);
    listen_on(k, 0);
}

void kube_restart(struct kube *k)
{
    listen_on(k, k->port);
}

void kube_stop(struct kube *k)
{
    if (k->listening) {
        k->listening = false;
        uv_close((uv_handle_t *)&k->listener, NULL);
    }
    LIST_FOREACH(link, &k->conns)
    {
        conn_close(CONTAINER_OF(link, struct conn, link));
    }
}

void kube_free(struct kube *k)
{
    json_decref(k->objects);
    json_decref(k->logs);
    buf_free(&k->logs_asked);
    buf_free(&k->log);
    buf_free(&k->agents);
}

void kube_config(const struct kube *k, struct buf *out)
{
    buf_addf(out,
             "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
             "clusters: [{name: c, cluster: {server: \"http://127.0.0.1:%u\"}}]\n"
             "users: [{name: u, user: {token: secret}}]\n"
             "contexts: [{name: c, context: {cluster: c, user: u}}]\n",
             k->port);
}
