/* view_internal.h: filling a list's page, the same for one view and for several merged.
 * Thread: the view's loop. */
#ifndef STORE_VIEW_INTERNAL_H
#define STORE_VIEW_INTERNAL_H

#include "store/view.h"

enum view_offer {
    VIEW_GO_ON,
    VIEW_FULL, /* the page is, and this row is the first of the next */
    VIEW_REST, /* this turn has looked at enough; this row has been dealt with */
};

/* At the beginning of a turn. */
void view__scan_begin(struct view_scan *scan, struct backend_list *list);
/* Where the turn begins; false: the selector names a namespace that the list has not. */
bool view__page_of(const struct backend_list *list, const struct view_scan *scan, uint64_t as_of,
                   struct reader_page *page);
/* Offers the next row in order. */
enum view_offer view__scan_row(struct view_scan *scan, struct backend_list *list,
                               const struct reader_row *row);
/* How many live objects this reader has behind the last row given. */
int view__scan_remaining(const struct view_scan *scan, const struct backend_list *list,
                         struct reader *r, uint64_t *count, struct err *err);

/* Of the pinned view: the version that is present in it. */
uint64_t view__pinned_present(const struct view *v);
/* ERR_TIMEOUT if the pinned view has not reached version. */
int view__check_version(const struct view *v, uint64_t version, struct err *err);

#endif
