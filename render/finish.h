/* finish.h: rendered objects into manifests: checked, labelled, hashed, ordered.
 * Owner: as said. Thread: any. */
#ifndef RENDER_FINISH_H
#define RENDER_FINISH_H

#include "render/resources.h"

struct finish {
    struct slice cell;          /* the one namespace that objects may be in */
    bool cell_itself;           /* the Namespace of that name may be among them */
    const json_t *standard;     /* labels of ours */
    const json_t *labels;       /* the caller's, or NULL */
    const json_t *annotations;  /* the caller's, or NULL */
    struct slice workload_type; /* "deployment", "statefulset": whose pods are rolled when
                                 * configuration changes; else empty */
    struct trace *trace;        /* takes over the origins, or NULL */
};

/* Moves the objects of list into *manifests, an array in order of application. Errors:
 * ERR_UNPROCESSABLE: an object that may not leave (manifest.h), that a cluster
 * would not take (shape.h), or is there twice. */
int finish_manifests(const struct finish *how, struct resource_list *list, json_t **manifests,
                     struct err *err);

#endif
