/* Log lines, as they arrive on stderr. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"

struct fixture {
    int stderr_before;
    int pipe[2];
    char line[8192];
};

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    f->stderr_before = dup(STDERR_FILENO);
    if (f->stderr_before < 0 || pipe(f->pipe) != 0 || dup2(f->pipe[1], STDERR_FILENO) < 0) {
        return -1;
    }
    log_setup(LOG_INFO, LOG_TEXT);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    (void)dup2(f->stderr_before, STDERR_FILENO);
    (void)close(f->stderr_before);
    (void)close(f->pipe[0]);
    (void)close(f->pipe[1]);
    free(f);
    return 0;
}

/* What was written since the last call; one write each. */
static const char *written(struct fixture *f)
{
    ssize_t n = read(f->pipe[0], f->line, sizeof f->line - 1);
    assert_true(n > 0);
    f->line[n] = '\0';
    return f->line;
}

static void a_line_has_time_level_event_and_fields(void **state)
{
    struct fixture *f = *state;
    log_info("raft.elected", "shard=%u term=%d", 2, 7);
    const char *line = written(f);
    assert_int_equal(line[4], '-');
    assert_int_equal(line[23], 'Z');
    assert_string_equal(line + 24, " info  raft.elected shard=2 term=7\n");
    log_error("node.stop", "%s", "");
    assert_string_equal(written(f) + 24, " error node.stop\n");
}

static void what_the_world_provokes_is_said_once_a_second(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    assert_int_equal(log_limit(&limit, 5000), 1);
    assert_int_equal(log_limit(&limit, 5001), 0);
    assert_int_equal(log_limit(&limit, 5999), 0);
    assert_int_equal(log_limit(&limit, 6000), 3);
    assert_int_equal(log_limit(&limit, 6001), 0);
}

static void levels_below_the_least_are_dropped(void **state)
{
    struct fixture *f = *state;
    log_debug("x", "a=%d", 1);
    assert_false(log_enabled(LOG_DEBUG));
    log_setup(LOG_WARN, LOG_TEXT);
    log_info("y", "a=%d", 1);
    log_warn("z", "a=%d", 1);
    assert_string_equal(written(f) + 24, " warn  z a=1\n");
}

static void values_are_quoted_when_they_need_it(void **state)
{
    (void)state;
    assert_string_equal(log_q("plain-1.2/3"), "plain-1.2/3");
    assert_string_equal(log_q(""), "\"\"");
    assert_string_equal(log_q(NULL), "\"\"");
    assert_string_equal(log_q("two words"), "\"two words\"");
    assert_string_equal(log_q("a=\"\\"), "\"a=\\\"\\\\\"");
    assert_string_equal(log_q("l1\nl2\x1b[31m\x7f"), "\"l1\\nl2\\u001b[31m\\u007f\"");
    assert_string_equal(log_q("\xc3\xa9 \xc2\x9b \xff"), "\"\xc3\xa9 \\u009b \\u00ff\"");
    assert_string_equal(log_q("a\xe2\x80\xae"
                              "b"),
                        "\"a\\u202eb\"");
    const char *first = log_q("1");
    for (int i = 0; i < 7; i++) {
        (void)log_q("other");
    }
    assert_string_equal(first, "1");
    struct buf huge = {0};
    for (int i = 0; i < 5000; i++) {
        buf_add_cstr(&huge, "\n");
    }
    struct slice cut = slice_of(log_q(buf_cstr(&huge)));
    assert_true(cut.len < 1024 && slice_ends_with(cut, SLICE("...\"")));
    buf_free(&huge);
}

static void control_characters_never_get_out(void **state)
{
    struct fixture *f = *state;
    log_info("x", "user=%s", "evil\n2026 forged\x1b[2J\xc2\x9b\xff\xe2\x80\xae");
    assert_string_equal(written(f) + 24, " info  x user=evil?2026 forged?[2J???\n");
}

static void json_lines_hold_the_same_fields(void **state)
{
    struct fixture *f = *state;
    log_setup(LOG_INFO, LOG_JSON);
    log_info("store.open", "shard=%d ok=true v=007 n=-5 why=%s file=%s", 2, log_q("a \"b\"\nc"),
             "x.db");
    json_t *line;
    struct err err;
    assert_ok(json_parse(slice_of(written(f)), &line, &err), &err);
    assert_slice(json_text_at(line, "event"), "store.open");
    assert_slice(json_text_at(line, "level"), "info");
    assert_int_equal(json_text_at(line, "time").len, 24);
    assert_int_equal(json_integer_value(json_object_get(line, "shard")), 2);
    assert_true(json_is_true(json_object_get(line, "ok")));
    assert_slice(json_text_at(line, "v"), "007");
    assert_int_equal(json_integer_value(json_object_get(line, "n")), -5);
    assert_slice(json_text_at(line, "why"), "a \"b\"\nc");
    assert_slice(json_text_at(line, "file"), "x.db");
    json_decref(line);
    log_info("free", "%s", "no pairs here");
    assert_ok(json_parse(slice_of(written(f)), &line, &err), &err);
    assert_slice(json_text_at(line, "text"), "no pairs here");
    json_decref(line);
}

static void a_long_line_is_cut(void **state)
{
    struct fixture *f = *state;
    char text[6000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("long", "%s", text);
    struct slice line = slice_of(written(f));
    assert_true(line.len < 4200 && slice_ends_with(line, SLICE("x\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_time_level_event_and_fields, setup, teardown),
        cmocka_unit_test(what_the_world_provokes_is_said_once_a_second),
        cmocka_unit_test_setup_teardown(levels_below_the_least_are_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_quoted_when_they_need_it, setup, teardown),
        cmocka_unit_test_setup_teardown(control_characters_never_get_out, setup, teardown),
        cmocka_unit_test_setup_teardown(json_lines_hold_the_same_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_line_is_cut, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
