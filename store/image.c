/* image.c: copies of a shard's database, made under way and installed whole.
 *
 * Happy path, making: pin a view, let SQLite's backup copy its pages into a new file step by step,
 * let the view go, append header, length, magic and the sha256 of all that, sync. Installing: check
 * all of it, cut the trailer off, sync, rename to PATH.new; from there on the install is decided:
 * drop the old database's WAL, rename over the database. db_open() finishes what a crash left.
 * Failure path: until PATH.new exists the old database is untouched; an incomplete file is removed.
 * Invariant: PATH.new is always a complete, checked, synced database. */
#include "store/image.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "store/db_internal.h"

static const char magic[] = "CHIMAGE1";
enum {
    MAGIC_BYTES = sizeof magic - 1,
    TAIL_BYTES = 4 + MAGIC_BYTES + SHA256_BYTES, /* behind the header: length, magic, digest */
    HEADER_FIXED_BYTES = 4 + 4 + 8 + 8 + 8 + 4 + 4,
    HEADER_BYTES_MAX = 1024 * 1024,
};

void image_header_free(struct image_header *header)
{
    buf_free(&header->raft_meta);
    buf_free(&header->cluster);
    *header = (struct image_header){0};
}

static void encode_header(const struct image_header *h, struct buf *out)
{
    buf_add_be32(out, h->schema_version);
    buf_add_be32(out, h->shard);
    buf_add_be64(out, h->index);
    buf_add_be64(out, h->term);
    buf_add_be64(out, h->bytes);
    buf_add_be32(out, (uint32_t)h->raft_meta.len);
    buf_add_be32(out, (uint32_t)h->cluster.len);
    buf_add(out, buf_slice(&h->raft_meta));
    buf_add(out, buf_slice(&h->cluster));
}

static int decode_header(struct slice in, struct image_header *h, struct err *err)
{
    if (in.len < HEADER_FIXED_BYTES) {
        return err_set(err, ERR_CORRUPT, "its header is cut short");
    }
    h->schema_version = be32_get(in.data);
    h->shard = be32_get(in.data + 4);
    h->index = be64_get(in.data + 8);
    h->term = be64_get(in.data + 16);
    h->bytes = be64_get(in.data + 24);
    uint64_t meta = be32_get(in.data + 32);
    uint64_t cluster = be32_get(in.data + 36);
    if (HEADER_FIXED_BYTES + meta + cluster != in.len || cluster > DB_CLUSTER_MAX) {
        return err_set(err, ERR_CORRUPT, "its header makes no sense");
    }
    buf_add(&h->raft_meta, slice_sub(in, HEADER_FIXED_BYTES, meta));
    buf_add(&h->cluster, slice_sub(in, HEADER_FIXED_BYTES + meta, cluster));
    return 0;
}

/* ---- making ---- */

/* The view's place in the log, into the header. */
static int fill_header(struct image *image, struct err *err)
{
    struct image_header *h = &image->header;
    h->schema_version = DB_SCHEMA_VERSION;
    h->shard = image->reader.state.shard;
    h->index = image->reader.state.applied_index;
    h->term = image->reader.state.applied_term;
    sqlite3_stmt *stmt;
    int rc = sql_prepare(image->reader.sql, META_SELECT, &stmt, err);
    if (rc != 0) {
        return rc;
    }
    bool row;
    rc = sql_step(stmt, &row, err);
    if (rc == 0 && row) {
        buf_add(&h->raft_meta, sql_slice(stmt, META_RAFT_META));
        buf_add(&h->cluster, sql_slice(stmt, META_CLUSTER));
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}

static int open_copy(struct image *image, struct err *err)
{
    if (unlink(image->path) != 0 && errno != ENOENT) {
        return err_errno(err, ERR_IO, errno, "remove an old %s", image->path);
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int result = sqlite3_open_v2(image->path, &image->copy, flags, NULL);
    if (result != SQLITE_OK) {
        return sql_error(image->copy, result, "create", err);
    }
    int rc = sql_exec(image->copy, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", err);
    if (rc != 0) {
        return rc;
    }
    image->backup = sqlite3_backup_init(image->copy, "main", image->reader.sql, "main");
    if (image->backup == NULL) {
        return sql_error(image->copy, sqlite3_errcode(image->copy), "start the copy", err);
    }
    return 0;
}

int image_start(struct image *image, const char *db_path, uint32_t shard, const char *image_path,
                uint32_t hold_ms, struct err *err)
{
    *image = (struct image){
        .path = mem_strdup(image_path),
        .deadline_ms = clock_system.mono_ms(&clock_system) + hold_ms,
    };
    int rc = reader_open(&image->reader, db_path, shard, err);
    if (rc == 0) {
        rc = reader_begin(&image->reader, err);
    }
    if (rc == 0) {
        rc = fill_header(image, err);
    }
    if (rc == 0) {
        rc = open_copy(image, err);
    }
    if (rc != 0) {
        image_end(image);
        return err_wrap(err, "image %s", image_path);
    }
    return 0;
}

/* Ends the copy and the view; rc is the copy's result so far. */
static int let_go(struct image *image)
{
    int rc = SQLITE_OK;
    if (image->backup != NULL) {
        rc = sqlite3_backup_finish(image->backup);
        image->backup = NULL;
    }
    int closed = sqlite3_close(image->copy);
    assert(closed == SQLITE_OK);
    image->copy = NULL;
    if (image->reader.sql != NULL) {
        reader_close(&image->reader);
    }
    return rc;
}

static int write_all(int fd, struct slice bytes, struct err *err)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno(err, errno == ENOSPC ? ERR_FULL : ERR_IO, errno, "write");
        }
        bytes = slice_sub(bytes, (size_t)n, SIZE_MAX);
    }
    return 0;
}

static int map_file(int fd, size_t *len, const char **data, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return err_errno(err, ERR_IO, errno, "stat");
    }
    *len = (size_t)st.st_size;
    *data = NULL;
    if (*len == 0) {
        return 0;
    }
    void *p = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        return err_errno(err, ERR_IO, errno, "map");
    }
    *data = p;
    return 0;
}

static void unmap_file(const char *data, size_t len)
{
    if (data != NULL) {
        (void)munmap((void *)(uintptr_t)data, len);
    }
}

/* The sha256 of the whole file as it is now. */
static int hash_file(int fd, uint8_t digest[SHA256_BYTES], size_t *len, struct err *err)
{
    const char *data;
    int rc = map_file(fd, len, &data, err);
    if (rc == 0) {
        crypto_sha256(slice_make(data, *len), digest);
        unmap_file(data, *len);
    }
    return rc;
}

static int append_trailer(struct image *image, int fd, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || lseek(fd, 0, SEEK_END) < 0) {
        return err_errno(err, ERR_IO, errno, "size");
    }
    image->header.bytes = (uint64_t)st.st_size;
    struct buf trailer = {0};
    encode_header(&image->header, &trailer);
    buf_add_be32(&trailer, (uint32_t)trailer.len);
    buf_add(&trailer, slice_make(magic, MAGIC_BYTES));
    int rc = write_all(fd, buf_slice(&trailer), err);
    buf_free(&trailer);
    size_t len;
    if (rc == 0) {
        rc = hash_file(fd, image->header.digest, &len, err);
    }
    if (rc == 0) {
        rc = write_all(fd, slice_make(image->header.digest, SHA256_BYTES), err);
    }
    if (rc == 0 && fsync(fd) != 0) {
        rc = err_errno(err, ERR_IO, errno, "sync");
    }
    return rc;
}

static int complete(struct image *image, struct err *err)
{
    int rc = let_go(image);
    if (rc != SQLITE_OK) {
        return sql_error(NULL, rc, "end the copy", err);
    }
    int fd = open(image->path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno, "open");
    }
    rc = append_trailer(image, fd, err);
    (void)close(fd);
    image->done = rc == 0;
    return rc;
}

static int copy_pages(struct image *image, int pages, struct err *err)
{
    if (fault_hit("store.image")) {
        return err_set(err, ERR_FULL, "refused by fault point store.image");
    }
    if (clock_system.mono_ms(&clock_system) > image->deadline_ms) {
        return err_set(err, ERR_TIMEOUT, "took longer than it may hold its view");
    }
    int rc = sqlite3_backup_step(image->backup, pages);
    if (rc == SQLITE_DONE) {
        return complete(image, err);
    }
    if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
        return 0;
    }
    return sql_error(NULL, rc, "copy", err);
}

int image_step(struct image *image, int pages, struct err *err)
{
    assert(!image->done && image->backup != NULL && pages > 0);
    int rc = copy_pages(image, pages, err);
    return rc == 0 ? 0 : err_wrap(err, "image %s", image->path);
}

void image_end(struct image *image)
{
    (void)let_go(image); /* an unfinished copy's error was image_step()'s */
    if (!image->done && image->path != NULL) {
        (void)unlink(image->path);
    }
    free(image->path);
    image_header_free(&image->header);
    *image = (struct image){0};
}

/* ---- checking and installing ---- */

static int check_bytes(struct slice file, struct image_header *header, struct err *err)
{
    if (file.len < TAIL_BYTES + HEADER_FIXED_BYTES) {
        return err_set(err, ERR_CORRUPT, "it is cut short: %zu bytes", file.len);
    }
    struct slice signed_part = slice_sub(file, 0, file.len - SHA256_BYTES);
    const char *length_at = signed_part.data + signed_part.len - MAGIC_BYTES - 4;
    if (!slice_ends_with(signed_part, slice_make(magic, MAGIC_BYTES))) {
        return err_set(err, ERR_CORRUPT, "it is cut short, or no image");
    }
    crypto_sha256(signed_part, header->digest);
    if (!slice_eq(slice_sub(file, signed_part.len, SIZE_MAX),
                  slice_make(header->digest, SHA256_BYTES))) {
        return err_set(err, ERR_CORRUPT, "its digest does not fit: it was damaged on the way");
    }
    uint32_t header_bytes = be32_get(length_at);
    size_t before = (size_t)(length_at - signed_part.data);
    if (header_bytes > HEADER_BYTES_MAX || header_bytes > before) {
        return err_set(err, ERR_CORRUPT, "its header is too long");
    }
    int rc = decode_header(slice_sub(file, before - header_bytes, header_bytes), header, err);
    if (rc == 0 && header->bytes != before - header_bytes) {
        rc = err_set(err, ERR_CORRUPT, "its database has another length than its header says");
    }
    if (rc == 0 && header->schema_version > DB_SCHEMA_VERSION) {
        rc = err_set(err, ERR_UNSUPPORTED,
                     "its schema version %u is newer than this release's %d: upgrade this node",
                     header->schema_version, DB_SCHEMA_VERSION);
    }
    return rc;
}

int image_check(const char *image_path, struct image_header *header, struct err *err)
{
    *header = (struct image_header){0};
    int fd = open(image_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno, "image %s: open", image_path);
    }
    const char *data;
    size_t len;
    int rc = map_file(fd, &len, &data, err);
    if (rc == 0) {
        rc = check_bytes(slice_make(data, len), header, err);
        unmap_file(data, len);
    }
    (void)close(fd);
    if (rc != 0) {
        image_header_free(header);
        return err_wrap(err, "image %s", image_path);
    }
    return 0;
}

static int sync_folder_of(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash != NULL ? slice_dup(slice_make(path, (size_t)(slash - path) + 1)) : mem_strdup(".");
    int rc = file_sync_dir(folder, err);
    free(folder);
    return rc;
}

/* "path" "suffix", to be freed. */
static char *with_suffix(const char *path, const char *suffix)
{
    struct buf b = {0};
    buf_addf(&b, "%s%s", path, suffix);
    return buf_take(&b);
}

static int remove_beside(const char *db_path, const char *suffix, struct err *err)
{
    char *path = with_suffix(db_path, suffix);
    int rc = 0;
    if (unlink(path) != 0 && errno != ENOENT) {
        rc = err_errno(err, ERR_IO, errno, "remove %s", path);
    }
    free(path);
    return rc;
}

int image__finish_install(const char *db_path, struct err *err)
{
    char *fresh = with_suffix(db_path, ".new");
    int rc = 0;
    if (access(fresh, F_OK) == 0) {
        rc = remove_beside(db_path, "-wal", err);
        if (rc == 0) {
            rc = remove_beside(db_path, "-shm", err);
        }
        if (rc == 0 && fault_hit("store.install")) {
            rc = err_set(err, ERR_IO, "refused by fault point store.install");
        }
        if (rc == 0 && rename(fresh, db_path) != 0) {
            rc = err_errno(err, ERR_IO, errno, "rename %s", fresh);
        }
        if (rc == 0) {
            rc = sync_folder_of(db_path, err);
        }
    }
    free(fresh);
    return rc;
}

/* Cuts the trailer off and gives the file the name that decides the install. */
static int decide_install(const char *image_path, const char *db_path, uint64_t bytes,
                          struct err *err)
{
    int fd = open(image_path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno, "open %s", image_path);
    }
    int rc = 0;
    if (ftruncate(fd, (off_t)bytes) != 0 || fsync(fd) != 0) {
        rc = err_errno(err, ERR_IO, errno, "cut and sync %s", image_path);
    }
    (void)close(fd);
    char *fresh = with_suffix(db_path, ".new");
    if (rc == 0 && rename(image_path, fresh) != 0) {
        rc = err_errno(err, ERR_IO, errno, "rename %s to %s", image_path, fresh);
    }
    if (rc == 0) {
        rc = sync_folder_of(db_path, err);
    }
    free(fresh);
    return rc;
}

int image_install(const char *image_path, const char *db_path, uint32_t shard, struct slice cluster,
                  struct image_header *header, struct err *err)
{
    int rc = image_check(image_path, header, err);
    if (rc != 0) {
        return rc;
    }
    if (header->shard != shard) {
        rc = err_set(err, ERR_INVALID, "it is of shard %u", header->shard);
    } else if (cluster.len > 0 && !slice_eq(cluster, buf_slice(&header->cluster))) {
        rc = err_set(err, ERR_INVALID, "it is of another cluster");
    }
    if (rc == 0) {
        rc = decide_install(image_path, db_path, header->bytes, err);
    }
    if (rc == 0) {
        rc = image__finish_install(db_path, err);
    }
    if (rc != 0) {
        image_header_free(header);
        return err_wrap(err, "install image %s", image_path);
    }
    return 0;
}
