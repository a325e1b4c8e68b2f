/* project_type.c: the same steps as a resource's, beside the cell's own.
 *
 * Whoever may bind a project to an environment may be a tenant, and says what environmentConfigs
 * hold; so no type can hand a label through that makes the cell's pods less confined. */
#include "render/project_type.h"

#include "render/cel/cache.h"
#include "render/context.h"
#include "render/finish.h"
#include "render/manifest.h"
#include "render/section.h"
#include "render/tenant.h"
#include "render/validate.h"

struct typing {
    const struct render_cell *in;
    json_t *manifests;
    struct arena arena;
    struct context context;
    struct template_scope scope;
    struct resource_list list;
};

/* Keys by which admission on a cluster decides what pods of a namespace may be. */
static bool confines_pods(struct slice key)
{
    static const char *const prefixes[] = {
        "pod-security.kubernetes.io/",
        "scheduler.alpha.kubernetes.io/",
        "openshift.io/",
        "security.openshift.io/",
        "iam.amazonaws.com/",
    };
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (slice_starts_with(key, slice_of(prefixes[i]))) {
            return true;
        }
    }
    return false;
}

static json_t *find_namespace(const struct typing *t)
{
    size_t i;
    json_t *manifest;
    json_array_foreach(t->manifests, i, manifest)
    {
        if (slice_eq_cstr(json_text_at(manifest, "kind"), "Namespace")) {
            return manifest;
        }
    }
    return NULL;
}

/* metadata.KEY of the type's Namespace into the cell's, whose own words stay. */
static int merge(const struct resource *from, json_t *into, const char *key, struct err *err)
{
    const char *name;
    json_t *value;
    json_t *more = json_at(from->object, "metadata", key, NULL);
    if (more != NULL && !json_is_object(more)) {
        return manifest_refuse(err, from, "has labels or annotations that are no object");
    }
    json_t *all =
        json_object_size(more) > 0 ? json_child(json_object_get(into, "metadata"), key) : NULL;
    json_object_foreach(more, name, value)
    {
        if (confines_pods(slice_of(name)) && !slice_eq_cstr(json_text(value), "restricted")) {
            return manifest_refuse(err, from,
                                   "says how its pods are confined, which is the cluster's to say");
        }
        if (json_object_get(all, name) == NULL) {
            json_object_set(all, name, value);
        }
    }
    return 0;
}

/* Takes the cell's Namespace out of the list, after its texts are checked as any object's. */
static int take_namespace(struct typing *t, const json_t *standard, struct err *err)
{
    int rc = 0;
    size_t kept = 0;
    json_t *cell = find_namespace(t);
    for (size_t i = 0; i < t->list.count; i++) {
        struct resource r = t->list.items[i];
        bool own =
            cell != NULL && slice_eq_cstr(json_text_at(r.object, "kind"), "Namespace") &&
            slice_eq(json_text(json_at(r.object, "metadata", "name", NULL)), t->context.cell);
        if (!own) {
            t->list.items[kept++] = r;
            continue;
        }
        const struct manifest_rules rules = {
            .cell = t->context.cell, .cell_itself = true, .standard = standard};
        rc = rc == 0 ? manifest_check(&rules, &r, err) : rc;
        rc = rc == 0 ? manifest_check_texts(&r, err) : rc;
        rc = rc == 0 ? merge(&r, cell, "labels", err) : rc;
        rc = rc == 0 ? merge(&r, cell, "annotations", err) : rc;
        json_decref(r.object);
        json_decref(r.origin);
    }
    t->list.count = kept;
    return rc;
}

/* Neither may make what the other makes. */
static int check_apart(const struct typing *t, const json_t *made, struct err *err)
{
    struct buf one = {0};
    struct buf other = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(made); i++) {
        buf_clear(&one);
        render_key(json_array_get(made, i), &one);
        for (size_t k = 0; rc == 0 && k < json_array_size(t->manifests); k++) {
            buf_clear(&other);
            render_key(json_array_get(t->manifests, k), &other);
            if (slice_eq(buf_slice(&one), buf_slice(&other))) {
                rc = err_set(err, ERR_UNPROCESSABLE,
                             "%s is what every cell has by itself: call it otherwise",
                             buf_cstr(&one));
            }
        }
    }
    buf_free(&one);
    buf_free(&other);
    return rc;
}

static int render(struct typing *t, struct err *err)
{
    struct layers parameters = {0};
    struct layers configs = {0};
    layers_add(&parameters, "project", t->in->parameters);
    layers_add(&configs, "binding", t->in->configs);
    int rc =
        section_bind(&t->scope, t->in->type, "parameters", &parameters, SLICE("parameters"), err);
    rc = rc == 0 ? section_bind(&t->scope, t->in->type, "environmentConfigs", &configs,
                                SLICE("environmentConfigs"), err)
                 : rc;
    rc = rc == 0 ? validate_before(&t->scope, t->in->type, SLICE(""), err) : rc;
    return rc == 0 ? resources_render(&t->scope, json_object_get(t->in->type, "resources"),
                                      SLICE("resources"), &t->list, err)
                   : rc;
}

static int judge(const struct typing *t, struct err *err)
{
    const struct tenancy tenancy = {.id = &t->in->id,
                                    .maker = &t->in->maker,
                                    .cell = t->context.cell,
                                    .own_types = json_object_get(t->in->organization, "ownTypes"),
                                    .variables = t->context.variables,
                                    .dataplane = t->in->dataplane};
    return tenant_is(&t->in->maker) ? tenant_judge(&tenancy, &t->list, NULL, err) : 0;
}

static int finish(struct typing *t, struct err *err)
{
    json_t *made = NULL;
    json_t *standard = context_labels(&t->in->id);
    const struct finish how = {.cell = t->context.cell,
                               .standard = standard,
                               .labels = t->in->labels,
                               .annotations = t->in->annotations,
                               .trace = t->in->trace};
    int rc = take_namespace(t, standard, err);
    rc = rc == 0 ? finish_manifests(&how, &t->list, &made, err) : rc;
    rc = rc == 0 ? check_apart(t, made, err) : rc;
    if (rc == 0) {
        json_array_extend(t->manifests, made);
    }
    json_decref(made);
    json_decref(standard);
    return rc;
}

int project_type_render(const struct render_cell *in, json_t *manifests, struct err *err)
{
    struct typing t = {.in = in, .manifests = manifests};
    context_project(&t.arena, in, &t.context);
    template_init(&t.scope, &t.arena, RENDER_COST_MAX);
    t.scope.tolerant = true; /* as OpenChoreo is */
    t.scope.programs = in->programs;
    t.scope.trace = in->trace;
    t.scope.trace_template = SLICE("project type");
    context_enter(&t.context, &t.scope);
    int rc = render(&t, err);
    rc = rc == 0 ? judge(&t, err) : rc;
    rc = rc == 0 ? finish(&t, err) : rc;
    resources_free(&t.list);
    context_free(&t.context);
    arena_free(&t.arena);
    if (in->programs != NULL) {
        cel_cache_trim(in->programs);
    }
    return rc;
}
