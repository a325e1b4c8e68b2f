/* releases.c: reading where a component is bound, and binding it. */
#include "cli/releases.h"

#include <string.h>

#include "cli/print.h"
#include "proto/object.h"
#include "proto/promotion.h"
#include "render/name.h"

static struct slice spec_text(const json_t *object, const char *key)
{
    return json_text(json_at(object, "spec", key, NULL));
}

static struct slice status_text(const json_t *object, const char *key)
{
    return json_text(json_at(object, "status", key, NULL));
}

int releases_open(struct releases *r, struct cli *c, struct err *err)
{
    Choreo__V1__Ref ref;
    *r = (struct releases){.cli = c};
    if (c->args.count != 1) {
        return err_set(err, ERR_INVALID, "which component? one COMPONENT (choreo %s --help)",
                       c->command->name);
    }
    struct slice name = slice_of(c->args.items[0]);
    if (slice_starts_with(name, SLICE("component/"))) {
        name = slice_sub(name, strlen("component/"), SIZE_MAX);
    }
    r->component = arena_cstr(&c->arena, name);
    ask_ref(c, "releasebindings.choreo.dev", c->ns, &ref);
    return ask_items(c, &ref, NULL,
                     arena_printf(&c->arena, "spec.owner.componentName=%s", r->component),
                     &r->bindings, err);
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
    int rc = err_set(err, ERR_NOT_FOUND, "component \"%s\" is not bound in \"%s\", but in %s",
                     r->component, environment, where.len > 0 ? buf_cstr(&where) : "none");
    buf_free(&where);
    return rc;
}

/* ---- where a release comes from ---- */

/* Takes nothing; *object is new. */
static int read_one(const struct releases *r, const char *resource, struct slice name,
                    json_t **object, struct err *err)
{
    Choreo__V1__Ref ref;
    ask_ref(r->cli, resource, r->cli->ns, &ref);
    ref.name = arena_cstr(&r->cli->arena, name);
    return ask_get(r->cli, &ref, CHOREO__V1__FORM__FORM_JSON, object, NULL, err);
}

static int read_pipeline(const struct releases *r, json_t **pipeline, struct err *err)
{
    json_t *component = NULL;
    json_t *project = NULL;
    int rc = read_one(r, "components.choreo.dev", slice_of(r->component), &component, err);
    struct slice name = status_text(component, "project");
    if (rc == 0) {
        name = name.len > 0 ? name : SLICE("default");
        rc = read_one(r, "projects.choreo.dev", name, &project, err);
        rc = rc == ERR_NOT_FOUND && slice_eq_cstr(name, "default") ? 0 : rc;
    }
    if (rc == 0) {
        rc = read_one(r, "deploymentpipelines.choreo.dev", promotion_pipeline_of(project), pipeline,
                      err);
    }
    json_decref(component);
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
        if (promotion_healthy(binding, release, SLICE("")) != NULL) {
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
        if (found.len == 0) {
            rc =
                err_set(err, ERR_NOT_FOUND,
                        "component \"%s\" runs nowhere that pipeline \"%.*s\" leads to \"%s\" from",
                        r->component, SLICE_ARG(object_name(pipeline)), environment);
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
    ask_ref(r->cli, "releasebindings.choreo.dev", r->cli->ns, &ref);
    ref.name = arena_cstr(&r->cli->arena, name);
    int rc = await_parse(&await, "condition=Ready", err);
    rc = rc != 0 ? rc
                 : await_one(&await, &ref,
                             arena_printf(&r->cli->arena, "releasebinding/%s", ref.name), err);
    await_free(&await);
    return rc;
}

static json_t *new_binding(const struct releases *r, const char *environment, const char *release)
{
    struct cli *c = r->cli;
    const struct slice parts[] = {slice_of(r->component), slice_of(environment)};
    struct slice name = parts[0].len + 1 + parts[1].len <= NAME_SUBDOMAIN_MAX
                            ? slice_of(arena_printf(&c->arena, "%s-%s", r->component, environment))
                            : name_join(&c->arena, NAME_SUBDOMAIN_MAX, parts, 2);
    json_t *o = object_new("choreo.dev/v1", "ReleaseBinding", slice_of(c->ns), name);
    json_object_set_new(o, "spec",
                        json_pack("{s:{s:s}, s:s, s:s}", "owner", "componentName", r->component,
                                  "environment", environment, "releaseName", release));
    if (c->options.reason != NULL) {
        json_object_set_new(json_object_get(o, "spec"), "reason",
                            json_str(slice_of(c->options.reason)));
    }
    return o;
}

static int create(const struct releases *r, const char *environment, const char *release,
                  struct ask_write *w, struct err *err)
{
    json_t *component = NULL;
    int rc = read_one(r, "components.choreo.dev", slice_of(r->component), &component, err);
    if (rc == 0) {
        struct slice project = status_text(component, "project");
        json_t *body = new_binding(r, environment, release);
        json_object_set_new(json_at(body, "spec", "owner", NULL), "projectName",
                            json_str(project.len > 0 ? project : SLICE("default")));
        w->body = body;
        rc = ask_create(r->cli, w, err);
        json_decref(body);
    }
    json_decref(component);
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
    bool same = slice_eq_cstr(spec_text(binding, "releaseName"), release);
    json_t *spec = json_pack("{s:s}", "releaseName", release);
    if (reason != NULL || !same) {
        json_object_set_new(spec, "reason",
                            reason != NULL ? json_str(slice_of(reason)) : json_null());
    }
    if (same && has_failed(binding, release)) {
        json_int_t attempt = json_integer_value(json_at(binding, "spec", "attempt", NULL));
        json_object_set_new(spec, "attempt", json_integer(attempt + 1));
    }
    Choreo__V1__Ref ref;
    ask_ref(r->cli, "releasebindings.choreo.dev", r->cli->ns, &ref);
    ref.name = arena_cstr(&r->cli->arena, object_name(binding));
    json_t *patch = json_pack("{s:o}", "spec", spec);
    w->ref = &ref;
    w->body = patch;
    int rc = ask_patch(r->cli, w, err);
    json_decref(patch);
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
