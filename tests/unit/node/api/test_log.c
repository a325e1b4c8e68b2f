/* The log subresource at the REST door, over a source that the test holds: what is asked of it, how
 * lines look, and that a reader who does not read, or goes, is told to it. */
#include <stdio.h>

#include "node/api/rest/rest.h"
#include "tests/unit/node/api/door.h"

#define LOG "/apis/choreo.dev/v1/namespaces/default/workflowruns/r/log"

/* A log whose lines the test says; one read at a time. */
struct saying {
    struct log_source source;
    struct door *d;
    struct log_read *read;
    struct log_options options; /* as asked; texts are gone with the request */
    char name[64];
    char ns[64];
    int resumed;
    bool stopped;
};

static struct saying saying;

static void start(struct log_source *source, struct log_read *read)
{
    struct saying *s = CONTAINER_OF(source, struct saying, source);
    s->read = read;
    s->options = read->options;
    (void)snprintf(s->name, sizeof s->name, "%.*s", SLICE_ARG(read->key.name));
    (void)snprintf(s->ns, sizeof s->ns, "%.*s", SLICE_ARG(read->key.ns));
    onloop_done(&s->d->o);
}

static void resume(struct log_source *source, struct log_read *read)
{
    (void)read;
    CONTAINER_OF(source, struct saying, source)->resumed++;
}

static void end_later(struct loop_msg *msg)
{
    struct err err;
    free(msg);
    (void)err_set(&err, ERR_CANCELED, "canceled");
    saying.read->done(saying.read, ERR_CANCELED, &err);
}

static void stop(struct log_source *source, struct log_read *read)
{
    struct saying *s = CONTAINER_OF(source, struct saying, source);
    struct loop_msg *msg = mem_zero(sizeof *msg);
    s->stopped = true;
    msg->run = end_later;
    loop_post(read->loop, msg);
}

static const struct log_ops ops = {start, resume, stop};

static int setup(void **state)
{
    int rc = door_setup(state);
    struct door *d = *state;
    saying = (struct saying){.source = {.ops = &ops}, .d = d};
    d->api.config.logs = &saying.source;
    return rc;
}

/* Asks, and waits until the source has been asked; the answer is in d->sent. */
static void ask(struct door *d, const char *query)
{
    struct buf text = {0};
    buf_addf(&text, "GET " LOG "%s HTTP/1.1\r\nhost: h\r\nauthorization: Bearer admin\r\n\r\n",
             query);
    d->request = buf_slice(&text);
    d->awaited = "never";
    onloop_call(&d->o, door_feed, d);
    onloop_wait(&d->o, "the source");
    buf_free(&text);
}

static void open_fn(void *arg)
{
    (void)arg;
    saying.read->on_open(saying.read);
}

struct lines {
    struct log_origin origin;
    struct slice text;
};

static void lines_fn(void *arg)
{
    const struct lines *lines = arg;
    saying.read->on_lines(saying.read, &lines->origin, lines->text);
}

static void say(struct door *d, const char *label, const char *text)
{
    struct lines lines = {.origin = {.label = slice_of(label)}, .text = slice_of(text)};
    onloop_call(&d->o, lines_fn, &lines);
}

static void notice_fn(void *arg)
{
    saying.read->on_notice(saying.read, slice_of(arg));
}

static void end_fn(void *arg)
{
    struct err err = {0};
    int rc = *(int *)arg;
    if (rc != 0) {
        (void)err_set(&err, rc, "cluster \"c\" does not answer");
    }
    saying.read->done(saying.read, rc, &err);
}

static void end(struct door *d, int rc)
{
    onloop_call(&d->o, end_fn, &rc);
}

/* ---- tests ---- */

static void a_query_is_what_kubernetes_takes_it_for(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct log_options o;
    struct err err;
    const char *all = "follow=true&previous=false&timestamps=1&tailLines=0&sinceSeconds=60"
                      "&limitBytes=7&container=build&pretty=true&tailLines=";
    assert_ok(rest_log_options(slice_of(all), &arena, &o, &err), &err);
    assert_true(o.follow && !o.previous && o.timestamps && o.has_tail);
    assert_int_equal(o.tail_lines, 0);
    assert_int_equal(o.since_s, 60);
    assert_int_equal(o.limit_bytes, 7);
    assert_slice(o.container, "build");
    assert_ok(rest_log_options(SLICE("sinceTime=2026-01-02T03%3A04%3A05Z"), &arena, &o, &err),
              &err);
    assert_slice(o.since_time, "2026-01-02T03:04:05Z");
    static const struct {
        const char *query;
        const char *says;
    } bad[] = {{"tailLines=-1", "tailLines"},
               {"tailLines=many", "tailLines"},
               {"tailLines=99999999999999999999", "tailLines"},
               {"sinceSeconds=0", "sinceSeconds"},
               {"limitBytes=0", "limitBytes"},
               {"sinceTime=noon", "sinceTime"},
               {"sinceSeconds=1&sinceTime=2026-01-02T03:04:05Z", "at most one"},
               {"follow=1&previous=1", "at most one"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int rc = rest_log_options(slice_of(bad[i].query), &arena, &o, &err);
        assert_err(rc, &err, ERR_UNPROCESSABLE, bad[i].says);
    }
    arena_free(&arena);
}

static void lines_leave_as_they_come(void **state)
{
    struct door *d = *state;
    ask(d, "?follow=true&tailLines=3");
    assert_string_equal(saying.name, "r");
    assert_string_equal(saying.ns, "default");
    assert_true(saying.options.follow && saying.options.tail_lines == 3);
    onloop_call(&d->o, open_fn, NULL);
    door_wait(d, "\r\n\r\n");
    assert_int_equal(door_status(d), 200);
    door_says(d, "content-type: text/plain");
    say(d, "", "alone\n");
    door_wait(d, "alone\n");
    say(d, "build", "one\n\ntwo\n");
    door_wait(d, "[build] one\n[build] \n[build] two\n");
    end(d, 0);
    door_wait(d, "0\r\n\r\n");
}

static void words_before_the_head_are_warnings(void **state)
{
    struct door *d = *state;
    ask(d, "");
    onloop_call(&d->o, notice_fn, (void *)(uintptr_t) "the \"pod\" is gone");
    say(d, "", "kept\n");
    onloop_call(&d->o, notice_fn, (void *)(uintptr_t) "too late");
    end(d, 0);
    door_wait(d, "0\r\n\r\n");
    door_says(d, "warning: 299 - \"the \\\"pod\\\" is gone\"\r\n");
    door_hides(d, "too late");
}

static void an_error_is_a_status_before_the_head_and_a_cut_after_it(void **state)
{
    struct door *d = *state;
    ask(d, "");
    end(d, ERR_UPSTREAM);
    door_wait(d, "}\n");
    assert_int_equal(door_status(d), 502);
    door_says(d, "\"message\":\"cluster \\\"c\\\" does not answer\"");
    door_says(d, "\"reason\":\"BadGateway\"");
    ask(d, "");
    say(d, "", "begun\n");
    door_wait(d, "begun\n");
    end(d, ERR_UPSTREAM);
    door_wait(d, "begun\n");
    door_hides(d, "0\r\n\r\n"); /* it does not look whole */
}

static void no_reader(void *arg)
{
    struct door *d = arg;
    d->pending = 100 * 1024 * 1024;
}

static void a_reader(void *arg)
{
    struct door *d = arg;
    d->pending = 0;
    http_conn_dirty(&d->conn);
}

static void paused_fn(void *arg)
{
    *(bool *)arg = saying.read->paused;
}

static bool is_resumed(void *arg)
{
    (void)arg;
    return saying.resumed == 1 && !saying.read->paused;
}

static void who_does_not_read_pauses_the_source(void **state)
{
    struct door *d = *state;
    char *line = mem_alloc(20002);
    bool paused = false;
    int lines = 0;
    memset(line, 'x', 20000);
    memcpy(line + 20000, "\n", 2);
    ask(d, "?follow=true");
    onloop_call(&d->o, no_reader, d);
    for (; !paused && lines < 100; lines++) {
        say(d, "", line);
        onloop_call(&d->o, paused_fn, &paused);
    }
    assert_in_range(lines, 2, HTTP_OUT_HIGH_BYTES / 20000 + 2);
    assert_int_equal(saying.resumed, 0);
    onloop_call(&d->o, a_reader, d);
    onloop_until(&d->o, is_resumed, NULL, "the source to go on");
    end(d, 0);
    door_wait(d, "0\r\n\r\n");
    free(line);
}

static bool is_stopped(void *arg)
{
    (void)arg;
    return saying.stopped;
}

static void who_goes_away_stops_the_source(void **state)
{
    struct door *d = *state;
    ask(d, "?follow=true");
    onloop_call(&d->o, open_fn, NULL);
    onloop_call(&d->o, door_hang_up, d);
    onloop_until(&d->o, is_stopped, NULL, "the source to hear of it");
}

static void only_logs_are_read_and_only_read(void **state)
{
    struct door *d = *state;
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        door_ask(d, methods[i], LOG, "content-type: application/json\r\n", "{}");
        assert_int_equal(door_status(d), 405);
    }
    door_ask(d, "GET", "/api/v1/namespaces/default/configmaps/r/log", "", NULL);
    assert_int_equal(door_status(d), 404);
    door_ask(d, "GET", LOG, "authorization: \r\n", NULL);
    assert_int_equal(door_status(d), 401);
    d->api.config.logs = NULL;
    door_ask(d, "GET", LOG, "", NULL);
    assert_int_equal(door_status(d), 405);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, door_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_what_kubernetes_takes_it_for),
        LOG_TEST(lines_leave_as_they_come),
        LOG_TEST(words_before_the_head_are_warnings),
        LOG_TEST(an_error_is_a_status_before_the_head_and_a_cut_after_it),
        LOG_TEST(who_does_not_read_pauses_the_source),
        LOG_TEST(who_goes_away_stops_the_source),
        LOG_TEST(only_logs_are_read_and_only_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
