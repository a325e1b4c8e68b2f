/* tmpdir.h: a directory for one test, gone with all it holds afterwards.
 *
 * Use: struct tmpdir t; tmpdir_make(&t); ... tmpdir_path(&t, "a.db") ...; tmpdir_remove(&t).
 * Made under $TMPDIR or /tmp. Thread: the test's. */
#ifndef TESTS_LIB_TMPDIR_H
#define TESTS_LIB_TMPDIR_H

#include "base/arena.h"

struct tmpdir {
    char path[256];
    struct arena names; /* private */
};

void tmpdir_make(struct tmpdir *t);
/* DIR/name; valid until tmpdir_remove(). */
const char *tmpdir_path(struct tmpdir *t, const char *name);
/* Writes a file of that name and returns its path. */
const char *tmpdir_write(struct tmpdir *t, const char *name, struct slice bytes);
/* Reads a file of that name. */
struct slice tmpdir_read(struct tmpdir *t, const char *name);
void tmpdir_remove(struct tmpdir *t);

#endif
