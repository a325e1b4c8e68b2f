/* wal_record.c: the records of a batch.
 *
 * Writing follows memory: the change is made first, then its record is queued. Reading makes the
 * same change again, but trusts nothing: a checksum only tells that the bytes are as written.
 * Carried entries fill owed slots; every other record must fit the state that those before it made,
 * or the log is damaged. */
#include "raft/wal_internal.h"

#include <assert.h>

#include "raft/fields.h"

void wal__put_identity(struct buf *out, struct slice identity)
{
    assert(identity.len <= WAL_IDENTITY_MAX);
    buf_add_u8(out, WAL_RECORD_IDENTITY);
    buf_add_be32(out, WAL__VERSION);
    buf_add_u8(out, (uint8_t)identity.len);
    buf_add(out, identity);
}

static void put_snapshot(struct buf *out, const struct wal_snapshot *s)
{
    struct slice configuration = {0};
    if (s->configuration != NULL) {
        configuration = payload_slice(s->configuration);
    }
    buf_add_be64(out, s->index);
    buf_add_be64(out, s->term);
    buf_add_be32(out, (uint32_t)configuration.len);
    buf_add(out, configuration);
}

void wal__put_group(struct buf *out, const struct wal_group *g)
{
    buf_add_u8(out, WAL_RECORD_GROUP);
    buf_add_be32(out, g->id);
    buf_add_be64(out, g->server_id);
    buf_add_be64(out, g->term);
    buf_add_be64(out, g->vote);
    buf_add_be64(out, g->first);
    buf_add_be64(out, g->last);
    put_snapshot(out, &g->snapshot);
    put_snapshot(out, &g->install);
}

void wal__put_simple(struct buf *out, enum wal_record type, uint32_t group)
{
    buf_add_u8(out, (uint8_t)type);
    buf_add_be32(out, group);
}

void wal__put_term(struct buf *out, const struct wal_group *g)
{
    wal__put_simple(out, WAL_RECORD_TERM, g->id);
    buf_add_be64(out, g->term);
    buf_add_be64(out, g->vote);
}

void wal__put_entry(struct buf *out, enum wal_record type, const struct wal_group *g,
                    uint64_t index, const struct wal_entry *e)
{
    wal__put_simple(out, type, g->id);
    buf_add_be64(out, index);
    buf_add_be64(out, e->term);
    buf_add_u8(out, (uint8_t)e->type);
    buf_add_be32(out, e->data->len);
    buf_add(out, payload_slice(e->data));
}

void wal__put_truncate(struct buf *out, const struct wal_group *g, uint64_t from)
{
    wal__put_simple(out, WAL_RECORD_TRUNCATE, g->id);
    buf_add_be64(out, from);
}

void wal__put_mark(struct buf *out, enum wal_record type, const struct wal_group *g,
                   const struct wal_snapshot *s)
{
    wal__put_simple(out, type, g->id);
    put_snapshot(out, s);
    buf_add_be64(out, g->first);
}

/* ---- reading ---- */

struct reader {
    struct wal *wal;
    struct fields in;
    uint64_t segment;
};

static struct payload *take_payload(struct reader *r, size_t max)
{
    size_t len = fields_be32(&r->in);
    if (len > max || len > r->in.rest.len) {
        r->in.ok = false;
        return NULL;
    }
    return payload_new(fields_bytes(&r->in, len));
}

static void take_snapshot(struct reader *r, struct wal_snapshot *s)
{
    *s = (struct wal_snapshot){.index = fields_be64(&r->in)};
    s->term = fields_be64(&r->in);
    s->configuration = take_payload(r, WAL_CONFIGURATION_MAX);
    if (s->index == 0 && s->configuration != NULL) {
        payload_unref(s->configuration);
        s->configuration = NULL;
    }
    if (r->in.ok && s->index != 0 && s->term == 0) {
        r->in.ok = false;
    }
    if (!r->in.ok) {
        wal__snapshot_set(s, 0, 0, NULL);
    }
}

static int damaged(struct err *err, const char *what)
{
    return err_set(err, ERR_CORRUPT, "%s", what);
}

static int read_identity(struct reader *r, struct err *err)
{
    uint32_t version = fields_be32(&r->in);
    if (r->in.ok && version != WAL__VERSION) {
        return err_set(err, ERR_INVALID, "written in format %u, this program reads format %d",
                       version, WAL__VERSION);
    }
    size_t len = fields_u8(&r->in);
    if (!r->in.ok || len > r->in.rest.len) {
        return damaged(err, "identity record is cut short");
    }
    struct slice identity = fields_bytes(&r->in, len);
    if (!slice_eq(identity, buf_slice(&r->wal->identity))) {
        return err_set(err, ERR_INVALID,
                       "is the log of \"%.*s\", not of \"%.*s\": wrong data "
                       "directory?",
                       SLICE_ARG(identity), SLICE_ARG(buf_slice(&r->wal->identity)));
    }
    return 0;
}

/* A group as it stood when a segment was begun, or was created. */
static int read_group(struct reader *r, uint32_t id, struct err *err)
{
    struct wal *w = r->wal;
    uint64_t server_id = fields_be64(&r->in);
    uint64_t term = fields_be64(&r->in);
    uint64_t vote = fields_be64(&r->in);
    uint64_t first = fields_be64(&r->in);
    uint64_t last = fields_be64(&r->in);
    struct wal_snapshot snapshot;
    struct wal_snapshot install;
    take_snapshot(r, &snapshot);
    take_snapshot(r, &install);
    struct wal_group *g = wal_group(w, id);
    bool fits = r->in.ok && server_id != 0 && first >= 1 && first <= last + 1 &&
                first <= snapshot.index + 1 && snapshot.index <= last &&
                last + 1 - first <= WAL__ENTRIES_MAX;
    bool same =
        g == NULL || (g->server_id == server_id && g->term == term && g->vote == vote &&
                      g->first == first && g->last == last && g->snapshot.index == snapshot.index);
    if (!fits || !same) {
        wal__snapshot_set(&snapshot, 0, 0, NULL);
        wal__snapshot_set(&install, 0, 0, NULL);
        return damaged(err, fits ? "group record contradicts the records before it"
                                 : "group record is malformed");
    }
    if (g == NULL) {
        g = wal__group_add(w, id, server_id);
        g->term = term;
        g->vote = vote;
        g->first = first;
        g->last = first - 1;
        while (g->last < last) {
            (void)wal__push(g); /* owed */
        }
    }
    wal__snapshot_set(&g->snapshot, snapshot.index, snapshot.term, snapshot.configuration);
    wal__snapshot_set(&g->install, install.index, install.term, install.configuration);
    return 0;
}

static int read_term(struct reader *r, struct wal_group *g, struct err *err)
{
    uint64_t term = fields_be64(&r->in);
    uint64_t vote = fields_be64(&r->in);
    if (!r->in.ok || term < g->term || (term == g->term && g->vote != 0 && vote != g->vote)) {
        return damaged(err, "term record goes back");
    }
    g->term = term;
    g->vote = vote;
    return 0;
}

static int read_entry(struct reader *r, struct wal_group *g, bool carried, struct err *err)
{
    uint64_t index = fields_be64(&r->in);
    uint64_t term = fields_be64(&r->in);
    uint8_t type = fields_u8(&r->in);
    struct payload *data = take_payload(r, WAL_ENTRY_MAX);
    if (!r->in.ok || term == 0 || type < WAL_ENTRY_COMMAND || type > WAL_ENTRY_CHANGE) {
        payload_unref(data);
        return damaged(err, "entry record is malformed");
    }
    struct wal_entry *slot = NULL;
    if (carried && index >= g->first && index <= g->last) {
        slot = wal__slot(g, index);
        if (slot->data != NULL && slot->term == term) {
            slot->segment = r->segment;
            payload_unref(data);
            return 0;
        }
    } else if (!carried && index == g->last + 1) {
        slot = wal__push(g);
    }
    if (slot == NULL || slot->data != NULL) {
        payload_unref(data);
        return damaged(err, "entry record does not follow the entries before it");
    }
    wal__fill(g, slot, term, (enum wal_entry_type)type, data, r->segment);
    return 0;
}

static int read_truncate(struct reader *r, struct wal_group *g, struct err *err)
{
    uint64_t from = fields_be64(&r->in);
    if (!r->in.ok || from < g->first || from > g->last || from <= g->snapshot.index) {
        return damaged(err, "truncation record is out of range");
    }
    wal__pop_to(g, from - 1);
    return 0;
}

static int read_snapshot(struct reader *r, struct wal_group *g, struct err *err)
{
    struct wal_snapshot s;
    take_snapshot(r, &s);
    uint64_t first = fields_be64(&r->in);
    if (!r->in.ok || s.index < g->snapshot.index || s.index > g->last || first < g->first ||
        first > s.index + 1) {
        wal__snapshot_set(&s, 0, 0, NULL);
        return damaged(err, "snapshot record is out of range");
    }
    wal__shift_to(g, first);
    wal__snapshot_set(&g->snapshot, s.index, s.term, s.configuration);
    return 0;
}

void wal__install_done(struct wal_group *g)
{
    wal__pop_to(g, g->first - 1);
    struct wal_snapshot s = g->install;
    g->install = (struct wal_snapshot){0};
    wal__snapshot_set(&g->snapshot, s.index, s.term, s.configuration);
    g->last = s.index;
    g->first = s.index + 1;
}

static int read_install(struct reader *r, struct wal_group *g, enum wal_record type,
                        struct err *err)
{
    if (type == WAL_RECORD_INSTALL_BEGIN) {
        struct wal_snapshot s;
        take_snapshot(r, &s);
        (void)fields_be64(&r->in);
        if (!r->in.ok || s.index <= g->snapshot.index) {
            wal__snapshot_set(&s, 0, 0, NULL);
            return damaged(err, "install record is out of range");
        }
        wal__snapshot_set(&g->install, s.index, s.term, s.configuration);
        return 0;
    }
    if (g->install.index == 0) {
        return damaged(err, "install record ends what was not begun");
    }
    if (type == WAL_RECORD_INSTALL_FINISH) {
        wal__install_done(g);
    } else {
        wal__snapshot_set(&g->install, 0, 0, NULL);
    }
    return 0;
}

static int read_of_group(struct reader *r, enum wal_record type, struct err *err)
{
    uint32_t id = fields_be32(&r->in);
    if (type == WAL_RECORD_GROUP) {
        return read_group(r, id, err);
    }
    struct wal_group *g = r->in.ok ? wal_group(r->wal, id) : NULL;
    if (g == NULL) {
        return damaged(err, "record of an unknown group");
    }
    switch (type) {
    case WAL_RECORD_TERM:
        return read_term(r, g, err);
    case WAL_RECORD_ENTRY:
        return read_entry(r, g, false, err);
    case WAL_RECORD_CARRY:
        return read_entry(r, g, true, err);
    case WAL_RECORD_TRUNCATE:
        return read_truncate(r, g, err);
    case WAL_RECORD_SNAPSHOT:
        return read_snapshot(r, g, err);
    case WAL_RECORD_INSTALL_BEGIN:
    case WAL_RECORD_INSTALL_FINISH:
    case WAL_RECORD_INSTALL_CANCEL:
        return read_install(r, g, type, err);
    case WAL_RECORD_REMOVE:
        wal__group_drop(g);
        return 0;
    case WAL_RECORD_PAD:
    case WAL_RECORD_IDENTITY:
    case WAL_RECORD_GROUP:
    case WAL_RECORD_CARRIED:
        break;
    }
    return damaged(err, "record of an unknown type");
}

int wal__replay(struct wal *w, struct slice body, uint64_t segment, struct err *err)
{
    struct reader r = {.wal = w, .in = fields_of(body), .segment = segment};
    while (r.in.rest.len > 0) {
        enum wal_record type = (enum wal_record)fields_u8(&r.in);
        int rc = 0;
        if (type == WAL_RECORD_IDENTITY) {
            rc = read_identity(&r, err);
        } else if (type != WAL_RECORD_PAD && type != WAL_RECORD_CARRIED) {
            rc = read_of_group(&r, type, err);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
