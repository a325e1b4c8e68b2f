/* keeper.h: one shard's database on its shard loop: applies what is committed, checkpoints it.
 *
 *   consensus loop --entry, entry, ...--> keeper: one transaction for all that wait
 *                  <--applied (index, outcomes)--
 *                  <--durable (index)--            after a complete checkpoint: the log may go
 *
 * Owner:  the caller embeds struct keeper until closed() ran.
 * Thread: keeper_open() before the loop runs; keeper_apply/install/close() from any one other
 *         loop; the callbacks run on the keeper's loop. */
#ifndef NODE_SHARD_KEEPER_H
#define NODE_SHARD_KEEPER_H

#include "base/list.h"
#include "base/loop.h"
#include "raft/group.h"
#include "store/apply.h"
#include "store/image.h"

struct keeper;

/* What one transaction did. Heap memory, passed on to whoever wants it. */
struct keeper_applied {
    struct loop_msg msg; /* for the receiver's use */
    void *user;
    uint64_t index;
    uint64_t present; /* db_present() */
    struct db_state state;
    /* Outcomes of the entries whose outcomes were asked for, in order. */
    size_t span_count;
    size_t outcome_count;
    struct apply_span *spans;
    struct outcome *outcomes;
};

struct keeper_ops {
    void (*applied)(void *user, struct keeper_applied *applied); /* takes it: free() */
    void (*durable)(void *user, uint64_t index);
    /* Ends keeper_install(). rc 0: the database is now the image's; state tells. */
    void (*installed)(void *user, int rc, const struct db_state *state);
    /* This replica cannot go on: end the process. */
    void (*failed)(void *user, const struct err *err);
};

struct keeper_config {
    struct loop *loop;
    const char *path; /* of the database; borrowed until closed */
    uint32_t shard;
    struct slice cluster;   /* likewise */
    uint32_t checkpoint_ms; /* 0: 10 s */
    const struct keeper_ops *ops;
    void *user;
};

struct keeper {
    struct db db; /* before the loop runs: what is held; then the keeper's own */
    /* private */
    struct keeper_config config;
    struct list queue; /* entries to apply */
    size_t queued;
    struct loop_timer timer;
    struct loop_msg work;
    bool work_posted;
    bool closing;
    bool checkpoint_wanted;
    uint64_t durable_index; /* of the last complete checkpoint */
    void (*closed)(void *user);
    void *closed_user;
};

/* Errors: as db_open(). On error nothing is held. */
int keeper_open(struct keeper *k, const struct keeper_config *config, struct err *err);
/* Takes references on the payloads. report: its outcomes are wanted back. */
void keeper_apply(struct keeper *k, const struct group_entry *entry, bool report);
/* Puts the image file, checked before, in the database's place. Nothing may be queued for applying.
 */
void keeper_install(struct keeper *k, const char *image_path);
/* Applies what is queued, checkpoints if clean, closes the database; then closed(user) on the
 * keeper's loop. Call once. */
void keeper_close(struct keeper *k, bool clean, void (*closed)(void *user), void *user);

#endif
