/* sm.h: checked state machines.
 *
 * The user draws the machine in a comment, names its states in an enum, and tabulates the legal
 * moves; sm_move() asserts that a move is in the table, so an illegal one stops at its cause.
 * Thread: the owner's. */
#ifndef BASE_SM_H
#define BASE_SM_H

#include <stdbool.h>
#include <stdint.h>

struct sm_state {
    const char *name;
    uint32_t to; /* bit i set: a move to state i is legal */
};

struct sm {
    const struct sm_state *states;
    int state;
};

void sm_init(struct sm *sm, const struct sm_state *states, int initial);
void sm_move(struct sm *sm, int to);
bool sm_can(const struct sm *sm, int to);
const char *sm_name(const struct sm *sm);

#define SM_TO(state) (UINT32_C(1) << (state))

#endif
