/* wal_internal.h: what the files of the log share.
 *
 * On disk, the log is a line of bytes, cut into segments; a byte's place in the line is its
 * offset, and a segment's file is named by the offset of its first byte, "%016x.log". The line
 * holds batches, each written by one write and followed by one sync before the next is written:
 *
 *     magic 4 | crc32c 4 | body length 4 | flags 4 | salt 8 | offset 8 | synced 8 | body
 *
 * All numbers are big-endian; the checksum covers everything behind itself; bodies are padded with
 * zeros to a multiple of eight, so batches are aligned. `synced` is the offset below which
 * everything was durable when the batch was written. A body is records, of which enum wal_record
 * is the first byte.
 *
 * A segment starts with a batch that holds the identity and every group's terms, marks and extent,
 * but no entries: live entries of the segment before are carried over bit by bit; once all are,
 * the older segment is removed. */
#ifndef RAFT_WAL_INTERNAL_H
#define RAFT_WAL_INTERNAL_H

#include "raft/wal.h"

enum {
    WAL__MAGIC = 0x4357414c, /* "CWAL" */
    WAL__VERSION = 1,
    WAL__HEADER = 40,
    WAL__KEPT_BYTES = 512 << 10, /* of a batch's memory between batches */
    WAL__FIRST_OF_SEGMENT = 1,   /* flag */
    WAL__ENTRIES_MAX = 1 << 24,  /* live entries of a group: what recovery believes */
    WAL__CARRY_BYTES = 1 << 20,  /* carried with one batch at most (and one entry at least) */
};

enum wal_record {
    WAL_RECORD_PAD = 0,
    WAL_RECORD_IDENTITY = 1,
    WAL_RECORD_GROUP = 2,
    WAL_RECORD_TERM = 3,
    WAL_RECORD_ENTRY = 4,
    WAL_RECORD_TRUNCATE = 5,
    WAL_RECORD_SNAPSHOT = 6,
    WAL_RECORD_INSTALL_BEGIN = 7,
    WAL_RECORD_INSTALL_FINISH = 8,
    WAL_RECORD_INSTALL_CANCEL = 9,
    WAL_RECORD_CARRY = 10,
    WAL_RECORD_CARRIED = 11,
    WAL_RECORD_REMOVE = 12,
};

/* The log thread's side: the files. */
struct wal_segments {
    struct wal_fs *fs;
    uint64_t *starts; /* offsets of the files that exist, ascending */
    size_t count;
    size_t cap;
    int file; /* the last one's, open for appending; -1: none */
    uint64_t segment_bytes;
    bool skip_sync; /* WAL_TEST_SKIP_SYNC */
};

/* One round on the log thread. */
struct wal_job {
    struct loop_msg message;
    struct wal *wal;
    struct buf batch;      /* for the current segment; may be empty */
    struct buf head;       /* the first batch of a new segment; empty: no rotation */
    uint64_t head_offset;  /* where it starts */
    uint64_t remove_below; /* segments that start below it are not needed; 0: none */
    uint64_t covers;       /* position that is durable once this is done */
    uint64_t end;          /* offset behind it */
    struct err err;
};

struct wal {
    struct wal_config config;
    struct buf identity;
    uint64_t salt;
    uint64_t segment_bytes;
    struct list groups; /* by id */
    /* the line */
    uint64_t end;           /* offset behind what is durable or being written */
    uint64_t segment_start; /* of the segment that appends go to */
    uint64_t segment_used;  /* bytes in it, carried entries not counted */
    bool marked;            /* the last batch is a mark */
    bool carrying;          /* older segments still hold live entries */
    /* what is queued */
    struct buf pending;
    uint64_t position;
    uint64_t synced;
    struct list waiters; /* by position */
    struct wal_job job;
    bool writing;
    bool failed;
    bool mark_asked;
    bool wake_asked; /* a waiter needs a job, though nothing is queued */
    /* closing */
    bool closing;
    void (*closed)(void *user);
    void *closed_user;
    /* with a loop */
    struct loop log_loop;
    bool log_started;
    struct loop_task flush;
    struct loop_msg first;
    struct metric *sync_seconds;
    struct metric *written_bytes;
    struct loop_timer idle;
    struct wal_segments segments; /* the log thread's while writing */
};

/* wal_memory.c: a group's entries in memory; nothing is queued. */
struct wal_group *wal__group_add(struct wal *w, uint32_t id, uint64_t server_id);
void wal__group_drop(struct wal_group *g);
struct wal_entry *wal__slot(struct wal_group *g, uint64_t index); /* index within first..last */
/* Makes room behind last and returns it: an empty slot of the new last. */
struct wal_entry *wal__push(struct wal_group *g);
void wal__pop_to(struct wal_group *g, uint64_t last);    /* drops everything above last */
void wal__shift_to(struct wal_group *g, uint64_t first); /* drops everything below first */
void wal__fill(struct wal_group *g, struct wal_entry *slot, uint64_t term, enum wal_entry_type type,
               struct payload *data, uint64_t segment); /* takes data */
void wal__snapshot_set(struct wal_snapshot *s, uint64_t index, uint64_t term,
                       struct payload *configuration); /* takes configuration */
void wal__install_done(struct wal_group *g);           /* the announced snapshot replaces the log */
uint64_t wal__live_bytes(const struct wal *w);

/* wal_record.c: records to and from bytes. */
void wal__put_group(struct buf *out, const struct wal_group *g);
void wal__put_identity(struct buf *out, struct slice identity);
void wal__put_simple(struct buf *out, enum wal_record type, uint32_t group);
void wal__put_term(struct buf *out, const struct wal_group *g);
void wal__put_entry(struct buf *out, enum wal_record type, const struct wal_group *g,
                    uint64_t index, const struct wal_entry *e);
void wal__put_truncate(struct buf *out, const struct wal_group *g, uint64_t from);
void wal__put_mark(struct buf *out, enum wal_record type, const struct wal_group *g,
                   const struct wal_snapshot *s);
/* Applies the records of one body to the groups in memory; entries are noted as standing in
 * segment. Errors: ERR_CORRUPT, ERR_INVALID (identity, version). */
int wal__replay(struct wal *w, struct slice body, uint64_t segment, struct err *err);

/* wal_batch.c: batches to and from bytes. */
struct wal_batch {
    uint32_t flags;
    uint64_t salt;
    uint64_t offset;
    uint64_t synced;
    struct slice body;
    size_t bytes; /* header and body */
};

/* Wraps body (padded here) as a batch at offset, appended to out. */
void wal__batch_put(struct buf *out, const struct wal_batch *batch);
/* The batch at the start of bytes; false: none that is whole, its checksum right and its offset
 * the given one. */
bool wal__batch_get(struct slice bytes, uint64_t offset, struct wal_batch *batch);

/* wal_recover.c: fills w from the files and leaves the segments ready for appending. */
int wal__recover(struct wal *w, struct err *err);

/* wal_segments.c: the log thread's work. */
void wal__segment_name(uint64_t start, char name[WAL_FS_NAME_MAX]);
bool wal__segment_parse(const char *name, uint64_t *start);
int wal__segments_create(struct wal_segments *s, uint64_t start, struct slice head,
                         struct err *err);
void wal__segments_note(struct wal_segments *s, uint64_t start);
int wal__job_write(struct wal_segments *s, struct wal_job *job); /* fills job->err */
int wal__job_sync(struct wal_segments *s, struct wal_job *job);

#endif
