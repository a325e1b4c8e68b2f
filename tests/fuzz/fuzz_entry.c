/* Any bytes as a log entry: decoding never crashes, says CORRUPT or UNSUPPORTED, and what it takes
 * encodes to an entry that decodes to the same commands. */
#include "store/command.h"
#include "tests/fuzz/fuzz.h"

static void check_entry(const struct entry *entry)
{
    struct arena arena = {0};
    struct buf first = {0};
    struct buf second = {0};
    struct entry again;
    struct err err;
    PROPERTY(entry_encode(entry, &first, &err) == 0);
    PROPERTY(entry_decode(buf_slice(&first), &arena, &again, &err) == 0);
    PROPERTY(again.count == entry->count && again.time_ms == entry->time_ms);
    PROPERTY(entry_encode(&again, &second, &err) == 0);
    PROPERTY(slice_eq(buf_slice(&first), buf_slice(&second)));
    size_t bound = 16;
    for (size_t i = 0; i < entry->count; i++) {
        bound += command_bytes(&entry->commands[i]);
    }
    PROPERTY(first.len <= bound);
    buf_free(&first);
    buf_free(&second);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct entry entry;
    struct command command;
    struct err err;
    int rc = entry_decode(slice_make(data, size), &arena, &entry, &err);
    PROPERTY(rc == 0 || rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED);
    if (rc == 0) {
        check_entry(&entry);
    } else {
        PROPERTY(err.code == rc && err.message[0] != '\0');
    }
    rc = command_decode(slice_make(data, size), &arena, &command, &err);
    PROPERTY(rc == 0 || rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED);
    PROPERTY(rc != 0 || command_check(&command, &err) == 0);
    arena_free(&arena);
    return 0;
}
