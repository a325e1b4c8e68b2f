/* resource.c: refs, objects and selectors of ResourceService, in and out.
 *
 * Typed messages travel in google.protobuf.Any as "type.googleapis.com/choreo.v1.Component"; kinds
 * without a message, and clients that ask for it, use JSON as REST gives it. */
#include "node/api/grpc/resource.h"

#include <string.h>

#include "proto/object.h"
#include "proto/table.h"
#include "proto/typed.h"

#define TYPE_PREFIX "type.googleapis.com/"

static const grpc_method methods[] = {
    resource_get,   resource_list,   resource_create, resource_update, resource_apply,
    resource_patch, resource_delete, resource_watch,  resource_kinds,  resource_schema,
};

const struct grpc_service grpc_resource_service = {
    .descriptor = &choreo__v1__resource_service__descriptor,
    .methods = methods,
    .authorizes = true,
    .open_ended = true, /* Watch; the others take the api's own limit */
    .watches = 1U << 7,
};

static void release_tree(void *tree)
{
    json_decref(tree);
}

static void release_selector(void *selector)
{
    selector_free(selector);
}

/* ---- refs ---- */

int resource_kind(const struct kind_registry *kinds, const Choreo__V1__Ref *ref,
                  const struct kind **kind, struct err *err)
{
    struct slice words = slice_of(ref->resource != NULL ? ref->resource : ref->kind);
    *kind = NULL;
    if (words.len == 0) {
        return err_set(err, ERR_INVALID, "the ref names neither resource nor kind");
    }
    if (ref->group == NULL) {
        *kind = kind_by_name(kinds, words);
    }
    for (size_t i = 0; ref->group != NULL && *kind == NULL && i < kind_registry_count(kinds); i++) {
        const struct kind *k = kind_registry_at(kinds, i);
        bool named = ref->resource != NULL ? slice_eq(k->plural, words) : slice_eq(k->kind, words);
        bool version = ref->version == NULL || *ref->version == '\0' ||
                       slice_eq_cstr(k->version, ref->version);
        *kind = named && version && slice_eq_cstr(k->group, ref->group) ? k : NULL;
    }
    return *kind != NULL ? 0
                         : err_set(err, ERR_NOT_FOUND, "the server has no kind \"%.*s\"%s%s",
                                   SLICE_ARG(words), ref->group != NULL ? " in group " : "",
                                   ref->group != NULL ? ref->group : "");
}

static int find_target(struct grpc_call *call, const Choreo__V1__Ref *ref, bool all_namespaces,
                       struct target *target, struct err *err)
{
    if (ref == NULL) {
        return err_set(err, ERR_INVALID, "ref is required");
    }
    int rc = resource_kind(api_kinds(call->api, call->arena), ref, &target->kind, err);
    if (rc != 0) {
        return rc;
    }
    target->ns = slice_of(ref->namespace_);
    target->name = slice_of(ref->name);
    target->subresource = slice_of(ref->subresource);
    if (slice_eq_cstr(target->subresource, "log")) {
        return err_set(err, ERR_METHOD, "logs are choreo.v1.LogService's");
    }
    if (!target->kind->namespaced) {
        target->ns = (struct slice){0};
    } else if (target->ns.len == 0 && !all_namespaces) {
        target->ns = SLICE("default");
    }
    return 0;
}

/* All verbs of a kind that is stored; else those that it has. */
static int check_verb(const struct kind *kind, const char *verb, struct err *err)
{
    for (int i = 0; i < KIND_VERB_COUNT; i++) {
        if (strcmp(kind_verb_name(i), verb) == 0 && (kind->verbs & (1U << i)) == 0) {
            return err_set(err, ERR_METHOD, "%.*s does not support the verb %s",
                           SLICE_ARG(kind->resource), verb);
        }
    }
    return 0;
}

bool resource_target(struct grpc_call *call, const Choreo__V1__Ref *ref, const char *verb,
                     bool all_namespaces, struct target *target)
{
    struct err err = {0};
    int rc = find_target(call, ref, all_namespaces, target, &err);
    if (rc == 0) {
        const struct auth_request request = {.subject = &call->subject,
                                             .verb = slice_of(verb),
                                             .group = target->kind->group,
                                             .resource = target->kind->plural,
                                             .subresource = target->subresource,
                                             .ns = target->ns,
                                             .name = target->name};
        rc = api_authorize(call->api, &request, &err);
        rc = rc != 0 ? rc : check_verb(target->kind, verb, &err);
    }
    if (rc != 0) {
        grpc_finish_field(call, rc, &err, "ref");
    }
    return rc == 0;
}

bool resource_selector(struct grpc_call *call, const struct kind *kind, const char *labels,
                       const char *fields, struct selector **selector)
{
    struct err err = {0};
    *selector = NULL;
    int rc = selector_parse(slice_of(labels), slice_of(fields), kind, selector, &err);
    if (rc != 0) {
        bool by_labels = selector_parse(slice_of(labels), SLICE(""), kind, selector, NULL) != 0;
        selector_free(*selector);
        *selector = NULL;
        grpc_finish_field(call, rc, &err, by_labels ? "label_selector" : "field_selector");
        return false;
    }
    if (*selector != NULL) {
        arena_own(call->arena, *selector, release_selector);
    }
    return true;
}

/* ---- objects out ---- */

Choreo__V1__Object *resource_json(struct grpc_call *call, struct slice json)
{
    Choreo__V1__Object *o = ARENA_NEW(call->arena, Choreo__V1__Object);
    struct slice copy = arena_copy(call->arena, json);
    choreo__v1__object__init(o);
    o->form_case = CHOREO__V1__OBJECT__FORM_JSON;
    o->json.len = copy.len;
    o->json.data = arena_alloc(call->arena, copy.len);
    memcpy(o->json.data, copy.data, copy.len);
    return o;
}

static int pack_typed(struct grpc_call *call, const struct kind *kind,
                      const struct backend_object *object, Choreo__V1__Object **out,
                      struct err *err)
{
    json_t *tree = NULL;
    struct buf wire = {0};
    int rc = object_parse(object->body, object->version, &tree, err);
    rc = rc != 0 ? rc : typed_from_json(kind, tree, &wire, err);
    if (rc == 0) {
        Google__Protobuf__Any *any = ARENA_NEW(call->arena, Google__Protobuf__Any);
        google__protobuf__any__init(any);
        any->type_url = arena_printf(call->arena, TYPE_PREFIX "%.*s", SLICE_ARG(kind->message));
        any->value.len = wire.len;
        any->value.data = arena_alloc(call->arena, wire.len);
        memcpy(any->value.data, wire.data, wire.len);
        *out = ARENA_NEW(call->arena, Choreo__V1__Object);
        choreo__v1__object__init(*out);
        (*out)->form_case = CHOREO__V1__OBJECT__FORM_TYPED;
        (*out)->typed = any;
    }
    buf_free(&wire);
    json_decref(tree);
    return rc;
}

/* A Table of one row. */
static int write_table(struct grpc_call *call, const struct kind *kind,
                       const struct backend_object *object, struct buf *out, struct err *err)
{
    const struct table_form form = {.version = SLICE("v1"),
                                    .now_ms = call->api->clock->wall_ms(call->api->clock)};
    buf_add_cstr(out, "{\"apiVersion\":\"meta.k8s.io/v1\",\"columnDefinitions\":");
    table_columns(kind, out);
    buf_addf(out, ",\"kind\":\"Table\",\"metadata\":{\"resourceVersion\":\"%llu\"},\"rows\":[",
             (unsigned long long)object->version);
    int rc = table_row(kind, object, &form, out, err);
    buf_add_cstr(out, "]}");
    return rc;
}

int resource_pack(struct grpc_call *call, const struct kind *kind, Choreo__V1__Form form,
                  const struct backend_object *object, Choreo__V1__Object **out, struct err *err)
{
    struct buf json = {0};
    int rc = 0;
    if (form == CHOREO__V1__FORM__FORM_TYPED && kind->message.len > 0) {
        return pack_typed(call, kind, object, out, err);
    }
    if (form == CHOREO__V1__FORM__FORM_TABLE) {
        rc = write_table(call, kind, object, &json, err);
    } else if (form == CHOREO__V1__FORM__FORM_METADATA) {
        rc = table_partial(object, SLICE("v1"), &json, err);
    } else {
        object_emit_as(&json, kind, object);
    }
    if (rc == 0) {
        *out = resource_json(call, buf_slice(&json));
    }
    buf_free(&json);
    return rc;
}

/* ---- objects in ---- */

static int unpack_typed(struct grpc_call *call, const Google__Protobuf__Any *any, json_t **tree,
                        const struct kind **kind, struct err *err)
{
    struct slice url = slice_of(any != NULL ? any->type_url : NULL);
    *kind = kind_by_message(api_kinds(call->api, call->arena), url);
    if (*kind == NULL) {
        return err_set(err, ERR_NOT_FOUND, "the server has no kind of message type \"%.*s\"",
                       SLICE_ARG(url));
    }
    return typed_to_json(*kind, slice_make(any->value.data, any->value.len), tree, err);
}

int resource_unpack(struct grpc_call *call, const Choreo__V1__Object *object, json_t **tree,
                    const struct kind **kind, struct err *err)
{
    int rc = 0;
    *tree = NULL;
    if (object != NULL && object->form_case == CHOREO__V1__OBJECT__FORM_TYPED) {
        rc = unpack_typed(call, object->typed, tree, kind, err);
    } else if (object != NULL && object->form_case == CHOREO__V1__OBJECT__FORM_JSON) {
        struct slice json = slice_make(object->json.data, object->json.len);
        rc = api_hold_tree(call->ticket, json, err);
        rc = rc != 0 ? rc : json_parse_body(json, tree, err);
        if (rc == 0) {
            *kind = kind_by_type(api_kinds(call->api, call->arena), object_api_version(*tree),
                                 object_kind(*tree));
            if (*kind == NULL) {
                rc = err_set(err, ERR_NOT_FOUND, "the server has no kind \"%.*s\" in \"%.*s\"",
                             SLICE_ARG(object_kind(*tree)), SLICE_ARG(object_api_version(*tree)));
            }
        }
    } else {
        rc = err_set(err, ERR_INVALID, "object is required, typed or as JSON");
    }
    if (*tree != NULL) {
        arena_own(call->arena, *tree, release_tree);
    }
    return rc;
}
