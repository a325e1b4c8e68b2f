/* Calls between two nodes: requests answered whole, in a long stream, with an error, never. */
#include <unistd.h>

#include "tests/unit/raft/sides.h"

struct calls {
    struct fixture f;
    /* the caller, node-a */
    struct transport_call call;
    size_t call_bytes;
    bool call_wrong;
    bool pause;
    unsigned pauses;
    _Atomic int call_status;
    char call_message[ERR_MESSAGE_MAX];
    /* the called, node-b */
    struct transport_served *served;
    unsigned canceled;
    size_t respond_bytes;
    _Atomic size_t responded;
};

/* ---- what node-b does when asked ---- */

static struct calls *calls_of(struct side *s)
{
    return CONTAINER_OF(s->f, struct calls, f);
}

static void go_on_responding(struct transport_served *served)
{
    struct calls *c = served->user;
    char chunk[10000];
    bool room = true;
    while (room && c->responded < c->respond_bytes) {
        size_t len = c->respond_bytes - c->responded;
        len = len < sizeof chunk ? len : sizeof chunk;
        for (size_t i = 0; i < len; i++) {
            chunk[i] = pattern(c->responded + i);
        }
        c->responded += len;
        room = transport_respond(served, slice_make(chunk, len));
    }
    if (c->responded == c->respond_bytes) {
        transport_end(served, 0, NULL);
    }
}

static void on_canceled(struct transport_served *served)
{
    struct calls *c = served->user;
    c->canceled++;
    c->served = NULL;
    onloop_done(&c->f.on);
}

static void on_request(void *user, struct transport_served *served, const char *peer,
                       uint32_t channel, struct slice request)
{
    struct calls *c = calls_of(user);
    (void)peer;
    served->user = c;
    served->canceled = on_canceled;
    served->drained = go_on_responding;
    if (channel == 1) { /* echo */
        (void)transport_respond(served, request);
        transport_end(served, 0, NULL);
    } else if (channel == 2) { /* an error */
        transport_end(served, ERR_CONFLICT, "two of them");
    } else if (channel == 3) { /* a long stream */
        c->responded = 0;
        go_on_responding(served);
    } else { /* never */
        c->served = served;
        onloop_done(&c->f.on);
    }
}

/* ---- what node-a asks ---- */

static bool call_data(struct transport_call *call, struct slice bytes)
{
    struct calls *c = call->user;
    for (size_t i = 0; i < bytes.len; i++) {
        c->call_wrong = c->call_wrong || bytes.data[i] != pattern(c->call_bytes + i);
    }
    c->call_bytes += bytes.len;
    if (c->pause) {
        c->pauses++;
        return false;
    }
    return true;
}

static void call_done(struct transport_call *call, int status, const struct err *err)
{
    struct calls *c = call->user;
    c->call_status = status;
    (void)snprintf(c->call_message, sizeof c->call_message, "%s", err != NULL ? err->message : "");
    onloop_done(&c->f.on);
}

static void call_with(struct calls *c, uint32_t channel, size_t request, uint32_t timeout_ms)
{
    struct buf bytes = {0};
    for (size_t i = 0; i < request; i++) {
        buf_add_char(&bytes, pattern(i));
    }
    c->call = (struct transport_call){.user = c, .data = call_data, .done = call_done};
    c->call_bytes = 0;
    c->call_status = -1;
    transport_call(c->f.a.t, &c->call, "node-b", channel, buf_slice(&bytes), timeout_ms);
    c->call_wrong = c->call_status != -1; /* never inside the call */
    buf_free(&bytes);
}

static void call_small(void *arg)
{
    call_with(arg, 1, 100, 5000);
}

static void call_large(void *arg)
{
    call_with(arg, 1, 700000, 5000);
}

static void call_error(void *arg)
{
    call_with(arg, 2, 10, 5000);
}

static void call_stream(void *arg)
{
    call_with(arg, 3, 10, 0);
}

static void call_never(void *arg)
{
    call_with(arg, 4, 10, 150);
}

static void call_forever(void *arg)
{
    call_with(arg, 4, 10, 0);
}

static void resume(void *arg)
{
    struct calls *c = arg;
    transport_call_resume(&c->call);
}

static void cancel(void *arg)
{
    struct calls *c = arg;
    transport_call_cancel(&c->call);
}

/* ---- the tests ---- */

static int setup(void **state)
{
    struct calls *c = mem_zero(sizeof *c);
    const struct transport_ops ops = {.request = on_request};
    sides_make(&c->f, &ops);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct calls *c = *state;
    sides_end(&c->f);
    free(c);
    return 0;
}

static void test_calls(void **state)
{
    struct calls *c = *state;
    struct fixture *f = &c->f;
    sides_connect(f);
    onloop_call(&f->on, call_small, c);
    onloop_wait(&f->on, "the echo");
    assert_int_equal(c->call_status, 0);
    assert_int_equal(c->call_bytes, 100);
    onloop_call(&f->on, call_large, c);
    onloop_wait(&f->on, "the large echo");
    assert_int_equal(c->call_status, 0);
    assert_int_equal(c->call_bytes, 700000);
    onloop_call(&f->on, call_error, c);
    onloop_wait(&f->on, "the error");
    assert_int_equal(c->call_status, ERR_CONFLICT);
    assert_string_equal(c->call_message, "two of them");
    assert_false(c->call_wrong);
}

static void test_long_response_with_pauses(void **state)
{
    struct calls *c = *state;
    struct fixture *f = &c->f;
    sides_connect(f);
    c->respond_bytes = 9 << 20;
    c->pause = true;
    onloop_call(&f->on, call_stream, c);
    (void)usleep(200000);
    assert_true(c->responded < 4 << 20); /* a window, not the whole */
    for (int i = 0; i < 10000 && c->call_status == -1; i++) {
        onloop_call(&f->on, resume, c);
    }
    onloop_wait(&f->on, "the end of the stream");
    assert_int_equal(c->call_status, 0);
    assert_int_equal(c->call_bytes, 9 << 20);
    assert_false(c->call_wrong);
    assert_true(c->pauses > 5);
}

static void test_deadline_and_cancel(void **state)
{
    struct calls *c = *state;
    struct fixture *f = &c->f;
    sides_connect(f);
    onloop_call(&f->on, call_never, c);
    onloop_wait(&f->on, "the request");
    onloop_wait(&f->on, "the deadline, or the cancellation");
    onloop_wait(&f->on, "the other of the two");
    assert_int_equal(c->call_status, ERR_TIMEOUT);
    assert_int_equal(c->canceled, 1);
    onloop_call(&f->on, call_forever, c);
    onloop_wait(&f->on, "the request");
    onloop_call(&f->on, cancel, c);
    onloop_wait(&f->on, "the cancellation");
    assert_int_equal(c->canceled, 2);
    assert_int_equal(c->call_status, -1);
}

static void test_calls_end_with_the_connection(void **state)
{
    struct calls *c = *state;
    struct fixture *f = &c->f;
    sides_connect(f);
    onloop_call(&f->on, call_forever, c);
    onloop_wait(&f->on, "the request");
    onloop_post(&f->on, side_close, &f->b);
    while (f->b.t != NULL || c->call_status == -1) {
        onloop_wait(&f->on, "the call's end");
    }
    assert_int_equal(c->call_status, ERR_UNAVAILABLE);
    assert_true(c->call.sent);
    onloop_call(&f->on, call_small, c);
    while (c->call_status == -1) {
        onloop_wait(&f->on, "a refusal");
    }
    assert_int_equal(c->call_status, ERR_UNAVAILABLE);
    assert_false(c->call.sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_response_with_pauses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadline_and_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls_end_with_the_connection, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
