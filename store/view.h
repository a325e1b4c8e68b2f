/* view.h: one loop's read side of one shard.
 *
 * Answers gets and lists, and feeds watches, from a reader of its own. *When* it may answer is the
 * caller's business: it waits until the shard has applied what the asked consistency needs, tells
 * the view by view_advance(), and calls. Gets and lists run to their done() inside the call: so
 * call these from a message or timer, never from inside backend_ops. Owner:  the caller embeds
 * struct view; reuse its memory only from closed on. Thread: its loop's. */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include "proto/backend.h"
#include "store/feed.h"
#include "store/reader.h"

struct view {
    uint64_t closed; /* greatest closing known to hold for what is applied here */
    void *user;
    /* private */
    struct loop *loop;
    uint64_t present;
    struct reader reader;
    struct feed feed;
    char *path;
    uint32_t shard;
    void (*on_closed)(struct view *view);
};

/* path: the shard's database, open for writing elsewhere in this process. Errors: reader_open()'s.
 */
int view_open(struct view *v, struct loop *loop, const char *path, uint32_t shard, struct err *err);
/* Ends watches with ERR_CLOSED, then calls closed (may be NULL). */
void view_close(struct view *v, void (*closed)(struct view *view));
/* The database file was replaced by an image: opens the new one. Watches go on; those that need
 * history which the image no longer holds end with ERR_GONE. Errors: reader_open()'s. */
int view_reopen(struct view *v, struct err *err);

/* The shard has committed everything up to applied_version, and (if greater) nothing at or below
 * closed will still come. Never goes back: lower values are ignored. */
void view_advance(struct view *v, uint64_t applied_version, uint64_t closed);
/* What view_advance() told: the shard's present here. */
uint64_t view_present(const struct view *v);

/* Answers from the newest committed view (BACKEND_EXACT: as of get->version): fills the results and
 * calls get->done. ERR_TIMEOUT: BACKEND_EXACT above the present. */
void view_get(struct view *v, struct backend_get *get);
/* A page: calls list->row for each, then list->done. A selector that matches little makes it read
 * much: bounded by the resource's rows, not by the page. */
void view_list(struct view *v, struct backend_list *list);
/* As backend_ops.outcome; reads subject, request_id, issued_ms. */
void view_outcome(struct view *v, struct backend_submit *submit);

void view_watch_start(struct view *v, struct backend_watch *watch);
void view_watch_stop(struct view *v, struct backend_watch *watch);
void view_watch_resume(struct view *v, struct backend_watch *watch);
/* Ends every watch on this view: the shard is lost or the node stops. */
void view_end_watches(struct view *v, int code, const char *message);

#endif
