/* group_receive.c: what a peer says, from bytes to steps of libraft.
 *
 * Happy path: a message is read, found to be from the server and to this one, and given to the
 * guard; what it lets through is stepped: entries in the chunks that it allows, with the log's own
 * bytes where the log holds them already. Questions of reads are group_read.c's.
 * Failure path: what is malformed, misdirected or refused by the guard is counted and dropped: the
 * sender asks again. A step that fails puts the group in quarantine by itself (group_step.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft/group_internal.h"

enum { VOTE_VERSION = 2, APPEND_RESULT_VERSION = 2 };

/* ---- steps ---- */

static void to_raft(const struct message *m, const char *from, struct raft_message *rm)
{
    *rm = (struct raft_message){.server_id = m->from, .server_address = from};
    switch (m->kind) {
    case MESSAGE_VOTE:
        rm->type = RAFT_REQUEST_VOTE;
        rm->request_vote = (struct raft_request_vote){.version = VOTE_VERSION,
                                                      .term = m->term,
                                                      .candidate_id = m->from,
                                                      .last_log_index = m->vote.last_index,
                                                      .last_log_term = m->vote.last_term,
                                                      .disrupt_leader = m->vote.disrupt,
                                                      .pre_vote = m->vote.pre_vote};
        break;
    case MESSAGE_VOTE_RESULT:
        rm->type = RAFT_REQUEST_VOTE_RESULT;
        rm->request_vote_result =
            (struct raft_request_vote_result){.version = VOTE_VERSION,
                                              .term = m->term,
                                              .vote_granted = m->vote_result.granted,
                                              .pre_vote = m->vote_result.pre_vote};
        break;
    case MESSAGE_APPEND:
        rm->type = RAFT_APPEND_ENTRIES;
        rm->append_entries = (struct raft_append_entries){.term = m->term,
                                                          .prev_log_index = m->append.prev_index,
                                                          .prev_log_term = m->append.prev_term,
                                                          .leader_commit = m->append.commit};
        break;
    case MESSAGE_APPEND_RESULT:
        rm->type = RAFT_APPEND_ENTRIES_RESULT;
        rm->append_entries_result =
            (struct raft_append_entries_result){.version = APPEND_RESULT_VERSION,
                                                .term = m->term,
                                                .rejected = m->append_result.rejected,
                                                .last_log_index = m->append_result.last_index};
        break;
    case MESSAGE_TIMEOUT_NOW:
        rm->type = RAFT_TIMEOUT_NOW;
        rm->timeout_now = (struct raft_timeout_now){.term = m->term,
                                                    .last_log_index = m->timeout_now.last_index,
                                                    .last_log_term = m->timeout_now.last_term};
        break;
    case MESSAGE_READ:
    case MESSAGE_READ_RESULT:
        break;
    }
}

/* The entry's bytes: the log's own if it holds the entry already. */
static struct payload *receive_payload(struct group *g, uint64_t index,
                                       const struct message_entry *e)
{
    const struct wal_entry *ours = wal_entry(g->log, index);
    if (ours != NULL && ours->term == e->term) {
        return payload_ref(ours->data);
    }
    return payload_new(e->data);
}

static bool step_settled_change(struct group *g, const struct message *chunk)
{
    uint64_t first = guard_settled_change(g->config.test_guards_off, g->raft, g->log, chunk);
    if (first == 0) {
        return true;
    }
    struct conf conf;
    const struct wal_entry *e = wal_entry(g->log, first);
    if (e == NULL || e->type != WAL_ENTRY_CHANGE ||
        conf_read(payload_slice(e->data), &conf, NULL) != 0) {
        group__quarantine(g, "the uncommitted configuration is not in the log");
        return false;
    }
    struct raft_event event = {.type = RAFT_CONFIGURATION};
    event.configuration.index = first;
    conf_to_raft(&conf, &event.configuration.conf);
    return group__step(g, &event, NULL) == 0 && g->raft != NULL;
}

/* One step with the entries of a chunk; false: do not step those behind it. */
static bool step_append(struct group *g, const char *from, const struct message *chunk)
{
    if (!step_settled_change(g, chunk)) {
        return false;
    }
    size_t count = chunk->append.count;
    struct raft_message rm;
    to_raft(chunk, from, &rm);
    struct raft_entry *entries = NULL;
    void *batch = NULL;
    if (count > 0) {
        entries = mem_zero(count * sizeof *entries);
        batch = raft_malloc(1);
        for (size_t i = 0; i < count; i++) {
            const struct message_entry *e = &chunk->append.entries[i];
            struct payload *data = receive_payload(g, chunk->append.prev_index + 1 + i, e);
            entries[i] = (struct raft_entry){.term = e->term,
                                             .type = (enum raft_entry_type)e->type,
                                             .buf = {.base = data->bytes, .len = data->len},
                                             .batch = batch};
        }
        rm.append_entries.entries = entries;
        rm.append_entries.n_entries = (unsigned)count;
    }
    struct raft_event event = {.type = RAFT_RECEIVE};
    event.receive.message = &rm;
    unsigned flags = 0;
    int rv = group__step(g, &event, &flags);
    if (flags & RAFT_UPDATE_ENTRIES) {
        raft_free(batch); /* else libraft has freed it */
    }
    for (size_t i = 0; i < count; i++) {
        payload_unref(CONTAINER_OF(entries[i].buf.base, struct payload, bytes));
    }
    free(entries);
    return rv == 0 && g->raft != NULL && !g->dead &&
           g->log->last >= chunk->append.prev_index + count;
}

static void step_chunks(struct group *g, const char *from, const struct message *m)
{
    size_t at = 0;
    do {
        struct message chunk = *m;
        if (at > 0) {
            chunk.append.prev_index = m->append.prev_index + at;
            chunk.append.prev_term = m->append.entries[at - 1].term;
        }
        chunk.append.count = 0;
        if (m->append.count > 0) {
            chunk.append.entries = m->append.entries + at;
            chunk.append.count = guard_chunk(g->config.test_guards_off, m, at);
        }
        at += chunk.append.count;
        if (!step_append(g, from, &chunk)) {
            return;
        }
    } while (at < m->append.count);
}

static void step_message(struct group *g, const char *from, struct message *m)
{
    struct message answer;
    switch (guard_receive(g->config.test_guards_off, g->raft, g->log, m, &answer)) {
    case GUARD_DROP:
        g->dropped++;
        return;
    case GUARD_ANSWER:
        group__emit(g, from, &answer);
        return;
    case GUARD_STEP:
        break;
    }
    if (m->kind == MESSAGE_APPEND) {
        step_chunks(g, from, m);
        return;
    }
    struct raft_message rm;
    to_raft(m, from, &rm);
    struct raft_event event = {.type = RAFT_RECEIVE};
    event.receive.message = &rm;
    (void)group__step(g, &event, NULL);
}

/* ---- messages ---- */

static bool misdirected(struct group *g, const char *from, const struct message *m)
{
    if (m->to != g->config.server_id || m->from == g->config.server_id) {
        return true;
    }
    const struct group_server *by_id = conf_find(&g->conf, m->from);
    if (by_id != NULL) {
        return strcmp(by_id->name, from) != 0;
    }
    return conf_find_name(&g->conf, from) != NULL; /* that name has another id now */
}

static void note_heard(struct group *g, const char *from, const struct message *m)
{
    struct group__peer *peer = group__peer(g, m->from);
    if (peer == NULL) {
        return;
    }
    (void)snprintf(peer->name, sizeof peer->name, "%s", from);
    if (m->kind == MESSAGE_APPEND_RESULT && m->term == g->raft->current_term) {
        peer->heard = true;
        peer->heard_ms = group__now(g);
    }
}

/* While an image is on its way, the follower cannot but refuse what libraft sends it; taken at its
 * word, that would start the transfer over with every heartbeat. It is alive: no more is heard. */
static void soften_rejection(struct group *g, struct message *m)
{
    if (m->kind != MESSAGE_APPEND_RESULT || m->append_result.rejected == 0) {
        return;
    }
    struct group__peer *peer = group__peer(g, m->from);
    bool busy = peer != NULL && (peer->snapshot_sending || group__now(g) < peer->snapshot_grace_ms);
    if (busy) {
        m->append_result.rejected = 0;
        m->append_result.last_index = 0;
    }
}

void group_receive(struct group *g, const char *from, struct slice bytes)
{
    struct message m;
    if (g->dead || g->raft == NULL || !conf_name_ok(from)) {
        g->dropped++;
        return;
    }
    if (message_read(bytes, &m, NULL) != 0) {
        g->dropped++;
        return;
    }
    if (misdirected(g, from, &m)) {
        g->dropped++;
        message_free(&m);
        return;
    }
    note_heard(g, from, &m);
    if (m.kind == MESSAGE_READ || m.kind == MESSAGE_READ_RESULT) {
        group__receive_read(g, from, &m);
    } else {
        soften_rejection(g, &m);
        step_message(g, from, &m);
    }
    message_free(&m);
    group__settle(g);
}
