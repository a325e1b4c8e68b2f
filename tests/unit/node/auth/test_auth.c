/* The roles: a table of who may do what, and the credentials that make somebody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "node/auth/auth.h"

enum who { ADMIN, VIEWER, NODE, JOINER, TESTER, KNOWN, ANONYMOUS, WHO_COUNT };

static struct subject subject_of(enum who who)
{
    static const char *const groups[WHO_COUNT] = {GROUP_ADMIN,    GROUP_VIEWER, GROUP_NODE,
                                                  GROUP_JOINER,   GROUP_TESTER, "guests",
                                                  GROUP_ANONYMOUS};
    struct subject s = {.user = SLICE("u")};
    (void)subject_add_group(&s, slice_of(groups[who]));
    if (who != ANONYMOUS) {
        (void)subject_add_group(&s, SLICE(GROUP_AUTHENTICATED));
    }
    return s;
}

static void the_roles_grant_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *verb;
        const char *group;
        const char *resource;
        const char *path;
        const char *allowed; /* one letter of "avnjtkx" for each who that may */
    } table[] = {
        {"get", "choreo.dev", "components", "", "av"},
        {"watch", "choreo.dev", "components", "", "av"},
        {"create", "choreo.dev", "components", "", "a"},
        {"deletecollection", "choreo.dev", "components", "", "a"},
        {"get", "", "secrets", "", "a"},
        {"list", "", "secrets", "", "a"},
        {"get", "", "configmaps", "", "av"},
        {"get", "*", "*", "", "a"},
        {"*", "choreo.dev", "components", "", "a"},
        {"create", "authorization.k8s.io", "selfsubjectaccessreviews", "", "avnjtk"},
        {"create", "authentication.k8s.io", "selfsubjectreviews", "", "avnjtk"},
        {"create", "choreo.dev", "releaseapprovals", "", "avnjtk"},
        {"update", "choreo.dev", "releaseapprovals", "", "a"},
        {"delete", "choreo.dev", "releaseapprovals", "", "a"},
        {"create", "other.dev", "releaseapprovals", "", "a"},
        {"create", "choreo.dev", "testresults", "", "at"},
        {"delete", "choreo.dev", "testresults", "", "a"},
        {"create", "authorization.k8s.io", "subjectaccessreviews", "", "a"},
        {"create", "authentication.k8s.io", "tokenreviews", "", "a"},
        {"get", "", "", "/livez", "avnjtkx"},
        {"get", "", "", "/readyz/shard-1", "avnjtkx"},
        {"get", "", "", "/version", "avnjtkx"},
        {"get", "", "", "/pki/ca.crt", "avnjtkx"},
        {"post", "", "", "/livez", "a"},
        {"get", "", "", "/livezoo", "a"},
        {"get", "", "", "/apis/choreo.dev/v1", "avnjtk"},
        {"get", "", "", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "avnjtk"},
        {"get", "", "", "/choreo.v1.ClusterService/Status", "av"},
        {"get", "", "", "/choreo.v1.ClusterService/CreateToken", "a"},
        {"get", "", "", "/metrics", "av"},
        {"get", "", "", "/cluster/v1/status", "avn"},
        {"post", "", "", "/cluster/v1/members", "an"},
        {"post", "", "", "/cluster/v1/join", "aj"},
        {"post", "", "", "/cluster/v1/transfer", "a"},
        {"post", "", "", "/webhooks/v1/alertmanager", "at"},
        {"get", "", "", "/webhooks/v1/alertmanager", "a"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (int who = 0; who < WHO_COUNT; who++) {
            struct subject s = subject_of((enum who)who);
            struct auth_request q = {.subject = &s,
                                     .verb = slice_of(table[i].verb),
                                     .group = slice_of(table[i].group),
                                     .resource = slice_of(table[i].resource),
                                     .path = slice_of(table[i].path)};
            bool expected = strchr(table[i].allowed, "avnjtkx"[who]) != NULL;
            int refusal = who == ANONYMOUS ? ERR_UNAUTHENTICATED : ERR_FORBIDDEN;
            struct err err = {0};
            if (auth_authorize(&q, &err) != (expected ? 0 : refusal)) {
                fail_msg("row %zu, who %d: expected %s", i, who, expected ? "yes" : "no");
            }
        }
    }
}

static void a_refusal_is_kubernetes_sentence(void **state)
{
    (void)state;
    struct subject s = subject_of(KNOWN);
    struct auth_request q = {.subject = &s,
                             .verb = SLICE("get"),
                             .group = SLICE("choreo.dev"),
                             .resource = SLICE("components"),
                             .ns = SLICE("n"),
                             .name = SLICE("x")};
    struct err err = {0};
    assert_int_equal(auth_authorize(&q, &err), ERR_FORBIDDEN);
    assert_string_equal(err.message,
                        "components.choreo.dev \"x\" is forbidden: User \"u\" cannot get resource "
                        "\"components\" in API group \"choreo.dev\" in the namespace \"n\"");
}

static void credentials_make_somebody(void **state)
{
    (void)state;
    struct auth auth = {.cluster = "c", .static_token = "sesame"};
    struct arena arena = {0};
    struct subject s;
    struct err err = {0};
    struct tls_peer peer = {.common_name = SLICE("node-1"),
                            .organizations = {SLICE(GROUP_NODE)},
                            .organization_count = 1};
    assert_int_equal(auth_authenticate(&auth, NULL, SLICE(""), 0, &arena, &s, &err), 0);
    assert_true(subject_in(&s, GROUP_ANONYMOUS) && !subject_in(&s, GROUP_AUTHENTICATED));
    assert_int_equal(auth_authenticate(&auth, &peer, SLICE(""), 0, &arena, &s, &err), 0);
    assert_true(subject_in(&s, GROUP_NODE) && subject_in(&s, GROUP_AUTHENTICATED));
    /* A token wins over a certificate. */
    assert_int_equal(auth_authenticate(&auth, &peer, SLICE("bearer sesame"), 0, &arena, &s, &err),
                     0);
    assert_true(subject_in(&s, GROUP_ADMIN) && !subject_in(&s, GROUP_NODE));
    assert_int_equal(auth_authenticate(&auth, &peer, SLICE("Bearer wrong"), 0, &arena, &s, &err),
                     ERR_UNAUTHENTICATED);
    assert_int_equal(auth_authenticate(&auth, NULL, SLICE("Basic YTpi"), 0, &arena, &s, &err),
                     ERR_UNAUTHENTICATED);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_roles_grant_what_they_say),
        cmocka_unit_test(a_refusal_is_kubernetes_sentence),
        cmocka_unit_test(credentials_make_somebody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
