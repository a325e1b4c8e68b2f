/* releases.c: reading where a component or a resource is bound, and binding it. */
#include "cli/releases.h"

#include "cli/print.h"
#include "proto/object.h"
#include "render/deployment.h"
#include "render/release.h"
#include "render/resource_release.h"

static struct slice spec_text(const json_t *object, const char *key)
{
    return json_text(json_at(object, "spec", key, NULL));
}

static struct slice status_text(const json_t *object, const char *key)
{
    return json_text(json_at(object, "status", key, NULL));
}

static bool is_of_resource(const struct releases *r)
{
    return r->track == promotion_track_named(SLICE("resource"));
}

/* *object is new. */
static int read_one(const struct releases *r, const char *resource, struct slice name,
                    json_t **object, struct err *err)
{
    Choreo__V1__Ref ref;
    ask_ref(r->cli, resource, r->cli->ns, &ref);
    ref.name = arena_cstr(&r->cli->arena, name);
    return ask_get(r->cli, &ref, CHOREO__V1__FORM__FORM_JSON, object, NULL, err);
}

/* What is bound somewhere was there; what is bound nowhere may be a typing error. */
static int check_owner(const struct releases *r, struct err *err)
{
    json_t *owner = NULL;
    int rc = json_array_size(r->bindings) > 0
                 ? 0
                 : read_one(r, r->track->parts[PROMOTION_OWNER], slice_of(r->owner), &owner, err);
    json_decref(owner);
    return rc;
}

int releases_open(struct releases *r, struct cli *c, struct err *err)
{
    Choreo__V1__Ref ref;
    *r = (struct releases){.cli = c, .track = promotion_track_named(SLICE("component"))};
    if (c->args.count != 1) {
        return err_set(err, ERR_INVALID,
                       "of what? one COMPONENT or resource/RESOURCE (choreo %s --help)",
                       c->command->name);
    }
    struct slice name = slice_of(c->args.items[0]);
    size_t slash = slice_find(name, SLICE("/"));
    if (slash < name.len) {
        r->track = promotion_track_named(slice_sub(name, 0, slash));
        name = slice_sub(name, slash + 1, SIZE_MAX);
    }
    if (r->track == NULL) {
        return err_set(err, ERR_INVALID,
                       "\"%s\": releases are of a component (COMPONENT) or a resource "
                       "(resource/RESOURCE)",
                       c->args.items[0]);
    }
    r->owner = arena_cstr(&c->arena, name);
    ask_ref(c, r->track->parts[PROMOTION_BINDING], c->ns, &ref);
    int rc = ask_items(c, &ref, NULL,
                       arena_printf(&c->arena, "spec.owner.%s=%s", r->track->owner, r->owner),
                       &r->bindings, err);
    return rc != 0 ? rc : check_owner(r, err);
}

void releases_close(struct releases *r)
{
    json_decref(r->bindings);
    *r = (struct releases){0};
}

int releases_binding(const struct releases *r, const char *environment, const json_t **binding,
                     struct err *err)
{
    *binding = promotion_binding_in(r->bindings, slice_of(environment));
    if (*binding != NULL) {
        return 0;
    }
    struct buf where = {0};
    for (size_t i = 0; i < json_array_size(r->bindings); i++) {
        buf_addf(&where, "%s%.*s", i > 0 ? ", " : "",
                 SLICE_ARG(spec_text(json_array_get(r->bindings, i), "environment")));
    }
    int rc =
        err_set(err, ERR_NOT_FOUND, "%s \"%s\" is not bound in \"%s\", but in %s", r->track->noun,
                r->owner, environment, where.len > 0 ? buf_cstr(&where) : "none");
    buf_free(&where);
    return rc;
}

/* ---- where a release comes from ---- */

static struct slice project_of(const json_t *owner)
{
    struct slice name = status_text(owner, "project");
    name = name.len > 0 ? name : spec_text(owner, "project");
    return name.len > 0 ? name : SLICE("default");
}

static int read_pipeline(const struct releases *r, json_t **pipeline, struct err *err)
{
    json_t *owner = NULL;
    json_t *project = NULL;
    int rc = read_one(r, r->track->parts[PROMOTION_OWNER], slice_of(r->owner), &owner, err);
    struct slice name = project_of(owner);
    if (rc == 0) {
        rc = read_one(r, "projects.choreo.dev", name, &project, err);
        rc = rc == ERR_NOT_FOUND && slice_eq_cstr(name, "default") ? 0 : rc;
    }
    if (rc == 0) {
        rc = read_one(r, "deploymentpipelines.choreo.dev", promotion_pipeline_of(project), pipeline,
                      err);
    }
    json_decref(owner);
    json_decref(project);
    return rc;
}

/* The first source that runs one healthily, else the first that runs one at all. */
static struct slice release_before(const struct releases *r, const json_t *pipeline,
                                   struct slice environment)
{
    struct promotion_edge edge = {0};
    struct slice found = {0};
    while (promotion_next_to(pipeline, environment, &edge)) {
        const json_t *binding = promotion_binding_in(r->bindings, edge.source);
        struct slice release = status_text(binding, "releaseName");
        if (promotion_proven(binding, release, SLICE("")) != NULL) {
            return release;
        }
        found = found.len == 0 ? release : found;
    }
    return found;
}

int releases_before(const struct releases *r, const char *environment, const char **release,
                    struct err *err)
{
    json_t *pipeline = NULL;
    int rc = read_pipeline(r, &pipeline, err);
    if (rc == 0 && promotion_starts_in(pipeline, slice_of(environment))) {
        rc = err_set(err, ERR_INVALID,
                     "releases start in \"%s\": say which one, --release (choreo get releases)",
                     environment);
    }
    if (rc == 0) {
        struct slice found = release_before(r, pipeline, slice_of(environment));
        *release = arena_cstr(&r->cli->arena, found);
        if (found.len == 0 && !promotion_is_target(pipeline, slice_of(environment))) {
            rc = err_set(
                err, ERR_NOT_FOUND,
                "pipeline \"%.*s\" leads to no environment \"%s\" (choreo get environments)",
                SLICE_ARG(object_name(pipeline)), environment);
        } else if (found.len == 0) {
            rc = err_set(err, ERR_NOT_FOUND,
                         "%s \"%s\" runs nowhere that pipeline \"%.*s\" leads to \"%s\" from",
                         r->track->noun, r->owner, SLICE_ARG(object_name(pipeline)), environment);
        }
    }
    json_decref(pipeline);
    return rc;
}

/* ---- binding ---- */

int releases_await(const struct releases *r, const json_t *binding, struct err *err)
{
    struct await await = {.cli = r->cli,
                          .end_ms = await_deadline(r->cli),
                          .quiet = output_is_tree(&r->cli->output),
                          .generation = object_generation(binding),
                          .fails_on = "RolledBack"};
    Choreo__V1__Ref ref;
    struct slice name = object_name(binding);
    ask_ref(r->cli, r->track->parts[PROMOTION_BINDING], r->cli->ns, &ref);
    ref.name = arena_cstr(&r->cli->arena, name);
    int rc = await_parse(&await, "condition=Ready", err);
    rc = rc != 0 ? rc
                 : await_one(&await, &ref,
                             arena_printf(&r->cli->arena, "%sreleasebinding/%s",
                                          is_of_resource(r) ? "resource" : "", ref.name),
                             err);
    await_free(&await);
    return rc;
}

/* The platform as the server has it, for the little that a resource's binding is made of. */
struct asked {
    const struct releases *r;
    json_t *trees; /* keeps what was read */
    int rc;
    struct err *err;
};

static const json_t *asked_get(void *user, const char *kind, struct slice ns, struct slice name)
{
    struct asked *a = user;
    json_t *tree = NULL;
    const char *resource = slice_eq_cstr(slice_of(kind), "DataPlane") ? "dataplanes.choreo.dev"
                                                                      : "environments.choreo.dev";
    (void)ns; /* the command's */
    int rc = a->rc == 0 ? read_one(a->r, resource, name, &tree, a->err) : a->rc;
    a->rc = rc == ERR_NOT_FOUND ? 0 : rc;
    json_array_append_new(a->trees, tree != NULL ? tree : json_null());
    return tree;
}

/* With what is decided once, when it is made, as the control plane would decide it. */
static int resource_spec(const struct releases *r, const char *environment, const char *release,
                         json_t **spec, struct err *err)
{
    json_t *frozen = NULL;
    struct asked asked = {.r = r, .trees = json_array(), .err = err};
    struct platform platform = {.user = &asked, .get = asked_get};
    int rc = read_one(r, r->track->parts[PROMOTION_RELEASE], slice_of(release), &frozen, err);
    if (rc == 0) {
        *spec = resource_binding(&platform, frozen, slice_of(environment));
        rc = asked.rc;
    }
    json_decref(frozen);
    json_decref(asked.trees);
    return rc;
}

static int component_spec(const struct releases *r, const char *environment, const char *release,
                          json_t **spec, struct err *err)
{
    json_t *component = NULL;
    int rc = read_one(r, r->track->parts[PROMOTION_OWNER], slice_of(r->owner), &component, err);
    if (rc == 0) {
        *spec = release_binding(project_of(component), slice_of(r->owner), slice_of(environment),
                                slice_of(release));
    }
    json_decref(component);
    return rc;
}

static int create(const struct releases *r, const char *environment, const char *release,
                  struct ask_write *w, struct err *err)
{
    struct cli *c = r->cli;
    struct slice owner = slice_of(r->owner);
    struct slice to = slice_of(environment);
    bool of_resource = is_of_resource(r);
    json_t *spec = NULL;
    int rc = of_resource ? resource_spec(r, environment, release, &spec, err)
                         : component_spec(r, environment, release, &spec, err);
    if (rc != 0) {
        json_decref(spec);
        return rc;
    }
    struct slice name = of_resource ? resource_binding_name(&c->arena, owner, to)
                                    : deployment_binding_name(&c->arena, owner, to);
    json_t *o =
        object_new("choreo.dev/v1", r->track->kinds[PROMOTION_BINDING], slice_of(c->ns), name);
    json_object_set_new(o, "spec", spec);
    if (c->options.reason != NULL) {
        json_object_set_new(spec, "reason", json_str(slice_of(c->options.reason)));
    }
    w->body = o;
    rc = ask_create(c, w, err);
    if (rc == ERR_EXISTS && !of_resource) { /* it has none: the name is another component's */
        name = deployment_binding_name_apart(&c->arena, owner, to);
        json_object_set_new(json_object_get(o, "metadata"), "name", json_str(name));
        rc = ask_create(c, w, err);
    }
    json_decref(o);
    return rc;
}

/* Whether the release that is asked for was taken back, or failed with nothing to go back to. */
static bool has_failed(const json_t *binding, const char *release)
{
    const json_t *back = json_at(binding, "status", "rollback", NULL);
    const json_t *first = json_array_get(json_at(binding, "status", "history", NULL), 0);
    return slice_eq_cstr(json_text_at(back, "from"), release) ||
           (slice_eq_cstr(json_text_at(first, "release"), release) &&
            slice_eq_cstr(json_text_at(first, "outcome"), "Failed"));
}

/* A release that came to nothing is tried again for another attempt; what is asked for already is
 * asked for no more. */
static int repoint(const struct releases *r, const json_t *binding, const char *release,
                   struct ask_write *w, struct err *err)
{
    const char *reason = r->cli->options.reason;
    bool same = slice_eq_cstr(promotion_asked(binding), release);
    bool again = same && has_failed(binding, release);
    json_t *spec = json_pack("{s:s}", r->track->release, release);
    if (reason != NULL || again || !same) { /* that of the former is not this one's */
        json_object_set_new(spec, "reason",
                            reason != NULL ? json_str(slice_of(reason)) : json_null());
    }
    if (again) {
        json_int_t attempt = json_integer_value(json_at(binding, "spec", "attempt", NULL));
        json_object_set_new(spec, "attempt", json_integer(attempt + 1));
    }
    Choreo__V1__Ref ref;
    ask_ref(r->cli, r->track->parts[PROMOTION_BINDING], r->cli->ns, &ref);
    ref.name = arena_cstr(&r->cli->arena, object_name(binding));
    json_t *patch = json_pack("{s:o}", "spec", spec);
    w->ref = &ref;
    w->body = patch;
    int rc = ask_patch(r->cli, w, err);
    json_decref(patch);
    return rc;
}

/* The server lets a binding wait for its release; who names one here means one that is there. */
static int check_release(const struct releases *r, const char *release, struct err *err)
{
    json_t *found = NULL;
    int rc = read_one(r, r->track->parts[PROMOTION_RELEASE], slice_of(release), &found, err);
    if (rc == ERR_NOT_FOUND) {
        const char *const *kinds = r->track->kinds;
        rc = err_set(err, rc, "there is no %s \"%s\" of %s \"%s\" (choreo get %s -n %s)",
                     kinds[PROMOTION_RELEASE], release, r->track->noun, r->owner,
                     is_of_resource(r) ? "resourcereleases" : "releases", r->cli->ns);
    }
    json_decref(found);
    return rc;
}

int releases_bind(const struct releases *r, const char *environment, const char *release,
                  struct err *err)
{
    struct cli *c = r->cli;
    struct ask_write w = {0};
    enum ask_dry dry = ASK_FOR_REAL;
    const json_t *binding = promotion_binding_in(r->bindings, slice_of(environment));
    int rc = ask_dry_run(c, &dry, err);
    if (rc == 0 && dry == ASK_DRY_CLIENT) {
        rc = err_set(err, ERR_INVALID, "--dry-run=client: only the server knows what may go where");
    }
    w.dry_run = dry == ASK_DRY_SERVER;
    rc = rc != 0 ? rc : check_release(r, release, err);
    if (rc == 0) {
        rc = binding == NULL ? create(r, environment, release, &w, err)
                             : repoint(r, binding, release, &w, err);
    }
    if (rc != 0) {
        return rc;
    }
    json_t *written = json_incref(w.tree);
    const char *done = arena_printf(
        &c->arena, w.changed || w.created ? "bound to release %s in %s" : "unchanged: %s in %s",
        release, environment);
    rc = ask_show_written(c, &w, done, err);
    if (rc == 0 && c->options.wait && dry == ASK_FOR_REAL) {
        rc = releases_await(r, written, err);
    }
    json_decref(written);
    return rc;
}
