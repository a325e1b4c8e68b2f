/* pipeline.c: the order of steps.
 *
 * One arena and one scope serve a whole rendering; the cost of all expressions comes out of one
 * budget. A trait sees the component's variables but its own parameters, and `trait`. Every error
 * is wrapped with the object that the caller knows: the type or the trait. */
#include "render/pipeline.h"

#include <string.h>

#include "proto/object.h"
#include "render/builtin.h"
#include "render/context.h"
#include "render/convert.h"
#include "render/finish.h"
#include "render/section.h"
#include "render/tenant.h"
#include "render/trait.h"
#include "render/validate.h"

struct rendering {
    const struct render_component *in;
    struct arena arena;
    struct context context;
    struct template_scope scope;
    struct resource_list list;
    struct resource_list built_in; /* what a tenant's type may repeat */
    size_t patches;
};

/* What was written at spec.X is told as that, with the type that does not have it. */
static int retell(const struct rendering *r, int rc, struct err *err)
{
    const char *key = rc != 0 ? convert_unknown_field(slice_of(err->message)) : NULL;
    struct slice type = json_text(json_at(r->in->release, "componentType", "name", NULL));
    if (key == NULL) {
        return rc;
    }
    return err_set(err, rc, "spec.%s: components of type \"%.*s\" have no %s", key, SLICE_ARG(type),
                   key);
}

static int bind_component(struct rendering *r, const json_t *spec, struct err *err)
{
    struct layers parameters = {0};
    struct layers configs = {0};
    layers_add(&parameters, "component",
               json_at(r->in->release, "componentProfile", "parameters", NULL));
    context_environment_configs(&r->arena, r->in, section_schema(spec, "environmentConfigs"),
                                &configs);
    context_enter(&r->context, &r->scope);
    int rc = section_bind(&r->scope, spec, "parameters", &parameters, SLICE("parameters"), err);
    rc = retell(r, rc, err);
    return rc == 0 ? section_bind(&r->scope, spec, "environmentConfigs", &configs,
                                  SLICE("environmentConfigs"), err)
                   : rc;
}

/* The trait in release.traits by kind and name. "Trait" is the kind where none is given, but
 * what a type of the cluster brings along is of the cluster, too. */
static const json_t *trait_of(const struct rendering *r, const json_t *instance, bool embedded)
{
    const json_t *traits = json_object_get(r->in->release, "traits");
    struct slice kind = json_text_at(instance, "kind");
    struct slice of_type = json_text(json_at(r->in->release, "componentType", "kind", NULL));
    kind = embedded && slice_eq_cstr(of_type, "ClusterComponentType") ? SLICE("ClusterTrait")
           : kind.len > 0                                             ? kind
                                                                      : SLICE("Trait");
    for (size_t i = 0; i < json_array_size(traits); i++) {
        const json_t *one = json_array_get(traits, i);
        struct slice theirs = json_text_at(one, "kind");
        if (slice_eq(theirs.len > 0 ? theirs : SLICE("Trait"), kind) &&
            slice_eq(json_text_at(one, "name"), json_text_at(instance, "name"))) {
            return one;
        }
    }
    return NULL;
}

/* ---- what a tenant may make ---- */

static struct render_maker maker_of(const struct rendering *r, const json_t *frozen,
                                    const char *kind)
{
    struct slice said = json_text_at(frozen, "kind");
    return (struct render_maker){.kind = said.len > 0 ? said : slice_of(kind),
                                 .name = json_text_at(frozen, "name"),
                                 .by_hand = r->in->by_hand};
}

static struct tenancy tenancy_of(const struct rendering *r, const struct render_maker *maker)
{
    return (struct tenancy){.id = &r->in->id,
                            .maker = maker,
                            .cell = r->context.cell,
                            .own_types = json_object_get(r->in->organization, "ownTypes"),
                            .variables = r->context.variables,
                            .dataplane = r->in->dataplane,
                            .built_in = &r->built_in};
}

static void release_tree(void *tree)
{
    json_decref(tree);
}

/* The templates of a built-in file; the arena's. */
static int built_in_creates(struct rendering *r, const char *file, const json_t **creates,
                            struct err *err)
{
    json_t *object = NULL;
    int rc = builtin_load(slice_of(file), &object, err);
    if (rc == 0) {
        arena_own(&r->arena, object, release_tree);
        *creates = json_at(object, "spec", "creates", NULL);
    }
    return rc;
}

static struct render_maker type_maker(const struct rendering *r)
{
    return maker_of(r, json_object_get(r->in->release, "componentType"), "ComponentType");
}

/* A copy of a built-in type may make what that makes. */
static int judge_type(struct rendering *r, struct err *err)
{
    const struct render_maker maker = type_maker(r);
    const json_t *creates = NULL;
    if (!tenant_is(&maker)) {
        return 0;
    }
    int rc = built_in_creates(r, "own-policies", &creates, err);
    if (rc == 0) {
        const struct tenancy tenancy = tenancy_of(r, &maker);
        tenant_built_in(&r->scope, creates, &r->built_in);
        rc = tenant_judge(&tenancy, &r->list, NULL, err);
    }
    return rc;
}

/* parameters or environmentConfigs of a trait that the type brings along: with expressions. */
static int embedded_section(struct rendering *r, const json_t *instance, const char *section,
                            struct slice path, json_t **value, struct err *err)
{
    const json_t *given = json_object_get(instance, section);
    *value = NULL;
    if (given == NULL) {
        return 0;
    }
    return template_render(&r->scope, given,
                           slice_of(arena_printf(&r->arena, "%.*s.%s", SLICE_ARG(path), section)),
                           value, err);
}

static void bind_trait(struct template_scope *scope, const json_t *instance)
{
    struct cel_entry *entries = arena_alloc(scope->arena, 2 * sizeof *entries);
    entries[0] =
        (struct cel_entry){cel_string(SLICE("name")), cel_string(json_text_at(instance, "name"))};
    entries[1] = (struct cel_entry){cel_string(SLICE("instanceName")),
                                    cel_string(json_text_at(instance, "instanceName"))};
    template_set(scope, SLICE("trait"), cel_map_of(scope->arena, entries, 2));
}

struct trait_use {
    const json_t *instance;
    const json_t *spec;
    struct render_maker maker;
    struct slice path;
    bool embedded;
};

/* "trait tls", or "trait volume/data" where the use has a name of its own. */
static struct slice label_of(struct arena *arena, const json_t *instance)
{
    struct slice name = json_text_at(instance, "name");
    struct slice own = json_text_at(instance, "instanceName");
    bool same = own.len == 0 || slice_eq(own, name);
    return slice_of(arena_printf(arena, "trait %.*s%s%.*s", SLICE_ARG(name), same ? "" : "/",
                                 SLICE_ARG(same ? SLICE("") : own)));
}

/* Binds what a trait sees; the scope is the caller's to restore. */
static int enter_trait(struct rendering *r, const struct trait_use *use, struct err *err)
{
    static const char *const sections[] = {"parameters", "environmentConfigs"};
    struct slice instance = json_text_at(use->instance, "instanceName");
    const json_t *bound = json_object_get(r->in->binding, "traitEnvironmentConfigs");
    json_t *values[2] = {NULL, NULL};
    struct layers layers[2] = {{.count = 0}, {.count = 0}};
    int rc = 0;
    for (size_t i = 0; use->embedded && rc == 0 && i < 2; i++) {
        rc = embedded_section(r, use->instance, sections[i], use->path, &values[i], err);
        layers_add(&layers[i], "type", values[i]);
    }
    if (!use->embedded) {
        layers_add(&layers[0], "component", json_object_get(use->instance, "parameters"));
        layers_add(&layers[1], "binding",
                   instance.len > 0 ? json_object_getn(bound, instance.data, instance.len) : NULL);
    }
    r->scope.trace_template = label_of(&r->arena, use->instance);
    for (size_t i = 0; rc == 0 && i < 2; i++) {
        struct slice path =
            slice_of(arena_printf(&r->arena, "%.*s.%s", SLICE_ARG(use->path), sections[i]));
        rc = section_bind(&r->scope, use->spec, sections[i], &layers[i], path, err);
    }
    json_decref(values[0]);
    json_decref(values[1]);
    bind_trait(&r->scope, use->instance);
    return rc;
}

/* Each tenant's trait is a look at everything, before and after. */
static int charge_looks(struct rendering *r, struct slice path, struct err *err)
{
    enum { BYTES_MAX = 1 << 30, COST_BYTES = 256 };
    uint64_t cost = 0;
    for (size_t i = 0; i < r->list.count; i++) {
        cost += 1 + json_tree_bytes(r->list.items[i].object, BYTES_MAX) / COST_BYTES;
    }
    return template_charge(&r->scope, path, cost, err);
}

/* What a tenant's trait makes of the objects is judged by what they were before it. */
static int change(struct rendering *r, const struct trait_use *use, struct err *err)
{
    const struct tenancy tenancy = tenancy_of(r, &use->maker);
    struct tenant_seen seen = {0};
    bool judged = tenant_is(&use->maker);
    int rc = judged ? charge_looks(r, use->path, err) : 0;
    if (rc == 0 && judged) {
        tenant_see(&tenancy, &r->list, &seen);
    }
    rc = rc != 0 ? rc : trait_apply(&r->scope, use->spec, use->path, &r->list, &r->patches, err);
    if (rc == 0 && judged && tenant_judge(&tenancy, &r->list, &seen, err) != 0) {
        rc = err_wrap(err, "%.*s", SLICE_ARG(use->path));
    }
    tenant_forget(&seen);
    return rc;
}

static int apply_trait(struct rendering *r, const struct trait_use *use, bool after,
                       struct err *err)
{
    struct template_scope outer = r->scope;
    r->scope.trace = after ? NULL : outer.trace; /* it has been told once */
    int rc = enter_trait(r, use, err);
    if (rc == 0 && after) {
        rc = validate_after(&r->scope, use->spec, use->path, &r->list, err);
    } else if (rc == 0) {
        rc = validate_before(&r->scope, use->spec, use->path, err);
        if (rc == 0) {
            rc = change(r, use, err);
        }
    }
    outer.cost_left = r->scope.cost_left;
    r->scope = outer;
    return rc;
}

/* Every use of a trait, the type's own first: once to change objects, once more, when all have, for
 * what must hold then. */
static int apply_traits(struct rendering *r, const json_t *type, bool after, struct err *err)
{
    const json_t *lists[] = {json_object_get(type, "traits"),
                             json_at(r->in->release, "componentProfile", "traits", NULL)};
    int rc = 0;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; rc == 0 && i < json_array_size(lists[k]); i++) {
            const json_t *instance = json_array_get(lists[k], i);
            struct slice name = json_text_at(instance, "instanceName");
            name = name.len > 0 ? name : json_text_at(instance, "name");
            const json_t *trait = trait_of(r, instance, k == 0);
            struct trait_use use = {.instance = instance,
                                    .spec = json_object_get(trait, "spec"),
                                    .maker = maker_of(r, trait, "Trait"),
                                    .embedded = k == 0};
            use.path = slice_of(arena_printf(&r->arena, "traits[%.*s]", SLICE_ARG(name)));
            rc = use.spec != NULL
                     ? apply_trait(r, &use, after, err)
                     : err_set(err, ERR_UNPROCESSABLE, "%.*s: the release has no trait %.*s",
                               SLICE_ARG(use.path), SLICE_ARG(json_text_at(instance, "name")));
        }
    }
    return rc;
}

static int render_type(struct rendering *r, const json_t *spec, struct err *err)
{
    if (json_array_size(json_object_get(spec, "resources")) == 0) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "componentType.spec.resources: the type makes nothing");
    }
    int rc = bind_component(r, spec, err);
    if (rc == 0) {
        rc = validate_before(&r->scope, spec, SLICE(""), err);
    }
    if (rc == 0) {
        rc = resources_render(&r->scope, json_object_get(spec, "resources"), SLICE("resources"),
                              &r->list, err);
    }
    rc = rc == 0 ? judge_type(r, err) : rc;
    if (rc == 0) {
        rc = apply_traits(r, spec, false, err);
    }
    if (rc == 0) {
        rc = validate_after(&r->scope, spec, SLICE(""), &r->list, err);
    }
    return rc == 0 ? apply_traits(r, spec, true, err) : rc;
}

static bool is_policy(const json_t *template)
{
    struct slice kind = json_text(json_at(template, "template", "kind", NULL));
    return slice_ends_with(kind.len > 0 ? kind : json_text_at(template, "kind"),
                           SLICE("NetworkPolicy"));
}

static bool is_of_policy(const struct resource *r)
{
    return slice_starts_with(r->place, SLICE(RENDER_POLICY "."));
}

/* What the type makes, too, stays as the type says it. */
static bool is_made_by_type(const struct rendering *r, const json_t *object)
{
    bool made = false;
    for (size_t i = 0; i < r->list.count; i++) {
        const struct resource *other = &r->list.items[i];
        made |= !is_of_policy(other) && slice_eq(object_kind(object), object_kind(other->object)) &&
                slice_eq(object_name(object), object_name(other->object));
    }
    return made;
}

static void leave_policy_to_type(struct rendering *r)
{
    struct resource_list *list = &r->list;
    for (size_t i = list->count; i > 0; i--) {
        struct resource *one = &list->items[i - 1];
        if (is_of_policy(one) && is_made_by_type(r, one->object)) {
            json_decref(one->object);
            json_decref(one->origin);
            memmove(one, one + 1, (list->count - i) * sizeof *one);
            list->count--;
        }
    }
}

/* Beside the type's objects, and out of its traits' reach; built-in types have a policy of that
 * name. */
static int apply_policy(struct rendering *r, struct err *err)
{
    json_t *instance = json_pack("{s:s, s:s}", "kind", "ClusterTrait", "name", RENDER_POLICY);
    json_t *builtin = NULL;
    int rc = r->in->policy == NULL ? builtin_load(SLICE(RENDER_POLICY), &builtin, err) : 0;
    const json_t *policy = r->in->policy != NULL ? r->in->policy : builtin;
    const struct trait_use use = {
        .instance = instance,
        .spec = json_object_get(policy, "spec"),
        .maker = {.kind = SLICE("ClusterTrait"), .name = SLICE(RENDER_POLICY)},
        .path = SLICE(RENDER_POLICY)};
    arena_own(&r->arena, instance, release_tree);
    if (builtin != NULL) {
        arena_own(&r->arena, builtin, release_tree);
    }
    rc = rc == 0 ? apply_trait(r, &use, false, err) : rc;
    if (rc == 0) {
        leave_policy_to_type(r);
    }
    return rc == 0 ? apply_trait(r, &use, true, err) : rc;
}

/* A tenant's type cannot open what the cell denies; what its component declares is open all the
 * same. */
static int add_own_policy(struct rendering *r, struct err *err)
{
    const struct render_maker maker = type_maker(r);
    const json_t *creates = NULL;
    json_t *policies = json_array();
    bool wanted = tenant_is(&maker) &&
                  json_is_true(json_at(r->context.variables, "organization", "defaultDeny", NULL));
    for (size_t i = 0; i < r->list.count; i++) {
        wanted = wanted && !is_policy(r->list.items[i].object);
    }
    int rc = wanted ? built_in_creates(r, "own-policies", &creates, err) : 0;
    for (size_t i = 0; i < json_array_size(creates) && json_array_size(policies) < 2; i++) {
        if (is_policy(json_array_get(creates, i))) { /* one of each provider's */
            json_array_append(policies, json_array_get(creates, i));
        }
    }
    rc = rc == 0 ? resources_render(&r->scope, policies, SLICE("policy"), &r->list, err) : rc;
    json_decref(policies);
    return rc;
}

int render_component(const struct render_component *in, json_t **manifests, struct err *err)
{
    struct rendering r = {.in = in};
    const json_t *spec = json_at(in->release, "componentType", "spec", NULL);
    int rc = context_component(&r.arena, in, &r.context, err);
    *manifests = NULL;
    template_init(&r.scope, &r.arena, in->cost_limit != 0 ? in->cost_limit : RENDER_COST_MAX);
    r.scope.tolerant = in->tolerant;
    r.scope.programs = in->programs;
    r.scope.trace = in->trace;
    r.scope.trace_template = SLICE("type");
    if (rc == 0) {
        rc = render_type(&r, spec, err);
    }
    if (rc == 0) {
        rc = in->openchoreo ? apply_policy(&r, err) : add_own_policy(&r, err);
    }
    if (rc == 0) {
        json_t *standard = context_labels(&in->id);
        const struct finish how = {.cell = r.context.cell,
                                   .standard = standard,
                                   .labels = in->labels,
                                   .annotations = in->annotations,
                                   .workload_type = json_text_at(spec, "workloadType"),
                                   .trace = in->trace};
        rc = finish_manifests(&how, &r.list, manifests, err);
        json_decref(standard);
    }
    resources_free(&r.list);
    resources_free(&r.built_in);
    context_free(&r.context);
    arena_free(&r.arena);
    if (in->programs != NULL) {
        cel_cache_trim(in->programs);
    }
    return rc;
}
