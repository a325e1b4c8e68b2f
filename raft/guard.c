/* guard.c: the rules, each with the bug of libraft 0.22.1 that it stops.
 *
 * G1 A reply to an APPEND of an older term carries an uninitialised last index, and reads as an
 *    acknowledgement: entries that only the leader holds get committed. We answer ourselves.
 * G2 A rejection that arrives late moves next below match, which breaks what the leader knows.
 * G3 A CHANGE that is not the first new entry of an APPEND is recorded at the wrong index, and a
 *    truncation then keeps a dead configuration. We split before each CHANGE.
 * G4 A vote result in the wrong state is read through another member of the state's union.
 * G5 A snapshot that arrives during an install leaks, and confuses the install.
 * G6 A second CHANGE, stepped before the first is marked committed, makes a rollback go too far
 *    back. Its leader proposed it only after the first was committed, so we mark that first.
 * G7 An APPEND that starts below the compacted part of the log appends old entries at the tail. We
 *    cut what the snapshot covers: the leader holds all that is committed, so up to the snapshot
 * its log is ours, and the message can as well start there. G8 A refusal of a pre-vote echoes the
 * asker's term: two servers can refuse each other for ever. We tell our real term. G9 A sole voter
 * elects itself without a new term: two leaders in one term. Configurations never shrink to one
 * voter, and a sole voter takes a new term before each start or election.
 * G10 A server that is no voter in its own configuration refuses its vote. But that configuration
 *    may be outdated: it may have been made a voter by an entry that it has yet to receive, and
 *    without its vote nobody may win (the simulation's seed 159). Raft wants votes given without
 *    a look at one's own configuration; the candidate counts those of its voters only.
 *
 * Besides, messages that would make libraft's (compiled out) assertions false are dropped. Dropping
 * is always safe: networks lose messages. */
#include "raft/guard.h"

#include "base/log.h"

static bool on(uint32_t off, enum guard_rule rule)
{
    return (off & (uint32_t)rule) == 0;
}

static enum guard_verdict answer_old_term(const struct raft *r, const struct message *m,
                                          struct message *answer)
{
    *answer = (struct message){
        .kind = MESSAGE_APPEND_RESULT, .from = r->id, .to = m->from, .term = r->current_term};
    return GUARD_ANSWER;
}

/* G7: the same message, starting at our snapshot. */
static void start_at_snapshot(const struct wal_group *log, struct message *m)
{
    uint64_t covered = log->snapshot.index - m->append.prev_index;
    size_t cut = covered < m->append.count ? (size_t)covered : m->append.count;
    for (size_t i = 0; i + cut < m->append.count; i++) {
        m->append.entries[i] = m->append.entries[i + cut];
    }
    m->append.count -= cut;
    m->append.prev_index = log->snapshot.index;
    m->append.prev_term = log->snapshot.term;
}

/* Does the message contradict what is committed here? Then somebody's history is broken, and the
 * loudest safe thing is to ignore it. */
static bool contradicts(const struct raft *r, const struct wal_group *log, const struct message *m)
{
    uint64_t index = m->append.prev_index;
    uint64_t term = m->append.prev_term;
    for (size_t i = 0; index <= r->commit_index; i++) {
        uint64_t ours = index == 0 ? 0 : wal_term_at(log, index);
        if (ours != 0 && ours != term) {
            log_error("raft.contradiction", "group=%u index=%llu our_term=%llu term=%llu from=%llu",
                      log->id, (unsigned long long)index, (unsigned long long)ours,
                      (unsigned long long)term, (unsigned long long)m->from);
            return true;
        }
        if (i == m->append.count) {
            break;
        }
        term = m->append.entries[i].term;
        index++;
    }
    return false;
}

static enum guard_verdict receive_append(uint32_t off, const struct raft *r,
                                         const struct wal_group *log, struct message *m,
                                         struct message *answer)
{
    if (m->term < r->current_term) {
        return on(off, GUARD_G1_OLD_TERM) ? answer_old_term(r, m, answer) : GUARD_STEP;
    }
    if (m->term == r->current_term && r->state == RAFT_LEADER) {
        log_error("raft.two_leaders", "group=%u term=%llu other=%llu", log->id,
                  (unsigned long long)m->term, (unsigned long long)m->from);
        return GUARD_DROP;
    }
    if (m->append.prev_index == 0 && m->append.count > 0 &&
        m->append.entries[0].type != WAL_ENTRY_CHANGE) {
        return GUARD_DROP;
    }
    if (r->snapshot.installing) {
        return GUARD_STEP; /* libraft keeps only the heartbeat of it */
    }
    if (on(off, GUARD_G7_BELOW_SNAPSHOT) && m->append.prev_index < log->snapshot.index) {
        start_at_snapshot(log, m);
    }
    return contradicts(r, log, m) ? GUARD_DROP : GUARD_STEP;
}

static enum guard_verdict receive_append_result(uint32_t off, const struct raft *r,
                                                const struct message *m)
{
    raft_index match;
    bool rejects =
        r->state == RAFT_LEADER && m->term == r->current_term && m->append_result.rejected > 0;
    if (rejects && on(off, GUARD_G2_STALE_REJECTION) && raft_match_index(r, m->from, &match) == 0 &&
        (m->append_result.last_index < match || m->append_result.rejected <= match)) {
        return GUARD_DROP;
    }
    return GUARD_STEP;
}

static enum guard_verdict receive_vote(uint32_t off, const struct raft *r, const struct message *m,
                                       struct message *answer)
{
    if (on(off, GUARD_G8_PRE_VOTE) && m->vote.pre_vote && m->term < r->current_term) {
        *answer = (struct message){.kind = MESSAGE_VOTE_RESULT,
                                   .from = r->id,
                                   .to = m->from,
                                   .term = r->current_term,
                                   .vote_result = {.granted = false, .pre_vote = true}};
        return GUARD_ANSWER;
    }
    return GUARD_STEP;
}

static enum guard_verdict receive_vote_result(uint32_t off, const struct raft *r,
                                              const struct message *m)
{
    if (r->state != RAFT_CANDIDATE) {
        return on(off, GUARD_G4_VOTE_RESULT) ? GUARD_DROP : GUARD_STEP;
    }
    bool impossible =
        r->candidate_state.in_pre_vote && m->vote_result.granted && m->term > r->current_term + 1;
    return impossible ? GUARD_DROP : GUARD_STEP;
}

static enum guard_verdict receive_timeout_now(uint32_t off, const struct raft *r)
{
    struct conf conf;
    conf_from_raft(&r->configuration, &conf);
    return guard_sole_voter(off, &conf, r->id) ? GUARD_DROP : GUARD_STEP;
}

enum guard_verdict guard_receive(uint32_t off, const struct raft *r, const struct wal_group *log,
                                 struct message *m, struct message *answer)
{
    switch (m->kind) {
    case MESSAGE_APPEND:
        return receive_append(off, r, log, m, answer);
    case MESSAGE_APPEND_RESULT:
        return receive_append_result(off, r, m);
    case MESSAGE_VOTE:
        return receive_vote(off, r, m, answer);
    case MESSAGE_VOTE_RESULT:
        return receive_vote_result(off, r, m);
    case MESSAGE_TIMEOUT_NOW:
        return receive_timeout_now(off, r);
    case MESSAGE_READ:
    case MESSAGE_READ_RESULT:
        break;
    }
    return GUARD_DROP; /* ours, not libraft's */
}

size_t guard_chunk(uint32_t off, const struct message *m, size_t from)
{
    size_t end = from + 1;
    while (end < m->append.count &&
           (!on(off, GUARD_G3_CHANGE_FIRST) || m->append.entries[end].type != WAL_ENTRY_CHANGE)) {
        end++;
    }
    return end - from;
}

uint64_t guard_settled_change(uint32_t off, const struct raft *r, const struct wal_group *log,
                              const struct message *chunk)
{
    if (!on(off, GUARD_G6_SETTLE_CHANGE) || chunk->append.count == 0 ||
        chunk->append.entries[0].type != WAL_ENTRY_CHANGE || chunk->term < r->current_term ||
        r->snapshot.installing) {
        return 0;
    }
    uint64_t index = chunk->append.prev_index + 1;
    bool known = wal_term_at(log, index) == chunk->append.entries[0].term;
    bool prev_matches = chunk->append.prev_index > 0 &&
                        wal_term_at(log, chunk->append.prev_index) == chunk->append.prev_term;
    uint64_t first = r->configuration_uncommitted_index;
    return !known && prev_matches && first != 0 && first < index ? first : 0;
}

struct raft_server *guard_lend_vote(uint32_t off, const struct raft *r,
                                    const struct raft_event *event)
{
    if (!on(off, GUARD_G10_STANDBY_VOTES) || event->type != RAFT_RECEIVE ||
        event->receive.message->type != RAFT_REQUEST_VOTE) {
        return NULL;
    }
    for (unsigned i = 0; i < r->configuration.n; i++) {
        struct raft_server *s = &r->configuration.servers[i];
        if (s->id == r->id && s->role != RAFT_VOTER) {
            return s;
        }
    }
    return NULL;
}

bool guard_install(uint32_t off, const struct raft *r)
{
    return r->state == RAFT_FOLLOWER &&
           !(r->snapshot.installing && on(off, GUARD_G5_SECOND_INSTALL));
}

int guard_change(uint32_t off, const struct conf *before, const struct conf *after, struct err *err)
{
    struct err why;
    if (conf_check(after, &why) != 0) {
        return err_set(err, ERR_CONFLICT, "%s", why.message);
    }
    bool shrinks = conf_voters(after) < conf_voters(before);
    if (on(off, GUARD_G9_SOLE_VOTER) && shrinks && conf_voters(after) < 2) {
        return err_set(err, ERR_CONFLICT, "it would leave a single voter: add another voter first");
    }
    return 0;
}

bool guard_sole_voter(uint32_t off, const struct conf *conf, uint64_t self_id)
{
    const struct group_server *self = conf_find(conf, self_id);
    return on(off, GUARD_G9_SOLE_VOTER) && self != NULL && self->role == GROUP_VOTER &&
           conf_voters(conf) == 1;
}
