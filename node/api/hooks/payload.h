/* payload.h: what GitHub, GitLab and Bitbucket send when somebody pushes, and how they sign it.
 *
 * Pure. Owner: slices point into the request or the tree. Thread: any. */
#ifndef NODE_API_HOOKS_PAYLOAD_H
#define NODE_API_HOOKS_PAYLOAD_H

#include "base/err.h"
#include "base/json.h"

enum hook_provider { HOOK_GITHUB, HOOK_GITLAB, HOOK_BITBUCKET, HOOK_PROVIDERS };

const char *hook_provider_name(enum hook_provider provider);
/* HOOK_PROVIDERS: there is none of that name. */
enum hook_provider hook_provider_named(struct slice name);

/* The header lines that matter, by provider. */
struct hook_head {
    struct slice signature; /* or token */
    struct slice event;
    struct slice delivery;
};

/* Names of those headers, in lower case; delivery may have two. */
const char *hook_signature_header(enum hook_provider provider);
const char *hook_event_header(enum hook_provider provider);
const char *hook_delivery_header(enum hook_provider provider, int which);

/* Is it signed with secret? In constant time, also for what has no signature at all. */
bool hook_verify(enum hook_provider provider, struct slice secret, struct slice signature,
                 struct slice body);

enum { HOOK_URLS_MAX = 4, HOOK_PUSHES_MAX = 20 };

/* A body as a tree; of a large one (HOOK_WHOLE_BYTES) without what it lists of files. Errors:
 * ERR_INVALID, ERR_TOO_LARGE. */
int hook_parse(struct slice body, json_t **tree, struct err *err);
/* Appends body with nothing in the lists of commits and of files. What is no JSON stays none. */
void hook_thin(struct slice body, struct buf *out);

enum { HOOK_WHOLE_BYTES = 1024 * 1024 };

/* One branch or tag that was pushed. */
struct hook_push {
    struct slice branch; /* or */
    struct slice tag;
    struct slice commit;
    struct slice before; /* the commit that it was at; empty: it is new, or that is not known */
    bool forced;         /* and is known not to have gone on from there */
    bool deleted;
    bool files_known; /* every file that changed is in commits */
    const json_t *commits;
};

struct hook_payload {
    const char *ignored;              /* why nothing is to be done; NULL: pushes tell */
    struct slice urls[HOOK_URLS_MAX]; /* of the repository, in several forms */
    size_t url_count;
    struct slice default_branch; /* empty: it does not say */
    struct hook_push pushes[HOOK_PUSHES_MAX];
    size_t push_count;
    bool cut; /* there were more pushes */
};

/* Reads body, whose event is named. Errors: ERR_INVALID (not what the provider sends). */
int hook_read(enum hook_provider provider, struct slice event, const json_t *body,
              struct hook_payload *out, struct err *err);

/* Did the push change something at or below path? True where that is not known. */
bool hook_touches(const struct hook_push *push, struct slice path);

#endif
