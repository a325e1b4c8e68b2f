/* world_replica.c: one group on one node: what it asks of the world, and its store.
 *
 * The store is the machine: `now` is what was applied, `durable` what was last checkpointed; a
 * power cut keeps either. Entries are applied some moments after the group hands them over. */
#include "tests/lib/world_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

/* ---- applying, checkpoints, images ---- */

static void take_snapshot(struct world_replica *r)
{
    const struct world_options *o = &r->node->world->options;
    if (o->snapshot_every != 0 && !r->installing &&
        r->now.index >= r->snapshot_at + o->snapshot_every) {
        r->snapshot_at = r->now.index;
        machine_copy(&r->durable, &r->now);
        if (o->hooks != NULL) {
            o->hooks->checkpoint(r);
        }
        group_snapshot_taken(r->group, r->now.index);
    }
}

void world__apply_turn(struct world_replica *r)
{
    struct world *w = r->node->world;
    struct buf queue = r->apply_queue;
    r->apply_queue = (struct buf){0};
    r->applying = false;
    if (w->options.hooks != NULL) {
        w->options.hooks->apply(r, (const struct group_entry *)(const void *)queue.data,
                                queue.len / sizeof(struct group_entry));
    }
    for (size_t at = 0; at < queue.len; at += sizeof(struct group_entry)) {
        struct group_entry e;
        memcpy(&e, queue.data + at, sizeof e);
        struct slice data = e.data != NULL ? payload_slice(e.data) : (struct slice){0};
        if (e.index != r->now.index + 1) {
            oracle_violation(&w->oracle, "group %d: %s was handed %llu after %llu", r->number,
                             r->node->name, (unsigned long long)e.index,
                             (unsigned long long)r->now.index);
        }
        machine_apply(&r->now, e.index, e.term, data, payload_slice(e.configuration),
                      w->options.confuse_requests);
        oracle_applied(&w->oracle, r->number, r->node->number, &r->now, data);
        payload_unref(e.data);
        payload_unref(e.configuration);
    }
    buf_free(&queue);
    group_applied(r->group, r->now.index);
    take_snapshot(r);
}

void world__drop_apply_queue(struct world_replica *r)
{
    for (size_t at = 0; at < r->apply_queue.len; at += sizeof(struct group_entry)) {
        struct group_entry e;
        memcpy(&e, r->apply_queue.data + at, sizeof e);
        payload_unref(e.data);
        payload_unref(e.configuration);
    }
    buf_clear(&r->apply_queue);
    r->applying = false;
}

void world__installed(struct world_replica *r, struct image *image)
{
    machine_copy(&r->now, &image->state);
    machine_copy(&r->durable, &image->state);
    if (image->store != NULL) {
        image->hooks->install(r, image->store);
        image->store = NULL;
    }
    world__image_free(image);
    r->installing = false;
    r->snapshot_at = r->now.index;
    group_installed(r->group);
}

void world__offer(struct world_replica *r, struct image *image)
{
    struct group_point point = {image->state.index, image->state.term,
                                buf_slice(&image->state.configuration)};
    group_snapshot_offer(r->group, image, &point);
}

void world__image_free(struct image *image)
{
    if (image->store != NULL) {
        image->hooks->image_free(image->store);
    }
    machine_free(&image->state);
    free(image);
}

/* ---- what a group asks of its world ---- */

static uint64_t now_ms(void *user)
{
    return ((struct world_replica *)user)->node->world->now_us / 1000;
}

static void arm(void *user, uint64_t at_ms)
{
    struct world_replica *r = user;
    uint64_t now_us = r->node->world->now_us;
    uint64_t at_us = at_ms * 1000;
    r->armed_ms = at_ms;
    world__push_for_replica(r, at_us > now_us ? at_us - now_us : 0, EVENT_TICK);
}

static void send_message(void *user, const char *name, struct slice message)
{
    struct world_replica *r = user;
    struct world_node *n = r->node;
    struct world *w = n->world;
    struct world_node *to = world__node_named(w, name);
    assert(to != NULL);
    int copies = 1;
    if (!w->calm && world_random(w, 100) < w->options.loss_percent) {
        copies = 0;
    } else if (!w->calm && world_random(w, 100) < w->options.duplicate_percent) {
        copies = 2;
    }
    for (; copies > 0 && !w->blocked[n->number][to->number]; copies--) {
        world__push(w, world__delay_us(w),
                    (struct world_event){.kind = EVENT_MESSAGE,
                                         .node = to->number,
                                         .group = r->number,
                                         .from = n->number,
                                         .bytes = payload_new(message)});
    }
}

static void apply(void *user, const struct group_entry *entry)
{
    struct world_replica *r = user;
    struct group_entry e = *entry;
    if (e.data != NULL) {
        payload_ref(e.data);
    }
    payload_ref(e.configuration);
    buf_add(&r->apply_queue, slice_make(&e, sizeof e));
    if (!r->applying) {
        r->applying = true;
        world__push_for_replica(r, world_random(r->node->world, 2000), EVENT_APPLY);
    }
}

static void send_snapshot(void *user, const char *name, uint64_t server_id, uint64_t index)
{
    struct world_replica *r = user;
    struct world_node *n = r->node;
    struct world *w = n->world;
    struct world_node *to = world__node_named(w, name);
    struct image *image = mem_zero(sizeof *image);
    machine_copy(&image->state, &r->now);
    assert(r->now.index >= index);
    uint64_t us = world__delay_us(w) * 5;
    bool lost = w->blocked[n->number][to->number] ||
                (!w->calm && world_random(w, 100) < 3 * w->options.loss_percent);
    if (w->options.hooks != NULL && !lost) {
        image->hooks = w->options.hooks;
        image->store = image->hooks->image(r);
        lost = image->store == NULL;
    }
    if (lost) {
        world__image_free(image);
    } else {
        world__push(w, us,
                    (struct world_event){.kind = EVENT_IMAGE,
                                         .node = to->number,
                                         .group = r->number,
                                         .from = n->number,
                                         .life = to->replicas[r->number].life,
                                         .pointer = image});
    }
    world__push(w, us + 100,
                (struct world_event){.kind = EVENT_IMAGE_SENT,
                                     .node = n->number,
                                     .group = r->number,
                                     .life = r->life,
                                     .number = server_id});
}

static void install(void *user, void *token, const struct group_point *point)
{
    struct world_replica *r = user;
    struct world *w = r->node->world;
    struct image *image = token;
    assert(image->state.index == point->index && r->apply_queue.len == 0);
    r->installing = true;
    w->installs++;
    world__push(w, 1000 + world_random(w, 20000),
                (struct world_event){.kind = EVENT_INSTALLED,
                                     .node = r->node->number,
                                     .group = r->number,
                                     .life = r->life,
                                     .pointer = image});
}

static void refuse(void *user, void *token)
{
    (void)user;
    world__image_free(token);
}

/* ---- what a group tells ---- */

static void open_done(struct group_proposal *p, int status)
{
    (void)p;
    (void)status;
}

static void on_leading(void *user, uint64_t term)
{
    struct world_replica *r = user;
    struct world *w = r->node->world;
    r->leading_term = term;
    r->leading_since_us = w->now_us;
    w->elections++;
    oracle_leading(&w->oracle, r->number, r->node->number, term);
    r->open.done = open_done;
    struct buf entry = {0};
    machine_entry(NULL, &entry);
    if (w->options.hooks != NULL) {
        w->options.hooks->encode(r, NULL, &entry);
    }
    group_propose(r->group, &r->open, buf_slice(&entry));
    buf_free(&entry);
}

static void on_ready(void *user, uint64_t term)
{
    struct world_replica *r = user;
    assert(r->leading_term == term);
    r->ready = true;
    if (r->node->world->options.hooks != NULL) {
        r->node->world->options.hooks->ready(r);
    }
}

static void on_following(void *user, uint64_t term)
{
    struct world_replica *r = user;
    assert(r->leading_term == term);
    r->leading_term = 0;
    r->ready = false;
}

static void on_leader(void *user, uint64_t term, const char *name)
{
    struct world_replica *r = user;
    if (r->node->world->options.trace) {
        printf("%10llu %s/%d sees %s lead term %llu\n", (unsigned long long)r->node->world->now_us,
               r->node->name, r->number, name != NULL ? name : "nobody", (unsigned long long)term);
    }
}

static void on_can_propose(void *user)
{
    (void)user;
}

static void on_failed(void *user, const struct err *err)
{
    struct world_replica *r = user;
    oracle_violation(&r->node->world->oracle, "group %d: %s gave up: %s", r->number, r->node->name,
                     err->message);
    r->node->broken = true;
}

const struct group_ops world__group_ops = {
    .now_ms = now_ms,
    .arm = arm,
    .send = send_message,
    .apply = apply,
    .send_snapshot = send_snapshot,
    .install = install,
    .refuse = refuse,
    .on_leading = on_leading,
    .on_ready = on_ready,
    .on_following = on_following,
    .on_leader = on_leader,
    .on_can_propose = on_can_propose,
    .failed = on_failed,
};
