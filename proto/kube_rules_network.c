/* kube_rules_network.c: Services, policies, and routes from outside.
 *
 * Gateway API's routes are judged by expressions of their own definitions; those that templates
 * get wrong are said here again. Their objects may come unchecked by any schema. */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/map.h"
#include "proto/kube_rules_internal.h"
#include "proto/tree_internal.h"

static char present;
static const struct kube_place spec_place = {.name = "spec"};
static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};

static const char *cidr(struct slice text)
{
    return schema_format_rule(SCHEMA_FORMAT_CIDR, text) == NULL
               ? NULL
               : "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
}

static bool is_ip(struct slice text)
{
    return schema_format_rule(SCHEMA_FORMAT_IPV4, text) == NULL ||
           schema_format_rule(SCHEMA_FORMAT_IPV6, text) == NULL;
}

/* ---- Services ---- */

/* Of several ports each has a name; no two share one, nor what they listen on. */
static void check_service_port(struct causes *causes, const json_t *port,
                               const struct kube_place *at, bool named, struct map *seen)
{
    struct slice name = json_text_at(port, "name");
    const struct kube_place place = kube__member(at, "name");
    if (named) {
        (void)kube__need(causes, port, at, "name");
    }
    kube__formed(causes, port, at, "name", schema_dns_label);
    if (name.len > 0 && map_put(seen, name, &present) != NULL) {
        kube__duplicate(causes, &place, name);
    }
    kube__port(causes, port, at, "port");
    kube__among(causes, port, at, "protocol", protocols);
    kube__port_or_name(causes, port, at, "targetPort");
    kube__formed(causes, port, at, "appProtocol", schema_label_key);
}

static void check_addresses(struct causes *causes, const json_t *spec)
{
    struct slice address = json_text_at(spec, "clusterIP");
    const json_t *ranges = kube__get(spec, "loadBalancerSourceRanges");
    const json_t *outside = kube__get(spec, "externalIPs");
    if (address.len > 0 && !slice_eq_cstr(address, "None") && !is_ip(address)) {
        const struct kube_place place = kube__item(&spec_place, "clusterIPs", 0);
        kube__invalid(causes, &place, json_object_get(spec, "clusterIP"),
                      "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
    for (size_t i = 0; i < json_array_size(outside); i++) {
        const json_t *one = json_array_get(outside, i);
        const struct kube_place place = kube__item(&spec_place, "externalIPs", i);
        if (!is_ip(json_text(one))) {
            kube__invalid(causes, &place, one,
                          "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        }
    }
    for (size_t i = 0; i < json_array_size(ranges); i++) {
        const json_t *one = json_array_get(ranges, i);
        const struct kube_place place = kube__item(&spec_place, "loadBalancerSourceRanges", i);
        const char *broken = cidr(slice_trim(json_text(one)));
        if (broken != NULL) {
            kube__invalid(causes, &place, one, broken);
        }
    }
}

void kube__check_service(struct causes *causes, const json_t *object)
{
    static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort",
                                        NULL};
    static const char *const affinities[] = {"ClientIP", "None", NULL};
    const json_t *spec = kube__get(object, "spec");
    const json_t *ports = kube__get(spec, "ports");
    const struct kube_place selector = kube__member(&spec_place, "selector");
    struct slice type = json_text_at(spec, "type");
    bool none = slice_eq_cstr(json_text_at(spec, "clusterIP"), "None");
    struct map seen = {0};
    if (slice_eq_cstr(type, "ExternalName")) {
        kube__named(causes, spec, &spec_place, "externalName", schema_dns_name);
    } else if (json_array_size(ports) == 0 && !none) {
        (void)kube__need(causes, NULL, &spec_place, "ports");
    }
    if (none && (slice_eq_cstr(type, "LoadBalancer") || slice_eq_cstr(type, "NodePort"))) {
        const struct kube_place place = kube__item(&spec_place, "clusterIPs", 0);
        kube__refuse(causes, CAUSE_INVALID, &place,
                     "Invalid value: \"None\": may not be set to 'None' for %.*s services",
                     SLICE_ARG(type));
    }
    for (size_t i = 0; i < json_array_size(ports); i++) {
        const struct kube_place place = kube__item(&spec_place, "ports", i);
        check_service_port(causes, json_array_get(ports, i), &place, json_array_size(ports) > 1,
                           &seen);
    }
    map_free(&seen);
    kube__labels(causes, kube__get(spec, "selector"), &selector);
    kube__among(causes, spec, &spec_place, "type", types);
    kube__among(causes, spec, &spec_place, "sessionAffinity", affinities);
    check_addresses(causes, spec);
}

/* ---- NetworkPolicies ---- */

static void check_policy_port(struct causes *causes, const json_t *port,
                              const struct kube_place *at)
{
    const json_t *first = kube__get(port, "port");
    const json_t *last = kube__get(port, "endPort");
    const struct kube_place place = kube__member(at, "endPort");
    kube__among(causes, port, at, "protocol", protocols);
    kube__port_or_name(causes, port, at, "port");
    if (last == NULL) {
        return;
    }
    if (first == NULL || json_is_string(first)) {
        kube__invalid(causes, &place, last,
                      first == NULL ? "may not be specified when `port` is not specified"
                                    : "may not be specified when `port` is non-numeric");
    } else if (json_integer_value(last) < json_integer_value(first)) {
        kube__invalid(causes, &place, last, "must be greater than or equal to `port`");
    } else {
        kube__port(causes, port, at, "endPort");
    }
}

struct range {
    unsigned char bytes[16];
    unsigned bits;
    bool six;
};

static bool read_range(struct slice text, struct range *out)
{
    char address[INET6_ADDRSTRLEN + 1];
    uint64_t bits = 0;
    size_t slash = slice_find(text, SLICE("/"));
    if (cidr(text) != NULL || slash >= sizeof address ||
        !slice_u64(slice_sub(text, slash + 1, SIZE_MAX), &bits)) {
        return false;
    }
    memcpy(address, text.data, slash);
    address[slash] = '\0';
    *out = (struct range){.bits = (unsigned)bits, .six = strchr(address, ':') != NULL};
    return inet_pton(out->six ? AF_INET6 : AF_INET, address, out->bytes) == 1;
}

/* Whether inner lies in outer and is smaller. */
static bool lies_in(struct slice inner, struct slice outer)
{
    struct range a;
    struct range b;
    if (!read_range(inner, &a) || !read_range(outer, &b) || a.six != b.six || a.bits <= b.bits) {
        return false;
    }
    for (unsigned i = 0; i < b.bits; i++) {
        unsigned mask = 0x80U >> (i % 8);
        if (((a.bytes[i / 8] ^ b.bytes[i / 8]) & mask) != 0) {
            return false;
        }
    }
    return true;
}

static void check_block(struct causes *causes, const json_t *block, const struct kube_place *at)
{
    const json_t *except = kube__get(block, "except");
    kube__named(causes, block, at, "cidr", cidr);
    for (size_t i = 0; i < json_array_size(except); i++) {
        const json_t *one = json_array_get(except, i);
        const struct kube_place place = kube__item(at, "except", i);
        const char *broken = cidr(json_text(one));
        if (broken != NULL) {
            kube__invalid(causes, &place, one, broken);
        } else if (!lies_in(json_text(one), json_text_at(block, "cidr"))) {
            kube__invalid(causes, &place, one, "must be a strict subset of `cidr`");
        }
    }
}

static void check_peer(struct causes *causes, const json_t *peer, const struct kube_place *at)
{
    static const char *const selectors[] = {"podSelector", "namespaceSelector"};
    const json_t *block = kube__get(peer, "ipBlock");
    const struct kube_place place = kube__member(at, "ipBlock");
    size_t chosen = 0;
    for (size_t i = 0; i < 2; i++) {
        const struct kube_place member = kube__member(at, selectors[i]);
        chosen += kube__get(peer, selectors[i]) != NULL ? 1 : 0;
        kube__selector(causes, kube__get(peer, selectors[i]), &member);
    }
    if (block != NULL) {
        check_block(causes, block, &place);
    }
    if (block != NULL && chosen > 0) {
        kube__refuse(causes, CAUSE_FORBIDDEN, at,
                     "Forbidden: may not specify both ipBlock and another peer");
    } else if (block == NULL && chosen == 0) {
        kube__refuse(causes, CAUSE_REQUIRED, at, "Required value: must specify a peer");
    }
}

static void check_traffic(struct causes *causes, const json_t *spec, const char *way,
                          const char *peers)
{
    const json_t *rules = kube__get(spec, way);
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        const json_t *ports = kube__get(rule, "ports");
        const json_t *list = kube__get(rule, peers);
        const struct kube_place at = kube__item(&spec_place, way, i);
        for (size_t k = 0; k < json_array_size(ports); k++) {
            const struct kube_place place = kube__item(&at, "ports", k);
            check_policy_port(causes, json_array_get(ports, k), &place);
        }
        for (size_t k = 0; k < json_array_size(list); k++) {
            const struct kube_place place = kube__item(&at, peers, k);
            check_peer(causes, json_array_get(list, k), &place);
        }
    }
}

void kube__check_network_policy(struct causes *causes, const json_t *object)
{
    const json_t *spec = kube__get(object, "spec");
    const json_t *types = kube__get(spec, "policyTypes");
    const struct kube_place selector = kube__member(&spec_place, "podSelector");
    (void)kube__need(causes, object, NULL, "spec");
    kube__selector(causes, kube__get(spec, "podSelector"), &selector);
    check_traffic(causes, spec, "ingress", "from");
    check_traffic(causes, spec, "egress", "to");
    for (size_t i = 0; i < json_array_size(types); i++) {
        struct slice type = json_text(json_array_get(types, i));
        if (!slice_eq_cstr(type, "Ingress") && !slice_eq_cstr(type, "Egress")) {
            const struct kube_place place = kube__item(&spec_place, "policyTypes", i);
            kube__refuse(causes, CAUSE_NOT_SUPPORTED, &place,
                         "Unsupported value: \"%.*s\": supported values: \"Egress\", \"Ingress\"",
                         SLICE_ARG(slice_sub(type, 0, 200)));
        }
    }
}

/* ---- Ingresses ---- */

static const char *host_name(struct slice text)
{
    bool wild = slice_starts_with(text, SLICE("*."));
    if (is_ip(text)) {
        return "must be a DNS name, not an IP address";
    }
    return schema_dns_name(wild ? slice_sub(text, 2, SIZE_MAX) : text);
}

static void check_backend(struct causes *causes, const json_t *backend, const struct kube_place *at)
{
    const json_t *service = kube__get(backend, "service");
    const json_t *port = kube__get(service, "port");
    const struct kube_place place = kube__member(at, "service");
    const struct kube_place ports = kube__member(&place, "port");
    if (service == NULL) {
        if (kube__get(backend, "resource") == NULL) {
            kube__refuse(causes, CAUSE_REQUIRED, at,
                         "Required value: a service or resource backend is required");
        }
        return;
    }
    kube__named(causes, service, &place, "name", schema_dns_1035);
    if (json_text_at(port, "name").len > 0) {
        kube__formed(causes, port, &ports, "name", schema_port_name);
    } else if (port == NULL || json_integer_value(kube__get(port, "number")) == 0) {
        kube__refuse(causes, CAUSE_REQUIRED, &ports,
                     "Required value: port name or number is required");
    } else {
        kube__port(causes, port, &ports, "number");
    }
}

static void check_ingress_path(struct causes *causes, const json_t *path,
                               const struct kube_place *at)
{
    static const char *const types[] = {"Exact", "ImplementationSpecific", "Prefix", NULL};
    struct slice type = json_text_at(path, "pathType");
    struct slice text = json_text_at(path, "path");
    const struct kube_place member = kube__member(at, "path");
    const struct kube_place backend = kube__member(at, "backend");
    if (type.len == 0) {
        const struct kube_place place = kube__member(at, "pathType");
        kube__refuse(causes, CAUSE_REQUIRED, &place, "Required value: pathType must be specified");
    }
    kube__among(causes, path, at, "pathType", types);
    if ((text.len > 0 || !slice_eq_cstr(type, "ImplementationSpecific")) &&
        !slice_starts_with(text, SLICE("/"))) {
        kube__invalid(causes, &member, json_object_get(path, "path"), "must be an absolute path");
    }
    check_backend(causes, kube__get(path, "backend"), &backend);
}

void kube__check_ingress(struct causes *causes, const json_t *object)
{
    const json_t *spec = kube__get(object, "spec");
    const json_t *rules = kube__get(spec, "rules");
    const struct kube_place fallback = kube__member(&spec_place, "defaultBackend");
    if (kube__get(spec, "defaultBackend") != NULL) {
        check_backend(causes, kube__get(spec, "defaultBackend"), &fallback);
    } else if (json_array_size(rules) == 0) {
        kube__refuse(causes, CAUSE_INVALID, &spec_place,
                     "Invalid value: null: either `defaultBackend` or `rules` must be specified");
    }
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        const json_t *http = kube__get(rule, "http");
        const json_t *paths = kube__get(http, "paths");
        const struct kube_place at = kube__item(&spec_place, "rules", i);
        const struct kube_place inner = kube__member(&at, "http");
        kube__formed(causes, rule, &at, "host", host_name);
        if (http != NULL && json_array_size(paths) == 0) {
            (void)kube__need(causes, NULL, &inner, "paths");
        }
        for (size_t k = 0; k < json_array_size(paths); k++) {
            const struct kube_place place = kube__item(&inner, "paths", k);
            check_ingress_path(causes, json_array_get(paths, k), &place);
        }
    }
}

/* ---- routes of gateways ---- */

enum {
    HOSTS_MAX = 16,
    PARENTS_MAX = 32,
    RULES_MAX = 16,
    REFS_MAX = 16,
    MATCHES_MAX = 64,
    MATCHES_OF_ALL_MAX = 128,
    PATH_BYTES_MAX = 1024
};

/* A list of at most so many; false if it is none. */
static bool check_list(struct causes *causes, const json_t *object, const struct kube_place *at,
                       const char *name, size_t max)
{
    const json_t *list = kube__get(object, name);
    const struct kube_place place = kube__member(at, name);
    if (list != NULL && !json_is_array(list)) {
        kube__refuse(causes, CAUSE_TYPE, &place, "Invalid value: must be a list");
        return false;
    }
    if (json_array_size(list) > max) {
        kube__refuse(causes, CAUSE_TOO_MANY, &place, "Too many: %zu: must have at most %zu items",
                     json_array_size(list), max);
    }
    return list != NULL;
}

static void check_hosts(struct causes *causes, const json_t *spec)
{
    const json_t *hosts = kube__get(spec, "hostnames");
    if (!check_list(causes, spec, &spec_place, "hostnames", HOSTS_MAX)) {
        return;
    }
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const json_t *host = json_array_get(hosts, i);
        const struct kube_place place = kube__item(&spec_place, "hostnames", i);
        const char *broken = host_name(json_text(host));
        if (broken != NULL) {
            kube__invalid(causes, &place, host, broken);
        }
    }
}

static bool same_text(const json_t *a, const json_t *b, const char *name)
{
    return slice_eq(json_text_at(a, name), json_text_at(b, name));
}

/* Of one parent that is named twice different parts are meant. */
static void check_parents(struct causes *causes, const json_t *spec)
{
    const json_t *list = kube__get(spec, "parentRefs");
    const struct kube_place place = kube__member(&spec_place, "parentRefs");
    if (!check_list(causes, spec, &spec_place, "parentRefs", PARENTS_MAX)) {
        return;
    }
    for (size_t i = 0; i < json_array_size(list) && i < PARENTS_MAX; i++) {
        const json_t *one = json_array_get(list, i);
        const struct kube_place at = kube__item(&spec_place, "parentRefs", i);
        (void)kube__need(causes, one, &at, "name");
        for (size_t k = 0; k < i; k++) {
            const json_t *other = json_array_get(list, k);
            bool both = json_text_at(one, "sectionName").len > 0 &&
                        json_text_at(other, "sectionName").len > 0;
            if (!same_text(one, other, "name") || !same_text(one, other, "namespace") ||
                !same_text(one, other, "group") || !same_text(one, other, "kind")) {
                continue;
            }
            if (!both || same_text(one, other, "sectionName")) {
                kube__invalid(causes, &place, NULL,
                              both ? "sectionName must be unique when parentRefs includes 2 or "
                                     "more references to the same parent"
                                   : "sectionName must be specified when parentRefs includes 2 "
                                     "or more references to the same parent");
                return;
            }
        }
    }
}

/* A Service is known by its name and port. */
static void check_refs(struct causes *causes, const json_t *rule, const struct kube_place *at)
{
    const json_t *refs = kube__get(rule, "backendRefs");
    (void)check_list(causes, rule, at, "backendRefs", REFS_MAX);
    for (size_t i = 0; i < json_array_size(refs); i++) {
        const json_t *one = json_array_get(refs, i);
        const struct kube_place place = kube__item(at, "backendRefs", i);
        struct slice kind = json_text_at(one, "kind");
        bool service = json_text_at(one, "group").len == 0 &&
                       (kind.len == 0 || slice_eq_cstr(kind, "Service"));
        (void)kube__need(causes, one, &place, "name");
        kube__at_least(causes, one, &place, "weight", 0);
        if (service && kube__get(one, "port") == NULL) {
            kube__invalid(causes, &place, NULL, "Must have port for Service reference");
        } else if (kube__get(one, "port") != NULL) {
            kube__port(causes, one, &place, "port");
        }
    }
}

/* Unreserved characters, sub-delimiters, ':', '@', '/', and what is percent-encoded. */
static bool of_path(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool encoded = c == '%' && i + 2 < text.len && isxdigit((unsigned char)text.data[i + 1]) &&
                       isxdigit((unsigned char)text.data[i + 2]);
        if (!isalnum(c) && !encoded && (c == '\0' || strchr("-/._~!$&'()*+,;=:@", c) == NULL)) {
            return false;
        }
    }
    return true;
}

static const char *path_rule(struct slice path)
{
    static const struct {
        struct slice part;
        const char *rule;
    } never[] = {{{"//", 2}, "must not contain '//'"},     {{"/./", 3}, "must not contain '/./'"},
                 {{"/../", 4}, "must not contain '/../'"}, {{"%2f", 3}, "must not contain '%2f'"},
                 {{"%2F", 3}, "must not contain '%2F'"},   {{"#", 1}, "must not contain '#'"}};
    if (path.len == 0 || path.data[0] != '/') {
        return "value must be an absolute path and start with '/'";
    }
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        if (slice_find(path, never[i].part) != SIZE_MAX) {
            return never[i].rule;
        }
    }
    if (slice_ends_with(path, SLICE("/..")) || slice_ends_with(path, SLICE("/."))) {
        return "must not end with '/..' or '/.'";
    }
    return of_path(path) ? NULL
                         : "must only contain valid characters (matching "
                           "^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$)";
}

static void check_path(struct causes *causes, const json_t *path, const struct kube_place *at)
{
    static const char *const types[] = {"Exact", "PathPrefix", "RegularExpression", NULL};
    struct slice value = json_text_at(path, "value");
    const struct kube_place place = kube__member(at, "value");
    bool pattern = slice_eq_cstr(json_text_at(path, "type"), "RegularExpression");
    const char *broken = pattern || kube__get(path, "value") == NULL ? NULL : path_rule(value);
    kube__among(causes, path, at, "type", types);
    if (value.len > PATH_BYTES_MAX) {
        kube__refuse(causes, CAUSE_TOO_LONG, &place, "Too long: may not be more than %d bytes",
                     PATH_BYTES_MAX);
    } else if (broken != NULL) {
        kube__refuse(causes, CAUSE_INVALID, at,
                     "Invalid value: \"%.*s\": %s when type one of ['Exact', 'PathPrefix']",
                     SLICE_ARG(slice_sub(value, 0, 200)), broken);
    }
}

static void check_http_matches(struct causes *causes, const json_t *rule,
                               const struct kube_place *at)
{
    static const char *const methods[] = {"CONNECT", "DELETE", "GET", "HEAD",  "OPTIONS",
                                          "PATCH",   "POST",   "PUT", "TRACE", NULL};
    const json_t *matches = kube__get(rule, "matches");
    for (size_t i = 0; i < json_array_size(matches); i++) {
        const json_t *one = json_array_get(matches, i);
        const struct kube_place match = kube__item(at, "matches", i);
        const struct kube_place path = kube__member(&match, "path");
        kube__among(causes, one, &match, "method", methods);
        check_path(causes, kube__get(one, "path"), &path);
    }
}

static void check_route(struct causes *causes, const json_t *object, bool http)
{
    const json_t *spec = kube__get(object, "spec");
    const json_t *rules = kube__get(spec, "rules");
    struct map names = {0};
    size_t matches = 0;
    check_parents(causes, spec);
    check_hosts(causes, spec);
    if (check_list(causes, spec, &spec_place, "rules", RULES_MAX) && json_array_size(rules) == 0 &&
        http) {
        const struct kube_place place = kube__member(&spec_place, "rules");
        kube__invalid(causes, &place, NULL, "must have at least 1 items");
    }
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        struct slice name = json_text_at(rule, "name");
        const struct kube_place at = kube__item(&spec_place, "rules", i);
        kube__formed(causes, rule, &at, "name", schema_dns_name);
        if (name.len > 0 && map_put(&names, name, &present) != NULL) {
            const struct kube_place member = kube__member(&spec_place, "rules");
            kube__invalid(causes, &member, NULL, "Rule name must be unique within the route");
        }
        (void)check_list(causes, rule, &at, "matches", MATCHES_MAX);
        matches += json_array_size(kube__get(rule, "matches"));
        if (http) {
            check_http_matches(causes, rule, &at);
        }
        check_refs(causes, rule, &at);
    }
    if (matches > MATCHES_OF_ALL_MAX) {
        const struct kube_place place = kube__member(&spec_place, "rules");
        kube__invalid(causes, &place, NULL,
                      "While 16 rules and 64 matches per rule are allowed, the total number of "
                      "matches across all rules in a route must be less than 128");
    }
    map_free(&names);
}

void kube__check_http_route(struct causes *causes, const json_t *object)
{
    check_route(causes, object, true);
}

void kube__check_grpc_route(struct causes *causes, const json_t *object)
{
    check_route(causes, object, false);
}
