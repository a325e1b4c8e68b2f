/* group_step.c: one event through libraft, and its update carried out.
 *
 * Happy path: raft_step(); then, in this order: a lost leadership is noted; a new term or vote is
 * queued in the log, and from there on no message leaves until it is durable; entries are appended
 * (truncating first); a snapshot's install begins; messages are completed (libraft names entries by
 * index only) and sent or held; configurations that the new commit index covers are marked
 * committed. When the disk reports, held messages leave and libraft is told what is stored.
 * Failure path: what libraft refuses beyond plain refusals, or a configuration of its that is not
 * the log's, puts the group in quarantine: leadership is dropped, messages are ignored, and once
 * everything queued is durable libraft starts anew from the log.
 * Invariants: committed entries are never truncated; "stored" is reported in the log's order, and
 * only for entries that are still the log's. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "raft/group_internal.h"

bool group__is_leader(const struct group *g)
{
    return g->raft != NULL && g->raft->state == RAFT_LEADER;
}

/* ---- configurations ---- */

static uint64_t find_change(const struct wal_group *log, uint64_t index)
{
    uint64_t least = log->snapshot.index + 1 > log->first ? log->snapshot.index + 1 : log->first;
    for (uint64_t i = index < log->last ? index : log->last; i >= least; i--) {
        if (wal_entry(log, i)->type == WAL_ENTRY_CHANGE) {
            return i;
        }
    }
    return 0;
}

struct payload *group__conf_at(const struct group *g, uint64_t index)
{
    uint64_t change = find_change(g->log, index);
    if (change != 0) {
        return conf_opaque(change, payload_slice(wal_entry(g->log, change)->data));
    }
    struct payload *of_snapshot = g->log->snapshot.configuration;
    return of_snapshot != NULL ? payload_ref(of_snapshot) : NULL;
}

int group__find_conf(struct group *g, struct err *err)
{
    struct payload *opaque = group__conf_at(g, g->log->last);
    int rc = 0;
    if (opaque != NULL) {
        rc = conf_read_opaque(payload_slice(opaque), &g->conf, &g->conf_index, err);
        payload_unref(opaque);
    } else {
        g->conf = (struct conf){0};
        g->conf_index = 0;
    }
    return rc;
}

/* Tells libraft of every CHANGE that is committed and that it does not yet know to be. */
static void mark_committed_changes(struct group *g)
{
    if (g->install != INSTALL_NONE) {
        return; /* the commit index speaks of a log that is not here yet */
    }
    uint64_t from = g->conf_scanned;
    uint64_t to = g->raft->commit_index < g->log->last ? g->raft->commit_index : g->log->last;
    if (to <= from) {
        return;
    }
    g->conf_scanned = to;
    for (uint64_t i = from + 1 > g->log->first ? from + 1 : g->log->first; i <= to; i++) {
        const struct wal_entry *e = wal_entry(g->log, i);
        struct conf conf;
        if (e->type != WAL_ENTRY_CHANGE || conf_read(payload_slice(e->data), &conf, NULL) != 0) {
            continue;
        }
        struct raft_event event = {.type = RAFT_CONFIGURATION};
        event.configuration.index = i;
        conf_to_raft(&conf, &event.configuration.conf);
        (void)group__step(g, &event, NULL);
        if (g->raft == NULL) {
            return;
        }
    }
}

/* ---- messages out ---- */

static void send_bytes(struct group *g, const char *name, struct slice bytes)
{
    if (wal_synced(g->wal) >= g->term_position && list_empty(&g->held)) {
        g->ops->send(g->user, name, bytes);
        return;
    }
    struct group__held *h = mem_zero(sizeof *h);
    h->position = g->term_position;
    (void)snprintf(h->name, sizeof h->name, "%s", name);
    buf_add(&h->bytes, bytes);
    list_push_back(&g->held, &h->link);
    group__wait(g);
}

void group__emit(struct group *g, const char *name, const struct message *m)
{
    struct buf bytes = {0};
    message_write(m, &bytes);
    send_bytes(g, name, buf_slice(&bytes));
    buf_free(&bytes);
}

/* One APPEND of libraft's becomes one or more, none much above config.append_bytes. */
static void emit_append(struct group *g, struct message *m, const char *name, size_t count)
{
    struct message_entry entries[MESSAGE_ENTRIES_MAX];
    uint64_t next = m->append.prev_index + 1;
    uint64_t end = next + count;
    m->append.entries = entries;
    do {
        size_t bytes = 0;
        m->append.count = 0;
        while (next < end && m->append.count < MESSAGE_ENTRIES_MAX &&
               (m->append.count == 0 || bytes < g->config.append_bytes)) {
            const struct wal_entry *e = wal_entry(g->log, next);
            assert(e != NULL);
            entries[m->append.count++] = (struct message_entry){
                .term = e->term, .type = e->type, .data = payload_slice(e->data)};
            bytes += e->data->len;
            next++;
        }
        group__note_told(g, m);
        group__emit(g, name, m);
        m->append.prev_index = next - 1;
        m->append.prev_term = wal_term_at(g->log, next - 1);
    } while (next < end);
}

static void want_snapshot(struct group *g, const struct raft_message *rm)
{
    struct group__peer *peer = group__peer(g, rm->server_id);
    if (peer != NULL && !peer->snapshot_sending) {
        peer->snapshot_wanted = true;
        peer->snapshot_index = rm->install_snapshot.last_index;
        (void)snprintf(peer->name, sizeof peer->name, "%s", rm->server_address);
    }
}

static void emit_raft(struct group *g, const struct raft_message *rm)
{
    struct message m = {.from = g->config.server_id, .to = rm->server_id};
    switch (rm->type) {
    case RAFT_APPEND_ENTRIES:
        m.kind = MESSAGE_APPEND;
        m.term = rm->append_entries.term;
        m.append.prev_index = rm->append_entries.prev_log_index;
        m.append.prev_term = rm->append_entries.prev_log_term;
        m.append.commit = rm->append_entries.leader_commit;
        emit_append(g, &m, rm->server_address, rm->append_entries.n_entries);
        return;
    case RAFT_APPEND_ENTRIES_RESULT:
        m.kind = MESSAGE_APPEND_RESULT;
        m.term = rm->append_entries_result.term;
        m.append_result.rejected = rm->append_entries_result.rejected;
        m.append_result.last_index = rm->append_entries_result.last_log_index;
        break;
    case RAFT_REQUEST_VOTE:
        m.kind = MESSAGE_VOTE;
        m.term = rm->request_vote.term;
        m.vote.last_index = rm->request_vote.last_log_index;
        m.vote.last_term = rm->request_vote.last_log_term;
        m.vote.disrupt = rm->request_vote.disrupt_leader;
        m.vote.pre_vote = rm->request_vote.pre_vote;
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        m.kind = MESSAGE_VOTE_RESULT;
        m.term = rm->request_vote_result.term;
        m.vote_result.granted = rm->request_vote_result.vote_granted;
        m.vote_result.pre_vote = rm->request_vote_result.pre_vote;
        break;
    case RAFT_INSTALL_SNAPSHOT:
        want_snapshot(g, rm);
        return;
    case RAFT_TIMEOUT_NOW:
        m.kind = MESSAGE_TIMEOUT_NOW;
        m.term = rm->timeout_now.term;
        m.timeout_now.last_index = rm->timeout_now.last_log_index;
        m.timeout_now.last_term = rm->timeout_now.last_log_term;
        break;
    default:
        return;
    }
    group__emit(g, rm->server_address, &m);
}

/* ---- the update ---- */

static struct payload *payload_of(const struct raft_entry *e)
{
    if (e->type == RAFT_BARRIER) {
        return payload_new((struct slice){0});
    }
    return payload_ref(CONTAINER_OF(e->buf.base, struct payload, bytes));
}

static void note_stored(struct group *g)
{
    struct group__stored *s = mem_zero(sizeof *s);
    s->position = wal_position(g->wal);
    s->index = g->log->last;
    s->term = wal_term_at(g->log, s->index);
    list_push_back(&g->stored, &s->link);
    group__wait(g);
}

static void append_entries(struct group *g, uint64_t index, const struct raft_entry *entries,
                           unsigned count)
{
    struct wal_group *log = g->log;
    if (index <= log->last) {
        if (index <= g->handed || index <= log->snapshot.index) {
            group__fail(g, "committed entries would be truncated");
            return;
        }
        wal_truncate(log, index);
        if (g->conf_index >= index) {
            (void)group__find_conf(g, NULL); /* was read before */
        }
    }
    if (index != log->last + 1) {
        group__fail(g, "entries would leave a gap in the log");
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        struct payload *data = payload_of(&entries[i]);
        wal_append(log, entries[i].term, (enum wal_entry_type)entries[i].type, data);
        payload_unref(data);
        if (entries[i].type == RAFT_CHANGE) {
            (void)group__find_conf(g, NULL); /* was checked before it came here */
        }
    }
    if (entries == &g->raft->barrier) {
        raft_free(entries[0].batch);
    }
    note_stored(g);
}

static void note_leadership(struct group *g)
{
    uint64_t term = group__is_leader(g) ? g->raft->current_term : 0;
    if (g->led_term != 0 && g->led_term != term) {
        g->lost_term = g->lost_term == 0 ? g->led_term : g->lost_term;
        g->led_term = 0;
        group__lose_proposals(g);
        group__lose_reads(g, ERR_NOT_LEADER);
        group__lose_change(g, ERR_TIMEOUT);
        g->confirmed_ms = 0;
        g->open_index = 0;
        g->proposed = 0;
    }
    if (term != 0 && g->led_term == 0) {
        g->led_term = term;
        g->round = false;
        for (size_t i = 0; i < GROUP_SERVERS_MAX; i++) {
            g->peers[i].read_number = 0;
            g->peers[i].told_commit = 0;
            g->peers[i].heard = false;
        }
    }
}

static void carry_out(struct group *g, struct raft_update *u)
{
    if (u->flags & RAFT_UPDATE_STATE) {
        note_leadership(g);
    }
    if (u->flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR)) {
        wal_set_term(g->log, g->raft->current_term, g->raft->voted_for);
        g->term_position = wal_position(g->wal);
    }
    if (u->flags & RAFT_UPDATE_ENTRIES) {
        append_entries(g, u->entries.index, u->entries.batch, u->entries.n);
    }
    if (g->dead) {
        return;
    }
    if (u->flags & RAFT_UPDATE_SNAPSHOT) {
        raft_free(u->snapshot.chunk.base);
        group__install_begin(g, &u->snapshot.metadata);
    }
    if (u->flags & RAFT_UPDATE_MESSAGES) {
        for (unsigned i = 0; i < u->messages.n; i++) {
            emit_raft(g, &u->messages.batch[i]);
        }
    }
}

void group__stop_raft(struct group *g)
{
    if (g->raft == NULL) {
        return;
    }
    raft_close(g->raft, NULL);
    free(g->raft);
    g->raft = NULL;
    note_leadership(g);
}

void group__quarantine(struct group *g, const char *what)
{
    log_error("raft.quarantine", "group=%u term=%llu what=%s", g->config.id,
              (unsigned long long)g->log->term, log_q(what));
    group__stop_raft(g);
    g->reload_position = wal_position(g->wal);
    group__wait(g);
}

static void check_configuration(struct group *g)
{
    if (g->install == INSTALL_NONE && g->raft != NULL &&
        !conf_is_raft(&g->conf, &g->raft->configuration)) {
        group__quarantine(g, "libraft's configuration is not the log's");
    }
}

int group__step(struct group *g, struct raft_event *event, unsigned *flags)
{
    struct raft_update update = {0};
    g->again = true;
    event->time = group__now(g);
    struct raft_server *lent = guard_lend_vote(g->config.test_guards_off, g->raft, event);
    int role = lent != NULL ? lent->role : 0;
    if (lent != NULL) {
        lent->role = RAFT_VOTER;
    }
    int rv = raft_step(g->raft, event, &update);
    if (lent != NULL) {
        lent->role = role; /* a vote leaves the configuration alone */
    }
    if (flags != NULL) {
        *flags = rv == 0 ? update.flags : 0;
    }
    if (rv != 0) {
        bool refusal = event->type == RAFT_SUBMIT || event->type == RAFT_TRANSFER;
        if (rv == RAFT_NOMEM) {
            group__fail(g, "out of memory inside libraft");
        } else if (!refusal) {
            group__quarantine(g, raft_strerror(rv));
        }
        return rv;
    }
    carry_out(g, &update);
    if (g->raft != NULL && !g->dead) {
        mark_committed_changes(g);
    }
    if (!g->dead) {
        check_configuration(g);
    }
    return 0;
}

/* ---- the disk ---- */

static void release_held(struct group *g)
{
    while (!list_empty(&g->held)) {
        struct group__held *h = CONTAINER_OF(g->held.next, struct group__held, link);
        if (h->position > wal_synced(g->wal)) {
            return;
        }
        list_remove(&h->link);
        g->ops->send(g->user, h->name, buf_slice(&h->bytes));
        buf_free(&h->bytes);
        free(h);
    }
}

void group__report_stored(struct group *g)
{
    uint64_t best = 0;
    bool early = (g->config.test_faults & GROUP_TEST_ACK_EARLY) != 0;
    while (!list_empty(&g->stored)) {
        struct group__stored *s = CONTAINER_OF(g->stored.next, struct group__stored, link);
        if (s->position > wal_synced(g->wal) && !early) {
            break;
        }
        if (wal_term_at(g->log, s->index) == s->term && s->index > best) {
            best = s->index;
        }
        list_remove(&s->link);
        free(s);
    }
    if (g->raft != NULL && g->install == INSTALL_NONE && best > g->raft->last_stored) {
        struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
        event.persisted_entries.index = best;
        (void)group__step(g, &event, NULL);
    }
}

static void on_durable(struct wal_waiter *waiter)
{
    struct group *g = CONTAINER_OF(waiter, struct group, waiter);
    g->waiting = false;
    if (g->dead) {
        return;
    }
    release_held(g);
    group__report_stored(g);
    if (g->raft == NULL && g->install == INSTALL_NONE && wal_synced(g->wal) >= g->reload_position) {
        struct err err;
        if (group__start_raft(g, &err) != 0) {
            group__fail(g, err.message);
            return;
        }
        log_info("raft.reloaded", "group=%u", g->config.id);
    }
    group__settle(g);
    bool installing = (g->install == INSTALL_ANNOUNCED || g->install == INSTALL_FINISHING) &&
                      g->install_position > wal_synced(g->wal);
    if (g->raft == NULL || installing || !list_empty(&g->held) || !list_empty(&g->stored)) {
        group__wait(g);
    }
}

void group__wait(struct group *g)
{
    if (g->waiting) {
        return;
    }
    g->waiting = true;
    g->waiter.fire = on_durable;
    wal_wait(g->wal, &g->waiter);
}
