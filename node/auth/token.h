/* token.h: bearer tokens, issued and checked by every node of a cluster alike.
 *
 * A token is a JSON Web Token (RFC 7519) signed with ES256 (RFC 7518) by the cluster's token key,
 * which lies in pki/token.jwk on every node. Its audience is the cluster, so one of another cluster
 * is refused as such. Only ES256 is accepted, whatever a token's header asks for.
 * A service account's token names the account with its uid instead of groups, in Kubernetes' own
 * claim, and may be for other audiences.
 * Owner: the caller frees the key. Thread: any; a key is immutable. */
#ifndef NODE_AUTH_TOKEN_H
#define NODE_AUTH_TOKEN_H

#include "base/arena.h"
#include "base/err.h"
#include "node/auth/subject.h"

struct token_key; /* a private JSON Web Key (RFC 7517), EC P-256 */

enum { TOKEN_BYTES_MAX = 8192 };

int token_key_new(struct token_key **key, struct err *err);
/* Errors: ERR_INVALID (not a private EC P-256 JWK). */
int token_key_load(struct slice jwk, struct token_key **key, struct err *err);
void token_key_save(const struct token_key *key, struct buf *jwk);
void token_key_free(struct token_key *key);

/* Appends a token for the subject to out. */
int token_issue(const struct token_key *key, const char *cluster, const struct subject *subject,
                uint64_t now_wall_ms, uint64_t valid_ms, struct buf *out, struct err *err);
enum { TOKEN_AUDIENCES_MAX = 16 };

struct token_audiences {
    const struct slice *wanted;
    size_t count;                      /* 1 .. TOKEN_AUDIENCES_MAX */
    bool matched[TOKEN_AUDIENCES_MAX]; /* result: the token is for it */
};

/* Likewise for the account of uid, which lives in its namespace. */
struct token_account {
    struct slice ns;
    struct slice name;
    struct slice uid;
    const struct slice *audiences;
    size_t audience_count; /* at least 1 */
};
int token_issue_account(const struct token_key *key, const struct token_account *account,
                        uint64_t now_wall_ms, uint64_t valid_ms, struct buf *out, struct err *err);
/* Fills subject, whose strings are the arena's. A minute of clock difference is forgiven. Errors:
 * ERR_UNAUTHENTICATED, saying whether it is malformed, of another cluster, badly signed, expired.
 */
int token_check(const struct token_key *key, const char *cluster, struct slice token,
                uint64_t now_wall_ms, struct arena *arena, struct subject *subject,
                struct err *err);
/* The same for whoever accepts one of these audiences. */
int token_check_audiences(const struct token_key *key, struct slice token,
                          struct token_audiences *audiences, uint64_t now_wall_ms,
                          struct arena *arena, struct subject *subject, struct err *err);

#endif
