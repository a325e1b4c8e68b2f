/* offline.h: the platform that manifests describe, without a server.
 *
 * Manifests are read and admitted as the server would (a Secret's stringData, defaults, rules), and
 * the control plane's own controllers make of them what they would make there
 * (reconcile/rehearsal.h): built-in types, each organization's first environment and pipeline, ours
 * of OpenChoreo's objects, releases, bindings, and what each cluster is sent. A component counts as
 * bound to any environment that is asked for; a binding among the manifests says with which
 * overrides.
 *
 * Objects have the uid that their manifest says in metadata.uid, or none: what is rendered then
 * lacks the labels that hold uids. Owner: the caller; offline_free(). Thread: main's. */
#ifndef CLI_OFFLINE_H
#define CLI_OFFLINE_H

#include "cli/commands.h"
#include "cli/findings.h"
#include "reconcile/controllers/common.h"
#include "reconcile/rehearsal.h"
#include "render/deployment.h"

struct offline {
    struct manifests files;
    struct arena arena;
    struct rehearsal rehearsal;
    struct view view; /* of its snapshot */
    struct findings findings;
    /* private */
    const struct options *options;
    json_t *places;                   /* "KIND/NS/NAME": number of the manifest */
    size_t held[SNAPSHOT_KIND_COUNT]; /* how many manifests are of the kind */
    json_t *refused;                  /* {name: true} of manifests that the server would refuse */
    json_t *asked;                    /* what bindings ask for, until it is known what there is */
    json_t *needed;                   /* "NS/NAME" of components that chosen ones depend on */
    bool chosen;                      /* components are rendered */
    bool judged; /* what is wrong goes to findings, and what is missing is assumed */
};

/* One component or resource in one environment on one cluster, and the cell that it is in: each is
 * what a RenderedRelease is of; or a cell alone, which is both. Texts are the platform's. */
struct offline_target {
    struct deployment deployment;
    struct deployment cell;
    const char *place; /* of the object: "file:line: component.choreo.dev/web" */
};

/* Of -f, -R and -n; must stay where it is. Prints each fault to stderr. Errors: manifests_read()'s,
 * ERR_UNPROCESSABLE (faults), rehearsal_run()'s. On error nothing is held. */
int offline_open(struct offline *o, const struct cli *c, struct err *err);
void offline_free(struct offline *o);

/* Everything that can be said of the files without a server: what it would refuse, and what it
 * would say in conditions, of every component in every environment, goes to o->findings. What files
 * name and do not hold is assumed, with a warning, where they hold no other of the kind. Returns 0
 * however much is wrong. Errors: manifests_read()'s, if nothing can be read; rehearsal_run()'s. On
 * error nothing is held. */
int offline_judge(struct offline *o, const struct cli *c, struct err *err);

/* What --component, --resource, --environment, --all and --cluster choose: resources, then
 * components, then cells that are bound by themselves, each by namespace, name, environment and
 * cluster; the array is o's, until the next call. What cannot be placed is told on stderr, but for
 * the first, which is the error; *count is of those that can. Errors: ERR_NOT_FOUND (nothing is
 * chosen; an environment, plane or pipeline is missing), ERR_UNPROCESSABLE (no release, an
 * ambiguous project). */
int offline_targets(struct offline *o, const struct cli *c, struct offline_target **targets,
                    size_t *count, struct err *err);

/* What target's component or resource (or its cell) puts on the cluster, in order of application,
 * borrowed, with its revision. Errors: ERR_NOT_FOUND, ERR_UNPROCESSABLE: why nothing is sent, with
 * its place (offline_place()). */
int offline_manifests(struct offline *o, const struct offline_target *target, bool cell,
                      const json_t **manifests, const char **revision, struct err *err);

/* Puts before an error of deployment_render() where it is: the file and line of the type, trait or
 * component that the message's path leads to. */
int offline_place(struct offline *o, const struct offline_target *target, struct err *err);

#endif
