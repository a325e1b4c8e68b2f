/* deployment_resource.c: a resource on one cluster.
 *
 * Its credentials are a Secret of the control plane, made once (see HACKING.md). */
#include "base/crypto.h"
#include "proto/object.h"
#include "proto/promotion.h"
#include "render/deployment_internal.h"
#include "render/resource_release.h"

static void release_tree(void *tree)
{
    json_decref(tree);
}

static bool decode(const json_t *value, struct buf *out)
{
    buf_clear(out);
    return json_is_string(value) && base64_decode(out, json_text(value));
}

/* {name: text} of what the type asks for. */
static int credentials_of(struct inputs *in, const json_t *wanted, json_t **out,
                          const char **reason, struct err *err)
{
    struct slice name = resource_credentials_name(in->arena, object_name(in->binding));
    const json_t *secret = deployment__get(in, "Secret", name);
    json_t *all = json_object();
    struct buf text = {0};
    *out = all;
    arena_own(in->arena, all, release_tree);
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        struct slice key = json_text_at(json_array_get(wanted, i), "name");
        const json_t *data = json_object_get(secret, "data");
        if (!decode(json_object_getn(data, key.data, key.len), &text)) {
            buf_free(&text);
            *reason = "CredentialsMissing";
            return err_set(err, ERR_NOT_FOUND,
                           "Secret \"%.*s\" of the control plane with its credential \"%.*s\" is "
                           "not there",
                           SLICE_ARG(name), SLICE_ARG(key));
        }
        json_object_setn_new(all, key.data, key.len, json_str(buf_slice(&text)));
    }
    buf_free(&text);
    return 0;
}

int deployment__resource(struct inputs *in, struct render_resource *out, const char **reason,
                         struct err *err)
{
    struct slice name = in->d->release;
    in->binding = deployment__get(in, "ResourceReleaseBinding", in->d->binding);
    in->release = deployment__get(in, "ResourceRelease", name);
    *out = (struct render_resource){0};
    if (deployment__check_environment(in, reason, err) != 0) {
        return ERR_NOT_FOUND;
    }
    if (in->release == NULL) {
        *reason = "ReleaseNotFound";
        return err_set(err, ERR_NOT_FOUND, "there is no resource release \"%.*s\"",
                       SLICE_ARG(name));
    }
    const json_t *type = json_at(in->release, "spec", "resourceType", NULL);
    json_t *credentials;
    int rc =
        credentials_of(in, json_at(type, "spec", "credentials", NULL), &credentials, reason, err);
    *out = (struct render_resource){
        .id = in->id,
        .type = json_object_get(type, "spec"),
        .maker = {json_text_at(type, "kind"), json_text_at(type, "name"),
                  promotion_by_hand(in->release)},
        .parameters = json_at(in->release, "spec", "parameters", NULL),
        .configs = json_at(in->binding, "spec", "resourceTypeEnvironmentConfigs", NULL),
        .environment = in->environment.spec,
        .cluster = in->cluster,
        .dataplane = in->plane,
        .dataplane_annotations = in->annotations,
        .organization = in->organization,
        .credentials = credentials,
        .tolerant = json_text_at(type, "group").len > 0,
        .programs = in->programs,
        .trace = in->trace};
    return rc;
}

int deployment_resource(const struct platform *p, const struct deployment *d, struct arena *arena,
                        struct render_resource *out, const char **reason, struct err *err)
{
    struct inputs in;
    deployment__inputs(&in, p, d, arena);
    return deployment__resource(&in, out, reason, err);
}

int deployment__render_resource(struct inputs *in, json_t **manifests, const char **reason,
                                struct err *err)
{
    struct render_resource resource;
    int rc = deployment__resource(in, &resource, reason, err);
    if (rc == 0) {
        rc = render_resource(&resource, manifests, NULL, err);
        *reason = "RenderFailed";
    }
    return rc;
}
