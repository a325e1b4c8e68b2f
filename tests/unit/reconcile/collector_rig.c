/* collector_rig.c: databases, a backend over them, and the loop that a test waits on. */
#include "tests/unit/reconcile/collector_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/version.h"

enum { BATCH = 500 };

/* ---- places ---- */

static uint32_t shard_of(void *user, struct slice ns)
{
    (void)user;
    return ns.len == 0 ? 0 : slice_eq(ns, SLICE("birch")) ? 2 : 1;
}

static const char *path_of(struct rig *r, uint32_t shard)
{
    return tmpdir_path(&r->tmp, arena_printf(&r->arena, "%u.db", shard));
}

static const char *database_of(void *user, uint32_t shard)
{
    struct rig *r = user;
    return r->unreadable[shard] ? "/nowhere/state.db" : path_of(r, shard);
}

static const char *resource_of(const char *ns)
{
    return *ns == '\0' ? "things.test.dev" : "configmaps";
}

/* ---- on the loop ---- */

struct call {
    struct loop_msg msg;
    struct rig *r;
    void (*fn)(struct rig *r, uint32_t shard);
    uint32_t shard;
};

static void on_call(struct loop_msg *msg)
{
    struct call *call = CONTAINER_OF(msg, struct call, msg);
    call->fn(call->r, call->shard);
    call->r->done = true;
}

static void call(struct rig *r, void (*fn)(struct rig *r, uint32_t shard), uint32_t shard)
{
    struct call c = {.msg.run = on_call, .r = r, .fn = fn, .shard = shard};
    r->done = false;
    loop_post(&r->loop, &c.msg);
    loop_run_until(&r->loop, &r->done);
}

static void tell(struct rig *r, uint32_t shard)
{
    collector_on_change(&r->collector, shard, r->dbs[shard].state.last_version);
}

/* ---- writing ---- */

static int apply(struct rig *r, uint32_t shard, struct command *commands, size_t count,
                 struct err *err)
{
    struct db *db = &r->dbs[shard];
    struct arena arena = {0};
    struct buf bytes = {0};
    struct apply_result result;
    struct entry entry = {
        .time_ms = clock_system.wall_ms(&clock_system), .commands = commands, .count = count};
    for (size_t i = 0; i < count; i++) {
        uint64_t last = i > 0 ? commands[i - 1].write.version : db->state.last_version;
        commands[i].write.version = version_next(last, entry.time_ms, shard);
    }
    assert_ok(entry_encode(&entry, &bytes, err), err);
    struct apply_entry one = {
        .index = db->state.applied_index + 1, .term = 1, .payload = buf_slice(&bytes)};
    assert_ok(apply_entries(db, &one, 1, SLICE("conf"), &arena, &result, err), err);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = outcome_err(&result.outcomes[i], err);
    }
    if (loop_is_current(&r->loop)) {
        tell(r, shard);
    } else {
        call(r, tell, shard);
    }
    buf_free(&bytes);
    arena_free(&arena);
    return rc;
}

/* ---- the backend ---- */

struct asked {
    struct loop_msg msg;
    struct list link;
    struct rig *r;
    void *request;
    uint32_t shard; /* RIG_SHARDS: all */
    struct backend_get *get;
    struct backend_list *list;
    struct backend_submit *submit;
    bool canceled;
};

static int failure(const struct asked *a, struct err *err)
{
    int code = a->canceled ? ERR_CANCELED : 0;
    for (uint32_t i = 0; i < RIG_SHARDS && code == 0; i++) {
        code = a->shard == i || a->shard == RIG_SHARDS ? a->r->fails[i] : 0;
    }
    return code != 0 ? err_set(err, code, "told to fail") : 0;
}

static void answer_get(struct asked *a, int rc, struct err *err)
{
    struct reader *r = &a->r->readers[a->shard];
    struct reader_row row;
    if (rc == 0) {
        assert_ok(reader_begin(r, err), err);
        rc = reader_get(r, &a->get->key, 0, &row, err);
        a->get->object = rc == 0 ? row.object : a->get->object;
    }
    a->get->done(a->get, rc, err);
    if (r->pinned) {
        reader_end(r);
    }
}

static void answer(struct loop_msg *msg)
{
    struct asked *a = CONTAINER_OF(msg, struct asked, msg);
    struct err err = {0};
    int rc = failure(a, &err);
    list_remove(&a->link);
    if (a->get != NULL) {
        answer_get(a, rc, &err);
    } else if (a->list != NULL) {
        a->list->done(a->list, rc, &err);
    } else {
        struct command command;
        command_from_submit(a->submit, &command);
        rc = rc == 0 ? apply(a->r, a->shard, &command, 1, &err) : rc;
        a->submit->done(a->submit, rc, &err);
    }
    free(a);
}

static bool is_held(const struct asked *a)
{
    return a->submit != NULL ? a->r->holds_writes : a->r->silent[a->shard];
}

static void ask(struct backend *b, struct asked asked)
{
    struct asked *a = mem_zero(sizeof(*a));
    struct rig *r = CONTAINER_OF(b, struct rig, backend);
    *a = asked;
    a->r = r;
    a->msg.run = answer;
    list_init(&a->link);
    r->asked[a->shard]++;
    list_push_back(&r->held, &a->link);
    if (!is_held(a)) {
        loop_post(&r->loop, &a->msg);
    }
}

static void on_get(struct backend *b, struct backend_get *get)
{
    ask(b, (struct asked){.request = get, .get = get, .shard = shard_of(NULL, get->key.ns)});
}

static void on_list(struct backend *b, struct backend_list *list)
{
    ask(b, (struct asked){.request = list, .list = list, .shard = RIG_SHARDS});
}

static void on_submit(struct backend *b, struct backend_submit *submit)
{
    uint32_t shard = shard_of(NULL, submit->key.ns);
    ask(b, (struct asked){.request = submit, .submit = submit, .shard = shard});
}

static void on_cancel(struct backend *b, void *request)
{
    struct rig *r = CONTAINER_OF(b, struct rig, backend);
    LIST_FOREACH(link, &r->held)
    {
        struct asked *a = CONTAINER_OF(link, struct asked, link);
        if (a->request == request && !r->deaf && !a->canceled) {
            a->canceled = true;
            if (is_held(a)) {
                loop_post(&r->loop, &a->msg);
            }
        }
    }
}

void rig_answer(struct rig *r)
{
    LIST_FOREACH(link, &r->held)
    {
        struct asked *a = CONTAINER_OF(link, struct asked, link);
        if (is_held(a) && !a->canceled) {
            loop_post(&r->loop, &a->msg);
        }
    }
    memset(r->silent, 0, sizeof(r->silent));
    r->holds_writes = false;
}

bool rig_holds_any(struct rig *r)
{
    return !list_empty(&r->held);
}

/* ---- waiting ---- */

static void on_poll(struct loop_timer *timer)
{
    struct rig *r = CONTAINER_OF(timer, struct rig, poll);
    r->gave_up = loop_now_ms(&r->loop) > r->give_up_ms;
    r->done = r->done || r->gave_up || r->until(r);
}

void rig_until(struct rig *r, bool (*until)(struct rig *r))
{
    r->until = until;
    r->done = false;
    uv_update_time(&r->loop.uv);
    r->give_up_ms = loop_now_ms(&r->loop) + RIG_WAIT_MS;
    loop_timer_start(&r->poll, 0, 2);
    loop_run_until(&r->loop, &r->done);
    loop_timer_stop(&r->poll); /* only now: a loop with nothing to wait for waits for ever */
    assert_false(r->gave_up);
}

bool rig_idle(struct rig *r)
{
    const struct collector_impl *c = r->collector.impl;
    bool reads = !list_empty(&c->sweeps) || list_linked(&c->turn.link) || c->behind;
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        const struct collector_shard *s = &c->shards[i];
        reads |= s->scanning || (s->followed && s->at < r->dbs[i].state.last_version);
    }
    return !reads && c->items.count == 0;
}

/* ---- leading ---- */

static void lead_now(struct rig *r, uint32_t shard)
{
    collector_on_lead(&r->collector, shard, 1, 1, 1);
}

static void unlead_now(struct rig *r, uint32_t shard)
{
    collector_on_unlead(&r->collector, shard);
}

void rig_lead(struct rig *r, uint32_t shard)
{
    call(r, lead_now, shard);
}

void rig_unlead(struct rig *r, uint32_t shard)
{
    call(r, unlead_now, shard);
}

/* ---- objects ---- */

static const char *quoted(struct arena *arena, const char *text)
{
    char *copy = arena_printf(arena, "%s", text);
    for (char *c = copy; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    return copy;
}

static struct command write_of(struct rig *r, struct arena *arena, enum backend_verb verb,
                               struct backend_key key, const char *body)
{
    struct command c = {.kind = COMMAND_WRITE,
                        .write = {.verb = verb,
                                  .key = key,
                                  .body = slice_of(quoted(arena, body)),
                                  .subject = SLICE("system:test"),
                                  .request_id = slice_of(arena_printf(
                                      arena, "request-%012llu", (unsigned long long)++r->request)),
                                  .issued_ms = clock_system.wall_ms(&clock_system),
                                  .request_digest = SLICE("0123456789abcdef0123456789abcdef"),
                                  .audit = SLICE("{}")}};
    struct err err;
    assert_ok(object_splice(c.write.body, &c.write.splice, &err), &err);
    return c;
}

static struct backend_key key_of(const char *resource, const char *ns, const char *name)
{
    return (struct backend_key){slice_of(resource), slice_of(ns), slice_of(name)};
}

void rig_put_of(struct rig *r, const char *resource, const char *type, const char *ns,
                const char *name, const char *metadata)
{
    struct arena arena = {0};
    struct err err;
    const char *space = *ns == '\0' ? "" : arena_printf(&arena, ",'namespace':'%s'", ns);
    const char *body =
        arena_printf(&arena,
                     "{%s,'metadata':{'creationTimestamp':'2026-01-01T00:00:00Z'%s%s,'name':'%s'%s,"
                     "'uid':'u-%s'}}",
                     type, *metadata == '\0' ? "" : ",", metadata, name, space, name);
    struct reader *reader = &r->readers[shard_of(NULL, slice_of(ns))];
    struct backend_key key = key_of(resource, ns, name);
    struct reader_row row;
    assert_ok(reader_begin(reader, &err), &err);
    bool there = reader_get(reader, &key, 0, &row, &err) == 0;
    reader_end(reader);
    struct command c = write_of(r, &arena, there ? BACKEND_UPDATE : BACKEND_CREATE, key, body);
    assert_ok(apply(r, shard_of(NULL, key.ns), &c, 1, &err), &err);
    arena_free(&arena);
}

#define CONFIG_MAP "'apiVersion':'v1','kind':'ConfigMap'"

void rig_put(struct rig *r, const char *ns, const char *name, const char *metadata)
{
    rig_put_of(r, resource_of(ns),
               *ns == '\0' ? "'apiVersion':'test.dev/v1','kind':'Thing'" : CONFIG_MAP, ns, name,
               metadata);
}

void rig_put_many(struct rig *r, const char *ns, const char *name, size_t count,
                  const char *metadata, size_t bytes)
{
    char *data = mem_zero(bytes + 1);
    memset(data, 'x', bytes);
    for (size_t first = 0; first < count; first += BATCH) {
        static struct command commands[BATCH];
        struct arena arena = {0};
        struct err err;
        size_t batch = count - first < BATCH ? count - first : BATCH;
        for (size_t i = 0; i < batch; i++) {
            const char *one = arena_printf(&arena, "%s-%05zu", name, first + i);
            const char *body =
                arena_printf(&arena,
                             "{" CONFIG_MAP ",'data':{'d':'%s'},'metadata':{%s%s'name':'%s',"
                             "'namespace':'%s','uid':'u-%s'}}",
                             data, metadata, *metadata == '\0' ? "" : ",", one, ns, one);
            commands[i] = write_of(r, &arena, BACKEND_CREATE, key_of("configmaps", ns, one), body);
        }
        assert_ok(apply(r, shard_of(NULL, slice_of(ns)), commands, batch, &err), &err);
        arena_free(&arena);
    }
    free(data);
}

static const char *body_of(struct rig *r, const char *resource, const char *ns, const char *name)
{
    struct reader *reader = &r->readers[shard_of(NULL, slice_of(ns))];
    struct backend_key key = key_of(resource, ns, name);
    struct reader_row row;
    struct err err;
    assert_ok(reader_begin(reader, &err), &err);
    bool there = reader_get(reader, &key, 0, &row, &err) == 0;
    const char *body = there ? arena_cstr(&r->arena, row.object.body) : NULL;
    reader_end(reader);
    return body;
}

const char *rig_body(struct rig *r, const char *ns, const char *name)
{
    return body_of(r, resource_of(ns), ns, name);
}

bool rig_has(struct rig *r, const char *ns, const char *name)
{
    return rig_body(r, ns, name) != NULL;
}

void rig_drop(struct rig *r, const char *ns, const char *name)
{
    rig_drop_of(r, resource_of(ns), ns, name);
}

void rig_drop_of(struct rig *r, const char *resource, const char *ns, const char *name)
{
    struct arena arena = {0};
    struct err err;
    const char *body = body_of(r, resource, ns, name);
    assert_non_null(body);
    struct command c = write_of(r, &arena, BACKEND_DELETE, key_of(resource, ns, name), body);
    assert_ok(apply(r, shard_of(NULL, slice_of(ns)), &c, 1, &err), &err);
    arena_free(&arena);
}

const char *rig_owner(struct rig *r, const char *ns, const char *name, bool blocks)
{
    return arena_printf(&r->arena,
                        "'ownerReferences':[{'apiVersion':'%s','blockOwnerDeletion':%s,"
                        "'kind':'%s','name':'%s','uid':'u-%s'}]",
                        *ns == '\0' ? "test.dev/v1" : "v1", blocks ? "true" : "false",
                        *ns == '\0' ? "Thing" : "ConfigMap", name, name);
}

const char *rig_held(struct rig *r, const char *finalizer)
{
    return arena_printf(&r->arena, "'deletionTimestamp':'2026-01-01T00:00:00Z','finalizers':['%s']",
                        finalizer);
}

size_t rig_count(struct rig *r, const char *ns)
{
    struct reader *reader = &r->readers[shard_of(NULL, slice_of(ns))];
    const struct reader_page page = {.resource = SLICE("configmaps"), .ns = slice_of(ns)};
    uint64_t count = 0;
    struct err err;
    assert_ok(reader_begin(reader, &err), &err);
    assert_ok(reader_count(reader, &page, &count, &err), &err);
    reader_end(reader);
    return count;
}

/* ---- beginning and end ---- */

int rig_setup(void **state)
{
    static const struct backend_ops ops = {
        .get = on_get, .list = on_list, .submit = on_submit, .cancel = on_cancel};
    struct rig *r = mem_zero(sizeof(*r));
    const struct kind *thing;
    struct err err;
    tmpdir_make(&r->tmp);
    kind_registry_init(&r->kinds);
    kind_registry_builtin(&r->kinds);
    assert_ok(kind_registry_define(&r->kinds, SLICE("test.dev"), SLICE("v1"), SLICE("Thing"),
                                   SLICE("things"), false, &thing, &err),
              &err);
    kind_board_init(&r->board, &r->kinds);
    r->backend.ops = &ops;
    list_init(&r->held);
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        const struct db_config db = {
            .path = path_of(r, i), .shard = i, .cluster = SLICE("c1"), .namespaces_open = true};
        assert_ok(db_open(&r->dbs[i], &db, &err), &err);
        assert_ok(reader_open(&r->readers[i], path_of(r, i), i, &err), &err);
    }
    assert_ok(loop_init(&r->loop, "test", &err), &err);
    loop_timer_init(&r->loop, &r->poll, on_poll);
    const struct collector_config config = {.loop = &r->loop,
                                            .backend = &r->backend,
                                            .kinds = &r->board,
                                            .shard_count = RIG_SHARDS,
                                            .user = r,
                                            .shard_of = shard_of,
                                            .database = database_of};
    collector_start(&r->collector, &config);
    *state = r;
    return 0;
}

static void on_stopped(struct collector *c)
{
    CONTAINER_OF(c, struct rig, collector)->stopped = true;
}

static void stop_now(struct rig *r, uint32_t shard)
{
    (void)shard;
    collector_stop(&r->collector, on_stopped);
}

static bool has_stopped(struct rig *r)
{
    return r->stopped;
}

void rig_stop(struct rig *r)
{
    call(r, stop_now, 0);
    rig_answer(r);
    rig_until(r, has_stopped);
}

int rig_teardown(void **state)
{
    struct rig *r = *state;
    if (!r->stopped) {
        rig_stop(r);
    }
    loop_timer_close(&r->poll, NULL);
    loop_stop(&r->loop);
    loop_run(&r->loop);
    loop_join(&r->loop);
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        reader_close(&r->readers[i]);
        db_close(&r->dbs[i]);
    }
    kind_board_free(&r->board);
    kind_registry_free(&r->kinds);
    arena_free(&r->arena);
    tmpdir_remove(&r->tmp);
    free(r);
    return 0;
}
