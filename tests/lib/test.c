/* test.c: assertions on our own types; each prints what it saw before it fails. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

double test_cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int test_child(void (*fn)(void))
{
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(nowhere, STDERR_FILENO); /* not closed: libuv would be handed its number */
        fn();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}
