/* fn_kubernetes.c: what Kubernetes adds to the language for the rules of schemas: isSorted, sum,
 * min and max of lists. Everything that visits elements is charged for them. */
#include "render/cel/functions.h"

/* The least (order < 0) or greatest element. */
static bool extreme(struct cel_ctx *ctx, const struct cel_value *args, size_t count, int wanted,
                    struct cel_value *out)
{
    const char *name = wanted < 0 ? "min" : "max";
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, name, args, count);
    }
    const struct cel_list *list = args[0].as.list;
    if (list->count == 0) {
        return cel_fail(ctx, "%s() of an empty list", name);
    }
    *out = cel_list_at(ctx, list, 0);
    for (size_t i = 1; i < list->count; i++) {
        struct cel_value item = cel_list_at(ctx, list, i);
        int order;
        bool ordered;
        if (!cel_compare(ctx, item, *out, &order, &ordered)) {
            return false;
        }
        if (ordered && (wanted < 0 ? order < 0 : order > 0)) {
            *out = item;
        }
    }
    return cel_charge(ctx, list->count);
}

static CEL_FN(fn_min)
{
    return extreme(ctx, args, count, -1, out);
}

static CEL_FN(fn_max)
{
    return extreme(ctx, args, count, 1, out);
}

static CEL_FN(fn_sum)
{
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, "sum", args, count);
    }
    const struct cel_list *list = args[0].as.list;
    *out = list->count > 0 ? cel_list_at(ctx, list, 0) : cel_int(0);
    for (size_t i = 1; i < list->count; i++) {
        if (!cel_operate(ctx, CEL_OP_ADD, *out, cel_list_at(ctx, list, i), out)) {
            return false;
        }
    }
    return cel_charge(ctx, list->count);
}

static CEL_FN(fn_is_sorted)
{
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, "isSorted", args, count);
    }
    const struct cel_list *list = args[0].as.list;
    bool sorted = true;
    for (size_t i = 1; i < list->count && sorted; i++) {
        int order;
        bool ordered;
        if (!cel_compare(ctx, cel_list_at(ctx, list, i - 1), cel_list_at(ctx, list, i), &order,
                         &ordered)) {
            return false;
        }
        sorted = ordered && order <= 0;
    }
    *out = cel_bool(sorted);
    return cel_charge(ctx, list->count);
}

static const struct cel_function functions[] = {
    {"min", true, 1, 1, fn_min},
    {"max", true, 1, 1, fn_max},
    {"sum", true, 1, 1, fn_sum},
    {"isSorted", true, 1, 1, fn_is_sorted},
};

const struct cel_function *cel_kubernetes_functions(void)
{
    return functions;
}

size_t cel_kubernetes_function_count(void)
{
    return sizeof functions / sizeof functions[0];
}
