/* Any release that a client may write: it is rendered, or refused with a reason, and whatever is
 * made is in its cell. The same goes for a resource's type. Costs are kept low: what is dear is
 * fuzz_template's. */
#include "proto/object.h"
#include "render/name.h"
#include "render/pipeline.h"
#include "render/resource_type.h"
#include "tests/fuzz/fuzz.h"

enum { COST_MAX = 20 * 1000 };

static const struct render_identity id = {
    .ns = {"acme", 4}, .project = {"shop", 4}, .component = {"web", 3}, .environment = {"dev", 3}};

/* Takes manifests. */
static void check(int rc, json_t *manifests, const struct err *err)
{
    struct arena arena = {0};
    struct slice cell = name_cell(&arena, id.ns, id.project, id.environment);
    PROPERTY(rc == 0 ? json_is_array(manifests) : err->code == rc && err->message[0] != '\0');
    for (size_t i = 0; rc == 0 && i < json_array_size(manifests); i++) {
        PROPERTY(slice_eq(object_ns(json_array_get(manifests, i)), cell));
    }
    json_decref(manifests);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *tree;
    json_t *manifests = NULL;
    struct err err = {0};
    if (json_parse(slice_make(data, size), &tree, NULL) != 0) {
        return 0;
    }
    const struct render_component component = {
        .id = id, .release = tree, .binding = tree, .cost_limit = COST_MAX};
    int rc = render_component(&component, &manifests, &err);
    check(rc, manifests, &err);
    struct render_resource resource = {
        .id = id, .type = tree, .parameters = tree, .applied = tree, .cost_limit = COST_MAX};
    resource.id.component = (struct slice){0};
    resource.id.resource = SLICE("db");
    err = (struct err){0};
    rc = render_resource(&resource, &manifests, NULL, &err);
    check(rc, manifests, &err);
    size_t missing;
    json_t *outputs;
    if (render_outputs(&resource, &outputs, &missing, &err) == 0) {
        json_decref(outputs);
    }
    enum render_ready ready;
    (void)render_ready(&resource, SLICE("a"), &ready, &err);
    json_decref(tree);
    return 0;
}
