/* cluster_service.c: ClusterService: status, members, transfer, preference, removal, tokens.
 *
 * Status and Members answer from this node's copy of the state at once; a shard's peers are known
 * to its leader, so a node that follows tells less. Transfer, preference and removal are node
 * operations that the node forwards to the shards' leaders; the call waits for them. */
#include "node/cluster_service.h"

#include <stdlib.h>
#include <string.h>

#include "base/pki.h"
#include "proto/choreo/v1/services.pb-c.h"

enum { TOKEN_SECONDS_DEFAULT = 900, TOKEN_SECONDS_MAX = 366 * 24 * 3600 };

static struct cluster *cluster_of(const struct grpc_call *call)
{
    return call->service->user;
}

/* ---- Status, Members ---- */

static char **names_of(struct arena *arena, const struct node_shard_status *s, bool voters,
                       size_t *count)
{
    char **names = arena_alloc(arena, NODE_MEMBERS_MAX * sizeof *names);
    *count = 0;
    for (size_t i = 0; i < s->peer_count; i++) {
        if (s->peers[i].voter == voters) {
            names[(*count)++] = arena_cstr(arena, slice_of(s->peers[i].name));
        }
    }
    return names;
}

static Choreo__V1__ShardStatus *describe_shard(struct arena *arena,
                                               const struct node_shard_status *s)
{
    Choreo__V1__ShardStatus *out = ARENA_NEW(arena, Choreo__V1__ShardStatus);
    choreo__v1__shard_status__init(out);
    out->has_shard = out->has_term = out->has_commit_index = true;
    out->has_applied_index = out->has_resource_version = true;
    out->shard = s->shard;
    out->leader = arena_cstr(arena, slice_of(s->leader));
    out->prefers = arena_cstr(arena, slice_of(s->prefers));
    out->term = s->term;
    out->commit_index = s->commit_index;
    out->applied_index = s->applied_index;
    out->resource_version = s->applied_version;
    out->voters = names_of(arena, s, true, &out->n_voters);
    out->standbys = names_of(arena, s, false, &out->n_standbys);
    return out;
}

/* In how many shards the member votes and stands by, as this node sees it. */
static const char *role_of(const struct node_status *status, const char *name)
{
    size_t votes = 0;
    size_t stands = 0;
    for (size_t i = 0; i < status->shard_count; i++) {
        const struct node_shard_status *s = &status->shards[i];
        for (size_t p = 0; p < s->peer_count; p++) {
            if (strcmp(s->peers[p].name, name) == 0) {
                votes += s->peers[p].voter ? 1 : 0;
                stands += s->peers[p].voter ? 0 : 1;
            }
        }
    }
    if (votes == status->shard_count) {
        return "voter";
    }
    return votes + stands == 0 ? "none" : votes == 0 ? "standby" : "joining";
}

static bool reachable(const struct node_status *status, const char *self, const char *name,
                      int64_t *offset_ms)
{
    bool connected = strcmp(self, name) == 0;
    *offset_ms = connected ? status->clock_offset_ms : 0;
    for (size_t i = 0; i < status->shard_count && !connected; i++) {
        const struct node_shard_status *s = &status->shards[i];
        for (size_t p = 0; p < s->peer_count; p++) {
            if (strcmp(s->peers[p].name, name) == 0 && s->peers[p].connected) {
                connected = true;
                *offset_ms = s->peers[p].clock_offset_ms;
            }
        }
    }
    return connected;
}

static Choreo__V1__Member *describe_member(struct arena *arena, const struct node_status *status,
                                           const char *self, const struct node_member *m)
{
    Choreo__V1__Member *out = ARENA_NEW(arena, Choreo__V1__Member);
    choreo__v1__member__init(out);
    out->name = arena_cstr(arena, slice_of(m->name));
    out->region = arena_cstr(arena, slice_of(m->region));
    out->peer_address = arena_cstr(arena, slice_of(m->peer));
    out->api_address = arena_cstr(arena, slice_of(m->api));
    out->role = arena_cstr(arena, slice_of(role_of(status, m->name)));
    out->has_reachable = out->has_clock_offset_ms = true;
    out->reachable = reachable(status, self, m->name, &out->clock_offset_ms);
    out->leads = arena_alloc(arena, status->shard_count * sizeof *out->leads);
    for (size_t i = 0; i < status->shard_count; i++) {
        if (strcmp(status->shards[i].leader, m->name) == 0) {
            out->leads[out->n_leads++] = status->shards[i].shard;
        }
    }
    return out;
}

static Choreo__V1__Member **describe_members(struct arena *arena, const struct node_status *status,
                                             const char *self)
{
    Choreo__V1__Member **members = arena_alloc(arena, NODE_MEMBERS_MAX * sizeof *members);
    for (size_t i = 0; i < status->member_count; i++) {
        members[i] = describe_member(arena, status, self, &status->members[i]);
    }
    return members;
}

static void get_status(struct grpc_call *call, const ProtobufCMessage *message)
{
    (void)message;
    struct cluster *c = cluster_of(call);
    const struct node_identity *id = node_identity(c->node);
    struct node_status status;
    node_status(c->node, &status);
    Choreo__V1__StatusResponse response = CHOREO__V1__STATUS_RESPONSE__INIT;
    response.cluster_id = arena_cstr(call->arena, slice_of(id->cluster));
    response.node = arena_cstr(call->arena, slice_of(id->self.name));
    response.version = arena_cstr(call->arena, slice_of(CHOREO_VERSION));
    response.has_incarnation = true;
    response.incarnation = id->incarnation;
    response.shards = arena_alloc(call->arena, status.shard_count * sizeof *response.shards);
    for (size_t i = 0; i < status.shard_count; i++) {
        response.shards[response.n_shards++] = describe_shard(call->arena, &status.shards[i]);
    }
    response.members = describe_members(call->arena, &status, id->self.name);
    response.n_members = status.member_count;
    grpc_reply(call, &response.base);
    free(status.shards);
}

static void get_members(struct grpc_call *call, const ProtobufCMessage *message)
{
    (void)message;
    struct cluster *c = cluster_of(call);
    struct node_status status;
    node_status(c->node, &status);
    Choreo__V1__MembersResponse response = CHOREO__V1__MEMBERS_RESPONSE__INIT;
    response.members = describe_members(call->arena, &status, node_identity(c->node)->self.name);
    response.n_members = status.member_count;
    grpc_reply(call, &response.base);
    free(status.shards);
}

/* ---- TransferLeader, PreferRegion, RemoveMember ---- */

enum operating_kind { TRANSFER, PREFER, REMOVE };

struct operating {
    struct grpc_call *call;
    struct node_op op;
    uint32_t shard;
    enum operating_kind kind;
};

static void reply_transfer(struct operating *o)
{
    struct node_status status;
    node_status(cluster_of(o->call)->node, &status);
    Choreo__V1__TransferLeaderResponse response = CHOREO__V1__TRANSFER_LEADER_RESPONSE__INIT;
    response.leader =
        arena_cstr(o->call->arena,
                   slice_of(o->shard < status.shard_count ? status.shards[o->shard].leader : ""));
    grpc_reply(o->call, &response.base);
    free(status.shards);
}

static void on_operated(struct node_op *op, int rc, const struct err *err)
{
    struct operating *o = op->user;
    if (rc != 0) {
        grpc_finish(o->call, rc, err, NULL);
    } else if (o->kind == TRANSFER) {
        reply_transfer(o);
    } else if (o->kind == PREFER) {
        Choreo__V1__PreferRegionResponse response = CHOREO__V1__PREFER_REGION_RESPONSE__INIT;
        grpc_reply(o->call, &response.base);
    } else {
        Choreo__V1__RemoveMemberResponse response = CHOREO__V1__REMOVE_MEMBER_RESPONSE__INIT;
        grpc_reply(o->call, &response.base);
    }
    grpc_drop(o->call);
}

/* The operation itself is not cancelled by an impatient client: it goes on, and can be asked again.
 */
static struct operating *operate(struct grpc_call *call, enum operating_kind kind)
{
    struct operating *o = ARENA_NEW(call->arena, struct operating);
    o->call = call;
    o->kind = kind;
    o->op = (struct node_op){
        .loop = call->loop, .deadline_ms = call->deadline_ms, .user = o, .done = on_operated};
    grpc_hold(call);
    return o;
}

static void transfer_leader(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Choreo__V1__TransferLeaderRequest *request =
        (const Choreo__V1__TransferLeaderRequest *)message;
    struct node *node = cluster_of(call)->node;
    if (!request->has_shard || request->shard >= node_identity(node)->shards) {
        grpc_bad_field(call, "shard", "shard is required, and must be one of the cluster's");
        return;
    }
    struct operating *o = operate(call, TRANSFER);
    o->shard = request->shard;
    node_transfer(node, &o->op, request->shard, request->to != NULL ? request->to : "");
}

static void prefer_region(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Choreo__V1__PreferRegionRequest *request =
        (const Choreo__V1__PreferRegionRequest *)message;
    struct node *node = cluster_of(call)->node;
    const char *region = request->region != NULL ? request->region : "";
    if (!request->has_shard || request->shard >= node_identity(node)->shards) {
        grpc_bad_field(call, "shard", "shard is required, and must be one of the cluster's");
    } else if (strlen(region) > NODE_NAME_MAX) {
        grpc_bad_field(call, "region", "region is longer than a region's name can be");
    } else {
        struct operating *o = operate(call, PREFER);
        node_prefer(node, &o->op, request->shard, region);
    }
}

static void remove_member(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Choreo__V1__RemoveMemberRequest *request =
        (const Choreo__V1__RemoveMemberRequest *)message;
    if (request->name == NULL || *request->name == '\0') {
        grpc_bad_field(call, "name", "name is required");
        return;
    }
    struct operating *o = operate(call, REMOVE);
    node_remove(cluster_of(call)->node, &o->op, request->name);
}

/* ---- CreateToken ---- */

/* On error *field is the one that is wrong. */
static int token_subject(const Choreo__V1__CreateTokenRequest *request, struct subject *subject,
                         const char **field, struct err *err)
{
    bool join = request->purpose == CHOREO__V1__CREATE_TOKEN_REQUEST__PURPOSE__JOIN;
    *subject = (struct subject){.user = join ? SLICE("choreo:joiner") : slice_of(request->user)};
    if (join) {
        (void)subject_add_group(subject, SLICE(GROUP_JOINER));
    }
    for (size_t i = 0; !join && i < request->n_groups; i++) {
        if (!subject_add_group(subject, slice_of(request->groups[i]))) {
            *field = "groups";
            return err_set(err, ERR_INVALID, "groups: at most %d", SUBJECT_GROUPS_MAX);
        }
    }
    if (subject->user.len == 0) {
        *field = "user";
        return err_set(err, ERR_INVALID, "user is required");
    }
    return 0;
}

static void create_token(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Choreo__V1__CreateTokenRequest *request = (const Choreo__V1__CreateTokenRequest *)message;
    struct cluster *c = cluster_of(call);
    struct buf token = {0};
    struct buf hash = {0};
    struct subject subject;
    struct err err = {0};
    const char *field = "ttl_seconds";
    uint64_t now_ms = call->api->clock->wall_ms(call->api->clock);
    uint64_t seconds = request->ttl_seconds != 0 ? request->ttl_seconds : TOKEN_SECONDS_DEFAULT;
    int rc = seconds > TOKEN_SECONDS_MAX
                 ? err_set(&err, ERR_INVALID, "ttl_seconds: at most %d", TOKEN_SECONDS_MAX)
                 : token_subject(request, &subject, &field, &err);
    rc = rc != 0 ? rc
                 : token_issue(c->credentials->token_key, node_identity(c->node)->cluster, &subject,
                               now_ms, seconds * 1000, &token, &err);
    rc = rc != 0 ? rc : pki_cert_hash(buf_slice(&c->credentials->ca_cert), &hash, &err);
    if (rc != 0) {
        grpc_finish_field(call, rc, &err, field);
    } else {
        Choreo__V1__CreateTokenResponse response = CHOREO__V1__CREATE_TOKEN_RESPONSE__INIT;
        response.token = arena_cstr(call->arena, buf_slice(&token));
        response.ca_hash = arena_cstr(call->arena, buf_slice(&hash));
        response.has_expires_ms = true;
        response.expires_ms = now_ms + seconds * 1000;
        grpc_reply(call, &response.base);
    }
    buf_free(&token);
    buf_free(&hash);
}

static const grpc_method methods[] = {get_status,    get_members,   transfer_leader,
                                      prefer_region, remove_member, create_token};

void cluster_service_init(struct grpc_service *service, struct cluster *c)
{
    *service = (struct grpc_service){
        .descriptor = &choreo__v1__cluster_service__descriptor, .methods = methods, .user = c};
}
