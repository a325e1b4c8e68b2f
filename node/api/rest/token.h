/* token.h: continue tokens: where a list goes on, opaque to clients and checked when they return.
 *
 *   base64url( version (8) | ns | 0 | name | tag (16) )
 *
 * The tag is an HMAC over the token and the list it belongs to (resource, namespace, selectors), so
 * a token can neither be made up nor be used for another list.
 * Thread: any. */
#ifndef NODE_API_REST_TOKEN_H
#define NODE_API_REST_TOKEN_H

#include "base/arena.h"
#include "base/err.h"

struct rest_token {
    uint64_t version; /* 0: at whatever is the present by then */
    struct slice ns;  /* go on behind this key */
    struct slice name;
};

/* list names the list: what must be the same when the token returns. */
void rest_token_write(const struct rest_token *token, const uint8_t key[32], struct slice list,
                      struct buf *out);
/* Errors: ERR_INVALID. */
int rest_token_read(struct slice text, const uint8_t key[32], struct slice list,
                    struct arena *arena, struct rest_token *token, struct err *err);

#endif
