/* kube_rules_volume.c: volumes of pods, what is mounted of them, and claims.
 *
 * A volume without a source is an emptyDir: that is Kubernetes' default. */
#include "base/map.h"
#include "proto/kube_rules_internal.h"
#include "proto/tree_internal.h"

static char present;

static bool goes_up(struct slice path)
{
    struct slice part;
    while (slice_split(&path, '/', &part)) {
        if (slice_eq_cstr(part, "..")) {
            return true;
        }
    }
    return false;
}

static const char *path_below(struct slice path)
{
    return path.data[0] == '/' ? "must be a relative path"
           : goes_up(path)     ? "must not contain '..'"
                               : NULL;
}

static const char *config_key(struct slice text)
{
    return schema_format_rule(SCHEMA_FORMAT_CONFIG_KEY, text);
}

/* ---- sources ---- */

static void check_mode(struct causes *causes, const json_t *source, const struct kube_place *at,
                       const char *name)
{
    enum { MODE_MAX = 0777 };
    const json_t *mode = kube__get(source, name);
    if (json_integer_value(mode) < 0 || json_integer_value(mode) > MODE_MAX) {
        const struct kube_place place = kube__member(at, name);
        kube__invalid(causes, &place, mode,
                      "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

/* Which keys become which files. */
static void check_items(struct causes *causes, const json_t *source, const struct kube_place *at)
{
    const json_t *items = kube__get(source, "items");
    check_mode(causes, source, at, "defaultMode");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *one = json_array_get(items, i);
        const struct kube_place place = kube__item(at, "items", i);
        kube__named(causes, one, &place, "key", config_key);
        kube__named(causes, one, &place, "path", path_below);
        check_mode(causes, one, &place, "mode");
    }
}

static void check_projected(struct causes *causes, const json_t *projected,
                            const struct kube_place *at)
{
    static const char *const sources[] = {"secret", "configMap"};
    const json_t *list = kube__get(projected, "sources");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const struct kube_place place = kube__item(at, "sources", i);
        for (size_t k = 0; k < 2; k++) {
            const json_t *source = kube__get(one, sources[k]);
            const struct kube_place member = kube__member(&place, sources[k]);
            if (source != NULL) {
                (void)kube__need(causes, source, &member, "name");
                check_items(causes, source, &member);
            }
        }
    }
}

static void check_source(struct causes *causes, const json_t *volume, const struct kube_place *at)
{
    static const struct {
        const char *source;
        const char *needs;
    } needs[] = {
        {"secret", "secretName"}, {"configMap", "name"}, {"persistentVolumeClaim", "claimName"},
        {"hostPath", "path"},     {"csi", "driver"},     {"nfs", "server"}};
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        const json_t *source = kube__get(volume, needs[i].source);
        const struct kube_place place = kube__member(at, needs[i].source);
        if (source == NULL) {
            continue;
        }
        (void)kube__need(causes, source, &place, needs[i].needs);
        if (i < 2) {
            check_items(causes, source, &place);
        } else if (i == 2) {
            kube__formed(causes, source, &place, "claimName", schema_dns_name);
        }
    }
}

static void check_volume(struct causes *causes, const json_t *volume, const struct kube_place *at)
{
    const struct kube_place projected = kube__member(at, "projected");
    const struct kube_place ephemeral = kube__member(at, "ephemeral");
    const struct kube_place template = kube__member(&ephemeral, "volumeClaimTemplate");
    const struct kube_place claim = kube__member(&template, "spec");
    const json_t *made = kube__get(kube__get(volume, "ephemeral"), "volumeClaimTemplate");
    size_t sources = 0;
    kube__named(causes, volume, at, "name", schema_dns_label);
    TREE_EACH(it, volume)
    {
        if (slice_eq_cstr(tree_key(it), "name") || json_is_null(json_object_iter_value(it))) {
            continue;
        }
        if (++sources > 1) {
            const struct kube_place second = kube__member(at, json_object_iter_key(it));
            kube__refuse(causes, CAUSE_FORBIDDEN, &second,
                         "Forbidden: may not specify more than 1 volume type");
        }
    }
    check_source(causes, volume, at);
    check_projected(causes, kube__get(volume, "projected"), &projected);
    if (made != NULL) {
        kube__claim_spec(causes, kube__get(made, "spec"), &claim);
    }
}

/* ---- mounts ---- */

static void check_mounts(struct causes *causes, const json_t *container, const struct map *volumes,
                         const struct kube_place *at)
{
    const json_t *mounts = kube__get(container, "volumeMounts");
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *one = json_array_get(mounts, i);
        struct slice name = json_text_at(one, "name");
        const struct kube_place place = kube__item(at, "volumeMounts", i);
        if (kube__need(causes, one, &place, "name") && map_get(volumes, name) == NULL) {
            const struct kube_place member = kube__member(&place, "name");
            kube__refuse(causes, CAUSE_NOT_FOUND, &member, "Not found: \"%.*s\"",
                         SLICE_ARG(slice_sub(name, 0, 200)));
        }
        (void)kube__need(causes, one, &place, "mountPath");
        kube__formed(causes, one, &place, "subPath", path_below);
        kube__formed(causes, one, &place, "subPathExpr", path_below);
        if (json_text_at(one, "subPath").len > 0 && json_text_at(one, "subPathExpr").len > 0) {
            const struct kube_place member = kube__member(&place, "subPathExpr");
            kube__invalid(causes, &member, json_object_get(one, "subPathExpr"),
                          "subPathExpr and subPath are mutually exclusive");
        }
    }
}

void kube__volumes(struct causes *causes, const json_t *spec, const json_t *claims,
                   const struct kube_place *at)
{
    static const char *const lists[] = {"initContainers", "containers"};
    const json_t *volumes = kube__get(spec, "volumes");
    struct map names = {0};
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        const json_t *one = json_array_get(volumes, i);
        const struct kube_place place = kube__item(at, "volumes", i);
        check_volume(causes, one, &place);
        (void)map_put(&names, json_text_at(one, "name"), &present);
    }
    for (size_t i = 0; i < json_array_size(claims); i++) {
        const json_t *meta = kube__get(json_array_get(claims, i), "metadata");
        (void)map_put(&names, json_text_at(meta, "name"), &present);
    }
    for (size_t l = 0; l < 2; l++) {
        const json_t *list = kube__get(spec, lists[l]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const struct kube_place place = kube__item(at, lists[l], i);
            check_mounts(causes, json_array_get(list, i), &names, &place);
        }
    }
    map_free(&names);
}

/* ---- claims ---- */

static void check_access_modes(struct causes *causes, const json_t *spec,
                               const struct kube_place *at)
{
    static const char *const known[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                        "ReadWriteOncePod"};
    const json_t *modes = kube__get(spec, "accessModes");
    if (json_array_size(modes) == 0) {
        const struct kube_place place = kube__member(at, "accessModes");
        kube__refuse(causes, CAUSE_REQUIRED, &place,
                     "Required value: at least 1 access mode is required");
    }
    for (size_t i = 0; i < json_array_size(modes); i++) {
        struct slice mode = json_text(json_array_get(modes, i));
        bool good = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
            good = good || slice_eq_cstr(mode, known[k]);
        }
        if (!good) {
            const struct kube_place place = kube__item(at, "accessModes", i);
            kube__refuse(causes, CAUSE_NOT_SUPPORTED, &place,
                         "Unsupported value: \"%.*s\": supported values: \"ReadOnlyMany\", "
                         "\"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"",
                         SLICE_ARG(slice_sub(mode, 0, 200)));
        }
    }
}

void kube__claim_spec(struct causes *causes, const json_t *spec, const struct kube_place *at)
{
    static const char *const modes[] = {"Block", "Filesystem", NULL};
    const json_t *size = kube__get(kube__get(kube__get(spec, "resources"), "requests"), "storage");
    const struct kube_place resources = kube__member(at, "resources");
    const struct kube_place requests = kube__key(&resources, "requests", SLICE("storage"));
    schema_nano nano = 1;
    check_access_modes(causes, spec, at);
    if (size == NULL) {
        kube__refuse(causes, CAUSE_REQUIRED, &requests, "Required value");
    } else if ((json_is_integer(size) && json_integer_value(size) <= 0) ||
               (schema_quantity(json_text(size), &nano) && nano <= 0)) {
        kube__invalid(causes, &requests, size, "must be greater than zero");
    }
    kube__formed(causes, spec, at, "storageClassName", schema_dns_name);
    kube__among(causes, spec, at, "volumeMode", modes);
}

void kube__check_claim(struct causes *causes, const json_t *object)
{
    const struct kube_place spec = kube__member(NULL, "spec");
    kube__claim_spec(causes, kube__get(object, "spec"), &spec);
}
