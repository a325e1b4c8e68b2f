/* dependency_hint.c: one hint a problem, by its reason. Names in hints are not quoted: what a
 * message quotes is what it is about (cli/offline_judge.c). */
#include "reconcile/controllers/dependency_hint.h"

#include "base/suggest.h"

enum { NAMES_SHOWN_MAX = 8 };

struct hints {
    const struct snapshot *s;
    const struct deployment *d;
    struct arena *arena;
    const json_t *row;
    struct slice name; /* of the component or resource that is depended on */
};

static const char *say(const struct hints *h, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const char *say(const struct hints *h, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(h->arena, format, args);
    va_end(args);
    return text;
}

/* The first name that the message quotes. */
static struct slice first_quoted(struct slice message)
{
    size_t from = slice_find(message, SLICE("\""));
    struct slice rest = slice_sub(message, from == SIZE_MAX ? message.len : from + 1, SIZE_MAX);
    return slice_sub(rest, 0, slice_find(rest, SLICE("\"")));
}

/* "did you mean NAME?", of a kind; or NULL. */
static const char *meant(const struct hints *h, enum snapshot_kind kind, struct slice name)
{
    const struct snapshot_entry **all;
    size_t count =
        snapshot_cluster_scoped(kind)
            ? snapshot_all(h->s, kind, h->arena, &all)
            : snapshot_list(h->s, kind, SNAPSHOT_BY_NS, h->d->ns, h->d->ns, h->arena, &all);
    for (size_t i = 0; i < count; i++) {
        if (!slice_eq(all[i]->name, name) && suggest_close(all[i]->name, name)) {
            return say(h, "did you mean %.*s?", SLICE_ARG(all[i]->name));
        }
    }
    return NULL;
}

static const char *not_there(const struct hints *h, enum snapshot_kind kind, struct slice name)
{
    const char *other = meant(h, kind, name);
    return other != NULL ? other
                         : say(h, "correct the name, or create that %s in namespace %.*s",
                               snapshot_kind_name(kind), SLICE_ARG(h->d->ns));
}

/* A resource whose type may have another name. */
static const char *not_released(const struct hints *h)
{
    struct slice type = spec_text(snapshot_get(h->s, SNAPSHOT_RESOURCE, h->d->ns, h->name), "type");
    const char *other = meant(h, SNAPSHOT_RESOURCE_TYPE, type);
    return other != NULL ? other : meant(h, SNAPSHOT_CLUSTER_RESOURCE_TYPE, type);
}

/* What the dependency names as its component's project, or its own. */
static struct slice project_of(const struct hints *h)
{
    const json_t *release = snapshot_get(h->s, SNAPSHOT_RELEASE, h->d->ns, h->d->release);
    size_t i;
    json_t *one;
    json_array_foreach(json_at(release, "spec", "workload", "dependencies", "endpoints", NULL), i,
                       one)
    {
        struct slice project = json_text_at(one, "project");
        if (slice_eq(json_text_at(one, "component"), h->name) && project.len > 0) {
            return project;
        }
    }
    return h->d->project;
}

static const json_t *binding_there(const struct hints *h)
{
    const struct snapshot_entry *first =
        binding_first(h->s, SNAPSHOT_BINDING, h->d->ns, h->name, h->d->environment, h->arena);
    return first != NULL ? snapshot_tree(h->s, first) : NULL;
}

/* Whether releases of the component start in the environment. */
static bool starts_there(const struct hints *h)
{
    const char *unused;
    struct slice first = first_environment(
        h->s, h->d->ns, snapshot_find(h->s, SNAPSHOT_PROJECT, h->d->ns, project_of(h)), h->arena,
        &unused, &unused);
    return slice_eq(first, h->d->environment);
}

/* Why it does not run there, in the words of whoever is to bring it; or how to bring it. */
static const char *not_deployed(const struct hints *h)
{
    const json_t *binding = binding_there(h);
    const json_t *component = snapshot_get(h->s, SNAPSHOT_COMPONENT, h->d->ns, h->name);
    struct slice latest = json_text(json_at(component, "status", "latestRelease", "name", NULL));
    bool bound = spec_text(binding, "releaseName").len > 0;
    struct condition ready = {0};
    if (bound || latest.len == 0) {
        ready = condition_of(bound ? binding : component, READY);
    }
    if (ready.message.len > 0) {
        return say(h, "%s says %.*s", bound ? "its binding" : "it", SLICE_ARG(ready.message));
    }
    if (bound || latest.len == 0) {
        return bound ? NULL : "it has no release yet";
    }
    bool starts = starts_there(h);
    return say(h, "choreo promote %.*s --to %.*s%s%.*s", SLICE_ARG(h->name),
               SLICE_ARG(h->d->environment), starts ? " --release " : "",
               SLICE_ARG(starts ? latest : SLICE("")));
}

/* The names that there are. */
struct names {
    const char *text;
    size_t count;
};

static void add_name(const struct hints *h, struct names *names, struct slice name)
{
    if (names->count < NAMES_SHOWN_MAX) {
        names->text =
            say(h, "%s%s%.*s", names->text, names->count > 0 ? ", " : "", SLICE_ARG(name));
    }
    names->count++;
}

static const char *has_names(const struct hints *h, const struct names *names)
{
    return names->count == 0 ? "it has none"
                             : say(h, "it has %s%s", names->text,
                                   names->count > NAMES_SHOWN_MAX ? " and more" : "");
}

/* Of an endpoint that its release does not have: the one that was meant, or those that it has. */
static const char *no_endpoint(const struct hints *h, struct slice name)
{
    const json_t *binding = binding_there(h);
    const json_t *release =
        snapshot_get(h->s, SNAPSHOT_RELEASE, h->d->ns,
                     json_text(json_at(binding, "status", "releaseName", NULL)));
    if (release == NULL) {
        release = snapshot_get(h->s, SNAPSHOT_RELEASE, h->d->ns, spec_text(binding, "releaseName"));
    }
    struct names names = {.text = ""};
    const char *key;
    json_t *value;
    json_object_foreach(json_at(release, "spec", "workload", "endpoints", NULL), key, value)
    {
        if (suggest_close(slice_of(key), name)) {
            return say(h, "did you mean %s?", key);
        }
        add_name(h, &names, slice_of(key));
    }
    return has_names(h, &names);
}

/* Likewise of an output. */
static const char *other_output(const struct hints *h, const json_t *outputs, struct slice name)
{
    struct names names = {.text = ""};
    size_t i;
    json_t *one;
    json_array_foreach(outputs, i, one)
    {
        if (suggest_close(json_text_at(one, "name"), name)) {
            return say(h, "did you mean %.*s?", SLICE_ARG(json_text_at(one, "name")));
        }
        add_name(h, &names, json_text_at(one, "name"));
    }
    return has_names(h, &names);
}

static const char *hint(const struct hints *h)
{
    struct slice reason = json_text_at(h->row, "reason");
    if (slice_eq_cstr(reason, "ProjectNotFound")) {
        return not_there(h, SNAPSHOT_PROJECT, project_of(h));
    }
    if (slice_eq_cstr(reason, "ComponentNotFound")) {
        return not_there(h, SNAPSHOT_COMPONENT, h->name);
    }
    if (slice_eq_cstr(reason, "ResourceNotFound")) {
        return not_there(h, SNAPSHOT_RESOURCE, h->name);
    }
    if (slice_eq_cstr(reason, "ResourceNotReleased")) {
        return not_released(h);
    }
    if (slice_eq_cstr(reason, "DependencyNotDeployed")) {
        return not_deployed(h);
    }
    if (slice_eq_cstr(reason, "EndpointNotFound")) {
        return no_endpoint(h, first_quoted(json_text_at(h->row, "message")));
    }
    if (slice_eq_cstr(reason, "EndpointNotVisible")) {
        return "give the endpoint a visibility of namespace or wider";
    }
    return slice_eq_cstr(reason, "ResourceOfAnother")
               ? say(h, "create one in project %.*s, for no project has another's",
                     SLICE_ARG(h->d->project))
               : NULL;
}

void dependency_hints(const struct snapshot *s, const struct deployment *d, json_t *problems,
                      struct arena *arena)
{
    size_t i;
    json_t *row;
    json_array_foreach(problems, i, row)
    {
        if (i == DEPLOYMENT_PROBLEMS_TOLD) {
            break; /* a name that was meant is looked for among all of the namespace's */
        }
        const struct hints h = {
            .s = s, .d = d, .arena = arena, .row = row, .name = json_text_at(row, "dependency")};
        const char *text = hint(&h);
        if (text != NULL) {
            json_object_set_new(
                row, "message",
                json_sprintf("%.*s: %s", SLICE_ARG(json_text_at(row, "message")), text));
        }
    }
}

/* "workload.dependencies.resources[0].envBindings.OUTPUT: the resource NAME has no such output", of
 * which the type of NAME's release there has others. */
static const char *no_output(const struct hints *h, struct slice message)
{
    const struct slice by = SLICE("Bindings.");
    const struct slice of = SLICE(": the resource ");
    const struct slice ends = SLICE(" has no such output");
    size_t from = slice_find(message, by);
    size_t at = slice_find(message, of);
    if (!slice_starts_with(message, SLICE("workload.dependencies.resources[")) ||
        !slice_ends_with(message, ends) || at == SIZE_MAX || from > at) {
        return NULL;
    }
    struct slice output = slice_sub(message, from + by.len, at - from - by.len);
    struct slice rest = slice_sub(message, at + of.len, SIZE_MAX);
    const struct snapshot_entry *binding =
        binding_first(h->s, SNAPSHOT_RESOURCE_BINDING, h->d->ns,
                      slice_sub(rest, 0, rest.len - ends.len), h->d->environment, h->arena);
    if (binding == NULL) {
        return NULL;
    }
    const json_t *release =
        snapshot_get(h->s, SNAPSHOT_RESOURCE_RELEASE, h->d->ns,
                     spec_text(snapshot_tree(h->s, binding), "resourceRelease"));
    return other_output(h, json_at(release, "spec", "resourceType", "spec", "outputs", NULL),
                        output);
}

struct slice dependency_explain(const struct snapshot *s, const struct deployment *d,
                                struct slice message, struct arena *arena)
{
    struct view v;
    struct slice text = arena_copy(arena, message);
    const struct hints h = {.s = s, .d = d, .arena = arena};
    const char *outputs = no_output(&h, message);
    if (outputs != NULL) {
        return slice_of(say(&h, "%.*s: %s", SLICE_ARG(message), outputs));
    }
    view_init(&v, s, arena);
    json_t *problems = deployment_unresolved(&v.platform, d, arena);
    bool about_them = json_array_size(problems) > 0 &&
                      slice_starts_with(deployment_problems_text(problems, arena), message);
    if (about_them) {
        dependency_hints(s, d, problems, arena);
        text = deployment_problems_text(problems, arena);
    }
    json_decref(problems);
    return text;
}
