/* node.yaml and its neighbours: written once, read back whole, refused when damaged. */
#include "node/shard/identity.h"

#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

static struct node_identity sample(void)
{
    return (struct node_identity){.cluster = "c-1",
                                  .self = {.id = UINT64_C(0xfedcba9876543210),
                                           .name = "node-1",
                                           .region = "eu-west-1",
                                           .peer = "127.0.0.1:7444",
                                           .api = "127.0.0.1:7443"},
                                  .shards = 4,
                                  .incarnation = 7,
                                  .election_timeout_ms = 500,
                                  .heartbeat_ms = 50};
}

static void an_identity_comes_back_as_it_was(void **state)
{
    (void)state;
    struct tmpdir t;
    struct err err;
    tmpdir_make(&t);
    struct node_identity id = sample();
    struct node_identity back;
    const char *dir = tmpdir_path(&t, "data");
    assert_int_equal(node_load(dir, &back, &err), ERR_NOT_FOUND);
    assert_ok(node_create(dir, &id, &id.self, 1, NULL, 0, &err), &err);
    assert_ok(node_load(dir, &back, &err), &err);
    assert_string_equal(back.cluster, id.cluster);
    assert_true(back.self.id == id.self.id); /* all 64 bits */
    assert_string_equal(back.self.peer, id.self.peer);
    assert_string_equal(back.self.region, id.self.region);
    assert_int_equal(back.shards, 4);
    assert_int_equal(back.incarnation, 7);
    assert_int_equal(back.election_timeout_ms, 500);
    struct node_member founders[NODE_VOTERS_MAX];
    size_t count = 0;
    assert_ok(
        identity_read_members(dir, IDENTITY_FOUNDERS, founders, NODE_VOTERS_MAX, &count, &err),
        &err);
    assert_int_equal(count, 1);
    assert_string_equal(founders[0].name, "node-1");
    assert_err(node_create(dir, &id, &id.self, 1, NULL, 0, &err), &err, ERR_EXISTS, "node.yaml");
    tmpdir_remove(&t);
}

static void bad_identities_are_refused(void **state)
{
    (void)state;
    struct tmpdir t;
    struct err err;
    tmpdir_make(&t);
    const char *dir = tmpdir_path(&t, "data");
    struct node_identity id = sample();
    struct node_member other = id.self;
    id.shards = 0;
    assert_err(node_create(dir, &id, &id.self, 1, NULL, 0, &err), &err, ERR_INVALID, "shards");
    id = sample();
    memcpy(id.self.name, "Node 1", 7);
    assert_err(node_create(dir, &id, &other, 0, NULL, 0, &err), &err, ERR_INVALID, "name");
    id = sample();
    id.heartbeat_ms = 400;
    assert_err(node_create(dir, &id, &id.self, 1, NULL, 0, &err), &err, ERR_INVALID, "heartbeat");
    id = sample();
    memcpy(other.name, "node-2", 7);
    assert_err(node_create(dir, &id, &other, 1, NULL, 0, &err), &err, ERR_INVALID, "founders");
    tmpdir_remove(&t);
}

static void damaged_files_name_themselves(void **state)
{
    (void)state;
    struct tmpdir t;
    struct err err;
    struct node_identity back;
    tmpdir_make(&t);
    (void)tmpdir_write(&t, "node.yaml",
                       SLICE("cluster: c-1\nnode: {id: '1', name: n, peer: p}\n"
                             "shards: four\n"));
    assert_err(node_load(t.path, &back, &err), &err, ERR_INVALID, "shards");
    assert_err(node_load(t.path, &back, &err), &err, ERR_INVALID, "node.yaml");
    (void)tmpdir_write(&t, "peers.json", SLICE("[{\"id\":\"1\",\"name\":\"n\"}]"));
    struct node_member members[2];
    size_t count = 0;
    assert_err(identity_read_members(t.path, "peers.json", members, 2, &count, &err), &err,
               ERR_INVALID, "peer: missing");
    (void)tmpdir_write(&t, "peers.json", SLICE("{}"));
    assert_err(identity_read_members(t.path, "peers.json", members, 2, &count, &err), &err,
               ERR_INVALID, "array");
    assert_ok(identity_read_members(t.path, "absent.json", members, 2, &count, &err), &err);
    assert_int_equal(count, 0);
    tmpdir_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_identity_comes_back_as_it_was),
        cmocka_unit_test(bad_identities_are_refused),
        cmocka_unit_test(damaged_files_name_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
