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
    bool bound;
    uint16_t lengths[2 + SUBJECT_GROUPS_MAX]; /* of the texts that follow each other in text */
    uint16_t group_count;
    char text[KNOWN_TEXT_BYTES];
};

static _Thread_local struct entry entries[KNOWN_ENTRIES];

static struct entry *entry_of(const uint8_t digest[SHA256_BYTES])
{
    return &entries[digest[0] % KNOWN_ENTRIES];
}

static struct slice take(const char **at, size_t len, struct arena *arena)
{
    struct slice text = arena_copy(arena, slice_make(*at, len));
    *at += len;
    return text;
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
    *subject = (struct subject){.bound = e->bound};
    subject->user = take(&at, e->lengths[0], arena);
    subject->uid = take(&at, e->lengths[1], arena);
    for (size_t i = 0; i < e->group_count; i++) {
        (void)subject_add_group(subject, take(&at, e->lengths[i + 2], arena)); /* there is room */
    }
    return true;
}

static void put(char **at, uint16_t *len, struct slice text)
{
    if (text.len != 0) {
        memcpy(*at, text.data, text.len);
    }
    *at += text.len;
    *len = (uint16_t)text.len;
}

void known_keep(const uint8_t digest[SHA256_BYTES], const struct subject *subject,
                const struct known_times *times)
{
    struct entry *e = entry_of(digest);
    size_t total = subject->user.len + subject->uid.len;
    for (size_t i = 0; i < subject->group_count; i++) {
        total += subject->groups[i].len;
    }
    if (total > KNOWN_TEXT_BYTES) {
        return;
    }
    char *at = e->text;
    put(&at, &e->lengths[0], subject->user);
    put(&at, &e->lengths[1], subject->uid);
    for (size_t i = 0; i < subject->group_count; i++) {
        put(&at, &e->lengths[i + 2], subject->groups[i]);
    }
    e->bound = subject->bound;
    e->group_count = (uint16_t)subject->group_count;
    e->times = *times;
    memcpy(e->digest, digest, SHA256_BYTES);
    e->used = true;
}
