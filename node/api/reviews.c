/* reviews.c: the answers to reviews.
 *
 * Happy path: the kind chooses a function, which puts the status in; what the client said of
 * metadata beyond name and namespace means nothing here and goes. What concerns a service account
 * reads it first.
 * Failure path: a token that is nobody's is an answer, not an error. */
#include "node/api/reviews.h"

#include <string.h>

#include "proto/object.h"

/* ---- the end ---- */

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

/* Takes status. */
static void put_status(struct review *r, json_t *status)
{
    keep_place(r->object);
    json_object_set_new(r->object, "status", status);
}

static void complete(struct review *r, json_t *status)
{
    put_status(r, status);
    r->done(r, 0, NULL);
}

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

static struct slice own_audience(const struct review *r)
{
    const struct auth *auth = r->api->config.auth;
    return slice_of(auth != NULL && auth->cluster != NULL ? auth->cluster : "");
}

static json_t *matched_audiences(const struct token_audiences *audiences)
{
    json_t *list = json_array();
    for (size_t i = 0; i < audiences->count; i++) {
        if (audiences->matched[i]) {
            json_array_append_new(list, json_str(audiences->wanted[i]));
        }
    }
    return list;
}

static json_t *nobody(const struct err *why)
{
    return json_pack("{s:b,s:s}", "authenticated", 0, "error", why->message);
}

static json_t *somebody(const struct review *r)
{
    json_t *status = json_pack("{s:b,s:o}", "authenticated", 1, "user", user_info(&r->found));
    if (own_audience(r).len > 0) { /* else there are none to speak of */
        json_object_set_new(status, "audiences", matched_audiences(&r->audiences));
    }
    return status;
}

static void on_account(struct account_check *check, int rc, const struct err *err)
{
    struct review *r = CONTAINER_OF(check, struct review, check);
    if (rc == 0 || rc == ERR_UNAUTHENTICATED) {
        complete(r, rc == 0 ? somebody(r) : nobody(err));
    } else {
        r->done(r, rc, err);
    }
}

/* spec.audiences, or the server's own. */
static void take_audiences(struct review *r)
{
    const json_t *list = json_at(r->object, "spec", "audiences", NULL);
    size_t count = json_array_size(list);
    count = count < TOKEN_AUDIENCES_MAX ? count : TOKEN_AUDIENCES_MAX;
    struct slice *wanted = arena_alloc(r->arena, (count + 1) * sizeof(*wanted));
    wanted[0] = own_audience(r);
    for (size_t i = 0; i < count; i++) {
        wanted[i] = json_text(json_array_get(list, i));
    }
    r->audiences = (struct token_audiences){.wanted = wanted, .count = count > 0 ? count : 1};
}

/* Whose it is for those who accept the audiences; for the server's own as for any request. */
static int identify(struct review *r, struct slice text, struct err *why)
{
    const struct auth *auth = r->api->config.auth;
    const struct clock *clock = r->api->clock;
    for (size_t i = 0; i < r->audiences.count; i++) {
        if (slice_eq(r->audiences.wanted[i], own_audience(r))) {
            const char *bearer = arena_printf(r->arena, "Bearer %.*s", SLICE_ARG(text));
            r->audiences.matched[i] = true;
            return api_identify(r->api, NULL, slice_of(bearer), r->arena, &r->found, why);
        }
    }
    if (auth == NULL || auth->token_key == NULL) {
        return err_set(why, ERR_UNAUTHENTICATED, "the token is for none of these audiences");
    }
    int rc = token_check_audiences(auth->token_key, text, &r->audiences, clock->wall_ms(clock),
                                   r->arena, &r->found, why);
    return rc != 0 || subject_add_group(&r->found, SLICE(GROUP_AUTHENTICATED))
               ? rc
               : err_set(why, ERR_UNAUTHENTICATED, "the subject is in too many groups");
}

static int token(struct review *r, json_t **status, struct err *err)
{
    struct err why = {0};
    (void)err;
    take_audiences(r);
    int rc = identify(r, json_text(json_at(r->object, "spec", "token", NULL)), &why);
    r->waits = rc == 0 && account_bound(&r->found) != NULL;
    if (r->waits) {
        r->check = (struct account_check){
            .api = r->api, .loop = r->loop, .subject = &r->found, .done = on_account};
        account_check_start(&r->check);
    } else {
        *status = rc == 0 ? somebody(r) : nobody(&why);
    }
    return 0;
}

/* ---- tokens of accounts ---- */

static int issue(struct review *r, struct slice uid, json_t **status, struct err *err)
{
    const struct auth *auth = r->api->config.auth;
    const struct token_account account = {.ns = r->ns,
                                          .name = r->name,
                                          .uid = uid,
                                          .audiences = r->audiences.wanted,
                                          .audience_count = r->audiences.count};
    json_t *spec = json_object_get(r->object, "spec");
    uint64_t now_ms = r->api->clock->wall_ms(r->api->clock);
    uint64_t valid_ms =
        (uint64_t)json_integer_value(json_object_get(spec, "expirationSeconds")) * 1000;
    struct buf text = {0};
    char ends[21];
    if (auth == NULL || auth->token_key == NULL) {
        return err_set(err, ERR_METHOD, "this server issues no tokens");
    }
    int rc = r->dry_run
                 ? 0
                 : token_issue_account(auth->token_key, &account, now_ms, valid_ms, &text, err);
    if (rc == 0) {
        clock_rfc3339(now_ms + valid_ms, ends);
        for (size_t i = 0; i < r->audiences.count; i++) {
            r->audiences.matched[i] = true;
        }
        json_object_set_new(spec, "audiences", matched_audiences(&r->audiences));
        *status = json_pack("{s:o,s:s}", "token", json_str(buf_slice(&text)), "expirationTimestamp",
                            ends);
    }
    buf_free(&text);
    return rc;
}

static void on_account_read(struct backend_get *get, int rc, const struct err *err)
{
    struct review *r = get->user;
    struct object_meta meta = {0};
    json_t *status = NULL;
    if (rc == ERR_NOT_FOUND) {
        rc = err_set(&r->err, rc, "serviceaccounts \"%.*s\" not found", SLICE_ARG(r->name));
        err = &r->err;
    }
    if (rc == 0) {
        rc = object_meta(get->object.body, r->arena, &meta, &r->err);
        if (rc == 0 && meta.deleted.len > 0) {
            rc = err_set(&r->err, ERR_CONFLICT,
                         "serviceaccounts \"%.*s\" is being deleted: it gets no more tokens",
                         SLICE_ARG(r->name));
        }
        rc = rc != 0 ? rc : issue(r, meta.uid, &status, &r->err);
        err = &r->err;
    }
    if (rc == 0) {
        complete(r, status);
    } else {
        r->done(r, rc, err);
    }
}

static int token_request(struct review *r, json_t **status, struct err *err)
{
    (void)status;
    (void)err;
    r->waits = true;
    take_audiences(r);
    r->get = (struct backend_get){
        .loop = r->loop,
        .key = {.resource = SLICE("serviceaccounts"), .ns = r->ns, .name = r->name},
        .consistency = BACKEND_LINEARIZABLE,
        .deadline_ms = r->deadline_ms,
        .user = r,
        .done = on_account_read,
    };
    r->api->backend->ops->get(r->api->backend, &r->get);
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
    {"tokenrequests.authentication.k8s.io", token_request},
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

void review_start(struct review *r)
{
    json_t *status = NULL;
    r->err = (struct err){0};
    r->rc = answer(r, &status);
    if (r->waits) {
        return;
    }
    if (r->rc == 0) {
        put_status(r, status);
    }
    r->defer.run = finish;
    loop_post(r->loop, &r->defer);
}
