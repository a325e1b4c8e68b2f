/* schemas.h: what kinds there are and how they look: from the server, which knows custom ones too,
 * or, without one, from the tables that are compiled in. Both speak JSON Schema.
 *
 * Owner: the caller; schemas_close(). Thread: main's. */
#ifndef CLI_SCHEMAS_H
#define CLI_SCHEMAS_H

#include "cli/ask.h"
#include "proto/kind.h"

struct schemas {
    struct cli *cli;
    /* private */
    bool offline;
    struct kind_registry kinds;
};

/* Asks the server unless --offline is given; one that is not configured or cannot be reached is
 * done without, with a note. Errors: settings_load()'s but for a missing file, the server's. */
int schemas_open(struct schemas *s, struct cli *c, struct err *err);
void schemas_close(struct schemas *s);

/* A kind as the server would describe it; the cli's arena's. */
int schemas_kinds(struct schemas *s, Choreo__V1__KindInfo ***kinds, size_t *count, struct err *err);
/* By words. *schema is new, or NULL: the kind takes any fields. Errors: ERR_NOT_FOUND. */
int schemas_get(struct schemas *s, const char *words, Choreo__V1__KindInfo **kind, json_t **schema,
                struct err *err);

/* "choreo.dev/v1", "v1"; the arena's. */
const char *schemas_api_version(struct arena *arena, const Choreo__V1__KindInfo *kind);
/* Follows references and one-member allOfs; root holds the definitions. Borrowed. */
const json_t *schemas_resolve(const json_t *root, const json_t *schema);
/* What a member named so is, by properties or additionalProperties, through lists; NULL: unknown.
 */
const json_t *schemas_member(const json_t *root, const json_t *schema, struct slice name);

#endif
