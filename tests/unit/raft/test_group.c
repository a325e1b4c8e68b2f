/* test_group.c: groups of real logs in the simulated world: what they do when asked. */
#include "tests/lib/test.h"
#include "tests/lib/world.h"

#include <stdio.h>

static struct world *quiet_world(int voters, unsigned snapshot_every)
{
    struct world_options options = {.seed = 7,
                                    .voters = voters,
                                    .delay_max_ms = 2,
                                    .disk_max_ms = 2,
                                    .snapshot_every = snapshot_every,
                                    .clients = 4};
    struct world *w = world_new(&options);
    w->calm = true;
    return w;
}

static void finish(struct world *w)
{
    w->stop_clients = true;
    assert_true(world_run_until(w, world_converged, 10000));
    world_final_checks(w);
    if (w->oracle.violations > 0) {
        print_error("%s\n", w->oracle.first);
    }
    assert_int_equal(w->oracle.violations, 0);
    world_free(w);
}

static void test_elects_and_commits(void **state)
{
    (void)state;
    struct world *w = quiet_world(3, 0);
    assert_true(world_run_until(w, world_has_leader, 2000));
    world_run(w, 2000);
    assert_true(w->oracle.acknowledged > 100);
    finish(w);
}

static bool leader_has_applied_all(struct world *w)
{
    int leader = world_leader(w, 0);
    struct group_status status;
    if (leader < 0) {
        return false;
    }
    group_status(w->nodes[leader].replicas[0].group, &status);
    for (int i = 0; i < MACHINE_CLIENTS; i++) {
        if (w->clients[i].busy) {
            return false;
        }
    }
    return status.applied == status.last;
}

/* A follower waits neither for the next entry nor for a heartbeat, which comes every 50 ms. */
static void test_followers_learn_of_a_commit_at_once(void **state)
{
    (void)state;
    struct world *w = quiet_world(3, 0);
    assert_true(world_run_until(w, world_has_leader, 2000));
    for (int round = 0; round < 20; round++) {
        w->stop_clients = false;
        world_run(w, 200);
        w->stop_clients = true;
        assert_true(world_run_until(w, leader_has_applied_all, 1000));
        assert_true(world_run_until(w, world_converged, 15));
    }
    finish(w);
}

static void test_survives_restart_of_all(void **state)
{
    (void)state;
    struct world *w = quiet_world(3, 0);
    world_run(w, 2000);
    uint64_t before = w->oracle.acknowledged;
    assert_true(before > 50);
    for (int i = 0; i < 3; i++) {
        world_crash(w, i);
    }
    world_run(w, 100);
    for (int i = 0; i < 3; i++) {
        world_start(w, i);
    }
    world_run(w, 3000);
    assert_true(w->oracle.acknowledged > before + 50);
    finish(w);
}

static void test_leader_lost_and_back(void **state)
{
    (void)state;
    struct world *w = quiet_world(3, 0);
    assert_true(world_run_until(w, world_has_leader, 2000));
    for (int round = 0; round < 5; round++) {
        int leader = world_leader(w, 0);
        world_crash(w, leader);
        assert_true(world_run_until(w, world_has_leader, 2000));
        assert_int_not_equal(world_leader(w, 0), leader);
        world_run(w, 300);
        world_start(w, leader);
        world_run(w, 300);
    }
    finish(w);
}

static void test_single_node_grows(void **state)
{
    (void)state;
    struct world *w = quiet_world(1, 0);
    assert_true(world_run_until(w, world_has_leader, 2000));
    world_run(w, 500);
    assert_true(w->oracle.acknowledged > 10);
    for (int node = 1; node <= 2; node++) {
        assert_true(world_join(w, 0, node));
        world_run(w, 500);
        assert_int_equal(w->changes[0].status, 0);
        assert_true(world_promote(w, 0, node));
        world_run(w, 1000);
        assert_false(w->changes[0].busy);
        assert_int_equal(w->changes[0].status, 0);
    }
    int leader = world_leader(w, 0);
    world_crash(w, leader);
    assert_true(world_run_until(w, world_has_leader, 2000));
    world_start(w, leader);
    finish(w);
}

static void test_single_node_restarts_in_a_new_term(void **state)
{
    (void)state;
    struct world *w = quiet_world(1, 0);
    uint64_t term = 0;
    for (int i = 0; i < 4; i++) {
        assert_true(world_run_until(w, world_has_leader, 2000));
        assert_true(w->nodes[0].replicas[0].leading_term > term);
        term = w->nodes[0].replicas[0].leading_term;
        world_run(w, 200);
        world_crash(w, 0);
        world_start(w, 0);
    }
    finish(w);
}

static void test_two_voters_do_not_become_one(void **state)
{
    (void)state;
    struct world *w = quiet_world(2, 0);
    assert_true(world_run_until(w, world_has_leader, 3000));
    int other = 1 - world_leader(w, 0);
    assert_true(world_demote(w, 0, other));
    world_run(w, 100);
    assert_int_equal(w->changes[0].status, ERR_CONFLICT);
    assert_true(world_remove(w, 0, other));
    world_run(w, 100);
    assert_int_equal(w->changes[0].status, ERR_CONFLICT);
    finish(w);
}

static void test_standby_gets_an_image(void **state)
{
    (void)state;
    struct world *w = quiet_world(3, 20);
    world_run(w, 3000);
    assert_true(world_join(w, 0, 3));
    world_run(w, 1000);
    assert_int_equal(w->changes[0].status, 0);
    assert_true(w->installs > 0);
    assert_true(world_promote(w, 0, 3));
    world_run(w, 1000);
    assert_int_equal(w->changes[0].status, 0);
    int leader = world_leader(w, 0);
    int gone = leader == 3 ? 0 : 3;
    assert_true(world_remove(w, 0, gone));
    world_run(w, 1000);
    assert_int_equal(w->changes[0].status, 0);
    finish(w);
}

static bool changed(struct world *w)
{
    return !w->changes[0].busy;
}

static bool joined(struct world *w)
{
    struct group_status s;
    int leader = world_leader(w, 0);
    if (leader < 0 || w->changes[0].busy) {
        return false;
    }
    group_status(w->nodes[leader].replicas[0].group, &s);
    for (size_t i = 0; i < s.server_count; i++) {
        if (s.servers[i].server.id == w->nodes[3].replicas[0].server_id) {
            bool votes = s.servers[i].server.role == GROUP_VOTER;
            if (!votes) {
                (void)world_promote(w, 0, 3);
            }
            return votes;
        }
    }
    (void)world_join(w, 0, 3);
    return false;
}

/* The leader dies so many ms into a join or a promotion, and another goes on with it: whatever the
 * first had begun, asking until it is so ends. */
static void test_a_join_outlives_its_leader(void **state)
{
    (void)state;
    for (uint64_t ms = 0; ms < 60; ms += 3) {
        struct world *w = quiet_world(3, ms % 2 == 0 ? 20 : 0);
        world_run(w, 1500);
        assert_true(world_join(w, 0, 3));
        if (ms >= 30) {
            assert_true(world_run_until(w, changed, 1000));
            assert_true(world_promote(w, 0, 3));
        }
        world_run(w, ms % 30);
        int leader = world_leader(w, 0);
        world_crash(w, leader);
        w->changes[0].busy = false; /* nobody is left to answer */
        assert_true(world_run_until(w, world_has_leader, 3000));
        assert_true(world_run_until(w, joined, 5000));
        world_start(w, leader);
        finish(w);
    }
}

static void test_transfers(void **state)
{
    (void)state;
    struct world *w = quiet_world(3, 0);
    assert_true(world_run_until(w, world_has_leader, 2000));
    for (int round = 0; round < 6; round++) {
        world_run(w, 300);
        int target = (world_leader(w, 0) + 1) % 3;
        uint64_t elections = w->elections;
        assert_true(world_transfer(w, 0, round % 2 == 0 ? target : -1));
        world_run(w, 100);
        assert_false(w->changes[0].busy);
        assert_int_equal(w->changes[0].status, 0);
        assert_true(world_run_until(w, world_has_leader, 500));
        assert_int_equal(w->elections, elections + 1);
        if (round % 2 == 0) {
            assert_int_equal(world_leader(w, 0), target);
        }
    }
    finish(w);
}

static void test_reads_need_a_majority(void **state)
{
    (void)state;
    struct world *w = quiet_world(3, 0);
    assert_true(world_run_until(w, world_has_leader, 2000));
    for (int i = 0; i < 30; i++) {
        world_read(w, 0, i % 3);
        world_run(w, 20);
    }
    assert_int_equal(w->oracle.reads, 30);
    int leader = world_leader(w, 0);
    for (int i = 0; i < 3; i++) {
        w->blocked[leader][i] = i != leader;
    }
    world_read(w, 0, leader);
    world_run(w, 60);
    assert_int_equal(w->oracle.reads, 30);
    world_heal(w);
    finish(w);
}

static void test_lost_connection_hastens_the_election(void **state)
{
    (void)state;
    uint64_t with_news = 0;
    uint64_t without = 0;
    for (int news = 0; news <= 1; news++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct world_options options = {
                .seed = seed, .voters = 3, .delay_max_ms = 1, .disk_max_ms = 1, .clients = 1};
            struct world *w = world_new(&options);
            w->calm = true;
            assert_true(world_run_until(w, world_has_leader, 3000));
            world_run(w, 500);
            int leader = world_leader(w, 0);
            uint64_t start = w->now_us;
            for (int i = 0; i < 3; i++) {
                w->blocked[leader][i] = w->blocked[i][leader] = i != leader;
            }
            w->nodes[leader].replicas[0].ready = false;
            for (int i = 0; news == 1 && i < 3; i++) {
                if (i != leader) {
                    group_peer_lost(w->nodes[i].replicas[0].group, w->nodes[leader].name);
                }
            }
            assert_true(world_run_until(w, world_has_leader, 3000));
            *(news == 1 ? &with_news : &without) += w->now_us - start;
            world_free(w);
        }
    }
    print_message("election after a loss: %llu ms with the news, %llu ms without\n",
                  (unsigned long long)with_news / 20000, (unsigned long long)without / 20000);
    assert_true(with_news * 2 < without);
}

static void test_reached_peers_elect_at_once(void **state)
{
    (void)state;
    uint64_t total_ms = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world_options options = {
            .seed = seed, .voters = 3, .delay_max_ms = 1, .disk_max_ms = 1, .clients = 1};
        struct world *w = world_new(&options);
        w->calm = true;
        for (int i = 0; i < 3; i++) {
            for (int k = 0; k < 3; k++) {
                group_peer_found(w->nodes[i].replicas[0].group, w->nodes[k].name);
            }
        }
        uint64_t start = w->now_us;
        assert_true(world_run_until(w, world_has_leader, 3000));
        total_ms += (w->now_us - start) / 1000;
        world_free(w);
    }
    print_message("first leader after %llu ms\n", (unsigned long long)total_ms / 20);
    assert_true(total_ms / 20 < 110); /* the election timeout is 150 to 300 */
}

static void test_false_news_change_nothing(void **state)
{
    (void)state;
    struct world *w = quiet_world(3, 0);
    assert_true(world_run_until(w, world_has_leader, 2000));
    world_run(w, 500);
    uint64_t elections = w->elections;
    int leader = world_leader(w, 0);
    for (int round = 0; round < 20; round++) {
        /* One follower alone hears the false news: the other one's pre-vote is refused it. */
        group_peer_lost(w->nodes[(leader + 1) % 3].replicas[0].group, w->nodes[leader].name);
        world_run(w, 200);
    }
    assert_int_equal(w->elections, elections);
    finish(w);
}

static void test_store_ahead_of_log_is_damage(void **state)
{
    (void)state;
    struct world *w = quiet_world(3, 0);
    world_run(w, 1000);
    world_kill(w, 0);
    struct disk empty;
    disk_init(&empty, 1);
    struct wal_config wal_config = {.fs = &empty.fs, .identity = SLICE("node-0")};
    struct wal *wal;
    struct group *g = NULL;
    struct err err = {0};
    assert_int_equal(wal_open(&wal_config, &wal, &err), 0);
    struct machine *m = &w->nodes[0].replicas[0].now;
    struct group_config config = {.id = 1,
                                  .wal = wal,
                                  .server_id = 101,
                                  .name = "node-0",
                                  .applied = {m->index, m->term, buf_slice(&m->configuration)}};
    assert_err(group_new(&config, &g, &err), &err, ERR_CORRUPT, "the log was lost");
    struct group_server self = {.id = 101, .name = "node-0", .role = GROUP_VOTER};
    assert_int_equal(group_bootstrap(wal, 1, 101, &self, 1, &err), 0);
    assert_err(group_new(&config, &g, &err), &err, ERR_CORRUPT, "below the store's applied index");
    config.server_id = 999;
    assert_err(group_new(&config, &g, &err), &err, ERR_INVALID, "not of 999");
    assert_err(group_bootstrap(wal, 1, 101, &self, 1, &err), &err, ERR_EXISTS, "already");
    wal_free(wal);
    disk_free(&empty);
    world_start(w, 0);
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elects_and_commits),
        cmocka_unit_test(test_followers_learn_of_a_commit_at_once),
        cmocka_unit_test(test_survives_restart_of_all),
        cmocka_unit_test(test_leader_lost_and_back),
        cmocka_unit_test(test_single_node_grows),
        cmocka_unit_test(test_single_node_restarts_in_a_new_term),
        cmocka_unit_test(test_two_voters_do_not_become_one),
        cmocka_unit_test(test_standby_gets_an_image),
        cmocka_unit_test(test_a_join_outlives_its_leader),
        cmocka_unit_test(test_transfers),
        cmocka_unit_test(test_reads_need_a_majority),
        cmocka_unit_test(test_lost_connection_hastens_the_election),
        cmocka_unit_test(test_reached_peers_elect_at_once),
        cmocka_unit_test(test_false_news_change_nothing),
        cmocka_unit_test(test_store_ahead_of_log_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
