/* rest.h: one call at the Kubernetes door. Private to node/api.
 * Owner:  the call lives in its stream's arena and releases the stream by rest_done().
 * Thread: the stream's loop. */
#ifndef NODE_API_REST_REST_H
#define NODE_API_REST_REST_H

#include "node/api/gate.h"
#include "node/api/rest/path.h"
#include "node/api/page_token.h"
#include "node/api/status.h"
#include "proto/logs.h"
#include "proto/selector.h"
#include "proto/table.h"

struct rest_call {
    struct api *api;
    struct http_stream *stream;
    struct arena *arena;
    struct loop *loop;
    const struct subject *subject;
    struct quota_ticket *ticket; /* what the request has of the subject's share */
    struct rest_path path;
    struct rest_query query;
    struct rest_accept accept;
    const struct kind *kind;
    bool awaited; /* its kind was unknown, and has been waited for */
    /* What runs for it; NULL: nothing. The client's going away calls gone, room for more in the
     * response calls writable, the server's closing calls drain. */
    void (*gone)(struct rest_call *call);
    void (*writable)(struct rest_call *call);
    void (*drain)(struct rest_call *call);
    void *job;
};

/* Routes a request that api.c has authenticated; its body is whole. */
void rest_serve(struct rest_call *call);

/* ---- answers; each ends the call ---- */

void rest_done(struct rest_call *call); /* the response is complete, or nobody waits for it */
void rest_respond(struct rest_call *call, int status, const char *content_type, struct slice body);
/* What stands in http_stream_out() is the body, JSON. */
void rest_respond_out(struct rest_call *call, int status, const struct slice *warnings,
                      size_t warning_count);
/* The head of one whose body, JSON, follows in parts; does not end the call. */
void rest_start(struct rest_call *call);
/* A Status object about the call's object. */
void rest_fail(struct rest_call *call, int rc, const struct err *err);
void rest_fail_status(struct rest_call *call, const struct status *status);
/* As the value of a Warning header; the arena's. */
struct slice rest_warning_value(struct arena *arena, struct slice text);
/* The answer alone: the caller still has to end the call. */
void rest_send_status(struct rest_call *call, const struct status *status);
/* Fills in what the call is about. */
void rest_status_init(struct rest_call *call, int rc, const struct err *err, struct status *status);

/* ---- the verbs ---- */

void rest_get(struct rest_call *call);
void rest_list(struct rest_call *call);
void rest_watch(struct rest_call *call);
void rest_write(struct rest_call *call);
void rest_delete_collection(struct rest_call *call);
void rest_discovery(struct rest_call *call);
void rest_log(struct rest_call *call);
/* The path's kind is not served: makes sure of it and answers, or calls again once it is. */
void rest_await_kind(struct rest_call *call, void (*again)(struct rest_call *call));

/* A log's query. Errors: ERR_UNPROCESSABLE, naming the parameter. */
int rest_log_options(struct slice query, struct arena *arena, struct log_options *out,
                     struct err *err);

/* ---- shared by writes ---- */

#define REST_OBJECT_TYPES "application/json, application/yaml, application/vnd.kubernetes.protobuf"
bool rest_is_object_type(struct slice type); /* one of them, or none */
/* Errors: ERR_UNSUPPORTED, always. */
int rest_unsupported(struct slice type, const char *accepted, struct err *err);
/* The body as a tree of the arena's, decoded as its media type says. Errors: ERR_INVALID,
 * ERR_UNSUPPORTED, ERR_TOO_LARGE. */
int rest_parse_body(struct rest_call *call, struct slice type, const json_t **tree,
                    struct err *err);
/* What a DELETE asks for: its body as DeleteOptions, or what the query says where there is none
 * (as in Kubernetes, one or the other). dry_run is set if either wants one. Errors: as
 * rest_parse_body(), ERR_UNPROCESSABLE. */
int rest_delete_options(struct rest_call *call, const json_t **options, bool *dry_run,
                        struct err *err);

/* ---- shared by reads ---- */

/* One object in the form asked for. Errors: ERR_CORRUPT. */
int rest_emit(struct rest_call *call, const struct backend_object *object, struct buf *out,
              struct err *err);
/* One row of a Table. */
int rest_emit_row(struct rest_call *call, const struct backend_object *object, struct buf *out,
                  struct err *err);
/* `"kind":"Table","apiVersion":"meta.k8s.io/v1"`, without braces. */
void rest_emit_table_type(struct rest_call *call, struct buf *out);

/* resourceVersion as a read's consistency. Errors: ERR_INVALID. */
int rest_consistency(struct rest_call *call, enum backend_consistency *consistency,
                     uint64_t *version, struct err *err);
/* What a list and a watch are asked alike: the form of the answer, which objects, and how new.
 * *selector is the caller's. Errors: ERR_INVALID, ERR_NOT_ACCEPTABLE. */
int rest_read_query(struct rest_call *call, struct backend_list *list, struct selector **selector,
                    struct err *err);
/* Of a read that failed: where it waited for a version of the future, the Status says so. */
void rest_explain_version(struct rest_call *call, int rc, struct status *status);
uint64_t rest_deadline(struct rest_call *call);

#endif
