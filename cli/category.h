/* category.h: kinds that are looked at together: what the server's kinds say they belong to, as
 * "all" and "choreo" of ours.
 * Owner: the texts are the cli's arena's. Thread: main's. */
#ifndef CLI_CATEGORY_H
#define CLI_CATEGORY_H

#include "cli/ask.h"

struct category {
    const char **resources; /* "components.choreo.dev" */
    const char **prefixes;  /* "component/", before names of it */
    size_t count;           /* 0: no kind says that it belongs to it */
};
/* Those that namespaces hold. Errors: ask_kinds()'s. */
int category_find(struct cli *c, const char *word, struct category *out, struct err *err);

#endif
