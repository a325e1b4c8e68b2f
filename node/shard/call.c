/* call.c: calls and their bytes.
 *
 * Bytes from another node are checked as any others: its certificate proves who it is, not that
 * its release writes what ours reads. */
#include "node/shard/call.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 5, CLOSE_BYTES = 9, RESPONSE_BYTES = 16, SERVER_BYTES = 8 };

struct call *call_new(enum call_kind kind, uint32_t shard, uint64_t deadline_ms)
{
    struct call *call = mem_zero(sizeof(*call));
    call->kind = kind;
    call->shard = shard;
    call->deadline_ms = deadline_ms;
    list_init(&call->link);
    return call;
}

void call_free(struct call *call)
{
    if (call != NULL) {
        buf_free(&call->request);
        buf_free(&call->response);
        free(call);
    }
}

int call_set(struct call *call, int rc, const struct err *err)
{
    call->rc = rc;
    if (rc == 0) {
        call->err = (struct err){0};
    } else if (err != NULL) {
        call->err = *err;
        call->err.code = rc;
    } else {
        err_set(&call->err, rc, "shard %u: %s", call->shard, err_meaning(rc));
    }
    return rc;
}

void call_encode(const struct call *call, struct buf *out)
{
    buf_add_be32(out, call->shard);
    buf_add_u8(out, (uint8_t)call->kind);
    if (call->kind == CALL_CLOSE) {
        buf_add_be64(out, call->close_version);
        buf_add_u8(out, call->close_trusted ? 1 : 0);
    } else {
        buf_add(out, buf_slice(&call->request));
    }
}

int call_decode(struct slice bytes, struct call **call, struct err *err)
{
    if (bytes.len < HEAD_BYTES) {
        return err_set(err, ERR_CORRUPT, "a call of %zu bytes", bytes.len);
    }
    uint8_t kind = (uint8_t)bytes.data[4];
    struct slice rest = slice_sub(bytes, HEAD_BYTES, SIZE_MAX);
    if (kind == 0 || kind >= CALL_KIND_COUNT) {
        return err_set(err, ERR_UNSUPPORTED, "a call of kind %u: this node is older", kind);
    }
    if (kind == CALL_CLOSE && rest.len != CLOSE_BYTES) {
        return err_set(err, ERR_CORRUPT, "a closing of %zu bytes", rest.len);
    }
    *call = call_new((enum call_kind)kind, be32_get(bytes.data), 0);
    if (kind == CALL_CLOSE) {
        (*call)->close_version = be64_get(rest.data);
        (*call)->close_trusted = rest.data[8] != 0;
    } else {
        buf_add(&(*call)->request, rest);
    }
    return 0;
}

void call_encode_response(const struct call *call, struct buf *out)
{
    buf_add_be64(out, call->index);
    buf_add_be64(out, call->version);
}

int call_decode_response(struct slice bytes, struct call *call, struct err *err)
{
    if (bytes.len != RESPONSE_BYTES) {
        return err_set(err, ERR_CORRUPT, "an answer of %zu bytes", bytes.len);
    }
    call->index = be64_get(bytes.data);
    call->version = be64_get(bytes.data + 8);
    return 0;
}

void call_set_server(struct call *call, uint64_t server_id, const char *name)
{
    buf_clear(&call->request);
    buf_add_be64(&call->request, server_id);
    buf_add_cstr(&call->request, name);
}

int call_server(const struct call *call, uint64_t *server_id, char name[GROUP_NAME_MAX + 1],
                struct err *err)
{
    struct slice bytes = buf_slice(&call->request);
    if (bytes.len < SERVER_BYTES || bytes.len - SERVER_BYTES > GROUP_NAME_MAX) {
        return err_set(err, ERR_CORRUPT, "a membership call of %zu bytes", bytes.len);
    }
    *server_id = be64_get(bytes.data);
    memcpy(name, bytes.data + SERVER_BYTES, bytes.len - SERVER_BYTES);
    name[bytes.len - SERVER_BYTES] = '\0';
    return 0;
}
