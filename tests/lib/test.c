/* test.c: assertions on our own types; each prints what it saw before it fails. */
#include "tests/lib/test.h"

void test_slice(struct slice actual, const char *expected, const char *file, int line)
{
    if (!slice_eq_cstr(actual, expected)) {
        print_error("expected \"%s\"\n  but got \"%.*s\"\n", expected, SLICE_ARG(actual));
        _fail(file, line);
    }
}

void test_ok(int rc, const struct err *err, const char *file, int line)
{
    if (rc != 0) {
        print_error("%s: %s\n", err_name(rc), err->message);
        _fail(file, line);
    }
}

void test_err(int rc, const struct err *err, int code, const char *text, const char *file, int line)
{
    if (rc != code || err->code != code || strstr(err->message, text) == NULL) {
        print_error("expected %s with \"%s\"\n  but got %s: %s\n", err_name(code), text,
                    err_name(rc), rc != 0 ? err->message : "success");
        _fail(file, line);
    }
}
