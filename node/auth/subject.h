/* subject.h: who asks, once known.
 *
 * Owner: the strings live as long as the arena given to auth_authenticate(), or are static.
 * Thread: any; immutable once filled. */
#ifndef NODE_AUTH_SUBJECT_H
#define NODE_AUTH_SUBJECT_H

#include <stdbool.h>

#include "base/arena.h"

enum { SUBJECT_GROUPS_MAX = 16 };

/* Kubernetes' names where it has one, ours where it has none. */
#define GROUP_ADMIN "system:masters"
#define GROUP_VIEWER "choreo:viewers"
#define GROUP_NODE "choreo:nodes"
#define GROUP_TESTER "choreo:testers" /* may report TestResults: CI */
#define GROUP_JOINER "choreo:joiners" /* holders of a join token: may ask to join, nothing else */
#define GROUP_AUTHENTICATED "system:authenticated"
#define GROUP_ANONYMOUS "system:unauthenticated"
#define GROUP_ACCOUNTS "system:serviceaccounts"
#define USER_ANONYMOUS "system:anonymous"
#define USER_ACCOUNT "system:serviceaccount:" /* NS:NAME follows */

/* What an authenticator knows besides: one value of a key, which may have several. */
struct subject_extra {
    struct slice key;
    struct slice value;
};

struct subject {
    struct slice user;
    struct slice uid; /* empty: has none */
    struct slice groups[SUBJECT_GROUPS_MAX];
    size_t group_count;
    const struct subject_extra *extras;
    size_t extra_count;
    /* Known by a token that is bound to a service account: holds only while there is an account of
     * that name with this uid, which who accepts the subject has to find out. */
    bool bound;
    const struct subject *really; /* who asks in this one's name; NULL: itself */
};

bool subject_in(const struct subject *s, const char *group);
/* Adds a group; false when there is no room left. */
bool subject_add_group(struct subject *s, struct slice group);

/* "system:serviceaccount:NS:NAME"; false for every other user. */
bool subject_account(struct slice user, struct slice *ns, struct slice *name);
/* The groups of every account, and of those in ns; false when there is no room left. */
bool subject_add_account_groups(struct subject *s, struct slice ns, struct arena *arena);

#endif
