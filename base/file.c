/* file.c: whole small files.
 *
 * Writing: PATH.tmp.PID, write all, fsync, rename, fsync the directory. Whatever fails removes the
 * temporary file and leaves the old one as it was. */
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"

static int io_error(struct err *err, const char *verb, const char *path)
{
    int code = errno == ENOENT                      ? ERR_NOT_FOUND
               : errno == ENOSPC || errno == EDQUOT ? ERR_FULL
                                                    : ERR_IO;
    return err_errno(err, code, errno, "%s %s", verb, path);
}

int file_read(const char *path, size_t max_bytes, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_error(err, "open", path);
    }
    size_t before = out->len;
    int rc = 0;
    for (;;) {
        buf_reserve(out, 16384);
        ssize_t got = read(fd, out->data + out->len, 16384);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            rc = io_error(err, "read", path);
            break;
        }
        out->len += (size_t)got;
        if (out->len - before > max_bytes) {
            rc = err_set(err, ERR_TOO_LARGE, "read %s: larger than %zu bytes", path, max_bytes);
            break;
        }
        if (got == 0) {
            break;
        }
    }
    (void)close(fd);
    if (rc != 0) {
        out->len = before;
    }
    return rc;
}

static int write_all(int fd, struct slice bytes)
{
    if (fault_hit("file.write")) {
        errno = ENOSPC;
        return -1;
    }
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.data, bytes.len);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return -1;
        }
        bytes = slice_sub(bytes, (size_t)put, SIZE_MAX);
    }
    return 0;
}

static int sync_parent(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return file_sync_dir(".", err);
    }
    char *dir = slice_dup(slice_make(path, slash == path ? 1 : (size_t)(slash - path)));
    int rc = file_sync_dir(dir, err);
    free(dir);
    return rc;
}

int file_write(const char *path, struct slice bytes, mode_t mode, struct err *err)
{
    char temporary[PATH_MAX];
    int len = snprintf(temporary, sizeof temporary, "%s.tmp.%ld", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof temporary) {
        return err_set(err, ERR_IO, "write %s: the path is too long", path);
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        return io_error(err, "create", temporary);
    }
    int rc = 0;
    if (fchmod(fd, mode) != 0 || write_all(fd, bytes) != 0 || fsync(fd) != 0) {
        rc = io_error(err, "write", path);
    }
    if (close(fd) != 0 && rc == 0) {
        rc = io_error(err, "write", path);
    }
    if (rc == 0 && rename(temporary, path) != 0) {
        rc = io_error(err, "rename to", path);
    }
    if (rc != 0) {
        (void)unlink(temporary);
        return rc;
    }
    return sync_parent(path, err);
}

int file_make_dir(const char *path, mode_t mode, struct err *err)
{
    assert(*path != '\0');
    char *copy = mem_strdup(path);
    int rc = 0;
    for (char *at = copy + 1; rc == 0; at++) {
        if (*at != '/' && *at != '\0') {
            continue;
        }
        char end = *at;
        *at = '\0';
        if (mkdir(copy, mode) != 0 && errno != EEXIST) {
            rc = io_error(err, "make directory", copy);
        }
        *at = end;
        if (end == '\0') {
            break;
        }
    }
    free(copy);
    return rc;
}

int file_sync_dir(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return io_error(err, "open directory", path);
    }
    int rc = fsync(fd) != 0 ? io_error(err, "sync directory", path) : 0;
    (void)close(fd);
    return rc;
}
