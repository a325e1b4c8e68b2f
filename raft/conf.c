/* conf.c: reading and writing the servers of a group.
 *
 * Reading rejects whatever libraft's own decoder would take on trust: counts and lengths beyond
 * the bytes, unterminated or odd names, duplicates, unknown roles, trailing bytes. */
#include "raft/conf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ENCODING_VERSION = 1, OPAQUE_VERSION = 1 };

bool conf_name_ok(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= GROUP_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

int conf_check(const struct conf *conf, struct err *err)
{
    size_t voters = conf_voters(conf);
    if (conf->count > GROUP_SERVERS_MAX || voters == 0 || voters > GROUP_VOTERS_MAX) {
        return err_set(err, ERR_INVALID,
                       "%zu servers, %zu of them voters: want 1 to %d voters, at "
                       "most %d servers",
                       conf->count, voters, GROUP_VOTERS_MAX, GROUP_SERVERS_MAX);
    }
    for (size_t i = 0; i < conf->count; i++) {
        const struct group_server *s = &conf->servers[i];
        if (s->id == 0 || !conf_name_ok(s->name)) {
            return err_set(err, ERR_INVALID, "server %zu has a bad id or name", i + 1);
        }
        if (conf_find(conf, s->id) != s || conf_find_name(conf, s->name) != s) {
            return err_set(err, ERR_INVALID, "server %s is listed twice", s->name);
        }
    }
    return 0;
}

static uint64_t le64_get(const char *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) {
        v = v << 8 | (uint8_t)p[i];
    }
    return v;
}

static void le64_put(struct buf *out, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        buf_add_u8(out, (uint8_t)(v >> (8 * i)));
    }
}

static bool read_server(struct slice *rest, struct group_server *s)
{
    if (rest->len < 8) {
        return false;
    }
    *s = (struct group_server){.id = le64_get(rest->data)};
    struct slice text = slice_sub(*rest, 8, rest->len - 8);
    const char *end = text.len > 0 ? memchr(text.data, 0, text.len) : NULL;
    if (end == NULL) {
        return false;
    }
    size_t len = (size_t)(end - text.data);
    if (len > GROUP_NAME_MAX || text.len < len + 2) {
        return false;
    }
    memcpy(s->name, text.data, len);
    uint8_t role = (uint8_t)text.data[len + 1];
    if (role != RAFT_STANDBY && role != RAFT_VOTER) {
        return false;
    }
    s->role = role == RAFT_VOTER ? GROUP_VOTER : GROUP_STANDBY;
    *rest = slice_sub(text, len + 2, text.len - len - 2);
    return true;
}

int conf_read(struct slice bytes, struct conf *conf, struct err *err)
{
    *conf = (struct conf){0};
    if (bytes.len < 9 || bytes.len % 8 != 0 || bytes.data[0] != ENCODING_VERSION) {
        return err_set(err, ERR_CORRUPT, "configuration: not of a known form");
    }
    uint64_t count = le64_get(bytes.data + 1);
    if (count == 0 || count > GROUP_SERVERS_MAX) {
        return err_set(err, ERR_CORRUPT, "configuration: impossible number of servers");
    }
    struct slice rest = slice_sub(bytes, 9, bytes.len - 9);
    for (; conf->count < count; conf->count++) {
        if (!read_server(&rest, &conf->servers[conf->count])) {
            return err_set(err, ERR_CORRUPT, "configuration: server %zu is malformed",
                           conf->count + 1);
        }
    }
    bool padded = rest.len < 8;
    for (size_t i = 0; i < rest.len; i++) {
        padded = padded && rest.data[i] == 0;
    }
    if (!padded) {
        return err_set(err, ERR_CORRUPT, "configuration: bytes behind the last server");
    }
    struct err why;
    if (conf_check(conf, &why) != 0) {
        return err_set(err, ERR_CORRUPT, "configuration: %s", why.message);
    }
    return 0;
}

void conf_write(const struct conf *conf, struct buf *out)
{
    size_t start = out->len;
    buf_add_u8(out, ENCODING_VERSION);
    le64_put(out, conf->count);
    for (size_t i = 0; i < conf->count; i++) {
        const struct group_server *s = &conf->servers[i];
        le64_put(out, s->id);
        buf_add_cstr(out, s->name);
        buf_add_u8(out, 0);
        buf_add_u8(out, s->role == GROUP_VOTER ? RAFT_VOTER : RAFT_STANDBY);
    }
    while ((out->len - start) % 8 != 0) {
        buf_add_u8(out, 0);
    }
}

struct payload *conf_opaque(uint64_t index, struct slice bytes)
{
    struct buf b = {0};
    buf_add_u8(&b, OPAQUE_VERSION);
    buf_add_be64(&b, index);
    buf_add(&b, bytes);
    struct payload *p = payload_new(buf_slice(&b));
    buf_free(&b);
    return p;
}

struct slice conf_of_opaque(struct slice opaque)
{
    return slice_sub(opaque, 9, opaque.len - 9);
}

int conf_read_opaque(struct slice bytes, struct conf *conf, uint64_t *index, struct err *err)
{
    if (bytes.len < 9 || bytes.data[0] != OPAQUE_VERSION) {
        return err_set(err, ERR_CORRUPT, "configuration: not of a known form");
    }
    *index = be64_get(bytes.data + 1);
    if (*index == 0) {
        return err_set(err, ERR_CORRUPT, "configuration: has no index");
    }
    return conf_read(conf_of_opaque(bytes), conf, err);
}

const struct group_server *conf_find(const struct conf *conf, uint64_t id)
{
    for (size_t i = 0; i < conf->count; i++) {
        if (conf->servers[i].id == id) {
            return &conf->servers[i];
        }
    }
    return NULL;
}

const struct group_server *conf_find_name(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->count; i++) {
        if (strcmp(conf->servers[i].name, name) == 0) {
            return &conf->servers[i];
        }
    }
    return NULL;
}

size_t conf_voters(const struct conf *conf)
{
    size_t voters = 0;
    for (size_t i = 0; i < conf->count && i < GROUP_SERVERS_MAX; i++) {
        voters += conf->servers[i].role == GROUP_VOTER ? 1 : 0;
    }
    return voters;
}

void conf_from_raft(const struct raft_configuration *from, struct conf *conf)
{
    *conf = (struct conf){0};
    for (unsigned i = 0; i < from->n && i < GROUP_SERVERS_MAX; i++) {
        struct group_server *s = &conf->servers[conf->count++];
        s->id = from->servers[i].id;
        size_t len = strlen(from->servers[i].address);
        memcpy(s->name, from->servers[i].address, len < GROUP_NAME_MAX ? len : GROUP_NAME_MAX);
        s->role = from->servers[i].role == RAFT_VOTER ? GROUP_VOTER : GROUP_STANDBY;
    }
}

void conf_to_raft(const struct conf *conf, struct raft_configuration *to)
{
    raft_configuration_init(to);
    for (size_t i = 0; i < conf->count; i++) {
        const struct group_server *s = &conf->servers[i];
        int rv = raft_configuration_add(to, s->id, s->name,
                                        s->role == GROUP_VOTER ? RAFT_VOTER : RAFT_STANDBY);
        if (rv != 0) {
            abort(); /* out of memory: everything else was checked */
        }
    }
}

bool conf_is_raft(const struct conf *conf, const struct raft_configuration *other)
{
    if (conf->count != other->n) {
        return false;
    }
    for (unsigned i = 0; i < other->n; i++) {
        const struct group_server *s = &conf->servers[i];
        int role = s->role == GROUP_VOTER ? RAFT_VOTER : RAFT_STANDBY;
        if (s->id != other->servers[i].id || role != other->servers[i].role ||
            strcmp(s->name, other->servers[i].address) != 0) {
            return false;
        }
    }
    return true;
}
