/* setup.c: a data directory, from identity and keys.
 *
 * node.yaml is written last but for the configuration: a directory without it is not a node's, so a
 * set-up that was cut short can be started over. */
#include "node/setup.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/yaml.h"

uint64_t setup_new_id(void)
{
    uint64_t id = 0;
    while (id == 0) {
        crypto_random(&id, sizeof id);
        id &= (UINT64_C(1) << 53) - 1; /* exact in every client's JSON */
    }
    return id;
}

static bool is_label(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > NODE_NAME_MAX || name[0] == '-' || name[len - 1] == '-') {
        return false;
    }
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* A name, an IPv4 address, or an IPv6 address in brackets, and a port. */
static bool has_port(const char *address)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const char *colon = strrchr(address, ':');
    uint64_t port;
    if (colon == NULL || colon == address || !slice_u64(slice_of(colon + 1), &port) || port < 1 ||
        port > 65535 || strlen(address) > NODE_ADDRESS_MAX) {
        return false;
    }
    size_t host = (size_t)(colon - address);
    return address[0] == '['
               ? host > 2 && strspn(address + 1, "0123456789abcdefABCDEF:.%") == host - 2 &&
                     address[host - 1] == ']'
               : strspn(address, name) == host;
}

int setup_member(struct node_member *member, const char *name, const char *region, const char *peer,
                 const char *api, struct err *err)
{
    *member = (struct node_member){.id = setup_new_id()};
    if (!is_label(name)) {
        return err_set(err, ERR_INVALID,
                       "node name \"%s\": use lower-case letters, digits and dashes, at most %d",
                       name, NODE_NAME_MAX);
    }
    if (!is_label(region)) {
        return err_set(err, ERR_INVALID,
                       "region \"%s\": use lower-case letters, digits and dashes, at most %d",
                       region, NODE_NAME_MAX);
    }
    if (!has_port(peer)) {
        return err_set(err, ERR_INVALID, "peer address \"%s\": must be HOST:PORT", peer);
    }
    if (!has_port(api)) {
        return err_set(err, ERR_INVALID, "API address \"%s\": must be HOST:PORT", api);
    }
    (void)snprintf(member->name, sizeof member->name, "%s", name);
    (void)snprintf(member->region, sizeof member->region, "%s", region);
    (void)snprintf(member->peer, sizeof member->peer, "%s", peer);
    (void)snprintf(member->api, sizeof member->api, "%s", api);
    return 0;
}

void setup_api_url(const struct node_member *member, struct buf *url)
{
    buf_addf(url, "https://%s", member->api);
}

static int write_config(const char *dir, bool local_sources, struct err *err)
{
    char path[PATH_MAX];
    struct buf text = {0};
    char *absolute = realpath(dir, NULL); /* `choreod run` may start anywhere */
    json_t *tree = json_object();
    json_object_set_new(tree, "dataDir", json_str(slice_of(absolute != NULL ? absolute : dir)));
    if (local_sources) {
        json_object_set_new(tree, "sources", json_pack("{s:b}", "allowLocal", 1));
    }
    buf_add_cstr(&text, "# Every key is documented in deploy/choreod.yaml.\n");
    yaml_emit(tree, &text);
    (void)snprintf(path, sizeof path, "%s/choreod.yaml", dir);
    int rc = file_write(path, buf_slice(&text), 0644, err);
    json_decref(tree);
    free(absolute);
    buf_free(&text);
    return rc;
}

int setup_write(const struct setup *s, struct err *err)
{
    struct node_identity there;
    if (node_load(s->dir, &there, NULL) == 0) {
        return err_set(err, ERR_EXISTS, "%s already holds node %s of cluster %s", s->dir,
                       there.self.name, there.cluster);
    }
    int rc = file_make_dir(s->dir, 0700, err);
    if (rc == 0) {
        rc = credentials_save(s->credentials, s->dir, err);
    }
    if (rc == 0) {
        rc = node_create(s->dir, &s->identity, s->founders, s->founder_count, s->known,
                         s->known_count, err);
    }
    return rc != 0 ? rc : write_config(s->dir, s->local_sources, err);
}
