/* fn_ip.c: IP addresses and CIDRs, as Kubernetes' rules know them.
 *
 * Texts are read as Go's netip does: no leading zeros, no zones, no IPv4 addresses in IPv6 dress.
 * An address is shown as RFC 5952 states it. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "render/cel/kubernetes.h"

enum { IP_BYTES = 16, TEXT_MAX = INET6_ADDRSTRLEN + 4, BITS_4 = 32, BITS_6 = 128 };

struct ip {
    struct cel_opaque opaque;
    bool six;
    unsigned char bytes[IP_BYTES]; /* IPv4: the first four, zeros behind them */
};

struct cidr {
    struct cel_opaque opaque;
    struct ip ip; /* as it was written: the bits of the host may be set */
    int64_t bits;
};

static bool same_ip(const struct cel_opaque *a, const struct cel_opaque *b)
{
    const struct ip *x = (const struct ip *)a;
    const struct ip *y = (const struct ip *)b;
    return x->six == y->six && memcmp(x->bytes, y->bytes, IP_BYTES) == 0;
}

static bool same_cidr(const struct cel_opaque *a, const struct cel_opaque *b)
{
    const struct cidr *x = (const struct cidr *)a;
    const struct cidr *y = (const struct cidr *)b;
    return x->bits == y->bits && same_ip(&x->ip.opaque, &y->ip.opaque);
}

static const struct cel_opaque_type ip_type = {{"net.IP", 6}, same_ip};
static const struct cel_opaque_type cidr_type = {{"net.CIDR", 8}, same_cidr};

/* ---- texts ---- */

static const char *parse_ip(struct slice text, struct ip *ip)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char copy[INET6_ADDRSTRLEN];
    *ip = (struct ip){.opaque = {&ip_type}};
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, '\0', text.len) != NULL) {
        return "it is no IP address";
    }
    (void)snprintf(copy, sizeof copy, "%.*s", SLICE_ARG(text));
    ip->six = strchr(copy, ':') != NULL;
    if (inet_pton(ip->six ? AF_INET6 : AF_INET, copy, ip->bytes) != 1) {
        return "it is no IP address";
    }
    return ip->six && memcmp(ip->bytes, mapped, sizeof mapped) == 0
               ? "an IPv4 address in an IPv6 one is not allowed"
               : NULL;
}

static const char *parse_cidr(struct slice text, struct cidr *cidr)
{
    size_t slash = slice_find(text, SLICE("/"));
    uint64_t bits = 0;
    if (slash == SIZE_MAX) {
        return "it is no CIDR: '/' is missing";
    }
    struct slice width = slice_sub(text, slash + 1, SIZE_MAX);
    const char *why = parse_ip(slice_sub(text, 0, slash), &cidr->ip);
    cidr->opaque.type = &cidr_type;
    if (why != NULL) {
        return why;
    }
    if (!slice_u64(width, &bits) || bits > (cidr->ip.six ? BITS_6 : BITS_4) ||
        (width.len > 1 && width.data[0] == '0')) {
        return "its prefix length is none";
    }
    cidr->bits = (int64_t)bits;
    return NULL;
}

/* RFC 5952: the first longest run of two zero groups or more is "::". */
static void show_six(const unsigned char *bytes, char out[TEXT_MAX])
{
    int best = -1;
    int best_len = 1;
    size_t used = 0;
    for (int i = 0; i < 8; i++) {
        int len = 0;
        while (i + len < 8 && bytes[2 * (i + len)] == 0 && bytes[2 * (i + len) + 1] == 0) {
            len++;
        }
        if (len > best_len) {
            best = i;
            best_len = len;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            used += (size_t)snprintf(out + used, TEXT_MAX - used, "::");
            i += best_len - 1;
        } else {
            bool colon = i > 0 && i != best + best_len;
            used += (size_t)snprintf(out + used, TEXT_MAX - used, "%s%x", colon ? ":" : "",
                                     (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1]);
        }
    }
}

static void show_ip(const struct ip *ip, char out[TEXT_MAX])
{
    if (ip->six) {
        show_six(ip->bytes, out);
    } else {
        (void)inet_ntop(AF_INET, ip->bytes, out, TEXT_MAX);
    }
}

CEL_FN(cel_fn_ip_string)
{
    char text[TEXT_MAX];
    if (cel_is_opaque(args[0], &ip_type)) {
        show_ip((const struct ip *)args[0].as.opaque, text);
        *out = cel_string(slice_of(arena_printf(ctx->arena, "%s", text)));
        return true;
    }
    if (cel_is_opaque(args[0], &cidr_type)) {
        const struct cidr *cidr = (const struct cidr *)args[0].as.opaque;
        show_ip(&cidr->ip, text);
        *out =
            cel_string(slice_of(arena_printf(ctx->arena, "%s/%lld", text, (long long)cidr->bits)));
        return true;
    }
    return cel_fn_string(ctx, args, count, out);
}

/* ---- addresses ---- */

CEL_FN(cel_fn_ip)
{
    if (cel_is_opaque(args[0], &cidr_type)) {
        *out = cel_opaque(&((const struct cidr *)args[0].as.opaque)->ip.opaque);
        return true;
    }
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "ip", args, count);
    }
    if (!cel_charge_bytes(ctx, args[0].as.text.len)) {
        return false;
    }
    struct ip *ip = ARENA_NEW(ctx->arena, struct ip);
    const char *why = parse_ip(args[0].as.text, ip);
    *out = cel_opaque(&ip->opaque);
    return why == NULL ||
           cel_fail(ctx, "ip(\"%.*s\"): %s", SLICE_ARG(slice_sub(args[0].as.text, 0, 100)), why);
}

CEL_FN(cel_fn_is_ip)
{
    struct ip ip;
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "isIP", args, count);
    }
    if (!cel_charge_bytes(ctx, args[0].as.text.len)) {
        return false;
    }
    *out = cel_bool(parse_ip(args[0].as.text, &ip) == NULL);
    return true;
}

CEL_FN(cel_fn_ip_is_canonical)
{
    struct ip ip;
    char text[TEXT_MAX];
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "ip.isCanonical", args, count);
    }
    if (!cel_charge_bytes(ctx, args[0].as.text.len)) {
        return false;
    }
    const char *why = parse_ip(args[0].as.text, &ip);
    if (why != NULL) {
        return cel_fail(ctx, "ip.isCanonical(\"%.*s\"): %s",
                        SLICE_ARG(slice_sub(args[0].as.text, 0, 100)), why);
    }
    show_ip(&ip, text);
    *out = cel_bool(slice_eq_cstr(args[0].as.text, text));
    return true;
}

static const struct ip *ip_of(struct cel_ctx *ctx, const char *name, const struct cel_value *args)
{
    if (!cel_is_opaque(args[0], &ip_type)) {
        cel_no_overload(ctx, name, args, 1);
        return NULL;
    }
    return (const struct ip *)args[0].as.opaque;
}

CEL_FN(cel_fn_ip_family)
{
    const struct ip *ip = ip_of(ctx, "family", args);
    (void)count;
    *out = cel_int(ip != NULL && ip->six ? 6 : 4);
    return ip != NULL;
}

static bool is_unspecified(const struct ip *ip)
{
    static const unsigned char zeros[IP_BYTES];
    return memcmp(ip->bytes, zeros, IP_BYTES) == 0;
}

static bool is_loopback(const struct ip *ip)
{
    static const unsigned char one[IP_BYTES] = {[IP_BYTES - 1] = 1};
    return ip->six ? memcmp(ip->bytes, one, IP_BYTES) == 0 : ip->bytes[0] == 127;
}

static bool is_multicast(const struct ip *ip)
{
    return ip->six ? ip->bytes[0] == 0xff : (ip->bytes[0] & 0xf0) == 0xe0;
}

static bool is_link_local_multicast(const struct ip *ip)
{
    return ip->six ? ip->bytes[0] == 0xff && (ip->bytes[1] & 0x0f) == 2
                   : ip->bytes[0] == 224 && ip->bytes[1] == 0 && ip->bytes[2] == 0;
}

static bool is_link_local_unicast(const struct ip *ip)
{
    return ip->six ? ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80
                   : ip->bytes[0] == 169 && ip->bytes[1] == 254;
}

static bool is_global_unicast(const struct ip *ip)
{
    bool broadcast = !ip->six && memcmp(ip->bytes, "\xff\xff\xff\xff", 4) == 0;
    return !broadcast && !is_unspecified(ip) && !is_loopback(ip) && !is_multicast(ip) &&
           !is_link_local_unicast(ip);
}

static bool answer(struct cel_ctx *ctx, const char *name, const struct cel_value *args,
                   bool (*test)(const struct ip *ip), struct cel_value *out)
{
    const struct ip *ip = ip_of(ctx, name, args);
    *out = cel_bool(ip != NULL && test(ip));
    return ip != NULL;
}

CEL_FN(cel_fn_ip_is_unspecified)
{
    (void)count;
    return answer(ctx, "isUnspecified", args, is_unspecified, out);
}

CEL_FN(cel_fn_ip_is_loopback)
{
    (void)count;
    return answer(ctx, "isLoopback", args, is_loopback, out);
}

CEL_FN(cel_fn_ip_is_link_local_multicast)
{
    (void)count;
    return answer(ctx, "isLinkLocalMulticast", args, is_link_local_multicast, out);
}

CEL_FN(cel_fn_ip_is_link_local_unicast)
{
    (void)count;
    return answer(ctx, "isLinkLocalUnicast", args, is_link_local_unicast, out);
}

CEL_FN(cel_fn_ip_is_global_unicast)
{
    (void)count;
    return answer(ctx, "isGlobalUnicast", args, is_global_unicast, out);
}

/* ---- CIDRs ---- */

CEL_FN(cel_fn_cidr)
{
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "cidr", args, count);
    }
    if (!cel_charge_bytes(ctx, args[0].as.text.len)) {
        return false;
    }
    struct cidr *cidr = ARENA_NEW(ctx->arena, struct cidr);
    const char *why = parse_cidr(args[0].as.text, cidr);
    *out = cel_opaque(&cidr->opaque);
    return why == NULL ||
           cel_fail(ctx, "cidr(\"%.*s\"): %s", SLICE_ARG(slice_sub(args[0].as.text, 0, 100)), why);
}

CEL_FN(cel_fn_is_cidr)
{
    struct cidr cidr;
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "isCIDR", args, count);
    }
    if (!cel_charge_bytes(ctx, args[0].as.text.len)) {
        return false;
    }
    *out = cel_bool(parse_cidr(args[0].as.text, &cidr) == NULL);
    return true;
}

static void mask(struct ip *ip, int64_t bits)
{
    for (int i = 0; i < IP_BYTES; i++) {
        int64_t left = bits - 8 * i;
        unsigned kept = left >= 8 ? 0xff : left <= 0 ? 0 : 0xff00U >> left;
        ip->bytes[i] = (unsigned char)(ip->bytes[i] & kept);
    }
}

/* Whether the first bits of both are the same. */
static bool covers(const struct cidr *cidr, const struct ip *ip)
{
    struct ip network = cidr->ip;
    struct ip theirs = *ip;
    mask(&network, cidr->bits);
    mask(&theirs, cidr->bits);
    return same_ip(&network.opaque, &theirs.opaque);
}

CEL_FN(cel_fn_cidr_contains_ip)
{
    struct cel_value ip = args[1];
    if (!cel_is_opaque(args[0], &cidr_type) ||
        (ip.type != CEL_STRING && !cel_is_opaque(ip, &ip_type))) {
        return cel_no_overload(ctx, "containsIP", args, count);
    }
    if (ip.type == CEL_STRING && !cel_fn_ip(ctx, &args[1], 1, &ip)) {
        return false;
    }
    *out =
        cel_bool(covers((const struct cidr *)args[0].as.opaque, (const struct ip *)ip.as.opaque));
    return true;
}

CEL_FN(cel_fn_cidr_contains_cidr)
{
    struct cel_value inner = args[1];
    if (!cel_is_opaque(args[0], &cidr_type) ||
        (inner.type != CEL_STRING && !cel_is_opaque(inner, &cidr_type))) {
        return cel_no_overload(ctx, "containsCIDR", args, count);
    }
    if (inner.type == CEL_STRING && !cel_fn_cidr(ctx, &args[1], 1, &inner)) {
        return false;
    }
    const struct cidr *outer = (const struct cidr *)args[0].as.opaque;
    const struct cidr *theirs = (const struct cidr *)inner.as.opaque;
    *out = cel_bool(outer->bits <= theirs->bits && covers(outer, &theirs->ip));
    return true;
}

CEL_FN(cel_fn_cidr_masked)
{
    if (!cel_is_opaque(args[0], &cidr_type)) {
        return cel_no_overload(ctx, "masked", args, count);
    }
    struct cidr *cidr = ARENA_NEW(ctx->arena, struct cidr);
    *cidr = *(const struct cidr *)args[0].as.opaque;
    mask(&cidr->ip, cidr->bits);
    *out = cel_opaque(&cidr->opaque);
    return true;
}

CEL_FN(cel_fn_cidr_prefix_length)
{
    if (!cel_is_opaque(args[0], &cidr_type)) {
        return cel_no_overload(ctx, "prefixLength", args, count);
    }
    *out = cel_int(((const struct cidr *)args[0].as.opaque)->bits);
    return true;
}
