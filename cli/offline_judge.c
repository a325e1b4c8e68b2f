/* offline_judge.c: what a server would say of files, once it had done all that it could.
 *
 * All components are deployed in all environments, and then every object is asked for the
 * conditions that its own controller decides: what others only repeat (a project of its components,
 * a binding of its clusters) is told where it begins. A condition's message quotes the name that it
 * is about; where the object's manifest says that name is where the finding is.
 *
 * What follows from a manifest that the server would refuse is not told: it is not known. */
#include "cli/offline_internal.h"

#include <string.h>

#include "reconcile/controllers/rendered.h"

struct judging {
    struct offline *o;
    const struct snapshot *s;
    struct arena *arena;
};

/* ---- what is looked at ---- */

enum { TYPES_MAX = 7 };

/* Conditions by which each kind tells what is its own. */
static const struct {
    enum snapshot_kind kind;
    const char *types[TYPES_MAX];
} watched[] = {
    {SNAPSHOT_ORGANIZATION, {"DefaultsCreated"}},
    {SNAPSHOT_DATAPLANE, {"Provisioned"}},
    {SNAPSHOT_ENVIRONMENT,
     {"TemplateResolved", "OverridesResolved", "Placed", "CellTypeResolved", READY}},
    {SNAPSHOT_PIPELINE, {READY}},
    {SNAPSHOT_PROJECT, {"ComponentsResolved", "StartOrder"}},
    {SNAPSHOT_COMPONENT,
     {"ProjectResolved", "Released", "Bound", "DependenciesProvisioned", "AllRendered"}},
    {SNAPSHOT_RESOURCE, {"Released", READY}},
    {SNAPSHOT_BINDING, {READY, DEPENDENCIES_READY, ENDPOINTS_EXPOSED}},
    {SNAPSHOT_RESOURCE_BINDING, {READY}},
    {SNAPSHOT_RENDERED, {"Applied", READY}},
    {SNAPSHOT_RELEASE_SET, {READY}},
    {SNAPSHOT_OC_PROJECT, {"Accepted", READY}},
    {SNAPSHOT_OC_COMPONENT, {"Accepted", READY}},
    {SNAPSHOT_OC_ENVIRONMENT, {"Accepted", READY}},
    {SNAPSHOT_OC_PIPELINE, {"Accepted", READY}},
    {SNAPSHOT_OC_PLANE, {"Accepted", READY}},
    {SNAPSHOT_OC_CLUSTER_PLANE, {"Accepted", READY}},
    {SNAPSHOT_OC_BINDING, {"Accepted", READY}},
    {SNAPSHOT_OC_CELL, {"Accepted", READY}},
    {SNAPSHOT_OC_RESOURCE, {"Accepted", READY}},
    {SNAPSHOT_OC_RESOURCE_BINDING, {"Accepted", READY}},
    {SNAPSHOT_OC_WORKFLOW_RUN, {"Accepted", READY}},
    {SNAPSHOT_OC_WORKLOAD, {"Accepted"}},
    {SNAPSHOT_OC_TYPE, {"Accepted"}},
    {SNAPSHOT_OC_CLUSTER_TYPE, {"Accepted"}},
    {SNAPSHOT_OC_TRAIT, {"Accepted"}},
    {SNAPSHOT_OC_CLUSTER_TRAIT, {"Accepted"}},
    {SNAPSHOT_OC_PROJECT_TYPE, {"Accepted"}},
    {SNAPSHOT_OC_CLUSTER_PROJECT_TYPE, {"Accepted"}},
    {SNAPSHOT_OC_RESOURCE_TYPE, {"Accepted"}},
    {SNAPSHOT_OC_CLUSTER_RESOURCE_TYPE, {"Accepted"}},
    {SNAPSHOT_OC_WORKFLOW, {"Accepted"}},
    {SNAPSHOT_OC_CLUSTER_WORKFLOW, {"Accepted"}},
    {SNAPSHOT_OC_WORKFLOW_PLANE, {"Accepted"}},
    {SNAPSHOT_OC_CLUSTER_WORKFLOW_PLANE, {"Accepted"}},
    {SNAPSHOT_OC_OBSERVABILITY_PLANE, {"Accepted"}},
    {SNAPSHOT_OC_CLUSTER_OBSERVABILITY_PLANE, {"Accepted"}},
    {SNAPSHOT_OC_ALERT_RULE, {"Accepted"}},
    {SNAPSHOT_OC_ALERT_CHANNEL, {"Accepted"}},
    {SNAPSHOT_OC_RENDERED, {"Accepted"}},
};

/* Reasons that are no faults of the files: a server is at it, or was told so. */
static const char *const passing[] = {
    "Progressing", "Terminating", "NotConnected",    "DataPlaneNotReady",
    "NotDeployed", "Undeployed",  "Building",        "WaitingForBuild",
    "Resolving",   "Settled",     "ResolvingSource", "WorkflowRunning",
    "Pending",     "Waiting",     "Starting",        "Running",
};

/* Reasons that lie in what is not in the files, or that hold nothing up. */
static const char *const mild[] = {
    "ReferenceNotFound", "SecretNotFound",        "ComponentNotFound",
    "ReleaseNotFound",   "ResourceNotReady",      "NoGateway",
    "NoRoute",           "ProtocolNotRouted",     "NoBuildPlane",
    "SourceNotResolved", "DependencyNotDeployed", "ComponentElsewhere",
    "NotResolved",       "CredentialsMissing",    "ResourceNotBound",
    "NoRelease",
};

/* Reasons that tell what the control plane does not do yet. */
static const char *const noted[] = {"NotSupported", "NotProvisioned", "NoObservabilityPlane"};

static bool is_among(struct slice reason, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_eq_cstr(reason, list[i])) {
            return true;
        }
    }
    return false;
}

/* ---- one condition ---- */

/* Whether it speaks of something that the server would refuse, or that could not be read. */
static bool follows_from_refused(const struct judging *j, struct slice message)
{
    struct slice name;
    while (offline__quoted(&message, &name)) {
        if (json_object_getn(j->o->refused, name.data, name.len) != NULL) {
            return true;
        }
    }
    return false;
}

static enum severity severity_of(const struct judging *j, struct slice reason)
{
    bool unread = j->o->files.fault_count > 0 && slice_ends_with(reason, SLICE("NotFound"));
    if (slice_eq_cstr(reason, "WorkloadNotFound") && j->o->held[SNAPSHOT_OC_WORKLOAD] == 0) {
        return SEVERITY_WARNING; /* who builds, makes it */
    }
    if (is_among(reason, noted, sizeof noted / sizeof *noted)) {
        return SEVERITY_NOTE;
    }
    return unread || is_among(reason, mild, sizeof mild / sizeof *mild) ? SEVERITY_WARNING
                                                                        : SEVERITY_ERROR;
}

/* Where, in an object that no template's error leads to: at the field that the message begins with,
 * else at the first that says a name which it quotes. */
static void place_by_message(struct judging *j, const json_t *object, const char *message,
                             bool of_run, struct finding *out)
{
    const char *field = NULL;
    struct slice rest = slice_of(message);
    struct slice name;
    bool given = of_run && slice_starts_with(rest, SLICE("parameters."));
    if (given || slice_starts_with(rest, SLICE("spec."))) {
        size_t end = slice_find(rest, SLICE(":"));
        size_t space = slice_find(rest, SLICE(" "));
        field = arena_printf(j->arena, "%s%.*s", given ? "spec.workflow." : "",
                             SLICE_ARG(slice_sub(rest, 0, end < space ? end : space)));
    }
    const struct manifest *m = offline__place(j->o, object, field != NULL ? field : "", out);
    while (m != NULL && field == NULL && offline__quoted(&rest, &name) &&
           !slice_eq(name, object_name(m->tree))) {
        field = offline__field_naming(j->o, m->tree, name);
    }
    if (field != NULL && m != NULL) {
        out->field = out->field != NULL ? field : NULL;
        out->line = manifest_line(&j->o->files, m, slice_of(field));
    }
}

/* Whose manifest says what is wrong: the project's, which names the pipeline; the component's or
 * resource's, of which a binding is, or what is rendered; else the object's own. */
static const json_t *subject_of(struct judging *j, const struct snapshot_entry *entry,
                                struct slice reason)
{
    const json_t *object = snapshot_tree(j->s, entry);
    struct finding at = {0};
    struct slice component = owner_text(object, "componentName");
    struct slice resource = owner_text(object, "resourceName");
    if (slice_eq_cstr(reason, "PipelineNotFound")) {
        struct slice project;
        const struct snapshot_entry *names = offline__project(j->o, object, &project);
        return names != NULL ? snapshot_tree(j->s, names) : object;
    }
    (void)offline__place(j->o, object, "", &at);
    if (at.field != NULL || (component.len == 0 && resource.len == 0)) {
        return object;
    }
    const json_t *of = component.len > 0
                           ? snapshot_get(j->s, SNAPSHOT_COMPONENT, entry->ns, component)
                           : snapshot_get(j->s, SNAPSHOT_RESOURCE, entry->ns, resource);
    return of != NULL ? of : object;
}

/* What a cluster has not told yet, there is none to tell. */
static const char *without_cluster(struct judging *j, struct slice message)
{
    size_t yet = slice_find(message, SLICE(" yet on cluster "));
    return arena_printf(j->arena, "%.*s%s", SLICE_ARG(slice_sub(message, 0, yet)),
                        yet == SIZE_MAX ? "" : " without its cluster");
}

static bool is_hash(struct slice text)
{
    enum { HASH_LEN = 8 };
    bool hex = text.len >= HASH_LEN;
    for (size_t i = 0; hex && i < HASH_LEN; i++) {
        char c = text.data[i];
        hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    }
    return hex;
}

/* The message without what is another in each environment: its name, and what objects are called
 * there, "web-test-1a2b3c4d". */
static const char *without_place(struct judging *j, struct slice message, struct slice environment)
{
    struct buf out = {0};
    while (message.len > 0) {
        bool named = environment.len > 0 && slice_starts_with(message, environment);
        bool hash = message.data[0] == '-' && is_hash(slice_sub(message, 1, SIZE_MAX));
        size_t step = named ? environment.len : hash ? 9 : 1;
        if (!named && !hash) {
            buf_add_char(&out, message.data[0]);
        }
        message = slice_sub(message, step, SIZE_MAX);
    }
    const char *text = arena_cstr(j->arena, buf_slice(&out));
    buf_free(&out);
    return text;
}

static void report(struct judging *j, const struct snapshot_entry *entry, const char *type,
                   const json_t *condition)
{
    struct slice reason = json_text_at(condition, "reason");
    const json_t *object = subject_of(j, entry, reason);
    struct slice told = json_text_at(condition, "message");
    struct slice environment = spec_text(snapshot_tree(j->s, entry), "environment");
    struct finding finding = {.severity = severity_of(j, reason),
                              .condition = type,
                              .reason = arena_cstr(j->arena, reason),
                              .message = without_cluster(j, told)};
    if (slice_ends_with(reason, SLICE("NotFound")) && follows_from_refused(j, told)) {
        return;
    }
    if (entry->kind == SNAPSHOT_RENDERED) {
        const struct deployment d = rendered_deployment(snapshot_tree(j->s, entry));
        environment = d.environment;
        finding.same = without_place(j, told, environment);
        if (offline__locate(j->o, &d, finding.message, &finding)) {
            findings_add(&j->o->findings, &finding);
            return;
        }
    }
    place_by_message(j, object, finding.message, entry->kind == SNAPSHOT_RUN, &finding);
    if (finding.where == NULL && environment.len > 0) {
        finding.where = arena_printf(j->arena, "in environment %.*s", SLICE_ARG(environment));
    }
    finding.hint = offline__hint(j->o, reason, entry->kind, entry->ns, told);
    findings_add(&j->o->findings, &finding);
}

/* ---- what is only repeated ---- */

/* Ours that one of OpenChoreo's was made into says the same. */
static bool is_passed_on(struct judging *j, const struct snapshot_entry *entry,
                         const json_t *condition)
{
    const char *name = snapshot_kind_name(entry->kind);
    if (strncmp(name, OPENCHOREO_GROUP "/", sizeof OPENCHOREO_GROUP) != 0) {
        return false;
    }
    enum snapshot_kind kind = snapshot_kind_named(slice_of(name + sizeof OPENCHOREO_GROUP));
    const json_t *ours =
        kind != SNAPSHOT_KIND_COUNT ? snapshot_get(j->s, kind, entry->ns, entry->name) : NULL;
    const json_t *said = object_condition(ours, READY);
    return said != NULL &&
           slice_eq(json_text_at(said, "message"), json_text_at(condition, "message"));
}

/* A pipeline that cannot be used says so itself, and so do a run and a resource. */
static bool is_of_another(const json_t *condition)
{
    static const char *const reasons[] = {"EnvironmentNotFound", "PipelineInvalid", "BuildFailed",
                                          "ResourceNotReleased"};
    return is_among(json_text_at(condition, "reason"), reasons, sizeof reasons / sizeof *reasons);
}

static bool is_repeated(struct judging *j, const struct snapshot_entry *entry, const char *type,
                        const json_t *condition)
{
    const json_t *object = snapshot_tree(j->s, entry);
    bool ready = strcmp(type, READY) == 0;
    switch ((int)entry->kind) {
    case SNAPSHOT_BINDING:
    case SNAPSHOT_RESOURCE_BINDING: /* of its clusters, where it has a place */
        return ready && json_at(object, "status", "clusters", NULL) != NULL;
    case SNAPSHOT_RESOURCE:
        return ready && (json_at(object, "status", "environments", NULL) != NULL ||
                         slice_eq_cstr(json_text_at(object_condition(object, "Released"), "status"),
                                       "False"));
    case SNAPSHOT_ENVIRONMENT:
        return ready && (object_condition(object, "TemplateResolved") != NULL ||
                         object_condition(object, "CellTypeResolved") != NULL ||
                         slice_eq_cstr(json_text_at(condition, "reason"), "NoClusterQualifies"));
    case SNAPSHOT_RENDERED:
        return (ready && object_condition(object, "Applied") != NULL) || is_of_another(condition);
    case SNAPSHOT_ORGANIZATION: /* which environments it begins with, it need not say */
        return spec_text(object, "dataPlane").len == 0;
    case SNAPSHOT_COMPONENT:
        return is_of_another(condition);
    default:
        return is_passed_on(j, entry, condition);
    }
}

/* Components that need each other are deployed all the same, and the condition is true. */
static bool is_circle(const char *type, const json_t *condition)
{
    return strcmp(type, DEPENDENCIES_READY) == 0 &&
           slice_eq_cstr(json_text_at(condition, "reason"), "Cycle");
}

/* A project tells of circles within it. */
static bool is_told_by_project(const struct judging *j, const struct snapshot_entry *binding)
{
    const json_t *project = snapshot_get(j->s, SNAPSHOT_PROJECT, binding->ns,
                                         owner_text(snapshot_tree(j->s, binding), "projectName"));
    return condition_is(project, "StartOrder", "False");
}

static void judge_condition(struct judging *j, const struct snapshot_entry *entry, const char *type)
{
    const json_t *condition = object_condition(snapshot_tree(j->s, entry), type);
    struct slice reason = json_text_at(condition, "reason");
    bool bad = slice_eq_cstr(json_text_at(condition, "status"), "False");
    if (strcmp(type, DEPENDENCIES_READY) == 0) {
        /* All else its clusters say. */
        bad = is_circle(type, condition) && !is_told_by_project(j, entry);
    }
    if (bad && !is_among(reason, passing, sizeof passing / sizeof *passing) &&
        !is_repeated(j, entry, type, condition)) {
        report(j, entry, type, condition);
    }
}

/* ---- all ---- */

static void judge_kind(struct judging *j, enum snapshot_kind kind, const char *const *types)
{
    const struct snapshot_entry **all;
    size_t count = snapshot_all(j->s, kind, j->arena, &all);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < TYPES_MAX && types[k] != NULL; k++) {
            judge_condition(j, all[i], types[k]);
        }
    }
}

/* What controllers wanted to write and may not. */
static void judge_faults(struct judging *j)
{
    size_t i;
    json_t *fault;
    json_array_foreach((json_t *)(uintptr_t)rehearsal_faults(&j->o->rehearsal), i, fault)
    {
        struct slice kind = json_text_at(fault, "kind");
        enum snapshot_kind of = snapshot_kind_named(kind);
        const json_t *object =
            snapshot_get(j->s, of, json_text_at(fault, "namespace"), json_text_at(fault, "name"));
        struct finding finding = {
            .reason = "Invalid",
            .message = arena_printf(j->arena, "%.*s %.*s/%.*s that comes of it is refused: %.*s",
                                    SLICE_ARG(kind), SLICE_ARG(json_text_at(fault, "namespace")),
                                    SLICE_ARG(json_text_at(fault, "name")),
                                    SLICE_ARG(json_text_at(fault, "message")))};
        if (object != NULL) {
            (void)offline__place(j->o, object, "", &finding);
        }
        findings_add(&j->o->findings, &finding);
    }
}

/* What is built from source has its image from a run, which nobody makes here: what stands in the
 * way of that is told, and then an image assumed. */
static int judge_builds(struct judging *j, struct err *err)
{
    static const char *const steps[TYPES_MAX] = {"ImageResolved", "Built"};
    static const char *const ready[TYPES_MAX] = {READY};
    judge_kind(j, SNAPSHOT_RUN, ready);
    judge_kind(j, SNAPSHOT_COMPONENT, steps);
    int rc = offline__assume_images(j->o, err);
    return rc == 0 && !rehearsal_settled(&j->o->rehearsal) ? offline__bind(j->o, err) : rc;
}

int offline_judge(struct offline *o, const struct cli *c, struct err *err)
{
    struct judging j = {.o = o, .s = &o->rehearsal.snapshot, .arena = &o->arena};
    int rc = offline__open(o, c, true, err);
    if (rc != 0) {
        return rc;
    }
    rc = offline__bind(o, err);
    rc = rc == 0 ? judge_builds(&j, err) : rc;
    if (rc != 0) {
        offline_free(o);
        return rc;
    }
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
        judge_kind(&j, watched[i].kind, watched[i].types);
    }
    judge_faults(&j);
    return 0;
}
