/* Clocks and RFC 3339. */
#include "tests/lib/test.h"

#include <time.h>

#include "base/clock.h"

static void fake_time_moves_only_when_told(void **state)
{
    (void)state;
    struct clock_fake f;
    clock_fake_init(&f, 1700000000000);
    uint64_t mono = f.clock.mono_ms(&f.clock);
    assert_true(mono > 0);
    assert_true(f.clock.wall_ms(&f.clock) == 1700000000000);
    clock_fake_advance(&f, 1500);
    assert_true(f.clock.mono_ms(&f.clock) == mono + 1500);
    assert_true(f.clock.wall_ms(&f.clock) == 1700000001500);
}

static void system_time_is_that_of_the_system(void **state)
{
    (void)state;
    uint64_t seconds = (uint64_t)time(NULL);
    uint64_t wall = clock_system.wall_ms(&clock_system) / 1000;
    assert_true(wall >= seconds && wall <= seconds + 2);
    uint64_t a = clock_system.mono_ms(&clock_system);
    assert_true(clock_system.mono_ms(&clock_system) >= a);
    assert_true(clock_mono_ns() / 1000000 >= a);
}

static void formatting_and_parsing_agree_with_libc(void **state)
{
    (void)state;
    for (uint64_t s = 0; s < 253402300800ULL; s += 86400ULL * 97 + 12345) {
        char ours[21];
        char libc[32];
        struct tm tm;
        time_t t = (time_t)s;
        assert_non_null(gmtime_r(&t, &tm));
        strftime(libc, sizeof libc, "%Y-%m-%dT%H:%M:%SZ", &tm);
        clock_rfc3339(s * 1000 + 999, ours);
        assert_string_equal(ours, libc);
        uint64_t back;
        assert_int_equal(clock_parse_rfc3339(ours, &back), 0);
        assert_true(back == s * 1000);
    }
    char out[21];
    clock_rfc3339(UINT64_MAX, out);
    assert_string_equal(out, "9999-12-31T23:59:59Z");
}

static void fractions_and_offsets_are_read(void **state)
{
    (void)state;
    uint64_t ms;
    assert_int_equal(clock_parse_rfc3339("2026-01-02T03:04:05.678901Z", &ms), 0);
    assert_true(ms % 1000 == 678);
    uint64_t utc;
    assert_int_equal(clock_parse_rfc3339("2026-01-02T03:04:05Z", &utc), 0);
    assert_int_equal(clock_parse_rfc3339("2026-01-02T05:34:05+02:30", &ms), 0);
    assert_true(ms == utc);
    assert_int_equal(clock_parse_rfc3339("2026-01-01T23:04:05-04:00", &ms), 0);
    assert_true(ms == utc);
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "2026-01-02",
                                      "2026-01-02T03:04:05",
                                      "2026-13-02T03:04:05Z",
                                      "2026-00-02T03:04:05Z",
                                      "2026-02-29T03:04:05Z",
                                      "2026-01-02T24:04:05Z",
                                      "2026-01-02T03:60:05Z",
                                      "2026-01-02T03:04:05Zx",
                                      "2026-01-02T03:04:05.Z",
                                      "2026-01-02 03:04:05Z",
                                      "1969-12-31T23:59:59Z",
                                      "1970-01-01T00:00:00+01:00",
                                      "2026-1-2T03:04:05Z",
                                      "2026-01-02T03:04:05+24:00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t ms;
        assert_int_equal(clock_parse_rfc3339(bad[i], &ms), -1);
    }
    uint64_t ms;
    assert_int_equal(clock_parse_rfc3339("2024-02-29T00:00:00Z", &ms), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fake_time_moves_only_when_told),
        cmocka_unit_test(system_time_is_that_of_the_system),
        cmocka_unit_test(formatting_and_parsing_agree_with_libc),
        cmocka_unit_test(fractions_and_offsets_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
