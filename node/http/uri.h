/* uri.h: percent-encoding and query strings.
 * Owner: results are the arena's, or point into the input. Thread: any. */
#ifndef NODE_HTTP_URI_H
#define NODE_HTTP_URI_H

#include "base/arena.h"

/* Decodes %XX and, where plus_is_space, '+'. False for a broken escape or a NUL,
 * encoded or not. */
bool uri_decode(struct slice raw, bool plus_is_space, struct arena *arena, struct slice *out);
/* Cuts the next name=value off *query, decoded. False at the end; malformed pairs are skipped. */
bool uri_next_param(struct slice *query, struct arena *arena, struct slice *name,
                    struct slice *value);
/* "/a/b?c=d" or "https://host/a/b?c=d" to path and query. False if there is no path. */
bool uri_split_target(struct slice target, struct slice *path, struct slice *query);

#endif
