/* join.c: `choreod join`, and what a joining node does while it runs.
 *
 * The command: fetch the CA certificate from the address given, compare its hash with the one that
 * the operator was told (so that the token is never shown to a stranger), make a key, send the
 * certificate request with the token, write the data directory. Then `choreod run` starts the node,
 * which asks to be added (join.h). Each step can be repeated. */
#include "node/join.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "base/pki.h"
#include "node/cluster.h"
#include "node/commands.h"
#include "node/setup.h"
#include "node/welcome.h"

enum {
    ASK_TIMEOUT_MS = 20 * 1000, /* longer than the server's own limit */
    ASK_AGAIN_MS = 1000,
    REQUEST_TIMEOUT_MS = 15 * 1000,
    RESPONSE_MAX = 1 << 20,
};

static const char join_help[] =
    "usage: choreod join ADDRESS --token TOKEN --ca-hash HASH --dir DIR --api HOST:PORT\n"
    "                    --peers HOST:PORT [OPTION...]\n"
    "\n"
    "Makes this machine a node of a running cluster. `choreod token create` on one of its nodes\n"
    "prints the line to use. Afterwards start it with `choreod run`: it becomes a standby, "
    "catches\n"
    "up, and votes, shard by shard.\n"
    "\n"
    "  ADDRESS            HOST:PORT of the API of any node\n"
    "  --token TOKEN      from `choreod token create`\n"
    "  --ca-hash HASH     sha256:... of the cluster's CA; proves that ADDRESS is the right "
    "cluster\n"
    "  --dir DIR          data directory; must not hold a node yet\n"
    "  --api HOST:PORT    where clients reach this node's API\n"
    "  --peers HOST:PORT  where other nodes reach this one\n"
    "  --name NAME        this node's name; default: the host name\n"
    "  --region REGION    where it stands; default: default\n";

/* ---- one HTTP request, waited for ---- */

struct asking {
    struct loop loop;
    struct loop_msg start;
    struct fetcher fetcher;
    struct fetch fetch;
    int rc;
    struct err *err;
};

static void on_answer(struct fetch *f, int rc, const struct err *err)
{
    struct asking *a = f->user;
    a->rc = rc;
    if (rc != 0) {
        *a->err = *err;
    }
    fetcher_close(&a->fetcher, NULL);
    loop_stop(&a->loop);
}

static void on_start(struct loop_msg *msg)
{
    struct asking *a = CONTAINER_OF(msg, struct asking, start);
    fetch_start(&a->fetcher, &a->fetch);
}

static void status_error(const struct fetch *f, struct err *err)
{
    json_t *status = NULL;
    int code = f->status == 401   ? ERR_UNAUTHENTICATED
               : f->status == 403 ? ERR_FORBIDDEN
               : f->status == 409 ? ERR_EXISTS
               : f->status == 400 ? ERR_INVALID
                                  : ERR_UNAVAILABLE;
    struct slice text = buf_slice(&f->response);
    if (json_parse(text, &status, NULL) == 0 && json_text_at(status, "message").len > 0) {
        text = json_text_at(status, "message");
    }
    (void)err_set(err, code, "%.*s (HTTP %d)", SLICE_ARG(slice_trim(slice_sub(text, 0, 400))),
                  f->status);
    json_decref(status);
}

/* Appends the body of a 200 to out. An empty ca trusts anyone: for fetching the CA itself. */
static int ask(const char *method, const char *url, struct slice ca, const char *const *headers,
               struct slice body, struct buf *out, struct err *err)
{
    struct asking a = {.err = err, .rc = ERR_INTERNAL};
    const struct fetcher_config config = {
        .ca_pem = ca, .insecure = ca.len == 0, .connect_timeout_ms = 5000};
    int rc = loop_init(&a.loop, "join", err);
    if (rc != 0) {
        return rc;
    }
    rc = fetcher_init(&a.fetcher, &a.loop, &config, err);
    if (rc == 0) {
        a.fetch = (struct fetch){.method = method,
                                 .url = url,
                                 .headers = headers,
                                 .body = body,
                                 .timeout_ms = REQUEST_TIMEOUT_MS,
                                 .response_max = RESPONSE_MAX,
                                 .user = &a,
                                 .done = on_answer};
        a.start.run = on_start;
        loop_post(&a.loop, &a.start);
        loop_run(&a.loop);
        rc = a.rc;
    }
    loop_join(&a.loop);
    if (rc == 0 && a.fetch.status != 200) {
        status_error(&a.fetch, err);
        rc = err->code;
    } else if (rc == 0) {
        buf_add(out, buf_slice(&a.fetch.response));
    }
    fetch_clear(&a.fetch);
    return rc;
}

/* ---- the command ---- */

struct joining {
    const char *address;
    const char *token;
    const char *ca_hash;
    const char *dir;
    struct node_member member;
    struct credentials credentials;
    struct setup setup;
    struct welcome welcome;
};

static int fetch_ca(struct joining *j, struct err *err)
{
    char url[NODE_ADDRESS_MAX + 32];
    struct buf hash = {0};
    (void)snprintf(url, sizeof url, "https://%s/pki/ca.crt", j->address);
    int rc =
        ask("GET", url, (struct slice){0}, NULL, (struct slice){0}, &j->credentials.ca_cert, err);
    rc = rc != 0 ? rc : pki_cert_hash(buf_slice(&j->credentials.ca_cert), &hash, err);
    if (rc == 0 && strcmp(buf_cstr(&hash), j->ca_hash) != 0) {
        rc = err_set(err, ERR_UNAUTHENTICATED,
                     "%s has the CA %s, not %s: it is another cluster, or somebody is between",
                     j->address, buf_cstr(&hash), j->ca_hash);
    }
    buf_free(&hash);
    return rc;
}

static int ask_to_join(struct joining *j, struct buf *answer, struct err *err)
{
    char url[NODE_ADDRESS_MAX + 32];
    struct buf csr = {0};
    struct buf body = {0};
    struct buf authorization = {0};
    (void)snprintf(url, sizeof url, "https://%s/cluster/v1/join", j->address);
    int rc = credentials_request(&j->credentials, j->member.name, &csr, err);
    if (rc == 0) {
        json_t *request = cluster_member_json(&j->member);
        json_object_set_new(request, "csr", json_str(buf_slice(&csr)));
        json_canonical(request, &body);
        json_decref(request);
        buf_addf(&authorization, "authorization: Bearer %s", j->token);
        const char *headers[] = {buf_cstr(&authorization), "content-type: application/json", NULL};
        rc = ask("POST", url, buf_slice(&j->credentials.ca_cert), headers, buf_slice(&body), answer,
                 err);
    }
    buf_free(&csr);
    buf_free(&body);
    buf_free(&authorization);
    return rc;
}

/* The certificate must be this node's, in that cluster. */
static int check_cert(const struct joining *j, struct err *err)
{
    char uri[NODE_NAME_MAX * 2 + 32];
    const struct node_identity *id = &j->welcome.identity;
    (void)snprintf(uri, sizeof uri, "choreod://%s/node/%s", id->cluster, id->self.name);
    int rc = pki_cert_check_uri(buf_slice(&j->credentials.node_cert), uri, err);
    return rc == 0 ? 0 : err_wrap(err, "the cluster's answer: cert");
}

static int run_join(struct joining *j, struct err *err)
{
    char marker[PATH_MAX];
    struct buf answer = {0};
    int rc = fetch_ca(j, err);
    rc = rc != 0 ? rc : ask_to_join(j, &answer, err);
    rc = rc != 0 ? rc : welcome_parse(&j->welcome, buf_slice(&answer), &j->credentials, err);
    rc = rc != 0 ? rc : check_cert(j, err);
    buf_free(&answer);
    /* The marker comes before what makes the directory a node's: none runs that does not ask. */
    (void)snprintf(marker, sizeof marker, "%s/joining", j->dir);
    rc = rc != 0 ? rc : file_make_dir(j->dir, 0700, err);
    rc = rc != 0 ? rc
                 : file_write(marker, SLICE("until this node votes in every shard\n"), 0644, err);
    if (rc == 0) {
        j->setup.dir = j->dir;
        j->setup.identity = j->welcome.identity;
        j->setup.known = j->welcome.known;
        j->setup.known_count = j->welcome.known_count;
        j->setup.credentials = &j->credentials;
        rc = setup_write(&j->setup, err);
    }
    if (rc == 0) {
        (void)printf("node %s is admitted to cluster %s\n"
                     "start it:      choreod run --config %s/choreod.yaml\n"
                     "watch it vote: choreo cluster members (with the choreo.yaml of the first "
                     "node)\n",
                     j->member.name, j->setup.identity.cluster, j->dir);
    }
    return rc;
}

int command_join(int argc, char **argv)
{
    char host[NODE_NAME_MAX + 1] = "";
    (void)gethostname(host, sizeof host - 1);
    struct joining j = {0};
    const char *name = host;
    const char *region = "default";
    const char *api = NULL;
    const char *peers = NULL;
    const struct args_option options[] = {
        {"token", 0, ARGS_STRING, &j.token, 0, 0}, {"ca-hash", 0, ARGS_STRING, &j.ca_hash, 0, 0},
        {"dir", 0, ARGS_STRING, &j.dir, 0, 0},     {"api", 0, ARGS_STRING, &api, 0, 0},
        {"peers", 0, ARGS_STRING, &peers, 0, 0},   {"name", 0, ARGS_STRING, &name, 0, 0},
        {"region", 0, ARGS_STRING, &region, 0, 0},
    };
    struct args_list rest;
    struct err err = {0};
    int code;
    if (!command_options(argc, argv, options, sizeof options / sizeof options[0], join_help, &rest,
                         &code)) {
        return code;
    }
    if (rest.count != 1 || j.token == NULL || j.ca_hash == NULL || j.dir == NULL || api == NULL ||
        peers == NULL) {
        (void)err_set(&err, ERR_INVALID,
                      "ADDRESS, --token, --ca-hash, --dir, --api and --peers are required "
                      "(choreod join --help)");
        return command_fail("join", &err);
    }
    j.address = rest.items[0];
    struct node_identity there;
    int rc = setup_member(&j.member, name, region, peers, api, &err);
    if (rc == 0 && node_load(j.dir, &there, NULL) == 0) {
        rc = err_set(&err, ERR_EXISTS, "%s already holds node %s of cluster %s", j.dir,
                     there.self.name, there.cluster);
    }
    rc = rc != 0 ? rc : run_join(&j, &err);
    credentials_free(&j.credentials);
    return rc == 0 ? 0 : command_fail("join", &err);
}

/* ---- while it runs ---- */

static bool votes_everywhere(struct node *node)
{
    struct node_status status;
    const char *self = node_identity(node)->self.name;
    node_status(node, &status);
    bool everywhere = status.shard_count > 0;
    for (size_t i = 0; i < status.shard_count; i++) {
        const struct node_shard_status *s = &status.shards[i];
        bool here = false;
        for (size_t p = 0; p < s->peer_count; p++) {
            here = here || (s->peers[p].voter && strcmp(s->peers[p].name, self) == 0);
        }
        everywhere = everywhere && here;
    }
    free(status.shards);
    return everywhere;
}

static void maybe_closed(struct join *j)
{
    if (j->closing && !j->timer_open && !j->fetcher_open && j->closed != NULL) {
        buf_free(&j->url);
        buf_free(&j->body);
        j->closed(j);
    }
}

static void on_timer_closed(struct loop_timer *timer)
{
    struct join *j = CONTAINER_OF(timer, struct join, timer);
    j->timer_open = false;
    maybe_closed(j);
}

static void on_fetcher_closed(struct fetcher *fetcher)
{
    struct join *j = CONTAINER_OF(fetcher, struct join, fetcher);
    j->fetcher_open = false;
    maybe_closed(j);
}

static void finish(struct join *j)
{
    char marker[PATH_MAX];
    (void)snprintf(marker, sizeof marker, "%s/joining", j->dir);
    if (unlink(marker) != 0) {
        log_warn("join.marker", "file=%s error=%s", log_q(marker), log_q("cannot be removed"));
    }
    log_info("join.done", "node=%s", node_identity(j->node)->self.name);
    loop_timer_stop(&j->timer);
}

static void on_asked(struct fetch *f, int rc, const struct err *err)
{
    struct join *j = f->user;
    struct err why = {0};
    j->asking = false;
    if (rc != 0) {
        why = *err;
    } else if (f->status != 200) {
        status_error(f, &why);
    }
    fetch_clear(f);
    if (j->closing) {
        return;
    }
    if (why.code != 0) {
        log_warn("join.ask", "url=%s error=%s", buf_cstr(&j->url), log_q(why.message));
    } else {
        finish(j); /* the leaders have said so; what is here follows */
    }
}

static void ask_member(struct join *j, const struct node_member *member)
{
    static const char *const headers[] = {"content-type: application/json", NULL};
    json_t *self = cluster_member_json(&node_identity(j->node)->self);
    buf_clear(&j->url);
    buf_clear(&j->body);
    buf_addf(&j->url, "https://%s/cluster/v1/members", member->api);
    json_canonical(self, &j->body);
    json_decref(self);
    j->fetch = (struct fetch){.method = "POST",
                              .url = buf_cstr(&j->url),
                              .headers = headers,
                              .body = buf_slice(&j->body),
                              .timeout_ms = ASK_TIMEOUT_MS,
                              .response_max = RESPONSE_MAX,
                              .user = j,
                              .done = on_asked};
    j->asking = true;
    fetch_start(&j->fetcher, &j->fetch);
}

static void on_timer(struct loop_timer *timer)
{
    struct join *j = CONTAINER_OF(timer, struct join, timer);
    if (j->asking) {
        return;
    }
    if (votes_everywhere(j->node)) {
        finish(j);
        return;
    }
    struct node_status status;
    node_status(j->node, &status);
    const char *self = node_identity(j->node)->self.name;
    for (size_t tried = 0; tried < status.member_count && !j->asking; tried++) {
        const struct node_member *m = &status.members[j->next++ % status.member_count];
        if (strcmp(m->name, self) != 0) {
            ask_member(j, m);
        }
    }
    free(status.shards);
}

int join_start(struct join *j, struct loop *loop, struct node *node, const char *dir,
               const struct credentials *credentials, struct err *err)
{
    char marker[PATH_MAX];
    *j = (struct join){.loop = loop, .node = node, .dir = dir};
    (void)snprintf(marker, sizeof marker, "%s/joining", dir);
    if (access(marker, F_OK) != 0) {
        return 0;
    }
    const struct fetcher_config config = {.ca_pem = buf_slice(&credentials->ca_cert),
                                          .cert_pem = buf_slice(&credentials->node_cert),
                                          .key_pem = buf_slice(&credentials->node_key),
                                          .connect_timeout_ms = 5000};
    int rc = fetcher_init(&j->fetcher, loop, &config, err);
    if (rc != 0) {
        return rc;
    }
    j->fetcher_open = true;
    loop_timer_init(loop, &j->timer, on_timer);
    j->timer_open = true;
    loop_timer_start(&j->timer, 0, ASK_AGAIN_MS);
    return 0;
}

void join_close(struct join *j, void (*closed)(struct join *join))
{
    j->closing = true;
    j->closed = closed;
    if (j->timer_open) {
        loop_timer_close(&j->timer, on_timer_closed);
    }
    if (j->fetcher_open) {
        fetcher_close(&j->fetcher, on_fetcher_closed);
    }
    maybe_closed(j);
}
