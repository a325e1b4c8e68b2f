/* offline_internal.h: between offline.c, which has the controllers work on files, offline_bind.c,
 * which deploys what is asked for, offline_targets.c, which chooses among what came of it,
 * offline_place.c, which tells where an object stands, and offline_locate.c, where an error of its
 * rendering is, offline_hint.c, which was meant, offline_assume.c, which adds what files take
 * for granted, and offline_judge.c, which gathers all that is wrong.
 * Owner: objects are the snapshot's. Thread: main's. */
#ifndef CLI_OFFLINE_INTERNAL_H
#define CLI_OFFLINE_INTERNAL_H

#include "cli/offline.h"

/* offline_open(); judged: as offline_judge() begins. */
int offline__open(struct offline *o, const struct cli *c, bool judged, struct err *err);
/* Says it as a note, or, where files are judged, keeps it as a warning (or what it is). */
void offline__tell(struct offline *o, const struct finding *finding);
/* Reads and admits the files, and puts what was admitted before the controllers.
 * Errors: manifests_read()'s; unless files are judged also ERR_UNPROCESSABLE (faults). */
int offline__read(struct offline *o, const struct cli *c, struct err *err);
/* Adds what the files name and do not hold. Errors: admit()'s. */
int offline__assume(struct offline *o, struct err *err);
/* Gives components that have no image, or none before they are built, one. Errors: admit()'s. */
int offline__assume_images(struct offline *o, struct err *err);

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
/* Where the field of an object stands: in the manifest that it is of, or was made of (then object
 * is that); else, without a field, in that of what it was made for. Fills in file, line, object and
 * field; the manifest, or NULL. */
const struct manifest *offline__place(struct offline *o, const json_t *object, const char *field,
                                      struct finding *out);
/* "a" of "a.b" and of "a[0].b". */
struct slice offline__first_key(struct slice path);
/* "did you mean cart?", for a name one edit away from it, of that kind; NULL: none. The arena's. */
const char *offline__meant(struct offline *o, enum snapshot_kind kind, struct slice ns,
                           struct slice name);
/* The same by a condition's reason and the names that its message quotes; else "there are cart,
 * web", if they are few. NULL: nothing to say. */
const char *offline__hint(struct offline *o, struct slice reason, enum snapshot_kind of,
                          struct slice ns, struct slice message);
/* The next text in quotes, cut off the message; false: there is none. */
bool offline__quoted(struct slice *message, struct slice *out);
/* The path of the first text in the object's spec that is name, or ends with "/name"; NULL: none.
 * The arena's. */
const char *offline__field_naming(struct offline *o, const json_t *object, struct slice name);
/* Where an error of a deployment's rendering is, and where it came up: true, if it is in a type or
 * a trait that is in a file. Of one that is not, where alone is set. The texts are the arena's. */
bool offline__locate(struct offline *o, const struct deployment *d, const char *message,
                     struct finding *out);
/* "file:line: title" of the field; the title alone of what is in no file. The arena's. */
const char *offline__place_text(struct offline *o, const json_t *object, struct slice field);
/* Says as an error what a condition of the object says. Errors: ERR_NOT_FOUND (its reason says so),
 * ERR_UNPROCESSABLE. */
int offline__condition(const json_t *object, const char *type, struct err *err);

#endif
