/* plan.h: what a controller returns, and the controllers.
 *
 * A controller is a pure function: a snapshot and a key in, a plan out. It does no I/O, knows no
 * Raft, and sees no time but the snapshot's. Plans are carried out by the engine: writes in order,
 * each with the version that was read as its precondition; the first that fails ends the plan, and
 * the key comes back.
 * Owner:  the caller inits and frees; everything in it is the plan's. Thread: the snapshot's. */
#ifndef RECONCILE_PLAN_H
#define RECONCILE_PLAN_H

#include "reconcile/snapshot.h"

enum plan_verb {
    PLAN_CREATE, /* if absent; an object of that name that is there already is left alone */
    PLAN_UPDATE, /* the whole object, spec, finalizers and status at once */
    PLAN_DELETE, /* as a client's DELETE: held by finalizers */
};

struct plan_write {
    enum plan_verb verb;
    enum snapshot_kind kind;
    struct slice ns;
    struct slice name;
    uint64_t if_version; /* 0: none */
    json_t *object;      /* NULL for PLAN_DELETE */
    json_t *credentials; /* of a Secret: what is made up for it as it is written */
};

enum plan_action { PLAN_NOTHING, PLAN_APPLY, PLAN_REMOVE };

/* What should be on one cluster. */
struct plan_desired {
    enum plan_action action;
    struct slice plane;
    struct slice cluster;
    json_t *manifests; /* PLAN_APPLY: all of them, in order of application */
    json_t *prune;     /* resources ({group, version, kind, namespace, name, uid}) to delete */
    json_t *claims_of; /* PLAN_REMOVE: {namespace, name} of a resource whose volumes go; or NULL */
    char hash[65];     /* of the manifests */
    bool all;          /* apply even those whose state on the cluster is known to be right */
};

/* A question to a git repository: which commit is that? */
struct plan_source {
    struct slice repository; /* empty: nothing is asked */
    struct slice ref;        /* a branch, else a tag; "refs/..." exactly that; empty: the default */
    struct slice secret;     /* with credentials, in the key's namespace; may be empty */
    uint64_t every_ms;       /* asked again so often; 0: until it is answered */
};

struct plan_event {
    const json_t *regarding; /* the snapshot's */
    bool warning;
    const char *reason;
    const char *message;
};

struct plan {
    struct arena arena;
    struct plan_write *writes;
    size_t write_count;
    struct plan_desired desired;
    struct plan_source source;
    struct plan_event *events;
    size_t event_count;
    uint64_t requeue_after_ms; /* 0: not by time */
    /* A namespace whose objects of all other kinds than the snapshot's must go before the writes
     * are carried out; empty: none. */
    struct slice drain_ns;
    /* private */
    struct plan_edit *edits;
};

void plan_init(struct plan *plan);
void plan_free(struct plan *plan);

/* Takes object. */
void plan_create(struct plan *plan, enum snapshot_kind kind, json_t *object);
/* Takes secret, whose data gets random texts for those that are wanted ([{name, length}]) when the
 * plan is carried out, and not before. */
void plan_create_secret(struct plan *plan, json_t *secret, const json_t *wanted);
/* The same for those that a Secret which is there lacks. */
void plan_complete_secret(struct plan *plan, const struct snapshot *s,
                          const struct snapshot_entry *entry, const json_t *wanted);
/* A copy of entry's object to be changed at will: written by plan_finish() if it came to differ.
 * The same entry gives the same copy. */
json_t *plan_edit(struct plan *plan, const struct snapshot *s, const struct snapshot_entry *entry);
/* That copy if there is one, else NULL. */
json_t *plan_edited(const struct plan *plan, const struct snapshot_entry *entry);
void plan_delete(struct plan *plan, const struct snapshot_entry *entry);
void plan_event(struct plan *plan, const json_t *regarding, bool warning, const char *reason,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Has the engine look a place of a git repository up for the object of the key, and write into its
 * status what was found (SourceStatus: repository and ref as asked, commit, resolvedAt; or error
 * {message, at}, beside the commit of the same place that was found before). That write brings the
 * key back. To be asked in every plan for as long as the answer is wanted: the engine spaces its
 * tries, tells an error once, and forgets what no plan asks any more. One question for a plan: the
 * last. */
void plan_resolve(struct plan *plan, struct slice repository, struct slice ref,
                  struct slice secret);
/* The same, again about every every_ms: a write comes of it only when the commit changed. */
void plan_follow(struct plan *plan, struct slice repository, struct slice ref, struct slice secret,
                 uint64_t every_ms);
/* status.source of object if it speaks of that place, else NULL. */
const json_t *plan_source_of(const json_t *object, struct slice repository, struct slice ref);
void plan_requeue(struct plan *plan, uint64_t after_ms); /* the soonest wins */
/* Turns edits into writes, dropping those that change nothing. */
void plan_finish(struct plan *plan);
/* The plan as a tree, for tests and `choreo plan`: {writes, apply, remove, source, events,
 * requeue}.
 */
json_t *plan_tree(const struct plan *plan);

/* Finds the controller of the key's kind, runs it, finishes the plan. An absent object is an empty
 * plan. Errors: ERR_CORRUPT (an object in the snapshot cannot be parsed). */
int plan_run(const struct snapshot *s, enum snapshot_kind kind, struct slice ns, struct slice name,
             struct plan *plan, struct err *err);

bool plan_has_controller(enum snapshot_kind kind);
/* Objects of the system shard that every shard's leader has a part in: who is in a namespace, and
 * what is on a plane, only its own shard knows. */
bool plan_of_every_shard(enum snapshot_kind kind);
/* What a cluster starts with, created if absent: the Organization `default` and the built-in
 * ClusterComponentTypes, ClusterResourceTypes, ClusterTrait, ClusterProjectType and
 * ClusterWorkflows. For the system shard's leader. */
void bootstrap_plan(const struct snapshot *s, struct plan *plan);

/* The controllers: entry is of their kind, and there. The first is of every kind that built-in
 * objects are of. */
void builtin_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan);
void organization_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                       struct plan *plan);
void dataplane_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                    struct plan *plan);
void project_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan);
void component_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                    struct plan *plan);
void environment_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                      struct plan *plan);
void pipeline_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan);
void release_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan);
void resource_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan);
void resource_binding_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                           struct plan *plan);
void binding_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan);
void release_set_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                      struct plan *plan);
void verdict_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan);
void rendered_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan);
void workflow_run_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                       struct plan *plan);
/* Those of OpenChoreo's kinds (controllers/openchoreo.h). */
void openchoreo_project_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                             struct plan *plan);
void openchoreo_environment_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                                 struct plan *plan);
void openchoreo_pipeline_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                              struct plan *plan);
void openchoreo_plane_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                           struct plan *plan);
void openchoreo_own_plane_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                               struct plan *plan);
void openchoreo_workflow_plane_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                                    struct plan *plan);
void openchoreo_release_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                             struct plan *plan);
void openchoreo_cell_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                          struct plan *plan);
void openchoreo_component_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                               struct plan *plan);
void openchoreo_binding_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                             struct plan *plan);
void openchoreo_resource_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                              struct plan *plan);
void openchoreo_resource_release_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                                      struct plan *plan);
void openchoreo_resource_binding_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                                      struct plan *plan);
void openchoreo_run_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                         struct plan *plan);
/* Those that others read where they lie, and nothing more. */
void openchoreo_known_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                           struct plan *plan);
void openchoreo_idle_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                          struct plan *plan);

#endif
