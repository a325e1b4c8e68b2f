/* credentials.c: the cluster's keys on disk.
 *
 * A cluster is created with a CA and a token key; each node then gets a certificate of its own,
 * signed for what the cluster knows of it and never for what its request claims. Files are written
 * atomically, keys before certificates, so that a certificate on disk always has its key. */
#include "node/credentials.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/pki.h"
#include "base/yaml.h"
#include "node/shard/node.h"

enum {
    DAY_SECONDS = 24 * 3600,
    CA_DAYS = 3650,
    NODE_SECONDS = 2 * 365 * DAY_SECONDS,
    PEM_BYTES_MAX = 1 << 20,
};

int credentials_create(struct credentials *c, const char *cluster, struct err *err)
{
    *c = (struct credentials){0};
    char name[NODE_NAME_MAX + 32];
    (void)snprintf(name, sizeof name, "choreod %s", cluster);
    int rc = pki_new_key(&c->ca_key, err);
    if (rc == 0) {
        rc = pki_new_ca(buf_slice(&c->ca_key), name, CA_DAYS, &c->ca_cert, err);
    }
    if (rc == 0) {
        rc = token_key_new(&c->token_key, err);
    }
    if (rc != 0) {
        credentials_free(c);
    }
    return rc;
}

int credentials_request(struct credentials *c, const char *node, struct buf *csr, struct err *err)
{
    struct pki_subject subject = {.common_name = node, .server = true, .client = true};
    buf_clear(&c->node_key);
    int rc = pki_new_key(&c->node_key, err);
    return rc != 0 ? rc : pki_new_csr(buf_slice(&c->node_key), &subject, csr, err);
}

/* Adds the host of "host:port" to the subject's names, as an address or a DNS name. */
static void add_host(struct pki_subject *subject, const char *address, char *host)
{
    struct slice s = slice_of(address);
    const char *colon = strrchr(address, ':');
    if (colon != NULL) {
        s = slice_sub(s, 0, (size_t)(colon - address));
    }
    if (slice_starts_with(s, SLICE("[")) && slice_ends_with(s, SLICE("]"))) {
        s = slice_sub(s, 1, s.len - 2);
    }
    if (s.len == 0 || s.len > NODE_ADDRESS_MAX) {
        return;
    }
    memcpy(host, s.data, s.len);
    host[s.len] = '\0';
    unsigned char binary[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, binary) == 1 || inet_pton(AF_INET6, host, binary) == 1) {
        subject->ips[subject->ip_count++] = host;
    } else {
        subject->dns[subject->dns_count++] = host;
    }
}

int credentials_sign_node(const struct credentials *c, const char *cluster,
                          const struct node_member *member, struct slice csr, struct buf *cert,
                          struct err *err)
{
    char uri[NODE_NAME_MAX * 2 + 32];
    char api_host[NODE_ADDRESS_MAX + 1];
    char peer_host[NODE_ADDRESS_MAX + 1];
    (void)snprintf(uri, sizeof uri, "choreod://%s/node/%s", cluster, member->name);
    struct pki_subject subject = {
        .common_name = member->name,
        .organizations = {GROUP_NODE},
        .organization_count = 1,
        .dns = {"localhost", member->name},
        .dns_count = 2,
        .ips = {"127.0.0.1", "::1"},
        .ip_count = 2,
        .uris = {uri},
        .uri_count = 1,
        .server = true,
        .client = true,
    };
    add_host(&subject, member->api, api_host);
    add_host(&subject, member->peer, peer_host);
    return pki_sign(buf_slice(&c->ca_cert), buf_slice(&c->ca_key), csr, &subject, NODE_SECONDS,
                    cert, err);
}

int credentials_issue_node(struct credentials *c, const char *cluster,
                           const struct node_member *member, struct err *err)
{
    struct buf csr = {0};
    buf_clear(&c->node_cert);
    int rc = credentials_request(c, member->name, &csr, err);
    if (rc == 0) {
        rc = credentials_sign_node(c, cluster, member, buf_slice(&csr), &c->node_cert, err);
    }
    buf_free(&csr);
    return rc;
}

int credentials_issue_user(const struct credentials *c, const char *user, const char *group,
                           uint32_t valid_seconds, struct buf *cert, struct buf *key,
                           struct err *err)
{
    struct pki_subject subject = {
        .common_name = user, .organizations = {group}, .organization_count = 1, .client = true};
    struct buf csr = {0};
    int rc = pki_new_key(key, err);
    if (rc == 0) {
        rc = pki_new_csr(buf_slice(key), &subject, &csr, err);
    }
    if (rc == 0) {
        rc = pki_sign(buf_slice(&c->ca_cert), buf_slice(&c->ca_key), buf_slice(&csr), &subject,
                      valid_seconds, cert, err);
    }
    buf_free(&csr);
    return rc;
}

int credentials_issue_token(const struct credentials *c, const char *cluster,
                            const struct subject *subject, uint64_t valid_ms, struct buf *token,
                            struct err *err)
{
    return token_issue(c->token_key, cluster, subject, clock_system.wall_ms(&clock_system),
                       valid_ms, token, err);
}

struct pki_file {
    const char *name;
    size_t offset;
    mode_t mode;
};

static const struct pki_file files[] = {
    {"ca.key", offsetof(struct credentials, ca_key), 0600},
    {"ca.crt", offsetof(struct credentials, ca_cert), 0644},
    {"node.key", offsetof(struct credentials, node_key), 0600},
    {"node.crt", offsetof(struct credentials, node_cert), 0644},
};
enum { FILE_COUNT = sizeof files / sizeof files[0] };

int credentials_load(struct credentials *c, const char *dir, struct err *err)
{
    *c = (struct credentials){0};
    char path[PATH_MAX];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < FILE_COUNT; i++) {
        (void)snprintf(path, sizeof path, "%s/pki/%s", dir, files[i].name);
        rc = file_read(path, PEM_BYTES_MAX, (struct buf *)((char *)c + files[i].offset), err);
    }
    struct buf jwk = {0};
    if (rc == 0) {
        (void)snprintf(path, sizeof path, "%s/pki/token.jwk", dir);
        rc = file_read(path, PEM_BYTES_MAX, &jwk, err);
    }
    if (rc == 0 && (rc = token_key_load(buf_slice(&jwk), &c->token_key, err)) != 0) {
        rc = err_wrap(err, "%s", path);
    }
    buf_free(&jwk);
    if (rc != 0) {
        credentials_free(c);
    }
    return rc;
}

int credentials_save(const struct credentials *c, const char *dir, struct err *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/pki", dir);
    int rc = file_make_dir(path, 0700, err);
    for (size_t i = 0; rc == 0 && i < FILE_COUNT; i++) {
        const struct buf *bytes = (const struct buf *)((const char *)c + files[i].offset);
        (void)snprintf(path, sizeof path, "%s/pki/%s", dir, files[i].name);
        rc = file_write(path, buf_slice(bytes), files[i].mode, err);
    }
    if (rc == 0) {
        struct buf jwk = {0};
        token_key_save(c->token_key, &jwk);
        (void)snprintf(path, sizeof path, "%s/pki/token.jwk", dir);
        rc = file_write(path, buf_slice(&jwk), 0600, err);
        buf_free(&jwk);
    }
    return rc;
}

void credentials_free(struct credentials *c)
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        buf_free((struct buf *)((char *)c + files[i].offset));
    }
    token_key_free(c->token_key);
    c->token_key = NULL;
}

void kubeconfig_render(const struct kubeconfig *k, struct buf *out)
{
    json_t *user = json_object();
    if (k->token.len > 0) {
        json_object_set_new(user, "token", json_str(k->token));
    } else {
        json_object_set_new(user, "client-certificate-data", json_base64(k->cert_pem));
        json_object_set_new(user, "client-key-data", json_base64(k->key_pem));
    }
    json_t *tree = json_pack(
        "{s:s, s:s, s:[{s:s, s:{s:s, s:o}}], s:[{s:s, s:o}], s:[{s:s, s:{s:s, s:s}}], s:s}",
        "apiVersion", "v1", "kind", "Config", "clusters", "name", k->name, "cluster", "server",
        k->server, "certificate-authority-data", json_base64(k->ca_pem), "users", "name", k->name,
        "user", user, "contexts", "name", k->name, "context", "cluster", k->name, "user", k->name,
        "current-context", k->name);
    yaml_emit(tree, out);
    json_decref(tree);
}

int kubeconfig_write(const char *path, const struct kubeconfig *k, struct err *err)
{
    struct buf text = {0};
    kubeconfig_render(k, &text);
    int rc = file_write(path, buf_slice(&text), 0600, err);
    buf_free(&text);
    return rc;
}

int contexts_write(const char *path, const struct kubeconfig *k, const char *const *more_servers,
                   size_t more_count, struct err *err)
{
    json_t *context =
        json_pack("{s:s, s:[s], s:s, s:o}", "name", k->name, "endpoints", k->server, "namespace",
                  "default", "certificateAuthorityData", json_base64(k->ca_pem));
    for (size_t i = 0; i < more_count; i++) {
        json_array_append_new(json_object_get(context, "endpoints"), json_string(more_servers[i]));
    }
    if (k->token.len > 0) {
        json_object_set_new(context, "token", json_str(k->token));
    } else {
        json_object_set_new(context, "clientCertificateData", json_base64(k->cert_pem));
        json_object_set_new(context, "clientKeyData", json_base64(k->key_pem));
    }
    json_t *tree = json_pack("{s:s, s:[o]}", "current-context", k->name, "contexts", context);
    struct buf text = {0};
    yaml_emit(tree, &text);
    int rc = file_write(path, buf_slice(&text), 0600, err);
    buf_free(&text);
    json_decref(tree);
    return rc;
}
