/* test_group_requests.c: how requests to a group fail, each in the way that its header names. */
#include <stdlib.h>

#include "base/list.h"
#include "tests/lib/test.h"
#include "tests/lib/world.h"

struct asked {
    struct group_proposal proposal;
    struct group_read read;
    struct group_change change;
    int status; /* -1: no answer yet */
    char message[ERR_MESSAGE_MAX];
};

static void proposed(struct group_proposal *p, int status)
{
    CONTAINER_OF(p, struct asked, proposal)->status = status;
}

static void was_read(struct group_read *r, int status)
{
    CONTAINER_OF(r, struct asked, read)->status = status;
}

static void changed(struct group_change *c, int status, const struct err *err)
{
    struct asked *a = CONTAINER_OF(c, struct asked, change);
    a->status = status;
    assert_int_equal(status == 0, err == NULL);
    (void)snprintf(a->message, sizeof a->message, "%s", err != NULL ? err->message : "");
}

static struct asked fresh(void)
{
    return (struct asked){
        .proposal.done = proposed, .read.done = was_read, .change.done = changed, .status = -1};
}

static struct world *led_world(int voters)
{
    struct world_options options = {
        .seed = 11, .voters = voters, .delay_max_ms = 2, .disk_max_ms = 2};
    struct world *w = world_new(&options);
    w->calm = true;
    assert_true(world_run_until(w, world_has_leader, 3000));
    world_run(w, 200);
    return w;
}

static struct group *leader_of(struct world *w)
{
    return w->nodes[world_leader(w, 0)].replicas[0].group;
}

static struct group *follower_of(struct world *w)
{
    return w->nodes[(world_leader(w, 0) + 1) % 3].replicas[0].group;
}

/* The answer never comes inside the request. */
static int answer(struct world *w, struct asked *a)
{
    assert_int_equal(a->status, -1);
    world_run(w, 100);
    return a->status;
}

static struct slice entry_of(struct buf *buffer, size_t len)
{
    machine_entry(NULL, buffer);
    while (buffer->len < len) {
        buf_add_char(buffer, 'x');
    }
    return buf_slice(buffer);
}

static void test_proposals(void **state)
{
    (void)state;
    struct world *w = led_world(3);
    struct buf large = {0};
    struct asked a = fresh();
    group_propose(leader_of(w), &a.proposal, entry_of(&large, GROUP_ENTRY_MAX));
    struct asked b = fresh();
    group_propose(leader_of(w), &b.proposal, SLICE("\0\0\0\0too soon"));
    world_run(w, 300);
    assert_int_equal(a.status, 0);
    assert_int_equal(b.status, ERR_BUSY);
    assert_int_equal(a.proposal.term, group_term(leader_of(w)));

    buf_add_char(&large, 'x');
    a = fresh();
    group_propose(leader_of(w), &a.proposal, buf_slice(&large));
    assert_int_equal(answer(w, &a), ERR_TOO_LARGE);
    a = fresh();
    group_propose(follower_of(w), &a.proposal, SLICE("\0\0\0\0"));
    assert_int_equal(answer(w, &a), ERR_NOT_LEADER);
    buf_free(&large);
    world_free(w);
}

static void test_proposal_whose_leader_is_cut_off(void **state)
{
    (void)state;
    struct world *w = led_world(3);
    int leader = world_leader(w, 0);
    for (int i = 0; i < 3; i++) {
        w->blocked[leader][i] = w->blocked[i][leader] = i != leader;
    }
    struct asked a = fresh();
    group_propose(w->nodes[leader].replicas[0].group, &a.proposal, SLICE("\0\0\0\0lost"));
    struct asked b = fresh();
    group_read(w->nodes[leader].replicas[0].group, &b.read);
    world_run(w, 1500);
    assert_int_equal(a.status, ERR_TIMEOUT);
    assert_int_equal(b.status, ERR_NOT_LEADER);
    world_heal(w);
    assert_true(world_run_until(w, world_converged, 5000));
    assert_int_equal(w->oracle.violations, 0);
    world_free(w);
}

static void test_reads(void **state)
{
    (void)state;
    struct world *w = led_world(3);
    struct asked a = fresh();
    group_read(leader_of(w), &a.read);
    assert_int_equal(answer(w, &a), 0);
    assert_true(a.read.commit_index >= 1);
    assert_true(group_confirmed_ms(leader_of(w)) > 0);
    a = fresh();
    group_read(follower_of(w), &a.read);
    assert_int_equal(answer(w, &a), ERR_NOT_LEADER);
    a = fresh();
    group_read(leader_of(w), &a.read);
    group_read_cancel(leader_of(w), &a.read);
    assert_int_equal(answer(w, &a), -1);
    world_free(w);
}

static void test_changes(void **state)
{
    (void)state;
    struct world *w = led_world(3);
    struct group *g = leader_of(w);
    uint64_t self = w->nodes[world_leader(w, 0)].replicas[0].server_id;
    struct asked a = fresh();
    group_add(follower_of(w), &a.change, 900, "node-5");
    assert_int_equal(answer(w, &a), ERR_NOT_LEADER);
    a = fresh();
    group_add(g, &a.change, 101, "node-5");
    assert_int_equal(answer(w, &a), ERR_EXISTS);
    a = fresh();
    group_add(g, &a.change, 900, "node-1");
    assert_int_equal(answer(w, &a), ERR_EXISTS);
    a = fresh();
    group_add(g, &a.change, 900, "no such name!");
    assert_int_equal(answer(w, &a), ERR_CONFLICT);
    a = fresh();
    group_promote(g, &a.change, 900);
    assert_int_equal(answer(w, &a), ERR_NOT_FOUND);
    a = fresh();
    group_remove(g, &a.change, 900);
    assert_int_equal(answer(w, &a), ERR_NOT_FOUND);
    a = fresh();
    group_remove(g, &a.change, self);
    assert_int_equal(answer(w, &a), ERR_CONFLICT);
    assert_non_null(strstr(a.message, "transfer first"));
    a = fresh();
    group_demote(g, &a.change, self);
    assert_int_equal(answer(w, &a), ERR_CONFLICT);
    a = fresh();
    group_promote(g, &a.change, w->nodes[(world_leader(w, 0) + 1) % 3].replicas[0].server_id);
    assert_int_equal(answer(w, &a), 0); /* it is a voter already */

    a = fresh();
    struct asked b = fresh();
    group_add(g, &a.change, w->nodes[4].replicas[0].server_id, "node-4");
    group_add(g, &b.change, w->nodes[5].replicas[0].server_id, "node-5");
    assert_int_equal(answer(w, &a), 0);
    assert_int_equal(b.status, ERR_BUSY);
    world_free(w);
}

static void test_transfers(void **state)
{
    (void)state;
    struct world *w = led_world(3);
    struct group *g = leader_of(w);
    struct asked a = fresh();
    group_transfer(g, &a.change, "node-5");
    assert_int_equal(answer(w, &a), ERR_NOT_FOUND);
    a = fresh();
    group_transfer(g, &a.change, w->nodes[world_leader(w, 0)].name);
    assert_int_equal(answer(w, &a), ERR_CONFLICT);
    /* The target is deaf: it is not taken over, and the leader goes on. */
    int leader = world_leader(w, 0);
    int target = (leader + 1) % 3;
    w->blocked[leader][target] = true;
    a = fresh();
    group_transfer(g, &a.change, w->nodes[target].name);
    world_run(w, 1000);
    assert_int_equal(a.status, ERR_TIMEOUT);
    assert_int_equal(world_leader(w, 0), leader);
    /* With the news that its connection closed, it is given up at once. */
    a = fresh();
    group_transfer(g, &a.change, w->nodes[target].name);
    world_run(w, 10);
    assert_int_equal(a.status, -1);
    group_peer_lost(g, w->nodes[target].name);
    world_run(w, 1);
    assert_int_equal(a.status, ERR_TIMEOUT);
    assert_true(group_can_propose(g));
    a = fresh();
    group_propose(g, &a.proposal, SLICE("\0\0\0\0still here"));
    assert_int_equal(answer(w, &a), 0);
    world_free(w);
}

static void test_closing_ends_requests(void **state)
{
    (void)state;
    struct world *w = led_world(3);
    int leader = world_leader(w, 0);
    struct asked a = fresh();
    struct asked b = fresh();
    struct asked c = fresh();
    group_propose(w->nodes[leader].replicas[0].group, &a.proposal, SLICE("\0\0\0\0"));
    group_read(w->nodes[leader].replicas[0].group, &b.read);
    group_add(w->nodes[leader].replicas[0].group, &c.change, 900, "node-5");
    world_kill(w, leader);
    assert_true(a.status == ERR_CLOSED || a.status == ERR_TIMEOUT);
    assert_int_equal(b.status, ERR_CLOSED);
    assert_int_equal(c.status, ERR_CLOSED);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proposals), cmocka_unit_test(test_proposal_whose_leader_is_cut_off),
        cmocka_unit_test(test_reads),     cmocka_unit_test(test_changes),
        cmocka_unit_test(test_transfers), cmocka_unit_test(test_closing_ends_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
