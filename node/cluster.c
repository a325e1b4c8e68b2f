/* cluster.c: joining, and the cluster's state as JSON.
 *
 * Joining takes two requests, so that each can be repeated:
 *   1. POST join, with a join token and a certificate request: this node, which holds the CA's key
 *      like every other, signs it and hands over what makes a node: CA and token keys, the shards'
 *      number, the members to dial. Nothing is recorded; a machine that dies now was never there.
 *   2. POST members, with the certificate, once the new node runs: it is added to every shard as a
 *      standby, caught up, made a voter. An unfinished one goes on when it is asked again.
 * A certificate vouches for one name, so a node can add itself and nobody else. */
#include "node/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "node/setup.h"

enum { ADD_TIMEOUT_MS = 15 * 1000 }; /* asked again, it goes on where it was */

static void respond_json(struct api_call *call, int status, json_t *tree)
{
    struct buf text = {0};
    json_canonical(tree, &text);
    buf_add_char(&text, '\n');
    api_call_respond(call, status, "application/json", buf_slice(&text));
    buf_free(&text);
    json_decref(tree);
}

/* ---- members ---- */

json_t *cluster_member_json(const struct node_member *m)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:s}", "id", (json_int_t)m->id, "name", m->name,
                     "region", m->region, "peer", m->peer, "api", m->api);
}

int cluster_member_parse(const json_t *tree, struct node_member *member, struct err *err)
{
    const char *name = json_string_value(json_at(tree, "name", NULL));
    const char *region = json_string_value(json_at(tree, "region", NULL));
    const char *peer = json_string_value(json_at(tree, "peer", NULL));
    const char *api = json_string_value(json_at(tree, "api", NULL));
    if (name == NULL || region == NULL || peer == NULL || api == NULL) {
        return err_set(err, ERR_INVALID, "a member has name, region, peer and api, all strings");
    }
    int rc = setup_member(member, name, region, peer, api, err);
    json_int_t id = json_integer_value(json_at(tree, "id", NULL));
    if (rc == 0 && id > 0) {
        member->id = (uint64_t)id;
    }
    return rc;
}

/* ---- GET /pki/ca.crt ---- */

static void serve_ca(struct api_call *call)
{
    const struct cluster *c = call->route->user;
    api_call_respond(call, 200, "application/x-pem-file", buf_slice(&c->credentials->ca_cert));
}

/* ---- GET /cluster/v1/status ---- */

static json_t *shard_json(const struct node_shard_status *s)
{
    static const char *const roles[] = {"absent", "follower", "candidate", "leader"};
    json_t *peers = json_array();
    for (size_t i = 0; i < s->peer_count; i++) {
        const struct node_peer_status *p = &s->peers[i];
        json_array_append_new(peers, json_pack("{s:s, s:b, s:b, s:I}", "name", p->name, "voter",
                                               (int)p->voter, "connected", (int)p->connected,
                                               "match", (json_int_t)p->match_index));
    }
    return json_pack("{s:I, s:s, s:b, s:I, s:s, s:s, s:I, s:I, s:I, s:s, s:o}", "shard",
                     (json_int_t)s->shard, "role", roles[s->role], "serving", (int)s->serving,
                     "term", (json_int_t)s->term, "leader", s->leader, "prefers", s->prefers,
                     "lastIndex", (json_int_t)s->last_index, "commitIndex",
                     (json_int_t)s->commit_index, "appliedIndex", (json_int_t)s->applied_index,
                     "version", "", "peers", peers);
}

static void serve_status(struct api_call *call)
{
    const struct cluster *c = call->route->user;
    struct node_status status;
    node_status(c->node, &status);
    json_t *members = json_array();
    json_t *shards = json_array();
    for (size_t i = 0; i < status.member_count; i++) {
        json_array_append_new(members, cluster_member_json(&status.members[i]));
    }
    for (size_t i = 0; i < status.shard_count; i++) {
        json_t *shard = shard_json(&status.shards[i]);
        char version[24];
        (void)snprintf(version, sizeof version, "%llu",
                       (unsigned long long)status.shards[i].applied_version);
        json_object_set_new(shard, "version", json_string(version));
        json_array_append_new(shards, shard);
    }
    const struct node_identity *id = node_identity(c->node);
    respond_json(call, 200,
                 json_pack("{s:s, s:s, s:b, s:I, s:o, s:o}", "cluster", id->cluster, "node",
                           id->self.name, "ready", (int)status.ready, "clockOffsetMs",
                           (json_int_t)status.clock_offset_ms, "members", members, "shards",
                           shards));
    free(status.shards);
}

int cluster_check_ready(struct node *node, struct err *err)
{
    struct node_status status;
    node_status(node, &status);
    struct buf text = {0};
    for (size_t i = 0; i < status.shard_count; i++) {
        const struct node_shard_status *s = &status.shards[i];
        if (s->role == NODE_ABSENT) {
            buf_addf(&text, "%sshard %u: not joined yet", text.len > 0 ? "; " : "", s->shard);
        } else if (s->leader[0] == '\0') {
            buf_addf(&text, "%sshard %u: no leader", text.len > 0 ? "; " : "", s->shard);
        }
    }
    int rc = 0;
    if (!status.ready) {
        rc = err_set(err, ERR_UNAVAILABLE, "%s",
                     text.len > 0 ? buf_cstr(&text) : "catching up with the leaders");
    }
    buf_free(&text);
    free(status.shards);
    return rc;
}

/* ---- POST /cluster/v1/join ---- */

static bool name_taken(struct node *node, const char *name)
{
    struct node_status status;
    node_status(node, &status);
    bool taken = false;
    for (size_t i = 0; i < status.member_count; i++) {
        taken = taken || strcmp(status.members[i].name, name) == 0;
    }
    free(status.shards);
    return taken;
}

static json_t *welcome(const struct cluster *c, const struct node_member *member,
                       const struct buf *cert)
{
    const struct node_identity *id = node_identity(c->node);
    struct node_status status;
    node_status(c->node, &status);
    json_t *members = json_array();
    for (size_t i = 0; i < status.member_count; i++) {
        json_array_append_new(members, cluster_member_json(&status.members[i]));
    }
    free(status.shards);
    struct buf jwk = {0};
    token_key_save(c->credentials->token_key, &jwk);
    json_t *tree =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "cluster", id->cluster,
                  "shards", (json_int_t)id->shards, "incarnation", (json_int_t)id->incarnation,
                  "electionTimeoutMs", (json_int_t)id->election_timeout_ms, "heartbeatMs",
                  (json_int_t)id->heartbeat_ms, "member", cluster_member_json(member), "members",
                  members, "caCert", json_str(buf_slice(&c->credentials->ca_cert)), "caKey",
                  json_str(buf_slice(&c->credentials->ca_key)), "tokenKey",
                  json_str(buf_slice(&jwk)), "cert", json_str(buf_slice(cert)));
    buf_free(&jwk);
    return tree;
}

static int sign_join(const struct cluster *c, const json_t *request, struct node_member *member,
                     struct buf *cert, struct err *err)
{
    struct slice csr = json_text_at(request, "csr");
    int rc = cluster_member_parse(request, member, err);
    if (rc == 0) {
        member->id = setup_new_id(); /* never the joiner's choice */
    }
    if (rc == 0 && name_taken(c->node, member->name)) {
        rc = err_set(err, ERR_EXISTS,
                     "the cluster has a node named %s: choose another --name, or remove that one "
                     "first (choreo cluster remove %s)",
                     member->name, member->name);
    }
    return rc != 0 ? rc
                   : credentials_sign_node(c->credentials, node_identity(c->node)->cluster, member,
                                           csr, cert, err);
}

static void serve_join(struct api_call *call)
{
    const struct cluster *c = call->route->user;
    struct node_member member;
    struct buf cert = {0};
    struct err err = {0};
    json_t *request = NULL;
    int rc = json_parse_body(call->stream->body, &request, &err);
    rc = rc != 0 ? rc : sign_join(c, request, &member, &cert, &err);
    if (rc == 0) {
        log_info("cluster.admitted", "node=%s region=%s peer=%s by=%s", member.name, member.region,
                 log_q(member.peer), log_q(call->stream->remote));
        respond_json(call, 200, welcome(c, &member, &cert));
    } else {
        api_call_error(call, &err);
    }
    json_decref(request);
    buf_free(&cert);
}

/* ---- POST /cluster/v1/members ---- */

struct adding {
    struct api_call *call;
    struct node_op op;
};

static void on_added(struct node_op *op, int rc, const struct err *err)
{
    struct adding *a = op->user;
    if (rc == 0) {
        respond_json(a->call, 200, json_pack("{s:s}", "state", "voter"));
    } else {
        api_call_error(a->call, err);
    }
    free(a);
}

static int check_adding(struct api_call *call, struct node_member *member, struct err *err)
{
    json_t *request = NULL;
    int rc = json_parse_body(call->stream->body, &request, err);
    rc = rc != 0 ? rc : cluster_member_parse(request, member, err);
    json_decref(request);
    bool itself = rc == 0 && subject_in(call->subject, GROUP_NODE) &&
                  slice_eq_cstr(call->subject->user, member->name);
    if (rc == 0 && !itself && !subject_in(call->subject, GROUP_ADMIN)) {
        rc = err_set(err, ERR_FORBIDDEN, "%.*s may add itself, not %s",
                     SLICE_ARG(call->subject->user), member->name);
    }
    return rc;
}

static void serve_members(struct api_call *call)
{
    const struct cluster *c = call->route->user;
    struct node_member member;
    struct err err = {0};
    if (check_adding(call, &member, &err) != 0) {
        api_call_error(call, &err);
        return;
    }
    struct adding *a = mem_zero(sizeof *a);
    a->call = call;
    a->op = (struct node_op){.loop = loop_current(),
                             .deadline_ms = loop_now_ms(loop_current()) + ADD_TIMEOUT_MS,
                             .user = a,
                             .done = on_added};
    node_join(c->node, &a->op, &member);
}

void cluster_routes(struct cluster *c, struct api *api)
{
    const struct api_route routes[] = {
        {.method = "GET", .path = "/pki/ca.crt", .serve = serve_ca, .user = c},
        {.method = "GET", .path = "/cluster/v1/status", .serve = serve_status, .user = c},
        {.method = "POST", .path = "/cluster/v1/join", .serve = serve_join, .user = c},
        {.method = "POST", .path = "/cluster/v1/members", .serve = serve_members, .user = c},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        api_add_route(api, &routes[i]);
    }
}
