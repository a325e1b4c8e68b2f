/* check.h: the server's rules for manifests, without a server: names, fields, schemas, templates.
 *
 * What needs the cluster's state (does the namespace exist, is a field immutable, is it owned) only
 * the server can say. Thread: main's. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "cli/manifest.h"

/* Prints every fault of every manifest to stderr, "file:line: kind/name: path: what"; ns is for
 * those that name none. Kinds of groups that this program does not know are passed over, with a
 * note. admitted, an array, gets for each manifest the object as it would be stored, or null; it
 * may be NULL. Errors: ERR_UNPROCESSABLE, with the count of faults; the reading's faults count too.
 */
int check_all(const struct manifests *m, const char *ns, json_t *admitted, struct err *err);

#endif
