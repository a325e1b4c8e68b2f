/* kubeconfig.c: current context -> cluster and user -> server, trust and credentials.
 *
 * Only what is in the text itself is used: a path or a command in it would mean something on the
 * machine where it was written, nothing here. */
#include "reconcile/drivers/kubernetes/kubeconfig.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/yaml.h"

enum { KUBECONFIG_BYTES_MAX = 512 * 1024 };

int kubeconfig_of_secret(const json_t *secret, struct buf *out, struct err *err)
{
    struct slice data = json_text(json_at(secret, "data", "kubeconfig", NULL));
    struct slice plain = json_text(json_at(secret, "stringData", "kubeconfig", NULL));
    if (data.len == 0 && plain.len > 0) {
        buf_add(out, plain);
        return 0;
    }
    if (data.len == 0) {
        return err_set(err, ERR_INVALID, "there is no key \"kubeconfig\"");
    }
    if (!base64_decode(out, data)) {
        return err_set(err, ERR_INVALID, "data.kubeconfig is not base64");
    }
    return 0;
}

void kubeconfig_trust(const struct kubeconfig *k, struct fetcher_config *out)
{
    out->ca_pem = buf_slice(&k->ca_pem);
    out->cert_pem = buf_slice(&k->cert_pem);
    out->key_pem = buf_slice(&k->key_pem);
    out->insecure = k->insecure;
}

void kubeconfig_free(struct kubeconfig *k)
{
    free(k->server);
    free(k->token);
    buf_free(&k->ca_pem);
    buf_free(&k->cert_pem);
    if (k->key_pem.data != NULL) {
        explicit_bzero(k->key_pem.data, k->key_pem.len);
    }
    buf_free(&k->key_pem);
    *k = (struct kubeconfig){0};
}

/* The member `what` of the entry called name in the list at key; NULL if there is none. */
static const json_t *named(const json_t *config, const char *key, struct slice name,
                           const char *what)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(config, key), i, item)
    {
        if (slice_eq(json_text_at(item, "name"), name)) {
            return json_object_get(item, what);
        }
    }
    return NULL;
}

/* Embedded data of key "<name>-data"; a "<name>" that is a path is refused. */
static int embedded(const json_t *from, const char *name, struct buf *out, struct err *err)
{
    char key[64];
    snprintf(key, sizeof(key), "%s-data", name);
    struct slice data = json_text_at(from, key);
    if (data.len > 0) {
        if (!base64_decode(out, data)) {
            return err_set(err, ERR_INVALID, "kubeconfig: %s is not base64", key);
        }
        return 0;
    }
    struct slice path = json_text_at(from, name);
    if (path.len > 0) {
        return err_set(err, ERR_INVALID,
                       "kubeconfig: %s is a path (%.*s): embed the file (kubectl config view "
                       "--raw --flatten)",
                       name, SLICE_ARG(path));
    }
    return 0;
}

static int take_server(const json_t *cluster, struct kubeconfig *out, struct err *err)
{
    struct slice server = json_text_at(cluster, "server");
    while (slice_ends_with(server, SLICE("/"))) {
        server.len--;
    }
    if (!slice_starts_with(server, SLICE("https://")) &&
        !slice_starts_with(server, SLICE("http://"))) {
        return err_set(err, ERR_INVALID,
                       "kubeconfig: the cluster's server is \"%.*s\", not a https:// address",
                       SLICE_ARG(server));
    }
    for (size_t i = 0; i < server.len; i++) {
        if (server.data[i] <= ' ' || server.data[i] == '?' || server.data[i] == '#') {
            return err_set(err, ERR_INVALID, "kubeconfig: the cluster's server is no address");
        }
    }
    out->server = slice_dup(server);
    out->insecure = json_is_true(json_object_get(cluster, "insecure-skip-tls-verify"));
    return embedded(cluster, "certificate-authority", &out->ca_pem, err);
}

static int take_user(const json_t *user, struct kubeconfig *out, struct err *err)
{
    if (json_object_get(user, "exec") != NULL || json_object_get(user, "auth-provider") != NULL) {
        return err_set(err, ERR_INVALID,
                       "kubeconfig: it gets its credentials from a command; use a "
                       "ServiceAccount's token or a client certificate");
    }
    struct slice token = json_text_at(user, "token");
    if (token.len == 0 && json_text_at(user, "tokenFile").len > 0) {
        return err_set(err, ERR_INVALID,
                       "kubeconfig: tokenFile is a path: put the token itself under \"token\"");
    }
    for (size_t i = 0; i < token.len; i++) {
        if (token.data[i] <= ' ' || token.data[i] > '~') {
            return err_set(err, ERR_INVALID, "kubeconfig: the token holds white space");
        }
    }
    out->token = token.len > 0 ? slice_dup(token) : NULL;
    int rc = embedded(user, "client-certificate", &out->cert_pem, err);
    if (rc == 0) {
        rc = embedded(user, "client-key", &out->key_pem, err);
    }
    if (rc == 0 && (out->cert_pem.len > 0) != (out->key_pem.len > 0)) {
        rc = err_set(err, ERR_INVALID,
                     "kubeconfig: a client certificate needs its key, and a key its certificate");
    }
    return rc;
}

static int take(const json_t *config, struct kubeconfig *out, struct err *err)
{
    struct slice context_name = json_text_at(config, "current-context");
    const json_t *contexts = json_object_get(config, "contexts");
    if (context_name.len == 0 && json_array_size(contexts) == 1) {
        context_name = json_text_at(json_array_get(contexts, 0), "name");
    }
    const json_t *context = named(config, "contexts", context_name, "context");
    if (context == NULL) {
        return err_set(err, ERR_INVALID, "kubeconfig: there is no context \"%.*s\"",
                       SLICE_ARG(context_name));
    }
    struct slice cluster_name = json_text_at(context, "cluster");
    struct slice user_name = json_text_at(context, "user");
    const json_t *cluster = named(config, "clusters", cluster_name, "cluster");
    if (cluster == NULL) {
        return err_set(err, ERR_INVALID, "kubeconfig: there is no cluster \"%.*s\"",
                       SLICE_ARG(cluster_name));
    }
    const json_t *user = named(config, "users", user_name, "user");
    if (user == NULL && user_name.len > 0) {
        return err_set(err, ERR_INVALID, "kubeconfig: there is no user \"%.*s\"",
                       SLICE_ARG(user_name));
    }
    int rc = take_server(cluster, out, err);
    return rc != 0 ? rc : take_user(user, out, err);
}

int kubeconfig_parse(struct slice text, struct kubeconfig *out, struct err *err)
{
    *out = (struct kubeconfig){0};
    if (slice_trim(text).len == 0) {
        return err_set(err, ERR_INVALID, "kubeconfig: it is empty");
    }
    if (text.len > KUBECONFIG_BYTES_MAX) {
        return err_set(err, ERR_INVALID, "kubeconfig: over %d bytes", KUBECONFIG_BYTES_MAX);
    }
    json_t *config = NULL;
    int rc = yaml_parse(text, "kubeconfig", &config, err);
    if (rc != 0) {
        return rc;
    }
    rc = take(config, out, err);
    json_decref(config);
    if (rc != 0) {
        kubeconfig_free(out);
    }
    return rc;
}
