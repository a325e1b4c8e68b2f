/* view_internal.h: filling a list's page, the same for one view and for several merged.
 * Thread: the view's loop. */
#ifndef STORE_VIEW_INTERNAL_H
#define STORE_VIEW_INTERNAL_H

#include "store/view.h"

struct view_page {
    struct backend_list *list;
    size_t limit;
    size_t rows;
    size_t bytes;
    struct buf last_ns; /* of the last row given, if remaining is wanted */
    struct buf last_name;
};

void view__page_of(const struct backend_list *list, uint64_t as_of, struct reader_page *page);
void view__page_begin(struct view_page *p, struct backend_list *list);
/* Offers a row in order; false: the page is full, and this row is the first of the next. */
bool view__page_row(struct view_page *p, const struct backend_object *object);
/* How many live objects this reader has behind the last row given. */
int view__page_remaining(struct view_page *p, struct reader *r, uint64_t *count, struct err *err);
void view__page_end(struct view_page *p);

/* Of the pinned view: the version that is present in it. */
uint64_t view__pinned_present(const struct view *v);
/* ERR_TIMEOUT if the pinned view has not reached version. */
int view__check_version(const struct view *v, uint64_t version, struct err *err);

#endif
