/* events.h: Events, for `choreo events` and `choreo describe`.
 * Thread: main's. */
#ifndef CLI_EVENTS_H
#define CLI_EVENTS_H

#include "cli/ask.h"
#include "cli/print.h"

/* A table of all that match, oldest first; ns "" is every namespace; indented. *count of them.
 * Errors: ask_list()'s. */
int events_print(struct cli *c, const char *ns, const char *fields, int indent, bool objects,
                 size_t *count, struct err *err);

#endif
