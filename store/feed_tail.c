/* feed_tail.c: rows copied from the source, and the ring of the newest.
 *
 * Copying lets the source's view go before any callback runs. Rows of resources that nobody watches
 * are passed over: a topic remembers since when its rows are in the tail. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/feed_internal.h"

static struct slice place(char **at, struct slice s)
{
    struct slice copy = slice_make(*at, s.len);
    if (s.len > 0) {
        memcpy(*at, s.data, s.len);
        *at += s.len;
    }
    return copy;
}

static struct feed_row *copy_row(const struct reader_row *row, const struct feed_topic *topic,
                                 const struct reader_row *prev)
{
    const struct backend_object *o = &row->object;
    size_t bytes = o->key.resource.len + o->key.ns.len + o->key.name.len + o->body.len +
                   (prev != NULL ? prev->object.body.len : 0);
    struct feed_row *copy = mem_alloc(sizeof *copy + bytes);
    *copy = (struct feed_row){.topic = topic, .verb = row->verb, .bytes = sizeof *copy + bytes};
    char *at = copy->memory;
    copy->object = (struct backend_object){
        .key = {.resource = place(&at, o->key.resource),
                .ns = place(&at, o->key.ns),
                .name = place(&at, o->key.name)},
        .body = place(&at, o->body),
        .splice = o->splice,
        .version = o->version,
    };
    if (prev != NULL) {
        copy->has_prev = true;
        copy->prev_body = place(&at, prev->object.body);
        copy->prev_splice = prev->object.splice;
    }
    return copy;
}

/* One row of the scan, copied if its topic wants it. */
static int take_row(struct feed *f, const struct reader_row *row, const struct feed_topic *only,
                    bool want_prev, struct feed_batch *batch, struct err *err)
{
    const struct feed_topic *topic = map_get(&f->topics, row->object.key.resource);
    if (topic == NULL || (only != NULL && topic != only)) {
        return 0;
    }
    struct reader_row prev;
    bool has_prev = false;
    if ((want_prev || topic->selector_count > 0) && row->verb != BACKEND_CREATE) {
        int rc = f->source->row(f->user, row->prev, &prev, err);
        if (rc != 0) {
            return rc == ERR_NOT_FOUND ? err_set(err, ERR_CORRUPT, "version %llu is missing",
                                                 (unsigned long long)row->prev)
                                       : rc;
        }
        has_prev = true;
    }
    batch->rows[batch->count++] = copy_row(row, topic, has_prev ? &prev : NULL);
    return 0;
}

static int scan(struct feed *f, const struct feed_topic *topic, uint64_t upto, bool want_prev,
                struct feed_batch *batch, struct err *err)
{
    struct reader_row row;
    for (size_t looked_at = 0; looked_at < FEED_SCAN_ROWS && batch->count < FEED_STEP_ROWS;
         looked_at++) {
        bool found;
        int rc = f->source->changes_next(f->user, &row, &found, err);
        if (rc != 0) {
            return rc;
        }
        if (!found) {
            batch->upto = upto;
            return 0;
        }
        rc = take_row(f, &row, topic, want_prev, batch, err);
        if (rc != 0) {
            return rc;
        }
        batch->upto = row.object.version;
    }
    return 0;
}

int feed__read(struct feed *f, const struct feed_topic *topic, uint64_t since, uint64_t upto,
               bool want_prev, struct feed_batch *batch, struct err *err)
{
    batch->count = 0;
    batch->upto = since;
    int rc = f->source->begin(f->user, err);
    if (rc != 0) {
        return rc;
    }
    rc = f->source->changes_start(f->user, since, upto, err);
    if (rc == 0) {
        rc = scan(f, topic, upto, want_prev, batch, err);
        f->source->changes_end(f->user);
    }
    f->source->end(f->user);
    if (rc != 0) {
        feed__batch_free(batch);
    }
    return rc;
}

void feed__batch_free(struct feed_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->rows[i]);
    }
    batch->count = 0;
}

static void drop_oldest(struct feed *f)
{
    struct feed_row *oldest = f->rows[f->row_first];
    f->tail_since = oldest->object.version;
    f->row_bytes -= oldest->bytes;
    f->row_first = (f->row_first + 1) % FEED_TAIL_ROWS;
    f->row_count--;
    free(oldest);
}

void feed__tail_add(struct feed *f, struct feed_batch *batch)
{
    if (f->rows == NULL) {
        f->rows = mem_alloc(FEED_TAIL_ROWS * sizeof(struct feed_row *));
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (f->row_count == FEED_TAIL_ROWS) {
            drop_oldest(f);
        }
        f->rows[(f->row_first + f->row_count) % FEED_TAIL_ROWS] = batch->rows[i];
        f->row_count++;
        f->row_bytes += batch->rows[i]->bytes;
    }
    /* The batch itself stays, however large: its rows are still to be given. */
    while (f->row_bytes > FEED_TAIL_BYTES && f->row_count > batch->count) {
        drop_oldest(f);
    }
    batch->count = 0;
}

void feed__tail_clear(struct feed *f)
{
    while (f->row_count > 0) {
        drop_oldest(f);
    }
    free(f->rows);
    f->rows = NULL;
    f->row_first = 0;
    f->tail_since = f->read;
}

struct feed_row *feed__tail_row(const struct feed *f, size_t i)
{
    assert(i < f->row_count);
    return f->rows[(f->row_first + i) % FEED_TAIL_ROWS];
}

size_t feed__tail_find(const struct feed *f, uint64_t version)
{
    size_t low = 0;
    size_t high = f->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (feed__tail_row(f, middle)->object.version <= version) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
