/* dev_setup.c: the directory of a development cluster.
 *
 *   DIR/settings.json        nodes, shards, ports, planes: fixed by the first start
 *   DIR/pki/ca.crt           the cluster's CA (its key is in each node's own pki/)
 *   DIR/kubeconfig           the control plane's administrator, by token
 *   DIR/nodes/NAME/          a node's data directory
 *   DIR/planes/NAME/         a simulated cluster: tls.crt, tls.key, token, kubeconfig, database
 *   DIR/log/NAME.log         what the children say
 *
 * A first start makes all of it, settings.json last; a later one reads it and makes nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"
#include "base/pki.h"
#include "node/dev_internal.h"

enum { DEV_TOKEN_DAYS = 365, PEM_BYTES_MAX = 1 << 20 };

static const char *const regions[DEV_NODES_MAX] = {"us-west-2", "eu-west-1", "ap-south-1",
                                                   "us-east-1", "sa-east-1"};

void dev_path(const struct dev *d, const char *name, char *out)
{
    (void)snprintf(out, DEV_PATH_MAX, "%s/%s", d->dir, name);
}

/* ---- settings ---- */

static bool number_at(const json_t *tree, const char *key, json_int_t least, json_int_t most,
                      uint32_t *number)
{
    json_int_t value = json_integer_value(json_object_get(tree, key));
    *number = (uint32_t)value;
    return value >= least && value <= most;
}

static int read_settings(struct dev *d, struct dev_settings *s, struct arena *arena,
                         struct err *err)
{
    char path[DEV_PATH_MAX];
    struct buf text = {0};
    json_t *tree = NULL;
    dev_path(d, "settings.json", path);
    int rc = file_read(path, 65536, &text, err);
    if (rc == 0 && (rc = json_parse(buf_slice(&text), &tree, err)) != 0) {
        rc = err_wrap(err, "%s", path);
    }
    if (rc == 0) {
        s->planes = arena_cstr(arena, json_text_at(tree, "planes"));
        if (!number_at(tree, "nodes", 1, DEV_NODES_MAX, &s->nodes) ||
            !number_at(tree, "shards", 1, DEV_SHARDS_MAX, &s->shards) ||
            !number_at(tree, "basePort", DEV_PORT_MIN, DEV_PORT_MAX, &s->base_port)) {
            rc = err_set(err, ERR_CORRUPT, "%s is damaged: remove %s and start over", path, d->dir);
        }
    }
    json_decref(tree);
    buf_free(&text);
    return rc;
}

static int write_settings(struct dev *d, struct err *err)
{
    char path[DEV_PATH_MAX];
    struct buf text = {0};
    json_t *tree = json_pack("{s:I, s:I, s:I, s:s}", "nodes", (json_int_t)d->settings.nodes,
                             "shards", (json_int_t)d->settings.shards, "basePort",
                             (json_int_t)d->settings.base_port, "planes", d->settings.planes);
    json_canonical(tree, &text);
    json_decref(tree);
    dev_path(d, "settings.json", path);
    int rc = file_write(path, buf_slice(&text), 0644, err);
    buf_free(&text);
    return rc;
}

/* What was not asked for (0, NULL) is as it was. */
static int settle(struct dev *d, const struct dev_settings *asked, const struct dev_settings *there,
                  struct err *err)
{
    const struct {
        const char *option;
        uint32_t asked;
        uint32_t there;
    } numbers[] = {{"--nodes", asked->nodes, there->nodes},
                   {"--shards", asked->shards, there->shards},
                   {"--base-port", asked->base_port, there->base_port}};
    for (size_t i = 0; i < 3; i++) {
        if (numbers[i].asked != 0 && numbers[i].asked != numbers[i].there) {
            return err_set(err, ERR_INVALID,
                           "%s was made with %s %u: start it without the option, or choose another "
                           "--dir",
                           d->dir, numbers[i].option, numbers[i].there);
        }
    }
    if (asked->planes != NULL && strcmp(asked->planes, there->planes) != 0) {
        return err_set(err, ERR_INVALID,
                       "%s was made with --planes %s: start it without the option, or choose "
                       "another --dir",
                       d->dir, there->planes);
    }
    d->settings = *there;
    d->settings.planes = mem_strdup(there->planes);
    return 0;
}

/* ---- children ---- */

static struct dev_child *add_child(struct dev *d, bool is_node, const char *name,
                                   const char *region, uint32_t port)
{
    struct dev_child *c = &d->children[d->child_count++];
    *c = (struct dev_child){.dev = d, .is_node = is_node, .port = (uint16_t)port};
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    (void)snprintf(c->region, sizeof c->region, "%s", region);
    (void)snprintf(c->dir, sizeof c->dir, "%s/%s/%s", d->dir, is_node ? "nodes" : "planes", name);
    (void)snprintf(c->url, sizeof c->url, "https://127.0.0.1:%u", port);
    return c;
}

static int plan_nodes(struct dev *d, struct err *err)
{
    for (uint32_t i = 0; i < d->settings.nodes; i++) {
        char name[32];
        char api[64];
        char peer[64];
        uint32_t port = d->settings.base_port + 10 * i;
        (void)snprintf(name, sizeof name, "node-%u", i + 1);
        (void)snprintf(api, sizeof api, "127.0.0.1:%u", port);
        (void)snprintf(peer, sizeof peer, "127.0.0.1:%u", port + 1);
        struct dev_child *c = add_child(d, true, name, regions[i], port);
        int rc = setup_member(&c->member, name, regions[i], peer, api, err);
        if (rc != 0) {
            return rc;
        }
    }
    d->node_count = d->child_count;
    return 0;
}

static bool name_taken(const struct dev *d, const char *name)
{
    for (size_t i = 0; i < d->child_count; i++) {
        if (strcmp(d->children[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* One of "[PLANE/]CLUSTER[:REGION]". */
static int plan_plane(struct dev *d, struct slice spec, uint32_t port, struct err *err)
{
    struct slice region = SLICE("local");
    struct slice cluster = spec;
    size_t colon = slice_find(cluster, SLICE(":"));
    if (colon != SIZE_MAX) {
        region = slice_sub(cluster, colon + 1, SIZE_MAX);
        cluster = slice_sub(cluster, 0, colon);
    }
    struct slice plane = cluster;
    size_t slash = slice_find(cluster, SLICE("/"));
    if (slash != SIZE_MAX) {
        plane = slice_sub(cluster, 0, slash);
        cluster = slice_sub(cluster, slash + 1, SIZE_MAX);
    }
    char name[NODE_NAME_MAX + 1];
    char where[NODE_NAME_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", SLICE_ARG(cluster));
    (void)snprintf(where, sizeof where, "%.*s", SLICE_ARG(region));
    struct node_member checked; /* clusters are named by the same rules as nodes */
    if (plane.len == 0 || plane.len > NODE_NAME_MAX || cluster.len > NODE_NAME_MAX ||
        setup_member(&checked, name, where, "h:1", "h:1", NULL) != 0) {
        return err_set(err, ERR_INVALID,
                       "--planes: \"%.*s\" must be [PLANE/]CLUSTER[:REGION], each of lower-case "
                       "letters, digits and dashes",
                       SLICE_ARG(spec));
    }
    if (name_taken(d, name)) {
        return err_set(err, ERR_INVALID, "--planes: two children would be named %s", name);
    }
    struct dev_child *c = add_child(d, false, name, where, port);
    (void)snprintf(c->plane, sizeof c->plane, "%.*s", SLICE_ARG(plane));
    (void)snprintf(c->kubeconfig, sizeof c->kubeconfig, "%s/kubeconfig", c->dir);
    return 0;
}

static int plan_planes(struct dev *d, struct err *err)
{
    struct slice rest = slice_of(d->settings.planes);
    struct slice spec;
    uint32_t port = d->settings.base_port + 10 * d->settings.nodes;
    int rc = 0;
    while (rc == 0 && slice_split(&rest, ',', &spec)) {
        if (d->child_count == d->node_count + DEV_PLANES_MAX) {
            return err_set(err, ERR_INVALID, "--planes: at most %d", DEV_PLANES_MAX);
        }
        rc = plan_plane(d, slice_trim(spec), port++, err);
    }
    if (rc == 0 && port > 65536) {
        rc = err_set(err, ERR_INVALID, "--base-port %u leaves no room for all ports below 65536",
                     d->settings.base_port);
    }
    return rc;
}

/* ---- on disk ---- */

static int make_node(struct dev *d, struct dev_child *c, const struct node_member *founders,
                     struct err *err)
{
    struct setup s = {.dir = c->dir,
                      .identity = d->identity,
                      .founders = founders,
                      .founder_count = d->node_count,
                      .credentials = &d->credentials,
                      .local_sources = true};
    s.identity.self = c->member;
    int rc = credentials_issue_node(&d->credentials, d->identity.cluster, &c->member, err);
    rc = rc != 0 ? rc : setup_write(&s, err);
    if (rc == ERR_EXISTS) { /* without settings.json */
        rc = err_set(err, rc, "%s is half made: remove it and start over", d->dir);
    }
    return rc;
}

static int make_plane_files(struct dev_child *c, struct slice cert, struct slice key,
                            struct err *err)
{
    char path[DEV_PATH_MAX + 16];
    uint8_t random[32];
    struct buf token = {0};
    crypto_random(random, sizeof random);
    hex_encode(&token, slice_make(random, sizeof random));
    int rc = file_make_dir(c->dir, 0700, err);
    (void)snprintf(path, sizeof path, "%s/tls.key", c->dir);
    rc = rc != 0 ? rc : file_write(path, key, 0600, err);
    (void)snprintf(path, sizeof path, "%s/tls.crt", c->dir);
    rc = rc != 0 ? rc : file_write(path, cert, 0644, err);
    (void)snprintf(path, sizeof path, "%s/token", c->dir);
    rc = rc != 0 ? rc : file_write(path, buf_slice(&token), 0600, err);
    if (rc == 0) {
        const struct kubeconfig k = {.name = c->name,
                                     .server = c->url,
                                     .ca_pem = buf_slice(&c->dev->credentials.ca_cert),
                                     .token = buf_slice(&token)};
        rc = kubeconfig_write(c->kubeconfig, &k, err);
    }
    buf_free(&token);
    return rc;
}

static int make_plane(struct dev_child *c, struct err *err)
{
    struct dev *d = c->dev;
    struct pki_subject subject = {.common_name = c->name,
                                  .dns = {"localhost"},
                                  .dns_count = 1,
                                  .ips = {"127.0.0.1", "::1"},
                                  .ip_count = 2,
                                  .server = true};
    struct buf key = {0};
    struct buf csr = {0};
    struct buf cert = {0};
    int rc = pki_new_key(&key, err);
    rc = rc != 0 ? rc : pki_new_csr(buf_slice(&key), &subject, &csr, err);
    rc = rc != 0 ? rc
                 : pki_sign(buf_slice(&d->credentials.ca_cert), buf_slice(&d->credentials.ca_key),
                            buf_slice(&csr), &subject, DEV_TOKEN_DAYS * 24 * 3600, &cert, err);
    rc = rc != 0 ? rc : make_plane_files(c, buf_slice(&cert), buf_slice(&key), err);
    buf_free(&key);
    buf_free(&csr);
    buf_free(&cert);
    return rc;
}

static int make_all(struct dev *d, struct err *err)
{
    struct node_member founders[DEV_NODES_MAX];
    char path[DEV_PATH_MAX];
    crypto_uuid(d->identity.cluster);
    int rc = credentials_create(&d->credentials, d->identity.cluster, err);
    for (size_t i = 0; i < d->node_count; i++) {
        founders[i] = d->children[i].member;
    }
    for (size_t i = 0; rc == 0 && i < d->child_count; i++) {
        rc = i < d->node_count ? make_node(d, &d->children[i], founders, err)
                               : make_plane(&d->children[i], err);
    }
    dev_path(d, "pki", path);
    rc = rc != 0 ? rc : file_make_dir(path, 0700, err);
    dev_path(d, "pki/ca.crt", path);
    rc = rc != 0 ? rc : file_write(path, buf_slice(&d->credentials.ca_cert), 0644, err);
    return rc != 0 ? rc : write_settings(d, err);
}

static int load_all(struct dev *d, struct err *err)
{
    int rc = credentials_load(&d->credentials, d->children[0].dir, err);
    for (size_t i = 0; rc == 0 && i < d->node_count; i++) {
        rc = node_load(d->children[i].dir, &d->identity, err);
        d->children[i].member = d->identity.self;
    }
    return rc;
}

static int read_plane_token(struct dev_child *c, struct err *err)
{
    char path[DEV_PATH_MAX + 16];
    struct buf token = {0};
    (void)snprintf(path, sizeof path, "%s/token", c->dir);
    int rc = file_read(path, sizeof c->token - 1, &token, err);
    if (rc == 0) {
        (void)snprintf(c->token, sizeof c->token, "%s", buf_cstr(&token));
    }
    buf_free(&token);
    return rc;
}

/* The administrator's token and kubeconfig are made anew at every start. */
static int make_admin(struct dev *d, struct err *err)
{
    char path[DEV_PATH_MAX];
    struct buf token = {0};
    struct subject admin = {.user = SLICE("admin")};
    (void)subject_add_group(&admin, SLICE(GROUP_ADMIN));
    int rc = credentials_issue_token(&d->credentials, d->identity.cluster, &admin,
                                     DEV_TOKEN_DAYS * 24 * 3600 * UINT64_C(1000), &token, err);
    if (rc == 0) {
        (void)snprintf(d->token, sizeof d->token, "%s", buf_cstr(&token));
        const struct kubeconfig k = {.name = "choreod",
                                     .server = d->children[0].url,
                                     .ca_pem = buf_slice(&d->credentials.ca_cert),
                                     .token = buf_slice(&token)};
        dev_path(d, "kubeconfig", path);
        rc = kubeconfig_write(path, &k, err);
    }
    buf_free(&token);
    return rc;
}

int dev_setup(struct dev *d, const struct dev_settings *asked, struct err *err)
{
    struct arena arena = {0};
    struct dev_settings there;
    char path[DEV_PATH_MAX];
    if (strlen(d->dir) > DEV_DIR_MAX) {
        return err_set(err, ERR_INVALID, "--dir %s: the path is too long, at most %d bytes", d->dir,
                       DEV_DIR_MAX);
    }
    int found = read_settings(d, &there, &arena, err);
    int rc = found == ERR_NOT_FOUND ? 0 : found;
    if (found == ERR_NOT_FOUND) {
        static const struct dev_settings defaults = {.nodes = 3, .shards = 4, .base_port = 7443};
        d->settings = (struct dev_settings){
            .nodes = asked->nodes != 0 ? asked->nodes : defaults.nodes,
            .shards = asked->shards != 0 ? asked->shards : defaults.shards,
            .base_port = asked->base_port != 0 ? asked->base_port : defaults.base_port,
            .planes = mem_strdup(asked->planes != NULL
                                     ? asked->planes
                                     : "development:us-west-2,production/us-west-2:us-west-2,"
                                       "production/eu-west-1:eu-west-1,hybrid/aws-production:"
                                       "us-west-2,hybrid/on-premises:on-premises"),
        };
    } else if (rc == 0) {
        rc = settle(d, asked, &there, err);
    }
    arena_free(&arena);
    d->identity = (struct node_identity){.shards = d->settings.shards,
                                         .incarnation = 1,
                                         .election_timeout_ms = SETUP_ELECTION_TIMEOUT_MS,
                                         .heartbeat_ms = SETUP_HEARTBEAT_MS};
    rc = rc != 0 ? rc : plan_nodes(d, err);
    rc = rc != 0 ? rc : plan_planes(d, err);
    rc = rc != 0 ? rc : (found == ERR_NOT_FOUND ? make_all(d, err) : load_all(d, err));
    for (size_t i = d->node_count; rc == 0 && i < d->child_count; i++) {
        rc = read_plane_token(&d->children[i], err);
    }
    dev_path(d, "log", path);
    rc = rc != 0 ? rc : file_make_dir(path, 0700, err);
    return rc != 0 ? rc : make_admin(d, err);
}
