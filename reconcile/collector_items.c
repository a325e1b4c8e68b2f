/* collector_items.c: whom to look at, now or again later, and shards that do not answer.
 *
 *   added --> ready --> busy (a job has it) --> done: forgotten
 *               ^         |
 *               +- later <+ it could not be dealt with: again after a while, ever longer
 *
 * Failure path: while the shard of an owner has no leader, one request at a time asks after it, and
 * those who need it wait at once, so that others have the jobs; when it answers, all who wait are
 * looked at. Where too many wait, they are forgotten, and the shard's index is gone through again.
 * Who is refused too often is given up until it changes.
 * Invariants: an object is one item at most; what is ready or busy is bounded by collector__room(),
 * what waits by COLLECTOR_LATER_MAX, and neither takes the other's place. */
#include "reconcile/collector_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"

enum { RETRY_MIN_MS = 50, RETRY_MAX_MS = 10 * 1000, REFUSALS_MAX = 30 };

/* ---- keys ---- */

void collector__key_set(struct collector_key *k, const struct backend_key *key)
{
    struct buf text = {0};
    buf_addf(&text, "%.*s/%.*s/%.*s", SLICE_ARG(key->resource), SLICE_ARG(key->ns),
             SLICE_ARG(key->name));
    size_t resource = key->resource.len;
    size_t ns = key->ns.len;
    size_t name = key->name.len;
    free(k->text); /* key may point into it */
    k->text = buf_take(&text);
    k->key = (struct backend_key){.resource = slice_make(k->text, resource),
                                  .ns = slice_make(k->text + resource + 1, ns),
                                  .name = slice_make(k->text + resource + 1 + ns + 1, name)};
}

void collector__key_free(struct collector_key *k)
{
    free(k->text);
    *k = (struct collector_key){0};
}

/* ---- items ---- */

static void unlink_item(struct collector_impl *c, struct collector_item *item)
{
    list_remove(&item->link);
    c->later_count -= item->later ? 1 : 0;
    item->later = false;
}

static void item_free(struct collector_impl *c, struct collector_item *item)
{
    (void)map_remove(&c->items, slice_of(item->key.text));
    unlink_item(c, item);
    collector__key_free(&item->key);
    free(item);
}

bool collector__room(const struct collector_impl *c)
{
    return c->items.count - c->later_count < COLLECTOR_ITEMS_MAX;
}

static void make_ready(struct collector_impl *c, struct collector_item *item)
{
    unlink_item(c, item);
    list_push_back(&c->ready, &item->link);
    collector__wake(c);
}

void collector__add(struct collector_impl *c, const struct backend_key *key)
{
    uint32_t shard = collector__shard_of(c, key->ns);
    if (!c->shards[shard].led) {
        return;
    }
    struct collector_key own = {0};
    collector__key_set(&own, key);
    struct collector_item *item = map_get(&c->items, slice_of(own.text));
    if (item == NULL) {
        item = mem_zero(sizeof(*item));
        item->key = own;
        item->shard = shard;
        list_init(&item->link);
        (void)map_put(&c->items, slice_of(item->key.text), item);
        make_ready(c, item);
        return;
    }
    collector__key_free(&own);
    if (item->busy) {
        item->again = true;
    } else {
        make_ready(c, item);
    }
}

/* It is looked at again after a while; if too many are, whoever is due in its shard. */
static void make_later(struct collector_impl *c, struct collector_item *item)
{
    uint64_t now_ms = loop_now_ms(c->config.loop);
    struct collector_shard *s = &c->shards[item->shard];
    if (c->later_count >= COLLECTOR_LATER_MAX) {
        s->missed_at_ms = s->missed ? s->missed_at_ms : now_ms + RETRY_MAX_MS;
        s->missed = true;
        item_free(c, item);
        return;
    }
    uint32_t doublings = item->failures < 10 ? item->failures - 1 : 9;
    uint64_t delay_ms = (uint64_t)RETRY_MIN_MS << doublings;
    item->due_ms = now_ms + (delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS);
    list_push_back(&c->later, &item->link);
    item->later = true;
    c->later_count++;
}

void collector__looked(struct collector_impl *c, struct collector_item *item, bool retry)
{
    item->busy = false;
    item->failures += retry ? 1 : 0;
    bool give_up = retry && item->refusals >= REFUSALS_MAX;
    if (give_up) {
        log_error("collector.item", "key=%s error=%s", log_q(item->key.text),
                  log_q("given up until it changes"));
    }
    if (c->stopping || !c->shards[item->shard].led || give_up || (!retry && !item->again)) {
        item_free(c, item);
    } else if (item->again) {
        item->again = false;
        make_ready(c, item);
    } else {
        make_later(c, item);
    }
    metric_set(c->queued, (int64_t)c->items.count);
    collector__wake(c);
}

void collector__forget(struct collector_impl *c, uint32_t shard)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->items, &cursor, &key, &value)) {
        struct collector_item *item = value;
        if (item->shard == shard && !item->busy) {
            item_free(c, item);
        }
    }
}

void collector__items_due(struct collector_impl *c, uint64_t now_ms)
{
    LIST_FOREACH(link, &c->later)
    {
        struct collector_item *item = CONTAINER_OF(link, struct collector_item, link);
        if (now_ms >= item->due_ms) {
            make_ready(c, item);
        }
    }
}

/* ---- shards without a leader ---- */

bool collector__may_ask(struct collector_impl *c, uint32_t shard)
{
    struct collector_shard *s = &c->shards[shard];
    bool may = !s->lost || s->asked == 0;
    s->asked += may ? 1 : 0;
    return may;
}

/* Whoever waited may have waited for that. */
static void look_again(struct collector_impl *c)
{
    LIST_FOREACH(link, &c->later)
    {
        make_ready(c, CONTAINER_OF(link, struct collector_item, link));
    }
    for (uint32_t i = 0; i < c->config.shard_count; i++) {
        c->shards[i].missed_at_ms = 0;
    }
}

void collector__asked(struct collector_impl *c, uint32_t shard, int rc)
{
    struct collector_shard *s = &c->shards[shard];
    bool was_lost = s->lost;
    assert(s->asked > 0);
    s->asked--;
    if (rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT) {
        s->lost = true;
    } else if (rc == 0 || rc == ERR_NOT_FOUND) {
        s->lost = false;
    }
    if (was_lost && !s->lost) {
        look_again(c);
    }
}

void collector__probe(struct collector_impl *c)
{
    bool lost = false;
    for (uint32_t i = 0; i <= c->config.shard_count; i++) {
        lost |= c->shards[i].lost && c->shards[i].asked == 0;
    }
    if (lost && !list_empty(&c->later)) {
        make_ready(c, CONTAINER_OF(c->later.next, struct collector_item, link));
    }
}
