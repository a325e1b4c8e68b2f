/* merge.h: several shards read as one, on one loop: all-namespace lists and watches.
 *
 * Watches see the changes of all views merged in version order, up to the least closed time of the
 * views (view->closed); a view that stands still holds them back, never reorders them. The caller
 * nudges lagging shards, calls merge_advance() after it has advanced views, and ends the watches
 * when a shard has had no leader for too long.
 * Owner:  the caller embeds struct merge; the views are its own too and outlive it.
 * Thread: the views' loop. */
#ifndef STORE_MERGE_H
#define STORE_MERGE_H

#include "store/view.h"

struct merge {
    /* private */
    struct loop *loop;
    struct view **views;
    size_t count;
    struct merge_head {
        struct reader_row row;
        bool found;
    } * heads;
    size_t used; /* whose head was given last */
    struct feed feed;
    void (*on_closed)(struct merge *merge);
};

/* views: count (1 or more) of them, ordered by shard; the array is copied. */
void merge_init(struct merge *m, struct loop *loop, struct view *const *views, size_t count);
void merge_close(struct merge *m, void (*closed)(struct merge *merge));

/* The least closed time of all views. */
uint64_t merge_closed(const struct merge *m);
void merge_advance(struct merge *m);

/* The least present of all views: as of it, or anything before, all of them can be read here, and a
 * watch from it on misses nothing. */
uint64_t merge_present(const struct merge *m);

/* As view_list_turn(): a page in order of (namespace, name) as of version, which every view's
 * present has reached (else ERR_TIMEOUT). consistency is not looked at. */
int merge_list_turn(struct merge *m, struct backend_list *list, uint64_t version,
                    struct view_scan *scan, bool *finished, struct err *err);

void merge_watch_start(struct merge *m, struct backend_watch *watch);
void merge_watch_stop(struct merge *m, struct backend_watch *watch);
void merge_watch_resume(struct merge *m, struct backend_watch *watch);
void merge_end_watches(struct merge *m, int code, const char *message);
/* Is it worth while to nudge? */
size_t merge_watch_count(const struct merge *m);

#endif
