/* The directory of a development cluster: made by the first start, found again by later ones, and
 * what each refuses. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/config.h"
#include "node/dev_internal.h"
#include "tests/lib/tmpdir.h"

struct fixture {
    struct tmpdir tmp;
    struct dev dev;
    struct err err;
};

static int make(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    tmpdir_make(&f->tmp);
    *state = f;
    return 0;
}

static void forget(struct fixture *f)
{
    credentials_free(&f->dev.credentials);
    free((char *)(uintptr_t)f->dev.settings.planes);
    f->dev = (struct dev){0};
}

static int end(void **state)
{
    struct fixture *f = *state;
    forget(f);
    tmpdir_remove(&f->tmp);
    free(f);
    return 0;
}

static int start(struct fixture *f, struct dev_settings asked)
{
    forget(f);
    f->dev.dir = f->tmp.path;
    return dev_setup(&f->dev, &asked, &f->err);
}

static const struct dev_child *child(const struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->dev.child_count; i++) {
        if (strcmp(f->dev.children[i].name, name) == 0) {
            return &f->dev.children[i];
        }
    }
    fail_msg("no child %s", name);
    return NULL;
}

static void a_first_start_makes_all(void **state)
{
    struct fixture *f = *state;
    const struct dev_settings asked = {
        .nodes = 2, .shards = 3, .base_port = 17000, .planes = "p/c1:eu-west-1, c2"};
    assert_ok(start(f, asked), &f->err);
    assert_int_equal(f->dev.node_count, 2);
    assert_int_equal(f->dev.child_count, 4);
    assert_int_equal(f->dev.identity.shards, 3);
    const struct dev_child *node = child(f, "node-2");
    assert_int_equal(node->port, 17010);
    assert_string_equal(node->member.peer, "127.0.0.1:17011");
    const struct dev_child *c1 = child(f, "c1");
    assert_string_equal(c1->plane, "p");
    assert_string_equal(c1->region, "eu-west-1");
    assert_int_equal(c1->port, 17020);
    assert_int_equal(strlen(c1->token), 64);
    assert_string_equal(child(f, "c2")->plane, "c2");
    assert_string_equal(child(f, "c2")->url, "https://127.0.0.1:17021");
    struct config config;
    assert_ok(config_load(&config, tmpdir_path(&f->tmp, "nodes/node-1/choreod.yaml"), &f->err),
              &f->err);
    config_free(&config);
    static const char *const secrets[] = {"kubeconfig", "planes/c1/kubeconfig", "planes/c1/token",
                                          "planes/c2/tls.key", "nodes/node-2/pki/ca.key"};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        struct stat st;
        assert_int_equal(stat(tmpdir_path(&f->tmp, secrets[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void a_later_start_finds_it_again(void **state)
{
    struct fixture *f = *state;
    char cluster[sizeof f->dev.identity.cluster];
    char token[sizeof f->dev.children[0].token];
    assert_ok(start(f, (struct dev_settings){.nodes = 1, .planes = "c1"}), &f->err);
    (void)snprintf(cluster, sizeof cluster, "%s", f->dev.identity.cluster);
    (void)snprintf(token, sizeof token, "%s", child(f, "c1")->token);
    uint64_t id = child(f, "node-1")->member.id;
    /* Asking for the same, or for nothing, is all one. */
    assert_ok(start(f, (struct dev_settings){0}), &f->err);
    assert_string_equal(f->dev.identity.cluster, cluster);
    assert_string_equal(child(f, "c1")->token, token);
    assert_true(child(f, "node-1")->member.id == id);
    assert_int_equal(f->dev.settings.shards, 4);
    assert_int_equal(f->dev.settings.base_port, 7443);
    assert_ok(start(f, (struct dev_settings){.nodes = 1, .shards = 4, .planes = "c1"}), &f->err);
    assert_string_equal(f->dev.identity.cluster, cluster);
}

static void another_shape_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_ok(start(f, (struct dev_settings){.nodes = 1, .planes = "c1"}), &f->err);
    assert_err(start(f, (struct dev_settings){.nodes = 3}), &f->err, ERR_INVALID,
               "was made with --nodes 1");
    assert_err(start(f, (struct dev_settings){.shards = 8}), &f->err, ERR_INVALID,
               "was made with --shards 4");
    assert_err(start(f, (struct dev_settings){.base_port = 9000}), &f->err, ERR_INVALID,
               "was made with --base-port 7443");
    assert_err(start(f, (struct dev_settings){.planes = "c2"}), &f->err, ERR_INVALID,
               "was made with --planes c1");
}

static void planes_that_are_none_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *planes;
        const char *message;
    } cases[] = {{"C1", "\"C1\" must be [PLANE/]CLUSTER[:REGION]"},
                 {"p/", "\"p/\" must be"},
                 {"/c", "\"/c\" must be"},
                 {"c:", "\"c:\" must be"},
                 {"a,,b", "\"\" must be"},
                 {"c1:us_west", "\"c1:us_west\" must be"},
                 {"a/b/c", "\"a/b/c\" must be"},
                 {"c1,p/c1", "two children would be named c1"},
                 {"node-1", "two children would be named node-1"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_err(start(f, (struct dev_settings){.nodes = 1, .planes = cases[i].planes}), &f->err,
                   ERR_INVALID, cases[i].message);
        assert_int_equal(access(tmpdir_path(&f->tmp, "nodes"), F_OK), -1); /* nothing was made */
    }
    struct buf many = {0};
    for (int i = 0; i <= DEV_PLANES_MAX; i++) {
        buf_addf(&many, "%sc%d", i > 0 ? "," : "", i);
    }
    assert_err(start(f, (struct dev_settings){.nodes = 1, .planes = buf_cstr(&many)}), &f->err,
               ERR_INVALID, "--planes: at most 32");
    buf_free(&many);
}

static void an_empty_list_is_no_planes(void **state)
{
    struct fixture *f = *state;
    assert_ok(start(f, (struct dev_settings){.nodes = 1, .planes = ""}), &f->err);
    assert_int_equal(f->dev.child_count, 1);
}

/* 65000 is the highest first port that is taken; some planes find no room above it. */
static void ports_end_below_65536(void **state)
{
    struct fixture *f = *state;
    struct buf planes = {0};
    for (int i = 0; i < DEV_PLANES_MAX; i++) {
        buf_addf(&planes, "%sc%d", i > 0 ? "," : "", i);
    }
    assert_err(
        start(f,
              (struct dev_settings){.nodes = 1, .base_port = 65500, .planes = buf_cstr(&planes)}),
        &f->err, ERR_INVALID, "--base-port 65500 leaves no room");
    buf_free(&planes);
}

static void damaged_settings_are_told(void **state)
{
    struct fixture *f = *state;
    assert_ok(start(f, (struct dev_settings){.nodes = 1, .planes = "c1"}), &f->err);
    static const char *const damaged[] = {
        "{}",
        "{\"nodes\":9,\"shards\":4,\"basePort\":7443,\"planes\":\"c1\"}",
        "{\"nodes\":1,\"shards\":0,\"basePort\":7443,\"planes\":\"c1\"}",
        "{\"nodes\":4294967297,\"shards\":4,\"basePort\":7443,\"planes\":\"c1\"}",
        "{\"nodes\":1,\"shards\":65,\"basePort\":7443,\"planes\":\"c1\"}",
        "{\"nodes\":1,\"shards\":4,\"basePort\":-1,\"planes\":\"c1\"}"};
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        (void)tmpdir_write(&f->tmp, "settings.json", slice_of(damaged[i]));
        assert_err(start(f, (struct dev_settings){0}), &f->err, ERR_CORRUPT,
                   "settings.json is damaged: remove");
    }
    (void)tmpdir_write(&f->tmp, "settings.json", SLICE("{"));
    assert_err(start(f, (struct dev_settings){0}), &f->err, ERR_INVALID, "settings.json: line 1");
}

static void what_is_half_made_is_told(void **state)
{
    struct fixture *f = *state;
    assert_ok(start(f, (struct dev_settings){.nodes = 1, .planes = "c1"}), &f->err);
    assert_int_equal(unlink(tmpdir_path(&f->tmp, "settings.json")), 0);
    assert_err(start(f, (struct dev_settings){.nodes = 1, .planes = "c1"}), &f->err, ERR_EXISTS,
               "is half made: remove it and start over");
}

static void a_missing_file_is_named(void **state)
{
    struct fixture *f = *state;
    assert_ok(start(f, (struct dev_settings){.nodes = 2, .planes = "c1"}), &f->err);
    assert_int_equal(unlink(tmpdir_path(&f->tmp, "planes/c1/token")), 0);
    assert_err(start(f, (struct dev_settings){0}), &f->err, ERR_NOT_FOUND, "planes/c1/token");
    assert_int_equal(unlink(tmpdir_path(&f->tmp, "nodes/node-2/node.yaml")), 0);
    assert_err(start(f, (struct dev_settings){0}), &f->err, ERR_NOT_FOUND, "node-2");
}

static void a_directory_that_cannot_be_made_is_told(void **state)
{
    struct fixture *f = *state;
    const struct dev_settings asked = {.nodes = 1, .planes = ""};
    (void)tmpdir_write(&f->tmp, "file", SLICE("x"));
    f->dev.dir = tmpdir_path(&f->tmp, "file/dev");
    assert_int_not_equal(dev_setup(&f->dev, &asked, &f->err), 0);
    assert_non_null(strstr(f->err.message, "file/dev"));
    forget(f);
    char longer[DEV_DIR_MAX + 2];
    memset(longer, 'd', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    f->dev.dir = longer;
    assert_err(dev_setup(&f->dev, &asked, &f->err), &f->err, ERR_INVALID, "the path is too long");
}

int main(void)
{
#define DEV_TEST(name) cmocka_unit_test_setup_teardown(name, make, end)
    const struct CMUnitTest tests[] = {
        DEV_TEST(a_first_start_makes_all),    DEV_TEST(a_later_start_finds_it_again),
        DEV_TEST(another_shape_is_refused),   DEV_TEST(planes_that_are_none_are_refused),
        DEV_TEST(an_empty_list_is_no_planes), DEV_TEST(ports_end_below_65536),
        DEV_TEST(damaged_settings_are_told),  DEV_TEST(what_is_half_made_is_told),
        DEV_TEST(a_missing_file_is_named),    DEV_TEST(a_directory_that_cannot_be_made_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
