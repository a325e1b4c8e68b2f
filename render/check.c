/* check.c: the walk of the renderer without values.
 *
 * The variables are those that the pipeline declares; a loop's variable and `resource` are added
 * where they are in scope. */
#include "render/check.h"

#include "render/oc_functions.h"
#include "render/template.h"

struct checking {
    struct arena arena;
    struct template_scope scope;
};

static void start(struct checking *c, bool trait)
{
    static const char *const names[] = {
        "metadata",     "parameters",  "environmentConfigs", "workload", "configurations",
        "dependencies", "environment", "dataplane",          "gateway",  "organization"};
    *c = (struct checking){.arena = {0}};
    template_init(&c->scope, &c->arena, 0);
    c->scope.functions = oc_functions();
    c->scope.function_count = oc_function_count();
    const struct cel_value unknown = {.type = CEL_NULL};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        template_set(&c->scope, slice_of(names[i]), unknown);
    }
    if (trait) {
        template_set(&c->scope, SLICE("trait"), unknown);
    }
}

/* One member that holds an expression, if it is there. */
static int check_member(struct checking *c, const json_t *holder, const char *member,
                        struct slice path, struct err *err)
{
    const json_t *value = json_object_get(holder, member);
    struct slice place = slice_of(arena_printf(&c->arena, "%.*s.%s", SLICE_ARG(path), member));
    return value == NULL ? 0 : template_check(&c->scope, value, place, err);
}

static void declare_loop(struct checking *c, const json_t *holder)
{
    struct slice var = json_text_at(holder, "var");
    if (json_text_at(holder, "forEach").len > 0) {
        template_set(&c->scope, var.len > 0 ? var : SLICE("item"),
                     (struct cel_value){.type = CEL_NULL});
    }
}

/* The conditions of an entry in its outer scope, then bodies with its loop's variable. */
static int check_entry(struct checking *c, const json_t *entry, struct slice path,
                       const char *const *bodies, size_t count, struct err *err)
{
    static const char *const outer[] = {"includeWhen", "when", "forEach"};
    struct template_scope saved = c->scope;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < 3; i++) {
        rc = check_member(c, entry, outer[i], path, err);
    }
    declare_loop(c, entry);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = check_member(c, entry, bodies[i], path, err);
    }
    const json_t *where = json_at(entry, "target", "where", NULL);
    template_set(&c->scope, SLICE("resource"), (struct cel_value){.type = CEL_NULL});
    if (rc == 0 && where != NULL) {
        rc = template_check(&c->scope, where,
                            slice_of(arena_printf(&c->arena, "%.*s.target.where", SLICE_ARG(path))),
                            err);
    }
    if (rc == 0 && json_object_get(entry, "target") != NULL) {
        rc = check_member(c, entry, "rule", path, err);
    }
    c->scope = saved;
    return rc;
}

static int check_list(struct checking *c, const json_t *spec, const char *list,
                      const char *const *bodies, size_t count, struct err *err)
{
    const json_t *entries = json_object_get(spec, list);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        struct slice id = json_text_at(entry, "id");
        const char *place = id.len > 0
                                ? arena_printf(&c->arena, "spec.%s[%.*s]", list, SLICE_ARG(id))
                                : arena_printf(&c->arena, "spec.%s[%zu]", list, i);
        rc = check_entry(c, entry, slice_of(place), bodies, count, err);
    }
    return rc;
}

static int check_rules(struct checking *c, const json_t *spec, struct err *err)
{
    static const char *const rule[] = {"rule"};
    int rc = check_list(c, spec, "validations", rule, 1, err);
    if (rc == 0) {
        rc = check_list(c, spec, "preRenderValidations", rule, 1, err);
    }
    return rc == 0 ? check_list(c, spec, "postRenderValidations", NULL, 0, err) : rc;
}

int check_component_type(const json_t *spec, struct err *err)
{
    static const char *const bodies[] = {"template"};
    static const char *const sections[] = {"parameters", "environmentConfigs"};
    struct checking c;
    start(&c, false);
    int rc = check_rules(&c, spec, err);
    if (rc == 0) {
        rc = check_list(&c, spec, "resources", bodies, 1, err);
    }
    if (rc == 0) {
        rc = check_list(&c, spec, "traits", sections, 2, err);
    }
    arena_free(&c.arena);
    return rc;
}

int check_trait(const json_t *spec, struct err *err)
{
    static const char *const bodies[] = {"template"};
    static const char *const operations[] = {"operations"};
    struct checking c;
    start(&c, true);
    int rc = check_rules(&c, spec, err);
    if (rc == 0) {
        rc = check_list(&c, spec, "creates", bodies, 1, err);
    }
    if (rc == 0) {
        rc = check_list(&c, spec, "patches", operations, 1, err);
    }
    if (rc == 0) {
        rc = check_list(&c, spec, "removes", NULL, 0, err);
    }
    arena_free(&c.arena);
    return rc;
}

void check_object(const json_t *object, struct causes *causes)
{
    static const struct {
        const char *kind;
        int (*check)(const json_t *spec, struct err *err);
    } kinds[] = {
        {"ComponentType", check_component_type},
        {"ClusterComponentType", check_component_type},
        {"Trait", check_trait},
        {"ClusterTrait", check_trait},
    };
    bool ours = slice_eq_cstr(json_text_at(object, "apiVersion"), "choreo.dev/v1");
    for (size_t i = 0; ours && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct err err;
        if (slice_eq_cstr(json_text_at(object, "kind"), kinds[i].kind) &&
            kinds[i].check(json_object_get(object, "spec"), &err) != 0) {
            /* "PLACE, [line L,] column N: what": the place is the cause's field. */
            struct slice text = slice_of(err.message);
            size_t column = slice_find(text, SLICE(", column "));
            size_t at = slice_find(text, SLICE(", line "));
            at = at < column ? at : column;
            bool placed = at != SIZE_MAX;
            cause_add(causes, CAUSE_INVALID, placed ? slice_sub(text, 0, at) : SLICE("spec"),
                      "Invalid value: %.*s",
                      SLICE_ARG(placed ? slice_sub(text, at + 2, SIZE_MAX) : text));
        }
    }
}
