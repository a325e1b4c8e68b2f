/* impersonation.h: asking in another's name, as kubectl --as and --as-group do.
 *
 *   Impersonate-User, Impersonate-Group (any number), Impersonate-Uid, Impersonate-Extra-KEY
 *
 * gRPC's metadata are such headers, too. Each user, group, uid and value that is named needs the
 * verb `impersonate` on it, as Kubernetes has it (users, groups, serviceaccounts;
 * authentication.k8s.io's uids and userextras/KEY). Who really asked stays known: subject.really.
 * Owner: results live in the stream's arena. Thread: the stream's loop. */
#ifndef NODE_API_IMPERSONATION_H
#define NODE_API_IMPERSONATION_H

#include "node/api/api.h"

/* Turns subject into whom the request's headers name; without any it stays as it is.
 * Errors: ERR_INVALID (no user among them, too many of them), ERR_UNAUTHENTICATED, ERR_FORBIDDEN.
 */
int impersonate(struct api *api, struct http_stream *stream, struct subject *subject,
                struct err *err);

#endif
