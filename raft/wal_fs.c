/* wal_fs.c: the log's files in a real directory.
 *
 * The directory is held by a lock on LOCK inside it for as long as the object lives, so two
 * processes cannot append to one log. Space is reserved ahead when a segment is made, so that
 * running out of it shows early; the length stays what was written. fdatasync writes the length
 * too. Every operation is a fault point. */
#include "raft/wal_fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/list.h"

struct dir_fs {
    struct wal_fs fs;
    int dir;
    int lock;
};

static struct dir_fs *dir_of(struct wal_fs *fs)
{
    return CONTAINER_OF(fs, struct dir_fs, fs);
}

static int dir_list(struct wal_fs *fs, void (*each)(void *arg, const char *name), void *arg)
{
    int fd = openat(dir_of(fs)->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int saved = errno;
        (void)close(fd);
        return -saved;
    }
    errno = 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        each(arg, e->d_name);
        errno = 0;
    }
    int rc = -errno;
    (void)closedir(dir);
    return rc;
}

static int dir_read(struct wal_fs *fs, const char *name, struct buf *out)
{
    int fd = openat(dir_of(fs)->dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int rc = 0;
    for (;;) {
        buf_reserve(out, 1 << 20);
        ssize_t n = read(fd, out->data + out->len, out->cap - out->len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            rc = n < 0 ? -errno : 0;
            break;
        }
        out->len += (size_t)n;
    }
    (void)close(fd);
    return rc;
}

static int dir_open(struct wal_fs *fs, const char *name, bool create, uint64_t expected_bytes,
                    int *file)
{
    if (fault_hit("wal.open")) {
        return -EIO;
    }
    int flags = O_WRONLY | O_APPEND | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0);
    int fd = openat(dir_of(fs)->dir, name, flags, 0600);
    if (fd < 0) {
        return -errno;
    }
    if (create && expected_bytes > 0) {
        /* A hint: file systems without it, or nearly full ones, do without. */
        (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)expected_bytes);
    }
    *file = fd;
    return 0;
}

static int dir_append(struct wal_fs *fs, int file, struct slice bytes)
{
    (void)fs;
    if (fault_hit("wal.append")) {
        return -EIO;
    }
    while (bytes.len > 0) {
        ssize_t n = write(file, bytes.data, bytes.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        bytes.data += n;
        bytes.len -= (size_t)n;
    }
    return 0;
}

static int dir_sync(struct wal_fs *fs, int file)
{
    (void)fs;
    if (fault_hit("wal.sync")) {
        return -EIO;
    }
    return fdatasync(file) != 0 ? -errno : 0;
}

static int dir_truncate(struct wal_fs *fs, const char *name, uint64_t length)
{
    if (fault_hit("wal.truncate")) {
        return -EIO;
    }
    int fd = openat(dir_of(fs)->dir, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int rc = ftruncate(fd, (off_t)length) != 0 || fsync(fd) != 0 ? -errno : 0;
    (void)close(fd);
    return rc;
}

static int dir_remove(struct wal_fs *fs, const char *name)
{
    if (fault_hit("wal.remove")) {
        return -EIO;
    }
    return unlinkat(dir_of(fs)->dir, name, 0) != 0 ? -errno : 0;
}

static int dir_sync_names(struct wal_fs *fs)
{
    return fsync(dir_of(fs)->dir) != 0 ? -errno : 0;
}

static void dir_close(struct wal_fs *fs, int file)
{
    (void)fs;
    (void)close(file);
}

static int open_locked(struct dir_fs *d, const char *path, struct err *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return err_errno(err, ERR_IO, errno, "make directory %s", path);
    }
    d->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir < 0) {
        return err_errno(err, ERR_IO, errno, "open directory %s", path);
    }
    d->lock = openat(d->dir, "LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock < 0) {
        return err_errno(err, ERR_IO, errno, "open %s/LOCK", path);
    }
    if (flock(d->lock, LOCK_EX | LOCK_NB) != 0) {
        return err_set(err, ERR_CONFLICT, "%s is in use by another process", path);
    }
    return 0;
}

int wal_fs_dir_new(const char *path, struct wal_fs **fs, struct err *err)
{
    struct dir_fs *d = mem_zero(sizeof *d);
    d->fs = (struct wal_fs){dir_list,     dir_read,   dir_open,       dir_append, dir_sync,
                            dir_truncate, dir_remove, dir_sync_names, dir_close};
    d->dir = -1;
    d->lock = -1;
    int rc = open_locked(d, path, err);
    if (rc != 0) {
        wal_fs_dir_free(&d->fs);
        return rc;
    }
    *fs = &d->fs;
    return 0;
}

void wal_fs_dir_free(struct wal_fs *fs)
{
    if (fs == NULL) {
        return;
    }
    struct dir_fs *d = dir_of(fs);
    if (d->lock >= 0) {
        (void)close(d->lock);
    }
    if (d->dir >= 0) {
        (void)close(d->dir);
    }
    free(d);
}
