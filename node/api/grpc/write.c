/* write.c: ResourceService.Create, Update, Apply, Patch and Delete, through the gate.
 *
 * A request becomes one gate_write; its result, or its causes, is the answer. The deadline only
 * ends the waiting: a write that was submitted may still happen, which is what ERR_TIMEOUT says,
 * and the client's request_id makes asking again harmless. */
#include <string.h>

#include "node/api/gate.h"
#include "node/api/grpc/resource.h"

struct writing {
    struct grpc_call *call;
    struct gate_write write;
    const struct kind *kind;
    Choreo__V1__Form form;
};

static void finish_error(struct writing *w, int rc, const struct err *err)
{
    struct err whole = *err;
    if (w->write.result.message.len > 0) {
        (void)err_set(&whole, rc, "%.*s", SLICE_ARG(w->write.result.message));
    }
    grpc_finish(w->call, rc, &whole, &w->write.result.causes);
}

static char **warnings_of(struct writing *w)
{
    const struct admit_result *r = &w->write.result;
    char **out = arena_alloc(w->call->arena, r->warning_count * sizeof *out);
    for (size_t i = 0; i < r->warning_count; i++) {
        out[i] = arena_cstr(w->call->arena, r->warnings[i]);
    }
    return out;
}

static void on_written(struct gate_write *write, int rc, const struct err *err)
{
    struct writing *w = write->user;
    struct err why = {0};
    Choreo__V1__ObjectResponse response = CHOREO__V1__OBJECT_RESPONSE__INIT;
    if (rc == 0) {
        rc = resource_pack(w->call, w->kind, w->form, &write->object, &response.object, &why);
        err = &why;
    }
    if (rc != 0) {
        finish_error(w, rc, err);
    } else {
        response.has_resource_version = true;
        response.resource_version = write->object.version;
        response.has_changed = true;
        response.changed = write->changed;
        response.has_created = true;
        response.created = write->created;
        response.warnings = warnings_of(w);
        response.n_warnings = write->result.warning_count;
        grpc_reply(w->call, &response.base);
    }
    grpc_drop(w->call);
}

static void on_deleted(struct gate_write *write, int rc, const struct err *err)
{
    struct writing *w = write->user;
    struct err why = {0};
    Choreo__V1__DeleteResponse response = CHOREO__V1__DELETE_RESPONSE__INIT;
    struct object_meta meta = {0};
    if (rc == 0 && !write->deleted) {
        rc = resource_pack(w->call, w->kind, w->form, &write->object, &response.object, &why);
        err = &why;
    }
    if (rc == 0) {
        rc = object_meta(write->object.body, w->call->arena, &meta, &why);
        err = &why;
    }
    if (rc != 0) {
        finish_error(w, rc, err);
    } else {
        response.uid = arena_cstr(w->call->arena, meta.uid);
        response.has_resource_version = true;
        response.resource_version = write->object.version;
        grpc_reply(w->call, &response.base);
    }
    grpc_drop(w->call);
}

static void cancel_write(struct grpc_call *call)
{
    struct writing *w = call->state;
    gate_cancel(&w->write);
}

static enum admit_validation validation_of(Choreo__V1__Validation v)
{
    if (v == CHOREO__V1__VALIDATION__VALIDATION_STRICT) {
        return ADMIT_STRICT;
    }
    return v == CHOREO__V1__VALIDATION__VALIDATION_IGNORE ? ADMIT_IGNORE : ADMIT_WARN;
}

static void take_options(struct gate_write *w, const Choreo__V1__WriteOptions *o)
{
    if (o == NULL) {
        return;
    }
    w->dry_run = o->dry_run;
    w->force = o->force;
    w->field_manager = slice_of(o->field_manager);
    w->validation = validation_of(o->validation);
    w->request_id = slice_make(o->request_id.data, o->request_id.len);
    w->issued_ms = o->issued_ms;
}

static bool subresource_of(struct slice name, enum admit_subresource *sub)
{
    static const char *const names[] = {
        [ADMIT_MAIN] = "", [ADMIT_STATUS] = "status", [ADMIT_SCALE] = "scale"};
    for (int i = ADMIT_MAIN; i <= ADMIT_SCALE; i++) {
        if (slice_eq_cstr(name, names[i])) {
            *sub = (enum admit_subresource)i;
            return true;
        }
    }
    return false;
}

/* Everything but what is particular to the method. NULL: the call is finished. */
static struct writing *prepare(struct grpc_call *call, const struct target *t, enum admit_op op,
                               const Choreo__V1__WriteOptions *options, Choreo__V1__Form form,
                               const ProtobufCMessage *message)
{
    struct writing *w = ARENA_NEW(call->arena, struct writing);
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *raw = arena_alloc(call->arena, len);
    (void)protobuf_c_message_pack(message, raw);
    w->call = call;
    w->kind = t->kind;
    w->form = form;
    w->write =
        (struct gate_write){.api = call->api,
                            .loop = call->loop,
                            .arena = call->arena,
                            .subject = &call->subject,
                            .kind = t->kind,
                            .op = op,
                            .ns = t->ns,
                            .name = t->name,
                            .user_agent = http_stream_header(call->stream, "user-agent"),
                            .remote = slice_of(call->stream->remote),
                            .raw = slice_make(raw, len),
                            .deadline_ms = call->deadline_ms == UINT64_MAX ? 0 : call->deadline_ms,
                            .user = w,
                            .done = on_written};
    take_options(&w->write, options);
    size_t id = w->write.request_id.len;
    if (id != 0 && (id < 16 || id > 64)) {
        grpc_bad_field(call, "options.request_id", "options.request_id must have 16 to 64 bytes");
        return NULL;
    }
    const struct kind_registry *kinds = api_kinds(call->api, call->arena);
    const struct kind *part = kind_part(kinds, t->kind, t->subresource);
    if (part != NULL && op == ADMIT_CREATE) {
        w->kind = part;
        w->write.kind = part;
    } else if (!subresource_of(t->subresource, &w->write.sub)) {
        struct err err;
        (void)err_set(&err, ERR_METHOD, "ref.subresource: the kind has no such one");
        grpc_finish(call, err.code, &err, NULL);
        return NULL;
    }
    return w;
}

static void go(struct writing *w)
{
    w->call->state = w;
    w->call->cancel = cancel_write;
    grpc_hold(w->call);
    gate_write(&w->write);
}

/* Fills in of a ref what the object says itself; what both say is checked by admission. */
static Choreo__V1__Ref complete_ref(struct grpc_call *call, const Choreo__V1__Ref *given,
                                    const struct kind *kind, const json_t *object, bool named)
{
    Choreo__V1__Ref ref = CHOREO__V1__REF__INIT;
    if (given != NULL) {
        ref = *given;
    }
    if (ref.resource == NULL && ref.kind == NULL) {
        ref.group = arena_cstr(call->arena, kind->group);
        ref.resource = arena_cstr(call->arena, kind->plural);
        ref.version = arena_cstr(call->arena, kind->version);
    }
    if (ref.namespace_ == NULL || *ref.namespace_ == '\0') {
        ref.namespace_ = arena_cstr(call->arena, object_ns(object));
    }
    if (named && (ref.name == NULL || *ref.name == '\0')) {
        ref.name = arena_cstr(call->arena, object_name(object));
    }
    return ref;
}

static void write_object(struct grpc_call *call, const ProtobufCMessage *message, enum admit_op op,
                         const char *verb)
{
    const Choreo__V1__WriteRequest *request = (const Choreo__V1__WriteRequest *)message;
    const struct kind *kind = NULL;
    json_t *object = NULL;
    struct target t = {0};
    struct err err = {0};
    int rc = resource_unpack(call, request->object, &object, &kind, &err);
    if (rc != 0) {
        grpc_finish_field(call, rc, &err, "object");
        return;
    }
    Choreo__V1__Ref ref = complete_ref(call, request->ref, kind, object, op != ADMIT_CREATE);
    if (!resource_target(call, &ref, verb, false, &t)) {
        return;
    }
    if (op != ADMIT_CREATE && t.name.len == 0) {
        grpc_bad_field(call, "object.metadata.name", "the object has no metadata.name");
        return;
    }
    struct writing *w = prepare(call, &t, op, request->options, request->form, message);
    if (w != NULL) {
        w->write.incoming = object;
        go(w);
    }
}

void resource_create(struct grpc_call *call, const ProtobufCMessage *request)
{
    write_object(call, request, ADMIT_CREATE, "create");
}

void resource_update(struct grpc_call *call, const ProtobufCMessage *request)
{
    write_object(call, request, ADMIT_UPDATE, "update");
}

void resource_apply(struct grpc_call *call, const ProtobufCMessage *request)
{
    write_object(call, request, ADMIT_APPLY, "patch");
}

static void release_tree(void *tree)
{
    json_decref(tree);
}

void resource_patch(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Choreo__V1__PatchRequest *request = (const Choreo__V1__PatchRequest *)message;
    enum admit_op op = request->type == CHOREO__V1__PATCH_TYPE__PATCH_TYPE_JSON ? ADMIT_PATCH_JSON
                       : request->type == CHOREO__V1__PATCH_TYPE__PATCH_TYPE_STRATEGIC
                           ? ADMIT_PATCH_STRATEGIC
                           : ADMIT_PATCH_MERGE;
    struct target t = {0};
    struct err err = {0};
    json_t *patch = NULL;
    if (!resource_target(call, request->ref, "patch", false, &t)) {
        return;
    }
    if (t.name.len == 0) {
        grpc_bad_field(call, "ref.name", "ref.name is required");
        return;
    }
    struct slice text = slice_make(request->patch.data, request->patch.len);
    int rc = api_hold_tree(call->ticket, text, &err);
    rc = rc != 0 ? rc : json_parse_body(text, &patch, &err);
    if (rc != 0) {
        (void)err_wrap(&err, "patch");
        grpc_finish_field(call, rc, &err, "patch");
        return;
    }
    arena_own(call->arena, patch, release_tree);
    struct writing *w = prepare(call, &t, op, request->options, request->form, message);
    if (w != NULL) {
        w->write.incoming = patch;
        go(w);
    }
}

/* What was asked as Kubernetes' DeleteOptions, which admission knows. */
static json_t *delete_options(struct grpc_call *call, const Choreo__V1__DeleteRequest *request)
{
    static const char *const policies[] = {
        [CHOREO__V1__PROPAGATION__PROPAGATION_BACKGROUND] = "Background",
        [CHOREO__V1__PROPAGATION__PROPAGATION_FOREGROUND] = "Foreground",
        [CHOREO__V1__PROPAGATION__PROPAGATION_ORPHAN] = "Orphan"};
    json_t *options = json_object();
    if (request->has_propagation) {
        size_t i = (size_t)request->propagation; /* an unknown one is refused by its number */
        json_object_set_new(
            options, "propagationPolicy",
            json_string(i < sizeof(policies) / sizeof(policies[0])
                            ? policies[i]
                            : arena_printf(call->arena, "%d", (int)request->propagation)));
    }
    json_t *preconditions = json_object();
    if (request->uid != NULL && *request->uid != '\0') {
        json_object_set_new(preconditions, "uid", json_string(request->uid));
    }
    if (request->resource_version != 0) {
        const char *version =
            arena_printf(call->arena, "%llu", (unsigned long long)request->resource_version);
        json_object_set_new(preconditions, "resourceVersion", json_string(version));
    }
    json_object_set_new(options, "preconditions", preconditions);
    arena_own(call->arena, options, release_tree);
    return options;
}

void resource_delete(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Choreo__V1__DeleteRequest *request = (const Choreo__V1__DeleteRequest *)message;
    struct target t = {0};
    if (!resource_target(call, request->ref, "delete", false, &t)) {
        return;
    }
    if (t.name.len == 0) {
        grpc_bad_field(call, "ref.name", "ref.name is required");
        return;
    }
    struct writing *w = prepare(call, &t, ADMIT_DELETE, request->options, request->form, message);
    if (w == NULL) {
        return;
    }
    w->write.done = on_deleted;
    w->write.incoming = delete_options(call, request);
    go(w);
}
