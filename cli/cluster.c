/* cluster.c: `choreo cluster`: the control plane itself, for operators. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/print.h"
#include "proto/choreo/v1/services.pb-c.h"

/* "0,3" */
static const char *numbers(struct arena *arena, const uint32_t *items, size_t count)
{
    struct buf text = {0};
    for (size_t i = 0; i < count; i++) {
        buf_addf(&text, "%s%u", i > 0 ? "," : "", items[i]);
    }
    const char *copy = arena_cstr(arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

static const char *words(struct arena *arena, char *const *items, size_t count)
{
    struct buf text = {0};
    for (size_t i = 0; i < count; i++) {
        buf_addf(&text, "%s%s", i > 0 ? "," : "", items[i]);
    }
    const char *copy = arena_cstr(arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

/* ---- members ---- */

static json_t *member_json(const Choreo__V1__Member *m)
{
    json_t *leads = json_array();
    for (size_t i = 0; i < m->n_leads; i++) {
        json_array_append_new(leads, json_integer(m->leads[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:o}", "name", m->name, "region",
                     m->region, "peer", m->peer_address, "api", m->api_address, "reachable",
                     (int)m->reachable, "role", m->role, "clockOffsetMs",
                     (json_int_t)m->clock_offset_ms, "leads", leads);
}

static void print_members(struct cli *c, Choreo__V1__Member *const *members, size_t count)
{
    static const char *const titles[] = {"NAME",  "REGION", "ROLE",  "REACHABLE",
                                         "LEADS", "API",    "PEERS", "CLOCK"};
    struct print_table table;
    print_init(&table, titles, c->output.form == OUTPUT_WIDE ? 8 : 6);
    table.whole = c->output.form == OUTPUT_WIDE;
    for (size_t i = 0; i < count; i++) {
        const Choreo__V1__Member *m = members[i];
        const char *cells[] = {m->name,
                               m->region,
                               m->role,
                               m->reachable ? "yes" : "no",
                               numbers(&c->arena, m->leads, m->n_leads),
                               m->api_address,
                               m->peer_address,
                               arena_printf(&c->arena, "%+lldms", (long long)m->clock_offset_ms)};
        print_row(&table, cells);
    }
    print_flush(&table, true);
    print_free(&table);
}

/* Takes tree. */
static int show_tree(const struct cli *c, json_t *tree, struct err *err)
{
    int rc = output_tree(&c->output, tree, err);
    json_decref(tree);
    return rc;
}

static int members(struct cli *c, struct err *err)
{
    Choreo__V1__MembersRequest request = CHOREO__V1__MEMBERS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    int rc = client_call(&c->client, "choreo.v1.ClusterService/Members", &request.base,
                         &choreo__v1__members_response__descriptor, &c->arena, &message, err);
    if (rc != 0) {
        return rc;
    }
    const Choreo__V1__MembersResponse *response = (const Choreo__V1__MembersResponse *)message;
    if (output_is_tree(&c->output)) {
        json_t *list = json_array();
        for (size_t i = 0; i < response->n_members; i++) {
            json_array_append_new(list, member_json(response->members[i]));
        }
        return show_tree(c, json_pack("{s:o}", "members", list), err);
    }
    print_members(c, response->members, response->n_members);
    return 0;
}

/* ---- status ---- */

static json_t *status_json(const Choreo__V1__StatusResponse *s)
{
    json_t *shards = json_array();
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_shards; i++) {
        const Choreo__V1__ShardStatus *shard = s->shards[i];
        json_array_append_new(
            shards,
            json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:o}", "shard", (json_int_t)shard->shard,
                      "leader", shard->leader, "prefers",
                      shard->prefers != NULL ? shard->prefers : "", "term", (json_int_t)shard->term,
                      "commitIndex", (json_int_t)shard->commit_index, "appliedIndex",
                      (json_int_t)shard->applied_index, "resourceVersion",
                      json_sprintf("%llu", (unsigned long long)shard->resource_version)));
    }
    for (size_t i = 0; i < s->n_members; i++) {
        json_array_append_new(list, member_json(s->members[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "cluster", s->cluster_id, "node", s->node,
                     "version", s->version, "shards", shards, "members", list);
}

static void print_shards(struct cli *c, const Choreo__V1__StatusResponse *s)
{
    static const char *const titles[] = {"SHARD",  "LEADER",  "PREFERS", "TERM",
                                         "COMMIT", "APPLIED", "VOTERS",  "STANDBYS"};
    struct print_table table;
    print_out("cluster %s, answered by %s (choreod %s)\n\n", s->cluster_id, s->node, s->version);
    print_init(&table, titles, 8);
    for (size_t i = 0; i < s->n_shards; i++) {
        const Choreo__V1__ShardStatus *shard = s->shards[i];
        const char *leader = *shard->leader != '\0' ? shard->leader : "<none>";
        const char *cells[] = {
            arena_printf(&c->arena, "%u", shard->shard),
            leader,
            shard->prefers != NULL && *shard->prefers != '\0' ? shard->prefers : "any",
            arena_printf(&c->arena, "%llu", (unsigned long long)shard->term),
            arena_printf(&c->arena, "%llu", (unsigned long long)shard->commit_index),
            arena_printf(&c->arena, "%llu", (unsigned long long)shard->applied_index),
            words(&c->arena, shard->voters, shard->n_voters),
            words(&c->arena, shard->standbys, shard->n_standbys)};
        print_row(&table, cells);
    }
    print_flush(&table, true);
    print_free(&table);
    print_out("\n");
    print_members(c, s->members, s->n_members);
}

static int status(struct cli *c, struct err *err)
{
    Choreo__V1__StatusRequest request = CHOREO__V1__STATUS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    int rc = client_call(&c->client, "choreo.v1.ClusterService/Status", &request.base,
                         &choreo__v1__status_response__descriptor, &c->arena, &message, err);
    if (rc != 0) {
        return rc;
    }
    if (output_is_tree(&c->output)) {
        return show_tree(c, status_json((const Choreo__V1__StatusResponse *)message), err);
    }
    print_shards(c, (const Choreo__V1__StatusResponse *)message);
    return 0;
}

/* ---- transfer, prefer, remove ---- */

static int transfer(struct cli *c, struct err *err)
{
    Choreo__V1__TransferLeaderRequest request = CHOREO__V1__TRANSFER_LEADER_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    uint64_t shard;
    if (c->args.count < 1 || !slice_u64(slice_of(c->args.items[0]), &shard) || shard > UINT32_MAX) {
        return err_set(err, ERR_INVALID, "usage: choreo cluster transfer SHARD [NODE]");
    }
    request.has_shard = true;
    request.shard = (uint32_t)shard;
    request.to = c->args.count > 1 ? arena_cstr(&c->arena, slice_of(c->args.items[1])) : NULL;
    int rc =
        client_call(&c->client, "choreo.v1.ClusterService/TransferLeader", &request.base,
                    &choreo__v1__transfer_leader_response__descriptor, &c->arena, &message, err);
    if (rc == 0) {
        print_out("shard %u is led by %s\n", request.shard,
                  ((const Choreo__V1__TransferLeaderResponse *)message)->leader);
    }
    return rc;
}

static int prefer(struct cli *c, struct err *err)
{
    Choreo__V1__PreferRegionRequest request = CHOREO__V1__PREFER_REGION_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    uint64_t shard;
    if (c->args.count != 2 || !slice_u64(slice_of(c->args.items[0]), &shard) ||
        shard > UINT32_MAX) {
        return err_set(err, ERR_INVALID, "usage: choreo cluster prefer SHARD REGION|-");
    }
    bool any = strcmp(c->args.items[1], "-") == 0;
    request.has_shard = true;
    request.shard = (uint32_t)shard;
    request.region = any ? NULL : arena_cstr(&c->arena, slice_of(c->args.items[1]));
    int rc = client_call(&c->client, "choreo.v1.ClusterService/PreferRegion", &request.base,
                         &choreo__v1__prefer_region_response__descriptor, &c->arena, &message, err);
    if (rc == 0 && any) {
        print_out("shard %u may be led from any region\n", request.shard);
    } else if (rc == 0) {
        print_out("shard %u prefers a leader in %s\n", request.shard, request.region);
    }
    return rc;
}

static int remove_member(struct cli *c, struct err *err)
{
    Choreo__V1__RemoveMemberRequest request = CHOREO__V1__REMOVE_MEMBER_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    if (c->args.count != 1) {
        return err_set(err, ERR_INVALID, "usage: choreo cluster remove NODE");
    }
    request.name = arena_cstr(&c->arena, slice_of(c->args.items[0]));
    print_err("removing %s from every shard...\n", request.name);
    int rc = client_call(&c->client, "choreo.v1.ClusterService/RemoveMember", &request.base,
                         &choreo__v1__remove_member_response__descriptor, &c->arena, &message, err);
    if (rc == 0) {
        print_out("%s removed\n", request.name);
    }
    return rc;
}

static const struct command command_status_of = {
    .name = "status",
    .summary = "every shard: its leader, how far it is, who votes",
    .usage = "[-o FORM]",
    .examples = "  choreo cluster status\n"
                "  choreo cluster status -o 'jsonpath={.shards[*].leader}'",
    .forms = OUTPUT_TREES,
    .run = status,
};

static const struct command command_members = {
    .name = "members",
    .summary = "the nodes: region, role, reachable or not, what they lead",
    .usage = "[-o FORM]",
    .examples = "  choreo cluster members -o wide\n"
                "  choreo cluster members -o 'jsonpath={.members[?(@.reachable==false)].name}'",
    .forms = OUTPUT_TREES | 1 << OUTPUT_WIDE,
    .run = members,
};

static const struct command command_transfer = {
    .name = "transfer",
    .summary = "hand a shard's leadership to NODE, or to the best",
    .usage = "SHARD [NODE]",
    .examples = "  choreo cluster transfer 2 node-3\n"
                "  choreo cluster transfer 0              to the best of the others",
    .args = COMPLETE_NODE,
    .run = transfer,
};

static const struct command command_prefer = {
    .name = "prefer",
    .summary = "keep a shard's leader in REGION while that can be",
    .usage = "SHARD REGION|-",
    .about =
        "A shard's leader reconciles it: near its clusters it is quicker. \"-\" is anywhere again.",
    .examples = "  choreo cluster prefer 1 eu-west-1\n"
                "  choreo cluster prefer 1 -",
    .run = prefer,
};

static const struct command command_remove = {
    .name = "remove",
    .summary = "take a node out of every shard; a dead one too",
    .usage = "NODE",
    .about =
        "Takes the node out of every shard, also one that will never come back. Its data stays\n"
        "on its disk; to return it must join anew.",
    .examples = "  choreo cluster remove node-2\n"
                "  choreo cluster remove node-2 --timeout 2m      a large one takes its time",
    .args = COMPLETE_NODE,
    .run = remove_member,
};

const struct command command_cluster = {
    .name = "cluster",
    .summary = "the control plane itself: status, members, transfer, prefer, remove",
    .usage = "COMMAND [OPTION...]",
    .about = "The nodes of the control plane and the shards that they replicate.",
    .subcommands =
        (const struct command *const[]){&command_status_of, &command_members, &command_transfer,
                                        &command_prefer, &command_remove, NULL},
};
