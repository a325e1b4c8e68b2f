/* feed_store.c: rows of a shard from its SQLite database, on read-only connections of our own.
 *
 * A scan reads the kinds that snapshots hold, one pinned view for all of them; changes are read in
 * version order; what snapshots do not keep is read one by one. Views are pinned only for the
 * length of a call. */
#include <stdlib.h>

#include "reconcile/engine_internal.h"
#include "store/reader.h"

struct store_feed {
    const struct engine_config *config;
    struct reader *readers[ENGINE_SHARDS_MAX]; /* opened at first use */
};

static int open_reader(struct store_feed *f, uint32_t shard, struct reader **out, struct err *err)
{
    if (f->readers[shard] == NULL) {
        struct reader *r = mem_zero(sizeof(*r));
        const char *path = f->config->database(f->config->user, shard);
        int rc = reader_open(r, path, shard, err);
        if (rc != 0) {
            free(r);
            return rc;
        }
        f->readers[shard] = r;
    }
    *out = f->readers[shard];
    return reader_begin(*out, err);
}

static void give(const struct reader_row *row, void (*to)(void *arg, const struct feed_row *row),
                 void *arg)
{
    const struct feed_row out = {.resource = row->object.key.resource,
                                 .ns = row->object.key.ns,
                                 .name = row->object.key.name,
                                 .version = row->object.version,
                                 .deleted = row->verb == BACKEND_DELETE,
                                 .body = row->object.body};
    to(arg, &out);
}

static int scan_kind(struct reader *r, enum snapshot_kind kind,
                     void (*to)(void *arg, const struct feed_row *row), void *arg, struct err *err)
{
    const struct reader_page page = {.resource = slice_of(snapshot_resource(kind)),
                                     .all_namespaces = true};
    int rc = reader_page_start(r, &page, err);
    bool found = rc == 0;
    while (rc == 0 && found) {
        struct reader_row row;
        rc = reader_page_next(r, &row, &found, err);
        if (rc == 0 && found) {
            give(&row, to, arg);
        }
    }
    reader_page_end(r);
    return rc;
}

static int scan(void *user, uint32_t shard, void (*row)(void *arg, const struct feed_row *row),
                void *arg, uint64_t *version, struct err *err)
{
    struct reader *r;
    int rc = open_reader(user, shard, &r, err);
    if (rc != 0) {
        return rc;
    }
    *version = r->state.last_version;
    for (int kind = 0; rc == 0 && kind < SNAPSHOT_KIND_COUNT; kind++) {
        rc = scan_kind(r, (enum snapshot_kind)kind, row, arg, err);
    }
    reader_end(r);
    return rc;
}

static int changes(void *user, uint32_t shard, uint64_t since, uint64_t to,
                   void (*row)(void *arg, const struct feed_row *row), void *arg, struct err *err)
{
    struct reader *r;
    int rc = open_reader(user, shard, &r, err);
    if (rc != 0) {
        return rc;
    }
    rc = reader_changes_start(r, since, to, err);
    bool found = rc == 0;
    while (rc == 0 && found) {
        struct reader_row one;
        rc = reader_changes_next(r, &one, &found, err);
        if (rc == 0 && found) {
            give(&one, row, arg);
        }
    }
    reader_changes_end(r);
    reader_end(r);
    return rc;
}

static int read_one(void *user, uint32_t shard, const struct feed_row *wanted,
                    void (*row)(void *arg, const struct feed_row *row), void *arg, struct err *err)
{
    struct reader *r;
    int rc = open_reader(user, shard, &r, err);
    if (rc != 0) {
        return rc;
    }
    const struct backend_key key = {wanted->resource, wanted->ns, wanted->name};
    struct reader_row one;
    rc = reader_get(r, &key, 0, &one, err);
    if (rc == 0) {
        give(&one, row, arg);
    }
    reader_end(r);
    return rc;
}

static void reset(void *user, uint32_t shard)
{
    struct store_feed *f = user;
    if (f->readers[shard] != NULL) {
        reader_close(f->readers[shard]);
        free(f->readers[shard]);
        f->readers[shard] = NULL;
    }
}

void feed_store_init(struct feed *feed, const struct engine_config *config)
{
    struct store_feed *f = mem_zero(sizeof(*f));
    f->config = config;
    *feed = (struct feed){
        .user = f, .scan = scan, .changes = changes, .read = read_one, .reset = reset};
}

void feed_store_free(struct feed *feed)
{
    for (uint32_t shard = 0; feed->user != NULL && shard < ENGINE_SHARDS_MAX; shard++) {
        reset(feed->user, shard);
    }
    free(feed->user);
    feed->user = NULL;
}
