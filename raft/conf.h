/* conf.h: a group's servers, as bytes and as values.
 *
 * A CHANGE entry's payload is libraft's own encoding (its core reads it, unchecked): version 1,
 * count, then id, name, role of each, padded with zeros to a multiple of eight. What comes from
 * disk or network is read here first, strictly; the reading accepts exactly what the writing gives.
 * The *opaque* form, which stores keep, is a version, the index of the CHANGE entry, and that.
 * Owner: the caller. Thread: any. */
#ifndef RAFT_CONF_H
#define RAFT_CONF_H

#include <raft.h>

#include "raft/group.h"

struct conf {
    struct group_server servers[GROUP_SERVERS_MAX];
    size_t count;
};

/* Errors: ERR_CORRUPT saying what is wrong. At least one voter, at most GROUP_VOTERS_MAX. */
int conf_read(struct slice bytes, struct conf *conf, struct err *err);
void conf_write(const struct conf *conf, struct buf *out);
/* Errors: ERR_INVALID: names, ids or counts that conf_read would not accept. */
int conf_check(const struct conf *conf, struct err *err);

int conf_read_opaque(struct slice bytes, struct conf *conf, uint64_t *index, struct err *err);
struct payload *conf_opaque(uint64_t index, struct slice bytes); /* of a CHANGE entry */
struct slice conf_of_opaque(struct slice opaque);                /* the part that conf_read reads */

const struct group_server *conf_find(const struct conf *conf, uint64_t id);
const struct group_server *conf_find_name(const struct conf *conf, const char *name);
size_t conf_voters(const struct conf *conf);
bool conf_name_ok(const char *name);

/* In and out of libraft's memory. */
void conf_from_raft(const struct raft_configuration *from, struct conf *conf);
void conf_to_raft(const struct conf *conf, struct raft_configuration *to); /* raft_malloc()ed */
bool conf_is_raft(const struct conf *conf, const struct raft_configuration *other);

#endif
