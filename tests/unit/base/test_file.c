/* Whole small files: written atomically, refused clearly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/file.h"

struct fixture {
    char dir[64];
    char path[128];
    struct buf text;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    memcpy(f->dir, "/tmp/choreod-file-XXXXXX", sizeof "/tmp/choreod-file-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/a/b/file", f->dir);
    char parent[128];
    (void)snprintf(parent, sizeof parent, "%s/a/b", f->dir);
    assert_int_equal(file_make_dir(parent, 0700, &f->err), 0);
    assert_int_equal(file_make_dir(parent, 0700, &f->err), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char parent[128];
    (void)unlink(f->path);
    (void)snprintf(parent, sizeof parent, "%s/a/b", f->dir);
    assert_int_equal(rmdir(parent), 0); /* also: no temporary file was left behind */
    (void)snprintf(parent, sizeof parent, "%s/a", f->dir);
    (void)rmdir(parent);
    (void)rmdir(f->dir);
    buf_free(&f->text);
    free(f);
    return 0;
}

static void what_is_written_is_read(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(file_write(f->path, SLICE("one"), 0600, &f->err), 0);
    assert_int_equal(file_write(f->path, SLICE("two"), 0640, &f->err), 0);
    assert_int_equal(file_read(f->path, 3, &f->text, &f->err), 0);
    assert_true(slice_eq_cstr(buf_slice(&f->text), "two"));
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void a_failed_write_keeps_the_old_bytes(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(file_write(f->path, SLICE("old"), 0600, &f->err), 0);
    fault_arm("file.write", 1, false);
    assert_int_equal(file_write(f->path, SLICE("new"), 0600, &f->err), ERR_FULL);
    fault_disarm_all();
    assert_int_equal(file_read(f->path, 100, &f->text, &f->err), 0);
    assert_true(slice_eq_cstr(buf_slice(&f->text), "old"));
}

static void reading_names_what_is_wrong(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(file_read(f->path, 3, &f->text, &f->err), ERR_NOT_FOUND);
    assert_non_null(strstr(f->err.message, f->path));
    assert_int_equal(file_write(f->path, SLICE("four"), 0600, &f->err), 0);
    assert_int_equal(file_read(f->path, 3, &f->text, &f->err), ERR_TOO_LARGE);
    assert_int_equal(f->text.len, 0);
    assert_int_equal(file_read(f->dir, 3, &f->text, &f->err), ERR_IO);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_is_written_is_read),
        T(a_failed_write_keeps_the_old_bytes),
        T(reading_names_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
