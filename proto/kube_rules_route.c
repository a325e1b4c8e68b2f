/* kube_rules_route.c: routes of Gateway API.
 *
 * A cluster judges them by expressions in their own definitions; those that templates get wrong are
 * said here again. Their objects may come unchecked by any schema. */
#include <ctype.h>
#include <string.h>

#include "base/map.h"
#include "proto/kube_rules_internal.h"

static char present;
static const struct kube_place spec_place = {.name = "spec"};

enum {
    HOSTS_MAX = 16,
    PARENTS_MAX = 32,
    RULES_MAX = 16,
    REFS_MAX = 16,
    FILTERS_MAX = 16,
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
        const char *broken = kube__host(json_text(host));
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

struct filter_kind {
    const char *type;
    const char *member;
};

/* A filter says what it does in the member of its type, and in no other. */
static void check_filter(struct causes *causes, const json_t *filter, const struct kube_place *at,
                         const struct filter_kind *kinds, size_t count)
{
    struct slice type = json_text_at(filter, "type");
    bool known = false;
    (void)kube__need(causes, filter, at, "type");
    for (size_t i = 0; i < count; i++) {
        bool is = slice_eq_cstr(type, kinds[i].type);
        bool there = kube__get(filter, kinds[i].member) != NULL;
        known = known || is;
        if (is && !there) {
            kube__refuse(causes, CAUSE_INVALID, at,
                         "Invalid value: filter.%s must be specified for %s filter.type",
                         kinds[i].member, kinds[i].type);
        } else if (!is && there) {
            kube__refuse(causes, CAUSE_INVALID, at,
                         "Invalid value: filter.%s must be nil if the filter.type is not %s",
                         kinds[i].member, kinds[i].type);
        }
    }
    if (type.len > 0 && !known && json_object_size(filter) == 1) { /* of others it may say more */
        const struct kube_place place = kube__member(at, "type");
        kube__refuse(causes, CAUSE_NOT_SUPPORTED, &place, "Unsupported value: \"%.*s\"",
                     SLICE_ARG(slice_sub(type, 0, 200)));
    }
}

static bool replaces_prefix(const json_t *filter, const char *member)
{
    const json_t *path = kube__get(kube__get(filter, member), "path");
    return slice_eq_cstr(json_text_at(path, "type"), "ReplacePrefixMatch");
}

static bool matches_one_prefix(const json_t *rule)
{
    const json_t *matches = kube__get(rule, "matches");
    const json_t *path = kube__get(json_array_get(matches, 0), "path");
    struct slice type = json_text_at(path, "type");
    bool prefix = type.len == 0 || slice_eq_cstr(type, "PathPrefix");
    return json_array_size(matches) == 0 || (json_array_size(matches) == 1 && prefix);
}

/* What rewrites or redirects a whole rule. */
static void check_rewrites(struct causes *causes, const json_t *rule, const json_t *filter,
                           const struct kube_place *at)
{
    if (kube__get(filter, "requestRedirect") != NULL &&
        json_array_size(kube__get(rule, "backendRefs")) > 0) {
        kube__invalid(causes, at, NULL,
                      "RequestRedirect filter must not be used together with backendRefs");
    }
    if (replaces_prefix(filter, "requestRedirect") && !matches_one_prefix(rule)) {
        kube__invalid(causes, at, NULL,
                      "When using RequestRedirect filter with path.replacePrefixMatch, exactly one "
                      "PathPrefix match must be specified");
    }
    if (replaces_prefix(filter, "urlRewrite") && !matches_one_prefix(rule)) {
        kube__invalid(causes, at, NULL,
                      "When using URLRewrite filter with path.replacePrefixMatch, exactly one "
                      "PathPrefix match must be specified");
    }
}

static void check_filters(struct causes *causes, const json_t *rule, const struct kube_place *at,
                          bool http)
{
    static const struct filter_kind kinds[] = {
        {"ExtensionRef", "extensionRef"},
        {"RequestHeaderModifier", "requestHeaderModifier"},
        {"RequestMirror", "requestMirror"},
        {"ResponseHeaderModifier", "responseHeaderModifier"},
        /* an HTTPRoute's alone */
        {"CORS", "cors"},
        {"ExternalAuth", "externalAuth"},
        {"RequestRedirect", "requestRedirect"},
        {"URLRewrite", "urlRewrite"},
    };
    const json_t *filters = kube__get(rule, "filters");
    (void)check_list(causes, rule, at, "filters", FILTERS_MAX);
    for (size_t i = 0; i < json_array_size(filters); i++) {
        const json_t *one = json_array_get(filters, i);
        const struct kube_place place = kube__item(at, "filters", i);
        check_filter(causes, one, &place, kinds, http ? 8 : 4);
        check_rewrites(causes, rule, one, at);
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
        check_filters(causes, rule, &at, http);
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
