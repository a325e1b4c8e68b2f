/* Tables: lined up, harmless, the same in a pipe whatever they hold. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/print.h"

static char shown[4096];

/* What fn prints on stdout, which is a pipe then. */
static const char *printed(void (*fn)(struct print_table *t))
{
    static const char *const titles[] = {"NAME", "SIZE", "MESSAGE"};
    int ends[2];
    struct print_table table;
    (void)fflush(stdout);
    int before = dup(STDOUT_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDOUT_FILENO) >= 0);
    print_init(&table, titles, 3);
    fn(&table);
    print_flush(&table, true);
    print_free(&table);
    assert_true(dup2(before, STDOUT_FILENO) >= 0);
    (void)close(before);
    (void)close(ends[1]);
    ssize_t got = read(ends[0], shown, sizeof shown - 1);
    (void)close(ends[0]);
    assert_true(got >= 0);
    shown[got] = '\0';
    return shown;
}

static void two_rows(struct print_table *t)
{
    print_row(t, (const char *[]){"a", "1", "short"});
    print_row(t, (const char *[]){"gr\xc3\xbc\xc3\x9f", "22222", NULL});
}

static void lined_up(void **state)
{
    (void)state;
    assert_string_equal(printed(two_rows), "NAME   SIZE    MESSAGE\n"
                                           "a      1       short\n"
                                           "gr\xc3\xbc\xc3\x9f   22222\n");
}

static void hostile_row(struct print_table *t)
{
    t->indent = 2;
    print_row(t, (const char *[]){"\033[31mred", "a\nb", "\x7f"});
}

static void harmless(void **state)
{
    (void)state;
    assert_string_equal(printed(hostile_row), "  NAME       SIZE   MESSAGE\n"
                                              "  ?[31mred   a?b    ?\n");
}

static void long_row(struct print_table *t)
{
    char cell[300];
    memset(cell, 'x', sizeof cell - 1);
    cell[sizeof cell - 1] = '\0';
    t->sentence = true;
    print_row(t, (const char *[]){"n", cell, cell});
}

/* Programs get every byte, on one line. */
static void whole_in_a_pipe(void **state)
{
    (void)state;
    const char *text = printed(long_row);
    assert_int_equal(strlen(strchr(text, '\n') + 1), 1 + 6 + 299 + 3 + 299 + 1);
    assert_int_equal(print_terminal_width(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lined_up), cmocka_unit_test(harmless),
                                       cmocka_unit_test(whole_in_a_pipe)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
