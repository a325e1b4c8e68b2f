/* backend.h: what the doors ask of the state behind them.
 *
 * The doors (node/api) speak Kubernetes' and gRPC's protocols; behind them stands either the
 * replicated shards (node/shard) or one database (plane). Both implement this struct of functions,
 * so that a door is written once.
 *
 * Objects are canonical JSON *without* metadata.resourceVersion; `splice` is the offset of the
 * `"uid":` member of metadata, where object_emit() (proto/object.h) inserts the version on the way
 * out. Versions are DESIGN's resourceVersions.
 *
 * Owner:  requests are embedded by the caller, filled in, and handed over with a call; their memory
 *         and all that they borrow stay put until done (for a watch: until ended) runs: exactly
 *         once, never inside the call itself, also after a cancel.
 * Thread: the loop of the caller, for calls and callbacks. A backend serves many loops at once.
 * Time:   deadline_ms is that loop's loop_now_ms() clock. */
#ifndef PROTO_BACKEND_H
#define PROTO_BACKEND_H

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"

struct selector; /* proto/selector.h: labels and fields; matches() over canonical bytes */

struct backend_key {
    struct slice resource; /* Kubernetes' GroupResource: "components.choreo.dev", "secrets" */
    struct slice ns;       /* empty: cluster-scoped */
    struct slice name;
};

struct backend_object {
    struct backend_key key;
    struct slice body; /* canonical, without resourceVersion */
    uint32_t splice;
    uint64_t version;
};

enum backend_consistency {
    BACKEND_LINEARIZABLE, /* sees every write acknowledged before the call */
    BACKEND_STALE,        /* whatever is here: resourceVersion=0 */
    BACKEND_AT_LEAST,     /* at or after version; waits up to 3 s, then ERR_TIMEOUT */
    BACKEND_EXACT,        /* as of version; ERR_GONE below the compacted floor */
};

/* One object. Errors to done: ERR_NOT_FOUND (only ever on the asked consistency), ERR_UNAVAILABLE,
 * ERR_TIMEOUT, ERR_CANCELED. */
struct backend_get {
    struct loop *loop;
    struct backend_key key;
    enum backend_consistency consistency;
    uint64_t version; /* AT_LEAST, EXACT */
    uint64_t deadline_ms;
    void *user;
    void (*done)(struct backend_get *get, int rc, const struct err *err);
    /* results, borrowed until done returns */
    struct backend_object object;
    uint64_t read_version; /* the present of the shard that was read */
    void *impl;            /* the backend's */
};

enum {
    BACKEND_PAGE_ROWS_MAX = 500,
    BACKEND_PAGE_BYTES_MAX = 4 * 1024 * 1024,
    /* For who keeps a page until a client has taken it, which may be a long time. */
    BACKEND_PAGE_BYTES_FEW = 512 * 1024,
};

/* One page of a list, in order of (namespace, name). A long list is several pages at one version:
 * the first at the asked consistency, the next BACKEND_EXACT at read_version, after the last key.
 * A page may be short (bytes, not only rows, are bounded): `more` tells. The after-key is no longer
 * read once row() was called, which may so set it for the page that follows. Errors as get's, and
 * ERR_GONE. */
struct backend_list {
    struct loop *loop;
    struct slice resource;
    struct slice ns;                 /* empty: all namespaces, or cluster-scoped */
    const struct selector *selector; /* NULL: everything */
    enum backend_consistency consistency;
    uint64_t version;
    struct slice after_ns; /* continue strictly behind this key; both empty: from the start */
    struct slice after_name;
    size_t limit;         /* rows wanted in this page, 1..BACKEND_PAGE_ROWS_MAX */
    size_t bytes;         /* and of bodies, but for the first row's; 0: BACKEND_PAGE_BYTES_MAX */
    bool count_remaining; /* fill remaining (only without selector) */
    uint64_t whose;       /* a hash of the caller: where many wait, callers take turns */
    uint64_t deadline_ms;
    void *user;
    void (*row)(struct backend_list *list, const struct backend_object *object);
    void (*done)(struct backend_list *list, int rc, const struct err *err);
    /* results */
    uint64_t read_version;
    bool more;
    int64_t remaining; /* -1: unknown */
    void *impl;
};

/* Where a page ended: the key of its last row, for the page that follows. */
struct backend_cursor {
    char ns[64];
    char name[254];
};

/* In row(). */
void backend_cursor_set(struct backend_cursor *cursor, const struct backend_key *key);
/* list, whose page is done, becomes the page that follows. It borrows the cursor. */
void backend_list_next(struct backend_list *list, const struct backend_cursor *cursor);

enum backend_event { BACKEND_ADDED, BACKEND_MODIFIED, BACKEND_DELETED };

/* Changes after `since`, in version order, each once. on_event may set paused: nothing more comes
 * until watch_resume(). With a selector, an object that leaves it is BACKEND_DELETED with the
 * version of the leaving change; a deleted object's body is its last, its version the deletion's.
 * on_progress(version): all at or below version has been delivered; after each batch and, on a
 * quiet stream, at least once a second if the version moved. Ends: ERR_GONE (since is below the
 * floor), ERR_UNAVAILABLE (a shard has been without leader for 10 s: resume later), ERR_CLOSED
 * (shutdown), ERR_CANCELED (watch_stop), ERR_TIMEOUT (since is ahead of the present for more than 3
 * s). */
struct backend_watch {
    struct loop *loop;
    struct slice resource;
    struct slice ns;
    const struct selector *selector;
    uint64_t since;
    void *user;
    void (*on_event)(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object);
    void (*on_progress)(struct backend_watch *watch, uint64_t version);
    void (*ended)(struct backend_watch *watch, int rc, const struct err *err);
    bool paused;
    void *impl;
};

enum backend_verb { BACKEND_CREATE, BACKEND_UPDATE, BACKEND_DELETE };

/* One write: final bytes, decided by the gate, compared and stored by apply. Exactly once per
 * (subject, request_id) within the window; a retry gets the first outcome. */
struct backend_submit {
    struct loop *loop;
    struct backend_key key;
    enum backend_verb verb;
    struct slice body; /* the object after the write; for DELETE the last state */
    uint32_t splice;
    /* Preconditions; CREATE implies absence. 0 / empty: none. */
    uint64_t if_version;
    struct slice if_uid;
    bool client_made;        /* the client asked for the precondition: its conflict is an outcome */
    struct slice subject;    /* "system:admin", "system:shard-3" */
    struct slice request_id; /* 16..64 bytes; the door makes one if the client gave none */
    uint64_t issued_ms;      /* wall clock of its issue; part of the id: a retry carries the same */
    struct slice request_digest; /* 32 bytes, of the client's request */
    struct slice audit;          /* JSON: who, what, from where */
    uint64_t deadline_ms;
    void *user;
    /* rc: ERR_EXISTS, ERR_CONFLICT, ERR_NOT_FOUND (also: namespace missing), ERR_FORBIDDEN
     * (namespace terminating), ERR_TOO_LARGE, ERR_TIMEOUT (unknown outcome), ERR_UNAVAILABLE. */
    void (*done)(struct backend_submit *submit, int rc, const struct err *err);
    uint64_t version; /* result: of the write */
    void *impl;
};

struct backend;

struct backend_ops {
    void (*get)(struct backend *b, struct backend_get *get);
    void (*list)(struct backend *b, struct backend_list *list);
    void (*watch_start)(struct backend *b, struct backend_watch *watch);
    void (*watch_stop)(struct backend *b, struct backend_watch *watch);
    void (*watch_resume)(struct backend *b, struct backend_watch *watch);
    void (*submit)(struct backend *b, struct backend_submit *submit);
    /* The outcome of an earlier submit of this id, if the present state knows one: done as
     * submit's, with ERR_NOT_FOUND when it is unknown. Only subject, request_id,
     * issued_ms, key are read. */
    void (*outcome)(struct backend *b, struct backend_submit *submit);
    /* Gives up on a get, list, submit or outcome; its done comes with ERR_CANCELED unless it was
     * already on its way. */
    void (*cancel)(struct backend *b, void *request);
};

struct backend {
    const struct backend_ops *ops;
};

#endif
