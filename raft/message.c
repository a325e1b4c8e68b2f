/* message.c: reading and writing messages.
 *
 * Indexes and terms stay below 2^56, so that sums never overflow. An index and its term are zero
 * together; terms never fall along a log and never exceed the sender's; CHANGE entries hold a
 * readable configuration. */
#include "raft/message.h"

#include <stdlib.h>

#include "raft/conf.h"
#include "raft/fields.h"

#define NUMBER_MAX (UINT64_C(1) << 56)

void message_write(const struct message *m, struct buf *out)
{
    buf_add_u8(out, MESSAGE_VERSION);
    buf_add_u8(out, (uint8_t)m->kind);
    buf_add_be64(out, m->from);
    buf_add_be64(out, m->to);
    buf_add_be64(out, m->term);
    switch (m->kind) {
    case MESSAGE_VOTE:
        buf_add_be64(out, m->vote.last_index);
        buf_add_be64(out, m->vote.last_term);
        buf_add_u8(out, (uint8_t)((m->vote.disrupt ? 1 : 0) | (m->vote.pre_vote ? 2 : 0)));
        break;
    case MESSAGE_VOTE_RESULT:
        buf_add_u8(out,
                   (uint8_t)((m->vote_result.granted ? 1 : 0) | (m->vote_result.pre_vote ? 2 : 0)));
        break;
    case MESSAGE_APPEND:
        buf_add_be64(out, m->append.prev_index);
        buf_add_be64(out, m->append.prev_term);
        buf_add_be64(out, m->append.commit);
        buf_add_be32(out, (uint32_t)m->append.count);
        for (size_t i = 0; i < m->append.count; i++) {
            const struct message_entry *e = &m->append.entries[i];
            buf_add_be64(out, e->term);
            buf_add_u8(out, (uint8_t)e->type);
            buf_add_be32(out, (uint32_t)e->data.len);
            buf_add(out, e->data);
        }
        break;
    case MESSAGE_APPEND_RESULT:
        buf_add_be64(out, m->append_result.rejected);
        buf_add_be64(out, m->append_result.last_index);
        break;
    case MESSAGE_TIMEOUT_NOW:
        buf_add_be64(out, m->timeout_now.last_index);
        buf_add_be64(out, m->timeout_now.last_term);
        break;
    case MESSAGE_READ:
    case MESSAGE_READ_RESULT:
        buf_add_be64(out, m->read.number);
        buf_add_be64(out, m->read.round_term);
        break;
    }
}

static uint64_t take_number(struct fields *r)
{
    uint64_t v = fields_be64(r);
    r->ok = r->ok && v < NUMBER_MAX;
    return v;
}

/* An index with its term: both zero, or neither, the term not above max. */
static void take_place(struct fields *r, uint64_t *index, uint64_t *term, uint64_t max)
{
    *index = take_number(r);
    *term = take_number(r);
    r->ok = r->ok && (*index == 0) == (*term == 0) && *term <= max;
}

static uint8_t take_flags(struct fields *r)
{
    uint8_t flags = fields_u8(r);
    r->ok = r->ok && flags <= 3;
    return flags;
}

static void take_entry(struct fields *r, struct message_entry *e, uint64_t least, uint64_t most)
{
    e->term = take_number(r);
    uint8_t type = fields_u8(r);
    size_t len = fields_be32(r);
    if (!r->ok || e->term < least || e->term > most || e->term == 0 || type < WAL_ENTRY_COMMAND ||
        type > WAL_ENTRY_CHANGE || len > WAL_ENTRY_MAX || len > r->rest.len) {
        r->ok = false;
        return;
    }
    e->type = (enum wal_entry_type)type;
    e->data = fields_bytes(r, len);
    struct conf conf;
    if (e->type == WAL_ENTRY_CHANGE && conf_read(e->data, &conf, NULL) != 0) {
        r->ok = false;
    }
    if (e->type == WAL_ENTRY_BARRIER && len != 0) {
        r->ok = false;
    }
}

static void read_append(struct fields *r, struct message *m)
{
    take_place(r, &m->append.prev_index, &m->append.prev_term, m->term);
    m->append.commit = take_number(r);
    size_t count = fields_be32(r);
    if (!r->ok || count > MESSAGE_ENTRIES_MAX || m->append.prev_index + count >= NUMBER_MAX) {
        r->ok = false;
        return;
    }
    if (count == 0) {
        return;
    }
    m->append.entries = mem_zero(count * sizeof *m->append.entries);
    uint64_t least = m->append.prev_term;
    for (; r->ok && m->append.count < count; m->append.count++) {
        struct message_entry *e = &m->append.entries[m->append.count];
        take_entry(r, e, least, m->term);
        least = e->term;
    }
}

static void read_fields(struct fields *r, struct message *m)
{
    uint8_t flags;
    switch (m->kind) {
    case MESSAGE_VOTE:
        take_place(r, &m->vote.last_index, &m->vote.last_term, m->term);
        flags = take_flags(r);
        m->vote.disrupt = (flags & 1) != 0;
        m->vote.pre_vote = (flags & 2) != 0;
        break;
    case MESSAGE_VOTE_RESULT:
        flags = take_flags(r);
        m->vote_result.granted = (flags & 1) != 0;
        m->vote_result.pre_vote = (flags & 2) != 0;
        break;
    case MESSAGE_APPEND:
        read_append(r, m);
        break;
    case MESSAGE_APPEND_RESULT:
        m->append_result.rejected = take_number(r);
        m->append_result.last_index = take_number(r);
        if (m->append_result.rejected > 0 &&
            m->append_result.last_index >= m->append_result.rejected) {
            r->ok = false;
        }
        break;
    case MESSAGE_TIMEOUT_NOW:
        take_place(r, &m->timeout_now.last_index, &m->timeout_now.last_term, m->term);
        break;
    case MESSAGE_READ:
    case MESSAGE_READ_RESULT:
        m->read.number = take_number(r);
        m->read.round_term = take_number(r);
        break;
    }
}

int message_read(struct slice bytes, struct message *m, struct err *err)
{
    *m = (struct message){0};
    struct fields r = fields_of(bytes);
    uint8_t version = fields_u8(&r);
    uint8_t kind = fields_u8(&r);
    if (!r.ok || version != MESSAGE_VERSION) {
        return err_set(err, ERR_INVALID, "message: version %u is not spoken here", version);
    }
    if (kind < MESSAGE_VOTE || kind > MESSAGE_READ_RESULT) {
        return err_set(err, ERR_INVALID, "message: unknown kind %u", kind);
    }
    m->kind = (enum message_kind)kind;
    m->from = fields_be64(&r);
    m->to = fields_be64(&r);
    m->term = take_number(&r);
    bool may_be_zero = m->kind == MESSAGE_READ_RESULT; /* of a server that has yet to join */
    if (r.ok && m->from != 0 && m->to != 0 && (m->term > 0 || may_be_zero)) {
        read_fields(&r, m);
    } else {
        r.ok = false;
    }
    if (!r.ok || r.rest.len != 0) {
        message_free(m);
        return err_set(err, ERR_INVALID, "message: kind %u is malformed", kind);
    }
    return 0;
}

void message_free(struct message *m)
{
    if (m->kind == MESSAGE_APPEND) {
        free(m->append.entries);
        m->append.entries = NULL;
        m->append.count = 0;
    }
}
