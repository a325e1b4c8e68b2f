/* frames.h: gRPC's messages on the wire: a flag, a length, and bytes that may be packed by gzip.
 *
 * Both directions may be packed, each message by itself. What a client packs is unpacked into
 * memory that is known to suffice beforehand: never more than the limit, whatever it claims to be.
 * Ours are packed if the client packs its own and takes gzip, and where it is worth it.
 * Owner: the caller. Thread: any. */
#ifndef NODE_API_GRPC_FRAMES_H
#define NODE_API_GRPC_FRAMES_H

#include <protobuf-c/protobuf-c.h>

#include "node/http/stream.h"

enum {
    FRAME_HEAD_BYTES = 5,
    FRAME_PACK_LEAST_BYTES = 1024, /* a smaller message of ours is never packed */
};

/* The value of grpc-accept-encoding. */
#define FRAME_ENCODINGS "identity,gzip"

struct frames {
    uint32_t limit; /* of a message from the client, unpacked as well as packed */
    bool packs_in;  /* the client's may be packed */
    bool packs_out;
};

/* By the call's headers. Errors: ERR_METHOD (an encoding other than identity and gzip). */
int frames_init(struct frames *f, const struct http_stream *stream, uint32_t limit,
                struct err *err);
/* How far the first message's frame reaches: *bytes is 0 while its head is not there. Errors:
 * ERR_TOO_LARGE, ERR_INTERNAL (packed, where the call's headers announce nothing such). */
int frames_look(const struct frames *f, struct slice in, size_t *bytes, struct err *err);
/* The message of the first frame, which is whole, in the arena; drops it from in. Errors:
 * ERR_TOO_LARGE (unpacked), ERR_INVALID (no gzip). */
int frames_take(const struct frames *f, struct buf *in, struct arena *arena, struct slice *message,
                struct err *err);
void frames_add(const struct frames *f, const ProtobufCMessage *message, struct buf *out);

#endif
