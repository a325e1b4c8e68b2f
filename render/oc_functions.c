/* oc_functions.c: OpenChoreo's template functions, of the same names and results. */
#include "render/oc_functions.h"

#include "render/name.h"
#include "render/routes.h"

enum { PARTS_MAX = 64 };

static bool omit(struct cel_ctx *ctx, const struct cel_value *args, size_t count,
                 struct cel_value *out)
{
    (void)ctx;
    (void)args;
    (void)count;
    *out = (struct cel_value){.type = CEL_OMIT};
    return true;
}

/* Later maps win, member by member, not deeper. */
static bool merge(struct cel_ctx *ctx, const struct cel_value *args, size_t count,
                  struct cel_value *out)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (args[i].type != CEL_MAP) {
            return cel_no_overload(ctx, "oc_merge", args, count);
        }
        total += args[i].as.map->count;
    }
    if (!cel_charge(ctx, total)) { /* before any of it is taken */
        return false;
    }
    struct cel_entry *entries = arena_alloc(ctx->arena, (total + 1) * sizeof *entries);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct cel_entry *more;
        if (!cel_map_entries(ctx, args[i].as.map, &more)) {
            return false;
        }
        for (size_t k = 0; k < args[i].as.map->count; k++) {
            size_t at = 0;
            bool same = false;
            for (; at < n && !same; at += same ? 0 : 1) {
                if (!cel_equal(ctx, entries[at].key, more[k].key, &same)) {
                    return false;
                }
            }
            entries[same ? at : n++] = more[k];
        }
    }
    *out = cel_map_of(ctx->arena, entries, n);
    return true;
}

/* The strings among the arguments, or in the one list. */
static bool parts_of(struct cel_ctx *ctx, const char *name, const struct cel_value *args,
                     size_t count, struct slice *parts, size_t *used)
{
    const struct cel_list *list = count == 1 && args[0].type == CEL_LIST ? args[0].as.list : NULL;
    size_t n = list != NULL ? list->count : count;
    *used = 0;
    if (n > PARTS_MAX) {
        return cel_fail(ctx, "%s(): more than %d parts", name, PARTS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        struct cel_value v = list != NULL ? cel_list_at(ctx, list, i) : args[i];
        if (v.type != CEL_STRING) {
            return cel_no_overload(ctx, name, &v, 1);
        }
        if (!cel_charge_bytes(ctx, v.as.text.len)) {
            return false;
        }
        parts[(*used)++] = v.as.text;
    }
    return true;
}

static bool generate_name(struct cel_ctx *ctx, const struct cel_value *args, size_t count,
                          struct cel_value *out)
{
    struct slice parts[PARTS_MAX];
    size_t n;
    if (!parts_of(ctx, "oc_generate_name", args, count, parts, &n)) {
        return false;
    }
    *out = cel_string(name_join(ctx->arena, NAME_SUBDOMAIN_MAX, parts, n));
    return true;
}

static bool dns_label(struct cel_ctx *ctx, const struct cel_value *args, size_t count,
                      struct cel_value *out)
{
    struct slice parts[PARTS_MAX];
    size_t n;
    if (!parts_of(ctx, "oc_dns_label", args, count, parts, &n)) {
        return false;
    }
    *out = cel_string(name_join(ctx->arena, NAME_LABEL_MAX, parts, n));
    return true;
}

static bool hash(struct cel_ctx *ctx, const struct cel_value *args, size_t count,
                 struct cel_value *out)
{
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "oc_hash", args, count);
    }
    *out = cel_string(name_hash(ctx->arena, args[0].as.text));
    return cel_charge_bytes(ctx, args[0].as.text.len);
}

/* The precomputed result of a method on one of the host's variables. */
static bool derived(struct cel_ctx *ctx, const char *method, const struct cel_value *args,
                    struct cel_value *out)
{
    const struct oc_host *host = ctx->host;
    const json_t *receiver = args[0].type == CEL_MAP ? args[0].as.map->json : NULL;
    const char *variable = receiver == NULL                   ? NULL
                           : receiver == host->configurations ? "configurations"
                           : receiver == host->dependencies   ? "dependencies"
                           : receiver == host->workload       ? "workload"
                                                              : NULL;
    const json_t *value = variable != NULL ? json_at(host->derived, variable, method, NULL) : NULL;
    if (value == NULL) {
        return cel_no_overload(ctx, method, args, 1);
    }
    *out = cel_of_json(ctx->arena, value);
    return true;
}

#define DERIVED(method)                                                                            \
    static bool method(struct cel_ctx *ctx, const struct cel_value *args, size_t count,            \
                       struct cel_value *out)                                                      \
    {                                                                                              \
        (void)count;                                                                               \
        return derived(ctx, #method, args, out);                                                   \
    }

DERIVED(toContainerEnvFrom)
DERIVED(toContainerEnvs)
DERIVED(toContainerVolumeMounts)
DERIVED(toVolumes)
DERIVED(toConfigEnvsByContainer)
DERIVED(toSecretEnvsByContainer)
DERIVED(toConfigFileList)
DERIVED(toSecretFileList)
DERIVED(toSecretValues)
DERIVED(toImagePullSecrets)
DERIVED(toServicePorts)

static void release_tree(void *tree)
{
    json_decref(tree);
}

/* An optional: none without an endpoint of that name, or one whose description says no route. */
static bool to_endpoint_resources(struct cel_ctx *ctx, const struct cel_value *args, size_t count,
                                  struct cel_value *out)
{
    const struct oc_host *host = ctx->host;
    const json_t *receiver = args[0].type == CEL_MAP ? args[0].as.map->json : NULL;
    if (args[1].type != CEL_STRING || receiver == NULL || receiver != host->workload) {
        return cel_no_overload(ctx, "toEndpointResources", args, count);
    }
    struct slice name = args[1].as.text;
    const json_t *endpoint =
        json_object_getn(json_object_get(host->workload, "endpoints"), name.data, name.len);
    struct slice content = json_text(json_at(endpoint, "schema", "content", NULL));
    if (!cel_charge(ctx, 1) || !cel_charge_bytes(ctx, content.len)) {
        return false;
    }
    json_t *routes = routes_of(endpoint);
    arena_own(ctx->arena, routes, release_tree);
    struct cel_value list = cel_of_json(ctx->arena, routes);
    *out = cel_optional(ctx->arena, json_array_size(routes) > 0 ? &list : NULL);
    return true;
}

static const struct cel_function functions[] = {
    {"oc_omit", "() dyn", omit},
    {"oc_merge", "(map(string, dyn), ...) map(string, dyn)", merge},
    {"oc_generate_name", "() string | (list(string)) string | (string, ...) string", generate_name},
    {"oc_dns_label", "() string | (list(string)) string | (string, ...) string", dns_label},
    {"oc_hash", "(string) string", hash},
    {"toContainerEnvFrom", "dyn.() dyn", toContainerEnvFrom},
    {"toContainerEnvs", "dyn.() dyn", toContainerEnvs},
    {"toContainerVolumeMounts", "dyn.() dyn", toContainerVolumeMounts},
    {"toVolumes", "dyn.() dyn", toVolumes},
    {"toConfigEnvsByContainer", "dyn.() dyn", toConfigEnvsByContainer},
    {"toSecretEnvsByContainer", "dyn.() dyn", toSecretEnvsByContainer},
    {"toConfigFileList", "dyn.() dyn", toConfigFileList},
    {"toSecretFileList", "dyn.() dyn", toSecretFileList},
    {"toSecretValues", "dyn.() dyn", toSecretValues},
    {"toImagePullSecrets", "dyn.() dyn", toImagePullSecrets},
    {"toServicePorts", "dyn.() dyn", toServicePorts},
    {"toEndpointResources", "dyn.(string) optional(dyn)", to_endpoint_resources},
};

const struct cel_function *oc_functions(void)
{
    return functions;
}

size_t oc_function_count(void)
{
    return sizeof functions / sizeof *functions;
}
