/* collect_rig.c: nodes with collectors; writes through admission, as a door makes them. */
#include "tests/unit/node/shard/collect_rig.h"

#include "base/crypto.h"

enum { CONFLICTS_MAX = 200 };

/* ---- nodes ---- */

static uint32_t shard_of(void *user, struct slice ns)
{
    return node_shard_of(user, ns);
}

static const char *database_of(void *user, uint32_t shard)
{
    return node_shard_database(user, shard);
}

static bool is_cluster_scoped(struct slice resource)
{
    return slice_eq(resource, SLICE(NODE_MEMBER_RESOURCE)) ||
           slice_eq(resource, SLICE("organizations.choreo.dev")) ||
           slice_eq(resource, SLICE("things.test.dev"));
}

static void tune(struct node_config *config)
{
    config->cluster_scoped = is_cluster_scoped;
}

void rig_start_node(struct rig *r, size_t i)
{
    struct caretaker *t = &r->care[i];
    struct member *m = &r->c.members[i];
    struct err err;
    *t = (struct caretaker){.node = &m->node, .up = true};
    assert_ok(loop_init(&t->loop, "collector", &err), &err);
    t->hooks = (struct node_hooks){.loop = &t->loop,
                                   .user = &t->collector,
                                   .on_lead = collector_on_lead,
                                   .on_unlead = collector_on_unlead,
                                   .on_change = collector_on_change,
                                   .on_reset = collector_on_reset};
    assert_ok(member_start(&r->c, i, &t->hooks, &err), &err);
    assert_ok(node_attach(&m->node, &t->loop, &err), &err);
    const struct collector_config config = {.loop = &t->loop,
                                            .backend = node_backend(&m->node),
                                            .kinds = r->serves,
                                            .shard_count = r->c.shards,
                                            .user = &m->node,
                                            .shard_of = shard_of,
                                            .database = database_of};
    collector_start(&t->collector, &config);
    assert_ok(loop_start(&t->loop, &err), &err);
}

static void on_detached(void *user)
{
    struct caretaker *t = user;
    loop_stop(&t->loop);
}

static void on_stopped(struct collector *collector)
{
    struct caretaker *t = CONTAINER_OF(collector, struct caretaker, collector);
    node_detach(t->node, &t->loop, on_detached, t);
}

static void do_stop(struct loop_msg *msg)
{
    struct caretaker *t = CONTAINER_OF(msg, struct caretaker, stop);
    collector_stop(&t->collector, on_stopped);
}

void rig_stop_node(struct rig *r, size_t i, bool clean)
{
    struct caretaker *t = &r->care[i];
    t->stop.run = do_stop;
    loop_post(&t->loop, &t->stop);
    loop_join(&t->loop);
    t->up = false;
    cluster_stop(&r->c, i, clean);
}

void rig_begin(struct rig *r, size_t nodes, uint32_t shards)
{
    const struct kind *thing;
    struct err err;
    *r = (struct rig){0};
    kind_registry_init(&r->kinds);
    kind_registry_builtin(&r->kinds);
    assert_ok(kind_registry_define(&r->kinds, SLICE("test.dev"), SLICE("v1"), SLICE("Thing"),
                                   SLICE("things"), false, &thing, &err),
              &err);
    kind_board_init(&r->board, &r->kinds);
    r->serves = &r->board;
    cluster_make(&r->c, nodes, nodes, shards);
    r->c.tune = tune;
    for (size_t i = 0; i < nodes; i++) {
        rig_start_node(r, i);
    }
    for (uint32_t shard = 0; shard < shards; shard++) {
        (void)await_leader(&r->c, shard);
    }
}

void rig_end(struct rig *r)
{
    for (size_t i = 0; i < r->c.count; i++) {
        if (r->care[i].up) {
            rig_stop_node(r, i, false);
        }
    }
    cluster_end(&r->c);
    kind_board_free(&r->board);
    kind_registry_free(&r->kinds);
    arena_free(&r->arena);
}

/* ---- requests ---- */

struct asking {
    struct member *member;
    struct backend_get get;
    struct backend_list list;
    struct backend_submit submit;
    struct buf body;
    struct buf text;
    uint64_t version;
    int rc;
    struct err err;
};

static struct member *some_member(struct rig *r)
{
    size_t i = 0;
    while (!r->c.members[i].up) {
        i++;
    }
    return &r->c.members[i];
}

static void ended(struct asking *a, int rc, const struct err *err)
{
    a->rc = rc;
    a->err = rc != 0 ? *err : (struct err){0};
    onloop_done(&a->member->front);
}

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct asking *a = get->user;
    buf_clear(&a->body);
    if (rc == 0) {
        buf_add(&a->body, get->object.body);
        a->version = get->object.version;
    }
    ended(a, rc, err);
}

static void do_get(void *arg)
{
    struct asking *a = arg;
    struct backend *b = node_backend(&a->member->node);
    a->get.deadline_ms = loop_now_ms(&a->member->front.loop) + CLUSTER_WAIT_MS;
    b->ops->get(b, &a->get);
}

static void on_submitted(struct backend_submit *submit, int rc, const struct err *err)
{
    ended(submit->user, rc, err);
}

static void do_submit(void *arg)
{
    struct asking *a = arg;
    struct backend *b = node_backend(&a->member->node);
    a->submit.deadline_ms = loop_now_ms(&a->member->front.loop) + CLUSTER_WAIT_MS;
    b->ops->submit(b, &a->submit);
}

static int send_write(struct rig *r, const struct admit_request *request)
{
    struct admit_result result;
    struct err err;
    int rc = admit(request, &result, &err);
    if (rc != 0 || !result.changed) {
        return rc;
    }
    char id[37];
    uint8_t digest[SHA256_BYTES];
    struct asking a = {.member = some_member(r)};
    crypto_uuid(id);
    crypto_sha256(result.body, digest);
    a.submit = (struct backend_submit){.loop = &a.member->front.loop,
                                       .key = {request->kind->resource, request->ns, result.name},
                                       .verb = result.verb,
                                       .body = result.body,
                                       .splice = result.splice,
                                       .if_version = result.if_version,
                                       .if_uid = result.if_uid,
                                       .subject = SLICE("system:test"),
                                       .request_id = slice_of(id),
                                       .issued_ms = clock_system.wall_ms(&clock_system),
                                       .request_digest = slice_make(digest, sizeof(digest)),
                                       .audit = SLICE("{}"),
                                       .user = &a,
                                       .done = on_submitted};
    onloop_post(&a.member->front, do_submit, &a);
    onloop_wait(&a.member->front, "a write");
    return a.rc;
}

/* ---- writes ---- */

static json_t *json_of(struct arena *arena, const char *text)
{
    char *copy = arena_printf(arena, "%s", text);
    for (char *c = copy; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    json_t *tree = NULL;
    struct err err;
    assert_ok(json_parse(slice_of(copy), &tree, &err), &err);
    arena_own(arena, tree, (void (*)(void *))json_decref);
    return tree;
}

static struct admit_request request_of(struct rig *r, struct arena *arena, enum admit_op op,
                                       const char *ns, const char *name)
{
    return (struct admit_request){
        .arena = arena,
        .kind =
            kind_by_resource(&r->kinds, slice_of(*ns != '\0' ? "configmaps" : "things.test.dev")),
        .op = op,
        .ns = slice_of(ns),
        .name = slice_of(name),
        .field_manager = SLICE("test"),
        .collected = true,
        .now_ms = clock_system.wall_ms(&clock_system)};
}

int rig_create(struct rig *r, const char *ns, const char *name, const char *uid,
               const char *metadata)
{
    struct arena arena = {0};
    struct admit_request request = request_of(r, &arena, ADMIT_CREATE, ns, name);
    const char *space = *ns == '\0' ? "" : arena_printf(&arena, "'namespace':'%s',", ns);
    request.name = SLICE("");
    request.incoming =
        json_of(&arena, arena_printf(&arena, "{'metadata':{%s%s'name':'%s'%s%s}}", "", space, name,
                                     *metadata != '\0' ? "," : "", metadata));
    (void)snprintf(request.uid, sizeof(request.uid), "%s", uid);
    int rc = send_write(r, &request);
    arena_free(&arena);
    return rc;
}

static int change(struct rig *r, enum admit_op op, const char *ns, const char *name,
                  const char *incoming)
{
    int rc = ERR_CONFLICT;
    for (int i = 0; i < CONFLICTS_MAX && rc == ERR_CONFLICT; i++) {
        struct arena arena = {0};
        struct admit_request request = request_of(r, &arena, op, ns, name);
        struct asking a = {.member = some_member(r)};
        a.get = (struct backend_get){.loop = &a.member->front.loop,
                                     .key = {request.kind->resource, request.ns, request.name},
                                     .consistency = BACKEND_LINEARIZABLE,
                                     .user = &a,
                                     .done = on_got};
        onloop_post(&a.member->front, do_get, &a);
        onloop_wait(&a.member->front, "a read");
        rc = a.rc;
        if (rc == 0) {
            struct backend_object old = {
                .key = a.get.key, .body = buf_slice(&a.body), .version = a.version};
            struct err err;
            assert_ok(object_splice(old.body, &old.splice, &err), &err);
            request.old = &old;
            request.incoming = json_of(&arena, incoming);
            rc = send_write(r, &request);
        }
        buf_free(&a.body);
        arena_free(&arena);
    }
    return rc;
}

int rig_delete(struct rig *r, const char *ns, const char *name, const char *options)
{
    return change(r, ADMIT_DELETE, ns, name, options);
}

int rig_patch(struct rig *r, const char *ns, const char *name, const char *patch)
{
    return change(r, ADMIT_PATCH_MERGE, ns, name, patch);
}

const char *rig_ref(struct rig *r, const char *ns, const char *name, const char *uid, bool blocks)
{
    return arena_printf(
        &r->arena, "{'apiVersion':'%s','kind':'%s','name':'%s','uid':'%s','blockOwnerDeletion':%s}",
        *ns != '\0' ? "v1" : "test.dev/v1", *ns != '\0' ? "ConfigMap" : "Thing", name, uid,
        blocks ? "true" : "false");
}

/* ---- what there is ---- */

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct asking *a = list->user;
    json_t *tree = NULL;
    struct err err;
    if (object_parse(object->body, 0, &tree, &err) != 0) {
        return;
    }
    const json_t *refs = json_at(tree, "metadata", "ownerReferences", NULL);
    buf_addf(&a->text, "%s%.*s/%.*s%s", a->text.len > 0 ? " " : "", SLICE_ARG(object->key.ns),
             SLICE_ARG(object->key.name), object_deleting(tree) ? "!" : "");
    for (size_t i = 0; i < json_array_size(refs); i++) {
        buf_addf(&a->text, "%s%.*s", i == 0 ? "<" : ",",
                 SLICE_ARG(json_text_at(json_array_get(refs, i), "uid")));
    }
    json_decref(tree);
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    ended(list->user, rc, err);
}

static void do_list(void *arg)
{
    struct asking *a = arg;
    struct backend *b = node_backend(&a->member->node);
    a->list.deadline_ms = loop_now_ms(&a->member->front.loop) + CLUSTER_WAIT_MS;
    b->ops->list(b, &a->list);
}

const char *rig_text(struct rig *r)
{
    struct asking a = {.member = some_member(r)};
    static const char *const resources[] = {"things.test.dev", "configmaps"};
    for (size_t i = 0; i < 2; i++) {
        a.list = (struct backend_list){.loop = &a.member->front.loop,
                                       .resource = slice_of(resources[i]),
                                       .consistency = BACKEND_LINEARIZABLE,
                                       .limit = BACKEND_PAGE_ROWS_MAX,
                                       .user = &a,
                                       .row = on_row,
                                       .done = on_listed};
        onloop_post(&a.member->front, do_list, &a);
        onloop_wait(&a.member->front, "a list");
        assert_ok(a.rc, &a.err);
        assert_false(a.list.more);
    }
    const char *text = arena_cstr(&r->arena, buf_slice(&a.text));
    buf_free(&a.text);
    return text;
}

void rig_await(struct rig *r, const char *text)
{
    const char *now = "";
    for (int waited_ms = 0; waited_ms < CLUSTER_WAIT_MS; waited_ms += 20) {
        now = rig_text(r);
        if (strcmp(now, text) == 0) {
            return;
        }
        uv_sleep(20);
    }
    assert_string_equal(now, text);
}
