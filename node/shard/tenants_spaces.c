/* tenants_spaces.c: Organizations and their namespaces' rows, brought together again.
 *
 * An Organization lies in the system shard, its namespace's row in that namespace's shard, and a
 * crash may come between the two writes. Rows are read, then Organizations are listed; what does
 * not agree is marked: an Organization without row gets one, one that is being deleted has it
 * marked, a row without Organization is marked and, once its namespace is empty, removed.
 *
 * Failure path: nothing is kept; the next look starts anew.
 *
 * Invariants: rows are read before Organizations, which are listed linearizably: a row whose
 * Organization is not in that list has lost it, since the row is always made second. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/shard/tenants_internal.h"

struct space {
    enum namespace_state row;
    bool owned; /* its Organization is there */
    bool deleting;
};

static void on_marked(struct call *call)
{
    struct tenants *t = call->user;
    struct front *f = call->front;
    t->busy--;
    call_free(call);
    front_call_done(f);
}

static void mark(struct tenants *t, struct slice name, enum namespace_state state)
{
    struct node_impl *n = t->node;
    struct front *f = front_of(n, &n->internal);
    struct call *call = call_new(CALL_SUBMIT, node_shard_of(n->handle, name),
                                 loop_now_ms(&n->internal) + TENANTS_WRITE_MS);
    struct command command = {.kind = COMMAND_NAMESPACE, .mark = {.name = name, .state = state}};
    struct err err;
    if (f == NULL || command_encode(&command, &call->request, &err) != 0) {
        call_free(call);
        return;
    }
    call->home = &n->internal;
    call->front = f;
    call->user = t;
    call->done = on_marked;
    t->busy++;
    front_call(f, call);
}

static struct space *space_named(struct tenants *t, struct slice name)
{
    struct space *s = map_get(&t->spaces, name);
    if (s == NULL) {
        s = mem_zero(sizeof(*s));
        s->row = NAMESPACE_GONE;
        (void)map_put(&t->spaces, name, s);
    }
    return s;
}

void tenants__forget_spaces(struct tenants *t)
{
    size_t cursor = 0;
    struct slice name;
    void *space;
    while (map_next(&t->spaces, &cursor, &name, &space)) {
        free(space);
    }
    map_free(&t->spaces);
    t->spaces = (struct map){0};
}

static int read_rows(struct tenants *t, uint32_t shard, struct err *err)
{
    struct reader r;
    int rc = reader_open(&r, t->node->replicas[shard].path, shard, err);
    if (rc != 0) {
        return rc;
    }
    rc = reader_begin(&r, err);
    if (rc == 0) {
        rc = reader_namespaces_start(&r, (struct slice){0}, err);
        bool found = rc == 0;
        while (rc == 0 && found) {
            struct slice name;
            enum namespace_state state;
            rc = reader_namespaces_next(&r, &name, &state, &found, err);
            if (rc == 0 && found) {
                space_named(t, name)->row = state;
            }
        }
        reader_end(&r);
    }
    reader_close(&r);
    return rc;
}

/* What its row should become; NAMESPACE_GONE is refused while it holds anything. */
static void repair_one(struct tenants *t, struct slice name, const struct space *s)
{
    bool own = slice_eq(name, SLICE("choreo-system")) || slice_eq(name, SLICE("default"));
    if (s->owned && s->row == NAMESPACE_GONE && !s->deleting) {
        mark(t, name, NAMESPACE_ACTIVE);
    } else if (s->owned && s->deleting && s->row == NAMESPACE_ACTIVE) {
        mark(t, name, NAMESPACE_TERMINATING);
    } else if (!s->owned && !own && s->row == NAMESPACE_ACTIVE) {
        mark(t, name, NAMESPACE_TERMINATING);
    } else if (!s->owned && !own && s->row == NAMESPACE_TERMINATING) {
        mark(t, name, NAMESPACE_GONE);
    }
}

static void repair(struct tenants *t)
{
    size_t cursor = 0;
    struct slice name;
    void *space;
    while (map_next(&t->spaces, &cursor, &name, &space)) {
        repair_one(t, name, space);
    }
    if (space_named(t, SLICE("choreo-system"))->row == NAMESPACE_GONE) {
        mark(t, SLICE("choreo-system"), NAMESPACE_ACTIVE);
    }
    const struct space *first = space_named(t, SLICE("default"));
    bool alone =
        t->node->config.hooks == NULL; /* else the reconciler makes it, with all defaults */
    if (alone && first->row == NAMESPACE_GONE && !first->owned) {
        json_t *tree = tenants__new_object(t, "choreo.dev/v1", "Organization", "default");
        json_object_set_new(tree, "spec", json_object());
        tenants__create(t, SLICE(NODE_ORGANIZATION_RESOURCE), "default", tree);
    }
}

static void list_owners(struct tenants *t);

static void on_owner(struct backend_list *list, const struct backend_object *object)
{
    struct tenants *t = list->user;
    struct slice value;
    struct space *s = space_named(t, object->key.name);
    s->owned = true;
    s->deleting = json_scan(object->body, &value, "metadata", "deletionTimestamp", NULL);
    backend_cursor_set(&t->last, &object->key);
}

static void on_owners(struct backend_list *list, int rc, const struct err *err)
{
    struct tenants *t = list->user;
    t->busy--;
    if (rc != 0) {
        log_debug("node.namespaces", "error=%s", log_q(err->message));
        tenants__forget_spaces(t);
        return;
    }
    if (list->more) {
        list_owners(t);
        return;
    }
    repair(t);
    tenants__forget_spaces(t);
}

static void list_owners(struct tenants *t)
{
    tenants__list(t, SLICE(NODE_ORGANIZATION_RESOURCE), BACKEND_LINEARIZABLE, on_owner, on_owners);
}

void tenants__look_at_namespaces(struct tenants *t)
{
    struct err err;
    t->last = (struct backend_cursor){0};
    for (uint32_t i = 0; i < t->node->identity.shards; i++) {
        if (read_rows(t, i, &err) != 0) {
            log_warn("node.namespaces", "shard=%u error=%s", i, log_q(err.message));
            tenants__forget_spaces(t);
            return;
        }
    }
    list_owners(t);
}
