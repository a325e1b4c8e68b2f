/* group_internal.h: what the files of a group share.
 *
 * A group reacts in two steps. First, an event is stepped through libraft and its update is carried
 * out: records queued in the log, messages sent or held (group_step.c; what peers say comes there
 * through group_receive.c). Then group__settle() looks at the state that resulted and does what has
 * become due: hands entries to apply, answers requests, tells of leadership, arms the timer.
 * Callbacks that may call back into the group are made only from settling, so a step is never
 * re-entered. */
#ifndef RAFT_GROUP_INTERNAL_H
#define RAFT_GROUP_INTERNAL_H

#include <raft.h>

#include "raft/conf.h"
#include "raft/group.h"
#include "raft/guard.h"
#include "raft/message.h"

enum {
    GROUP__APPEND_BYTES = 1 << 20,   /* of entries in one message, by default */
    GROUP__TRAILING_BYTES = 4 << 20, /* of entries kept behind a snapshot */
    GROUP__TIMEOUT_GAP_MS = 5,       /* between two timeouts: libraft's may stay in the past */
    GROUP__INFLIGHT_ENTRIES = 16,    /* sent to a follower and not acknowledged */
    GROUP__TELL_AFTER_MS = 1,        /* a commit that no entry has told of */
};

/* Written to the log and not yet known to be durable. */
struct group__stored {
    struct list link;
    uint64_t position;
    uint64_t index; /* the last of them */
    uint64_t term;
};

/* A message that must not leave before the term or vote that it speaks of is durable. */
struct group__held {
    struct list link;
    uint64_t position;
    char name[GROUP_NAME_MAX + 1];
    struct buf bytes;
};

struct group__peer {
    uint64_t id; /* 0: free */
    char name[GROUP_NAME_MAX + 1];
    uint64_t heard_ms;
    bool heard;
    bool snapshot_wanted;
    bool snapshot_sending;
    uint64_t snapshot_grace_ms; /* it may be installing what it was sent, until then */
    uint64_t snapshot_index;
    uint64_t read_number; /* the last round that it confirmed */
    uint64_t told_commit; /* the greatest commit index that it was sent in our term */
};

enum group__change_kind {
    CHANGE_TRANSFER,
    CHANGE_ADD,
    CHANGE_PROMOTE,
    CHANGE_DEMOTE,
    CHANGE_REMOVE
};

struct group__change {
    struct group_change *request; /* NULL: none under way */
    enum group__change_kind kind;
    uint64_t server_id;
    char name[GROUP_NAME_MAX + 1];
    uint64_t deadline_ms; /* of a transfer */
    bool sent;            /* transfer: handed to libraft; promote: catching up */
    uint64_t index;       /* of the CHANGE entry, once submitted */
};

enum group__install_stage {
    INSTALL_NONE,
    INSTALL_ANNOUNCED, /* in the log and not yet durable, or applies are outstanding */
    INSTALL_REPLACING, /* ops.install was called */
    INSTALL_FINISHING, /* the log's mark is being made durable */
};

struct group {
    struct group_config config;
    char name[GROUP_NAME_MAX + 1];
    const struct group_ops *ops;
    void *user;
    struct wal *wal;
    struct wal_group *log;
    struct raft *raft; /* NULL while quarantined */
    bool settling;
    bool again; /* while settling: more has become due */
    bool dead;  /* ops.failed was called */

    /* what is on its way to the disk */
    struct wal_waiter waiter;
    bool waiting;
    uint64_t reload_position; /* in quarantine: libraft starts anew once this is durable */
    uint64_t term_position;   /* wal position behind the last term record */
    struct list held;         /* group__held, in order */
    struct list stored;       /* group__stored, in order */

    /* configurations */
    uint64_t conf_index;   /* of the latest one in the log, or the snapshot's */
    struct conf conf;      /* which says so */
    uint64_t conf_scanned; /* CHANGE entries up to here are marked committed in libraft */

    /* applying */
    uint64_t handed;
    uint64_t applied;
    uint64_t applying_bytes;
    struct payload *applied_conf; /* opaque, as of handed */

    /* leading */
    uint64_t led_term;  /* 0: libraft is not leader */
    uint64_t told_term; /* ops.on_leading was called with it; 0: on_following was */
    uint64_t lost_term; /* to tell: leadership of that term is lost */
    bool told_ready;
    uint64_t open_index; /* the first proposal of the term; 0: none yet */
    uint64_t proposed;   /* the last one's index */
    bool told_can_propose;
    uint64_t told_leader_term;
    uint64_t told_leader_id;
    struct list proposals; /* by index */
    struct list proposals_done;

    /* reading */
    struct list reads;       /* wait for the next round */
    struct list round_reads; /* in the round under way */
    struct list reads_done;
    bool round;
    uint64_t round_number;
    uint64_t round_commit;
    uint64_t round_started_ms;
    uint64_t round_sent_ms;
    uint64_t confirmed_ms;

    uint64_t tell_at_ms; /* followers are to be told what has committed; 0: they were */

    struct group__change change;
    struct list changes_done;

    /* snapshots */
    enum group__install_stage install;
    bool installed;            /* group_installed() was called */
    uint64_t install_position; /* what ANNOUNCED and FINISHING wait for */
    void *install_token;
    bool offered;
    void *offer_token;
    struct payload *offer_conf;
    uint64_t offer_index;
    uint64_t offer_term;

    /* time */
    uint64_t armed_ms; /* 0: nothing armed */
    uint64_t last_timeout_ms;
    uint64_t early_election_ms; /* 0: none */
    uint32_t random;

    struct group__peer peers[GROUP_SERVERS_MAX];
    uint64_t dropped;
};

/* group.c */
uint64_t group__now(const struct group *g);
void group__fail(struct group *g, const char *what);
void group__settle(struct group *g);
void group__soon(struct group *g); /* settle in group_tick(), as soon as it can be called */
struct group__peer *group__peer(struct group *g, uint64_t id); /* made if absent; may be NULL */

/* group_start.c */
int group__start_raft(struct group *g, struct err *err);

/* group_step.c */
void group__stop_raft(struct group *g);
/* Without libraft until all that is queued is durable: then it starts anew from the log. */
void group__quarantine(struct group *g, const char *what);
/* Steps and carries out the update. An error is a refusal (of SUBMIT and TRANSFER); any other
 * event's error has already put the group in quarantine. flags (may be NULL) gets the update's. */
int group__step(struct group *g, struct raft_event *event, unsigned *flags);
void group__emit(struct group *g, const char *name, const struct message *m);
void group__report_stored(struct group *g); /* tells libraft what has become durable */
void group__wait(struct group *g);          /* for the disk, if something is on its way there */
int group__find_conf(struct group *g, struct err *err); /* reads conf and conf_index off the log */
/* The configuration at or below index, opaque; NULL: none. The caller's reference. */
struct payload *group__conf_at(const struct group *g, uint64_t index);
bool group__is_leader(const struct group *g);

/* group_propose.c */
int group__submit(struct group *g, enum wal_entry_type type, struct slice data, uint64_t *index);
void group__settle_proposals(struct group *g);
void group__lose_proposals(struct group *g);
void group__hand_entries(struct group *g);

/* group_read.c */
void group__settle_reads(struct group *g);
void group__lose_reads(struct group *g, int status);
void group__receive_read(struct group *g, const char *from, const struct message *m);
void group__retry_reads(struct group *g);
uint64_t group__read_deadline(const struct group *g); /* UINT64_MAX: none */

/* group_commit.c */
void group__settle_commits(struct group *g);
/* Tells that server what it holds and does not know to be committed, if there is any such. */
void group__tell_commit(struct group *g, const struct group_server *s);
void group__note_told(struct group *g, const struct message *m); /* an APPEND that goes out */
uint64_t group__tell_deadline(const struct group *g);            /* UINT64_MAX: none */

/* group_change.c */
void group__settle_change(struct group *g);
void group__lose_change(struct group *g, int status);
void group__target_lost(struct group *g, const char *name); /* ends a transfer to that node */
uint64_t group__change_deadline(const struct group *g);

/* group_snapshot.c */
void group__settle_snapshots(struct group *g);
/* libraft wants the state replaced by the offered one. */
void group__install_begin(struct group *g, struct raft_snapshot_metadata *metadata);
void group__drop_offer(struct group *g);

#endif
