/* file.h: whole small files, read and written safely.
 *
 * Writes are atomic: a temporary file beside the target, synced, renamed over it, and the directory
 * synced; a reader sees the old bytes or the new, also after a power cut.
 * Thread: any. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* Appends the file to out. Errors: ERR_NOT_FOUND, ERR_TOO_LARGE (over max_bytes), ERR_IO. */
int file_read(const char *path, size_t max_bytes, struct buf *out, struct err *err);
/* Replaces the file; mode applies to a new and to a replaced one. Errors: ERR_IO, ERR_FULL. */
int file_write(const char *path, struct slice bytes, mode_t mode, struct err *err);
/* Makes the directory and its missing parents with that mode. Existing ones are left as they are.
 * Errors: ERR_IO. */
int file_make_dir(const char *path, mode_t mode, struct err *err);
/* fsync() of a directory, so that a rename in it lasts. Errors: ERR_IO. */
int file_sync_dir(const char *path, struct err *err);

#endif
