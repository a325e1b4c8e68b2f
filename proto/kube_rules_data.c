/* kube_rules_data.c: what ConfigMaps and Secrets hold, and the limits of namespaces. */
#include "proto/kube_rules_internal.h"
#include "proto/tree_internal.h"

enum { DATA_BYTES_MAX = 1024 * 1024 };

static const struct kube_place spec_place = {.name = "spec"};

/* ---- ConfigMaps and Secrets ---- */

/* The bytes of its keys and values, which may be base64. */
static size_t check_keys(struct causes *causes, const json_t *map, const char *name, bool encoded)
{
    size_t bytes = 0;
    TREE_EACH(it, map)
    {
        struct slice key = tree_key(it);
        const struct kube_place place = kube__key(NULL, name, slice_sub(key, 0, 256));
        const char *rule = schema_format_rule(SCHEMA_FORMAT_CONFIG_KEY, key);
        size_t len = json_text(json_object_iter_value(it)).len;
        bytes += key.len + (encoded ? len / 4 * 3 : len);
        if (rule != NULL) {
            kube__refuse(causes, CAUSE_INVALID, &place, "Invalid value: %s", rule);
        }
    }
    return bytes;
}

void kube__check_data(struct causes *causes, const json_t *object)
{
    const json_t *data = kube__get(object, "data");
    const json_t *binary = kube__get(object, "binaryData");
    const struct kube_place place = kube__member(NULL, "data");
    bool secret = slice_eq_cstr(json_text_at(object, "kind"), "Secret");
    size_t bytes = check_keys(causes, data, "data", secret);
    bytes += check_keys(causes, binary, "binaryData", true);
    bytes += check_keys(causes, kube__get(object, "stringData"), "stringData", false);
    if (bytes > DATA_BYTES_MAX) {
        kube__refuse(causes, CAUSE_TOO_LONG, &place, "Too long: may not be more than %d bytes",
                     DATA_BYTES_MAX);
    }
    TREE_EACH(it, binary)
    {
        if (tree_get(data, tree_key(it)) != NULL) {
            const struct kube_place twice = kube__member(NULL, "binaryData");
            kube__refuse(causes, CAUSE_INVALID, &twice,
                         "Invalid value: \"%.*s\": duplicate of key present in data",
                         SLICE_ARG(tree_key(it)));
        }
    }
}

/* What is a secret of one of Kubernetes' types has that type's keys. */
void kube__check_secret(struct causes *causes, const json_t *object)
{
    static const struct {
        const char *type;
        const char *key;
    } required[] = {{"kubernetes.io/dockercfg", ".dockercfg"},
                    {"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
                    {"kubernetes.io/ssh-auth", "ssh-privatekey"},
                    {"kubernetes.io/tls", "tls.crt"},
                    {"kubernetes.io/tls", "tls.key"}};
    struct slice type = json_text_at(object, "type");
    kube__check_data(causes, object);
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        const char *key = required[i].key;
        if (slice_eq_cstr(type, required[i].type) &&
            kube__get(kube__get(object, "data"), key) == NULL &&
            kube__get(kube__get(object, "stringData"), key) == NULL) {
            const struct kube_place place = kube__key(NULL, "data", slice_of(key));
            kube__refuse(causes, CAUSE_REQUIRED, &place, "Required value");
        }
    }
}

/* ---- limits ---- */

static bool amount_at(const json_t *map, struct slice name, schema_nano *nano)
{
    const json_t *value = tree_get(map, name);
    if (json_is_integer(value)) {
        *nano = (schema_nano)json_integer_value(value) * 1000 * 1000 * 1000;
        return true;
    }
    return value != NULL && schema_quantity(json_text(value), nano);
}

static void check_positive(struct causes *causes, const json_t *map, const struct kube_place *at,
                           const char *name)
{
    TREE_EACH(it, map)
    {
        schema_nano nano;
        if (amount_at(map, tree_key(it), &nano) && nano < 0) {
            const struct kube_place place = kube__key(at, name, tree_key(it));
            kube__invalid(causes, &place, json_object_iter_value(it),
                          "must be greater than or equal to 0");
        }
    }
}

/* Of what is counted, or may be asked for; "count/deployments.apps" and the like are any kind's. */
static bool is_counted(struct slice name)
{
    static const char *const known[] = {"configmaps",
                                        "cpu",
                                        "ephemeral-storage",
                                        "memory",
                                        "persistentvolumeclaims",
                                        "pods",
                                        "replicationcontrollers",
                                        "requests.storage",
                                        "resourcequotas",
                                        "secrets",
                                        "services",
                                        "services.loadbalancers",
                                        "services.nodeports"};
    if (slice_find(name, SLICE("/")) != SIZE_MAX || slice_starts_with(name, SLICE("hugepages-")) ||
        slice_starts_with(name, SLICE("requests.hugepages-"))) {
        return schema_label_key(name) == NULL;
    }
    for (size_t i = 0; i < 2; i++) {
        struct slice prefix = i == 0 ? SLICE("requests.") : SLICE("limits.");
        if (slice_starts_with(name, prefix)) {
            struct slice rest = slice_sub(name, prefix.len, SIZE_MAX);
            return slice_eq_cstr(rest, "cpu") || slice_eq_cstr(rest, "memory") ||
                   slice_eq_cstr(rest, "ephemeral-storage") ||
                   (i == 0 && slice_eq_cstr(rest, "storage"));
        }
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (slice_eq_cstr(name, known[i])) {
            return true;
        }
    }
    return false;
}

void kube__check_quota(struct causes *causes, const json_t *object)
{
    const json_t *hard = kube__get(kube__get(object, "spec"), "hard");
    check_positive(causes, hard, &spec_place, "hard");
    TREE_EACH(it, hard)
    {
        if (!is_counted(tree_key(it))) {
            const struct kube_place place = kube__key(&spec_place, "hard", tree_key(it));
            kube__refuse(causes, CAUSE_INVALID, &place,
                         "Invalid value: \"%.*s\": must be a standard resource for quotas",
                         SLICE_ARG(slice_sub(tree_key(it), 0, 200)));
        }
    }
}

/* Whether less and more say the same resource the wrong way round. */
static void check_order(struct causes *causes, const json_t *item, const struct kube_place *at,
                        const char *const names[2], const char *const words[2])
{
    const json_t *less = kube__get(item, names[0]);
    const json_t *more = kube__get(item, names[1]);
    TREE_EACH(it, less)
    {
        schema_nano a;
        schema_nano b;
        if (!amount_at(less, tree_key(it), &a) || !amount_at(more, tree_key(it), &b) || a <= b) {
            continue;
        }
        struct buf rule = {0};
        const struct kube_place place = kube__key(at, names[0], tree_key(it));
        buf_addf(&rule, "%s value ", words[0]);
        json_canonical(json_object_iter_value(it), &rule);
        buf_addf(&rule, " is greater than %s value ", words[1]);
        json_canonical(tree_get(more, tree_key(it)), &rule);
        kube__invalid(causes, &place, json_object_iter_value(it), buf_cstr(&rule));
        buf_free(&rule);
    }
}

void kube__check_limits(struct causes *causes, const json_t *object)
{
    static const char *const maps[] = {"max", "min", "default", "defaultRequest"};
    static const char *const pairs[][2] = {
        {"min", "max"},     {"defaultRequest", "default"}, {"defaultRequest", "max"},
        {"default", "max"}, {"min", "defaultRequest"},     {"min", "default"}};
    static const char *const words[][2] = {
        {"min", "max"},     {"default request", "default limit"}, {"default request", "max"},
        {"default", "max"}, {"min", "default request"},           {"min", "default"}};
    const json_t *limits = kube__get(kube__get(object, "spec"), "limits");
    for (size_t i = 0; i < json_array_size(limits); i++) {
        const json_t *one = json_array_get(limits, i);
        const struct kube_place place = kube__item(&spec_place, "limits", i);
        (void)kube__need(causes, one, &place, "type");
        for (size_t k = 0; k < sizeof maps / sizeof *maps; k++) {
            check_positive(causes, kube__get(one, maps[k]), &place, maps[k]);
        }
        for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
            check_order(causes, one, &place, pairs[k], words[k]);
        }
    }
}
