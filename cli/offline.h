/* offline.h: the platform that manifests describe, without a server.
 *
 * Manifests are read and admitted as the server would (a Secret's stringData, defaults, rules), and
 * what the control plane makes of them by itself is added: built-in component types, the
 * organization `default`, each organization's first environment and pipeline, components that a
 * project lists, resources that components name, and a release of each. Both count as bound to any
 * environment that is asked for; a binding among the manifests says with which overrides.
 *
 * Objects have the uid that their manifest says in metadata.uid, or none: what is rendered then
 * lacks the labels that hold uids. Owner: the caller; offline_free(). Thread: main's. */
#ifndef CLI_OFFLINE_H
#define CLI_OFFLINE_H

#include "cli/commands.h"
#include "cli/manifest.h"
#include "render/deployment.h"
#include "render/environment.h"

struct offline {
    struct manifests files;
    struct platform platform;
    struct arena arena;
    /* private */
    json_t *objects; /* "KIND/NS/NAME": object */
    json_t *places;  /* of the same: number of the manifest */
    json_t *faults;  /* "NS/NAME" of a component: why there is no release of it */
};

/* One component or resource in one environment on one cluster. */
struct offline_target {
    struct deployment deployment;
    const char *place; /* of the object: "file:line: component.choreo.dev/web" */
};

/* Of -f, -R and -n. Prints each fault to stderr. Errors: manifests_read()'s, ERR_UNPROCESSABLE
 * (faults). On error nothing is held. */
int offline_open(struct offline *o, const struct cli *c, struct err *err);
void offline_free(struct offline *o);

/* What --component, --resource, --environment, --all and --cluster choose: resources, then
 * components, each by namespace, name, environment and cluster; the array is o's. What cannot be
 * placed is told on stderr, but for the first, which is the error; *count is of those that can.
 * Errors: ERR_NOT_FOUND (nothing is chosen; an environment, plane or pipeline is missing),
 * ERR_UNPROCESSABLE (no release, an ambiguous project). */
int offline_targets(struct offline *o, const struct cli *c, struct offline_target **targets,
                    size_t *count, struct err *err);

/* Puts before an error of deployment_render() where it is: the file and line of the type, trait or
 * component that the message's path leads to. */
int offline_place(struct offline *o, const struct offline_target *target, struct err *err);

#endif
