/* object.h: one object, as a tree and as stored bytes.
 *
 * Stored is *canonical JSON without metadata.resourceVersion*, plus `splice`: the offset of the
 * `"uid":` member of metadata, where object_emit() inserts the version. "resourceVersion" is the
 * last key that sorts before "uid" (selfLink, obsolete, is dropped), so what is emitted is
 * canonical too.
 * Thread: any. */
#ifndef PROTO_OBJECT_H
#define PROTO_OBJECT_H

#include "base/json.h"

struct kind;
struct backend_object;

enum { OBJECT_BYTES_MAX = 1536 * 1024 };

/* The group of OpenChoreo's kinds, which are served beside ours. */
#define OPENCHOREO_GROUP "openchoreo.dev"

/* What holds an object that is being deleted until the garbage collector is done: until those
 * dependents are gone that block it; until none refers to it any more. */
#define OBJECT_FINALIZER_FOREGROUND "foregroundDeletion"
#define OBJECT_FINALIZER_ORPHAN "orphan"

/* Tree to stored bytes: resourceVersion and selfLink are removed from the tree.
 * Errors: ERR_INVALID (no metadata.uid; a NUL in a text), ERR_TOO_LARGE (over OBJECT_BYTES_MAX). */
int object_canonical(json_t *tree, struct buf *body, uint32_t *splice, struct err *err);
/* Finds the splice of canonical bytes. Errors: ERR_CORRUPT. */
int object_splice(struct slice body, uint32_t *splice, struct err *err);
/* Stored bytes to what clients see. */
void object_emit(struct buf *out, struct slice body, uint32_t splice, uint64_t version);
/* The object as it is read: with the defaults that its kind has and it was not written with, in
 * bytes of room's; else itself. */
struct backend_object object_as_read(const struct kind *kind, const struct backend_object *object,
                                     struct buf *room);
/* The same as object_emit(), as an object of this kind is read: where that has several versions,
 * the stored one's name is replaced. Version 0 (a dry run's) is left out. */
void object_emit_as(struct buf *out, const struct kind *kind, const struct backend_object *object);
/* Stored bytes to a tree with its resourceVersion (0: without). Errors: ERR_CORRUPT. */
int object_parse(struct slice body, uint64_t version, json_t **tree, struct err *err);

/* What is asked of stored bytes most often; no tree is built. Slices are decoded into the arena or
 * point into body; absent ones are empty. */
struct object_meta {
    struct slice api_version;
    struct slice kind;
    struct slice ns;
    struct slice name;
    struct slice uid;
    struct slice created; /* RFC 3339 */
    struct slice deleted; /* deletionTimestamp */
    int64_t generation;
    struct slice labels; /* raw JSON objects and arrays */
    struct slice annotations;
    struct slice finalizers;
    struct slice owners;
};
/* Errors: ERR_CORRUPT. */
int object_meta(struct slice body, struct arena *arena, struct object_meta *meta, struct err *err);

/* On trees. All tolerate absence and wrong types. */
struct slice object_api_version(const json_t *object);
struct slice object_kind(const json_t *object);
struct slice object_name(const json_t *object);
struct slice object_ns(const json_t *object);
struct slice object_uid(const json_t *object);
/* Below 0 if a is the older one; of one age by name. */
int object_age_order(const json_t *a, const json_t *b);

/* Of Secrets those that the control plane alone reads, though they lie beside people's own: the
 * credentials that it made up for a resource, and kubeconfigs of planes. What anybody names in an
 * object of theirs is none of these, or whoever may deploy anything would have them all. */
#define OBJECT_CREDENTIALS_TYPE "choreo.dev/resource-credentials"
bool object_is_kept_secret(const json_t *secret);
int64_t object_generation(const json_t *object);
uint64_t object_version(const json_t *object); /* resourceVersion; 0: none */
bool object_deleting(const json_t *object);
struct slice object_label(const json_t *object, const char *key);
struct slice object_annotation(const json_t *object, const char *key);
bool object_has_finalizer(const json_t *object, const char *finalizer);
void object_add_finalizer(json_t *object, const char *finalizer);
void object_remove_finalizer(json_t *object, const char *finalizer);
void object_set_label(json_t *object, const char *key, struct slice value);
void object_set_annotation(json_t *object, const char *key, struct slice value);
void object_remove_annotation(json_t *object, const char *key);

/* A fresh {apiVersion, kind, metadata{name, namespace}}; ns may be empty. */
json_t *object_new(const char *api_version, const char *kind, struct slice ns, struct slice name);
/* "true" on what gives way to whoever says more of it: what an organization starts with, and a
 * component that is there because its project lists it. */
#define OBJECT_DEFAULT "choreo.dev/default"
/* Adds owner (an object with a uid) to owned's ownerReferences, or replaces it there. */
void object_add_owner(json_t *owned, const json_t *owner, bool controller);

/* status.conditions. Sets one by type; lastTransitionTime moves only when the status does. True if
 * anything changed. observedGeneration is the object's generation. */
bool object_set_condition(json_t *object, const char *type, const char *status, const char *reason,
                          const char *message, uint64_t now_ms);
const json_t *object_condition(const json_t *object, const char *type); /* NULL: none */
bool object_condition_true(const json_t *object, const char *type);

/* The first value of a JSONPath (jsonpath.h): .a.b['c'][0][?(@.type=="Ready")].status, with or
 * without {}. The value or NULL, borrowed. */
const json_t *object_path(const json_t *object, struct slice path);

#endif
