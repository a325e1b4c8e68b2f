/* offline_targets.c: what of a platform of files is meant, and why it is nowhere.
 *
 * Resources come before components, as on clusters; of each, every environment and cluster that is
 * asked for. Why something is not there, the controllers have said in conditions. */
#include "cli/offline_internal.h"

#include <string.h>

#include "base/suggest.h"
#include "cli/print.h"
#include "reconcile/controllers/openchoreo.h"
#include "reconcile/controllers/place.h"
#include "reconcile/controllers/rendered.h"

struct choosing {
    struct offline *o;
    const char *command; /* "render" */
    const struct options *options;
    const struct snapshot *s;
    const struct snapshot_entry *entry; /* of a Component or a Resource */
    const json_t *object;
    bool of_resource;
    struct slice project;
    const char *place;
    struct offline_target *targets;
    size_t count;
    size_t cap;
    struct err first; /* failure */
};

static void fail_as(struct choosing *c, const struct err *why)
{
    if (c->first.code == 0) {
        err_set(&c->first, why->code, "%s: %s", c->place, why->message);
    } else {
        print_err("choreo %s: %s: %s\n", c->command, c->place, why->message);
    }
}

static void fail(struct choosing *c, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct choosing *c, int code, const char *format, ...)
{
    struct err why = {0};
    va_list args;
    va_start(args, format);
    err_set(&why, code, "%s", arena_vprintf(&c->o->arena, format, args));
    va_end(args);
    fail_as(c, &why);
}

/* What a condition says, and what to do about it. */
static void fail_by(struct choosing *c, const json_t *object, const char *condition)
{
    struct err why = {0};
    const json_t *said = object_condition(object, condition);
    enum snapshot_kind kind = c->of_resource ? SNAPSHOT_RESOURCE : SNAPSHOT_COMPONENT;
    const char *hint = offline__hint(c->o, json_text_at(said, "reason"), kind, object_ns(object),
                                     json_text_at(said, "message"));
    (void)offline__condition(object, condition, &why);
    fail(c, why.code, "%s%s%s", why.message, hint != NULL ? ": " : "", hint != NULL ? hint : "");
}

/* ": did you mean prod?" where a name of the kind is close to it, or "". */
static const char *meant(struct choosing *c, enum snapshot_kind kind, struct slice ns,
                         struct slice name)
{
    const char *hint = offline__meant(c->o, kind, ns, name);
    return hint != NULL ? arena_printf(&c->o->arena, ": %s", hint) : "";
}

/* ---- where it is ---- */

static struct offline_target *target_new(struct choosing *c)
{
    if (c->count == c->cap) {
        c->cap = c->cap == 0 ? 16 : c->cap * 2;
        struct offline_target *more = arena_alloc(&c->o->arena, c->cap * sizeof *more);
        if (c->count > 0) {
            memcpy(more, c->targets, c->count * sizeof *more);
        }
        c->targets = more;
    }
    return &c->targets[c->count++];
}

/* False: nothing was placed there. */
static bool add_target(struct choosing *c, struct slice environment, const struct site *site,
                       size_t cluster)
{
    const struct deployment member = {.ns = c->entry->ns,
                                      .project = c->project,
                                      .component = c->of_resource ? SLICE("") : c->entry->name,
                                      .resource = c->of_resource ? c->entry->name : SLICE(""),
                                      .environment = environment,
                                      .plane = site->plane,
                                      .cluster = site->clusters[cluster].name};
    struct deployment cell = member;
    cell.component = SLICE("");
    cell.resource = SLICE("");
    const struct platform *p = &c->o->view.platform;
    const json_t *rendered =
        p->get(p->user, "RenderedRelease", member.ns, deployment_name_on(p, &c->o->arena, &member));
    const json_t *around =
        p->get(p->user, "RenderedRelease", member.ns, deployment_name_on(p, &c->o->arena, &cell));
    if (rendered == NULL || around == NULL) {
        return false;
    }
    *target_new(c) = (struct offline_target){.deployment = rendered_deployment(rendered),
                                             .cell = rendered_deployment(around),
                                             .place = c->place};
    return true;
}

static bool has_cluster(struct choosing *c, const struct site *site, struct slice name)
{
    struct plane_cluster *clusters;
    const json_t *plane = snapshot_get(c->s, SNAPSHOT_DATAPLANE, SLICE(""), site->plane);
    size_t count = plane_clusters(plane, &c->o->arena, &clusters);
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(clusters[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* "it has a, b" */
static const char *clusters_of(struct choosing *c, const struct site *site)
{
    struct plane_cluster *clusters;
    struct buf names = {0};
    const json_t *plane = snapshot_get(c->s, SNAPSHOT_DATAPLANE, SLICE(""), site->plane);
    size_t count = plane_clusters(plane, &c->o->arena, &clusters);
    for (size_t i = 0; i < count; i++) {
        buf_addf(&names, "%s%.*s", i > 0 ? ", " : "it has ", SLICE_ARG(clusters[i].name));
    }
    const char *text = arena_cstr(&c->o->arena, buf_slice(&names));
    buf_free(&names);
    return text;
}

static void tell_other_cluster(struct choosing *c, struct slice environment,
                               const struct site *site)
{
    const char *wanted = c->options->cluster;
    if (has_cluster(c, site, slice_of(wanted))) {
        fail(c, ERR_NOT_FOUND, "environment \"%.*s\" is not on cluster \"%s\"",
             SLICE_ARG(environment), wanted);
    } else {
        fail(c, ERR_NOT_FOUND, "data plane \"%.*s\" has no cluster \"%s\": %s",
             SLICE_ARG(site->plane), wanted, clusters_of(c, site));
    }
}

/* The environment, with why it is nowhere. OpenChoreo's says why ours is not there. */
static bool find_site(struct choosing *c, struct slice environment, struct site *site)
{
    const json_t *theirs = snapshot_get(c->s, SNAPSHOT_OC_ENVIRONMENT, c->entry->ns, environment);
    site_find(c->s, c->entry->ns, environment, &c->o->arena, site);
    if (site->reason == NULL) {
        return true;
    }
    if (site->gone && theirs != NULL) {
        fail_by(c, theirs, READY);
    } else if (strcmp(site->reason, "NoClusterQualifies") == 0) {
        fail(c, ERR_NOT_FOUND, "environment \"%.*s\": %s", SLICE_ARG(environment), site->message);
    } else {
        fail(c, ERR_NOT_FOUND, "%s%s", site->message,
             site->gone ? meant(c, SNAPSHOT_ENVIRONMENT, c->entry->ns, environment) : "");
    }
    return false;
}

/* On every cluster that the environment is on, or the one that is asked for. */
static void choose_clusters(struct choosing *c, struct slice environment)
{
    const struct platform *p = &c->o->view.platform;
    const char *wanted = c->options->cluster;
    struct site site;
    if (!find_site(c, environment, &site)) {
        return;
    }
    const json_t *binding =
        c->of_resource ? p->resource_binding(p->user, c->entry->ns, c->entry->name, environment)
                       : p->binding(p->user, c->entry->ns, c->project, c->entry->name, environment);
    if (slice_eq_cstr(spec_text(binding, "state"), "Undeploy")) {
        return;
    }
    bool there = wanted == NULL;
    for (size_t i = 0; i < site.count; i++) {
        if (wanted != NULL && !slice_eq_cstr(site.clusters[i].name, wanted)) {
            continue;
        }
        there = true;
        if (!add_target(c, environment, &site, i)) {
            fail_by(c, binding != NULL ? binding : c->object, READY);
            return; /* on the others for the same reason */
        }
    }
    if (!there && !c->options->everywhere) {
        tell_other_cluster(c, environment, &site);
    }
}

static void choose_environments(struct choosing *c)
{
    struct slice *all;
    const char *reason;
    const char *message;
    const struct snapshot_entry *project = offline__project(c->o, c->object, &c->project);
    size_t count = offline__environments(c->o, project, c->entry->ns, &all);
    struct slice first = {0};
    if (c->options->environment == NULL) {
        first = first_environment(c->s, c->entry->ns, project, &c->o->arena, &reason, &message);
        if (first.len == 0) {
            fail(c, ERR_NOT_FOUND, "%s; --environment says where else", message);
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        choose_clusters(c, all[i]);
    }
    if (count == 0) {
        choose_clusters(c, first);
    }
}

/* ---- components and resources ---- */

/* Why there is no release of it, which is a condition's type; NULL: there is one. */
static const char *unreleased(const struct choosing *c)
{
    static const char *const steps[] = {"ProjectResolved", "ImageResolved", "Released"};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const json_t *step = object_condition(c->object, steps[i]);
        if (slice_eq_cstr(json_text_at(step, "status"), "False")) {
            return steps[i];
        }
    }
    bool stuck = c->of_resource &&
                 json_text(json_at(c->object, "status", "latestRelease", "name", NULL)).len == 0;
    return stuck ? READY : NULL;
}

/* Whether nothing deploys it: it does not come by itself, and nobody has bound it. */
static bool is_idle(const struct choosing *c)
{
    const struct snapshot_entry **bindings;
    enum snapshot_kind kind = c->of_resource ? SNAPSHOT_RESOURCE_BINDING : SNAPSHOT_BINDING;
    enum snapshot_index index = c->of_resource ? SNAPSHOT_BY_RESOURCE : SNAPSHOT_BY_COMPONENT;
    return json_is_false(json_at(c->object, "spec", "autoDeploy", NULL)) &&
           snapshot_list(c->s, kind, index, c->entry->ns, c->entry->name, &c->o->arena,
                         &bindings) == 0;
}

static void choose_one(struct choosing *c, const struct snapshot_entry *entry, bool of_resource)
{
    c->entry = entry;
    c->object = snapshot_tree(c->s, entry);
    c->of_resource = of_resource;
    c->place = offline__place_text(c->o, c->object, SLICE(""));
    const char *why = unreleased(c);
    if (why != NULL && object_condition(c->object, "Built") != NULL) {
        fail(c, ERR_UNPROCESSABLE,
             "it is built from source, and nothing is built without a server: there is no image to "
             "run unless spec.image names one");
    } else if (why != NULL) {
        fail_by(c, c->object, why);
    } else if (!is_idle(c)) {
        choose_environments(c);
    } else if (!of_resource) {
        print_err("note: %s: spec.autoDeploy is false: nothing is deployed by itself; --component "
                  "renders it\n",
                  c->place);
    }
}

/* One of OpenChoreo's of which nothing was made says why. */
static void choose_theirs(struct choosing *c, const struct snapshot_entry *entry,
                          enum snapshot_kind ours)
{
    const json_t *object = snapshot_tree(c->s, entry);
    const json_t *made = snapshot_get(c->s, ours, entry->ns, entry->name);
    c->place = offline__place_text(c->o, object, SLICE(""));
    if (made == NULL || !owned_by(made, entry->uid)) {
        fail_by(c, object, READY);
    }
}

/* Those of a kind, ours or (theirs) OpenChoreo's, that are chosen. */
static size_t choose_all(struct choosing *c, enum snapshot_kind ours, enum snapshot_kind theirs)
{
    const struct snapshot_entry **all;
    size_t chosen = 0;
    size_t count = snapshot_all(c->s, ours, &c->o->arena, &all);
    for (size_t i = 0; i < count; i++) {
        if (offline__chosen(c->o, ours, all[i]->ns, all[i]->name)) {
            chosen++;
            choose_one(c, all[i], ours == SNAPSHOT_RESOURCE);
        }
    }
    count = snapshot_all(c->s, theirs, &c->o->arena, &all);
    for (size_t i = 0; i < count; i++) {
        if (offline__chosen(c->o, theirs, all[i]->ns, all[i]->name)) {
            chosen++;
            choose_theirs(c, all[i], ours);
        }
    }
    return chosen;
}

/* ---- cells ---- */

static bool is_chosen_cell(const struct choosing *c, const struct snapshot_entry *entry)
{
    const char *only = c->options->environment;
    struct slice environment = spec_text(snapshot_tree(c->s, entry), "environment");
    return offline__chosen(c->o, SNAPSHOT_COMPONENT, entry->ns, SLICE("")) &&
           (only == NULL || slice_eq_cstr(environment, only));
}

/* On the clusters where a ProjectReleaseBinding of OpenChoreo's asks for a cell, whether or not
 * anything is in it. */
static void choose_cell(struct choosing *c, const struct snapshot_entry *entry)
{
    const struct snapshot_entry **all;
    c->object = snapshot_tree(c->s, entry);
    c->place = offline__place_text(c->o, c->object, SLICE(""));
    if (json_at(c->object, "status", "namespace", NULL) == NULL) {
        fail_by(c, c->object, READY);
        return;
    }
    const char *cell =
        arena_printf(&c->o->arena, "%.*s/%.*s", SLICE_ARG(owner_text(c->object, "projectName")),
                     SLICE_ARG(spec_text(c->object, "environment")));
    size_t count = snapshot_list(c->s, SNAPSHOT_RENDERED, SNAPSHOT_BY_CELL, entry->ns,
                                 slice_of(cell), &c->o->arena, &all);
    for (size_t i = 0; i < count; i++) {
        const struct deployment d = rendered_deployment(snapshot_tree(c->s, all[i]));
        if (c->options->cluster == NULL || slice_eq_cstr(d.cluster, c->options->cluster)) {
            *target_new(c) = (struct offline_target){.deployment = d, .cell = d, .place = c->place};
        }
    }
}

static size_t choose_cells(struct choosing *c)
{
    const struct snapshot_entry **all;
    size_t chosen = 0;
    size_t count = snapshot_all(c->s, SNAPSHOT_OC_CELL, &c->o->arena, &all);
    for (size_t i = 0; i < count; i++) {
        if (is_chosen_cell(c, all[i])) {
            chosen++;
            choose_cell(c, all[i]);
        }
    }
    return chosen;
}

/* What controllers wanted to write and may not. */
static void choose_faults(struct choosing *c)
{
    size_t i;
    json_t *fault;
    json_array_foreach((json_t *)(uintptr_t)rehearsal_faults(&c->o->rehearsal), i, fault)
    {
        c->place = arena_printf(
            &c->o->arena, "%.*s %.*s/%.*s", SLICE_ARG(json_text_at(fault, "kind")),
            SLICE_ARG(json_text_at(fault, "namespace")), SLICE_ARG(json_text_at(fault, "name")));
        fail(c, ERR_UNPROCESSABLE, "%.*s", SLICE_ARG(json_text_at(fault, "message")));
    }
}

/* There is none of that name; there may be one of nearly that, or in another namespace. */
static int fail_unchosen(struct choosing *c, struct err *err)
{
    const char *name = c->options->component != NULL ? c->options->component : c->options->resource;
    bool of_resource = c->options->resource != NULL;
    const char *noun = of_resource ? "resource" : "component";
    enum snapshot_kind kind = of_resource ? SNAPSHOT_RESOURCE : SNAPSHOT_COMPONENT;
    const struct snapshot_entry **all;
    size_t count = snapshot_all(c->s, kind, &c->o->arena, &all);
    const char *hint = "";
    for (size_t i = 0; i < count && name != NULL; i++) {
        if (slice_eq_cstr(all[i]->name, name)) {
            hint = arena_printf(&c->o->arena, " in namespace %s: there is one in %.*s",
                                c->options->ns, SLICE_ARG(all[i]->ns));
        } else if (hint[0] == '\0' && suggest_close(all[i]->name, slice_of(name))) {
            hint = arena_printf(&c->o->arena, ": did you mean %.*s?", SLICE_ARG(all[i]->name));
        }
    }
    return err_set(err, ERR_NOT_FOUND, "there is no %s%s%s among the manifests%s", noun,
                   name != NULL ? " " : "", name != NULL ? name : "", hint);
}

int offline_targets(struct offline *o, const struct cli *c, struct offline_target **targets,
                    size_t *count, struct err *err)
{
    struct choosing choosing = {
        .o = o, .command = c->command->name, .options = &c->options, .s = &o->rehearsal.snapshot};
    int rc = offline__bind(o, err);
    if (rc != 0) {
        *count = 0;
        return rc;
    }
    size_t chosen = choose_all(&choosing, SNAPSHOT_RESOURCE, SNAPSHOT_OC_RESOURCE);
    chosen += choose_all(&choosing, SNAPSHOT_COMPONENT, SNAPSHOT_OC_COMPONENT);
    chosen += choose_cells(&choosing);
    choose_faults(&choosing);
    *targets = choosing.targets;
    *count = choosing.count;
    if (chosen == 0) {
        return fail_unchosen(&choosing, err);
    }
    if (choosing.first.code != 0) {
        *err = choosing.first;
    }
    return choosing.first.code;
}
