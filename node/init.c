/* init.c: `choreod init` creates a cluster of one node; `choreod token create` lets others in.
 *
 * Both work on the data directory alone: whoever may read its pki/ is the cluster's administrator
 * anyway. init leaves a directory that `choreod run` starts, and the administrator's kubeconfig. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/pki.h"
#include "node/commands.h"
#include "node/setup.h"

static const char init_help[] =
    "usage: choreod init --dir DIR --api HOST:PORT --peers HOST:PORT [OPTION...]\n"
    "\n"
    "Creates a cluster: its CA and token key, its first node with its certificate, and the\n"
    "administrator's kubeconfig and choreo.yaml (the same for choreo). Nothing is started. "
    "Further\n"
    "nodes come with `choreod join`.\n"
    "\n"
    "  --dir DIR            data directory; made if absent, must not hold a node yet\n"
    "  --api HOST:PORT      where clients reach this node's API (the usual port is 7443)\n"
    "  --peers HOST:PORT    where other nodes reach this one (the usual port is 7444)\n"
    "  --name NAME          this node's name in the cluster; default: the host name\n"
    "  --region REGION      where it stands, for example eu-west-1; default: default\n"
    "  --shards N           shards of the cluster, fixed for ever, 1 to 512; default: 4\n"
    "  --election-timeout MS  for the whole cluster; raise it to ten round trips for far-away\n"
    "                       regions; 100 to 60000; default: 500\n"
    "\n"
    "example: choreod init --dir /var/lib/choreod --name node-1 --region eu-west-1 \\\n"
    "             --api cp1.example.com:7443 --peers cp1.example.com:7444\n"
    "         choreod run --dir /var/lib/choreod\n"
    "         choreo --config /var/lib/choreod/choreo.yaml status\n";

static void say_created(const struct setup *s)
{
    struct buf hash = {0};
    if (pki_cert_hash(buf_slice(&s->credentials->ca_cert), &hash, NULL) != 0) {
        buf_add_cstr(&hash, "?");
    }
    (void)printf("cluster %s created, with node %s\n"
                 "  kubeconfig   %s/admin.kubeconfig   (administrator, one year)\n"
                 "  CA hash      %s\n"
                 "\n"
                 "start it:      choreod run --config %s/choreod.yaml\n"
                 "look at it:    choreo --config %s/choreo.yaml status\n"
                 "               kubectl --kubeconfig %s/admin.kubeconfig api-resources\n"
                 "add a node:    choreod token create --dir %s\n",
                 s->identity.cluster, s->identity.self.name, s->dir, buf_cstr(&hash), s->dir,
                 s->dir, s->dir, s->dir);
    buf_free(&hash);
}

static int write_admin(const struct setup *s, struct err *err)
{
    enum { YEAR_SECONDS = 365 * 24 * 3600 };
    char path[PATH_MAX];
    struct buf cert = {0};
    struct buf key = {0};
    struct buf url = {0};
    (void)snprintf(path, sizeof path, "%s/admin.kubeconfig", s->dir);
    setup_api_url(&s->identity.self, &url);
    int rc = credentials_issue_user(s->credentials, "admin", GROUP_ADMIN, YEAR_SECONDS, &cert, &key,
                                    err);
    if (rc == 0) {
        const struct kubeconfig k = {.name = "choreod",
                                     .server = buf_cstr(&url),
                                     .ca_pem = buf_slice(&s->credentials->ca_cert),
                                     .cert_pem = buf_slice(&cert),
                                     .key_pem = buf_slice(&key)};
        rc = kubeconfig_write(path, &k, err);
        (void)snprintf(path, sizeof path, "%s/choreo.yaml", s->dir);
        rc = rc != 0 ? rc : contexts_write(path, &k, NULL, 0, err);
    }
    buf_free(&cert);
    buf_free(&key);
    buf_free(&url);
    return rc;
}

static int create_cluster(struct setup *s, struct err *err)
{
    struct credentials credentials = {0};
    crypto_uuid(s->identity.cluster);
    int rc = credentials_create(&credentials, s->identity.cluster, err);
    if (rc == 0) {
        rc = credentials_issue_node(&credentials, s->identity.cluster, &s->identity.self, err);
    }
    if (rc == 0) {
        s->credentials = &credentials;
        rc = setup_write(s, err);
    }
    if (rc == 0) {
        rc = write_admin(s, err);
    }
    if (rc == 0) {
        say_created(s);
    }
    credentials_free(&credentials);
    return rc;
}

int command_init(int argc, char **argv)
{
    char host[NODE_NAME_MAX + 1] = "";
    (void)gethostname(host, sizeof host - 1);
    const char *dir = NULL;
    const char *name = host;
    const char *region = "default";
    const char *api = NULL;
    const char *peers = NULL;
    uint32_t shards = SETUP_SHARDS;
    uint32_t election_ms = SETUP_ELECTION_TIMEOUT_MS;
    const struct args_option options[] = {
        {"dir", 0, ARGS_STRING, &dir, 0, 0},
        {"name", 0, ARGS_STRING, &name, 0, 0},
        {"region", 0, ARGS_STRING, &region, 0, 0},
        {"api", 0, ARGS_STRING, &api, 0, 0},
        {"peers", 0, ARGS_STRING, &peers, 0, 0},
        {"shards", 0, ARGS_COUNT, &shards, 1, NODE_SHARDS_MAX},
        {"election-timeout", 0, ARGS_COUNT, &election_ms, 100, 60000},
    };
    struct args_list rest;
    int code;
    if (!command_options(argc, argv, options, sizeof options / sizeof options[0], init_help, &rest,
                         &code)) {
        return code;
    }
    struct err err = {0};
    if (dir == NULL || api == NULL || peers == NULL || rest.count > 0) {
        (void)err_set(&err, ERR_INVALID,
                      rest.count > 0
                          ? "takes options only (choreod init --help)"
                          : "--dir, --api and --peers are required (choreod init --help)");
        return command_fail("init", &err);
    }
    struct setup s = {.dir = dir,
                      .identity = {.shards = shards,
                                   .incarnation = 1,
                                   .election_timeout_ms = election_ms,
                                   .heartbeat_ms = election_ms / 10},
                      .founders = &s.identity.self,
                      .founder_count = 1};
    int rc = setup_member(&s.identity.self, name, region, peers, api, &err);
    if (rc == 0) {
        rc = create_cluster(&s, &err);
    }
    return rc == 0 ? 0 : command_fail("init", &err);
}

static const char token_help[] =
    "usage: choreod token create --dir DIR [--ttl DURATION]\n"
    "       choreod token create --dir DIR --user NAME --group GROUP... [--ttl DURATION]\n"
    "\n"
    "The first form prints a join token and the command that uses it; whoever holds it may ask to\n"
    "join until it expires. The second prints an API token for a user, for scripts and clients.\n"
    "\n"
    "  --dir DIR       data directory of any node of the cluster\n"
    "  --ttl DURATION  how long it is good for; default: 15m\n"
    "  --user NAME     the user that the token stands for\n"
    "  --group GROUP   system:masters (administrator), choreo:viewers (may look),\n"
    "                  choreo:testers (reports TestResults, and alerts), or one that pipelines\n"
    "                  name as approvers; may be given several times\n"
    "\n"
    "example: choreod token create --dir /var/lib/choreod --user ci --group choreo:viewers --ttl "
    "24h\n"
    "         (use it as `authorization: Bearer TOKEN`, or as `token:` in a kubeconfig)\n";

static void say_join(const struct node_identity *identity, const struct credentials *c,
                     const char *token)
{
    struct buf hash = {0};
    if (pki_cert_hash(buf_slice(&c->ca_cert), &hash, NULL) != 0) {
        buf_add_cstr(&hash, "?");
    }
    if (isatty(STDOUT_FILENO)) {
        (void)printf("on the new machine, run:\n\n");
    }
    (void)printf("choreod join %s --token %s --ca-hash %s --dir DIR --api HOST:7443 --peers "
                 "HOST:7444\n",
                 identity->self.api, token, buf_cstr(&hash));
    buf_free(&hash);
}

/* Whom the token is for: without --user, whoever joins. */
static int token_subject(const char *user, const struct args_list *groups, struct subject *s,
                         struct err *err)
{
    s->user = slice_of(user != NULL ? user : "choreo:joiner");
    if (user == NULL) {
        (void)subject_add_group(s, SLICE(GROUP_JOINER));
    }
    for (size_t i = 0; i < groups->count; i++) {
        if (!subject_add_group(s, slice_of(groups->items[i]))) {
            return err_set(err, ERR_INVALID, "--group: %zu groups are more than a token holds",
                           groups->count);
        }
    }
    return 0;
}

int command_token(int argc, char **argv)
{
    const char *dir = NULL;
    const char *user = NULL;
    struct args_list groups = {0};
    uint64_t ttl_ms = 15 * 60 * 1000;
    const struct args_option options[] = {
        {"dir", 0, ARGS_STRING, &dir, 0, 0},
        {"ttl", 0, ARGS_DURATION, &ttl_ms, 0, 0},
        {"user", 0, ARGS_STRING, &user, 0, 0},
        {"group", 0, ARGS_LIST, &groups, 0, 0},
    };
    struct args_list rest;
    int code;
    if (!command_options(argc, argv, options, sizeof options / sizeof options[0], token_help, &rest,
                         &code)) {
        return code;
    }
    struct err err = {0};
    if (rest.count != 1 || strcmp(rest.items[0], "create") != 0 || dir == NULL ||
        (user == NULL) != (groups.count == 0)) {
        (void)err_set(&err, ERR_INVALID,
                      "usage: token create --dir DIR, with --user and --group both or neither "
                      "(choreod token --help)");
        return command_fail("token", &err);
    }
    struct node_identity identity;
    struct credentials credentials = {0};
    struct subject subject = {0};
    struct buf token = {0};
    int rc = token_subject(user, &groups, &subject, &err);
    if (rc == 0) {
        rc = node_load(dir, &identity, &err);
    }
    if (rc == 0) {
        rc = credentials_load(&credentials, dir, &err);
    }
    if (rc == 0) {
        rc =
            credentials_issue_token(&credentials, identity.cluster, &subject, ttl_ms, &token, &err);
    }
    if (rc == 0 && user != NULL) {
        (void)printf("%s\n", buf_cstr(&token));
    } else if (rc == 0) {
        say_join(&identity, &credentials, buf_cstr(&token));
    }
    buf_free(&token);
    credentials_free(&credentials);
    return rc == 0 ? 0 : command_fail("token", &err);
}
