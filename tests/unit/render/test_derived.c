/* Long lists of variables and files: how they are merged, and that this takes what they are long.
 */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "render/derived.h"

struct deriving {
    json_t *release;
    json_t *binding;
    json_t *variables;
    struct arena arena;
};

static int setup(void **state)
{
    struct deriving *d = mem_zero(sizeof *d);
    d->variables = json_object();
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct deriving *d = *state;
    json_decref(d->release);
    json_decref(d->binding);
    json_decref(d->variables);
    arena_free(&d->arena);
    free(d);
    return 0;
}

/* Entries PREFIXfirst to PREFIXlast, with a value and, of files, a directory. */
static json_t *entries(const char *prefix, int first, int last, const char *value, const char *path)
{
    json_t *list = json_array();
    for (int i = first; i <= last; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "%s%d", prefix, i);
        json_t *entry = json_pack("{s:s, s:s}", "key", key, "value", value);
        if (path != NULL) {
            json_object_set_new(entry, "mountPath", json_string(path));
        }
        json_array_append_new(list, entry);
    }
    return list;
}

/* Takes the lists. */
static void derive_with(struct deriving *d, const char *list, json_t *own, json_t *override)
{
    struct err err = {0};
    d->release =
        json_pack("{s:{s:{s:s, s:o}}}", "workload", "container", "image", "web:1", list, own);
    d->binding = json_pack("{s:{s:{s:o}}}", "workloadOverrides", "container", list, override);
    const struct render_component in = {
        .id = {.component = SLICE("web"), .environment = SLICE("dev")},
        .release = d->release,
        .binding = d->binding,
    };
    json_t *derived = json_object();
    assert_ok(derive(&d->arena, &in, d->variables, derived, &err), &err);
    json_decref(derived);
}

static const json_t *config_at(const struct deriving *d, const char *list, size_t i)
{
    return json_array_get(json_at(d->variables, "configurations", "configs", list, NULL), i);
}

/* As many as may lie in a store from before there was a limit. */
static void an_override_replaces_in_place_and_what_is_new_comes_behind(void **state)
{
    struct deriving *d = *state;
    derive_with(d, "env", entries("V", 1, 20000, "own", NULL),
                entries("V", 10001, 30000, "new", NULL));
    for (size_t i = 0; i < 30000; i += 100) {
        char name[32];
        (void)snprintf(name, sizeof name, "V%zu", i + 1);
        assert_slice(json_text_at(config_at(d, "envs", i), "name"), name);
        assert_slice(json_text_at(config_at(d, "envs", i), "value"), i < 10000 ? "own" : "new");
    }
    assert_null(config_at(d, "envs", 30000));
}

static void a_file_is_known_by_its_directory_too(void **state)
{
    struct deriving *d = *state;
    json_t *both = entries("a", 1, 1, "new", "/y");
    json_t *newer = entries("a", 1, 1, "newer", "/x");
    json_array_extend(both, newer);
    json_decref(newer);
    derive_with(d, "files", entries("a", 1, 2, "own", "/x"), both);
    assert_slice(json_text_at(config_at(d, "files", 0), "value"), "newer");
    assert_slice(json_text_at(config_at(d, "files", 1), "value"), "own");
    assert_slice(json_text_at(config_at(d, "files", 2), "mountPath"), "/y");
    assert_null(config_at(d, "files", 3));
}

static size_t bytes_of_files(int count)
{
    void *state = NULL;
    assert_int_equal(setup(&state), 0);
    struct deriving *d = state;
    derive_with(d, "files", entries("f", 1, count, "v", "/x"), json_array());
    size_t bytes = d->arena.used_bytes;
    assert_int_equal(teardown(&state), 0);
    return bytes;
}

static void twice_the_files_take_twice_the_memory(void **state)
{
    (void)state;
    assert_in_range(bytes_of_files(2000), 1, bytes_of_files(1000) * 5 / 2);
}

/* Endpoints whose names are one when cut to a port's. *ports is new. */
static int derive_endpoints(struct deriving *d, int count, json_t **ports, struct err *err)
{
    json_t *endpoints = json_object();
    for (int i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "administration-%04d", i);
        json_object_set_new(endpoints, name, json_pack("{s:s, s:i}", "type", "TCP", "port", i + 1));
    }
    d->release = json_pack("{s:{s:{s:s}, s:o}}", "workload", "container", "image", "web:1",
                           "endpoints", endpoints);
    const struct render_component in = {.release = d->release};
    json_t *derived = json_object();
    int rc = derive_workload(&d->arena, &in, d->variables, derived, err);
    *ports = json_incref(json_at(derived, "workload", "toServicePorts", NULL));
    json_decref(derived);
    return rc;
}

static void ports_of_one_name_are_numbered(void **state)
{
    struct err err = {0};
    json_t *ports;
    assert_ok(derive_endpoints(*state, 1000, &ports, &err), &err);
    assert_slice(json_text_at(json_array_get(ports, 0), "name"), "administration");
    assert_slice(json_text_at(json_array_get(ports, 9), "name"), "administrati-10");
    assert_slice(json_text_at(json_array_get(ports, 999), "name"), "administra-1000");
    json_decref(ports);
}

static void no_service_has_thousands_of_ports(void **state)
{
    struct err err = {0};
    json_t *ports;
    assert_err(derive_endpoints(*state, 1001, &ports, &err), &err, ERR_TOO_LARGE,
               "workload.endpoints: there are more than 1000");
    json_decref(ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_override_replaces_in_place_and_what_is_new_comes_behind,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_is_known_by_its_directory_too, setup, teardown),
        cmocka_unit_test_setup_teardown(ports_of_one_name_are_numbered, setup, teardown),
        cmocka_unit_test_setup_teardown(no_service_has_thousands_of_ports, setup, teardown),
        cmocka_unit_test(twice_the_files_take_twice_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
