/* contexts.h: the file of contexts, to read and to change.
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
 * ./.choreod/choreo.yaml (a `choreod dev` in this directory). It holds secrets: written with mode
 * 0600. Owner: the caller; contexts_free(). Thread: main's. */
#ifndef CLI_CONTEXTS_H
#define CLI_CONTEXTS_H

#include "base/json.h"

struct contexts {
    const char *file; /* where it was read, or would be written */
    bool found;       /* there is a file */
    json_t *tree;     /* of the whole file; {} if there is none */
    struct arena arena;
};

/* given may be NULL. A missing file is an empty one. Errors: ERR_INVALID, ERR_IO. */
int contexts_open(struct contexts *c, const char *given, struct err *err);
void contexts_free(struct contexts *c);
/* Errors: file_write()'s, file_make_dir()'s. */
int contexts_save(struct contexts *c, struct err *err);

const char *contexts_current(const struct contexts *c); /* NULL: none */
json_t *contexts_list(const struct contexts *c);        /* an array, or NULL; borrowed */
/* NULL if there is none of the name. */
json_t *contexts_find(const struct contexts *c, const char *name);
/* The one of the name, made if need be; the first becomes the current one. */
json_t *contexts_need(struct contexts *c, const char *name);
/* Errors: ERR_NOT_FOUND, naming those that are there. */
int contexts_use(struct contexts *c, const char *name, struct err *err);
int contexts_remove(struct contexts *c, const char *name, struct err *err);

#endif
