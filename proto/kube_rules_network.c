/* kube_rules_network.c: Services, NetworkPolicies and Ingresses. */
#include <arpa/inet.h>
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
    if (address.len > 0 && !slice_eq_cstr(address, "None") && !kube__is_address(address)) {
        const struct kube_place place = kube__item(&spec_place, "clusterIPs", 0);
        kube__invalid(causes, &place, json_object_get(spec, "clusterIP"),
                      "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
    for (size_t i = 0; i < json_array_size(outside); i++) {
        const json_t *one = json_array_get(outside, i);
        const struct kube_place place = kube__item(&spec_place, "externalIPs", i);
        if (!kube__is_address(json_text(one))) {
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
        kube__formed(causes, rule, &at, "host", kube__host);
        if (http != NULL && json_array_size(paths) == 0) {
            (void)kube__need(causes, NULL, &inner, "paths");
        }
        for (size_t k = 0; k < json_array_size(paths); k++) {
            const struct kube_place place = kube__item(&inner, "paths", k);
            check_ingress_path(causes, json_array_get(paths, k), &place);
        }
    }
}
