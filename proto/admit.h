/* admit.h: from what a client sent to the final bytes, for every door.
 *
 * The pure half of the gate: merge the patch, default, check, keep the books of metadata
 * (generateName, uid, generation, deletion and finalizers, managedFields), and say what to submit.
 * Time, uid and the random suffix come from the caller, so the same input gives the same bytes.
 *
 *     admit_merge()  -> result.object: the whole object as it would become, defaulted
 *     (admission webhooks may change result.object here)
 *     admit_finish() -> result.verb and bytes, or causes
 *
 * admit() is both. A conflict of the submit that follows is retried with a fresh `old` when
 * result.client_made is false.
 * Owner: the caller; results live in request.arena. Thread: any. */
#ifndef PROTO_ADMIT_H
#define PROTO_ADMIT_H

#include "proto/backend.h"
#include "proto/cause.h"
#include "proto/kind.h"
#include "proto/object.h"

enum admit_op {
    ADMIT_CREATE,
    ADMIT_UPDATE,          /* PUT: incoming replaces old; creates when old is absent only if
                              create_on_update */
    ADMIT_PATCH_JSON,      /* RFC 6902 */
    ADMIT_PATCH_MERGE,     /* RFC 7396 */
    ADMIT_PATCH_STRATEGIC, /* Kubernetes' kinds only: else ERR_UNSUPPORTED */
    ADMIT_APPLY,           /* server-side apply; creates when old is absent */
    ADMIT_DELETE,
};

enum admit_subresource { ADMIT_MAIN, ADMIT_STATUS, ADMIT_SCALE, ADMIT_FINALIZE };

/* Who writes, where the server notes it (admit_author.c). */
struct admit_author {
    struct slice user;
    const struct slice *groups;
    size_t group_count;
};

/* Unknown fields: refuse, warn, or drop in silence. The doors' default is warn. */
enum admit_validation { ADMIT_WARN, ADMIT_STRICT, ADMIT_IGNORE };

struct admit_request {
    struct arena *arena;
    const struct kind *kind;
    enum admit_op op;
    enum admit_subresource sub;
    struct slice ns;                  /* from the path; empty: cluster-scoped */
    struct slice name;                /* from the path; empty for ADMIT_CREATE by POST */
    const struct backend_object *old; /* NULL: absent */
    /* old as a tree with its version, of a caller that has it; NULL: parsed here. Left as it is. */
    json_t *before;
    /* The body as a tree: an object, a patch, or DeleteOptions (NULL: none; preconditions,
     * propagationPolicy and orphanDependents are looked at). Borrowed, and left as it is. */
    const json_t *incoming;
    struct slice field_manager; /* empty: request.user_agent up to '/', else "unknown" */
    struct slice user_agent;
    bool force;   /* ADMIT_APPLY: take conflicting fields over */
    bool dry_run; /* only checked for consistency with DeleteOptions; the caller does not submit */
    bool create_on_update;
    /* The writer is the control plane itself: it may write status, ownerless fields and
     * terminating objects' finalizers together in one ADMIT_MAIN write, and is no field manager. */
    bool system;
    const struct admit_author *author; /* NULL: the control plane, which notes authors itself */
    /* A garbage collector runs that takes its finalizers off again. Without one, no deletion adds
     * them: nothing would ever end it. */
    bool collected;
    /* What this server checks of an object beyond its schema, whenever its spec is new: adds
     * causes. NULL: nothing. */
    void (*validate)(const json_t *object, struct causes *causes);
    /* Evaluates what a CustomResourceDefinition's rules say; NULL: they are not checked. */
    const struct expressions *expressions;
    enum admit_validation validation;
    uint64_t now_ms; /* wall clock */
    char uid[37];    /* for a new object */
    char suffix[6];  /* five random characters for generateName: admit_suffix() */
};

struct admit_result {
    json_t *object; /* between merge and finish: the new state; the arena's, may be changed */
    enum backend_verb verb; /* meaningful if changed */
    bool changed;           /* false: answer with old, submit nothing */
    struct slice name;      /* generated or given */
    struct slice body;      /* for BACKEND_DELETE the last state */
    uint32_t splice;
    bool generated_name; /* on ERR_EXISTS try again with another suffix, at least 8 times */
    /* preconditions for the submit */
    uint64_t if_version;
    struct slice if_uid;
    bool client_made;
    /* to the client */
    const struct slice *warnings; /* Warning: 299 - "..." */
    size_t warning_count;
    struct causes causes;
    struct slice message; /* on error: the whole of it; err has it cut to ERR_MESSAGE_MAX */
    json_t *before;       /* private: old as a tree */
    bool outdated;        /* private: old is stored under another version than new ones are */
};

/* Errors: ERR_INVALID (malformed body or patch, namespace or name mismatch, strict unknown fields),
 * ERR_UNPROCESSABLE (rules broken: result.causes), ERR_CONFLICT (resourceVersion or uid differ;
 * apply conflicts: result.causes), ERR_FORBIDDEN (namespaces that stay, a status that is the
 * control plane's own), ERR_NOT_FOUND, ERR_EXISTS,
 * ERR_UNSUPPORTED, ERR_TOO_LARGE, ERR_METHOD (subresource not there). */
int admit(const struct admit_request *request, struct admit_result *result, struct err *err);
int admit_merge(const struct admit_request *request, struct admit_result *result, struct err *err);
int admit_finish(const struct admit_request *request, struct admit_result *result, struct err *err);

/* Adds something that the client is to be told, though the write is done; the text is the caller's
 * until the result is done with. */
void admit_warn(const struct admit_request *request, struct admit_result *result,
                struct slice text);

/* Five characters that read well, from five random bytes. */
void admit_suffix(const uint8_t random[5], char out[6]);

/* The autoscaling/v1 Scale of an object whose kind has one. Errors: ERR_METHOD, ERR_CORRUPT. */
int admit_scale(const struct kind *kind, const struct backend_object *object, struct buf *out,
                struct err *err);

#endif
