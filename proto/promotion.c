/* promotion.c: readings of trees; whatever is absent or of the wrong type says nothing. */
#include "proto/promotion.h"

#include "proto/object.h"

/* ---- tracks ---- */

static const struct promotion_track tracks[] = {
    {"component",
     "componentName",
     "releaseName",
     {"components.choreo.dev", "releases.choreo.dev", "releasebindings.choreo.dev"},
     {"Component", "Release", "ReleaseBinding"}},
    {"resource",
     "resourceName",
     "resourceRelease",
     {"resources.choreo.dev", "resourcereleases.choreo.dev", "resourcereleasebindings.choreo.dev"},
     {"Resource", "ResourceRelease", "ResourceReleaseBinding"}},
};

enum { TRACKS = sizeof tracks / sizeof *tracks };

/* The component or resource that is named in spec.owner of what the control plane makes, in spec of
 * what people say. */
static struct slice owner_on(const struct promotion_track *track, const json_t *object)
{
    const json_t *spec = json_object_get(object, "spec");
    struct slice name = json_text_at(json_object_get(spec, "owner"), track->owner);
    return name.len > 0 ? name : json_text_at(spec, track->noun);
}

const struct promotion_track *promotion_track_of(const json_t *object)
{
    size_t i = TRACKS - 1;
    while (i > 0 && owner_on(&tracks[i], object).len == 0) {
        i--;
    }
    return &tracks[i];
}

struct slice promotion_owner(const json_t *object)
{
    return owner_on(promotion_track_of(object), object);
}

struct slice promotion_asked(const json_t *binding)
{
    return json_text(json_at(binding, "spec", promotion_track_of(binding)->release, NULL));
}

enum promotion_part promotion_part_of(struct slice resource)
{
    for (size_t i = 0; i < TRACKS; i++) {
        for (size_t k = 0; k < PROMOTION_PARTS; k++) {
            if (slice_eq_cstr(resource, tracks[i].parts[k])) {
                return (enum promotion_part)k;
            }
        }
    }
    return PROMOTION_PARTS;
}

const struct promotion_track *promotion_track_named(struct slice noun)
{
    size_t i = 0;
    while (i < TRACKS && !slice_eq_cstr(noun, tracks[i].noun)) {
        i++;
    }
    return i < TRACKS ? &tracks[i] : NULL;
}

/* ---- pipelines ---- */

static json_t *paths_of(const json_t *pipeline)
{
    return json_at(pipeline, "spec", "promotionPaths", NULL);
}

static struct slice source_of(const json_t *path)
{
    return json_text(json_at(path, "sourceEnvironmentRef", "name", NULL));
}

struct slice promotion_pipeline_of(const json_t *project)
{
    struct slice name = json_text(json_at(project, "spec", "deploymentPipeline", NULL));
    return name.len > 0 ? name : SLICE("default");
}

/* The edge at or behind edge->path and edge->at that leaves `from` and leads to `to`; an empty one
 * is any. */
static bool next_edge(const json_t *pipeline, struct slice from, struct slice to,
                      struct promotion_edge *edge)
{
    json_t *paths = paths_of(pipeline);
    for (; edge->path < json_array_size(paths); edge->path++, edge->at = 0) {
        const json_t *path = json_array_get(paths, edge->path);
        json_t *targets = json_object_get(path, "targetEnvironmentRefs");
        edge->source = source_of(path);
        bool leaves = edge->source.len > 0 && (from.len == 0 || slice_eq(edge->source, from));
        while (leaves && edge->at < json_array_size(targets)) {
            edge->target = json_array_get(targets, edge->at++);
            if (to.len == 0 || slice_eq(json_text_at(edge->target, "name"), to)) {
                return true;
            }
        }
    }
    return false;
}

bool promotion_next_to(const json_t *pipeline, struct slice environment,
                       struct promotion_edge *edge)
{
    return environment.len > 0 && next_edge(pipeline, (struct slice){0}, environment, edge);
}

bool promotion_next_between(const json_t *pipeline, struct slice source, struct slice environment,
                            struct promotion_edge *edge)
{
    return source.len > 0 && environment.len > 0 && next_edge(pipeline, source, environment, edge);
}

bool promotion_next_from(const json_t *pipeline, struct slice environment,
                         struct promotion_edge *edge)
{
    return environment.len > 0 && next_edge(pipeline, environment, (struct slice){0}, edge);
}

bool promotion_is_target(const json_t *pipeline, struct slice environment)
{
    struct promotion_edge edge = {0};
    return promotion_next_to(pipeline, environment, &edge);
}

bool promotion_starts_in(const json_t *pipeline, struct slice environment)
{
    bool source = false;
    size_t i;
    json_t *path;
    json_array_foreach(paths_of(pipeline), i, path)
    {
        source |= environment.len > 0 && slice_eq(source_of(path), environment);
    }
    return source && !promotion_is_target(pipeline, environment);
}

bool promotion_by_hand(const json_t *release)
{
    return slice_eq_cstr(object_annotation(release, PROMOTION_BY_HAND), "true");
}

bool promotion_same_uid(struct slice recorded, struct slice uid)
{
    return recorded.len == 0 || uid.len == 0 || slice_eq(recorded, uid);
}

/* ---- what was where ---- */

/* The rollout of a release at or behind *at of a binding's history, and moves *at behind it. */
static const json_t *next_rollout(const json_t *binding, struct slice release, struct slice uid,
                                  size_t *at)
{
    const json_t *history = json_at(binding, "status", "history", NULL);
    while (release.len > 0 && *at < json_array_size(history)) {
        const json_t *rollout = json_array_get(history, (*at)++);
        if (slice_eq(json_text_at(rollout, "release"), release) &&
            promotion_same_uid(json_text_at(rollout, "uid"), uid)) {
            return rollout;
        }
    }
    return NULL;
}

static bool became_healthy(const json_t *rollout)
{
    return json_text_at(rollout, "healthyAt").len > 0;
}

static bool came_to(const json_t *rollout, const char *outcome)
{
    return slice_eq_cstr(json_text_at(rollout, "outcome"), outcome);
}

/* Whether another came in its place while it was not well. */
static bool ended_unwell(const json_t *rollout)
{
    return json_text_at(rollout, "endedAt").len > 0 &&
           json_text_at(rollout, "healthySince").len == 0;
}

static bool given_up(const json_t *rollout)
{
    return came_to(rollout, "RolledBack") || came_to(rollout, "Failed");
}

bool promotion_taken_back(const json_t *rollout)
{
    return given_up(rollout) || (became_healthy(rollout) && ended_unwell(rollout));
}

const json_t *promotion_healthy(const json_t *binding, struct slice release, struct slice uid)
{
    size_t at = 0;
    const json_t *rollout = next_rollout(binding, release, uid, &at);
    while (rollout != NULL && !became_healthy(rollout)) {
        rollout = next_rollout(binding, release, uid, &at);
    }
    return rollout;
}

/* Whether a rollout is of what was taken off an environment, which stays bound there. */
static bool undeployed(const json_t *binding, const json_t *rollout)
{
    return json_text_at(rollout, "endedAt").len == 0 &&
           slice_eq_cstr(json_text(json_at(binding, "spec", "state", NULL)), "Undeploy");
}

const json_t *promotion_proven(const json_t *binding, struct slice release, struct slice uid)
{
    size_t at = 0;
    const json_t *newest = next_rollout(binding, release, uid, &at);
    bool counts = became_healthy(newest) && !promotion_taken_back(newest);
    return counts && !undeployed(binding, newest) ? newest : NULL;
}

struct slice promotion_proven_anew(const json_t *binding, struct slice release, struct slice uid)
{
    size_t at = 0;
    const json_t *newest = next_rollout(binding, release, uid, &at);
    const json_t *before = next_rollout(binding, release, uid, &at);
    while (before != NULL && !promotion_taken_back(before)) {
        before = next_rollout(binding, release, uid, &at);
    }
    return before != NULL ? json_text_at(newest, "startedAt") : (struct slice){0};
}

struct slice promotion_last_healthy(const json_t *binding)
{
    size_t i;
    json_t *rollout;
    json_array_foreach(json_at(binding, "status", "history", NULL), i, rollout)
    {
        if (became_healthy(rollout) && !promotion_taken_back(rollout)) {
            return json_text_at(rollout, "release");
        }
    }
    return (struct slice){0};
}

/* Whether a rollout is the last word on its release, and speaks for it. What another overtook
 * before it came to anything says nothing. */
static bool speaks_for(const json_t *binding, const json_t *rollout)
{
    size_t at = 0;
    const json_t *last;
    do {
        last = next_rollout(binding, json_text_at(rollout, "release"), json_text_at(rollout, "uid"),
                            &at);
    } while (last != NULL && !became_healthy(last) && !given_up(last));
    return last == rollout && became_healthy(rollout) && !given_up(rollout);
}

const json_t *promotion_next_back(const json_t *binding, struct slice from, size_t *at)
{
    const json_t *history = json_at(binding, "status", "history", NULL);
    size_t count = json_array_size(history);
    while (*at < 2 * count) {
        const json_t *rollout = json_array_get(history, *at % count);
        bool second_round = (*at)++ >= count;
        if (!slice_eq(json_text_at(rollout, "release"), from) && speaks_for(binding, rollout) &&
            ended_unwell(rollout) == second_round) {
            return rollout;
        }
    }
    return NULL;
}

/* ---- who ---- */

static json_t *names_in(const json_t *object, const char *annotation)
{
    json_t *list = NULL;
    struct slice text = object_annotation(object, annotation);
    if (text.len == 0 || json_parse(text, &list, NULL) != 0 || !json_is_array(list)) {
        json_decref(list);
        return json_array();
    }
    return list;
}

static json_t *authors_of(const json_t *object)
{
    return names_in(object, PROMOTION_AUTHORS);
}

static size_t index_of(const json_t *list, struct slice text)
{
    size_t i = 0;
    while (i < json_array_size(list) && !slice_eq(json_text(json_array_get(list, i)), text)) {
        i++;
    }
    return i;
}

static bool is_named(const json_t *object, const char *annotation, struct slice user)
{
    json_t *list = names_in(object, annotation);
    size_t count = json_array_size(list);
    bool found = index_of(list, user) < count || index_of(list, SLICE(PROMOTION_ANYBODY)) < count;
    json_decref(list);
    return found && user.len > 0;
}

bool promotion_is_author(const json_t *object, struct slice user)
{
    return is_named(object, PROMOTION_AUTHORS, user);
}

bool promotion_is_author_before(const json_t *release, struct slice user)
{
    return is_named(release, PROMOTION_AUTHORS_BEFORE, user);
}

struct slice promotion_last_author(struct arena *arena, const json_t *object)
{
    json_t *list = authors_of(object);
    size_t count = json_array_size(list);
    struct slice last = {0};
    if (count > 0) {
        last = arena_copy(arena, json_text(json_array_get(list, count - 1)));
    }
    json_decref(list);
    return last;
}

static void set_names(json_t *object, const char *annotation, const json_t *list)
{
    struct buf text = {0};
    json_canonical(list, &text);
    object_set_annotation(object, annotation, buf_slice(&text));
    buf_free(&text);
}

void promotion_add_author(json_t *object, struct slice user, bool fresh)
{
    json_t *list = fresh ? json_array() : authors_of(object);
    (void)json_array_remove(list, index_of(list, user)); /* the latest is last */
    if (json_array_size(list) >= PROMOTION_AUTHORS_MAX) {
        /* Nobody may approve their own work for being forgotten. */
        json_array_clear(list);
        json_array_append_new(list, json_string(PROMOTION_ANYBODY));
    }
    json_array_append_new(list, json_str(user));
    set_names(object, PROMOTION_AUTHORS, list);
    json_decref(list);
}

void promotion_add_authors(json_t *object, const json_t *from)
{
    json_t *list = authors_of(from);
    size_t i;
    json_t *author;
    json_array_foreach(list, i, author)
    {
        promotion_add_author(object, json_text(author), false);
    }
    json_decref(list);
}

/* Those whom a release tells of: its own authors, and those before it. */
static json_t *all_authors_of(const json_t *release)
{
    json_t *all = names_in(release, PROMOTION_AUTHORS_BEFORE);
    json_t *own = authors_of(release);
    json_array_extend(all, own);
    json_decref(own);
    return all;
}

/* The authors that `gone` tells of and `next` does not. */
static json_t *untold(const json_t *next, const json_t *gone)
{
    json_t *missing = json_array();
    json_t *told = all_authors_of(next);
    json_t *list = all_authors_of(gone);
    bool anybody = index_of(told, SLICE(PROMOTION_ANYBODY)) < json_array_size(told);
    for (size_t i = 0; !anybody && i < json_array_size(list); i++) {
        struct slice author = json_text(json_array_get(list, i));
        if (author.len > 0 && index_of(told, author) == json_array_size(told)) {
            json_array_append_new(missing, json_str(author));
            json_array_append_new(told, json_str(author));
        }
    }
    json_decref(list);
    json_decref(told);
    return missing;
}

bool promotion_has_room(const json_t *next, const json_t *gone)
{
    json_t *missing = untold(next, gone);
    json_t *told = names_in(next, PROMOTION_AUTHORS_BEFORE);
    size_t more = json_array_size(missing);
    bool room = more == 0 || json_array_size(told) + more <= PROMOTION_AUTHORS_MAX;
    json_decref(told);
    json_decref(missing);
    return room;
}

bool promotion_inherit_authors(json_t *next, const json_t *gone)
{
    json_t *missing = untold(next, gone);
    bool adds = json_array_size(missing) > 0;
    if (adds) {
        json_t *list = names_in(next, PROMOTION_AUTHORS_BEFORE);
        json_array_extend(list, missing);
        set_names(next, PROMOTION_AUTHORS_BEFORE, list);
        json_decref(list);
    }
    json_decref(missing);
    return adds;
}

bool promotion_is_released(const json_t *component)
{
    const json_t *released = object_condition(component, "Released");
    const json_t *observed = json_object_get(released, "observedGeneration");
    return object_condition_true(component, "Released") &&
           json_integer_value(observed) == object_generation(component);
}

bool promotion_may_approve(const json_t *target, const json_t *groups)
{
    const json_t *asked = json_object_get(target, "approverGroups");
    if (json_array_size(asked) == 0) {
        return index_of(groups, SLICE(PROMOTION_APPROVERS)) < json_array_size(groups);
    }
    for (size_t i = 0; i < json_array_size(asked); i++) {
        struct slice group = json_text(json_array_get(asked, i));
        if (index_of(groups, group) < json_array_size(groups)) {
            return true;
        }
    }
    return false;
}

void promotion_approvers(const json_t *target, struct buf *out)
{
    const json_t *asked = json_object_get(target, "approverGroups");
    size_t count = json_array_size(asked);
    if (count == 0) {
        buf_add_cstr(out, "group \"" PROMOTION_APPROVERS "\"");
        return;
    }
    buf_add_cstr(out, count == 1 ? "group " : "one of the groups ");
    for (size_t i = 0; i < count; i++) {
        buf_addf(out, "%s\"%.*s\"", i > 0 ? ", " : "",
                 SLICE_ARG(json_text(json_array_get(asked, i))));
    }
}

/* ---- where to ---- */

const json_t *promotion_binding_in(const json_t *bindings, struct slice environment)
{
    const json_t *oldest = NULL;
    for (size_t i = 0; i < json_array_size(bindings); i++) {
        const json_t *binding = json_array_get(bindings, i);
        if (slice_eq(json_text(json_at(binding, "spec", "environment", NULL)), environment) &&
            (oldest == NULL || object_age_order(binding, oldest) < 0)) {
            oldest = binding;
        }
    }
    return oldest;
}

/* "development -> staging, staging -> production" */
static void add_graph(const json_t *pipeline, struct buf *out)
{
    struct promotion_edge edge = {0};
    size_t count = 0;
    while (count < 8 && next_edge(pipeline, (struct slice){0}, (struct slice){0}, &edge)) {
        buf_addf(out, "%s%.*s -> %.*s", count++ > 0 ? ", " : "", SLICE_ARG(edge.source),
                 SLICE_ARG(json_text_at(edge.target, "name")));
    }
    buf_add_cstr(out, count == 0 ? "nowhere" : "");
}

/* Why a release that was healthy where a binding is, is not proven there. */
static void add_unproven(const json_t *binding, struct slice release, struct slice uid,
                         struct slice environment, struct buf *out)
{
    size_t at = 0;
    const json_t *newest = next_rollout(binding, release, uid, &at);
    struct slice cause = json_text_at(newest, "cause");
    struct slice ended = json_text_at(newest, "endedAt");
    struct slice where = json_text(json_at(binding, "spec", "environment", NULL));
    buf_addf(out, "release \"%.*s\" ", SLICE_ARG(release));
    if (!promotion_taken_back(newest) && !undeployed(binding, newest)) {
        buf_addf(out,
                 "has not been healthy in \"%.*s\" since it was deployed there again at %.*s: it "
                 "may go on to \"%.*s\" once it is",
                 SLICE_ARG(where), SLICE_ARG(json_text_at(newest, "startedAt")),
                 SLICE_ARG(environment));
        return;
    }
    if (came_to(newest, "Failed")) {
        buf_addf(out, "failed in \"%.*s\" (it %.*s)", SLICE_ARG(where),
                 SLICE_ARG(cause.len > 0 ? cause : SLICE("was not healthy by its deadline")));
    } else if (came_to(newest, "RolledBack")) {
        buf_addf(out, "was taken back in \"%.*s\" at %.*s", SLICE_ARG(where), SLICE_ARG(ended));
    } else if (undeployed(binding, newest)) {
        buf_addf(out, "is undeployed in \"%.*s\"", SLICE_ARG(where));
    } else {
        buf_addf(out, "was not healthy in \"%.*s\" when another came in its place at %.*s",
                 SLICE_ARG(where), SLICE_ARG(ended));
    }
    buf_addf(out,
             ", so that it had been healthy there proves nothing: deploy it there again before it "
             "goes on to \"%.*s\"",
             SLICE_ARG(environment));
}

bool promotion_refused(const json_t *pipeline, const json_t *bindings, struct slice environment,
                       struct slice release, struct slice uid, struct buf *why, const char **reason)
{
    if (promotion_starts_in(pipeline, environment) ||
        promotion_healthy(promotion_binding_in(bindings, environment), release, uid) != NULL) {
        return false;
    }
    struct buf sources = {0};
    struct promotion_edge edge = {0};
    const json_t *unproven = NULL; /* where it was healthy nevertheless */
    while (promotion_next_to(pipeline, environment, &edge)) {
        const json_t *source = promotion_binding_in(bindings, edge.source);
        if (promotion_proven(source, release, uid) != NULL) {
            buf_free(&sources);
            return false;
        }
        bool was = promotion_healthy(source, release, uid) != NULL;
        unproven = unproven == NULL && was ? source : unproven;
        buf_addf(&sources, "%s\"%.*s\"", sources.len > 0 ? " or " : "", SLICE_ARG(edge.source));
    }
    struct slice name = object_name(pipeline);
    *reason = sources.len == 0 ? "NotReached" : "NotProven";
    if (sources.len == 0) {
        buf_addf(why, "pipeline \"%.*s\" does not lead to environment \"%.*s\": it goes ",
                 SLICE_ARG(name), SLICE_ARG(environment));
        add_graph(pipeline, why);
    } else if (unproven != NULL) {
        add_unproven(unproven, release, uid, environment, why);
    } else {
        buf_addf(why,
                 "release \"%.*s\" has never been healthy in %.*s, from where pipeline \"%.*s\" "
                 "leads to \"%.*s\": deploy it there first",
                 SLICE_ARG(release), SLICE_ARG(buf_slice(&sources)), SLICE_ARG(name),
                 SLICE_ARG(environment));
    }
    buf_free(&sources);
    return true;
}
