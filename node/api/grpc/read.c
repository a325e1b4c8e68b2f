/* read.c: ResourceService.Get and List.
 *
 * A List answers one message of at most `limit` objects (500 at most, and 3 MiB), with a `continue`
 * that names the version and the last key (page_token.h); the next page is read at that same
 * version. */
#include <stdlib.h>
#include <string.h>

#include "node/api/grpc/resource.h"
#include "node/api/page_token.h"
#include "proto/object.h"

enum { REPLY_BYTES_MAX = 3 * 1024 * 1024 };

static enum backend_consistency consistency_of(Choreo__V1__Consistency c)
{
    switch (c) {
    case CHOREO__V1__CONSISTENCY__CONSISTENCY_STALE:
        return BACKEND_STALE;
    case CHOREO__V1__CONSISTENCY__CONSISTENCY_AT_LEAST:
        return BACKEND_AT_LEAST;
    case CHOREO__V1__CONSISTENCY__CONSISTENCY_EXACT:
        return BACKEND_EXACT;
    case CHOREO__V1__CONSISTENCY__CONSISTENCY_LINEARIZABLE:
    case _CHOREO__V1__CONSISTENCY_IS_INT_SIZE:
    default:
        return BACKEND_LINEARIZABLE;
    }
}

static uint64_t deadline_of(const struct grpc_call *call)
{
    uint64_t ours = loop_now_ms(call->loop) + GRPC_DEADLINE_MS;
    return call->deadline_ms < ours ? call->deadline_ms : ours;
}

/* ---- Get ---- */

struct getting {
    struct grpc_call *call;
    struct backend_get get;
    const struct kind *kind;
    Choreo__V1__Form form;
};

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct getting *g = get->user;
    struct grpc_call *call = g->call;
    struct err why = {0};
    Choreo__V1__ObjectResponse response = CHOREO__V1__OBJECT_RESPONSE__INIT;
    if (rc == 0) {
        rc = resource_pack(call, g->kind, g->form, &get->object, &response.object, &why);
        err = &why;
    }
    if (rc == ERR_NOT_FOUND) {
        (void)err_set(&why, rc, "%.*s \"%.*s\" not found", SLICE_ARG(g->kind->resource),
                      SLICE_ARG(get->key.name));
        err = &why;
    }
    if (rc != 0) {
        grpc_finish(call, rc, err, NULL);
    } else {
        response.has_resource_version = true;
        response.resource_version = get->object.version;
        grpc_reply(call, &response.base);
    }
    grpc_drop(call);
}

static void cancel_get(struct grpc_call *call)
{
    struct getting *g = call->state;
    call->api->backend->ops->cancel(call->api->backend, &g->get);
}

void resource_get(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Choreo__V1__GetRequest *request = (const Choreo__V1__GetRequest *)message;
    struct target t = {0};
    if (!resource_target(call, request->ref, "get", false, &t)) {
        return;
    }
    if (t.name.len == 0) {
        grpc_bad_field(call, "ref.name", "ref.name is required");
        return;
    }
    struct getting *g = ARENA_NEW(call->arena, struct getting);
    g->call = call;
    g->kind = t.kind;
    g->form = request->form;
    g->get = (struct backend_get){.loop = call->loop,
                                  .key = {t.kind->resource, t.ns, t.name},
                                  .consistency = consistency_of(request->consistency),
                                  .version = request->resource_version,
                                  .deadline_ms = deadline_of(call),
                                  .user = g,
                                  .done = on_got};
    call->state = g;
    call->cancel = cancel_get;
    grpc_hold(call);
    call->api->backend->ops->get(call->api->backend, &g->get);
}

/* ---- List ---- */

struct listing {
    struct grpc_call *call;
    struct backend_list list;
    const struct kind *kind;
    Choreo__V1__Form form;
    struct slice identity; /* of the list that a continue belongs to */
    Choreo__V1__Object *objects[BACKEND_PAGE_ROWS_MAX];
    size_t count;
    size_t bytes;
    bool full; /* the reply is: later rows are for the next page */
    struct backend_cursor last;
    int rc;
    struct err err;
};

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct listing *l = list->user;
    size_t size = object->body.len + 64;
    l->full = l->full || (l->count > 0 && l->bytes + size > REPLY_BYTES_MAX);
    if (l->full || l->rc != 0 || l->count == BACKEND_PAGE_ROWS_MAX) {
        return;
    }
    l->rc = resource_pack(l->call, l->kind, l->form, object, &l->objects[l->count], &l->err);
    l->count += l->rc == 0 ? 1 : 0;
    l->bytes += size;
    backend_cursor_set(&l->last, &object->key);
}

static char *make_continue(const struct listing *l)
{
    const struct page_token token = {l->list.read_version, slice_of(l->last.ns),
                                     slice_of(l->last.name)};
    struct buf text = {0};
    page_token_write(&token, l->call->api->token_key, l->identity, &text);
    char *copy = arena_cstr(l->call->arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

static int read_continue(struct listing *l, const char *text, struct err *err)
{
    struct page_token token;
    int rc = page_token_read(slice_of(text), l->call->api->token_key, l->identity, l->call->arena,
                             &token, err);
    if (rc == 0) {
        l->list.after_ns = token.ns;
        l->list.after_name = token.name;
        l->list.version = token.version;
        l->list.consistency = token.version != 0 ? BACKEND_EXACT : BACKEND_LINEARIZABLE;
    }
    return rc;
}

static void reply_list(struct listing *l)
{
    struct grpc_call *call = l->call;
    Choreo__V1__ListResponse response = CHOREO__V1__LIST_RESPONSE__INIT;
    response.objects = l->objects;
    response.n_objects = l->count;
    response.has_resource_version = true;
    response.resource_version = l->list.read_version;
    if ((l->list.more || l->full) && l->count > 0) {
        response.continue_ = make_continue(l);
        response.has_remaining = l->list.remaining >= 0 && !l->full;
        response.remaining = l->list.remaining;
    }
    grpc_reply(call, &response.base);
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct listing *l = list->user;
    if (rc == 0 && l->rc != 0) {
        rc = l->rc;
        err = &l->err;
    }
    if (rc != 0) {
        grpc_finish(l->call, rc, err, NULL);
    } else {
        reply_list(l);
    }
    grpc_drop(l->call);
}

static void cancel_list(struct grpc_call *call)
{
    struct listing *l = call->state;
    call->api->backend->ops->cancel(call->api->backend, &l->list);
}

void resource_list(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Choreo__V1__ListRequest *request = (const Choreo__V1__ListRequest *)message;
    struct target t = {0};
    struct selector *selector;
    if (!resource_target(call, request->ref, "list", true, &t) ||
        !resource_selector(call, t.kind, request->label_selector, request->field_selector,
                           &selector)) {
        return;
    }
    struct listing *l = ARENA_NEW(call->arena, struct listing);
    size_t limit = request->limit > 0 && request->limit < BACKEND_PAGE_ROWS_MAX
                       ? request->limit
                       : BACKEND_PAGE_ROWS_MAX;
    l->call = call;
    l->kind = t.kind;
    l->form = request->form;
    l->identity =
        page_token_identity(call->arena, t.kind->resource, t.ns, slice_of(request->label_selector),
                            slice_of(request->field_selector));
    l->list = (struct backend_list){.loop = call->loop,
                                    .resource = t.kind->resource,
                                    .ns = t.ns,
                                    .selector = selector,
                                    .consistency = consistency_of(request->consistency),
                                    .version = request->resource_version,
                                    .limit = limit,
                                    .count_remaining = selector == NULL,
                                    .whose = slice_hash(call->subject.user),
                                    .deadline_ms = deadline_of(call),
                                    .user = l,
                                    .row = on_row,
                                    .done = on_listed};
    struct err err = {0};
    if (request->continue_ != NULL && *request->continue_ != '\0' &&
        read_continue(l, request->continue_, &err) != 0) {
        grpc_finish_field(call, ERR_INVALID, &err, "continue");
        return;
    }
    call->state = l;
    call->cancel = cancel_list;
    grpc_hold(call);
    call->api->backend->ops->list(call->api->backend, &l->list);
}
