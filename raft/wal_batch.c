/* wal_batch.c: the frame around what is written at once.
 *
 * A batch knows its own place in the line and the log it belongs to (the salt), so that after a
 * damaged one, later ones can still be found and asked what was synced. The salt is random: no
 * payload can be made to look like a batch. */
#include "raft/wal_internal.h"

#include <assert.h>

#include "base/crypto.h"

static void put_be32(char *at, uint32_t v)
{
    at[0] = (char)(v >> 24);
    at[1] = (char)(v >> 16);
    at[2] = (char)(v >> 8);
    at[3] = (char)v;
}

void wal__batch_put(struct buf *out, const struct wal_batch *batch)
{
    size_t start = out->len;
    size_t pad = (8 - batch->body.len % 8) % 8;
    assert(batch->body.len + pad < UINT32_MAX);
    buf_reserve(out, WAL__HEADER + batch->body.len + pad);
    buf_add_be32(out, WAL__MAGIC);
    buf_add_be32(out, 0); /* the checksum, below */
    buf_add_be32(out, (uint32_t)(batch->body.len + pad));
    buf_add_be32(out, batch->flags);
    buf_add_be64(out, batch->salt);
    buf_add_be64(out, batch->offset);
    buf_add_be64(out, batch->synced);
    assert(out->len - start == WAL__HEADER);
    buf_add(out, batch->body);
    for (size_t i = 0; i < pad; i++) {
        buf_add_u8(out, WAL_RECORD_PAD);
    }
    struct slice checked = slice_make(out->data + start + 8, out->len - start - 8);
    put_be32(out->data + start + 4, crc32c(0, checked));
}

bool wal__batch_get(struct slice bytes, uint64_t offset, struct wal_batch *batch)
{
    if (bytes.len < WAL__HEADER || be32_get(bytes.data) != WAL__MAGIC ||
        be64_get(bytes.data + 24) != offset) {
        return false;
    }
    size_t length = be32_get(bytes.data + 8);
    if (length % 8 != 0 || length > bytes.len - WAL__HEADER) {
        return false;
    }
    struct slice checked = slice_make(bytes.data + 8, WAL__HEADER - 8 + length);
    if (crc32c(0, checked) != be32_get(bytes.data + 4)) {
        return false;
    }
    *batch = (struct wal_batch){
        .flags = be32_get(bytes.data + 12),
        .salt = be64_get(bytes.data + 16),
        .offset = offset,
        .synced = be64_get(bytes.data + 32),
        .body = slice_make(bytes.data + WAL__HEADER, length),
        .bytes = WAL__HEADER + length,
    };
    return batch->synced <= offset;
}
