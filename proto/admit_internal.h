/* admit_internal.h: between the files of the write pipeline.
 * Thread: any. */
#ifndef PROTO_ADMIT_INTERNAL_H
#define PROTO_ADMIT_INTERNAL_H

#include "proto/admit.h"
#include "proto/apply.h"

enum { ADMIT_MANAGER_BYTES_MAX = 128 };

/* Fills result->message and err; returns code. */
int admit__fail(const struct admit_request *request, struct admit_result *result, struct err *err,
                int code, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* ERR_UNPROCESSABLE with result->causes. */
int admit__invalid(const struct admit_request *request, struct admit_result *result,
                   struct err *err);
/* Gives a tree to the arena. */
json_t *admit__own(struct arena *arena, json_t *tree);

/* Checks apiVersion, kind, namespace and name against the request, and fills them in. */
int admit__identity(const struct admit_request *request, struct admit_result *result,
                    json_t *object, struct err *err);
/* Takes out fields that the kind does not have, and says so as the client asked. */
int admit__prune(const struct admit_request *request, struct admit_result *result, json_t *object,
                 struct err *err);
/* Status is written through its subresource, except by the control plane itself. */
bool admit__status_apart(const struct admit_request *request);
/* A member of `from` in place of object's: the same, or gone. */
void admit__take_member(json_t *object, const json_t *from, const char *name);

/* ADMIT_APPLY: *object is the new state, new. */
int admit__apply(const struct admit_request *request, struct admit_result *result, json_t **object,
                 struct err *err);
/* Who writes, for the books; now holds the text of its time. */
struct apply_context admit__context(const struct admit_request *request, char now[21]);

/* metadata: what the server keeps, taken from before or made new. */
void admit__metadata(const struct admit_request *request, struct admit_result *result);
/* metadata's rules: names, labels, annotations, finalizers, owners. */
void admit__check_metadata(const struct admit_request *request, struct admit_result *result);
/* metadata.resourceVersion and uid of sent metadata as preconditions. */
int admit__preconditions(const struct admit_request *request, struct admit_result *result,
                         struct slice uid, struct slice version, struct err *err);
/* ADMIT_DELETE: result->object becomes the last or the terminating state. */
int admit__delete(const struct admit_request *request, struct admit_result *result,
                  struct err *err);

/* What single Kubernetes kinds want: before defaulting, and when checking. */
void admit__prepare_kind(const struct admit_request *request, struct admit_result *result);
void admit__check_kind(const struct admit_request *request, struct admit_result *result);
/* What a write that is done has in its wake, where that may surprise. */
void admit__warn_kind(const struct admit_request *request, struct admit_result *result);
/* Of an object of the right form: what a kube-apiserver wants besides (kube_rules.h). */
void admit__check_kube(struct admit_result *result);

/* Notes who writes, on the object as it would become (admit_author.c); ERR_FORBIDDEN for what the
 * control plane alone makes. */
int admit__stamp(const struct admit_request *request, struct admit_result *result, struct err *err);
/* ERR_FORBIDDEN for a client's write of a status that decides something. */
int admit__own_status(const struct admit_request *request, struct admit_result *result,
                      struct err *err);

/* Of what stays as it was made (admit_frozen.c). */
void admit__check_selector(const struct admit_request *request, struct admit_result *result);
void admit__check_job(const struct admit_request *request, struct admit_result *result);
void admit__check_service(const struct admit_request *request, struct admit_result *result);
void admit__check_secret_type(struct admit_result *result);

/* Of what keeps its volumes (admit_volumes.c). */
void admit__check_stateful_set(const struct admit_request *request, struct admit_result *result);
void admit__check_claim(const struct admit_request *request, struct admit_result *result);
/* Of a claim: may its volume be larger? Errors: ERR_FORBIDDEN. */
int admit__check_growth(const struct admit_request *request, struct admit_result *result,
                        struct err *err);

/* Of roles and bindings (admit_rbac.c). */
void admit__prepare_binding(json_t *object);
void admit__check_binding(const struct admit_request *request, struct admit_result *result);

/* Of the kinds that are answered (admit_reviews.c). */
void admit__check_self_access(const struct admit_request *request, struct admit_result *result);
void admit__check_access(const struct admit_request *request, struct admit_result *result);
void admit__check_local_access(const struct admit_request *request, struct admit_result *result);
void admit__check_token_request(const struct admit_request *request, struct admit_result *result);
void admit__check_rules_review(const struct admit_request *request, struct admit_result *result);

/* When a manager wrote last is no news by itself: as in an API server, an object that differs in
 * those times alone keeps the old ones. What is written another way than it is stored (stringData,
 * say) would come anew with each apply. */
void admit__keep_times(const json_t *before, json_t *object);

/* The scale subresource, as a tree without apiVersion's companions: new. */
json_t *admit__scale_view(const struct kind *kind, const json_t *object);
/* Takes spec.replicas of a Scale over into object. False if it is no integer >= 0. */
bool admit__scale_take(const struct kind *kind, const json_t *scale, json_t *object);

#endif
