/* grpc.health.v1.Health: the server's health, and that of what it serves. */
#include "tests/unit/node/api/grpc/caller.h"

#include <unistd.h>

#include "proto/grpc/health/v1/health.pb-c.h"

#define CHECK "/grpc.health.v1.Health/Check"
#define WATCH "/grpc.health.v1.Health/Watch"
#define STATUS(what) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##what

static void ask(struct caller *c, const char *path, const char *service)
{
    Grpc__Health__V1__HealthCheckRequest request;
    grpc__health__v1__health_check_request__init(&request);
    request.service = (char *)(uintptr_t)service;
    caller_ask(c, path, &request.base);
}

static int status_of(struct caller *c, size_t n)
{
    const Grpc__Health__V1__HealthCheckResponse *r =
        caller_message(c, n, &grpc__health__v1__health_check_response__descriptor);
    assert_non_null(r);
    return (int)r->status;
}

static void whoever_asks_is_told(void **state)
{
    struct caller *c = *state;
    static const char *const services[] = {NULL, "", "choreo.v1.ResourceService",
                                           "grpc.health.v1.Health",
                                           "grpc.reflection.v1.ServerReflection"};
    caller_open(c);
    c->authorization = "";
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        c->unhealthy = false;
        ask(c, CHECK, services[i]);
        caller_expect(c, 0, "");
        assert_int_equal(status_of(c, 0), STATUS(SERVING));
        c->unhealthy = true;
        ask(c, CHECK, services[i]);
        caller_expect(c, 0, "");
        assert_int_equal(status_of(c, 0), STATUS(NOT_SERVING));
    }
    ask(c, CHECK, "nobody.Service");
    caller_expect(c, 5, "no service \"nobody.Service\" here");
}

static void make_unwell(void *arg)
{
    ((struct caller *)arg)->unhealthy = true;
}

/* First what is, then what changes, until the deadline. */
static void a_watch_tells_what_changes(void **state)
{
    struct caller *c = *state;
    struct buf body = {0};
    caller_open(c);
    c->timeout = "2500m";
    caller_frame(&body, SLICE(""));
    caller_begin(c, WATCH, buf_slice(&body));
    (void)usleep(300 * 1000); /* it looks once a second */
    onloop_call(&c->o, make_unwell, c);
    caller_end(c);
    caller_expect(c, 4, "");
    assert_int_equal(status_of(c, 0), STATUS(SERVING));
    assert_int_equal(status_of(c, 1), STATUS(NOT_SERVING));
    assert_null(caller_message(c, 2, &grpc__health__v1__health_check_response__descriptor));
    buf_free(&body);
}

static void a_watch_of_an_unknown_service_stays(void **state)
{
    struct caller *c = *state;
    caller_open(c);
    c->timeout = "200m";
    ask(c, WATCH, "nobody.Service");
    caller_expect(c, 4, "");
    assert_int_equal(status_of(c, 0), STATUS(SERVICE_UNKNOWN));
}

int main(void)
{
#define HEALTH_TEST(name) cmocka_unit_test_setup_teardown(name, caller_setup, caller_teardown)
    const struct CMUnitTest tests[] = {
        HEALTH_TEST(whoever_asks_is_told),
        HEALTH_TEST(a_watch_tells_what_changes),
        HEALTH_TEST(a_watch_of_an_unknown_service_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
