/* Watches: their head at once, events in order, bookmarks, ends, and readers that do not read. */
#include <stdio.h>

#include "tests/unit/node/api/door.h"

#define MAPS "/api/v1/namespaces/default/configmaps"

/* Another connection to the same doors, so that writes go on while a watch is open. */
struct writer {
    struct door *d;
    struct gate_write gate;
    struct arena arena;
    struct subject subject;
    json_t *object;
    int rc;
};

static void on_written(struct gate_write *w, int rc, const struct err *err)
{
    struct writer *writer = w->user;
    (void)err;
    writer->rc = rc;
    json_decref(writer->object);
    arena_free(&writer->arena);
    onloop_done(&writer->d->o);
}

static void start_write(void *arg)
{
    struct writer *writer = arg;
    writer->gate.loop = &writer->d->o.loop;
    gate_write(&writer->gate);
}

static void do_write(struct door *d, enum admit_op op, const char *name, const char *body)
{
    struct writer w = {.d = d, .subject = {.user = SLICE("system:test")}};
    struct err err;
    assert_ok(json_parse(slice_of(body), &w.object, &err), &err);
    w.gate = (struct gate_write){
        .api = &d->api,
        .arena = &w.arena,
        .subject = &w.subject,
        .kind = kind_by_resource(&d->kinds, SLICE("configmaps")),
        .op = op,
        .ns = SLICE("default"),
        .name = slice_of(name),
        .incoming = op == ADMIT_DELETE ? NULL : w.object,
        .user = &w,
        .done = on_written,
    };
    onloop_call(&d->o, start_write, &w);
    onloop_wait(&d->o, "a write");
    assert_int_equal(w.rc, 0);
}

static void create(struct door *d, const char *name)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"n\":\"1\"}}}",
                   name);
    do_write(d, ADMIT_CREATE, "", body);
}

static size_t find(struct door *d, const char *text)
{
    return slice_find(buf_slice(&d->seen), slice_of(text));
}

static void a_watch_shows_what_is_then_what_comes(void **state)
{
    struct door *d = *state;
    create(d, "a");
    door_ask_until(d, "GET", MAPS "?watch=1", "", NULL, "\"name\":\"a\"");
    door_says(d, "200 OK");
    door_says(d, "transfer-encoding: chunked");
    door_says(d, "{\"type\":\"ADDED\",\"object\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"");
    create(d, "b");
    do_write(d, ADMIT_PATCH_MERGE, "b", "{\"data\":{\"k\":\"v\"}}");
    do_write(d, ADMIT_DELETE, "a", "{}");
    door_wait(d, "DELETED");
    size_t added = find(d, "\"resourceVersion\":\"1002\"");
    size_t modified = find(d, "{\"type\":\"MODIFIED\"");
    size_t deleted = find(d, "{\"type\":\"DELETED\"");
    assert_true(added < modified && modified < deleted && deleted != SIZE_MAX);
    door_says(d, "\"resourceVersion\":\"1004\""); /* the deletion's, in the deleted object */
}

static void the_head_comes_before_any_event(void **state)
{
    struct door *d = *state;
    door_ask_until(d, "GET", MAPS "?watch=true&resourceVersion=1000", "", NULL, "\r\n\r\n");
    assert_int_equal(door_status(d), 200);
    assert_int_equal(door_body(d).len, 0);
    create(d, "later");
    door_wait(d, "\"later\"");
}

static void leaving_a_selector_is_a_deletion(void **state)
{
    struct door *d = *state;
    door_ask_until(d, "GET", MAPS "?watch=1&resourceVersion=1000&labelSelector=n%3D1", "", NULL,
                   "\r\n\r\n");
    create(d, "a");
    do_write(d, ADMIT_PATCH_MERGE, "a", "{\"metadata\":{\"labels\":{\"n\":\"2\"}}}");
    door_wait(d, "DELETED");
    door_says(d, "\"resourceVersion\":\"1002\"");
}

static void too_old_a_version_is_an_error_event(void **state)
{
    struct door *d = *state;
    create(d, "a");
    do_write(d, ADMIT_PATCH_MERGE, "a", "{\"data\":{\"k\":\"v\"}}");
    memory_compact(&d->memory);
    door_ask(d, "GET", MAPS "?watch=1&resourceVersion=1001", "", NULL);
    assert_int_equal(door_status(d), 200);
    door_says(d, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\"");
    door_says(d, "too old resource version: 1001 (1002)");
    door_says(d, "\"reason\":\"Expired\"");
    door_says(d, "\"code\":410}}\n");
}

static void a_watch_ends_when_its_time_is_over(void **state)
{
    struct door *d = *state;
    create(d, "a");
    door_ask(d, "GET", MAPS "?watch=1&timeoutSeconds=1&allowWatchBookmarks=1&resourceVersion=1000",
             "", NULL);
    door_says(d, "ADDED");
    door_hides(d, "ERROR");
    assert_true(slice_ends_with(buf_slice(&d->seen), SLICE("0\r\n\r\n")));
}

static void bookmarks_tell_how_far_it_is(void **state)
{
    struct door *d = *state;
    create(d, "a");
    door_ask(d, "GET", MAPS "?watch=1&timeoutSeconds=2&allowWatchBookmarks=1&resourceVersion=1000",
             "", NULL);
    door_says(d, "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\","
                 "\"metadata\":{\"resourceVersion\":\"1001\",\"creationTimestamp\":null}}}\n");
}

static void a_streaming_list_ends_in_a_marked_bookmark(void **state)
{
    struct door *d = *state;
    create(d, "a");
    door_ask_until(d, "GET",
                   MAPS "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
                        "&allowWatchBookmarks=true",
                   "", NULL, "BOOKMARK");
    door_says(d, "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}");
    assert_true(find(d, "ADDED") < find(d, "BOOKMARK"));
}

static void tables_name_their_columns_once(void **state)
{
    struct door *d = *state;
    door_ask_until(d, "GET", MAPS "?watch=1&resourceVersion=1000",
                   "accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n", NULL, "\r\n\r\n");
    create(d, "a");
    door_wait(d, "\"cells\":[\"a\"");
    create(d, "b");
    door_wait(d, "\"cells\":[\"b\"");
    door_says(d, "\"columnDefinitions\":[{");
    door_says(d, "\"columnDefinitions\":[],\"rows\":[{\"cells\":[\"b\"");
}

static void no_reader(void *arg)
{
    struct door *d = arg;
    d->pending = 100 * 1024 * 1024; /* the kernel takes nothing any more */
}

static void a_reader(void *arg)
{
    struct door *d = arg;
    d->pending = 0;
    http_conn_dirty(&d->conn);
}

static size_t queued_bytes(struct door *d)
{
    size_t bytes = 0;
    LIST_FOREACH(link, &d->conn.streams)
    {
        bytes += http_stream_pending(CONTAINER_OF(link, struct http_stream, link));
    }
    return bytes;
}

static void measure(void *arg)
{
    size_t *bytes = ((void **)arg)[1];
    *bytes = queued_bytes(((void **)arg)[0]);
}

static void a_slow_reader_costs_bounded_memory_and_misses_nothing(void **state)
{
    struct door *d = *state;
    enum { WRITES = 60 };
    door_ask_until(d, "GET", MAPS "?watch=1&resourceVersion=1000", "", NULL, "\r\n\r\n");
    onloop_call(&d->o, no_reader, d);
    char *body = mem_alloc(20100);
    create(d, "a");
    for (int i = 0; i < WRITES; i++) {
        int head = snprintf(body, 20100, "{\"data\":{\"i\":\"%d\",\"k\":\"", i);
        memset(body + head, 'x', 20000);
        (void)snprintf(body + head + 20000, 20, "\"}}");
        do_write(d, ADMIT_PATCH_MERGE, "a", body);
    }
    free(body);
    size_t bytes = 0;
    void *args[] = {d, &bytes};
    onloop_call(&d->o, measure, args);
    assert_true(bytes > HTTP_OUT_HIGH_BYTES);
    assert_true(bytes < HTTP_OUT_HIGH_BYTES + 64 * 1024); /* of 1.2 MB written */
    onloop_call(&d->o, a_reader, d);
    door_wait(d, "\"i\":\"59\"");
    for (int i = 0; i < WRITES; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "\"i\":\"%d\"", i);
        door_says(d, text);
    }
}

static void a_client_that_leaves_stops_its_watch(void **state)
{
    struct door *d = *state;
    door_ask_until(d, "GET", MAPS "?watch=1&resourceVersion=1000", "", NULL, "\r\n\r\n");
    onloop_call(&d->o, door_hang_up, d);
    create(d, "a"); /* the backend's watch ends in its own time */
    create(d, "b");
    assert_true(list_empty(&d->memory.watches));
}

static void drain(void *arg)
{
    struct door *d = arg;
    http_conn_drain(&d->conn);
    http_conn_tell_drain(&d->conn);
}

static void a_closing_server_ends_watches_cleanly(void **state)
{
    struct door *d = *state;
    door_ask_until(d, "GET", MAPS "?watch=1&resourceVersion=1000", "", NULL, "\r\n\r\n");
    onloop_call(&d->o, drain, d);
    door_wait(d, "0\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, door_setup, door_teardown)
        TEST(a_watch_shows_what_is_then_what_comes),
        TEST(the_head_comes_before_any_event),
        TEST(leaving_a_selector_is_a_deletion),
        TEST(too_old_a_version_is_an_error_event),
        TEST(a_watch_ends_when_its_time_is_over),
        TEST(bookmarks_tell_how_far_it_is),
        TEST(a_streaming_list_ends_in_a_marked_bookmark),
        TEST(tables_name_their_columns_once),
        TEST(a_slow_reader_costs_bounded_memory_and_misses_nothing),
        TEST(a_client_that_leaves_stops_its_watch),
        TEST(a_closing_server_ends_watches_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
