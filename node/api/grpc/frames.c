/* frames.c: one flag byte, four of length, and the message.
 *
 * A client says once, in its head, how it may pack; each frame says whether it is. Both sides of a
 * bad word are told apart as the protocol wants it: an encoding that is not known here is
 * UNIMPLEMENTED (and grpc-accept-encoding says what is), a frame that contradicts the head is
 * INTERNAL. */
#include "node/api/grpc/frames.h"

#include <assert.h>
#include <string.h>

#include "base/gzip.h"

static bool lists(struct slice encodings, const char *name)
{
    struct slice one;
    while (slice_split(&encodings, ',', &one)) {
        if (slice_eq_cstr(slice_trim(one), name)) {
            return true;
        }
    }
    return false;
}

int frames_init(struct frames *f, const struct http_stream *stream, uint32_t limit, struct err *err)
{
    struct slice encoding = http_stream_header(stream, "grpc-encoding");
    *f = (struct frames){.limit = limit, .packs_in = slice_eq_cstr(encoding, "gzip")};
    f->packs_out = f->packs_in && lists(http_stream_header(stream, "grpc-accept-encoding"), "gzip");
    if (encoding.len == 0 || f->packs_in || slice_eq_cstr(encoding, "identity")) {
        return 0;
    }
    return err_set(err, ERR_METHOD,
                   "grpc-encoding \"%.*s\" is not known here: use " FRAME_ENCODINGS,
                   (int)(encoding.len < 40 ? encoding.len : 40), encoding.data);
}

static bool is_packed(struct slice in)
{
    return in.data[0] != 0;
}

int frames_look(const struct frames *f, struct slice in, size_t *bytes, struct err *err)
{
    *bytes = 0;
    if (in.len < FRAME_HEAD_BYTES) {
        return 0;
    }
    uint32_t len = be32_get(in.data + 1);
    uint8_t flag = (uint8_t)in.data[0];
    if (flag > 1 || (flag == 1 && !f->packs_in)) {
        return err_set(err, ERR_INTERNAL,
                       "the Compressed-Flag of a message is %u, and grpc-encoding says identity",
                       flag);
    }
    if (len > f->limit) {
        return err_set(err, ERR_TOO_LARGE, "a message of %u bytes: at most %u", len, f->limit);
    }
    *bytes = FRAME_HEAD_BYTES + (size_t)len;
    return 0;
}

int frames_take(const struct frames *f, struct buf *in, struct arena *arena, struct slice *message,
                struct err *err)
{
    size_t bytes = FRAME_HEAD_BYTES + (size_t)be32_get(in->data + 1);
    struct slice frame = slice_sub(buf_slice(in), 0, bytes);
    struct slice body = slice_sub(frame, FRAME_HEAD_BYTES, bytes);
    int rc = 0;
    assert(frame.len == bytes);
    if (is_packed(frame)) {
        rc = gzip_unpack(body, f->limit, arena, message, err);
    } else {
        *message = arena_copy(arena, body);
    }
    buf_shift(in, bytes);
    return rc == 0 ? 0 : err_wrap(err, "a packed message");
}

void frames_add(const struct frames *f, const ProtobufCMessage *message, struct buf *out)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    size_t head = out->len;
    bool pack = f->packs_out && len >= FRAME_PACK_LEAST_BYTES;
    buf_add_u8(out, pack ? 1 : 0);
    buf_add_be32(out, (uint32_t)len);
    if (!pack) {
        buf_reserve(out, len);
        out->len += protobuf_c_message_pack(message, (uint8_t *)out->data + out->len);
        return;
    }
    struct buf plain = {0};
    buf_reserve(&plain, len);
    plain.len = protobuf_c_message_pack(message, (uint8_t *)plain.data);
    gzip_pack(buf_slice(&plain), out);
    buf_free(&plain);
    uint32_t packed = __builtin_bswap32((uint32_t)(out->len - head - FRAME_HEAD_BYTES));
    memcpy(out->data + head + 1, &packed, sizeof packed);
}
