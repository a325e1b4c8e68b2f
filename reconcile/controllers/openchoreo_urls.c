/* openchoreo_urls.c: where the endpoints of a binding are reached from outside a cluster.
 *
 * What a gateway serves, the component's type decides: the routes that it makes are rendered once
 * more, as they are for the cluster, and remembered until something that they are made of changes.
 * A route is an endpoint's by its labels (openchoreo.dev/endpoint-name, endpoint-visibility), which
 * OpenChoreo's types give; scheme and port are those of the gateway's listener whose domain the
 * route's host is in. Of several clusters the first that was told of the release counts. */
#include "reconcile/controllers/openchoreo.h"

#include "reconcile/controllers/rendered.h"

#define ENDPOINT_NAME "openchoreo.dev/endpoint-name"
#define ENDPOINT_VISIBILITY "openchoreo.dev/endpoint-visibility"

enum { REMEMBERED_MAX_BYTES = 4096 };

static bool is_exposed(const json_t *endpoints)
{
    const char *name;
    json_t *endpoint;
    json_object_foreach((json_t *)(uintptr_t)endpoints, name, endpoint)
    {
        const json_t *reaches = json_object_get(endpoint, "visibility");
        for (size_t i = 0; i < json_array_size(reaches); i++) {
            struct slice reach = json_text(json_array_get(reaches, i));
            if (slice_eq_cstr(reach, "external") || slice_eq_cstr(reach, "internal")) {
                return true;
            }
        }
    }
    return false;
}

/* What of the binding is on its first cluster; NULL: nothing yet. */
static const struct snapshot_entry *find_rendered(const struct translation *t,
                                                  const struct snapshot_entry *binding)
{
    const struct snapshot_entry **found;
    size_t count = snapshot_list(t->s, SNAPSHOT_RENDERED, SNAPSHOT_BY_BINDING, binding->ns,
                                 binding->name, &t->plan->arena, &found);
    for (size_t i = 0; i < count; i++) {
        if (found[i]->applied && !found[i]->deleting) {
            return found[i];
        }
    }
    return NULL;
}

/* [{endpoint, reach, hosts, path}] of the routes among manifests. */
static json_t *routes_among(const json_t *manifests)
{
    json_t *routes = json_array();
    size_t i;
    json_t *m;
    json_array_foreach((json_t *)(uintptr_t)manifests, i, m)
    {
        struct slice kind = object_kind(m);
        const json_t *hosts = json_at(m, "spec", "hostnames", NULL);
        const json_t *rule = json_array_get(json_at(m, "spec", "rules", NULL), 0);
        const json_t *match = json_array_get(json_object_get(rule, "matches"), 0);
        if ((slice_eq_cstr(kind, "HTTPRoute") || slice_eq_cstr(kind, "GRPCRoute")) &&
            object_label(m, ENDPOINT_NAME).len > 0) {
            json_array_append_new(
                routes,
                json_pack("{s:o, s:o, s:O?, s:o}", "endpoint",
                          json_str(object_label(m, ENDPOINT_NAME)), "reach",
                          json_str(object_label(m, ENDPOINT_VISIBILITY)), "hosts", hosts, "path",
                          json_str(json_text(json_at(match, "path", "value", NULL)))));
        }
    }
    return routes;
}

/* The routes of a RenderedRelease, a new tree; NULL: it cannot be rendered, as it says itself. */
static json_t *routes_of(const struct translation *t, const struct snapshot_entry *rendered)
{
    struct arena *arena = &t->plan->arena;
    struct slice known = snapshot_computed(t->s, t->entry);
    struct slice from = slice_of(arena_printf(arena, "%.*s ", SLICE_ARG(rendered->name)));
    struct buf text = {0};
    json_t *routes = NULL;
    json_t *manifests = NULL;
    const char *reason = NULL;
    struct err err;
    if (slice_starts_with(known, from) &&
        json_parse(slice_sub(known, from.len, SIZE_MAX), &routes, &err) == 0) {
        return routes;
    }
    snapshot_compute_begin(t->s, t->entry);
    if (rendered_manifests(t->s, snapshot_tree(t->s, rendered), arena, &manifests, &reason, &err) ==
        0) {
        routes = routes_among(manifests);
        buf_add(&text, from);
        json_canonical(routes, &text);
    }
    bool fits = text.len <= REMEMBERED_MAX_BYTES;
    snapshot_compute_end(t->s, t->entry, fits ? buf_slice(&text) : (struct slice){0});
    json_decref(manifests);
    buf_free(&text);
    return routes;
}

/* gateway.ingress.REACH: the environment's, else the plane's. */
static const json_t *gateway_of(const struct translation *t, const json_t *rendered,
                                const char *reach)
{
    struct environment env;
    struct slice none = {0};
    const json_t *plane =
        snapshot_get(t->s, SNAPSHOT_DATAPLANE, none, spec_text(rendered, "dataPlane"));
    environment_find(t->s, t->entry->ns, spec_text(rendered, "environmentName"), &t->plan->arena,
                     &env);
    const json_t *own = json_at(env.spec, "gateway", "ingress", reach, NULL);
    return own != NULL ? own : json_at(plane, "spec", "gateway", "ingress", reach, NULL);
}

static const char *scheme_of(struct slice type, bool secure)
{
    if (slice_eq_cstr(type, "Websocket")) {
        return secure ? "wss" : "ws";
    }
    if (slice_eq_cstr(type, "gRPC")) {
        return secure ? "grpcs" : "grpc";
    }
    return secure ? "https" : "http";
}

/* Is host the domain, or below it? */
static bool is_within(struct slice host, struct slice domain)
{
    return slice_eq(host, domain) || (host.len > domain.len && slice_ends_with(host, domain) &&
                                      host.data[host.len - domain.len - 1] == '.');
}

/* Adds row.KEY.LISTENER for the route's host that is in the listener's domain. */
static void add_url(json_t *row, const char *key, const char *listener, const json_t *gateway,
                    const json_t *route)
{
    const json_t *at = json_object_get(gateway, listener);
    struct slice domain = json_text_at(at, "host");
    const json_t *hosts = json_object_get(route, "hosts");
    for (size_t i = 0; domain.len > 0 && i < json_array_size(hosts); i++) {
        struct slice host = json_text(json_array_get(hosts, i));
        if (!is_within(host, domain)) {
            continue;
        }
        json_t *url = json_pack(
            "{s:s, s:o, s:O*}", "scheme",
            scheme_of(json_text_at(row, "type"), slice_eq_cstr(slice_of(listener), "https")),
            "host", json_str(host), "port", json_object_get(at, "port"));
        if (json_text_at(route, "path").len > 0) {
            json_object_set(url, "path", json_object_get(route, "path"));
        }
        json_object_set_new(json_child(row, key), listener, url);
        return;
    }
}

/* The one that people are told: over TLS, if it is served so. */
static void add_invoke_url(json_t *row)
{
    const json_t *urls = json_object_get(row, "externalURLs");
    const json_t *url = json_object_get(urls, "https");
    url = url != NULL ? url : json_object_get(urls, "http");
    if (url == NULL) {
        return;
    }
    struct buf text = {0};
    buf_addf(&text, "%.*s://%.*s", SLICE_ARG(json_text_at(url, "scheme")),
             SLICE_ARG(json_text_at(url, "host")));
    json_int_t port = json_integer_value(json_object_get(url, "port"));
    bool secure = slice_ends_with(json_text_at(url, "scheme"), SLICE("s")) &&
                  !slice_eq_cstr(json_text_at(url, "scheme"), "ws");
    if (port > 0 && port != (secure ? 443 : 80)) {
        buf_addf(&text, ":%lld", (long long)port);
    }
    buf_add(&text, json_text_at(url, "path"));
    json_object_set_new(row, "invokeURL", json_str(buf_slice(&text)));
    buf_free(&text);
}

static void add_routes(const struct translation *t, const json_t *rendered, const json_t *routes,
                       json_t *row)
{
    static const char *const listeners[] = {"http", "https"};
    size_t i;
    json_t *route;
    json_array_foreach((json_t *)(uintptr_t)routes, i, route)
    {
        bool internal = slice_eq_cstr(json_text_at(route, "reach"), "internal");
        const char *reach = internal ? "internal" : "external";
        if (!slice_eq(json_text_at(route, "endpoint"), json_text_at(row, "name")) ||
            !slice_eq_cstr(json_text_at(route, "reach"), reach)) {
            continue;
        }
        const json_t *gateway = gateway_of(t, rendered, reach);
        for (size_t k = 0; k < 2; k++) {
            add_url(row, internal ? "internalURLs" : "externalURLs", listeners[k], gateway, route);
        }
    }
    add_invoke_url(row);
}

void openchoreo_urls_add(const struct translation *t, const struct snapshot_entry *binding,
                         json_t *rows)
{
    const json_t *tree = snapshot_tree(t->s, binding);
    const json_t *release = snapshot_get(t->s, SNAPSHOT_RELEASE, binding->ns,
                                         json_text(json_at(tree, "status", "releaseName", NULL)));
    const struct snapshot_entry *rendered =
        is_exposed(json_at(release, "spec", "workload", "endpoints", NULL))
            ? find_rendered(t, binding)
            : NULL;
    json_t *routes = rendered != NULL ? routes_of(t, rendered) : NULL;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        if (routes != NULL) {
            add_routes(t, snapshot_tree(t->s, rendered), routes, row);
        }
    }
    json_decref(routes);
}
