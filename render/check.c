/* check.c: the walk of the renderer without values.
 *
 * The variables are those that the pipeline declares; a loop's variable and `resource` are added
 * where they are in scope. All faults are gathered, so that one look at a type names everything
 * that is wrong with it. What a template says literally is held to what the renderer would refuse
 * (manifest.h): it need not be rendered to be found out. */
#include "render/check.h"

#include "render/manifest.h"
#include "render/oc_functions.h"
#include "render/patch.h"
#include "render/schema.h"
#include "render/section.h"

struct checking {
    struct arena arena;
    struct template_scope scope;
    struct causes *causes;
    bool cell; /* its templates make the cell itself */
};

static const struct cel_value unknown = {.type = CEL_NULL};

static void declare(struct checking *c, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        template_set(&c->scope, slice_of(names[i]), unknown);
    }
}

static void start_with(struct checking *c, struct causes *causes, const char *const *names,
                       size_t count)
{
    *c = (struct checking){.causes = causes};
    template_init(&c->scope, &c->arena, 0);
    c->scope.functions = oc_functions();
    c->scope.function_count = oc_function_count();
    declare(c, names, count);
}

/* What templates of components and resources see. */
static void start(struct checking *c, struct causes *causes)
{
    static const char *const names[] = {"metadata",    "parameters", "environmentConfigs",
                                        "environment", "dataplane",  "gateway"};
    start_with(c, causes, names, sizeof names / sizeof *names);
}

static void start_component(struct checking *c, struct causes *causes)
{
    static const char *const names[] = {"workload", "configurations", "dependencies",
                                        "organization"};
    start(c, causes);
    declare(c, names, sizeof names / sizeof *names);
}

/* ---- faults ---- */

static struct slice below(struct checking *c, struct slice path, const char *member)
{
    return slice_of(arena_printf(&c->arena, "%.*s.%s", SLICE_ARG(path), member));
}

static void invalid(struct checking *c, struct slice field, const char *what)
{
    cause_add(c->causes, CAUSE_INVALID, field, "Invalid value: %s", what);
}

/* "PLACE, [line L,] column N: what": the place is the cause's field. */
static void on_fault(void *user, const struct err *fault)
{
    struct checking *c = user;
    struct slice text = slice_of(fault->message);
    size_t column = slice_find(text, SLICE(", column "));
    size_t at = slice_find(text, SLICE(", line "));
    at = at < column ? at : column;
    bool placed = at != SIZE_MAX;
    cause_add(c->causes, CAUSE_INVALID, placed ? slice_sub(text, 0, at) : SLICE("spec"),
              "Invalid value: %.*s", SLICE_ARG(placed ? slice_sub(text, at + 2, SIZE_MAX) : text));
}

static void check_tree(struct checking *c, const json_t *holder, const char *member,
                       struct slice path)
{
    const json_t *value = json_object_get(holder, member);
    if (value != NULL) {
        template_check(&c->scope, value, below(c, path, member), on_fault, c);
    }
}

/* One member that must be one expression, if it is there. */
static void check_value(struct checking *c, const json_t *holder, const char *member,
                        struct slice path)
{
    const json_t *value = json_object_get(holder, member);
    if (json_is_string(value)) {
        template_check_value(&c->scope, json_text(value), below(c, path, member), on_fault, c);
    }
}

static void check_schemas(struct checking *c, const json_t *spec)
{
    static const char *const sections[] = {"parameters", "environmentConfigs"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *schema = section_schema(spec, sections[i]);
        if (schema != NULL) {
            schema_examine(
                schema, slice_of(arena_printf(&c->arena, "spec.%s.openAPIV3Schema", sections[i])),
                c->causes);
        }
    }
}

/* ---- lists of entries ---- */

/* "spec.resources[deployment]", or with the entry's number. */
static struct slice place_of(struct checking *c, const char *list, const json_t *entry, size_t i)
{
    struct slice id = json_text_at(entry, "id");
    id = id.len > 0 ? id : json_text_at(entry, "instanceName");
    return slice_of(id.len > 0 ? arena_printf(&c->arena, "spec.%s[%.*s]", list, SLICE_ARG(id))
                               : arena_printf(&c->arena, "spec.%s[%zu]", list, i));
}

/* Two entries of a list must not have the same text at key. */
static void check_unique(struct checking *c, const json_t *spec, const char *list, const char *key)
{
    const json_t *entries = json_object_get(spec, list);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        struct slice one = json_text_at(json_array_get(entries, i), key);
        for (size_t k = 0; k < i && one.len > 0; k++) {
            if (slice_eq(json_text_at(json_array_get(entries, k), key), one)) {
                const char *field = arena_printf(&c->arena, "spec.%s[%zu].%s", list, i, key);
                cause_add(c->causes, CAUSE_DUPLICATE, slice_of(field), "Duplicate value: \"%.*s\"",
                          SLICE_ARG(one));
                break;
            }
        }
    }
}

/* What is evaluated outside of the entry's loop; then the loop's variable is there. */
static void enter_entry(struct checking *c, const json_t *entry, struct slice path)
{
    struct slice var = json_text_at(entry, "var");
    check_value(c, entry, "includeWhen", path);
    check_value(c, entry, "when", path);
    check_value(c, entry, "forEach", path);
    if (json_text_at(entry, "forEach").len > 0) {
        template_set(&c->scope, var.len > 0 ? var : SLICE("item"), unknown);
    }
}

static void check_target(struct checking *c, const json_t *entry, struct slice path)
{
    const json_t *target = json_object_get(entry, "target");
    struct slice group = json_text_at(target, "group");
    struct slice version = json_text_at(target, "version");
    struct slice kind = json_text_at(target, "kind");
    struct slice place = below(c, path, "target");
    if (kind.len > 0 && !manifest_kind(kind)) {
        invalid(c, below(c, place, "kind"), "no object has such a kind");
    }
    if (version.len > 0 && (slice_find(version, SLICE("/")) != SIZE_MAX ||
                            slice_find(group, SLICE("/")) != SIZE_MAX)) {
        invalid(c, place, "apps/v1 is group: apps and version: v1");
    }
    if (manifest_cluster_scoped(kind)) {
        invalid(c, below(c, place, "kind"), "no type can make objects that belong to no namespace");
    }
    template_set(&c->scope, SLICE("resource"), unknown);
    check_value(c, target, "where", place);
}

static void check_rules(struct checking *c, const json_t *spec)
{
    static const char *const lists[] = {"validations", "preRenderValidations"};
    const json_t *after = json_object_get(spec, "postRenderValidations");
    for (size_t k = 0; k < 2; k++) {
        const json_t *rules = json_object_get(spec, lists[k]);
        for (size_t i = 0; i < json_array_size(rules); i++) {
            const json_t *rule = json_array_get(rules, i);
            check_value(c, rule, "rule", place_of(c, lists[k], rule, i));
        }
    }
    if (json_array_size(json_object_get(spec, lists[0])) > 0 &&
        json_array_size(json_object_get(spec, lists[1])) > 0) {
        invalid(c, SLICE("spec.validations"),
                "is the older name of preRenderValidations: set only one of them");
    }
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *rule = json_array_get(after, i);
        struct slice place = place_of(c, "postRenderValidations", rule, i);
        struct template_scope outer = c->scope;
        enter_entry(c, rule, place);
        check_target(c, rule, place);
        check_value(c, rule, "rule", place);
        c->scope = outer;
    }
}

/* ---- templates ---- */

/* What a template says of its object without any expression. */
static void check_literals(struct checking *c, const json_t *template, struct slice path)
{
    bool is_cell = c->cell && slice_eq_cstr(json_text_at(template, "kind"), "Namespace");
    const json_t *metadata = json_object_get(template, "metadata");
    const char *theirs = manifest_clusters_own(metadata);
    struct slice api = json_text_at(template, "apiVersion");
    struct slice kind = json_text_at(template, "kind");
    struct slice ns = json_text_at(metadata, "namespace");
    if (api.len == 0 || (!template_dynamic(api) && !manifest_api_version(api))) {
        invalid(c, below(c, path, "apiVersion"), "must be v1, or GROUP/VERSION");
    }
    if (template_dynamic(kind)) {
        invalid(c, below(c, path, "kind"), "must not depend on an expression");
    } else if (!manifest_kind(kind) || slice_eq_cstr(kind, "List")) {
        invalid(c, below(c, path, "kind"), "must be the kind of one object");
    } else if (manifest_cluster_scoped(kind) && !is_cell) {
        invalid(c, below(c, path, "kind"),
                "belongs to no namespace: types may make namespaced objects only");
    }
    if (theirs != NULL) {
        invalid(c, below(c, path, arena_printf(&c->arena, "metadata.%s", theirs)),
                "is the cluster's to set");
    }
    if (json_object_get(metadata, "name") == NULL && !template_dynamic(json_text(metadata))) {
        cause_add(c->causes, CAUSE_REQUIRED, below(c, path, "metadata.name"), "Required value");
    }
    if (ns.len > 0 && !template_dynamic(ns) && !c->cell) {
        invalid(c, below(c, path, "metadata.namespace"),
                "objects are put into their component's namespace: leave it out, or write "
                "${metadata.namespace}");
    }
}

static void check_templates(struct checking *c, const json_t *spec, const char *list)
{
    const json_t *entries = json_object_get(spec, list);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        const json_t *template = json_object_get(entry, "template");
        struct slice place = place_of(c, list, entry, i);
        struct template_scope outer = c->scope;
        enter_entry(c, entry, place);
        check_tree(c, entry, "template", place);
        c->scope = outer;
        if (json_is_object(template) && resources_here(entry)) {
            check_literals(c, template, below(c, place, "template"));
        }
    }
}

/* The resource named like the workload's type is what everything else is about. */
static void check_primary(struct checking *c, const json_t *spec)
{
    struct slice type = json_text_at(spec, "workloadType");
    const json_t *entries = json_object_get(spec, "resources");
    bool found = type.len == 0 || slice_eq_cstr(type, "proxy");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        found = found || slice_eq(json_text_at(json_array_get(entries, i), "id"), type);
    }
    if (!found) {
        cause_add(c->causes, CAUSE_INVALID, SLICE("spec.resources"),
                  "Invalid value: one must have the id %.*s, as workloadType says",
                  SLICE_ARG(type));
    }
}

static bool same_trait(const json_t *a, const json_t *b)
{
    struct slice kind_a = json_text_at(a, "kind");
    struct slice kind_b = json_text_at(b, "kind");
    return slice_eq(json_text_at(a, "name"), json_text_at(b, "name")) &&
           slice_eq(kind_a.len > 0 ? kind_a : SLICE("Trait"),
                    kind_b.len > 0 ? kind_b : SLICE("Trait"));
}

static void check_embedded(struct checking *c, const json_t *spec)
{
    const json_t *traits = json_object_get(spec, "traits");
    const json_t *allowed = json_object_get(spec, "allowedTraits");
    check_unique(c, spec, "traits", "instanceName");
    for (size_t i = 0; i < json_array_size(traits); i++) {
        const json_t *one = json_array_get(traits, i);
        struct slice place = place_of(c, "traits", one, i);
        check_tree(c, one, "parameters", place);
        check_tree(c, one, "environmentConfigs", place);
        for (size_t k = 0; k < json_array_size(allowed); k++) {
            if (same_trait(one, json_array_get(allowed, k))) {
                invalid(c, slice_of(arena_printf(&c->arena, "spec.allowedTraits[%zu]", k)),
                        "the type brings this trait along itself");
            }
        }
    }
}

void check_component_type(const json_t *spec, struct causes *causes)
{
    struct checking c;
    start_component(&c, causes);
    check_schemas(&c, spec);
    check_rules(&c, spec);
    check_unique(&c, spec, "resources", "id");
    check_primary(&c, spec);
    check_templates(&c, spec, "resources");
    check_embedded(&c, spec);
    arena_free(&c.arena);
}

/* ---- traits ---- */

static void check_operation(struct checking *c, const json_t *operation, struct slice path)
{
    const struct patch_operation one = {.op = json_text_at(operation, "op"),
                                        .path = json_text_at(operation, "path"),
                                        .value = json_object_get(operation, "value")};
    struct err err = {0};
    if (!template_dynamic(one.op) && !template_dynamic(one.path) && patch_check(&one, &err) != 0) {
        invalid(c, path, err.message);
    }
}

static void check_patches(struct checking *c, const json_t *spec)
{
    const json_t *patches = json_object_get(spec, "patches");
    for (size_t i = 0; i < json_array_size(patches); i++) {
        const json_t *patch = json_array_get(patches, i);
        const json_t *operations = json_object_get(patch, "operations");
        struct slice place = place_of(c, "patches", patch, i);
        struct template_scope outer = c->scope;
        enter_entry(c, patch, place);
        check_tree(c, patch, "operations", place); /* they do not see `resource` */
        check_target(c, patch, place);
        c->scope = outer;
        for (size_t k = 0; k < json_array_size(operations); k++) {
            check_operation(
                c, json_array_get(operations, k),
                slice_of(arena_printf(&c->arena, "%.*s.operations[%zu]", SLICE_ARG(place), k)));
        }
    }
}

static void check_removes(struct checking *c, const json_t *spec)
{
    const json_t *removes = json_object_get(spec, "removes");
    for (size_t i = 0; i < json_array_size(removes); i++) {
        const json_t *one = json_array_get(removes, i);
        const json_t *target = json_object_get(one, "target");
        struct slice place = place_of(c, "removes", one, i);
        struct template_scope outer = c->scope;
        enter_entry(c, one, place);
        check_target(c, one, place);
        c->scope = outer;
        if (manifest_workload(json_text_at(target, "group"), json_text_at(target, "kind"))) {
            cause_add(c->causes, CAUSE_FORBIDDEN, below(c, place, "target"),
                      "Forbidden: the workload is the type's, a trait cannot take it away");
        }
    }
}

void check_trait(const json_t *spec, struct causes *causes)
{
    struct checking c;
    start_component(&c, causes);
    template_set(&c.scope, SLICE("trait"), unknown);
    check_schemas(&c, spec);
    check_rules(&c, spec);
    check_templates(&c, spec, "creates");
    check_patches(&c, spec);
    check_removes(&c, spec);
    arena_free(&c.arena);
}

/* ---- resource types ---- */

static void check_output(struct checking *c, const json_t *output, struct slice path)
{
    static const char *const kinds[] = {"value", "secretKeyRef", "configMapKeyRef"};
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        count += json_object_get(output, kinds[i]) != NULL ? 1 : 0;
        check_tree(c, output, kinds[i], path);
    }
    if (count != 1) {
        invalid(c, path, "needs exactly one of value, secretKeyRef and configMapKeyRef");
    }
}

void check_resource_type(const json_t *spec, struct causes *causes)
{
    struct checking c;
    const json_t *resources = json_object_get(spec, "resources");
    const json_t *outputs = json_object_get(spec, "outputs");
    start(&c, causes);
    template_set(&c.scope, SLICE("organization"), unknown);
    check_schemas(&c, spec);
    check_unique(&c, spec, "resources", "id");
    check_rules(&c, spec);
    check_unique(&c, spec, "outputs", "name");
    check_unique(&c, spec, "credentials", "name");
    struct template_scope without = c.scope; /* outputs are seen by everybody */
    template_set(&c.scope, SLICE("credentials"), unknown);
    check_templates(&c, spec, "resources");
    c.scope = without;
    template_set(&c.scope, SLICE("applied"), unknown);
    for (size_t i = 0; i < json_array_size(resources); i++) {
        const json_t *one = json_array_get(resources, i);
        check_value(&c, one, "readyWhen", place_of(&c, "resources", one, i));
    }
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        const json_t *one = json_array_get(outputs, i);
        const char *place =
            arena_printf(&c.arena, "spec.outputs[%.*s]", SLICE_ARG(json_text_at(one, "name")));
        check_output(&c, one, slice_of(place));
    }
    arena_free(&c.arena);
}

/* ---- types of cells ---- */

/* Everything else is in the Namespace: there is one, always, and it is the cell's. */
static void check_namespace(struct checking *c, const json_t *spec)
{
    static const char *const never[] = {"includeWhen", "forEach"};
    const json_t *entries = json_object_get(spec, "resources");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        const json_t *template = json_object_get(entry, "template");
        struct slice name = json_text(json_at(template, "metadata", "name", NULL));
        struct slice place = place_of(c, "resources", entry, i);
        if (!slice_eq_cstr(json_text_at(template, "kind"), "Namespace") || !resources_here(entry)) {
            continue;
        }
        for (size_t k = 0; k < 2; k++) {
            if (json_text_at(entry, never[k]).len > 0) {
                invalid(c, below(c, place, never[k]), "the cell's Namespace is there in any case");
            }
        }
        if (name.len > 0 && !template_dynamic(name)) {
            invalid(c, below(c, place, "template.metadata.name"), "must be ${metadata.namespace}");
        }
        count++;
    }
    if (count != 1) {
        invalid(c, SLICE("spec.resources"),
                "one, and no more, must make the cell's Namespace, ${metadata.namespace}");
    }
}

void check_cell_type(const json_t *spec, struct causes *causes)
{
    static const char *const names[] = {
        "metadata", "environmentConfigs", "environment", "dataplane",
        "gateway",  "organization",       "quotas",      "limits",
        "access"};
    struct checking c;
    start_with(&c, causes, names, sizeof names / sizeof *names);
    c.cell = true;
    check_schemas(&c, spec);
    check_rules(&c, spec);
    check_unique(&c, spec, "resources", "id");
    check_templates(&c, spec, "resources");
    check_namespace(&c, spec);
    arena_free(&c.arena);
}

/* ---- workflows ---- */

void check_workflow(const json_t *spec, struct causes *causes)
{
    static const char *const names[] = {"metadata",  "parameters",    "source",      "run",
                                        "dataplane", "workflowplane", "externalRefs"};
    static const char *const templates[] = {"runTemplate", "jobTemplate"};
    struct checking c;
    start_with(&c, causes, names, sizeof names / sizeof *names);
    check_schemas(&c, spec);
    check_rules(&c, spec);
    check_unique(&c, spec, "resources", "id");
    check_templates(&c, spec, "resources");
    check_tree(&c, spec, "image", SLICE("spec"));
    for (size_t i = 0; i < 2; i++) {
        const json_t *template = json_object_get(spec, templates[i]);
        check_tree(&c, spec, templates[i], SLICE("spec"));
        if (json_is_object(template)) {
            check_literals(&c, template, below(&c, SLICE("spec"), templates[i]));
        }
    }
    arena_free(&c.arena);
}

void check_object(const json_t *object, struct causes *causes)
{
    static const struct {
        const char *kind;
        void (*check)(const json_t *spec, struct causes *causes);
    } kinds[] = {
        {"ComponentType", check_component_type},
        {"ClusterComponentType", check_component_type},
        {"Trait", check_trait},
        {"ClusterTrait", check_trait},
        {"ResourceType", check_resource_type},
        {"ClusterResourceType", check_resource_type},
        {"Workflow", check_workflow},
        {"ClusterWorkflow", check_workflow},
        {"ClusterProjectType", check_cell_type},
    };
    bool ours = slice_eq_cstr(json_text_at(object, "apiVersion"), "choreo.dev/v1");
    for (size_t i = 0; ours && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (slice_eq_cstr(json_text_at(object, "kind"), kinds[i].kind)) {
            kinds[i].check(json_object_get(object, "spec"), causes);
        }
    }
}
