/* shipped.c: the tables that the build makes of render/builtin/, as one. */
#include "render/shipped.h"

#include "base/yaml.h"
#include "proto/kind.h"
#include "proto/object.h"
#include "proto/schema.h"
#include "render/builtin_internal.h"

#include <assert.h>

/* What the renderer alone reads (render/tenant.h). */
#define OWN_POLICIES "own-policies"

static bool is_stored(const struct builtin_file *file)
{
    return !slice_eq_cstr(file->name, OWN_POLICIES);
}

/* The file of that index, of those that are stored; NULL: there are no more. */
static const struct builtin_file *file_at(size_t index)
{
    const struct builtin_file *const tables[] = {builtin_files, builtin_workflows};
    const size_t counts[] = {builtin_file_count, builtin_workflow_count};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < counts[t]; i++) {
            if (is_stored(&tables[t][i]) && index-- == 0) {
                return &tables[t][i];
            }
        }
    }
    return NULL;
}

size_t shipped_count(void)
{
    size_t count = 0;
    while (file_at(count) != NULL) {
        count++;
    }
    return count;
}

struct shipped shipped_at(size_t index)
{
    const struct builtin_file *file = file_at(index);
    assert(file != NULL);
    return (struct shipped){
        .kind = file->kind, .name = file->name, .version = file->version, .yaml = file->bytes};
}

bool shipped_find(struct slice kind, struct slice name, struct shipped *out)
{
    for (size_t i = 0; file_at(i) != NULL; i++) {
        *out = shipped_at(i);
        if (slice_eq_cstr(kind, out->kind) && slice_eq(name, out->name)) {
            return true;
        }
    }
    return false;
}

json_t *shipped_load(const struct shipped *shipped)
{
    struct kind_registry kinds;
    json_t *object = NULL;
    int rc = yaml_parse(shipped->yaml, "built-in", &object, NULL);
    assert(rc == 0); /* it is ours, and tested */
    kind_registry_init(&kinds);
    kind_registry_builtin(&kinds);
    const struct kind *kind = kind_by_type(&kinds, object_api_version(object), object_kind(object));
    schema_default(kind->schema, object);
    kind_registry_free(&kinds);
    return object;
}
