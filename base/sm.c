/* sm.c: checked state machines. An illegal move says which and aborts: it is a bug of ours, and
 * going on from a state that nobody thought of would do harm. */
#include "base/sm.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void sm_init(struct sm *sm, const struct sm_state *states, int initial)
{
    assert(initial >= 0 && initial < 32);
    sm->states = states;
    sm->state = initial;
}

bool sm_can(const struct sm *sm, int to)
{
    assert(to >= 0 && to < 32);
    return (sm->states[sm->state].to & SM_TO(to)) != 0;
}

void sm_move(struct sm *sm, int to)
{
    if (!sm_can(sm, to)) {
        (void)fprintf(stderr, "illegal move from state %s to %s\n", sm->states[sm->state].name,
                      sm->states[to].name);
        abort();
    }
    sm->state = to;
}

const char *sm_name(const struct sm *sm)
{
    return sm->states[sm->state].name;
}
