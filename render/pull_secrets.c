/* pull_secrets.c: credentials for a component's image, where its pods find them.
 *
 * A name in imagePullSecrets means the Secret of the component's own namespace in the control
 * plane, which travels to the cell under a name of the component's, so that two components may name
 * one. A name that there is no Secret of means one that somebody else puts into the cell. */
#include "render/derived.h"

#include "render/name.h"

#define JSON_TYPE "kubernetes.io/dockerconfigjson"
#define OLD_TYPE "kubernetes.io/dockercfg"

bool derive_is_pull_secret(const json_t *secret)
{
    struct slice type = json_text_at(secret, "type");
    return slice_eq_cstr(type, JSON_TYPE) || slice_eq_cstr(type, OLD_TYPE);
}

const json_t *derive_pull_names(const json_t *release)
{
    return json_at(release, "componentProfile", "parameters", "imagePullSecrets", NULL);
}

static int add(struct arena *arena, const struct render_component *in, struct slice name,
               const json_t *secret, json_t *list, struct err *err)
{
    const struct slice parts[] = {in->id.component, in->id.environment, SLICE("pull"), name};
    if (secret == NULL) {
        json_array_append_new(list, json_pack("{s:o}", "name", json_str(name)));
        return 0;
    }
    if (!derive_is_pull_secret(secret)) {
        return err_set(
            err, ERR_UNPROCESSABLE,
            "imagePullSecrets: Secret \"%.*s\" is of type \"%.*s\", and must be of " JSON_TYPE,
            SLICE_ARG(name), SLICE_ARG(json_text_at(secret, "type")));
    }
    json_t *one =
        json_pack("{s:o, s:o}", "name", json_str(name_join(arena, NAME_SUBDOMAIN_MAX, parts, 4)),
                  "type", json_str(json_text_at(secret, "type")));
    json_object_set_new(one, "data", json_deep_copy(json_object_get(secret, "data")));
    json_array_append_new(list, one);
    return 0;
}

int derive_pull_secrets(struct arena *arena, const struct render_component *in,
                        const struct map *sources, json_t *list, struct err *err)
{
    json_t *names = (json_t *)(uintptr_t)derive_pull_names(in->release);
    struct map met = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(names); i++) {
        struct slice name = json_text(json_array_get(names, i));
        if (name.len > 0 && map_put(&met, name, names) == NULL) {
            struct slice key = derive_key(arena, SLICE("Secret"), name);
            rc = add(arena, in, name, map_get(sources, key), list, err);
        }
    }
    map_free(&met);
    return rc;
}
