/* operations.c: what an operator asks of the cluster: move a leadership, or say where it should be,
 * add a node, remove one.
 *
 * Each runs on the node's internal loop as a row of calls to the shards' leaders, one shard after
 * the other:
 *
 *   join     member object; for each shard: standby, then (once caught up) voter
 *   remove   for each shard: leadership away if the node has it, then out; member object
 *   prefer   the preferences' object, changed as it was read
 *
 * Failure path: every step may be done again, so an interrupted operation is simply asked for anew
 * and goes on where it was. "Busy" and "outcome unknown" are repeated until the deadline, each time
 * against the shard's present leader: leaderships may move between any two steps.
 *
 * Invariants: a member's object is written before anything is sent to it (it holds the address),
 * and removed after the last shard has let it go. */
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "node/shard/front.h"
#include "node/shard/identity.h"
#include "node/shard/preferences.h"
#include "proto/object.h"

enum op_kind { OP_TRANSFER, OP_JOIN, OP_REMOVE, OP_PREFER };
enum op_phase { PHASE_OBJECT, PHASE_FIRST, PHASE_SECOND };
enum { AGAIN_MS = 200, STEP_MS = 5000, CONFLICTS_MAX = 5 };

struct operation {
    struct list link;   /* node_impl.operations */
    struct node_op *op; /* NULL: it has been answered, and nothing more is begun */
    struct node_impl *node;
    struct node_member member;
    enum op_kind kind;
    uint64_t deadline_ms;
    enum op_phase phase;
    uint32_t shard;
    unsigned conflicts; /* on this shard, one after the other */
    struct loop_timer timer;
    bool resting; /* until the timer fires; nothing else is under way */
    /* the write of the member's or the preferences' object */
    struct backend_get get;
    struct backend_submit submit;
    struct buf body;
    char request_id[37];
    uint8_t digest[SHA256_BYTES];
    int rc;
    struct err err;
};

static void go_on(struct operation *o);

/* ---- ending ---- */

static void run_op_done(struct loop_msg *msg)
{
    struct node_op *op = CONTAINER_OF(msg, struct node_op, msg);
    op->done(op, op->rc, &op->err);
}

static void answer(struct operation *o)
{
    struct node_op *op = o->op;
    o->op = NULL;
    op->rc = o->rc;
    op->err = o->err;
    op->msg.run = run_op_done;
    loop_post(op->loop, &op->msg);
}

static void on_timer_closed(struct loop_timer *timer)
{
    struct operation *o = CONTAINER_OF(timer, struct operation, timer);
    if (o->op != NULL) {
        answer(o);
    }
    list_remove(&o->link);
    buf_free(&o->body);
    free(o);
}

static void finish(struct operation *o, int rc, const struct err *err)
{
    o->rc = rc;
    if (rc != 0 && err != NULL) {
        o->err = *err;
    }
    loop_timer_close(&o->timer, on_timer_closed);
}

static void on_again(struct loop_timer *timer)
{
    go_on(CONTAINER_OF(timer, struct operation, timer));
}

/* Repeats the step a little later, or ends at the deadline with what the step came to. */
static void again(struct operation *o, int rc, const struct err *err)
{
    if (o->op == NULL || loop_now_ms(&o->node->internal) >= o->deadline_ms) {
        finish(o, rc, err);
    } else {
        o->resting = true;
        loop_timer_start(&o->timer, AGAIN_MS, 0);
    }
}

/* ---- calls ---- */

static void next_shard(struct operation *o)
{
    o->phase = PHASE_FIRST;
    o->conflicts = 0;
    o->shard++;
    go_on(o);
}

static bool worth_repeating(int rc)
{
    return rc == ERR_BUSY || rc == ERR_TIMEOUT || rc == ERR_UNAVAILABLE || rc == ERR_NOT_LEADER;
}

/* Has the shard come already to what the step wants, or to the most that there is of it? */
static bool is_so(enum call_kind kind, int rc)
{
    switch (kind) {
    case CALL_ADD:
        return rc == 0 || rc == ERR_EXISTS;
    case CALL_PROMOTE:
        return rc == 0 || rc == ERR_CONFLICT; /* as many vote as may: it stands by */
    case CALL_REMOVE:
        return rc == 0 || rc == ERR_NOT_FOUND;
    case CALL_SUBMIT:
    case CALL_READ:
    case CALL_CLOSE:
    case CALL_TRANSFER:
    case CALL_KIND_COUNT:
        break;
    }
    return false;
}

/* The member leads the shard, and nobody in touch could take over. */
static void no_successor(struct operation *o)
{
    struct err err;
    int rc = err_set(&err, ERR_CONFLICT, "shard %u: %s leads it, and there is no other voter to",
                     o->shard, o->member.name);
    if (++o->conflicts < CONFLICTS_MAX) {
        again(o, rc, &err);
    } else {
        finish(o, rc, &err);
    }
}

static void take_answer(struct operation *o, enum call_kind kind, int rc, const struct err *err)
{
    if (o->kind == OP_TRANSFER && rc == ERR_BUSY) {
        again(o, rc, err); /* the leader is not settled yet */
    } else if (o->kind == OP_TRANSFER) {
        finish(o, rc, err);
    } else if (kind == CALL_TRANSFER && rc == 0) {
        again(o, ERR_TIMEOUT, err); /* look who leads now */
    } else if (kind == CALL_TRANSFER && rc == ERR_NOT_FOUND) {
        no_successor(o);
    } else if (kind == CALL_ADD && is_so(kind, rc)) {
        o->phase = PHASE_SECOND;
        go_on(o);
    } else if (is_so(kind, rc)) {
        next_shard(o);
    } else if (kind == CALL_PROMOTE && rc == ERR_NOT_FOUND) {
        o->phase = PHASE_FIRST; /* an addition that its leader did not outlive */
        again(o, rc, err);
    } else if (rc == ERR_CONFLICT && ++o->conflicts < CONFLICTS_MAX) {
        again(o, rc, err); /* it may have come to lead what it is to be removed from */
    } else if (worth_repeating(rc)) {
        again(o, rc, err);
    } else {
        finish(o, rc, err);
    }
}

static void on_answer(struct call *call)
{
    struct operation *o = call->user;
    struct front *f = call->front;
    struct err err = call->err;
    int rc = call->rc;
    enum call_kind kind = call->kind;
    call_free(call);
    take_answer(o, kind, rc, &err);
    front_call_done(f);
}

static void ask(struct operation *o, enum call_kind kind)
{
    struct node_impl *n = o->node;
    struct front *f = front_of(n, &n->internal);
    if (f == NULL) {
        struct err err;
        finish(o, err_set(&err, ERR_CLOSED, "the node is shutting down"), &err);
        return;
    }
    uint64_t deadline_ms = loop_now_ms(&n->internal) + STEP_MS;
    struct call *call =
        call_new(kind, o->shard, deadline_ms < o->deadline_ms ? deadline_ms : o->deadline_ms);
    call->home = &n->internal;
    call->front = f;
    call->user = o;
    call->done = on_answer;
    if (kind != CALL_TRANSFER) {
        call_set_server(call, o->member.id, o->member.name);
    } else if (o->kind == OP_TRANSFER) {
        buf_add_cstr(&call->request, o->member.name);
    }
    front_call(f, call);
}

/* ---- the member's object, or the preferences' ---- */

static struct backend_key object_key(const struct operation *o)
{
    return o->kind == OP_PREFER ? (struct backend_key){.resource = SLICE(PREFERENCES_RESOURCE),
                                                       .name = SLICE(PREFERENCES_NAME)}
                                : (struct backend_key){.resource = SLICE(NODE_MEMBER_RESOURCE),
                                                       .name = slice_of(o->member.name)};
}

static void on_object_written(struct backend_submit *submit, int rc, const struct err *err)
{
    struct operation *o = submit->user;
    bool done =
        o->kind == OP_PREFER ? rc == 0 : o->kind == OP_REMOVE && (rc == 0 || rc == ERR_NOT_FOUND);
    if (done) {
        finish(o, 0, NULL);
    } else if (rc != 0) {
        again(o, rc, err);
    } else {
        o->phase = PHASE_FIRST;
        go_on(o);
    }
}

static void write_object(struct operation *o, enum backend_verb verb, struct slice body,
                         uint32_t splice, uint64_t if_version)
{
    struct node_impl *n = o->node;
    crypto_uuid(o->request_id);
    crypto_sha256(body, o->digest);
    o->submit = (struct backend_submit){
        .loop = &n->internal,
        .key = object_key(o),
        .if_version = if_version,
        .verb = verb,
        .body = body,
        .splice = splice,
        .subject = SLICE("system:node"),
        .request_id = slice_of(o->request_id),
        .issued_ms = node_wall_ms(n),
        .request_digest = slice_make(o->digest, sizeof(o->digest)),
        .audit = SLICE("{\"user\":\"system:node\"}"),
        .deadline_ms = loop_now_ms(&n->internal) + STEP_MS,
        .user = o,
        .done = on_object_written,
    };
    n->backend.ops->submit(&n->backend, &o->submit);
}

static void create_object(struct operation *o)
{
    json_t *tree =
        object_new("cluster.choreo.dev/v1", "Node", (struct slice){0}, slice_of(o->member.name));
    json_t *metadata = json_child(tree, "metadata");
    char created[32];
    char uid[37];
    clock_rfc3339(node_wall_ms(o->node), created);
    crypto_uuid(uid);
    json_object_set_new(metadata, "creationTimestamp", json_string(created));
    json_object_set_new(metadata, "generation", json_integer(1));
    json_object_set_new(metadata, "uid", json_string(uid));
    json_object_set_new(tree, "spec", identity_member_json(&o->member));
    struct err err;
    uint32_t splice = 0;
    buf_clear(&o->body);
    int rc = object_canonical(tree, &o->body, &splice, &err);
    json_decref(tree);
    if (rc != 0) {
        finish(o, rc, &err);
        return;
    }
    write_object(o, BACKEND_CREATE, buf_slice(&o->body), splice, 0);
}

/* A join whose object is there goes on, if it is the same member. */
static void take_object(struct operation *o, const struct backend_object *object)
{
    json_t *tree = NULL;
    struct node_member member = {0};
    struct err err;
    int rc = object_parse(object->body, 0, &tree, &err);
    if (rc == 0) {
        rc = identity_member_parse(json_object_get(tree, "spec"), &member, &err);
    }
    json_decref(tree);
    if (rc != 0) {
        finish(o, rc, &err);
    } else if (o->kind == OP_JOIN && member.id != o->member.id) {
        rc = err_set(&err, ERR_EXISTS, "a node %s with another id is a member: remove it first",
                     member.name);
        finish(o, rc, &err);
    } else if (o->kind == OP_JOIN) {
        o->phase = PHASE_FIRST;
        go_on(o);
    } else if (o->shard == o->node->identity.shards) {
        buf_clear(&o->body);
        buf_add(&o->body, object->body);
        write_object(o, BACKEND_DELETE, buf_slice(&o->body), object->splice, 0);
    } else {
        o->member = member;
        o->phase = PHASE_FIRST;
        go_on(o);
    }
}

/* present: NULL if there is none yet. A write that another came before begins with a new look. */
static void change_preferences(struct operation *o, const struct backend_object *present)
{
    struct err err;
    uint32_t splice = 0;
    bool changed = false;
    buf_clear(&o->body);
    int rc =
        preferences_edit(present != NULL ? present->body : (struct slice){0}, node_wall_ms(o->node),
                         o->shard, o->member.region, &o->body, &splice, &changed, &err);
    if (rc != 0 || !changed) {
        finish(o, rc, &err);
    } else if (present == NULL) {
        write_object(o, BACKEND_CREATE, buf_slice(&o->body), splice, 0);
    } else {
        write_object(o, BACKEND_UPDATE, buf_slice(&o->body), splice, present->version);
    }
}

static void on_object(struct backend_get *get, int rc, const struct err *err)
{
    struct operation *o = get->user;
    if (o->kind == OP_PREFER && (rc == 0 || rc == ERR_NOT_FOUND)) {
        change_preferences(o, rc == 0 ? &get->object : NULL);
    } else if (rc == ERR_NOT_FOUND && o->kind == OP_JOIN) {
        create_object(o);
    } else if (rc == ERR_NOT_FOUND && o->shard == o->node->identity.shards) {
        finish(o, 0, NULL);
    } else if (rc == ERR_NOT_FOUND) {
        struct err own;
        finish(o, err_set(&own, ERR_NOT_FOUND, "no node %s is a member", o->member.name), &own);
    } else if (rc != 0) {
        again(o, rc, err);
    } else {
        take_object(o, &get->object);
    }
}

static void get_object(struct operation *o)
{
    struct node_impl *n = o->node;
    o->get = (struct backend_get){
        .loop = &n->internal,
        .key = object_key(o),
        .consistency = BACKEND_LINEARIZABLE,
        .deadline_ms = loop_now_ms(&n->internal) + STEP_MS,
        .user = o,
        .done = on_object,
    };
    n->backend.ops->get(&n->backend, &o->get);
}

/* ---- the row of steps ---- */

static bool leads(const struct operation *o)
{
    struct node_status status;
    node_status(o->node->handle, &status);
    bool yes = o->shard < status.shard_count &&
               strcmp(status.shards[o->shard].leader, o->member.name) == 0;
    free(status.shards);
    return yes;
}

static void go_on(struct operation *o)
{
    o->resting = false;
    if (o->op == NULL || o->node->tenants == NULL) {
        struct err err;
        finish(o, err_set(&err, ERR_CLOSED, "the node is shutting down"), &err);
    } else if (o->kind == OP_TRANSFER) {
        ask(o, CALL_TRANSFER);
    } else if (o->phase == PHASE_OBJECT) {
        get_object(o);
    } else if (o->shard == o->node->identity.shards) {
        if (o->kind == OP_JOIN) {
            finish(o, 0, NULL);
        } else {
            get_object(o);
        }
    } else if (o->kind == OP_JOIN) {
        ask(o, o->phase == PHASE_FIRST ? CALL_ADD : CALL_PROMOTE);
    } else {
        ask(o, leads(o) ? CALL_TRANSFER : CALL_REMOVE);
    }
}

static void begin(struct loop_msg *msg)
{
    struct node_op *op = CONTAINER_OF(msg, struct node_op, msg);
    struct operation *o = mem_zero(sizeof(*o));
    o->op = op;
    o->node = op->node->impl;
    o->member = op->member;
    list_push_back(&o->node->operations, &o->link);
    o->kind = (enum op_kind)op->kind;
    o->deadline_ms = op->deadline_ms;
    o->shard = op->shard;
    loop_timer_init(&o->node->internal, &o->timer, on_again);
    go_on(o);
}

void operations_end(struct node_impl *n, const struct loop *loop)
{
    struct list *next;
    for (struct list *link = n->operations.next; link != &n->operations; link = next) {
        next = link->next;
        struct operation *o = CONTAINER_OF(link, struct operation, link);
        if (o->op == NULL || o->op->loop != loop) {
            continue;
        }
        o->rc = err_set(&o->err, ERR_CLOSED, "the node is shutting down");
        answer(o);
        if (o->resting) {
            loop_timer_close(&o->timer, on_timer_closed);
        }
    }
}

static void start(struct node *n, struct node_op *op, enum op_kind kind)
{
    op->node = n;
    op->kind = (int)kind;
    op->msg.run = begin;
    loop_post(&n->impl->internal, &op->msg);
}

void node_transfer(struct node *n, struct node_op *op, uint32_t shard, const char *to)
{
    op->shard = shard;
    op->member = (struct node_member){0};
    strncpy(op->member.name, to != NULL ? to : "", NODE_NAME_MAX);
    start(n, op, OP_TRANSFER);
}

void node_join(struct node *n, struct node_op *op, const struct node_member *member)
{
    op->shard = 0;
    op->member = *member;
    start(n, op, OP_JOIN);
}

void node_remove(struct node *n, struct node_op *op, const char *name)
{
    op->shard = 0;
    op->member = (struct node_member){0};
    strncpy(op->member.name, name, NODE_NAME_MAX);
    start(n, op, OP_REMOVE);
}

/* A preference for a region that nobody is in is a slip of the pen. */
static bool has_member_in(struct node *n, const char *region)
{
    struct node_status status;
    node_status(n, &status);
    bool found = false;
    for (size_t i = 0; i < status.member_count; i++) {
        found = found || strcmp(status.members[i].region, region) == 0;
    }
    free(status.shards);
    return found;
}

static void refuse_region(struct loop_msg *msg)
{
    struct node_op *op = CONTAINER_OF(msg, struct node_op, msg);
    struct err err;
    int rc = err_set(&err, ERR_NOT_FOUND, "no member is in region \"%s\"", op->member.region);
    op->done(op, rc, &err);
}

void node_prefer(struct node *n, struct node_op *op, uint32_t shard, const char *region)
{
    op->shard = shard;
    op->member = (struct node_member){0};
    strncpy(op->member.region, region, NODE_NAME_MAX);
    if (region[0] != '\0' && !has_member_in(n, region)) {
        op->msg.run = refuse_region;
        loop_post(op->loop, &op->msg);
    } else {
        start(n, op, OP_PREFER);
    }
}
