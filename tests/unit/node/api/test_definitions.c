/* Definitions over memory: who only follows, who leads, watches that end, writes that are refused,
 * and the end of a kind with many objects. */
#include "tests/unit/node/api/door.h"

#include <unistd.h>

#include "node/api/definitions.h"

#define NAME "widgets.example.com"
#define KINDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define OBJECTS "/apis/example.com/v1/namespaces/default/widgets"

struct fixture {
    struct door *door;
    struct definitions definitions;
    _Atomic bool leads;
};

static bool leads(void *user)
{
    const struct fixture *f = user;
    return f->leads;
}

static void begin(void *arg)
{
    struct fixture *f = arg;
    const struct definitions_config config = {
        .api = &f->door->api, .loop = &f->door->o.loop, .leads = leads, .user = f};
    definitions_start(&f->definitions, &config);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    void *door;
    assert_non_null(f);
    assert_int_equal(door_setup(&door), 0);
    f->door = door;
    f->leads = true;
    onloop_call(&f->door->o, begin, f);
    *state = f;
    return 0;
}

static void on_closed(struct definitions *d)
{
    struct fixture *f = CONTAINER_OF(d, struct fixture, definitions);
    onloop_done(&f->door->o);
}

static void close_definitions(void *arg)
{
    struct fixture *f = arg;
    definitions_close(&f->definitions, on_closed);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *door = f->door;
    onloop_call(&f->door->o, close_definitions, f);
    onloop_wait(&f->door->o, "definitions are closed");
    assert_int_equal(door_teardown(&door), 0);
    free(f);
    return 0;
}

static void define(struct fixture *f)
{
    static const char body[] =
        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\","
        "\"metadata\":{\"name\":\"" NAME "\"},\"spec\":{\"group\":\"example.com\","
        "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"widgets\",\"kind\":\"Widget\"},"
        "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
        "\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}";
    door_ask(f->door, "POST", KINDS, "", body);
    assert_int_equal(door_status(f->door), 201);
}

static bool serves(struct fixture *f)
{
    const struct kind_set *set = kind_board_get(&f->door->board);
    bool served = kind_by_resource(&set->registry, SLICE(NAME)) != NULL;
    kind_set_unref(set);
    return served;
}

static bool is_served(void *arg)
{
    return serves(arg);
}

static bool is_not_served(void *arg)
{
    return !serves(arg);
}

static void who_only_follows_judges_nothing(void **state)
{
    struct fixture *f = *state;
    f->leads = false;
    define(f);
    (void)usleep(500 * 1000);
    assert_false(serves(f));
    door_ask(f->door, "GET", KINDS "/" NAME, "", NULL);
    door_hides(f->door, "Established");
    door_ask(f->door, "GET", OBJECTS, "", NULL);
    assert_int_equal(door_status(f->door), 404);
    f->leads = true; /* as after a change of leaders */
    onloop_until(&f->door->o, is_served, f, "the new leader establishes it");
    door_ask(f->door, "GET", OBJECTS, "", NULL);
    assert_int_equal(door_status(f->door), 200);
}

static void end_watches(void *arg)
{
    struct fixture *f = arg;
    memory_end_watches(&f->door->memory);
}

static void a_watch_that_ends_is_begun_again(void **state)
{
    struct fixture *f = *state;
    onloop_call(&f->door->o, end_watches, f);
    define(f);
    onloop_until(&f->door->o, is_served, f, "it is followed all the same");
    onloop_call(&f->door->o, end_watches, f);
    door_ask(f->door, "DELETE", KINDS "/" NAME, "", NULL);
    assert_int_equal(door_status(f->door), 200);
    onloop_until(&f->door->o, is_not_served, f, "it goes");
}

static void refuse(void *arg)
{
    struct fixture *f = arg;
    f->door->memory.conflicts = 3;
    f->door->memory.failing = 3;
}

static void what_fails_is_done_later(void **state)
{
    struct fixture *f = *state;
    f->leads = false;
    define(f);
    onloop_call(&f->door->o, refuse, f);
    f->leads = true;
    onloop_until(&f->door->o, is_served, f, "it is established in the end");
}

static void a_deleted_definition_takes_all_its_objects_along(void **state)
{
    struct fixture *f = *state;
    char body[128];
    define(f);
    onloop_until(&f->door->o, is_served, f, "it is established");
    for (int i = 0; i < 230; i++) { /* three pages */
        (void)snprintf(body, sizeof(body),
                       "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{"
                       "\"name\":\"w%d\"%s}}",
                       i, i == 0 ? ",\"finalizers\":[\"example.com/hold\"]" : "");
        door_ask(f->door, "POST", OBJECTS, "", body);
        assert_int_equal(door_status(f->door), 201);
    }
    door_ask(f->door, "DELETE", KINDS "/" NAME, "", NULL);
    assert_int_equal(door_status(f->door), 200);
    door_says(f->door, "\"Terminating\"");
    (void)usleep(1500 * 1000);
    door_ask(f->door, "GET", OBJECTS, "", NULL);
    door_says(f->door, "\"w0\""); /* held */
    door_hides(f->door, "\"w1\"");
    door_hides(f->door, "\"w229\"");
    door_ask(f->door, "POST", OBJECTS, "", body);
    assert_int_equal(door_status(f->door), 405);
    door_ask(f->door, "PATCH", OBJECTS "/w0", "content-type: application/merge-patch+json\r\n",
             "{\"metadata\":{\"finalizers\":null}}");
    assert_int_equal(door_status(f->door), 200);
    onloop_until(&f->door->o, is_not_served, f, "the kind goes with its last object");
    door_ask(f->door, "GET", KINDS "/" NAME, "", NULL);
    assert_int_equal(door_status(f->door), 404);
}

static bool is_ending(void *arg)
{
    struct fixture *f = arg;
    const struct kind_set *set = kind_board_get(&f->door->board);
    const struct kind *kind = kind_by_resource(&set->registry, SLICE(NAME));
    bool ending = kind != NULL && kind->ending;
    kind_set_unref(set);
    return ending;
}

static bool is_served_anew(void *arg)
{
    return serves(arg) && !is_ending(arg);
}

static bool watches_no_more(void *arg)
{
    const struct fixture *f = arg;
    return !f->definitions.watching;
}

static void fall_behind(void *arg)
{
    struct fixture *f = arg;
    f->definitions.retry_at_ms = UINT64_MAX;
}

static void catch_up(void *arg)
{
    struct fixture *f = arg;
    f->definitions.retry_at_ms = 0;
}

static void one_that_was_made_anew_meanwhile_is_not_cleaned_up(void **state)
{
    struct fixture *f = *state;
    define(f);
    onloop_until(&f->door->o, is_served, f, "it is established");
    f->leads = false;
    door_ask(f->door, "DELETE", KINDS "/" NAME, "", NULL);
    assert_int_equal(door_status(f->door), 200);
    onloop_until(&f->door->o, is_ending, f, "its deletion is seen");
    onloop_call(&f->door->o, end_watches, f);
    onloop_until(&f->door->o, watches_no_more, f, "the watch has ended");
    onloop_call(&f->door->o, fall_behind, f);
    door_ask(f->door, "PATCH", KINDS "/" NAME, "content-type: application/merge-patch+json\r\n",
             "{\"metadata\":{\"finalizers\":null}}");
    assert_int_equal(door_status(f->door), 200);
    define(f);
    f->leads = true;
    onloop_call(&f->door->o, catch_up, f);
    onloop_until(&f->door->o, is_served_anew, f, "the new one is established");
    door_ask(
        f->door, "POST", OBJECTS, "",
        "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"w\"}}");
    assert_int_equal(door_status(f->door), 201);
    (void)usleep(1500 * 1000); /* longer than it takes to clean up */
    assert_true(serves(f));
    door_ask(f->door, "GET", OBJECTS "/w", "", NULL);
    assert_int_equal(door_status(f->door), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_only_follows_judges_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_that_ends_is_begun_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_fails_is_done_later, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deleted_definition_takes_all_its_objects_along, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_that_was_made_anew_meanwhile_is_not_cleaned_up, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
