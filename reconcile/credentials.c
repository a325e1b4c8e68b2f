/* credentials.c: letters and digits alone, which need no quoting in addresses, configuration files
 * and shells; 62 of them in 32 places are 190 bits. */
#include "reconcile/credentials.h"

#include <string.h>

#include "base/crypto.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

enum { LETTERS = sizeof letters - 1, LENGTH_MAX = 128 };

/* Bytes beyond the last whole round of letters would make the first of them likelier. */
static void fill(char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        uint8_t random[64];
        crypto_random(random, sizeof random);
        for (size_t i = 0; i < sizeof random && at < length; i++) {
            if (random[i] < 256 / LETTERS * LETTERS) {
                text[at++] = letters[random[i] % LETTERS];
            }
        }
        explicit_bzero(random, sizeof random);
    }
}

void credentials_make(json_t *secret, const json_t *wanted)
{
    json_t *data = json_child(secret, "data");
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const json_t *one = json_array_get(wanted, i);
        struct slice name = json_text_at(one, "name");
        const json_t *given = json_object_get(one, "length");
        json_int_t length = json_is_integer(given) ? json_integer_value(given) : CREDENTIAL_LENGTH;
        char text[LENGTH_MAX];
        struct buf encoded = {0};
        length = length < 1 || length > LENGTH_MAX ? CREDENTIAL_LENGTH : length;
        if (name.len == 0 || json_object_getn(data, name.data, name.len) != NULL) {
            continue;
        }
        fill(text, (size_t)length);
        base64_encode(&encoded, slice_make(text, (size_t)length));
        json_object_setn_new(data, name.data, name.len, json_str(buf_slice(&encoded)));
        explicit_bzero(text, sizeof text);
        explicit_bzero(encoded.data, encoded.len);
        buf_free(&encoded);
    }
}
