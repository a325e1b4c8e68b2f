/* compress.c: Zstandard at its first level, where a core takes hundreds of megabytes a second: it
 * runs on the loop that serves all of a node's groups. */
#include "store/compress.h"

#include <zstd.h>

enum { LEVEL = 1 };

bool compress(struct slice bytes, struct buf *out)
{
    size_t room = ZSTD_compressBound(bytes.len);
    buf_reserve(out, room);
    size_t len = ZSTD_compress(out->data + out->len, room, bytes.data, bytes.len, LEVEL);
    if (ZSTD_isError(len) || len > bytes.len - bytes.len / 8) {
        return false;
    }
    out->len += len;
    return true;
}

int decompress(struct slice frame, size_t max, struct arena *arena, struct slice *out,
               struct err *err)
{
    unsigned long long bytes = ZSTD_getFrameContentSize(frame.data, frame.len);
    if (bytes == ZSTD_CONTENTSIZE_ERROR || bytes == ZSTD_CONTENTSIZE_UNKNOWN || bytes > max) {
        return err_set(err, ERR_CORRUPT, "%zu bytes are no frame of at most %zu", frame.len, max);
    }
    char *text = arena_alloc(arena, bytes + 1);
    size_t len = ZSTD_decompress(text, bytes, frame.data, frame.len);
    if (ZSTD_isError(len) || len != bytes) {
        return err_set(err, ERR_CORRUPT, "a frame of %zu bytes: %s", frame.len,
                       ZSTD_isError(len) ? ZSTD_getErrorName(len) : "is cut short");
    }
    *out = slice_make(text, len);
    return 0;
}
