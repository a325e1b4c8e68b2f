/* test.h: what every unit test wants: cmocka with the headers that it needs before itself, and
 * assertions on our own types. Thread: the test's. */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"

/* The bytes are those of a C string. Shows both when they differ. */
#define assert_slice(slice, expected) test_slice((slice), (expected), __FILE__, __LINE__)
/* A call on &err succeeded; shows the message when it did not. */
#define assert_ok(rc, err) test_ok((rc), (err), __FILE__, __LINE__)
/* A call failed with this code, and its message holds this text. */
#define assert_err(rc, err, code, text) test_err((rc), (err), (code), (text), __FILE__, __LINE__)

/* Runs fn in a child that says nothing; returns its wait status. For what ends the program. */
int test_child(void (*fn)(void));

/* Processor time that this thread has had: what others do on the machine is not counted. */
double test_cpu_seconds(void);

void test_slice(struct slice actual, const char *expected, const char *file, int line);
void test_ok(int rc, const struct err *err, const char *file, int line);
void test_err(int rc, const struct err *err, int code, const char *text, const char *file,
              int line);

#endif
