/* credentials.h: passwords that are made up when a Secret for them is made.
 *
 * Plans are pure, so that a plan only says which credentials it wants (plan_create_secret()); they
 * come into being with the write. Thread: any. */
#ifndef RECONCILE_CREDENTIALS_H
#define RECONCILE_CREDENTIALS_H

#include "base/json.h"

enum { CREDENTIAL_LENGTH = 32 };

/* Puts a random text of letters and digits into secret.data for each of wanted ([{name, length}],
 * as a ResourceType's spec.credentials) that is not there. */
void credentials_make(json_t *secret, const json_t *wanted);

#endif
