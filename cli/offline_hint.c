/* offline_hint.c: what to do about a name that is not there: the one that was meant, or those that
 * there are. */
#include "cli/offline_internal.h"

#include "base/suggest.h"
#include "render/cell.h"
#include "render/pipeline.h"

enum { NAMES_SHOWN_MAX = 8, KINDS_MAX = 4 };

/* What messages end with that are about OpenChoreo's templates alone. */
#define THEIRS "of " OPENCHOREO_GROUP

/* The kinds, ended by SNAPSHOT_ORGANIZATION, whose names could have been meant. */
static const struct {
    const char *reason;
    enum snapshot_kind of; /* the object's; SNAPSHOT_KIND_COUNT: any */
    enum snapshot_kind kinds[KINDS_MAX + 1];
    bool theirs; /* where the message ends so */
} candidates[] = {
    {"TypeNotFound",
     SNAPSHOT_RESOURCE,
     {SNAPSHOT_OC_RESOURCE_TYPE, SNAPSHOT_OC_CLUSTER_RESOURCE_TYPE},
     true},
    {"TypeNotFound", SNAPSHOT_RESOURCE, {SNAPSHOT_RESOURCE_TYPE, SNAPSHOT_CLUSTER_RESOURCE_TYPE}},
    {"TypeNotFound", SNAPSHOT_KIND_COUNT, {SNAPSHOT_OC_TYPE, SNAPSHOT_OC_CLUSTER_TYPE}, true},
    {"TypeNotFound", SNAPSHOT_KIND_COUNT, {SNAPSHOT_TYPE, SNAPSHOT_CLUSTER_TYPE}},
    {"TraitNotFound", SNAPSHOT_KIND_COUNT, {SNAPSHOT_OC_TRAIT, SNAPSHOT_OC_CLUSTER_TRAIT}, true},
    {"TraitNotFound", SNAPSHOT_KIND_COUNT, {SNAPSHOT_TRAIT, SNAPSHOT_CLUSTER_TRAIT}},
    {"WorkflowNotFound",
     SNAPSHOT_KIND_COUNT,
     {SNAPSHOT_WORKFLOW, SNAPSHOT_CLUSTER_WORKFLOW, SNAPSHOT_OC_WORKFLOW,
      SNAPSHOT_OC_CLUSTER_WORKFLOW}},
    {CELL_TYPE_MISSING, SNAPSHOT_KIND_COUNT, {SNAPSHOT_CLUSTER_PROJECT_TYPE}},
    {"ProjectTypeNotFound",
     SNAPSHOT_KIND_COUNT,
     {SNAPSHOT_OC_PROJECT_TYPE, SNAPSHOT_OC_CLUSTER_PROJECT_TYPE}},
    {"TemplateNotFound", SNAPSHOT_KIND_COUNT, {SNAPSHOT_ENVIRONMENT_TEMPLATE}},
    {"EnvironmentNotFound", SNAPSHOT_KIND_COUNT, {SNAPSHOT_ENVIRONMENT, SNAPSHOT_OC_ENVIRONMENT}},
    {"PipelineNotFound", SNAPSHOT_KIND_COUNT, {SNAPSHOT_PIPELINE, SNAPSHOT_OC_PIPELINE}},
    {"ProjectNotFound", SNAPSHOT_KIND_COUNT, {SNAPSHOT_PROJECT, SNAPSHOT_OC_PROJECT}},
    {"ComponentNotFound", SNAPSHOT_KIND_COUNT, {SNAPSHOT_COMPONENT, SNAPSHOT_OC_COMPONENT}},
    {"ResourceNotFound", SNAPSHOT_KIND_COUNT, {SNAPSHOT_RESOURCE, SNAPSHOT_OC_RESOURCE}},
    {"DataPlaneNotFound",
     SNAPSHOT_KIND_COUNT,
     {SNAPSHOT_DATAPLANE, SNAPSHOT_OC_PLANE, SNAPSHOT_OC_CLUSTER_PLANE}},
    {"NoDataPlane",
     SNAPSHOT_KIND_COUNT,
     {SNAPSHOT_DATAPLANE, SNAPSHOT_OC_PLANE, SNAPSHOT_OC_CLUSTER_PLANE}},
    {"ReferenceNotFound", SNAPSHOT_KIND_COUNT, {SNAPSHOT_SECRET, SNAPSHOT_CONFIG_MAP}},
};

static const enum snapshot_kind *kinds_meant(struct slice reason, enum snapshot_kind of,
                                             struct slice message)
{
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        if (slice_eq_cstr(reason, candidates[i].reason) &&
            (candidates[i].of == of || candidates[i].of == SNAPSHOT_KIND_COUNT) &&
            (!candidates[i].theirs || slice_ends_with(message, SLICE(THEIRS)))) {
            return candidates[i].kinds;
        }
    }
    return NULL;
}

bool offline__quoted(struct slice *message, struct slice *out)
{
    size_t from = slice_find(*message, SLICE("\""));
    if (from == SIZE_MAX) {
        return false;
    }
    *message = slice_sub(*message, from + 1, SIZE_MAX);
    size_t to = slice_find(*message, SLICE("\""));
    *out = slice_sub(*message, 0, to);
    *message = slice_sub(*message, to == SIZE_MAX ? SIZE_MAX : to + 1, SIZE_MAX);
    return to != SIZE_MAX;
}

const char *offline__meant(struct offline *o, enum snapshot_kind kind, struct slice ns,
                           struct slice name)
{
    const struct snapshot_entry **all;
    size_t count = snapshot_all(&o->rehearsal.snapshot, kind, &o->arena, &all);
    for (size_t i = 0; i < count; i++) {
        bool here = snapshot_cluster_scoped(kind) || slice_eq(all[i]->ns, ns);
        if (here && !slice_eq(all[i]->name, name) && suggest_close(all[i]->name, name)) {
            return arena_printf(&o->arena, "did you mean %.*s?", SLICE_ARG(all[i]->name));
        }
    }
    return NULL;
}

/* A name of those kinds that is close to one that the message quotes. */
static const char *close_to(struct offline *o, const enum snapshot_kind *kinds, struct slice ns,
                            struct slice message)
{
    struct slice name;
    const char *meant = NULL;
    while (meant == NULL && offline__quoted(&message, &name)) {
        for (size_t k = 0; meant == NULL && k < KINDS_MAX && kinds[k] != SNAPSHOT_ORGANIZATION;
             k++) {
            meant = offline__meant(o, kinds[k], ns, name);
        }
    }
    return meant;
}

/* "there are cart, web", if they are few. */
static const char *list_them(struct offline *o, const enum snapshot_kind *kinds, struct slice ns)
{
    struct buf names = {0};
    size_t listed = 0;
    for (size_t k = 0; k < KINDS_MAX && kinds[k] != SNAPSHOT_ORGANIZATION; k++) {
        const struct snapshot_entry **all;
        size_t count = snapshot_all(&o->rehearsal.snapshot, kinds[k], &o->arena, &all);
        for (size_t i = 0; i < count; i++) {
            bool here = snapshot_cluster_scoped(kinds[k]) || slice_eq(all[i]->ns, ns);
            if (here && !slice_eq_cstr(all[i]->name, RENDER_POLICY)) { /* nobody's to name */
                buf_addf(&names, "%s%.*s", listed > 0 ? ", " : "", SLICE_ARG(all[i]->name));
                listed++;
            }
        }
    }
    const char *text = NULL;
    if (listed > 0 && listed <= NAMES_SHOWN_MAX) {
        text = arena_printf(&o->arena, "there %s %s", listed == 1 ? "is" : "are", buf_cstr(&names));
    }
    buf_free(&names);
    return text;
}

const char *offline__hint(struct offline *o, struct slice reason, enum snapshot_kind of,
                          struct slice ns, struct slice message)
{
    const enum snapshot_kind *kinds = kinds_meant(reason, of, message);
    if (kinds == NULL || slice_find(message, SLICE("did you mean")) != SIZE_MAX) {
        return NULL; /* the controller knows */
    }
    const char *meant = close_to(o, kinds, ns, message);
    return meant != NULL ? meant : list_them(o, kinds, ns);
}
