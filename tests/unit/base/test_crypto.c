/* Hashes and encodings against published vectors. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "base/crypto.h"
#include "base/crypto_internal.h"

static void assert_hex(struct slice bytes, const char *expected)
{
    struct buf hex = {0};
    hex_encode(&hex, bytes);
    assert_slice(buf_slice(&hex), expected);
    buf_free(&hex);
}

static void sha256_and_hmac_match_the_standards(void **state)
{
    (void)state;
    uint8_t out[SHA256_BYTES];
    crypto_sha256(SLICE("abc"), out);
    assert_hex(slice_make(out, sizeof out),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_sha256((struct slice){NULL, 0}, out);
    assert_hex(slice_make(out, sizeof out),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    crypto_hmac_sha256(SLICE("Jefe"), SLICE("what do ya want for nothing?"), out);
    assert_hex(slice_make(out, sizeof out), /* RFC 4231, case 2 */
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void equality_compares_all_bytes(void **state)
{
    (void)state;
    assert_true(crypto_equal(SLICE("secret"), SLICE("secret")));
    assert_false(crypto_equal(SLICE("secret"), SLICE("secreT")));
    assert_false(crypto_equal(SLICE("secret"), SLICE("secre")));
    assert_true(crypto_equal(SLICE(""), (struct slice){NULL, 0}));
}

static void uuids_have_their_form_and_differ(void **state)
{
    (void)state;
    char a[37];
    char b[37];
    crypto_uuid(a);
    crypto_uuid(b);
    assert_string_not_equal(a, b);
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        assert_true(dash ? a[i] == '-' : strchr("0123456789abcdef", a[i]) != NULL);
    }
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
    assert_int_equal(a[36], '\0');
}

static void hex_round_trips_and_refuses(void **state)
{
    (void)state;
    struct buf out = {0};
    assert_true(hex_decode(&out, SLICE("00ffA5")));
    assert_hex(buf_slice(&out), "00ffa5");
    assert_false(hex_decode(&out, SLICE("12345")));
    assert_false(hex_decode(&out, SLICE("12zz")));
    assert_int_equal(out.len, 3);
    buf_free(&out);
}

static void base64_matches_rfc4648(void **state)
{
    (void)state;
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    struct buf out = {0};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        buf_clear(&out);
        base64_encode(&out, slice_of(plain[i]));
        assert_slice(buf_slice(&out), coded[i]);
        buf_clear(&out);
        assert_true(base64_decode(&out, slice_of(coded[i])));
        assert_slice(buf_slice(&out), plain[i]);
    }
    buf_clear(&out);
    base64url_encode(&out, SLICE("\xfb\xff"));
    assert_slice(buf_slice(&out), "-_8");
    buf_clear(&out);
    assert_true(base64_decode(&out, SLICE("-_8")) && base64_decode(&out, SLICE("+/8=")));
    assert_hex(buf_slice(&out), "fbfffbff");
    static const char *const bad[] = {"Z", "Zg=", "Zg===", "Z!==", "Zh==", "=", "Zm9v=", "Zm 9v"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(base64_decode(&out, slice_of(bad[i])));
        assert_int_equal(out.len, 4);
    }
    buf_free(&out);
}

static void sealed_bytes_open_only_untouched(void **state)
{
    (void)state;
    const uint8_t key[32] = {1, 2, 3};
    const uint8_t other[32] = {1, 2, 4};
    struct buf sealed = {0};
    struct buf plain = {0};
    crypto_seal(key, SLICE("secrets/x"), SLICE("hunter2"), &sealed);
    assert_int_equal(sealed.len, 12 + 7 + 16);
    assert_true(crypto_open(key, SLICE("secrets/x"), buf_slice(&sealed), &plain));
    assert_slice(buf_slice(&plain), "hunter2");
    buf_clear(&plain);
    assert_false(crypto_open(key, SLICE("secrets/y"), buf_slice(&sealed), &plain));
    assert_false(crypto_open(other, SLICE("secrets/x"), buf_slice(&sealed), &plain));
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.data[i] ^= 0x10;
        assert_false(crypto_open(key, SLICE("secrets/x"), buf_slice(&sealed), &plain));
        sealed.data[i] ^= 0x10;
        struct slice cut = slice_sub(buf_slice(&sealed), 0, i);
        assert_false(crypto_open(key, SLICE("secrets/x"), cut, &plain));
    }
    assert_int_equal(plain.len, 0);
    buf_clear(&sealed);
    crypto_seal(key, SLICE(""), SLICE(""), &sealed);
    assert_true(crypto_open(key, SLICE(""), buf_slice(&sealed), &plain) && plain.len == 0);
    buf_free(&sealed);
    buf_free(&plain);
}

static void crc32c_matches_its_vectors_in_both_ways(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, SLICE("123456789")), 0xe3069283);
    assert_int_equal(crc32c(0, SLICE("")), 0);
    char zeros[32] = {0};
    assert_int_equal(crc32c(0, slice_make(zeros, 32)), 0x8a9136aa); /* RFC 3720, B.4 */
    char bytes[300];
    crypto_random(bytes, sizeof bytes);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct slice s = slice_make(bytes, len);
        uint32_t whole = crc32c(0, s);
        assert_int_equal(whole, crc32c__by_table(0, s));
        uint32_t first = crc32c(0, slice_sub(s, 0, len / 3));
        assert_int_equal(whole, crc32c(first, slice_sub(s, len / 3, SIZE_MAX)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_and_hmac_match_the_standards),
        cmocka_unit_test(equality_compares_all_bytes),
        cmocka_unit_test(uuids_have_their_form_and_differ),
        cmocka_unit_test(hex_round_trips_and_refuses),
        cmocka_unit_test(base64_matches_rfc4648),
        cmocka_unit_test(sealed_bytes_open_only_untouched),
        cmocka_unit_test(crc32c_matches_its_vectors_in_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
