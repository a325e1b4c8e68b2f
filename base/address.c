/* address.c: a table of networks for each family; IPv4 inside IPv6 is taken out and looked at. */
#include "base/address.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

struct net4 {
    uint32_t net;
    unsigned bits;
};

static const struct net4 local4[] = {
    {0x00000000, 8},  /* this network: 0.0.0.0 reaches this machine */
    {0x7f000000, 8},  /* loopback */
    {0xa9fe0000, 16}, /* link-local: metadata services of most clouds */
    {0x64646400, 24}, /* Alibaba's metadata service is 100.100.100.200 */
    {0xc0000000, 24}, /* Oracle's metadata service is 192.0.0.192 */
    {0xe0000000, 4},  /* multicast */
    {0xf0000000, 4},  /* reserved, broadcast */
};

static bool is_local4(uint32_t address)
{
    for (size_t i = 0; i < sizeof(local4) / sizeof(local4[0]); i++) {
        if ((address ^ local4[i].net) >> (32 - local4[i].bits) == 0) {
            return true;
        }
    }
    return false;
}

static uint32_t word(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_local6(const uint8_t a[16])
{
    static const uint8_t zero[16];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    static const uint8_t metadata[16] = {0xfd, 0x00, 0x0e, 0xc2, [15] = 0xfe}; /* fd00:ec2::254 */
    if (memcmp(a, zero, 12) == 0) { /* ::, ::1, and IPv4-compatible */
        return word(a + 12) <= 1 || is_local4(word(a + 12));
    }
    if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0) {
        return is_local4(word(a + 12));
    }
    if (a[0] == 0x20 && a[1] == 0x02) { /* 6to4 */
        return is_local4(word(a + 2));
    }
    bool link = a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
    bool site = a[0] == 0xfe && (a[1] & 0xc0) == 0xc0;
    bool metadata_net = memcmp(a, metadata, 8) == 0;
    return link || site || a[0] == 0xff || metadata_net;
}

bool address_is_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        return is_local4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        return is_local6(in6.sin6_addr.s6_addr);
    }
    return true; /* no other family is anybody's server */
}
