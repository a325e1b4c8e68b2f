/* message.h: what servers of a group say to each other, as values and as bytes.
 *
 *     version 1 | kind 1 | from 8 | to 8 | term 8 | the kind's own fields
 *
 * Numbers are big-endian. Snapshots travel outside of messages. message_read() accepts only what
 * could be true of some history: the rest of raft/ need not doubt a field's range again.
 * Owner: the caller. Thread: any. */
#ifndef RAFT_MESSAGE_H
#define RAFT_MESSAGE_H

#include "base/err.h"
#include "base/str.h"
#include "raft/wal.h"

enum message_kind {
    MESSAGE_VOTE = 1,
    MESSAGE_VOTE_RESULT = 2,
    MESSAGE_APPEND = 3,
    MESSAGE_APPEND_RESULT = 4,
    MESSAGE_TIMEOUT_NOW = 5,
    MESSAGE_READ = 6,        /* a leader's read round */
    MESSAGE_READ_RESULT = 7, /* `term` is the highest that the sender knows */
};

enum message_limit {
    MESSAGE_VERSION = 1,
    MESSAGE_ENTRIES_MAX = 1024,
};

struct message_entry {
    uint64_t term;
    enum wal_entry_type type;
    struct slice data;
};

struct message {
    enum message_kind kind;
    uint64_t from; /* Raft ids */
    uint64_t to;
    uint64_t term;
    union {
        struct {
            uint64_t last_index;
            uint64_t last_term;
            bool disrupt;
            bool pre_vote;
        } vote;
        struct {
            bool granted;
            bool pre_vote;
        } vote_result;
        struct {
            uint64_t prev_index;
            uint64_t prev_term;
            uint64_t commit;
            struct message_entry *entries; /* message_free() frees the array, not the data */
            size_t count;
        } append;
        struct {
            uint64_t rejected; /* 0: accepted */
            uint64_t last_index;
        } append_result;
        struct {
            uint64_t last_index;
            uint64_t last_term;
        } timeout_now;
        struct {
            uint64_t number;
            uint64_t round_term; /* the asking leader's term, echoed */
        } read;
    };
};

void message_write(const struct message *m, struct buf *out);
/* Data of entries borrow from bytes. Errors: ERR_INVALID saying what is wrong. */
int message_read(struct slice bytes, struct message *m, struct err *err);
void message_free(struct message *m);

#endif
