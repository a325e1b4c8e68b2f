/* identity.c: node.yaml, founders.json and peers.json.
 *
 * Happy path: node_create() checks the identity, writes the member lists, then node.yaml last: a
 * directory without it is not a node's. node_load() reads it back.
 *
 * Failure path: bytes on disk are a person's to edit, so every field is checked again on reading
 * and an error names file and field.
 *
 * Invariants: node.yaml never changes after it was written;
 * files are replaced whole. */
#include "node/shard/identity.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/yaml.h"

enum { FILE_BYTES_MAX = 256 * 1024 };

/* Names are Raft's, file names' and certificates': lower-case DNS labels. */
static bool name_valid(const char *name)
{
    size_t len = strnlen(name, NODE_NAME_MAX + 1);
    if (len == 0 || len > NODE_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!ok) {
            return false;
        }
    }
    return name[0] != '-' && name[0] != '.';
}

static int copy_text(char *out, size_t cap, const json_t *tree, const char *key, bool required,
                     struct err *err)
{
    struct slice text = json_text_at(tree, key);
    if (text.len >= cap || memchr(text.data != NULL ? text.data : "", 0, text.len) != NULL) {
        return err_set(err, ERR_INVALID, "%s: at most %zu bytes", key, cap - 1);
    }
    if (required && text.len == 0) {
        return err_set(err, ERR_INVALID, "%s: missing", key);
    }
    if (text.len > 0) {
        memcpy(out, text.data, text.len);
    }
    out[text.len] = '\0';
    return 0;
}

static void add_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_str(slice_of(text)));
}

static void add_u64(json_t *object, const char *key, uint64_t value)
{
    char digits[24];
    (void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    add_text(object, key, digits);
}

static int member_check(const struct node_member *m, struct err *err)
{
    if (m->id == 0) {
        return err_set(err, ERR_INVALID, "id: must be a number above 0");
    }
    if (!name_valid(m->name)) {
        return err_set(err, ERR_INVALID,
                       "name: \"%s\" is not 1 to %d of a-z, 0-9, '-' and '.', starting with a "
                       "letter or digit",
                       m->name, NODE_NAME_MAX);
    }
    if (m->peer[0] == '\0') {
        return err_set(err, ERR_INVALID, "peer: missing address of node %s", m->name);
    }
    return 0;
}

json_t *identity_member_json(const struct node_member *member)
{
    json_t *tree = json_object();
    add_u64(tree, "id", member->id);
    add_text(tree, "name", member->name);
    add_text(tree, "region", member->region);
    add_text(tree, "peer", member->peer);
    add_text(tree, "api", member->api);
    return tree;
}

int identity_member_parse(const json_t *tree, struct node_member *member, struct err *err)
{
    *member = (struct node_member){0};
    if (!slice_u64(json_text_at(tree, "id"), &member->id)) {
        return err_set(err, ERR_INVALID, "id: must be a number in quotes");
    }
    int rc = copy_text(member->name, sizeof(member->name), tree, "name", true, err);
    if (rc == 0) {
        rc = copy_text(member->region, sizeof(member->region), tree, "region", false, err);
    }
    if (rc == 0) {
        rc = copy_text(member->peer, sizeof(member->peer), tree, "peer", true, err);
    }
    if (rc == 0) {
        rc = copy_text(member->api, sizeof(member->api), tree, "api", false, err);
    }
    return rc != 0 ? rc : member_check(member, err);
}

static void path_of(struct buf *out, const char *dir, const char *file)
{
    buf_addf(out, "%s/%s", dir, file);
}

int identity_read_members(const char *dir, const char *file, struct node_member *members,
                          size_t cap, size_t *count, struct err *err)
{
    struct buf path = {0};
    struct buf text = {0};
    json_t *tree = NULL;
    *count = 0;
    path_of(&path, dir, file);
    int rc = file_read(buf_cstr(&path), FILE_BYTES_MAX, &text, err);
    if (rc == ERR_NOT_FOUND) {
        rc = 0;
        goto out;
    }
    if (rc == 0) {
        rc = json_parse(buf_slice(&text), &tree, err);
    }
    if (rc == 0 && !json_is_array(tree)) {
        rc = err_set(err, ERR_INVALID, "must be an array of members");
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(tree); i++) {
        if (i == cap) {
            rc = err_set(err, ERR_INVALID, "more than %zu members", cap);
        } else {
            rc = identity_member_parse(json_array_get(tree, i), &members[i], err);
            *count = i + 1;
        }
    }
    if (rc != 0) {
        rc = err_wrap(err, "%s", buf_cstr(&path));
    }
out:
    json_decref(tree);
    buf_free(&text);
    buf_free(&path);
    return rc;
}

int identity_write_members(const char *dir, const char *file, const struct node_member *members,
                           size_t count, struct err *err)
{
    struct buf path = {0};
    struct buf text = {0};
    json_t *tree = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(tree, identity_member_json(&members[i]));
    }
    json_pretty(tree, &text);
    buf_add_char(&text, '\n');
    path_of(&path, dir, file);
    int rc = file_write(buf_cstr(&path), buf_slice(&text), 0600, err);
    json_decref(tree);
    buf_free(&text);
    buf_free(&path);
    return rc;
}

static int identity_check(const struct node_identity *id, struct err *err)
{
    if (!name_valid(id->cluster)) {
        return err_set(err, ERR_INVALID, "cluster: \"%s\" is no cluster id", id->cluster);
    }
    if (id->shards < 1 || id->shards > NODE_SHARDS_MAX) {
        return err_set(err, ERR_INVALID, "shards: %u is not in 1..%d", id->shards, NODE_SHARDS_MAX);
    }
    if (id->incarnation == 0) {
        return err_set(err, ERR_INVALID, "incarnation: must be a number above 0");
    }
    if (id->election_timeout_ms > 60000 || id->heartbeat_ms > 10000 ||
        (id->heartbeat_ms != 0 && id->election_timeout_ms != 0 &&
         id->heartbeat_ms * 3 > id->election_timeout_ms)) {
        return err_set(
            err, ERR_INVALID,
            "electionTimeoutMs %u and heartbeatMs %u: the timeout must be at least three "
            "heartbeats, and at most 60000",
            id->election_timeout_ms, id->heartbeat_ms);
    }
    return member_check(&id->self, err);
}

static int identity_write(const char *dir, const struct node_identity *id, struct err *err)
{
    json_t *tree = json_object();
    add_text(tree, "cluster", id->cluster);
    json_object_set_new(tree, "node", identity_member_json(&id->self));
    json_object_set_new(tree, "shards", json_integer(id->shards));
    add_u64(tree, "incarnation", id->incarnation);
    json_object_set_new(tree, "electionTimeoutMs", json_integer(id->election_timeout_ms));
    json_object_set_new(tree, "heartbeatMs", json_integer(id->heartbeat_ms));
    struct buf text = {0};
    struct buf path = {0};
    buf_add_cstr(&text, "# Who this node is. Made once; never edit or copy to another machine.\n");
    yaml_emit(tree, &text);
    path_of(&path, dir, IDENTITY_FILE);
    int rc = file_write(buf_cstr(&path), buf_slice(&text), 0600, err);
    json_decref(tree);
    buf_free(&text);
    buf_free(&path);
    return rc;
}

int node_create(const char *dir, const struct node_identity *identity,
                const struct node_member *founders, size_t founder_count,
                const struct node_member *known, size_t known_count, struct err *err)
{
    struct node_identity old;
    int rc = node_load(dir, &old, NULL);
    if (rc != ERR_NOT_FOUND) {
        return err_set(err, ERR_EXISTS, "%s/%s exists: this directory is a node's already", dir,
                       IDENTITY_FILE);
    }
    rc = identity_check(identity, err);
    if (rc != 0) {
        return rc;
    }
    bool founding = founder_count == 0;
    for (size_t i = 0; i < founder_count; i++) {
        founding = founding || strcmp(founders[i].name, identity->self.name) == 0;
        rc = member_check(&founders[i], err);
        if (rc != 0) {
            return err_wrap(err, "founder %zu", i);
        }
    }
    if (!founding || founder_count > NODE_VOTERS_MAX) {
        return err_set(err, ERR_INVALID,
                       "the founders of a cluster are at most %d nodes, this one among them",
                       NODE_VOTERS_MAX);
    }
    rc = file_make_dir(dir, 0700, err);
    if (rc == 0) {
        rc = identity_write_members(dir, IDENTITY_FOUNDERS, founders, founder_count, err);
    }
    if (rc == 0) {
        rc = identity_write_members(dir, IDENTITY_PEERS, known_count > 0 ? known : founders,
                                    known_count > 0 ? known_count : founder_count, err);
    }
    if (rc == 0) {
        rc = identity_write(dir, identity, err);
    }
    return rc;
}

static int parse_u32(const json_t *tree, const char *key, uint32_t *value, struct err *err)
{
    const json_t *number = json_object_get(tree, key);
    if (!json_is_integer(number) || json_integer_value(number) < 0 ||
        json_integer_value(number) > UINT32_MAX) {
        return err_set(err, ERR_INVALID, "%s: must be a whole number", key);
    }
    *value = (uint32_t)json_integer_value(number);
    return 0;
}

static int identity_parse(struct slice text, const char *path, struct node_identity *id,
                          struct err *err)
{
    json_t *tree = NULL;
    int rc = yaml_parse(text, path, &tree, err);
    if (rc != 0) {
        return rc; /* names file and line itself */
    }
    *id = (struct node_identity){0};
    rc = copy_text(id->cluster, sizeof(id->cluster), tree, "cluster", true, err);
    if (rc == 0) {
        rc = identity_member_parse(json_object_get(tree, "node"), &id->self, err);
    }
    if (rc == 0) {
        rc = parse_u32(tree, "shards", &id->shards, err);
    }
    if (rc == 0) {
        rc = parse_u32(tree, "electionTimeoutMs", &id->election_timeout_ms, err);
    }
    if (rc == 0) {
        rc = parse_u32(tree, "heartbeatMs", &id->heartbeat_ms, err);
    }
    if (rc == 0 && !slice_u64(json_text_at(tree, "incarnation"), &id->incarnation)) {
        rc = err_set(err, ERR_INVALID, "incarnation: must be a number in quotes");
    }
    if (rc == 0) {
        rc = identity_check(id, err);
    }
    json_decref(tree);
    return rc != 0 ? err_wrap(err, "%s", path) : 0;
}

int node_load(const char *dir, struct node_identity *identity, struct err *err)
{
    struct buf path = {0};
    struct buf text = {0};
    path_of(&path, dir, IDENTITY_FILE);
    int rc = file_read(buf_cstr(&path), FILE_BYTES_MAX, &text, err);
    if (rc == 0) {
        rc = identity_parse(buf_slice(&text), buf_cstr(&path), identity, err);
    }
    buf_free(&text);
    buf_free(&path);
    return rc;
}
