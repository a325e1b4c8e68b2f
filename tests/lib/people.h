/* people.h: who asks, in tests of the doors: "Bearer admin" may do everything, "Bearer viewer" may
 * look, without a token one is anonymous, any other is refused, unless api_config.auth has a token
 * key: then that decides. Thread: any. */
#ifndef TESTS_LIB_PEOPLE_H
#define TESTS_LIB_PEOPLE_H

#include "node/api/api.h"

/* For api_config.authenticate. */
int people_authenticate(struct api *api, const struct tls_peer *peer, struct slice authorization,
                        struct arena *arena, struct subject *subject, struct err *err);

#endif
