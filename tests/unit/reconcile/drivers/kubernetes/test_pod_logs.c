/* Logs of pods: which containers, in what order and under which labels; what is asked of the
 * cluster; waiting, pausing, and what goes wrong. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "reconcile/drivers/kubernetes/pod_logs_internal.h"
#include "tests/lib/kube.h"
#include "tests/lib/onloop.h"

enum { HUGE_BYTES = 32 << 20 };

struct fixture {
    struct onloop o;
    struct kube kube;
    struct pod_logs *logs;
    struct log_options options;
    struct pod_logs_config config;
    struct buf got; /* "[label] line" */
    struct buf notices;
    int opened;
    int looks;
    int finish_at; /* pod_logs_finish() in that look; 0: never */
    size_t pause_at_bytes;
    bool paused;
    bool done;
    int rc; /* of done */
    struct err err;
    int open_rc;
    struct err open_err;
    size_t measured;
};

static void on_open(void *user)
{
    struct fixture *f = user;
    f->opened++;
}

static bool on_lines(void *user, const struct log_origin *origin, struct slice lines)
{
    struct fixture *f = user;
    struct slice line;
    while (f->pause_at_bytes == 0 && slice_split(&lines, '\n', &line)) {
        buf_addf(&f->got, "[%.*s] %.*s\n", SLICE_ARG(origin->label), SLICE_ARG(line));
    }
    if (f->pause_at_bytes > 0) {
        buf_add(&f->got, lines);
        f->paused = f->got.len >= f->pause_at_bytes;
    }
    return !f->paused;
}

static void on_notice(void *user, struct slice text)
{
    struct fixture *f = user;
    buf_add(&f->notices, text);
    buf_add_char(&f->notices, '\n');
}

static void on_look(void *user)
{
    struct fixture *f = user;
    if (++f->looks == f->finish_at) {
        pod_logs_finish(f->logs);
    }
}

static void on_done(void *user, int rc, const struct err *err)
{
    struct fixture *f = user;
    f->done = true;
    f->rc = rc;
    f->err = *err;
    f->logs = NULL;
    onloop_done(&f->o);
}

static void start_fn(void *arg)
{
    struct fixture *f = arg;
    struct buf kubeconfig = {0};
    kube_config(&f->kube, &kubeconfig);
    f->config.loop = &f->o.loop;
    f->config.kubeconfig = buf_slice(&kubeconfig);
    f->config.plane = SLICE("p");
    f->config.cluster = SLICE("c");
    f->config.ns = SLICE("cell");
    f->config.selector = SLICE("run=r");
    f->config.options = &f->options;
    f->config.user = f;
    f->config.on_open = on_open;
    f->config.on_lines = on_lines;
    f->config.on_notice = on_notice;
    f->config.on_look = on_look;
    f->config.done = on_done;
    f->open_rc = pod_logs_open(&f->config, &f->logs, &f->open_err);
    buf_free(&kubeconfig);
}

static void kube_fn(void *arg)
{
    struct fixture *f = arg;
    kube_start(&f->kube, &f->o.loop);
}

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    onloop_start(&f->o);
    onloop_call(&f->o, kube_fn, f);
    *state = f;
    return 0;
}

static void end_fn(void *arg)
{
    struct fixture *f = arg;
    kube_stop(&f->kube);
}

static void close_fn(void *arg)
{
    struct fixture *f = arg;
    pod_logs_close(f->logs);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    onloop_call(&f->o, end_fn, f);
    onloop_stop(&f->o);
    kube_free(&f->kube);
    buf_free(&f->got);
    buf_free(&f->notices);
    free(f);
    return 0;
}

/* ---- what there is ---- */

/* state: "running", "waiting" or "terminated" of the main container; an init container before it
 * has ended. */
static json_t *pod(const char *name, const char *state, const char *created)
{
    json_t *init = json_pack("{s:s, s:i, s:{s:{s:i}}}", "name", "checkout", "restartCount", 0,
                             "state", "terminated", "exitCode", 0);
    json_t *main = json_pack("{s:s, s:i, s:{s:{s:s}}}", "name", "build", "restartCount", 0, "state",
                             state, "reason", "ImagePullBackOff");
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:{s:s}}, s:{s:[{s:s}], s:[{s:s}]}, "
                     "s:{s:s, s:[o], s:[o]}}",
                     "apiVersion", "v1", "kind", "Pod", "metadata", "name", name, "uid", name,
                     "namespace", "cell", "creationTimestamp", created, "labels", "run", "r",
                     "spec", "initContainers", "name", "checkout", "containers", "name", "build",
                     "status", "phase", strcmp(state, "terminated") == 0 ? "Succeeded" : "Pending",
                     "initContainerStatuses", init, "containerStatuses", main);
}

struct put {
    struct fixture *f;
    json_t *object;
    const char *key;
    const char *text;
};

static void put_fn(void *arg)
{
    struct put *p = arg;
    if (p->object != NULL) {
        kube_set(&p->f->kube, p->object);
    } else if (p->text != NULL) {
        kube_log(&p->f->kube, p->key, p->text);
    } else {
        kube_log_end(&p->f->kube, p->key);
    }
}

static void put_pod(struct fixture *f, const char *name, const char *state, const char *created)
{
    struct put p = {.f = f, .object = pod(name, state, created)};
    onloop_call(&f->o, put_fn, &p);
}

static void say(struct fixture *f, const char *key, const char *text)
{
    struct put p = {.f = f, .key = key, .text = text};
    onloop_call(&f->o, put_fn, &p);
}

static void run(struct fixture *f)
{
    onloop_call(&f->o, start_fn, f);
    assert_ok(f->open_rc, &f->open_err);
    onloop_wait(&f->o, "the end");
}

#define MORNING "2026-01-01T08:00:00Z"
#define NOON "2026-01-01T12:00:00Z"

/* ---- tests ---- */

static void steps_come_in_their_order(void **state)
{
    struct fixture *f = *state;
    f->config.steps = true;
    put_pod(f, "a", "terminated", MORNING);
    say(f, "a/build", "compiling\nno newline");
    say(f, "a/checkout", "cloning\n");
    run(f);
    assert_ok(f->rc, &f->err);
    assert_slice(buf_slice(&f->got), "[checkout] cloning\n[build] compiling\n[build] no newline\n");
    assert_int_equal(f->opened, 1);
}

static void what_runs_beside_the_steps_is_left_out(void **state)
{
    struct fixture *f = *state;
    f->config.steps = true;
    struct put p = {.f = f, .object = pod("a", "terminated", MORNING)};
    json_object_set_new(json_at(p.object, "metadata", "labels", NULL),
                        "workflows.argoproj.io/workflow", json_string("w"));
    json_array_insert_new(json_at(p.object, "spec", "containers", NULL), 0,
                          json_pack("{s:s}", "name", "wait"));
    json_array_insert_new(json_at(p.object, "spec", "initContainers", NULL), 0,
                          json_pack("{s:s, s:s}", "name", "proxy", "restartPolicy", "Always"));
    onloop_call(&f->o, put_fn, &p);
    say(f, "a/checkout", "c\n");
    say(f, "a/build", "b\n");
    run(f);
    assert_ok(f->rc, &f->err);
    assert_slice(buf_slice(&f->got), "[checkout] c\n[build] b\n");
}

static void what_is_asked_for_is_asked_of_the_cluster(void **state)
{
    struct fixture *f = *state;
    f->config.steps = true;
    f->options = (struct log_options){.timestamps = true,
                                      .has_tail = true,
                                      .tail_lines = 5,
                                      .since_time = SLICE("2026-01-01T00:00:00Z"),
                                      .limit_bytes = 9,
                                      .container = SLICE("build")};
    put_pod(f, "a", "terminated", MORNING);
    say(f, "a/build", "x\n");
    run(f);
    assert_ok(f->rc, &f->err);
    assert_slice(buf_slice(&f->kube.logs_asked),
                 "a?container=build&timestamps=true&limitBytes=9&tailLines=5&"
                 "sinceTime=2026-01-01T00%3A00%3A00Z\n");
    assert_slice(buf_slice(&f->got), "[] x\n"); /* alone, it needs no label */
}

static void serving_pods_come_all_at_once_the_oldest_first(void **state)
{
    struct fixture *f = *state;
    put_pod(f, "young", "running", NOON);
    put_pod(f, "old", "running", MORNING);
    say(f, "young/build", "y\n");
    say(f, "old/build", "o\n");
    f->config.many_clusters = true;
    run(f);
    assert_ok(f->rc, &f->err);
    assert_true(slice_find(buf_slice(&f->got), SLICE("[c/old] o\n")) != SIZE_MAX);
    assert_true(slice_find(buf_slice(&f->got), SLICE("[c/young] y\n")) != SIZE_MAX);
    assert_true(slice_starts_with(buf_slice(&f->kube.logs_asked), SLICE("old?")));
}

static void without_pods_or_a_beginning_it_says_so(void **state)
{
    struct fixture *f = *state;
    run(f);
    assert_err(f->rc, &f->err, ERR_NOT_FOUND, "there is no pod of it on cluster \"c\"");
    put_pod(f, "a", "waiting", MORNING);
    run(f);
    assert_err(f->rc, &f->err, ERR_INVALID, "pod a, container build: ImagePullBackOff");
    f->options.container = SLICE("sidecar");
    f->options.follow = true;
    run(f);
    assert_err(f->rc, &f->err, ERR_INVALID, "no container \"sidecar\"");
    assert_int_equal(f->opened, 0);
}

static bool has_notice(void *arg)
{
    return ((struct fixture *)arg)->notices.len > 0;
}

static bool follows(void *arg)
{
    return ((struct fixture *)arg)->kube.logs_open == 1;
}

static bool has_line(void *arg)
{
    return slice_ends_with(buf_slice(&((struct fixture *)arg)->got), SLICE("more\n"));
}

static void what_is_followed_is_waited_for_and_read_to_its_end(void **state)
{
    struct fixture *f = *state;
    f->config.steps = true;
    f->options = (struct log_options){.follow = true, .container = SLICE("build")};
    put_pod(f, "a", "waiting", MORNING);
    onloop_call(&f->o, start_fn, f);
    onloop_until(&f->o, has_notice, f, "a word about what is waited for");
    say(f, "a/build", "one\n");
    put_pod(f, "a", "running", MORNING);
    onloop_until(&f->o, follows, f, "a follower");
    say(f, "a/build", "mo");
    say(f, "a/build", "re\n");
    onloop_until(&f->o, has_line, f, "a line that came in two pieces");
    put_pod(f, "a", "terminated", MORNING);
    struct put end = {.f = f, .key = "a/build"};
    f->finish_at = f->looks + 1;
    onloop_call(&f->o, put_fn, &end);
    onloop_wait(&f->o, "the end");
    assert_ok(f->rc, &f->err);
    assert_slice(buf_slice(&f->got), "[] one\n[] more\n");
    assert_slice(buf_slice(&f->notices), "pod a, container build: ImagePullBackOff\n");
}

static void it_is_not_waited_for_for_ever(void **state)
{
    struct fixture *f = *state;
    f->options.follow = true;
    f->config.wait_ms = 1;
    put_pod(f, "a", "waiting", MORNING);
    run(f);
    assert_err(f->rc, &f->err, ERR_TIMEOUT, "ImagePullBackOff");
}

static void a_cluster_that_refuses_is_told_in_its_words(void **state)
{
    struct fixture *f = *state;
    f->kube.unauthorized = true;
    run(f);
    assert_err(f->rc, &f->err, ERR_UPSTREAM,
               "cannot read pods of cluster \"c\" of data plane \"p\": the cluster "
               "answers 401: Unauthorized");
    f->kube.unauthorized = false;
    put_pod(f, "a", "running", MORNING); /* of which it says, when asked, that it waits */
    run(f);
    assert_err(f->rc, &f->err, ERR_INVALID, "container is waiting to start");
}

static void cut_fn(void *arg)
{
    struct fixture *f = arg;
    kube_stop(&f->kube);
}

static void a_connection_that_breaks_ends_it(void **state)
{
    struct fixture *f = *state;
    f->options.follow = true;
    put_pod(f, "a", "running", MORNING);
    say(f, "a/build", "more\n");
    onloop_call(&f->o, start_fn, f);
    onloop_until(&f->o, has_line, f, "a line");
    onloop_call(&f->o, cut_fn, f);
    onloop_wait(&f->o, "the end");
    assert_err(f->rc, &f->err, ERR_UPSTREAM, "reading a log broke off");
}

static bool is_paused(void *arg)
{
    return ((struct fixture *)arg)->paused;
}

static void measure_fn(void *arg)
{
    struct fixture *f = arg;
    f->measured = kube_log_unsent(&f->kube);
}

static void resume_fn(void *arg)
{
    struct fixture *f = arg;
    f->paused = false;
    f->pause_at_bytes = SIZE_MAX;
    pod_logs_resume(f->logs);
}

static void who_does_not_read_stops_the_cluster(void **state)
{
    struct fixture *f = *state;
    char *text = mem_alloc(HUGE_BYTES + 1);
    memset(text, 'x', HUGE_BYTES);
    for (size_t i = 127; i < HUGE_BYTES; i += 128) {
        text[i] = '\n';
    }
    text[HUGE_BYTES] = '\0';
    put_pod(f, "a", "running", MORNING);
    say(f, "a/build", text);
    free(text);
    f->pause_at_bytes = 1;
    onloop_call(&f->o, start_fn, f);
    onloop_until(&f->o, is_paused, f, "a pause");
    onloop_call(&f->o, measure_fn, f);
    assert_true(f->got.len < 2 * POD_LOGS_LINE_BYTES_MAX);
    assert_true(f->measured > HUGE_BYTES / 4);
    assert_false(f->done);
    onloop_call(&f->o, resume_fn, f);
    onloop_wait(&f->o, "the rest");
    assert_ok(f->rc, &f->err);
    assert_int_equal(f->got.len, HUGE_BYTES);
}

static bool nobody_follows(void *arg)
{
    return ((struct fixture *)arg)->kube.logs_open == 0;
}

static void who_goes_away_ends_the_request(void **state)
{
    struct fixture *f = *state;
    f->options.follow = true;
    put_pod(f, "a", "running", MORNING);
    say(f, "a/build", "more\n");
    onloop_call(&f->o, start_fn, f);
    onloop_until(&f->o, has_line, f, "a line");
    onloop_call(&f->o, close_fn, f);
    onloop_wait(&f->o, "the end");
    assert_int_equal(f->rc, ERR_CANCELED);
    onloop_until(&f->o, nobody_follows, f, "the cluster to hear of it");
}

static void an_endless_line_comes_in_pieces(void **state)
{
    struct fixture *f = *state;
    enum { BYTES = 3 * POD_LOGS_LINE_BYTES_MAX };
    char *text = mem_alloc(BYTES + 1);
    memset(text, 'x', BYTES);
    text[BYTES] = '\0';
    put_pod(f, "a", "running", MORNING);
    say(f, "a/build", text);
    free(text);
    run(f);
    assert_ok(f->rc, &f->err);
    struct slice rest = buf_slice(&f->got);
    struct slice line;
    size_t lines = 0;
    while (slice_split(&rest, '\n', &line)) {
        assert_true(line.len < 2 * POD_LOGS_LINE_BYTES_MAX);
        lines++;
    }
    assert_true(lines >= 2);
}

#define LOGS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOGS_TEST(steps_come_in_their_order),
        LOGS_TEST(what_runs_beside_the_steps_is_left_out),
        LOGS_TEST(what_is_asked_for_is_asked_of_the_cluster),
        LOGS_TEST(serving_pods_come_all_at_once_the_oldest_first),
        LOGS_TEST(without_pods_or_a_beginning_it_says_so),
        LOGS_TEST(what_is_followed_is_waited_for_and_read_to_its_end),
        LOGS_TEST(it_is_not_waited_for_for_ever),
        LOGS_TEST(a_cluster_that_refuses_is_told_in_its_words),
        LOGS_TEST(a_connection_that_breaks_ends_it),
        LOGS_TEST(who_does_not_read_stops_the_cluster),
        LOGS_TEST(who_goes_away_ends_the_request),
        LOGS_TEST(an_endless_line_comes_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
