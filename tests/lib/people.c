/* people.c: three people and a stranger. */
#include "tests/lib/people.h"

int people_authenticate(struct api *api, const struct tls_peer *peer, struct slice authorization,
                        struct arena *arena, struct subject *subject, struct err *err)
{
    *subject = (struct subject){.user = SLICE(USER_ANONYMOUS)};
    if (slice_eq_cstr(authorization, "Bearer admin")) {
        subject->user = SLICE("admin");
        (void)subject_add_group(subject, SLICE(GROUP_ADMIN));
    } else if (slice_eq_cstr(authorization, "Bearer viewer")) {
        subject->user = SLICE("viewer");
        (void)subject_add_group(subject, SLICE(GROUP_VIEWER));
        (void)subject_add_group(subject, SLICE(GROUP_AUTHENTICATED));
    } else if (authorization.len != 0 && api->config.auth != NULL) {
        return auth_authenticate(api->config.auth, peer, authorization,
                                 api->clock->wall_ms(api->clock), arena, subject, err);
    } else if (authorization.len != 0) {
        return err_set(err, ERR_UNAUTHENTICATED, "Unauthorized");
    } else {
        (void)subject_add_group(subject, SLICE(GROUP_ANONYMOUS));
    }
    return 0;
}
