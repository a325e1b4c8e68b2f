/* command.c: plain structs to protobuf-c's and back.
 *
 * Happy path: encoding builds protobuf-c structs that point at the caller's slices and packs them
 * straight into the buffer; decoding unpacks into the arena and points slices at it. Both sides run
 * command_check(), so what one release encodes the same release applies.
 * Failure path: bytes that do not parse, or break a limit, are ERR_CORRUPT. A field, command or
 * enumerator that this release does not know is ERR_UNSUPPORTED: a newer leader wrote it, and going
 * on without it would make this node's rows differ from the others'. */
#include "store/command_internal.h"

#include <assert.h>

enum { WRITE_OVERHEAD_BYTES = 128, SMALL_BYTES = 64 };

static bool same_length_or_empty(struct slice s, size_t len)
{
    return s.len == 0 || s.len == len;
}

static int check_name(struct slice s, const char *what, bool required, struct err *err)
{
    if (required && s.len == 0) {
        return err_set(err, ERR_INVALID, "command: %s is empty", what);
    }
    if (s.len > COMMAND_NAME_MAX) {
        return err_set(err, ERR_TOO_LARGE, "command: %s has %zu bytes; at most %d", what, s.len,
                       COMMAND_NAME_MAX);
    }
    return 0;
}

static int check_request(const struct command_write *w, struct err *err)
{
    if (w->request_id.len > 0 &&
        (w->request_id.len < REQUEST_ID_MIN || w->request_id.len > REQUEST_ID_MAX)) {
        return err_set(err, ERR_INVALID, "command: request id has %zu bytes; it takes %d to %d",
                       w->request_id.len, REQUEST_ID_MIN, REQUEST_ID_MAX);
    }
    if (!same_length_or_empty(w->request_digest, REQUEST_DIGEST_BYTES)) {
        return err_set(err, ERR_INVALID, "command: request digest has %zu bytes; it takes %d",
                       w->request_digest.len, REQUEST_DIGEST_BYTES);
    }
    if (w->issued_ms > INT64_MAX - 2 * (uint64_t)REQUEST_WINDOW_MS) {
        return err_set(err, ERR_INVALID, "command: time of issue is out of range");
    }
    return 0;
}

static int check_write(const struct command_write *w, struct err *err)
{
    int rc = check_name(w->key.resource, "resource", true, err);
    if (rc == 0) {
        rc = check_name(w->key.ns, "namespace", false, err);
    }
    if (rc == 0) {
        rc = check_name(w->key.name, "name", true, err);
    }
    if (rc == 0) {
        rc = check_name(w->subject, "subject", false, err);
    }
    if (rc == 0) {
        rc = check_name(w->if_uid, "uid precondition", false, err);
    }
    if (rc == 0) {
        rc = check_request(w, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (w->verb != BACKEND_CREATE && w->verb != BACKEND_UPDATE && w->verb != BACKEND_DELETE) {
        return err_set(err, ERR_INVALID, "command: no verb has number %d", (int)w->verb);
    }
    if (w->splice >= w->body.len) {
        return err_set(err, ERR_INVALID, "command: splice %u lies outside the body of %zu bytes",
                       w->splice, w->body.len);
    }
    if (w->version > INT64_MAX || w->if_version > INT64_MAX) {
        return err_set(err, ERR_INVALID, "command: a version is out of range");
    }
    size_t bytes = w->body.len + w->audit.len;
    if (w->body.len > COMMAND_BYTES_MAX || w->audit.len > COMMAND_BYTES_MAX ||
        bytes > COMMAND_BYTES_MAX - 8 * COMMAND_NAME_MAX) {
        return err_set(err, ERR_TOO_LARGE, "command: %zu bytes are over the limit of %d", bytes,
                       COMMAND_BYTES_MAX);
    }
    return 0;
}

int command_check(const struct command *command, struct err *err)
{
    switch (command->kind) {
    case COMMAND_WRITE:
        return check_write(&command->write, err);
    case COMMAND_OPEN:
        if (command->open.ceiling > INT64_MAX || command->open.term > INT64_MAX ||
            command->open.incarnation > INT64_MAX) {
            return err_set(err, ERR_INVALID, "command: Open is out of range");
        }
        return 0;
    case COMMAND_CEILING:
        if (command->ceiling > INT64_MAX) {
            return err_set(err, ERR_INVALID, "command: ceiling is out of range");
        }
        return 0;
    case COMMAND_COMPACT:
        if (command->compact.before > INT64_MAX || command->compact.audit_before_ms > INT64_MAX ||
            command->compact.rows_max == 0) {
            return err_set(err, ERR_INVALID, "command: Compact is out of range");
        }
        return 0;
    case COMMAND_EXPIRE_REQUESTS:
        if (command->expire.before_ms > INT64_MAX || command->expire.rows_max == 0) {
            return err_set(err, ERR_INVALID, "command: ExpireRequests is out of range");
        }
        return 0;
    case COMMAND_NAMESPACE:
        if (command->mark.state < NAMESPACE_ACTIVE || command->mark.state > NAMESPACE_GONE) {
            return err_set(err, ERR_INVALID, "command: no namespace state has number %d",
                           (int)command->mark.state);
        }
        return check_name(command->mark.name, "namespace", true, err);
    case COMMAND_EXPIRE_EVENTS:
        if (command->events.before > INT64_MAX || command->events.version > INT64_MAX / 2 ||
            command->events.rows_max == 0 || command->events.rows_max > COMMAND_EVENTS_MAX) {
            return err_set(err, ERR_INVALID, "command: ExpireEvents is out of range");
        }
        return 0;
    }
    return err_set(err, ERR_INVALID, "command: no kind has number %d", (int)command->kind);
}

size_t command_bytes(const struct command *command)
{
    if (command->kind == COMMAND_NAMESPACE) {
        return SMALL_BYTES + command->mark.name.len;
    }
    if (command->kind != COMMAND_WRITE) {
        return SMALL_BYTES;
    }
    const struct command_write *w = &command->write;
    return WRITE_OVERHEAD_BYTES + w->key.resource.len + w->key.ns.len + w->key.name.len +
           w->body.len + w->if_uid.len + w->subject.len + w->request_id.len +
           w->request_digest.len + w->audit.len;
}

void command_from_submit(const struct backend_submit *submit, struct command *command)
{
    *command = (struct command){
        .kind = COMMAND_WRITE,
        .write = {.verb = submit->verb,
                  .key = submit->key,
                  .body = submit->body,
                  .splice = submit->splice,
                  .if_version = submit->if_version,
                  .if_uid = submit->if_uid,
                  .client_made = submit->client_made,
                  .subject = submit->subject,
                  .request_id = submit->request_id,
                  .issued_ms = submit->issued_ms,
                  .request_digest = submit->request_digest,
                  .audit = submit->audit},
    };
}

/* ---- encoding ---- */

static ProtobufCBinaryData bytes_of(struct slice s)
{
    /* protobuf-c only reads what it packs. */
    union {
        const char *in;
        uint8_t *out;
    } p = {.in = s.data};
    return (ProtobufCBinaryData){.len = s.len, .data = p.out};
}

static void set_bytes(struct slice s, protobuf_c_boolean *has, ProtobufCBinaryData *field)
{
    *has = s.len > 0;
    *field = bytes_of(s);
}

static void pack_write(const struct command_write *w, Choreo__Log__Write *m)
{
    choreo__log__write__init(m);
    m->verb = (Choreo__Log__Write__Verb)((int)w->verb + 1);
    m->resource = bytes_of(w->key.resource);
    set_bytes(w->key.ns, &m->has_ns, &m->ns);
    m->name = bytes_of(w->key.name);
    m->body = bytes_of(w->body);
    m->splice = w->splice;
    m->version = w->version;
    m->has_if_version = w->if_version != 0;
    m->if_version = w->if_version;
    set_bytes(w->if_uid, &m->has_if_uid, &m->if_uid);
    m->has_client_made = w->client_made;
    m->client_made = w->client_made;
    set_bytes(w->subject, &m->has_subject, &m->subject);
    set_bytes(w->request_id, &m->has_request_id, &m->request_id);
    m->has_issued_ms = w->issued_ms != 0;
    m->issued_ms = w->issued_ms;
    set_bytes(w->request_digest, &m->has_request_digest, &m->request_digest);
    set_bytes(w->audit, &m->has_audit, &m->audit);
}

static void pack_small(const struct command *c, struct packed *out)
{
    switch (c->kind) {
    case COMMAND_WRITE:
        break;
    case COMMAND_OPEN:
        choreo__log__open__init(&out->open);
        out->open.term = c->open.term;
        out->open.incarnation = c->open.incarnation;
        out->open.ceiling = c->open.ceiling;
        out->command.command_case = CHOREO__LOG__COMMAND__COMMAND_OPEN;
        out->command.open = &out->open;
        break;
    case COMMAND_CEILING:
        choreo__log__ceiling__init(&out->ceiling);
        out->ceiling.version = c->ceiling;
        out->command.command_case = CHOREO__LOG__COMMAND__COMMAND_CEILING;
        out->command.ceiling = &out->ceiling;
        break;
    case COMMAND_COMPACT:
        choreo__log__compact__init(&out->compact);
        out->compact.before = c->compact.before;
        out->compact.rows_max = c->compact.rows_max;
        out->compact.has_audit_before_ms = c->compact.audit_before_ms != 0;
        out->compact.audit_before_ms = c->compact.audit_before_ms;
        out->command.command_case = CHOREO__LOG__COMMAND__COMMAND_COMPACT;
        out->command.compact = &out->compact;
        break;
    case COMMAND_EXPIRE_REQUESTS:
        choreo__log__expire_requests__init(&out->expire);
        out->expire.before_ms = c->expire.before_ms;
        out->expire.rows_max = c->expire.rows_max;
        out->command.command_case = CHOREO__LOG__COMMAND__COMMAND_EXPIRE_REQUESTS;
        out->command.expire_requests = &out->expire;
        break;
    case COMMAND_NAMESPACE:
        choreo__log__namespace_mark__init(&out->mark);
        out->mark.name = bytes_of(c->mark.name);
        out->mark.state = (Choreo__Log__NamespaceMark__State)c->mark.state;
        out->command.command_case = CHOREO__LOG__COMMAND__COMMAND_NAMESPACE_MARK;
        out->command.namespace_mark = &out->mark;
        break;
    case COMMAND_EXPIRE_EVENTS:
        choreo__log__expire_events__init(&out->events);
        out->events.before = c->events.before;
        out->events.rows_max = c->events.rows_max;
        out->events.version = c->events.version;
        out->command.command_case = CHOREO__LOG__COMMAND__COMMAND_EXPIRE_EVENTS;
        out->command.expire_events = &out->events;
        break;
    }
}

void command__pack(const struct command *c, struct packed *out)
{
    choreo__log__command__init(&out->command);
    if (c->kind == COMMAND_WRITE) {
        pack_write(&c->write, &out->write);
        out->command.command_case = CHOREO__LOG__COMMAND__COMMAND_WRITE;
        out->command.write = &out->write;
    } else {
        pack_small(c, out);
    }
}

void command__append(const ProtobufCMessage *message, struct buf *out)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    buf_reserve(out, bytes);
    size_t packed = protobuf_c_message_pack(message, (uint8_t *)out->data + out->len);
    assert(packed == bytes);
    out->len += packed;
}

int command_encode(const struct command *command, struct buf *out, struct err *err)
{
    int rc = command_check(command, err);
    if (rc != 0) {
        return rc;
    }
    struct packed packed;
    command__pack(command, &packed);
    command__append(&packed.command.base, out);
    return 0;
}

/* ---- decoding ---- */

static void *allocate(void *user, size_t bytes)
{
    return arena_alloc(user, bytes);
}

static void release(void *user, void *p)
{
    (void)user; /* gone with the arena */
    (void)p;
}

ProtobufCAllocator command__allocator(struct arena *arena)
{
    return (ProtobufCAllocator){.alloc = allocate, .free = release, .allocator_data = arena};
}

static struct slice slice_from(bool has, ProtobufCBinaryData field)
{
    return has ? slice_make(field.data, field.len) : slice_make(NULL, 0);
}

int command__newer(const char *what, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "log: %s that this release does not know: a newer one wrote it; upgrade this "
                   "node",
                   what);
}

static int unpack_write(const Choreo__Log__Write *m, struct command_write *w, struct err *err)
{
    if (m->verb < CHOREO__LOG__WRITE__VERB__CREATE || m->verb > CHOREO__LOG__WRITE__VERB__DELETE) {
        return command__newer("a verb", err);
    }
    *w = (struct command_write){
        .verb = (enum backend_verb)((int)m->verb - 1),
        .key = {.resource = slice_from(true, m->resource),
                .ns = slice_from(m->has_ns, m->ns),
                .name = slice_from(true, m->name)},
        .body = slice_from(true, m->body),
        .splice = m->splice,
        .version = m->version,
        .if_version = m->has_if_version ? m->if_version : 0,
        .if_uid = slice_from(m->has_if_uid, m->if_uid),
        .client_made = m->has_client_made && m->client_made,
        .subject = slice_from(m->has_subject, m->subject),
        .request_id = slice_from(m->has_request_id, m->request_id),
        .issued_ms = m->has_issued_ms ? m->issued_ms : 0,
        .request_digest = slice_from(m->has_request_digest, m->request_digest),
        .audit = slice_from(m->has_audit, m->audit),
    };
    return 0;
}

static int unpack_mark(const Choreo__Log__NamespaceMark *m, struct command_namespace *mark,
                       struct err *err)
{
    if (m->state < CHOREO__LOG__NAMESPACE_MARK__STATE__ACTIVE ||
        m->state > CHOREO__LOG__NAMESPACE_MARK__STATE__GONE) {
        return command__newer("a namespace state", err);
    }
    mark->name = slice_from(true, m->name);
    mark->state = (enum namespace_state)m->state;
    return 0;
}

/* The one message that a command holds; NULL if there is none. */
static const ProtobufCMessage *inner(const Choreo__Log__Command *m)
{
    switch (m->command_case) {
    case CHOREO__LOG__COMMAND__COMMAND_WRITE:
        return &m->write->base;
    case CHOREO__LOG__COMMAND__COMMAND_OPEN:
        return &m->open->base;
    case CHOREO__LOG__COMMAND__COMMAND_CEILING:
        return &m->ceiling->base;
    case CHOREO__LOG__COMMAND__COMMAND_COMPACT:
        return &m->compact->base;
    case CHOREO__LOG__COMMAND__COMMAND_EXPIRE_REQUESTS:
        return &m->expire_requests->base;
    case CHOREO__LOG__COMMAND__COMMAND_NAMESPACE_MARK:
        return &m->namespace_mark->base;
    case CHOREO__LOG__COMMAND__COMMAND_EXPIRE_EVENTS:
        return &m->expire_events->base;
    case CHOREO__LOG__COMMAND__COMMAND__NOT_SET:
    case _CHOREO__LOG__COMMAND__COMMAND__CASE_IS_INT_SIZE:
        break;
    }
    return NULL;
}

static int unpack_known(const Choreo__Log__Command *m, struct command *out, struct err *err)
{
    switch (m->command_case) {
    case CHOREO__LOG__COMMAND__COMMAND_WRITE:
        out->kind = COMMAND_WRITE;
        return unpack_write(m->write, &out->write, err);
    case CHOREO__LOG__COMMAND__COMMAND_OPEN:
        out->kind = COMMAND_OPEN;
        out->open = (struct command_open){.term = m->open->term,
                                          .incarnation = m->open->incarnation,
                                          .ceiling = m->open->ceiling};
        return 0;
    case CHOREO__LOG__COMMAND__COMMAND_CEILING:
        out->kind = COMMAND_CEILING;
        out->ceiling = m->ceiling->version;
        return 0;
    case CHOREO__LOG__COMMAND__COMMAND_COMPACT:
        out->kind = COMMAND_COMPACT;
        out->compact = (struct command_compact){
            .before = m->compact->before,
            .rows_max = m->compact->rows_max,
            .audit_before_ms = m->compact->has_audit_before_ms ? m->compact->audit_before_ms : 0};
        return 0;
    case CHOREO__LOG__COMMAND__COMMAND_EXPIRE_REQUESTS:
        out->kind = COMMAND_EXPIRE_REQUESTS;
        out->expire = (struct command_expire){.before_ms = m->expire_requests->before_ms,
                                              .rows_max = m->expire_requests->rows_max};
        return 0;
    case CHOREO__LOG__COMMAND__COMMAND_NAMESPACE_MARK:
        out->kind = COMMAND_NAMESPACE;
        return unpack_mark(m->namespace_mark, &out->mark, err);
    case CHOREO__LOG__COMMAND__COMMAND_EXPIRE_EVENTS:
        out->kind = COMMAND_EXPIRE_EVENTS;
        out->events = (struct command_events){.before = m->expire_events->before,
                                              .rows_max = m->expire_events->rows_max,
                                              .version = m->expire_events->version};
        return 0;
    case CHOREO__LOG__COMMAND__COMMAND__NOT_SET:
    case _CHOREO__LOG__COMMAND__COMMAND__CASE_IS_INT_SIZE:
        break;
    }
    return err_set(err, ERR_CORRUPT, "log: an empty command");
}

int command__unpack(const Choreo__Log__Command *m, struct command *out, struct err *err)
{
    const ProtobufCMessage *message = inner(m);
    if (m->base.n_unknown_fields > 0) {
        return command__newer("a command", err);
    }
    if (message != NULL && message->n_unknown_fields > 0) {
        return command__newer("a command's field", err);
    }
    int rc = unpack_known(m, out, err);
    if (rc == 0 && command_check(out, err) != 0) {
        rc = ERR_CORRUPT;
        if (err != NULL) {
            err->code = rc;
        }
        (void)err_wrap(err, "log");
    }
    return rc;
}

int command_decode(struct slice bytes, struct arena *arena, struct command *out, struct err *err)
{
    ProtobufCAllocator allocator = command__allocator(arena);
    Choreo__Log__Command *m =
        choreo__log__command__unpack(&allocator, bytes.len, (const uint8_t *)bytes.data);
    if (m == NULL) {
        return err_set(err, ERR_CORRUPT, "log: %zu bytes are no command", bytes.len);
    }
    return command__unpack(m, out, err);
}
