/* builtin.h: the types of components and of resources, and the cell's template, that are compiled
 * in.
 *
 * The YAML files of render/builtin/, parsed once per call. Thread: any. */
#ifndef RENDER_BUILTIN_H
#define RENDER_BUILTIN_H

#include "base/json.h"

/* Names of the built-in ClusterComponentTypes, sorted: scheduled-task, service, web-application,
 * worker. */
size_t builtin_count(void);
struct slice builtin_name(size_t index);
/* Names of the built-in ClusterResourceTypes, sorted: nats, postgres, redis. */
size_t builtin_resource_count(void);
struct slice builtin_resource_name(size_t index);
/* The YAML of one, as its file reads; empty if there is none of that name. "cell" is the
 * ClusterProjectType that cells are of where nobody says otherwise. */
struct slice builtin_yaml(struct slice name);
/* The whole object ({apiVersion, kind, metadata, spec}), a new tree. Errors: ERR_NOT_FOUND. */
int builtin_load(struct slice name, json_t **object, struct err *err);

#endif
