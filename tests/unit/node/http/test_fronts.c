/* The threads that serve: all of them do, on one port; they leave in order, when asked and when one
 * of them cannot be made. The state behind them is a stand-in that counts who comes and goes. */
#include "tests/lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fetch.h"
#include "base/log.h"
#include "node/http/fronts.h"
#include "tests/lib/certs.h"
#include "tests/lib/onloop.h"

enum { THREADS = 3, FETCHES_MAX = 400, GRACE_MS = 10000 };

struct fixture {
    struct onloop home; /* also the client's */
    struct certs certs;
    struct tls *tls;
    struct fronts fronts;
    struct fetcher fetcher;
    struct fetch fetch;
    char url[128];
    int rc;
    struct err err;
    /* what the hooks saw, from any loop */
    atomic_int attached;
    atomic_int detached;
    atomic_int served[THREADS];
    atomic_int strangers; /* requests of loops that had not been attached, or had left */
    const struct loop *_Atomic loops[THREADS];
    int refuse_attach;                /* the how-manieth, from 1 */
    struct http_stream *_Atomic held; /* a request that waits for an answer */
    bool closed_on_home;
    int detached_before_closed;
};

/* ---- the state's side ---- */

static int attach(void *user, struct loop *loop, struct err *err)
{
    struct fixture *f = user;
    int number = atomic_fetch_add(&f->attached, 1);
    if (number + 1 == f->refuse_attach) {
        atomic_fetch_sub(&f->attached, 1);
        return err_set(err, ERR_FULL, "no room for loop %d", number);
    }
    atomic_store(&f->loops[number], loop);
    return 0;
}

static void detach(void *user, struct loop *loop, void (*detached)(void *arg), void *arg)
{
    struct fixture *f = user;
    for (int i = 0; i < THREADS; i++) {
        if (atomic_load(&f->loops[i]) == loop && loop_is_current(loop)) {
            atomic_store(&f->loops[i], NULL);
            atomic_fetch_add(&f->detached, 1);
        }
    }
    detached(arg);
}

static void answer(struct http_stream *s)
{
    http_stream_start(s, 200, NULL, 0);
    http_stream_end(s, NULL, 0);
    http_stream_release(s);
}

static void on_request(struct http_stream *s, int rc)
{
    struct fixture *f = s->user;
    bool known = false;
    for (int i = 0; i < THREADS; i++) {
        if (atomic_load(&f->loops[i]) == loop_current()) {
            atomic_fetch_add(&f->served[i], 1);
            known = true;
        }
    }
    atomic_fetch_add(&f->strangers, known ? 0 : 1);
    if (rc == 0 && slice_eq(s->path, SLICE("/hold"))) {
        atomic_store(&f->held, s);
    } else {
        answer(s);
    }
}

static void on_reset(struct http_stream *s, const struct err *why)
{
    (void)why;
    http_stream_release(s);
}

static const struct http_handler handler = {.on_request = on_request, .on_reset = on_reset};

static void route(struct http_server *server, struct http_stream *s)
{
    s->handler = &handler;
    s->user = server->user;
}

/* ---- the owner's and the client's side, on the home loop ---- */

static struct fronts_config config_of(struct fixture *f)
{
    return (struct fronts_config){.home = &f->home.loop,
                                  .count = THREADS,
                                  .tls = f->tls,
                                  .address = "127.0.0.1:0",
                                  .user = f,
                                  .attach = attach,
                                  .detach = detach,
                                  .route = route};
}

static void on_fetched(struct fetch *fetch, int rc, const struct err *err)
{
    struct fixture *f = fetch->user;
    f->rc = rc;
    f->err = err != NULL ? *err : (struct err){0};
    onloop_done(&f->home);
}

/* One request on a connection of its own, so that the kernel chooses a thread anew. */
static void fetch_fn(void *arg)
{
    struct fixture *f = arg;
    const struct fetcher_config config = {.ca_pem = buf_slice(&f->certs.ca_cert)};
    f->rc = fetcher_init(&f->fetcher, &f->home.loop, &config, &f->err);
    f->fetch = (struct fetch){
        .method = "GET", .url = f->url, .response_max = 1000, .user = f, .done = on_fetched};
    fetch_start(&f->fetcher, &f->fetch);
}

static void on_fetcher_closed(struct fetcher *fetcher)
{
    onloop_done(&CONTAINER_OF(fetcher, struct fixture, fetcher)->home);
}

static void end_fetch_fn(void *arg)
{
    struct fixture *f = arg;
    fetch_clear(&f->fetch);
    fetcher_close(&f->fetcher, on_fetcher_closed);
}

static void begin_fetch(struct fixture *f, const char *path)
{
    (void)snprintf(f->url, sizeof f->url, "https://127.0.0.1:%u%s", fronts_port(&f->fronts), path);
    onloop_call(&f->home, fetch_fn, f);
}

static void end_fetch(struct fixture *f)
{
    onloop_wait(&f->home, "the answer");
    onloop_call(&f->home, end_fetch_fn, f);
    onloop_wait(&f->home, "the client's end");
}

static void on_closed(struct fronts *fronts)
{
    struct fixture *f = CONTAINER_OF(fronts, struct fixture, fronts);
    f->closed_on_home = loop_is_current(&f->home.loop);
    f->detached_before_closed = atomic_load(&f->detached);
    onloop_done(&f->home);
}

static void close_fn(void *arg)
{
    struct fixture *f = arg;
    fronts_close(&f->fronts, GRACE_MS, on_closed);
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    onloop_start(&f->home);
    certs_make(&f->certs);
    f->tls = certs_server(&f->certs, TLS_PEER_NONE, NULL, http_alpn);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    onloop_stop(&f->home);
    tls_unref(f->tls);
    certs_free(&f->certs);
    free(f);
    return 0;
}

/* ---- the tests ---- */

static bool all_have_served(struct fixture *f)
{
    for (int i = 0; i < THREADS; i++) {
        if (atomic_load(&f->served[i]) == 0) {
            return false;
        }
    }
    return true;
}

static void every_thread_serves_on_the_port_that_the_kernel_chose(void **state)
{
    struct fixture *f = *state;
    const struct fronts_config config = config_of(f);
    assert_ok(fronts_start(&f->fronts, &config, &f->err), &f->err);
    assert_int_not_equal(fronts_port(&f->fronts), 0);
    for (int i = 0; i < FETCHES_MAX && !all_have_served(f); i++) {
        begin_fetch(f, "/");
        end_fetch(f);
        assert_ok(f->rc, &f->err);
        assert_int_equal(f->fetch.status, 200);
    }
    assert_true(all_have_served(f));
    assert_int_equal(atomic_load(&f->strangers), 0);
    onloop_call(&f->home, close_fn, f);
    onloop_wait(&f->home, "closed");
    fronts_join(&f->fronts);
    assert_true(f->closed_on_home);
    assert_int_equal(f->detached_before_closed, THREADS);
}

static void answer_held(void *arg)
{
    struct fixture *f = arg;
    answer(atomic_load(&f->held));
}

struct call {
    struct loop_msg msg;
    struct fixture *f;
};

static void run_answer_held(struct loop_msg *msg)
{
    answer_held(CONTAINER_OF(msg, struct call, msg)->f);
}

static bool is_held(void *arg)
{
    return atomic_load(&((struct fixture *)arg)->held) != NULL;
}

static void a_running_request_is_waited_for_and_its_thread_leaves_last(void **state)
{
    struct fixture *f = *state;
    const struct fronts_config config = config_of(f);
    struct call call = {.msg.run = run_answer_held, .f = f};
    const struct loop *serving = NULL;
    assert_ok(fronts_start(&f->fronts, &config, &f->err), &f->err);
    begin_fetch(f, "/hold");
    onloop_until(&f->home, is_held, f, "the request");
    for (int i = 0; i < THREADS; i++) {
        serving = atomic_load(&f->served[i]) > 0 ? atomic_load(&f->loops[i]) : serving;
    }
    assert_non_null(serving);
    onloop_call(&f->home, close_fn, f);
    while (atomic_load(&f->detached) < THREADS - 1) {
        (void)usleep(1000);
    }
    (void)usleep(50 * 1000); /* time enough to leave too early */
    assert_int_equal(atomic_load(&f->detached), THREADS - 1);
    loop_post((struct loop *)(uintptr_t)serving, &call.msg);
    end_fetch(f);
    assert_ok(f->rc, &f->err);
    assert_int_equal(f->fetch.status, 200);
    onloop_wait(&f->home, "closed");
    fronts_join(&f->fronts);
    assert_int_equal(f->detached_before_closed, THREADS);
}

/* Both would share it, but each with its own threads only. */
static void an_address_in_use_is_an_error_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct fronts *other = mem_zero(sizeof *other);
    struct fronts_config config = config_of(f);
    char address[64];
    assert_ok(fronts_start(&f->fronts, &config, &f->err), &f->err);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", fronts_port(&f->fronts));
    config.address = address;
    atomic_store(&f->attached, 0);
    assert_err(fronts_start(other, &config, &f->err), &f->err, ERR_IO, "in use");
    assert_int_equal(atomic_load(&f->attached), 1);
    assert_int_equal(atomic_load(&f->detached), 1); /* the other's first */
    fronts_join(other);
    free(other);
    onloop_call(&f->home, close_fn, f);
    onloop_wait(&f->home, "closed");
    fronts_join(&f->fronts);
}

static void an_address_that_is_none_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct fronts_config config = config_of(f);
    config.address = "no port here";
    assert_int_not_equal(fronts_start(&f->fronts, &config, &f->err), 0);
    assert_int_equal(atomic_load(&f->attached), atomic_load(&f->detached));
}

static void a_loop_that_cannot_be_attached_takes_the_others_with_it(void **state)
{
    struct fixture *f = *state;
    const struct fronts_config config = config_of(f);
    for (f->refuse_attach = 1; f->refuse_attach <= THREADS; f->refuse_attach++) {
        atomic_store(&f->attached, 0);
        atomic_store(&f->detached, 0);
        assert_err(fronts_start(&f->fronts, &config, &f->err), &f->err, ERR_FULL, "no room");
        assert_int_equal(atomic_load(&f->attached), f->refuse_attach - 1);
        assert_int_equal(atomic_load(&f->detached), f->refuse_attach - 1);
    }
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_ERROR, LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_thread_serves_on_the_port_that_the_kernel_chose,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_running_request_is_waited_for_and_its_thread_leaves_last,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_in_use_is_an_error_and_leaves_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_address_that_is_none_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_loop_that_cannot_be_attached_takes_the_others_with_it,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
