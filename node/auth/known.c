/* known.c: a direct-mapped table per thread.
 *
 * Entries hold their strings themselves, so that a thread that ends leaves nothing behind. What is
 * not found is verified again, so losing an entry costs time, never correctness.
 * Invariant: an entry in use was filled after its token's signature had verified. */
#include "node/auth/known.h"

#include <string.h>

enum { KNOWN_ENTRIES = 64, KNOWN_TEXT_BYTES = 512 };

struct entry {
    bool used;
    uint8_t digest[SHA256_BYTES];
    struct known_times times;
    uint16_t lengths[1 + SUBJECT_GROUPS_MAX]; /* of the user and the groups, which stand in text */
    uint16_t group_count;
    char text[KNOWN_TEXT_BYTES];
};

static _Thread_local struct entry entries[KNOWN_ENTRIES];

static struct entry *entry_of(const uint8_t digest[SHA256_BYTES])
{
    return &entries[digest[0] % KNOWN_ENTRIES];
}

bool known_find(const uint8_t digest[SHA256_BYTES], struct arena *arena, struct subject *subject,
                struct known_times *times)
{
    const struct entry *e = entry_of(digest);
    if (!e->used || memcmp(e->digest, digest, SHA256_BYTES) != 0) {
        return false;
    }
    const char *at = e->text;
    *times = e->times;
    *subject = (struct subject){.user = arena_copy(arena, slice_make(at, e->lengths[0]))};
    at += e->lengths[0];
    for (size_t i = 0; i < e->group_count; i++) {
        size_t len = e->lengths[i + 1];
        (void)subject_add_group(subject,
                                arena_copy(arena, slice_make(at, len))); /* there is room */
        at += len;
    }
    return true;
}

void known_keep(const uint8_t digest[SHA256_BYTES], const struct subject *subject,
                const struct known_times *times)
{
    struct entry *e = entry_of(digest);
    size_t total = subject->user.len;
    for (size_t i = 0; i < subject->group_count; i++) {
        total += subject->groups[i].len;
    }
    if (total > KNOWN_TEXT_BYTES) {
        return;
    }
    char *at = e->text;
    memcpy(at, subject->user.data, subject->user.len);
    at += subject->user.len;
    e->lengths[0] = (uint16_t)subject->user.len;
    for (size_t i = 0; i < subject->group_count; i++) {
        struct slice group = subject->groups[i];
        if (group.len != 0) {
            memcpy(at, group.data, group.len);
        }
        at += group.len;
        e->lengths[i + 1] = (uint16_t)group.len;
    }
    e->group_count = (uint16_t)subject->group_count;
    e->times = *times;
    memcpy(e->digest, digest, SHA256_BYTES);
    e->used = true;
}
