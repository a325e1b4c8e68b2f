/* entry.c: a batch of commands to an entry's bytes and back.
 *
 * An entry of some size is compressed, once every node's program can read that: the leader does it
 * once, and its log, the network between regions and every follower's log carry a fraction. Whoever
 * applies it decompresses, within the limit of what a leader may have put in.
 * Failure path: as command.c's. */
#include "store/command_internal.h"
#include "store/compress.h"

enum { COMPRESSED_FROM_BYTES = 1024 }; /* below it a frame saves little */

static int check_entry(const struct entry *entry, struct err *err)
{
    if (entry->count > ENTRY_COMMANDS_MAX) {
        return err_set(err, ERR_TOO_LARGE, "entry: %zu commands are over the limit of %d",
                       entry->count, ENTRY_COMMANDS_MAX);
    }
    if (entry->time_ms > INT64_MAX) {
        return err_set(err, ERR_INVALID, "entry: its time is out of range");
    }
    for (size_t i = 0; i < entry->count; i++) {
        int rc = command_check(&entry->commands[i], err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* The entry that stands for packed, compressed, if that pays. */
static bool append_compressed(struct slice packed, uint64_t time_ms, struct buf *out)
{
    struct buf frame = {0};
    bool smaller = packed.len >= COMPRESSED_FROM_BYTES && compress(packed, &frame);
    if (smaller) {
        Choreo__Log__Entry message = CHOREO__LOG__ENTRY__INIT;
        message.time_ms = time_ms;
        message.has_compressed = true;
        message.compressed.data = (uint8_t *)frame.data;
        message.compressed.len = frame.len;
        command__append(&message.base, out);
    }
    buf_free(&frame);
    return smaller;
}

int entry_encode(const struct entry *entry, struct buf *out, struct err *err)
{
    int rc = check_entry(entry, err);
    if (rc != 0) {
        return rc;
    }
    struct arena arena = {0};
    struct packed *packed = arena_alloc(&arena, entry->count * sizeof *packed);
    Choreo__Log__Command **commands = arena_alloc(&arena, entry->count * sizeof *commands);
    for (size_t i = 0; i < entry->count; i++) {
        command__pack(&entry->commands[i], &packed[i]);
        commands[i] = &packed[i].command;
    }
    Choreo__Log__Entry message = CHOREO__LOG__ENTRY__INIT;
    message.time_ms = entry->time_ms;
    message.n_commands = entry->count;
    message.commands = commands;
    struct buf plain = {0};
    command__append(&message.base, &plain);
    if (!entry->compressed || !append_compressed(buf_slice(&plain), entry->time_ms, out)) {
        buf_add(out, buf_slice(&plain));
    }
    buf_free(&plain);
    arena_free(&arena);
    return 0;
}

static int unpack_entry(struct slice bytes, struct arena *arena, Choreo__Log__Entry **out,
                        struct err *err)
{
    ProtobufCAllocator allocator = command__allocator(arena);
    Choreo__Log__Entry *m =
        choreo__log__entry__unpack(&allocator, bytes.len, (const uint8_t *)bytes.data);
    if (m == NULL) {
        return err_set(err, ERR_CORRUPT, "log: %zu bytes are no entry", bytes.len);
    }
    if (m->base.n_unknown_fields > 0) {
        return command__newer("an entry's field", err);
    }
    if (m->n_commands > ENTRY_COMMANDS_MAX || m->time_ms > INT64_MAX) {
        return err_set(err, ERR_CORRUPT, "log: an entry out of its limits");
    }
    *out = m;
    return 0;
}

/* *m becomes the entry that it holds compressed. */
static int unpack_compressed(struct arena *arena, Choreo__Log__Entry **m, struct err *err)
{
    const Choreo__Log__Entry *outer = *m;
    struct slice plain;
    int rc = decompress(slice_make(outer->compressed.data, outer->compressed.len), ENTRY_BYTES_MAX,
                        arena, &plain, err);
    if (rc != 0) {
        return err_wrap(err, "log: an entry");
    }
    rc = unpack_entry(plain, arena, m, err);
    if (rc == 0 &&
        (outer->n_commands > 0 || (*m)->has_compressed || (*m)->time_ms != outer->time_ms)) {
        return err_set(err, ERR_CORRUPT, "log: an entry that holds another");
    }
    return rc;
}

int entry_decode(struct slice bytes, struct arena *arena, struct entry *out, struct err *err)
{
    Choreo__Log__Entry *m = NULL;
    int rc = unpack_entry(bytes, arena, &m, err);
    out->compressed = rc == 0 && m->has_compressed;
    if (out->compressed) {
        rc = unpack_compressed(arena, &m, err);
    }
    if (rc != 0) {
        return rc;
    }
    out->time_ms = m->time_ms;
    out->count = m->n_commands;
    out->commands = arena_zero(arena, m->n_commands * sizeof *out->commands);
    for (size_t i = 0; i < m->n_commands && rc == 0; i++) {
        rc = command__unpack(m->commands[i], &out->commands[i], err);
    }
    return rc;
}
