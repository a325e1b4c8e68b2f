/* group_commit.c: a leader's telling its followers of what has committed.
 *
 * An entry commits when a majority holds it; followers learn so from the commit index of a later
 * message. Where writes follow each other the next entry carries it. Behind the last one for now
 * there is only the heartbeat, for which whoever reads or watches at a follower would wait; so an
 * AppendEntries without entries goes out a moment after a commit that nothing else told of, and at
 * once where a read asks, since that read is going to wait for it.
 * Invariant: a server is told of no more than it is known to hold, so what such a message names
 * matches its log whatever else stands there (Raft paper, figure 2: the receiver's step 5). */
#include "raft/group_internal.h"

/* What may be told, 0: nothing new. */
static uint64_t news_for(struct group *g, const struct group_server *s)
{
    raft_index match = 0;
    const struct group__peer *peer = group__peer(g, s->id);
    if (peer == NULL || s->id == g->config.server_id || raft_match_index(g->raft, s->id, &match)) {
        return 0;
    }
    uint64_t commit = g->raft->commit_index < match ? g->raft->commit_index : match;
    bool at_hand = commit == g->log->snapshot.index || wal_entry(g->log, commit) != NULL;
    return commit > peer->told_commit && at_hand ? commit : 0;
}

void group__note_told(struct group *g, const struct message *m)
{
    struct group__peer *peer = group__peer(g, m->to);
    if (peer != NULL && m->append.commit > peer->told_commit) {
        peer->told_commit = m->append.commit;
    }
}

void group__tell_commit(struct group *g, const struct group_server *s)
{
    uint64_t commit = news_for(g, s);
    if (commit == 0) {
        return;
    }
    struct message m = {.kind = MESSAGE_APPEND,
                        .from = g->config.server_id,
                        .to = s->id,
                        .term = g->led_term,
                        .append = {.prev_index = commit,
                                   .prev_term = wal_term_at(g->log, commit),
                                   .commit = commit}};
    group__note_told(g, &m);
    group__emit(g, s->name, &m);
}

void group__settle_commits(struct group *g)
{
    bool news = false;
    for (size_t i = 0; g->led_term != 0 && !news && i < g->conf.count; i++) {
        news = news_for(g, &g->conf.servers[i]) != 0;
    }
    if (!news) {
        g->tell_at_ms = 0;
        return;
    }
    if (g->tell_at_ms == 0) {
        g->tell_at_ms = group__now(g) + GROUP__TELL_AFTER_MS;
    } else if (group__now(g) >= g->tell_at_ms) {
        g->tell_at_ms = 0;
        for (size_t i = 0; i < g->conf.count; i++) {
            group__tell_commit(g, &g->conf.servers[i]);
        }
    }
}

uint64_t group__tell_deadline(const struct group *g)
{
    return g->tell_at_ms != 0 ? g->tell_at_ms : UINT64_MAX;
}
