/* alerts.h: the door that an Alertmanager tells of what burns: POST /webhooks/v1/alertmanager, with
 * the messages of its `webhook_config` (version 4).
 *
 *   alert -> its labels -> the RenderedRelease of that namespace on a cluster -> its binding ->
 *   a TestResult that says that the release failed
 *
 * For who may create TestResults (group choreo:testers); what becomes of one, the pipeline's
 * rollbackOn says. An alert speaks by its labels: `test` (of a TestResult), `organization` (the
 * control plane's namespace), `namespace` (the cell's, on the cluster), `component`, `environment`.
 * The PrometheusRules of built-in types have them. A component is only spoken of from its own
 * cell's namespace, which an operator of Prometheus can enforce (`enforcedNamespaceLabel`). What
 * began before the release came is not held against it; that an alert ended makes no test passed.
 * Results are named by alert and start: what is told again, or to two nodes, makes one. Owner: the
 * api's. Thread: any front loop's. */
#ifndef NODE_API_HOOKS_ALERTS_H
#define NODE_API_HOOKS_ALERTS_H

#include "node/api/api.h"

enum { ALERTS_MAX = 1000 }; /* of one message: what is beyond is left out, and counted */

/* Adds the route. */
void alerts_init(struct api *api);

#endif
