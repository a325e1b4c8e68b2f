/* workflow_source.h: which parameters of a workflow say what is built.
 *
 * A workflow of OpenChoreo knows no source: its parameters do, and marks in its schema say which
 * (x-openchoreo-component-parameter-repository-url, -branch, -commit, -app-path, -secret-ref). So
 * the source of a component and of a run can be read out of parameters, and the commit that is to
 * be built be written into them. Pure.
 * Owner: results are the caller's to json_decref(). Thread: any. */
#ifndef PROTO_WORKFLOW_SOURCE_H
#define PROTO_WORKFLOW_SOURCE_H

#include "base/json.h"

/* Marks further down are not looked for; longer paths and values count as absent, since a
 * component's source cannot hold them. */
enum {
    WORKFLOW_SOURCE_DEPTH_MAX = 16,
    WORKFLOW_SOURCE_PATH_MAX = 512,
    WORKFLOW_SOURCE_VALUE_MAX = 2048,
};

/* {repository, branch, commit, path, secretRef}: of those that are marked the path of the
 * parameter, its keys joined by dots. A new tree; NULL: no repository is marked. */
json_t *workflow_source_paths(const json_t *workflow);
/* {git: {repository, ...}} as parameters say it, or else the schema's defaults; a new tree. NULL:
 * they name no repository. */
json_t *workflow_source_read(const json_t *workflow, const json_t *parameters);
/* Makes parameters say git's branch and commit; what git lacks, they lack then. A path of more than
 * WORKFLOW_SOURCE_DEPTH_MAX keys is left out. */
void workflow_source_write(json_t *parameters, const json_t *paths, const json_t *git);

#endif
