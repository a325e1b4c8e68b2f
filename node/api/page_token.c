/* page_token.c: continue tokens.
 *
 * Nothing in a token is secret; the tag only makes sure that it is one of ours and of this list.
 * Anything else is refused in one way. */
#include "node/api/page_token.h"

#include <string.h>

#include "base/crypto.h"

enum { TAG_BYTES = 16, TOKEN_MAX_BYTES = 2048 };

static void tag_of(struct slice payload, const uint8_t key[32], struct slice list,
                   uint8_t tag[SHA256_BYTES])
{
    struct buf text = {0};
    buf_add_be32(&text, (uint32_t)list.len);
    buf_add(&text, list);
    buf_add(&text, payload);
    crypto_hmac_sha256(slice_make(key, 32), buf_slice(&text), tag);
    buf_free(&text);
}

struct slice page_token_identity(struct arena *arena, struct slice resource, struct slice ns,
                                 struct slice labels, struct slice fields)
{
    return slice_of(arena_printf(arena, "%.*s|%.*s|%.*s|%.*s", SLICE_ARG(resource), SLICE_ARG(ns),
                                 SLICE_ARG(labels), SLICE_ARG(fields)));
}

void page_token_write(const struct page_token *token, const uint8_t key[32], struct slice list,
                      struct buf *out)
{
    struct buf payload = {0};
    uint8_t tag[SHA256_BYTES];
    buf_add_be64(&payload, token->version);
    buf_add(&payload, token->ns);
    buf_add_char(&payload, '\0');
    buf_add(&payload, token->name);
    tag_of(buf_slice(&payload), key, list, tag);
    buf_add(&payload, slice_make(tag, TAG_BYTES));
    base64url_encode(out, buf_slice(&payload));
    buf_free(&payload);
}

int page_token_read(struct slice text, const uint8_t key[32], struct slice list,
                    struct arena *arena, struct page_token *token, struct err *err)
{
    struct buf raw = {0};
    uint8_t tag[SHA256_BYTES];
    int rc = err_set(err, ERR_INVALID, "continue key is not valid: it belongs to no such list");
    if (text.len > TOKEN_MAX_BYTES || !base64_decode(&raw, text) || raw.len < 9 + TAG_BYTES) {
        goto out;
    }
    struct slice payload = slice_sub(buf_slice(&raw), 0, raw.len - TAG_BYTES);
    tag_of(payload, key, list, tag);
    if (!crypto_equal(slice_make(tag, TAG_BYTES),
                      slice_sub(buf_slice(&raw), payload.len, TAG_BYTES))) {
        goto out;
    }
    struct slice keys = arena_copy(arena, slice_sub(payload, 8, payload.len));
    const char *zero = memchr(keys.data, '\0', keys.len);
    if (zero == NULL) {
        goto out;
    }
    size_t at = (size_t)(zero - keys.data);
    token->version = be64_get(payload.data);
    token->ns = slice_sub(keys, 0, at);
    token->name = slice_sub(keys, at + 1, keys.len);
    rc = 0;
out:
    buf_free(&raw);
    return rc;
}
