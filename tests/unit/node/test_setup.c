/* Making a node's directory: what names and addresses are taken, what lies there afterwards, and
 * what stands in the way. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/config.h"
#include "node/setup.h"
#include "tests/lib/tmpdir.h"

struct fixture {
    struct tmpdir tmp;
    struct credentials credentials;
    struct setup setup;
    struct err err;
};

static int make(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    tmpdir_make(&f->tmp);
    assert_ok(credentials_create(&f->credentials, "c-1", &f->err), &f->err);
    f->setup = (struct setup){.dir = tmpdir_path(&f->tmp, "data"),
                              .identity = {.cluster = "c-1",
                                           .shards = 2,
                                           .incarnation = 1,
                                           .election_timeout_ms = SETUP_ELECTION_TIMEOUT_MS,
                                           .heartbeat_ms = SETUP_HEARTBEAT_MS},
                              .founders = &f->setup.identity.self,
                              .founder_count = 1,
                              .credentials = &f->credentials};
    struct node_member *self = &f->setup.identity.self;
    assert_ok(setup_member(self, "node-1", "eu-west-1", "h1:7444", "h1:7443", &f->err), &f->err);
    assert_ok(credentials_issue_node(&f->credentials, "c-1", self, &f->err), &f->err);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    credentials_free(&f->credentials);
    tmpdir_remove(&f->tmp);
    free(f);
    return 0;
}

static void ids_are_positive_and_exact_in_json(void **state)
{
    (void)state;
    uint64_t before = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t id = setup_new_id();
        assert_true(id > 0 && id < UINT64_C(1) << 53 && id != before);
        before = id;
    }
}

static void members_have_names_and_addresses(void **state)
{
    struct fixture *f = *state;
    struct node_member m;
    assert_ok(setup_member(&m, "a-1", "local", "10.0.0.1:7444", "[2001:db8::1]:443", &f->err),
              &f->err);
    assert_string_equal(m.name, "a-1");
    assert_string_equal(m.region, "local");
    assert_string_equal(m.peer, "10.0.0.1:7444");
    assert_string_equal(m.api, "[2001:db8::1]:443");
    assert_true(m.id > 0);
    struct buf url = {0};
    setup_api_url(&m, &url);
    assert_slice(buf_slice(&url), "https://[2001:db8::1]:443");
    buf_free(&url);
}

static void other_names_and_addresses_are_refused(void **state)
{
    struct fixture *f = *state;
    struct node_member m;
    char longest[NODE_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const names[] = {"", "-a", "a-", "Node", "a.b", "a_b", "a b", "\xc3\xa9", longest};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_err(setup_member(&m, names[i], "r", "h:1", "h:1", &f->err), &f->err, ERR_INVALID,
                   "node name \"");
        assert_err(setup_member(&m, "a", names[i], "h:1", "h:1", &f->err), &f->err, ERR_INVALID,
                   "region \"");
    }
    longest[NODE_NAME_MAX] = '\0';
    assert_ok(setup_member(&m, longest, longest, "h:1", "h:1", &f->err), &f->err);
    const char *const addresses[] = {"",        "h",    "h:",        ":7443", "h:0",
                                     "h:65536", "h:7x", "h 1:7443",  "h\n:1", "::1:7443",
                                     "[::1:1",  "[]:1", "[h]:1",     "h:1:2", "h/x:1",
                                     "u@h:1",   "h:+1", "\xc3\xa9:1"};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        assert_err(setup_member(&m, "a", "r", addresses[i], "h:1", &f->err), &f->err, ERR_INVALID,
                   "peer address \"");
        assert_err(setup_member(&m, "a", "r", "h:1", addresses[i], &f->err), &f->err, ERR_INVALID,
                   "API address \"");
    }
}

static void a_directory_holds_all_that_a_node_needs(void **state)
{
    struct fixture *f = *state;
    assert_ok(setup_write(&f->setup, &f->err), &f->err);
    struct node_identity back;
    struct credentials read;
    struct config config;
    struct stat st;
    assert_ok(node_load(f->setup.dir, &back, &f->err), &f->err);
    assert_string_equal(back.self.name, "node-1");
    assert_ok(credentials_load(&read, f->setup.dir, &f->err), &f->err);
    credentials_free(&read);
    assert_int_equal(stat(f->setup.dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_ok(config_load(&config, tmpdir_path(&f->tmp, "data/choreod.yaml"), &f->err), &f->err);
    assert_string_equal(config.data_dir, f->setup.dir);
    config_free(&config);
    assert_err(setup_write(&f->setup, &f->err), &f->err, ERR_EXISTS,
               "already holds node node-1 of cluster c-1");
}

/* Whatever the directory is called, its configuration reads back. */
static void odd_directories_are_written_as_they_are(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"a: b",           "x #y", "'q'", "7", "caf\xc3\xa9 [1]",
                                        "nul\xe2\x80\xae"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct config config;
        char file[512];
        f->setup.dir = tmpdir_path(&f->tmp, names[i]);
        assert_ok(setup_write(&f->setup, &f->err), &f->err);
        (void)snprintf(file, sizeof file, "%s/choreod.yaml", f->setup.dir);
        assert_ok(config_load(&config, file, &f->err), &f->err);
        assert_string_equal(config.data_dir, f->setup.dir);
        config_free(&config);
    }
}

static void a_directory_that_cannot_be_made_is_told(void **state)
{
    struct fixture *f = *state;
    (void)tmpdir_write(&f->tmp, "file", SLICE("x"));
    f->setup.dir = tmpdir_path(&f->tmp, "file/data");
    assert_err(setup_write(&f->setup, &f->err), &f->err, ERR_IO, "file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_positive_and_exact_in_json),
        cmocka_unit_test_setup_teardown(members_have_names_and_addresses, make, end),
        cmocka_unit_test_setup_teardown(other_names_and_addresses_are_refused, make, end),
        cmocka_unit_test_setup_teardown(a_directory_holds_all_that_a_node_needs, make, end),
        cmocka_unit_test_setup_teardown(odd_directories_are_written_as_they_are, make, end),
        cmocka_unit_test_setup_teardown(a_directory_that_cannot_be_made_is_told, make, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
