/* release.c: gathers what a component is made of.
 *
 * A type or trait is one of the component's namespace, else of the cluster. A type brings traits
 * along, which are frozen with those that the component attaches; it says which ones may be
 * attached. In a type of the cluster all that it names is of the cluster, too. */
#include "render/release.h"

#include "base/crypto.h"
#include "proto/object.h"
#include "render/convert.h"
#include "render/prune.h"

enum { RELEASE_HASH_BYTES = 5, RELEASE_NAME_ROOM = 240 };

struct freezing {
    const struct platform *platform;
    const json_t *component;
    struct slice ns;
    json_t *type;   /* {kind, name, spec} */
    json_t *traits; /* [{kind, name, spec}] */
    const char **reason;
    struct err *err;
};

static int fail(struct freezing *f, int code, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int fail(struct freezing *f, int code, const char *reason, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vaddf(&text, format, args);
    va_end(args);
    *f->reason = reason;
    err_set(f->err, code, "%s", buf_cstr(&text));
    buf_free(&text);
    return code;
}

/* OpenChoreo's components are made of OpenChoreo's types and traits, and never of ours, which may
 * have the same names and read what a component says otherwise. */
static bool is_openchoreo(const struct freezing *f)
{
    return slice_eq_cstr(json_text(json_at(f->component, "spec", "componentType", "group", NULL)),
                         OPENCHOREO_GROUP);
}

static const char *of_group(const struct freezing *f)
{
    return is_openchoreo(f) ? " of " OPENCHOREO_GROUP : "";
}

/* A kind of the namespace and its like of the cluster, by whose the component is. */
struct kinds {
    const char *local;
    const char *cluster;
};
static const struct kinds types[] = {
    {"ComponentType", "ClusterComponentType"},
    {OPENCHOREO_GROUP "/ComponentType", OPENCHOREO_GROUP "/ClusterComponentType"}};
static const struct kinds traits[] = {
    {"Trait", "ClusterTrait"}, {OPENCHOREO_GROUP "/Trait", OPENCHOREO_GROUP "/ClusterTrait"}};

/* Of the namespace, else of the cluster: {kind, name, spec}; NULL: there is none. kind empty: any.
 */
static json_t *find(const struct freezing *f, const struct kinds kinds[2], struct slice kind,
                    struct slice name)
{
    const struct platform *p = f->platform;
    const struct kinds *of = &kinds[is_openchoreo(f) ? 1 : 0];
    const json_t *found = NULL;
    bool of_cluster = slice_starts_with(kind, SLICE("Cluster"));
    if (!of_cluster) {
        found = p->get(p->user, of->local, f->ns, name);
    }
    if (found == NULL && (kind.len == 0 || of_cluster)) {
        found = p->get(p->user, of->cluster, SLICE(""), name);
    }
    const json_t *spec = json_object_get(found, "spec");
    return spec == NULL ? NULL
                        : json_pack("{s:o, s:o, s:O}", "kind", json_str(object_kind(found)), "name",
                                    json_str(name), "spec", spec);
}

static bool of_cluster(const struct freezing *f)
{
    return slice_eq_cstr(json_text_at(f->type, "kind"), "ClusterComponentType");
}

/* The kind of a trait that the type names. */
static struct slice named_kind(const struct freezing *f, const json_t *reference)
{
    struct slice kind = json_text_at(reference, "kind");
    return of_cluster(f) ? SLICE("ClusterTrait") : kind.len > 0 ? kind : SLICE("Trait");
}

static int find_type(struct freezing *f)
{
    const json_t *full = json_at(f->component, "spec", "componentType", NULL);
    struct slice name = full != NULL ? json_text_at(full, "name")
                                     : json_text(json_at(f->component, "spec", "type", NULL));
    struct slice kind = json_text_at(full, "kind");
    name = name.len > 0 ? name : SLICE("service");
    f->type = find(f, types, kind, name);
    return f->type != NULL ? 0
                           : fail(f, ERR_NOT_FOUND, "TypeNotFound", "there is no %s%.*s \"%.*s\"%s",
                                  kind.len > 0 ? "" : "ComponentType or ",
                                  SLICE_ARG(kind.len > 0 ? kind : SLICE("ClusterComponentType")),
                                  SLICE_ARG(name), of_group(f));
}

/* Adds a trait, once: several uses share it. place is the use's, in messages. */
static int add_trait(struct freezing *f, struct slice kind, struct slice name, const char *place,
                     size_t index)
{
    json_t *found = find(f, traits, kind, name);
    if (found == NULL) {
        return fail(f, ERR_NOT_FOUND, "TraitNotFound", "%s[%zu]: there is no %s%.*s \"%.*s\"%s",
                    place, index, kind.len > 0 ? "" : "Trait or ",
                    SLICE_ARG(kind.len > 0 ? kind : SLICE("ClusterTrait")), SLICE_ARG(name),
                    of_group(f));
    }
    for (size_t i = 0; i < json_array_size(f->traits); i++) {
        const json_t *one = json_array_get(f->traits, i);
        if (slice_eq(json_text_at(one, "kind"), json_text_at(found, "kind")) &&
            slice_eq(json_text_at(one, "name"), name)) {
            json_decref(found);
            return 0;
        }
    }
    json_array_append_new(f->traits, found);
    return 0;
}

static int add_embedded(struct freezing *f)
{
    const json_t *embedded = json_at(f->type, "spec", "traits", NULL);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(embedded); i++) {
        const json_t *one = json_array_get(embedded, i);
        rc = add_trait(f, named_kind(f, one), json_text_at(one, "name"), "the type's spec.traits",
                       i);
    }
    return rc;
}

/* Whether the type lets the component attach a trait; the name "*" means every one. */
static bool is_allowed(const struct freezing *f, const json_t *use)
{
    const json_t *allowed = json_at(f->type, "spec", "allowedTraits", NULL);
    struct slice kind = json_text_at(use, "kind");
    kind = kind.len > 0 ? kind : SLICE("Trait");
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        const json_t *one = json_array_get(allowed, i);
        struct slice name = json_text_at(one, "name");
        if (slice_eq_cstr(name, "*") ||
            (slice_eq(name, json_text_at(use, "name")) && slice_eq(named_kind(f, one), kind))) {
            return true;
        }
    }
    return false;
}

static bool has_instance(const json_t *list, size_t count, struct slice instance)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(json_text_at(json_array_get(list, i), "instanceName"), instance)) {
            return true;
        }
    }
    return false;
}

static int add_attached(struct freezing *f)
{
    const json_t *uses = json_at(f->component, "spec", "traits", NULL);
    const json_t *embedded = json_at(f->type, "spec", "traits", NULL);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(uses); i++) {
        const json_t *use = json_array_get(uses, i);
        struct slice name = json_text_at(use, "name");
        struct slice instance = json_text_at(use, "instanceName");
        if (!is_allowed(f, use)) {
            return fail(f, ERR_UNPROCESSABLE, "TraitNotAllowed",
                        "spec.traits[%zu]: the type \"%.*s\" does not allow the trait \"%.*s\"", i,
                        SLICE_ARG(json_text_at(f->type, "name")), SLICE_ARG(name));
        }
        if (has_instance(embedded, json_array_size(embedded), instance) ||
            has_instance(uses, i, instance)) {
            return fail(f, ERR_UNPROCESSABLE, "InvalidSpec",
                        "spec.traits[%zu].instanceName: \"%.*s\" is the name of another use of a "
                        "trait",
                        i, SLICE_ARG(instance));
        }
        rc = add_trait(f, json_text_at(use, "kind"), name, "spec.traits", i);
    }
    return rc;
}

/* What the component itself says. */
static int add_own(struct freezing *f, json_t *spec)
{
    const json_t *from = json_object_get(f->component, "spec");
    json_t *workload = NULL;
    json_t *profile = NULL;
    struct err why = {0};
    const json_t *given = json_object_get(from, "workload");
    struct slice project = json_text(json_at(spec, "owner", "projectName", NULL));
    int rc = given != NULL ? 0 : convert_workload(from, project, SLICE(""), &workload, &why);
    if (given != NULL) {
        workload = json_deep_copy(given);
    }
    if (rc != 0 || convert_profile(from, &profile, &why) != 0) {
        json_decref(workload);
        return fail(f, ERR_UNPROCESSABLE, "InvalidSpec", "%s", why.message);
    }
    json_object_set_new(spec, "workload", workload);
    json_object_set_new(spec, "componentProfile", profile);
    return 0;
}

/* What its project says of all its components. */
static void add_project(const struct freezing *f, struct slice project, json_t *spec)
{
    static const char *const keys[] = {"env", "files"};
    const struct platform *p = f->platform;
    const json_t *from = json_object_get(p->get(p->user, "Project", f->ns, project), "spec");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *list = json_object_get(from, keys[i]);
        if (json_array_size(list) > 0) {
            json_object_set_new(json_child(spec, "project"), keys[i], json_deep_copy(list));
        }
    }
}

int release_make(const struct platform *p, const json_t *component, struct slice project,
                 json_t **spec, const char **reason, struct err *err)
{
    struct freezing f = {.platform = p,
                         .component = component,
                         .ns = object_ns(component),
                         .traits = json_array(),
                         .reason = reason,
                         .err = err};
    *spec = json_pack("{s:{s:o, s:o}}", "owner", "projectName", json_str(project), "componentName",
                      json_str(object_name(component)));
    int rc = find_type(&f);
    rc = rc == 0 ? add_embedded(&f) : rc;
    rc = rc == 0 ? add_attached(&f) : rc;
    if (rc == 0) {
        json_object_set(*spec, "componentType", f.type);
    }
    if (rc == 0 && json_array_size(f.traits) > 0) {
        json_object_set(*spec, "traits", f.traits);
    }
    rc = rc == 0 ? add_own(&f, *spec) : rc;
    if (rc == 0) {
        add_project(&f, project, *spec);
        prune_release(*spec);
    }
    json_decref(f.type);
    json_decref(f.traits);
    if (rc != 0) {
        json_decref(*spec);
        *spec = NULL;
    }
    return rc;
}

struct slice release_name(struct arena *arena, struct slice component, const json_t *spec)
{
    struct buf text = {0};
    uint8_t digest[SHA256_BYTES];
    json_canonical(spec, &text);
    crypto_sha256(buf_slice(&text), digest);
    buf_clear(&text);
    buf_add(&text, slice_sub(component, 0, RELEASE_NAME_ROOM));
    buf_add_char(&text, '-');
    hex_encode(&text, slice_make(digest, RELEASE_HASH_BYTES));
    struct slice name = arena_copy(arena, buf_slice(&text));
    buf_free(&text);
    return name;
}

json_t *release_binding(struct slice project, struct slice component, struct slice environment,
                        struct slice release)
{
    return json_pack("{s:{s:o, s:o}, s:o, s:o}", "owner", "projectName", json_str(project),
                     "componentName", json_str(component), "environment", json_str(environment),
                     "releaseName", json_str(release));
}
