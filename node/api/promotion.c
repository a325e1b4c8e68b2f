/* promotion.c: reads what a decision needs, one object after another, and decides.
 *
 * Happy path: each step reads one object, linearizably (all are of one namespace, so of one shard,
 * but for a ClusterWorkflow); the last lists the bindings; then the trees are judged by
 * proto/promotion.h. Failure path: an object that is not there ends the questions early. For a
 * binding that is no refusal but a warning, since it may still come, from the next file that one
 * applies; an approval or a result of what is not there means nothing, and is refused. */
#include "node/api/promotion_internal.h"

#include "proto/promotion.h"
#include "proto/schema.h"
#include "proto/selector.h"

#define RESOURCE_APPROVAL "releaseapprovals.choreo.dev"
#define RESOURCE_TEST "testresults.choreo.dev"
#define RESOURCE_SET "releasesets.choreo.dev"
#define RESOURCE_RUN "workflowruns.choreo.dev"

static void next(struct promotion_check *c);

static struct slice text(const json_t *object, const char *a, const char *b)
{
    return json_text(json_at(object, "spec", a, b, NULL));
}

static bool is_binding(const struct promotion_check *c)
{
    return promotion_part_of(c->kind->resource) == PROMOTION_BINDING;
}

static bool is_test(const struct promotion_check *c)
{
    return slice_eq_cstr(c->kind->resource, RESOURCE_TEST);
}

static bool is_set(const struct promotion_check *c)
{
    return slice_eq_cstr(c->kind->resource, RESOURCE_SET);
}

static bool is_run(const struct promotion_check *c)
{
    return slice_eq_cstr(c->kind->resource, RESOURCE_RUN);
}

static struct slice release_name(const struct promotion_check *c)
{
    return is_binding(c) ? promotion_asked(c->object) : text(c->object, "release", NULL);
}

static bool same(const json_t *before, const json_t *after, const char *key)
{
    const json_t *a = json_at(before, "spec", key, NULL);
    const json_t *b = json_at(after, "spec", key, NULL);
    return a == b || (a != NULL && b != NULL && json_equal(a, b));
}

bool promotion_concerns(const struct kind *kind, const json_t *before, const json_t *after)
{
    if (promotion_part_of(kind->resource) == PROMOTION_BINDING) {
        return promotion_asked(after).len > 0 && !object_deleting(after) &&
               (before == NULL || !same(before, after, promotion_track_of(after)->release) ||
                !same(before, after, "owner"));
    }
    if (slice_eq_cstr(kind->resource, RESOURCE_SET)) {
        return before == NULL && promotion__set_concerns(after);
    }
    if (slice_eq_cstr(kind->resource, RESOURCE_RUN)) {
        return before == NULL && promotion__run_concerns(after);
    }
    return before == NULL && (slice_eq_cstr(kind->resource, RESOURCE_APPROVAL) ||
                              slice_eq_cstr(kind->resource, RESOURCE_TEST));
}

/* ---- the end ---- */

void promotion__end(struct promotion_check *c, int rc)
{
    buf_free(&c->name);
    c->done(c, rc, rc != 0 ? &c->err : NULL);
}

void promotion__refuse(struct promotion_check *c, int code, struct buf *why)
{
    int rc = err_set(&c->err, code, "%s", buf_cstr(why));
    buf_free(why);
    promotion__end(c, rc);
}

/* What the decision would be about is not there. */
static void not_there(struct promotion_check *c, const char *what)
{
    struct buf why = {0};
    if (is_binding(c)) { /* it may come later: the controller waits for it */
        c->warning = slice_of(arena_printf(
            c->arena,
            "there is no %s \"%s\" in namespace \"%.*s\": what runs in \"%.*s\" stays until "
            "there is",
            what, buf_cstr(&c->name), SLICE_ARG(c->ns),
            SLICE_ARG(text(c->object, "environment", NULL))));
        promotion__end(c, 0);
        return;
    }
    buf_addf(&why, "%.*s: there is no %s \"%s\" in namespace \"%.*s\"",
             SLICE_ARG(c->kind->resource), what, buf_cstr(&c->name), SLICE_ARG(c->ns));
    promotion__refuse(c, ERR_UNPROCESSABLE, &why);
}

/* ---- the decisions ---- */

static void decide_binding(struct promotion_check *c)
{
    struct buf why = {0};
    const char *reason = NULL;
    if (promotion_refused(c->pipeline, c->bindings, text(c->object, "environment", NULL),
                          release_name(c), object_uid(c->release), &why, &reason)) {
        promotion__refuse(c, ERR_UNPROCESSABLE, &why);
        return;
    }
    promotion__end(c, 0);
}

/* Who could open the edges that ask for approval; true if the subject can open one. */
static bool may_open(struct promotion_check *c, struct slice environment, struct buf *asked)
{
    struct promotion_edge edge = {0};
    bool may = false;
    json_t *groups = json_array();
    for (size_t i = 0; i < c->subject->group_count; i++) {
        json_array_append_new(groups, json_str(c->subject->groups[i]));
    }
    while (promotion_next_to(c->pipeline, environment, &edge)) {
        if (json_is_true(json_object_get(edge.target, "requiresApproval"))) {
            may = may || promotion_may_approve(edge.target, groups);
            buf_addf(asked, "%s\"%.*s\" -> \"%.*s\" is approved by ", asked->len > 0 ? "; " : "",
                     SLICE_ARG(edge.source), SLICE_ARG(environment));
            promotion_approvers(edge.target, asked);
        }
    }
    json_decref(groups);
    return may;
}

static void decide_approval(struct promotion_check *c)
{
    struct slice user = c->subject->user;
    struct slice environment = text(c->object, "environment", NULL);
    const json_t *binding = promotion_binding_in(c->bindings, environment);
    bool asked_for = slice_eq(promotion_asked(binding), release_name(c)) &&
                     slice_eq(object_annotation(binding, PROMOTION_REQUESTED_BY), user);
    struct buf asked = {0};
    struct buf why = {0};
    bool may = may_open(c, environment, &asked);
    int code = ERR_FORBIDDEN;
    if (asked.len == 0) {
        code = ERR_UNPROCESSABLE;
        buf_addf(&why,
                 "there is nothing to approve: no edge of pipeline \"%.*s\" that leads to \"%.*s\" "
                 "asks for approval",
                 SLICE_ARG(object_name(c->pipeline)), SLICE_ARG(environment));
    } else if (promotion_is_author(c->release, SLICE(PROMOTION_ANYBODY))) {
        buf_addf(&why, "release \"%.*s\" has more authors than can be named: \"%.*s\" may be one",
                 SLICE_ARG(release_name(c)), SLICE_ARG(user));
    } else if (promotion_is_author(c->release, user)) {
        buf_addf(&why, "\"%.*s\" is an author of release \"%.*s\": somebody else has to approve it",
                 SLICE_ARG(user), SLICE_ARG(release_name(c)));
    } else if (asked_for) {
        buf_addf(&why,
                 "\"%.*s\" asked for the promotion of release \"%.*s\" to \"%.*s\": somebody else "
                 "has to approve it",
                 SLICE_ARG(user), SLICE_ARG(release_name(c)), SLICE_ARG(environment));
    } else if (!may) {
        buf_addf(&why, "\"%.*s\" may not approve this: %s", SLICE_ARG(user), buf_cstr(&asked));
    }
    buf_free(&asked);
    if (why.len > 0) {
        promotion__refuse(c, code, &why);
    } else {
        promotion__end(c, 0);
    }
}

/* ---- reading ---- */

static void release_tree(void *tree)
{
    json_decref(tree);
}

static int keep(struct promotion_check *c, const struct backend_object *object, json_t **tree)
{
    int rc = object_parse(object->body, object->version, tree, &c->err);
    if (rc == 0) {
        arena_own(c->arena, *tree, release_tree);
    }
    return rc;
}

/* What is said of a release says of whose. */
static bool names_one_owner(const struct promotion_check *c)
{
    bool component = text(c->object, "component", NULL).len > 0;
    bool resource = text(c->object, "resource", NULL).len > 0;
    return is_binding(c) || component != resource;
}

/* The release is there: is it that owner's? What speaks of it goes with it. */
static void took_release(struct promotion_check *c)
{
    struct slice of = promotion_owner(c->release);
    struct slice owner = promotion_owner(c->object);
    struct buf why = {0};
    if (!names_one_owner(c)) {
        buf_addf(&why, "%.*s: either spec.component or spec.resource says whose release it is",
                 SLICE_ARG(c->kind->resource));
        promotion__refuse(c, ERR_UNPROCESSABLE, &why);
        return;
    }
    if (!slice_eq(of, owner)) {
        buf_addf(&why, "release \"%.*s\" is one of %s \"%.*s\", not of \"%.*s\"",
                 SLICE_ARG(release_name(c)), c->track->noun, SLICE_ARG(of), SLICE_ARG(owner));
        promotion__refuse(c, ERR_UNPROCESSABLE, &why);
        return;
    }
    if (!is_binding(c)) {
        object_add_owner(c->object, c->release, false);
        json_object_set_new(json_object_get(c->object, "spec"), "releaseUID",
                            json_str(object_uid(c->release)));
    }
    if (is_test(c)) {
        promotion__end(c, 0);
        return;
    }
    next(c);
}

static void on_missing(struct promotion_check *c)
{
    const char *const *ours = c->track->kinds;
    const char *const kinds[] = {ours[PROMOTION_RELEASE], ours[PROMOTION_OWNER], "Project",
                                 "DeploymentPipeline"};
    if (is_set(c)) {
        promotion__set_missing(c);
    } else if (is_run(c)) {
        promotion__run_missing(c);
    } else {
        not_there(c, kinds[c->step]);
    }
}

static void on_get(struct backend_get *get, int rc, const struct err *err)
{
    struct promotion_check *c = get->user;
    json_t **trees[] = {&c->release,  &c->owner,    &c->project,
                        &c->pipeline, &c->bindings, &c->workflow};
    enum promotion_step step = (enum promotion_step)c->step;
    if (rc == 0) {
        rc = keep(c, &get->object, trees[step]);
    } else if (rc == ERR_NOT_FOUND) {
        /* The project `default` need not exist. */
        if (step != READ_PROJECT || !slice_eq_cstr(buf_slice(&c->name), "default")) {
            on_missing(c);
            return;
        }
        rc = 0;
    } else if (err != NULL) {
        c->err = *err;
    }
    if (rc != 0) {
        promotion__end(c, rc);
        return;
    }
    if (is_set(c)) {
        promotion__set_took(c);
        return;
    }
    if (is_run(c)) {
        promotion__run_took(c);
        return;
    }
    c->step++;
    if (step == READ_RELEASE) {
        took_release(c);
    } else {
        next(c);
    }
}

static void read_in(struct promotion_check *c, struct slice ns, const char *resource,
                    struct slice name)
{
    buf_clear(&c->name);
    buf_add(&c->name, name);
    c->get = (struct backend_get){
        .loop = c->loop,
        .key = {.resource = slice_of(resource), .ns = ns, .name = buf_slice(&c->name)},
        .consistency = BACKEND_LINEARIZABLE,
        .deadline_ms = c->deadline_ms,
        .user = c,
        .done = on_get,
    };
    c->backend->ops->get(c->backend, &c->get);
}

void promotion__read(struct promotion_check *c, const char *resource, struct slice name)
{
    read_in(c, c->ns, resource, name);
}

void promotion__read_shared(struct promotion_check *c, const char *resource, struct slice name)
{
    read_in(c, (struct slice){0}, resource, name);
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct promotion_check *c = list->user;
    json_t *tree = NULL;
    struct slice raw;
    backend_cursor_set(&c->cursor, &object->key);
    if (json_scan(object->body, &raw, "spec", "owner", c->track->owner, NULL) &&
        slice_eq(json_unquote(raw, c->arena), promotion_owner(c->object)) &&
        object_parse(object->body, object->version, &tree, NULL) == 0) {
        json_array_append_new(c->bindings, tree);
    }
}

static void on_page(struct backend_list *list, int rc, const struct err *err)
{
    struct promotion_check *c = list->user;
    if (rc != 0) {
        c->err = err != NULL ? *err : c->err;
        promotion__end(c, rc);
    } else if (list->more) {
        backend_list_next(list, &c->cursor);
        c->backend->ops->list(c->backend, list);
    } else if (is_binding(c)) {
        decide_binding(c);
    } else {
        decide_approval(c);
    }
}

static void release_selector(void *selector)
{
    selector_free(selector);
}

/* The owner's bindings, so that those of a whole namespace are not sent here; on_row() looks once
 * more, and alone where the name is none that a selector could have. */
static const struct selector *choose_bindings(struct promotion_check *c)
{
    struct selector *chosen = NULL;
    struct slice owner = promotion_owner(c->object);
    const char *field =
        arena_printf(c->arena, "spec.owner.%s=%.*s", c->track->owner, SLICE_ARG(owner));
    const struct kind *kind =
        kind_by_resource(c->kinds, slice_of(c->track->parts[PROMOTION_BINDING]));
    if (schema_dns_name(owner) == NULL &&
        selector_parse((struct slice){0}, slice_of(field), kind, &chosen, NULL) == 0) {
        arena_own(c->arena, chosen, release_selector);
    }
    return chosen;
}

static void list_bindings(struct promotion_check *c)
{
    c->bindings = json_array();
    arena_own(c->arena, c->bindings, release_tree);
    c->list = (struct backend_list){.loop = c->loop,
                                    .resource = slice_of(c->track->parts[PROMOTION_BINDING]),
                                    .ns = c->ns,
                                    .selector = choose_bindings(c),
                                    .consistency = BACKEND_LINEARIZABLE,
                                    .limit = BACKEND_PAGE_ROWS_MAX,
                                    .deadline_ms = c->deadline_ms,
                                    .user = c,
                                    .row = on_row,
                                    .done = on_page};
    c->backend->ops->list(c->backend, &c->list);
}

/* As controllers find it, but for projects that list a component: those are in its status. */
static struct slice project_name(const struct promotion_check *c)
{
    struct slice name = text(c->owner, "project", NULL);
    name = name.len > 0 ? name : json_text(json_at(c->owner, "status", "project", NULL));
    return name.len > 0 ? name : SLICE("default");
}

static void next(struct promotion_check *c)
{
    switch ((enum promotion_step)c->step) {
    case READ_RELEASE:
        promotion__read(c, c->track->parts[PROMOTION_RELEASE], release_name(c));
        break;
    case READ_OWNER:
        promotion__read(c, c->track->parts[PROMOTION_OWNER], promotion_owner(c->object));
        break;
    case READ_PROJECT:
        promotion__read(c, "projects.choreo.dev", project_name(c));
        break;
    case READ_PIPELINE:
        promotion__read(c, "deploymentpipelines.choreo.dev", promotion_pipeline_of(c->project));
        break;
    case LIST_BINDINGS:
        list_bindings(c);
        break;
    case READ_WORKFLOW: /* of a run alone */
        break;
    }
}

void promotion_check_start(struct promotion_check *check)
{
    check->track = promotion_track_of(check->object);
    if (is_set(check)) {
        promotion__set_start(check);
    } else if (is_run(check)) {
        promotion__run_start(check);
    } else {
        next(check);
    }
}
