/* wal_fs.h: the few file operations that the log is built on.
 *
 * Production is a directory on a real disk; the simulation is a disk in memory that loses unsynced
 * bytes, tears writes and fails. Names are plain file names inside the one directory.
 * Every function returns 0 or a negative errno.
 * Owner: whoever made it. Thread: one at a time (recovery: the opener's; later the log thread's).
 */
#ifndef RAFT_WAL_FS_H
#define RAFT_WAL_FS_H

#include "base/err.h"
#include "base/str.h"

enum { WAL_FS_NAME_MAX = 64 };

struct wal_fs {
    /* Calls each(arg, name) for every file. */
    int (*list)(struct wal_fs *fs, void (*each)(void *arg, const char *name), void *arg);
    /* The whole content, appended to out. */
    int (*read)(struct wal_fs *fs, const char *name, struct buf *out);
    /* Opens for appending at the end; with create, the file must not exist and expected_bytes is
     * how long it will grow (a hint: room may be reserved). */
    int (*open)(struct wal_fs *fs, const char *name, bool create, uint64_t expected_bytes,
                int *file);
    /* All of bytes, at the end. A short write is an error. */
    int (*append)(struct wal_fs *fs, int file, struct slice bytes);
    /* On return the file's bytes and length survive a power cut. */
    int (*sync)(struct wal_fs *fs, int file);
    /* Cuts to length, durably. */
    int (*truncate)(struct wal_fs *fs, const char *name, uint64_t length);
    int (*remove)(struct wal_fs *fs, const char *name);
    /* On return created and removed names survive a power cut. */
    int (*sync_names)(struct wal_fs *fs);
    void (*close)(struct wal_fs *fs, int file);
};

/* A directory, made if absent (mode 0700) and locked against other processes. Fault points:
 * wal.open, wal.append, wal.sync, wal.truncate, wal.remove.
 * Errors: ERR_IO; ERR_CONFLICT when another process holds it. */
int wal_fs_dir_new(const char *path, struct wal_fs **fs, struct err *err);
void wal_fs_dir_free(struct wal_fs *fs); /* NULL is accepted */

#endif
