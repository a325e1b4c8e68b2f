/* What Kubernetes takes as a CronJob's schedule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/cron.h"

static void test_schedules(void **state)
{
    static const char *const good[] = {"* * * * *",
                                       "0 * * * *",
                                       "*/5 0-6,12 1,15 jan-MAR mon-fri",
                                       "5/15 ? 31 12 0",
                                       "0-59/2 23 ? Dec Sat",
                                       " 0  3 *\t* * ",
                                       "@hourly",
                                       "@daily",
                                       "@midnight",
                                       "@weekly",
                                       "@monthly",
                                       "@yearly",
                                       "@annually",
                                       "@every 1h30m"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!cron_valid(slice_of(good[i]))) {
            fail_msg("refused: %s", good[i]);
        }
    }
}

static void test_what_is_none(void **state)
{
    static const char *const bad[] = {"",
                                      "not cron",
                                      "* * * *",
                                      "* * * * * *",
                                      "60 * * * *",
                                      "* 24 * * *",
                                      "* * 0 * *",
                                      "* * 32 * *",
                                      "* * * 0 *",
                                      "* * * 13 *",
                                      "* * * * 7",
                                      "5-1 * * * *",
                                      "*/0 * * * *",
                                      "*/ * * * *",
                                      "/5 * * * *",
                                      "1, * * * *",
                                      ",1 * * * *",
                                      "1-2-3 * * * *",
                                      "-1 * * * *",
                                      "1- * * * *",
                                      "jan * * * *",
                                      "* * * mon *",
                                      "* * * * mond",
                                      "* * * * mo",
                                      "1/2/3 * * * *",
                                      "99999999999 * * * *",
                                      "*5 * * * *",
                                      "@hour",
                                      "@every",
                                      "@every x",
                                      "@reboot",
                                      "TZ=UTC 0 * * * *"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (cron_valid(slice_of(bad[i]))) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_schedules),
                                       cmocka_unit_test(test_what_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
