/* queue.c: lanes of tenants of keys.
 *
 *   entries: key -> entry (WAITING in a tenant's list, DELAYED in the heap, WORKING, or both
 *            WORKING and wanted again)
 *   lane:    a ring of tenants with something to do; `working` counts against its workers
 *   ready:   the lanes that have a waiting key and a free worker, in turn
 *
 * queue_take() takes the first lane, its first tenant, that tenant's first key, and moves tenant
 * and lane to the back of their rings: all take turns. Invariants: an entry is linked into exactly
 * one tenant's list when WAITING and has a heap slot exactly when a due time is set; a lane is in
 * ready exactly when it has tenants and a free worker. Entries without wait, delay, work or
 * failures are freed at once, so an idle queue holds nothing. */
#include "reconcile/queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { NO_SLOT = -1 };

struct lane {
    struct slice name;
    struct list ready;   /* in queue.ready */
    struct list tenants; /* ring: those with waiting keys */
    struct map by_name;  /* tenant name -> tenant */
    uint32_t working;
};

struct tenant {
    struct slice name;
    struct list link;
    struct list keys; /* of entries */
};

struct queue_entry {
    struct slice key;
    struct slice tenant;
    struct slice lane;
    struct list link; /* in tenant.keys while waiting */
    struct tenant *waiting_in;
    struct lane *working_in;
    uint64_t due_ms;
    int64_t slot; /* in the heap, or NO_SLOT */
    uint32_t failures;
    bool again; /* added while it was worked on */
};

static void replace(struct slice *owned, struct slice value)
{
    if (owned->data != NULL && slice_eq(*owned, value)) {
        return;
    }
    char *copy = slice_dup(value);
    free((void *)(uintptr_t)owned->data);
    *owned = slice_make(copy, value.len);
}

static void release(struct slice *owned)
{
    free((void *)(uintptr_t)owned->data);
    *owned = (struct slice){0};
}

/* ---- the heap of delayed entries, by due_ms ---- */

static void heap_set(struct queue *q, size_t slot, struct queue_entry *e)
{
    q->heap[slot] = e;
    e->slot = (int64_t)slot;
}

static void heap_up(struct queue *q, size_t slot)
{
    struct queue_entry *e = q->heap[slot];
    while (slot > 0) {
        size_t parent = (slot - 1) / 2;
        if (q->heap[parent]->due_ms <= e->due_ms) {
            break;
        }
        heap_set(q, slot, q->heap[parent]);
        slot = parent;
    }
    heap_set(q, slot, e);
}

static void heap_down(struct queue *q, size_t slot)
{
    struct queue_entry *e = q->heap[slot];
    for (;;) {
        size_t child = slot * 2 + 1;
        if (child >= q->heap_count) {
            break;
        }
        if (child + 1 < q->heap_count && q->heap[child + 1]->due_ms < q->heap[child]->due_ms) {
            child++;
        }
        if (e->due_ms <= q->heap[child]->due_ms) {
            break;
        }
        heap_set(q, slot, q->heap[child]);
        slot = child;
    }
    heap_set(q, slot, e);
}

static void heap_push(struct queue *q, struct queue_entry *e, uint64_t due_ms)
{
    assert(e->slot == NO_SLOT);
    if (q->heap_count == q->heap_cap) {
        q->heap_cap = q->heap_cap == 0 ? 16 : q->heap_cap * 2;
        q->heap = mem_resize(q->heap, q->heap_cap * sizeof(*q->heap));
    }
    e->due_ms = due_ms;
    q->heap_count++;
    heap_set(q, q->heap_count - 1, e);
    heap_up(q, q->heap_count - 1);
}

static void heap_drop(struct queue *q, struct queue_entry *e)
{
    if (e->slot == NO_SLOT) {
        return;
    }
    size_t slot = (size_t)e->slot;
    struct queue_entry *last = q->heap[--q->heap_count];
    e->slot = NO_SLOT;
    if (last != e) {
        heap_set(q, slot, last);
        heap_up(q, slot);
        heap_down(q, (size_t)last->slot);
    }
}

/* ---- lanes and tenants ---- */

static bool can_wait(struct slice lane)
{
    return slice_ends_with(lane, SLICE("~"));
}

static struct lane *lane_get(struct queue *q, struct slice name)
{
    struct lane *lane = map_get(&q->lanes, name);
    if (lane == NULL) {
        lane = mem_zero(sizeof(*lane));
        replace(&lane->name, name);
        list_init(&lane->ready);
        list_init(&lane->tenants);
        map_put(&q->lanes, name, lane);
    }
    return lane;
}

/* Puts the lane into or out of queue.ready, and frees one that nothing needs. */
static void lane_settle(struct queue *q, struct lane *lane)
{
    bool wanted = !list_empty(&lane->tenants) && lane->working < q->config.lane_workers;
    if (wanted && !list_linked(&lane->ready)) {
        list_push_back(can_wait(lane->name) ? &q->ready_later : &q->ready, &lane->ready);
    }
    if (!wanted) {
        list_remove(&lane->ready);
    }
    if (list_empty(&lane->tenants) && lane->working == 0) {
        map_remove(&q->lanes, lane->name);
        map_free(&lane->by_name);
        release(&lane->name);
        free(lane);
    }
}

static void wait_in(struct queue *q, struct queue_entry *e)
{
    struct lane *lane = lane_get(q, e->lane);
    struct tenant *tenant = map_get(&lane->by_name, e->tenant);
    if (tenant == NULL) {
        tenant = mem_zero(sizeof(*tenant));
        replace(&tenant->name, e->tenant);
        list_init(&tenant->keys);
        list_push_back(&lane->tenants, &tenant->link);
        map_put(&lane->by_name, e->tenant, tenant);
    }
    list_push_back(&tenant->keys, &e->link);
    e->waiting_in = tenant;
    q->waiting_count++;
    lane_settle(q, lane);
}

/* Takes e off its tenant's list; an empty tenant goes, and the lane is not settled. */
static void wait_off(struct queue *q, struct lane *lane, struct queue_entry *e)
{
    struct tenant *tenant = e->waiting_in;
    list_remove(&e->link);
    e->waiting_in = NULL;
    q->waiting_count--;
    if (list_empty(&tenant->keys)) {
        list_remove(&tenant->link);
        map_remove(&lane->by_name, tenant->name);
        release(&tenant->name);
        free(tenant);
    }
}

static struct queue_entry *entry_get(struct queue *q, struct slice key)
{
    struct queue_entry *e = map_get(&q->entries, key);
    if (e == NULL) {
        e = mem_zero(sizeof(*e));
        replace(&e->key, key);
        list_init(&e->link);
        e->slot = NO_SLOT;
        map_put(&q->entries, key, e);
    }
    return e;
}

static void entry_free(struct queue *q, struct queue_entry *e)
{
    map_remove(&q->entries, e->key);
    release(&e->key);
    release(&e->tenant);
    release(&e->lane);
    free(e);
}

void queue_init(struct queue *q, const struct queue_config *config)
{
    *q = (struct queue){.config = *config};
    q->config.backoff_min_ms = config->backoff_min_ms != 0 ? config->backoff_min_ms : 50;
    q->config.backoff_max_ms = config->backoff_max_ms != 0 ? config->backoff_max_ms : 60 * 1000;
    q->config.lane_workers = config->lane_workers != 0 ? config->lane_workers : 32;
    list_init(&q->ready);
    list_init(&q->ready_later);
}

void queue_free(struct queue *q)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&q->entries, &cursor, &key, &value)) {
        struct queue_entry *e = value;
        if (e->waiting_in != NULL) {
            wait_off(q, lane_get(q, e->lane), e);
        }
        entry_free(q, e);
    }
    cursor = 0;
    while (map_next(&q->lanes, &cursor, &key, &value)) {
        struct lane *lane = value;
        lane->working = 0;
        lane_settle(q, lane);
    }
    map_free(&q->entries);
    map_free(&q->lanes);
    free(q->heap);
    *q = (struct queue){0};
}

void queue_add(struct queue *q, struct slice key, struct slice tenant, struct slice lane,
               uint64_t now_ms)
{
    (void)now_ms;
    struct queue_entry *e = entry_get(q, key);
    heap_drop(q, e);
    if (e->working_in != NULL) {
        e->again = true;
        return; /* its lane and tenant are fixed until queue_done() */
    }
    if (e->waiting_in != NULL) {
        bool same = slice_eq(e->lane, lane) && slice_eq(e->tenant, tenant);
        if (same || (can_wait(lane) && !can_wait(e->lane))) {
            return; /* news stay news */
        }
        struct lane *old = lane_get(q, e->lane);
        wait_off(q, old, e);
        lane_settle(q, old);
    }
    replace(&e->lane, lane);
    replace(&e->tenant, tenant);
    wait_in(q, e);
}

void queue_add_at(struct queue *q, struct slice key, struct slice tenant, struct slice lane,
                  uint64_t due_ms)
{
    struct queue_entry *e = entry_get(q, key);
    if (e->waiting_in != NULL || e->again || (e->slot != NO_SLOT && e->due_ms <= due_ms)) {
        return;
    }
    heap_drop(q, e);
    if (e->working_in == NULL) {
        replace(&e->lane, lane);
        replace(&e->tenant, tenant);
    }
    heap_push(q, e, due_ms);
}

static void wake_due(struct queue *q, uint64_t now_ms)
{
    while (q->heap_count > 0 && q->heap[0]->due_ms <= now_ms) {
        struct queue_entry *e = q->heap[0];
        heap_drop(q, e);
        if (e->working_in != NULL) {
            e->again = true;
        } else {
            wait_in(q, e);
        }
    }
}

bool queue_take(struct queue *q, uint64_t now_ms, struct queue_item *item)
{
    wake_due(q, now_ms);
    struct list *from = list_empty(&q->ready) ? &q->ready_later : &q->ready;
    if (list_empty(from)) {
        return false;
    }
    struct lane *lane = CONTAINER_OF(from->next, struct lane, ready);
    struct tenant *tenant = CONTAINER_OF(lane->tenants.next, struct tenant, link);
    struct queue_entry *e = CONTAINER_OF(tenant->keys.next, struct queue_entry, link);
    list_remove(&tenant->link);
    list_push_back(&lane->tenants, &tenant->link);
    wait_off(q, lane, e);
    lane->working++;
    e->working_in = lane;
    q->working_count++;
    list_remove(&lane->ready);
    lane_settle(q, lane);
    *item = (struct queue_item){
        .key = e->key, .tenant = e->tenant, .lane = e->lane, .failures = e->failures, .entry = e};
    return true;
}

void queue_done(struct queue *q, const struct queue_item *item, enum queue_result result,
                uint64_t now_ms)
{
    struct queue_entry *e = item->entry;
    assert(e->working_in != NULL);
    struct lane *lane = e->working_in;
    e->working_in = NULL;
    lane->working--;
    q->working_count--;
    e->failures = result == QUEUE_RETRY ? e->failures + 1 : 0;
    if (result == QUEUE_GONE) {
        heap_drop(q, e);
    }
    if (e->again) {
        e->again = false;
        heap_drop(q, e);
        wait_in(q, e);
    } else if (result == QUEUE_RETRY) {
        uint64_t due_ms = now_ms + queue_backoff_ms(q, e->failures);
        if (e->slot == NO_SLOT || e->due_ms > due_ms) {
            heap_drop(q, e);
            heap_push(q, e, due_ms);
        }
    }
    if (e->waiting_in == NULL && e->slot == NO_SLOT) {
        entry_free(q, e);
    }
    lane_settle(q, lane);
}

uint64_t queue_due_ms(const struct queue *q)
{
    return q->heap_count > 0 ? q->heap[0]->due_ms : UINT64_MAX;
}

uint64_t queue_backoff_ms(const struct queue *q, uint32_t failures)
{
    uint64_t whole = q->config.backoff_min_ms;
    for (uint32_t i = 1; i < failures && whole < q->config.backoff_max_ms; i++) {
        whole *= 2;
    }
    if (whole > q->config.backoff_max_ms) {
        whole = q->config.backoff_max_ms;
    }
    if (q->config.random == NULL) {
        return whole;
    }
    return whole - q->config.random(q->config.user) % (whole / 2 + 1);
}
