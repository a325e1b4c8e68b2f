/* oc_functions.h: what templates can call besides the language's functions.
 *
 *     oc_omit() oc_merge(m, ...) oc_generate_name(part, ...) oc_dns_label(part, ...) oc_hash(text)
 *     configurations.toContainerEnvFrom() .toContainerVolumeMounts() .toVolumes()
 *         .toConfigEnvsByContainer() .toSecretEnvsByContainer() .toConfigFileList()
 *         .toSecretFileList() .toSecretValues() .toImagePullSecrets()
 *     dependencies.toContainerEnvs() .toContainerVolumeMounts() .toVolumes()
 *     workload.toServicePorts() .toEndpointResources(endpoint)
 *
 * The methods are lookups in what render/context computed, but for toEndpointResources(), which
 * reads an endpoint's API description (routes.h) when it is asked; cel_ctx.host is a struct
 * oc_host. Owner: constants. Thread: any. */
#ifndef RENDER_OC_FUNCTIONS_H
#define RENDER_OC_FUNCTIONS_H

#include "render/cel/cel.h"

struct oc_host {
    /* The trees that the variables of these names borrow: a method knows its receiver by them. */
    const json_t *configurations;
    const json_t *dependencies;
    const json_t *workload;
    /* {"configurations": {"toVolumes": [...], ...}, "dependencies": {...}, "workload": {...}} */
    const json_t *derived;
};

const struct cel_function *oc_functions(void);
size_t oc_function_count(void);

#endif
