/* The configuration file: every key read, every fault named with file, line and key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/file.h"
#include "node/config.h"

static int parse(const char *text, struct config *c, struct err *err)
{
    *err = (struct err){0};
    return config_parse(c, slice_of(text), "c.yaml", err);
}

static void defaults_hold(void **state)
{
    (void)state;
    struct config c;
    struct err err;
    assert_int_equal(parse("dataDir: /d\n", &c, &err), 0);
    assert_string_equal(c.data_dir, "/d");
    assert_null(c.api_listen);
    assert_int_equal(c.api_loops, 2);
    assert_int_equal(c.api_connections, 4096);
    assert_int_equal(c.subject_rate, 20000);
    assert_int_equal(c.subject_requests, 400);
    assert_int_equal(c.subject_watches, 2000);
    assert_int_equal(c.subject_megabytes, 128);
    assert_int_equal(c.history_ms, 300000);
    assert_int_equal(c.event_ttl_ms, 3600000);
    assert_int_equal(c.log_level, LOG_INFO);
    assert_true(c.reconcile);
    config_free(&c);
}

static void every_key_is_read(void **state)
{
    (void)state;
    struct config c;
    struct err err;
    int rc =
        parse("dataDir: /d\n"
              "api: {listen: '[::1]:7443', loops: 3, certFile: /dev/null, keyFile: /dev/null,\n"
              "      connections: 20}\n"
              "subjects: {requestsPerSecond: 5, requests: 6, watches: 7, megabytes: 0}\n"
              "peers: {listen: 0.0.0.0:7444}\n"
              "shards: {loops: 2, history: 1h30m, events: 10m}\n"
              "clusters: {requestsPerSecond: 90}\n"
              "sources: {allowLocal: true}\n"
              "reconcile: false\n"
              "log: {level: debug, format: json}\n",
              &c, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(rc, 0);
    assert_string_equal(c.api_listen, "[::1]:7443");
    assert_int_equal(c.api_loops, 3);
    assert_int_equal(c.api_connections, 20);
    assert_int_equal(c.subject_rate, 5);
    assert_int_equal(c.subject_requests, 6);
    assert_int_equal(c.subject_watches, 7);
    assert_int_equal(c.subject_megabytes, 0);
    assert_string_equal(c.api_key_file, "/dev/null");
    assert_string_equal(c.peer_listen, "0.0.0.0:7444");
    assert_int_equal(c.shard_loops, 2);
    assert_int_equal(c.history_ms, 5400000);
    assert_int_equal(c.event_ttl_ms, 600000);
    assert_int_equal(c.cluster_requests_per_second, 90);
    assert_true(c.allow_local_sources);
    assert_false(c.reconcile);
    assert_int_equal(c.log_level, LOG_DEBUG);
    assert_int_equal(c.log_format, LOG_JSON);
    config_free(&c);
}

static void faults_name_file_line_and_key(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"dataDir: /d\napi:\n  port: 1\n", "c.yaml:3: api.port: unknown key"},
        {"dataDir: /d\nfrobnicate: yes\n", "c.yaml:2: frobnicate: unknown key"},
        {"dataDir: 7\n", "c.yaml:1: dataDir: must be a string"},
        {"dataDir: /d\napi:\n  listen: localhost\n", "c.yaml:3: api.listen: must be HOST:PORT"},
        {"dataDir: /d\napi:\n  listen: h:99999\n", "c.yaml:3: api.listen: must be HOST:PORT"},
        {"dataDir: /d\napi:\n  loops: 0\n", "c.yaml:3: api.loops: must be from 1 to 16"},
        {"dataDir: /d\napi:\n  loops: many\n", "c.yaml:3: api.loops: must be a whole number"},
        {"dataDir: /d\nshards:\n  history: 10\n", "c.yaml:3: shards.history: must be a duration"},
        {"dataDir: /d\nshards:\n  history: 1m\n",
         "c.yaml:3: shards.history: must be from 300000 ms"},
        {"dataDir: /d\nreconcile: maybe\n", "c.yaml:2: reconcile: must be true or false"},
        {"dataDir: /d\nlog:\n  level: loud\n", "c.yaml:3: log.level: must be one of debug, info"},
        {"dataDir: /d\napi:\n  keyFile: /nonexistent/k\n", "c.yaml:3: api.keyFile: cannot read"},
        {"dataDir: /d\napi:\n  keyFile: /dev/null\n", "c.yaml:3: api.keyFile: api.certFile and"},
        {"dataDir: /d\nlog: loud\n", "c.yaml:2: log: must be a map"},
        {"api: {}\n", "c.yaml:1: dataDir: is required"},
        {"- a\n", "c.yaml:1: must be a map of keys"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config c;
        struct err err;
        assert_int_equal(parse(cases[i].text, &c, &err), ERR_INVALID);
        if (strstr(err.message, cases[i].message) != err.message) {
            fail_msg("case %zu: \"%s\", expected \"%s\"", i, err.message, cases[i].message);
        }
    }
}

static void broken_yaml_names_its_line(void **state)
{
    (void)state;
    struct config c;
    struct err err;
    assert_int_equal(parse("dataDir: /d\napi: {listen: [}\n", &c, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "c.yaml:2"));
}

/* Uncommenting every default in deploy/choreod.yaml gives a file that loads, and it names each key.
 */
static void the_documented_file_documents_every_key(void **state)
{
    (void)state;
    struct buf text = {0};
    struct err err = {0};
    assert_int_equal(file_read(SOURCE_DIR "/deploy/choreod.yaml", 65536, &text, &err), 0);
    static const char *const keys[] = {
        "dataDir:",           "listen:",    "certFile:", "keyFile:", "loops:",       "history:",
        "requestsPerSecond:", "reconcile:", "level:",    "format:",  "connections:", "requests:",
        "watches:",           "megabytes:", "events:"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        assert_true(slice_find(buf_slice(&text), slice_of(keys[i])) != SIZE_MAX);
    }
    struct buf bare = {0};
    struct slice rest = buf_slice(&text);
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        struct slice trimmed = slice_trim(line);
        bool commented_key = trimmed.len > 1 && trimmed.data[0] == '#' && trimmed.data[1] != ' ' &&
                             slice_find(trimmed, SLICE("File:")) == SIZE_MAX;
        if (commented_key) {
            buf_addf(&bare, "%.*s%.*s\n", (int)(trimmed.data - line.data), line.data,
                     SLICE_ARG(slice_sub(trimmed, 1, SIZE_MAX)));
        } else {
            buf_addf(&bare, "%.*s\n", SLICE_ARG(line));
        }
    }
    struct config c;
    int rc = parse(buf_cstr(&bare), &c, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(rc, 0);
    config_free(&c);
    buf_free(&bare);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(faults_name_file_line_and_key),
        cmocka_unit_test(broken_yaml_names_its_line),
        cmocka_unit_test(the_documented_file_documents_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
