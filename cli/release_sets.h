/* release_sets.h: what `promote --project` and `rollback --project` do: they make a ReleaseSet; and
 * what `approve` asks of one.
 *
 * Thread: main's. */
#ifndef CLI_RELEASE_SETS_H
#define CLI_RELEASE_SETS_H

#include "cli/commands.h"

/* Of what runs where the project's pipeline leads to --to from; with --wait until it is Ready.
 * Errors: ERR_INVALID (a component is named too, releases start there), ERR_NOT_FOUND,
 * ask_create()'s, await_one()'s. */
int release_sets_promote(struct cli *c, struct err *err);
/* Of what ran in --environment before the project's last set was let in there. Errors: likewise;
 * ERR_NOT_FOUND (no set, or nothing before it). */
int release_sets_rollback(struct cli *c, struct err *err);
/* A set, new. Errors: ask_get()'s. */
int release_sets_read(struct cli *c, const char *name, json_t **set, struct err *err);
/* Waits until it is Ready. Errors: await_one()'s. */
int release_sets_await(struct cli *c, const json_t *set, struct err *err);

#endif
