/* crd.h: CustomResourceDefinitions: what makes one valid, the kinds that it stands for, and the
 * names that it is granted.
 *
 * A definition that is admitted (crd_prepare, crd_check) is judged by the leader of the system
 * shard, against the names of all others (crd_judge): the outcome is its status. Every node serves
 * the kinds of those that are established (crd_compile).
 * Owner: the caller; a struct crd belongs to its references. Thread: any. */
#ifndef PROTO_CRD_H
#define PROTO_CRD_H

#include "base/shared.h"
#include "proto/kind.h"

#define CRD_RESOURCE "customresourcedefinitions.apiextensions.k8s.io"
#define CRD_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

enum { CRD_COUNT_MAX = 1000 }; /* definitions beyond it are not granted their names */

/* ---- admission: on trees, for proto/admit ---- */

/* Fills in what follows from the rest: singular, listKind, status.storedVersions. */
void crd_prepare(json_t *object);
/* Members of its schemas that are none: taken out, and named in unknown. */
void crd_prune(json_t *object, struct causes *unknown);
/* Everything that is wrong with it, besides its own schema. before (NULL: it is new) is what it
 * was. x may be NULL: expressions are then not checked. */
void crd_check(const json_t *object, const json_t *before, const struct expressions *x,
               struct causes *causes);
/* What a deletion does first: the finalizer, and the condition Terminating. */
void crd_begin_deletion(json_t *object, uint64_t now_ms);

/* ---- serving ---- */

/* The served versions of one definition, immutable: schemas, columns, rules compiled. */
struct crd {
    struct shared_value shared;
    struct kind *kinds; /* foremost version first: v2, v1, v1beta1 */
    size_t kind_count;
    const struct kind *stored; /* the storage version, served or not; NULL: there is none */
    /* private */
    struct arena arena;
};

/* One reference. The object has its resourceVersion, which is where defaults that it has gained
 * begin to be stored. x may be NULL: expressions are then not enforced. */
struct crd *crd_compile(const json_t *object, const struct expressions *x);

/* ---- judging ---- */

/* What the others have: for each {"group", "names": status.acceptedNames}. */
struct crd_taken {
    const json_t *const *others;
    size_t other_count;
    const struct kind_registry *fixed; /* the kinds that are served anyway */
    bool full;                         /* CRD_COUNT_MAX are established */
};

/* The status that a definition should have, new: acceptedNames, conditions NamesAccepted and
 * Established. Equal to what it has if there is nothing to do. */
json_t *crd_judge(const json_t *object, const struct crd_taken *taken, uint64_t now_ms);
bool crd_established(const json_t *object);
/* One of the fixed kinds is what it defines, under the same names: it is established and shown as
 * such, and neither it nor its deletion changes anything. */
bool crd_built_in(const json_t *object, const struct kind_registry *fixed);

#endif
