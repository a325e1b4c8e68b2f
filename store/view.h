/* view.h: one loop's read side of one shard.
 *
 * Answers gets and lists, and feeds watches, from a reader of its own. *When* it may answer is the
 * caller's business: it waits until the shard has applied what the asked consistency needs, tells
 * the view by view_advance(), and calls. Gets and lists run to their done() inside the call: so
 * call these from a message or timer, never from inside backend_ops.
 * Owner:  the caller embeds struct view; reuse its memory only from closed on.
 * Thread: its loop's. */
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
/* A page that is being filled, in turns: a selector that matches little makes it read much, and
 * other requests must not wait for all of that. Begin with zeroes; free it when finished or given
 * up. */
struct view_scan {
    /* private */
    bool begun;
    bool moved; /* the next turn goes on behind (ns, name), not behind the list's after-key */
    struct buf ns;
    struct buf name;
    size_t limit;
    size_t rows; /* given */
    size_t bytes;
    size_t bytes_max;
    size_t misses; /* of this turn: looked at, not given */
    uint64_t until_ns;
};
/* A turn looks at so many rows that do not fit, at most, and not for much longer than that. */
enum { VIEW_TURN_MISSES = 500, VIEW_TURN_US = 500 };

/* One turn: calls list->row for each row found, fills the results, and tells whether the page is
 * *finished. list->done is the caller's to call. */
int view_list_turn(struct view *v, struct backend_list *list, struct view_scan *scan,
                   bool *finished, struct err *err);
void view_scan_free(struct view_scan *scan);
/* All turns at once, then list->done. */
void view_list(struct view *v, struct backend_list *list);
/* As backend_ops.outcome; reads subject, request_id, issued_ms. */
void view_outcome(struct view *v, struct backend_submit *submit);

void view_watch_start(struct view *v, struct backend_watch *watch);
void view_watch_stop(struct view *v, struct backend_watch *watch);
void view_watch_resume(struct view *v, struct backend_watch *watch);
/* Ends every watch on this view: the shard is lost or the node stops. */
void view_end_watches(struct view *v, int code, const char *message);

#endif
