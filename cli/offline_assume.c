/* offline_assume.c: what files take for granted.
 *
 * Files of one team name a project, an environment, a plane that are declared elsewhere. Where they
 * hold none of a kind, what they name of it is taken to be on the server, and assumed, so that all
 * the rest can be looked at; where they hold others of it, a name that is not there is a mistake,
 * which the controllers will tell. Data planes that OpenChoreo's environments name are assumed in
 * any case: its installation registers them, and its files hold none. */
#include "cli/offline_internal.h"

#include "render/platform.h"

#define IMAGE "assumed.example/built:assumed"
#define COMMIT "0000000000000000000000000000000000000000"
#define REGISTRY "choreo.dev/registry" /* an annotation that workflows' templates read */

struct assuming {
    struct offline *o;
    const struct snapshot *s;
    struct err *err;
    int rc;
};

/* ---- saying so ---- */

/* Warns that what object names is not there; how it is taken stands in the text. */
static void tell(struct assuming *a, const json_t *object, struct slice name, const char *reason,
                 const char *text)
{
    struct finding finding = {
        .severity = SEVERITY_WARNING, .condition = READY, .reason = reason, .message = text};
    (void)offline__place(a->o, object, offline__field_naming(a->o, object, name), &finding);
    offline__tell(a->o, &finding);
}

/* Takes object. */
static void add(struct assuming *a, json_t *object)
{
    a->rc = a->rc == 0 ? rehearsal_create(&a->o->rehearsal, object, a->err) : a->rc;
}

static bool is_there(const struct assuming *a, enum snapshot_kind kind, struct slice ns,
                     struct slice name)
{
    return snapshot_find(a->s, kind, snapshot_cluster_scoped(kind) ? SLICE("") : ns, name) != NULL;
}

/* Calls each for all that there is of a kind: what it puts may not end the walk. */
static void for_all(struct assuming *a, enum snapshot_kind kind,
                    void (*each)(struct assuming *a, const json_t *object))
{
    const struct snapshot_entry **all;
    size_t count = snapshot_all(a->s, kind, &a->o->arena, &all);
    for (size_t i = 0; a->rc == 0 && i < count; i++) {
        each(a, snapshot_tree(a->s, all[i]));
    }
}

/* ---- data planes ---- */

/* Has what templates ask of a plane, so that all of them can be looked at. */
static json_t *equipped(void)
{
    json_t *way = json_pack("{s:s, s:s, s:{s:s, s:i}, s:{s:s, s:i}}", "name", "assumed",
                            "namespace", "assumed", "http", "host", "assumed.example", "port", 80,
                            "https", "host", "assumed.example", "port", 443);
    return json_pack("{s:s, s:{s:s}, s:{s:{s:O, s:o}}}", "type", "single-cluster", "secretStoreRef",
                     "name", "assumed", "gateway", "ingress", "external", way, "internal", way);
}

static void add_plane(struct assuming *a, struct slice name)
{
    json_t *plane = object_new("choreo.dev/v1", "DataPlane", SLICE(""), name);
    if (a->o->judged) {
        object_set_annotation(plane, REGISTRY, SLICE("assumed.example"));
    }
    json_object_set_new(plane, "spec",
                        a->o->judged ? equipped() : json_pack("{s:s}", "type", "single-cluster"));
    add(a, plane);
}

static const char *taken_for(const struct assuming *a)
{
    return a->o->judged ? "a single cluster, with gateways, a registry and a secret store"
                        : "a single cluster, without a gateway of its own";
}

static void assume_plane(struct assuming *a, const json_t *object, struct slice name)
{
    tell(a, object, name, "DataPlaneNotFound",
         arena_printf(&a->o->arena,
                      "data plane \"%.*s\" is not among the manifests: it is taken for one of %s",
                      SLICE_ARG(name), taken_for(a)));
    add_plane(a, name);
}

static void theirs_on_plane(struct assuming *a, const json_t *environment)
{
    const json_t *ref = json_at(environment, "spec", "dataPlaneRef", NULL);
    struct slice name = json_text_at(ref, "name");
    struct slice ns = object_ns(environment);
    bool own = name.len > 0 ? slice_eq_cstr(json_text_at(ref, "kind"), "DataPlane")
                            : is_there(a, SNAPSHOT_OC_PLANE, ns, SLICE("default"));
    name = name.len > 0 ? name : SLICE("default");
    if (!own && !is_there(a, SNAPSHOT_DATAPLANE, ns, name) &&
        !is_there(a, SNAPSHOT_OC_CLUSTER_PLANE, ns, name)) {
        assume_plane(a, environment, name);
    }
}

static void ours_on_plane(struct assuming *a, const json_t *object)
{
    struct slice name = spec_text(object, "dataPlane");
    if (name.len > 0 && !is_there(a, SNAPSHOT_DATAPLANE, SLICE(""), name)) {
        assume_plane(a, object, name);
    }
}

/* Without any, an organization would have no environment. */
static void some_plane(struct assuming *a)
{
    static const enum snapshot_kind kinds[] = {SNAPSHOT_DATAPLANE, SNAPSHOT_OC_CLUSTER_PLANE,
                                               SNAPSHOT_OC_PLANE};
    const struct finding finding = {
        .severity = SEVERITY_WARNING,
        .condition = READY,
        .reason = "NoDataPlane",
        .message = arena_printf(&a->o->arena,
                                "no data plane is among the manifests: what runs on one is taken "
                                "to be on %s",
                                taken_for(a))};
    size_t runs = a->o->held[SNAPSHOT_COMPONENT] + a->o->held[SNAPSHOT_RESOURCE] +
                  a->o->held[SNAPSHOT_PROJECT] + a->o->held[SNAPSHOT_OC_COMPONENT];
    size_t planes = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        planes += snapshot_count(a->s, kinds[i]);
    }
    if (planes == 0 && runs > 0) {
        add_plane(a, SLICE("development"));
        offline__tell(a->o, &finding);
    }
}

static void assume_planes(struct assuming *a)
{
    static const enum snapshot_kind name_one[] = {
        SNAPSHOT_ORGANIZATION, SNAPSHOT_ENVIRONMENT_TEMPLATE, SNAPSHOT_ENVIRONMENT};
    bool held = a->o->held[SNAPSHOT_DATAPLANE] > 0;
    for (size_t i = 0; a->o->judged && !held && i < sizeof name_one / sizeof *name_one; i++) {
        for_all(a, name_one[i], ours_on_plane);
    }
    for_all(a, SNAPSHOT_OC_ENVIRONMENT, theirs_on_plane);
    some_plane(a);
}

/* ---- namespaces ---- */

/* Of a key of o->places: "KIND/NS/NAME", where a kind may have a slash, too. */
static struct slice namespace_in(struct slice key)
{
    size_t end = key.len;
    while (end > 0 && key.data[end - 1] != '/') {
        end--;
    }
    size_t start = end > 0 ? end - 1 : 0;
    while (start > 0 && key.data[start - 1] != '/') {
        start--;
    }
    return slice_sub(key, start, end > start ? end - 1 - start : 0);
}

static void assume_namespace(struct assuming *a, const struct manifest *m, struct slice ns)
{
    const struct finding finding = {
        .severity = a->o->held[SNAPSHOT_ORGANIZATION] > 0 ? SEVERITY_ERROR : SEVERITY_WARNING,
        .file = m->file,
        .line = manifest_line(&a->o->files, m, SLICE("metadata.namespace")),
        .object = m->tree,
        .field = "metadata.namespace",
        .reason = "NotFound",
        .message = arena_printf(&a->o->arena,
                                "neither an Organization nor a Namespace \"%.*s\" is among the "
                                "manifests",
                                SLICE_ARG(ns)),
        .hint = offline__meant(a->o, SNAPSHOT_ORGANIZATION, SLICE(""), ns)};
    findings_add(&a->o->findings, &finding);
    json_t *org = object_new("choreo.dev/v1", "Organization", SLICE(""), ns);
    json_object_set_new(org, "spec", json_object());
    add(a, org);
}

static void assume_namespaces(struct assuming *a)
{
    const char *key;
    json_t *manifest;
    json_object_foreach(a->o->places, key, manifest)
    {
        struct slice ns = namespace_in(slice_of(key));
        bool there = ns.len == 0 || slice_eq_cstr(ns, "default") ||
                     slice_eq_cstr(ns, SNAPSHOT_SYSTEM_NS) ||
                     is_there(a, SNAPSHOT_ORGANIZATION, ns, ns);
        if (a->rc == 0 && !there) {
            assume_namespace(a, &a->o->files.items[json_integer_value(manifest)], ns);
        }
    }
}

/* ---- what is in namespaces ---- */

/* Assumes an object of the cluster's beginnings, of another name. */
static void assume_object(struct assuming *a, const json_t *object, enum snapshot_kind kind,
                          struct slice name, const char *reason, json_t *spec)
{
    const char *noun = snapshot_kind_name(kind);
    tell(a, object, name, reason,
         arena_printf(&a->o->arena,
                      "%s \"%.*s\" is not among the manifests: it is taken for one that is on the "
                      "server",
                      noun, SLICE_ARG(name)));
    json_t *assumed = object_new("choreo.dev/v1", noun, object_ns(object), name);
    json_object_set_new(assumed, "spec", spec);
    add(a, assumed);
}

static void in_environment(struct assuming *a, const json_t *object, struct slice name)
{
    const struct snapshot_entry **planes;
    size_t count = snapshot_all(a->s, SNAPSHOT_DATAPLANE, &a->o->arena, &planes);
    bool first = slice_eq_cstr(name, "development"); /* every organization has it */
    if (name.len > 0 && !first && count > 0 &&
        !is_there(a, SNAPSHOT_ENVIRONMENT, object_ns(object), name)) {
        assume_object(a, object, SNAPSHOT_ENVIRONMENT, name, "EnvironmentNotFound",
                      json_pack("{s:o}", "dataPlane", json_str(planes[0]->name)));
    }
}

static void pipeline_in_environments(struct assuming *a, const json_t *pipeline)
{
    struct slice *names;
    size_t count = pipeline_environments(pipeline, &a->o->arena, &names);
    for (size_t i = 0; i < count; i++) {
        in_environment(a, pipeline, names[i]);
    }
}

static void bound_in_environment(struct assuming *a, const json_t *binding)
{
    in_environment(a, binding, spec_text(binding, "environment"));
}

static void assume_environments(struct assuming *a)
{
    static const enum snapshot_kind bindings[] = {SNAPSHOT_BINDING, SNAPSHOT_RESOURCE_BINDING,
                                                  SNAPSHOT_OC_BINDING, SNAPSHOT_OC_CELL,
                                                  SNAPSHOT_OC_RESOURCE_BINDING};
    if (a->o->held[SNAPSHOT_ENVIRONMENT] + a->o->held[SNAPSHOT_OC_ENVIRONMENT] > 0) {
        return;
    }
    for_all(a, SNAPSHOT_PIPELINE, pipeline_in_environments);
    for_all(a, SNAPSHOT_OC_PIPELINE, pipeline_in_environments);
    for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++) {
        for_all(a, bindings[i], bound_in_environment);
    }
}

static void through_pipeline(struct assuming *a, const json_t *project)
{
    struct slice theirs =
        json_text(json_at(project, "spec", "deploymentPipelineRef", "name", NULL));
    struct slice name = theirs.len > 0 ? theirs : spec_text(project, "deploymentPipeline");
    if (name.len > 0 && !slice_eq_cstr(name, "default") &&
        !is_there(a, SNAPSHOT_PIPELINE, object_ns(project), name)) {
        json_t *first = platform_first_pipeline(object_ns(project));
        assume_object(a, project, SNAPSHOT_PIPELINE, name, "PipelineNotFound",
                      json_incref(json_object_get(first, "spec")));
        json_decref(first);
    }
}

static void in_project(struct assuming *a, const json_t *component)
{
    struct slice theirs = owner_text(component, "projectName");
    struct slice name = theirs.len > 0 ? theirs : spec_text(component, "project");
    if (name.len > 0 && !is_there(a, SNAPSHOT_PROJECT, object_ns(component), name)) {
        assume_object(a, component, SNAPSHOT_PROJECT, name, "ProjectNotFound", json_object());
    }
}

/* Which commit a branch is at, nobody is asked: a run is made of any. */
static void of_some_commit(struct assuming *a, const json_t *component)
{
    static const char *const others[] = {"branch", "tag"};
    const json_t *git = json_at(component, "spec", "source", "git", NULL);
    if (json_text_at(git, "repository").len == 0 || json_text_at(git, "commit").len > 0) {
        return;
    }
    json_t *copy = json_deep_copy(component);
    json_t *its = json_at(copy, "spec", "source", "git", NULL);
    for (size_t i = 0; i < 2; i++) {
        (void)json_object_del(its, others[i]);
    }
    json_object_set_new(its, "commit", json_string(COMMIT));
    a->rc = rehearsal_put(&a->o->rehearsal, copy, a->err);
    json_decref(copy);
}

int offline__assume(struct offline *o, struct err *err)
{
    struct assuming a = {.o = o, .s = &o->rehearsal.snapshot, .err = err};
    if (o->judged) {
        assume_namespaces(&a);
    }
    assume_planes(&a);
    if (!o->judged) {
        return a.rc;
    }
    assume_environments(&a);
    if (o->held[SNAPSHOT_PIPELINE] + o->held[SNAPSHOT_OC_PIPELINE] == 0) {
        for_all(&a, SNAPSHOT_PROJECT, through_pipeline);
        for_all(&a, SNAPSHOT_OC_PROJECT, through_pipeline);
    }
    if (o->held[SNAPSHOT_PROJECT] + o->held[SNAPSHOT_OC_PROJECT] == 0) {
        for_all(&a, SNAPSHOT_COMPONENT, in_project);
        for_all(&a, SNAPSHOT_RESOURCE, in_project);
        for_all(&a, SNAPSHOT_OC_COMPONENT, in_project);
    }
    for_all(&a, SNAPSHOT_COMPONENT, of_some_commit);
    return a.rc;
}

int offline__assume_images(struct offline *o, struct err *err)
{
    const struct snapshot *s = &o->rehearsal.snapshot;
    const struct snapshot_entry **all;
    size_t count = snapshot_all(s, SNAPSHOT_COMPONENT, &o->arena, &all);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const json_t *component = snapshot_tree(s, all[i]);
        if (condition_is(component, "ImageResolved", "False")) {
            json_t *copy = json_deep_copy(component);
            json_object_set_new(json_child(copy, "spec"), "image", json_string(IMAGE));
            rc = rehearsal_put(&o->rehearsal, copy, err);
            json_decref(copy);
        }
    }
    return rc;
}
