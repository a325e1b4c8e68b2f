/* resource.h: what the methods of choreo.v1.ResourceService share.
 *
 * Owner: everything lives in the call's arena. Thread: the call's loop. */
#ifndef NODE_API_GRPC_RESOURCE_H
#define NODE_API_GRPC_RESOURCE_H

#include "node/api/grpc/door.h"
#include "proto/choreo/v1/services.pb-c.h"
#include "proto/selector.h"

/* What a Ref names, resolved and allowed. */
struct target {
    const struct kind *kind;
    struct slice ns; /* `default` where a namespaced kind was given none */
    struct slice name;
    struct slice subresource;
};

/* Resolves ref and authorizes the verb on it. all_namespaces: an empty namespace stays empty.
 * False: the call is finished with the error. */
bool resource_target(struct grpc_call *call, const Choreo__V1__Ref *ref, const char *verb,
                     bool all_namespaces, struct target *target);
/* A kind by a Ref's words. Errors: ERR_NOT_FOUND. */
int resource_kind(const struct kind_registry *kinds, const Choreo__V1__Ref *ref,
                  const struct kind **kind, struct err *err);
/* False: the call is finished. *selector is NULL for everything; freed with the call's arena. */
bool resource_selector(struct grpc_call *call, const struct kind *kind, const char *labels,
                       const char *fields, struct selector **selector);

/* A stored object in the form that was asked for, in the arena. Errors: ERR_CORRUPT. */
int resource_pack(struct grpc_call *call, const struct kind *kind, Choreo__V1__Form form,
                  const struct backend_object *object, Choreo__V1__Object **out, struct err *err);
/* A client's object as a tree (the arena's), with its kind. Errors: ERR_INVALID, ERR_NOT_FOUND. */
int resource_unpack(struct grpc_call *call, const Choreo__V1__Object *object, json_t **tree,
                    const struct kind **kind, struct err *err);
/* A JSON document as an Object. */
Choreo__V1__Object *resource_json(struct grpc_call *call, struct slice json);

void resource_get(struct grpc_call *call, const ProtobufCMessage *request);
void resource_list(struct grpc_call *call, const ProtobufCMessage *request);
void resource_kinds(struct grpc_call *call, const ProtobufCMessage *request);
void resource_schema(struct grpc_call *call, const ProtobufCMessage *request);
void resource_create(struct grpc_call *call, const ProtobufCMessage *request);
void resource_update(struct grpc_call *call, const ProtobufCMessage *request);
void resource_apply(struct grpc_call *call, const ProtobufCMessage *request);
void resource_patch(struct grpc_call *call, const ProtobufCMessage *request);
void resource_delete(struct grpc_call *call, const ProtobufCMessage *request);
void resource_watch(struct grpc_call *call, const ProtobufCMessage *request);

#endif
