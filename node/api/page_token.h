/* page_token.h: continue tokens: where a list goes on, opaque to clients and checked when they
 * return.
 *
 *   base64url( version (8) | ns | 0 | name | tag (16) )
 *
 * The tag is an HMAC over the token and the list it belongs to (resource, namespace, selectors), so
 * a token can neither be made up nor be used for another list. Both doors give the same.
 * Thread: any. */
#ifndef NODE_API_PAGE_TOKEN_H
#define NODE_API_PAGE_TOKEN_H

#include "base/arena.h"
#include "base/err.h"

struct page_token {
    uint64_t version; /* 0: at whatever is the present by then */
    struct slice ns;  /* go on behind this key */
    struct slice name;
};

/* Names a list: what must be the same when the token returns. */
struct slice page_token_identity(struct arena *arena, struct slice resource, struct slice ns,
                                 struct slice labels, struct slice fields);
void page_token_write(const struct page_token *token, const uint8_t key[32], struct slice list,
                      struct buf *out);
/* Errors: ERR_INVALID. */
int page_token_read(struct slice text, const uint8_t key[32], struct slice list,
                    struct arena *arena, struct page_token *token, struct err *err);

#endif
