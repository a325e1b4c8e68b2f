/* reviews.c: the answers to reviews.
 *
 * Happy path: the kind chooses a function, which puts the status in; what the client said of
 * metadata beyond name and namespace means nothing here and goes. Failure path: a token that is
 * nobody's is an answer, not an error. */
#include "node/api/reviews.h"

#include <string.h>

/* ---- access ---- */

static struct slice text_at(const json_t *from, const char *name)
{
    return json_text_at(from, name);
}

/* The one decision, for a question in `spec`. */
static bool allowed(const struct subject *subject, const json_t *spec)
{
    const json_t *resource = json_object_get(spec, "resourceAttributes");
    const json_t *path = json_object_get(spec, "nonResourceAttributes");
    const struct auth_request about_path = {
        .subject = subject,
        .verb = text_at(path, "verb"),
        .path = text_at(path, "path"),
    };
    const struct auth_request about_resource = {
        .subject = subject,
        .verb = text_at(resource, "verb"),
        .group = text_at(resource, "group"),
        .resource = text_at(resource, "resource"),
        .subresource = text_at(resource, "subresource"),
        .ns = text_at(resource, "namespace"),
        .name = text_at(resource, "name"),
    };
    if (path == NULL && about_resource.resource.len == 0) {
        return false; /* that would be a path */
    }
    return auth_allows(path != NULL ? &about_path : &about_resource);
}

static int self_access(struct review *r, json_t **status, struct err *err)
{
    (void)err;
    *status =
        json_pack("{s:b}", "allowed", allowed(r->subject, json_object_get(r->object, "spec")));
    return 0;
}

static int subject_access(struct review *r, json_t **status, struct err *err)
{
    const json_t *spec = json_object_get(r->object, "spec");
    const json_t *groups = json_object_get(spec, "groups");
    struct subject subject = {.user = text_at(spec, "user"), .uid = text_at(spec, "uid")};
    for (size_t i = 0; i < json_array_size(groups); i++) {
        if (!subject_add_group(&subject, json_text(json_array_get(groups, i)))) {
            return err_set(err, ERR_INVALID, "spec.groups: at most %d", SUBJECT_GROUPS_MAX);
        }
    }
    *status = json_pack("{s:b}", "allowed", allowed(&subject, spec));
    return 0;
}

static int rules(struct review *r, json_t **status, struct err *err)
{
    (void)err;
    struct slice ns = json_text(json_at(r->object, "spec", "namespace", NULL));
    *status = review_rules(r->api, r->arena, r->subject, ns);
    return 0;
}

/* ---- identity ---- */

static json_t *user_info(const struct subject *s)
{
    json_t *groups = json_array();
    json_t *extra = json_object();
    for (size_t i = 0; i < s->group_count; i++) {
        json_array_append_new(groups, json_str(s->groups[i]));
    }
    for (size_t i = 0; i < s->extra_count; i++) {
        struct slice key = s->extras[i].key;
        json_t *values = json_object_getn(extra, key.data, key.len);
        if (values == NULL) {
            values = json_array();
            json_object_setn_new(extra, key.data, key.len, values);
        }
        json_array_append_new(values, json_str(s->extras[i].value));
    }
    json_t *info = json_pack("{s:o,s:o}", "username", json_str(s->user), "groups", groups);
    if (s->uid.len > 0) {
        json_object_set_new(info, "uid", json_str(s->uid));
    }
    if (s->extra_count > 0) {
        json_object_set(info, "extra", extra);
    }
    json_decref(extra);
    return info;
}

static int self(struct review *r, json_t **status, struct err *err)
{
    (void)err;
    *status = json_pack("{s:o}", "userInfo", user_info(r->subject));
    return 0;
}

static int token(struct review *r, json_t **status, struct err *err)
{
    struct slice text = json_text(json_at(r->object, "spec", "token", NULL));
    const char *authorization = arena_printf(r->arena, "Bearer %.*s", SLICE_ARG(text));
    struct subject subject = {0};
    struct err why = {0};
    (void)err;
    if (api_identify(r->api, NULL, slice_of(authorization), r->arena, &subject, &why) == 0) {
        *status = json_pack("{s:b,s:o}", "authenticated", 1, "user", user_info(&subject));
    } else {
        *status = json_pack("{s:b,s:s}", "authenticated", 0, "error", why.message);
    }
    return 0;
}

/* ---- all of them ---- */

static const struct answer {
    const char *resource;
    int (*answer)(struct review *r, json_t **status, struct err *err);
} answers[] = {
    {"selfsubjectaccessreviews.authorization.k8s.io", self_access},
    {"subjectaccessreviews.authorization.k8s.io", subject_access},
    {"localsubjectaccessreviews.authorization.k8s.io", subject_access},
    {"selfsubjectrulesreviews.authorization.k8s.io", rules},
    {"selfsubjectreviews.authentication.k8s.io", self},
    {"tokenreviews.authentication.k8s.io", token},
};

static int answer(struct review *r, json_t **status)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (slice_eq_cstr(r->kind->resource, answers[i].resource)) {
            return answers[i].answer(r, status, &r->err);
        }
    }
    return err_set(&r->err, ERR_METHOD, "%.*s are not answered here", SLICE_ARG(r->kind->resource));
}

static void finish(struct loop_msg *msg)
{
    struct review *r = CONTAINER_OF(msg, struct review, defer);
    r->done(r, r->rc, r->rc != 0 ? &r->err : NULL);
}

static void keep_place(json_t *object)
{
    static const char *const kept[] = {"name", "namespace"};
    json_t *before = json_object_get(object, "metadata");
    json_t *meta = json_object();
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        json_t *value = json_object_get(before, kept[i]);
        if (value != NULL) {
            json_object_set(meta, kept[i], value);
        }
    }
    json_object_set_new(meta, "creationTimestamp", json_null()); /* as Kubernetes has it */
    json_object_set_new(object, "metadata", meta);
}

void review_start(struct review *r)
{
    json_t *status = NULL;
    r->err = (struct err){0};
    r->rc = answer(r, &status);
    if (r->rc == 0) {
        keep_place(r->object);
        json_object_set_new(r->object, "status", status);
    }
    r->defer.run = finish;
    loop_post(r->loop, &r->defer);
}
