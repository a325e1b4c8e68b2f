/* view.c: gets, lists and outcomes from a reader; watches from a feed over the same reader.
 *
 * Happy path: pin a view of the database, read, call back while it is pinned (bodies are SQLite's
 * own memory, not copied), let go.
 * A list looks at so many rows a turn that do not fit; the next turn goes on behind the last of
 * them, as of the version that the first one read.
 *
 * Failure path: done() gets the error; a list's rows given before it count for nothing. */
#include "store/view.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "proto/selector.h"
#include "store/view_internal.h"

static int source_begin(void *user, struct err *err)
{
    struct view *v = user;
    return reader_begin(&v->reader, err);
}

static void source_end(void *user)
{
    struct view *v = user;
    reader_end(&v->reader);
}

static int source_start(void *user, uint64_t since, uint64_t upto, struct err *err)
{
    struct view *v = user;
    return reader_changes_start(&v->reader, since, upto, err);
}

static int source_next(void *user, struct reader_row *row, bool *found, struct err *err)
{
    struct view *v = user;
    return reader_changes_next(&v->reader, row, found, err);
}

static void source_stop(void *user)
{
    struct view *v = user;
    reader_changes_end(&v->reader);
}

static int source_row(void *user, uint64_t version, struct reader_row *row, struct err *err)
{
    struct view *v = user;
    return reader_version(&v->reader, version, row, err);
}

static const struct feed_source source = {
    .begin = source_begin,
    .end = source_end,
    .changes_start = source_start,
    .changes_next = source_next,
    .changes_end = source_stop,
    .row = source_row,
};

int view_open(struct view *v, struct loop *loop, const char *path, uint32_t shard, struct err *err)
{
    *v = (struct view){.loop = loop, .shard = shard, .path = mem_strdup(path)};
    int rc = reader_open(&v->reader, path, shard, err);
    if (rc == 0) {
        rc = reader_begin(&v->reader, err);
        if (rc != 0) {
            reader_close(&v->reader);
        }
    }
    if (rc != 0) {
        free(v->path);
        return rc;
    }
    v->present = db_present(&v->reader.state);
    reader_end(&v->reader);
    feed_init(&v->feed, loop, &source, v, v->present);
    return 0;
}

static void on_feed_closed(struct feed *feed)
{
    struct view *v = CONTAINER_OF(feed, struct view, feed);
    reader_close(&v->reader);
    free(v->path);
    if (v->on_closed != NULL) {
        v->on_closed(v);
    }
}

void view_close(struct view *v, void (*closed)(struct view *view))
{
    v->on_closed = closed;
    feed_close(&v->feed, on_feed_closed);
}

int view_reopen(struct view *v, struct err *err)
{
    struct reader fresh;
    int rc = reader_open(&fresh, v->path, v->shard, err);
    if (rc == 0) {
        reader_close(&v->reader);
        v->reader = fresh;
    }
    return rc;
}

void view_advance(struct view *v, uint64_t applied_version, uint64_t closed)
{
    if (closed > v->closed) {
        v->closed = closed;
    }
    if (applied_version > v->present) {
        v->present = applied_version;
    }
    if (v->closed > v->present) {
        v->present = v->closed;
    }
    feed_advance(&v->feed, v->present);
}

uint64_t view_present(const struct view *v)
{
    return v->present;
}

uint64_t view__pinned_present(const struct view *v)
{
    uint64_t present = db_present(&v->reader.state);
    return present > v->closed ? present : v->closed;
}

int view__check_version(const struct view *v, uint64_t version, struct err *err)
{
    uint64_t present = view__pinned_present(v);
    if (version <= present) {
        return 0;
    }
    return err_set(err, ERR_TIMEOUT, "Too large resource version: %llu, current: %llu",
                   (unsigned long long)version, (unsigned long long)present);
}

static int get(struct view *v, struct backend_get *get, struct err *err)
{
    uint64_t as_of = get->consistency == BACKEND_EXACT ? get->version : 0;
    get->read_version = as_of != 0 ? as_of : view__pinned_present(v);
    int rc = view__check_version(v, get->read_version, err);
    if (rc != 0) {
        return rc;
    }
    struct reader_row row;
    rc = reader_get(&v->reader, &get->key, as_of, &row, err);
    if (rc == 0) {
        get->object = row.object;
    }
    return rc;
}

void view_get(struct view *v, struct backend_get *request)
{
    struct err err = {0};
    int rc = reader_begin(&v->reader, &err);
    if (rc != 0) {
        request->done(request, rc, &err);
        return;
    }
    rc = get(v, request, &err);
    request->done(request, rc, rc == 0 ? NULL : &err);
    reader_end(&v->reader);
}

/* ---- pages ---- */

enum { MISSES_PER_LOOK = 16 };

void view__scan_begin(struct view_scan *scan, struct backend_list *list)
{
    scan->misses = 0;
    scan->until_ns = clock_mono_ns() + VIEW_TURN_US * UINT64_C(1000);
    if (scan->begun) {
        return;
    }
    scan->begun = true;
    scan->limit = list->limit;
    if (scan->limit == 0 || scan->limit > BACKEND_PAGE_ROWS_MAX) {
        scan->limit = BACKEND_PAGE_ROWS_MAX;
    }
    scan->bytes_max = list->bytes != 0 ? list->bytes : BACKEND_PAGE_BYTES_MAX;
    list->more = false;
    list->remaining = -1;
}

void view_scan_free(struct view_scan *scan)
{
    buf_free(&scan->ns);
    buf_free(&scan->name);
    *scan = (struct view_scan){0};
}

bool view__page_of(const struct backend_list *list, const struct view_scan *scan, uint64_t as_of,
                   struct reader_page *page)
{
    *page = (struct reader_page){
        .resource = list->resource,
        .ns = list->ns,
        .all_namespaces = list->ns.len == 0,
        .name = selector_exact_name(list->selector),
        .misses_max = VIEW_TURN_MISSES,
        .after_ns = scan->moved ? buf_slice(&scan->ns) : list->after_ns,
        .after_name = scan->moved ? buf_slice(&scan->name) : list->after_name,
        .as_of = as_of,
    };
    struct slice ns = selector_exact_ns(list->selector);
    if (ns.len == 0 || list->ns.len > 0) {
        return ns.len == 0 || slice_eq(ns, list->ns);
    }
    int order = slice_cmp(page->after_ns, ns);
    page->ns = ns;
    page->all_namespaces = false;
    page->after_name = order == 0 ? page->after_name : (struct slice){0};
    return order <= 0;
}

static void remember(struct view_scan *scan, const struct backend_key *key)
{
    buf_clear(&scan->ns);
    buf_add(&scan->ns, key->ns);
    buf_clear(&scan->name);
    buf_add(&scan->name, key->name);
    scan->moved = true;
}

/* After one more row that does not fit. The clock is asked now and then: it costs, too. */
static bool is_enough(struct view_scan *scan)
{
    scan->misses++;
    return scan->misses >= VIEW_TURN_MISSES ||
           (scan->misses % MISSES_PER_LOOK == 0 && clock_mono_ns() >= scan->until_ns);
}

enum view_offer view__scan_row(struct view_scan *scan, struct backend_list *list,
                               const struct reader_row *row)
{
    const struct backend_object *object = &row->object;
    if (row->verb == BACKEND_DELETE) { /* so far the reader has come */
        remember(scan, &object->key);
        return VIEW_REST;
    }
    if (!selector_matches(list->selector, object->body)) {
        if (!is_enough(scan)) {
            return VIEW_GO_ON;
        }
        remember(scan, &object->key);
        return VIEW_REST;
    }
    if (scan->rows == scan->limit ||
        (scan->rows > 0 && scan->bytes + object->body.len > scan->bytes_max)) {
        list->more = true;
        return VIEW_FULL;
    }
    scan->rows++;
    scan->bytes += object->body.len;
    if (list->count_remaining) {
        remember(scan, &object->key);
    }
    list->row(list, object);
    return VIEW_GO_ON;
}

int view__scan_remaining(const struct view_scan *scan, const struct backend_list *list,
                         struct reader *r, uint64_t *count, struct err *err)
{
    struct reader_page behind;
    (void)view__page_of(list, scan, 0, &behind);
    return reader_count(r, &behind, count, err);
}

/* Goes on until the page is full, the rows are over (*finished), or the turn is. */
static int scan_page(struct view *v, struct backend_list *list, struct view_scan *scan,
                     const struct reader_page *page, bool *finished, struct err *err)
{
    enum view_offer offer = VIEW_GO_ON;
    struct reader_row row;
    bool found = true;
    int rc = reader_page_start(&v->reader, page, err);
    while (rc == 0 && found && offer == VIEW_GO_ON) {
        rc = reader_page_next(&v->reader, &row, &found, err);
        if (rc == 0 && found) {
            offer = view__scan_row(scan, list, &row);
        }
    }
    reader_page_end(&v->reader);
    *finished = offer != VIEW_REST;
    return rc;
}

static int list_turn(struct view *v, struct backend_list *list, struct view_scan *scan,
                     bool *finished, struct err *err)
{
    uint64_t as_of = list->consistency == BACKEND_EXACT ? list->version : 0;
    if (scan->begun) {
        as_of = list->read_version; /* as of which the first turn read */
    } else {
        list->read_version = as_of != 0 ? as_of : view__pinned_present(v);
    }
    int rc = view__check_version(v, list->read_version, err);
    view__scan_begin(scan, list);
    struct reader_page page;
    if (rc != 0 || !view__page_of(list, scan, as_of, &page)) {
        return rc;
    }
    rc = scan_page(v, list, scan, &page, finished, err);
    if (rc == 0 && *finished && list->count_remaining && list->selector == NULL) {
        uint64_t count = 0;
        rc = list->more ? view__scan_remaining(scan, list, &v->reader, &count, err) : 0;
        list->remaining = (int64_t)count;
    }
    return rc;
}

int view_list_turn(struct view *v, struct backend_list *list, struct view_scan *scan,
                   bool *finished, struct err *err)
{
    *finished = true;
    int rc = reader_begin(&v->reader, err);
    if (rc == 0) {
        rc = list_turn(v, list, scan, finished, err);
        reader_end(&v->reader);
    }
    return rc;
}

void view_list(struct view *v, struct backend_list *list)
{
    struct err err = {0};
    struct view_scan scan = {0};
    bool finished = false;
    int rc = 0;
    while (rc == 0 && !finished) {
        rc = view_list_turn(v, list, &scan, &finished, &err);
    }
    view_scan_free(&scan);
    list->done(list, rc, rc == 0 ? NULL : &err);
}

static int find_outcome(struct view *v, struct backend_submit *submit, struct err *err)
{
    struct outcome outcome;
    struct slice digest;
    int rc = reader_outcome(&v->reader, submit->subject, submit->request_id, submit->issued_ms,
                            &outcome, &digest, err);
    if (rc != 0) {
        return rc;
    }
    if (submit->request_digest.len > 0 && !slice_eq(digest, submit->request_digest)) {
        outcome = (struct outcome){.kind = OUTCOME_REQUEST_REUSED};
    }
    submit->version = outcome.version;
    return outcome_err_for(&outcome, &submit->key, err);
}

void view_outcome(struct view *v, struct backend_submit *submit)
{
    struct err err = {0};
    int rc = reader_begin(&v->reader, &err);
    if (rc == 0) {
        rc = find_outcome(v, submit, &err);
        reader_end(&v->reader);
    }
    submit->done(submit, rc, rc == 0 ? NULL : &err);
}

void view_watch_start(struct view *v, struct backend_watch *watch)
{
    feed_watch_start(&v->feed, watch);
}

void view_watch_stop(struct view *v, struct backend_watch *watch)
{
    (void)v;
    feed_watch_stop(watch);
}

void view_watch_resume(struct view *v, struct backend_watch *watch)
{
    (void)v;
    feed_watch_resume(watch);
}

void view_end_watches(struct view *v, int code, const char *message)
{
    feed_end_watches(&v->feed, code, message);
}
