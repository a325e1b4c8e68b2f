/* wal_recover.c: from files back to groups.
 *
 * Happy path: the segments in order, batch after batch, each replayed into memory. The last
 * segment is then synced (its tail may be whole only in the page cache) and opened for appending.
 * A first batch that is bad: is it damage, or the torn end of a write that never completed? Every
 * batch names the offset up to which all was durable, and a segment's name does too. So the rest of
 * the line is searched for evidence. Bad below what the evidence calls durable: ERR_CORRUPT, and
 * nothing is touched. Otherwise nothing behind it was ever acknowledged: it is cut.
 * Invariant: recovery changes the disk only by cutting what was never durable. */
#include "raft/wal_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"

struct recovery {
    struct wal *wal;
    struct wal_segments *segments;
    uint64_t *starts; /* of the files found, ascending */
    size_t count;
    size_t cap;
    bool salted;  /* the log's salt is known */
    uint64_t bad; /* offset of the first bad batch; valid if found_bad */
    size_t bad_file;
    bool found_bad;
    uint64_t durable; /* evidence: everything below was synced */
    uint64_t end;     /* behind the last good batch */
    bool marked;      /* the last good batch is a mark */
};

static void note_file(void *arg, const char *name)
{
    struct recovery *r = arg;
    uint64_t start;
    if (!wal__segment_parse(name, &start)) {
        return;
    }
    if (r->count == r->cap) {
        r->cap = r->cap == 0 ? 8 : r->cap * 2;
        r->starts = mem_resize(r->starts, r->cap * sizeof *r->starts);
    }
    r->starts[r->count++] = start;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int io_failed(struct err *err, int rc, uint64_t start, const char *what)
{
    char name[WAL_FS_NAME_MAX];
    wal__segment_name(start, name);
    return err_errno(err, ERR_IO, -rc, "wal/%s: %s", name, what);
}

static int corrupt(struct err *err, uint64_t start, uint64_t offset, const char *what)
{
    char name[WAL_FS_NAME_MAX];
    wal__segment_name(start, name);
    return err_set(err, ERR_CORRUPT,
                   "wal/%s: byte %" PRIu64
                   ": %s; bytes that were synced are lost, so this node may "
                   "not rejoin as itself: remove it from the cluster, clear its data and join anew",
                   name, offset - start, what);
}

static bool ours(struct recovery *r, const struct wal_batch *batch)
{
    if (!r->salted) {
        r->wal->salt = batch->salt;
        r->salted = true;
    }
    return batch->salt == r->wal->salt;
}

/* Looks at every aligned place for batches of this log and takes their word. */
static void search_evidence(struct recovery *r, struct slice content, uint64_t start, size_t from)
{
    for (size_t at = (from + 7) / 8 * 8; at + WAL__HEADER <= content.len; at += 8) {
        struct wal_batch batch;
        struct slice rest = slice_sub(content, at, content.len - at);
        if (wal__batch_get(rest, start + at, &batch) &&
            (!r->salted || batch.salt == r->wal->salt) && batch.synced > r->durable) {
            r->durable = batch.synced;
        }
    }
}

static int replay_batch(struct recovery *r, size_t file, const struct wal_batch *batch,
                        struct err *err)
{
    uint64_t start = r->starts[file];
    bool first = batch->offset == start;
    if (first != ((batch->flags & WAL__FIRST_OF_SEGMENT) != 0)) {
        return corrupt(err, start, batch->offset, "a segment's first batch stands elsewhere");
    }
    struct err why;
    int rc = wal__replay(r->wal, batch->body, start, &why);
    if (rc == ERR_CORRUPT) {
        return corrupt(err, start, batch->offset, why.message);
    }
    if (rc != 0) {
        char name[WAL_FS_NAME_MAX];
        wal__segment_name(start, name);
        return err_set(err, rc, "wal/%s %s", name, why.message);
    }
    r->end = batch->offset + batch->bytes;
    r->marked = batch->body.len == 0;
    if (batch->synced > r->durable) {
        r->durable = batch->synced;
    }
    return 0;
}

static int replay_file(struct recovery *r, size_t file, struct err *err)
{
    uint64_t start = r->starts[file];
    char name[WAL_FS_NAME_MAX];
    wal__segment_name(start, name);
    struct buf content = {0};
    int rc = r->wal->config.fs->read(r->wal->config.fs, name, &content);
    if (rc != 0) {
        buf_free(&content);
        return io_failed(err, rc, start, "read");
    }
    size_t at = 0;
    while (!r->found_bad && (at < content.len || at == 0)) {
        struct slice rest = slice_sub(buf_slice(&content), at, content.len - at);
        struct wal_batch batch;
        if (!wal__batch_get(rest, start + at, &batch) || !ours(r, &batch)) {
            r->found_bad = true;
            r->bad = start + at;
            r->bad_file = file;
            break;
        }
        rc = replay_batch(r, file, &batch, err);
        if (rc != 0) {
            buf_free(&content);
            return rc;
        }
        at += batch.bytes;
    }
    if (r->found_bad) {
        search_evidence(r, buf_slice(&content), start, r->bad_file == file ? at + 8 : 0);
    }
    buf_free(&content);
    return 0;
}

/* A segment's predecessors are removed only once its own start is durable, so a first segment that
 * is not the line's beginning proves its own first batch. */
static int replay_all(struct recovery *r, struct err *err)
{
    r->durable = r->count > 0 ? r->starts[r->count - 1] : 0;
    r->end = r->count > 0 ? r->starts[0] : 0;
    if (r->count > 0 && r->starts[0] > 0) {
        r->durable = r->durable > r->starts[0] ? r->durable : r->starts[0] + 1;
    }
    for (size_t i = 0; i < r->count; i++) {
        if (!r->found_bad && i > 0 && r->starts[i] != r->end) {
            return corrupt(err, r->starts[i - 1], r->end, "the segment behind is missing");
        }
        int rc = replay_file(r, i, err);
        if (rc != 0) {
            return rc;
        }
    }
    if (r->found_bad && r->bad < r->durable) {
        return corrupt(err, r->starts[r->bad_file], r->bad, "checksum is wrong");
    }
    return 0;
}

/* Nothing at or behind the bad batch was ever durable: it goes. */
static int cut_tail(struct recovery *r, struct err *err)
{
    struct wal_fs *fs = r->wal->config.fs;
    uint64_t start = r->starts[r->bad_file];
    char name[WAL_FS_NAME_MAX];
    wal__segment_name(start, name);
    log_warn("wal.torn_tail", "file=%s at=%" PRIu64, name, r->bad - start);
    if (r->bad > start) {
        int rc = fs->truncate(fs, name, r->bad - start);
        return rc != 0 ? io_failed(err, rc, start, "cut the torn tail") : 0;
    }
    int rc = fs->remove(fs, name);
    if (rc == 0) {
        rc = fs->sync_names(fs);
    }
    r->count--;
    return rc != 0 ? io_failed(err, rc, start, "remove the torn segment") : 0;
}

static int check_owed(struct recovery *r, struct err *err)
{
    LIST_FOREACH(link, &r->wal->groups)
    {
        struct wal_group *g = CONTAINER_OF(link, struct wal_group, link);
        for (uint64_t i = g->first; i <= g->last; i++) {
            if (wal__slot(g, i)->data == NULL) {
                return err_set(err, ERR_CORRUPT,
                               "wal: entry %" PRIu64
                               " of group %u is missing: a segment of the log "
                               "was removed; remove this node from the cluster and join anew",
                               i, g->id);
            }
        }
    }
    return 0;
}

static int begin_new_log(struct recovery *r, struct err *err)
{
    struct wal *w = r->wal;
    w->salt = w->config.salt;
    if (w->salt == 0) {
        crypto_random(&w->salt, sizeof w->salt);
    }
    struct buf body = {0};
    struct buf head = {0};
    wal__put_identity(&body, buf_slice(&w->identity));
    struct wal_batch batch = {
        .flags = WAL__FIRST_OF_SEGMENT, .salt = w->salt, .body = buf_slice(&body)};
    wal__batch_put(&head, &batch);
    int rc = wal__segments_create(r->segments, 0, buf_slice(&head), err);
    r->end = head.len;
    buf_free(&body);
    buf_free(&head);
    return rc;
}

static int continue_last(struct recovery *r, struct err *err)
{
    struct wal_fs *fs = r->wal->config.fs;
    for (size_t i = 0; i < r->count; i++) {
        wal__segments_note(r->segments, r->starts[i]);
    }
    uint64_t start = r->starts[r->count - 1];
    char name[WAL_FS_NAME_MAX];
    wal__segment_name(start, name);
    int rc = fs->open(fs, name, false, 0, &r->segments->file);
    if (rc != 0) {
        r->segments->file = -1;
        return io_failed(err, rc, start, "open");
    }
    rc = fs->sync(fs, r->segments->file);
    return rc != 0 ? io_failed(err, rc, start, "sync") : 0;
}

static int recover(struct recovery *r, struct err *err)
{
    struct wal_fs *fs = r->wal->config.fs;
    int rc = fs->list(fs, note_file, r);
    if (rc != 0) {
        return err_errno(err, ERR_IO, -rc, "wal: list files");
    }
    if (r->count > 1) {
        qsort(r->starts, r->count, sizeof *r->starts, compare);
    }
    rc = replay_all(r, err);
    if (rc == 0 && r->found_bad) {
        rc = cut_tail(r, err);
    }
    if (rc == 0) {
        rc = check_owed(r, err);
    }
    if (rc != 0) {
        return rc;
    }
    return r->count == 0 ? begin_new_log(r, err) : continue_last(r, err);
}

int wal__recover(struct wal *w, struct err *err)
{
    struct recovery r = {.wal = w, .segments = &w->segments};
    int rc = recover(&r, err);
    if (rc == 0) {
        w->end = r.end;
        w->segment_start = w->segments.starts[w->segments.count - 1];
        w->segment_used = w->end - w->segment_start;
        w->marked = r.marked;
        w->carrying = w->segments.count > 1;
        LIST_FOREACH(link, &w->groups)
        {
            struct wal_group *g = CONTAINER_OF(link, struct wal_group, link);
            g->carry_next = g->first;
        }
    }
    free(r.starts);
    return rc;
}
