/* promotion_set.c: what a ReleaseSet must say to ever go anywhere: read and judged as promotion.c
 * does, one object after another.
 *
 *   Project -> pipeline -> Component and Release of each member -> yes, or which field is wrong
 *
 * Its spec never changes, so what is not there now would be waited for in vain: it is refused, but
 * for a pipeline, which may still come. */
#include "node/api/promotion_internal.h"

#include "proto/promotion.h"

static const json_t *spec_at(const struct promotion_check *c, const char *key)
{
    return json_at(c->object, "spec", key, NULL);
}

static struct slice member_text(const struct promotion_check *c, const char *key)
{
    return json_text_at(json_array_get(spec_at(c, "releases"), c->member), key);
}

static struct slice project(const struct promotion_check *c)
{
    return json_text(spec_at(c, "project"));
}

bool promotion__set_concerns(const json_t *after)
{
    return json_text(json_at(after, "spec", "project", NULL)).len > 0 &&
           json_text(json_at(after, "spec", "environment", NULL)).len > 0;
}

static bool is_named(const json_t *pipeline, struct slice environment)
{
    struct promotion_edge edge = {0};
    return promotion_is_target(pipeline, environment) ||
           promotion_next_from(pipeline, environment, &edge);
}

/* What the spec says of where, and of what. */
static bool check_spec(struct promotion_check *c, struct buf *why)
{
    struct slice from = json_text(spec_at(c, "from"));
    struct slice to = json_text(spec_at(c, "environment"));
    size_t count = json_array_size(spec_at(c, "releases"));
    struct slice pipeline = object_name(c->pipeline);
    if ((count > 0) == (from.len > 0)) {
        buf_add_cstr(why, count > 0 ? "spec.releases, spec.from: either says which releases go"
                                    : "spec.releases: no release is named, and no environment in "
                                      "spec.from whose releases these are");
    } else if (!is_named(c->pipeline, to)) {
        buf_addf(why, "spec.environment: pipeline \"%.*s\" does not name environment \"%.*s\"",
                 SLICE_ARG(pipeline), SLICE_ARG(to));
    } else if (from.len > 0 && !is_named(c->pipeline, from)) {
        buf_addf(why, "spec.from: pipeline \"%.*s\" does not name environment \"%.*s\"",
                 SLICE_ARG(pipeline), SLICE_ARG(from));
    }
    return why->len == 0;
}

/* The component is there: is it one of the project? Until a controller has seen it, it may be. */
static bool check_component(const struct promotion_check *c, struct buf *why)
{
    struct slice of = json_text(json_at(c->owner, "spec", "project", NULL));
    of = of.len > 0 ? of : json_text(json_at(c->owner, "status", "project", NULL));
    if (of.len > 0 && !slice_eq(of, project(c))) {
        buf_addf(why,
                 "spec.releases[%zu].component: component \"%.*s\" is one of project \"%.*s\", not "
                 "of \"%.*s\"",
                 c->member, SLICE_ARG(member_text(c, "component")), SLICE_ARG(of),
                 SLICE_ARG(project(c)));
    }
    return why->len == 0;
}

static bool check_release(const struct promotion_check *c, struct buf *why)
{
    struct slice of = promotion_owner(c->release);
    if (!slice_eq(of, member_text(c, "component"))) {
        buf_addf(
            why,
            "spec.releases[%zu].release: release \"%.*s\" is one of component \"%.*s\", not of "
            "\"%.*s\"",
            c->member, SLICE_ARG(member_text(c, "release")), SLICE_ARG(of),
            SLICE_ARG(member_text(c, "component")));
    }
    return why->len == 0;
}

/* The next object to read, if there is one. */
static void ask(struct promotion_check *c)
{
    static const struct slice none = {0};
    bool any = c->member < json_array_size(spec_at(c, "releases"));
    struct slice component = any ? member_text(c, "component") : none;
    struct slice release = any ? member_text(c, "release") : none;
    if (any && (component.len == 0 || release.len == 0)) {
        promotion__end(c, 0); /* which is refused for that */
    } else if (any) {
        promotion__read(c, c->step == READ_OWNER ? "components.choreo.dev" : "releases.choreo.dev",
                        c->step == READ_OWNER ? component : release);
    } else {
        promotion__end(c, 0);
    }
}

void promotion__set_missing(struct promotion_check *c)
{
    struct buf why = {0};
    switch ((enum promotion_step)c->step) {
    case READ_PROJECT:
        buf_addf(&why, "spec.project: there is no project \"%.*s\" in namespace \"%.*s\"",
                 SLICE_ARG(project(c)), SLICE_ARG(c->ns));
        break;
    case READ_OWNER:
        buf_addf(&why, "spec.releases[%zu].component: there is no component \"%.*s\"", c->member,
                 SLICE_ARG(member_text(c, "component")));
        break;
    case READ_RELEASE:
        buf_addf(&why,
                 "spec.releases[%zu].release: there is no release \"%.*s\" of component \"%.*s\"",
                 c->member, SLICE_ARG(member_text(c, "release")),
                 SLICE_ARG(member_text(c, "component")));
        break;
    case READ_PIPELINE:
    case LIST_BINDINGS:
    case READ_WORKFLOW:
        promotion__end(c, 0);
        return;
    }
    promotion__refuse(c, ERR_UNPROCESSABLE, &why);
}

void promotion__set_took(struct promotion_check *c)
{
    struct buf why = {0};
    bool good = true;
    switch ((enum promotion_step)c->step) {
    case READ_PROJECT:
        c->step = READ_PIPELINE;
        promotion__read(c, "deploymentpipelines.choreo.dev", promotion_pipeline_of(c->project));
        return;
    case READ_PIPELINE:
        good = check_spec(c, &why);
        c->step = READ_OWNER;
        break;
    case READ_OWNER:
        good = check_component(c, &why);
        c->step = READ_RELEASE;
        break;
    case READ_RELEASE:
        good = check_release(c, &why);
        c->step = READ_OWNER;
        c->member++;
        break;
    case LIST_BINDINGS:
    case READ_WORKFLOW:
        break;
    }
    if (good) {
        ask(c);
    } else {
        promotion__refuse(c, ERR_UNPROCESSABLE, &why);
    }
}

void promotion__set_start(struct promotion_check *c)
{
    c->step = READ_PROJECT;
    promotion__read(c, "projects.choreo.dev", project(c));
}
