/* releases.h: a component's or a resource's releases and where they are bound: what promote,
 * approve, rollback and history have in common.
 *
 * Owner: the caller; releases_close(). Trees are the struct's. Thread: main's. */
#ifndef CLI_RELEASES_H
#define CLI_RELEASES_H

#include "cli/await.h"
#include "proto/promotion.h"

struct releases {
    struct cli *cli;
    const struct promotion_track *track;
    const char *owner; /* the component or resource */
    json_t *bindings;  /* of it */
};

/* Reads what the command line names, COMPONENT, component/COMPONENT or resource/RESOURCE, alone.
 * Errors: ERR_INVALID, ERR_NOT_FOUND (there is none, nor ever was), ask_items()'s. */
int releases_open(struct releases *r, struct cli *c, struct err *err);
void releases_close(struct releases *r);

/* The binding in an environment. Errors: ERR_NOT_FOUND (says where it is bound). */
int releases_binding(const struct releases *r, const char *environment, const json_t **binding,
                     struct err *err);
/* The release that can be promoted to an environment: what runs where the pipeline comes from.
 * The text is the cli's arena's. Errors: ERR_NOT_FOUND, ERR_INVALID (it starts there: say which),
 * ask_get()'s. */
int releases_before(const struct releases *r, const char *environment, const char **release,
                    struct err *err);
/* Binds a release in an environment, tells it in the form of -o, and with --wait waits until it
 * runs. Errors: ERR_NOT_FOUND (no such release), ask_create()'s, ask_patch()'s, await_one()'s. */
int releases_bind(const struct releases *r, const char *environment, const char *release,
                  struct err *err);
/* Waits until the binding, as it was written, is Ready; for --wait. */
int releases_await(const struct releases *r, const json_t *binding, struct err *err);

#endif
