/* welcome.c: the answer to a join. What writes it is node/cluster.c. */
#include "node/welcome.h"

#include <stdio.h>

#include "base/json.h"
#include "node/cluster.h"

enum { DAY_MS = 24 * 3600 * 1000 };

/* A whole number in least..most. */
static int read_number(const json_t *answer, const char *key, uint64_t least, uint64_t most,
                       uint64_t *value, struct err *err)
{
    const json_t *number = json_at(answer, key, NULL);
    json_int_t n = json_integer_value(number);
    if (!json_is_integer(number) || n < 0 || (uint64_t)n < least || (uint64_t)n > most) {
        return err_set(err, ERR_INVALID, "%s: must be a whole number in %llu..%llu", key,
                       (unsigned long long)least, (unsigned long long)most);
    }
    *value = (uint64_t)n;
    return 0;
}

static int read_u32(const json_t *answer, const char *key, uint32_t least, uint32_t most,
                    uint32_t *value, struct err *err)
{
    uint64_t n = 0;
    int rc = read_number(answer, key, least, most, &n, err);
    *value = (uint32_t)n;
    return rc;
}

static int read_identity(const json_t *answer, struct node_identity *id, struct err *err)
{
    struct slice cluster = json_text_at(answer, "cluster");
    if (cluster.len == 0 || cluster.len >= sizeof id->cluster) {
        return err_set(err, ERR_INVALID, "cluster: must be 1 to %zu bytes", sizeof id->cluster - 1);
    }
    (void)snprintf(id->cluster, sizeof id->cluster, "%.*s", SLICE_ARG(cluster));
    int rc = read_u32(answer, "shards", 1, NODE_SHARDS_MAX, &id->shards, err);
    rc = rc != 0 ? rc : read_number(answer, "incarnation", 1, INT64_MAX, &id->incarnation, err);
    rc = rc != 0 ? rc
                 : read_u32(answer, "electionTimeoutMs", 1, DAY_MS, &id->election_timeout_ms, err);
    rc = rc != 0 ? rc : read_u32(answer, "heartbeatMs", 1, DAY_MS, &id->heartbeat_ms, err);
    rc = rc != 0 ? rc : cluster_member_parse(json_at(answer, "member", NULL), &id->self, err);
    return rc; /* how the two times fit each other, node_create() checks */
}

static int read_members(const json_t *answer, struct welcome *w, struct err *err)
{
    const json_t *members = json_at(answer, "members", NULL);
    size_t count = json_array_size(members);
    if (count < 1 || count > NODE_MEMBERS_MAX) {
        return err_set(err, ERR_INVALID, "members: must be 1 to %d of them", NODE_MEMBERS_MAX);
    }
    int rc = 0;
    while (rc == 0 && w->known_count < count) {
        rc = cluster_member_parse(json_array_get(members, w->known_count),
                                  &w->known[w->known_count], err);
        w->known_count++;
    }
    return rc;
}

static int read_pem(const json_t *answer, const char *key, struct buf *to, struct err *err)
{
    struct slice pem = json_text_at(answer, key);
    if (!slice_starts_with(pem, SLICE("-----BEGIN "))) {
        return err_set(err, ERR_INVALID, "%s: must be PEM", key);
    }
    buf_clear(to);
    buf_add(to, pem);
    return 0;
}

int welcome_parse(struct welcome *welcome, struct slice text, struct credentials *credentials,
                  struct err *err)
{
    json_t *answer = NULL;
    *welcome = (struct welcome){0};
    int rc = json_parse_body(text, &answer, err);
    rc = rc != 0 ? rc : read_identity(answer, &welcome->identity, err);
    rc = rc != 0 ? rc : read_members(answer, welcome, err);
    rc = rc != 0 ? rc : read_pem(answer, "caKey", &credentials->ca_key, err);
    rc = rc != 0 ? rc : read_pem(answer, "cert", &credentials->node_cert, err);
    rc = rc != 0 ? rc
                 : token_key_load(json_text_at(answer, "tokenKey"), &credentials->token_key, err);
    json_decref(answer);
    return rc != 0 ? err_wrap(err, "the cluster's answer") : 0;
}
