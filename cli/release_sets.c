/* release_sets.c: making a ReleaseSet, and waiting for it. What may go where, the server says. */
#include "cli/release_sets.h"

#include "cli/await.h"
#include "proto/object.h"
#include "proto/promotion.h"

#define RESOURCE_SET "releasesets.choreo.dev"

static int read_one(struct cli *c, const char *resource, struct slice name, json_t **object,
                    struct err *err)
{
    Choreo__V1__Ref ref;
    ask_ref(c, resource, c->ns, &ref);
    ref.name = arena_cstr(&c->arena, name);
    return ask_get(c, &ref, CHOREO__V1__FORM__FORM_JSON, object, NULL, err);
}

int release_sets_read(struct cli *c, const char *name, json_t **set, struct err *err)
{
    return read_one(c, RESOURCE_SET, slice_of(name), set, err);
}

static json_t *new_set(struct cli *c, const char *environment)
{
    json_t *o = object_new("choreo.dev/v1", "ReleaseSet", slice_of(c->ns), (struct slice){0});
    json_t *meta = json_object_get(o, "metadata");
    (void)json_object_del(meta, "name");
    json_object_set_new(meta, "generateName",
                        json_sprintf("%s-%s-", c->options.project, environment));
    json_object_set_new(
        o, "spec",
        json_pack("{s:s, s:s}", "project", c->options.project, "environment", environment));
    if (c->options.reason != NULL) {
        json_object_set_new(json_object_get(o, "spec"), "reason",
                            json_str(slice_of(c->options.reason)));
    }
    return o;
}

int release_sets_await(struct cli *c, const json_t *set, struct err *err)
{
    struct await await = {.cli = c,
                          .end_ms = await_deadline(c),
                          .quiet = output_is_tree(&c->output),
                          .generation = object_generation(set),
                          .fails_on = "Failed"};
    Choreo__V1__Ref ref;
    struct slice name = object_name(set);
    ask_ref(c, RESOURCE_SET, c->ns, &ref);
    ref.name = arena_cstr(&c->arena, name);
    int rc = await_parse(&await, "condition=Ready", err);
    rc = rc != 0 ? rc
                 : await_one(&await, &ref, arena_printf(&c->arena, "releaseset/%s", ref.name), err);
    await_free(&await);
    return rc;
}

/* Takes body. */
static int create(struct cli *c, json_t *body, const char *environment, struct err *err)
{
    enum ask_dry dry = ASK_FOR_REAL;
    struct ask_write w = {.body = body};
    int rc = ask_dry_run(c, &dry, err);
    if (rc == 0 && dry == ASK_DRY_CLIENT) {
        rc = err_set(err, ERR_INVALID, "--dry-run=client: only the server knows what may go where");
    }
    w.dry_run = dry == ASK_DRY_SERVER;
    rc = rc != 0 ? rc : ask_create(c, &w, err);
    json_decref(body);
    if (rc != 0) {
        return rc;
    }
    json_t *written = json_incref(w.tree);
    rc = ask_show_written(c, &w,
                          arena_printf(&c->arena, "takes releases of project %s to %s",
                                       c->options.project, environment),
                          err);
    if (rc == 0 && c->options.wait && dry == ASK_FOR_REAL) {
        rc = release_sets_await(c, written, err);
    }
    json_decref(written);
    return rc;
}

static int check(const struct cli *c, struct err *err)
{
    if (c->args.count > 0 || c->options.release != NULL) {
        return err_set(err, ERR_INVALID,
                       "--project means all of its components: no COMPONENT and no --release");
    }
    return 0;
}

/* ---- forward ---- */

/* The first environment that the project's pipeline leads there from. */
static int find_source(struct cli *c, const char *environment, const char **source, struct err *err)
{
    json_t *project = NULL;
    json_t *pipeline = NULL;
    struct promotion_edge edge = {0};
    int rc = read_one(c, "projects.choreo.dev", slice_of(c->options.project), &project, err);
    if (rc == 0) {
        rc = read_one(c, "deploymentpipelines.choreo.dev", promotion_pipeline_of(project),
                      &pipeline, err);
    }
    if (rc == 0 && promotion_next_to(pipeline, slice_of(environment), &edge)) {
        *source = arena_cstr(&c->arena, edge.source);
    } else if (rc == 0) {
        rc = err_set(err, ERR_INVALID, "pipeline \"%.*s\" does not lead to environment \"%s\"%s",
                     SLICE_ARG(object_name(pipeline)), environment,
                     promotion_starts_in(pipeline, slice_of(environment)) ? ": releases start there"
                                                                          : "");
    }
    json_decref(project);
    json_decref(pipeline);
    return rc;
}

int release_sets_promote(struct cli *c, struct err *err)
{
    const char *source = NULL;
    int rc = check(c, err);
    rc = rc != 0 ? rc : find_source(c, c->options.to, &source, err);
    if (rc != 0) {
        return rc;
    }
    json_t *body = new_set(c, c->options.to);
    json_object_set_new(json_object_get(body, "spec"), "from", json_string(source));
    return create(c, body, c->options.to, err);
}

/* ---- back ---- */

/* The project's set that was last let in there, or NULL. */
static const json_t *last_set(const json_t *sets)
{
    const json_t *last = NULL;
    for (size_t i = 0; i < json_array_size(sets); i++) {
        const json_t *set = json_array_get(sets, i);
        struct slice at = json_text(json_at(set, "status", "admittedAt", NULL));
        if (slice_cmp(at, json_text(json_at(last, "status", "admittedAt", NULL))) > 0) {
            last = set;
        }
    }
    return last;
}

static json_t *before_of(const json_t *set)
{
    json_t *releases = json_array();
    size_t i;
    json_t *member;
    json_array_foreach(json_at(set, "status", "members", NULL), i, member)
    {
        struct slice before = json_text_at(member, "before");
        if (before.len > 0 && !slice_eq(before, json_text_at(member, "release"))) {
            json_array_append_new(releases, json_pack("{s:o, s:o}", "component",
                                                      json_str(json_text_at(member, "component")),
                                                      "release", json_str(before)));
        }
    }
    return releases;
}

int release_sets_rollback(struct cli *c, struct err *err)
{
    Choreo__V1__Ref ref;
    json_t *sets = NULL;
    const char *environment = c->options.environment;
    const char *fields = arena_printf(&c->arena, "spec.project=%s,spec.environment=%s",
                                      c->options.project, environment);
    ask_ref(c, RESOURCE_SET, c->ns, &ref);
    int rc = check(c, err);
    rc = rc != 0 ? rc : ask_items(c, &ref, NULL, fields, &sets, err);
    const json_t *last = last_set(sets);
    if (rc == 0 && last == NULL) {
        rc = err_set(err, ERR_NOT_FOUND, "no release set of project \"%s\" was let in to \"%s\"",
                     c->options.project, environment);
    }
    json_t *releases = before_of(last);
    if (rc == 0 && json_array_size(releases) == 0) {
        rc = err_set(err, ERR_NOT_FOUND,
                     "release set \"%.*s\" changed nothing in \"%s\" that ran there before",
                     SLICE_ARG(object_name(last)), environment);
    }
    if (rc == 0) {
        json_t *body = new_set(c, environment);
        json_object_set(json_object_get(body, "spec"), "releases", releases);
        rc = create(c, body, environment, err);
    }
    json_decref(releases);
    json_decref(sets);
    return rc;
}
