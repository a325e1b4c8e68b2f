/* image.h: a shard's database as one file for a follower that needs it, or a backup.
 *
 * Making: image_start() pins a reader's view and copies it by SQLite's backup API into a temporary
 * file, some pages a step; the last step appends the header, computes the digest and syncs, so
 * steps belong on the worker pool. Installing: the whole file is checked, then renamed over the
 * database, which must be closed. An image that is cut short or has one bit changed is refused.
 *
 * File: the SQLite database, then a trailer: the header's fields, sha256 of all before it.
 * Owner:  the caller embeds struct image. Thread: one at a time; steps may run on a worker. */
#ifndef STORE_IMAGE_H
#define STORE_IMAGE_H

#include "base/crypto.h"
#include "store/reader.h"

struct image_header {
    uint32_t schema_version;
    uint32_t shard;
    uint64_t index; /* applied index and term of the view */
    uint64_t term;
    struct buf raft_meta; /* configuration and its index: raft/'s bytes */
    struct buf cluster;
    uint64_t bytes;               /* of the database part */
    uint8_t digest[SHA256_BYTES]; /* of all bytes before it */
};

struct image {
    struct image_header header; /* complete when done */
    bool done;
    /* private */
    struct reader reader;
    struct sqlite3 *copy;
    struct sqlite3_backup *backup;
    char *path;
    uint64_t deadline_ms;
};

/* Starts an image of the database at db_path in a new file. The view is held at most hold_ms of
 * clock_system's monotonic time. Errors: ERR_IO, ERR_FULL, ERR_CORRUPT. */
int image_start(struct image *image, const char *db_path, uint32_t shard, const char *image_path,
                uint32_t hold_ms, struct err *err);
/* Copies up to pages pages; image->done tells when the file is complete and synced.
 * Errors: ERR_TIMEOUT (hold_ms passed), ERR_IO, ERR_FULL. After an error call image_end(). */
int image_step(struct image *image, int pages, struct err *err);
/* Lets go of everything. An incomplete file is removed, a complete one stays. */
void image_end(struct image *image);

void image_header_free(struct image_header *header);
/* Reads and checks the file, every byte of it. Errors: ERR_IO, ERR_CORRUPT (saying what is wrong),
 * ERR_UNSUPPORTED (a newer release's). The caller frees the header. */
int image_check(const char *image_path, struct image_header *header, struct err *err);
/* Puts the image in the place of the database at db_path (closed, or none), durably. Checks as
 * image_check() first, then that shard and (unless empty) cluster are these: ERR_INVALID. The image
 * file is used up. A crash leaves the old database or the new one, whole. */
int image_install(const char *image_path, const char *db_path, uint32_t shard, struct slice cluster,
                  struct image_header *header, struct err *err);

#endif
