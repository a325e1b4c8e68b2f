/* auth.c: authentication and the three built-in roles.
 *
 * A request's credentials are one of: a bearer token, a client certificate that TLS has verified
 * against the cluster's CA, or none. Two kinds at once are no error: the token was put there on
 * purpose, the certificate may be a proxy's.
 * Authorization is a short list of grants; whatever no grant covers is refused. */
#include "node/auth/auth.h"

#include <string.h>

#include "base/crypto.h"

static int from_token(const struct auth *a, struct slice token, uint64_t now_wall_ms,
                      struct arena *arena, struct subject *subject, struct err *err)
{
    if (a->static_token != NULL && crypto_equal(token, slice_of(a->static_token))) {
        *subject = (struct subject){.user = SLICE("admin")};
        (void)subject_add_group(subject, SLICE(GROUP_ADMIN));
        return 0;
    }
    if (a->token_key == NULL) {
        return err_set(err, ERR_UNAUTHENTICATED, "the bearer token is not known here");
    }
    return token_check(a->token_key, a->cluster, token, now_wall_ms, arena, subject, err);
}

static int from_certificate(const struct tls_peer *peer, struct arena *arena,
                            struct subject *subject, struct err *err)
{
    *subject = (struct subject){.user = arena_copy(arena, peer->common_name)};
    for (size_t i = 0; i < peer->organization_count; i++) {
        if (!subject_add_group(subject, arena_copy(arena, peer->organizations[i]))) {
            return err_set(err, ERR_UNAUTHENTICATED, "the certificate names more than %d groups",
                           SUBJECT_GROUPS_MAX);
        }
    }
    return 0;
}

int auth_authenticate(const struct auth *a, const struct tls_peer *peer, struct slice authorization,
                      uint64_t now_wall_ms, struct arena *arena, struct subject *subject,
                      struct err *err)
{
    int rc = 0;
    if (authorization.len > 0) {
        struct slice scheme = slice_sub(authorization, 0, 7);
        if (scheme.len < 7 || strncasecmp(scheme.data, "Bearer ", 7) != 0) {
            return err_set(err, ERR_UNAUTHENTICATED,
                           "the Authorization header is not \"Bearer TOKEN\"");
        }
        struct slice token = slice_trim(slice_sub(authorization, 7, SIZE_MAX));
        rc = from_token(a, token, now_wall_ms, arena, subject, err);
    } else if (peer != NULL && peer->common_name.len > 0) {
        rc = from_certificate(peer, arena, subject, err);
    } else {
        *subject = (struct subject){.user = SLICE(USER_ANONYMOUS)};
        (void)subject_add_group(subject, SLICE(GROUP_ANONYMOUS));
        return 0;
    }
    if (rc == 0 && !subject_in(subject, GROUP_AUTHENTICATED) &&
        !subject_add_group(subject, SLICE(GROUP_AUTHENTICATED))) {
        return err_set(err, ERR_UNAUTHENTICATED, "the subject is in too many groups");
    }
    return rc;
}

static bool any_of(struct slice s, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (slice_eq_cstr(s, *list)) {
            return true;
        }
    }
    return false;
}

/* True for a path of the list; one that ends in / covers all below it, but for the root, which is
 * only itself. */
static bool path_under(struct slice path, const char *const *list)
{
    for (; *list != NULL; list++) {
        struct slice entry = slice_of(*list);
        bool below =
            entry.len > 1 && slice_ends_with(entry, SLICE("/")) && slice_starts_with(path, entry);
        if (below || slice_eq(path, entry)) {
            return true;
        }
    }
    return false;
}

static const char *const public_paths[] = {
    "/livez",   "/readyz",  "/healthz",    "/livez/",
    "/readyz/", "/version", "/pki/ca.crt", "/grpc.health.v1.Health/",
    NULL};
static const char *const discovery_paths[] = {"/api",
                                              "/api/",
                                              "/apis",
                                              "/apis/",
                                              "/openapi/",
                                              "/",
                                              "/grpc.reflection.v1.ServerReflection/",
                                              "/grpc.reflection.v1alpha.ServerReflection/",
                                              NULL};
static const char *const viewer_paths[] = {"/metrics", "/cluster/v1/status",
                                           "/choreo.v1.ClusterService/Status",
                                           "/choreo.v1.ClusterService/Members", NULL};
static const char *const node_paths[] = {"/cluster/v1/status", "/cluster/v1/members", NULL};
static const char *const joiner_paths[] = {"/cluster/v1/join", NULL};
static const char *const tester_paths[] = {"/webhooks/v1/alertmanager", NULL};
static const char *const read_verbs[] = {"get", "list", "watch", NULL};
static const char *const path_reads[] = {"get", "head", NULL};

static bool path_allowed(const struct auth_request *q)
{
    bool reads = any_of(q->verb, path_reads);
    if (reads && path_under(q->path, public_paths)) {
        return true;
    }
    if (subject_in(q->subject, GROUP_NODE) && path_under(q->path, node_paths)) {
        return true;
    }
    if (subject_in(q->subject, GROUP_JOINER) && path_under(q->path, joiner_paths)) {
        return true;
    }
    if (subject_in(q->subject, GROUP_TESTER) && slice_eq_cstr(q->verb, "post") &&
        path_under(q->path, tester_paths)) {
        return true;
    }
    if (!reads || !subject_in(q->subject, GROUP_AUTHENTICATED)) {
        return false;
    }
    return path_under(q->path, discovery_paths) ||
           (subject_in(q->subject, GROUP_VIEWER) && path_under(q->path, viewer_paths));
}

static const char *const self_reviews[] = {"selfsubjectaccessreviews", "selfsubjectrulesreviews",
                                           "selfsubjectreviews", NULL};
static const char *const review_groups[] = {"authorization.k8s.io", "authentication.k8s.io", NULL};

/* Asking about oneself. */
static bool self_allowed(const struct auth_request *q)
{
    return subject_in(q->subject, GROUP_AUTHENTICATED) && slice_eq_cstr(q->verb, "create") &&
           any_of(q->group, review_groups) && any_of(q->resource, self_reviews);
}

/* Saying something of a release: who may approve what, the gate decides by the pipeline. */
static bool speech_allowed(const struct auth_request *q)
{
    bool approves = subject_in(q->subject, GROUP_AUTHENTICATED) &&
                    slice_eq_cstr(q->resource, "releaseapprovals");
    bool tests = subject_in(q->subject, GROUP_TESTER) && slice_eq_cstr(q->resource, "testresults");
    return (approves || tests) && slice_eq_cstr(q->verb, "create") &&
           slice_eq_cstr(q->group, "choreo.dev") && q->subresource.len == 0;
}

static bool covers_secrets(const struct auth_request *q)
{
    return (q->group.len == 0 || slice_eq_cstr(q->group, "*")) &&
           (slice_eq_cstr(q->resource, "secrets") || slice_eq_cstr(q->resource, "*"));
}

static bool resource_allowed(const struct auth_request *q)
{
    return self_allowed(q) || speech_allowed(q) ||
           (subject_in(q->subject, GROUP_VIEWER) && any_of(q->verb, read_verbs) &&
            !covers_secrets(q));
}

bool auth_allows(const struct auth_request *q)
{
    if (subject_in(q->subject, GROUP_ADMIN)) {
        return true;
    }
    return q->resource.len == 0 ? path_allowed(q) : resource_allowed(q);
}

const char *auth_path_at(size_t i)
{
    const char *const *const lists[] = {public_paths, discovery_paths, viewer_paths,
                                        node_paths,   joiner_paths,    tester_paths};
    for (size_t list = 0; list < sizeof(lists) / sizeof(lists[0]); list++) {
        for (size_t at = 0; lists[list][at] != NULL; at++) {
            if (i-- == 0) {
                return lists[list][at];
            }
        }
    }
    return NULL;
}

/* Kubernetes' sentence: users and their scripts know it. */
static int refuse(const struct auth_request *q, struct err *err)
{
    struct buf text = {0};
    if (q->resource.len == 0) {
        buf_addf(&text, "forbidden: User \"%.*s\" cannot %.*s path \"%.*s\"",
                 SLICE_ARG(q->subject->user), SLICE_ARG(q->verb), SLICE_ARG(q->path));
    } else {
        const char *slash = q->subresource.len > 0 ? "/" : "";
        const char *dot = q->group.len > 0 ? "." : "";
        buf_addf(&text, "%.*s%s%.*s", SLICE_ARG(q->resource), dot, SLICE_ARG(q->group));
        if (q->name.len > 0) {
            buf_addf(&text, " \"%.*s\"", SLICE_ARG(q->name));
        }
        buf_addf(&text,
                 " is forbidden: User \"%.*s\" cannot %.*s resource \"%.*s%s%.*s\" in API group "
                 "\"%.*s\"",
                 SLICE_ARG(q->subject->user), SLICE_ARG(q->verb), SLICE_ARG(q->resource), slash,
                 SLICE_ARG(q->subresource), SLICE_ARG(q->group));
        if (q->ns.len > 0) {
            buf_addf(&text, " in the namespace \"%.*s\"", SLICE_ARG(q->ns));
        } else {
            buf_add_cstr(&text, " at the cluster scope");
        }
    }
    bool anonymous = subject_in(q->subject, GROUP_ANONYMOUS);
    int rc = anonymous ? err_set(err, ERR_UNAUTHENTICATED, "Unauthorized")
                       : err_set(err, ERR_FORBIDDEN, "%s", buf_cstr(&text));
    buf_free(&text);
    return rc;
}

int auth_authorize(const struct auth_request *q, struct err *err)
{
    return auth_allows(q) ? 0 : refuse(q, err);
}
