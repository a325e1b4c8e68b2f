/* run_builtin.c: built-in workflows by name. */
#include "render/run_builtin.h"

#include "base/yaml.h"
#include "render/builtin_internal.h"

size_t run_builtin_count(void)
{
    return builtin_workflow_count;
}

struct slice run_builtin_name(size_t index)
{
    return index < builtin_workflow_count ? builtin_workflows[index].name : SLICE("");
}

int run_builtin_load(struct slice name, json_t **object, struct err *err)
{
    *object = NULL;
    for (size_t i = 0; i < builtin_workflow_count; i++) {
        if (slice_eq(builtin_workflows[i].name, name)) {
            return yaml_parse(builtin_workflows[i].bytes, "built-in", object, err);
        }
    }
    return err_set(err, ERR_NOT_FOUND, "there is no built-in workflow %.*s", SLICE_ARG(name));
}
