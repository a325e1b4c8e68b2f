/* offline_bind.c: deploying what is asked for, as somebody would who may.
 *
 * On a server components come to the first environment by themselves, and to others by promotion;
 * here whoever asks to see one in an environment is shown it there, and with it the components that
 * it depends on. Resources follow their components, as there. */
#include "cli/offline_internal.h"

#include "proto/promotion.h"
#include "render/release.h"
#include "render/resource_release.h"

bool offline__chosen(const struct offline *o, enum snapshot_kind kind, struct slice ns,
                     struct slice name)
{
    bool resource = kind == SNAPSHOT_RESOURCE || kind == SNAPSHOT_OC_RESOURCE;
    const char *only = resource ? o->options->resource : o->options->component;
    const char *other = resource ? o->options->component : o->options->resource;
    bool here = o->options->ns == NULL || slice_eq_cstr(ns, o->options->ns);
    return here && (only != NULL ? slice_eq_cstr(name, only) : other == NULL);
}

const struct snapshot_entry *offline__project(struct offline *o, const json_t *object,
                                              struct slice *name)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    *name = slice_eq_cstr(object_kind(object), "Resource")
                ? spec_text(object, "project")
                : platform_project(&o->view.platform, object).name;
    return snapshot_find(s, SNAPSHOT_PROJECT, object_ns(object), *name);
}

size_t offline__environments(struct offline *o, const struct snapshot_entry *project,
                             struct slice ns, struct slice **out)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    const json_t *tree = project != NULL ? snapshot_tree(s, project) : NULL;
    if (o->options->environment != NULL) {
        *out = arena_alloc(&o->arena, sizeof **out);
        **out = slice_of(o->options->environment);
        return 1;
    }
    if (!o->options->everywhere && !o->judged) {
        return 0;
    }
    const json_t *pipeline = snapshot_get(s, SNAPSHOT_PIPELINE, ns, promotion_pipeline_of(tree));
    return pipeline_environments(pipeline, &o->arena, out);
}

/* ---- components ---- */

/* Components that are still to be bound, each once: a chain of dependencies may be long. */
struct pending {
    struct offline *o;
    json_t *seen;  /* "NS/COMPONENT/ENVIRONMENT" */
    json_t *queue; /* {namespace, component, environment} */
    bool more;     /* one is needed that was not before */
};

static void pend(struct pending *p, struct slice ns, struct slice component,
                 struct slice environment)
{
    const char *key = arena_printf(&p->o->arena, "%.*s/%.*s/%.*s", SLICE_ARG(ns),
                                   SLICE_ARG(component), SLICE_ARG(environment));
    if (json_object_get(p->seen, key) == NULL) {
        json_object_set_new(p->seen, key, json_true());
        json_array_append_new(p->queue,
                              json_pack("{s:o, s:o, s:o}", "namespace", json_str(ns), "component",
                                        json_str(component), "environment", json_str(environment)));
    }
}

/* A component on which one that is pending depends, in the same environment. */
static void need(struct pending *p, struct slice ns, struct slice component,
                 struct slice environment)
{
    const char *key = arena_printf(&p->o->arena, "%.*s/%.*s", SLICE_ARG(ns), SLICE_ARG(component));
    if (json_object_get(p->o->needed, key) == NULL) {
        json_object_set_new(p->o->needed, key, json_true());
        p->more = true;
    }
    pend(p, ns, component, environment);
}

/* A binding that names no release yet is promoted to it. */
static int promote(struct offline *o, const json_t *binding, struct slice release, struct err *err)
{
    json_t *copy = json_deep_copy(binding);
    json_object_set_new(json_child(copy, "spec"), "releaseName", json_str(release));
    int rc = rehearsal_put(&o->rehearsal, copy, err);
    json_decref(copy);
    return rc;
}

/* Binds it unless it is bound there; the release that it has there then, or NULL. An empty
 * environment is the first, where it comes by itself. */
static const json_t *bind_component(struct offline *o, const json_t *component,
                                    struct slice environment, struct err *err)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    struct slice ns = object_ns(component);
    struct slice name = object_name(component);
    struct slice latest = json_text(json_at(component, "status", "latestRelease", "name", NULL));
    struct slice project;
    (void)offline__project(o, component, &project);
    if (environment.len == 0) {
        return snapshot_get(s, SNAPSHOT_RELEASE, ns, latest);
    }
    const json_t *there = o->view.platform.binding(&o->view, ns, project, name, environment);
    struct slice release = spec_text(there, "releaseName");
    if (release.len > 0) {
        return snapshot_get(s, SNAPSHOT_RELEASE, ns, release);
    }
    if (latest.len == 0 || snapshot_find(s, SNAPSHOT_ENVIRONMENT, ns, environment) == NULL) {
        return NULL;
    }
    if (there != NULL) {
        return promote(o, there, latest, err) == 0 ? snapshot_get(s, SNAPSHOT_RELEASE, ns, latest)
                                                   : NULL;
    }
    json_t *binding = object_new("choreo.dev/v1", "ReleaseBinding", ns,
                                 binding_name(s, &o->arena, ns, name, environment));
    json_object_set_new(binding, "spec", release_binding(project, name, environment, latest));
    return rehearsal_create(&o->rehearsal, binding, err) == 0
               ? snapshot_get(s, SNAPSHOT_RELEASE, ns, latest)
               : NULL;
}

static int bind_pending(struct pending *p, struct err *err)
{
    const struct snapshot *s = &p->o->rehearsal.snapshot;
    err->code = 0;
    for (size_t i = 0; err->code == 0 && i < json_array_size(p->queue); i++) {
        const json_t *one = json_array_get(p->queue, i);
        struct slice ns = json_text_at(one, "namespace");
        struct slice environment = json_text_at(one, "environment");
        const json_t *component =
            snapshot_get(s, SNAPSHOT_COMPONENT, ns, json_text_at(one, "component"));
        const json_t *release =
            component != NULL ? bind_component(p->o, component, environment, err) : NULL;
        const json_t *needs =
            json_at(release, "spec", "workload", "dependencies", "endpoints", NULL);
        for (size_t k = 0; k < json_array_size(needs); k++) {
            need(p, ns, json_text_at(json_array_get(needs, k), "component"), environment);
        }
    }
    return err->code;
}

static void pend_chosen(struct pending *p)
{
    struct offline *o = p->o;
    const struct snapshot *s = &o->rehearsal.snapshot;
    const struct snapshot_entry **all;
    size_t count = snapshot_all(s, SNAPSHOT_COMPONENT, &o->arena, &all);
    for (size_t i = 0; i < count; i++) {
        struct slice project;
        struct slice *environments;
        if (!offline__chosen(o, SNAPSHOT_COMPONENT, all[i]->ns, all[i]->name)) {
            continue;
        }
        const struct snapshot_entry *of = offline__project(o, snapshot_tree(s, all[i]), &project);
        size_t n = offline__environments(o, of, all[i]->ns, &environments);
        for (size_t k = 0; k < n; k++) {
            pend(p, all[i]->ns, all[i]->name, environments[k]);
        }
        if (n == 0) {
            pend(p, all[i]->ns, all[i]->name, SLICE(""));
        }
    }
}

static int run(struct offline *o, struct err *err)
{
    return rehearsal_settled(&o->rehearsal) ? 0 : rehearsal_run(&o->rehearsal, err);
}

/* What one depends on is told by its release, so those of a chain come to be needed one by one. */
static int bind_components(struct offline *o, struct err *err)
{
    int rc = 0;
    bool more = true;
    while (rc == 0 && more) {
        struct pending p = {.o = o, .seen = json_object(), .queue = json_array()};
        pend_chosen(&p);
        rc = bind_pending(&p, err);
        more = p.more && o->options->component != NULL;
        rc = rc != 0 ? rc : more ? rehearsal_run(&o->rehearsal, err) : run(o, err);
        json_decref(p.seen);
        json_decref(p.queue);
    }
    return rc;
}

/* ---- resources ---- */

static void bind_resource(struct offline *o, const json_t *resource, struct slice environment)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    struct slice ns = object_ns(resource);
    struct slice name = object_name(resource);
    struct slice latest = json_text(json_at(resource, "status", "latestRelease", "name", NULL));
    const json_t *release = snapshot_get(s, SNAPSHOT_RESOURCE_RELEASE, ns, latest);
    if (release == NULL || snapshot_find(s, SNAPSHOT_ENVIRONMENT, ns, environment) == NULL ||
        o->view.platform.resource_binding(&o->view, ns, name, environment) != NULL) {
        return;
    }
    json_t *binding = object_new("choreo.dev/v1", "ResourceReleaseBinding", ns,
                                 resource_binding_name(&o->arena, name, environment));
    json_object_set_new(binding, "spec", resource_binding(&o->view.platform, release, environment));
    (void)rehearsal_create(&o->rehearsal, binding, NULL);
}

/* One that is not deployed by itself is, where releases start, when it is asked for by its name. */
static size_t environments_of(struct offline *o, const struct snapshot_entry *resource,
                              struct slice **out)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    struct slice name;
    const char *why;
    const struct snapshot_entry *project = offline__project(o, snapshot_tree(s, resource), &name);
    size_t count = offline__environments(o, project, resource->ns, out);
    if (count > 0 || o->options->resource == NULL) {
        return count;
    }
    *out = arena_alloc(&o->arena, sizeof **out);
    **out = first_environment(s, resource->ns, project, &o->arena, &why, &why);
    return (*out)->len > 0 ? 1 : 0;
}

static void bind_resources(struct offline *o)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    const struct snapshot_entry **all;
    size_t count = snapshot_all(s, SNAPSHOT_RESOURCE, &o->arena, &all);
    for (size_t i = 0; i < count; i++) {
        struct slice *environments;
        size_t n = offline__chosen(o, SNAPSHOT_RESOURCE, all[i]->ns, all[i]->name)
                       ? environments_of(o, all[i], &environments)
                       : 0;
        for (size_t k = 0; k < n; k++) {
            bind_resource(o, snapshot_tree(s, all[i]), environments[k]);
        }
    }
}

/* ---- all of it ---- */

/* A component that is named is deployed, whatever its autoDeploy says; all are where files are
 * judged. */
static int deploy_named(struct offline *o, enum snapshot_kind kind, struct err *err)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    const struct snapshot_entry **all;
    size_t count = snapshot_all(s, kind, &o->arena, &all);
    bool named = o->options->component != NULL || o->judged;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count && named; i++) {
        const json_t *tree = snapshot_tree(s, all[i]);
        bool off = !json_is_true(json_at(tree, "spec", "autoDeploy", NULL));
        if (off && offline__chosen(o, kind, all[i]->ns, all[i]->name)) {
            json_t *copy = json_deep_copy(tree);
            json_object_set_new(json_child(copy, "spec"), "autoDeploy", json_true());
            rc = rehearsal_put(&o->rehearsal, copy, err);
            json_decref(copy);
        }
    }
    return rc;
}

static void tell_other_release(struct offline *o, const json_t *binding, struct slice release)
{
    struct finding finding = {
        .severity = SEVERITY_WARNING,
        .condition = READY,
        .reason = "ReleaseNotFound",
        .message = arena_printf(&o->arena,
                                "release %.*s is not among the manifests: %.*s is rendered as it "
                                "is now",
                                SLICE_ARG(release), SLICE_ARG(promotion_owner(binding)))};
    (void)offline__place(o, binding, "spec.releaseName", &finding);
    offline__tell(o, &finding);
}

/* Each binding asks for the release that its manifest names; one that is not there is told. */
static int ask(struct offline *o, struct err *err)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(o->asked); i++) {
        const json_t *one = json_array_get(o->asked, i);
        enum snapshot_kind kind =
            (enum snapshot_kind)json_integer_value(json_object_get(one, "kind"));
        struct slice ns = json_text_at(one, "namespace");
        struct slice release = json_text_at(one, "release");
        const char *member = json_string_value(json_object_get(one, "member"));
        const json_t *binding = snapshot_get(s, kind, ns, json_text_at(one, "name"));
        bool of_resource = owner_text(binding, "resourceName").len > 0;
        if (snapshot_find(s, of_resource ? SNAPSHOT_RESOURCE_RELEASE : SNAPSHOT_RELEASE, ns,
                          release) == NULL) {
            tell_other_release(o, binding, release);
            continue;
        }
        json_t *copy = json_deep_copy(binding);
        json_object_set_new(json_child(copy, "spec"), member, json_str(release));
        rc = rehearsal_put(&o->rehearsal, copy, err);
        json_decref(copy);
    }
    json_array_clear(o->asked);
    return rc;
}

int offline__bind(struct offline *o, struct err *err)
{
    o->chosen = false;
    int rc = deploy_named(o, SNAPSHOT_OC_COMPONENT, err);
    rc = rc == 0 ? deploy_named(o, SNAPSHOT_COMPONENT, err) : rc;
    rc = rc == 0 ? ask(o, err) : rc;
    rc = rc == 0 ? run(o, err) : rc;
    rc = rc == 0 ? bind_components(o, err) : rc;
    if (rc == 0) {
        bind_resources(o);
        o->chosen = true;
        rc = rehearsal_run(&o->rehearsal, err);
    }
    return rc;
}
