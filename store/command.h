/* command.h: the typed commands of a shard's log, as plain structs, and their encoding.
 *
 * One entry is one batch of commands, one sync of the log and part of one SQLite transaction. The
 * leader builds it from what clients asked (submit), stamps versions and time, encodes, proposes;
 * apply decodes. command_check() holds for all that is encoded and decoded, so that a leader never
 * proposes what apply would have to stop at.
 * Owner: the caller; slices borrow. Decoded ones live in the arena given. Thread: any. */
#ifndef STORE_COMMAND_H
#define STORE_COMMAND_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/backend.h"

enum {
    COMMAND_BYTES_MAX = 4 * 1024 * 1024, /* one encoded command; it then travels alone */
    ENTRY_BATCH_BYTES = 256 * 1024,      /* an entry takes no further command beyond this */
    ENTRY_COMMANDS_MAX = 4096,
    ENTRY_BYTES_MAX = 2 * COMMAND_BYTES_MAX, /* one entry before it is compressed */
    COMMAND_EVENTS_MAX = 500,
    COMMAND_NAME_MAX = 512, /* resource, namespace, name, subject: bytes each */
    REQUEST_ID_MIN = 16,
    REQUEST_ID_MAX = 64,
    REQUEST_DIGEST_BYTES = 32,
    /* A request is executed at most once within the window after its issue; older ids, and ids
     * further ahead than the skew, are refused. Part of the replicated rules: never configurable.
     */
    REQUEST_WINDOW_MS = 300000,
    REQUEST_AHEAD_MS = 5000,
};

struct command_write {
    enum backend_verb verb;
    struct backend_key key;
    struct slice body;
    uint32_t splice;
    uint64_t version; /* stamped by the leader; 0 only while forwarded to it */
    uint64_t if_version;
    struct slice if_uid;
    bool client_made;
    struct slice subject;
    struct slice request_id; /* empty: no exactly-once bookkeeping */
    uint64_t issued_ms;      /* part of the id: a retry carries the same */
    struct slice request_digest;
    struct slice audit;
};

struct command_open {
    uint64_t term;
    uint64_t incarnation;
    uint64_t ceiling;
};

struct command_compact {
    uint64_t before;
    uint32_t rows_max; /* rows looked at in one command, so that a transaction stays short */
    uint64_t audit_before_ms;
};

struct command_expire {
    uint64_t before_ms;
    uint32_t rows_max;
};

struct command_events {
    uint64_t before;   /* a version */
    uint32_t rows_max; /* at most COMMAND_EVENTS_MAX */
    uint64_t version;  /* stamped by the leader, which leaves rows_max of them free from here on */
};

enum namespace_state { NAMESPACE_ACTIVE = 1, NAMESPACE_TERMINATING, NAMESPACE_GONE };

struct command_namespace {
    struct slice name;
    enum namespace_state state;
};

enum command_kind {
    COMMAND_WRITE = 1,
    COMMAND_OPEN,
    COMMAND_CEILING,
    COMMAND_COMPACT,
    COMMAND_EXPIRE_REQUESTS,
    COMMAND_NAMESPACE,
    COMMAND_EXPIRE_EVENTS,
};

struct command {
    enum command_kind kind;
    union {
        struct command_write write;
        struct command_open open;
        uint64_t ceiling;
        struct command_compact compact;
        struct command_expire expire;
        struct command_namespace mark;
        struct command_events events;
    };
};

struct entry {
    uint64_t time_ms; /* the leader's wall clock */
    bool compressed;  /* may be, or was: releases before that stop at such an entry */
    struct command *commands;
    size_t count;
};

/* Limits and forms. Errors: ERR_TOO_LARGE, ERR_INVALID (naming the field). */
int command_check(const struct command *command, struct err *err);
/* At least the bytes that it takes in an entry, at most a few more: for filling batches. */
size_t command_bytes(const struct command *command);
/* The write that a submit asks for, unstamped; borrows what submit borrows. */
void command_from_submit(const struct backend_submit *submit, struct command *command);

/* One command alone, for the way to the leader. Errors: as command_check(). */
int command_encode(const struct command *command, struct buf *out, struct err *err);
/* Errors: ERR_CORRUPT (not such bytes), ERR_UNSUPPORTED (made by a newer release). */
int command_decode(struct slice bytes, struct arena *arena, struct command *out, struct err *err);

/* Appends the encoded entry to out, compressed where it may be and that is smaller. Errors: as
 * command_check() of any command. */
int entry_encode(const struct entry *entry, struct buf *out, struct err *err);
/* Errors: as command_decode(). */
int entry_decode(struct slice bytes, struct arena *arena, struct entry *out, struct err *err);

#endif
