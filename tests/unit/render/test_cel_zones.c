/* Named time zones: what tzdata says, the rules behind it, and names that there are not. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <time.h>

#include "render/cel/time.h"
#include "render/cel/zone.h"
#include "render/cel/zone_rule.h"

static int64_t instant(const char *text)
{
    struct cel_time time;
    assert_true(cel_time_parse(slice_of(text), &time));
    return time.seconds;
}

static void in(const char *zone, const char *when, int32_t expected)
{
    int32_t offset;
    if (!cel_zone_offset(slice_of(zone), instant(when), &offset)) {
        fail_msg("there is no zone %s", zone);
    }
    if (offset != expected) {
        fail_msg("%s at %s is %d, not %d", zone, when, (int)offset, (int)expected);
    }
}

static void zones_change_when_they_did(void **state)
{
    (void)state;
    in("Europe/Berlin", "2026-01-01T00:00:00Z", 3600);
    in("Europe/Berlin", "2026-03-29T00:59:59Z", 3600);
    in("Europe/Berlin", "2026-03-29T01:00:00Z", 7200);
    in("Europe/Berlin", "2026-10-25T00:59:59Z", 7200);
    in("Europe/Berlin", "2026-10-25T01:00:00Z", 3600);
    in("Europe/Berlin", "1850-01-01T00:00:00Z", 3208); /* local mean time */
    in("America/St_Johns", "2009-02-13T02:00:00Z", -12600);
    in("Asia/Kathmandu", "1980-01-01T00:00:00Z", 19800);
    in("Asia/Kathmandu", "2009-02-13T23:31:30Z", 20700);
    in("Australia/Sydney", "2009-02-13T23:31:30Z", 39600);
    in("US/Central", "2009-02-13T23:31:30Z", -21600); /* a name of old, of the same zone */
    in("Pacific/Apia", "2011-12-30T09:59:59Z", -36000);
    in("Pacific/Apia", "2011-12-30T10:00:00Z", 50400); /* a day that there was not */
    in("UTC", "2026-01-01T00:00:00Z", 0);
    in("Etc/GMT+5", "2026-01-01T00:00:00Z", -18000);
}

/* Long after the last known change. */
static void rules_hold_for_ever(void **state)
{
    (void)state;
    in("Europe/Berlin", "9999-07-01T00:00:00Z", 7200);
    in("Europe/Berlin", "9999-12-31T23:59:59Z", 3600);
    in("America/New_York", "2500-03-14T06:59:59Z", -18000);
    in("America/New_York", "2500-03-14T07:00:00Z", -14400);
    in("Australia/Sydney", "2500-01-01T00:00:00Z", 39600); /* summer spans the year's end */
    in("Europe/Dublin", "2500-01-01T00:00:00Z", 0);
    in("Europe/Dublin", "2500-07-01T00:00:00Z", 3600);
    in("Africa/Casablanca", "2500-01-01T00:00:00Z", 3600);
}

/* The C library reads the same files: every name, at many instants. */
static void every_zone_is_as_the_machine_has_it(void **state)
{
    (void)state;
    if (setenv("TZ", "Europe/Berlin", 1) != 0) {
        fail();
    }
    size_t compared = 0;
    for (size_t i = 0; i < zone_name_count; i++) {
        const char *name = zone_names + zone_name_at[i];
        (void)setenv("TZ", name, 1);
        tzset();
        /* 83 days and a bit: no phase of the year is skipped. */
        for (int64_t at = -4000000000; at < 9000000000; at += 7200007) {
            time_t t = (time_t)at;
            struct tm tm;
            int32_t offset;
            assert_non_null(localtime_r(&t, &tm));
            assert_true(cel_zone_offset(slice_of(name), at, &offset));
            if (offset != tm.tm_gmtoff) {
                fail_msg("%s at %lld: %d, not %ld", name, (long long)at, (int)offset, tm.tm_gmtoff);
            }
            compared++;
        }
    }
    (void)unsetenv("TZ");
    tzset();
    assert_true(compared > 500 * 1000);
}

static void there_are_no_others(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",  "Europe", "Europe/Berlin2", "europe/berlin", "localtime", "posix/UTC",
        "A", "Zzz",    "../UTC"};
    int32_t offset;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_false(cel_zone_offset(slice_of(none[i]), 0, &offset));
    }
}

static void rules_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        const char *when;
        int32_t offset;
    } good[] = {
        {"UTC0", "2026-01-01T00:00:00Z", 0},
        {"<+0545>-5:45", "2026-01-01T00:00:00Z", 20700},
        {"AAA1:02:03", "2026-01-01T00:00:00Z", -3723},
        {"EST5EDT,M3.2.0,M11.1.0", "2026-07-01T00:00:00Z", -14400},
        {"CET-1CEST,J60,J300/3", "2024-02-29T23:30:00Z", 3600},
        {"CET-1CEST,J60,J300/3", "2024-03-01T01:00:00Z", 7200},
        {"CET-1CEST,59,300/3", "2024-02-29T01:00:00Z", 7200},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -7200},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3600},
        {"XXX3EDT4,0/0,J365/23", "2026-01-01T02:00:00Z", -14400}, /* saving all year round */
        {"XXX3EDT4,0/0,J365/23", "2026-07-01T00:00:00Z", -14400},
    };
    static const char *const bad[] = {"",
                                      "U0",
                                      "UTC",
                                      "UTCx",
                                      "UTC168",
                                      "UTC0x",
                                      "EST5EDT",
                                      "EST5EDT,M3.2.0",
                                      "<+05-5",
                                      "AAA0BBB,J366,J1",
                                      "AAA0BBB,M13.1.0,M1.1.0",
                                      "AAA0BBB,M1.6.0,M1.1.0",
                                      "AAA0BBB,M3.2.0,M11.1.0x",
                                      "AAA0BBB,M3,M4"};
    int32_t offset;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(zone_rule_offset(good[i].rule, instant(good[i].when), &offset));
        if (offset != good[i].offset) {
            fail_msg("%s at %s is %d", good[i].rule, good[i].when, (int)offset);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (zone_rule_offset(bad[i], 0, &offset)) {
            fail_msg("\"%s\" is taken for a rule", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_change_when_they_did),
        cmocka_unit_test(rules_hold_for_ever),
        cmocka_unit_test(every_zone_is_as_the_machine_has_it),
        cmocka_unit_test(there_are_no_others),
        cmocka_unit_test(rules_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
