/* map.c: open addressing with linear probing.
 *
 * Happy path: a key's place is its hash; probing goes on to the next slot. Removal leaves a
 * tombstone, so that probing finds what lies behind it; growing drops them. At most three quarters
 * of the slots are taken or tombstones, so probing ends. The hash is SipHash-1-3 with a secret
 * key: names come from clients, who must not be able to turn a map into a list. */
#include "base/map.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

struct map_slot {
    char *key; /* owned; NULL if empty, TOMBSTONE if removed */
    size_t len;
    uint64_t hash;
    void *value;
};

static char tombstone;
#define TOMBSTONE (&tombstone)

static uint64_t hash_key[2];
static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;

static void choose_key(void)
{
    if (hash_key[0] == 0 && hash_key[1] == 0) {
        crypto_random(hash_key, sizeof hash_key);
    }
}

void map_fix_order(uint64_t key)
{
    hash_key[0] = key | 1;
    hash_key[1] = ~key;
    (void)pthread_once(&hash_key_once, choose_key);
}

static uint64_t rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

static uint64_t sip_hash(struct slice s)
{
    (void)pthread_once(&hash_key_once, choose_key);
    uint64_t v[4] = {hash_key[0] ^ 0x736f6d6570736575, hash_key[1] ^ 0x646f72616e646f6d,
                     hash_key[0] ^ 0x6c7967656e657261, hash_key[1] ^ 0x7465646279746573};
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t word;
        memcpy(&word, s.data + i, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)s.len << 56;
    for (size_t shift = 0; i < s.len; i++, shift += 8) {
        last |= (uint64_t)(uint8_t)s.data[i] << shift;
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool is_live(const struct map_slot *slot)
{
    return slot->key != NULL && slot->key != TOMBSTONE;
}

static struct map_slot *find(const struct map *m, struct slice key, uint64_t hash)
{
    if (m->cap == 0) {
        return NULL;
    }
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *slot = &m->slots[i];
        if (slot->key == NULL) {
            return NULL;
        }
        if (is_live(slot) && slot->hash == hash &&
            slice_eq(slice_make(slot->key, slot->len), key)) {
            return slot;
        }
    }
}

static struct map_slot *first_free(const struct map *m, uint64_t hash)
{
    size_t i = hash & (m->cap - 1);
    while (is_live(&m->slots[i])) {
        i = (i + 1) & (m->cap - 1);
    }
    return &m->slots[i];
}

/* Makes room for one more: doubles when live keys need it, else only sweeps the tombstones. */
static void make_room(struct map *m)
{
    if (m->cap > 0 && (m->count + m->gone + 1) * 4 <= m->cap * 3) {
        return;
    }
    size_t cap = m->cap > 0 ? m->cap : 8;
    while ((m->count + 1) * 2 > cap) {
        cap *= 2;
    }
    struct map grown = {
        .slots = mem_zero(cap * sizeof *grown.slots), .cap = cap, .count = m->count};
    for (size_t i = 0; i < m->cap; i++) {
        if (is_live(&m->slots[i])) {
            *first_free(&grown, m->slots[i].hash) = m->slots[i];
        }
    }
    free(m->slots);
    *m = grown;
}

void map_free(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++) {
        if (is_live(&m->slots[i])) {
            free(m->slots[i].key);
        }
    }
    free(m->slots);
    *m = (struct map){0};
}

void *map_get(const struct map *m, struct slice key)
{
    if (m->count == 0) {
        return NULL;
    }
    struct map_slot *slot = find(m, key, sip_hash(key));
    return slot != NULL ? slot->value : NULL;
}

void *map_put(struct map *m, struct slice key, void *value)
{
    assert(value != NULL);
    uint64_t hash = sip_hash(key);
    struct map_slot *slot = find(m, key, hash);
    if (slot != NULL) {
        void *before = slot->value;
        slot->value = value;
        return before;
    }
    make_room(m);
    slot = first_free(m, hash);
    if (slot->key == TOMBSTONE) {
        m->gone--;
    }
    *slot = (struct map_slot){.key = slice_dup(key), .len = key.len, .hash = hash, .value = value};
    m->count++;
    return NULL;
}

void *map_remove(struct map *m, struct slice key)
{
    struct map_slot *slot = m->count > 0 ? find(m, key, sip_hash(key)) : NULL;
    if (slot == NULL) {
        return NULL;
    }
    void *value = slot->value;
    free(slot->key); /* key may have pointed to it: not used from here on */
    *slot = (struct map_slot){.key = TOMBSTONE};
    m->count--;
    m->gone++;
    return value;
}

bool map_next(const struct map *m, size_t *cursor, struct slice *key, void **value)
{
    for (size_t i = *cursor; i < m->cap; i++) {
        if (is_live(&m->slots[i])) {
            *key = slice_make(m->slots[i].key, m->slots[i].len);
            *value = m->slots[i].value;
            *cursor = i + 1;
            return true;
        }
    }
    *cursor = m->cap;
    return false;
}
