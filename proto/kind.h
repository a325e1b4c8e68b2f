/* kind.h: the kinds of objects that a server serves.
 *
 * A registry is one server's set: choreod's holds the kinds of choreo.dev and the Kubernetes kinds
 * that it serves (kind_registry_builtin); choreo-plane adds Kubernetes' workload kinds
 * (kind_registry_workloads) and any further one on demand (kind_registry_define).
 * Built-in kinds are tables generated from proto/choreo/v1 and proto/k8s: nothing is listed twice.
 * A registry may lie over another, whose kinds come first: custom kinds over the built-in ones
 * (kind_board.h).
 *
 * Owner:  whoever inits the registry; kinds stay where they are until kind_registry_free().
 * Thread: one at a time while it grows; immutable, and any thread's, once shared. To extend a
 *         shared one, build another and publish that. */
#ifndef PROTO_KIND_H
#define PROTO_KIND_H

#include "base/map.h"
#include "proto/schema.h"

enum kind_verb {
    KIND_GET = 1 << 0,
    KIND_LIST = 1 << 1,
    KIND_WATCH = 1 << 2,
    KIND_CREATE = 1 << 3,
    KIND_UPDATE = 1 << 4,
    KIND_PATCH = 1 << 5,
    KIND_DELETE = 1 << 6,
    KIND_DELETECOLLECTION = 1 << 7,
    KIND_VERBS_ALL = (1 << 8) - 1,
};

enum { KIND_VERB_COUNT = 8, KIND_PARTS_MAX = 8 };
const char *kind_verb_name(int index); /* of 1 << index: "get", ... */

/* One printer column. path is a JSONPath: .spec.type, .status.conditions[?(@.type=="Ready")].status
 */
struct kind_column {
    struct slice name;
    struct slice type;   /* string, integer, number, boolean, date */
    struct slice format; /* "" or "name" */
    struct slice doc;
    struct slice path;
    int priority; /* > 0: only in wide output */
};

/* A field that field selectors may name, besides metadata.name and metadata.namespace. */
struct kind_selectable {
    struct slice field; /* "involvedObject.name", "status.phase" */
    struct slice path;  /* in the object; mostly the same */
};

/* All strings are NUL-terminated too. */
struct kind {
    struct slice group; /* "" is Kubernetes' core group */
    struct slice version;
    struct slice kind;
    struct slice list_kind;
    struct slice plural;
    struct slice singular;
    struct slice api_version; /* "choreo.dev/v1", "v1" */
    struct slice resource;    /* GroupResource: "components.choreo.dev", "secrets" */
    struct slice message;     /* protobuf's full name, "choreo.v1.Component"; empty: JSON only */
    struct slice stored_as;   /* api_version that objects are stored under; empty: this one */
    struct slice warning;     /* to whoever uses it ("... is deprecated"); empty: none */
    struct slice doc;
    const struct slice *short_names;
    size_t short_name_count;
    const struct slice *categories;
    size_t category_count;
    bool namespaced;
    bool status;     /* has the status subresource */
    bool log;        /* has the log subresource (proto/logs.h) */
    bool generation; /* metadata.generation counts changes outside metadata and status */
    bool strategic;  /* takes strategic merge patches: Kubernetes' own kinds only */
    bool answered;   /* created to be answered, never stored; it has no name of its own */
    enum schema_format name_format; /* of metadata.name; NONE: an RFC 1123 subdomain */
    /* Objects whose version is below it may lack defaults, and are given them as they are read
     * (object_as_read()): the schema was another when they were written. 0: none do. */
    uint64_t defaults_until;
    bool lenient; /* unknown fields are kept, not pruned (kinds known in part or not at all) */
    bool ending;  /* its definition is being deleted: no object is created any more */
    /* scale subresource: JSONPaths; spec_replicas empty: none */
    struct slice scale_spec_replicas;
    struct slice scale_status_replicas;
    struct slice scale_selector;
    /* It is a subresource of another: "/v1/serviceaccounts/token" (group, version, plural, name).
     * Then kind_registry_at() does not show it. */
    struct slice part_of;
    uint32_t verbs;                    /* enum kind_verb */
    const struct schema *schema;       /* NULL: not known, anything goes */
    const struct kind_column *columns; /* after NAME, which is always first */
    size_t column_count;
    const struct kind_selectable *selectables;
    size_t selectable_count;
};

struct kind_registry {
    /* private */
    const struct kind_registry *under; /* NULL: none */
    struct arena arena;
    struct map by_plural; /* group/version/plural */
    struct map by_kind;   /* group/version/kind */
    struct map by_resource;
    struct map by_message;
    const struct kind **kinds;
    size_t count;
    size_t cap;
    const struct kind *parts[KIND_PARTS_MAX]; /* of other kinds */
    size_t part_count;
};

void kind_registry_init(struct kind_registry *r);
/* Over another, which is borrowed and grows no more. */
void kind_registry_init_over(struct kind_registry *r, const struct kind_registry *under);
void kind_registry_free(struct kind_registry *r);
/* Everything that choreod serves. */
void kind_registry_builtin(struct kind_registry *r);
/* What clusters serve besides: Kubernetes' workload, service and policy kinds with their schemas
 * (proto/k8s/workloads), its neighbours' by name. */
void kind_registry_workloads(struct kind_registry *r);
/* One of Kubernetes' own kinds as clusters serve it, of no registry; NULL: it is none of those
 * whose schema is known. */
const struct kind *kind_of_kubernetes(struct slice api_version, struct slice kind);
/* Adds a kind; it and all it points to are borrowed until the registry is freed.
 * Errors: ERR_EXISTS (its plural or kind is taken). */
int kind_registry_add(struct kind_registry *r, const struct kind *kind, struct err *err);
/* Adds a kind that is not served: only kind_by_resource() finds it. */
void kind_registry_add_unserved(struct kind_registry *r, const struct kind *kind);
/* Adds a kind known by its names alone, with all verbs and a status. Fills singular and list kind
 * in. Errors: ERR_EXISTS, ERR_INVALID (bad names). */
int kind_registry_define(struct kind_registry *r, struct slice group, struct slice version,
                         struct slice kind, struct slice plural, bool namespaced,
                         const struct kind **out, struct err *err);
/* For schemas and kinds built at run time: lives as long as the registry. */
struct arena *kind_registry_arena(struct kind_registry *r);

/* In order of registration, which is discovery's. */
size_t kind_registry_count(const struct kind_registry *r);
const struct kind *kind_registry_at(const struct kind_registry *r, size_t i);

/* NULL if not served. */
const struct kind *kind_by_plural(const struct kind_registry *r, struct slice group,
                                  struct slice version, struct slice plural);
const struct kind *kind_by_kind(const struct kind_registry *r, struct slice group,
                                struct slice version, struct slice kind);
/* By apiVersion and kind, as a manifest states them. */
const struct kind *kind_by_type(const struct kind_registry *r, struct slice api_version,
                                struct slice kind);
const struct kind *kind_by_resource(const struct kind_registry *r, struct slice resource);
/* By protobuf name, or a type URL that ends in it. */
const struct kind *kind_by_message(const struct kind_registry *r, struct slice name);
/* As a person says it: "component", "components", "comp", "Component", each also with ".group" or
 * ".version.group". The first registered wins. */
const struct kind *kind_by_name(const struct kind_registry *r, struct slice name);

/* The kind that a subresource of this one is, if it is one of its own; NULL: none. */
const struct kind *kind_part(const struct kind_registry *r, const struct kind *kind,
                             struct slice subresource);
/* In turn, with the subresource's name; NULL behind the last. */
const struct kind *kind_part_at(const struct kind_registry *r, const struct kind *kind, size_t i,
                                struct slice *subresource);

/* Cuts "choreo.dev/v1" into group and version; "v1" has an empty group. */
void kind_split_api_version(struct slice api_version, struct slice *group, struct slice *version);

/* Of every kind's metadata. */
const struct schema *kind_metadata_schema(void);

/* The serialized google.protobuf.FileDescriptorSet of everything in proto/, for gRPC reflection. */
struct slice kind_descriptor_set(void);

#endif
