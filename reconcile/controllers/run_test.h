/* run_test.h: the TestResult that a WorkflowRun with spec.test comes to be.
 * Pure, over a snapshot. Thread: the snapshot's. */
#ifndef RECONCILE_CONTROLLERS_RUN_TEST_H
#define RECONCILE_CONTROLLERS_RUN_TEST_H

#include "reconcile/controllers/common.h"

/* Is it a test, and so no build? */
bool run_is_test(const json_t *run);
/* To be called once, as the run ends: plans its result, with why it did not pass, and names it in
 * the status of edit. A run that is no test has none. */
void run_test_report(const struct snapshot *s, const json_t *run, bool passed, const char *why,
                     json_t *edit, struct plan *plan);

#endif
