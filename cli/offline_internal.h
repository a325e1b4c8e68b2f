/* offline_internal.h: between offline.c, which makes a platform of files, and offline_targets.c,
 * which chooses among what is in it. Owner: objects are the platform's. Thread: main's. */
#ifndef CLI_OFFLINE_INTERNAL_H
#define CLI_OFFLINE_INTERNAL_H

#include "cli/offline.h"

/* "KIND/NS/NAME". Appends to key. */
void offline__key(struct buf *key, const char *kind, struct slice ns, struct slice name);
/* "NS/NAME" of a component; the arena's. */
const char *offline__member_key(struct offline *o, const json_t *component);
json_t *offline__find(const struct offline *o, const char *kind, struct slice ns,
                      struct slice name);
/* All of a kind, by namespace and name; the arena's. */
size_t offline__list(struct offline *o, const char *kind, json_t ***out);
/* The binding to an environment: the one that is given, or as it would be made. user: the
 * platform. */
const json_t *offline__binding(void *user, struct slice ns, struct slice project,
                               struct slice component, struct slice environment);
const json_t *offline__resource_binding(void *user, struct slice ns, struct slice resource,
                                        struct slice environment);

#endif
