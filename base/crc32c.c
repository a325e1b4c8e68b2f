/* crc32c.c: the Castagnoli checksum of the log and of frames (declared in crypto.h).
 *
 * Where the CPU has SSE4.2 its instruction does eight bytes at a time; elsewhere a table does one.
 * Both give the same numbers; the choice is made once. */
#include "base/crypto.h"
#include "base/crypto_internal.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[256];

static uint32_t by_table(uint32_t crc, const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc = table[(crc ^ p[i]) & 0xff] ^ crc >> 8;
    }
    return crc;
}

static uint32_t (*update)(uint32_t crc, const unsigned char *p, size_t len) = by_table;

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc,
                                                                 const unsigned char *p, size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; len > 0; len--, p++) {
        crc = __builtin_ia32_crc32qi(crc, *p);
    }
    return crc;
}
#endif

static void choose(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
        }
        table[i] = crc;
    }
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        update = by_instruction;
    }
#endif
}

uint32_t crc32c(uint32_t seed, struct slice in)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, choose);
    return ~update(~seed, (const unsigned char *)in.data, in.len);
}

uint32_t crc32c__by_table(uint32_t seed, struct slice in)
{
    (void)crc32c(0, SLICE("")); /* fills the table */
    return ~by_table(~seed, (const unsigned char *)in.data, in.len);
}
