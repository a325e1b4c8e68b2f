/* address.c: a table of networks for each family, and what this machine is called on each of its
 * own; IPv4 inside IPv6 is taken out and looked at. */
#include "base/address.h"

#include <ifaddrs.h>
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
    {0xa83f8110, 32}, /* Azure's is 168.63.129.16, too */
    {0xe0000000, 4},  /* multicast */
    {0xf0000000, 4},  /* reserved, broadcast */
};

static uint32_t word(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One of this machine's, as 4 or 16 bytes. Asked anew each time: addresses come and go. If they
 * cannot be told, it is not known to be one. */
static bool is_own(sa_family_t family, const uint8_t *bytes)
{
    struct ifaddrs *all;
    bool own = false;
    if (getifaddrs(&all) != 0) {
        return false;
    }
    for (const struct ifaddrs *i = all; i != NULL && !own; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != family) {
            continue;
        }
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        if (family == AF_INET) {
            memcpy(&in, i->ifa_addr, sizeof(in));
            own = memcmp(&in.sin_addr, bytes, sizeof(in.sin_addr)) == 0;
        } else {
            memcpy(&in6, i->ifa_addr, sizeof(in6));
            own = memcmp(&in6.sin6_addr, bytes, sizeof(in6.sin6_addr)) == 0;
        }
    }
    freeifaddrs(all);
    return own;
}

static bool is_local4(const uint8_t bytes[4])
{
    uint32_t address = word(bytes);
    for (size_t i = 0; i < sizeof(local4) / sizeof(local4[0]); i++) {
        if ((address ^ local4[i].net) >> (32 - local4[i].bits) == 0) {
            return true;
        }
    }
    return is_own(AF_INET, bytes);
}

static bool is_local6(const uint8_t a[16])
{
    static const uint8_t zero[16];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    static const uint8_t local_nat64[6] = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01};
    static const uint8_t aws[16] = {0xfd, 0x00, 0x0e, 0xc2, [15] = 0xfe}; /* fd00:ec2::254 */
    static const uint8_t google[8] = {0xfd, 0x20, 0x00, 0xce};            /* fd20:ce::254 */
    if (memcmp(a, zero, 12) == 0) { /* ::, ::1, and IPv4-compatible */
        return word(a + 12) <= 1 || is_local4(a + 12);
    }
    if (memcmp(a, mapped, sizeof(mapped)) == 0 || memcmp(a, nat64, sizeof(nat64)) == 0 ||
        memcmp(a, local_nat64, sizeof(local_nat64)) == 0) {
        return is_local4(a + 12);
    }
    if (a[0] == 0x20 && a[1] == 0x02) { /* 6to4 */
        return is_local4(a + 2);
    }
    bool link = a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
    bool site = a[0] == 0xfe && (a[1] & 0xc0) == 0xc0;
    bool metadata = memcmp(a, aws, 8) == 0 || memcmp(a, google, sizeof(google)) == 0;
    return link || site || a[0] == 0xff || metadata || is_own(AF_INET6, a);
}

bool address_is_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        return is_local4((const uint8_t *)&in.sin_addr);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        return is_local6(in6.sin6_addr.s6_addr);
    }
    return true; /* no other family is anybody's server */
}
