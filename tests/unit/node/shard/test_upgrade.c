/* A cluster that is upgraded node by node: what older programs cannot read stays out of the log
 * until the last of them is gone. */
#include <dirent.h>

#include "base/file.h"
#include "node/shard/internal.h"
#include "tests/unit/node/shard/cluster.h"

#define TWICE(text) text text
#define OFTEN(text)                                                                                \
    TWICE(TWICE(TWICE(TWICE(TWICE(TWICE(text)))))) /* compressed, it is there once at the most */

static bool old_program[CLUSTER_NODES_MAX];

/* Directories end in the node's number, from 1. */
static void tune(struct node_config *config)
{
    size_t i = (size_t)(config->dir[strlen(config->dir) - 1] - '1');
    assert_in_range(i, 0, CLUSTER_NODES_MAX - 1);
    config->denied_features = old_program[i] ? NODE_READS_COMPRESSED : 0;
}

static bool file_has(const char *path, const char *text)
{
    struct buf bytes = {0};
    struct err err;
    assert_ok(file_read(path, (size_t)256 << 20, &bytes, &err), &err);
    bool has = memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
    buf_free(&bytes);
    return has;
}

/* Does the node's log hold that text as it is? */
static bool logged_plain(struct cluster *c, size_t i, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/wal", c->members[i].dir);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    bool has = false;
    for (struct dirent *e = readdir(dir); e != NULL && !has; e = readdir(dir)) {
        if (e->d_type == DT_REG) {
            (void)snprintf(path, sizeof(path), "%s/wal/%s", c->members[i].dir, e->d_name);
            has = file_has(path, text);
        }
    }
    (void)closedir(dir);
    return has;
}

/* The same, once the node has it. */
static bool comes_plain(struct cluster *c, size_t i, const char *text)
{
    bool has = false;
    for (int waited = 0; waited < CLUSTER_WAIT_MS && !has; waited += 10) {
        has = logged_plain(c, i, text);
        uv_sleep(10);
    }
    return has;
}

static void write_value(struct cluster *c, size_t leader, const char *name, const char *value)
{
    const struct write w = {.verb = BACKEND_CREATE, .ns = "acme", .name = name, .value = value};
    assert_int_equal(put(c, leader, w, NULL), 0);
}

static void replace_program(struct cluster *c, size_t i, bool old)
{
    cluster_stop(c, i, true);
    old_program[i] = old;
    cluster_start(c, i);
}

/* Writes until one is compressed, for a leader learns from its peers at their own time. */
static bool comes_compressed(struct cluster *c, size_t through)
{
    static const char text[] = OFTEN("packed-in-the-end-");
    for (int i = 0; i < 500; i++) {
        char name[32];
        char value[sizeof(text) + 16];
        char plain[sizeof(text) + 16];
        (void)snprintf(name, sizeof(name), "late-%d", i);
        (void)snprintf(value, sizeof(value), "%s%d", text, i);
        (void)snprintf(plain, sizeof(plain), "%s%d\"", text, i);
        write_value(c, through, name, value);
        /* An acknowledged write is on most disks in one form or the other. */
        if (!logged_plain(c, 0, plain) && !logged_plain(c, 1, plain) &&
            !logged_plain(c, 2, plain)) {
            return true;
        }
        uv_sleep(20);
    }
    return false;
}

static void an_older_program_gets_what_it_can_read(void **state)
{
    (void)state;
    struct cluster c;
    struct sync s;
    memset(old_program, 1, sizeof(old_program));
    cluster_found(&c, 3, 1, tune);
    make_organization(&c, 0, "acme");
    replace_program(&c, 0, false);
    replace_program(&c, 1, false);
    write_value(&c, 0, "early", OFTEN("plain-for-the-old-"));
    for (size_t i = 0; i < 3; i++) {
        assert_true(comes_plain(&c, i, OFTEN("plain-for-the-old-")));
    }
    replace_program(&c, 2, false);
    assert_true(comes_compressed(&c, 0));
    assert_int_equal(list(&c, 2, "acme", BACKEND_LINEARIZABLE, 0, &s), 0);
    assert_non_null(strstr(s.names, "acme/early "));
    cluster_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_older_program_gets_what_it_can_read),
    };
    cmocka_set_test_filter(getenv("CHOREO_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
