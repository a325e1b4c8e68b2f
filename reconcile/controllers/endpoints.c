/* endpoints.c: where the endpoints of a binding are reached, inside a cluster and from outside.
 *
 * What a gateway serves, the component's type decides: the routes that it makes are rendered once
 * more, as they are for the cluster, and remembered until something that they are made of changes.
 * A route is an endpoint's by its labels (openchoreo.dev/endpoint-name, endpoint-visibility), which
 * the built-in types and OpenChoreo's give; scheme and port are those of the gateway's listener
 * whose domain the route's host is in. */
#include "reconcile/controllers/endpoints.h"

#include "render/gateway.h"
#include "render/name.h"

#define ENDPOINT_NAME "openchoreo.dev/endpoint-name"
#define ENDPOINT_VISIBILITY "openchoreo.dev/endpoint-visibility"

enum { REMEMBERED_MAX_BYTES = 4096 };

static const char *const reaches[] = {"external", "internal"};

static bool asks_for(const json_t *endpoint, const char *reach)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(endpoint, "visibility"), i, one)
    {
        if (slice_eq_cstr(json_text(one), reach)) {
            return true;
        }
    }
    return false;
}

/* How many routes the endpoints ask for. */
static size_t asked(const json_t *endpoints)
{
    size_t count = 0;
    const char *name;
    json_t *endpoint;
    json_object_foreach((json_t *)(uintptr_t)endpoints, name, endpoint)
    {
        for (size_t r = 0; r < 2; r++) {
            count += asks_for(endpoint, reaches[r]) ? 1 : 0;
        }
    }
    return count;
}

/* Leads an object of that kind to a Service from outside? */
static bool is_route(struct slice kind)
{
    static const char *const kinds[] = {"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute",
                                        "UDPRoute",  "Ingress",   "Route"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (slice_eq_cstr(kind, kinds[i])) {
            return true;
        }
    }
    return false;
}

/* [{endpoint, reach, hosts, path}] of the routes among manifests. */
static json_t *routes_among(const json_t *manifests)
{
    json_t *routes = json_array();
    size_t i;
    json_t *m;
    json_array_foreach((json_t *)(uintptr_t)manifests, i, m)
    {
        const json_t *hosts = json_at(m, "spec", "hostnames", NULL);
        const json_t *rule = json_array_get(json_at(m, "spec", "rules", NULL), 0);
        const json_t *match = json_array_get(json_object_get(rule, "matches"), 0);
        if (is_route(object_kind(m))) {
            json_array_append_new(
                routes,
                json_pack("{s:o, s:o, s:O*, s:o}", "endpoint",
                          json_str(object_label(m, ENDPOINT_NAME)), "reach",
                          json_str(object_label(m, ENDPOINT_VISIBILITY)), "hosts", hosts, "path",
                          json_str(json_text(json_at(match, "path", "value", NULL)))));
        }
    }
    return routes;
}

/* The routes on the cluster, a new tree; NULL: they cannot be rendered, as its RenderedRelease
 * says.
 */
static json_t *routes_of(const struct endpoints *e)
{
    struct arena *arena = &e->plan->arena;
    const struct deployment *d = e->deployment;
    struct slice known = snapshot_computed(e->s, e->binding);
    struct slice from = slice_of(arena_printf(arena, "%.*s/%.*s %.*s %.*s ", SLICE_ARG(d->plane),
                                              SLICE_ARG(d->cluster), SLICE_ARG(d->release),
                                              SLICE_ARG(d->release_uid)));
    struct buf text = {0};
    json_t *routes = NULL;
    json_t *manifests = NULL;
    const char *reason = NULL;
    struct err err;
    struct view v;
    if (slice_starts_with(known, from) &&
        json_parse(slice_sub(known, from.len, SIZE_MAX), &routes, &err) == 0) {
        return routes;
    }
    view_init(&v, e->s, arena);
    snapshot_compute_begin(e->s, e->binding);
    if (deployment_render(&v.platform, d, arena, e->s->programs, NULL, &manifests, &reason, &err) ==
        0) {
        routes = routes_among(manifests);
        buf_add(&text, from);
        json_canonical(routes, &text);
    }
    bool fits = text.len <= REMEMBERED_MAX_BYTES;
    snapshot_compute_end(e->s, e->binding, fits ? buf_slice(&text) : (struct slice){0});
    json_decref(manifests);
    buf_free(&text);
    return routes;
}

/* What enters the cluster from outside, a new tree. */
static json_t *gateway_of(const struct endpoints *e)
{
    struct environment env;
    const struct deployment *d = e->deployment;
    const json_t *plane = snapshot_get(e->s, SNAPSHOT_DATAPLANE, (struct slice){0}, d->plane);
    environment_find(e->s, d->ns, d->environment, &e->plan->arena, &env);
    return gateway_merge(env.spec, e->cluster, json_object_get(plane, "spec"));
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

static void add_routes(const json_t *gateway, const json_t *routes, json_t *row)
{
    static const char *const listeners[] = {"http", "https"};
    size_t i;
    json_t *route;
    json_array_foreach((json_t *)(uintptr_t)routes, i, route)
    {
        bool internal = slice_eq_cstr(json_text_at(route, "reach"), "internal");
        const char *reach = reaches[internal ? 1 : 0];
        if (!slice_eq(json_text_at(route, "endpoint"), json_text_at(row, "name")) ||
            !slice_eq_cstr(json_text_at(route, "reach"), reach)) {
            continue;
        }
        const json_t *at = json_at(gateway, "ingress", reach, NULL);
        for (size_t k = 0; k < 2; k++) {
            add_url(row, internal ? "internalURLs" : "externalURLs", listeners[k], at, route);
        }
    }
    add_invoke_url(row);
}

/* What was told of the URLs of an endpoint before. */
static void keep_urls(const json_t *before, json_t *row)
{
    static const char *const keys[] = {"invokeURL", "internalURLs", "externalURLs"};
    size_t i;
    json_t *was;
    json_array_foreach(json_at(before, "status", "endpoints", NULL), i, was)
    {
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            json_t *urls = json_object_get(was, keys[k]);
            if (urls != NULL && slice_eq(json_text_at(was, "name"), json_text_at(row, "name"))) {
                json_object_set(row, keys[k], urls);
            }
        }
    }
}

/* Does a route lead from there to the endpoint? One that names no endpoint may be anybody's. */
static bool is_routed(const json_t *routes, const char *endpoint, const char *reach)
{
    size_t i;
    json_t *route;
    json_array_foreach((json_t *)(uintptr_t)routes, i, route)
    {
        struct slice of = json_text_at(route, "endpoint");
        if (of.len == 0 ||
            (slice_eq_cstr(of, endpoint) && slice_eq_cstr(json_text_at(route, "reach"), reach))) {
            return true;
        }
    }
    return false;
}

/* Why an endpoint has no route, and what to do: a condition's reason, and its message. */
static const char *why_unrouted(const struct endpoints *e, struct slice type, const json_t *gateway,
                                const char *reach, const char **message)
{
    struct arena *arena = &e->plan->arena;
    struct slice plane = e->deployment->plane;
    bool external = reach == reaches[0];
    if (slice_eq_cstr(type, "TCP") || slice_eq_cstr(type, "UDP")) {
        *message = arena_printf(arena,
                                "it is %.*s, and only HTTP, GraphQL, Websocket and gRPC are "
                                "routed: set its visibility to organization or project",
                                SLICE_ARG(type));
        return "ProtocolNotRouted";
    }
    if (json_at(gateway, "ingress", reach, NULL) == NULL) {
        *message =
            arena_printf(arena,
                         "data plane \"%.*s\" has no gateway for it: set spec.gateway%s of "
                         "DataPlane \"%.*s\"%s",
                         SLICE_ARG(plane), external ? "" : ".ingress.internal", SLICE_ARG(plane),
                         external ? " (name, namespace, domain)" : ", beside ingress.external");
        return "NoGateway";
    }
    *message = "the component's type makes no route of it";
    return "NoRoute";
}

/* Whether each endpoint that is to be reached from outside can be: nobody else would tell. */
static void tell_exposed(const struct endpoints *e, json_t *edit, const json_t *endpoints,
                         const json_t *routes, const json_t *gateway, size_t count)
{
    size_t missing = 0;
    const char *reason = NULL;
    const char *first = NULL;
    const char *name;
    json_t *endpoint;
    json_object_foreach((json_t *)(uintptr_t)endpoints, name, endpoint)
    {
        for (size_t r = 0; r < 2; r++) {
            const char *why = NULL;
            if (!asks_for(endpoint, reaches[r]) || is_routed(routes, name, reaches[r])) {
                continue;
            }
            if (missing++ == 0) {
                reason = why_unrouted(e, json_text_at(endpoint, "type"), gateway, reaches[r], &why);
                first = arena_printf(&e->plan->arena,
                                     "endpoint \"%s\" is to be %s in environment \"%.*s\", but %s",
                                     name, r == 0 ? "public (external)" : "internal",
                                     SLICE_ARG(e->deployment->environment), why);
            }
        }
    }
    if (missing == 0) {
        condition_set(edit, e->s, ENDPOINTS_EXPOSED, STATUS_TRUE, "Routed",
                      "%zu route%s from outside to its endpoints", count,
                      count == 1 ? " leads" : "s lead");
        return;
    }
    condition_set(edit, e->s, ENDPOINTS_EXPOSED, STATUS_FALSE, reason,
                  "%zu of %zu routes from outside %s missing; %s", missing, count,
                  missing == 1 ? "is" : "are", first);
}

static json_t *row_of(const struct endpoints *e, const char *name, const json_t *endpoint)
{
    const struct deployment *d = e->deployment;
    struct arena *arena = &e->plan->arena;
    struct slice type = json_text_at(endpoint, "type");
    struct slice path = json_text_at(endpoint, "basePath");
    struct slice cell = name_cell(arena, d->ns, d->project, d->environment);
    const char *host = arena_printf(arena, "%.*s.%.*s.svc.cluster.local", SLICE_ARG(d->component),
                                    SLICE_ARG(cell));
    const char *scheme = slice_eq_cstr(type, "gRPC")  ? "grpc"
                         : slice_eq_cstr(type, "TCP") ? "tcp"
                         : slice_eq_cstr(type, "UDP") ? "udp"
                                                      : "http";
    json_t *url = json_pack("{s:s, s:s, s:O*}", "scheme", scheme, "host", host, "port",
                            json_object_get(endpoint, "port"));
    if (path.len > 0) {
        json_object_set_new(url, "path", json_str(path));
    }
    return json_pack("{s:s, s:o, s:o}", "name", name, "type", json_str(type), "serviceURL", url);
}

void endpoints_none(json_t *edit)
{
    status_set(edit, "endpoints", NULL);
    condition_drop(edit, ENDPOINTS_EXPOSED);
}

void endpoints_tell(const struct endpoints *e, json_t *edit)
{
    const struct deployment *d = e->deployment;
    const json_t *release = snapshot_get(e->s, SNAPSHOT_RELEASE, d->ns, d->release);
    json_t *endpoints = json_at(release, "spec", "workload", "endpoints", NULL);
    if (json_object_size(endpoints) == 0) {
        endpoints_none(edit);
        return;
    }
    size_t count = asked(endpoints);
    bool exposed = count > 0 && e->told;
    json_t *routes = exposed ? routes_of(e) : NULL;
    json_t *gateway = exposed ? gateway_of(e) : NULL;
    json_t *rows = json_array();
    const char *name;
    json_t *endpoint;
    json_object_foreach(endpoints, name, endpoint)
    {
        json_t *row = row_of(e, name, endpoint);
        if (routes != NULL) {
            add_routes(gateway, routes, row);
        } else if (exposed) {
            keep_urls(snapshot_tree(e->s, e->binding), row);
        }
        json_array_append_new(rows, row);
    }
    status_set(edit, "endpoints", rows);
    if (!exposed) {
        condition_drop(edit, ENDPOINTS_EXPOSED);
    } else if (routes != NULL) {
        tell_exposed(e, edit, endpoints, routes, gateway, count);
    }
    json_decref(routes);
    json_decref(gateway);
}
