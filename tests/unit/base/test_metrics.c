/* Metrics as Prometheus reads them. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/metrics.h"

static struct buf rendered;

static const char *render(void)
{
    buf_clear(&rendered);
    metrics_render(&rendered);
    return buf_cstr(&rendered);
}

static int free_rendered(void **state)
{
    (void)state;
    buf_free(&rendered);
    return 0;
}

static void counters_and_gauges_group_by_name(void **state)
{
    (void)state;
    struct metric *a = metric_counter("t_writes_total", "shard=\"0\"", "Writes.\nBack\\slash.");
    struct metric *g = metric_gauge("t_depth", NULL, "Depth.");
    struct metric *b = metric_counter("t_writes_total", "shard=\"1\"", "Writes.");
    metric_add(a, 2);
    metric_add(a, 3);
    metric_add(b, 1);
    metric_set(g, 7);
    metric_add(g, -9);
    assert_non_null(strstr(render(), "# HELP t_writes_total Writes.\\nBack\\\\slash.\n"
                                     "# TYPE t_writes_total counter\n"
                                     "t_writes_total{shard=\"0\"} 5\n"
                                     "t_writes_total{shard=\"1\"} 1\n"
                                     "# HELP t_depth Depth.\n# TYPE t_depth gauge\nt_depth -2\n"));
    assert_ptr_equal(metric_counter("t_writes_total", "shard=\"1\"", "Writes."), b);
}

static void histograms_are_cumulative(void **state)
{
    (void)state;
    struct metric *h = metric_histogram("t_sync_seconds", "disk=\"a\"", "Syncs.");
    metric_observe_ns(h, 100000);       /* 100 us: at the first bound */
    metric_observe_ns(h, 100001);       /* above it */
    metric_observe_ns(h, 2000000000);   /* 2 s */
    metric_observe_ns(h, 500000000000); /* beyond all */
    const char *text = render();
    assert_non_null(strstr(text, "# TYPE t_sync_seconds histogram\n"
                                 "t_sync_seconds_bucket{disk=\"a\",le=\"0.0001\"} 1\n"
                                 "t_sync_seconds_bucket{disk=\"a\",le=\"0.00025\"} 2\n"));
    assert_non_null(strstr(text, "le=\"1\"} 2\n"));
    assert_non_null(strstr(text, "le=\"2.5\"} 3\n"));
    assert_non_null(strstr(text, "le=\"100\"} 3\n"
                                 "t_sync_seconds_bucket{disk=\"a\",le=\"+Inf\"} 4\n"
                                 "t_sync_seconds_sum{disk=\"a\"} 502.000200001\n"
                                 "t_sync_seconds_count{disk=\"a\"} 4\n"));
}

static double value_of(const char *text, const char *name)
{
    char needle[64];
    int len = snprintf(needle, sizeof needle, "\n%s ", name);
    const char *at = strstr(text, needle);
    assert_non_null(at);
    return strtod(at + len, NULL);
}

static void the_process_shows_itself(void **state)
{
    (void)state;
    const char *text = render();
    assert_true(value_of(text, "process_resident_memory_bytes") > 100000);
    assert_true(value_of(text, "process_open_fds") >= 3);
    assert_true(value_of(text, "process_max_fds") >= 20);
    assert_true(value_of(text, "process_cpu_seconds_total") >= 0);
    double age = (double)time(NULL) - value_of(text, "process_start_time_seconds");
    assert_true(age > -2 && age < 300);
}

static void every_line_has_the_forms_of_the_format(void **state)
{
    (void)state;
    struct slice rest = slice_of(render());
    assert_int_equal(rest.data[rest.len - 1], '\n');
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        if (!slice_starts_with(line, SLICE("# HELP ")) &&
            !slice_starts_with(line, SLICE("# TYPE "))) {
            size_t space = slice_find(line, SLICE(" "));
            assert_true(space != SIZE_MAX && space + 1 < line.len);
            char *end;
            (void)strtod(line.data + space + 1, &end);
            assert_int_equal(*end, '\n');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_group_by_name),
        cmocka_unit_test(histograms_are_cumulative),
        cmocka_unit_test(the_process_shows_itself),
        cmocka_unit_test(every_line_has_the_forms_of_the_format),
    };
    return cmocka_run_group_tests(tests, NULL, free_rendered);
}
