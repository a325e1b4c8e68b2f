/* cell.c: a cell's objects, by a ClusterProjectType.
 *
 * Whoever writes one is a platform engineer, so its templates may do what no component's may: they
 * make the cell's Namespace, and put objects into other namespaces, where controllers like Velero's
 * take their orders. That the Namespace is there is held here, since everything else is in it, and
 * what a cluster has of it must not be taken for left over. */
#include "render/cell.h"

#include "render/builtin.h"
#include "render/cel/cache.h"
#include "render/context.h"
#include "render/finish.h"
#include "render/pipeline.h"
#include "render/project_type.h"
#include "render/section.h"
#include "render/validate.h"

#define BUILTIN "cell"

struct rendering {
    const struct render_cell *in;
    struct arena arena;
    struct context context;
    struct template_scope scope;
    struct resource_list list;
};

/* ---- which type ---- */

void cell_type_find(const struct platform *p, const json_t *environment, const json_t *organization,
                    struct cell_type *out)
{
    struct slice here = json_text(json_at(environment, "cell", "type", NULL));
    struct slice theirs = json_text(json_at(organization, "cell", "type", NULL));
    *out = (struct cell_type){.name = here.len > 0     ? here
                                      : theirs.len > 0 ? theirs
                                                       : SLICE(BUILTIN),
                              .named_by_environment = here.len > 0};
    out->object = p->get(p->user, "ClusterProjectType", SLICE(""), out->name);
    out->missing = out->object == NULL && !slice_eq_cstr(out->name, BUILTIN);
}

const char *cell_type_lacks(const struct cell_type *type, struct slice environment,
                            struct slice organization, struct arena *arena)
{
    bool here = type->named_by_environment;
    return arena_printf(arena,
                        "there is no ClusterProjectType \"%.*s\", which %s \"%.*s\" names: create "
                        "it, or change spec.cell.type; what runs stays as it is",
                        SLICE_ARG(type->name), here ? "environment" : "organization",
                        SLICE_ARG(here ? environment : organization));
}

/* ---- what it makes ---- */

static void release_tree(void *tree)
{
    json_decref(tree);
}

/* The type's spec, and what its templates are called in a trace. */
static int open_type(struct rendering *r, const json_t **spec, struct err *err)
{
    const json_t *type = r->in->cell_type;
    struct slice name = json_text(json_at(type, "metadata", "name", NULL));
    json_t *builtin = NULL;
    int rc = type == NULL ? builtin_load(SLICE(BUILTIN), &builtin, err) : 0;
    if (builtin != NULL) {
        arena_own(&r->arena, builtin, release_tree);
    }
    r->scope.trace_template =
        type == NULL
            ? SLICE("built-in cell")
            : slice_of(arena_printf(&r->arena, "ClusterProjectType %.*s", SLICE_ARG(name)));
    *spec = json_object_get(type != NULL ? type : builtin, "spec");
    return rc;
}

static int render_type(struct rendering *r, const json_t *spec, struct err *err)
{
    struct layers configs = {0};
    layers_add(&configs, "organization",
               json_at(r->in->organization, "cell", "environmentConfigs", NULL));
    layers_add(&configs, "environment",
               json_at(r->in->environment, "cell", "environmentConfigs", NULL));
    int rc = section_bind(&r->scope, spec, "environmentConfigs", &configs,
                          SLICE("environmentConfigs"), err);
    rc = rc == 0 ? validate_before(&r->scope, spec, SLICE(""), err) : rc;
    rc = rc == 0 ? resources_render(&r->scope, json_object_get(spec, "resources"),
                                    SLICE("resources"), &r->list, err)
                 : rc;
    return rc == 0 ? validate_after(&r->scope, spec, SLICE(""), &r->list, err) : rc;
}

static int check_namespace(const struct rendering *r, struct err *err)
{
    for (size_t i = 0; i < r->list.count; i++) {
        const json_t *object = r->list.items[i].object;
        if (slice_eq_cstr(json_text_at(object, "kind"), "Namespace") &&
            slice_eq(json_text(json_at(object, "metadata", "name", NULL)), r->context.cell)) {
            return 0;
        }
    }
    return err_set(err, ERR_UNPROCESSABLE, "resources: none of them made the Namespace %.*s",
                   SLICE_ARG(r->context.cell));
}

static int finish(struct rendering *r, json_t **manifests, struct err *err)
{
    struct render_identity id = r->in->id;
    id.component = SLICE("");
    id.component_uid = SLICE("");
    json_t *standard = context_labels(&id);
    const struct finish how = {.cell = r->context.cell,
                               .cell_itself = true,
                               .standard = standard,
                               .labels = r->in->labels,
                               .annotations = r->in->annotations,
                               .trace = r->in->trace};
    int rc = check_namespace(r, err);
    rc = rc == 0 ? finish_manifests(&how, &r->list, manifests, err) : rc;
    json_decref(standard);
    return rc;
}

static int render_own(const struct render_cell *in, json_t **manifests, struct err *err)
{
    struct rendering r = {.in = in};
    const json_t *spec;
    context_cell(&r.arena, in, &r.context);
    template_init(&r.scope, &r.arena, RENDER_COST_MAX);
    r.scope.programs = in->programs;
    r.scope.trace = in->trace;
    context_enter(&r.context, &r.scope);
    int rc = open_type(&r, &spec, err);
    rc = rc == 0 ? render_type(&r, spec, err) : rc;
    rc = rc == 0 ? finish(&r, manifests, err) : rc;
    if (rc != 0 && in->cell_type != NULL) { /* a cell may be of two types */
        err_wrap(err, "%.*s", SLICE_ARG(r.scope.trace_template));
    }
    resources_free(&r.list);
    context_free(&r.context);
    arena_free(&r.arena);
    if (in->programs != NULL) {
        cel_cache_trim(in->programs);
    }
    return rc;
}

int render_cell(const struct render_cell *in, json_t **manifests, struct err *err)
{
    *manifests = NULL;
    int rc = render_own(in, manifests, err);
    if (rc == 0 && in->type != NULL) {
        rc = project_type_render(in, *manifests, err);
    }
    if (rc != 0) {
        json_decref(*manifests);
        *manifests = NULL;
    }
    return rc;
}
