/* controller_internal.h: what the controllers remember of an object, and the ways to change one.
 * Thread: the controller's loop. */
#ifndef PLANE_CONTROLLER_INTERNAL_H
#define PLANE_CONTROLLER_INTERNAL_H

#include "plane/controller.h"

struct item {
    struct list timed; /* linked while due_ms is set */
    enum workload_kind kind;
    char *key; /* "resource/ns/name" */
    struct buf body;
    uint64_t version;
    char uid[64];
    char owner_uid[64]; /* of the controlling owner; "" for none */
    int64_t generation;
    uint64_t since_ms; /* when this generation was first seen */
    uint64_t due_ms;
    bool busy;      /* a write of it is under way */
    bool again;     /* look again when that is done */
    bool childless; /* children are to be made (again) */
    uint64_t scan;  /* of the list that saw it last */
};

struct controller_source {
    struct controller *controller;
    enum workload_kind kind;
    struct backend_list list;
    struct backend_watch watch;
    struct buf after_ns;
    struct buf after_name;
    struct loop_timer retry;
    uint64_t scan;
    bool listing;
    bool watching;
};

/* The item of an object that is there now; NULL if its bytes make no sense. */
struct item *controller__take(struct controller *c, enum workload_kind kind,
                              const struct backend_object *object);
/* What is known of it, or NULL. */
struct item *controller__find(struct controller *c, enum workload_kind kind,
                              const struct backend_key *key);
/* Its object is gone: so is what it owned, and its owner is looked at again. */
void controller__drop(struct controller *c, struct item *item);
void controller__look(struct controller *c, struct item *item);
uint64_t controller__now(const struct controller *c);

/* controller_owner.c. Lets go of the children of an object that is deleted with the finalizer
 * "orphan", and lets it go after that. False: it is not one of those. */
bool controller__end_orphan(struct controller *c, struct item *item, json_t *tree);
/* Takes a child up that has no owner, if the owner's selector fits it. False: not yet, something of
 * it is under way. */
bool controller__adopt(struct controller *c, struct item *child, const json_t *owner);

/* controller_feed.c: lists, watches. */
void controller__feed_start(struct controller *c);
void controller__feed_stop(struct controller *c);
/* One part of the controller has come to its end. */
void controller__part_closed(struct controller *c);

/* controller_write.c. Takes its own copies. owner may be NULL: it belongs to nobody. */
void controller__update(struct controller *c, struct item *item, json_t *object);
void controller__create(struct controller *c, enum workload_kind kind, json_t *object,
                        const json_t *owner);
void controller__delete(struct controller *c, const struct item *item);
/* What a finished write (0 or an error) asks for; called by controller_write.c. */
void controller__written(struct controller *c, const char *item_key, int rc);

#endif
