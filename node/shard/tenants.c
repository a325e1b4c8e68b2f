/* tenants.c: the node's own look at the system shard: members, preferences, namespaces' rows.
 *
 * A front on a loop of its own looks as soon as the system shard has moved. Every node takes the
 * members' addresses from their objects. The node that leads the system shard also makes what is
 * missing: objects of members that the shard's configuration names, the Organization `default`,
 * and, every few seconds, what a crash left between an Organization and its namespace's row
 * (tenants_spaces.c).
 *
 * Failure path: each look starts from what is there; what fails is done by a later one. */
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "node/shard/identity.h"
#include "node/shard/tenants_internal.h"

enum { LOOK_MS = 250, REPAIR_MS = 5000 };

/* ---- writes ---- */

struct write {
    struct backend_submit submit;
    struct tenants *tenants;
    struct buf body;
    char name[64];
    char request_id[37];
    uint8_t digest[SHA256_BYTES];
};

static void on_written(struct backend_submit *submit, int rc, const struct err *err)
{
    struct write *w = CONTAINER_OF(submit, struct write, submit);
    if (rc != 0 && rc != ERR_EXISTS && rc != ERR_CLOSED) {
        log_warn("node.system", "name=%s error=%s", w->name, log_q(err->message));
    }
    w->tenants->busy--;
    buf_free(&w->body);
    free(w);
}

/* Creates a cluster-scoped object; takes the tree. */
void tenants__create(struct tenants *t, struct slice resource, const char *name, json_t *tree)
{
    struct node_impl *n = t->node;
    struct write *w = mem_zero(sizeof(*w));
    w->tenants = t;
    memcpy(w->name, name, strlen(name) + 1);
    crypto_uuid(w->request_id);
    struct err err;
    uint32_t splice = 0;
    int rc = object_canonical(tree, &w->body, &splice, &err);
    json_decref(tree);
    if (rc != 0) {
        log_error("node.system", "name=%s error=%s", name, log_q(err.message));
        buf_free(&w->body);
        free(w);
        return;
    }
    crypto_sha256(buf_slice(&w->body), w->digest);
    w->submit = (struct backend_submit){
        .loop = &n->internal,
        .key = {.resource = resource, .name = slice_of(w->name)},
        .verb = BACKEND_CREATE,
        .body = buf_slice(&w->body),
        .splice = splice,
        .subject = SLICE("system:node"),
        .request_id = slice_of(w->request_id),
        .issued_ms = node_wall_ms(n),
        .request_digest = slice_make(w->digest, sizeof(w->digest)),
        .audit = SLICE("{\"verb\":\"create\",\"user\":\"system:node\"}"),
        .deadline_ms = loop_now_ms(&n->internal) + TENANTS_WRITE_MS,
        .done = on_written,
    };
    t->busy++;
    n->backend.ops->submit(&n->backend, &w->submit);
}

json_t *tenants__new_object(const struct tenants *t, const char *api_version, const char *kind,
                            const char *name)
{
    json_t *tree = object_new(api_version, kind, (struct slice){0}, slice_of(name));
    json_t *metadata = json_child(tree, "metadata");
    char created[32];
    char uid[37];
    clock_rfc3339(node_wall_ms(t->node), created);
    crypto_uuid(uid);
    json_object_set_new(metadata, "creationTimestamp", json_string(created));
    json_object_set_new(metadata, "generation", json_integer(1));
    json_object_set_new(metadata, "uid", json_string(uid));
    return tree;
}

static json_t *member_object(const struct tenants *t, const struct node_member *member)
{
    json_t *tree = tenants__new_object(t, "cluster.choreo.dev/v1", "Node", member->name);
    json_object_set_new(tree, "spec", identity_member_json(member));
    return tree;
}

/* ---- members ---- */

struct members_msg {
    struct loop_msg msg;
    struct node_impl *node;
    struct node_member members[NODE_MEMBERS_MAX];
    size_t count;
};

static void run_members_set(struct loop_msg *msg)
{
    struct members_msg *m = CONTAINER_OF(msg, struct members_msg, msg);
    if (!m->node->stopping) {
        members_set(m->node, m->members, m->count);
    }
    free(m);
}

static void publish_members(struct tenants *t)
{
    struct node_impl *n = t->node;
    struct err err;
    if (identity_write_members(n->dir, IDENTITY_PEERS, t->members, t->member_count, &err) != 0) {
        log_error("node.members", "error=%s", log_q(err.message));
    }
    struct members_msg *m = mem_zero(sizeof(*m));
    m->msg.run = run_members_set;
    m->node = n;
    m->count = t->member_count;
    memcpy(m->members, t->members, sizeof(t->members));
    loop_post(&n->consensus, &m->msg);
}

static size_t member_at(const struct node_member *members, size_t count, const char *name)
{
    size_t i = 0;
    while (i < count && strcmp(members[i].name, name) != 0) {
        i++;
    }
    return i;
}

/* What was found becomes what is known; members never yet seen as objects stay. */
static bool take_members(struct tenants *t)
{
    bool changed = false;
    for (size_t i = 0; i < t->found_count; i++) {
        size_t at = member_at(t->members, t->member_count, t->found[i].name);
        if (at == NODE_MEMBERS_MAX) {
            continue;
        }
        if (at == t->member_count) {
            t->member_count++;
            t->members[at] = (struct node_member){0};
        }
        t->seen[at] = true;
        if (memcmp(&t->members[at], &t->found[i], sizeof(t->found[i])) != 0) {
            t->members[at] = t->found[i];
            changed = true;
        }
    }
    for (size_t i = t->member_count; i-- > 0;) {
        bool gone =
            t->seen[i] && member_at(t->found, t->found_count, t->members[i].name) == t->found_count;
        if (gone) {
            t->member_count--;
            t->members[i] = t->members[t->member_count];
            t->seen[i] = t->seen[t->member_count];
            changed = true;
        }
    }
    return changed;
}

/* Members of the system shard's configuration that have no object yet: the founders. */
static void make_members(struct tenants *t, const struct node_shard_status *system)
{
    for (size_t i = 0; i < system->peer_count && i < NODE_MEMBERS_MAX; i++) {
        const char *name = system->peers[i].name;
        size_t at = member_at(t->members, t->member_count, name);
        if (at < t->member_count && member_at(t->found, t->found_count, name) == t->found_count) {
            tenants__create(t, SLICE(NODE_MEMBER_RESOURCE), name,
                            member_object(t, &t->members[at]));
        }
    }
}

static void on_member(struct backend_list *list, const struct backend_object *object)
{
    struct tenants *t = list->user;
    json_t *tree = NULL;
    struct err err;
    struct node_member member;
    int rc = object_parse(object->body, 0, &tree, &err);
    if (rc == 0) {
        rc = identity_member_parse(json_object_get(tree, "spec"), &member, &err);
    }
    if (rc != 0) {
        log_error("node.members", "name=%.*s error=%s", SLICE_ARG(object->key.name),
                  log_q(err.message));
    } else if (t->found_count < NODE_MEMBERS_MAX) {
        t->found[t->found_count++] = member;
    }
    json_decref(tree);
}

void tenants__list(struct tenants *t, struct slice resource, enum backend_consistency consistency,
                   void (*row)(struct backend_list *list, const struct backend_object *object),
                   void (*done)(struct backend_list *list, int rc, const struct err *err))
{
    struct node_impl *n = t->node;
    t->list = (struct backend_list){.loop = &n->internal,
                                    .resource = resource,
                                    .consistency = consistency,
                                    .after_name = slice_of(t->last.name),
                                    .limit = BACKEND_PAGE_ROWS_MAX,
                                    .deadline_ms = loop_now_ms(&n->internal) + TENANTS_WRITE_MS,
                                    .user = t,
                                    .row = row,
                                    .done = done};
    t->busy++;
    n->backend.ops->list(&n->backend, &t->list);
}

/* ---- looks ---- */

static void on_preferences(void *user, bool failed)
{
    struct tenants *t = user;
    t->busy--;
    if (failed) {
        t->looked = 0;
    }
}

static void on_members(struct backend_list *list, int rc, const struct err *err)
{
    struct tenants *t = list->user;
    struct node_impl *n = t->node;
    t->busy--;
    if (rc != 0) {
        log_debug("node.members", "error=%s", log_q(err->message));
        t->looked = 0;
        return;
    }
    if (take_members(t)) {
        publish_members(t);
    }
    t->busy++;
    preferences_look(&t->preferences, loop_now_ms(&n->internal) + TENANTS_WRITE_MS);
    struct node_status status;
    node_status(n->handle, &status);
    bool leads = status.shard_count > 0 && status.shards[0].serving;
    uint64_t now = loop_now_ms(&n->internal);
    if (leads) {
        make_members(t, &status.shards[0]);
    }
    if (now >= t->repair_at_ms) {
        t->repair_at_ms = now + (leads ? REPAIR_MS : LOOK_MS);
        if (leads) {
            tenants__look_at_namespaces(t);
        }
    }
    free(status.shards);
}

static void on_timer(struct loop_timer *timer)
{
    struct tenants *t = CONTAINER_OF(timer, struct tenants, timer);
    const struct front *f = front_of(t->node, &t->node->internal);
    uint64_t present = f != NULL ? view_present(&f->shards[0].view) : 0;
    bool due = present != t->looked || loop_now_ms(timer->loop) >= t->repair_at_ms;
    if (t->busy > 0 || !due) {
        return;
    }
    t->looked = present;
    t->found_count = 0;
    t->last = (struct backend_cursor){0};
    tenants__list(t, SLICE(NODE_MEMBER_RESOURCE), BACKEND_STALE, on_member, on_members);
}

struct beginning {
    struct tenants *tenants;
    int rc;
    struct err *err;
};

static void begin(void *arg)
{
    struct beginning *b = arg;
    struct tenants *t = b->tenants;
    b->rc = node_attach(t->node->handle, &t->node->internal, b->err);
    if (b->rc != 0) {
        return;
    }
    loop_timer_init(&t->node->internal, &t->timer, on_timer);
    loop_timer_start(&t->timer, LOOK_MS / 4, LOOK_MS / 4);
}

int tenants_start(struct node_impl *n, struct err *err)
{
    struct tenants *t = mem_zero(sizeof(*t));
    t->node = n;
    int rc = identity_read_members(n->dir, IDENTITY_PEERS, t->members, NODE_MEMBERS_MAX,
                                   &t->member_count, err);
    if (rc != 0) {
        free(t);
        return rc;
    }
    preferences_init(&t->preferences, n);
    t->preferences.user = t;
    t->preferences.looked = on_preferences;
    struct beginning b = {.tenants = t, .err = err};
    node_run_on(&n->internal, begin, &b);
    if (b.rc != 0) {
        preferences_free(&t->preferences);
        free(t);
        return b.rc;
    }
    (void)uv_sem_init(&t->detached, 0);
    n->tenants = t;
    return 0;
}

static void on_detached(void *user)
{
    struct tenants *t = user;
    uv_sem_post(&t->detached);
}

static void end(void *arg)
{
    struct tenants *t = arg;
    loop_timer_close(&t->timer, NULL);
    node_detach(t->node->handle, &t->node->internal, on_detached, t);
}

void tenants_stop(struct node_impl *n)
{
    struct tenants *t = n->tenants;
    node_run_on(&n->internal, end, t);
    uv_sem_wait(&t->detached);
    uv_sem_destroy(&t->detached);
    tenants__forget_spaces(t);
    preferences_free(&t->preferences);
    free(t);
    n->tenants = NULL;
}
