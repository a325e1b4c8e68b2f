/* store_hooks.h: the production store beside each node's machine, in the simulation.
 *
 * Owner: the simulation: one per world. Thread: one. */
#ifndef TESTS_SIM_STORE_HOOKS_H
#define TESTS_SIM_STORE_HOOKS_H

#include "tests/lib/world.h"

/* Databases live in a new directory under $TMPDIR; they are faster in memory (/dev/shm). */
const struct world_hooks *store_hooks_new(void);
/* Ends what the world left, and removes the directory. After world_free(). */
void store_hooks_free(const struct world_hooks *hooks);

#endif
