/* crypto.c: hashes, randomness and encodings over OpenSSL.
 *
 * Algorithms are fetched once: OpenSSL 3's implicit fetching costs more than hashing a short text.
 * With algorithms this common OpenSSL can fail only for want of memory or a broken installation;
 * both abort, because going on with unhashed or unencrypted bytes would be worse. */
#include "base/crypto.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

enum { NONCE_BYTES = 12, TAG_BYTES = 16 };

static EVP_MD *sha256;
static EVP_CIPHER *aes256gcm;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void must(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "openssl cannot %s\n", what);
        abort();
    }
}

static void fetch_all(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    aes256gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    must(sha256 != NULL && aes256gcm != NULL, "find SHA256 and AES-256-GCM");
}

static void init(void)
{
    (void)pthread_once(&once, fetch_all);
}

static const unsigned char *bytes_of(struct slice s)
{
    return s.data != NULL ? (const unsigned char *)s.data : (const unsigned char *)"";
}

static int length_of(struct slice s)
{
    assert(s.len <= INT32_MAX);
    return (int)s.len;
}

void crypto_sha256(struct slice in, uint8_t out[SHA256_BYTES])
{
    init();
    unsigned len = SHA256_BYTES;
    must(EVP_Digest(bytes_of(in), in.len, out, &len, sha256, NULL) == 1, "hash");
}

void crypto_hmac_sha256(struct slice key, struct slice in, uint8_t out[SHA256_BYTES])
{
    init();
    unsigned len = SHA256_BYTES;
    must(HMAC(sha256, bytes_of(key), length_of(key), bytes_of(in), in.len, out, &len) != NULL,
         "compute an HMAC");
}

bool crypto_equal(struct slice a, struct slice b)
{
    return a.len == b.len && CRYPTO_memcmp(bytes_of(a), bytes_of(b), a.len) == 0;
}

void crypto_random(void *out, size_t bytes)
{
    assert(bytes <= INT32_MAX);
    must(RAND_bytes(out, (int)bytes) == 1, "give random bytes");
}

void crypto_uuid(char out[37])
{
    uint8_t r[16];
    crypto_random(r, sizeof r);
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < sizeof r; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            out[at++] = '-';
        }
        out[at++] = hex[r[i] >> 4];
        out[at++] = hex[r[i] & 15];
    }
    out[at] = '\0';
}

void hex_encode(struct buf *out, struct slice in)
{
    static const char hex[] = "0123456789abcdef";
    buf_reserve(out, in.len * 2);
    for (size_t i = 0; i < in.len; i++) {
        uint8_t byte = (uint8_t)in.data[i];
        out->data[out->len++] = hex[byte >> 4];
        out->data[out->len++] = hex[byte & 15];
    }
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool hex_decode(struct buf *out, struct slice in)
{
    size_t before = out->len;
    for (size_t i = 0; i + 1 < in.len; i += 2) {
        int high = hex_digit(in.data[i]);
        int low = hex_digit(in.data[i + 1]);
        if (high < 0 || low < 0) {
            out->len = before;
            return false;
        }
        buf_add_u8(out, (uint8_t)(high << 4 | low));
    }
    if (in.len % 2 != 0) {
        out->len = before;
    }
    return in.len % 2 == 0;
}

static void encode64(struct buf *out, struct slice in, const char *last_two, bool pad)
{
    static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char alphabet[64];
    memcpy(alphabet, common, 62);
    memcpy(alphabet + 62, last_two, 2);
    buf_reserve(out, (in.len + 2) / 3 * 4);
    for (size_t i = 0; i < in.len; i += 3) {
        size_t have = in.len - i < 3 ? in.len - i : 3;
        uint32_t bits = 0;
        for (size_t j = 0; j < 3; j++) {
            bits = bits << 8 | (j < have ? (uint8_t)in.data[i + j] : 0);
        }
        for (size_t j = 0; j < 4; j++) {
            if (j <= have) {
                buf_add_char(out, alphabet[bits >> (18 - 6 * j) & 63]);
            } else if (pad) {
                buf_add_char(out, '=');
            }
        }
    }
}

void base64_encode(struct buf *out, struct slice in)
{
    encode64(out, in, "+/", true);
}

void base64url_encode(struct buf *out, struct slice in)
{
    encode64(out, in, "-_", false);
}

static int digit64(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+' || c == '-' ? 62
           : c == '/' || c == '_' ? 63
                                  : -1;
}

bool base64_decode(struct buf *out, struct slice in)
{
    size_t before = out->len;
    size_t padding = 0;
    while (padding < 2 && in.len > 0 && in.data[in.len - 1] == '=') {
        in.len--;
        padding++;
    }
    if (in.len % 4 == 1 || (padding > 0 && (in.len + padding) % 4 != 0)) {
        return false;
    }
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < in.len; i++) {
        int digit = digit64(in.data[i]);
        if (digit < 0) {
            out->len = before;
            return false;
        }
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_add_u8(out, (uint8_t)(bits >> have));
            bits &= (UINT32_C(1) << have) - 1;
        }
    }
    if (bits != 0) { /* left-over bits must be zero, or two texts would mean the same bytes */
        out->len = before;
        return false;
    }
    return true;
}

void crypto_seal(const uint8_t key[32], struct slice aad, struct slice plain, struct buf *out)
{
    init();
    uint8_t nonce[NONCE_BYTES];
    crypto_random(nonce, sizeof nonce);
    buf_add(out, slice_make(nonce, sizeof nonce));
    buf_reserve(out, plain.len + TAG_BYTES);
    unsigned char *at = (unsigned char *)out->data + out->len;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0;
    must(ctx != NULL && EVP_EncryptInit_ex2(ctx, aes256gcm, key, nonce, NULL) == 1 &&
             EVP_EncryptUpdate(ctx, NULL, &len, bytes_of(aad), length_of(aad)) == 1 &&
             EVP_EncryptUpdate(ctx, at, &len, bytes_of(plain), length_of(plain)) == 1 &&
             EVP_EncryptFinal_ex(ctx, at + plain.len, &len) == 1 &&
             EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, at + plain.len) == 1,
         "encrypt");
    EVP_CIPHER_CTX_free(ctx);
    out->len += plain.len + TAG_BYTES;
}

bool crypto_open(const uint8_t key[32], struct slice aad, struct slice sealed, struct buf *plain)
{
    if (sealed.len < NONCE_BYTES + TAG_BYTES || sealed.len > INT32_MAX || aad.len > INT32_MAX) {
        return false;
    }
    init();
    size_t len = sealed.len - NONCE_BYTES - TAG_BYTES;
    struct slice text = slice_sub(sealed, NONCE_BYTES, len);
    uint8_t tag[TAG_BYTES];
    memcpy(tag, sealed.data + NONCE_BYTES + len, TAG_BYTES);
    buf_reserve(plain, len);
    unsigned char *at = (unsigned char *)plain->data + plain->len;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done = 0;
    must(ctx != NULL, "allocate");
    bool ok = EVP_DecryptInit_ex2(ctx, aes256gcm, key, bytes_of(sealed), NULL) == 1 &&
              EVP_DecryptUpdate(ctx, NULL, &done, bytes_of(aad), length_of(aad)) == 1 &&
              EVP_DecryptUpdate(ctx, at, &done, bytes_of(text), length_of(text)) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
              EVP_DecryptFinal_ex(ctx, at + len, &done) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (ok) {
        plain->len += len;
    } else {
        OPENSSL_cleanse(at, len); /* unauthenticated plaintext must not linger */
    }
    return ok;
}
