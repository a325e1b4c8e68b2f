/* memory.c: a backend in memory.
 *
 * Every write appends a row (a version of an object, or its deletion); reads look for the newest
 * row at or below their version. All is linear in the number of rows, which tests keep small. */
#include "tests/lib/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/selector.h"

struct memory_row {
    char *resource;
    char *ns;
    char *name;
    struct slice body; /* a copy */
    uint32_t splice;
    uint64_t version;
    bool deleted;
};

struct later {
    struct loop_msg msg;
    struct memory *m;
    void *request;
};

struct watching {
    struct list link;
    struct loop_msg msg;
    struct memory *m;
    struct backend_watch *watch;
    uint64_t at; /* delivered so far */
    bool posted;
    bool stopped;
    int why;
};

static struct memory *memory_of(struct backend *b)
{
    return CONTAINER_OF(b, struct memory, backend);
}

static void post(struct memory *m, void *request, void (*run)(struct loop_msg *msg))
{
    struct later *later = mem_zero(sizeof(*later));
    *later = (struct later){.msg.run = run, .m = m, .request = request};
    loop_post(m->loop, &later->msg);
}

static void *take(struct loop_msg *msg, struct memory **m)
{
    struct later *later = CONTAINER_OF(msg, struct later, msg);
    void *request = later->request;
    *m = later->m;
    free(later);
    return request;
}

/* ---- rows ---- */

static bool row_is(const struct memory_row *row, const struct backend_key *key)
{
    return slice_eq_cstr(key->resource, row->resource) && slice_eq_cstr(key->ns, row->ns) &&
           slice_eq_cstr(key->name, row->name);
}

static const struct memory_row *newest(const struct memory *m, const struct backend_key *key,
                                       uint64_t version)
{
    for (size_t i = m->count; i-- > 0;) {
        if (m->rows[i].version <= version && row_is(&m->rows[i], key)) {
            return m->rows[i].deleted ? NULL : &m->rows[i];
        }
    }
    return NULL;
}

static struct backend_object object_of(const struct memory_row *row)
{
    return (struct backend_object){
        .key = {slice_of(row->resource), slice_of(row->ns), slice_of(row->name)},
        .body = row->body,
        .splice = row->splice,
        .version = row->version,
    };
}

static void append(struct memory *m, const struct backend_submit *s)
{
    if (m->count == m->cap) {
        m->cap = m->cap == 0 ? 64 : m->cap * 2;
        m->rows = mem_resize(m->rows, m->cap * sizeof(*m->rows));
    }
    m->rows[m->count++] = (struct memory_row){
        .resource = slice_dup(s->key.resource),
        .ns = slice_dup(s->key.ns),
        .name = slice_dup(s->key.name),
        .body = slice_make(slice_dup(s->body), s->body.len),
        .splice = s->splice,
        .version = ++m->version,
        .deleted = s->verb == BACKEND_DELETE,
    };
}

bool memory_has(const struct memory *m, struct slice resource, struct slice name)
{
    const struct backend_key key = {resource, {0}, name};
    return newest(m, &key, m->version) != NULL;
}

/* ---- get ---- */

/* What a read at that consistency sees, or an error. */
static int choose_version(struct memory *m, enum backend_consistency consistency, uint64_t asked,
                          uint64_t *version, struct err *err)
{
    *version = m->version;
    if (m->failing != 0) {
        m->failing--;
        return err_set(err, ERR_UNAVAILABLE, "no leader");
    }
    if (consistency == BACKEND_AT_LEAST && asked > m->version) {
        return err_set(err, ERR_TIMEOUT, "version %llu is in the future",
                       (unsigned long long)asked);
    }
    if (consistency == BACKEND_EXACT) {
        *version = asked;
        if (asked < m->floor) {
            return err_set(err, ERR_GONE, "too old resource version: %llu (%llu)",
                           (unsigned long long)asked, (unsigned long long)m->version);
        }
    }
    return 0;
}

static void run_get(struct loop_msg *msg)
{
    struct memory *m;
    struct backend_get *get = take(msg, &m);
    struct err err = {0};
    uint64_t version;
    int rc = choose_version(m, get->consistency, get->version, &version, &err);
    const struct memory_row *row = rc == 0 ? newest(m, &get->key, version) : NULL;
    if (row != NULL && get->consistency == BACKEND_STALE && m->stale != 0) {
        m->stale--;
        row = NULL;
    }
    get->read_version = version;
    if (rc == 0 && row == NULL) {
        rc = err_set(&err, ERR_NOT_FOUND, "no such object");
    }
    if (rc == 0) {
        get->object = object_of(row);
    }
    get->done(get, rc, rc != 0 ? &err : NULL);
}

static void memory_get(struct backend *b, struct backend_get *get)
{
    post(memory_of(b), get, run_get);
}

/* ---- list ---- */

static int compare_keys(const void *a, const void *b)
{
    const struct memory_row *x = *(const struct memory_row *const *)a;
    const struct memory_row *y = *(const struct memory_row *const *)b;
    int by_ns = strcmp(x->ns, y->ns);
    return by_ns != 0 ? by_ns : strcmp(x->name, y->name);
}

static bool behind(const struct memory_row *row, const struct backend_list *list)
{
    int by_ns = slice_cmp(slice_of(row->ns), list->after_ns);
    if (list->after_name.len == 0 && list->after_ns.len == 0) {
        return true;
    }
    return by_ns > 0 || (by_ns == 0 && slice_cmp(slice_of(row->name), list->after_name) > 0);
}

static size_t collect(struct memory *m, const struct backend_list *list, uint64_t version,
                      const struct memory_row **found)
{
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct memory_row *row = &m->rows[i];
        const struct backend_object o = object_of(row);
        bool wanted = slice_eq_cstr(list->resource, row->resource) &&
                      (list->ns.len == 0 || slice_eq_cstr(list->ns, row->ns)) &&
                      newest(m, &o.key, version) == row && behind(row, list) &&
                      selector_matches(list->selector, row->body);
        if (wanted) {
            found[count++] = row;
        }
    }
    return count;
}

static void run_list(struct loop_msg *msg)
{
    struct memory *m;
    struct backend_list *list = take(msg, &m);
    struct err err = {0};
    uint64_t version;
    int rc = choose_version(m, list->consistency, list->version, &version, &err);
    if (rc != 0) {
        list->done(list, rc, &err);
        return;
    }
    const struct memory_row **found = mem_alloc((m->count + 1) * sizeof(struct memory_row *));
    size_t count = collect(m, list, version, found);
    qsort((void *)found, count, sizeof(struct memory_row *), compare_keys);
    size_t give = count < list->limit ? count : list->limit;
    for (size_t i = 0; i < give; i++) {
        struct backend_object o = object_of(found[i]);
        m->listed++;
        list->row(list, &o);
    }
    free((void *)found);
    list->read_version = version;
    list->more = give < count;
    list->remaining = list->count_remaining ? (int64_t)(count - give) : -1;
    list->done(list, 0, NULL);
}

static void memory_list(struct backend *b, struct backend_list *list)
{
    post(memory_of(b), list, run_list);
}

/* ---- watch ---- */

static const struct memory_row *before_of(const struct memory *m, const struct memory_row *row)
{
    const struct backend_object o = object_of(row);
    return newest(m, &o.key, row->version - 1);
}

static void deliver_row(struct watching *w, const struct memory_row *row)
{
    struct backend_watch *watch = w->watch;
    const struct memory_row *before = before_of(w->m, row);
    bool was = before != NULL && selector_matches(watch->selector, before->body);
    bool is = !row->deleted && selector_matches(watch->selector, row->body);
    struct backend_object o = object_of(row);
    if (is) {
        watch->on_event(watch, was ? BACKEND_MODIFIED : BACKEND_ADDED, &o);
    } else if (was) {
        watch->on_event(watch, BACKEND_DELETED, &o);
    }
}

static void run_watch(struct loop_msg *msg)
{
    struct watching *w = CONTAINER_OF(msg, struct watching, msg);
    struct backend_watch *watch = w->watch;
    struct memory *m = w->m;
    w->posted = false;
    if (!w->stopped && w->at < m->floor) {
        w->stopped = true;
        w->why = ERR_GONE;
    }
    for (size_t i = 0; i < m->count && !w->stopped && !watch->paused; i++) {
        const struct memory_row *row = &m->rows[i];
        if (row->version <= w->at) {
            continue;
        }
        w->at = row->version;
        if (slice_eq_cstr(watch->resource, row->resource) &&
            (watch->ns.len == 0 || slice_eq_cstr(watch->ns, row->ns))) {
            deliver_row(w, row);
        }
    }
    if (w->stopped) {
        struct err err;
        (void)err_set(&err, w->why, "too old resource version: %llu (%llu)",
                      (unsigned long long)w->at, (unsigned long long)m->version);
        list_remove(&w->link);
        free(w);
        watch->ended(watch, err.code, &err);
    } else if (!watch->paused && watch->on_progress != NULL) {
        watch->on_progress(watch, w->at);
    }
}

static void wake(struct watching *w)
{
    if (!w->posted) {
        w->posted = true;
        w->msg.run = run_watch;
        loop_post(w->m->loop, &w->msg);
    }
}

static void memory_watch_start(struct backend *b, struct backend_watch *watch)
{
    struct memory *m = memory_of(b);
    struct watching *w = mem_zero(sizeof(*w));
    w->m = m;
    w->watch = watch;
    w->at = watch->since;
    watch->impl = w;
    list_push_back(&m->watches, &w->link);
    wake(w);
}

static void memory_watch_stop(struct backend *b, struct backend_watch *watch)
{
    (void)b;
    struct watching *w = watch->impl;
    w->stopped = true;
    w->why = ERR_CANCELED;
    wake(w);
}

static void memory_watch_resume(struct backend *b, struct backend_watch *watch)
{
    (void)b;
    wake(watch->impl);
}

static void wake_all(struct memory *m)
{
    LIST_FOREACH(link, &m->watches)
    {
        wake(CONTAINER_OF(link, struct watching, link));
    }
}

void memory_end_watches(struct memory *m)
{
    LIST_FOREACH(link, &m->watches)
    {
        struct watching *w = CONTAINER_OF(link, struct watching, link);
        w->stopped = true;
        w->why = ERR_CLOSED;
        wake(w);
    }
}

/* ---- submit ---- */

static int check(struct memory *m, const struct backend_submit *s, const struct memory_row *row,
                 struct err *err)
{
    if (!s->client_made && m->conflicts != 0 && s->verb != BACKEND_CREATE) {
        m->conflicts--;
        return err_set(err, ERR_CONFLICT, "made up");
    }
    if (s->verb == BACKEND_CREATE) {
        if (s->key.ns.len != 0 && m->has_namespace != NULL && !m->has_namespace(m, s->key.ns)) {
            return err_set(err, ERR_NOT_FOUND, "namespaces \"%.*s\" not found",
                           SLICE_ARG(s->key.ns));
        }
        return row == NULL ? 0 : err_set(err, ERR_EXISTS, "it exists");
    }
    if (row == NULL) {
        return err_set(err, ERR_NOT_FOUND, "no such object");
    }
    bool moved = s->if_version != 0 && s->if_version != row->version;
    return moved ? err_set(err, ERR_CONFLICT, "the version is another") : 0;
}

static void run_submit(struct loop_msg *msg)
{
    struct memory *m;
    struct backend_submit *s = take(msg, &m);
    struct err err = {0};
    m->submits++;
    buf_clear(&m->author);
    buf_add(&m->author, s->subject);
    buf_clear(&m->audit);
    buf_add(&m->audit, s->audit);
    assert(s->request_id.len >= 16 && s->request_digest.len == 32 && s->subject.len != 0);
    int rc = check(m, s, newest(m, &s->key, m->version), &err);
    if (rc == 0) {
        append(m, s);
        s->version = m->version;
        wake_all(m);
    }
    if (rc == 0 && m->lost != 0) {
        m->lost--;
        rc = err_set(&err, ERR_TIMEOUT, "no answer in time");
    }
    s->done(s, rc, rc != 0 ? &err : NULL);
}

static void memory_submit(struct backend *b, struct backend_submit *submit)
{
    post(memory_of(b), submit, run_submit);
}

static void run_outcome(struct loop_msg *msg)
{
    struct memory *m;
    struct backend_submit *s = take(msg, &m);
    struct err err;
    (void)err_set(&err, ERR_NOT_FOUND, "no such request");
    s->done(s, ERR_NOT_FOUND, &err);
}

static void memory_outcome(struct backend *b, struct backend_submit *submit)
{
    post(memory_of(b), submit, run_outcome);
}

static void memory_cancel(struct backend *b, void *request)
{
    (void)b;
    (void)request; /* everything is answered in the loop's next turn anyway */
}

static const struct backend_ops memory_ops = {
    .get = memory_get,
    .list = memory_list,
    .watch_start = memory_watch_start,
    .watch_stop = memory_watch_stop,
    .watch_resume = memory_watch_resume,
    .submit = memory_submit,
    .outcome = memory_outcome,
    .cancel = memory_cancel,
};

void memory_init(struct memory *m, struct loop *loop)
{
    *m = (struct memory){.backend.ops = &memory_ops, .loop = loop, .version = 1000};
    list_init(&m->watches);
}

static void free_row(struct memory_row *row)
{
    free(row->resource);
    free(row->ns);
    free(row->name);
    free((char *)(uintptr_t)row->body.data);
}

void memory_free(struct memory *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free_row(&m->rows[i]);
    }
    free(m->rows);
    buf_free(&m->author);
    buf_free(&m->audit);
    m->rows = NULL;
    m->count = 0;
}

void memory_compact(struct memory *m)
{
    bool *keep = mem_alloc((m->count + 1) * sizeof(bool));
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct backend_object o = object_of(&m->rows[i]);
        keep[i] = newest(m, &o.key, m->version) == &m->rows[i];
    }
    for (size_t i = 0; i < m->count; i++) {
        if (keep[i]) {
            m->rows[kept++] = m->rows[i];
        } else {
            free_row(&m->rows[i]);
        }
    }
    free(keep);
    m->count = kept;
    m->floor = m->version;
}
