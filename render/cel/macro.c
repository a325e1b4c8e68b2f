/* macro.c: the table of macros.
 *
 * A macro is known by its name and number of arguments; a call of the same name with another number
 * is an ordinary call, which the checker will not find. Its variables must be plain names. */
#include "render/cel/macro.h"

struct macro_row {
    const char *name;
    size_t count; /* arguments, without the receiver */
    enum cel_macro macro;
    size_t variables;
    bool filter; /* the argument before the last is a filter */
};

static const struct macro_row rows[] = {
    {"all", 2, CEL_M_ALL, 1, false},
    {"all", 3, CEL_M_ALL, 2, false},
    {"exists", 2, CEL_M_EXISTS, 1, false},
    {"exists", 3, CEL_M_EXISTS, 2, false},
    {"exists_one", 2, CEL_M_EXISTS_ONE, 1, false},
    {"exists_one", 3, CEL_M_EXISTS_ONE, 2, false},
    {"existsOne", 2, CEL_M_EXISTS_ONE, 1, false},
    {"existsOne", 3, CEL_M_EXISTS_ONE, 2, false},
    {"map", 2, CEL_M_MAP, 1, false},
    {"map", 3, CEL_M_MAP, 1, true},
    {"filter", 2, CEL_M_FILTER, 1, false},
    {"transformList", 3, CEL_M_TRANSFORM_LIST, 2, false},
    {"transformList", 4, CEL_M_TRANSFORM_LIST, 2, true},
    {"transformMap", 3, CEL_M_TRANSFORM_MAP, 2, false},
    {"transformMap", 4, CEL_M_TRANSFORM_MAP, 2, true},
    {"transformMapEntry", 3, CEL_M_TRANSFORM_MAP_ENTRY, 2, false},
    {"transformMapEntry", 4, CEL_M_TRANSFORM_MAP_ENTRY, 2, true},
    {"sortBy", 2, CEL_M_SORT_BY, 1, false},
    {"optMap", 2, CEL_M_OPT_MAP, 1, false},
    {"optFlatMap", 2, CEL_M_OPT_FLAT_MAP, 1, false},
};

static bool is_name(const struct cel_expr *e)
{
    return e->kind == CEL_E_NAME && !e->as.name.rooted;
}

static bool expand_has(struct cel_expr *call, struct cel_expr **args, size_t count,
                       const char **wrong)
{
    if (count != 1) {
        return false;
    }
    if (args[0]->kind != CEL_E_SELECT) {
        *wrong = "has() wants a field: has(x.field)";
        return true;
    }
    struct cel_expr *selection = args[0];
    call->kind = CEL_E_HAS;
    call->optional = selection->optional;
    call->as.select.operand = selection->as.select.operand;
    call->as.select.field = selection->as.select.field;
    return true;
}

static bool expand_bind(struct cel_expr *call, const struct cel_expr *target,
                        struct cel_expr **args, size_t count, const char **wrong)
{
    if (count != 3 || !is_name(target) || !slice_eq_cstr(target->as.name.text, "cel")) {
        return false;
    }
    if (!is_name(args[0])) {
        *wrong = "cel.bind() wants a variable's name first";
        return true;
    }
    struct slice variable = args[0]->as.name.text;
    call->kind = CEL_E_MACRO;
    call->as.macro.macro = CEL_M_BIND;
    call->as.macro.range = args[1];
    call->as.macro.var1 = variable;
    call->as.macro.var2 = SLICE("");
    call->as.macro.filter = NULL;
    call->as.macro.body = args[2];
    return true;
}

bool cel_macro_expand(struct cel_expr *call, struct cel_expr *target, struct cel_expr **args,
                      size_t count, const char **wrong)
{
    struct slice name = call->as.call.name;
    *wrong = NULL;
    if (target == NULL) {
        return slice_eq_cstr(name, "has") && expand_has(call, args, count, wrong);
    }
    if (slice_eq_cstr(name, "bind")) {
        return expand_bind(call, target, args, count, wrong);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct macro_row *row = &rows[i];
        if (count != row->count || !slice_eq_cstr(name, row->name)) {
            continue;
        }
        if (!is_name(args[0]) || (row->variables == 2 && !is_name(args[1]))) {
            *wrong = "a macro's variable must be a plain name";
            return true;
        }
        call->kind = CEL_E_MACRO;
        call->as.macro.macro = row->macro;
        call->as.macro.range = target;
        call->as.macro.var1 = args[0]->as.name.text;
        call->as.macro.var2 = row->variables == 2 ? args[1]->as.name.text : SLICE("");
        call->as.macro.filter = row->filter ? args[count - 2] : NULL;
        call->as.macro.body = args[count - 1];
        if (row->variables == 2 && slice_eq(call->as.macro.var1, call->as.macro.var2)) {
            *wrong = "a macro's two variables must have different names";
        }
        return true;
    }
    return false;
}
