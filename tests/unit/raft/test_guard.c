/* test_guard.c: each rule of the guard, on and off: with it the group does right, without it the
 * library's bug shows. One real group, its log on a disk in memory; the test plays its peers. */
#include "raft/guard.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/lib/disk.h"
#include "tests/lib/test.h"

enum { SELF = 101, SECOND = 102, THIRD = 103, SENT_MAX = 256 };

struct rig {
    struct disk disk;
    struct wal *wal;
    struct group *g;
    uint64_t now_ms;
    bool failed;
    uint64_t applied;
    uint64_t leading_term;
    struct buf sent[SENT_MAX];
    size_t sent_count;
    struct group_proposal proposal;
};

static uint64_t now_ms(void *user)
{
    return ((struct rig *)user)->now_ms;
}

static void arm(void *user, uint64_t at_ms)
{
    (void)user;
    (void)at_ms;
}

static void send_message(void *user, const char *name, struct slice message)
{
    struct rig *r = user;
    (void)name;
    assert_true(r->sent_count < SENT_MAX);
    buf_clear(&r->sent[r->sent_count]);
    buf_add(&r->sent[r->sent_count++], message);
}

static void apply(void *user, const struct group_entry *entry)
{
    struct rig *r = user;
    assert_int_equal(entry->index, r->applied + 1);
    r->applied = entry->index;
    group_applied(r->g, entry->index);
}

static void send_snapshot(void *user, const char *name, uint64_t server_id, uint64_t index)
{
    (void)user;
    (void)name;
    (void)server_id;
    (void)index;
}

static void install(void *user, void *token, const struct group_point *point)
{
    (void)user;
    (void)token;
    (void)point;
}

static void refuse(void *user, void *token)
{
    (void)user;
    (void)token;
}

static void on_term(void *user, uint64_t term)
{
    (void)user;
    (void)term;
}

static void proposed(struct group_proposal *proposal, int status)
{
    (void)proposal;
    (void)status;
}

static void on_leading(void *user, uint64_t term)
{
    struct rig *r = user;
    r->leading_term = term;
    r->proposal.done = proposed;
    group_propose(r->g, &r->proposal, SLICE("open"));
}

static void on_leader(void *user, uint64_t term, const char *name)
{
    (void)user;
    (void)term;
    (void)name;
}

static void on_can_propose(void *user)
{
    (void)user;
}

static void on_failed(void *user, const struct err *err)
{
    struct rig *r = user;
    assert_int_not_equal(err->code, 0);
    r->failed = true;
}

static const struct group_ops ops = {
    now_ms,     arm,     send_message, apply,     send_snapshot,  install,  refuse,
    on_leading, on_term, on_term,      on_leader, on_can_propose, on_failed};

static struct conf three(enum group_role role_of_self)
{
    return (struct conf){.count = 3,
                         .servers = {{SELF, "node-0", role_of_self},
                                     {SECOND, "node-1", GROUP_VOTER},
                                     {THIRD, "node-2", GROUP_VOTER}}};
}

static void sync_log(struct rig *r)
{
    for (int i = 0; i < 20 && (wal_pending(r->wal) || wal_writing(r->wal)); i++) {
        if (wal_pending(r->wal)) {
            wal_write(r->wal);
        }
        wal_finish(r->wal);
    }
}

static struct rig *new_rig(uint32_t guards_off, enum group_role role_of_self)
{
    log_setup(LOG_ERROR + 1, LOG_TEXT); /* what goes wrong here goes wrong on purpose */
    struct rig *r = mem_zero(sizeof *r);
    r->now_ms = 1000;
    disk_init(&r->disk, 3);
    struct wal_config wal_config = {.fs = &r->disk.fs, .identity = SLICE("rig"), .salt = 9};
    struct err err;
    assert_ok(wal_open(&wal_config, &r->wal, &err), &err);
    struct conf conf = three(role_of_self);
    struct buf bytes = {0};
    conf_write(&conf, &bytes);
    struct payload *data = payload_new(buf_slice(&bytes));
    struct wal_group *log = wal_group_create(r->wal, 1, SELF);
    wal_set_term(log, 1, 0);
    wal_append(log, 1, WAL_ENTRY_CHANGE, data);
    payload_unref(data);
    buf_free(&bytes);
    sync_log(r);
    struct group_config config = {.id = 1,
                                  .wal = r->wal,
                                  .server_id = SELF,
                                  .name = "node-0",
                                  .ops = &ops,
                                  .user = r,
                                  .trailing_entries = 1,
                                  .random_seed = 1,
                                  .test_guards_off = guards_off};
    assert_ok(group_new(&config, &r->g, &err), &err);
    group_tick(r->g);
    return r;
}

static void free_rig(struct rig *r)
{
    group_free(r->g);
    wal_free(r->wal);
    disk_free(&r->disk);
    for (size_t i = 0; i < SENT_MAX; i++) {
        buf_free(&r->sent[i]);
    }
    free(r);
}

static const char *name_of(uint64_t id)
{
    return id == SECOND ? "node-1" : "node-2";
}

static void say(struct rig *r, struct message m)
{
    struct buf bytes = {0};
    m.to = SELF;
    message_write(&m, &bytes);
    group_receive(r->g, name_of(m.from), buf_slice(&bytes));
    buf_free(&bytes);
    sync_log(r);
}

static void append(struct rig *r, uint64_t from, uint64_t term, uint64_t prev_index,
                   uint64_t prev_term, uint64_t commit, struct message_entry *entries, size_t count)
{
    say(r, (struct message){.kind = MESSAGE_APPEND,
                            .from = from,
                            .term = term,
                            .append = {prev_index, prev_term, commit, entries, count}});
}

/* The last message of that kind that was sent; false: none. Entries are not kept. */
static bool last_sent(struct rig *r, enum message_kind kind, struct message *m)
{
    for (size_t i = r->sent_count; i-- > 0;) {
        assert_int_equal(message_read(buf_slice(&r->sent[i]), m, NULL), 0);
        message_free(m);
        if (m->kind == kind) {
            return true;
        }
    }
    return false;
}

static struct group_status status_of(struct rig *r)
{
    struct group_status s;
    group_status(r->g, &s);
    return s;
}

static struct message_entry command(uint64_t term)
{
    return (struct message_entry){term, WAL_ENTRY_COMMAND, SLICE("command")};
}

/* A CHANGE to the three servers and `more` standbys; bytes must live until it is used. */
static struct message_entry change(uint64_t term, int more, struct buf *bytes)
{
    struct conf conf = three(GROUP_VOTER);
    for (int i = 0; i < more; i++) {
        struct group_server *s = &conf.servers[conf.count++];
        *s = (struct group_server){.id = 200 + (uint64_t)i, .role = GROUP_STANDBY};
        (void)snprintf(s->name, sizeof s->name, "extra-%d", i);
    }
    conf_write(&conf, bytes);
    return (struct message_entry){term, WAL_ENTRY_CHANGE, buf_slice(bytes)};
}

static void pass(struct rig *r, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 5) {
        r->now_ms += 5;
        group_tick(r->g);
        sync_log(r);
    }
}

/* By the votes of SECOND. */
static void make_leader(struct rig *r)
{
    for (int i = 0; i < 400 && r->leading_term == 0; i++) {
        struct message m;
        r->sent_count = 0;
        pass(r, 5);
        if (last_sent(r, MESSAGE_VOTE, &m)) {
            say(r, (struct message){.kind = MESSAGE_VOTE_RESULT,
                                    .from = SECOND,
                                    .term = m.term,
                                    .vote_result = {true, m.vote.pre_vote}});
        }
    }
    assert_int_not_equal(r->leading_term, 0);
}

static void acknowledge(struct rig *r, uint64_t from, uint64_t index)
{
    say(r, (struct message){.kind = MESSAGE_APPEND_RESULT,
                            .from = from,
                            .term = r->leading_term,
                            .append_result = {0, index}});
}

/* ---- the rules ---- */

static void g1(uint32_t off, bool right)
{
    struct rig *r = new_rig(off, GROUP_VOTER);
    append(r, SECOND, 5, 1, 1, 0, NULL, 0);
    append(r, THIRD, 3, 7, 2, 0, NULL, 0); /* a leader of old */
    struct message m; /* without the rule it holds whatever the stack held: maybe nonsense */
    bool sound = message_read(buf_slice(&r->sent[r->sent_count - 1]), &m, NULL) == 0;
    bool empty = sound && m.kind == MESSAGE_APPEND_RESULT && m.term == 5 &&
                 m.append_result.rejected == 0 && m.append_result.last_index == 0;
    assert_int_equal(empty, right);
    free_rig(r);
}

static void g2(uint32_t off, bool right)
{
    struct rig *r = new_rig(off, GROUP_VOTER);
    make_leader(r);
    uint64_t last = status_of(r).last;
    acknowledge(r, SECOND, last);
    acknowledge(r, THIRD, last);
    for (int i = 0; i < 30; i++) { /* THIRD falls silent */
        acknowledge(r, SECOND, last);
        pass(r, 50);
        r->sent_count = 0;
    }
    say(r, (struct message){.kind = MESSAGE_APPEND_RESULT,
                            .from = THIRD,
                            .term = r->leading_term,
                            .append_result = {last, last - 2}}); /* sent long ago */
    bool below = false;
    for (size_t i = 0; i < r->sent_count; i++) {
        struct message m;
        assert_int_equal(message_read(buf_slice(&r->sent[i]), &m, NULL), 0);
        below = below || (m.kind == MESSAGE_APPEND && m.to == THIRD && m.append.prev_index < last);
        message_free(&m);
    }
    assert_int_equal(below, !right);
    free_rig(r);
}

/* A CHANGE behind a command is truncated again: the first configuration must rule. */
static void g3(uint32_t off, bool right)
{
    struct rig *r = new_rig(off, GROUP_VOTER);
    struct buf bytes = {0};
    struct message_entry entries[] = {command(2), change(2, 1, &bytes)};
    append(r, SECOND, 2, 1, 1, 1, entries, 2);
    assert_int_equal(status_of(r).last, 3);
    assert_int_equal(status_of(r).server_count, 4);
    struct message_entry other = command(3);
    append(r, THIRD, 3, 2, 2, 1, &other, 1); /* replaces the CHANGE at 3 */
    assert_int_equal(
        !r->failed && status_of(r).dropped_messages == 0 && status_of(r).leader_id == THIRD, right);
    assert_int_equal(status_of(r).server_count, 3);
    buf_free(&bytes);
    free_rig(r);
}

static void g4(uint32_t off, bool right)
{
    struct rig *r = new_rig(off, GROUP_VOTER);
    say(r,
        (struct message){
            .kind = MESSAGE_VOTE_RESULT, .from = SECOND, .term = 9, .vote_result = {false, true}});
    assert_int_equal(group_term(r->g) == 1, right);
    free_rig(r);
}

static void g5(uint32_t off, bool right)
{
    struct raft raft = {.state = RAFT_FOLLOWER};
    assert_true(guard_install(off, &raft));
    raft.snapshot.installing = true;
    assert_int_equal(!guard_install(off, &raft), right);
}

/* Two CHANGEs, then the second is truncated: the first one must rule. */
static void g6(uint32_t off, bool right)
{
    struct rig *r = new_rig(off, GROUP_VOTER);
    struct buf one = {0};
    struct buf two = {0};
    struct message_entry first = change(2, 1, &one);
    struct message_entry second = change(2, 2, &two);
    append(r, SECOND, 2, 1, 1, 1, &first, 1);
    append(r, SECOND, 2, 2, 2, 1, &second, 1);
    assert_int_equal(status_of(r).server_count, 5);
    struct message_entry other = command(3);
    append(r, THIRD, 3, 2, 2, 1, &other, 1);
    assert_int_equal(status_of(r).leader_id == THIRD, right); /* else reloaded: it knows none */
    assert_int_equal(status_of(r).server_count, 4);
    buf_free(&one);
    buf_free(&two);
    free_rig(r);
}

static void g7(uint32_t off, bool right)
{
    struct rig *r = new_rig(off, GROUP_VOTER);
    struct message_entry entries[8];
    for (size_t i = 0; i < 8; i++) {
        entries[i] = command(2);
    }
    append(r, SECOND, 2, 1, 1, 9, entries, 8);
    assert_int_equal(r->applied, 9);
    group_snapshot_taken(r->g, 8);
    sync_log(r);
    r->sent_count = 0;
    struct buf bytes = {0};
    struct message_entry old = change(1, 0, &bytes);
    append(r, SECOND, 2, 0, 0, 9, &old, 1); /* sent when the log began at 1 */
    struct message m;
    bool acknowledged = last_sent(r, MESSAGE_APPEND_RESULT, &m) && m.append_result.rejected == 0 &&
                        m.append_result.last_index == 8;
    assert_int_equal(!r->failed && acknowledged && status_of(r).last == 9, right);
    buf_free(&bytes);
    free_rig(r);
}

static void g8(uint32_t off, bool right)
{
    struct rig *r = new_rig(off, GROUP_VOTER);
    append(r, SECOND, 9, 1, 1, 1, NULL, 0);
    say(r, (struct message){.kind = MESSAGE_VOTE,
                            .from = THIRD,
                            .term = 6,
                            .vote = {.last_index = 1, .last_term = 1, .pre_vote = true}});
    struct message m;
    assert_true(last_sent(r, MESSAGE_VOTE_RESULT, &m));
    assert_false(m.vote_result.granted);
    assert_int_equal(m.term == 9, right);
    free_rig(r);
}

static void g9(uint32_t off, bool right)
{
    struct conf before = three(GROUP_VOTER);
    before.count = 2;
    struct conf after = before;
    after.servers[1].role = GROUP_STANDBY;
    assert_int_equal(guard_change(off, &before, &after, NULL) == ERR_CONFLICT, right);
    assert_int_equal(guard_change(off, &after, &before, NULL), 0);

    struct rig *r = new_rig(off, GROUP_VOTER); /* for its memory: the log is replaced */
    struct disk disk;
    disk_init(&disk, 4);
    uint64_t terms[2];
    for (int life = 0; life < 2; life++) {
        struct rig s = {.now_ms = 1000};
        struct wal_config wal_config = {.fs = &disk.fs, .identity = SLICE("sole"), .salt = 9};
        assert_int_equal(wal_open(&wal_config, &s.wal, NULL), 0);
        struct group_server self = {SELF, "node-0", GROUP_VOTER};
        assert_int_equal(group_bootstrap(s.wal, 1, SELF, &self, 1, NULL),
                         life == 0 ? 0 : ERR_EXISTS);
        struct group_config config = {.id = 1,
                                      .wal = s.wal,
                                      .server_id = SELF,
                                      .name = "node-0",
                                      .ops = &ops,
                                      .user = &s,
                                      .test_guards_off = off};
        assert_int_equal(group_new(&config, &s.g, NULL), 0);
        group_tick(s.g);
        sync_log(&s);
        terms[life] = s.leading_term;
        assert_int_not_equal(terms[life], 0);
        group_free(s.g);
        wal_free(s.wal);
        for (size_t i = 0; i < SENT_MAX; i++) {
            buf_free(&s.sent[i]);
        }
    }
    assert_int_equal(terms[1] > terms[0], right);
    disk_free(&disk);
    free_rig(r);
}

static void g10(uint32_t off, bool right)
{
    struct rig *r = new_rig(off, GROUP_STANDBY);
    say(r, (struct message){.kind = MESSAGE_VOTE,
                            .from = SECOND,
                            .term = 4,
                            .vote = {.last_index = 9, .last_term = 3}});
    struct message m;
    assert_true(last_sent(r, MESSAGE_VOTE_RESULT, &m));
    assert_int_equal(m.vote_result.granted, right);
    assert_false(status_of(r).quarantined);
    free_rig(r);
}

#define RULE_TEST(rule, bit)                                                                       \
    static void test_##rule(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        rule(0, true);                                                                             \
        rule(bit, false);                                                                          \
    }

RULE_TEST(g1, GUARD_G1_OLD_TERM)
RULE_TEST(g2, GUARD_G2_STALE_REJECTION)
RULE_TEST(g3, GUARD_G3_CHANGE_FIRST)
RULE_TEST(g4, GUARD_G4_VOTE_RESULT)
RULE_TEST(g5, GUARD_G5_SECOND_INSTALL)
RULE_TEST(g6, GUARD_G6_SETTLE_CHANGE)
RULE_TEST(g7, GUARD_G7_BELOW_SNAPSHOT)
RULE_TEST(g8, GUARD_G8_PRE_VOTE)
RULE_TEST(g9, GUARD_G9_SOLE_VOTER)
RULE_TEST(g10, GUARD_G10_STANDBY_VOTES)

/* ---- beyond the rules ---- */

static void test_contradiction_of_committed_entries_is_ignored(void **state)
{
    (void)state;
    struct rig *r = new_rig(0, GROUP_VOTER);
    struct message_entry entry = command(2);
    append(r, SECOND, 2, 1, 1, 2, &entry, 1);
    assert_int_equal(r->applied, 2);
    struct message_entry other = command(3);
    append(r, THIRD, 3, 1, 1, 2, &other, 1);
    assert_false(r->failed);
    assert_int_equal(status_of(r).dropped_messages, 1);
    assert_int_equal(status_of(r).term, 2);
    free_rig(r);
}

static void test_quarantined_group_reloads(void **state)
{
    (void)state;
    struct rig *r = new_rig(GUARD_G6_SETTLE_CHANGE, GROUP_VOTER);
    struct buf one = {0};
    struct buf two = {0};
    struct message_entry first = change(2, 1, &one);
    struct message_entry second = change(2, 2, &two);
    append(r, SECOND, 2, 1, 1, 1, &first, 1);
    append(r, SECOND, 2, 2, 2, 1, &second, 1);
    struct message_entry other = command(3);
    append(r, THIRD, 3, 2, 2, 1, &other, 1); /* libraft's configuration is wrong now */
    assert_false(status_of(r).quarantined);  /* reloaded from its log already */
    append(r, THIRD, 3, 3, 3, 3, NULL, 0);
    assert_int_equal(status_of(r).leader_id, THIRD);
    assert_int_equal(r->applied, 3);
    buf_free(&one);
    buf_free(&two);
    free_rig(r);
}

static void test_messages_of_strangers(void **state)
{
    (void)state;
    struct rig *r = new_rig(0, GROUP_VOTER);
    struct buf bytes = {0};
    struct message m = {.kind = MESSAGE_APPEND, .from = SECOND, .to = SELF, .term = 4};
    message_write(&m, &bytes);
    group_receive(r->g, "node-2", buf_slice(&bytes)); /* that name is not that id's */
    group_receive(r->g, "", buf_slice(&bytes));
    m.to = THIRD;
    buf_clear(&bytes);
    message_write(&m, &bytes);
    group_receive(r->g, "node-1", buf_slice(&bytes)); /* not for us */
    m.to = SELF;
    m.from = SELF;
    buf_clear(&bytes);
    message_write(&m, &bytes);
    group_receive(r->g, "node-0", buf_slice(&bytes));
    m.from = 999;
    buf_clear(&bytes);
    message_write(&m, &bytes);
    group_receive(r->g, "node-1", buf_slice(&bytes)); /* an id that the name has lost */
    assert_int_equal(status_of(r).dropped_messages, 5);
    assert_int_equal(group_term(r->g), 1);
    buf_free(&bytes);
    free_rig(r);
}

static void test_mutated_messages(void **state)
{
    (void)state;
    struct rig *r = new_rig(0, GROUP_VOTER);
    struct buf conf = {0};
    struct message_entry entries[] = {command(2), change(2, 1, &conf), command(2)};
    struct message m = {.kind = MESSAGE_APPEND,
                        .from = SECOND,
                        .to = SELF,
                        .term = 2,
                        .append = {1, 1, 1, entries, 3}};
    struct buf good = {0};
    message_write(&m, &good);
    uint64_t random = 5;
    for (int round = 0; round < 20000 && !r->failed; round++) {
        struct buf bad = {0};
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t len = round % 3 == 0 ? (size_t)(random >> 33) % (good.len + 1) : good.len;
        buf_add(&bad, slice_sub(buf_slice(&good), 0, len));
        for (int flips = 0; flips < 3 && bad.len > 0; flips++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            bad.data[(random >> 33) % bad.len] ^= (char)(1 << ((random >> 20) & 7));
        }
        r->sent_count = 0;
        group_receive(r->g, "node-1", buf_slice(&bad));
        sync_log(r);
        buf_free(&bad);
    }
    assert_false(r->failed);
    assert_true(status_of(r).dropped_messages > 10000);
    buf_free(&good);
    buf_free(&conf);
    free_rig(r);
}

static void test_configurations_read_as_libraft_writes_them(void **state)
{
    (void)state;
    struct conf conf = three(GROUP_STANDBY);
    struct raft_configuration theirs;
    struct raft_buffer encoded;
    conf_to_raft(&conf, &theirs);
    assert_int_equal(raft_configuration_encode(&theirs, &encoded), 0);
    struct buf ours = {0};
    conf_write(&conf, &ours);
    assert_int_equal(ours.len, encoded.len);
    assert_memory_equal(ours.data, encoded.base, ours.len);
    struct conf back;
    struct err err;
    assert_ok(conf_read(buf_slice(&ours), &back, &err), &err);
    assert_true(conf_is_raft(&back, &theirs));
    for (size_t cut = 0; cut < ours.len; cut++) {
        assert_int_equal(conf_read(slice_sub(buf_slice(&ours), 0, cut), &back, &err), ERR_CORRUPT);
    }
    conf.servers[2].id = SELF; /* twice */
    buf_clear(&ours);
    conf_write(&conf, &ours);
    assert_err(conf_read(buf_slice(&ours), &back, &err), &err, ERR_CORRUPT, "twice");
    buf_free(&ours);
    raft_free(encoded.base);
    raft_configuration_close(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_g1),
        cmocka_unit_test(test_g2),
        cmocka_unit_test(test_g3),
        cmocka_unit_test(test_g4),
        cmocka_unit_test(test_g5),
        cmocka_unit_test(test_g6),
        cmocka_unit_test(test_g7),
        cmocka_unit_test(test_g8),
        cmocka_unit_test(test_g9),
        cmocka_unit_test(test_g10),
        cmocka_unit_test(test_contradiction_of_committed_entries_is_ignored),
        cmocka_unit_test(test_quarantined_group_reloads),
        cmocka_unit_test(test_messages_of_strangers),
        cmocka_unit_test(test_mutated_messages),
        cmocka_unit_test(test_configurations_read_as_libraft_writes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
