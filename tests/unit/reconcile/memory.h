/* memory.h: one shard's objects in memory: a backend to write to and a feed to read from.
 *
 * Enough of node/shard for the engine: creates, updates and deletes with preconditions, versions
 * that grow, changes in order, on_change told after each write. Thread: the test's loop. */
#ifndef TESTS_UNIT_RECONCILE_MEMORY_H
#define TESTS_UNIT_RECONCILE_MEMORY_H

#include <assert.h>
#include <stdlib.h>

#include "proto/kind.h"
#include "proto/object.h"
#include "reconcile/engine.h"
#include "reconcile/feed.h"

struct row {
    char *resource;
    char *ns;
    char *name;
    uint64_t version;
    bool deleted;
    char *body;
};

struct memory {
    struct backend backend;
    struct feed feed;
    struct loop *loop;
    struct engine *engine;
    struct map live;  /* "resource|ns|name" -> struct row */
    struct row **log; /* every row, in order of version */
    size_t log_count;
    size_t writes;
    int fail; /* the next submits end with this error */
    int fail_count;
};

static inline void memory_key(struct buf *out, struct slice resource, struct slice ns,
                              struct slice name)
{
    buf_addf(out, "%.*s|%.*s|%.*s", SLICE_ARG(resource), SLICE_ARG(ns), SLICE_ARG(name));
}

static inline struct row *memory_find(const struct memory *m, const char *resource, const char *ns,
                                      const char *name)
{
    struct buf key = {0};
    memory_key(&key, slice_of(resource), slice_of(ns), slice_of(name));
    struct row *row = map_get(&m->live, buf_slice(&key));
    buf_free(&key);
    return row;
}

static inline uint64_t memory_version(const struct memory *m)
{
    return m->log_count > 0 ? m->log[m->log_count - 1]->version : 1;
}

static inline struct row *memory_write(struct memory *m, struct slice resource, struct slice ns,
                                       struct slice name, struct slice body, bool deleted)
{
    struct buf key = {0};
    struct row *row = mem_zero(sizeof(*row));
    *row = (struct row){.resource = slice_dup(resource),
                        .ns = slice_dup(ns),
                        .name = slice_dup(name),
                        .version = memory_version(m) + 1,
                        .deleted = deleted,
                        .body = slice_dup(body)};
    memory_key(&key, resource, ns, name);
    if (deleted) {
        map_remove(&m->live, buf_slice(&key));
    } else {
        map_put(&m->live, buf_slice(&key), row);
    }
    buf_free(&key);
    m->log = mem_resize(m->log, (m->log_count + 1) * sizeof(*m->log));
    m->log[m->log_count++] = row;
    return row;
}

struct memory_answer {
    struct loop_msg msg;
    struct memory *m;
    struct backend_submit *submit;
    struct backend_list *list;
};

static inline int memory_apply(struct memory *m, struct backend_submit *s, struct err *err)
{
    struct buf key = {0};
    memory_key(&key, s->key.resource, s->key.ns, s->key.name);
    struct row *there = map_get(&m->live, buf_slice(&key));
    buf_free(&key);
    if (m->fail_count > 0) {
        m->fail_count--;
        return err_set(err, m->fail, "told to fail");
    }
    if (s->verb == BACKEND_CREATE && there != NULL) {
        return err_set(err, ERR_EXISTS, "exists");
    }
    if (s->verb != BACKEND_CREATE && there == NULL) {
        return err_set(err, ERR_NOT_FOUND, "not found");
    }
    if (s->if_version != 0 && (there == NULL || there->version != s->if_version)) {
        return err_set(err, ERR_CONFLICT, "version");
    }
    struct row *row = memory_write(m, s->key.resource, s->key.ns, s->key.name, s->body,
                                   s->verb == BACKEND_DELETE);
    s->version = row->version;
    m->writes++;
    return 0;
}

static inline void memory_submitted(struct loop_msg *msg)
{
    struct memory_answer *a = CONTAINER_OF(msg, struct memory_answer, msg);
    struct memory *m = a->m;
    struct backend_submit *s = a->submit;
    struct err err = {0};
    free(a);
    int rc = memory_apply(m, s, &err);
    s->done(s, rc, &err);
    engine_on_change(m->engine, 0, memory_version(m));
}

static inline void memory_submit(struct backend *b, struct backend_submit *s)
{
    struct memory *m = CONTAINER_OF(b, struct memory, backend);
    struct memory_answer *a = mem_zero(sizeof(*a));
    a->m = m;
    a->submit = s;
    a->msg.run = memory_submitted;
    loop_post(m->loop, &a->msg);
}

static inline void memory_listed(struct loop_msg *msg)
{
    struct memory_answer *a = CONTAINER_OF(msg, struct memory_answer, msg);
    struct backend_list *l = a->list;
    struct memory *m = a->m;
    size_t cursor = 0;
    struct slice key;
    void *value;
    free(a);
    while (map_next(&m->live, &cursor, &key, &value)) {
        struct row *row = value;
        if (slice_eq_cstr(l->resource, row->resource) && slice_eq_cstr(l->ns, row->ns)) {
            struct backend_object o = {.key = {.resource = slice_of(row->resource),
                                               .ns = slice_of(row->ns),
                                               .name = slice_of(row->name)},
                                       .body = slice_of(row->body),
                                       .version = row->version};
            struct err err;
            int rc = object_splice(o.body, &o.splice, &err);
            assert(rc == 0);
            l->row(l, &o);
        }
    }
    l->done(l, 0, NULL);
}

static inline void memory_list(struct backend *b, struct backend_list *l)
{
    struct memory *m = CONTAINER_OF(b, struct memory, backend);
    struct memory_answer *a = mem_zero(sizeof(*a));
    a->m = m;
    a->list = l;
    a->msg.run = memory_listed;
    loop_post(m->loop, &a->msg);
}

static inline void memory_row(const struct row *row, void (*to)(void *, const struct feed_row *),
                              void *arg)
{
    const struct feed_row out = {.resource = slice_of(row->resource),
                                 .ns = slice_of(row->ns),
                                 .name = slice_of(row->name),
                                 .version = row->version,
                                 .deleted = row->deleted,
                                 .body = slice_of(row->body)};
    to(arg, &out);
}

static inline int memory_scan(void *user, uint32_t shard,
                              void (*row)(void *arg, const struct feed_row *row), void *arg,
                              uint64_t *version, struct err *err)
{
    struct memory *m = user;
    size_t cursor = 0;
    struct slice key;
    void *value;
    (void)shard;
    (void)err;
    while (map_next(&m->live, &cursor, &key, &value)) {
        memory_row(value, row, arg);
    }
    *version = memory_version(m);
    return 0;
}

static inline int memory_changes(void *user, uint32_t shard, uint64_t since, uint64_t to,
                                 void (*row)(void *arg, const struct feed_row *row), void *arg,
                                 struct err *err)
{
    struct memory *m = user;
    (void)shard;
    (void)err;
    for (size_t i = 0; i < m->log_count; i++) {
        if (m->log[i]->version > since && m->log[i]->version <= to) {
            memory_row(m->log[i], row, arg);
        }
    }
    return 0;
}

static inline int memory_read(void *user, uint32_t shard, const struct feed_row *wanted,
                              void (*row)(void *arg, const struct feed_row *row), void *arg,
                              struct err *err)
{
    struct memory *m = user;
    struct buf key = {0};
    (void)shard;
    memory_key(&key, wanted->resource, wanted->ns, wanted->name);
    const struct row *found = map_get(&m->live, buf_slice(&key));
    buf_free(&key);
    if (found == NULL) {
        return err_set(err, ERR_NOT_FOUND, "it is gone");
    }
    memory_row(found, row, arg);
    return 0;
}

static inline void memory_reset(void *user, uint32_t shard)
{
    (void)user;
    (void)shard;
}

static inline void memory_init(struct memory *m, struct loop *loop, struct engine *engine)
{
    static const struct backend_ops ops = {.submit = memory_submit, .list = memory_list};
    *m = (struct memory){.backend = {.ops = &ops}, .loop = loop, .engine = engine};
    m->feed = (struct feed){.user = m,
                            .scan = memory_scan,
                            .changes = memory_changes,
                            .read = memory_read,
                            .reset = memory_reset};
}

static inline void memory_free(struct memory *m)
{
    for (size_t i = 0; i < m->log_count; i++) {
        struct row *row = m->log[i];
        free(row->resource);
        free(row->ns);
        free(row->name);
        free(row->body);
        free(row);
    }
    free(m->log);
    map_free(&m->live);
}

#endif
