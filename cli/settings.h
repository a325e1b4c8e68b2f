/* settings.h: which cluster choreo talks to, and as whom.
 *
 *   current-context: dev
 *   contexts:
 *     - name: dev
 *       endpoints: [https://127.0.0.1:7443, https://127.0.0.1:7453]   any node will do
 *       certificateAuthority: /path/ca.crt      or certificateAuthorityData: base64
 *       token: eyJ...                           or clientCertificate and clientKey: paths
 *       namespace: default
 *
 * The file is --config, else $CHOREO_CONFIG, else ~/.config/choreo/config.yaml, else
 * ./.choreod/choreo.yaml (a `choreod dev` in this directory).
 * Owner: the caller; settings_free(). Thread: main's. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "base/args.h"
#include "base/json.h"

enum { SETTINGS_ENDPOINTS_MAX = 16 };

struct settings {
    const char *context;
    const char *endpoints[SETTINGS_ENDPOINTS_MAX];
    size_t endpoint_count;
    struct buf ca_pem;
    struct buf cert_pem;
    struct buf key_pem;
    const char *token;
    const char *ns;
    const char *file;   /* where it was read, or NULL */
    struct arena arena; /* private */
    json_t *tree;       /* private: of the whole file */
};

/* Finds the file and the context, and reads its credentials. file, context and endpoint may be
 * NULL; an endpoint stands instead of the context's. Errors: ERR_INVALID (naming file and what is
 * wrong), ERR_NOT_FOUND (no file anywhere, no such file or context: says what to do), ERR_IO. */
int settings_load(struct settings *s, const char *file, const char *context, const char *endpoint,
                  struct err *err);
/* The file alone, whatever its contexts say: for listing and choosing them. context is the current
 * one, or NULL. Errors: as above. */
int settings_open(struct settings *s, const char *file, struct err *err);
void settings_free(struct settings *s);
/* Makes a context the current one, in the file. Errors: ERR_NOT_FOUND, ERR_IO. */
int settings_use(struct settings *s, const char *context, struct err *err);
/* Names of all contexts. */
void settings_contexts(const struct settings *s, struct args_list *names);

#endif
