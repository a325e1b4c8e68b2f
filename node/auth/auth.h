/* auth.h: who asks, and whether they may.
 *
 *   credentials -> auth_authenticate -> subject -> auth_authorize -> go on, or 401 / 403
 *
 * Called at every door, for every request; denies by default. Three groups are granted something:
 *   system:masters   everything
 *   choreo:viewers   get, list and watch of every kind but Secret; discovery, metrics, status
 *   choreo:nodes     what nodes ask of each other over the API: status, joining
 * A join token (choreo:joiners) may ask to join. Anonymous sees /livez, /readyz, /version and the
 * cluster's CA certificate, which is public by nature; anyone else known may look at discovery, ask
 * who they are and what they may, and nothing more - but for what is said of releases: whoever is
 * known may create a ReleaseApproval, which the gate holds to the pipeline's groups, and
 * choreo:testers may create TestResults, and tell of alerts that become some.
 * Owner: the caller. Thread: any; struct auth is immutable once set up. */
#ifndef NODE_AUTH_AUTH_H
#define NODE_AUTH_AUTH_H

#include "base/tls.h"
#include "node/auth/token.h"

struct auth {
    const char *cluster;
    const struct token_key *token_key; /* NULL: no tokens are accepted */
    const char *static_token; /* one fixed administrator's token, for choreo-plane; else NULL */
};

/* A subject that is `bound` is known only if its account is there (node/api/accounts.h).
 * From the connection's verified client certificate (CN is the user, O the groups; may be NULL) or
 * the value of the Authorization header (empty if none); a bearer token wins. Without either the
 * subject is anonymous. Errors: ERR_UNAUTHENTICATED. */
int auth_authenticate(const struct auth *a, const struct tls_peer *peer, struct slice authorization,
                      uint64_t now_wall_ms, struct arena *arena, struct subject *subject,
                      struct err *err);

/* What is asked. For paths that are no resources, verb is the HTTP method in lower case, path is
 * set and resource empty. */
struct auth_request {
    const struct subject *subject;
    struct slice verb; /* get list watch create update patch delete deletecollection */
    struct slice group;
    struct slice resource; /* plural */
    struct slice subresource;
    struct slice ns;
    struct slice name;
    struct slice path;
};

/* The decision. A verb, group or resource of "*" means all. */
bool auth_allows(const struct auth_request *request);
/* It, as 0, or ERR_UNAUTHENTICATED for anonymous and ERR_FORBIDDEN for others, with Kubernetes'
 * sentence. */
int auth_authorize(const struct auth_request *request, struct err *err);
/* The paths that decisions tell apart, in turn; one that ends in '/' stands for all below it. NULL
 * behind the last. */
const char *auth_path_at(size_t i);

#endif
