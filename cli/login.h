/* login.h: what `choreo login` and `choreo context set` share.
 * Thread: main's. */
#ifndef CLI_LOGIN_H
#define CLI_LOGIN_H

#include "cli/commands.h"

/* Takes --endpoint, --namespace, --certificate-authority, --client-certificate and --client-key, as
 * far as they were given, over into a context's tree. Paths become absolute, the CA's bytes are
 * copied. Errors: file_read()'s, ERR_INVALID. */
int login_fill(struct cli *c, json_t *context, struct err *err);

#endif
