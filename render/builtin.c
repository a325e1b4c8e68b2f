/* builtin.c: what is compiled in, by name. The cell's template, what is added to OpenChoreo's
 * components, and what tenants' types may repeat are files like the others, and of other kinds. */
#include "render/builtin.h"

#include "base/yaml.h"
#include "render/builtin_internal.h"

#include <string.h>

#define TYPE "ClusterComponentType"
#define RESOURCE_TYPE "ClusterResourceType"

static size_t count_of(const char *kind)
{
    size_t count = 0;
    for (size_t i = 0; i < builtin_file_count; i++) {
        count += strcmp(builtin_files[i].kind, kind) == 0 ? 1 : 0;
    }
    return count;
}

static struct slice name_of(size_t index, const char *kind)
{
    for (size_t i = 0; i < builtin_file_count; i++) {
        if (strcmp(builtin_files[i].kind, kind) == 0 && index-- == 0) {
            return builtin_files[i].name;
        }
    }
    return SLICE("");
}

size_t builtin_count(void)
{
    return count_of(TYPE);
}

struct slice builtin_name(size_t index)
{
    return name_of(index, TYPE);
}

size_t builtin_resource_count(void)
{
    return count_of(RESOURCE_TYPE);
}

struct slice builtin_resource_name(size_t index)
{
    return name_of(index, RESOURCE_TYPE);
}

struct slice builtin_yaml(struct slice name)
{
    for (size_t i = 0; i < builtin_file_count; i++) {
        if (slice_eq(builtin_files[i].name, name)) {
            return builtin_files[i].bytes;
        }
    }
    return SLICE("");
}

int builtin_load(struct slice name, json_t **object, struct err *err)
{
    struct slice yaml = builtin_yaml(name);
    *object = NULL;
    if (yaml.len == 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no built-in type %.*s", SLICE_ARG(name));
    }
    return yaml_parse(yaml, "built-in", object, err);
}
