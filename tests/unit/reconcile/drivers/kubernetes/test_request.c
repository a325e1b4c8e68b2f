/* What an answer of a cluster amounts to. */
#include "tests/lib/test.h"

#include "reconcile/drivers/kubernetes/cluster.h"

static void refusals_are_of_who_asks_or_of_what_is_asked(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *message;
        int code;
    } cases[] = {
        {200, "", 0},
        {201, "", 0},
        {403,
         "pods is forbidden: User \\\"a\\\" cannot list resource \\\"pods\\\" in API group "
         "\\\"\\\"",
         ERR_FORBIDDEN},
        {403, "not from here", ERR_FORBIDDEN},
        {403, "", ERR_FORBIDDEN},
        {403,
         "persistentvolumeclaims \\\"data\\\" is forbidden: exceeded quota: q, requested: "
         "requests.storage=5Gi, used: requests.storage=1Gi, limited: requests.storage=4Gi",
         ERR_UNPROCESSABLE},
        {403, "persistentvolumeclaims \\\"data\\\" is forbidden: only dynamically provisioned pvc",
         ERR_UNPROCESSABLE},
        {409, "is forbidden: x", ERR_CONFLICT},
        {500, "is forbidden: x", ERR_UNAVAILABLE},
        {500,
         "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): "
         ".spec.replica: field not declared in schema",
         ERR_UNPROCESSABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct buf body = {0};
        buf_addf(&body, "{\"kind\":\"Status\",\"message\":\"%s\"}", cases[i].message);
        int rc = response_error(cases[i].status, buf_slice(&body), &err);
        assert_int_equal(rc, cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        buf_free(&body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_of_who_asks_or_of_what_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
