/* section.c: layers, schema, variable. */
#include "render/section.h"

#include "render/schema.h"

const json_t *section_schema(const json_t *spec, const char *name)
{
    return json_at(spec, name, "openAPIV3Schema", NULL);
}

static void release_tree(void *tree)
{
    json_decref(tree);
}

int section_bind(struct template_scope *scope, const json_t *spec, const char *name,
                 const struct layers *layers, struct slice path, struct err *err)
{
    const json_t *schema = section_schema(spec, name);
    json_t *merged = layers_merge(layers);
    json_t *full;
    if (scope->tolerant) {
        schema_drop_unknown(schema, merged);
    }
    int rc = schema_apply(schema, merged, path, &scope->cost_left, &full, err);
    if (rc == 0) {
        layers_trace(layers, scope->trace, scope->trace_template, slice_of(name), schema, full);
        arena_own(scope->arena, full, release_tree);
        template_set(scope, slice_of(name), cel_of_json(scope->arena, full));
    }
    json_decref(merged);
    return rc;
}
