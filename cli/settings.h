/* settings.h: which cluster choreo talks to, and as whom: one context (contexts.h), resolved.
 *
 * Owner: the caller; settings_free(). Thread: main's. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "base/args.h"
#include "cli/contexts.h"

enum { SETTINGS_ENDPOINTS_MAX = 16 };

struct settings {
    const char *context; /* NULL: none, only endpoints were given */
    const char *endpoints[SETTINGS_ENDPOINTS_MAX];
    size_t endpoint_count;
    struct buf ca_pem;
    struct buf cert_pem;
    struct buf key_pem;
    const char *token;
    const char *ns;
    struct contexts contexts; /* private */
    struct arena arena;       /* private */
};

/* file and context may be NULL; endpoints, if any, take the place of the context's.
 * Errors: ERR_INVALID (naming file and what is missing), ERR_NOT_FOUND (no file anywhere, no such
 * context: says what to do), ERR_IO. */
int settings_load(struct settings *s, const char *file, const char *context,
                  const struct args_list *endpoints, struct err *err);
/* Of a context's tree, as it would be loaded. Errors: ERR_INVALID, ERR_IO, ERR_NOT_FOUND. */
int settings_read(struct settings *s, const json_t *context, struct err *err);
void settings_free(struct settings *s);

#endif
