/* record.c: a ring of lines, written once and read as they are. */
#include "plane/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

void record_init(struct record *r)
{
    *r = (struct record){.next_seq = 1, .lines = mem_zero(RECORD_LINES * sizeof(char *))};
}

void record_free(struct record *r)
{
    for (size_t i = 0; r->lines != NULL && i < RECORD_LINES; i++) {
        free(r->lines[i]);
    }
    free(r->lines);
    *r = (struct record){0};
}

static void add_text(struct buf *line, const char *key, struct slice text)
{
    buf_addf(line, ",\"%s\":", key);
    json_quote(line, text);
}

/* A member that canonical bytes hold as a string, with its quotes; "" if there is none. */
static void add_raw(struct buf *line, const char *key, bool found, struct slice raw)
{
    buf_addf(line, ",\"%s\":", key);
    buf_add(line, found && raw.len > 0 && raw.data[0] == '"' ? raw : SLICE("\"\""));
}

static void format_line(struct buf *line, uint64_t seq, const struct plane_mutation *m)
{
    static const char *const verbs[] = {"create", "update", "delete"};
    const struct backend_object *o = m->object;
    struct slice raw = {0};
    buf_addf(line, "{\"seq\":%llu,\"time\":%llu,\"verb\":\"%s\",\"version\":\"%llu\"",
             (unsigned long long)seq, (unsigned long long)m->time_ms, verbs[m->verb],
             (unsigned long long)o->version);
    add_text(line, "resource", o->key.resource);
    add_text(line, "namespace", o->key.ns);
    add_text(line, "name", o->key.name);
    bool found = json_scan(o->body, &raw, "metadata", "uid", NULL);
    add_raw(line, "uid", found, raw);
    found = json_scan(o->body, &raw, "metadata", "annotations", "choreo.dev/epoch", NULL);
    add_raw(line, "epoch", found, raw);
    json_t *audit = NULL; /* not canonical: the door wrote it */
    struct err ignored;
    if (m->audit.len > 0 && json_parse(m->audit, &audit, &ignored) != 0) {
        audit = NULL;
    }
    add_text(line, "agent", json_text_at(audit, "agent"));
    add_text(line, "from", json_text_at(audit, "from"));
    json_decref(audit);
    add_text(line, "user", m->subject);
    buf_add_cstr(line, "}\n");
}

void record_add(struct record *r, const struct plane_mutation *m)
{
    struct buf line = {0};
    format_line(&line, r->next_seq, m);
    char **place = &r->lines[r->next_seq % RECORD_LINES];
    free(*place);
    *place = buf_take(&line);
    r->next_seq++;
    r->count += r->count < RECORD_LINES ? 1 : 0;
}

void record_read(const struct record *r, uint64_t since, struct buf *out, uint64_t *last)
{
    uint64_t oldest = r->next_seq - r->count;
    uint64_t seq = since + 1 > oldest ? since + 1 : oldest;
    *last = since;
    for (; seq < r->next_seq; seq++) {
        const char *line = r->lines[seq % RECORD_LINES];
        size_t len = strlen(line);
        if (out->len > 0 && out->len + len > RECORD_READ_BYTES) {
            break;
        }
        buf_add(out, slice_make(line, len));
        *last = seq;
    }
}
