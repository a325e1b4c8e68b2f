/* api.h: what the doors share: the state behind them, who may do what, and where requests go.
 *
 *   http_server.route -> api_accept -> gRPC (content-type application/grpc) | a route of the
 *   program's | REST
 *
 * Every request is authenticated and authorized here, before a door sees it (REST), or by the door
 * through the same two functions (gRPC). Denied unless allowed.
 * Owner:  the caller embeds struct api, fills it in by api_init() and keeps it until every server
 *         that routes to it has closed.
 * Thread: immutable once servers run; shared by all front loops. */
#ifndef NODE_API_API_H
#define NODE_API_API_H

#include "base/clock.h"
#include "base/quota.h"
#include "node/auth/auth.h"
#include "node/http/stream.h"
#include "proto/backend.h"
#include "proto/kind_board.h"

struct api;
struct api_call;
struct causes;
struct log_source;
struct status;

/* A path served besides the doors: an admin endpoint. */
struct api_route {
    const char *method; /* NULL: any */
    const char *path;   /* exact; with "/" at its end: everything below, too */
    void (*serve)(struct api_call *call);
    void *user;
    /* Whoever asks is served, as nobody, and serve() finds out what they may: so much of each
     * address, with bodies up to body_max. NULL: authenticated and authorized, as everything. */
    struct quota *open;
    size_t body_max;
};

/* A named check of /readyz and /livez: 0, or an error whose message says what is wrong. */
struct api_check {
    const char *name;
    int (*check)(struct api *api, void *user, struct err *err);
    void *user;
    bool live; /* also part of /livez */
};

enum { API_ROUTES_MAX = 16, API_CHECKS_MAX = 16 };

/* Of an anonymous caller's request: nothing that it may ask is longer. */
enum { API_STRANGER_BYTES_MAX = 4096 };

struct api_config {
    struct backend *backend;
    struct kind_board *kinds;              /* borrowed */
    const struct expressions *expressions; /* of custom kinds' rules; NULL: not enforced */
    const struct auth *auth;               /* who may come in; borrowed */
    /* Instead of auth_authenticate() by auth, in tests. */
    int (*authenticate)(struct api *api, const struct tls_peer *peer, struct slice authorization,
                        struct arena *arena, struct subject *subject, struct err *err);
    /* As admit_request's: for every write of every door. NULL: schemas say all. */
    void (*validate)(const json_t *object, struct causes *causes);
    struct log_source *logs; /* of the log subresource; borrowed; NULL: none is served */
    /* As admit_request's: does a garbage collector see to objects of the resource? NULL: none. */
    bool (*collected)(struct slice resource);
    const struct clock *clock; /* NULL: the system's */
    const char *name;          /* of the program, in /version and default field managers */
    uint32_t timeout_ms;       /* of one request to the backend; 0: 30 s */
    struct quota *quota;       /* what a subject may have at a time; borrowed; NULL: no limits */
    struct quota *strangers; /* what an anonymous caller's address may; apart, so that no number of
                                them leaves the others nothing; NULL: quota */
    /* The gRPC door; NULL: 415. It owns the stream from here on. */
    void (*grpc)(struct api *api, struct http_stream *stream);
    void *grpc_user; /* the door's */
    void *user;
};

struct api {
    struct api_config config;
    struct backend *backend;
    const struct clock *clock;
    void *user;
    /* private */
    struct shared docs; /* struct api_docs: of the kinds last asked about */
    struct api_route routes[API_ROUTES_MAX];
    size_t route_count;
    struct api_check checks[API_CHECKS_MAX];
    size_t check_count;
    uint8_t token_key[32]; /* seals continue tokens; api_set_token_key() shares it between nodes */
};

void api_init(struct api *api, const struct api_config *config);
void api_free(struct api *api);
/* continue tokens made by one node are taken by another if both have the same key. */
void api_set_token_key(struct api *api, const uint8_t key[32]);
void api_add_route(struct api *api, const struct api_route *route);
void api_add_check(struct api *api, const struct api_check *check);
/* The kinds that are served now; they stay as long as the arena, whatever is published meanwhile.
 */
const struct kind_registry *api_kinds(struct api *api, struct arena *arena);

/* http_server_config.route of a program calls this. */
void api_accept(struct api *api, struct http_stream *stream);

/* Who asks, or in whose name (impersonation.h): for doors that route streams themselves. The
 * subject lives in the stream's arena. It may depend on a service account (account_bound(),
 * accounts.h): then that is checked before anything is done. Errors: ERR_UNAUTHENTICATED, and
 * impersonate()'s. */
int api_authenticate(struct api *api, struct http_stream *stream, struct subject *subject,
                     struct err *err);
/* Whose credentials these are, of whatever stream: peer may be NULL. As above for accounts. */
int api_identify(struct api *api, const struct tls_peer *peer, struct slice authorization,
                 struct arena *arena, struct subject *subject, struct err *err);
/* May they: auth_authorize(). Errors: ERR_UNAUTHENTICATED, ERR_FORBIDDEN. */
int api_authorize(struct api *api, const struct auth_request *request, struct err *err);

/* Begins a request of the subject's, which ends with the stream, however it ends; watches are
 * counted apart. Anonymous subjects are one for each address. Errors: ERR_BUSY. */
int api_enter(struct api *api, struct http_stream *stream, const struct subject *subject,
              bool endless, struct quota_ticket **ticket, struct err *err);
/* A JSON document is about to become a tree for that request: counts what it will take. Errors:
 * ERR_BUSY. */
int api_hold_tree(struct quota_ticket *ticket, struct slice json, struct err *err);

/* ---- one call of a route of the program's ---- */

struct api_call {
    struct api *api;
    struct http_stream *stream; /* path, query, body, arena; alive until the call is answered */
    const struct subject *subject;
    const struct api_route *route;
};

/* Answers and ends the call, once, at any time after serve() began. */
void api_call_respond(struct api_call *call, int status, const char *content_type,
                      struct slice body);
/* A Status object, with the headers that belong to it; the stream is not released. */
void api_respond_status(struct http_stream *stream, const struct status *status);
/* Likewise, and ends the call. */
void api_call_error(struct api_call *call, const struct err *err);

#endif
