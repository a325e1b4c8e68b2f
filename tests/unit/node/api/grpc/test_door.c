/* The gRPC door: frames, paths, deadlines, cancellation, and how errors travel. */
#include "tests/unit/node/api/grpc/caller.h"

#include "proto/choreo/v1/services.pb-c.h"
#include "proto/grpc/health/v1/health.pb-c.h"

#define GET "/choreo.v1.ResourceService/Get"
#define CHECK "/grpc.health.v1.Health/Check" /* which anybody may call */

enum { OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND };
enum { PERMISSION_DENIED = 7, RESOURCE_EXHAUSTED = 8, UNIMPLEMENTED = 12, INTERNAL = 13 };
enum { UNAUTHENTICATED = 16 };

/* ---- methods that do as they are told ---- */

/* What the method was last called with; of the server's loop, read when it has answered. */
static struct {
    struct grpc_call *call;
    _Atomic int called;
    _Atomic int canceled;
    uint64_t left_ms;
} held;

static void on_cancel(struct grpc_call *call)
{
    held.call = NULL;
    (void)atomic_fetch_add(&held.canceled, 1);
    grpc_drop(call);
}

static void never(struct grpc_call *call, const ProtobufCMessage *request)
{
    (void)request;
    held.call = call;
    held.left_ms =
        call->deadline_ms == UINT64_MAX ? UINT64_MAX : call->deadline_ms - loop_now_ms(call->loop);
    call->cancel = on_cancel;
    grpc_hold(call);
    (void)atomic_fetch_add(&held.called, 1);
}

static const grpc_method never_methods[] = {never, NULL};
static const struct grpc_service never_service = {
    .descriptor = &grpc__health__v1__health__descriptor, .methods = never_methods};
static const struct grpc_service endless_service = {.descriptor =
                                                        &grpc__health__v1__health__descriptor,
                                                    .methods = never_methods,
                                                    .open_ended = true};

static struct {
    int code;
    const char *message;
    size_t causes;
} failure;

static void fails(struct grpc_call *call, const ProtobufCMessage *request)
{
    struct err err;
    struct causes causes = {0};
    (void)request;
    (void)err_set(&err, failure.code, "%s", failure.message);
    causes.items = arena_alloc(call->arena, failure.causes * sizeof *causes.items);
    for (size_t i = 0; i < failure.causes; i++) {
        causes.items[causes.count++] =
            (struct cause){.field = slice_of(arena_printf(call->arena, "spec.a[%zu]", i)),
                           .message = SLICE("must not be")};
    }
    grpc_finish(call, failure.code, &err, &causes);
    grpc_finish(call, 0, NULL, NULL); /* the first counts */
}

static const grpc_method failing_methods[] = {fails, fails};
static const struct grpc_service failing_service = {
    .descriptor = &grpc__health__v1__health__descriptor, .methods = failing_methods};

/* ---- frames ---- */

static void frames_must_be_whole(void **state)
{
    struct caller *c = *state;
    caller_open(c);
    static const struct {
        struct slice bytes;
        int status;
        const char *message;
    } cases[] = {
        {{"", 0}, INVALID_ARGUMENT, "no whole message"},
        {{"\0\0\0", 3}, INVALID_ARGUMENT, "no whole message"},
        {{"\0\0\0\0\5ab", 7}, INVALID_ARGUMENT, "no whole message"},
        {{"\0\0\0\0\0\0\0\0\0\0", 10}, INVALID_ARGUMENT, "more than one message"},
        {{"\0\0\0\0\0x", 6}, INVALID_ARGUMENT, "more than one message"},
        {{"\1\0\0\0\0", 5}, INTERNAL, "Compressed-Flag"},
        {{"\2\0\0\0\0", 5}, INTERNAL, "Compressed-Flag"},
        {{"\0\0\0\0\2\xff\xff", 7}, INVALID_ARGUMENT, "does not decode"},
        {{"\0\xff\xff\xff\xff", 5}, RESOURCE_EXHAUSTED, "message"},
        {{"\0\0\x40\0\1", 5}, RESOURCE_EXHAUSTED, "message"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        caller_call(c, GET, cases[i].bytes);
        caller_expect(c, cases[i].status, cases[i].message);
        assert_int_equal(c->body.len, 0);
    }
}

static void a_message_of_4_mib_passes_and_a_larger_one_does_not(void **state)
{
    struct caller *c = *state;
    struct buf body = {0};
    struct buf json = {0};
    Choreo__V1__WriteRequest request = CHOREO__V1__WRITE_REQUEST__INIT;
    Choreo__V1__Object object = CHOREO__V1__OBJECT__INIT;
    caller_open(c);
    while (json.len < GRPC_MESSAGE_MAX - 64) {
        buf_add_cstr(&json, "                                ");
    }
    request.object = &object;
    object.form_case = CHOREO__V1__OBJECT__FORM_JSON;
    object.json = (ProtobufCBinaryData){json.len, (uint8_t *)json.data};
    caller_ask(c, "/choreo.v1.ResourceService/Create", &request.base);
    caller_expect(c, INVALID_ARGUMENT, ""); /* it was read: white space is no object */
    buf_reserve(&json, 128);
    memset(json.data + json.len, ' ', 128);
    json.len += 128;
    object.json = (ProtobufCBinaryData){json.len, (uint8_t *)json.data};
    caller_ask(c, "/choreo.v1.ResourceService/Create", &request.base);
    caller_expect(c, RESOURCE_EXHAUSTED, "message");
    buf_free(&json);
    buf_free(&body);
}

/* ---- paths ---- */

static void what_is_not_there_is_unimplemented(void **state)
{
    struct caller *c = *state;
    c->service = &never_service;
    caller_open(c);
    static const char *const paths[] = {"/",
                                        "/choreo.v1.ResourceService",
                                        "/choreo.v1.ResourceService/",
                                        "/choreo.v1.ResourceService/get",
                                        "/choreo.v1.ResourceService/Get/",
                                        "/choreo.v1.ResourceService/Get/more",
                                        "/choreo.v1/ResourceService/Get",
                                        "/nobody.Service/Get",
                                        "//Get",
                                        "/grpc.health.v1.Health/Watch"}; /* a method left out */
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        caller_call(c, paths[i], SLICE("\0\0\0\0\0"));
        caller_expect(c, UNIMPLEMENTED, "no such method");
    }
    c->method = "PUT";
    caller_call(c, GET, SLICE("\0\0\0\0\0"));
    caller_expect(c, UNIMPLEMENTED, "POST");
}

/* ---- who may ---- */

static void strangers_are_told_apart_from_those_who_may_not(void **state)
{
    struct caller *c = *state;
    Choreo__V1__GetRequest get = CHOREO__V1__GET_REQUEST__INIT;
    Choreo__V1__DeleteRequest delete = CHOREO__V1__DELETE_REQUEST__INIT;
    Choreo__V1__Ref ref = CHOREO__V1__REF__INIT;
    char resource[] = "components";
    char name[] = "web";
    caller_open(c);
    ref.resource = resource;
    ref.name = name;
    get.ref = delete.ref = &ref;
    c->authorization = "";
    caller_ask(c, GET, &get.base);
    caller_expect(c, UNAUTHENTICATED, "");
    c->authorization = "Bearer nonsense";
    caller_ask(c, GET, &get.base);
    caller_expect(c, UNAUTHENTICATED, "");
    c->authorization = "Bearer viewer";
    caller_ask(c, GET, &get.base);
    caller_expect(c, NOT_FOUND, "web");
    caller_ask(c, "/choreo.v1.ResourceService/Delete", &delete.base);
    caller_expect(c, PERMISSION_DENIED, "viewer");
    /* Reflection is discovery: for anyone known. */
    c->authorization = "";
    caller_call(c, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", SLICE(""));
    caller_expect(c, UNAUTHENTICATED, "");
    caller_call(c, CHECK, SLICE("\0\0\0\0\0"));
    caller_expect(c, OK, "");
}

/* ---- deadlines ---- */

static void a_timeout_that_is_none_is_refused(void **state)
{
    struct caller *c = *state;
    c->service = &never_service;
    caller_open(c);
    static const char *const wrong[] = {"1",   "S",    "1s",         "x1S", "-1S",
                                        "1 S", "1.5S", "123456789S", "+1S", "1mS"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        c->timeout = wrong[i];
        caller_call(c, CHECK, SLICE("\0\0\0\0\0"));
        caller_expect(c, INVALID_ARGUMENT, "grpc-timeout is malformed");
    }
    assert_int_equal(atomic_load(&held.called), 0);
}

static bool is_called(void *arg)
{
    return atomic_load(&held.called) > *(int *)arg;
}

static void units_are_understood(void **state)
{
    struct caller *c = *state;
    c->service = &endless_service;
    caller_open(c);
    static const struct {
        const char *timeout;
        uint64_t ms;
    } cases[] = {{"2H", 7200000},
                 {"3M", 180000},
                 {"5S", 5000},
                 {"7000m", 7000},
                 {"8000001u", 8001},
                 {"99999999n", 100},
                 {"99999999H", UINT64_C(359999996400000)},
                 {NULL, UINT64_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int before = atomic_load(&held.called);
        c->timeout = cases[i].timeout;
        caller_begin(c, CHECK, SLICE("\0\0\0\0\0"));
        onloop_until(&c->o, is_called, &before, "the method");
        if (cases[i].ms == UINT64_MAX) {
            assert_true(held.left_ms == UINT64_MAX);
        } else { /* the request came a little after its head */
            assert_true(held.left_ms <= cases[i].ms && held.left_ms + 2000 >= cases[i].ms);
        }
        caller_hang_up(c);
    }
}

static void a_call_without_a_deadline_gets_ours(void **state)
{
    struct caller *c = *state;
    int before = atomic_load(&held.called);
    c->service = &never_service;
    caller_open(c);
    caller_begin(c, CHECK, SLICE("\0\0\0\0\0"));
    onloop_until(&c->o, is_called, &before, "the method");
    assert_true(held.left_ms <= GRPC_DEADLINE_MS && held.left_ms + 2000 >= GRPC_DEADLINE_MS);
    caller_hang_up(c);
}

static void a_deadline_ends_the_call_and_what_it_has_under_way(void **state)
{
    struct caller *c = *state;
    c->service = &never_service;
    caller_open(c);
    int before = atomic_load(&held.canceled);
    c->timeout = "100m";
    caller_call(c, CHECK, SLICE("\0\0\0\0\0"));
    caller_expect(c, DEADLINE_EXCEEDED, "the outcome is unknown");
    assert_int_equal(atomic_load(&held.canceled), before + 1);
    c->timeout = "0n";
    caller_call(c, CHECK, SLICE("\0\0\0\0\0"));
    caller_expect(c, DEADLINE_EXCEEDED, "");
}

static bool is_canceled(void *arg)
{
    return atomic_load(&held.canceled) > *(int *)arg;
}

static void a_client_that_goes_away_cancels(void **state)
{
    struct caller *c = *state;
    int called = atomic_load(&held.called);
    int canceled = atomic_load(&held.canceled);
    c->service = &never_service;
    caller_open(c);
    caller_begin(c, CHECK, SLICE("\0\0\0\0\0"));
    onloop_until(&c->o, is_called, &called, "the method");
    caller_hang_up(c);
    onloop_until(&c->o, is_canceled, &canceled, "the cancellation");
    assert_int_equal(atomic_load(&held.canceled), canceled + 1);
}

/* ---- errors ---- */

static const char *reason_of(const struct caller *c, char *reason, size_t size)
{
    const Google__Protobuf__Any *any = c->details->details[0];
    assert_string_equal(any->type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    Google__Rpc__ErrorInfo *info =
        google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);
    assert_non_null(info);
    assert_string_equal(info->domain, "choreo.dev");
    (void)snprintf(reason, size, "%s", info->reason);
    google__rpc__error_info__free_unpacked(info, NULL);
    return reason;
}

static bool has_detail(const struct caller *c, const char *type)
{
    for (size_t i = 0; i < c->details->n_details; i++) {
        if (slice_ends_with(slice_of(c->details->details[i]->type_url), slice_of(type))) {
            return true;
        }
    }
    return false;
}

static struct quota quota;

static int shares_teardown(void **state)
{
    int rc = caller_teardown(state);
    quota_free(&quota); /* which asserts that nothing is had any more */
    return rc;
}

static void a_subject_that_has_its_share_is_told_when_to_come_back(void **state)
{
    struct caller *c = *state;
    const struct quota_limits limits = {.per_second = 1, .bytes = 1000};
    struct buf body = {0};
    quota_init(&quota, "", &limits);
    c->api.config.quota = &quota;
    caller_open(c);
    for (int i = 0; i < 3; i++) {
        caller_call(c, CHECK, SLICE("\0\0\0\0\0"));
    }
    caller_expect(c, RESOURCE_EXHAUSTED, "too many requests a second of this caller");
    assert_true(has_detail(c, "google.rpc.RetryInfo"));
    c->authorization = "Bearer viewer";
    caller_call(c, CHECK, SLICE("\0\0\0\0\0"));
    caller_expect(c, OK, "");
    char block[2000] = {0};
    caller_frame(&body, slice_make(block, sizeof block));
    caller_call(c, CHECK, buf_slice(&body));
    caller_expect(c, RESOURCE_EXHAUSTED, "too many bytes in requests");
    buf_free(&body);
}

static void every_error_has_its_status_and_its_reason(void **state)
{
    struct caller *c = *state;
    c->service = &failing_service;
    caller_open(c);
    for (int code = 1; code < ERR_COUNT; code++) {
        char reason[64];
        failure.code = code;
        failure.message = "it is so";
        caller_call(c, CHECK, SLICE("\0\0\0\0\0"));
        caller_expect(c, err_grpc_status(code), "it is so");
        assert_non_null(c->details);
        assert_int_equal(c->details->code, err_grpc_status(code));
        assert_string_equal(c->details->message, "it is so");
        assert_string_equal(reason_of(c, reason, sizeof reason), err_reason(code));
        bool retry = code == ERR_BUSY || code == ERR_UNAVAILABLE || code == ERR_NOT_LEADER ||
                     code == ERR_CLOSED;
        assert_int_equal(has_detail(c, "google.rpc.RetryInfo"), retry);
        assert_false(has_detail(c, "google.rpc.BadRequest"));
    }
}

/* Packed or not: nothing that a stranger may ask is long. */
static void strangers_send_short_messages(void **state)
{
    struct caller *c = *state;
    char name[API_STRANGER_BYTES_MAX + 1];
    Grpc__Health__V1__HealthCheckRequest request;
    grpc__health__v1__health_check_request__init(&request);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    request.service = name;
    c->authorization = "";
    caller_open(c);
    caller_ask(c, CHECK, &request.base);
    caller_expect(c, RESOURCE_EXHAUSTED, "at most 4096");
    name[100] = '\0';
    caller_ask(c, CHECK, &request.base);
    caller_expect(c, 5, ""); /* NOT_FOUND: no such service */
    c->authorization = NULL;
    name[100] = 'x';
    caller_ask(c, CHECK, &request.base);
    caller_expect(c, 5, "");
}

static void messages_are_percent_encoded(void **state)
{
    struct caller *c = *state;
    c->service = &failing_service;
    caller_open(c);
    failure.code = ERR_INVALID;
    failure.message = "100% of\nall \xc3\xa9l\xc3\xa8ves\x7f~";
    caller_call(c, CHECK, SLICE("\0\0\0\0\0"));
    assert_slice(fetch_header(&c->fetch, "grpc-message"), "100%25 of%0Aall %C3%A9l%C3%A8ves%7F~");
    assert_slice(buf_slice(&c->message), failure.message);
    assert_string_equal(c->details->message, failure.message);
}

static void violations_are_listed_up_to_a_hundred(void **state)
{
    struct caller *c = *state;
    static const size_t counts[] = {1, 100, 101};
    c->service = &failing_service;
    caller_open(c);
    failure.code = ERR_UNPROCESSABLE;
    failure.message = "no";
    for (size_t i = 0; i < 3; i++) {
        failure.causes = counts[i];
        caller_call(c, CHECK, SLICE("\0\0\0\0\0"));
        caller_expect(c, INVALID_ARGUMENT, "no");
        assert_int_equal(c->details->n_details, 2);
        const Google__Protobuf__Any *any = c->details->details[1];
        Google__Rpc__BadRequest *bad =
            google__rpc__bad_request__unpack(NULL, any->value.len, any->value.data);
        assert_non_null(bad);
        assert_int_equal(bad->n_field_violations, counts[i] < 100 ? counts[i] : 100);
        assert_string_equal(bad->field_violations[0]->field, "spec.a[0]");
        assert_string_equal(bad->field_violations[0]->description, "must not be");
        google__rpc__bad_request__free_unpacked(bad, NULL);
    }
    failure.causes = 0;
}

int main(void)
{
#define DOOR_TEST(name) cmocka_unit_test_setup_teardown(name, caller_setup, caller_teardown)
    const struct CMUnitTest tests[] = {
        DOOR_TEST(frames_must_be_whole),
        DOOR_TEST(a_message_of_4_mib_passes_and_a_larger_one_does_not),
        DOOR_TEST(what_is_not_there_is_unimplemented),
        DOOR_TEST(strangers_are_told_apart_from_those_who_may_not),
        DOOR_TEST(strangers_send_short_messages),
        DOOR_TEST(a_timeout_that_is_none_is_refused),
        DOOR_TEST(units_are_understood),
        DOOR_TEST(a_call_without_a_deadline_gets_ours),
        DOOR_TEST(a_deadline_ends_the_call_and_what_it_has_under_way),
        DOOR_TEST(a_client_that_goes_away_cancels),
        cmocka_unit_test_setup_teardown(a_subject_that_has_its_share_is_told_when_to_come_back,
                                        caller_setup, shares_teardown),
        DOOR_TEST(every_error_has_its_status_and_its_reason),
        DOOR_TEST(messages_are_percent_encoded),
        DOOR_TEST(violations_are_listed_up_to_a_hundred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
