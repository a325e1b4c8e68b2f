/* group_start.c: how a group begins: from its log, and the state that the store has of it.
 *
 * Happy path: group_bootstrap() writes the first configuration of a group that is new, once, into
 * the log. group_new() compares the log with the store's point, ends an install that was cut off,
 * and starts libraft from the log; so does a group in quarantine, later (group_step.c).
 * Failure path: a log and a store that cannot be of one history are refused with what to do about
 * it; nothing is mended by guessing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft/group_internal.h"

static char token; /* stands for memory that libraft neither reads nor frees */

/* ---- libraft, from the log ---- */

/* libraft decodes every CHANGE without a look at its length. */
static int check_changes(const struct group *g, struct err *err)
{
    for (uint64_t i = g->log->first; i <= g->log->last; i++) {
        const struct wal_entry *e = wal_entry(g->log, i);
        struct conf conf;
        if (e->type == WAL_ENTRY_CHANGE && conf_read(payload_slice(e->data), &conf, err) != 0) {
            return err_wrap(err, "group %u: entry %llu", g->config.id, (unsigned long long)i);
        }
    }
    return 0;
}

static struct raft_entry *start_entries(struct group *g, unsigned *count)
{
    struct wal_group *log = g->log;
    *count = (unsigned)(log->last + 1 - log->first);
    if (*count == 0) {
        return NULL;
    }
    struct raft_entry *entries = mem_zero(*count * sizeof *entries);
    for (unsigned i = 0; i < *count; i++) {
        const struct wal_entry *e = wal_entry(log, log->first + i);
        entries[i] = (struct raft_entry){.term = e->term,
                                         .type = (enum raft_entry_type)e->type,
                                         .buf = {.base = e->data->bytes, .len = e->data->len},
                                         .batch = &token};
    }
    return entries;
}

static int new_raft(struct group *g, struct err *err)
{
    g->raft = mem_zero(sizeof *g->raft);
    if (raft_init(g->raft, NULL, NULL, g->config.server_id, g->name) != 0) {
        free(g->raft);
        g->raft = NULL;
        return err_set(err, ERR_INTERNAL, "group %u: libraft did not initialise", g->config.id);
    }
    g->raft->tracer = NULL;
    raft_seed(g->raft, g->config.random_seed ^ g->random);
    raft_set_pre_vote(g->raft, true);
    raft_set_election_timeout(g->raft, g->config.election_timeout_ms);
    raft_set_heartbeat_timeout(g->raft, g->config.heartbeat_ms);
    raft_set_install_snapshot_timeout(g->raft, g->config.install_timeout_ms);
    raft_set_max_inflight_entries(g->raft, GROUP__INFLIGHT_ENTRIES);
    return 0;
}

int group__start_raft(struct group *g, struct err *err)
{
    struct wal_group *log = g->log;
    int rc = group__find_conf(g, err);
    if (rc != 0) {
        return err_wrap(err, "group %u", g->config.id);
    }
    rc = check_changes(g, err);
    if (rc != 0) {
        return rc;
    }
    if (guard_sole_voter(g->config.test_guards_off, &g->conf, g->config.server_id)) {
        wal_set_term(log, log->term + 1, g->config.server_id);
        g->term_position = wal_position(g->wal);
    }
    rc = new_raft(g, err);
    if (rc != 0) {
        return rc;
    }
    struct raft_event event = {.type = RAFT_START};
    struct raft_snapshot_metadata metadata = {0};
    if (log->snapshot.index > 0) {
        struct conf conf;
        uint64_t conf_index;
        rc = conf_read_opaque(payload_slice(log->snapshot.configuration), &conf, &conf_index, err);
        if (rc != 0) {
            group__stop_raft(g);
            return err_wrap(err, "group %u: snapshot mark", g->config.id);
        }
        metadata.index = log->snapshot.index;
        metadata.term = log->snapshot.term;
        metadata.configuration_index = conf_index;
        conf_to_raft(&conf, &metadata.configuration);
        event.start.metadata = &metadata;
    }
    event.start.term = log->term;
    event.start.voted_for = log->vote;
    event.start.start_index = log->first;
    event.start.entries = start_entries(g, &event.start.n_entries);
    g->conf_scanned = log->snapshot.index;
    struct raft_entry *entries = event.start.entries;
    int rv = group__step(g, &event, NULL);
    free(entries);
    if (rv != 0 || g->raft == NULL) {
        group__stop_raft(g);
        return err_set(err, ERR_CORRUPT, "group %u: libraft refuses the log", g->config.id);
    }
    return 0;
}

/* ---- groups ---- */

int group_bootstrap(struct wal *wal, uint32_t group_id, uint64_t self_id,
                    const struct group_server *servers, size_t count, struct err *err)
{
    if (wal_group(wal, group_id) != NULL) {
        return err_set(err, ERR_EXISTS, "group %u is in the log already", group_id);
    }
    struct conf conf = {.count = count};
    if (count > GROUP_SERVERS_MAX) {
        return err_set(err, ERR_INVALID, "group %u: too many servers", group_id);
    }
    memcpy(conf.servers, servers, count * sizeof *servers);
    int rc = conf_check(&conf, err);
    if (rc != 0) {
        return err_wrap(err, "group %u", group_id);
    }
    const struct group_server *self = conf_find(&conf, self_id);
    if (self == NULL || self->role != GROUP_VOTER) {
        return err_set(err, ERR_INVALID, "group %u: this node is not among the voters", group_id);
    }
    struct buf bytes = {0};
    conf_write(&conf, &bytes);
    struct payload *data = payload_new(buf_slice(&bytes));
    struct wal_group *log = wal_group_create(wal, group_id, self_id);
    wal_set_term(log, 1, 0);
    wal_append(log, 1, WAL_ENTRY_CHANGE, data);
    payload_unref(data);
    buf_free(&bytes);
    return 0;
}

/* Does the store's state fit the log? */
static int check_applied(struct group *g, const struct group_point *applied, struct err *err)
{
    struct wal_group *log = g->log;
    unsigned id = g->config.id;
    if (log->install.index != 0) {
        if (applied->index >= log->install.index) {
            wal_install_finish(log); /* the state was replaced, the log's mark was not made */
        } else {
            wal_install_cancel(log);
        }
    }
    if (applied->index > log->last) {
        return err_set(
            err, ERR_CORRUPT,
            "group %u: the log ends at %llu, below the store's applied index %llu: the log "
            "lost its end; remove this node from the cluster and join anew",
            id, (unsigned long long)log->last, (unsigned long long)applied->index);
    }
    if (applied->index < log->snapshot.index) {
        return err_set(
            err, ERR_CORRUPT,
            "group %u: the store stands at %llu, but the log starts behind snapshot %llu: "
            "the store lost its end; remove this node from the cluster and join anew",
            id, (unsigned long long)applied->index, (unsigned long long)log->snapshot.index);
    }
    uint64_t term = wal_term_at(log, applied->index);
    if (applied->index > 0 && term != 0 && term != applied->term) {
        return err_set(err, ERR_CORRUPT,
                       "group %u: entry %llu has term %llu in the log, %llu in the "
                       "store: they are not of one history",
                       id, (unsigned long long)applied->index, (unsigned long long)term,
                       (unsigned long long)applied->term);
    }
    if (applied->index > 0) {
        struct conf conf;
        uint64_t index;
        if (conf_read_opaque(applied->configuration, &conf, &index, err) != 0) {
            return err_wrap(err, "group %u: the store's point", id);
        }
        g->applied_conf = payload_new(applied->configuration);
    }
    g->handed = applied->index;
    g->applied = applied->index;
    return 0;
}

static int find_log(struct group *g, const struct group_point *applied, struct err *err)
{
    g->log = wal_group(g->wal, g->config.id);
    if (g->log == NULL) {
        if (applied->index > 0) {
            return err_set(err, ERR_CORRUPT,
                           "group %u is not in the log, but its store stands at %llu: the log was "
                           "lost; remove this node from the cluster and join anew",
                           g->config.id, (unsigned long long)applied->index);
        }
        g->log = wal_group_create(g->wal, g->config.id, g->config.server_id);
    }
    if (g->log->server_id != g->config.server_id) {
        return err_set(err, ERR_INVALID, "group %u: the log is of server %llu, not of %llu",
                       g->config.id, (unsigned long long)g->log->server_id,
                       (unsigned long long)g->config.server_id);
    }
    return check_applied(g, applied, err);
}

int group_new(const struct group_config *config, struct group **group, struct err *err)
{
    if (config->server_id == 0 || !conf_name_ok(config->name)) {
        return err_set(err, ERR_INVALID, "group %u: bad server id or name", config->id);
    }
    struct group *g = mem_zero(sizeof *g);
    g->config = *config;
    g->config.election_timeout_ms = config->election_timeout_ms ? config->election_timeout_ms : 500;
    g->config.heartbeat_ms = config->heartbeat_ms ? config->heartbeat_ms : 50;
    g->config.install_timeout_ms = config->install_timeout_ms ? config->install_timeout_ms : 600000;
    g->config.trailing_entries = config->trailing_entries ? config->trailing_entries : 4096;
    g->config.append_bytes = config->append_bytes ? config->append_bytes : GROUP__APPEND_BYTES;
    g->config.applied = (struct group_point){0}; /* borrowed for this call only */
    (void)snprintf(g->name, sizeof g->name, "%s", config->name);
    g->config.name = g->name;
    g->ops = config->ops;
    g->user = config->user;
    g->wal = config->wal;
    g->random = config->random_seed * 2654435761u + 1;
    struct list *lists[] = {&g->held,  &g->stored,      &g->proposals,  &g->proposals_done,
                            &g->reads, &g->round_reads, &g->reads_done, &g->changes_done};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        list_init(lists[i]);
    }
    int rc = find_log(g, &config->applied, err);
    if (rc == 0) {
        g->settling = true; /* no callbacks inside this call */
        rc = group__start_raft(g, err);
        g->settling = false;
    }
    if (rc != 0) {
        group_free(g);
        return rc;
    }
    group__soon(g);
    *group = g;
    return 0;
}
