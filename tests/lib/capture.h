/* capture.h: what code writes to stdout and stderr, in a test.
 *
 * Use: capture_start(&c); ...; capture_end(&c); assert_slice(buf_slice(&c.out), "...");
 * capture_free(&c). Between start and end no assertion of cmocka's is seen. Thread: the test's. */
#ifndef TESTS_LIB_CAPTURE_H
#define TESTS_LIB_CAPTURE_H

#include "base/str.h"

struct capture {
    struct buf out; /* stdout */
    struct buf err; /* stderr */
    /* private */
    int kept[2];
    int files[2];
};

void capture_start(struct capture *c);
void capture_end(struct capture *c);
void capture_free(struct capture *c);

#endif
