/* crypto.h: hashes, randomness and encodings (OpenSSL; with tls and pki, owner of its headers).
 * Thread: any. */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

enum { SHA256_BYTES = 32 };

void crypto_sha256(struct slice in, uint8_t out[SHA256_BYTES]);
void crypto_hmac_sha256(struct slice key, struct slice in, uint8_t out[SHA256_BYTES]);
bool crypto_equal(struct slice a, struct slice b); /* constant time */
void crypto_random(void *out, size_t bytes);       /* aborts if the system has none */
void crypto_uuid(char out[37]);                    /* RFC 4122 version 4, NUL-terminated */

void hex_encode(struct buf *out, struct slice in); /* lower case; all of these append */
bool hex_decode(struct buf *out, struct slice in);
void base64_encode(struct buf *out, struct slice in);    /* RFC 4648 section 4, padded */
void base64url_encode(struct buf *out, struct slice in); /* section 5, unpadded */
/* Either alphabet, padded or not; false, with out as it was, if malformed. So hex_decode(). */
bool base64_decode(struct buf *out, struct slice in);

/* AES-256-GCM: out gets nonce (12) | ciphertext | tag (16). aad is authenticated, not stored. */
void crypto_seal(const uint8_t key[32], struct slice aad, struct slice plain, struct buf *out);
bool crypto_open(const uint8_t key[32], struct slice aad, struct slice sealed, struct buf *plain);

/* Castagnoli; hardware where there is. Start with 0; the result continues over the next piece. */
uint32_t crc32c(uint32_t seed, struct slice in);

#endif
