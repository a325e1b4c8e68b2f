/* wal_segments.c: what the log thread does: append, sync, begin the next segment, remove old ones.
 *
 * Happy path: wal__job_write() appends the batch; wal__job_sync() syncs it and, when the job asks
 * for a new segment, makes the file, writes and syncs its first batch, and syncs the name; then
 * removes segments that nothing needs.
 * Failure path: the first error ends the job; the files are then never written again (the process
 * ends). Failing to remove an old segment is only logged: the next rotation tries again.
 * Invariant: a segment is begun only when everything before it is durable, so a file's name alone
 * proves that the line is durable up to there. */
#include "raft/wal_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

void wal__segment_name(uint64_t start, char name[WAL_FS_NAME_MAX])
{
    (void)snprintf(name, WAL_FS_NAME_MAX, "%016" PRIx64 ".log", start);
}

bool wal__segment_parse(const char *name, uint64_t *start)
{
    if (strlen(name) != 20 || strcmp(name + 16, ".log") != 0 ||
        strspn(name, "0123456789abcdef") != 16) {
        return false;
    }
    *start = strtoull(name, NULL, 16);
    return true;
}

void wal__segments_note(struct wal_segments *s, uint64_t start)
{
    assert(s->count == 0 || s->starts[s->count - 1] < start);
    if (s->count == s->cap) {
        s->cap = s->cap == 0 ? 8 : s->cap * 2;
        s->starts = mem_resize(s->starts, s->cap * sizeof *s->starts);
    }
    s->starts[s->count++] = start;
}

static int sync_file(struct wal_segments *s)
{
    return s->skip_sync ? 0 : s->fs->sync(s->fs, s->file);
}

static int failed(struct err *err, int negative_errno, uint64_t start, const char *what)
{
    char name[WAL_FS_NAME_MAX];
    wal__segment_name(start, name);
    return err_errno(err, negative_errno == -28 /* ENOSPC */ ? ERR_FULL : ERR_IO, -negative_errno,
                     "wal/%s: %s", name, what);
}

int wal__segments_create(struct wal_segments *s, uint64_t start, struct slice head, struct err *err)
{
    char name[WAL_FS_NAME_MAX];
    wal__segment_name(start, name);
    if (s->file >= 0) {
        s->fs->close(s->fs, s->file);
        s->file = -1;
    }
    int file = -1;
    int rc = s->fs->open(s->fs, name, true, s->segment_bytes, &file);
    if (rc != 0) {
        return failed(err, rc, start, "create");
    }
    s->file = file;
    wal__segments_note(s, start);
    rc = s->fs->append(s->fs, file, head);
    if (rc != 0) {
        return failed(err, rc, start, "write");
    }
    rc = sync_file(s);
    if (rc == 0) {
        rc = s->fs->sync_names(s->fs);
    }
    return rc != 0 ? failed(err, rc, start, "sync") : 0;
}

/* Oldest first, each durably before the next: a crash must not leave a gap. */
static int remove_below(struct wal_segments *s, uint64_t start, struct err *err)
{
    size_t gone = 0;
    int rc = 0;
    while (gone + 1 < s->count && s->starts[gone] < start) {
        char name[WAL_FS_NAME_MAX];
        wal__segment_name(s->starts[gone], name);
        rc = s->fs->remove(s->fs, name);
        if (rc != 0) {
            log_warn("wal.remove", "file=%s errno=%d", name, -rc);
            rc = 0;
            break;
        }
        rc = s->fs->sync_names(s->fs);
        if (rc != 0) {
            rc = failed(err, rc, s->starts[gone], "sync its removal");
            break;
        }
        gone++;
    }
    memmove(s->starts, s->starts + gone, (s->count - gone) * sizeof *s->starts);
    s->count -= gone;
    return rc;
}

int wal__job_write(struct wal_segments *s, struct wal_job *job)
{
    if (job->batch.len == 0) {
        return 0;
    }
    int rc = s->fs->append(s->fs, s->file, buf_slice(&job->batch));
    if (rc != 0) {
        return failed(&job->err, rc, s->starts[s->count - 1], "write");
    }
    return 0;
}

int wal__job_sync(struct wal_segments *s, struct wal_job *job)
{
    if (job->batch.len > 0) {
        int rc = sync_file(s);
        if (rc != 0) {
            return failed(&job->err, rc, s->starts[s->count - 1], "sync");
        }
    }
    if (job->head.len > 0) {
        int rc = wal__segments_create(s, job->head_offset, buf_slice(&job->head), &job->err);
        if (rc != 0) {
            return rc;
        }
    }
    return job->remove_below > 0 ? remove_below(s, job->remove_below, &job->err) : 0;
}
