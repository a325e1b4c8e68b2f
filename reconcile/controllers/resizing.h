/* resizing.h: condition Resizing: whether volumes are being made larger, and how far they have got.
 *
 * It says nothing of Ready: a volume grows beneath what uses it. Absent: none was ever made larger.
 * Pure, over a snapshot. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_RESIZING_H
#define RECONCILE_CONTROLLERS_RESIZING_H

#include "reconcile/controllers/common.h"

/* Into the status of a RenderedRelease, of what is in its inventory. While that is not known the
 * condition stays as it was. */
void resizing_observe(const struct snapshot *s, const json_t *rendered, const json_t *inventory,
                      json_t *edit, struct arena *arena);

/* Into that of what is made of others: True with the first of them for which it is, by its
 * spec[where]: a cluster's name, an environment's. */
void resizing_rollup(const struct snapshot *s, const struct snapshot_entry **parts, size_t count,
                     const char *where, json_t *edit);

#endif
