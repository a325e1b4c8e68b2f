/* tmpdir.c: mkdtemp, and a tree walk that removes it. Any failure fails the test. */
#include "tests/lib/tmpdir.h"

#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/test.h"

void tmpdir_make(struct tmpdir *t)
{
    const char *base = getenv("TMPDIR");
    arena_init(&t->names);
    int len =
        snprintf(t->path, sizeof t->path, "%s/choreod-test-XXXXXX", base != NULL ? base : "/tmp");
    assert(len < (int)sizeof t->path);
    if (mkdtemp(t->path) == NULL) {
        fail_msg("make %s: %s", t->path, strerror(errno));
    }
}

const char *tmpdir_path(struct tmpdir *t, const char *name)
{
    return arena_printf(&t->names, "%s/%s", t->path, name);
}

const char *tmpdir_write(struct tmpdir *t, const char *name, struct slice bytes)
{
    const char *path = tmpdir_path(t, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(bytes.data, 1, bytes.len, f) != bytes.len || fclose(f) != 0) {
        fail_msg("write %s: %s", path, strerror(errno));
    }
    return path;
}

struct slice tmpdir_read(struct tmpdir *t, const char *name)
{
    const char *path = tmpdir_path(t, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        fail_msg("read %s: %s", path, strerror(errno));
    }
    size_t len = (size_t)ftell(f);
    char *bytes = arena_alloc(&t->names, len);
    rewind(f);
    if (fread(bytes, 1, len, f) != len || fclose(f) != 0) {
        fail_msg("read %s: cut short", path);
    }
    return slice_make(bytes, len);
}

/* nftw() hands nothing through. */
static char left[512]; /* the first that could not be removed */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    int rc = remove(path);
    if (rc != 0) {
        (void)snprintf(left, sizeof left, "%s", path);
    }
    return rc;
}

void tmpdir_remove(struct tmpdir *t)
{
    (void)snprintf(left, sizeof left, "%s", t->path);
    if (nftw(t->path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        fail_msg("remove %s: %s", left, strerror(errno));
    }
    arena_free(&t->names);
}
