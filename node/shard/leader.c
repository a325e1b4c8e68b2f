/* leader.c: leading a shard.
 *
 * Happy path: leader_begin() proposes Open; once it is applied, leader_ready() starts the clock
 * above all that came before. leader_take() queues writes; leader_pump() stamps what has gathered,
 * encodes one entry and proposes it; what arrives while it is outstanding gathers for the next. The
 * keeper's outcomes are put on the batch, and the group's word that it is committed and applied
 * sends the answers.
 *
 * Failure path: lost leadership gives every call back to dispatch, which asks the next leader with
 * the same request id; for proposed ones the outcome is unknown until that leader answers.
 *
 * Invariants: stamps rise strictly over leaders; a closing at t is answered only when t is at or
 * below an applied version or below an applied ceiling; at most one ceiling is being committed. */
#include "node/shard/leader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/shard/internal.h"
#include "store/command.h"
#include "store/version.h"

static const struct sm_state states[] = {
    [LEADER_IDLE] = {"idle", SM_TO(LEADER_OPENING)},
    [LEADER_OPENING] = {"opening", SM_TO(LEADER_SERVING) | SM_TO(LEADER_IDLE)},
    [LEADER_SERVING] = {"serving", SM_TO(LEADER_IDLE)},
};

/* One proposed entry and who waits for it. */
enum { OPENING_MAX = 3 };

struct batch {
    struct group_proposal proposal;
    struct list link; /* leader.flying */
    struct replica *replica;
    struct list calls; /* in the order of commands */
    size_t count;
    struct outcome *outcomes; /* NULL until applied here */
    size_t opening; /* commands of our own at its front: Open, and what a new shard starts with */
};

void leader_init(struct leader *l)
{
    *l = (struct leader){0};
    sm_init(&l->sm, states, LEADER_IDLE);
    list_init(&l->queue);
    list_init(&l->flying);
    list_init(&l->closes);
}

static void drop_outcomes(struct batch *b)
{
    free(b->outcomes);
    free(b);
}

static void answer_batch(struct batch *b)
{
    size_t i = 0;
    struct list *link;
    while ((link = list_pop_front(&b->calls)) != NULL) {
        struct call *call = CONTAINER_OF(link, struct call, link);
        const struct outcome *outcome = &b->outcomes[i++];
        struct err err = {0};
        int rc = outcome_err(outcome, &err);
        call->index = b->proposal.index;
        call->version = outcome->version;
        dispatch_done(call, rc, &err);
    }
}

static void on_proposed(struct group_proposal *proposal, int status)
{
    struct batch *b = CONTAINER_OF(proposal, struct batch, proposal);
    list_remove(&b->link);
    if (status == 0 && b->outcomes != NULL) {
        answer_batch(b);
    } else {
        bool tried = status != ERR_NOT_LEADER && status != ERR_BUSY;
        struct list *link;
        while ((link = list_pop_front(&b->calls)) != NULL) {
            struct call *call = CONTAINER_OF(link, struct call, link);
            if (status == ERR_TOO_LARGE) {
                dispatch_done(call, status, NULL);
            } else {
                dispatch_again(call, tried);
            }
        }
    }
    drop_outcomes(b);
}

static struct batch *batch_new(struct replica *r)
{
    struct batch *b = mem_zero(sizeof(*b));
    b->replica = r;
    b->proposal.done = on_proposed;
    list_init(&b->calls);
    list_push_back(&r->leader.flying, &b->link);
    return b;
}

/* `default` and choreo-system exist from a cluster's first Open on, in their home shards. A log
 * that holds more than its first configuration has had that Open. */
static size_t first_namespaces(const struct replica *r, struct command *commands)
{
    static const char *const names[] = {"choreo-system", "default"};
    struct group_status status;
    size_t count = 0;
    group_status(r->group, &status);
    for (size_t i = 0; i < 2 && status.last <= 1; i++) {
        if (node_shard_of(r->node->handle, slice_of(names[i])) == r->shard) {
            commands[count++] =
                (struct command){.kind = COMMAND_NAMESPACE,
                                 .mark = {.name = slice_of(names[i]), .state = NAMESPACE_ACTIVE}};
        }
    }
    return count;
}

void leader_begin(struct replica *r, uint64_t term)
{
    struct leader *l = &r->leader;
    sm_move(&l->sm, LEADER_OPENING);
    l->term = term;
    l->ceiling_asked = 0;
    l->closed_at_ms = 0;
    l->housekeeping = false;
    l->housekeeping_turn = 0;
    struct command commands[OPENING_MAX] = {
        {.kind = COMMAND_OPEN,
         .open = {.term = term,
                  .incarnation = r->node->identity.incarnation,
                  .ceiling = version_at(node_wall_ms(r->node) + LEADER_CEILING_MS, r->shard)}}};
    struct entry entry = {.time_ms = node_wall_ms(r->node),
                          .commands = commands,
                          .count = 1 + first_namespaces(r, commands + 1)};
    struct buf bytes = {0};
    struct err err;
    int rc = entry_encode(&entry, &bytes, &err);
    assert(rc == 0); /* nothing in it came from outside */
    struct batch *b = batch_new(r);
    b->opening = entry.count;
    group_propose(r->group, &b->proposal, buf_slice(&bytes));
    buf_free(&bytes);
}

void leader_ready(struct replica *r)
{
    struct leader *l = &r->leader;
    sm_move(&l->sm, LEADER_SERVING);
    l->applied = r->state.last_version;
    l->ceiling = r->state.ceiling;
    l->last =
        r->state.last_version > r->state.stamp_floor ? r->state.last_version : r->state.stamp_floor;
    l->housekeeping_ms = node_now_ms(r->node) + leader__housekeeping_ms(r);
    l->open_index = r->state.applied_index;
    leader_pump(r);
    if (leader_tick(r, node_now_ms(r->node))) {
        dispatch_need_tick(r->node);
    }
}

static void give_back(struct list *calls, bool tried)
{
    struct list taken;
    list_init(&taken);
    list_splice_back(&taken, calls);
    struct list *link;
    while ((link = list_pop_front(&taken)) != NULL) {
        dispatch_again(CONTAINER_OF(link, struct call, link), tried);
    }
}

void leader_end(struct replica *r)
{
    struct leader *l = &r->leader;
    if (l->sm.state == LEADER_IDLE) {
        return;
    }
    sm_move(&l->sm, LEADER_IDLE);
    l->queue_bytes = 0;
    give_back(&l->queue, false);
    give_back(&l->closes, false);
}

void leader_applied(struct replica *r, const struct keeper_applied *applied)
{
    struct leader *l = &r->leader;
    if (applied->state.last_version > l->applied) {
        l->applied = applied->state.last_version;
    }
    if (applied->state.ceiling > l->ceiling) {
        l->ceiling = applied->state.ceiling;
    }
    LIST_FOREACH(link, &l->flying)
    {
        struct batch *b = CONTAINER_OF(link, struct batch, link);
        for (size_t i = 0; i < applied->span_count; i++) {
            const struct apply_span *span = &applied->spans[i];
            if (span->index != b->proposal.index || span->count != b->count + b->opening) {
                continue;
            }
            size_t bytes = span->count * sizeof(struct outcome);
            b->outcomes = mem_alloc(bytes);
            memcpy(b->outcomes, &applied->outcomes[span->first], bytes);
        }
    }
}

/* Decodes and stamps one queued call into the batch's commands. */
static bool stamp(struct replica *r, struct call *call, struct arena *arena,
                  struct command *command)
{
    struct leader *l = &r->leader;
    struct err err;
    int rc = command_decode(buf_slice(&call->request), arena, command, &err);
    if (rc == 0 && command->kind == COMMAND_WRITE) {
        uint64_t before = l->last;
        l->last = version_next(l->last, node_wall_ms(r->node), r->shard);
        command->write.version = l->last;
        rc = command_check(command, &err);
        if (rc != 0) {
            l->last = before;
        }
    } else if (rc == 0) {
        rc = command_check(command, &err);
    }
    if (rc == 0 && command->kind == COMMAND_EXPIRE_EVENTS) {
        command->events.version = version_next(l->last, node_wall_ms(r->node), r->shard);
        l->last = command->events.version + (command->events.rows_max - 1) * (uint64_t)VERSION_STEP;
    }
    if (rc != 0) {
        dispatch_done(call, rc, &err);
    }
    return rc == 0;
}

static void propose(struct replica *r, struct batch *b, const struct entry *entry)
{
    struct buf bytes = {0};
    struct err err;
    int rc = entry_encode(entry, &bytes, &err);
    if (rc != 0) { /* each command was checked: only their sum can be wrong */
        log_error("shard.encode", "shard=%u error=%s", r->shard, log_q(err.message));
        list_remove(&b->link);
        struct list *link;
        while ((link = list_pop_front(&b->calls)) != NULL) {
            dispatch_done(CONTAINER_OF(link, struct call, link), rc, &err);
        }
        drop_outcomes(b);
    } else {
        group_propose(r->group, &b->proposal, buf_slice(&bytes));
    }
    buf_free(&bytes);
}

void leader_pump(struct replica *r)
{
    struct leader *l = &r->leader;
    if (l->sm.state != LEADER_SERVING || list_empty(&l->queue) || !group_can_propose(r->group)) {
        return;
    }
    struct arena arena;
    arena_init(&arena);
    struct command *commands = arena_alloc(&arena, sizeof(*commands) * ENTRY_COMMANDS_MAX);
    struct batch *b = batch_new(r);
    size_t bytes = 0;
    while (!list_empty(&l->queue) && b->count < ENTRY_COMMANDS_MAX) {
        struct call *call = CONTAINER_OF(l->queue.next, struct call, link);
        if (b->count > 0 && bytes + call->request.len > ENTRY_BATCH_BYTES) {
            break;
        }
        list_remove(&call->link);
        l->queue_bytes -= call->request.len;
        if (call->deadline_ms != 0 && node_now_ms(r->node) > call->deadline_ms) {
            dispatch_done(call, ERR_TIMEOUT, NULL);
        } else if (stamp(r, call, &arena, &commands[b->count])) {
            bytes += call->request.len;
            b->count++;
            list_push_back(&b->calls, &call->link);
        }
    }
    if (b->count == 0) {
        list_remove(&b->link);
        drop_outcomes(b);
    } else {
        propose(r, b,
                &(struct entry){.time_ms = node_wall_ms(r->node),
                                .compressed =
                                    transport_all_can(r->node->transport, NODE_READS_COMPRESSED),
                                .commands = commands,
                                .count = b->count});
    }
    arena_free(&arena);
}

/* ---- taking calls ---- */

static void on_read(struct group_read *read, int status)
{
    struct call *call = CONTAINER_OF(read, struct call, read);
    struct replica *r = call->replica;
    if (status != 0) {
        dispatch_again(call, false);
        return;
    }
    uint64_t now = leader__now(r);
    call->index = read->commit_index;
    call->version = now > r->leader.last ? now : r->leader.last;
    dispatch_done(call, 0, NULL);
}

static void on_change(struct group_change *change, int status, const struct err *err)
{
    struct call *call = CONTAINER_OF(change, struct call, change);
    leader_pump(call->replica); /* a transfer that came to nothing held up what waits */
    if (status == ERR_NOT_LEADER || status == ERR_CLOSED) {
        dispatch_again(call, true);
    } else {
        dispatch_done(call, status, err);
    }
}

static void take_change(struct replica *r, struct call *call)
{
    uint64_t server_id = 0;
    char name[GROUP_NAME_MAX + 1];
    struct err err;
    call->change.done = on_change;
    if (call->kind == CALL_TRANSFER) {
        struct slice to = buf_slice(&call->request);
        if (to.len > GROUP_NAME_MAX) {
            dispatch_done(call, ERR_INVALID, NULL);
            return;
        }
        memcpy(name, to.data != NULL ? to.data : "", to.len);
        name[to.len] = '\0';
        if (strcmp(name, r->node->identity.self.name) == 0) {
            dispatch_done(call, 0, NULL); /* it leads already */
            return;
        }
        group_transfer(r->group, &call->change, to.len > 0 ? name : NULL);
        return;
    }
    int rc = call_server(call, &server_id, name, &err);
    if (rc != 0) {
        dispatch_done(call, rc, &err);
    } else if (call->kind == CALL_ADD) {
        group_add(r->group, &call->change, server_id, name);
    } else if (call->kind == CALL_PROMOTE) {
        group_promote(r->group, &call->change, server_id);
    } else {
        group_remove(r->group, &call->change, server_id);
    }
}

void leader_take(struct replica *r, struct call *call)
{
    struct leader *l = &r->leader;
    assert(l->sm.state != LEADER_IDLE);
    if (call->kind == CALL_SUBMIT) {
        if (l->queue_bytes + call->request.len > LEADER_QUEUE_BYTES_MAX) {
            dispatch_done(call, ERR_BUSY, NULL);
            return;
        }
        l->queue_bytes += call->request.len;
        list_push_back(&l->queue, &call->link);
        leader_pump(r);
    } else if (call->kind == CALL_READ) {
        call->read.done = on_read;
        group_read(r->group, &call->read);
    } else if (call->kind == CALL_CLOSE) {
        l->closed_at_ms = node_now_ms(r->node);
        call->wait_until_ms = l->closed_at_ms + LEADER_CLOSE_WAIT_MS;
        list_push_back(&l->closes, &call->link);
        if (leader_tick(r, l->closed_at_ms)) {
            dispatch_need_tick(r->node);
        }
    } else {
        take_change(r, call);
    }
}
