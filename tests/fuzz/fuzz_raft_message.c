/* A message between servers of a group, as bytes. Whatever they are: no crash; what is read is
 * written back as the same bytes, and every CHANGE in it reads as a configuration that writes back
 * as the same bytes too. */
#include "raft/conf.h"
#include "raft/message.h"
#include "tests/fuzz/fuzz.h"

static void check_change(struct slice data)
{
    struct conf conf;
    struct buf again = {0};
    PROPERTY(conf_read(data, &conf, NULL) == 0);
    conf_write(&conf, &again);
    PROPERTY(slice_eq(buf_slice(&again), data));
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message m;
    struct slice bytes = slice_make(data, size);
    if (message_read(bytes, &m, NULL) != 0) {
        return 0;
    }
    for (size_t i = 0; m.kind == MESSAGE_APPEND && i < m.append.count; i++) {
        if (m.append.entries[i].type == WAL_ENTRY_CHANGE) {
            check_change(m.append.entries[i].data);
        }
    }
    struct buf again = {0};
    message_write(&m, &again);
    PROPERTY(slice_eq(buf_slice(&again), bytes));
    buf_free(&again);
    message_free(&m);
    return 0;
}
