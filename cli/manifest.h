/* manifest.h: manifests, from files, folders and standard input.
 *
 * All is read and checked for its form before a command sends the first, so that a typing error in
 * the last file leaves nothing half done. Each manifest knows its place, and the line of each of
 * its fields. Owner: the caller; manifests_free(). Thread: main's. */
#ifndef CLI_MANIFEST_H
#define CLI_MANIFEST_H

#include "base/args.h"
#include "base/json.h"

enum { MANIFEST_FILE_MAX = 64 << 20, MANIFESTS_MAX = 10000 };

struct manifest {
    json_t *tree;
    const char *file; /* "-" is standard input */
    int line;         /* of its document, from 1 */
    int item;         /* of a List; -1: the document itself */
    /* private: of manifests.sources, and from where to where in it */
    size_t source;
    size_t start;
    size_t end;
};

struct manifests {
    struct manifest *items;
    size_t count;
    struct arena arena;
    /* Files that could not be read, a sentence each. */
    const char **faults;
    size_t fault_count;
    struct buf *sources; /* private: the files' texts */
    size_t source_count;
};

/* Paths as -f gives them: files, folders (their *.yaml, *.yml and *.json, in order of name, but no
 * kustomization.yaml; with recursive those of folders below, too), "-".
 * Goes on after a bad file; the error is the first fault. Errors: ERR_INVALID (also: no manifest),
 * ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_IO. */
int manifests_read(struct manifests *m, const struct args_list *paths, bool recursive,
                   struct err *err);
void manifests_free(struct manifests *m);

/* Puts what others live in, are made of or name before them: organizations, definitions, types,
 * planes, environments, pipelines, projects; bindings last. Else they stay in their order. */
void manifests_sort(struct manifests *m);

/* The line of the field ("spec.endpoints[0].port", "spec.resources[deployment].template"), or of
 * the nearest thing around it that is there. */
int manifest_line(const struct manifests *m, const struct manifest *one, struct slice field);
/* "component.choreo.dev/web"; the arena's. */
const char *manifest_title(const json_t *object, struct arena *arena);

#endif
