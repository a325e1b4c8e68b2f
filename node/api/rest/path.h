/* path.h: Kubernetes' paths, queries and Accept headers, as values.
 * Owner: results point into the request or the arena. Thread: any. Pure. */
#ifndef NODE_API_REST_PATH_H
#define NODE_API_REST_PATH_H

#include "base/arena.h"
#include "base/err.h"

enum rest_path_kind {
    REST_PATH_NONE,      /* no Kubernetes API path */
    REST_PATH_VERSIONS,  /* /api */
    REST_PATH_GROUPS,    /* /apis */
    REST_PATH_GROUP,     /* /apis/G */
    REST_PATH_RESOURCES, /* /api/v1, /apis/G/V */
    REST_PATH_OBJECTS,   /* .../PLURAL[/NAME[/SUB]], with or without namespace */
};

struct rest_path {
    enum rest_path_kind kind;
    struct slice group; /* "" is the core group */
    struct slice version;
    struct slice ns; /* empty: cluster-scoped, or all namespaces */
    struct slice plural;
    struct slice name; /* empty: the collection */
    struct slice sub;
};

/* /api/v1/namespaces/N/components/x/status, ... Errors: ERR_NOT_FOUND (too many segments, empty or
 * malformed ones). */
int rest_path_parse(struct slice path, struct arena *arena, struct rest_path *out, struct err *err);

struct rest_query {
    bool watch;
    bool bookmarks;
    bool send_initial;
    bool has_send_initial;
    bool dry_run;
    bool force;
    bool include_object;
    bool include_none;
    uint64_t limit;     /* 0: none */
    uint64_t timeout_s; /* 0: none */
    struct slice labels;
    struct slice fields;
    struct slice version; /* resourceVersion, raw */
    struct slice match;   /* resourceVersionMatch */
    struct slice continued;
    struct slice manager;
    struct slice validation;
    struct slice propagation;
    struct slice orphan; /* orphanDependents, raw */
    struct slice pretty;
};

/* Of a parameter that comes several times the first counts, as in Kubernetes; one without a value
 * is as good as none. Unknown ones are ignored. Errors: ERR_INVALID (a parameter's value is
 * malformed: names it), ERR_UNPROCESSABLE (a dry run of other than All). */
int rest_query_parse(struct slice query, struct arena *arena, struct rest_query *out,
                     struct err *err);
int rest_bad_dry_run(struct err *err); /* that error */

enum rest_form { REST_OBJECT, REST_TABLE, REST_PARTIAL, REST_AGGREGATED };

struct rest_accept {
    enum rest_form form;
    struct slice version; /* of meta.k8s.io ("v1", "v1beta1") or of the aggregated discovery */
};

/* The first alternative of an Accept header that is served here; allowed says which forms are
 * (bits of 1 << REST_*). Empty accepts everything. Errors: ERR_NOT_ACCEPTABLE. */
int rest_accept_parse(struct slice accept, unsigned allowed, struct rest_accept *out,
                      struct err *err);

/* "application/json; charset=utf-8" to "application/json". */
struct slice rest_media_type(struct slice content_type);

#endif
