/* disk.h: a disk in memory, for the log: loses what was not synced, tears writes, fails on command.
 * Owner: the test. Thread: one. */
#ifndef TESTS_LIB_DISK_H
#define TESTS_LIB_DISK_H

#include "raft/wal_fs.h"

struct disk_file {
    char name[WAL_FS_NAME_MAX];
    struct buf content;
    size_t synced;    /* bytes of content that survive a crash */
    bool exists;      /* as programs see it */
    bool name_synced; /* its creation survives a crash */
    struct disk_file *next;
};

struct disk {
    struct wal_fs fs;
    struct disk_file *files;
    uint64_t random;
    unsigned operations; /* writes, syncs and name changes so far */
    unsigned fail_at;    /* that operation and all later ones fail with EIO; 0: none */
    unsigned syncs;
};

void disk_init(struct disk *d, uint64_t seed);
void disk_free(struct disk *d);
/* Power cut: unsynced bytes are lost wholly, partly, or replaced in part by zeros; unsynced names
 * come or go. Open files are closed. */
void disk_crash(struct disk *d);
/* Drops the newest content of a file and sets it to bytes, durably. */
void disk_put(struct disk *d, const char *name, struct slice bytes);
struct disk_file *disk_find(struct disk *d, const char *name); /* NULL if it does not exist */
void disk_copy(struct disk *to, const struct disk *from);      /* to is initialised here */

#endif
