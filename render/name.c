/* name.c: OpenChoreo's naming algorithm.
 *
 * The shown part is cut and cleaned, the hash is over what was given, so two inputs that clean or
 * cut to the same text still get two names. The hash is lowercase hex, hence a name always ends
 * alphanumerically; its start is trimmed. Where upstream keeps letters of any script (and so makes
 * names that Kubernetes refuses), each byte outside ASCII becomes '-' here. */
#include "render/name.h"

#include <string.h>

#include "base/crypto.h"

enum { HASH_HEX = 8 };

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Lowercases and cleans one part. */
static struct slice sanitize(struct arena *arena, struct slice part)
{
    char *text = arena_alloc(arena, part.len + 1);
    for (size_t i = 0; i < part.len; i++) {
        char c = part.data[i];
        if (c >= 'A' && c <= 'Z') {
            c = (char)(c - 'A' + 'a');
        }
        text[i] = is_alnum(c) || c == '.' ? c : '-';
    }
    size_t from = 0;
    size_t to = part.len;
    while (from < to && !is_alnum(text[from])) {
        from++;
    }
    while (to > from && !is_alnum(text[to - 1])) {
        to--;
    }
    return slice_make(text + from, to - from);
}

static void add_hash(struct buf *out, const struct slice *parts, size_t count, struct slice extra)
{
    struct buf full = {0};
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buf_add_char(&full, '-');
        }
        buf_add(&full, parts[i]);
    }
    if (extra.len > 0) {
        buf_add_char(&full, '-');
        buf_add(&full, extra);
    }
    uint8_t digest[SHA256_BYTES];
    crypto_sha256(buf_slice(&full), digest);
    hex_encode(out, slice_make(digest, HASH_HEX / 2));
    buf_free(&full);
}

struct slice name_join_extra(struct arena *arena, size_t limit, const struct slice *parts,
                             size_t count, struct slice extra)
{
    size_t overhead = HASH_HEX + count;
    size_t room = limit > overhead && count > 0 ? limit - overhead : 0;
    struct buf name = {0};
    for (size_t i = 0; i < count && room > 0; i++) {
        size_t share = room / count + (i < room % count ? 1 : 0);
        buf_add(&name, slice_sub(sanitize(arena, parts[i]), 0, share));
        buf_add_char(&name, '-');
    }
    add_hash(&name, parts, count, extra);
    size_t from = 0;
    while (!is_alnum(name.data[from])) {
        from++;
    }
    struct slice result = arena_copy(arena, slice_sub(buf_slice(&name), from, name.len - from));
    buf_free(&name);
    return result;
}

struct slice name_join(struct arena *arena, size_t limit, const struct slice *parts, size_t count)
{
    return name_join_extra(arena, limit, parts, count, SLICE(""));
}

struct slice name_cell(struct arena *arena, struct slice ns, struct slice project,
                       struct slice environment)
{
    const struct slice parts[] = {SLICE("dp"), ns, project, environment};
    return name_join(arena, NAME_LABEL_MAX, parts, sizeof parts / sizeof *parts);
}

struct slice name_component(struct arena *arena, struct slice component, struct slice environment)
{
    const struct slice parts[] = {component, environment};
    return name_join(arena, NAME_SUBDOMAIN_MAX, parts, sizeof parts / sizeof *parts);
}

struct slice name_short(struct arena *arena, struct slice name)
{
    enum { CUT_MAX = 50, TAIL = HASH_HEX + 1 };
    if (name.len <= NAME_SHORT_MAX) {
        return name;
    }
    return slice_of(arena_printf(arena, "%.*s%.*s", SLICE_ARG(slice_sub(name, 0, CUT_MAX - TAIL)),
                                 SLICE_ARG(slice_sub(name, name.len - TAIL, TAIL))));
}

struct slice name_hash(struct arena *arena, struct slice text)
{
    uint32_t hash = 0x811c9dc5U;
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (uint8_t)text.data[i]) * 0x01000193U;
    }
    return slice_of(arena_printf(arena, "%08x", hash));
}
