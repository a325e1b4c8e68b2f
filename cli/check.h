/* check.h: the server's rules for manifests, without a server: names, fields, schemas, templates.
 *
 * What needs the cluster's state (does the namespace exist, is a field immutable, is it owned) only
 * the server can say. Thread: main's. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "cli/findings.h"

/* Finds every fault of every manifest, those of the reading too; ns is for those that name none.
 * Kinds of groups that this program does not know are passed over, with a note. admitted, an array,
 * gets for each manifest the object as it would be stored, or null; it may be NULL. */
void check_all(const struct manifests *m, const char *ns, json_t *admitted, struct findings *f);
/* "2 faults in 3 manifests", if there are errors: ERR_UNPROCESSABLE. */
int check_verdict(const struct manifests *m, const struct findings *f, struct err *err);

#endif
