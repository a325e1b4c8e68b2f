/* prune.h: a release without what its type can never make of it.
 * Owner: as said. Thread: any, one call at a time per tree. */
#ifndef RENDER_PRUNE_H
#define RENDER_PRUNE_H

#include "base/json.h"

/* Release.spec, whole, with a componentType that is its own: leaves out those of the type's
 * resources whose includeWhen speaks of nothing but parameters and workload and is false.
 * Parameters that the type does not take leave everything as it is: rendering tells of them. */
void prune_release(json_t *spec);

#endif
