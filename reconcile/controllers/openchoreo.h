/* openchoreo.h: OpenChoreo's objects, and ours that are made of them.
 *
 * An object of openchoreo.dev is translated into its counterpart: ours, of the same name, owned by
 * it, so that it goes with it; what others belong to stays until they have gone, too. From there on
 * there is one path; the counterpart's Ready is told in the object's own status. A counterpart that
 * is there and belongs to nobody, or to somebody else, is left alone, and Ready says so; only what
 * an organization starts with is taken over.
 *
 * Fields that nothing acts on are named in the condition Accepted, reason NotSupported.
 * Pure, over a snapshot. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_OPENCHOREO_H
#define RECONCILE_CONTROLLERS_OPENCHOREO_H

#include "reconcile/controllers/common.h"

struct translation {
    const struct snapshot *s;
    const struct snapshot_entry *entry;
    const json_t *object; /* OpenChoreo's */
    const json_t *beside; /* what the counterpart is made of too (a Workload), or NULL */
    json_t *edit;
    struct plan *plan;
    struct buf ignored;  /* the fields that nothing acts on */
    const char *hint;    /* what to do instead; "" */
    const char *refused; /* why something that it says cannot be acted on: a reason; or NULL */
    const char *why;
};

void translation_begin(struct translation *t, const struct snapshot *s,
                       const struct snapshot_entry *entry, struct plan *plan);
/* Notes that nothing acts on spec.FIELD, if it is set. */
void translation_ignore(struct translation *t, const char *field);
/* Accepted is False: something that it says cannot be acted on, while the rest may be well. */
void translation_refuse(struct translation *t, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Ready is False. */
void translation_fail(struct translation *t, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Makes the counterpart's spec what `spec` (taken) says; a null takes a field away, and fields that
 * spec does not name stay. Who wrote what it is made of are the authors of a Component or a
 * Release. NULL: it is not there yet, or not ours; Ready says so. */
const json_t *translation_counterpart(struct translation *t, enum snapshot_kind kind, json_t *spec);
/* The same, of an object that is ours already. */
void translation_merge(struct translation *t, const struct snapshot_entry *ours, json_t *spec);
/* What a resource's binding that is being deleted retains, it gives up if spec says so. */
void translation_give_up(struct translation *t, const struct snapshot_entry *ours,
                         const json_t *spec);
/* Whether what would be made of that spec belongs to something of ours that is being deleted: then
 * it is not made, and Ready says so. */
bool translation_waits(struct translation *t, const json_t *spec);
/* Of an object that is being deleted: deletes what belongs to it, and the counterpart of that kind;
 * says what it waits for, and lets it go once nothing is left. One that was never held (it has not
 * our finalizer) is left to the garbage collector. */
void translation_finish(struct translation *t, enum snapshot_kind kind);
/* Tells Ready as the counterpart (NULL: what was said stays) tells it, and what is ignored. */
void translation_end(struct translation *t, const json_t *counterpart);

/* What a Component's workflow says of ours, into spec: workflow, source and autoBuild; nulls, if it
 * names none, or none that can build it, which Accepted says. True: it can be built. */
bool openchoreo_build_spec(struct translation *t, json_t *spec);
/* Writes the image that the newest build of ours made into the Workload (NULL: makes one), once for
 * each build: what somebody writes there later stays. False, with Ready set: it cannot. */
bool openchoreo_build_write(struct translation *t, const struct snapshot_entry *workload);

/* What our DataPlane is called that is made of a DataPlane of a namespace: "NAMESPACE.NAME". No
 * namespace has a dot, so no two of them come to one name; who may use it, its
 * spec.allowedNamespaces says.
 */
struct slice openchoreo_plane_name(struct arena *arena, struct slice ns, struct slice name);
/* The namespace and name that such a name is made of; false: it has no dot. */
bool openchoreo_plane_parts(struct slice ours, struct slice *ns, struct slice *name);
/* The Secret with the kubeconfig of a DataPlane of a namespace, beside it. */
struct slice openchoreo_plane_secret(struct arena *arena, struct slice name);

/* The spec, a new tree, of the Workload (NULL: there is none yet) with what a run of that name
 * made: its image, and what the run put out of its source's descriptor. NULL: that is none that a
 * client could write, and Accepted says where. */
json_t *openchoreo_workload_of(struct translation *t, const struct snapshot_entry *workload,
                               struct slice run, struct slice image);

/* Shows the releases of our component, of the same name, as ComponentReleases. */
void openchoreo_releases_show(struct translation *t);
/* Does a ReleaseBinding name the release that stays in this environment? */
bool openchoreo_release_pinned(const struct snapshot *s, struct slice ns, struct slice component,
                               struct slice environment, struct arena *arena);
/* Does a ProjectReleaseBinding, of a project that stays, ask for the cell "PROJECT/ENVIRONMENT"? */
bool openchoreo_cell_wanted(const struct snapshot *s, struct slice ns, struct slice cell,
                            struct arena *arena);

#endif
