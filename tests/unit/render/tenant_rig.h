/* tenant_rig.h: components of the organization acme, rendered by types and traits of a tenant's.
 * Owner: as said. Thread: the test's. */
#ifndef TESTS_UNIT_RENDER_TENANT_RIG_H
#define TESTS_UNIT_RENDER_TENANT_RIG_H

#include "tests/lib/test.h"

#include "base/json.h"

/* What came of a rendering: its error, or the number of manifests. */
struct outcome {
    int rc;
    size_t count;
    struct err err;
};

json_t *tenant_parse(const char *yaml);
/* The component web of the project shop in development, by Release.spec (its workload may be left
 * out) and Organization.spec, or NULL. The plane has the gateway gateways/gw of the domain
 * apps.example.com, and the secret store vault, of which a namespace may have what begins with its
 * name and a slash. */
struct outcome tenant_render(const char *release_yaml, const char *organization_yaml, bool by_hand);
/* The same where Environment.spec is as said, or NULL. */
struct outcome tenant_render_in(const char *environment_yaml, const char *release_yaml,
                                const char *organization_yaml, bool by_hand);
/* It is refused with that in its message; NULL: it is not. Tells what was said instead. */
void tenant_expect(const char *what, const struct outcome *out, const char *message);

#endif
