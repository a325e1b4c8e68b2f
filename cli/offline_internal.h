/* offline_internal.h: between offline.c, which has the controllers work on files, offline_bind.c,
 * which deploys what is asked for, offline_targets.c, which chooses among what came of it, and
 * offline_place.c, which tells where an object stands.
 * Owner: objects are the snapshot's. Thread: main's. */
#ifndef CLI_OFFLINE_INTERNAL_H
#define CLI_OFFLINE_INTERNAL_H

#include "cli/offline.h"

/* Whether --component, --resource and -n choose it. */
bool offline__chosen(const struct offline *o, enum snapshot_kind kind, struct slice ns,
                     struct slice name);
/* Binds whatever is chosen, and what that needs, wherever it is asked for, and has it rendered.
 * Errors: those of rehearsal_run(). */
int offline__bind(struct offline *o, struct err *err);
/* The environments that are asked for in the pipeline of an object's project; with none of
 * --environment and --all, none. The array is the arena's. */
size_t offline__environments(struct offline *o, const struct snapshot_entry *project,
                             struct slice ns, struct slice **out);
/* That of a component or resource, by its name; NULL: there is no such object. */
const struct snapshot_entry *offline__project(struct offline *o, const json_t *object,
                                              struct slice *name);

/* Notes that the object is of that manifest. */
void offline__note(struct offline *o, const json_t *object, size_t manifest);
/* "file:line: title" of the field, of the manifest that an object is of, or was made of; the title
 * alone of what is in no file. The arena's. */
const char *offline__place_text(struct offline *o, const json_t *object, struct slice field);
/* Says as an error what a condition of the object says. Errors: ERR_NOT_FOUND (its reason says so),
 * ERR_UNPROCESSABLE. */
int offline__condition(const json_t *object, const char *type, struct err *err);

#endif
