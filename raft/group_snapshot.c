/* group_snapshot.c: the log shortened behind the store, and states replaced by images.
 *
 * Happy path of an install: an image arrives, by whatever way; as soon as there is a leader to take
 * it from, libraft is given it as one InstallSnapshot. If it wants it: the install is announced in
 * the log, durably; entries already handed out are waited for; the caller replaces its state; the
 * log drops what it held, durably; libraft is told, and the leader hears of it.
 * Failure path: a crash on the way is resolved at the next start by the store's own applied index:
 * at the image's index, the install is finished, else it is cancelled (group.c).
 * An image holds committed state only, so it is as good under a later leader as under the one that
 * sent it: it is offered to libraft in the name of the leader of the day.
 * Invariant: nothing is applied, and nothing is reported stored, during an install. */
#include <assert.h>
#include <stdlib.h>

#include "raft/group_internal.h"

/* ---- our own snapshots ---- */

/* How many entries to keep at and below index, for followers that are a little behind. */
static uint64_t trailing(const struct group *g, uint64_t index)
{
    uint64_t count = 0;
    uint64_t bytes = 0;
    while (count < g->config.trailing_entries && count < index) {
        const struct wal_entry *e = wal_entry(g->log, index - count);
        if (e == NULL || bytes + e->data->len > GROUP__TRAILING_BYTES) {
            break;
        }
        bytes += e->data->len;
        count++;
    }
    return count;
}

void group_snapshot_taken(struct group *g, uint64_t index)
{
    if (g->dead || g->raft == NULL || g->install != INSTALL_NONE || index > g->applied ||
        index > g->raft->last_stored || index <= g->log->snapshot.index) {
        return;
    }
    struct payload *opaque = group__conf_at(g, index);
    assert(opaque != NULL);
    struct conf conf;
    uint64_t conf_index;
    int rc = conf_read_opaque(payload_slice(opaque), &conf, &conf_index, NULL);
    assert(rc == 0);
    (void)rc;
    uint64_t kept = trailing(g, index);
    struct raft_event event = {.type = RAFT_SNAPSHOT};
    event.snapshot.metadata.index = index;
    event.snapshot.metadata.term = wal_term_at(g->log, index);
    event.snapshot.metadata.configuration_index = conf_index;
    conf_to_raft(&conf, &event.snapshot.metadata.configuration);
    event.snapshot.trailing = (unsigned)kept;
    wal_snapshot(g->log, index, payload_slice(opaque), kept);
    payload_unref(opaque);
    (void)group__step(g, &event, NULL);
    group__settle(g);
}

void group_snapshot_sent(struct group *g, uint64_t server_id)
{
    for (size_t i = 0; i < GROUP_SERVERS_MAX; i++) {
        if (g->peers[i].id == server_id) {
            g->peers[i].snapshot_sending = false;
            g->peers[i].snapshot_grace_ms = group__now(g) + 2 * g->config.election_timeout_ms;
        }
    }
}

static void send_wanted(struct group *g)
{
    for (size_t i = 0; i < GROUP_SERVERS_MAX; i++) {
        struct group__peer *peer = &g->peers[i];
        if (peer->id == 0 || !peer->snapshot_wanted) {
            continue;
        }
        peer->snapshot_wanted = false;
        if (g->led_term != 0 && !peer->snapshot_sending) {
            peer->snapshot_sending = true;
            g->ops->send_snapshot(g->user, peer->name, peer->id, peer->snapshot_index);
        }
    }
}

/* ---- images from others ---- */

void group__drop_offer(struct group *g)
{
    void *token = g->offer_token;
    bool offered = g->offered;
    g->offered = false;
    g->offer_token = NULL;
    payload_unref(g->offer_conf);
    g->offer_conf = NULL;
    if (offered) {
        g->ops->refuse(g->user, token);
    } else if (g->dead && g->install == INSTALL_ANNOUNCED) {
        g->install = INSTALL_NONE;
        g->ops->refuse(g->user, g->install_token);
    }
}

void group_snapshot_offer(struct group *g, void *token, const struct group_point *point)
{
    struct conf conf;
    uint64_t conf_index;
    bool sound = point->index > 0 && point->term > 0 &&
                 conf_read_opaque(point->configuration, &conf, &conf_index, NULL) == 0 &&
                 conf_index <= point->index;
    bool newer = !g->offered || point->index > g->offer_index;
    if (g->dead || !sound || !newer || g->install != INSTALL_NONE) {
        g->ops->refuse(g->user, token);
        return;
    }
    group__drop_offer(g);
    g->offered = true;
    g->offer_token = token;
    g->offer_index = point->index;
    g->offer_term = point->term;
    g->offer_conf = payload_new(point->configuration);
    group__settle(g);
}

static bool have_it(const struct group *g)
{
    return g->raft->state == RAFT_LEADER || g->offer_index <= g->raft->commit_index ||
           wal_term_at(g->log, g->offer_index) == g->offer_term;
}

static void try_offer(struct group *g)
{
    if (have_it(g)) {
        group__drop_offer(g);
        return;
    }
    bool led = g->raft->state == RAFT_FOLLOWER && g->raft->follower_state.current_leader.id != 0;
    if (!led || g->offer_term > g->raft->current_term ||
        !guard_install(g->config.test_guards_off, g->raft)) {
        return;
    }
    struct conf conf;
    uint64_t conf_index;
    (void)conf_read_opaque(payload_slice(g->offer_conf), &conf, &conf_index, NULL);
    struct raft_message rm = {
        .type = RAFT_INSTALL_SNAPSHOT,
        .server_id = g->raft->follower_state.current_leader.id,
        .server_address = g->raft->follower_state.current_leader.address,
        .install_snapshot = {.term = g->raft->current_term,
                             .last_index = g->offer_index,
                             .last_term = g->offer_term,
                             .conf_index = conf_index},
    };
    conf_to_raft(&conf, &rm.install_snapshot.conf);
    rm.install_snapshot.data.base = raft_malloc(1);
    rm.install_snapshot.data.len = 1;
    struct raft_event event = {.type = RAFT_RECEIVE};
    event.receive.message = &rm;
    (void)group__step(g, &event, NULL);
    if (g->offered) {
        group__drop_offer(g); /* libraft did not want it */
    }
}

void group__install_begin(struct group *g, struct raft_snapshot_metadata *metadata)
{
    assert(g->offered && metadata->index == g->offer_index && g->install == INSTALL_NONE);
    raft_configuration_close(&metadata->configuration);
    g->offered = false;
    g->install = INSTALL_ANNOUNCED;
    g->installed = false;
    g->install_token = g->offer_token;
    g->offer_token = NULL;
    struct list *link;
    while ((link = list_pop_front(&g->stored)) != NULL) {
        free(CONTAINER_OF(link, struct group__stored, link));
    }
    wal_install_begin(g->log, g->offer_index, g->offer_term, payload_slice(g->offer_conf));
    g->install_position = wal_position(g->wal);
    group__wait(g);
}

static void replace(struct group *g)
{
    g->install = INSTALL_REPLACING;
    struct group_point point = {.index = g->offer_index,
                                .term = g->offer_term,
                                .configuration = payload_slice(g->offer_conf)};
    g->ops->install(g->user, g->install_token, &point);
}

void group_installed(struct group *g)
{
    assert(g->install == INSTALL_REPLACING);
    g->installed = true;
    g->again = true;
    group__settle(g);
}

static void finish_in_log(struct group *g)
{
    g->install = INSTALL_FINISHING;
    wal_install_finish(g->log);
    g->install_position = wal_position(g->wal);
    payload_unref(g->applied_conf);
    g->applied_conf = g->offer_conf;
    g->offer_conf = NULL;
    g->handed = g->offer_index;
    g->applied = g->offer_index;
    g->applying_bytes = 0;
    g->conf_scanned = g->offer_index;
    group__wait(g);
}

static void finish_in_raft(struct group *g)
{
    g->install = INSTALL_NONE;
    (void)group__find_conf(g, NULL); /* was read when it was offered */
    if (g->raft == NULL) {
        return; /* it will start from here */
    }
    struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT};
    event.persisted_snapshot.metadata.index = g->offer_index;
    event.persisted_snapshot.metadata.term = g->offer_term;
    event.persisted_snapshot.metadata.configuration_index = g->conf_index;
    event.persisted_snapshot.last = true;
    conf_to_raft(&g->conf, &event.persisted_snapshot.metadata.configuration);
    (void)group__step(g, &event, NULL);
}

void group__settle_snapshots(struct group *g)
{
    if (g->raft != NULL) {
        send_wanted(g);
    }
    if (g->offered && g->raft != NULL && g->install == INSTALL_NONE) {
        try_offer(g);
    }
    bool durable = wal_synced(g->wal) >= g->install_position;
    if (g->install == INSTALL_ANNOUNCED && durable && g->applied == g->handed) {
        replace(g);
    }
    if (g->install == INSTALL_REPLACING && g->installed) {
        finish_in_log(g);
        durable = false;
    }
    if (g->install == INSTALL_FINISHING && durable) {
        finish_in_raft(g);
    }
}
