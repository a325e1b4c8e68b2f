/* docs.c: OpenAPI documents, made once per set of kinds.
 *
 * Two loops may make the same document at the same time; the first to publish it wins and the other
 * throws its copy away, which costs a few milliseconds once and needs no lock. */
#include "node/api/docs.h"

#include <stdlib.h>

#include "base/crypto.h"
#include "base/list.h"
#include "node/api/api.h"
#include "node/api/openapi_v2.h"
#include "proto/openapi.h"

static void text_free(struct docs_text *text)
{
    if (text != NULL) {
        buf_free(&text->bytes);
        free(text);
    }
}

static void release(struct shared_value *value)
{
    struct api_docs *d = CONTAINER_OF(value, struct api_docs, shared);
    text_free(atomic_load(&d->v3_index));
    text_free(atomic_load(&d->v2_json));
    text_free(atomic_load(&d->v2_proto));
    for (size_t i = 0; i < d->v3_count; i++) {
        text_free(atomic_load(&d->v3[i].text));
    }
    kind_set_unref(d->set);
    free(d->v3);
    free(d);
}

static bool is_known(const struct api_docs *d, const struct kind *kind)
{
    for (size_t i = 0; i < d->v3_count; i++) {
        if (slice_eq(d->v3[i].group, kind->group) && slice_eq(d->v3[i].version, kind->version)) {
            return true;
        }
    }
    return false;
}

struct api_docs *docs_new(const struct kind_set *set)
{
    struct api_docs *d = mem_zero(sizeof(*d));
    const struct kind_registry *kinds = &set->registry;
    shared_value_init(&d->shared, release);
    d->set = kind_set_ref(set);
    d->v3 = mem_zero((kind_registry_count(kinds) + 1) * sizeof(*d->v3));
    for (size_t i = 0; i < kind_registry_count(kinds); i++) {
        const struct kind *kind = kind_registry_at(kinds, i);
        if (!is_known(d, kind)) {
            d->v3[d->v3_count].group = kind->group;
            d->v3[d->v3_count].version = kind->version;
            d->v3_count++;
        }
    }
    return d;
}

static void give_back(void *docs)
{
    struct api_docs *d = docs;
    shared_value_unref(&d->shared);
}

struct api_docs *docs_use(struct api *api, struct arena *arena)
{
    const struct kind_set *set = kind_board_get(api->config.kinds);
    struct api_docs *d = CONTAINER_OF(shared_get(&api->docs), struct api_docs, shared);
    if (d->set != set) {
        shared_value_unref(&d->shared);
        d = docs_new(set);
        shared_set(&api->docs, shared_value_ref(&d->shared));
    }
    kind_set_unref(set);
    arena_own(arena, d, give_back);
    return d;
}

/* Takes made's bytes. */
static const struct docs_text *publish(_Atomic(struct docs_text *) *at, struct buf *made)
{
    struct docs_text *text = mem_zero(sizeof(*text));
    uint8_t hash[SHA256_BYTES];
    struct buf hex = {0};
    text->bytes = *made;
    crypto_sha256(buf_slice(made), hash);
    buf_add_char(&hex, '"');
    hex_encode(&hex, slice_make(hash, sizeof(hash)));
    buf_add_char(&hex, '"');
    (void)snprintf(text->etag, sizeof(text->etag), "%s", buf_cstr(&hex));
    buf_free(&hex);
    struct docs_text *nobody = NULL;
    if (!atomic_compare_exchange_strong(at, &nobody, text)) {
        text_free(text);
        return nobody;
    }
    return text;
}

const struct docs_text *docs_v3_index(struct api_docs *d)
{
    struct docs_text *have = atomic_load(&d->v3_index);
    if (have != NULL) {
        return have;
    }
    struct buf text = {0};
    openapi_v3_index(&d->set->registry, &text);
    return publish(&d->v3_index, &text);
}

const struct docs_text *docs_v3(struct api_docs *d, struct slice group, struct slice version)
{
    for (size_t i = 0; i < d->v3_count; i++) {
        if (!slice_eq(d->v3[i].group, group) || !slice_eq(d->v3[i].version, version)) {
            continue;
        }
        struct docs_text *have = atomic_load(&d->v3[i].text);
        if (have != NULL) {
            return have;
        }
        struct buf text = {0};
        struct err ignored = {0};
        if (openapi_v3(&d->set->registry, group, version, &text, &ignored) != 0) {
            buf_free(&text);
            return NULL;
        }
        return publish(&d->v3[i].text, &text);
    }
    return NULL;
}

const struct docs_text *docs_v2_json(struct api_docs *d)
{
    struct docs_text *have = atomic_load(&d->v2_json);
    if (have != NULL) {
        return have;
    }
    struct buf text = {0};
    openapi_v2(&d->set->registry, &text);
    return publish(&d->v2_json, &text);
}

const struct docs_text *docs_v2_proto(struct api_docs *d)
{
    struct docs_text *have = atomic_load(&d->v2_proto);
    if (have != NULL) {
        return have;
    }
    struct buf text = {0};
    openapi_v2_encode(buf_slice(&docs_v2_json(d)->bytes), &text);
    return publish(&d->v2_proto, &text);
}
