/* gzip.c: two passes over what is packed, one over what is not.
 *
 * Unpacking: the first pass throws away what it makes and only counts, up to the limit; the second
 * writes into memory of exactly that size. So a stranger's bytes never decide what is allocated
 * before it is known to fit.
 * Failure path: damage shows in the first pass; nothing is taken from the arena then. */
#include "base/gzip.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

enum { WINDOW_BYTES = 16 * 1024, GZIP_BITS = MAX_WBITS + 16, MEM_LEVEL = 8 };

static void begin(z_stream *z, struct slice packed)
{
    *z = (z_stream){0};
    z->next_in = (z_const Bytef *)(uintptr_t)packed.data;
    z->avail_in = (uInt)packed.len;
    int rc = inflateInit2(z, GZIP_BITS);
    assert(rc == Z_OK && "out of memory, or another zlib");
}

/* How much there is in it: Z_STREAM_END, or what is wrong; Z_BUF_ERROR: more than limit. */
static int measure(struct slice packed, size_t limit, size_t *bytes)
{
    Bytef window[WINDOW_BYTES];
    z_stream z;
    int rc;
    *bytes = 0;
    begin(&z, packed);
    do {
        z.next_out = window;
        z.avail_out = sizeof window;
        rc = inflate(&z, Z_NO_FLUSH);
        *bytes += sizeof window - z.avail_out;
    } while (rc == Z_OK && *bytes <= limit && (z.avail_in > 0 || z.avail_out == 0));
    if (rc == Z_STREAM_END && z.avail_in > 0) {
        rc = Z_DATA_ERROR;
    } else if (*bytes > limit && (rc == Z_OK || rc == Z_STREAM_END)) {
        rc = Z_BUF_ERROR;
    } else if (rc == Z_OK || rc == Z_BUF_ERROR) {
        rc = Z_DATA_ERROR; /* cut */
    }
    (void)inflateEnd(&z);
    return rc;
}

int gzip_unpack(struct slice packed, size_t limit, struct arena *arena, struct slice *text,
                struct err *err)
{
    size_t bytes;
    *text = (struct slice){0};
    if (packed.len > UINT_MAX || limit > UINT_MAX) {
        return err_set(err, ERR_TOO_LARGE, "%zu bytes of gzip are too many", packed.len);
    }
    int rc = measure(packed, limit, &bytes);
    if (rc == Z_BUF_ERROR) {
        return err_set(err, ERR_TOO_LARGE, "unpacked it is larger than %zu bytes", limit);
    }
    if (rc != Z_STREAM_END) {
        return err_set(err, ERR_INVALID, "it is no whole gzip stream");
    }
    char *data = arena_alloc(arena, bytes + 1);
    z_stream z;
    begin(&z, packed);
    z.next_out = (Bytef *)data;
    z.avail_out = (uInt)bytes + 1; /* one to spare: the end shows only where there is room */
    rc = inflate(&z, Z_FINISH);
    assert(rc == Z_STREAM_END && z.total_out == bytes);
    (void)inflateEnd(&z);
    *text = slice_make(data, bytes);
    return 0;
}

void gzip_pack(struct slice text, struct buf *out)
{
    z_stream z = {0};
    assert(text.len <= UINT_MAX);
    int rc = deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_BITS, MEM_LEVEL, Z_DEFAULT_STRATEGY);
    assert(rc == Z_OK);
    uLong most = deflateBound(&z, (uLong)text.len);
    buf_reserve(out, most);
    z.next_in = (z_const Bytef *)(uintptr_t)text.data;
    z.avail_in = (uInt)text.len;
    z.next_out = (Bytef *)out->data + out->len;
    z.avail_out = (uInt)most;
    rc = deflate(&z, Z_FINISH);
    assert(rc == Z_STREAM_END);
    out->len += z.total_out;
    (void)deflateEnd(&z);
}
