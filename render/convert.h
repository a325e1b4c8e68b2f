/* convert.h: our Component manifest into OpenChoreo's workload.
 *
 * A Release keeps what OpenChoreo's does: `componentProfile` (parameters, traits) and `workload`
 * (container {image, command, args, env[], files[]}, endpoints {name: {type, port, targetPort,
 * basePath, visibility[]}}, dependencies {endpoints[], resources[]}). Our Component says the same
 * more briefly:
 *
 *     spec.image, command, args            -> container.image, command, args
 *     spec.env[] {name, value | valueFrom} -> container.env[] {key, ...}
 *     spec.files[] {name, mountPath, value | valueFrom}
 *                                          -> container.files[] {key, mountPath, ...}
 *     spec.endpoints[] {name, port, targetPort, path, type, visibility, metrics}
 *                                          -> endpoints.NAME {port, targetPort, basePath, type,
 *                                             visibility[], metrics}; public is external,
 *                                             organization is namespace, type defaults to HTTP
 *     spec.dependencies[] {name, type, resource, env, files}
 *                                          -> dependencies.resources[] {ref, type, name,
 *                                             envBindings, fileBindings}, ref being PROJECT-NAME
 *                                             unless `resource` says otherwise; with type
 *                                             component or service, or with `component`:
 *                                             dependencies.endpoints[], by default with the
 *                                             variables NAME_HOST, NAME_PORT, NAME_ADDRESS
 *     spec.replicas, autoscaling, resources, imagePullPolicy, imagePullSecrets, schedule, probes,
 *     security, serviceAccountName, shutdown, zoneSpread, volumes, slo, and spec.parameters over
 *     them                                 -> componentProfile.parameters
 *     spec.traits                          -> componentProfile.traits
 *
 * What only builds need (source, build, runtime) is not part of it.
 * Thread: any. */
#ifndef RENDER_CONVERT_H
#define RENDER_CONVERT_H

#include "base/json.h"

/* spec is Component.spec, of the project; image overrides spec.image when not empty (a build's
 * result). *workload is a new tree. Errors: ERR_UNPROCESSABLE, naming the field
 * ("spec.endpoints[1].name: ..."); no image is one of them. */
int convert_workload(const json_t *spec, struct slice project, struct slice image,
                     json_t **workload, struct err *err);

/* componentProfile {parameters, traits}: a new tree. Errors: ERR_UNPROCESSABLE. */
int convert_profile(const json_t *spec, json_t **profile, struct err *err);

/* The X of spec.X that a type's refusal of parameters.X means; NULL: it is about nothing such. */
const char *convert_unknown_field(struct slice message);

#endif
