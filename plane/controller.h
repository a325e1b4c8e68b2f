/* controller.h: the controllers of a simulated cluster: they pretend that pods start.
 *
 *   list, then watch every resource of workload.h -> one item per object -> look -> submit
 *
 * Level-triggered: an item is looked at when its object changes, when its time has come, and when
 * one of its children is gone or could not be written. Writes carry the version that was looked at;
 * one that conflicts is dropped, because the change that beat it brings its own event. When an
 * object is gone, what it owned goes too.
 * Owner:  the caller embeds struct controller and keeps it until closed. Thread: its loop's, which
 *         is attached to the backend. */
#ifndef PLANE_CONTROLLER_H
#define PLANE_CONTROLLER_H

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "plane/workload.h"
#include "proto/backend.h"

enum { CONTROLLER_PATTERNS_MAX = 32 };

/* The subject of all that the controllers write. */
#define CONTROLLER_SUBJECT "system:plane-controller"

struct controller_config {
    struct backend *backend;
    const struct clock *clock; /* NULL: the system's */
    uint64_t ready_delay_ms;
    uint32_t pods_max;
};

struct controller_source; /* private: one resource's list and watch */

struct controller {
    struct loop *loop;
    struct controller_config config; /* ready_delay_ms and pods_max may be changed on the loop */
    /* private */
    const char *never_ready[CONTROLLER_PATTERNS_MAX + 1];
    struct map items; /* "resource/ns/name" -> struct item */
    struct list timed;
    struct loop_timer tick; /* quick while items wait for their time, else for CronJobs alone */
    bool ticking_fast;
    struct controller_source *sources;
    uint64_t scans; /* lists begun */
    size_t writes;  /* under way */
    uint64_t minute;
    bool closing;
    int parts_open;
    void (*closed)(struct controller *c);
};

void controller_start(struct controller *c, struct loop *loop,
                      const struct controller_config *config);
/* Images that never become ready from now on, as patterns; copied. At most CONTROLLER_PATTERNS_MAX;
 * the rest is not taken. Everything is looked at again. */
void controller_set_never_ready(struct controller *c, const char *const *patterns, size_t count);
/* Ends the watches, waits for what is under way, then calls closed. */
void controller_close(struct controller *c, void (*closed)(struct controller *c));

#endif
