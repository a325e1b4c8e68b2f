/* hooks.h: the door that git providers tell of pushes: POST
 * /webhooks/v1/namespaces/NAMESPACE/{github,gitlab,bitbucket}/NAME.
 *
 *   GitWebhook and its Secret -> signature -> push -> components that follow it -> WorkflowRuns
 *
 * Nobody logs in here: who signs with the Secret of the GitWebhook is believed, for that namespace,
 * and what comes of it is WorkflowRuns alone, written by "system:webhook:NAMESPACE/NAME". Everybody
 * else gets the same 401 after the same look-ups, whether there is such a webhook or not.
 * A run is named by its component and commit, and where another push led to that commit before, by
 * where the branch was: so that what is delivered twice, or to two nodes at once, makes one. It
 * says where the branch was in any case, for deliveries come in any order (controllers/build.c).
 * Owner:  the caller embeds struct hooks and keeps it as long as the api.
 * Thread: any front loop's. */
#ifndef NODE_API_HOOKS_HOOKS_H
#define NODE_API_HOOKS_HOOKS_H

#include "node/api/api.h"

enum {
    HOOK_BODY_MAX_BYTES = 25 * 1024 * 1024, /* what GitHub and GitLab send at most */
    HOOK_HELD_MAX_BYTES = 32 * 1024 * 1024, /* of one address, at a time */
    HOOK_RUNS_MAX = 200,                    /* that one push makes */
    HOOK_SECRET_MIN = 16,                   /* characters: a shorter one is believed nothing */
};

struct hooks {
    /* private */
    struct quota addresses; /* of who asks */
    struct quota names;     /* of what is asked for, once the signature was right */
};

/* Adds the route. */
void hooks_init(struct hooks *hooks, struct api *api);
void hooks_free(struct hooks *hooks); /* after the servers have closed */

/* Whether what failed so may be done later: whoever told of it is asked to tell again. */
bool hooks_may_pass(int rc);

#endif
