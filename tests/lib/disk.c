/* disk.c: the disk that the log is tested on.
 *
 * A file is its content and the length that was synced. Content only grows, so what a crash leaves
 * is the synced part and some of the rest: nothing, a prefix cut at any byte, or a prefix in which
 * some 512-byte sectors never arrived. */
#include "tests/lib/disk.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

static uint64_t next_random(struct disk *d)
{
    d->random += 0x9e3779b97f4a7c15u;
    uint64_t z = d->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static struct disk *disk_of(struct wal_fs *fs)
{
    return CONTAINER_OF(fs, struct disk, fs);
}

static bool refused(struct disk *d)
{
    d->operations++;
    return d->fail_at != 0 && d->operations >= d->fail_at;
}

static struct disk_file *find_any(struct disk *d, const char *name)
{
    for (struct disk_file *f = d->files; f != NULL; f = f->next) {
        if (strcmp(f->name, name) == 0) {
            return f;
        }
    }
    return NULL;
}

struct disk_file *disk_find(struct disk *d, const char *name)
{
    struct disk_file *f = find_any(d, name);
    return f != NULL && f->exists ? f : NULL;
}

static struct disk_file *add(struct disk *d, const char *name)
{
    struct disk_file *f = mem_zero(sizeof *f);
    (void)snprintf(f->name, sizeof f->name, "%s", name);
    f->next = d->files;
    d->files = f;
    return f;
}

static int fs_list(struct wal_fs *fs, void (*each)(void *arg, const char *name), void *arg)
{
    for (struct disk_file *f = disk_of(fs)->files; f != NULL; f = f->next) {
        if (f->exists) {
            each(arg, f->name);
        }
    }
    return 0;
}

static int fs_read(struct wal_fs *fs, const char *name, struct buf *out)
{
    struct disk_file *f = disk_find(disk_of(fs), name);
    if (f == NULL) {
        return -ENOENT;
    }
    buf_add(out, buf_slice(&f->content));
    return 0;
}

/* A handle is the file's place in the list, from the end, so it never changes. */
static int handle_of(const struct disk *d, const struct disk_file *file)
{
    int after = 0;
    for (const struct disk_file *f = file->next; f != NULL; f = f->next) {
        after++;
    }
    (void)d;
    return after;
}

static struct disk_file *file_of(struct disk *d, int handle)
{
    struct disk_file *f = d->files;
    while (f != NULL && handle_of(d, f) != handle) {
        f = f->next;
    }
    assert(f != NULL);
    return f;
}

static int fs_open(struct wal_fs *fs, const char *name, bool create, uint64_t expected_bytes,
                   int *file)
{
    struct disk *d = disk_of(fs);
    (void)expected_bytes;
    struct disk_file *f = find_any(d, name);
    if (create) {
        if (refused(d)) {
            return -EIO;
        }
        if (f != NULL && f->exists) {
            return -EEXIST;
        }
        if (f == NULL) {
            f = add(d, name);
        }
        buf_clear(&f->content);
        f->synced = 0;
        f->exists = true;
        f->name_synced = false;
    } else if (f == NULL || !f->exists) {
        return -ENOENT;
    }
    *file = handle_of(d, f);
    return 0;
}

static int fs_append(struct wal_fs *fs, int file, struct slice bytes)
{
    struct disk *d = disk_of(fs);
    struct disk_file *f = file_of(d, file);
    if (refused(d)) {
        buf_add(&f->content, slice_sub(bytes, 0, (size_t)(next_random(d) % (bytes.len + 1))));
        return -EIO;
    }
    buf_add(&f->content, bytes);
    return 0;
}

static int fs_sync(struct wal_fs *fs, int file)
{
    struct disk *d = disk_of(fs);
    if (refused(d)) {
        return -EIO;
    }
    d->syncs++;
    struct disk_file *f = file_of(d, file);
    f->synced = f->content.len;
    return 0;
}

static int fs_truncate(struct wal_fs *fs, const char *name, uint64_t length)
{
    struct disk *d = disk_of(fs);
    struct disk_file *f = disk_find(d, name);
    if (f == NULL || length > f->content.len) {
        return -EINVAL;
    }
    if (refused(d)) {
        return -EIO;
    }
    f->content.len = (size_t)length;
    f->synced = f->content.len;
    return 0;
}

static int fs_remove(struct wal_fs *fs, const char *name)
{
    struct disk *d = disk_of(fs);
    struct disk_file *f = disk_find(d, name);
    if (f == NULL) {
        return -ENOENT;
    }
    if (refused(d)) {
        return -EIO;
    }
    f->exists = false;
    return 0;
}

static int fs_sync_names(struct wal_fs *fs)
{
    struct disk *d = disk_of(fs);
    if (refused(d)) {
        return -EIO;
    }
    for (struct disk_file *f = d->files; f != NULL; f = f->next) {
        f->name_synced = f->exists;
    }
    return 0;
}

static void fs_close(struct wal_fs *fs, int file)
{
    (void)fs;
    (void)file;
}

void disk_init(struct disk *d, uint64_t seed)
{
    *d = (struct disk){
        .fs = {fs_list, fs_read, fs_open, fs_append, fs_sync, fs_truncate, fs_remove, fs_sync_names,
               fs_close},
        .random = seed,
    };
}

void disk_free(struct disk *d)
{
    while (d->files != NULL) {
        struct disk_file *f = d->files;
        d->files = f->next;
        buf_free(&f->content);
        free(f);
    }
}

static void crash_content(struct disk *d, struct disk_file *f)
{
    size_t loose = f->content.len - f->synced;
    size_t kept = 0;
    uint64_t dice = next_random(d) % 4;
    if (dice > 0 && loose > 0) {
        kept = dice == 1 ? loose : (size_t)(next_random(d) % (loose + 1));
    }
    f->content.len = f->synced + kept;
    for (size_t at = f->synced; dice >= 2 && at < f->content.len; at = (at / 512 + 1) * 512) {
        size_t end = (at / 512 + 1) * 512;
        if (next_random(d) % 4 == 0) {
            memset(f->content.data + at, 0, (end < f->content.len ? end : f->content.len) - at);
        }
    }
    f->synced = f->content.len;
}

void disk_crash(struct disk *d)
{
    for (struct disk_file *f = d->files; f != NULL; f = f->next) {
        crash_content(d, f);
        if (f->exists != f->name_synced && next_random(d) % 2 == 0) {
            f->exists = f->name_synced;
        }
        f->name_synced = f->exists;
    }
    d->fail_at = 0;
}

void disk_put(struct disk *d, const char *name, struct slice bytes)
{
    struct disk_file *f = find_any(d, name);
    if (f == NULL) {
        f = add(d, name);
    }
    buf_clear(&f->content);
    buf_add(&f->content, bytes);
    f->synced = bytes.len;
    f->exists = true;
    f->name_synced = true;
}

void disk_copy(struct disk *to, const struct disk *from)
{
    disk_init(to, from->random);
    for (const struct disk_file *f = from->files; f != NULL; f = f->next) {
        if (f->exists) {
            disk_put(to, f->name, buf_slice(&f->content));
        }
    }
}
