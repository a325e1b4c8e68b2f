/* fault.h: places where tests make things fail on purpose.
 *
 * Production code asks `if (fault_hit("wal.sync"))` where the operating system could refuse; tests
 * arm a point to fail at its nth passing. For a child process they set
 * CHOREOD_FAULTS="wal.sync=3,store.commit=1+" ("+": at every passing from then on).
 * Costs one relaxed load while nothing is armed.
 * Thread: any. */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

bool fault_hit(const char *point);
/* The point fails at its nth passing from now (1: the next) and, if sticky, ever after. */
void fault_arm(const char *point, unsigned nth, bool sticky);
void fault_disarm_all(void);
/* Reads CHOREOD_FAULTS, and exits with 2 if it is malformed. Called once by a program's main(). */
void fault_from_environment(void);

#endif
