/* merge.c: k views in one order.
 *
 * Lists merge k page scans by (namespace, name) at one version; watches come from a feed whose
 * source merges k scans of changes by version. In both, each view's next row waits in heads[]; the
 * least is given, and its view asked for the next one only when the row has been used, because a
 * row borrows from its reader.
 * Invariant: the feed's limit is the least closed time of the views, so no view can still come up
 * with a change at or below what was given. */
#include "store/merge.h"

#include <assert.h>
#include <stdlib.h>

#include "store/version.h"
#include "store/view_internal.h"

static const size_t none = SIZE_MAX;

/* ---- the merged source ---- */

static int source_begin(void *user, struct err *err)
{
    struct merge *m = user;
    for (size_t i = 0; i < m->count; i++) {
        int rc = reader_begin(&m->views[i]->reader, err);
        if (rc != 0) {
            while (i > 0) {
                reader_end(&m->views[--i]->reader);
            }
            return rc;
        }
    }
    return 0;
}

static void source_end(void *user)
{
    struct merge *m = user;
    for (size_t i = 0; i < m->count; i++) {
        reader_end(&m->views[i]->reader);
    }
}

static int source_start(void *user, uint64_t since, uint64_t upto, struct err *err)
{
    struct merge *m = user;
    m->used = none;
    for (size_t i = 0; i < m->count; i++) {
        struct reader *r = &m->views[i]->reader;
        int rc = reader_changes_start(r, since, upto, err);
        if (rc == 0) {
            rc = reader_changes_next(r, &m->heads[i].row, &m->heads[i].found, err);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int source_next(void *user, struct reader_row *row, bool *found, struct err *err)
{
    struct merge *m = user;
    if (m->used != none) {
        struct merge_head *head = &m->heads[m->used];
        int rc = reader_changes_next(&m->views[m->used]->reader, &head->row, &head->found, err);
        if (rc != 0) {
            return rc;
        }
    }
    m->used = none;
    for (size_t i = 0; i < m->count; i++) {
        const struct merge_head *head = &m->heads[i];
        if (head->found &&
            (m->used == none || head->row.object.version < m->heads[m->used].row.object.version)) {
            m->used = i;
        }
    }
    *found = m->used != none;
    if (*found) {
        *row = m->heads[m->used].row;
    }
    return 0;
}

static void source_stop(void *user)
{
    struct merge *m = user;
    for (size_t i = 0; i < m->count; i++) {
        reader_changes_end(&m->views[i]->reader);
    }
}

static int source_row(void *user, uint64_t version, struct reader_row *row, struct err *err)
{
    struct merge *m = user;
    for (size_t i = 0; i < m->count; i++) {
        if (m->views[i]->shard == version_shard(version)) {
            return reader_version(&m->views[i]->reader, version, row, err);
        }
    }
    return err_set(err, ERR_CORRUPT, "version %llu is of no shard here",
                   (unsigned long long)version);
}

static const struct feed_source source = {
    .begin = source_begin,
    .end = source_end,
    .changes_start = source_start,
    .changes_next = source_next,
    .changes_end = source_stop,
    .row = source_row,
};

/* ---- lifecycle ---- */

void merge_init(struct merge *m, struct loop *loop, struct view *const *views, size_t count)
{
    assert(count > 0);
    *m = (struct merge){.loop = loop,
                        .views = mem_alloc(count * sizeof(struct view *)),
                        .count = count,
                        .heads = mem_zero(count * sizeof *m->heads)};
    for (size_t i = 0; i < count; i++) {
        m->views[i] = views[i];
    }
    feed_init(&m->feed, loop, &source, m, merge_closed(m));
}

static void on_feed_closed(struct feed *feed)
{
    struct merge *m = CONTAINER_OF(feed, struct merge, feed);
    free(m->views);
    free(m->heads);
    if (m->on_closed != NULL) {
        m->on_closed(m);
    }
}

void merge_close(struct merge *m, void (*closed)(struct merge *merge))
{
    m->on_closed = closed;
    feed_close(&m->feed, on_feed_closed);
}

uint64_t merge_closed(const struct merge *m)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < m->count; i++) {
        if (m->views[i]->closed < least) {
            least = m->views[i]->closed;
        }
    }
    return least;
}

uint64_t merge_present(const struct merge *m)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < m->count; i++) {
        uint64_t present = view_present(m->views[i]);
        least = present < least ? present : least;
    }
    return least;
}

void merge_advance(struct merge *m)
{
    feed_advance(&m->feed, merge_closed(m));
}

/* ---- lists ---- */

static int start_pages(struct merge *m, const struct reader_page *page, uint64_t version,
                       struct err *err)
{
    for (size_t i = 0; i < m->count; i++) {
        struct view *v = m->views[i];
        int rc = view__check_version(v, version, err);
        if (rc == 0) {
            rc = reader_page_start(&v->reader, page, err);
        }
        if (rc == 0) {
            rc = reader_page_next(&v->reader, &m->heads[i].row, &m->heads[i].found, err);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int compare_keys(const struct backend_key *a, const struct backend_key *b)
{
    int order = slice_cmp(a->ns, b->ns);
    return order != 0 ? order : slice_cmp(a->name, b->name);
}

static size_t least_key(const struct merge *m)
{
    size_t least = none;
    for (size_t i = 0; i < m->count; i++) {
        if (m->heads[i].found &&
            (least == none ||
             compare_keys(&m->heads[i].row.object.key, &m->heads[least].row.object.key) < 0)) {
            least = i;
        }
    }
    return least;
}

static int merge_pages(struct merge *m, struct backend_list *list, struct view_scan *scan,
                       const struct reader_page *page, bool *finished, struct err *err)
{
    enum view_offer offer = VIEW_GO_ON;
    size_t at;
    int rc = start_pages(m, page, page->as_of, err);
    while (rc == 0 && offer == VIEW_GO_ON && (at = least_key(m)) != none) {
        struct merge_head *head = &m->heads[at];
        offer = view__scan_row(scan, list, &head->row);
        if (offer == VIEW_GO_ON) {
            rc = reader_page_next(&m->views[at]->reader, &head->row, &head->found, err);
        }
    }
    for (size_t i = 0; i < m->count; i++) {
        reader_page_end(&m->views[i]->reader);
    }
    *finished = offer != VIEW_REST;
    return rc;
}

static int count_behind(struct merge *m, struct backend_list *list, const struct view_scan *scan,
                        struct err *err)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->count && list->more; i++) {
        uint64_t count;
        int rc = view__scan_remaining(scan, list, &m->views[i]->reader, &count, err);
        if (rc != 0) {
            return rc;
        }
        sum += count;
    }
    list->remaining = (int64_t)sum;
    return 0;
}

int merge_list_turn(struct merge *m, struct backend_list *list, uint64_t version,
                    struct view_scan *scan, bool *finished, struct err *err)
{
    struct reader_page page;
    *finished = true;
    view__scan_begin(scan, list);
    list->read_version = version;
    if (!view__page_of(list, scan, version, &page)) {
        return 0;
    }
    int rc = source_begin(m, err);
    if (rc != 0) {
        return rc;
    }
    rc = merge_pages(m, list, scan, &page, finished, err);
    if (rc == 0 && *finished && list->count_remaining && list->selector == NULL) {
        rc = count_behind(m, list, scan, err);
    }
    source_end(m);
    return rc;
}

/* ---- watches ---- */

void merge_watch_start(struct merge *m, struct backend_watch *watch)
{
    feed_watch_start(&m->feed, watch);
}

void merge_watch_stop(struct merge *m, struct backend_watch *watch)
{
    (void)m;
    feed_watch_stop(watch);
}

void merge_watch_resume(struct merge *m, struct backend_watch *watch)
{
    (void)m;
    feed_watch_resume(watch);
}

void merge_end_watches(struct merge *m, int code, const char *message)
{
    feed_end_watches(&m->feed, code, message);
}

size_t merge_watch_count(const struct merge *m)
{
    return m->feed.watch_count;
}
